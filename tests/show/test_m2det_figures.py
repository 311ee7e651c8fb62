"""Pictures of M2Det: described, small, the same twice; faults are named."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from detlearn.models.m2det import M2DET512_VGG16, M2DET_TINY
from detlearn.show import figures as draw

ALT = "A picture that a test has drawn."
ONE = torch.ones(1, 1)
TWO_LEVELS = replace(M2DET_TINY, num_levels=2, sfam=False)

DRAWINGS = {
    "the smallest U": lambda: draw.draw_tum(1, 5, 8, 3),
    "a released U": lambda: draw.draw_tum(128, 256, 40),
    "a paper's U, titled": lambda: draw.draw_tum(256, 256, 64, kind="paper", title="T", alt=ALT),
    "one scale": lambda: draw.draw_level_grid((4,), 2, 3),
    "48 maps": lambda: draw.draw_level_grid((40, 20, 10, 5, 3, 1), 8, 256, title="T"),
    "one grid": lambda: draw.draw_small_maps({"a": ONE}, alt=ALT),
    "a sum": lambda: draw.draw_small_maps(
        {"a": torch.rand(8, 8), "b\nc": ONE, "d": torch.rand(2, 3)}, "+=", title="T", alt=ALT
    ),
    "one bar": lambda: draw.draw_attention({"a": [torch.ones(1)]}, 1, alt=ALT),
    "the MLFPN of eight levels": lambda: draw.draw_mlfpn(M2DET512_VGG16, title="T"),
    "a small one without SFAM": lambda: draw.draw_mlfpn(TWO_LEVELS, alt=ALT),
    "losses of one group": lambda: draw.draw_level_losses({"a": {"b": [[0.1]]}}, alt=ALT),
    "losses of two": lambda: draw.draw_level_losses(
        {"a": {"b": [[0.1, -0.2]] * 3, "c": [[0.3, 0.9]]}, "d": {"b": [[0.0]]}}, title="T"
    ),
    "two runs": lambda: draw.draw_attention(
        {"a": [torch.rand(16)] * 2, "b": [torch.rand(16)] * 2}, 8, title="T", alt=ALT
    ),
}


def test_facts_become_the_alternative_text():
    assert draw.draw_tum(1, 6, 8, 3, kind="paper").alt == (
        "A TUM, paper: 8, 4, 2 cells a side on the way down and again on the way up; "
        "1 channels come in, 6 stand inside, 3 come out."
    )
    assert draw.draw_level_grid((5, 3), 4, 512).alt == (
        "4 levels by 2 scales, 8 maps; gathered scale by scale to 2,048 channels at sides 5, 3."
    )
    assert draw.draw_mlfpn(M2DET512_VGG16).alt == (
        "Two maps of the backbone become the base feature of 768 channels and 64 × 64 cells; "
        "8 TUMs follow each other, the first reads 128 channels, each other 128 of the base and "
        "256 of the TUM before it; their maps are gathered to 2,048 channels at 6 scales, weighed "
        "by SFAM, and read by the heads."
    )
    assert "SFAM" not in draw.draw_mlfpn(TWO_LEVELS).alt
    losses = {"small": {"simple": [[0.5, 0.1], [0.3, 0.1]], "complex": [[-0.1, 0.2]]}}
    assert draw.draw_level_losses(losses).alt == (
        "Share of AP lost by level; small: simple 0.40 0.10, complex -0.10 0.20."
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw.draw_tum(1, 5, 8, 2), "num_scales: expected 3 to 7, got 2"),
        (lambda: draw.draw_tum(1, 5, 4, 3), r"large enough, got sides \(4, 2, 0\)"),
        (lambda: draw.draw_level_grid((4,), 1, 3), "num_levels: expected 2 to 8, got 1"),
        (lambda: draw.draw_level_grid((), 2, 3), r"sides: .*got \(\)"),
        (lambda: draw.draw_small_maps({}, alt=ALT), "panels: expected 1 to 6, got 0"),
        (
            lambda: draw.draw_small_maps({"a": torch.ones(9, 1)}, alt=ALT),
            r"panels\['a'\]: expected \(H, W\), at most 8 by 8, got \(9, 1\)",
        ),
        (
            lambda: draw.draw_small_maps({"a": ONE, "b": ONE}, "+=", alt=ALT),
            "signs: expected 1, one between two, got 2",
        ),
        (
            lambda: draw.draw_mlfpn(replace(M2DET_TINY, num_levels=1)),
            "config: expected at least two levels and tum='released', got 1",
        ),
        (lambda: draw.draw_mlfpn(replace(M2DET_TINY, tum="paper")), "and 'paper'"),
        (lambda: draw.draw_level_losses({}), "panels: expected 1 to 3, got 0"),
        (
            lambda: draw.draw_level_losses({"a": {"b": [[0.1], [0.1, 0.2]]}}),
            r"panels\['a'\]: .* got 1 groups and \[1, 2\] levels",
        ),
        (lambda: draw.draw_attention({}, 1, alt=ALT), "panels: expected 1 to 4, got 0"),
        (
            lambda: draw.draw_attention({"a": [torch.ones(2)]}, 9, alt=ALT),
            "num_levels: expected 1 to 8, got 9",
        ),
        (
            lambda: draw.draw_attention({"a": [torch.ones(2)], "b": []}, 1, alt=ALT),
            r"panels\['b'\]: expected weights for 1 scales, got 0",
        ),
        (
            lambda: draw.draw_attention({"a": [torch.ones(3)]}, 2, alt=ALT),
            r"panels\['a'\]\[0\]: expected \(C,\) with C a multiple of 2, got \(3,\)",
        ),
    ],
)  # fmt: skip
def test_faults_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
