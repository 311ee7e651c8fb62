"""The overviews of the four systems: one set, and every number is the network's own."""

from __future__ import annotations

import pytest
import torch

from detlearn import create_model
from detlearn.models.modes import evaluating
from detlearn.show import canvas
from detlearn.show import figures as draw
from detlearn.show.figures.hrnet import BRANCH_COLOURS
from detlearn.show.figures.m2det import LEVEL_COLOURS
from detlearn.show.figures.overview import BODY, FOOT, SYSTEMS, place_rows
from tests.show.test_what_is_drawn import arrows, blocks, words

ALT = "A picture that a test has drawn."
DRAWINGS = {
    "SSD": lambda: draw.draw_overview("ssd", title="SSD", alt=ALT),
    "RefineDet": lambda: draw.draw_overview("refinedet"),
    "M2Det": lambda: draw.draw_overview("m2det"),
    "HRNet": lambda: draw.draw_overview("hrnet"),
}


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figure of an overview."""
    kept = []
    make = canvas.png_bytes
    monkeypatch.setattr(
        canvas, "png_bytes", lambda drawing, *how: kept.append(drawing) or make(drawing, *how)
    )

    def overview(name):
        draw.draw_overview(name)
        return kept[-1]

    return overview


def test_facts_become_the_alternative_text():
    assert draw.draw_overview("ssd").alt == (
        "SSD300: an image of 300 × 300 px goes through VGG-16; a pyramid of 6 maps, 38, 19, 10, "
        "5, 3, 1 cells a side, each drawn on the same scene with the priors of one cell; a head "
        "for each map; 8,732 boxes, of which decoding and non-maximum suppression leave those of "
        "the objects. Between backbone and pyramid: extra layers."
    )


def test_an_unknown_system_is_named():
    with pytest.raises(ValueError, match="name: expected one of ssd, refinedet, m2det, hrnet, got"):
        draw.draw_overview("yolo")


@pytest.mark.parametrize("name", SYSTEMS)
def test_what_the_heads_of_the_real_network_read_is_written_beside_each_map(name, drawn):
    read = []
    with torch.device("meta"), torch.no_grad():
        model = create_model(SYSTEMS[name].model)
        heads = (model.odm if name == "refinedet" else model.head).logits
        for head in heads:
            head.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0].shape))
        size = model.config.image_size
        with evaluating(model):
            model(torch.empty(1, 3, size, size))
    told = words(drawn(name))
    for expected in (
        [f"{height} × {width}" for _, _, height, width in read],
        [f"{channels:,} ch." for _, channels, _, _ in read],
    ):
        assert [each for each in told if each in expected] == expected
    per_cell = [f"{a} a cell" for a in model.config.priors.priors_per_cell]
    assert [each for each in told if each.endswith("a cell")] == per_cell
    assert any(f"{model.config.priors.num_priors:,}" in each for each in told)


def test_maps_stand_below_each_other_and_get_smaller():
    for levels in range(1, 8):
        rows = place_rows(levels)
        edges = [(y + side / 2, y - side / 2) for y, side in rows]
        assert FOOT + BODY >= edges[0][0] and edges[-1][1] >= FOOT
        assert all(low > top for (_, low), (top, _) in zip(edges, edges[1:], strict=False))
        assert [side for _, side in rows] == sorted((side for _, side in rows), reverse=True)


def test_names_of_the_parts_do_not_move(drawn):
    places = []
    for name in SYSTEMS:
        picture = drawn(name)
        found = {text.get_text(): text.get_position() for text in picture.axes[0].texts}
        parts = ("image", "backbone", "in between", "pyramid", "heads", "boxes", "decode, NMS")
        images = [axes for axes in picture.axes if axes.images]
        outer = [axes.get_position().bounds for axes in (images[0], images[-1])]  # in and out
        places.append([*(found[part] for part in parts), *outer])
    assert all(place == places[0] for place in places)


def test_every_map_carries_its_cells_and_one_cell_of_priors(drawn):
    picture = drawn("ssd")
    maps = [axes for axes in picture.axes if axes.collections]
    lines = [len(axes.collections[0].get_segments()) for axes in maps]
    assert lines == [2 * (cells - 1) for cells in (38, 19, 10, 5, 3, 1)]
    assert [len(axes.patches) for axes in maps] == [4, 6, 6, 6, 4, 4]
    left, top = maps[2].patches[0].get_xy()  # 10 × 10, steps of 32 px: the centre of cell (5, 5)
    width, height = maps[2].patches[0].get_width(), maps[2].patches[0].get_height()
    assert (left + width / 2, top + height / 2) == pytest.approx((176, 176), abs=0.01)
    assert (width, height) == pytest.approx((99, 99), abs=0.01)


def test_refinedet_hands_on_from_coarse_to_fine(drawn):
    picture = drawn("refinedet")
    told = words(picture)
    assert told.count("TCB") == told.count("ARM") == 4
    upright = [a for a in arrows(picture) if a[0][0] == a[1][0] and 3.0 < a[0][0] < 3.2]
    assert len(upright) == 3 and all(start[1] < end[1] for start, end in upright)
    assert any("anchors" in each for each in told) and not any("priors\n" in e for e in told)


def test_m2det_has_a_column_a_level_with_every_scale(drawn):
    picture = drawn("m2det")
    for colour in LEVEL_COLOURS:
        assert len(blocks(picture, colour)) == 6
    assert "base\nfeature\n768 ch.\n40 × 40" in words(picture)


def test_hrnet_opens_a_branch_a_stage_and_everybody_hears_everybody(drawn):
    picture = drawn("hrnet")
    bars = [len(blocks(picture, colour)) for colour in BRANCH_COLOURS]
    assert bars == [3, 3, 2, 1], "branch 0 and 1 from stage 2, each other one a stage later"
    exchanges = [line for line in picture.axes[0].lines if line.get_zorder() == 1]
    assert len(exchanges) == 2 * 2 + 3 * 3 + 4 * 4
    assert {"×1", "×4", "×3"} <= set(words(picture))


def test_no_type_is_smaller_than_eleven_pixels(drawn):
    for name in SYSTEMS:
        picture = drawn(name)
        sizes = [text.get_fontsize() for axes in picture.axes for text in axes.texts
                 if text.get_text()]  # fmt: skip
        assert min(sizes) * canvas.DPI / 72 >= 11
        assert picture.get_size_inches()[0] * canvas.DPI <= 740.5


def test_words_stay_on_the_paper(drawn):
    for name in SYSTEMS:
        picture = drawn(name)
        picture.canvas.draw()
        edge = picture.bbox
        for text in picture.axes[0].texts:
            if text.get_text():
                box = text.get_window_extent()
                assert edge.x0 <= box.x0 and box.x1 <= edge.x1, (name, text.get_text())
