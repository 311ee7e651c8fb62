"""Candidates, boxes with the scores of each class: what cannot be selected from is refused.

A detector's answer has thousands of them, so the numbers are looked at in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral

from torch import Tensor

__all__ = ["all_finite", "check_candidates"]


def all_finite(numbers: Tensor) -> bool:
    """Whether no number is NaN or infinite, looked at in one pass.

    A sum of finite numbers is finite unless it overflows; only then, or if it is not finite, is
    each number looked at.

    Args:
        numbers: any shape, floating point.

    >>> import torch
    >>> all_finite(torch.tensor([1.0, float("inf")])), all_finite(torch.full((2,), 3e38))
    (False, True)
    """
    return bool(numbers.sum().isfinite()) or bool(numbers.isfinite().all())


def check_candidates(
    boxes: Tensor,
    scores: Tensor,
    score_threshold: float,
    iou_threshold: float,
    limits: Mapping[str, int | None] | None = None,
) -> None:
    """Refuse what cannot be selected from.

    Args:
        boxes: what should be ``(P, 4)``.
        scores: what should be ``(P, K)``.
        score_threshold: from 0 to 1, as the next one.
        iou_threshold: see `nms`.
        limits: how many of something at most, by name; ``max_candidates`` may be None, for all.

    Raises:
        ValueError: shapes that do not go together, boxes that are not finite, scores that are NaN,
            thresholds or limits that are none.

    >>> import torch
    >>> check_candidates(torch.zeros(3, 4), torch.zeros(3, 2), 0.5, 0.5)
    """
    if scores.ndim != 2 or boxes.shape != (len(scores), 4) or scores.shape[1] == 0:
        raise ValueError(
            "expected boxes (P, 4) and scores (P, K), "
            f"got {tuple(boxes.shape)} and {tuple(scores.shape)}"
        )
    for name, value in (("score_threshold", score_threshold), ("iou_threshold", iou_threshold)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name}: expected a number from 0 to 1, got {value}")
    for name, limit in (limits or {}).items():
        if limit is None and name == "max_candidates":
            continue
        if not isinstance(limit, Integral) or limit < 1:
            raise ValueError(f"{name}: expected a whole number of at least 1, got {limit!r}")
    if not all_finite(boxes):
        index = int((~boxes.isfinite().all(dim=1)).nonzero()[0])
        raise ValueError(f"boxes: expected finite numbers, box {index} is {boxes[index].tolist()}")
    if not all_finite(scores) and scores.isnan().any():
        raise ValueError("boxes, scores: expected numbers, got NaN")
