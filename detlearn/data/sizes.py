"""The size that annotations give of a picture, held against the picture's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["check_said_size", "only_the_size_is_swapped", "side_length"]


def check_said_size(
    said: tuple[Any, Any], size: tuple[int, int], boxes: Sequence[Sequence[float]], where: str
) -> None:
    """Refuse a picture whose annotations were made for one of another size.

    Sides that are exchanged mean that the boxes may have been drawn before the camera's note
    turned the picture.  They are accepted only if a box proves that they were not: its middle lies
    outside of the size that is said, and all of them lie inside the picture.

    Args:
        said: width and height that the annotations give, px; anything else than two numbers above
            0 says nothing.
        size: width and height of the picture, upright, px.
        boxes: its boxes, xyxy px, as written.
        where: what the message calls the picture.

    Raises:
        ValueError: another size, or exchanged sides.

    >>> check_said_size((20, 10), (10, 20), [], "a.png")
    Traceback (most recent call last):
        ...
    ValueError: a.png: the picture has 10 x 20 px when upright, expected 20 x 10 as its annotation \
says; its boxes would lie in wrong places
    """
    width, height = map(side_length, said)
    if np.isnan([width, height]).any() or (width, height) == tuple(size):
        return
    swapped = (height, width) == tuple(size)
    if swapped and only_the_size_is_swapped(boxes, size):
        return
    raise ValueError(
        f"{where}: the picture has {size[0]} x {size[1]} px{' when upright' if swapped else ''}, "
        f"expected {width:g} x {height:g} as its annotation says; its boxes would lie in wrong "
        "places"
    )


def only_the_size_is_swapped(boxes: Sequence[Sequence[float]], size: tuple[int, int]) -> bool:
    """Whether the boxes can only belong to the picture as it is, not to one on its side.

    Args:
        boxes: xyxy px, as written.
        size: width and height of the picture, upright, px.

    >>> only_the_size_is_swapped([(15, 2, 18, 6)], (20, 10))
    True
    """
    width, height = size
    if not len(boxes):
        return False
    x1, y1, x2, y2 = np.asarray(boxes, dtype=np.float64).reshape(-1, 4).T
    inside = (x1 >= -1) & (y1 >= -1) & (x2 <= width + 1) & (y2 <= height + 1)
    beyond = ((x1 + x2) / 2 > height) | ((y1 + y2) / 2 > width)
    return bool(inside.all() and beyond.any())


def side_length(value: Any) -> float:
    """A width or height as a number; NaN where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
    return number if 0 < number < float("inf") else float("nan")
