"""Checkpoints of the published repositories, in their own key layout.

A source is a short list of `Rule`s: how *our* key is called *there*, and whether numbers
change places on the way.  Everything else is done once, below: unpacking, comparing, naming
everything that is wrong, and loading.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar, overload

import torch
from torch import Tensor, nn

from .backbones import vgg16_reduced_from_torchvision
from .m2det import (
    M2DET320_RESNET101,
    M2DET320_VGG16,
    M2DET512_RESNET50,
    M2DET512_RESNET101,
    M2DET512_VGG16,
    M2DET704_VGG16,
    M2DET800_VGG16,
    M2DetConfig,
)

__all__ = [
    "SOURCES", "Pixels", "Rule", "Source", "TrunkReport", "load_backbone", "load_reference_weights",
    "read_tensors",
]  # fmt: skip

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Rule:
    r"""How some of our keys are called in a source.

    Attributes:
        ours: regular expression that one of our keys must match as a whole.
        theirs: their key; ``\1`` is the first group of ``ours``.  Several of them for one
            tensor that upstream keeps under several keys: all must be there, the last one
            counts, as it does in upstream's own loading.
        convert: reorders numbers inside the tensor; never changes its shape.
    """

    ours: str
    theirs: str | tuple[str, ...]
    convert: Callable[[Tensor, Any], Tensor] | None = None


class Pixels(NamedTuple):
    """What a network was trained to see.

    Attributes:
        mean: subtracted from pixels in [0, 1]; red, green, blue.
        std: divides them after that.
        order: of the channels; None where nobody says.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    order: Literal["rgb", "bgr"] | None = "rgb"

    def __str__(self) -> str:
        numbers = (", ".join(f"{value:.4g}" for value in values) for values in self[:2])
        return "mean ({}), std ({}), ".format(*numbers) + (self.order or "rgb or bgr").upper()


_IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # torchvision's, timm's, HRNet's


@dataclass(frozen=True, slots=True)
class Source:
    """A published layout of one of our models.

    Attributes:
        rules: each of our keys is translated by the first rule that matches it.
        dead: regular expressions of keys that the source holds but never uses; dropped.
        adapt: makes the source for a model's own config, where the keys depend on it; ``rules``
            are those of the preset.
        reduce: makes weights of our layout where one tensor of theirs becomes a smaller one;
            ``rules`` then only say by which keys the layout is recognised.
        pixels: of a backbone that was trained alone, see `load_backbone`.
    """

    rules: tuple[Rule, ...]
    dead: tuple[str, ...] = ()
    adapt: Callable[[Any], Source] | None = None
    reduce: Callable[[Mapping[str, Any]], dict[str, Tensor]] | None = None
    pixels: Pixels | None = None


def prior_first(values: Tensor, numbers: int) -> Tensor:
    """Reorder a head from coordinate (or class) first, prior second, to prior first.

    uvipen/SSD-pytorch reads channel ``c * A + a`` as number c of prior a, we ``a * K + c``.

    Args:
        values: ``(K*A, ...)``, weight or bias of a convolution.
        numbers: K, four coordinates or the classes.

    Returns:
        ``(A*K, ...)``.

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


class TrunkReport(NamedTuple):
    """What became of a trunk's weights, see `load_reference_weights` and `load_backbone`.

    Attributes:
        loaded: our keys that the checkpoint filled.
        untouched: our other keys, which stay as they were.
        unused: keys of the checkpoint that the trunk has no place for.
        notes: what else there is to say, a sentence each.
    """

    loaded: tuple[str, ...]
    untouched: tuple[str, ...]
    unused: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return (
            f"{len(self.loaded)} tensors loaded\n"
            f"{len(self.untouched)} not in the checkpoint, left as they were: "
            f"{_families(self.untouched)}\n"
            f"{len(self.unused)} of the checkpoint not used: {_families(self.unused)}"
            + "".join(f"\n{note}" for note in self.notes)
        )


def _families(keys: tuple[str, ...]) -> str:
    """The first two names of every key, each once."""
    return ", ".join(dict.fromkeys(".".join(key.split(".")[:2]) for key in keys)) or "none"


@overload
def load_reference_weights(
    model: Network,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str,
    *,
    trunk_only: Literal[False] = False,
) -> Network: ...


@overload
def load_reference_weights(
    model: Network,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str,
    *,
    trunk_only: Literal[True],
) -> TrunkReport: ...


def load_reference_weights(
    model: Network,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str,
    *,
    trunk_only: bool = False,
) -> Network | TrunkReport:
    """Fill a model, or its VGG-16 alone, with the weights of a published implementation.

    torchvision's own weights, where there is a network::

        from torchvision.models.detection import SSD300_VGG16_Weights as W
        load_reference_weights(model, W.COCO_V1.get_state_dict(), source="torchvision")

    The file from which most PyTorch detectors on VGG-16 start their training (`load_backbone`
    does the same, and minds the pixels)::

        load_reference_weights(model.backbone, "vgg16_reducedfc.pth", "amdegroot/ssd.pytorch")

    Args:
        model: what `create_model` made, with the class count of the checkpoint; or a `VGG16`.
        state_dict_or_path: the checkpoint's dict, or a file: ``.safetensors``, or what
            ``torch.save`` wrote, as long as it holds nothing but tensors and plain data.  A
            state dict inside ``"model"``, ``"state_dict"`` or ``"model_state_dict"`` and the
            prefix ``"module."`` of a parallel model are unpacked.
        source: the repository that published it, one of `SOURCES`.
        trunk_only: fill the HRNet inside the model and nothing else, from a checkpoint that may
            hold more: a trunk trained on ImageNet begins a pose network that way.

    Returns:
        The same model; with ``trunk_only`` a `TrunkReport`, whose text says what was loaded,
        what was not there, and what was not used.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if the source does not fit the model, the file cannot be read, or keys do
            not match: all that are missing, unexpected or of another shape at once.  The
            model is then unchanged.
    """
    trunk = _trunk_of(model) if trunk_only else None
    layout = _find_source(model, source, trunk_only)
    theirs, name = _open(state_dict_or_path)
    if trunk is not None:
        return _load_trunk(model, *trunk, theirs, name, layout)
    load_strictly(model, theirs, name, layout)
    return model


def _load_trunk(
    model: nn.Module, trunk: nn.Module, place: str, tensors: Mapping[str, Any], name: str,
    layout: Source,
) -> TrunkReport:  # fmt: skip
    """Fill the trunk at a place of the model; all of it, or nothing."""
    own = trunk.state_dict()
    wanted = [one for key in own for one in _translate(key, layout)[0]]
    load_strictly(trunk, {key: tensors[key] for key in wanted if key in tensors}, name, layout)
    loaded = tuple(place + key for key in own)
    return TrunkReport(
        loaded=loaded,
        untouched=tuple(key for key in model.state_dict() if key not in set(loaded)),
        unused=tuple(key for key in tensors if key not in set(wanted)),
    )


def load_backbone(
    model: nn.Module,
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
    source: str | None = None,
) -> TrunkReport:
    """Fill a model's backbone, and nothing else, with weights learned on ImageNet.

    Every published recipe starts so.  The files, which nothing here downloads:

    * VGG-16 (SSD, RefineDet, M2Det): ``vgg16_reducedfc.pth``, or torchvision's
      ``vgg16-397923af.pth``, whose fc6 and fc7 are thinned out by
      `detlearn.models.vgg16_reduced_from_torchvision`.
    * ResNet (SSD, M2Det) and MobileNetV2 (SSDLite): torchvision's.
    * HRNet (pose networks, pyramids, SSD): the trunks of
      leoxiaobin/deep-high-resolution-net.pytorch and timm, or that of a detector of
      HRNet/HRNet-Object-Detection.

    A classifier's last layers are left out.  Where the file learned from other pixels than
    ``model.normalize`` gives, the first layer is refitted: on the same picture it then says what
    it said there, except at the border, where the padding stands for each one's own mean colour.

    Args:
        model: what `create_model` made, with any number of classes.
        state_dict_or_path: as in `load_reference_weights`.
        source: the layout, one of `SOURCES`; None recognises it from the keys.

    Returns:
        a report, whose text says what was loaded, what was left as it was, what of the file was
        not used, and whether the first layer was refitted.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if no backbone is published for the model, the file cannot be read, is of no
            known layout, holds NaN, or its keys do not match: all that are missing, unexpected
            or of another shape at once.  The model is then unchanged.

    **Deviation:** VDIGPKU/M2Det feeds torchvision's ResNets pixels that they have never seen (BGR,
    0 to 255).  Whether ``vgg16_reducedfc.pth`` wants RGB or BGR is not known: both are in use, and
    the model's own order is kept.

    >>> import torchvision
    >>> from detlearn import create_model
    >>> model = create_model("ssdlite300_mobilenet_v2", num_classes=5)
    >>> classifier = torchvision.models.mobilenet_v2(weights=None).state_dict()
    >>> print(load_backbone(model, classifier))  # doctest: +ELLIPSIS
    312 tensors loaded
    180 not in the checkpoint, left as they were: extras.0, ..., head.logits, head.deltas
    2 of the checkpoint not used: classifier.1
    layout: torchvision
    """
    part, place = _backbone_of(model)
    layouts = _layouts_of(part)
    if source is not None and source not in layouts:
        raise ValueError(
            f"source: for {type(part).__name__}, the backbone of {_name_of(model)}, expected one "
            f"of {', '.join(layouts)}, got {source!r}"
        )
    theirs, name = _open(state_dict_or_path)
    sources = (source,) if source is not None else _recognise(part, layouts, theirs, name)
    layout = layouts[sources[0]]
    own = part.state_dict()
    wanted = {one for key in own for one in _translate(key, layout)[0]}
    for key in wanted - theirs.keys():
        if key.endswith(".num_batches_tracked"):  # not yet counted when some of the files were made
            theirs[key] = torch.tensor(0)
    bad = [
        key
        for key, value in theirs.items()
        if isinstance(value, Tensor)
        and key in wanted
        and not value.cpu().sum(dtype=torch.float64).isfinite()
    ]
    if bad:
        raise ValueError(f"{name}: not all numbers are finite in {', '.join(bad)}")
    load_strictly(part, theirs, name, layout)
    notes = ["layout: " + " or ".join(sources)]
    if layout.pixels is not None and (refitted := _refit_first_layer(model, part, layout.pixels)):
        notes.append(refitted)
    return TrunkReport(
        loaded=tuple(place + key for key in own),
        untouched=tuple(key for key in model.state_dict() if not key.startswith(place)),
        unused=tuple(key for key in theirs if key not in wanted),
        notes=tuple(notes),
    )


def _layouts_of(part: nn.Module) -> dict[str, Source]:
    """Sources that have weights for a backbone."""
    kind = type(part).__name__
    return {source: models[kind] for source, models in SOURCES.items() if kind in models}


def _backbone_of(model: nn.Module) -> tuple[nn.Module, str]:
    """The part of a model that has published weights, and the beginning of its keys."""
    name = _name_of(model)
    if name.endswith("_tiny"):
        raise ValueError(
            f"{name}: there is no published backbone for it; the tiny models are ours and learn "
            "from nothing"
        )
    for place in ("trunk", "backbone.trunk", "backbone"):
        with contextlib.suppress(AttributeError):
            part = model.get_submodule(place)
            if _layouts_of(part):
                return part, f"{place}."
    kind = type(getattr(model, "backbone", model)).__name__
    raise ValueError(f"{name}: no published weights are known for its backbone, {kind}")


def _recognise(
    part: nn.Module, layouts: Mapping[str, Source], tensors: Mapping[str, Any], name: str
) -> tuple[str, ...]:
    """The sources whose layout the keys come nearest to; several where it is the same."""
    found = {
        source: sum(
            one in tensors for key in part.state_dict() for one in _translate(key, layout)[0]
        )
        for source, layout in layouts.items()
    }
    most = max(found.values())
    if most == 0:
        raise ValueError(
            f"{name}: expected weights of {type(part).__name__} in the layout of "
            f"{' or '.join(layouts)}, got the keys {', '.join(map(str, list(tensors)[:3]))}, ..."
        )
    return tuple(source for source, number in found.items() if number == most)


def _refit_first_layer(model: Any, part: nn.Module, theirs: Pixels) -> str | None:
    """Make a backbone that was trained on other pixels understand those of the model.

    With u our input and ``gain * u + shift`` theirs, a convolution's answer to theirs is that of
    the weights ``w * gain`` to ours, and a constant.  A bias takes the constant.  So does the
    running mean of a BatchNorm; and there the weights keep their size, and thereby their pace of
    learning, since the running statistics can be scaled instead.

    Returns:
        what was done; None for nothing.
    """
    if not hasattr(model, "image_mean"):  # a pyramid alone is given normalised images
        return None
    config = model.config
    ours = Pixels(config.image_mean, config.image_std, getattr(config, "channel_order", "rgb"))
    their_std = torch.tensor(theirs.std, dtype=torch.float64)
    gain = torch.tensor(ours.std) / their_std  # (3,)
    shift = (torch.tensor(ours.mean) - torch.tensor(theirs.mean)) / their_std  # (3,)
    swapped = theirs.order not in (None, ours.order)
    if not swapped and max((gain - 1).abs().max(), shift.abs().max()) < 1e-3:
        return None
    conv: Any
    norm: Any
    conv, norm = [m for m in part.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)][:2]
    if ours.order == "bgr":
        gain, shift = gain.flip(0), shift.flip(0)
    with torch.no_grad():
        weight = conv.weight.cpu().double()  # (C, 3, H, W)
        if swapped:
            weight = weight.flip(1)  # (C, 3, H, W)
        constant = (weight * shift[:, None, None]).sum((1, 2, 3))  # (C,)
        weight = weight * gain[:, None, None]  # (C, 3, H, W)
        if conv.bias is not None:
            conv.bias.copy_(conv.bias.cpu() + constant)
        else:
            scale = 1 / gain.mean()
            weight = weight * scale  # (C, 3, H, W)
            mean, variance = norm.running_mean.cpu(), norm.running_var.cpu()  # (C,)
            norm.running_mean.copy_(scale * (mean - constant))
            norm.running_var.copy_(scale**2 * (variance + norm.eps) - norm.eps)
        conv.weight.copy_(weight)
    return f"first layer refitted from pixels of {theirs} to {ours}"


def _trunk_of(model: nn.Module) -> tuple[nn.Module, str]:
    """The HRNet inside a model, and the beginning of its keys."""
    for place in ("", "trunk", "backbone.trunk"):
        with contextlib.suppress(AttributeError):
            part = model.get_submodule(place)
            if type(part).__name__ == "HRNet":
                return part, f"{place}." if place else ""
    raise ValueError(f"trunk_only: expected a model with HRNet in it, got {_name_of(model)}")


def load_strictly(
    model: nn.Module, tensors: Mapping[str, Any], name: str, layout: Source | None = None
) -> None:
    """Load tensors if they are exactly the model's, or say everything that is wrong at once.

    Args:
        model: changed only if nothing is wrong.
        tensors: by key of the layout.
        name: what the message calls them.
        layout: None for our own keys.

    Raises:
        ValueError: with one line for each kind of difference.
    """
    model.load_state_dict(compare_strictly(model, tensors, name, layout), strict=True)


def compare_strictly(
    model: nn.Module, tensors: Mapping[str, Any], name: str, layout: Source | None = None
) -> dict[str, Tensor]:
    """The state dict that `load_strictly` loads; the model may be without memory, on ``meta``."""
    if layout is not None and layout.reduce is not None:
        try:
            tensors, layout = layout.reduce(tensors), None
        except ValueError as error:
            raise ValueError(str(error).replace("state dict", name, 1)) from None
    own = model.state_dict()
    loaded: dict[str, Tensor] = {}
    expected: set[str] = set()
    wrong: list[str] = []
    for key, tensor in own.items():
        names, convert = _translate(key, layout)
        expected.update(names)
        if any(one not in tensors for one in names):
            continue
        for one in names:
            value = tensors[one]
            if not isinstance(value, Tensor):
                wrong.append(f"{one} is no tensor but {type(value).__name__}")
            elif value.shape != tensor.shape:
                wrong.append(f"{one} is {tuple(value.shape)}, expected {tuple(tensor.shape)}")
            elif value.is_floating_point() != tensor.is_floating_point():
                wrong.append(f"{one} is {value.dtype}, expected {tensor.dtype}")
            else:
                loaded[key] = value if convert is None else convert(value, model)
    dead = layout.dead if layout is not None else ()
    missing = [key for key in sorted(expected) if key not in tensors]
    unexpected = [
        key
        for key in tensors
        if key not in expected and not any(re.fullmatch(pattern, str(key)) for pattern in dead)
    ]
    problems = [
        f"{len(found)} {kind}: {', '.join(map(str, found))}"
        for kind, found in (
            ("missing", missing),
            ("unexpected", unexpected),
            ("of wrong shape or type", wrong),
        )
        if found
    ]
    if problems:
        raise ValueError(
            f"{name}: the weights do not fit {_name_of(model)}\n  " + "\n  ".join(problems)
        )
    return loaded


def _translate(
    key: str, layout: Source | None
) -> tuple[tuple[str, ...], Callable[[Tensor, Any], Tensor] | None]:
    if layout is None:
        return (key,), None
    for rule in layout.rules:
        match = re.fullmatch(rule.ours, key)
        if match:
            templates = (rule.theirs,) if isinstance(rule.theirs, str) else rule.theirs
            return tuple(match.expand(template) for template in templates), rule.convert
    raise ValueError(f"{key}: no rule of the source covers this key of ours")


def _name_of(model: nn.Module) -> str:
    return str(getattr(getattr(model, "config", None), "name", type(model).__name__))


def _find_source(model: nn.Module, source: str, trunk_only: bool = False) -> Source:
    name = "HRNet" if trunk_only else _name_of(model)
    if not isinstance(source, str) or source not in SOURCES:
        raise ValueError(f"source: expected one of {', '.join(SOURCES)}, got {source!r}")
    if name not in SOURCES[source] and list(SOURCES[source]) == ["HRNet"]:
        raise ValueError(
            f"source: {source} has weights for HRNet's trunk alone, not for {name}; "
            "trunk_only=True loads those"
        )
    if name not in SOURCES[source]:
        backbone = getattr(model, "backbone", None)
        if backbone is not None and type(backbone).__name__ in SOURCES[source]:
            raise ValueError(
                f"source: {source} has weights for the backbone alone, not for {name}: "
                "load_backbone(model, ...)"
            )
        fitting = [known for known, models in SOURCES.items() if name in models]
        raise ValueError(
            f"source: {source} has weights for {', '.join(SOURCES[source])}, not for {name}; "
            f"for {name} there is {', '.join(fitting) or 'no source'}"
        )
    layout = SOURCES[source][name]
    return layout if layout.adapt is None else layout.adapt(model.config)


# ---------------------------------------------------------------------- files


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file.

    Args:
        path: the file.

    Returns:
        Tensors by key, and the file's metadata.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it is none of its kind, or damaged.
    """
    import safetensors
    import safetensors.torch

    _check_file(path)
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            return tensors, file.metadata() or {}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        with open(path, "rb") as file:
            is_zip = file.read(2) == b"PK"
        hint = "torch.save wrote it; the weights of a run are in its best.safetensors"
        hint = hint if is_zip else str(error)
        raise ValueError(f"{path}: no complete safetensors file ({hint})") from error


def _read_checkpoint(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    _check_file(path)
    try:
        # Tensors and plain containers only: a checkpoint must not be able to run code.
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file can make the unpickler fail in any way
        first = str(error).strip().splitlines()
        raise ValueError(
            f"{path}: cannot be read as a checkpoint of tensors; it is damaged, no file of "
            f"torch.save, or holds Python objects, which are never executed here "
            f"({type(error).__name__}: {first[0][:200] if first else 'no message'})"
        ) from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got a folder")


def _open(
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
) -> tuple[dict[str, Any], str]:
    """The state dict given, or that inside a file, and what messages call it."""
    if isinstance(state_dict_or_path, Mapping):
        return _unpack(state_dict_or_path, "state dict"), "state dict"
    if not isinstance(state_dict_or_path, str | os.PathLike):
        got = type(state_dict_or_path).__name__
        raise ValueError(f"state_dict_or_path: expected a state dict or a file, got {got}")
    path = Path(state_dict_or_path)
    return _unpack(_read_checkpoint(path), str(path)), str(path)


def _unpack(checkpoint: Any, name: str) -> dict[str, Any]:
    """The state dict inside a checkpoint, without the prefix of a parallel model."""
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"{name}: expected a state dict, got {type(checkpoint).__name__}")
    if checkpoint and all(str(key).startswith("module.") for key in checkpoint):
        return {str(key).removeprefix("module."): value for key, value in checkpoint.items()}
    return dict(checkpoint)
