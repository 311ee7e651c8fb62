"""What comes in: pictures are normalised and resized, targets are checked.

Every picture that a network sees has been resized by `resize`, when it trains as when it detects:
with the model's own `antialias`, or a network would be scored on other pictures than it learned
from.  `Detector.prepare` puts the pieces together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..boxes import all_finite, check_boxes
from .checks import check_image

__all__ = ["Placement", "TakesPictures", "check_targets", "fit", "normalize", "place", "resize"]


def normalize(images: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Scale pixels to [0, 1], subtract the mean, divide by the spread.

    Args:
        images: ``(..., 3, H, W)`` RGB, uint8, or floating point in [0, 1].
        mean: ``(3, 1, 1)``; its device and dtype are the result's.
        std: ``(3, 1, 1)``.

    Returns:
        The same shape, floating point.

    >>> white = torch.full((3, 1, 1), 255, dtype=torch.uint8)
    >>> half = torch.full((3, 1, 1), 0.5)
    >>> normalize(white, half, half).flatten()
    tensor([1., 1., 1.])
    """
    unit = images.as_subclass(Tensor).to(mean.device, mean.dtype)
    if not images.is_floating_point():
        unit = unit / 255
    return (unit - mean) / std


class TakesPictures(nn.Module):
    """A network that knows how its pictures are normalised.

    Args:
        config: with ``image_mean`` and ``image_std``, of images in [0, 1], RGB.

    Attributes:
        image_mean: ``(3, 1, 1)``, a buffer that is not saved.
        image_std: the same.
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: Any) -> None:
        super().__init__()
        for name in ("image_mean", "image_std"):
            values = torch.tensor(getattr(config, name))[:, None, None]  # (3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """Pixels to numbers that the network knows: scale to [0, 1], minus mean, over spread.

        Args:
            images: ``(..., 3, H, W)`` RGB, uint8, or floating point in [0, 1].

        Returns:
            The same shape, floating point, on the model's device.

        Raises:
            ValueError: if the images are no such tensor.

        >>> import detlearn
        >>> model = detlearn.create_model("ssd_tiny")
        >>> model.normalize(torch.full((3, 1, 1), 255, dtype=torch.uint8)).flatten()
        tensor([1., 1., 1.])
        """
        check_image(images, "images", dims=None)
        return self._normalize(images)

    def _normalize(self, images: Tensor) -> Tensor:
        return normalize(images, self.image_mean, self.image_std)


def resize(images: Tensor, size: tuple[int, int], antialias: bool) -> Tensor:
    """Stretch pictures to a size, bilinearly.

    Corners are not aligned: a fraction of the old picture is the same fraction of the new one.

    Args:
        images: ``(B, C, H, W)``, uint8 or floating point.
        size: ``(height, width)`` of the result, px.
        antialias: average over all pixels that one of the result covers, as Pillow does; without
            it, shrinking looks at the nearest four and misses what lies between.

    Returns:
        ``(B, C, *size)`` of the same dtype; the same tensor if it has that size already.

    >>> dot = torch.zeros(1, 1, 16, 16)
    >>> dot[0, 0, 4, 4] = 1.0
    >>> [bool(resize(dot, (4, 4), antialias).any()) for antialias in (True, False)]
    [True, False]
    """
    if images.shape[-2:] == size:
        return images
    # On the CPU, PyTorch resizes whole numbers four times as fast as floating point.
    whole = images.dtype == torch.uint8
    values = images.float() if whole and images.device.type != "cpu" else images
    values = F.interpolate(
        values, size, mode="bilinear", align_corners=False, antialias=antialias
    )  # (B, C, H, W)
    return values if values.dtype == images.dtype else values.round().clamp(0, 255).to(images.dtype)


class Placement(NamedTuple):
    """Where a picture of any shape lies in the square that the network sees, px of the square.

    Attributes:
        top: rows above it.
        left: columns left of it.
        height: its rows.
        width: its columns.

    >>> place((100, 200), 128, letterbox=True)  # 64 rows of picture, 32 of black on each side
    Placement(top=32, left=0, height=64, width=128)
    """

    top: int
    left: int
    height: int
    width: int

    def to_input(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """From px of the picture to px of the square.

        Args:
            points: ``(..., 2n)`` x, y, x, y, ...: boxes xyxy, or points.
            size: ``(height, width)`` of the picture, px.
        """
        repeats = points.shape[-1] // 2
        scale = points.new_tensor([self.width / size[1], self.height / size[0]] * repeats)
        return points * scale + points.new_tensor([self.left, self.top] * repeats)

    def to_picture(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """From px of the square to px of the picture; the inverse of `to_input`.

        Args:
            points: as for `to_input`.
            size: ``(height, width)`` of the picture, px.
        """
        repeats = points.shape[-1] // 2
        scale = points.new_tensor([size[1] / self.width, size[0] / self.height] * repeats)
        return (points - points.new_tensor([self.left, self.top] * repeats)) * scale


def place(size: tuple[int, int], side: int, letterbox: bool) -> Placement:
    """How a picture is put into the square input.

    Args:
        size: ``(height, width)`` of the picture, px.
        side: S of the input, px.
        letterbox: keep its proportions, centred; without it, stretch it over the square.

    >>> place((100, 200), 128, letterbox=False)
    Placement(top=0, left=0, height=128, width=128)
    """
    if not letterbox:
        return Placement(0, 0, side, side)
    scale = side / max(size)
    height, width = (min(side, max(1, round(length * scale))) for length in size)
    return Placement((side - height) // 2, (side - width) // 2, height, width)


def fit(images: Tensor, side: int, antialias: bool, letterbox: bool, black: Tensor) -> Tensor:
    """Pictures of one size as the network's square input.

    Args:
        images: ``(B, C, H, W)``.
        side: S, px.
        antialias: see `resize`.
        letterbox: see `place`.
        black: ``(C, 1, 1)`` what stands beside a picture that keeps its proportions.

    Returns:
        ``(B, C, S, S)``, the same dtype.

    >>> wide = fit(torch.ones(1, 1, 2, 4), 4, True, letterbox=True, black=torch.zeros(1, 1, 1))
    >>> wide[0, 0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 0.0, 0.0]]
    """
    top, left, height, width = place((images.shape[-2], images.shape[-1]), side, letterbox)
    inner = resize(images, (height, width), antialias)  # (B, C, H, W)
    if (height, width) == (side, side):
        return inner
    square = black.to(inner.dtype).expand(*inner.shape[:2], side, side).clone()  # (B, C, S, S)
    square[..., top : top + height, left : left + width] = inner
    return square


def check_network_input(images: Tensor, image_size: int) -> None:
    """Refuse what a network cannot take: anything but ``(B, 3, S, S)`` floating point.

    Args:
        images: what was given to `forward`.
        image_size: S, px.

    Raises:
        ValueError: with the shape expected, and what to do.
    """
    S = image_size
    if not isinstance(images, Tensor):
        kind = type(images).__name__
        raise ValueError(f"images: expected a tensor (B, 3, {S}, {S}), got {kind}")
    if images.ndim != 4 or images.shape[1:] != (3, S, S):
        raise ValueError(
            f"images: expected shape (B, 3, {S}, {S}), got {tuple(images.shape)}; "
            "model.detect takes images of any size"
        )
    if not images.is_floating_point():
        raise ValueError(
            f"images: expected normalised floating point, got {images.dtype}; "
            "model.normalize(images) makes it"
        )


def check_finite(index: int, *numbers: Tensor) -> None:
    """Refuse scores or boxes that are no numbers.

    Args:
        index: of the image that they are about.
        numbers: floating point, of any shapes.

    Raises:
        ValueError: naming the image.
    """
    if not all(map(all_finite, numbers)):
        raise ValueError(
            f"predictions: those of image {index} are not finite: "
            "the training diverged, or the weights are damaged"
        )


def check_targets(
    targets: Sequence[Mapping[str, Tensor]],
    batch_size: int,
    image_size: int,
    num_classes: int,
    device: torch.device,
) -> list[tuple[Tensor, Tensor]]:
    """Refuse targets that cannot be learned from, and hand over the rest.

    Args:
        targets: for each image ``"boxes" (G, 4)`` xyxy, px of the (S, S) network input, and
            ``"labels" (G,)`` integers; ``G = 0`` is legal.
        batch_size: number of images.
        image_size: S, px.
        num_classes: K, background included.
        device: of the result.

    Returns:
        For each image boxes ``(G, 4)`` xyxy in fractions, and labels ``(G,)``.

    Raises:
        ValueError: naming the image, the box, and what is wrong with it.
    """
    if not isinstance(targets, Sequence) or isinstance(targets, str):
        got = "one dict" if isinstance(targets, Mapping) else type(targets).__name__
        raise ValueError(f"targets: expected a list with one dict an image, got {got}")
    if len(targets) != batch_size:
        raise ValueError(
            f"targets: expected one for each of the {batch_size} images, got {len(targets)}"
        )
    size, checked = (image_size, image_size), []
    for index, target in enumerate(targets):
        name = f"targets[{index}]"
        if not isinstance(target, Mapping) or not {"boxes", "labels"} <= target.keys():
            got = sorted(target) if isinstance(target, Mapping) else type(target).__name__
            raise ValueError(f"{name}: expected a dict with 'boxes' and 'labels', got {got}")
        boxes, labels = target["boxes"], target["labels"]
        _check_bounding_boxes(boxes, image_size, name)
        check_boxes(boxes, labels, size=size, num_classes=num_classes, name=name)
        fractions = boxes.as_subclass(Tensor).to(device, torch.float32) / image_size  # (G, 4)
        checked.append((fractions, labels.as_subclass(Tensor).to(device)))
    return checked


def _check_bounding_boxes(boxes: object, side: int, name: str) -> None:
    """What torchvision's BoundingBoxes say about themselves must be what we expect."""
    layout = getattr(boxes, "format", None)
    if layout is not None and layout.value != "XYXY":
        raise ValueError(f"{name}: expected boxes in the format XYXY, got {layout.value}")
    canvas = tuple(getattr(boxes, "canvas_size", (side, side)))
    if canvas != (side, side):
        raise ValueError(
            f"{name}: expected boxes of the network's input, {side} x {side} px, "
            f"got boxes of an image of {canvas[0]} x {canvas[1]}; resize both together"
        )
