"""Explorer of an M2Det's maps: levels by scales."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detlearn.models import M2Det
from detlearn.models.modes import evaluating
from detlearn.show.canvas import INK, MUTED, ORANGE, image_array
from detlearn.show.explorers.model.controls import ModelExplorer, facts_table
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.pixels import colours_of, encode_png, font, outline

__all__ = ["LevelScaleExplorer"]

SIDE, TOP, GAP = 400, 50, 8
WAYS = {"the mean of its channels": "mean", "its strongest channel": "strongest"}


def mlfpn_levels(model: M2Det, inputs: Tensor) -> list[list[Tensor]]:
    """Maps of every TUM, before they are gathered.

    Args:
        model: left in the mode it was found in.
        inputs: ``(B, 3, S, S)`` normalised.

    Returns:
        ``levels[l][s]``, see `detlearn.models.m2det.MLFPN.levels`.

    >>> import detlearn
    >>> model = detlearn.create_model("m2det_tiny")
    >>> levels = mlfpn_levels(model, torch.zeros(1, 3, 128, 128))
    >>> len(levels), [tuple(maps.shape[1:]) for maps in levels[0]][:2]
    (4, [(24, 32, 32), (24, 16, 16)])
    """
    with evaluating(model), torch.no_grad():
        return model.mlfpn.levels(model.mlfpn.ffm1(*model.backbone(inputs)))


def check_m2det(model: Any) -> None:
    """Raise ValueError for any model but an M2Det."""
    if not isinstance(model, M2Det):
        raise ValueError(f"model: expected an M2Det, got {type(model).__name__}")


def tile_of(values: np.ndarray, side: int) -> Any:
    """A map as a square of colours; its own range is the whole range."""
    from PIL import Image

    coloured = Image.fromarray(colours_of(values, float(values.min()), float(values.max())))
    return coloured.resize((side, side), Image.Resampling.NEAREST)


def laid_over(image: np.ndarray, values: np.ndarray, opacity: float) -> Any:
    """A map over the picture; low values are thinner than high ones."""
    from PIL import Image

    height, width = image.shape[:2]
    scale = SIDE / max(height, width)
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    panel = Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)
    low, high = float(values.min()), float(values.max())
    unit = (values - low) / (high - low if high > low else 1)
    mask = Image.fromarray((255 * opacity * (0.35 + 0.65 * unit)).clip(0, 255).astype(np.uint8))
    colours = Image.fromarray(colours_of(values, low, high)).resize(size, Image.Resampling.NEAREST)
    return Image.composite(colours, panel, mask.resize(size, Image.Resampling.NEAREST))


# ------------------------------------------------------------------- levels by scales


class LevelScaleExplorer(ModelExplorer):
    """All maps of an M2Det at once: a column for each level, a row for each scale.

    Left, the picture with the chosen map over it. Right, the grid. A map is shown as the mean
    over its channels or as the strongest of them (largest mean over the cells); every map has the
    whole range of colours to itself, so brightness compares cells, not maps.

    `explorer.level.value = 3; explorer` shows another state; the controls are `level`, `scale`,
    `shown` and `opacity`. All work with the keyboard.

    Args:
        model: an `M2Det`; it is left in the mode it was found in.
        image: as for `FeatureMapExplorer`.
        target: "boxes" ``(G, 4)`` xyxy, px of the image: then the facts say how bright the map is
            on the objects.

    Raises:
        ValueError: the model is no M2Det.

    >>> import detlearn
    >>> model = detlearn.create_model("m2det_tiny")
    >>> explorer = LevelScaleExplorer(model, torch.zeros(3, 128, 128))
    >>> explorer.level.value, explorer.scale.value = 3, 4
    >>> explorer
    Explorer of levels: m2det_tiny, 4 levels x 5 scales; level 3, scale 4: 24 x 2 x 2, \
channels 72 to 95 of 96, a cell is 64 px wide.
    """

    def __init__(self, model: M2Det, image: Any, target: Mapping[str, Any] | None = None) -> None:
        check_m2det(model)
        self.model = model
        self._image = image_array(image)
        self._inputs = network_input(model, image)
        boxes = torch.zeros(0, 4) if target is None else torch.as_tensor(target["boxes"])
        self._boxes = boxes.as_subclass(Tensor).float()
        config = model.config
        self.level = self.slider("level", 0, 0, config.num_levels - 1, 1)
        self.scale = self.slider("scale", 0, 0, config.num_scales - 1, 1)
        self.shown = self.choice("show", WAYS.items(), "mean")
        self.opacity = self.slider("map over image", 0.6, 0.0, 1.0, 0.05)
        self._run()
        self.assemble([self.level, self.scale, self.shown, self.opacity])

    def _run(self) -> None:
        levels = mlfpn_levels(self.model, self._inputs)
        self._maps = [[maps[0].float().cpu() for maps in level] for level in levels]

    def refresh(self) -> None:
        """Run the model again, after its weights have changed."""
        self._run()
        self.draw()

    @property
    def chosen(self) -> Tensor:
        """The chosen level and scale, ``(C, H, W)``."""
        return self._maps[self.level.value][self.scale.value]

    def values(self, level: int, scale: int) -> Tensor:
        """What is shown of a map, ``(H, W)``."""
        maps = self._maps[level][scale]
        if self.shown.value == "mean":
            return maps.mean(dim=0)
        return maps[int(maps.mean(dim=(1, 2)).argmax())]

    def contrast(self, level: int, scale: int) -> float:
        """Mean inside the target's boxes over mean outside; NaN where there is no in- or outside.

        A cell belongs to a box if its centre does.
        """
        values = self.values(level, scale)
        side = values.shape[-1]
        height, width = self._image.shape[:2]
        centres = (torch.arange(side) + 0.5) / side
        x, y = centres * width, centres * height
        inside = torch.zeros(side, side, dtype=torch.bool)
        for x1, y1, x2, y2 in self._boxes.tolist():
            inside |= ((y >= y1) & (y < y2))[:, None] & ((x >= x1) & (x < x2))[None]
        if not inside.any() or inside.all():
            return math.nan
        return float(values[inside].mean() / values[~inside].mean().clamp(min=1e-9))

    def __repr__(self) -> str:
        config, (channels, height, width) = self.model.config, self.chosen.shape
        level, first = self.level.value, self.level.value * self.chosen.shape[0]
        return (
            f"Explorer of levels: {config.name}, {config.num_levels} levels x "
            f"{config.num_scales} scales; level {level}, scale {self.scale.value}: {channels} x "
            f"{height} x {width}, channels {first} to {first + channels - 1} of "
            f"{channels * config.num_levels}, a cell is "
            f"{config.image_size / width:g} px wide."
        )

    def facts(self) -> str:
        """Numbers of the chosen map, as HTML."""
        maps, values = self.chosen, self.values(self.level.value, self.scale.value)
        row, column = divmod(int(values.argmax()), values.shape[-1])
        channels, height, width = maps.shape
        first = self.level.value * channels
        rows = [
            ("shape", f"{channels} × {height} × {width}"),
            ("gathered, it is", f"channels {first} to {first + channels - 1}"),
            ("brightest cell", f"row {row}, column {column}"),
            ("lowest, mean, highest", ", ".join(
                f"{float(v):.3g}" for v in (values.min(), values.mean(), values.max()))),
            ("channels that are 0 here", f"{int((maps == 0).all(dim=2).all(dim=1).sum())}"),
        ]  # fmt: skip
        if len(self._boxes):
            ratio = self.contrast(self.level.value, self.scale.value)
            words = "no cell's centre lies in one" if math.isnan(ratio) else f"{ratio:.2f} times"
            rows.append(("objects against the rest", words))
        return facts_table(rows)

    def picture(self) -> bytes:
        """The picture with the chosen map on the left, the grid on the right."""
        from PIL import Image, ImageDraw

        levels, scales = len(self._maps), len(self._maps[0])
        tile = min(92, (720 - GAP * levels) // levels, (SIDE - GAP * (scales - 1)) // scales)
        left, grid_top = SIDE + 60, TOP
        wide = max(left + levels * (tile + GAP), left + 380)
        sheet = Image.new("RGB", (wide, TOP + SIDE + 14), "white")
        pen = ImageDraw.Draw(sheet)
        level, scale = self.level.value, self.scale.value
        pen.text((0, 2), f"level {level}, scale {scale}", fill=INK, font=font(16, bold=True))
        shape = tuple(self.chosen.shape)
        pen.text((0, 25), f"shape {shape}", fill=MUTED, font=font(13))
        over = laid_over(self._image, self.values(level, scale).numpy(), self.opacity.value)
        sheet.paste(over, (0, TOP))
        for k in range(levels):
            x = left + k * (tile + GAP)
            pen.text((x + tile / 2, 34), f"level {k}" if tile > 60 else str(k), fill=INK,
                     font=font(13), anchor="mm")  # fmt: skip
        for s in range(scales):
            y = grid_top + s * (tile + GAP)
            side = self._maps[0][s].shape[-1]
            pen.text((left - 8, y + tile / 2), f"{side}²", fill=INK, font=font(13), anchor="rm")
            for k in range(levels):
                x = left + k * (tile + GAP)
                sheet.paste(tile_of(self.values(k, s).numpy(), tile), (x, y))
                if (k, s) == (level, scale):
                    outline(pen, (x + 1, y + 1, x + tile - 2, y + tile - 2), ORANGE, 4)
        return encode_png(sheet)
