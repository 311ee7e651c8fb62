"""Which prior is responsible for which object (Liu et al. 2016, §2.2, "Matching strategy")."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .coding import encode
from .geometry import box_iou, check_corners, cxcywh_to_xyxy

__all__ = ["Match", "Targets", "coverage", "make_targets", "match"]


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
        ValueError: boxes that are no numbers or have another shape or dtype, no priors, or a
            threshold that is none.

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
        ValueError: another number of labels than of boxes, and what `match` refuses.

    >>> priors = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
    >>> make_targets(torch.tensor([[0.5, 0.5, 1.0, 1.0]]), torch.tensor([3]), priors).labels
    tensor([0, 3])
    """
    _check_one_label_a_box(boxes, labels)
    gt_index = match(boxes, priors, threshold, inclusive).gt_index  # (P,)
    positive = gt_index >= 0  # (P,)
    target_labels = torch.zeros_like(gt_index)  # (P,)
    target_deltas = torch.zeros_like(priors)  # (P, 4)
    target_labels[positive] = labels[gt_index[positive]].to(torch.int64)
    target_deltas[positive] = encode(boxes[gt_index[positive]], priors[positive], scales, eps)
    return Targets(target_labels, target_deltas)


def _check_match(boxes: Tensor, priors: Tensor, threshold: float) -> None:
    check_corners(boxes, "boxes")
    check_corners(priors, "priors")
    if len(priors) == 0:
        raise ValueError("priors: expected at least one, got none")
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold: expected a number from 0 to 1, got {threshold}")
    bad = ~boxes.isfinite().all(dim=1)  # (G,)
    if bad.any():
        index = int(bad.nonzero()[0])
        raise ValueError(f"boxes: expected finite numbers, box {index} is {boxes[index].tolist()}")


def _check_one_label_a_box(boxes: Tensor, labels: Tensor) -> None:
    if tuple(labels.shape) != (len(boxes),):
        raise ValueError(
            f"labels: expected one for each of the {len(boxes)} boxes, got {tuple(labels.shape)}"
        )


def coverage(boxes: Tensor, priors: Tensor, chunk: int = 256) -> Tensor:
    """IoU of each object with its best prior: how well a layout suits a data set.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the image; objects of any number of images.
        priors: ``(P, 4)`` cxcywh, fractions of the image.
        chunk: objects handled at a time, a bound on memory.

    Returns:
        ``(G,)`` best IoU of each object.

    >>> coverage(torch.tensor([[0.0, 0.0, 0.5, 0.5]]), torch.tensor([[0.25, 0.25, 0.5, 0.5]]))
    tensor([1.])
    """
    if len(priors) == 0:
        raise ValueError("priors: expected at least one, got none")
    corners = cxcywh_to_xyxy(priors)  # (P, 4)
    parts = [box_iou(part, corners).amax(dim=1) for part in boxes.split(chunk)]
    return torch.cat(parts) if parts else boxes.new_zeros(0)
