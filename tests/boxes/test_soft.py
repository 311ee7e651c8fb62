"""Soft-NMS of all classes at once is the taught one, class by class, to the bit."""

import pytest
import torch

from detlearn import boxes as B
from detlearn.boxes import soft
from tests.boxes.test_geometry import random_boxes

SETTINGS = {"score_threshold": 0.01, "iou_threshold": 0.3, "max_detections": 10_000}


def class_by_class(boxes, scores, *, score_threshold, iou_threshold, max_detections,
                   max_per_class=50, max_candidates=None, decayed_threshold=0.001,
                   plus_one=False):  # fmt: skip
    """The slow way: `soft_nms` of every class, then the best of all."""
    parts = []
    for label in range(1, scores.shape[1]):
        own = scores[:, label]
        candidates = (own > score_threshold).nonzero()[:, 0]
        best = own[candidates].argsort(descending=True, stable=True)[:max_candidates]
        candidates = candidates[best.sort().values]
        keep, decayed = B.soft_nms(
            boxes[candidates], own[candidates], "linear", iou_threshold,
            score_threshold=decayed_threshold, plus_one=plus_one,
        )  # fmt: skip
        keep, decayed = keep[:max_per_class], decayed[:max_per_class]
        parts.append((candidates[keep], decayed, torch.full_like(keep, label)))
    priors, decayed, labels = (torch.cat(column) for column in zip(*parts, strict=True))
    order = decayed.argsort(descending=True, stable=True)[:max_detections]
    return {
        "boxes": boxes[priors[order]],
        "scores": decayed[order],
        "labels": labels[order],
        "priors": priors[order],
    }


def random_scores(count, classes, seed=0):
    return torch.rand(count, classes, generator=torch.Generator().manual_seed(seed)) ** 4


def crowd(count, seed=0):
    """Boxes around one place: all overlap, and most lose score many times."""
    g = torch.Generator().manual_seed(seed)
    return torch.tensor([10.0, 10, 60, 60]) + 6 * torch.rand(count, 4, generator=g)


def with_ties():
    """Scores of one digit: hundreds of equal ones, at the cut-off of every limit too."""
    return random_boxes(400, 5), (10 * random_scores(400, 4)).round() / 10


CASES = {
    "nothing": (torch.zeros(0, 4), torch.zeros(0, 3), {}),
    "nothing above the threshold": (random_boxes(9, 0), random_scores(9, 3) * 0.001, {}),
    "one box": (random_boxes(1, 0), torch.tensor([[0.1, 0.9, 0.0]]), {}),
    "no class but the background": (random_boxes(3, 0), torch.ones(3, 1), {}),
    "random": (random_boxes(900, 1), random_scores(900, 6), {}),
    "float64": (random_boxes(300, 1).double(), random_scores(300, 6).double(), {}),
    "a crowd: all candidates are needed": (crowd(700), random_scores(700, 3), {}),
    "few are kept": (random_boxes(900, 1), random_scores(900, 6), {"max_per_class": 2}),
    "few enter": (random_boxes(900, 1), random_scores(900, 6), {"max_candidates": 37}),
    "few are wanted": (random_boxes(900, 1), random_scores(900, 6), {"max_detections": 7}),
    "pixels counted": (crowd(300), random_scores(300, 3), {"plus_one": True}),
    "a high floor": (crowd(300), random_scores(300, 3), {"decayed_threshold": 0.4}),
    "no floor": (crowd(300), random_scores(300, 3), {"decayed_threshold": 0.0}),
    "every overlap counts": (random_boxes(300, 1), random_scores(300, 3), {"iou_threshold": 0.0}),
    "no overlap counts": (crowd(300), random_scores(300, 3), {"iou_threshold": 1.0}),
    "ties": (*with_ties(), {}),
    "ties where few enter": (*with_ties(), {"max_candidates": 30, "max_per_class": 20}),
    "ties where few are kept": (*with_ties(), {"max_per_class": 3}),
    "the same box many times": (crowd(1).repeat(300, 1), torch.full((300, 3), 0.5), {}),
    "what nothing overlaps stays below the floor": (
        torch.tensor([[0.0, 0, 4, 4], [9, 9, 12, 12], [0, 0, 4, 3]]),
        torch.tensor([[0.0, 0.9], [0, 0.1], [0, 0.8]]),
        {"decayed_threshold": 0.4},
    ),
    "a tie with one that was left out": (  # 0.8 * (1 - 0.5) is 0.4, and prior 0 comes first
        torch.tensor([[90.0, 90, 94, 94], [0, 0, 4, 4], *[[0, 0, 4, 2]] * 7]),
        torch.tensor([[0.0, 0.4], [0, 0.9], *[[0, 0.8]] * 7]),
        {"max_per_class": 2},
    ),
    "boxes without area": (torch.ones(5, 4), random_scores(5, 3), {}),
    "classes of very different size": (
        random_boxes(900, 2),
        random_scores(900, 5) * torch.tensor([1, 1.0, 0.02, 0.0, 0.3]),
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_equal_to_the_taught_one(case):
    boxes, scores, changes = CASES[case]
    if case == "no class but the background":
        assert len(B.select_soft(boxes, scores, **SETTINGS)["scores"]) == 0
        return
    expected = class_by_class(boxes, scores, **SETTINGS | changes)
    found = B.select_soft(boxes, scores, **SETTINGS | changes)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert value.dtype == found[key].dtype
        assert torch.equal(found[key], value), key


def test_looks_at_no_more_than_it_takes(monkeypatch):
    """Fifty of 5,000 apart from each other: the 200 best are enough; in a crowd they are not."""
    seen = []
    real = soft._soft_nms_rows
    monkeypatch.setattr(
        soft, "_soft_nms_rows", lambda b, priors, *rest: seen.append(priors.shape) or real(b, priors, *rest)
    )  # fmt: skip
    corner = 20.0 * torch.arange(5000)[:, None]
    apart = torch.cat([corner, corner, corner + 9, corner + 9], dim=1)
    B.select_soft(apart, random_scores(5000, 4), **SETTINGS)
    assert seen == [(3, 200)]
    seen.clear()
    scores = random_scores(700, 4)
    scores[600:, 2] = 0.0
    scores[:, 3] = 0.0
    scores[:5, 3] = 0.5  # five candidates: done after the first look
    B.select_soft(crowd(700), scores, **SETTINGS)
    assert seen[0] == (3, 200) and seen[1] == (2, 400)


def test_leaves_its_input():
    boxes, scores = crowd(300), random_scores(300, 3)
    before = boxes.clone(), scores.clone()
    B.select_soft(boxes, scores, **SETTINGS, plus_one=True)
    assert torch.equal(boxes, before[0]) and torch.equal(scores, before[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.int64])
def test_boxes_of_few_digits(dtype):
    """In halves an area of 300 x 300 is infinite, an IoU NaN, and nothing lost score."""
    boxes = torch.tensor([[0, 0, 300, 300]] * 2, dtype=dtype)
    scores = torch.tensor([[0.1, 0.9], [0.1, 0.8]])
    if dtype.is_floating_point:
        scores = scores.to(dtype)
    found = B.select_soft(boxes, scores, score_threshold=0.2)
    assert torch.equal(found["scores"], scores[:1, 1]) and found["scores"].dtype == scores.dtype
    assert torch.equal(found["boxes"], boxes[:1]) and found["boxes"].dtype == dtype


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: B.select_soft(crowd(2), torch.ones(2, 2, dtype=torch.int64), **SETTINGS),
         "scores: expected a floating dtype, got torch.int64"),
        (lambda: B.select_soft(crowd(2) * 1e20, torch.ones(2, 2), **SETTINGS),
         "boxes: expected areas that are finite numbers, got inf"),
        (lambda: B.select_soft(crowd(2), torch.ones(2, 2), **SETTINGS, max_per_class=0),
         "max_per_class: expected a whole number of at least 1, got 0"),
        (lambda: B.select_soft(crowd(2), torch.ones(3, 2), **SETTINGS), r"got \(2, 4\) and \(3, 2\)"),
        (lambda: B.select_soft(crowd(2), torch.full((2, 2), torch.nan), **SETTINGS), "got NaN"),
        (lambda: B.select_soft(crowd(2), torch.ones(2, 2), score_threshold=2),
         "score_threshold: expected a number from 0 to 1, got 2"),
    ],
)  # fmt: skip
def test_refuses(call, message):
    with pytest.raises(ValueError, match=message):
        call()
