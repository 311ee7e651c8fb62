"""Counts, order and values of every prior layout."""

import dataclasses
import math

import pytest
import torch
from torchvision.models.detection.anchor_utils import DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from detlearn import boxes as B

COUNTS = {
    "ssd300_voc": 8732,
    "ssd300_coco": 8732,
    "ssd512_voc": 24564,
    "ssd300_uvipen": 8732,
    "ssdlite300_uvipen": 3000,
    "refinedet320": 6375,
    "refinedet512": 16320,
    "m2det320": 12810,
    "m2det512": 32760,
    "m2det704": 62022,
    "m2det800": 80208,
    "ssd_tiny": B.SSD_TINY_PRIORS.num_priors,
}


def test_every_layout_is_counted():
    assert set(COUNTS) == set(B.PRIOR_LAYOUTS)


@pytest.mark.parametrize("name", COUNTS)
def test_counts(name):
    config = B.PRIOR_LAYOUTS[name]
    priors = B.make_priors(config)
    assert config.num_priors == len(priors) == COUNTS[name] == sum(config.priors_per_level)
    assert priors.dtype == torch.float32
    assert torch.isfinite(priors).all()
    assert (priors[:, 2:] > 0).all()


def torchvision_priors(config: B.PriorConfig, clip: bool) -> torch.Tensor:
    """torchvision's generator on the same layout, as cxcywh fractions."""
    scales = [s / config.image_size for s in (*config.min_sizes, config.max_sizes[-1])]
    generator = DefaultBoxGenerator(
        [list(r) for r in config.aspect_ratios], scales=scales, steps=list(config.steps), clip=clip
    )
    side = config.image_size
    images = ImageList(torch.zeros(1, 3, side, side), [(side, side)])
    maps = [torch.zeros(1, 1, n, n) for n in config.map_sizes]
    return B.xyxy_to_cxcywh(generator(images, maps)[0] / side)


@pytest.mark.parametrize(
    "name",
    [
        "ssd300_coco",
        "ssd300_voc",
        "ssd512_voc",
        "ssdlite300_uvipen",
        "m2det320",
        "m2det800",
        "ssd_tiny",
    ],
)
@pytest.mark.parametrize("clip", [True, False])
def test_equal_to_torchvision(name, clip):
    config = dataclasses.replace(B.PRIOR_LAYOUTS[name], clamp="sizes" if clip else "none")
    theirs = torchvision_priors(config, clip)
    torch.testing.assert_close(B.make_priors(config), theirs, atol=1e-6, rtol=0)


def test_order_is_level_row_column_prior():
    config = B.SSD300_VOC_PRIORS
    box, priors = B.PriorBox(config), B.make_priors(config)
    for index in (0, 1, 4, 38 * 4, 5775, 5776, 8731):
        level, row, column, prior = box.locate(index)
        step = config.steps[level]
        assert priors[index, 0].item() == pytest.approx((column + 0.5) * step / 300)
        assert priors[index, 1].item() == pytest.approx((row + 0.5) * step / 300)
        assert priors[index, 2:].tolist() == pytest.approx(
            box.sizes(level)[prior].clamp(max=1).tolist()
        )
    assert box.locate(38 * 4) == (0, 1, 0, 0)  # one row further down, not one column further right


def test_sizes_by_hand():
    sizes = B.PriorBox(B.SSD300_VOC_PRIORS).sizes(1) * 300
    expected = [
        (60, 60),
        (math.sqrt(60 * 111), math.sqrt(60 * 111)),
        (60 * math.sqrt(2), 60 / math.sqrt(2)),
        (60 / math.sqrt(2), 60 * math.sqrt(2)),
        (60 * math.sqrt(3), 60 / math.sqrt(3)),
        (60 / math.sqrt(3), 60 * math.sqrt(3)),
    ]
    torch.testing.assert_close(sizes, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize(
    ("clamp", "expected"),
    [
        pytest.param("all", [1.0, 1.0, 1.0, 1.0], id="SSD, RefineDet, M2Det: centres too"),
        pytest.param("sizes", [1.25, 1.25, 1.0, 1.0], id="torchvision: sizes only"),
        pytest.param("none", [1.25, 1.25, 1.5, 1.5], id="nothing"),
    ],
)
def test_clamp(clamp, expected):
    config = B.PriorConfig(8, (1,), (20,), (12,), (), ((),), clamp)
    assert B.make_priors(config)[0].tolist() == expected


def test_steps_need_not_fill_the_image():
    # ERRATA, uvipen 7: 8 * 38 = 304 > 300, so the mean centre is not 0.5.
    priors = B.make_priors(B.SSD300_UVIPEN_PRIORS)
    assert priors[:, 0].mean().item() == pytest.approx(0.5088349, abs=1e-6)
    assert B.make_priors(B.REFINEDET320_PRIORS)[:, 0].mean().item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("config", "arguments"),
    [
        pytest.param(B.SSD300_VOC_PRIORS, {"first": 10, "low": 20, "high": 90}, id="VOC300"),
        pytest.param(B.SSD300_COCO_PRIORS, {"first": 7, "low": 15, "high": 90}, id="COCO300"),
        pytest.param(
            B.SSD512_VOC_PRIORS, {"first": 4, "low": 10, "high": 90}, id="512, cut to whole pixels"
        ),
    ],
)
def test_the_rule_gives_the_published_tables(config, arguments):
    minimum, maximum = B.ssd_sizes(config.image_size, config.num_levels, **arguments)
    assert tuple(math.floor(round(s, 6)) for s in minimum) == config.min_sizes
    assert tuple(math.floor(round(s, 6)) for s in maximum) == config.max_sizes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_size": 0}, "image_size: expected a positive integer, got 0"),
        ({"image_size": 300.0}, "image_size: expected a positive integer, got 300.0"),
        ({"map_sizes": ()}, "map_sizes: expected at least one level"),
        ({"steps": (8, 16)}, r"steps: expected one entry for each of the 6 levels .* got 2"),
        ({"min_sizes": (30,)}, "min_sizes: expected one entry"),
        ({"max_sizes": (60,)}, "max_sizes: expected one entry"),
        ({"aspect_ratios": ((2,),)}, "aspect_ratios: expected one entry"),
        ({"steps": (8, 16, 32, 64, 100, -1)}, r"steps\[5\]: expected a positive number, got -1"),
        (
            {"min_sizes": (30, 60, 111, 162, 213, float("nan"))},
            r"min_sizes\[5\]: expected a positive number, got nan",
        ),
        (
            {"max_sizes": (60, 111, 162, 213, 264, 1)},
            r"max_sizes\[5\]: expected at least min_sizes\[5\] = 264, got 1",
        ),
        ({"aspect_ratios": ((2,), (0,), (), (), (), ())}, r"aspect_ratios\[1\]: expected positive"),
        ({"clamp": "yes"}, "clamp: expected 'all', 'sizes' or 'none', got 'yes'"),
    ],
)
def test_bad_layouts_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(B.SSD300_VOC_PRIORS, **change)


@pytest.mark.parametrize("index", [-1, 8732])
def test_locate_outside(index):
    with pytest.raises(ValueError, match=f"index: expected 0 to 8731, got {index}"):
        B.PriorBox(B.SSD300_VOC_PRIORS).locate(index)


@pytest.mark.parametrize("level", [-1, 6])
def test_level_outside(level):
    with pytest.raises(ValueError, match=f"level: expected 0 to 5, got {level}"):
        B.PriorBox(B.SSD300_VOC_PRIORS).level(level)


def test_rule_arguments_are_checked():
    with pytest.raises(ValueError, match="num_levels: expected at least 3, got 2"):
        B.ssd_sizes(300, 2, first=10, low=20, high=90)
    with pytest.raises(ValueError, match="0 < first <= low < high"):
        B.ssd_sizes(300, 6, first=30, low=20, high=90)


def test_repr_says_what_it_is():
    assert (
        repr(B.PriorBox(B.REFINEDET320_PRIORS))
        == "PriorBox(6375 priors on maps (40, 20, 10, 5) of a 320 px image)"
    )
