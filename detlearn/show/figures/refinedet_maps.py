"""Pictures of RefineDet's maps: who survives the filter, what a TCB adds, what a cut link costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import PriorConfig
from detlearn.show.canvas import (
    BLUE,
    INK,
    MUTED,
    PAGE_WIDTH,
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
from detlearn.show.diagram import TINTS, number_grid, write
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_addition", "draw_filter", "draw_transfer"]


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
    objects: Any = boxes_array(boxes, "boxes") if len(boxes) else []
    survives = (objectness.detach().cpu() > threshold).split(list(config.priors_per_level))
    panels, gap = config.num_levels + 1, 0.1
    side = (PAGE_WIDTH - gap * (panels + 1)) / panels
    top = 0.62 if title else 0.3
    height = top + side + 0.5
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        axes = blank_axes(drawing, (gap, 0.5, side, side))
        _panel(axes, "image", pixels, None, objects)
        for level, (kept, cells) in enumerate(zip(survives, config.map_sizes, strict=True)):
            axes = blank_axes(drawing, (gap + (level + 1) * (side + gap), 0.5, side, side))
            grid = kept.reshape(cells, cells, -1).any(dim=-1).numpy()
            shown = np.where(grid[..., None], _rgb(BLUE), _rgb("#EEF1F4"))
            _panel(axes, f"{cells} × {cells}", pixels, shown, objects)
            write(
                axes, 0.5, -0.16 / side, f"{int(kept.sum()):,} of {len(kept):,}", 10,
                transform=axes.transAxes,
            )  # fmt: skip
        _foot(drawing, "below each grid: priors that survive, in the filled cells; dashed: objects")
        return finish(drawing, alt, title=title)


def _panel(
    axes: Axes, name: str, pixels: np.ndarray, shown: np.ndarray | None, objects: Any
) -> None:
    """The image or, stretched over all of it, a map of colours (H, W, 3); objects dashed."""
    if shown is None:
        show_image(axes, pixels)
    else:
        height, width = pixels.shape[:2]
        axes.imshow(
            shown, extent=(0, width, height, 0), interpolation="nearest", aspect="auto", zorder=0
        )
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
    for box in objects:
        draw_rectangle(axes, box, INK, 1.4, (0, (4, 2)))
    axes.set_title(name, pad=5, fontsize=10.5)


def _foot(drawing: Any, words: str) -> None:
    """A line of words below the panels."""
    y = 0.06 / drawing.get_size_inches()[1]
    drawing.text(0.5, y, words, ha="center", va="bottom", fontsize=10, color=MUTED)


def _rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


# --------------------------------------------------------------------------- coarse to fine


def draw_addition(
    panels: Mapping[str, Any],
    signs: Sequence[str],
    *,
    plain: Sequence[str] = (),
    owners: int | None = None,
    title: str | None = None,
    alt: str,
) -> Figure:
    """Small maps of numbers in a row, with signs between them.

    Args:
        panels: words below a map -> (H, W) numbers, at most 8 x 8; cells of one colour come
            from one cell of the coarsest map (2 x 2 cells of a map twice as large ...).
        signs: what stands between the maps, one fewer than there are maps.
        plain: the words of panels that are no maps (a filter), drawn without colours.
        owners: the side of the coarsest map, where no panel shows it.
        title: a line above the maps.
        alt: what the picture shows (required).

    Returns:
        The figure.

    Raises:
        ValueError: no map, a map that is no grid or too large, signs of another number, or owners
            that are none.

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
    if owners is not None and owners < 1:
        raise ValueError(f"owners: expected a side of at least 1 cell, got {owners}")
    between = 0.42
    columns = sum(grid.shape[1] for grid in grids.values())
    cell = min(0.46, (PAGE_WIDTH - 0.3 - between * len(signs)) / columns)
    tallest = max(grid.shape[0] for grid in grids.values()) * cell
    lines = max(name.count("\n") + 1 for name in grids)
    top = 0.34 if title else 0.06
    height = top + tallest + 0.14 + 0.2 * lines
    width = 0.9 + columns * cell + between * len(signs)
    smallest = min(grid.shape[0] for name, grid in grids.items() if name not in plain)
    coarsest = owners or smallest
    with paper(width, height) as (drawing, axes):
        middle, x = height - top - tallest / 2, 0.45
        for k, (name, grid) in enumerate(grids.items()):
            number_grid(
                axes, x, middle + grid.shape[0] / 2 * cell, grid, (cell, cell),
                tint=_owner_tint(grid, 0 if name in plain else coarsest),
                size=10.5 if cell > 0.36 else 9,
            )  # fmt: skip
            below = middle - tallest / 2 - 0.08
            write(axes, x + grid.shape[1] * cell / 2, below, name, 10, va="top", linespacing=1.2)
            x += grid.shape[1] * cell
            if k < len(signs):
                write(axes, x + between / 2, middle, signs[k], 15, bold=True)
                x += between
        return finish(drawing, alt, title=title)


def _owner_tint(grid: np.ndarray, coarsest: int) -> Callable[[int, int], str]:
    """Of each cell, the tint of the cell of the coarsest map that it comes from; white for 0."""
    rows, columns = grid.shape

    def tint(row: int, column: int) -> str:
        owner = (row * coarsest // rows) * coarsest + column * coarsest // columns
        return TINTS[owner % len(TINTS)] if coarsest else "#FFFFFF"

    return tint


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
    objects: Any = boxes_array(boxes, "boxes") if len(boxes) else []
    first, second = (maps.detach().cpu().double() for maps in (usual, cut))
    means = [first.mean(dim=0), second.mean(dim=0)]
    low = min(float(mean.min()) for mean in means)
    span = max(float(mean.max()) for mean in means) - low
    change = (first - second).abs().mean(dim=0)
    panels = {name: (mean - low) / (span or 1) for name, mean in zip(names, means, strict=True)}
    panels["the difference"] = change / (float(change.max()) or 1)
    gap = 0.1
    side = (PAGE_WIDTH - 5 * gap) / 4
    top = 0.62 if title else 0.3
    height = top + side + 0.36
    with house_style():
        drawing = new_figure(PAGE_WIDTH, height)
        for k, (name, grid) in enumerate([("image", None), *panels.items()]):
            axes = blank_axes(drawing, (gap + k * (side + gap), 0.36, side, side))
            shown = None if grid is None else _ramp(grid.numpy())
            _panel(axes, name, pixels, shown, objects)
        _foot(drawing, "the darker, the larger (mean over channels); dashed: objects")
        return finish(drawing, alt, title=title)


def _ramp(share: np.ndarray) -> np.ndarray:
    """Shares (H, W) in [0, 1] as colours from pale to dark blue, (H, W, 3)."""
    pale, dark = _rgb("#F3F6F9"), _rgb("#08306B")
    return pale + share[..., None] * (dark - pale)
