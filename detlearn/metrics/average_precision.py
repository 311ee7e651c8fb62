"""Average precision of one class, in three steps: match, draw the curve, take the area below it."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import box_area

from .border import as_float64, check_iou_threshold, checked_length

# Places on the recall axis at which the curve is read; VOC 2007 and COCO.
_POINTS = {"11-point": 11, "101-point": 101}


class DetectionMatch(NamedTuple):
    """What became of every detection of one image and one class, in the order they came.

    Attributes:
        hits: ``(D,)`` bool, found an object that counts: a true positive.
        ignored: ``(D,)`` bool, neither right nor wrong.  What is neither hit nor ignored is a
            false positive.
        gt_index: ``(D,)`` int64, the object it was matched with, -1 for none.
    """

    hits: Tensor
    ignored: Tensor
    gt_index: Tensor


def match_detections(
    boxes: Tensor,
    scores: Tensor,
    gt_boxes: Tensor,
    iou_threshold: float = 0.5,
    *,
    ignore: Tensor | None = None,
    crowd: Tensor | None = None,
    rule: Literal["coco", "voc"] = "coco",
) -> DetectionMatch:
    """Hand out the objects of one image and one class, best score first.

    Every object is found once; a second detection of it is a mistake.  Not every object counts:
    one marked ``ignore`` (VOC: "difficult"; COCO: outside the range of areas looked at) need not
    be found, and finding it is no mistake.  A ``crowd`` (COCO: a box around too many to count) is
    ignored likewise, absorbs any number of detections, and overlap with it is measured by the
    detection's own area, so that one face in the crowd lies wholly inside.

    The two benchmarks differ:

    - ``"coco"`` (Lin et al. 2014; pycocotools): a detection takes the best of the objects *still
      free* with ``IoU >= iou_threshold``; objects that count go before ignored ones; of equal
      IoUs the later object wins.
    - ``"voc"`` (Everingham et al. 2010): a detection looks at its best object only, and needs
      ``IoU > iou_threshold``; if that object is taken already it is wrong, though a second object
      may lie under it as well.  Of equal IoUs the earlier object wins.

    Args:
        boxes: ``(D, 4)`` xyxy.
        scores: ``(D,)``; of equal scores the earlier detection goes first.
        gt_boxes: ``(G, 4)`` xyxy, same unit.
        iou_threshold: see above.
        ignore: ``(G,)`` bool, objects that do not count; default none.
        crowd: ``(G,)`` bool, crowds; default none.
        rule: see above.

    Returns:
        A `DetectionMatch`.

    Raises:
        ValueError: an unknown rule, lengths that disagree, or NaN.

    **Invariant:** no object that counts is hit twice: ``hits.sum() <= G``.

    >>> boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8], [50, 50, 60, 60]])
    >>> gt_boxes = torch.tensor([[0.0, 0, 10, 10]])
    >>> found = match_detections(boxes, torch.tensor([0.6, 0.9, 0.7]), gt_boxes)
    >>> found.hits  # the second has the better score and IoU 0.8: it takes the object
    tensor([False,  True, False])
    """
    if rule not in ("coco", "voc"):
        raise ValueError(f"rule: expected 'coco' or 'voc', got {rule!r}")
    check_iou_threshold(iou_threshold)
    D, G = len(boxes), len(gt_boxes)
    nobody = torch.zeros(G, dtype=torch.bool)  # (G,)
    crowd = nobody if crowd is None else crowd
    ignore = nobody if ignore is None else ignore
    crowd = checked_length(crowd, "crowd", G, "gt_boxes").bool().cpu()
    ignore = checked_length(ignore, "ignore", G, "gt_boxes").bool().cpu()
    for name, values in (("boxes", boxes), ("scores", scores), ("gt_boxes", gt_boxes)):
        if values.isnan().any():
            raise ValueError(f"{name}: expected numbers, got NaN")
    scores = checked_length(scores, "scores", D, "boxes")
    order = scores.argsort(descending=True, stable=True)  # (D,)
    overlap = overlaps_with_crowds(as_float64(boxes), as_float64(gt_boxes), crowd)  # (D, G)
    hits, ignored, gt_index = hand_out_objects(
        overlap.tolist(),
        order.tolist(),
        iou_threshold,
        (ignore | crowd).tolist(),
        crowd.tolist(),
        rule,
    )
    return DetectionMatch(
        torch.tensor(hits, dtype=torch.bool),
        torch.tensor(ignored, dtype=torch.bool),
        torch.tensor(gt_index, dtype=torch.int64),
    )


def hand_out_objects(
    overlap: list[list[float]],
    order: list[int],
    threshold: float,
    ignore: list[bool],
    crowd: list[bool],
    rule: str,
) -> tuple[list[bool], list[bool], list[int]]:
    """The loop of `match_detections`, on plain numbers: one row of overlaps per detection."""
    objects = range(len(ignore))
    taken = [False] * len(ignore)
    hits, ignored, gt_index = [False] * len(order), [False] * len(order), [-1] * len(order)
    for d in order:
        row = overlap[d]
        if rule == "coco":
            within = [g for g in objects if row[g] >= threshold and (crowd[g] or not taken[g])]
            best = max(within, key=lambda g: (not ignore[g], row[g], g), default=-1)
        else:
            best = max(objects, key=lambda g: (row[g], -g), default=-1)
            if best >= 0 and (not row[best] > threshold or (taken[best] and not ignore[best])):
                best = -1
        if best >= 0:
            taken[best], gt_index[d] = True, best
            hits[d], ignored[d] = not ignore[best], ignore[best]
    return hits, ignored, gt_index


def overlaps_with_crowds(boxes: Tensor, gt_boxes: Tensor, crowd: Tensor) -> Tensor:
    """IoU of ``(D, 4)`` with ``(G, 4)``; with a crowd, the share of the detection inside it."""
    upper_left = torch.maximum(boxes[:, None, :2], gt_boxes[None, :, :2])  # (D, G, 2)
    lower_right = torch.minimum(boxes[:, None, 2:], gt_boxes[None, :, 2:])  # (D, G, 2)
    width_height = (lower_right - upper_left).clamp(min=0)  # (D, G, 2)
    intersection = width_height.prod(dim=-1)  # (D, G)
    area = box_area(boxes)[:, None]  # (D, 1)
    union = torch.where(crowd, area, area + box_area(gt_boxes) - intersection)  # (D, G)
    return intersection / union.clamp(min=torch.finfo(union.dtype).tiny)


class PrecisionRecall(NamedTuple):
    """The curve of one class: one point for each detection that is not ignored, best score first.

    Attributes:
        precision: ``(D,)`` float64, share of the detections so far that are hits.
        recall: ``(D,)`` float64, share of the objects found so far; NaN where there are none.
    """

    precision: Tensor
    recall: Tensor


def precision_recall(
    scores: Tensor, hits: Tensor, num_gt: int, ignored: Tensor | None = None
) -> PrecisionRecall:
    """Precision and recall as the score threshold falls (Everingham et al. 2010, §4.2).

    Args:
        scores: ``(D,)`` scores of all detections of a class, of all images, in any order; of equal
            scores the earlier goes first.
        hits: ``(D,)`` bool, see `match_detections`.
        num_gt: number of objects of this class that count, over all images.
        ignored: ``(D,)`` bool, detections to leave out; default none.

    Returns:
        A `PrecisionRecall`, shorter than ``D`` if detections are ignored.

    Raises:
        ValueError: lengths that disagree, more hits than objects, or NaN.

    **Invariant:** recall never falls; ``precision[i] * (i + 1) == recall[i] * num_gt``, the number
    of hits so far.

    >>> scores, hits = torch.tensor([0.9, 0.8, 0.7]), torch.tensor([True, False, True])
    >>> precision_recall(scores, hits, num_gt=2)
    PrecisionRecall(precision=tensor([1.0000, 0.5000, 0.6667], dtype=torch.float64),
                    recall=tensor([0.5000, 0.5000, 1.0000], dtype=torch.float64))
    """
    hits = as_float64(checked_length(hits, "hits", len(scores), "scores"))
    scores = as_float64(scores)
    if scores.isnan().any():
        raise ValueError("scores: expected numbers, got NaN")
    if ignored is not None:
        counts = as_float64(checked_length(ignored, "ignored", len(scores), "scores")) == 0
        scores, hits = scores[counts], hits[counts]
    if hits.sum() > num_gt:
        raise ValueError(
            f"num_gt: expected at least the number of hits, {int(hits.sum())}, got {num_gt}"
        )
    D = len(scores)
    order = scores.argsort(descending=True, stable=True)  # (D,)
    found = hits[order].cumsum(dim=0)  # (D,)
    precision = found / torch.arange(1, D + 1, dtype=torch.float64)  # (D,)
    recall = found / num_gt  # (D,)
    return PrecisionRecall(precision, recall)


def average_precision(
    precision: Tensor, recall: Tensor, method: Literal["11-point", "area", "101-point"] = "area"
) -> float:
    """The precision averaged over all recalls (Everingham et al. 2010, §4.2).

    The curve is a saw; its *envelope*, "the best precision at this recall or a higher one",
    is taken instead.  Three benchmarks read it in three ways:

    - ``"11-point"`` (VOC 2007): mean of the envelope at recall 0, 0.1, …, 1.
    - ``"area"`` (VOC since 2010): exact area below it.
    - ``"101-point"`` (COCO): mean at recall 0, 0.01, …, 1.

    At a recall that is never reached the precision is 0.

    Args:
        precision: ``(D,)`` as `precision_recall` gives it.
        recall: ``(D,)``, never falling.
        method: see above.

    Returns:
        A number from 0 to 1; 0 without detections; NaN if recall is NaN (no objects).

    Raises:
        ValueError: lengths that disagree, recall that falls, an unknown method.

    **Deviation:** none, and that is to be known: the published code makes its grid by floating
    steps, so that the fourth of eleven points is 0.30000000000000004.  A detector that finds
    exactly 3 of 10 objects does not reach it.  We use the same grid, to get the same numbers.

    >>> precision = torch.tensor([1.0, 1 / 2, 2 / 3])
    >>> recall = torch.tensor([0.5, 0.5, 1.0])
    >>> round(average_precision(precision, recall, "area"), 4)  # 1 · 0.5 + 2/3 · 0.5
    0.8333
    >>> round(average_precision(precision, recall, "11-point"), 4)  # (6 · 1 + 5 · 2/3) / 11
    0.8485
    """
    if method not in ("area", *_POINTS):
        raise ValueError(f"method: expected '11-point', 'area' or '101-point', got {method!r}")
    recall = as_float64(checked_length(recall, "recall", len(precision), "precision"))
    precision = as_float64(precision)
    if recall.isnan().any():
        return math.nan
    if (recall.diff() < 0).any():
        raise ValueError("recall: expected values that never fall (detections by descending score)")
    envelope = precision.flip(0).cummax(dim=0).values.flip(0)  # (D,)
    if method == "area":
        gained = recall.diff(prepend=recall.new_zeros(1))  # (D,)
        return float((gained * envelope).sum())
    grid = torch.from_numpy(np.linspace(0.0, 1.0, _POINTS[method]))
    first = torch.searchsorted(recall, grid)  # the rank at which each recall is reached
    return float(envelope[first[first < len(recall)]].sum() / len(grid))
