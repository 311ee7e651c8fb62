"""Pictures of chapter 01: two boxes on squared paper, suppression step by step, the curve of AP."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from detlearn.metrics import average_precision
from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    RULE,
    SKY,
    VERMILION,
    YELLOW,
    blank_axes,
    boxes_array,
    finish,
    house_style,
    inch_axes,
    new_figure,
)
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_overlaps", "draw_precision_recall", "draw_suppression"]

DOTS = (0, (1, 1.6))
DASHES = (0, (4, 2))


def draw_overlaps(
    pairs: Sequence[tuple[Any, Any]],
    *,
    size: tuple[int, int],
    names: tuple[str, str] = ("a", "b"),
    titles: Sequence[str] | None = None,
    alt: str,
) -> Figure:
    """Pairs of boxes on squared paper, what they share hatched; a square is a pixel.

    The numbers along the edges count the *lines* between pixels, as coordinates do.

    Args:
        pairs: for each panel two xyxy boxes in px; None instead of the second draws one.
        size: (height, width) of the paper in squares.
        names: written on the first and the second box.
        titles: one line a panel.
        alt: what the picture shows (required).

    Returns:
        The figure.

    Raises:
        ValueError: no pair, a box that is not four numbers, or titles that are not one a panel.

    >>> draw_overlaps([([0, 0, 3, 2], [1, 0, 4, 3])], size=(4, 4), alt="Two boxes share four.")
    Figure: Two boxes share four.
    """
    if not len(pairs):
        raise ValueError("pairs: expected at least one pair of boxes, got none")
    if titles is not None and len(titles) != len(pairs):
        raise ValueError(f"titles: expected one per pair, {len(pairs)} in all, got {len(titles)}")
    drawn = [
        [boxes_array([box], f"pairs[{i}]")[0].tolist() for box in pair if box is not None]
        for i, pair in enumerate(_lists(pairs))
    ]
    height, width = size
    panel = min(2.6, (7.6 - 0.5) / len(pairs) - 0.35)
    rows = panel * height / width
    top = 0.62 if titles else 0.38
    step = panel + 0.42
    bottom = 0.28
    total = (len(pairs) * step + 0.14, rows + top + bottom)
    with house_style():
        drawing = new_figure(*total)
        for i, boxes in enumerate(drawn):
            axes = inch_axes(drawing, (0.34 + i * step, bottom, panel, rows))
            _paper(axes, height, width, small=panel < 1.6)
            if len(boxes) == 2:
                _shared(axes, boxes[0], boxes[1])
            styles = ((BLUE, "solid", (0.0, 0.0)), (VERMILION, DASHES, (1.0, 1.0)))
            for box, name, (colour, dashes, corner) in zip(boxes, names, styles, strict=False):
                _outline(axes, box, colour, dashes, 2.6)
                _name(axes, box, name, colour, corner)
            if titles:
                axes.set_title(titles[i], fontsize=11 if panel > 1.6 else 10, pad=17)
        return finish(drawing, alt)


def _lists(pairs: Sequence[tuple[Any, Any]]) -> list[list[Any]]:
    """Tensors in the pairs as lists of numbers; None stays None."""
    return [
        [box.detach().cpu().tolist() if isinstance(box, Tensor) else box for box in pair]
        for pair in pairs
    ]


def _paper(axes: Axes, height: int, width: int, *, small: bool) -> None:
    """Squares of 1 px with coordinates along the upper and left edge; y points down."""
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    every = 1 if max(height, width) <= 10 and not small else 2 if max(height, width) <= 10 else 5
    for ticks, place in ((axes.set_xticks, width), (axes.set_yticks, height)):
        ticks(range(0, place + 1, every))
    for line in range(width + 1):
        axes.axvline(line, color=RULE, lw=0.8, zorder=0)
    for line in range(height + 1):
        axes.axhline(line, color=RULE, lw=0.8, zorder=0)
    for name, at, offset in (("x", (width, 0), (8, 5)), ("y", (0, height), (-10, -16))):
        axes.annotate(
            name, at, xytext=offset, textcoords="offset points", ha="left", va="bottom",
            fontsize=10, fontstyle="italic", color=MUTED, annotation_clip=False,
        )  # fmt: skip
    axes.xaxis.tick_top()
    axes.tick_params(length=0, labelsize=9, pad=2)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _shared(axes: Axes, first: Sequence[float], second: Sequence[float]) -> None:
    """The common rectangle of two boxes, if there is one."""
    from matplotlib.patches import Rectangle

    x1, y1 = max(first[0], second[0]), max(first[1], second[1])
    x2, y2 = min(first[2], second[2]), min(first[3], second[3])
    if x1 < x2 and y1 < y2:
        axes.add_patch(
            Rectangle(
                (x1, y1), x2 - x1, y2 - y1, facecolor=YELLOW, alpha=0.75, edgecolor=MUTED,
                hatch="///", linewidth=0, zorder=1,
            )
        )  # fmt: skip


def _outline(axes: Axes, box: Sequence[float], colour: str, dashes: Any, width: float) -> None:
    from matplotlib.patches import Rectangle

    x1, y1, x2, y2 = box
    axes.add_patch(
        Rectangle(
            (x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=width,
            linestyle=dashes, joinstyle="miter", zorder=3, clip_on=False,
        )
    )  # fmt: skip


def _name(
    axes: Axes, box: Sequence[float], name: str, colour: str, corner: tuple[float, float]
) -> None:
    """A name inside the box, at its upper left (0, 0) or its lower right corner (1, 1)."""
    right, low = corner
    axes.annotate(
        name, (box[2] if right else box[0], box[3] if low else box[1]),
        xytext=(-4 if right else 4, 4 if low else -4), textcoords="offset points",
        ha="right" if right else "left", va="bottom" if low else "top",
        color=colour, fontsize=13, fontweight="bold", zorder=4,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.75},
    )  # fmt: skip


def draw_suppression(
    boxes: Any,
    frames: Sequence[tuple[str, Any, Collection[int]]],
    *,
    names: Sequence[str],
    alt: str,
) -> Figure:
    """Non-maximum suppression as a film: one panel a step.

    Kept boxes are solid, the thicker the higher the score; boxes that still wait are dashed,
    dropped ones dotted and grey.

    Args:
        boxes: (N, 4) xyxy, the same in all frames.
        frames: for each panel a title, the scores (N,) at that moment (0: dropped), and the
            indices of the boxes kept so far.
        names: one a box.
        alt: what the picture shows (required).

    Returns:
        The figure: two panels a row; one frame makes a picture of half the width.

    Raises:
        ValueError: no box, no frame, or names or scores that are not one a box.

    >>> film = [("keep A", [0.9, 0.0], [0])]
    >>> draw_suppression([[0, 0, 4, 4], [1, 0, 5, 4]], film, names="AB", alt="A is kept, B goes.")
    Figure: A is kept, B goes.
    """
    array = boxes_array(boxes, "boxes")
    count = len(array)
    if not count:
        raise ValueError("boxes: expected at least one, got none")
    if not len(frames):
        raise ValueError("frames: expected at least one (title, scores, kept), got none")
    if len(names) != count:
        raise ValueError(f"names: expected one per box, {count} in all, got {len(names)}")
    scores = [torch.as_tensor(frame[1], dtype=torch.float64).tolist() for frame in frames]
    for i, values in enumerate(scores):
        if len(values) != count:
            raise ValueError(
                f"frames[{i}] scores: expected one per box, {count} in all, got {len(values)}"
            )
    low, high = array[:, :2].min(axis=0), array[:, 2:].max(axis=0)
    span = high - low
    panel = 3.55
    rows = panel * span[1] / span[0]
    lines = math.ceil(len(frames) / 2)
    head, key = 0.46, 0.34
    total = (min(2, len(frames)) * (panel + 0.26) - 0.02, lines * (rows + head) + key + 0.1)
    with house_style():
        drawing = new_figure(*total)
        for i, (title, _, kept) in enumerate(frames):
            row, column = divmod(i, 2)
            bottom = key + (lines - 1 - row) * (rows + head) + 0.1
            axes = blank_axes(drawing, (0.12 + column * (panel + 0.26), bottom, panel, rows))
            axes.set_xlim(low[0], high[0])
            axes.set_ylim(high[1], low[1])
            axes.set_title(title, pad=7, fontsize=11)
            taken: list[tuple[float, float]] = []
            for number, box in enumerate(array.tolist()):
                score, is_kept = scores[i][number], number in kept
                _film_box(axes, box, score, is_kept)
                spot = _free_spot(
                    box, array.tolist(), taken, 0.66 * span[0] / panel, 0.2 * span[1] / rows
                )
                taken.append(spot)
                _film_name(axes, spot, names[number], score, is_kept)
        _film_key(drawing, total, [kept for _, _, kept in frames], scores)
        return finish(drawing, alt)


def _film_box(axes: Axes, box: Sequence[float], score: float, kept: bool) -> None:
    dropped = score == 0 and not kept
    colour = MUTED if dropped else BLUE if kept else ORANGE
    dashes: Any = DOTS if dropped else "solid" if kept else DASHES
    _outline(axes, box, colour, dashes, 1.0 + 1.6 * score if kept else 1.6 if dropped else 2.2)


def _free_spot(
    box: Sequence[float], boxes: Sequence[Sequence[float]],
    taken: Sequence[tuple[float, float]], width: float, height: float,
) -> tuple[float, float]:  # fmt: skip
    """A place for a name at the left edge of a box: above it if another box begins just below,
    otherwise inside, below the names that are there already.
    """
    x, y = box[0], box[1]
    if any(x < other[0] < x + width and y < other[1] < y + height for other in boxes):
        y -= 1.2 * height
    while any(abs(x - other) < width and abs(y - above) < height for other, above in taken):
        y += height
    return x, y


def _film_name(axes: Axes, spot: tuple[float, float], name: str, score: float, kept: bool) -> None:
    dropped = score == 0 and not kept
    axes.annotate(
        name if dropped else f"{name} {score:.2f}",
        spot, xytext=(4, -4), textcoords="offset points", ha="left", va="top",
        color=MUTED if dropped else INK, fontsize=9.5, zorder=5,
        fontweight="bold" if kept else "normal", annotation_clip=False,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85},
    )  # fmt: skip


def _film_key(
    drawing: Any, total: tuple[float, float], kept: Sequence[Collection[int]],
    scores: Sequence[Sequence[float]],
) -> None:  # fmt: skip
    """The kinds of boxes that occur in one of the frames."""
    from matplotlib.lines import Line2D

    seen = {
        "kept" if number in taken else "waiting" if score else "dropped"
        for taken, values in zip(kept, scores, strict=True)
        for number, score in enumerate(values)
    }
    kinds: tuple[tuple[str, Any, str, float], ...] = (
        ("kept", "solid", BLUE, 2.2), ("waiting", DASHES, ORANGE, 2.2),
        ("dropped", DOTS, MUTED, 1.6),
    )  # fmt: skip
    drawing.legend(
        handles=[
            Line2D([], [], color=colour, linestyle=dashes, linewidth=width, label=name)
            for name, dashes, colour, width in kinds if name in seen
        ],
        loc="lower left", ncols=3, frameon=False, fontsize=10, borderaxespad=0.1,
        bbox_to_anchor=(0.06 / total[0], 0), handlelength=3,
    )  # fmt: skip


def draw_precision_recall(
    precision: Any,
    recall: Any,
    *,
    methods: Sequence[str] = ("area", "11-point"),
    alt: str,
) -> Figure:
    """The curve of one class, its envelope, and how each benchmark reads it.

    Args:
        precision: (D,) of the list down to each detection, best score first.
        recall: (D,), never falling.
        methods: one panel each: "area", "11-point" or "101-point".
        alt: what the picture shows (required).

    Returns:
        The figure; the title of a panel holds its AP.

    Raises:
        ValueError: no method or an unknown one, lengths that disagree, recall that falls, or
            values outside [0, 1].

    >>> draw_precision_recall([1.0, 0.5], [0.5, 0.5], alt="Two points at recall one half.")
    Figure: Two points at recall one half.
    """
    if not len(methods):
        raise ValueError("methods: expected at least one, got none")
    curve = [torch.as_tensor(values, dtype=torch.float64) for values in (precision, recall)]
    for name, values in zip(("precision", "recall"), curve, strict=True):
        if ((values < 0) | (values > 1) | values.isnan()).any():
            raise ValueError(f"{name}: expected shares in [0, 1], got {values.tolist()}")
    averages = [average_precision(curve[0], curve[1], cast(Any, method)) for method in methods]
    heights, places = (values.numpy() for values in curve)
    width = 7.6
    panel = (width - 0.75 - 0.3 * (len(methods) - 1)) / len(methods) - 0.05
    height = 3.4
    with house_style():
        drawing = new_figure(width, height)
        for i, (method, average) in enumerate(zip(methods, averages, strict=True)):
            place = (0.66 + i * (panel + 0.3), 0.86, panel, height - 0.86 - 0.4)
            axes = inch_axes(drawing, place)
            _curve(axes, heights, places, method)
            axes.set_title(f"{method}: AP {average:.3f}", fontsize=11)
            named = "recall: share of the objects found" if len(methods) < 3 else "recall"
            axes.set_xlabel(named, fontsize=10)
            if i == 0:
                axes.set_ylabel("precision: share right", fontsize=10)
            else:
                axes.set_yticklabels([])
        _curve_key(drawing, methods)
        return finish(drawing, alt)


def _curve(axes: Axes, precision: np.ndarray, recall: np.ndarray, method: str) -> None:
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.06)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1.0])
    axes.grid(color=RULE, lw=0.8)
    axes.set_axisbelow(True)
    # from the left edge: the envelope at recall 0 is the best precision of all
    x = np.concatenate([[0.0], recall])
    y = np.concatenate([envelope[:1] if len(envelope) else [0.0], envelope])
    if len(recall):
        x, y = np.append(x, [recall[-1], 1.0]), np.append(y, [0.0, 0.0])  # never reached: 0
        axes.plot(recall, precision, color=MUTED, lw=1.1, marker="o", markersize=5, zorder=4)
    if method == "area":
        axes.fill_between(x, y, step="pre", color=SKY, alpha=0.45, lw=0, zorder=1)
        axes.plot(x, y, drawstyle="steps-pre", color=BLUE, lw=2.4, zorder=3)
        return
    axes.plot(x, y, drawstyle="steps-pre", color=BLUE, lw=2.0, zorder=3)
    grid = np.linspace(0, 1, 11 if method == "11-point" else 101)
    first = np.searchsorted(recall, grid)
    read = np.array([envelope[rank] if rank < len(envelope) else 0.0 for rank in first])
    axes.vlines(grid, 0, read, color=GREEN, lw=60 / len(grid) ** 1.6, zorder=2)
    size = 7.0 if method == "11-point" else 2.6
    axes.plot(
        grid, read, linestyle="", marker="D", color=GREEN, markersize=size,
        markeredgecolor="white" if size > 5 else GREEN, markeredgewidth=0.8, zorder=5,
    )  # fmt: skip


def _curve_key(drawing: Any, methods: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=MUTED, lw=1.1, marker="o", markersize=5, label="each detection"),
        Line2D([], [], color=BLUE, lw=2.4, label="envelope"),
    ]
    if set(methods) != {"area"}:
        handles.append(
            Line2D([], [], color=GREEN, linestyle="", marker="D", markersize=6, label="read here")
        )
    drawing.legend(
        handles=handles, loc="lower left", ncols=3, frameon=False, fontsize=10, borderaxespad=0.1,
        bbox_to_anchor=(0.05, 0),
    )  # fmt: skip
