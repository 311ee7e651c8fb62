"""Suppression by hand, against torchvision, and class by class."""

import pytest
import torch
import torchvision

from detlearn import boxes as B
from tests.boxes.test_geometry import random_boxes

STACK = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 3], [0, 0, 4, 2], [5, 5, 9, 9]])
SCORES = torch.tensor([0.9, 0.8, 0.7, 0.1])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        pytest.param(0.7, [0, 2, 3], id="IoU 0.75 is dropped, 0.5 stays"),
        pytest.param(0.5, [0, 2, 3], id="IoU 0.5 does not exceed 0.5"),
        pytest.param(0.4, [0, 3], id="both are dropped"),
        pytest.param(1.0, [0, 1, 2, 3], id="nothing exceeds 1"),
    ],
)
def test_nms_by_hand(threshold, expected):
    assert B.nms(STACK, SCORES, threshold).tolist() == expected


@pytest.mark.parametrize("n", [0, 1, 300])
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7])
def test_nms_equal_to_torchvision(n, threshold):
    boxes, scores = random_boxes(n, n), torch.rand(n, generator=torch.Generator().manual_seed(1))
    assert torch.equal(
        B.nms(boxes, scores, threshold), torchvision.ops.nms(boxes, scores, threshold)
    )


def test_suppressed_boxes_do_not_suppress():
    # 0 drops 1; 1 would have dropped 2, but is gone.
    chain = torch.tensor([[0.0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])
    assert B.nms(chain, torch.tensor([0.9, 0.8, 0.7]), 0.4).tolist() == [0, 2]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param(
            {"iou_threshold": 0.7}, [0.9, 0.7, 0.8 * 0.25, 0.1], id="linear: times 1 - IoU"
        ),
        pytest.param(
            {"iou_threshold": 0.6},
            [0.9, 0.7, 0.8 * 0.25 * (1 - 2 / 3), 0.1],
            id="a chain of two decays",
        ),
        pytest.param({"iou_threshold": 0.9}, [0.9, 0.8, 0.7, 0.1], id="nothing exceeds it"),
    ],
)
def test_soft_nms_by_hand(settings, expected):
    keep, scores = B.soft_nms(STACK, SCORES, **settings)
    assert sorted(scores.tolist()) == pytest.approx(sorted(expected))
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    assert sorted(keep.tolist()) == [0, 1, 2, 3]


def test_soft_nms_gaussian_by_hand():
    keep, scores = B.soft_nms(STACK[[0, 2]], SCORES[[0, 2]], method="gaussian", sigma=0.5)
    assert keep.tolist() == [0, 1]
    assert scores[1].item() == pytest.approx(0.7 * torch.tensor(-0.25 / 0.5).exp().item())


def test_soft_nms_leaves_its_input_and_takes_nothing():
    scores = SCORES.clone()
    B.soft_nms(STACK, scores)
    assert torch.equal(scores, SCORES)
    keep, decayed = B.soft_nms(torch.zeros(0, 4), torch.zeros(0))
    assert keep.shape == decayed.shape == (0,)


def test_plus_one_counts_pixels():
    # 4 x 4 and 4 x 2 pixels with inclusive corners: IoU 8/16, not 3/9.
    inclusive = torch.tensor([[0.0, 0, 3, 3], [0, 0, 3, 1]])
    _, scores = B.soft_nms(inclusive, torch.tensor([1.0, 0.8]), plus_one=True)
    assert scores.tolist() == pytest.approx([1.0, 0.4])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: B.nms(STACK, SCORES[:2], 0.5), r"boxes \(N, 4\) and scores \(N,\)"),
        (lambda: B.nms(STACK[0], SCORES, 0.5), r"got \(4,\)"),
        (lambda: B.nms(STACK * float("nan"), SCORES, 0.5), "got NaN"),
        (lambda: B.soft_nms(STACK, SCORES * float("nan")), "got NaN"),
        (
            lambda: B.soft_nms(STACK, SCORES, method="hard"),
            "method: expected 'linear' or 'gaussian', got 'hard'",
        ),
        (
            lambda: B.select_detections(STACK, SCORES, score_threshold=0, iou_threshold=0.5),
            r"boxes \(P, 4\) and scores \(P, K\)",
        ),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def select_slowly(boxes, scores, score_threshold, iou_threshold, max_candidates, max_detections):
    """Class by class, everything, then the best: the definition."""
    rows = []
    for label in range(1, scores.shape[1]):
        own = (scores[:, label] > score_threshold).nonzero()[:, 0]
        own = own[scores[own, label].argsort(descending=True)][:max_candidates]
        kept = own[torchvision.ops.nms(boxes[own], scores[own, label], iou_threshold)]
        rows += [(float(scores[i, label]), label, int(i)) for i in kept]
    return sorted(rows, reverse=True)[:max_detections]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("max_candidates", "max_detections", "iou_threshold"),
    [(None, 10, 0.5), (7, 10, 0.5), (5, 500, 0.45), (None, 40, 0.05)],
)
def test_select_is_nms_class_by_class(seed, max_candidates, max_detections, iou_threshold):
    g = torch.Generator().manual_seed(seed)
    boxes = random_boxes(400, seed, side=1.0)
    scores = (3 * torch.randn(400, 6, generator=g)).softmax(-1)
    found = B.select_detections(
        boxes, scores, score_threshold=0.05, iou_threshold=iou_threshold,
        max_candidates=max_candidates, max_detections=max_detections,
    )  # fmt: skip
    expected = select_slowly(boxes, scores, 0.05, iou_threshold, max_candidates, max_detections)
    assert len(expected) > 5
    assert found["scores"].tolist() == [score for score, _, _ in expected]
    assert found["labels"].tolist() == [label for _, label, _ in expected]
    assert found["priors"].tolist() == [prior for _, _, prior in expected]
    assert torch.equal(found["boxes"], boxes[found["priors"]])


def test_select_finds_nothing():
    scores = torch.tensor([[1.0, 0.0, 0.0]] * 4)
    found = B.select_detections(STACK, scores, score_threshold=0.01, iou_threshold=0.5)
    assert {k: tuple(v.shape) for k, v in found.items()} == {
        "boxes": (0, 4),
        "scores": (0,),
        "labels": (0,),
        "priors": (0,),
    }
    assert found["labels"].dtype == torch.int64


@pytest.mark.parametrize("select", [B.select_detections, B.select_soft, B.select_weighted])
@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_select_refuses_a_box_that_is_not_finite(select, number):
    """One infinite box switched NMS off for all the others."""
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [9, 9, float(number), 20]])
    scores = torch.tensor([[0.1, 0.9], [0.1, 0.8], [0.1, 0.6]])
    message = rf"^boxes: expected finite numbers, box 2 is \[9\.0, 9\.0, {number}, 20\.0\]"
    with pytest.raises(ValueError, match=message):
        select(boxes, scores, score_threshold=0.2, iou_threshold=0.5)
    assert select(boxes[:2], scores[:2], score_threshold=0.2, iou_threshold=0.5)["priors"][0] == 0


@pytest.mark.parametrize("select", [B.select_detections, B.select_soft, B.select_weighted])
@pytest.mark.parametrize("name", ["max_detections", "max_candidates"])
@pytest.mark.parametrize("limit", [-1, 0, 2.5])
def test_select_refuses_a_limit_that_is_none(select, name, limit):
    scores = torch.tensor([[0.1, 0.9]] * 4)
    message = f"^{name}: expected a whole number of at least 1, got {limit}"
    with pytest.raises(ValueError, match=message):
        select(STACK, scores, score_threshold=0.2, iou_threshold=0.5, **{name: limit})


@pytest.mark.parametrize("select", [B.select_detections, B.select_soft, B.select_weighted])
def test_select_with_no_class_but_the_background(select):
    limits = {"score_threshold": 0.2, "iou_threshold": 0.5}
    found = select(STACK, torch.ones(4, 1), **limits)
    assert [tuple(part.shape) for part in found.values()] == [(0, 4), (0,), (0,), (0,)]
    assert found["labels"].dtype == found["priors"].dtype == torch.int64
    with pytest.raises(ValueError, match=r"boxes \(P, 4\) and scores \(P, K\), .* and \(4, 0\)"):
        select(STACK, torch.ones(4, 0), **limits)


def test_select_weighted_refuses_points_of_other_boxes():
    with pytest.raises(
        ValueError, match=r"keypoints: expected \(P, J, 2\) with P = 4, got \(5, 6, 2"
    ):
        B.select_weighted(
            STACK, torch.ones(4, 2), torch.zeros(5, 6, 2), score_threshold=0.2, iou_threshold=0.5
        )


@pytest.mark.parametrize("far", [1e6, 1e9, 1e17, 3e38])
def test_a_box_far_away_costs_the_others_no_digit(far):
    """Moving classes apart by its distance rounded all boxes of the later classes to nothing."""
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 4, 4], [9, 9, far, 20], [0, 0, 4, 1]])
    scores = torch.tensor([[0.0, 0.3, 0.9], [0, 0.5, 0.8], [0, 0.6, 0], [0, 0, 0.7]])
    found = B.select_detections(boxes, scores, score_threshold=0.2, iou_threshold=0.5)
    assert found["priors"].tolist() == [0, 3, 2, 1]
    assert found["labels"].tolist() == [2, 2, 1, 1]


# ---------------------------------------------------------------- weighted NMS


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.7, 1.0])
def test_weighted_nms_keeps_what_nms_keeps(threshold):
    boxes = random_boxes(60, 7)
    scores = torch.rand(60, generator=torch.Generator().manual_seed(7)) + 0.01
    keep, weights = B.weighted_nms(boxes, scores, threshold)
    assert keep.tolist() == B.nms(boxes, scores, threshold).tolist()
    torch.testing.assert_close(weights.sum(1), torch.ones(len(keep)))
    # every box is in exactly one cluster
    assert ((weights > 0).sum(0) == 1).all()


def test_weighted_nms_by_hand():
    # IoU 0.5 joins the first two; weights 0.8 and 0.2 of 1.0
    boxes = torch.tensor([[0.0, 0, 4, 2], [0, 0, 4, 4], [20, 20, 24, 24]])
    keep, weights = B.weighted_nms(boxes, torch.tensor([0.2, 0.8, 0.5]), 0.3)
    assert keep.tolist() == [1, 2]
    torch.testing.assert_close(weights @ boxes, torch.tensor([[0, 0, 4, 3.6], [20, 20, 24, 24]]))


def test_weighted_nms_overlap_counts_with_the_best_box_not_with_the_mean():
    # a chain: each box overlaps its neighbour alone
    boxes = torch.tensor([[0.0, 0, 4, 4], [2, 0, 6, 4], [4, 0, 8, 4]])
    keep, weights = B.weighted_nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.3)
    assert keep.tolist() == [0, 2]
    assert (weights > 0).tolist() == [[True, True, False], [False, False, True]]


def test_weighted_nms_of_nothing_and_of_a_box_without_area():
    keep, weights = B.weighted_nms(torch.zeros(0, 4), torch.zeros(0), 0.3)
    assert keep.shape == (0,) and weights.shape == (0, 0)
    keep, weights = B.weighted_nms(torch.ones(1, 4), torch.ones(1), 0.3)
    assert keep.tolist() == [0] and weights.tolist() == [[1.0]]


def test_weighted_nms_refuses_scores_that_are_no_weights():
    with pytest.raises(ValueError, match="above 0"):
        B.weighted_nms(torch.tensor([[0.0, 0, 1, 1]]), torch.zeros(1), 0.3)
