"""Soft-NMS of all classes at once: what M2Det's detections go through.

`soft_nms` is the algorithm as it is taught, one class and one box at a time.  Published detectors
let hundreds of boxes of each class in and keep fifty; `select_soft` gives the same answer with
one loop for all classes, and looks at no more candidates than that takes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .candidates import check_candidates
from .geometry import box_area

__all__ = ["select_soft"]


def select_soft(
    boxes: Tensor,
    scores: Tensor,
    *,
    score_threshold: float,
    iou_threshold: float = 0.3,
    decayed_threshold: float = 0.001,
    plus_one: bool = False,
    max_candidates: int | None = None,
    max_per_class: int = 50,
    max_detections: int = 200,
) -> dict[str, Tensor]:
    """As `select_detections`, with linear `soft_nms`: what overlaps a better box loses score.

    Args:
        boxes: ``(P, 4)`` xyxy, one for each prior.
        scores: ``(P, K)`` after softmax; column 0, the background, is passed over.
        score_threshold: a candidate's score is greater than this.
        iou_threshold: boxes with a larger IoU lose score.
        decayed_threshold: an overlapped box whose score falls below it is dropped.
        plus_one: count pixels as older code does, width = x2 - x1 + 1.
        max_candidates: best candidates of each class that enter; None for all.
        max_per_class: boxes of each class that are kept.
        max_detections: length of the answer at most.

    Returns:
        As `select_detections`; the scores are the decayed ones.

    Raises:
        ValueError: as `select_detections`, for scores of whole numbers, which do not decay, and
            for areas that overflow.

    **Invariant:** the same as `soft_nms` class by class, to the bit; of equal scores the earlier
    prior comes first.  It is faster because scores only fall: a candidate that began below the
    last box kept could never have been chosen, so the best n candidates of a class are enough,
    and n starts small and doubles for the classes that need more.

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 2.0]])  # IoU 0.5
    >>> scores = torch.tensor([[0.1, 0.9, 0.0], [0.1, 0.8, 0.3]])
    >>> found = select_soft(boxes, scores, score_threshold=0.2)
    >>> found["labels"], found["scores"]
    (tensor([1, 1, 2]), tensor([0.9000, 0.4000, 0.3000]))
    """
    limits = {
        "max_candidates": max_candidates,
        "max_per_class": max_per_class,
        "max_detections": max_detections,
    }
    check_candidates(boxes, scores, score_threshold, iou_threshold, limits)
    if not scores.is_floating_point():
        raise ValueError(f"scores: expected a floating dtype, got {scores.dtype}")
    answered, score_dtype = boxes, scores.dtype
    boxes, scores = _wide(boxes), _wide(scores)
    num_objects = scores.shape[1] - 1
    flat = scores[:, 1:].reshape(-1)  # (P * (K - 1))
    candidates = (flat > score_threshold).nonzero()[:, 0]
    # Sorted by class, in a class by score, and of equal scores the earlier prior first.
    candidates = candidates[flat[candidates].sort(descending=True, stable=True).indices]
    candidates = candidates[(candidates % num_objects).sort(stable=True).indices]
    count = torch.bincount(candidates % num_objects, minlength=num_objects)  # (K - 1)
    start = count.cumsum(0) - count  # (K - 1)
    if max_candidates is not None:
        count = count.clamp(max=max_candidates)
    grown = boxes + boxes.new_tensor([0.0, 0.0, 1.0, 1.0]) if plus_one else boxes  # (P, 4)
    priors = candidates.new_zeros(num_objects, max_per_class)  # (K - 1, m)
    decayed = scores.new_full((num_objects, max_per_class), -1.0)  # (K - 1, m)
    waiting = (count > 0).nonzero()[:, 0]  # classes, fewer in every round
    n = 4 * max_per_class
    while len(waiting) > 0:
        rank = torch.arange(n + 1, device=boxes.device)
        place = (start[waiting, None] + rank).clamp(max=len(candidates) - 1)
        entered, began = candidates[place] // num_objects, flat[candidates[place]]
        began = began.masked_fill(rank >= count[waiting, None], -1.0)
        kept, final = _soft_nms_rows(
            grown, entered[:, :n], began[:, :n], iou_threshold, decayed_threshold, max_per_class
        )
        # Rank n is the best candidate that was left out, -1 if all were let in.
        done = (began[:, n] < 0) | (final[:, -1] > began[:, n])
        priors[waiting[done]], decayed[waiting[done]] = kept[done], final[done]
        waiting, n = waiting[~done], 2 * n
    label, rank = (decayed >= 0).nonzero().unbind(1)  # (N), (N)
    best = decayed[label, rank].argsort(descending=True, stable=True)[:max_detections]  # (D)
    label, rank = label[best], rank[best]
    prior = priors[label, rank]  # (D)
    return {
        "boxes": answered[prior],
        "scores": decayed[label, rank].to(score_dtype),
        "labels": label + 1,
        "priors": prior,
    }


def _wide(numbers: Tensor) -> Tensor:
    """In float32 at least: in halves the areas of boxes overflow."""
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))


def _soft_nms_rows(
    boxes: Tensor,
    priors: Tensor,
    scores: Tensor,
    iou_threshold: float,
    decayed_threshold: float,
    max_kept: int,
) -> tuple[Tensor, Tensor]:
    """The first rounds of soft-NMS, of C classes side by side.

    Args:
        boxes: ``(P, 4)`` xyxy.
        priors: ``(C, n)`` the candidates of each class.
        scores: ``(C, n)`` theirs, negative where a class has fewer.
        iou_threshold: see `select_soft`.
        decayed_threshold: see `select_soft`.
        max_kept: how many rounds, each of which keeps a box of each class.

    Returns:
        ``(C, max_kept)`` the priors kept and their scores; negative scores where none was left.
    """
    # In the order of the priors the first of equal scores is the earlier one.
    priors, order = priors.sort(dim=1, stable=True)  # (C, N)
    decayed = scores.gather(1, order)  # (C, N), negative: not in the race
    left, top, right, bottom = boxes[priors].unbind(-1)
    area = box_area(boxes[priors])  # (C, N)
    if area.isinf().any():
        raise ValueError("boxes: expected areas that are finite numbers, got inf")
    rows = torch.arange(len(priors), device=boxes.device)  # (C)
    kept = priors.new_zeros(len(priors), max_kept)  # (C, M)
    final = scores.new_full((len(priors), max_kept), -1.0)  # (C, M)
    for step in range(max_kept):
        score, best = decayed.max(dim=1)  # (C), of equal ones the first
        if not (score >= 0).any():
            break
        kept[:, step], final[:, step] = priors[rows, best], score
        decayed[rows, best] = -1.0
        best = best[:, None]  # (C, 1)
        width = torch.minimum(right, right.gather(1, best)) - torch.maximum(
            left, left.gather(1, best)
        )  # (C, N)
        height = torch.minimum(bottom, bottom.gather(1, best)) - torch.maximum(
            top, top.gather(1, best)
        )  # (C, N)
        intersection = width.clamp(min=0) * height.clamp(min=0)  # (C, N)
        union = area.gather(1, best) + area - intersection  # (C, N)
        overlaps = intersection / union.clamp(min=torch.finfo(union.dtype).tiny)  # (C, N)
        decayed = torch.where(overlaps > iou_threshold, decayed * (1 - overlaps), decayed)  # (C, N)
        # As in `soft_nms`: only what a better box overlaps is held to the threshold.
        decayed[(overlaps > 0) & (decayed < decayed_threshold)] = -1.0
    return kept, final
