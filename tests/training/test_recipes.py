"""Recipes are the published ones: rates by iteration or epoch, as they were written down."""

import json
from pathlib import Path

import pytest
import torchvision

from detlearn import list_models
from detlearn.__main__ import main
from detlearn.models.m2det import released_learning_rate
from detlearn.training import TrainConfig, learning_rate_factor
from detlearn.training.recipes import (
    BACKBONE_FILES,
    COCO_IMAGES,
    RECIPE_SOURCES,
    RECIPES,
    VOC_IMAGES,
)

GOLDEN = Path(__file__).parents[1] / "data" / "golden" / "m2det_boxes.json"
SSD_UVIPEN = {0: 2.6e-5, 1: 2.6e-3, 42: 2.6e-3, 43: 2.6e-4, 53: 2.6e-4, 54: 2.6e-5, 64: 2.6e-5}
VOC = {0: 1e-3, 79_000: 1e-3, 81_000: 1e-4, 99_000: 1e-4, 101_000: 1e-5, 119_000: 1e-5}
M2DET = {0: 2e-5, 5: 2e-3, 89: 2e-3, 90: 2e-4, 119: 2e-4, 120: 2e-5, 149: 2e-5}
RELEASED = {
    0: 1e-6,
    1: 8.008e-4,
    5: 4e-3,
    89: 4e-3,
    90: 2e-3,
    109: 2e-3,
    110: 4e-4,
    129: 4e-4,
    130: 4e-5,
    149: 4e-5,
    150: 4e-6,
    159: 4e-6,
}
POSE = {0: 1e-3, 169: 1e-3, 170: 1e-4, 199: 1e-4, 200: 1e-5, 209: 1e-5}
HRNET = {0: 2.6e-3 / 3, 1: 2.6e-3, 7: 2.6e-3, 8: 2.6e-4, 10: 2.6e-4, 11: 2.6e-5}

# name, images of the data set, rates by epoch (0: the first), epochs, batch, optimiser, momentum
# and whether Nesterov's, decay, on everything
PUBLISHED = [
    ("ssd300_resnet50", 118_287, SSD_UVIPEN, 65, 32, "sgd", 0.9, True, 5e-4, True),
    ("ssdlite300_mobilenet_v2", 118_287, SSD_UVIPEN, 65, 32, "sgd", 0.9, True, 5e-4, True),
    *[(f"m2det{name}", 118_287, M2DET, 150, 32, "sgd", 0.9, False, 5e-4, True)
      for name in ("320_vgg16", "512_vgg16", "704_vgg16", "800_vgg16",
                   "320_resnet101", "512_resnet101", "512_resnet50")],
    ("m2det512_vgg16:released", 118_287, RELEASED, 160, 32, "sgd", 0.9, False, 5e-4, True),
    ("pose_hrnet_w32", 149_813, POSE, 210, 4 * 32, "adam", None, None, 0.0, False),
    ("pose_hrnet_w48", 149_813, POSE, 210, 4 * 32, "adam", None, None, 0.0, False),
    ("ssd_hrnetv2p_w18", 118_287, HRNET, 12, 32, "sgd", 0.9, False, 1e-4, True),
]  # fmt: skip


def rate(config: TrainConfig, step: int, steps_per_epoch: int) -> float:
    return config.learning_rate * learning_rate_factor(step, steps_per_epoch, config)


@pytest.mark.parametrize(
    ("name", "images", "rates", "epochs", "batch", "optimizer", "momentum", "nesterov", "decay", "everything"),
    [pytest.param(*row, id=row[0]) for row in PUBLISHED],
)  # fmt: skip
def test_published_by_epoch(name, images, rates, epochs, batch, optimizer, momentum, nesterov, decay, everything):  # fmt: skip
    config = RECIPES[name]
    steps = images // batch
    for epoch, expected in rates.items():
        assert rate(config, epoch * steps, steps) == pytest.approx(expected, rel=1e-6), epoch
    for epoch in (epoch for epoch in rates if epoch - 1 in rates):  # dropped at the epoch's start
        before = rate(config, epoch * steps - 1, steps)
        assert before == pytest.approx(rate(config, (epoch - 1) * steps, steps)) or epoch == 1
    assert (config.epochs, config.batch_size, config.optimizer) == (epochs, batch, optimizer)
    assert (config.weight_decay, config.decay_everything) == (decay, everything)
    if optimizer == "sgd":
        assert (config.momentum, config.nesterov) == (momentum, nesterov)


@pytest.mark.parametrize(
    "name", ["ssd300_vgg16", "ssd512_vgg16", "refinedet320_vgg16", "refinedet512_vgg16"]
)
def test_published_by_iteration(name):
    config = RECIPES[name]
    assert (config.batch_size, config.optimizer) == (32, "sgd")
    assert (config.momentum, config.nesterov, config.weight_decay) == (0.9, False, 5e-4)
    steps = 16_551 // 32  # VOC 07+12 trainval; a last batch that is not full is left out
    for iteration, expected in VOC.items():
        assert rate(config, iteration, steps) == pytest.approx(expected), iteration
    # to the nearest epoch: 120,000 iterations in all, drops after 80,000 and 100,000
    ends = [milestone * steps for milestone in (*config.milestones, config.epochs)]
    for end, published in zip(ends, (80_000, 100_000, 120_000), strict=True):
        assert abs(end - published) <= steps / 2


def test_warm_up_ends_after_five_epochs_of_coco():
    for name in ("m2det512_vgg16", "m2det512_vgg16:released"):
        assert RECIPES[name].warmup_steps == 5 * 3_696 == 5 * (COCO_IMAGES // 32)
    assert (VOC_IMAGES, COCO_IMAGES) == (16_551, 118_287)


def test_released_m2det_is_its_golden_schedule():
    case = json.loads(GOLDEN.read_text(encoding="utf-8"))["lr_schedule"]["m2det512"]
    config, steps = RECIPES["m2det512_vgg16:released"], COCO_IMAGES // 32
    for epoch, iteration, expected in case["rows"]:
        step = iteration * steps // case["epoch_size"]
        assert rate(config, step, steps) == pytest.approx(expected, rel=1e-6), epoch
    for step in range(0, 160 * steps, 501):
        assert rate(config, step, steps) == pytest.approx(released_learning_rate(step, steps))


def test_every_model_that_can_be_trained_has_a_recipe_with_a_source():
    no_loss = ("hrnetv2p", "blazeface")
    trained = {name for name in list_models() if not name.startswith(no_loss)}
    assert {name.partition(":")[0] for name in RECIPES} == trained
    assert RECIPE_SOURCES.keys() == RECIPES.keys()
    assert all(len(sentence) > 60 and "{" not in sentence for sentence in RECIPE_SOURCES.values())


def test_tiny_recipes_are_those_of_the_shipped_weights():
    for name in ("ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny", "pose_hrnet_tiny"):
        path = Path(__file__).parents[2] / "data" / "weights" / f"{name}.json"
        shipped = json.loads(path.read_text(encoding="utf-8"))["runs"][0]["config"]
        for key in ("batch_size", "optimizer", "learning_rate", "warmup_steps", "schedule"):
            assert shipped[key] == getattr(RECIPES[name], key), (name, key)


def test_command_lists_and_shows(capsys):
    assert main(["recipes"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed[:-1]] == list(RECIPES)
    assert main(["recipes", "ssd300_vgg16"]) == 0
    shown = capsys.readouterr().out
    assert "milestones        (155, 193)" in shown and "section 3.6 doubles" in shown
    assert main(["recipes", "yolo"]) == 2
    assert "detlearn: yolo: no recipe of that name; known: ssd300_vgg16" in capsys.readouterr().err


def test_every_full_size_recipe_says_what_it_begins_with(capsys):
    for name in RECIPES:
        assert main(["recipes", name]) == 0
        said = capsys.readouterr().out
        assert ("--backbone" in said) == ("_tiny" not in name), name
    main(["recipes", "m2det512_vgg16:released"])
    assert "--backbone vgg16_reducedfc.pth         78 MB  https://" in capsys.readouterr().out


def test_torchvisions_files_are_where_torchvision_says():
    there = {
        weights.url: round(weights.meta["_file_size"])
        for name in ("VGG16", "ResNet50", "ResNet101", "MobileNet_V2")
        for weights in (torchvision.models.get_weight(f"{name}_Weights.IMAGENET1K_V1"),)
    }
    ours = {
        url: mb for files in BACKBONE_FILES.values() for url, mb in files if "pytorch.org" in url
    }
    assert ours == there
