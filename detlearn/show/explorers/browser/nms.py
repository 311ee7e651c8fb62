"""NMS explorer: two thresholds, three methods, step by step; who suppressed whom."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor

from detlearn.show.explorers.browser.frame import Explorer, data_uri, fractions, rounded

__all__ = ["NMSExplorer"]

MAX_DETECTIONS = 40
# A detector's raw answer to the drawn scene: tree and sun, the house, two neighbours, and clutter.
DETECTIONS = (
    (0.57, 0.32, 0.87, 0.78, 0.94), (0.60, 0.30, 0.90, 0.74, 0.81), (0.55, 0.36, 0.84, 0.82, 0.63),
    (0.62, 0.44, 0.82, 0.80, 0.35), (0.08, 0.29, 0.56, 0.72, 0.90), (0.12, 0.33, 0.52, 0.74, 0.72),
    (0.03, 0.26, 0.60, 0.70, 0.55), (0.49, 0.63, 0.61, 0.93, 0.87), (0.51, 0.66, 0.62, 0.95, 0.59),
    (0.79, 0.07, 0.93, 0.21, 0.78), (0.25, 0.72, 0.35, 0.84, 0.44), (0.02, 0.52, 0.12, 0.63, 0.12),
)  # fmt: skip


class NMSExplorer(Explorer):
    """Detections of one class, and what suppression does to them, one kept box at a time.

    Sliders for the score threshold and the IoU threshold (or sigma), a choice of hard, linear and
    Gaussian, and a step that can be played: the box that is kept, arrows to the boxes it
    suppresses or takes score from, and a list that says of every box what became of it, by whom
    and at which IoU.

    Args:
        boxes: ``(N, 4)`` xyxy, fractions of the image, at most 40; an example when omitted.
        scores: ``(N,)`` in [0, 1].
        image: path or bytes of a small JPEG, PNG or WebP file.
        score_threshold: a candidate's score is greater than this, at first; soft methods drop
            what falls below it.
        iou_threshold: at first; 0 to 0.95.

    Raises:
        ValueError: boxes without scores or scores without boxes, lengths that disagree, boxes
            that are none or too many, a score or threshold outside, an unsuitable image.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> NMSExplorer(torch.tensor([[0.1, 0.1, 0.4, 0.4]]), torch.tensor([0.9]))
    Explorer of non-maximum suppression: 1 box, scores 0.90 to 0.90.
    """

    module = "nms.js"
    title = "Explorer of non-maximum suppression"
    height = 700

    def __init__(
        self,
        boxes: Tensor | None = None,
        scores: Tensor | None = None,
        *,
        image: str | os.PathLike[str] | bytes | None = None,
        score_threshold: float = 0.1,
        iou_threshold: float = 0.5,
    ) -> None:
        if (boxes is None) != (scores is None):
            raise ValueError("expected boxes and scores together, or neither")
        if boxes is None or scores is None:
            example = torch.tensor(DETECTIONS)
            boxes, scores = example[:, :4], example[:, 4]
        self.boxes = fractions(boxes, "boxes", MAX_DETECTIONS)
        if tuple(scores.shape) != (len(self.boxes),):
            raise ValueError(
                f"scores: expected shape ({len(self.boxes)},), one for each box, "
                f"got {tuple(scores.shape)}"
            )
        bad = ~((scores >= 0) & (scores <= 1))
        if bad.any():
            index = int(bad.nonzero()[0])
            raise ValueError(f"scores[{index}]: expected 0 to 1, got {float(scores[index])}")
        for name, value in (("score_threshold", score_threshold), ("iou_threshold", iou_threshold)):
            if not 0 <= value <= 0.95:
                raise ValueError(f"{name}: expected 0 to 0.95, got {value}")
        self.scores = rounded(scores)
        self.score_threshold, self.iou_threshold = float(score_threshold), float(iou_threshold)
        self._image = data_uri(image)

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "boxes": self.boxes,
            "scores": self.scores,
            "image": self._image,
            "score_threshold": self.score_threshold,
            "iou_threshold": self.iou_threshold,
        }

    def __repr__(self) -> str:
        count = len(self.boxes)
        span = f", scores {max(self.scores):.2f} to {min(self.scores):.2f}" if count else ""
        boxes = "box" if count == 1 else "boxes"
        return f"Explorer of non-maximum suppression: {count} {boxes}{span}."
