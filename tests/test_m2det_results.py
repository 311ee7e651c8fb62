"""The experiment on M2Det's levels: its record says what its runs say, and its arithmetic by hand."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from detlearn.data import data_path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def experiment() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        return importlib.import_module("m2det_experiment")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_the_record_says_what_its_runs_say(experiment):
    record = json.loads(data_path("results", "m2det.json").read_text(encoding="utf-8"))
    assert record["command"].startswith("python benchmarks/m2det_experiment.py")
    assert {"settings", "versions"} <= record.keys()
    runs = record["runs"]
    done = [(one["variant"], one["seed"]) for one in runs]
    assert done == [(variant, seed) for variant in experiment.VARIANTS for seed in (0, 1, 2)]
    variants = {name: {"overrides": value} for name, value in experiment.VARIANTS.items()}
    summary = sys.modules["experiment"].summarize(runs, variants, experiment.SCORES)
    assert record["summary"] == json.loads(json.dumps(summary))
    assert record["deeper for complex"] == experiment.conclude(runs)["deeper for complex"]
    assert all({"ablation", "attention"} <= one.keys() for one in runs)


def ablation(*scores):
    """A group that has AP 0.8 with all levels, and `scores` without one of them."""
    table = {"simple": {"small": 0.8}}
    return {"whole": table, "mean": [{"simple": {"small": score}} for score in scores]}


@pytest.mark.parametrize(
    ("scores", "depth"),
    [
        ((0.8, 0.8, 0.4), 1.0),
        ((0.0, 0.8, 0.8), 0.0),
        ((0.4, 0.8, 0.4), 0.5),
        ((0.4, 0.9, 0.4), 0.5),
        ((0.2, 0.8, 0.6), 0.25),
        ((0.8, 0.9, 0.8), 0.0),
    ],
    ids=["the last", "the first", "both ends", "better without one", "three to one", "none"],
)
def test_needed_depth_by_hand(experiment, scores, depth):
    got = experiment.needed_depth(ablation(*scores), "mean", "simple", "small")
    assert got == pytest.approx(depth)


def test_groups_are_scored_apart(experiment):
    boxes = torch.tensor([[0.0, 0, 20, 20], [40.0, 40, 100, 100]])
    target = {"boxes": boxes, "labels": torch.tensor([1, 7]), "image_id": 0}
    found = {"boxes": boxes, "labels": torch.tensor([1, 8]), "scores": torch.tensor([0.9, 0.8])}
    table = experiment.by_group([found], [target])
    assert table["simple"]["small"] == 1.0
    assert table["complex"]["medium"] == 0.0  # the tree was taken for a person
    members = sorted(label for labels in experiment.GROUPS.values() for label in labels)
    assert members == list(range(1, 9))
