"""Non-maximum suppression: one object, one box.

`nms` and `soft_nms` are the algorithms as they are taught.  `select_detections`, the
step from scores to a detector's answer, uses torchvision's compiled kernel, to which
the tests hold `nms` equal.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor

from .candidates import check_candidates
from .geometry import box_area, box_iou, check_corners

__all__ = ["nms", "select_detections", "select_weighted", "soft_nms", "weighted_nms"]

_FAR = 2.0**29
"""No class is moved further: of a float64's 53 digits it leaves a box the 24 of a float32."""


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Greedy non-maximum suppression: keep the best box, drop what overlaps it, repeat.

    Args:
        boxes: ``(N, 4)`` xyxy.
        scores: ``(N,)``.
        iou_threshold: boxes with a larger IoU than this are dropped.

    Returns:
        ``(D,)`` int64, indices of the kept boxes, descending scores.

    Raises:
        ValueError: shapes or dtypes that do not go together, NaN, or a threshold that is none.

    **Invariant:** no two kept boxes overlap by more than the threshold.

    >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 9, 9]])
    >>> nms(boxes, torch.tensor([0.8, 0.9, 0.1]), 0.5)
    tensor([1, 2])
    """
    _check_pairs(boxes, scores, iou_threshold)
    order = scores.argsort(descending=True, stable=True)
    keep = []
    while len(order) > 0:
        best, rest = order[:1], order[1:]
        keep.append(best)
        overlaps = box_iou(boxes[best], boxes[rest])[0]
        order = rest[overlaps <= iou_threshold]
    return torch.cat(keep) if keep else order


def soft_nms(
    boxes: Tensor,
    scores: Tensor,
    method: Literal["linear", "gaussian"] = "linear",
    iou_threshold: float = 0.3,
    sigma: float = 0.5,
    score_threshold: float = 0.001,
    plus_one: bool = False,
) -> tuple[Tensor, Tensor]:
    """Soft-NMS: what overlaps a better box loses score instead of its life (Bodla et al. 2017, §3).

    Args:
        boxes: ``(N, 4)`` xyxy.
        scores: ``(N,)``.
        method: ``"linear"`` multiplies by 1 - IoU where the IoU exceeds the threshold
            (their Eq. 2), ``"gaussian"`` by exp(-IoU² / sigma) everywhere (their Eq. 3).
        iou_threshold: N_t of the linear method.
        sigma: width of the Gaussian method.
        score_threshold: an overlapped box whose score is below it is dropped.
        plus_one: count pixels as older code does, width = x2 - x1 + 1.

    Returns:
        ``(D,)`` int64 indices in order of selection, ``(D,)`` decayed scores, descending.

    Raises:
        ValueError: as `nms`, and for an unknown method or a width that is not positive.

    A box that nothing overlaps is never dropped, however low its score: the authors' code
    looks at the threshold only when a better box overlaps, and so do we.

    >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 2], [5, 5, 9, 9]])
    >>> soft_nms(boxes, torch.tensor([0.9, 0.8, 0.5]))  # IoU 0.5 halves the second
    (tensor([0, 2, 1]), tensor([0.9000, 0.5000, 0.4000]))
    """
    _check_pairs(boxes, scores, iou_threshold)
    if method not in ("linear", "gaussian"):
        raise ValueError(f"method: expected 'linear' or 'gaussian', got {method!r}")
    if not sigma > 0:
        raise ValueError(f"sigma: expected a number above 0, got {sigma}")
    if plus_one:
        boxes = boxes + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
    alive = torch.arange(len(scores), device=scores.device)
    decayed = scores.clone()
    keep = []
    while len(alive) > 0:
        best = alive[decayed[alive].argmax()]
        keep.append(best)
        alive = alive[alive != best]
        overlaps = box_iou(boxes[best][None], boxes[alive])[0]
        if method == "linear":
            weight = torch.where(overlaps > iou_threshold, 1 - overlaps, torch.ones_like(overlaps))
        else:
            weight = torch.exp(-(overlaps**2) / sigma)
        decayed[alive] *= weight
        alive = alive[(overlaps == 0) | (decayed[alive] >= score_threshold)]
    kept = torch.stack(keep) if keep else alive
    return kept, decayed[kept]


def weighted_nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> tuple[Tensor, Tensor]:
    """NMS that averages what it would drop (Bazarevsky et al. 2019, §3, "tie resolution").

    Greedy NMS throws away all boxes but the best of an object, and from one frame of a film to
    the next another one may be the best: the box jumps.  Here the best box and those that
    overlap it form a cluster, and the answer is their mean, weighted by score.

    Args:
        boxes: ``(N, 4)`` xyxy.
        scores: ``(N,)``, above 0.
        iou_threshold: boxes with a larger IoU with the best one than this join its cluster.

    Returns:
        ``(D,)`` int64, indices of the best box of each cluster, descending scores, and the
        weights ``(D, N)`` of the clusters: ``weights @ boxes`` are the averaged boxes, and key
        points are averaged by the same weights.

    Raises:
        ValueError: as `nms`, and for scores that are not above 0.

    **Invariant:** the indices are those of `nms`; each row of weights sums to 1.

    >>> boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 9, 9]])
    >>> keep, weights = weighted_nms(boxes, torch.tensor([0.6, 0.2, 0.1]), 0.5)
    >>> keep, weights @ boxes  # three quarters of the first box, one of the second
    (tensor([0, 2]), tensor([[0.0000, 0.0000, 4.0000, 3.7500],
            [5.0000, 5.0000, 9.0000, 9.0000]]))
    """
    _check_pairs(boxes, scores, iou_threshold)
    if (scores <= 0).any():
        raise ValueError(f"scores: expected numbers above 0, got {float(scores.min())}")
    order = scores.sort(descending=True, stable=True).indices
    keep, weights = [], []
    while len(order) > 0:
        best = order[0]
        near = box_iou(boxes[best][None], boxes[order])[0] > iou_threshold
        near[0] = True  # a box without area overlaps nothing, not even itself
        mine, order = order[near], order[~near]
        row = torch.zeros_like(scores)
        row[mine] = scores[mine] / scores[mine].sum()
        keep.append(best)
        weights.append(row)
    if not keep:
        return order, scores.new_zeros(0, len(scores))
    return torch.stack(keep), torch.stack(weights)


def select_detections(
    boxes: Tensor,
    scores: Tensor,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_candidates: int | None = None,
    max_detections: int = 200,
) -> dict[str, Tensor]:
    """The answer of a detector for one image: threshold, NMS in each class, the best of all.

    Args:
        boxes: ``(P, 4)`` xyxy, one for each prior.
        scores: ``(P, K)`` after softmax; column 0, the background, is passed over.
        score_threshold: a candidate's score is greater than this.
        iou_threshold: see `nms`.
        max_candidates: best candidates of each class that enter NMS; None for all.
        max_detections: length of the answer at most.

    Returns:
        ``boxes (D, 4)``, ``scores (D,)`` descending, ``labels (D,)`` int64, and ``priors
        (D,)`` int64, the prior that made each box.

    Raises:
        ValueError: shapes that do not go together, boxes that are not finite, scores that are NaN,
            thresholds or limits that are none.

    **Invariant:** the same as NMS class by class on everything, then the best
    ``max_detections``.  It is faster because greedy NMS decides about a box by looking only
    at better ones: NMS of the best n candidates is the beginning of NMS of all, so n starts
    small and doubles until enough boxes have survived.

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0]])
    >>> scores = torch.tensor([[0.1, 0.9, 0.0], [0.1, 0.6, 0.3]])
    >>> select_detections(boxes, scores, score_threshold=0.2, iou_threshold=0.5)["labels"]
    tensor([1, 2])
    """
    limits = {"max_candidates": max_candidates, "max_detections": max_detections}
    check_candidates(boxes, scores, score_threshold, iou_threshold, limits)
    num_objects = scores.shape[1] - 1
    prior_of, label_of = _above(scores[:, 1:], score_threshold)
    score_of = scores[prior_of, 1 + label_of]  # (N,)
    n = min(10 * max_detections, len(score_of))
    while True:
        best_scores, best = score_of.topk(n)
        prior, label = prior_of[best], label_of[best]
        if max_candidates is not None:
            allowed = _rank_in_class(label, num_objects) <= max_candidates
            prior, label, best_scores = prior[allowed], label[allowed], best_scores[allowed]
        keep = _nms_by_class(boxes[prior], best_scores, label, iou_threshold)
        if len(keep) >= max_detections or n == len(score_of):
            break
        n = min(2 * n, len(score_of))
    keep = keep[:max_detections]
    return {
        "boxes": boxes[prior[keep]],
        "scores": best_scores[keep],
        "labels": label[keep] + 1,
        "priors": prior[keep],
    }


def _above(scores: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """Row and column, ``(N,)`` each, of every score above the threshold, row by row.

    Most priors see background only: their rows are sorted out by their largest score, a quarter of
    the time that looking for each score takes.
    """
    if scores.shape[1] == 0:
        none = torch.zeros(0, dtype=torch.int64, device=scores.device)
        return none, none
    rows = (scores.amax(dim=1) > threshold).nonzero()[:, 0]  # (R,)
    row, column = (scores[rows] > threshold).nonzero().unbind(dim=1)
    return rows[row], column


def _rank_in_class(labels: Tensor, num_objects: int) -> Tensor:
    """1 for the first of its label, 2 for the second, and so on, in the order given."""
    seen = torch.nn.functional.one_hot(labels, num_objects).cumsum(0)  # (N, K-1)
    return seen.gather(1, labels[:, None])[:, 0]  # (N)


def select_weighted(
    boxes: Tensor,
    scores: Tensor,
    keypoints: Tensor | None = None,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_candidates: int | None = None,
    max_detections: int = 200,
) -> dict[str, Tensor]:
    """As `select_detections`, with `weighted_nms`: boxes and key points are means of clusters.

    Args:
        boxes: ``(P, 4)`` xyxy, one for each prior.
        scores: ``(P, K)`` after softmax; column 0, the background, is passed over.
        keypoints: ``(P, J, 2)`` that belong to the boxes; None for none.
        score_threshold: a candidate's score is greater than this.
        iou_threshold: see `weighted_nms`.
        max_candidates: best candidates of each class that enter NMS; None for all.
        max_detections: length of the answer at most.

    Returns:
        As `select_detections`, and ``keypoints (D, J, 2)`` if they were given.  The score is that
        of a cluster's best box, and so is the prior.

    Raises:
        ValueError: as `select_detections`.

    >>> boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.0]])
    >>> scores = torch.tensor([[0.4, 0.6], [0.8, 0.2]])
    >>> select_weighted(boxes, scores, score_threshold=0.1, iou_threshold=0.5)["boxes"]
    tensor([[0.0000, 0.0000, 4.0000, 3.7500]])
    """
    limits = {"max_candidates": max_candidates, "max_detections": max_detections}
    check_candidates(boxes, scores, score_threshold, iou_threshold, limits)
    if keypoints is not None and (keypoints.ndim != 3 or len(keypoints) != len(boxes)):
        raise ValueError(
            f"keypoints: expected (P, J, 2) with P = {len(boxes)}, got {tuple(keypoints.shape)}"
        )
    if scores.shape[1] == 1:  # nothing but the background: no answer, of the same shapes
        scores = F.pad(scores, (0, 1))  # (P, 2)
    parts: list[tuple[Tensor, ...]] = []
    for label in range(1, scores.shape[1]):
        own = scores[:, label]
        candidates = (own > score_threshold).nonzero()[:, 0]
        best = own[candidates].argsort(descending=True, stable=True)[:max_candidates]
        candidates = candidates[best]
        keep, weights = weighted_nms(boxes[candidates], own[candidates], iou_threshold)
        prior = candidates[keep]
        parts.append((
            weights @ boxes[candidates], own[prior], torch.full_like(prior, label), prior,
            *([] if keypoints is None else
              [torch.einsum("dn,njc->djc", weights, keypoints[candidates])]),
        ))  # fmt: skip
    columns = [torch.cat(column) for column in zip(*parts, strict=True)]
    order = columns[1].argsort(descending=True, stable=True)[:max_detections]
    names = ("boxes", "scores", "labels", "priors", "keypoints")
    return {name: column[order] for name, column in zip(names, columns, strict=False)}


def _nms_by_class(boxes: Tensor, scores: Tensor, labels: Tensor, iou_threshold: float) -> Tensor:
    """NMS that never lets two classes meet: each class is moved to a place of its own.

    In float64 the shift costs no digit of the boxes; torchvision's ``batched_nms`` shifts in
    float32 or loops over the classes, depending on their number.  Only a box that lies millions
    away would cost digits: then the classes are looked at one by one.

    Args:
        boxes: ``(N, 4)`` xyxy.
        scores: ``(N,)`` descending.
        labels: ``(N,)`` int64.
        iou_threshold: see `nms`.

    Returns:
        ``(D,)`` int64, indices of the kept boxes, descending scores.
    """
    if len(boxes) == 0:
        return labels
    wide, scores = boxes.double(), scores.double()
    shift = labels * (wide.max() - wide.min() + 1)
    if shift.max() > _FAR:
        kept = []
        for label in labels.unique():
            own = (labels == label).nonzero()[:, 0]
            kept.append(own[torchvision.ops.nms(wide[own], scores[own], iou_threshold)])
        return torch.cat(kept).sort().values
    return torchvision.ops.nms(wide + shift[:, None], scores, iou_threshold)


def _check_pairs(boxes: Tensor, scores: Tensor, iou_threshold: float) -> None:
    if boxes.ndim != 2 or boxes.shape[-1] != 4 or scores.shape != boxes.shape[:1]:
        raise ValueError(
            "expected boxes (N, 4) and scores (N,), "
            f"got {tuple(boxes.shape)} and {tuple(scores.shape)}"
        )
    check_corners(boxes, "boxes")
    if not scores.is_floating_point():
        raise ValueError(f"scores: expected a floating dtype, got {scores.dtype}")
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold: expected a number from 0 to 1, got {iou_threshold}")
    areas = box_area(boxes)
    if areas.isnan().any() or scores.isnan().any():
        raise ValueError("boxes, scores: expected numbers, got NaN")
    if areas.isinf().any():
        raise ValueError("boxes: expected areas that are finite numbers, got inf")
