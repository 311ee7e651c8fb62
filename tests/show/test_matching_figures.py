"""Figures of matching and the loss: described PNGs, what is drawn is where it should be, faults
are named."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from detlearn.show import figures as draw
from detlearn.show.canvas import MARGIN, PALETTE

ALT = "A picture that a test has drawn."
BLACK = torch.zeros(3, 40, 60, dtype=torch.uint8)
OBJECTS = [[2.0, 3.0, 20.0, 30.0], [25.0, 5.0, 50.0, 35.0]]
PRIORS = torch.tensor([[0.2, 0.4, 0.3, 0.6], [0.6, 0.5, 0.4, 0.7], [0.9, 0.9, 0.3, 0.3]])
SPREAD = torch.linspace(-0.3, 0.3, 40).reshape(10, 4)
LOSS, LABELS = torch.tensor([2.0, 1.0, 0.5, 0.1]), torch.tensor([1, 0, 0, 0])
MINED = torch.tensor([False, True, True, False])

DRAWINGS = {
    "no objects": lambda: draw.draw_matches(
        BLACK, torch.zeros(0, 4), PRIORS, torch.full((3,), -1), alt=ALT
    ),
    "no priors": lambda: draw.draw_matches(
        BLACK, OBJECTS, torch.zeros(0, 4), torch.zeros(0), alt=ALT
    ),
    "matches": lambda: draw.draw_matches(
        BLACK, OBJECTS, PRIORS, [0, 1, -1], [False, True, False], title="Two", alt=ALT
    ),
    "a spread of nothing": lambda: draw.draw_target_spread(
        torch.zeros(0, 4), torch.zeros(0, 4), alt=ALT
    ),
    "a spread": lambda: draw.draw_target_spread(SPREAD, SPREAD * 10, title="Spread", alt=ALT),
    "mining without priors": lambda: draw.draw_mining(
        torch.zeros(0), torch.zeros(0), torch.zeros(0), alt=ALT
    ),
    "mining": lambda: draw.draw_mining(LOSS, LABELS, MINED, title="Mined", alt=ALT),
    "mining, more than is shown": lambda: draw.draw_mining(
        torch.rand(500), torch.zeros(500), torch.zeros(500), shown=20, alt=ALT
    ),
}


def pixels_of(figure):
    return np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)


def has_colour(pixels, colour):
    rgb = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(pixels - rgb).sum(-1) < 12).sum() > 2000)  # more than an edge


def test_priors_are_drawn_where_they_lie_in_the_colour_of_their_object():
    """A 100 x 100 image, 5.2 inches wide: one px of it is 5.2 px of the figure."""
    prior = torch.tensor([[0.5, 0.5, 0.6, 0.2]])  # 20 to 80 px, 40 to 60 px
    figure = draw.draw_matches(torch.ones(3, 100, 100), [[45, 45, 55, 55]], prior, [0], alt=ALT)
    pixels = pixels_of(figure)
    red = [int(PALETTE[0][i : i + 2], 16) for i in (1, 3, 5)]
    rows, columns = np.nonzero(np.abs(pixels - red).sum(-1) < 12)
    edge = 4 + MARGIN  # px, the drawing's margin and the card's
    assert (columns.min() - edge) / 5.2 == pytest.approx(20, abs=0.6)
    assert (columns.max() - edge) / 5.2 == pytest.approx(80, abs=0.6)
    assert (rows.min() - edge) / 5.2 == pytest.approx(40, abs=0.6)


def test_a_prior_without_object_is_not_drawn():
    drawn = draw.draw_matches(BLACK, OBJECTS[:1], PRIORS[:1], [0], alt=ALT)
    idle = draw.draw_matches(BLACK, OBJECTS[:1], PRIORS, [0, -1, -1], alt=ALT)
    assert drawn.png == idle.png


def test_mined_and_ignored_negatives_have_their_own_colours():
    mined, ignored = torch.ones(40, dtype=torch.bool), torch.zeros(40, dtype=torch.bool)
    background = torch.zeros(40, dtype=torch.int64)
    below_the_legend = 60  # px
    for mask, hatched in ((mined, True), (ignored, False)):
        pixels = pixels_of(draw.draw_mining(torch.ones(40), background, mask, alt=ALT))[
            below_the_legend:
        ]
        assert has_colour(pixels, "#D55E00") is hatched
        assert has_colour(pixels, "#C6CDD5") is not hatched


FAULTS = {
    "an object that does not exist": (
        lambda: draw.draw_matches(BLACK, OBJECTS, PRIORS, [0, 2, -1], alt=ALT),
        r"gt_index: expected -1 to 1 \(boxes\), got -1 to 2",
    ),
    "gt_index: one too few": (
        lambda: draw.draw_matches(BLACK, OBJECTS, PRIORS, [0, 1], alt=ALT),
        r"gt_index: expected one a prior, \(3,\), got \(2,\)",
    ),
    "forced: one too many": (
        lambda: draw.draw_matches(BLACK, OBJECTS, PRIORS, [0, 1, -1], [True] * 4, alt=ALT),
        r"forced: expected one a prior, \(3,\), got \(4,\)",
    ),
    "deltas of five": (
        lambda: draw.draw_target_spread(SPREAD, torch.zeros(8, 5), alt=ALT),
        r"divided: expected deltas \(N, 4\), got \(8, 5\)",
    ),
    "an infinite delta": (
        lambda: draw.draw_target_spread(torch.full((1, 4), torch.inf), SPREAD, alt=ALT),
        "plain: expected finite deltas",
    ),
    "losses of a batch": (
        lambda: draw.draw_mining(LOSS[None], LABELS, MINED, alt=ALT),
        r"class_loss: expected \(P,\), one image, got \(1, 4\)",
    ),
    "labels: one too few": (
        lambda: draw.draw_mining(LOSS, LABELS[1:], MINED, alt=ALT),
        r"target_labels: expected one a prior, \(4,\), got \(3,\)",
    ),
    "no alternative text": (
        lambda: draw.draw_mining(LOSS, LABELS, MINED, alt=""),
        "alt: expected a description",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    draw_it, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        draw_it()
