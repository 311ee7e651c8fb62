"""SFAM explorer: what the attention says about a picture, channel by channel and level by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detlearn.models import M2Det
from detlearn.models.m2det import SFAM
from detlearn.models.modes import evaluating
from detlearn.show.canvas import INK, MUTED, RULE, image_array
from detlearn.show.explorers.model.controls import ModelExplorer, facts_table
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.level_maps import check_m2det, mlfpn_levels
from detlearn.show.explorers.model.pixels import encode_png, font
from detlearn.show.figures.m2det import LEVEL_COLOURS

__all__ = ["AttentionExplorer"]

SIDE, TOP, GAP = 300, 50, 60
CHART = (560, 300)


class AttentionExplorer(ModelExplorer):
    """SFAM's weights for a scene and a scale: a bar for each channel, level by level.

    Left, the scene. Right, the bars, 0 (closed) to 1 (open), each level's in its colour; its mean
    as a line with the number above. The small black marks are the means of each channel over all
    scenes: where bar and mark differ, the attention answers to *this* scene.

    `explorer.scale.value = 2; explorer` shows another state; the controls are `scene` and `scale`.
    Both work with the keyboard.

    Args:
        model: an `M2Det` with SFAM; it is left in the mode it was found in.
        images: the scenes, one or more; each as for `FeatureMapExplorer`.

    Raises:
        ValueError: the model is no M2Det or has no SFAM, or there is no scene.

    >>> import detlearn
    >>> model = detlearn.create_model("m2det_tiny")
    >>> explorer = AttentionExplorer(model, [torch.zeros(3, 128, 128)])
    >>> explorer.weights.shape
    torch.Size([1, 5, 96])
    """

    def __init__(self, model: M2Det, images: Sequence[Any]) -> None:
        check_m2det(model)
        if not isinstance(model.mlfpn.sfam, SFAM):
            raise ValueError("model: expected one with an SFAM, got sfam=False")
        if len(images) == 0:
            raise ValueError("images: expected at least one scene, got none")
        self.model = model
        self._images = [image_array(image) for image in images]
        self._inputs = [network_input(model, image) for image in images]
        self.scene = self.slider("scene", 0, 0, max(1, len(images) - 1), 1)
        self.scene.disabled = len(images) == 1
        self.scene.max = len(images) - 1
        self.scale = self.slider("scale", 0, 0, model.config.num_scales - 1, 1)
        self._run()
        self.assemble([self.scene, self.scale])

    def _run(self) -> None:
        rows = []
        for inputs in self._inputs:
            levels = mlfpn_levels(self.model, inputs)
            gathered = [torch.cat(maps, dim=1) for maps in zip(*levels, strict=True)]
            sfam = self.model.mlfpn.sfam
            assert isinstance(sfam, SFAM)
            with evaluating(self.model), torch.no_grad():
                rows.append(torch.cat(sfam.attention(gathered)).float().cpu())
        self.weights: Tensor = torch.stack(rows)
        """Of every scene, scale and channel, ``(scenes, scales, C)``."""

    def refresh(self) -> None:
        """Run the model again, after its weights have changed."""
        self._run()
        self.draw()

    # ------------------------------------------------------------- what is shown

    @property
    def by_level(self) -> Tensor:
        """Mean weight of each level, for every scene and scale: ``(scenes, scales, L)``."""
        return self.weights.unflatten(2, (self.model.config.num_levels, -1)).mean(dim=3)

    @property
    def _chosen(self) -> Tensor:
        return self.weights[self.scene.value, self.scale.value]

    @property
    def most_open(self) -> int:
        """The level with the largest mean, for this scene and scale."""
        return int(self.by_level[self.scene.value, self.scale.value].argmax())

    @property
    def change(self) -> Tensor:
        """How far scenes differ: standard deviation of each weight, averaged, for each scale."""
        return self.weights.std(dim=0, correction=0).mean(dim=1)

    def __repr__(self) -> str:
        config = self.model.config
        return (
            f"Explorer of attention: {config.name}, scene {self.scene.value} of "
            f"{len(self._images)}, scale {self.scale.value}: {self.weights.shape[2]} weights, "
            f"{config.num_levels} levels; most open is level {self.most_open}."
        )

    def facts(self) -> str:
        """Means by level, and how much the scene matters, as HTML."""
        means = self.by_level[self.scene.value, self.scale.value].tolist()
        rows = [(f"level {k}", f"{mean:.2f}") for k, mean in enumerate(means)]
        open_ones = int((self._chosen > 0.5).sum())
        rows.append(("channels over one half", f"{open_ones} of {len(self._chosen)}"))
        if len(self._images) > 1:
            rows.append(("spread over the scenes", f"{float(self.change[self.scale.value]):.3f}"))
        return facts_table(rows)

    def picture(self) -> bytes:
        """The scene on the left, the bars on the right."""
        from PIL import Image, ImageDraw

        wide, tall = CHART
        left, low = SIDE + GAP, TOP + tall
        sheet = Image.new("RGB", (left + wide + 10, low + 34), "white")
        pen = ImageDraw.Draw(sheet)
        words = f"scene {self.scene.value}, scale {self.scale.value}"
        pen.text((0, 2), words, fill=INK, font=font(16, bold=True))
        side = self.model.config.priors.map_sizes[self.scale.value]
        pen.text((0, 25), f"maps of {side} × {side} cells", fill=MUTED, font=font(13))
        image = self._images[self.scene.value]
        scale = SIDE / max(image.shape[:2])
        size = (max(round(image.shape[1] * scale), 8), max(round(image.shape[0] * scale), 8))
        sheet.paste(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC), (0, TOP))
        for value in (0.0, 0.5, 1.0):
            y = low - value * tall
            pen.line((left, y, left + wide, y), fill=RULE, width=1)
            pen.text((left - 8, y), f"{value:g}", fill=MUTED, font=font(12), anchor="rm")
        weights, usual = self._chosen, self.weights[:, self.scale.value].mean(dim=0)
        levels = self.model.config.num_levels
        each = len(weights) // levels
        column = wide / len(weights)
        for channel, weight in enumerate(weights.tolist()):
            x = left + channel * column
            colour = LEVEL_COLOURS[channel // each % len(LEVEL_COLOURS)]
            top = low - weight * tall
            pen.rectangle((x + 0.5, top, x + max(column - 1, 1), low), fill=colour)
            mark = low - float(usual[channel]) * tall
            pen.rectangle((x + 0.5, mark - 1, x + max(column - 1, 1), mark + 1), fill=INK)
        for level, mean in enumerate(self.by_level[self.scene.value, self.scale.value].tolist()):
            x1, x2 = left + level * each * column, left + (level + 1) * each * column
            y = low - mean * tall
            pen.line((x1 + 1, y, x2 - 3, y), fill=INK, width=2)
            pen.text(((x1 + x2) / 2, low + 14), f"level {level}" if levels < 9 else str(level),
                     fill=INK, font=font(12), anchor="mm")  # fmt: skip
            pen.text(((x1 + x2) / 2, TOP - 12), f"{mean:.2f}", fill=INK, font=font(13, bold=True),
                     anchor="mm")  # fmt: skip
        return encode_png(sheet)
