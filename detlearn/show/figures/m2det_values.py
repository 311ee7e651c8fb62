"""Pictures of M2Det's numbers: small sums by hand, SFAM's weights, what is lost without a level."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from detlearn.show.canvas import (
    BLUE,
    PAGE_WIDTH,
    RULE,
    VERMILION,
    finish,
    house_style,
    inch_axes,
    new_figure,
    paper,
)
from detlearn.show.diagram import number_grid, write
from detlearn.show.figure import Figure
from detlearn.show.figures.m2det import LEVEL_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_attention", "draw_level_losses", "draw_small_maps"]

LEVEL_HATCHES = ("", "///", "", "...", "\\\\\\", "", "xx", "")


# --------------------------------------------------------------------------- sums by hand


def draw_small_maps(
    panels: Mapping[str, Tensor],
    signs: Sequence[str] = (),
    *,
    title: str | None = None,
    alt: str,
) -> Figure:
    """A few tiny maps as grids of numbers, with a sign between two: a sum to check by hand.

    Args:
        panels: words above a grid -> ``(H, W)``, at most 8 by 8 cells.
        signs: between two neighbours, one less than panels; none when omitted.
        title: a line above the picture.
        alt: what the picture shows (required).

    Returns:
        The figure; the cells of all grids have one size.

    Raises:
        ValueError: no grid or more than six, one too large, or signs of another number.

    >>> import torch
    >>> one = torch.ones(1, 1)
    >>> draw_small_maps({"a": one, "b": one, "sum": 2 * one}, "+=", alt="One and one is two.")
    Figure: One and one is two.
    """
    if not 1 <= len(panels) <= 6:
        raise ValueError(f"panels: expected 1 to 6, got {len(panels)}")
    for name, grid in panels.items():
        if grid.ndim != 2 or not 1 <= min(grid.shape) or max(grid.shape) > 8:
            raise ValueError(
                f"panels[{name!r}]: expected (H, W), at most 8 by 8, got {tuple(grid.shape)}"
            )
    if signs and len(signs) != len(panels) - 1:
        raise ValueError(f"signs: expected {len(panels) - 1}, one between two, got {len(signs)}")
    grids = list(panels.values())
    columns = sum(grid.shape[1] for grid in grids)
    gap = 0.55
    cell = min(0.46, (PAGE_WIDTH - 0.3 - gap * len(grids)) / columns)
    # words may be wider than their grid
    wide = [
        max(grid.shape[1] * cell, 0.088 * max(map(len, name.split("\n"))))
        for name, grid in panels.items()
    ]
    space = min(1.1, (PAGE_WIDTH - 0.2 - sum(wide)) / len(grids))
    tallest = max(grid.shape[0] for grid in grids) * cell
    lines = max(name.count("\n") + 1 for name in panels)
    top = 0.34 if title else 0.0
    height = top + 0.16 + 0.19 * lines + tallest + 0.12
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        left = (PAGE_WIDTH - sum(wide) - space * (len(grids) - 1)) / 2
        middle = 0.12 + tallest / 2
        for i, (name, grid) in enumerate(panels.items()):
            x = left + wide[i] / 2
            above = 0.12 + tallest + 0.1
            write(axes, x, above, name, 10, bold=True, va="bottom", linespacing=1.2)
            rows, columns = grid.shape
            number_grid(
                axes, x - columns * cell / 2, middle + rows * cell / 2, grid.tolist(), (cell, cell),
                size=10 if cell > 0.33 else 8.5,
            )  # fmt: skip
            left += wide[i] + space
            if i < len(signs):
                write(axes, left - space / 2, middle, signs[i], 15)
        return finish(drawing, alt, title=title)


# --------------------------------------------------------------------------- attention


def draw_attention(
    panels: Mapping[str, Sequence[Tensor]],
    num_levels: int,
    *,
    title: str | None = None,
    alt: str,
) -> Figure:
    """SFAM's weights as bars: a chart for each scale, a colour and a number for each level.

    Args:
        panels: words above a column -> for each scale the weights ``(C,)``, 0 to 1.
        num_levels: L; the channels are those of level 0, then of level 1, ...
        title: a line above the charts.
        alt: what the picture shows (required).

    Returns:
        The figure: scales from fine to coarse, one below the other.

    Raises:
        ValueError: no panel or more than four, scales of another number in one of them, or
            channels that the levels do not divide.

    >>> import torch
    >>> draw_attention({"all open": [torch.ones(4)]}, 2, alt="Four bars of height one.")
    Figure: Four bars of height one.
    """
    if not 1 <= len(panels) <= 4:
        raise ValueError(f"panels: expected 1 to 4, got {len(panels)}")
    if not 1 <= num_levels <= len(LEVEL_COLOURS):
        raise ValueError(f"num_levels: expected 1 to {len(LEVEL_COLOURS)}, got {num_levels}")
    scales = len(next(iter(panels.values())))
    for name, weights in panels.items():
        if len(weights) != scales or scales == 0:
            raise ValueError(
                f"panels[{name!r}]: expected weights for {max(1, scales)} scales, "
                f"got {len(weights)}"
            )
        for scale, each in enumerate(weights):
            if each.ndim != 1 or len(each) == 0 or len(each) % num_levels:
                raise ValueError(
                    f"panels[{name!r}][{scale}]: expected (C,) with C a multiple of {num_levels}, "
                    f"got {tuple(each.shape)}"
                )
    top = 0.34 if title else 0.0
    row, label = 0.98, 0.62
    height = top + 0.36 + row * scales + 0.3
    column = (PAGE_WIDTH - label) / len(panels)
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        for i, (name, weights) in enumerate(panels.items()):
            for scale, each in enumerate(weights):
                low = height - top - 0.36 - row * (scale + 1)
                place = (label + i * column, low + 0.2, column - 0.16, row - 0.22)
                axes = inch_axes(drawing, place)
                _weight_bars(axes, each, num_levels)
                if scale == 0:
                    axes.set_title(name, fontsize=10.5, pad=5)
                if i == 0:
                    axes.set_ylabel(f"scale {scale}", fontsize=10)
                else:
                    axes.set_yticklabels([])
                if scale == scales - 1:
                    middles = [(k + 0.5) * len(each) / num_levels - 0.5 for k in range(num_levels)]
                    axes.set_xticks(middles, [f"level {k}" if num_levels < 5 else str(k)
                                              for k in range(num_levels)], fontsize=9)  # fmt: skip
                else:
                    axes.set_xticks([])
        return finish(drawing, alt, title=title)


def _weight_bars(axes: Axes, weights: Tensor, num_levels: int) -> None:
    each = len(weights) // num_levels
    for channel, weight in enumerate(weights.tolist()):
        level = channel // each
        axes.bar(
            channel, weight, width=0.82, color=LEVEL_COLOURS[level], hatch=LEVEL_HATCHES[level],
            edgecolor="white", linewidth=0.4,
        )  # fmt: skip
    axes.axhline(0.5, color=RULE, lw=1.0, zorder=0)
    axes.set_ylim(0, 1.04)
    axes.set_yticks([0, 0.5, 1])
    axes.tick_params(axis="y", labelsize=8.5)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(weights) - 0.4)


# --------------------------------------------------------------------------- without a level


def draw_level_losses(
    panels: Mapping[str, Mapping[str, Sequence[Sequence[float]]]],
    *,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """What share of AP goes when a level is silenced, for groups of objects.

    Args:
        panels: words above a chart -> group (two at most) -> for each seed the share by level.
        title: a line above the charts.
        alt: what the picture shows; the means when omitted.

    Returns:
        The figure: a line for the mean over the seeds, a mark for every seed.

    Raises:
        ValueError: no panel or more than three, other than one or two groups, or seeds whose
            levels differ.

    >>> draw_level_losses({"small": {"simple": [[0.5, 0.1]], "complex": [[0.4, 0.2]]}}).alt
    'Share of AP lost by level; small: simple 0.50 0.10, complex 0.40 0.20.'
    """
    if not 1 <= len(panels) <= 3:
        raise ValueError(f"panels: expected 1 to 3, got {len(panels)}")
    told: list[str] = []
    for name, groups in panels.items():
        lengths = {len(seed) for seeds in groups.values() for seed in seeds}
        if not 1 <= len(groups) <= 2 or len(lengths) != 1 or 0 in lengths:
            raise ValueError(
                f"panels[{name!r}]: expected one or two groups with the same number of levels for "
                f"every seed, got {len(groups)} groups and {sorted(lengths)} levels"
            )
        means = {group: _means(seeds) for group, seeds in groups.items()}
        words = ", ".join(
            f"{group} {' '.join(f'{v:.2f}' for v in each)}" for group, each in means.items()
        )
        told.append(f"{name}: {words}")
    alt = alt or f"Share of AP lost by level; {'; '.join(told)}."
    low = min(v for g in panels.values() for seeds in g.values() for seed in seeds for v in seed)
    high = max(v for g in panels.values() for seeds in g.values() for seed in seeds for v in seed)
    top = 0.34 if title else 0.0
    height = top + 2.75
    column = (PAGE_WIDTH - 0.6) / len(panels)
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        for i, (name, groups) in enumerate(panels.items()):
            axes = inch_axes(drawing, (0.62 + i * column, 0.52, column - 0.3, 1.72))
            _loss_lines(axes, groups)
            axes.set_ylim(min(0.0, low) - 0.03, min(high + 0.06, 1.05))
            axes.axhline(0, color=RULE, lw=1.0, zorder=0)
            axes.set_title(name, fontsize=10.5, pad=5)
            axes.set_xlabel("level that is silenced", fontsize=10)
            if i:
                axes.set_yticklabels([])
            else:
                axes.set_ylabel("share of AP lost", fontsize=10)
                drawing.legend(frameon=False, fontsize=9.5, loc="upper right", ncols=2,
                               handlelength=2.6, borderaxespad=0.1)  # fmt: skip
        return finish(drawing, alt, title=title)


def _means(seeds: Sequence[Sequence[float]]) -> list[float]:
    return [statistics.fmean(values) for values in zip(*seeds, strict=True)]


def _loss_lines(axes: Any, groups: Mapping[str, Sequence[Sequence[float]]]) -> None:
    styles = ((BLUE, "o", "-"), (VERMILION, "s", (0, (4, 2))))
    for (group, seeds), (colour, marker, dashes) in zip(groups.items(), styles, strict=False):
        levels = range(len(seeds[0]))
        axes.plot(levels, _means(seeds), color=colour, lw=2.2, linestyle=dashes, marker=marker,
                  markersize=6, label=group, zorder=3)  # fmt: skip
        for seed in seeds:
            axes.plot(levels, seed, marker, color=colour, markersize=3.5, alpha=0.5, zorder=2)
    axes.set_xticks(list(levels))
    axes.tick_params(labelsize=9)
