"""SSD's augmentation on images and boxes together (Liu et al. 2016, §2.2, "Data augmentation").

Built from `torchvision.transforms.v2`, which moves boxes along with their image as long as they
are `tv_tensors`.  Only the last step, resizing, is the model's own (`detlearn.models.inputs`): a
network must learn from the pictures that it will be shown, so ``size``, ``antialias`` and
``letterbox`` are its config's.  Everything random draws from torch's global generator; the
training loop seeds it for every image.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as TF

from ..models.inputs import fit, place
from .targets import Target

__all__ = ["EvalTransform", "ShapesTransform", "TrainTransform", "eval_transform",
           "shapes_train_transform", "train_transform"]  # fmt: skip

PER_BOX = ("labels", "area", "iscrowd", "difficult")
MEAN_COLOUR = (123, 117, 104)  # of ImageNet: what an enlarged canvas is filled with


class EvalTransform:
    """Resize image and boxes to the network's square input, nothing else.

    Args:
        size: side S of the result, px.
        antialias: average when shrinking, as `detlearn.models.DetectorConfig` says.
        letterbox: keep the proportions, with black beside the picture, likewise.

    >>> from detlearn.data import make_target
    >>> image = tv_tensors.Image(torch.zeros(3, 50, 100, dtype=torch.uint8))
    >>> target = make_target([(10, 10, 20, 20)], [1], (50, 100), 0)
    >>> image, target = EvalTransform(200)(image, target)
    >>> tuple(image.shape), target["boxes"].tolist()
    ((3, 200, 200), [[20.0, 40.0, 40.0, 80.0]])
    """

    def __init__(self, size: int, antialias: bool = True, letterbox: bool = False) -> None:
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size: expected a positive integer, got {size!r}")
        self.size, self.antialias, self.letterbox = size, antialias, letterbox

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        target = _without_keypoints(_with_canvas(image, target))
        return _resize(image, target, self.size, self.antialias, self.letterbox)


class TrainTransform:
    """SSD's augmentation (Liu et al. 2016, §2.2, §3.6).

    Crops, mirror and colours gave SSD300 8.8 points of mAP on VOC 2007 (Table 2), the canvas 2.9
    more (Table 6).

    In this order: photometric distortion; half of the time a canvas up to four times as large
    with the image somewhere on it (small objects); a random crop whose IoU with some object is
    at least 0, .1, .3, .5, .7 or .9, or none (large objects); mirror; resize; and boxes that are
    cut to nothing leave, with everything that belongs to them.

    Args:
        size: side S of the result, px.
        photometric: distort colours.
        zoom_out: largest factor of the canvas; 1 for none.
        crop: crop at random.
        flip: mirror half of the images.
        fill: colour of the canvas.
        min_size: boxes with a shorter side than this, px of the result, are dropped.
        antialias: average when shrinking; see `EvalTransform`.
        letterbox: keep the proportions; see `EvalTransform`.

    Images without objects are legal; they are distorted, mirrored and resized.  Boxes around
    whole crowds (COCO's ``iscrowd``) and difficult ones (VOC's) leave first: they are no single
    object, and evaluators forgive them.

    **Deviation:** `keypoints` are left out of the result: this is for boxes.  uvipen/SSD-pytorch
    trains on crowds as if they were objects.
    """

    def __init__(
        self,
        size: int,
        *,
        photometric: bool = True,
        zoom_out: float = 4.0,
        crop: bool = True,
        flip: bool = True,
        fill: tuple[int, int, int] = MEAN_COLOUR,
        min_size: float = 1.0,
        antialias: bool = True,
        letterbox: bool = False,
    ) -> None:
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"size: expected a positive integer, got {size!r}")
        if not zoom_out >= 1:
            raise ValueError(f"zoom_out: expected a factor of at least 1, got {zoom_out}")
        self.size, self.min_size = size, min_size
        self.antialias, self.letterbox = antialias, letterbox
        steps: list[Any] = [v2.RandomPhotometricDistort()] if photometric else []
        if zoom_out > 1:
            steps.append(v2.RandomZoomOut(fill=list(fill), side_range=(1.0, zoom_out)))
        self.before = v2.Compose([*steps, v2.Identity()])
        # It tries forty windows for an IoU with boxes that are not there: not without objects. Its
        # windows are at least three tenths as wide and high: none of a strip of 1 to 3 pixels.
        self.crop = v2.RandomIoUCrop() if crop else None
        self.mirror = v2.RandomHorizontalFlip() if flip else v2.Identity()

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        target = _only_lessons(_with_canvas(image, target))
        image, target = _apply(self.before, image, target)
        if self.crop is not None and len(target["boxes"]) and min(image.shape[-2:]) > 3:
            image, target = _sanitize(*_apply(self.crop, image, target), 0.0)
        image, target = _apply(self.mirror, image, target)
        image, target = _resize(image, target, self.size, self.antialias, self.letterbox)
        return _sanitize(image, target, self.min_size)


class ShapesTransform:
    """Mirror half of the scenes, and look closer at some: cheap enough for Shapes on a CPU.

    Args:
        size: side S of the result, px.
        closest: the window's side is this fraction of the image or more.
        zoom: how often a window is looked at instead of the whole scene.
        min_size: boxes with a shorter side than this, px of the result, are dropped.
        antialias: average when shrinking; see `EvalTransform`.
        letterbox: keep the proportions; see `EvalTransform`.
    """

    def __init__(
        self,
        size: int,
        closest: float = 0.7,
        zoom: float = 0.3,
        min_size: float = 3.0,
        antialias: bool = True,
        letterbox: bool = False,
    ) -> None:
        if not 0 < closest <= 1:
            raise ValueError(f"closest: expected a fraction above 0, at most 1, got {closest}")
        self.size, self.closest, self.zoom, self.min_size = size, closest, zoom, min_size
        self.antialias, self.letterbox = antialias, letterbox

    def __call__(self, image: Tensor, target: Target) -> tuple[Tensor, Target]:
        target = _without_keypoints(_with_canvas(image, target))
        boxes = target["boxes"]
        if torch.rand(()) < 0.5:
            image, boxes = TF.horizontal_flip(image), TF.horizontal_flip(boxes)
        if torch.rand(()) < self.zoom:
            height, width = image.shape[-2:]
            share = float(torch.empty(()).uniform_(self.closest, 1.0))
            h, w = max(1, round(share * height)), max(1, round(share * width))
            top = int(torch.randint(0, height - h + 1, ()))
            left = int(torch.randint(0, width - w + 1, ()))
            inside = _centers_inside(boxes, top, left, h, w)
            target, boxes = _keep(target, inside), boxes[inside]
            boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(height, width))
            image, boxes = TF.crop(image, top, left, h, w), TF.crop(boxes, top, left, h, w)
        image, target = _resize(
            image, target | {"boxes": boxes}, self.size, self.antialias, self.letterbox
        )
        return _sanitize(image, target, self.min_size)


def _centers_inside(boxes: Tensor, top: int, left: int, h: int, w: int) -> Tensor:
    """SSD's rule for crops: an object stays if its centre does."""
    x, y = (boxes[:, :2] + boxes[:, 2:]).as_subclass(Tensor).unbind(-1)
    x, y = x / 2 - left, y / 2 - top
    return (x > 0) & (x < w) & (y > 0) & (y < h)


def _with_canvas(image: Tensor, target: Target) -> Target:
    """The target with boxes that v2 moves: a plain tensor would stay where it is."""
    if not isinstance(image, Tensor) or not isinstance(target, Mapping) or "boxes" not in target:
        got = f"{type(image).__name__} and {type(target).__name__}"
        raise ValueError(f"expected an image tensor and a target with 'boxes', got {got}")
    boxes = target["boxes"]
    if not isinstance(boxes, tv_tensors.BoundingBoxes):
        size = (image.shape[-2], image.shape[-1])
        boxes = tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=size)
    if boxes.format.value != "XYXY":
        raise ValueError(f"boxes: expected the format XYXY, got {boxes.format.value}")
    return {**target, "boxes": boxes}


def _without_keypoints(target: Target) -> Target:
    return {key: value for key, value in target.items() if key != "keypoints"}


def _resize(
    image: Tensor, target: Target, size: int, antialias: bool, letterbox: bool
) -> tuple[Tensor, Target]:
    """The image as the network will see it, (3, S, S), and its boxes."""
    old = (image.shape[-2], image.shape[-1])
    black = torch.zeros(3, 1, 1, dtype=image.dtype)
    pixels = fit(image.as_subclass(Tensor)[None], size, antialias, letterbox, black)[0]  # (3, S, S)
    plain = target["boxes"].as_subclass(Tensor)
    corners = place(old, size, letterbox).to_input(plain, old)  # (G, 4)
    boxes = tv_tensors.BoundingBoxes(corners, format="XYXY", canvas_size=(size, size))
    if isinstance(image, tv_tensors.TVTensor):
        pixels = tv_tensors.wrap(pixels, like=image)
    return pixels, target | {"boxes": boxes}


def _apply(steps: Any, image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """Run v2's transforms on the image and its boxes; every other entry passes by."""
    moved = steps({"image": image, "boxes": target["boxes"], "labels": target["labels"]})
    changed = {"boxes": moved["boxes"], "labels": moved["labels"]}
    if len(moved["boxes"]) != len(target["boxes"]):
        raise RuntimeError("a transform dropped boxes; only sanitising may")
    return moved["image"], _without_keypoints(target) | changed


def _only_lessons(target: Target) -> Target:
    """A target without crowds and difficult objects."""
    keep = torch.ones(len(target["boxes"]), dtype=torch.bool)  # (G,)
    for key in ("iscrowd", "difficult"):
        if key in target:
            keep &= target[key] == 0
    if keep.all():
        return target
    boxes = target["boxes"]
    return _keep(target, keep) | {"boxes": tv_tensors.wrap(boxes[keep], like=boxes)}


def _sanitize(image: Tensor, target: Target, min_size: float) -> tuple[Tensor, Target]:
    """Cut boxes at the border; drop those with nothing left, with all that belongs to them."""
    boxes = TF.clamp_bounding_boxes(target["boxes"])
    w, h = (boxes[:, 2:] - boxes[:, :2]).as_subclass(Tensor).unbind(-1)
    keep = (w > max(min_size, 1e-3)) & (h > max(min_size, 1e-3))
    size = (image.shape[-2], image.shape[-1])
    cut = tv_tensors.BoundingBoxes(boxes[keep], format="XYXY", canvas_size=size)
    target = _keep(target, keep) | {"boxes": cut}
    if "area" in target:
        target["area"] = (w * h)[keep]
    return image, target


def _keep(target: Target, mask: Tensor) -> Target:
    """The rows of a target that a mask chooses; boxes are the caller's."""
    return target | {key: target[key][mask] for key in PER_BOX if key in target}


def eval_transform(size: int, antialias: bool = True, letterbox: bool = False) -> EvalTransform:
    """Resize image and boxes to the network's input; see `EvalTransform`.

    >>> eval_transform(300).size
    300
    """
    return EvalTransform(size, antialias, letterbox)


def train_transform(size: int, **settings: Any) -> TrainTransform:
    """SSD's augmentation; see `TrainTransform` for the settings.

    >>> train_transform(300, zoom_out=1).size
    300
    """
    return TrainTransform(size, **settings)


def shapes_train_transform(size: int, **settings: Any) -> ShapesTransform:
    """Cheap augmentation for Shapes; see `ShapesTransform` for the settings.

    >>> shapes_train_transform(128).size
    128
    """
    return ShapesTransform(size, **settings)
