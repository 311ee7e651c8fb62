"""Pictures of M2Det's structure: the U of a TUM, levels by scales, the whole MLFPN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from detlearn.models.m2det import M2DetConfig, tum_sides
from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAGE_WIDTH,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    finish,
    paper,
)
from detlearn.show.diagram import PALE, Point, arrow, block, card, write
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_level_grid", "draw_mlfpn", "draw_tum"]

LEVEL_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, MUTED)


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
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        heads = ("down: encoder", "up: decoder", "out: smoothing")
        for x, head in zip((down, up, end), heads, strict=True):
            write(axes, x, height - top - 0.12, head, bold=True)
        y, middles = height - top - 0.62, []
        for each in drawn:
            middles.append(y - each / 2)
            y -= each + gap
        for k, (middle, size) in enumerate(zip(middles, drawn, strict=True)):
            last = k == num_scales - 1
            write(axes, 0.06, middle, f"{sides[k]} × {sides[k]}", bold=True, ha="left")
            _square(axes, down, middle, size, in_channels if k == 0 else planes, BLUE)
            _square(axes, up, middle, size, planes, GREEN)
            _square(axes, end, middle, size, planes if released and last else out, ORANGE)
            half = size / 2 + 0.05
            lateral = "as it is" if not released else "1×1" if last else "3×3"
            _step(axes, (down + half, middle), (up - half, middle), lateral)
            passes = "as it is" if released and last else "1×1"
            _step(axes, (up + half, middle), (end - half, middle), passes)
            if last:
                continue
            low, high = middle - half, middles[k + 1] + drawn[k + 1] / 2 + 0.05
            stride = "3×3, no padding" if k == num_scales - 2 else "3×3, stride 2"
            _step(axes, (down, low), (down, high), stride)
            _step(axes, (up, high), (up, low), "enlarge, add" if released else "3×3, enlarge, add")
        return finish(drawing, alt, title=title)


def _square(axes: Axes, x: float, y: float, size: float, channels: int, colour: str) -> None:
    """A map to scale, its channels inside or, if it is small, beside it."""
    block(axes, x - size / 2, y - size / 2, size, size, PALE, colour, 2.0, above=3)
    if size > 0.4:
        write(axes, x, y, f"{channels}", 10, zorder=4)
    else:
        write(
            axes, x - size / 2 - 0.05, y + size / 2 + 0.1, f"{channels}", 10, ha="right", zorder=4
        )


def _step(axes: Axes, start: Point, end: Point, words: str = "") -> None:
    """An arrow, and in words what happens on the way."""
    arrow(axes, start, end, line=1.1, mutation_scale=9)
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    if start[0] == end[0]:
        write(axes, x + 0.08, y, words, 9, ha="left", color=MUTED)
    else:
        x += 0.14 * (end[0] - start[0])  # beyond what is written beside the upright arrow
        write(axes, x, y + 0.09, words, 9, color=MUTED)


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
    left, right = 1.3, 1.95
    column = (PAGE_WIDTH - left - right) / num_levels
    scale = min(0.52, 0.78 * column) / max(sides)
    drawn = [max(0.05, each * scale) for each in sides]
    rows = [max(0.27, size + 0.12) for size in drawn]
    top = 0.34 if title else 0.0
    height = top + 0.62 + sum(rows) + 0.12
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        ceiling = height - top
        middle = left + column * num_levels / 2
        write(axes, middle, ceiling - 0.12, "levels: deeper and deeper", bold=True)
        write(axes, PAGE_WIDTH - right / 2 - 0.02, ceiling - 0.12, "gathered", bold=True)
        for level in range(num_levels):
            write(axes, left + column * (level + 0.5), ceiling - 0.36, str(level), 10, color=MUTED)
        y = ceiling - 0.52
        for s, (row, size) in enumerate(zip(rows, drawn, strict=True)):
            middle = y - row / 2
            y -= row
            side = f"{sides[s]} × {sides[s]}"
            write(axes, 0.06, middle, f"scale {s}:  {side}", 9, bold=True, ha="left")
            for level in range(num_levels):
                x = left + column * (level + 0.5)
                _tile(axes, x, middle, size, level, 3)
                if s == 0 and level + 1 < num_levels:
                    start, end = x + size / 2 + 0.02, x + column - size / 2 - 0.02
                    _step(axes, (start, middle), (end, middle))
            shift = 0.035
            for level in reversed(range(num_levels)):
                x = PAGE_WIDTH - right + 0.42 + shift * (level - num_levels / 2)
                _tile(axes, x, middle + shift * 0.4 * (level - num_levels / 2), size, level,
                      20 - level)  # fmt: skip
            write(axes, PAGE_WIDTH - 0.04, middle, f"{total:,} channels", 9.5, ha="right")
        return finish(drawing, alt, title=title)


def _tile(axes: Axes, x: float, y: float, size: float, level: int, above: int) -> None:
    """The map of a level around (x, y), in the level's colour."""
    colour = LEVEL_COLOURS[level]
    block(axes, x - size / 2, y - size / 2, size, size, colour, "white", 0.6, above=above)


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
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        y = height - top
        _base_feature(axes, y, config, side)
        column = (PAGE_WIDTH - 0.1) / len(shown)
        for place, level in enumerate(shown):
            x = 0.05 + place * column
            if level is None:
                write(axes, x + column / 2, y - 1.95, "…", 18)
            else:
                _level(axes, x, y, level, thin + planes * (level > 0), column - 0.35)
            if place + 1 < len(shown):  # the largest map goes on, through the dots too
                _step(axes, (x + column - 0.35, y - 2.1), (x + column, y - 1.72))
        words = f"gathered: {config.num_scales} scales × {levels * planes:,} channels"
        card(axes, 0.05, y - 3.02, PAGE_WIDTH - 0.15, 0.38, words, ORANGE)
        steps = ["SFAM: a weight\nfor each channel"] * config.sfam
        _last_steps(axes, y, [*steps, "BatchNorm\n(finest map)", "heads"])
        return finish(drawing, alt, title=title)


def _base_feature(axes: Axes, y: float, config: M2DetConfig, side: int) -> None:
    """The backbone's two maps, FFMv1, and the line that hands its feature to every level."""
    shallow, deep = config.base_channels
    card(axes, 0.06, y - 0.5, 1.7, 0.4, f"shallow map, {side}²", MUTED)
    card(axes, 0.06, y - 1.0, 1.7, 0.4, f"deep map, {(side + 1) // 2}²", MUTED)
    words = f"FFMv1\n3×3 → {shallow},\n1×1 → {deep}, enlarge"
    card(axes, 2.05, y - 1.0, 1.75, 0.9, words, PURPLE)
    words = f"base feature\n{shallow + deep} channels, {side} × {side}"
    card(axes, 4.1, y - 0.85, 3.2, 0.6, words, BLUE)
    for middle in (y - 0.3, y - 0.8):
        _step(axes, (1.76, middle), (2.05, middle))
    _step(axes, (3.8, y - 0.55), (4.1, y - 0.55))
    axes.plot([0.35, PAGE_WIDTH - 0.1], [y - 1.2] * 2, color=BLUE, lw=1.6)
    axes.plot([5.7, 5.7], [y - 1.2, y - 0.85], color=BLUE, lw=1.6)


def _level(axes: Axes, x: float, y: float, level: int, reads: int, width: float) -> None:
    """One level: what thins or fuses its input, how many channels that makes, and its TUM."""
    _step(axes, (x + 0.3, y - 1.2), (x + 0.3, y - 1.42))
    card(axes, x, y - 1.8, 0.6, 0.38, "thin" if level == 0 else "FFMv2", PURPLE, size=9)
    _step(axes, (x + 0.3, y - 1.8), (x + 0.3, y - 2.0))
    write(axes, x + 0.36, y - 1.9, f"{reads}", 9, ha="left", color=MUTED)
    card(axes, x, y - 2.38, width, 0.38, f"TUM {level}", GREEN)
    _step(axes, (x + 0.3, y - 2.38), (x + 0.3, y - 2.62))


def _last_steps(axes: Axes, y: float, steps: Sequence[str]) -> None:
    """What becomes of the gathered maps, from left to right."""
    for place, word in enumerate(steps):
        x = 0.05 + 2.6 * place
        if place == 0:
            _step(axes, (x + 1.0, y - 3.02), (x + 1.0, y - 3.28))
        else:
            _step(axes, (x - 0.6, y - 3.56), (x, y - 3.56))
        card(axes, x, y - 3.84, 2.0, 0.56, word, INK if word == "heads" else GREEN)
