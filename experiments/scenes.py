"""The three sets of an experiment: one to learn from, one to choose by, one to report.

They are three streams of drawn scenes (`detlearn.data.Shapes`), and no scene is in two of them.
Whatever is chosen (a learning rate, a threshold) is chosen on the *tune* set; the *test* set is
looked at by final runs only, once each.  The 300 scenes in ``data/shapes_val`` are none of the
three: readers score their own detectors on them.

There are two domains.  ``"shapes"`` is what all networks of the course learn.  ``"night"`` is what
somebody may want of a detector of Shapes later: the same kinds of things seen by a bad heat camera
(grey, negative, pale, noisy), in three classes of other names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torchvision.tv_tensors import wrap

from detlearn.data import (
    SHAPES_AUGMENTATION,
    TRAIN_OBJECTS,
    Cached,
    KeypointCrops,
    Shapes,
    collate,
    shapes_train_transform,
    train_transform,
)
from detlearn.data.shapes import TEST_SEED, TRAIN_SEED, TUNE_SEED
from detlearn.models import PoseHRNetConfig

__all__ = ["SEEDS", "SIZES", "shapes_of", "some_items", "train_set", "view"]

SEEDS = {"train": TRAIN_SEED, "tune": TUNE_SEED, "test": TEST_SEED}
"""The stream of scenes of each set."""

SIZES = {"tune": 500, "test": 1000}
"""Scenes that a score is made of."""

STARTS = {"shapes": 0, "night": 1_000_000}
"""Where the scenes to learn from begin: a detector of Shapes has seen none of the night's."""

NIGHT_NAMES = ("background", "sign", "living", "building")
NIGHT_OF = {
    "background": 0, "disc": 1, "square": 1, "triangle": 1, "cross": 1,
    "face": 2, "person": 2, "tree": 2, "house": 3,
}  # fmt: skip
"""Label at night of each class of Shapes."""


def to_night(image: Tensor, target: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
    """What a bad heat camera makes of a scene, the same each time it is asked.

    Args:
        image: ``(3, H, W)`` uint8.
        target: of `Shapes`, with ``"labels"`` and ``"image_id"``.

    Returns:
        image and target of the same shapes, labels of `NIGHT_NAMES`.
    """
    generator = torch.Generator().manual_seed(int(target["image_id"]))
    grey = image.float().mean(dim=0, keepdim=True)  # (1, H, W)
    noise = 12 * torch.randn(grey.shape, generator=generator)
    dark = (0.5 * (255 - grey) + 20 + noise).clamp(0, 255).to(torch.uint8)
    label_of = torch.tensor([NIGHT_OF[name] for name in Shapes.class_names])
    wrapped = wrap(dark.expand(3, -1, -1).clone(), like=image)
    return wrapped, target | {"labels": label_of[target["labels"]]}


def shapes_of(domain: str, scenes: int, seed: int, **options: Any) -> Shapes:
    """Drawn scenes of a domain.

    Raises:
        ValueError: no such domain.

    >>> shapes_of("night", 5, seed=1).class_names
    ('background', 'sign', 'living', 'building')
    """
    if domain not in STARTS:
        raise ValueError(f"domain: expected one of {', '.join(STARTS)}, got {domain!r}")
    night = domain == "night"
    drawn = Shapes(scenes, seed=seed, transform=to_night if night else None, **options)
    if night:
        drawn.class_names = NIGHT_NAMES
    return drawn


@lru_cache(maxsize=1)
def _drawn(scenes: int, keypoints: bool, domain: str) -> Cached:
    return Cached(
        shapes_of(domain, scenes, SEEDS["train"], start=STARTS[domain], objects=TRAIN_OBJECTS,
                  keypoints=keypoints)
    )  # fmt: skip


def train_set(
    scenes: int,
    pose: PoseHRNetConfig | None = None,
    augment: Mapping[str, Any] | None = None,
    domain: str = "shapes",
) -> Any:
    """Scenes to learn from, drawn once; flips and crops make every epoch new.

    Args:
        scenes: how many of the stream, from the first on: a smaller set is a part of a larger one.
        pose: of a pose network, whose items are people.
        augment: of a detector: settings of `detlearn.data.ShapesTransform`; with
            ``"as": "ssd"`` among them, those of `detlearn.data.TrainTransform`.
        domain: ``"shapes"`` or ``"night"``.
    """
    drawn = _drawn(scenes, pose is not None, domain)
    if pose is not None:
        return KeypointCrops(drawn, pose, SHAPES_AUGMENTATION)
    same = Cached([])  # the same scenes, not drawn again
    same.class_names, same.items = drawn.class_names, drawn.items
    settings = dict(augment or {})
    make = {"shapes": shapes_train_transform, "ssd": train_transform}[settings.pop("as", "shapes")]
    same.transform = make(128, **settings)
    return same


@lru_cache(maxsize=2)
def view(
    which: str, keypoints: bool = False, scenes: int | None = None, domain: str = "shapes"
) -> Shapes:
    """The scenes to score on.

    Args:
        which: ``"tune"`` or ``"test"``.
        keypoints: whether targets have them.
        scenes: fewer than `SIZES` says, for a quick look.
        domain: ``"shapes"`` or ``"night"``.

    >>> len(view("tune")), len(view("test"))
    (500, 1000)
    """
    return shapes_of(domain, scenes or SIZES[which], SEEDS[which], keypoints=keypoints)


def some_items(
    count: int, pose: PoseHRNetConfig | None = None, domain: str = "shapes"
) -> tuple[Tensor, list[dict[str, Any]]]:
    """Images ``(N, 3, H, W)`` and targets of the tune set, for a check-up."""
    dataset: Any = view("tune", keypoints=pose is not None, domain=domain)
    if pose is not None:
        dataset = KeypointCrops(dataset, pose)
    images, targets = collate([dataset[index] for index in range(count)])
    return torch.as_tensor(images), list(targets)
