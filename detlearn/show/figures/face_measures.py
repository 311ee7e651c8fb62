"""Pictures of what a face detector was measured to do: declines, ranges of its slots, jitter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
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
    blank_axes,
    boxes_array,
    draw_rectangle,
    finish,
    halo,
    house_style,
    image_array,
    inch_axes,
    new_figure,
    show_image,
)
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_decline", "draw_jitter", "draw_slot_ranges"]

MARKS = ("o", "s", "^", "D", "v", "P")
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 2, 1, 2)))


def draw_decline(
    steps: Sequence[float],
    scores: Mapping[str, Sequence[float] | Tensor],
    pictures: Mapping[str, Tensor],
    model: Any,
    *,
    xlabel: str,
    ylabel: str = "score",
    threshold: float | None = 0.5,
    logarithmic: bool = False,
    second: tuple[str, Mapping[str, Sequence[float] | Tensor]] | None = None,
    alt: str | None = None,
) -> Figure:
    """How a score declines when a picture gets harder: pictures above, curves below.

    Args:
        steps: (N,) how hard.
        scores: name -> (N,) scores, up to four curves.
        pictures: words -> (3, H, W) uint8 or float in [0, 1], up to six.
        model: a `Detector`; what it finds in the pictures is drawn into them.
        xlabel: what the steps are.
        ylabel: what declines, between 0 and 1.
        threshold: drawn as a dashed line; None for none.
        logarithmic: steps by factors, not by sums.
        second: (label, curves like `scores`) for a second diagram beside the first.
        alt: what the picture shows; None, made of the facts.

    Returns:
        The figure.

    Raises:
        ValueError: no curve or more than four, curves of another length, or no picture.

    >>> import torch
    >>> from detlearn import create_model
    >>> black, model = {"0": torch.zeros(3, 8, 8)}, create_model("blazeface")
    >>> draw_decline([0, 1], {"a": [1, 0]}, black, model, xlabel="step", alt="A line that falls.")
    Figure: A line that falls.
    """
    for curves in (scores, *([second[1]] if second else [])):
        if not 1 <= len(curves) <= len(DASHES):
            raise ValueError(f"scores: expected 1 to {len(DASHES)} curves, got {len(curves)}")
        for name, values in curves.items():
            if len(values) != len(steps):
                raise ValueError(
                    f"scores[{name!r}]: expected {len(steps)} numbers, got {len(values)}"
                )
    if not 1 <= len(pictures) <= 6:
        raise ValueError(f"pictures: expected 1 to 6, got {len(pictures)}")
    found = model.detect(list(pictures.values()))
    if alt is None:
        level = 0.5 if threshold is None else threshold
        alt = f"{ylabel.capitalize()} against {xlabel}: " + "; ".join(
            f"{name} at least {level:g} at {_listed(steps, values, level)}"
            for name, values in scores.items()
        )
        if second is not None:
            alt += f". Beside it: {second[0]}"
        alt += "."
    gap, columns = 0.1, len(pictures)
    side = min(1.35, (PAGE_WIDTH - gap * (columns + 1)) / columns)
    tall, plot = side + 0.34 + 2.75, 2.0
    with house_style():
        drawing = new_figure(PAGE_WIDTH, tall)
        start = (PAGE_WIDTH - columns * (side + gap) + gap) / 2
        for k, (words, image) in enumerate(pictures.items()):
            axes = blank_axes(drawing, (start + k * (side + gap), tall - side - 0.3, side, side))
            show_image(axes, image_array(image))
            for box in boxes_array(found[k]["boxes"], "boxes"):
                draw_rectangle(axes, box, VERMILION, 1.8)
            axes.set_title(words, fontsize=10, pad=4, loc="center", fontweight="normal")
        width = (PAGE_WIDTH - 0.9) if second is None else (PAGE_WIDTH - 1.7) / 2
        axes = inch_axes(drawing, (0.65, 0.55, width, plot))
        if threshold is not None:
            dashes = (0, (2, 2))
            axes.axhline(threshold, color=INK, linestyle=dashes, linewidth=1.2, label="threshold")
        _curves(axes, steps, scores, ylabel, xlabel, logarithmic)
        axes.set_ylim(0, 1)
        if second is not None:
            label, curves = second
            axes = inch_axes(drawing, (0.65 + width + 0.85, 0.55, width, plot))
            _curves(axes, steps, curves, label, xlabel, logarithmic)
        return finish(drawing, alt)


def _listed(steps: Sequence[float], values: Any, threshold: float) -> str:
    """The steps at which a curve reaches the threshold, in words."""
    reached = np.asarray(values, dtype=float) >= threshold
    words = ", ".join(f"{step:g}" for step, yes in zip(steps, reached, strict=True) if yes)
    return words or "none"


def _curves(
    axes: Axes, steps: Sequence[float], curves: Mapping[str, Any], ylabel: str, xlabel: str,
    logarithmic: bool,
) -> None:  # fmt: skip
    for (name, values), colour, dashes, mark in zip(
        curves.items(), COLOURS, DASHES, MARKS, strict=False
    ):
        axes.plot(
            steps, np.asarray(values, dtype=float), color=colour, linestyle=dashes, marker=mark,
            markersize=4, linewidth=1.8, label=name,
        )  # fmt: skip
    if logarithmic:
        from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

        axes.set_xscale("log", base=2)
        low, high = min(steps), max(steps)
        ticks = [t for t in (4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192) if low <= t <= high]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.grid(color=RULE, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel, fontsize=10.5)
    axes.set_ylabel(ylabel, fontsize=10.5)
    axes.tick_params(labelsize=9.5)
    if len(axes.lines) > 1:
        axes.legend(frameon=False, fontsize=9.5, handlelength=2.8, loc="best")


def draw_slot_ranges(
    sizes: Tensor,
    scores: Tensor,
    names: Sequence[str],
    *,
    marks: Tensor | None = None,
    threshold: float = 0.5,
    alt: str | None = None,
) -> Figure:
    """To which sizes of a face does each slot answer? A line a slot, drawn where it does.

    Args:
        sizes: (N,) sides of the face, px, ascending.
        scores: (N, S) best score of each slot at each size.
        names: S names.
        marks: (S,) a size for each slot, drawn as a diamond.
        threshold: a slot answers from here on.
        alt: what the picture shows; None, made of the facts.

    Returns:
        The figure; the thickness of a line is its score, a black mark is the geometric middle.

    Raises:
        ValueError: shapes that do not go together.

    >>> import torch
    >>> sizes, scores = torch.tensor([8.0, 16, 32]), torch.tensor([[0.1], [0.9], [0.2]])
    >>> draw_slot_ranges(sizes, scores, ["only one"], alt="One slot answers at 16 px.")
    Figure: One slot answers at 16 px.
    """
    N, S = scores.shape if scores.ndim == 2 else (0, 0)
    if sizes.shape != (N,) or len(names) != S or N == 0:
        raise ValueError(
            f"scores: expected (N, S) for {tuple(sizes.shape)} sizes and {len(names)} names, "
            f"got {tuple(scores.shape)}"
        )
    x, values = np.asarray(sizes, dtype=float), np.asarray(scores, dtype=float)
    if alt is None:
        alt = (
            "Sizes of a face that each slot answers to, px: "
            + "; ".join(
                f"{name} from {own.min():.0f} to {own.max():.0f}" if len(own) else f"{name} none"
                for name, own in zip(
                    names, (x[column >= threshold] for column in values.T), strict=True
                )
            )
            + (". Diamonds: the sizes of a rule." if marks is not None else ".")
        )
    with house_style():
        drawing = new_figure(PAGE_WIDTH, 0.36 * S + 0.95)
        axes = inch_axes(drawing, (1.05, 0.75, PAGE_WIDTH - 1.25, 0.36 * S + 0.1))
        _curves(axes, x.tolist(), {}, "", "side of the face, px of the 128 px input", True)
        for slot in range(S):
            row, answers = S - 1 - slot, values[:, slot] >= threshold
            for k in range(N - 1):
                if answers[k] and answers[k + 1]:
                    strength = (values[k, slot] + values[k + 1, slot]) / 2 - threshold
                    axes.plot(
                        x[k : k + 2], [row, row], color=BLUE, solid_capstyle="butt",
                        linewidth=2 + 16 * strength,
                    )  # fmt: skip
            if answers.any():
                middle = float(np.sqrt(x[answers].min() * x[answers].max()))
                axes.plot(middle, row, "|", color=INK, markersize=17, markeredgewidth=2.4)
            if marks is not None:
                axes.plot(
                    float(marks[slot]), row, "D", color=ORANGE, markeredgecolor=INK,
                    markersize=7, path_effects=halo(1), zorder=4,
                )  # fmt: skip
        axes.set_xlim(x.min(), x.max())
        axes.set_ylim(-0.6, S - 0.4)
        axes.set_yticks(range(S), list(names)[::-1])
        words = f"band: score at least {threshold:g}, thicker is surer; | geometric middle"
        drawing.text(0.99, 0.02, words + ("; ◆ rule" if marks is not None else ""),
                     ha="right", va="bottom", fontsize=9.5, color=MUTED)  # fmt: skip
        return finish(drawing, alt)


def draw_jitter(
    shifts: Sequence[float] | Tensor,
    sides: Mapping[str, Tensor],
    *,
    ylabel: str,
    alt: str | None = None,
) -> Figure:
    """What should stay the same while a picture moves, and does not quite.

    Args:
        shifts: (N,) by which the picture was moved, px.
        sides: name -> (N,) what was measured, up to four curves.
        ylabel: what that is.
        alt: what the picture shows; None, made of the facts.

    Returns:
        The figure.

    Raises:
        ValueError: no curve or more than four, or curves of another length.

    >>> import torch
    >>> draw_jitter([0, 1], {"a": torch.tensor([5.0, 6.0])}, ylabel="px", alt="A line that rises.")
    Figure: A line that rises.
    """
    if not 1 <= len(sides) <= len(DASHES):
        raise ValueError(f"sides: expected 1 to {len(DASHES)} curves, got {len(sides)}")
    for name, values in sides.items():
        if len(values) != len(shifts):
            raise ValueError(f"sides[{name!r}]: expected {len(shifts)} numbers, got {len(values)}")
    if alt is None:
        alt = f"Curves of {ylabel} while the picture moves: {', '.join(sides)}."
    with house_style():
        drawing = new_figure(PAGE_WIDTH, 2.5)
        axes = inch_axes(drawing, (0.75, 0.55, PAGE_WIDTH - 0.95, 1.85))
        steps = np.asarray(shifts, dtype=float).tolist()
        _curves(axes, steps, sides, ylabel, "shift of the picture, px of the 128 px input", False)
        return finish(drawing, alt)
