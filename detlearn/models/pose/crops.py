"""From a person's box to the crop that the network sees, and back."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

PIXEL_STD = 200.0
"""A scale of 1 is a person of 200 px: a unit that MPII's annotations brought along."""


class CenterScale(NamedTuple):
    """Where a person stands, and how large: what is left of a box.

    Attributes:
        center: ``(..., 2)`` x, y of the box's middle, px.
        scale: ``(..., 2)`` width and height of the window that will be cut out, in units of
            200 px.
    """

    center: Tensor
    scale: Tensor


def box_to_center_scale(boxes: Tensor, size: tuple[int, int], padding: float = 1.25) -> CenterScale:
    """Make a box as slender as the network's input, then a little larger.

    The shorter side grows (never the longer one shrinks), so that nothing of the person is
    lost and nothing is squeezed.

    Args:
        boxes: ``(..., 4)`` xyxy, px.
        size: (height, width) of the crop, px; only its aspect counts.
        padding: how much larger the window is than the box.

    Returns:
        A `CenterScale`.

    **Invariant:** ``scale[..., 0] * height == scale[..., 1] * width``.

    >>> found = box_to_center_scale(torch.tensor([10.0, 20, 60, 140]), size=(256, 192))
    >>> found.center, found.scale  # 50 x 120 px grows to 90 x 120: 3 to 4, as 192 to 256
    (tensor([35., 80.]), tensor([0.5625, 0.7500]))
    """
    height, width = size
    x1, y1, x2, y2 = boxes.as_subclass(Tensor).unbind(-1)
    w, h = x2 - x1, y2 - y1
    aspect = width / height
    wide = torch.stack([w.maximum(h * aspect), h.maximum(w / aspect)], dim=-1)  # (..., 2)
    center = torch.stack([(x1 + x2) / 2, (y1 + y2) / 2], dim=-1)  # (..., 2)
    return CenterScale(center, wide * padding / PIXEL_STD)


def affine_matrix(
    center: Tensor,
    scale: Tensor,
    size: tuple[int, int],
    rotation: Tensor | float = 0.0,
    *,
    inverse: bool = False,
) -> Tensor:
    """The map from the picture to the crop: turn, scale, and put the centre in the middle.

    ``crop = s * R @ (picture - center) + middle`` with ``s = width / (200 * scale[0])``: only
    the width enters, so the picture is never squeezed.

    Args:
        center: ``(..., 2)`` x, y in the picture, px.
        scale: ``(..., 2)`` see `CenterScale`.
        size: (height, width) of the crop, px; of the heat map to map its pixels.
        rotation: degrees, a number or ``(...)``; the picture turns anticlockwise.
        inverse: from the crop to the picture instead.

    Returns:
        ``(..., 2, 3)``, for `apply_affine`.

    **Invariant:** the centre lands on ``(width / 2, height / 2)``, and ``inverse`` undoes it.

    >>> matrix = affine_matrix(torch.tensor([35.0, 80]), torch.tensor([0.48, 0.64]), (256, 192))
    >>> matrix  # 96 px become 192: twice as large
    tensor([[  2.,   0.,  26.],
            [ -0.,   2., -32.]])
    """
    height, width = size
    turn = torch.deg2rad(torch.as_tensor(rotation, dtype=center.dtype, device=center.device))
    turn = turn.expand(center.shape[:-1])
    zoom = width / (PIXEL_STD * scale[..., 0])
    cos, sin = turn.cos(), turn.sin()
    middle = center.new_tensor([width / 2, height / 2])
    rows = [torch.stack([cos, sin], dim=-1), torch.stack([-sin, cos], dim=-1)]
    matrix = torch.stack(rows, dim=-2)  # (..., 2, 2)
    start, end = center, middle.expand_as(center)
    if inverse:  # the transpose turns back
        matrix, zoom, start, end = matrix.transpose(-1, -2), 1 / zoom, end, start
    matrix = matrix * zoom[..., None, None]
    shift = end - (matrix @ start[..., None])[..., 0]
    return torch.cat([matrix, shift[..., None]], dim=-1)  # (..., 2, 3)


def apply_affine(points: Tensor, matrix: Tensor) -> Tensor:
    """Map points by an affine matrix.

    Args:
        points: ``(..., N, 2)`` x, y.
        matrix: ``(..., 2, 3)``.

    Returns:
        ``(..., N, 2)``.

    >>> apply_affine(torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 0, 5], [0, 2, 0]]))
    tensor([[7., 4.]])
    """
    return points @ matrix[..., :2].transpose(-1, -2) + matrix[..., None, :, 2]


def crop_image(
    image: Tensor, matrix: Tensor, size: tuple[int, int], pixel_center: float = 0.0
) -> Tensor:
    """Cut a window out of a picture: each pixel of the crop looks up where it comes from.

    Args:
        image: ``(3, H, W)`` uint8 or floating point.
        matrix: ``(2, 3)`` from the crop to the picture, `affine_matrix` with ``inverse=True``.
        size: (height, width) of the crop, px.
        pixel_center: coordinate of the first pixel's middle, see the module.

    Returns:
        ``(3, height, width)`` of the image's dtype; bilinear, black where there is no picture.

    >>> image = torch.arange(6.0).reshape(1, 2, 3)
    >>> matrix = torch.tensor([[1.0, 0, 1], [0, 1, 0]])  # one pixel to the right of the origin
    >>> crop_image(image, matrix, (2, 3))
    tensor([[[1., 2., 0.],
             [4., 5., 0.]]])
    """
    height, width = size
    pixels = image.as_subclass(Tensor)
    values = pixels if pixels.is_floating_point() else pixels.float()
    rows, columns = torch.meshgrid(
        torch.arange(height, dtype=values.dtype, device=values.device),
        torch.arange(width, dtype=values.dtype, device=values.device),
        indexing="ij",
    )
    points = torch.stack([columns, rows], dim=-1) + pixel_center  # (H, W, 2)
    there = apply_affine(points, matrix.to(values)) - pixel_center  # (H, W, 2)
    # grid_sample counts from -1 (first pixel's middle) to 1 (last pixel's middle).
    last = there.new_tensor([pixels.shape[-1] - 1, pixels.shape[-2] - 1]).clamp(min=1)
    grid = 2 * there / last - 1
    crop = F.grid_sample(values[None], grid[None], mode="bilinear", align_corners=True)[0]
    return crop if pixels.is_floating_point() else crop.round().clamp(0, 255).to(pixels.dtype)
