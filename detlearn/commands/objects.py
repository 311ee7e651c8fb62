"""What was found in a picture, as a JSON says it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ..models import Detector

__all__ = ["class_names", "objects_of"]


def class_names(model: Detector) -> Sequence[str]:
    """Names by label, numbers where nobody gave names."""
    return model.class_names or tuple(str(k) for k in range(model.config.num_classes))


def objects_of(found: dict[str, Tensor], names: Sequence[str]) -> list[dict[str, Any]]:
    """What was found in a picture, as ``detections.json`` has it.

    Args:
        found: one answer of `Detector.detect`.
        names: of the classes, by label.

    Returns:
        for each object label, class, score, ``box_xyxy`` in px, and ``keypoints_xy`` in px where
        the detector finds key points.
    """
    columns = (found[key].tolist() for key in ("labels", "scores", "boxes"))
    objects: list[dict[str, Any]] = [
        {"label": label, "class": names[label], "score": round(score, 4),
         "box_xyxy": [round(x, 2) for x in box]}
        for label, score, box in zip(*columns, strict=True)
    ]  # fmt: skip
    if "keypoints" in found:
        for entry, points in zip(objects, found["keypoints"].tolist(), strict=True):
            entry["keypoints_xy"] = [[round(x, 2), round(y, 2)] for x, y, _ in points]
    return objects
