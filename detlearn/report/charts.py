"""Line charts as inline SVG: they follow a page's colours, light or dark, and stay sharp in print.

No ids, no scripts, no colours of their own: the style sheet (`templates/page.css`) says what the
classes ``line1`` to ``line6``, ``grid``, ``axis`` and ``dot`` look like.  Here the places of points
and ticks are computed; `templates/chart.svg.j2` writes them down.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from .render import render

__all__ = ["draw_line_chart", "line_class", "nice_ticks"]

Point = tuple[float, float]
LINES = 6


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``: steps of 1, 2 or 5 times a power of ten.

    Args:
        low: where the axis begins.
        high: where it ends, above ``low``.
        most: so many at most.

    Returns:
        The numbers, ascending.

    >>> nice_ticks(0, 1), nice_ticks(1, 23)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [5.0, 10.0, 15.0, 20.0])
    """
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next(m * size for m in (1, 2, 5, 10) if (high - low) / (m * size) <= most + 1e-9)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(k * step, 12) for k in range(first, last + 1)]


def line_class(number: int) -> str:
    """The look of the curve with this number, 0 for the first: a class of the style sheet.

    >>> line_class(0), line_class(6)
    ('line1', 'line1')
    """
    return f"line{number % LINES + 1}"


def draw_line_chart(
    curves: Mapping[str, Sequence[Point]],
    *,
    alt: str,
    x: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    size: tuple[int, int] = (360, 216),
    whole: bool = False,
    fill: bool = False,
) -> Markup:
    """A chart with a line for each curve, as SVG text.

    Args:
        curves: name -> points (x, y), x never falling; a point that is not finite leaves a gap.
            Up to six lines have looks of their own, `line_class` says which.
        alt: what the picture shows (required).
        x: what the horizontal axis counts.
        x_range: of the horizontal axis; that of the points when omitted.
        y_range: of the vertical axis; from 0, or the lowest point below, when omitted.
        size: width and height of the drawing's units; text is 11 of them high.
        whole: x are whole numbers (epochs), and ticks are, too.
        fill: the area below the first curve is tinted.

    Returns:
        ``<svg>…</svg>``.

    >>> print(draw_line_chart({"loss": [(1, 3.0), (2, 1.0)]}, alt="Falls.", x="epoch")[:44])
    <svg class="chart" viewBox="0 0 360 216" rol
    """
    width, height = size
    finite = [p for points in curves.values() for p in points if all(map(math.isfinite, p))]
    first, last = x_range or _span([p[0] for p in finite], 1.0, 2.0)
    low, high = y_range or _from_zero([p[1] for p in finite])
    levels = nice_ticks(low, high, 5 if height > 150 else 2)
    labels = [f"{tick:g}" if abs(tick) >= 1e-3 or not tick else f"{tick:.0e}" for tick in levels]
    left, right = 12 + 6.4 * max(map(len, labels)), width - 10.0
    top, bottom = 8.0, height - 36.0

    def across(value: float) -> float:
        return left + (value - first) / (last - first) * (right - left)

    def down(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - top)

    marks = [t for t in nice_ticks(first, last, 6 if width > 250 else 2) if not whole or t % 1 == 0]
    strokes: list[dict[str, Any]] = []
    for number, points in enumerate(curves.values()):
        for run in _runs(points):
            strokes.append({
                "look": line_class(number),
                "places": [(across(a), down(min(max(b, low), high))) for a, b in run],
                "area": fill and number == 0,
                "dots": len(points) <= 24 and whole or len(run) == 1,
            })  # fmt: skip
    return render(
        "chart.svg.j2", alt=alt, x=x, width=width, height=height, left=left, right=right,
        bottom=bottom, strokes=strokes,
        y_ticks=[(down(tick), label) for tick, label in zip(levels, labels, strict=True)],
        x_ticks=[(across(tick), f"{tick:g}") for tick in marks],
    )  # fmt: skip


def _span(values: Sequence[float], low: float, high: float) -> tuple[float, float]:
    """Smallest and largest, apart; ``low`` and ``high`` where there are no values."""
    if not values:
        return low, high
    low, high = min(values), max(values)
    return (low, high) if low < high else (low - 0.5, low + 0.5)


def _from_zero(values: Sequence[float]) -> tuple[float, float]:
    """A span that holds 0, with a little air above; 0 to 1 where there is nothing else."""
    low, high = min([0.0, *values]), max([0.0, *values])
    return (low, high + (high - low) * 0.04) if low < high else (0.0, 1.0)


def _runs(points: Sequence[Point]) -> list[list[Point]]:
    """The stretches between gaps."""
    runs: list[list[Point]] = [[]]
    for point in points:
        if all(map(math.isfinite, point)):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
