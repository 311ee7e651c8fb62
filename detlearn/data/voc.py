"""Detection data in PASCAL VOC's format: one XML for each image."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from torch.utils.data import Dataset

from .files import path_inside, read_lines
from .finding import PICTURE_SUFFIXES, by_stem, picture_of, pictures_in
from .images import read_image
from .listing import Listing, make_listing
from .sizes import check_said_size
from .targets import BadBoxes, OnBad, Target, check_target, clip_corners, make_target

__all__ = ["VOC_CLASS_NAMES", "VocDetectionDataset", "voc_image_sets"]

VOC_CLASS_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)  # fmt: skip


def voc_image_sets(root: str | Path, split: str) -> list[tuple[str, str]]:
    """The image sets that a folder is trained and scored on; never one that holds the other.

    With the test set of VOC 2007, as in the papers: train on every ``trainval`` there is ("07+12"
    where both years lie in the folder), score on that test set.  Without it, ``train`` and ``val``
    of one year, 2012 before 2007: its ``trainval`` holds its ``val``.

    Args:
        root: the folder that holds ``VOCdevkit/``.
        split: ``"train"`` or ``"val"``.

    Returns:
        ``(year, image_set)`` as `VocDetectionDataset` takes them; empty where there is none.

    >>> from detlearn.data import data_path
    >>> voc_image_sets(data_path("shapes_voc"), "val")
    [('2012', 'val')]
    """

    def there(*sets: tuple[str, str]) -> list[tuple[str, str]]:
        sets_of = "VOCdevkit/VOC{}/ImageSets/Main/{}.txt"
        return [one for one in sets if (Path(root) / sets_of.format(*one)).is_file()]

    if there(("2007", "test")):
        if split == "val":
            return [("2007", "test")]
        return there(("2007", "trainval"), ("2012", "trainval"))
    found = there(("2012", split), ("2007", split))
    if split == "train" and not found:  # a folder of one's own, with nothing to score on
        sets = there(("2012", "trainval"), ("2007", "trainval"))
        found = [one for one in sets if not there((one[0], "val"))]
    return found[:1]


class VocDetectionDataset(Dataset):
    """Images and boxes of a PASCAL VOC data set, in the order of an image set.

    VOC counts pixels from 1 and includes the last one: an object over the whole of a 100 px
    image has xmin 1 and xmax 100.  As edges that is x1 = xmin - 1 = 0 and x2 = xmax = 100.

    Args:
        root: the folder that holds ``VOCdevkit/``.
        year: ``"2007"`` or ``"2012"``.
        image_set: ``"train"``, ``"val"``, ``"trainval"`` or ``"test"``.
        transform: called with image and target.
        class_names: names by label, background first; None reads ``labels.txt`` beside
            ``VOCdevkit/`` (one name a line), or takes VOC's own.
        use_difficult: keep objects marked difficult.  Training leaves them out; evaluation keeps
            them and counts them neither as found nor as missed.
        on_bad: ``"error"`` refuses a box without area, ``"skip"`` leaves it out with a warning.

    Raises:
        FileNotFoundError: no such folder or image set.
        ValueError: naming the XML and the object that is wrong.

    Items are ``(uint8 (3, H, W), target)`` with ``boxes`` xyxy px, ``labels``, ``image_id`` (the
    position in the image set), ``difficult`` bool, ``area``, ``iscrowd`` and the image's ``name``.

    >>> from detlearn.data import data_path
    >>> len(VocDetectionDataset(data_path("shapes_voc"), "2012", "val").class_names)
    9
    """

    def __init__(
        self,
        root: str | Path,
        year: str = "2012",
        image_set: str = "train",
        transform: Callable[..., Any] | None = None,
        *,
        class_names: Sequence[str] | None = None,
        use_difficult: bool = True,
        on_bad: OnBad = "error",
    ) -> None:
        base = Path(root) / "VOCdevkit" / f"VOC{year}"
        listed = base / "ImageSets" / "Main" / f"{image_set}.txt"
        if not listed.is_file():
            raise FileNotFoundError(f"{listed}: no such image set")
        names_file = Path(root) / "labels.txt"
        if class_names is None and names_file.is_file():
            class_names = read_class_names(names_file)
        self.class_names = tuple(class_names or VOC_CLASS_NAMES)
        if self.class_names[0] != "background":
            raise ValueError(
                f"class_names: expected 'background' as the first, got {self.class_names[0]!r}"
            )
        pictures, annotations = base / "JPEGImages", base / "Annotations"
        stems = read_stems(listed, annotations)
        self._open(
            find_by_stem(stems, pictures, listed),
            [path_inside(annotations, f"{stem}.xml", str(listed)) for stem in stems],
            listed, transform, use_difficult, on_bad,
        )  # fmt: skip

    @classmethod
    def from_files(
        cls,
        images: Sequence[Path],
        xmls: Sequence[Path],
        listed: Path,
        transform: Callable[..., Any] | None = None,
        *,
        class_names: Sequence[str],
        use_difficult: bool = True,
        on_bad: OnBad = "error",
    ) -> VocDetectionDataset:
        """The same of pictures and XML files that lie anywhere.

        Args:
            images: N pictures.
            xmls: the annotation of each.
            listed: what messages call the whole.
            transform: called with image and target.
            class_names: names by label, background first.
            use_difficult: as above.
            on_bad: as above.

        Returns:
            the data set.
        """
        self = cls.__new__(cls)
        self.class_names = tuple(class_names)
        self._open(images, xmls, listed, transform, use_difficult, on_bad)
        return self

    def _open(
        self, images: Sequence[Path], xmls: Sequence[Path], listed: Path,
        transform: Callable[..., Any] | None, use_difficult: bool, on_bad: OnBad,
    ) -> None:  # fmt: skip
        self.transform, self.use_difficult = transform, use_difficult
        self.images = list(images)
        self.bad = BadBoxes(on_bad, str(listed))
        self.listed = listed
        self.sizes: list[tuple[str | None, str | None]] = []
        self.named: list[str] = []  # what each XML calls its picture
        self.objects = [self._read(path) for path in xmls]
        self._compare_names(xmls)
        boxes = [box for rows in self.objects for box, _, _ in rows]
        if zero := sum(-1 in box[:2] for box in boxes):
            warnings.warn(
                f"{listed}: {zero} of {len(boxes)} boxes begin at 0, expected 1 for the first "
                "pixel, as VOC counts: if the tool counts from 0, all boxes lie one pixel too far "
                "to the left and up", stacklevel=4
            )  # fmt: skip
        self.bad.report()

    def _compare_names(self, xmls: Sequence[Path]) -> None:
        """Say it where an XML calls another picture of the set its own."""
        stems = {path.stem for path in xmls}
        others = [
            path.name
            for path, named in zip(xmls, self.named, strict=True)
            if (stem := _without_suffix(re.split(r"[/\\]", named)[-1])) != path.stem
            and stem in stems
        ]
        if others:
            warnings.warn(
                f"{self.listed}: {len(others)} of {len(xmls)} XML files give the name of another "
                f"picture; that of their own name is taken: {', '.join(others[:3])}", stacklevel=4
            )  # fmt: skip

    def _read(self, path: Path) -> list[tuple[tuple[float, ...], int, bool]]:
        """Box, label and difficulty of every object of an XML."""
        found: list[tuple[tuple[float, ...], int, bool]] = []
        root = parse_xml(path)
        self.sizes.append((root.findtext("size/width"), root.findtext("size/height")))
        self.named.append((root.findtext("filename") or "").strip())
        for number, entry in enumerate(root.iter("object")):
            where = f"{path}: object {number}"
            name = (entry.findtext("name") or "").strip()
            if not name:
                raise ValueError(f"{where}: expected the name of a class, got none")
            if name not in self.class_names[1:]:
                raise ValueError(
                    f"{where}: class {name!r} is none of {', '.join(self.class_names[1:])}"
                )
            try:
                xmin, ymin, xmax, ymax = (
                    float(entry.findtext(f"bndbox/{side}") or "nothing")
                    for side in ("xmin", "ymin", "xmax", "ymax")
                )
                if not all(map(math.isfinite, (xmin, ymin, xmax, ymax))):
                    raise ValueError(f"{xmin}, {ymin}, {xmax}, {ymax}")
            except ValueError as error:
                raise ValueError(
                    f"{where}: bndbox has a side that is no number ({error})"
                ) from error
            mark = (entry.findtext("difficult") or "").strip() or "0"
            if mark not in ("0", "1"):
                raise ValueError(f"{where}: expected difficult to be 0 or 1, got {mark!r}")
            difficult = mark == "1"
            box = (xmin - 1, ymin - 1, xmax, ymax)
            if not (box[0] < box[2] and box[1] < box[3]):
                corners = f"{xmin}, {ymin}, {xmax}, {ymax}"
                self.bad.add(
                    f"{where}: expected xmin <= xmax and ymin <= ymax, got {corners}", path.stem
                )
            elif self.use_difficult or not difficult:
                found.append((box, self.class_names.index(name), difficult))
        return found

    def listing(self) -> Listing:
        """What the XML files say, as `detlearn.data.border` checks it."""
        rows = [
            (place, box, label, difficult)
            for place, objects in enumerate(self.objects)
            for box, label, difficult in objects
        ]
        return make_listing(
            self.listed, self.class_names, self.images, self.sizes, rows,
            ignored_word="difficult", skipped=self.bad.skipped,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        path = self.images[index]
        image = read_image(path)
        height, width = image.shape[-2:]
        rows = self.objects[index]
        check_said_size(self.sizes[index], (width, height), [box for box, _, _ in rows], str(path))
        boxes = [clip_corners(box, width, height) for box, _, _ in rows]
        areas = [(b[2] - b[0]) * (b[3] - b[1]) for b in boxes]
        target = make_target(
            boxes, [label for _, label, _ in rows], (height, width), index,
            difficult=torch.tensor([hard for _, _, hard in rows], dtype=torch.bool),
            area=torch.tensor(areas, dtype=torch.float32),
            iscrowd=torch.zeros(len(rows), dtype=torch.int64),
        )  # fmt: skip
        target["name"] = path.stem
        check_target(target, (height, width), len(self.class_names), str(path))
        return self.transform(image, target) if self.transform else (image, target)


def read_stems(listed: Path, annotations: Path) -> list[str]:
    """The names in a set's list, as they are without endings, marks and folders.

    Args:
        listed: a name a line; ``a``, ``a.jpg``, ``a 1`` (as the lists of VOC's classes have it), or
            ``JPEGImages/a.jpg``.
        annotations: folder of the XML files: a name that has one is taken as it stands.

    Returns:
        the names, in the list's order.

    Raises:
        ValueError: two lines of the list mean one annotation.
    """
    found: dict[str, str] = {}
    stems = []
    for line in read_lines(listed):
        unmarked = re.sub(r"\s+(1|0|-1)$", "", line)
        tries = [line, _without_suffix(line), unmarked, _without_suffix(unmarked)]
        tries += [re.split(r"[/\\]", tries[-1])[-1]]
        stem = next((one for one in tries if _is_xml(annotations, one)), line)
        if found.setdefault(stem, line) != line:
            raise ValueError(f"{listed}: {found[stem]!r} and {line!r} both mean {stem}.xml")
        stems.append(stem)
    return stems


def _without_suffix(name: str) -> str:
    stem, dot, suffix = name.rpartition(".")
    return stem if f"{dot}{suffix}".lower() in PICTURE_SUFFIXES else name


def _is_xml(folder: Path, stem: str) -> bool:
    """Whether a name has an annotation; what leads out of the folder has none."""
    try:
        return path_inside(folder, f"{stem}.xml", "").is_file()
    except ValueError:
        return False


def find_by_stem(stems: Sequence[str], folder: Path, listed: Path) -> list[Path]:
    """The pictures of a list, ``.jpg`` or of another kind.

    Args:
        stems: names without endings.
        folder: where the pictures lie.
        listed: what messages call the list.

    Returns:
        a path for each; that of a picture which is not there ends with ``.jpg``.

    Raises:
        ValueError: a name leads out of the folder, or belongs to two pictures.
    """
    paths = [path_inside(folder, f"{stem}.jpg", str(listed)) for stem in stems]
    if all(path.is_file() for path in paths):
        return paths
    there = by_stem(pictures_in(folder))
    return [
        path if path.is_file() else picture_of(stem, there, f"{listed}: {stem}") or path
        for stem, path in zip(stems, paths, strict=True)
    ]


def read_class_names(path: Path) -> tuple[str, ...]:
    """The background, then the names of a file with one a line."""
    names = read_lines(path)
    if not names:
        raise ValueError(f"{path}: expected one class name a line, got none")
    if "background" in names:
        raise ValueError(f"{path}: 'background' is label 0 already; expected the others alone")
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{path}: {name!r} stands there twice")
    return ("background", *names)


def parse_xml(path: Path) -> Any:
    """The root of a VOC annotation; other XML is refused.

    Entity declarations, with which a file can fill the memory, are refused likewise.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: no such annotation") from None
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        content = content.decode("utf-16", "replace").encode()
        content = re.sub(rb"^<\?xml[^>]*\?>", b"", content)
    declared = re.match(rb"<\?xml[^>]*encoding=[\"']([\w.-]+)", content)
    encoding = declared[1].decode() if declared else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except (UnicodeError, LookupError) as error:
        raise ValueError(f"{path}: not text in the encoding {encoding} ({error})") from error
    try:
        root = fromstring(text, forbid_dtd=True)
    except DefusedXmlException as error:
        raise ValueError(
            f"{path}: declares XML entities, which no VOC annotation needs; refused"
        ) from error
    except ParseError as error:
        raise ValueError(f"{path}: not a whole XML file ({error})") from error
    if root.tag != "annotation":  # a page, another tool's XML, a namespace: no object would be seen
        raise ValueError(f"{path}: expected a VOC <annotation>, got <{root.tag:.80}>")
    return root
