"""The forward half of a training step, in the precision that the device is fast at."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from ..models import Detector
from ..models.checks import check_choice

__all__ = [
    "AMP", "AMP_HELP", "Precision", "compute_losses", "cpu_has_bf16", "inference_dtype",
    "mixed_precision", "resolve_amp", "tell", "told_dtype",
]  # fmt: skip

AMP = ("auto", "off", "bf16", "fp16")
"""What mixed precision can be."""

DTYPES = {"off": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

AMP_HELP = (
    "precision of the network: bf16, fp16 or off (float32); default: auto, what is fast here, "
    "which is bf16 on CPUs that multiply it"
)


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
    precision = Precision(device, amp)
    return precision.autocast, precision.scaler()


def resolve_amp(device: torch.device, amp: str) -> str:
    """What ``"auto"`` means on a device that trains: what is fast there.

    >>> resolve_amp(torch.device("cpu"), "off")
    'off'
    """
    if amp != "auto":
        return amp
    if device.type == "cpu":
        return "bf16" if cpu_has_bf16() else "off"
    if device.type != "cuda":
        return "off"
    # Colab's T4 can be made to compute bfloat16, at a crawl.
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


class Precision:
    """What a run computes in; its checkpoints keep it.

    ``"auto"`` depends on the CPU, and a run that goes on shall not: begun on a CPU that multiplies
    bfloat16 and continued on one that does not, it keeps bfloat16, and the other way round.  On
    another kind of device, and from one GPU to another, ``"auto"`` is asked again.

    Args:
        device: where the network runs.
        amp: as in `TrainConfig`.

    Attributes:
        amp: ``"off"``, ``"bf16"`` or ``"fp16"``.

    >>> begun, continued = (Precision(torch.device("cpu"), amp) for amp in ("bf16", "off"))
    >>> continued.load_state_dict(begun.state_dict())
    >>> continued.amp
    'bf16'
    """

    def __init__(self, device: torch.device, amp: str) -> None:
        self.device, self.amp = device, resolve_amp(device, amp)

    def autocast(self) -> AbstractContextManager[Any]:
        """A context to run the network in."""
        if self.amp == "off":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=DTYPES[self.amp])

    def scaler(self) -> torch.amp.GradScaler:
        """Enlarges a loss that float16 would round to zero; does nothing in the others."""
        return torch.amp.GradScaler(self.device.type, enabled=self.amp == "fp16")

    def state_dict(self) -> dict[str, str]:
        """For a checkpoint."""
        return {"device": self.device.type, "amp": self.amp}

    def load_state_dict(self, state: dict[str, str]) -> None:
        """Go on in what a checkpoint's run computed in."""
        if state["device"] == self.device.type == "cpu":
            self.amp = state["amp"]


def inference_dtype(device: torch.device, amp: str) -> torch.dtype:
    """The precision to predict in.

    Args:
        device: where the network runs.
        amp: ``"off"``, ``"bf16"``, ``"fp16"``, or ``"auto"``: what is fast there.

    Raises:
        ValueError: another ``amp``.

    >>> inference_dtype(torch.device("cpu"), "off")
    torch.float32
    """
    check_choice("amp", amp, AMP)
    return DTYPES[resolve_amp(device, amp)]


def told_dtype(device: torch.device, amp: str) -> torch.dtype:
    """`inference_dtype`, and a line that says so where it is no float32.

    Args:
        device: where the network runs.
        amp: see `inference_dtype`.

    >>> told_dtype(torch.device("cpu"), "off")
    torch.float32
    """
    dtype = inference_dtype(device, amp)
    tell(dtype)
    return dtype


def tell(dtype: torch.dtype) -> None:
    """Say what the network computes in, where that is no float32.

    >>> tell(torch.bfloat16)
    the network computes in bfloat16; --amp off for float32
    """
    if dtype != torch.float32:
        name = str(dtype).removeprefix("torch.")
        print(f"the network computes in {name}; --amp off for float32")


def cpu_has_bf16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware: AVX-512 BF16, or AMX.

    Others emulate it, and are slower than in float32.

    >>> cpu_has_bf16() in (True, False)
    True
    """
    if not torch.backends.mkldnn.is_available():
        return False
    # PyTorch has no public name for these in all the releases that we support.
    names = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)
