"""The loop's eye on the network: a module that dies while it learns is told at once."""

from __future__ import annotations

import warnings
from typing import Any

from torch import Tensor

from ..models.modes import evaluating
from .check_up import CheckUp, look_at_channels

__all__ = ["DeathWatch"]


class DeathWatch:
    """Warns, once for each, of modules that die while a network learns.

    Looks at the last pictures of every epoch, which is cheap; `check_up` tells the rest.

    Args:
        images: how many of them: with few, many a healthy channel keeps silent.

    >>> import torch
    >>> watch = DeathWatch(images=4)
    >>> watch.saw(torch.zeros(3, 3, 8, 8))
    >>> watch.saw(torch.zeros(3, 3, 8, 8))
    >>> sum(len(batch) for batch in watch.batches)  # the last batches that hold four pictures
    6
    """

    def __init__(self, images: int = 64) -> None:
        self.images = images
        self.batches: list[Tensor] = []
        self.warned: set[str] = set()

    def saw(self, batch: Tensor) -> None:
        """Keep a batch, and let go of those that are no longer needed."""
        self.batches.append(batch)
        while sum(len(one) for one in self.batches[1:]) >= self.images:
            del self.batches[0]

    def look(self, model: Any, epoch: int) -> None:
        """Warn of modules that were alive the last time.

        Args:
            model: in any mode; it stays as it is.
            epoch: for the warning, from 1 on.
        """
        result = CheckUp(images=sum(len(batch) for batch in self.batches))
        if result.images < self.images:  # too few to tell silence from death
            return
        with evaluating(model):
            look_at_channels(model, self.batches, result)
        new = {name: share for name, share in result.dead.items() if name not in self.warned}
        self.warned |= new.keys()
        if new:
            told = ", ".join(f"{name} ({share:.0%})" for name, share in new.items())
            warnings.warn(
                f"epoch {epoch}: dead modules, most of whose channels are never above 0: {told}. "
                "No gradient reaches such a channel any more. Usual cause: a learning rate that is "
                "too high for these modules; detlearn.training.check_up shows all of them",
                stacklevel=4,
            )
