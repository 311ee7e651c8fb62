"""BlazeFace short-range: the face detector that MediaPipe ships to phones, an SSD.

The network is the one in MediaPipe's file ``face_detection_short_range.tflite``, which is not the
one that the paper draws (Bazarevsky et al. 2019, §3): its depthwise filters are 3x3 instead of 5x5,
and there are no double blocks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..boxes import PriorConfig
from .detector import Detector, DetectorConfig
from .layers import Predictions, flatten_level

__all__ = ["BLAZEFACE", "FACE_POINTS", "BlazeBlock", "BlazeFace", "BlazeFaceConfig", "pad_same"]

FACE_POINTS = ("right eye", "left eye", "nose tip", "mouth", "right ear", "left ear")
"""The six key points in their order; right and left are the subject's own."""


class PointPredictions(NamedTuple):
    """What a detector says about each prior that also finds key points.

    Attributes:
        logits: ``(B, P, K)``, see `Predictions`.
        deltas: ``(B, P, 4)``, see `Predictions`.
        points: ``(B, P, J, 2)`` offsets (x, y) of the key points from the prior's centre, in
            units of the prior's width and height.
    """

    logits: Tensor
    deltas: Tensor
    points: Tensor


def pad_same(maps: Tensor, kernel_size: int, stride: int) -> Tensor:
    """Zeros around a map as TensorFlow's rule SAME puts them: the odd one right and below.

    ``padding=1`` of `torch.nn.Conv2d` puts one zero on each side.  At stride 2 TensorFlow needs
    one zero only, and puts it behind: with the other rule every map is shifted by a pixel.

    Args:
        maps: ``(B, C, H, W)``, sides that the stride divides.
        kernel_size: side of the filter that comes next.
        stride: its step.

    Returns:
        ``(B, C, H + n, W + n)`` with n = max(kernel_size - stride, 0).

    Raises:
        ValueError: if a side is not a multiple of the stride.

    >>> pad_same(torch.ones(1, 1, 2, 2), kernel_size=3, stride=2)[0, 0]
    tensor([[1., 1., 0.],
            [1., 1., 0.],
            [0., 0., 0.]])
    """
    H, W = maps.shape[-2:]
    if H % stride or W % stride:
        raise ValueError(f"maps: expected sides that {stride} divides, got {H} x {W}")
    total = max(kernel_size - stride, 0)
    first, last = total // 2, total - total // 2
    padded = F.pad(maps, (first, last, first, last))  # (B, C, H+n, W+n)
    return padded


class BlazeBlock(nn.Module):
    """Depthwise 3x3, pointwise, shortcut, ReLU (Bazarevsky et al. 2019, §3).

    Between the two convolutions there is no ReLU.  The shortcut has no weights: where the block
    halves the map it is max-pooled, and channels that it lacks are zeros behind its own.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output, at least as many.
        stride: 1 or 2.

    >>> BlazeBlock(24, 28, stride=2)(torch.zeros(1, 24, 8, 8)).shape
    torch.Size([1, 28, 4, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.new_channels = out_channels - in_channels
        self.depthwise = nn.Conv2d(in_channels, in_channels, 3, stride, groups=in_channels)
        self.pointwise = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        change = self.pointwise(self.depthwise(pad_same(maps, 3, self.stride)))  # (B, D, H, W)
        if self.stride == 2:
            maps = F.max_pool2d(maps, 2)  # (B, C, H, W)
        shortcut = F.pad(maps, (0, 0, 0, 0, 0, self.new_channels))  # (B, D, H, W)
        return F.relu(shortcut + change)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlazeFaceConfig(DetectorConfig):
    """The numbers of a `BlazeFace`.

    Attributes:
        stem_channels: channels of the first convolution, 5x5 with stride 2.
        blocks: (channels, stride) of each block.
        taps: the blocks whose outputs the heads read, one for each level of the priors.
        num_points: J, key points of a face.
    """

    stem_channels: int = 24
    blocks: tuple[tuple[int, int], ...]
    taps: tuple[int, ...]
    num_points: int = 6

    def __post_init__(self) -> None:
        # super() without arguments fails in dataclasses with slots.
        DetectorConfig.__post_init__(self)
        widths = [self.stem_channels, *(channels for channels, _ in self.blocks)]
        for index, (before, after) in enumerate(zip(widths, widths[1:], strict=False)):
            if after < before:
                raise ValueError(
                    f"blocks[{index}]: expected at least the {before} channels before it, got "
                    f"{after}: the shortcut can add channels, not remove them"
                )
        if len(self.taps) != self.priors.num_levels or max(self.taps) >= len(self.blocks):
            raise ValueError(
                f"taps: expected {self.priors.num_levels} of the blocks 0 to "
                f"{len(self.blocks) - 1}, one for each level of the priors, got {self.taps}"
            )


class BlazeFace(Detector):
    """The face detector (Bazarevsky et al. 2019; weights and sizes as in MediaPipe 0.10.14).

    **Deviation:** MediaPipe clips logits to ± 100 before the sigmoid, where it is 0 or 1 already.

    Args:
        config: `BLAZEFACE`, or `dataclasses.replace` of it.

    >>> model = BlazeFace(BLAZEFACE)
    >>> sum(p.numel() for p in model.parameters())
    101390
    >>> [part.shape[1:] for part in model(torch.zeros(1, 3, 128, 128))]
    [torch.Size([896, 2]), torch.Size([896, 4]), torch.Size([896, 6, 2])]
    """

    config: BlazeFaceConfig

    def __init__(self, config: BlazeFaceConfig) -> None:
        super().__init__(config)
        self.stem = nn.Conv2d(3, config.stem_channels, 5, stride=2)
        self.blocks = nn.ModuleList()
        channels = config.stem_channels
        for out_channels, stride in config.blocks:
            self.blocks.append(BlazeBlock(channels, out_channels, stride))
            channels = out_channels
        levels = [
            (config.blocks[tap][0], count)
            for tap, count in zip(config.taps, config.priors.priors_per_cell, strict=True)
        ]
        self.score_heads = nn.ModuleList(nn.Conv2d(c, count, 1) for c, count in levels)
        self.box_heads = nn.ModuleList(nn.Conv2d(c, count * self.numbers, 1) for c, count in levels)

    @property
    def numbers(self) -> int:
        """What a prior's row of regressions holds: x, y, w, h, and x, y of each key point."""
        return 4 + 2 * self.config.num_points

    def features(self, images: Tensor) -> list[Tensor]:
        """The maps that the heads read.

        Args:
            images: ``(B, 3, S, S)`` normalised.

        Returns:
            L maps ``(B, C, H, W)``, fine to coarse.

        >>> pyramid = BlazeFace(BLAZEFACE).features(torch.zeros(1, 3, 128, 128))
        >>> [tuple(maps.shape) for maps in pyramid]
        [(1, 88, 16, 16), (1, 96, 8, 8)]
        """
        maps = F.relu(self.stem(pad_same(images, 5, 2)))  # (B, C, H, W)
        pyramid = []
        for index, block in enumerate(self.blocks):
            maps = block(maps)
            if index in self.config.taps:
                pyramid.append(maps)
        return pyramid

    def forward(self, images: Tensor) -> PointPredictions:
        """Raw predictions for every prior.

        The published network has one number a prior for "face", to be put into a sigmoid.  A
        softmax over the pair (0, logit) is the same, and makes it a detector of two classes.

        Args:
            images: ``(B, 3, S, S)`` as `prepare` makes them.

        Returns:
            `PointPredictions` of ``logits (B, P, 2)``, ``deltas (B, P, 4)``, linear, and
            ``points (B, P, J, 2)``.

        Raises:
            ValueError: if the images are no such batch.
        """
        self.check_input(images)
        scores, rows = [], []
        for maps, to_score, to_row in zip(
            self.features(images), self.score_heads, self.box_heads, strict=True
        ):
            scores.append(flatten_level(to_score(maps), 1))
            rows.append(flatten_level(to_row(maps), self.numbers))
        score = torch.cat(scores, dim=1)  # (B, P, 1)
        # The network speaks in pixels of its input; a prior of this network is as large as that.
        row = torch.cat(rows, dim=1) / self.config.image_size  # (B, P, N)
        logits = torch.cat([torch.zeros_like(score), score], dim=-1)  # (B, P, 2)
        points = row[..., 4:].unflatten(-1, (-1, 2))  # (B, P, J, 2)
        return PointPredictions(logits, row[..., :4], points)

    def check_predictions(self, predictions: PointPredictions) -> None:  # type: ignore[override]
        """Refuse predictions that do not belong to this model.

        Args:
            predictions: see `PointPredictions`.

        Raises:
            ValueError: with the shapes expected.
        """
        if not isinstance(predictions, PointPredictions):
            got = type(predictions).__name__
            raise ValueError(
                f"predictions: expected PointPredictions(logits, deltas, points), got {got}"
            )
        logits, deltas, points = predictions
        super().check_predictions(Predictions(logits, deltas))
        expected = (*deltas.shape[:2], self.config.num_points, 2)
        if points.shape != expected:
            raise ValueError(f"predictions: expected points {expected}, got {tuple(points.shape)}")

    def keypoints(self, predictions: PointPredictions) -> Tensor:
        """The key points of every prior.

        Args:
            predictions: what `forward` returned.

        Returns:
            ``(B, P, J, 2)`` x, y, fractions of the network's input, in the order of `FACE_POINTS`.
        """
        centers, sizes = self.priors[:, None, :2], self.priors[:, None, 2:]
        points: Tensor = centers + predictions.points * sizes  # (B, P, J, 2)
        return points

    def loss(self, predictions: Any, targets: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """There is none: how this network was trained has not been published.

        Its priors are no help, either: all are as large as the picture, and matching by IoU could
        not tell one from the other.  (Training must have used others; notebook 13 finds them.)

        Raises:
            ValueError: always.
        """
        raise ValueError(
            "blazeface: expected a detector that can be trained, and this one comes with its "
            "weights only: how it was trained has not been published; try ssd_tiny"
        )


BLAZEFACE = BlazeFaceConfig(
    name="blazeface",
    image_size=128,
    num_classes=2,
    # Every prior is as large as the picture: 16 * 16 * 2 + 8 * 8 * 6 = 896 of them.
    priors=PriorConfig(
        image_size=128,
        map_sizes=(16, 8),
        steps=(8, 16),
        min_sizes=(128, 128),
        max_sizes=(128, 128),
        aspect_ratios=((), (1, 1)),
    ),
    blocks=(
        (24, 1),
        (28, 1),
        (32, 2),
        (36, 1),
        (42, 1),
        (48, 2),
        (56, 1),
        (64, 1),
        (72, 1),
        (80, 1),
        (88, 1),
        (96, 2),
        (96, 1),
        (96, 1),
        (96, 1),
        (96, 1),
    ),  # fmt: skip
    taps=(10, 15),
    image_mean=(0.5, 0.5, 0.5),  # pixels from -1 to 1
    image_std=(0.5, 0.5, 0.5),
    letterbox=True,
    box_scales=(1.0, 1.0),
    linear_sizes=True,
    score_threshold=0.5,
    iou_threshold=0.3,
    max_candidates=None,
    weighted_nms=True,
)
"""MediaPipe's short-range face detector: 896 priors, 101,390 parameters."""
