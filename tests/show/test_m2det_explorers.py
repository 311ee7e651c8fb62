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
from detlearn.show.explorers.model.level_maps import mlfpn_levels

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


@EVERY
def test_an_output_is_a_widget_a_still_and_its_facts(name, model, image):
    explorer = make(name, model, image)
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


@EVERY
def test_every_control_redraws_to_its_ends(name, model, image):
    explorer = make(name, model, image)
    for control in explorer._controls:
        if hasattr(control, "max"):
            for value in (control.max, control.min):
                control.value = value
                assert "<table" in explorer.facts()
        else:
            for _, value in control.options:
                control.value = value
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
    before = explorer._picture.value
    with torch.no_grad():
        for parameter in model.mlfpn.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    explorer.refresh()
    assert explorer._picture.value != before


@EVERY
def test_only_an_m2det_will_do(name, image):
    with pytest.raises(ValueError, match="model: expected an M2Det, got SSD"):
        make(name, detlearn.create_model("ssd_tiny"), image)


@EVERY
def test_a_move_takes_at_most_150_ms(name, model, image):
    explorer = make(name, model, image)
    control = {"levels": "level", "walker": "step", "attention": "scale"}[name]
    taken = []
    for value in (1, 2, 3, 0, 1, 2, 3):
        start = time.process_time()
        getattr(explorer, control).value = value
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
    explorer.level.value, explorer.scale.value = 2, 1
    assert torch.equal(explorer.chosen, gathered[1][0, 48:72])
    assert "channels 48 to 71 of 96, a cell is 8 px wide" in repr(explorer)
    strongest = explorer.chosen[int(explorer.chosen.mean(dim=(1, 2)).argmax())]
    assert torch.equal(explorer.values(2, 1), explorer.chosen.mean(dim=0))
    explorer.shown.value = "strongest"
    assert torch.equal(explorer.values(2, 1), strongest)


def test_contrast_compares_cells_by_their_centres(model, image):
    target = {"boxes": torch.tensor([[0.0, 0.0, 64.0, 48.0]])}  # a quarter of 128 x 96
    explorer = LevelScaleExplorer(model, image, target)
    maps = torch.ones(24, 4, 4)
    maps[:, :2, :2] = 3.0
    explorer._maps[0][3] = maps
    assert explorer.contrast(0, 3) == pytest.approx(3)
    explorer.scale.value = 3
    assert "3.00 times" in explorer.facts()
    explorer._boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0]])  # smaller than half a cell
    assert "no cell" in explorer.facts()


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
    explorer.scene.value, explorer.scale.value = 1, 2
    means = expected[2].reshape(4, 24).mean(dim=1)
    assert explorer.most_open == int(means.argmax())
    assert f"most open is level {explorer.most_open}" in repr(explorer)
    assert f">{float(means[3]):.2f}<" in explorer.facts()


def test_one_scene_has_no_neighbour(model, image):
    explorer = AttentionExplorer(model, [image])
    assert explorer.scene.disabled and explorer.scene.max == 0
    assert "spread over the scenes" not in explorer.facts()
    assert explorer.change.sum() == 0


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
