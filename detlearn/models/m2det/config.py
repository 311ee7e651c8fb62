"""The numbers of an M2Det, its presets, and priors for other sizes of input."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from ...boxes import (
    M2DET320_PRIORS,
    M2DET512_PRIORS,
    M2DET704_PRIORS,
    M2DET800_PRIORS,
    PriorConfig,
)
from ..backbones import check_widths, list_resnets
from ..checks import (
    check_choice,
    check_flag,
    check_integer,
    check_integers,
    check_number,
)
from ..detector import DetectorConfig
from .blocks import tum_sides


@dataclass(frozen=True, slots=True, kw_only=True)
class M2DetConfig(DetectorConfig):
    """Everything that makes one M2Det differ from another; see also `DetectorConfig`.

    Attributes:
        backbone: ``"vgg16"``, ``"vgg19"``, ``"tiny"``, or one of
            `detlearn.models.backbones.list_resnets`.
        taps: layers of the backbone whose maps FFMv1 fuses; empty for its usual ones (conv4_3
            and fc7; layer2 and layer4).
        widths: channels of the stages of the ``"tiny"`` backbone, else empty.
        base_channels: what `FFMv1` leaves of the shallow and of the deep map.
        planes: C inside a TUM.
        num_levels: L, how many TUMs.  (``priors.num_levels`` counts maps, which are scales here.)
        num_scales: how many maps each TUM makes.
        tum: ``"released"`` or ``"paper"``, see `TUM`.
        smooth: whether a TUM ends with 1x1 convolutions.
        sfam: True as in the paper; False in every configuration that was released.
        shared_weights: True as released, see `MLFPN`; False as the paper means it.
        compress_ratio: see `SFAM`.
        init: what is initialised how, see `M2Det.init_weights`.
        channel_order: of the network's input.  The published code reads pictures with OpenCV,
            hence ``"bgr"``; whoever calls us gives RGB in any case.
        match_threshold: IoU from which on a prior answers for an object.
        negative_ratio: hard negatives for each positive.
        suppression: ``"released"``, ``"corrected"`` or ``"hard"``, see `select_by_class`.
        max_per_class: best detections of each class that are kept.

    A layout of priors that belongs to another ``image_size`` or ``num_scales`` (a preset's, after
    `dataclasses.replace`) is replaced by `fit_priors`.

    >>> import dataclasses
    >>> dataclasses.replace(M2DET512_VGG16, image_size=640).priors.map_sizes
    (80, 40, 20, 10, 5, 3)
    >>> dataclasses.replace(M2DET512_VGG16, image_size=200)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: image_size: ... expected at least 264 px for 6 scales, or fewer scales, got 200
    """

    backbone: str
    taps: tuple[str, ...] = ()
    widths: tuple[int, ...] = ()
    base_channels: tuple[int, int] = (256, 512)
    planes: int = 256
    num_levels: int = 8
    num_scales: int = 6
    tum: Literal["released", "paper"] = "released"
    smooth: bool = True
    sfam: bool = True
    shared_weights: bool = True
    compress_ratio: int = 16
    init: Literal["released", "stated"] = "released"
    channel_order: Literal["rgb", "bgr"] = "rgb"
    match_threshold: float = 0.5
    negative_ratio: float = 3.0
    suppression: Literal["released", "corrected", "hard"] = "released"
    max_per_class: int = 50

    def __post_init__(self) -> None:
        for name in ("image_size", "planes", "num_scales"):
            check_integer(name, getattr(self, name), 2)
        for name in ("num_levels", "compress_ratio", "max_per_class"):
            check_integer(name, getattr(self, name))
        if isinstance(self.priors, PriorConfig):
            size, scales = self.priors.image_size, self.priors.num_levels
            if (size, scales) != (self.image_size, self.num_scales):
                fitted = fit_priors(self.priors, self.image_size, self.num_scales)
                object.__setattr__(self, "priors", fitted)
        DetectorConfig.__post_init__(self)
        for name in ("smooth", "sfam", "shared_weights"):
            check_flag(name, getattr(self, name))
        check_choice("backbone", self.backbone, ("vgg16", "vgg19", "tiny", *list_resnets()))
        check_choice("tum", self.tum, ("released", "paper"))
        check_choice("init", self.init, ("released", "stated"))
        check_choice("channel_order", self.channel_order, ("rgb", "bgr"))
        check_choice("suppression", self.suppression, ("released", "corrected", "hard"))
        check_number("match_threshold", self.match_threshold, 0, 1)
        check_number("negative_ratio", self.negative_ratio, 0)
        check_integers("base_channels", self.base_channels, 2)
        self._check_fit()

    def _check_fit(self) -> None:
        """Refuse numbers that are right each for itself, but not together."""
        check_widths(self.widths, self.backbone)
        if self.tum == "paper" and (not self.smooth or self.planes % 2):
            raise ValueError(
                "tum: the paper's ends with 1x1 convolutions that halve the channels; expected "
                f"smooth=True and even planes, got smooth={self.smooth} and planes={self.planes}"
            )
        if not isinstance(self.taps, tuple) or len(self.taps) not in (0, 2):
            raise ValueError(f"taps: expected two layers, or none for the usual, got {self.taps!r}")
        expected = tum_sides(self.priors.map_sizes[0], self.num_scales)
        if self.priors.map_sizes != expected:
            raise ValueError(
                f"priors: a TUM makes maps of {expected} cells of a map of {expected[0]}, "
                f"the layout has {self.priors.map_sizes}"
            )


PUBLISHED_PRIORS = {
    layout.image_size: layout
    for layout in (M2DET320_PRIORS, M2DET512_PRIORS, M2DET704_PRIORS, M2DET800_PRIORS)
}


def fit_priors(layout: PriorConfig, image_size: int, num_scales: int) -> PriorConfig:
    """A layout of priors for another input size, or another number of scales.

    Between the four published sizes it is the published table.  Otherwise every prior keeps its
    share of the image, the maps are those that a TUM makes, and the steps divide the image
    evenly; another number of scales spreads the same range of sizes over them.

    Args:
        layout: what the new one is like.
        image_size: side of the network's input, px.
        num_scales: how many maps.

    Returns:
        The new layout.

    Raises:
        ValueError: if the coarsest map would have no cell left.

    >>> fit_priors(M2DET512_PRIORS, 320, 6) is M2DET320_PRIORS
    True
    >>> fit_priors(M2DET512_PRIORS, 512, 4).map_sizes
    (64, 32, 16, 14)
    """
    if layout in PUBLISHED_PRIORS.values() and num_scales == layout.num_levels:
        if image_size in PUBLISHED_PRIORS:
            return PUBLISHED_PRIORS[image_size]
    stride = round(layout.image_size / layout.map_sizes[0])
    sides = tum_sides(math.ceil(image_size / stride), num_scales)
    if sides[-1] < 1:
        least = stride * (2 ** (num_scales - 1) + 1)
        raise ValueError(
            f"image_size: the maps would have {', '.join(map(str, sides[:-1]))} cells, and the "
            "convolution without padding that makes the last one needs 3; expected at least "
            f"{least} px for {num_scales} scales, or fewer scales, got {image_size}"
        )
    sizes = [*layout.min_sizes, *(layout.max_sizes or layout.min_sizes)[-1:]]
    fractions = [size / layout.image_size for size in sizes]
    ratios = list(layout.aspect_ratios)
    if num_scales != layout.num_levels:
        low, high = fractions[min(1, len(fractions) - 2)], fractions[-1]
        step = (high - low) / (num_scales - 1)
        fractions = [fractions[0], *(low + step * k for k in range(num_scales))]
        ratios = (ratios + ratios[-1:] * num_scales)[:num_scales]
    edges = [round(image_size * fraction, 2) for fraction in fractions]
    return PriorConfig(
        image_size=image_size,
        map_sizes=sides,
        steps=tuple(image_size / side for side in sides),
        min_sizes=tuple(edges[:-1]),
        max_sizes=tuple(edges[1:]),
        aspect_ratios=tuple(ratios),
        clamp=layout.clamp,
    )


def _preset(backbone: str, priors: PriorConfig) -> M2DetConfig:
    return M2DetConfig(
        name=f"m2det{priors.image_size}_{backbone}",
        image_size=priors.image_size,
        num_classes=81,
        backbone=backbone,
        priors=priors,
        # 0-255 minus OpenCV's mean, no division; the ResNets too, though theirs was another.
        channel_order="bgr",
        image_mean=(123 / 255, 117 / 255, 104 / 255),
        image_std=(1 / 255, 1 / 255, 1 / 255),
        antialias=False,
        score_threshold=0.1,
        max_candidates=None,
        max_detections=80 * 50,  # 50 of each class: no further limit
    )


M2DET320_VGG16 = _preset("vgg16", M2DET320_PRIORS)
"""12,810 priors, COCO's 80 objects numbered 1 to 80; SFAM on, as in the paper."""


M2DET512_VGG16 = _preset("vgg16", M2DET512_PRIORS)
"""32,760 priors; ``sfam=False`` is the configuration whose weights were published."""


M2DET704_VGG16 = _preset("vgg16", M2DET704_PRIORS)
"""62,022 priors; in the published code, not in the paper."""


M2DET800_VGG16 = _preset("vgg16", M2DET800_PRIORS)
"""80,208 priors."""


M2DET320_RESNET101 = _preset("resnet101", M2DET320_PRIORS)
"""ResNet-101 whose layer3 has stride 1, on 320 px."""


M2DET512_RESNET101 = _preset("resnet101", M2DET512_PRIORS)
"""ResNet-101 whose layer3 has stride 1, on 512 px."""


M2DET512_RESNET50 = _preset("resnet50", M2DET512_PRIORS)
"""ResNet-50 whose layer3 has stride 1, on 512 px."""


M2DET_TINY = M2DetConfig(
    name="m2det_tiny",
    image_size=128,
    num_classes=9,
    backbone="tiny",
    widths=(16, 24, 44),  # sides 64, 32, 16; the last two are fused
    base_channels=(32, 32),
    planes=24,
    num_levels=4,
    num_scales=5,
    compress_ratio=4,
    priors=PriorConfig(
        image_size=128,
        map_sizes=(32, 16, 8, 4, 2),
        steps=(4, 8, 16, 32, 64),
        min_sizes=(9, 20, 40, 64, 88),
        max_sizes=(20, 40, 64, 88, 112),
        aspect_ratios=((), (2,), (2,), (2,), (2,)),
    ),
    image_mean=(0.5, 0.5, 0.5),
    image_std=(0.5, 0.5, 0.5),
    match_threshold=0.4,
    shared_weights=False,
    suppression="hard",
    max_detections=100,
)
"""Half a million parameters for the embedded data set; four levels, five scales."""
