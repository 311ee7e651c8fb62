"""Mean average precision as PASCAL VOC defines it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch

from .border import check_iou_threshold, read_scenes
from .per_class import ap_and_recall, ap_by_name, cases_of_class


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
        detections: one dict per image: boxes, scores, labels (see `detlearn.metrics`).
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
    check_iou_threshold(iou_threshold)
    scenes = read_scenes(detections, targets, class_names)
    ap = []
    for label in range(1, len(class_names)):
        cases = cases_of_class(scenes, label, difficult=True)
        ap.append(ap_and_recall(cases, iou_threshold, "voc", method)[0])
    return {"mAP": float(torch.tensor(ap).nanmean()), **ap_by_name(class_names, ap)}
