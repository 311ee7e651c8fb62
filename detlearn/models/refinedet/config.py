"""The numbers of a RefineDet, and its presets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ...boxes import REFINEDET320_PRIORS, REFINEDET512_PRIORS
from ..backbones import VGG16, TinyBackbone, check_widths
from ..checks import check_choice, check_flag, check_integer, check_number
from ..detector import DetectorConfig
from ..ssd import SSD_TINY, ExtraLayer, tiny_backbone


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineDetConfig(DetectorConfig):
    """Everything that makes one RefineDet differ from another; see also `DetectorConfig`.

    Attributes:
        backbone: ``"vgg16"`` or ``"tiny"``.
        widths: channels of the stages of the ``"tiny"`` backbone, else empty.
        extras: one `ExtraLayer` for each level that the backbone does not give.
        l2norm_scales: initial scales of the `L2Norm` on the finest maps; the paper has 10 on
            conv4_3 and 8 on conv5_3.
        tcb_channels: channels of the TCB's maps; None for no TCB, then the ODM looks at the
            maps of the ARM.
        tcb_batch_norm: whether the TCB's convolutions are followed by BatchNorm; the paper's are
            not, and start from a backbone that was trained before.
        two_step: whether the ODM starts from the anchors of the ARM, or else from the priors.
        negative_filter: what becomes of the priors that the ARM is sure are background.
            ``"paper"``: the ODM neither learns from them nor detects with them.  ``"released"``:
            luuuyi/RefineDet.PyTorch, which still mines them when it learns.  ``"off"``.
        objectness_threshold: "sure" is an objectness of at most this; 1 minus the paper's
            threshold of 0.99.
        match_threshold: IoU from which on a prior, or an anchor, answers for an object.
        negative_ratio: hard negatives for each positive.
        encode_eps: see `detlearn.boxes.encode`.

    >>> import dataclasses
    >>> dataclasses.replace(REFINEDET_TINY, negative_filter="none")
    Traceback (most recent call last):
        ...
    ValueError: negative_filter: expected one of 'paper', 'released', 'off', got 'none'
    """

    backbone: Literal["vgg16", "tiny"]
    widths: tuple[int, ...] = ()
    extras: tuple[ExtraLayer, ...] = ()
    l2norm_scales: tuple[float, ...] = ()
    tcb_channels: int | None = 256
    tcb_batch_norm: bool = False
    two_step: bool = True
    negative_filter: Literal["paper", "released", "off"] = "paper"
    objectness_threshold: float = 0.01
    match_threshold: float = 0.5
    negative_ratio: float = 3.0
    encode_eps: float = 0.0

    def __post_init__(self) -> None:
        DetectorConfig.__post_init__(self)
        check_choice("backbone", self.backbone, tuple(BACKBONES))
        check_flag("tcb_batch_norm", self.tcb_batch_norm)
        check_flag("two_step", self.two_step)
        check_choice("negative_filter", self.negative_filter, ("paper", "released", "off"))
        check_number("objectness_threshold", self.objectness_threshold, 0, 1)
        check_number("match_threshold", self.match_threshold, 0, 1)
        check_number("negative_ratio", self.negative_ratio, 0)
        check_number("encode_eps", self.encode_eps, 0)
        sides = self.priors.map_sizes
        if self.tcb_channels is not None:
            check_integer("tcb_channels", self.tcb_channels)
            for level, (fine, coarse) in enumerate(zip(sides, sides[1:], strict=False)):
                if fine != 2 * coarse:
                    raise ValueError(
                        f"priors: a TCB doubles a map, expected level {level} to have "
                        f"{2 * coarse} x {2 * coarse} cells, got {fine} x {fine}"
                    )
        scales = self.l2norm_scales
        if (
            not isinstance(scales, tuple)
            or len(scales) > len(sides)
            or not all(isinstance(scale, int | float) and scale > 0 for scale in scales)
        ):
            raise ValueError(
                f"l2norm_scales: expected up to {len(sides)} positive numbers, got {scales!r}"
            )
        check_widths(self.widths, self.backbone)


BACKBONES: dict[str, Callable[[RefineDetConfig], VGG16 | TinyBackbone]] = {
    # The layers and their parameters are those of SSD's VGG; only the maps after conv5_3 are
    # half as large, because pool5 halves again and fc6 need not reach as far.
    "vgg16": lambda config: VGG16(
        pool5=(2, 2, 0), fc6_dilation=3, taps=("conv4_3", "conv5_3", "fc7")
    ),
    "tiny": lambda config: tiny_backbone(config),
}


REFINEDET320_VGG16 = RefineDetConfig(
    name="refinedet320_vgg16",
    image_size=320,
    num_classes=21,
    backbone="vgg16",
    priors=REFINEDET320_PRIORS,
    # The backbone's maps have 40, 20 and 10 cells, this one 5 (on 512 px 64, 32, 16 and 8).
    extras=(ExtraLayer(256, 512, 3, stride=2, padding=1),),
    l2norm_scales=(10.0, 8.0),
    negative_filter="released",
    encode_eps=1e-5,
    # 0-255 minus the mean, and no division, as SSD's VGG.
    image_mean=(0.48235, 0.45882, 0.40784),
    image_std=(1 / 255, 1 / 255, 1 / 255),
    antialias=False,
    max_candidates=1000,
    max_detections=500,
)
"""RefineDet320 as luuuyi/RefineDet.PyTorch has it: 6,375 priors, PASCAL VOC's classes.

``negative_filter="paper"`` mends what the released filter leaves half done.
"""


REFINEDET512_VGG16 = replace(
    REFINEDET320_VGG16, name="refinedet512_vgg16", image_size=512, priors=REFINEDET512_PRIORS
)
"""The same network on 512 px: 16,320 priors."""


REFINEDET_TINY = RefineDetConfig(
    name="refinedet_tiny",
    image_size=SSD_TINY.image_size,
    num_classes=SSD_TINY.num_classes,
    backbone="tiny",
    # All that both have in common is ssd_tiny's: what differs between them is the idea.
    priors=SSD_TINY.priors,
    widths=SSD_TINY.widths,
    image_mean=SSD_TINY.image_mean,
    image_std=SSD_TINY.image_std,
    match_threshold=SSD_TINY.match_threshold,
    max_detections=SSD_TINY.max_detections,
    tcb_channels=48,
    tcb_batch_norm=True,  # it starts from nothing, as its backbone does
)
"""`ssd_tiny` asked twice: its backbone and its priors, for the embedded data set."""
