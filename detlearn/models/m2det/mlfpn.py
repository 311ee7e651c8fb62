"""Multi-level feature pyramid network: all blocks of M2Det in one (Zhao et al. 2019, Fig. 2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from .blocks import SFAM, TUM, FFMv1, FFMv2


class MLFPN(nn.Module):
    """Multi-level feature pyramid network: fuse, then one TUM after the other (Fig. 2, Eq. 1).

    Args:
        in_channels: of the backbone's shallow and deep map.
        base_channels: what FFMv1 leaves of each.
        planes: C inside a TUM; half as many are left of the base feature for each TUM.
        num_levels: L, how many TUMs.
        num_scales: how many maps each makes.
        tum: ``"released"`` or ``"paper"``, see `TUM`.
        smooth: see `TUM`.
        sfam: whether an `SFAM` weighs the channels at the end.
        shared_weights: one `FFMv2` for all levels and one pair of layers in the `SFAM`, as the
            published code has it without meaning to (``[conv] * n``), or one for each.
        compress_ratio: see `SFAM`.

    Attributes:
        out_channels: of every map of the pyramid, L times what one TUM gives.

    **Deviation:** the paper does not say what stands between the base feature and its first
    TUM, which reads C channels; with ``tum="paper"`` it is a 1x1 convolution of its own.

    >>> mlfpn = MLFPN((8, 16), (8, 16), planes=4, num_levels=3, num_scales=3)
    >>> pyramid = mlfpn([torch.zeros(1, 8, 8, 8), torch.zeros(1, 16, 4, 4)])
    >>> [tuple(m.shape) for m in pyramid]
    [(1, 12, 8, 8), (1, 12, 4, 4), (1, 12, 2, 2)]
    """

    def __init__(
        self,
        in_channels: tuple[int, int],
        base_channels: tuple[int, int] = (256, 512),
        planes: int = 256,
        num_levels: int = 8,
        num_scales: int = 6,
        tum: Literal["released", "paper"] = "released",
        smooth: bool = True,
        sfam: bool = True,
        shared_weights: bool = True,
        compress_ratio: int = 16,
    ) -> None:
        super().__init__()
        # What a TUM gives, what FFMv2 leaves of the base feature, and of it for the first TUM.
        out, thin, first = planes, planes // 2, planes // 2
        if tum == "paper":
            out, thin, first = planes // 2, planes // 2, planes
        thin_channels = [first] + [thin] * (num_levels - 1)
        in_planes = [first] + [thin + out] * (num_levels - 1)
        if shared_weights:  # one FFMv2 for each width
            thin_channels = list(dict.fromkeys(thin_channels))

        self.ffm1 = FFMv1(in_channels, base_channels)
        self.ffm2 = nn.ModuleList(FFMv2(self.ffm1.out_channels, width) for width in thin_channels)
        self.tums = nn.ModuleList(TUM(c, planes, num_scales, tum, smooth) for c in in_planes)
        self.out_channels = out * num_levels
        self.sfam: nn.Module = nn.Identity()
        if sfam:
            self.sfam = SFAM(self.out_channels, num_scales, compress_ratio, shared_weights)

    def levels(self, base: Tensor) -> list[list[Tensor]]:
        """All maps, before they are gathered: one pyramid for each level (Eq. 1).

        Args:
            base: what FFMv1 returned, ``(B, C, H, W)``.

        Returns:
            ``levels[l][s]``: level l, shallow to deep; scale s, fine to coarse.
        """
        pyramids: list[list[Tensor]] = []
        for level, tum in enumerate(self.tums):
            # Where they are shared the last one serves all further levels.
            ffm2 = self.ffm2[min(level, len(self.ffm2) - 1)]
            largest = pyramids[-1][0] if pyramids else None
            pyramids.append(tum(ffm2(base, largest)))
        return pyramids

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        shallow, deep = features
        base = self.ffm1(shallow, deep)
        levels = self.levels(base)
        # Scale by scale, the maps of all levels on top of each other.
        gathered = [torch.cat(maps, dim=1) for maps in zip(*levels, strict=True)]
        pyramid: list[Tensor] = self.sfam(gathered)
        return pyramid
