"""The blocks that every detector of the course is assembled from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "ConvBlock", "ExtraBlock", "L2Norm", "MultiBoxHead", "Predictions", "SeparableConv",
    "check_predictions", "conv3x3", "flatten_level", "init_xavier",
]  # fmt: skip


class Predictions(NamedTuple):
    """What a single-shot detector says about each prior, as raw numbers.

    Attributes:
        logits: ``(B, P, K)``, class scores before softmax; class 0 is the background.
        deltas: ``(B, P, 4)``, offsets that `detlearn.boxes.decode` applies to the priors.

    The prior order is level (fine to coarse), row, column, prior.
    """

    logits: Tensor
    deltas: Tensor


def flatten_level(maps: Tensor, num_outputs: int) -> Tensor:
    """Turn a head's map into one row for each prior: the permutation of every SSD.

    A convolution puts its answers in the channel axis, prior by prior; the rows of
    `Predictions` run over cells first.  So the channels move to the end before anything is
    reshaped.  (Reshaping without the permutation runs, trains, and learns nothing.)

    Args:
        maps: ``(B, A*K, H, W)``, channel ``a * K + k`` is number k of prior a.
        num_outputs: K, numbers that a prior has (classes, or four deltas).

    Returns:
        ``(B, H*W*A, K)``, rows in the order row, column, prior.

    **Invariant:** ``out[b, (y * W + x) * A + a, k] == maps[b, a * K + k, y, x]``.

    >>> maps = torch.arange(8.0).reshape(1, 4, 1, 2)  # two cells, two priors of two numbers
    >>> flatten_level(maps, 2)
    tensor([[[0., 2.],
             [4., 6.],
             [1., 3.],
             [5., 7.]]])
    """
    B, channels, H, W = maps.shape
    K, A = num_outputs, channels // num_outputs
    cells = maps.permute(0, 2, 3, 1)  # (B, H, W, A*K)
    rows = cells.reshape(B, H * W * A, K)  # (B, H*W*A, K)
    return rows


class ConvBlock(nn.Sequential):
    """Convolution, BatchNorm if asked, ReLU.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the filter.
        stride: step of the filter.
        padding: zeros on each side; None keeps the size at stride 1.
        norm: whether BatchNorm follows; the convolution then needs no bias.

    >>> ConvBlock(3, 8, 3, stride=2)(torch.zeros(1, 3, 16, 16)).shape
    torch.Size([1, 8, 8, 8])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int | None = None,
        norm: bool = True,
    ) -> None:
        if padding is None:
            padding = kernel_size // 2
        conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, bias=not norm)
        layers: list[tuple[str, nn.Module]] = [("conv", conv)]
        if norm:
            layers.append(("bn", nn.BatchNorm2d(out_channels)))
        layers.append(("relu", nn.ReLU(inplace=True)))
        super().__init__(OrderedDict(layers))


class ExtraBlock(nn.Sequential):
    """One of SSD's extra feature layers (Liu et al. 2016, Fig. 2).

    A 1x1 convolution narrows the map, then a 3x3 one (4x4 at the very end of SSD512) makes
    it smaller: by stride 2, or by having no padding.

    Args:
        in_channels: channels of the finer map.
        mid_channels: channels between the two convolutions.
        out_channels: channels of the coarser map.
        kernel_size: side of the second filter.
        stride: step of the second filter.
        padding: padding of the second filter.
        norm: BatchNorm after each convolution.

    **Deviation:** the paper has no BatchNorm; uvipen/SSD-pytorch, whose backbone is a
    ResNet, adds it.

    >>> ExtraBlock(1024, 256, 512, 3, stride=2, padding=1)(torch.zeros(1, 1024, 19, 19)).shape
    torch.Size([1, 512, 10, 10])
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: int,
        norm: bool = False,
    ) -> None:
        super().__init__(
            OrderedDict(
                narrow=ConvBlock(in_channels, mid_channels, 1, norm=norm),
                shrink=ConvBlock(mid_channels, out_channels, kernel_size, stride, padding, norm),
            )
        )


class L2Norm(nn.Module):
    """Scale the channel vector of every cell to a learned length (Liu et al. 2016, §3.1).

    conv4_3 comes early, and its numbers are far larger than those of the deeper maps;
    ParseNet's remedy gives every cell the length 1 and lets the network learn, channel by
    channel, what that should be worth.

    Args:
        channels: C.
        scale: initial length; the paper has 20.

    **Invariant:** the output's norm over channels is ``scale`` at first (0 where the input is 0).

    >>> L2Norm(2, scale=20.0)(torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1)).flatten()
    tensor([12., 16.], grad_fn=<ViewBackward0>)
    """

    def __init__(self, channels: int, scale: float = 20.0) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), float(scale)))

    def forward(self, maps: Tensor) -> Tensor:
        # In the scale's float32: squares overflow, and 1e-12 vanishes, in autocast's halves.
        unit = F.normalize(maps.to(self.scale.dtype), dim=1, eps=1e-12)  # (B, C, H, W)
        return unit * self.scale[:, None, None]


class SeparableConv(nn.Sequential):
    """SSDLite's predictor: 3x3 for each channel, then a 1x1 mix (Sandler et al. 2018, §6.2).

    Args:
        in_channels: channels of the feature map.
        out_channels: channels of the predictions.

    **Deviation:** as in uvipen/SSD-pytorch, the depthwise convolution keeps its bias although
    BatchNorm follows.

    >>> dense, separable = nn.Conv2d(576, 486, 3), SeparableConv(576, 486)
    >>> [sum(p.numel() for p in m.parameters()) for m in (dense, separable)]
    [2519910, 287334]
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            OrderedDict(
                depthwise=nn.Conv2d(in_channels, in_channels, 3, padding=1, groups=in_channels),
                bn=nn.BatchNorm2d(in_channels),
                relu=nn.ReLU6(),
                pointwise=nn.Conv2d(in_channels, out_channels, 1),
            )
        )


class MultiBoxHead(nn.Module):
    """Two predictors on each level, for classes and for boxes (Liu et al. 2016, §2.1).

    Args:
        in_channels: channels of each level, fine to coarse.
        priors_per_cell: A of each level.
        num_classes: K, background included.
        kind: ``"conv"``, a 3x3 convolution, or ``"separable"``, SSDLite's `SeparableConv`.

    >>> head = MultiBoxHead([8, 16], [4, 6], num_classes=3)
    >>> out = head([torch.zeros(2, 8, 4, 4), torch.zeros(2, 16, 2, 2)])
    >>> out.logits.shape, out.deltas.shape  # 4 * 4 * 4 + 2 * 2 * 6 = 88 priors
    (torch.Size([2, 88, 3]), torch.Size([2, 88, 4]))
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        priors_per_cell: Sequence[int],
        num_classes: int,
        kind: Literal["conv", "separable"] = "conv",
    ) -> None:
        super().__init__()
        predictor: Callable[[int, int], nn.Module] = SeparableConv
        if kind == "conv":
            predictor = conv3x3
        self.num_classes = num_classes
        levels = list(zip(in_channels, priors_per_cell, strict=True))
        self.logits = nn.ModuleList(predictor(c, a * num_classes) for c, a in levels)
        self.deltas = nn.ModuleList(predictor(c, a * 4) for c, a in levels)
        init_xavier(self)

    def forward(self, features: Sequence[Tensor]) -> Predictions:
        logits_by_level, deltas_by_level = [], []
        for maps, to_logits, to_deltas in zip(features, self.logits, self.deltas, strict=True):
            logits_by_level.append(flatten_level(to_logits(maps), self.num_classes))
            deltas_by_level.append(flatten_level(to_deltas(maps), 4))
        logits = torch.cat(logits_by_level, dim=1)  # (B, P, K)
        deltas = torch.cat(deltas_by_level, dim=1)  # (B, P, 4)
        return Predictions(logits, deltas)


def conv3x3(in_channels: int, out_channels: int) -> nn.Module:
    """SSD's predictor: one 3x3 convolution (Liu et al. 2016, §2.1).

    >>> conv3x3(8, 4)
    Conv2d(8, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    """
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def init_xavier(module: nn.Module) -> None:
    """Xavier-uniform convolution weights and zero biases, as SSD starts its new layers.

    Args:
        module: changed in place, with everything inside it.

    **Deviation:** uvipen/SSD-pytorch leaves the biases at PyTorch's random default.

    >>> conv = nn.Conv2d(3, 4, 3)
    >>> init_xavier(conv)
    >>> conv.bias.tolist()
    [0.0, 0.0, 0.0, 0.0]
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def check_predictions(predictions: Predictions, num_priors: int, num_classes: int) -> None:
    """Refuse predictions that do not belong to a model's priors and classes.

    Args:
        predictions: ``logits (B, P, K)`` and ``deltas (B, P, 4)``.
        num_priors: P.
        num_classes: K.

    Raises:
        ValueError: with the shapes expected.
    """
    if not isinstance(predictions, Predictions):
        got = type(predictions).__name__
        raise ValueError(f"predictions: expected Predictions(logits, deltas), got {got}")
    P, K = num_priors, num_classes
    logits, deltas = predictions
    B = logits.shape[0]  # not len, which torch.export would take for a constant
    if logits.shape != (B, P, K) or deltas.shape != (B, P, 4):
        raise ValueError(
            f"predictions: expected logits (B, {P}, {K}) and deltas (B, {P}, 4), "
            f"got {tuple(logits.shape)} and {tuple(deltas.shape)}"
        )
