"""M2Det itself: backbone, MLFPN, heads; and how it looks at a picture in several sizes."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...boxes import make_priors
from ..backbones import VGG16, VGG19, ResNetFamily, TinyBackbone
from ..checks import check_images
from ..detector import Detector
from ..inputs import check_finite
from ..layers import MultiBoxHead, Predictions
from ..ssd import loss_of_priors
from .config import M2DetConfig, fit_priors
from .mlfpn import MLFPN
from .suppression import select_in_pixels


class M2Det(Detector):
    """Backbone, MLFPN, heads (Zhao et al. 2019, Fig. 2).

    Args:
        config: a preset, or `dataclasses.replace` of one.

    **Deviation:** from the paper, as released: BatchNorm on the finest map, and on no other,
    before the heads.

    >>> from detlearn.models import M2DET_TINY
    >>> model = M2Det(M2DET_TINY)
    >>> predictions = model(torch.zeros(2, 3, 128, 128))
    >>> predictions.deltas.shape == (2, *model.priors.shape)
    True
    """

    config: M2DetConfig
    not_for_me = ("letterbox", "linear_sizes", "weighted_nms")

    def __init__(self, config: M2DetConfig) -> None:
        super().__init__(config)
        self.backbone = build_backbone(config)
        in_channels: Any = self.backbone.out_channels
        self.mlfpn = MLFPN(
            in_channels,
            config.base_channels,
            config.planes,
            config.num_levels,
            config.num_scales,
            config.tum,
            config.smooth,
            config.sfam,
            config.shared_weights,
            config.compress_ratio,
        )
        channels = self.mlfpn.out_channels
        self.norm = nn.BatchNorm2d(channels)
        self.head = MultiBoxHead(
            [channels] * config.num_scales, config.priors.priors_per_cell, config.num_classes
        )
        self.init_weights()

    @torch.no_grad()
    def init_weights(self) -> None:
        """Start MLFPN and heads afresh; the backbone stays.

        With ``init="stated"`` as the published initialiser says: Kaiming (fan-out) for all
        convolutions of TUMs, fusion and heads, biases 0.  With ``"released"`` as it does: it
        looks for "conv" in the *names* of the weights, and a head's weight has none, so the
        heads keep PyTorch's default and only lose their biases.  The SFAM keeps PyTorch's
        default either way.

        >>> from detlearn.models import M2DET_TINY
        >>> stated = M2Det(dataclasses.replace(M2DET_TINY, init="stated"))
        >>> released = M2Det(M2DET_TINY)
        >>> bool(stated.head.deltas[0].weight.std() > 5 * released.head.deltas[0].weight.std())
        True
        """
        convolutions = [
            layer
            for part in (self.mlfpn.ffm1, self.mlfpn.ffm2, self.mlfpn.tums, self.head)
            for layer in part.modules()
            if isinstance(layer, nn.Conv2d)
        ]
        heads = set(self.head.modules())
        for layer in convolutions:
            layer.reset_parameters()
            if self.config.init == "stated" or layer not in heads:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)

    def features(self, images: Tensor) -> list[Tensor]:
        """The pyramid as the heads see it.

        Args:
            images: ``(B, 3, S, S)`` normalised.

        Returns:
            For each scale ``(B, C, H, W)``, fine to coarse; C is L times the channels of a TUM,
            level by level.

        Raises:
            ValueError: if the backbone's map has another side than the priors' layout says; or
                for a single image in training mode, where BatchNorm needs more than one number.

        >>> from detlearn.models import M2DET_TINY
        >>> pyramid = M2Det(M2DET_TINY).features(torch.zeros(2, 3, 128, 128))
        >>> [maps.shape[-1] for maps in pyramid]
        [32, 16, 8, 4, 2]
        """
        if self.training and len(images) == 1 and self.config.priors.map_sizes[-1] == 1:
            raise ValueError(
                "images: expected at least two in training mode, got one: BatchNorm compares the "
                "numbers of a channel, and the coarsest map has one cell; model.eval() takes one"
            )
        features = self.backbone(images)
        _check_side(features[0], self.config)
        finest, *coarser = self.mlfpn(features)
        return [self.norm(finest), *coarser]

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

    def _normalize(self, images: Tensor) -> Tensor:
        normalized = super()._normalize(images)
        return normalized.flip(-3) if self.config.channel_order == "bgr" else normalized

    def loss(
        self, predictions: Predictions, targets: Sequence[Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """MultiBox loss of a batch, the same as SSD's (Liu et al. 2016, §2.2).

        Args:
            predictions: what `forward` returned.
            targets: for each image ``"boxes" (G, 4)`` xyxy, px of the (S, S) network input,
                and ``"labels" (G,)`` integers, 1 to K - 1.  ``G = 0`` is legal.

        Returns:
            ``"bbox_regression"`` and ``"classification"``, scalars.

        Raises:
            ValueError: naming the image and the box that cannot be learned from.

        >>> from detlearn.models import M2DET_TINY
        >>> model = M2Det(M2DET_TINY)
        >>> empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
        >>> losses = model.loss(model(torch.zeros(2, 3, 128, 128)), [empty, empty])
        >>> {name: value.item() for name, value in losses.items()}
        {'bbox_regression': 0.0, 'classification': 0.0}
        """
        return loss_of_priors(self, predictions, targets)

    # ------------------------------------------------------------- detection

    def _select(
        self,
        boxes: Tensor,
        scores: Tensor,
        points: Tensor | None,
        size: tuple[int, int],
        config: Any,
        clip: bool,
    ) -> dict[str, Tensor]:
        return select_in_pixels(boxes, scores, size, config, clip)

    def at_size(self, image_size: int) -> M2Det:
        """The same network for another input size: convolutions do not mind.

        The priors keep their size in *pixels*, because that is what the heads have learned: a
        larger picture shows the same object larger, to coarser maps.

        Args:
            image_size: side of the input, px.

        Returns:
            A network that shares this one's weights, in eval mode.

        Raises:
            ValueError: if the size is too small.

        >>> from detlearn.models import M2DET_TINY
        >>> tiny = M2Det(M2DET_TINY)
        >>> tiny.at_size(192).config.priors.map_sizes
        (48, 24, 12, 6, 4)
        >>> tiny.at_size(192).norm.weight.data_ptr() == tiny.norm.weight.data_ptr()
        True
        """
        old = self.config.priors
        fitted = fit_priors(old, image_size, self.config.num_scales)
        layout = dataclasses.replace(
            fitted, min_sizes=old.min_sizes, max_sizes=old.max_sizes, clamp="none"
        )
        # A copy of the modules, not of their numbers: what the memo holds is handed on as it is.
        shared = {id(tensor): tensor for tensor in (*self.parameters(), *self.buffers())}
        twin = copy.deepcopy(self, shared)
        twin.config = dataclasses.replace(self.config, image_size=image_size, priors=layout)
        priors = make_priors(layout)  # (P, 4)
        if old.clamp != "none":  # no prior was larger than the picture that taught it
            priors[:, 2:] = priors[:, 2:].clamp(max=old.image_size / image_size)
        twin.priors = priors.to(self.priors.device)
        return twin.eval()

    def detect_multiscale(
        self,
        images: Sequence[Tensor] | Tensor,
        sizes: Sequence[int] | None = None,
        flip: bool = True,
        score_threshold: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
    ) -> list[dict[str, Tensor]]:
        """Find the objects in several sizes of each picture, and in its mirror image.

        The boxes of all passes go into one suppression.  The paper's multi-scale rows are made
        in some such way; the code that was announced never came, so sizes and merging are ours.

        Args:
            images: as for `Detector.detect`.
            sizes: inputs, px; by default three quarters, once, and five quarters of S.
            flip: whether the mirror images are looked at too.
            score_threshold: None for the config's; so are the next two.
            iou_threshold: see `select_by_class`.
            max_detections: see `DetectorConfig`.

        Returns:
            As `Detector.detect`, without ``"priors"``.

        Raises:
            ValueError: naming the image that is none, or the size that is too small.

        >>> from detlearn.models import M2DET_TINY
        >>> tiny = M2Det(M2DET_TINY)
        >>> found = tiny.detect_multiscale([torch.zeros(3, 50, 60)], [96, 128], max_detections=5)
        >>> found[0]["boxes"].shape
        torch.Size([5, 4])
        """
        config = self._with_thresholds(score_threshold, iou_threshold, max_detections)
        if sizes is None:
            sizes = [round(config.image_size * quarters / 32) * 8 for quarters in (3, 4, 5)]
        twins = [self.at_size(size) for size in sizes]
        if not twins:
            raise ValueError("sizes: expected at least one, got none")
        check_images(images)
        detections = []
        for index, image in enumerate(images):
            with torch.inference_mode():
                passes = [twin._candidates(image, flip) for twin in twins]
                boxes = torch.cat([boxes for _, boxes in passes])  # (N, 4)
                scores = torch.cat([scores for scores, _ in passes])  # (N, K)
                size = (image.shape[-2], image.shape[-1])
                check_finite(index, scores, boxes)
                found = select_in_pixels(boxes, scores, size, config, clip=True)
            del found["priors"]
            detections.append({key: value.clone() for key, value in found.items()})
        return detections

    def _candidates(self, image: Tensor, flip: bool) -> tuple[Tensor, Tensor]:
        """Scores ``(N, K)`` and boxes ``(N, 4)``, fractions, of a picture and its mirror image."""
        inputs = self.prepare(image[None])  # (1, 3, S, S)
        if flip:
            inputs = torch.cat([inputs, inputs.flip(-1)])  # (B, 3, H, W)
        scores, boxes = self.scores_and_boxes(self(inputs))
        if flip:
            x1, y1, x2, y2 = boxes[1].unbind(-1)
            boxes = torch.stack([boxes[0], torch.stack([1 - x2, y1, 1 - x1, y2], -1)])  # (B, P, 4)
        return scores.flatten(0, 1), boxes.flatten(0, 1)


def _check_side(maps: Tensor, config: M2DetConfig) -> None:
    side, expected = maps.shape[-1], config.priors.map_sizes[0]
    if side != expected:
        raise ValueError(
            f"image_size: of {config.image_size} px the backbone makes {side} x {side} cells, "
            f"the priors are laid out for {expected} x {expected}; a multiple of 8 px fits, "
            "or priors= with these maps"
        )


def build_backbone(config: M2DetConfig) -> VGG16 | ResNetFamily | TinyBackbone:
    """The backbone that a config names: two maps, fine and coarse, for `FFMv1`.

    >>> from detlearn.models import M2DET_TINY
    >>> build_backbone(M2DET_TINY).out_channels
    (24, 44)
    """
    if config.backbone == "tiny":
        fine = config.priors.map_sizes[0]
        return TinyBackbone(config.image_size, (fine, (fine + 1) // 2), config.widths)
    if config.backbone == "vgg16":
        return VGG16(taps=config.taps or ("conv4_3", "fc7"))
    if config.backbone == "vgg19":
        return VGG19(taps=config.taps or ("conv4_4", "fc7"))
    return ResNetFamily(config.backbone, config.taps or ("layer2", "layer4"))
