"""The fuse-matrix explorer: its JavaScript against `FuseLayer`, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from detlearn.models.hrnet import FuseLayer, HighResolutionModule
from detlearn.show import FuseMatrixExplorer
from detlearn.teach.exercises import nb10
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node, same

FILTER = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=torch.float64) / 16
WIDTHS, SIZE = (5, 7, 11, 13), (16, 24)
needs_node = pytest.mark.skipif(NODE is None, reason="node runs the explorer's arithmetic")


def compute(expression, cases=None):
    return in_node(expression, cases=cases, module="fuse_matrix.js", browser=BROWSER)


def one_channel(receiver, giver, weight):
    """The package's cell with the explorer's filters; its last convolution counts `weight` times."""
    cell = FuseLayer(receiver, giver, (1,) * 4).double().eval()
    convolutions = [layer for layer in cell.modules() if isinstance(layer, nn.Conv2d)]
    for conv in convolutions:
        conv.weight.data[:] = FILTER if conv.kernel_size == (3, 3) else 1.0
    for layer in cell.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0.0
    if convolutions:
        convolutions[-1].weight.data *= weight
    return cell


@needs_node
@pytest.mark.parametrize("weight", [1.0, -0.75])
def test_the_browser_hears_what_a_fuse_layer_makes(weight):
    torch.manual_seed(0)
    maps = [torch.randn(1, 1, 16 // 2**k, 16 // 2**k, dtype=torch.float64) for k in range(4)]
    cases = [{"side": m.shape[-1], "values": m.flatten().tolist()} for m in maps]
    weights = [[weight if i != j else 1 for j in range(4)] for i in range(4)]
    heard = compute(f"fuse(cases, {weights})", cases)
    with torch.no_grad():
        for i in range(4):
            row = [one_channel(i, j, weight)(maps[j]) for j in range(4)]
            for j in range(4):
                assert heard["cells"][i][j]["side"] == row[j].shape[-1]
                same(heard["cells"][i][j]["values"], row[j])
            same(heard["outputs"][i]["values"], sum(row).relu())


@needs_node
def test_every_step_of_a_way_is_a_layer():
    picture = torch.rand(1, 1, 16, 16, dtype=torch.float64)
    case = {"side": 16, "values": picture.flatten().tolist()}
    trail = compute("way(3, 0, cases, -0.5)", case)
    maps = picture
    with torch.no_grad():
        for step, brick in zip(trail[1:], one_channel(3, 0, -0.5), strict=True):
            maps = brick(maps)
            same(step["values"], maps)
    assert [step["side"] for step in trail] == [16, 8, 4, 2]
    small = {"side": 2, "values": [1, 2, 3, 4]}
    assert [step["side"] for step in compute("way(0, 1, cases)", small)] == [2, 2, 4]
    assert compute("way(2, 2, cases)", small) == [small]


@needs_node
def test_a_cell_that_is_off_is_not_heard():
    small = [{"side": 4, "values": [1.0] * 16}, {"side": 2, "values": [5.0, 0, 0, -9]}]
    found = compute("fuse(cases, [[1, null], [null, 1]])", small)
    assert found["cells"][0][1] is None
    assert found["outputs"][0]["values"] == [1] * 16
    assert found["outputs"][1]["values"] == [5, 0, 0, 0]


@needs_node
def test_shapes_and_prices_are_those_of_the_package():
    told = compute(
        f"[0, 1, 2, 3].map((i) => [0, 1, 2, 3].map((j) => steps(i, j, {list(WIDTHS)}, "
        f"{list(SIZE)})))"
    )
    for i in range(4):
        for j in range(4):
            cell, macs = FuseLayer(i, j, WIDTHS).eval(), []
            for layer in cell.modules():
                if isinstance(layer, nn.Conv2d):
                    layer.register_forward_hook(
                        lambda conv, given, out, macs=macs: macs.append(
                            conv.weight[0].numel() * out.numel()
                        )
                    )
            out = cell(torch.zeros(1, WIDTHS[j], SIZE[0] // 2**j, SIZE[1] // 2**j))
            last = told[i][j][-1]
            assert (last["channels"], last["height"], last["width"]) == tuple(out.shape[1:])
            assert sum(s["parameters"] for s in told[i][j]) == sum(
                p.numel() for p in cell.parameters()
            )
            assert [s["macs"] for s in told[i][j] if s["macs"]] == macs
    assert [step["words"] for step in told[2][0]] == [
        "3×3, stride 2, BN, ReLU",
        "3×3, stride 2, BN",
    ]
    assert [step["words"] for step in told[0][2]] == ["1×1, BN", "nearest ×4"]


@needs_node
def test_the_moves_are_what_the_explorer_shows():
    cells = "fuse(lit({}), [0, 1, 2, 3].map(() => [1, 1, 1, 1])).outputs[{}].values.filter(Boolean)"
    fine = len(compute(cells.format("'3', 4, 0, 0", 0)))
    odd, even = (len(compute(cells.format(f"'0', 4, {k}, {k}", 1))) for k in (7, 8))
    price = {
        (i, j): sum(p.numel() for p in FuseLayer(i, j, (32, 64, 128, 256)).parameters())
        for i in range(4)
        for j in range(4)
    }
    assert nb10.moves.check((fine, (odd, even), max(price, key=price.__getitem__)))
    assert sum(price.values()) == 784_512
    assert price[3, 2] > 784_512 / 3


@needs_node
def test_the_scene_has_both_objects_on_fine_maps_and_the_large_one_on_coarse():
    maps = compute("lit('scene', 4)")
    assert [one["side"] for one in maps] == [16, 8, 4, 2]
    assert sum(v > 0 for v in maps[0]["values"]) == 12 + 28  # two outlines
    assert [sum(v > 0 for v in one["values"]) for one in maps[1:]] == [4 + 16, 4, 1]


def test_by_hand_two_branches_are_a_module():
    """§2 of the notebook, with the package's module."""
    module = HighResolutionModule((1, 1), num_blocks=1).eval()
    module.branches = nn.ModuleList(nn.Identity() for _ in range(2))
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0.0
    module.fuse[0][1].conv.weight.data.fill_(-1)
    module.fuse[1][0][0].conv.weight.data.fill_(1)
    fine = torch.tensor([[1.0, 0, 0, 3], [0, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]])
    with torch.no_grad():
        found = module([fine[None, None], torch.tensor([[1.0, 0], [2, 1]])[None, None]])
    assert found[0][0, 0].tolist() == [[0, 0, 0, 3], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert found[1][0, 0].tolist() == [[2, 3], [2, 3]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (32,)}, r"widths: expected 2 to 4, each at least 1, got \(32,\)"),
        ({"widths": (1, 2, 4, 8, 16)}, "widths: expected 2 to 4"),
        ({"widths": (1, 0)}, "widths: expected 2 to 4, each at least 1"),
        ({"size": (64, 44)}, r"size: expected \(height, width\), multiples of 8, got \(64, 44\)"),
        ({"receiver": 4}, "receiver: expected 0 to 3, got 4"),
        ({"widths": (3, 4), "giver": 2}, "giver: expected 0 to 1, got 2"),
    ],
)
def test_faults_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        FuseMatrixExplorer(**arguments)


def test_what_the_browser_is_told():
    explorer = FuseMatrixExplorer((3, 4, 5), (8, 12), receiver=2, giver=0)
    assert explorer.options() == {
        "widths": [3, 4, 5], "size": [8, 12], "receiver": 2, "giver": 0,
    }  # fmt: skip
    assert repr(explorer) == (
        "Explorer of the fuse matrix: 3 branches of 3, 4, 5 channels, 8 x 12 cells."
    )
