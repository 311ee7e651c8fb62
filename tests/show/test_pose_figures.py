"""Pictures of poses and heat maps: described, small, the same twice; faults are named."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from detlearn.show import figures as draw

ALT = "A picture that a test has drawn."
PLACES = torch.rand(1, 17, 2, generator=torch.Generator().manual_seed(0))
PERSON = torch.cat([2 + 20 * PLACES, 2 * torch.ones(1, 17, 1)], dim=2)  # all within IMAGE
IMAGE = torch.full((3, 32, 24), 0.5)
NOBODY = torch.zeros(0, 17, 3)

DRAWINGS = {
    "nobody": lambda: draw.draw_poses({"a": (IMAGE, NOBODY)}, alt=ALT),
    "a person and a box": lambda: draw.draw_poses(
        {"a": (IMAGE, PERSON), "b": (IMAGE, PERSON[..., :2])},
        boxes={"a": torch.tensor([[2.0, 3, 20, 30]])}, title="T", alt=ALT,
    ),
    "one map": lambda: draw.draw_heatmaps({"a": torch.zeros(4, 4)}, alt=ALT),
    "maps with marks": lambda: draw.draw_heatmaps(
        {"a\nb": torch.eye(16), "c": torch.eye(16)}, truth={"c": (3, 4)}, points={"c": (3.3, 4)},
        title="T", alt=ALT,
    ),
    "one line": lambda: draw.draw_decoding([0.0, 1.0], {"t": {"a": [0, 0]}}, alt=ALT),
    "three panels of three": lambda: draw.draw_decoding(
        torch.linspace(0, 3, 50),
        {t: {w: torch.linspace(-1, 1, 50) for w in "abc"} for t in "tuv"}, alt=ALT,
    ),
}  # fmt: skip


def test_joints_that_are_not_labelled_are_left_out():
    hidden = PERSON.clone()
    hidden[:, :, 2] = 0
    empty = draw.draw_poses({"a": (IMAGE, NOBODY)}, alt=ALT)
    assert draw.draw_poses({"a": (IMAGE, hidden)}, alt=ALT).png == empty.png
    hidden[:, 9, 2] = 1
    assert draw.draw_poses({"a": (IMAGE, hidden)}, alt=ALT).png != empty.png


def test_the_dots_of_a_small_person_leave_her_to_be_seen():
    def covered(person):
        pixels = []
        for people in (NOBODY, person):
            png = draw.draw_poses({"a": (torch.full((3, 128, 96), 0.5), people)}, alt=ALT).png
            pixels.append(np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int))
        return int((pixels[0] != pixels[1]).any(axis=2).sum())

    spread = torch.stack(torch.meshgrid(torch.arange(5.0), torch.arange(4.0), indexing="ij"), -1)
    large = 20 * spread.reshape(-1, 2)[None, :17] + 8  # joints of their own places
    small = large / 5
    assert covered(small) < 0.16 * covered(large)


@pytest.mark.parametrize(
    ("draw_it", "words"),
    [
        (lambda: draw.draw_poses({}, alt=ALT), "panels: expected 1 to 6, got 0"),
        (
            lambda: draw.draw_poses({"a": (IMAGE, torch.zeros(1, 16, 3))}, alt=ALT),
            "panels['a']: expected key points (N, 17, 2 or 3), got (1, 16, 3)",
        ),
        (lambda: draw.draw_heatmaps({}, alt=ALT), "panels: expected 1 to 6, got 0"),
        (
            lambda: draw.draw_heatmaps({"a": torch.zeros(1, 4, 4)}, alt=ALT),
            "panels['a']: expected (H, W), got (1, 4, 4)",
        ),
        (lambda: draw.draw_decoding([0.0], {}, alt=ALT), "panels: expected 1 to 3, got 0"),
        (
            lambda: draw.draw_decoding([0.0], {"t": {}}, alt=ALT),
            "panels['t']: expected 1 to 3, got 0",
        ),
        (
            lambda: draw.draw_decoding([0.0], {"t": {"a": [0, 1]}}, alt=ALT),
            "panels['t']['a']: expected (1,), got (2,)",
        ),
    ],
)
def test_faults_are_named(draw_it, words):
    with pytest.raises(ValueError) as fault:
        draw_it()
    assert words in str(fault.value)
