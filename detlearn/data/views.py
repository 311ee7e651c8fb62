"""A photograph seen from nearer, from further away, turned, moved, out of focus."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as transforms

__all__ = ["view_photo"]


def view_photo(
    photo: Tensor,
    center: tuple[float, float],
    scale: float,
    *,
    angle: float = 0.0,
    shift: tuple[float, float] = (0.0, 0.0),
    blur: float = 0.0,
    side: int = 128,
) -> Tensor:
    """A square picture in which a chosen point of a photograph stands in the middle.

    Beside the photograph everything is black.  A photograph that shrinks is smoothed first, as
    `detlearn.models.inputs.resize` does it; then each pixel is read once, bilinearly.

    Args:
        photo: uint8 ``(3, H, W)``.
        center: (x, y) of the point, px of the photograph.
        scale: how many px of the result one px of the photograph becomes.
        angle: turn around the point, degrees, clockwise.
        shift: (right, down) by which the point leaves the middle, px of the result.
        blur: sigma of a Gaussian, px of the result.
        side: S of the result.

    Returns:
        uint8 ``(3, S, S)``.

    Raises:
        ValueError: another picture, or a scale, side or blur that is none.

    >>> photo = torch.arange(4, dtype=torch.uint8).repeat(3, 4, 1)  # columns 0, 1, 2, 3
    >>> view_photo(photo, (2.0, 2.0), 1.0, side=4)[0, 0]
    tensor([0, 1, 2, 3], dtype=torch.uint8)
    >>> view_photo(photo, (2.0, 2.0), 1.0, side=4, angle=90)[0, :, 0]  # right becomes down
    tensor([0, 1, 2, 3], dtype=torch.uint8)
    >>> view_photo(photo, (2.0, 2.0), 1.0, side=4, shift=(1, 0))[0, 0]
    tensor([0, 0, 1, 2], dtype=torch.uint8)
    """
    if not isinstance(photo, Tensor) or photo.dtype != torch.uint8 or photo.ndim != 3:
        got = tuple(photo.shape) if isinstance(photo, Tensor) else type(photo).__name__
        raise ValueError(f"photo: expected uint8 (3, H, W), got {got}")
    for name, value in (("scale", scale), ("side", side)):
        if not value > 0:
            raise ValueError(f"{name}: expected a number above 0, got {value}")
    if not blur >= 0:
        raise ValueError(f"blur: expected 0 or more, got {blur}")
    H, W = photo.shape[-2:]
    values = photo.as_subclass(Tensor).float()[None]  # (1, 3, H, W)
    if scale < 1:
        small = (max(1, round(H * scale)), max(1, round(W * scale)))
        values = F.interpolate(values, small, mode="bilinear", antialias=True)
    turn = math.radians(angle)
    along = torch.arange(side) + 0.5 - side / 2  # (S,)
    y, x = torch.meshgrid(along - shift[1], along - shift[0], indexing="ij")  # (S, S) each
    u = (math.cos(turn) * x + math.sin(turn) * y) / scale + center[0]  # (S, S)
    v = (math.cos(turn) * y - math.sin(turn) * x) / scale + center[1]  # (S, S)
    grid = torch.stack([2 * u / W - 1, 2 * v / H - 1], dim=-1)[None]  # (1, S, S, 2)
    seen = F.grid_sample(values, grid, padding_mode="zeros", align_corners=False)  # (1, 3, S, S)
    if blur > 0:
        seen = transforms.gaussian_blur(seen, 2 * math.ceil(3 * blur) + 1, blur)
    return seen.round().clamp(0, 255).to(torch.uint8)[0]  # (3, S, S)
