"""Prior-box explorer: every box of every layout, computed in the reader's browser."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from detlearn.boxes import PriorConfig
from detlearn.show.explorers.browser.frame import Explorer, data_uri, fractions

__all__ = ["PriorBoxExplorer"]


class PriorBoxExplorer(Explorer):
    """Sliders for layout, level, row and column; the boxes follow, with or without a kernel.

    Two views: the priors of a cell (and, with one tick, of a whole level), and an object to drag,
    with its IoU with every prior as heat maps, the priors that are positive or forced, and the
    deltas that `encode` makes of it. A chart shows which sizes of object the layout covers.
    "Your own" copies the layout shown and puts its steps, sizes and ratios on sliders.

    The layout travels as its few numbers; the browser does the arithmetic of `PriorBox`, `match`
    and `encode` (tested to be equal) and draws. Without `image` it draws a scene of its own. An
    image file is embedded byte for byte and never encoded anew, so that the saved output is the
    same on every machine and strict nbval can compare it.

    Args:
        config: one layout, or several by name (`PRIOR_LAYOUTS`).
        image: path or bytes of a small JPEG, PNG or WebP file, stretched over the square input.
        level: the level shown first; the third one, or the coarsest, when omitted.
        cell: (row, column) shown first; the middle when omitted.
        box: ``(4,)`` xyxy, fractions of the image: an object. If given, its view is shown first.

    Raises:
        ValueError: no layout, an image that is too large or of no known type, a level or cell
            that the first layout does not have, or a box that is none.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> from detlearn.boxes import SSD300_VOC_PRIORS
    >>> PriorBoxExplorer({"ssd300_voc": SSD300_VOC_PRIORS})
    Explorer of prior boxes: ssd300_voc (6 levels, 8,732 priors).
    """

    module = "prior_box.js"
    title = "Explorer of prior boxes"
    height = 900

    def __init__(
        self,
        config: PriorConfig | Mapping[str, PriorConfig],
        image: str | os.PathLike[str] | bytes | None = None,
        *,
        level: int | None = None,
        cell: tuple[int, int] | None = None,
        box: Tensor | None = None,
    ) -> None:
        self.layouts = checked_layouts(config)
        first = next(iter(self.layouts.values()))
        level = min(2, first.num_levels - 1) if level is None else level
        if not 0 <= level < first.num_levels:
            raise ValueError(f"level: expected 0 to {first.num_levels - 1}, got {level}")
        side = first.map_sizes[level]
        row, column = (side // 2, side // 2) if cell is None else cell
        if not (0 <= row < side and 0 <= column < side):
            raise ValueError(
                f"cell: expected (row, column) on a {side} x {side} map, got {(row, column)}"
            )
        self.level, self.row, self.column = level, row, column
        if box is not None and tuple(torch.as_tensor(box).shape) != (4,):
            raise ValueError(f"box: expected shape (4,), got {tuple(torch.as_tensor(box).shape)}")
        self.box = None if box is None else fractions(torch.as_tensor(box)[None], "box", 1)[0]
        self._image = data_uri(image)

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "layouts": {name: asdict(layout) for name, layout in self.layouts.items()},
            "image": self._image,
            "level": self.level,
            "row": self.row,
            "column": self.column,
            "box": self.box,
        }

    def __repr__(self) -> str:
        object_ = "" if self.box is None else " An object to drag."
        return f"Explorer of prior boxes: {layout_facts(self.layouts)}.{object_}"


def checked_layouts(config: PriorConfig | Mapping[str, PriorConfig]) -> dict[str, PriorConfig]:
    """One layout or several, by name.

    Args:
        config: a layout, which is called "layout", or a mapping from names to layouts.

    Returns:
        At least one layout by name.

    Raises:
        ValueError: none, something else than a `PriorConfig`, or the reserved name "your own".

    >>> from detlearn.boxes import SSD_TINY_PRIORS
    >>> list(checked_layouts(SSD_TINY_PRIORS))
    ['layout']
    """
    layouts = {"layout": config} if isinstance(config, PriorConfig) else dict(config)
    if not layouts:
        raise ValueError("config: expected at least one layout, got none")
    for name, layout in layouts.items():
        if not isinstance(layout, PriorConfig):
            raise ValueError(f"config[{name!r}]: expected a PriorConfig, got {layout!r}")
        if name == "your own":
            raise ValueError("config: expected another name than 'your own', the reader's layout")
    return layouts


def layout_facts(layouts: Mapping[str, PriorConfig]) -> str:
    """Levels and priors of each layout, in words.

    Args:
        layouts: by name.

    Returns:
        Words without a full stop.

    >>> from detlearn.boxes import SSD300_VOC_PRIORS
    >>> layout_facts({"ssd300": SSD300_VOC_PRIORS})
    'ssd300 (6 levels, 8,732 priors)'
    """
    return "; ".join(
        f"{name} ({layout.num_levels} level{'s' * (layout.num_levels > 1)}, "
        f"{layout.num_priors:,} priors)"
        for name, layout in layouts.items()
    )
