"""RefineDet itself (Zhang et al. 2018, Fig. 1): backbone, ARM, TCBs, ODM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...boxes import Targets, decode, make_targets
from ...losses import two_step_loss
from ..detector import Detector
from ..layers import L2Norm
from ..ssd import build_extras
from .blocks import (
    AnchorRefinementModule,
    ObjectDetectionModule,
    RefineDetPredictions,
    TransferConnectionBlock,
    add_batch_norm,
    refine_anchors,
)
from .config import BACKBONES, RefineDetConfig


class RefineDet(Detector):
    """The network of Zhang et al. 2018, Fig. 1: backbone, ARM, TCBs, ODM.

    Args:
        config: a preset, or `dataclasses.replace` of one.

    Raises:
        ValueError: if the levels of the network are not those of the priors.

    >>> from detlearn.models import REFINEDET_TINY
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
        self.extras, channels = build_extras(config, self.backbone.out_channels)
        self.l2norms = nn.ModuleList(
            L2Norm(c, scale) for c, scale in zip(channels, config.l2norm_scales, strict=False)
        )
        priors_per_cell = config.priors.priors_per_cell
        self.arm = AnchorRefinementModule(channels, priors_per_cell)
        self.tcbs = nn.ModuleList()
        if config.tcb_channels is not None:
            for level, c in enumerate(channels):
                coarsest = level == len(channels) - 1
                tcb = TransferConnectionBlock(c, config.tcb_channels, coarsest)
                if config.tcb_batch_norm:
                    add_batch_norm(tcb)
                self.tcbs.append(tcb)
            channels = [config.tcb_channels] * len(channels)
        self.odm = ObjectDetectionModule(channels, priors_per_cell, config.num_classes)

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps that the ARM looks at, and the TCBs translate.

        Args:
            images: ``(B, 3, S, S)`` normalised.

        Returns:
            L maps ``(B, C, H, W)``, fine to coarse.

        Raises:
            ValueError: if a map has other sides than the priors' layout says.

        >>> from detlearn.models import REFINEDET_TINY
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

        >>> from detlearn.models import REFINEDET_TINY
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
            stack_targets(arm_targets),
            stack_targets(odm_targets),
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
        # Not len, which torch.export would take for a constant.
        B, P = predictions[0].shape[0], self.config.priors.num_priors
        expected = [(B, P, numbers) for numbers in (2, 4, self.config.num_classes, 4)]
        for name, part, shape in zip(names, predictions, expected, strict=True):
            if tuple(part.shape) != shape:
                raise ValueError(
                    f"predictions: expected {name} ({', '.join(map(str, ('B', *shape[1:])))}) "
                    f"with B = {B}, got {tuple(part.shape)}"
                )


def stack_targets(targets: Sequence[Targets]) -> Targets:
    """Targets of the images of a batch, as one: labels (B, P), deltas (B, P, 4)."""
    labels = torch.stack([one.labels for one in targets])  # (B, P)
    deltas = torch.stack([one.deltas for one in targets])  # (B, P, 4)
    return Targets(labels, deltas)
