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
    ),
    cases=_decay_cases,
    tolerance=1e-9,
    praise="As released, the threshold is 0.3, whatever the config says.",
)


# --------------------------------------------------------------------------- silence


def _silence_cases(generator: torch.Generator) -> Iterator[Case]:
    yield [torch.ones(1, 4, 2, 2), torch.ones(1, 4, 1, 1)], 1, 2
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
        "wide; at which level, at scale 0, the objects are brightest against the rest; how many "
        "weights SFAM gives for one scale; at which scale they differ most from scene to scene."
    ),
    stub="moves = ...",
    solution_source="moves = ((48, 71), 32, 2, 96, 4)",
    hints=(
        "24 channels a level: level 0 owns 0 to 23. Scale 3 has 4 × 4 cells on 128 px.",
        "Scale 0, all four levels, “the mean of its channels”: read “objects against the rest”.",
        "One weight for each gathered channel, not one for each level. And for the last number "
        "read “spread over the scenes” at every scale.",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = ((24, 47), 32, 2, 96, 4)",
            "That is level 1; levels are counted from 0.",
        ),
        WrongAnswer(
            "moves = ((48, 72), 32, 2, 96, 4)",
            "Channel 72 is the first of level 3: level 2 ends one before.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 16, 2, 96, 4)",
            "16 px is scale 2. Scale 3 has half its cells along a side.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 3, 96, 4)",
            "The deepest level is what one expects, and not what one sees: compare the ratio of "
            "levels 2 and 3 once more.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 2, 4, 4)",
            "Four is the number of *levels*. SFAM weighs every channel: 4 · 24.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 2, 480, 4)",
            "480 is all five scales together; asked are the weights of one.",
        ),
        WrongAnswer(
            "moves = ((48, 71), 32, 2, 96, 0)",
            "At scale 0 the weights are switches: open or closed, whatever the scene. Go on to the "
            "coarse scales.",
        ),
    ),
    praise="Bright is not needed: keep the third number in mind when a level is silenced.",
)
