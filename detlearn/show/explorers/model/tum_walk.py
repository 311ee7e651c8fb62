"""Explorer of a TUM: step by step through its U."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detlearn.models import M2Det
from detlearn.models.m2det import Decoder
from detlearn.models.modes import evaluating
from detlearn.show.canvas import INK, MUTED, ORANGE, PAPER, RULE, image_array
from detlearn.show.explorers.model.controls import ModelExplorer, facts_table
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.mlfpn_maps import check_m2det
from detlearn.show.explorers.model.pixels import colours_of, encode_png, font, outline, tag

__all__ = ["TUMWalker"]

SIDE, TOP = 400, 50


@dataclass(frozen=True)
class TUMStep:
    """One step through a TUM: what it is called, where it stands, what it made of what."""

    name: str
    words: str
    column: int
    row: int
    maps: Tensor
    parameters: int = 0


def walk_tum(tum: Any, maps: Tensor) -> list[TUMStep]:
    """Every step of a `TUM`, computed with its own layers, in the order in which it takes them."""
    steps = [TUMStep("read", "what the TUM is given", 0, 0, maps)]

    def add(name: str, words: str, column: int, row: int, out: Tensor, *layers: nn.Module) -> None:
        number = sum(p.numel() for layer in layers for p in layer.parameters())
        steps.append(TUMStep(name, words, column, row, out, number))

    down: list[Tensor] = [maps]
    for row, layer in enumerate(tum.encoder.layers, start=1):
        down.append(layer(down[-1]))
        stride = layer.conv.stride[0]
        words = "3 × 3, stride 2, padding 1" if stride == 2 else "3 × 3, stride 1, no padding"
        add(f"down {row}", words, 0, row, down[-1], layer)
    last = len(down) - 1
    up = [down[-1]]
    released = isinstance(tum.decoder, Decoder)
    if released:
        up = [tum.decoder.top(down[-1])]
        add("top", "1 × 1, the way up begins", 2, last, up[0], tum.decoder.top)
    for row in reversed(range(last)):
        if released:
            side = tum.decoder.lateral[row](down[row])
            add(f"side {row}", "3 × 3 on what the encoder had here", 1, row, side,
                tum.decoder.lateral[row])  # fmt: skip
            below, layers = up[0], []
        else:
            side = down[row]
            layers = [tum.decoder.refine[row]]
            below = layers[0](up[0])
        up.insert(0, F.interpolate(below, size=side.shape[-2:], mode="nearest") + side)
        words = "the map below enlarged" if released else "3 × 3 on the map below, enlarged"
        add(f"add {row}", words + ", plus the one from the side", 2, row, up[0], *layers)
    for row, layer in enumerate(tum.smoothing.layers):
        add(f"smooth {row}", "1 × 1", 3, row, layer(up[row]), layer)
    return steps


def walk_all_tums(model: M2Det, inputs: Tensor) -> list[Sequence[TUMStep]]:
    """The steps of every TUM of a model, on what the TUM is given.

    Args:
        model: it is left in the mode it was found in.
        inputs: ``(1, 3, H, W)``, what the network is given.
    """
    mlfpn = model.mlfpn
    walks: list[Sequence[TUMStep]] = []
    with evaluating(model), torch.no_grad():
        base = mlfpn.ffm1(*model.backbone(inputs))
        levels = mlfpn.levels(base)
        for level, tum in enumerate(mlfpn.tums):
            ffm2 = mlfpn.ffm2[min(level, len(mlfpn.ffm2) - 1)]
            reads = ffm2(base, levels[level - 1][0] if level else None)
            walks.append(walk_tum(tum, reads))
    return walks


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


class TUMWalker(ModelExplorer):
    """Step through the U of a TUM: what each step makes, of which shape, at what price.

    Left, the picture with the map of the chosen step over it (mean of its channels). Right, the
    U: down, to the side, up, smoothed; steps to come are empty frames.

    `explorer.step.value = 7; explorer` shows another state; the controls are `level`, `step` and
    `opacity`. All work with the keyboard.

    Args:
        model: an `M2Det`; it is left in the mode it was found in.
        image: as for `FeatureMapExplorer`.

    Raises:
        ValueError: the model is no M2Det.

    **Invariant:** what the last steps make is what the TUM returns.

    >>> import detlearn
    >>> explorer = TUMWalker(detlearn.create_model("m2det_tiny"), torch.zeros(3, 128, 128))
    >>> explorer.step.value = 4
    >>> explorer
    Walk through TUM 0 of m2det_tiny: step 4 of 17, down 4 (3 × 3, stride 1, no padding): \
24 x 4 x 4 becomes 24 x 2 x 2, 5,232 parameters.
    """

    def __init__(self, model: M2Det, image: Any) -> None:
        check_m2det(model)
        self.model = model
        self._image = image_array(image)
        self._inputs = network_input(model, image)
        self.level = self.slider("level", 0, 0, model.config.num_levels - 1, 1)
        self.step = self.slider("step", 0, 0, 1, 1)
        self.opacity = self.slider("map over image", 0.6, 0.0, 1.0, 0.05)
        self._run()
        self._choose()
        self.assemble([self.level, self.step, self.opacity])

    def _run(self) -> None:
        """The steps of every TUM."""
        self._walks = walk_all_tums(self.model, self._inputs)

    def refresh(self) -> None:
        """Run the model again, after its weights have changed."""
        self._run()
        self._choose()
        self.draw()

    def follow(self, control: Any) -> None:
        """Another level, another walk."""
        if control is self.level:
            self._choose()

    def _choose(self) -> None:
        self.step.max = len(self.steps) - 1

    @property
    def steps(self) -> Sequence[TUMStep]:
        """All steps of the chosen level."""
        return self._walks[self.level.value]

    @property
    def reads(self) -> Tensor | None:
        """What the chosen step reads; of two maps the one from below; None for the first step."""
        step = self.steps[self.step.value]
        places = {(one.column, one.row): one for one in self.steps}
        above = {0: (0, step.row - 1), 1: (0, step.row), 2: (2, step.row + 1), 3: (2, step.row)}
        if step.name == "top" or (above[step.column] not in places and step.column):
            return places[0, max(row for column, row in places if column == 0)].maps
        found = places.get(above[step.column])
        return None if found is None else found.maps

    def __repr__(self) -> str:
        step, reads = self.steps[self.step.value], self.reads
        words = (
            f"Walk through TUM {self.level.value} of {self.model.config.name}: step "
            f"{self.step.value} of {len(self.steps) - 1}, {step.name} ({step.words}): "
        )
        if reads is not None:
            words += f"{_size(reads)} becomes "
        price = f", {step.parameters:,} parameters" if step.parameters else ""
        return f"{words}{_size(step.maps)}{price}."

    def facts(self) -> str:
        """Numbers of the chosen step, as HTML."""
        step, reads = self.steps[self.step.value], self.reads
        so_far = sum(one.parameters for one in self.steps[: self.step.value + 1])
        rows = [("step", f"{step.name}: {step.words}")]
        if reads is not None:
            rows.append(("reads", _size(reads)))
        rows += [
            ("makes", _size(step.maps)),
            ("parameters", f"{step.parameters:,}; {so_far:,} so far"),
        ]
        return facts_table(rows)

    def picture(self) -> bytes:
        """The picture with the chosen step's map on the left, the U on the right."""
        from PIL import Image, ImageDraw

        sheet = Image.new("RGB", (SIDE + 24 + 4 * 104, TOP + SIDE + 22), PAPER)
        pen = ImageDraw.Draw(sheet)
        step = self.steps[self.step.value]
        title = f"step {self.step.value}: {step.name}"
        pen.text((0, 2), title, fill=INK, font=font(16, bold=True))
        pen.text((0, 25), f"{step.words}; {_size(step.maps)}", fill=MUTED, font=font(13))
        values = step.maps[0].float().mean(dim=0).numpy()
        sheet.paste(laid_over(self._image, values, self.opacity.value), (0, TOP))
        left = SIDE + 24
        for column, name in enumerate(("down", "side", "up", "smooth")):
            x = left + 104 * column + 52
            pen.text((x, TOP + 2), name, fill=INK, font=font(13, bold=True), anchor="mm")
        sides = [max(22, round(90 * math.sqrt(one.maps.shape[-1] / self.steps[0].maps.shape[-1])))
                 for one in sorted(
                     (s for s in self.steps if s.column == 0), key=lambda s: s.row)]  # fmt: skip
        free = SIDE - 12 - sum(sides)
        space = min(26, max(4, free // max(len(sides) - 1, 1)))
        tops = [TOP + 16 + sum(sides[:row]) + space * row for row in range(len(sides))]
        for index, one in enumerate(self.steps):
            side = sides[one.row]
            x, y = left + 104 * one.column + 52 - side // 2, tops[one.row]
            if index <= self.step.value:
                sheet.paste(tile_of(one.maps[0].float().mean(dim=0).numpy(), side), (x, y))
            else:
                pen.rectangle((x, y, x + side - 1, y + side - 1), outline=RULE, width=2)
            if index == self.step.value:
                outline(pen, (x, y, x + side - 1, y + side - 1), ORANGE, 4)
            if side >= 40:
                tag(pen, (x, y + side - 16), f"{one.maps.shape[-1]}²", size=11)
        return encode_png(sheet)


def _size(maps: Tensor) -> str:
    return " x ".join(map(str, maps.shape[1:]))
