"""Exercises of notebook 02, PriorBox.

Keys: `prior_count`, `cell_sizes`, `cell_centers`, `share_covered`, `find_prior`, `even_factors`,
`moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer, integers

__all__ = [
    "cell_centers", "cell_sizes", "even_factors", "find_prior", "moves", "prior_count",
    "share_covered",
]  # fmt: skip


# ---------------------------------------------------------------------------- prior_count


def _count_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (1,), ((),)
    yield (2, 1), ((2,), ())
    yield (38, 19, 10, 5, 3, 1), ((2,), (2, 3), (2, 3), (2, 3), (2,), (2,))
    for _ in range(20):
        levels = integer(generator, 1, 7)
        ratios = tuple((2, 3, 4)[:n] for n in integers(generator, 0, 3, levels))
        yield integers(generator, 1, 64, levels), ratios


_COUNT = """
    def prior_count(map_sizes, aspect_ratios):
        return {count}
"""

prior_count = Exercise(
    notebook="nb02",
    key="prior_count",
    prompt=(
        "Write `prior_count(map_sizes, aspect_ratios)`: the number of priors of a layout with "
        "square maps of `map_sizes` cells a side. Each cell has two squares, and two boxes for "
        "each of the ratios of its level. SSD300 must give 8,732."
    ),
    stub='''
    def prior_count(map_sizes, aspect_ratios):
        """Number of priors of all levels together."""
        total = 0
        for side, ratios in zip(map_sizes, aspect_ratios):
            ...
        return None
    ''',
    solution_source='''
    def prior_count(map_sizes, aspect_ratios):
        """Number of priors of all levels together."""
        total = 0
        for side, ratios in zip(map_sizes, aspect_ratios):
            total += side * side * (2 + 2 * len(ratios))
        return total
    ''',
    hints=(
        "Count one level first: cells times priors of a cell.",
        "A map of 38 cells a side has 38 · 38 cells; ratios (2, 3) make 2 + 2 · 2 = 6 priors "
        "in each.",
        "`total += side * side * (...)` inside the loop, `return total` after it.",
    ),
    wrong_answers=(
        WrongAnswer(
            """
            def prior_count(map_sizes, aspect_ratios):
                return sum(s * (2 + 2 * len(r)) for s, r in zip(map_sizes, aspect_ratios))
            """,
            "A map of side s has s · s cells, not s: the maps are square, not a row.",
        ),
        WrongAnswer(
            """
            def prior_count(map_sizes, aspect_ratios):
                return sum(s * s * (1 + 2 * len(r)) for s, r in zip(map_sizes, aspect_ratios))
            """,
            "One prior is missing in every cell: the second square, of side sqrt(min · max). "
            "(RefineDet has indeed only one square, SSD has two.)",
        ),
        WrongAnswer(
            """
            def prior_count(map_sizes, aspect_ratios):
                return sum(s * s * (2 + len(r)) for s, r in zip(map_sizes, aspect_ratios))
            """,
            "Every ratio makes two boxes, a wide one (r) and a tall one (1/r). You count one.",
        ),
        WrongAnswer(
            """
            def prior_count(map_sizes, aspect_ratios):
                return sum(s * s for s in map_sizes)
            """,
            "This is the number of cells. Every cell has several priors: multiply before you sum.",
        ),
        WrongAnswer(
            """
            def prior_count(map_sizes, aspect_ratios):
                total = 0
                for s, r in zip(map_sizes, aspect_ratios):
                    total = s * s * (2 + 2 * len(r))
                return total
            """,
            "This is the last level alone: `total = ...` forgets the earlier ones, `total += ...` "
            "adds to them.",
        ),
        WrongAnswer(
            """
            def prior_count(map_sizes, aspect_ratios):
                total = 0
                for side, ratios in zip(map_sizes, aspect_ratios):
                    total += side * side * (2 + 2 * len(ratios))
                    return total
            """,
            "This is the first level alone: the `return` stands inside the loop. Put it below, at "
            "the indentation of `for`.",
        ),
        WrongAnswer(
            """
            def prior_count(map_sizes, aspect_ratios):
                return sum(s * s * 2 * len(r) for s, r in zip(map_sizes, aspect_ratios))
            """,
            "You count the boxes of the ratios and forget the two squares of each cell: "
            "2 + 2 * len(ratios).",
        ),
        WrongAnswer(
            """
            def prior_count(map_sizes, aspect_ratios):
                return sum(s * s * len(aspect_ratios) for s in map_sizes)
            """,
            "`len(aspect_ratios)` is the number of levels. Each level has ratios of its own: use "
            "`len(ratios)` of the level in hand.",
        ),
        WrongAnswer(
            _COUNT.format(
                count="sum(s * s for s in map_sizes) * sum(2 + 2 * len(r) for r in aspect_ratios)"
            ),
            "You multiply all cells by all boxes. Each level has its own number of boxes in a "
            "cell: multiply level by level, then add.",
        ),
        WrongAnswer(
            _COUNT.format(
                count="sum(s * s * (2 + 2 * sum(r)) for s, r in zip(map_sizes, aspect_ratios))"
            ),
            "You add up the ratios themselves. Their number counts: len(ratios).",
        ),
        WrongAnswer(
            _COUNT.format(
                count="sum(s * s * 2 * (1 + 2 * len(r)) for s, r in zip(map_sizes, aspect_ratios))"
            ),
            "You double the boxes of the ratios once too often: two squares and two boxes a ratio "
            "are 2 + 2 * len(ratios).",
        ),
        WrongAnswer(
            _COUNT.format(
                count="sum(2 * s * (2 + 2 * len(r)) for s, r in zip(map_sizes, aspect_ratios))"
            ),
            "2 · s is not the square of s: a map of 3 cells a side has 9 cells, not 6.",
        ),
        WrongAnswer(
            _COUNT.format(
                count="sum(s * s * 2 + 2 * len(r) for s, r in zip(map_sizes, aspect_ratios))"
            ),
            "Brackets are missing: every cell has the boxes of the ratios as well, so both are "
            "multiplied by the cells.",
        ),
        WrongAnswer(
            _COUNT.format(count="sum(s * s * 6 for s in map_sizes)"),
            "Six boxes in a cell is right for levels with two ratios only. Count the ratios of "
            "each level.",
        ),
        WrongAnswer(
            _COUNT.format(count="sum(s * s * 4 for s in map_sizes)"),
            "Four boxes in a cell is right for levels with one ratio only. (Four is also how many "
            "numbers a box has; here boxes are counted.)",
        ),
        WrongAnswer(
            _COUNT.format(
                count="[s * s * (2 + 2 * len(r)) for s, r in zip(map_sizes, aspect_ratios)]"
            ),
            "The levels are right, one by one. Wanted is their sum.",
        ),
        WrongAnswer(
            _COUNT.format(
                count="4 * sum(s * s * (2 + 2 * len(r)) for s, r in zip(map_sizes, aspect_ratios))"
            ),
            "These are the numbers of all boxes, four for each. Count the boxes.",
        ),
        WrongAnswer(
            _COUNT.format(count="sum(2 + 2 * len(r) for r in aspect_ratios)"),
            "These are the boxes of one cell of each level. Multiply by the level's cells, side * "
            "side.",
        ),
        WrongAnswer(
            _COUNT.format(
                count="sum(s * s * (2 + 2 * r) for s, r in zip(map_sizes, aspect_ratios))"
            ),
            "`ratios` is a tuple, such as (2, 3). How many ratios a level has says len(ratios).",
        ),
    ),
    cases=_count_cases,
    praise="For SSD300 it gives 8,732: two thirds of them on the finest map.",
)


# ---------------------------------------------------------------------------- cell_sizes


def _size_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 30.0, 120.0, (), 300
    yield 30.0, 60.0, (4.0,), 300
    yield (
        264.0,
        315.0,
        (2.0,),
        300,
    )  # SSD300's coarsest: larger than the image, and not clamped here
    for _ in range(20):
        small = 10 + 100 * float(torch.rand((), generator=generator))
        large = small + 5 + 100 * float(torch.rand((), generator=generator))
        ratios = (2.0, 3.0, 1.5)[: integer(generator, 1, 3)]
        yield small, large, ratios, (300, 320, 512)[integer(generator, 0, 2)]


_SIZES_HEAD = """
    def cell_sizes(min_size, max_size, ratios, image_size):
        between = math.sqrt(min_size * max_size)
        sizes = [(min_size, min_size), (between, between)]
        for ratio in ratios:
            root = math.sqrt(ratio)
            wide, tall = ({wide}), ({tall})
            sizes += [wide, tall]
        return torch.tensor(sizes) / image_size
"""


def _cell_sizes(
    wide: str = "min_size * root, min_size / root", tall: str = "min_size / root, min_size * root"
) -> str:
    return _SIZES_HEAD.format(wide=wide, tall=tall)


cell_sizes = Exercise(
    notebook="nb02",
    key="cell_sizes",
    prompt=(
        "Write `cell_sizes(min_size, max_size, ratios, image_size)`: width and height of the "
        "priors of one cell, (A, 2), in fractions of the image: the square of side min_size, the "
        "square of side sqrt(min_size · max_size), then for each ratio r the wide box and the "
        "tall one, both of area min_size². All sizes given are pixels."
    ),
    stub='''
    def cell_sizes(min_size, max_size, ratios, image_size):
        """Width and height of one cell's priors, fractions of the image."""
        sizes = [(min_size, min_size)]
        ...
        return None
    ''',
    solution_source='''
    def cell_sizes(min_size, max_size, ratios, image_size):
        """Width and height of one cell's priors, fractions of the image."""
        between = math.sqrt(min_size * max_size)
        sizes = [(min_size, min_size), (between, between)]
        for ratio in ratios:
            root = math.sqrt(ratio)
            sizes.append((min_size * root, min_size / root))
            sizes.append((min_size / root, min_size * root))
        return torch.tensor(sizes) / image_size  # (A, 2)
    ''',
    hints=(
        "The second square lies between this level's size and the next one's: the geometric "
        "mean, sqrt(min · max).",
        "Width / height must be r and width · height must be min²: which two factors of min_size "
        "do that?",
        "One of the factors is sqrt(r), the other undoes it in the area. Tall: the same two "
        "numbers in the other order. What is left to do at the end, since the sizes given are "
        "pixels?",
    ),
    wrong_answers=(
        WrongAnswer(
            _cell_sizes(
                wide="min_size / root, min_size * root", tall="min_size * root, min_size / root"
            ),
            "Width and height are swapped: for a ratio above 1 the wide box comes first, and its "
            "width is the larger number. (ratio = width / height)",
        ),
        WrongAnswer(
            _cell_sizes(
                wide="min_size * ratio, min_size / ratio", tall="min_size / ratio, min_size * ratio"
            ),
            "You multiply by r where sqrt(r) belongs: width / height becomes r², not r.",
        ),
        WrongAnswer(
            _cell_sizes(wide="min_size * ratio, min_size", tall="min_size, min_size * ratio"),
            "The ratio is right, but the boxes grow: r · min². Multiply one side by sqrt(r) and "
            "divide the other by it, and the area stays min².",
        ),
        WrongAnswer(
            _cell_sizes().replace("math.sqrt(min_size * max_size)", "(min_size + max_size) / 2"),
            "The second square has side sqrt(min · max), the geometric mean; you took the "
            "arithmetic mean, (min + max) / 2.",
        ),
        WrongAnswer(
            _cell_sizes().replace("(between, between)", "(max_size, max_size)"),
            "The second square has side sqrt(min · max); you took max itself, which is the first "
            "square of the next level.",
        ),
        WrongAnswer(
            _cell_sizes().replace(" / image_size", ""),
            "The sizes are right, but in pixels: priors are fractions of the image.",
        ),
        WrongAnswer(
            _cell_sizes().replace(
                "return torch.tensor(sizes) / image_size",
                "return (torch.tensor(sizes) / image_size).clamp(0, 1)",
            ),
            "You clamp the sizes to 1. `PriorBox.sizes` does not: SSD300's coarsest wide box is "
            "373 px long on 300 px, and `level` clamps it later. Leave .clamp(0, 1) out.",
        ),
        WrongAnswer(
            _cell_sizes(
                wide="between * root, between / root", tall="between / root, between * root"
            ),
            "The ratio boxes have the area of the second square. They belong to the first: start "
            "from min_size.",
        ),
        WrongAnswer(
            _cell_sizes().replace(", (between, between)]", "]"),
            "The second square, of side sqrt(min · max), is missing.",
        ),
        WrongAnswer(
            _cell_sizes().replace("sizes += [wide, tall]", "sizes += [wide]"),
            "Every ratio makes two boxes, a wide one and a tall one. The tall one is missing.",
        ),
        WrongAnswer(
            _cell_sizes().replace(
                "(min_size, min_size), (between, between)",
                "(between, between), (min_size, min_size)",
            ),
            "The two squares are in the other order: first min_size, then sqrt(min · max). The "
            "heads predict in this order.",
        ),
        WrongAnswer(
            _cell_sizes()
            .replace(
                "sizes = [(min_size, min_size), (between, between)]",
                "sizes = [(min_size, min_size)]",
            )
            .replace(
                "        return torch",
                "        sizes.append((between, between))\n        return torch",
            ),
            "The second square stands last. It comes directly behind the first one, before the "
            "ratios.",
        ),
        WrongAnswer(
            _cell_sizes().replace("math.sqrt(min_size * max_size)", "min_size * max_size"),
            "min · max is an area. The side of the second square is its root.",
        ),
        WrongAnswer(
            _cell_sizes().replace("/ image_size", "* image_size"),
            "You multiply by image_size. Pixels become fractions when they are *divided* by it.",
        ),
        WrongAnswer(
            _cell_sizes(
                wide="min_size * root, min_size * root", tall="min_size / root, min_size / root"
            ),
            "These are squares. A ratio makes one side longer and the other shorter: multiply one "
            "by sqrt(r), divide the other by it.",
        ),
        WrongAnswer(
            _cell_sizes().replace(
                "return torch.tensor(sizes) / image_size",
                "return [(w / image_size, h / image_size) for w, h in sizes]",
            ),
            "The numbers are right, but they are a list. Wanted is a tensor, (A, 2): "
            "torch.tensor(sizes) / image_size.",
        ),
        WrongAnswer(
            _cell_sizes().replace(
                "sizes += [wide, tall]",
                "sizes = sizes[: 1 + len(sizes) // 2] + [wide] + sizes[1 + len(sizes) // 2 :] + "
                "[tall]",
            ),
            "All wide boxes come before all tall ones in your answer. The two of one ratio belong "
            "together: wide, tall, wide, tall.",
        ),
    ),
    cases=_size_cases,
    praise="Equal to `PriorBox(config).sizes(level)`, for every layout with two squares.",
)


# ---------------------------------------------------------------------------- cell_centers


def _center_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 1, 300, 300
    yield 2, 4, 8
    yield 38, 8, 300
    for _ in range(20):
        side, step = integers(generator, 2, 20, 2)
        yield side, step, side * step - integer(generator, 1, step) + 1


_CENTERS = """
    def cell_centers(map_size, step, image_size):
        along = {along}
        y, x = torch.meshgrid(along, along, indexing="ij")
        return {stack}
"""
_RIGHT_ALONG = "(torch.arange(map_size) + 0.5) * step / image_size"
_RIGHT_STACK = "torch.stack([x, y], dim=-1).reshape(-1, 2)"

cell_centers = Exercise(
    notebook="nb02",
    key="cell_centers",
    prompt=(
        "Write `cell_centers(map_size, step, image_size)` without a loop: the centres (x, y) of "
        "all cells of a square map in fractions of the image, (H·W, 2), row by row: the second "
        "row of the result is the right neighbour of the first. `step` is the distance of two "
        "centres in pixels."
    ),
    stub='''
    def cell_centers(map_size, step, image_size):
        """Centre (x, y) of every cell, row by row, fractions of the image."""
        along = torch.arange(map_size)
        ...
        return None
    ''',
    solution_source='''
    def cell_centers(map_size, step, image_size):
        """Centre (x, y) of every cell, row by row, fractions of the image."""
        along = (torch.arange(map_size) + 0.5) * step / image_size
        y, x = torch.meshgrid(along, along, indexing="ij")  # (H, W), (H, W)
        return torch.stack([x, y], dim=-1).reshape(-1, 2)  # (H*W, 2)
    ''',
    hints=(
        "One axis first: cell 0 spans 0 to step pixels, so its centre lies at step / 2.",
        '`torch.meshgrid(along, along, indexing="ij")` gives two (H, W) tensors; the first '
        "changes from row to row, the second from column to column. Which one is x?",
        "`torch.stack` along a new last dimension makes (H, W, 2) of two (H, W); a reshape reads "
        "it row by row.",
    ),
    wrong_answers=(
        WrongAnswer(
            _CENTERS.format(along=_RIGHT_ALONG, stack="torch.stack([y, x], dim=-1).reshape(-1, 2)"),
            "x and y are swapped: in your result the second row lies below the first, it should "
            'lie to its right. With indexing="ij" the first output of meshgrid changes from row '
            "to row, that is y.",
        ),
        WrongAnswer(
            _CENTERS.format(along="torch.arange(map_size) * step / image_size", stack=_RIGHT_STACK),
            "These are the upper left corners of the cells. A centre lies half a step further: "
            "(i + 0.5) · step.",
        ),
        WrongAnswer(
            _CENTERS.format(along="(torch.arange(map_size) + 0.5) / map_size", stack=_RIGHT_STACK),
            "You divide the image evenly by map_size and ignore step. Often that is the same, but "
            "38 cells of 8 px are 304 px, not 300.",
        ),
        WrongAnswer(
            _CENTERS.format(along="(torch.arange(map_size) + 0.5) * step", stack=_RIGHT_STACK),
            "The centres are right, but in pixels: divide by image_size.",
        ),
        WrongAnswer(
            _CENTERS.format(
                along="(torch.arange(map_size) + 1) * step / image_size", stack=_RIGHT_STACK
            ),
            "You add a whole cell: these are the lower right corners. A centre is half a step "
            "from the corner: (i + 0.5) · step.",
        ),
        WrongAnswer(
            _CENTERS.format(along=_RIGHT_ALONG, stack="torch.stack([x, y], dim=-1)"),
            "The centres are right, but still a grid (H, W, 2). Wanted is one row for each cell: "
            ".reshape(-1, 2).",
        ),
        WrongAnswer(
            _CENTERS.format(along=_RIGHT_ALONG, stack="torch.stack([x, y]).reshape(-1, 2)"),
            "`stack` without dim=-1 puts all x before all y, and reshape pairs an x with an x. "
            "Stack along the last dimension.",
        ),
        WrongAnswer(
            _CENTERS.format(along=_RIGHT_ALONG, stack="torch.stack([x, y]).reshape(2, -1)"),
            "This is (2, H·W), a row of all x and one of all y. Wanted is a row for each cell, "
            "(H·W, 2).",
        ),
        WrongAnswer(
            _CENTERS.format(along=_RIGHT_ALONG, stack="torch.stack([along, along], dim=-1)"),
            "These are the cells of the diagonal only. Every row meets every column: "
            "torch.meshgrid.",
        ),
        WrongAnswer(
            _CENTERS.format(
                along="(torch.arange(map_size) * step + 0.5) / image_size", stack=_RIGHT_STACK
            ),
            "You add half a *pixel*. Half a cell is meant: (i + 0.5) · step.",
        ),
        WrongAnswer(
            _CENTERS.format(
                along="(torch.arange(map_size) + 0.5) / step / image_size", stack=_RIGHT_STACK
            ),
            "You divide by step. It is the distance of two centres: multiply.",
        ),
        WrongAnswer(
            _CENTERS.format(
                along="(torch.arange(map_size) + step / 2) / image_size", stack=_RIGHT_STACK
            ),
            "Half a step is right, but the cells lie one pixel apart: (i + 0.5) · step.",
        ),
        WrongAnswer(
            _CENTERS.format(
                along="((torch.arange(map_size) + 0.5) * step / image_size).clamp(0, 1)",
                stack=_RIGHT_STACK,
            ),
            "You clamp the centres to the image. `PriorBox.centers` does not: 9.5 · 32 = 304 of "
            "300 px is what it gives.",
        ),
        WrongAnswer(
            _CENTERS.format(
                along="(torch.arange(map_size) + 0.5) * image_size / map_size", stack=_RIGHT_STACK
            ),
            "These are pixels, and the image divided evenly. The distance is `step`, and the "
            "result is in fractions of image_size.",
        ),
    ),
    cases=_center_cases,
    praise="Equal to `PriorBox(config).centers(level)`, and no loop left.",
)


# ---------------------------------------------------------------------------- share_covered


def _cover_cases(generator: torch.Generator) -> Iterator[Case]:
    half = torch.tensor([[0.25, 0.25, 0.5, 0.5]])  # the upper left quarter of the image
    yield torch.tensor([[0.0, 0.0, 0.5, 0.5]]), half, 0.5
    yield torch.tensor([[0.0, 0.0, 0.5, 0.25]]), half, 0.5  # IoU exactly 1/2
    yield torch.tensor([[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]), half, 0.5
    for _ in range(20):
        objects, priors = integers(generator, 5, 9, 2)
        corners = torch.rand(objects, 2, 2, generator=generator).sort(dim=1).values.flatten(1)
        priors_cxcywh = torch.rand(4 * priors, 4, generator=generator) * 0.5 + 0.2
        yield corners, priors_cxcywh, (0.25, 0.375, 0.5)[integer(generator, 0, 2)]


_COVER = """
    from detlearn.boxes import box_iou, cxcywh_to_xyxy

    def share_covered(boxes, priors, threshold):
        iou = box_iou(boxes, cxcywh_to_xyxy(priors))
        return {share}
"""

share_covered = Exercise(
    notebook="nb02",
    key="share_covered",
    prompt=(
        "Write `share_covered(boxes, priors, threshold)`: the share (0 to 1) of the boxes that "
        "overlap at least one prior with an IoU of at least `threshold`. `boxes` (G, 4) are "
        "corners, `priors` (P, 4) are cxcywh; there is at least one box. Use `box_iou`."
    ),
    stub='''
    from detlearn.boxes import box_iou, cxcywh_to_xyxy

    def share_covered(boxes, priors, threshold):
        """Share of the boxes that have a prior with IoU >= threshold."""
        ...
    ''',
    solution_source='''
    from detlearn.boxes import box_iou, cxcywh_to_xyxy

    def share_covered(boxes, priors, threshold):
        """Share of the boxes that have a prior with IoU >= threshold."""
        iou = box_iou(boxes, cxcywh_to_xyxy(priors))  # (G, P)
        best = iou.amax(dim=1)  # (G,)
        return float((best >= threshold).float().mean())
    ''',
    hints=(
        "box_iou wants corners on both sides; what are the priors?",
        "The result is (G, P), a row for each box. Its best prior is the maximum of the row.",
        "The mean of a tensor of truth values, `.float().mean()`, is the share of true ones.",
    ),
    wrong_answers=(
        WrongAnswer(
            _COVER.format(share="float((iou.amax(dim=1) >= threshold).float().mean())").replace(
                "cxcywh_to_xyxy(priors))", "priors)"
            ),
            "You read the priors as corners; they are (cx, cy, w, h). Convert them first: "
            "cxcywh_to_xyxy(priors).",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.amax(dim=0) >= threshold).float().mean())"),
            "You took the best box of every prior (the maximum over dim 0) and counted priors. "
            "Wanted is the best prior of every box.",
        ),
        WrongAnswer(
            _COVER.format(share="float(iou.amax(dim=1).mean())"),
            "This is the mean of the best IoUs. Wanted is the share of boxes whose best IoU "
            "reaches the threshold.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.amax(dim=1) > threshold).float().mean())"),
            "An IoU that equals the threshold counts: at least means >=, not >.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou >= threshold).float().mean())"),
            "This is the share of all pairs of box and prior. A box needs one good prior, not "
            "all of them: take the maximum over the priors first.",
        ),
        WrongAnswer(
            _COVER.format(share="int((iou.amax(dim=1) >= threshold).sum())"),
            "This is how many boxes are covered; divide by their number to get the share.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.amax(dim=1) >= threshold).float().mean())").replace(
                "box_iou(boxes,", "box_iou(cxcywh_to_xyxy(boxes),"
            ),
            "The boxes are corners already; only the priors are (cx, cy, w, h).",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.amax(dim=1) >= threshold).float().mean())").replace(
                "box_iou(boxes, cxcywh_to_xyxy(priors))", "box_iou(cxcywh_to_xyxy(boxes), priors)"
            ),
            "You convert the wrong side: the priors are (cx, cy, w, h), the boxes are corners.",
        ),
        WrongAnswer(
            _COVER.format(share="iou.amax(dim=1) >= threshold"),
            "This says which boxes are covered. Wanted is one number, the share of true ones: "
            ".float().mean().",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.amax(dim=1) < threshold).float().mean())"),
            "This is the share of boxes that are *not* covered.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.mean(dim=1) >= threshold).float().mean())"),
            "You take the mean over the priors. One good prior is enough, however many poor ones "
            "there are: the maximum.",
        ),
        WrongAnswer(
            _COVER.format(share="100 * float((iou.amax(dim=1) >= threshold).float().mean())"),
            "This is in per cent. Wanted is a share from 0 to 1.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou >= threshold).sum() / len(boxes))"),
            "You count pairs: a box with three good priors counts three times, and the share can "
            "be above 1. Take the maximum over the priors first.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.amax() >= threshold).float())"),
            "`amax()` without a dimension is the best of all pairs, so one covered box makes the "
            "answer 1. Each box has its own maximum: dim=1.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou >= threshold).all(dim=1).float().mean())"),
            "`all` asks that every prior covers the box. One is enough: `any`, or the maximum.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.amax(dim=1) >= threshold).sum() / len(priors))"),
            "You divide by the number of priors. The share is one of boxes.",
        ),
        WrongAnswer(
            _COVER.format(share="float((iou.amax(dim=1) >= 0.5).float().mean())"),
            "Your threshold is always 0.5. Use the argument `threshold`.",
        ),
    ),
    cases=_cover_cases,
    praise="The layout with the greatest share suits the data set best, before any training.",
)


# ---------------------------------------------------------------------------- find_prior


def _find_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 0, (1,), (1,)
    yield 5, (2, 1), (4, 6)
    yield 17, (2, 1), (4, 6)
    for index in (5775, 5776, 8731):  # the last of a level, the first of the next, the last of all
        yield index, (38, 19, 10, 5, 3, 1), (4, 6, 6, 6, 4, 4)
    for first in (16, 22):  # where the second and the third of these levels begin
        yield first, (2, 1, 1), (4, 6, 4)
    for _ in range(20):
        levels = integer(generator, 1, 5)
        sides, counts = integers(generator, 2, 9, levels), integers(generator, 2, 6, levels)
        total = sum(s * s * a for s, a in zip(sides, counts, strict=True))
        yield int(torch.randint(0, total, (), generator=generator)), sides, counts


_FIND = """
    def find_prior(index, map_sizes, priors_per_cell):
        for level, (side, number) in enumerate(zip(map_sizes, priors_per_cell)):
            if index < side * side * number:
                {split}
                return {result}
            {skip}
"""
_RIGHT_SPLIT = "cell, prior = divmod(index, number)"
_RIGHT_RESULT = "level, cell // side, cell % side, prior"
_RIGHT_SKIP = "index -= side * side * number"

find_prior = Exercise(
    notebook="nb02",
    key="find_prior",
    prompt=(
        "Write `find_prior(index, map_sizes, priors_per_cell)`: level, row, column and number "
        "within its cell of the prior that is entry `index` of the list. The order is level, "
        "row, column, prior; all four count from 0."
    ),
    stub='''
    def find_prior(index, map_sizes, priors_per_cell):
        """(level, row, column, prior) of entry index of the list."""
        levels = zip(map_sizes, priors_per_cell)
        for level, (side, number) in enumerate(levels):
            ...
        return None
    ''',
    solution_source='''
    def find_prior(index, map_sizes, priors_per_cell):
        """(level, row, column, prior) of entry index of the list."""
        levels = zip(map_sizes, priors_per_cell)
        for level, (side, number) in enumerate(levels):
            if index < side * side * number:
                cell, prior = divmod(index, number)
                row, column = divmod(cell, side)
                return level, row, column, prior
            index -= side * side * number
    ''',
    hints=(
        "Find the level first: a level with side · side · number priors owns that many rows; if "
        "the index is not among them, subtract them and go on.",
        "Within a level the prior changes fastest. `divmod` gives quotient and remainder: of the "
        "index and which number are they the cell and the prior?",
        "A cell becomes row and column in the same way: how many cells has a row?",
    ),
    wrong_answers=(
        WrongAnswer(
            _FIND.format(
                split=_RIGHT_SPLIT,
                result="level, cell % side, cell // side, prior",
                skip=_RIGHT_SKIP,
            ),
            "Row and column are swapped. Cells are numbered along the rows: the quotient by the "
            "side is the row, the remainder the column.",
        ),
        WrongAnswer(
            _FIND.format(
                split="prior, cell = divmod(index, side * side)",
                result=_RIGHT_RESULT,
                skip=_RIGHT_SKIP,
            ),
            "You read the order level, prior, row, column: all cells of one prior first. (One "
            "published SSD is ordered that way.) Here the priors of a cell stand together.",
        ),
        WrongAnswer(
            _FIND.format(split=_RIGHT_SPLIT, result=_RIGHT_RESULT, skip="pass"),
            "You forget to subtract the priors of the finer levels: on a coarser level the "
            "counting starts anew.",
        ),
        WrongAnswer(
            _FIND.format(
                split=_RIGHT_SPLIT,
                result="level + 1, cell // side + 1, cell % side + 1, prior + 1",
                skip=_RIGHT_SKIP,
            ),
            "All four numbers are one too large: they count from 0, like everything in Python.",
        ),
        WrongAnswer(
            _FIND.format(
                split=_RIGHT_SPLIT, result="cell // side, cell % side, prior", skip=_RIGHT_SKIP
            ),
            "The level is missing: return four numbers, level, row, column, prior.",
        ),
        WrongAnswer(
            _FIND.format(split=_RIGHT_SPLIT, result=_RIGHT_RESULT, skip=_RIGHT_SKIP).replace(
                "if index < side", "if index <= side"
            ),
            "A level of 5,776 priors owns the indices 0 to 5,775; with <= it also takes the first "
            "prior of the next level. Ask for index < side * side * number.",
        ),
        WrongAnswer(
            _FIND.format(
                split=_RIGHT_SPLIT, result=_RIGHT_RESULT, skip="index -= side * side * number - 1"
            ),
            "You subtract one too few: a level that owns n priors owns the indices 0 to n - 1, so "
            "the next level begins at n. Subtract side * side * number.",
        ),
        WrongAnswer(
            _FIND.format(
                split="cell, prior = divmod(index, side)", result=_RIGHT_RESULT, skip=_RIGHT_SKIP
            ),
            "You divide by the side of the map first. The priors of a cell stand together, so "
            "divide by their number first: cell, prior = divmod(index, number).",
        ),
        WrongAnswer(
            _FIND.format(
                split="cell, prior = index, index % number", result=_RIGHT_RESULT, skip=_RIGHT_SKIP
            ),
            "You take row and column from the index itself. Divide by the priors of a cell first: "
            "cell = index // number.",
        ),
        WrongAnswer(
            _FIND.format(split=_RIGHT_SPLIT, result=_RIGHT_RESULT, skip="index -= side * side"),
            "You subtract the cells of the level. A level owns side * side * number entries of "
            "the list.",
        ),
        WrongAnswer(
            _FIND.format(split=_RIGHT_SPLIT, result=_RIGHT_RESULT, skip=_RIGHT_SKIP).replace(
                "side * side * number:", "side * side:"
            ),
            "You compare with the cells of the level. It owns side * side * number entries of the "
            "list.",
        ),
        WrongAnswer(
            _FIND.format(
                split=_RIGHT_SPLIT, result=_RIGHT_RESULT, skip="index -= side * number"
            ).replace("side * side * number:", "side * number:"),
            "side * number is one row of the map. The map has side rows: side * side * number.",
        ),
        WrongAnswer(
            _FIND.format(
                split=_RIGHT_SPLIT,
                result="level, cell // side + 1, cell % side + 1, prior",
                skip=_RIGHT_SKIP,
            ),
            "Row and column are one too large: they count from 0, as level and prior do.",
        ),
        WrongAnswer(
            _FIND.format(
                split=_RIGHT_SPLIT,
                result="level, cell % number, cell // number, prior",
                skip=_RIGHT_SKIP,
            ),
            "You split the cell by the priors again. A row of the map has `side` cells: row, "
            "column = divmod(cell, side).",
        ),
        WrongAnswer(
            _FIND.format(split=_RIGHT_SPLIT, result="level, cell, prior", skip=_RIGHT_SKIP),
            "The cell is right, but it is one number. Split it into row and column: divmod(cell, "
            "side).",
        ),
        WrongAnswer(
            _FIND.format(
                split="prior, cell = divmod(index, number)", result=_RIGHT_RESULT, skip=_RIGHT_SKIP
            ),
            "divmod gives the quotient first. index // number is the *cell*, index % number the "
            "prior.",
        ),
        WrongAnswer(
            _FIND.format(
                split="cell, prior = index / number, index % number",
                result="level, int(cell / side), cell % side, prior",
                skip=_RIGHT_SKIP,
            ),
            "`/` leaves fractions of a cell. Whole cells come from `//`.",
        ),
        WrongAnswer(
            """
            def find_prior(index, map_sizes, priors_per_cell):
                for level, (side, number) in enumerate(zip(map_sizes, priors_per_cell)):
                    index -= side * side * number
                    if index < 0:
                        cell, prior = divmod(index, number)
                        return level, cell // side, cell % side, prior
            """,
            "You subtract before you ask, so the index is negative when the level is found. Ask "
            "first, subtract when it is not this level.",
        ),
    ),
    cases=_find_cases,
    praise="Equal to `PriorBox(config).locate(index)`: now a detection can name its prior.",
)


# ---------------------------------------------------------------------------- even_factors


def _factor_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 10.0, 160.0, 4  # doubles
    yield 30.0, 60.0, 1
    for _ in range(20):
        low = 5 + 20 * float(torch.rand((), generator=generator))
        yield (
            low,
            low * (2 + 10 * float(torch.rand((), generator=generator))),
            integer(generator, 2, 7),
        )


_FACTORS = """
    def even_factors(low, high, levels):
        factor = {factor}
        return [{term} for k in range({number})]
"""
_RIGHT_FACTOR = "(high / low) ** (1 / levels)"

even_factors = Exercise(
    notebook="nb02",
    key="even_factors",
    prompt=(
        "Write `even_factors(low, high, levels)`: a list of levels + 1 sizes from low to high, "
        "each the one before times the same factor: all min_sizes, and the last max_size."
    ),
    stub='''
    def even_factors(low, high, levels):
        """levels + 1 sizes from low to high, each a fixed factor larger."""
        factor = ...
        return None
    ''',
    solution_source='''
    def even_factors(low, high, levels):
        """levels + 1 sizes from low to high, each a fixed factor larger."""
        factor = (high / low) ** (1 / levels)
        return [low * factor**k for k in range(levels + 1)]
    ''',
    hints=(
        "How often do you multiply by the factor on the way from low to high, if there are "
        "levels + 1 sizes?",
        "low · factor ** levels = high. Solve it for the factor.",
        "Size 0 is low, size 1 is low times the factor. How often has size k been multiplied?",
    ),
    wrong_answers=(
        WrongAnswer(
            _FACTORS.format(
                factor="(high - low) / levels", term="low + factor * k", number="levels + 1"
            ),
            "You add the same number of pixels each time. Then small objects get too few sizes "
            "and large ones too many; multiply by the same factor instead.",
        ),
        WrongAnswer(
            _FACTORS.format(factor=_RIGHT_FACTOR, term="low * factor**k", number="levels"),
            "The last size is missing: with levels + 1 sizes the list ends in high, the last "
            "max_size.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="(high / low) ** (1 / (levels + 1))",
                term="low * factor**k",
                number="levels + 1",
            ),
            "Your list ends before high. Between levels + 1 sizes there are only `levels` steps, "
            "so the factor is the root of order `levels`.",
        ),
        WrongAnswer(
            _FACTORS.format(factor=_RIGHT_FACTOR, term="low * factor * k", number="levels + 1"),
            "`factor * k` grows by addition, and begins with 0. The k-th size needs the k-th "
            "power: factor ** k.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor=_RIGHT_FACTOR, term="low * factor ** (k + 1)", number="levels + 1"
            ),
            "Your list begins one step late, with low · factor. The first power is 0, and "
            "factor ** 0 is 1.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="(high / low) / levels", term="low * factor**k", number="levels + 1"
            ),
            "You divide the whole factor high / low by the number of steps. Steps that multiply "
            "need a root: (high / low) ** (1 / levels).",
        ),
        WrongAnswer(
            _FACTORS.format(factor=_RIGHT_FACTOR, term="high / factor**k", number="levels + 1"),
            "The order is reversed: levels go from fine to coarse, so the sizes ascend.",
        ),
        WrongAnswer(
            _FACTORS.format(factor="2", term="low * factor**k", number="levels + 1"),
            "Your factor is always 2. It follows from low and high: from 10 to 160 in four steps "
            "it is 2, from 30 to 60 in one step, too; elsewhere it is not.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="(high / low) ** (1 / (levels - 1))",
                term="low * factor**k",
                number="levels + 1",
            ),
            "With levels + 1 sizes there are `levels` steps between them, not levels - 1: your "
            "list passes high.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="(high - low) ** (1 / levels)", term="low * factor**k", number="levels + 1"
            ),
            "You take the root of the difference. A factor comes from the quotient: high / low.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="(high / low) ** levels", term="low * factor**k", number="levels + 1"
            ),
            "That is a power. `levels` equal factors multiply to high / low, so one of them is "
            "the root: exponent 1 / levels.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="(low / high) ** (1 / levels)", term="low * factor**k", number="levels + 1"
            ),
            "Your sizes shrink. The factor is above 1: high / low, not low / high.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="high ** (1 / levels)", term="low * factor**k", number="levels + 1"
            ),
            "The list begins at low, so the factors have to make only high / low.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="math.sqrt(high / low)", term="low * factor**k", number="levels + 1"
            ),
            "The square root is right for two steps. For `levels` steps it is the root of order "
            "`levels`.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor=_RIGHT_FACTOR, term="round(low * factor**k)", number="levels + 1"
            ),
            "You round to whole pixels. Sizes may have fractions, and rounded ones are not quite "
            "even.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor=_RIGHT_FACTOR, term="low * factor**k", number="levels + 1"
            ).replace("range(levels + 1)", "range(1, levels + 1)"),
            "The first size is missing: the list begins with low, which is k = 0.",
        ),
        WrongAnswer(
            _FACTORS.format(
                factor="math.log(high / low) / levels", term="low * factor**k", number="levels + 1"
            ),
            "This is the logarithm of the factor. Take math.exp of it, or use a root.",
        ),
        WrongAnswer(
            """
            def even_factors(low, high, levels):
                return (high / low) ** (1 / levels)
            """,
            "This is the factor. Wanted is the list of sizes: low · factor ** k for k = 0 ... "
            "levels.",
        ),
        WrongAnswer(
            """
            def even_factors(low, high, levels):
                factor = (high / low) ** (1 / levels)
                return torch.tensor([low * factor**k for k in range(levels + 1)])
            """,
            "The numbers are right, but they are a tensor. `PriorConfig` wants plain numbers: "
            "return the list.",
        ),
    ),
    cases=_factor_cases,
    praise="`propose_layout` begins with these sizes.",
    tolerance=1e-4,
)


# ---------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb02",
    key="moves",
    prompt=(
        "Write down `moves`, what the explorer showed you in the three tasks: the centre (x, y) in "
        "px before clamping; how many of the four boxes the clamp changes; (level, row, column) of "
        "the prior with index 5,776."
    ),
    stub="moves = ...",
    solution_source="moves = ((304, 304), 2, (1, 0, 0))",
    hints=(
        "A centre is (i + 0.5) * step; which i has the last of the ten columns of level 2?",
        "On level 5, compare each side in the table, clamp unticked, with the 300 px of the image.",
        "How many priors has level 0, and which index has the last of them, counted from 0?",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = ((300, 300), 2, (1, 0, 0))",
            "(300, 300) is where the clamp puts the centre. Untick it and read again: the centre "
            "lies outside the image.",
        ),
        WrongAnswer(
            "moves = ((304, 304), 4, (1, 0, 0))",
            "Two of the four are squares of 264 and 288 px: smaller than the image, and centred.",
        ),
        WrongAnswer(
            "moves = ((304, 304), 2, (0, 37, 37))",
            "That is prior 5,775, the last of level 0. They count from 0: 5,776 is the next.",
        ),
        WrongAnswer(
            "moves = ((288, 288), 2, (1, 0, 0))",
            "(288, 288) = 9 * 32 is the corner of the last cell. Its centre lies half a step "
            "further; read it under the picture with the clamp unticked.",
        ),
        WrongAnswer(
            "moves = ((304, 304), 1, (1, 0, 0))",
            "On level 5 the wide box is clamped in its width, and the tall one in its height: "
            "count both. The words beside the picture say how many the clamp changes.",
        ),
        WrongAnswer(
            "moves = ((304, 304), 2, (0, 38, 0))",
            "There is no row 38: a map of 38 rows has rows 0 to 37. Level 0 ends at index 5,775, "
            "so this prior is the first of level 1.",
        ),
        WrongAnswer(
            "moves = ((304, 304), 2, (1, 0, 1))",
            "Column 1 begins six priors later: level 1 has six priors in each cell. 5,776 is the "
            "very first of its level.",
        ),
    ),
    look_at=(
        "choose ssd300_voc and level 2, go to the last row and column, untick the clamp, and read "
        "the centre.",
        "on level 5, tick and untick the clamp, and watch w × h of the four boxes.",
        "step through the cells and watch the column *index* for 5,776.",
    ),
    praise="The clamp moves centres, too: that is the surprise of this chapter.",
)
