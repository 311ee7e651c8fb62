"""HRNet: the fine map is never given up (Sun et al. 2019, "Deep High-Resolution Representation
Learning for Human Pose Estimation"; for detection, Sun et al. 2019, "High-Resolution
Representations for Labeling Pixels and Regions").

Other backbones halve the map again and again and climb back later.  HRNet keeps the map of
stride 4 to the end, opens one coarser branch beside it in every stage, and lets all branches
talk to each other in *exchange units*: a matrix of paths whose cell ``i <- j`` brings the map of
branch j to the size and the channels of branch i.

Branches are counted from 0, the finest.  To a branch of larger number it goes *down* (fewer
cells, more channels), to one of smaller number *up*.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..losses import heatmap_loss
from .checks import (
    check_choice,
    check_flag,
    check_image,
    check_integer,
    check_integers,
    check_number,
    check_numbers,
    check_positive,
    is_integer,
)
from .inputs import normalize
from .layers import init_xavier
from .modes import evaluating
from .pose import (
    COCO_FLIP_ORDER,
    MPII_FLIP_ORDER,
    Decoding,
    affine_matrix,
    box_to_center_scale,
    crop_image,
    decode_heatmaps,
    flip_heatmaps,
    heatmaps_to_image,
)

__all__ = [
    "HRFPN",
    "HRNETV2P_TINY",
    "HRNETV2P_W18",
    "HRNETV2P_W32",
    "HRNETV2P_W40",
    "POSE_HRNET_TINY",
    "POSE_HRNET_W32",
    "POSE_HRNET_W48",
    "BasicBlock",
    "Bottleneck",
    "FuseLayer",
    "HRNet",
    "HRNetConfig",
    "HRNetV2p",
    "HRNetV2pConfig",
    "HighResolutionModule",
    "PoseHRNet",
    "PoseHRNetConfig",
    "Transition",
]


def conv_norm(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, relu: bool = True
) -> nn.Sequential:
    """Convolution without bias, BatchNorm, and ReLU if asked: all that HRNet is made of.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the filter; stride 1 keeps the map's size.
        stride: step of the filter.
        relu: whether ReLU follows.

    >>> [type(layer).__name__ for layer in conv_norm(3, 8, 3, relu=False)]
    ['Conv2d', 'BatchNorm2d']
    """
    layers: list[tuple[str, nn.Module]] = [
        ("conv", nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2,
                           bias=False)),
        ("bn", nn.BatchNorm2d(out_channels)),
    ]  # fmt: skip
    if relu:
        layers.append(("relu", nn.ReLU(inplace=True)))
    return nn.Sequential(OrderedDict(layers))


# ---------------------------------------------------------------- residual blocks
class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, Fig. 5 left): every branch's block.

    Args:
        channels: of input and output.

    >>> BasicBlock(8)(torch.zeros(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_norm(channels, channels, 3)
        self.second = conv_norm(channels, channels, 3, relu=False)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.second(self.first(maps)) + maps)


class Bottleneck(nn.Module):
    """1x1 to few channels, 3x3, 1x1 to four times as many (He et al. 2016, Fig. 5 right).

    Args:
        in_channels: channels of the input.
        width: channels in the middle; the output has four times as many.

    >>> Bottleneck(64, 64)(torch.zeros(1, 64, 4, 4)).shape
    torch.Size([1, 256, 4, 4])
    """

    expansion = 4

    def __init__(self, in_channels: int, width: int) -> None:
        super().__init__()
        out_channels = self.expansion * width
        self.narrow = conv_norm(in_channels, width, 1)
        self.filter = conv_norm(width, width, 3)
        self.widen = conv_norm(width, out_channels, 1, relu=False)
        self.shortcut: nn.Module = nn.Identity()
        if in_channels != out_channels:
            self.shortcut = conv_norm(in_channels, out_channels, 1, relu=False)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu(self.widen(self.filter(self.narrow(maps))) + self.shortcut(maps))


# ---------------------------------------------------------------- exchange
class FuseLayer(nn.Sequential):
    """One cell of the fuse matrix: what branch i hears of branch j (Sun et al. 2019, §3, Fig. 3).

    - ``i == j``: the map as it is.
    - ``i < j``, *up*, from a coarser branch to a finer one: a 1x1 convolution for the channels,
      BatchNorm, then every cell repeated ``2^(j - i)`` times each way.
    - ``i > j``, *down*, from a finer branch to a coarser one: a chain of ``i - j`` strided 3x3
      convolutions.  All but the last keep j's channels and end in ReLU; the last changes to
      i's channels and has none, for the sum comes next.

    Args:
        receiver: i.
        giver: j.
        widths: channels of the branches, fine to coarse.

    >>> widths = (8, 16, 32)
    >>> FuseLayer(0, 2, widths)(torch.zeros(1, 32, 2, 2)).shape  # two steps up
    torch.Size([1, 8, 8, 8])
    >>> FuseLayer(2, 0, widths)(torch.zeros(1, 8, 8, 8)).shape  # two steps down
    torch.Size([1, 32, 2, 2])
    >>> len(FuseLayer(1, 1, widths))
    0
    """

    def __init__(self, receiver: int, giver: int, widths: Sequence[int]) -> None:
        if receiver == giver:
            path = nn.Sequential()
        elif receiver < giver:
            path = path_up(widths[giver], widths[receiver], steps=giver - receiver)
        else:
            path = path_down(widths[giver], widths[receiver], steps=receiver - giver)
        super().__init__(OrderedDict(path.named_children()))


def path_up(in_channels: int, out_channels: int, steps: int) -> nn.Sequential:
    """From a coarser branch: 1x1 convolution, BatchNorm, nearest neighbour.

    Args:
        in_channels: channels of the giver.
        out_channels: channels of the receiver.
        steps: how often the map doubles.

    >>> path_up(16, 8, steps=1)(torch.zeros(1, 16, 3, 3)).shape
    torch.Size([1, 8, 6, 6])
    """
    path = conv_norm(in_channels, out_channels, 1, relu=False)
    path.add_module("upsample", nn.Upsample(scale_factor=2**steps, mode="nearest"))
    return path


def path_down(in_channels: int, out_channels: int, steps: int) -> nn.Sequential:
    """From a finer branch: strided 3x3 convolutions, ReLU between them.

    Args:
        in_channels: channels of the giver.
        out_channels: channels of the receiver.
        steps: how often the map halves.

    >>> [layer.conv.out_channels for layer in path_down(8, 32, steps=2)]
    [8, 32]
    """
    path = nn.Sequential()
    for _ in range(steps - 1):
        path.append(conv_norm(in_channels, in_channels, 3, stride=2))
    return path.append(conv_norm(in_channels, out_channels, 3, stride=2, relu=False))


class HighResolutionModule(nn.Module):
    """Parallel branches, then one exchange unit (Sun et al. 2019, §3, Eq. 2).

    Branch i becomes ``relu(sum over j of cell[i][j](maps j))``: a row of the matrix.

    Args:
        widths: channels of the branches, fine to coarse.
        num_blocks: blocks of each branch.
        num_outputs: receivers, the finest first; None for all.  The pose network's very last
            module has one.
        fuse: whether there is an exchange at all; the branches stay strangers without.

    **Deviation:** the published code overwrites the list that it is given; here the input, and
    everything a hook saw of it, stays what it was.

    >>> module = HighResolutionModule((8, 16), num_blocks=1)
    >>> [tuple(maps.shape) for maps in module([torch.zeros(1, 8, 4, 4), torch.zeros(1, 16, 2, 2)])]
    [(1, 8, 4, 4), (1, 16, 2, 2)]
    """

    def __init__(
        self,
        widths: Sequence[int],
        num_blocks: int,
        num_outputs: int | None = None,
        fuse: bool = True,
    ) -> None:
        super().__init__()
        branches = range(len(widths))
        self.num_outputs = len(widths) if num_outputs is None else num_outputs
        self.branches = nn.ModuleList(
            nn.Sequential(*(BasicBlock(width) for _ in range(num_blocks))) for width in widths
        )
        self.fuse = nn.ModuleList()  # the matrix: a row for each receiver, a cell for each giver
        if fuse:
            for i in branches[: self.num_outputs]:
                self.fuse.append(nn.ModuleList(FuseLayer(i, j, widths) for j in branches))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        features = [branch(maps) for branch, maps in zip(self.branches, features, strict=True)]
        if not self.fuse:
            return features[: self.num_outputs]
        return [exchange(row, features) for row in self.fuse]  # type: ignore[arg-type]


def exchange(row: Sequence[nn.Module] | nn.ModuleList, features: Sequence[Tensor]) -> Tensor:
    """What one branch makes of all branches: a row of the fuse matrix, summed (Eq. 2).

    Args:
        row: one cell for each giver.
        features: the givers' maps, fine to coarse.

    Returns:
        ``(B, C, H, W)``, the receiver's new map.

    >>> ones = torch.ones(1, 2, 4, 4)
    >>> exchange([nn.Identity(), nn.Identity()], [ones, -3 * ones]).unique()  # relu(1 - 3)
    tensor([0.])
    """
    first, *others = [cell(maps) for cell, maps in zip(row, features, strict=True)]
    total = first
    for maps in others:
        total = total + maps  # (B, C, H, W)
    return F.relu(total)


# ---------------------------------------------------------------- from stage to stage
class Transition(nn.Module):
    """Hand the branches on to the next stage, and open a new one below them.

    A branch whose channels stay is handed on as it is; others get a 3x3 convolution (only the
    first transition has such).  The new branch comes from the last, the coarsest, by a strided
    3x3 convolution.

    Args:
        in_widths: channels of the branches there are.
        out_widths: channels of the branches there shall be, one more.

    Raises:
        ValueError: if it is not one more.

    >>> new = Transition((8, 16), (8, 16, 32))([torch.zeros(1, 8, 8, 8), torch.zeros(1, 16, 4, 4)])
    >>> [tuple(maps.shape) for maps in new]
    [(1, 8, 8, 8), (1, 16, 4, 4), (1, 32, 2, 2)]
    """

    def __init__(self, in_widths: Sequence[int], out_widths: Sequence[int]) -> None:
        super().__init__()
        if len(out_widths) != len(in_widths) + 1:
            raise ValueError(
                f"out_widths: expected one branch more than {len(in_widths)}, got {out_widths}"
            )
        self.keep = nn.ModuleList(
            nn.Sequential() if before == after else conv_norm(before, after, 3)
            for before, after in zip(in_widths, out_widths[:-1], strict=True)
        )
        self.open = conv_norm(in_widths[-1], out_widths[-1], 3, stride=2)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        kept = [layer(maps) for layer, maps in zip(self.keep, features, strict=True)]
        return [*kept, self.open(features[-1])]


# ---------------------------------------------------------------- the trunk
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


# ---------------------------------------------------------------- the pose network
@dataclass(frozen=True, slots=True, kw_only=True)
class PoseHRNetConfig(HRNetConfig):
    """A trunk that ends in heat maps; see also `HRNetConfig`.

    Attributes:
        name: the model's name in `detlearn.list_models`.
        num_joints: J; 17 for COCO, 16 for MPII.
        crop_size: (height, width) of the person's crop, px.
        sigma: width of the targets' bumps, heat-map px: 2, and 3 for 384 x 288.
        rounded: whether the bumps stand on whole pixels, see `make_heatmaps`.
        decoding: ``"argmax"``, ``"quarter"`` (published) or ``"dark"``, see `decode_heatmaps`.
        pixel_center: coordinate of the first pixel's middle, in key points and boxes: 0 for
            COCO and MPII as the published code reads them, 0.5 for Shapes.
        flip_order: the joints' order in a mirrored picture; empty for that of COCO or MPII.
        hard_joints: the loss counts only so many joints of a person, the worst (OHKM); None
            for all, as published.
        image_mean: subtracted from images in [0, 1], RGB.
        image_std: divides them after that.
    """

    name: str
    num_joints: int = 17
    crop_size: tuple[int, int] = (256, 192)
    sigma: float = 2.0
    rounded: bool = True
    decoding: Decoding = "quarter"
    pixel_center: float = 0.0
    flip_order: tuple[int, ...] = ()
    hard_joints: int | None = None
    image_mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    image_std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    def __post_init__(self) -> None:
        HRNetConfig.__post_init__(self)
        check_integer("num_joints", self.num_joints)
        sides = self.crop_size
        if not (
            isinstance(sides, tuple)
            and len(sides) == 2
            and all(is_integer(side) and (self.pad or side % self.stride == 0) for side in sides)
        ):
            raise ValueError(
                f"crop_size: expected (height, width), multiples of {self.stride}, got {sides!r}"
            )
        check_choice("decoding", self.decoding, ("argmax", "quarter", "dark"))
        check_positive("sigma", self.sigma)
        check_number("pixel_center", self.pixel_center)
        check_flag("rounded", self.rounded)
        for name in ("image_mean", "image_std"):
            check_numbers(name, getattr(self, name), 3, positive=name == "image_std")
        order, joints = self.flip_order, range(self.num_joints)
        whole = isinstance(order, tuple) and len(order) in (0, self.num_joints)
        if not whole or (order and any(joint not in order for joint in joints)):
            raise ValueError(
                f"flip_order: expected each of the {self.num_joints} joints once, got {order}"
            )
        hard = self.hard_joints
        if hard is not None and not (is_integer(hard) and hard <= self.num_joints):
            raise ValueError(f"hard_joints: expected 1 to {self.num_joints}, got {hard!r}")

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(height, width) of the maps: a quarter of the crop's."""
        height, width = self.crop_size
        return math.ceil(height / 4), math.ceil(width / 4)

    @property
    def mirrored(self) -> tuple[int, ...]:
        """The joints' order in a mirrored picture."""
        known = {17: COCO_FLIP_ORDER, 16: MPII_FLIP_ORDER}
        order = self.flip_order or known.get(self.num_joints)
        if order is None:
            raise ValueError(
                f"flip_order: {self.num_joints} joints are neither COCO's nor MPII's; say in "
                "which order a mirrored picture has them"
            )
        return order


class PoseHRNet(nn.Module):
    """HRNet for human pose: the trunk's finest map, and a 1x1 convolution (Sun et al. 2019, §3).

    Args:
        config: one of this file's presets, or `dataclasses.replace` of one.

    Attributes:
        config: the same.
        class_names: None; the joints' names belong to the data.

    **Deviation:** the published code draws all convolutions from N(0, 0.001²); here only those
    of the head, the trunk's are Kaiming-normal, as HRNet for detection starts.

    >>> PoseHRNet(POSE_HRNET_TINY)(torch.zeros(2, 3, 128, 96)).shape
    torch.Size([2, 17, 32, 24])
    """

    image_mean: Tensor
    image_std: Tensor

    def __init__(self, config: PoseHRNetConfig) -> None:
        super().__init__()
        self.config = config
        self.class_names: tuple[str, ...] | None = None
        self.trunk = HRNet(config, num_outputs=1)
        self.head = nn.Conv2d(config.widths[0], config.num_joints, 1)
        nn.init.normal_(self.head.weight, std=0.001)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
        for name in ("image_mean", "image_std"):
            values = torch.tensor(getattr(config, name))[:, None, None]  # (3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def normalize(self, images: Tensor) -> Tensor:
        """Pixels to network input: scale to [0, 1], subtract the mean, divide by the spread.

        Args:
            images: ``(..., 3, H, W)`` RGB, uint8, or floating point in [0, 1].

        Returns:
            The same shape, floating point, on the model's device.

        Raises:
            ValueError: if the images are no such tensor.
        """
        check_image(images, "images", dims=None)
        return normalize(images, self.image_mean, self.image_std)

    def forward(self, crops: Tensor) -> Tensor:
        """Heat maps of crops with one person each.

        Args:
            crops: ``(B, 3, H, W)`` as `normalize` makes them; any size whose sides are multiples
                of 32.

        Returns:
            ``(B, J, H/4, W/4)``.

        Raises:
            ValueError: if the crops are no such batch.
        """
        if crops.ndim != 4 or crops.shape[1] != 3 or not crops.is_floating_point():
            raise ValueError(
                f"crops: expected normalised floating point (B, 3, H, W), got {crops.dtype} of "
                f"shape {tuple(crops.shape)}; model.estimate takes pictures and boxes"
            )
        (finest,) = self.trunk(crops)
        heatmaps: Tensor = self.head(finest)
        return heatmaps

    def loss(self, heatmaps: Tensor, targets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Mean squared error to the painted bumps, labelled joints only.

        Args:
            heatmaps: what `forward` returned.
            targets: for each crop ``"heatmaps" (J, H/4, W/4)`` and ``"weights" (J,)``, see
                `make_heatmaps`; other keys are ignored.

        Returns:
            ``"heatmaps"``, a scalar.

        Raises:
            ValueError: naming the crop whose target does not fit.
        """
        if not isinstance(heatmaps, Tensor) or not isinstance(targets, Sequence):
            got = f"{type(heatmaps).__name__} and {type(targets).__name__}"
            raise ValueError(f"expected heat maps and a list of targets, got {got}")
        if len(targets) != len(heatmaps):
            raise ValueError(
                f"targets: expected one for each of the {len(heatmaps)} crops, got {len(targets)}"
            )
        shape = tuple(heatmaps.shape[1:])
        for index, target in enumerate(targets):
            if not {"heatmaps", "weights"} <= target.keys():
                raise ValueError(
                    f"targets[{index}]: expected 'heatmaps' and 'weights', got {sorted(target)}; "
                    "detlearn.data.KeypointCrops makes them"
                )
            if tuple(target["heatmaps"].shape) != shape:
                raise ValueError(
                    f"targets[{index}]: expected heatmaps {shape}, "
                    f"got {tuple(target['heatmaps'].shape)}"
                )
        target_maps = torch.stack([target["heatmaps"] for target in targets])  # (B, J, H, W)
        weights = torch.stack([target["weights"] for target in targets])  # (B, J)
        error = heatmap_loss(
            heatmaps,
            target_maps.to(heatmaps.device),
            weights.to(heatmaps.device),
            hard_joints=self.config.hard_joints,
        )
        return {"heatmaps": error}

    def heatmaps(self, crops: Tensor, flip: bool = True, shift: bool = True) -> Tensor:
        """Heat maps, averaged with those of the mirrored crops: the flip test.

        Args:
            crops: as for `forward`.
            flip: look at the mirrored crops as well.
            shift: move their maps right by one pixel, see `flip_heatmaps`.

        Returns:
            ``(B, J, H/4, W/4)``.
        """
        maps: Tensor = self(crops)
        if not flip:
            return maps
        mirrored = flip_heatmaps(self(crops.flip(-1)), self.config.mirrored, shift)
        return (maps + mirrored) / 2

    def estimate(
        self,
        images: Sequence[Tensor],
        boxes: Sequence[Tensor],
        box_scores: Sequence[Tensor] | None = None,
        *,
        flip: bool = True,
        shift: bool = True,
        decoding: Decoding | None = None,
        least_joint_score: float = 0.2,
    ) -> list[dict[str, Tensor]]:
        """Find the joints of the people in given boxes, in pictures of any size.

        The model runs in eval mode and is left in the mode it was found in.

        Args:
            images: ``(3, H, W)`` each; RGB, uint8, or floating point in [0, 1].
            boxes: for each image ``(N, 4)`` xyxy, px; no box is legal.
            box_scores: for each image ``(N,)``, how sure the detector was; 1 by default.
            flip: see `heatmaps`.
            shift: see `heatmaps`.
            decoding: None for the config's.
            least_joint_score: joints below it do not count for a person's score.

        Returns:
            For each image, as torchvision's Keypoint R-CNN: ``"boxes" (N, 4)``,
            ``"keypoints" (N, J, 3)`` x, y (px of the image) and 1, ``"keypoints_scores" (N, J)``
            the peaks' heights, and ``"scores" (N,)``, the box's score times the mean of the
            joints' scores above ``least_joint_score``.

        Raises:
            ValueError: naming the image or the boxes that are none.

        >>> model = PoseHRNet(POSE_HRNET_TINY)
        >>> image = torch.zeros(3, 48, 64, dtype=torch.uint8)
        >>> found = model.estimate([image], [torch.tensor([[10.0, 5, 30, 45]])])
        >>> found[0]["keypoints"].shape
        torch.Size([1, 17, 3])
        """
        if not isinstance(images, Sequence | Tensor) or not isinstance(boxes, Sequence | Tensor):
            got = f"{type(images).__name__} and {type(boxes).__name__}"
            raise ValueError(f"expected a list of images and one of boxes, got {got}")
        if len(images) != len(boxes):
            raise ValueError(
                f"boxes: expected one tensor (N, 4) for each of the {len(images)} images, "
                f"got {len(boxes)}"
            )
        for index, (image, one) in enumerate(zip(images, boxes, strict=True)):
            check_image(image, f"images[{index}]", dims=3)
            _check_boxes(one, f"boxes[{index}]")
        device, counts = self.image_mean.device, [len(one) for one in boxes]
        every = torch.cat(
            [torch.zeros(0, 4), *(one.as_subclass(Tensor).cpu() for one in boxes)]
        ).to(device, torch.float32)  # (N, 4)
        sure = every.new_ones(len(every))  # (N,)
        if box_scores is not None:
            sure = torch.cat([sure[:0], *(one.to(sure) for one in box_scores)])  # (N,)
        pictures = [image for image, n in zip(images, counts, strict=True) for _ in range(n)]
        with evaluating(self), torch.inference_mode():
            keypoints, scores = self._estimate(
                pictures, every, flip, shift, decoding or self.config.decoding
            )
        counted = scores > least_joint_score  # (N, J)
        mean = (scores * counted).sum(dim=-1) / counted.sum(dim=-1).clamp(min=1)  # (N,)
        columns = {
            "boxes": every,
            "keypoints": keypoints,
            "keypoints_scores": scores,
            "scores": sure * mean,
        }
        # Copied outside inference mode they are ordinary tensors, which callers may change.
        split = {key: value.clone().split(counts) for key, value in columns.items()}
        return [{key: parts[i] for key, parts in split.items()} for i in range(len(images))]

    def _estimate(
        self, pictures: list[Tensor], boxes: Tensor, flip: bool, shift: bool, decoding: Decoding
    ) -> tuple[Tensor, Tensor]:
        """Key points ``(N, J, 3)`` and their scores ``(N, J)``; a picture for every box."""
        config, device = self.config, boxes.device
        center, scale = box_to_center_scale(boxes, config.crop_size)
        matrices = affine_matrix(center, scale, config.crop_size, inverse=True)  # (N, 2, 3)
        points = [boxes.new_zeros(0, config.num_joints, 2)]
        scores = [boxes.new_zeros(0, config.num_joints)]
        for start in range(0, len(boxes), PEOPLE_PER_PASS):
            people = range(start, min(start + PEOPLE_PER_PASS, len(boxes)))
            crops = [
                self.normalize(
                    crop_image(
                        pictures[n].to(device), matrices[n], config.crop_size, config.pixel_center
                    )
                )
                for n in people
            ]
            maps = self.heatmaps(torch.stack(crops), flip, shift).float()  # (B, J, H, W)
            peaks = decode_heatmaps(maps, decoding, config.sigma)
            points.append(peaks.points)
            scores.append(peaks.scores)
        places = heatmaps_to_image(torch.cat(points), center, scale, config.heatmap_size)
        keypoints = torch.cat([places, torch.ones_like(places[..., :1])], dim=-1)  # (N, J, 3)
        return keypoints, torch.cat(scores)


PEOPLE_PER_PASS = 32
"""`PoseHRNet.estimate` splits larger crowds, so that memory does not grow with them."""


def _check_boxes(boxes: object, name: str) -> None:
    if not isinstance(boxes, Tensor) or boxes.ndim != 2 or boxes.shape[-1] != 4:
        got = tuple(boxes.shape) if isinstance(boxes, Tensor) else type(boxes).__name__
        raise ValueError(f"{name}: expected a tensor (N, 4) of corners, got {got}")
    bad = ~(boxes.isfinite().all(dim=1) & (boxes[:, :2] < boxes[:, 2:]).all(dim=1))
    if bad.any():
        index = int(bad.nonzero()[0])
        corners = boxes[index].tolist()
        raise ValueError(f"{name}: box {index} is {corners}: expected finite x1 < x2 and y1 < y2")


# ---------------------------------------------------------------- the pyramid for detection
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
        config: one of this file's presets, or `dataclasses.replace` of one.

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


# ---------------------------------------------------------------- presets
POSE_HRNET_W32 = PoseHRNetConfig(name="pose_hrnet_w32")
"""HRNet-W32 for COCO's 17 joints, 256 x 192."""

POSE_HRNET_W48 = PoseHRNetConfig(name="pose_hrnet_w48", widths=(48, 96, 192, 384))
"""HRNet-W48 for COCO's 17 joints; published for 256 x 192 and, with sigma 3, for 384 x 288."""

POSE_HRNET_TINY = PoseHRNetConfig(
    name="pose_hrnet_tiny",
    widths=(16, 24, 32, 48),  # not doubling: 17 heat maps need a wide finest branch
    modules=(1, 2, 2),
    num_blocks=1,
    stem_width=16,
    stage1_width=16,
    stage1_blocks=1,
    crop_size=(128, 96),
    sigma=1.5,
    rounded=False,
    decoding="dark",
    pixel_center=0.5,
    image_mean=(0.5, 0.5, 0.5),
    image_std=(0.5, 0.5, 0.5),
)
"""Half a million parameters, for the people of the embedded data set Shapes."""

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
