"""What comes next: a pure function of the runs that there are."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

import experiments
from detlearn.training import TrainConfig
from experiments.catalogue import EXPERIMENTS
from experiments.plan import (
    GRID,
    SEEDS,
    TUNE_SEEDS,
    Experiment,
    Spec,
    Variant,
    best_rate,
    next_runs,
    rates_to_try,
    tuned_rate,
    tuning,
)


def an_experiment(*variants, **changes):
    given = {
        "name": "colours", "question": "Which?", "reference": variants[0].name,
        "recipe": TrainConfig(), "scenes": 8, "epochs": 2, "grid": (1e-3, 2e-3, 3e-3),
    }  # fmt: skip
    return Experiment(variants=variants, **given | changes)


RED, BLUE = Variant("red", "ssd_tiny"), Variant("blue", "ssd_tiny", {"negative_ratio": 1.0})


def answer(spec, score, dead=()):
    return {
        "variant": spec.variant, "role": spec.role, "learning_rate": spec.rate,
        "seed": spec.seed, "score": "mAP", "scores": {"tune": {"mAP": score}},
        "check_up": {"dead": dict.fromkeys(dead, 0.9)},
    }  # fmt: skip


def work_through(experiment, score, dead=lambda spec: ()):
    """All runs of an experiment in the order in which it asks for them."""
    runs = []
    while missing := next_runs(experiment, runs):
        runs.append(answer(missing[0], score(missing[0]), dead(missing[0])))
        assert len(runs) < 200
    return runs


def peak(rate):
    """Best at 2e-3."""
    return lambda spec: 1 - abs(spec.rate - rate)


def test_tuning_comes_first_and_every_rate_has_every_seed():
    experiment = an_experiment(RED)
    first = next_runs(experiment, [])
    expected = [(rate, seed) for seed in TUNE_SEEDS for rate in experiment.grid]
    assert [(spec.rate, spec.seed) for spec in first] == expected
    assert {spec.role for spec in first} == {"tune"}
    runs = work_through(experiment, peak(2e-3))
    final = [run for run in runs if run["role"] == "final"]
    assert [run["seed"] for run in final] == list(SEEDS)
    assert {run["learning_rate"] for run in final} == {2e-3}
    assert tuning("red", runs) == {1e-3: [0.999] * 2, 2e-3: [1.0] * 2, 3e-3: [0.999] * 2}


@pytest.mark.parametrize(
    ("best", "tried"),
    [
        (3e-3, [1e-3, 2e-3, 3e-3, 5e-3]),
        (1e-2, [1e-3, 2e-3, 3e-3, 5e-3, 1e-2, 2e-2]),
        (1e-3, [5e-4, 1e-3, 2e-3, 3e-3]),
        (3e-4, [2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 3e-3]),
    ],
)
def test_a_best_rate_at_the_edge_widens_the_grid(best, tried):
    runs = work_through(an_experiment(RED), peak(best))
    assert list(tuning("red", runs)) == tried
    assert {run["learning_rate"] for run in runs if run["role"] == "final"} == {best}


def test_a_best_rate_at_the_edge_is_refused():
    tried = {1e-3: [0.1, 0.1], 2e-3: [0.2, 0.2], 3e-3: [0.3, 0.3]}
    with pytest.raises(ValueError, match=r"too few for 0.005 \(the best so far is the last one"):
        best_rate(tried, (1e-3, 2e-3, 3e-3))
    assert best_rate(tried | {5e-3: [0.1, 0.1]}, (1e-3, 2e-3, 3e-3)) == 3e-3
    with pytest.raises(ValueError, match=r"expected 2 scores for each of .*; too few for 0.001"):
        best_rate(tried | {1e-3: [0.9]}, (1e-3, 2e-3, 3e-3))


def test_one_lucky_seed_does_not_choose():
    tried = {1e-3: [0.0, 0.9], 2e-3: [0.5, 0.5], 3e-3: [0.4, 0.4]}
    assert rates_to_try(tried, GRID[:3], seeds=2) == [1e-3, 2e-3, 3e-3]
    assert best_rate(tried, GRID[:3]) == 2e-3


def test_a_rate_far_behind_gets_no_second_seed():
    experiment = an_experiment(RED, grid=(1e-3, 2e-3, 3e-3))
    runs = work_through(experiment, lambda spec: round(0.7 - 60 * abs(spec.rate - 2e-3), 3))
    assert tuning("red", runs) == {1e-3: [0.64], 2e-3: [0.7] * 2, 3e-3: [0.64]}
    assert {run["learning_rate"] for run in runs if run["role"] == "final"} == {2e-3}


@pytest.mark.parametrize(
    ("kills", "tried", "chosen"),
    [
        # Best by its score, and half dead: not chosen, not even by one seed of two.
        (3e-3, {1e-3: 2, 2e-3: 2, 3e-3: 1}, 2e-3),
        # The best healthy one stands at the edge of the healthy ones, not of what was tried.
        (2e-3, {5e-4: 2, 1e-3: 2, 2e-3: 1, 3e-3: 1}, 1e-3),
        # All of the grid: the search goes on below it.
        (1e-3, {3e-4: 2, 5e-4: 2, 1e-3: 1, 2e-3: 1, 3e-3: 1}, 5e-4),
    ],
)
def test_a_rate_that_kills_modules_is_not_chosen(kills, tried, chosen):
    runs = work_through(
        an_experiment(RED), peak(3e-3), lambda spec: ["stem"] if spec.rate >= kills else []
    )
    assert {rate: len(scores) for rate, scores in tuning("red", runs).items()} == tried
    assert {run["learning_rate"] for run in runs if run["role"] == "final"} == {chosen}


@pytest.mark.parametrize(("sick", "chosen"), [([0], 3e-3), ([0, 3], 2e-3)])
def test_two_sick_final_runs_take_a_rate_away_and_one_does_not(sick, chosen):
    def dead(spec):
        return ["stem"] if spec.role == "final" and spec.rate == 3e-3 and spec.seed in sick else []

    runs = work_through(an_experiment(RED), peak(3e-3), dead)
    last = {run["seed"]: run["learning_rate"] for run in runs if run["role"] == "final"}
    assert last == dict.fromkeys(SEEDS, chosen), "every seed anew, with one rate"


def test_rows_take_turns_seed_by_seed():
    runs = work_through(an_experiment(RED, BLUE), peak(2e-3))
    final = [(run["seed"], run["variant"]) for run in runs if run["role"] == "final"]
    assert final == [(seed, row) for seed in SEEDS for row in ("red", "blue")]


def test_a_row_like_another_tries_its_rate_and_the_neighbours():
    like = Variant("blue", "ssd_tiny", {"negative_ratio": 1.0}, like="red")
    experiment = an_experiment(RED, like)
    assert all(spec.variant == "red" for spec in next_runs(experiment, []))
    runs = work_through(experiment, peak(2e-3))
    assert list(tuning("blue", runs)) == [1e-3, 2e-3, 3e-3]

    def otherwise(spec):
        return peak(3e-3 if spec.variant == "blue" else 2e-3)(spec)

    runs = work_through(experiment, otherwise)
    assert list(tuning("blue", runs)) == [1e-3, 2e-3, 3e-3, 5e-3]


def test_a_rate_that_is_part_of_the_question_is_not_tuned():
    runs = work_through(an_experiment(Variant("fast", "ssd_tiny", rate=0.5)), lambda spec: 0.0)
    assert {(run["role"], run["learning_rate"]) for run in runs} == {("final", 0.5)}


def test_a_shipped_network_takes_the_first_of_its_rates_that_kills_nothing():
    row = Variant("red", "ssd_tiny", rates=(5e-3, 3e-3, 2e-3))
    experiment = an_experiment(row, sick_finals=1)

    def dead(spec):
        return ["stem"] if (spec.rate, spec.seed) in {(5e-3, 0), (3e-3, 2)} else []

    runs = work_through(experiment, peak(5e-3), dead)
    assert [(run["learning_rate"], run["seed"]) for run in runs] == [
        (5e-3, 0), *((3e-3, seed) for seed in (0, 1, 2)), *((2e-3, seed) for seed in SEEDS)
    ]  # fmt: skip
    with pytest.raises(ValueError, match="rates of red: expected one that kills no module, 0.005"):
        tuned_rate(experiment, row, work_through(experiment, peak(5e-3), lambda spec: ["stem"]))


def test_the_shipped_networks_begin_with_the_rates_that_the_face_off_chose():
    records = Path(experiments.__file__).parent / "records"
    tuned = json.loads((records / "face_off.json").read_text())["tuning"]
    for row in EXPERIMENTS["weights"].variants:
        chosen = tuned[row.name]["chosen"]
        assert row.rates == tuple(rate for rate in GRID[::-1] if rate <= chosen)


def test_a_killed_programme_goes_on_where_it_was():
    experiment = an_experiment(RED, BLUE)
    whole = work_through(experiment, peak(2e-3))
    for stop in range(len(whole)):
        missing = next_runs(experiment, whole[:stop])
        following = whole[stop]
        assert Spec("red", "tune", 0.0, 0) not in missing
        assert (missing[0].variant, missing[0].rate, missing[0].seed) == (
            following["variant"], following["learning_rate"], following["seed"],
        )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reference": "green"}, "reference: expected one of .'red', 'blue'., got 'green'"),
        ({"seeds": (0, 101)}, "seeds: expected none of the tuning seeds .101, 102., got .0, 101."),
        ({"delta": 0.02}, "delta_reason: expected why delta is 0.02 and not 0.01"),
    ],
)
def test_what_no_experiment_may_be(changes, message):
    with pytest.raises(ValueError, match=message):
        an_experiment(RED, BLUE, **changes)
    with pytest.raises(ValueError, match="variants: expected different names, got"):
        an_experiment(RED, RED)
    both = dataclasses.replace(RED, rate=1e-3, rates=(2e-3,))
    with pytest.raises(ValueError, match="red: expected one way to its .* got rate and rates"):
        an_experiment(both, BLUE)


@pytest.mark.parametrize("experiment", EXPERIMENTS.values(), ids=EXPERIMENTS)
def test_the_catalogue_keeps_the_rules(experiment):
    # The two that train the shipped weights compare nothing.
    assert len(experiment.seeds) >= (3 if experiment.name in ("weights", "pose") else 5)
    assert len(experiment.grid) >= 5 and experiment.question.endswith("?")
    if any(one.rate is None and not one.rates for one in experiment.variants):
        full, small = (
            experiment.scenes * experiment.epochs, experiment.tune_scenes * experiment.tune_epochs,
        )  # fmt: skip
        assert small * 4 == full
    assert experiment.epochs % 2 == 0, "there is a half of the budget"
