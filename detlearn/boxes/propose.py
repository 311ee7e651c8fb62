"""Priors for boxes of one's own: from measured boxes to a layout that covers them.

Nobody has to guess the sizes and ratios of a data set, its boxes tell them.  What belongs to the
network (``map_sizes``, ``steps``) stays; sizes and ratios are chosen in four steps:

1. sizes: the same *factor* between neighbours, from the smallest common size to the largest;
2. ratios: the means of a few groups of long boxes, as many groups as are needed;
3. measure: a size moves a little as long as more objects get a prior;
4. save: a ratio that no object of its level needs is taken away again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from .geometry import check_fractions, xyxy_to_cxcywh
from .layouts import PriorConfig
from .priors import PriorBox

__all__ = ["cluster_1d", "layout_coverage", "level_coverage", "propose_layout"]

MOST_BOXES = 4000  # measured while searching; more change nothing but the time
LONG = 1.4  # from this ratio of the sides on a square is a poor prior: IoU 1 / 1.4 at best
LARGEST = 8  # steps: a larger prior sees too little of its object from its map
MOVES = (1.25, 1.1, 1.04, 1 / 1.04, 1 / 1.1, 1 / 1.25)
ROUNDS = 25
IDLE = 0.003  # share of the objects; what covers no more is not worth its priors


def level_coverage(boxes: Tensor, config: PriorConfig, level: int) -> Tensor:
    """Best IoU of each object with each of the priors that a cell of a level owns.

    Of all cells only the one with the nearest centre counts: two boxes of given sizes share the
    more, the nearer their centres are, along x and along y.  So the best of the priors of a map
    costs no more than one of its cells.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the image.
        config: the layout.
        level: 0 is the finest.

    Returns:
        ``(G, A)``, the best IoU for each of the A priors, float64.

    >>> config = PriorConfig(8, (2,), (4,), (2,), (8,), ((),))  # squares of 2 and 4 px
    >>> level_coverage(torch.tensor([[0.0, 0.0, 0.5, 0.5]]), config, 0)
    tensor([[0.2500, 1.0000]], dtype=torch.float64)
    """
    clamp = config.clamp
    priors, boxes = PriorBox(config), boxes.to(torch.float64)
    along = priors.centers(level)[: config.map_sizes[level], 0]  # (W,)
    sizes = priors.sizes(level)  # (A, 2)
    along = along.clamp(0, 1) if clamp == "all" else along
    sizes = sizes if clamp == "none" else sizes.clamp(0, 1)
    middles = xyxy_to_cxcywh(boxes)[:, :2]  # (G, 2)
    nearest = along[(middles[..., None] - along).abs().argmin(dim=-1)]  # (G, 2)
    columns = []
    for size in sizes:
        half = size / 2
        first = torch.maximum(nearest - half, boxes[:, :2])  # (G, 2)
        last = torch.minimum(nearest + half, boxes[:, 2:])  # (G, 2)
        shared = (last - first).clamp(min=0).prod(dim=1)  # (G,)
        own = (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)  # (G,)
        columns.append(shared / (own + size.prod() - shared))
    return torch.stack(columns, dim=1)  # (G, A)


def layout_coverage(boxes: Tensor, config: PriorConfig) -> Tensor:
    """IoU of each object with its best prior: `coverage`, without making the priors.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the image; objects of any number of images.
        config: the layout.

    Returns:
        ``(G,)`` float64.

    Raises:
        ValueError: boxes in px.

    **Invariant:** ``layout_coverage(b, c) == coverage(b, make_priors(c))``.

    >>> from detlearn.boxes import SSD_TINY_PRIORS
    >>> layout_coverage(torch.tensor([[0.0, 0.0, 0.25, 0.25]]), SSD_TINY_PRIORS) > 0.5
    tensor([True])
    """
    check_fractions(boxes)
    levels = [level_coverage(boxes, config, k).amax(dim=1) for k in range(config.num_levels)]
    return torch.stack(levels).amax(dim=0)


def cluster_1d(values: Tensor, groups: int) -> Tensor:
    """Means of the groups that k-means finds among numbers.

    Every number joins the nearest mean, every mean moves to the middle of its group, and again.

    Args:
        values: ``(N,)``, at least one.
        groups: how many means, at least 1; fewer come back if there are fewer different numbers.

    Returns:
        ``(K,)`` ascending.

    Raises:
        ValueError: no numbers, or no groups.

    >>> cluster_1d(torch.tensor([1.0, 1.0, 2.0, 9.0, 11.0]), 2).tolist()
    [1.3333333333333333, 10.0]
    """
    if values.ndim != 1 or len(values) == 0 or groups < 1:
        raise ValueError(
            f"expected (N,) numbers, at least one, and at least one group, got "
            f"{tuple(values.shape)} and {groups}"
        )
    values = values.to(torch.float64)
    places = (torch.arange(groups, dtype=torch.float64) + 0.5) / groups
    means = values.quantile(places).unique()  # (K,)
    for _ in range(50):
        nearest = (values[:, None] - means).abs().argmin(dim=1)  # (N,)
        moved = torch.stack([values[nearest == k].mean() for k in nearest.unique()])
        if torch.equal(moved, means):
            break
        means = moved
    return means


def propose_layout(
    boxes: Tensor, base: PriorConfig, *, target: float = 0.98, threshold: float = 0.5,
    max_ratios: int = 3,
) -> PriorConfig:  # fmt: skip
    """A layout whose sizes and ratios suit the boxes of a data set.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the *network input*: all objects to train on.
        base: the network's layout; its maps, steps, input size and clamp stay.
        target: share of objects that is enough.  Further ratios are tried only below it; on new
            images of the same kind expect a little less.
        threshold: IoU from which on an object counts as covered.
        max_ratios: at most so many ratios a level; each adds two priors to every cell.

    Returns:
        a layout for ``create_model(name, priors=...)``.  It covers what can be covered: where
        ``target`` is out of reach, measure with `layout_coverage`, and take a larger input.

    Raises:
        ValueError: no boxes, boxes that are no fractions, or numbers out of range.

    >>> generator = torch.Generator().manual_seed(0)
    >>> corner = 0.5 * torch.rand(500, 2, generator=generator)
    >>> wide = torch.cat([corner, corner + torch.tensor([0.4, 0.1])], dim=1)  # all are 4 : 1
    >>> from detlearn.boxes import SSD_TINY_PRIORS
    >>> mine = propose_layout(wide, SSD_TINY_PRIORS)
    >>> [bool((layout_coverage(wide, c) >= 0.5).double().mean() > 0.97)
    ...  for c in (SSD_TINY_PRIORS, mine)]
    [False, True]
    """
    boxes = _checked(boxes)
    if not (0 < target <= 1 and 0 < threshold < 1 and max_ratios >= 0):
        raise ValueError(
            "expected 0 < target <= 1, 0 < threshold < 1 and max_ratios >= 0, got "
            f"{target}, {threshold} and {max_ratios}"
        )
    sides = boxes[:, 2:] - boxes[:, :2]  # (G, 2)
    ladder = _even_factors(sides.prod(dim=1).sqrt() * base.image_size, base)
    logs = (sides[:, 0] / sides[:, 1]).log().abs()  # (G,) wide and tall alike
    long = logs[logs > torch.tensor(LONG).log()]
    best, best_share = base, -1.0
    for number in range(max_ratios + 1):
        ratios: tuple[float, ...] = ()
        if number:
            if len(long) == 0:
                break
            ratios = tuple({round(r, 1) for r in cluster_1d(long, number).exp().tolist()})
        found = _climb(boxes, _layout(base, ladder, (tuple(sorted(ratios)),) * base.num_levels),
                       threshold)  # fmt: skip
        share = _share(boxes, found, threshold)
        if share > best_share + IDLE:  # a ratio must earn its priors
            best, best_share = found, share
        if best_share >= target:
            break
    return _without_idle_ratios(boxes, best, best_share - IDLE, threshold)


def _checked(boxes: Tensor) -> Tensor:
    """At most `MOST_BOXES` of the boxes, spread over all of them."""
    if boxes.ndim != 2 or boxes.shape[1] != 4 or len(boxes) == 0:
        raise ValueError(f"boxes: expected (G, 4), at least one, got {tuple(boxes.shape)}")
    boxes = boxes.to(torch.float64)
    bad = ~((boxes > -0.01) & (boxes < 1.01)).all(dim=1) | ~(boxes[:, 2:] > boxes[:, :2]).all(dim=1)
    if bad.any():
        first = int(bad.nonzero()[0])
        raise ValueError(
            f"boxes[{first}]: expected 0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1, fractions of the "
            f"network input, got {boxes[first].tolist()}"
        )
    if len(boxes) > MOST_BOXES:
        boxes = boxes[torch.linspace(0, len(boxes) - 1, MOST_BOXES).long()]
    return boxes


def _even_factors(sizes: Tensor, base: PriorConfig) -> list[float]:
    """Sizes of all levels and one more, px: each the one before times the same factor."""
    low, high = sizes.quantile(torch.tensor([0.02, 0.98], dtype=sizes.dtype)).tolist()
    levels = base.num_levels
    factor = max(high / low, 1.5) ** (1 / levels)
    return [low * factor**k for k in range(levels + 1)]


def _layout(
    base: PriorConfig, ladder: Sequence[float], ratios: tuple[tuple[float, ...], ...]
) -> PriorConfig:
    """The ladder as minima and maxima, in tenths of a pixel, within what a map can see."""
    most = [LARGEST * step for step in base.steps]
    most.append(max(*base.steps, base.image_size) * 1.05)
    sizes = [round(min(size, limit), 1) for size, limit in zip(ladder, most, strict=True)]
    top = [max(pair) for pair in zip(sizes[1:], sizes[:-1], strict=True)]
    return replace(
        base, min_sizes=tuple(sizes[:-1]), max_sizes=tuple(top) if base.max_sizes else (),
        aspect_ratios=ratios,
    )  # fmt: skip


def _share(boxes: Tensor, config: PriorConfig, threshold: float) -> float:
    """Share of the objects that have a prior."""
    return float((layout_coverage(boxes, config) >= threshold).double().mean())


def _climb(boxes: Tensor, config: PriorConfig, threshold: float) -> PriorConfig:
    """Move one size after the other as long as that covers more objects."""
    ratios, levels = config.aspect_ratios, config.num_levels
    top = config.max_sizes[-1] if config.max_sizes else config.min_sizes[-1] * 1.2
    ladder = [*config.min_sizes, top]
    parts = [level_coverage(boxes, config, k).amax(dim=1) for k in range(levels)]

    def worth(parts: list[Tensor]) -> float:
        best = torch.stack(parts).amax(dim=0)
        # Of two that cover as many, the one whose priors fit better.
        return float((best >= threshold).double().mean() + 0.05 * best.mean())

    reached = worth(parts)
    for _ in range(ROUNDS):
        before = reached
        for place in range(levels + 1):
            for move in MOVES:
                trial = [*ladder]
                trial[place] *= move
                if sorted(trial) != trial:
                    continue
                moved = _layout(config, trial, ratios)
                touched = [k for k in (place - 1, place) if 0 <= k < levels]
                new = [*parts]
                for k in touched:
                    new[k] = level_coverage(boxes, moved, k).amax(dim=1)
                if (value := worth(new)) > reached + 1e-9:
                    config, ladder, parts, reached = moved, trial, new, value
        if reached <= before + 1e-4:
            break
    return config


def _without_idle_ratios(
    boxes: Tensor, config: PriorConfig, enough: float, threshold: float
) -> PriorConfig:
    """Take ratios away, the finest level's first (they cost most), while enough stay covered."""
    for level in range(config.num_levels):
        for ratio in config.aspect_ratios[level]:
            ratios = [list(one) for one in config.aspect_ratios]
            ratios[level].remove(ratio)
            fewer = replace(config, aspect_ratios=tuple(map(tuple, ratios)))
            if _share(boxes, fewer, threshold) >= enough:
                config = fewer
    return config
