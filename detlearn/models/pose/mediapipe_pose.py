"""The heat maps of MediaPipe's pose network: the encoder and decoder that HRNet argues against.

Down to an eighth of the side and a sixteenth, then up again, with one sum at each size, as in
Sun et al. 2019, Fig. 2 (a) and (b); HRNet never leaves the fine map.  The network is the branch of
heat maps of MediaPipe's file ``pose_landmark_full.tflite``; its other two answers, the points
themselves and a mask, are left out.
"""

from __future__ import annotations

import os
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["MEDIAPIPE_POINTS", "InvertedBlock", "MediaPipePose", "load_mediapipe_pose"]

MEDIAPIPE_POINTS = (
    "nose", "left eye inner", "left eye", "left eye outer", "right eye inner", "right eye",
    "right eye outer", "left ear", "right ear", "mouth left", "mouth right", "left shoulder",
    "right shoulder", "left elbow", "right elbow", "left wrist", "right wrist", "left pinky",
    "right pinky", "left index", "right index", "left thumb", "right thumb", "left hip",
    "right hip", "left knee", "right knee", "left ankle", "right ankle", "left heel",
    "right heel", "left foot index", "right foot index",
)  # fmt: skip
"""Of the 39 maps the first 33, in their order; the other six serve the program around it."""

# of each block: channels inside, side of the depthwise filter, stride, channels that come out
_STAGES = (
    ((64, 3, 2, 24), (144, 3, 1, 24)),
    ((144, 5, 2, 32), (192, 5, 1, 32)),
    (
        (192, 3, 2, 64), (384, 3, 1, 64), (384, 3, 1, 64),
        (384, 5, 1, 88), (528, 5, 1, 88), (528, 5, 1, 88),
    ),
    ((528, 5, 2, 144), (864, 5, 1, 144), (864, 5, 1, 144), (864, 5, 1, 144)),
)  # fmt: skip
_WIDTH = 48  # channels of the decoder


def _conv(
    in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels, out_channels, kernel_size, stride, kernel_size // 2, groups=groups
    )


class InvertedBlock(nn.Module):
    """Widen, filter each channel by itself, narrow (Sandler et al. 2018, MobileNetV2, §3.3).

    The input is added where the block changes neither its channels nor its size.

    Args:
        in_channels: channels of the input.
        inner_channels: of the depthwise filter.
        kernel_size: its side.
        stride: 1 or 2.
        out_channels: channels of the output.

    >>> import torch
    >>> InvertedBlock(24, 144, 3, 2, 32)(torch.zeros(1, 24, 8, 8)).shape
    torch.Size([1, 32, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        inner_channels: int,
        kernel_size: int,
        stride: int,
        out_channels: int,
    ) -> None:
        super().__init__()
        self.expand = _conv(in_channels, inner_channels)
        self.depthwise = _conv(inner_channels, inner_channels, kernel_size, stride, inner_channels)
        self.project = _conv(inner_channels, out_channels)
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, maps: Tensor) -> Tensor:
        inner = F.relu6(self.depthwise(F.relu6(self.expand(maps))))
        change = self.project(inner)
        return maps + change if self.adds else change


class _Lateral(nn.Module):
    """From a map of the encoder to one of the decoder."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.depthwise = _conv(in_channels, in_channels, 3, 1, in_channels)
        self.pointwise = _conv(in_channels, _WIDTH)

    def forward(self, maps: Tensor) -> Tensor:
        return F.relu6(self.pointwise(F.relu6(self.depthwise(maps))))


class MediaPipePose(nn.Module):
    """39 heat maps of 64 x 64 from a picture of 256 x 256, 1,601,759 parameters.

    The picture shows one person, seen whole, as MediaPipe's detector would have cut it out.

    >>> import torch
    >>> MediaPipePose()(torch.zeros(1, 3, 256, 256)).shape
    torch.Size([1, 39, 64, 64])
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = _conv(3, 24, 3, 2)
        self.first_depthwise = _conv(24, 24, 3, 1, 24)
        self.first = _conv(24, 16)
        stages, channels, laterals = [], 16, []
        for stage in _STAGES:
            blocks = []
            for inner, kernel_size, stride, out in stage:
                blocks.append(InvertedBlock(channels, inner, kernel_size, stride, out))
                channels = out
            stages.append(nn.Sequential(*blocks))
            laterals.append(channels)
        self.stages = nn.ModuleList(stages)
        self.last_expand = _conv(channels, 864)
        self.last_depthwise = _conv(864, 864, 3, 1, 864)
        self.laterals = nn.ModuleList(_Lateral(width) for width in [*laterals[:-1], 864])
        self.head = _conv(_WIDTH, 39)

    def forward(self, images: Tensor) -> Tensor:
        """What the network says; ``sigmoid`` makes it heat maps between 0 and 1.

        Args:
            images: ``(B, 3, 256, 256)`` RGB, 0 to 1; other multiples of 32 give larger maps.

        Returns:
            ``(B, J, H/4, W/4)`` logits, J = 39.
        """
        maps = F.relu6(self.stem(images))
        maps = self.first(F.relu6(self.first_depthwise(maps)))
        encoded = []
        for stage in self.stages:  # a fourth of the side, an eighth, a sixteenth, ...
            maps = stage(maps)
            encoded.append(maps)
        encoded[-1] = F.relu6(self.last_depthwise(F.relu6(self.last_expand(maps))))
        decoded = self.laterals[-1](encoded[-1])
        for lateral, finer in zip(self.laterals[-2::-1], encoded[-2::-1], strict=True):
            larger = F.interpolate(decoded, scale_factor=2.0, mode="bilinear", align_corners=False)
            decoded = larger + lateral(finer)
        logits: Tensor = self.head(decoded)
        return logits


def load_mediapipe_pose(path: str | os.PathLike[str]) -> MediaPipePose:
    """The network with the published weights, in eval mode, float32.

    Args:
        path: of ``data/mediapipe/pose.safetensors``, made by ``tools/convert_mediapipe_pose.py``.

    Raises:
        OSError: the file cannot be read.
        ValueError: it holds other weights.
    """
    from safetensors.torch import load_file

    try:
        state: dict[str, Any] = load_file(path)
        model = MediaPipePose()
        model.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except OSError:
        raise
    except Exception as error:  # of safetensors or of the state dict: they are long
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"{os.fspath(path)}: expected the weights of MediaPipePose, got another file ({reason})"
        ) from None
    return model.eval()
