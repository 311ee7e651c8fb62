"""The solutions of notebook 14 agree with the package."""

import math
from pathlib import Path

import pytest
import torch

from detlearn import create_model, load_initial_weights
from detlearn.data import draw_stand_in, input_boxes, open_dataset
from detlearn.teach.exercises import nb14
from detlearn.training import RECIPES
from detlearn.training.recipes import COCO_IMAGES, VOC_IMAGES


def test_to_epochs_gives_the_recipe() -> None:
    """SSD's iterations, as the authors' script has them, are the epochs of our table."""
    recipe = RECIPES["ssd300_vgg16"]
    found = nb14.to_epochs.reference()((80_000, 100_000, 120_000), VOC_IMAGES, 32)
    assert found == [*recipe.milestones, recipe.epochs]
    assert nb14.to_epochs.reference()((5 * (COCO_IMAGES // 32),), COCO_IMAGES, 32) == [5]


def test_shared_rows_are_those_that_fine_tuning_takes(tmp_path: Path) -> None:
    old, new = ("background", "cat", "dog", "ship"), ("background", "ship", "coin", "cat")
    first, model = create_model("ssd_tiny", num_classes=4), create_model("ssd_tiny", num_classes=4)
    first.class_names, model.class_names = old, new
    before = model.head.logits[1].bias.detach().clone().unflatten(0, (-1, 4))
    with torch.no_grad():
        first.head.logits[1].bias.copy_(torch.arange(16.0))
    state = {"model": first.state_dict(), "position": 0, "class_names": list(old)}
    torch.save(state, tmp_path / "last.pt")
    report = load_initial_weights(model, tmp_path / "last.pt")
    rows = nb14.shared_rows.reference()(old, new)
    assert report.classes == tuple(new[label] for label, _ in rows)
    after = model.head.logits[1].bias.detach().unflatten(0, (-1, 4))
    given = torch.arange(16.0).unflatten(0, (-1, 4))
    for label in range(4):
        place = dict(rows).get(label)
        expected = before[:, label] if place is None else given[:, place]
        assert torch.equal(after[:, label], expected)


def test_too_small_measures_in_the_input(tmp_path: Path) -> None:
    dataset = open_dataset(str(draw_stand_in(tmp_path, "voc", train=6, val=1)), "train")
    boxes = torch.cat([dataset[i][1]["boxes"].as_subclass(torch.Tensor) for i in range(6)])
    seen = 300 * input_boxes(dataset)
    sizes = (seen[:, 2:] - seen[:, :2]).prod(dim=1).sqrt()
    least = float(sizes.median()) + 0.01
    ours = nb14.too_small.reference()(boxes, 128, 128, 300, least)
    assert ours == pytest.approx(float((sizes < least).double().mean()))


def test_sessions_by_the_chapters_numbers() -> None:
    solve = nb14.sessions_needed.reference()
    assert solve(65, 24, 4, 20) == math.ceil(1560 / 220) == 8
