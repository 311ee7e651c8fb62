"""The numbers of an SSD, its backbones, and its presets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ...boxes import (
    SSD300_COCO_PRIORS,
    SSD300_UVIPEN_PRIORS,
    SSD512_VOC_PRIORS,
    SSD_TINY_PRIORS,
    SSDLITE300_UVIPEN_PRIORS,
    PriorConfig,
)
from ..backbones import VGG16, MobileNetV2, ResNet50, TinyBackbone, check_widths
from ..checks import check_choice, check_flag, check_number
from ..detector import DetectorConfig
from ..hrnet import HRNETV2P_TINY, HRNETV2P_W18, HRNetV2p, HRNetV2pConfig


class ExtraLayer(NamedTuple):
    """The numbers of one extra feature layer: 1x1 to ``mid_channels``, then the map shrinks."""

    mid_channels: int
    out_channels: int
    kernel_size: int = 3
    stride: int = 1
    padding: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SSDConfig(DetectorConfig):
    """Everything that makes one SSD differ from another; see also `DetectorConfig`.

    Attributes:
        backbone: ``"vgg16"``, ``"resnet50"``, ``"mobilenet_v2"``, ``"hrnetv2p"`` or ``"tiny"``.
        widths: channels of the stages of the ``"tiny"`` backbone, else empty.
        hrnet: the numbers of the ``"hrnetv2p"`` backbone, else None.
        extras: one `ExtraLayer` for each level that the backbone does not give.
        extra_block: ``"conv"`` as in the paper, ``"conv_bn"`` with BatchNorm, or MobileNetV2's
            ``"inverted_residual"``.
        l2norm_scale: initial scale of the `L2Norm` on the finest map; None for no such layer.
        head: ``"conv"`` or ``"separable"`` (SSDLite).
        match_threshold: IoU from which on a prior answers for an object.
        match_inclusive: whether an IoU equal to the threshold is enough.
        negative_ratio: hard negatives for each positive.
        normalizer: the loss is divided by the positives of the ``"batch"`` (paper) or of each
            ``"image"`` (uvipen).

    >>> import dataclasses
    >>> dataclasses.replace(SSD_TINY, num_classes=1)
    Traceback (most recent call last):
        ...
    ValueError: num_classes: expected an integer, at least 2 (the background counts), got 1
    """

    backbone: Literal["vgg16", "resnet50", "mobilenet_v2", "hrnetv2p", "tiny"]
    widths: tuple[int, ...] = ()
    hrnet: HRNetV2pConfig | None = None
    extras: tuple[ExtraLayer, ...] = ()
    extra_block: Literal["conv", "conv_bn", "inverted_residual"] = "conv"
    l2norm_scale: float | None = None
    head: Literal["conv", "separable"] = "conv"
    match_threshold: float = 0.5
    match_inclusive: bool = True
    negative_ratio: float = 3.0
    normalizer: Literal["batch", "image"] = "batch"

    def __post_init__(self) -> None:
        DetectorConfig.__post_init__(self)
        check_choice("backbone", self.backbone, tuple(BACKBONES))
        check_choice("extra_block", self.extra_block, ("conv", "conv_bn", "inverted_residual"))
        check_choice("head", self.head, ("conv", "separable"))
        check_choice("normalizer", self.normalizer, ("batch", "image"))
        check_flag("match_inclusive", self.match_inclusive)
        check_number("match_threshold", self.match_threshold, 0, 1)
        check_number("negative_ratio", self.negative_ratio, 0)
        if self.l2norm_scale is not None:
            check_number("l2norm_scale", self.l2norm_scale, 0)
        check_widths(self.widths, self.backbone)
        wanted = HRNetV2pConfig if self.backbone == "hrnetv2p" else type(None)
        if not isinstance(self.hrnet, wanted):
            raise ValueError(
                f"hrnet: expected an HRNetV2pConfig for the backbone 'hrnetv2p' only, "
                f"got {type(self.hrnet).__name__} for {self.backbone!r}"
            )


Backbone = VGG16 | ResNet50 | MobileNetV2 | HRNetV2p | TinyBackbone

BACKBONES: dict[str, Callable[[SSDConfig], Backbone]] = {
    "vgg16": lambda config: VGG16(pool5=(3, 1, 1), fc6_dilation=6, taps=("conv4_3", "fc7")),
    "resnet50": lambda config: ResNet50(),
    "mobilenet_v2": lambda config: MobileNetV2(),
    "hrnetv2p": lambda config: HRNetV2p(config.hrnet or HRNETV2P_W18),
    "tiny": lambda config: tiny_backbone(config),
}


def tiny_backbone(config: Any) -> TinyBackbone:
    """The `TinyBackbone` of a config: its own levels are those that no extra layer makes."""
    own = config.priors.map_sizes[: config.priors.num_levels - len(config.extras)]
    return TinyBackbone(config.image_size, own, config.widths)


SSD300_VGG16 = SSDConfig(
    name="ssd300_vgg16",
    image_size=300,
    num_classes=91,
    backbone="vgg16",
    priors=SSD300_COCO_PRIORS,
    extras=(  # 38 and 19 are the backbone's
        ExtraLayer(256, 512, 3, stride=2, padding=1),  # 10
        ExtraLayer(128, 256, 3, stride=2, padding=1),  # 5
        ExtraLayer(128, 256, 3),  # 3
        ExtraLayer(128, 256, 3),  # 1
    ),
    l2norm_scale=20.0,
    # Caffe's: 0-255 minus the mean, and no division.
    image_mean=(0.48235, 0.45882, 0.40784),
    image_std=(1 / 255, 1 / 255, 1 / 255),
    antialias=False,
)
"""SSD300 as torchvision has it: 8,732 priors, COCO's 91 class ids."""

SSD512_VGG16 = SSDConfig(
    name="ssd512_vgg16",
    image_size=512,
    num_classes=21,
    backbone="vgg16",
    priors=SSD512_VOC_PRIORS,
    extras=(  # 64 and 32 are the backbone's
        ExtraLayer(256, 512, 3, stride=2, padding=1),  # 16
        ExtraLayer(128, 256, 3, stride=2, padding=1),  # 8
        ExtraLayer(128, 256, 3, stride=2, padding=1),  # 4
        ExtraLayer(128, 256, 3, stride=2, padding=1),  # 2
        ExtraLayer(128, 256, 4, padding=1),  # 1
    ),
    l2norm_scale=20.0,
    image_mean=(0.48235, 0.45882, 0.40784),
    image_std=(1 / 255, 1 / 255, 1 / 255),
    antialias=False,
)
"""SSD512 of the paper for PASCAL VOC: 24,564 priors."""

SSD300_RESNET50 = SSDConfig(
    name="ssd300_resnet50",
    image_size=300,
    num_classes=81,
    backbone="resnet50",
    priors=SSD300_UVIPEN_PRIORS,
    extras=(  # 38 is the backbone's
        ExtraLayer(256, 512, 3, stride=2, padding=1),  # 19
        ExtraLayer(256, 512, 3, stride=2, padding=1),  # 10
        ExtraLayer(128, 256, 3, stride=2, padding=1),  # 5
        ExtraLayer(128, 256, 3),  # 3
        ExtraLayer(128, 256, 3),  # 1
    ),
    extra_block="conv_bn",
    match_inclusive=False,
    normalizer="image",
    score_threshold=0.05,
    iou_threshold=0.5,
    max_candidates=200,
)
"""uvipen/SSD-pytorch's SSD, after NVIDIA's: 8,732 priors, COCO's 80 objects numbered 1 to 80."""

SSDLITE300_MOBILENET_V2 = SSDConfig(
    name="ssdlite300_mobilenet_v2",
    image_size=300,
    num_classes=81,
    backbone="mobilenet_v2",
    priors=SSDLITE300_UVIPEN_PRIORS,
    extras=(  # 19 and 10 are the backbone's
        ExtraLayer(256, 512, 3, stride=2, padding=1),  # 5
        ExtraLayer(128, 256, 3, stride=2, padding=1),  # 3
        ExtraLayer(128, 256, 3, stride=2, padding=1),  # 2
        ExtraLayer(64, 64, 3, stride=2, padding=1),  # 1
    ),
    extra_block="inverted_residual",
    head="separable",
    match_inclusive=False,
    normalizer="image",
    score_threshold=0.05,
    iou_threshold=0.5,
    max_candidates=200,
)
"""uvipen/SSD-pytorch's SSDLite: 3,000 priors, without upstream's seventh, unused head."""

SSD_TINY = SSDConfig(
    name="ssd_tiny",
    image_size=128,
    num_classes=9,
    backbone="tiny",
    priors=SSD_TINY_PRIORS,
    # One width a halving: 64, 32, 16, 8, 4.  Sides that the priors name become levels.
    widths=(16, 32, 64, 96, 96),
    image_mean=(0.5, 0.5, 0.5),
    image_std=(0.5, 0.5, 0.5),
    # The smallest objects are as small as the step between priors: ask for less overlap.
    match_threshold=0.4,
    max_detections=100,
)
"""Half a million parameters, trained on the embedded data set in a minute on two cores."""

HRNETV2P512_PRIORS = PriorConfig(
    image_size=512,
    map_sizes=(128, 64, 32, 16, 8),
    steps=(4, 8, 16, 32, 64),
    min_sizes=(20, 40, 80, 160, 320),
    max_sizes=(40, 80, 160, 320, 480),
    aspect_ratios=((), (2,), (2,), (2,), (2,)),
)
"""Five octaves on the five levels of HRNetV2p: 54,528 priors."""

SSD_HRNETV2P_W18 = SSDConfig(
    name="ssd_hrnetv2p_w18",
    image_size=512,
    num_classes=81,
    backbone="hrnetv2p",
    hrnet=HRNETV2P_W18,
    priors=HRNETV2P512_PRIORS,
)
"""SSD's heads on HRNet's pyramid; ours, the published HRNetV2p detectors have two steps."""

SSD_HRNET_TINY = SSDConfig(
    name="ssd_hrnet_tiny",
    image_size=128,
    num_classes=9,
    backbone="hrnetv2p",
    hrnet=HRNETV2P_TINY,
    priors=SSD_TINY_PRIORS,
    image_mean=(0.5, 0.5, 0.5),
    image_std=(0.5, 0.5, 0.5),
    match_threshold=SSD_TINY.match_threshold,
    max_detections=100,
)
"""`ssd_tiny` with HRNet in the place of its backbone: same priors, same size of network."""
