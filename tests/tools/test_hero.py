"""The README's picture: which scene it takes, and that it says what it shows."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

import detlearn
from detlearn.boxes import SSD_TINY_PRIORS, PriorBox
from tools.hero import __main__ as command
from tools.hero import content as hero
from tools.hero.drawing import draw_hero

NAMES = ("background", *(f"class{i}" for i in range(1, 9)))
IMAGE = torch.full((3, 64, 64), 200, dtype=torch.uint8)


def scene(boxes, labels=None):
    boxes = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    labels = torch.arange(1, len(boxes) + 1) if labels is None else torch.tensor(labels)
    return IMAGE, {"boxes": boxes, "labels": labels}


SPREAD = scene([[0, 0, 6, 6], [20, 0, 30, 10], [40, 0, 64, 24], [0, 28, 36, 64]])
HIDDEN = scene([[0, 0, 36, 36], [1, 1, 35, 35], [2, 2, 8, 8], [3, 3, 30, 30]])
EMPTY = scene([], [])


@pytest.mark.parametrize(
    ("dataset", "index"),
    [([EMPTY], 0), ([EMPTY, HIDDEN], 1), ([HIDDEN, EMPTY, SPREAD, SPREAD], 2)],
    ids=["nothing but empty scenes", "an empty one and another", "the first of two equals"],
)
def test_the_scene_that_shows_most(dataset, index):
    assert hero.choose_scene(dataset) == index


def test_no_scene_to_choose_from():
    with pytest.raises(ValueError, match="dataset: expected at least one scene"):
        hero.choose_scene([])


def test_ground_truth_is_called_ground_truth():
    content = hero.ground_truth(*SPREAD, NAMES, "Scene 3")
    assert content.scores is None
    assert "ground truth, not a detector's answer" in content.caption
    levels = [PriorBox(SSD_TINY_PRIORS).locate(prior).level for prior in content.priors]
    assert levels == [0, 1, 2, 3]  # sides of 12, 20, 48 and 72 px of 128
    assert [values.shape for values in content.cell_values] == [(32, 32), (16, 16), (8, 8), (4, 4)]
    assert content.cell_values[3].max() > 0.5


def test_a_model_answers_for_itself():
    torch.manual_seed(0)
    model = detlearn.create_model("ssd_tiny")
    content = hero.model_answers(model, IMAGE, NAMES, "Scene 3", score_threshold=0.0)
    assert len(content.boxes) == len(content.priors) == len(content.scores) > 0
    assert "ground truth" not in content.caption
    assert all((0 <= values).all() and (values <= 1).all() for values in content.cell_values)


@pytest.mark.parametrize("target", [SPREAD, EMPTY], ids=["four objects", "no object"])
def test_the_picture_is_1600_by_800_and_small(target):
    png = draw_hero(hero.ground_truth(*target, NAMES, "Scene 3"))
    picture = Image.open(io.BytesIO(png))
    assert picture.size == (1600, 800)
    assert len(png) <= 400_000
    assert len(np.unique(np.asarray(picture.convert("L")))) > 20


@pytest.mark.parametrize("with_model", [False, True])
def test_the_command_writes_the_picture_and_says_what_it_shows(
    tmp_path, capsys, monkeypatch, with_model
):
    out, weights = tmp_path / "docs" / "hero.png", tmp_path / "mine.safetensors"
    arguments = ["--out", str(out), "--scene", "3"]
    if with_model:
        detlearn.save_model(detlearn.create_model("ssd_tiny"), weights, {})
        arguments += ["--weights", str(weights)]
    else:
        monkeypatch.setattr("detlearn.data.data_path", lambda *parts: tmp_path.joinpath(*parts))
    assert command.main(arguments) == 0
    assert Image.open(out).size == (1600, 800)
    assert [file.name for file in out.parent.iterdir()] == ["hero.png"]
    said = capsys.readouterr().out
    assert "Scene 3 of the embedded data set Shapes" in said
    assert ("seen by mine.safetensors" in said) == with_model
    assert ("ground truth" in said) != with_model
