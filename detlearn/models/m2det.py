"""M2Det: levels as well as scales (Zhao et al. 2019, "M2Det: A Single-Shot Object Detector based
on Multi-Level Feature Pyramid Network").

Every pyramid so far has one map for each size of object, and the maps for small objects come
from early layers, which see simple things only.  M2Det asks for depth and size separately: a
*scale* is the resolution of a map, a *level* says how many U-shaped modules it went through.
Each U-shaped module (TUM) makes a map at every scale; the maps of one scale, from all levels,
are laid on top of each other; and an attention (SFAM) says which of them matter.

From bottom to top: `BasicConv`, `FFMv1` and `FFMv2` (fuse), `TUM` (encode, decode, smooth), `SFAM`
(weigh), `MLFPN` (all of these), `M2Det` (backbone, MLFPN, heads).
"""

from __future__ import annotations

import copy
import dataclasses
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import nms as fast_nms

from ..boxes import (
    M2DET320_PRIORS,
    M2DET512_PRIORS,
    M2DET704_PRIORS,
    M2DET800_PRIORS,
    PriorConfig,
    clip_boxes,
    make_priors,
    make_targets,
    soft_nms,
)
from ..losses import multibox_loss
from .backbones import VGG16, VGG19, ResNetFamily, TinyBackbone, check_widths, list_resnets
from .checks import (
    check_choice,
    check_flag,
    check_images,
    check_integer,
    check_integers,
    check_number,
)
from .detector import Detector, DetectorConfig
from .layers import MultiBoxHead, Predictions

__all__ = [
    "M2DET320_RESNET101",
    "M2DET320_VGG16",
    "M2DET512_RESNET50",
    "M2DET512_RESNET101",
    "M2DET512_VGG16",
    "M2DET704_VGG16",
    "M2DET800_VGG16",
    "M2DET_TINY",
    "MLFPN",
    "SFAM",
    "TUM",
    "BasicConv",
    "Decoder",
    "Encoder",
    "FFMv1",
    "FFMv2",
    "M2Det",
    "M2DetConfig",
    "PaperDecoder",
    "Smoothing",
    "fit_priors",
    "released_learning_rate",
    "select_by_class",
    "tum_sides",
]


# ------------------------------------------------------------------ the brick


class BasicConv(nn.Sequential):
    """Convolution without bias, BatchNorm, ReLU: what everything below is made of.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the filter.
        stride: step of the filter.
        padding: zeros on each side.

    **Deviation:** none; but note BatchNorm's momentum, 0.01 in the published code: the running
    statistics follow a tenth as fast as PyTorch's default lets them.

    >>> BasicConv(3, 8, 3, stride=2, padding=1)(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
    ) -> None:
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=False)
        bn = nn.BatchNorm2d(out_channels, momentum=0.01)
        super().__init__(OrderedDict(conv=conv, bn=bn, relu=nn.ReLU(inplace=True)))


# --------------------------------------------------------------- fusing maps


class FFMv1(nn.Module):
    """Feature fusion, version 1: two maps of the backbone become the base feature (Fig. 4a).

    The shallow map knows where, the deep one knows what; the deep one has half the side, so it
    is enlarged, and both are laid on top of each other.

    Args:
        in_channels: of the shallow and of the deep map.
        out_channels: what is left of each.

    **Deviation:** enlarged to the shallow map's size, whatever that is; the published code
    doubles, which is the same for the sizes that it knows.

    >>> base = FFMv1((512, 1024))(torch.zeros(1, 512, 40, 40), torch.zeros(1, 1024, 20, 20))
    >>> base.shape
    torch.Size([1, 768, 40, 40])
    """

    def __init__(
        self, in_channels: tuple[int, int], out_channels: tuple[int, int] = (256, 512)
    ) -> None:
        super().__init__()
        self.reduce = BasicConv(in_channels[0], out_channels[0], 3, padding=1)
        self.up_reduce = BasicConv(in_channels[1], out_channels[1], 1)
        self.out_channels = sum(out_channels)

    def forward(self, shallow: Tensor, deep: Tensor) -> Tensor:
        where = self.reduce(shallow)  # (B, C1, H, W)
        what = self.up_reduce(deep)  # (B, C2, H2, W2)
        what = F.interpolate(what, size=where.shape[-2:], mode="nearest")  # (B, C2, H, W)
        return torch.cat([where, what], dim=1)  # (B, C1+C2, H, W)


class FFMv2(nn.Module):
    """Feature fusion, version 2: what the next TUM reads (Fig. 4b).

    Every TUM is reminded of the base feature, through a 1x1 convolution that leaves little of
    it (the published code calls it *leach*), and continues with the largest map of the TUM
    before it.  The first TUM has none before it.

    Args:
        base_channels: of the base feature.
        thin_channels: what is left of them.

    >>> ffm = FFMv2(768, 128)
    >>> base, previous = torch.zeros(1, 768, 40, 40), torch.zeros(1, 256, 40, 40)
    >>> ffm(base).shape, ffm(base, previous).shape
    (torch.Size([1, 128, 40, 40]), torch.Size([1, 384, 40, 40]))
    """

    def __init__(self, base_channels: int, thin_channels: int) -> None:
        super().__init__()
        self.leach = BasicConv(base_channels, thin_channels, 1)

    def forward(self, base: Tensor, previous: Tensor | None = None) -> Tensor:
        thin: Tensor = self.leach(base)
        if previous is None:
            return thin
        return torch.cat([thin, previous], dim=1)


# ------------------------------------------------------------------- the TUM


def tum_sides(side: int, num_scales: int) -> tuple[int, ...]:
    """Sides of the maps that a TUM makes: halve, rounding up; at the very end subtract two.

    Args:
        side: of the map that it reads.
        num_scales: how many maps, at least 2.

    Returns:
        The sides, fine to coarse; a last one of 0 or less means that the map is too small.

    >>> tum_sides(40, 6), tum_sides(64, 6)
    ((40, 20, 10, 5, 3, 1), (64, 32, 16, 8, 4, 2))
    """
    sides = [side]
    for step in range(num_scales - 1):
        last = step == num_scales - 2 and step > 0
        sides.append(sides[-1] - 2 if last else (sides[-1] + 1) // 2)
    return tuple(sides)


class Encoder(nn.Module):
    """The way down of a TUM: 3x3 convolutions with stride 2 (Fig. 4c, left).

    The last one has stride 1 and no padding instead, which takes a cell off each side.

    Args:
        in_channels: of the map that the TUM reads.
        planes: C of all maps below it.
        num_scales: how many maps, the one that it reads included.

    >>> maps = Encoder(128, 256, num_scales=6)(torch.zeros(2, 128, 40, 40))
    >>> [tuple(m.shape[1:]) for m in maps][::5]
    [(128, 40, 40), (256, 1, 1)]
    """

    def __init__(self, in_channels: int, planes: int, num_scales: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([BasicConv(in_channels, planes, 3, stride=2, padding=1)])
        for _ in range(num_scales - 3):
            self.layers.append(BasicConv(planes, planes, 3, stride=2, padding=1))
        if num_scales > 2:
            self.layers.append(BasicConv(planes, planes, 3))

    def forward(self, maps: Tensor) -> list[Tensor]:
        pyramid = [maps]
        for layer in self.layers:
            pyramid.append(layer(pyramid[-1]))
        return pyramid


class Decoder(nn.Module):
    """The way up of a TUM as it was released: enlarge, and add what the encoder had there.

    Each map of the encoder comes through a *lateral* 3x3 convolution, the coarsest through a
    1x1 one; on the way up there is nothing but enlarging and adding.

    Args:
        in_channels: of the map that the TUM reads.
        planes: C of all other maps.
        num_scales: how many maps.

    **Deviation:** of the published code from the paper, not ours from the code: see
    `PaperDecoder`.

    >>> up = Decoder(128, 256, num_scales=3)
    >>> maps = [torch.zeros(1, 128, 8, 8), torch.zeros(1, 256, 4, 4), torch.zeros(1, 256, 2, 2)]
    >>> [tuple(m.shape[1:]) for m in up(maps)]
    [(256, 8, 8), (256, 4, 4), (256, 2, 2)]
    """

    def __init__(self, in_channels: int, planes: int, num_scales: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList([BasicConv(in_channels, planes, 3, padding=1)])
        for _ in range(num_scales - 2):
            self.lateral.append(BasicConv(planes, planes, 3, padding=1))
        self.top = BasicConv(planes, planes, 1)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        pyramid = [self.top(maps[-1])]
        for lateral, finer in zip(reversed(self.lateral), reversed(maps[:-1]), strict=True):
            side = lateral(finer)  # (B, C, H, W)
            up = F.interpolate(pyramid[0], size=side.shape[-2:], mode="nearest")  # (B, C, H, W)
            pyramid.insert(0, up + side)
        return pyramid


class PaperDecoder(nn.Module):
    """The way up of a TUM as the paper draws it (Fig. 4c, right).

    Here the 3x3 convolutions stand on the way up, and the encoder's maps are added as they
    are: also the one that the TUM reads, which therefore has C channels like the others.

    Args:
        planes: C of all maps.
        num_scales: how many maps.

    >>> up = PaperDecoder(256, num_scales=2)
    >>> [tuple(m.shape) for m in up([torch.zeros(1, 256, 4, 4), torch.zeros(1, 256, 2, 2)])]
    [(1, 256, 4, 4), (1, 256, 2, 2)]
    """

    def __init__(self, planes: int, num_scales: int) -> None:
        super().__init__()
        self.refine = nn.ModuleList(
            BasicConv(planes, planes, 3, padding=1) for _ in range(num_scales - 1)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        pyramid = [maps[-1]]
        for refine, finer in zip(reversed(self.refine), reversed(maps[:-1]), strict=True):
            up = refine(pyramid[0])
            up = F.interpolate(up, size=finer.shape[-2:], mode="nearest")  # (B, C, H, W)
            pyramid.insert(0, up + finer)
        return pyramid


class Smoothing(nn.Module):
    """The last step of a TUM: a 1x1 convolution on the maps, one for each.

    Args:
        in_channels: C of the decoder's maps.
        out_channels: C of the TUM's.
        num_maps: how many of the maps get one, from the finest on; the others pass.

    >>> smooth = Smoothing(256, 256, num_maps=1)
    >>> fine, coarse = torch.zeros(1, 256, 4, 4), torch.zeros(1, 256, 2, 2)
    >>> smooth([fine, coarse])[1] is coarse
    True
    """

    def __init__(self, in_channels: int, out_channels: int, num_maps: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            BasicConv(in_channels, out_channels, 1) for _ in range(num_maps)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        smoothed = [layer(fine) for layer, fine in zip(self.layers, maps, strict=False)]
        return [*smoothed, *maps[len(self.layers) :]]


class TUM(nn.Module):
    """Thinned U-shape module: down, up, smooth (Fig. 4c).

    Args:
        in_channels: of the map that it reads.
        planes: C inside.
        num_scales: how many maps it makes.
        kind: ``"released"``: C channels come out, and the coarsest map is not smoothed;
            ``"paper"``: `PaperDecoder`, and 1x1 convolutions thin all maps to C / 2.
        smooth: whether the 1x1 convolutions are there.

    **Invariant:** the finest map that comes out has the side of the map that went in.

    >>> [tuple(m.shape[1:]) for m in TUM(128)(torch.zeros(2, 128, 40, 40))][:2]
    [(256, 40, 40), (256, 20, 20)]
    """

    def __init__(
        self,
        in_channels: int,
        planes: int = 256,
        num_scales: int = 6,
        kind: Literal["released", "paper"] = "released",
        smooth: bool = True,
    ) -> None:
        super().__init__()
        self.encoder = Encoder(in_channels, planes, num_scales)
        if kind == "released":
            self.decoder: nn.Module = Decoder(in_channels, planes, num_scales)
            self.smoothing = Smoothing(planes, planes, num_scales - 1 if smooth else 0)
        else:
            self.decoder = PaperDecoder(planes, num_scales)
            self.smoothing = Smoothing(planes, planes // 2, num_scales)

    def forward(self, maps: Tensor) -> list[Tensor]:
        down = self.encoder(maps)
        up = self.decoder(down)
        smoothed: list[Tensor] = self.smoothing(up)
        return smoothed


# ---------------------------------------------------------------- the weights


class SFAM(nn.Module):
    """Scale-wise feature aggregation: an attention over the channels of each scale (Eq. 2, 3).

    Each scale holds the maps of all levels on top of each other.  *Squeeze* every channel to
    its average, let two small layers *excite* it to a weight from 0 to 1, multiply: it is
    Hu et al.'s squeeze-and-excitation, once for each scale.

    Args:
        channels: C, levels times channels of a level.
        num_scales: how many maps come.
        compress_ratio: C over the width between the two layers; the paper's r.
        shared: one pair of layers for all scales, as released, or one for each, as in the paper.

    **Invariant:** no number grows: ``abs(out) <= abs(in)``.

    **Deviation:** in the published code the ratio is an argument that nobody reads, always 16,
    and the six pairs are one, ``ModuleList([conv] * 6)``.

    >>> sfam = SFAM(32, num_scales=2)
    >>> pyramid = [torch.ones(1, 32, 4, 4), torch.ones(1, 32, 2, 2)]
    >>> [tuple(weights.shape) for weights in sfam.attention(pyramid)]
    [(1, 32), (1, 32)]
    """

    def __init__(
        self, channels: int, num_scales: int = 6, compress_ratio: int = 16, shared: bool = True
    ) -> None:
        super().__init__()
        hidden = max(1, channels // compress_ratio)
        pairs = 1 if shared else num_scales
        self.fc1 = nn.ModuleList(nn.Conv2d(channels, hidden, 1) for _ in range(pairs))
        self.fc2 = nn.ModuleList(nn.Conv2d(hidden, channels, 1) for _ in range(pairs))

    def attention(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """What each channel of each scale is worth, 0 to 1.

        Args:
            pyramid: maps ``(B, C, H, W)``, fine to coarse.

        Returns:
            For each map ``(B, C)``.
        """
        weights = []
        for scale, maps in enumerate(pyramid):
            fc1 = self.fc1[scale % len(self.fc1)]  # a shared pair serves every scale
            fc2 = self.fc2[scale % len(self.fc2)]
            squeezed = F.adaptive_avg_pool2d(maps, 1)  # (B, C, 1, 1)
            excited = torch.sigmoid(fc2(F.relu(fc1(squeezed))))  # (B, C, 1, 1)
            weights.append(excited.flatten(1))  # (B, C)
        return weights

    def forward(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        weights = self.attention(pyramid)
        return [maps * each[:, :, None, None] for maps, each in zip(pyramid, weights, strict=True)]


# ----------------------------------------------------------- all of it in one


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


# ----------------------------------------------------------------- the config


@dataclass(frozen=True, slots=True, kw_only=True)
class M2DetConfig(DetectorConfig):
    """Everything that makes one M2Det differ from another; see also `DetectorConfig`.

    Attributes:
        backbone: ``"vgg16"``, ``"vgg19"``, ``"tiny"``, or one of
            `detlearn.models.backbones.list_resnets`.
        taps: layers of the backbone whose maps FFMv1 fuses; empty for its usual ones (conv4_3
            and fc7; layer2 and layer4).
        widths: channels of the stages of the ``"tiny"`` backbone, else empty.
        base_channels: what `FFMv1` leaves of the shallow and of the deep map.
        planes: C inside a TUM.
        num_levels: L, how many TUMs.  (``priors.num_levels`` counts maps, which are scales here.)
        num_scales: how many maps each TUM makes.
        tum: ``"released"`` or ``"paper"``, see `TUM`.
        smooth: whether a TUM ends with 1x1 convolutions.
        sfam: True as in the paper; False in every configuration that was released.
        shared_weights: True as released, see `MLFPN`; False as the paper means it.
        compress_ratio: see `SFAM`.
        init: what is initialised how, see `M2Det.init_weights`.
        channel_order: of the network's input.  The published code reads pictures with OpenCV,
            hence ``"bgr"``; whoever calls us gives RGB in any case.
        match_threshold: IoU from which on a prior answers for an object.
        negative_ratio: hard negatives for each positive.
        suppression: ``"released"``, ``"corrected"`` or ``"hard"``, see `select_by_class`.
        max_per_class: best detections of each class that are kept.

    A layout of priors that belongs to another ``image_size`` or ``num_scales`` (a preset's, after
    `dataclasses.replace`) is replaced by `fit_priors`.

    >>> import dataclasses
    >>> dataclasses.replace(M2DET512_VGG16, image_size=640).priors.map_sizes
    (80, 40, 20, 10, 5, 3)
    >>> dataclasses.replace(M2DET512_VGG16, image_size=200)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: image_size: ... expected at least 264 px for 6 scales, or fewer scales, got 200
    """

    backbone: str
    taps: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    base_channels: tuple[int, int] = (256, 512)
    planes: int = 256
    num_levels: int = 8
    num_scales: int = 6
    tum: Literal["released", "paper"] = "released"
    smooth: bool = True
    sfam: bool = True
    shared_weights: bool = True
    compress_ratio: int = 16
    init: Literal["released", "stated"] = "released"
    channel_order: Literal["rgb", "bgr"] = "rgb"
    match_threshold: float = 0.5
    negative_ratio: float = 3.0
    suppression: Literal["released", "corrected", "hard"] = "released"
    max_per_class: int = 50

    def __post_init__(self) -> None:
        for name in ("image_size", "planes", "num_scales"):
            check_integer(name, getattr(self, name), 2)
        for name in ("num_levels", "compress_ratio", "max_per_class"):
            check_integer(name, getattr(self, name))
        if isinstance(self.priors, PriorConfig):
            size, scales = self.priors.image_size, self.priors.num_levels
            if (size, scales) != (self.image_size, self.num_scales):
                fitted = fit_priors(self.priors, self.image_size, self.num_scales)
                object.__setattr__(self, "priors", fitted)
        DetectorConfig.__post_init__(self)
        for name in ("smooth", "sfam", "shared_weights"):
            check_flag(name, getattr(self, name))
        check_choice("backbone", self.backbone, ("vgg16", "vgg19", "tiny", *list_resnets()))
        check_choice("tum", self.tum, ("released", "paper"))
        check_choice("init", self.init, ("released", "stated"))
        check_choice("channel_order", self.channel_order, ("rgb", "bgr"))
        check_choice("suppression", self.suppression, ("released", "corrected", "hard"))
        check_number("match_threshold", self.match_threshold, 0, 1)
        check_number("negative_ratio", self.negative_ratio, 0)
        check_integers("base_channels", self.base_channels, 2)
        self._check_fit()

    def _check_fit(self) -> None:
        """Refuse numbers that are right each for itself, but not together."""
        check_widths(self.widths, self.backbone)
        if self.tum == "paper" and (not self.smooth or self.planes % 2):
            raise ValueError(
                "tum: the paper's ends with 1x1 convolutions that halve the channels; expected "
                f"smooth=True and even planes, got smooth={self.smooth} and planes={self.planes}"
            )
        if not isinstance(self.taps, tuple) or len(self.taps) not in (0, 2):
            raise ValueError(f"taps: expected two layers, or none for the usual, got {self.taps!r}")
        expected = tum_sides(self.priors.map_sizes[0], self.num_scales)
        if self.priors.map_sizes != expected:
            raise ValueError(
                f"priors: a TUM makes maps of {expected} cells of a map of {expected[0]}, "
                f"the layout has {self.priors.map_sizes}"
            )


PUBLISHED_PRIORS = {
    layout.image_size: layout
    for layout in (M2DET320_PRIORS, M2DET512_PRIORS, M2DET704_PRIORS, M2DET800_PRIORS)
}


def fit_priors(layout: PriorConfig, image_size: int, num_scales: int) -> PriorConfig:
    """A layout of priors for another input size, or another number of scales.

    Between the four published sizes it is the published table.  Otherwise every prior keeps its
    share of the image, the maps are those that a TUM makes, and the steps divide the image
    evenly; another number of scales spreads the same range of sizes over them.

    Args:
        layout: what the new one is like.
        image_size: side of the network's input, px.
        num_scales: how many maps.

    Returns:
        The new layout.

    Raises:
        ValueError: if the coarsest map would have no cell left.

    >>> fit_priors(M2DET512_PRIORS, 320, 6) is M2DET320_PRIORS
    True
    >>> fit_priors(M2DET512_PRIORS, 512, 4).map_sizes
    (64, 32, 16, 14)
    """
    if layout in PUBLISHED_PRIORS.values() and num_scales == layout.num_levels:
        if image_size in PUBLISHED_PRIORS:
            return PUBLISHED_PRIORS[image_size]
    stride = round(layout.image_size / layout.map_sizes[0])
    sides = tum_sides(math.ceil(image_size / stride), num_scales)
    if sides[-1] < 1:
        least = stride * (2 ** (num_scales - 1) + 1)
        raise ValueError(
            f"image_size: the maps would have {', '.join(map(str, sides[:-1]))} cells, and the "
            "convolution without padding that makes the last one needs 3; expected at least "
            f"{least} px for {num_scales} scales, or fewer scales, got {image_size}"
        )
    sizes = [*layout.min_sizes, *(layout.max_sizes or layout.min_sizes)[-1:]]
    fractions = [size / layout.image_size for size in sizes]
    ratios = list(layout.aspect_ratios)
    if num_scales != layout.num_levels:
        low, high = fractions[min(1, len(fractions) - 2)], fractions[-1]
        step = (high - low) / (num_scales - 1)
        fractions = [fractions[0], *(low + step * k for k in range(num_scales))]
        ratios = (ratios + ratios[-1:] * num_scales)[:num_scales]
    edges = [round(image_size * fraction, 2) for fraction in fractions]
    return PriorConfig(
        image_size=image_size,
        map_sizes=sides,
        steps=tuple(image_size / side for side in sides),
        min_sizes=tuple(edges[:-1]),
        max_sizes=tuple(edges[1:]),
        aspect_ratios=tuple(ratios),
        clamp=layout.clamp,
    )


# ---------------------------------------------------------------- the network


class M2Det(Detector):
    """Backbone, MLFPN, heads (Zhao et al. 2019, Fig. 2).

    Args:
        config: one of this file's presets, or `dataclasses.replace` of one.

    **Deviation:** from the paper, as released: BatchNorm on the finest map, and on no other,
    before the heads.

    >>> model = M2Det(M2DET_TINY)
    >>> predictions = model(torch.zeros(2, 3, 128, 128))
    >>> predictions.deltas.shape == (2, *model.priors.shape)
    True
    """

    config: M2DetConfig
    not_for_me = ("letterbox", "linear_sizes", "weighted_nms")

    def __init__(self, config: M2DetConfig) -> None:
        super().__init__(config)
        self.backbone = _build_backbone(config)
        in_channels: Any = self.backbone.out_channels
        self.mlfpn = MLFPN(
            in_channels,
            config.base_channels,
            config.planes,
            config.num_levels,
            config.num_scales,
            config.tum,
            config.smooth,
            config.sfam,
            config.shared_weights,
            config.compress_ratio,
        )
        channels = self.mlfpn.out_channels
        self.norm = nn.BatchNorm2d(channels)
        self.head = MultiBoxHead(
            [channels] * config.num_scales, config.priors.priors_per_cell, config.num_classes
        )
        self.init_weights()

    @torch.no_grad()
    def init_weights(self) -> None:
        """Start MLFPN and heads afresh; the backbone stays.

        With ``init="stated"`` as the published initialiser says: Kaiming (fan-out) for all
        convolutions of TUMs, fusion and heads, biases 0.  With ``"released"`` as it does: it
        looks for "conv" in the *names* of the weights, and a head's weight has none, so the
        heads keep PyTorch's default and only lose their biases.  The SFAM keeps PyTorch's
        default either way.

        >>> stated = M2Det(dataclasses.replace(M2DET_TINY, init="stated"))
        >>> released = M2Det(M2DET_TINY)
        >>> bool(stated.head.deltas[0].weight.std() > 5 * released.head.deltas[0].weight.std())
        True
        """
        convolutions = [
            layer
            for part in (self.mlfpn.ffm1, self.mlfpn.ffm2, self.mlfpn.tums, self.head)
            for layer in part.modules()
            if isinstance(layer, nn.Conv2d)
        ]
        heads = set(self.head.modules())
        for layer in convolutions:
            layer.reset_parameters()
            if self.config.init == "stated" or layer not in heads:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def features(self, images: Tensor) -> list[Tensor]:
        """The pyramid as the heads see it.

        Args:
            images: ``(B, 3, S, S)`` normalised.

        Returns:
            For each scale ``(B, C, H, W)``, fine to coarse; C is L times the channels of a TUM,
            level by level.

        Raises:
            ValueError: if the backbone's map has another side than the priors' layout says; or
                for a single image in training mode, where BatchNorm needs more than one number.

        >>> pyramid = M2Det(M2DET_TINY).features(torch.zeros(2, 3, 128, 128))
        >>> [maps.shape[-1] for maps in pyramid]
        [32, 16, 8, 4, 2]
        """
        if self.training and len(images) == 1 and self.config.priors.map_sizes[-1] == 1:
            raise ValueError(
                "images: expected at least two in training mode, got one: BatchNorm compares the "
                "numbers of a channel, and the coarsest map has one cell; model.eval() takes one"
            )
        features = self.backbone(images)
        side, expected = features[0].shape[-1], self.config.priors.map_sizes[0]
        if side != expected:
            raise ValueError(
                f"image_size: of {images.shape[-1]} px the backbone makes {side} x {side} cells, "
                f"the priors are laid out for {expected} x {expected}; a multiple of 8 px fits, "
                "or priors= with these maps"
            )
        finest, *coarser = self.mlfpn(features)
        return [self.norm(finest), *coarser]

    def forward(self, images: Tensor) -> Predictions:
        """Raw predictions for every prior.

        Args:
            images: ``(B, 3, S, S)`` as `normalize` makes them.

        Returns:
            `Predictions` of ``logits (B, P, K)`` and ``deltas (B, P, 4)``.

        Raises:
            ValueError: if the images are no such batch.
        """
        self.check_input(images)
        predictions: Predictions = self.head(self.features(images))
        return predictions

    def _normalize(self, images: Tensor) -> Tensor:
        normalized = super()._normalize(images)
        return normalized.flip(-3) if self.config.channel_order == "bgr" else normalized

    def loss(
        self, predictions: Predictions, targets: Sequence[Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """MultiBox loss of a batch, the same as SSD's (Liu et al. 2016, §2.2).

        Args:
            predictions: what `forward` returned.
            targets: for each image ``"boxes" (G, 4)`` xyxy, px of the (S, S) network input,
                and ``"labels" (G,)`` integers, 1 to K - 1.  ``G = 0`` is legal.

        Returns:
            ``"bbox_regression"`` and ``"classification"``, scalars.

        Raises:
            ValueError: naming the image and the box that cannot be learned from.

        >>> model = M2Det(M2DET_TINY)
        >>> empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
        >>> losses = model.loss(model(torch.zeros(2, 3, 128, 128)), [empty, empty])
        >>> {name: value.item() for name, value in losses.items()}
        {'bbox_regression': 0.0, 'classification': 0.0}
        """
        self.check_predictions(predictions)
        config = self.config
        matched = [
            make_targets(
                boxes, labels, self.priors, config.match_threshold, scales=config.box_scales
            )
            for boxes, labels in self.check_targets(targets, len(predictions.logits))
        ]
        target_labels = torch.stack([one.labels for one in matched])  # (B, P)
        target_deltas = torch.stack([one.deltas for one in matched])  # (B, P, 4)
        return multibox_loss(
            predictions.logits,
            predictions.deltas,
            target_labels,
            target_deltas,
            negative_ratio=config.negative_ratio,
        )

    # ------------------------------------------------------------- detection

    def postprocess(
        self,
        predictions: Predictions,
        image_sizes: Sequence[tuple[int, int]],
        *,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
        clip: bool = True,
    ) -> list[dict[str, Tensor]]:
        """Raw predictions to detections: softmax, decode, threshold, suppression, clip.

        Args:
            predictions: what `forward` returned.
            image_sizes: (height, width) of the original images, px.
            score_threshold: None for the config's; so are the next two.
            iou_threshold: see `select_by_class`.
            max_detections: see `DetectorConfig`.
            clip: cut the boxes at the image's edge, after the suppression.  The published code
                does not.

        Returns:
            For each image ``"boxes" (D, 4)`` xyxy px of the original image, ``"scores" (D,)``
            descending, ``"labels" (D,)``, and ``"priors" (D,)`` int64, the prior behind each.

        Raises:
            ValueError: if a threshold is out of range, or the predictions are not finite.

        >>> model = M2Det(M2DET_TINY)
        >>> P = model.config.priors.num_priors
        >>> sure = Predictions(torch.zeros(1, P, 9), torch.zeros(1, P, 4))
        >>> sure.logits[0, 7, 3] = 9.0  # one prior is sure of class 3
        >>> model.postprocess(sure, [(128, 128)], score_threshold=0.5)[0]["labels"]
        tensor([3])
        """
        config = self._thresholds(score_threshold, iou_threshold, max_detections)
        scores, boxes = self.scores_and_boxes(predictions)
        if len(image_sizes) != len(scores):
            raise ValueError(
                f"image_sizes: expected one for each of the {len(scores)} images, "
                f"got {len(image_sizes)}"
            )
        return [
            _select(boxes[index], scores[index], size, config, clip, f"those of image {index}")
            for index, size in enumerate(image_sizes)
        ]

    def at_size(self, image_size: int) -> M2Det:
        """The same network for another input size: convolutions do not mind.

        The priors keep their size in *pixels*, because that is what the heads have learned: a
        larger picture shows the same object larger, to coarser maps.

        Args:
            image_size: side of the input, px.

        Returns:
            A network that shares this one's weights, in eval mode.

        Raises:
            ValueError: if the size is too small.

        >>> tiny = M2Det(M2DET_TINY)
        >>> tiny.at_size(192).config.priors.map_sizes
        (48, 24, 12, 6, 4)
        >>> tiny.at_size(192).norm.weight.data_ptr() == tiny.norm.weight.data_ptr()
        True
        """
        old = self.config.priors
        fitted = fit_priors(old, image_size, self.config.num_scales)
        layout = dataclasses.replace(
            fitted, min_sizes=old.min_sizes, max_sizes=old.max_sizes, clamp="none"
        )
        # A copy of the modules, not of their numbers: what the memo holds is handed on as it is.
        shared = {id(tensor): tensor for tensor in (*self.parameters(), *self.buffers())}
        twin = copy.deepcopy(self, shared)
        twin.config = dataclasses.replace(self.config, image_size=image_size, priors=layout)
        priors = make_priors(layout)  # (P, 4)
        if old.clamp != "none":  # no prior was larger than the picture that taught it
            priors[:, 2:] = priors[:, 2:].clamp(max=old.image_size / image_size)
        twin.priors = priors.to(self.priors.device)
        return twin.eval()

    def detect_multiscale(
        self,
        images: Sequence[Tensor] | Tensor,
        sizes: Sequence[int] | None = None,
        flip: bool = True,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find the objects in several sizes of each picture, and in its mirror image.

        The boxes of all passes go into one suppression.  The paper's multi-scale rows are made
        in some such way; the code that was announced never came, so sizes and merging are ours.

        Args:
            images: as for `Detector.detect`.
            sizes: inputs, px; by default three quarters, once, and five quarters of S.
            flip: whether the mirror images are looked at too.
            score_threshold: None for the config's; so are the next two.
            iou_threshold: see `select_by_class`.
            max_detections: see `DetectorConfig`.

        Returns:
            As `Detector.detect`, without ``"priors"``.

        Raises:
            ValueError: naming the image that is none, or the size that is too small.

        >>> tiny = M2Det(M2DET_TINY)
        >>> found = tiny.detect_multiscale([torch.zeros(3, 50, 60)], [96, 128], max_detections=5)
        >>> found[0]["boxes"].shape
        torch.Size([5, 4])
        """
        config = self._thresholds(score_threshold, iou_threshold, max_detections)
        if sizes is None:
            sizes = [round(config.image_size * quarters / 32) * 8 for quarters in (3, 4, 5)]
        twins = [self.at_size(size) for size in sizes]
        if not twins:
            raise ValueError("sizes: expected at least one, got none")
        check_images(images)
        detections = []
        for index, image in enumerate(images):
            with torch.inference_mode():
                passes = [twin._candidates(image, flip) for twin in twins]
                boxes = torch.cat([boxes for _, boxes in passes])  # (N, 4)
                scores = torch.cat([scores for scores, _ in passes])  # (N, K)
                size = (image.shape[-2], image.shape[-1])
                found = _select(boxes, scores, size, config, True, f"those of image {index}")
            del found["priors"]
            detections.append({key: value.clone() for key, value in found.items()})
        return detections

    def _thresholds(self, *given: Any) -> M2DetConfig:
        return cast(M2DetConfig, self._with_thresholds(*given))

    def _candidates(self, image: Tensor, flip: bool) -> tuple[Tensor, Tensor]:
        """Scores ``(N, K)`` and boxes ``(N, 4)``, fractions, of a picture and its mirror image."""
        inputs = self.prepare(image[None])  # (1, 3, S, S)
        if flip:
            inputs = torch.cat([inputs, inputs.flip(-1)])  # (B, 3, H, W)
        scores, boxes = self.scores_and_boxes(self(inputs))
        if flip:
            x1, y1, x2, y2 = boxes[1].unbind(-1)
            boxes = torch.stack([boxes[0], torch.stack([1 - x2, y1, 1 - x1, y2], -1)])  # (B, P, 4)
        return scores.flatten(0, 1), boxes.flatten(0, 1)


def _build_backbone(config: M2DetConfig) -> VGG16 | ResNetFamily | TinyBackbone:
    if config.backbone == "tiny":
        fine = config.priors.map_sizes[0]
        return TinyBackbone(config.image_size, (fine, (fine + 1) // 2), config.widths)
    if config.backbone == "vgg16":
        return VGG16(taps=config.taps or ("conv4_3", "fc7"))
    if config.backbone == "vgg19":
        return VGG19(taps=config.taps or ("conv4_4", "fc7"))
    return ResNetFamily(config.backbone, config.taps or ("layer2", "layer4"))


# -------------------------------------------------------------- suppression


def select_by_class(
    boxes: Tensor,
    scores: Tensor,
    *,
    suppression: Literal["released", "corrected", "hard"],
    score_threshold: float,
    iou_threshold: float,
    max_candidates: int | None = None,
    max_per_class: int = 50,
    max_detections: int = 200,
) -> dict[str, Tensor]:
    """The answer of M2Det for one image: threshold, suppression in each class, the best of all.

    Args:
        boxes: ``(P, 4)`` xyxy, px; a box from 3 to 5 covers three pixels (the code of the time
            counts so: width = x2 - x1 + 1).
        scores: ``(P, K)`` after softmax; column 0, the background, is passed over.
        suppression: ``"released"``: linear soft-NMS whose overlap threshold is 0.3, whatever
            ``iou_threshold`` says, since the published call hands that over in the place of
            the Gaussian's sigma.  ``"corrected"``: the same with ``iou_threshold``.
            ``"hard"``: ordinary NMS.
        score_threshold: a candidate's score is greater than this.
        iou_threshold: see above.
        max_candidates: best candidates of each class that enter; None for all.
        max_per_class: best of each class that leave.
        max_detections: length of the answer at most.

    Returns:
        ``boxes (D, 4)``, ``scores (D,)`` descending, decayed where the suppression is soft,
        ``labels (D,)`` int64, and ``priors (D,)`` int64, the row behind each.

    >>> boxes = torch.tensor([[0.0, 0.0, 99.0, 99.0], [0.0, 0.0, 99.0, 39.0]])  # IoU 0.4
    >>> scores = torch.tensor([[0.1, 0.9], [0.2, 0.8]])
    >>> for suppression in ("released", "corrected"):
    ...     found = select_by_class(
    ...         boxes, scores, suppression=suppression, score_threshold=0.1, iou_threshold=0.45
    ...     )
    ...     print([round(score, 2) for score in found["scores"].tolist()])
    [0.9, 0.48]
    [0.9, 0.8]
    """
    threshold = 0.3 if suppression == "released" else iou_threshold
    chosen, decayed, labels = [], [], []
    for label in range(1, scores.shape[1]):
        own = scores[:, label]
        candidates = (own > score_threshold).nonzero()[:, 0]
        if max_candidates is not None and len(candidates) > max_candidates:
            candidates = candidates[own[candidates].topk(max_candidates).indices]
        if suppression == "hard":
            whole_pixels = boxes[candidates] + boxes.new_tensor([0.0, 0.0, 1.0, 1.0])
            keep = fast_nms(whole_pixels, own[candidates], threshold)[:max_per_class]
            kept_scores = own[candidates][keep]
        else:
            keep, kept_scores = soft_nms(
                boxes[candidates], own[candidates], iou_threshold=threshold, plus_one=True
            )
            keep, kept_scores = keep[:max_per_class], kept_scores[:max_per_class]
        chosen.append(candidates[keep])
        decayed.append(kept_scores)
        labels.append(torch.full_like(keep, label))
    priors = torch.cat(chosen)
    order = torch.cat(decayed).argsort(descending=True, stable=True)[:max_detections]
    return {
        "boxes": boxes[priors[order]],
        "scores": torch.cat(decayed)[order],
        "labels": torch.cat(labels)[order],
        "priors": priors[order],
    }


def _select(
    boxes: Tensor,
    scores: Tensor,
    size: tuple[int, int],
    config: M2DetConfig,
    clip: bool,
    name: str,
) -> dict[str, Tensor]:
    """Boxes in fractions and scores of one image to its detections in pixels."""
    if not (scores.isfinite().all() and boxes.isfinite().all()):
        raise ValueError(
            f"predictions: {name} are not finite: the training diverged, or the weights are damaged"
        )
    height, width = size
    found = select_by_class(
        boxes * boxes.new_tensor([width, height, width, height]),
        scores,
        suppression=config.suppression,
        score_threshold=config.score_threshold,
        iou_threshold=config.iou_threshold,
        max_candidates=config.max_candidates,
        max_per_class=config.max_per_class,
        max_detections=config.max_detections,
    )
    if clip:
        found["boxes"] = clip_boxes(found["boxes"], height, width)
    return found


# ------------------------------------------------------------------- training


def released_learning_rate(step: int, steps_per_epoch: int) -> float:
    """The learning rate of the published training, step by step.

    Linear from 1e-6 to 4e-3 over five epochs, then a table.  The paper has another one: 2e-3,
    divided by ten after 90 and 120 of 150 epochs; that is `detlearn.training.RECIPES`'
    ``"m2det512_vgg16"``.  To train with this one::

        optimizer = torch.optim.SGD(model.parameters(), lr=1.0, momentum=0.9, weight_decay=5e-4)
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: released_learning_rate(k, 7330))

    Args:
        step: number of finished steps, 0 for the first step.
        steps_per_epoch: batches in an epoch.

    Returns:
        Learning rate; after the 160 epochs of the table that of the last one.

    **Deviation:** the published function raises ``NameError`` after its table.

    >>> [released_learning_rate(100 * epoch, 100) for epoch in (0, 5, 90, 110, 130, 150)]
    [1e-06, 0.004, 0.002, 0.0004, 4e-05, 4e-06]
    """
    warm_up = 5 * steps_per_epoch
    if step < warm_up:
        return 1e-6 + (4e-3 - 1e-6) * step / warm_up
    table = ((90, 4e-3), (110, 2e-3), (130, 4e-4), (150, 4e-5))
    for last_epoch, rate in table:
        if step < last_epoch * steps_per_epoch:
            return rate
    return 4e-6


# ------------------------------------------------------------------- presets


def _preset(backbone: str, priors: PriorConfig) -> M2DetConfig:
    return M2DetConfig(
        name=f"m2det{priors.image_size}_{backbone}",
        image_size=priors.image_size,
        num_classes=81,
        backbone=backbone,
        priors=priors,
        # 0-255 minus OpenCV's mean, no division; the ResNets too, though theirs was another.
        channel_order="bgr",
        image_mean=(123 / 255, 117 / 255, 104 / 255),
        image_std=(1 / 255, 1 / 255, 1 / 255),
        antialias=False,
        score_threshold=0.1,
        max_candidates=None,
        max_detections=80 * 50,  # 50 of each class: no further limit
    )


M2DET320_VGG16 = _preset("vgg16", M2DET320_PRIORS)
"""12,810 priors, COCO's 80 objects numbered 1 to 80; SFAM on, as in the paper."""

M2DET512_VGG16 = _preset("vgg16", M2DET512_PRIORS)
"""32,760 priors; ``sfam=False`` is the configuration whose weights were published."""

M2DET704_VGG16 = _preset("vgg16", M2DET704_PRIORS)
"""62,022 priors; in the published code, not in the paper."""

M2DET800_VGG16 = _preset("vgg16", M2DET800_PRIORS)
"""80,208 priors."""

M2DET320_RESNET101 = _preset("resnet101", M2DET320_PRIORS)
"""ResNet-101 whose layer3 has stride 1, on 320 px."""

M2DET512_RESNET101 = _preset("resnet101", M2DET512_PRIORS)
"""ResNet-101 whose layer3 has stride 1, on 512 px."""

M2DET512_RESNET50 = _preset("resnet50", M2DET512_PRIORS)
"""ResNet-50 whose layer3 has stride 1, on 512 px."""

M2DET_TINY = M2DetConfig(
    name="m2det_tiny",
    image_size=128,
    num_classes=9,
    backbone="tiny",
    widths=(16, 24, 44),  # sides 64, 32, 16; the last two are fused
    base_channels=(32, 32),
    planes=24,
    num_levels=4,
    num_scales=5,
    compress_ratio=4,
    priors=PriorConfig(
        image_size=128,
        map_sizes=(32, 16, 8, 4, 2),
        steps=(4, 8, 16, 32, 64),
        min_sizes=(9, 20, 40, 64, 88),
        max_sizes=(20, 40, 64, 88, 112),
        aspect_ratios=((), (2,), (2,), (2,), (2,)),
    ),
    image_mean=(0.5, 0.5, 0.5),
    image_std=(0.5, 0.5, 0.5),
    match_threshold=0.4,
    shared_weights=False,
    suppression="hard",
    max_detections=100,
)
"""Half a million parameters for the embedded data set; four levels, five scales."""
