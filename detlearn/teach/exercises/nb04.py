"""Exercises of notebook 04, SSD.

Keys: `output_side`, `flatten_head`, `l2_normalize`, `convolve_fc`, `receptive_field`,
`moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = [
    "convolve_fc", "flatten_head", "l2_normalize", "moves", "output_side", "receptive_field",
]  # fmt: skip


# ---------------------------------------------------------------------------- output_side


def _side_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 19, 3, 2, 1, 1  # 10, SSD300's first extra layer
    yield 20, 2, 3, 0, 1  # 7: the stride does not divide
    yield 3, 3, 1, 0, 1  # 1, its last
    yield 19, 3, 1, 6, 6  # 19, fc6
    yield 300, 7, 2, 3, 1  # 150, ResNet's first
    for _ in range(30):
        side, kernel, stride, padding, dilation = (
            integer(generator, 20, 80),
            integer(generator, 1, 4),
            integer(generator, 1, 3),
            integer(generator, 0, 3),
            integer(generator, 1, 3),
        )
        yield side, kernel, stride, padding, dilation


_SIDE = """
    def output_side(side, kernel, stride, padding, dilation):
        return {result}
"""

output_side = Exercise(
    notebook="nb04",
    key="output_side",
    prompt=(
        "Write `output_side(side, kernel, stride, padding, dilation)`: how many places a "
        "convolution with these whole numbers finds along one side of a map. It works when "
        "19 cells with kernel 3, stride 2, padding 1, dilation 1 give 10."
    ),
    stub='''
    def output_side(side, kernel, stride, padding, dilation):
        """Side of a convolution's output, in cells."""
        reach = ...
        return None
    ''',
    solution_source='''
    def output_side(side, kernel, stride, padding, dilation):
        """Side of a convolution's output, in cells."""
        reach = (kernel - 1) * dilation + 1
        return (side + 2 * padding - reach) // stride + 1
    ''',
    hints=(
        "First: how many cells does the filter span? Three weights with dilation 1 span 3 "
        "cells, with dilation 6 they span 13.",
        "The padded side minus that reach is how far the filter can move; with steps of "
        "`stride`, how many steps are that?",
        "The filter stands at its first place before any step: add 1 to the number of steps. "
        "Where it would stick out, it gives no answer: round down.",
    ),
    wrong_answers=(
        WrongAnswer(
            _SIDE.format(result="(side + 2 * padding - kernel) // stride + 1"),
            "You ignore the dilation: three weights with dilation 6 span 13 cells, "
            "(kernel - 1) · dilation + 1.",
        ),
        WrongAnswer(
            _SIDE.format(result="(side + 2 * padding - kernel * dilation) // stride + 1"),
            "The reach is (kernel - 1) · dilation + 1, not kernel · dilation: three weights have "
            "two gaps between them.",
        ),
        WrongAnswer(
            _SIDE.format(result="(side + padding - (kernel - 1) * dilation - 1) // stride + 1"),
            "The padding is added on both sides: 2 · padding.",
        ),
        WrongAnswer(
            _SIDE.format(result="(side + 2 * padding - (kernel - 1) * dilation - 1) // stride"),
            "One place is missing: the filter also stands where it starts, before its first step.",
        ),
        WrongAnswer(
            _SIDE.format(
                result="-((-side - 2 * padding + (kernel - 1) * dilation + 1) // stride) + 1"
            ),
            "You round up. A convolution rounds down: where the filter would stick out it gives "
            "no answer. (Only a pooling with ceil_mode=True rounds up.)",
        ),
        WrongAnswer(
            _SIDE.format(result="(side + 2 * padding - (kernel - 1) * dilation - 1) / stride + 1"),
            "A side is a whole number: divide with //, which rounds down.",
        ),
        WrongAnswer(
            _SIDE.format(result="(side - (kernel - 1) * dilation - 1) // stride + 1"),
            "You forget the padding: it lengthens the side by 2 · padding.",
        ),
        WrongAnswer(
            _SIDE.format(result="side + 2 * padding - (kernel - 1) * dilation"),
            "You forget the stride: of the places that the filter can reach, it visits every "
            "stride-th. Divide by it, rounding down.",
        ),
        WrongAnswer(
            _SIDE.format(result="(side + 2 * padding - (kernel - 1) * dilation) // stride"),
            "Nearly: you add the place where the filter starts before you divide by the stride. "
            "Divide the steps first, then add 1.",
        ),
        WrongAnswer(
            _SIDE.format(result="side // stride"),
            "This holds only where the padding makes up for the kernel and the stride divides the "
            "side: 19 cells with stride 2 would be 9. Count how far the filter can move.",
        ),
        WrongAnswer(
            _SIDE.format(result="-(-side // stride)"),
            "side / stride, rounded up, is right for 19 and stride 2 only by chance: 3 cells, "
            "kernel 3, no padding must give 1. Count how far the filter can move.",
        ),
    ),
    cases=_side_cases,
    praise="With it you can lay out the maps of any detector before you build it.",
)


# ---------------------------------------------------------------------------- flatten_head


def _flatten_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.arange(12.0).reshape(1, 6, 1, 2), 3
    for _ in range(6):
        B, A, K, H, W = (integer(generator, 2, 4) + i for i in range(5))
        yield torch.randn(B, A * K, H, W, generator=generator), K


_FLATTEN = """
    def flatten_head(maps, num_outputs):
        B, channels, H, W = maps.shape
        A = channels // num_outputs
        return {result}
"""

flatten_head = Exercise(
    notebook="nb04",
    key="flatten_head",
    prompt=(
        "Write `flatten_head(maps, num_outputs)`: a head's map (B, A·K, H, W), in which channel "
        "a·K + k is number k of prior a, as rows (B, H·W·A, K) in the order row, column, prior. "
        "K is `num_outputs`. It works when the first K channels of cell (0, 0) are the first row."
    ),
    stub='''
    def flatten_head(maps, num_outputs):
        """One row of num_outputs numbers for each prior."""
        B, channels, H, W = maps.shape
        ...
        return None
    ''',
    solution_source='''
    def flatten_head(maps, num_outputs):
        """One row of num_outputs numbers for each prior."""
        B, channels, H, W = maps.shape
        A, K = channels // num_outputs, num_outputs
        cells = maps.permute(0, 2, 3, 1)  # (B, H, W, A*K)
        return cells.reshape(B, H * W * A, K)  # (B, H*W*A, K)
    ''',
    hints=(
        "reshape reads the tensor like a book: the last axis changes fastest. Which axis must be "
        "last, so that the numbers of one prior stand together?",
        "`maps.permute(0, 2, 3, 1)` moves the channels behind row and column.",
        "After that one reshape is enough, since the channels are prior by prior already. How many "
        "rows has a picture?",
    ),
    wrong_answers=(
        WrongAnswer(
            _FLATTEN.format(result="maps.reshape(B, H * W * A, num_outputs)"),
            "The shape is right and the numbers are not: without the permutation a row holds "
            "neighbouring *cells* of one channel. The channels must move to the end first.",
        ),
        WrongAnswer(
            _FLATTEN.format(result="maps.permute(0, 3, 2, 1).reshape(B, H * W * A, num_outputs)"),
            "Your rows run down the columns: x and y are swapped. The order is (0, 2, 3, 1), "
            "row before column.",
        ),
        WrongAnswer(
            _FLATTEN.format(
                result="maps.reshape(B, A, num_outputs, H, W).permute(0, 1, 3, 4, 2)"
                ".reshape(B, H * W * A, num_outputs)"
            ),
            "These are all cells of prior 0, then all of prior 1 ...: level, prior, row, column, "
            "as one published SSD has it. Here the priors of a cell stand together.",
        ),
        WrongAnswer(
            _FLATTEN.format(
                result="maps.reshape(B, num_outputs, A, H, W).permute(0, 3, 4, 2, 1)"
                ".reshape(B, H * W * A, num_outputs)"
            ),
            "You read channel k·A + a as number k of prior a. Here the channels are prior by "
            "prior: a·K + k.",
        ),
        WrongAnswer(
            _FLATTEN.format(result="maps.permute(0, 2, 3, 1).reshape(-1, num_outputs)"),
            "The batch is gone: rows of different pictures stand in one list. Keep B in front.",
        ),
        WrongAnswer(
            _FLATTEN.format(result="maps.permute(0, 2, 3, 1).reshape(B, H * W, A, num_outputs)"),
            "The numbers are in order, but the rows still stand in groups of a cell, "
            "(B, H·W, A, K). Join the two: H·W·A rows.",
        ),
        WrongAnswer(
            _FLATTEN.format(result="maps.permute(0, 2, 3, 1).reshape(B, num_outputs, H * W * A)"),
            "K comes last: a row for each prior, K numbers in it. Yours are K long rows.",
        ),
        WrongAnswer(
            _FLATTEN.format(result="maps.permute(0, 2, 3, 1)"),
            "The channels stand last now, but it is still a map: reshape it to one row for each "
            "prior, (B, H·W·A, K).",
        ),
        WrongAnswer(
            _FLATTEN.format(result="maps.reshape(B, channels, H * W).transpose(1, 2)"),
            "These are rows of cells, (B, H·W, A·K), each with all its priors. Cut every row into "
            "A rows of K numbers.",
        ),
        WrongAnswer(
            _FLATTEN.format(
                result="maps.permute(0, 2, 3, 1).reshape(B, channels // A * A * H * W // A, A)"
            ),
            "The last axis has A numbers. It must have K = num_outputs: those of one prior.",
        ),
    ),
    cases=_flatten_cases,
    praise="Equal to `flatten_level`; this line is the one that SSD ports most often get wrong.",
)


# ---------------------------------------------------------------------------- l2_normalize


def _norm_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([3.0, 4.0]).reshape(1, 2, 1, 1), torch.tensor([20.0, 20.0])
    silent = torch.tensor([[3.0, 0.0], [4.0, 0.0]]).reshape(1, 2, 1, 2)  # the second cell says 0
    yield silent, torch.tensor([20.0, 10.0])
    for _ in range(6):
        B, C, H, W = (integer(generator, 2, 3) + i for i in range(4))
        maps = torch.randn(B, C, H, W, generator=generator) + 0.5
        yield maps, 5 + 20 * torch.rand(C, generator=generator)


_NORM = """
    def l2_normalize(maps, scale):
        length = {length}
        return maps / length.clamp(min=1e-12) * {scale}
"""

l2_normalize = Exercise(
    notebook="nb04",
    key="l2_normalize",
    prompt=(
        "Write `l2_normalize(maps, scale)` without F.normalize: every cell of maps (B, C, H, W) "
        "gets a channel vector of length 1, then channel c is multiplied by scale[c]; scale is "
        "(C,). A cell of zeros stays zero. It works when (3, 4) with scale 20 gives (12, 16)."
    ),
    stub='''
    def l2_normalize(maps, scale):
        """Length 1 in every cell, then one factor for each channel."""
        length = ...
        return None
    ''',
    solution_source='''
    def l2_normalize(maps, scale):
        """Length 1 in every cell, then one factor for each channel."""
        length = maps.square().sum(dim=1, keepdim=True).sqrt()  # (B, 1, H, W)
        length = length.clamp(min=1e-12)  # a silent cell: 0 / 0 is NaN
        return maps / length * scale[:, None, None]  # (B, C, H, W)
    ''',
    hints=(
        "The vector of a cell runs along the channels: which dim of (B, C, H, W) is that?",
        "Length: the root of the sum of squares. keepdim=True leaves (B, 1, H, W), which divides "
        "every channel.",
        "scale (C,) would be aligned with W; scale[:, None, None] is (C, 1, 1). And what is 0 / 0? "
        "`clamp(min=1e-12)` keeps a length away from 0.",
    ),
    wrong_answers=(
        WrongAnswer(
            _NORM.format(length="maps.norm()", scale="scale[:, None, None]"),
            "You divide by one length for the whole batch: then what one cell says depends on all "
            "the others, even on other pictures. Sum over the channels, dim=1, alone.",
        ),
        WrongAnswer(
            _NORM.format(
                length="maps.norm(dim=(2, 3), keepdim=True)", scale="scale[:, None, None]"
            ),
            "You give every channel the length 1 over its cells. Wanted is every *cell* over its "
            "channels: dim=1.",
        ),
        WrongAnswer(
            _NORM.format(length="maps.norm(dim=0, keepdim=True)", scale="scale[:, None, None]"),
            "dim 0 is the batch: with one picture every number becomes plus or minus 1. The "
            "channels are dim 1.",
        ),
        WrongAnswer(
            _NORM.format(
                length="maps.square().sum(dim=1, keepdim=True)", scale="scale[:, None, None]"
            ),
            "You divide by the sum of squares; the length is its root.",
        ),
        WrongAnswer(
            _NORM.format(
                length="maps.abs().sum(dim=1, keepdim=True)", scale="scale[:, None, None]"
            ),
            "This is L1, the sum of absolute values. L2 is the root of the sum of squares.",
        ),
        WrongAnswer(
            _NORM.format(length="maps.norm(dim=1, keepdim=True)", scale="scale.mean()"),
            "One factor for all channels: the network learns one for each. scale[:, None, None] "
            "is (C, 1, 1).",
        ),
        WrongAnswer(
            """
            def l2_normalize(maps, scale):
                length = maps.square().sum(dim=1, keepdim=True).sqrt()
                return maps / length * scale[:, None, None]
            """,
            "A cell of zeros has length 0, and 0 / 0 is NaN, which spreads through the network. "
            "Keep the length away from 0: clamp(min=1e-12).",
        ),
        WrongAnswer(
            """
            def l2_normalize(maps, scale):
                length = maps.square().sum(dim=1, keepdim=True).sqrt() + 1
                return maps / length * scale[:, None, None]
            """,
            "Adding 1 to the length keeps NaN away, but (3, 4) becomes shorter than 20. Use a tiny "
            "number, or clamp(min=1e-12).",
        ),
        WrongAnswer(
            """
            def l2_normalize(maps, scale):
                length = maps.square().sum(dim=1, keepdim=True).sqrt() + 1e-6
                return maps / length * scale[:, None, None]
            """,
            "The number that you add is too large: a short vector does not reach its length. "
            "clamp(min=1e-12) changes no other vector than zero.",
        ),
        WrongAnswer(
            """
            def l2_normalize(maps, scale):
                length = maps.square().sum(dim=1, keepdim=True).sqrt()
                return maps / length.clamp(min=1) * scale[:, None, None]
            """,
            "clamp(min=1) leaves every vector shorter than 1 as it is. The bound is against 0 / 0 "
            "alone: clamp(min=1e-12).",
        ),
        WrongAnswer(
            """
            def l2_normalize(maps, scale):
                length = maps.square().sum(dim=1, keepdim=True).sqrt()
                return maps / length.clamp(min=1e-12)
            """,
            "Every vector has length 1 now. Multiply channel c by scale[c].",
        ),
        WrongAnswer(
            """
            def l2_normalize(maps, scale):
                length = maps.square().mean(dim=1, keepdim=True).sqrt()
                return maps / length.clamp(min=1e-12) * scale[:, None, None]
            """,
            "You take the mean of the squares. The length is the root of their *sum*.",
        ),
        WrongAnswer(
            """
            def l2_normalize(maps, scale):
                length = maps.square().sum(dim=1, keepdim=True).sqrt()
                return maps / length.clamp(min=1e-12) / scale[:, None, None]
            """,
            "You divide by the scale. It multiplies: 20 makes the entries larger.",
        ),
    ),
    cases=_norm_cases,
    praise="Equal to `L2Norm`, which SSD puts on conv4_3 alone.",
)


# ---------------------------------------------------------------------------- convolve_fc


def _fc_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.arange(9.0).reshape(1, 9), 3, 1, 2
    yield torch.arange(2 * 2 * 25.0).reshape(2, 50), 5, 2, 2
    for _ in range(8):
        channels, units = integer(generator, 2, 4), integer(generator, 2, 3)
        side, keep_units = 7, integer(generator, 2, 4)
        weight = torch.randn(units * keep_units, channels * side * side, generator=generator)
        yield weight, side, keep_units, 3


_FC = """
    def convolve_fc(weight, side, every_unit, every_weight):
        filters = weight.reshape(len(weight), {shape})
        return {result}
"""
_RIGHT_FC = "filters[::every_unit, :, ::every_weight, ::every_weight]"

convolve_fc = Exercise(
    notebook="nb04",
    key="convolve_fc",
    prompt=(
        "Write `convolve_fc(weight, side, every_unit, every_weight)`: the weight (N, C·side·side) "
        "of a linear layer that reads a flattened map (C, side, side), as a convolution's filters, "
        "of which every `every_unit`-th unit and every `every_weight`-th row and column are kept, "
        "the first ones included. It works when fc6 of VGG-16 (side 7, every 4th unit, every 3rd "
        "row and column) becomes (1024, 512, 3, 3)."
    ),
    stub='''
    def convolve_fc(weight, side, every_unit, every_weight):
        """Filters of a convolution, thinned out."""
        filters = ...
        return None
    ''',
    solution_source='''
    def convolve_fc(weight, side, every_unit, every_weight):
        """Filters of a convolution, thinned out."""
        filters = weight.reshape(len(weight), -1, side, side)  # (N, C, H, W)
        return filters[::every_unit, :, ::every_weight, ::every_weight]
    ''',
    hints=(
        "A flattened map lists channel, row, column. So a row of the weight is a filter "
        "(C, side, side), written in one line.",
        "`weight.reshape(N, -1, side, side)`, and then a slice with steps.",
        "A slice with steps keeps the first and every n-th after it, `[::n]`: for the units, the "
        "rows and the columns. All channels stay.",
    ),
    wrong_answers=(
        WrongAnswer(
            _FC.format(
                shape="side, side, -1",
                result=_RIGHT_FC.replace(
                    "[::every_unit, :, ::every_weight, ::every_weight]",
                    ".permute(0, 3, 1, 2)[::every_unit, :, ::every_weight, ::every_weight]",
                ),
            ),
            "You read the columns as row, column, channel. flatten goes channel by channel "
            "(TensorFlow's order is the other one): (C, side, side).",
        ),
        WrongAnswer(
            _FC.format(
                shape="-1, side, side", result="filters[:, :, ::every_weight, ::every_weight]"
            ),
            "All units are still there: keep every every_unit-th of them, `[::every_unit]`.",
        ),
        WrongAnswer(
            _FC.format(
                shape="-1, side, side",
                result="filters[: len(weight) // every_unit, :, ::every_weight, ::every_weight]",
            ),
            "You keep the *first* units; wanted is every every_unit-th, `[::every_unit]`, and the "
            "next layer's weights must be picked in the same way.",
        ),
        WrongAnswer(
            _FC.format(
                shape="-1, side, side",
                result="filters[::every_unit, :, : -(-side // every_weight), "
                ": -(-side // every_weight)]",
            ),
            "You keep the corner of the filter; wanted is every every_weight-th row and column, so "
            "that it still spans the map.",
        ),
        WrongAnswer(
            _FC.format(
                shape="-1, side, side",
                result="filters[every_unit - 1 :: every_unit, :, ::every_weight, ::every_weight]",
            ),
            "You start at the last unit of each group; the first ones belong to it: "
            "`[::every_unit]`.",
        ),
        WrongAnswer(
            _FC.format(
                shape="-1, side, side",
                result="filters[::every_unit, :, ::every_weight, ::every_weight].transpose(2, 3)",
            ),
            "Rows and columns are swapped: your filter is mirrored at its diagonal.",
        ),
        WrongAnswer(
            _FC.format(shape="-1, side, side", result="filters[::every_unit]"),
            "All 7 × 7 places are still there: keep every every_weight-th row and column, too.",
        ),
        WrongAnswer(
            _FC.format(
                shape="-1, side, side",
                result="filters[::every_unit, ::every_weight, ::every_weight, ::every_weight]",
            ),
            "You thin out the channels as well. They are pool5's, and all of them stay.",
        ),
        WrongAnswer(
            _FC.format(
                shape="-1, side, side",
                result="filters[::every_weight, :, ::every_unit, ::every_unit]",
            ),
            "The two steps are exchanged: every_unit belongs to the first axis, every_weight to "
            "rows and columns.",
        ),
    ),
    cases=_fc_cases,
    praise="With (7, 4, 3) it is `decimate_fc6`: ImageNet's fc6 becomes SSD's first guess.",
)


# ---------------------------------------------------------------------------- receptive_field


def _field_cases(generator: torch.Generator) -> Iterator[Case]:
    yield ([(3, 1, 1)],)  # 3
    yield ([(3, 1, 1), (3, 1, 1)],)  # 5
    yield ([(3, 1, 1), (2, 2, 1), (3, 1, 6)],)  # 3 + 1 + 12 * 2 = 28
    for _ in range(20):
        layers = [
            (
                integer(generator, 1, 4),
                integer(generator, 1, 3),
                integer(generator, 1, 4),
            )
            for _ in range(integer(generator, 2, 6))
        ]
        yield ([(3, 2, 1), *layers, (3, 2, 2)],)


_FIELD = """
    def receptive_field(layers):
        field, step = {start}, 1
        for kernel, stride, dilation in layers:
            {body}
        return field
"""

receptive_field = Exercise(
    notebook="nb04",
    key="receptive_field",
    prompt=(
        "Write `receptive_field(layers)`: the side in px of what one cell of the last map sees. "
        "`layers` is a list of (kernel, stride, dilation), from the image on. It works when two "
        "3 × 3 convolutions see 5 px."
    ),
    stub='''
    def receptive_field(layers):
        """Side of the receptive field of one cell, px."""
        field, step = 1, 1
        for kernel, stride, dilation in layers:
            ...
        return None
    ''',
    solution_source='''
    def receptive_field(layers):
        """Side of the receptive field of one cell, px."""
        field, step = 1, 1
        for kernel, stride, dilation in layers:
            field += (kernel - 1) * dilation * step
            step *= stride
        return field
    ''',
    hints=(
        "A pixel sees itself: 1 px. Between the first and the last weight of a filter lie "
        "(kernel - 1) · dilation cells of *its input*.",
        "How many px is one cell of its input? That is `step`, the product of all strides so far.",
        "Add these px to the field first. The layer's own stride widens only what comes behind it, "
        "so the step is multiplied last.",
    ),
    wrong_answers=(
        WrongAnswer(
            _FIELD.format(
                start="1", body="field += (kernel - 1) * step\n            step *= stride"
            ),
            "You ignore the dilation: the weights lie `dilation` cells from each other.",
        ),
        WrongAnswer(
            _FIELD.format(start="1", body="field += (kernel - 1) * dilation"),
            "You ignore the strides: behind a stride of 2 the cells lie 2 px apart, and a filter "
            "there spans twice as many px.",
        ),
        WrongAnswer(
            _FIELD.format(
                start="1",
                body="step *= stride\n            field += (kernel - 1) * dilation * step",
            ),
            "A layer's own stride does not widen its own view, only that of the layers behind it: "
            "first add, then multiply the step.",
        ),
        WrongAnswer(
            _FIELD.format(
                start="1", body="field += kernel * dilation * step\n            step *= stride"
            ),
            "A filter of `kernel` weights adds (kernel - 1) gaps: a 1 × 1 convolution adds none.",
        ),
        WrongAnswer(
            _FIELD.format(
                start="0",
                body="field += (kernel - 1) * dilation * step\n            step *= stride",
            ),
            "You are 1 px short: without any layer a pixel sees itself, so start at 1.",
        ),
        WrongAnswer(
            """
            def receptive_field(layers):
                field, step = 1, 1
                for kernel, stride, dilation in layers:
                    field = field * stride + (kernel - 1) * dilation
                return field
            """,
            "This formula runs from the *last* layer to the first. Forwards, add gaps that are as "
            "wide as the strides so far.",
        ),
        WrongAnswer(
            """
            def receptive_field(layers):
                field, step = 1, 1
                for kernel, stride, dilation in layers:
                    field += (kernel - 1) * dilation * step
                    step += stride
                return field
            """,
            "Strides multiply: behind two strides of 2 the cells lie 4 px apart, behind three 8.",
        ),
        WrongAnswer(
            """
            def receptive_field(layers):
                field, step = 1, 1
                for kernel, stride, dilation in layers:
                    field += (kernel - 1) * dilation * step
                    step = stride
                return field
            """,
            "You remember the last stride only. The width of a cell is the product of all strides "
            "before it: `step *= stride`.",
        ),
    ),
    cases=_field_cases,
    praise="For VGG-16 up to SSD's fc7 it gives 420 px: more than the picture has.",
)


# ---------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb04",
    key="moves",
    prompt=(
        "Write down `moves`, what the explorers showed you in the five tasks: the first level "
        "whose field is larger than the picture; (px, px) that a head adds to the field on levels "
        "0 and 3; the channel; the network; how many times the MACs. A tuple, such as "
        "(0, (5, 5), 10, 'ssd300_vgg16', 30), made up."
    ),
    stub="moves = ...",
    solution_source="moves = (3, (8, 64), 32, 'ssd300_resnet50', 1)",
    hints=(
        "The field stands beside the picture: what a cell sees *of its field*, which is the "
        "larger of the two where the picture is too small for it.",
        "A 3 × 3 filter sees two more cells, each as wide as the level's stride. Channel a · K + k "
        "is number k of prior a, and a counts from 0.",
        "Compare the rows `backbone` and `head`, model by model; then divide the MACs of the two "
        "rows of `backbone.layers`.",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = (2, (8, 64), 32, 'ssd300_resnet50', 1)",
            "119 px are not yet the whole picture: the first field above 128 px is that of "
            "another level.",
        ),
        WrongAnswer(
            "moves = (3, (8, 8), 32, 'ssd300_resnet50', 1)",
            "A cell of level 3 is as wide as its stride, 32 px, and a 3 × 3 filter adds two cells.",
        ),
        WrongAnswer(
            "moves = (3, (2, 2), 32, 'ssd300_resnet50', 1)",
            "Two cells, not two pixels: multiply by the level's stride.",
        ),
        WrongAnswer(
            "moves = (3, (8, 64), 23, 'ssd300_resnet50', 1)",
            "Channel 23 is number 5 of prior 2. Priors count from 0: prior 3 begins at 3 · 9 = 27.",
        ),
        WrongAnswer(
            "moves = (3, (8, 64), 32, 'ssd300_vgg16', 1)",
            "VGG's heads are large, but its backbone is larger: look at the parameters, not at "
            "the MACs, of the other two as well.",
        ),
        WrongAnswer(
            "moves = (3, (8, 64), 32, 'ssd300_resnet50', 64)",
            "64 times the parameters, but each is used in 62 times fewer cells, 38² instead of "
            "300².",
        ),
        WrongAnswer(
            "moves = (1, (8, 64), 32, 'ssd300_resnet50', 1)",
            "Level 1 sees less than half of the picture. Move on, and read the field beside it.",
        ),
        WrongAnswer(
            "moves = (3, (8, 64), 5, 'ssd300_resnet50', 1)",
            "Channel 5 is prior 0's. Each prior owns K = 9 channels: prior 3's are 27 to 35.",
        ),
        WrongAnswer(
            "moves = (3, (8, 64), 8, 'ssd300_resnet50', 1)",
            "5 + 3 would be the next number of the *same* prior. Prior 3 begins at 3 · 9 = 27.",
        ),
        WrongAnswer(
            "moves = (3, (8, 64), 32, 'ssdlite300_mobilenet_v2', 1)",
            "SSDLite's heads are separable, so they are small beside its backbone. Look at the "
            "other two.",
        ),
        WrongAnswer(
            "moves = (3, (39, 279), 32, 'ssd300_resnet50', 1)",
            "These are the fields of the heads. The task asks by how much they are wider than the "
            "fields of the maps.",
        ),
    ),
    look_at=(
        "go through the maps of `backbone`, and read the field beside the picture.",
        "read the field of [0] and of `head.logits.0`, then of [3] and of `head.logits.3`.",
        "find the channel that is high where the face is, at the places of prior 3: a · K + k.",
        "compare the parameters of the rows `backbone` and `head` in each of the three models, and "
        "write the full name, as in the list of models.",
        "in `backbone.layers`, divide conv4_3's MACs by conv1_2's, and round.",
    ),
    praise="Half the side, twice the channels: four times the weights, and the same work.",
)
