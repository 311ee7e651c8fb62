"""Exercises of notebook 11, HRNet for poses and for detection.

Keys: `window`, `masked_loss`, `parabola_top`, `turn_back`, `oks_one`, `moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer

__all__ = ["masked_loss", "moves", "oks_one", "parabola_top", "turn_back", "window"]


# --------------------------------------------------------------------------- window


def _boxes(generator: torch.Generator) -> Iterator[Case]:
    yield (10.0, 20.0, 60.0, 140.0), (256, 192)
    yield (0.0, 0.0, 120.0, 30.0), (256, 192)
    yield (0.0, 0.0, 80.0, 100.0), (256, 192)  # upright, and too wide for 3 : 4
    for _ in range(12):
        x, y, w, h = (1 + 80 * torch.rand(4, generator=generator)).tolist()
        height, width = (32 * torch.randint(1, 9, (2,), generator=generator)).tolist()
        yield (x, y, x + w, y + h), (height, width)


_WINDOW = """
    def window(box, size):
        height, width = size
        x1, y1, x2, y2 = box
        w, h = x2 - x1, y2 - y1
        aspect = {aspect}
        w, h = {grown}
        return {padded}
"""


def _window_source(**changes: str) -> str:
    right = {
        "aspect": "width / height",
        "grown": "max(w, h * aspect), max(h, w / aspect)",
        "padded": "1.25 * w, 1.25 * h",
    }
    return _WINDOW.format(**{**right, **changes})


window = Exercise(
    notebook="nb11",
    key="window",
    prompt=(
        "Write `window(box, size)`: (width, height) in px of the window that is cut out for a box "
        "(x1, y1, x2, y2) and a crop of (height, width). It works when a box of 50 × 120 px and a "
        "crop of 256 × 192 give 112.5 × 150."
    ),
    stub='''
    def window(box, size):
        """(width, height) of the window, px; size is (height, width).

    All numbers are floats: Python's max and min.
    """
        ...
        return None
    ''',
    solution_source='''
    def window(box, size):
        """(width, height) of the window, px; size is (height, width).

    All numbers are floats: Python's max and min.
    """
        height, width = size
        x1, y1, x2, y2 = box
        w, h = x2 - x1, y2 - y1
        aspect = width / height
        w, h = max(w, h * aspect), max(h, w / aspect)  # the too short one grows
        return 1.25 * w, 1.25 * h
    ''',
    hints=(
        "Which of the two sides is too short for the form width : height? That one grows.",
        "aspect = width / height. The width must be at least h · aspect; the height likewise.",
        "Both sides can be written as a maximum of two numbers: the side itself, and what the "
        "other side asks for. The factor comes last.",
    ),
    wrong_answers=(
        WrongAnswer(
            _window_source(grown="min(w, h * aspect), min(h, w / aspect)"),
            "You shrink the side that is long enough: hands and feet are cut off. The side that is "
            "too short for the form must grow.",
        ),
        WrongAnswer(
            _window_source(padded="w, h"),
            "The form is right; the window shall be 1.25 times as large, so that nothing lies at "
            "the very edge.",
        ),
        WrongAnswer(
            _window_source(grown="w, h"),
            "The window keeps the box's form. Brought to 256 × 192 the person would be squeezed: "
            "let the side that is too short for the form grow first.",
        ),
        WrongAnswer(
            _window_source(aspect="height / width"),
            "The aspect is upside down. size is (height, width), aspect is width / height.",
        ),
        WrongAnswer(
            _window_source(padded="1.25 * h, 1.25 * w"),
            "Width and height are exchanged in the answer.",
        ),
        WrongAnswer(
            _window_source(padded="1.5 * w, 1.5 * h"),
            "You add a quarter on each side. The window is 1.25 times as large in all.",
        ),
        WrongAnswer(
            _window_source(padded="1.25 * w / 200, 1.25 * h / 200"),
            "That is the scale, in units of 200 px. Asked are the px themselves.",
        ),
        WrongAnswer(
            _window_source(padded="width, height"),
            "That is the size of the crop. Asked is the window that is cut out of the picture.",
        ),
        WrongAnswer(
            _window_source(grown="max(w, h), max(w, h)"),
            "Your window is square. It shall have the form of the crop, width : height.",
        ),
        WrongAnswer(
            """
            def window(box, size):
                height, width = size
                _, _, w, h = box
                aspect = width / height
                w, h = max(w, h * aspect), max(h, w / aspect)
                return 1.25 * w, 1.25 * h
            """,
            "You read the box as (x, y, w, h). It is two corners: width is x2 - x1.",
        ),
        WrongAnswer(
            _window_source(grown="(h * aspect, h) if w < h else (w, w / aspect)"),
            "You ask which side is shorter. Ask which is too short *for the form*: a box of 80 × "
            "100 px is too wide for 3 : 4 already, and its height must grow.",
        ),
        WrongAnswer(
            _window_source(grown="h * aspect, h"),
            "You always keep the height. For a person lying down the width is the side to keep.",
        ),
    ),
    cases=_boxes,
    praise="Divided by 200 it is what the published code calls scale.",
    tolerance=1e-4,
)


# --------------------------------------------------------------------------- masked_loss


def _loss_cases(generator: torch.Generator) -> Iterator[Case]:
    target = torch.tensor([[[[1.0, 0.0]], [[1.0, 1.0]]]])
    yield torch.zeros(1, 2, 1, 2), target, torch.tensor([[1.0, 0.0]])
    yield torch.zeros(1, 2, 1, 2), target, torch.tensor([[1.5, 0.5]])
    for _ in range(6):
        B, J, H, W = torch.randint(1, 5, (4,), generator=generator).tolist()
        yield (
            torch.rand(B, J, H, W, generator=generator),
            torch.rand(B, J, H, W, generator=generator),
            torch.tensor([0.0, 0.5, 1.0, 1.5])[torch.randint(0, 4, (B, J), generator=generator)],
        )


_LOSS = """
    def masked_loss(maps, targets, weights):
        error = {error}
        return {mean}
"""


def _loss_source(**changes: str) -> str:
    right = {
        "error": "(maps - targets).square().mean(dim=(2, 3)) / 2",
        "mean": "(weights * error).mean()",
    }
    return _LOSS.format(**{**right, **changes})


masked_loss = Exercise(
    notebook="nb11",
    key="masked_loss",
    prompt=(
        "Write `masked_loss(maps, targets, weights)`: half the mean squared error of the heat maps "
        "(B, J, H, W), each joint times its weight (B, J), then the mean over persons and joints. "
        "It works when the pair checked by hand gives 0.125."
    ),
    stub='''
    def masked_loss(maps, targets, weights):
        """A scalar; maps and targets (B, J, H, W), weights (B, J)."""
        ...
        return None
    ''',
    solution_source='''
    def masked_loss(maps, targets, weights):
        """A scalar; maps and targets (B, J, H, W), weights (B, J)."""
        error = (maps - targets).square().mean(dim=(2, 3)) / 2  # (B, J)
        return (weights * error).mean()
    ''',
    hints=(
        "First one number for each joint: the mean over its pixels, (B, J).",
        "Square the difference, take the mean over the last two dimensions only, and halve it: "
        "that is (B, J), as the weights are.",
        "Multiply by the weights, then take the mean over all: a joint of weight 0 adds nothing, "
        "but counts.",
    ),
    wrong_answers=(
        WrongAnswer(
            _loss_source(mean="error.mean()"),
            "The weights are not used: joints that nobody labelled would teach an empty map.",
        ),
        WrongAnswer(
            _loss_source(mean="(weights * error).sum() / weights.sum().clamp(min=1)"),
            "You divide by the sum of the weights. The published loss is a plain mean: a joint of "
            "weight 0 adds no error, but counts in the mean.",
        ),
        WrongAnswer(
            _loss_source(
                error="((maps - targets) * weights[..., None, None]).square().mean(dim=(2, 3)) / 2",
                mean="error.mean()",
            ),
            "Your weight is multiplied into the maps, before the square: 1.5 counts 2.25. (The "
            "published code does so; for 0 and 1 nobody notices.)",
        ),
        WrongAnswer(
            _loss_source(error="(maps - targets).square().mean(dim=(2, 3))"),
            "The half is missing.",
        ),
        WrongAnswer(
            _loss_source(error="(maps - targets).abs().mean(dim=(2, 3)) / 2"),
            "That is the absolute error. Square it.",
        ),
        WrongAnswer(
            _loss_source(mean="(weights * error).sum()"),
            "You sum over persons and joints. Take the mean, or larger batches have larger losses.",
        ),
        WrongAnswer(
            _loss_source(error="(maps - targets).square().sum(dim=(2, 3)) / 2"),
            "You sum over the pixels of a map. Take their mean.",
        ),
        WrongAnswer(
            _loss_source(mean="((weights > 0) * error).mean()"),
            "You use the weights as yes or no. A weight of 1.5 shall count 1.5 times.",
        ),
        WrongAnswer(
            _loss_source(mean="weights * error"),
            "That is still one number for each joint, (B, J). Take the mean at the end.",
        ),
        WrongAnswer(
            _loss_source(mean="error[weights > 0].mean()"),
            "You leave joints of weight 0 out of the mean, and use no other weight. Multiply by "
            "the weights, and divide by all.",
        ),
    ),
    cases=_loss_cases,
    praise="Without the weights a network learns that hidden feet do not exist.",
)


# --------------------------------------------------------------------------- parabola_top


def _bump_cases(generator: torch.Generator) -> Iterator[tuple[float, float, float]]:
    for offset, sigma in ((0.3, 1.0), (0.0, 1.0), (-0.4, 2.0)):
        yield tuple(  # type: ignore[misc]
            torch.exp(-((torch.arange(-1.0, 2.0, dtype=torch.float64) - offset) ** 2)
                      / (2 * sigma**2)).tolist()
        )  # fmt: skip
    for _ in range(10):
        offset = float(torch.rand((), generator=generator)) - 0.5
        sigma = 1 + 2 * float(torch.rand((), generator=generator))
        at = torch.arange(-1.0, 2.0, dtype=torch.float64) - offset
        yield tuple(torch.exp(-(at**2) / (2 * sigma**2)).tolist())  # type: ignore[misc]


_TOP = """
    def parabola_top(left, middle, right):
        {first}
        slope, bend = {slope}, {bend}
        return {answer}
"""


def _top_source(**changes: str) -> str:
    right = {
        "first": "left, middle, right = map(math.log, (left, middle, right))",
        "slope": "(right - left) / 2",
        "bend": "right - 2 * middle + left",
        "answer": "-slope / bend",
    }
    return _TOP.format(**{**right, **changes})


parabola_top = Exercise(
    notebook="nb11",
    key="parabola_top",
    prompt=(
        "Write `parabola_top(left, middle, right)`: three values of a bump at places -1, 0 and 1; "
        "where is its top? It works when exp(-1.3² / 2), exp(-0.3² / 2), exp(-0.7² / 2) give 0.3. "
        "`math.log` is there."
    ),
    stub='''
    def parabola_top(left, middle, right):
        """Place of the top; the values are the map's, floats: math.log."""
        ...
        return None
    ''',
    solution_source='''
    def parabola_top(left, middle, right):
        """Place of the top; the values are the map's, floats: math.log."""
        left, middle, right = map(math.log, (left, middle, right))
        slope, bend = (right - left) / 2, right - 2 * middle + left
        return -slope / bend
    ''',
    hints=(
        "The bump is a Gaussian. Of which function of it do you know that it is a parabola?",
        "Take logarithms first. §1 says what slope and bend are.",
        "At 0 the slope is `slope`, and it changes by `bend` for each step to the right. After how "
        "many steps is it 0?",
    ),
    wrong_answers=(
        WrongAnswer(
            _top_source(first="pass"),
            "You lay the parabola through the values. A Gaussian is no parabola; its logarithm is.",
        ),
        WrongAnswer(
            _top_source(answer="slope / bend"),
            "The sign is turned: the bend of a top is negative, and you walk downhill.",
        ),
        WrongAnswer(
            _top_source(slope="right - left"),
            "right and left are two places apart: the slope is half of their difference.",
        ),
        WrongAnswer(
            _top_source(answer="(slope > 0) * 0.25 - (slope < 0) * 0.25"),
            "That is the quarter shift. It knows the direction; the three values tell the "
            "distance as well.",
        ),
        WrongAnswer(
            _top_source(bend="right - middle + left"),
            "The bend is right - 2 * middle + left: how much the slope changes from one side to "
            "the other.",
        ),
        WrongAnswer(
            _top_source(answer="3 - slope / bend"),
            "You count from 3, as in §1. Here the middle value stands at 0.",
        ),
        WrongAnswer(
            _top_source(answer="-slope / (2 * bend)"),
            "The bend is how much the slope changes in one step, so the slope is 0 after slope / "
            "bend steps. There is no 2.",
        ),
        WrongAnswer(
            _top_source(first="pass", answer="(right - left) / (left + middle + right)"),
            "That is the centre of gravity of three values. It leans to the middle, since the rest "
            "of the bump is cut off.",
        ),
        WrongAnswer(
            _top_source(first="pass", answer="0.0"),
            "That is arg-max: the middle is the brightest. The two neighbours tell where between "
            "the places the top is.",
        ),
        WrongAnswer(
            _top_source(answer="-bend / slope"),
            "Slope and bend are exchanged in the fraction.",
        ),
    ),
    cases=_bump_cases,
    praise="In two dimensions, with a smoothed map, it is DARK.",
    tolerance=1e-6,
)


# --------------------------------------------------------------------------- turn_back


def _flip_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.arange(6.0).reshape(2, 1, 3), (1, 0)
    yield torch.arange(12.0).reshape(3, 2, 2), (0, 2, 1)
    for _ in range(6):
        H, W = torch.randint(2, 6, (2,), generator=generator).tolist()
        yield torch.rand(5, H, W, generator=generator), (0, 2, 1, 4, 3)


_BACK = """
    def turn_back(maps, order):
        maps = {flip}
        maps = {swap}
        return {shift}
"""


def _back_source(**changes: str) -> str:
    right = {
        "flip": "maps.flip(-1)",
        "swap": "maps[list(order)]",
        "shift": "torch.cat([maps[..., :1], maps[..., :-1]], dim=-1)",
    }
    return _BACK.format(**{**right, **changes})


turn_back = Exercise(
    notebook="nb11",
    key="turn_back",
    prompt=(
        "Write `turn_back(maps, order)`: heat maps (J, H, W) of a mirrored crop, turned back and "
        "moved right by one pixel, the first column twice. order says which joint of the mirror "
        "is which. It works when [[[0, 1, 2]], [[3, 4, 5]]] and (1, 0) give "
        "[[[5, 5, 4]], [[2, 2, 1]]]."
    ),
    stub='''
    def turn_back(maps, order):
        """(J, H, W), turned back and moved right by one pixel."""
        ...
        return None
    ''',
    solution_source='''
    def turn_back(maps, order):
        """(J, H, W), turned back and moved right by one pixel."""
        maps = maps.flip(-1)[list(order)]
        return torch.cat([maps[..., :1], maps[..., :-1]], dim=-1)
    ''',
    hints=(
        "Three steps: mirror the places, exchange the channels, move by one pixel.",
        "`flip` takes the dimension to mirror; a list as an index puts channels in another order.",
        "Moved right by one: column 0 stands twice, and the last column falls off. Slice, then "
        "`torch.cat` along x.",
    ),
    wrong_answers=(
        WrongAnswer(
            _back_source(swap="maps"),
            "Left and right joints stay exchanged: in a mirror a left hand looks like a right one.",
        ),
        WrongAnswer(
            _back_source(shift="maps"),
            "The shift is missing: the two answers would lie one pixel apart.",
        ),
        WrongAnswer(
            _back_source(shift="torch.cat([maps[..., 1:], maps[..., -1:]], dim=-1)"),
            "You move left, or you move before you mirror, which is the same. Now the two answers "
            "lie two pixels apart: mirror first, then move right.",
        ),
        WrongAnswer(
            _back_source(flip="maps.flip(-2)"),
            "That puts people on their heads: the last dimension is x.",
        ),
        WrongAnswer(
            _back_source(shift="maps.roll(1, dims=-1)"),
            "`roll` brings the last column round to the left edge. Column 0 shall stay.",
        ),
        WrongAnswer(
            _back_source(flip="maps"),
            "The places are not mirrored: x has to run the other way, too.",
        ),
        WrongAnswer(
            _back_source(
                shift="torch.cat([torch.zeros_like(maps[..., :1]), maps[..., :-1]], dim=-1)"
            ),
            "You fill column 0 with zeros. Keep what stands there: it stands twice.",
        ),
        WrongAnswer(
            _back_source(swap="maps.flip(0)"),
            "You reverse all channels. `order` says which joint of the mirror is which: use it as "
            "an index.",
        ),
        WrongAnswer(
            _back_source(shift="torch.cat([maps[..., :1], maps[..., :1], maps[..., :-2]], dim=-1)"),
            "You move by two pixels. The grids of the two answers are one pixel apart.",
        ),
        WrongAnswer(
            _back_source(shift="torch.cat([maps[..., :1], maps], dim=-1)"),
            "Your maps are one column wider. The last column falls off.",
        ),
    ),
    cases=_flip_cases,
    praise="Add the other answer, halve, decode: that is the flip test.",
)


# --------------------------------------------------------------------------- oks_one


def _oks_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (
        torch.tensor([[0.0, 0.0], [10.0, 10.0]]), torch.tensor([[0.0, 0.0], [10.0, 0.0]]),
        2500.0, torch.tensor([2.0, 2.0]), torch.tensor([0.1, 0.1]),
    )  # fmt: skip
    for _ in range(8):
        J = int(torch.randint(2, 9, (), generator=generator))
        visible = torch.randint(0, 3, (J,), generator=generator).float()
        visible[0], visible[1] = 2, 0
        truth = 50 * torch.rand(J, 2, generator=generator)
        yield (
            truth + 4 * torch.randn(J, 2, generator=generator), truth,
            400 + 4000 * float(torch.rand((), generator=generator)), visible,
            0.03 + 0.08 * torch.rand(J, generator=generator),
        )  # fmt: skip


_OKS = """
    def oks_one(found, truth, area, visible, sigmas):
        distance = {distance}
        near = (-distance / {spread}).exp()
        return {mean}
"""


def _oks_source(**changes: str) -> str:
    right = {
        "distance": "(found - truth).square().sum(dim=-1)",
        "spread": "(2 * area * (2 * sigmas) ** 2)",
        "mean": "near[visible > 0].mean()",
    }
    return _OKS.format(**{**right, **changes})


oks_one = Exercise(
    notebook="nb11",
    key="oks_one",
    prompt=(
        "Write `oks_one(found, truth, area, visible, sigmas)`: the OKS of one pose (J, 2) with the "
        "true one, over the joints with visible > 0. It works when one joint exactly right and one "
        "2σ · √area off give 0.8033."
    ),
    stub='''
    def oks_one(found, truth, area, visible, sigmas):
        """A scalar from 0 to 1; found and truth (J, 2), area in px²."""
        ...
        return None
    ''',
    solution_source='''
    def oks_one(found, truth, area, visible, sigmas):
        """A scalar from 0 to 1; found and truth (J, 2), area in px²."""
        distance = (found - truth).square().sum(dim=-1)  # d², (J,)
        near = (-distance / (2 * area * (2 * sigmas) ** 2)).exp()  # (J,)
        return near[visible > 0].mean()
    ''',
    hints=(
        "One number for each joint: exp(-d² / (2 · area · (2σ)²)).",
        "d² is the sum of the squared differences in x and in y.",
        "The mean goes over the labelled joints only. A mask of truth values picks them.",
    ),
    wrong_answers=(
        WrongAnswer(
            _oks_source(spread="(2 * area * sigmas ** 2)"),
            "COCO doubles the sigmas: (2σ)². With σ alone the score is far too strict.",
        ),
        WrongAnswer(
            _oks_source(mean="near.mean()"),
            "Joints that nobody labelled count in your mean; their truth is (0, 0), and no truth.",
        ),
        WrongAnswer(
            _oks_source(distance="(found - truth).square().sum(dim=-1).sqrt()"),
            "The distance enters squared: leave out the root.",
        ),
        WrongAnswer(
            _oks_source(spread="(2 * area ** 2 * (2 * sigmas) ** 2)"),
            "area is px² already, as d² is: it enters once.",
        ),
        WrongAnswer(
            _oks_source(mean="(near * (visible > 0)).mean()"),
            "You divide by all joints; divide by the labelled ones, or a person seen from behind "
            "can never score 1.",
        ),
        WrongAnswer(
            _oks_source(mean="near[visible == 2].mean()"),
            "You count only the joints that can be seen. Visibility 1 is hidden, but labelled: it "
            "counts.",
        ),
        WrongAnswer(
            _oks_source(mean="(near * visible).sum() / visible.sum()"),
            "You weigh by v, so a joint that is seen (2) counts twice as much as a hidden one (1). "
            "v says only whether a joint counts: v > 0.",
        ),
        WrongAnswer(
            _oks_source(spread="(area * (2 * sigmas) ** 2)"),
            "The 2 of the Gaussian is missing: d² is divided by *twice* area · (2σ)².",
        ),
        WrongAnswer(
            _oks_source(spread="(2 * area * 2 * sigmas)"),
            "2σ enters squared.",
        ),
        WrongAnswer(
            _oks_source(distance="-(found - truth).square().sum(dim=-1)"),
            "The sign is lost: your OKS grows with the distance, and is above 1.",
        ),
        WrongAnswer(
            _oks_source(distance="(found - truth).square().mean(dim=-1)"),
            "d² is the *sum* of both squared differences. You take their mean.",
        ),
        WrongAnswer(
            _oks_source(mean="near[visible > 0].sum()"),
            "You sum over the joints. An OKS is their mean, and never above 1.",
        ),
        WrongAnswer(
            _oks_source(distance="(found - truth).abs().sum(dim=-1) ** 2"),
            "You add the differences before you square. d² is Δx² + Δy².",
        ),
    ),
    cases=_oks_cases,
    praise="Put it where IoU was, and chapter 01 gives COCO's AP of poses.",
)


# --------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb11",
    key="moves",
    prompt=(
        "Write down `moves`, what the explorer of heat maps showed you, in heat-map px and without "
        "sign: the errors of arg-max and quarter shift at x = 10.40 as a pair; DARK's error there "
        "with the bump on a whole pixel; the quarter shift's largest error from 10 to 11; how many "
        "of the other two are better than arg-max at x = 1.30."
    ),
    stub="moves = ...",
    solution_source="moves = ((0.4, 0.15), 0.4, 0.25, 0)",
    hints=(
        "Put x to 10.40 and y to 8.00 with the sliders; the table shows errors with two digits.",
        "A decoder can only find what was painted. Where is the bump when it is rounded?",
        "Near the edge look at the table's x: published code and ours do not refine there.",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = ((0.4, 0.4), 0.4, 0.25, 0)",
            "The brighter neighbour is on the right: the quarter shift answers 10.25, not 10.",
        ),
        WrongAnswer(
            "moves = ((0.4, 0.15), 0.0, 0.25, 0)",
            "DARK finds the bump exactly, and the bump stands at 10.00: 0.40 off. The target is "
            "wrong, not the decoder.",
        ),
        WrongAnswer(
            "moves = ((0.4, 0.15), 0.4, 0.5, 0)",
            "0.5 is arg-max's largest error. A quarter towards the right side halves it.",
        ),
        WrongAnswer(
            "moves = ((0.4, 0.15), 0.4, 0.25, 2)",
            "Look again at x = 1.30: in the first two columns nothing is refined, all three say 1.",
        ),
        WrongAnswer(
            "moves = ((0.15, 0.4), 0.4, 0.25, 0)",
            "The two errors are exchanged: arg-max comes first, and is the coarser one.",
        ),
        WrongAnswer(
            "moves = ((0.4, 0.65), 0.4, 0.25, 0)",
            "The quarter goes *towards* the brighter neighbour. The joint lies right of 10, so it "
            "says 10.25.",
        ),
        WrongAnswer(
            "moves = ((0.4, 0.15), 0.15, 0.25, 0)",
            "0.15 is the quarter shift's error. Read DARK's row, with the tick set.",
        ),
        WrongAnswer(
            "moves = ((0.4, 0.15), 0.4, 0.25, 1)",
            "At x = 1.30 look at the table's x: all three say 1, so none is better.",
        ),
    ),
    praise="Exact decoding needs exact targets: the two belong together.",
    tolerance=1e-6,
    look_at=(
        "Put x to 10.40 and y to 8.00, untick the whole pixel, and read the errors of arg-max and "
        "quarter in the table.",
        "Tick *bump on a whole pixel* and read DARK's error at x = 10.40.",
        "Walk x from 10 to 11 and watch the quarter's error: where is it largest?",
        "Put x to 1.30 and compare the three errors in the table.",
    ),
)
