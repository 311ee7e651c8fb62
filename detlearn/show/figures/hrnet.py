"""Pictures of HRNet: branches side by side, the fuse matrix, who hears whom, what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAGE_WIDTH,
    PURPLE,
    RULE,
    SKY,
    VERMILION,
    finish,
    paper,
)
from detlearn.show.diagram import PALE, arrow, block, write
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_branch_costs", "draw_fuse_matrix", "draw_hrnet", "draw_listeners"]

BRANCH_COLOURS = (BLUE, GREEN, ORANGE, PURPLE)
BARS = [0.62 * 0.72**k for k in range(4)]


def _check_branches(widths: Sequence[int]) -> None:
    if not 2 <= len(widths) <= len(BRANCH_COLOURS):
        raise ValueError(
            f"widths: expected 2 to {len(BRANCH_COLOURS)} branches, got {tuple(widths)}"
        )


# --------------------------------------------------------------------------- the network


def draw_hrnet(
    widths: Sequence[int],
    modules: Sequence[int],
    size: tuple[int, int],
    *,
    num_outputs: int | None = None,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """The trunk on one page: a row for each branch, time to the right, every exchange.

    Args:
        widths: channels of the branches, fine to coarse; 2 to 4 of them.
        modules: modules of stages 2, 3, ...: one number less than widths.
        size: (height, width) of the image, px.
        num_outputs: branches that the last exchange keeps, the finest first; all when omitted.
        title: a line above the picture.
        alt: what the picture shows; branches, stages and exchanges when omitted.

    Returns:
        The figure: a bar for a module's blocks of one branch, lines for its exchange, a dashed
        arrow where a branch is opened.

    Raises:
        ValueError: another number of branches or of stages.

    >>> draw_hrnet((32, 64), (1,), (256, 192)).alt
    'HRNet: 2 branches of 64 × 48, 32 × 24 cells side by side, 1 module in stage 2, 1 exchange.'
    """
    _check_branches(widths)
    if len(modules) != len(widths) - 1:
        raise ValueError(f"modules: expected {len(widths) - 1} stages, got {tuple(modules)}")
    branches, outputs = len(widths), num_outputs or len(widths)
    sides = [(size[0] // (4 * 2**k), size[1] // (4 * 2**k)) for k in range(branches)]
    stages = ", ".join(
        f"{n} module{'s' * (n > 1)} in stage {s}" for s, n in enumerate(modules, start=2)
    )
    number = sum(modules)
    alt = alt or (
        f"HRNet: {branches} branches of {', '.join(f'{h} × {w}' for h, w in sides)} cells side by "
        f"side, {stages}, {number} exchange{'s' * (number > 1)}."
    )
    left, row, top = 1.32, 0.86, 0.34 if title else 0.0
    height = top + 0.4 + row * branches + 0.1
    ys = [height - top - 0.4 - row * (k + 0.5) for k in range(branches)]
    # a column for stem and stage 1, one for each module, and a gap where a branch opens
    unit = (PAGE_WIDTH - left - 0.3) / (1.1 + number + 0.62 * len(modules))
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        head = height - top - 0.16
        for k, (h, w) in enumerate(sides):
            write(axes, 0.04, ys[k], f"branch {k}", 10, bold=True, ha="left", va="bottom")
            words = f"{h} × {w}, {widths[k]} ch."
            write(axes, 0.04, ys[k] - 0.02, words, 9, ha="left", va="top")
        _bar(axes, left, ys[0], 0.74 * unit, BARS[0], SKY)
        write(axes, left + 0.37 * unit, head, "stage 1", 10, bold=True)
        x = left + 0.74 * unit
        for stage, count in enumerate(modules):
            living = stage + 2
            x = _open_branch(axes, x, ys[:living], 0.62 * unit)
            middle = x + unit * count / 2 - 0.2 * unit
            write(axes, middle, head, f"stage {stage + 2}", 10, bold=True)
            for module in range(count):
                last = stage == len(modules) - 1 and module == count - 1
                _module(axes, x, ys[:living], unit, min(outputs, living) if last else living)
                x += unit
        for k in range(outputs):
            arrow(axes, (x, ys[k]), (x + 0.28, ys[k]), INK, 1.4)
        return finish(drawing, alt, title=title)


def _open_branch(axes: Axes, x: float, ys: Sequence[float], gap: float) -> float:
    """Lines from stage to stage and, dashed, from the coarsest branch to a new one below it."""
    for k, y in enumerate(ys[:-1]):
        axes.plot([x, x + gap], [y] * 2, color=BRANCH_COLOURS[k], lw=1.6, zorder=1)
    arrow(axes, (x, ys[-2]), (x + gap, ys[-1]), VERMILION, 1.6, ls=(0, (3, 1.5)), mutation_scale=9)
    return x + gap


def _module(axes: Axes, x: float, ys: Sequence[float], unit: float, kept: int) -> None:
    """A bar for the blocks of each branch, then a line from every giver to every receiver."""
    for k, y in enumerate(ys):
        _bar(axes, x, y, 0.5 * unit, BARS[k], BRANCH_COLOURS[k])
    for i in range(kept):
        for j, giver in enumerate(ys):
            axes.plot(
                [x + 0.5 * unit, x + unit], [giver, ys[i]], color=INK if i == j else MUTED,
                lw=1.6 if i == j else 0.8, zorder=1,
            )  # fmt: skip


def _bar(axes: Axes, left: float, y: float, width: float, height: float, colour: str) -> None:
    block(axes, left, y - height / 2, width, height, colour, "white", above=3)


# --------------------------------------------------------------------------- the matrix


def draw_fuse_matrix(
    widths: Sequence[int],
    size: tuple[int, int],
    *,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """The fuse matrix in words: a row for each receiver, a column for each giver.

    Args:
        widths: channels of the branches, fine to coarse; 2 to 4 of them.
        size: (height, width) of branch 0, cells.
        title: a line above the picture.
        alt: what the picture shows; the three rules when omitted.

    Returns:
        The figure: the steps of every cell; above the diagonal up, below it down.

    Raises:
        ValueError: another number of branches.

    >>> draw_fuse_matrix((32, 64), (64, 48)).alt[:52]
    'The fuse matrix of 2 branches. On the diagonal a map'
    """
    _check_branches(widths)
    n = len(widths)
    alt = alt or (
        f"The fuse matrix of {n} branches. On the diagonal a map stays as it is; right of it, from "
        "coarser givers, a 1×1 convolution and repeated cells; left of it, from finer givers, a "
        "3×3 convolution of stride 2 for every step."
    )
    left, top, bottom, row = 1.15, 0.34 if title else 0.0, 0.06, 0.84
    column = (PAGE_WIDTH - left - 0.06) / n
    height = top + 0.66 + row * n + bottom
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        ceiling = height - top
        for k in range(n):
            middle = left + column * (k + 0.5)
            shape = f"{widths[k]} × {size[0] // 2**k} × {size[1] // 2**k}"
            write(axes, middle, ceiling - 0.16, f"giver {k}", bold=True)
            write(axes, middle, ceiling - 0.4, shape, 9, color=MUTED)
            low = ceiling - 0.66 - row * (k + 0.5)
            write(axes, 0.04, low + 0.1, f"receiver {k}", bold=True, ha="left")
            write(axes, 0.04, low - 0.13, shape, 9, ha="left", color=MUTED)
        for i in range(n):
            for j in range(n):
                x, y = left + column * j, ceiling - 0.66 - row * (i + 1)
                _cell(axes, x, y, column, row, i, j, widths)
        return finish(drawing, alt, title=title)


def _cell(
    axes: Axes, x: float, y: float, width: float, height: float, i: int, j: int,
    widths: Sequence[int],
) -> None:  # fmt: skip
    colour = MUTED if i == j else BLUE if i < j else VERMILION
    pad = 0.04
    block(axes, x + pad, y + pad, width - 2 * pad, height - 2 * pad, colour, colour, 1.2, alpha=0.1)
    if i == j:
        lines = ["as it is"]
    elif i < j:
        lines = [f"1×1: {widths[j]} → {widths[i]}", f"repeat ×{2 ** (j - i)}"]
    else:
        lines = [f"3×3 /2: {widths[j]} → {widths[j]}"] * (i - j - 1)
        lines += [f"3×3 /2: {widths[j]} → {widths[i]}"]
    head = "=" if i == j else "↑ up" if i < j else "↓ down"
    step = 0.165
    start = y + height / 2 + step * len(lines) / 2
    middle, size = x + width / 2, 8.5 if len(widths) == 4 else 9.5
    write(axes, middle, start, head, 9.5, bold=True, color=INK if i == j else colour)
    for k, line in enumerate(lines):
        write(axes, middle, start - step * (k + 1), line, size)


# --------------------------------------------------------------------------- who hears whom


def draw_listeners(
    runs: Mapping[str, Sequence[Tensor]],
    *,
    source: tuple[int, int, int] | None = None,
    title: str | None = None,
    alt: str,
) -> Figure:
    """Which cells of every branch have changed: a row of maps for each run.

    Args:
        runs: words at the left -> one mask ``(H, W)`` bool for each branch, fine to coarse.
        source: (branch, row, column) of the cell that was touched; it gets a ring.
        title: a line above the picture.
        alt: what the picture shows (required).

    Returns:
        The figure: changed cells are dark, and counted below each map.

    Raises:
        ValueError: no run or more than four, or another number of branches in one of them.

    >>> import torch
    >>> silent = [torch.zeros(4, 4, dtype=torch.bool), torch.ones(2, 2, dtype=torch.bool)]
    >>> draw_listeners({"alone": silent}, alt="Only branch 1 has changed.")
    Figure: Only branch 1 has changed.
    """
    if not 1 <= len(runs) <= 4:
        raise ValueError(f"runs: expected 1 to 4, got {len(runs)}")
    branches = len(next(iter(runs.values())))
    for name, masks in runs.items():
        if len(masks) != branches or not 1 <= branches <= 4 or any(m.ndim != 2 for m in masks):
            raise ValueError(
                f"runs[{name!r}]: expected a mask (H, W) for each of 1 to 4 branches, as in the "
                f"first run, got {[tuple(mask.shape) for mask in masks]}"
            )
    left, top, row = 1.5, 0.34 if title else 0.0, 1.56
    column = (PAGE_WIDTH - left) / branches
    side = min(1.2, column - 0.2)
    height = top + 0.26 + row * len(runs) + 0.04
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        for k in range(branches):
            write(axes, left + column * (k + 0.5), height - top - 0.12, f"branch {k}", bold=True)
        for r, (name, masks) in enumerate(runs.items()):
            ceiling = height - top - 0.26 - row * r
            write(axes, 0.04, ceiling - side / 2, name, ha="left", linespacing=1.25)
            for k, mask in enumerate(masks):
                x, y = left + column * (k + 0.5) - side / 2, ceiling - side
                _mask(axes, x, y, side, mask)
                heard = int(mask.sum())
                write(
                    axes, x + side / 2, y - 0.14, f"{heard:,} of {mask.numel():,}", 9.5,
                    bold=heard > 0, color=INK if heard else MUTED,
                )  # fmt: skip
                if source and source[0] == k:
                    _ring(axes, x, y, side, mask, source[1:])
        return finish(drawing, alt, title=title)


def _mask(axes: Axes, x: float, y: float, side: float, mask: Tensor) -> None:
    rows, columns = mask.shape
    block(axes, x, y, side, side, PALE)
    for row, column in mask.nonzero().tolist():
        left, low = x + column * side / columns, y + side - (row + 1) * side / rows
        line = 0.3 if columns > 8 else 0.8
        block(axes, left, low, side / columns, side / rows, BLUE, "white", line)
    block(axes, x, y, side, side, PALE, MUTED, 1.0, alpha=0.0)


def _ring(
    axes: Axes, x: float, y: float, side: float, mask: Tensor, place: tuple[int, ...]
) -> None:  # fmt: skip
    rows, columns = mask.shape
    axes.plot(
        x + (place[1] + 0.5) * side / columns, y + side - (place[0] + 0.5) * side / rows, "o",
        markersize=9, markerfacecolor="none", markeredgecolor=VERMILION, markeredgewidth=2.2,
        zorder=5,
    )  # fmt: skip


# --------------------------------------------------------------------------- costs


def draw_branch_costs(
    parts: Mapping[str, tuple[float, float]],
    *,
    title: str | None = None,
    alt: str,
) -> Figure:
    """Two bar charts side by side: parameters and multiply-adds of the same parts.

    Args:
        parts: name -> (parameters, multiply-adds), 0 or more; those called "branch k" in their
            branch's colour.
        title: a line above the charts.
        alt: what the picture shows (required).

    Returns:
        The figure: every bar with its number, in millions and in thousand millions.

    Raises:
        ValueError: no part, more than ten, or a number below 0.

    >>> draw_branch_costs({"branch 0": (1e6, 2e9)}, alt="One branch and what it costs.")
    Figure: One branch and what it costs.
    """
    if not 1 <= len(parts) <= 10:
        raise ValueError(f"parts: expected 1 to 10, got {len(parts)}")
    for name, costs in parts.items():
        if len(costs) != 2 or min(costs) < 0:
            raise ValueError(
                f"parts[{name!r}]: expected (parameters, MACs), 0 or more, got {costs}"
            )
    top = 0.34 if title else 0.0
    row, label = 0.3, 1.62
    height = top + 0.34 + row * len(parts) + 0.06
    chart = (PAGE_WIDTH - label) / 2
    colours = [
        BRANCH_COLOURS[int(name[-1]) % 4] if name.startswith("branch ") else RULE for name in parts
    ]
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        heads = (("parameters", 1e6, "M"), ("multiply-adds", 1e9, "G"))
        for c, (head, unit, letter) in enumerate(heads):
            start = label + c * chart
            most = max(max(costs[c] for costs in parts.values()), 1e-9)
            write(axes, start, height - top - 0.14, head, bold=True, ha="left")
            for k, (name, costs) in enumerate(parts.items()):
                y = height - top - 0.34 - row * (k + 0.5)
                if c == 0:
                    write(axes, label - 0.1, y, name, 10, ha="right")
                length = (chart - 0.78) * costs[c] / most
                _bar(axes, start, y, length, 0.2, colours[k])
                words = f"{costs[c] / unit:.2f} {letter}"
                write(axes, start + length + 0.06, y, words, 9.5, ha="left")
        return finish(drawing, alt, title=title)
