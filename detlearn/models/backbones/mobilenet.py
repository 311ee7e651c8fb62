"""MobileNetV2, tapped twice."""

from __future__ import annotations

import torchvision
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual


class MobileNetV2(nn.Module):
    """MobileNetV2 with a second tap inside its last halving block (Sandler et al. 2018, §6.2).

    An inverted residual first expands its input, then filters it with the stride.  The last
    block that has stride 2 therefore owns, half-way, the richest map of stride 16: 576
    channels, after ReLU6.  The other map is the network's last one, stride 32.

    **Deviation:** uvipen/SSD-pytorch detaches the first map, so that its head never teaches
    the backbone; here gradients flow.

    >>> import torch
    >>> [tuple(f.shape) for f in MobileNetV2()(torch.zeros(1, 3, 300, 300))]
    [(1, 576, 19, 19), (1, 1280, 10, 10)]
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = torchvision.models.mobilenet_v2(weights=None).features
        halving = [
            name
            for name, block in self.features.named_children()
            if isinstance(block, InvertedResidual) and block.stride == 2
        ]
        self.tap = halving[-1]
        expansion = self.features.get_submodule(self.tap).conv[0]
        self.out_channels = (expansion.out_channels, self.features[-1].out_channels)

    def forward(self, images: Tensor) -> list[Tensor]:
        features, maps = [], images
        for name, block in self.features.named_children():
            if name == self.tap:
                # A block of stride 2 has no shortcut: its layers in a row are the block.
                expand, *rest = block.conv
                maps = expand(maps)  # (B, 576, H, W)
                features.append(maps)
                for layer in rest:
                    maps = layer(maps)
            else:
                maps = block(maps)
        return [*features, maps]
