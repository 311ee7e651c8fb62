"""Sentences about the face-off are made of its record, whatever it says."""

from __future__ import annotations

import pytest

from detlearn.report import read_face_off
from detlearn.report.verdicts import (
    compare_rows,
    dead_sentence,
    difference_of,
    face_off_table,
    half_sentence,
    pair_sentence,
    paired,
    ranking,
    search_table,
    spread,
    verdict_sentence,
)
from tests.report.face_off_cases import write_fake

FOUR = ("ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny")


@pytest.fixture
def table(tmp_path):
    return lambda **how: read_face_off(write_fake(tmp_path / "face_off.json", **how))


# mean of RefineDet (SSD's is 0.66), width of its interval: what is said, what a claim becomes
VERDICTS = [
    pytest.param(0.69, 0.01, "is better than ssd_tiny: +0.030 mAP (+0.020 to +0.040", "holds here",
                 id="better"),
    pytest.param(0.63, 0.01, "is worse than ssd_tiny: -0.030 mAP", "the other way round",
                 id="worse"),
    pytest.param(0.67, 0.05, "cannot be told from ssd_tiny: +0.010 mAP", "cannot be told here",
                 id="wide"),
]  # fmt: skip


@pytest.mark.parametrize(("mean", "wide", "words", "claim"), VERDICTS)
def test_a_verdict_is_the_records(table, mean, wide, words, claim):
    face_off = table(means={"refinedet_tiny": mean}, wide=wide)
    row = face_off.rows["refinedet_tiny"]
    assert words in verdict_sentence(row) and "5 pairs" in verdict_sentence(row)
    pair = compare_rows(face_off, "refinedet_tiny", "ssd_tiny")
    assert pair.sentence == verdict_sentence(row) and claim in pair.claim


@pytest.mark.parametrize("seeds", [1, 2, 4])
def test_there_is_no_verdict_with_fewer_than_five_pairs(table, seeds):
    face_off = table(seeds=seeds)
    row = face_off.rows["refinedet_tiny"]
    pair = compare_rows(face_off, "refinedet_tiny", "ssd_tiny")
    assert pair.claim == "no verdict with fewer than five pairs"
    assert compare_rows(face_off, "refinedet_tiny", "m2det_tiny").claim == pair.claim
    assert f"{seeds} pair" in verdict_sentence(row)
    assert ("one seed" in face_off_table(face_off)) == (seeds == 1)


def test_the_table_is_in_order_and_takes_a_students_row(table):
    face_off = table(means={"m2det_tiny": 0.9})
    own = {"mAP": 0.85, "mAP50": 0.9, "mAP_small": 0.5, "multiply_adds": 1e6,
           "parameters": 1e6, "milliseconds": 3.0}  # fmt: skip
    lines = face_off_table(face_off, {"mine": own}).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["m2det_tiny", "mine"]
    assert "one run" in lines[2] and len(lines) == 2 + len(face_off.rows)
    assert ranking(face_off, FOUR)[0] == "m2det_tiny"
    low, high = spread(face_off.rows["m2det_tiny"].scores["mAP"])
    assert f"{low:.3f} to {high:.3f}" in lines[1]
    few = face_off_table(face_off, names=["ssd_tiny", "m2det_tiny"]).splitlines()
    assert [line.split()[0] for line in few[1:]] == ["m2det_tiny", "ssd_tiny"]
    assert len(face_off_table(face_off, names=[]).splitlines()) == 1  # none is not all


def test_dead_modules_and_turned_rankings_are_said(table):
    assert dead_sentence(table()) == "No run of the table has a dead module."
    assert "m2det_tiny (seed 0)" in dead_sentence(table(dead=("m2det_tiny",)))
    assert "was the same" in half_sentence(table(), FOUR)


def test_the_search_shows_what_was_chosen_what_killed_and_what_was_given_up(table):
    text = search_table(table(dead=("m2det_tiny",), means={"m2det_tiny": 0.6}), FOUR)
    heads, *lines = text.splitlines()
    assert heads.split() == ["0.003", "0.005", "0.01"]
    (row,) = [line for line in lines if line.startswith("m2det_tiny")]
    assert row.split() == ["m2det_tiny", "0.400", "[0.490]", "0.600†"]
    assert lines[-1] == (
        "given up: m2det_tiny with 0.01: 0.100 at half, 0.500 at the end with 3 dead"
    )
    assert "given up" not in search_table(table(), FOUR)


PAIRS = [
    pytest.param(0.70, "is better than m2det_tiny: +0.050", id="better"),
    pytest.param(0.60, "is worse than m2det_tiny: -0.050", id="worse"),
    pytest.param(0.653, "cannot be told from m2det_tiny", id="too near"),
]


@pytest.mark.parametrize(("mean", "words"), PAIRS)
def test_two_rows_that_no_record_compared(table, mean, words):
    """Differences of rows 1 and 2 wobble by up to 0.008."""
    means = {"refinedet_tiny": mean, "m2det_tiny": 0.65}
    assert words in pair_sentence(table(means=means), "refinedet_tiny", "m2det_tiny")
    few = table(means=means, seeds=3)
    assert "3 pairs of seeds, no verdict" in pair_sentence(few, "refinedet_tiny", "m2det_tiny")


def test_pairs_are_those_of_the_same_seeds(table):
    face_off = table(means={"ssd_tiny": 0.6, "refinedet_tiny": 0.65})
    pairs = paired(face_off, "refinedet_tiny", "ssd_tiny")
    assert pairs == pytest.approx([0.054, 0.042, 0.056, 0.046, 0.052])
    assert difference_of(face_off, "refinedet_tiny") == pytest.approx((0.05, 0.04, 0.06))
    one = table(means={"ssd_tiny": 0.6, "refinedet_tiny": 0.65}, seeds=1)
    assert difference_of(one, "refinedet_tiny") == pytest.approx((0.054,) * 3)
