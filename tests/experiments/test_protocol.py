"""Verdicts: by hand, under the null hypothesis, and where there is something to find."""

from __future__ import annotations

import statistics

import numpy as np
import pytest
from scipy import stats

from experiments import protocol
from experiments.protocol import (
    CANNOT_BE_TOLD,
    HELPS,
    HURTS,
    NO_DIFFERENCE,
    check_pairs,
    compare,
    interval,
    power,
    seeds_needed,
)

DELTA = 0.01
SPREAD = 0.006
"""Standard deviation of paired differences of mAP: four rows of RefineDet's first experiment."""


def tables(count: int, rows: int, seeds: int, effects=(), spread: float = SPREAD, seed: int = 0):
    """Simulated tables; the rows of one share their reference, as real ones do."""
    draw = np.random.default_rng(seed)
    shift = np.zeros(rows)
    shift[: len(effects)] = effects
    # Half of a difference's variance is the reference's, which all rows of a table share.
    for _ in range(count):
        reference = draw.normal(0, spread / 2**0.5, seeds)
        own = draw.normal(0, spread / 2**0.5, (rows, seeds))
        differences = own - reference + shift[:, None]
        yield {str(row): list(map(float, differences[row])) for row in range(rows)}


def verdicts(table, delta=DELTA):
    return [row.verdict for row in compare(table, delta).values()]


def wrong(drawn, delta=DELTA) -> int:
    """Tables that find an effect where there is none."""
    return sum(any(word in (HELPS, HURTS) for word in verdicts(one, delta)) for one in drawn)


@pytest.mark.parametrize("rows", [1, 4, 8])
@pytest.mark.parametrize("spread", [SPREAD, 3 * SPREAD])
def test_under_the_null_few_tables_hold_a_false_verdict(rows, spread):
    drawn = list(tables(500, rows, seeds=5, spread=spread))
    assert wrong(drawn) / len(drawn) <= protocol.ALPHA
    # With a tiny delta nothing but the corrected interval stands in the way of chance.
    false = wrong(drawn, delta=1e-9)
    assert false / len(drawn) >= 0.01
    assert stats.binomtest(false, len(drawn), protocol.ALPHA, alternative="greater").pvalue > 0.05


def test_without_the_correction_there_would_be_too_many():
    """The simulation sees what it is there for."""
    drawn = list(tables(300, 5, seeds=5))
    false = sum(
        any(not low <= 0 <= high for low, high in map(interval, one.values())) for one in drawn
    )
    assert false / len(drawn) > 0.1


def test_no_difference_is_not_said_of_an_effect_of_delta():
    """Two rows differ by just delta, three not at all: both kinds of false verdict together."""
    false = 0
    drawn = list(tables(500, 5, seeds=5, effects=(DELTA, -DELTA), spread=SPREAD))
    for one in drawn:
        words = verdicts(one)
        false += NO_DIFFERENCE in words[:2] or any(word in (HELPS, HURTS) for word in words[2:])
    assert false / len(drawn) <= 0.05


@pytest.mark.parametrize("effect", [2 * DELTA, -2 * DELTA])
def test_a_true_effect_of_two_delta_is_found(effect):
    """With five seeds at the measured spread, in a table of four rows, in most cases."""
    word = HELPS if effect > 0 else HURTS
    drawn = list(tables(400, 4, seeds=5, effects=(effect,)))
    assert sum(verdicts(one)[0] == word for one in drawn) / len(drawn) >= 0.8


def test_power_is_what_a_simulation_finds():
    drawn = list(tables(800, 1, seeds=5, effects=(0.012,)))
    found = sum(
        not row.low <= 0 <= row.high for one in drawn for row in compare(one, DELTA).values()
    )
    assert found / len(drawn) == pytest.approx(power(0.012, SPREAD, seeds=5), abs=0.04)


def test_seeds_needed_is_the_first_number_that_is_enough():
    for spread, rows in ((0.004, 1), (0.01, 4), (0.02, 8)):
        seeds = seeds_needed(spread, DELTA, rows)
        assert power(2 * DELTA, spread, seeds, rows) >= 0.8
        assert seeds == protocol.MIN_SEEDS or power(2 * DELTA, spread, seeds - 1, rows) < 0.8
    with pytest.raises(ValueError, match="seeds: 100 are not enough for a spread of 1"):
        seeds_needed(1.0, DELTA)


def test_intervals_by_hand():
    values = [0.01, 0.02, 0.03, 0.02, 0.01]
    low, high = interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (low, high) == pytest.approx((expected.low, expected.high))
    with pytest.raises(ValueError, match="differences: expected at least two, got 1"):
        interval([0.1])


def test_holm_by_hand():
    """Three rows: 1 - 0.05/3 for the surest, 1 - 0.05/2 for the next, which is not sure enough."""
    rows = {
        "third": [0.01, -0.01, 0.02, -0.02, 0.0],
        "surest": [0.03, 0.031, 0.029, 0.03, 0.03],
        "second": [0.02, 0.01, 0.03, 0.0, 0.02],
    }
    found = compare(rows, DELTA)
    assert list(found) == list(rows)
    confidence = {name: round(row.confidence, 4) for name, row in found.items()}
    assert confidence == {"third": 0.975, "surest": 0.9833, "second": 0.975}
    assert found["second"].p < 0.05 and found["second"].low < 0 < found["second"].high
    assert [row.verdict for row in found.values()] == [CANNOT_BE_TOLD, HELPS, CANNOT_BE_TOLD]
    for name, row in found.items():
        assert row.mean == pytest.approx(statistics.mean(rows[name]))
        assert (row.low, row.high) == interval(rows[name], row.confidence)


@pytest.mark.parametrize(
    ("differences", "word"),
    [
        ([0.001, -0.001, 0.0, 0.001, -0.001], NO_DIFFERENCE),
        ([0.004, 0.004, 0.005, 0.004, 0.004], NO_DIFFERENCE),  # certain, and too small
        ([0.012, 0.011, 0.012, 0.013, 0.012], HELPS),
        ([-0.012, -0.011, -0.012, -0.013, -0.012], HURTS),
        ([0.012, 0.001, 0.012, 0.003, 0.012], CANNOT_BE_TOLD),  # surely above 0, perhaps too small
        ([0.1, -0.1, 0.2, -0.2, 0.1], CANNOT_BE_TOLD),
    ],
)
def test_words(differences, word):
    (row,) = compare({"row": differences}, DELTA).values()
    assert row.verdict == word


def test_delta_is_more_than_nothing():
    with pytest.raises(ValueError, match="delta: expected more than 0, got 0"):
        compare({"row": [0.1, 0.2]}, 0)


def run(variant, seed, order="a", images=8, role="final"):
    return {"variant": variant, "seed": seed, "order": order, "images": images, "role": role}


def test_only_runs_of_one_order_are_paired():
    check_pairs([run("a", 0), run("b", 0), run("a", 1, "c"), run("b", 1, "c")])
    check_pairs([run("a", 0), run("b", 0, "other", role="tune")])
    with pytest.raises(ValueError, match="seed 0: expected one order .* a saw a .8 images.; b saw"):
        check_pairs([run("a", 0), run("b", 0, "other")])
    with pytest.raises(ValueError, match=r"seed 3: .* b saw a \(16 images\)"):
        check_pairs([run("a", 3), run("b", 3, images=16)])
