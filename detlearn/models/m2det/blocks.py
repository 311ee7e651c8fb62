"""The blocks of M2Det: fuse two maps, make a pyramid, weigh its channels (Zhao et al. 2019)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
