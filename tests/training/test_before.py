"""What a training says before its first step."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
from PIL import Image

from detlearn import create_model, save_model
from detlearn.__main__ import main
from detlearn.data import Cached, CocoDetectionDataset, eval_transform
from detlearn.data.border import survey
from detlearn.training import TrainConfig, evaluate
from detlearn.training import train as fit
from detlearn.training.before import match_names, size_warning, training_warnings
from detlearn.training.recipes import RECIPES

VOC = RECIPES["ssd300_vgg16"]  # sgd, 1e-3 for 32
TINY = RECIPES["ssd_tiny"]  # adamw, 1e-2 for 8
ENOUGH = {"pictures": 900, "steps_per_epoch": 100}


@pytest.mark.parametrize(
    ("numbers", "recipe", "changes", "says"),
    [
        (ENOUGH, TINY, {}, None),
        (ENOUGH, VOC, {}, None),
        ({"pictures": 12, "steps_per_epoch": 100}, TINY, {}, "^12 pictures are few to learn from"),
        ({"pictures": 1, "steps_per_epoch": 100}, TINY, {}, "^1 picture is few"),
        (ENOUGH, TINY, {"epochs": 1}, "^100 steps in all are fewer than the 200 of the warm-up"),
        (ENOUGH, TINY, {"epochs": 3}, None),
        (ENOUGH, VOC, {"epochs": 10}, r"^the learning rate is to drop after epoch 155, 193, expected"),
        (ENOUGH, VOC, {"learning_rate": 0.1}, "0.1 is 1e.02 times what the recipe gives for batches of 32, expected about 0.001"),
        (ENOUGH, VOC, {"batch_size": 4}, "0.001 is 8 times what the recipe gives for batches of 4, expected about 0.00013"),
        (ENOUGH, VOC, {"batch_size": 4, "learning_rate": 1.25e-4}, None),
        (ENOUGH, TINY, {"batch_size": 4}, None),
        (ENOUGH, TINY, {"learning_rate": 1e-4}, "0.0001 is 0.01 times"),
        (ENOUGH, TINY, {"optimizer": "sgd", "learning_rate": 1e-4}, None),  # nobody knows
        (ENOUGH, None, {"learning_rate": 5.0}, None),
    ],
)  # fmt: skip
def test_one_sentence_where_it_will_fail(numbers, recipe, changes, says):
    config = dataclasses.replace(recipe or TrainConfig(), **changes)
    texts = training_warnings(config=config, recipe=recipe, **numbers)
    assert len(texts) == (says is not None), texts
    if says:
        with pytest.raises(ValueError, match=says):
            raise ValueError(texts[0])


def write(root, split, classes, boxes, size=(64, 48), seed=0):
    """A folder in COCO 2017's layout."""
    folder = root / f"{split}2017"
    folder.mkdir(parents=True, exist_ok=True)
    (root / "annotations").mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    images, annotations = [], []
    for n, (x, y, w, h, name) in enumerate(boxes, start=1):
        pixels = generator.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{n}.png")
        images.append({"id": n, "file_name": f"{n}.png", "width": size[0], "height": size[1]})
        annotations.append({"id": n, "image_id": n, "category_id": classes.index(name) + 1,
                            "bbox": [x, y, w, h]})  # fmt: skip
    content = {
        "images": images, "annotations": annotations,
        "categories": [{"id": k, "name": name} for k, name in enumerate(classes, start=1)],
    }  # fmt: skip
    file = root / "annotations" / f"instances_{split}2017.json"
    file.write_text(json.dumps(content))
    return CocoDetectionDataset(folder, file, on_bad="skip")


def test_small_objects_in_large_pictures_are_said(tmp_path):
    boxes = [(9, 9, 40, 40, "cat"), (300, 200, 25, 31, "cat"), (900, 700, 60, 60, "cat")]
    seen = survey(write(tmp_path, "train", ["cat"], boxes, (2048, 1536)), "train")
    text = size_warning(seen, 128)
    assert text.startswith(
        "the median object is 2.5 px wide and 3.3 px high at the network's 128 px"
    )
    assert "2.5 px wide and 2.5 px high" in size_warning(seen, 128, letterbox=True)
    assert size_warning(seen, 800) == ""


def train(root, *more):
    return main(["train", "ssd_tiny", "--data", str(root), "--out", str(root / "run"), "--epochs", "1",
                 "--batch-size", "2", "--samples", "0", "--device", "cpu", "--quiet", *more])  # fmt: skip


RED, GREEN = (4, 4, 30, 30, "red"), (20, 10, 40, 30, "green")


def test_names_decide_while_training_too(tmp_path, capsys, monkeypatch):
    """Train and val number their classes differently: case 01."""
    write(tmp_path, "train", ["red", "green"], [RED, GREEN])
    write(tmp_path, "val", ["green", "red"], [RED, GREEN, RED], seed=3)
    seen = {}

    def spy(model, dataset, **settings):
        seen["labels"] = [dataset[n][1]["labels"].tolist() for n in range(len(dataset))]
        seen["names"] = dataset.class_names, model.class_names
        return {"mAP": 0.5}

    monkeypatch.setattr("detlearn.training.cli.evaluate", spy)
    assert train(tmp_path) == 0
    assert seen["labels"] == [[1], [2], [1]]
    assert seen["names"] == (("background", "red", "green"),) * 2
    said = capsys.readouterr().out
    assert said.index("names decide") < said.index("parameters")


@pytest.mark.parametrize(
    ("classes", "boxes", "status", "says"),
    [
        (["green", "red", "blue"], [RED], 0, "val names blue, without a box: left out"),
        (["red"], [RED], 0, "val lacks green of train's classes"),
        (["red", "blue"], [RED, (1, 1, 9, 9, "blue")], 2, "val has blue (1 boxes), which train does not know"),
        (["Red", "green"], [(1, 1, 9, 9, "Red")], 2, "val has Red (1 boxes), which train does not know"),
    ],
)  # fmt: skip
def test_classes_that_differ_are_named_before_the_first_step(
    tmp_path, capsys, classes, boxes, status, says
):
    write(tmp_path, "train", ["red", "green"], [RED, GREEN])
    write(tmp_path, "val", classes, boxes, seed=3)
    assert train(tmp_path) == status
    said = capsys.readouterr()
    text = said.out + said.err
    assert says in text
    assert status == 2 or text.index(says) < text.index("parameters")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_missing_picture_is_named_before_the_first_step(tmp_path, capsys, split):
    """Case 11, whatever loads."""
    write(tmp_path, "train", ["red", "green"], [RED, GREEN])
    write(tmp_path, "val", ["red", "green"], [RED, GREEN], seed=3)
    (tmp_path / f"{split}2017" / "2.png").unlink()
    assert train(tmp_path, "--num-workers", "2") == 2
    said = capsys.readouterr()
    assert f"{split}: 1 of 2 pictures is missing" in said.err and "2.png" in said.err
    assert "parameters" not in said.out and "Traceback" not in said.err


def test_a_call_of_train_passes_the_border_too(tmp_path, capsys):
    data = write(tmp_path, "train", ["red", "green", "blue"], [RED, GREEN])
    data.transform = eval_transform(128)
    model = create_model("ssd_tiny", num_classes=4)
    config = TrainConfig(epochs=1, batch_size=2)
    fit(model, data, config, device="cpu", progress=False)
    assert (
        "train: 1 of 3 classes never occur, and will not be learned: blue"
        in capsys.readouterr().out
    )
    fit(model, data, config, device="cpu", progress=False, check=False)
    assert "never occur" not in capsys.readouterr().out
    kept = Cached(data)
    (tmp_path / "train2017" / "2.png").unlink()
    for dataset in (data, kept):
        with pytest.raises(ValueError, match="train: 1 of 2 pictures is missing"):
            fit(model, dataset, config, device="cpu", progress=False)


def turn(picture, way):
    """Let the camera say how it was held."""
    exif = Image.Exif()
    exif[0x0112] = way
    with Image.open(picture) as opened:
        opened.load()
    opened.save(picture, exif=exif)


@pytest.mark.parametrize("command", ["train", "evaluate", "check", "priors", "report"])
def test_nobody_s_turned_boxes_are_taken_on_trust(tmp_path, capsys, command):
    write(tmp_path, "train", ["red", "green"], [RED, GREEN])
    write(tmp_path, "val", ["red", "green"], [RED, GREEN], seed=3)
    weights = tmp_path / "run" / "best.safetensors"
    model = create_model("ssd_tiny", num_classes=3)
    model.class_names = ("background", "red", "green")
    save_model(model, weights if command in ("evaluate", "report") else tmp_path / "a.safetensors")
    for split in ("train", "val"):
        turn(tmp_path / f"{split}2017" / "2.png", 3)
    data, out = ["--data", str(tmp_path)], ["--out", str(tmp_path / "page.json")]
    arguments = {
        "train": ["train", "ssd_tiny", *data, "--out", str(tmp_path / "run"), "--epochs", "1", "--batch-size", "2",
                  "--samples", "0", "--device", "cpu", "--quiet"],
        "evaluate": ["evaluate", "--weights", str(weights), *data, "--quiet", "--device", "cpu"],
        "check": ["check", str(tmp_path), *out],
        "priors": ["priors", str(tmp_path), *out],
        "report": ["report", str(tmp_path / "run"), *data, "--quiet", "--device", "cpu"],
    }[command]  # fmt: skip
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert "1 of 2 pictures is turned or mirrored by the camera's note" in said.out + said.err
    assert main([*arguments, "--exif-upright"]) == 0
    said = capsys.readouterr().out
    if command == "report":
        said = (tmp_path / "run" / "report.html").read_text()
    assert "the boxes are taken for those of the upright picture: 2.png" in said


def test_priors_are_proposed_for_data_that_pass(tmp_path, capsys):
    write(tmp_path, "train", ["red", "green"], [RED, GREEN, (60, 40, 30, 30, "red")])
    assert main(["priors", str(tmp_path), "--out", str(tmp_path / "p.json")]) == 0
    assert (
        "train: 1 of 3 boxes reach out of the picture, and are cut: 3.png"
        in capsys.readouterr().out
    )
    (tmp_path / "train2017" / "3.png").unlink()
    assert main(["priors", str(tmp_path), "--out", str(tmp_path / "p.json")]) == 2
    assert "train: 1 of 3 pictures is missing" in capsys.readouterr().err


def test_a_warning_is_a_sentence_in_the_shell(capsys, monkeypatch):
    usual = warnings.formatwarning
    monkeypatch.setattr(
        "detlearn.__main__.run_models",
        lambda _: print(
            warnings.formatwarning("as it is", UserWarning, "a.py", 3, "return"), end=""
        ),
    )
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "detlearn: note: as it is\n"
    assert warnings.formatwarning is usual


def test_an_argument_does_not_change_what_labels_mean(tmp_path):
    data = write(tmp_path, "val", ["green", "red"], [RED, GREEN])
    model = create_model("ssd_tiny", num_classes=3)
    with pytest.raises(
        ValueError, match="class_names: expected those of the data set, background, green, red"
    ):
        evaluate(model, data, class_names=("background", "red", "green"))
    assert "mAP" in evaluate(model, data, class_names=data.class_names)


def test_weights_without_names_are_said(tmp_path, capsys):
    data = write(tmp_path, "val", ["green", "red"], [RED, GREEN])
    assert match_names(data, None, ("the weights a.safetensors", "val")) is data
    assert "the weights a.safetensors name no classes: their label n is" in capsys.readouterr().out
