"""HRNet's trunk: stem, stage 1, then transition and stage in turn (Sun et al. 2019, §3, Fig. 1)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from ..checks import (
    check_flag,
    check_integer,
    check_integers,
)
from .blocks import Bottleneck, HighResolutionModule, Transition, conv_norm


@dataclass(frozen=True, slots=True, kw_only=True)
class HRNetConfig:
    """The numbers of a trunk; the defaults are W32's.

    Attributes:
        widths: channels of the branches, fine to coarse: C, 2C, 4C, 8C.
        modules: exchange modules of stages 2, 3, ...; stage s has s branches.
        num_blocks: residual blocks of each branch in each module.
        stem_width: channels after the two strided convolutions.
        stage1_width: middle channels of the bottlenecks of stage 1.
        stage1_blocks: how many of them.
        fuse_within: keep the exchange units inside a stage, i.e. of all its modules but the
            last.  The paper's ablation (§4.4) switches them off, and the next ones too.
        fuse_across: keep those at the end of a stage, but for the last stage.
        fuse_final: keep the one at the very end.
        pad: take images of any size: zeros are added at the right and below, and the outputs
            cut back.

    Raises:
        ValueError: naming the field, what was expected, and what came.

    >>> HRNetConfig().stride  # of the coarsest branch: what sides must be a multiple of
    32
    >>> [HRNetConfig().fuses(stage=1, module=m) for m in range(4)]
    [True, True, True, True]
    >>> [HRNetConfig(fuse_within=False).fuses(stage=1, module=m) for m in range(4)]
    [False, False, False, True]
    """

    widths: tuple[int, ...] = (32, 64, 128, 256)
    modules: tuple[int, ...] = (1, 4, 3)
    num_blocks: int = 4
    stem_width: int = 64
    stage1_width: int = 64
    stage1_blocks: int = 4
    fuse_within: bool = True
    fuse_across: bool = True
    fuse_final: bool = True
    pad: bool = False

    def __post_init__(self) -> None:
        for name in ("widths", "modules"):
            check_integers(name, getattr(self, name))
        if not self.modules:
            raise ValueError("modules: expected those of at least one stage, got ()")
        if len(self.widths) != len(self.modules) + 1:
            raise ValueError(
                f"widths: expected one more than modules, {len(self.modules) + 1}, "
                f"got {self.widths}"
            )
        for name in ("num_blocks", "stem_width", "stage1_width", "stage1_blocks"):
            check_integer(name, getattr(self, name))
        for name in ("fuse_within", "fuse_across", "fuse_final", "pad"):
            check_flag(name, getattr(self, name))

    @property
    def stride(self) -> int:
        """Pixels of the image to a cell of the coarsest branch."""
        return 4 * 2 ** (len(self.widths) - 1)

    def fuses(self, stage: int, module: int) -> bool:
        """Whether a module has an exchange unit.

        Args:
            stage: 0 for stage 2, the first with more than one branch.
            module: number in the stage.
        """
        if module < self.modules[stage] - 1:
            return self.fuse_within
        return self.fuse_across if stage < len(self.modules) - 1 else self.fuse_final


class HRNet(nn.Module):
    """The trunk: stem, stage 1, then transition and stage in turn (Sun et al. 2019, §3, Fig. 1).

    Args:
        config: its numbers.
        num_outputs: branches of the result, the finest first; None for all.

    >>> import torch
    >>> config = HRNetConfig(widths=(8, 16), modules=(1,), num_blocks=1, stage1_blocks=1)
    >>> [tuple(maps.shape) for maps in HRNet(config)(torch.zeros(1, 3, 64, 48))]
    [(1, 8, 16, 12), (1, 16, 8, 6)]
    """

    def __init__(self, config: HRNetConfig, num_outputs: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.stem = nn.Sequential(
            conv_norm(3, config.stem_width, 3, stride=2),
            conv_norm(config.stem_width, config.stem_width, 3, stride=2),
        )
        out_channels = Bottleneck.expansion * config.stage1_width
        inputs = [config.stem_width] + [out_channels] * (config.stage1_blocks - 1)
        self.stage1 = nn.Sequential(*(Bottleneck(c, config.stage1_width) for c in inputs))
        # Branches before stage 2, 3, 4: stage 1 has a single one, and its own channels.
        widths = [(out_channels,)] + [config.widths[:n] for n in range(2, len(config.widths) + 1)]
        self.transitions = nn.ModuleList(
            Transition(before, after) for before, after in pairwise(widths)
        )
        self.stages = nn.ModuleList(
            self._stage(stage, num_outputs) for stage in range(len(config.modules))
        )
        self.out_channels = config.widths[:num_outputs]
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def _stage(self, stage: int, num_outputs: int | None) -> nn.Sequential:
        config = self.config
        last = len(config.modules) - 1
        return nn.Sequential(
            *(
                HighResolutionModule(
                    config.widths[: stage + 2],
                    config.num_blocks,
                    num_outputs if (stage, module) == (last, config.modules[-1] - 1) else None,
                    config.fuses(stage, module),
                )
                for module in range(config.modules[stage])
            )
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """One map for each branch.

        Args:
            images: ``(B, 3, H, W)`` normalised; sides are multiples of 32, or the config pads.

        Returns:
            Maps ``(B, C, H/4, W/4)``, ``(B, 2C, H/8, W/8)``, ..., fine to coarse.

        Raises:
            ValueError: if a side is no multiple of 32: an odd map cannot be halved and doubled
                back to the same size.
        """
        height, width = images.shape[-2:]
        stride = self.config.stride
        below, right = -height % stride, -width % stride
        if below or right:
            if not self.config.pad:
                raise ValueError(
                    f"images: expected sides that are multiples of {stride}, got {height} x "
                    f"{width}; {height + below} x {width + right} would do, or pad=True"
                )
            images = F.pad(images, (0, right, 0, below))
        features = [self.stage1(self.stem(images))]
        for transition, stage in zip(self.transitions, self.stages, strict=True):
            features = stage(transition(features))
        if below or right:
            features = [
                maps[..., : math.ceil(height / 4 / 2**i), : math.ceil(width / 4 / 2**i)]
                for i, maps in enumerate(features)
            ]
        return features
