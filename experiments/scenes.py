"""The three sets of an experiment: one to learn from, one to choose by, one to report.

They are three streams of drawn scenes (`detlearn.data.Shapes`), and no scene is in two of them.
Whatever is chosen (a learning rate, a threshold) is chosen on the *tune* set; the *test* set is
looked at by final runs only, once each.  The 300 scenes in ``data/shapes_val`` are none of the
three: readers score their own detectors on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from detlearn.data import (
    SHAPES_AUGMENTATION,
    TRAIN_OBJECTS,
    Cached,
    KeypointCrops,
    Shapes,
    collate,
    shapes_train_transform,
)
from detlearn.data.shapes import TEST_SEED, TRAIN_SEED, TUNE_SEED
from detlearn.models import PoseHRNetConfig

__all__ = ["SEEDS", "SIZES", "some_items", "train_set", "view"]

SEEDS = {"train": TRAIN_SEED, "tune": TUNE_SEED, "test": TEST_SEED}
"""The stream of scenes of each set."""

SIZES = {"tune": 500, "test": 1000}
"""Scenes that a score is made of."""


@lru_cache(maxsize=1)
def _drawn(scenes: int, keypoints: bool) -> Cached:
    return Cached(Shapes(scenes, seed=SEEDS["train"], objects=TRAIN_OBJECTS, keypoints=keypoints))


def train_set(
    scenes: int, pose: PoseHRNetConfig | None = None, augment: Mapping[str, Any] | None = None
) -> Any:
    """Scenes to learn from, drawn once; flips and crops make every epoch new.

    Args:
        scenes: how many of the stream, from the first on: a smaller set is a part of a larger one.
        pose: of a pose network, whose items are people.
        augment: of a detector: settings of `detlearn.data.ShapesTransform`.
    """
    drawn = _drawn(scenes, pose is not None)
    if pose is not None:
        return KeypointCrops(drawn, pose, SHAPES_AUGMENTATION)
    same = Cached([])  # the same scenes, not drawn again
    same.class_names, same.items = drawn.class_names, drawn.items
    same.transform = shapes_train_transform(128, **augment or {})
    return same


@lru_cache(maxsize=2)
def view(which: str, keypoints: bool = False, scenes: int | None = None) -> Shapes:
    """The scenes to score on.

    Args:
        which: ``"tune"`` or ``"test"``.
        keypoints: whether targets have them.
        scenes: fewer than `SIZES` says, for a quick look.

    >>> len(view("tune")), len(view("test"))
    (500, 1000)
    """
    return Shapes(scenes or SIZES[which], seed=SEEDS[which], keypoints=keypoints)


def some_items(
    count: int, pose: PoseHRNetConfig | None = None
) -> tuple[Tensor, list[dict[str, Any]]]:
    """Images ``(N, 3, H, W)`` and targets of the tune set, for a check-up."""
    dataset: Any = view("tune", keypoints=pose is not None)
    if pose is not None:
        dataset = KeypointCrops(dataset, pose)
    images, targets = collate([dataset[index] for index in range(count)])
    return torch.as_tensor(images), list(targets)
