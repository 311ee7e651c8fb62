"""The forward half of a training step, in the precision that the device is fast at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ..models import Detector

__all__ = ["compute_losses", "mixed_precision", "resolve_amp"]


def compute_losses(
    model: Detector,
    images: Tensor,
    targets: list[dict[str, Any]],
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> dict[str, Tensor]:
    """Predict and compare: the first half of `detlearn.training.train_step`.

    Args:
        model: the detector, in train mode.
        images: ``(B, 3, S, S)`` uint8, or floats in 0 to 1.
        targets: B of them, boxes in px of the (S, S) image.
        autocast: makes the context of mixed precision, see `mixed_precision`.

    Returns:
        the parts of the loss, float32 scalars.

    >>> from detlearn import create_model
    >>> nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    >>> losses = compute_losses(create_model("ssd_tiny"), torch.zeros(1, 3, 128, 128), [nothing])
    >>> {name: value.item() for name, value in losses.items()}
    {'bbox_regression': 0.0, 'classification': 0.0}
    """
    images = model.normalize(images)  # (B, 3, H, W)
    images = images.contiguous(memory_format=torch.channels_last)  # (B, 3, H, W)
    with autocast():
        predictions = model(images)
    # The loss in float32: half precision cannot hold sums over thousands of priors.
    if isinstance(predictions, Tensor):  # heat maps
        predictions = predictions.float()
    else:
        predictions = type(predictions)(*(part.float() for part in predictions))
    return model.loss(predictions, targets)


def mixed_precision(
    device: torch.device, amp: str
) -> tuple[Callable[[], AbstractContextManager[Any]], torch.amp.GradScaler]:
    """The context to run the network in, and the scaler that float16's gradients need.

    Args:
        device: where the network runs.
        amp: ``"auto"``, ``"off"``, ``"bf16"`` or ``"fp16"``, see `TrainConfig`.
    """
    amp = resolve_amp(device, amp)
    scaler = torch.amp.GradScaler(device.type, enabled=amp == "fp16")
    if amp == "off":
        return nullcontext, scaler
    dtype = torch.bfloat16 if amp == "bf16" else torch.float16
    return lambda: torch.autocast(device.type, dtype=dtype), scaler


def resolve_amp(device: torch.device, amp: str) -> str:
    """What ``"auto"`` means on a device.

    >>> resolve_amp(torch.device("cpu"), "auto")
    'off'
    """
    if amp != "auto":
        return amp
    if device.type != "cuda":
        return "off"
    # Colab's T4 can be made to compute bfloat16, at a crawl.
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
