"""Records: whole, continued run by run, and honest about sick networks and early verdicts."""

from __future__ import annotations

import dataclasses
import json

import pytest

from detlearn.training import TrainConfig
from experiments.plan import Experiment, Spec, Variant, next_runs
from experiments.protocol import conclude
from experiments.records import RUN_KEYS, add_run, borrow, make_record, read_runs, record_path

EXPERIMENT = Experiment(
    name="colours",
    question="Is red better?",
    variants=(
        Variant("plain", "ssd_tiny", rate=1e-3),
        Variant("red", "ssd_tiny", {"negative_ratio": 1.0}, rate=2e-3),
        Variant("blue", "ssd_tiny", {"negative_ratio": 2.0}),
    ),
    reference="plain",
    recipe=TrainConfig(),
    scenes=8,
    epochs=2,
    tune_scenes=4,
    tune_epochs=1,
)
SCORES = {"plain": 0.5, "red": 0.53, "blue": 0.5}


def a_run(spec: Spec, half: float = 0.0, **changes):
    """A row of a record; seeds differ a little, and alike for all variants."""
    score = SCORES[spec.variant] + 0.01 * (spec.seed % 3) + 1e-4 * (spec.seed % 2)
    score -= abs(spec.rate - 2e-3) if spec.role == "tune" else 0.0
    scores = {"tune": {"mAP": score}}
    if spec.role == "final":
        scores |= {
            "test": {"mAP": score, "mAP50": 2 * score, "AP/disc": 0.1},
            "half": {"mAP": score - 0.1 + half},
        }
    run = {
        "variant": spec.variant, "role": spec.role, "learning_rate": spec.rate,
        "seed": spec.seed, "score": "mAP", "scores": scores, "loss": [], "images": 16,
        "steps": 2, "scenes": 8, "order": f"order {spec.seed}", "parameters": 7,
        "multiply_adds": 70, "milliseconds": 1.5, "check_up": {"dead": {}}, "config": {},
        "versions": {}, "cpu_seconds": 36.0, "command": "python -m experiments colours",
    }  # fmt: skip
    return run | changes


def all_runs(**changes):
    runs = []
    while missing := next_runs(EXPERIMENT, runs):
        runs.append(a_run(missing[0], **changes))
    return runs


def test_a_record_grows_run_by_run_and_is_whole_at_every_moment(tmp_path):
    path = record_path(EXPERIMENT, tmp_path)
    assert path == tmp_path / "colours.json" and read_runs(path, EXPERIMENT) == []
    for number, run in enumerate(all_runs(), 1):
        add_run(path, EXPERIMENT, run)
        record = json.loads(path.read_text(encoding="utf-8"))
        assert len(record["runs"]) == number == len(read_runs(path, EXPERIMENT))
        assert record["complete"] == (not next_runs(EXPERIMENT, record["runs"]))
        assert record["cpu_hours"] == pytest.approx(number / 100)
        assert bool(record["table"].get("red", {}).get("verdict")) == record["complete"]
    assert record["complete"] and record["tuning"]["blue"]["chosen"] == 2e-3
    assert set(record["tuning"]["blue"]["tried"]) == {"0.001", "0.002", "0.003", "0.005", "0.01"}
    assert record["tuning"].keys() == {"blue"}
    assert sorted(path.parent.glob("*.json")) == [path]  # nothing half written is left


def test_a_run_that_was_made_twice_counts_once(tmp_path):
    path = record_path(EXPERIMENT, tmp_path)
    run = a_run(next_runs(EXPERIMENT, [])[0])
    add_run(path, EXPERIMENT, run)
    add_run(path, EXPERIMENT, run | {"cpu_seconds": 1.0})
    assert [one["cpu_seconds"] for one in read_runs(path, EXPERIMENT)] == [1.0]


def test_the_table_by_hand():
    record = make_record(EXPERIMENT, all_runs())
    red = record["table"]["red"]
    assert red["mAP"]["values"] == [0.53, 0.5401, 0.55, 0.5301, 0.54]
    assert (red["mAP"]["mean"], red["means"]["mAP50"]) == (0.538, 1.0761)
    assert "AP/disc" not in red["means"]
    assert (red["parameters"], red["multiply_adds"], red["images"]) == (7, 70, 16)
    assert red["difference"]["values"] == [0.03] * 5 and red["verdict"] == "helps"
    assert record["table"]["blue"]["verdict"] == "makes no difference that matters"
    assert "verdict" not in record["table"]["plain"]
    assert not red["turned"] and red["at half the budget"]["verdict"] == "helps"
    assert record["sick"] == {}
    assert record == json.loads(json.dumps(record))


def test_a_verdict_that_turns_is_reported():
    runs = [a_run(Spec(*key), half=-0.05 if key[0] == "red" else 0.0) for key in keys()]
    red = conclude(EXPERIMENT, runs)["table"]["red"]
    assert red["verdict"] == "helps" and red["at half the budget"]["verdict"] == "hurts"
    assert red["turned"]


def keys():
    return [(run["variant"], run["role"], run["learning_rate"], run["seed"]) for run in all_runs()]


def test_a_run_with_dead_modules_is_reported():
    runs = all_runs()
    (victim,) = [
        run for run in runs if (run["variant"], run["role"], run["seed"]) == ("red", "final", 3)
    ]
    victim["check_up"] = {"dead": {"backbone.stages.1": 0.9}}
    found = conclude(EXPERIMENT, runs)
    assert found["sick"] == {"red, seed 3": {"backbone.stages.1": 0.9}}
    assert found["table"]["red"]["sick seeds"] == [3]
    assert found["table"]["blue"]["sick seeds"] == []


def test_a_final_run_of_a_rate_that_turns_out_sick_is_kept_and_compared_with_nothing(tmp_path):
    runs = all_runs()
    dead = {"check_up": {"dead": {"backbone.stages.1": 0.9}}}
    for run in runs:  # the rate that was chosen for blue kills modules, as its last tuning run says
        if (run["variant"], run["role"], run["learning_rate"]) == ("blue", "tune", 2e-3):
            run |= dead
    record = make_record(EXPERIMENT, runs)
    assert record["tuning"]["blue"]["sick"] == ["0.002"]
    assert record["tuning"]["blue"]["chosen"] == 1e-3 or record["tuning"]["blue"]["chosen"] is None
    assert {run["variant"] for run in record["set_aside"]} == {"blue"}
    assert len(record["set_aside"]) == 5 and "blue" not in record["table"]
    assert record["cpu_hours"] == round(len(runs) * 0.01, 2)
    path = record_path(EXPERIMENT, tmp_path)
    for run in runs:
        add_run(path, EXPERIMENT, run)
    assert len(read_runs(path, EXPERIMENT)) == len(runs), "nothing is lost"
    while missing := next_runs(EXPERIMENT, read_runs(path, EXPERIMENT)):
        add_run(path, EXPERIMENT, a_run(missing[0]))
    whole = json.loads(path.read_text())
    assert whole["complete"] and whole["table"]["blue"]["seeds"] == [0, 1, 2, 3, 4]
    assert {run["learning_rate"] for run in whole["runs"] if run["variant"] == "blue"
            and run["role"] == "final"} == {whole["tuning"]["blue"]["chosen"]}  # fmt: skip
    assert len(whole["set_aside"]) == 5


def test_a_record_whose_rate_two_final_runs_took_away_ends(tmp_path):
    path = record_path(EXPERIMENT, tmp_path)
    while missing := next_runs(EXPERIMENT, read_runs(path, EXPERIMENT)):
        spec = missing[0]
        dead = spec.variant == "blue" and spec.role == "final" and spec.rate == 2e-3
        changes = {"check_up": {"dead": {"stem": 0.8}}} if dead else {}
        add_run(path, EXPERIMENT, a_run(spec, **changes))
        assert len(read_runs(path, EXPERIMENT)) < 60
    record = json.loads(path.read_text())
    assert record["complete"] and len(record["set_aside"]) == 2
    assert record["tuning"]["blue"]["sick"] == ["0.002"]
    assert len(record["table"]["blue"]["seeds"]) == 5 and not record["sick"]


def test_no_verdict_before_all_rows_have_five_pairs():
    runs = [run for run in all_runs() if (run["variant"], run["seed"]) != ("blue", 4)]
    assert not any("verdict" in row for row in conclude(EXPERIMENT, runs)["table"].values())


def test_other_orders_are_refused_where_they_would_be_compared(tmp_path):
    path = record_path(EXPERIMENT, tmp_path)
    finals = [run for run in all_runs() if run["role"] == "final"]
    add_run(path, EXPERIMENT, finals[0])
    assert (finals[1]["variant"], finals[1]["seed"]) == ("red", finals[0]["seed"])
    with pytest.raises(ValueError, match="seed 0: expected one order of the scenes for all rows"):
        add_run(path, EXPERIMENT, finals[1] | {"order": "another"})
    assert len(read_runs(path, EXPERIMENT)) == 1


def test_a_record_of_other_settings_is_refused(tmp_path):
    path = record_path(EXPERIMENT, tmp_path)
    add_run(path, EXPERIMENT, all_runs()[0])
    longer = dataclasses.replace(EXPERIMENT, epochs=4)
    with pytest.raises(ValueError, match="other settings .epochs: 2 then, 4 now.; move it away"):
        read_runs(path, longer)
    recipe = dataclasses.replace(EXPERIMENT, recipe=TrainConfig(weight_decay=0.1))
    with pytest.raises(ValueError, match="other settings .recipe: "):
        read_runs(path, recipe)
    renamed = (*EXPERIMENT.variants[:1], Variant("red", "ssd_tiny", rate=2e-3))
    with pytest.raises(ValueError, match="'red' was .* give it another name"):
        read_runs(path, dataclasses.replace(EXPERIMENT, variants=renamed))


def test_a_damaged_record_is_refused(tmp_path):
    path = record_path(EXPERIMENT, tmp_path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="expected the record of an experiment"):
        read_runs(path, EXPERIMENT)
    run = all_runs()[0]
    path.unlink()
    add_run(path, EXPERIMENT, run)
    record = json.loads(path.read_text(encoding="utf-8"))
    assert set(record["runs"][0]) == set(RUN_KEYS)
    del record["runs"][0]["order"]
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ValueError, match="says no order"):
        read_runs(path, EXPERIMENT)


def test_runs_of_the_same_row_are_made_once(tmp_path):
    other = dataclasses.replace(
        EXPERIMENT,
        name="shades",
        reference="green",
        variants=(Variant("green", "ssd_tiny", rate=1e-3), *EXPERIMENT.variants[:2]),
    )
    longer = dataclasses.replace(other, name="longer", epochs=4)
    changed = dataclasses.replace(
        other, name="changed", variants=(other.variants[0], Variant("red", "ssd_tiny", rate=2e-3))
    )
    for run in all_runs():
        add_run(record_path(EXPERIMENT, tmp_path), EXPERIMENT, run)
    taken = borrow(other, [EXPERIMENT, other], tmp_path)
    assert len(taken) == 10 and not any(key.startswith("blue") for key in taken)
    runs = read_runs(record_path(other, tmp_path), other)
    assert {run["variant"] for run in runs} == {"plain", "red"}
    assert {run["made_for"] for run in runs} == {"colours"}
    assert make_record(other, runs)["cpu_hours"] == 0, "counted where they were made"
    assert {spec.variant for spec in next_runs(other, runs)} == {"green"}
    assert borrow(other, [EXPERIMENT, other], tmp_path) == [], "once"
    assert borrow(longer, [EXPERIMENT], tmp_path) == [] == borrow(changed, [EXPERIMENT], tmp_path)
    measured = dataclasses.replace(other, name="measured", standing=True)
    assert borrow(measured, [EXPERIMENT], tmp_path) == []
    told = record_path(measured, tmp_path)
    for run in all_runs():
        if run["variant"] != "blue":
            add_run(told, measured, run | {"standing": {"small": 1.0}})
    poorer = dataclasses.replace(other, name="poorer")
    assert len(borrow(poorer, [measured], tmp_path)) == 10, "what says more says enough"
    runs = read_runs(record_path(poorer, tmp_path), poorer)
    assert not any("standing" in run for run in runs)
