"""Where the feature maps come from: classifiers without their last layers.

The layers of VGG-16, ResNet-50 and MobileNetV2 are torchvision's own modules; here they
are only named, cut and tapped.  A tap is found by its role (the ReLU after the third
convolution of block 4; the end of stage layer3), never by a counted index, so nothing
breaks, silently or otherwise, when a layer is added in front.

Every backbone maps ``(B, 3, S, S)`` to a list of maps, fine to coarse, and lists their
channels in ``out_channels``.  Weights are random: nothing is ever downloaded here.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
import torchvision
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual

from .checks import check_integers
from .layers import ConvBlock, init_xavier

__all__ = [
    "VGG16",
    "VGG19",
    "MobileNetV2",
    "ResNet50",
    "ResNetFamily",
    "TinyBackbone",
    "decimate_fc6",
    "decimate_fc7",
    "list_resnets",
    "named_vgg16_layers",
    "vgg16_reduced_from_torchvision",
]


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

    depth = 16

    def __init__(
        self,
        pool5: tuple[int, int, int] = (3, 1, 1),
        fc6_dilation: int = 6,
        taps: Sequence[str] = ("conv4_3", "fc7"),
    ) -> None:
        super().__init__()
        layers = named_vgg16_layers(self.depth)
        layers["pool3"].ceil_mode = True  # type: ignore[assignment]
        layers["pool5"] = nn.MaxPool2d(*pool5)
        layers["fc6"] = nn.Conv2d(512, 1024, 3, padding=fc6_dilation, dilation=fc6_dilation)
        layers["relu6"] = nn.ReLU(inplace=True)
        layers["fc7"] = nn.Conv2d(1024, 1024, 1)
        layers["relu7"] = nn.ReLU(inplace=True)
        init_xavier(layers["fc6"])
        init_xavier(layers["fc7"])

        _check_taps(taps, [name for name, layer in layers.items() if isinstance(layer, nn.Conv2d)])
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


class VGG19(VGG16):
    """`VGG16` with a fourth convolution in the blocks 3, 4 and 5 (Simonyan & Zisserman 2015, "E").

    >>> VGG19().taps  # what conv4_4 and fc7 say after their ReLU
    ('relu4_4', 'relu7')
    """

    depth = 19

    def __init__(
        self,
        pool5: tuple[int, int, int] = (3, 1, 1),
        fc6_dilation: int = 6,
        taps: Sequence[str] = ("conv4_4", "fc7"),
    ) -> None:
        super().__init__(pool5, fc6_dilation, taps)


def named_vgg16_layers(depth: int = 16) -> OrderedDict[str, nn.Module]:
    """torchvision's VGG-16 from conv1_1 to pool5, each layer under the name that Caffe gave it.

    Args:
        depth: 16, or 19 for VGG-19.

    Returns:
        The layers in their order, new ones with random weights.

    >>> list(named_vgg16_layers())[:5]
    ['conv1_1', 'relu1_1', 'conv1_2', 'relu1_2', 'pool1']
    """
    # On "meta" the 120 million weights of the classifier, which nobody needs, cost nothing.
    with torch.device("meta"):
        build = {16: torchvision.models.vgg16, 19: torchvision.models.vgg19}[depth]
        features = build(weights=None).features
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


def _check_taps(taps: Sequence[str], convolutions: Sequence[str]) -> None:
    unknown = [tap for tap in taps if tap not in convolutions]
    if unknown:
        raise ValueError(f"taps: expected some of {', '.join(convolutions)}, got {unknown}")
    if not taps or sorted(taps, key=convolutions.index) != list(taps):
        raise ValueError(f"taps: expected at least one, fine to coarse, got {list(taps)}")


def decimate_fc6(weight: Tensor) -> Tensor:
    """The fully connected fc6 as a filter of a few taps: every fourth unit, every third tap.

    fc6 multiplies every number of a 7 x 7 map: it *is* a 7 x 7 convolution that fits once.  The
    taps that stay are its corners, the middles of its edges, and its centre.

    Args:
        weight: ``(4096, 25088)``, columns in the order channel, row, column.

    Returns:
        ``(1024, 512, 3, 3)``, a view of ``weight``.

    **Invariant:** ``out[n, c, i, j] == weight[4 * n, 49 * c + 7 * (3 * i) + 3 * j]``; laid out with
    dilation 3 the filter gives, on the 7 x 7 map, what every fourth unit of fc6 would give if its
    other taps were zero.

    >>> decimate_fc6(torch.empty(4096, 25088, device="meta")).shape
    torch.Size([1024, 512, 3, 3])
    """
    filters = weight.unflatten(1, (512, 7, 7))  # (4096, 512, 7, 7)
    return filters[::4, :, ::3, ::3]  # (1024, 512, 3, 3)


def decimate_fc7(weight: Tensor) -> Tensor:
    """The fully connected fc7 as a 1x1 filter between the units that `decimate_fc6` kept.

    Args:
        weight: ``(4096, 4096)``, a row for each unit of fc7, a column for each of fc6.

    Returns:
        ``(1024, 1024, 1, 1)``, a view of ``weight``.

    **Invariant:** ``out[n, m, 0, 0] == weight[4 * n, 4 * m]``.

    >>> decimate_fc7(torch.empty(4096, 4096, device="meta")).shape
    torch.Size([1024, 1024, 1, 1])
    """
    return weight[::4, ::4, None, None]  # (1024, 1024, 1, 1)


def vgg16_reduced_from_torchvision(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's classifying VGG-16 as weights of our `VGG16` (Liu et al. 2016, §3).

    The thirteen convolutions stay as they are; fc6 and fc7 are thinned out by `decimate_fc6` and
    `decimate_fc7`; fc8, which names ImageNet's classes, is dropped.  Where there is a network::

        weights = torchvision.models.VGG16_Weights.IMAGENET1K_V1.get_state_dict()
        model.backbone.load_state_dict(vgg16_reduced_from_torchvision(weights))

    Args:
        state_dict: of ``torchvision.models.vgg16``, with or without fc8 (``classifier.6``).

    Returns:
        Copies, under the keys of `VGG16`: ``"layers.conv1_1.weight"`` to ``"layers.fc7.bias"``.

    Raises:
        ValueError: naming every key that is missing, unexpected or of another shape.

    **Deviation:** the paper says "subsample parameters from fc6 and fc7", the author's thread
    (weiliu89/caffe #258) "following what DeepLab did"; neither says which.  These are the ones
    that sgrvinod's PyTorch tutorial keeps.  torchvision's SSD draws both layers at random.

    >>> with torch.device("meta"):
    ...     weights = torchvision.models.vgg16(weights=None).state_dict()
    ...     missing = VGG16().load_state_dict(vgg16_reduced_from_torchvision(weights))
    >>> missing
    <All keys matched successfully>
    """
    _check_classifier(state_dict)
    with torch.device("meta"):
        names = list(named_vgg16_layers())
    reduced = {
        "layers.fc6.weight": decimate_fc6(state_dict["classifier.0.weight"]),
        "layers.fc6.bias": state_dict["classifier.0.bias"][::4],
        "layers.fc7.weight": decimate_fc7(state_dict["classifier.3.weight"]),
        "layers.fc7.bias": state_dict["classifier.3.bias"][::4],
    }
    for number, name in enumerate(names):
        for kind in ("weight", "bias"):
            if name.startswith("conv"):
                reduced[f"layers.{name}.{kind}"] = state_dict[f"features.{number}.{kind}"]
    # Copies in one piece: a view would keep fc6's 100 million numbers alive.
    return {
        key: value.detach().clone(memory_format=torch.contiguous_format)
        for key, value in reduced.items()
    }


def _check_classifier(given: Mapping[str, Tensor]) -> None:
    with torch.device("meta"):
        expected = torchvision.models.vgg16(weights=None).state_dict()
    dropped = ("classifier.6.weight", "classifier.6.bias")
    missing = [key for key in expected if key not in given and key not in dropped]
    unexpected = [str(key) for key in given if key not in expected]
    wrong = [
        f"{key} is {tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__}, "
        f"expected {tuple(expected[key].shape)}"
        for key, value in given.items()
        if key in expected and key not in dropped
        if not isinstance(value, Tensor) or value.shape != expected[key].shape
    ]
    problems = [
        f"{len(found)} {kind}: {', '.join(found)}"
        for kind, found in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of wrong shape", wrong),
        )
        if found
    ]
    if problems:
        raise ValueError(
            "state dict: these are no weights of torchvision's classifying vgg16\n  "
            + "\n  ".join(problems)
        )


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


def check_widths(widths: object, backbone: str) -> None:
    """Refuse a detector's widths unless they are those of a `TinyBackbone`, and its own.

    >>> check_widths((16, 32), "vgg16")
    Traceback (most recent call last):
        ...
    ValueError: widths: expected for the backbone 'tiny' only, got (16, 32) for 'vgg16'
    """
    check_integers("widths", widths)
    if (backbone == "tiny") != bool(widths):
        raise ValueError(
            f"widths: expected for the backbone 'tiny' only, got {widths} for {backbone!r}"
        )


class TinyBackbone(nn.Module):
    """A backbone for lessons: strided 3x3 convolutions with BatchNorm, half a million weights.

    Each stage halves the map and then looks at it again: not at all on the finest map, where
    looking is dear, three times and twice on the next two, where most objects are, then once.
    The stages whose map is a level of the detector are tapped.

    Args:
        image_size: S.
        map_sizes: sides of the levels, fine to coarse.
        widths: channels of the stages; the first is the stem, at S / 2.

    Raises:
        ValueError: if a level has a side that no stage has.

    >>> tiny = TinyBackbone(128, (32, 16, 8, 4), (16, 32, 64, 96, 96))
    >>> [tuple(f.shape) for f in tiny(torch.zeros(1, 3, 128, 128))]
    [(1, 32, 32, 32), (1, 64, 16, 16), (1, 96, 8, 8), (1, 96, 4, 4)]
    """

    AGAIN = (0, 3, 2)  # further looks of the first stages; one in all later ones

    def __init__(self, image_size: int, map_sizes: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        sides, side, channels = [], image_size, 3
        for number, width in enumerate(widths):
            again = self.AGAIN[number] if number < len(self.AGAIN) else 1
            blocks = [ConvBlock(channels, width, 3, stride=2)]
            blocks += [ConvBlock(width, width, 3) for _ in range(again)]
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
