"""What a reader has understood of its annotations, in arrays: what the border looks at.

Every reader has a method ``listing()``.  Pictures are not opened for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Listing", "Skipped", "check_said_size", "join_listings", "make_listing",
    "only_the_size_is_swapped",
]  # fmt: skip

Floats = NDArray[np.float64]
FIELDS = ("sizes", "boxes", "labels", "ignored", "joints")


@dataclass(slots=True)
class Skipped:
    """Boxes that a reader has left out, because nothing can be learned from them.

    Attributes:
        count: how many.
        first: what is wrong with the first of them, a sentence.
        pictures: the names of their pictures, the first three.
    """

    count: int = 0
    first: str = ""
    pictures: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Listing:
    """Pictures and boxes as annotations give them.

    Attributes:
        file: what the reader has read, for messages.
        class_names: names by label, background first.
        paths: N pictures.
        sizes: ``(N, 2)`` width and height, px, as the annotations say; NaN where they do not.
        owner: ``(G,)`` int64, the picture of each box.
        boxes: ``(G, 4)`` xyxy px, as they were written, not clipped.
        labels: ``(G,)`` int64, from 1.
        ignored: ``(G,)`` bool: crowds, or objects marked difficult; nothing is learned from them.
        ignored_word: what the layout calls those.
        skipped: what the reader left out.
        joints: ``(G,)`` int64, labelled key points of each box; -1 where nobody asked.
        points: ``(G, J, 3)`` the key points, x and y px and visibility; None where nobody asked.
    """

    file: str
    class_names: tuple[str, ...]
    paths: list[Path]
    sizes: Floats
    owner: NDArray[np.int64]
    boxes: Floats
    labels: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    ignored_word: str
    skipped: Skipped
    joints: NDArray[np.int64]
    points: NDArray[np.float32] | None = None


def make_listing(
    file: str | Path, class_names: Sequence[str], paths: Sequence[Path],
    sizes: Sequence[tuple[Any, Any]], rows: Sequence[tuple[int, Sequence[float], int, bool]], *,
    ignored_word: str = "crowds (iscrowd)", skipped: Skipped | None = None,
    joints: Sequence[int] | None = None,
) -> Listing:  # fmt: skip
    """A `Listing` from what a reader has at hand.

    Args:
        file: what was read.
        class_names: names by label, background first.
        paths: the pictures.
        sizes: width and height of each, as the annotations say; what is no number above 0 counts
            as unknown.
        rows: of every box the place of its picture in ``paths``, x1, y1, x2, y2 in px, its label,
            and whether it is a crowd or difficult.
        ignored_word: what the layout calls those.
        skipped: what the reader left out.
        joints: labelled key points of each box.

    >>> found = make_listing("a.csv", ("background", "x"), [Path("a.png")], [(8, None)], [])
    >>> found.sizes.tolist(), found.boxes.shape
    ([[8.0, nan]], (0, 4))
    """
    known = [[_side(side) for side in size] for size in sizes]
    return Listing(
        file=str(file),
        class_names=tuple(class_names),
        paths=list(paths),
        sizes=np.array(known, dtype=np.float64).reshape(-1, 2),
        owner=np.array([row[0] for row in rows], dtype=np.int64),
        boxes=np.array([row[1] for row in rows], dtype=np.float64).reshape(-1, 4),
        labels=np.array([row[2] for row in rows], dtype=np.int64),
        ignored=np.array([row[3] for row in rows], dtype=np.bool_),
        ignored_word=ignored_word,
        skipped=skipped or Skipped(),
        joints=np.full(len(rows), -1) if joints is None else np.array(joints, dtype=np.int64),
    )


def join_listings(parts: Sequence[Listing]) -> Listing:
    """Listings of the same classes, one after the other.

    Args:
        parts: at least one.
    """
    first = parts[0]
    starts = np.cumsum([0, *(len(part.paths) for part in parts)])
    arrays = {name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS}
    owner = [part.owner + start for part, start in zip(parts, starts, strict=False)]
    skipped = Skipped(
        sum(part.skipped.count for part in parts),
        next((part.skipped.first for part in parts if part.skipped.first), ""),
        [name for part in parts for name in part.skipped.pictures][:3],
    )
    return Listing(
        file=", ".join(part.file for part in parts), class_names=first.class_names,
        paths=[path for part in parts for path in part.paths], owner=np.concatenate(owner),
        ignored_word=first.ignored_word, skipped=skipped, **arrays,
    )  # fmt: skip


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
    width, height = map(_side, said)
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


def _side(value: Any) -> float:
    """A width or height as a number; NaN where it is none."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")
    return number if 0 < number < float("inf") else float("nan")
