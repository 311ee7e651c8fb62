"""What several pictures are made of: blocks, arrows, words, grids of numbers, a key of lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from detlearn.show.canvas import MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

Point = tuple[float, float]

PALE = "#F6F8FA"
"""The face of a map whose values are not shown."""
TINTS = ("#CFE3F2", "#FBE5B8", "#CDEBDF", "#F3DCE8", "#FAD9C4", "#E3E7EB")
"""Faces that black numbers can be read on."""


def block(
    axes: Axes, left: float, low: float, width: float, height: float, face: str,
    edge: str = "none", line: float = 0.8, *, alpha: float = 1.0, above: int = 1,
) -> None:  # fmt: skip
    """A filled rectangle; `alpha` is the face's, `above` what it covers (its zorder)."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (left, low), width, height, facecolor=to_rgba(face, alpha), edgecolor=edge,
            linewidth=line, zorder=above,
        )
    )  # fmt: skip


def write(
    axes: Axes, x: float, y: float, words: str, size: float = 10.5, *, bold: bool = False,
    ha: str = "center", va: str = "center", **style: Any,
) -> None:  # fmt: skip
    """Words around a point, or to one side of it."""
    weight = "bold" if bold else "normal"
    axes.text(x, y, words, fontsize=size, fontweight=weight, ha=ha, va=va, **style)


def card(
    axes: Axes, left: float, low: float, width: float, height: float, words: str, edge: str,
    *, size: float = 10.0,
) -> None:  # fmt: skip
    """A pale block with words in the middle."""
    block(axes, left, low, width, height, PALE, edge, 1.8, above=3)
    write(axes, left + width / 2, low + height / 2, words, size, zorder=4, linespacing=1.2)


def arrow(
    axes: Axes, start: Point, end: Point, colour: str = MUTED, line: float = 1.2, *,
    above: int = 2, **style: Any,
) -> None:  # fmt: skip
    """An arrow from point to point; `style` is what matplotlib calls arrowprops."""
    props = {"arrowstyle": "-|>", "color": colour, "lw": line, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", xy=end, xytext=start, zorder=above, arrowprops={**props, **style})


def number_grid(
    axes: Axes,
    left: float,
    top: float,
    rows: Any,
    cell: Point,
    *,
    tint: Callable[[int, int], str] = lambda row, column: PALE,
    size: float = 10.0,
) -> None:
    """Numbers in rows of cells, the first row at the top.

    Args:
        axes: where.
        left: of the first column.
        top: of the first row.
        rows: (H, W) numbers; two decimals are written at most.
        cell: (width, height) of a cell.
        tint: the face of the cell at (row, column).
        size: of the type, points.
    """
    width, height = cell
    for (row, column), value in np.ndenumerate(np.asarray(rows)):
        x, y = left + column * width, top - (row + 1) * height
        block(axes, x, y, width, height, tint(row, column), MUTED)
        write(axes, x + width / 2, y + height / 2, f"{round(float(value), 2):g}", size)


def line_key(
    drawing: MatplotlibFigure, entries: Sequence[tuple[str, Any, str]], **style: Any
) -> None:
    """One line below the picture: what a line of these dashes and this colour means."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, linestyle=dashes, linewidth=2, label=name)
        for name, dashes, colour in entries
    ]
    drawing.legend(
        handles=handles, loc="lower left", ncols=len(handles), frameon=False, fontsize=10,
        bbox_to_anchor=(0, 0), borderaxespad=0.1, handlelength=2.6, columnspacing=1.6, **style,
    )  # fmt: skip
