"""VOC's mean average precision equals the devkit's procedure."""

import math

import numpy as np
import pytest
import torch

from detlearn.metrics import (
    voc_evaluate,
)
from tests.metrics.cases import CAT, NAMES, detection, random_scenes, target


def voc_by_the_book(detections, targets, label, method) -> float:
    """One list over all images, sorted once, in numpy: VOC's procedure as the devkit tells it."""
    rows, npos, taken = [], 0, set()
    for image, (d, t) in enumerate(zip(detections, targets, strict=True)):
        npos += int(((t["labels"] == label) & (t["difficult"] == 0)).sum())
        rows += [
            (-score, image, i)
            for i, (score, own) in enumerate(
                zip(d["scores"].tolist(), d["labels"].tolist(), strict=True)
            )
            if own == label
        ]
    tp, fp = [], []
    for _, image, i in sorted(rows):
        x = detections[image]["boxes"][i].double().numpy()
        best, index = -1.0, None
        for j, own in enumerate(targets[image]["labels"].tolist()):
            if own != label:
                continue
            y = targets[image]["boxes"][j].double().numpy()
            side = np.clip(np.minimum(x[2:], y[2:]) - np.maximum(x[:2], y[:2]), 0, None)
            both = side[0] * side[1]
            iou = both / ((x[2] - x[0]) * (x[3] - x[1]) + (y[2] - y[0]) * (y[3] - y[1]) - both)
            if iou > best:
                best, index = iou, j
        if best > 0.5 and targets[image]["difficult"][index]:
            continue
        right = best > 0.5 and (image, index) not in taken
        if right:
            taken.add((image, index))
        tp.append(right)
        fp.append(not right)
    if npos == 0:
        return math.nan
    recall = np.cumsum(tp) / npos
    precision = np.cumsum(tp) / np.maximum(np.cumsum(tp) + np.cumsum(fp), 1)
    if method == "11-point":
        best = [precision[recall >= t].max(initial=0) for t in np.arange(0.0, 1.1, 0.1)]
        return float(np.mean(best))
    steps = np.diff(recall, prepend=0.0)
    return float(sum(s * precision[i:].max() for i, s in enumerate(steps)))


@pytest.mark.parametrize("method", ["11-point", "area"])
def test_voc_equals_the_book(method):
    for seed in range(25):
        detections, targets = random_scenes(seed, most_objects=[3, 8][seed % 2])
        for t in targets:
            del t["iscrowd"]  # VOC knows none
        result = voc_evaluate(detections, targets, ("background", "a", "b", "c"), method=method)
        book = [voc_by_the_book(detections, targets, label, method) for label in (1, 2, 3)]
        assert [result["AP/a"], result["AP/b"], result["AP/c"]] == pytest.approx(book, nan_ok=True)
        assert result["mAP"] == pytest.approx(float(np.nanmean(book)))


def test_voc_difficult():
    two = target(CAT, (20, 0, 30, 10, 1), difficult=torch.tensor([0, 1]))
    right = (0, 0, 10, 10, 0.5, 1)
    easy_only = voc_evaluate([detection(right)], [two], NAMES)
    assert easy_only["mAP"] == 1.0  # the difficult one need not be found
    both = detection(right, (20, 0, 30, 10, 0.9, 1), (20, 0, 30, 10, 0.8, 1))
    assert voc_evaluate([both], [two], NAMES)["mAP"] == 1.0  # nor is finding it, twice, wrong
    two["iscrowd"] = two.pop("difficult")
    assert voc_evaluate([both], [two], NAMES)["mAP"] == 1.0  # a crowd is treated alike


def test_voc_options():
    half = [detection((0, 0, 10, 6, 0.9, 1))]
    assert voc_evaluate(half, [target(CAT)], NAMES)["mAP"] == 1.0
    assert voc_evaluate(half, [target(CAT)], NAMES, iou_threshold=0.7)["mAP"] == 0.0
    with pytest.raises(ValueError, match="method: expected '11-point' or 'area', got '101-point'"):
        voc_evaluate(half, [target(CAT)], NAMES, method="101-point")
