"""A page of the picture book: objects find their places, and none is hidden by more than 30 %."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops

from .classes import CLASS_NAMES
from .cutouts import Cutout, cut_out, print_paper
from .dice import Dice
from .objects import DRAW, draw_scrap
from .outlines import Pen
from .palette import GROUNDS, INK, PALETTE, contrast, mix

SMALLEST, LARGEST = 0.06, 0.75  # longer side of an object, in image sides
SMALLEST_PX = 6.0  # below this a house is a smudge; matters for images under 100 px
MIN_VISIBLE = 0.7  # of an object's own pixels, counting those beyond the border


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
    image = print_paper(dice, ground, size)
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
