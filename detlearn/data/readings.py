"""Numbers of another kind than the layout's: corners for sizes, centres for corners, y before x."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TELLING", "are_fractions", "fit", "other_readings"]

TELLING = 0.1
"""If more boxes than this share leave their pictures, the four numbers may be something else."""

WHOLE = 1.1
"""A fraction of a picture's side, with what rounding or a careless hand puts over the edge."""


def are_fractions(boxes: NDArray[np.float64]) -> bool:
    """Whether numbers are no pixels: most boxes lie in parts of the first pixel.

    Most, not all: one that reaches to 1.0001 does not make pixels of the others.

    Args:
        boxes: ``(G, 4)`` xyxy.

    >>> are_fractions(np.array([[0.1, 0.1, 0.5, 0.5], [0.2, 0.2, 0.4, 1.0001]]))
    True
    >>> are_fractions(np.array([[0.0, 0, 1, 1], [4, 6, 20.5, 30]]))  # a box of one pixel
    False
    """
    inside = (boxes <= WHOLE).all(axis=1)  # (G,)
    return bool(2 * inside.sum() > len(boxes) and (boxes[inside] % 1 != 0).any())


def other_readings(
    boxes: NDArray[np.float64], file: str
) -> Iterator[tuple[str, str, str, NDArray[np.float64]]]:
    """What the four numbers of each box may have been.

    Args:
        boxes: ``(G, 4)`` xyxy px, as the layout is read.
        file: what they stand in; a JSON is COCO's and gives widths and heights.

    Yields:
        a word for the kind, what was expected, what it may be, and ``(G, 4)`` xyxy so read.

    >>> readings = other_readings(np.array([[4.0, 6.0, 20.0, 30.0]]), "a.csv")
    >>> [(kind, boxes.tolist()) for kind, *_, boxes in readings]
    [('sizes', [[4.0, 6.0, 24.0, 36.0]]), ('exchanged axes', [[6.0, 4.0, 30.0, 20.0]])]
    """
    first, last = boxes[:, :2], boxes[:, 2:]
    if file.endswith(".json"):
        said, sides = "bbox [x, y, width, height]", last - first
        yield "corners", said, "[x1, y1, x2, y2]", np.hstack([first, sides])
        centred = np.hstack([first - sides / 2, first + sides / 2])
        yield "centres", said, "the centre, width and height", centred
    else:
        said = "corners"
        yield "sizes", said, "x, y, width and height", np.hstack([first, first + last])
    yield "exchanged axes", said, "y before x", boxes[:, [1, 0, 3, 2]]


def fit(
    boxes: NDArray[np.float64], width: NDArray[Any], height: NDArray[Any], slack: float
) -> bool:
    """Whether all boxes have an area, and lie in their pictures.

    Args:
        boxes: ``(G, 4)`` xyxy px.
        width: ``(G,)`` of the picture of each.
        height: likewise.
        slack: px that a box may reach over the edge.
    """
    x1, y1, x2, y2 = boxes.T
    inside = (x1 >= -slack) & (y1 >= -slack) & (x2 <= width + slack) & (y2 <= height + slack)
    return bool((inside & (x1 < x2) & (y1 < y2)).all())
