"""Refinement explorer: prior, anchor, box; and whom the negative-anchor filter lets pass."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from detlearn.boxes import PriorConfig
from detlearn.models.refinedet import RefineDetPredictions
from detlearn.show.explorers.browser.frame import Explorer, data_uri, fractions

__all__ = ["RefinementExplorer"]

MAX_PRIORS, MAX_PICKS, MAX_OBJECTS = 4000, 160, 12
SCALE = 1024
"""Logits and deltas travel as 16-bit numbers, in 1024ths: up to 32, and exact to 0.0005."""
THETAS = (0, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.9, 1)


class RefinementExplorer(Explorer):
    """Two steps and a filter, on what a trained RefineDet says about one scene.

    A slider walks through the priors of which the ARM is surest: the prior, the anchor that the
    ARM makes of it, the box that the ODM makes of the anchor, each with its IoU with the nearest
    object. Two more sliders add to the ARM's answer, a box takes its step away: the final box
    follows, because the ODM's deltas are relative to the anchor. A slider for θ shows which
    priors survive the filter, in the picture and level by level.

    Args:
        config: the layout of the priors, at most 4,000 of them.
        predictions: of one image, ``(1, P, ...)`` each, as `RefineDet` returns them.
        boxes: ``(G, 4)`` xyxy, fractions of the image, the objects; at most 12, ``G = 0`` is legal.
        class_names: names by label, background first; numbers when omitted.
        image: path or bytes of a small JPEG, PNG or WebP file.
        threshold: θ at first, one of `THETAS`.
        picks: for how many priors the boxes are shown, at most 160.

    Raises:
        ValueError: predictions of another layout or of several images, numbers that are not
            finite, a threshold that the slider has not, objects that are none or too many, an
            unsuitable image.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> layout = PriorConfig(8, (2,), (4,), (2,), (), ((4,),), clamp="none")
    >>> nothing = RefineDetPredictions(*(torch.zeros(1, 12, n) for n in (2, 4, 9, 4)))
    >>> RefinementExplorer(layout, nothing, torch.tensor([[0.1, 0.1, 0.4, 0.5]]))
    Explorer of refinement: 1 object; 12 priors, 12 of them with boxes; θ = 0.01.
    """

    module = "refinement.js"
    title = "Explorer of refinement"
    height = 900

    def __init__(
        self,
        config: PriorConfig,
        predictions: RefineDetPredictions,
        boxes: Tensor,
        *,
        class_names: Sequence[str] = (),
        image: str | os.PathLike[str] | bytes | None = None,
        threshold: float = 0.01,
        picks: int = MAX_PICKS,
    ) -> None:
        if not isinstance(config, PriorConfig):
            raise ValueError(f"config: expected a PriorConfig, got {type(config).__name__}")
        P = config.num_priors
        if P > MAX_PRIORS:
            raise ValueError(f"config: expected at most {MAX_PRIORS:,} priors, got {P:,}")
        if not isinstance(predictions, tuple) or len(predictions) != 4:
            raise ValueError("predictions: expected the four tensors of RefineDetPredictions")
        parts = RefineDetPredictions(*(part.detach().cpu().double() for part in predictions))
        for name, part, last in zip(parts._fields, parts, (2, 4, None, 4), strict=True):
            if part.ndim != 3 or part.shape[:2] != (1, P) or (last and part.shape[2] != last):
                raise ValueError(
                    f"{name}: expected (1, {P}, {last or 'K'}), one image and one row a prior, "
                    f"got {tuple(part.shape)}"
                )
            if not part.isfinite().all():
                raise ValueError(f"{name}: expected finite numbers")
        if threshold not in THETAS:
            raise ValueError(f"threshold: expected one of {THETAS}, got {threshold}")
        if not 0 <= picks <= MAX_PICKS:
            raise ValueError(f"picks: expected 0 to {MAX_PICKS}, got {picks}")
        self.config, self.threshold = config, float(threshold)
        self.boxes = fractions(boxes, "boxes", MAX_OBJECTS)
        self.class_names = [str(name) for name in class_names]
        self._image = data_uri(image)
        gaps = parts.arm_logits[0, :, 1] - parts.arm_logits[0, :, 0]  # (P,)
        self._gaps = _sixteen_bits(gaps)
        order = gaps.argsort(descending=True, stable=True)[:picks]
        self._deltas = _sixteen_bits(torch.cat([parts.arm_deltas[0], parts.odm_deltas[0]], dim=1))
        scores, labels = parts.odm_logits[0].softmax(dim=-1)[:, 1:].max(dim=-1)
        self._picks = [
            (i, *self._deltas[i].tolist(), int(labels[i]) + 1, round(255 * float(scores[i])))
            for i in order.tolist()
        ]

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        gaps = struct.pack(f"<{len(self._gaps)}h", *self._gaps.tolist())
        picks = b"".join(struct.pack("<H8h2B", *pick) for pick in self._picks)
        return {
            "layout": asdict(self.config),
            "gaps": base64.b64encode(gaps).decode("ascii"),
            "picks": base64.b64encode(picks).decode("ascii"),
            "boxes": self.boxes,
            "names": self.class_names,
            "image": self._image,
            "threshold": self.threshold,
        }

    def __repr__(self) -> str:
        count = len(self.boxes)
        return (
            f"Explorer of refinement: {count} object{'s' * (count != 1)}; "
            f"{self.config.num_priors:,} priors, {len(self._picks)} of them with boxes; "
            f"θ = {self.threshold:g}."
        )


def _sixteen_bits(values: Tensor) -> Tensor:
    """Numbers in 1024ths, as integers of 16 bits; beyond 32 they are cut."""
    return (SCALE * values).round().clamp(-32768, 32767).to(torch.int64)
