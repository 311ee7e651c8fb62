"""What the numbers of the face-off say, as sentences made of its record."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..metrics.compare import (
    CANNOT_BE_TOLD,
    HELPS,
    HURTS,
    MIN_PAIRS,
    NO_DIFFERENCE,
    t_interval,
    verdict,
)
from .face_off import FaceOff, Standing

__all__ = [
    "Comparison", "compare_rows", "dead_sentence", "difference_of", "experiment_table",
    "face_off_table", "half_sentence", "half_verdicts", "pair_sentence", "paired", "ranking",
    "search_table", "spread", "verdict_sentence",
]  # fmt: skip

WORDS = {
    HELPS: "is better than",
    HURTS: "is worse than",
    NO_DIFFERENCE: "is as good as",
    CANNOT_BE_TOLD: "cannot be told from",
}


CLAIMS = {
    HELPS: "holds here",
    HURTS: "does not hold here: the other way round",
    NO_DIFFERENCE: "does not hold here: no difference that matters",
    CANNOT_BE_TOLD: "cannot be told here",
}
TOO_FEW = "no verdict with fewer than five pairs"


class Comparison(NamedTuple):
    """Two rows of the table, seed by seed.

    Attributes:
        name: of the row of which something is claimed.
        other: of the row that it is compared with.
        score: what the differences are.
        pairs: how many seeds both have.
        found: verdict, mean difference, and the ends of its interval; None with fewer than five
            pairs.

    >>> found = (HURTS, -0.02, -0.03, -0.01)
    >>> pair = Comparison("m2det_tiny", "ssd_tiny", "mAP", 5, found)
    >>> pair.sentence
    'm2det_tiny is worse than ssd_tiny: -0.020 mAP (-0.030 to -0.010, 5 pairs).'
    >>> pair.claim
    'does not hold here: the other way round'
    """

    name: str
    other: str
    score: str
    pairs: int
    found: tuple[str, float, float, float] | None

    @property
    def sentence(self) -> str:
        """The verdict with the difference and its interval, or how many pairs there are."""
        if self.found is None:
            pairs = f"{self.pairs} pair{'s' if self.pairs != 1 else ''}"
            return f"{self.name} against {self.other}: {pairs} of seeds, {TOO_FEW}."
        word, mean, low, high = self.found
        return (
            f"{self.name} {WORDS[word]} {self.other}: {mean:+.3f} {self.score} "
            f"({low:+.3f} to {high:+.3f}, {self.pairs} pairs)."
        )

    @property
    def claim(self) -> str:
        """Whether the claim that the first row is better holds, in a few words."""
        return TOO_FEW if self.found is None else CLAIMS[self.found[0]]


def _as_recorded(row: Standing) -> Comparison:
    """A row against its reference, by the record's corrected interval."""
    of, found = row.difference, None
    if of is not None and len(of["values"]) >= MIN_PAIRS:
        low, high = of["interval"]
        found = (str(of["verdict"]), of["mean"], low, high)
    return Comparison(row.name, row.reference, row.score, len(row.seeds), found)


def compare_rows(face_off: FaceOff, name: str, other: str, score: str | None = None) -> Comparison:
    """Two rows by the rule of the record.

    Args:
        face_off: the table.
        name: of which something is claimed.
        other: what it is compared with.
        score: by which; the table's own when omitted.

    Returns:
        The record's own comparison where ``other`` is the row's reference; else one with a plain
        95 % interval, which no other comparison has widened.
    """
    row = face_off.rows[name]
    score = score or row.score
    if other == row.reference and score == row.score:
        return _as_recorded(row)
    pairs, found = paired(face_off, name, other, score), None
    if len(pairs) >= MIN_PAIRS:
        mean, low, high = t_interval(pairs)
        found = (verdict(mean, low, high, face_off.delta), mean, low, high)
    return Comparison(name, other, score, len(pairs), found)


def pair_sentence(face_off: FaceOff, name: str, other: str, score: str | None = None) -> str:
    """Two rows compared in one sentence; arguments as for `compare_rows`."""
    return compare_rows(face_off, name, other, score).sentence


def verdict_sentence(row: Standing) -> str:
    """A row against its reference in one sentence, with the difference and its interval.

    Args:
        row: of the table.
    """
    return _as_recorded(row).sentence


def paired(face_off: FaceOff, name: str, other: str, score: str | None = None) -> list[float]:
    """Differences of two rows, seed by seed.

    Args:
        face_off: the table.
        name: a row.
        other: what is subtracted.
        score: of which; the table's own when omitted.

    Returns:
        one difference for each seed that both rows have.
    """
    first, second = face_off.rows[name], face_off.rows[other]
    score = score or first.score
    base = dict(zip(second.seeds, second.scores[score], strict=True))
    pairs = zip(first.seeds, first.scores[score], strict=True)
    return [value - base[seed] for seed, value in pairs if seed in base]


def difference_of(face_off: FaceOff, name: str) -> tuple[float, float, float]:
    """Mean difference of a row to its reference, and the ends of its interval.

    Args:
        face_off: the table.
        name: a row.

    Returns:
        the record's corrected interval; before there are five pairs the plain one of those that
        there are; of a single pair, which has none, three times the difference.
    """
    row = face_off.rows[name]
    if row.difference is not None:
        low, high = row.difference["interval"]
        return row.difference["mean"], low, high
    pairs = paired(face_off, name, row.reference)
    return t_interval(pairs) if len(pairs) > 1 else (pairs[0],) * 3


def dead_sentence(face_off: FaceOff) -> str:
    """Which runs have dead modules; they are reported, not averaged in silence.

    Args:
        face_off: the table.

    Returns:
        One sentence.
    """
    sick = [
        f"{row.name} (seed {', '.join(sorted(row.dead))})"
        for row in face_off.rows.values()
        if row.dead
    ]
    if not sick:
        return "No run of the table has a dead module."
    return f"Runs with dead modules, read their rows with care: {'; '.join(sick)}."


def search_table(face_off: FaceOff, names: Sequence[str]) -> str:
    """What each learning rate gave after a quarter of the training, mean of its tuning seeds.

    Args:
        face_off: the table.
        names: rows.

    Returns:
        A heading and a line a row; the chosen rate in brackets, a dagger behind one that left dead
        modules behind, and a line for what became of final runs that were given up.
    """
    searches = {name: face_off.rows[name].search for name in names}
    rates = sorted({rate for search in searches.values() for rate in search["tried"]}, key=float)
    width = max([16, *(len(name) + 1 for name in names)])
    lines = [" " * width + "".join(f"{float(rate):>9g}" for rate in rates)]
    for name, search in searches.items():
        cells = []
        for rate in rates:
            scores = search["tried"].get(rate)
            text = f"{statistics.fmean(scores):.3f}" if scores else "-"
            if float(rate) == face_off.rows[name].learning_rate:
                text = f"[{text}]"
            cells.append(f"{text + ('†' if rate in search['sick'] else ''):>9}")
        lines.append(f"{name:{width}}{''.join(cells)}".rstrip())
    for name, search in searches.items():
        for rate, runs in search["given_up"].items():
            ends = ", ".join(
                f"{half:.3f} at half, {end:.3f} at the end with {dead} dead"
                for half, end, dead in zip(runs["half"], runs["end"], runs["dead"], strict=True)
            )
            lines.append(f"given up: {name} with {rate}: {ends}")
    return "\n".join(lines)


def half_sentence(face_off: FaceOff, names: Sequence[str]) -> str:
    """Whether the ranking at half of the training is that of its end.

    Args:
        face_off: the table.
        names: rows to rank.

    Returns:
        One sentence.
    """
    end = ranking(face_off, names)
    half = sorted(names, key=lambda name: -statistics.fmean(face_off.rows[name].half))
    if half == end:
        return "After half of the training the ranking of the means was the same."
    return f"After half of the training the ranking of the means was another: {', '.join(half)}."


def ranking(face_off: FaceOff, names: Sequence[str], score: str = "mAP") -> list[str]:
    """Names by mean score, the best first.

    Args:
        face_off: the table.
        names: rows to rank.
        score: by which.

    Returns:
        The names.
    """
    return sorted(names, key=lambda name: -face_off.rows[name].mean(score))


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Ends of the 95 % t-interval; unbounded for a single seed.

    Args:
        values: one a seed.

    Returns:
        lower and upper end.

    >>> spread([0.5])
    (-inf, inf)
    """
    if len(values) < 2:
        return -math.inf, math.inf
    return t_interval(values)[1:]


def half_verdicts(experiment: FaceOff) -> list[str]:
    """Rows whose verdict after half of the training was another one, a sentence each.

    Args:
        experiment: a table.

    Returns:
        Sentences; none if every verdict was the same.
    """
    told = []
    for row in experiment.rows.values():
        end, half = row.difference, row.half_difference
        if end and half and half["verdict"] != end["verdict"]:
            told.append(
                f"After half of the training: {row.name} {WORDS[half['verdict']]} {row.reference} "
                f"({half['mean']:+.3f})."
            )
    return told


def experiment_table(experiment: FaceOff, scores: Sequence[str] = ()) -> str:
    """An experiment's rows as text, in the order of its record: size, rate, scores.

    Args:
        experiment: a table.
        scores: columns, means over the seeds; the table's own, also at IoU (poses: OKS) 0.5,
            when omitted.

    Returns:
        A heading and a line a row; the first score with one standard deviation.
    """
    width = max(len(name) for name in experiment.rows) + 2
    own = next(iter(experiment.rows.values())).score
    first, *others = scores or (own, f"{own}50")
    heads = f"{'':{width}}{'M par':>6}{'M m-a':>7}{'rate':>8}   {first:14}"
    lines = [heads + "".join(f"{name:>{max(8, len(name) + 2)}}" for name in others)]
    for row in experiment.rows.values():
        values = row.scores[first]
        apart = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
        lines.append(
            f"{row.name:{width}}{row.parameters / 1e6:6.2f}{row.multiply_adds / 1e6:7.1f}"
            f"{row.learning_rate:8g}   {row.mean(first):.3f}{apart:9}"
            + "".join(f"{row.mean(name):{max(8, len(name) + 2)}.3f}" for name in others)
        )
    return "\n".join(line.rstrip() for line in lines)


def face_off_table(
    face_off: FaceOff,
    own: Mapping[str, Mapping[str, float]] | None = None,
    *,
    names: Sequence[str] | None = None,
) -> str:
    """The table as text, best mean first.

    Args:
        face_off: the table.
        own: rows of others, name -> ``mAP``, ``mAP50``, ``mAP_small``, ``multiply_adds``,
            ``parameters``, ``milliseconds``; one run each, so without interval.
        names: rows to show; all when omitted.

    Returns:
        A heading and a line a row.
    """
    lines: list[tuple[float, str]] = []
    for row in [face_off.rows[name] for name in (face_off.rows if names is None else names)]:
        low, high = spread(row.scores["mAP"])
        between = f"{low:.3f} to {high:.3f}" if len(row.seeds) > 1 else "one seed"
        lines.append((
            row.mean(),
            f"{row.name:36}{row.mean():6.3f}  {between:16}{row.mean('mAP50'):6.3f}"
            f"{row.mean('mAP_small'):7.3f}{row.multiply_adds / 1e6:8.1f}"
            f"{row.parameters / 1e6:7.2f}{row.milliseconds[0]:7.1f}",
        ))  # fmt: skip
    for name, values in (own or {}).items():
        lines.append((
            values["mAP"],
            f"{name:36}{values['mAP']:6.3f}  {'one run':16}{values['mAP50']:6.3f}"
            f"{values['mAP_small']:7.3f}{values['multiply_adds'] / 1e6:8.1f}"
            f"{values['parameters'] / 1e6:7.2f}{values['milliseconds']:7.1f}",
        ))  # fmt: skip
    heads = f"{'':36}{'mAP':>6}  {'95 % interval':16}{'mAP50':>6}{'small':>7}{'M m-a':>8}"
    heads += f"{'M par':>7}{'ms':>7}"
    return "\n".join([heads, *(text for _, text in sorted(lines, key=lambda line: -line[0]))])
