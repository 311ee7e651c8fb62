"""Squared paper, the film of suppression, the curve of AP: small PNGs that say what they show."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from detlearn.show import Figure
from detlearn.show import figures as draw
from detlearn.show.canvas import BLUE, ORANGE, YELLOW
from detlearn.show.figures.metrics import _free_spot

ALT = "A picture that a test has drawn."
FIVE = [[0, 0, 6, 6], [2, 0, 8, 6], [4, 0, 10, 6], [13, 1, 19, 7], [13, 1, 19, 5]]
SCORES = [0.9, 0.8, 0.6, 0.7, 0.5]

DRAWINGS = {
    "one box": lambda: draw.draw_overlaps([([1, 1, 3, 2], None)], size=(4, 4), alt=ALT),
    "boxes apart": lambda: draw.draw_overlaps(
        [([0, 0, 1, 1], [2, 2, 4, 4])], size=(4, 4), titles=["IoU 0"], alt=ALT
    ),
    "four pairs, tensors": lambda: draw.draw_overlaps(
        [(torch.tensor([1.0, 1, 9, 9]), torch.tensor([2.0, 1, 10, 9]))] * 4,
        size=(11, 15), titles=list("abcd"), alt=ALT,
    ),
    "a film of one frame": lambda: draw.draw_suppression(
        FIVE[:1], [("at first", [0.9], [])], names="A", alt=ALT
    ),
    "a film": lambda: draw.draw_suppression(
        torch.tensor(FIVE), [("keep A", torch.tensor([0.9, 0, 0.6, 0.7, 0.5]), [0])] * 3,
        names="ABCDE", alt=ALT,
    ),
    "a curve without detections": lambda: draw.draw_precision_recall([], [], alt=ALT),
    "a curve of mistakes": lambda: draw.draw_precision_recall([0.0, 0.0], [0.0, 0.0], alt=ALT),
    "a curve, three ways": lambda: draw.draw_precision_recall(
        torch.tensor([1, 0.5, 2 / 3]), torch.tensor([0.5, 0.5, 1.0]),
        methods=("area", "11-point", "101-point"), alt=ALT,
    ),
}  # fmt: skip


def yellow_share(figure: Figure) -> float:
    """The share of the pixels that are the fill of the shared rectangle, hatches aside."""
    pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
    fill = [255 - 0.75 * (255 - int(YELLOW[i : i + 2], 16)) for i in (1, 3, 5)]
    return float((np.abs(pixels - fill).sum(-1) < 20).mean())


def test_only_what_two_boxes_share_is_filled():
    """Twice the shared area, twice the fill; boxes that touch share nothing."""
    small, large, none = (
        yellow_share(draw.draw_overlaps([([0, 0, 4, 4], other)], size=(8, 8), alt=ALT))
        for other in ([2, 2, 6, 4], [2, 0, 6, 4], [4, 0, 8, 4])
    )
    assert large / small == pytest.approx(2, rel=0.2)
    assert none == 0


def test_names_of_boxes_do_not_lie_on_each_other():
    taken = [(0.0, 0.0)]
    boxes = [[0, 0, 6, 6], [3, 0, 9, 6], [0, 5, 6, 9]]
    first, right, below = boxes
    assert _free_spot(first, boxes, taken, 3, 1) == (0, 1)
    assert _free_spot(right, boxes, taken, 3, 1) == (3, 0)
    assert _free_spot(below, boxes, taken, 3, 1) == (0, 5)
    corner = [1, 0.5, 7, 6]  # begins where the name would stand: its corner stays free
    assert _free_spot(first, [*boxes, corner], [], 3, 1) == (0, pytest.approx(-1.2))


FAULTS = {
    "no pair": (
        lambda: draw.draw_overlaps([], size=(4, 4), alt=ALT),
        "pairs: expected at least one pair of boxes, got none",
    ),
    "a box of three numbers": (
        lambda: draw.draw_overlaps([([0, 0, 1], None)], size=(4, 4), alt=ALT),
        r"pairs\[0\]: expected boxes \(N, 4\)",
    ),
    "titles: one too many": (
        lambda: draw.draw_overlaps([(FIVE[0], None)], size=(4, 4), titles=["a", "b"], alt=ALT),
        "titles: expected one per pair, 1 in all, got 2",
    ),
    "no frame": (
        lambda: draw.draw_suppression(FIVE, [], names="ABCDE", alt=ALT),
        "frames: expected at least one",
    ),
    "no boxes": (
        lambda: draw.draw_suppression([], [("start", [], [])], names="", alt=ALT),
        "boxes: expected at least one, got none",
    ),
    "names: one too few": (
        lambda: draw.draw_suppression(FIVE, [("start", SCORES, [])], names="ABCD", alt=ALT),
        "names: expected one per box, 5 in all, got 4",
    ),
    "scores of the second frame": (
        lambda: draw.draw_suppression(
            FIVE, [("start", SCORES, []), ("next", SCORES[:4], [])], names="ABCDE", alt=ALT
        ),
        r"frames\[1\] scores: expected one per box, 5 in all, got 4",
    ),
    "no method": (
        lambda: draw.draw_precision_recall([1.0], [1.0], methods=(), alt=ALT),
        "methods: expected at least one",
    ),
    "a method that is none": (
        lambda: draw.draw_precision_recall([1.0], [1.0], methods=("volume",), alt=ALT),
        "method: expected",
    ),
    "a class without objects": (
        lambda: draw.draw_precision_recall([0.0], [math.nan], alt=ALT),
        r"recall: expected shares in \[0, 1\]",
    ),
    "recall that falls": (
        lambda: draw.draw_precision_recall([1.0, 1.0], [1.0, 0.5], alt=ALT),
        "recall: expected values that never fall",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    draw_it, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        draw_it()


def pixels_of(figure: Figure, colour: str) -> np.ndarray:
    """Where a picture has a colour of the palette: (H, W) bool."""
    pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.abs(pixels - wanted).sum(-1) < 12


def test_the_key_of_a_film_names_only_what_the_film_shows():
    """Nothing waits in the last frame, so nothing is dashed orange, in the key neither."""
    first = ("at first", SCORES, [])
    last = ("at the end", SCORES, range(5))
    with_waiting = draw.draw_suppression(FIVE, [first, last], names="ABCDE", alt=ALT)
    without = draw.draw_suppression(FIVE, [last, last], names="ABCDE", alt=ALT)
    assert pixels_of(with_waiting, ORANGE).any()
    assert not pixels_of(without, ORANGE).any()


def test_the_envelope_runs_along_the_bottom_where_recall_never_arrives():
    half = draw.draw_precision_recall([1.0], [0.5], methods=("area",), alt=ALT)
    whole = draw.draw_precision_recall([1.0], [1.0], methods=("area",), alt=ALT)
    found = []
    for drawn in (half, whole):
        blue = pixels_of(drawn, BLUE)
        height, width = blue.shape
        found.append(
            int(blue[height * 2 // 5 : height * 4 // 5, width * 3 // 5 : -width // 10].sum())
        )
    assert found[0] > 0 and found[1] == 0
