"""Training mode and evaluation mode: a look at a model must not change how it goes on learning."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

__all__ = ["evaluating"]


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
