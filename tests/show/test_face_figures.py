"""Pictures of a face detector: described, small, the same twice; faults are named."""

from __future__ import annotations

import base64
import io

import pytest
import torch
from PIL import Image

from detlearn import create_model
from detlearn.show import figures as draw

PAPER = torch.ones(3, 60, 80)
BOX, NAMES = [20, 10, 50, 40], ["left", "right"]
POINTS = torch.tensor([[30.0, 20.0, 1.0], [40.0, 20.0, 1.0]])
SIZES = torch.tensor([8.0, 16.0, 32.0, 64.0])
SCORES = torch.tensor([[0.1, 0.2], [0.9, 0.3], [0.7, 0.4], [0.2, 0.45]])


def model():
    torch.manual_seed(0)
    return create_model("blazeface")


DRAWINGS = {
    "a face": lambda: draw.draw_face(PAPER, BOX, POINTS, NAMES),
    "candidates, zoomed": lambda: draw.draw_face(
        PAPER, torch.tensor(BOX), POINTS[:, :2], NAMES, candidates=[BOX, BOX], zoom=2, title="NMS"
    ),
    "one panel": lambda: draw.draw_face_panels([("paper", PAPER, [])]),
    "seven panels": lambda: draw.draw_face_panels(
        [(f"no.\n{k}", PAPER, [BOX]) for k in range(7)], truth=BOX, title="Seven"
    ),
    "a decline": lambda: draw.draw_decline(
        [0, 1, 2], {"a": [0.9, 0.5, 0.1]}, {"0": PAPER}, model(), xlabel="step"
    ),
    "two diagrams": lambda: draw.draw_decline(
        [8, 16], {"a": [1, 0], "b": torch.tensor([0.0, 1.0])}, dict.fromkeys("xyz", PAPER),
        model(), xlabel="px", logarithmic=True, second=("error", {"a": [3, 4]}),
    ),
    "slots": lambda: draw.draw_slot_ranges(SIZES, SCORES, ["one", "two"]),
    "slots and a rule": lambda: draw.draw_slot_ranges(
        SIZES, SCORES, ["one", "two"], marks=torch.tensor([20.0, 30.0])
    ),
    "jitter": lambda: draw.draw_jitter(
        [0, 1], {"best": torch.tensor([5.0, 6.0]), "mean": torch.tensor([5.0, 5.1])}, ylabel="px"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWINGS)
def test_a_drawing_is_a_small_png_with_a_description(name):
    figure = DRAWINGS[name]()
    data, metadata = figure._repr_mimebundle_()
    assert data["text/plain"] == f"Figure: {figure.alt}" and len(figure.alt) >= 15
    assert metadata["image/png"]["alt"] == figure.alt
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert 100 < picture.width <= 800
    assert len(figure.png) <= 60_000
    assert DRAWINGS[name]().png == figure.png


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a face", "A square box around a face, and its key points: left, right."),
        ("candidates, zoomed", "Beside it the 2 boxes that were there before NMS."),
        ("seven panels", "no. 0, no. 1, no. 2"),
        ("a decline", "Score against step: a at least 0.5 at 0, 1."),
        ("two diagrams", "a at least 0.5 at 8; b at least 0.5 at 16. Beside it: error."),
        ("slots", "one from 16 to 32; two none."),
        ("slots and a rule", "Diamonds: the sizes of a rule."),
        ("jitter", "Curves of px while the picture moves: best, mean."),
    ],
)
def test_facts_become_the_alternative_text(name, words):
    assert words in DRAWINGS[name]().alt


def test_words_of_ones_own():
    alt = "A picture that a test has drawn."
    assert draw.draw_face(PAPER, BOX, POINTS, NAMES, alt=alt).alt == alt
    assert draw.draw_slot_ranges(SIZES, SCORES, ["one", "two"], alt=alt).alt == alt


def test_what_is_drawn_depends_on_the_facts():
    assert DRAWINGS["slots"]().png != DRAWINGS["slots and a rule"]().png
    higher = draw.draw_slot_ranges(SIZES, SCORES, ["one", "two"], threshold=0.8)
    assert higher.png != DRAWINGS["slots"]().png
    moved = draw.draw_face(PAPER, [10, 10, 40, 40], POINTS, NAMES)
    assert moved.png != DRAWINGS["a face"]().png


REFUSED = {
    "names": (
        lambda: draw.draw_face(PAPER, BOX, POINTS, ["a"]), "point_names: expected 2 of them, got 1"
    ),
    "points": (
        lambda: draw.draw_face(PAPER, BOX, torch.zeros(7, 2), list("abcdefg")),
        r"points: expected \(J, 2\) or \(J, 3\), J from 1 to 6, got \(7, 2\)",
    ),
    "no panel": (lambda: draw.draw_face_panels([]), "panels: expected 1 to 12, got 0"),
    "no curve": (
        lambda: draw.draw_decline([0], {}, {"0": PAPER}, None, xlabel="x"),
        "scores: expected 1 to 4 curves, got 0",
    ),
    "a short curve": (
        lambda: draw.draw_decline([0, 1], {"a": [1]}, {"0": PAPER}, None, xlabel="x"),
        r"scores\['a'\]: expected 2 numbers, got 1",
    ),
    "no picture": (
        lambda: draw.draw_decline([0], {"a": [1]}, {}, None, xlabel="x"),
        "pictures: expected 1 to 6, got 0",
    ),
    "slots": (
        lambda: draw.draw_slot_ranges(SIZES, SCORES, ["one"]),
        r"scores: expected \(N, S\) for \(4,\) sizes and 1 names, got \(4, 2\)",
    ),
    "jitter": (
        lambda: draw.draw_jitter([0], {"a": torch.zeros(2)}, ylabel="px"),
        r"sides\['a'\]: expected 1 numbers, got 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_drawn_is_named(name):
    drawing, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        drawing()
