"""What SSD's own ideas are worth: maps, box shapes, mining, forced matching, augmentation."""

from __future__ import annotations

import dataclasses
from typing import Any

from detlearn.boxes import SSD_TINY_PRIORS

from .plan import Experiment, Variant
from .recipes import STEPS, TINY

__all__ = ["EXPERIMENTS"]


def layout(sides: tuple[int, ...], ratios: tuple[tuple[float, ...], ...]) -> dict[str, Any]:
    """The tiny layout with its four sizes on other maps: a map may carry several sizes."""
    priors = dataclasses.replace(
        SSD_TINY_PRIORS,
        map_sizes=sides,
        steps=tuple(128 // side for side in sides),
        aspect_ratios=ratios,
    )
    return {"priors": priors}


TWO = ((), (2.0,), (2.0,), (2.0,))

MAPS = Experiment(
    name="ssd_maps",
    question="Is it worth predicting from several maps?",
    paper="VOC07 test: 74.3 mAP with six maps, 62.4 with conv7 only (Liu et al. 2016, Table 3)",
    # As many sizes and nearly as many priors in each row; what changes is where they sit.
    variants=(
        Variant("ssd_tiny", "ssd_tiny"),
        Variant("three maps", "ssd_tiny",
                layout((32, 16, 8, 8), TWO) | {"widths": (16, 32, 64, 96)},
                change="a map for several levels", like="ssd_tiny"),
        Variant("two maps", "ssd_tiny",
                layout((32, 16, 16, 16), ((), (2.0,), (), ())) | {"widths": (16, 32, 64)},
                change="a map for several levels", like="ssd_tiny"),
        Variant("one map", "ssd_tiny",
                layout((16, 16, 16, 16), TWO) | {"widths": (16, 32, 64)},
                change="a map for several levels", like="ssd_tiny"),
        Variant("one map, as many parameters", "ssd_tiny",
                layout((16, 16, 16, 16), TWO) | {"widths": (28, 56, 110)},
                change="a map for several levels", like="ssd_tiny", control="ssd_tiny"),
    ),
    reference="ssd_tiny",
    **STEPS,
)  # fmt: skip

SHAPES = Experiment(
    name="ssd_shapes",
    question="Are boxes of several shapes worth it?",
    paper=(
        "VOC07 test, mAP: 71.6 with squares, 73.7 with 1:2 too, 74.3 with 1:3 too (Liu et al. "
        "2016, Table 2)"
    ),
    variants=(
        Variant("ssd_tiny", "ssd_tiny"),
        Variant("squares", "ssd_tiny", layout((32, 16, 8, 4), ((), (), (), ())),
                like="ssd_tiny"),
        Variant("1, 2, 1/2, 3 and 1/3", "ssd_tiny",
                layout((32, 16, 8, 4), ((), (2.0, 3.0), (2.0, 3.0), (2.0, 3.0))),
                like="ssd_tiny"),
    ),
    reference="ssd_tiny",
    **STEPS,
)  # fmt: skip

LOSS = Experiment(
    name="ssd_loss",
    question="Which negatives should an SSD learn from, and must every object have a prior?",
    paper="3:1, the hardest first; no figures without (Liu et al. 2016, §2.2)",
    variants=(
        Variant("ssd_tiny", "ssd_tiny"),
        Variant("3:1, at random", "ssd_tiny", change="random negatives", like="ssd_tiny"),
        Variant("1:1, hardest", "ssd_tiny", {"negative_ratio": 1.0}, like="ssd_tiny"),
        Variant("10:1, hardest", "ssd_tiny", {"negative_ratio": 10.0}, like="ssd_tiny"),
        Variant("all, over positives", "ssd_tiny", {"negative_ratio": 1e9}),
        Variant("all, mean over priors", "ssd_tiny", change="mean over priors"),
        Variant("no forced matches", "ssd_tiny", change="not forced", like="ssd_tiny"),
    ),
    reference="ssd_tiny",
    **STEPS,
)

NOTHING: dict[str, Any] = {
    "as": "ssd", "photometric": False, "zoom_out": 1.0, "crop": False, "flip": False,
    "min_size": 3.0,
}  # fmt: skip
MIRROR = NOTHING | {"photometric": True, "flip": True}
CROP = MIRROR | {"crop": True}

AUGMENTATION = Experiment(
    name="ssd_augmentation",
    question="What is each step of SSD's augmentation worth where pictures are few?",
    paper=(
        "VOC07 test, mAP: 65.5 without 'more data augmentation', 74.3 with mirror, colour and "
        "crops, 77.2 with zooming out too (Liu et al. 2016, Tables 2 and 6)"
    ),
    # 600 pictures, each seen forty times: of an endless stream of new ones nothing need be varied.
    variants=(
        Variant("mirror, colour, crops", "ssd_tiny", augment=CROP),
        Variant("nothing", "ssd_tiny", augment=NOTHING, like="mirror, colour, crops"),
        Variant("mirror, colour", "ssd_tiny", augment=MIRROR, like="mirror, colour, crops"),
        Variant("mirror, colour, crops, zooming out", "ssd_tiny",
                augment=CROP | {"zoom_out": 4.0}, like="mirror, colour, crops"),
    ),
    reference="mirror, colour, crops",
    recipe=TINY,
    scenes=600,
    epochs=40,
    tune_scenes=600,
    tune_epochs=10,
)  # fmt: skip

EXPERIMENTS = (MAPS, SHAPES, AUGMENTATION, LOSS)
