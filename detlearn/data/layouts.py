"""Which data set lies in a folder: COCO, XML, CSV or YOLO, as tools export them.

`folders.open_dataset` knows the layouts with fixed names first; what is here looks for files whose
names say the split (``train``, ``val`` or ``valid``), in the folders where tools put them.
"""

from __future__ import annotations

import csv
import mmap
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .coco import CocoDetectionDataset
from .csv_boxes import CsvDetectionDataset
from .files import read_lines
from .finding import by_stem, picture_of, pictures_in
from .voc import VocDetectionDataset, parse_xml, read_class_names, read_stems

__all__ = ["WORDS", "Found", "find_coco", "find_table", "find_xml", "only_one", "split_folder"]

WORDS = {"train": ("train", "training"), "val": ("val", "valid", "validation")}
"""How tools call the two splits."""

OTHER_COCO = ("keypoints", "captions", "panoptic", "stuff")
XML_FOLDERS = ("Annotations", "annotations", "labels", "xmls", "xml")
PICTURE_FOLDERS = ("JPEGImages", "images", "Images", "")
NAME_FILES = ("labels.txt", "classes.txt", "predefined_classes.txt", "labelmap.txt")


class Found(NamedTuple):
    """A data set that was recognised.

    Attributes:
        kind: what it is, for messages.
        file: by what it was recognised.
        open: called with the transform.
    """

    kind: str
    file: Path
    open: Callable[[Callable | None], Any]


def only_one(found: Iterable[Path], what: str) -> Path | None:
    """The one that was found; None where there is none.

    Args:
        found: files or folders.
        what: what the message calls them.

    Raises:
        ValueError: there are several.
    """
    several = sorted(set(found))
    if len(several) > 1:
        raise ValueError(
            f"--data: {several[0]} and {several[1]} may both be {what}; rename or move the one "
            "that is not"
        )
    return several[0] if several else None


def split_folder(root: Path, split: str) -> Path | None:
    """The folder of a split below another, by any of its names.

    Args:
        root: where to look.
        split: ``"train"`` or ``"val"``.
    """
    there = [root / word for word in WORDS[split] if (root / word).is_dir()]
    return only_one(there, f"the folder of '{split}'")


def _of_split(files: Iterable[Path], split: str) -> list[Path]:
    """Files whose names hold a word of the split: ``train.json``, ``instances_val2017.json``."""
    return [file for file in files if set(_words(file)) & set(WORDS[split])]


def _words(file: Path) -> list[str]:
    return re.findall("[a-z]+", file.stem.lower())


def _of_no_split(files: Iterable[Path]) -> list[Path]:
    words = {*WORDS["train"], *WORDS["val"], "test"}
    return [file for file in files if not set(_words(file)) & words]


def _folders(root: Path, split: str, json_folder: Path) -> list[Path]:
    """Where the pictures of a file may lie: those that exist, the likeliest first."""
    names = ("images", "imgs", "JPEGImages")
    likely = [json_folder / name for name in names] + [root / name for name in names]
    for word in WORDS[split]:
        likely += [root / name / word for name in names] + [root / word, root / word / "images"]
    likely += [json_folder, root]
    return [folder for folder in dict.fromkeys(likely) if folder.is_dir()]


def find_coco(root: Path, split: str, keypoints: bool) -> Found | None:
    """A JSON of COCO's form: ``train/_annotations.coco.json``, ``annotations/train.json``, ….

    Args:
        root: the folder.
        split: ``"train"`` or ``"val"``.
        keypoints: whether key points are wanted.
    """
    inner = split_folder(root, split)
    beside = _jsons(inner, keypoints) if inner else []
    own = [*_jsons(root, keypoints), *_jsons(root / "annotations", keypoints)]
    found = only_one(beside or _of_split(own, split), f"the annotations of '{split}'")
    if found is None and not any(_of_split(own, other) for other in WORDS):
        if not any(split_folder(root, other) for other in WORDS):
            found = only_one(_of_no_split(own), "the annotations")
    if found is None:
        return None
    inside = found.parent == inner
    first, *others = [found.parent] if inside else _folders(root, split, found.parent)
    return Found("COCO", found, lambda transform: CocoDetectionDataset(
        first, found, transform, keypoints=keypoints, on_bad="skip", other_folders=others,
    ))  # fmt: skip


def _jsons(folder: Path, keypoints: bool) -> list[Path]:
    """The files of a folder that are COCO's by their sections."""
    files = [file for file in sorted(folder.glob("*.json")) if _has_sections(file)]
    if keypoints:
        return [file for file in files if "keypoints" in _words(file)] or files
    plain = [file for file in files if not set(_words(file)) & set(OTHER_COCO)]
    return plain or files


def _has_sections(file: Path) -> bool:
    if not file.stat().st_size:
        return False
    with open(file, "rb") as handle:
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as text:
            return all(text.find(b'"' + one + b'"') >= 0 for one in (b"images", b"annotations"))


def find_table(root: Path, split: str) -> Found | None:
    """A table of boxes: ``train/_annotations.csv``, ``train_labels.csv``, ….

    Args:
        root: the folder.
        split: ``"train"`` or ``"val"``.
    """

    def table(wanted: str) -> Path | None:
        inner = split_folder(root, wanted)
        own = [*_tables(root), *_tables(root / "annotations"), *_tables(root / "data")]
        found = only_one(
            (_tables(inner) if inner else []) or _of_split(own, wanted), f"the table of '{wanted}'"
        )
        if found is None and not any(_of_split(own, other) for other in WORDS):
            if not any(split_folder(root, other) for other in WORDS):
                found = only_one(_of_no_split(own), "the table")
        return found

    found = table(split)
    if found is None:
        return None

    def open_table(transform: Callable | None) -> CsvDetectionDataset:
        names, first = None, table("train")
        if split == "val" and first is not None and first != found:
            names = _open_table(root, "train", first, None, None).class_names
        return _open_table(root, split, found, transform, names)

    return Found("CSV", found, open_table)


def _open_table(
    root: Path, split: str, file: Path, transform: Callable | None, names: Sequence[str] | None
) -> CsvDetectionDataset:
    inner = file.parent == split_folder(root, split)
    first, *others = [file.parent] if inner else _folders(root, split, file.parent)
    return CsvDetectionDataset(
        first, file, transform, class_names=names, on_bad="skip", other_folders=others
    )


def _tables(folder: Path) -> list[Path]:
    """The CSV files of a folder whose first row names the columns of boxes."""
    found = []
    for file in sorted(folder.glob("*.csv")):
        with open(file, encoding="utf-8-sig", errors="replace") as handle:
            header = handle.readline(10_000).lower()
        cells = {cell.strip() for cell in next(csv.reader([re.sub("[;\t]", ",", header)]), [])}
        if {"xmin", "ymin", "xmax", "ymax"} <= cells or {"x1", "y1", "x2", "y2"} <= cells:
            found.append(file)
    return found


class _Pairs(NamedTuple):
    where: Path
    xmls: list[Path]
    pictures: list[Path]
    bare: list[Path]


def find_xml(root: Path, split: str) -> Found | None:
    """XML files beside their pictures, or in a folder of their own, with or without a set's list.

    Args:
        root: the folder.
        split: ``"train"`` or ``"val"``.
    """
    pairs = _pairs(root, split)
    if pairs is None:
        return None

    def open_xml(transform: Callable | None) -> VocDetectionDataset:
        if pairs.bare:
            count, of = len(pairs.bare), len(pairs.bare) + len(pairs.xmls)
            warnings.warn(
                f"{pairs.where}: {count} of {of} pictures have no XML file and are left out: "
                f"{', '.join(path.name for path in pairs.bare[:3])}", stacklevel=3
            )  # fmt: skip
        names = _class_names(root)
        if names is None:
            first = _pairs(root, "train") or pairs
            found = {
                (entry.findtext("name") or "").strip()
                for path in first.xmls
                for entry in parse_xml(path).iter("object")
            }
            names = ("background", *sorted(found - {"background"}))
        return VocDetectionDataset.from_files(
            pairs.pictures, pairs.xmls, pairs.where, transform, class_names=names, on_bad="skip"
        )

    return Found("XML", pairs.where, open_xml)


def _class_names(root: Path) -> tuple[str, ...] | None:
    file = next((root / name for name in NAME_FILES if (root / name).is_file()), None)
    if file is None:
        return None
    if file.name != "labelmap.txt":
        return read_class_names(file)
    # CVAT's: name:colour:parts:actions, with the background among them.
    names = [line.split(":")[0] for line in read_lines(file) if not line.startswith("#")]
    return ("background", *(name for name in names if name != "background"))


def _pairs(root: Path, split: str) -> _Pairs | None:
    """The annotations of a split and their pictures."""
    inner = split_folder(root, split)
    xmls = _xmls(inner) if inner else None
    base = inner
    if not xmls:
        base = root
        xmls = next(
            (found for word in WORDS[split] for name in XML_FOLDERS
             if (found := sorted((root / name / word).glob("*.xml")))), None,
        )  # fmt: skip
    if not xmls and not any(split_folder(root, other) for other in WORDS):
        xmls = _listed(root, split, _xmls(root))
    if not xmls or base is None:
        return None
    folders = [xmls[0].parent, *(base / name for name in PICTURE_FOLDERS)]
    folders += [base / name / word for name in PICTURE_FOLDERS for word in WORDS[split]]
    there = next((found for one in folders if (found := pictures_in(one))), [])
    stems = by_stem(there)
    home = there[0].parent if there else base
    pictures = [
        picture_of(xml.stem, stems, str(xml)) or home / f"{xml.stem}.jpg"
        for xml in xmls
    ]  # fmt: skip
    bare = sorted(set(there) - set(pictures))
    if bare:  # another split may have their XML files
        known = _stems_of_xmls(root)
        bare = [path for path in bare if path.stem not in known]
    return _Pairs(xmls[0].parent, xmls, pictures, bare)


def _stems_of_xmls(root: Path) -> set[str]:
    return {path.stem for path in root.rglob("*.xml")}


def _xmls(folder: Path) -> list[Path]:
    for one in (folder, *(folder / name for name in XML_FOLDERS)):
        if found := sorted(one.glob("*.xml")):
            return found
    return []


def _listed(root: Path, split: str, xmls: list[Path]) -> list[Path]:
    """Those that the list of the set names; all where there are no lists of sets."""
    places = [root, root / "ImageSets" / "Main"]
    if not xmls:
        return []

    def of(wanted: str) -> list[Path]:
        return [file for place in places for word in WORDS[wanted]
                if (file := place / f"{word}.txt").is_file()]  # fmt: skip

    listed = only_one(of(split), f"the list of '{split}'")
    if listed is None:
        return [] if of("train") or of("val") else xmls
    return [xmls[0].parent / f"{stem}.xml" for stem in read_stems(listed, xmls[0].parent)]
