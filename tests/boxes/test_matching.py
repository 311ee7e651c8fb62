"""Who is responsible for whom."""

import pytest
import torch
from torchvision.models.detection._utils import SSDMatcher

from detlearn import boxes as B
from tests.boxes.test_geometry import random_boxes

# Four priors that tile the image like a window.
WINDOW = torch.tensor(
    [[0.25, 0.25, 0.5, 0.5], [0.75, 0.25, 0.5, 0.5], [0.25, 0.75, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]]
)


@pytest.mark.parametrize(
    ("boxes", "expected", "forced"),
    [
        pytest.param([], [-1, -1, -1, -1], [], id="no object: all background"),
        pytest.param([[0.0, 0.0, 0.5, 0.5]], [0, -1, -1, -1], [0], id="one object on its prior"),
        pytest.param([[0.6, 0.6, 0.7, 0.7]], [-1, -1, -1, 0], [3], id="small: forces its prior"),
        pytest.param([[0.0, 0.0, 1.0, 0.5]], [0, 0, -1, -1], [0], id="IoU 0.5 with two: both"),
        pytest.param(
            [[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.5, 0.45]],
            [1, -1, -1, -1],
            [0],
            id="contested: the later one",
        ),
        pytest.param(
            [[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0], [0.1, 0.1, 0.2, 0.2]],
            [2, -1, -1, 1],
            [0, 3],
            id="a forced claim beats a better overlap",
        ),
    ],
)
def test_by_hand(boxes, expected, forced):
    found = B.match(torch.tensor(boxes).reshape(-1, 4), WINDOW)
    assert found.gt_index.tolist() == expected
    assert found.forced.nonzero()[:, 0].tolist() == forced


def test_equality_is_a_choice():
    wide = torch.tensor([[0.0, 0.0, 1.0, 0.5]])  # IoU 0.5 exactly with priors 0 and 1
    assert B.match(wide, WINDOW, inclusive=True).gt_index.tolist() == [0, 0, -1, -1]
    assert B.match(wide, WINDOW, inclusive=False).gt_index.tolist() == [
        0,
        -1,
        -1,
        -1,
    ]  # 0 is forced
    assert B.match(wide, WINDOW, inclusive=False, force=False).gt_index.tolist() == [-1, -1, -1, -1]


@pytest.mark.parametrize("seed", range(10))
def test_equal_to_torchvision(seed):
    g = torch.Generator().manual_seed(seed)
    size = torch.rand(12, 2, generator=g) * 0.4 + 0.05
    corner = torch.rand(12, 2, generator=g) * (1 - size)
    boxes = torch.cat([corner, corner + size], dim=1)
    boxes = torch.cat([boxes, boxes[:2]])  # two contested priors
    priors = B.make_priors(B.SSD300_VOC_PRIORS)
    theirs = SSDMatcher(0.5)(B.box_iou(boxes, B.cxcywh_to_xyxy(priors)))
    ours = B.match(boxes, priors).gt_index
    assert torch.equal(ours, theirs.clamp(min=-1))
    assert {2, 12, 13} <= set(ours.tolist())  # the copies took over the contested priors


def test_targets_fill_background_with_zeros():
    targets = B.make_targets(torch.tensor([[0.0, 0.0, 0.5, 0.4]]), torch.tensor([7]), WINDOW)
    assert targets.labels.tolist() == [7, 0, 0, 0]
    assert targets.labels.dtype == torch.int64
    assert torch.equal(targets.deltas[1:], torch.zeros(3, 4))
    torch.testing.assert_close(
        B.decode(targets.deltas[:1], WINDOW[:1]), torch.tensor([[0.0, 0.0, 0.5, 0.4]])
    )


def test_targets_without_objects():
    targets = B.make_targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), WINDOW)
    assert targets.labels.tolist() == [0, 0, 0, 0]
    assert not targets.deltas.any()


@pytest.mark.parametrize("n", [0, 1, 700])
def test_coverage_is_the_best_iou(n):
    boxes = random_boxes(n, 5, side=1.0)
    priors = B.make_priors(B.REFINEDET320_PRIORS)
    expected = B.box_iou(boxes, B.cxcywh_to_xyxy(priors)).amax(1) if n else torch.zeros(0)
    assert torch.equal(B.coverage(boxes, priors), expected)
