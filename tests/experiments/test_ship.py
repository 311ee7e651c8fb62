"""What is shipped: the first seed, rounded, with its record; never a network with a dead module."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from safetensors.torch import save_file

from detlearn import create_model, load_model
from detlearn.data.shapes import CLASS_NAMES
from detlearn.training import RECIPES, TrainConfig
from experiments import ship as shipping
from experiments.plan import Experiment, Spec, Variant
from experiments.runs import run_folder

EXPERIMENT = Experiment(
    name="weights", question="How good?", variants=(Variant("tiny", "ssd_tiny", rates=(2e-3, 1e-3)),),
    reference="tiny", recipe=TrainConfig(), scenes=8, epochs=2, seeds=(0, 1), sick_finals=1,
)  # fmt: skip


def run_of(seed, rate=1e-3, dead=()):
    return {
        "variant": "tiny", "role": "final", "learning_rate": rate, "seed": seed,
        "scores": {"test": {"mAP": 0.5}}, "check_up": {"dead": dict.fromkeys(dead, 0.9)},
        "config": {"learning_rate": rate}, "versions": {}, "cpu_seconds": 1.0,
    }  # fmt: skip


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Two runs whose weights lie in their folders; scores without a scene."""
    for seed in (0, 1):
        folder = run_folder(tmp_path / "runs", EXPERIMENT, Spec("tiny", "final", 1e-3, seed))
        folder.mkdir(parents=True)
        torch.manual_seed(seed)
        save_file(create_model("ssd_tiny").state_dict(), folder / "model.safetensors")
    scores = iter([{"mAP": 0.7, "mAP50": 0.9, "AP/x": float("nan")}, {"mAP": 0.8, "mAP50": 0.9}])

    def evaluate(model, dataset):
        for name, value in model.state_dict().items():
            assert torch.equal(value, value.half().to(value.dtype)), f"{name} is not rounded"
        return next(scores)

    monkeypatch.setattr(shipping, "evaluate", evaluate)
    (tmp_path / "weights").mkdir()
    return tmp_path


def test_the_first_seed_is_shipped_with_what_all_of_them_reached(trained):
    aside = run_of(0, rate=2e-3, dead=["stem"])
    record = {
        "command": "python -m experiments weights", "runs": [run_of(1), run_of(0)],
        "set_aside": [aside],
    }  # fmt: skip
    assert shipping.ship(EXPERIMENT, record, trained / "runs", trained / "weights") == ["ssd_tiny"]
    content = json.loads((trained / "weights" / "ssd_tiny.json").read_text())
    assert (
        content["model"] == "ssd_tiny"
        and content["shipped"] == "seed 0"
        and content["summary"]["mAP"]
        == {
            "mean": 0.75,
            "sd": 0.0707,
        }
    )
    assert [run["scores"]["mAP"] for run in content["runs"]] == [0.7, 0.8]
    assert "AP/x" not in content["runs"][0]["scores"]
    assert content["set_aside"] == [
        {"learning_rate": 2e-3, "seed": 0, "test": {"mAP": 0.5}, "dead": {"stem": 0.9}}
    ]
    model = load_model(trained / "weights" / "ssd_tiny.safetensors")
    torch.manual_seed(0)
    first = create_model("ssd_tiny").state_dict()
    assert tuple(model.class_names) == tuple(CLASS_NAMES)
    for name, value in model.state_dict().items():
        assert torch.equal(value.float(), first[name].half().float()), name


def test_a_sick_network_is_not_shipped(trained):
    record = {"command": "", "runs": [run_of(0, dead=["stem"])], "set_aside": []}
    with pytest.raises(
        ValueError, match=r"tiny, seed 0: expected no dead module, got .'stem': 0.9"
    ):
        shipping.ship(EXPERIMENT, record, trained / "runs", trained / "weights")
    assert list((trained / "weights").iterdir()) == []


def test_a_run_whose_weights_are_gone_ships_nothing(trained):
    record = {"command": "", "runs": [run_of(0), run_of(1)], "set_aside": []}
    assert shipping.ship(EXPERIMENT, record, trained / "elsewhere", trained / "weights") == []


def test_a_pose_network_is_shipped_with_scores_of_poses(tmp_path, monkeypatch):
    people = dataclasses.replace(
        EXPERIMENT, name="pose", variants=(Variant("tiny", "pose_hrnet_tiny"),), score="AP",
        seeds=(0,), recipe=RECIPES["pose_hrnet_tiny"],
    )  # fmt: skip
    folder = run_folder(tmp_path / "runs", people, Spec("tiny", "final", 1e-3, 0))
    folder.mkdir(parents=True)
    torch.manual_seed(0)
    save_file(create_model("pose_hrnet_tiny").state_dict(), folder / "model.safetensors")
    asked = []

    def evaluate_pose(model, dataset):
        asked.append("keypoints" in dataset[0][1])
        return {"AP": 0.98, "AP50": 1.0, "AP75": 0.99}

    monkeypatch.setattr(shipping, "evaluate_pose", evaluate_pose)
    (tmp_path / "weights").mkdir()
    record = {"command": "", "runs": [run_of(0)], "set_aside": []}
    assert shipping.ship(people, record, tmp_path / "runs", tmp_path / "weights") == [
        "pose_hrnet_tiny"
    ]
    content = json.loads((tmp_path / "weights" / "pose_hrnet_tiny.json").read_text())
    assert asked == [True] and content["summary"].keys() == {"AP", "AP50"}
    assert load_model(tmp_path / "weights" / "pose_hrnet_tiny.safetensors") is not None
