"""The blocks of RefineDet: ARM, TCB, ODM, and the step from priors to anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...boxes import (
    decode,
    xyxy_to_cxcywh,
)
from ..layers import MultiBoxHead, init_xavier

SMALLEST_ANCHOR = 1e-6
"""Offsets are divided by the anchor's size, so an anchor may become small, but never nothing."""


class RefineDetPredictions(NamedTuple):
    """What RefineDet says about each prior, as raw numbers, first in general, then in detail.

    Attributes:
        arm_logits: ``(B, P, 2)``, background and object, before softmax.
        arm_deltas: ``(B, P, 4)``, offsets from the priors to the anchors.
        odm_logits: ``(B, P, K)``, class scores before softmax; class 0 is the background.
        odm_deltas: ``(B, P, 4)``, offsets from the anchors to the boxes.

    The prior order is level (fine to coarse), row, column, prior.
    """

    arm_logits: Tensor
    arm_deltas: Tensor
    odm_logits: Tensor
    odm_deltas: Tensor


class AnchorRefinementModule(MultiBoxHead):
    """ARM: an SSD head with two classes, background and object (Zhang et al. 2018, §3, Fig. 1).

    Its box half is the first of the two regression steps; its class half decides which priors
    the second step may forget ("negative anchor filtering").

    Args:
        in_channels: channels of each level, fine to coarse.
        priors_per_cell: A of each level.

    >>> arm = AnchorRefinementModule([8, 16], [3, 3])
    >>> out = arm([torch.zeros(2, 8, 4, 4), torch.zeros(2, 16, 2, 2)])
    >>> out.logits.shape, out.deltas.shape  # 4 * 4 * 3 + 2 * 2 * 3 = 60 priors
    (torch.Size([2, 60, 2]), torch.Size([2, 60, 4]))
    """

    def __init__(self, in_channels: Sequence[int], priors_per_cell: Sequence[int]) -> None:
        super().__init__(in_channels, priors_per_cell, num_classes=2)


class TransferConnectionBlock(nn.Module):
    """TCB: a map of the ARM made ready for the ODM (Zhang et al. 2018, §3, Fig. 2).

    Two convolutions translate the map, a transposed convolution doubles what the coarser
    block knows, the sum of both is smoothed.  So a fine map, which sees little of the image,
    learns what the coarse ones have understood.

    Args:
        in_channels: channels of the ARM's map.
        out_channels: channels of every block's output.
        coarsest: the last block has no coarser one to listen to.

    **Invariant:** the output has the input's height and width, and ``out_channels`` channels.

    >>> fine, coarse = (TransferConnectionBlock(8, 4, last) for last in (False, True))
    >>> context = coarse(torch.zeros(1, 8, 5, 5))
    >>> fine(torch.zeros(1, 8, 10, 10), context).shape
    torch.Size([1, 4, 10, 10])
    """

    upsample: nn.Module | None
    smooth: nn.Module

    def __init__(self, in_channels: int, out_channels: int, coarsest: bool = False) -> None:
        super().__init__()
        self.translate = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.upsample = None
        if not coarsest:
            self.upsample = nn.ConvTranspose2d(out_channels, out_channels, 2, stride=2)
            nn.init.xavier_uniform_(self.upsample.weight)
            nn.init.zeros_(self.upsample.bias)  # type: ignore[arg-type]
        self.smooth = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        init_xavier(self)

    def forward(self, maps: Tensor, coarser: Tensor | None = None) -> Tensor:
        """Translate one map, with the help of the next coarser block's output.

        Args:
            maps: ``(B, in_channels, H, W)``, a map of the ARM.
            coarser: ``(B, out_channels, H / 2, W / 2)``; None for the coarsest block.

        Returns:
            ``(B, out_channels, H, W)``, not negative.

        Raises:
            ValueError: if the coarsest block is given something coarser, or another is not.
        """
        if (coarser is None) != (self.upsample is None):
            expected = "nothing" if self.upsample is None else "the coarser block's output"
            raise ValueError(f"coarser: expected {expected} for this block")
        transferred = self.translate(maps)  # (B, C, H, W)
        if self.upsample is not None:
            transferred = transferred + self.upsample(coarser)  # (B, C, H, W)
        return F.relu(self.smooth(F.relu(transferred)))


def add_batch_norm(block: TransferConnectionBlock) -> None:
    """Let BatchNorm follow each convolution of a TCB, in place.

    **Deviation:** the paper's blocks have none; their backbone has learned from ImageNet before.

    >>> block = TransferConnectionBlock(8, 4)
    >>> add_batch_norm(block)
    >>> [type(layer).__name__ for layer in block.translate]
    ['Conv2d', 'BatchNorm2d', 'ReLU', 'Conv2d', 'BatchNorm2d']
    """
    channels = cast(nn.Conv2d, block.smooth).out_channels
    norms = [nn.BatchNorm2d(channels) for _ in range(4)]
    block.translate.insert(1, norms[0])
    block.translate.append(norms[1])
    block.smooth = nn.Sequential(block.smooth, norms[2])
    if block.upsample is not None:
        block.upsample = nn.Sequential(block.upsample, norms[3])


class ObjectDetectionModule(MultiBoxHead):
    """ODM: an SSD head on the maps of the TCB (Zhang et al. 2018, §3, Fig. 1).

    It looks like any SSD head.  What is different is what its numbers are relative to: the
    anchors, which the ARM has already moved, and which differ from image to image.

    Args:
        in_channels: channels of each level, fine to coarse.
        priors_per_cell: A of each level.
        num_classes: K, background included.

    >>> odm = ObjectDetectionModule([4], [3], num_classes=9)
    >>> odm([torch.zeros(1, 4, 5, 5)]).logits.shape
    torch.Size([1, 75, 9])
    """

    def __init__(
        self, in_channels: Sequence[int], priors_per_cell: Sequence[int], num_classes: int
    ) -> None:
        super().__init__(in_channels, priors_per_cell, num_classes)


def refine_anchors(
    arm_deltas: Tensor, priors: Tensor, scales: tuple[float, float] = (0.1, 0.2)
) -> Tensor:
    """The first regression step: move the priors where the ARM says (Zhang et al. 2018, §3).

    Args:
        arm_deltas: ``(..., P, 4)`` offsets of the ARM.
        priors: ``(P, 4)`` cxcywh, fractions of the image.
        scales: see `detlearn.boxes.encode`.

    Returns:
        ``(..., P, 4)`` anchors, cxcywh, fractions of the image, not clipped; in training the
        caller detaches them, because they are the ODM's given, not its choice.

    **Invariant:** deltas of zero return the priors.

    **Deviation:** no side is below 1e-6 of the image, in which the published code would
    divide by zero.

    >>> prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    >>> refine_anchors(torch.tensor([[1.0, -1.0, 0.0, 0.0]]), prior)  # a tenth of its sides
    tensor([[0.5200, 0.4600, 0.2000, 0.4000]])
    """
    anchors = xyxy_to_cxcywh(decode(arm_deltas, priors, scales))
    return torch.cat([anchors[..., :2], anchors[..., 2:].clamp(min=SMALLEST_ANCHOR)], dim=-1)
