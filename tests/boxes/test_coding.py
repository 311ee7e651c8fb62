"""encode and decode undo each other, and are torchvision's BoxCoder."""

import math

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder

from detlearn import boxes as B
from tests.boxes.test_geometry import random_boxes


@pytest.mark.parametrize("shape", [(0, 4), (9, 4), (2, 3, 4)])
@pytest.mark.parametrize("scales", [(0.1, 0.2), (1.0, 1.0)])
def test_round_trip(shape, scales):
    n = math.prod(shape[:-1])
    boxes = random_boxes(n, 0).double().reshape(shape)
    priors = B.xyxy_to_cxcywh(random_boxes(n, 1).double()).reshape(shape)
    deltas = B.encode(boxes, priors, scales)
    torch.testing.assert_close(B.decode(deltas, priors, scales, max_log=math.inf), boxes)


def test_equal_to_torchvision():
    boxes, anchors = random_boxes(50, 2), random_boxes(50, 3)
    coder = BoxCoder(weights=(10.0, 10.0, 5.0, 5.0))
    priors = B.xyxy_to_cxcywh(anchors)
    deltas = B.encode(boxes, priors)
    torch.testing.assert_close(deltas, coder.encode_single(boxes, anchors), atol=1e-3, rtol=1e-4)
    wild = 20 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))  # reaches the bound
    torch.testing.assert_close(
        B.decode(wild, priors), coder.decode_single(wild, anchors), atol=1e-3, rtol=1e-4
    )


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        pytest.param([0.4, 0.3, 0.6, 0.7], [0, 0, 0, 0], id="the prior itself"),
        pytest.param([0.42, 0.3, 0.62, 0.7], [1, 0, 0, 0], id="a tenth of its width to the right"),
        pytest.param([0.4, 0.34, 0.6, 0.74], [0, 1, 0, 0], id="a tenth of its height down"),
        pytest.param([0.3, 0.3, 0.7, 0.7], [0, 0, math.log(2) / 0.2, 0], id="twice as wide"),
        pytest.param([0.4, 0.4, 0.6, 0.6], [0, 0, 0, -math.log(2) / 0.2], id="half as high"),
    ],
)
def test_by_hand(box, expected):
    prior = torch.tensor([0.5, 0.5, 0.2, 0.4], dtype=torch.float64)
    deltas = B.encode(torch.tensor(box, dtype=torch.float64), prior)
    torch.testing.assert_close(
        deltas, torch.tensor(expected, dtype=torch.float64), atol=1e-9, rtol=0
    )


def test_untrained_networks_stay_finite():
    boxes = B.decode(torch.full((1, 4), 1e4), torch.tensor([[0.5, 0.5, 0.1, 0.1]]))
    assert torch.isfinite(boxes).all()
    width = boxes[0, 2] - boxes[0, 0]
    assert width.item() == pytest.approx(0.1 * 62.5, rel=1e-4)


def test_gradients_flow():
    deltas = torch.zeros(3, 4, requires_grad=True)
    B.decode(deltas, torch.full((3, 4), 0.5)).sum().backward()
    assert deltas.grad is not None and torch.isfinite(deltas.grad).all()


@pytest.mark.parametrize("shape", [(0, 4), (9, 4), (2, 3, 4)])
@pytest.mark.parametrize("scales", [(0.1, 0.2), (1.0, 1.0)])
def test_round_trip_of_linear_sizes(shape, scales):
    n = math.prod(shape[:-1])
    boxes = random_boxes(n, 0).double().reshape(shape)
    priors = B.xyxy_to_cxcywh(random_boxes(n, 1).double()).reshape(shape)
    deltas = B.encode_linear(boxes, priors, scales)
    torch.testing.assert_close(B.decode_linear(deltas, priors, scales), boxes)


def test_linear_sizes_are_the_exponentials_of_log_sizes():
    boxes, priors = random_boxes(30, 4).double(), B.xyxy_to_cxcywh(random_boxes(30, 5).double())
    linear, log = B.encode_linear(boxes, priors), B.encode(boxes, priors, scales=(1.0, 1.0))
    torch.testing.assert_close(linear[:, :2], log[:, :2])
    torch.testing.assert_close(linear[:, 2:], log[:, 2:].exp())
    for scales in ((0.1, 0.2), (1.0, 1.0)):
        torch.testing.assert_close(
            B.linear_from_log(B.encode(boxes, priors, scales), scales),
            B.encode_linear(boxes, priors, scales),
        )


def test_a_size_below_zero_is_a_box_without_area():
    prior = torch.tensor([[0.5, 0.5, 0.2, 0.2]])
    box = B.decode_linear(torch.tensor([[0.0, 0.0, -1.0, 1.0]]), prior)
    torch.testing.assert_close(box, torch.tensor([[0.5, 0.4, 0.5, 0.6]]))


@pytest.mark.parametrize("function", [B.encode_linear, B.decode_linear])
def test_linear_coding_refuses_rows_of_three(function):
    with pytest.raises(ValueError, match=r"expected \(\.\.\., 4\)"):
        function(torch.zeros(2, 3), torch.zeros(2, 4))
