"""Detection data in COCO's format: a folder of images and one JSON."""

from __future__ import annotations

import contextlib
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .images import read_image
from .targets import BadBoxes, OnBad, Target, check_target, make_target

__all__ = ["CocoDetectionDataset"]

FIELDS = {
    "images": ("id", "file_name"),
    "annotations": ("id", "image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


class CocoDetectionDataset(Dataset):
    """Images and boxes of a COCO data set, read through torchvision's ``CocoDetection``.

    Labels are 1 to K - 1 in ascending order of the category ids, which have gaps in COCO;
    ``category_ids[label]`` leads back.  Images without annotations stay: what a detector finds
    in them is wrong, and has to count.

    Args:
        image_folder: folder of the ``file_name`` entries.
        annotation_file: the JSON.
        transform: called with image and target.
        keypoints: add ``keypoints (G, J, 3)`` (x, y, visibility; zeros where there are none), J as
            many as the file's first person has, 17 if nobody has any.
        on_bad: ``"error"`` refuses a box without area in the image, ``"skip"`` leaves it out with a
            warning.  COCO's own train2017 has two such boxes.

    Attributes:
        class_names: names by label, ``"background"`` first.
        category_ids: the file's category id of each label; None for the background.

    Raises:
        FileNotFoundError: no such JSON.
        ValueError: naming the file and the entry that is missing, malformed or without its
            partner.

    Items are ``(uint8 (3, H, W), target)`` with ``boxes`` xyxy px, ``labels``, ``image_id``,
    ``area``, ``iscrowd`` and the image's ``name``.

    **Deviation:** corners are clipped to the image; pycocotools takes a file's as they stand.
    uvipen's loader treats crowds as single objects and loses image 0 (ERRATA), here they keep
    ``iscrowd``.

    >>> from detlearn.data import data_path
    >>> folder = data_path("shapes_val")
    >>> CocoDetectionDataset(folder / "images", folder / "annotations.json").class_names[1]
    'disc'
    """

    def __init__(
        self,
        image_folder: str | Path,
        annotation_file: str | Path,
        transform: Callable[..., Any] | None = None,
        *,
        keypoints: bool = False,
        on_bad: OnBad = "error",
    ) -> None:
        from torchvision.datasets import CocoDetection

        self.file, self.transform, self.keypoints = Path(annotation_file), transform, keypoints
        _check_json(self.file)
        with contextlib.redirect_stdout(io.StringIO()):  # pycocotools talks
            self.coco = CocoDetection(str(image_folder), str(annotation_file))
        self.image_folder = Path(image_folder)
        categories = sorted(
            self.coco.coco.loadCats(self.coco.coco.getCatIds()), key=lambda c: c["id"]
        )
        self.class_names = ("background", *(category["name"] for category in categories))
        self.category_ids: tuple[int | None, ...] = (
            None,
            *(category["id"] for category in categories),
        )
        labels = {category["id"]: label for label, category in enumerate(categories, start=1)}
        self.num_joints = 0
        bad = BadBoxes(on_bad, str(self.file))
        self.annotations = {image: self._read(image, labels, bad) for image in self.coco.ids}
        bad.report()

    def _read(self, image_id: int, labels: dict[int, int], bad: BadBoxes) -> list[dict[str, Any]]:
        """Annotations of an image whose boxes have an area in it, with their labels."""
        found = []
        image = self.coco.coco.imgs[image_id]
        width, height = _side(image.get("width")), _side(image.get("height"))
        for annotation in self.coco.coco.loadAnns(self.coco.coco.getAnnIds(imgIds=[image_id])):
            where = f"{self.file}: image {image_id}, annotation {annotation['id']}"
            annotation.pop("segmentation", None)  # outlines: half of the memory; nobody asks
            box = annotation["bbox"]
            numbers = isinstance(box, list) and all(isinstance(v, int | float) for v in box)
            if not numbers or len(box) != 4:
                raise ValueError(f"{where}: expected bbox [x, y, width, height], got {box}")
            if self.keypoints and (joints := annotation.get("keypoints")):
                self.num_joints = self.num_joints or len(joints) // 3
                if len(joints) != 3 * self.num_joints:
                    raise ValueError(
                        f"{where}: expected keypoints of {3 * self.num_joints} numbers, as the "
                        f"people before have, got {len(joints)}"
                    )
            if not all(map(math.isfinite, box)):
                bad.add(f"{where}: expected finite numbers, got bbox {box}")
            elif box[2] <= 0 or box[3] <= 0:
                bad.add(f"{where}: expected a width and height above 0, got bbox {box}")
            elif not _some_left(box, width, height) and (size := self._leaves(box, image)):
                bad.add(
                    f"{where}: bbox {box} lies outside the image ({image['file_name']}, {size})"
                )
            else:
                found.append(annotation | {"label": labels[annotation["category_id"]]})
        return found

    def _leaves(self, box: list[float], image: dict[str, Any]) -> str:
        """The picture's size if a box lies outside; the JSON's may be that of another picture."""
        height, width = read_image(self.image_folder / image["file_name"]).shape[-2:]
        return "" if _some_left(box, width, height) else f"{width} x {height}"

    def __len__(self) -> int:
        return len(self.coco.ids)

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        image_id = self.coco.ids[index]
        path = self.image_folder / self.coco.coco.loadImgs(image_id)[0]["file_name"]
        image = read_image(path)
        height, width = image.shape[-2:]
        kept, boxes = [], []
        for annotation in self.annotations[image_id]:
            x, y, w, h = annotation["bbox"]
            box = (max(x, 0), max(y, 0), min(x + w, width), min(y + h, height))
            if box[0] >= box[2] or box[1] >= box[3]:
                raise ValueError(
                    f"{self.file}: image {image_id} ({path.name}, {width} x {height}), annotation "
                    f"{annotation['id']}: bbox {annotation['bbox']} lies outside the image"
                )
            kept.append(annotation)
            boxes.append(box)
        extra = {
            "area": torch.tensor([float(a.get("area", a["bbox"][2] * a["bbox"][3])) for a in kept]),
            "iscrowd": torch.tensor([int(a.get("iscrowd", 0)) for a in kept], dtype=torch.int64),
        }
        if self.keypoints:
            num_joints = self.num_joints or 17
            joints = [a.get("keypoints") or [0.0] * 3 * num_joints for a in kept]
            extra["keypoints"] = torch.tensor(joints, dtype=torch.float32).reshape(
                len(kept), num_joints, 3
            )
        target = make_target(boxes, [a["label"] for a in kept], (height, width), image_id, **extra)
        target["name"] = path.name
        check_target(
            target, (height, width), len(self.class_names), f"{self.file}: image {image_id}"
        )
        return self.transform(image, target) if self.transform else (image, target)


def _side(value: object) -> float:
    """A width or height that the JSON gives; infinite where it gives none."""
    return value if isinstance(value, int | float) and value > 0 else math.inf


def _some_left(box: list[float], width: float, height: float) -> bool:
    """Whether a box has an area inside its image, in float32, as targets keep it."""
    x, y, w, h = box
    left, top = np.float32(max(x, 0)), np.float32(max(y, 0))
    return bool(left < np.float32(min(x + w, width)) and top < np.float32(min(y + h, height)))


def _check_json(file: Path) -> None:
    """Refuse a JSON that pycocotools would stumble over later, or silently misread."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such annotation file")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not a whole JSON file ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(
            f"{file}: expected an object with {', '.join(FIELDS)}, got a list or value"
        )
    ids: dict[str, set[int]] = {}
    for section, fields in FIELDS.items():
        if not isinstance(content.get(section), list):
            raise ValueError(
                f"{file}: expected a list '{section}', got {type(content.get(section)).__name__}"
            )
        for number, entry in enumerate(content[section]):
            missing = [
                field for field in fields if not isinstance(entry, dict) or field not in entry
            ]
            if missing:
                raise ValueError(f"{file}: {section}[{number}] lacks {', '.join(missing)}")
        ids[section] = {entry["id"] for entry in content[section]}
        if len(ids[section]) != len(content[section]):
            raise ValueError(f"{file}: two entries of {section} have the same id")
    for number, annotation in enumerate(content["annotations"]):
        for field, section in (("image_id", "images"), ("category_id", "categories")):
            if annotation[field] not in ids[section]:
                raise ValueError(
                    f"{file}: annotations[{number}] (id {annotation['id']}) has {field} "
                    f"{annotation[field]}, which no entry of {section} has"
                )
