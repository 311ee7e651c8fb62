"""Exercises of notebook 08, the blocks of M2Det.

Keys: `smallest_side`, `enlarge`, `gather`, `excite`, `tum_parameters`, `moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer, integers

__all__ = ["enlarge", "excite", "gather", "moves", "smallest_side", "tum_parameters"]


# --------------------------------------------------------------------------- smallest_side


def _scale_cases(generator: torch.Generator) -> Iterator[Case]:
    for num_scales in (3, 4, 6, 5, 7, 8):
        yield (num_scales,)


_SMALLEST = "def smallest_side(num_scales):\n    return {}\n"

smallest_side = Exercise(
    notebook="nb08",
    key="smallest_side",
    prompt=(
        "Write `smallest_side(num_scales)`: the smallest side, in cells, from which a TUM with "
        "`num_scales` scales (3 or more) makes maps of at least one cell. It works when six "
        "scales need 33."
    ),
    stub='''
    def smallest_side(num_scales):
        """Smallest side of the input, cells; num_scales is at least 3."""
        side = ...
        return None
    ''',
    solution_source='''
    def smallest_side(num_scales):
        """Smallest side of the input, cells; num_scales is at least 3."""
        side = 3  # the last convolution makes 1 of it
        for _ in range(num_scales - 2):
            side = 2 * side - 1  # half of this, rounded up, is side
        return side
    ''',
    hints=(
        "Go backwards, from the coarsest map: it has one cell. Which side does the last "
        "convolution, without padding, need for that?",
        "3. Before it come num_scales - 2 halvings, rounded up. What is the smallest n whose "
        "half, rounded up, is 3?",
        "5 = 2 · 3 - 1. So start at 3 and repeat side = 2 · side - 1, num_scales - 2 times.",
    ),
    wrong_answers=(
        WrongAnswer(
            _SMALLEST.format("3 * 2 ** (num_scales - 2)"),
            "You double at each step. A half is rounded *up*: 5 is enough for 3, so a step back "
            "is 2 · side - 1.",
        ),
        WrongAnswer(
            _SMALLEST.format("2 ** (num_scales - 1)"),
            "One cell is missing: from there the coarsest map has 0 cells.",
        ),
        WrongAnswer(
            _SMALLEST.format("2 ** num_scales + 1"),
            "One halving too many: num_scales maps are num_scales - 1 steps apart, and the last "
            "step does not halve.",
        ),
        WrongAnswer(
            _SMALLEST.format("1"),
            "With rounding up a map of one cell could be halved for ever; but the last step "
            "subtracts 2, so that it needs 3 cells.",
        ),
        WrongAnswer(
            _SMALLEST.format("2 ** (num_scales - 2) + 1"),
            "One halving is missing: num_scales maps are num_scales - 1 steps apart, and all but "
            "the last of them halve.",
        ),
        WrongAnswer(
            _SMALLEST.format("2**num_scales - 1"),
            "A step back is 2 · side - 1, and you take 2 · side + 1: 5 cells are enough for 3, "
            "since a half is rounded up.",
        ),
        WrongAnswer(
            _SMALLEST.format("8 * (2 ** (num_scales - 1) + 1)"),
            "This is the side of the picture in px. Asked are the cells of the map that the TUM "
            "reads; its stride of 8 does not matter here.",
        ),
        WrongAnswer(
            _SMALLEST.format("2 ** (num_scales - 1) + 2"),
            "One cell too many: the last convolution makes 1 cell of 3, and 3 is the half, rounded "
            "up, of 5. Start at 3 and go back by 2 · side - 1.",
        ),
        WrongAnswer(
            _SMALLEST.format("2**num_scales"),
            "Two things: num_scales maps are num_scales - 1 steps apart, and a half is rounded "
            "up, so a step back is 2 · side - 1.",
        ),
        WrongAnswer(
            _SMALLEST.format("33"),
            "33 is right for six scales. Go back from 3 step by step, as often as num_scales says.",
        ),
        WrongAnswer(
            _SMALLEST.format("2 * num_scales + 1"),
            "Every scale more *doubles* the side, it does not add two cells: a step back is 2 · "
            "side - 1.",
        ),
    ),
    cases=_scale_cases,
    praise="Times the stride of the fine map it is the smallest picture: 33 · 8 = 264 px.",
)


# --------------------------------------------------------------------------- enlarge


def _enlarge_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([7.0, 8.0, 9.0]).reshape(1, 1, 1, 3), 1, 5
    yield torch.tensor([5.0]).reshape(1, 1, 1, 1), 2, 2
    yield torch.rand(1, 2, 3, 5, generator=generator), 5, 10
    for _ in range(6):
        B, C, H, W = (integer(generator, 2, 4) + i for i in range(4))
        taller, wider = integers(generator, 1, 6, 2)
        yield torch.rand(B, C, H, W, generator=generator), H + taller, W + wider + 1


_ENLARGE = """
    def enlarge(maps, height, width):
        H, W = maps.shape[-2:]
        rows = {rows}
        columns = {columns}
        return maps[:, :, {first}][..., {second}]
"""
_ROWS, _COLUMNS = "torch.arange(height) * H // height", "torch.arange(width) * W // width"

enlarge = Exercise(
    notebook="nb08",
    key="enlarge",
    prompt=(
        "Write `enlarge(maps, height, width)`: nearest upsampling of maps (B, C, H, W) to "
        "(B, C, height, width) without F.interpolate; output cell i of n copies cell i·m // n of "
        "m. It works when a row (7, 8, 9) becomes (7, 7, 8, 8, 9)."
    ),
    stub='''
    def enlarge(maps, height, width):
        """maps (B, C, H, W) to (B, C, height, width), by copying cells."""
        rows = ...
        columns = ...
        return None
    ''',
    solution_source='''
    def enlarge(maps, height, width):
        """maps (B, C, H, W) to (B, C, height, width), by copying cells."""
        H, W = maps.shape[-2:]
        rows = torch.arange(height) * H // height
        columns = torch.arange(width) * W // width
        return maps[:, :, rows][..., columns]
    ''',
    hints=(
        "Make a list of row numbers first: which row of `maps` does each row of the output copy?",
        "`torch.arange(height) * H // height`, and the same for the columns with W and width.",
        "Then index twice: `maps[:, :, rows][..., columns]`.",
    ),
    wrong_answers=(
        WrongAnswer(
            _ENLARGE.format(
                rows=f"({_ROWS}).flip(0)", columns=_COLUMNS, first="rows", second="columns"
            ),
            "Your picture stands on its head: row 0 of the output copies row 0.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                H, W = maps.shape[-2:]
                tall = maps.repeat_interleave(-(-height // H), dim=2)
                return tall.repeat_interleave(-(-width // W), dim=3)[:, :, :height, :width]
            """,
            "You repeat every cell equally often and cut off what is too much: the last cells of "
            "the map get lost. The copies are spread evenly, i · m // n.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                H, W = maps.shape[-2:]
                return maps.repeat(1, 1, -(-height // H), -(-width // W))[
                    :, :, :height, :width]
            """,
            "You lay copies of the whole map side by side, like tiles. Each *cell* is to be "
            "repeated where it is.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                H, W = maps.shape[-2:]
                rows = (torch.arange(height) * H / height).round().long().clamp(max=H - 1)
                columns = (torch.arange(width) * W / width).round().long().clamp(max=W - 1)
                return maps[:, :, rows][..., columns]
            """,
            "You round to the nearest whole number; PyTorch's mode rounds *down* (whatever its "
            "name says): i · m // n.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                return torch.nn.functional.interpolate(
                    maps, size=(height, width), mode="bilinear")
            """,
            "You mix neighbouring cells (bilinear): between 7 and 8 stands 7.4. Nearest *copies* "
            "cells, so only numbers of the small map may come out.",
        ),
        WrongAnswer(
            _ENLARGE.format(
                rows="torch.linspace(0, H - 1, height).round().long()",
                columns="torch.linspace(0, W - 1, width).round().long()",
                first="rows",
                second="columns",
            ),
            "linspace spreads the *centres* of the first and the last cell over the output, so the "
            "inner cells are copied more often than the outer ones. Row i copies i · H // height.",
        ),
        WrongAnswer(
            _ENLARGE.format(
                rows="torch.linspace(0, H - 1, height).long()",
                columns="torch.linspace(0, W - 1, width).long()",
                first="rows",
                second="columns",
            ),
            "linspace reaches the last cell only at the very end, so that one is copied once and "
            "others more often. Row i copies i · H // height.",
        ),
        WrongAnswer(
            _ENLARGE.format(rows=_ROWS, columns=_COLUMNS, first="rows", second="columns").replace(
                "maps[:, :, rows][..., columns]", "maps[:, :, rows, columns]"
            ),
            "`maps[:, :, rows, columns]` takes the *pairs* (row, column), a diagonal. Index twice: "
            "first all rows, then of these all columns.",
        ),
        WrongAnswer(
            _ENLARGE.format(rows=_ROWS, columns=_COLUMNS, first="columns", second="rows"),
            "The axes are swapped: in (B, C, H, W) rows are dim 2 and columns dim 3.",
        ),
        WrongAnswer(
            _ENLARGE.format(rows=_ROWS, columns=_COLUMNS, first="rows", second=":"),
            "Only the rows are enlarged. Index the columns in the same way.",
        ),
        WrongAnswer(
            _ENLARGE.format(
                rows="torch.arange(height) * height // H",
                columns="torch.arange(width) * width // W",
                first="rows",
                second="columns",
            ),
            "The fraction is upside down: your index grows beyond the map. Row i of `height` rows "
            "copies row i · H // height.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                H, W = maps.shape[-2:]
                return maps.repeat_interleave(height // H, 2).repeat_interleave(width // W, 3)
            """,
            "`height // H` is a whole number: from 3 to 5 cells it is 1, and nothing is repeated."
            " The copies are spread unevenly, row i copies i · H // height.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                H, W = maps.shape[-2:]
                return maps.repeat(1, 1, height // H, width // W)
            """,
            "`repeat` lays copies of the whole map side by side, and only whole ones. Each *cell*"
            " is to be copied where it is: row i copies i · H // height.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                return maps.expand(-1, -1, height, width)
            """,
            "`expand` can only repeat an axis of one cell. Index instead: row i copies i · H // "
            "height.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                return maps.reshape(maps.shape[0], maps.shape[1], height, width)
            """,
            "`reshape` makes no new cells, it only orders those that are there. Copy cells by an "
            "index.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                return torch.nn.functional.interpolate(maps, scale_factor=2)
            """,
            "You double, whatever size is asked for. Row i of `height` rows copies i · H // "
            "height.",
        ),
        WrongAnswer(
            """
            def enlarge(maps, height, width):
                return torch.nn.functional.interpolate(
                    maps, size=(height, width), mode="nearest-exact")
            """,
            '"nearest-exact" takes the cell whose centre is nearest. The released network uses '
            '"nearest", which rounds down: i · H // height.',
        ),
    ),
    cases=_enlarge_cases,
    praise="Equal to F.interpolate(size=..., mode='nearest') at every size that a TUM meets.",
)


# --------------------------------------------------------------------------- gather


def _gather_cases(generator: torch.Generator) -> Iterator[Case]:
    yield ([[torch.full((1, 1, 1, 1), 10.0 * level + s) for s in (0, 1)] for level in (0, 1, 2)],)
    for _ in range(4):
        num_levels, num_scales, B, C = integers(generator, 2, 3, 4)
        yield (
            [
                [
                    torch.rand(B, C + 1, 7 - 2 * scale, 7 - 2 * scale, generator=generator)
                    for scale in range(num_scales)
                ]
                for _ in range(num_levels)
            ],
        )


_GATHER = "def gather(levels):\n    return {}\n"

gather = Exercise(
    notebook="nb08",
    key="gather",
    prompt=(
        "Write `gather(levels)`: `levels[level][scale]` are maps (B, C, H, W); return a list with "
        "one map (B, levels·C, H, W) for each scale, level 0 first. It works when level 1 owns "
        "the channels C to 2C - 1."
    ),
    stub='''
    def gather(levels):
        """One map for each scale, the levels on top of each other."""
        gathered = []
        ...
        return None
    ''',
    solution_source='''
    def gather(levels):
        """One map for each scale, the levels on top of each other."""
        gathered = []
        for maps in zip(*levels, strict=True):  # those of one scale
            gathered.append(torch.cat(maps, dim=1))
        return gathered
    ''',
    hints=(
        "With loops: for every scale, collect levels[0][scale], levels[1][scale], ...",
        "`zip(*levels)` hands out exactly these groups, one for each scale.",
        "`torch.cat(group, dim=1)` lays them on top of each other: dim 1 are the channels.",
    ),
    wrong_answers=(
        WrongAnswer(
            _GATHER.format("[torch.cat(maps, dim=0) for maps in zip(*levels)]"),
            "dim 0 is the batch: levels become pictures. The channels are dim 1.",
        ),
        WrongAnswer(
            _GATHER.format("[sum(maps) for maps in zip(*levels)]"),
            "You add the levels up, so that nobody can tell them apart any more. They are to lie "
            "on top of each other: concatenate.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.cat(maps[::-1], dim=1) for maps in zip(*levels)]"),
            "The deepest level comes first. Level 0 owns the channels 0 to C - 1.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.stack(maps, dim=2).flatten(1, 2) for maps in zip(*levels)]"),
            "The levels take turns, channel by channel. All channels of level 0 come first, then "
            "all of level 1.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.cat(maps, dim=1) for maps in zip(*levels)][::-1]"),
            "The coarsest scale comes first. Lists of maps run fine → coarse.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.stack(maps, dim=1) for maps in zip(*levels)]"),
            "`stack` makes a new axis, (B, levels, C, H, W). `cat` joins along the channels that "
            "are there.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.cat(maps, dim=1) for maps in levels]"),
            "A row of `levels` is one *level*: its maps have different sides and cannot be joined. "
            "Take the maps of one scale from all levels; `zip(*levels)` hands them out.",
        ),
        WrongAnswer(
            _GATHER.format("list(zip(*levels))"),
            "The groups are right, and still groups: lay the maps of each on top of each other "
            "with torch.cat.",
        ),
        WrongAnswer(
            _GATHER.format("list(levels[-1])"),
            "These are the maps of the last level alone. Every level keeps its channels: join "
            "them.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.stack(maps).mean(dim=0) for maps in zip(*levels)]"),
            "You average the levels. They are to lie on top of each other, so that SFAM can weigh "
            "each: concatenate.",
        ),
        WrongAnswer(
            """
            def gather(levels):
                gathered = []
                for maps in zip(*levels):
                    gathered.append(torch.cat(maps, dim=1))
                    return gathered
            """,
            "This is the finest scale alone: the `return` stands inside the loop. Put it below, at "
            "the indentation of `for`.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.stack(maps) for maps in zip(*levels)]"),
            "`stack` makes a new axis in front, (levels, B, C, H, W). `cat` with dim=1 joins "
            "along the channels that are there.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.cat(maps, dim=2) for maps in zip(*levels)]"),
            "dim 2 is the height: the maps stand below each other. The channels are dim 1.",
        ),
        WrongAnswer(
            _GATHER.format("[torch.cat(maps, dim=3) for maps in zip(*levels)]"),
            "dim 3 is the width: the maps stand beside each other. The channels are dim 1.",
        ),
        WrongAnswer(
            """
            def gather(levels):
                return [torch.cat([levels[scale][level] for level in range(len(levels))], dim=1)
                        for scale in range(len(levels[0]))]
            """,
            "The two indices are swapped: it is levels[level][scale].",
        ),
    ),
    cases=_gather_cases,
    praise="These are the maps that SFAM weighs.",
)


# --------------------------------------------------------------------------- excite


def _excite_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (
        torch.tensor([[[1.0, 3.0], [5.0, 7.0]], [[0.0, 0.0], [2.0, 2.0]]])[None],
        torch.tensor([[1.0, -1.0]]),
        torch.tensor([[1.0], [-1.0]]),
    )
    for _ in range(6):
        B, M, C, H = (integer(generator, 2, 3) + i for i in range(4))
        maps = 2 * torch.rand(B, C, H, H + 1, generator=generator)
        yield (
            maps,
            torch.randn(M, C, generator=generator),
            torch.randn(C, M, generator=generator),
        )


_EXCITE = """
    def excite(maps, first, second):
        average = {average}
        hidden = {hidden}
        weights = {weights}
        return {result}
"""


def _excite_source(**changes: str) -> str:
    right = {
        "average": "maps.mean(dim=(2, 3))",
        "hidden": "torch.relu(average @ first.T)",
        "weights": "torch.sigmoid(hidden @ second.T)",
        "result": "maps * weights[:, :, None, None]",
    }
    return _EXCITE.format(**{**right, **changes})


excite = Exercise(
    notebook="nb08",
    key="excite",
    prompt=(
        "Write `excite(maps, first, second)`: average each channel of maps (B, C, H, W), multiply "
        "by first (M, C), ReLU, by second (C, M), sigmoid, and multiply the maps by these "
        "weights. No biases. It works when channel 0 of the example by hand ends in 0.953 · 7."
    ),
    stub='''
    def excite(maps, first, second):
        """maps (B, C, H, W), weighed; first is (M, C), second (C, M)."""
        average = ...
        return None
    ''',
    solution_source='''
    def excite(maps, first, second):
        """maps (B, C, H, W), weighed; first is (M, C), second (C, M)."""
        average = maps.mean(dim=(2, 3))  # (B, C)
        hidden = torch.relu(average @ first.T)  # (B, M)
        weights = torch.sigmoid(hidden @ second.T)  # (B, C)
        return maps * weights[:, :, None, None]  # (B, C, H, W)
    ''',
    hints=(
        "The average of each channel: over which two axes of (B, C, H, W)?",
        "average (B, C) times first (M, C): `average @ first.T` is (B, M). The same way back "
        "with second.",
        "`weights[:, :, None, None]` is (B, C, 1, 1): it multiplies all cells of a channel.",
    ),
    wrong_answers=(
        WrongAnswer(
            _excite_source(average="maps.amax(dim=(2, 3))"),
            "You take each channel's maximum. Squeeze is the *average*.",
        ),
        WrongAnswer(
            _excite_source(hidden="average @ first.T"),
            "The ReLU between the two layers is missing: without it they are one linear layer.",
        ),
        WrongAnswer(
            _excite_source(weights="torch.softmax(hidden @ second.T, dim=1)"),
            "A softmax makes the channels share one whole. With a sigmoid each is open or closed "
            "for itself.",
        ),
        WrongAnswer(
            _excite_source(weights="hidden @ second.T"),
            "The sigmoid is missing: your weights are not between 0 and 1.",
        ),
        WrongAnswer(
            _excite_source(result="maps + weights[:, :, None, None]"),
            "You add the weights. A channel is opened and closed by *multiplying*.",
        ),
        WrongAnswer(
            _excite_source(average="maps.mean(dim=(0, 2, 3)).expand(maps.shape[0], -1)"),
            "You average over the batch too: then a picture's weights depend on its neighbours.",
        ),
        WrongAnswer(
            _excite_source(average="maps.sum(dim=(2, 3))"),
            "You add up the cells; then a large map counts more than a small one. Squeeze is the "
            "*average*: mean instead of sum.",
        ),
        WrongAnswer(
            _excite_source(
                hidden="torch.relu(average @ second)", weights="torch.sigmoid(hidden @ first)"
            ),
            "The two layers are swapped; transposed, their shapes fit all the same. `first` comes "
            "first: average @ first.T.",
        ),
        WrongAnswer(
            _excite_source(result="weights"),
            "These are the weights. Multiply the maps by them.",
        ),
        WrongAnswer(
            _excite_source(result="maps + maps * weights[:, :, None, None]"),
            "You add the maps once more. SFAM only multiplies, so a closed channel becomes 0.",
        ),
        WrongAnswer(
            _excite_source(weights="torch.relu(torch.sigmoid(hidden @ second.T) - 0.5)"),
            "A weight of one half must stay one half: after the sigmoid comes no ReLU.",
        ),
        WrongAnswer(
            _excite_source(hidden="torch.sigmoid(average @ first.T)"),
            "Between the two layers stands a ReLU, and the sigmoid at the end alone. (The paper's "
            "text swaps the two names, too.)",
        ),
        WrongAnswer(
            _excite_source(result="maps * weights"),
            "`maps * weights` multiplies along the last two axes. The weights (B, C) belong to the "
            "first two: weights[:, :, None, None].",
        ),
        WrongAnswer(
            _excite_source(
                hidden="torch.relu(average @ first)", weights="torch.sigmoid(hidden @ second)"
            ),
            "The shapes do not fit: average is (B, C) and first is (M, C). Transpose it: average "
            "@ first.T, and the same with second.",
        ),
        WrongAnswer(
            _excite_source(result="maps * weights[:, :, None]"),
            "One axis is missing: (B, C, 1) lines its channels up with the rows. weights[:, :, "
            "None, None] is (B, C, 1, 1).",
        ),
        WrongAnswer(
            _excite_source(weights="torch.tanh(hidden @ second.T)"),
            "tanh goes from -1 to 1 and would turn signs round. A gate goes from 0 to 1: sigmoid.",
        ),
        WrongAnswer(
            _excite_source(weights="torch.relu(hidden @ second.T)"),
            "A ReLU has no upper end. The last function is a sigmoid, so that a weight is between"
            " 0 and 1.",
        ),
        WrongAnswer(
            _excite_source(result="weights[:, :, None, None].expand_as(maps)"),
            "These are the weights, one for every cell. Multiply the maps by them.",
        ),
        WrongAnswer(
            _excite_source(weights="torch.sigmoid(average)"),
            "The two layers are missing: a channel that is bright itself is not yet one that "
            "matters.",
        ),
    ),
    cases=_excite_cases,
    praise="With two biases it is torchvision's SqueezeExcitation, and SFAM does it per scale.",
)


# --------------------------------------------------------------------------- tum_parameters


def _tum_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 128, 256, 6
    yield 384, 256, 6
    for _ in range(8):
        in_channels, planes, num_scales = (
            integer(generator, 5, 40),
            integer(generator, 41, 60),
            integer(generator, 3, 8),
        )
        yield in_channels, planes, num_scales


_PARAMETERS = """
    def tum_parameters(in_channels, planes, num_scales):
        def block(a, b, k):
            return {block}

        return ({first} * block(in_channels, planes, 3)
                + ({inner}) * block(planes, planes, 3)
                + ({ones}) * block(planes, planes, 1))
"""


def _parameters_source(**changes: str) -> str:
    right = {
        "block": "k * k * a * b + 2 * b",
        "first": "2",
        "inner": "2 * (num_scales - 2)",
        "ones": "num_scales",
    }
    return _PARAMETERS.format(**{**right, **changes})


tum_parameters = Exercise(
    notebook="nb08",
    key="tum_parameters",
    prompt=(
        "Write `tum_parameters(in_channels, planes, num_scales)`: how many parameters a released "
        "TUM has, smoothing included; num_scales is at least 3. It works when (128, 256, 6) "
        "gives 5,709,824."
    ),
    stub='''
    def tum_parameters(in_channels, planes, num_scales):
        """Number of parameters of a released TUM, smoothing included."""
        def block(a, b, k):  # a BasicConv
            ...
        return None
    ''',
    solution_source='''
    def tum_parameters(in_channels, planes, num_scales):
        """Number of parameters of a released TUM, smoothing included."""
        def block(a, b, k):  # a BasicConv: no bias, two for BatchNorm
            return k * k * a * b + 2 * b

        way = block(in_channels, planes, 3)  # down, and up again
        way += (num_scales - 2) * block(planes, planes, 3)
        top_and_smoothing = num_scales * block(planes, planes, 1)
        return 2 * way + top_and_smoothing
    ''',
    hints=(
        "A BasicConv has k · k · a · b weights, no bias, and a weight and a bias of BatchNorm for "
        "each output channel.",
        "Down: one convolution that reads in_channels, num_scales - 2 that read planes. Up: the "
        "same again, on the side ways.",
        "1 × 1: one at the top of the decoder, and num_scales - 1 that smooth (the coarsest map "
        "passes). Together num_scales.",
    ),
    wrong_answers=(
        WrongAnswer(
            _parameters_source(block="k * k * a * b"),
            "BatchNorm is missing: it learns a factor and a shift for each output channel, 2 · b.",
        ),
        WrongAnswer(
            _parameters_source(block="k * k * a * b + 3 * b"),
            "You count a bias of the convolution; a BasicConv has none.",
        ),
        WrongAnswer(
            _parameters_source(ones="num_scales + 1"),
            "One 1 × 1 too many: in the released TUM the coarsest map is not smoothed.",
        ),
        WrongAnswer(
            _parameters_source(ones="num_scales - 1"),
            "The 1 × 1 at the top of the decoder is missing.",
        ),
        WrongAnswer(
            _parameters_source(first="1", inner="2 * num_scales - 3"),
            "The side way of the finest map reads the TUM's own input, in_channels wide, like the "
            "first step down: that width comes twice.",
        ),
        WrongAnswer(
            _parameters_source(block="k * k * a * b + b"),
            "BatchNorm learns two numbers for each output channel, a factor *and* a shift: 2 · b.",
        ),
        WrongAnswer(
            _parameters_source(block="k * k * a * b + 4 * b"),
            "You count BatchNorm's running mean and variance. They are measured, not learned: "
            "buffers, no parameters.",
        ),
        WrongAnswer(
            _parameters_source(block="k * a * b + 2 * b"),
            "A k × k filter has k · k weights for each channel that it reads, not k.",
        ),
        WrongAnswer(
            _parameters_source(ones="1"),
            "The smoothing is missing: a 1 × 1 for each map but the coarsest, num_scales - 1.",
        ),
        WrongAnswer(
            _parameters_source(first="1", inner="num_scales - 2"),
            "You count the way down alone. The way up has as many 3 × 3 convolutions, on the side: "
            "one for each map but the coarsest.",
        ),
        WrongAnswer(
            _parameters_source(inner="2 * (num_scales - 1)"),
            "One step too many each way: num_scales maps are num_scales - 1 steps apart, and the "
            "first of these reads in_channels.",
        ),
        WrongAnswer(
            _parameters_source(first="2 * num_scales - 2", inner="0"),
            "Only the first step down and the side way of the finest map read in_channels. All "
            "others read planes.",
        ),
        WrongAnswer(
            _parameters_source(ones="0"),
            "All 1 × 1 convolutions are missing: one at the top of the decoder, and num_scales - "
            "1 that smooth.",
        ),
        WrongAnswer(
            """
            def tum_parameters(in_channels, planes, num_scales):
                def block(a, b):
                    return 9 * a * b + 2 * b

                inside = 2 * (num_scales - 2) + num_scales
                return 2 * block(in_channels, planes) + inside * block(planes, planes)
            """,
            "You count every convolution as 3 × 3. The top and the smoothing are 1 × 1.",
        ),
    ),
    cases=_tum_cases,
    praise="Eight TUMs have 54 million: more than twice the backbone's parameters.",
)


# --------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb08",
    key="moves",
    prompt=(
        "Write down `moves`, what the walk through the U showed you: the first step that enlarges "
        "a map; how many channels TUM 1 reads; its two steps with the most parameters, as a pair, "
        "the smaller number first."
    ),
    stub="moves = ...",
    solution_source="moves = (7, 36, (1, 12))",
    hints=(
        "Steps 0 to 4 go down, and 5 is the top. Which later step changes the *side* of a map?",
        "Set `level` to 1 and `step` to 0. Two things lie on top of each other there.",
        "The price of a 3 × 3 grows with the channels that it reads. Who reads what came in?",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = (6, 36, (1, 12))",
            "Step 6 convolves on the side and keeps its 4 × 4. Look at the step after it, where "
            "the map from below is enlarged and added.",
        ),
        WrongAnswer(
            "moves = (5, 36, (1, 12))",
            "Step 5, the top, is a 1 × 1 convolution: 2 × 2 stay 2 × 2. Go on until a map in the "
            "third column has more cells than the one below it.",
        ),
        WrongAnswer(
            "moves = (8, 36, (1, 12))",
            "Step 8 is the next side step; the map before it has been enlarged already. Go one "
            "step back.",
        ),
        WrongAnswer(
            "moves = (9, 36, (1, 12))",
            "Step 9 enlarges for the second time, from 4 × 4 to 8 × 8. The first time is earlier.",
        ),
        WrongAnswer(
            "moves = (7, 12, (1, 12))",
            "12 is what TUM 0 reads, the thin copy alone. TUM 1 also reads TUM 0's largest map.",
        ),
        WrongAnswer(
            "moves = (7, 24, (1, 12))",
            "24 is TUM 0's largest map alone. The thin copy of the base lies on top of it.",
        ),
        WrongAnswer(
            "moves = (7, 48, (1, 12))",
            "48 would be twice 24. TUM 0's largest map has 24 channels, and the thin copy half as "
            "many.",
        ),
        WrongAnswer(
            "moves = (7, 36, (12, 1))",
            "The right two steps. Write the smaller number first.",
        ),
        WrongAnswer(
            "moves = (7, 36, (1, 2))",
            "Step 2 reads 24 channels. The *side* step of the finest map reads the 36 once more.",
        ),
        WrongAnswer(
            "moves = (7, 36, (1, 13))",
            "Step 13 only enlarges and adds; it has no parameters. The convolution on the side "
            "comes one step before.",
        ),
        WrongAnswer(
            "moves = (7, 36, (1, 6))",
            "Step 6 is a side step, but of a map with 24 channels. One side step reads what came "
            "in, 36 channels.",
        ),
    ),
    look_at=(
        "Read the size under the heading of each step: which is the first that is larger than that "
        "of the map below it?",
        "Level 1, step 0: the words say channels × height × width.",
        "At level 1, read “parameters” at every 3 × 3 step, those on the side included; answer "
        "with a pair of step numbers.",
    ),
    praise="What comes in is convolved twice: on the way down, and from the side.",
)
