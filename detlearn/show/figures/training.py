"""Pictures of chapter 05: curves of a training, and detections counted by kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from detlearn.show.canvas import (
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
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

__all__ = ["draw_curves", "draw_error_kinds"]

STYLES: tuple[tuple[str, Any, str], ...] = (
    (BLUE, "-", "o"), (VERMILION, "--", "s"), (GREEN, "-.", "^"), (ORANGE, ":", "D"),
)  # fmt: skip
BARS = ((BLUE, ""), (ORANGE, "///"), (GREEN, "..."))


def draw_curves(
    panels: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    x: str = "step",
    log: bool = False,
    alt: str,
) -> Figure:
    """Numbers of a training, one after the other: a panel for each kind, a curve for each name.

    Args:
        panels: title -> name -> values, the first at 1 on the axis.  NaN: nothing was measured
            there, no mark stands there, and the line goes on to the next.
        x: what the values are counted in.
        log: a logarithmic vertical axis; values must be positive.
        alt: what the picture shows (required).

    Returns:
        The figure; the panels stand side by side.

    Raises:
        ValueError: no panel, a panel without curves or with more than four, a curve without
            values, or values of 0 and below on a logarithmic axis.

    >>> draw_curves({"loss": {"boxes": [3.0, 1.0]}}, alt="One curve that falls from 3 to 1.")
    Figure: One curve that falls from 3 to 1.
    """
    if not len(panels):
        raise ValueError("panels: expected at least one, got none")
    table = {title: _checked_curves(title, curves, log) for title, curves in panels.items()}
    width, height, left, gap = 7.6, 3.0, 0.62, 0.8
    panel = (width - left - 0.12 - gap * (len(table) - 1)) / len(table)
    with house_style():
        drawing = new_figure(width, height)
        for i, (title, arrays) in enumerate(table.items()):
            place = (left + i * (panel + gap), 0.58, panel, height - 0.58 - 0.42)
            axes = inch_axes(drawing, place)
            _curves(axes, arrays, log)
            axes.set_xlabel(x)
            axes.set_title(title, pad=6)
            if len(arrays) > 1:
                axes.legend(frameon=False, fontsize=10, handlelength=2.4, borderaxespad=0.2)
        return finish(drawing, alt)


def _checked_curves(
    title: str, curves: Mapping[str, Sequence[float]], log: bool
) -> dict[str, np.ndarray]:
    """The curves of a panel as arrays."""
    if not 1 <= len(curves) <= len(STYLES):
        raise ValueError(f"panels[{title!r}]: expected 1 to 4 curves, got {len(curves)}")
    arrays = {name: np.asarray(values, dtype=float) for name, values in curves.items()}
    for name, array in arrays.items():
        culprit = f"panels[{title!r}][{name!r}]"
        if array.ndim != 1 or array.size == 0:
            raise ValueError(f"{culprit}: expected one or more values, got {array.shape}")
        if log and (array <= 0).any():
            raise ValueError(
                f"{culprit}: expected values above 0 on a logarithmic axis, got {array.min()}"
            )
    return arrays


def _curves(axes: Axes, arrays: Mapping[str, np.ndarray], log: bool) -> None:
    longest = max(map(len, arrays.values()))
    for (name, array), (colour, dashes, marker) in zip(arrays.items(), STYLES, strict=False):
        measured = ~np.isnan(array)
        axes.plot(
            np.flatnonzero(measured) + 1, array[measured],
            color=colour, linestyle=dashes, lw=2.0,
            marker=marker if longest <= 40 else None, markersize=5.5,
            markeredgecolor="white", markeredgewidth=0.7, label=name,
        )  # fmt: skip
    if log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    if longest <= 12:
        axes.set_xticks(range(1, longest + 1))
    axes.grid(color=RULE, lw=0.8)
    axes.set_axisbelow(True)


def draw_error_kinds(counts: Mapping[str, Mapping[str, int]], *, alt: str) -> Figure:
    """What became of the detections, and which objects were missed, as bars with numbers.

    Args:
        counts: name -> kind -> number, as `detlearn.metrics.detection_errors` counts; up to
            three names, with the same kinds.
        alt: what the picture shows (required).

    Returns:
        The figure: one group of bars for each kind.

    Raises:
        ValueError: no name or more than three, kinds that differ, or a negative number.

    >>> draw_error_kinds({"first": {"correct": 3, "missed": 1}}, alt="Three correct, one missed.")
    Figure: Three correct, one missed.
    """
    if not 1 <= len(counts) <= len(BARS):
        raise ValueError(f"counts: expected 1 to {len(BARS)} names, got {len(counts)}")
    kinds = list(next(iter(counts.values())))
    for name, numbers in counts.items():
        if list(numbers) != kinds or not kinds:
            raise ValueError(f"counts[{name!r}]: expected the kinds {kinds}, got {list(numbers)}")
        if min(numbers.values()) < 0:
            raise ValueError(f"counts[{name!r}]: expected no negative number, got {dict(numbers)}")
    bar = 0.8 / len(counts)
    width, left = 7.6, 1.32
    height = len(kinds) * (0.2 + 0.19 * len(counts)) + 0.62
    most = max(max(numbers.values()) for numbers in counts.values())
    with house_style():
        drawing = new_figure(width, height)
        axes = inch_axes(drawing, (left, 0.08, width - left - 0.6, height - 0.56))
        for i, (name, numbers) in enumerate(counts.items()):
            colour, hatch = BARS[i]
            places = [k + (i - (len(counts) - 1) / 2) * bar for k in range(len(kinds))]
            values = [numbers[kind] for kind in kinds]
            axes.barh(
                places, values, height=bar * 0.9, color=colour, hatch=hatch, edgecolor="white",
                linewidth=0, label=name,
            )  # fmt: skip
            for place, value in zip(places, values, strict=True):
                axes.text(
                    value + max(most, 1) * 0.012, place, f"{value:,}", va="center", fontsize=9.5,
                    color=MUTED,
                )  # fmt: skip
        axes.set_yticks(range(len(kinds)), kinds)
        axes.set_ylim(len(kinds) - 0.45, -0.55)
        axes.set_xlim(0, max(most, 1))
        axes.set_xticks([])
        axes.tick_params(axis="y", length=0)
        axes.spines["bottom"].set_visible(False)
        drawing.legend(
            loc="upper left", ncols=3, frameon=False, fontsize=10, borderaxespad=0,
            bbox_to_anchor=(left / width, 1 - 0.1 / height), handlelength=1.6,
        )  # fmt: skip
        return finish(drawing, alt)
