"""COCO's average precision of poses, by pycocotools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import box_area, xyxy_to_xywh

from .border import (
    as_float64,
    check_lists,
    check_same_length,
    checked_length,
    read_image_ids,
)
from .coco_backend import CocoBackend, run_coco_eval
from .poses import COCO_SIGMAS


def coco_keypoint_evaluate(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    sigmas: Sequence[float] = COCO_SIGMAS,
    *,
    backend: CocoBackend | None = None,
) -> dict[str, float]:
    """COCO's average precision of poses, by pycocotools: OKS takes the place of IoU.

    Args:
        detections: one dict per image: ``keypoints (D, J, 2)`` (x, y, px; more columns are
            ignored) and ``scores (D,)``.
        targets: one dict per image: ``keypoints (G, J, 3)`` (x, y, visibility) and ``boxes
            (G, 4)`` xyxy, perhaps ``area (G,)``, ``iscrowd (G,)`` and an integer ``image_id``.
            A person without labelled joints neither counts nor harms.
        sigmas: see `oks`.
        backend: see `detlearn.metrics.coco_evaluate`.

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
    check_lists(detections, targets)
    detections, targets = list(detections), list(targets)
    check_same_length(detections, targets)
    image_ids = read_image_ids(targets)
    # Of equal scores that of the lower id goes first.
    order = sorted(range(len(targets)), key=image_ids.__getitem__)
    found: list[dict[str, Any]] = []
    people: list[dict[str, Any]] = []
    for place, index in enumerate(order):
        found += _poses(detections[index], place, len(sigmas), f"detections[{index}]")
        people += _people(targets[index], place, len(sigmas), f"targets[{index}]")
    precision, recall = run_coco_eval(
        range(len(targets)),
        ("background", "person"),
        people,
        found,
        iou_type="keypoints",
        backend=backend,
        kpt_oks_sigmas=np.asarray(sigmas),
    )
    precision, recall = precision[:, :, 0], recall[:, 0]  # (T, 101, M), (T, M)
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
    scores = checked_length(entry["scores"], f"{name}: scores", len(points), "keypoints")
    scores = as_float64(scores)  # (D,)
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
    boxes = as_float64(boxes)  # (G, 4)
    area = entry.get("area", box_area(boxes))
    area = as_float64(checked_length(area, f"{name}: area", len(points), "boxes"))
    crowd = entry.get("iscrowd", torch.zeros(len(points)))
    crowd = checked_length(crowd, f"{name}: iscrowd", len(points), "boxes")
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
    return as_float64(points)[..., :columns]
