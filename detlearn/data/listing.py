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

from .sizes import side_length

__all__ = ["Listing", "Skipped", "join_listings", "make_listing"]

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
    known = [[side_length(side) for side in size] for size in sizes]
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
