"""Pictures of an experiment: what each variant scored, seed by seed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from detlearn.show.canvas import (
    BLUE,
    INK,
    MUTED,
    PAGE_WIDTH,
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
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["draw_seeds"]

MARKERS = "osD^v"


def draw_seeds(
    scores: Mapping[str, Sequence[float]],
    *,
    x: str = "mAP",
    reference: str | None = None,
    seeds: Sequence[int] = (),
    alt: str | None = None,
) -> Figure:
    """What every variant scored with every seed, one line a variant, one mark a seed.

    Args:
        scores: variant -> its scores, the same seed at the same place; one to five of them.
        x: what the scores are.
        reference: the variant whose mean is drawn as a line through all others.
        seeds: the seeds' numbers; with them a legend says which mark is which seed, and what
            the rest of the picture means.
        alt: what the picture shows; means and spreads when omitted.

    Returns:
        The figure; a stroke marks each mean, a band the spread (one standard deviation to
        either side). A variant's marks stand one below the other, so that none hides another.

    Raises:
        ValueError: no variant, a variant with no score or more than five, a score that is no
            number, a reference that is none of the variants, or fewer seeds than scores.

    >>> draw_seeds({"a": [0.5, 0.7], "b": [0.4]}).alt
    'mAP of each variant, one mark a seed: a 0.600 ± 0.141, b 0.400.'
    """
    _check_seeds(scores, reference, seeds)
    most = max(map(len, scores.values()))
    means = {name: statistics.fmean(values) for name, values in scores.items()}
    spreads = {
        name: statistics.stdev(values) if len(values) > 1 else 0.0
        for name, values in scores.items()
    }
    told = {
        name: f"{means[name]:.3f}" + (f" ± {spreads[name]:.3f}" if len(values) > 1 else "")
        for name, values in scores.items()
    }
    spread = "; mean ± one standard deviation" if seeds else ""
    words = ", ".join(f"{name} {numbers}" for name, numbers in told.items())
    alt = alt or f"{x} of each variant, one mark a seed{spread}: {words}."
    row, left, foot = 0.42, 1.95, 0.7 if seeds else 0.56
    height = row * len(scores) + foot + 0.16
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        place = (left, foot, PAGE_WIDTH - left - 1.35, row * len(scores))
        axes = inch_axes(drawing, place)
        _rows(axes, scores, means, spreads)
        for y, numbers in enumerate(told.values()):
            side = axes.get_yaxis_transform()
            axes.text(1.02, y, numbers, ha="left", va="center", fontsize=10.5, transform=side)
        if reference is not None:
            axes.axvline(means[reference], color=VERMILION, lw=1.4, linestyle=(0, (4, 2)), zorder=2)
        axes.set_yticks(range(len(scores)), list(scores))
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_xlabel(x, loc="left")
        if seeds:
            _legend(drawing, list(seeds[:most]), reference)
        elif reference is not None:
            drawing.text(
                1 - 0.02, 0.05 / height, f"dashed: {_dashed(reference, most)}",
                ha="right", va="bottom", fontsize=9.5, color=MUTED,
            )  # fmt: skip
        return finish(drawing, alt)


def _dashed(reference: str, most: int) -> str:
    """What the dashed line is; with one score each there is no mean, and no mark is a seed."""
    return f"mean of {reference}; a mark a seed" if most > 1 else reference


def _check_seeds(
    scores: Mapping[str, Sequence[float]], reference: str | None, seeds: Sequence[int]
) -> None:
    if not scores:
        raise ValueError("scores: expected at least one variant, got none")
    for name, values in scores.items():
        if not 1 <= len(values) <= len(MARKERS):
            raise ValueError(f"scores[{name!r}]: expected 1 to 5 scores, got {len(values)}")
        if not all(math.isfinite(value) for value in values):
            raise ValueError(f"scores[{name!r}]: expected finite numbers, got {list(values)}")
    if reference is not None and reference not in scores:
        raise ValueError(f"reference: expected one of {list(scores)}, got {reference!r}")
    most = max(map(len, scores.values()))
    if seeds and len(seeds) < most:
        raise ValueError(f"seeds: expected {most} of them, got {len(seeds)}")


def _rows(
    axes: Axes,
    scores: Mapping[str, Sequence[float]],
    means: Mapping[str, float],
    spreads: Mapping[str, float],
) -> None:
    """A line for each variant: a band for the spread, a stroke for the mean, a mark a seed."""
    everything = [value for values in scores.values() for value in values]
    low, high = min(everything), max(everything)
    margin = max(0.06 * (high - low), 0.002)
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(len(scores) - 0.5, -0.5)
    for y, (name, values) in enumerate(scores.items()):
        axes.axhline(y, color=RULE, lw=0.8, zorder=0)
        axes.barh(
            y, max(2 * spreads[name], 0.001 * (high - low)), left=means[name] - spreads[name],
            height=0.5, color=BLUE, alpha=0.22, zorder=1,
        )  # fmt: skip
        axes.plot([means[name]] * 2, [y - 0.33, y + 0.33], color=BLUE, lw=2.4, zorder=3)
        for k, (value, marker) in enumerate(zip(values, MARKERS, strict=False)):
            aside = 0.4 * (k / (len(values) - 1) - 0.5) if len(values) > 1 else 0.0
            axes.plot(
                value, y + aside, marker, color=INK, markersize=6, markeredgecolor="white",
                markeredgewidth=0.8, zorder=4,
            )  # fmt: skip


def _legend(drawing: MatplotlibFigure, seeds: Sequence[int], reference: str | None) -> None:
    """Which mark is which seed, what stroke and band are, and the dashed line."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Line2D | Patch] = [
        Line2D([], [], color=INK, marker=marker, linestyle="none", label=f"seed {seed}")
        for marker, seed in zip(MARKERS, seeds, strict=False)
    ]
    handles.append(Line2D([], [], color=BLUE, marker="|", markersize=11, markeredgewidth=2.4,
                          linestyle="none", label="mean"))  # fmt: skip
    handles.append(Patch(color=BLUE, alpha=0.22, linewidth=0, label="± standard deviation"))
    if reference is not None:
        handles.append(Line2D([], [], color=VERMILION, lw=1.4, linestyle=(0, (4, 2)),
                              label=f"mean of {reference}"))  # fmt: skip
    drawing.legend(
        handles=handles, loc="lower right", ncols=len(handles), frameon=False, fontsize=9.5,
        bbox_to_anchor=(1, 0), borderaxespad=0.1, handlelength=1.6, handletextpad=0.4,
        columnspacing=1.1, labelcolor=MUTED,
    )  # fmt: skip
