"""The one picture: every detector of the course is this sentence with some words changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
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

__all__ = ["draw_system"]


def draw_system(*, title: str | None = None, alt: str | None = None) -> Figure:
    """The picture of the whole course: every detector in it is this one sentence.

    Image, backbone, pyramid and heads give logits and deltas; with the priors these are matched,
    mined and summed to a loss (training), or decoded, filtered and scored (detection).

    Args:
        title: a line above the diagram.
        alt: what the picture shows; the sentence itself when omitted.

    Returns:
        The figure.

    >>> draw_system().alt[:38]
    'How a single-shot detector works: imag'
    """
    alt = alt or (
        "How a single-shot detector works: image to backbone to pyramid to heads, which give "
        "logits and deltas. With the priors, training goes on to match, mine and loss; detection "
        "goes on to decode, non-maximum suppression and score. Six stations have a number: 1 "
        "image, 2 backbone, 3 pyramid, 4 heads, 5 decode, 6 non-maximum suppression."
    )
    top = 0.3 if title else 0.0
    width, height = 7.9, 3.02
    with house_style():
        drawing = new_figure(width, height + top)
        axes = blank_axes(drawing, (0, 0, width, height))
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        _system_image(axes, 0.12, 1.22)
        _arrow(axes, (1.22, 1.72), (1.42, 1.72))
        _system_backbone(axes, 1.5, 1.72)
        _arrow(axes, (2.42, 1.72), (2.62, 1.72))
        _system_pyramid(axes, 2.72)
        _system_outputs(axes)
        _system_lane(axes, 1.83, "training", BLUE, ("match", "mine", "loss"), "with ground truth")
        _system_lane(
            axes, 0.51, "detection", VERMILION, ("decode", "nms", "score"),
            "boxes, labels, scores → mAP",
        )  # fmt: skip
        for x, word, detail in (
            (0.64, "image", "(B, 3, S, S)"),
            (1.92, "backbone", "what is where"),
            (3.12, "pyramid", "L maps"),
            (4.02, "heads", "one per level"),
            (4.92, "predictions", "P rows"),
            (6.72, "what follows", "with the P priors"),
        ):
            axes.text(x, 0.31, word, ha="center", va="center", fontsize=11, fontweight="bold")
            axes.text(x, 0.12, detail, ha="center", va="center", fontsize=9, color=MUTED)
        for number, place in enumerate(STATIONS, start=1):
            _station(axes, number, place)
        if title:
            drawing.text(
                0.12 / width, 1 - 0.1 / (height + top), title,
                fontsize=12.5, fontweight="bold", va="top",
            )  # fmt: skip
        return finish(drawing, alt)


STATIONS = ((0.22, 0.31), (1.36, 0.31), (2.65, 0.31), (3.62, 0.31), (5.77, 1.17), (6.46, 1.17))
"""Middles of the numbers 1 to 6 (inches): an image on its way to boxes."""


def _station(axes: Axes, number: int, place: tuple[float, float]) -> None:
    axes.text(
        *place, str(number), ha="center", va="center", fontsize=8, fontweight="bold",
        color="white", zorder=6, bbox={"boxstyle": "circle,pad=0.22", "facecolor": INK, "lw": 0},
    )  # fmt: skip


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0
) -> None:
    axes.annotate(
        "", xy=end, xytext=start, zorder=4,
        arrowprops={
            "arrowstyle": "-|>,head_length=0.42,head_width=0.2", "color": INK, "lw": 1.4,
            "shrinkA": 0, "shrinkB": 0, "connectionstyle": f"arc3,rad={bend}",
        },
    )  # fmt: skip


def _card(
    axes: Axes, x: float, y: float, w: float, h: float, face: str, edge: str, lw: float = 1.2,
    radius: float = 0.07,
) -> None:  # fmt: skip
    from matplotlib.patches import FancyBboxPatch

    axes.add_patch(
        FancyBboxPatch(
            (x, y), w, h, boxstyle=f"round,pad=0,rounding_size={radius}", facecolor=face,
            edgecolor=edge, linewidth=lw, zorder=2,
        )
    )  # fmt: skip


def _system_image(axes: Axes, x: float, y: float) -> None:
    """A picture-book scene of 1 x 1 inch."""
    from matplotlib.patches import Circle, Polygon, Rectangle

    _card(axes, x, y, 1.04, 1.0, "#EAF3FA", INK)
    patches: list[Any] = [
        Rectangle((x + 0.02, y + 0.03), 1.0, 0.27, facecolor="#DCE8D8"),
        Rectangle((x + 0.13, y + 0.2), 0.36, 0.3, facecolor=ORANGE),
        Polygon(
            [(x + 0.09, y + 0.5), (x + 0.53, y + 0.5), (x + 0.31, y + 0.74)], facecolor=VERMILION
        ),
        Rectangle((x + 0.26, y + 0.2), 0.1, 0.17, facecolor="white"),
        Rectangle((x + 0.74, y + 0.15), 0.06, 0.22, facecolor="#8A5A2B"),
        Circle((x + 0.77, y + 0.46), 0.17, facecolor=GREEN),
        Circle((x + 0.83, y + 0.84), 0.08, facecolor=YELLOW),
    ]
    for patch in patches:
        patch.set_zorder(3)
        axes.add_patch(patch)


def _system_backbone(axes: Axes, x: float, y: float) -> None:
    """Slabs that get smaller in space and deeper in channels."""
    for height, depth in ((1.1, 0.1), (0.86, 0.14), (0.62, 0.2), (0.4, 0.26)):
        _card(axes, x, y - height / 2, depth, height, "#CFE3F2", BLUE, radius=0.03)
        x += depth + 0.05


SYSTEM_LEVELS = ((2.48, 0.7, 8), (1.69, 0.52, 4), (1.1, 0.36, 2), (0.68, 0.2, 1))
"""Middle, side (inches) and cells a side of the four maps in the diagram."""


def _system_pyramid(axes: Axes, x: float) -> None:
    """Four maps, fine to coarse, each with the head that reads it."""
    for y, side, cells in SYSTEM_LEVELS:
        left, low = x + 0.4 - side / 2, y - side / 2
        _card(axes, left, low, side, side, "#FFFFFF", GREEN, lw=1.5, radius=0.0)
        for i in range(1, cells):
            t = i * side / cells
            axes.plot([left + t] * 2, [low, low + side], color=GREEN, lw=0.7, alpha=0.7, zorder=3)
            axes.plot([left, left + side], [low + t] * 2, color=GREEN, lw=0.7, alpha=0.7, zorder=3)
        _arrow(axes, (left + side + 0.05, y), (3.78, y))
        _card(axes, 3.8, y - 0.12, 0.44, 0.24, "#F7E6EF", PURPLE)
        axes.text(4.02, y, "3×3", ha="center", va="center", fontsize=8.5, zorder=5)
    for (y, side, _), (next_y, next_side, _) in zip(SYSTEM_LEVELS, SYSTEM_LEVELS[1:], strict=False):
        _arrow(axes, (x + 0.4, y - side / 2 - 0.02), (x + 0.4, next_y + next_side / 2 + 0.03))


def _system_outputs(axes: Axes) -> None:
    """The bus of the heads into (logits, deltas), the priors, and where both go."""
    for y, _, _ in SYSTEM_LEVELS:
        axes.plot([4.24, 4.36], [y, y], color=INK, lw=1.4)
    axes.plot([4.36, 4.36], [SYSTEM_LEVELS[-1][0], SYSTEM_LEVELS[0][0]], color=INK, lw=1.4)
    _arrow(axes, (4.36, 2.0), (4.49, 2.0))
    for low, high, face, edge, lines in (
        (1.5, 2.5, "#FFFFFF", INK, ("logits", "(B, P, K)", "deltas", "(B, P, 4)")),
        (0.66, 1.18, "#FFF6DC", ORANGE, ("priors", "(P, 4)")),
    ):
        _card(axes, 4.5, low, 0.84, high - low, face, edge)
        for i, line in enumerate(lines):
            y = high - 0.155 - 0.21 * i - 0.05 * (i // 2)
            weight, size, colour = ("bold", 10.5, INK) if i % 2 == 0 else ("normal", 9, MUTED)
            axes.text(
                4.92, y, line, ha="center", va="center", fontsize=size, fontweight=weight,
                color=colour, zorder=5,
            )  # fmt: skip
    for y in (2.0, 0.92):
        axes.plot([5.34, 5.45], [y, y], color=INK, lw=1.4)
    axes.plot([5.45, 5.45], [1.1, 2.3], color=INK, lw=1.4)
    axes.plot([5.45, 5.45], [0.92, 1.1], color=INK, lw=1.4)
    _arrow(axes, (5.45, 2.3), (5.62, 2.3))
    _arrow(axes, (5.45, 1.1), (5.62, 1.1))


def _system_lane(
    axes: Axes, y: float, name: str, colour: str, steps: Sequence[str], detail: str
) -> None:
    """One of the two ways on: a tinted card with three steps in a row."""
    tints = {BLUE: "#EAF3FA", VERMILION: "#FCEEE5"}
    _card(axes, 5.64, y, 2.16, 1.04, tints[colour], colour, lw=1.6, radius=0.09)
    axes.text(5.75, y + 0.86, name, fontsize=11, fontweight="bold", color=colour, va="center")
    axes.text(5.75, y + 0.14, detail, fontsize=9, color=MUTED, va="center")
    for i, step in enumerate(steps):
        left = 5.75 + i * 0.69
        _card(axes, left, y + 0.33, 0.56, 0.34, "#FFFFFF", colour)
        axes.text(left + 0.28, y + 0.5, step, ha="center", va="center", fontsize=9.5, zorder=5)
        if i:
            _arrow(axes, (left - 0.13, y + 0.5), (left, y + 0.5))
