"""The drawing functions: a described PNG comes back, nothing else changes, faults are named."""

from __future__ import annotations

import dataclasses
import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from detlearn.boxes import PRIOR_LAYOUTS, SSD300_VOC_PRIORS, SSD_TINY_PRIORS
from detlearn.show import canvas
from detlearn.show import figures as draw
from detlearn.show.canvas import PALETTE, ink_on
from detlearn.show.figures.boxes import captions_of
from detlearn.show.figures.priors import _cell_priors, _ratio_names

ALT = "A picture that a test has drawn."
BLACK = torch.zeros(3, 40, 60, dtype=torch.uint8)
TWO_BOXES = [[2.0, 3.0, 20.0, 30.0], [25.0, 5.0, 50.0, 35.0]]
NAMES = ("background", "disc", "square")
SCENES = [(BLACK, {"boxes": TWO_BOXES, "labels": [1, 2]}), (BLACK, {"boxes": []})]
COVERED = {"SSD": [0.2, 0.9], "M2Det": [0.5, math.nan]}

DRAWINGS = {
    "no boxes": lambda: draw.draw_boxes(BLACK, torch.zeros(0, 4), [], [], NAMES, alt=ALT),
    "boxes alone": lambda: draw.draw_boxes(BLACK, TWO_BOXES, alt=ALT),
    "boxes, everything": lambda: draw.draw_boxes(
        BLACK, torch.tensor(TWO_BOXES), torch.tensor([1, 2]), torch.tensor([0.9, 0.1]), NAMES,
        reference=TWO_BOXES[:1], title="Two", alt=ALT,
    ),
    "a scene without objects": lambda: draw.draw_scenes(SCENES[1:], alt=ALT),
    "scenes": lambda: draw.draw_scenes(SCENES * 3, NAMES, titles=list("abcdef"), alt=ALT),
    "priors of a cell": lambda: draw.draw_priors(SSD300_VOC_PRIORS, 2, (4, 5), BLACK),
    "priors beyond the image": lambda: draw.draw_priors(SSD300_VOC_PRIORS, 5, clamp="none"),
    "levels": lambda: draw.draw_levels(SSD_TINY_PRIORS, BLACK, title="Four"),
    "seven levels": lambda: draw.draw_levels(PRIOR_LAYOUTS["ssd512_voc"], clamp="none"),
    "sizes without a data set": lambda: draw.draw_size_chart(SSD300_VOC_PRIORS),
    "sizes of an empty data set": lambda: draw.draw_size_chart(SSD300_VOC_PRIORS, []),
    "sizes": lambda: draw.draw_size_chart(
        PRIOR_LAYOUTS["refinedet320"], torch.tensor([[8.0, 32.0], [300.0, 300.0]]), title="Sizes"
    ),
    "coverage": lambda: draw.draw_coverage([8, 16, 32], COVERED, [0, 3], title="C", alt=ALT),
    "coverage without objects": lambda: draw.draw_coverage(
        [8, 16], {"SSD": [math.nan]}, [0], alt=ALT
    ),
    "system": lambda: draw.draw_system(title="The one picture"),
}  # fmt: skip


def test_the_same_call_gives_the_same_bytes():
    assert DRAWINGS["boxes, everything"]().png == DRAWINGS["boxes, everything"]().png


def test_drawing_leaves_matplotlib_as_it_was():
    import matplotlib

    with matplotlib.rc_context({"font.size": 7.5, "axes.spines.top": True}):
        before = dict(matplotlib.rcParams)
        for name in ("boxes, everything", "levels", "sizes", "system"):
            DRAWINGS[name]()
            assert dict(matplotlib.rcParams) == before, name
        with pytest.raises(ValueError):
            draw.draw_boxes(BLACK, [[0, 0, 5, 5]], [3], None, NAMES, alt=ALT)
        assert dict(matplotlib.rcParams) == before


def test_no_drawing_needs_pyplot_and_importing_needs_no_matplotlib():
    """pyplot would open windows, and keep figures."""
    code = (
        "import sys, detlearn.show\n"
        "assert 'matplotlib' not in sys.modules, 'imported with detlearn.show'\n"
        "from detlearn.boxes import SSD_TINY_PRIORS\n"
        "detlearn.show.draw_levels(SSD_TINY_PRIORS)\n"
        "assert 'matplotlib.pyplot' not in sys.modules, 'pyplot was imported'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


def test_the_reader_s_own_rcparams_do_not_show():
    import matplotlib

    plain = DRAWINGS["sizes"]().png
    with matplotlib.rc_context({"figure.facecolor": "black", "font.size": 30}):
        assert DRAWINGS["sizes"]().png == plain


def test_a_box_is_drawn_where_it_lies():
    """A 100 x 100 image, 4.4 inches wide: one px of it is 4.4 px of the figure."""
    figure = draw.draw_boxes(torch.ones(3, 100, 100), [[20, 40, 80, 60]], [1], alt=ALT)
    pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
    red, green, blue = (int(PALETTE[0][i : i + 2], 16) for i in (1, 3, 5))
    rows, columns = np.nonzero(np.abs(pixels - [red, green, blue]).sum(-1) < 12)
    edge = 4 + canvas.MARGIN  # px, the drawing's margin and the card's
    assert (columns.min() - edge) / 4.4 == pytest.approx(20, abs=0.6)
    assert (columns.max() - edge) / 4.4 == pytest.approx(80, abs=0.6)
    assert (rows.max() - edge) / 4.4 == pytest.approx(60, abs=0.6)


def test_a_dot_marks_the_centre_of_a_box():
    """The middle of the box, (50, 50) of 100 px, is white without it."""
    colour = [int(PALETTE[0][i : i + 2], 16) for i in (1, 3, 5)]
    for centers in (False, True):
        figure = draw.draw_boxes(
            torch.ones(3, 100, 100), [[20, 40, 80, 60]], [1], centers=centers, alt=ALT
        )
        pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
        edge = 4 + canvas.MARGIN
        middle = pixels[edge + 220, edge + 220]
        assert (np.abs(middle - colour).sum() < 12) == centers
        assert centers or middle.min() > 240


FAULTS = {
    "labels: one too few": (
        lambda: draw.draw_boxes(BLACK, TWO_BOXES, [1], alt=ALT),
        "labels: expected one per box, 2 in all, got 1",
    ),
    "scores: one too many": (
        lambda: draw.draw_boxes(BLACK, TWO_BOXES, [1, 2], [0.1, 0.2, 0.3], alt=ALT),
        "scores: expected one per box, 2 in all, got 3",
    ),
    "labels of no box": (
        lambda: draw.draw_boxes(BLACK, [], [1], alt=ALT),
        "labels: expected one per box, 0 in all, got 1",
    ),
    "boxes of five numbers": (
        lambda: draw.draw_boxes(BLACK, [[1, 2, 3, 4, 5]], alt=ALT),
        r"boxes: expected boxes \(N, 4\), xyxy in px, got \(1, 5\)",
    ),
    "a class without a name": (
        lambda: draw.draw_boxes(BLACK, TWO_BOXES, [1, 3], None, NAMES, alt=ALT),
        r"labels\[1\]: expected 0 <= label < 3 \(class_names\), got 3",
    ),
    "no alternative text": (
        lambda: draw.draw_boxes(BLACK, TWO_BOXES, alt=""),
        "alt: expected a description",
    ),
    "a normalised image": (
        lambda: draw.draw_boxes(torch.full((3, 4, 4), -2.0), [], alt=ALT),
        "draw the image from before model.normalize",
    ),
    "a batch instead of an image": (
        lambda: draw.draw_boxes(torch.zeros(1, 3, 4, 4), [], alt=ALT),
        r"image: expected a tensor \(3, H, W\)",
    ),
    "an array with channels first": (
        lambda: draw.draw_boxes(np.zeros((3, 8, 9), np.uint8), [], alt=ALT),
        r"image: expected an array \(H, W, 3\), got \(3, 8, 9\)",
    ),
    "an image of int64": (
        lambda: draw.draw_boxes(torch.zeros(3, 4, 4, dtype=torch.int64), [], alt=ALT),
        "image: expected uint8 or float",
    ),
    "no scenes": (lambda: draw.draw_scenes([], alt=ALT), "scenes: expected at least one"),
    "titles: one too few": (
        lambda: draw.draw_scenes(SCENES, titles=["a"], alt=ALT),
        "titles: expected one per scene, 2 in all, got 1",
    ),
    "labels of the second scene": (
        lambda: draw.draw_scenes([SCENES[0], (BLACK, {"boxes": [], "labels": [1]})], alt=ALT),
        r"scenes\[1\] labels: expected one per box, 0 in all, got 1",
    ),
    "a level that is none": (
        lambda: draw.draw_priors(SSD300_VOC_PRIORS, 6),
        "level: expected 0 to 5, got 6",
    ),
    "a cell outside the map": (
        lambda: draw.draw_priors(SSD300_VOC_PRIORS, 4, (0, 3)),
        r"cell: expected \(row, column\) on a 3 x 3 map, got \(0, 3\)",
    ),
    "a clamp that is none": (
        lambda: draw.draw_levels(SSD300_VOC_PRIORS, clamp="some"),
        "clamp: expected",
    ),
    "an object without size": (
        lambda: draw.draw_size_chart(SSD300_VOC_PRIORS, [10.0, 0.0]),
        r"box_sizes\[1\]: expected a positive side, got 0.0",
    ),
    "boxes instead of sizes": (
        lambda: draw.draw_size_chart(SSD300_VOC_PRIORS, torch.ones(3, 4)),
        r"box_sizes: expected sides \(G,\) or sizes \(G, 2\) in px, got \(3, 4\)",
    ),
    "edges that fall": (
        lambda: draw.draw_coverage([16, 8], {"SSD": [1.0]}, alt=ALT),
        "edges: expected two or more ascending positive sides",
    ),
    "no curve": (lambda: draw.draw_coverage([8, 16], {}, alt=ALT), "recalls: expected 1 to 6"),
    "a curve that is too long": (
        lambda: draw.draw_coverage([8, 16], {"SSD": [1.0, 1.0]}, alt=ALT),
        r"recalls\['SSD'\]: expected one share a size class, \(1,\), got \(2,\)",
    ),
    "a share above one": (
        lambda: draw.draw_coverage([8, 16], {"SSD": [1.5]}, alt=ALT),
        r"recalls\['SSD'\]: expected shares in \[0, 1\]",
    ),
    "counts: one too many": (
        lambda: draw.draw_coverage([8, 16], {"SSD": [1.0]}, [1, 2], alt=ALT),
        "counts: expected one a size class, 1, got 2",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    draw_it, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        draw_it()


def test_captions_say_what_is_known():
    assert captions_of(None, None, None, 1) == [""]
    assert captions_of([2], [0.5], NAMES, 1) == ["square 0.50"]
    assert captions_of([2], None, None, 1) == ["class 2"]


def test_the_text_on_every_colour_can_be_read():
    """WCAG asks for a contrast of 4.5 of small type, 3 of bold large type."""

    def luminance(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in PALETTE:
        high, low = sorted((luminance(colour), luminance(ink_on(colour))), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, colour


def test_the_priors_drawn_are_those_of_the_layout():
    """SSD300, level 4: cell (1, 1) has its centre at 1.5 x 100 px; s = 213, s' = 264."""
    priors = _cell_priors(SSD300_VOC_PRIORS, 4, 1, 1)
    between = math.sqrt(213 * 264)
    wide = 213 * math.sqrt(2)
    assert priors[0].tolist() == pytest.approx([150, 150, 213, 213])
    assert priors[1].tolist() == pytest.approx([150, 150, between, between])
    assert priors[2].tolist() == pytest.approx([150, 150, min(300, wide), wide / 2])
    assert _ratio_names(SSD300_VOC_PRIORS, 4) == ["1:1", "1:1", "2:1", "1:2"]


def test_alternative_text_states_the_facts_of_the_layout():
    figure = draw.draw_levels(dataclasses.replace(SSD_TINY_PRIORS, clamp="none"))
    assert figure.alt == (
        "4 levels of prior boxes, maps of 32, 16, 8, 4 cells a side, 3,392 priors in all."
    )


# ---- pictures of the command line


DETECTIONS = {
    "boxes": torch.tensor(TWO_BOXES),
    "labels": torch.tensor([1, 2]),
    "scores": torch.tensor([0.9, 0.4]),
}


@pytest.mark.parametrize("ending", ["png", "jpg", "JPEG", "webp", "bmp"])
def test_save_detections_writes_the_picture_at_its_own_size(tmp_path, ending):
    path = draw.save_detections(BLACK, DETECTIONS, tmp_path / f"out.{ending}", class_names=NAMES)
    with Image.open(path) as picture:
        assert picture.size == (60, 40)
        assert np.asarray(picture.convert("RGB")).any()
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_save_detections_without_detections_is_the_picture(tmp_path):
    image = torch.randint(0, 256, (3, 9, 7), dtype=torch.uint8)
    path = draw.save_detections(image, {"boxes": torch.zeros(0, 4)}, tmp_path / "new" / "a.png")
    assert (np.asarray(Image.open(path)) == image.permute(1, 2, 0).numpy()).all()


@pytest.mark.parametrize("step", ["writing", "renaming"])
def test_save_detections_keeps_the_old_file_when_it_fails(tmp_path, monkeypatch, step):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")

    def fail(*_args, **_kwargs):
        raise OSError("disk full")

    if step == "writing":
        monkeypatch.setattr(Image.Image, "save", fail)
    else:
        monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        draw.save_detections(BLACK, DETECTIONS, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["picture", "picture.txt", "picture.safetensors"])
def test_save_detections_wants_a_picture_s_ending(tmp_path, name):
    with pytest.raises(ValueError, match=r"path: expected a picture file such as picture\.png"):
        draw.save_detections(BLACK, DETECTIONS, tmp_path / name)


def test_save_detections_draws_tiny_and_overhanging_boxes(tmp_path):
    boxes = torch.tensor(
        [[-5.0, -5.0, 3.0, 3.0], [10.0, 10.0, 10.5, 10.5], [55.0, 35.0, 90.0, 70.0]]
    )
    found = {"boxes": boxes, "labels": torch.tensor([1, 2, 1]), "scores": torch.ones(3)}
    assert draw.save_detections(BLACK, found, tmp_path / "a.png", class_names=NAMES).exists()


def test_the_key_below_a_picture_says_what_the_caller_calls_its_boxes(monkeypatch):
    said = []
    monkeypatch.setattr("detlearn.show.figures.boxes.line_key", lambda _, entries: said.append(
        [name for name, *_ in entries]))  # fmt: skip
    for names in ({}, {"key": ("hard negative", "object")}):
        draw.draw_boxes(torch.zeros(3, 8, 8), [[1, 1, 5, 5]], reference=[[1, 1, 4, 4]],
                        alt="One box and a dashed one.", **names)  # fmt: skip
    assert said == [["box", "ground truth"], ["hard negative", "object"]]
