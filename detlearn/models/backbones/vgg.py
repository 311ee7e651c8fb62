"""VGG-16 and VGG-19 whose fully connected layers became convolutions (Liu et al. 2016, §3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence

import torch
import torchvision
from torch import Tensor, nn

from ..layers import init_xavier


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
