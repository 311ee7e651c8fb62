"""Mistakes of a detector counted over a data set: by kind, by size, by pairs of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from detlearn.boxes import box_area

from .average_precision import match_detections
from .border import as_float64, check_same_length
from .coco import COCO_AREAS
from .errors import ERROR_KINDS, DetectionError, error_kinds, explain_errors


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
    check_same_length(detections, targets)
    counts = dict.fromkeys(ERROR_KINDS, 0)
    for detection, target in zip(detections, targets, strict=True):
        kinds = error_kinds(detection, target, iou_threshold, background)
        for kind in kinds:
            counts[kind] += 1
        counts["missed"] += len(target["labels"]) - kinds.count("correct")
    return counts


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
    check_same_length(detections, targets)
    errors = [
        explain_errors(detection, target, iou_threshold, background)
        for detection, target in zip(detections, targets, strict=True)
    ]
    return count_by_size(detections, targets, errors)


def count_by_size(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    errors: Sequence[Sequence[DetectionError]],
) -> dict[str, dict[str, int]]:
    """`errors_by_size` of errors that are explained already, image by image."""
    sizes = {size: dict.fromkeys(ERROR_KINDS, 0) for size in COCO_AREAS if size != "all"}
    for detection, target, explained in zip(detections, targets, errors, strict=True):
        gt_sizes = _sizes(target.get("area", box_area(target["boxes"])))
        own_sizes = _sizes(box_area(detection["boxes"]))
        for own, (kind, index) in zip(own_sizes, explained, strict=True):
            sizes[own if index < 0 else gt_sizes[index]][kind] += 1
        found = {index for kind, index in explained if kind == "correct"}
        for index in set(range(len(gt_sizes))) - found:
            sizes[gt_sizes[index]]["missed"] += 1
    return sizes


def _sizes(areas: Tensor) -> list[str]:
    borders = torch.tensor([COCO_AREAS["small"][1], COCO_AREAS["medium"][1]], dtype=torch.float64)
    ranks = torch.bucketize(as_float64(areas), borders).tolist()  # a border belongs to the smaller
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
    check_same_length(detections, targets)
    errors = [
        explain_errors(detection, target, iou_threshold, min(0.1, iou_threshold))
        for detection, target in zip(detections, targets, strict=True)
    ]
    return count_confusions(detections, targets, errors, num_classes)


def count_confusions(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    errors: Sequence[Sequence[DetectionError]],
    num_classes: int,
) -> Tensor:
    """`confusion_matrix` of errors that are explained already, image by image."""
    matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64)  # (K, K)
    for index, (detection, target, explained) in enumerate(
        zip(detections, targets, errors, strict=True)
    ):
        for name, labels in (("detections", detection["labels"]), ("targets", target["labels"])):
            if len(labels) and int(labels.max()) >= num_classes:
                raise ValueError(
                    f"{name}[{index}]: expected labels below num_classes, {num_classes}, "
                    f"got {int(labels.max())}"
                )
        truth, said = target["labels"].tolist(), detection["labels"].tolist()
        taken = {error.gt_index for error in explained if error.kind == "correct"}
        for d in detection["scores"].argsort(descending=True, stable=True).tolist():
            kind, g = explained[d]
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
