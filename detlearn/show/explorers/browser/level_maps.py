"""Explorer of an M2Det's maps: levels by scales."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from detlearn.models import M2Det
from detlearn.show.canvas import image_array
from detlearn.show.explorers.browser.frame import Explorer, data_uri, rounded
from detlearn.show.explorers.browser.shades import pack_maps
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.mlfpn_maps import check_m2det, mlfpn_levels

__all__ = ["LevelScaleExplorer"]

MAX_CELLS = 80_000
WAYS = ("mean", "strongest")


class LevelScaleExplorer(Explorer):
    """All maps of an M2Det at once: a column for each level, a row for each scale.

    Left, the grid. Right, the picture with the chosen map over it. A map is shown as the mean
    over its channels or as the strongest of them (largest mean over the cells); every map has the
    whole range of colours to itself, so brightness compares cells, not maps. The maps travel to
    the browser in 8 shades, so the explorer needs no kernel; `maps`, `values` and `contrast`
    have the numbers.

    Args:
        model: an `M2Det` whose maps have at most 80,000 cells together; it is left in the mode it
            was found in.
        image: as for `FeatureMapExplorer`.
        target: "boxes" ``(G, 4)`` xyxy, px of the image: then the facts say how bright the map is
            on the objects.
        file: path or bytes of the same picture, a small JPEG, PNG or WebP file; without it the
            map lies on an empty field.
        level: that is shown at first.
        scale: that is shown at first.

    Raises:
        ValueError: the model is no M2Det, or a large one; no such level or scale; an unsuitable
            file.

    >>> import detlearn
    >>> model = detlearn.create_model("m2det_tiny")
    >>> LevelScaleExplorer(model, torch.zeros(3, 128, 128), level=3, scale=4)
    Explorer of levels: m2det_tiny, 4 levels x 5 scales; level 3, scale 4: 24 x 2 x 2, \
channels 72 to 95 of 96, a cell is 64 px wide.
    """

    module = "level_maps.js"
    title = "Explorer of levels"
    height = 680
    most_bytes = 120_000

    def __init__(
        self,
        model: M2Det,
        image: Any,
        target: Mapping[str, Any] | None = None,
        *,
        file: str | os.PathLike[str] | bytes | None = None,
        level: int = 0,
        scale: int = 0,
    ) -> None:
        check_m2det(model)
        self.model, self.level, self.scale = model, level, scale
        for name, value, most in (
            ("level", level, model.config.num_levels),
            ("scale", scale, model.config.num_scales),
        ):
            if not 0 <= value < most:
                raise ValueError(f"{name}: expected 0 to {most - 1}, got {value}")
        self._size = image_array(image).shape[:2]
        self._inputs = network_input(model, image)
        boxes = torch.zeros(0, 4) if target is None else torch.as_tensor(target["boxes"])
        self._boxes = boxes.as_subclass(Tensor).float()
        self._file = data_uri(file)
        self.refresh()
        cells = sum(maps[0].numel() for level in self._maps for maps in level)
        if cells > MAX_CELLS:
            raise ValueError(f"model: expected maps of at most {MAX_CELLS:,} cells, got {cells:,}")

    def refresh(self) -> None:
        """Run the model again, after its weights have changed."""
        levels = mlfpn_levels(self.model, self._inputs)
        self._maps = [[maps[0].float().cpu() for maps in level] for level in levels]

    # ------------------------------------------------------------- the numbers

    def maps(self, level: int, scale: int) -> Tensor:
        """The maps of a level at a scale, ``(C, H, W)``."""
        return self._maps[level][scale]

    def values(self, level: int, scale: int, way: str = "mean") -> Tensor:
        """What is shown of a level at a scale.

        Args:
            level: from 0, the shallowest.
            scale: from 0, the finest.
            way: "mean" of the channels, or the "strongest" of them.

        Returns:
            ``(H, W)``.

        Raises:
            ValueError: there is no such way.
        """
        if way not in WAYS:
            raise ValueError(f"way: expected one of {', '.join(WAYS)}, got {way!r}")
        maps = self.maps(level, scale)
        if way == "mean":
            return maps.mean(dim=0)
        return maps[int(maps.mean(dim=(1, 2)).argmax())]

    def contrast(self, level: int, scale: int, way: str = "mean") -> float:
        """Mean inside the target's boxes over mean outside; NaN where there is no in- or outside.

        A cell belongs to a box if its centre does.
        """
        values = self.values(level, scale, way)
        side = values.shape[-1]
        height, width = self._size
        centres = (torch.arange(side) + 0.5) / side
        x, y = centres * width, centres * height
        inside = torch.zeros(side, side, dtype=torch.bool)
        for x1, y1, x2, y2 in self._boxes.tolist():
            inside |= ((y >= y1) & (y < y2))[:, None] & ((x >= x1) & (x < x2))[None]
        if not inside.any() or inside.all():
            return math.nan
        return float(values[inside].mean() / values[~inside].mean().clamp(min=1e-9))

    # ------------------------------------------------------------- what is shown

    def _facts(self, level: int, scale: int, way: str) -> dict[str, Any]:
        """What the table says of a map."""
        values, ratio = self.values(level, scale, way), self.contrast(level, scale, way)
        span = (values.min(), values.mean(), values.max())
        return {
            "brightest": divmod(int(values.argmax()), values.shape[-1]),
            "span": [float(f"{float(value):.3g}") for value in span],
            "contrast": None if math.isnan(ratio) else round(ratio, 2),
        }

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        config, (height, width) = self.model.config, self._size
        places = [(k, s) for k in range(config.num_levels) for s in range(config.num_scales)]
        whole = torch.tensor([width, height, width, height])
        return {
            "sizes": [list(maps.shape) for maps in self._maps[0]],
            "levels": config.num_levels,
            "maps": pack_maps(self.values(k, s, way) for way in WAYS for k, s in places),
            "facts": [[self._facts(k, s, way) for k, s in places] for way in WAYS],
            "silent": [int((self.maps(k, s) == 0).flatten(1).all(dim=1).sum()) for k, s in places],
            "cells": [config.image_size / maps.shape[-1] for maps in self._maps[0]],
            "boxes": rounded(self._boxes / whole),
            "size": [int(height), int(width)],
            "level": self.level,
            "scale": self.scale,
            "image": self._file,
        }

    def __repr__(self) -> str:
        config, (channels, height, width) = self.model.config, self.maps(0, self.scale).shape
        level, first = self.level, self.level * channels
        return (
            f"Explorer of levels: {config.name}, {config.num_levels} levels x "
            f"{config.num_scales} scales; level {level}, scale {self.scale}: {channels} x "
            f"{height} x {width}, channels {first} to {first + channels - 1} of "
            f"{channels * config.num_levels}, a cell is "
            f"{config.image_size / width:g} px wide."
        )
