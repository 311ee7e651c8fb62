"""RefineDet: two steps in one pass (Zhang et al. 2018, "Single-Shot Refinement Neural Network").

An SSD answers two questions at once: is there anything, and what exactly, and where exactly?
RefineDet asks them one after the other.  The anchor refinement module (ARM) says for every
prior whether it holds an object and moves it towards that object; the transfer connection
block (TCB) prepares the maps for the harder question; the object detection module (ODM)
starts from the moved priors and names and places what is there.

One word of three papers: *prior* here, *default box* in SSD, *anchor* in RefineDet.  A prior
that the ARM has moved is an *anchor* in this file, and nothing else is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..boxes import (
    REFINEDET320_PRIORS,
    REFINEDET512_PRIORS,
    Targets,
    decode,
    make_targets,
    xyxy_to_cxcywh,
)
from ..losses import two_step_loss
from .backbones import VGG16, TinyBackbone, check_widths
from .checks import check_choice, check_flag, check_integer, check_number
from .detector import Detector, DetectorConfig
from .layers import ExtraBlock, L2Norm, MultiBoxHead, init_xavier
from .ssd import SSD_TINY, ExtraLayer

__all__ = [
    "REFINEDET320_VGG16",
    "REFINEDET512_VGG16",
    "REFINEDET_TINY",
    "AnchorRefinementModule",
    "ObjectDetectionModule",
    "RefineDet",
    "RefineDetConfig",
    "RefineDetPredictions",
    "TransferConnectionBlock",
    "refine_anchors",
]

SMALLEST_ANCHOR = 1e-6
"""Offsets are divided by the anchor's size, so an anchor may become small, but never nothing."""


class RefineDetPredictions(NamedTuple):
    """What RefineDet says about each prior, as raw numbers, first in general, then in detail.

    Attributes:
        arm_logits: ``(B, P, 2)``, background and object, before softmax.
        arm_deltas: ``(B, P, 4)``, offsets from the priors to the anchors.
        odm_logits: ``(B, P, K)``, class scores before softmax; class 0 is the background.
        odm_deltas: ``(B, P, 4)``, offsets from the anchors to the boxes.

    The prior order is level (fine to coarse), row, column, prior.
    """

    arm_logits: Tensor
    arm_deltas: Tensor
    odm_logits: Tensor
    odm_deltas: Tensor


class AnchorRefinementModule(MultiBoxHead):
    """ARM: an SSD head with two classes, background and object (Zhang et al. 2018, §3, Fig. 1).

    Its box half is the first of the two regression steps; its class half decides which priors
    the second step may forget ("negative anchor filtering").

    Args:
        in_channels: channels of each level, fine to coarse.
        priors_per_cell: A of each level.

    >>> arm = AnchorRefinementModule([8, 16], [3, 3])
    >>> out = arm([torch.zeros(2, 8, 4, 4), torch.zeros(2, 16, 2, 2)])
    >>> out.logits.shape, out.deltas.shape  # 4 * 4 * 3 + 2 * 2 * 3 = 60 priors
    (torch.Size([2, 60, 2]), torch.Size([2, 60, 4]))
    """

    def __init__(self, in_channels: Sequence[int], priors_per_cell: Sequence[int]) -> None:
        super().__init__(in_channels, priors_per_cell, num_classes=2)


class TransferConnectionBlock(nn.Module):
    """TCB: a map of the ARM made ready for the ODM (Zhang et al. 2018, §3, Fig. 2).

    Two convolutions translate the map, a transposed convolution doubles what the coarser
    block knows, the sum of both is smoothed.  So a fine map, which sees little of the image,
    learns what the coarse ones have understood.

    Args:
        in_channels: channels of the ARM's map.
        out_channels: channels of every block's output.
        coarsest: the last block has no coarser one to listen to.

    **Invariant:** the output has the input's height and width, and ``out_channels`` channels.

    >>> fine, coarse = (TransferConnectionBlock(8, 4, last) for last in (False, True))
    >>> context = coarse(torch.zeros(1, 8, 5, 5))
    >>> fine(torch.zeros(1, 8, 10, 10), context).shape
    torch.Size([1, 4, 10, 10])
    """

    upsample: nn.Module | None
    smooth: nn.Module

    def __init__(self, in_channels: int, out_channels: int, coarsest: bool = False) -> None:
        super().__init__()
        self.translate = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        self.upsample = None
        if not coarsest:
            self.upsample = nn.ConvTranspose2d(out_channels, out_channels, 2, stride=2)
            nn.init.xavier_uniform_(self.upsample.weight)
            nn.init.zeros_(self.upsample.bias)  # type: ignore[arg-type]
        self.smooth = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        init_xavier(self)

    def forward(self, maps: Tensor, coarser: Tensor | None = None) -> Tensor:
        """Translate one map, with the help of the next coarser block's output.

        Args:
            maps: ``(B, in_channels, H, W)``, a map of the ARM.
            coarser: ``(B, out_channels, H / 2, W / 2)``; None for the coarsest block.

        Returns:
            ``(B, out_channels, H, W)``, not negative.

        Raises:
            ValueError: if the coarsest block is given something coarser, or another is not.
        """
        if (coarser is None) != (self.upsample is None):
            expected = "nothing" if self.upsample is None else "the coarser block's output"
            raise ValueError(f"coarser: expected {expected} for this block")
        transferred = self.translate(maps)  # (B, C, H, W)
        if self.upsample is not None:
            transferred = transferred + self.upsample(coarser)  # (B, C, H, W)
        return F.relu(self.smooth(F.relu(transferred)))


def add_batch_norm(block: TransferConnectionBlock) -> None:
    """Let BatchNorm follow each convolution of a TCB, in place.

    **Deviation:** the paper's blocks have none; their backbone has learned from ImageNet before.

    >>> block = TransferConnectionBlock(8, 4)
    >>> add_batch_norm(block)
    >>> [type(layer).__name__ for layer in block.translate]
    ['Conv2d', 'BatchNorm2d', 'ReLU', 'Conv2d', 'BatchNorm2d']
    """
    channels = cast(nn.Conv2d, block.smooth).out_channels
    norms = [nn.BatchNorm2d(channels) for _ in range(4)]
    block.translate.insert(1, norms[0])
    block.translate.append(norms[1])
    block.smooth = nn.Sequential(block.smooth, norms[2])
    if block.upsample is not None:
        block.upsample = nn.Sequential(block.upsample, norms[3])


class ObjectDetectionModule(MultiBoxHead):
    """ODM: an SSD head on the maps of the TCB (Zhang et al. 2018, §3, Fig. 1).

    It looks like any SSD head.  What is different is what its numbers are relative to: the
    anchors, which the ARM has already moved, and which differ from image to image.

    Args:
        in_channels: channels of each level, fine to coarse.
        priors_per_cell: A of each level.
        num_classes: K, background included.

    >>> odm = ObjectDetectionModule([4], [3], num_classes=9)
    >>> odm([torch.zeros(1, 4, 5, 5)]).logits.shape
    torch.Size([1, 75, 9])
    """

    def __init__(
        self, in_channels: Sequence[int], priors_per_cell: Sequence[int], num_classes: int
    ) -> None:
        super().__init__(in_channels, priors_per_cell, num_classes)


def refine_anchors(
    arm_deltas: Tensor, priors: Tensor, scales: tuple[float, float] = (0.1, 0.2)
) -> Tensor:
    """The first regression step: move the priors where the ARM says (Zhang et al. 2018, §3).

    Args:
        arm_deltas: ``(..., P, 4)`` offsets of the ARM.
        priors: ``(P, 4)`` cxcywh, fractions of the image.
        scales: see `detlearn.boxes.encode`.

    Returns:
        ``(..., P, 4)`` anchors, cxcywh, fractions of the image, not clipped; in training the
        caller detaches them, because they are the ODM's given, not its choice.

    **Invariant:** deltas of zero return the priors.

    **Deviation:** no side is below 1e-6 of the image, in which the published code would
    divide by zero.

    >>> prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    >>> refine_anchors(torch.tensor([[1.0, -1.0, 0.0, 0.0]]), prior)  # a tenth of its sides
    tensor([[0.5200, 0.4600, 0.2000, 0.4000]])
    """
    anchors = xyxy_to_cxcywh(decode(arm_deltas, priors, scales))
    return torch.cat([anchors[..., :2], anchors[..., 2:].clamp(min=SMALLEST_ANCHOR)], dim=-1)


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
    # Its own levels are those that no extra layer makes.
    "tiny": lambda config: TinyBackbone(
        config.image_size,
        config.priors.map_sizes[: config.priors.num_levels - len(config.extras)],
        config.widths,
    ),
}


class RefineDet(Detector):
    """The network of Zhang et al. 2018, Fig. 1: backbone, ARM, TCBs, ODM.

    Args:
        config: one of this file's presets, or `dataclasses.replace` of one.

    Raises:
        ValueError: if the levels of the network are not those of the priors.

    >>> model = RefineDet(REFINEDET_TINY)
    >>> predictions = model(torch.zeros(1, 3, 128, 128))
    >>> predictions.odm_deltas.shape == (1, *model.priors.shape)
    True
    """

    config: RefineDetConfig
    not_for_me = ("linear_sizes",)

    def __init__(self, config: RefineDetConfig) -> None:
        super().__init__(config)
        self.backbone = BACKBONES[config.backbone](config)
        channels: list[Any] = list(self.backbone.out_channels)
        self.extras = nn.ModuleList()
        for extra in config.extras:
            block = ExtraBlock(channels[-1], *extra)
            init_xavier(block)
            self.extras.append(block)
            channels.append(extra.out_channels)
        levels = config.priors.num_levels
        if len(channels) != levels:
            raise ValueError(
                f"priors: backbone and extras make {len(channels)} levels, the priors have {levels}"
            )
        self.l2norms = nn.ModuleList(
            L2Norm(c, scale) for c, scale in zip(channels, config.l2norm_scales, strict=False)
        )
        priors_per_cell = config.priors.priors_per_cell
        self.arm = AnchorRefinementModule(channels, priors_per_cell)
        self.tcbs = nn.ModuleList()
        if config.tcb_channels is not None:
            for level, c in enumerate(channels):
                coarsest = level == levels - 1
                tcb = TransferConnectionBlock(c, config.tcb_channels, coarsest)
                if config.tcb_batch_norm:
                    add_batch_norm(tcb)
                self.tcbs.append(tcb)
            channels = [config.tcb_channels] * levels
        self.odm = ObjectDetectionModule(channels, priors_per_cell, config.num_classes)

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps that the ARM looks at, and the TCBs translate.

        Args:
            images: ``(B, 3, S, S)`` normalised.

        Returns:
            L maps ``(B, C, H, W)``, fine to coarse.

        Raises:
            ValueError: if a map has other sides than the priors' layout says.

        >>> pyramid = RefineDet(REFINEDET_TINY).features(torch.zeros(1, 3, 128, 128))
        >>> [maps.shape[-1] for maps in pyramid]
        [32, 16, 8, 4]
        """
        pyramid = self.backbone(images)
        for extra in self.extras:
            pyramid = [*pyramid, extra(pyramid[-1])]
        for level, (maps, side) in enumerate(
            zip(pyramid, self.config.priors.map_sizes, strict=True)
        ):
            if maps.shape[-2:] != (side, side):
                raise ValueError(
                    f"priors: level {level} is laid out for a map of {side} x {side} cells, "
                    f"the network's has {maps.shape[-2]} x {maps.shape[-1]}"
                )
        normed = [norm(maps) for norm, maps in zip(self.l2norms, pyramid, strict=False)]
        return [*normed, *pyramid[len(normed) :]]

    def transfer(self, pyramid: Sequence[Tensor]) -> list[Tensor]:
        """The TCBs, from coarse to fine: each block hands its output to the next finer one.

        Args:
            pyramid: what `features` returned.

        Returns:
            L maps ``(B, C, H, W)``, fine to coarse, for the ODM; the pyramid itself if the
            network has no TCB.
        """
        if not self.tcbs:
            return list(pyramid)
        transferred: list[Tensor] = []
        coarser = None
        for block, maps in zip(reversed(self.tcbs), reversed(pyramid), strict=True):
            coarser = block(maps, coarser)
            transferred.append(coarser)
        return transferred[::-1]

    def forward(self, images: Tensor) -> RefineDetPredictions:
        """Raw predictions for every prior, of both modules.

        Args:
            images: ``(B, 3, S, S)`` as `normalize` makes them.

        Returns:
            `RefineDetPredictions`.

        Raises:
            ValueError: if the images are no such batch.
        """
        self.check_input(images)
        pyramid = self.features(images)
        arm, odm = self.arm(pyramid), self.odm(self.transfer(pyramid))
        return RefineDetPredictions(arm.logits, arm.deltas, odm.logits, odm.deltas)

    def anchors(self, arm_deltas: Tensor) -> Tensor:
        """What the ODM's offsets are relative to.

        Args:
            arm_deltas: ``(B, P, 4)``.

        Returns:
            ``(B, P, 4)`` cxcywh, fractions of the image: the priors as the ARM moved them, or,
            if the config says ``two_step=False``, as they were.
        """
        if not self.config.two_step:
            return self.priors.expand_as(arm_deltas)
        return refine_anchors(arm_deltas, self.priors, self.config.box_scales)

    def loss(
        self, predictions: RefineDetPredictions, targets: Sequence[Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """Two-step loss of a batch (Zhang et al. 2018, §4, Eq. 1).

        The same objects are matched twice: with the priors for the ARM, and with the anchors,
        which overlap them better, for the ODM.

        Args:
            predictions: what `forward` returned.
            targets: for each image ``"boxes" (G, 4)`` xyxy, px of the (S, S) network input,
                and ``"labels" (G,)`` integers, 1 to K - 1.  ``G = 0`` is legal, other keys
                are ignored.

        Returns:
            ``"arm_bbox_regression"``, ``"arm_classification"``, ``"odm_bbox_regression"`` and
            ``"odm_classification"``, scalars; training minimises their sum.

        Raises:
            ValueError: naming the image and the box that cannot be learned from.

        >>> model = RefineDet(REFINEDET_TINY)
        >>> empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
        >>> losses = model.loss(model(torch.zeros(1, 3, 128, 128)), [empty])
        >>> {value.item() for value in losses.values()}
        {0.0}
        """
        self.check_predictions(predictions)
        config = self.config
        # No gradient may reach the ARM through the anchors: they would run from their objects
        # to make the ODM's task easier.
        arm_deltas = predictions.arm_deltas.detach()
        wide = torch.promote_types(arm_deltas.dtype, torch.float32)
        anchors = self.anchors(arm_deltas.to(wide))  # (B, P, 4)
        arm_targets: list[Targets] = []
        odm_targets: list[Targets] = []
        checked = self.check_targets(targets, len(anchors))
        for (boxes, labels), image_anchors in zip(checked, anchors, strict=True):
            for matched, start in ((arm_targets, self.priors), (odm_targets, image_anchors)):
                matched.append(
                    make_targets(
                        boxes,
                        labels,
                        start,
                        threshold=config.match_threshold,
                        scales=config.box_scales,
                        eps=config.encode_eps,
                    )
                )
        return two_step_loss(
            *predictions,
            _stack(arm_targets),
            _stack(odm_targets),
            negative_ratio=config.negative_ratio,
            negative_filter=config.negative_filter,
            objectness_threshold=config.objectness_threshold,
        )

    def scores_and_boxes(  # type: ignore[override]  # its predictions have four parts
        self, predictions: RefineDetPredictions
    ) -> tuple[Tensor, Tensor]:
        """Read the raw numbers: two decodings in a row, and the filter.

        Args:
            predictions: what `forward` returned.

        Returns:
            ``scores (B, P, K)`` after softmax, all zero where the negative-anchor filter struck,
            and ``boxes (B, P, 4)`` xyxy, fractions.

        Raises:
            ValueError: if the predictions are not this model's.
        """
        self.check_predictions(predictions)
        # Coordinates of a thousand pixels need more digits than autocast's halves have.
        wide = torch.promote_types(predictions.odm_logits.dtype, torch.float32)
        arm_logits, arm_deltas, odm_logits, odm_deltas = (part.to(wide) for part in predictions)
        scores = odm_logits.softmax(dim=-1)  # (B, P, K)
        if self.config.negative_filter != "off":
            objectness = arm_logits.softmax(dim=-1)[..., 1:]  # (B, P, 1)
            survives = objectness > self.config.objectness_threshold  # (B, P, 1)
            # 0 * objectness, because a NaN must stay one and be reported.
            scores = torch.where(survives, scores, 0 * objectness)  # (B, P, K)
        boxes = decode(odm_deltas, self.anchors(arm_deltas), self.config.box_scales)  # (B, P, 4)
        return scores, boxes

    def check_predictions(  # type: ignore[override]  # its predictions have four parts
        self, predictions: RefineDetPredictions
    ) -> None:
        """Refuse predictions that do not belong to this model's priors and classes.

        Args:
            predictions: the four parts of `RefineDetPredictions`.

        Raises:
            ValueError: with the shapes expected, and those that came.
        """
        names = RefineDetPredictions._fields
        if not isinstance(predictions, tuple) or len(predictions) != len(names):
            raise ValueError(
                f"predictions: expected the {len(names)} tensors {', '.join(names)}, "
                f"got {type(predictions).__name__}"
            )
        B, P = len(predictions[0]), self.config.priors.num_priors
        expected = [(B, P, numbers) for numbers in (2, 4, self.config.num_classes, 4)]
        for name, part, shape in zip(names, predictions, expected, strict=True):
            if tuple(part.shape) != shape:
                raise ValueError(
                    f"predictions: expected {name} ({', '.join(map(str, ('B', *shape[1:])))}) "
                    f"with B = {B}, got {tuple(part.shape)}"
                )


def _stack(targets: Sequence[Targets]) -> Targets:
    """Targets of the images of a batch, as one: labels (B, P), deltas (B, P, 4)."""
    labels = torch.stack([one.labels for one in targets])  # (B, P)
    deltas = torch.stack([one.deltas for one in targets])  # (B, P, 4)
    return Targets(labels, deltas)


REFINEDET320_VGG16 = RefineDetConfig(
    name="refinedet320_vgg16",
    image_size=320,
    num_classes=21,
    backbone="vgg16",
    priors=REFINEDET320_PRIORS,
    extras=(ExtraLayer(256, 512, 3, stride=2, padding=1),),  # 5; 40, 20 and 10 are the backbone's
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

REFINEDET512_VGG16 = RefineDetConfig(
    name="refinedet512_vgg16",
    image_size=512,
    num_classes=21,
    backbone="vgg16",
    priors=REFINEDET512_PRIORS,
    extras=(ExtraLayer(256, 512, 3, stride=2, padding=1),),  # 8; 64, 32 and 16 are the backbone's
    l2norm_scales=(10.0, 8.0),
    negative_filter="released",
    encode_eps=1e-5,
    image_mean=(0.48235, 0.45882, 0.40784),
    image_std=(1 / 255, 1 / 255, 1 / 255),
    antialias=False,
    max_candidates=1000,
    max_detections=500,
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
