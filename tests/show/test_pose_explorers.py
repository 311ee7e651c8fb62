"""The explorers of heat maps and of branches: their arithmetic, what they say, what they refuse."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from detlearn import create_model
from detlearn.models import pose
from detlearn.models.hrnet import HRNetV2p
from detlearn.show import BranchExplorer, HeatMapExplorer
from detlearn.teach.exercises import nb11
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node, same

IMAGE = torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(2))
SIZE = (16, 20)
METHODS = ("argmax", "quarter", "dark")
needs_node = pytest.mark.skipif(NODE is None, reason="node runs the explorer's arithmetic")


def compute(expression, cases=None):
    return in_node(expression, cases=cases, module="heat_map.js", browser=BROWSER)


def places(number):
    """(N, 2) float64, all over the map, its edges too."""
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(number, 2, generator=generator, dtype=torch.float64)
    return unit * torch.tensor([SIZE[1] - 1, SIZE[0] - 1])


# ---------------------------------------------------------------- heat maps


@needs_node
@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.75, 3.0])
@pytest.mark.parametrize("rounded", [True, False])
def test_the_browser_paints_what_the_package_paints(sigma, rounded):
    joints = places(30)
    theirs = compute(
        f"cases.map((p) => makeHeatmap(p, {sigma}, {list(SIZE)}, {str(rounded).lower()}))",
        joints.tolist(),
    )
    ours = pose.make_heatmaps(joints, torch.ones(30), SIZE, SIZE, sigma, rounded=rounded).heatmaps
    same(theirs, ours.double().flatten(1))


@needs_node
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sigma", [0.75, 2.0, 3.0])
def test_the_browser_decodes_what_the_package_decodes(method, sigma):
    """Clean bumps, ragged ones, noise alone, and a map of zeros."""
    joints = places(24)
    clean = pose.make_heatmaps(joints, torch.ones(24), SIZE, SIZE, sigma, rounded=False).heatmaps
    noise = torch.tensor(compute("[1, 2, 3].map((seed) => makeNoise(320, seed))")).double()
    assert noise.abs().max() <= 1 and abs(noise.mean()) < 0.1 and 0.5 < noise.std() < 0.65
    ragged = clean.double() + 0.3 * noise[0].view(SIZE)
    maps = torch.cat([clean.double(), ragged, noise.view(3, *SIZE), torch.zeros(1, *SIZE)])
    theirs = compute(
        f"cases.map((m) => decodeMap(m, {list(SIZE)}, '{method}', {sigma}))",
        maps.flatten(1).tolist(),
    )
    same(theirs, pose.decode_heatmaps(maps, method, sigma).points)


@needs_node
def test_the_browser_blurs_as_the_package_does():
    maps = torch.rand(2, *SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    theirs = compute(f"cases.map((m) => blur(m, {list(SIZE)}, 1.5))", maps.flatten(1).tolist())
    same(theirs, pose.blur(maps, 1.5).flatten(1))


@needs_node
def test_the_moves_are_what_the_explorer_shows():
    def errors(x, rounded=False):
        told = compute(
            f"METHODS.map((m) => decodeMap(makeHeatmap([{x}, 8], 2, {list(SIZE)}, "
            f"{str(rounded).lower()}), {list(SIZE)}, m, 2))"
        )
        return [round(math.hypot(px - x, py - 8), 2) for px, py in told]

    argmax, quarter, dark = errors(10.4)
    assert dark == 0
    largest = max(errors(round(10 + 0.05 * k, 2))[1] for k in range(21))
    edge = errors(1.3)
    better = sum(error < edge[0] for error in edge)
    branches = BranchExplorer(create_model("ssd_hrnet_tiny"), torch.zeros(3, 128, 128))
    cell = 128 // branches.branches(branches.modules[-1], "after")[3].shape[-1]
    stages = []
    for name in branches.modules:
        more = len(branches.branches(name, "after")) > 2
        stages += [int(name.split()[1].rstrip(","))] * more
    assert nb11.moves.check(((argmax, quarter), errors(10.4, True)[2], largest, better))
    assert (cell, min(stages)) == (32, 3)  # the answers in the fold below the other explorer


@needs_node
def test_the_page_is_one_valid_module():
    assert compute("typeof mount") == "function"


def test_a_page_is_small_and_the_same_twice():
    page = HeatMapExplorer().to_html()
    assert len(page) <= 60_000
    assert page == HeatMapExplorer((16, 20), (9.3, 8.0), sigma=2, stride=4).to_html()
    assert page != HeatMapExplorer(rounded=True).to_html()
    assert repr(HeatMapExplorer(rounded=True)).endswith("sigma 2 px, rounded.")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"size": (7, 20)}, "size: expected (height, width) of 8 to 64, got (7, 20)"),
        ({"size": (16, 65)}, "size: expected"),
        ({"size": (16,)}, "size: expected"),
        ({"joint": (19.5, 3)}, "joint: expected x, y from 0 to 19, 15, got (19.5, 3)"),
        ({"joint": (3, -0.1)}, "joint: expected"),
        ({"joint": (3, 4, 5)}, "joint: expected"),
        ({"sigma": 0.4}, "sigma: expected"),
        ({"sigma": 1.1}, "sigma: expected one of 0.5, 0.75, ..., 3, got 1.1"),
        ({"stride": 0}, "stride: expected at least 1, got 0"),
    ],
)
def test_what_the_heat_map_explorer_refuses(settings, words):
    with pytest.raises(ValueError) as fault:
        HeatMapExplorer(**settings)
    assert words in str(fault.value)


# ---------------------------------------------------------------- branches


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return create_model("ssd_hrnet_tiny").train()


def test_branches_before_and_after_every_exchange(detector):
    explorer = BranchExplorer(detector, IMAGE)
    assert all(module.training for module in detector.modules())
    assert explorer.modules == [
        "stage 2, module 1",
        "stage 3, module 1",
        "stage 3, module 2",
        "stage 4, module 1",
        "stage 4, module 2",
    ]
    after = explorer.branches("stage 4, module 2", "after")
    assert [tuple(maps.shape) for maps in after] == [
        (16, 32, 32),
        (24, 16, 16),
        (32, 8, 8),
        (48, 4, 4),
    ]
    before = explorer.branches("stage 4, module 2", "before")
    module = detector.backbone.trunk.stages[-1][-1].eval()
    with torch.no_grad():
        heard = [
            torch.relu(sum(cell(maps[None]) for cell, maps in zip(row, before)))[0]  # noqa: B905
            for row in module.fuse
        ]
    module.train()
    for ours, theirs in zip(after, heard, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_channel_has_its_rank_and_the_words_follow(detector):
    explorer = BranchExplorer(detector, IMAGE)
    means = explorer.branches("stage 4, module 2", "after")[0].flatten(1).mean(dim=1)
    first, *_, last = explorer.channels("stage 4, module 2", "after")[0]
    assert means[first] == means.max() and means[last] == means.min()
    assert f"cells; channels {first}, " in repr(explorer)
    assert "rank 0 of 13." in repr(explorer)
    other = BranchExplorer(detector, IMAGE, module="stage 2, module 1", moment="before", rank=12)
    assert "stage 2, module 1, before its exchange; 2 branches of 32 x 32, 16 x 16" in repr(other)
    channels = [order[12] for order in other.channels("stage 2, module 1", "before")]
    assert repr(other).endswith(f"channels {channels[0]}, {channels[1]}, rank 12 of 13.")
    assert other.options()["module"] == other.options()["moment"] == 0


@needs_node
def test_the_browser_reads_every_branch_moment_and_rank(detector):
    explorer = BranchExplorer(detector, IMAGE)
    told = explorer.options()
    theirs = in_node(
        "mapsOf(cases[0], cases[1]).map((moment) => moment.map((branch) => "
        "branch.map((map) => Array.from(map))))",
        cases=[told["maps"], told["facts"]], module="branches.js", browser=BROWSER,
    )  # fmt: skip
    moments = [(name, moment) for name in explorer.modules for moment in ("before", "after")]
    assert len(theirs) == len(moments) == 10
    for place, facts, shades in zip(moments, told["facts"], theirs, strict=True):
        for maps, fact, ranks in zip(explorer.branches(*place), facts, shades, strict=True):
            assert fact["shape"] == list(maps.shape)
            assert len(ranks) == len(fact["channels"]) == explorer.ranks == 13
            for channel, peak, own in zip(fact["channels"], fact["peaks"], ranks, strict=True):
                values = maps[channel].flatten()
                assert peak == pytest.approx(float(values.max()), rel=5e-3)
                span = (values.max() - values.min()).clamp(min=1e-12)
                expected = (values - values.min()) / span * 7
                torch.testing.assert_close(torch.tensor(own).float(), expected, rtol=0, atol=0.51)


@needs_node
def test_four_branches_fit_their_place():
    """Two in a row and two rows in 490 px, whatever the picture's shape."""
    for wide, shape in ((536, 1), (366, 1), (536, 4 / 3), (536, 0.5)):
        own, tall = in_node(f"panelOf({wide}, {shape})", module="branches.js", browser=BROWSER)
        assert tall == pytest.approx(own * shape)
        assert 2 * own + 12 <= wide + 1e-6 and 2 * tall <= 490 + 1e-6
        assert 2 * own + 12 > wide - 1 or 2 * tall > 489


def test_the_pose_network_keeps_one_branch_at_last():
    explorer = BranchExplorer(create_model("pose_hrnet_tiny"), torch.zeros(3, 128, 96))
    assert "; 1 branch of 32 x 24 cells; channel " in repr(explorer)
    assert len(explorer.branches(explorer.modules[-1], "before")) == 4
    assert explorer.options()["size"] == [128, 96]


def test_as_many_ranks_travel_as_fit(monkeypatch, detector):
    """A rank of this network has 13,376 cells."""
    monkeypatch.setattr("detlearn.show.explorers.browser.branches.MAX_CELLS", 27_000)
    explorer = BranchExplorer(detector, IMAGE)
    assert explorer.ranks == 2
    assert {
        len(one["channels"]) for branches in explorer.options()["facts"] for one in branches
    } == {2}


BRANCH_FAULTS = {
    "no such module": ({"module": "stage 9"}, "expected one of stage 2, module 1, stage 3, .* and "
                       "before or after, got 'stage 9' and 'after'"),
    "no such moment": ({"moment": "now"}, "got 'stage 4, module 2' and 'now'"),
    "no such rank": ({"rank": 13}, "rank: expected 0 to 12, got 13"),
}  # fmt: skip


@pytest.mark.parametrize("name", BRANCH_FAULTS)
def test_the_branch_explorer_names_a_fault(name, detector):
    settings, message = BRANCH_FAULTS[name]
    with pytest.raises(ValueError, match=message):
        BranchExplorer(detector, IMAGE, **settings)


def test_a_network_of_too_many_cells_is_refused(monkeypatch, detector):
    monkeypatch.setattr("detlearn.show.explorers.browser.branches.MAX_CELLS", 13_000)
    with pytest.raises(ValueError, match="at most 13,000 cells on one channel of all maps, got"):
        BranchExplorer(detector, IMAGE)


def test_what_the_branch_explorer_refuses():
    with pytest.raises(ValueError, match="model: expected one with an HRNet, got Conv2d"):
        BranchExplorer(nn.Conv2d(3, 3, 1), torch.zeros(3, 8, 8))
    assert any(isinstance(part, HRNetV2p) for part in create_model("ssd_hrnet_tiny").modules())
