"""Detection data in COCO's format: a folder of images and one JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from .coco_json import CocoContent, read_coco
from .compact import ById, Paths, Ragged, Texts, integers
from .finding import find_pictures
from .images import read_image
from .listing import Listing
from .sizes import check_said_size
from .skeleton import Skeleton
from .targets import BadBoxes, OnBad, Target, check_target, clip_corners, has_area, make_target

__all__ = ["CocoDetectionDataset"]


class CocoDetectionDataset(Dataset):
    """Images and boxes of a COCO data set, by ascending image id.

    Labels are 1 to K - 1 in ascending order of the category ids, which have gaps in COCO;
    ``category_ids[label]`` leads back.  Images without annotations stay: what a detector finds
    in them is wrong, and has to count.

    Args:
        image_folder: folder of the ``file_name`` entries.  Pictures that lie there without the
            folders before their names are found, and that is said (`finding.find_pictures`).
        annotation_file: the JSON.
        transform: called with image and target.
        keypoints: add ``keypoints (G, J, 3)`` (x, y, visibility; zeros where there are none), J as
            many as the file's first person has, 17 if nobody has any.
        on_bad: ``"error"`` refuses a box without area in the image, ``"skip"`` leaves it out with a
            warning.  COCO's own train2017 has two such boxes.
        other_folders: where the pictures may lie instead.

    Attributes:
        class_names: names by label, ``"background"`` first.
        skeleton: what the file says of its key points: names, what a mirror does to them, sigmas.
        category_ids: the file's category id of each label; None for the background.
        ids: the images' ids, ascending; item ``n`` is image ``ids[n]``.
        images, paths, annotations: what the file says of an image, by its id.  They are made when
            asked for: the file's content is kept in arrays, which loader workers share.

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
        other_folders: Sequence[Path] = (),
    ) -> None:
        self.file, self.transform, self.keypoints = Path(annotation_file), transform, keypoints
        content = read_coco(self.file, keypoints)
        order = sorted(range(len(content.image_ids)), key=content.image_ids.__getitem__)
        self.ids = [content.image_ids[number] for number in order]
        where = [f"{self.file}: images[{number}]" for number in range(len(content.names))]
        folders = [Path(image_folder), *other_folders]
        paths = find_pictures(content.names, folders, where, self.file)
        self._names = Texts(content.names[number] for number in order)
        self._paths = Paths(paths[number] for number in order)
        del paths, where  # a hundred thousand objects each
        self._sizes = content.sizes[order]  # (N, 2)
        places = {image_id: place for place, image_id in enumerate(self.ids)}
        self.images = ById(places, self._image)
        self.paths = ById(places, self._paths.__getitem__)
        self.annotations = ById(places, self._annotations)
        categories = _without_background(content)
        self.class_names = ("background", *(name for _, name in categories))
        self.category_ids: tuple[int | None, ...] = (None, *(number for number, _ in categories))
        self.skeleton = content.choose_skeleton() if keypoints else Skeleton()
        self.num_joints = content.num_joints or len(self.skeleton.names)
        bad = BadBoxes(on_bad, str(self.file))
        self._rows, self._joints = self._keep(content, places, bad)
        self.skipped = bad.skipped
        bad.report()

    def _keep(
        self, content: CocoContent, places: dict[int, int], bad: BadBoxes
    ) -> tuple[Ragged, Ragged]:
        """Annotations whose boxes have an area in their images, image by image; key points."""
        labels = {number: label for label, number in enumerate(self.category_ids)}
        where = np.fromiter((places[one] for one in content.images), np.int64, len(content.ids))
        order = np.argsort(where, kind="stable")  # (N,)
        boxes, kept = content.boxes, np.ones(len(content.ids), dtype=bool)
        for number in order[~_are_inside(boxes, self._sizes[where])[order]].tolist():
            box = content.strange.get(number, _plain(boxes[number]))
            place = int(where[number])
            if sentence := self._complain(place, content.ids[number], box):
                bad.add(sentence, self._names[place])
                kept[number] = False
        order = order[kept[order]]
        counts = np.bincount(where[order], minlength=len(self.ids))
        ids = integers(content.ids.values)
        rows = np.empty(len(order), dtype=[
            ("id", ids.dtype), ("bbox", "f8", 4), ("area", "f8"), ("label", "i8"),
            ("iscrowd", "i8"),
        ])  # fmt: skip
        rows["id"], rows["bbox"] = ids[order], boxes[order]
        rows["area"], rows["iscrowd"] = content.areas[order], content.crowds[order]
        found = np.fromiter((labels[one] for one in content.labels), np.int64, len(ids))
        rows["label"] = found[order]
        joints = content.joints[order] if self.keypoints else np.empty((len(order), 0, 3), "f4")
        return Ragged(rows, counts), Ragged(joints, counts)

    def _complain(self, place: int, number: int, box: list[float]) -> str:
        """What is wrong with a box; nothing if the picture is larger than its JSON says."""
        where = f"{self.file}: image {self.ids[place]}, annotation {number}"
        try:
            if not all(map(math.isfinite, box)):
                raise OverflowError
        except OverflowError:  # likewise an integer of more than 308 digits
            return f"{where}: expected finite numbers, got bbox {box!r:.80}"
        if box[2] <= 0 or box[3] <= 0:
            return f"{where}: expected a width and height above 0, got bbox {box}"
        height, width = read_image(self._paths[place]).shape[-2:]
        if has_area(clip_corners(_corners(box), width, height)):
            return ""
        name = self._names[place]
        return f"{where}: bbox {box} lies outside the image ({name}, {width} x {height})"

    def _image(self, place: int) -> dict[str, Any]:
        entry = {"id": self.ids[place], "file_name": self._names[place]}
        sides = zip(("width", "height"), self._sizes[place].tolist(), strict=True)
        return entry | {side: int(value) for side, value in sides if value < math.inf}

    def _annotations(self, place: int) -> list[dict[str, Any]]:
        found = []
        for row, joints in zip(self._rows[place], self._joints[place], strict=True):
            annotation = {
                "id": int(row["id"]), "image_id": self.ids[place],
                "category_id": self.category_ids[row["label"]], "bbox": row["bbox"].tolist(),
                "area": float(row["area"]), "iscrowd": int(row["iscrowd"]),
                "label": int(row["label"]),
            }  # fmt: skip
            points = {"keypoints": joints.flatten().tolist()} if self.keypoints else {}
            found.append(annotation | points)
        return found

    def listing(self) -> Listing:
        """What the JSON says, as `detlearn.data.border` checks it."""
        rows = self._rows.rows
        first = rows["bbox"][:, :2]  # (G, 2)
        seen = (self._joints.rows[..., 2] > 0).sum(axis=1)  # (G,)
        return Listing(
            file=str(self.file),
            class_names=self.class_names,
            paths=self._paths[:],
            sizes=np.where(np.isfinite(self._sizes), self._sizes, np.nan),
            owner=np.repeat(np.arange(len(self.ids)), np.diff(self._rows.ends)),
            boxes=np.concatenate([first, first + rows["bbox"][:, 2:]], axis=1),
            labels=rows["label"].astype(np.int64),
            ignored=rows["iscrowd"] == 1,
            ignored_word="crowds (iscrowd)",
            skipped=self.skipped,
            joints=seen if self.keypoints else np.full(len(rows), -1),
            points=self._joints.rows if self.keypoints else None,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[Any, Target]:
        image_id, path, rows = self.ids[index], self._paths[index], self._rows[index]
        image = read_image(path)
        height, width = image.shape[-2:]
        check_said_size(
            tuple(self._sizes[index].tolist()), (width, height),
            [_corners(bbox) for bbox in rows["bbox"].tolist()],
            f"{self.file}: image {image_id} ({path.name})",
        )  # fmt: skip
        boxes = []
        for number, bbox in zip(rows["id"].tolist(), rows["bbox"].tolist(), strict=True):
            box = clip_corners(_corners(bbox), width, height)
            if not has_area(box):
                raise ValueError(
                    f"{self.file}: image {image_id} ({path.name}, {width} x {height}), annotation "
                    f"{number}: bbox {_plain(bbox)} lies outside the image"
                )
            boxes.append(box)
        extra = {
            "area": torch.tensor(rows["area"].tolist(), dtype=torch.float32),
            "iscrowd": torch.tensor(rows["iscrowd"].tolist(), dtype=torch.int64),
        }
        if self.keypoints:
            extra["keypoints"] = torch.from_numpy(self._joints[index].copy())  # (G, J, 3)
        labels = rows["label"].tolist()
        target = make_target(boxes, labels, (height, width), image_id, **extra)
        target["name"] = path.name
        check_target(
            target, (height, width), len(self.class_names), f"{self.file}: image {image_id}"
        )
        return self.transform(image, target) if self.transform else (image, target)


def _without_background(content: CocoContent) -> list[tuple[int, str]]:
    """The categories by id; a "background" without a box is label 0, as everywhere here.

    Raises:
        ValueError: it has boxes.
    """
    categories = sorted(content.categories)
    for number, name in categories:
        if name.casefold() != "background":
            continue
        if boxes := sum(label == number for label in content.labels):
            raise ValueError(
                f"{content.file}: expected no boxes of the category {name!r}, which stands for "
                f"what is none, got {boxes}"
            )
    return [(number, name) for number, name in categories if name.casefold() != "background"]


def _corners(bbox: list[float]) -> tuple[float, float, float, float]:
    """COCO's x, y, width, height as x1, y1, x2, y2."""
    x, y, w, h = bbox
    return x, y, x + w, y + h


def _plain(bbox: Any) -> list[float]:
    """Numbers as people write them: 5, not 5.0."""
    return [int(value) if float(value).is_integer() else float(value) for value in bbox]


def _are_inside(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Which boxes (N, 4), x, y, width, height, have an area in images of sizes (N, 2); (N,) bool.

    As `has_area` says it of one: in float32, as targets keep it.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        first = np.maximum(boxes[:, :2], 0)
        last = np.minimum(boxes[:, :2] + boxes[:, 2:], sizes)
        inside = first.astype(np.float32) < last.astype(np.float32)
        return inside.all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
