"""The scores of the course: what they are called, what they mean, and all of a detector at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from .coco import coco_evaluate
from .voc import voc_evaluate

__all__ = [
    "HEADLINES", "SCORE_TEXTS", "VOC_SCORES", "detection_scores", "is_score", "score_label",
]  # fmt: skip

HEADLINES: tuple[str, ...] = ("mAP", "AP")
"""The one number that stands for all: of a detector, of a pose network."""

VOC_SCORES: Mapping[str, Literal["11-point", "area"]] = {
    "mAP_voc07": "11-point",
    "mAP_voc12": "area",
}
"""VOC's mean average precision, of 2007 and of later years, and the ``method`` that gives it."""

SCORE_TEXTS: Mapping[str, str] = {
    "mAP": "mean over the classes and over IoU 0.50, 0.55, …, 0.95: COCO's headline",
    "mAP50": "the same at IoU 0.50: found roughly",
    "mAP75": "the same at IoU 0.75: placed well",
    "mAP_small": "mAP of objects up to 32² px",
    "mAP_medium": "mAP of objects from 32² to 96² px",
    "mAP_large": "mAP of objects from 96² px",
    "AR100": "share of the objects found by the 100 best boxes, mean over the IoUs",
    "mAP_voc07": "as PASCAL VOC 2007 counts, difficult objects aside",
    "mAP_voc12": "as PASCAL VOC counts since 2010",
    "AP": "mean over OKS 0.50, 0.55, …, 0.95: COCO's headline for poses",
    "AP50": "the same at OKS 0.50",
    "AP75": "the same at OKS 0.75",
    "AP_medium": "AP of people from 32² to 96² px",
    "AP_large": "AP of people from 96² px",
    "AR": "share of the people found, mean over the OKS",
}
"""Every score that stands for a whole data set, and what it means; a class's is ``"AP/<name>"``."""


def is_score(name: str) -> bool:
    """Whether a column of a history, or a key of a dict, is a score.

    >>> [name for name in ("epoch", "box", "mAP50", "AR100", "AP/cat") if is_score(name)]
    ['mAP50', 'AR100', 'AP/cat']
    """
    return name.startswith(("mAP", "AP", "AR"))


def score_label(name: str) -> str:
    """A score as a table for people calls it.

    >>> score_label("mAP50"), score_label("mAP_voc07")
    ('mAP50', 'VOC mAP, 11-point')
    """
    return f"VOC mAP, {VOC_SCORES[name]}" if name in VOC_SCORES else name


def detection_scores(
    detections: Sequence[Mapping[str, Any]],
    targets: Sequence[Mapping[str, Any]],
    class_names: Sequence[str],
) -> dict[str, float]:
    """COCO's scores, and for data that knows ``difficult`` objects VOC's mAP as well.

    Args:
        detections: as for `coco_evaluate`.
        targets: as for `coco_evaluate`.
        class_names: as for `coco_evaluate`.

    Returns:
        what `coco_evaluate` returns, and perhaps `VOC_SCORES`.

    Raises:
        ValueError: as `coco_evaluate`.

    >>> import torch
    >>> target = {"boxes": torch.tensor([[0.0, 0, 10, 10]]), "labels": torch.tensor([1])}
    >>> found, hard = {**target, "scores": torch.ones(1)}, {"difficult": torch.tensor([False])}
    >>> list(detection_scores([found], [target | hard], ("background", "cat")))[-2:]
    ['mAP_voc07', 'mAP_voc12']
    """
    scores = coco_evaluate(detections, targets, class_names)
    if any("difficult" in target for target in targets):
        for name, method in VOC_SCORES.items():
            result = voc_evaluate(detections, targets, class_names, method=method)
            scores[name] = result["mAP"]
    return scores
