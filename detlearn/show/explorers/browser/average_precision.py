"""Average-precision explorer: down the detections by score, precision and recall beside it."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import Tensor

from detlearn.show.explorers.browser.frame import Explorer, rounded

__all__ = ["AveragePrecisionExplorer"]

MAX_DETECTIONS = 200
SCORES = (0.97, 0.93, 0.88, 0.81, 0.76, 0.70, 0.62, 0.55, 0.43, 0.31, 0.22, 0.14)
HITS = (True, True, False, True, False, True, False, False, True, False, False, True)
NUM_GT = 8


class AveragePrecisionExplorer(Explorer):
    """The detections of a class by falling score; the threshold admits them one by one.

    The curve of precision over recall grows with every detection admitted. Its envelope is read
    in three ways (11-point, area, 101-point, as `average_precision` does), for the detections
    admitted and for all. A detection can be turned from right to wrong and back.

    Args:
        scores: ``(D,)`` scores of the detections of one class in any order, at most 200; an
            example of twelve detections and eight objects when omitted.
        hits: ``(D,)`` bool, see `match_detections`; detections that are ignored are left out
            beforehand.
        num_gt: number of objects; required with scores.

    Raises:
        ValueError: some of the three without the others, lengths that disagree, none or too many
            detections, a score that is no number, or fewer objects than hits.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> scores, hits = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([True, False, True])
    >>> AveragePrecisionExplorer(scores, hits, num_gt=2)
    Explorer of average precision: 3 detections, 2 right, 2 objects.
    """

    module = "average_precision.js"
    title = "Explorer of average precision"
    height = 860

    def __init__(
        self,
        scores: Tensor | None = None,
        hits: Tensor | None = None,
        num_gt: int | None = None,
    ) -> None:
        given = [value is not None for value in (scores, hits, num_gt)]
        if any(given) and not all(given):
            raise ValueError("expected scores, hits and num_gt together, or none of them")
        if scores is None or hits is None or num_gt is None:
            scores, hits, num_gt = torch.tensor(SCORES), torch.tensor(HITS), NUM_GT
        if scores.ndim != 1 or scores.shape != hits.shape:
            raise ValueError(
                "expected scores (D,) and hits (D,), "
                f"got {tuple(scores.shape)} and {tuple(hits.shape)}"
            )
        if not 1 <= len(scores) <= MAX_DETECTIONS:
            raise ValueError(
                f"scores: expected 1 to {MAX_DETECTIONS} detections to show, got {len(scores)}"
            )
        if hits.dtype != torch.bool:
            raise ValueError(f"hits: expected torch.bool, got {hits.dtype}")
        if not torch.isfinite(scores).all():
            index = int((~torch.isfinite(scores)).nonzero()[0])
            raise ValueError(f"scores[{index}]: expected a number, got {float(scores[index])}")
        num_gt = operator.index(num_gt)
        if num_gt < max(1, int(hits.sum())):
            raise ValueError(
                "num_gt: expected at least 1 and at least the number of hits, "
                f"{int(hits.sum())}, got {num_gt}"
            )
        self.scores, self.hits, self.num_gt = rounded(scores), hits.tolist(), num_gt

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {"scores": self.scores, "hits": self.hits, "num_gt": self.num_gt}

    def __repr__(self) -> str:
        count = len(self.scores)
        return (
            f"Explorer of average precision: {count} detection{'s' * (count != 1)}, "
            f"{sum(self.hits)} right, {self.num_gt} object{'s' * (self.num_gt != 1)}."
        )
