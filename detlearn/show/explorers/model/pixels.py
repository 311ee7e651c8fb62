"""Drawing for pictures that follow a slider: Pillow, a few milliseconds, no matplotlib figure."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from detlearn.show.canvas import INK

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageDraw import ImageDraw

__all__ = [
    "arrow", "colours_of", "dashed_rectangle", "encode_png", "font", "outline", "tag", "wrapped",
]  # fmt: skip


@cache
def font(size: int, bold: bool = False) -> Any:
    """DejaVu Sans, as in every figure of the course.

    Args:
        size: px.
        bold: heavier.

    Returns:
        A Pillow font; its own where matplotlib's files are missing.

    >>> font(12).getbbox("a")[2] > 0
    True
    """
    from PIL import ImageFont

    try:
        import matplotlib

        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        return ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts/ttf", name)), size)
    except (ImportError, OSError):
        return ImageFont.load_default()


@cache
def _viridis() -> np.ndarray:
    import matplotlib

    table = matplotlib.colormaps["viridis"](np.linspace(0, 1, 256))[:, :3]
    return (table * 255).round().astype(np.uint8)


def colours_of(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Numbers as colours from dark to light; the order survives a colour-blind eye and grey print.

    Args:
        values: ``(H, W)``.
        low: becomes the darkest.
        high: becomes the lightest; all is dark if it is not above `low`.

    Returns:
        ``(H, W, 3)`` uint8.

    >>> colours_of(np.array([[0.0, 1.0]]), 0.0, 1.0).shape
    (1, 2, 3)
    """
    span = high - low
    unit = (values - low) / span if span > 0 else np.zeros_like(values)
    return _viridis()[(np.nan_to_num(unit).clip(0, 1) * 255).round().astype(np.uint8)]


def outline(
    pen: ImageDraw, box: Sequence[float], colour: str, width: int = 2, halo: str = "white"
) -> None:
    """A rectangle that stays visible on anything: coloured, between two thin white lines.

    Args:
        pen: of the picture.
        box: xyxy, px.
        colour: of the line.
        width: px.
        halo: colour of the thin lines.
    """
    x1, y1, x2, y2 = _sorted(box)
    pen.rectangle((x1 - width, y1 - width, x2 + width, y2 + width), outline=halo, width=1)
    pen.rectangle((x1 - width + 1, y1 - width + 1, x2 + width - 1, y2 + width - 1),
                  outline=colour, width=width)  # fmt: skip
    if x2 - x1 > 3 and y2 - y1 > 3:
        pen.rectangle((x1 + 1, y1 + 1, x2 - 1, y2 - 1), outline=halo, width=1)


def dashed_rectangle(
    pen: ImageDraw, box: Sequence[float], colour: str, width: int = 2, dash: int = 7
) -> None:
    """The same with gaps.

    Args:
        pen: of the picture.
        box: xyxy, px.
        colour: of the dashes.
        width: px.
        dash: length of a dash and of a gap, px.
    """
    x1, y1, x2, y2 = _sorted(box)
    for grow, ink, length in ((1, "white", dash + 2), (0, colour, dash)):
        shift = (length - dash) / 2
        for start, end, across in ((x1, x2, y1), (x1, x2, y2)):
            place = start
            while place < end:
                stop = min(place + length - shift, end)
                pen.line((place - shift, across, stop, across), ink, width + 2 * grow)
                place += 2 * dash
        for start, end, across in ((y1, y2, x1), (y1, y2, x2)):
            place = start
            while place < end:
                stop = min(place + length - shift, end)
                pen.line((across, place - shift, across, stop), ink, width + 2 * grow)
                place += 2 * dash


def _sorted(box: Sequence[float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (round(v) for v in box)
    return min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)


def tag(
    pen: ImageDraw,
    place: tuple[float, float],
    words: str,
    *,
    ink: str = "white",
    paper: str = "#1B1F24",
    size: int = 12,
    inside: tuple[float, float, float, float] | None = None,
) -> None:
    """A few words on a plate.

    Args:
        pen: of the picture.
        place: left and top of the plate, px.
        words: one line.
        ink: colour of the words.
        paper: colour of the plate.
        size: of the type, px.
        inside: xyxy, px: the plate is moved until it lies in there.
    """
    letters = font(size, bold=True)
    width, height = pen.textlength(words, font=letters) + 6, size + 5
    x, y = place
    if inside is not None:
        x = min(max(x, inside[0]), inside[2] - width)
        y = min(max(y, inside[1]), inside[3] - height)
    pen.rectangle((x, y, x + width, y + height), fill=paper)
    pen.text((x + 3, y + height / 2), words, fill=ink, font=letters, anchor="lm")


def encode_png(picture: PillowImage) -> bytes:
    """A picture of at most 255 colours as PNG: quick to make, quick to send.

    Args:
        picture: RGB.

    Returns:
        The bytes of the file.

    >>> from PIL import Image
    >>> encode_png(Image.new("RGB", (4, 4)))[1:4]
    b'PNG'
    """
    from PIL import Image

    buffer = io.BytesIO()
    reduced = picture.quantize(255, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    reduced.save(buffer, format="PNG", compress_level=4)
    return buffer.getvalue()


def wrapped(pen: Any, words: str, place: tuple[int, int], width: int) -> None:
    """Words on as many lines as a column of `width` px needs."""
    letters, line, (x, y) = font(15), "", place
    for word in words.split():
        if line and pen.textlength(f"{line} {word}", font=letters) > width:
            pen.text((x, y), line, fill=INK, font=letters)
            line, y = "", y + 22
        line = f"{line} {word}".strip()
    pen.text((x, y), line, fill=INK, font=letters)


def arrow(pen: Any, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A line with a dot where it starts and a head where it ends, on a white under-stroke."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = math.hypot(dx, dy)
    for grow, ink in ((3, "white"), (0, INK)):
        r = 3 + grow / 2
        pen.ellipse((start[0] - r, start[1] - r, start[0] + r, start[1] + r), fill=ink)
        if length < 6:
            continue
        pen.line((*start, *end), ink, 2 + grow)
        ux, uy = dx / length, dy / length
        back = min(10.0, length)
        for sign in (-1, 1):
            tip = (end[0] - back * (ux - sign * 0.5 * uy), end[1] - back * (uy + sign * 0.5 * ux))
            pen.line((*end, *tip), ink, 2 + grow)
