"""Prior boxes on their grids: one cell at a time, or all levels side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from detlearn.boxes import PriorBox, PriorConfig, cxcywh_to_xyxy
from detlearn.models.inputs import resize
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
    draw_rectangle,
    finish,
    house_style,
    image_array,
    ink_on,
    new_figure,
    px,
    show_image,
)
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["draw_levels", "draw_priors"]

# One style per prior of a cell, on white under-strokes; the number in the badge (from 0, as in
# `PriorIndex`) says it again.
PRIOR_STYLES: tuple[tuple[str, Any], ...] = (
    (BLUE, "solid"),
    (VERMILION, (0, (5, 1.6))),
    (GREEN, (0, (7, 1.6, 1.6, 1.6))),
    (PURPLE, (0, (1.6, 1.4))),
    (ORANGE, (0, (10, 2.4))),
    (SKY, (0, (4, 1.4, 1.2, 1.4, 1.2, 1.4))),
)
# Priors smaller than this part of the image are drawn under a loupe.
SMALL = 0.16


def _blank_image(size: int) -> np.ndarray:
    return np.full((size, size, 3), 246, dtype=np.uint8)


def _with_clamp(config: PriorConfig, clamp: str | None) -> PriorConfig:
    return config if clamp is None else replace(config, clamp=clamp)  # type: ignore[arg-type]


def _check_level(config: PriorConfig, level: int) -> int:
    if not 0 <= level < config.num_levels:
        raise ValueError(f"level: expected 0 to {config.num_levels - 1}, got {level}")
    return level


def _check_cell(config: PriorConfig, level: int, cell: tuple[int, int] | None) -> tuple[int, int]:
    side = config.map_sizes[level]
    row, column = (side // 2, side // 2) if cell is None else cell
    if not (0 <= row < side and 0 <= column < side):
        raise ValueError(
            f"cell: expected (row, column) on a {side} x {side} map, got {(row, column)}"
        )
    return row, column


def _cell_priors(config: PriorConfig, level: int, row: int, column: int) -> np.ndarray:
    """The (A, 4) priors of one cell, cxcywh in px of the network input."""
    count, side = config.priors_per_cell[level], config.map_sizes[level]
    priors = PriorBox(config).level(level).reshape(side, side, count, 4)[row, column]  # (A, 4)
    return priors.numpy().astype(float) * config.image_size


def _xyxy(box: np.ndarray) -> list[float]:
    return cxcywh_to_xyxy(torch.as_tensor(box)).tolist()


def _ratio_names(config: PriorConfig, level: int) -> list[str]:
    """Ratios "1:1", "2:1" ... of a level's priors, width first, before any clamp."""
    sizes = PriorBox(replace(config, clamp="none")).sizes(level).numpy().astype(float)
    return [
        f"{round(w / h, 2):g}:1" if w >= h else f"1:{round(h / w, 2):g}" for w, h in sizes.tolist()
    ]


def _grid(axes: Axes, side: int, step: float, alpha: float = 0.45) -> None:
    """The cells of a level, each one step wide; 38 steps of 8 px reach past 300 px."""
    from matplotlib.collections import LineCollection

    ticks, end = [i * step for i in range(side + 1)], side * step
    lines = [[(t, 0), (t, end)] for t in ticks] + [[(0, t), (end, t)] for t in ticks]
    axes.add_collection(LineCollection(lines, colors=MUTED, linewidths=0.6, alpha=alpha, zorder=1))


def _scene_for(image: Any, config: PriorConfig) -> np.ndarray:
    """The image stretched to the network input, as the detector does it; grey if none."""
    if image is None:
        return _blank_image(config.image_size)
    pixels = torch.tensor(image_array(image)).permute(2, 0, 1)[None]  # (1, 3, H, W)
    side = config.image_size
    return resize(pixels, (side, side), antialias=True)[0].permute(1, 2, 0).numpy()


def _badge(axes: Axes, x: float, y: float, text: str, colour: str, size: float = 8.5) -> None:
    axes.text(
        x, y, text, fontsize=size, fontweight="bold", color=ink_on(colour), ha="center",
        va="center", zorder=6, bbox={"facecolor": colour, "edgecolor": "white", "linewidth": 1,
                                     "boxstyle": "circle,pad=0.22"},
    )  # fmt: skip


def draw_priors(
    config: PriorConfig,
    level: int,
    cell: tuple[int, int] | None = None,
    image: Any = None,
    *,
    clamp: str | None = None,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """The priors of one cell over the image, with the grid of the level and the cell's centre.

    Args:
        config: a prior layout.
        level: which map, 0 the finest.
        cell: (row, column) on the map; the middle one when omitted.
        image: drawn behind, stretched to the square network input as the detector does.
        clamp: "all", "sizes" or "none" instead of the layout's own rule.
        title: a line above the picture; names level, map and cell when omitted.
        alt: what the picture shows; the facts of the level when omitted.

    Returns:
        The figure: boxes left, a key with their sizes in px right.

    Raises:
        ValueError: no such level or cell.

    >>> from detlearn.boxes import SSD300_VOC_PRIORS
    >>> draw_priors(SSD300_VOC_PRIORS, 4, (1, 1))
    Figure: Level 4, a 3 x 3 map, row 1, column 1: 4 priors around (150, 150) px of 300.
    """
    from matplotlib.patches import Rectangle

    config = _with_clamp(config, clamp)
    level = _check_level(config, level)
    row, column = _check_cell(config, level, cell)
    size, side = float(config.image_size), config.map_sizes[level]
    priors = _cell_priors(config, level, row, column)
    boxes = [_xyxy(prior) for prior in priors]
    names = _ratio_names(config, level)
    step = config.steps[level]
    cx, cy = (column + 0.5) * step, (row + 0.5) * step
    title = title or f"Level {level}: {side} × {side} map, row {row}, column {column}"
    alt = alt or (
        f"Level {level}, a {side} x {side} map, row {row}, column {column}: {len(priors)} priors "
        f"around ({px(cx)}, {px(cy)}) px of {config.image_size}."
    )

    margin = 0.03 * size
    low_x = min(0.0, *(b[0] for b in boxes)) - margin
    low_y = min(0.0, *(b[1] for b in boxes)) - margin
    high_x = max(size, side * step, *(b[2] for b in boxes)) + margin
    high_y = max(size, side * step, *(b[3] for b in boxes)) + margin
    scale = 4.5 / max(high_x - low_x, high_y - low_y)
    with house_style():
        drawing = new_figure(7.5, 4.9)
        axes = blank_axes(drawing, (0.05, 0.05, (high_x - low_x) * scale, (high_y - low_y) * scale))
        show_image(axes, _scene_for(image, config), fade=0.0 if image is None else 0.35)
        axes.set_xlim(low_x, high_x)
        axes.set_ylim(high_y, low_y)
        _grid(axes, side, step)
        axes.add_patch(Rectangle((0, 0), size, size, fill=False, edgecolor=INK, lw=1.2, zorder=2))
        axes.add_patch(
            Rectangle(
                (column * step, row * step), step, step,
                facecolor=YELLOW, edgecolor=INK, lw=1.0, alpha=0.9, zorder=2,
            )
        )  # fmt: skip
        for i, box in enumerate(boxes):
            colour, dashes = PRIOR_STYLES[i % len(PRIOR_STYLES)]
            draw_rectangle(axes, box, colour, 2.2, dashes)
        axes.plot(cx, cy, marker="+", color=INK, markersize=11, markeredgewidth=2.2, zorder=6)
        _prior_badges(axes, boxes, names)
        drawing.text(0.05 / 7.5, 1 - 0.13 / 4.9, title, fontsize=12, fontweight="bold", va="top")
        _prior_key(drawing, priors, names, (cx, cy), step, 4.75)
        return finish(drawing, alt, grey_image=True)


def _prior_badges(axes: Axes, boxes: Sequence[Sequence[float]], names: Sequence[str]) -> None:
    """Number the boxes on the side where they stick out, unless they are too small for it."""
    unit = axes.transData.transform([(0, 0), (1, 0)])
    pixels_per_unit = abs(float(unit[1][0] - unit[0][0]))
    placed: list[tuple[float, float]] = []
    gap = 17 / pixels_per_unit
    for i, ((x1, y1, x2, y2), name) in enumerate(zip(boxes, names, strict=True)):
        middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
        if name.startswith("1:1"):
            spots = [(x1, y1), (x2, y1), (x1, y2), (x2, y2)]
        elif name.startswith("1:"):
            spots = [(middle_x, y1), (middle_x, y2), (x1, y1), (x2, y2)]
        else:
            spots = [(x2, middle_y), (x1, middle_y), (x2, y1), (x1, y2)]
        for x, y in spots:
            if all(math.hypot(x - a, y - b) >= gap for a, b in placed):
                placed.append((x, y))
                _badge(axes, x, y, str(i), PRIOR_STYLES[i % len(PRIOR_STYLES)][0])
                break


def _prior_key(
    drawing: MatplotlibFigure,
    priors: np.ndarray,
    names: Sequence[str],
    centre: tuple[float, float],
    step: float,
    left: float,
) -> None:
    """Right column: line sample, number, ratio and size of each prior."""
    axes = blank_axes(drawing, (left, 0.1, 2.65, 4.45))
    axes.set_xlim(0, 2.65)
    axes.set_ylim(4.45, 0)
    axes.text(0.8, 0.2, "w : h", fontsize=10, color=MUTED, va="center")
    axes.text(2.6, 0.2, "w × h in px", fontsize=10, color=MUTED, va="center", ha="right")
    y = 0.55
    for i, ((_, _, w, h), name) in enumerate(zip(priors, names, strict=True)):
        colour, dashes = PRIOR_STYLES[i % len(PRIOR_STYLES)]
        axes.plot([0.24, 0.68], [y, y], color=colour, linestyle=dashes, lw=2.4)
        _badge(axes, 0.1, y, str(i), colour)
        axes.text(0.8, y, name, fontsize=11, va="center")
        axes.text(2.6, y, f"{px(w)} × {px(h)}", fontsize=11, va="center", ha="right")
        y += 0.42
    y += 0.05
    axes.plot([0, 2.6], [y - 0.25, y - 0.25], color=RULE, lw=1)
    axes.plot(0.1, y, marker="+", color=INK, markersize=11, markeredgewidth=2.2)
    axes.text(0.8, y, "centre", fontsize=11, va="center")
    axes.text(2.6, y, f"({px(centre[0])}, {px(centre[1])})", fontsize=11, va="center", ha="right")
    for line, words in enumerate(("x = (column + ½)", "y = (row + ½)"), start=1):
        axes.text(
            0.45, y + 0.28 * line, f"{words} × step {px(step)}", fontsize=10, va="center",
            color=MUTED,
        )  # fmt: skip


def draw_levels(
    config: PriorConfig,
    image: Any = None,
    *,
    columns: int | None = None,
    clamp: str | None = None,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """Every level of a layout side by side: its grid, and the priors of its middle cell.

    Args:
        config: a prior layout.
        image: drawn behind, stretched to the square network input.
        columns: panels in a row; chosen from the number of levels when omitted.
        clamp: "all", "sizes" or "none" instead of the layout's own rule.
        title: a line above the panels.
        alt: what the picture shows; the facts of the layout when omitted.

    Returns:
        The figure, one panel a level, fine to coarse.

    >>> from detlearn.boxes import SSD300_VOC_PRIORS
    >>> draw_levels(SSD300_VOC_PRIORS)
    Figure: 6 levels of prior boxes, maps of 38, 19, 10, 5, 3, 1 cells a side, 8,732 priors in all.
    """
    config = _with_clamp(config, clamp)
    count = config.num_levels
    columns = columns or (count if count <= 4 else 3 if count <= 6 else 4)
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    maps = ", ".join(str(side) for side in config.map_sizes)
    alt = alt or (
        f"{count} levels of prior boxes, maps of {maps} cells a side, "
        f"{config.num_priors:,} priors in all."
    )
    scene, fade = _scene_for(image, config), 0.0 if image is None else 0.45
    gap, head, top = 0.12, 0.36, 0.36 if title else 0.04
    panel = min(2.45, (7.7 - gap * (columns + 1)) / columns)
    width = columns * panel + (columns + 1) * gap
    with house_style():
        drawing = new_figure(width, rows * (panel + head + gap) + top)
        for level in range(count):
            row, column = divmod(level, columns)
            left = gap + column * (panel + gap)
            bottom = (rows - 1 - row) * (panel + head + gap) + gap
            axes = blank_axes(drawing, (left, bottom, panel, panel))
            show_image(axes, scene, fade=fade)
            _level_panel(axes, scene, config, level)
        if title:
            drawing.text(
                gap / width, 1 - 0.1 / drawing.get_size_inches()[1], title,
                fontsize=12.5, fontweight="bold", va="top",
            )  # fmt: skip
        return finish(drawing, alt, grey_image=True)


def _level_panel(axes: Axes, scene: np.ndarray, config: PriorConfig, level: int) -> None:
    """The grid of a level, the priors of its middle cell, and its numbers above the image."""
    from matplotlib.patches import Rectangle

    size, side, step = float(config.image_size), config.map_sizes[level], config.steps[level]
    centre = side // 2
    _grid(axes, side, step, alpha=0.5 if side <= 24 else 0.28)
    boxes = [_xyxy(prior) for prior in _cell_priors(config, level, centre, centre)]
    reach = max(max(x2 - x1, y2 - y1) for x1, y1, x2, y2 in boxes)
    if reach < SMALL * size:
        _loupe(axes, scene, boxes, (side, step), (centre + 0.5) * step, 0.62 * reach)
    else:
        _cell_boxes(axes, boxes, (centre + 0.5) * step)
    overhang = 0.06 * size
    axes.set_xlim(-overhang, size + overhang)
    axes.set_ylim(size + overhang, -overhang)
    axes.add_patch(Rectangle((0, 0), size, size, fill=False, edgecolor=INK, lw=1.1, zorder=2))
    each = config.priors_per_cell[level]
    axes.text(
        0, -overhang - 0.055 * size, f"level {level} · {side} × {side}",
        fontsize=11, fontweight="bold", va="bottom", clip_on=False,
    )  # fmt: skip
    axes.text(
        0, -overhang + 0.045 * size, f"{each} per cell, {each * side * side:,} in all",
        fontsize=9.5, color=MUTED, va="bottom", clip_on=False,
    )  # fmt: skip


def _cell_boxes(axes: Axes, boxes: Sequence[Sequence[float]], at: float) -> None:
    """The priors of a cell on the diagonal, and a cross on its centre (at, at)."""
    for i, box in enumerate(boxes):
        colour, dashes = PRIOR_STYLES[i % len(PRIOR_STYLES)]
        draw_rectangle(axes, box, colour, 1.7, dashes)
    axes.plot(at, at, marker="+", color=INK, markersize=8, markeredgewidth=1.8, zorder=6)


def _loupe(
    axes: Axes,
    scene: np.ndarray,
    boxes: Sequence[Sequence[float]],
    grid: tuple[int, float],
    at: float,
    half: float,
) -> None:
    """The surroundings of a cell, too small to be read where they are, once more and larger.

    Args:
        axes: the panel of the level.
        scene: the image behind.
        boxes: the cell's priors, xyxy in px.
        grid: cells a side, and the step.
        at: x and y of the cell's centre.
        half: half the side of what is enlarged, px.
    """
    from matplotlib.patches import ConnectionPatch, Rectangle

    low, high = at - half, at + half
    lens = axes.inset_axes((0.58, 0.08, 0.34, 0.34))
    show_image(lens, scene)
    _grid(lens, *grid, alpha=0.5)
    _cell_boxes(lens, boxes, at)
    lens.set(xlim=(low, high), ylim=(high, low), xticks=[], yticks=[])
    lens.spines[:].set(visible=True, color=INK, linewidth=1.1)
    axes.add_patch(
        Rectangle((low, low), 2 * half, 2 * half, fill=False, edgecolor=INK, lw=1.1, zorder=4)
    )
    for corner in ((low, high), (high, low)):
        axes.add_artist(
            ConnectionPatch(
                corner, corner, "data", "data", axesA=axes, axesB=lens, color=INK, lw=0.8,
                zorder=4,
            )
        )  # fmt: skip
