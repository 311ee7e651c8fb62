"""How good is a detector?  Average precision by hand, and as VOC and COCO compute it; and for
key points OKS, PCK and COCO's AP.

Everything here answers one question in three steps:

1. `match_detections`: which detections found an object that nobody had found before?
2. `precision_recall`: going down the list by score, which share of the detections is right,
   and which share of the objects is found?
3. `average_precision`: the area under that curve, one number for one class.

`voc_evaluate` and `coco_map_by_hand` apply the three steps to every class of a data set.
`coco_evaluate` asks pycocotools, the reference; by hand and by reference the numbers agree.

``detections`` and ``targets`` are torchvision's: one dict per image, in the same order.  A
detection dict has ``boxes`` ``(D, 4)`` xyxy in pixels, ``scores`` ``(D,)`` and ``labels``
``(D,)``; a target has ``boxes`` ``(G, 4)`` and ``labels`` ``(G,)``, and may have ``iscrowd``,
``area``, ``difficult`` (``(G,)`` each) and an integer ``image_id``.  Images without detections,
without objects, or without both are legal.
"""

from __future__ import annotations

import io
import math
import operator
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import box_area, box_iou, check_boxes, xyxy_to_xywh

__all__ = [
    "COCO_AREAS",
    "COCO_IOU_THRESHOLDS",
    "COCO_SIGMAS",
    "ERROR_KINDS",
    "PCK",
    "DetectionError",
    "DetectionMatch",
    "PrecisionRecall",
    "average_precision",
    "best_score_threshold",
    "coco_curves",
    "coco_evaluate",
    "coco_keypoint_evaluate",
    "coco_map_by_hand",
    "confusion_matrix",
    "detection_errors",
    "error_kinds",
    "errors_by_size",
    "explain_errors",
    "leave_out_ignored",
    "match_detections",
    "oks",
    "oks_nms",
    "pck",
    "pckh",
    "precision_recall",
    "soft_oks_nms",
    "voc_evaluate",
]

COCO_IOU_THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""0.50, 0.55, …, 0.95, to the last bit those of pycocotools."""

COCO_AREAS: Mapping[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Smallest and largest area in px², both included."""

# Places on the recall axis at which the curve is read; VOC 2007 and COCO.
_POINTS = {"11-point": 11, "101-point": 101}


# ---------------------------------------------------------------- 1. who found what
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
    _check_fraction(iou_threshold)
    D, G = len(boxes), len(gt_boxes)
    nobody = torch.zeros(G, dtype=torch.bool)  # (G,)
    crowd = nobody if crowd is None else _like(crowd, "crowd", G, "gt_boxes").bool().cpu()
    ignore = nobody if ignore is None else _like(ignore, "ignore", G, "gt_boxes").bool().cpu()
    for name, values in (("boxes", boxes), ("scores", scores), ("gt_boxes", gt_boxes)):
        if values.isnan().any():
            raise ValueError(f"{name}: expected numbers, got NaN")
    order = _like(scores, "scores", D, "boxes").argsort(descending=True, stable=True)  # (D,)
    overlap = _overlap(_plain(boxes), _plain(gt_boxes), crowd)  # (D, G)
    hits, ignored, gt_index = _hand_out(
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


def _hand_out(
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


def _overlap(boxes: Tensor, gt_boxes: Tensor, crowd: Tensor) -> Tensor:
    """IoU of ``(D, 4)`` with ``(G, 4)``; with a crowd, the share of the detection inside it."""
    upper_left = torch.maximum(boxes[:, None, :2], gt_boxes[None, :, :2])  # (D, G, 2)
    lower_right = torch.minimum(boxes[:, None, 2:], gt_boxes[None, :, 2:])  # (D, G, 2)
    width_height = (lower_right - upper_left).clamp(min=0)  # (D, G, 2)
    intersection = width_height.prod(dim=-1)  # (D, G)
    area = box_area(boxes)[:, None]  # (D, 1)
    union = torch.where(crowd, area, area + box_area(gt_boxes) - intersection)  # (D, G)
    return intersection / union.clamp(min=torch.finfo(union.dtype).tiny)


# ---------------------------------------------------------------- 2. the curve
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
    hits = _plain(_like(hits, "hits", len(scores), "scores"))
    scores = _plain(scores)
    if scores.isnan().any():
        raise ValueError("scores: expected numbers, got NaN")
    if ignored is not None:
        counts = _plain(_like(ignored, "ignored", len(scores), "scores")) == 0
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


# ---------------------------------------------------------------- 3. one number
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
    recall = _plain(_like(recall, "recall", len(precision), "precision"))
    precision = _plain(precision)
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


# ---------------------------------------------------------------- VOC
def voc_evaluate(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    *,
    method: Literal["11-point", "area"] = "11-point",
    iou_threshold: float = 0.5,
) -> dict[str, float]:
    """Mean average precision as PASCAL VOC defines it (Everingham et al. 2010, §4.2).

    Objects marked ``difficult`` (or ``iscrowd``) do not count: they need not be found, and
    detections of them are left out.

    Args:
        detections: one dict per image: boxes, scores, labels (see the module).
        targets: one dict per image: boxes, labels, perhaps difficult.
        class_names: of labels 0 to K - 1; the first is the background.
        method: ``"11-point"`` for VOC 2007, ``"area"`` for later years.
        iou_threshold: a hit needs more than this.

    Returns:
        ``{"mAP": mean over the classes that have objects, "AP/<name>": of each class}``, from 0
        to 1; NaN for a class without objects, and for the mean if no class has any.

    Raises:
        ValueError: data that cannot be scored, with the image named.

    **Deviation:** VOC's own code counts pixels and adds 1 to every width.  Boxes here are
    continuous: a VOC box must come as ``(xmin - 1, ymin - 1, xmax, ymax)``, which has that width.

    >>> target = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
    >>> detection = {**target, "scores": torch.tensor([0.9])}
    >>> voc_evaluate([detection], [target], ("background", "cat", "dog"))
    {'mAP': 1.0, 'AP/cat': 1.0, 'AP/dog': nan}
    """
    if method not in ("11-point", "area"):
        raise ValueError(f"method: expected '11-point' or 'area', got {method!r}")
    _check_fraction(iou_threshold)
    scenes = _read(detections, targets, class_names)
    classes = range(1, len(class_names))
    ap = [
        _three_steps(_cases(scenes, label, difficult=True), iou_threshold, "voc", method)[0]
        for label in classes
    ]
    return {"mAP": float(torch.tensor(ap).nanmean()), **_per_class(class_names, ap)}


# ---------------------------------------------------------------- COCO
def coco_evaluate(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
) -> dict[str, float]:
    """COCO's mean average precision and recall, by pycocotools (Lin et al. 2014).

    Args:
        detections: one dict per image: boxes, scores, labels (see the module).
        targets: one dict per image: boxes, labels, perhaps iscrowd and area (px²; COCO gives
            that of the outline, default is that of the box), image_id.
        class_names: of labels 0 to K - 1; the first is the background.

    Returns:
        Numbers from 0 to 1: ``"mAP"`` (mean over the IoU thresholds 0.50, 0.55, …, 0.95 and the
        classes that have objects), ``"mAP50"``, ``"mAP75"``, ``"mAP_small"``, ``"mAP_medium"``,
        ``"mAP_large"`` (objects of these areas, see `COCO_AREAS`), ``"AR100"`` (recall) and
        ``"AP/<name>"`` for each class (of a name that is used twice, ``"AP/<name>#<label>"``).
        NaN where pycocotools says -1: there is no such object.

    Raises:
        ValueError: data that cannot be scored, with the image named.

    Of each image, the 100 best detections *of each class* count, not 100 in all.  ``difficult``
    means nothing to COCO.

    >>> target = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
    >>> detection = {**target, "scores": torch.tensor([0.9])}
    >>> result = coco_evaluate([detection], [target], ("background", "cat"))
    >>> round(result["mAP"], 3), result["mAP_large"]  # right, and there is no large cat
    (1.0, nan)
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    scenes = _read(detections, targets, class_names)
    images = [{"id": scene.image_id} for scene in scenes]
    categories = [{"id": label, "name": class_names[label]} for label in range(1, len(class_names))]
    objects = [row for scene in scenes for row in _coco_objects(scene)]
    found = [row for scene in scenes for row in _coco_detections(scene)]
    for index, row in enumerate(objects, start=1):
        row["id"] = index  # from 1: pycocotools takes 0 for "not matched"

    with redirect_stdout(io.StringIO()):  # it talks; its errors still come through
        truth, result = COCO(), COCO()
        truth.dataset = {
            "info": {},
            "images": images,
            "categories": categories,
            "annotations": objects,
        }
        truth.createIndex()
        if found:
            result = truth.loadRes(found)
        else:  # loadRes looks at the first detection
            result.dataset = {**truth.dataset, "annotations": []}
            result.createIndex()
        evaluation = COCOeval(truth, result, iouType="bbox")
        evaluation.params.maxDets = [100]
        evaluation.params.areaRng = [list(bounds) for bounds in COCO_AREAS.values()]
        evaluation.params.areaRngLbl = list(COCO_AREAS)
        evaluation.evaluate()
        evaluation.accumulate()
    # IoU thresholds x 101 recalls x classes x areas x 1
    precision = torch.from_numpy(evaluation.eval["precision"])[..., 0].mean(dim=1)
    recall = torch.from_numpy(evaluation.eval["recall"])[:, :, 0, 0]
    precision, recall = (values.masked_fill(values < 0, math.nan) for values in (precision, recall))
    return _coco_summary(precision.permute(2, 1, 0), recall.T, class_names)


def coco_map_by_hand(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    class_names: Sequence[str] | None = None,
    *,
    max_detections: int = 100,
) -> dict[str, float]:
    """What `coco_evaluate` gives, from the functions of this module: the three steps for every
    class, range of areas and IoU threshold.

    Slower than pycocotools, and short enough to read.

    Args:
        detections: as for `coco_evaluate`.
        targets: as for `coco_evaluate`.
        class_names: as for `coco_evaluate`; by default the labels themselves, as text.
        max_detections: per image and class, best first.

    Returns:
        As `coco_evaluate`.

    Raises:
        ValueError: as `coco_evaluate`.

    **Invariant:** equal to `coco_evaluate` to 1e-6.

    >>> target = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
    >>> shifted = torch.tensor([[0.0, 0, 10, 8]])  # IoU 0.8: a hit up to the threshold 0.80
    >>> detection = {"boxes": shifted, "labels": torch.tensor([1]), "scores": torch.tensor([0.9])}
    >>> round(coco_map_by_hand([detection], [target])["mAP"], 3)  # 7 of 10 thresholds
    0.7
    """
    if class_names is None:
        class_names = _names_of_labels(detections, targets)
    scenes = _read(detections, targets, class_names)
    shape = (len(COCO_AREAS), len(class_names) - 1, len(COCO_IOU_THRESHOLDS))
    ap = torch.zeros(shape, dtype=torch.float64)
    recall = torch.zeros(shape, dtype=torch.float64)
    for label in range(1, len(class_names)):
        cases = _cases(scenes, label, max_detections)
        for a, area in enumerate(COCO_AREAS.values()):
            for t, threshold in enumerate(COCO_IOU_THRESHOLDS):
                result = _three_steps(cases, threshold, "coco", "101-point", area)
                ap[a, label - 1, t], recall[a, label - 1, t] = result
    return _coco_summary(ap, recall[0], class_names)


def coco_curves(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    iou_thresholds: Sequence[float] = COCO_IOU_THRESHOLDS,
    *,
    max_detections: int = 100,
) -> Tensor:
    """The precisions that COCO averages: of each class, at recall 0, 0.01, …, 1.

    Args:
        detections: as for `coco_evaluate`.
        targets: as for `coco_evaluate`.
        class_names: as for `coco_evaluate`.
        iou_thresholds: T IoUs, from each of which on an object counts as found.
        max_detections: per image and class, best first.

    Returns:
        ``(T, K - 1, 101)`` float64, the envelope of each class's curve; 0 at a recall that is never
        reached, NaN for a class without objects.

    Raises:
        ValueError: as `coco_evaluate`.

    **Invariant:** ``coco_curves(...).nanmean()`` is COCO's ``"mAP"``, to 1e-6.

    >>> boxes, cats = torch.tensor([[0.0, 0, 9, 9], [20, 0, 29, 9]]), torch.tensor([1, 1])
    >>> target = {"boxes": boxes, "labels": cats}
    >>> found = {"boxes": boxes[:1], "labels": cats[:1], "scores": torch.tensor([0.9])}
    >>> curve = coco_curves([found], [target], ("background", "cat"), (0.5,))[0, 0]
    >>> curve[50], curve[51]  # one of the two is found, and nothing else
    (tensor(1., dtype=torch.float64), tensor(0., dtype=torch.float64))
    """
    scenes = _read(detections, targets, class_names)
    grid = torch.from_numpy(np.linspace(0.0, 1.0, 101))  # (101,)
    shape = (len(iou_thresholds), len(class_names) - 1, 101)
    curves = torch.zeros(shape, dtype=torch.float64)
    for label in range(1, len(class_names)):
        cases = _cases(scenes, label, max_detections)
        for t, threshold in enumerate(iou_thresholds):
            scores, hits, ignored, num_gt = _hits(cases, threshold, "coco")
            if num_gt == 0:
                curves[t, label - 1] = math.nan
                continue
            precision, recall = precision_recall(scores, hits, num_gt, ignored)
            highest = precision.flip(0).cummax(dim=0).values.flip(0)
            first = torch.searchsorted(recall, grid)  # the rank at which each recall is reached
            reached = first < len(recall)
            curves[t, label - 1, reached] = highest[first[reached]]
    return curves


def best_score_threshold(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    iou_threshold: float = 0.5,
) -> float:
    """The score from which on detections should count, if misses and false alarms cost the same.

    It is where ``F1 = 2 · hits / (detections + objects)`` is largest, all classes together.
    Chosen on the images that it is used on, it flatters a little.

    Args:
        detections: as for `coco_evaluate`.
        targets: as for `coco_evaluate`; crowds and difficult objects do not count.
        iou_threshold: IoU from which on an object counts as found.

    Returns:
        The score of the last detection that counts; 0.5 where none is right.

    Raises:
        ValueError: as `coco_evaluate`.

    >>> boxes, cats = torch.tensor([[0.0, 0, 10, 10], [50, 50, 60, 60]]), torch.tensor([1, 1])
    >>> found = {"boxes": boxes, "labels": cats, "scores": torch.tensor([0.75, 0.25])}
    >>> best_score_threshold([found], [{"boxes": boxes[:1], "labels": cats[:1]}])
    0.75
    """
    names = _names_of_labels(detections, targets)
    scenes = _read(detections, targets, names)
    parts = [
        _hits(_cases(scenes, label, difficult=True), iou_threshold, "coco")
        for label in range(1, len(names))
    ]
    scores = torch.cat([part[0] for part in parts])  # (D,)
    hits = torch.cat([part[1] for part in parts])  # (D,)
    counts = ~torch.cat([part[2] for part in parts])  # (D,)
    num_gt = sum(part[3] for part in parts)
    scores, order = scores[counts].sort(descending=True, stable=True)
    found = hits[counts][order].cumsum(dim=0)
    f1 = 2 * found / (torch.arange(1, len(found) + 1) + num_gt)
    if not found.any():
        return 0.5
    # of equal scores all count or none
    f1[:-1][scores[:-1] == scores[1:]] = 0
    return float(scores[f1.argmax()])


# ---------------------------------------------------------------- errors by kind
ERROR_KINDS = (
    "correct", "duplicate", "wrong class", "badly placed", "on background", "missed",
)  # fmt: skip
"""What can become of a detection; and, the last, of an object."""


def error_kinds(
    detection: Mapping[str, Any],
    target: Mapping[str, Any],
    iou_threshold: float = 0.5,
    background: float = 0.1,
) -> list[str]:
    """The kind of every detection of one image (after TIDE: Bolya et al. 2020, §2.2).

    Best score first, a detection is

    - ``"correct"``: it finds an object of its class that nobody has found before;
    - ``"duplicate"``: such an object lies under it, but is found already;
    - ``"wrong class"``: it lies well, on an object of another class;
    - ``"badly placed"``: it overlaps some object, but too little;
    - ``"on background"``: there is nothing.

    Args:
        detection: ``boxes (D, 4)`` xyxy px, ``scores (D,)``, ``labels (D,)``.
        target: ``boxes (G, 4)`` xyxy px, ``labels (G,)``.
        iou_threshold: IoU from which on a box lies well.
        background: IoU from which on it overlaps at all.

    Returns:
        D names out of `ERROR_KINDS`, in the order of the detections.

    Raises:
        ValueError: data that cannot be compared, or thresholds that are not
            ``0 < background <= iou_threshold <= 1``.

    **Invariant:** as many are correct as `match_detections` has hits, class by class.

    **Deviation:** TIDE has a kind of its own for boxes that are badly placed *and* of the wrong
    class; here they are badly placed.  Crowds and difficult objects are objects like others.

    >>> boxes, cat = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8]]), torch.tensor([1, 1])
    >>> detection = {"boxes": boxes, "scores": torch.tensor([0.6, 0.9]), "labels": cat}
    >>> error_kinds(detection, {"boxes": boxes[:1], "labels": cat[:1]})
    ['duplicate', 'correct']
    """
    _check_error_case(detection, target, iou_threshold, background)
    overlaps = box_iou(detection["boxes"], target["boxes"])  # (D, G)
    same_class = detection["labels"][:, None] == target["labels"]  # (D, G)
    taken = torch.zeros(overlaps.shape[1], dtype=torch.bool)  # (G,)
    order = detection["scores"].argsort(descending=True, stable=True)
    kinds = [""] * len(overlaps)
    for d in order.tolist():
        near = overlaps[d] >= iou_threshold  # (G,)
        free = near & same_class[d] & ~taken  # (G,)
        if free.any():
            kinds[d] = "correct"
            taken[(overlaps[d] * free).argmax()] = True
        elif (near & same_class[d]).any():
            kinds[d] = "duplicate"
        elif near.any():
            kinds[d] = "wrong class"
        elif (overlaps[d] >= background).any():
            kinds[d] = "badly placed"
        else:
            kinds[d] = "on background"
    return kinds


def detection_errors(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    iou_threshold: float = 0.5,
    background: float = 0.1,
) -> dict[str, int]:
    """How often a detector is right, and how often wrong in which way (Bolya et al. 2020).

    AP is one number for all mistakes; this says which ones to work on.  Leave out weak
    detections first: every one that is given counts.

    Args:
        detections: one dict per image, see `error_kinds`.
        targets: one dict per image, in the same order.
        iou_threshold: see `error_kinds`.
        background: see `error_kinds`.

    Returns:
        a count for each of `ERROR_KINDS`; ``"missed"`` are objects without a correct detection.

    Raises:
        ValueError: lists of different lengths, and what `error_kinds` refuses.

    **Invariant:** ``correct + missed`` is the number of objects; all but ``missed`` together are
    the number of detections.

    **Deviation:** TIDE counts an object as missed only if no mistake lies on it.

    >>> nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    >>> cat = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
    >>> detection_errors([nothing | {"scores": torch.zeros(0)}], [cat])["missed"]
    1
    """
    _check_lengths(detections, targets)
    counts = dict.fromkeys(ERROR_KINDS, 0)
    for detection, target in zip(detections, targets, strict=True):
        kinds = error_kinds(detection, target, iou_threshold, background)
        for kind in kinds:
            counts[kind] += 1
        counts["missed"] += len(target["labels"]) - kinds.count("correct")
    return counts


class DetectionError(NamedTuple):
    """What became of a detection, and of which object it speaks.

    Attributes:
        kind: one of `ERROR_KINDS`.
        gt_index: the object that it found, found again, misnamed or missed by its place; -1 for
            ``"on background"``.
    """

    kind: str
    gt_index: int


def explain_errors(
    detection: Mapping[str, Any],
    target: Mapping[str, Any],
    iou_threshold: float = 0.5,
    background: float = 0.1,
) -> list[DetectionError]:
    """`error_kinds`, and with each kind the object that the detection is about.

    A correct detection is about the object that it found; a duplicate about the object of its
    class that it overlaps most; one of the wrong class about the object of another class that it
    overlaps most; one that is badly placed about the object that it overlaps most.

    Args:
        detection: see `error_kinds`.
        target: see `error_kinds`.
        iou_threshold: see `error_kinds`.
        background: see `error_kinds`.

    Returns:
        D pairs, in the order of the detections.

    Raises:
        ValueError: what `error_kinds` refuses.

    **Invariant:** ``[error.kind for error in explain_errors(...)] == error_kinds(...)``; no object
    is found correctly twice.

    >>> boxes, labels = torch.tensor([[0.0, 0, 10, 10], [50, 0, 60, 10]]), torch.tensor([1, 1])
    >>> detection = {"boxes": boxes, "scores": torch.tensor([0.6, 0.9]), "labels": labels}
    >>> explain_errors(detection, {"boxes": boxes[1:], "labels": torch.tensor([2])})
    [DetectionError(kind='on background', gt_index=-1),
     DetectionError(kind='wrong class', gt_index=0)]
    """
    kinds = error_kinds(detection, target, iou_threshold, background)
    overlaps = box_iou(detection["boxes"], target["boxes"])  # (D, G)
    same_class = detection["labels"][:, None] == target["labels"]  # (D, G)
    taken = torch.zeros(overlaps.shape[1], dtype=torch.bool)  # (G,)
    objects = [-1] * len(kinds)
    for d in detection["scores"].argsort(descending=True, stable=True).tolist():
        if kinds[d] == "on background":
            continue
        allowed = {
            "correct": same_class[d] & ~taken,
            "duplicate": same_class[d],
            "wrong class": ~same_class[d],
        }.get(kinds[d], torch.ones_like(taken))  # (G,)
        objects[d] = int((overlaps[d] * allowed).argmax())
        taken[objects[d]] |= kinds[d] == "correct"
    return [DetectionError(kind, index) for kind, index in zip(kinds, objects, strict=True)]


def errors_by_size(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    iou_threshold: float = 0.5,
    background: float = 0.1,
) -> dict[str, dict[str, int]]:
    """`detection_errors` for small, medium and large objects, each counted for itself.

    A detection belongs to the size of the object that it is about (`explain_errors`), one on
    background to its own.

    Args:
        detections: see `detection_errors`.
        targets: see `detection_errors`; ``area (G,)`` px² if the object's differs from its box's.
        iou_threshold: see `error_kinds`.
        background: see `error_kinds`.

    Returns:
        ``{"small": counts, "medium": counts, "large": counts}``, the counts as
        `detection_errors` gives them.

    Raises:
        ValueError: what `detection_errors` refuses.

    **Invariant:** the three together are `detection_errors`; ``correct + missed`` is the number of
    objects of a size.

    **Deviation:** an area on the border of two ranges of `COCO_AREAS` counts in both for COCO;
    here in the smaller.

    >>> nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    >>> cat = {"boxes": torch.tensor([[0.0, 0, 40, 40]]), "labels": torch.tensor([1])}
    >>> errors_by_size([nothing | {"scores": torch.zeros(0)}], [cat])["medium"]["missed"]
    1
    """
    _check_lengths(detections, targets)
    sizes = {size: dict.fromkeys(ERROR_KINDS, 0) for size in COCO_AREAS if size != "all"}
    for detection, target in zip(detections, targets, strict=True):
        errors = explain_errors(detection, target, iou_threshold, background)
        gt_sizes = _sizes(target.get("area", box_area(target["boxes"])))
        for own, (kind, index) in zip(_sizes(box_area(detection["boxes"])), errors, strict=True):
            sizes[own if index < 0 else gt_sizes[index]][kind] += 1
        found = {index for kind, index in errors if kind == "correct"}
        for index in set(range(len(gt_sizes))) - found:
            sizes[gt_sizes[index]]["missed"] += 1
    return sizes


def _sizes(areas: Tensor) -> list[str]:
    borders = torch.tensor([COCO_AREAS["small"][1], COCO_AREAS["medium"][1]], dtype=torch.float64)
    ranks = torch.bucketize(_plain(areas), borders).tolist()  # a border belongs to what lies below
    return [("small", "medium", "large")[rank] for rank in ranks]


def confusion_matrix(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    num_classes: int,
    iou_threshold: float = 0.5,
) -> Tensor:
    """What objects were taken for: a row for each true class, a column for each class found.

    Every object and every detection is counted once.  Best score first, detections take the
    objects of their class, as in `error_kinds`; then each of the others takes the object that it
    lies on, if nobody has: a confusion.  What is left of the objects was *missed* (column 0); what
    is left of the detections has *nothing* of its own below it (row 0): duplicates, badly placed
    ones and those on background.  Leave out weak detections first.

    Args:
        detections: see `detection_errors`.
        targets: see `detection_errors`.
        num_classes: K, with the background.
        iou_threshold: IoU from which on a detection lies on an object.

    Returns:
        ``(K, K)`` int64, ``[truth, found]``.

    Raises:
        ValueError: what `detection_errors` refuses, and labels of ``num_classes`` or above.

    **Invariant:** row k ≥ 1 sums to the objects of class k, column k ≥ 1 to its detections; the
    diagonal sums to the correct ones of `detection_errors`.

    >>> cat = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
    >>> dog = {**cat, "labels": torch.tensor([2]), "scores": torch.tensor([0.9])}
    >>> confusion_matrix([dog], [cat], num_classes=3)  # the cat is taken for a dog
    tensor([[0, 0, 0],
            [0, 0, 1],
            [0, 0, 0]])
    """
    _check_lengths(detections, targets)
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)  # (K, K)
    for index, (detection, target) in enumerate(zip(detections, targets, strict=True)):
        errors = explain_errors(detection, target, iou_threshold, min(0.1, iou_threshold))
        for name, labels in (("detections", detection["labels"]), ("targets", target["labels"])):
            if len(labels) and int(labels.max()) >= num_classes:
                raise ValueError(
                    f"{name}[{index}]: expected labels below num_classes, {num_classes}, "
                    f"got {int(labels.max())}"
                )
        truth, said = target["labels"].tolist(), detection["labels"].tolist()
        taken = {error.gt_index for error in errors if error.kind == "correct"}
        for d in detection["scores"].argsort(descending=True, stable=True).tolist():
            kind, g = errors[d]
            if kind == "wrong class" and g not in taken:
                taken.add(g)
                matrix[truth[g], said[d]] += 1
            else:
                matrix[said[d] if kind == "correct" else 0, said[d]] += 1
        for g in set(range(len(truth))) - taken:
            matrix[truth[g], 0] += 1
    return matrix


def leave_out_ignored(
    detection: Mapping[str, Any], target: Mapping[str, Any], iou_threshold: float = 0.5
) -> tuple[dict[str, Any], dict[str, Any]]:
    """An image without the objects that do not count, and without the detections that found them.

    For the functions that count errors: to them crowds and difficult objects are objects like
    others.

    Args:
        detection: see `error_kinds`.
        target: see `error_kinds`; ``iscrowd`` and ``difficult`` ``(G,)`` say what does not count.
        iou_threshold: see `match_detections`.

    Returns:
        A detection and a target, new dicts with fewer rows.

    >>> detection = {"boxes": torch.tensor([[2.0, 2, 4, 4]]), "scores": torch.tensor([0.9]),
    ...              "labels": torch.tensor([1])}
    >>> crowd = {"boxes": torch.tensor([[0.0, 0, 90, 90]]), "labels": torch.tensor([1]),
    ...          "iscrowd": torch.tensor([1])}
    >>> found, truth = leave_out_ignored(detection, crowd)
    >>> len(found["boxes"]), len(truth["boxes"])  # one of the crowd: neither right nor wrong
    (0, 0)
    """
    D, G = len(detection["boxes"]), len(target["boxes"])
    nobody = torch.zeros(G, dtype=torch.bool)  # (G,)
    crowd = target["iscrowd"].bool() if "iscrowd" in target else nobody
    ignore = crowd | (target["difficult"].bool() if "difficult" in target else nobody)
    dropped = torch.zeros(D, dtype=torch.bool)  # (D,)
    for label in detection["labels"].unique().tolist() if ignore.any() else []:
        mine, theirs = detection["labels"] == label, target["labels"] == label
        dropped[mine] = match_detections(
            detection["boxes"][mine], detection["scores"][mine], target["boxes"][theirs],
            iou_threshold, ignore=ignore[theirs], crowd=crowd[theirs],
        ).ignored  # fmt: skip
    return _rows(detection, ~dropped), _rows(target, ~ignore)


def _rows(entry: Mapping[str, Any], keep: Tensor) -> dict[str, Any]:
    """The rows of every tensor that has one for each box."""
    return {
        key: value.as_subclass(Tensor)[keep]
        if isinstance(value, Tensor) and value.shape[:1] == keep.shape
        else value
        for key, value in entry.items()
    }


def _check_lengths(detections: Sequence[Any], targets: Sequence[Any]) -> None:
    _check_lists(detections, targets)
    if len(detections) != len(targets):
        raise ValueError(
            f"detections: expected one dict per target, {len(targets)}, got {len(detections)}"
        )


def _check_error_case(
    detection: Mapping[str, Any], target: Mapping[str, Any], iou_threshold: float, background: float
) -> None:
    if not 0 < background <= iou_threshold <= 1:
        raise ValueError(
            "expected 0 < background <= iou_threshold <= 1, "
            f"got background {background} and iou_threshold {iou_threshold}"
        )
    for name, entry, keys in (
        ("detection", detection, {"boxes", "scores", "labels"}),
        ("target", target, {"boxes", "labels"}),
    ):
        if not isinstance(entry, Mapping) or not keys <= entry.keys():
            got = sorted(entry) if isinstance(entry, Mapping) else type(entry).__name__
            raise ValueError(f"{name}: expected a dict with {', '.join(sorted(keys))}, got {got}")
    where = f" (image_id {target['image_id']})" if "image_id" in target else ""
    _check_detection(detection, f"detection{where}", sys.maxsize)
    check_boxes(target["boxes"], target["labels"], name=f"target{where}")


# ---------------------------------------------------------------- key points
COCO_SIGMAS: tuple[float, ...] = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062,
    0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
)  # fmt: skip
"""How far human annotators are apart, for each of the 17 joints, as a part of the person's size:
eyes are pointed at exactly, hips are not."""


def oks(
    keypoints: Tensor,
    gt_keypoints: Tensor,
    area: Tensor,
    visible: Tensor | None = None,
    sigmas: Sequence[float] = COCO_SIGMAS,
) -> Tensor:
    """Object key point similarity, the IoU of poses (COCO's key point evaluation).

    ``mean over labelled joints of exp(-d² / (2 · area · (2 sigma)²))``: 1 if all joints are
    right; a joint that is ``2 sigma · sqrt(area)`` away counts ``exp(-1/2) = 0.61``.

    Args:
        keypoints: ``(D, J, 2)`` x, y, px; more columns are ignored.
        gt_keypoints: ``(G, J, 2)``, likewise.
        area: ``(G,)``, or ``(D, G)``, px²; that of the person, not of the box, in COCO.
        visible: ``(G, J)``, above 0 where a joint is labelled; None for all.
        sigmas: J numbers.

    Returns:
        ``(D, G)`` float64, 0 to 1; 0 for a person without labelled joints.

    Raises:
        ValueError: as many sigmas as joints are expected.

    >>> truth = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]])
    >>> found = torch.tensor([[[0.0, 0.0], [10.0, 10.0]]])  # the second is 2 sigma · 50 px off
    >>> oks(found, truth, torch.tensor([2500.0]), sigmas=(0.1, 0.1))  # (1 + exp(-1/2)) / 2
    tensor([[0.8033]], dtype=torch.float64)
    """
    J = gt_keypoints.shape[1]
    if len(sigmas) != J or keypoints.shape[1] != J:
        raise ValueError(
            f"sigmas: expected one for each joint, got {len(sigmas)} for key points of "
            f"{keypoints.shape[1]} and {J} joints"
        )
    area = _numbers(area, "area")
    if tuple(area.shape) not in ((len(gt_keypoints),), (len(keypoints), len(gt_keypoints))):
        raise ValueError(
            f"area: expected ({len(gt_keypoints)},), one for each true pose, "
            f"got {tuple(area.shape)}"
        )
    if keypoints.isnan().any() or gt_keypoints.isnan().any():
        raise ValueError("keypoints, gt_keypoints: expected numbers, got NaN")
    apart = _plain(keypoints)[:, None, :, :2] - _plain(gt_keypoints)[None, :, :, :2]  # (D, G, J, 2)
    distance = apart.square().sum(dim=-1)  # (D, G, J)
    spread = (2 * torch.tensor(sigmas, dtype=torch.float64)).square()  # (J,)
    size = _plain(area).clamp(min=torch.finfo(torch.float64).tiny)[..., None]
    similarity = (-distance / (2 * size * spread)).exp()  # (D, G, J)
    counts = torch.ones(gt_keypoints.shape[:2], dtype=torch.float64)  # (G, J)
    if visible is not None:
        counts = (_plain(visible) > 0).double()  # (G, J)
    return (similarity * counts).sum(dim=-1) / counts.sum(dim=-1).clamp(min=1)


def oks_nms(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    threshold: float = 0.9,
    sigmas: Sequence[float] = COCO_SIGMAS,
) -> Tensor:
    """Non-maximum suppression of poses: of two that are too similar, the better stays.

    Args:
        keypoints: ``(D, J, 2)`` x, y, px, of one image.
        scores: ``(D,)``.
        areas: ``(D,)`` px²; of two poses the mean enters their OKS.
        threshold: poses whose OKS is above it are taken for one.
        sigmas: see `oks`.

    Returns:
        Indices of the poses that stay, best first, int64.

    >>> poses = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[90.0, 0.0]]])
    >>> oks_nms(poses, torch.tensor([0.8, 0.9, 0.7]), torch.full((3,), 900.0), sigmas=(0.1,))
    tensor([1, 2])
    """
    similarity = _oks_among(keypoints, scores, areas, sigmas)
    waiting = _plain(scores).argsort(descending=True, stable=True).tolist()
    kept = []
    while waiting:
        best, *waiting = waiting
        kept.append(best)
        waiting = [other for other in waiting if similarity[best, other] <= threshold]
    return torch.tensor(kept, dtype=torch.int64)


def soft_oks_nms(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    threshold: float = 0.9,
    sigmas: Sequence[float] = COCO_SIGMAS,
    max_detections: int = 20,
) -> Tensor:
    """Suppression that lowers scores instead of removing poses (Bodla et al. 2017, Eq. 4).

    Whoever resembles the best pose is multiplied by ``exp(-oks² / threshold)``, then the next
    best is looked for.

    Args:
        keypoints: ``(D, J, 2)`` x, y, px, of one image.
        scores: ``(D,)``.
        areas: ``(D,)`` px².
        threshold: the larger, the gentler.
        sigmas: see `oks`.
        max_detections: poses that stay, at most.

    Returns:
        Indices of the poses that stay, in the order in which they were best, int64.

    >>> poses = torch.tensor([[[0.0, 0.0]], [[0.0, 0.0]], [[90.0, 0.0]]])
    >>> soft_oks_nms(poses, torch.tensor([0.8, 0.9, 0.7]), torch.full((3,), 900.0), sigmas=(0.1,))
    tensor([1, 2, 0])
    """
    similarity = _oks_among(keypoints, scores, areas, sigmas)
    remaining = _plain(scores).clone()
    waiting = list(range(len(remaining)))
    kept: list[int] = []
    while waiting and len(kept) < max_detections:
        best = max(waiting, key=lambda index: float(remaining[index]))
        waiting.remove(best)
        kept.append(best)
        remaining = remaining * (-similarity[best].square() / threshold).exp()
    return torch.tensor(kept, dtype=torch.int64)


def _oks_among(keypoints: Tensor, scores: Tensor, areas: Tensor, sigmas: Sequence[float]) -> Tensor:
    """OKS of every pose with every other, (D, D)."""
    for name, values in (("scores", scores), ("areas", areas)):
        if _like(values, name, len(keypoints), "the poses").isnan().any():
            raise ValueError(f"{name}: expected numbers, got NaN")
    mean_area = (areas[:, None] + areas[None, :]) / 2
    return oks(keypoints, keypoints, mean_area, sigmas=sigmas)


class PCK(NamedTuple):
    """Percentage of correct key points, as fractions.

    Attributes:
        per_joint: ``(J,)`` float64, the share that is right of each joint; NaN for a joint that
            nobody shows.
        mean: of the joints, each counting the same.
        overall: of all labelled joints together, as MPII's tables have it.
    """

    per_joint: Tensor
    mean: float
    overall: float


def pck(
    keypoints: Tensor,
    gt_keypoints: Tensor,
    visible: Tensor,
    reference: Tensor,
    threshold: float = 0.5,
) -> PCK:
    """Share of the joints that lie near enough (Yang & Ramanan 2013).

    Args:
        keypoints: ``(N, J, 2)`` x, y, px; more columns are ignored.
        gt_keypoints: ``(N, J, 2)``, likewise.
        visible: ``(N, J)``, above 0 where a joint is labelled.
        reference: ``(N, 1)``, a length of each person, px; ``(N, 2)`` measures x and y each by
            its own.
        threshold: a joint may be so many references away.

    Returns:
        `PCK`.

    Raises:
        ValueError: shapes that do not go together, or references that are no lengths.

    >>> truth = torch.zeros(1, 2, 2)
    >>> found = torch.tensor([[[3.0, 4.0], [0.0, 6.0]]])  # 5 and 6 px away
    >>> pck(found, truth, torch.ones(1, 2), reference=torch.tensor([[10.0]])).per_joint
    tensor([1., 0.], dtype=torch.float64)
    """
    N, J = gt_keypoints.shape[:2]
    for name, values, shapes in (
        ("keypoints", keypoints, ((N, J),)),
        ("visible", visible, ((N, J),)),
        ("reference", reference, ((N, 1), (N, 2))),
    ):
        if tuple(values.shape[:2]) not in shapes:
            expected = " or ".join(map(str, shapes))
            raise ValueError(f"{name}: expected {expected}, got {tuple(values.shape)}")
    if not (reference > 0).all():
        raise ValueError("reference: expected lengths above 0")
    apart = _plain(keypoints)[..., :2] - _plain(gt_keypoints)[..., :2]  # (N, J, 2)
    distance = (apart / _plain(reference)[:, None]).norm(dim=-1)  # (N, J)
    counts = _plain(visible) > 0  # (N, J)
    right = ((distance <= threshold) & counts).double()  # (N, J)
    per_joint = right.sum(dim=0) / counts.sum(dim=0)  # (J,)
    overall = right.sum() / counts.sum()
    return PCK(per_joint, float(per_joint.nanmean()), float(overall))


def pckh(
    keypoints: Tensor,
    gt_keypoints: Tensor,
    visible: Tensor,
    head_boxes: Tensor,
    threshold: float = 0.5,
    skip: Sequence[int] = (6, 7),
) -> PCK:
    """PCK measured in heads, as MPII does (Andriluka et al. 2014): 0.6 of the head box's diagonal.

    Args:
        keypoints: ``(N, J, 2)`` x, y, px.
        gt_keypoints: ``(N, J, 2)``.
        visible: ``(N, J)``.
        head_boxes: ``(N, 4)`` xyxy, px.
        threshold: MPII reports 0.5 and 0.1.
        skip: joints that do not count; MPII's pelvis and thorax.

    Returns:
        `PCK`; NaN for the joints that are skipped.

    **Deviation:** the published HRNet code reports 0.11 under the name of 0.1.

    >>> head = torch.tensor([[0.0, 0.0, 30.0, 40.0]])  # 0.6 of 50 px, times 0.5: 15 px
    >>> found = torch.tensor([[[15.0, 0.0], [16.0, 0.0]]])
    >>> pckh(found, torch.zeros(1, 2, 2), torch.ones(1, 2), head, skip=()).overall
    0.5
    """
    head = _plain(head_boxes)  # (N, 4)
    length = 0.6 * (head[:, 2:] - head[:, :2]).norm(dim=-1, keepdim=True)  # (N, 1)
    counts = _plain(visible).clone()  # (N, J)
    if any(not 0 <= joint < counts.shape[1] for joint in skip):
        raise ValueError(f"skip: expected joints from 0 to {counts.shape[1] - 1}, got {skip}")
    counts[:, list(skip)] = 0
    return pck(keypoints, gt_keypoints, counts, length, threshold)


def coco_keypoint_evaluate(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    sigmas: Sequence[float] = COCO_SIGMAS,
) -> dict[str, float]:
    """COCO's average precision of poses, by pycocotools: OKS takes the place of IoU.

    Args:
        detections: one dict per image: ``keypoints (D, J, 2)`` (x, y, px; more columns are
            ignored) and ``scores (D,)``.
        targets: one dict per image: ``keypoints (G, J, 3)`` (x, y, visibility) and ``boxes
            (G, 4)`` xyxy, perhaps ``area (G,)``, ``iscrowd (G,)`` and an integer ``image_id``.
            A person without labelled joints neither counts nor harms.
        sigmas: see `oks`.

    Returns:
        Numbers from 0 to 1: ``"AP"`` (mean over the OKS thresholds 0.50, 0.55, …, 0.95),
        ``"AP50"``, ``"AP75"``, ``"AP_medium"`` and ``"AP_large"`` (persons of 32² to 96² px²,
        and above), ``"AR"`` (recall).  NaN where there is no such person.  Of an image the 20
        best poses count.

    Raises:
        ValueError: data that cannot be scored, with the image named.

    >>> joints = torch.tensor([[[10.0, 10.0, 2.0], [40.0, 60.0, 2.0]]])
    >>> target = {"keypoints": joints, "boxes": torch.tensor([[0.0, 0, 50, 70]])}
    >>> detection = {"keypoints": joints, "scores": torch.tensor([0.9])}
    >>> result = coco_keypoint_evaluate([detection], [target], sigmas=(0.1, 0.1))
    >>> round(result["AP"], 3), result["AP_large"]
    (1.0, nan)
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    _check_lists(detections, targets)
    detections, targets = list(detections), list(targets)
    _check_lengths(detections, targets)
    found: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    image_ids = _image_ids(targets)
    for index, image_id in enumerate(image_ids):
        found += _poses(detections[index], image_id, len(sigmas), f"detections[{index}]")
        people += _people(targets[index], image_id, len(sigmas), f"targets[{index}]")
    for index, row in enumerate(people, start=1):
        row["id"] = index  # from 1: pycocotools takes 0 for "not matched"

    with redirect_stdout(io.StringIO()):  # it talks; its errors still come through
        truth, result = COCO(), COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": image_id} for image_id in image_ids],
            "categories": [{"id": 1, "name": "person"}],
            "annotations": people,
        }
        truth.createIndex()
        if found:
            result = truth.loadRes(found)
        else:  # loadRes looks at the first detection
            result.dataset = {**truth.dataset, "annotations": []}
            result.createIndex()
        evaluation = COCOeval(truth, result, iouType="keypoints")
        evaluation.params.kpt_oks_sigmas = np.asarray(sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
    # OKS thresholds x 101 recalls x areas; OKS thresholds x areas
    precision = torch.from_numpy(evaluation.eval["precision"])[:, :, 0, :, 0]
    recall = torch.from_numpy(evaluation.eval["recall"])[:, 0, :, 0]
    precision, recall = (values.masked_fill(values < 0, math.nan) for values in (precision, recall))
    every, medium, large = precision.mean(dim=1).unbind(dim=-1)
    return {
        "AP": float(every.nanmean()),
        "AP50": float(every[0]),
        "AP75": float(every[5]),
        "AP_medium": float(medium.nanmean()),
        "AP_large": float(large.nanmean()),
        "AR": float(recall[:, 0].nanmean()),
    }


def _poses(entry: Mapping[str, Any], image_id: int, joints: int, name: str) -> list[dict[str, Any]]:
    """Detected poses as pycocotools reads them."""
    points = _joints(entry, joints, 2, name)  # (D, J, 2)
    if "scores" not in entry:
        raise ValueError(f"{name}: key 'scores' is missing, it has {sorted(entry)}")
    scores = _plain(_like(entry["scores"], f"{name}: scores", len(points), "keypoints"))  # (D,)
    if not scores.isfinite().all():
        raise ValueError(f"{name}: expected finite scores")
    sure = torch.ones_like(points[..., :1])
    rows = torch.cat([points, sure], dim=-1).flatten(1).tolist()
    return [
        {"image_id": image_id, "category_id": 1, "keypoints": row, "score": score}
        for row, score in zip(rows, scores.tolist(), strict=True)
    ]


def _people(
    entry: Mapping[str, Any], image_id: int, joints: int, name: str
) -> list[dict[str, Any]]:
    """True poses as pycocotools reads them."""
    points = _joints(entry, joints, 3, name)  # (G, J, 3)
    boxes = entry.get("boxes")
    if not isinstance(boxes, Tensor) or tuple(boxes.shape) != (len(points), 4):
        raise ValueError(f"{name}: expected boxes ({len(points)}, 4), one for each pose")
    boxes = _plain(boxes)  # (G, 4)
    area = _plain(_like(entry.get("area", box_area(boxes)), f"{name}: area", len(points), "boxes"))
    crowd = entry.get("iscrowd", torch.zeros(len(points)))
    crowd = _like(crowd, f"{name}: iscrowd", len(points), "boxes")
    columns = (
        points.flatten(1).tolist(),
        (points[..., 2] > 0).sum(dim=1).tolist(),
        xyxy_to_xywh(boxes).tolist(),
        area.tolist(),
        crowd.int().tolist(),
    )
    keys = ("keypoints", "num_keypoints", "bbox", "area", "iscrowd")
    return [
        {"image_id": image_id, "category_id": 1, **dict(zip(keys, row, strict=True))}
        for row in zip(*columns, strict=True)
    ]


def _joints(entry: Mapping[str, Any], joints: int, columns: int, name: str) -> Tensor:
    points = entry.get("keypoints")
    if (
        not isinstance(points, Tensor)
        or points.ndim != 3
        or points.shape[1] != joints
        or points.shape[2] < columns
    ):
        got = tuple(points.shape) if isinstance(points, Tensor) else type(points).__name__
        raise ValueError(f"{name}: expected keypoints (N, {joints}, {columns}), got {got}")
    if not points.isfinite().all():
        raise ValueError(f"{name}: expected finite key points")
    return _plain(points)[..., :columns]


# ---------------------------------------------------------------- the three steps, for a class
class _Case(NamedTuple):
    """One image and one class, as plain numbers; detections best first."""

    scores: Tensor
    area: list[float]
    gt_area: list[float]
    crowd: list[bool]
    ignore: list[bool]
    overlap: list[list[float]]


def _cases(
    scenes: list[_Scene], label: int, max_detections: int | None = None, difficult: bool = False
) -> list[_Case]:
    """What each image holds of a class; ``difficult``: whether such objects are ignored."""
    cases = []
    for scene in scenes:
        mine, ours = scene.labels == label, scene.gt_labels == label
        if not (mine.any() or ours.any()):
            continue
        boxes, scores, crowd = scene.boxes[mine], scene.scores[mine], scene.crowd[ours]
        best = scores.argsort(descending=True, stable=True)[:max_detections]
        ignore = crowd | scene.difficult[ours] if difficult else crowd
        cases.append(
            _Case(
                scores=scores[best],
                area=box_area(boxes[best]).tolist(),
                gt_area=scene.gt_area[ours].tolist(),
                crowd=crowd.tolist(),
                ignore=ignore.tolist(),
                overlap=_overlap(boxes[best], scene.gt_boxes[ours], crowd).tolist(),
            )
        )
    return cases


def _three_steps(
    cases: list[_Case],
    threshold: float,
    rule: str,
    method: Literal["11-point", "area", "101-point"],
    area: tuple[float, float] = (0.0, math.inf),
) -> tuple[float, float]:
    """AP of a class over all images, and the recall reached; NaN without objects that count."""
    scores, hits, ignored, num_gt = _hits(cases, threshold, rule, area)
    if num_gt == 0:
        return math.nan, math.nan
    precision, recall = precision_recall(scores, hits, num_gt, ignored)
    reached = float(recall[-1]) if len(recall) else 0.0
    return average_precision(precision, recall, method), reached


def _hits(
    cases: list[_Case], threshold: float, rule: str, area: tuple[float, float] = (0.0, math.inf)
) -> tuple[Tensor, Tensor, Tensor, int]:
    """The first step for all images: scores, hits, ignored, and the number of objects."""
    low, high = area
    hits: list[bool] = []
    ignored: list[bool] = []
    num_gt = 0
    for case in cases:
        # Objects of another size do not count.  Neither do detections of another size that
        # match nothing.
        sizes = [low <= size <= high for size in case.gt_area]
        ignore = [flag or not fits for flag, fits in zip(case.ignore, sizes, strict=True)]
        order = list(range(len(case.area)))
        hit, drop, gt_index = _hand_out(case.overlap, order, threshold, ignore, case.crowd, rule)
        strays = [
            g < 0 and not low <= size <= high for g, size in zip(gt_index, case.area, strict=True)
        ]
        hits += hit
        ignored += [a or b for a, b in zip(drop, strays, strict=True)]
        num_gt += ignore.count(False)
    scores = torch.cat([torch.zeros(0, dtype=torch.float64), *(case.scores for case in cases)])
    return scores, torch.tensor(hits, dtype=torch.bool), torch.tensor(ignored).bool(), num_gt


def _coco_summary(ap: Tensor, recall: Tensor, class_names: Sequence[str]) -> dict[str, float]:
    """From AP (areas, classes, thresholds) and recall (classes, thresholds), NaN for no object."""
    whole, small, medium, large = ap
    return {
        "mAP": float(whole.nanmean()),
        "mAP50": float(whole[:, 0].nanmean()),
        "mAP75": float(whole[:, 5].nanmean()),
        "mAP_small": float(small.nanmean()),
        "mAP_medium": float(medium.nanmean()),
        "mAP_large": float(large.nanmean()),
        "AR100": float(recall.nanmean()),
        **_per_class(class_names, whole.nanmean(dim=1).tolist()),
    }


def _per_class(class_names: Sequence[str], ap: list[float]) -> dict[str, float]:
    uses = Counter(class_names[1:])  # the COCO list of torchvision has ten classes called "N/A"
    keys = [f"AP/{n}" if uses[n] == 1 else f"AP/{n}#{i}" for i, n in enumerate(class_names)][1:]
    return dict(zip(keys, ap, strict=True))


def _coco_objects(scene: _Scene) -> list[dict[str, Any]]:
    boxes, labels = xyxy_to_xywh(scene.gt_boxes).tolist(), scene.gt_labels.tolist()
    rows = zip(boxes, labels, scene.gt_area.tolist(), scene.crowd.int().tolist(), strict=True)
    return [
        {
            "image_id": scene.image_id,
            "bbox": box,
            "category_id": label,
            "area": area,
            "iscrowd": crowd,
        }
        for box, label, area, crowd in rows
    ]


def _coco_detections(scene: _Scene) -> list[dict[str, Any]]:
    boxes, labels = xyxy_to_xywh(scene.boxes).tolist(), scene.labels.tolist()
    return [
        {"image_id": scene.image_id, "bbox": box, "category_id": label, "score": score}
        for box, label, score in zip(boxes, labels, scene.scores.tolist(), strict=True)
    ]


# ---------------------------------------------------------------- the border
@dataclass(frozen=True, slots=True)
class _Scene:
    """One image, checked: float64 and int64 tensors on the CPU."""

    image_id: int
    boxes: Tensor
    scores: Tensor
    labels: Tensor
    gt_boxes: Tensor
    gt_labels: Tensor
    gt_area: Tensor
    crowd: Tensor
    difficult: Tensor


def _read(detections: Any, targets: Any, class_names: Sequence[str]) -> list[_Scene]:
    """Check everything once; scenes by ascending image id, the order in which ties are broken."""
    _check_names(class_names)
    _check_lists(detections, targets)
    detections, targets = list(detections), list(targets)
    if len(detections) != len(targets):
        raise ValueError(
            f"detections: expected one dict per target, {len(targets)}, got {len(detections)} "
            "(of an image without detections: boxes of shape (0, 4))"
        )
    for name, dicts, keys in (
        ("detections", detections, ("boxes", "scores", "labels")),
        ("targets", targets, ("boxes", "labels")),
    ):
        for index, entry in enumerate(dicts):
            if not isinstance(entry, Mapping):
                raise ValueError(f"{name}[{index}]: expected a dict, got {type(entry).__name__}")
            missing = [key for key in keys if key not in entry]
            if missing:
                raise ValueError(
                    f"{name}[{index}]: key {missing[0]!r} is missing, it has {sorted(entry)}"
                )
    scenes = []
    for index, image_id in enumerate(_image_ids(targets)):
        name = f"[{index}] (image_id {image_id})" if "image_id" in targets[index] else f"[{index}]"
        scenes.append(_scene(name, image_id, detections[index], targets[index], len(class_names)))
    return sorted(scenes, key=lambda scene: scene.image_id)


def _scene(
    name: str,
    image_id: int,
    detection: Mapping[str, Any],
    target: Mapping[str, Any],
    num_classes: int,
) -> _Scene:
    _check_detection(detection, f"detections{name}", num_classes)
    check_boxes(target["boxes"], target["labels"], num_classes=num_classes, name=f"targets{name}")
    gt_boxes = _plain(target["boxes"])  # (G, 4)
    columns = {}
    for key, default in (("area", box_area(gt_boxes)), ("iscrowd", None), ("difficult", None)):
        values = _numbers(target[key], f"targets{name}: {key}") if key in target else default
        values = torch.zeros(len(gt_boxes)) if values is None else values
        columns[key] = _plain(_like(values, f"targets{name}: {key}", len(gt_boxes), "boxes"))
    bad = ~(torch.isfinite(columns["area"]) & (columns["area"] >= 0))  # (G,)
    if bad.any():
        index = int(bad.nonzero()[0])
        got = float(columns["area"][index])
        raise ValueError(
            f"targets{name}: area {index} is {got}: expected a finite number, 0 or more"
        )
    return _Scene(
        image_id=image_id,
        boxes=_plain(detection["boxes"]),
        scores=_plain(detection["scores"]),
        labels=_plain(detection["labels"]).long(),
        gt_boxes=gt_boxes,
        gt_labels=_plain(target["labels"]).long(),
        gt_area=columns["area"],
        crowd=columns["iscrowd"] != 0,
        difficult=columns["difficult"] != 0,
    )


def _check_detection(detection: Mapping[str, Any], name: str, num_classes: int) -> None:
    """Like `check_boxes`, but boxes without area are legal: clipping makes them, they are wrong
    detections and not wrong data.
    """
    for key in ("boxes", "scores", "labels"):
        if not isinstance(detection[key], Tensor):
            raise ValueError(
                f"{name}: expected a tensor of {key}, got {type(detection[key]).__name__}"
            )
    boxes, scores, labels = (detection[key] for key in ("boxes", "scores", "labels"))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name}: expected boxes of shape (D, 4), got {tuple(boxes.shape)}")
    _like(scores, f"{name}: scores", len(boxes), "boxes")
    _like(labels, f"{name}: labels", len(boxes), "boxes")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"{name}: expected integer labels (int64), got {labels.dtype}")
    x1, y1, x2, y2 = boxes.unbind(-1)
    for key, bad, expected in (
        ("boxes", ~torch.isfinite(boxes).all(dim=1), "finite coordinates"),
        ("boxes", (x1 > x2) | (y1 > y2), "x1 <= x2 and y1 <= y2 (corners xyxy)"),
        ("scores", ~torch.isfinite(scores), "a finite number"),
        ("labels", (labels < 1) | (labels >= num_classes),
         f"1 to {num_classes - 1} (0 is the background, which nobody detects)"),
    ):  # fmt: skip
        if bad.any():
            index = int(bad.nonzero()[0])
            got = detection[key][index].tolist()
            raise ValueError(f"{name}: {key}[{index}] is {got}: expected {expected}")


def _check_lists(detections: Any, targets: Any) -> None:
    for name, given in (("detections", detections), ("targets", targets)):
        if given is None or isinstance(given, Mapping | Tensor | str):
            got = type(given).__name__
            raise ValueError(f"{name}: expected a list with one dict per image, got {got}")


def _check_fraction(iou_threshold: float) -> None:
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold: expected a number from 0 to 1, got {iou_threshold}")


def _check_names(class_names: Sequence[str]) -> None:
    if not isinstance(class_names, list | tuple) or len(class_names) < 2:
        raise ValueError(
            "class_names: expected a list of at least two names, background first, "
            f"got {class_names!r}"
        )
    if class_names[0] not in ("background", "__background__"):
        raise ValueError(
            "class_names: expected 'background' as the first name (it is label 0), "
            f"got {class_names[0]!r}"
        )


def _image_ids(targets: list[Mapping[str, Any]]) -> list[int]:
    """The ids the targets carry, exactly; without any, their places in the list."""
    have = [index for index, target in enumerate(targets) if "image_id" in target]
    if not have:
        return list(range(len(targets)))
    if len(have) < len(targets):
        lacking = next(index for index, target in enumerate(targets) if "image_id" not in target)
        raise ValueError(
            f"targets[{lacking}]: key 'image_id' is missing, but targets[{have[0]}] has one"
        )
    first: dict[int, int] = {}
    for index, target in enumerate(targets):
        given = target["image_id"]
        try:
            image_id = operator.index(given)  # an int, or an integer tensor of one element
        except TypeError:
            raise ValueError(
                f"targets[{index}]: expected an integer image_id (float32 rounds above 2^24), "
                f"got {given!r}"
            ) from None
        if image_id in first:
            raise ValueError(
                f"targets[{index}]: image_id {image_id} is that of targets[{first[image_id]}], too"
            )
        first[image_id] = index
    return list(first)


def _names_of_labels(detections: Any, targets: Any) -> list[str]:
    entries = [entry for entry in [*detections, *targets] if isinstance(entry, Mapping)]
    labels = [torch.as_tensor(entry["labels"]) for entry in entries if "labels" in entry]
    top = max((int(given.max()) for given in labels if given.numel()), default=1)
    return ["background", *(str(label) for label in range(1, max(top, 1) + 1))]


def _like(values: Tensor, name: str, length: int, other: str) -> Tensor:
    if tuple(values.shape) != (length,):
        got = tuple(values.shape)
        raise ValueError(f"{name}: expected shape ({length},), one for each of {other}, got {got}")
    return values


def _numbers(values: Any, name: str) -> Tensor:
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name}: expected numbers, got {type(values).__name__}") from None


def _plain(values: Tensor) -> Tensor:
    """float64 on the CPU, without gradient or tv_tensor wrapping."""
    return values.detach().cpu().as_subclass(Tensor).double()
