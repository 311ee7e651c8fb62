"""Formats, IoU, clipping and checking, by hand and against torchvision."""

import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st

from detlearn import boxes as B


def random_boxes(n: int, seed: int, side: float = 10.0) -> torch.Tensor:
    g = torch.Generator().manual_seed(seed)
    corners = torch.rand(n, 2, 2, generator=g) * side
    low, high = corners.amin(1), corners.amax(1)
    return torch.cat([low, high + 0.01], dim=1)


PAIRS = [("xyxy", "cxcywh"), ("xyxy", "xywh"), ("cxcywh", "xyxy"), ("xywh", "xyxy")]


@pytest.mark.parametrize(("source", "target"), PAIRS)
@pytest.mark.parametrize("shape", [(0, 4), (5, 4), (2, 3, 4)])
def test_formats_agree_with_torchvision(source, target, shape):
    n = int(torch.tensor(shape[:-1]).prod())
    boxes = B.xyxy_to_cxcywh(random_boxes(n, 0)).reshape(shape)
    ours = getattr(B, f"{source}_to_{target}")(boxes)
    theirs = torchvision.ops.box_convert(boxes, source, target)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param([0, 0, 2, 2], [0, 0, 2, 2], 1.0, id="the same"),
        pytest.param([0, 0, 2, 2], [2, 0, 4, 2], 0.0, id="a common edge is no area"),
        pytest.param(
            [0, 0, 2, 2], [3, 3, 4, 4], 0.0, id="apart on both axes: no area from two negatives"
        ),
        pytest.param([0, 0, 4, 4], [1, 1, 3, 3], 4 / 16, id="one inside the other"),
        pytest.param([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7, id="corners overlap"),
        pytest.param([0, 0, 0, 0], [0, 0, 0, 0], 0.0, id="two points: 0, not NaN"),
    ],
)
def test_iou_by_hand(first, second, expected):
    a, b = torch.tensor([first], dtype=torch.float32), torch.tensor([second], dtype=torch.float32)
    assert B.box_iou(a, b).item() == pytest.approx(expected)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0), (7, 11)])
def test_iou_agrees_with_torchvision(n, m):
    a, b = random_boxes(n, 1), random_boxes(m, 2)
    torch.testing.assert_close(B.box_iou(a, b), torchvision.ops.box_iou(a, b))
    assert B.box_iou(a, b).shape == (n, m)


coordinate = st.floats(-1e3, 1e3, width=32)


@given(st.lists(st.tuples(coordinate, coordinate, coordinate, coordinate), min_size=1, max_size=5))
def test_iou_is_symmetric_and_bounded(rows):
    b = torch.tensor(rows)
    b = torch.cat([torch.minimum(b[:, :2], b[:, 2:]), torch.maximum(b[:, :2], b[:, 2:])], 1)
    iou = B.box_iou(b, b)
    assert torch.equal(iou, iou.T)
    assert (iou >= 0).all() and (iou <= 1 + 1e-6).all()


def test_clip_agrees_with_torchvision_and_leaves_its_input():
    boxes = torch.tensor([[-5.0, 2.0, 30.0, 25.0], [1.0, 1.0, 2.0, 2.0]])
    before = boxes.clone()
    torch.testing.assert_close(
        B.clip_boxes(boxes, 20, 10), torchvision.ops.clip_boxes_to_image(boxes, (20, 10))
    )
    assert torch.equal(boxes, before)


def test_resize_there_and_back():
    boxes = random_boxes(4, 3)
    there = B.resize_boxes(boxes, (10, 20), (300, 300))
    torch.testing.assert_close(there[:, 0] / boxes[:, 0], torch.full((4,), 15.0))  # x by 300 / 20
    torch.testing.assert_close(there[:, 1] / boxes[:, 1], torch.full((4,), 30.0))  # y by 300 / 10
    torch.testing.assert_close(B.resize_boxes(there, (300, 300), (10, 20)), boxes)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int64])
def test_resize_whole_numbers(dtype):
    """The scales were made whole numbers, too: zeros."""
    boxes = torch.tensor([[10, 20, 30, 45]], dtype=dtype)
    half = B.resize_boxes(boxes, (100, 200), (50, 100))
    assert half.dtype == torch.get_default_dtype() and half.tolist() == [[5.0, 10.0, 15.0, 22.5]]


NARROW = [torch.bool, torch.uint8, torch.int8, torch.int16]


@pytest.mark.parametrize("dtype", NARROW)
@pytest.mark.parametrize("function", [B.box_area, *(getattr(B, f"{a}_to_{b}") for a, b in PAIRS)])
def test_whole_numbers_of_few_bits_are_refused(function, dtype):
    """A byte ends at 255: areas and sums wrapped around."""
    boxes = torch.tensor([[10, 20, 100, 120]])
    message = f"^boxes: expected a floating dtype, int32 or int64, got {dtype}"
    with pytest.raises(ValueError, match=message):
        function(boxes.to(dtype))
    assert torch.equal(function(boxes).double(), function(boxes.double()))


NAN, INF = float("nan"), float("inf")
GOOD = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 5.0, 5.0]])
LABELS = torch.tensor([1, 2])


@pytest.mark.parametrize(
    ("boxes", "labels", "message"),
    [
        pytest.param([[1.0, 2, 3, 4]], None, "expected a tensor of boxes, got list", id="a list"),
        pytest.param(
            torch.zeros(4), None, r"shape \(G, 4\), got \(4,\)", id="one box without its axis"
        ),
        pytest.param(
            torch.zeros(0), None, r"shape \(G, 4\), got \(0,\)", id="an empty list made a tensor"
        ),
        pytest.param(torch.zeros(2, 5), None, r"got \(2, 5\)", id="five numbers"),
        pytest.param(GOOD.int(), None, "floating dtype, got torch.int32", id="integer boxes"),
        pytest.param(
            torch.tensor([[0.0, 0, 1, 1], [0, 0, NAN, 1]]), None, "box 1 is .*finite", id="NaN"
        ),
        pytest.param(torch.tensor([[0.0, 0, INF, 1]]), None, "box 0 is .*finite", id="infinite"),
        pytest.param(torch.tensor([[3.0, 0, 1, 1]]), None, "x1 < x2", id="corners swapped"),
        pytest.param(torch.tensor([[1.0, 0, 1, 1]]), None, "x1 < x2", id="no width"),
        pytest.param(torch.tensor([[0.0, 1, 1, 1]]), None, "y1 < y2", id="no height"),
        pytest.param(
            torch.tensor([[-1.0, 0, 1, 1]]),
            None,
            "inside the image of height 10, width 20",
            id="left of it",
        ),
        pytest.param(torch.tensor([[0.0, 0, 10, 11]]), None, "inside the image", id="below it"),
        pytest.param(GOOD, torch.tensor([1]), "2 boxes but 1 labels", id="a label is missing"),
        pytest.param(
            GOOD,
            torch.tensor([1, 0]),
            r"labels\[1\] is 0: expected at least 1",
            id="the background's label",
        ),
        pytest.param(GOOD, torch.tensor([-1, 1]), r"labels\[0\] is -1", id="a negative label"),
        pytest.param(
            GOOD,
            torch.tensor([1, 9]),
            r"labels\[1\] is 9.*below num_classes = 9",
            id="a class too many",
        ),
        pytest.param(GOOD, torch.tensor([1.0, 2.0]), "integer labels", id="labels as floats"),
        pytest.param(GOOD, torch.tensor([True, True]), "integer labels", id="labels as booleans"),
        pytest.param(GOOD, LABELS[:, None], r"shape \(2,\), got \(2, 1\)", id="labels in a column"),
    ],
)
def test_check_boxes_refuses(boxes, labels, message):
    with pytest.raises(ValueError, match=r"^cat\.jpg: .*" + message):
        B.check_boxes(boxes, labels, size=(10, 20), num_classes=9, name="cat.jpg")


@pytest.mark.parametrize(
    ("boxes", "labels"),
    [
        pytest.param(
            torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), id="an image without objects"
        ),
        pytest.param(GOOD, LABELS, id="two objects"),
        pytest.param(GOOD.double(), LABELS.int(), id="other dtypes"),
        pytest.param(
            torch.tensor([[0.0, 0.0, 20.005, 10.0]]),
            torch.tensor([1]),
            id="a rounding error outside",
        ),
    ],
)
def test_check_boxes_accepts(boxes, labels):
    B.check_boxes(boxes, labels, size=(10, 20), num_classes=9)
