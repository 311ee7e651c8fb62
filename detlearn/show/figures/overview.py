"""The four systems, drawn as one set: what stands at the same place does the same thing.

From left to right: the image, the backbone, what a system puts between backbone and pyramid, the
pyramid, its heads, and what becomes of their numbers. A map of the pyramid is the image with the
map's cells on it, and the priors of one cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from detlearn.boxes import PriorBox, PriorConfig, cxcywh_to_xyxy
from detlearn.data.shapes import VAL_SEED, Shapes
from detlearn.models import create_model
from detlearn.models.modes import evaluating
from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    ORANGE,
    PAGE_WIDTH,
    PAPER,
    PURPLE,
    SKY,
    VERMILION,
    blank_axes,
    class_colour,
    draw_rectangle,
    finish,
    image_array,
    paper,
    show_image,
)
from detlearn.show.diagram import TINTS, arrow, block, card, write
from detlearn.show.figure import Figure
from detlearn.show.figures.hrnet import BRANCH_COLOURS
from detlearn.show.figures.m2det import LEVEL_COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["draw_overview"]

FOOT, BODY = 0.56, 4.36
"""Inches: the words at the bottom, and the height of what stands on them."""
IMAGE, SLABS, TILES, WORDS, HEADS, BUS, RESULT = 0.58, 1.22, 3.98, 4.56, 5.58, 5.93, 6.72
"""Where each part stands, inches from the left; of image, tiles, heads and result the middle."""

OVERVIEW_BYTES = 140_000
"""The picture of the whole is sharp in any case; it is the largest on its chapter's slides."""


class System(NamedTuple):
    """What the picture says of one system; every number is read off the model itself."""

    model: str
    name: str
    backbone: str
    neck: str  # what stands between backbone and pyramid
    heads: str
    news: str  # what this system has and SSD has not (of SSD: what it had first)


SYSTEMS = {
    "ssd": System(
        "ssd300_vgg16", "SSD300", "VGG-16", "extra layers", "one per map",
        "SSD's idea:\nevery map of\nthe network\ndetects. Fine\nmaps see small\nobjects,\n"
        "coarse maps\nsee large ones.",
    ),
    "refinedet": System(
        "refinedet320_vgg16", "RefineDet320", "VGG-16", "ARM, TCBs", "the ODM",
        "New: two steps.\nThe ARM moves\nthe priors, and\nthe ODM starts\nfrom these\nanchors. "
        "TCBs\nhand on what\ncoarse maps\nknow.",
    ),
    "m2det": System(
        "m2det320_vgg16", "M2Det320", "VGG-16", "8 TUMs", "one per map",
        "New: levels\nbeside scales.\nEach TUM\nmakes maps of\nall six sizes,\neach deeper\n"
        "than the one\nbefore.",
    ),
    "hrnet": System(
        "ssd_hrnetv2p_w18", "HRNetV2p-W18 with SSD's heads", "HRNet", "HRFPN", "SSD's",
        "New: the fine\nmap is never\ngiven up. All\nbranches stay,\nand each hears\nthe others.\n"
        "\nPoses are read\noff branch 0.",
    ),
}  # fmt: skip


class Facts(NamedTuple):
    """What was read off a model."""

    config: Any
    channels: tuple[int, ...]  # of each map that the heads read, fine to coarse


@lru_cache(maxsize=len(SYSTEMS))
def read_off(model_name: str) -> Facts:
    """The maps' channels, from a pretend pass: on `meta` the largest network needs no memory."""
    with torch.device("meta"), torch.no_grad():
        model: Any = create_model(model_name)
        size = model.config.image_size
        with evaluating(model):
            maps = model.features(torch.empty(1, 3, size, size))
            if hasattr(model, "transfer"):  # the heads read what the TCBs make of the maps
                maps = model.transfer(maps)
    return Facts(model.config, tuple(each.shape[1] for each in maps))


def draw_overview(name: str, *, title: str | None = None, alt: str | None = None) -> Figure:
    """One of the four systems from the image to the boxes, its maps drawn on a scene.

    The four pictures are a set: image, backbone, pyramid, heads and boxes stand at the same
    place in each. Only what lies between backbone and pyramid differs much.

    Args:
        name: `"ssd"`, `"refinedet"`, `"m2det"` or `"hrnet"`.
        title: a line above the picture.
        alt: what the picture shows; parts and numbers when omitted.

    Returns:
        The figure, of the published network: SSD300, RefineDet320 and M2Det320 with VGG-16, and
        HRNetV2p-W18 under SSD's heads.

    Raises:
        ValueError: another name.

    >>> draw_overview("refinedet").alt[:63]
    'RefineDet320: an image of 320 × 320 px goes through VGG-16; a p'
    """
    if name not in SYSTEMS:
        raise ValueError(f"name: expected one of {', '.join(SYSTEMS)}, got {name!r}")
    system, facts = SYSTEMS[name], read_off(SYSTEMS[name].model)
    priors: PriorConfig = facts.config.priors
    size = priors.image_size
    alt = alt or (
        f"{system.name}: an image of {size} × {size} px goes through {system.backbone}; a pyramid "
        f"of {priors.num_levels} maps, {', '.join(map(str, priors.map_sizes))} cells a side, each "
        f"drawn on the same scene with the priors of one cell; a head for each map; "
        f"{priors.num_priors:,} boxes, of which decoding and non-maximum suppression leave those "
        f"of the objects. Between backbone and pyramid: {system.neck}."
    )
    scene, target = Shapes(1, size=size, seed=VAL_SEED, start=26, objects=(4, 6))[0]
    pixels = image_array(scene)
    height = FOOT + BODY + (0.34 if title else 0.0)
    rows = place_rows(priors.num_levels)
    with paper(PAGE_WIDTH, height) as (drawing, axes):
        _picture(drawing, axes, IMAGE, FOOT + BODY - 0.56, 0.5, pixels)
        NECKS[name](axes, rows, facts.config)
        write(axes, 0.06, FOOT + BODY - 1.26, system.news, 9, ha="left", va="top",
              color=VERMILION, linespacing=1.35)  # fmt: skip
        for level, (y, side) in enumerate(rows):
            _map(drawing, axes, y, side, pixels, priors, level)
            _row(axes, y, side, facts, level)
        _outcome(drawing, axes, rows, facts.config, pixels, target)
        _foot(axes, system, priors)
        return finish(drawing, alt, title=title, sharp_bytes=OVERVIEW_BYTES)


# --------------------------------------------------------------------------- the common parts


def place_rows(levels: int) -> list[tuple[float, float]]:
    """(middle, side) of each map's tile, inches, fine to coarse from top to bottom."""
    gap = 0.14
    shares = [0.84**k for k in range(levels)]
    largest = min(1.06, (BODY - 0.1 - gap * (levels - 1)) / sum(shares))
    spare = (BODY - 0.1 - largest * sum(shares)) / max(levels - 1, 1)
    rows, top = [], FOOT + BODY - 0.05
    for share in shares:
        rows.append((top - largest * share / 2, largest * share))
        top -= largest * share + spare
    return rows


def _picture(
    drawing: MatplotlibFigure, axes: Axes, x: float, y: float, half: float, pixels: Any
) -> Axes:
    """The scene around (x, y), framed; axes in its pixels."""
    inside = blank_axes(drawing, (x - half, y - half, 2 * half, 2 * half))
    show_image(inside, pixels)
    block(axes, x - half, y - half, 2 * half, 2 * half, "none", INK, 1.2, above=4)
    return inside


def _map(
    drawing: MatplotlibFigure, axes: Axes, y: float, side: float, pixels: Any,
    priors: PriorConfig, level: int,
) -> None:  # fmt: skip
    """The scene, pale, with the cells of a map and the priors of its middle cell."""
    from matplotlib.collections import LineCollection

    size, cells = priors.image_size, priors.map_sizes[level]
    inside = blank_axes(drawing, (TILES - side / 2, y - side / 2, side, side))
    show_image(inside, pixels, fade=0.6)
    ticks = [k * size / cells for k in range(1, cells)]
    lines = [[(t, 0), (t, size)] for t in ticks] + [[(0, t), (size, t)] for t in ticks]
    # many lines would hide the scene: the finer the grid, the fainter it is
    faint = min(0.8, 14 / cells)
    inside.add_collection(LineCollection(lines, colors=GREEN, linewidths=0.6, alpha=faint))
    boxes = PriorBox(priors).level(level).reshape(cells, cells, -1, 4)[cells // 2, cells // 2]
    for box in cxcywh_to_xyxy(boxes * size).tolist():
        draw_rectangle(inside, box, ORANGE, 1.1)
    block(axes, TILES - side / 2, y - side / 2, side, side, "none", GREEN, 1.8, above=4)


def _row(axes: Axes, y: float, side: float, facts: Facts, level: int) -> None:
    """What a map is in numbers, and the head that reads it."""
    priors: PriorConfig = facts.config.priors
    cells, each = priors.map_sizes[level], priors.priors_per_cell[level]
    size = 9.5 if cells < 100 else 8.5  # six digits would touch the head
    write(axes, WORDS, y + 0.09, f"{cells} × {cells}", size, bold=True, ha="left")
    write(axes, WORDS, y - 0.1, f"{facts.channels[level]:,} ch.", 9, ha="left", color=MUTED)
    card(axes, HEADS - 0.22, y - 0.02, 0.44, 0.22, "3×3", PURPLE, size=9)
    write(axes, HEADS, y - 0.13, f"{each} a cell", 8.5, color=MUTED)
    axes.plot([HEADS + 0.22, BUS], [y + 0.09] * 2, color=INK, lw=1.2)


def _outcome(
    drawing: MatplotlibFigure, axes: Axes, rows: Sequence[tuple[float, float]], config: Any,
    pixels: Any, target: Any,
) -> None:  # fmt: skip
    """The bus of the heads, the numbers of every prior, and the boxes that are left."""
    starts = "anchors" if hasattr(config, "two_step") else "priors"
    top, half = FOOT + BODY, 0.55
    axes.plot([BUS, BUS], [rows[-1][0] + 0.09, rows[0][0] + 0.09], color=INK, lw=1.2)
    y = top - 0.62
    arrow(axes, (BUS, y), (RESULT - 0.62, y), INK, 1.2, mutation_scale=9)
    words = f"logits, deltas\nfor {config.priors.num_priors:,}\n{starts}"
    card(axes, RESULT - 0.62, y - 0.34, 1.24, 0.68, words, ORANGE, size=9.5)
    arrow(axes, (RESULT, y - 0.34), (RESULT, y - 0.64), INK, 1.2, mutation_scale=9)
    card(axes, RESULT - 0.62, y - 1.02, 1.24, 0.38, "decode, NMS", VERMILION, size=9.5)
    arrow(axes, (RESULT, y - 1.02), (RESULT, y - 1.32), INK, 1.2, mutation_scale=9)
    inside = _picture(drawing, axes, RESULT, y - 1.32 - half, half, pixels)
    for box, label in zip(target["boxes"].tolist(), target["labels"].tolist(), strict=True):
        draw_rectangle(inside, box, class_colour(label), 1.6)


def _foot(axes: Axes, system: System, priors: PriorConfig) -> None:
    """The names of the parts, at the same place in every picture."""
    size = priors.image_size
    for x, word, detail in (
        (IMAGE, "image", f"(3, {size}, {size})"),
        (SLABS + 0.32, "backbone", system.backbone),
        (2.78, "in between", system.neck),
        (TILES + 0.16, "pyramid", f"{priors.num_levels} maps, priors orange"),
        (HEADS, "heads", system.heads),
        (RESULT, "boxes", "labels, scores"),
    ):
        write(axes, x, 0.34, word, 11, bold=True)
        write(axes, x, 0.13, detail, 9, color=MUTED)


def _slabs(axes: Axes, y: float) -> float:
    """A backbone whose maps get smaller and deeper; its right end."""
    x = SLABS
    for height, depth in ((0.96, 0.08), (0.76, 0.11), (0.56, 0.15), (0.38, 0.2)):
        block(axes, x, y - height / 2, depth, height, TINTS[0], BLUE, 1.4, above=3)
        x += depth + 0.035
    arrow(axes, (IMAGE + 0.5, y), (SLABS, y), INK, 1.2, mutation_scale=9)
    return x - 0.035


# --------------------------------------------------------------------------- what differs


def _ssd(axes: Axes, rows: Sequence[tuple[float, float]], config: Any) -> None:
    """The chain of layers: two of the backbone, then the extra ones; each is tapped."""
    end = _slabs(axes, rows[0][0])
    names = ["conv4_3", "fc7", *(f"conv{k}_2" for k in range(8, 8 + len(config.extras)))]
    wide, left = 0.8, 2.28
    arrow(axes, (end, rows[0][0]), (left, rows[0][0]), INK, 1.2, mutation_scale=9)
    for k, ((y, side), name) in enumerate(zip(rows, names, strict=True)):
        card(axes, left, y - 0.15, wide, 0.3, name, BLUE if k < 2 else GREEN, size=9)
        arrow(axes, (left + wide, y), (TILES - side / 2, y), MUTED, mutation_scale=9)
        if not k and config.l2norm_scale:
            write(axes, left + wide + 0.19, y + 0.2, "L2Norm", 8, color=MUTED)
        if k:
            arrow(axes, (left + 0.4, rows[k - 1][0] - 0.15), (left + 0.4, y + 0.15), INK, 1.2,
                  mutation_scale=9)  # fmt: skip


def _refinedet(axes: Axes, rows: Sequence[tuple[float, float]], config: Any) -> None:
    """A map and its ARM head on each level; TCBs from coarse to fine; anchors to the heads."""
    end = _slabs(axes, rows[0][0])
    left, tcb, low = 2.02, 2.86, FOOT - 0.04
    names = ("conv4_3", "conv5_3", "fc7", "conv6_2")
    arrow(axes, (end, rows[0][0]), (left, rows[0][0]), INK, 1.2, mutation_scale=9)
    for k, ((y, side), name) in enumerate(zip(rows, names, strict=True)):
        colour = GREEN if k >= len(rows) - len(config.extras) else BLUE
        card(axes, left, y - 0.15, 0.66, 0.3, name, colour, size=8.5)
        card(axes, left + 0.22, y + 0.26, 0.44, 0.24, "ARM", PURPLE, size=8.5)
        arrow(axes, (left + 0.44, y + 0.15), (left + 0.44, y + 0.28), MUTED, mutation_scale=8)
        axes.plot([left + 0.66, left + 0.75], [y + 0.38] * 2, color=BLUE, lw=1.6)
        arrow(axes, (left + 0.66, y), (tcb, y), MUTED, mutation_scale=9)
        block(axes, tcb, y - 0.15, 0.44, 0.3, TINTS[1], ORANGE, 1.8, above=3)
        write(axes, tcb + 0.22, y, "TCB", 8.5, zorder=4)
        arrow(axes, (tcb + 0.44, y), (TILES - side / 2, y), MUTED, mutation_scale=9)
        if k:
            above = rows[k - 1][0]
            arrow(axes, (left + 0.1, above - 0.15), (left + 0.1, y + 0.15), INK, 1.2,
                  mutation_scale=9)  # fmt: skip
            arrow(axes, (tcb + 0.22, y + 0.15), (tcb + 0.22, above - 0.15), VERMILION, 2.0,
                  mutation_scale=10)  # fmt: skip
    # the ARM's numbers go below everything to where the ODM's are read
    at, out = left + 0.75, RESULT + 0.2
    axes.plot([at, at, out], [rows[0][0] + 0.38, low, low], color=BLUE, lw=1.6)
    side = PAGE_WIDTH - 0.02
    axes.plot([out, side], [low, low], color=BLUE, lw=1.6)
    top = FOOT + BODY - 0.05  # the card's side is too near to the edge of the page for an arrow
    axes.plot([side, side, out], [low, top, top], color=BLUE, lw=1.6)
    arrow(axes, (out, top), (out, top - 0.23), BLUE, 1.6, mutation_scale=9)
    write(axes, RESULT, low + 0.12, "anchors", 9, bold=True, color=BLUE)


def _m2det(axes: Axes, rows: Sequence[tuple[float, float]], config: Any) -> None:
    """The base feature, a TUM a column in its level's colour, and all of them gathered."""
    end = _slabs(axes, rows[0][0])
    side, base = config.priors.map_sizes[0], sum(config.base_channels)
    left, step, low = 2.02, 0.158, FOOT + 0.03
    words = f"base\nfeature\n{base} ch.\n{side} × {side}"
    y = rows[1][0] - 0.12
    card(axes, SLABS, y - 0.4, 0.64, 0.72, words, BLUE, size=8.5)
    arrow(axes, (end - 0.1, rows[0][0] - 0.2), (end - 0.1, y + 0.32), INK, 1.2, mutation_scale=9)
    last = left + step * config.num_levels
    axes.plot([SLABS + 0.32, SLABS + 0.32], [y - 0.4, low], color=BLUE, lw=1.6)
    axes.plot([SLABS + 0.32, last - step / 2], [low, low], color=BLUE, lw=1.6)
    top, bottom = rows[0][0] + 0.16, rows[-1][0] - 0.12
    for level in range(config.num_levels):
        x, colour = left + step * level, LEVEL_COLOURS[level]
        block(axes, x, bottom, step - 0.03, top - bottom, PAPER, colour, 1.4, above=2)
        axes.plot([x + step / 2 - 0.015] * 2, [low, bottom], color=BLUE, lw=1.2)
        for y, _ in rows:
            block(axes, x + 0.025, y - 0.04, step - 0.08, 0.08, colour, above=3)
    write(axes, left + step * config.num_levels / 2, top + 0.1, "TUM 0 to 7", 9)
    for y, side in rows:
        arrow(axes, (last, y), (TILES - side / 2, y), MUTED, mutation_scale=9)


def _hrnet(axes: Axes, rows: Sequence[tuple[float, float]], config: Any) -> None:
    """Branches that run side by side, one exchange a stage, and HRFPN, which reads them all."""
    trunk = config.hrnet
    branches, unit, wide = len(trunk.widths), 0.53, 0.13
    ys = [rows[k][0] for k in range(branches)]
    left, end = SLABS, SLABS + 0.13 + unit * len(trunk.modules)
    arrow(axes, (IMAGE + 0.5, ys[0]), (left, ys[0]), INK, 1.2, mutation_scale=9)
    block(axes, left, ys[0] - 0.3, wide, 0.6, SKY, above=3)
    x = left + wide
    for stage, count in enumerate(trunk.modules):
        living = stage + 2
        for k in range(living - 1):
            axes.plot([x, x + 0.2], [ys[k]] * 2, color=BRANCH_COLOURS[k], lw=1.6)
        arrow(axes, (x, ys[living - 2]), (x + 0.2, ys[living - 1]), VERMILION, 1.6,
              ls=(0, (3, 1.5)), mutation_scale=9)  # fmt: skip
        x += 0.2
        for k in range(living):
            tall = 0.6 * 0.8**k
            block(axes, x, ys[k] - tall / 2, wide, tall, BRANCH_COLOURS[k], above=3)
            for giver in range(living):
                axes.plot([x + wide, x + 0.33], [ys[giver], ys[k]], zorder=1,
                          color=INK if giver == k else MUTED,
                          lw=1.6 if giver == k else 0.8)  # fmt: skip
        write(axes, x + 0.08, ys[0] + 0.4, f"×{count}", 9)
        x += 0.33
    card(axes, end + 0.02, rows[-1][0] - 0.1, 0.3, ys[0] - rows[-1][0] + 0.3, "", ORANGE)
    write(axes, end + 0.17, (ys[0] + rows[-1][0]) / 2, "HRFPN", 9, rotation=90, zorder=4)
    for y, side in rows:
        arrow(axes, (end + 0.32, y), (TILES - side / 2, y), MUTED, mutation_scale=9)


NECKS = {"ssd": _ssd, "refinedet": _refinedet, "m2det": _m2det, "hrnet": _hrnet}
