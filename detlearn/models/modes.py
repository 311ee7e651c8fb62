"""Modes of a model that end with a block: evaluation, and a precision to predict in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["evaluating", "predicting_in", "to_float32"]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Run a block with the model in eval mode; afterwards every module has its own mode again.

    ``model.train()`` would not do: it also wakes the modules that somebody had frozen, a
    BatchNorm for instance.  The modes also come back where the block fails.  Gradients are not
    switched off: that is ``torch.no_grad()`` or ``torch.inference_mode()`` beside it.

    Args:
        model: the model, with all modules inside it.

    Yields:
        Nothing.

    >>> model = nn.Sequential(nn.Dropout(), nn.BatchNorm2d(3).eval())
    >>> with evaluating(model):
    ...     print([module.training for module in model.modules()])
    [False, False, False]
    >>> [module.training for module in model.modules()]
    [True, True, False]
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in modes:
            module.training = training


def to_float32(predictions: Any) -> Any:
    """What a network said, in float32: scores and boxes are made of it in full precision.

    Args:
        predictions: a tensor, a NamedTuple of tensors, or a list of them.

    Returns:
        the same, float32.

    >>> to_float32([torch.zeros(2, dtype=torch.bfloat16)])
    [tensor([0., 0.])]
    """
    if isinstance(predictions, Tensor):
        return predictions.float()
    if isinstance(predictions, list):
        return [part.float() for part in predictions]
    return type(predictions)(*(part.float() for part in predictions))


@contextmanager
def predicting_in(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """Run a block in which the model's forward pass computes in half precision, channels last.

    Only the network does.  Its input is made and its answer is read in float32, and so are
    softmax, decoding and NMS: eight bits cannot tell the scores of a crowd apart.

    Args:
        model: a network of one input; its weights stay float32, in their layout.
        dtype: ``torch.bfloat16`` or ``torch.float16``; ``torch.float32`` changes nothing.

    Yields:
        Nothing.

    >>> layer = nn.Conv2d(1, 1, 1)
    >>> with predicting_in(layer, torch.bfloat16):
    ...     layer(torch.zeros(1, 1, 2, 2)).dtype
    torch.float32
    """
    if dtype == torch.float32:
        yield
        return
    kind = next(model.parameters()).device.type
    contexts: list[torch.autocast] = []

    def before(module: nn.Module, given: tuple[Tensor]) -> Tensor:
        contexts.append(torch.autocast(kind, dtype=dtype))
        contexts[-1].__enter__()
        return given[0].contiguous(memory_format=torch.channels_last)

    def after(module: nn.Module, given: object, predictions: Any) -> Any:
        contexts.pop().__exit__(None, None, None)
        return None if predictions is None else to_float32(predictions)  # None: it failed

    hooks = [
        model.register_forward_pre_hook(before),
        model.register_forward_hook(after, always_call=True),
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
