"""Pictures of what a face detector finds: a face with its points, panels of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PAGE_WIDTH,
    PURPLE,
    SKY,
    VERMILION,
    blank_axes,
    boxes_array,
    draw_rectangle,
    finish,
    house_style,
    image_array,
    new_figure,
    show_image,
)
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_face", "draw_face_panels"]

MARKS = ("o", "s", "^", "D", "v", "P")
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
DASHES: tuple[Any, ...] = ("solid", (0, (5, 2)), (0, (1, 1.4)), (0, (5, 2, 1, 2)))


def draw_face(
    image: Any,
    box: Any,
    points: Any,
    point_names: Sequence[str],
    *,
    candidates: Any = (),
    zoom: float | None = None,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """A face's box and its key points, and on the left what was there before NMS.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image.
        box: (4,) xyxy, px of `image`.
        points: (J, 2) or (J, 3), x and y first, px of `image`.
        point_names: J names.
        candidates: (N, 4) boxes before NMS, drawn in a panel of their own; none, no panel.
        zoom: show a square around the box of so many times its side; None, the whole picture.
        title: a line above the picture.
        alt: what the picture shows; None, made of the facts.

    Returns:
        The figure.

    Raises:
        ValueError: another number of names than of points, more than six points, or no box.

    >>> draw_face(torch.ones(3, 9, 9), [1, 1, 8, 8], [[4, 4]], ["nose"], alt="A box and a nose.")
    Figure: A box and a nose.
    """
    pixels = image_array(image)
    outline = boxes_array(torch.as_tensor(box)[None], "box")[0]
    spots = np.asarray(torch.as_tensor(points, dtype=torch.float64))
    if spots.ndim != 2 or spots.shape[1] not in (2, 3) or not 1 <= len(spots) <= len(MARKS):
        raise ValueError(f"points: expected (J, 2) or (J, 3), J from 1 to 6, got {spots.shape}")
    if len(point_names) != len(spots):
        raise ValueError(f"point_names: expected {len(spots)} of them, got {len(point_names)}")
    before = boxes_array(candidates, "candidates")
    panels = 2 if len(before) else 1
    if alt is None:
        alt = f"A square box around a face, and its key points: {', '.join(point_names)}."
        if len(before):
            alt += f" Beside it the {len(before)} boxes that were there before NMS."
    height, width = pixels.shape[:2] if zoom is None else (1, 1)
    key, gap = 1.25, 0.12
    wide = min(3.0, (PAGE_WIDTH - key - gap * (panels + 1)) / panels)
    tall = wide * height / width
    top = 0.58 if title else 0.3
    with house_style():
        drawing = new_figure(panels * (wide + gap) + gap + key, tall + top + 0.06)
        for panel in range(panels):
            axes = blank_axes(drawing, (gap + panel * (wide + gap), 0.06, wide, tall))
            show_image(axes, pixels)
            if zoom is not None:
                _look_at(axes, outline, zoom)
            if panel < panels - 1:
                for k, (x1, y1, x2, y2) in enumerate(before):
                    corners = ([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1])
                    axes.plot(*corners, color=COLOURS[k % len(COLOURS)], linewidth=1.4)
                axes.set_title(f"before NMS: {len(before)} boxes", fontsize=10.5, pad=5)
                continue
            draw_rectangle(axes, outline, BLUE, 2.4)
            for (x, y, *_), mark, name in zip(spots, MARKS, point_names, strict=False):
                axes.plot(
                    x, y, mark, markersize=7, markerfacecolor="white", markeredgecolor=INK,
                    markeredgewidth=1.5, linestyle="none", label=name, zorder=4,
                )  # fmt: skip
            axes.set_title("answer" if panels > 1 else "", fontsize=10.5, pad=5)
            axes.legend(
                loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=9.5,
                borderaxespad=0, handletextpad=0.2,
            )  # fmt: skip
        return finish(drawing, alt, title=title)


def _look_at(axes: Axes, box: np.ndarray, zoom: float) -> None:
    (x, y), half = (box[:2] + box[2:]) / 2, zoom * (box[2] - box[0]) / 2
    axes.set_xlim(x - half, x + half)
    axes.set_ylim(y + half, y - half)


def draw_face_panels(
    panels: Sequence[tuple[str, Any, Any]],
    *,
    truth: Any = None,
    title: str | None = None,
    alt: str | None = None,
) -> Figure:
    """Small pictures in rows, each with the boxes that were found in it.

    Args:
        panels: (words, image, boxes (N, 4) xyxy px of that image); up to 12.
        truth: (4,) a box drawn dashed into every picture, px of each.
        title: a line above the pictures.
        alt: what the picture shows; None, made of the facts.

    Returns:
        The figure: at most six pictures a row, their words above them.

    Raises:
        ValueError: no panel, or more than 12.

    >>> draw_face_panels([("nothing", torch.zeros(3, 8, 8), [])], alt="A black square.")
    Figure: A black square.
    """
    if not 1 <= len(panels) <= 12:
        raise ValueError(f"panels: expected 1 to 12, got {len(panels)}")
    if alt is None:
        names = ", ".join(words.replace("\n", " ") for words, *_ in panels)
        alt = f"Pictures, and the boxes found in them: {names}."
    columns = min(6, len(panels) if len(panels) <= 6 else -(-len(panels) // 2))
    rows = -(-len(panels) // columns)
    gap, lines = 0.1, 1 + max(words.count("\n") for words, *_ in panels)
    side = min(1.9, (PAGE_WIDTH - gap * (columns + 1)) / columns)
    head, top = 0.08 + 0.19 * lines, 0.34 if title else 0.04
    tall = rows * (side + head) + top + 0.06
    with house_style():
        drawing = new_figure(columns * (side + gap) + gap, tall)
        for k, (words, image, boxes) in enumerate(panels):
            row, column = divmod(k, columns)
            low = tall - top - (row + 1) * (side + head)
            pixels = image_array(image)
            h, w = (length / max(pixels.shape[:2]) * side for length in pixels.shape[:2])
            left = gap + column * (side + gap)
            axes = blank_axes(drawing, (left + (side - w) / 2, low + (side - h) / 2, w, h))
            show_image(axes, pixels)
            if truth is not None:
                draw_rectangle(axes, boxes_array([truth], "truth")[0], INK, 1.4, (0, (4, 2)))
            for box in boxes_array(boxes, "boxes"):
                draw_rectangle(axes, box, VERMILION, 2.0)
            drawing.text(
                (left + side / 2) / drawing.get_size_inches()[0], (low + side + 0.05) / tall,
                words, ha="center", va="bottom", fontsize=10, linespacing=1.15,
            )  # fmt: skip
        return finish(drawing, alt, title=title)
