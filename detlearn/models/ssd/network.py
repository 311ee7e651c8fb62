"""SSD itself (Liu et al. 2016, Fig. 2): backbone, extra layers, heads, and their loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, Literal

from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual

from ...boxes import linear_from_log, make_batch_targets
from ...losses import multibox_loss
from ..detector import Detector
from ..layers import ExtraBlock, L2Norm, MultiBoxHead, Predictions, init_xavier
from .config import BACKBONES, ExtraLayer, SSDConfig


class SSD(Detector):
    """A single-shot detector (Liu et al. 2016, Fig. 2): backbone, extra layers, heads.

    `forward` is the network, `loss` teaches it, `detect` uses it; all three speak of the
    same priors in the same order.

    Args:
        config: a preset, or `dataclasses.replace` of one.

    Raises:
        ValueError: if the levels of the network are not those of the priors.

    >>> import torch
    >>> from detlearn.models import SSD_TINY
    >>> model = SSD(SSD_TINY)
    >>> predictions = model(torch.zeros(1, 3, 128, 128))
    >>> predictions.deltas.shape == (1, *model.priors.shape)
    True
    """

    config: SSDConfig

    def __init__(self, config: SSDConfig) -> None:
        super().__init__(config)
        self.backbone = BACKBONES[config.backbone](config)
        self.extras, channels = build_extras(config, self.backbone.out_channels, config.extra_block)
        self.l2norm: nn.Module = nn.Identity()
        if config.l2norm_scale is not None:
            self.l2norm = L2Norm(channels[0], config.l2norm_scale)
        self.head = MultiBoxHead(
            channels, config.priors.priors_per_cell, config.num_classes, config.head
        )

    def features(self, images: Tensor) -> list[Tensor]:
        """The pyramid: one map for each level, as the heads see it.

        Args:
            images: ``(B, 3, S, S)`` normalised.

        Returns:
            L maps ``(B, C, H, W)``, fine to coarse.

        Raises:
            ValueError: if a map has other sides than the priors' layout says.

        >>> import torch
        >>> from detlearn.models import SSD_TINY
        >>> pyramid = SSD(SSD_TINY).features(torch.zeros(1, 3, 128, 128))
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
        return [self.l2norm(pyramid[0]), *pyramid[1:]]

    def forward(self, images: Tensor) -> Predictions:
        """Raw predictions for every prior.

        Args:
            images: ``(B, 3, S, S)`` as `normalize` makes them.

        Returns:
            `Predictions` of ``logits (B, P, K)`` and ``deltas (B, P, 4)``.

        Raises:
            ValueError: if the images are no such batch.
        """
        self.check_input(images)
        predictions: Predictions = self.head(self.features(images))
        return predictions

    def loss(
        self, predictions: Predictions, targets: Sequence[Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """MultiBox loss of a batch (Liu et al. 2016, §2.2, Eq. 1 to 3).

        Args:
            predictions: what `forward` returned.
            targets: for each image ``"boxes" (G, 4)`` xyxy, px of the (S, S) network input,
                and ``"labels" (G,)`` integers, 1 to K - 1.  ``G = 0`` is legal, other keys
                are ignored.

        Returns:
            ``"bbox_regression"`` and ``"classification"``, scalars; training minimises
            their sum.

        Raises:
            ValueError: naming the image and the box that cannot be learned from.

        >>> import torch
        >>> from detlearn.models import SSD_TINY
        >>> model = SSD(SSD_TINY)
        >>> empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
        >>> losses = model.loss(model(torch.zeros(1, 3, 128, 128)), [empty])
        >>> {name: value.item() for name, value in losses.items()}
        {'bbox_regression': 0.0, 'classification': 0.0}
        """
        return loss_of_priors(
            self, predictions, targets, self.config.match_inclusive, self.config.normalizer
        )


def loss_of_priors(
    model: Detector,
    predictions: Predictions,
    targets: Sequence[Mapping[str, Tensor]],
    inclusive: bool = True,
    normalizer: Literal["batch", "image"] = "batch",
) -> dict[str, Tensor]:
    """The loss of a detector with one step: match the model's priors, encode, `multibox_loss`."""
    config: Any = model.config
    model.check_predictions(predictions)
    target_labels, target_deltas = make_batch_targets(
        model.check_targets(targets, len(predictions.logits)),
        model.priors,
        config.match_threshold,
        inclusive,
        config.box_scales,
    )  # (B, P), (B, P, 4)
    if config.linear_sizes:
        target_deltas = linear_from_log(target_deltas, config.box_scales)  # (B, P, 4)
    return multibox_loss(
        *predictions, target_labels, target_deltas, config.negative_ratio, normalizer
    )


def build_extras(
    config: Any, channels: Sequence[Any], kind: str = "conv"
) -> tuple[nn.ModuleList, list[int]]:
    """The extra layers behind a backbone's maps.

    Args:
        config: of a detector, with ``extras``.
        channels: of the backbone's maps, fine to coarse.
        kind: see ``extra_block`` of `SSDConfig`.

    Returns:
        The layers, and the channels of all levels.

    Raises:
        ValueError: if that makes another number of levels than the priors have.
    """
    widths = [*channels, *(extra.out_channels for extra in config.extras)]
    levels = config.priors.num_levels
    if len(widths) != levels:
        raise ValueError(
            f"priors: backbone and extras make {len(widths)} levels, the priors have {levels}"
        )
    before = widths[len(channels) - 1 :]
    layers = map(_build_extra, before, config.extras, repeat(kind))
    return nn.ModuleList(layers), widths


def _build_extra(in_channels: int, extra: ExtraLayer, kind: str) -> nn.Module:
    if kind == "inverted_residual":
        # Its filter is always 3x3 with padding 1; here "expansion" makes the map narrower.
        ratio = extra.mid_channels / in_channels
        block: nn.Module = InvertedResidual(
            in_channels, extra.out_channels, extra.stride, expand_ratio=ratio
        )
    else:
        block = ExtraBlock(in_channels, *extra, norm=kind == "conv_bn")
    init_xavier(block)
    return block
