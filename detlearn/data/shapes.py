"""Shapes: the embedded data set, a picture book that draws itself.

A scene is paper, scraps (clutter), and paper-cut objects of eight classes. Every object is drawn
in three steps, and the file follows them:

1. a *draw function* (one per class) returns a `Drawing`: coloured polygons, painted in order;
2. `cut_out` turns, scales and rasterises it (three times too large, then averaged: that is the
   anti-aliasing) into a `Cutout`, and knows its tight box;
3. `draw_scene` looks for a place where no object would be hidden by more than 30 %, and pastes it.

A point is a complex number, x + iy with y pointing down: adding moves it, multiplying turns and
scales it. All choices of a scene come from one stream of uniform numbers, seeded by
(seed, image_id) and nothing else: the same pair gives the same scene in any order, in any worker
and on any machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw
from torch.utils.data import Dataset
from torchvision import tv_tensors

__all__ = [
    "KEYPOINT_FLIP", "KEYPOINT_NAMES", "SHAPES_VERSION", "TRAIN_OBJECTS", "TRAIN_SEED", "VAL_SEED",
    "Shapes",
]  # fmt: skip

SHAPES_VERSION = "1.1"  # changes whenever any scene changes
TRAIN_SEED = 0
TRAIN_OBJECTS = (6, 12)  # full scenes to learn from: as many images teach twice as much
VAL_SEED = 1_000_003  # another stream of scenes: no overlap with training at any index

SMALLEST, LARGEST = 0.06, 0.75  # longer side of an object, in image sides
SMALLEST_PX = 6.0  # below this a house is a smudge; matters for images under 100 px
MIN_VISIBLE = 0.7  # of an object's own pixels, counting those beyond the border
SUPERSAMPLE = 3

SIMPLE = ("disc", "square", "triangle", "cross")
COMPLEX = ("face", "house", "tree", "person")
CLASS_NAMES = ("background", *SIMPLE, *COMPLEX)
PERSON = CLASS_NAMES.index("person")

KEYPOINT_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# The order of the joints in a mirrored picture: a mirrored left hand is a right hand.
KEYPOINT_FLIP = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
SKELETON = (  # pairs of key points, counted from 1 as COCO does
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip

Color = tuple[int, int, int]
Polygon = NDArray[np.complex128]
T = TypeVar("T")

# Papers. Steps of lightness and of yellow-blue tell them apart for colour-blind readers too.
TOMATO, MARIGOLD, BUTTER = (212, 70, 50), (238, 152, 40), (250, 214, 98)
JADE, SKY, COBALT = (22, 138, 118), (104, 180, 224), (36, 80, 156)
ROSE, CHALK, INK = (226, 140, 168), (252, 246, 232), (42, 44, 64)
PEACH, CLAY, UMBER = (246, 198, 164), (186, 120, 82), (104, 66, 52)
PALETTE = (TOMATO, MARIGOLD, BUTTER, JADE, SKY, COBALT, ROSE, CHALK, INK, PEACH, CLAY, UMBER)
SKINS = (PEACH, CLAY, UMBER, BUTTER, ROSE)
CREAM, MIST, SAGE, SAND = (244, 232, 208), (212, 228, 230), (204, 214, 184), (228, 206, 172)
BLUSH, LILAC = (240, 212, 200), (216, 208, 228)
NIGHT, FOREST, PLUM, SLATE = (38, 48, 84), (32, 66, 62), (70, 44, 72), (78, 90, 104)
GROUNDS = (CREAM, MIST, SAGE, SAND, BLUSH, LILAC, NIGHT, FOREST, PLUM, SLATE)


def mix(first: Color, second: Color, share: float) -> Color:
    """Blend two colours: share 0 is the first, 1 the second."""
    (r, g, b), (red, green, blue) = first, second
    return (
        round(r + share * (red - r)), round(g + share * (green - g)), round(b + share * (blue - b))
    )  # fmt: skip


def contrast(first: Color, second: Color) -> float:
    """Difference of two colours in 0..1, lightness weighing most (it survives colour blindness)."""
    (r, g, b), (red, green, blue) = first, second
    return (0.35 * abs(r - red) + 0.45 * abs(g - green) + 0.2 * abs(b - blue)) / 255


class Dice:
    """All the choices of one scene, drawn from uniform numbers in [0, 1) and nothing else."""

    def __init__(self, seed: int, image_id: int) -> None:
        # Of Python's generator, seeding by a text and `random` never change between versions.
        self.random = random.Random(f"{seed}/{image_id}").random

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def log_uniform(self, low: float, high: float) -> float:
        return low * float((high / low) ** self.random())

    def integer(self, low: int, high: int) -> int:
        """An integer, low <= n < high."""
        return low + int(self.random() * (high - low))

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options))]


# ---------------------------------------------------------------- polygons and drawings


@lru_cache(maxsize=64)
def _arc(start: float, stop: float, count: int) -> Polygon:
    return np.exp(1j * np.pi * np.linspace(start, stop, count))  # in half turns, clockwise


def circle(center: complex, radius: float, points: int = 28) -> Polygon:
    return center + radius * _arc(0, 2 - 2 / points, points)


def ellipse(center: complex, rx: float, ry: float, points: int = 36) -> Polygon:
    unit = _arc(0, 2 - 2 / points, points)
    return center + rx * unit.real + 1j * ry * unit.imag


def polygon(*points: complex) -> Polygon:
    return np.array(points, dtype=np.complex128)


def rectangle(left: float, top: float, right: float, bottom: float) -> Polygon:
    return polygon(
        complex(left, top), complex(right, top), complex(right, bottom), complex(left, bottom)
    )


def limb(start: complex, end: complex, width: float) -> Polygon:
    """A line with round ends."""
    along = (end - start) / (abs(end - start) + 1e-9) * width / 2
    return np.concatenate((end + along * _arc(-0.5, 0.5, 9), start + along * _arc(0.5, 1.5, 9)))


def smile(center: complex, width: float, thickness: float) -> Polygon:
    """A mouth: the lower part of a ring."""
    half = width / 2
    return center + np.concatenate(
        (half * _arc(0.1, 0.9, 9), (half - thickness) * _arc(0.9, 0.1, 9))
    )


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


def ink_on(color: Color) -> Color:
    """Dark ink on light paper, chalk on dark."""
    return INK if contrast(color, INK) > 0.36 else CHALK


# ---------------------------------------------------------------- simple classes


def _plain(pen: Pen, outline: Polygon) -> Drawing:
    """One sheet of paper, at times folded along the middle."""
    drawing, color = Drawing(), pen.paper()
    drawing.add(color, outline)
    if pen.dice.chance(0.3):
        shade = mix(color, INK if contrast(color, INK) > 0.2 else CHALK, 0.16)
        drawing.add(shade, outline[: len(outline) // 2 + 1])
    return drawing


def draw_disc(pen: Pen) -> Drawing:
    stretch = pen.dice.uniform(0.86, 1.0)
    return _plain(pen, ellipse(0, 0.5, 0.5 * stretch, 48))


def draw_square(pen: Pen) -> Drawing:
    half = 0.5 * pen.dice.uniform(0.82, 1.0)
    return _plain(pen, rectangle(-0.5, -half, 0.5, half))


def draw_triangle(pen: Pen) -> Drawing:
    apex, height = pen.dice.uniform(-0.25, 0.25), pen.dice.uniform(0.75, 1.05)
    return _plain(pen, polygon(complex(apex, -height), -0.5 + 0j, 0.5 + 0j))


def draw_cross(pen: Pen) -> Drawing:
    a = pen.least(pen.dice.uniform(0.26, 0.42), 1.6) / 2
    corner = polygon(complex(0.5, -a), complex(0.5, a), complex(a, a))
    return _plain(pen, np.concatenate([corner * turn for turn in (1, 1j, -1, -1j)]))


# ---------------------------------------------------------------- complex classes


def draw_face(pen: Pen) -> Drawing:
    dice, drawing = pen.dice, Drawing()
    skin = dice.choice(SKINS) if dice.chance(0.6) else pen.paper()
    hair = pen.paper(but=skin)
    line = ink_on(skin)
    style = dice.integer(0, 4)  # none, cap, bob, bun
    rx, ry = dice.uniform(0.4, 0.48), 0.5
    if style == 2:
        drawing.add(hair, ellipse(-0.06j, rx + 0.1, ry + 0.04))
    if style == 3:
        drawing.add(hair, circle(-0.62j, 0.17))
    drawing.add(skin, circle(-rx + 0.02j, 0.09), circle(rx + 0.02j, 0.09))
    drawing.add(skin, ellipse(0, rx, ry, 48))
    if style:
        unit = _arc(1.06, 1.94, 20)
        drawing.add(hair, (rx + 0.01) * unit.real + 1j * (ry + 0.01) * unit.imag)
    gap, eye = dice.uniform(0.15, 0.21), pen.least(0.062, 0.62)
    level = dice.uniform(0.0, 0.06)
    if contrast(skin, TOMATO) > 0.15:
        cheek = mix(skin, TOMATO, 0.35)
        drawing.add(cheek, circle(complex(-gap - 0.07, 0.18), 0.07, 16))
        drawing.add(cheek, circle(complex(gap + 0.07, 0.18), 0.07, 16))
    drawing.add(line, circle(complex(-gap, level), eye, 16), circle(complex(gap, level), eye, 16))
    drawing.add(line, smile(0.14j, dice.uniform(0.3, 0.42), pen.least(0.05, 0.9)))
    return drawing


def draw_house(pen: Pen) -> Drawing:
    dice, drawing = pen.dice, Drawing()
    wall = pen.paper()
    roof = pen.paper(but=wall)
    wide, tall = dice.uniform(0.36, 0.5), dice.uniform(0.5, 0.75)
    peak = dice.uniform(0.34, 0.5)
    eaves = wide + 0.08
    if dice.chance(0.6):  # chimney
        x = dice.choice((-1, 1)) * wide * 0.55
        drawing.add(pen.paper(but=roof), rectangle(x - 0.06, -peak * 0.95, x + 0.06, -peak * 0.2))
    drawing.add(wall, rectangle(-wide, 0, wide, tall))
    flat = dice.choice((0.0, 0.0, 0.25))
    ridge = complex(eaves * flat, -peak)
    drawing.add(roof, polygon(complex(-ridge.real, -peak), ridge, eaves + 0.05j, -eaves + 0.05j))
    dark = ink_on(wall)
    door = pen.least(0.1, 0.8)
    x = dice.choice((-0.45, 0.0, 0.45)) * wide
    drawing.add(dark, rectangle(x - door, tall * 0.48, x + door, tall))
    pane = pen.least(0.075, 0.6)
    for column in (-0.55, 0.0, 0.55):
        if abs(column * wide - x) > 0.2:
            y = tall * 0.34
            glass = BUTTER if contrast(BUTTER, wall) > 0.2 else dark
            middle = column * wide
            drawing.add(glass, rectangle(middle - pane, y - pane, middle + pane, y + pane))
    return drawing


def draw_tree(pen: Pen) -> Drawing:
    dice, drawing = pen.dice, Drawing()
    crown = pen.paper()
    trunk = UMBER if UMBER in pen.papers and contrast(crown, UMBER) > 0.15 else pen.paper(crown)
    thick = pen.least(dice.uniform(0.07, 0.11), 1.3) / 2
    kind, foot = dice.integer(0, 3), dice.uniform(0.2, 0.34)
    drawing.add(trunk, rectangle(-thick, -0.3, thick, foot))
    shade = mix(crown, INK if contrast(crown, INK) > 0.2 else CHALK, 0.18)
    if kind == 0:  # conifer
        wide, tiers = dice.uniform(0.28, 0.4), dice.integer(2, 4)
        for tier in range(tiers):
            half, y = wide * (1 - 0.22 * tier), -0.3 * tier
            outline = polygon(complex(-half, y), complex(0, y - 0.42), complex(half, y))
            drawing.add(shade if tier % 2 else crown, outline)
    elif kind == 1:  # lollipop
        rx = dice.uniform(0.26, 0.38)
        drawing.add(crown, ellipse(-0.35j, rx, 0.42))
        drawing.add(shade, ellipse(complex(rx * 0.3, -0.25), rx * 0.5, 0.2, 24))
    else:  # three bushes
        r = dice.uniform(0.2, 0.25)
        drawing.add(crown, circle(-0.22 - 0.2j, r), circle(0.22 - 0.2j, r))
        drawing.add(crown, circle(-0.48j, r * 1.15))
        drawing.add(shade, circle(0.1 - 0.2j, r * 0.6, 20))
    return drawing


def draw_person(pen: Pen) -> Drawing:
    """A person who faces us: the person's own left is on the right of the picture."""
    dice, drawing = pen.dice, Drawing()
    skin = dice.choice(SKINS[:4])
    shirt = pen.paper(but=skin)
    trousers = pen.paper(but=shirt)
    hair = dice.choice((INK, UMBER, MARIGOLD, CHALK, TOMATO))
    neck, head = -0.34j, complex(dice.uniform(-0.03, 0.03), -0.5)
    arm, leg = pen.least(0.085), pen.least(0.105)
    joints = [0j] * 17
    joints[0] = head + 0.02j
    for side, sign in ((0, 1), (1, -1)):  # left, then right
        joints[1 + side] = head + complex(sign * 0.05, -0.01)
        joints[3 + side] = head + complex(sign * 0.13, 0.01)
        shoulder, hip = neck + complex(sign * 0.115, 0.035), complex(sign * 0.065, 0)
        lift, bend = dice.uniform(0.03, 0.8), dice.uniform(-0.1, 0.55)
        if dice.chance(0.3):
            lift, bend = dice.uniform(0.03, 0.2), dice.uniform(-0.1, 0.15)
        elbow = shoulder + 0.17 * sign_turn(lift, sign)
        wrist = elbow + 0.16 * sign_turn(lift + bend, sign)
        stride, kick = dice.uniform(0.0, 0.22), dice.uniform(-0.2, 0.06)
        knee = hip + 0.23 * sign_turn(stride, sign)
        ankle = knee + 0.22 * sign_turn(stride + kick, sign)
        joints[5 + side], joints[7 + side], joints[9 + side] = shoulder, elbow, wrist
        joints[11 + side], joints[13 + side], joints[15 + side] = hip, knee, ankle
        drawing.add(trousers, limb(hip, knee, leg), limb(knee, ankle, leg * 0.9))
        drawing.add(INK, limb(ankle, ankle + sign * 0.04, leg * 0.9))
    if dice.chance(0.35):  # a dress
        drawing.add(shirt, polygon(-0.12 - 0.3j, 0.12 - 0.3j, 0.19 + 0.14j, -0.19 + 0.14j))
    drawing.add(skin, limb(neck, head, 0.09))
    drawing.add(shirt, polygon(-0.13 - 0.32j, 0.13 - 0.32j, 0.11 + 0.03j, -0.11 + 0.03j))
    sleeve = mix(shirt, INK if contrast(shirt, INK) > 0.2 else CHALK, 0.14)
    for side in (0, 1):
        shoulder, elbow, wrist = joints[5 + side], joints[7 + side], joints[9 + side]
        drawing.add(sleeve, limb(shoulder, elbow, arm), limb(elbow, wrist, arm * 0.9))
        drawing.add(skin, circle(wrist, arm * 0.55, 16))
    drawing.add(hair, circle(head - 0.03j, 0.145))
    drawing.add(skin, circle(head + 0.012j, 0.125))
    drawing.add(hair, head + 0.13 * _arc(1.1, 1.9, 12))
    if pen.px < 0.04:
        line = ink_on(skin)
        drawing.add(line, circle(joints[1], 0.018, 8), circle(joints[2], 0.018, 8))
        drawing.add(line, smile(head + 0.03j, 0.09, 0.018))
    drawing.joints = np.array(joints)
    return drawing


def sign_turn(half_turns: float, sign: int) -> complex:
    """A unit step that starts straight down and swings outward, to the side of `sign`."""
    angle = np.pi * half_turns
    return complex(sign * np.sin(angle), np.cos(angle))


DRAW: dict[str, tuple[Callable[[Pen], Drawing], float]] = {
    # class: how to draw it, how far it may turn (in half turns, to either side)
    "disc": (draw_disc, 1.0),
    "square": (draw_square, 0.12),
    "triangle": (draw_triangle, 0.15),
    "cross": (draw_cross, 0.15),
    "face": (draw_face, 0.11),
    "house": (draw_house, 0.06),
    "tree": (draw_tree, 0.06),
    "person": (draw_person, 0.1),
}


# ---------------------------------------------------------------- clutter


def draw_scrap(pen: Pen) -> Drawing:
    """Clutter that is no object: a squiggle, a blob, a crescent, or a chevron."""
    dice, drawing, color = pen.dice, Drawing(), pen.paper()
    kind = dice.integer(0, 4)
    if kind == 0:
        x, width = 0.0, pen.least(dice.uniform(0.08, 0.16))
        point = 0j
        for _ in range(dice.integer(2, 5)):
            x += 0.3
            following = complex(x, dice.uniform(-0.3, 0.3))
            drawing.add(color, limb(point, following, width))
            point = following
    elif kind == 1:
        spokes = 0.5 * np.array([dice.uniform(0.45, 1.0) for _ in range(7)])
        smooth = np.repeat(spokes, 4) * 0.5 + np.roll(np.repeat(spokes, 4), 2) * 0.5
        drawing.add(color, smooth * _arc(0, 2 - 2 / 28, 28))
    elif kind == 2:
        inner = -0.18j + 0.42 * _arc(1, 0, 16)
        drawing.add(color, np.concatenate((0.5 * _arc(0, 1, 18), inner)))
    else:
        width, tip = pen.least(0.14), dice.uniform(0.2, 0.5)
        drawing.add(color, limb(-0.5 + 0j, complex(0, -tip), width))
        drawing.add(color, limb(complex(0, -tip), 0.5 + 0j, width))
    return drawing


# ---------------------------------------------------------------- from drawing to pixels


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


def _ground(dice: Dice, color: Color, size: int) -> Image.Image:
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


# ---------------------------------------------------------------- scenes


@dataclass(slots=True)
class Placed:
    """One thing on the page. `label` 0 is clutter."""

    label: int
    cutout: Cutout
    x: int
    y: int
    pixels: int  # of its mask, those beyond the border included
    seen: int = 0  # of its mask, now visible


@dataclass(slots=True)
class Scene:
    """A page of the picture book: the picture and everything that lies on it."""

    image: Image.Image
    things: list[Placed]
    owner: NDArray[np.int16]  # (H, W) position in `things` of what is seen at a pixel, or -1

    @property
    def objects(self) -> list[Placed]:
        return [thing for thing in self.things if thing.label > 0]


def _find_place(dice: Dice, scene: Scene, cutout: Cutout) -> Placed | None:
    """A position that leaves 70 % of everything visible, or None after 12 throws."""
    size = scene.image.width
    h, w = cutout.mask.shape
    pixels = cutout.pixels
    longest = max(w, h)
    for _ in range(12):
        beyond = 0.18 if longest > 0.15 * size and dice.chance(0.25) else 0.0
        x = dice.integer(-int(beyond * w), size - w + int(beyond * w) + 1)
        y = dice.integer(-int(beyond * h), size - h + int(beyond * h) + 1)
        left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, size), min(y + h, size)
        mask = cutout.mask[top - y : bottom - y, left - x : right - x]
        seen = int(np.count_nonzero(mask))
        if seen < (MIN_VISIBLE + 0.1) * pixels:
            continue
        region = scene.owner[top:bottom, left:right]
        covered = np.bincount(region[mask] + 1, minlength=len(scene.things) + 1)[1:].tolist()
        if all(
            thing.seen - hidden >= MIN_VISIBLE * thing.pixels
            for thing, hidden in zip(scene.things, covered, strict=True)
            if hidden
        ):
            for thing, hidden in zip(scene.things, covered, strict=True):
                thing.seen -= hidden
            region[mask] = len(scene.things)
            return Placed(0, cutout, x, y, pixels, seen)
    return None


@lru_cache(maxsize=4)
def _veil(size: int) -> Image.Image:
    """How dark a shadow is."""
    return Image.new("L", (size, size), 71)


def draw_scene(
    seed: int, image_id: int, size: int, objects: tuple[int, int] | None = None
) -> Scene:
    """Draw the scene that belongs to (seed, image_id)."""
    dice = Dice(seed, image_id)
    ground = dice.choice(GROUNDS)
    image = _ground(dice, ground, size)
    scene = Scene(image, [], np.full((size, size), -1, dtype=np.int16))
    ranked = sorted((dice.random(), color) for color in PALETTE if contrast(color, ground) > 0.13)
    papers = [color for _, color in ranked]
    shadow = mix(ground, INK, 0.9)

    labels = [dice.integer(1, len(CLASS_NAMES)) for _ in range(_count(dice, objects))]
    low, high = max(SMALLEST * size, SMALLEST_PX), LARGEST * size
    plan = [(dice.log_uniform(low, high), label) for label in labels]
    plan.sort(key=lambda item: -item[0] * dice.uniform(0.5, 1.0))
    scraps = dice.integer(0, 4)  # not tiny: at 8 px a blob is a disc to anybody
    plan = [(dice.log_uniform(0.12 * size, 0.3 * size), 0) for _ in range(scraps)] + plan
    for side, label in plan:
        draw, swing = DRAW[CLASS_NAMES[label]] if label else (draw_scrap, 1.0)
        drawing = draw(Pen(dice, papers, 1 / side))
        washed = dice.uniform(0.2, 0.45) if dice.chance(0.1) else 0.0
        cutout = cut_out(drawing, side, dice.uniform(-swing, swing), (ground, washed))
        placed = _find_place(dice, scene, cutout)
        if placed is None:
            continue
        placed.label = label
        scene.things.append(placed)
        depth = 1 + int(side > 0.3 * size)
        opacity = cutout.opacity
        dim = ImageChops.multiply(opacity, _veil(size).crop((0, 0, *opacity.size)))
        image.paste(shadow, (placed.x + depth, placed.y + depth), dim)
        image.paste(cutout.picture, (placed.x, placed.y), opacity)
    return scene


def _count(dice: Dice, objects: tuple[int, int] | None) -> int:
    """How many objects are tried: none on one page of thirty, else 1 to 8 unless told."""
    if dice.chance(1 / 30):
        return 0
    if objects is None:
        return dice.choice((1, 2, 3, 3, 4, 4, 5, 5, 6, 8))
    return dice.integer(objects[0], objects[1] + 1)


# ---------------------------------------------------------------- the data set


class Shapes(Dataset[tuple[Any, dict[str, Any]]]):
    """A data set of drawn scenes, made on the fly; nothing is read or downloaded.

    Args:
        length: number of scenes.
        size: side of a scene, px, at least 32.
        seed: of the stream of scenes; ``VAL_SEED`` is the one that the course scores on.
        start: number of the first scene in the stream.
        keypoints: whether targets carry ``"keypoints" (G, 17, 3)`` x, y (px), v; zeros but for
            people.
        transform: called with (image, target), see `detlearn.data.ShapesTransform`.
        objects: fewest and most objects that a scene tries to place; None for 1 to 8, few more
            often than many.  Full scenes teach more for the same time on the network.

    Items are ``(image (3, S, S) uint8, target)``; ``"boxes" (G, 4)`` are xyxy, px, ``"labels"
    (G,)`` int64, 1 to 8, and ``image_id`` is ``start`` + index.  G = 0 happens.

    Raises:
        ValueError: an argument out of its range.

    **Invariant:** a scene follows from its arguments alone: not from the order, the worker or
    the machine.

    >>> image, target = Shapes(length=3)[2]
    >>> tuple(image.shape), target["boxes"].shape[1], target["image_id"]
    ((3, 128, 128), 4, 2)
    """

    class_names = CLASS_NAMES

    def __init__(
        self,
        length: int = 1000,
        size: int = 128,
        seed: int = TRAIN_SEED,
        start: int = 0,
        keypoints: bool = False,
        transform: Callable[[Any, dict[str, Any]], tuple[Any, dict[str, Any]]] | None = None,
        objects: tuple[int, int] | None = None,
    ) -> None:
        for name, value, least in (
            ("length", length, 0), ("size", size, 32), ("seed", seed, 0), ("start", start, 0)
        ):  # fmt: skip
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ValueError(f"{name}: expected an integer >= {least}, got {value!r}")
        if objects is not None and not 0 <= objects[0] <= objects[1]:
            raise ValueError(f"objects: expected (fewest, most), got {objects!r}")
        self.length, self.size, self.seed, self.start = length, size, seed, start
        self.objects = objects
        self.keypoints, self.transform = keypoints, transform

    def __len__(self) -> int:
        return self.length

    def scene(self, index: int) -> Scene:
        """The scene behind an item, with what lies where (for teaching and tests)."""
        if not 0 <= index < self.length:
            raise IndexError(f"index: expected 0 <= index < {self.length}, got {index}")
        return draw_scene(self.seed, self.start + index, self.size, self.objects)

    def __getitem__(self, index: int) -> tuple[Any, dict[str, Any]]:
        scene = self.scene(index)
        target = self._target(scene)
        target["image_id"] = self.start + index
        pixels = np.ascontiguousarray(np.asarray(scene.image).transpose(2, 0, 1))
        image: Any = tv_tensors.Image(torch.from_numpy(pixels))
        if self.transform is not None:
            image, target = self.transform(image, target)
        return image, target

    def _target(self, scene: Scene) -> dict[str, Any]:
        size, objects = self.size, scene.objects
        corners = np.array(
            [(o.x, o.y, o.x + o.cutout.width, o.y + o.cutout.height) for o in objects], np.float32
        )
        boxes = torch.from_numpy(corners.reshape(-1, 4).clip(0, size))  # (G, 4)
        target: dict[str, Any] = {
            "boxes": tv_tensors.BoundingBoxes(  # type: ignore[call-overload]
                boxes, format="XYXY", canvas_size=(size, size)
            ),
            "labels": torch.tensor([o.label for o in objects], dtype=torch.int64),
            "area": (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
            "iscrowd": torch.zeros(len(objects), dtype=torch.int64),
        }
        if self.keypoints:
            target["keypoints"] = torch.tensor(
                [_keypoints(scene, o) for o in objects], dtype=torch.float32
            ).reshape(-1, 17, 3)  # (G, 17, 3)
        return target

    @staticmethod
    def coco_categories() -> list[dict[str, Any]]:
        """The classes as COCO writes them: ids 1 to 8, person with its key points."""
        categories: list[dict[str, Any]] = [
            {"id": i, "name": name, "supercategory": "simple" if name in SIMPLE else "complex"}
            for i, name in enumerate(CLASS_NAMES)
            if i > 0
        ]
        categories[PERSON - 1]["keypoints"] = list(KEYPOINT_NAMES)
        categories[PERSON - 1]["skeleton"] = [list(pair) for pair in SKELETON]
        return categories


def _keypoints(scene: Scene, thing: Placed) -> list[tuple[float, float, float]]:
    """(x, y, v) of one object: v is 2 visible, 1 hidden by something else, 0 beyond the image."""
    if thing.cutout.joints is None:
        return [(0.0, 0.0, 0.0)] * 17
    size, own = scene.image.width, scene.things.index(thing)
    found = []
    for joint in thing.cutout.joints:
        x, y = float(joint.real) + thing.x, float(joint.imag) + thing.y
        if not (0 <= x < size and 0 <= y < size):
            found.append((0.0, 0.0, 0.0))
            continue
        hidden = scene.owner[int(y), int(x)] > own
        found.append((x, y, 1.0 if hidden else 2.0))
    return found
