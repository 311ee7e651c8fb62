"""Boxes on images: the notebooks' figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from detlearn.show.canvas import (
    DPI,
    INK,
    MUTED,
    blank_axes,
    boxes_array,
    class_colour,
    draw_rectangle,
    finish,
    house_style,
    image_array,
    ink_on,
    new_figure,
    show_image,
)
from detlearn.show.diagram import line_key
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_boxes", "draw_scenes"]


def numbers_of(values: Any, count: int, name: str) -> list[float] | None:
    """`values` as a list of one number a box, or None."""
    if values is None:
        return None
    flat = torch.as_tensor(values).detach().cpu().reshape(-1).tolist()
    if len(flat) != count:
        raise ValueError(f"{name}: expected one per box, {count} in all, got {len(flat)}")
    return flat


def captions_of(
    labels: list[float] | None,
    scores: list[float] | None,
    class_names: Sequence[str] | None,
    count: int,
    name: str = "labels",
) -> list[str]:
    """What is written on each box: class name (or number) and score, as far as known."""
    captions = []
    for i in range(count):
        words = []
        if labels is not None:
            label = int(labels[i])
            if class_names is not None and not 0 <= label < len(class_names):
                raise ValueError(
                    f"{name}[{i}]: expected 0 <= label < {len(class_names)} "
                    f"(class_names), got {label}"
                )
            words.append(str(class_names[label]) if class_names is not None else f"class {label}")
        if scores is not None:
            words.append(f"{scores[i]:.2f}")
        captions.append(" ".join(words))
    return captions


def _placecaptions_of(
    axes: Axes, boxes: np.ndarray, captions: Sequence[str], colours: Sequence[str], size: float
) -> None:
    """Write each caption at the free corner of its box, inside the picture, on its colour."""
    canvas: Any = axes.get_figure().canvas  # type: ignore[union-attr]
    renderer = canvas.get_renderer()
    frame = axes.get_window_extent(renderer)
    to_pixels, to_data = axes.transData.transform, axes.transData.inverted().transform
    # a caption may lie on a large box, but must not hide a small one
    corners = to_pixels(boxes.reshape(-1, 2)).reshape(-1, 4)
    areas = np.abs((corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1]))
    small = [_sorted_corners(box) for box in corners[areas < 1600].tolist()]
    taken: list[tuple[float, float, float, float]] = []
    for (left, top, right, bottom), caption, colour in zip(corners, captions, colours, strict=True):
        if not caption:
            continue
        text = axes.text(
            0, 0, caption, fontsize=size, fontweight="bold", color=ink_on(colour), va="bottom",
            ha="left", zorder=5, bbox={"facecolor": colour, "edgecolor": "white", "linewidth": 0.8,
                                       "boxstyle": "square,pad=0.18"},
        )  # fmt: skip
        extent = text.get_window_extent(renderer)
        pad = 0.18 * size * DPI / 72 + 1
        width, height = extent.width + 2 * pad, extent.height + 2 * pad
        spots = (
            (left, top), (left, bottom - height), (left, top - height), (left, bottom),
            (right - width, top), (right - width, bottom - height), (right, top - height),
            (left - width, top - height),
        )  # fmt: skip
        best, least = (left, top), math.inf
        for rank, (x, y) in enumerate(spots):
            x = min(max(x, frame.x0), frame.x1 - width)
            y = min(max(y, frame.y0), frame.y1 - height)
            place = (x, y, x + width, y + height)
            cost = rank + sum(2 * _shared_area(place, other) for other in taken)
            cost += sum(_shared_area(place, other) for other in small)
            if cost < least:
                best, least = (x, y), cost
        taken.append((best[0], best[1], best[0] + width, best[1] + height))
        x, y = to_data((best[0] + pad, best[1] + pad))
        text.set_position((float(x), float(y)))


def _sorted_corners(box: Sequence[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = box
    return (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))


def _shared_area(one: Sequence[float], other: Sequence[float]) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def _boxes_on_axes(
    axes: Axes,
    boxes: np.ndarray,
    captions: Sequence[str],
    colours: Sequence[str],
    *,
    line: float,
    font: float,
    reference: np.ndarray | None = None,
    reference_above: bool = False,
    centers: bool = False,
) -> None:
    solid = [(box, colour, line, "solid") for box, colour in zip(boxes, colours, strict=True)]
    dashed = [
        (box, INK, line * 0.8, (0, (3, 2))) for box in (() if reference is None else reference)
    ]
    for box, colour, wide, dashes in [*solid, *dashed] if reference_above else [*dashed, *solid]:
        draw_rectangle(axes, box, colour, wide, dashes)
    if centers:
        for (x1, y1, x2, y2), colour in zip(boxes, colours, strict=True):
            axes.plot((x1 + x2) / 2, (y1 + y2) / 2, "o", color=colour, markersize=7,
                      markeredgecolor="white", zorder=4)  # fmt: skip
    _placecaptions_of(axes, boxes, captions, colours, font)


def draw_boxes(
    image: Any,
    boxes: Any,
    labels: Any = None,
    scores: Any = None,
    class_names: Sequence[str] | None = None,
    reference: Any = None,
    *,
    title: str | None = None,
    alt: str,
    width: float = 4.4,
    line: float = 2.4,
    key: tuple[str, str] = ("box", "ground truth"),
    reference_above: bool = False,
    centers: bool = False,
) -> Figure:
    """An image with boxes, their classes and scores; ground truth, if given, dashed.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image.
        boxes: (N, 4) xyxy, px of `image`; N = 0 is legal.
        labels: (N,) class labels, written on the boxes.
        scores: (N,) scores, written behind the class.
        class_names: names by label, background at 0.
        reference: (G, 4) xyxy, px: ground truth, drawn as dashed black boxes.
        title: a line above the picture.
        alt: what the picture shows (required).
        width: width in inches at 100 px each; a tall image is made as high instead.
        line: width of the solid lines, points.
        key: what the solid and the dashed boxes are called below a picture with `reference`.
        reference_above: draw the dashed boxes over the solid ones, where edges coincide.
        centers: mark the centre of each solid box by a dot of its colour.

    Returns:
        The figure.

    Raises:
        ValueError: a shape is wrong, or labels or scores are not one per box.

    >>> draw_boxes(torch.zeros(3, 8, 8), [[1, 1, 5, 5]], alt="One box on a black square.")
    Figure: One box on a black square.
    """
    pixels = image_array(image)
    box_array = boxes_array(boxes, "boxes")
    count = len(box_array)
    label_list = numbers_of(labels, count, "labels")
    score_list = numbers_of(scores, count, "scores")
    captions = captions_of(label_list, score_list, class_names, count)
    colours = [class_colour(int(label)) for label in label_list or [1] * count]
    truth = None if reference is None else boxes_array(reference, "reference")

    height_px, width_px = pixels.shape[:2]
    picture_width = min(width, width * width_px / height_px)
    picture_height = picture_width * height_px / width_px
    top = 0.34 if title else 0.04
    bottom = 0.30 if truth is not None else 0.04
    with house_style():
        drawing = new_figure(picture_width + 0.08, picture_height + top + bottom)
        axes = blank_axes(drawing, (0.04, bottom, picture_width, picture_height))
        show_image(axes, pixels)
        _boxes_on_axes(axes, box_array, captions, colours, line=line, font=9.5, reference=truth,
                       reference_above=reference_above, centers=centers)  # fmt: skip
        if title:
            axes.set_title(title, pad=6)
        if truth is not None:
            line_key(drawing, ((key[0], "solid", MUTED), (key[1], (0, (3, 2)), INK)))
        return finish(drawing, alt)


def draw_scenes(
    scenes: Sequence[tuple[Any, Mapping[str, Any]]],
    class_names: Sequence[str] | None = None,
    *,
    columns: int = 4,
    titles: Sequence[str] | None = None,
    alt: str,
    width: float = 7.6,
    line: float = 1.8,
) -> Figure:
    """A grid of images, each with the boxes of its target.

    Args:
        scenes: pairs of image and target; a target has "boxes" (N, 4) xyxy px and, if they are
            to be written, "labels" (N,) and "scores" (N,); "reference" (G, 4), the ground truth,
            is drawn dashed, with a key below the grid.
        class_names: names by label, background at 0.
        columns: images in a row.
        titles: one line a scene.
        alt: what the picture shows (required).
        width: width of the grid in inches at 100 px each.
        line: width of the boxes' lines, points.

    Returns:
        The figure.

    Raises:
        ValueError: no scene at all, or boxes, labels, scores or titles that do not fit.

    >>> scene = (torch.zeros(3, 8, 8), {"boxes": torch.zeros(0, 4)})
    >>> draw_scenes([scene, scene], alt="Two empty black squares.")
    Figure: Two empty black squares.
    """
    if not len(scenes):
        raise ValueError("scenes: expected at least one (image, target), got none")
    if titles is not None and len(titles) != len(scenes):
        raise ValueError(f"titles: expected one per scene, {len(scenes)} in all, got {len(titles)}")
    columns = min(columns, len(scenes))
    rows = math.ceil(len(scenes) / columns)
    gap, head = 0.10, 0.27 if titles else 0.0
    side = (width - gap * (columns + 1)) / columns
    arrays = [image_array(image) for image, _ in scenes]
    shapes = [array.shape[0] / array.shape[1] for array in arrays]
    panels = [side * max(shapes[i : i + columns]) for i in range(0, len(shapes), columns)]
    with_truth = any("reference" in target for _, target in scenes)
    foot = 0.24 if with_truth else 0.0
    with house_style():
        drawing = new_figure(width, sum(panels) + rows * (gap + head) + gap + foot)
        for i, (pixels, (_, target)) in enumerate(zip(arrays, scenes, strict=True)):
            row, column = divmod(i, columns)
            boxes = boxes_array(target["boxes"], f"scenes[{i}] boxes")
            labels = numbers_of(target.get("labels"), len(boxes), f"scenes[{i}] labels")
            scores = numbers_of(target.get("scores"), len(boxes), f"scenes[{i}] scores")
            captions = captions_of(labels, scores, class_names, len(boxes), f"scenes[{i}] labels")
            colours = [class_colour(int(label)) for label in labels or [1] * len(boxes)]
            height = side * pixels.shape[0] / pixels.shape[1]
            left = gap + column * (side + gap)
            below = sum(panels[row + 1 :]) + (rows - 1 - row) * (gap + head)
            bottom = foot + below + gap + panels[row] - height
            axes = blank_axes(drawing, (left, bottom, side, height))
            show_image(axes, pixels)
            truth = boxes_array(target.get("reference", np.zeros((0, 4))), f"scenes[{i}] reference")
            _boxes_on_axes(axes, boxes, captions, colours, line=line, font=7.8, reference=truth)
            if titles:
                axes.set_title(titles[i], pad=4, fontsize=10.5)
        if with_truth:
            line_key(drawing, (("box", "solid", MUTED), ("ground truth", (0, (3, 2)), INK)))
        return finish(drawing, alt)
