"""Training and scoring a pose network, as the shell does it."""

import json
import math

import pytest
import torch
from PIL import Image

from detlearn import create_model, load_model, save_model
from detlearn.__main__ import main
from detlearn.data import Cached, KeypointCrops, Shapes, data_path
from detlearn.training import RECIPES, TrainConfig, evaluate_pose, train
from detlearn.training.cli import open_dataset


class Perfect(torch.nn.Module):
    """Estimates the truth that it was shown, or nothing at all."""

    def __init__(self, answers):
        super().__init__()
        self.answers = iter(answers)

    def estimate(self, images, boxes, flip=True):
        found = [next(self.answers) for _ in images]
        assert [len(one["keypoints"]) for one in found] == [len(one) for one in boxes]
        return found


@pytest.fixture(scope="module")
def scenes():
    return Cached(Shapes(length=40, keypoints=True))


@pytest.mark.parametrize(("offset", "low", "high"), [(0.0, 0.999, 1.0), (60.0, 0.0, 0.05)])
def test_scores_of_people(scenes, offset, low, high):
    answers = []
    for _, target in scenes.items:
        people = (target["keypoints"][..., 2] > 0).any(dim=1)
        joints = target["keypoints"][people][..., :2] + offset
        answers.append({"keypoints": joints, "scores": torch.ones(len(joints))})
    scores = evaluate_pose(Perfect(answers), scenes, batch_size=7)
    assert low <= scores["AP"] <= high


def test_scores_need_images_with_key_points():
    model = create_model("pose_hrnet_tiny")
    with pytest.raises(ValueError, match="expected at least one image to evaluate on"):
        evaluate_pose(model, Shapes(length=0, keypoints=True))
    with pytest.raises(ValueError, match="item 0 has no 'keypoints'"):
        evaluate_pose(model, Shapes(length=1))


def test_people_are_learned(tmp_path):
    # One batch of people again and again: the loss must fall below that of an empty map.
    torch.manual_seed(0)
    model = create_model("pose_hrnet_tiny")
    people = KeypointCrops(
        Cached(Shapes(length=24, keypoints=True)), model.config, min_joints=15, min_side=30
    )
    config = TrainConfig(epochs=30, batch_size=len(people), learning_rate=3e-3, warmup_steps=0)
    history = train(model, people, config, progress=False, device="cpu")
    empty = torch.stack([target["heatmaps"] for _, target in people]).square().mean() / 2
    assert history[-1]["heatmaps"] < 0.6 * float(empty)
    assert math.isfinite(history[-1]["heatmaps"]) and not model.training


@pytest.mark.slow
def test_train_and_evaluate_from_a_shell(tmp_path, capsys):
    run = tmp_path / "run"
    arguments = ["train", "pose_hrnet_tiny", "--data", "shapes", "--scenes", "16", "--epochs", "1",
                 "--batch-size", "4", "--no-eval", "--quiet", "--device", "cpu", "--out", str(run)]  # fmt: skip
    assert main(arguments) == 0
    assert "trained in" in capsys.readouterr().out
    assert load_model(run / "model.safetensors").config.name == "pose_hrnet_tiny"
    assert "heatmaps" in json.loads((run / "history.json").read_text())[0]
    assert main(arguments) == 2 and "holds a run already" in capsys.readouterr().err
    assert main([*arguments, "--resume"]) == 0
    capsys.readouterr()
    arguments = [
        "evaluate",
        "--weights",
        str(run / "model.safetensors"),
        "--quiet",
        "--device",
        "cpu",
    ]
    assert main(arguments) == 0
    assert "AP75" in capsys.readouterr().out


@pytest.mark.slow
def test_four_joints_of_a_file_train_and_are_scored_in_the_shell(tmp_path, capsys):
    """A skeleton that no recipe knows: its own names and number, no guessed mirror, said once."""
    names = ["hip", "knee", "foot", "hand"]
    generator = torch.Generator().manual_seed(0)
    for split in ("train", "val"):
        folder = tmp_path / "data" / f"{split}2017"
        folder.mkdir(parents=True)
        people = []
        for number in range(1, 5):
            pixels = torch.randint(256, (64, 64, 3), generator=generator, dtype=torch.uint8)
            Image.fromarray(pixels.numpy()).save(folder / f"{number}.png")
            joints = torch.randint(12, 52, (4, 2), generator=generator).tolist()
            people.append({"id": number, "image_id": number, "category_id": 1, "area": 2304,
                           "bbox": [8, 8, 48, 48], "iscrowd": 0, "num_keypoints": 4,
                           "keypoints": [part for x, y in joints for part in (x, y, 2)]})  # fmt: skip
        content = {
            "images": [{"id": n, "file_name": f"{n}.png", "width": 64, "height": 64} for n in range(1, 5)],
            "categories": [{"id": 1, "name": "walker", "keypoints": names}],
            "annotations": people,
        }  # fmt: skip
        file = tmp_path / "data" / "annotations" / f"person_keypoints_{split}2017.json"
        file.parent.mkdir(exist_ok=True)
        file.write_text(json.dumps(content))
    run = tmp_path / "run"
    assert main(["train", "pose_hrnet_tiny", "--data", str(tmp_path / "data"), "--epochs", "1", "--batch-size", "2",
                 "--quiet", "--samples", "0", "--device", "cpu", "--out", str(run)]) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "mirrored" in said and "the same sigma" in said
    model = load_model(run / "model.safetensors")
    assert model.joint_names == tuple(names) and model.config.num_joints == 4
    last = json.loads((run / "history.json").read_text())[-1]
    assert math.isfinite(last["heatmaps"]) and 0 <= last["AP"] <= 1


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "pose.safetensors"
    save_model(create_model("pose_hrnet_tiny"), path)
    return path


def test_mistakes_get_one_sentence(tmp_path, weights, capsys):
    out = ["--out", str(tmp_path / "out"), "--device", "cpu"]
    for arguments, message in (
        (["detect", "--weights", str(weights), "x.png", *out], "pose_hrnet_tiny finds no boxes"),
        (["train", "hrnetv2p_w18", *out], "hrnetv2p_w18 is a pyramid without heads"),
        (["train", "pose_hrnet_tiny", "--data", str(tmp_path), *out],
         "none of the layouts with key points known for 'train'"),
    ):  # fmt: skip
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("detlearn: ") and message in error


def test_val_scenes_have_key_points():
    _, target = open_dataset("shapes", "val", keypoints=True)[0]
    assert target["keypoints"].shape == (len(target["boxes"]), 17, 3)
    _, target = open_dataset("shapes", "val")[0]
    assert "keypoints" not in target


def test_the_shipped_network_finds_joints():
    """OKS-AP on the validation people, with weights that were stored in half precision."""
    path = data_path("weights", "pose_hrnet_tiny.safetensors")
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    scores = evaluate_pose(load_model(path), open_dataset("shapes", "val", keypoints=True))
    assert scores["AP"] >= 0.85
    assert scores["AP"] == pytest.approx(record["runs"][0]["scores"]["AP"], abs=0.005)
    assert path.stat().st_size <= 2_000_000


def test_the_shipped_detector_on_hrnet_has_a_record():
    path = data_path("weights", "ssd_hrnet_tiny.safetensors")
    record = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    model = load_model(path)
    assert model.config.name == "ssd_hrnet_tiny" and model.class_names[1] == "disc"
    run = record["runs"][0]
    assert (record["model"], run["command"]) == ("ssd_hrnet_tiny", "python -m experiments weights")
    assert run["config"]["learning_rate"] == RECIPES["ssd_hrnet_tiny"].learning_rate
    assert run["dead"] == {} and all(aside["dead"] for aside in record["set_aside"])
    assert path.stat().st_size <= 2_000_000
