"""Similarity of poses (OKS), suppression of poses that are too similar, and PCK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .border import as_float64, as_numbers, checked_length

COCO_SIGMAS: tuple[float, ...] = (
    0.026, 0.025, 0.025, 0.035, 0.035, 0.079, 0.079, 0.072, 0.072, 0.062, 0.062,
    0.107, 0.107, 0.087, 0.087, 0.089, 0.089,
)  # fmt: skip
"""How far human annotators are apart, for each of the 17 joints, as a part of the person's size:
eyes are pointed at exactly, hips are not."""


def oks(
    keypoints: Tensor,
    gt_keypoints: Tensor,
    area: Tensor,
    visible: Tensor | None = None,
    sigmas: Sequence[float] = COCO_SIGMAS,
) -> Tensor:
    """Object key point similarity, the IoU of poses (COCO's key point evaluation).

    ``mean over labelled joints of exp(-d² / (2 · area · (2 sigma)²))``: 1 if all joints are
    right; a joint that is ``2 sigma · sqrt(area)`` away counts ``exp(-1/2) = 0.61``.

    Args:
        keypoints: ``(D, J, 2)`` x, y, px; more columns are ignored.
        gt_keypoints: ``(G, J, 2)``, likewise.
        area: ``(G,)``, or ``(D, G)``, px²; that of the person, not of the box, in COCO.
        visible: ``(G, J)``, above 0 where a joint is labelled; None for all.
        sigmas: J numbers.

    Returns:
        ``(D, G)`` float64, 0 to 1; 0 for a person without labelled joints.

    Raises:
        ValueError: as many sigmas as joints are expected.

    >>> truth = torch.tensor([[[0.0, 0.0], [10.0, 0.0]]])
    >>> found = torch.tensor([[[0.0, 0.0], [10.0, 10.0]]])  # the second is 2 sigma · 50 px off
    >>> oks(found, truth, torch.tensor([2500.0]), sigmas=(0.1, 0.1))  # (1 + exp(-1/2)) / 2
    tensor([[0.8033]], dtype=torch.float64)
    """
    J = gt_keypoints.shape[1]
    if len(sigmas) != J or keypoints.shape[1] != J:
        raise ValueError(
            f"sigmas: expected one for each joint, got {len(sigmas)} for key points of "
            f"{keypoints.shape[1]} and {J} joints"
        )
    area = as_numbers(area, "area")
    if tuple(area.shape) not in ((len(gt_keypoints),), (len(keypoints), len(gt_keypoints))):
        raise ValueError(
            f"area: expected ({len(gt_keypoints)},), one for each true pose, "
            f"got {tuple(area.shape)}"
        )
    if keypoints.isnan().any() or gt_keypoints.isnan().any():
        raise ValueError("keypoints, gt_keypoints: expected numbers, got NaN")
    points, truth = as_float64(keypoints)[..., :2], as_float64(gt_keypoints)[..., :2]
    apart = points[:, None] - truth[None]  # (D, G, J, 2)
    distance = apart.square().sum(dim=-1)  # (D, G, J)
    spread = (2 * torch.tensor(sigmas, dtype=torch.float64)).square()  # (J,)
    size = as_float64(area).clamp(min=torch.finfo(torch.float64).tiny)[..., None]
    similarity = (-distance / (2 * size * spread)).exp()  # (D, G, J)
    counts = torch.ones(gt_keypoints.shape[:2], dtype=torch.float64)  # (G, J)
    if visible is not None:
        counts = (as_float64(visible) > 0).double()  # (G, J)
    return (similarity * counts).sum(dim=-1) / counts.sum(dim=-1).clamp(min=1)


def oks_nms(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    threshold: float = 0.9,
    sigmas: Sequence[float] = COCO_SIGMAS,
) -> Tensor:
    """Non-maximum suppression of poses: of two that are too similar, the better stays.

    Args:
        keypoints: ``(D, J, 2)`` x, y, px, of one image.
        scores: ``(D,)``.
        areas: ``(D,)`` px²; of two poses the mean enters their OKS.
        threshold: poses whose OKS is above it are taken for one.
        sigmas: see `oks`.

    Returns:
        Indices of the poses that stay, best first, int64.

    >>> poses = torch.tensor([[[0.0, 0.0]], [[1.0, 0.0]], [[90.0, 0.0]]])
    >>> oks_nms(poses, torch.tensor([0.8, 0.9, 0.7]), torch.full((3,), 900.0), sigmas=(0.1,))
    tensor([1, 2])
    """
    similarity = _oks_among(keypoints, scores, areas, sigmas)
    waiting = as_float64(scores).argsort(descending=True, stable=True).tolist()
    kept = []
    while waiting:
        best, *waiting = waiting
        kept.append(best)
        waiting = [other for other in waiting if similarity[best, other] <= threshold]
    return torch.tensor(kept, dtype=torch.int64)


def soft_oks_nms(
    keypoints: Tensor,
    scores: Tensor,
    areas: Tensor,
    threshold: float = 0.9,
    sigmas: Sequence[float] = COCO_SIGMAS,
    max_detections: int = 20,
) -> Tensor:
    """Suppression that lowers scores instead of removing poses (Bodla et al. 2017, Eq. 4).

    Whoever resembles the best pose is multiplied by ``exp(-oks² / threshold)``, then the next
    best is looked for.

    Args:
        keypoints: ``(D, J, 2)`` x, y, px, of one image.
        scores: ``(D,)``.
        areas: ``(D,)`` px².
        threshold: the larger, the gentler.
        sigmas: see `oks`.
        max_detections: poses that stay, at most.

    Returns:
        Indices of the poses that stay, in the order in which they were best, int64.

    >>> poses = torch.tensor([[[0.0, 0.0]], [[0.0, 0.0]], [[90.0, 0.0]]])
    >>> soft_oks_nms(poses, torch.tensor([0.8, 0.9, 0.7]), torch.full((3,), 900.0), sigmas=(0.1,))
    tensor([1, 2, 0])
    """
    similarity = _oks_among(keypoints, scores, areas, sigmas)
    remaining = as_float64(scores).clone()
    waiting = list(range(len(remaining)))
    kept: list[int] = []
    while waiting and len(kept) < max_detections:
        best = max(waiting, key=lambda index: float(remaining[index]))
        waiting.remove(best)
        kept.append(best)
        remaining = remaining * (-similarity[best].square() / threshold).exp()
    return torch.tensor(kept, dtype=torch.int64)


def _oks_among(keypoints: Tensor, scores: Tensor, areas: Tensor, sigmas: Sequence[float]) -> Tensor:
    """OKS of every pose with every other, (D, D)."""
    for name, values in (("scores", scores), ("areas", areas)):
        if checked_length(values, name, len(keypoints), "the poses").isnan().any():
            raise ValueError(f"{name}: expected numbers, got NaN")
    mean_area = (areas[:, None] + areas[None, :]) / 2
    return oks(keypoints, keypoints, mean_area, sigmas=sigmas)


class PCK(NamedTuple):
    """Percentage of correct key points, as fractions.

    Attributes:
        per_joint: ``(J,)`` float64, the share that is right of each joint; NaN for a joint that
            nobody shows.
        mean: of the joints, each counting the same.
        overall: of all labelled joints together, as MPII's tables have it.
    """

    per_joint: Tensor
    mean: float
    overall: float


def pck(
    keypoints: Tensor,
    gt_keypoints: Tensor,
    visible: Tensor,
    reference: Tensor,
    threshold: float = 0.5,
) -> PCK:
    """Share of the joints that lie near enough (Yang & Ramanan 2013).

    Args:
        keypoints: ``(N, J, 2)`` x, y, px; more columns are ignored.
        gt_keypoints: ``(N, J, 2)``, likewise.
        visible: ``(N, J)``, above 0 where a joint is labelled.
        reference: ``(N, 1)``, a length of each person, px; ``(N, 2)`` measures x and y each by
            its own.
        threshold: a joint may be so many references away.

    Returns:
        `PCK`.

    Raises:
        ValueError: shapes that do not go together, or references that are no lengths.

    >>> truth = torch.zeros(1, 2, 2)
    >>> found = torch.tensor([[[3.0, 4.0], [0.0, 6.0]]])  # 5 and 6 px away
    >>> pck(found, truth, torch.ones(1, 2), reference=torch.tensor([[10.0]])).per_joint
    tensor([1., 0.], dtype=torch.float64)
    """
    N, J = gt_keypoints.shape[:2]
    for name, values, shapes in (
        ("keypoints", keypoints, ((N, J),)),
        ("visible", visible, ((N, J),)),
        ("reference", reference, ((N, 1), (N, 2))),
    ):
        if tuple(values.shape[:2]) not in shapes:
            expected = " or ".join(map(str, shapes))
            raise ValueError(f"{name}: expected {expected}, got {tuple(values.shape)}")
    if not (reference > 0).all():
        raise ValueError("reference: expected lengths above 0")
    apart = as_float64(keypoints)[..., :2] - as_float64(gt_keypoints)[..., :2]  # (N, J, 2)
    distance = (apart / as_float64(reference)[:, None]).norm(dim=-1)  # (N, J)
    counts = as_float64(visible) > 0  # (N, J)
    right = ((distance <= threshold) & counts).double()  # (N, J)
    per_joint = right.sum(dim=0) / counts.sum(dim=0)  # (J,)
    overall = right.sum() / counts.sum()
    return PCK(per_joint, float(per_joint.nanmean()), float(overall))


def pckh(
    keypoints: Tensor,
    gt_keypoints: Tensor,
    visible: Tensor,
    head_boxes: Tensor,
    threshold: float = 0.5,
    skip: Sequence[int] = (6, 7),
) -> PCK:
    """PCK measured in heads, as MPII does (Andriluka et al. 2014): 0.6 of the head box's diagonal.

    Args:
        keypoints: ``(N, J, 2)`` x, y, px.
        gt_keypoints: ``(N, J, 2)``.
        visible: ``(N, J)``.
        head_boxes: ``(N, 4)`` xyxy, px.
        threshold: MPII reports 0.5 and 0.1.
        skip: joints that do not count; MPII's pelvis and thorax.

    Returns:
        `PCK`; NaN for the joints that are skipped.

    **Deviation:** the published HRNet code reports 0.11 under the name of 0.1.

    >>> head = torch.tensor([[0.0, 0.0, 30.0, 40.0]])  # 0.6 of 50 px, times 0.5: 15 px
    >>> found = torch.tensor([[[15.0, 0.0], [16.0, 0.0]]])
    >>> pckh(found, torch.zeros(1, 2, 2), torch.ones(1, 2), head, skip=()).overall
    0.5
    """
    head = as_float64(head_boxes)  # (N, 4)
    length = 0.6 * (head[:, 2:] - head[:, :2]).norm(dim=-1, keepdim=True)  # (N, 1)
    counts = as_float64(visible).clone()  # (N, J)
    if any(not 0 <= joint < counts.shape[1] for joint in skip):
        raise ValueError(f"skip: expected joints from 0 to {counts.shape[1] - 1}, got {skip}")
    counts[:, list(skip)] = 0
    return pck(keypoints, gt_keypoints, counts, length, threshold)
