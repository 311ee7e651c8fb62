"""Charts of sizes: what a prior layout reaches, and what of a data set it covers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from detlearn.boxes import PriorBox, PriorConfig
from detlearn.show.canvas import (
    BLACK,
    BLUE,
    GREEN,
    MUTED,
    ORANGE,
    PAGE_WIDTH,
    PURPLE,
    RULE,
    SKY,
    VERMILION,
    finish,
    house_style,
    inch_axes,
    new_figure,
    px,
)
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["draw_coverage", "draw_size_chart"]


def _size_ticks(axes: Axes, low: float, high: float) -> None:
    """A log axis of pixel sides with readable ticks."""
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    ticks = [t for t in (5, 10, 20, 50, 100, 200, 500, 1000) if low <= t <= high]
    axes.set_xticks(ticks, [str(t) for t in ticks])
    axes.set_xticks([], minor=True)


def _object_sides(box_sizes: Any, name: str = "box_sizes") -> np.ndarray:
    """Object sides sqrt(w h) in px from (G,) sides or (G, 2) widths and heights."""
    values = box_sizes.detach().cpu() if isinstance(box_sizes, Tensor) else box_sizes
    array = np.asarray(values, dtype=float)
    if array.size == 0:
        return np.zeros(0)
    if array.ndim == 2 and array.shape[1] == 2:
        array = np.sqrt(array[:, 0] * array[:, 1])
    if array.ndim != 1:
        raise ValueError(f"{name}: expected sides (G,) or sizes (G, 2) in px, got {array.shape}")
    if not (np.isfinite(array).all() and (array > 0).all()):
        culprit = int(np.flatnonzero(~(np.isfinite(array) & (array > 0)))[0])
        raise ValueError(f"{name}[{culprit}]: expected a positive side, got {array[culprit]}")
    return array


def draw_size_chart(
    config: PriorConfig,
    box_sizes: Any = None,
    *,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """Which object sizes a layout reaches: its prior sides, level by level, on a log scale.

    The bar of a level reaches from s/√2 to s√2 around its squares: a square object of that
    side, with the same centre, has IoU ≥ 0.5 with the prior (the ratio of the two areas).

    Args:
        config: a prior layout.
        box_sizes: sides sqrt(w h) (G,) or widths and heights (G, 2) of a data set's objects, px
            of the network input; drawn as a histogram below.
        title: a line above the chart.
        alt: what the picture shows; the facts of the layout when omitted.

    Returns:
        The figure.

    Raises:
        ValueError: a size that is not positive and finite, or an array of another shape.

    >>> from detlearn.boxes import SSD_TINY_PRIORS
    >>> draw_size_chart(SSD_TINY_PRIORS)
    Figure: Side lengths of the priors on 4 levels, from 9 to 89.8 px of a 128 px image, log scale.
    """
    squares = _square_sides(config)
    smallest, largest = min(map(min, squares)), max(map(max, squares))
    alt = alt or (
        f"Side lengths of the priors on {config.num_levels} levels, from {px(smallest)} to "
        f"{px(largest)} px of a {config.image_size} px image, log scale"
        + (", above a histogram of the objects' side lengths." if box_sizes is not None else ".")
    )
    sides = None if box_sizes is None else _object_sides(box_sizes)
    low, high = smallest / 1.7, largest * 1.55
    if sides is not None and sides.size:
        low, high = min(low, float(sides.min()) / 1.1), max(high, float(sides.max()) * 1.1)
    chart = 0.44 * config.num_levels + 0.2
    below = 1.35 if sides is not None else 0.0
    top, bottom = (0.78 if title else 0.44), 0.58
    height = top + chart + below + bottom
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        left, width = 1.48, 5.75
        axes = inch_axes(drawing, (left, bottom + below, width, chart))
        _level_sides(axes, squares, config.map_sizes)
        _sides_axis(axes, low, high)
        axes.tick_params(axis="y", length=0)
        _size_legend(drawing, 0.008, 1 - (top - 0.38) / height, with_second=_has_second(squares))
        if sides is not None:
            axes.tick_params(axis="x", length=0, labelbottom=False)
            axes = inch_axes(drawing, (left, bottom, width, below - 0.12))
            _side_histogram(axes, sides, np.geomspace(low, high, 33))
            _sides_axis(axes, low, high)
        axes.set_xlabel(f"side √(w·h) in px of the {config.image_size} px network input")
        if title:
            _title(drawing, title)
        return finish(drawing, alt)


def _level_sides(axes: Axes, squares: Sequence[Sequence[float]], map_sizes: Sequence[int]) -> None:
    """A row for each level: its squares as marks, and as a bar what a square object matches."""
    for level, sides in enumerate(squares):
        axes.plot(
            [min(sides) / math.sqrt(2), max(sides) * math.sqrt(2)], [level] * 2,
            color=SKY, alpha=0.55, lw=13, solid_capstyle="butt", zorder=1,
        )  # fmt: skip
        for i, value in enumerate(sides):
            axes.plot(
                value, level, marker="s" if i == 0 else "D", color=BLUE, markersize=8,
                markerfacecolor=BLUE if i == 0 else "white", markeredgewidth=1.8, zorder=3,
            )  # fmt: skip
    names = [f"level {k}   {side} × {side}" for k, side in enumerate(map_sizes)]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)


def _sides_axis(axes: Axes, low: float, high: float) -> None:
    _size_ticks(axes, low, high)
    axes.grid(axis="x", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)


def _side_histogram(axes: Axes, sides: np.ndarray, edges: np.ndarray) -> None:
    """Which share of the objects has which side."""
    counts, _ = np.histogram(sides, edges)
    axes.bar(
        edges[:-1], counts / max(1, counts.sum()), width=np.diff(edges), align="edge",
        color=ORANGE, edgecolor="white", linewidth=0.8,
    )  # fmt: skip
    axes.set_yticks([])
    axes.text(
        -0.013, 0.4, f"{len(sides):,}\nobjects", transform=axes.transAxes, ha="right",
        va="center", fontsize=11,
    )  # fmt: skip


def _title(drawing: MatplotlibFigure, title: str) -> None:
    height = drawing.get_size_inches()[1]
    drawing.text(0.012, 1 - 0.12 / height, title, fontsize=12.5, fontweight="bold", va="top")


def _square_sides(config: PriorConfig) -> list[list[float]]:
    """Side lengths in px of each level's squares: s_k, and the second one if there is one."""
    priors = PriorBox(replace(config, clamp="none"))
    squares = 2 if config.max_sizes else 1
    return [
        (priors.sizes(level)[:squares, 0] * config.image_size).tolist()
        for level in range(config.num_levels)
    ]


def _has_second(squares: Sequence[Sequence[float]]) -> bool:
    return any(len(level) > 1 for level in squares)


def _size_legend(drawing: MatplotlibFigure, x: float, y: float, *, with_second: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    entries: list[Any] = [
        Line2D([], [], marker="s", color=BLUE, linestyle="", markersize=8, label="first square s"),
    ]
    if with_second:
        entries.append(
            Line2D(
                [], [], marker="D", color=BLUE, markerfacecolor="white", linestyle="",
                markersize=8, markeredgewidth=1.8, label="second square √(s s′)",
            )
        )  # fmt: skip
    entries.append(Patch(facecolor=SKY, alpha=0.55, label="square objects with IoU ≥ 0.5"))
    drawing.legend(
        handles=entries, loc="upper left", bbox_to_anchor=(x, y), ncols=3, frameon=False,
        fontsize=9.5, borderaxespad=0, handletextpad=0.5, columnspacing=1.3, handlelength=1.4,
    )  # fmt: skip


CURVE_STYLES: tuple[tuple[str, Any, str], ...] = (
    (BLUE, "-", "o"),
    (VERMILION, "--", "s"),
    (GREEN, "-.", "^"),
    (PURPLE, ":", "D"),
    (ORANGE, "-", "v"),
    (BLACK, "--", "P"),
)


def draw_coverage(
    edges: Sequence[float],
    recalls: Mapping[str, Sequence[float]],
    counts: Sequence[int] | None = None,
    *,
    threshold: float = 0.5,
    title: str | None = None,
    name_peaks: bool = False,
    alt: str,
) -> Figure:
    """The share of a data set's objects that some prior overlaps enough, by object size.

    Args:
        edges: the S+1 borders of the size classes, ascending, side sqrt(w h) in px.
        recalls: name of a layout -> S shares in [0, 1]; NaN where a class has no object.
        counts: objects in each class, drawn as grey bars behind.
        threshold: the IoU that counts as covered; named on the axis.
        title: a line above the chart.
        name_peaks: for hills, each of which covers its own sizes. Each is named above its top,
            and is not drawn where it and its neighbours are 0: lines on the floor hide each other.
        alt: what the picture shows (required).

    Returns:
        The figure: one curve a layout, named at its end or at its top.

    Raises:
        ValueError: fewer than two edges, edges that do not ascend, no curve or more than six, a
            curve or counts of another length, or a share outside [0, 1].

    >>> draw_coverage([8, 16, 32], {"SSD": [0.25, 1.0]}, alt="A curve from a quarter to all.")
    Figure: A curve from a quarter to all.
    """
    borders, curves = _checked_coverage(edges, recalls, counts)
    top = 0.42 if title else 0.16
    height = 3.3 + top
    names = 0.0 if name_peaks else 0.66 + 0.088 * max(map(len, curves))  # room for them
    width = max(2.5, PAGE_WIDTH - 0.82 - max(0.12, names))
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        axes = inch_axes(drawing, (0.82, 0.58, width, height - 0.58 - top))
        if counts is not None and sum(counts) > 0:
            _object_bars(axes, borders, counts)
        ends: list[tuple[float, str, str]] = []
        middles = np.sqrt(borders[:-1] * borders[1:])
        for i, (name, values) in enumerate(curves.items()):
            colour, dashes, marker = CURVE_STYLES[i]
            axes.plot(
                middles, _off_the_floor(values) if name_peaks else values, color=colour,
                linestyle=dashes, marker=marker, lw=2.2, markersize=6.5, markeredgecolor="white",
                markeredgewidth=0.8, zorder=3,
            )  # fmt: skip
            known = values[~np.isnan(values)]
            ends.append((float(known[-1]) if known.size else 0.0, name, colour))
            if name_peaks and known.size:
                top_of = float(known.max())
                axes.text(
                    float(middles[values >= top_of - 0.04].mean()), top_of + 0.04, name,
                    ha="center", fontsize=10.5, fontweight="bold", color=colour,
                )  # fmt: skip
        _size_ticks(axes, float(borders[0]), float(borders[-1]))
        axes.set_ylim(-0.02, 1.14 if name_peaks else 1.05)
        axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0], ["0 %", "25 %", "50 %", "75 %", "100 %"])
        axes.grid(color=RULE, lw=0.8)
        axes.set_axisbelow(True)
        axes.set_xlabel("object side √(w·h) in px")
        axes.set_ylabel(f"objects with IoU ≥ {threshold:g}", labelpad=2)
        if not name_peaks:
            _end_labels(axes, ends, width)
        if title:
            _title(drawing, title)
        return finish(drawing, alt)


def _off_the_floor(values: np.ndarray) -> np.ndarray:
    """The values, NaN where one and all its neighbours are 0."""
    around = np.pad(values, 1, mode="edge")
    return np.where(np.maximum(np.maximum(around[:-2], around[2:]), values) == 0, np.nan, values)


def _checked_coverage(
    edges: Sequence[float], recalls: Mapping[str, Sequence[float]], counts: Sequence[int] | None
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The borders of the size classes and the curves, as arrays."""
    borders = np.asarray(edges, dtype=float)
    if borders.ndim != 1 or len(borders) < 2 or not (np.diff(borders) > 0).all() or borders[0] <= 0:
        raise ValueError(f"edges: expected two or more ascending positive sides, got {edges}")
    classes = len(borders) - 1
    if not 1 <= len(recalls) <= len(CURVE_STYLES):
        raise ValueError(
            f"recalls: expected 1 to {len(CURVE_STYLES)} named curves, got {len(recalls)}"
        )
    curves = {name: np.asarray(values, dtype=float) for name, values in recalls.items()}
    for name, values in curves.items():
        if values.shape != (classes,):
            raise ValueError(
                f"recalls[{name!r}]: expected one share a size class, ({classes},), "
                f"got {values.shape}"
            )
        known = values[~np.isnan(values)]
        if ((known < 0) | (known > 1)).any():
            raise ValueError(f"recalls[{name!r}]: expected shares in [0, 1], got {values.tolist()}")
    if counts is not None and len(counts) != classes:
        raise ValueError(f"counts: expected one a size class, {classes}, got {len(counts)}")
    return borders, curves


def _object_bars(axes: Axes, borders: np.ndarray, counts: Sequence[int]) -> None:
    """How many objects each size class has, as grey bars behind the curves."""
    bars = np.asarray(counts, dtype=float) / max(counts)
    axes.bar(
        borders[:-1], bars * 0.32, width=np.diff(borders), align="edge", color="#E3E7EB",
        edgecolor="white", zorder=0,
    )  # fmt: skip
    axes.text(
        0.99, 0.02, f"grey: where the {sum(counts):,} objects are", ha="right",
        va="bottom", transform=axes.transAxes, fontsize=9.5, color=MUTED,
    )  # fmt: skip


def _end_labels(axes: Axes, ends: Sequence[tuple[float, str, str]], width: float) -> None:
    """Name each curve right of its end, moved apart where they would collide."""
    from matplotlib.lines import Line2D

    slots: list[float] = []
    for i in sorted(range(len(ends)), key=lambda i: -ends[i][0]):
        end, name, colour = ends[i]
        slots.append(min(end, slots[-1] - 0.085 if slots else 1.0))
        height = (slots[-1] + 0.02) / 1.07
        _, dashes, marker = CURVE_STYLES[i]
        axes.add_line(
            Line2D(
                [1 + 0.1 / width, 1 + 0.43 / width], [height] * 2, transform=axes.transAxes,
                color=colour, linestyle=dashes, marker=marker, markevery=[0], markersize=6, lw=2,
                clip_on=False,
            )
        )  # fmt: skip
        axes.text(
            1 + 0.5 / width, height, name, transform=axes.transAxes, va="center", fontsize=10.5
        )
