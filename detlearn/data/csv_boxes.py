"""Your own data: a folder of pictures and a table of boxes, as a spreadsheet saves it."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .finding import find_pictures
from .headers import read_header
from .images import read_image
from .listing import Listing, make_listing
from .readings import are_fractions
from .sizes import check_said_size
from .targets import BadBoxes, OnBad, Target, check_target, clip_corners, has_area, make_target

__all__ = ["CsvDetectionDataset"]

COLUMNS = {
    "image": "filename", "x1": "xmin", "y1": "ymin", "x2": "xmax", "y2": "ymax", "label": "class",
}  # fmt: skip
"""Our name of each column, and what the exports of TensorFlow and Roboflow call it."""


class CsvDetectionDataset(Dataset):
    """Images and boxes of a folder of pictures and one CSV file: a row for every box.

    The first row names the columns, in any order: ``image,x1,y1,x2,y2,label``, or as in the
    exports of TensorFlow and Roboflow ``filename,xmin,ymin,xmax,ymax,class``.  Where there are a
    ``width`` and a ``height``, they must be the picture's; further columns are passed over.
    Commas, semicolons or tabs; spaces around a cell do not count::

        image,x1,y1,x2,y2,label
        a.png,12,20,57,61,coin
        a.png,80,8.5,121,50,coin
        b.png,,,,,

    Coordinates are edges, in pixels: x1 the left edge of the box, x2 its right edge.  A box over
    the whole of a picture 100 px wide goes from 0 to 100, under either name.

    A picture is in the data set if a row names it; one without objects has a row with an empty
    box and label (``b.png``).  Pictures in the folder that no row names are left out: nobody has
    said that there is nothing in them.

    Args:
        image_folder: folder of the pictures.
        csv_file: the table, UTF-8.
        transform: called with image and target.
        class_names: names by label, background first; None takes the names in the file, sorted.
        on_bad: ``"error"`` refuses a box without area in its picture, ``"skip"`` leaves it out
            with a warning.
        other_folders: where the pictures may lie instead.

    Attributes:
        class_names: names by label, ``"background"`` first.
        images: path of every picture, in the order of the file.

    Raises:
        FileNotFoundError: no such table, or no such picture; the row is named.
        ValueError: naming the file, the row (1 is the header), what was expected and what came.

    Items are ``(uint8 (3, H, W), target)`` with ``boxes`` xyxy px, ``labels``, ``image_id`` (the
    picture's place in the file), ``area``, ``iscrowd`` and the image's ``name``.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as name:
    ...     folder = Path(name)
    ...     Image.new("RGB", (20, 10)).save(folder / "a.png")
    ...     _ = (folder / "a.csv").write_text("image,x1,y1,x2,y2,label\\na.png,2,0,20,9,coin\\n")
    ...     dataset = CsvDetectionDataset(folder, folder / "a.csv")
    ...     dataset.class_names, dataset[0][1]["boxes"].tolist()
    (('background', 'coin'), [[2.0, 0.0, 20.0, 9.0]])
    """

    def __init__(
        self,
        image_folder: str | Path,
        csv_file: str | Path,
        transform: Callable[..., Any] | None = None,
        *,
        class_names: Sequence[str] | None = None,
        on_bad: OnBad = "error",
        other_folders: Sequence[Path] = (),
    ) -> None:
        self.file, self.folder, self.transform = Path(csv_file), Path(image_folder), transform
        rows = _read_table(self.file)
        if class_names is None:
            labels = {row["label"] for _, row in rows} - {"", "background"}
            class_names = ("background", *sorted(labels))
        self.class_names = tuple(class_names)
        if self.class_names[:1] != ("background",):
            raise ValueError(
                f"class_names: expected 'background' as the first, got {self.class_names}"
            )
        self.bad = bad = BadBoxes(on_bad, str(self.file))
        objects: dict[Path, list[tuple[int, list[float], int]]] = {}  # row, box, label
        sizes: dict[Path, tuple[int, int]] = {}
        said: dict[Path, tuple[str | None, str | None]] = {}
        paths = find_pictures(
            [row["image"] for _, row in rows], [self.folder, *other_folders],
            [f"{self.file}: row {number}" for number, _ in rows], self.file,
        )  # fmt: skip
        for path, (number, row) in zip(paths, rows, strict=True):
            where = f"{self.file}: row {number}"
            if path not in objects:
                if not path.is_file():
                    raise FileNotFoundError(f"{where}: {path}: no such picture")
                objects[path], sizes[path] = [], _size_of(path)
            _check_size(row, sizes[path], f"{where}: {path.name}")
            said[path] = row.get("width"), row.get("height")
            if (found := self._read(row, where)) is None:
                continue
            x1, y1, x2, y2 = box = found[0]
            if not all(map(math.isfinite, box)) or not (x1 < x2 and y1 < y2):
                bad.add(
                    f"{where}: expected finite numbers, x1 < x2 and y1 < y2, got {box}", path.name
                )
            elif not has_area(clip_corners(box, *sizes[path])) and (size := _leaves(box, path)):
                bad.add(
                    f"{where}: box {box} lies outside its image ({path.name}, {size})", path.name
                )
            else:
                objects[path].append((number, *found))
        bad.report()
        self.images, self.objects = list(objects), list(objects.values())
        self.sizes = [said[path] for path in self.images]
        boxes = [box for found in self.objects for _, box, _ in found]
        if boxes and are_fractions(np.array(boxes)):
            over = sum(max(box) > 1 for box in boxes)
            raise ValueError(
                f"{self.file}: expected pixels, got fractions ({over or 'no'} "
                f"{'boxes go' if over > 1 else 'box goes'} beyond 1)"
            )

    def _read(self, row: dict[str, str], where: str) -> tuple[list[float], int] | None:
        """Box and label of a row; None where it says that there is nothing in the picture."""
        cells, label = [row[side] for side in ("x1", "y1", "x2", "y2")], row["label"]
        if not any(cells) and not label:
            return None
        try:
            box = [float(cell) for cell in cells]
        except ValueError:
            raise ValueError(
                f"{where}: expected four numbers (with a decimal point), or an empty box and "
                f"label, got {cells}"
            ) from None
        if label not in self.class_names[1:]:
            raise ValueError(
                f"{where}: class {label!r} is none of {', '.join(self.class_names[1:])}"
            )
        return box, self.class_names.index(label)

    def listing(self) -> Listing:
        """What the table says, as `detlearn.data.border` checks it."""
        rows = [
            (place, box, label, False)
            for place, objects in enumerate(self.objects)
            for _, box, label in objects
        ]
        return make_listing(
            self.file, self.class_names, self.images, self.sizes, rows, skipped=self.bad.skipped
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        path = self.images[index]
        image = read_image(path)
        height, width = image.shape[-2:]
        rows = self.objects[index]
        check_said_size(
            self.sizes[index], (width, height), [box for _, box, _ in rows],
            f"{self.file}: {path.name}",
        )  # fmt: skip
        boxes = []
        for number, corners, _ in rows:
            box = clip_corners(corners, width, height)
            if not has_area(box):  # the camera was turned
                raise ValueError(
                    f"{self.file}: row {number}: box {corners} lies outside its image "
                    f"({path.name}, {width} x {height})"
                )
            boxes.append(box)
        target = make_target(
            boxes, [label for *_, label in rows], (height, width), index,
            area=torch.tensor([float((b[2] - b[0]) * (b[3] - b[1])) for b in boxes]),
            iscrowd=torch.zeros(len(boxes), dtype=torch.int64),
        )  # fmt: skip
        inside = path.is_relative_to(self.folder)
        target["name"] = path.relative_to(self.folder).as_posix() if inside else path.name
        check_target(target, (height, width), len(self.class_names), f"{self.file}: {path.name}")
        return self.transform(image, target) if self.transform else (image, target)


def _read_table(file: Path) -> list[tuple[int, dict[str, str]]]:
    """Row numbers and cells, under our names of the columns; empty rows are passed over."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such table")
    try:
        text = file.read_text(encoding="utf-8-sig")  # Excel begins with a mark
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected UTF-8 text ({error}); save it as CSV UTF-8") from error
    header = text.partition("\n")[0]
    separator = max(",;\t", key=header.count)
    try:
        table = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator,
                                skipinitialspace=True, strict=True))  # fmt: skip
    except csv.Error as error:
        raise ValueError(f"{file}: not a whole CSV file ({error})") from error
    cells = [[cell.strip() for cell in row] for row in table]
    names = [name.lower() for name in cells[0]] if cells else []
    places = {}
    for ours, theirs in COLUMNS.items():
        found = [place for place, name in enumerate(names) if name in (ours, theirs)]
        if len(found) != 1:
            raise ValueError(
                f"{file}: expected the columns {', '.join(COLUMNS)} (or "
                f"{', '.join(COLUMNS.values())}), each once, got {', '.join(names) or 'nothing'}"
            )
        places[ours] = found[0]
    places |= {side: names.index(side) for side in ("width", "height") if side in names}
    rows = []
    for number, row in enumerate(cells[1:], start=2):
        if not any(row):
            continue
        if len(row) != len(names):
            raise ValueError(
                f"{file}: row {number}: expected {len(names)} cells, as the header has, "
                f"got {len(row)}"
            )
        rows.append((number, {name: row[place] for name, place in places.items()}))
    if not rows:
        raise ValueError(f"{file}: expected at least one row below the header, got none")
    return rows


def _size_of(path: Path) -> tuple[int, int]:
    """Width and height, upright, as the file's first bytes tell."""
    header = read_header(path)
    if header.problem:  # `read_image` says it in a sentence
        height, width = read_image(path).shape[-2:]
        return width, height
    return header.width, header.height


def _check_size(row: dict[str, str], size: tuple[int, int], where: str) -> None:
    """Refuse a picture that has been resized since its boxes were drawn."""
    said = [row[side].removesuffix(".0") for side in ("width", "height") if row.get(side)]
    said = [side for side in said if side != "0"]  # some tools know no size
    # Exchanged sides are for `check_said_size`, which knows all boxes of the picture.
    if len(said) == 2 and sorted(said) != sorted(map(str, size)):
        raise ValueError(
            f"{where} has {size[0]} x {size[1]} px, expected {' x '.join(said)} as its row says; "
            "its boxes would lie in wrong places"
        )


def _leaves(box: list[float], path: Path) -> str:
    """The picture's size, upright, if a box lies outside it."""
    height, width = read_image(path).shape[-2:]
    return "" if has_area(clip_corners(box, width, height)) else f"{width} x {height}"
