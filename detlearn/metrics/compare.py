"""Detectors compared: an interval from a few seeds, and which of many nobody beats at its price."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

__all__ = [
    "CANNOT_BE_TOLD", "HELPS", "HURTS", "MIN_PAIRS", "NO_DIFFERENCE", "interval_overlap",
    "pareto_front", "t_interval", "t_quantile", "verdict",
]  # fmt: skip

MIN_PAIRS = 5
"""With fewer pairs of seeds there is no verdict."""

HELPS, HURTS = "helps", "hurts"
NO_DIFFERENCE = "makes no difference that matters"
CANNOT_BE_TOLD = "cannot be told"

TABLE = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622)
"""Student's t for 1 to 9 degrees of freedom, 97.5 %."""

NORMAL = statistics.NormalDist().inv_cdf(0.975)


def t_quantile(values: int) -> float:
    """The factor of a 95 % t-interval of so many values (Student 1908).

    Up to ten values it stands in a table; for more it is the normal one with its first four
    corrections (Abramowitz and Stegun 1964, 26.7.5), which is exact to three digits.

    Args:
        values: how many there are, at least 2.

    Returns:
        The factor.

    Raises:
        ValueError: fewer than two values say nothing about their spread.

    >>> t_quantile(5)
    2.7764
    """
    if values < 2:
        raise ValueError(f"values: expected at least 2, got {values}")
    freedom = values - 1
    if freedom <= len(TABLE):
        return TABLE[freedom - 1]
    z = NORMAL
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))


def t_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of a few values and the ends of its 95 % t-interval.

    Args:
        values: at least two finite ones, one a seed.

    Returns:
        mean, lower end, upper end.

    Raises:
        ValueError: fewer than two, or one that is no number.

    **Invariant:** the ends lie ``t · s / √n`` from the mean, `s` the standard deviation.

    >>> [round(x, 3) for x in t_interval([1.0, 2.0, 3.0, 4.0, 5.0])]
    [3.0, 1.037, 4.963]
    """
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"values: expected finite numbers, got {list(values)}")
    reach = t_quantile(len(values)) * statistics.stdev(values) / math.sqrt(len(values))
    mean = statistics.fmean(values)
    return mean, mean - reach, mean + reach


def verdict(mean: float, low: float, high: float, delta: float) -> str:
    """The words for a mean difference and its interval.

    Args:
        mean: of the paired differences.
        low: lower end of its interval.
        high: upper end.
        delta: the smallest difference that is worth a name.

    Returns:
        one of `HELPS`, `HURTS`, `NO_DIFFERENCE` and `CANNOT_BE_TOLD`.

    >>> verdict(0.02, 0.01, 0.03, delta=0.01), verdict(-0.02, -0.03, -0.01, delta=0.01)
    ('helps', 'hurts')
    >>> verdict(0.002, 0.001, 0.003, delta=0.01)  # certain, and too small to matter
    'makes no difference that matters'
    >>> verdict(0.008, 0.001, 0.015, delta=0.01), verdict(0.03, -0.01, 0.07, delta=0.01)
    ('cannot be told', 'cannot be told')
    """
    if -delta < low and high < delta:
        return NO_DIFFERENCE
    if low > 0 and mean >= delta:
        return HELPS
    if high < 0 and mean <= -delta:
        return HURTS
    return CANNOT_BE_TOLD


def interval_overlap(first: tuple[float, float], second: tuple[float, float]) -> float:
    """The length that two intervals share, as a share of the shorter one.

    Args:
        first: its ends.
        second: those of the other.

    Returns:
        0 if they are apart, 1 if one lies in the other, as in one without ends.

    Raises:
        ValueError: an interval that ends before it begins.

    >>> interval_overlap((0.0, 0.4), (0.3, 1.0))
    0.25
    """
    for low, high in (first, second):
        if not low <= high:
            raise ValueError(f"interval: expected its lower end first, got ({low}, {high})")
    shared = min(first[1], second[1]) - max(first[0], second[0])
    shorter = min(first[1] - first[0], second[1] - second[0])
    if shared < 0:
        return 0.0
    return 1.0 if shorter in (0, math.inf) else round(shared / shorter, 9)


def pareto_front(costs: Mapping[str, float], scores: Mapping[str, float]) -> list[str]:
    """Those that no other beats: none is at most as costly and at least as good, and differs.

    Args:
        costs: name -> cost, less is better.
        scores: the same names -> score, more is better.

    Returns:
        names, the cheapest first.

    Raises:
        ValueError: other names in the two.

    >>> pareto_front({"a": 1, "b": 2, "c": 3}, {"a": 0.5, "b": 0.4, "c": 0.6})
    ['a', 'c']
    """
    if costs.keys() != scores.keys():
        raise ValueError(f"scores: expected those of {sorted(costs)}, got {sorted(scores)}")
    front = []
    for name in costs:
        beaten = any(
            costs[other] <= costs[name]
            and scores[other] >= scores[name]
            and (costs[other], scores[other]) != (costs[name], scores[name])
            for other in costs
        )
        if not beaten:
            front.append(name)
    return sorted(front, key=lambda name: costs[name])
