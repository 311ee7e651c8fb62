"""Figures are twice as sharp as the page, where a notebook can carry it."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageChops

from detlearn import show
from detlearn.boxes import SSD_TINY_PRIORS
from detlearn.show import canvas

ALT = "A line from corner to corner."


def drawing_of(width=3.0, height=2.0):
    with canvas.paper(width, height) as (drawing, axes):
        axes.plot([0, width], [0, height])
    return drawing


def picture_of(figure):
    return Image.open(io.BytesIO(figure.png))


@pytest.mark.sharp
def test_a_small_figure_has_four_pixels_for_one_of_the_page():
    figure = canvas.finish(drawing_of(), ALT)
    assert (figure.width, picture_of(figure).size) == (300, (600, 400))
    _, metadata = figure._repr_mimebundle_()
    assert metadata["image/png"]["width"] == 300


@pytest.mark.sharp
def test_a_figure_too_heavy_keeps_one(monkeypatch):
    heavy = len(canvas.png_bytes(drawing_of(), None, 2))
    monkeypatch.setattr(canvas, "SHARP_BYTES", heavy - 1)
    figure = canvas.finish(drawing_of(), ALT)
    assert (figure.width, picture_of(figure).size) == (None, (300, 200))
    monkeypatch.setattr(canvas, "SHARP_BYTES", heavy)
    assert picture_of(canvas.finish(drawing_of(), ALT)).size == (600, 400)


def test_the_drawing_keeps_its_resolution():
    drawing = drawing_of()
    before = canvas.png_bytes(drawing)
    canvas.png_bytes(drawing, None, 2)
    assert drawing.get_dpi() == canvas.DPI
    assert canvas.png_bytes(drawing) == before


@pytest.mark.sharp
def test_both_show_the_same(monkeypatch):
    """What is laid out in pixels of the page lies at the same place in the sharp form."""
    sharp = picture_of(show.draw_levels(SSD_TINY_PRIORS)).convert("L")
    monkeypatch.setattr(canvas, "SHARP", 1)
    plain = picture_of(show.draw_levels(SSD_TINY_PRIORS)).convert("L")
    assert sharp.width == 2 * plain.width
    assert abs(sharp.height - 2 * plain.height) <= 1  # half a pixel of the page
    # twelve pixels of the page to one: type is set a little otherwise, lines lie where they lay
    small = sharp.resize((plain.width // 12, plain.height // 12), Image.Resampling.BOX)
    other = plain.resize(small.size, Image.Resampling.BOX)
    differing = ImageChops.difference(small, other).point(lambda value: value > 20)
    assert sum(differing.histogram()[1:]) <= 0.02 * small.width * small.height
