"""Key points to heat maps, heat maps to key points, and both in a mirror."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .crops import affine_matrix, apply_affine

Decoding = Literal["argmax", "quarter", "dark"]


COCO_FLIP_ORDER = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
"""COCO's 17 joints in a mirrored picture: nose, then left and right change places."""


MPII_FLIP_ORDER = (5, 4, 3, 2, 1, 0, 6, 7, 8, 9, 15, 14, 13, 12, 11, 10)
"""MPII's 16 joints in a mirrored picture."""


class HeatmapTargets(NamedTuple):
    """What the network shall answer.

    Attributes:
        heatmaps: ``(..., J, H, W)``, a bump of height 1 around every joint.
        weights: ``(..., J)``, 1 for joints to learn from, 0 for the others.
    """

    heatmaps: Tensor
    weights: Tensor


def make_heatmaps(
    joints: Tensor,
    visible: Tensor,
    crop_size: tuple[int, int],
    heatmap_size: tuple[int, int],
    sigma: float = 2.0,
    *,
    rounded: bool = True,
) -> HeatmapTargets:
    """Paint a Gaussian bump where each joint is.

    A joint that is not labelled, or so far outside that nothing of its bump (three sigma to
    each side) lies on the map, gets an empty map and weight 0.

    Args:
        joints: ``(..., J, 2)`` x, y in the crop, px.
        visible: ``(..., J)``; above 0 the joint is labelled.
        crop_size: (height, width) of the crop, px.
        heatmap_size: (height, width) of the maps.
        sigma: width of the bump, heat-map px: 2 for 256 x 192, 3 for 384 x 288.
        rounded: the published network puts the bump on a whole pixel, which moves it by up to
            half a heat-map pixel; False puts it where the joint is (DARK, Zhang et al. 2020,
            §3.2).

    Returns:
        `HeatmapTargets`, float32.

    **Invariant:** rounded, a joint inside the map has its maximum, 1, at
    ``floor(joint / stride + 0.5)``.

    >>> maps, weights = make_heatmaps(
    ...     torch.tensor([[6.0, 3.0], [90.0, 3.0]]), torch.ones(2), (8, 16), (2, 4), sigma=0.5
    ... )
    >>> maps[0], weights  # the second lies outside
    (tensor([[0.0000, 0.0183, 0.1353, 0.0183],
            [0.0000, 0.1353, 1.0000, 0.1353]]), tensor([1., 0.]))
    """
    height, width = heatmap_size
    stride = joints.new_tensor([crop_size[1] / width, crop_size[0] / height])
    centers = joints / stride  # (..., J, 2)
    if rounded:
        centers = (centers + 0.5).trunc()  # towards 0, as int() rounds in the published code
    reach = 3 * sigma
    limits = joints.new_tensor([width, height])
    outside = ((centers - reach >= limits) | (centers + reach + 1 < 0)).any(dim=-1)  # (..., J)
    weights = ((visible > 0) & ~outside).to(torch.float32)  # (..., J)

    x = torch.arange(width, device=joints.device) - centers[..., 0, None]  # (..., J, W)
    y = torch.arange(height, device=joints.device) - centers[..., 1, None]  # (..., J, H)
    # exp(-(x² + y²) / 2σ²) is a product: a bump along each axis, cut off at three sigma.
    along_x, along_y = ((-(d**2) / (2 * sigma**2)).exp() * (d.abs() <= reach) for d in (x, y))
    maps = along_y[..., :, None] * along_x[..., None, :]  # (..., J, H, W)
    return HeatmapTargets(maps.to(torch.float32) * weights[..., None, None], weights)


class Peaks(NamedTuple):
    """The best place of every map.

    Attributes:
        points: ``(..., J, 2)`` x, y, heat-map px.
        scores: ``(..., J)``, the map's value there.
    """

    points: Tensor
    scores: Tensor


def argmax_heatmaps(heatmaps: Tensor) -> Peaks:
    """The pixel with the largest value, for each map.

    Args:
        heatmaps: ``(..., J, H, W)``.

    Returns:
        `Peaks`; the point is (0, 0) where no value is above 0.

    >>> argmax_heatmaps(torch.tensor([[[0.0, 0.2, 0.9], [0.1, 0.0, 0.3]]]))
    Peaks(points=tensor([[2., 0.]]), scores=tensor([0.9000]))
    """
    scores, index = heatmaps.flatten(-2).max(dim=-1)  # (..., J), (..., J)
    width = heatmaps.shape[-1]
    points = torch.stack([index % width, index // width], dim=-1)  # (..., J, 2)
    return Peaks(points * (scores > 0)[..., None].to(heatmaps.dtype), scores)


def decode_heatmaps(heatmaps: Tensor, method: Decoding = "quarter", sigma: float = 2.0) -> Peaks:
    """Find the joints, finer than the grid of the map.

    - ``"argmax"``: the best pixel.
    - ``"quarter"`` (Newell et al. 2016; the published HRNet): from the best pixel a quarter
      towards the higher neighbour, in x and in y.  Any distance is answered by a quarter.
    - ``"dark"`` (Zhang et al. 2020, §3.1): the logarithm of a Gaussian is a parabola, whose top
      follows from first and second derivatives at the best pixel (one Newton step).  The map
      is smoothed by the bump's own width first, since a network's bumps are ragged.

    Points nearer than two pixels to the map's edge are not refined.

    Args:
        heatmaps: ``(..., J, H, W)``.
        method: see above.
        sigma: of the targets, for ``"dark"``.

    Returns:
        `Peaks`; the scores are those of the best pixels.

    Raises:
        ValueError: an unknown method.

    **Invariant:** of a Gaussian on any point away from the edge, ``"dark"`` gives that point.

    >>> maps = make_heatmaps(
    ...     torch.tensor([[21.2, 36.0]]), torch.ones(1), (64, 48), (16, 12), rounded=False
    ... ).heatmaps
    >>> [decode_heatmaps(maps, how).points[0, 0].item() for how in ("argmax", "quarter")]
    [5.0, 5.25]
    >>> round(decode_heatmaps(maps, "dark", sigma=2.0).points[0, 0].item(), 2)  # 21.2 / 4
    5.3
    """
    if method not in ("argmax", "quarter", "dark"):
        raise ValueError(f"method: expected 'argmax', 'quarter' or 'dark', got {method!r}")
    peaks = argmax_heatmaps(heatmaps)
    if method == "argmax":
        return peaks
    x, y = peaks.points.long().unbind(-1)
    H, W = heatmaps.shape[-2:]
    inside = (x > 1) & (x < W - 1) & (y > 1) & (y < H - 1)  # (..., J)
    if method == "quarter":
        near = neighbours(heatmaps, x, y, reach=1)
        step = 0.25 * torch.stack([near[..., 1, 2] - near[..., 1, 0],
                                   near[..., 2, 1] - near[..., 0, 1]], dim=-1).sign()  # fmt: skip
    else:
        inside = inside & (x < W - 2) & (y < H - 2)
        smooth = blur(heatmaps, sigma)
        step = newton_step(neighbours(smooth.clamp(min=1e-10).log(), x, y, reach=2))
    return Peaks(peaks.points + step * inside[..., None], peaks.scores)


def neighbours(maps: Tensor, x: Tensor, y: Tensor, reach: int) -> Tensor:
    """The square around a pixel of each map, (..., J, 2 * reach + 1, 2 * reach + 1)."""
    H, W = maps.shape[-2:]
    offsets = torch.arange(-reach, reach + 1, device=maps.device)
    rows = (y[..., None] + offsets).clamp(0, H - 1)
    columns = (x[..., None] + offsets).clamp(0, W - 1)
    index = rows[..., :, None] * W + columns[..., None, :]
    return maps.flatten(-2).gather(-1, index.flatten(-2)).view(index.shape)


def newton_step(near: Tensor) -> Tensor:
    """From a pixel to the top of the parabola through its 5 x 5 neighbours; at most one pixel."""
    dx, dy = (near[..., 2, 3] - near[..., 2, 1]) / 2, (near[..., 3, 2] - near[..., 1, 2]) / 2
    dxx = (near[..., 2, 4] - 2 * near[..., 2, 2] + near[..., 2, 0]) / 4
    dyy = (near[..., 4, 2] - 2 * near[..., 2, 2] + near[..., 0, 2]) / 4
    dxy = (near[..., 3, 3] - near[..., 1, 3] - near[..., 3, 1] + near[..., 1, 1]) / 4
    determinant = dxx * dyy - dxy**2
    # Curved downwards both ways, or it is no top.
    top = (determinant > 1e-12) & (dxx < 0)
    step = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], dim=-1)
    step = step / determinant.where(top, 1.0)[..., None] * top[..., None]
    return step.clamp(-1, 1)


def blur(maps: Tensor, sigma: float) -> Tensor:
    """Each map convolved with a Gaussian, first along x, then along y."""
    reach = math.ceil(2.5 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=maps.dtype, device=maps.device)
    bump = (-(offsets**2) / (2 * sigma**2)).exp()
    bump = bump / bump.sum()
    planes = maps.flatten(0, -3)[:, None]
    planes = F.conv2d(planes, bump.view(1, 1, 1, -1), padding=(0, reach))
    planes = F.conv2d(planes, bump.view(1, 1, -1, 1), padding=(reach, 0))
    return planes.view(maps.shape)


def heatmaps_to_image(
    points: Tensor, center: Tensor, scale: Tensor, heatmap_size: tuple[int, int]
) -> Tensor:
    """From the heat map back to the picture.

    Args:
        points: ``(..., J, 2)`` x, y, heat-map px.
        center: ``(..., 2)`` of the window, px of the picture.
        scale: ``(..., 2)`` see `CenterScale`.
        heatmap_size: (height, width) of the map.

    Returns:
        ``(..., J, 2)`` x, y, px of the picture.

    >>> center, scale = torch.tensor([35.0, 80.0]), torch.tensor([0.6, 0.8])
    >>> heatmaps_to_image(torch.tensor([[24.0, 32.0]]), center, scale, (64, 48))
    tensor([[35., 80.]])
    """
    return apply_affine(points, affine_matrix(center, scale, heatmap_size, inverse=True))


def flip_heatmaps(heatmaps: Tensor, order: Sequence[int], shift: bool = False) -> Tensor:
    """Turn the heat maps of a mirrored crop back, so that they can be averaged with the others.

    Left and right change places in space, and so do the channels: what the network takes for a
    left hand in a mirror is a right hand.

    Pixel x of a heat map stands for pixel ``4 x`` of the crop, so the left edges of both grids
    agree, and the right ones do not.  Mirrored, the maps are off by about one pixel: ``shift``
    moves them right by one.

    Args:
        heatmaps: ``(..., J, H, W)`` of the mirrored crop.
        order: J numbers, the joints' order in a mirrored picture.
        shift: move the maps right by one pixel; the first column stays.

    Returns:
        ``(..., J, H, W)``.

    **Invariant:** without shift, flipping twice changes nothing.

    >>> maps = torch.tensor([[[[1.0, 2, 3]], [[4, 5, 6]]]])  # two joints, a left and a right one
    >>> flip_heatmaps(maps, order=(1, 0))[0, :, 0]
    tensor([[6., 5., 4.],
            [3., 2., 1.]])
    >>> flip_heatmaps(maps, order=(1, 0), shift=True)[0, :, 0]
    tensor([[6., 6., 5.],
            [3., 3., 2.]])
    """
    _check_order(order, heatmaps.shape[-3])
    maps = heatmaps.flip(-1)[..., list(order), :, :]
    if shift:
        maps = torch.cat([maps[..., :1], maps[..., :-1]], dim=-1)
    return maps


def flip_keypoints(
    keypoints: Tensor, order: Sequence[int], width: float, pixel_center: float = 0.0
) -> Tensor:
    """Key points in a mirrored picture.

    Args:
        keypoints: ``(..., J, 3)`` x, y, visibility.
        order: J numbers, the joints' order in a mirrored picture.
        width: of the picture, px.
        pixel_center: coordinate of the first pixel's middle, see the module.

    Returns:
        ``(..., J, 3)``; joints that are not labelled stay at (0, 0).

    >>> flip_keypoints(torch.tensor([[0.0, 5, 2], [3, 7, 2]]), order=(1, 0), width=10)
    tensor([[6., 7., 2.],
            [9., 5., 2.]])
    """
    _check_order(order, keypoints.shape[-2])
    x, y, visible = keypoints[..., list(order), :].unbind(-1)
    mirrored = torch.stack([width - 1 + 2 * pixel_center - x, y], dim=-1)  # (..., J, 2)
    labelled = (visible > 0)[..., None]
    return torch.cat([mirrored * labelled, visible[..., None]], dim=-1)  # (..., J, 3)


def _check_order(order: Sequence[int], joints: int) -> None:
    if sorted(order) != list(range(joints)):
        raise ValueError(f"order: expected each of the {joints} joints once, got {tuple(order)}")
