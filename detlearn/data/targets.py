"""What a data set says about one image: checked once, at the border."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import ConcatDataset, Dataset
from torchvision import tv_tensors

from ..boxes import check_boxes
from .listing import Listing, Skipped, join_listings

__all__ = ["BadBoxes", "BoxesSkipped", "Cached", "Joined", "OnBad", "check_target",
           "clip_corners", "collate", "has_area", "make_target"]  # fmt: skip

OnBad = Literal["error", "skip"]
"""What a loader does with a box that nothing can be learned from."""

Target = dict[str, Any]


def make_target(
    boxes: Sequence[Sequence[float]], labels: Sequence[int], size: tuple[int, int], image_id: int,
    **per_box: Tensor,
) -> Target:  # fmt: skip
    """Torchvision's dict for one image.

    Args:
        boxes: G boxes xyxy, px.
        labels: G labels, from 1.
        size: ``(height, width)`` of the image, px.
        image_id: an integer of any size.
        per_box: more entries with one row for each box (``iscrowd``, ``area``, …).

    Returns:
        ``boxes`` (`tv_tensors.BoundingBoxes`, float32), ``labels`` int64, ``image_id``, and the
        further entries.

    Raises:
        ValueError: a box of more or fewer than four numbers.

    >>> make_target([], [], (8, 8), 0)["boxes"].shape
    torch.Size([0, 4])
    """
    if any(len(box) != 4 for box in boxes):
        raise ValueError(f"image {image_id}: expected boxes of four numbers, got {boxes!r:.80}")
    corners = torch.tensor(list(boxes), dtype=torch.float32).reshape(-1, 4)  # (G, 4)
    return {
        "boxes": tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=size),
        "labels": torch.tensor(list(labels), dtype=torch.int64),
        "image_id": int(image_id),
        **per_box,
    }


def check_target(
    target: Mapping[str, Any], size: tuple[int, int], num_classes: int | None, name: str
) -> None:
    """Refuse a target that would poison training.

    Args:
        target: with ``boxes`` and ``labels``.
        size: ``(height, width)`` of its image, px.
        num_classes: K, background included; None if it is not known.
        name: what the message calls it.

    Raises:
        ValueError: naming the target, the box, what was expected and what came.

    >>> check_target(make_target([(0, 0, 4, 4)], [1], (8, 8), 0), (8, 8), 9, "scene 0")
    """
    if not isinstance(target, Mapping) or not {"boxes", "labels"} <= target.keys():
        got = sorted(target) if isinstance(target, Mapping) else type(target).__name__
        raise ValueError(f"{name}: expected the keys 'boxes' and 'labels', got {got}")
    check_boxes(target["boxes"], target["labels"], size=size, num_classes=num_classes, name=name)


def clip_corners(
    box: Sequence[float], width: float, height: float
) -> tuple[float, float, float, float]:
    """A box as it is within its image.

    Args:
        box: x1, y1, x2, y2, px.
        width: of the image, px; infinite where nobody knows it.
        height: likewise.

    Returns:
        x1, y1, x2, y2, cut at the image's edges.

    >>> clip_corners((-3, 2, 20, 9), 10, 10)
    (0, 2, 10, 9)
    """
    x1, y1, x2, y2 = box
    return max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)


def has_area(box: Sequence[float]) -> bool:
    """Whether anything can be learned from a box: it has an area in float32, as targets keep it.

    Args:
        box: x1, y1, x2, y2, as `clip_corners` returns them.

    Returns:
        True where it has.

    >>> has_area((0, 0, 4, 4)), has_area((16777216, 0, 16777217, 4))
    (True, False)
    """
    x1, y1, x2, y2 = map(np.float32, box)
    return bool(x1 < x2 and y1 < y2)


class BoxesSkipped(UserWarning):
    """A reader left boxes out; `detlearn.data.border` says the same among its findings."""


class BadBoxes:
    """Counts what a loader passes over, and says so once."""

    def __init__(self, on_bad: OnBad, where: str) -> None:
        if on_bad not in ("error", "skip"):
            raise ValueError(f"on_bad: expected 'error' or 'skip', got {on_bad!r}")
        self.on_bad, self.where = on_bad, where
        self.skipped = Skipped()

    def add(self, sentence: str, picture: str = "") -> None:
        """Refuse a box, or note that it is skipped."""
        if self.on_bad == "error":
            raise ValueError(f"{sentence} (on_bad='skip' leaves such boxes out)")
        self.skipped.first = self.skipped.first or sentence
        self.skipped.count += 1
        if picture not in self.skipped.pictures and len(self.skipped.pictures) < 3:
            self.skipped.pictures.append(picture)

    def report(self) -> None:
        """One warning for all that was skipped."""
        if self.skipped.count:
            warnings.warn(
                f"{self.where}: {self.skipped.count} boxes skipped; the first: "
                f"{self.skipped.first}",
                BoxesSkipped,
                stacklevel=3,
            )


def collate(batch: Sequence[tuple[Tensor, Target]]) -> tuple[Tensor, list[Target]]:
    """Images of one size into a batch; targets, of different lengths, into a list.

    Args:
        batch: items of a data set, at least one.

    Returns:
        ``(B, 3, H, W)``, list of B targets.

    Raises:
        ValueError: the images have different shapes, or there are none.

    >>> collate([(torch.zeros(3, 2, 2), {}), (torch.ones(3, 2, 2), {})])[0].shape
    torch.Size([2, 3, 2, 2])
    """
    shapes = {tuple(image.shape) for image, _ in batch}
    if len(shapes) != 1:
        raise ValueError(
            f"expected images of one shape in a batch, got {sorted(shapes)}; resize them first"
        )
    images = torch.stack([image.as_subclass(Tensor) for image, _ in batch])  # (B, C, H, W)
    return images, [target for _, target in batch]


class Cached(Dataset):
    """A data set kept in memory: drawn or read once, transformed anew every time.

    Args:
        dataset: items ``(image, target)``.
        transform: called with image and target of every item that is asked for.

    >>> cached = Cached([(torch.zeros(3, 2, 2), {"image_id": 7})])
    >>> cached[0][1]["image_id"]
    7
    """

    def __init__(self, dataset: Any, transform: Any = None) -> None:
        self.class_names = getattr(dataset, "class_names", None)
        if hasattr(dataset, "listing"):  # for the border
            self.listing = dataset.listing
        self.transform = transform
        self.items = [dataset[index] for index in range(len(dataset))]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        image, target = self.items[index]
        target = dict(target)
        return self.transform(image, target) if self.transform else (image, target)


class Joined(ConcatDataset):
    """Data sets of the same classes, one after the other: VOC 2007 and 2012 make "07+12".

    Args:
        datasets: at least one, with ``class_names``.

    Attributes:
        class_names: theirs.

    Raises:
        ValueError: there is none, or one has other classes than the first.

    An item's ``image_id`` is its place in the whole, because places in the parts repeat.

    >>> part = Cached([(torch.zeros(3, 2, 2), {"image_id": 0})])
    >>> both = Joined([part, part])
    >>> len(both), both[1][1]["image_id"]
    (2, 1)
    """

    def __init__(self, datasets: Sequence[Any]) -> None:
        if not datasets:
            raise ValueError("datasets: expected at least one, got none")
        self.class_names = datasets[0].class_names
        for number, dataset in enumerate(datasets):
            if dataset.class_names != self.class_names:
                raise ValueError(
                    f"datasets[{number}]: expected the classes of the first, {self.class_names}, "
                    f"got {dataset.class_names}"
                )
        super().__init__(datasets)

    def listing(self) -> Listing:
        """All that the parts' readers have understood."""
        parts: Any = self.datasets
        return join_listings([part.listing() for part in parts])

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        image, target = super().__getitem__(index)
        return image, target | {"image_id": range(len(self))[index]}
