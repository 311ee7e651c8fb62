"""Outlines, and drawings made of them.

A point is a complex number, x + iy with y pointing down: adding moves it, multiplying turns and
scales it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .dice import Dice
from .palette import CHALK, INK, Color, contrast

Polygon = NDArray[np.complex128]


@lru_cache(maxsize=64)
def arc(start: float, stop: float, count: int) -> Polygon:
    """Part of the unit circle, in half turns, clockwise."""
    return np.exp(1j * np.pi * np.linspace(start, stop, count))


def circle(center: complex, radius: float, points: int = 28) -> Polygon:
    """A circle."""
    return center + radius * arc(0, 2 - 2 / points, points)


def ellipse(center: complex, rx: float, ry: float, points: int = 36) -> Polygon:
    """An ellipse with axes along the page."""
    unit = arc(0, 2 - 2 / points, points)
    return center + rx * unit.real + 1j * ry * unit.imag


def polygon(*points: complex) -> Polygon:
    """The outline through some points."""
    return np.array(points, dtype=np.complex128)


def rectangle(left: float, top: float, right: float, bottom: float) -> Polygon:
    """An upright rectangle, by its edges."""
    return polygon(
        complex(left, top), complex(right, top), complex(right, bottom), complex(left, bottom)
    )


def limb(start: complex, end: complex, width: float) -> Polygon:
    """A line with round ends."""
    along = (end - start) / (abs(end - start) + 1e-9) * width / 2
    return np.concatenate((end + along * arc(-0.5, 0.5, 9), start + along * arc(0.5, 1.5, 9)))


def smile(center: complex, width: float, thickness: float) -> Polygon:
    """A mouth: the lower part of a ring."""
    half = width / 2
    return center + np.concatenate((half * arc(0.1, 0.9, 9), (half - thickness) * arc(0.9, 0.1, 9)))


@dataclass(slots=True)
class Drawing:
    """Coloured polygons in painting order, in units of about the object's height."""

    parts: list[tuple[Color, Polygon]] = field(default_factory=list)
    joints: Polygon | None = None  # (17,) the COCO key points of a person

    def add(self, color: Color, *outlines: Polygon) -> None:
        self.parts.extend((color, outline) for outline in outlines)


@dataclass(slots=True)
class Pen:
    """What a draw function needs: dice, papers that show on this ground, the size of a pixel."""

    dice: Dice
    papers: list[Color]
    px: float  # one image pixel in drawing units: the least width of a part that must be seen

    def paper(self, but: Color | None = None) -> Color:
        """The next paper of the scene, clearly different from `but`."""
        for index, color in enumerate(self.papers):
            if but is None or contrast(color, but) > 0.22:
                self.papers.append(self.papers.pop(index))
                return color
        return INK if but is None or contrast(INK, but) > 0.4 else CHALK

    def least(self, width: float, pixels: float = 1.0) -> float:
        return max(width, pixels * self.px)
