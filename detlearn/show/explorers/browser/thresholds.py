"""Explorer of thresholds: a detector's answer to one picture, with its thresholds in your hand."""

from __future__ import annotations

import base64
import os
import struct
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from detlearn.models import Detector
from detlearn.models.modes import evaluating
from detlearn.show.explorers.browser.frame import Explorer, data_uri, fractions

__all__ = ["ThresholdExplorer"]

LEAST, MAX_CANDIDATES, MAX_OBJECTS = 0.01, 1000, 40
BOX_SCALE, SCORE_SCALE = 65535, 65535
"""Corners and scores travel as 16-bit numbers: a corner is exact to 0.001 px of 128."""


class ThresholdExplorer(Explorer):
    """What stays of a detector's candidates, and which prior each box was made from.

    The network runs once, here; its candidates with a score over 0.01 travel to the browser,
    which repeats what comes after it: threshold, suppression in each class, the best of all. So
    sliders answer at once, and without a kernel. One box is chosen: its prior is drawn, too, and
    the list says from which level and cell it comes, and how much of an object it covers.
    `DetectionExplorer` does the same with a kernel, for models and pictures of any size.

    Args:
        model: a detector of the course without weighted NMS.
        image: ``(3, H, W)``, uint8 or floating point in [0, 1].
        target: "boxes" ``(G, 4)`` xyxy, px of the image, "labels" ``(G,)``; at most 40, G = 0 is
            legal.
        file: path or bytes of the same picture, a small JPEG, PNG or WebP file.
        score_threshold: at first; 0.01 to 0.99.

    Raises:
        ValueError: no detector, one with weighted NMS, more than 1,000 candidates, a target that
            does not fit, an unsuitable file.

    Invariant:
        The boxes that the browser keeps are those of `model.detect` with the same thresholds.

    >>> from detlearn import load_model
    >>> from detlearn.data import data_path
    >>> model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    >>> nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    >>> print(str(ThresholdExplorer(model, torch.zeros(3, 128, 128), nothing))[:32])
    Explorer of thresholds: ssd_tiny
    """

    module = "thresholds.js"
    title = "Explorer of thresholds"
    height = 660

    def __init__(
        self,
        model: Detector,
        image: Tensor,
        target: Mapping[str, Any],
        *,
        file: str | os.PathLike[str] | bytes | None = None,
        score_threshold: float = 0.5,
    ) -> None:
        if not isinstance(model, Detector) or model.config.weighted_nms:
            got = type(model).__name__
            raise ValueError(f"model: expected a detector without weighted NMS, got {got}")
        if not LEAST <= score_threshold <= 0.99:
            raise ValueError(f"score_threshold: expected 0.01 to 0.99, got {score_threshold}")
        self.model, self.score = model, float(score_threshold)
        H, W = image.shape[-2:]
        whole = torch.tensor([W, H, W, H])
        self.size = (int(H), int(W))
        self.boxes = fractions(
            torch.as_tensor(target["boxes"]).as_subclass(Tensor) / whole, "boxes", MAX_OBJECTS
        )
        self.labels = [int(label) for label in target["labels"]]
        if len(self.labels) != len(self.boxes):
            raise ValueError(
                f"target['labels']: expected {len(self.boxes)}, one a box, got {len(self.labels)}"
            )
        self._file = data_uri(file)
        with evaluating(model), torch.no_grad():
            # an IoU is never more than 1: nothing is suppressed
            (found,) = model.postprocess(
                model(model.prepare(image[None])), [self.size], score_threshold=LEAST,
                iou_threshold=1.0, max_detections=MAX_CANDIDATES + 1,
            )  # fmt: skip
        if len(found["boxes"]) > MAX_CANDIDATES:
            raise ValueError(
                f"model: expected at most {MAX_CANDIDATES:,} candidates with a score over "
                f"{LEAST}, got more; is it trained?"
            )
        corners = (found["boxes"].cpu() / whole * BOX_SCALE).round().long()  # (N, 4)
        scores = (found["scores"].cpu() * SCORE_SCALE).round().long()  # (N,)
        self._candidates = torch.cat(
            [
                corners,
                scores[:, None],
                found["priors"].cpu()[:, None],
                found["labels"].cpu()[:, None],
            ],
            dim=1,
        ).tolist()  # (N, 7)

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        packed = b"".join(struct.pack("<5HIB", *one) for one in self._candidates)
        config, names = self.model.config, self.model.class_names or ()
        return {
            "layout": asdict(config.priors),
            "candidates": base64.b64encode(packed).decode("ascii"),
            "size": self.size,
            "boxes": self.boxes,
            "labels": self.labels,
            "names": list(names),
            "score": self.score,
            "iou": round(config.iou_threshold, 2),
            "most": config.max_detections,
            "image": self._file,
        }

    def __repr__(self) -> str:
        count, objects = len(self._candidates), len(self.boxes)
        return (
            f"Explorer of thresholds: {self.model.config.name}, {count:,} candidates over {LEAST}, "
            f"score over {self.score:.2f} at first; {objects} object{'s' * (objects != 1)}."
        )
