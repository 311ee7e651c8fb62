"""A loss that is NaN or infinite: stop at once, keep what made it, and make it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..models import Detector, load_model, save_model
from .batches import to_device
from .checkpoint import load_checkpoint, save_checkpoint, storable
from .distributed import pick_device
from .precision import compute_losses, mixed_precision

__all__ = ["check_finite", "describe", "keep_nonfinite_batch", "replay", "save_batch"]


def check_finite(
    value: Tensor, losses: dict[str, Tensor], targets: list[dict[str, Any]], what: str = "loss"
) -> None:
    """Stop at the first NaN, and say which images were in the batch."""
    if not torch.isfinite(value):
        parts = ", ".join(f"{name} {float(value.detach())}" for name, value in losses.items())
        images = [image_name(target) for target in targets]
        raise FloatingPointError(
            f"the {what} is not a number ({parts}). "
            f"Images of the batch: {images}. Usual causes: boxes without area, a learning rate "
            "that is too high, half precision without a scaler."
        )


@contextmanager
def keep_nonfinite_batch(
    out: str | Path | None, model: Detector, images: Tensor, targets: list[dict[str, Any]],
    amp: str, where: str,
) -> Iterator[None]:  # fmt: skip
    """Around a training step: when it stops at a NaN, its batch is kept in the run's folder.

    Args:
        out: the run's folder; None keeps nothing.
        model: what is trained.
        images: of the batch.
        targets: of the batch.
        amp: ``"off"``, ``"bf16"`` or ``"fp16"``.
        where: epoch and batch, for the message.
    """
    try:
        yield
    except FloatingPointError as error:
        message = f"{where}: {error}"
        if out is not None:
            folder = Path(out) / "nonfinite"
            try:
                save_batch(folder, model, images, targets, amp, message)
                message += f" The batch is kept: python -m detlearn replay {folder}"
            except (OSError, ValueError) as failed:
                message += f" The batch could not be kept ({failed})."
        raise FloatingPointError(message) from None


def save_batch(
    folder: Path,
    model: Detector,
    images: Tensor,
    targets: list[dict[str, Any]],
    amp: str,
    message: str,
) -> None:
    """Keep the batch at which training stopped, and the weights before it.

    Args:
        folder: gets ``model.safetensors`` and ``batch.pt``; see `replay`.
        model: its weights are those before the step.  (BatchNorm's running means have seen the
            batch, but are not used while training.)
        images: ``(B, 3, S, S)`` uint8.
        targets: B of them.
        amp: ``"off"``, ``"bf16"`` or ``"fp16"``.
        message: what the loop said.
    """
    save_model(model, folder / "model.safetensors", {"stopped": message})
    kept = [{name: storable(value) for name, value in target.items()} for target in targets]
    state = {"images": storable(images), "targets": kept, "amp": amp, "message": message}
    save_checkpoint(folder / "batch.pt", state)


@torch.no_grad()
def replay(folder: str | Path, device: str | torch.device | None = None) -> dict[str, Any]:
    """Compute again the loss at which training stopped, whole and image by image.

    Args:
        folder: the ``nonfinite`` of a run's folder.
        device: see `pick_device`.

    Returns:
        ``message`` (what the loop said), ``batch`` (parts of the loss), ``images``: a list with
        ``image`` (name or id), ``boxes`` (how many) and the parts of the loss of each image
        alone.  BatchNorm sees another batch then: an image that is fine alone may still be the
        culprit, one that is not fine alone surely is.

    Raises:
        FileNotFoundError: there is nothing to replay.
        ValueError: a damaged file.
    """
    folder, device = Path(folder), pick_device(device)
    state = load_checkpoint(folder / "batch.pt")
    model = load_model(folder / "model.safetensors").to(device).train()
    model.to(memory_format=torch.channels_last)
    autocast, _ = mixed_precision(device, state["amp"])
    images, targets = to_device(state["images"], state["targets"], device)

    def losses(images: Tensor, targets: list[dict[str, Any]]) -> dict[str, float]:
        parts = compute_losses(model, images, targets, autocast)
        return {name: float(part) for name, part in parts.items()}

    alone = [  # twice: BatchNorm wants more than one value, and two equal images say the same
        {"image": image_name(target), "boxes": len(target.get("boxes", ())),
         **losses(images[[i, i]], [target, target])}
        for i, target in enumerate(targets)
    ]  # fmt: skip
    return {"message": state["message"], "batch": losses(images, targets), "images": alone}


def image_name(target: dict[str, Any]) -> Any:
    """What to call an image in a message: its file's name where that is known, or its id."""
    return target.get("name", target.get("image_id", "?"))


def describe(found: dict[str, Any]) -> str:
    """The answer of `replay` as a text for the shell."""
    lines = [found["message"], "", "again: " + json.dumps(found["batch"]), "image by image:"]
    for row in found["images"]:
        parts = {k: v for k, v in row.items() if k not in ("image", "boxes")}
        bad = "" if all(abs(v) < float("inf") for v in parts.values()) else "   <- not finite alone"
        values = ", ".join(f"{k} {v:.4g}" for k, v in parts.items())
        lines.append(f"  {row['image']}: {row['boxes']} boxes, {values}{bad}")
    return "\n".join(lines)
