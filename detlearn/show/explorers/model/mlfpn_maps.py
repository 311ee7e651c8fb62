"""What explorers of M2Det read: the maps of every TUM."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from detlearn.models import M2Det
from detlearn.models.modes import evaluating


def mlfpn_levels(model: M2Det, inputs: Tensor) -> list[list[Tensor]]:
    """Maps of every TUM, before they are gathered.

    Args:
        model: left in the mode it was found in.
        inputs: ``(B, 3, S, S)`` normalised.

    Returns:
        ``levels[l][s]``, see `detlearn.models.m2det.MLFPN.levels`.

    >>> import detlearn
    >>> model = detlearn.create_model("m2det_tiny")
    >>> levels = mlfpn_levels(model, torch.zeros(1, 3, 128, 128))
    >>> len(levels), [tuple(maps.shape[1:]) for maps in levels[0]][:2]
    (4, [(24, 32, 32), (24, 16, 16)])
    """
    with evaluating(model), torch.no_grad():
        return model.mlfpn.levels(model.mlfpn.ffm1(*model.backbone(inputs)))


def check_m2det(model: Any) -> None:
    """Raise ValueError for any model but an M2Det."""
    if not isinstance(model, M2Det):
        raise ValueError(f"model: expected an M2Det, got {type(model).__name__}")
