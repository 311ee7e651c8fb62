"""PriorBox: the fixed grid of boxes that a single-shot detector corrects.

A *prior* (default box in SSD, anchor in RefineDet and M2Det: one thing) is a box that
is written down before any picture is seen.  Every cell of every feature map owns a few
of them, and the network only says how to move each and what it holds.

This is the rule; the numbers that it is applied to, a `PriorConfig`, stand in ``layouts.py``.
The order is the same everywhere in the course: level (fine to coarse), row, column, prior.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .layouts import (
    M2DET320_PRIORS,
    M2DET512_PRIORS,
    M2DET704_PRIORS,
    M2DET800_PRIORS,
    PRIOR_LAYOUTS,
    REFINEDET320_PRIORS,
    REFINEDET512_PRIORS,
    SSD300_COCO_PRIORS,
    SSD300_UVIPEN_PRIORS,
    SSD300_VOC_PRIORS,
    SSD512_VOC_PRIORS,
    SSD_TINY_PRIORS,
    SSDLITE300_UVIPEN_PRIORS,
    PriorConfig,
)

__all__ = [
    "M2DET320_PRIORS", "M2DET512_PRIORS", "M2DET704_PRIORS", "M2DET800_PRIORS", "PRIOR_LAYOUTS",
    "REFINEDET320_PRIORS", "REFINEDET512_PRIORS", "SSD300_COCO_PRIORS", "SSD300_UVIPEN_PRIORS",
    "SSD300_VOC_PRIORS", "SSD512_VOC_PRIORS", "SSDLITE300_UVIPEN_PRIORS", "SSD_TINY_PRIORS",
    "PriorBox", "PriorConfig", "PriorIndex", "make_priors", "ssd_sizes",
]  # fmt: skip


class PriorIndex(NamedTuple):
    """Where in the pyramid a prior lives."""

    level: int
    row: int
    column: int
    prior: int


class PriorBox:
    """All priors of a layout as one tensor (Liu et al. 2016, §2.2, "Choosing scales").

    Args:
        config: the layout.

    >>> config = PriorConfig(8, (2,), (4,), (2,), (), ((),))
    >>> PriorBox(config)()  # four cells, one square of a quarter of the image each
    tensor([[0.2500, 0.2500, 0.2500, 0.2500],
            [0.7500, 0.2500, 0.2500, 0.2500],
            [0.2500, 0.7500, 0.2500, 0.2500],
            [0.7500, 0.7500, 0.2500, 0.2500]])
    """

    def __init__(self, config: PriorConfig) -> None:
        self.config = config

    def __repr__(self) -> str:
        c = self.config
        return f"PriorBox({c.num_priors} priors on maps {c.map_sizes} of a {c.image_size} px image)"

    def sizes(self, level: int) -> Tensor:
        """Width and height of the priors that every cell of a level owns.

        Args:
            level: 0 is the finest.

        Returns:
            ``(A, 2)`` width, height as fractions of the image, float64: the square of side
            ``min``, the square of side ``sqrt(min * max)``, then for each ratio r the wide
            box and the tall one, both of area ``min ** 2``.

        >>> (PriorBox(SSD300_VOC_PRIORS).sizes(0) * 300).round(decimals=1)
        tensor([[30.0000, 30.0000],
                [42.4000, 42.4000],
                [42.4000, 21.2000],
                [21.2000, 42.4000]], dtype=torch.float64)
        """
        config = self.config
        side = config.min_sizes[level]
        sizes = [(side, side)]
        if config.max_sizes:
            between = math.sqrt(side * config.max_sizes[level])
            sizes.append((between, between))
        for ratio in config.aspect_ratios[level]:
            root = math.sqrt(ratio)
            sizes += [(side * root, side / root), (side / root, side * root)]
        return torch.tensor(sizes, dtype=torch.float64) / config.image_size  # (A, 2)

    def centers(self, level: int) -> Tensor:
        """Centre of every cell of a level.

        The half makes a centre of a corner: cell (row 0, column 0) spans 0 to ``step``.

        Args:
            level: 0 is the finest.

        Returns:
            ``(H * W, 2)`` x, y as fractions of the image, float64, row by row.

        >>> PriorBox(PriorConfig(8, (2,), (4,), (2,), (), ((),))).centers(0)
        tensor([[0.2500, 0.2500],
                [0.7500, 0.2500],
                [0.2500, 0.7500],
                [0.7500, 0.7500]], dtype=torch.float64)
        """
        side, step = self.config.map_sizes[level], self.config.steps[level]
        along = (torch.arange(side, dtype=torch.float64) + 0.5) * step / self.config.image_size
        y, x = torch.meshgrid(along, along, indexing="ij")
        return torch.stack([x, y], dim=-1).reshape(-1, 2)

    def level(self, level: int) -> Tensor:
        """Priors of one level.

        Args:
            level: 0 is the finest.

        Returns:
            ``(H * W * A, 4)`` cxcywh, fractions of the image, float64, clamped as the
            layout says.

        >>> PriorBox(SSD300_VOC_PRIORS).level(5).shape
        torch.Size([4, 4])
        """
        if not 0 <= level < self.config.num_levels:
            raise ValueError(f"level: expected 0 to {self.config.num_levels - 1}, got {level}")
        centers, sizes = self.centers(level), self.sizes(level)
        cells, a = len(centers), len(sizes)
        grid = torch.cat(
            [centers[:, None].expand(cells, a, 2), sizes[None].expand(cells, a, 2)], dim=-1
        )  # (H*W, A, 4)
        priors = grid.reshape(cells * a, 4)
        if self.config.clamp == "all":
            return priors.clamp(0, 1)
        if self.config.clamp == "sizes":
            return torch.cat([priors[:, :2], priors[:, 2:].clamp(0, 1)], dim=-1)
        return priors

    def __call__(self) -> Tensor:
        """Priors of all levels.

        Returns:
            ``(P, 4)`` cxcywh, fractions of the image, float32; level, row, column, prior.
        """
        levels = [self.level(k) for k in range(self.config.num_levels)]
        return torch.cat(levels).to(torch.float32)  # (P, 4)

    def locate(self, index: int) -> PriorIndex:
        """Level, row, column and number of a prior: the order of the tensor, read backwards.

        Args:
            index: ``0 <= index < P``.

        Raises:
            ValueError: if the index is outside.

        >>> PriorBox(SSD300_VOC_PRIORS).locate(8731)
        PriorIndex(level=5, row=0, column=0, prior=3)
        """
        if not 0 <= index < self.config.num_priors:
            raise ValueError(f"index: expected 0 to {self.config.num_priors - 1}, got {index}")
        level, rest = 0, int(index)
        while rest >= self.config.priors_per_level[level]:
            rest -= self.config.priors_per_level[level]
            level += 1
        cell, prior = divmod(rest, self.config.priors_per_cell[level])
        row, column = divmod(cell, self.config.map_sizes[level])
        return PriorIndex(level, row, column, prior)


def make_priors(config: PriorConfig) -> Tensor:
    """Priors of a layout: ``PriorBox(config)()``.

    Args:
        config: the layout.

    Returns:
        ``(P, 4)`` cxcywh, fractions of the image, float32.

    >>> make_priors(SSD300_VOC_PRIORS).shape
    torch.Size([8732, 4])
    """
    return PriorBox(config)()


def ssd_sizes(
    image_size: int, num_levels: int, *, first: float, low: float, high: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The rule behind SSD's ``min_sizes`` and ``max_sizes``, in whole per cent of the image.

    The scales run evenly from ``low`` to ``high`` over all levels but the first, which gets
    a smaller one of its own; each level's maximum is the next level's minimum.

    Args:
        image_size: side of the input, px.
        num_levels: number of feature maps, at least 3.
        first: scale of the finest level, per cent.
        low: scale of the second level, per cent.
        high: scale of the coarsest level, per cent.

    Returns:
        ``min_sizes, max_sizes``, each ``num_levels`` numbers in px.

    **Deviation:** the paper's Eq. 4 has no rounding; the authors' prototxt generator rounds
    the step between two scales down to whole per cents, and the published tables come from
    that: (90 - 20) / 4 = 17.5 becomes 17.

    >>> ssd_sizes(300, 6, first=10, low=20, high=90)[0]
    (30.0, 60.0, 111.0, 162.0, 213.0, 264.0)
    """
    if num_levels < 3:
        raise ValueError(f"num_levels: expected at least 3, got {num_levels}")
    if not 0 < first <= low < high:
        raise ValueError(f"scales: expected 0 < first <= low < high, got {first}, {low}, {high}")
    step = math.floor((high - low) / (num_levels - 2))
    scales = [first, *(low + step * k for k in range(num_levels))]  # one more than levels
    sizes = tuple(image_size * scale / 100 for scale in scales)
    return sizes[:-1], sizes[1:]
