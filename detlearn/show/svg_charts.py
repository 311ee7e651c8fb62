"""Line charts as inline SVG: they follow a page's colours, light or dark, and stay sharp in print.

No ids, no scripts, no colours of their own: a page's style sheet (`report.css`) says what the
classes ``line1`` to ``line6``, ``grid``, ``axis`` and ``dot`` look like.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

__all__ = ["draw_line_chart", "draw_line_key", "nice_ticks"]

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
) -> str:
    """A chart with a line for each curve, as SVG text.

    Args:
        curves: name -> points (x, y), x never falling; a point that is not finite leaves a gap.
            Up to six lines have looks of their own; the key is `draw_line_key`'s.
        alt: what the picture shows (required).
        x: what the horizontal axis counts.
        x_range: of the horizontal axis; that of the points when omitted.
        y_range: of the vertical axis; from 0, or the lowest point below, when omitted.
        size: width and height of the drawing's units; text is 11 of them high.
        whole: x are whole numbers (epochs), and ticks are, too.
        fill: the area below the first curve is tinted.

    Returns:
        ``<svg>…</svg>``.

    >>> draw_line_chart({"loss": [(1, 3.0), (2, 1.0)]}, alt="Falls from 3 to 1.", x="epoch")[:26]
    '<svg class="chart" viewBox'
    """
    width, height = size
    finite = [p for points in curves.values() for p in points if all(map(math.isfinite, p))]
    left_x, right_x = x_range or _span([p[0] for p in finite], 1.0, 2.0)
    low, high = y_range or _from_zero([p[1] for p in finite])
    y_ticks = nice_ticks(low, high, 5 if height > 150 else 2)
    labels = [f"{tick:g}" if abs(tick) >= 1e-3 or not tick else f"{tick:.0e}" for tick in y_ticks]
    left, right, top, bottom = 12 + 6.4 * max(map(len, labels)), 10.0, 8.0, 36.0

    def across(value: float) -> float:
        return left + (value - left_x) / (right_x - left_x) * (width - left - right)

    def down(value: float) -> float:
        return height - bottom - (value - low) / (high - low) * (height - bottom - top)

    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(alt)}">'
    ]
    for tick, label in zip(y_ticks, labels, strict=True):
        y = down(tick)
        parts.append(
            f'<path class="grid" d="M{left:.1f} {y:.1f}H{width - right:.1f}"/>'
            f'<text x="{left - 6:.1f}" y="{y + 3.8:.1f}" text-anchor="end">{label}</text>'
        )
    for tick in nice_ticks(left_x, right_x, 6 if width > 250 else 2):
        if not (whole and tick != int(tick)):
            parts.append(
                f'<text x="{across(tick):.1f}" y="{height - bottom + 15:.1f}" '
                f'text-anchor="middle">{tick:g}</text>'
            )
    middle = (left + width - right) / 2
    parts.append(
        f'<path class="axis" d="M{left:.1f} {down(low):.1f}H{width - right:.1f}"/>'
        f'<text class="label" x="{middle:.1f}" y="{height - 4}" text-anchor="middle">'
        f"{escape(x)}</text>"
    )
    for number, points in enumerate(curves.values()):
        line = f"line{number % LINES + 1}"
        for run in _runs(points):
            places = [(across(a), down(min(max(b, low), high))) for a, b in run]
            path = "L".join(f"{a:.1f} {b:.1f}" for a, b in places)
            if fill and number == 0:
                floor = down(low)
                parts.append(
                    f'<path class="area" d="M{places[0][0]:.1f} {floor:.1f}L{path}'
                    f'L{places[-1][0]:.1f} {floor:.1f}Z"/>'
                )
            parts.append(f'<path class="{line}" d="M{path}"/>')
            if len(points) <= 24 and whole or len(run) == 1:
                parts += [
                    f'<circle class="dot {line}" cx="{a:.1f}" cy="{b:.1f}" r="2.6"/>'
                    for a, b in places
                ]
    return "".join(parts) + "</svg>"


def draw_line_key(number: int) -> str:
    """A stroke as the curve with this number, 0 for the first, has it: for a key beside its name.

    >>> draw_line_key(0)
    '<svg class="key" viewBox="0 0 28 8" aria-hidden="true"><path class="line1" d="M1 4H27"/></svg>'
    """
    return (
        '<svg class="key" viewBox="0 0 28 8" aria-hidden="true">'
        f'<path class="line{number % LINES + 1}" d="M1 4H27"/></svg>'
    )


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
