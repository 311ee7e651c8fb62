"""Pictures of RefineDet: the two steps, who survives the filter, and what a TCB adds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import PriorConfig, box_iou
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
    blank_axes,
    draw_rectangle,
    finish,
    house_style,
    image_array,
    new_figure,
    show_image,
)
from detlearn.show.figure import Figure
from detlearn.show.figures.boxes import _boxes_array, _key

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "draw_addition", "draw_filter", "draw_iou_shift", "draw_refinedet", "draw_steps",
    "draw_transfer",
]  # fmt: skip

WIDTH = 7.4
STEP_COLOURS = (ORANGE, SKY, GREEN, PURPLE)
STEP_DASHES: tuple[Any, ...] = ("solid", (0, (6, 1.5)), (0, (3, 1)), (0, (1, 1)))
TINTS = ("#CFE3F2", "#FBE5B8", "#CDEBDF", "#F3DCE8", "#FAD9C4", "#E3E7EB")


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
    left, right = 0.1, 1.72
    column = (WIDTH - left - right) / len(maps)
    top = 0.34 if title else 0.04
    height = 4.5 + top
    rows = {"maps": 3.72, "arm": 2.66, "tcb": 1.62, "odm": 0.5}
    with house_style():
        drawing = new_figure(WIDTH, height)
        axes = blank_axes(drawing, (0, 0, WIDTH, height))
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        for low, high, colour in ((2.1, 3.02, SKY), (0.04, 0.96, GREEN)):
            _card(axes, left, low, WIDTH - left - right, high - low, colour, 0.16, None)
        for k, (channels, side) in enumerate(maps):
            x = left + column * (k + 0.5)
            box = 0.98 * (side / maps[0][1]) ** 0.5
            _card(axes, x - box / 2, rows["maps"] - box / 2, box, box, BLUE, 0.2, BLUE)
            inside = f"{channels}\n{side} × {side}"
            if box > 0.62:
                axes.text(x, rows["maps"], inside, ha="center", va="center", fontsize=9.5)
            else:
                axes.text(
                    x + box / 2 + 0.06, rows["maps"], inside, ha="left", va="center", fontsize=9.5
                )
            axes.text(
                x, rows["maps"] + 0.62, words[k], ha="center", va="center", fontsize=10.5,
                fontweight="bold",
            )  # fmt: skip
            _card(axes, x - 0.52, rows["tcb"] - 0.24, 1.04, 0.48, ORANGE, 0.3, ORANGE)
            axes.text(x, rows["tcb"], f"TCB {k}", ha="center", va="center", fontsize=10.5)
            aside = box / 2 - 0.04  # both arrows leave the map, however small
            down = x + min(0.34, aside)
            _arrow(axes, (down, rows["maps"] - box / 2), (down, rows["tcb"] + 0.24), MUTED)
            for at, name, from_x, from_y, middle in (
                (rows["arm"] - 0.1, "ARM head", x - min(0.27, aside), rows["maps"] - box / 2,
                 x - 0.32),
                (rows["odm"], "ODM head", x, rows["tcb"] - 0.24, x),
            ):  # fmt: skip
                _card(axes, middle - 0.36, at - 0.17, 0.72, 0.34, "#FFFFFF", 1.0, MUTED)
                axes.text(middle, at, name, ha="center", va="center", fontsize=9.5)
                _arrow(axes, (from_x, from_y), (from_x, at + 0.17), MUTED)
            if k:
                _arrow(
                    axes, (x - 0.52, rows["tcb"]), (x - column + 0.52, rows["tcb"]), VERMILION, 2.2
                )
        note = WIDTH - right + 0.12
        for y, head, lines in (
            (rows["maps"] + 0.1, "maps", "fine → coarse"),
            (rows["arm"] + 0.14, "ARM", "2 labels, 4 deltas:\nwhere is anything?"),
            (rows["tcb"] + 0.08, "TCB", f"{tcb_channels} channels,\n← coarse helps fine"),
            (rows["odm"] + 0.08, "ODM", "K labels, 4 deltas:\nwhat exactly, where?"),
        ):
            axes.text(note, y + 0.12, head, ha="left", va="center", fontsize=11, fontweight="bold")
            axes.text(note, y - 0.02, lines, ha="left", va="top", fontsize=9.5, linespacing=1.25)
        # the anchors go from the ARM to the ODM, round the outside
        at = WIDTH - 0.12
        for start, end in (
            ((note + 0.72, 2.22), (at, 2.22)), ((at, 2.22), (at, 0.2)),
        ):  # fmt: skip
            axes.plot([start[0], end[0]], [start[1], end[1]], color=BLUE, lw=2.0)
        _arrow(axes, (at, 0.2), (WIDTH - right, 0.2), BLUE, 2.0)
        axes.text(
            note, 2.22, "anchors", ha="left", va="center", fontsize=9.5, color=BLUE,
            fontweight="bold",
        )  # fmt: skip
        axes.text(
            note, 2.06, "(moved priors)", ha="left", va="center", fontsize=9.5, color=BLUE,
        )  # fmt: skip
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


def _card(
    axes: Axes, left: float, low: float, width: float, height: float, colour: str, alpha: float,
    edge: str | None,
) -> None:  # fmt: skip
    """A filled rectangle, with a border if `edge` is a colour."""
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Rectangle

    axes.add_patch(
        Rectangle(
            (left, low), width, height, facecolor=to_rgba(colour, alpha),
            edgecolor=edge or "none", linewidth=1.4, zorder=2,
        )
    )  # fmt: skip


def _arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], colour: str,
    width: float = 1.2,
) -> None:  # fmt: skip
    axes.annotate(
        "", xy=end, xytext=start, zorder=1,
        arrowprops={"arrowstyle": "-|>", "color": colour, "lw": width, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


# --------------------------------------------------------------------------- two steps


def draw_steps(
    image: Any,
    target: Any,
    steps: Mapping[str, Any],
    *,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """A box on its way to an object, one panel a step, the IoU below each.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image; drawn pale.
        target: (4,) xyxy, px of `image`: the object, dashed.
        steps: words above a panel -> (4,) xyxy, px; one to four of them.
        title: a line above the panels.
        alt: what the picture shows; the IoUs when omitted.

    Returns:
        The figure; a panel repeats the boxes of the earlier ones as thin lines.

    Raises:
        ValueError: no step, more than four, or a box of another shape.

    >>> draw_steps(torch.ones(3, 9, 9), [3, 2, 7, 6], {"prior": [1, 2, 5, 6]}).alt
    'A box on its way to an object, with its IoU: prior 0.33.'
    """
    if not 1 <= len(steps) <= len(STEP_COLOURS):
        raise ValueError(f"steps: expected 1 to {len(STEP_COLOURS)}, got {len(steps)}")
    pixels = image_array(image)
    (goal,) = _boxes_array(_one_box(target, "target"), "target")
    boxes = [_boxes_array(_one_box(box, name), name)[0] for name, box in steps.items()]
    ious = box_iou(
        torch.as_tensor(np.array(boxes), dtype=torch.float64),
        torch.as_tensor(np.array([goal]), dtype=torch.float64),
    )[:, 0].tolist()
    told = ", ".join(f"{name} {iou:.2f}" for name, iou in zip(steps, ious, strict=True))
    alt = alt or f"A box on its way to an object, with its IoU: {told}."
    gap, bottom = 0.12, 0.34
    panel = min(2.4, (WIDTH - gap * (len(steps) + 1)) / len(steps))
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
            for earlier in range(k):
                draw_rectangle(axes, boxes[earlier], STEP_COLOURS[earlier], 0.9, (0, (2, 2)))
            draw_rectangle(axes, goal, INK, 2.0, (0, (4, 2)))
            draw_rectangle(axes, boxes[k], STEP_COLOURS[k], 2.8, STEP_DASHES[k])
            axes.set_title(name, pad=5, fontsize=11)
            axes.text(
                0.5, -0.12 / tall, f"IoU {iou:.2f}", transform=axes.transAxes, ha="center",
                va="center", fontsize=11.5, fontweight="bold",
            )  # fmt: skip
        lines: list[tuple[str, Any, str]] = [
            ("object", (0, (4, 2)), INK), ("this step", "solid", MUTED),
        ]  # fmt: skip
        if len(steps) > 1:
            lines.append(("earlier steps", (0, (1, 1)), MUTED))
        _key(drawing, bottom, lines)
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


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
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


# --------------------------------------------------------------------------- the filter


def draw_filter(
    image: Any,
    objectness: Tensor,
    config: PriorConfig,
    threshold: float = 0.01,
    *,
    boxes: Any = (),
    title: str | None = None,
    alt: str,
) -> Figure:
    """Which cells of each level still have a prior after the negative-anchor filter.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image.
        objectness: (P,) probability of an object, in the order of the priors.
        config: the layout of the priors; at most five levels.
        threshold: a prior at most as sure of an object is dropped.
        boxes: (G, 4) xyxy, px of `image`: the objects, dashed.
        title: a line above the picture.
        alt: what the picture shows (required).

    Returns:
        The figure: the image, then one grid a level; a filled cell has a prior that survives,
        with how many priors of the level do.

    Raises:
        ValueError: another number of priors than the layout has, or too many levels.

    >>> from detlearn.boxes import SSD_TINY_PRIORS
    >>> none = torch.zeros(SSD_TINY_PRIORS.num_priors)
    >>> draw_filter(torch.ones(3, 8, 8), none, SSD_TINY_PRIORS, alt="Every cell is empty.")
    Figure: Every cell is empty.
    """
    if objectness.shape != (config.num_priors,):
        raise ValueError(
            f"objectness: expected one a prior, ({config.num_priors},), "
            f"got {tuple(objectness.shape)}"
        )
    if config.num_levels > 5:
        raise ValueError(f"config: expected at most 5 levels, got {config.num_levels}")
    pixels = image_array(image)
    objects: Any = _boxes_array(boxes, "boxes") if len(boxes) else []
    survives = (objectness.detach().cpu() > threshold).split(list(config.priors_per_level))
    panels, gap = config.num_levels + 1, 0.1
    side = (WIDTH - gap * (panels + 1)) / panels
    top = 0.62 if title else 0.3
    height = top + side + 0.5
    with house_style():
        drawing = new_figure(WIDTH, height)
        axes = blank_axes(drawing, (gap, 0.5, side, side))
        show_image(axes, pixels)
        for box in objects:
            draw_rectangle(axes, box, INK, 1.4, (0, (4, 2)))
        axes.set_title("image", pad=5, fontsize=10.5)
        for level, (kept, cells) in enumerate(zip(survives, config.map_sizes, strict=True)):
            axes = blank_axes(drawing, (gap + (level + 1) * (side + gap), 0.5, side, side))
            grid = kept.reshape(cells, cells, -1).any(dim=-1).numpy()
            height_px, width_px = pixels.shape[:2]
            shown = np.where(grid[..., None], _rgb(BLUE), _rgb("#EEF1F4"))
            axes.imshow(
                shown, extent=(0, width_px, height_px, 0), interpolation="nearest",
                aspect="auto", zorder=0,
            )  # fmt: skip
            axes.set_xlim(0, width_px)
            axes.set_ylim(height_px, 0)
            for box in objects:
                draw_rectangle(axes, box, INK, 1.4, (0, (4, 2)))
            axes.set_title(f"{cells} × {cells}", pad=5, fontsize=10.5)
            axes.text(
                0.5, -0.16 / side, f"{int(kept.sum()):,} of {len(kept):,}",
                transform=axes.transAxes, ha="center", va="center", fontsize=10,
            )  # fmt: skip
        drawing.text(
            0.5, 0.06 / height, "filled: a prior of this cell survives; dashed: objects",
            ha="center", va="bottom", fontsize=10, color=MUTED,
        )  # fmt: skip
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


# --------------------------------------------------------------------------- coarse to fine


def draw_addition(
    panels: Mapping[str, Any],
    signs: Sequence[str],
    *,
    plain: Sequence[str] = (),
    title: str | None = None,
    alt: str,
) -> Figure:
    """Small maps of numbers in a row, with signs between them.

    Args:
        panels: words below a map -> (H, W) numbers, at most 8 x 8; cells of one colour come
            from one cell of the coarsest map (2 x 2 cells of a map twice as large ...).
        signs: what stands between the maps, one fewer than there are maps.
        plain: the words of panels that are no maps (a filter), drawn without colours.
        title: a line above the maps.
        alt: what the picture shows (required).

    Returns:
        The figure.

    Raises:
        ValueError: no map, a map that is no grid or too large, or signs of another number.

    >>> draw_addition({"a": [[1]], "b": [[2]]}, ["→"], alt="A map of one, a map of two.")
    Figure: A map of one, a map of two.
    """
    grids = {name: np.asarray(torch.as_tensor(values)) for name, values in panels.items()}
    for name, grid in grids.items():
        if grid.ndim != 2 or not 1 <= max(grid.shape) <= 8:
            raise ValueError(f"panels[{name!r}]: expected (H, W) up to 8 x 8, got {grid.shape}")
    if not set(grids) - set(plain):
        raise ValueError(f"panels: expected a map that is not plain, got {list(grids)}")
    if len(signs) != len(grids) - 1:
        raise ValueError(f"signs: expected one fewer than the {len(grids)} maps, got {len(signs)}")
    between = 0.42
    columns = sum(grid.shape[1] for grid in grids.values())
    cell = min(0.46, (WIDTH - 0.3 - between * len(signs)) / columns)
    tallest = max(grid.shape[0] for grid in grids.values()) * cell
    lines = max(name.count("\n") + 1 for name in grids)
    top = 0.34 if title else 0.06
    height = top + tallest + 0.14 + 0.2 * lines
    width = 0.9 + columns * cell + between * len(signs)
    coarsest = min(grid.shape[0] for name, grid in grids.items() if name not in plain)
    with house_style():
        drawing = new_figure(width, height)
        axes = blank_axes(drawing, (0, 0, width, height))
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        middle, x = height - top - tallest / 2, 0.45
        for k, (name, grid) in enumerate(grids.items()):
            _grid(axes, grid, x, middle, cell, 0 if name in plain else coarsest)
            axes.text(
                x + grid.shape[1] * cell / 2, middle - tallest / 2 - 0.08, name, ha="center",
                va="top", fontsize=10, linespacing=1.2,
            )  # fmt: skip
            x += grid.shape[1] * cell
            if k < len(signs):
                axes.text(
                    x + between / 2, middle, signs[k], ha="center", va="center", fontsize=15,
                    fontweight="bold",
                )  # fmt: skip
                x += between
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


def _grid(
    axes: Axes, grid: np.ndarray, left: float, middle: float, cell: float, coarsest: int
) -> None:
    from matplotlib.patches import Rectangle

    rows, columns = grid.shape
    for (row, column), value in np.ndenumerate(grid):
        owner = (row * coarsest // rows) * coarsest + column * coarsest // columns
        tint = TINTS[owner % len(TINTS)] if coarsest else "#FFFFFF"
        low = middle + (rows / 2 - row - 1) * cell
        axes.add_patch(
            Rectangle(
                (left + column * cell, low), cell, cell, facecolor=tint,
                edgecolor=MUTED, linewidth=0.8,
            )
        )  # fmt: skip
        axes.text(
            left + (column + 0.5) * cell, low + cell / 2, f"{value:g}", ha="center", va="center",
            fontsize=10.5 if cell > 0.36 else 9,
        )  # fmt: skip


# --------------------------------------------------------------------------- a link cut


def draw_transfer(
    image: Any,
    usual: Tensor,
    cut: Tensor,
    *,
    boxes: Any = (),
    names: tuple[str, str] = ("all links", "one link cut"),
    title: str | None = None,
    alt: str,
) -> Figure:
    """A map of a TCB with all its links and with one cut, and where the two differ.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image.
        usual: (C, S, S), the map with all links; the mean of its channels is drawn.
        cut: (C, S, S), the same map when a link carries zeros.
        boxes: (G, 4) xyxy, px of `image`: the objects, dashed.
        names: what the two maps are called.
        title: a line above the panels.
        alt: what the picture shows (required).

    Returns:
        The figure: image, both maps on one scale, and the mean absolute difference of their
        channels on a scale of its own; the darker, the larger.

    Raises:
        ValueError: maps that are no (C, S, S), or differ in shape.

    >>> maps = torch.zeros(2, 4, 4)
    >>> draw_transfer(torch.ones(3, 8, 8), maps, maps, alt="Two equal maps, and no difference.")
    Figure: Two equal maps, and no difference.
    """
    if usual.ndim != 3 or usual.shape != cut.shape or 0 in usual.shape:
        raise ValueError(
            f"cut: expected two maps (C, S, S) of one shape, got {tuple(usual.shape)} "
            f"and {tuple(cut.shape)}"
        )
    pixels = image_array(image)
    objects: Any = _boxes_array(boxes, "boxes") if len(boxes) else []
    first, second = (maps.detach().cpu().double() for maps in (usual, cut))
    means = [first.mean(dim=0), second.mean(dim=0)]
    low = min(float(mean.min()) for mean in means)
    span = max(float(mean.max()) for mean in means) - low
    change = (first - second).abs().mean(dim=0)
    panels = {name: (mean - low) / (span or 1) for name, mean in zip(names, means, strict=True)}
    panels["the difference"] = change / (float(change.max()) or 1)
    gap = 0.1
    side = (WIDTH - 5 * gap) / 4
    top = 0.62 if title else 0.3
    height = top + side + 0.36
    height_px, width_px = pixels.shape[:2]
    with house_style():
        drawing = new_figure(WIDTH, height)
        for k, (name, grid) in enumerate([("image", None), *panels.items()]):
            axes = blank_axes(drawing, (gap + k * (side + gap), 0.36, side, side))
            if grid is None:
                show_image(axes, pixels)
            else:
                axes.imshow(
                    _ramp(grid.numpy()), extent=(0, width_px, height_px, 0),
                    interpolation="nearest", aspect="auto", zorder=0,
                )  # fmt: skip
                axes.set_xlim(0, width_px)
                axes.set_ylim(height_px, 0)
            for box in objects:
                draw_rectangle(axes, box, INK, 1.4, (0, (4, 2)))
            axes.set_title(name, pad=5, fontsize=10.5)
        drawing.text(
            0.5, 0.06 / height, "the darker, the larger (mean over channels); dashed: objects",
            ha="center", va="bottom", fontsize=10, color=MUTED,
        )  # fmt: skip
        if title:
            drawing.text(0.012, 1 - 0.1 / height, title, fontsize=12.5, fontweight="bold", va="top")
        return finish(drawing, alt)


def _ramp(share: np.ndarray) -> np.ndarray:
    """Shares (H, W) in [0, 1] as colours from pale to dark blue, (H, W, 3)."""
    pale, dark = _rgb("#F3F6F9"), _rgb("#08306B")
    return pale + share[..., None] * (dark - pale)
