"""What a layout of priors is, and the layouts that were published: numbers, no boxes yet.

A layout is nothing but a few numbers a level, so it is a frozen `PriorConfig`; `PriorBox` (in
``priors.py``, where the rule stands) turns it into the tensor.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Literal

__all__ = [
    "M2DET320_PRIORS", "M2DET512_PRIORS", "M2DET704_PRIORS", "M2DET800_PRIORS", "PRIOR_LAYOUTS",
    "REFINEDET320_PRIORS", "REFINEDET512_PRIORS", "SSD300_COCO_PRIORS", "SSD300_UVIPEN_PRIORS",
    "SSD300_VOC_PRIORS", "SSD512_VOC_PRIORS", "SSDLITE300_UVIPEN_PRIORS", "SSD_TINY_PRIORS",
    "PriorConfig",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class PriorConfig:
    """The numbers of a prior layout, level by level, fine to coarse.

    Attributes:
        image_size: side of the (square) network input, px.
        map_sizes: side of each feature map, cells.
        steps: distance between neighbouring centres, px of the input.  Usually the stride
            of the map; not always ``image_size / map_size`` (8 x 38 = 304).
        min_sizes: side of the first square of each level, px.
        max_sizes: the second square of level k has side ``sqrt(min * max)``, px; an empty
            tuple means that there is no second square (RefineDet).
        aspect_ratios: for each level the ratios r > 0; each adds the two boxes
            ``min * (sqrt(r), 1/sqrt(r))`` and ``min * (1/sqrt(r), sqrt(r))``.
        clamp: what is clamped to [0, 1]: ``"all"`` four numbers of (cx, cy, w, h), as the
            published code of SSD, RefineDet and M2Det does; ``"sizes"`` only w and h, as
            torchvision does; ``"none"``.

    Raises:
        ValueError: if the levels disagree in number, or a number is not positive.

    >>> config = PriorConfig(8, (2, 1), (4, 8), (2, 4), (4, 8), ((2,), ()))
    >>> config.priors_per_cell, config.priors_per_level, config.num_priors
    ((4, 2), (16, 2), 18)
    """

    image_size: int
    map_sizes: tuple[int, ...]
    steps: tuple[float, ...]
    min_sizes: tuple[float, ...]
    max_sizes: tuple[float, ...]
    aspect_ratios: tuple[tuple[float, ...], ...]
    clamp: Literal["all", "sizes", "none"] = "all"

    def __post_init__(self) -> None:
        if not isinstance(self.image_size, int) or self.image_size <= 0:
            raise ValueError(f"image_size: expected a positive integer, got {self.image_size!r}")
        for name in ("map_sizes", "steps", "min_sizes", "max_sizes"):
            _check_numbers(name, getattr(self, name))
        if not isinstance(self.aspect_ratios, tuple | list):
            raise ValueError(f"aspect_ratios: expected a tuple, got {self.aspect_ratios!r}")
        for level, ratios in enumerate(self.aspect_ratios):
            _check_numbers(f"aspect_ratios[{level}]", ratios)
        levels = len(self.map_sizes)
        if levels == 0:
            raise ValueError("map_sizes: expected at least one level, got none")
        for name in ("steps", "min_sizes", "max_sizes", "aspect_ratios"):
            values = getattr(self, name)
            if len(values) != levels and not (name == "max_sizes" and len(values) == 0):
                raise ValueError(
                    f"{name}: expected one entry for each of the {levels} levels of map_sizes, "
                    f"got {len(values)}: {values}"
                )
        for name in ("map_sizes", "steps", "min_sizes", "max_sizes"):
            for level, value in enumerate(getattr(self, name)):
                if not (value > 0 and math.isfinite(value)):
                    raise ValueError(f"{name}[{level}]: expected a positive number, got {value}")
        for level, (small, large) in enumerate(zip(self.min_sizes, self.max_sizes, strict=False)):
            if large < small:
                raise ValueError(
                    f"max_sizes[{level}]: expected at least min_sizes[{level}] = {small}, "
                    f"got {large}"
                )
        for level, ratios in enumerate(self.aspect_ratios):
            if any(not (ratio > 0 and math.isfinite(ratio)) for ratio in ratios):
                raise ValueError(f"aspect_ratios[{level}]: expected positive numbers, got {ratios}")
        if self.clamp not in ("all", "sizes", "none"):
            raise ValueError(f"clamp: expected 'all', 'sizes' or 'none', got {self.clamp!r}")

    @property
    def num_levels(self) -> int:
        """Number of feature maps, L."""
        return len(self.map_sizes)

    @property
    def priors_per_cell(self) -> tuple[int, ...]:
        """A for each level: the squares, and two boxes for each ratio."""
        squares = 2 if self.max_sizes else 1
        return tuple(squares + 2 * len(ratios) for ratios in self.aspect_ratios)

    @property
    def priors_per_level(self) -> tuple[int, ...]:
        """H * W * A for each level."""
        return tuple(
            side**2 * a for side, a in zip(self.map_sizes, self.priors_per_cell, strict=True)
        )

    @property
    def num_priors(self) -> int:
        """P, the length of everything a detector predicts."""
        return sum(self.priors_per_level)


def _check_numbers(name: str, values: object) -> None:
    if not isinstance(values, tuple | list) or not all(isinstance(v, Real) for v in values):
        raise ValueError(f"{name}: expected a tuple of numbers, got {values!r}")


def _uvipen(maps: tuple[int, ...], steps: tuple[float, ...], scales: tuple[float, ...],
            ratios: tuple[tuple[float, ...], ...]) -> PriorConfig:  # fmt: skip
    return PriorConfig(300, maps, steps, scales[:-1], scales[1:], ratios)


_SSD300_MAPS = (38, 19, 10, 5, 3, 1)
_SSD300_STEPS = (8, 16, 32, 64, 100, 300)
_SSD300_RATIOS = ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
_SSD300_COCO_SCALES = (21, 45, 99, 153, 207, 261, 315)

SSD300_VOC_PRIORS = PriorConfig(
    image_size=300, map_sizes=_SSD300_MAPS, steps=_SSD300_STEPS,
    min_sizes=(30, 60, 111, 162, 213, 264), max_sizes=(60, 111, 162, 213, 264, 315),
    aspect_ratios=_SSD300_RATIOS,
)  # fmt: skip
"""SSD300 of the paper, PASCAL VOC: 8,732 priors."""

SSD512_VOC_PRIORS = PriorConfig(
    image_size=512, map_sizes=(64, 32, 16, 8, 4, 2, 1), steps=(8, 16, 32, 64, 128, 256, 512),
    min_sizes=(20, 51, 133, 215, 296, 378, 460), max_sizes=(51, 133, 215, 296, 378, 460, 542),
    aspect_ratios=((2,), (2, 3), (2, 3), (2, 3), (2, 3), (2,), (2,)),
)  # fmt: skip
"""SSD512, seven levels: 24,564 priors."""

SSD300_COCO_PRIORS = PriorConfig(
    300, _SSD300_MAPS, _SSD300_STEPS, _SSD300_COCO_SCALES[:-1], _SSD300_COCO_SCALES[1:],
    _SSD300_RATIOS, clamp="sizes",
)  # fmt: skip
"""torchvision's ``ssd300_vgg16``: the COCO scales, centres not clamped."""

SSD300_UVIPEN_PRIORS = _uvipen(_SSD300_MAPS, _SSD300_STEPS, _SSD300_COCO_SCALES, _SSD300_RATIOS)
"""uvipen/SSD-pytorch, ResNet-50: the COCO scales, everything clamped."""

SSDLITE300_UVIPEN_PRIORS = _uvipen(
    (19, 10, 5, 3, 2, 1),
    (16, 32, 64, 100, 150, 300),
    (60, 105, 150, 195, 240, 285, 330),
    ((2, 3),) * 6,
)
"""uvipen/SSD-pytorch, SSDLite on MobileNetV2: 3,000 priors."""


def _refinedet(image_size: int) -> PriorConfig:
    """Four levels of three anchors; a square of side 4 x step, and ratio 2 both ways."""
    steps = (8, 16, 32, 64)
    return PriorConfig(
        image_size=image_size, map_sizes=tuple(image_size // step for step in steps), steps=steps,
        min_sizes=tuple(4 * step for step in steps), max_sizes=(), aspect_ratios=((2,),) * 4,
    )  # fmt: skip


REFINEDET320_PRIORS = _refinedet(320)
"""RefineDet320: 6,375 priors."""
REFINEDET512_PRIORS = _refinedet(512)
"""RefineDet512: 16,320 priors."""


def _m2det(image_size: int, maps: tuple[int, ...], steps: tuple[float, ...],
           pattern: tuple[float, ...]) -> PriorConfig:  # fmt: skip
    """Six levels of six anchors; the sizes are a pattern of fractions of the input."""
    sizes = tuple(round(image_size * factor, 2) for factor in pattern)
    return PriorConfig(image_size, maps, steps, sizes[:-1], sizes[1:], ((2, 3),) * 6)


M2DET320_PRIORS = _m2det(320, (40, 20, 10, 5, 3, 1), (8, 16, 32, 64, 107, 320),
                         (0.08, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05))  # fmt: skip
"""M2Det320: 12,810 priors."""
M2DET512_PRIORS = _m2det(512, (64, 32, 16, 8, 4, 2), (8, 16, 32, 64, 128, 256),
                         (0.06, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05))  # fmt: skip
"""M2Det512: 32,760 priors."""
M2DET704_PRIORS = _m2det(704, (88, 44, 22, 11, 6, 4), (8, 16, 32, 64, 117, 176),
                         (0.04, 0.11, 0.23, 0.39, 0.58, 0.80, 1.05))  # fmt: skip
"""M2Det704: 62,022 priors."""
M2DET800_PRIORS = _m2det(800, (100, 50, 25, 13, 7, 5), (8, 16, 32, 62, 115, 160),
                         (0.04, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05))  # fmt: skip
"""M2Det800: 80,208 priors."""

SSD_TINY_PRIORS = PriorConfig(
    image_size=128, map_sizes=(32, 16, 8, 4), steps=(4, 8, 16, 32),
    min_sizes=(9, 20, 40, 72), max_sizes=(20, 40, 72, 112), aspect_ratios=((), (2,), (2,), (2,)),
)  # fmt: skip
"""`ssd_tiny` for the embedded data set Shapes: objects of 8 to 96 px on 128 px."""

PRIOR_LAYOUTS: Mapping[str, PriorConfig] = MappingProxyType(
    {
        "ssd300_voc": SSD300_VOC_PRIORS,
        "ssd300_coco": SSD300_COCO_PRIORS,
        "ssd512_voc": SSD512_VOC_PRIORS,
        "ssd300_uvipen": SSD300_UVIPEN_PRIORS,
        "ssdlite300_uvipen": SSDLITE300_UVIPEN_PRIORS,
        "refinedet320": REFINEDET320_PRIORS,
        "refinedet512": REFINEDET512_PRIORS,
        "m2det320": M2DET320_PRIORS,
        "m2det512": M2DET512_PRIORS,
        "m2det704": M2DET704_PRIORS,
        "m2det800": M2DET800_PRIORS,
        "ssd_tiny": SSD_TINY_PRIORS,
    }
)
"""Every layout of the course by name."""
