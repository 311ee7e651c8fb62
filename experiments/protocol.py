"""From runs to verdicts: paired seeds, intervals, a smallest effect, and an error rate that holds.

A table compares each of its rows with one reference, seed by seed: both networks saw the same
scenes in the same order, so what one seed's order does to both is taken away by subtracting.  What
is left is a handful of differences a row, and three questions.

*Is it more than chance?*  The differences have a mean and, by Student's t, an interval that holds
the true mean with 95 % confidence.  *Would some row look good by chance?*  Of ten rows one is
likely to; Holm's correction makes the intervals wider, so that a table *as a whole* holds a false
"helps" or "hurts" at most one time in twenty.  *Does it matter?*  An effect below ``delta``, fixed
before the first run, gets no name, however certain it is.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy import stats

from detlearn.metrics.compare import (
    CANNOT_BE_TOLD,
    HELPS,
    HURTS,
    NO_DIFFERENCE,
    verdict,
)
from detlearn.metrics.compare import MIN_PAIRS as MIN_SEEDS

from .plan import Experiment, Run

__all__ = [
    "ALPHA", "CANNOT_BE_TOLD", "HELPS", "HURTS", "MIN_SEEDS", "NO_DIFFERENCE", "Comparison",
    "check_pairs", "compare", "conclude", "interval", "power", "seeds_needed",
]  # fmt: skip

ALPHA = 0.05
"""A table holds a false verdict at most this often."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the differences of one row say.

    Attributes:
        mean: of the paired differences, row minus reference.
        low: lower end of the interval.
        high: upper end.
        confidence: of the interval, after Holm's correction.
        p: of the two-sided t-test that the mean is 0, before the correction.
        verdict: in words.
    """

    mean: float
    low: float
    high: float
    confidence: float
    p: float
    verdict: str


def interval(differences: Sequence[float], confidence: float = 1 - ALPHA) -> tuple[float, float]:
    """Student's t-interval of the mean of paired differences.

    Args:
        differences: at least two.
        confidence: the share of such intervals that hold the true mean.

    Returns:
        lower and upper end.

    Raises:
        ValueError: fewer than two differences.

    >>> low, high = interval([0.01, 0.02, 0.03])  # t = 4.303 with two degrees of freedom
    >>> round(low, 4), round(high, 4)
    (-0.0048, 0.0448)
    """
    count = len(differences)
    if count < 2:
        raise ValueError(f"differences: expected at least two, got {count}")
    mean, error = statistics.mean(differences), statistics.stdev(differences) / math.sqrt(count)
    reach = float(stats.t.ppf((1 + confidence) / 2, count - 1)) * error
    return mean - reach, mean + reach


def p_value(differences: Sequence[float]) -> float:
    """Of the two-sided t-test that the mean difference is 0.

    >>> round(p_value([0.01, 0.02, 0.03]), 3)
    0.074
    >>> p_value([0.0, 0.0]), p_value([0.1, 0.1])
    (1.0, 0.0)
    """
    mean, spread = statistics.mean(differences), statistics.stdev(differences)
    if spread == 0:
        return 1.0 if mean == 0 else 0.0
    t = abs(mean) / spread * math.sqrt(len(differences))
    return float(2 * stats.t.sf(t, len(differences) - 1))


def compare(
    differences: Mapping[str, Sequence[float]], delta: float, alpha: float = ALPHA
) -> dict[str, Comparison]:
    """The verdicts of a table.

    Holm's procedure: the row with the smallest p-value of m gets an interval of confidence
    ``1 - alpha / m``, the next one ``1 - alpha / (m - 1)``, and so on, as long as the intervals
    leave out 0.  From the first that does not, all rows keep that row's confidence.

    Args:
        differences: row -> paired differences to the reference, one a seed.
        delta: the smallest effect that is worth a name.
        alpha: how often a table may hold a false verdict.

    Returns:
        row -> `Comparison`, in the order given.

    Raises:
        ValueError: a row has fewer than two pairs, or delta is not above 0.

    >>> rows = {"a": [0.03, 0.031, 0.03, 0.029, 0.03], "b": [0.001, -0.001, 0.0, 0.0, 0.001]}
    >>> {name: row.verdict for name, row in compare(rows, delta=0.01).items()}
    {'a': 'helps', 'b': 'makes no difference that matters'}
    """
    if not delta > 0:
        raise ValueError(f"delta: expected more than 0, got {delta}")
    ranked = sorted(differences, key=lambda name: p_value(differences[name]))
    found: dict[str, Comparison] = {}
    rows = len(ranked)  # that are still to be judged
    for name in ranked:
        confidence = 1 - alpha / rows
        low, high = interval(differences[name], confidence)
        found[name] = Comparison(
            mean=statistics.mean(differences[name]),
            low=low,
            high=high,
            confidence=confidence,
            p=p_value(differences[name]),
            verdict=verdict(statistics.mean(differences[name]), low, high, delta),
        )
        if not low <= 0 <= high:
            rows -= 1
    return {name: found[name] for name in differences}


# ---------------------------------------------------------------- how many seeds it takes
def power(
    effect: float, spread: float, seeds: int, comparisons: int = 1, alpha: float = ALPHA
) -> float:
    """How often an effect is found that is there: the chance that its interval leaves out 0.

    Args:
        effect: the true mean difference.
        spread: standard deviation of the paired differences.
        seeds: pairs.
        comparisons: rows of the table; the most severe of Holm's corrections is counted on.
        alpha: see `compare`.

    >>> round(power(0.02, 0.008, seeds=5), 2), round(power(0.02, 0.008, seeds=5, comparisons=5), 2)
    (0.98, 0.76)
    """
    degrees = seeds - 1
    limit = stats.t.ppf(1 - alpha / comparisons / 2, degrees)
    shift = abs(effect) / spread * math.sqrt(seeds)
    return float(stats.nct.sf(limit, degrees, shift))


def seeds_needed(
    spread: float, delta: float, comparisons: int = 1, wanted: float = 0.8, most: int = 100
) -> int:
    """The number of seeds with which an effect of twice delta is found as often as wanted.

    Raises:
        ValueError: more than ``most`` would be needed.

    >>> seeds_needed(0.008, delta=0.01, comparisons=5)
    6
    """
    for seeds in range(MIN_SEEDS, most + 1):
        if power(2 * delta, spread, seeds, comparisons) >= wanted:
            return seeds
    raise ValueError(
        f"seeds: {most} are not enough for a spread of {spread} and a delta of {delta}"
    )


# ---------------------------------------------------------------- from a record's runs to its table
def check_pairs(runs: Sequence[Run]) -> None:
    """Refuse to pair final runs that did not see the same scenes in the same order.

    Raises:
        ValueError: naming the seed and the variants.
    """
    orders: dict[int, dict[str, list[str]]] = {}
    for run in runs:
        if run["role"] == "final":
            seen = orders.setdefault(run["seed"], {})
            seen.setdefault(f"{run['order']} ({run['images']} images)", []).append(run["variant"])
    for seed, seen in orders.items():
        if len(seen) > 1:
            told = "; ".join(f"{', '.join(names)} saw {order}" for order, names in seen.items())
            raise ValueError(
                f"seed {seed}: expected one order of the scenes for all rows, got {told}"
            )


def conclude(experiment: Experiment, runs: Sequence[Run]) -> dict[str, Any]:
    """The table of an experiment, as its record keeps it.

    Args:
        experiment: what was asked.
        runs: of its record.

    Returns:
        ``"table"``: row -> size, scores, difference to the reference, verdict; ``"sick"``: final
        runs with dead modules, which are averaged with the others, but not in silence.

    Raises:
        ValueError: runs that cannot be paired.
    """
    check_pairs(runs)
    final = [run for run in runs if run["role"] == "final"]
    by_row = {
        one.name: {run["seed"]: run for run in final if run["variant"] == one.name}
        for one in experiment.variants
    }
    at_the_end = _compared(experiment, by_row, "test")
    at_half = _compared(experiment, by_row, "half")
    table = {}
    for name, own in by_row.items():
        if own:
            table[name] = _row(experiment, list(own.values()))
            if name in at_the_end:
                difference = at_the_end[name]
                table[name] |= {
                    "difference": difference,
                    "verdict": difference["verdict"],
                    "at half the budget": at_half[name],
                    "turned": at_half[name]["verdict"] != difference["verdict"],
                }
    sick = {
        f"{run['variant']}, seed {run['seed']}": run["check_up"]["dead"]
        for run in final
        if run["check_up"]["dead"]
    }
    return {"table": table, "sick": sick}


def _compared(
    experiment: Experiment, by_row: Mapping[str, Mapping[int, Run]], which: str
) -> dict[str, dict[str, Any]]:
    """Row -> comparison with the reference on one of the scores; rows with too few pairs wait."""
    reference = by_row[experiment.reference]
    differences = {}
    for name, own in by_row.items():
        seeds = sorted(set(own) & set(reference))
        if name != experiment.reference and len(seeds) >= MIN_SEEDS:
            differences[name] = [
                own[seed]["scores"][which][experiment.score]
                - reference[seed]["scores"][which][experiment.score]
                for seed in seeds
            ]
    # A table is corrected as a whole: rows that are still to come count.
    waiting = len(by_row) - 1 - len(differences)
    found = compare(differences, experiment.delta, ALPHA) if not waiting else {}
    return {
        name: {
            "mean": round(row.mean, 5),
            "interval": [round(row.low, 5), round(row.high, 5)],
            "confidence": round(row.confidence, 5),
            "p": round(row.p, 6),
            "values": [round(value, 4) for value in differences[name]],
            "verdict": row.verdict,
        }
        for name, row in found.items()
    }


def _row(experiment: Experiment, runs: Sequence[Run]) -> dict[str, Any]:
    """What a row shows beside its verdict: equal conditions, said aloud."""
    names = [name for name in runs[0]["scores"]["test"] if "/" not in name]
    values = [run["scores"]["test"][experiment.score] for run in runs]
    first = runs[0]
    return {
        "learning_rate": first["learning_rate"],
        "seeds": [run["seed"] for run in runs],
        "parameters": first["parameters"],
        "multiply_adds": first["multiply_adds"],
        "milliseconds": statistics.median(run["milliseconds"] for run in runs),
        "images": first["images"],
        "sick seeds": [run["seed"] for run in runs if run["check_up"]["dead"]],
        experiment.score: {
            "mean": round(statistics.mean(values), 4),
            "sd": round(statistics.stdev(values), 4) if len(values) > 1 else None,
            "values": values,
        },
        "means": {
            name: round(
                statistics.mean(run["scores"]["test"].get(name, math.nan) for run in runs), 4
            )
            for name in names
        },
    }
