"""Exercises of notebook 13, In the wild.

Keys: `same_padding`, `points_in_photo`, `slot_sizes`, `training_sizes`, `average_boxes`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = ["average_boxes", "points_in_photo", "same_padding", "slot_sizes", "training_sizes"]


# ---------------------------------------------------------------------------- same_padding


def _padding_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 7, 3, 2
    yield 8, 3, 2
    yield 128, 5, 2
    yield 9, 1, 2  # a filter smaller than the stride needs no zeros
    yield 10, 3, 3
    yield 12, 2, 1
    for _ in range(20):
        yield integer(generator, 4, 40), integer(generator, 1, 7), integer(generator, 1, 4)


_PADDING = """
    def same_padding(side, kernel_size, stride):
        cells = {cells}
        total = {total}
        return {answer}
"""
_CELLS = "-(-side // stride)"
_TOTAL = "max((cells - 1) * stride + kernel_size - side, 0)"
_HALVES = "(total // 2, total - total // 2)"

same_padding = Exercise(
    notebook="nb13",
    key="same_padding",
    prompt=(
        "Write `same_padding(side, kernel_size, stride)`: (zeros before, zeros behind) along one "
        "side by TensorFlow's rule SAME. The output has ceil(side / stride) cells, there are as "
        "many zeros as these need and never fewer than 0, and the smaller half stands in front. "
        "It works when side 7, filter 3, stride 2 give (1, 1) and side 8 gives (0, 1)."
    ),
    stub='''
    def same_padding(side, kernel_size, stride):
        """(zeros before, zeros behind) along one side."""
        return ...
    ''',
    solution_source='''
    def same_padding(side, kernel_size, stride):
        """(zeros before, zeros behind) along one side."""
        cells = -(-side // stride)  # rounded up
        total = max((cells - 1) * stride + kernel_size - side, 0)
        return total // 2, total - total // 2
    ''',
    hints=(
        "How many pixels do `cells` windows cover, the first of them whole, each further one a "
        "stride later?",
        "They cover (cells - 1) * stride + kernel_size. What is missing from the side are zeros; "
        "a negative number means none. -(-a // b) rounds up.",
        "Subtract the side from what they cover, and let `max` keep it from being negative. Of an "
        "odd number // gives the smaller half; the rest stands behind.",
    ),
    wrong_answers=(
        WrongAnswer(
            "def same_padding(side, kernel_size, stride):\n"
            "    return kernel_size // 2, kernel_size // 2",
            "This is PyTorch's padding = kernel // 2: the same on both sides, whatever the "
            "stride. TensorFlow gives only what the last cell needs.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total=_TOTAL, answer="(total - total // 2, total // 2)"),
            "Your odd zero stands in front. In TensorFlow the smaller half is in front.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total="max(kernel_size - stride, 0)", answer=_HALVES),
            "kernel - stride is right only where the stride divides the side, as in the chapter. "
            "Side 7 at stride 2 has a last window that hangs over further.",
        ),
        WrongAnswer(
            _PADDING.format(
                cells=_CELLS, total="(cells - 1) * stride + kernel_size - side", answer=_HALVES
            ),
            "A filter smaller than the stride would get a negative number of zeros, which would "
            "cut the map. Never fewer than 0.",
        ),
        WrongAnswer(
            _PADDING.format(cells="side // stride", total=_TOTAL, answer=_HALVES),
            "You round the number of cells down; then the last pixels of an odd side are never "
            "seen. TensorFlow rounds up.",
        ),
        WrongAnswer(
            _PADDING.format(
                cells=_CELLS,
                total="max(cells * stride + kernel_size - side, 0)",
                answer=_HALVES,
            ),
            "Between `cells` windows lie cells - 1 steps, not cells.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total=_TOTAL, answer="(total, total)"),
            "You put all zeros on both sides; they are shared between them.",
        ),
        WrongAnswer(
            _PADDING.format(
                cells=_CELLS,
                total=_TOTAL,
                answer="((kernel_size - 1) // 2, (kernel_size - 1) // 2)",
            ),
            "This is the padding that keeps the size at stride 1, the same on both sides. With a "
            "larger stride fewer zeros are needed, and they may be uneven.",
        ),
        WrongAnswer(
            _PADDING.format(
                cells=_CELLS,
                total=_TOTAL,
                answer="((kernel_size - 1) // 2, kernel_size - 1 - (kernel_size - 1) // 2)",
            ),
            "kernel - 1 zeros are right at stride 1. At stride 2 the windows lie further apart "
            "and the last one may need fewer.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total=_TOTAL, answer="(total / 2, total / 2)"),
            "There is no half zero. Of an odd number the smaller half stands in front: //.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total=_TOTAL, answer="(total // 2, total // 2)"),
            "Of an odd number one zero is lost. What is not in front stands behind: total - total "
            "// 2.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total=_TOTAL, answer="total"),
            "This is the number of zeros on both sides together. Return two numbers, before and "
            "behind.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total=_TOTAL, answer="(0, total)"),
            "All your zeros stand behind. The rule shares them: half in front, rounded down.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total=_TOTAL, answer="(total, 0)"),
            "All your zeros stand in front. The rule shares them: half in front, rounded down.",
        ),
        WrongAnswer(
            _PADDING.format(cells="round(side / stride)", total=_TOTAL, answer=_HALVES),
            "`round` sometimes rounds the number of cells down, and then the last pixels are "
            "never seen. The rule rounds up.",
        ),
        WrongAnswer(
            _PADDING.format(cells="side // stride + 1", total=_TOTAL, answer=_HALVES),
            "side // stride + 1 is one cell too many where the stride divides the side: 8 at "
            "stride 2 has 4 cells.",
        ),
        WrongAnswer(
            _PADDING.format(cells=_CELLS, total="max(cells * stride - side, 0)", answer=_HALVES),
            "The size of the filter is missing. The last window begins at (cells - 1) * stride "
            "and is kernel_size long.",
        ),
        WrongAnswer(
            _PADDING.format(
                cells=_CELLS, total="max((cells - 1) * stride - side, 0)", answer=_HALVES
            ),
            "The last window begins at (cells - 1) * stride; add its length, kernel_size.",
        ),
        WrongAnswer(
            _PADDING.format(
                cells=_CELLS,
                total="max((cells - 1) * kernel_size + stride - side, 0)",
                answer=_HALVES,
            ),
            "Stride and filter are swapped: windows lie a *stride* apart, and each is kernel_size "
            "long.",
        ),
        WrongAnswer(
            _PADDING.format(
                cells=_CELLS, total="abs((cells - 1) * stride + kernel_size - side)", answer=_HALVES
            ),
            "A negative number means that nothing is missing: 0 zeros. `abs` makes zeros of it.",
        ),
    ),
    cases=_padding_cases,
    praise="With this rule any TensorFlow network can be carried over to PyTorch.",
)


# ---------------------------------------------------------------------------- points_in_photo


def _photo_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([[64.0, 64.0], [0.0, 32.0]]), 100, 200, 128
    yield torch.tensor([[64.0, 64.0], [32.0, 0.0]]), 200, 100, 128
    yield torch.tensor([[64.0, 64.0], [128.0, 128.0]]), 512, 512, 128
    for _ in range(10):
        height, width = integer(generator, 100, 700), integer(generator, 100, 700)
        number = integer(generator, 1, 6)
        yield 128 * torch.rand(number, 2, generator=generator), height, width, 128


_PHOTO = """
    def points_in_photo(points, height, width, side):
        scale = {scale}
        border = {border}
        return {answer}
"""
_SCALE = "side / max(height, width)"
_BORDER = "torch.tensor([side - width * scale, side - height * scale]) / 2"
_BACK = "(points - border) / scale"

points_in_photo = Exercise(
    notebook="nb13",
    key="points_in_photo",
    prompt=(
        "Write `points_in_photo(points, height, width, side)`: key points (J, 2), x and y in px "
        "of the side x side input, in px of the photograph. The photograph was letterboxed: its "
        "longer side fills the input, its shorter one is centred. (Do not round.) It works when "
        "the middle of the input is the middle of the photograph."
    ),
    stub='''
    def points_in_photo(points, height, width, side):
        """(J, 2) x, y, px of the side x side input, to px of the photo."""
        return ...
    ''',
    solution_source='''
    def points_in_photo(points, height, width, side):
        """(J, 2) x, y, px of the side x side input, to px of the photo."""
        scale = side / max(height, width)
        size = torch.tensor([width, height]) * scale  # (2,)
        border = (side - size) / 2  # (2,)
        return (points - border) / scale  # (J, 2)
    ''',
    hints=(
        "On the way in the photograph was scaled, and then moved by a border. What is undone "
        "first on the way back?",
        "scale = side / max(height, width). The border left of it is half of what the width "
        "leaves free: (side - width * scale) / 2.",
        "The border above is the same with the height. On the way back the border goes first, then "
        "the scale: the last thing done is undone first.",
    ),
    wrong_answers=(
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER, answer="points / scale"),
            "You forget the black border: all points lie too far from the picture's corner.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER, answer="points / scale - border"),
            "The border is counted in px of the *input*; subtract it before you divide.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER + " * 2", answer=_BACK),
            "This is the whole free space; the picture is centred, so half of it is in front.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=f"({_BORDER}).flip(0)", answer=_BACK),
            "Width and height are swapped: a wide photograph has its border above and below.",
        ),
        WrongAnswer(
            _PHOTO.format(scale="side / min(height, width)", border=_BORDER, answer=_BACK),
            "The *longer* side fills the input; with min the picture would be cut.",
        ),
        WrongAnswer(
            "def points_in_photo(points, height, width, side):\n"
            "    return points * torch.tensor([width / side, height / side])",
            "This undoes squashing, with a factor for each side. Letterboxing has one factor and "
            "a border.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER, answer="(points - border) * scale"),
            "This makes the picture smaller once more; to go back, divide by the scale.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER, answer="points * scale + border"),
            "This is the way *in*, from the photograph to the input. Wanted is the way back: undo "
            "the border, then the scale.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER, answer="points / scale + border"),
            "You add the border. On the way in it was added, so here it is subtracted, and before "
            "the division.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER, answer="(points + border) / scale"),
            "You add the border. On the way in it was added, so on the way back it is subtracted.",
        ),
        WrongAnswer(
            _PHOTO.format(
                scale=_SCALE, border="torch.tensor([side - width, side - height]) / 2", answer=_BACK
            ),
            "The border is what the *scaled* photograph leaves free: side - width * scale.",
        ),
        WrongAnswer(
            _PHOTO.format(scale="max(height, width) / side", border=_BORDER, answer=_BACK),
            "Your scale is upside down. From the photograph to the input it is side / longer "
            "side; then `/ scale` leads back.",
        ),
        WrongAnswer(
            _PHOTO.format(
                scale=_SCALE, border=_BORDER, answer="((points - border) / scale).round()"
            ),
            "You round. Key points have fractions of a pixel; keep them.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER, answer="points - border"),
            "The border is gone, but these are still px of the small input: divide by the scale.",
        ),
        WrongAnswer(
            _PHOTO.format(scale=_SCALE, border=_BORDER, answer="points / scale - border / 2"),
            "The border was halved already, and it counts px of the *input*: subtract it whole, "
            "before you divide.",
        ),
        WrongAnswer(
            _PHOTO.format(
                scale=_SCALE, border=_BORDER, answer="points * torch.tensor([height, width]) / side"
            ),
            "Two mistakes: x belongs to the width, and a letterbox scales both sides alike, with "
            "a border on the shorter one.",
        ),
    ),
    cases=_photo_cases,
    praise="`Placement.to_picture` does the same, for boxes as well.",
    tolerance=1e-3,
)


# ---------------------------------------------------------------------------- slot_sizes


def _slot_cases(generator: torch.Generator) -> Iterator[Case]:
    steps = torch.tensor([8.0, 16.0, 32.0, 64.0, 128.0])
    yield (
        steps,
        torch.tensor([[0.1, 0.5], [0.6, 0.9], [0.9, 0.7], [0.5, 0.2], [0.4, 0.1]]),
    )  # 16 to 64: 32; 8 to 32: 16
    uneven = torch.tensor([8.0, 16.0, 20.0, 24.0, 64.0, 128.0])  # only the ends of a range count
    yield uneven, torch.tensor([[0.1], [0.6], [0.9], [0.9], [0.5], [0.2]])
    for _ in range(10):
        number, slots = integer(generator, 9, 16), integer(generator, 2, 6)
        sizes = 8 * 2 ** (torch.arange(number) / 3)
        best = torch.randint(2, number - 2, (slots,), generator=generator)
        distance = (torch.arange(number)[:, None] - best).abs().double()
        noise = torch.rand(number, slots, generator=generator)
        scores = 0.7 - 0.12 * distance + 0.15 * noise * (distance > 0)
        scores[best, torch.arange(slots)] = 0.95
        scores[0], scores[-1] = 0.1, 0.2
        scores[best + 1, torch.arange(slots)] = 0.5  # exactly the threshold
        yield sizes, scores.float()


_SLOT = """
    def slot_sizes(sizes, scores):
        middles = []
        for column in scores.T:
            own = sizes[{answers}]
            middles.append({middle})
        return torch.stack(middles)
"""
_ANSWERS = "column >= 0.5"

slot_sizes = Exercise(
    notebook="nb13",
    key="slot_sizes",
    prompt=(
        "Write `slot_sizes(sizes, scores)`: for sizes (N,) of a face and the scores (N, S) of the "
        "slots the geometric middle (S,) of the sizes at which each slot scores at least 0.5: the "
        "root of the smallest times the largest. It works when a slot that answers from 16 to 64 "
        "px has 32."
    ),
    stub='''
    def slot_sizes(sizes, scores):
        """Sizes (N,), scores (N, S): geometric middles (S,)."""
        return ...
    ''',
    solution_source='''
    def slot_sizes(sizes, scores):
        """Sizes (N,), scores (N, S): geometric middles (S,)."""
        middles = []
        for column in scores.T:  # (N,)
            own = sizes[column >= 0.5]
            middles.append((own.min() * own.max()).sqrt())
        return torch.stack(middles)  # (S,)
    ''',
    hints=(
        "A column of the scores is one slot: scores.T runs over the columns.",
        "sizes[column >= 0.5] are the sizes that the slot answers to.",
        "Of these only the smallest and the largest matter. 32 is the middle of 16 and 64: what is "
        "16 · 64, and what is its root?",
    ),
    wrong_answers=(
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="(own.min() + own.max()) / 2"),
            "This is the arithmetic middle. Sizes are compared by factors, as IoU compares them: "
            "half and double are equally far.",
        ),
        WrongAnswer(
            _SLOT.format(answers="column > 0.5", middle="(own.min() + own.max()) / 2"),
            "Two mistakes: this is the arithmetic middle, and a score of exactly 0.5 counts as an "
            "answer. Take the root of the product, and >=.",
        ),
        WrongAnswer(
            "def slot_sizes(sizes, scores):\n    return sizes[scores.argmax(dim=0)]",
            "The best score alone is a weak witness: near the middle many sizes score alike, and "
            "noise decides. Use both ends of the range.",
        ),
        WrongAnswer(
            _SLOT.format(answers="column > 0.5", middle="(own.min() * own.max()).sqrt()"),
            "A score of exactly 0.5 counts as an answer: >=.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="own.min()"),
            "This is the smallest size that the slot answers to, not the middle.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="own.max()"),
            "This is the largest size that the slot answers to, not the middle.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="own.min() * own.max()"),
            "The product of two sizes is an area; take its root.",
        ),
        WrongAnswer(
            "def slot_sizes(sizes, scores):\n"
            "    return (sizes[:, None] * scores).sum(dim=0) / scores.sum(dim=0)",
            "The mean weighted by score lets the many large sizes with small scores pull. Only "
            "the range from 0.5 on counts.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="own.mean()"),
            "This is the mean of all sizes that were tried in the range. Only its two ends count, "
            "and their middle is the root of their product.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="own.median()"),
            "The median depends on which sizes were tried. Only the two ends of the range count: "
            "the root of their product.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="own.log().mean().exp()"),
            "The geometric mean of *all* sizes in the range depends on which were tried. Take the "
            "two ends only: the root of smallest times largest.",
        ),
        WrongAnswer(
            _SLOT.format(answers="column < 0.5", middle="(own.min() * own.max()).sqrt()"),
            "You took the sizes at which the slot is silent: >= 0.5, not <.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="(own.min() * own.max()).sqrt()").replace(
                "in scores.T", "in scores"
            ),
            "`for column in scores` runs over the rows, which are sizes. A slot is a column: "
            "scores.T.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="(own[0] * own[1]).sqrt()"),
            "own[0] and own[1] are the two smallest sizes. The ends of the range are own.min() "
            "and own.max().",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="(own.max() - own.min()).sqrt()"),
            "You take the root of the difference. The geometric middle is the root of the "
            "*product*.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="(own.max() / own.min()).sqrt()"),
            "The quotient of the ends says how wide the range is. Its middle is the root of the "
            "*product*.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="float((own.min() * own.max()).sqrt())").replace(
                "torch.stack(middles)", "middles"
            ),
            "The numbers are right, but they are a list. Wanted is a tensor, (S,): torch.stack, "
            "or torch.tensor of the list.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="(own.min() * own.max()).sqrt()").replace(
                "own = sizes[", "own = column["
            ),
            "These are the scores of the slot. Take the *sizes* at which it scores so: "
            "sizes[column >= 0.5].",
        ),
        WrongAnswer(
            "def slot_sizes(sizes, scores):\n    own = sizes[(scores >= 0.5).any(dim=1)]\n    "
            "return (own.min() * own.max()).sqrt()",
            "This is one middle for all slots together. Each slot, a column of the scores, has "
            "its own.",
        ),
        WrongAnswer(
            _SLOT.format(answers=_ANSWERS, middle="(own.min() * own.max()) ** 0.25"),
            "This is the fourth root. The middle of two sizes is the square root of their product.",
        ),
    ),
    cases=_slot_cases,
    praise="Run it on the `slots` of section 3, then on Grace Hopper.",
    tolerance=1e-3,
)


# ---------------------------------------------------------------------------- training_sizes


def _training_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 0.1484375, 0.75, 4, 128
    yield 0.2, 0.9, 6, 300
    yield 0.25, 0.5, 2, 100
    for _ in range(8):
        low = 0.05 + 0.2 * float(torch.rand((), generator=generator))
        high = low + 0.2 + 0.4 * float(torch.rand((), generator=generator))
        yield low, high, integer(generator, 2, 6), 32 * integer(generator, 3, 16)


_TRAINING = """
    def training_sizes(min_scale, max_scale, levels, side):
        step = {step}
        scales = [min_scale + k * step for k in range(levels)]
        following = {following}
        sizes = []
        for own, after in zip(scales, following):
            sizes += {pair}
        return sizes
"""
_STEP = "(max_scale - min_scale) / (levels - 1)"
_FOLLOWING = "scales[1:] + [1.0]"
_PAIR = "[own * side, math.sqrt(own * after) * side]"

training_sizes = Exercise(
    notebook="nb13",
    key="training_sizes",
    prompt=(
        "Write `training_sizes(min_scale, max_scale, levels, side)`: SSD's sizes in px, as a list "
        "of two a level. The scales of the levels grow in equal steps from min_scale to "
        "max_scale. A level has its own scale, and the geometric mean of it and the next one's; "
        "after the last one comes 1. It works when (0.1484375, 0.75, 4, 128) begins with 19."
    ),
    stub='''
    def training_sizes(min_scale, max_scale, levels, side):
        """Two sizes a level, px, as a list: its own, and one between."""
        return ...
    ''',
    solution_source='''
    def training_sizes(min_scale, max_scale, levels, side):
        """Two sizes a level, px, as a list: its own, and one between."""
        step = (max_scale - min_scale) / (levels - 1)
        scales = [min_scale + k * step for k in range(levels)] + [1.0]
        sizes = []
        for own, after in zip(scales, scales[1:]):
            sizes += [own * side, math.sqrt(own * after) * side]
        return sizes
    ''',
    hints=(
        "Notebook 02: s_k = s_min + k * (s_max - s_min) / (levels - 1). How many steps are there "
        "between four levels?",
        "Append 1.0 behind the last scale; then zip(scales, scales[1:]) gives each level with "
        "the next one.",
        "A level gives two numbers in px: its own scale times the side, and the geometric mean of "
        "the pair times the side.",
    ),
    wrong_answers=(
        WrongAnswer(
            _TRAINING.format(
                step="(max_scale - min_scale) / levels", following=_FOLLOWING, pair=_PAIR
            ),
            "Between `levels` scales lie levels - 1 steps; with yours the last level never "
            "reaches max_scale.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step="(max_scale - min_scale) / levels",
                following="scales[1:] + [max_scale]",
                pair=_PAIR,
            ),
            "You divide by `levels`, so that max_scale stands behind the last level. Divide by "
            "levels - 1: the last level has max_scale, and behind it comes 1.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step=_STEP, following=_FOLLOWING, pair="[own * side, (own + after) / 2 * side]"
            ),
            "This is the arithmetic mean; SSD takes the geometric one, the root of the product.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following="scales[1:] + [max_scale + step]", pair=_PAIR),
            "After the last scale you go one step on. In this rule 1, the whole picture, comes "
            "after the last one.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following="scales[1:] + [max_scale]", pair=_PAIR),
            "The last level gets its own scale twice; behind it comes 1, the whole picture.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step=_STEP, following=_FOLLOWING, pair="[own, math.sqrt(own * after)]"
            ),
            "These are fractions of the picture. The answer counts px: times the side.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following=_FOLLOWING, pair="[own * side]"),
            "One size a level is missing: the geometric mean of this scale and the next.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step=_STEP,
                following=_FOLLOWING,
                pair="[math.sqrt(own * after) * side, own * side]",
            ),
            "The numbers are right, their order is not: the level's own size comes first.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following="scales[1:]", pair=_PAIR),
            "The last level is missing: zip ends with the shorter list. Behind the last scale "
            "comes 1.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following="scales[1:] + [1.0]", pair=_PAIR).replace(
                "return sizes", "return sizes[::2] + sizes[1::2]"
            ),
            "All own sizes come first, then all means. Wanted is level by level: own, mean, own, "
            "mean.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step=_STEP,
                following=_FOLLOWING,
                pair="[(own * side, math.sqrt(own * after) * side)]",
            ),
            "The numbers are right, but in pairs. Wanted is one list of numbers, two a level.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following="scales[1:] + [side]", pair=_PAIR),
            "Scales are fractions: behind the last one comes 1, the whole picture, not its px.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following="scales[1:] + [0.0]", pair=_PAIR),
            "Behind the last scale comes 1, the whole picture. With 0 the last mean is 0.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step=_STEP, following=_FOLLOWING, pair="[own * side, own * after * side]"
            ),
            "The geometric mean is the *root* of the product.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step=_STEP, following=_FOLLOWING, pair="[own * side, math.sqrt(own * after * side)]"
            ),
            "The side stands under the root. It multiplies the mean: math.sqrt(own * after) * "
            "side.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step=_STEP,
                following=_FOLLOWING,
                pair="[round(own * side), round(math.sqrt(own * after) * side)]",
            ),
            "You round to whole px. Keep the fractions.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following=_FOLLOWING, pair="[own * side, after * side]"),
            "The second size is the geometric mean of this scale and the next one, not the next "
            "one itself.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following=_FOLLOWING, pair=_PAIR).replace(
                "min_scale + k * step", "min_scale * (max_scale / min_scale) ** (k / (levels - 1))"
            ),
            "Your scales grow by equal factors. SSD's grow by equal steps: add.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following=_FOLLOWING, pair=_PAIR).replace(
                "range(levels)", "range(1, levels + 1)"
            ),
            "Your first scale is one step above min_scale: k counts from 0.",
        ),
        WrongAnswer(
            _TRAINING.format(
                step="(max_scale - min_scale) / (levels + 1)", following=_FOLLOWING, pair=_PAIR
            ),
            "You divide by levels + 1. Between four scales lie three steps, levels - 1.",
        ),
        WrongAnswer(
            _TRAINING.format(step=_STEP, following=_FOLLOWING, pair=_PAIR).replace(
                "return sizes", "return torch.tensor(sizes)"
            ),
            "The numbers are right, but they are a tensor. Wanted is a list.",
        ),
    ),
    cases=_training_cases,
    praise="Eight sizes, computed from two settings and SSD's rule; the answers of section 3 agree "
    "within a fifth.",
    tolerance=1e-3,
)


# ---------------------------------------------------------------------------- average_boxes


def _overlaps(boxes: torch.Tensor) -> torch.Tensor:
    left_top = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])  # (N, N, 2)
    right_low = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])  # (N, N, 2)
    shared = (right_low - left_top).clamp(min=0).prod(dim=-1)  # (N, N)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=-1)  # (N,)
    return shared / (area[:, None] + area - shared)


def _average_cases(generator: torch.Generator) -> Iterator[Case]:
    # a chain: the second overlaps the first and the third, which do not overlap enough
    chain = torch.tensor([[4.0, 0, 14, 10], [0, 0, 10, 10], [8, 0, 18, 10], [50, 50, 60, 60]])
    yield chain, torch.tensor([0.6, 0.9, 0.5, 0.7]), _overlaps(chain), 0.3
    # the best stands behind the others
    pair = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 8]])
    yield pair, torch.tensor([0.2, 0.8]), _overlaps(pair), 0.5
    # an IoU of exactly the threshold does not join
    yield pair, torch.tensor([0.9, 0.6]), torch.tensor([[1.0, 0.5], [0.5, 1.0]]), 0.5
    for _ in range(8):
        number = integer(generator, 6, 14)
        corner = 30 * torch.rand(number, 2, generator=generator)
        size = 8 + 10 * torch.rand(number, 2, generator=generator)
        boxes = torch.cat([corner, corner + size], dim=1)
        scores = 0.5 + 0.5 * torch.rand(number, generator=generator)
        yield boxes, scores, _overlaps(boxes), 0.3


_AVERAGE = """
    def average_boxes(boxes, scores, overlaps, threshold):
        order, means = {order}, []
        while len(order):
            near = overlaps[order[0], order] {relation} threshold
            cluster, rest = order[near], order[~near]
            weights = {weights}
            means.append({mean})
            order = {next}
        return torch.stack(means)
"""
_RIGHT = {
    "order": "scores.argsort(descending=True)",
    "relation": ">",
    "weights": "scores[cluster] / scores[cluster].sum()",
    "mean": "weights @ boxes[cluster]",
    "next": "rest",
}

average_boxes = Exercise(
    notebook="nb13",
    key="average_boxes",
    prompt=(
        "Write `average_boxes(boxes, scores, overlaps, threshold)`: boxes (N, 4), scores (N,), "
        "overlaps (N, N) their IoUs. The best box and all that overlap *it* by more than the "
        "threshold form a cluster, whose mean, weighted by score, is an answer; then the same "
        "with the rest. Returns (D, 4), best first. It works when no box is lost and none is "
        "used twice."
    ),
    stub='''
    def average_boxes(boxes, scores, overlaps, threshold):
        """(N, 4), (N,), (N, N) IoUs: mean boxes (D, 4), best first."""
        return ...
    ''',
    solution_source='''
    def average_boxes(boxes, scores, overlaps, threshold):
        """(N, 4), (N,), (N, N) IoUs: mean boxes (D, 4), best first."""
        order, means = scores.argsort(descending=True), []
        while len(order):
            near = overlaps[order[0], order] > threshold
            cluster, order = order[near], order[~near]
            weights = scores[cluster] / scores[cluster].sum()
            means.append(weights @ boxes[cluster])
        return torch.stack(means)  # (D, 4)
    ''',
    hints=(
        "Begin as in NMS: sort by score. overlaps[order[0], order] is a row: the IoU of the best "
        "box with all that are left, itself included.",
        "near = that row > threshold. order[near] is the cluster, order[~near] goes on.",
        "The weights of a cluster are its scores, made to sum to 1. `weights @ boxes` of the "
        "cluster is a weighted mean.",
    ),
    wrong_answers=(
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"mean": "boxes[cluster[0]]"}),
            "This is plain NMS: the best box of each cluster. Average the cluster.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"mean": "boxes[cluster].mean(dim=0)"}),
            "All boxes count alike in your mean; weigh them by their scores.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"weights": "scores[cluster]"}),
            "The weights do not sum to 1: the box grows with the number of its votes.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"weights": "scores[cluster].softmax(dim=0)"}),
            "Softmax of scores is nearly flat. The weights are the scores over their sum.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"order": "scores.argsort()"}),
            "You begin with the worst box; the best one shall gather its cluster.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"relation": ">="}),
            "An IoU of exactly the threshold does not join: more than, as in NMS.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"next": "order[1:]"}),
            "Boxes of a cluster stay in the line and are averaged again. Take them all out.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"weights": "scores[cluster] / scores.sum()"}),
            "You divide by the sum of *all* scores. The weights of one cluster sum to 1: divide "
            "by its own sum.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"weights": "scores[cluster] / len(cluster)"}),
            "You divide by the number of boxes. The weights sum to 1 if you divide by the sum of "
            "the cluster's scores.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"weights": "scores[cluster] / scores[cluster].max()"}),
            "You divide by the largest score, so the weights sum to more than 1. Divide by their "
            "sum.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"mean": "(weights[:, None] * boxes[cluster]).mean(dim=0)"}),
            "The weights sum to 1, so weighted boxes are *added*: sum, not mean.",
        ),
        WrongAnswer(
            _AVERAGE.format(
                **_RIGHT
                | {"weights": "overlaps[cluster[0], cluster] / overlaps[cluster[0], cluster].sum()"}
            ),
            "You weigh by overlap. The weights are the scores.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT).replace("return torch.stack(means)", "return means"),
            "The boxes are right, but they are a list. Wanted is a tensor, (D, 4): torch.stack.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT).replace("            order = rest", "            break"),
            "Your loop ends after the first cluster. Go on with the boxes that are left.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT | {"order": "torch.arange(len(scores))"}),
            "You take the boxes as they come. The *best* box gathers its cluster: sort by score "
            "first.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT)
            .replace("overlaps[order[0], order] >", "overlaps[order[0]] >")
            .replace(
                "cluster, rest = order[near], order[~near]",
                "cluster, rest = near.nonzero()[:, 0], order[~near[order]]",
            ),
            "Boxes of earlier clusters are averaged again: the row of overlaps has all boxes. "
            "Look only at those that are left, overlaps[order[0], order].",
        ),
        WrongAnswer(
            _AVERAGE.format(
                **_RIGHT | {"weights": "scores[cluster] ** 2 / (scores[cluster] ** 2).sum()"}
            ),
            "You square the scores. The weights are the scores themselves over their sum.",
        ),
        WrongAnswer(
            _AVERAGE.format(**_RIGHT).replace(
                "cluster, rest = order[near], order[~near]",
                "cluster, rest = order[near][1:], order[~near]\n            cluster = cluster if "
                "len(cluster) else order[:1]",
            ),
            "The best box itself is missing from its mean. It belongs to the cluster.",
        ),
        WrongAnswer(
            """
            def average_boxes(boxes, scores, overlaps, threshold):
                weights = (overlaps > threshold) * scores
                return weights / weights.sum(dim=1, keepdim=True) @ boxes
            """,
            "This gives a mean for *every* box. Only the best box of each cluster gathers one, "
            "and the others leave with it.",
        ),
        WrongAnswer(
            """
            def average_boxes(boxes, scores, overlaps, threshold):
                order, means = scores.argsort(descending=True).tolist(), []
                while order:
                    cluster = [order.pop(0)]
                    for member in cluster:
                        near = [k for k in order if overlaps[member, k] > threshold]
                        order = [k for k in order if k not in near]
                        cluster += near
                    weights = scores[cluster] / scores[cluster].sum()
                    means.append(weights @ boxes[cluster])
                return torch.stack(means)
            """,
            "You follow a chain: what overlaps a member joins as well. A cluster is what overlaps "
            "the *best* box.",
        ),
    ),
    cases=_average_cases,
    praise="The cluster is what overlaps the *best* box; chains do not count.",
    tolerance=1e-3,
)
