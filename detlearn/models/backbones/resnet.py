"""ResNets whose third stage keeps the stride of the second."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections import OrderedDict
from collections.abc import Sequence

import torchvision
from torch import Tensor, nn


class ResNet50(nn.Module):
    """ResNet-50 up to its third stage, which keeps the stride of the second (uvipen/SSD-pytorch).

    The stage called layer3 (the paper's conv4_x) would halve the map; with stride 1 it
    answers on 38 x 38 cells of a 300 px image, as VGG's conv4_3 does.

    >>> import torch
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


class ResNetFamily(nn.Module):
    """A ResNet, ResNeXt or SE-ResNe(X)t whose third stage keeps the stride of the second (M2Det).

    With layer3 at stride 1, layer2 ends at stride 8 and layer4 at 16 instead of 32: as fine as
    VGG's conv4_3 and fc7, so that the rest of the detector need not know what stands before it.

    Args:
        name: one of `list_resnets`.
        taps: stages whose maps are returned, fine to coarse.

    Raises:
        ValueError: if there is no such network or stage.

    **Deviation:** VDIGPKU/M2Det accepts the names of ResNet-18 and 34 too and then fails, because
    it expects 512 and 2,048 channels of everybody; here the channels are read off the network.

    >>> import torch
    >>> with torch.device("meta"):
    ...     features = ResNetFamily("resnet18")(torch.zeros(1, 3, 320, 320))
    >>> [tuple(f.shape) for f in features]
    [(1, 128, 40, 40), (1, 512, 20, 20)]
    """

    def __init__(self, name: str = "resnet50", taps: Sequence[str] = ("layer2", "layer4")) -> None:
        super().__init__()
        stages = ("layer1", "layer2", "layer3", "layer4")
        if not taps or list(taps) != [stage for stage in stages if stage in taps]:
            raise ValueError(
                f"taps: expected some of {', '.join(stages)}, fine to coarse, got {list(taps)}"
            )
        layers = OrderedDict(_build_resnet(name).named_children())
        while next(reversed(layers)) != taps[-1]:
            layers.popitem()  # pooling and classifier, which nobody needs
        for layer in layers["layer3"].modules() if "layer3" in layers else ():
            if isinstance(layer, nn.Conv2d):
                layer.stride = (1, 1)
        self.layers = nn.Sequential(layers)
        self.taps = tuple(taps)
        self.out_channels = tuple(_last_width(layers[tap]) for tap in taps)

    def forward(self, images: Tensor) -> list[Tensor]:
        features, maps = [], images
        for name, layer in self.layers.named_children():
            maps = layer(maps)
            if name in self.taps:
                features.append(maps)
        return features


SE_RESNETS = {
    "se_resnet50": "legacy_seresnet50",
    "se_resnet101": "legacy_seresnet101",
    "se_resnet152": "legacy_seresnet152",
    "se_resnext50_32x4d": "legacy_seresnext50_32x4d",
    "se_resnext101_32x4d": "legacy_seresnext101_32x4d",
}
"""The networks of Hu et al. 2018 that VDIGPKU/M2Det lists, and what timm calls them."""


def list_resnets() -> list[str]:
    """Names that `ResNetFamily` knows: torchvision's, and the SE ones where timm is installed.

    Returns:
        The names.

    >>> list_resnets()[:4]
    ['resnet18', 'resnet34', 'resnet50', 'resnet101']
    """
    return [*_torchvision_resnets(), *(SE_RESNETS if importlib.util.find_spec("timm") else ())]


@functools.cache  # every config asks
def _torchvision_resnets() -> tuple[str, ...]:
    known = torchvision.models.list_models(module=torchvision.models)
    names = [name for name in known if "resnet" in name or "resnext" in name]
    return tuple(sorted(names, key=lambda name: (name.partition("net")[0], len(name), name)))


def _build_resnet(name: str) -> nn.Module:
    if name not in list_resnets():
        hint = "; the SE networks need timm: pip install timm" if name in SE_RESNETS else ""
        known = ", ".join(list_resnets())
        raise ValueError(f"backbone: expected one of {known}, got {name!r}{hint}")
    if name in SE_RESNETS:
        create = importlib.import_module("timm").create_model
        network: nn.Module = create(SE_RESNETS[name], pretrained=False)
    else:
        network = torchvision.models.get_model(name, weights=None)
    return network


def _last_width(stage: nn.Module) -> int:
    """Channels that a stage returns: its last block ends with a BatchNorm and a shortcut."""
    block = list(stage.children())[-1]
    norms = [layer for layer in block.modules() if isinstance(layer, nn.BatchNorm2d)]
    return norms[-1].num_features
