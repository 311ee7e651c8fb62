"""What may come in: the numbers of a config, and pictures.

Every check raises `ValueError` with the name of the culprit, what was expected, and what came.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "check_choice", "check_flag", "check_image", "check_images", "check_integer", "check_integers",
    "check_number", "check_numbers", "check_positive", "is_integer", "is_number",
]  # fmt: skip

# ---------------------------------------------------------------- configs


def is_integer(value: object, least: int = 1) -> bool:
    """Whether a value is an integer (True and False are none), and not below ``least``.

    >>> is_integer(3), is_integer(0), is_integer(True)
    (True, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: object) -> bool:
    """Whether a value is a finite number (True and False are none).

    >>> is_number(0.5), is_number(math.nan), is_number("1")
    (True, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_integer(name: str, value: object, least: int = 1, reason: str = "") -> None:
    """Refuse anything but an integer of at least ``least``.

    >>> check_integer("num_classes", 1, 2, " (the background counts)")
    Traceback (most recent call last):
        ...
    ValueError: num_classes: expected an integer, at least 2 (the background counts), got 1
    """
    if not is_integer(value, least):
        raise ValueError(f"{name}: expected an integer, at least {least}{reason}, got {value!r}")


def check_integers(name: str, values: object, length: int | None = None) -> None:
    """Refuse anything but a tuple of integers above 0, of ``length`` if that is given.

    >>> check_integers("widths", (16, 0))
    Traceback (most recent call last):
        ...
    ValueError: widths: expected a tuple of integers above 0, got (16, 0)
    """
    if (
        not isinstance(values, tuple)
        or not all(is_integer(value) for value in values)
        or (length is not None and len(values) != length)
    ):
        count = "" if length is None else f"{length} "
        raise ValueError(f"{name}: expected a tuple of {count}integers above 0, got {values!r}")


def check_number(name: str, value: object, low: float = -math.inf, high: float = math.inf) -> None:
    """Refuse anything but a finite number from ``low`` to ``high``.

    >>> check_number("match_threshold", 2, 0, 1)
    Traceback (most recent call last):
        ...
    ValueError: match_threshold: expected a number from 0 to 1, got 2
    """
    if not is_number(value) or not low <= value <= high:  # type: ignore[operator]
        bounds = f" from {low} to {high}"
        if high == math.inf:
            bounds = "" if low == -math.inf else f", at least {low}"
        raise ValueError(f"{name}: expected a number{bounds}, got {value!r}")


def check_positive(name: str, value: object) -> None:
    """Refuse anything but a finite number above 0.

    >>> check_positive("sigma", 0.0)
    Traceback (most recent call last):
        ...
    ValueError: sigma: expected a positive number, got 0.0
    """
    if not is_number(value) or value <= 0:  # type: ignore[operator]
        raise ValueError(f"{name}: expected a positive number, got {value!r}")


def check_numbers(name: str, values: object, length: int, positive: bool) -> None:
    """Refuse anything but a tuple of ``length`` finite numbers, above 0 if asked.

    >>> check_numbers("image_std", (1.0, 1.0, 0.0), 3, positive=True)
    Traceback (most recent call last):
        ...
    ValueError: image_std: expected 3 positive numbers, got (1.0, 1.0, 0.0)
    """
    if (
        not isinstance(values, tuple)
        or len(values) != length
        or not all(is_number(value) for value in values)
        or (positive and min(values) <= 0)
    ):
        sign = "positive " if positive else ""
        raise ValueError(f"{name}: expected {length} {sign}numbers, got {values!r}")


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Refuse anything but one of the choices.

    >>> check_choice("head", "linear", ("conv", "separable"))
    Traceback (most recent call last):
        ...
    ValueError: head: expected one of 'conv', 'separable', got 'linear'
    """
    if value not in choices:
        allowed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name}: expected one of {allowed}, got {value!r}")


def check_flag(name: str, value: object) -> None:
    """Refuse anything but True or False.

    >>> check_flag("antialias", "no")
    Traceback (most recent call last):
        ...
    ValueError: antialias: expected True or False, got 'no'
    """
    if value not in (True, False):
        raise ValueError(f"{name}: expected True or False, got {value!r}")


# ---------------------------------------------------------------- pictures


def check_images(images: Sequence[Tensor] | Tensor) -> None:
    """Refuse anything but a list of pictures ``(3, H, W)``, or one batch ``(B, 3, H, W)``.

    Args:
        images: RGB, uint8, or floating point in [0, 1].

    Raises:
        ValueError: naming the image, see `check_image`.

    >>> check_images(torch.zeros(3, 8, 8))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: images: expected a list of images or a batch (B, 3, H, W), got one image of ...
    """
    if isinstance(images, Tensor):
        if images.ndim == 3:
            raise ValueError(
                f"images: expected a list of images or a batch (B, 3, H, W), got one image of "
                f"shape {tuple(images.shape)}; detect([image]) takes it"
            )
        check_image(images, "images", dims=4)
        return
    if not isinstance(images, Sequence) or isinstance(images, str | bytes):
        kind = type(images).__name__
        raise ValueError(f"images: expected a list of tensors or a batch, got {kind}")
    for index, image in enumerate(images):
        check_image(image, f"images[{index}]", dims=3)


def check_image(image: Tensor, name: str, dims: int | None) -> None:
    """Refuse anything but pixels of RGB pictures: what every ``normalize`` takes.

    Args:
        image: uint8, or floating point in [0, 1]; the channels stand third from the end.
        name: what the message calls it.
        dims: 3 for one picture ``(3, H, W)``, 4 for a batch, None for any leading dimensions.

    Raises:
        ValueError: with the shape that was expected, and what to do.

    >>> check_image(torch.zeros(8, 8, 3), "image", dims=3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: image: expected RGB of shape (3, H, W), got (8, 8, 3); the channels come last: ...
    """
    shape_name = {3: "(3, H, W)", 4: "(B, 3, H, W)", None: "(..., 3, H, W)"}[dims]
    if not isinstance(image, Tensor):
        raise ValueError(
            f"{name}: expected a tensor {shape_name}, got {type(image).__name__}; "
            "torchvision.transforms.v2.functional.to_image makes one of pictures and arrays"
        )
    shape = tuple(image.shape)
    if len(shape) < 3 or (dims is not None and len(shape) != dims) or shape[-3] != 3:
        hint = ""
        if len(shape) == 2 or (len(shape) >= 3 and shape[-3] == 1):
            hint = "; it looks grayscale: image.expand(3, -1, -1) repeats the channel"
        elif len(shape) >= 3 and shape[-1] == 3:
            hint = "; the channels come last: image.movedim(-1, -3) brings them to the front"
        elif len(shape) >= 3 and shape[-3] == 4:
            hint = "; it looks like RGBA: image[..., :3, :, :] drops the transparency"
        raise ValueError(f"{name}: expected RGB of shape {shape_name}, got {shape}{hint}")
    _check_pixels(image, name)


def _check_pixels(image: Tensor, name: str) -> None:
    shape = tuple(image.shape)
    if 0 in shape[-2:]:
        raise ValueError(f"{name}: expected at least one pixel, got an image of shape {shape}")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise ValueError(f"{name}: expected uint8 or floating point in [0, 1], got {image.dtype}")
    if image.is_meta:
        raise ValueError(f"{name}: expected pixels, got a tensor on the device meta")
    if image.is_floating_point() and image.numel():
        low, high = (float(value) for value in image.aminmax())
        if math.isnan(low) or math.isnan(high):
            raise ValueError(f"{name}: expected numbers in [0, 1], got NaN")
        if low < -1e-3 or high > 1 + 1e-3:
            raise ValueError(
                f"{name}: expected floating point in [0, 1], got {low:.4g} to {high:.4g}; "
                "0 to 255 belongs in uint8, and normalising is the model's own work"
            )
