"""A data set as its files are, beside what its annotations say; and what is worth a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .headers import Header, read_headers
from .listing import Listing

__all__ = ["SLOPPY", "Finding", "Split", "Survey", "finding_about", "survey"]

Split = Literal["train", "val"]
SLOPPY = 1.0
"""px that a box may reach out of its picture before it is worth a line: roundings do."""

Sample = tuple[Path, tuple[tuple[float, ...], ...]]


@dataclass(frozen=True, slots=True)
class Finding:
    """What somebody should know about their data before it is trained on.

    Attributes:
        kind: one word.
        text: one sentence: which split, how many of how many, the first three names.
        refused: whether training would be wrong or fail.
        samples: pictures that show it, and its boxes on each, xyxy px; for `detlearn check`.
    """

    kind: str
    text: str
    refused: bool = False
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True)
class Survey:
    """A reader's listing beside the heads of its pictures.

    Attributes:
        split: ``"train"`` or ``"val"``.
        listing: what the annotations say.
        headers: what the files say, one for each picture.
        sizes: ``(N, 2)`` width and height of the pictures, upright, px; NaN where unreadable.
    """

    split: Split
    listing: Listing
    headers: list[Header]
    sizes: NDArray[np.float64]

    @property
    def used(self) -> NDArray[np.bool_]:
        """``(G,)`` which boxes something is learned from."""
        return ~self.listing.ignored & (self.listing.joints != 0)


def survey(dataset: Any, split: Split) -> Survey | None:
    """Look at a data set without decoding a picture.

    Args:
        dataset: of a reader, or made of such.
        split: what it is for.

    Returns:
        a `Survey`; None for data that have no files (Shapes).
    """
    if not hasattr(dataset, "listing"):
        return None
    listing = dataset.listing()
    headers = read_headers(listing.paths)
    sides = [(h.width, h.height) if not h.problem else (np.nan, np.nan) for h in headers]
    return Survey(split, listing, headers, np.array(sides, dtype=np.float64).reshape(-1, 2))


def finding_about(
    seen: Survey, kind: str, text: str, pictures: Sequence[int] | NDArray[np.int64],
    boxes: NDArray[np.float64] | None = None, refused: bool = False,
) -> Finding:  # fmt: skip
    """A finding about pictures, some of which are shown with the boxes that are meant.

    Args:
        seen: of `survey`.
        kind: one word.
        text: what is found, without the names of the pictures.
        pictures: the place of each, as often as it is meant.
        boxes: ``(G, 4)`` xyxy px, one for each of ``pictures``; None for all that they have.
        refused: whether training would be wrong or fail.
    """
    order = list(dict.fromkeys(map(int, pictures)))
    paths = seen.listing.paths
    names = ", ".join(paths[n].name for n in order[:3]) + (", ..." if order[3:] else "")
    samples = []
    for n in order[:3]:
        if seen.headers[n].problem:
            continue
        if boxes is None:
            shown = seen.listing.boxes[seen.listing.owner == n]
        else:
            shown = boxes[np.asarray(pictures) == n]
        samples.append((paths[n], tuple(map(tuple, shown[:50].tolist()))))
    prefix = "" if text.startswith(f"{seen.split}:") else f"{seen.split}: "
    return Finding(kind, f"{prefix}{text}: {names}", refused, tuple(samples))
