"""What a page shows before anybody has dropped a picture: a scene to arrange, or a photograph."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from detlearn.data import data_path
from detlearn.data.shapes.classes import CLASS_NAMES
from detlearn.data.shapes.cutouts import print_paper
from detlearn.data.shapes.dice import Dice
from detlearn.data.shapes.objects import DRAW
from detlearn.data.shapes.outlines import Pen
from detlearn.data.shapes.palette import (
    BUTTER,
    COBALT,
    CREAM,
    INK,
    JADE,
    MARIGOLD,
    MIST,
    NIGHT,
    PALETTE,
    TOMATO,
    Color,
    contrast,
    mix,
)

__all__ = ["portrait", "scene_for"]

PAPERS: tuple[Color, ...] = (CREAM, MIST, NIGHT)
PAPER_SIDE = 128
"""px; a paper is soft, and is enlarged without harm."""
VARIANTS = 2
"""Drawings of each class: no two houses are alike."""
START = (  # class, centre x and y, size, turn: what lies on the page when it opens
    ("house", 0.27, 0.62, 0.42, 0.0), ("tree", 0.62, 0.42, 0.4, 0.05),
    ("person", 0.84, 0.72, 0.34, 0.0), ("disc", 0.16, 0.17, 0.16, 0.0),
    ("face", 0.52, 0.83, 0.22, -0.1),
)  # fmt: skip


def _css(color: Color) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color)


def _paper(index: int, color: Color) -> dict[str, str]:
    buffer = io.BytesIO()
    print_paper(Dice(23, index), color, PAPER_SIDE).save(buffer, "PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return {"image": f"data:image/png;base64,{encoded}", "shadow": _css(mix(color, INK, 0.9))}


def _drawing(name: str, variant: int) -> list[list[Any]]:
    """The coloured polygons of a class, as the training scenes draw them."""
    # Only papers that show on all three grounds.
    papers = [one for one in PALETTE if all(contrast(one, ground) > 0.13 for ground in PAPERS)]
    dice = Dice(100 + variant, CLASS_NAMES.index(name))
    first = (3 * CLASS_NAMES.index(name) + variant) % len(papers)  # neighbours in other colours
    papers = papers[first:] + papers[:first]
    draw, _ = DRAW[name]
    parts = draw(Pen(dice, papers, px=1 / 48)).parts
    return [
        [_css(color), [round(float(x), 3) for point in outline for x in (point.real, point.imag)]]
        for color, outline in parts
    ]


@lru_cache(maxsize=8)
def _shapes(class_names: tuple[str, ...]) -> str:
    shapes: list[dict[str, Any]] = [
        {"label": class_names.index(name), "parts": _centred(_drawing(name, variant))}
        for variant in range(VARIANTS)
        for name in class_names
        if name in DRAW
    ]
    kinds = [class_names[shape["label"]] for shape in shapes]
    scene = {
        "papers": [_paper(index, color) for index, color in enumerate(PAPERS)],
        "inks": [_css(color) for color in (TOMATO, COBALT, JADE, MARIGOLD, BUTTER)],
        "shapes": shapes,
        "start": [[kinds.index(name), *where] for name, *where in START if name in kinds],
    }
    return json.dumps(scene)


def _centred(parts: list[list[Any]]) -> list[list[Any]]:
    """Around the origin, the longer side of the whole drawing 1."""
    xs = [x for _, points in parts for x in points[::2]]
    ys = [y for _, points in parts for y in points[1::2]]
    scale = 1 / max(max(xs) - min(xs), max(ys) - min(ys))
    middle = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
    return [
        [color, [round((value - middle[i % 2]) * scale, 4) for i, value in enumerate(points)]]
        for color, points in parts
    ]


def scene_for(class_names: Sequence[str]) -> dict[str, Any] | None:
    """Shapes that a reader can arrange, if the detector knows any class of Shapes.

    Args:
        class_names: names by label, the background's first.

    Returns:
        Papers, drawings with their labels, and what lies on the page at first; None for a
        detector that has learned other things.

    >>> scene_for(["background", "cat"]) is None
    True
    >>> len(scene_for(["background", "tree", "house"])["shapes"])
    4
    """
    if not set(class_names) & set(DRAW):
        return None
    scene: dict[str, Any] = json.loads(_shapes(tuple(class_names)))
    return scene


def portrait() -> dict[str, str] | None:
    """A photograph with a face: NASA's portrait of Eileen Collins, in the public domain.

    Returns:
        The picture and what it is; None where the package is installed without the course's data.
    """
    try:
        grid = json.loads(data_path("results", "face_grid.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return {"image": grid["photo"], "what": "a photograph of the astronaut Eileen Collins"}
