"""A picture of a check-up: as many bars as modules, as much hatched as is dead."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from detlearn.show import Figure
from detlearn.show import figures as draw
from detlearn.show.canvas import BLUE, VERMILION
from detlearn.show.figures.check_up import shares, title
from detlearn.training.check_up import CheckUp, ModuleHealth

ALT = "A picture that a test has drawn."


def network(*rows: tuple[float, float]) -> CheckUp:
    modules = {
        f"module {k}": ModuleHealth(channels=8, active=active, never_active=never)
        for k, (active, never) in enumerate(rows)
    }
    modules["gates"] = ModuleHealth(channels=8, shut=1.0)
    return CheckUp(modules, images=4)


HEALTHY, SICK = network((1.0, 0.0), (1.0, 0.0)), network((1.0, 0.0), (0.25, 0.5))


def coloured(figure: Figure, colour: str) -> np.ndarray:
    pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return np.abs(pixels - wanted).sum(-1) < 20


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_drawing_is_a_small_png_with_a_description(count):
    figure = draw.draw_check_up({f"network {k}": SICK for k in range(count)}, alt=ALT)
    assert isinstance(figure, Figure) and figure.alt == ALT
    picture = Image.open(io.BytesIO(figure.png))
    assert 100 < picture.width <= 800 and len(figure.png) <= 40_000


def test_bars_are_as_high_as_their_shares():
    healthy = coloured(draw.draw_check_up({"a": HEALTHY}, alt=ALT), BLUE)
    sick = draw.draw_check_up({"a": SICK}, alt=ALT)
    heights = coloured(sick, BLUE).sum(axis=0)
    whole = healthy.sum(axis=0).max()
    left, right = heights[: len(heights) // 2].max(), heights[len(heights) * 3 // 4 :].max()
    assert left == pytest.approx(whole, abs=2) and right == pytest.approx(whole / 4, abs=2)
    key = coloured(draw.draw_check_up({"a": HEALTHY}, alt=ALT), VERMILION).any(axis=1)
    assert 0 < np.flatnonzero(key).max() < 0.14 * len(key)  # nothing is dead: only the legend
    rows = coloured(sick, VERMILION).any(axis=1) & ~key
    dead = np.flatnonzero(rows)  # its hatches are white
    assert np.ptp(dead) == pytest.approx(whole / 2, abs=4)


def test_words_above_the_bars():
    assert title("b", HEALTHY) == "b: 0% of the channels never active, no dead module"
    assert title("b", SICK) == "b: 25% of the channels never active, 1 dead module"
    two = network((0.1, 0.9), (0.1, 0.7))
    assert title("b", two) == "b: 80% of the channels never active, 2 dead modules"
    assert [name for name, _, _ in shares(SICK)] == ["module 0", "module 1"]


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ({}, "networks: expected 1 to 3, got 0"),
        (dict.fromkeys("abcd", SICK), "networks: expected 1 to 3, got 4"),
        ({"a": CheckUp()}, r"networks\['a'\]: expected modules with channels, got none"),
    ],
)
def test_what_cannot_be_drawn(networks, message):
    with pytest.raises(ValueError, match=message):
        draw.draw_check_up(networks, alt=ALT)
