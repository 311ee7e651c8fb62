"""The blocks of HRNet: residual blocks, the fuse matrix, and the step from stage to stage."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F


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


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016, Fig. 5 left): every branch's block.

    Args:
        channels: of input and output.

    >>> import torch
    >>> BasicBlock(8)(torch.zeros(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = conv_norm(channels, channels, 3)
        self.second = conv_norm(channels, channels, 3, relu=False)

    def forward(self, maps: Tensor) -> Tensor:
        total = self.second(self.first(maps))
        total += maps  # in place: nobody else has these numbers
        return F.relu(total, inplace=True)


class Bottleneck(nn.Module):
    """1x1 to few channels, 3x3, 1x1 to four times as many (He et al. 2016, Fig. 5 right).

    Args:
        in_channels: channels of the input.
        width: channels in the middle; the output has four times as many.

    >>> import torch
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
        total = self.widen(self.filter(self.narrow(maps)))
        total += self.shortcut(maps)
        return F.relu(total, inplace=True)


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

    >>> import torch
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

    >>> import torch
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
    """Parallel branches, then one exchange unit (Sun et al. 2019, §3, Eq. 3).

    Branch i becomes ``relu(sum over j of cell[i][j](maps j))``: a row of the matrix.

    Args:
        widths: channels of the branches, fine to coarse.
        num_blocks: blocks of each branch.
        num_outputs: receivers, the finest first; None for all.  The pose network's very last
            module has one.
        fuse: whether there is an exchange at all; the branches stay strangers without.

    **Deviation:** the published code overwrites the list that it is given; here the input, and
    everything a hook saw of it, stays what it was.

    >>> import torch
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
    """What one branch makes of all branches: a row of the fuse matrix, summed (§3).

    Args:
        row: one cell for each giver.
        features: the givers' maps, fine to coarse.

    Returns:
        ``(B, C, H, W)``, the receiver's new map.

    >>> import torch
    >>> ones = torch.ones(1, 2, 4, 4)
    >>> exchange([nn.Identity(), nn.Identity()], [ones, -3 * ones]).unique()  # relu(1 - 3)
    tensor([0.])
    """
    (cell, maps), *others = zip(row, features, strict=True)
    total = cell(maps)  # (B, C, H, W)
    for cell, maps in others:
        total = total + cell(maps)  # a new map: the givers' own stay what they are
    # without others, total may be the giver's own map
    return F.relu(total, inplace=bool(others))


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

    >>> import torch
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
