"""The history of a training: what its columns mean, and which epoch was the best."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import takewhile

__all__ = ["SCORES", "History", "is_best", "loss_names"]

History = list[dict[str, float]]
"""A dict for each epoch: ``epoch``, the parts of the loss, ``learning_rate``, ``seconds``, and
what ``evaluate`` returned."""

SCORES = ("mAP", "AP")
"""What tells the best epoch: the first of these that ``evaluate`` says."""


def loss_names(history: Sequence[Mapping[str, float]]) -> list[str]:
    """Which columns of a history are parts of the loss: those before ``learning_rate``.

    Args:
        history: a dict for each epoch, in `History`'s order.

    Returns:
        their names, each once.

    >>> loss_names([{"epoch": 1, "box": 2.0, "learning_rate": 0.1, "seconds": 3.0, "mAP": 0.25}])
    ['box']
    """
    names: dict[str, None] = {}  # a set that keeps its order
    for row in history:
        names |= dict.fromkeys(takewhile(lambda name: name != "learning_rate", row))
    return [name for name in names if name != "epoch"]


def is_best(history: Sequence[Mapping[str, float]]) -> bool:
    """Whether the last epoch has the highest score so far; later wins a draw.

    >>> is_best([{"mAP": 0.3}, {}, {"mAP": 0.4}]), is_best([{"mAP": 0.3}, {}])
    (True, False)
    """
    name = next((name for name in SCORES if name in history[-1]), None)
    if name is None or math.isnan(history[-1][name]):
        return False
    return all(
        history[-1][name] >= row[name] for row in history if not math.isnan(row.get(name, math.nan))
    )
