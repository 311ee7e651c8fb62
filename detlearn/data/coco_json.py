"""COCO's JSON, read entry by entry: a file of 500 MB is never in memory as a whole."""

from __future__ import annotations

import json
import math
import re
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from .skeleton import Skeleton, read_skeleton

__all__ = ["CocoContent", "read_coco"]

FIELDS = {
    "images": ("id", "file_name"),
    "annotations": ("id", "image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}
INTEGER, TEXT = (int, "an integer"), (str, "a text for")
KINDS: dict[str, tuple[type, str]] = {
    "id": INTEGER, "image_id": INTEGER, "category_id": INTEGER, "file_name": TEXT, "name": TEXT,
}  # fmt: skip
PIECE = 4_000_000  # characters that are read at a time
LARGEST = 1e10  # px²: no range of areas that COCO scores holds a larger object
BLANKS = re.compile(r"[ \t\n\r]*")


class Integers:
    """A growing list of integers: in an array, and in a list only if one is too large for it."""

    def __init__(self) -> None:
        self.values: array[int] | list[int] = array("q")

    def append(self, value: int) -> None:
        """Put one at the end."""
        try:
            self.values.append(value)
        except OverflowError:
            self.values = [*self.values, value]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, place: int) -> int:
        return self.values[place]

    def __iter__(self) -> Iterator[int]:
        return iter(self.values)


class CocoContent:
    """What a JSON says, each entry checked by itself and with its partners.

    Args:
        file: the JSON.
        keypoints: whether key points are read.

    Attributes:
        image_ids: of the images, in the file's order; ``names`` and ``sizes`` (width, height;
            infinite where the file is silent) likewise.
        categories: id and name of each.
        ids: of the annotations, in the file's order; ``images`` and ``labels`` (id of the category)
            likewise, ``boxes (N, 4)`` (x, y, width, height; not finite where the file's are not),
            ``areas``, ``crowds``, and ``joints (N, J, 3)`` with ``joined``: whether it has any.
        skeletons: what each category says of its key points, by its id.
        num_joints: J, of the first annotation that has key points; 0 without any.
        strange: boxes as the file writes them, by annotation, where no array can hold them.
    """

    def __init__(self, file: Path, keypoints: bool) -> None:
        self.file, self.keypoints = file, keypoints
        self.image_ids: list[int] = []
        self.names: list[str] = []
        self.sides = array("d")
        self.categories: list[tuple[int, str]] = []
        self.skeletons: dict[int, Skeleton] = {}
        self.ids, self.images, self.labels = Integers(), Integers(), Integers()
        self.corners, self.surfaces, self.marks = array("d"), array("d"), array("b")
        self.points, self.joined, self.num_joints = array("f"), array("b"), 0
        self.strange: dict[int, Any] = {}

    @property
    def sizes(self) -> np.ndarray:
        return np.array(self.sides, dtype=np.float64).reshape(-1, 2)

    @property
    def boxes(self) -> np.ndarray:
        return np.array(self.corners, dtype=np.float64).reshape(-1, 4)

    @property
    def areas(self) -> np.ndarray:
        return np.array(self.surfaces, dtype=np.float64)

    @property
    def crowds(self) -> np.ndarray:
        return np.array(self.marks, dtype=np.int64)

    @property
    def joints(self) -> np.ndarray:
        if not self.num_joints:  # nobody has any
            return np.zeros((len(self.ids), 17, 3), dtype=np.float32)
        return np.array(self.points, dtype=np.float32).reshape(-1, self.num_joints, 3)

    def add(self, section: str, number: int, entry: Any) -> None:
        """Take an entry, or refuse it."""
        where, fields = f"{self.file}: {section}[{number}]", FIELDS[section]
        if section == "categories" and isinstance(entry, dict) and type(entry.get("name")) is int:
            entry = entry | {"name": str(entry["name"])}  # classes that are called 0 and 1
        missing = [field for field in fields if not isinstance(entry, dict) or field not in entry]
        if missing:
            raise ValueError(f"{where} lacks {', '.join(missing)}")
        for field in fields:
            kind, words = KINDS.get(field, (object, ""))
            if not isinstance(entry[field], kind) or isinstance(entry[field], bool):
                raise ValueError(f"{where}: expected {words} {field}, got {entry[field]!r:.80}")
        if section == "images":
            self.image_ids.append(entry["id"])
            self.names.append(entry["file_name"])
            self.sides.extend((_side(entry.get("width")), _side(entry.get("height"))))
        elif section == "categories":
            if not entry["name"].strip():
                raise ValueError(
                    f"{where} (id {entry['id']}): expected the name of a class, got "
                    f"{entry['name']!r:.80}"
                )
            self.categories.append((entry["id"], entry["name"].strip()))
            if self.keypoints:
                self.skeletons[entry["id"]] = read_skeleton(entry, where)
        else:
            self._add_annotation(entry)

    def _add_annotation(self, entry: dict[str, Any]) -> None:
        """Refuse what is no box, area, crowd or list of key points at all."""
        box, area, crowd = entry["bbox"], entry.get("area", 0), entry.get("iscrowd", 0)
        where = f"{self.file}: image {entry['image_id']}, annotation {entry['id']}"
        if not _are_numbers(box) or len(box) != 4:
            raise ValueError(f"{where}: expected bbox [x, y, width, height], got {box!r:.80}")
        if not _are_finite(box):
            self.strange[len(self.ids)] = box
            box = [math.nan] * 4
        if not _are_numbers([area]) or not _are_finite([area]):
            raise ValueError(f"{where}: expected area to be a finite number, got {area!r:.80}")
        if not 0 <= area <= LARGEST and "area" in entry:
            most = f"{LARGEST:,.0f} px² at most (a larger object never counts in a score)"
            limit = "a finite number, 0 or more" if area < 0 else most
            raise ValueError(f"{where}: expected area to be {limit}, got {area!r:.80}")
        if crowd not in (0, 1):
            raise ValueError(f"{where}: expected iscrowd to be 0 or 1, got {crowd!r:.80}")
        if self.keypoints:
            self._add_joints(entry.get("keypoints"), where)
        self.ids.append(entry["id"])
        self.images.append(entry["image_id"])
        self.labels.append(entry["category_id"])
        self.corners.extend(box)
        self.surfaces.append(area if "area" in entry else min(box[2] * box[3], LARGEST))
        self.marks.append(int(crowd))

    def _add_joints(self, joints: Any, where: str) -> None:
        if joints:
            if not _are_numbers(joints) or not _are_finite(joints) or len(joints) % 3:
                raise ValueError(
                    f"{where}: expected keypoints to be three finite numbers a joint, "
                    f"got {joints!r:.80}"
                )
            if not self.num_joints:  # those before had none
                self.num_joints = len(joints) // 3
                self.points = array("f", [0.0]) * (len(joints) * len(self.ids))
            if len(joints) != 3 * self.num_joints:
                raise ValueError(
                    f"{where}: expected keypoints of {3 * self.num_joints} numbers, as the "
                    f"people before have, got {len(joints)}"
                )
        self.joined.append(bool(joints))
        self.points.extend(joints or [0.0] * (3 * self.num_joints))

    def choose_skeleton(self) -> Skeleton:
        """The skeleton of the categories that have key points.

        Raises:
            ValueError: they have several, or another number of names than of key points.
        """
        with_joints = {label for label, has in zip(self.labels, self.joined, strict=True) if has}
        used = sorted(with_joints or self.skeletons)
        found = {self.skeletons[label] for label in used if self.skeletons[label].names}
        if len(found) > 1:
            listed = "; ".join(", ".join(one.names[:4]) for one in found)
            raise ValueError(
                f"{self.file}: expected one set of key points, got categories with different ones "
                f"({listed}); a network learns one"
            )
        chosen = found.pop() if found else Skeleton()
        if chosen.names and self.num_joints and len(chosen.names) != self.num_joints:
            raise ValueError(
                f"{self.file}: expected key points of {3 * len(chosen.names)} numbers for the "
                f"{len(chosen.names)} names of the category, got {3 * self.num_joints}"
            )
        return chosen

    def check_partners(self) -> None:
        """Refuse ids that occur twice, and annotations without image or category."""
        category_ids = [category for category, _ in self.categories]
        for section, ids in (
            ("images", self.image_ids), ("annotations", self.ids), ("categories", category_ids),
        ):  # fmt: skip
            if _occur_twice(ids):
                raise ValueError(f"{self.file}: two entries of {section} have the same id")
        for field, section, values, known in (
            ("image_id", "images", self.images, set(self.image_ids)),
            ("category_id", "categories", self.labels, set(category_ids)),
        ):
            for number, value in enumerate(values):
                if value not in known:
                    raise ValueError(
                        f"{self.file}: annotations[{number}] (id {self.ids[number]}) has {field} "
                        f"{value}, which no entry of {section} has"
                    )


def read_coco(file: Path, keypoints: bool = False) -> CocoContent:
    """What a JSON says, if every entry has what is needed, and its partner.

    Args:
        file: the JSON; its sections may come in any order.
        keypoints: whether key points are read.

    Returns:
        the content.

    Raises:
        FileNotFoundError: no such file.
        ValueError: naming the file and the entry that is missing, malformed or without partner.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such annotation file")
    content, sections = CocoContent(file, keypoints), set()
    for section, number, entry in _entries(file):
        if number < 0:  # the section begins
            if section in sections:
                raise ValueError(f"{file}: '{section}' stands there twice")
            sections.add(section)
        else:
            content.add(section, number, entry)
    for section in FIELDS:
        if section not in sections:
            raise ValueError(f"{file}: expected a list '{section}', got NoneType")
    content.check_partners()
    return content


class _Text:
    """A JSON file as a text of which only the piece at hand is in memory."""

    def __init__(self, handle: Any) -> None:
        self.handle, self.text, self.at, self.ended = handle, "", 0, False
        self.decode = json.JSONDecoder().raw_decode

    def more(self) -> None:
        # What is not understood yet may be long: as much again.
        piece = self.handle.read(max(PIECE, len(self.text) - self.at))
        self.text, self.at, self.ended = self.text[self.at :] + piece, 0, not piece

    def peek(self) -> str:
        """The next character that is no blank; nothing at the end."""
        while True:
            match = BLANKS.match(self.text, self.at)
            self.at = match.end() if match else self.at
            if self.at < len(self.text) or self.ended:
                return self.text[self.at : self.at + 1]
            self.more()

    def take(self, characters: str) -> str:
        """The next character, which must be one of these."""
        found = self.peek()
        if not found or found not in characters:
            raise json.JSONDecodeError(f"Expecting {characters!r}", "", self.at)
        self.at += 1
        return found

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self.decode(self.text, self.at)
                if end < len(self.text) or self.ended:  # else a number may go on
                    self.at = end
                    return value
            except ValueError as error:  # also of a number of more digits than Python takes
                if self.ended:
                    raise json.JSONDecodeError(str(error), "", self.at) from error
            self.more()


def _entries(file: Path) -> Iterator[tuple[str, int, Any]]:
    """Section, place and value of every entry; before a section's first, one with place -1."""
    try:
        with open(file, encoding="utf-8-sig") as handle:
            yield from _walk(file, _Text(handle))
    except RecursionError:
        raise ValueError(f"{file}: not a whole JSON file (nested too deep)") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        _explain(file, error)


def _walk(file: Path, text: _Text) -> Iterator[tuple[str, int, Any]]:
    if text.peek() != "{":
        text.value()
        raise ValueError(
            f"{file}: expected an object with {', '.join(FIELDS)}, got a list or value"
        )
    text.take("{")
    closed = text.peek() == "}"
    while not closed:
        if text.peek() != '"':
            raise json.JSONDecodeError("Expecting a name", "", text.at)
        section = text.value()
        text.take(":")
        if section not in FIELDS:
            text.value()
        elif text.peek() != "[":
            found = type(text.value()).__name__
            raise ValueError(f"{file}: expected a list '{section}', got {found}")
        else:
            yield section, -1, None
            text.take("[")
            number, done = 0, text.peek() == "]"
            while not done:
                yield section, number, text.value()
                number += 1
                done = text.peek() == "]" or text.take(",") != ","
            text.take("]")
        closed = text.peek() == "}"
        if not closed:
            text.take(",")
    text.take("}")
    if text.peek():
        raise json.JSONDecodeError("Extra data", "", text.at)


def _explain(file: Path, error: ValueError) -> NoReturn:
    """Python's own words for what is wrong, with the line; found by reading the file as a whole."""
    try:
        json.loads(file.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError(f"{file}: not a whole JSON file (nested too deep)") from None
    except ValueError as whole:
        error = whole
    raise ValueError(f"{file}: not a whole JSON file ({error})") from error


def _occur_twice(ids: Integers | list[int]) -> bool:
    values = ids.values if isinstance(ids, Integers) else ids
    if isinstance(values, array):  # a set of a million integers takes 70 MB
        return len(np.unique(np.frombuffer(values, dtype=np.int64))) != len(values)
    return len(set(values)) != len(values)


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(type(v) in (int, float) for v in values)


def _are_finite(values: list[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # an integer of more than 308 digits
        return False


def _side(value: object) -> float:
    """A width or height that the JSON gives; infinite where it gives none."""
    if isinstance(value, str):  # some tools write numbers as texts
        try:
            value = float(value)
        except ValueError:
            return math.inf
    known = _are_numbers([value]) and _are_finite([value]) and value > 0  # type: ignore[operator]
    return float(value) if known else math.inf  # type: ignore[arg-type]
