"""Boxes in YOLO's form: a text file beside every picture, a row for every object."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .compact import Paths, Ragged
from .files import read_lines
from .headers import read_headers
from .images import read_image
from .listing import Listing, make_listing
from .targets import BadBoxes, OnBad, Target, check_target, clip_corners, has_area, make_target

__all__ = ["YoloDetectionDataset"]

ROW = np.dtype([("box", "f8", 4), ("label", "i8"), ("row", "i8")])
SLACK = 0.01
"""Of the picture's side: so far over the edge may rounding take a box."""

MOST_OUTSIDE = 0.2
"""More boxes over the edge than this share, and the four numbers are something else."""


class YoloDetectionDataset(Dataset):
    """Images and boxes of pictures with a text file each: ``class cx cy w h``.

    ``class`` counts from 0, in the order of the names; the centre, width and height of the box are
    fractions of the picture's width and height.  The picture is the upright one.  A row of a class
    and an outline, ``class x1 y1 x2 y2 x3 y3 ...``, becomes the box around it, and that is said; so
    are boxes that leave their pictures and are cut.  If every row may also be a box and key points
    in it, that is said, or refused where they have marks of visibility.

    Args:
        images: N pictures.
        labels: the text file of each.  A picture without its file has no objects, and is counted.
        class_names: names by label, background first.
        transform: called with image and target.
        listed: what messages call the whole.
        keypoint_numbers: so many numbers of key points follow a box; they are passed over.
        on_bad: ``"error"`` refuses a box without area in its picture, ``"skip"`` leaves it out with
            a warning.

    Attributes:
        class_names: names by label, ``"background"`` first.
        images: path of every picture.

    Raises:
        ValueError: naming file and row (from 1), what was expected and what came; all files are
            missing; the numbers are no fractions, or no centres and sizes.

    Items are ``(uint8 (3, H, W), target)`` with ``boxes`` xyxy px, ``labels``, ``image_id`` (the
    picture's place), ``area``, ``iscrowd`` and the image's ``name``.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as name:
    ...     picture, label = Path(name, "a.png"), Path(name, "a.txt")
    ...     Image.new("RGB", (20, 10)).save(picture)
    ...     _ = label.write_text("0 0.5 0.5 0.2 1\\n")
    ...     dataset = YoloDetectionDataset([picture], [label], ("background", "coin"))
    ...     dataset[0][1]["boxes"].tolist()
    [[8.0, 0.0, 12.0, 10.0]]
    """

    def __init__(
        self,
        images: Sequence[Path],
        labels: Sequence[Path],
        class_names: Sequence[str],
        transform: Callable[..., Any] | None = None,
        *,
        listed: str | Path = "labels",
        keypoint_numbers: int = 0,
        on_bad: OnBad = "error",
    ) -> None:
        self.class_names, self.transform, self.listed = tuple(class_names), transform, str(listed)
        if self.class_names[:1] != ("background",):
            raise ValueError(
                f"class_names: expected 'background' as the first, got {self.class_names}"
            )
        self.images, self.labels = Paths(images), Paths(labels)
        if len(self.images) != len(self.labels):
            raise ValueError(f"labels: expected {len(images)}, got {len(labels)}")
        self.keypoint_numbers, self.outlines = keypoint_numbers, 0
        self.may_be: set[tuple[int, int]] | None = None  # key points of every outline, perhaps
        self.bad = BadBoxes(on_bad, self.listed)
        there = [file.is_file() for file in labels]
        bare = [picture.name for picture, one in zip(images, there, strict=True) if not one]
        if images and len(bare) == len(images):
            raise ValueError(
                f"{self.listed}: none of {len(bare)} pictures has its text file; expected "
                f"{labels[0]} for {images[0]}"
            )
        self.rows = Ragged.of(
            (self._read(file) if one else [] for file, one in zip(labels, there, strict=True)), ROW
        )
        self._say(bare)
        self.bad.report()

    def _read(self, file: Path) -> list[tuple[tuple[float, ...], int, int]]:
        """Box (centre and size), label and row of every object of a file."""
        found = []
        for number, line in enumerate(read_lines(file), start=1):
            where = f"{file}: row {number}"
            words = line.split()
            try:
                kind, *numbers = (float(word) for word in words)
            except ValueError:
                raise ValueError(
                    f"{where}: expected numbers, class cx cy w h, got {line!r:.80}"
                ) from None
            label = self._label(kind, where)
            box = self._box(numbers, where)
            if not all(map(math.isfinite, box)) or box[2] <= 0 or box[3] <= 0:
                self.bad.add(
                    f"{where}: expected a finite box of a width and height above 0, "
                    f"got {line!r:.80}", file.stem
                )  # fmt: skip
            else:
                found.append((box, label, number))
        return found

    def _label(self, kind: float, where: str) -> int:
        last = len(self.class_names) - 2
        if not kind.is_integer() or not 0 <= kind <= last:
            names = ", ".join(self.class_names[1:])
            raise ValueError(
                f"{where}: expected a class from 0 to {last} ({names:.200}), counted from 0, got "
                f"{kind:g}"
            )
        return int(kind) + 1

    def _box(self, numbers: list[float], where: str) -> tuple[float, ...]:
        """Centre and size, as written, or of the box around an outline."""
        if len(numbers) == 4 + self.keypoint_numbers:
            return tuple(numbers[:4])
        if self.keypoint_numbers or len(numbers) < 6 or len(numbers) % 2:
            more = (
                f" and {self.keypoint_numbers} of key points"
                if self.keypoint_numbers
                else ", or an outline of three points or more; for key points, data.yaml needs "
                "kpt_shape"
            )
            raise ValueError(
                f"{where}: expected four numbers behind the class{more}, got {len(numbers)}"
            )
        self.outlines += 1
        shapes = _shapes_of(numbers)
        self.may_be = shapes if self.may_be is None else self.may_be & shapes
        x, y = numbers[::2], numbers[1::2]
        sides = max(x) - min(x), max(y) - min(y)
        return ((min(x) + max(x)) / 2, (min(y) + max(y)) / 2, *sides)

    def _say(self, bare: Sequence[str]) -> None:
        """Refuse numbers that are something else; say what was understood, and what was cut."""
        rows = self.rows.rows
        about = self._look_at_outlines(len(rows) + self.bad.skipped.count)
        first, last = _corners(rows["box"], 1, 1)[:, :2], _corners(rows["box"], 1, 1)[:, 2:]
        over = ((first < -SLACK) | (last > 1 + SLACK)).any(axis=1)  # (R,)
        owner = np.repeat(np.arange(len(self.rows)), np.diff(self.rows.ends))
        if over.any():
            place = int(owner[over.argmax()])
            row = rows[over.argmax()]
            where = f"{self.labels[place]}: row {row['row']}"
            got = ", ".join(f"{value:g}" for value in row["box"])
            if (rows["box"] > 1 + SLACK).any(axis=1).mean() > MOST_OUTSIDE:
                raise ValueError(
                    f"{where}: expected fractions of the picture's sides, from 0 to 1, got {got}"
                )
            if over.mean() > MOST_OUTSIDE:
                raise ValueError(
                    f"{where}: expected the box's centre, width and height; {over.sum()} of "
                    f"{len(rows)} boxes would leave their pictures, the first with {got}: corners?"
                )
            pictures = [self.images[n].name for n in dict.fromkeys(owner[over].tolist())]
            self._warn(
                f"{over.sum()} of {len(rows)} boxes leave their pictures and are cut", pictures
            )
        if self.outlines:
            self._warn(about, ())
        if bare:
            self._warn(
                f"{len(bare)} of {len(self.images)} pictures have no text file and count as "
                "pictures without objects", bare
            )  # fmt: skip

    def _look_at_outlines(self, total: int) -> str:
        """What is said of outlines; refuse those that are boxes and key points."""
        text = f"{self.outlines} of {total} rows are outlines; the boxes around them are taken"
        shapes = self.may_be if self.outlines == total else None
        if not shapes:
            return text
        joints, numbers = max(shapes, key=lambda shape: shape[1])
        if numbers == 3:
            raise ValueError(
                f"{self.listed}: expected outlines, or kpt_shape: [{joints}, 3] in data.yaml, got "
                f"{total} rows that all look like a box and {joints} key points in it"
            )
        return (
            f"{text}. Each may also be a box and {joints} key points in it: if so, data.yaml "
            f"needs kpt_shape: [{joints}, 2]"
        )

    def listing(self) -> Listing:
        """What the files say, as `detlearn.data.border` checks it; sizes are the pictures'."""
        sizes = [(header.width, header.height) for header in read_headers(self.images)]
        rows = [
            (place, corners, int(row["label"]), False)
            for place, (found, size) in enumerate(zip(self.rows, sizes, strict=True))
            for corners, row in zip(_corners(found["box"], *size).tolist(), found, strict=True)
        ]
        return make_listing(
            self.listed, self.class_names, self.images, [(None, None)] * len(self.images), rows,
            skipped=self.bad.skipped,
        )  # fmt: skip

    def _warn(self, sentence: str, pictures: Sequence[str]) -> None:
        names = f": {', '.join(pictures[:3])}" if pictures else ""
        warnings.warn(f"{self.listed}: {sentence}{names}", stacklevel=4)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        path, rows = self.images[index], self.rows[index]
        image = read_image(path)
        height, width = image.shape[-2:]
        boxes, labels = [], []
        for corners, row in zip(_corners(rows["box"], width, height).tolist(), rows, strict=True):
            box = clip_corners(corners, width, height)
            if not has_area(box):
                raise ValueError(
                    f"{self.labels[index]}: row {row['row']}: the box lies outside its picture "
                    f"({path.name}, {width} x {height})"
                )
            boxes.append(box)
            labels.append(int(row["label"]))
        target = make_target(
            boxes, labels, (height, width), index,
            area=torch.tensor([float((b[2] - b[0]) * (b[3] - b[1])) for b in boxes]),
            iscrowd=torch.zeros(len(boxes), dtype=torch.int64),
        )  # fmt: skip
        target["name"] = path.name
        check_target(target, (height, width), len(self.class_names), f"{path}")
        return self.transform(image, target) if self.transform else (image, target)


def _shapes_of(numbers: Sequence[float]) -> set[tuple[int, int]]:
    """Joints (2 or more) and numbers a joint, if a row is a box in its picture and points in it."""
    cx, cy, w, h, *rest = numbers
    if not (0 < w <= 2 * min(cx, 1 - cx) + SLACK and 0 < h <= 2 * min(cy, 1 - cy) + SLACK):
        return set()
    found = set()
    for each in (2, 3):
        joints = [rest[n : n + each] for n in range(0, len(rest), each)]
        marks = [joint[2] for joint in joints if len(joint) == 3]
        inside = all(
            (2 * abs(joint[0] - cx) <= w + SLACK and 2 * abs(joint[1] - cy) <= h + SLACK)
            or joint[2:] == [0]  # not labelled
            for joint in joints
            if len(joint) > 1
        )
        if len(rest) % each == 0 and len(joints) > 1 and inside and set(marks) <= {0, 1, 2}:
            found.add((len(joints), each))
    return found


def _corners(boxes: np.ndarray, width: float, height: float) -> np.ndarray:
    """Centres and sizes (N, 4), fractions, as x1, y1, x2, y2 of a picture of that size."""
    sides = np.array([width, height])
    middle, half = boxes[:, :2], boxes[:, 2:] / 2
    return np.concatenate([(middle - half) * sides, (middle + half) * sides], axis=1)
