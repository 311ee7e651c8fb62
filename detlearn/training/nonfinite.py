"""A loss that is NaN or infinite: keep what made it, and make it again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..models import Detector
from ..models.zoo import load_model, save_model
from .checkpoint import load_checkpoint, save_checkpoint
from .distributed import pick_device

__all__ = ["replay", "save_batch"]


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
    plain = [{name: _plain(value) for name, value in target.items()} for target in targets]
    state = {"images": images.cpu().as_subclass(Tensor), "targets": plain, "amp": amp,
             "message": message}  # fmt: skip
    save_checkpoint(folder / "batch.pt", state)


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
    from .loop import mixed_precision  # the loop imports this file

    folder, device = Path(folder), pick_device(device)
    state = load_checkpoint(folder / "batch.pt")
    model = load_model(folder / "model.safetensors").to(device).train()
    model.to(memory_format=torch.channels_last)
    autocast, _ = mixed_precision(device, state["amp"])
    images, targets = state["images"].to(device), state["targets"]
    targets = [
        {k: v.to(device) if isinstance(v, Tensor) else v for k, v in target.items()}
        for target in targets
    ]

    @torch.no_grad()
    def losses(images: Tensor, targets: list[dict[str, Any]]) -> dict[str, float]:
        images = model.normalize(images).contiguous(memory_format=torch.channels_last)
        with autocast():
            predictions = model(images)
        if isinstance(predictions, Tensor):
            predictions = predictions.float()
        else:
            predictions = type(predictions)(*(part.float() for part in predictions))
        return {name: float(part) for name, part in model.loss(predictions, targets).items()}

    alone = [  # twice: BatchNorm wants more than one value, and two equal images say the same
        {"image": name_of(target), "boxes": len(target.get("boxes", ())),
         **losses(images[[i, i]], [target, target])}
        for i, target in enumerate(targets)
    ]  # fmt: skip
    return {"message": state["message"], "batch": losses(images, targets), "images": alone}


def _plain(value: Any) -> Any:
    """A target's entry as a checkpoint may hold it."""
    if isinstance(value, Tensor):
        return value.detach().cpu().as_subclass(Tensor)
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def name_of(target: dict[str, Any]) -> Any:
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
