"""Pictures of HRNet: described, small, the same twice; faults are named."""

from __future__ import annotations

import pytest
import torch

from detlearn.show import figures as draw

ALT = "A picture that a test has drawn."
W32 = (32, 64, 128, 256)
NOBODY = [torch.zeros(8 // 2**k, 8 // 2**k, dtype=torch.bool) for k in range(4)]

DRAWINGS = {
    "two branches": lambda: draw.draw_hrnet((4, 8), (1,), (32, 32)),
    "W32 for poses": lambda: draw.draw_hrnet(W32, (1, 4, 3), (256, 192), num_outputs=1, title="T"),
    "four cells": lambda: draw.draw_fuse_matrix((4, 8), (8, 8)),
    "sixteen cells": lambda: draw.draw_fuse_matrix(W32, (64, 48), title="T", alt=ALT),
    "nobody hears": lambda: draw.draw_listeners({"a": NOBODY}, alt=ALT),
    "all hear, and one was touched": lambda: draw.draw_listeners(
        {"a": NOBODY, "b": [~mask for mask in NOBODY]}, source=(3, 0, 0), title="T", alt=ALT
    ),
    "one bar, of nothing": lambda: draw.draw_branch_costs({"a": (0, 0)}, alt=ALT),
    "bars": lambda: draw.draw_branch_costs(
        {"stem": (1e6, 2e9), "branch 0": (3e6, 1e9), "branch 3": (9e6, 1e9)}, title="T", alt=ALT
    ),
}


def test_facts_become_the_alternative_text():
    assert draw.draw_hrnet(W32[:3], (1, 4), (64, 32)).alt == (
        "HRNet: 3 branches of 16 × 8, 8 × 4, 4 × 2 cells side by side, 1 module in stage 2, "
        "4 modules in stage 3, 5 exchanges."
    )
    assert draw.draw_fuse_matrix(W32, (64, 48)).alt.startswith("The fuse matrix of 4 branches. On")


def test_a_mask_that_hears_is_drawn():
    silent = draw.draw_listeners({"a": NOBODY}, alt=ALT)
    heard = draw.draw_listeners({"a": [*NOBODY[:3], ~NOBODY[3]]}, alt=ALT)
    assert silent.png != heard.png


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw.draw_hrnet((4,), (), (32, 32)), r"widths: expected 2 to 4 .*got \(4,\)"),
        (lambda: draw.draw_hrnet(W32, (1, 4), (32, 32)), r"modules: expected 3 stages, got \(1, 4"),
        (lambda: draw.draw_fuse_matrix((4,) * 5, (8, 8)), "widths: expected 2 to 4 branches"),
        (lambda: draw.draw_listeners({}, alt=ALT), "runs: expected 1 to 4, got 0"),
        (
            lambda: draw.draw_listeners({"a": NOBODY, "b": NOBODY[:2]}, alt=ALT),
            r"runs\['b'\]: expected a mask \(H, W\) .*got \[\(8, 8\), \(4, 4\)\]",
        ),
        (lambda: draw.draw_branch_costs({}, alt=ALT), "parts: expected 1 to 10, got 0"),
        (
            lambda: draw.draw_branch_costs({"a": (1, -1)}, alt=ALT),
            r"parts\['a'\]: expected \(parameters, MACs\), 0 or more, got \(1, -1\)",
        ),
    ],
)
def test_faults_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
