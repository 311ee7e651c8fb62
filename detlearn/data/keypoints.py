"""People, one at a time: the items that a pose network is trained on.

`KeypointCrops` turns any data set whose targets have ``keypoints`` (Shapes, COCO) into one with an
item for every person: the crop, the heat maps that the network shall answer, and which of them
count.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..models.hrnet import PoseHRNetConfig
from ..models.pose import (
    PIXEL_STD,
    CenterScale,
    affine_matrix,
    apply_affine,
    box_to_center_scale,
    crop_image,
    flip_keypoints,
    make_heatmaps,
)
from .coco import CocoDetectionDataset
from .shapes import KEYPOINT_NAMES
from .targets import Target

__all__ = [
    "COCO_AUGMENTATION", "MPII_AUGMENTATION", "NOT_MIRRORED", "SHAPES_AUGMENTATION",
    "KeypointAugmentation", "KeypointCrops",
]  # fmt: skip

NOT_MIRRORED = (
    "nobody says which joints change places in a mirror, so nothing is mirrored: expected "
    "flip_pairs in the file's category, or --flip-pairs ('none' if all stay)"
)

UPPER_BODY = range(11)  # of COCO's joints: face and arms; hips and legs follow


@dataclass(frozen=True, slots=True)
class KeypointAugmentation:
    """How a person's crop varies from epoch to epoch (Sun et al. 2019, §4.1).

    Attributes:
        scale: the window is ``1 + normal * scale`` times as large, within ``1 ± scale``.
        rotation: degrees; ``normal * rotation``, within twice that, for 60 % of the people.
        flip: share of the people that are mirrored.
        half_body: share of the people of whom only the upper or the lower half is shown, if they
            have more than 8 labelled joints.

    **Deviation:** the published code draws upper or lower from a normal number below 0.5, which
    gives 69 % upper halves; here it is half and half.
    """

    scale: float = 0.35
    rotation: float = 45.0
    flip: float = 0.5
    half_body: float = 0.3


COCO_AUGMENTATION = KeypointAugmentation()
MPII_AUGMENTATION = KeypointAugmentation(scale=0.25, rotation=30.0, half_body=0.0)
SHAPES_AUGMENTATION = KeypointAugmentation(scale=0.2, rotation=15.0, half_body=0.0)


class KeypointCrops(Dataset):
    """An item for every person of a data set.

    Args:
        dataset: items ``(uint8 (3, H, W), target)`` with ``boxes (G, 4)`` and ``keypoints
            (G, J, 3)``: `Shapes` or `CocoDetectionDataset` with ``keypoints=True``, or such in a
            `Cached`.
        config: of the network: size of crop and heat maps, width of the bumps.
        augmentation: None for the plain crop.
        min_joints: people with fewer labelled joints are left out.
        min_side: and those whose box's longer side is shorter than this, px.

    Items are ``(crop uint8 (3, H, W), target)`` with ``heatmaps (J, H/4, W/4)``, ``weights (J,)``,
    ``keypoints (J, 3)`` (px of the crop), ``center (2,)``, ``scale (2,)``, ``box (4,)``,
    ``image_id``, and the image's ``name`` where it has one.

    Raises:
        ValueError: the data set's targets have no ``keypoints``, or of another number of joints.

    >>> from detlearn.data import Shapes
    >>> from detlearn.models import POSE_HRNET_TINY
    >>> people = KeypointCrops(Shapes(length=8, keypoints=True), POSE_HRNET_TINY)
    >>> crop, target = people[0]
    >>> tuple(crop.shape), tuple(target["heatmaps"].shape), tuple(target["weights"].shape)
    ((3, 128, 96), (17, 32, 24), (17,))
    """

    def __init__(
        self,
        dataset: Any,
        config: PoseHRNetConfig,
        augmentation: KeypointAugmentation | None = None,
        min_joints: int = 1,
        min_side: float = 0.0,
    ) -> None:
        self.dataset, self.config = dataset, config
        if hasattr(dataset, "listing"):  # for the border
            self.listing = dataset.listing
        self.augmentation = _what_is_known(dataset, config, augmentation)
        self.people = [
            (index, row)
            for index, row, joints, side in _people(dataset, config.num_joints)
            if joints >= max(min_joints, 1) and side >= min_side
        ]

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, number: int) -> tuple[Tensor, Target]:
        config = self.config
        index, row = self.people[number]
        image, target = self.dataset[index]
        box = target["boxes"][row].as_subclass(Tensor)  # (4,)
        keypoints = target["keypoints"][row]  # (J, 3)
        window, rotation, mirror = box_to_center_scale(box, config.crop_size), 0.0, False
        if self.augmentation is not None:
            window, rotation, mirror = _vary(window, keypoints, self.augmentation, config)

        there = affine_matrix(*window, config.crop_size, rotation)
        back = affine_matrix(*window, config.crop_size, rotation, inverse=True)
        crop = crop_image(image, back, config.crop_size, config.pixel_center)  # (3, H, W)
        visible = keypoints[:, 2:]
        joints = torch.cat([apply_affine(keypoints[:, :2], there), visible], dim=1)  # (J, 3)
        if mirror:
            crop = crop.flip(-1)
            joints = flip_keypoints(
                joints, config.mirrored, config.crop_size[1], config.pixel_center
            )
        maps, weights = make_heatmaps(
            joints[:, :2], joints[:, 2], config.crop_size, config.heatmap_size,
            config.sigma, rounded=config.rounded,
        )  # fmt: skip
        item = {
            "heatmaps": maps, "weights": weights, "keypoints": joints, "center": window.center,
            "scale": window.scale, "box": box, "image_id": target["image_id"],
        }  # fmt: skip
        return crop, item | ({"name": target["name"]} if "name" in target else {})


def _what_is_known(
    dataset: Any, config: PoseHRNetConfig, how: KeypointAugmentation | None
) -> KeypointAugmentation | None:
    """The augmentation without what needs COCO's joints, where they are others."""
    skeleton = getattr(dataset, "skeleton", None)
    if how is None or (skeleton is None and config.flip_order is not None):
        return how
    if skeleton is None or skeleton.names != KEYPOINT_NAMES:
        how = replace(how, half_body=0.0)  # which of them are a half, nobody says
    mirror = config.flip_order or (skeleton and skeleton.order)
    if not mirror and how.flip:
        warnings.warn(NOT_MIRRORED, stacklevel=3)
        how = replace(how, flip=0.0)
    elif config.flip_order == () and skeleton and skeleton.order != config.mirrored:
        raise ValueError(
            f"flip_order: expected the file's {skeleton.order}, got none in the network's config"
        )
    return how


def _people(dataset: Any, num_joints: int) -> Iterator[tuple[int, int, int, float]]:
    """Index of the image, row in its target, labelled joints and longer side of every person."""
    if isinstance(dataset, CocoDetectionDataset) and dataset.keypoints:
        # The JSON says it all: no picture need be opened.
        if dataset.num_joints not in (0, num_joints):
            raise ValueError(
                f"{dataset.file}: expected key points of {num_joints} joints, as the network "
                f"answers, got {dataset.num_joints}"
            )
        for index, image_id in enumerate(dataset.ids):
            for row, annotation in enumerate(dataset.annotations[image_id]):
                joints = sum(value > 0 for value in (annotation.get("keypoints") or [])[2::3])
                if joints and not annotation.get("iscrowd"):
                    yield index, row, joints, max(annotation["bbox"][2:])
        return
    for index in range(len(dataset)):
        _, target = dataset[index]
        if "keypoints" not in target:
            raise ValueError(
                f"dataset: item {index} has no 'keypoints', only {sorted(target)}; Shapes and "
                "CocoDetectionDataset give them with keypoints=True"
            )
        keypoints = target["keypoints"]
        if keypoints.ndim != 3 or tuple(keypoints.shape[1:]) != (num_joints, 3):
            raise ValueError(
                f"dataset: item {index}: expected keypoints (G, {num_joints}, 3), "
                f"got {tuple(keypoints.shape)}"
            )
        joints = (keypoints[..., 2] > 0).sum(dim=1).tolist()
        sides = (target["boxes"][:, 2:] - target["boxes"][:, :2]).as_subclass(Tensor)
        for row, (labelled, side) in enumerate(zip(joints, sides.tolist(), strict=True)):
            if labelled:
                yield index, row, labelled, max(side)


def _vary(
    window: CenterScale, keypoints: Tensor, how: KeypointAugmentation, config: PoseHRNetConfig
) -> tuple[CenterScale, float, bool]:
    """Window, rotation in degrees, and whether to mirror, drawn from torch's generator."""
    if torch.rand(()) < how.half_body and (keypoints[:, 2] > 0).sum() > 8:
        window = _half_body(keypoints, config.crop_size) or window
    size = float((1 + torch.randn(()) * how.scale).clamp(1 - how.scale, 1 + how.scale))
    turn = float((torch.randn(()) * how.rotation).clamp(-2 * how.rotation, 2 * how.rotation))
    rotation = turn if torch.rand(()) < 0.6 else 0.0
    mirror = bool(torch.rand(()) < how.flip)
    return CenterScale(window.center, window.scale * size), rotation, mirror


def _half_body(keypoints: Tensor, crop_size: tuple[int, int]) -> CenterScale | None:
    """The window around the upper or the lower joints; None if fewer than three are labelled."""
    upper = torch.zeros(len(keypoints), dtype=torch.bool)  # (J,)
    upper[list(UPPER_BODY)[: len(keypoints)]] = True
    chosen = upper if torch.rand(()) < 0.5 else ~upper
    points = keypoints[chosen & (keypoints[:, 2] > 0), :2]
    if len(points) < 3:
        return None
    box = torch.cat([points.amin(dim=0), points.amax(dim=0)])  # (4,)
    _, scale = box_to_center_scale(box, crop_size, padding=1.5)
    # Joints in a row make a box without area; a window has some.
    return CenterScale(points.mean(dim=0), scale.clamp(min=1 / PIXEL_STD))
