"""Pictures of M2Det: the U of a TUM, levels by scales, small sums by hand, SFAM's weights, the
whole MLFPN, and what is lost without a level.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

from detlearn.models.m2det import M2DetConfig, tum_sides
from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    RULE,
    SKY,
    VERMILION,
    YELLOW,
    blank_axes,
    finish,
    house_style,
    new_figure,
)
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "draw_attention",
    "draw_level_grid",
    "draw_level_losses",
    "draw_mlfpn",
    "draw_small_maps",
    "draw_tum",
]

WIDTH = 7.4
LEVEL_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, MUTED)
LEVEL_HATCHES = ("", "///", "", "...", "\\\\\\", "", "xx", "")


# --------------------------------------------------------------------------- the U of a TUM


def draw_tum(
    in_channels: int,
    planes: int,
    side: int,
    num_scales: int = 6,
    *,
    kind: Literal["released", "paper"] = "released",
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """A TUM as the U that it is: down on the left, up in the middle, 1x1 on the right.

    Args:
        in_channels: of the map that it reads.
        planes: C inside.
        side: of the map that it reads, cells.
        num_scales: how many maps it makes, 3 to 7.
        kind: as in `detlearn.models.m2det.TUM`; it says where the 3x3 convolutions of the way
            up stand, and what comes out.
        title: a line above the picture.
        alt: what the picture shows; the sides and channels when omitted.

    Returns:
        The figure: every map to scale, its channels beside it, every step in words.

    Raises:
        ValueError: another number of scales, or a map too small for them.

    >>> draw_tum(128, 256, 40).alt[:60]
    'A TUM, released: 40, 20, 10, 5, 3, 1 cells a side on the way'
    """
    if not 3 <= num_scales <= 7:
        raise ValueError(f"num_scales: expected 3 to 7, got {num_scales}")
    sides = tum_sides(side, num_scales)
    if sides[-1] < 1:
        raise ValueError(f"side: expected a map that is large enough, got sides {sides}")
    released = kind == "released"
    out = planes if released else planes // 2
    words = ", ".join(map(str, sides))
    alt = alt or (
        f"A TUM, {kind}: {words} cells a side on the way down and again on the way up; "
        f"{in_channels} channels come in, {planes} stand inside, {out} come out."
    )
    scale = 0.95 / side
    drawn = [max(0.06, each * scale) for each in sides]
    gap, top = 0.42, 0.34 if title else 0.0
    height = top + 0.62 + sum(drawn) + gap * (num_scales - 1) + 0.14
    down, up, end = 1.62, 4.05, 6.3
    with house_style():
        drawing = new_figure(WIDTH, height)
        axes = blank_axes(drawing, (0, 0, WIDTH, height))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        heads = ("down: encoder", "up: decoder", "out: smoothing")
        for x, head in zip((down, up, end), heads, strict=True):
            axes.text(x, height - top - 0.12, head, ha="center", va="center", fontsize=10.5,
                      fontweight="bold")  # fmt: skip
        y, middles = height - top - 0.62, []
        for each in drawn:
            middles.append(y - each / 2)
            y -= each + gap
        for k, (middle, size) in enumerate(zip(middles, drawn, strict=True)):
            last = k == num_scales - 1
            axes.text(0.06, middle, f"{sides[k]} × {sides[k]}", ha="left", va="center",
                      fontsize=10.5, fontweight="bold")  # fmt: skip
            _square(axes, down, middle, size, in_channels if k == 0 else planes, BLUE)
            _square(axes, up, middle, size, planes, GREEN)
            _square(axes, end, middle, size, planes if released and last else out, ORANGE)
            half = size / 2 + 0.05
            side_step = "1×1" if last else "3×3"
            if not released:
                side_step = "as it is"
            _arrow(axes, (down + half, middle), (up - half, middle), side_step)
            passes = "as it is" if released and last else "1×1"
            _arrow(axes, (up + half, middle), (end - half, middle), passes)
            if last:
                continue
            low, high = middle - half, middles[k + 1] + drawn[k + 1] / 2 + 0.05
            step = "3×3, no padding" if k == num_scales - 2 else "3×3, stride 2"
            _arrow(axes, (down, low), (down, high), step)
            step = "enlarge, add" if released else "3×3, enlarge, add"
            _arrow(axes, (up, high), (up, low), step)
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


def _square(axes: Axes, x: float, y: float, size: float, channels: int, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (x - size / 2, y - size / 2), size, size, facecolor="#F6F8FA", edgecolor=colour,
            linewidth=2.0, zorder=3,
        )
    )  # fmt: skip
    inside = size > 0.4
    axes.text(
        x if inside else x - size / 2 - 0.05, y if inside else y + size / 2 + 0.1, f"{channels}",
        ha="center" if inside else "right", va="center", fontsize=10, color=INK, zorder=4,
    )  # fmt: skip


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], words: str = ""
) -> None:
    axes.annotate(
        "", xy=end, xytext=start, zorder=2,
        arrowprops={"arrowstyle": "-|>", "color": MUTED, "lw": 1.1, "shrinkA": 0, "shrinkB": 0,
                    "mutation_scale": 9},
    )  # fmt: skip
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    if start[0] == end[0]:
        axes.text(x + 0.08, y, words, ha="left", va="center", fontsize=9, color=MUTED)
    else:
        x += 0.14 * (end[0] - start[0])  # beyond what is written beside the upright arrow
        axes.text(x, y + 0.09, words, ha="center", va="center", fontsize=9, color=MUTED)


# --------------------------------------------------------------------------- levels by scales


def draw_level_grid(
    sides: Sequence[int],
    num_levels: int,
    channels: int,
    *,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """Every map of a multi-level pyramid: a column for each level, a row for each scale.

    Args:
        sides: of the maps, fine to coarse, cells; at most eight.
        num_levels: L, 2 to 8.
        channels: C of a level's map.
        title: a line above the picture.
        alt: what the picture shows; the numbers when omitted.

    Returns:
        The figure: the maps to scale, the way from level to level, and at the right the gathered
        maps with all levels on top of each other.

    Raises:
        ValueError: another number of levels or scales.

    >>> draw_level_grid((8, 4, 2), 3, 16).alt
    '3 levels by 3 scales, 9 maps; gathered scale by scale to 48 channels at sides 8, 4, 2.'
    """
    if not 2 <= num_levels <= 8:
        raise ValueError(f"num_levels: expected 2 to 8, got {num_levels}")
    if not 1 <= len(sides) <= 8 or min(sides) < 1:
        raise ValueError(f"sides: expected 1 to 8, each at least 1, got {tuple(sides)}")
    total = num_levels * channels
    alt = alt or (
        f"{num_levels} levels by {len(sides)} scales, {num_levels * len(sides)} maps; gathered "
        f"scale by scale to {total:,} channels at sides {', '.join(map(str, sides))}."
    )
    left, right = 0.82, 1.95
    column = (WIDTH - left - right) / num_levels
    scale = min(0.52, 0.78 * column) / max(sides)
    drawn = [max(0.05, each * scale) for each in sides]
    rows = [max(0.27, size + 0.12) for size in drawn]
    top = 0.34 if title else 0.0
    height = top + 0.62 + sum(rows) + 0.12
    with house_style():
        drawing = new_figure(WIDTH, height)
        axes = blank_axes(drawing, (0, 0, WIDTH, height))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        ceiling = height - top
        axes.text(left + column * num_levels / 2, ceiling - 0.12, "levels: deeper and deeper",
                  ha="center", va="center", fontsize=10.5, fontweight="bold")  # fmt: skip
        axes.text(WIDTH - right / 2 - 0.02, ceiling - 0.12, "gathered", ha="center", va="center",
                  fontsize=10.5, fontweight="bold")  # fmt: skip
        for level in range(num_levels):
            axes.text(left + column * (level + 0.5), ceiling - 0.36, str(level), ha="center",
                      va="center", fontsize=10, color=MUTED)  # fmt: skip
        y = ceiling - 0.52
        for s, (row, size) in enumerate(zip(rows, drawn, strict=True)):
            middle = y - row / 2
            y -= row
            axes.text(0.06, middle, f"{sides[s]} × {sides[s]}", ha="left", va="center",
                      fontsize=10.5, fontweight="bold")  # fmt: skip
            for level in range(num_levels):
                x = left + column * (level + 0.5)
                _tile(axes, x, middle, size, level, 3)
                if s == 0 and level + 1 < num_levels:
                    _arrow(axes, (x + size / 2 + 0.02, middle),
                           (x + column - size / 2 - 0.02, middle))  # fmt: skip
            shift = 0.035
            for level in reversed(range(num_levels)):
                x = WIDTH - right + 0.42 + shift * (level - num_levels / 2)
                _tile(axes, x, middle + shift * 0.4 * (level - num_levels / 2), size, level,
                      20 - level)  # fmt: skip
            axes.text(WIDTH - 0.04, middle, f"{total:,} channels", ha="right", va="center",
                      fontsize=9.5)  # fmt: skip
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


def _tile(axes: Axes, x: float, y: float, size: float, level: int, above: int) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (x - size / 2, y - size / 2), size, size, facecolor=LEVEL_COLOURS[level],
            edgecolor="white", linewidth=0.6, zorder=above,
        )
    )  # fmt: skip


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
    cell = min(0.46, (WIDTH - 0.3 - gap * len(grids)) / columns)
    # words may be wider than their grid
    wide = [
        max(grid.shape[1] * cell, 0.088 * max(map(len, name.split("\n"))))
        for name, grid in panels.items()
    ]
    space = min(1.1, (WIDTH - 0.2 - sum(wide)) / len(grids))
    tallest = max(grid.shape[0] for grid in grids) * cell
    lines = max(name.count("\n") + 1 for name in panels)
    top = 0.34 if title else 0.0
    height = top + 0.16 + 0.19 * lines + tallest + 0.12
    with house_style():
        drawing = new_figure(WIDTH, height)
        axes = blank_axes(drawing, (0, 0, WIDTH, height))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        left = (WIDTH - sum(wide) - space * (len(grids) - 1)) / 2
        middle = 0.12 + tallest / 2
        for i, (name, grid) in enumerate(panels.items()):
            x = left + wide[i] / 2
            axes.text(x, 0.12 + tallest + 0.1, name, ha="center", va="bottom", fontsize=10,
                      fontweight="bold", linespacing=1.2)  # fmt: skip
            _grid(axes, x, middle, grid, cell)
            left += wide[i] + space
            if i < len(signs):
                axes.text(left - space / 2, middle, signs[i], ha="center", va="center",
                          fontsize=15)  # fmt: skip
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


def _grid(axes: Axes, x: float, y: float, grid: Tensor, cell: float) -> None:
    from matplotlib.patches import Rectangle

    rows, columns = grid.shape
    low, left = y + rows * cell / 2, x - columns * cell / 2
    for i, row in enumerate(grid.tolist()):
        for j, value in enumerate(row):
            axes.add_patch(
                Rectangle(
                    (left + j * cell, low - (i + 1) * cell), cell, cell, facecolor="#F6F8FA",
                    edgecolor=MUTED, linewidth=0.8,
                )
            )  # fmt: skip
            axes.text(
                left + (j + 0.5) * cell, low - (i + 0.5) * cell, f"{round(value, 2):g}",
                ha="center", va="center", fontsize=10 if cell > 0.33 else 8.5,
            )  # fmt: skip


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
    column = (WIDTH - label) / len(panels)
    with house_style():
        drawing = new_figure(WIDTH, height)
        for i, (name, weights) in enumerate(panels.items()):
            for scale, each in enumerate(weights):
                low = height - top - 0.36 - row * (scale + 1)
                axes = drawing.add_axes(
                    ((label + i * column) / WIDTH, (low + 0.2) / height,
                     (column - 0.16) / WIDTH, (row - 0.22) / height)
                )  # fmt: skip
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
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


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


# --------------------------------------------------------------------------- the whole MLFPN


def draw_mlfpn(config: M2DetConfig, *, title: str | None = None, alt: str | None = None) -> Figure:
    """From the backbone's two maps to the heads: FFMv1, the chain of FFMv2 and TUM, SFAM.

    Args:
        config: of an M2Det with at least two levels, whose TUMs are the released ones.
        title: a line above the picture.
        alt: what the picture shows; the numbers when omitted.

    Returns:
        The figure; of more than four levels the middle ones are dots.

    Raises:
        ValueError: one level only, or the paper's TUM.

    >>> from detlearn.models.m2det import M2DET_TINY
    >>> draw_mlfpn(M2DET_TINY).alt[:64]
    'Two maps of the backbone become the base feature of 64 channels '
    """
    if config.num_levels < 2 or config.tum != "released":
        raise ValueError(
            f"config: expected at least two levels and tum='released', got {config.num_levels} "
            f"and {config.tum!r}"
        )
    side, planes, levels = config.priors.map_sizes[0], config.planes, config.num_levels
    base, thin = sum(config.base_channels), planes // 2
    alt = alt or (
        f"Two maps of the backbone become the base feature of {base} channels and "
        f"{side} × {side} cells; {levels} TUMs follow each other, the first reads {thin} channels, "
        f"each other {thin} of the base and {planes} of the TUM before it; their maps are gathered "
        f"to {levels * planes:,} channels at {config.num_scales} scales"
        + (", weighed by SFAM," if config.sfam else "")
        + " and read by the heads."
    )
    shown: list[int | None] = list(range(levels))
    if levels > 4:
        shown = [0, 1, 2, None, levels - 1]
    top = 0.34 if title else 0.0
    height = top + 3.95
    with house_style():
        drawing = new_figure(WIDTH, height)
        axes = blank_axes(drawing, (0, 0, WIDTH, height))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        y = height - top
        shallow, deep = config.base_channels
        _card(axes, 0.06, y - 0.5, 1.7, 0.4, f"shallow map, {side}²", MUTED)
        _card(axes, 0.06, y - 1.0, 1.7, 0.4, f"deep map, {(side + 1) // 2}²", MUTED)
        words = f"FFMv1\n3×3 → {shallow},\n1×1 → {deep}, enlarge"
        _card(axes, 2.05, y - 1.0, 1.75, 0.9, words, PURPLE)
        _card(
            axes, 4.1, y - 0.85, 3.2, 0.6, f"base feature\n{base} channels, {side} × {side}", BLUE
        )
        for middle in (y - 0.3, y - 0.8):
            _arrow(axes, (1.76, middle), (2.05, middle))
        _arrow(axes, (3.8, y - 0.55), (4.1, y - 0.55))
        axes.plot([0.35, WIDTH - 0.1], [y - 1.2] * 2, color=BLUE, lw=1.6)
        axes.plot([5.7, 5.7], [y - 1.2, y - 0.85], color=BLUE, lw=1.6)
        column = (WIDTH - 0.1) / len(shown)
        for place, level in enumerate(shown):
            x = 0.05 + place * column
            if level is None:
                axes.text(x + column / 2, y - 1.95, "…", ha="center", va="center", fontsize=18)
                continue
            reads = thin if level == 0 else thin + planes
            name = "thin" if level == 0 else "FFMv2"
            _arrow(axes, (x + 0.3, y - 1.2), (x + 0.3, y - 1.42))
            _card(axes, x, y - 1.8, 0.6, 0.38, name, PURPLE, size=9)
            _arrow(axes, (x + 0.3, y - 1.8), (x + 0.3, y - 2.0))
            axes.text(x + 0.36, y - 1.9, f"{reads}", ha="left", va="center", fontsize=9,
                      color=MUTED)  # fmt: skip
            _card(axes, x, y - 2.38, column - 0.35, 0.38, f"TUM {level}", GREEN)
            _arrow(axes, (x + 0.3, y - 2.38), (x + 0.3, y - 2.62))
            if place + 1 < len(shown):  # the largest map goes on
                _arrow(axes, (x + column - 0.35, y - 2.1), (x + column, y - 1.72))
        words = f"gathered: {config.num_scales} scales × {levels * planes:,} channels"
        _card(axes, 0.05, y - 3.02, WIDTH - 0.15, 0.38, words, ORANGE)
        steps = ["SFAM: a weight\nfor each channel"] * config.sfam
        steps += ["BatchNorm\n(finest map)", "heads"]
        for place, word in enumerate(steps):
            x = 0.05 + 2.6 * place
            start = (x + 1.0, y - 3.02) if place == 0 else (x - 0.6, y - 3.56)
            _arrow(axes, start, (x + 1.0, y - 3.28) if place == 0 else (x, y - 3.56))
            _card(axes, x, y - 3.84, 2.0, 0.56, word, INK if word == "heads" else PURPLE)
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


def _card(
    axes: Axes, x: float, y: float, w: float, h: float, words: str, colour: str, size: float = 10
) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle((x, y), w, h, facecolor="#F6F8FA", edgecolor=colour, linewidth=1.8, zorder=3)
    )
    axes.text(x + w / 2, y + h / 2, words, ha="center", va="center", fontsize=size, zorder=4,
              linespacing=1.2)  # fmt: skip


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
    column = (WIDTH - 0.6) / len(panels)
    with house_style():
        drawing = new_figure(WIDTH, height)
        for i, (name, groups) in enumerate(panels.items()):
            axes = drawing.add_axes(
                ((0.62 + i * column) / WIDTH, 0.52 / height, (column - 0.3) / WIDTH, 1.72 / height)
            )
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
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


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
