"""Shapes as a data set: scenes by number, with targets as torchvision's detectors take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision import tv_tensors

from .classes import CLASS_NAMES, KEYPOINT_NAMES, PERSON, SIMPLE, SKELETON
from .scene import Placed, Scene, draw_scene

SHAPES_VERSION = "1.1"  # changes whenever any scene changes
TRAIN_SEED = 0
TRAIN_OBJECTS = (6, 12)  # full scenes to learn from: as many images teach twice as much
VAL_SEED = 1_000_003  # another stream of scenes: no overlap with training at any index
TUNE_SEED = 2_000_003  # experiments choose on these
TEST_SEED = 3_000_017  # and report these


class Shapes(Dataset[tuple[Any, dict[str, Any]]]):
    """A data set of drawn scenes, made on the fly; nothing is read or downloaded.

    Args:
        length: number of scenes.
        size: side of a scene, px, at least 32.
        seed: of the stream of scenes; ``VAL_SEED`` is the one that the course scores on.
        start: number of the first scene in the stream.
        keypoints: whether targets carry ``"keypoints" (G, 17, 3)`` x, y (px), v; zeros but for
            people.
        transform: called with (image, target), see `detlearn.data.ShapesTransform`.
        objects: fewest and most objects that a scene tries to place; None for 1 to 8, few more
            often than many.  Full scenes teach more for the same time on the network.

    Items are ``(image (3, S, S) uint8, target)``; ``"boxes" (G, 4)`` are xyxy, px, ``"labels"
    (G,)`` int64, 1 to 8, and ``image_id`` is ``start`` + index.  G = 0 happens.

    Raises:
        ValueError: an argument out of its range.

    **Invariant:** a scene follows from its arguments alone: not from the order, the worker or
    the machine.

    >>> image, target = Shapes(length=3)[2]
    >>> tuple(image.shape), target["boxes"].shape[1], target["image_id"]
    ((3, 128, 128), 4, 2)
    """

    class_names: tuple[str, ...] = CLASS_NAMES

    def __init__(
        self,
        length: int = 1000,
        size: int = 128,
        seed: int = TRAIN_SEED,
        start: int = 0,
        keypoints: bool = False,
        transform: Callable[[Any, dict[str, Any]], tuple[Any, dict[str, Any]]] | None = None,
        objects: tuple[int, int] | None = None,
    ) -> None:
        for name, value, least in (
            ("length", length, 0), ("size", size, 32), ("seed", seed, 0), ("start", start, 0)
        ):  # fmt: skip
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name}: expected an integer >= {least}, got {value!r}")
        if objects is not None and not 0 <= objects[0] <= objects[1]:
            raise ValueError(f"objects: expected (fewest, most), got {objects!r}")
        self.length, self.size, self.seed, self.start = length, size, seed, start
        self.objects = objects
        self.keypoints, self.transform = keypoints, transform

    def __len__(self) -> int:
        return self.length

    def scene(self, index: int) -> Scene:
        """The scene behind an item, with what lies where (for teaching and tests)."""
        if not 0 <= index < self.length:
            raise IndexError(f"index: expected 0 <= index < {self.length}, got {index}")
        return draw_scene(self.seed, self.start + index, self.size, self.objects)

    def __getitem__(self, index: int) -> tuple[Any, dict[str, Any]]:
        scene = self.scene(index)
        target = self._target(scene)
        target["image_id"] = self.start + index
        pixels = np.ascontiguousarray(np.asarray(scene.image).transpose(2, 0, 1))
        image: Any = tv_tensors.Image(torch.from_numpy(pixels))
        if self.transform is not None:
            image, target = self.transform(image, target)
        return image, target

    def _target(self, scene: Scene) -> dict[str, Any]:
        size, objects = self.size, scene.objects
        corners = np.array(
            [(o.x, o.y, o.x + o.cutout.width, o.y + o.cutout.height) for o in objects], np.float32
        )
        boxes = torch.from_numpy(corners.reshape(-1, 4).clip(0, size))  # (G, 4)
        target: dict[str, Any] = {
            "boxes": tv_tensors.BoundingBoxes(  # type: ignore[call-overload]
                boxes, format="XYXY", canvas_size=(size, size)
            ),
            "labels": torch.tensor([o.label for o in objects], dtype=torch.int64),
            "area": (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
            "iscrowd": torch.zeros(len(objects), dtype=torch.int64),
        }
        if self.keypoints:
            target["keypoints"] = torch.tensor(
                [_keypoints(scene, o) for o in objects], dtype=torch.float32
            ).reshape(-1, 17, 3)  # (G, 17, 3)
        return target

    @staticmethod
    def coco_categories() -> list[dict[str, Any]]:
        """The classes as COCO writes them: ids 1 to 8, person with its key points."""
        categories: list[dict[str, Any]] = [
            {"id": i, "name": name, "supercategory": "simple" if name in SIMPLE else "complex"}
            for i, name in enumerate(CLASS_NAMES)
            if i > 0
        ]
        categories[PERSON - 1]["keypoints"] = list(KEYPOINT_NAMES)
        categories[PERSON - 1]["skeleton"] = [list(pair) for pair in SKELETON]
        return categories


def _keypoints(scene: Scene, thing: Placed) -> list[tuple[float, float, float]]:
    """(x, y, v) of one object: v is 2 visible, 1 hidden by something else, 0 beyond the image."""
    if thing.cutout.joints is None:
        return [(0.0, 0.0, 0.0)] * 17
    size, own = scene.image.width, scene.things.index(thing)
    found = []
    for joint in thing.cutout.joints:
        x, y = float(joint.real) + thing.x, float(joint.imag) + thing.y
        if not (0 <= x < size and 0 <= y < size):
            found.append((0.0, 0.0, 0.0))
            continue
        hidden = scene.owner[int(y), int(x)] > own
        found.append((x, y, 1.0 if hidden else 2.0))
    return found
