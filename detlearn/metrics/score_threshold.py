"""The score from which on a detection should count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from .border import names_of_labels, read_scenes
from .per_class import cases_of_class, hits_of_class


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
    names = names_of_labels(detections, targets)
    scenes = read_scenes(detections, targets, names)
    parts = [
        hits_of_class(cases_of_class(scenes, label, difficult=True), iou_threshold, "coco")
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
