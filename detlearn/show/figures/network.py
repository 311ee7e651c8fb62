"""Pictures of a network: its maps to scale, what a filter sees, where a head's numbers go, cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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
    YELLOW,
    finish,
    house_style,
    inch_axes,
    new_figure,
    paper,
)
from detlearn.show.diagram import PALE, TINTS, block, number_grid, write
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from detlearn.show.shape_table import ShapeTable

__all__ = ["draw_head_rows", "draw_parts", "draw_pyramid", "draw_taps"]


# --------------------------------------------------------------------------- maps to scale


def draw_pyramid(
    table: ShapeTable,
    names: Sequence[str] = (),
    *,
    backbone_levels: int = 0,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """The maps of a detector side by side, to scale, each with what its heads answer.

    Args:
        table: what `shape_table` says of a model with priors.
        names: what each map is called, fine to coarse; `level 0` ... when omitted.
        backbone_levels: how many of the maps the backbone gives; drawn in blue, the maps of
            the extra layers in green and underlined by words.
        title: a line above the picture.
        alt: what the picture shows; the sides and counts when omitted.

    Returns:
        The figure.

    Raises:
        ValueError: a table without maps or with more than eight, or names of another number.

    >>> import detlearn
    >>> from detlearn.show import shape_table
    >>> draw_pyramid(shape_table(detlearn.create_model("ssd_tiny"))).alt[:53]
    'The maps of ssd_tiny, to scale: 32 × 32 cells, 16 × 1'
    """
    levels = table.levels
    if not 1 <= len(levels) <= 8:
        raise ValueError(f"table: expected 1 to 8 maps, got {len(levels)}")
    if names and len(names) != len(levels):
        raise ValueError(f"names: expected one for each of {len(levels)} maps, got {len(names)}")
    words = list(names) or [f"level {k}" for k in range(len(levels))]
    sides = ", ".join(f"{each.height} × {each.width}" for each in levels).replace(",", " cells,", 1)
    alt = alt or (
        f"The maps of {table.name}, to scale: {sides}; {table.priors:,} priors altogether."
    )
    top = 0.34 if title else 0.06
    column = PAGE_WIDTH / len(levels)
    largest = max(max(each.height, each.width) for each in levels)
    scale = min(1.5, column * 0.93) / largest
    band = largest * scale
    height = top + 0.3 + band + 0.98
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        base = 0.98
        for k, each in enumerate(levels):
            middle = column * (k + 0.5)
            colour = BLUE if k < backbone_levels else GREEN
            _cells(axes, middle, base + band / 2, each.height, each.width, scale, colour)
            write(axes, middle, base + band + 0.16, words[k], bold=True)
            lines = [f"({each.channels}, {each.height}, {each.width})"]
            if each.priors_per_cell:
                lines += [f"{each.priors_per_cell} priors a cell", f"{each.priors:,} priors"]
            for i, line in enumerate(lines):
                y, colour = base - 0.14 - 0.185 * i, INK if i != 1 else MUTED
                write(axes, middle, y, line, 9.5, bold=i == 2, color=colour)
        if backbone_levels:
            _underline(axes, 0, backbone_levels, column, "of the backbone", BLUE)
        if 0 < backbone_levels < len(levels):
            _underline(axes, backbone_levels, len(levels), column, "of the extra layers", GREEN)
        return finish(drawing, alt, title=title)


def _cells(
    axes: Axes, x: float, y: float, rows: int, columns: int, scale: float, colour: str
) -> None:
    """A map as a grid of its cells around (x, y)."""
    h, w = rows * scale, columns * scale
    block(axes, x - w / 2, y - h / 2, w, h, PALE, colour, 1.6, above=2)
    for i in range(1, columns):
        at = x - w / 2 + i * scale
        axes.plot([at, at], [y - h / 2, y + h / 2], color=colour, lw=0.45, alpha=0.75, zorder=3)
    for i in range(1, rows):
        at = y - h / 2 + i * scale
        axes.plot([x - w / 2, x + w / 2], [at, at], color=colour, lw=0.45, alpha=0.75, zorder=3)


def _underline(axes: Axes, first: int, last: int, column: float, words: str, colour: str) -> None:
    left, right = column * first + 0.12, column * last - 0.12
    axes.plot([left, right], [0.29, 0.29], color=colour, lw=2.4, solid_capstyle="butt")
    write(axes, (left + right) / 2, 0.13, words, 10, color=INK)


# --------------------------------------------------------------------------- taps of a filter


def draw_taps(
    filters: Mapping[str, tuple[int, int, int]], *, title: str | None = None, alt: str
) -> Figure:
    """Where the taps of a filter lie in the image, for several filters at one scale.

    Args:
        filters: words below a panel -> (taps a side, dilation, stride of the map in px).
        title: a line above the panels.
        alt: what the picture shows (required).

    Returns:
        The figure: the cells of each map in grey, the taps filled, the reach in px above.

    Raises:
        ValueError: no filter, more than four, or a number below 1.

    >>> draw_taps({"three taps": (3, 2, 8)}, alt="Nine of twenty-five cells are filled.")
    Figure: Nine of twenty-five cells are filled.
    """
    if not 1 <= len(filters) <= 4:
        raise ValueError(f"filters: expected 1 to 4, got {len(filters)}")
    for name, numbers in filters.items():
        if len(numbers) != 3 or min(numbers) < 1:
            raise ValueError(
                f"filters[{name!r}]: expected (taps, dilation, stride), each at least 1, "
                f"got {numbers}"
            )
    reaches = {name: ((t - 1) * d + 1) * s for name, (t, d, s) in filters.items()}
    column = PAGE_WIDTH / len(filters)
    scale = min(1.9, column * 0.86) / max(reaches.values())
    band = max(reaches.values()) * scale
    top = 0.34 if title else 0.0
    lines = max(name.count("\n") + 1 for name in filters)
    height = top + 0.34 + band + 0.18 + 0.19 * lines
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        middle_y = 0.1 + 0.19 * lines + band / 2
        for i, (name, (taps, dilation, stride)) in enumerate(filters.items()):
            x = column * (i + 0.5)
            side = reaches[name] * scale
            _taps(axes, x - side / 2, middle_y - side / 2, taps, dilation, stride * scale)
            words = f"{taps} × {taps} weights over {reaches[name]} px"
            write(axes, x, middle_y + band / 2 + 0.17, words, bold=True)
            write(axes, x, middle_y - band / 2 - 0.06, name, 10, va="top", linespacing=1.25)
        return finish(drawing, alt, title=title)


def _taps(axes: Axes, left: float, low: float, taps: int, dilation: int, cell: float) -> None:
    cells = (taps - 1) * dilation + 1
    for row in range(cells):
        for column in range(cells):
            filled = row % dilation == 0 and column % dilation == 0
            face, above = (BLUE, 3) if filled else (PALE, 2)
            x, y = left + column * cell, low + row * cell
            block(axes, x, y, cell, cell, face, RULE, 0.7, above=above)


# --------------------------------------------------------------------------- from maps to rows


def draw_head_rows(
    maps: Tensor,
    panels: Mapping[str, Tensor],
    *,
    title: str | None = None,
    alt: str,
) -> Figure:
    """A head's map channel by channel, and the rows that somebody made of it.

    Args:
        maps: ``(1, A*K, H, W)`` of whole numbers, all different, at most six cells.
        panels: words above a panel -> ``(1, P, K)``, the same numbers in rows.
        title: a line above the picture.
        alt: what the picture shows (required).

    Returns:
        The figure; a number has the tint of the cell that it comes from.

    Raises:
        ValueError: other shapes, or numbers that are not those of the map.

    >>> import torch
    >>> maps = torch.arange(4).reshape(1, 4, 1, 1)
    >>> draw_head_rows(maps, {"rows": maps.reshape(1, 2, 2)}, alt="Four channels, two rows.")
    Figure: Four channels, two rows.
    """
    if maps.ndim != 4 or maps.shape[0] != 1 or maps.shape[2] * maps.shape[3] > len(TINTS):
        raise ValueError(f"maps: expected (1, A*K, H, W) of 1 to 6 cells, got {tuple(maps.shape)}")
    _, channels, H, W = maps.shape
    tint = {
        int(value): TINTS[cell]
        for plane in maps[0].flatten(1).tolist()
        for cell, value in enumerate(plane)
    }
    for name, rows in panels.items():
        if rows.ndim != 3 or rows.shape[0] != 1 or {int(v) for v in rows.flatten()} != set(tint):
            raise ValueError(
                f"panels[{name!r}]: expected (1, P, K) of the map's own numbers, "
                f"got {tuple(rows.shape)}"
            )
    box, gap = NUMBER_CELL[0], 0.09
    tallest = max([channels * (H * 0.27 + gap), *(0.33 * len(r[0]) for r in panels.values())])
    top = 0.34 if title else 0.0
    height = top + 0.36 + tallest + 0.16
    wide = [W * box + 1.15, *(r.shape[2] * box for r in panels.values())]
    space = (PAGE_WIDTH - sum(wide)) / (len(wide) + 0.2)
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        ceiling = height - top - 0.36
        left = 0.6 * space
        _heading(axes, left, ceiling, f"the head's map ({channels}, {H}, {W})")
        y = ceiling
        for channel, plane in enumerate(maps[0].tolist()):
            write(axes, left, y - H * 0.135, f"channel {channel}", 9.5, ha="left", color=MUTED)
            _tinted(axes, left + 0.85, y, plane, tint)
            y -= H * 0.27 + gap
        if H == 1:
            for cell in range(W):
                write(axes, left + 0.85 + (cell + 0.5) * box, y, f"cell {cell}", 9, color=MUTED)
        left += wide[0] + space
        for (name, rows), width in zip(panels.items(), wide[1:], strict=True):
            _heading(axes, left, ceiling, name)
            y = ceiling
            for row in rows[0].tolist():
                _tinted(axes, left, y, [row], tint)
                y -= 0.33
            left += width + space
        return finish(drawing, alt, title=title)


NUMBER_CELL = (0.46, 0.27)
"""Inches, (width, height)."""


def _heading(axes: Axes, x: float, y: float, words: str) -> None:
    write(axes, x, y + 0.16, words, bold=True, ha="left")


def _tinted(
    axes: Axes, left: float, top: float, rows: Sequence[Sequence[float]], tint: Mapping[int, str]
) -> None:
    """Rows of numbers, each on the tint that belongs to it."""
    number_grid(
        axes, left, top, rows, NUMBER_CELL, tint=lambda row, column: tint[int(rows[row][column])]
    )


# --------------------------------------------------------------------------- what parts cost

PART_COLOURS = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, YELLOW, MUTED)
PART_HATCHES = ("", "///", "", "...", "\\\\\\", "", "xx", "")


def draw_parts(
    tables: Mapping[str, ShapeTable], *, title: str | None = None, alt: str | None = None
) -> Figure:
    """Parameters and multiply-adds of some models, part by part.

    Args:
        tables: name of a model -> what `shape_table` says of it.
        title: a line above the charts.
        alt: what the picture shows; the totals when omitted.

    Returns:
        The figure: two groups of stacked bars, the totals at their ends.

    Raises:
        ValueError: no model, more than six, or more than eight kinds of parts.

    >>> import detlearn
    >>> from detlearn.show import shape_table
    >>> draw_parts({"tiny": shape_table(detlearn.create_model("ssd_tiny"))}).alt[:30]
    'Parameters and multiply-adds b'
    """
    if not 1 <= len(tables) <= 6:
        raise ValueError(f"tables: expected 1 to 6 models, got {len(tables)}")
    parts = list(dict.fromkeys(part.name for table in tables.values() for part in table.parts))
    shown = [
        name
        for name in parts
        if any(
            part.name == name and (part.parameters > 0.002 * t.parameters or part.macs > 0)
            for t in tables.values()
            for part in t.parts
        )
    ]
    if len(shown) > len(PART_COLOURS):
        raise ValueError(f"tables: expected at most 8 kinds of parts, got {len(shown)}")
    alt = alt or "Parameters and multiply-adds by part. " + "; ".join(
        f"{name}: {_millions(t.parameters)} parameters, {_billions(t.macs)} MACs"
        for name, t in tables.items()
    )
    top = 0.72 if title else 0.42
    chart = 0.34 * len(tables) + 0.12
    height = top + 0.3 + chart + 0.08
    label = 0.2 + 0.088 * max(map(len, tables))
    width = (PAGE_WIDTH - label - 1.75) / 2
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        for i, (quantity, words, write) in enumerate(
            (("parameters", "parameters", _millions), ("macs", "multiply-adds (MACs)", _billions))
        ):
            axes = inch_axes(drawing, (label + i * (width + 0.9), 0.08, width, chart))
            _stacked(axes, tables, shown, quantity, write)
            axes.set_title(words, fontsize=11, pad=6)
            if i:
                axes.set_yticks([])
            else:
                axes.set_yticks(range(len(tables)), list(tables))
        _part_legend(drawing, shown, 1 - (0.34 if title else 0.03) / height)
        return finish(drawing, alt, title=title)


def _stacked(
    axes: Axes, tables: Mapping[str, ShapeTable], shown: Sequence[str], quantity: str, write: Any
) -> None:
    for row, table in enumerate(tables.values()):
        size = {part.name: getattr(part, quantity) for part in table.parts}
        left = 0
        for k, name in enumerate(shown):
            if size.get(name):
                axes.barh(
                    row, size[name], left=left, height=0.66, color=PART_COLOURS[k],
                    hatch=PART_HATCHES[k], edgecolor="white", linewidth=0.6,
                )  # fmt: skip
                left += size[name]
        total = getattr(table, quantity)
        axes.text(total, row, f" {write(total)}", va="center", ha="left", fontsize=10)
    axes.set_ylim(len(tables) - 0.44, -0.56)
    axes.set_xlim(0, max(1, *(getattr(t, quantity) for t in tables.values())))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _part_legend(drawing: Any, shown: Sequence[str], y: float) -> None:
    from matplotlib.patches import Patch

    drawing.legend(
        handles=[
            Patch(facecolor=PART_COLOURS[k], hatch=PART_HATCHES[k], edgecolor="white", label=name)
            for k, name in enumerate(shown)
        ],
        loc="upper left", bbox_to_anchor=(0.008, y), ncols=max(1, len(shown)), frameon=False,
        fontsize=9.5, borderaxespad=0, handletextpad=0.5, columnspacing=1.3, handlelength=1.4,
    )  # fmt: skip


def _millions(count: int) -> str:
    return f"{count / 1e6:.1f} M"


def _billions(count: int) -> str:
    return f"{count / 1e9:.2g} G" if count < 1e9 else f"{count / 1e9:.1f} G"
