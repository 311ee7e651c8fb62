"""Pictures with what was found in them, for the command line: whole files, at a readable size."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from detlearn.files import write_atomically
from detlearn.show.canvas import boxes_array, class_colour, image_array, ink_on
from detlearn.show.figures.boxes import captions_of, numbers_of

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageDraw import ImageDraw as Pen

__all__ = ["save_detections"]

SMALL, READABLE = 400, 640
"""Where the shorter side has fewer pixels than the first, labels leave no room for the picture; it
becomes at least as many as the second."""
LONGEST = 4096
"""Pixels of the longer side beyond which no picture is enlarged."""

Rectangle = tuple[float, float, float, float]  # xyxy, px


def save_detections(
    image: Any,
    detections: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    class_names: Sequence[str] | None = None,
    enlarge: bool = False,
) -> Path:
    """Write the image with its detections drawn in, in one step.

    The file appears whole or not at all (written beside, then renamed).

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image.
        detections: see `annotate`.
        path: a file name ending in .png, .jpg, .jpeg, .webp or another that Pillow writes.
        class_names: names by label, background at 0.
        enlarge: a small image is enlarged, so that labels leave room for it; else it keeps its
            own size.

    Returns:
        The path.

    Raises:
        ValueError: an ending that is no picture format, or shapes that do not fit.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     out = save_detections(torch.zeros(3, 8, 8), {"boxes": []}, Path(folder) / "empty.png")
    ...     out.name
    'empty.png'
    """
    from PIL import Image

    path = Path(path)
    formats = Image.registered_extensions()
    suffix = path.suffix.lower()
    if formats.get(suffix) not in Image.SAVE:
        raise ValueError(
            f"path: expected a picture file such as {path.with_suffix('.png').name}, "
            f"got {path.name!r}"
        )
    picture = annotate(image, detections, class_names=class_names, enlarge=enlarge)
    content = io.BytesIO()
    options = {"quality": 92} if formats[suffix] in ("JPEG", "WEBP") else {}
    picture.save(content, format=formats[suffix], **options)
    write_atomically(path, content.getvalue())
    return path


def annotate(
    image: Any,
    detections: Mapping[str, Any],
    *,
    class_names: Sequence[str] | None = None,
    enlarge: bool = False,
) -> PillowImage:
    """The image with its detections drawn in: thin boxes, labels beside them, key points.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image.
        detections: "boxes" (D, 4) xyxy px of the image; "labels" and "scores" (D,) if known, and
            "keypoints" (D, J, 3) x, y in px and whether the point is there.
        class_names: names by label, background at 0.
        enlarge: see `save_detections`.

    Returns:
        RGB, of the image's size or, enlarged, of a multiple of it.

    Raises:
        ValueError: shapes that do not fit.

    >>> annotate(torch.zeros(3, 100, 200), {"boxes": [[10, 10, 50, 50]]}, enlarge=True).size
    (1400, 700)
    """
    from PIL import Image, ImageDraw

    picture = Image.fromarray(image_array(image))
    boxes = boxes_array(detections["boxes"], "detections['boxes']")
    labels = numbers_of(detections.get("labels"), len(boxes), "detections['labels']")
    scores = numbers_of(detections.get("scores"), len(boxes), "detections['scores']")
    points = _points_array(detections.get("keypoints"), len(boxes))
    captions = captions_of(labels, scores, class_names, len(boxes), "detections['labels']")
    colours = [class_colour(int(label)) for label in labels or [1] * len(boxes)]
    times = _times(picture.size) if enlarge else 1
    if times > 1:
        size = (picture.width * times, picture.height * times)
        picture = picture.resize(size, Image.Resampling.BICUBIC)
        boxes, points = boxes * times, points * [times, times, 1]
    corners = [
        (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)) for x1, y1, x2, y2 in boxes.tolist()
    ]
    pen = ImageDraw.Draw(picture)
    # Weakest first, so that the best detection is drawn on top.
    order = sorted(range(len(boxes)), key=lambda i: scores[i] if scores else -i)
    line = max(1, round(min(picture.size) / 400))
    for i in order:
        _draw_box(pen, corners[i], colours[i], line)
    for i in order:
        _draw_points(pen, points[i], colours[i], 2 * line)
    _draw_captions(pen, picture.size, corners, captions, colours, order[::-1])
    return picture


def _times(size: tuple[int, int]) -> int:
    """How many times as large a picture of this size becomes."""
    if min(size) >= SMALL:
        return 1
    return max(1, min(math.ceil(READABLE / min(size)), LONGEST // max(size)))


def _points_array(points: Any, count: int) -> np.ndarray:
    if points is None:
        return np.zeros((count, 0, 3))
    array = torch.as_tensor(points).detach().cpu().double().numpy()
    if array.ndim != 3 or len(array) != count or array.shape[2] != 3:
        raise ValueError(
            f"detections['keypoints']: expected (D, J, 3) with D = {count}, got {array.shape}"
        )
    return array


def _draw_box(pen: Pen, box: Rectangle, colour: str, line: int) -> None:
    """A coloured line with a white one on either side of it: seen on every picture."""
    x1, y1, x2, y2 = box
    pen.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline="white", width=line + 2)
    pen.rectangle(box, outline=colour, width=line)


def _draw_points(pen: Pen, points: np.ndarray, colour: str, radius: int) -> None:
    for x, y, there in points.tolist():
        if there:
            r = radius + 1
            pen.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="white")


# ---------------------------------------------------------------- captions
def _draw_captions(
    pen: Pen,
    size: tuple[int, int],
    boxes: Sequence[Rectangle],
    captions: Sequence[str],
    colours: Sequence[str],
    order: Sequence[int],
) -> None:
    """Captions beside their boxes; the first in order chooses its place first."""
    font = _font(max(11, round(min(size) / 40)))
    placed: list[Rectangle] = []
    for i in order:
        if not captions[i]:
            continue
        left, top, right, bottom = pen.textbbox((0, 0), captions[i], font=font)
        w, h = right - left + 6, bottom - top + 6
        places = [_inside(place, size) for place in _places(boxes[i], w, h)]
        others = [box for j, box in enumerate(boxes) if j != i]
        # A caption hides another one, its object, or a part of another object: in this order.
        costs = [
            9 * _overlap(place, placed) + 2 * _overlap(place, [boxes[i]]) + _overlap(place, others)
            for place in places
        ]
        place = places[costs.index(min(costs))]
        placed.append(place)
        pen.rectangle(place, fill=colours[i], outline="white")
        origin = (place[0] + 3 - left, place[1] + 3 - top)
        pen.text(origin, captions[i], fill=ink_on(colours[i]), font=font)


def _font(size: int) -> Any:
    from PIL import ImageFont

    try:
        return ImageFont.load_default(size)
    except (OSError, TypeError):  # a Pillow without FreeType has one small bitmap font
        return ImageFont.load_default()


def _places(box: Rectangle, w: float, h: float) -> Iterator[Rectangle]:
    """Where a caption of this size may stand, the best place first: around the box, then in it."""
    x1, y1, x2, y2 = box
    gap = 2
    for x, y in (
        (x1, y1 - h - gap), (x2 - w, y1 - h - gap), (x1, y2 + gap), (x2 - w, y2 + gap),
        (x2 + gap, y1), (x1 - w - gap, y1), (x2 + gap, y2 - h), (x1 - w - gap, y2 - h),
        (x1, y1), (x2 - w, y1), (x1, y2 - h), (x2 - w, y2 - h),
    ):  # fmt: skip
        yield x, y, x + w, y + h


def _inside(place: Rectangle, size: tuple[int, int]) -> Rectangle:
    """The place, moved into the picture."""
    x1, y1, x2, y2 = place
    x = min(max(0.0, x1), max(0.0, size[0] - 1 - (x2 - x1)))
    y = min(max(0.0, y1), max(0.0, size[1] - 1 - (y2 - y1)))
    return x, y, x + x2 - x1, y + y2 - y1


def _overlap(place: Rectangle, others: Sequence[Rectangle]) -> float:
    """Pixels that a place shares with others."""
    return sum(
        max(0.0, min(place[2], x2) - max(place[0], x1))
        * max(0.0, min(place[3], y2) - max(place[1], y1))
        for x1, y1, x2, y2 in others
    )
