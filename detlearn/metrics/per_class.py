"""The three steps of `average_precision` for one class over all images of a data set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from detlearn.boxes import box_area

from .average_precision import (
    average_precision,
    hand_out_objects,
    overlaps_with_crowds,
    precision_recall,
)
from .border import Scene


class ClassCase(NamedTuple):
    """One image and one class, as plain numbers; detections best first."""

    scores: Tensor
    area: list[float]
    gt_area: list[float]
    crowd: list[bool]
    ignore: list[bool]
    overlap: list[list[float]]


def cases_of_class(
    scenes: list[Scene], label: int, max_detections: int | None = None, difficult: bool = False
) -> list[ClassCase]:
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
            ClassCase(
                scores=scores[best],
                area=box_area(boxes[best]).tolist(),
                gt_area=scene.gt_area[ours].tolist(),
                crowd=crowd.tolist(),
                ignore=ignore.tolist(),
                overlap=overlaps_with_crowds(boxes[best], scene.gt_boxes[ours], crowd).tolist(),
            )
        )
    return cases


def ap_and_recall(
    cases: list[ClassCase],
    threshold: float,
    rule: str,
    method: Literal["11-point", "area", "101-point"],
    area: tuple[float, float] = (0.0, math.inf),
) -> tuple[float, float]:
    """AP of a class over all images, and the recall reached; NaN without objects that count."""
    scores, hits, ignored, num_gt = hits_of_class(cases, threshold, rule, area)
    if num_gt == 0:
        return math.nan, math.nan
    precision, recall = precision_recall(scores, hits, num_gt, ignored)
    reached = float(recall[-1]) if len(recall) else 0.0
    return average_precision(precision, recall, method), reached


def hits_of_class(
    cases: list[ClassCase], threshold: float, rule: str, area: tuple[float, float] = (0.0, math.inf)
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
        hit, drop, gt_index = hand_out_objects(
            case.overlap, order, threshold, ignore, case.crowd, rule
        )
        strays = [
            g < 0 and not low <= size <= high for g, size in zip(gt_index, case.area, strict=True)
        ]
        hits += hit
        ignored += [a or b for a, b in zip(drop, strays, strict=True)]
        num_gt += ignore.count(False)
    scores = torch.cat([torch.zeros(0, dtype=torch.float64), *(case.scores for case in cases)])
    return scores, torch.tensor(hits, dtype=torch.bool), torch.tensor(ignored).bool(), num_gt


def ap_by_name(class_names: Sequence[str], ap: list[float]) -> dict[str, float]:
    """``{"AP/<name>": ap}``; of a name that is used twice ``"AP/<name>#<label>"``."""
    uses = Counter(class_names[1:])  # the COCO list of torchvision has ten classes called "N/A"
    keys = [f"AP/{n}" if uses[n] == 1 else f"AP/{n}#{i}" for i, n in enumerate(class_names)][1:]
    return dict(zip(keys, ap, strict=True))
