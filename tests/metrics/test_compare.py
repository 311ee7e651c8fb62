"""Intervals of a few seeds, their overlap, and the front."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from detlearn.metrics import interval_overlap, pareto_front, t_interval, t_quantile


@pytest.mark.parametrize("values", [*range(2, 15), 30, 100])
def test_the_factor_is_scipys(values):
    assert t_quantile(values) == pytest.approx(stats.t.ppf(0.975, values - 1), abs=2e-3)


def test_an_interval_by_hand():
    """1 to 5: mean 3, standard deviation √2.5, factor 2.7764."""
    reach = 2.7764 * math.sqrt(2.5 / 5)
    assert t_interval([1, 2, 3, 4, 5]) == pytest.approx((3, 3 - reach, 3 + reach))
    assert t_interval([0.5, 0.5]) == (0.5, 0.5, 0.5)


OVERLAPS = [
    pytest.param((0, 1), (2, 3), 0, id="apart"),
    pytest.param((0, 1), (1, 3), 0, id="touching"),
    pytest.param((0, 2), (1, 5), 0.5, id="half of the shorter"),
    pytest.param((0, 9), (4, 5), 1, id="inside"),
    pytest.param((0, 9), (4, 4), 1, id="a point inside"),
    pytest.param((-math.inf, math.inf), (-math.inf, math.inf), 1, id="nothing is known"),
    pytest.param((-math.inf, math.inf), (1, 2), 1, id="one is unknown"),
]


@pytest.mark.parametrize(("first", "second", "share"), OVERLAPS)
def test_overlap(first, second, share):
    assert interval_overlap(first, second) == interval_overlap(second, first) == share


def test_the_front():
    costs = {"a": 3, "b": 1, "c": 2, "d": 1, "e": 9}
    assert pareto_front(costs, {"a": 0.6, "b": 0.5, "c": 0.5, "d": 0.4, "e": 0.7}) == [
        "b", "a", "e"]  # fmt: skip
    assert pareto_front({"x": 1, "y": 1}, {"x": 0.5, "y": 0.5}) == ["x", "y"]
    assert pareto_front({}, {}) == []


FAULTS = [
    (lambda: t_quantile(1), "values: expected at least 2, got 1"),
    (lambda: t_interval([0.5]), "expected at least 2"),
    (lambda: t_interval([0.5, math.nan]), "finite"),
    (lambda: interval_overlap((1, 0), (0, 1)), "its lower end first"),
    (lambda: pareto_front({"a": 1}, {"b": 1}), r"scores: expected those of \['a'\]"),
]


@pytest.mark.parametrize(("make", "message"), FAULTS)
def test_a_fault_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
