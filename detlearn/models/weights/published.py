"""The layouts of the published repositories, a table of rules each."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ..backbones import vgg16_reduced_from_torchvision
from ..m2det import (
    M2DET320_RESNET101,
    M2DET320_VGG16,
    M2DET512_RESNET50,
    M2DET512_RESNET101,
    M2DET512_VGG16,
    M2DET704_VGG16,
    M2DET800_VGG16,
    M2DetConfig,
)
from .layout import Pixels, Rule, Source

_IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # torchvision's, timm's, HRNet's


def prior_first(values: Tensor, numbers: int) -> Tensor:
    """Reorder a head from coordinate (or class) first, prior second, to prior first.

    uvipen/SSD-pytorch reads channel ``c * A + a`` as number c of prior a, we ``a * K + c``.

    Args:
        values: ``(K*A, ...)``, weight or bias of a convolution.
        numbers: K, four coordinates or the classes.

    Returns:
        ``(A*K, ...)``.

    >>> import torch
    >>> prior_first(torch.arange(8), 4)  # x of both priors, y of both priors, w, h
    tensor([0, 2, 4, 6, 1, 3, 5, 7])
    """
    split = values.unflatten(0, (numbers, -1))  # (K, A, ...)
    return split.transpose(0, 1).flatten(0, 1)


def _box_head(values: Tensor, model: Any) -> Tensor:
    return prior_first(values, 4)


def _class_head(values: Tensor, model: Any) -> Tensor:
    return prior_first(values, model.config.num_classes)


_UVIPEN_RESNET50 = Source(
    (
        # Upstream keeps the ResNet's children in a Sequential, which numbers them.
        *(
            Rule(rf"backbone\.{ours}\.(.+)", rf"feature_extractor.feature_extractor.{number}.\1")
            for number, ours in (
                (0, "conv1"),
                (1, "bn1"),  # 2 and 3 are ReLU and pooling
                (4, "layer1"),
                (5, "layer2"),
                (6, "layer3"),
            )
        ),
        Rule(r"extras\.(\d+)\.narrow\.conv\.(.+)", r"additional_blocks.\1.0.\2"),
        Rule(r"extras\.(\d+)\.narrow\.bn\.(.+)", r"additional_blocks.\1.1.\2"),
        Rule(r"extras\.(\d+)\.shrink\.conv\.(.+)", r"additional_blocks.\1.3.\2"),
        Rule(r"extras\.(\d+)\.shrink\.bn\.(.+)", r"additional_blocks.\1.4.\2"),
        Rule(r"head\.deltas\.(\d+)\.(.+)", r"loc.\1.\2", _box_head),
        Rule(r"head\.logits\.(\d+)\.(.+)", r"conf.\1.\2", _class_head),
    )
)


_UVIPEN_SSDLITE = Source(
    (
        Rule(r"backbone\.features\.(.+)", r"feature_extractor.feature_extractor.\1"),
        Rule(r"extras\.(.+)", r"additional_blocks.\1"),
        *(
            Rule(rf"head\.{ours}\.(\d+)\.{layer}\.(.+)", rf"{theirs}.\1.{number}.\2", convert)
            for ours, theirs, reorder in (
                ("deltas", "loc", _box_head),
                ("logits", "conf", _class_head),
            )
            for number, layer, convert in (
                (0, "depthwise", None),
                (1, "bn", None),
                (3, "pointwise", reorder),
            )
        ),
    ),
    # A seventh head for six maps: built, saved, never called.
    dead=(r"(loc|conf)\.6\.(weight|bias)",),
)


def _vgg_rules() -> tuple[Rule, ...]:
    """torchvision numbers the layers of its Sequentials; Caffe's names say which they are."""
    rules, number = [], 0
    for block, convolutions in enumerate((2, 2, 3, 3), start=1):
        for conv in range(1, convolutions + 1):
            theirs = rf"backbone.features.{number}.\1"
            rules.append(Rule(rf"backbone\.layers\.conv{block}_{conv}\.(.+)", theirs))
            number += 2  # the convolution and its ReLU
        number += 1  # the pooling
    for conv in (1, 2, 3):  # block 5 follows pool4, as number 0, and shares its Sequential
        theirs = rf"backbone.extra.0.{2 * conv - 1}.\1"
        rules.append(Rule(rf"backbone\.layers\.conv5_{conv}\.(.+)", theirs))
    rules.append(Rule(r"backbone\.layers\.fc6\.(.+)", r"backbone.extra.0.7.1.\1"))
    rules.append(Rule(r"backbone\.layers\.fc7\.(.+)", r"backbone.extra.0.7.3.\1"))
    return tuple(rules)


_TORCHVISION_SSD300 = Source(
    (
        *_vgg_rules(),
        Rule(r"l2norm\.scale", "backbone.scale_weight"),
        # Its extra.0 is the end of the VGG; the extra layers proper start at 1.
        *(
            Rule(rf"extras\.{level}\.{layer}\.conv\.(.+)", rf"backbone.extra.{level + 1}.{n}.\1")
            for level in range(4)
            for n, layer in ((0, "narrow"), (2, "shrink"))
        ),
        Rule(r"head\.logits\.(.+)", r"head.classification_head.module_list.\1"),
        Rule(r"head\.deltas\.(.+)", r"head.regression_head.module_list.\1"),
    )
)


def _reducedfc_rules() -> tuple[Rule, ...]:
    """vgg16_reducedfc.pth is one Sequential, whose ReLUs and poolings count too."""
    rules, number = [], 0
    for block, convolutions in enumerate((2, 2, 3, 3, 3), start=1):
        for conv in range(1, convolutions + 1):
            rules.append(Rule(rf"layers\.conv{block}_{conv}\.(.+)", rf"{number}.\1"))
            number += 2  # the convolution and its ReLU
        number += 1  # the pooling
    rules.append(Rule(r"layers\.fc6\.(.+)", rf"{number}.\1"))
    rules.append(Rule(r"layers\.fc7\.(.+)", rf"{number + 2}.\1"))
    return tuple(rules)


def _classifier_rules() -> tuple[Rule, ...]:
    """torchvision's classifying VGG-16 counts its convolutions in the same way."""
    *convolutions, fc6, fc7 = _reducedfc_rules()
    return (
        *(Rule(rule.ours, f"features.{rule.theirs}") for rule in convolutions),
        Rule(fc6.ours, r"classifier.0.\1"),
        Rule(fc7.ours, r"classifier.3.\1"),
    )


# torchvision's, and timm's SE networks.  A stage that our detector has is no dead key.
_RESNET_DEAD = (r"(layer4|fc|last_linear)\..+",)


_LUUUYI_REFINEDET = Source(
    (
        # Its VGG is that Sequential, with another pool5 and another fc6.
        *(Rule(rf"backbone\.{rule.ours}", f"vgg.{rule.theirs}") for rule in _reducedfc_rules()),
        Rule(r"l2norms\.0\.scale", "conv4_3_L2Norm.weight"),
        Rule(r"l2norms\.1\.scale", "conv5_3_L2Norm.weight"),
        Rule(r"extras\.0\.narrow\.conv\.(.+)", r"extras.0.\1"),
        Rule(r"extras\.0\.shrink\.conv\.(.+)", r"extras.1.\1"),
        Rule(r"(arm|odm)\.deltas\.(.+)", r"\1_loc.\2"),
        Rule(r"(arm|odm)\.logits\.(.+)", r"\1_conf.\2"),
        # Three layers a level in one list: convolution, ReLU, convolution; ReLU, convolution, ReLU.
        *(
            Rule(rf"tcbs\.{level}\.{ours}\.(.+)", rf"{theirs}.\1")
            for level in range(4)
            for ours, theirs in (
                (r"translate\.0", f"tcb0.{3 * level}"),
                (r"translate\.2", f"tcb0.{3 * level + 2}"),
                ("upsample", f"tcb1.{level}"),
                ("smooth", f"tcb2.{3 * level + 1}"),
            )
            if (ours, level) != ("upsample", 3)  # the coarsest has nothing to double
        ),
    )
)


def _m2det(config: M2DetConfig) -> Source:
    """VDIGPKU/M2Det numbers TUMs from 1, and inside one from coarse to fine; we do neither."""
    if config.tum != "released":
        raise ValueError("source: VDIGPKU/M2Det has weights for tum='released' only")
    last = config.num_scales - 2
    rules = [
        rule
        for level in range(config.num_levels)
        for ours, theirs in ((rf"mlfpn\.tums\.{level}\.", f"unet{level + 1}."),)
        for rule in (
            Rule(rf"{ours}encoder\.layers\.(.+)", rf"{theirs}layers.\1"),
            Rule(rf"{ours}decoder\.top\.(.+)", rf"{theirs}toplayer.0.\1"),
            *(
                Rule(rf"{ours}{name}\.{scale}\.(.+)", rf"{theirs}{there}.{last - scale}.\1")
                for name, there in (
                    (r"decoder\.lateral", "latlayer"),
                    (r"smoothing\.layers", "smooth"),
                )
                for scale in range(last + 1)
                if config.smooth or there != "smooth"
            ),
        )
    ]
    rules.append(Rule(r"mlfpn\.ffm1\.(.+)", r"\1"))
    rules.append(Rule(r"norm\.(.+)", r"Norm.\1"))
    rules.append(Rule(r"head\.deltas\.(.+)", r"loc.\1"))
    rules.append(Rule(r"head\.logits\.(.+)", r"conf.\1"))

    def repeated(ours: str, theirs: str, copies: int) -> tuple[Rule, ...]:
        # One layer under many keys upstream; the last key counts.  Or each its own.
        keys = [theirs.format(number) for number in range(copies)]
        if config.shared_weights:
            return (Rule(ours.format(0), tuple(keys)),)
        return tuple(Rule(ours.format(number), key) for number, key in enumerate(keys))

    rules += repeated(r"mlfpn\.ffm2\.{}\.leach\.(.+)", r"leach.{}.\1", config.num_levels)
    for fc in ("fc1", "fc2") if config.sfam else ():
        ours, theirs = rf"mlfpn\.sfam\.{fc}\.{{}}\.(.+)", rf"sfam_module.{fc}.{{}}.\1"
        rules += repeated(ours, theirs, config.num_scales)
    if config.backbone == "vgg16":
        vgg = _reducedfc_rules()
        rules += [Rule(rf"backbone\.{rule.ours}", f"base.{rule.theirs}") for rule in vgg]
    else:
        rules.append(Rule(r"backbone\.layers\.(.+)", r"base.\1"))
    # The classifier of a ResNet: built, saved, never called.
    return Source(tuple(rules), dead=(r"base\.(fc|last_linear)\..+",), adapt=_m2det)


def _hrnet_rules(prefix: str = "", ours: str = "") -> tuple[Rule, ...]:
    """HRNet's trunk, whose published layout all repositories share.

    Args:
        prefix: what their keys begin with.
        ours: what our keys begin with.
    """

    def conv_norm(our: str, conv: str, norm: str) -> tuple[Rule, Rule]:
        return (
            Rule(rf"{ours}{our}\.conv\.(?P<leaf>.+)", rf"{prefix}{conv}.\g<leaf>"),
            Rule(rf"{ours}{our}\.bn\.(?P<leaf>.+)", rf"{prefix}{norm}.\g<leaf>"),
        )

    rules = [*conv_norm(r"stem\.0", "conv1", "bn1"), *conv_norm(r"stem\.1", "conv2", "bn2")]
    for layer, number in (("narrow", 1), ("filter", 2), ("widen", 3)):
        block = rf"stage1\.(\d+)\.{layer}"
        rules += conv_norm(block, rf"layer1.\1.conv{number}", rf"layer1.\1.bn{number}")
    shortcut = r"layer1.\1.downsample"
    rules += conv_norm(r"stage1\.(\d+)\.shortcut", rf"{shortcut}.0", rf"{shortcut}.1")
    for t in range(3):  # our transitions.0 leads to stage 2, their transition1
        theirs = rf"transition{t + 1}"
        if t == 0:  # only stage 1 has another width than the branch that goes on
            keep = rf"transitions\.{t}\.keep\.(\d+)"
            rules += conv_norm(keep, rf"{theirs}.\1.0", rf"{theirs}.\1.1")
        new = f"{theirs}.{t + 1}.0"  # a chain, of one convolution
        rules += conv_norm(rf"transitions\.{t}\.open", f"{new}.0", f"{new}.1")
        module, stage = rf"stages\.{t}\.(\d+)", rf"stage{t + 2}.\1"
        for layer, number in (("first", 1), ("second", 2)):
            block = rf"{stage}.branches.\2.\3"
            rules += conv_norm(
                rf"{module}\.branches\.(\d+)\.(\d+)\.{layer}",
                f"{block}.conv{number}", f"{block}.bn{number}",
            )  # fmt: skip
        cell, theirs = rf"{module}\.fuse\.(\d+)\.(\d+)", rf"{stage}.fuse_layers.\2.\3"
        rules += conv_norm(cell, f"{theirs}.0", f"{theirs}.1")  # up
        rules += conv_norm(rf"{cell}\.(\d+)", rf"{theirs}.\4.0", rf"{theirs}.\4.1")  # down
    return tuple(rules)


_CLASSIFIER = (
    r"(incre_modules|downsamp_modules|final_layer|classifier)\..+",
    # The last module's coarser maps; a pose network asks for the finest alone.
    r"stage4\.\d+\.fuse_layers\.[1-3]\..+",
)


_HRNET_POSE = Source((*_hrnet_rules(ours=r"trunk\."), Rule(r"head\.(.+)", r"final_layer.\1")))


_HRNET_DETECTION = Source(
    (
        *_hrnet_rules("backbone.", ours=r"trunk\."),
        Rule(r"neck\.mix\.(.+)", r"neck.reduction_conv.0.\1"),
        Rule(r"neck\.levels\.(.+)", r"neck.fpn_conv.\1"),
    ),
    # What its detectors put on the pyramid.
    dead=(r"\w+_head\..+",),
)


SOURCES: dict[str, dict[str, Source]] = {
    "uvipen/SSD-pytorch": {
        "ssd300_resnet50": _UVIPEN_RESNET50,
        "ssdlite300_mobilenet_v2": _UVIPEN_SSDLITE,
    },
    "luuuyi/RefineDet.PyTorch": {
        "refinedet320_vgg16": _LUUUYI_REFINEDET,
        "refinedet512_vgg16": _LUUUYI_REFINEDET,
    },
    "VDIGPKU/M2Det": {
        config.name: _m2det(config)
        for config in (
            M2DET320_VGG16,
            M2DET512_VGG16,
            M2DET704_VGG16,
            M2DET800_VGG16,
            M2DET320_RESNET101,
            M2DET512_RESNET101,
            M2DET512_RESNET50,
        )
    },
    "torchvision": {
        "ssd300_vgg16": _TORCHVISION_SSD300,
        # Its classifiers, for the backbones alone.
        "VGG16": Source(
            _classifier_rules(),
            (r"classifier\.6\..+",),
            reduce=vgg16_reduced_from_torchvision,
            pixels=_IMAGENET,
        ),
        "ResNet50": Source((Rule(r"(.+)", r"\1"),), _RESNET_DEAD, pixels=_IMAGENET),
        "ResNetFamily": Source((Rule(r"layers\.(.+)", r"\1"),), _RESNET_DEAD, pixels=_IMAGENET),
        "MobileNetV2": Source((Rule(r"(.+)", r"\1"),), (r"classifier\..+",), pixels=_IMAGENET),
    },
    # vgg16_reducedfc.pth, which most PyTorch detectors on VGG-16 start from: a backbone alone.
    # It was converted from Caffe's, which saw BGR; ssd.pytorch trains on with RGB, M2Det with BGR.
    "amdegroot/ssd.pytorch": {
        "VGG16": Source(
            _reducedfc_rules(),
            pixels=Pixels((0.48235, 0.45882, 0.40784), (1 / 255, 1 / 255, 1 / 255), order=None),
        )
    },
    # "HRNet" is the trunk alone, for trunk_only=True and load_backbone.
    "leoxiaobin/deep-high-resolution-net.pytorch": {
        "pose_hrnet_w32": _HRNET_POSE,
        "pose_hrnet_w48": _HRNET_POSE,
        "HRNet": Source(_hrnet_rules(), _CLASSIFIER, pixels=_IMAGENET),
    },
    "HRNet/HRNet-Object-Detection": {
        "hrnetv2p_w18": _HRNET_DETECTION,
        "hrnetv2p_w32": _HRNET_DETECTION,
        "hrnetv2p_w40": _HRNET_DETECTION,
        "HRNet": Source(_hrnet_rules("backbone."), (r"(neck|\w+_head)\..+",), pixels=_IMAGENET),
    },
    "timm": {"HRNet": Source(_hrnet_rules(), _CLASSIFIER, pixels=_IMAGENET)},
}
"""Source, then name of our model, or class of our backbone."""
