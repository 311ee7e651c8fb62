"""RefineDet's pictures: described, small, the same twice; faults are named."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from detlearn.boxes import M2DET320_PRIORS, REFINEDET320_PRIORS, SSD_TINY_PRIORS
from detlearn.show import figures as draw

ALT = "A picture that a test has drawn."
PAPER = torch.ones(3, 60, 100)
GOAL = [35, 10, 85, 50]
MAPS = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
NONE, ALL = (torch.full((SSD_TINY_PRIORS.num_priors,), value) for value in (0.0, 1.0))

DRAWINGS = {
    "two levels": lambda: draw.draw_refinedet([(8, 4), (8, 2)]),
    "the published network": lambda: draw.draw_refinedet(
        [(512, 40), (512, 20), (1024, 10), (512, 5)], list("abcd"), title="RefineDet320", alt=ALT
    ),
    "one step": lambda: draw.draw_steps(PAPER, GOAL, {"prior": [20, 10, 60, 50]}),
    "four steps": lambda: draw.draw_steps(
        PAPER, torch.tensor(GOAL), dict.fromkeys("abcd", GOAL), title="Four", alt=ALT
    ),
    "one IoU": lambda: draw.draw_iou_shift([0.0], [1.0], alt=ALT),
    "many IoUs": lambda: draw.draw_iou_shift(
        torch.linspace(0.4, 0.7, 90), np.linspace(0.6, 1, 50), title="Shift", alt=ALT
    ),
    "nothing survives": lambda: draw.draw_filter(PAPER, NONE, SSD_TINY_PRIORS, alt=ALT),
    "everything survives": lambda: draw.draw_filter(
        PAPER, ALL, SSD_TINY_PRIORS, boxes=torch.tensor([GOAL]), title="All", alt=ALT
    ),
    "no difference": lambda: draw.draw_transfer(PAPER, MAPS[0], MAPS[0], alt=ALT),
    "a link cut": lambda: draw.draw_transfer(
        PAPER, *MAPS, boxes=torch.tensor([GOAL]), names=("with", "without"), title="Cut", alt=ALT
    ),
    "one map": lambda: draw.draw_addition({"a": [[1]]}, [], alt=ALT),
    "a filter and two maps": lambda: draw.draw_addition(
        {"a": [[1]], "f": [[1, 2], [3, 4]], "b\n(2, 2)": [[1.5, 2], [3, 4]]},
        ["∗", "="],
        plain=["f"],
        title="Up",
        alt=ALT,
    ),
}


def test_facts_become_the_alternative_text():
    # by hand: 25 x 40 px shared of 40 x 40 + 50 x 40 - 1,000 = 2,600
    assert DRAWINGS["one step"]().alt == (
        "A box on its way to an object, with its IoU: prior 0.38."
    )


def test_what_is_drawn_depends_on_what_survives():
    assert DRAWINGS["nothing survives"]().png != DRAWINGS["everything survives"]().png
    sure = NONE.clone()
    sure[0] = 0.01  # at the threshold: dropped, as the paper has it
    drawn = draw.draw_filter(PAPER, sure, SSD_TINY_PRIORS, alt=ALT)
    assert drawn.png == DRAWINGS["nothing survives"]().png


REFUSED = {
    "one map only": (
        lambda: draw.draw_refinedet([(8, 4)]), r"maps: expected 2 to 5 of them, got 1"
    ),
    "names": (
        lambda: draw.draw_refinedet([(8, 4), (8, 2)], ["a"]),
        r"names: expected one for each of 2 maps, got 1",
    ),
    "no step": (lambda: draw.draw_steps(PAPER, GOAL, {}), r"steps: expected 1 to 4, got 0"),
    "two objects": (
        lambda: draw.draw_steps(PAPER, [GOAL, GOAL], {"a": GOAL}),
        r"target: expected one box \(4,\), got \(2, 4\)",
    ),
    "no IoU": (lambda: draw.draw_iou_shift([], [1.0], alt=ALT), r"before: expected IoUs \(N,\)"),
    "IoU of 2": (lambda: draw.draw_iou_shift([1.0], [2.0], alt=ALT), r"after: expected IoUs"),
    "maps of two sides": (
        lambda: draw.draw_transfer(PAPER, MAPS[0], MAPS[1, :, :4, :4], alt=ALT),
        r"cut: expected two maps \(C, S, S\) of one shape, got \(3, 8, 8\) and \(3, 4, 4\)",
    ),
    "other priors": (
        lambda: draw.draw_filter(PAPER, NONE, REFINEDET320_PRIORS, alt=ALT),
        r"objectness: expected one a prior, \(6375,\)",
    ),
    "six levels": (
        lambda: draw.draw_filter(
            PAPER, torch.zeros(M2DET320_PRIORS.num_priors), M2DET320_PRIORS, alt=ALT
        ),
        r"config: expected at most 5 levels, got 6",
    ),
    "no grid": (
        lambda: draw.draw_addition({"a": [1, 2]}, [], alt=ALT),
        r"panels\['a'\]: expected \(H, W\) up to 8 x 8, got \(2,\)",
    ),
    "signs": (
        lambda: draw.draw_addition({"a": [[1]]}, ["+"], alt=ALT),
        r"signs: expected one fewer than the 1 maps, got 1",
    ),
    "filters alone": (
        lambda: draw.draw_addition({"f": [[1]]}, [], plain=["f"], alt=ALT),
        r"panels: expected a map that is not plain, got \['f'\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_faults_are_named(name):
    draw_it, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        draw_it()


def test_the_difference_is_where_the_maps_differ():
    """One cell of sixteen: the last panel is dark there, and pale elsewhere."""
    usual = torch.zeros(2, 4, 4)
    cut = usual.clone()
    cut[:, 0, 0] = torch.tensor([1.0, -1.0])  # the means agree, the channels do not
    drawn = draw.draw_transfer(PAPER, usual, cut, alt=ALT)
    pixels = np.asarray(Image.open(io.BytesIO(drawn.png)).convert("L"))
    last = pixels[40:, int(0.76 * pixels.shape[1]) :]
    assert last[:30, 10:30].mean() < 80 and last[60:120, 60:120].mean() > 230
    first = pixels[40:, int(0.26 * pixels.shape[1]) : int(0.48 * pixels.shape[1])]
    assert first[:30, 10:30].mean() > 230
