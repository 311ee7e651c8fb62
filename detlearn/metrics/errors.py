"""What became of each detection of one image: right, or wrong in which way."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from detlearn.boxes import box_iou, check_boxes

from .border import check_detection

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

    Takes and refuses what `error_kinds` does.

    Returns:
        D pairs, in the order of the detections.

    **Invariant:** ``[error.kind for error in explain_errors(...)] == error_kinds(...)``; no object
    is found correctly twice.

    >>> boxes, labels = torch.tensor([[0.0, 0, 10, 10], [50, 0, 60, 10]]), torch.tensor([1, 1])
    >>> detection = {"boxes": boxes, "scores": torch.tensor([0.6, 0.9]), "labels": labels}
    >>> explain_errors(detection, {"boxes": boxes[1:], "labels": torch.tensor([2])})
    [DetectionError(kind='on background', gt_index=-1),
     DetectionError(kind='wrong class', gt_index=0)]
    """
    _check_error_case(detection, target, iou_threshold, background)
    overlaps = box_iou(detection["boxes"], target["boxes"])  # (D, G)
    same_class = detection["labels"][:, None] == target["labels"]  # (D, G)
    taken = torch.zeros(overlaps.shape[1], dtype=torch.bool)  # (G,)
    errors = [DetectionError("on background", -1)] * len(overlaps)
    for d in detection["scores"].argsort(descending=True, stable=True).tolist():
        near = overlaps[d] >= iou_threshold  # (G,)
        for kind, objects in (
            ("correct", near & same_class[d] & ~taken),
            ("duplicate", near & same_class[d]),
            ("wrong class", near),
            ("badly placed", overlaps[d] >= background),
        ):  # the first kind that has an object
            if objects.any():
                errors[d] = DetectionError(kind, int((overlaps[d] * objects).argmax()))
                taken[errors[d].gt_index] |= kind == "correct"
                break
    return errors


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
    check_detection(detection, f"detection{where}", sys.maxsize)
    check_boxes(target["boxes"], target["labels"], name=f"target{where}")
