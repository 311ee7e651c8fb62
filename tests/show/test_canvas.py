"""Figures are twice as sharp as the page, where a notebook can carry it."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageColor

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
    assert (figure.width, picture_of(figure).size) == (310, (620, 420))
    _, metadata = figure._repr_mimebundle_()
    assert metadata["image/png"]["width"] == 310


@pytest.mark.sharp
def test_a_figure_too_heavy_keeps_one(monkeypatch):
    heavy = len(canvas.png_bytes(drawing_of(), None, 2))
    monkeypatch.setattr(canvas, "SHARP_BYTES", heavy - 1)
    figure = canvas.finish(drawing_of(), ALT)
    assert (figure.width, picture_of(figure).size) == (None, (310, 210))
    monkeypatch.setattr(canvas, "SHARP_BYTES", heavy)
    assert picture_of(canvas.finish(drawing_of(), ALT)).size == (620, 420)


def test_the_drawing_keeps_its_resolution():
    drawing = drawing_of()
    before = canvas.png_bytes(drawing)
    canvas.png_bytes(drawing, None, 2)
    assert drawing.get_dpi() == canvas.DPI
    assert canvas.png_bytes(drawing) == before


@pytest.mark.sharp
def test_both_show_the_same(monkeypatch):
    """What is laid out in pixels of the page lies at the same place in the sharp form."""
    sharp = picture_of(show.draw_levels(SSD_TINY_PRIORS)).convert("RGBA").convert("L")
    monkeypatch.setattr(canvas, "SHARP", 1)
    plain = picture_of(show.draw_levels(SSD_TINY_PRIORS)).convert("RGBA").convert("L")
    assert sharp.width == 2 * plain.width
    assert abs(sharp.height - 2 * plain.height) <= 1  # half a pixel of the page
    # twelve pixels of the page to one: type is set a little otherwise, lines lie where they lay
    small = sharp.resize((plain.width // 12, plain.height // 12), Image.Resampling.BOX)
    other = plain.resize(small.size, Image.Resampling.BOX)
    differing = ImageChops.difference(small, other).point(lambda value: value > 20)
    assert sum(differing.histogram()[1:]) <= 0.02 * small.width * small.height


def alphas_of(figure):
    return np.asarray(picture_of(figure).convert("RGBA"))[..., 3]


@pytest.mark.sharp
@pytest.mark.parametrize("grey_image", [False, True])
def test_a_figure_is_a_card_with_round_corners(grey_image):
    """White corners stand out on a dark page, and a page's own colour is not known."""
    figure = canvas.finish(drawing_of(), ALT, grey_image=grey_image)
    alphas = alphas_of(figure)
    assert [alphas[y, x] for y in (0, -1) for x in (0, -1)] == [0, 0, 0, 0]
    radius = 2 * canvas.CORNER
    assert alphas[radius:-radius].min() == alphas[:, radius:-radius].min() == 255
    corners = alphas[:radius, :radius], alphas[-radius:, -radius:]
    for corner, upright in zip(corners, (corners[0], corners[1][::-1, ::-1]), strict=True):
        share = (corner / 255).mean()
        assert share == pytest.approx(math.pi / 4, abs=0.02)  # of a square, its quarter circle's
        assert len(np.unique(corner)) > 3  # a smooth edge
        assert np.array_equal(upright, upright.T)


@pytest.mark.parametrize("grey_image", [False, True])
def test_the_paper_has_its_colour(grey_image):
    picture = picture_of(canvas.finish(drawing_of(), ALT, grey_image=grey_image)).convert("RGBA")
    assert picture.getpixel((60, 3)) == (*ImageColor.getrgb(canvas.PAPER), 255)


@pytest.mark.parametrize("size", [0.02, 0.05, 0.11])
def test_the_smallest_figures_are_cards_too(size):
    alphas = alphas_of(canvas.finish(canvas.new_figure(size, 1), ALT))
    assert alphas.shape[1] == round(100 * size) + 2 * canvas.MARGIN
    assert alphas[50].min() == 255
