"""Where the feature maps come from: classifiers without their last layers.

The layers of VGG-16, ResNet-50 and MobileNetV2 are torchvision's own modules; here they
are only named, cut and tapped.  A tap is found by its role (the ReLU after the third
convolution of block 4; the end of stage layer3), never by a counted index, so nothing
breaks, silently or otherwise, when a layer is added in front.

Every backbone maps ``(B, 3, S, S)`` to a list of maps, fine to coarse, and lists their
channels in ``out_channels``.  Weights are random: nothing is ever downloaded here.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual

from .layers import ConvBlock, init_xavier

__all__ = ["VGG16", "MobileNetV2", "ResNet50", "TinyBackbone"]


class VGG16(nn.Module):
    """VGG-16 whose first two fully connected layers became convolutions (Liu et al. 2016, §3).

    conv1_1 to conv5_3 are torchvision's.  Then pool5 stops halving, and fc6 looks further
    apart instead ("à trous"): 3x3 taps, ``fc6_dilation`` cells from each other.

    Args:
        pool5: kernel size, stride and padding of the last pooling.  SSD and M2Det: (3, 1, 1);
            RefineDet: (2, 2, 0).
        fc6_dilation: SSD and M2Det 6; RefineDet 3.
        taps: Caffe's names of the layers whose activations (after ReLU) are returned, fine
            to coarse: ``"conv4_3"``, ``"conv5_3"``, ``"fc7"`` ...

    Raises:
        ValueError: if a tap is no layer of the network, or they are not in its order.

    **Deviation:** pool3 rounds up (75 becomes 38), as in Caffe, where SSD was written;
    torchvision's classifier rounds down.

    >>> vgg = VGG16()
    >>> [tuple(f.shape) for f in vgg(torch.zeros(1, 3, 300, 300))]
    [(1, 512, 38, 38), (1, 1024, 19, 19)]
    """

    def __init__(
        self,
        pool5: tuple[int, int, int] = (3, 1, 1),
        fc6_dilation: int = 6,
        taps: Sequence[str] = ("conv4_3", "fc7"),
    ) -> None:
        super().__init__()
        layers = _named_vgg16_layers()
        layers["pool3"].ceil_mode = True  # type: ignore[assignment]
        layers["pool5"] = nn.MaxPool2d(*pool5)
        layers["fc6"] = nn.Conv2d(512, 1024, 3, padding=fc6_dilation, dilation=fc6_dilation)
        layers["relu6"] = nn.ReLU(inplace=True)
        layers["fc7"] = nn.Conv2d(1024, 1024, 1)
        layers["relu7"] = nn.ReLU(inplace=True)
        init_xavier(layers["fc6"])
        init_xavier(layers["fc7"])

        convolutions = [name for name, layer in layers.items() if isinstance(layer, nn.Conv2d)]
        unknown = [tap for tap in taps if tap not in convolutions]
        if unknown:
            raise ValueError(f"taps: expected some of {', '.join(convolutions)}, got {unknown}")
        if not taps or sorted(taps, key=convolutions.index) != list(taps):
            raise ValueError(f"taps: expected at least one, fine to coarse, got {list(taps)}")
        self.layers = nn.Sequential(layers)
        # The activation of conv4_3 is what relu4_3 returns.
        names = list(layers)
        self.taps = tuple(names[names.index(tap) + 1] for tap in taps)
        self.out_channels = tuple(layers[tap].out_channels for tap in taps)

    def forward(self, images: Tensor) -> list[Tensor]:
        features, maps = [], images
        for name, layer in self.layers.named_children():
            maps = layer(maps)
            if name in self.taps:
                features.append(maps)
        return features


def _named_vgg16_layers() -> OrderedDict[str, nn.Module]:
    """torchvision's VGG-16 from conv1_1 to pool5, each layer under the name that Caffe gave it."""
    # On "meta" the 120 million weights of the classifier, which nobody needs, cost nothing.
    with torch.device("meta"):
        features = torchvision.models.vgg16(weights=None).features
    features = features.to_empty(device=torch.empty(0).device)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    block, conv = 1, 0
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            conv += 1
            layers[f"conv{block}_{conv}"] = layer
            # torchvision's own initialisation of a VGG
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.ReLU):
            layers[f"relu{block}_{conv}"] = layer
        else:
            layers[f"pool{block}"] = layer
            block, conv = block + 1, 0
    return layers


class ResNet50(nn.Module):
    """ResNet-50 up to its third stage, which keeps the stride of the second (uvipen/SSD-pytorch).

    The stage called layer3 (the paper's conv4_x) would halve the map; with stride 1 it
    answers on 38 x 38 cells of a 300 px image, as VGG's conv4_3 does.

    >>> [tuple(f.shape) for f in ResNet50()(torch.zeros(1, 3, 300, 300))]
    [(1, 1024, 38, 38)]
    """

    def __init__(self) -> None:
        super().__init__()
        resnet = torchvision.models.resnet50(weights=None)
        for layer in resnet.layer3.modules():
            if isinstance(layer, nn.Conv2d):
                layer.stride = (1, 1)
        self.conv1, self.bn1, self.relu = resnet.conv1, resnet.bn1, resnet.relu
        self.maxpool = resnet.maxpool
        self.layer1, self.layer2, self.layer3 = resnet.layer1, resnet.layer2, resnet.layer3
        self.out_channels = (self.layer3[-1].conv3.out_channels,)

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = self.layer3(self.layer2(self.layer1(maps)))  # (B, 1024, H, W)
        return [maps]


class MobileNetV2(nn.Module):
    """MobileNetV2 with a second tap inside its last halving block (Sandler et al. 2018, §6.2).

    An inverted residual first expands its input, then filters it with the stride.  The last
    block that has stride 2 therefore owns, half-way, the richest map of stride 16: 576
    channels, after ReLU6.  The other map is the network's last one, stride 32.

    **Deviation:** uvipen/SSD-pytorch detaches the first map, so that its head never teaches
    the backbone; here gradients flow.

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


class TinyBackbone(nn.Module):
    """A backbone for lessons: strided 3x3 convolutions with BatchNorm, half a million weights.

    Each stage halves the map and then looks at it once more.  The stages whose map is a
    level of the detector are tapped.

    Args:
        image_size: S.
        map_sizes: sides of the levels, fine to coarse.
        widths: channels of the stages; the first is the stem, at S / 2, and looks only once.

    Raises:
        ValueError: if a level has a side that no stage has.

    >>> tiny = TinyBackbone(128, (32, 16, 8, 4), (16, 24, 48, 96, 128))
    >>> [tuple(f.shape) for f in tiny(torch.zeros(1, 3, 128, 128))]
    [(1, 24, 32, 32), (1, 48, 16, 16), (1, 96, 8, 8), (1, 128, 4, 4)]
    """

    def __init__(self, image_size: int, map_sizes: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        sides, side, channels = [], image_size, 3
        for width in widths:
            blocks = [ConvBlock(channels, width, 3, stride=2)]
            if channels != 3:
                blocks.append(ConvBlock(width, width, 3))
            self.stages.append(nn.Sequential(*blocks))
            side, channels = (side + 1) // 2, width
            sides.append(side)
        if any(side not in sides for side in map_sizes):
            raise ValueError(
                f"map_sizes: {len(widths)} stages on {image_size} px have maps of side {sides}, "
                f"got levels of {list(map_sizes)}"
            )
        self.taps = tuple(sides.index(side) for side in map_sizes)
        self.out_channels = tuple(widths[tap] for tap in self.taps)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> list[Tensor]:
        features, maps = [], images
        for number, stage in enumerate(self.stages):
            maps = stage(maps)
            if number in self.taps:
                features.append(maps)
        return features
