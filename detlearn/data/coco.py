"""Detection data in COCO's format: a folder of images and one JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset

from .files import path_inside
from .images import read_image
from .targets import BadBoxes, OnBad, Target, check_target, clip_corners, has_area, make_target

__all__ = ["CocoDetectionDataset"]

FIELDS = {
    "images": ("id", "file_name"),
    "annotations": ("id", "image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}
INTEGER, TEXT = (int, "an integer"), (str, "a text for")
KINDS: dict[str, tuple[type, str]] = {
    "id": INTEGER, "image_id": INTEGER, "category_id": INTEGER, "file_name": TEXT, "name": TEXT,
}  # fmt: skip


class CocoDetectionDataset(Dataset):
    """Images and boxes of a COCO data set, by ascending image id.

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
        ids: the images' ids, ascending; item ``n`` is image ``ids[n]``.

    Raises:
        FileNotFoundError: no such JSON.
        ValueError: naming the file and the entry that is missing, malformed or without its
            partner; a picture outside of its folder, or of another size than the JSON says.

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
        self.file, self.transform, self.keypoints = Path(annotation_file), transform, keypoints
        content = _read_json(self.file)
        self.images = {image["id"]: image for image in content["images"]}
        self.ids = sorted(self.images)
        self.paths = {
            image["id"]: path_inside(
                Path(image_folder), image["file_name"], f"{self.file}: images[{number}]"
            )
            for number, image in enumerate(content["images"])
        }
        categories = sorted(content["categories"], key=lambda c: c["id"])
        self.class_names = ("background", *(category["name"] for category in categories))
        self.category_ids: tuple[int | None, ...] = (
            None,
            *(category["id"] for category in categories),
        )
        labels = {category["id"]: label for label, category in enumerate(categories, start=1)}
        self.num_joints = 0
        bad = BadBoxes(on_bad, str(self.file))
        found: dict[int, list[dict[str, Any]]] = {image_id: [] for image_id in self.ids}
        for annotation in content["annotations"]:
            found[annotation["image_id"]].append(annotation)
        self.annotations = {
            image: self._read(image, found[image], labels, bad) for image in self.ids
        }
        bad.report()

    def _read(
        self,
        image_id: int,
        annotations: list[dict[str, Any]],
        labels: dict[int, int],
        bad: BadBoxes,
    ) -> list[dict[str, Any]]:
        """Annotations of an image whose boxes have an area in it, with their labels."""
        found = []
        image = self.images[image_id]
        width, height = _side(image.get("width")), _side(image.get("height"))
        for annotation in annotations:
            where = f"{self.file}: image {image_id}, annotation {annotation['id']}"
            annotation.pop("segmentation", None)  # outlines: half of the memory; nobody asks
            self._check_form(annotation, where)
            box = annotation["bbox"]
            if not _are_finite(box):
                bad.add(f"{where}: expected finite numbers, got bbox {box!r:.80}")
            elif box[2] <= 0 or box[3] <= 0:
                bad.add(f"{where}: expected a width and height above 0, got bbox {box}")
            elif not _is_inside(box, width, height) and (size := self._leaves(box, image)):
                bad.add(
                    f"{where}: bbox {box} lies outside the image ({image['file_name']}, {size})"
                )
            else:
                found.append(annotation | {"label": labels[annotation["category_id"]]})
        return found

    def _check_form(self, annotation: dict[str, Any], where: str) -> None:
        """Refuse what is no box, area, crowd or list of key points at all."""
        box, area = annotation["bbox"], annotation.get("area", 0)
        crowd, joints = annotation.get("iscrowd", 0), annotation.get("keypoints")
        if not _are_numbers(box) or len(box) != 4:
            raise ValueError(f"{where}: expected bbox [x, y, width, height], got {box!r:.80}")
        if not _are_numbers([area]) or not _are_finite([area]):
            raise ValueError(f"{where}: expected area to be a finite number, got {area!r:.80}")
        if crowd not in (0, 1):
            raise ValueError(f"{where}: expected iscrowd to be 0 or 1, got {crowd!r:.80}")
        if self.keypoints and joints:
            if not _are_numbers(joints) or not _are_finite(joints) or len(joints) % 3:
                raise ValueError(
                    f"{where}: expected keypoints to be three finite numbers a joint, "
                    f"got {joints!r:.80}"
                )
            self.num_joints = self.num_joints or len(joints) // 3
            if len(joints) != 3 * self.num_joints:
                raise ValueError(
                    f"{where}: expected keypoints of {3 * self.num_joints} numbers, as the "
                    f"people before have, got {len(joints)}"
                )

    def _leaves(self, box: list[float], image: dict[str, Any]) -> str:
        """The picture's size if a box lies outside; the JSON's may be that of another picture."""
        height, width = read_image(self.paths[image["id"]]).shape[-2:]
        return "" if _is_inside(box, width, height) else f"{width} x {height}"

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        image_id = self.ids[index]
        path = self.paths[image_id]
        image = read_image(path)
        height, width = image.shape[-2:]
        entry = self.images[image_id]
        said = [_side(entry.get("width")), _side(entry.get("height"))]
        # Swapped, they are those of a picture that a camera's note turns.
        if math.inf not in said and sorted(said) != sorted((width, height)):
            raise ValueError(
                f"{self.file}: image {image_id} ({path.name}): the picture has {width} x {height} "
                f"px, expected {said[0]} x {said[1]}; its boxes would lie in wrong places"
            )
        kept, boxes = [], []
        for annotation in self.annotations[image_id]:
            box = clip_corners(_corners(annotation["bbox"]), width, height)
            if not has_area(box):
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


def _are_numbers(values: object) -> bool:
    return isinstance(values, list) and all(type(v) in (int, float) for v in values)


def _are_finite(values: list[Any]) -> bool:
    try:
        return all(map(math.isfinite, values))
    except OverflowError:  # an integer of more than 308 digits
        return False


def _side(value: object) -> float:
    """A width or height that the JSON gives; infinite where it gives none."""
    return value if isinstance(value, int | float) and value > 0 else math.inf


def _corners(bbox: list[float]) -> tuple[float, float, float, float]:
    """COCO's x, y, width, height as x1, y1, x2, y2."""
    x, y, w, h = bbox
    return x, y, x + w, y + h


def _is_inside(bbox: list[float], width: float, height: float) -> bool:
    """Whether a part of the box lies in its image."""
    return has_area(clip_corners(_corners(bbox), width, height))


def _read_json(file: Path) -> dict[str, Any]:
    """What the JSON says, if every entry has what is needed, and its partner."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such annotation file")
    try:
        content = json.loads(file.read_text(encoding="utf-8-sig"))
    except RecursionError:
        raise ValueError(f"{file}: not a whole JSON file (nested too deep)") from None
    except ValueError as error:
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
            for field in fields:
                kind, words = KINDS.get(field, (object, ""))
                if not isinstance(entry[field], kind) or isinstance(entry[field], bool):
                    raise ValueError(
                        f"{file}: {section}[{number}]: expected {words} {field}, "
                        f"got {entry[field]!r:.80}"
                    )
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
    return content
