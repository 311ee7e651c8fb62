"""Encode boxes as offsets from priors, and decode them again.

A network that had to say "x1 = 143.7" would have to learn the image's coordinates.  It
says instead how far, in widths of the prior, the centre moves, and by what factor the
prior grows: numbers around zero, the same everywhere in the image.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .geometry import xyxy_to_cxcywh

__all__ = ["MAX_LOG_SCALE", "decode", "decode_linear", "encode", "encode_linear", "linear_from_log"]

MAX_LOG_SCALE = math.log(1000 / 16)
"""No prior grows by more than a factor 62.5: an untrained network must not produce inf."""


def encode(
    boxes: Tensor, priors: Tensor, scales: tuple[float, float] = (0.1, 0.2), eps: float = 0.0
) -> Tensor:
    """Offsets from each prior to its box (Girshick et al. 2014, App. C; Liu et al. 2016, Eq. 2).

    The *scales* (called "variances" in Caffe, which they are not) divide the offsets.  For
    matched pairs (IoU >= 0.5) the plain offsets are small, about 0.1 for centres and 0.2
    for log sizes; after the division they have a spread near one, so that the smooth L1
    loss weighs boxes and classes alike.

    Args:
        boxes: ``(..., 4)`` xyxy, fractions of the image, one for each prior.
        priors: ``(..., 4)`` cxcywh, fractions of the image.
        scales: divisor of the centre offsets, divisor of the log sizes.
        eps: added to the size ratio before the logarithm.

    Returns:
        ``(..., 4)`` deltas (dx, dy, dw, dh), no unit.

    Raises:
        ValueError: shapes that do not go together.

    **Invariant:** ``decode(encode(b, p), p) == b`` for boxes with area and ``eps = 0``.

    **Deviation:** RefineDet's published code has ``eps = 1e-5`` and no counterpart in its
    decoder, a relative bias of 1e-5; SSD and M2Det have none, and neither have we by default.

    >>> prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    >>> box = torch.tensor([[0.42, 0.30, 0.62, 0.70]])  # the same size, 0.02 to the right
    >>> encode(box, prior).abs().round(decimals=3)  # a tenth of the width, over 0.1
    tensor([[1., 0., 0., 0.]])
    """
    _check_rows(boxes, priors, "boxes")
    g = xyxy_to_cxcywh(boxes)
    center = (g[..., :2] - priors[..., :2]) / priors[..., 2:] / scales[0]
    size = torch.log(g[..., 2:] / priors[..., 2:] + eps) / scales[1]
    return torch.cat([center, size], dim=-1)


def decode(
    deltas: Tensor,
    priors: Tensor,
    scales: tuple[float, float] = (0.1, 0.2),
    max_log: float = MAX_LOG_SCALE,
) -> Tensor:
    """Boxes that the network's deltas describe; the inverse of `encode`.

    Args:
        deltas: ``(..., 4)`` (dx, dy, dw, dh).
        priors: ``(..., 4)`` cxcywh, fractions of the image.
        scales: as given to `encode`.
        max_log: bound of the log size ratio.

    Returns:
        ``(..., 4)`` xyxy, fractions of the image, not clipped.

    Raises:
        ValueError: shapes that do not go together.

    **Deviation:** the published detectors do not bound the sizes; torchvision does, and a
    trained network never comes near the bound.

    >>> decode(torch.tensor([[1.0, 0.0, 0.0, 0.0]]), torch.tensor([[0.5, 0.5, 0.2, 0.4]]))
    tensor([[0.4200, 0.3000, 0.6200, 0.7000]])
    """
    _check_rows(deltas, priors, "deltas")
    center = priors[..., :2] + deltas[..., :2] * scales[0] * priors[..., 2:]
    size = priors[..., 2:] * torch.exp((deltas[..., 2:] * scales[1]).clamp(max=max_log))
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


def encode_linear(
    boxes: Tensor, priors: Tensor, scales: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Offsets whose sizes are a plain ratio, without a logarithm, as BlazeFace has them.

    Args:
        boxes: ``(..., 4)`` xyxy, fractions of the image, one for each prior.
        priors: ``(..., 4)`` cxcywh, fractions of the image.
        scales: divisor of the centre offsets, divisor of the size ratios.

    Returns:
        ``(..., 4)`` deltas (dx, dy, rw, rh), no unit.

    Raises:
        ValueError: shapes that do not go together.

    **Invariant:** ``decode_linear(encode_linear(b, p), p) == b``.

    >>> prior = torch.tensor([[0.5, 0.5, 0.25, 0.5]])
    >>> encode_linear(torch.tensor([[0.5, 0.5, 0.625, 0.75]]), prior)  # half as large
    tensor([[0.2500, 0.2500, 0.5000, 0.5000]])
    """
    _check_rows(boxes, priors, "boxes")
    g = xyxy_to_cxcywh(boxes)
    center = (g[..., :2] - priors[..., :2]) / (priors[..., 2:] * scales[0])
    size = g[..., 2:] / (priors[..., 2:] * scales[1])
    return torch.cat([center, size], dim=-1)


def decode_linear(
    deltas: Tensor, priors: Tensor, scales: tuple[float, float] = (1.0, 1.0)
) -> Tensor:
    """Boxes that linear deltas describe; the inverse of `encode_linear`.

    A size below zero, which only an untrained network says, counts as zero: a box without area.

    Args:
        deltas: ``(..., 4)`` (dx, dy, rw, rh).
        priors: ``(..., 4)`` cxcywh, fractions of the image.
        scales: as given to `encode_linear`.

    Returns:
        ``(..., 4)`` xyxy, fractions of the image, not clipped.

    Raises:
        ValueError: shapes that do not go together.

    >>> prior = torch.tensor([[0.5, 0.5, 0.25, 0.5]])
    >>> decode_linear(torch.tensor([[0.25, 0.25, 0.5, 0.5]]), prior)
    tensor([[0.5000, 0.5000, 0.6250, 0.7500]])
    """
    _check_rows(deltas, priors, "deltas")
    center = priors[..., :2] + priors[..., 2:] * deltas[..., :2] * scales[0]
    size = priors[..., 2:] * (deltas[..., 2:] * scales[1]).clamp(min=0)
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


def linear_from_log(deltas: Tensor, scales: tuple[float, float] = (0.1, 0.2)) -> Tensor:
    """What `encode` made, as `encode_linear` would have made it.

    Args:
        deltas: ``(..., 4)`` with log sizes.
        scales: as given to `encode`, and as `decode_linear` will be given.

    Returns:
        ``(..., 4)`` with plain size ratios.

    **Invariant:** ``linear_from_log(encode(b, p, s), s) == encode_linear(b, p, s)``.

    >>> linear_from_log(torch.tensor([1.0, 2.0, 0.0, 0.0]), scales=(0.1, 0.2))
    tensor([1., 2., 5., 5.])
    """
    return torch.cat([deltas[..., :2], (deltas[..., 2:] * scales[1]).exp() / scales[1]], dim=-1)


def _check_rows(rows: Tensor, priors: Tensor, name: str) -> None:
    shape, other = tuple(rows.shape), tuple(priors.shape)
    if shape[-1:] != (4,):
        raise ValueError(f"{name}: expected (..., 4), got {shape}")
    # From the right, sizes must be equal, or one of them 1.
    pairs = zip(shape[::-1], other[::-1], strict=False)
    if other[-1:] != (4,) or any(a != b and 1 not in (a, b) for a, b in pairs):
        raise ValueError(f"priors: expected (..., 4) to go with {shape}, got {other}")
