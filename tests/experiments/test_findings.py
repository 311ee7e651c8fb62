"""What was found on the way, and stands in experiments/README.md: shown, not told."""

from __future__ import annotations

import ast
import json
import statistics
from pathlib import Path
from statistics import fmean

import pytest
import torch
from torch import nn

from detlearn import load_model
from detlearn.boxes import PriorConfig
from detlearn.data import data_path
from detlearn.metrics.compare import CANNOT_BE_TOLD, HELPS, NO_DIFFERENCE, t_interval, verdict
from detlearn.report import read_experiment, verdicts
from experiments.catalogue import QUESTIONS
from experiments.face_off import LAYOUTS, table_of
from experiments.records import record_path
from experiments.refinedet import PAPER_LIKE

SOURCES = Path(__file__).resolve().parents[2] / "notebooks/src"


def rows_of(trunk):
    """Biases of the last BatchNorm of each giver, for every row of every fuse matrix."""
    for stage in trunk.stages:
        for module in stage:
            for row in module.fuse:
                norms = [
                    [one for one in cell.modules() if isinstance(one, nn.BatchNorm2d)]
                    for cell in row
                ]
                yield [found[-1].bias.detach() for found in norms if found]


@pytest.mark.parametrize("name", ["ssd_hrnet_tiny", "pose_hrnet_tiny"])
def test_biases_that_are_summed_have_learned_the_same(name):
    """Their gradients are equal and they all begin at 0, so Adam moves them alike."""
    model = load_model(data_path("weights", f"{name}.safetensors")).float()
    trunk = model.trunk if name.startswith("pose") else model.backbone.trunk
    several = [row for row in rows_of(trunk) if len(row) > 1]
    assert len(several) >= 10
    record = json.loads(data_path("weights", f"{name}.json").read_text())["runs"][0]
    rounded = record["config"]["amp"] == "bf16"  # equal gradients, each rounded to 8 bits
    for first, *others in several:
        for other in others:  # weights are shipped with 11 bits
            assert torch.allclose(first, other, rtol=2e-3, atol=1e-3 if rounded else 1e-4)
    assert max(float(row[0].abs().max()) for row in several) > 0.5  # and they have moved


@pytest.mark.parametrize("givers", [1, 3])
def test_their_sum_moves_as_many_times_as_fast(givers):
    biases = [torch.zeros(4, requires_grad=True) for _ in range(givers)]
    optimizer = torch.optim.AdamW(biases, lr=0.01, weight_decay=0.0)
    for _ in range(10):
        optimizer.zero_grad()
        (sum(biases) * torch.tensor([1.0, 0.1, 10.0, 3.0])).sum().backward()
        optimizer.step()
    assert torch.allclose(sum(biases), torch.full((4,), -0.1 * givers), rtol=1e-3)


@pytest.mark.parametrize("experiment", QUESTIONS, ids=lambda one: one.name)
def test_what_a_chapter_reads_is_the_record(experiment):
    """A complete record is published, as it is; of an incomplete one nothing is."""
    file = data_path("results") / f"{experiment.name}.json"
    path = record_path(experiment)
    record = json.loads(path.read_text("utf-8")) if path.is_file() else {"complete": False}
    assert file.is_file() == record["complete"]
    if record["complete"]:
        wanted = json.loads(json.dumps(table_of([record], standing=False)))
        assert json.loads(file.read_text("utf-8")) == wanted


def test_one_bias_a_sum_in_the_record_and_in_words():
    told = read_experiment("hrnet_biases")
    many, one = told.rows["every giver's bias"], told.rows["one bias a sum"]
    assert (len(many.dead), len(one.dead)) == (4, 0)
    text = " ".join((SOURCES.parents[1] / "experiments/README.md").read_text("utf-8").split())
    mean, low, high = verdicts.difference_of(told, "one bias a sum")
    assert "died in four of the five runs as it is, and in none of the five with one bias" in text
    assert f"{many.mean():.3f} and {one.mean():.3f} of mAP after 750 steps" in text
    assert f"{mean:+.3f} ({low:+.3f} to {high:+.3f})" in text


def test_refinedets_parts_in_the_readme():
    rows = read_experiment("refinedet_parts").rows
    names = [
        "refinedet_tiny", "no filter", "no second step", "no TCB", "the TCB alone",
        "ssd_tiny, as many parameters",
    ]  # fmt: skip
    text = (SOURCES.parents[1] / "README.md").read_text("utf-8")
    assert "| mAP " + " · ".join(f"{rows[name].mean():.3f}" for name in names) + " |" in text


def test_m2dets_levels_in_the_readme_and_in_words():
    trial = read_experiment("m2det_levels")
    rows = trial.rows
    told = [
        f"{row.mean():.3f} ± {statistics.stdev(row.scores['mAP']):.3f}" for row in rows.values()
    ]
    assert f"| mAP {' · '.join(told)} |" in (SOURCES.parents[1] / "README.md").read_text("utf-8")
    source = next(SOURCES.glob("09_*.py")).read_text("utf-8")
    reference, one, wide = rows
    for name in (one, wide):
        mean, low, high = (
            f"{x:+.3f}".replace("-", "−") for x in verdicts.difference_of(trial, name)
        )
        assert rows[name].difference["verdict"] == CANNOT_BE_TOLD
        assert f"{mean} of mAP, from {low} to {high}" in source or (
            f"{mean}, from {low} to {high}" in source
        )
    found, *numbers = verdicts.compare_rows(trial, wide, one).found
    assert found == HELPS
    assert "by {:.3f} ({:.3f} to {:.3f})".format(*numbers) in source
    assert {name: set(row.dead) for name, row in rows.items() if row.dead} == {
        reference: {"0"}, one: {"4"}
    }  # fmt: skip
    lost = [
        len(run["check_up"]["dead"])
        for (_, rate), runs in finals("m2det_deep").items()
        if rate == 0.01
        for _, run in sorted(runs.items())
    ]
    assert f"its first two full runs lost {lost[0]} and {lost[1]} modules" in source


def test_a_narrow_refinedet_is_as_good_as_a_wide_one_without_tcbs():
    """Chapter 07's control of size comes from another table: the same seeds, scenes and order."""
    with_it = finals("face_off_equal")["refinedet_tiny, narrow", 0.01]
    without = finals("refinedet_parts")["no TCB", 0.01]
    assert with_it.keys() == without.keys() == set(range(5))
    assert all(with_it[seed]["order"] == without[seed]["order"] for seed in with_it)
    for size in ("parameters", "multiply_adds"):
        assert with_it[0][size] < without[0][size]
    scores = [
        [runs[seed]["scores"]["test"]["mAP"] for seed in range(5)] for runs in (with_it, without)
    ]
    mean, low, high = t_interval([b - a for a, b in zip(*scores, strict=True)])
    assert verdict(mean, low, high, 0.01) == NO_DIFFERENCE
    told = [f"{fmean(values):.3f}" for values in scores]
    assert f"TCBs is as good: {told[0]} (12)" in next(SOURCES.glob("07_*.py")).read_text("utf-8")
    text = " ".join((SOURCES.parents[1] / "experiments/README.md").read_text("utf-8").split())
    assert f"order: {told[0]} with its TCBs, {told[1]} without them at full width" in text


def test_refinedets_second_step_with_rough_priors_in_the_readme():
    trial = read_experiment("refinedet_layout")
    rows = trial.rows
    text = (SOURCES.parents[1] / "README.md").read_text("utf-8")
    told = {
        score: " · ".join(f"{row.mean(score):.3f}" for row in rows.values())
        for score in ("mAP", "mAP50")
    }
    assert f"| mAP {told['mAP']}; mAP50 {told['mAP50']} |" in text
    one = next(name for name in rows if name.startswith("no second step"))
    better = verdicts.compare_rows(trial, one, trial.reference, "mAP")
    worse = verdicts.compare_rows(trial, one, trial.reference, "mAP50")
    assert (better.found[0], worse.found[0]) == ("helps", "hurts")


def finals(name):
    """(row, rate) -> seed -> final run, those that were set aside too."""
    record = json.loads(
        (SOURCES.parents[1] / f"experiments/records/{name}.json").read_text("utf-8")
    )
    found = {}
    for run in [*record["runs"], *record["set_aside"]]:
        if run["role"] == "final":
            of = found.setdefault((run["variant"], run["learning_rate"]), {})
            of[run["seed"]] = run
    return found


def test_the_price_of_the_rule_about_dead_modules():
    """As README and chapter 12 tell it: what rates that were given up scored, seed by seed."""
    kept = {"ssd_hrnet_tiny": 3e-3, "m2det_tiny, narrow": 5e-3, "ssd_hrnet_tiny, narrow": 3e-3}
    runs = finals("face_off") | finals("face_off_equal")
    gains = {
        (name, rate): [
            one["scores"]["test"]["mAP"]
            - runs[name, kept[name]][seed]["scores"]["test"]["mAP"]
            for seed, one in seeds.items()
        ]
        for (name, rate), seeds in runs.items()
        if name in kept and rate > kept[name]
    }  # fmt: skip
    told = {("ssd_hrnet_tiny", 0.005): 0.01, ("m2det_tiny, narrow", 0.01): 0.06,
            ("ssd_hrnet_tiny, narrow", 0.005): 0.03}  # fmt: skip
    assert {key: round(statistics.mean(gains[key]), 2) for key in told} == told
    assert [len(gains[key]) for key in told] == [2, 2, 2]
    assert all(gain > 0 for key in told for gain in gains[key]), "the other six"
    (first,) = gains["ssd_hrnet_tiny", 0.01]
    assert first < 0 and set(gains) == {*told, ("ssd_hrnet_tiny", 0.01)}
    text = " ".join((SOURCES.parents[1] / "README.md").read_text("utf-8").split())
    assert (
        "the narrow M2Det 0.06 of mAP, the narrow HRNet 0.03 and HRNet 0.01, two pairs of runs each"
    ) in text


def test_one_m2det_of_five_lost_a_module_at_the_rate_of_the_face_off():
    runs = finals("face_off")["m2det_tiny", 0.005]
    assert [len(runs[seed]["check_up"]["dead"]) for seed in range(5)] == [1, 0, 0, 0, 0]
    source = next(SOURCES.glob("08_*.py")).read_text("utf-8")
    assert "in the shorter trainings of chapter 12 one run of five lost a module" in source


def test_what_chapter_07_says_of_trainings_that_it_does_not_print():
    ahead = [
        json.loads(data_path("weights", f"{name}.json").read_text())["runs"][0]["scores"]["mAP75"]
        for name in ("refinedet_tiny", "ssd_tiny")
    ]
    assert ahead[0] > ahead[1], "SSD is not ahead of the shipped RefineDet at high IoU"


def test_the_layout_that_chapter_12_draws_is_the_one_that_was_trained():
    """The chapter writes RefineDet's layout down once more, to measure it."""
    source = next(SOURCES.glob("12_*.py")).read_text()
    calls = [
        node for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "boxes.PriorConfig"
    ]  # fmt: skip
    (call,) = calls
    given = {word.arg: ast.literal_eval(word.value) for word in call.keywords}
    assert PriorConfig(**given) == PAPER_LIKE
    assert all(variant.overrides["priors"] == PAPER_LIKE for variant in LAYOUTS.variants)
