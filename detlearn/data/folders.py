"""A data set by its name or folder: which layout lies there, and the class that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .coco import CocoDetectionDataset
from .csv_boxes import CsvDetectionDataset
from .files import data_path
from .layouts import Found, find_coco, find_table, find_xml
from .shapes import TRAIN_OBJECTS, Shapes
from .targets import Joined
from .voc import VocDetectionDataset, voc_image_sets
from .yolo_layouts import find_yolo

__all__ = ["SHAPES_SCENES", "open_dataset"]

SHAPES_SCENES = 12_000
"""Scenes of Shapes to train on, unless somebody says how many."""

# File of annotations, folder of images, split.
COCO_LAYOUTS = (
    ("annotations.json", "images", "both"),
    ("annotations/instances_train2017.json", "train2017", "train"),
    ("annotations/instances_val2017.json", "val2017", "val"),
)
KEYPOINT_LAYOUTS = (
    ("annotations.json", "images", "both"),
    ("annotations/person_keypoints_train2017.json", "train2017", "train"),
    ("annotations/person_keypoints_val2017.json", "val2017", "val"),
)


def open_dataset(
    source: str,
    split: str,
    transform: Callable | None = None,
    length: int = 0,
    keypoints: bool = False,
) -> Any:
    """A data set by the name or folder that a shell command got.

    Args:
        source: ``"shapes"``, or a folder in one of the layouts ``annotations.json`` + ``images/``,
            COCO 2017, VOC (``VOCdevkit/VOC2012``, ``VOCdevkit/VOC2007``), a table of boxes
            (``images/`` + ``train.csv`` and ``val.csv``, or one ``labels.csv`` for both), YOLO
            (``data.yaml``, or ``images/`` + ``labels/`` + ``classes.txt``), or as Roboflow, CVAT,
            Label Studio and LabelImg export them (docs/training.md).
        split: ``"train"`` or ``"val"``.
        transform: called with image and target.
        length: scenes of Shapes to train on.
        keypoints: targets have ``keypoints`` too (Shapes and COCO).

    Returns:
        a data set with ``class_names``.

    Raises:
        ValueError: the folder has none of the layouts (the message lists what was looked for), or
            several.

    >>> open_dataset("shapes", "train", length=10).class_names[1]
    'disc'
    """
    if source == "shapes":
        return _open_shapes(split, transform, length, keypoints)
    root = Path(source)
    if not root.is_dir():
        raise ValueError(f"--data: expected 'shapes' or a folder, got {source!r}")
    ways = [_known_coco(root, split, keypoints) or find_coco(root, split, keypoints)]
    if not keypoints:
        ways.append(_known_voc(root, split) or find_xml(root, split))
        ways.append(_known_table(root, split) or find_table(root, split))
        ways.append(find_yolo(root, split))
    found = [way for way in ways if way is not None]
    if len(found) > 1:
        raise ValueError(
            f"--data: {root} holds {found[0].kind} ({found[0].file}) and {found[1].kind} "
            f"({found[1].file}) for '{split}'; move or rename the one that is not meant"
        )
    if found:
        return found[0].open(transform)
    inner = [] if any(root.glob("*.*")) else sorted(one for one in root.iterdir() if one.is_dir())
    hint = f"; did you mean {inner[0]}?" if len(inner) == 1 else ""
    if keypoints:
        raise ValueError(
            f"--data: {root} has none of the layouts with key points known for '{split}': "
            "annotations.json + images/, annotations/person_keypoints_{train,val}2017.json, "
            f"annotations/{split}.json, {split}/_annotations.coco.json{hint}"
        )
    raise ValueError(
        f"--data: {root} has none of the layouts known for '{split}': annotations.json + images/, "
        "annotations/instances_{train,val}2017.json, VOCdevkit/VOC{2012,2007}/ImageSets/Main, "
        f"{split}.csv or labels.csv + images/, data.yaml or images/ + labels/ + classes.txt, "
        f"annotations/{split}.json, XML files beside pictures, {split}/ with _annotations.coco.json"
        f", _annotations.csv or XML files{hint}"
    )


def _open_shapes(split: str, transform: Callable | None, length: int, keypoints: bool) -> Any:
    if split == "train":
        return Shapes(
            length=length or SHAPES_SCENES, transform=transform, keypoints=keypoints,
            objects=TRAIN_OBJECTS,
        )  # fmt: skip
    folder = data_path("shapes_val")
    return CocoDetectionDataset(
        folder / "images", folder / "annotations.json", transform, keypoints=keypoints
    )


def _known_coco(root: Path, split: str, keypoints: bool) -> Found | None:
    known = KEYPOINT_LAYOUTS if keypoints else COCO_LAYOUTS
    there = [(root / name, root / images) for name, images, which in known
             if which in (split, "both") and (root / name).is_file()]  # fmt: skip
    if not there:
        return None
    file, folder = there[0]
    return Found("COCO", file, lambda transform: CocoDetectionDataset(
        folder, file, transform, keypoints=keypoints, on_bad="skip"
    ))  # fmt: skip


def _known_voc(root: Path, split: str) -> Found | None:
    sets = voc_image_sets(root, split)
    if not sets:
        return None

    def open_voc(transform: Callable | None) -> VocDetectionDataset | Joined:
        parts = [
            VocDetectionDataset(root, year, image_set, transform, on_bad="skip")
            for year, image_set in sets
        ]
        return parts[0] if len(parts) == 1 else Joined(parts)

    return Found("VOC", root / "VOCdevkit", open_voc)


def _known_table(root: Path, split: str) -> Found | None:
    tables = [root / file for file in (f"{split}.csv", "labels.csv") if (root / file).is_file()]
    if not tables or not (root / "images").is_dir():
        return None

    def open_table(transform: Callable | None) -> CsvDetectionDataset:
        names, first = None, root / "train.csv"
        if split == "val" and first.is_file():  # labels mean what they meant in training
            names = CsvDetectionDataset(root / "images", first, on_bad="skip").class_names
        return CsvDetectionDataset(
            root / "images", tables[0], transform, class_names=names, on_bad="skip"
        )

    return Found("CSV", tables[0], open_table)
