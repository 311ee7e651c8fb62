"""From the scores and boxes of M2Det to its answer: suppression in each class."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torchvision.ops import nms as fast_nms

from ...boxes import clip_boxes, select_soft
from .config import M2DetConfig


def select_by_class(
    boxes: Tensor,
    scores: Tensor,
    *,
    suppression: Literal["released", "corrected", "hard"],
    score_threshold: float,
    iou_threshold: float,
    max_candidates: int | None = None,
    max_per_class: int = 50,
    max_detections: int = 200,
) -> dict[str, Tensor]:
    """The answer of M2Det for one image: threshold, suppression in each class, the best of all.

    Args:
        boxes: ``(P, 4)`` xyxy, px; a box from 3 to 5 covers three pixels (the code of the time
            counts so: width = x2 - x1 + 1).
        scores: ``(P, K)`` after softmax; column 0, the background, is passed over.
        suppression: ``"released"``: linear soft-NMS whose overlap threshold is 0.3, whatever
            ``iou_threshold`` says, since the published call hands that over in the place of
            the Gaussian's sigma.  ``"corrected"``: the same with ``iou_threshold``.
            ``"hard"``: ordinary NMS.
        score_threshold: a candidate's score is greater than this.
        iou_threshold: see above.
        max_candidates: best candidates of each class that enter; None for all.
        max_per_class: best of each class that leave.
        max_detections: length of the answer at most.

    Returns:
        ``boxes (D, 4)``, ``scores (D,)`` descending, decayed where the suppression is soft,
        ``labels (D,)`` int64, and ``priors (D,)`` int64, the row behind each.

    >>> boxes = torch.tensor([[0.0, 0.0, 99.0, 99.0], [0.0, 0.0, 99.0, 39.0]])  # IoU 0.4
    >>> scores = torch.tensor([[0.1, 0.9], [0.2, 0.8]])
    >>> for suppression in ("released", "corrected"):
    ...     found = select_by_class(
    ...         boxes, scores, suppression=suppression, score_threshold=0.1, iou_threshold=0.45
    ...     )
    ...     print([round(score, 2) for score in found["scores"].tolist()])
    [0.9, 0.48]
    [0.9, 0.8]
    """
    threshold = 0.3 if suppression == "released" else iou_threshold
    if suppression != "hard":
        return select_soft(
            boxes,
            scores,
            score_threshold=score_threshold,
            iou_threshold=threshold,
            plus_one=True,
            max_candidates=max_candidates,
            max_per_class=max_per_class,
            max_detections=max_detections,
        )
    whole_pixels = boxes + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])  # (P, 4)
    chosen, labels = [], []
    for label in range(1, scores.shape[1]):
        own = scores[:, label]
        candidates = (own > score_threshold).nonzero()[:, 0]
        if max_candidates is not None and len(candidates) > max_candidates:
            candidates = candidates[own[candidates].topk(max_candidates).indices]
        keep = fast_nms(whole_pixels[candidates], own[candidates], threshold)[:max_per_class]
        chosen.append(candidates[keep])
        labels.append(torch.full_like(keep, label))
    priors, label_of = torch.cat(chosen), torch.cat(labels)
    best = scores[priors, label_of].argsort(descending=True, stable=True)[:max_detections]  # (D)
    priors, label_of = priors[best], label_of[best]
    return {
        "boxes": boxes[priors],
        "scores": scores[priors, label_of],
        "labels": label_of,
        "priors": priors,
    }


def select_in_pixels(
    boxes: Tensor,
    scores: Tensor,
    size: tuple[int, int],
    config: M2DetConfig,
    clip: bool,
) -> dict[str, Tensor]:
    """Boxes in fractions and scores of one image to its detections in pixels."""
    height, width = size
    found = select_by_class(
        boxes * boxes.new_tensor([width, height, width, height]),
        scores,
        suppression=config.suppression,
        score_threshold=config.score_threshold,
        iou_threshold=config.iou_threshold,
        max_candidates=config.max_candidates,
        max_per_class=config.max_per_class,
        max_detections=config.max_detections,
    )
    if clip:
        found["boxes"] = clip_boxes(found["boxes"], height, width)
    return found
