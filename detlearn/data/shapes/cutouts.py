"""From drawings to pixels: paper-cut objects, and the printed paper that they lie on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from .dice import Dice
from .outlines import Drawing, Polygon
from .palette import CHALK, CLAY, COBALT, INK, Color, contrast, mix

SUPERSAMPLE = 3


@dataclass(slots=True)
class Cutout:
    """A drawing in pixels. Coordinates are relative to the picture's upper left corner."""

    picture: Image.Image  # RGBA
    opacity: Image.Image  # its alpha channel, L
    mask: NDArray[np.bool_]  # (h, w) pixels at least half covered
    width: float  # extent of the drawing, px, in whole steps of the rasteriser
    height: float
    joints: Polygon | None

    @property
    def pixels(self) -> int:
        return int(np.count_nonzero(self.mask))


def cut_out(drawing: Drawing, side: float, turn: float, fade: tuple[Color, float]) -> Cutout:
    """Turn a drawing, scale it so that the longer side of its box is `side` px, rasterise it."""
    fine = SUPERSAMPLE if side < 32 else 2  # the steps of a long edge are seen less
    outlines = np.concatenate([outline for _, outline in drawing.parts])
    rotation = complex(np.cos(np.pi * turn), np.sin(np.pi * turn))
    points = (outlines * rotation).view(np.float64).reshape(-1, 2)  # (N, 2) x, y
    (left, top), (right, bottom) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    # Pillow fills the pixels from the first to the last corner, both included: hence the -1.
    scale = (round(side * fine) - 1) / max(right - left, bottom - top)
    corner = complex(left, top)
    flat = ((points - (left, top)) * scale + 0.5).astype(np.int32).ravel().tolist()
    width, height = int((right - left) * scale + 0.5) + 1, int((bottom - top) * scale + 0.5) + 1
    columns, rows = -(-width // fine), -(-height // fine)
    # "RGBa" is colour multiplied by opacity, the form in which averaging pixels is right.
    sheet = Image.new("RGBa", (columns * fine, rows * fine))
    pen = ImageDraw.Draw(sheet)
    position = 0
    for color, outline in drawing.parts:
        end = position + 2 * len(outline)
        pen.polygon(flat[position:end], (*(mix(color, *fade) if fade[1] else color), 255))
        position = end
    picture = sheet.reduce(fine).convert("RGBA")
    opacity = picture.getchannel("A")
    mask = np.asarray(opacity) >= 128
    joints = drawing.joints
    if joints is not None:
        joints = ((joints * rotation - corner) * scale + (0.5 + 0.5j)) / fine
    return Cutout(picture, opacity, mask, width / fine, height / fine, joints)


def print_paper(dice: Dice, color: Color, size: int) -> Image.Image:
    """Paper: a soft, uneven tone, and on most sheets a printed pattern."""
    tone = dice.uniform(6, 18)
    cells = 4 if dice.chance(0.5) else 8
    noise = np.array([dice.uniform(-tone, tone) for _ in range(cells * cells)])
    pixels = np.asarray(color) + noise.reshape(cells, cells, 1)
    coarse = Image.fromarray(np.rint(pixels).clip(0, 255).astype(np.uint8))
    paper = coarse.resize((size, size), Image.Resampling.BILINEAR)
    pattern = dice.choice(("none", "stripes", "dots", "checks", "hills"))
    shade = mix(color, dice.choice((INK, CHALK, CLAY, COBALT)), dice.uniform(0.06, 0.18))
    if pattern == "hills":
        for height in (0.55, 0.75):
            mask = Image.new("L", (size * 2, size * 2))
            y = size * 2 * (height + dice.uniform(-0.12, 0.08))
            rx, ry = size * dice.uniform(1.4, 3.0), size * dice.uniform(0.4, 1.2)
            x = size * dice.uniform(0.2, 1.8)
            ImageDraw.Draw(mask).ellipse((x - rx, y, x + rx, y + 2 * ry + size * 2), fill=255)
            paper.paste(shade, (0, 0), mask.reduce(2))
            shade = mix(shade, INK if contrast(color, INK) > 0.4 else CHALK, 0.08)
    elif pattern != "none":
        mask = _pattern(pattern, dice.choice((6, 9, 13)), size, dice.integer(0, 4))
        paper.paste(shade, (0, 0), mask)
    return paper


@lru_cache(maxsize=128)
def _pattern(kind: str, step: int, size: int, angle: int) -> Image.Image:
    """A printed pattern as an opacity mask (L, size x size)."""
    big = size * 2
    mask = Image.new("L", (big, big))
    pen = ImageDraw.Draw(mask)
    pitch = max(4, round(2 * step * size / 128))
    if kind == "stripes":
        for x in range(-2 * big, 2 * big, 2 * pitch):
            slant = (0, big, big // 2, -big)[angle]
            pen.polygon((x, 0, x + pitch, 0, x + pitch + slant, big, x + slant, big), fill=255)
    elif kind == "dots":
        r = pitch // 4
        for row, y in enumerate(range(0, big + pitch, pitch)):
            for x in range(pitch // 2 * (row % 2), big + pitch, pitch):
                pen.ellipse((x - r, y - r, x + r, y + r), fill=255)
    else:
        for x in range(0, big, 2 * pitch):
            pen.rectangle((x, 0, x + pitch - 1, big), fill=110)
        other = Image.new("L", (big, big))
        pen = ImageDraw.Draw(other)
        for y in range(0, big, 2 * pitch):
            pen.rectangle((0, y, big, y + pitch - 1), fill=110)
        mask = Image.fromarray(np.asarray(mask) + np.asarray(other))
    return mask.reduce(2)
