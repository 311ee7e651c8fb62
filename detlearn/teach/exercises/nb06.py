"""Exercises of notebook 06, RefineDet I: ARM, ODM, TCB.

Keys: `compose_steps`, `filter_labels`, `upsample_map`, `head_parameters`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = ["compose_steps", "filter_labels", "head_parameters", "upsample_map"]


# ---------------------------------------------------------------------------- compose_steps


def _compose_cases(generator: torch.Generator) -> Iterator[Case]:
    doubled = 5 * math.log(2)  # dw of a box that becomes twice as wide
    yield torch.tensor([[0.0, 0.0, doubled, 0.0]]), torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    yield torch.tensor([[3.75, 0.0, 0.0, 0.0]]), torch.tensor([[1.25, 0.0, 0.0, 0.0]])
    yield torch.tensor([[0.0, 0.0, 1.0, -1.0]]), torch.tensor([[2.0, 2.0, 0.5, 0.5]])
    for _ in range(10):
        number = integer(generator, 1, 6)
        first, second = torch.randn(2, number, 4, generator=generator)
        yield first, second


_COMPOSE = """
    def compose_steps(first, second):
        grown = {grown}
        center = {center}
        size = {size}
        return torch.cat([center, size], dim=1)
"""
_GROWN = "torch.exp(0.2 * first[:, 2:])"
_CENTER = "first[:, :2] + second[:, :2] * grown"
_SIZE = "first[:, 2:] + second[:, 2:]"

compose_steps = Exercise(
    notebook="nb06",
    key="compose_steps",
    prompt=(
        "Write `compose_steps(first, second)`: the deltas (P, 4), dx, dy, dw, dh, that lead from "
        "the priors at once to where `first` (from the priors) and then `second` (from the "
        "anchors) lead; scales 0.1 (centre) and 0.2 (size). It works when (0, 0, 5 log 2, 0) "
        "and (1, 0, 0, 0) give (2, 0, 5 log 2, 0)."
    ),
    stub='''
    def compose_steps(first, second):
        """One delta (P, 4) for two; the scales are 0.1 and 0.2."""
        grown = ...
        return None
    ''',
    solution_source='''
    def compose_steps(first, second):
        """One delta (P, 4) for two; the scales are 0.1 and 0.2."""
        grown = torch.exp(0.2 * first[:, 2:])  # (P, 2)
        center = first[:, :2] + second[:, :2] * grown  # (P, 2)
        size = first[:, 2:] + second[:, 2:]  # (P, 2)
        return torch.cat([center, size], dim=1)  # (P, 4)
    ''',
    hints=(
        "In what unit does the second step count its dx? In sizes of the anchor. How large is the "
        "anchor, in sizes of the prior?",
        "The first step makes the prior exp(0.2 · dw) times as wide: a second dx counts that much "
        "more. And two factors, one after the other, multiply; what do their logarithms do?",
        "Write centre and size as two tensors (P, 2), then join them with torch.cat(..., dim=1). "
        "By hand: first = (0, 0, 5 log 2, 0) doubles the width, so a second dx of 1 counts 2.",
    ),
    wrong_answers=(
        WrongAnswer(
            "def compose_steps(first, second):\n    return first + second",
            "You add all four. The sizes do add, but the second step's centre is measured in "
            "sizes of the *anchor*: it counts exp(0.2 · dw) times as much.",
        ),
        WrongAnswer(
            _COMPOSE.format(grown="torch.exp(first[:, 2:])", center=_CENTER, size=_SIZE),
            "The log sizes were divided by 0.2 when they were encoded; the anchor grows by "
            "exp(0.2 · dw), not exp(dw).",
        ),
        WrongAnswer(
            _COMPOSE.format(grown="torch.exp(first[:, 2:] / 0.2)", center=_CENTER, size=_SIZE),
            "You divide by 0.2. That was done when the sizes were encoded; going back multiplies: "
            "the anchor grows by exp(0.2 · dw).",
        ),
        WrongAnswer(
            _COMPOSE.format(grown="torch.exp(0.2 * second[:, 2:])", center=_CENTER, size=_SIZE),
            "The second step starts from the anchor, and the anchor's size was made by the "
            "*first* step: exp(0.2 · first[:, 2:]).",
        ),
        WrongAnswer(
            _COMPOSE.format(
                grown=_GROWN, center="(first[:, :2] + second[:, :2]) * grown", size=_SIZE
            ),
            "Only the second step is measured in sizes of the anchor; the first one counts in "
            "sizes of the prior, as the answer does.",
        ),
        WrongAnswer(
            _COMPOSE.format(grown=_GROWN, center=_CENTER, size="first[:, 2:] * second[:, 2:]"),
            "Factors multiply, and so their *logarithms* add: dw is first plus second.",
        ),
        WrongAnswer(
            _COMPOSE.format(grown="1 + 0.2 * first[:, 2:]", center=_CENTER, size=_SIZE),
            "You grow by 1 + 0.2 · dw. Sizes are logarithms: the anchor is exp(0.2 · dw) times as "
            "wide as the prior.",
        ),
        WrongAnswer(
            _COMPOSE.format(grown="torch.exp(0.1 * first[:, 2:])", center=_CENTER, size=_SIZE),
            "0.1 is the scale of the centre. Sizes were divided by 0.2: exp(0.2 · dw).",
        ),
        WrongAnswer(
            _COMPOSE.format(
                grown=_GROWN, center="first[:, :2] + second[:, :2] / grown", size=_SIZE
            ),
            "You divide by the growth. A wider anchor makes the second step *longer* in sizes of "
            "the prior: multiply.",
        ),
        WrongAnswer(
            _COMPOSE.format(
                grown=_GROWN, center="first[:, :2] * grown + second[:, :2]", size=_SIZE
            ),
            "You stretch the first step. It starts from the prior and counts in sizes of the "
            "prior already; the *second* one is measured in sizes of the anchor.",
        ),
        WrongAnswer(
            _COMPOSE.format(grown=_GROWN, center="second[:, :2] * grown", size=_SIZE),
            "The first step's move of the centre is lost: the answer starts from the prior.",
        ),
        WrongAnswer(
            _COMPOSE.format(
                grown=_GROWN, center=_CENTER, size="first[:, 2:] + second[:, 2:] * grown"
            ),
            "Only *centres* are measured in sizes of the box. Log sizes add as they are.",
        ),
        WrongAnswer(
            _COMPOSE.format(grown="first[:, 2:]", center=_CENTER, size=_SIZE),
            "You multiply by dw itself. How many times as wide the anchor is, is exp(0.2 · dw).",
        ),
        WrongAnswer(
            _COMPOSE.format(grown=_GROWN, center=_CENTER, size=_SIZE).replace(
                "[center, size]", "[size, center]"
            ),
            "The order of a delta is dx, dy, dw, dh: the centre comes first.",
        ),
        WrongAnswer(
            _COMPOSE.format(grown=_GROWN, center=_CENTER, size=_SIZE).replace("dim=1", "dim=0"),
            "You stack centres on top of sizes, (2·P, 2). Join them along the columns: dim=1.",
        ),
    ),
    cases=_compose_cases,
    praise="So two steps reach nothing that one cannot; what they change is how it is learned.",
    tolerance=1e-4,
)


# ---------------------------------------------------------------------------- filter_labels


def _filter_cases(generator: torch.Generator) -> Iterator[Case]:
    gaps = torch.tensor([-2.0, 0.0, 4.5, 4.7, 9.0])
    logits = torch.stack([gaps, torch.zeros(5)], dim=-1)
    yield torch.tensor([3, 0, 1, 0, 2]), logits, 0.01
    yield torch.tensor([1, 0]), torch.zeros(2, 2), 0.5  # exactly the threshold
    yield torch.tensor([1, 0, 2, 0]), logits[:4], 0.2  # not every threshold is 0.01
    for _ in range(8):
        number = integer(generator, 4, 20)
        labels = torch.randint(0, 4, (number,), generator=generator)
        yield labels, 4 * torch.randn(number, 2, generator=generator), 0.01


_FILTER = """
    def filter_labels(labels, arm_logits, threshold):
        objectness = {objectness}
        return labels.masked_fill({easy}, {value})
"""
_OBJECTNESS = "arm_logits.softmax(dim=-1)[:, 1]"
_EASY = "objectness <= threshold"

filter_labels = Exercise(
    notebook="nb06",
    key="filter_labels",
    prompt=(
        "Write `filter_labels(labels, arm_logits, threshold)`: labels (P,) as the ODM gets them, "
        "-1 where the objectness, the softmax probability of *object* (column 1 of arm_logits "
        "(P, 2)), is at most the threshold. It works when an object that the ARM denies becomes "
        "-1, too."
    ),
    stub='''
    def filter_labels(labels, arm_logits, threshold):
        """ODM labels (P,): -1 where the ARM sees background."""
        objectness = ...
        return None
    ''',
    solution_source='''
    def filter_labels(labels, arm_logits, threshold):
        """ODM labels (P,): -1 where the ARM sees background."""
        objectness = arm_logits.softmax(dim=-1)[:, 1]  # (P,)
        return labels.masked_fill(objectness <= threshold, -1)  # (P,)
    ''',
    hints=(
        "Logits are no probabilities yet: softmax over the last axis. Which column is object?",
        "masked_fill(mask, value) returns a copy in which the masked places have the value.",
        "The mask compares the objectness with the threshold and looks at no label. A prior "
        "exactly at the threshold is dropped, too.",
    ),
    wrong_answers=(
        WrongAnswer(
            _FILTER.format(objectness="arm_logits.softmax(dim=-1)[:, 0]", easy=_EASY, value=-1),
            "You take column 0, the probability of *background*: what you drop are the objects.",
        ),
        WrongAnswer(
            _FILTER.format(objectness="arm_logits[:, 1]", easy=_EASY, value=-1),
            "These are logits, not probabilities: softmax first.",
        ),
        WrongAnswer(
            _FILTER.format(objectness=_OBJECTNESS, easy=_EASY, value=0),
            "You make the dropped ones background, 0: then they are mined as negatives. -1 is "
            "“neither learned from nor mined”.",
        ),
        WrongAnswer(
            _FILTER.format(objectness=_OBJECTNESS, easy=f"({_EASY}) & (labels == 0)", value=-1),
            "You spare the objects. The ODM will not see a prior that the ARM denies when it "
            "detects, so it learns nothing from it, either.",
        ),
        WrongAnswer(
            _FILTER.format(objectness=_OBJECTNESS, easy=f"({_EASY}) & (labels > 0)", value=-1),
            "You drop objects only. Easy *negatives* are what the filter is for: any label.",
        ),
        WrongAnswer(
            _FILTER.format(objectness=_OBJECTNESS, easy="objectness < threshold", value=-1),
            "A prior exactly at the threshold is dropped as well: “at most” is <= (and >= if you "
            "compare the background with 1 - threshold).",
        ),
        WrongAnswer(
            _FILTER.format(objectness=_OBJECTNESS, easy="objectness <= 0.01", value=-1),
            "You compare with 0.01, whatever the threshold. It is an argument: use it.",
        ),
        WrongAnswer(
            _FILTER.format(objectness=_OBJECTNESS, easy="objectness > threshold", value=-1),
            "Turned round: you drop the priors that the ARM believes in, and keep the rest.",
        ),
        WrongAnswer(
            _FILTER.format(
                objectness="arm_logits.softmax(dim=-1)[:, 0]",
                easy="objectness > threshold",
                value=-1,
            ),
            "You compare the probability of *background* with the threshold for *object*: nearly "
            "everything is dropped. Take column 1, or 1 - threshold.",
        ),
        WrongAnswer(
            _FILTER.format(objectness="arm_logits.sigmoid()[:, 1]", easy=_EASY, value=-1),
            "A sigmoid of column 1 never looks at the background's logit. The two logits compete: "
            "softmax over the last axis.",
        ),
        WrongAnswer(
            _FILTER.format(objectness="arm_logits.softmax(dim=0)[:, 1]", easy=_EASY, value=-1),
            "dim=0 lets the *priors* compete with each other. The two labels of one prior must: "
            "dim=-1.",
        ),
        WrongAnswer(
            _FILTER.format(objectness="arm_logits.log_softmax(dim=-1)[:, 1]", easy=_EASY, value=-1),
            "log_softmax gives logarithms, which are never above 0: everything is dropped. Take "
            "softmax, or compare with the logarithm of the threshold.",
        ),
        WrongAnswer(
            """
            def filter_labels(labels, arm_logits, threshold):
                return labels[arm_logits.softmax(dim=-1)[:, 1] > threshold]
            """,
            "You cut the dropped priors out. Each label belongs to the prior at its place, so the "
            "length stays (P,): write -1 there.",
        ),
        WrongAnswer(
            """
            def filter_labels(labels, arm_logits, threshold):
                easy = arm_logits.softmax(dim=-1)[:, 1] <= threshold
                return torch.where(easy, -1, 1)
            """,
            "The labels of the others are lost: they keep their own, 0 to K - 1.",
        ),
        WrongAnswer(
            """
            def filter_labels(labels, arm_logits, threshold):
                return arm_logits.softmax(dim=-1)[:, 1] <= threshold
            """,
            "That is the mask of the dropped. Return the labels, with -1 where it is True.",
        ),
    ),
    cases=_filter_cases,
    praise="This is the paper's filter; patient 2 (★) has another one.",
)


# ---------------------------------------------------------------------------- upsample_map


def _upsample_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (
        torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]),
        torch.tensor([[[[1.0, 10.0], [100.0, 1000.0]]]]),
    )
    for _ in range(6):
        inputs, outputs = integer(generator, 2, 3), integer(generator, 4, 5)
        H, W = integer(generator, 2, 3), integer(generator, 4, 5)
        yield (
            torch.randn(inputs, H, W, generator=generator),
            torch.randn(inputs, outputs, 2, 2, generator=generator),
        )


_UP = """
    def upsample_map(coarse, weight):
        painted = torch.einsum("ihw,iojk->{axes}", coarse, weight)
        return painted.reshape(weight.shape[1], 2 * coarse.shape[1], 2 * coarse.shape[2])
"""

upsample_map = Exercise(
    notebook="nb06",
    key="upsample_map",
    prompt=(
        "Write `upsample_map(coarse, weight)` by hand: coarse is (I, H, W), weight (I, O, 2, 2), "
        "the result (O, 2·H, 2·W). Every cell paints its number times the filter, and all input "
        "channels are added. It works when it equals F.conv_transpose2d with stride 2; loops are "
        "welcome."
    ),
    stub='''
    def upsample_map(coarse, weight):
        """(I, H, W) and (I, O, 2, 2) to (O, 2*H, 2*W)."""
        ...
        return None
    ''',
    solution_source='''
    def upsample_map(coarse, weight):
        """(I, H, W) and (I, O, 2, 2) to (O, 2*H, 2*W)."""
        I, H, W = coarse.shape
        fine = torch.zeros(weight.shape[1], 2 * H, 2 * W)
        for j in range(2):
            for k in range(2):
                fine[:, j::2, k::2] = torch.einsum(
                    "ihw,io->ohw", coarse, weight[:, :, j, k])
        return fine
    ''',
    hints=(
        "Look at one place (j, k) of the filter: which cells of the fine map does it paint? "
        "Every second one, from j and from k on.",
        "fine[:, j::2, k::2] is (O, H, W): all coarse cells, mixed by weight[:, :, j, k] (I, O).",
        'torch.einsum("ihw,io->ohw", a, b) mixes the channels: it multiplies and adds over i.',
    ),
    wrong_answers=(
        WrongAnswer(
            _UP.format(axes="ohwjk"),
            "The shape is right, the order is not: before the reshape, j must stand behind h and "
            "k behind w (o, h, j, w, k), or rows and columns are mixed.",
        ),
        WrongAnswer(
            _UP.format(axes="ojhkw"),
            "You tile copies of the whole map. Cells belong together: first the coarse row, then "
            "the row inside its block (h before j, w before k).",
        ),
        WrongAnswer(
            _UP.format(axes="ohkwj"),
            "The filter is transposed: its rows are painted as columns.",
        ),
        WrongAnswer(
            """
            def upsample_map(coarse, weight):
                big = coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
                return torch.einsum("ihw,io->ohw", big, weight.mean(dim=(2, 3)))
            """,
            "This is nearest upsampling: all four places of the filter have their own weight.",
        ),
        WrongAnswer(
            """
            def upsample_map(coarse, weight):
                return coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
            """,
            "You repeat every number four times, and the weight has no say. Multiply each copy by "
            "its own place of the filter, and add the input channels.",
        ),
        WrongAnswer(
            """
            def upsample_map(coarse, weight):
                full = torch.einsum("ihw,iojk->iohjwk", coarse, weight)
                full = full.flatten(4, 5).flatten(2, 3)
                return full[0]
            """,
            "Only the first input channel paints. Every output channel adds what all of them do.",
        ),
        WrongAnswer(
            """
            def upsample_map(coarse, weight):
                big = coarse.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
                return torch.einsum("ihw,io->ohw", big, weight[:, :, 0, 0])
            """,
            "All four cells of a block get the filter's first weight. Place (j, k) of a block "
            "gets weight[:, :, j, k].",
        ),
        WrongAnswer(
            """
            def upsample_map(coarse, weight):
                fine = torch.zeros(weight.shape[1], 2 * coarse.shape[1], 2 * coarse.shape[2])
                fine[:, ::2, ::2] = torch.einsum("ihw,io->ohw", coarse, weight[:, :, 0, 0])
                return fine
            """,
            "Three of the four places of each block stay 0: run j and k over 0 and 1.",
        ),
        WrongAnswer(
            _UP.format(axes="ohjwk").replace('", coarse, weight', '", coarse, weight.flip(2, 3)'),
            "The filter is turned by half a circle. A transposed convolution paints it as it is.",
        ),
        WrongAnswer(
            _UP.format(axes="ohjwk").replace('", coarse, weight', '", coarse[-1:], weight[-1:]'),
            "Only the last input channel is left: each one overwrites the one before. Add them.",
        ),
        WrongAnswer(
            _UP.format(axes="ohjwk").replace(
                '", coarse, weight)', '", coarse, weight) / len(coarse)'
            ),
            "You take the mean over the input channels. They are added.",
        ),
        WrongAnswer(
            """
            def upsample_map(coarse, weight):
                painted = torch.einsum("ihw,oijk->ohjwk", coarse, weight)
                return painted.flatten(3, 4).flatten(1, 2)
            """,
            "It stops where inputs and outputs differ in number. Is your weight (out, in, 2, 2)? "
            "A transposed convolution has (in, out, 2, 2): the first axis is the input's.",
        ),
        WrongAnswer(
            """
            def upsample_map(coarse, weight):
                O, I = weight.shape[:2]
                fine = torch.zeros(O, 2 * coarse.shape[1], 2 * coarse.shape[2])
                for o in range(O):
                    for i in range(I):
                        fine[o] += torch.kron(coarse[i], weight[o, i])
                return fine
            """,
            "You ask for a channel that is not there. The layout of the weight is (in, out, 2, "
            "2): weight[i, o] belongs to input i and output o.",
        ),
        WrongAnswer(
            _UP.format(axes="ohjwk").replace("painted.reshape(", "painted.reshape(1, "),
            "One axis too many: the picture comes without a batch axis, and so does the answer.",
        ),
    ),
    cases=_upsample_cases,
    praise=(
        "And it is all that “deconvolution” means in RefineDet. (If you have called "
        "F.conv_transpose2d itself, which no check sees, write it once with loops.)"
    ),
    tolerance=1e-4,
)


# ---------------------------------------------------------------------------- head_parameters


def _head_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (1,), (1,), 2  # two 3 x 3 filters and 4 more, a bias each: 6 · 10
    yield (512, 512, 1024, 512), (3, 3, 3, 3), 2  # 414,792
    yield (256,) * 4, (3,) * 4, 21
    for _ in range(10):
        levels = integer(generator, 2, 4)
        channels = tuple(integer(generator, 3, 40) for _ in range(levels))
        each = tuple(integer(generator, 2, 6) for _ in range(levels))
        yield channels, each, integer(generator, 3, 30)


_HEADS = """
    def head_parameters(channels, priors_per_cell, num_classes):
        total = 0
        for c, a in zip(channels, priors_per_cell):
            total += {each}
        return total
"""

head_parameters = Exercise(
    notebook="nb06",
    key="head_parameters",
    prompt=(
        "Write `head_parameters(channels, priors_per_cell, num_classes)`: the weights and biases "
        "of a MultiBoxHead, two 3 x 3 convolutions a level, for class logits and for deltas. It "
        "works when the ARM of RefineDet320, (512, 512, 1024, 512) with 3 priors and 2 classes, "
        "has 414,792."
    ),
    stub='''
    def head_parameters(channels, priors_per_cell, num_classes):
        """Parameters of two 3 x 3 convolutions for each level."""
        total = 0
        for c, a in zip(channels, priors_per_cell):
            ...
        return None
    ''',
    solution_source='''
    def head_parameters(channels, priors_per_cell, num_classes):
        """Parameters of two 3 x 3 convolutions for each level."""
        total = 0
        for c, a in zip(channels, priors_per_cell):
            filters = a * (num_classes + 4)
            total += filters * (9 * c + 1)
        return total
    ''',
    hints=(
        "How many numbers does a cell of the level give? Each of them is one filter.",
        "A filter has 3 · 3 · c weights and one bias.",
        "Filters times numbers of a filter is one level; `total +=` adds the levels. For one "
        "channel, one prior and two classes it is 6 · 10 = 60.",
    ),
    wrong_answers=(
        WrongAnswer(
            _HEADS.format(each="a * (num_classes + 4) * 9 * c"),
            "The biases are missing: one for each filter, 9 · c + 1.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * num_classes * (9 * c + 1)"),
            "Only the class logits: four deltas a prior come on top.",
        ),
        WrongAnswer(
            _HEADS.format(each="(num_classes + 4) * (9 * c + 1)"),
            "You count one prior a cell; a level has `a` of them.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * (num_classes + 5) * (9 * c + 1)"),
            "num_classes includes the background already: add only the four deltas.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * (num_classes + 4) * (c + 1)"),
            "A filter is 3 x 3: nine weights for each channel.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * (num_classes + 4) * (3 * c + 1)"),
            "A filter is 3 x 3: nine weights for each channel, not three.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * (num_classes + 4) * 9 * c + 1"),
            "You count one bias a level. Every filter has its own.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * (num_classes + 4) * 9 * c + 2"),
            "You count one bias for each of the two convolutions. Every filter has its own.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * (num_classes - 1 + 4) * (9 * c + 1)"),
            "The background needs a logit as well: num_classes includes it, so take all of them.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * (num_classes + 4 * num_classes) * (9 * c + 1)"),
            "You give each class deltas of its own. A prior has four deltas, whatever it holds.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * num_classes * 4 * (9 * c + 1)"),
            "Logits and deltas are two convolutions side by side: num_classes + 4, not times 4.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * 4 * (9 * c + 1)"),
            "Only the deltas: the class logits come on top.",
        ),
        WrongAnswer(
            _HEADS.format(each="a * (num_classes + 4) * (9 * c + 1)").replace("+= a", "= a"),
            "This is the last level alone: `total = ...` forgets the earlier ones, `total += ...` "
            "adds to them.",
        ),
        WrongAnswer(
            """
            def head_parameters(channels, priors_per_cell, num_classes):
                for c, a in zip(channels, priors_per_cell):
                    return a * (num_classes + 4) * (9 * c + 1)
            """,
            "This is the first level alone: the `return` stands inside the loop.",
        ),
    ),
    cases=_head_cases,
    praise="With 2 instead of 21 classes the ARM's heads are small, though its maps are wider.",
)
