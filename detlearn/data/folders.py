"""A data set by its name or folder: which layout lies there, and the class that reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .coco import CocoDetectionDataset
from .csv_boxes import CsvDetectionDataset
from .files import data_path
from .shapes import TRAIN_OBJECTS, Shapes
from .targets import Joined
from .voc import VocDetectionDataset, voc_image_sets

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
            COCO 2017, VOC (``VOCdevkit/VOC2012``, ``VOCdevkit/VOC2007``), or a table of boxes:
            ``images/`` + ``train.csv`` and ``val.csv``, or one ``labels.csv`` for both.
        split: ``"train"`` or ``"val"``.
        transform: called with image and target.
        length: scenes of Shapes to train on.
        keypoints: targets have ``keypoints`` too (Shapes and COCO).

    Returns:
        a data set with ``class_names``.

    Raises:
        ValueError: the folder has none of the layouts; the message lists what was looked for.

    >>> open_dataset("shapes", "train", length=10).class_names[1]
    'disc'
    """
    if source == "shapes":
        return _open_shapes(split, transform, length, keypoints)
    root = Path(source)
    if not root.is_dir():
        raise ValueError(f"--data: expected 'shapes' or a folder, got {source!r}")
    dataset: Any = _open_coco(root, split, transform, keypoints)
    if dataset is None and not keypoints:
        dataset = _open_voc(root, split, transform)
    if dataset is None and not keypoints:
        dataset = _open_table(root, split, transform)
    if dataset is not None:
        return dataset
    if keypoints:
        raise ValueError(
            f"--data: {root} has none of the layouts with key points known for '{split}': "
            "annotations.json + images/, annotations/person_keypoints_{train,val}2017.json"
        )
    raise ValueError(
        f"--data: {root} has none of the layouts known for '{split}': annotations.json + images/, "
        "annotations/instances_{train,val}2017.json, VOCdevkit/VOC{2012,2007}/ImageSets/Main, "
        f"{split}.csv or labels.csv + images/"
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


def _open_coco(
    root: Path, split: str, transform: Callable | None, keypoints: bool = False
) -> CocoDetectionDataset | None:
    for file, images, which in KEYPOINT_LAYOUTS if keypoints else COCO_LAYOUTS:
        if which in (split, "both") and (root / file).is_file():
            return CocoDetectionDataset(
                root / images, root / file, transform, keypoints=keypoints, on_bad="skip"
            )
    return None


def _open_voc(
    root: Path, split: str, transform: Callable | None
) -> VocDetectionDataset | Joined | None:
    parts = [
        VocDetectionDataset(root, year, image_set, transform, on_bad="skip")
        for year, image_set in voc_image_sets(root, split)
    ]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else Joined(parts)


def _open_table(root: Path, split: str, transform: Callable | None) -> CsvDetectionDataset | None:
    tables = [root / file for file in (f"{split}.csv", "labels.csv") if (root / file).is_file()]
    if not tables:
        return None
    names, first = None, root / "train.csv"
    if split == "val" and first.is_file():  # labels mean what they meant in training
        names = CsvDetectionDataset(root / "images", first, on_bad="skip").class_names
    return CsvDetectionDataset(
        root / "images", tables[0], transform, class_names=names, on_bad="skip"
    )
