"""SFAM explorer: what the attention says about a picture, channel by channel and level by level."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detlearn.models import M2Det
from detlearn.models.m2det import SFAM
from detlearn.models.modes import evaluating
from detlearn.show.canvas import image_array
from detlearn.show.explorers.browser.frame import Explorer, data_uri, rounded
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.mlfpn_maps import check_m2det, mlfpn_levels

__all__ = ["AttentionExplorer"]

WEIGHT_SCALE = 65535
"""Weights travel as 16-bit numbers."""


class AttentionExplorer(Explorer):
    """SFAM's weights for a scene and a scale: a bar for each channel, level by level.

    Left, the bars, 0 (closed) to 1 (open), each level's in its colour; its mean as a line with
    the number above. The small black marks are the means of each channel over all scenes: where
    bar and mark differ, the attention answers to *this* scene. Right, the scene. The network has
    run on all scenes when the page is made, so the explorer needs no kernel.

    Args:
        model: an `M2Det` with SFAM; it is left in the mode it was found in.
        images: the scenes, one or more; each as for `FeatureMapExplorer`.
        files: path or bytes of the same pictures, small JPEG, PNG or WebP files; without them
            the scenes have numbers only.
        scene: that is shown at first.
        scale: that is shown at first.

    Raises:
        ValueError: the model is no M2Det or has no SFAM, or there is no scene; another number of
            files; no such scene or scale; an unsuitable file.

    >>> import detlearn
    >>> model = detlearn.create_model("m2det_tiny")
    >>> explorer = AttentionExplorer(model, [torch.zeros(3, 128, 128)])
    >>> explorer.weights.shape
    torch.Size([1, 5, 96])
    """

    module = "attention.js"
    title = "Explorer of attention"
    height = 620
    most_bytes = 120_000

    def __init__(
        self,
        model: M2Det,
        images: Sequence[Any],
        *,
        files: Sequence[str | os.PathLike[str] | bytes | None] = (),
        scene: int = 0,
        scale: int = 0,
    ) -> None:
        check_m2det(model)
        if not isinstance(model.mlfpn.sfam, SFAM):
            raise ValueError("model: expected one with an SFAM, got sfam=False")
        if len(images) == 0:
            raise ValueError("images: expected at least one scene, got none")
        if len(files) not in (0, len(images)):
            raise ValueError(f"files: expected none or {len(images)}, got {len(files)}")
        for name, value, most in (
            ("scene", scene, len(images)),
            ("scale", scale, model.config.num_scales),
        ):
            if not 0 <= value < most:
                raise ValueError(f"{name}: expected 0 to {most - 1}, got {value}")
        self.model, self.scene, self.scale = model, scene, scale
        self._sizes = [image_array(image).shape[:2] for image in images]
        self._inputs = [network_input(model, image) for image in images]
        self._files = [data_uri(file) for file in files or [None] * len(images)]
        self.refresh()

    def refresh(self) -> None:
        """Run the model again, after its weights have changed."""
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

    # ------------------------------------------------------------- the numbers

    @property
    def by_level(self) -> Tensor:
        """Mean weight of each level, for every scene and scale: ``(scenes, scales, L)``."""
        return self.weights.unflatten(2, (self.model.config.num_levels, -1)).mean(dim=3)

    def most_open(self, scene: int, scale: int) -> int:
        """The level with the largest mean, for a scene and a scale."""
        return int(self.by_level[scene, scale].argmax())

    @property
    def change(self) -> Tensor:
        """How far scenes differ: standard deviation of each weight, averaged, for each scale."""
        return self.weights.std(dim=0, correction=0).mean(dim=1)

    # ------------------------------------------------------------- what is shown

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        whole = (self.weights * WEIGHT_SCALE).round().long().flatten().tolist()
        packed = b"".join(weight.to_bytes(2, "little") for weight in whole)
        return {
            "shape": list(self.weights.shape),
            "levels": self.model.config.num_levels,
            "weights": base64.b64encode(packed).decode("ascii"),
            "change": rounded(self.change, 3),
            "sides": list(self.model.config.priors.map_sizes),
            "scene": self.scene,
            "scale": self.scale,
            "sizes": [[int(side) for side in size] for size in self._sizes],
            "images": self._files,
        }

    def __repr__(self) -> str:
        config = self.model.config
        return (
            f"Explorer of attention: {config.name}, scene {self.scene} of "
            f"{len(self._inputs)}, scale {self.scale}: {self.weights.shape[2]} weights, "
            f"{config.num_levels} levels; most open is level "
            f"{self.most_open(self.scene, self.scale)}."
        )
