"""What stands in the figures: their words, blocks, arrows and lines, not only their size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex, to_rgba
from matplotlib.patches import Rectangle

from detlearn import create_model
from detlearn.boxes import SSD300_VOC_PRIORS, SSD_TINY_PRIORS
from detlearn.models.m2det import M2DET_TINY
from detlearn.show import canvas, shape_table
from detlearn.show import figures as draw

ALT = "A picture that a test has drawn."
IMAGE = torch.full((3, 100, 100), 0.5)


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figure of the last drawing."""
    kept = []
    make = canvas.png_bytes
    monkeypatch.setattr(
        canvas, "png_bytes", lambda drawing, *how: kept.append(drawing) or make(drawing, *how)
    )
    return lambda figure: kept[-1]


def words(drawing):
    """Everything that is written, axis by axis."""
    own = [text.get_text() for text in drawing.texts]
    return own + [text.get_text() for axes in drawing.axes for text in axes.texts]


def arrows(drawing):
    """(start, end) of every arrow, two decimals."""
    return [
        tuple(tuple(round(float(v), 2) for v in point) for point in (note.xyann, note.xy))
        for axes in drawing.axes
        for note in axes.texts
        if getattr(note, "arrow_patch", None) is not None
    ]


def blocks(drawing, face=None):
    """(left, low, width, height) of every rectangle, two decimals, of one colour if it is given."""
    return [
        tuple(round(float(v), 2) for v in (*patch.get_xy(), patch.get_width(), patch.get_height()))
        for axes in drawing.axes
        for patch in axes.patches
        if isinstance(patch, Rectangle)
        and (face is None or to_hex(patch.get_facecolor()) == to_hex(face))
    ]


def test_hrnet_has_a_bar_a_branch_and_a_line_from_every_giver(drawn):
    picture = drawn(draw.draw_hrnet((4, 8, 16), (1, 2), (64, 32), num_outputs=1))
    assert {"branch 0", "16 × 8, 4 ch.", "8 × 4, 8 ch.", "stage 2", "stage 3"} <= set(
        words(picture)
    )
    assert len(blocks(picture)) == 1 + 2 + 3 + 3
    # one between stem and stage 2, two on to stage 3; 2 x 2 + 3 x 3 + 3 into the one output
    assert len(picture.axes[0].lines) == 1 + 2 + 4 + 9 + 3
    opened = [a for a in arrows(picture) if a[0][1] > a[1][1]]
    assert len(opened) == 2 and len(arrows(picture)) == 2 + 1
    heights = [block[3] for block in blocks(picture)[1:3]]
    assert heights[0] > heights[1], "a coarser branch has the lower bar"


def test_the_fuse_matrix_says_up_above_the_diagonal(drawn):
    picture = drawn(draw.draw_fuse_matrix((4, 8, 16), (16, 8)))
    told = words(picture)
    assert told.count("as it is") == told.count("=") == 3
    heads = [text for text in picture.axes[0].texts if text.get_text() in ("=", "↑ up", "↓ down")]
    ceiling = picture.axes[0].get_ylim()[1] - 0.66  # inches; a row of cells is 0.84 high
    heads.sort(
        key=lambda text: (int((ceiling - text.get_position()[1]) / 0.84), text.get_position()[0])
    )
    assert [text.get_text() for text in heads] == [
        "=", "↑ up", "↑ up",
        "↓ down", "=", "↑ up",
        "↓ down", "↓ down", "=",
    ]  # fmt: skip
    # up from 1 and 2 to 0 and from 2 to 1; down from 0 over 1 to 2 in two steps
    assert {"1×1: 8 → 4", "1×1: 16 → 4", "1×1: 16 → 8"} <= set(told)
    assert sorted(word for word in told if word.startswith("repeat")) == [
        "repeat ×2", "repeat ×2", "repeat ×4"
    ]  # fmt: skip
    assert sorted(word for word in told if word.startswith("3×3")) == [
        "3×3 /2: 4 → 16", "3×3 /2: 4 → 4", "3×3 /2: 4 → 8", "3×3 /2: 8 → 16"
    ]  # fmt: skip
    assert told.count("8 × 8 × 4") == 2, "the shape of branch 1, as giver and as receiver"


def test_listeners_are_counted_and_stand_where_they_are(drawn):
    masks = [torch.zeros(4, 4, dtype=torch.bool), torch.zeros(2, 2, dtype=torch.bool)]
    masks[0][0, 3] = True
    picture = drawn(draw.draw_listeners({"run": masks}, source=(1, 1, 0), alt=ALT))
    assert {"1 of 16", "0 of 4"} <= set(words(picture))
    (cell,) = blocks(picture, canvas.BLUE)
    frame = blocks(picture)[0]
    assert cell[0] == pytest.approx(frame[0] + frame[2] * 3 / 4, abs=0.02)
    assert cell[1] == pytest.approx(frame[1] + frame[3] * 3 / 4, abs=0.02), "the top row"
    (ring,) = picture.axes[0].lines
    assert ring.get_xdata()[0] > frame[0] + frame[2], "in the map of branch 1"


def test_costs_have_bars_as_long_as_their_numbers(drawn):
    picture = drawn(draw.draw_branch_costs({"branch 0": (1e6, 8e9), "b": (4e6, 2e9)}, alt=ALT))
    widths = [block[2] for block in blocks(picture)]
    assert widths[1] / widths[0] == pytest.approx(4, rel=0.05)
    assert widths[2] / widths[3] == pytest.approx(4, rel=0.05)
    assert {"1.00 M", "4.00 M", "8.00 G", "2.00 G"} <= set(words(picture))


def test_refinedet_goes_from_coarse_to_fine(drawn):
    picture = drawn(draw.draw_refinedet([(512, 40), (512, 20), (1024, 10)], tcb_channels=99))
    told = words(picture)
    assert [f"TCB {k}" in told for k in range(4)] == [True, True, True, False]
    assert told.count("ARM head") == told.count("ODM head") == 3
    assert "512\n40 × 40" in told and any(word.startswith("99 channels") for word in told)
    level = [a for a in arrows(picture) if a[0][1] == a[1][1] and a[0][1] > 1]
    assert len(level) == 2 and all(start[0] > end[0] for start, end in level)


def test_a_tum_goes_down_and_up_again(drawn):
    picture = drawn(draw.draw_tum(128, 256, 40, 4, kind="paper"))
    told = words(picture)
    assert told.count("256") == 3 + 4 and told.count("128") == 1 + 4
    assert [word for word in told if "×" in word and "3×3" not in word and "1×1" not in word] == [
        "40 × 40", "20 × 20", "10 × 10", "8 × 8"
    ]  # fmt: skip
    upright = [a for a in arrows(picture) if a[0][0] == a[1][0]]
    assert sum(start[1] > end[1] for start, end in upright) == 3, "down"
    assert sum(start[1] < end[1] for start, end in upright) == 3, "up"
    assert told.count("3×3, stride 2") == 2 and told.count("3×3, no padding") == 1


def test_the_level_grid_has_every_map_twice(drawn):
    picture = drawn(draw.draw_level_grid((8, 4, 2), 3, 16))
    assert len(blocks(picture)) == 2 * 9
    assert words(picture).count("48 channels") == 3
    assert len(arrows(picture)) == 2
    faces = {to_hex(patch.get_facecolor()) for patch in picture.axes[0].patches}
    assert len(faces) == 3, "a colour for each level"


def test_mlfpn_says_what_each_level_reads(drawn):
    told = words(drawn(draw.draw_mlfpn(M2DET_TINY)))
    thin, planes = M2DET_TINY.planes // 2, M2DET_TINY.planes
    assert told.count(f"{thin}") == 1
    assert told.count(f"{thin + planes}") == M2DET_TINY.num_levels - 1
    assert told.count("thin") == 1 and told.count("FFMv2") == M2DET_TINY.num_levels - 1
    assert [word for word in told if word.startswith("TUM")] == [
        f"TUM {k}" for k in range(M2DET_TINY.num_levels)
    ]


def test_small_sums_are_read_from_the_top_left(drawn):
    grid = torch.tensor([[1.0, 2.5], [3.25, 4.126]])
    picture = drawn(draw.draw_small_maps({"a": grid, "b": grid}, "+", alt=ALT))
    place = {text.get_text(): text.get_position() for text in picture.axes[0].texts}
    assert {"1", "2.5", "3.25", "4.13", "+"} <= set(place)
    assert place["1"][0] < place["2.5"][0] and place["1"][1] == place["2.5"][1]
    assert place["1"][1] > place["3.25"][1], "the first row stands at the top"


def test_attention_has_a_bar_a_channel(drawn):
    weights = torch.tensor([0.1, 0.2, 0.8, 0.9])
    picture = drawn(draw.draw_attention({"w": [weights]}, 2, alt=ALT))
    bars = picture.axes[0].patches
    assert [round(bar.get_height(), 2) for bar in bars] == [0.1, 0.2, 0.8, 0.9]
    colours = [to_hex(bar.get_facecolor()) for bar in bars]
    assert colours[0] == colours[1] != colours[2] == colours[3]


def test_added_maps_keep_the_tint_of_their_coarse_cell(drawn):
    panels = {"fine": np.arange(16).reshape(4, 4), "coarse": [[1, 2], [3, 4]]}
    picture = drawn(draw.draw_addition(panels, ["+"], alt=ALT))
    faces = [to_hex(patch.get_facecolor()) for patch in picture.axes[0].patches]
    assert faces[0] == faces[1] == faces[4] == faces[5] == faces[16]
    assert faces[2] == faces[7] == faces[17] and faces[10] == faces[15] == faces[19]
    assert len(set(faces)) == 4


def test_the_filter_counts_and_marks_what_survives(drawn):
    sure = torch.zeros(SSD_TINY_PRIORS.num_priors)
    sure[0] = 0.9  # level 0, the first row and column
    picture = drawn(draw.draw_filter(IMAGE, sure, SSD_TINY_PRIORS, 0.5, alt=ALT))
    assert "1 of 2,048" in words(picture) and "0 of 64" in words(picture)
    shown = picture.axes[1].images[0].get_array()
    blue = np.abs(shown - np.array(to_rgba(canvas.BLUE)[:3])).max(axis=-1) < 0.01
    assert blue.sum() == 1 and blue[0, 0]


def test_the_steps_say_their_iou_and_repeat_the_earlier_boxes(drawn):
    steps = {"one": [20, 10, 60, 50], "two": [30, 20, 80, 60]}
    picture = drawn(draw.draw_steps(IMAGE, [30, 20, 80, 60], steps))
    assert {"IoU 0.33", "IoU 1.00"} == set(words(picture))  # 30 x 30 of 2,700
    dashed = [len(axes.patches) for axes in picture.axes]
    assert dashed == [3, 4], "frame, object, step, and in the second panel the first step"


def test_head_rows_keep_the_tint_of_their_cell(drawn):
    maps = torch.arange(8).reshape(1, 4, 1, 2)
    rows = maps.permute(0, 2, 3, 1).reshape(1, 4, 2)
    picture = drawn(draw.draw_head_rows(maps, {"rows": rows}, alt=ALT))
    tints = {}
    numbers = [text for text in picture.axes[0].texts if text.get_text().isdigit()]
    for patch, text in zip(picture.axes[0].patches, numbers, strict=True):
        tints.setdefault(int(text.get_text()), set()).add(to_hex(patch.get_facecolor()))
    assert all(len(faces) == 1 for faces in tints.values()), "the same in the map and in the rows"
    assert tints[0] == tints[2] != tints[1] == tints[3]


def test_the_pyramid_counts_its_priors(drawn):
    picture = drawn(draw.draw_pyramid(shape_table(create_model("ssd_tiny")), backbone_levels=2))
    assert {"2,048 priors", "64 priors", "of the backbone", "of the extra layers"} <= set(
        words(picture)
    )
    sides = [block[2] for block in blocks(picture)]
    assert sides[0] / sides[1] == pytest.approx(2, rel=0.05), "to scale"


def test_taps_lie_a_dilation_apart(drawn):
    picture = drawn(draw.draw_taps({"f": (3, 2, 8)}, alt=ALT))
    assert "3 × 3 weights over 40 px" in words(picture)
    filled, cells = blocks(picture, canvas.BLUE), blocks(picture)
    assert len(filled) == 9 and len(cells) == 25
    first, second, third = sorted({block[0] for block in filled})
    assert second - first == pytest.approx(third - second, abs=0.02)
    assert second - first == pytest.approx(2 * cells[0][2], abs=0.02), "every other cell"


def test_the_size_chart_marks_both_squares_and_their_reach(drawn):
    picture = drawn(draw.draw_size_chart(SSD300_VOC_PRIORS, [30.0, 60.0]))
    lines = picture.axes[0].lines
    first = [round(float(v), 2) for line in lines[:3] for v in line.get_xdata()]
    assert first == [21.21, 60.0, 30.0, 42.43]  # 30 / √2, √(30·60) · √2, 30, √(30·60)
    assert "2\nobjects" in words(picture)
    heights = [bar.get_height() for bar in picture.axes[1].patches]
    assert sum(heights) == pytest.approx(1) and max(heights) == pytest.approx(0.5)


def test_a_cell_s_priors_stand_around_its_centre(drawn):
    picture = drawn(draw.draw_priors(SSD300_VOC_PRIORS, 4, (0, 2), IMAGE))
    (centre,) = [line for line in picture.axes[0].lines if line.get_marker() == "+"]
    assert (centre.get_xdata()[0], centre.get_ydata()[0]) == (250, 50)
    boxes = blocks(picture)[2:6]
    assert all(b[0] + b[2] / 2 == pytest.approx(250, abs=0.02) for b in boxes)
    assert {"213 × 213", "237.1 × 237.1", "300 × 150.6", "150.6 × 300"} <= set(words(picture))


def test_a_level_of_small_priors_is_drawn_once_more_and_larger(drawn):
    panels = drawn(draw.draw_levels(SSD_TINY_PRIORS)).axes
    assert [len(panel.child_axes) for panel in panels] == [1, 0, 0, 0]
    (lens,) = panels[0].child_axes
    assert [box.get_width() for box in lens.patches] == pytest.approx([9, (9 * 20) ** 0.5])
    frames = [patch for patch in panels[0].patches if isinstance(patch, Rectangle)]
    assert len(frames) == 2  # of the image, and of what is enlarged: no priors beside the lens
    per_px = [axes.transData.transform([(0, 0), (1, 0)])[:, 0] for axes in (panels[0], lens)]
    assert np.diff(per_px[1]) > 2.5 * np.diff(per_px[0])


def test_a_name_in_a_film_leaves_the_corner_of_another_box_free(drawn):
    nested = [[0, 0, 9, 8], [15, 1, 24, 9], [15.5, 2, 23.5, 8]]  # the last in the second
    film = [("at first", [0.9, 0.7, 0.5], [])]
    picture = drawn(draw.draw_suppression(nested, film, names="ADE", alt="Three boxes wait."))
    places = {note.get_text()[0]: note.xy for note in picture.axes[0].texts}
    assert places["A"] == (0, 0) and places["E"] == (15.5, 2)
    assert places["D"][0] == 15 and places["D"][1] < 0  # above its box, which begins at 1


def test_seeds_keep_names_with_commas(drawn):
    scores = {"SSD, no mining": [0.25, 0.75], "b": [0.5]}
    figure = draw.draw_seeds(scores, reference="b")
    picture = drawn(figure)
    assert words(picture)[-2:] == ["0.500 ± 0.354", "0.500"]
    assert "SSD, no mining 0.500 ± 0.354, b 0.500" in figure.alt
    marks = [line for line in picture.axes[0].lines if line.get_marker() in "os"]
    assert [float(line.get_xdata()[0]) for line in marks] == [0.25, 0.75, 0.5]


def test_coverage_names_each_curve_beside_its_end(drawn):
    picture = drawn(
        draw.draw_coverage([8, 16, 32], {"a": [0.2, 0.9], "b": [0.1, 0.3]}, [1, 3], alt=ALT)
    )
    axes = picture.axes[0]
    assert "grey: where the 4 objects are" in words(picture)
    ends = {t.get_text(): t.get_position()[1] for t in axes.texts if t.get_text() in "ab"}
    assert ends["a"] > ends["b"]
    assert [round(float(x), 1) for x in axes.lines[0].get_xdata()] == [11.3, 22.6]  # √(8·16)
    assert [round(bar.get_height(), 3) for bar in axes.patches] == [0.107, 0.32]


def test_coverage_names_hills_at_their_tops_and_draws_no_line_on_the_floor(drawn):
    hills = {"fine": [0.9, 0.2, 0.0, 0.0], "coarse": [0.0, 0.0, 0.0, 0.8]}
    axes = drawn(draw.draw_coverage([8, 16, 32, 64, 128], hills, name_peaks=True, alt=ALT)).axes[0]
    heights = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    assert [np.isnan(line).tolist() for line in heights] == [
        [False, False, False, True], [True, True, False, False],
    ]  # fmt: skip
    names = {text.get_text(): text.get_position() for text in axes.texts}
    assert {name: round(float(x), 1) for name, (x, _) in names.items()} == {
        "fine": 11.3, "coarse": 90.5,
    }  # fmt: skip


def test_scenes_show_the_truth_dashed_and_say_so(drawn):
    scene = (IMAGE, {"boxes": [[10, 10, 50, 50]], "reference": [[12, 12, 52, 52], [0, 0, 9, 9]]})
    picture = drawn(draw.draw_scenes([scene, (IMAGE, {"boxes": [[1, 1, 5, 5]]})], alt=ALT))
    dashed = [[patch.get_linestyle() not in ("-", "solid") for patch in axes.patches]
              for axes in picture.axes]  # fmt: skip
    assert [sum(panel) > 0 for panel in dashed] == [True, False]
    assert [text.get_text() for text in picture.legends[0].get_texts()] == ["box", "ground truth"]
    plain = drawn(draw.draw_scenes([(IMAGE, {"boxes": [[1, 1, 5, 5]]})], alt=ALT))
    assert not plain.legends


def test_the_system_numbers_its_six_stations(drawn):
    assert [word for word in words(drawn(draw.draw_system())) if word.isdigit()] == list("123456")


def test_the_losses_by_level_are_means_over_the_seeds(drawn):
    picture = drawn(draw.draw_level_losses({"p": {"g": [[0.2, 0.4], [0.4, 0.8]]}}))
    mean = picture.axes[0].lines[0]
    assert list(mean.get_ydata()) == pytest.approx([0.3, 0.6])
