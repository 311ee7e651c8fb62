"""The blocks: order of the head's rows, L2Norm, initial values."""

import pytest
import torch
from torch import nn

from detlearn.boxes import PriorBox, PriorConfig
from detlearn.models.layers import (
    ConvBlock,
    ExtraBlock,
    L2Norm,
    MultiBoxHead,
    SeparableConv,
    flatten_level,
    init_xavier,
)


@pytest.mark.parametrize(
    ("shape", "numbers"),
    [
        pytest.param((0, 4, 2, 2), 4, id="no images"),
        pytest.param((1, 4, 1, 1), 4, id="one cell, one prior"),
        pytest.param((1, 6, 1, 1), 3, id="one cell, two priors"),
        pytest.param((2, 12, 2, 3), 4, id="three priors, a map that is not square"),
    ],
)
def test_flatten_level_says_where_each_number_goes(shape, numbers):
    B, channels, H, W = shape
    A = channels // numbers
    maps = torch.arange(B * channels * H * W, dtype=torch.float32).reshape(shape)
    rows = flatten_level(maps, numbers)
    assert rows.shape == (B, H * W * A, numbers)
    for b in range(B):
        for y in range(H):
            for x in range(W):
                for a in range(A):
                    for k in range(numbers):
                        got = rows[b, (y * W + x) * A + a, k]
                        assert got == maps[b, a * numbers + k, y, x]


@pytest.mark.parametrize("kind", ["conv", "separable"])
def test_head_and_priors_have_the_same_order(kind):
    # Light up one cell: only the priors of that cell and its neighbours may answer.
    layout = PriorConfig(32, (4, 2), (8, 16), (8, 16), (16, 32), ((2,), (2, 3)))
    head = MultiBoxHead([32, 5], layout.priors_per_cell, num_classes=7, kind=kind).eval()
    dark = [torch.zeros(1, 32, 4, 4), torch.zeros(1, 5, 2, 2)]
    lit = [maps.clone() for maps in dark]
    lit[0][0, :, 1, 3] = 1.0
    with torch.no_grad():
        for before, after in zip(head(dark), head(lit), strict=True):
            changed = (before != after).any(dim=-1)[0].nonzero().flatten().tolist()
            cells = {PriorBox(layout).locate(index)[:3] for index in changed}
            neighbours = {(0, row, column) for row in (0, 1, 2) for column in (2, 3)}
            assert cells == neighbours


def test_head_gives_each_prior_its_own_bias():
    head = MultiBoxHead([3], [2], num_classes=5)
    with torch.no_grad():
        head.logits[0].bias.copy_(torch.arange(10.0))
        head.deltas[0].bias.copy_(torch.arange(8.0))
        logits, deltas = head([torch.zeros(1, 3, 1, 2)])
    first, second = [0.0, 1, 2, 3, 4], [5.0, 6, 7, 8, 9]
    assert logits[0].tolist() == [first, second, first, second]
    assert deltas[0, :2].tolist() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_head_wants_a_map_for_each_level():
    head = MultiBoxHead([3, 3], [2, 2], num_classes=5)
    with pytest.raises(ValueError):
        head([torch.zeros(1, 3, 1, 1)])


def test_l2norm_gives_every_cell_the_length_of_the_scale():
    maps = torch.randn(2, 16, 3, 5)
    lengths = L2Norm(16, scale=20.0)(maps).norm(dim=1)
    torch.testing.assert_close(lengths, torch.full((2, 3, 5), 20.0))


def test_l2norm_leaves_nothing_as_nothing():
    maps = torch.zeros(1, 4, 2, 2, requires_grad=True)
    out = L2Norm(4)(maps)
    out.sum().backward()
    assert (out == 0).all() and maps.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_l2norm_survives_half_precision(dtype):
    # 300² overflows float16, and its eps of 1e-12 is zero there.
    maps = torch.full((1, 512, 1, 2), 300.0, dtype=dtype)
    maps[..., 1] = 0
    out = L2Norm(512)(maps)
    torch.testing.assert_close(out[0, :, 0, 0], torch.full((512,), 20 / 512**0.5))
    assert (out[..., 1] == 0).all()


def test_l2norm_learns_one_number_a_channel():
    layer = L2Norm(3, scale=10)
    assert layer.scale.shape == (3,) and (layer.scale == 10).all()
    layer(torch.randn(1, 3, 2, 2)).sum().backward()
    assert layer.scale.grad.shape == (3,)


@pytest.mark.parametrize(
    ("norm", "names"),
    [(False, ["conv", "relu"]), (True, ["conv", "bn", "relu"])],
    ids=["paper", "BatchNorm"],
)
def test_conv_block_has_a_bias_or_a_norm(norm, names):
    block = ConvBlock(3, 4, 3, norm=norm)
    assert [name for name, _ in block.named_children()] == names
    assert (block.conv.bias is None) == norm


@pytest.mark.parametrize(
    ("arguments", "side"),
    [
        pytest.param((3, 2, 1), 10, id="conv8_2 halves 19"),
        pytest.param((3, 1, 0), 17, id="conv10_2 has no padding"),
        pytest.param((4, 1, 1), 18, id="conv12_2 of SSD512"),
    ],
)
def test_extra_block_shrinks(arguments, side):
    block = ExtraBlock(8, 4, 6, *arguments)
    assert block(torch.zeros(1, 8, 19, 19)).shape == (1, 6, side, side)


def test_separable_conv_counts():
    # depthwise 9 + 1 for each channel, BatchNorm 2 for each channel, pointwise
    conv = SeparableConv(64, 24)
    assert sum(p.numel() for p in conv.parameters()) == 64 * 10 + 64 * 2 + 64 * 24 + 24


def test_init_xavier_zeroes_biases_and_leaves_norms_alone():
    block = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1, bias=False))
    before = block[0].weight.clone()
    init_xavier(block)
    assert (block[0].bias == 0).all() and (block[0].weight != before).any()
    assert (block[1].weight == 1).all()
    assert block[0].weight.abs().max() <= (6 / (27 + 72)) ** 0.5
