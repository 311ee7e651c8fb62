"""Explorers of M2Det: what they show is what the network computes; faults are named."""

from __future__ import annotations

import statistics
import time

import pytest
import torch

import detlearn
from detlearn.models.m2det import SFAM
from detlearn.show import AttentionExplorer, LevelScaleExplorer, TUMWalker
from detlearn.show.explorers.model.controls import WIDGET_VIEW
from detlearn.show.explorers.model.mlfpn_maps import mlfpn_levels
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node

needs_node = pytest.mark.skipif(NODE is None, reason="the explorers' arithmetic runs in Node.js")
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return detlearn.create_model("m2det_tiny")


@pytest.fixture(scope="module")
def image():
    return torch.randint(
        0, 256, (3, 96, 128), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def make(name, model, image):
    if name == "levels":
        return LevelScaleExplorer(model, image, {"boxes": torch.tensor([[0.0, 0, 64, 48]])})
    if name == "walker":
        return TUMWalker(model, image)
    return AttentionExplorer(model, [image, 255 - image])


EVERY = pytest.mark.parametrize("name", ["levels", "walker", "attention"])


def test_an_output_is_a_widget_a_still_and_its_facts(model, image):
    explorer = TUMWalker(model, image)
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {WIDGET_VIEW, "image/png", "text/plain"}
    assert data["text/plain"] == f"Figure: {explorer!r}"
    assert metadata["image/png"]["alt"] == repr(explorer)
    assert " at 0x" not in repr(explorer)
    assert explorer.picture().startswith(PNG_SIGNATURE)
    assert len(explorer.picture()) < 120_000
    kinds = {type(child).__name__ for child in explorer._controls}
    assert kinds <= {"Dropdown", "IntSlider", "FloatSlider"}
    assert all(child.description for child in explorer._controls)


def test_every_control_redraws_to_its_ends(model, image):
    explorer = TUMWalker(model, image)
    for control in explorer._controls:
        for value in (control.max, control.min):
            control.value = value
            assert "<table" in explorer.facts()
            assert explorer._picture.value.startswith("<img alt=")


@EVERY
def test_the_model_is_left_as_it_was(name, model, image):
    model.train()
    model.mlfpn.ffm1.eval()
    modes = [module.training for module in model.modules()]
    before = {key: value.clone() for key, value in model.state_dict().items()}
    explorer = make(name, model, image)
    explorer.refresh()
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@EVERY
def test_refresh_follows_the_weights(name, image):
    torch.manual_seed(1)
    model = detlearn.create_model("m2det_tiny")
    explorer = make(name, model, image)
    seen = (lambda: explorer._picture.value) if name == "walker" else explorer.to_html
    before = seen()
    with torch.no_grad():
        for parameter in model.mlfpn.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    explorer.refresh()
    assert seen() != before


@EVERY
def test_only_an_m2det_will_do(name, image):
    with pytest.raises(ValueError, match="model: expected an M2Det, got SSD"):
        make(name, detlearn.create_model("ssd_tiny"), image)


def test_a_move_takes_at_most_150_ms(model, image):
    explorer = TUMWalker(model, image)
    taken = []
    for value in (1, 2, 3, 0, 1, 2, 3):
        start = time.process_time()
        explorer.step.value = value
        taken.append(time.process_time() - start)
    assert statistics.median(taken) <= 0.15


# ------------------------------------------------------------------- levels by scales


def test_the_maps_are_those_that_the_network_gathers(model, image):
    explorer = LevelScaleExplorer(model, image)
    model.eval()
    with torch.no_grad():
        gathered = [
            torch.cat(maps, 1) for maps in zip(*mlfpn_levels(model, explorer._inputs), strict=True)
        ]
        sfam, finest = model.mlfpn.sfam(gathered), model.features(explorer._inputs)
    assert torch.allclose(model.norm(sfam[0]), finest[0], atol=1e-5)
    assert torch.equal(explorer.maps(2, 1), gathered[1][0, 48:72])
    chosen = LevelScaleExplorer(model, image, level=2, scale=1)
    assert "channels 48 to 71 of 96, a cell is 8 px wide" in repr(chosen)
    maps = explorer.maps(2, 1)
    assert torch.equal(explorer.values(2, 1), maps.mean(dim=0))
    strongest = maps[int(maps.mean(dim=(1, 2)).argmax())]
    assert torch.equal(explorer.values(2, 1, "strongest"), strongest)


@needs_node
def test_the_browser_reads_every_level_and_scale_in_both_ways(model, image):
    """Eight shades from a map's least to its largest value."""
    explorer = LevelScaleExplorer(model, image)
    told = explorer.options()
    sizes = [size[1:] for _ in range(8) for size in told["sizes"]]
    theirs = in_node("unpackShades(cases[0], cases[1]).map((map) => Array.from(map))",
                     cases=[told["maps"], sizes], module="level_maps.js", browser=BROWSER)  # fmt: skip
    at = 0
    for way in ("mean", "strongest"):
        for level in range(4):
            for scale in range(5):
                values = explorer.values(level, scale, way).flatten()
                expected = (values - values.min()) / (values.max() - values.min()) * 7
                shades = torch.tensor(theirs[at]).float()
                torch.testing.assert_close(shades, expected, rtol=0, atol=0.51)
                at += 1
    assert at == len(theirs) == 40


@needs_node
def test_a_grid_of_tiles_fits_its_place():
    """Side and start: five rows in 540 px, or four columns in a narrow page."""
    found = in_node("[gridOf(536, 4, 5), gridOf(366, 4, 5), gridOf(536, 8, 6)]",
                    module="level_maps.js", browser=BROWSER)  # fmt: skip
    for (side, begin), wide, levels, scales in zip(
        found, (536, 366, 536), (4, 4, 8), (5, 5, 6), strict=True
    ):
        assert begin >= 44 and begin + levels * (side + 6) <= wide
        assert 22 + scales * (side + 6) <= 540 and side > 50


def test_contrast_compares_cells_by_their_centres(model, image):
    target = {"boxes": torch.tensor([[0.0, 0.0, 64.0, 48.0]])}  # a quarter of 128 x 96
    explorer = LevelScaleExplorer(model, image, target, scale=3)
    maps = torch.ones(24, 4, 4)
    maps[:, :2, :2] = 3.0
    maps[0, :2, :2] = 70.0
    maps[0, 2:, 2:] = 10.0
    maps[1] = 0
    explorer._maps[0][3] = maps
    assert explorer.contrast(0, 3, "strongest") == pytest.approx(70 / (48 / 12))
    told = explorer.options()
    assert told["boxes"] == [[0.0, 0.0, 0.5, 0.5]] and told["silent"][3] == 1
    assert told["facts"][1][3]["contrast"] == 17.5
    assert told["facts"][0][3]["contrast"] == round(explorer.contrast(0, 3), 2)
    assert told["facts"][1][3]["brightest"] == (0, 0)
    assert told["facts"][1][3]["span"] == [1.0, 20.5, 70.0]  # (4 * 70 + 4 * 10 + 8) / 16
    explorer._boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0]])  # smaller than half a cell
    assert explorer.options()["facts"][0][3]["contrast"] is None


LEVEL_FAULTS = {
    "no such level": ({"level": 4}, "level: expected 0 to 3, got 4"),
    "no such scale": ({"scale": -1}, "scale: expected 0 to 4, got -1"),
    "no picture": ({"file": b"GIF89a"}, "expected a JPEG, PNG or WebP file"),
}


@pytest.mark.parametrize("name", LEVEL_FAULTS)
def test_levels_refuse(name, model, image):
    settings, message = LEVEL_FAULTS[name]
    with pytest.raises(ValueError, match=message):
        LevelScaleExplorer(model, image, **settings)


def test_levels_refuse_a_large_model_and_an_unknown_way(model, image):
    explorer = LevelScaleExplorer(model, image)
    with pytest.raises(ValueError, match="way: expected one of mean, strongest, got 'weakest'"):
        explorer.values(0, 0, "weakest")
    wide = detlearn.create_model("m2det_tiny", num_levels=64)
    with pytest.raises(ValueError, match="maps of at most 80,000 cells, got 87,296"):
        LevelScaleExplorer(wide, image)


# ------------------------------------------------------------------- the walk


@pytest.mark.parametrize("kind", ["released", "paper"])
def test_the_walk_ends_where_the_tum_ends(kind, image):
    torch.manual_seed(0)
    model = detlearn.create_model("m2det_tiny", tum=kind, shared_weights=kind == "paper")
    explorer = TUMWalker(model, image)
    levels = mlfpn_levels(model, explorer._inputs)
    for level, expected in enumerate(levels):
        explorer.level.value = level
        smoothed = {step.row: step.maps for step in explorer.steps if step.column == 3}
        added = {step.row: step.maps for step in explorer.steps if step.column == 2}
        for row, maps in enumerate(expected):
            assert torch.allclose(smoothed.get(row, added.get(row)), maps, atol=1e-5)
        parameters = sum(p.numel() for p in model.mlfpn.tums[level].parameters())
        assert sum(step.parameters for step in explorer.steps) == parameters


def test_every_step_says_what_it_reads(model, image):
    explorer = TUMWalker(model, image)
    explorer.level.value = 1
    words = []
    for step in range(explorer.step.max + 1):
        explorer.step.value = step
        words.append(repr(explorer))
    assert words[0].endswith("step 0 of 17, read (what the TUM is given): 36 x 32 x 32.")
    assert "down 4 (3 × 3, stride 1, no padding): 24 x 4 x 4 becomes 24 x 2 x 2" in words[4]
    assert "top (1 × 1, the way up begins): 24 x 2 x 2 becomes 24 x 2 x 2" in words[5]
    assert "side 0 (3 × 3 on what the encoder had here): 36 x 32 x 32 becomes" in words[12]
    assert "24 x 16 x 16 becomes 24 x 32 x 32." in words[13]
    assert "smooth 3 (1 × 1): 24 x 4 x 4 becomes 24 x 4 x 4, 624 parameters" in words[17]
    shown = sum(step.parameters for step in explorer.steps)
    assert f"{shown:,} so far" in explorer.facts()


def test_the_papers_first_step_up_reads_the_coarsest_map(image):
    explorer = TUMWalker(detlearn.create_model("m2det_tiny", tum="paper"), image)
    explorer.step.value = 5
    assert "add 3 (3 × 3 on the map below, enlarged, plus the one from the side): 24 x 2 x 2" in (
        repr(explorer)
    )


# ------------------------------------------------------------------- attention


def test_the_weights_are_those_of_the_sfam(model, image):
    explorer = AttentionExplorer(model, [image, 255 - image])
    levels = mlfpn_levels(model, explorer._inputs[1])
    gathered = [torch.cat(maps, dim=1) for maps in zip(*levels, strict=True)]
    sfam = model.mlfpn.sfam
    assert isinstance(sfam, SFAM)
    with torch.no_grad():
        expected = torch.cat(sfam.attention(gathered))
    assert torch.allclose(explorer.weights[1], expected, atol=1e-6)
    means = expected[2].reshape(4, 24).mean(dim=1)
    assert torch.allclose(explorer.by_level[1, 2], means, atol=1e-6)
    assert explorer.most_open(1, 2) == int(means.argmax())
    chosen = AttentionExplorer(model, [image, 255 - image], scene=1, scale=2)
    assert f"scene 1 of 2, scale 2: 96 weights, 4 levels; most open is level {means.argmax()}" in (
        repr(chosen)
    )


def test_change_is_the_spread_over_the_scenes(model, image):
    explorer = AttentionExplorer(model, [image, 255 - image])
    explorer.weights = torch.zeros(2, 5, 96)
    explorer.weights[1, 3] = 0.5  # at scale 3 the second scene opens all gates by a half
    assert explorer.change.tolist() == [0, 0, 0, 0.25, 0]
    assert explorer.options()["change"] == [0, 0, 0, 0.25, 0]


@needs_node
def test_the_browser_has_the_weights_their_means_and_those_of_levels(model, image):
    explorer = AttentionExplorer(model, [image, 255 - image, image // 2])
    told = explorer.options()
    theirs = in_node(
        "(() => { const all = unpackWeights(cases[0], cases[1]); return { all, "
        "means: all.map((scene) => scene.map((weights) => meansOf(weights, 4))), "
        "usual: all[0].map((_, scale) => usualOf(all, scale)) }; })()",
        cases=[told["weights"], told["shape"]], module="attention.js", browser=BROWSER,
    )  # fmt: skip
    near = {"rtol": 0, "atol": 1e-5}
    torch.testing.assert_close(torch.tensor(theirs["all"]), explorer.weights, **near)
    torch.testing.assert_close(torch.tensor(theirs["means"]), explorer.by_level, **near)
    torch.testing.assert_close(torch.tensor(theirs["usual"]), explorer.weights.mean(dim=0), **near)


def test_one_scene_has_no_neighbour(model, image):
    explorer = AttentionExplorer(model, [image])
    assert explorer.change.sum() == 0
    assert explorer.options()["shape"][0] == 1


def test_pictures_travel_as_they_are(model, image):
    png = PNG_SIGNATURE + bytes(40)
    explorer = AttentionExplorer(model, [image, image], files=[png, None])
    first, second = explorer.options()["images"]
    assert first.startswith("data:image/png;base64,iVBORw0KGgo") and second == ""
    assert explorer.options()["sizes"] == [[96, 128], [96, 128]]


ATTENTION_FAULTS = {
    "a file too many": ({"files": [None, None]}, "files: expected none or 1, got 2"),
    "no such scene": ({"scene": 1}, "scene: expected 0 to 0, got 1"),
    "no such scale": ({"scale": 5}, "scale: expected 0 to 4, got 5"),
}


@pytest.mark.parametrize("name", ATTENTION_FAULTS)
def test_attention_refuses_what_is_not_there(name, model, image):
    settings, message = ATTENTION_FAULTS[name]
    with pytest.raises(ValueError, match=message):
        AttentionExplorer(model, [image], **settings)


@pytest.mark.parametrize(
    ("images", "overrides", "message"),
    [
        ([], {}, "images: expected at least one scene, got none"),
        ([torch.zeros(3, 8, 8)], {"sfam": False}, "model: expected one with an SFAM"),
    ],
)
def test_attention_refuses(images, overrides, message):
    with pytest.raises(ValueError, match=message):
        AttentionExplorer(detlearn.create_model("m2det_tiny", **overrides), images)
