"""Explorer of a TUM's U, step by step, for all TUMs of a small M2Det."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from detlearn.models import M2Det
from detlearn.show.explorers.browser.frame import Explorer, data_uri
from detlearn.show.explorers.browser.shades import pack_maps
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.tum_walk import TUMStep, walk_all_tums

__all__ = ["UShapeExplorer"]

MAX_CELLS = 40_000


class UShapeExplorer(Explorer):
    """Step through the U of every TUM: what a step reads, makes, and costs.

    Every map travels to the browser as the mean of its channels, in 8 shades from its least to
    its largest value, so that the explorer needs no kernel.  `TUMWalker` shows the same with one,
    for models of any size.

    Args:
        model: an M2Det whose TUMs' maps have at most 40,000 cells together.
        image: ``(3, H, W)``, uint8 or floating point in [0, 1].
        file: path or bytes of the same picture, a small JPEG, PNG or WebP file.
        step: that is shown at first.

    Raises:
        ValueError: no M2Det, a large one, no such step, an unsuitable file.

    >>> import torch
    >>> from detlearn import create_model
    >>> UShapeExplorer(create_model("m2det_tiny"), torch.zeros(3, 128, 128), step=4)
    Explorer of the U: m2det_tiny, 4 TUMs of 18 steps; step 4 at first, down 4: 24 x 4 x 4 becomes \
24 x 2 x 2.
    """

    module = "u_shape.js"
    title = "Explorer of the U"
    height = 660

    def __init__(
        self,
        model: M2Det,
        image: Tensor,
        *,
        file: str | os.PathLike[str] | bytes | None = None,
        step: int = 0,
    ) -> None:
        if not isinstance(model, M2Det):
            raise ValueError(f"model: expected an M2Det, got {type(model).__name__}")
        self.model, self.step = model, step
        self._file = data_uri(file)
        self._walks = walk_all_tums(model, network_input(model, image))
        cells = sum(one.maps[0, 0].numel() for walk in self._walks for one in walk)
        if cells > MAX_CELLS:
            raise ValueError(f"model: expected maps of at most {MAX_CELLS:,} cells, got {cells:,}")
        if not 0 <= step < len(self._walks[0]):
            raise ValueError(f"step: expected 0 to {len(self._walks[0]) - 1}, got {step}")

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        first = self._walks[0]  # the TUMs of a model differ in channels and weights only
        means = [one.maps[0].float().mean(dim=0) for walk in self._walks for one in walk]
        return {
            "steps": [
                {
                    "name": one.name,
                    "words": one.words,
                    "column": one.column,
                    "row": one.row,
                    "reads": sources(first, one),
                }
                for one in first
            ],
            "shapes": [[list(one.maps.shape[1:]) for one in walk] for walk in self._walks],
            "parameters": [[one.parameters for one in walk] for walk in self._walks],
            "maps": pack_maps(means),
            "step": self.step,
            "image": self._file,
        }

    def __repr__(self) -> str:
        walk = self._walks[0]
        one = walk[self.step]
        reads = [_size(walk[k]) for k in sources(walk, one)]
        return (
            f"Explorer of the U: {self.model.config.name}, {len(self._walks)} TUMs of "
            f"{len(walk)} steps; step {self.step} at first, {one.name}: "
            f"{' and '.join(reads) or 'a picture'} becomes {_size(one)}."
        )


def sources(walk: Sequence[TUMStep], step: TUMStep) -> list[int]:
    """The steps whose maps a step of a TUM reads; none for what the TUM is given.

    Args:
        walk: all steps of the TUM.
        step: one of them.
    """
    at = {(one.column, one.row): index for index, one in enumerate(walk)}
    row, last = step.row, max(one.row for one in walk)

    def first(*columns: int, row: int = row) -> int:
        return next(at[column, row] for column in columns if (column, row) in at)

    if step.column == 0:
        return [first(0, row=row - 1)] if row else []
    if step.column == 1:
        return [first(0)]
    if step.column == 2:
        return [first(0)] if row == last else [first(2, 0, row=row + 1), first(1, 0)]
    return [first(2, 0)]


def _size(step: TUMStep) -> str:
    return " x ".join(map(str, step.maps.shape[1:]))
