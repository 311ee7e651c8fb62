"""HRNet as a detector's backbone: all branches become a pyramid (Sun et al. 2019, HRNetV2p)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..checks import (
    check_integer,
)
from ..layers import init_xavier
from .pose_network import POSE_HRNET_TINY
from .trunk import HRNet, HRNetConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class HRNetV2pConfig(HRNetConfig):
    """A trunk whose branches become a pyramid; see also `HRNetConfig`.

    Attributes:
        name: the model's name in `detlearn.list_models`.
        pyramid_width: channels of every level.
        num_levels: L; strides 4, 8, 16, ...
    """

    name: str
    pyramid_width: int = 256
    num_levels: int = 5

    def __post_init__(self) -> None:
        HRNetConfig.__post_init__(self)
        for name in ("pyramid_width", "num_levels"):
            check_integer(name, getattr(self, name))


class HRFPN(nn.Module):
    """All branches into one fine map, and that into a pyramid (Sun et al. 2019, HRNetV2p).

    The coarser branches are enlarged (bilinear) to the finest one's size and laid beside it; a
    1x1 convolution mixes them.  Average pooling by 2, 4, 8, ... makes the coarser levels, a 3x3
    convolution ends each.

    Args:
        in_channels: channels of the branches, fine to coarse.
        out_channels: channels of every level.
        num_levels: L.

    **Deviation:** none; a level of an odd side drops its last row, as pooling does.

    >>> neck = HRFPN((8, 16), 32, num_levels=3)
    >>> pyramid = neck([torch.zeros(1, 8, 16, 16), torch.zeros(1, 16, 8, 8)])
    >>> [tuple(maps.shape) for maps in pyramid]
    [(1, 32, 16, 16), (1, 32, 8, 8), (1, 32, 4, 4)]
    """

    def __init__(self, in_channels: Sequence[int], out_channels: int, num_levels: int = 5) -> None:
        super().__init__()
        self.mix = nn.Conv2d(sum(in_channels), out_channels, 1)
        self.levels = nn.ModuleList(
            nn.Conv2d(out_channels, out_channels, 3, padding=1) for _ in range(num_levels)
        )
        init_xavier(self)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        size = features[0].shape[-2:]
        enlarged = [
            F.interpolate(maps, size, mode="bilinear", align_corners=False) for maps in features[1:]
        ]
        fine = self.mix(torch.cat([features[0], *enlarged], dim=1))
        pyramid = [fine] + [F.avg_pool2d(fine, 2**k) for k in range(1, len(self.levels))]
        return [level(maps) for level, maps in zip(self.levels, pyramid, strict=True)]


class HRNetV2p(nn.Module):
    """HRNet as a detector's backbone: trunk and `HRFPN` (Sun et al. 2019, HRNetV2p).

    Args:
        config: a preset, or `dataclasses.replace` of one.

    >>> pyramid = HRNetV2p(HRNETV2P_TINY)(torch.zeros(1, 3, 128, 128))
    >>> [maps.shape[-1] for maps in pyramid]
    [32, 16, 8, 4]
    """

    def __init__(self, config: HRNetV2pConfig) -> None:
        super().__init__()
        self.config = config
        self.class_names: tuple[str, ...] | None = None
        self.trunk = HRNet(config)
        self.neck = HRFPN(self.trunk.out_channels, config.pyramid_width, config.num_levels)
        self.out_channels = (config.pyramid_width,) * config.num_levels

    def forward(self, images: Tensor) -> list[Tensor]:
        """The pyramid.

        Args:
            images: ``(B, 3, H, W)`` normalised; sides are multiples of 32, or the config pads.

        Returns:
            L maps of strides 4, 8, 16, ..., all with ``pyramid_width`` channels.
        """
        pyramid: list[Tensor] = self.neck(self.trunk(images))
        return pyramid


HRNETV2P_W18 = HRNetV2pConfig(name="hrnetv2p_w18", widths=(18, 36, 72, 144))


HRNETV2P_W32 = HRNetV2pConfig(name="hrnetv2p_w32")


HRNETV2P_W40 = HRNetV2pConfig(name="hrnetv2p_w40", widths=(40, 80, 160, 320))


HRNETV2P_TINY = HRNetV2pConfig(
    name="hrnetv2p_tiny",
    widths=POSE_HRNET_TINY.widths,
    modules=POSE_HRNET_TINY.modules,
    num_blocks=POSE_HRNET_TINY.num_blocks,
    stem_width=POSE_HRNET_TINY.stem_width,
    stage1_width=POSE_HRNET_TINY.stage1_width,
    stage1_blocks=POSE_HRNET_TINY.stage1_blocks,
    pyramid_width=32,
    num_levels=4,
)
"""The pyramid of ``ssd_hrnet_tiny``, on the trunk of ``pose_hrnet_tiny``: levels of 32, 16, 8 and
4 cells on 128 px."""
