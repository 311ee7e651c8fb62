"""COCO's mean average precision: by pycocotools, the reference, and by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import xyxy_to_xywh

from .average_precision import precision_recall
from .border import Scene, names_of_labels, read_scenes
from .coco_backend import CocoBackend, run_coco_eval
from .per_class import ap_and_recall, ap_by_name, cases_of_class, hits_of_class

COCO_IOU_THRESHOLDS: tuple[float, ...] = tuple(np.linspace(0.5, 0.95, 10).tolist())
"""0.50, 0.55, …, 0.95, to the last bit those of pycocotools."""


COCO_AREAS: Mapping[str, tuple[float, float]] = {
    "all": (0.0, 1e10),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, 1e10),
}
"""Smallest and largest area in px², both included."""


def coco_evaluate(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
    *,
    backend: CocoBackend | None = None,
) -> dict[str, float]:
    """COCO's mean average precision and recall, by pycocotools (Lin et al. 2014).

    Where hotcoco is installed, it does the work: with the same numbers to the last bit, faster.

    Args:
        detections: one dict per image: boxes, scores, labels (see `detlearn.metrics`).
        targets: one dict per image: boxes, labels, perhaps iscrowd and area (px²; COCO gives
            that of the outline, default is that of the box), image_id.
        class_names: of labels 0 to K - 1; the first is the background.
        backend: ``"pycocotools"`` or ``"hotcoco"`` insists on one of the two.

    Returns:
        Numbers from 0 to 1: ``"mAP"`` (mean over the IoU thresholds 0.50, 0.55, …, 0.95 and the
        classes that have objects), ``"mAP50"``, ``"mAP75"``, ``"mAP_small"``, ``"mAP_medium"``,
        ``"mAP_large"`` (objects of these areas, see `COCO_AREAS`), ``"AR100"`` (recall) and
        ``"AP/<name>"`` for each class (of a name that is used twice, ``"AP/<name>#<label>"``).
        NaN where pycocotools says -1: there is no such object.

    Raises:
        ValueError: data that cannot be scored, with the image named.
        ImportError: a ``backend`` that is not installed.

    Of each image, the 100 best detections *of each class* count, not 100 in all.  ``difficult``
    means nothing to COCO.

    >>> target = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
    >>> detection = {**target, "scores": torch.tensor([0.9])}
    >>> result = coco_evaluate([detection], [target], ("background", "cat"))
    >>> round(result["mAP"], 3), result["mAP_large"]  # right, and there is no large cat
    (1.0, nan)
    """
    scenes = read_scenes(detections, targets, class_names)
    objects = [row for i, scene in enumerate(scenes) for row in _object_rows(i, scene)]
    found = [_detection_rows(i, scene) for i, scene in enumerate(scenes)]
    precision, recall = run_coco_eval(
        range(len(scenes)),  # in the order of the ids, which are exact at any size so
        class_names,
        objects,
        np.concatenate([np.zeros((0, 7)), *found]),
        iou_type="bbox",
        backend=backend,
        maxDets=[100],
        areaRng=[list(bounds) for bounds in COCO_AREAS.values()],
        areaRngLbl=list(COCO_AREAS),
    )
    ap = precision.mean(dim=1).permute(2, 1, 0)  # (areas, K - 1, T)
    return _coco_summary(ap, recall[..., 0].T, class_names)


def coco_map_by_hand(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    class_names: Sequence[str] | None = None,
    *,
    max_detections: int = 100,
) -> dict[str, float]:
    """What `coco_evaluate` gives, by hand: the three steps for every class, range of areas and IoU
    threshold.

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
        class_names = names_of_labels(detections, targets)
    scenes = read_scenes(detections, targets, class_names)
    shape = (len(COCO_AREAS), len(class_names) - 1, len(COCO_IOU_THRESHOLDS))
    ap = torch.zeros(shape, dtype=torch.float64)
    recall = torch.zeros(shape, dtype=torch.float64)
    for label in range(1, len(class_names)):
        cases = cases_of_class(scenes, label, max_detections)
        for a, area in enumerate(COCO_AREAS.values()):
            for t, threshold in enumerate(COCO_IOU_THRESHOLDS):
                result = ap_and_recall(cases, threshold, "coco", "101-point", area)
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
    scenes = read_scenes(detections, targets, class_names)
    grid = torch.from_numpy(np.linspace(0.0, 1.0, 101))  # (101,)
    shape = (len(iou_thresholds), len(class_names) - 1, 101)
    curves = torch.zeros(shape, dtype=torch.float64)
    for label in range(1, len(class_names)):
        cases = cases_of_class(scenes, label, max_detections)
        for t, threshold in enumerate(iou_thresholds):
            scores, hits, ignored, num_gt = hits_of_class(cases, threshold, "coco")
            if num_gt == 0:
                curves[t, label - 1] = math.nan
                continue
            precision, recall = precision_recall(scores, hits, num_gt, ignored)
            highest = precision.flip(0).cummax(dim=0).values.flip(0)
            first = torch.searchsorted(recall, grid)  # the rank at which each recall is reached
            reached = first < len(recall)
            curves[t, label - 1, reached] = highest[first[reached]]
    return curves


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
        **ap_by_name(class_names, whole.nanmean(dim=1).tolist()),
    }


def _object_rows(image_id: int, scene: Scene) -> list[dict[str, Any]]:
    keys = ("bbox", "category_id", "area", "iscrowd")
    columns = (
        xyxy_to_xywh(scene.gt_boxes).tolist(),
        scene.gt_labels.tolist(),
        scene.gt_area.tolist(),
        scene.crowd.int().tolist(),
    )
    rows = zip(*columns, strict=True)
    return [{"image_id": image_id, **dict(zip(keys, row, strict=True))} for row in rows]


def _detection_rows(image_id: int, scene: Scene) -> np.ndarray:
    """Image id, box as x, y, width, height, score and label of each detection: (D, 7)."""
    columns = np.empty((len(scene.boxes), 7))
    columns[:, 0] = image_id
    columns[:, 1:5] = xyxy_to_xywh(scene.boxes).numpy()
    columns[:, 5], columns[:, 6] = scene.scores.numpy(), scene.labels.numpy()
    return columns
