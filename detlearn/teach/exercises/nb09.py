"""Exercises of notebook 09, M2Det as a whole.

Keys: `fuse`, `head_parameters`, `warm_up`, `decay`, `silence`, `moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer, integers

__all__ = ["decay", "fuse", "head_parameters", "moves", "silence", "warm_up"]


# --------------------------------------------------------------------------- fuse


def _fuse_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (
        torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None],
        torch.full((1, 1, 1, 1), 9.0),
    )
    for side in (4, 5):  # as many columns as rows
        half = (side + 1) // 2
        yield (
            torch.rand(2, 3, side, side, generator=generator),
            torch.rand(2, 1, half, half, generator=generator),
        )
    for side in (4, 5, 7):
        B, C, D = integers(generator, 2, 4, 3)
        half = (side + 1) // 2
        yield (
            torch.rand(B, C, side, side + 1, generator=generator),
            torch.rand(B, D + C, half, (side + 2) // 2, generator=generator),
        )


_FUSE = """
    def fuse(shallow, deep):
        size = shallow.shape[-2:]
        deep = {deep}
        return {result}
"""


def _fuse_source(**changes: str) -> str:
    right = {
        "deep": "torch.nn.functional.interpolate(deep, size=size, mode='nearest')",
        "result": "torch.cat([shallow, deep], dim=1)",
    }
    return _FUSE.format(**{**right, **changes})


fuse = Exercise(
    notebook="nb09",
    key="fuse",
    prompt=(
        "Write `fuse(shallow, deep)`: FFMv1 without its convolutions. Enlarge the deep map to the "
        "shallow one's size (nearest), and lay both on top of each other, shallow first. It works "
        "when (1, 1, 2, 2) and (1, 1, 1, 1) become (1, 2, 2, 2)."
    ),
    stub='''
    def fuse(shallow, deep):
        """Maps (B, C, H, W) and (B, D, H2, W2) to (B, C + D, H, W)."""
        size = ...
        return None
    ''',
    solution_source='''
    def fuse(shallow, deep):
        """Maps (B, C, H, W) and (B, D, H2, W2) to (B, C + D, H, W)."""
        size = shallow.shape[-2:]
        deep = torch.nn.functional.interpolate(deep, size=size, mode="nearest")
        return torch.cat([shallow, deep], dim=1)
    ''',
    hints=(
        "Height and width are the last two numbers of `shallow.shape`.",
        "`F.interpolate(deep, size=size, mode='nearest')` repeats cells until the size is right.",
        "Then `torch.cat([shallow, deep], dim=1)`: dim 1 are the channels.",
    ),
    wrong_answers=(
        WrongAnswer(
            _fuse_source(
                deep="torch.nn.functional.interpolate(deep, scale_factor=2, mode='nearest')"
            ),
            "Doubling is right for even sides only: a map of 5 cells has a half of 3, and 2 · 3 "
            "is 6. Say which *size* you want.",
        ),
        WrongAnswer(
            _fuse_source(result="torch.cat([deep, shallow], dim=1)"),
            "The deep map comes first. Trained weights know the shallow one at the channels 0 to "
            "C - 1.",
        ),
        WrongAnswer(
            _fuse_source(deep="torch.nn.functional.interpolate(deep, size=size, mode='bilinear')"),
            "You mix neighbouring cells (bilinear). Nearest repeats each cell as it is.",
        ),
        WrongAnswer(
            _fuse_source(result="shallow + deep[:, : shallow.shape[1]]"),
            "You add. A fusion keeps both: the channels lie on top of each other.",
        ),
        WrongAnswer(
            """
            def fuse(shallow, deep):
                small = torch.nn.functional.interpolate(
                    shallow, size=deep.shape[-2:], mode='nearest')
                return torch.cat([small, deep], dim=1)
            """,
            "You shrink the shallow map: then nobody knows *where* any more. The deep one is "
            "enlarged.",
        ),
        WrongAnswer(
            _fuse_source(result="torch.cat([shallow, deep], dim=0)"),
            "dim 0 is the batch: the maps would become pictures. The channels are dim 1.",
        ),
        WrongAnswer(
            _fuse_source(deep="deep"),
            "The two maps differ in height or width, so torch.cat cannot join them: enlarge the "
            "deep one to shallow.shape[-2:] first.",
        ),
        WrongAnswer(
            _fuse_source(result="deep"),
            "This is the deep map alone, enlarged. Lay it on top of the shallow one.",
        ),
        WrongAnswer(
            _fuse_source(deep="deep.expand(-1, -1, *size)"),
            "`expand` only repeats an axis of one cell, so it fits a map of one cell and no larger "
            "one. interpolate enlarges any.",
        ),
        WrongAnswer(
            """
            def fuse(shallow, deep):
                size = shallow.shape[-1]
                deep = torch.nn.functional.interpolate(deep, size=size, mode='nearest')
                return torch.cat([shallow, deep], dim=1)
            """,
            "One number means a square. Maps need not be square: height *and* width are "
            "shallow.shape[-2:].",
        ),
        WrongAnswer(
            _fuse_source(result="torch.stack([shallow, deep], dim=1)"),
            "`stack` makes a new axis and wants equal numbers of channels. `cat` with dim=1 joins"
            " along the channels that are there.",
        ),
        WrongAnswer(
            _fuse_source(result="shallow + deep"),
            "You add, which needs equal numbers of channels. Lay one on top of the other: cat.",
        ),
        WrongAnswer(
            _fuse_source(
                deep="torch.nn.functional.interpolate(deep, size=shallow.shape, mode='nearest')"
            ),
            "`size` wants height and width alone: shallow.shape[-2:].",
        ),
    ),
    cases=_fuse_cases,
    praise="Two convolutions before it, and it is FFMv1.",
)


# --------------------------------------------------------------------------- head_parameters


def _head_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 2048, 6, 6, 81
    for _ in range(8):
        channels = integer(generator, 8, 40)
        scales, priors, classes = integers(generator, 2, 7, 3)
        yield channels, scales, priors, classes + 2


_HEADS = """
    def head_parameters(channels, num_scales, priors_per_cell, num_classes):
        answers = {answers}
        each = {each}
        return {result}
"""


def _heads_source(**changes: str) -> str:
    right = {
        "answers": "priors_per_cell * (4 + num_classes)",
        "each": "9 * channels * answers + answers",
        "result": "num_scales * each",
    }
    return _HEADS.format(**{**right, **changes})


head_parameters = Exercise(
    notebook="nb09",
    key="head_parameters",
    prompt=(
        "Write `head_parameters(channels, num_scales, priors_per_cell, num_classes)`: parameters "
        "of all heads, box and class, 3 × 3 convolutions with biases, a pair for each scale; "
        "num_classes counts the background. It works when (2048, 6, 6, 81) gives 56,404,980."
    ),
    stub='''
    def head_parameters(channels, num_scales, priors_per_cell, num_classes):
        """Number of parameters of all heads; num_classes with background."""
        answers = ...
        return None
    ''',
    solution_source='''
    def head_parameters(channels, num_scales, priors_per_cell, num_classes):
        """Number of parameters of all heads; num_classes with background."""
        answers = priors_per_cell * (4 + num_classes)  # of a cell
        return num_scales * (9 * channels * answers + answers)
    ''',
    hints=(
        "How many numbers does a cell answer? For each prior 4 deltas and num_classes logits.",
        "Each number has a filter of 3 · 3 · channels weights, and one bias.",
        "num_scales · (9 · channels + 1) · priors_per_cell · (4 + num_classes).",
    ),
    wrong_answers=(
        WrongAnswer(
            _heads_source(each="9 * channels * answers"),
            "The biases are missing: heads have no BatchNorm behind them, so each filter has one.",
        ),
        WrongAnswer(
            _heads_source(answers="priors_per_cell * num_classes"),
            "The box heads are missing: 4 deltas for each prior.",
        ),
        WrongAnswer(
            _heads_source(answers="priors_per_cell * (4 + num_classes + 1)"),
            "num_classes counts the background already.",
        ),
        WrongAnswer(
            _heads_source(answers="4 + num_classes"),
            "A cell has several priors, and answers for each of them.",
        ),
        WrongAnswer(
            _heads_source(result="each"),
            "One pair for all scales? The filters are not shared: multiply by num_scales.",
        ),
        WrongAnswer(
            _heads_source(answers="priors_per_cell * 4"),
            "The class heads are missing: num_classes logits for each prior.",
        ),
        WrongAnswer(
            _heads_source(answers="priors_per_cell * (4 + num_classes - 1)"),
            "The background is a class of its own and has a logit: take num_classes as it is.",
        ),
        WrongAnswer(
            _heads_source(each="channels * answers + answers"),
            "The filters are 3 × 3: nine weights for each channel that they read.",
        ),
        WrongAnswer(
            _heads_source(each="3 * channels * answers + answers"),
            "A 3 × 3 filter has nine weights for each channel, not three.",
        ),
        WrongAnswer(
            _heads_source(each="9 * channels * answers + 1"),
            "One bias is not enough: each of the filters has its own.",
        ),
        WrongAnswer(
            _heads_source(answers="4 + priors_per_cell * num_classes"),
            "Four deltas for each *prior*, not for each cell: priors_per_cell · (4 + num_classes).",
        ),
        WrongAnswer(
            _heads_source(each="9 * channels * answers + 2 * answers"),
            "You count a BatchNorm behind the heads. There is none: a weight and one bias each.",
        ),
        WrongAnswer(
            _heads_source(each="9 * channels * answers + 4 + num_classes"),
            "Every filter has a bias, and there are filters for each *prior*: priors_per_cell · "
            "(4 + num_classes) biases.",
        ),
        WrongAnswer(
            _heads_source(answers="priors_per_cell * 4 * num_classes"),
            "Four deltas *and* num_classes logits for each prior: add them. (Deltas for each "
            "class are another design.)",
        ),
        WrongAnswer(
            _heads_source(each="channels * answers"),
            "Two things are missing: a 3 × 3 filter has nine weights for each channel, and every "
            "filter has a bias.",
        ),
    ),
    cases=_head_cases,
    praise="56 of 133 million: the heads are larger than the eight TUMs together.",
)


# --------------------------------------------------------------------------- warm_up


def _rate_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 0, 100
    yield 250, 100
    yield 1250, 500
    yield 5000, 1000
    for _ in range(6):
        per_epoch = integer(generator, 20, 900)
        yield integer(generator, 1, 7 * per_epoch), per_epoch


_RATE = """
    def warm_up(step, steps_per_epoch):
        low, high = 1e-6, 4e-3
        done = {done}
        return {result}
"""


def _rate_source(**changes: str) -> str:
    right = {
        "done": "min(step / (5 * steps_per_epoch), 1)",
        "result": "low + (high - low) * done",
    }
    return _RATE.format(**{**right, **changes})


warm_up = Exercise(
    notebook="nb09",
    key="warm_up",
    prompt=(
        "Write `warm_up(step, steps_per_epoch)`: the released learning rate at the start; a "
        "straight line from 1e-6 at step 0 to 4e-3 after five epochs, 4e-3 from then on. It works "
        "when step 250 of 100 an epoch gives 0.0020005."
    ),
    stub='''
    def warm_up(step, steps_per_epoch):
        """Learning rate after `step` finished steps."""
        low, high = 1e-6, 4e-3
        done = ...
        return None
    ''',
    solution_source='''
    def warm_up(step, steps_per_epoch):
        """Learning rate after `step` finished steps."""
        low, high = 1e-6, 4e-3
        done = min(step / (5 * steps_per_epoch), 1)
        return low + (high - low) * done
    ''',
    hints=(
        "How many steps do five epochs have? Which share of them is done?",
        "`done = step / (5 * steps_per_epoch)`, and never more than 1.",
        "`low + (high - low) * done`.",
    ),
    wrong_answers=(
        WrongAnswer(
            _rate_source(done="step / (5 * steps_per_epoch)"),
            "The line goes on rising after five epochs: `done` is 1 at most.",
        ),
        WrongAnswer(
            _rate_source(done="min(step / 5, 1)"),
            "You warm up for five *steps*; it is five epochs of steps_per_epoch each.",
        ),
        WrongAnswer(
            _rate_source(done="min(step // steps_per_epoch / 5, 1)"),
            "Your rate waits for the end of an epoch and then jumps. It rises at every step.",
        ),
        WrongAnswer(
            _rate_source(result="high * done"),
            "At step 0 your rate is 0, so that step is lost. The line starts at 1e-6.",
        ),
        WrongAnswer(
            _rate_source(result="low + high * done"),
            "At the end you are 1e-6 too high: the way to go is high - low.",
        ),
        WrongAnswer(
            _rate_source(result="high - (high - low) * done"),
            "Your rate falls. It begins at 1e-6 and rises to 4e-3.",
        ),
        WrongAnswer(
            _rate_source(result="low * (high / low) ** done"),
            "You rise by equal *factors*, a straight line only on a logarithmic axis. Here equal "
            "amounts are added: low + (high - low) · done.",
        ),
        WrongAnswer(
            _rate_source(result="high if done >= 1 else low"),
            "You jump from 1e-6 to 4e-3 after five epochs. In between lies a straight line.",
        ),
        WrongAnswer(
            _rate_source(done="min(step / steps_per_epoch, 1)"),
            "Your warm-up lasts one epoch. It is five.",
        ),
        WrongAnswer(
            _rate_source(done="min((step + 1) / (5 * steps_per_epoch), 1)"),
            "You are one step ahead: `step` steps are finished, and at step 0 the rate is 1e-6.",
        ),
        WrongAnswer(
            _rate_source(result="high * step / (5 * steps_per_epoch)"),
            "Your line starts at 0 and never ends. It goes from 1e-6 to 4e-3, and stays there "
            "after five epochs.",
        ),
        WrongAnswer(
            _rate_source(result="high"),
            "This is the rate after the warm-up. Before that it rises, from 1e-6 at step 0.",
        ),
        WrongAnswer(
            _rate_source(result="min(low + high * done, high)"),
            "You start at low and then go on by `high` times the share; the way to go is high - "
            "low.",
        ),
        WrongAnswer(
            _rate_source(done="min(step / (90 * steps_per_epoch), 1)"),
            "Your warm-up lasts 90 epochs. It lasts five; up to epoch 90 the rate then stays at "
            "4e-3.",
        ),
    ),
    cases=_rate_cases,
    tolerance=1e-12,
    praise="BatchNorm's momentum of 0.01 is one more reason to start slowly.",
)


# --------------------------------------------------------------------------- decay


def _decay_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 0.8, 0.4, 0.3
    yield 0.8, 0.4, 0.45
    yield 0.9, 0.45, 0.45
    for _ in range(10):
        score, iou, threshold = torch.rand(3, generator=generator).tolist()
        yield score, iou, threshold


_DECAY = """
    def decay(score, iou, threshold):
        return {}
"""

decay = Exercise(
    notebook="nb09",
    key="decay",
    prompt=(
        "Write `decay(score, iou, threshold)`: what linear soft-NMS leaves of a score, when a "
        "better box overlaps by `iou`: times 1 - iou if that exceeds the threshold. It works when "
        "(0.8, 0.4, 0.3) gives 0.48 and (0.8, 0.4, 0.45) gives 0.8."
    ),
    stub='''
    def decay(score, iou, threshold):
        """What is left of the score of a box that a better one overlaps."""
        ...
        return None
    ''',
    solution_source='''
    def decay(score, iou, threshold):
        """What is left of the score of a box that a better one overlaps."""
        return score * (1 - iou) if iou > threshold else score
    ''',
    hints=(
        "Two cases: the overlap exceeds the threshold, or it does not.",
        "If it does not, the score stays.",
        "`score * (1 - iou) if iou > threshold else score`.",
    ),
    wrong_answers=(
        WrongAnswer(
            _DECAY.format("score * (1 - iou)"),
            "You decay always; an overlap up to the threshold costs nothing.",
        ),
        WrongAnswer(
            _DECAY.format("0.0 if iou > threshold else score"),
            "That is hard NMS: the box loses its life. The soft one loses score.",
        ),
        WrongAnswer(
            _DECAY.format("0 if iou > threshold else score"),
            "With 0 for every overlap above the threshold this is hard NMS. The soft one leaves "
            "1 - iou of the score.",
        ),
        WrongAnswer(
            _DECAY.format("score * (1 - iou) if iou >= threshold else score"),
            "An overlap *equal* to the threshold costs nothing: it must exceed it.",
        ),
        WrongAnswer(
            _DECAY.format("score * iou if iou > threshold else score"),
            "The more overlap, the more you leave. It is 1 - iou that remains.",
        ),
        WrongAnswer(
            "import math\n\n" + "def decay(score, iou, threshold):\n"
            "    return score * math.exp(-iou**2 / threshold)\n",
            "That is the Gaussian method, with the threshold in the place of its sigma: the very "
            "mix-up of the released call.",
        ),
        WrongAnswer(
            _DECAY.format("score * (1 - threshold) if iou > threshold else score"),
            "You multiply by 1 - threshold, so every overlap costs the same. A larger one is to "
            "cost more: 1 - iou.",
        ),
        WrongAnswer(
            _DECAY.format("score * (1 - iou) if iou < threshold else score"),
            "The comparison is the wrong way round: a box is punished when the overlap *exceeds* "
            "the threshold.",
        ),
        WrongAnswer(
            _DECAY.format("score - iou if iou > threshold else score"),
            "You subtract the overlap, and a score may fall below 0. Linear soft-NMS multiplies by "
            "1 - iou.",
        ),
        WrongAnswer(
            _DECAY.format("1 - iou if iou > threshold else score"),
            "This is the factor alone. Multiply the score by it.",
        ),
        WrongAnswer(
            _DECAY.format("score * (1 - iou) if score > threshold else score"),
            "You compare the *score* with the threshold. It is the overlap that has to exceed it.",
        ),
        WrongAnswer(
            _DECAY.format("score * (1 - (iou - threshold)) if iou > threshold else score"),
            "You punish only what exceeds the threshold. The published rule takes the whole "
            "overlap: 1 - iou.",
        ),
        WrongAnswer(
            _DECAY.format("score * (1 - iou) ** 2 if iou > threshold else score"),
            "You punish twice. Linear soft-NMS multiplies by 1 - iou once.",
        ),
        WrongAnswer(
            _DECAY.format("score * math.exp(-(iou**2) / 0.5)"),
            "That is the Gaussian method, which has no threshold. The linear one multiplies by 1 "
            "- iou above it.",
        ),
        WrongAnswer(
            _DECAY.format("max(0, score - iou) if iou > threshold else score"),
            "You subtract the overlap. Linear soft-NMS multiplies the score by 1 - iou.",
        ),
    ),
    cases=_decay_cases,
    tolerance=1e-9,
    praise="As released, the threshold is 0.3, whatever the config says.",
)


# --------------------------------------------------------------------------- silence


def _silence_cases(generator: torch.Generator) -> Iterator[Case]:
    yield [torch.ones(1, 4, 2, 2), torch.ones(1, 4, 1, 1)], 1, 2
    yield [torch.ones(4, 6, 2, 2), torch.ones(4, 6, 1, 1)], 1, 2  # more pictures than planes
    for _ in range(5):
        B, planes, levels, scales = integers(generator, 2, 4, 4)
        pyramid = [
            0.1 + torch.rand(B, levels * planes, 6 - s, 6 - s, generator=generator)
            for s in range(scales)
        ]
        yield pyramid, integer(generator, 1, levels - 1), planes


_SILENCE = """
    def silence(pyramid, level, planes):
        changed = []
        for maps in pyramid:
            maps = {copy}
            maps[{where}] = 0
            changed.append(maps)
        return {result}
"""


def _silence_source(**changes: str) -> str:
    right = {
        "copy": "maps.clone()",
        "where": ":, level * planes : (level + 1) * planes",
        "result": "changed",
    }
    return _SILENCE.format(**{**right, **changes})


silence = Exercise(
    notebook="nb09",
    key="silence",
    prompt=(
        "Write `silence(pyramid, level, planes)`: copies of the gathered maps (B, L·planes, H, W) "
        "in which one level's channels are 0, at every scale. It works when of four channels, "
        "level 1 with two planes silences the last two, and the maps you were given stay."
    ),
    stub='''
    def silence(pyramid, level, planes):
        """Copies of the maps without one level; the maps themselves stay."""
        changed = []
        ...
        return None
    ''',
    solution_source='''
    def silence(pyramid, level, planes):
        """Copies of the maps without one level; the maps themselves stay."""
        changed = []
        for maps in pyramid:
            maps = maps.clone()
            maps[:, level * planes : (level + 1) * planes] = 0
            changed.append(maps)
        return changed
    ''',
    hints=(
        "Which channels does level l own? l · planes up to, not including, (l + 1) · planes.",
        "Copy first: `maps = maps.clone()`. Then write zeros into a slice of dim 1.",
        "`maps[:, level * planes : (level + 1) * planes] = 0`, for the maps of every scale.",
    ),
    wrong_answers=(
        WrongAnswer(
            _silence_source(where=":, level : level + planes"),
            "Level l begins at channel l · planes, not at l.",
        ),
        WrongAnswer(
            _silence_source(where=":, level * planes :"),
            "You silence all deeper levels too: stop at (level + 1) · planes.",
        ),
        WrongAnswer(
            _silence_source(where=":, : level * planes"),
            "You silence the levels *before* it.",
        ),
        WrongAnswer(
            _silence_source(where="level * planes : (level + 1) * planes"),
            "Dim 0 is the batch: you silence pictures. The channels are dim 1.",
        ),
        WrongAnswer(
            _silence_source(result="[changed[0], *pyramid[1:]]"),
            "Only the finest map is silenced: the level speaks on at the other scales.",
        ),
        WrongAnswer(
            _silence_source(where=":, (level - 1) * planes : level * planes"),
            "That is the level before. Levels are counted from 0, so level l begins at l · planes.",
        ),
        WrongAnswer(
            _silence_source(where=":, level * planes : (level + 1) * planes - 1"),
            "One channel of the level speaks on: the end of a slice is not included.",
        ),
        WrongAnswer(
            _silence_source(where=":, level"),
            "You silence a single channel. A level owns `planes` of them.",
        ),
        WrongAnswer(
            """
            def silence(pyramid, level, planes):
                changed = [maps.clone() for maps in pyramid]
                changed[level] = changed[level] * 0
                return changed
            """,
            "You silenced a scale; a level is a range of channels in every map.",
        ),
        WrongAnswer(
            _silence_source(where=":"),
            "You silence everything. Only the channels of one level become 0.",
        ),
        WrongAnswer(
            """
            def silence(pyramid, level, planes):
                return [torch.cat([maps[:, : level * planes], maps[:, (level + 1) * planes :]],
                                  dim=1) for maps in pyramid]
            """,
            "You cut the channels out; then the heads no longer fit. Keep them, and fill them with "
            "zeros.",
        ),
        WrongAnswer(
            """
            def silence(pyramid, level, planes):
                changed = []
                for maps in pyramid:
                    maps = torch.zeros_like(maps)
                    maps[:, level * planes : (level + 1) * planes] = pyramid[len(changed)][
                        :, level * planes : (level + 1) * planes]
                    changed.append(maps)
                return changed
            """,
            "The other way round: you keep the level and silence all others.",
        ),
        WrongAnswer(
            """
            def silence(pyramid, level, planes):
                changed = []
                for maps in pyramid:
                    maps = maps.clone()
                    maps[:, level * planes : (level + 1) * planes] = 0
                    changed.append(maps)
                    return changed
            """,
            "Only the finest map comes out: the `return` stands inside the loop. Put it below, at "
            "the indentation of `for`.",
        ),
        WrongAnswer(
            """
            def silence(pyramid, level, planes):
                changed = []
                for maps in pyramid:
                    maps = maps.clone()
                    own = maps[:, level * planes : (level + 1) * planes]
                    own.copy_(own.mean(dim=(0, 2, 3), keepdim=True))
                    changed.append(maps)
                return changed
            """,
            "You fill in the means, as §5 does. The exercise asks for zeros.",
        ),
        WrongAnswer(
            "def silence(pyramid, level, planes):\n    return [maps.clone() for maps in pyramid]\n",
            "Nothing is silenced: these are copies of the maps. Fill the channels of the level "
            "with zeros.",
        ),
        WrongAnswer(
            """
            def silence(pyramid, level, planes):
                own = slice(level * planes, (level + 1) * planes)
                return [maps[:, own] for maps in pyramid]
            """,
            "These are the maps of the level alone. Return all channels, and those of the level "
            "as zeros.",
        ),
        WrongAnswer(
            _silence_source(where=":, level::planes"),
            "You take every planes-th channel, as if the levels took turns. Level l owns "
            "neighbours: l · planes up to (l + 1) · planes.",
        ),
    ),
    cases=_silence_cases,
    praise="That is the ablation of the experiment: what is lost is what the level was good for.",
)


# --------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb09",
    key="moves",
    prompt=(
        "Write down `moves`, what the two explorers showed you: the first and last channel of "
        "level 2 in the gathered maps, as a pair; how many px of the picture a cell of scale 3 is "
        "wide; how many weights SFAM gives for one scale; the level to which weight 50 of a scale "
        "belongs, counted from 0."
    ),
    stub="moves = ...",
    solution_source="moves = ((48, 71), 32, 96, 2)",
    hints=(
        "Every level has 24 channels, and they are numbered from 0. How many come before level 2?",
        "Set `scale` to 3 and read the width of a cell; or divide 128 px by the cells of that map.",
        "There is one weight for each gathered channel. Which level owns a channel is the same "
        "question as the first.",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = ((24, 47), 32, 96, 2)",
            "That is level 1; levels are counted from 0.",
        ),
        WrongAnswer(
            "moves = ((48, 72), 32, 96, 2)",
            "Channel 72 is the first of level 3: level 2 ends one before.",
        ),
        WrongAnswer(
            "moves = ((49, 72), 32, 96, 2)",
            "You count channels from 1. They are counted from 0, like levels and scales.",
        ),
        WrongAnswer(
            "moves = ((0, 23), 32, 96, 2)",
            "That is level 0. Set `level` to 2 and read its channels.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 16, 96, 2)",
            "16 px is scale 2. Scale 3 has half its cells along a side.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 64, 96, 2)",
            "64 px is scale 4, the coarsest: scales are counted from 0.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 4, 96, 2)",
            "Four is the number of cells along a side. Each of them is wider: 128 px / 4.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 4, 2)",
            "Four is the number of *levels*. SFAM weighs every channel, and each level has 24.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 24, 2)",
            "24 are the weights of one level. A scale has those of all four levels.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 480, 2)",
            "480 is all five scales together; asked are the weights of one.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 96, 1)",
            "Level 1 ends with weight 47. The next 24 belong to the level after it.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 96, 3)",
            "Level 3 begins with weight 72; levels are counted from 0, each owns 24.",
        ),
    ),
    look_at=(
        "Set `level` to 2; the words beside the picture say “channels … to …”. Answer with a pair.",
        "Set `scale` to 3; the words say how wide a cell is.",
        "The words of the explorer of attention begin with the number of weights.",
        "Divide 50 by the channels of a level and round down.",
    ),
    praise="So a weight can be traced back to its level: that is what silencing one relies on.",
)
