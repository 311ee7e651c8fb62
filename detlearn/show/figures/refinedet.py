"""Pictures of RefineDet: the network on one page, and boxes on their two steps to an object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import box_iou
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
    house_style,
    image_array,
    new_figure,
    paper,
    show_image,
)
from detlearn.show.diagram import arrow, block, line_key, write
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_iou_shift", "draw_refinedet", "draw_steps"]

STEP_COLOURS = (ORANGE, SKY, GREEN, PURPLE)


# --------------------------------------------------------------------------- the network


def draw_refinedet(
    maps: Sequence[tuple[int, int]],
    names: Sequence[str] = (),
    *,
    tcb_channels: int = 256,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """RefineDet on one page: the maps, the ARM below them, the TCBs, the ODM at the bottom.

    Args:
        maps: channels and side of each map, fine to coarse; two to five of them.
        names: what each map is called; `level 0` ... when omitted.
        tcb_channels: channels of the maps between TCB and ODM.
        title: a line above the picture.
        alt: what the picture shows; the sides when omitted.

    Returns:
        The figure: time runs downwards, fine maps stand on the left.

    Raises:
        ValueError: another number of maps, or names of another number.

    >>> draw_refinedet([(512, 40), (512, 20)]).alt
    'RefineDet: maps of 40, 20 cells a side go to the ARM and, coarse to fine, through the TCBs to \
the ODM, which starts from the anchors of the ARM.'
    """
    if not 2 <= len(maps) <= 5:
        raise ValueError(f"maps: expected 2 to 5 of them, got {len(maps)}")
    if names and len(names) != len(maps):
        raise ValueError(f"names: expected one for each of {len(maps)} maps, got {len(names)}")
    words = list(names) or [f"level {k}" for k in range(len(maps))]
    sides = ", ".join(str(side) for _, side in maps)
    alt = alt or (
        f"RefineDet: maps of {sides} cells a side go to the ARM and, coarse to fine, through the "
        "TCBs to the ODM, which starts from the anchors of the ARM."
    )
    top = 0.34 if title else 0.04
    height = 4.5 + top
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        for low, high, colour in ((2.1, 3.02, SKY), (0.04, 0.96, GREEN)):
            block(axes, LEFT, low, RIGHT - LEFT, high - low, colour, alpha=0.16, above=2, line=1.4)
        column = (RIGHT - LEFT) / len(maps)
        for k, (channels, side) in enumerate(maps):
            x, box = LEFT + column * (k + 0.5), 0.98 * (side / maps[0][1]) ** 0.5
            _level(axes, x, box, words[k], f"{channels}\n{side} × {side}")
            _heads(axes, x, box, k)
            if k:
                start, end = (x - 0.52, ROWS["tcb"]), (x - column + 0.52, ROWS["tcb"])
                arrow(axes, start, end, VERMILION, 2.2, above=1)
        _notes(axes, tcb_channels)
        return finish(drawing, alt, title=title)


# Of the network: its left and right edge, and the middle of its four rows, in inches.
LEFT, RIGHT = 0.1, PAGE_WIDTH - 1.72
ROWS = {"maps": 3.72, "arm": 2.66, "tcb": 1.62, "odm": 0.5}


def _level(axes: Axes, x: float, box: float, name: str, inside: str) -> None:
    """A map to scale, with its name above and its shape inside or, if it is small, beside it."""
    y = ROWS["maps"]
    block(axes, x - box / 2, y - box / 2, box, box, BLUE, BLUE, 1.4, alpha=0.2, above=2)
    if box > 0.62:
        write(axes, x, y, inside, 9.5)
    else:
        write(axes, x + box / 2 + 0.06, y, inside, 9.5, ha="left")
    write(axes, x, y + 0.62, name, bold=True)


def _heads(axes: Axes, x: float, box: float, k: int) -> None:
    """The TCB and the two heads below a map, and the arrows that come from it."""
    tcb, base = ROWS["tcb"], ROWS["maps"] - box / 2
    block(axes, x - 0.52, tcb - 0.24, 1.04, 0.48, ORANGE, ORANGE, 1.4, alpha=0.3, above=2)
    write(axes, x, tcb, f"TCB {k}")
    aside = box / 2 - 0.04  # both arrows leave the map, however small
    down = x + min(0.34, aside)
    arrow(axes, (down, base), (down, tcb + 0.24), above=1)
    for at, name, start, middle in (
        (ROWS["arm"] - 0.1, "ARM head", (x - min(0.27, aside), base), x - 0.32),
        (ROWS["odm"], "ODM head", (x, tcb - 0.24), x),
    ):
        block(axes, middle - 0.36, at - 0.17, 0.72, 0.34, "#FFFFFF", MUTED, 1.4, above=2)
        write(axes, middle, at, name, 9.5)
        arrow(axes, start, (start[0], at + 0.17), above=1)


def _notes(axes: Axes, tcb_channels: int) -> None:
    """What each row is for, and the way of the anchors from the ARM to the ODM."""
    note = RIGHT + 0.12
    for y, head, lines in (
        (ROWS["maps"] + 0.1, "maps", "fine → coarse"),
        (ROWS["arm"] + 0.14, "ARM", "2 labels, 4 deltas:\nwhere is anything?"),
        (ROWS["tcb"] + 0.08, "TCB", f"{tcb_channels} channels,\n← coarse helps fine"),
        (ROWS["odm"] + 0.08, "ODM", "K labels, 4 deltas:\nwhat exactly, where?"),
    ):
        write(axes, note, y + 0.12, head, 11, bold=True, ha="left")
        write(axes, note, y - 0.02, lines, 9.5, ha="left", va="top", linespacing=1.25)
    at = PAGE_WIDTH - 0.12  # round the outside
    out, back = 2.2, 0.12  # from the ARM's band to the ODM's
    axes.plot([RIGHT, at, at], [out, out, back], color=BLUE, lw=2.0)
    arrow(axes, (at, back), (RIGHT, back), BLUE, 2.0, above=1)
    write(axes, note, out + 0.12, "anchors", 9.5, bold=True, ha="left", color=BLUE)
    write(axes, note, out - 0.12, "(moved priors)", 9.5, ha="left", color=BLUE)


# --------------------------------------------------------------------------- two steps


def draw_steps(
    image: Any,
    target: Any,
    steps: Mapping[str, Any],
    *,
    earlier: bool = True,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """A box on its way to an object, one panel a step, the IoU below each.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image; drawn pale.
        target: (4,) xyxy, px of `image`: the object, dashed.
        steps: words above a panel -> (4,) xyxy, px; one to four of them.
        earlier: whether a panel repeats the boxes of the panels before it; not if they are
            alternatives.
        title: a line above the panels.
        alt: what the picture shows; the IoUs when omitted.

    Returns:
        The figure; the object lies on top, so that a box which is equal to it hides nothing.

    Raises:
        ValueError: no step, more than four, or a box of another shape.

    >>> draw_steps(torch.ones(3, 9, 9), [3, 2, 7, 6], {"prior": [1, 2, 5, 6]}).alt
    'A box on its way to an object, with its IoU: prior 0.33.'
    """
    if not 1 <= len(steps) <= len(STEP_COLOURS):
        raise ValueError(f"steps: expected 1 to {len(STEP_COLOURS)}, got {len(steps)}")
    pixels = image_array(image)
    (goal,) = boxes_array(_one_box(target, "target"), "target")
    boxes = [boxes_array(_one_box(box, name), name)[0] for name, box in steps.items()]
    ious = box_iou(
        torch.as_tensor(np.array(boxes), dtype=torch.float64),
        torch.as_tensor(np.array([goal]), dtype=torch.float64),
    )[:, 0].tolist()
    told = ", ".join(f"{name} {iou:.2f}" for name, iou in zip(steps, ious, strict=True))
    alt = alt or f"A box on its way to an object, with its IoU: {told}."
    gap, bottom = 0.12, 0.34
    panel = min(2.4, (PAGE_WIDTH - gap * (len(steps) + 1)) / len(steps))
    tall = panel * pixels.shape[0] / pixels.shape[1]
    top = 0.62 if title else 0.3
    width = max(len(steps) * (panel + gap) + gap, 3.4)
    height = top + tall + 0.26 + bottom
    with house_style():
        drawing = new_figure(width, height)
        for k, (name, iou) in enumerate(zip(steps, ious, strict=True)):
            axes = blank_axes(drawing, (gap + k * (panel + gap), bottom + 0.26, panel, tall))
            show_image(axes, pixels, fade=0.55)
            _frame(axes, pixels)
            for before in range(k * earlier):
                draw_rectangle(axes, boxes[before], STEP_COLOURS[before], 1.2, (0, (1, 1)))
            draw_rectangle(axes, boxes[k], STEP_COLOURS[k], 4.0)
            draw_rectangle(axes, goal, INK, 1.4, (0, (4, 2)))
            axes.set_title(name, pad=5, fontsize=11)
            axes.text(
                0.5, -0.12 / tall, f"IoU {iou:.2f}", transform=axes.transAxes, ha="center",
                va="center", fontsize=11.5, fontweight="bold",
            )  # fmt: skip
        lines: list[tuple[str, Any, str]] = [
            ("object", (0, (4, 2)), INK),
            ("this step" if earlier else "the box", "solid", MUTED),
        ]  # fmt: skip
        if earlier and len(steps) > 1:
            lines.append(("earlier steps", (0, (1, 1)), MUTED))
        line_key(drawing, lines)
        return finish(drawing, alt, title=title)


def _one_box(box: Any, name: str) -> Any:
    array = np.asarray(box.detach().cpu() if isinstance(box, Tensor) else box, dtype=float)
    if array.shape != (4,):
        raise ValueError(f"{name}: expected one box (4,), got {array.shape}")
    return array[None]


def _frame(axes: Axes, pixels: np.ndarray) -> None:
    from matplotlib.patches import Rectangle

    height, width = pixels.shape[:2]
    axes.add_patch(
        Rectangle((0, 0), width, height, fill=False, edgecolor=RULE, linewidth=1.2, zorder=1)
    )


def draw_iou_shift(
    before: Any,
    after: Any,
    *,
    names: tuple[str, str] = ("prior", "anchor"),
    title: str | None = None,
    alt: str,
) -> Figure:
    """Two histograms of IoU on one axis: where boxes started, and where they arrived.

    Args:
        before: (N,) IoU before, in [0, 1].
        after: (N,) IoU after.
        names: what the two are called.
        title: a line above the chart.
        alt: what the picture shows (required).

    Returns:
        The figure; a line marks each median.

    Raises:
        ValueError: no numbers, not one dimension, or an IoU outside [0, 1].

    >>> draw_iou_shift([0.5, 0.6], [0.8, 0.9], alt="Two bars on the left, two on the right.")
    Figure: Two bars on the left, two on the right.
    """
    lists = []
    for name, values in (("before", before), ("after", after)):
        array = torch.as_tensor(values).detach().cpu().double().numpy()
        if array.ndim != 1 or not len(array) or not ((array >= 0) & (array <= 1.000001)).all():
            raise ValueError(f"{name}: expected IoUs (N,) in [0, 1], at least one")
        lists.append(array)
    edges = np.linspace(0, 1, 41)
    top = 0.34 if title else 0.06
    height = 2.3 + top
    with house_style():
        drawing = new_figure(6.4, height)
        axes = drawing.add_axes((0.03, 0.52 / height, 0.94, 1.72 / height))
        for name, values, colour, hatch in zip(
            names, lists, (ORANGE, BLUE), ("///", ""), strict=True
        ):
            share = np.full(len(values), 1 / len(values))
            axes.hist(
                values, edges.tolist(), weights=share, color=colour, alpha=0.55, hatch=hatch,
                edgecolor="white", linewidth=0.4, label=f"{name}, median {np.median(values):.2f}",
            )  # fmt: skip
            axes.axvline(float(np.median(values)), color=colour, lw=2.2, zorder=4)
        axes.set_xlim(0, 1)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_xlabel("IoU with the object")
        axes.legend(loc="upper left", frameon=False, fontsize=10.5)
        return finish(drawing, alt, title=title)
