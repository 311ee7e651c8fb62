"""Exercises of notebook 10, the fuse layers of HRNet.

Keys: `path_channels`, `fuse_parameters`, `exchange_two`, `units_left`, `missing_pixels`, `moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer, integers

__all__ = [
    "exchange_two", "fuse_parameters", "missing_pixels", "moves", "path_channels", "units_left",
]  # fmt: skip

W32 = (32, 64, 128, 256)


def _cells(generator: torch.Generator) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """All cells of W32, those that can be checked by hand first, then of random widths."""
    first = ((2, 0), (0, 2), (1, 1), (3, 0))
    for receiver, giver in first:
        yield receiver, giver, W32
    for receiver in range(4):
        for giver in range(4):
            yield receiver, giver, integers(generator, 3, 90, 4)


# --------------------------------------------------------------------------- path_channels


_CHANNELS = """
    def path_channels(receiver, giver, widths):
        if receiver == giver:
            return {same}
        if receiver < giver:
            return {up}
        steps = receiver - giver
        return {down}
"""


def _channels_source(**changes: str) -> str:
    right = {
        "same": "[]",
        "up": "[widths[receiver]]",
        "down": "[widths[giver]] * (steps - 1) + [widths[receiver]]",
    }
    return _CHANNELS.format(**{**right, **changes})


path_channels = Exercise(
    notebook="nb10",
    key="path_channels",
    prompt=(
        "Write `path_channels(receiver, giver, widths)`: the list of output channels of every "
        "convolution of the cell receiver ← giver, in their order. It works when (2, 0) of W32 "
        "gives [32, 128], (0, 2) gives [32] and (1, 1) an empty list."
    ),
    stub='''
    def path_channels(receiver, giver, widths):
        """Output channels of each convolution of receiver ← giver."""
        ...
        return None
    ''',
    solution_source='''
    def path_channels(receiver, giver, widths):
        """Output channels of each convolution of receiver ← giver."""
        if receiver == giver:  # as it is
            return []
        if receiver < giver:  # up: 1 × 1, then cells are repeated
            return [widths[receiver]]
        steps = receiver - giver  # down: channels change at the last
        return [widths[giver]] * (steps - 1) + [widths[receiver]]
    ''',
    hints=(
        "Three cases: receiver == giver, receiver < giver (up), receiver > giver (down). How many "
        "convolutions has each?",
        "None; one; receiver - giver. What comes out of the last one must fit the receiver.",
        "Down: all convolutions but the last keep the giver's channels. Write that many copies of "
        "one number, then the receiver's.",
    ),
    wrong_answers=(
        WrongAnswer(
            _channels_source(down="[widths[receiver]] * steps"),
            "You change the channels at the first step. All but the last keep the giver's: that "
            "is cheaper, as the map is still large.",
        ),
        WrongAnswer(
            _channels_source(down="list(widths[giver + 1 : receiver + 1])"),
            "Your chain takes the channels of the branches between on its way. It passes their "
            "sizes, but keeps the giver's channels until the last step.",
        ),
        WrongAnswer(
            _channels_source(down="[widths[receiver]]"),
            "One convolution of stride 2 halves the map once. From two branches away it has to be "
            "halved twice: receiver - giver convolutions.",
        ),
        WrongAnswer(
            _channels_source(up="[widths[receiver]] * (giver - receiver)"),
            "Up has one convolution, whatever the distance: then cells are only repeated.",
        ),
        WrongAnswer(
            _channels_source(up="list(widths[receiver:giver][::-1])"),
            "You climb in a chain, with the channels of the branches between. Up has one "
            "convolution, straight to the receiver's channels; then cells are repeated.",
        ),
        WrongAnswer(
            _channels_source(same="[widths[receiver]]"),
            "A branch hears itself as it is: no convolution, an empty list.",
        ),
        WrongAnswer(
            """
            def path_channels(receiver, giver, widths):
                if receiver == giver:
                    return []
                if receiver > giver:
                    return [widths[receiver]]
                steps = giver - receiver
                return [widths[giver]] * (steps - 1) + [widths[receiver]]
            """,
            "Up and down are exchanged. Branch 0 is the finest: a receiver of smaller number is "
            "finer, so the map must go *up*, by one 1 × 1 convolution.",
        ),
        WrongAnswer(
            """
            def path_channels(receiver, giver, widths):
                receiver, giver = giver, receiver
                if receiver == giver:
                    return []
                if receiver < giver:
                    return [widths[receiver]]
                return [widths[giver]] * (receiver - giver - 1) + [widths[receiver]]
            """,
            "That is giver ← receiver. The receiver stands first: (2, 0) means that branch 2 hears "
            "branch 0.",
        ),
        WrongAnswer(
            _channels_source(down="[widths[giver]] * steps + [widths[receiver]]"),
            "One convolution too many: the chain has receiver - giver of them, the last included.",
        ),
        WrongAnswer(
            _channels_source(down="[widths[receiver]] + [widths[giver]] * (steps - 1)"),
            "The order is reversed: the first convolutions keep the giver's channels, the last one "
            "changes them.",
        ),
        WrongAnswer(
            _channels_source(down="[widths[giver]] * steps"),
            "Your chain ends with the giver's channels, and these cannot be added to the "
            "receiver's map. Change them at the last step.",
        ),
        WrongAnswer(
            _channels_source(up="[widths[giver]]"),
            "Up ends with the giver's channels, and these cannot be added to the receiver's map. "
            "The 1 × 1 convolution changes them.",
        ),
        WrongAnswer(
            _channels_source(up="[]"),
            "Up needs a convolution, too: repeating cells does not change the number of channels.",
        ),
        WrongAnswer(
            _channels_source(up="widths[receiver]"),
            "For one convolution the answer is still a list, with one number in it.",
        ),
        WrongAnswer(
            _channels_source(same="None"),
            "A branch that hears itself needs no convolution. Say so by an empty list, not None.",
        ),
    ),
    cases=_cells,
    praise="Lengths 0, 1 and i - j: that is the whole fuse matrix.",
)


# --------------------------------------------------------------------------- fuse_parameters


_PARAMETERS = """
    def fuse_parameters(receiver, giver, widths):
        def brick(a, b, k):
            return {brick}

        a, b = widths[giver], widths[receiver]
        if receiver == giver:
            return 0
        if receiver < giver:
            return {up}
        return {down}
"""


def _parameters_source(**changes: str) -> str:
    right = {
        "brick": "k * k * a * b + 2 * b",
        "up": "brick(a, b, 1)",
        "down": "(receiver - giver - 1) * brick(a, a, 3) + brick(a, b, 3)",
    }
    return _PARAMETERS.format(**{**right, **changes})


fuse_parameters = Exercise(
    notebook="nb10",
    key="fuse_parameters",
    prompt=(
        "Write `fuse_parameters(receiver, giver, widths)`: how many parameters the cell receiver "
        "← giver has, BatchNorm included. It works when (3, 0) of W32 gives 92,800 and (0, 3) "
        "gives 8,256."
    ),
    stub='''
    def fuse_parameters(receiver, giver, widths):
        """Parameters of the cell, BatchNorm included."""
        def brick(a, b, k):  # convolution without bias, BatchNorm
            ...
        return None
    ''',
    solution_source='''
    def fuse_parameters(receiver, giver, widths):
        """Parameters of the cell, BatchNorm included."""
        def brick(a, b, k):  # convolution without bias, BatchNorm
            return k * k * a * b + 2 * b

        a, b = widths[giver], widths[receiver]
        if receiver == giver:
            return 0
        if receiver < giver:
            return brick(a, b, 1)
        return (receiver - giver - 1) * brick(a, a, 3) + brick(a, b, 3)
    ''',
    hints=(
        "A convolution without bias has k · k · a · b weights, its BatchNorm a factor and a shift "
        "for each of the b output channels.",
        "Up: one brick, 1 × 1. Down: how many bricks keep the giver's channels, and how many "
        "change them?",
        "Down: every brick but the last goes from the giver's channels to the giver's channels; "
        "the last goes to the receiver's. As it is: nothing to learn.",
    ),
    wrong_answers=(
        WrongAnswer(
            _parameters_source(brick="k * k * a * b"),
            "BatchNorm is missing: two numbers for each output channel.",
        ),
        WrongAnswer(
            _parameters_source(brick="k * k * a * b + 3 * b"),
            "You count a bias of the convolution. It has none: BatchNorm would take it away.",
        ),
        WrongAnswer(
            _parameters_source(down="brick(a, b, 3)"),
            "Only the last step of the chain is counted. Down takes receiver - giver convolutions.",
        ),
        WrongAnswer(
            _parameters_source(down="brick(a, b, 3) + (receiver - giver - 1) * brick(b, b, 3)"),
            "You change the channels at the first step; the published chain does it at the last, "
            "so the earlier ones have a · a weights, not b · b.",
        ),
        WrongAnswer(
            _parameters_source(up="brick(a, b, 3)"),
            "Up is a 1 × 1 convolution: the receiver's blocks will look around, this one need not.",
        ),
        WrongAnswer(
            _parameters_source(up="(giver - receiver) * brick(a, b, 1)"),
            "Up has one convolution, whatever the distance. Repeating cells costs no parameters.",
        ),
        WrongAnswer(
            _parameters_source(brick="k * k * a * b + b"),
            "BatchNorm learns two numbers for each output channel, a factor and a shift. You count "
            "one.",
        ),
        WrongAnswer(
            _parameters_source(brick="k * k * a * b + 4 * b"),
            "You count BatchNorm's running mean and variance. They are measured, not learned: "
            "buffers, no parameters.",
        ),
        WrongAnswer(
            _parameters_source(brick="k * k * a * b + 2 * a"),
            "BatchNorm comes after the convolution, so it has two numbers for each *output* "
            "channel.",
        ),
        WrongAnswer(
            _parameters_source(brick="k * a * b + 2 * b"),
            "A filter is k wide and k high: k · k numbers for each pair of channels.",
        ),
        WrongAnswer(
            _parameters_source(down="(receiver - giver) * brick(a, b, 3)"),
            "Only the last step changes the channels. The earlier ones have a · a pairs of "
            "channels, not a · b.",
        ),
        WrongAnswer(
            _parameters_source().replace(
                "def brick", "receiver, giver = giver, receiver\n        def brick"
            ),
            "That is giver ← receiver. The receiver stands first: (3, 0) goes down, and is the "
            "dearer of the two.",
        ),
        WrongAnswer(
            _parameters_source().replace("return 0", "return brick(a, b, 1)"),
            "A branch hears itself as it is: no convolution, so nothing to count.",
        ),
    ),
    cases=_cells,
    praise="All 16 cells of W32 together: 784,512, and 3 ← 2 alone has more than a third of it.",
)


# --------------------------------------------------------------------------- exchange_two


def _pair_cases(generator: torch.Generator) -> Iterator[Case]:
    fine = torch.tensor([[1.0, 0, 0, 3], [0, 0, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]])
    coarse = torch.tensor([[1.0, 0], [2, 1]])
    yield fine[None, None], coarse[None, None], -torch.ones(1, 1), torch.ones(1, 1, 3, 3)
    for _ in range(5):
        B, C0, C1, half = integers(generator, 2, 4, 4)
        yield (
            torch.rand(B, C0, 2 * half, 2 * half + 2, generator=generator),
            torch.rand(B, C1, half, half + 1, generator=generator),
            torch.randn(C0, C1, generator=generator),
            torch.randn(C1, C0, 3, 3, generator=generator),
        )


_EXCHANGE = """
    def exchange_two(fine, coarse, up, down):
        conv2d = torch.nn.functional.conv2d
        raised = conv2d(coarse, up[:, :, None, None])
        raised = {raised}
        lowered = {lowered}
        {more}
        return {first}, {second}
"""


def _exchange_source(**changes: str) -> str:
    right = {
        "raised": "raised.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)",
        "lowered": "conv2d(fine, down, stride=2, padding=1)",
        "more": "",
        "first": "torch.relu(fine + raised)",
        "second": "torch.relu(lowered + coarse)",
    }
    return _EXCHANGE.format(**{**right, **changes})


exchange_two = Exercise(
    notebook="nb10",
    key="exchange_two",
    prompt=(
        "Write `exchange_two(fine, coarse, up, down)`: the new fine map (B, C0, H, W) and the new "
        "coarse map (B, C1, H/2, W/2); up (C0, C1) is a 1 × 1 convolution, down (C1, C0, 3, 3) "
        "one of stride 2 and padding 1; no BatchNorm. It works when it repeats §2."
    ),
    stub='''
    def exchange_two(fine, coarse, up, down):
        """Both new maps; up is (C0, C1), down is (C1, C0, 3, 3).

        fine is (B, C0, H, W), coarse (B, C1, H/2, W/2); no BatchNorm.
        """
        conv2d = torch.nn.functional.conv2d
        ...
        return None
    ''',
    solution_source='''
    def exchange_two(fine, coarse, up, down):
        """Both new maps; up is (C0, C1), down is (C1, C0, 3, 3)."""
        conv2d = torch.nn.functional.conv2d
        raised = conv2d(coarse, up[:, :, None, None])  # (B, C0, H/2, W/2)
        raised = raised.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        lowered = conv2d(fine, down, stride=2, padding=1)  # (B, C1, H/2, W/2)
        return torch.relu(fine + raised), torch.relu(lowered + coarse)
    ''',
    hints=(
        "up[:, :, None, None] is the weight (C0, C1, 1, 1) of a 1 × 1 convolution.",
        "Repeat each cell: repeat_interleave(2, dim=2), then dim=3. Down is one conv2d with "
        "stride=2, padding=1.",
        "Each receiver adds its own old map to what it hears; ReLU comes last, once for each.",
    ),
    wrong_answers=(
        WrongAnswer(
            _exchange_source(raised="raised.repeat(1, 1, 2, 2)"),
            "`repeat` lays copies of the whole map side by side, like tiles. Each cell is to be "
            "repeated where it is: repeat_interleave.",
        ),
        WrongAnswer(
            _exchange_source(first="fine + raised", second="lowered + coarse"),
            "The ReLU after the sum is missing.",
        ),
        WrongAnswer(
            _exchange_source(
                first="fine + torch.relu(raised)", second="torch.relu(lowered) + coarse"
            ),
            "Your ReLU comes before the sum: so a giver can only raise the receiver's numbers. "
            "Add first.",
        ),
        WrongAnswer(
            _exchange_source(
                first="torch.relu(2 * fine + raised)", second="torch.relu(lowered + coarse)"
            ),
            "The fine map enters its own sum twice: that is patient 1 of the bug clinic.",
        ),
        WrongAnswer(
            _exchange_source(
                more="new = torch.relu(fine + raised)",
                first="new",
                second="torch.relu(conv2d(new, down, stride=2, padding=1) + coarse)",
            ),
            "The coarse branch hears the *new* fine map. All hear the old maps: nobody speaks "
            "first.",
        ),
        WrongAnswer(
            _exchange_source(first="torch.relu(raised)", second="torch.relu(lowered)"),
            "Each receiver has forgotten its own map: the cells 0 ← 0 and 1 ← 1 belong to the sum.",
        ),
        WrongAnswer(
            _exchange_source(
                raised="torch.nn.functional.interpolate(raised, scale_factor=2, mode='bilinear')"
            ),
            "You enlarge bilinearly, which mixes neighbours. Here each cell is repeated as it is: "
            "nearest neighbour.",
        ),
        WrongAnswer(
            _exchange_source(
                first="torch.relu(lowered + coarse)", second="torch.relu(fine + raised)"
            ),
            "The two maps stand in the wrong order: first the new fine map, then the new coarse "
            "one.",
        ),
        WrongAnswer(
            _exchange_source(
                more="new = torch.relu(lowered + coarse)\n"
                "        raised = conv2d(new, up[:, :, None, None])\n"
                "        raised = raised.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)",
                second="new",
            ),
            "The fine branch hears the *new* coarse map. All hear the old maps: nobody speaks "
            "first.",
        ),
        WrongAnswer(
            _exchange_source(
                first="torch.relu((fine + raised) / 2)",
                second="torch.relu((lowered + coarse) / 2)",
            ),
            "You take the mean of what is heard. An exchange is a plain sum.",
        ),
        WrongAnswer(
            _exchange_source(
                first="torch.relu(torch.cat([fine, raised], dim=1))",
                second="torch.relu(torch.cat([lowered, coarse], dim=1))",
            ),
            "You lay the channels side by side. An exchange adds them, so the shapes stay.",
        ),
        WrongAnswer(
            _exchange_source(second="torch.relu(lowered + 2 * coarse)"),
            "The coarse map enters its own sum twice. Every giver counts once.",
        ),
        WrongAnswer(
            _exchange_source(first="fine + raised"),
            "The fine map lacks its ReLU. Both sums end in one.",
        ),
        WrongAnswer(
            _exchange_source(lowered="conv2d(fine, down, stride=1, padding=1)[:, :, 1::2, 1::2]"),
            "Your windows stand on odd rows and columns. With stride 2 and padding 1 the first "
            "window is centred on row 0, the next on row 2.",
        ),
    ),
    cases=_pair_cases,
    praise="With BatchNorm it is the exchange of stage 2.",
    tolerance=1e-4,
)


# --------------------------------------------------------------------------- units_left


def _unit_cases(generator: torch.Generator) -> Iterator[Case]:
    switches = [
        (within, across, final)
        for within in (True, False)
        for across in (True, False)
        for final in (True, False)
    ]
    yield (1, 4, 3), False, True, True
    for chosen in switches:
        yield ((1, 4, 3), *chosen)
    for chosen in switches:
        yield (integers(generator, 1, 6, 4), *chosen)


_UNITS = """
    def units_left(modules, within, across, final):
        return {within} * within + {across} * across + {final} * final
"""


def _units_source(**changes: str) -> str:
    right = {
        "within": "(sum(modules) - len(modules))",
        "across": "(len(modules) - 1)",
        "final": "1",
    }
    return _UNITS.format(**{**right, **changes})


units_left = Exercise(
    notebook="nb10",
    key="units_left",
    prompt=(
        "Write `units_left(modules, within, across, final)`: how many exchanges are left in a "
        "trunk with so many modules in stages 2, 3, ... It works when (1, 4, 3) gives 8 with all, "
        "3 without those within stages, and 1 with the final one alone."
    ),
    stub='''
    def units_left(modules, within, across, final):
        """Exchanges of a trunk with so many modules in stages 2, 3, …

        within: those of all modules of a stage but its last;
        across: at the end of a stage, but for the last stage;
        final: the very last. True keeps them.
        """
        ...
        return None
    ''',
    solution_source='''
    def units_left(modules, within, across, final):
        """Exchanges of a trunk with so many modules in stages 2, 3, …"""
        stages = len(modules)
        inside = sum(modules) - stages  # all but the last of each stage
        between = stages - 1  # the last of each stage but the last
        return inside * within + between * across + final
    ''',
    hints=(
        "Every module ends in one exchange, and each exchange is of exactly one kind. Together "
        "they are sum(modules).",
        "A stage of n modules has n - 1 exchanges within it. How many stages have an end that is "
        "not the very end?",
        "Count the three kinds separately. A switch is True or False, and True counts as 1 in a "
        "product.",
    ),
    wrong_answers=(
        WrongAnswer(
            _units_source(across="len(modules)"),
            "The end of the last stage is the final exchange; you count it under `across` too.",
        ),
        WrongAnswer(
            _units_source(within="sum(modules)"),
            "The last module of each stage does not count as within it.",
        ),
        WrongAnswer(
            _units_source(within="len(modules)"),
            "You count one exchange a stage. Each *module* has one: 1 + 4 + 3, not three.",
        ),
        WrongAnswer(
            _units_source(final="0"),
            "The final exchange is missing: the last module of the last stage has one as well.",
        ),
        WrongAnswer(
            """
            def units_left(modules, within, across, final):
                return sum(modules)
            """,
            "That is the number with all switches on. A switch that is False takes its kind away.",
        ),
        WrongAnswer(
            _UNITS.format(
                within="(sum(modules) - len(modules))", across="(len(modules) - 1)", final="1"
            ).replace("1 * final", "1"),
            "The final exchange has a switch of its own; you always count it.",
        ),
        WrongAnswer(
            _units_source(within="(sum(modules) - 1)"),
            "Within a stage are all its modules but *its* last: one less in every stage, not one "
            "less in all.",
        ),
        WrongAnswer(
            _units_source(within="(len(modules) - 1)", across="(sum(modules) - len(modules))"),
            "`within` and `across` are exchanged: across stages there is one for each stage that "
            "another one follows.",
        ),
        WrongAnswer(
            """
            def units_left(modules, within, across, final):
                return within + across + final
            """,
            "You add up the switches. Each switch keeps or takes many exchanges: count those of "
            "its kind.",
        ),
    ),
    cases=_unit_cases,
    praise="8, 3, 1, 0: what is left as one kind after the other is switched off.",
)


# --------------------------------------------------------------------------- missing_pixels


def _size_cases(generator: torch.Generator) -> Iterator[tuple[int, int, int]]:
    yield 250, 190, 4
    yield 256, 192, 4
    yield 1, 33, 4
    yield 250, 190, 2
    for _ in range(12):
        height, width = integers(generator, 1, 600, 2)
        yield height, width, integer(generator, 1, 5)


_MISSING = """
    def missing_pixels(height, width, branches):
        stride = {stride}
        return {rows}, {columns}
"""


def _missing_source(**changes: str) -> str:
    right = {
        "stride": "4 * 2 ** (branches - 1)",
        "rows": "-height % stride",
        "columns": "-width % stride",
    }
    return _MISSING.format(**{**right, **changes})


missing_pixels = Exercise(
    notebook="nb10",
    key="missing_pixels",
    prompt=(
        "Write `missing_pixels(height, width, branches)`: how many rows and columns an image "
        "lacks up to the next multiples of the coarsest branch's stride: (rows, columns). It works "
        "when 250 x 190 with four branches lacks (6, 2)."
    ),
    stub='''
    def missing_pixels(height, width, branches):
        """(rows, columns) up to multiples of the coarsest stride."""
        ...
        return None
    ''',
    solution_source='''
    def missing_pixels(height, width, branches):
        """(rows, columns) up to multiples of the coarsest stride."""
        stride = 4 * 2 ** (branches - 1)  # of the coarsest branch
        return -height % stride, -width % stride
    ''',
    hints=(
        "What is the stride of branch 0? And of the coarsest of `branches` branches?",
        "The stem halves twice, and every further branch once more: 32 for four branches. How "
        "much is missing to the next multiple of it?",
        "In Python the remainder of a *negative* number is never negative: try -7 % 4, and 7 + 1.",
    ),
    wrong_answers=(
        WrongAnswer(
            _missing_source(rows="stride - height % stride", columns="stride - width % stride"),
            "For a side that fits already you add a whole stride: nothing is missing there.",
        ),
        WrongAnswer(
            _missing_source(
                stride="32", rows="stride - height % stride", columns="stride - width % stride"
            ),
            "Two things: a side that fits already gets a whole 32 more, though nothing is missing; "
            "and 32 is right for four branches only.",
        ),
        WrongAnswer(
            _missing_source(stride="32"),
            "32 is right for four branches only; each branch more or less doubles or halves it.",
        ),
        WrongAnswer(
            _missing_source(stride="2 ** (branches - 1)"),
            "The stem is missing: branch 0 has stride 4 already.",
        ),
        WrongAnswer(
            _missing_source(stride="4 * 2 ** branches"),
            "One halving too many: from branch 0 to the coarsest there are branches - 1 steps.",
        ),
        WrongAnswer(
            _missing_source(rows="height % stride", columns="width % stride"),
            "That is how many pixels are too many, for cutting. What is missing to the next "
            "multiple is the rest of the stride, or nothing.",
        ),
        WrongAnswer(
            _missing_source(rows="-width % stride", columns="-height % stride"),
            "Rows and columns are exchanged: rows are added to the height, and come first.",
        ),
        WrongAnswer(
            _missing_source(rows="height + -height % stride", columns="width + -width % stride"),
            "That is the padded size. Asked is how many rows and columns are added to the image.",
        ),
        WrongAnswer(
            _missing_source(stride="2 ** branches"),
            "The stem halves twice before branch 0 begins, so the stride starts at 4, not at 2.",
        ),
        WrongAnswer(
            _missing_source(stride="4 * branches"),
            "Strides double from branch to branch, 4, 8, 16, 32. They do not grow by 4.",
        ),
        WrongAnswer(
            _missing_source(
                rows="round(height / stride) * stride - height",
                columns="round(width / stride) * stride - width",
            ),
            "You go to the *nearest* multiple, which may be smaller than the image. Pixels are "
            "only added.",
        ),
    ),
    cases=_size_cases,
    praise="`HRNetConfig(pad=True)` adds exactly these, and cuts the maps back at the end.",
)


# --------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb10",
    key="moves",
    prompt=(
        "Write down `moves`, what the explorer of the fuse matrix showed you: cells of output 0 "
        "that hear one pixel of branch 3; cells of output 1 that hear the pixel of branch 0 in "
        "row and column 7, and in 8, as a pair; (receiver, giver) of the cell with most parameters."
    ),
    stub="moves = ...",
    solution_source="moves = (64, (4, 1), (3, 2))",
    hints=(
        "A pixel of branch 3 is repeated 8 × 8. The table under the matrix counts what is not 0.",
        "A coarse cell is centred on every second fine cell and sees one more on each side. Draw "
        "two neighbouring windows: which places lie in both?",
        "Parameters grow with a · b, and a · a for the earlier steps: look at the last row.",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = (1, (4, 1), (3, 2))",
            "One cell is what output 3 has. Up, to output 0, one cell is repeated 8 × 8.",
        ),
        WrongAnswer(
            "moves = (8, (4, 1), (3, 2))",
            "8 is one side. The cell is repeated 8 times in each direction; count all cells that "
            "are not 0.",
        ),
        WrongAnswer(
            "moves = (16, (4, 1), (3, 2))",
            "16 cells of output 0 is what one pixel of branch 2 gives. Choose branch 3.",
        ),
        WrongAnswer(
            "moves = (64, (2, 1), (3, 2))",
            "Row 7 lies in two windows, and column 7 in two as well. Count the cells of "
            "output 1 that are not 0.",
        ),
        WrongAnswer(
            "moves = (64, (9, 9), (3, 2))",
            "Nine fine cells lie in one window. Asked is the other way round: in how many "
            "windows lies one fine cell?",
        ),
        WrongAnswer(
            "moves = (64, (1, 1), (3, 2))",
            "Put the pixel to row 7, column 7 first. It lies between two centres in each "
            "direction, and both hear it.",
        ),
        WrongAnswer(
            "moves = (64, (1, 4), (3, 2))",
            "Row 7 and row 8 are exchanged: an odd place lies in two windows each way, 2 · 2 = 4.",
        ),
        WrongAnswer(
            "moves = (64, (4, 4), (3, 2))",
            "Move the pixel to row *and* column 8: there a single window is centred on it.",
        ),
        WrongAnswer(
            "moves = (64, (4, 1), (2, 3))",
            "Receiver first. 2 ← 3 goes up with a 1 × 1 convolution and is cheap. The expensive "
            "one is its mirror image.",
        ),
        WrongAnswer(
            "moves = (64, (4, 1), (3, 0))",
            "3 ← 0 has the most steps, but two of them have 32 channels on both sides. The last "
            "step from 128 to 256 channels costs more than all three.",
        ),
    ),
    praise="Shifting a picture by one pixel changes who hears it: strided convolutions do that.",
    look_at=(
        "Choose one pixel of branch 3 under *Maps*, and read how many cells of output 0 are not 0.",
        "Choose one pixel of branch 0. Put it to row and column 7, then 8, and count the cells of "
        "output 1 that are not 0.",
        "Click the cells of the last row and read their parameters; name the receiver first.",
    ),
)
