"""Scores of an experiment, seed by seed."""

from __future__ import annotations

import pytest

from detlearn.show import draw_seeds

SCORES = {"full": [0.62, 0.63, 0.61], "without": [0.60, 0.61, 0.60]}
DRAWINGS = {
    "one score": lambda: draw_seeds({"a": [0.5]}),
    "equal scores": lambda: draw_seeds({"a": [0.5, 0.5], "b": [0.5, 0.5]}),
    "five variants": lambda: draw_seeds({name: [0.1, 0.2, 0.4] for name in "abcde"}, x="mAP50"),
    "a reference": lambda: draw_seeds(SCORES, reference="full"),
    "named seeds": lambda: draw_seeds(SCORES, reference="full", seeds=[7, 8, 9]),
}


def test_it_says_means_and_spreads():
    """0.62 ± 0.01 and 0.603 ± 0.006: standard deviations of three."""
    assert draw_seeds(SCORES).alt == (
        "mAP of each variant, one mark a seed: full 0.620 ± 0.010, without 0.603 ± 0.006."
    )
    assert DRAWINGS["named seeds"]().alt == (
        "mAP of each variant, one mark a seed; mean ± one standard deviation: "
        "full 0.620 ± 0.010, without 0.603 ± 0.006."
    )
    assert draw_seeds(SCORES, alt="Two rows of marks.").alt == "Two rows of marks."


def test_the_legend_names_the_seeds():
    others = draw_seeds(SCORES, reference="full", seeds=[0, 1, 2])
    assert len({DRAWINGS[name]().png for name in ("a reference", "named seeds")}
               | {others.png}) == 3  # fmt: skip


FAULTS = {
    "nothing": (lambda: draw_seeds({}), "scores: expected at least one variant, got none"),
    "no seed": (lambda: draw_seeds({"a": []}), r"scores\['a'\]: expected 1 to 5 scores, got 0"),
    "six seeds": (lambda: draw_seeds({"a": [0.5] * 6}), "expected 1 to 5 scores, got 6"),
    "NaN": (lambda: draw_seeds({"a": [float("nan")]}), "expected finite numbers"),
    "a seed too few": (
        lambda: draw_seeds(SCORES, seeds=[0, 1]), "seeds: expected 3 of them, got 2"),
    "another reference": (
        lambda: draw_seeds(SCORES, reference="b"), "reference: expected one of .* got 'b'"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    make, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        make()
