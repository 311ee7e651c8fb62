"""What is put around a model while it trains: processes, the compiler, the moving average."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..models import Detector
from . import distributed

__all__ = ["ModelWrapper", "moving_average"]


class ModelWrapper:
    """A model whose forward runs on several processes, or compiled; the rest is the model's own.

    Args:
        model: on its device.
        device: of this process.
        compile: use ``torch.compile``; where that fails, a warning and the ordinary forward.
    """

    def __init__(self, model: Detector, device: torch.device, compile: bool) -> None:
        self.model = model
        self.eager: Callable = distributed.replicate(model, device)
        self.compiled = torch.compile(self.eager) if compile else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, images: Tensor) -> Any:
        """The model's predictions."""
        if self.compiled is not None:
            try:
                return self.compiled(images)
            except Exception as error:  # a missing C++ compiler, an operation it does not know, ...
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
                warnings.warn(f"torch.compile failed, going on without it ({reason})", stacklevel=2)
                self.compiled = None
        return self.eager(images)


def moving_average(model: nn.Module, decay: float) -> AveragedModel | None:
    """An exponential moving average of a model's weights and running means.

    Args:
        model: on its device; the average starts as a copy of it.
        decay: what the average keeps of itself in a step; 0 for no average.

    Returns:
        the average, None for a decay of 0.
    """
    if decay == 0:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
