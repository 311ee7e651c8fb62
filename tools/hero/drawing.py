"""The README's picture, drawn: the scene, its maps in perspective, threads to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from detlearn.boxes import PriorBox, cxcywh_to_xyxy, make_priors
from detlearn.show.canvas import (
    BLACK,
    BLUE,
    INK,
    MUTED,
    ORANGE,
    blank_axes,
    class_colour,
    house_style,
    ink_on,
    new_figure,
    png_bytes,
)
from tools.hero.content import HeroContent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_hero"]

WIDTH, HEIGHT = 16.0, 8.0
PAPER = "#FBFAF7"


@dataclass(frozen=True, slots=True)
class Plane:
    """A map seen from above and ahead: unit square (u right, v down) to inches."""

    left: float
    bottom: float
    width: float = 3.5
    shift: float = 1.55
    height: float = 1.06

    def at(self, u: float, v: float) -> tuple[float, float]:
        """Inches of a point of the map."""
        back = 1 - v
        return (self.left + self.width * u + self.shift * back, self.bottom + self.height * back)


def draw_hero(content: HeroContent) -> bytes:
    """The picture, 1600 x 800 px.

    Args:
        content: from `model_answers` or `ground_truth`.

    Returns:
        Bytes of a PNG of at most 400 kB.
    """
    with house_style():
        drawing = new_figure(WIDTH, HEIGHT)
        drawing.set_facecolor(PAPER)
        axes = blank_axes(drawing, (0, 0, WIDTH, HEIGHT))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, HEIGHT)
        _heading(axes)
        side = 4.55
        left, right, bottom = 0.5, WIDTH - 0.5 - side, 1.0
        planes = [Plane(5.42, 1.0 + 1.31 * k) for k in range(content.config.num_levels)]
        _scene(axes, content, left, bottom, side)
        _rays(axes, left + side, bottom, side, planes)
        for level in reversed(range(len(planes))):
            _plane(axes, content, planes[level], level)
        _scene(axes, content, right, bottom, side)
        _threads(axes, content, planes, right, bottom, side)
        _answers(axes, content, right, bottom, side)
        answer = "the answer" if content.scores is not None else "the truth"
        detail = (
            f"{len(content.boxes)} boxes after suppression"
            if content.scores is not None
            else f"{len(content.boxes)} boxes to be found"
        )
        priors = f"{content.config.num_priors:,} priors on {len(planes)} maps"
        for x, word, more in (
            (left, "a picture", "one pass, one look"),
            (5.42, "a pyramid", priors),
            (right, answer, detail),
        ):
            heading = axes.text(x, 0.62, word, fontsize=17, fontweight="bold", va="baseline")
            canvas: Any = drawing.canvas
            end = heading.get_window_extent(canvas.get_renderer()).x1 / drawing.dpi
            axes.text(end + 0.16, 0.62, more, fontsize=12.5, color=MUTED, va="baseline")
        axes.text(0.5, 0.25, content.caption, fontsize=10, color=MUTED, va="center")
        return png_bytes(drawing, card=False)


def _heading(axes: Axes) -> None:
    from matplotlib.patches import FancyBboxPatch

    axes.text(0.46, 7.22, "detlearn", fontsize=45, fontweight="bold", va="center")
    axes.text(
        0.52, 6.5, "Single-shot object detection, built block by block",
        fontsize=16.5, va="center", color=INK,
    )  # fmt: skip
    x = WIDTH - 0.5
    for name, colour in (
        ("HRNet", BLACK), ("M2Det", "#7A3E63"), ("RefineDet", "#A34700"), ("SSD", BLUE),
    ):  # fmt: skip
        width = 0.56 + 0.125 * len(name)
        x -= width
        axes.add_patch(
            FancyBboxPatch(
                (x, 6.98), width, 0.5, boxstyle="round,pad=0,rounding_size=0.25",
                facecolor=colour, edgecolor="none", zorder=3,
            )
        )  # fmt: skip
        axes.text(
            x + width / 2, 7.22, name, fontsize=14, fontweight="bold", color="white",
            ha="center", va="center", zorder=4,
        )  # fmt: skip
        x -= 0.18


def _scene(axes: Axes, content: HeroContent, left: float, bottom: float, side: float) -> None:
    from matplotlib.patches import Rectangle

    axes.imshow(
        content.image, extent=(left, left + side, bottom, bottom + side), aspect="auto",
        interpolation="bicubic", zorder=3,
    )  # fmt: skip
    axes.add_patch(
        Rectangle((left, bottom), side, side, fill=False, edgecolor=INK, lw=1.4, zorder=4)
    )
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, HEIGHT)


def _rays(axes: Axes, x: float, bottom: float, side: float, planes: Sequence[Plane]) -> None:
    """From the picture's edge to each map: pale, behind everything."""
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    for plane in planes:
        top, low = plane.at(0, 0), plane.at(0, 1)
        reach = (x + low[0]) / 2
        outline = Outline(
            [
                (x, bottom + side), (reach, bottom + side), (reach, top[1]), top,
                low, (reach, low[1]), (reach, bottom), (x, bottom), (x, bottom + side),
            ],
            [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4, Outline.LINETO,
             Outline.CURVE4, Outline.CURVE4, Outline.CURVE4, Outline.CLOSEPOLY],
        )  # fmt: skip
        axes.add_patch(PathPatch(outline, facecolor=BLUE, alpha=0.055, edgecolor="none", zorder=1))


def _plane(axes: Axes, content: HeroContent, plane: Plane, level: int) -> None:
    """One map: the pale scene, its grid, its bright cells, the priors that won on it."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Polygon
    from matplotlib.transforms import Affine2D

    config = content.config
    side = config.map_sizes[level]
    corners = [plane.at(u, v) for u, v in ((0, 0), (1, 0), (1, 1), (0, 1))]
    shadow = [(x + 0.05, y - 0.07) for x, y in corners]
    axes.add_patch(Polygon(shadow, facecolor="#000000", alpha=0.10, lw=0, zorder=4))
    # u, v to inches: (u, v) -> origin + u * right + v * down
    origin, right, down = plane.at(0, 0), plane.at(1, 0), plane.at(0, 1)
    to_inches = Affine2D(
        np.array(
            [
                [right[0] - origin[0], down[0] - origin[0], origin[0]],
                [right[1] - origin[1], down[1] - origin[1], origin[1]],
                [0, 0, 1],
            ]
        )
    )
    grey = content.image @ np.array([0.299, 0.587, 0.114])
    pale = np.repeat((grey * 0.28 + 255 * 0.70)[..., None], 3, -1).clip(0, 255).astype(np.uint8)
    picture = axes.imshow(pale, extent=(0, 1, 1, 0), interpolation="bilinear", zorder=5)
    picture.set_transform(to_inches + axes.transData)
    for row in range(side):
        for column in range(side):
            value = float(content.cell_values[level][row, column])
            if value > 0.15:
                cell = [
                    plane.at((column + du) / side, (row + dv) / side)
                    for du, dv in ((0, 0), (1, 0), (1, 1), (0, 1))
                ]
                axes.add_patch(
                    Polygon(cell, facecolor=ORANGE, alpha=min(0.95, value), lw=0, zorder=6)
                )
    lines = []
    for i in range(side + 1):
        lines += [[plane.at(i / side, 0), plane.at(i / side, 1)]]
        lines += [[plane.at(0, i / side), plane.at(1, i / side)]]
    axes.add_collection(
        LineCollection(
            lines, colors=INK, linewidths=0.7 if side <= 16 else 0.45,
            alpha=0.5 if side <= 16 else 0.32, zorder=7,
        )
    )  # fmt: skip
    axes.add_patch(Polygon(corners, fill=False, edgecolor=INK, lw=1.3, zorder=8))
    x, y = plane.at(0, 0)
    axes.text(
        x - 0.34, y - 0.1, f"{side} × {side}", fontsize=12, fontweight="bold", ha="right",
        va="center", zorder=9,
    )  # fmt: skip
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(0, HEIGHT)


def _winning_prior(content: HeroContent, index: int) -> tuple[int, np.ndarray]:
    """Level and xyxy fractions of the prior behind box `index`."""
    place = PriorBox(content.config).locate(content.priors[index])
    prior = make_priors(content.config)[content.priors[index]]
    return place.level, cxcywh_to_xyxy(prior).numpy()


def _threads(
    axes: Axes, content: HeroContent, planes: Sequence[Plane], left: float, bottom: float,
    side: float,
) -> None:  # fmt: skip
    """Each winning prior on its map, and a thread to the box that it became."""
    from matplotlib.patches import PathPatch, Polygon
    from matplotlib.path import Path as Outline
    from matplotlib.patheffects import Normal, Stroke

    height, width = content.image.shape[:2]
    for i, (x1, y1, _, y2) in enumerate(content.boxes):
        colour = class_colour(content.labels[i])
        level, (u1, v1, u2, v2) = _winning_prior(content, i)
        plane = planes[level]
        corners = [plane.at(u, v) for u, v in ((u1, v1), (u2, v1), (u2, v2), (u1, v2))]
        halo = [Stroke(linewidth=4.4, foreground="white"), Normal()]
        axes.add_patch(
            Polygon(corners, fill=False, edgecolor=colour, lw=2.4, zorder=10, path_effects=halo)
        )
        start = plane.at(u2, (v1 + v2) / 2)
        end = (left + side * x1 / width, bottom + side * (1 - (y1 + y2) / 2 / height))
        bend = max(0.9, (left - start[0]) * 0.7)
        path = Outline(
            [start, (start[0] + bend, start[1]), (left - 0.7, end[1]), end],
            [Outline.MOVETO, Outline.CURVE4, Outline.CURVE4, Outline.CURVE4],
        )
        axes.add_patch(
            PathPatch(
                path, fill=False, edgecolor=colour, lw=2.2, zorder=11, capstyle="round",
                path_effects=[Stroke(linewidth=4.2, foreground="white"), Normal()],
            )
        )  # fmt: skip
        axes.plot(
            *start, marker="o", color=colour, markersize=7, markeredgecolor="white", zorder=12
        )
        axes.plot(*end, marker="o", color=colour, markersize=7, markeredgecolor="white", zorder=13)


def _answers(axes: Axes, content: HeroContent, left: float, bottom: float, side: float) -> None:
    """The boxes with their names on the right-hand scene."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import Normal, Stroke

    height, width = content.image.shape[:2]
    for i, (x1, y1, x2, y2) in enumerate(content.boxes):
        colour = class_colour(content.labels[i])
        x, y = left + side * x1 / width, bottom + side * (1 - y2 / height)
        w, h = side * (x2 - x1) / width, side * (y2 - y1) / height
        axes.add_patch(
            Rectangle(
                (x, y), w, h, fill=False, edgecolor=colour, lw=3, zorder=12, joinstyle="miter",
                path_effects=[Stroke(linewidth=5.4, foreground="white"), Normal()],
            )
        )  # fmt: skip
        name = content.class_names[content.labels[i]]
        words = name if content.scores is None else f"{name} {content.scores[i]:.2f}"
        above = y + h + 0.24 < bottom + side
        axes.text(
            min(x, left + side - 0.105 * len(words)), y + h + 0.12 if above else y - 0.12, words,
            fontsize=12, fontweight="bold", color=ink_on(colour), va="center", zorder=14,
            bbox={"facecolor": colour, "edgecolor": "white", "boxstyle": "square,pad=0.2"},
        )  # fmt: skip
