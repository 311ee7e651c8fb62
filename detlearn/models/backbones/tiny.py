"""A backbone for lessons, and the widths that a config gives it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from ..checks import check_integers
from ..layers import ConvBlock


def check_widths(widths: object, backbone: str) -> None:
    """Refuse a detector's widths unless they are those of a `TinyBackbone`, and its own.

    >>> check_widths((16, 32), "vgg16")
    Traceback (most recent call last):
        ...
    ValueError: widths: expected for the backbone 'tiny' only, got (16, 32) for 'vgg16'
    """
    check_integers("widths", widths)
    if (backbone == "tiny") != bool(widths):
        raise ValueError(
            f"widths: expected for the backbone 'tiny' only, got {widths} for {backbone!r}"
        )


class TinyBackbone(nn.Module):
    """A backbone for lessons: strided 3x3 convolutions with BatchNorm, half a million weights.

    Each stage halves the map and then looks at it again: not at all on the finest map, where
    looking is dear, three times and twice on the next two, where most objects are, then once.
    The stages whose map is a level of the detector are tapped.

    Args:
        image_size: S.
        map_sizes: sides of the levels, fine to coarse.
        widths: channels of the stages; the first is the stem, at S / 2.

    Raises:
        ValueError: if a level has a side that no stage has.

    >>> import torch
    >>> tiny = TinyBackbone(128, (32, 16, 8, 4), (16, 32, 64, 96, 96))
    >>> [tuple(f.shape) for f in tiny(torch.zeros(1, 3, 128, 128))]
    [(1, 32, 32, 32), (1, 64, 16, 16), (1, 96, 8, 8), (1, 96, 4, 4)]
    """

    AGAIN = (0, 3, 2)  # further looks of the first stages; one in all later ones

    def __init__(self, image_size: int, map_sizes: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        sides, side, channels = [], image_size, 3
        for number, width in enumerate(widths):
            again = self.AGAIN[number] if number < len(self.AGAIN) else 1
            blocks = [ConvBlock(channels, width, 3, stride=2)]
            blocks += [ConvBlock(width, width, 3) for _ in range(again)]
            self.stages.append(nn.Sequential(*blocks))
            side, channels = (side + 1) // 2, width
            sides.append(side)
        if any(side not in sides for side in map_sizes):
            raise ValueError(
                f"map_sizes: {len(widths)} stages on {image_size} px have maps of side {sides}, "
                f"got levels of {list(map_sizes)}"
            )
        self.taps = tuple(sides.index(side) for side in map_sizes)
        self.out_channels = tuple(widths[tap] for tap in self.taps)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> list[Tensor]:
        features, maps = [], images
        for number, stage in enumerate(self.stages):
            maps = stage(maps)
            if number in self.taps:
                features.append(maps)
        return features
