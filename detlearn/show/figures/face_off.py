"""Pictures of a comparison: intervals, accuracy against cost, reliability, groups."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from detlearn.metrics import pareto_front, t_interval
from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    PAGE_WIDTH,
    PURPLE,
    RULE,
    VERMILION,
    finish,
    house_style,
    inch_axes,
    new_figure,
)
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_by_group", "draw_intervals", "draw_reliability", "draw_trade_off"]

MARKERS = "osD^vP"
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, INK, MUTED)


def draw_intervals(
    differences: Mapping[str, tuple[float, float, float]],
    *,
    delta: float,
    reference: str,
    x: str = "mAP",
    alt: str | None = None,
) -> Figure:
    """Differences to a reference, one line each: a mark for the mean, a bar for the interval.

    Args:
        differences: name -> mean, lower and upper end of the interval, row minus reference.
        delta: the smallest difference that is worth a name; a band of ± delta stands behind.
        reference: what the others are compared with.
        x: the score.
        alt: what the picture shows; the numbers when omitted.

    Returns:
        The figure.

    Raises:
        ValueError: no row, a mean outside of its interval, numbers that are not finite, or a
            delta that is not positive.

    >>> draw_intervals({"b": (0.02, 0.01, 0.03)}, delta=0.01, reference="a").alt
    'mAP minus that of a, mean and interval: b +0.020 (+0.010 to +0.030). Band: ± 0.01.'
    """
    if not differences:
        raise ValueError("differences: expected at least one row, got none")
    for name, (mean, low, high) in differences.items():
        if not (all(map(math.isfinite, (mean, low, high))) and low <= mean <= high):
            raise ValueError(
                f"differences[{name!r}]: expected a mean inside of its interval, got "
                f"{mean}, ({low}, {high})"
            )
    if not 0 < delta < math.inf:
        raise ValueError(f"delta: expected a positive number, got {delta}")
    told = {
        name: f"{mean:+.3f} ({low:+.3f} to {high:+.3f})"
        for name, (mean, low, high) in differences.items()
    }
    words = ", ".join(f"{name} {numbers}" for name, numbers in told.items())
    alt = alt or (f"{x} minus that of {reference}, mean and interval: {words}. Band: ± {delta:g}.")
    row, foot, head = 0.46, 0.56, 0.1
    left = min(3.2, 0.3 + 0.088 * max(map(len, differences)))
    height = row * len(differences) + foot + head
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        side = (left, foot, PAGE_WIDTH - left - 2.25, row * len(differences))
        axes = inch_axes(drawing, side)
        axes.axvspan(-delta, delta, color=BLUE, alpha=0.13, lw=0, zorder=0)
        axes.axvline(0, color=VERMILION, lw=1.4, linestyle=(0, (4, 2)), zorder=1)
        for y, (name, (mean, low, high)) in enumerate(differences.items()):
            axes.plot([low, high], [y, y], color=INK, lw=2.2, zorder=2)
            for end in (low, high):
                axes.plot([end, end], [y - 0.14, y + 0.14], color=INK, lw=2.2, zorder=2)
            axes.plot(mean, y, "o", color=INK, markersize=7, markeredgecolor="white", zorder=3)
            axes.text(
                1.03, y, told[name], ha="left", va="center", fontsize=10.5,
                transform=axes.get_yaxis_transform(),
            )  # fmt: skip
        ends = [value for triple in differences.values() for value in triple]
        low, high = min(*ends, -1.2 * delta), max(*ends, 1.2 * delta)
        margin = 0.06 * (high - low)
        axes.set_xlim(low - margin, high + margin)
        axes.set_ylim(len(differences) - 0.5, -0.5)
        axes.set_yticks(range(len(differences)), list(differences))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.locator_params(axis="x", nbins=5)
        axes.set_xlabel(f"{x} minus {reference}'s; band ± {delta:g}", loc="left")
        return finish(drawing, alt)


def draw_trade_off(
    scores: Mapping[str, Sequence[float]],
    costs: Mapping[str, float],
    *,
    x: str,
    y: str = "mAP",
    alt: str | None = None,
) -> Figure:
    """Score against cost: who is on the front, which nobody beats at its price.

    Args:
        scores: name -> its scores, one a seed.
        costs: the same names -> what it costs.
        x: what the cost is, with its unit.
        y: what the scores are.
        alt: what the picture shows; the front when omitted.

    Returns:
        The figure: marks for the means, upright bars for their 95 % t-intervals (none for a
        single seed), a stepped line through the front.

    Raises:
        ValueError: no name, other names in the two, no score, or numbers that are not finite.

    >>> draw_trade_off({"a": [0.5, 0.6], "b": [0.4]}, {"a": 2, "b": 3}, x="M multiply-adds").alt
    'mAP against M multiply-adds: a 0.550 at 2, b 0.400 at 3. On the front: a.'
    """
    if not scores or scores.keys() != costs.keys():
        raise ValueError(f"costs: expected those of {sorted(scores)}, got {sorted(costs)}")
    for name, values in scores.items():
        if not values or not all(map(math.isfinite, (*values, costs[name]))):
            raise ValueError(
                f"scores[{name!r}]: expected finite scores and a finite cost, got "
                f"{list(values)} at {costs[name]}"
            )
    means = {name: statistics.fmean(values) for name, values in scores.items()}
    front = pareto_front(costs, means)
    told = ", ".join(f"{name} {means[name]:.3f} at {costs[name]:.4g}" for name in scores)
    alt = alt or f"{y} against {x}: {told}. On the front: {', '.join(front)}."
    with house_style():
        drawing = new_figure(PAGE_WIDTH, 3.9)
        axes = inch_axes(drawing, (0.75, 0.6, PAGE_WIDTH - 1.0, 3.15))
        most = max(costs.values())
        axes.set_xlim(0, 1.5 * most)
        steps = [(costs[name], means[name]) for name in front] + [(1.5 * most, means[front[-1]])]
        axes.step(*zip(*steps, strict=True), where="post", color=GREEN, lw=2, alpha=0.7, zorder=1)
        for name, values in scores.items():
            on = name in front
            if len(values) > 1:
                _, low, high = t_interval(values)
                axes.plot([costs[name]] * 2, [low, high], color=INK, lw=1.8, zorder=2)
            axes.plot(
                costs[name], means[name], "o" if on else "s", markersize=8,
                color=GREEN if on else MUTED, markeredgecolor="white", zorder=3,
            )  # fmt: skip
        _name_points(axes, costs, means)
        axes.grid(axis="y", color=RULE, lw=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel(f"{x}; round marks: on the front", loc="left")
        axes.set_ylabel(y)
        return finish(drawing, alt)


def _name_points(axes: Axes, costs: Mapping[str, float], means: Mapping[str, float]) -> None:
    """Names above and right of the marks; where two would meet, the lower one moves down."""
    axes.figure.canvas.draw()
    taken: list[tuple[float, float]] = []
    for name in sorted(means, key=lambda one: -means[one]):
        at = axes.transData.transform((costs[name], means[name]))
        right, up = float(at[0]) + 9, float(at[1]) + 12  # clear of the front's line
        while any(abs(up - other) < 13 and abs(right - beside) < 190 for beside, other in taken):
            up -= 3
        taken.append((right, up))
        axes.annotate(
            name, (costs[name], means[name]),
            xytext=(7, (up - float(at[1])) * 72 / axes.figure.dpi),
            textcoords="offset points", va="center", fontsize=10,
        )  # fmt: skip


def draw_reliability(
    bins: Mapping[str, Sequence[Mapping[str, float]]], *, alt: str | None = None
) -> Figure:
    """Is a detection of score 0.8 right in 8 of 10 cases?

    Args:
        bins: network -> bins of the score, each with ``score`` (mean), ``right`` (share) and
            ``count``; empty bins are left out.  At most four networks.
        alt: what the picture shows; the mean gap of each when omitted.

    Returns:
        The figure: one panel a network, score to the right, share of right ones upwards; a mark
        is larger where there are more detections.  Above the diagonal a network is too modest,
        below it boasts.

    Raises:
        ValueError: none or more than four networks, a network without a detection, or shares
            outside of 0 to 1.

    >>> draw_reliability({"a": [{"score": 0.5, "right": 0.75, "count": 4}]}).alt
    'Share of right detections by score: a is off by 0.250 on average.'
    """
    if not 1 <= len(bins) <= 4:
        raise ValueError(f"bins: expected 1 to 4 networks, got {len(bins)}")
    filled = {name: [one for one in own if one["count"]] for name, own in bins.items()}
    for name, own in filled.items():
        if not own:
            raise ValueError(f"bins[{name!r}]: expected a detection, got none")
        if not all(0 <= one[key] <= 1 for one in own for key in ("score", "right")):
            raise ValueError(f"bins[{name!r}]: expected scores and shares from 0 to 1")
    gaps = {
        name: sum(one["count"] * abs(one["score"] - one["right"]) for one in own)
        / sum(one["count"] for one in own)
        for name, own in filled.items()
    }
    words = ", ".join(f"{name} is off by {gap:.3f}" for name, gap in gaps.items())
    alt = alt or f"Share of right detections by score: {words} on average."
    side, left, gap = 1.55, 0.62, 0.17
    width = left + len(bins) * (side + gap)
    with house_style():
        drawing = new_figure(max(width, 3.0), side + 1.0)
        for number, (name, own) in enumerate(filled.items()):
            axes = inch_axes(drawing, (left + number * (side + gap), 0.58, side, side))
            most = max(one["count"] for one in own)
            axes.plot([0, 1], [0, 1], color=MUTED, lw=1, linestyle=(0, (4, 2)), zorder=1)
            xs, ys = [one["score"] for one in own], [one["right"] for one in own]
            axes.plot(xs, ys, color=BLUE, lw=1.2, zorder=2)
            sizes = [12 + 80 * math.sqrt(one["count"] / most) for one in own]
            axes.scatter(xs, ys, s=sizes, color=BLUE, edgecolor="white", zorder=3)
            axes.set_xlim(-0.03, 1.03)
            axes.set_ylim(-0.03, 1.03)
            axes.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
            axes.set_yticks([0, 0.5, 1], ["0", ".5", "1"] if number == 0 else [])
            axes.set_title(f"{name}\noff by {gaps[name]:.3f}", fontsize=9.5, fontweight="normal")
            axes.set_xlabel("score")
            if number == 0:
                axes.set_ylabel("share right")
        return finish(drawing, alt)


def draw_by_group(
    values: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    y: str = "mAP",
    alt: str | None = None,
) -> Figure:
    """Where networks differ: for each group one mark a network, with its interval.

    Args:
        values: group ("small") -> network -> its scores, one a seed; the same networks, up to
            six, in every group.
        y: what the scores are.
        alt: what the picture shows; the means when omitted.

    Returns:
        The figure; bars are 95 % t-intervals (none for a single seed).

    Raises:
        ValueError: no group, groups of other networks, more than six, no score, or one that is
            not finite.

    >>> draw_by_group({"small": {"a": [0.5], "b": [0.25]}}, y="AP").alt
    'AP by group: small: a 0.500, b 0.250.'
    """
    if not values:
        raise ValueError("values: expected at least one group, got none")
    names = list(next(iter(values.values())))
    for group, rows in values.items():
        if list(rows) != names or not 1 <= len(names) <= len(MARKERS):
            raise ValueError(
                f"values[{group!r}]: expected the networks {names}, at most {len(MARKERS)}, got "
                f"{list(rows)}"
            )
        for name, own in rows.items():
            if not own or not all(map(math.isfinite, own)):
                raise ValueError(
                    f"values[{group!r}][{name!r}]: expected finite scores, got {list(own)}"
                )
    told = "; ".join(
        f"{group}: "
        + ", ".join(f"{name} {statistics.fmean(own):.3f}" for name, own in rows.items())
        for group, rows in values.items()
    )
    with house_style():
        drawing = new_figure(PAGE_WIDTH, 3.2)
        axes = inch_axes(drawing, (0.7, 0.78, PAGE_WIDTH - 0.85, 2.3))
        for place, rows in enumerate(values.values()):
            for number, own in enumerate(rows.values()):
                at = place + (number - (len(names) - 1) / 2) * 0.8 / len(names)
                if len(own) > 1:
                    _, low, high = t_interval(own)
                    axes.plot([at, at], [low, high], color=COLOURS[number], lw=1.8, zorder=2)
                axes.plot(
                    at, statistics.fmean(own), MARKERS[number], color=COLOURS[number],
                    markersize=7, markeredgecolor="white", zorder=3,
                    label=names[number] if place == 0 else None,
                )  # fmt: skip
            if place:
                axes.axvline(place - 0.5, color=RULE, lw=0.8)
        axes.set_xlim(-0.5, len(values) - 0.5)
        axes.set_xticks(range(len(values)), list(values))
        axes.tick_params(axis="x", length=0)
        axes.grid(axis="y", color=RULE, lw=0.8)
        axes.set_axisbelow(True)
        axes.set_ylabel(y)
        drawing.legend(
            loc="lower left", ncols=len(names), frameon=False, fontsize=10,
            bbox_to_anchor=(0.06, 0), handletextpad=0.2, columnspacing=1.2,
        )  # fmt: skip
        return finish(drawing, alt or f"{y} by group: {told}.")
