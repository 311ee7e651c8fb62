"""Which prior is responsible for which object (Liu et al. 2016, §2.2, "Matching strategy")."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .candidates import all_finite
from .coding import encode
from .geometry import box_iou, check_corners, check_fractions, cxcywh_to_xyxy

__all__ = ["Match", "Targets", "coverage", "make_batch_targets", "make_targets", "match"]


class Match(NamedTuple):
    """What every prior is responsible for.

    Attributes:
        gt_index: ``(P,)`` int64, index of the object, -1 for none (background).
        iou: ``(P,)`` IoU with its best object, forced or not; 0 without objects.
        forced: ``(P,)`` bool, the prior is the best one of its object and taken for that.
    """

    gt_index: Tensor
    iou: Tensor
    forced: Tensor


class Targets(NamedTuple):
    """What the network should say, prior by prior.

    Attributes:
        labels: ``(P,)`` int64, 0 = background.
        deltas: ``(P, 4)`` offsets; zeros where the label is 0.
    """

    labels: Tensor
    deltas: Tensor


def match(
    boxes: Tensor,
    priors: Tensor,
    threshold: float = 0.5,
    inclusive: bool = True,
    force: bool = True,
) -> Match:
    """Give every prior its best object, and every object its best prior.

    1. A prior takes the object it overlaps most, if their IoU reaches the threshold.
    2. The best prior of each object is forced to take it, whatever their IoU: no object
       is left without a teacher.  A prior that is the best of several objects goes to
       the later one.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the image; ``G = 0`` is legal.
        priors: ``(P, 4)`` cxcywh, fractions of the image.
        threshold: IoU at which a prior counts as positive.
        inclusive: whether an IoU equal to the threshold is enough.
        force: whether rule 2 applies.

    Returns:
        A `Match`.

    Raises:
        ValueError: boxes that are no numbers, have their corners in the wrong order or have
            another shape or dtype, boxes in px with priors in fractions, no priors, or a threshold
            that is none.

    **Deviation:** uvipen/SSD-pytorch asks for IoU above the threshold (``inclusive=False``);
    torchvision, RefineDet and M2Det take equality.

    >>> priors = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
    >>> match(torch.tensor([[0.6, 0.6, 0.7, 0.7]]), priors).gt_index  # IoU 0.04, forced
    tensor([-1,  0])
    """
    _check_match(boxes, priors, threshold)
    G, P = len(boxes), len(priors)
    gt_index = torch.full((P,), -1, dtype=torch.int64, device=priors.device)  # (P,)
    forced = torch.zeros(P, dtype=torch.bool, device=priors.device)  # (P,)
    if G == 0:
        return Match(gt_index, priors.new_zeros(P), forced)
    overlaps = box_iou(boxes, cxcywh_to_xyxy(priors))  # (G, P)
    iou, best_object = overlaps.max(dim=0)
    positive = iou >= threshold if inclusive else iou > threshold  # (P,)
    gt_index = torch.where(positive, best_object, gt_index)  # (P,)
    if force:
        best_prior = overlaps.argmax(dim=1)  # (G,)
        # Several objects may want the same prior: the largest index, the later object, wins.
        claims = torch.full_like(gt_index, -1)  # (P,)
        claims = claims.scatter_reduce(
            0, best_prior, torch.arange(G, device=claims.device), "amax"
        )  # (P,)
        forced = claims >= 0  # (P,)
        gt_index = torch.where(forced, claims, gt_index)  # (P,)
    return Match(gt_index, iou, forced)


def make_targets(
    boxes: Tensor,
    labels: Tensor,
    priors: Tensor,
    threshold: float = 0.5,
    inclusive: bool = True,
    scales: tuple[float, float] = (0.1, 0.2),
    eps: float = 0.0,
) -> Targets:
    """Label and deltas of every prior for one image: `match`, then `encode`.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the image.
        labels: ``(G,)`` int64, 1 to K - 1.
        priors: ``(P, 4)`` cxcywh, fractions of the image.
        threshold: see `match`.
        inclusive: see `match`.
        scales: see `encode`.
        eps: see `encode`.

    Returns:
        `Targets`, background where nothing matched.

    Raises:
        ValueError: another number of labels than of boxes, labels that are no whole numbers of 1
            or more, boxes of more digits than the priors, and what `match` refuses.

    Priors that are NaN are let through: RefineDet's anchors come from its network, and a training
    that diverges shall see it in its loss.

    >>> priors = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
    >>> make_targets(torch.tensor([[0.5, 0.5, 1.0, 1.0]]), torch.tensor([3]), priors).labels
    tensor([0, 3])
    """
    _check_labels(labels, len(boxes))
    _check_digits(boxes, priors)
    gt_index = match(boxes, priors, threshold, inclusive).gt_index  # (P,)
    positive = gt_index >= 0  # (P,)
    target_labels = torch.zeros_like(gt_index)  # (P,)
    target_deltas = torch.zeros_like(priors)  # (P, 4)
    target_labels[positive] = labels[gt_index[positive]].to(torch.int64)
    target_deltas[positive] = encode(boxes[gt_index[positive]], priors[positive], scales, eps)
    return Targets(target_labels, target_deltas)


def make_batch_targets(
    targets: Sequence[tuple[Tensor, Tensor]],
    priors: Tensor,
    threshold: float = 0.5,
    inclusive: bool = True,
    scales: tuple[float, float] = (0.1, 0.2),
    eps: float = 0.0,
) -> Targets:
    """`make_targets` for each image of a batch, in less than half of the time.

    The corners of the priors are made once, and each coordinate lies in memory in one piece;
    what is encoded is encoded for all images together.

    Args:
        targets: for each image ``boxes (G, 4)`` xyxy, fractions, and ``labels (G,)``; boxes are
            taken in the priors' dtype, and no gradient runs back to them.
        priors: ``(P, 4)`` cxcywh, fractions of the image.
        threshold: see `match`.
        inclusive: see `match`.
        scales: see `encode`.
        eps: see `encode`.

    Returns:
        `Targets` with ``labels (B, P)`` and ``deltas (B, P, 4)``.

    Raises:
        ValueError: as `make_targets`, and for priors that are not finite.

    **Invariant:** row ``i`` is ``make_targets(*targets[i], priors, ...)``, to the bit, if boxes and
    priors have one dtype.

    >>> priors = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
    >>> one = (torch.tensor([[0.5, 0.5, 1.0, 1.0]]), torch.tensor([3]))
    >>> none = (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    >>> make_batch_targets([one, none], priors).labels
    tensor([[0, 3],
            [0, 0]])
    """
    _check_rule(priors, threshold)
    if not all_finite(priors):
        _refuse_rows(~priors.isfinite(), priors, "priors", "finite numbers")
    B, P = len(targets), len(priors)
    gt_index = torch.full((B, P), -1, dtype=torch.int64, device=priors.device)  # (B, P)
    corners = cxcywh_to_xyxy(priors).T.contiguous()  # (4, P)
    first = 0  # number of the image's first object, counted through the batch
    objects: list[Tensor] = []
    for row, (boxes, labels) in zip(gt_index, targets, strict=True):
        _check_labels(labels, len(boxes))
        check_corners(boxes, "boxes")
        boxes = boxes.detach().to(priors.dtype)
        _check_objects(boxes, priors)
        objects.append(boxes)
        if len(boxes) == 0:
            continue
        overlaps = _overlaps(boxes, corners)  # not (G, P) here: each image has another G
        iou, best_object = overlaps.max(dim=0)
        reached = iou >= threshold if inclusive else iou > threshold  # (P,)
        # The later object has the larger number: it wins, as in `match`.
        claims = torch.full_like(row, -1).scatter_reduce(
            0, overlaps.max(dim=1).indices, torch.arange(len(boxes), device=row.device), "amax"
        )  # (P,)
        claims = torch.where(claims < 0, best_object.masked_fill(~reached, -1), claims)  # (P,)
        torch.where(claims < 0, claims, claims + first, out=row)
        first += len(boxes)
    target_labels = gt_index.new_zeros(B, P)  # (B, P)
    target_deltas = priors.new_zeros(B, P, 4)  # (B, P, 4)
    if first > 0:
        image, prior = (gt_index >= 0).nonzero().unbind(1)
        owner = gt_index[image, prior]
        boxes = torch.cat(objects)
        labels = torch.cat([labels for _, labels in targets])
        deltas = encode(boxes[owner], priors[prior], scales, eps)
        target_labels[image, prior] = labels[owner].to(torch.int64)
        target_deltas[image, prior] = deltas
    return Targets(target_labels, target_deltas)


def _overlaps(boxes: Tensor, corners: Tensor) -> Tensor:
    """`box_iou` of boxes ``(G, 4)`` and corners ``(4, P)``: coordinates in rows, in place."""
    left, top, right, bottom = boxes.T[..., None]  # each (G, 1)
    other_left, other_top, other_right, other_bottom = corners
    area = (right - left) * (bottom - top)
    other_area = (other_right - other_left) * (other_bottom - other_top)
    width = torch.minimum(right, other_right)  # (G, P)
    height = torch.minimum(bottom, other_bottom)  # (G, P)
    width.sub_(torch.maximum(left, other_left)).clamp_(min=0)
    height.sub_(torch.maximum(top, other_top)).clamp_(min=0)
    intersection = width.mul_(height)  # (G, P)
    union = torch.add(area, other_area, out=height).sub_(intersection)  # (G, P)
    return intersection.div_(union.clamp_(min=torch.finfo(union.dtype).tiny))  # (G, P)


def _check_match(boxes: Tensor, priors: Tensor, threshold: float) -> None:
    check_corners(boxes, "boxes")
    _check_rule(priors, threshold)
    _check_objects(boxes, priors)


def _check_rule(priors: Tensor, threshold: float) -> None:
    check_corners(priors, "priors")
    if len(priors) == 0:
        raise ValueError("priors: expected at least one, got none")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold: expected a number from 0 to 1, got {threshold}")


def _check_objects(boxes: Tensor, priors: Tensor) -> None:
    """The numbers of boxes ``(G, 4)``; where one is NaN or infinite, a side is, too."""
    if len(boxes) == 0:
        return
    sides = boxes[:, 2:] - boxes[:, :2]  # (G, 2)
    least, most = map(float, sides.aminmax())
    if not 0 <= least <= most < math.inf:
        _refuse_rows(~boxes.isfinite(), boxes, "boxes", "finite numbers")
        _refuse_rows(sides < 0, boxes, "boxes", "x1 <= x2 and y1 <= y2 (corners xyxy)")
    if len(boxes) and boxes.max() >= 2 and priors.max() < 2:  # no IoU is above 0
        check_fractions(boxes)


def _refuse_rows(bad: Tensor, rows: Tensor, name: str, expected: str) -> None:
    """Name the first row in which anything is bad; none, no error."""
    indices = bad.any(dim=1).nonzero()[:, 0]
    if len(indices):
        index = int(indices[0])
        one = "box" if name == "boxes" else "prior"
        raise ValueError(f"{name}: expected {expected}, {one} {index} is {rows[index].tolist()}")


def _check_digits(boxes: Tensor, priors: Tensor) -> None:
    check_corners(boxes, "boxes")
    check_corners(priors, "priors")
    if torch.promote_types(boxes.dtype, priors.dtype) != priors.dtype:
        raise ValueError(f"boxes: expected {priors.dtype}, as the priors, got {boxes.dtype}")


def _check_labels(labels: Tensor, num_boxes: int) -> None:
    if tuple(labels.shape) != (num_boxes,):
        raise ValueError(
            f"labels: expected one for each of the {num_boxes} boxes, got {tuple(labels.shape)}"
        )
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"labels: expected whole numbers (int64), got {labels.dtype}")
    if num_boxes and labels.min() < 1:
        index = int((labels < 1).nonzero()[0])
        raise ValueError(
            "labels: expected at least 1 (0 is the background, never an object), "
            f"label {index} is {int(labels[index])}"
        )


def coverage(boxes: Tensor, priors: Tensor, chunk: int = 256) -> Tensor:
    """IoU of each object with its best prior: how well a layout suits a data set.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the image; objects of any number of images.
        priors: ``(P, 4)`` cxcywh, fractions of the image.
        chunk: objects handled at a time, a bound on memory.

    Returns:
        ``(G,)`` best IoU of each object.

    Raises:
        ValueError: no prior, or boxes in px: against fractions their IoU would be 0.

    >>> coverage(torch.tensor([[0.0, 0.0, 0.5, 0.5]]), torch.tensor([[0.25, 0.25, 0.5, 0.5]]))
    tensor([1.])
    """
    if len(priors) == 0:
        raise ValueError("priors: expected at least one, got none")
    check_fractions(boxes)
    corners = cxcywh_to_xyxy(priors)  # (P, 4)
    parts = [box_iou(part, corners).amax(dim=1) for part in boxes.split(chunk)]
    return torch.cat(parts) if parts else boxes.new_zeros(0)
