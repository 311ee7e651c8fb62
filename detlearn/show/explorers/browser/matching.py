"""Matching explorer: who is positive, forced or mined, and which objects a layout can serve."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from detlearn.boxes import PriorConfig
from detlearn.show.explorers.browser.frame import Explorer, data_uri, fractions
from detlearn.show.explorers.browser.prior_box import checked_layouts, layout_facts

__all__ = ["MatchingExplorer"]

MAX_BOXES, MAX_OBJECTS = 6, 1600
THREE_BOXES = ((0.57, 0.32, 0.87, 0.78), (0.49, 0.63, 0.61, 0.93), (0.165, 0.865, 0.235, 0.935))


class MatchingExplorer(Explorer):
    """Objects to drag, a threshold, and what `match` makes of them, level by level.

    The browser matches every prior of the layout while an object moves: positives (dashed in the
    colour of their object), those that are positive only because rule 2 forces them, and the
    mined negatives. No network runs in the browser; a stand-in takes the place of its losses (a
    loss that grows with the IoU, plus noise), so *which* negatives are mined is an illustration,
    *how many* is not. With `objects`, a chart shows the recall of a data set by object size for
    the layout chosen, its sizes scaled by a slider.

    Args:
        config: one layout, or several by name (`PRIOR_LAYOUTS`).
        boxes: ``(G, 4)`` xyxy, fractions of the image, the objects of the picture; at most 6,
            ``G = 0`` is legal. Three objects of the drawn scene when omitted.
        objects: ``(N, 4)`` xyxy, fractions of the image, the objects of a data set, at most 1,600
            (eight bytes each travel).
        image: path or bytes of a small JPEG, PNG or WebP file.
        threshold: IoU at which a prior is positive, at first; 0.05 to 0.95.
        ratio: mined negatives for each positive, at first; 0 to 10.

    Raises:
        ValueError: no layout, boxes that are none or too many, a threshold or ratio outside its
            slider, an image that is too large or of no known type.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> from detlearn.boxes import SSD300_VOC_PRIORS
    >>> MatchingExplorer({"ssd300": SSD300_VOC_PRIORS}, torch.tensor([[0.1, 0.1, 0.4, 0.5]]))
    Explorer of matching: 1 object; ssd300 (6 levels, 8,732 priors).
    """

    module = "matching.js"
    title = "Explorer of matching"
    height = 1000

    def __init__(
        self,
        config: PriorConfig | Mapping[str, PriorConfig],
        boxes: Tensor | None = None,
        *,
        objects: Tensor | None = None,
        image: str | os.PathLike[str] | bytes | None = None,
        threshold: float = 0.5,
        ratio: float = 3.0,
    ) -> None:
        self.layouts = checked_layouts(config)
        boxes = torch.tensor(THREE_BOXES) if boxes is None else boxes
        self.boxes = fractions(boxes, "boxes", MAX_BOXES)
        self._objects = [] if objects is None else fractions(objects, "objects", MAX_OBJECTS)
        if not 0.05 <= threshold <= 0.95:
            raise ValueError(f"threshold: expected 0.05 to 0.95, got {threshold}")
        if not 0 <= ratio <= 10:
            raise ValueError(f"ratio: expected 0 to 10, got {ratio}")
        self.threshold, self.ratio = float(threshold), float(ratio)
        self._image = data_uri(image)

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        sixteen = [round(65535 * min(1.0, max(0.0, v))) for box in self._objects for v in box]
        packed = struct.pack(f"<{len(sixteen)}H", *sixteen)
        return {
            "layouts": {name: asdict(layout) for name, layout in self.layouts.items()},
            "boxes": self.boxes,
            "objects": base64.b64encode(packed).decode("ascii"),
            "image": self._image,
            "threshold": self.threshold,
            "ratio": self.ratio,
        }

    def __repr__(self) -> str:
        count = len(self.boxes)
        data = f"; a data set of {len(self._objects):,} objects" if self._objects else ""
        return (
            f"Explorer of matching: {count} object{'s' * (count != 1)}; "
            f"{layout_facts(self.layouts)}{data}."
        )
