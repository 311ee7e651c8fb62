"""Exercises of notebook 05, Training SSD.

Keys: `rotate_boxes`, `place_on_canvas`, `rate_at`, `resume_at`, `kind_of`, `moves`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = ["kind_of", "moves", "place_on_canvas", "rate_at", "resume_at", "rotate_boxes"]


def _boxes(generator: torch.Generator, number: int, width: float, height: float) -> Tensor:
    """Boxes (number, 4), corners, within an image."""
    unit = torch.rand(number, 4, generator=generator)
    size = 0.1 + 0.4 * unit[:, 2:]
    corner = unit[:, :2] * (1 - size)
    scale = torch.tensor([width, height, width, height])
    return torch.cat([corner, corner + size], dim=1) * scale


# ---------------------------------------------------------------------------- rotate_boxes


def _rotate_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([[1.0, 1.0, 4.0, 2.0]]), 8, 4
    for _ in range(20):
        width, height = integer(generator, 20, 40), integer(generator, 50, 90)
        yield _boxes(generator, integer(generator, 1, 5), width, height), width, height


_ROTATE = """
    def rotate_boxes(boxes, width, height):
        x1, y1, x2, y2 = boxes.unbind(-1)
        return torch.stack([{corners}], dim=-1)
"""

rotate_boxes = Exercise(
    notebook="nb05",
    key="rotate_boxes",
    prompt=(
        "Write `rotate_boxes(boxes, width, height)`: the boxes (N, 4), corners, after the image of "
        "that width and height was turned by a quarter, clockwise. The upper left corner of the "
        "image comes to the upper right. Every result has x1 < x2 and y1 < y2. In an image 8 px "
        "wide and 4 high, (1, 1, 4, 2) becomes (2, 1, 3, 4)."
    ),
    stub='''
    def rotate_boxes(boxes, width, height):
        """Boxes (N, 4), corners, of the image turned clockwise."""
        x1, y1, x2, y2 = boxes.unbind(-1)
        ...
        return None
    ''',
    solution_source='''
    def rotate_boxes(boxes, width, height):
        """Boxes (N, 4), corners, of the image turned clockwise."""
        x1, y1, x2, y2 = boxes.unbind(-1)
        return torch.stack([height - y2, x1, height - y1, x2], dim=-1)
    ''',
    hints=(
        "Where does one point (x, y) go? Turn a sheet of paper: what was at the top is now at the "
        "right, what was at the left is now at the top.",
        "(x, y) goes to (height - y, x). The new image is `height` wide.",
        "A box has two of its four edges in each of the new ones: the new *left* edge comes from "
        "the old lower edge, y2. Find the other three in the same way.",
    ),
    wrong_answers=(
        WrongAnswer(
            _ROTATE.format(corners="height - y1, x1, height - y2, x2"),
            "Your boxes have x1 > x2: the edge that was lowest, y2, is now the leftmost.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="width - y2, x1, width - y1, x2"),
            "What counts down is y, and y ends at the *height* of the image.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="y1, width - x2, y2, width - x1"),
            "That is a quarter turn the other way round, against the clock.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="y1, x1, y2, x2"),
            "Exchanging x and y is a reflection in the diagonal, not a turn.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="width - x2, height - y2, width - x1, height - y1"),
            "That is half a turn; a quarter makes y out of x.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="width - x2, y1, width - x1, y2"),
            "That is a mirror, as in section 1. In a quarter turn x becomes y.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="x1, height - y2, x2, height - y1"),
            "You have turned the picture upside down as a mirror does: x is still x. In a quarter "
            "turn the old y becomes the new x.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="y1, width - x1, y2, width - x2"),
            "Two mistakes: this turns against the clock, and y1 > y2, since the edge that was "
            "rightmost, x2, is now the upper one.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="height - 1 - y2, x1, height - 1 - y1, x2"),
            "`height - 1` is for numbers of pixels, which end at height - 1. Edges end at height.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="height - y2, x1, height - y1, x2").replace("dim=-1", "dim=0"),
            "The numbers are right, but a box is a column of your result. Stack along the last "
            "dimension: dim=-1 gives (N, 4).",
        ),
        WrongAnswer(
            _ROTATE.format(corners="height - y2, x1, height - y1, x2").replace("stack", "cat"),
            "`cat` puts all boxes into one row of numbers; `stack` makes a new dimension of four.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="height - y2, width - x2, height - y1, width - x1"),
            "Your y counts down from the width: that is a turn and a mirror. Turned clockwise, "
            "what was at the left is now at the top, so the new y is the old x.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="y2, x1, y1, x2"),
            "You use y as it is. What was at the top comes to the right: the new x counts down, "
            "height - y.",
        ),
        WrongAnswer(
            _ROTATE.format(corners="x1, y1, x2, y2"),
            "The boxes are as they were. Where does one point (x, y) go?",
        ),
        WrongAnswer(
            _ROTATE.format(corners="height - y2, x1, y2 - y1, x2 - x1"),
            "Your last two numbers are width and height. Wanted are corners, (x1, y1, x2, y2).",
        ),
    ),
    cases=_rotate_cases,
    praise="Four times it gives the boxes back, as a turn must.",
)


# ---------------------------------------------------------------------------- place_on_canvas


def _canvas_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([[0.0, 0.0, 1.0, 1.0]]), (100, 50), (200, 200), (0, 0)
    yield torch.tensor([[0.0, 0.0, 0.5, 1.0]]), (100, 50), (200, 200), (40, 100)
    for _ in range(20):
        size = (integer(generator, 60, 100), integer(generator, 20, 50))
        canvas = (integer(generator, 200, 250), integer(generator, 130, 160))
        place = (integer(generator, 10, 90), integer(generator, 1, 70))
        yield _boxes(generator, integer(generator, 1, 5), 1, 1), size, canvas, place


_CANVAS = """
    def place_on_canvas(boxes, size, canvas, place):
        unit = torch.tensor({unit}).float()
        corner = torch.tensor({corner}).float()
        whole = torch.tensor({whole}).float()
        return {result}
"""
_CANVAS_PARTS = {
    "unit": "[size[0], size[1], size[0], size[1]]",
    "corner": "[place[0], place[1], place[0], place[1]]",
    "whole": "[canvas[0], canvas[1], canvas[0], canvas[1]]",
    "result": "(boxes * unit + corner) / whole",
}

place_on_canvas = Exercise(
    notebook="nb05",
    key="place_on_canvas",
    prompt=(
        "Zoom-out by hand. Write `place_on_canvas(boxes, size, canvas, place)`: boxes (N, 4), "
        "corners in fractions of an image of `size` (width, height) in px, as fractions of the "
        "canvas, `canvas` (width, height) in px, on which the image lies with its upper left "
        "corner at `place` (x, y) in px."
    ),
    stub='''
    def place_on_canvas(boxes, size, canvas, place):
        """Fractions of the image to fractions of the canvas, (N, 4)."""
        width, height = size
        ...
        return None
    ''',
    solution_source='''
    def place_on_canvas(boxes, size, canvas, place):
        """Fractions of the image to fractions of the canvas, (N, 4)."""
        pixels = boxes * torch.tensor([*size, *size])  # (N, 4)
        moved = pixels + torch.tensor([*place, *place])  # (N, 4)
        return moved / torch.tensor([*canvas, *canvas])
    ''',
    hints=(
        "Three steps: fractions to pixels, pixels to their new place, and back to fractions.",
        "`boxes * torch.tensor([width, height, width, height])` are the pixels.",
        "Add [x, y, x, y] of the place, then divide by the canvas's width and height.",
    ),
    wrong_answers=(
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "(boxes * unit + corner) / unit"}),
            "You divide by the size of the image. The fractions asked for are those of the canvas.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "boxes * unit + corner"}),
            "These are pixels of the canvas; divide by its size.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "(boxes + corner) / whole"}),
            "You add pixels to fractions. Multiply the boxes by the image's size first.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "boxes * unit / whole"}),
            "The image has shrunk, but it lies in the corner: add its place.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"corner": "[place[0], place[1], 0, 0]"}),
            "Both corners move with the image: the place is added to x2 and y2, too. (It would be "
            "right for x, y, width, height.)",
        ),
        WrongAnswer(
            _CANVAS.format(
                **_CANVAS_PARTS | {"whole": "[canvas[1], canvas[0], canvas[1], canvas[0]]"}
            ),
            "x is divided by the canvas's width, y by its height; you have them swapped.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"unit": "[size[1], size[0], size[1], size[0]]"}),
            "`size` is (width, height): x is multiplied by the width, y by the height. You have "
            "them swapped.",
        ),
        WrongAnswer(
            _CANVAS.format(
                **_CANVAS_PARTS | {"corner": "[place[1], place[0], place[1], place[0]]"}
            ),
            "`place` is (x, y): its first number belongs to x1 and x2. You have them swapped.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "(boxes * unit - corner) / whole"}),
            "You subtract the place, as for a crop. On the canvas the image lies to the right of "
            "the corner: add.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "boxes * unit / whole + corner"}),
            "You add pixels to fractions of the canvas. Add the place first, then divide the sum.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "boxes + corner / whole"}),
            "The boxes have moved but kept their size. The image is only a part of the canvas, so "
            "they shrink: go through pixels.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "(boxes / unit + corner) / whole"}),
            "The boxes are fractions already. Multiply by the image's size to get pixels.",
        ),
        WrongAnswer(
            _CANVAS.format(**_CANVAS_PARTS | {"result": "(boxes + corner / unit) * whole / unit"}),
            "Image and canvas are swapped at the end: fractions of the canvas are px divided by "
            "the *canvas*.",
        ),
        WrongAnswer(
            _CANVAS.format(
                **_CANVAS_PARTS | {"corner": "[canvas[0] - size[0], canvas[1] - size[1]] * 2"}
            ),
            "You put the image into the lower right corner. It lies at `place`.",
        ),
        WrongAnswer(
            _CANVAS.format(
                **_CANVAS_PARTS
                | {"corner": "[(canvas[0] - size[0]) / 2, (canvas[1] - size[1]) / 2] * 2"}
            ),
            "You put the image into the middle of the canvas. It lies at `place`.",
        ),
    ),
    cases=_canvas_cases,
    praise="That is all that zoom-out does to boxes: it makes small objects of large ones.",
)


# ---------------------------------------------------------------------------- rate_at


def _rate_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 0, 1000, 0.01, 100
    yield 100, 1000, 0.01, 100
    yield 550, 1000, 0.01, 100
    yield 1000, 1000, 0.01, 100
    for _ in range(20):
        warmup, highest = integer(generator, 10, 200), integer(generator, 1, 9) / 100
        total = warmup + integer(generator, 100, 2000)
        yield integer(generator, 0, total), total, highest, warmup


_RATE = """
    def rate_at(step, total, highest, warmup):
        if step < warmup:
            return highest * {up}
        progress = {progress}
        return highest * {down}
"""
_RATE_PARTS = {
    "up": "step / warmup",
    "progress": "(step - warmup) / (total - warmup)",
    "down": "0.5 * (1 + math.cos(math.pi * progress))",
}

rate_at = Exercise(
    notebook="nb05",
    key="rate_at",
    prompt=(
        "Write `rate_at(step, total, highest, warmup)`: the learning rate of a step (the first is "
        "step 0) of a run of `total` steps. It climbs evenly from 0 at step 0 (unlike the "
        "notebook's, which begins at a hundredth) to `highest` at step `warmup`; from there it "
        "follows half a cosine wave down to 0 at step `total`."
    ),
    stub='''
    def rate_at(step, total, highest, warmup):
        """Learning rate of a step: warm-up, then half a cosine."""
        progress = (step - warmup) / (total - warmup)
        ...
        return None
    ''',
    solution_source='''
    def rate_at(step, total, highest, warmup):
        """Learning rate of a step: warm-up, then half a cosine."""
        if step < warmup:
            return highest * step / warmup
        progress = (step - warmup) / (total - warmup)
        return highest * 0.5 * (1 + math.cos(math.pi * progress))
    ''',
    hints=(
        "First the progress of the second part: 0 at step `warmup`, 1 at step `total`.",
        "The cosine of 0 is 1, of pi it is -1. Shift and halve it, so that it goes from 1 to 0.",
        "So the wave is half of one plus the cosine of pi times the progress. Before `warmup` the "
        "answer is another formula: ask `if step < warmup` first.",
    ),
    wrong_answers=(
        WrongAnswer(
            _RATE.format(**_RATE_PARTS).replace("highest *", "1.0 *"),
            "That is the share of the highest rate, 0 to 1. Multiply it by `highest`.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "math.exp(-progress)"}),
            "An exponential never arrives at 0. Half a cosine wave does, at step `total`.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"up": "(step + 1) / (warmup + 1)"}),
            "Your climb has one step more and does not begin at 0: it is step / warmup.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"progress": "step / total"}),
            "The cosine must begin where the warm-up ends: progress is 0 at step `warmup`. Yours "
            "jumps there.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"progress": "(step - warmup) / total"}),
            "Your wave does not end: at step `total` it is not yet at 0. It has `total - warmup` "
            "steps.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "math.cos(math.pi * progress)"}),
            "Your learning rate becomes negative: the loss would climb. Add 1 and halve.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "0.5 * (1 + math.cos(progress))"}),
            "math.cos takes radians: half a wave is from 0 to math.pi.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "0.5 * (1 + math.cos(180 * progress))"}),
            "math.cos takes radians, not degrees: half a wave is from 0 to math.pi.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "(1 - progress)"}),
            "A straight line: at its ends right, in between not a cosine.",
        ),
        WrongAnswer(
            """
            def rate_at(step, total, highest, warmup):
                progress = (step - warmup) / (total - warmup)
                return highest * 0.5 * (1 + math.cos(math.pi * progress))
            """,
            "The warm-up is missing. For steps before `warmup` your progress is negative; there "
            "the rate climbs evenly from 0.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS).replace("return highest * step / warmup", "return step"),
            "The warm-up returns the step itself. It is a share of the way, step / warmup, times "
            "`highest`.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS).replace("return highest * step", "return step"),
            "Your warm-up climbs to 1. It should climb to `highest`: multiply.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS).replace("return highest * 0.5", "return 0.5"),
            "Your wave goes from 1 to 0. It should begin at `highest`: multiply.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"up": "(0.01 + 0.99 * step / warmup)"}),
            "Your warm-up begins at a hundredth, as the package's does. Here it begins at 0.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"up": "0.01 ** (1 - step / warmup)"}),
            "Your warm-up grows by equal *factors*. Evenly means by equal steps: a straight line.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"up": "1.0"}),
            "Your rate is the highest from the first step on. The warm-up climbs to it from 0.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"up": "0.0"}),
            "Your rate is 0 until `warmup`, and then jumps. It should climb evenly.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"up": "(step + 1) / warmup"}),
            "You count from 1. The first step is step 0, and its rate is 0.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"up": "step / total"}),
            "The warm-up has `warmup` steps, not `total`: divide by `warmup`.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "(1 + math.cos(math.pi * progress))"}),
            "1 + cosine goes from 2 to 0. Halve it.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "math.cos(math.pi / 2 * progress)"}),
            "This is a quarter of a wave: it begins flat and ends steep. Half a wave, from 1 to "
            "-1, shifted and halved, is flat at both ends.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "0.5 * (1 - math.cos(math.pi * progress))"}),
            "Your wave climbs from 0 to the highest rate. 1 *plus* the cosine falls.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"progress": "step / (total - warmup)"}),
            "Progress counts from the end of the warm-up: subtract `warmup` from the step, too.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "0.5 * (1 + math.cos(2 * math.pi * progress))"}),
            "A whole wave falls and climbs again. Half a wave ends at math.pi.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS).replace(
                "highest * 0.5 * (1 + math.cos(math.pi * progress))",
                "highest * 0.5 * math.cos(math.pi * progress) + 1",
            ),
            "The 1 stands outside the brackets, so the rate is above 1. Shift the cosine first: "
            "(1 + cosine), then halve.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "math.sin(math.pi * progress)"}),
            "The sine begins and ends at 0. The cosine begins at 1.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS | {"down": "progress"}),
            "Your rate climbs after the warm-up. It should fall, by half a cosine.",
        ),
        WrongAnswer(
            _RATE.format(**_RATE_PARTS).replace("highest * step / warmup", "highest / warmup"),
            "Your rate stands still while it warms up. It climbs with the step: step / warmup.",
        ),
        WrongAnswer(
            """
            def rate_at(step, total, highest, warmup):
                progress = (step - warmup) / (total - warmup)
                return highest * step / warmup * 0.5 * (1 + math.cos(math.pi * progress))
            """,
            "You multiply warm-up and cosine. They come one after the other: `if step < warmup`, "
            "else the wave.",
        ),
        WrongAnswer(
            _RATE.format(
                **_RATE_PARTS | {"up": "0.5 * (1 + math.cos(math.pi * step / total))"}
            ).replace("(step - warmup) / (total - warmup)", "step / total"),
            "The warm-up is missing, and your wave begins at step 0. Up to step `warmup` the rate "
            "climbs evenly from 0; the wave begins there.",
        ),
        WrongAnswer(
            """
            def rate_at(step, total, highest, warmup):
                wave = 0.5 * (1 + math.cos(math.pi * step / total))
                return highest * min(1, step / warmup) * wave
            """,
            "You multiply warm-up and wave, and the wave begins at step 0. They come one after "
            "the other: `if step < warmup`, else a wave that begins at `warmup`.",
        ),
        WrongAnswer(
            """
            def rate_at(step, total, highest, warmup):
                progress = (step - warmup) / (total - warmup)
                wave = 0.5 * (1 + math.cos(math.pi * progress))
                return highest * min(1, step / warmup) * wave
            """,
            "You multiply warm-up and wave. During the warm-up the rate is highest * step / "
            "warmup alone: `if step < warmup`, else the wave.",
        ),
    ),
    cases=_rate_cases,
    praise="Warm-up, then cosine: `learning_rate_factor` begins at a hundredth, else it is yours.",
    tolerance=1e-9,
)


# ---------------------------------------------------------------------------- resume_at


def _resume_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 0, 96, 8
    yield 12, 96, 8
    yield 17, 96, 8
    yield 17, 100, 8
    yield 3, 5, 8
    for _ in range(20):
        images, size = integer(generator, 20, 200), integer(generator, 2, 16)
        yield integer(generator, 0, 100), images, size


_RESUME = """
    def resume_at(steps, images, batch_size):
        each = {each}
        return {result}
"""

resume_at = Exercise(
    notebook="nb05",
    key="resume_at",
    prompt=(
        "Write `resume_at(steps, images, batch_size)`: after so many finished steps, in which "
        "epoch and with which of its batches does a resumed run go on, both counted from 0? An "
        "incomplete last batch is left out, unless it is the only one: with fewer images than a "
        "batch holds, an epoch is one small batch."
    ),
    stub='''
    def resume_at(steps, images, batch_size):
        """(epoch, batch) of the next step, both from 0."""
        each = images // batch_size  # 0 if fewer images than a batch holds
        ...
        return None
    ''',
    solution_source='''
    def resume_at(steps, images, batch_size):
        """(epoch, batch) of the next step, both from 0."""
        each = max(1, images // batch_size)
        return steps // each, steps % each
    ''',
    hints=(
        "How many batches has an epoch? Whole ones only, but at least one.",
        "Whole epochs are done; the rest are batches of the next one.",
        "Whole epochs come from `//`, the rest from `%`, both by the number of batches that an "
        "epoch has. With 5 images and batches of 8 that number is 1; what is 5 // 8?",
    ),
    wrong_answers=(
        WrongAnswer(
            _RESUME.format(each="images // batch_size", result="(steps // each, steps % each)"),
            "With fewer images than a batch holds, an epoch still has one batch.",
        ),
        WrongAnswer(
            _RESUME.format(each="-(-images // batch_size)", result="(steps // each, steps % each)"),
            "You count the incomplete last batch; it is left out, unless it is the only one.",
        ),
        WrongAnswer(
            _RESUME.format(each="images", result="(steps // each, steps % each)"),
            "A step takes a batch, not an image: an epoch has images // batch_size steps.",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, images // batch_size)",
                result="(steps // each + 1, steps % each + 1)",
            ),
            "You count from 1. Epochs and batches are counted from 0 here.",
        ),
        WrongAnswer(
            _RESUME.format(each="max(1, images // batch_size)", result="(steps // each, 0)"),
            "You begin the epoch again: its first batches would be learned from twice.",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, images // batch_size)", result="(steps % each, steps // each)"
            ),
            "Epoch first, then batch; yours are swapped.",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, images // batch_size)", result="(steps // each + 1, steps % each)"
            ),
            "Your epochs count from 1, your batches from 0. Here both count from 0.",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, images // batch_size)", result="(steps // each, steps % each + 1)"
            ),
            "Your batch is one too late: one would never be learned from. After 12 finished "
            "batches, 0 to 11, the next one is number 12.",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, images // batch_size)",
                result="((steps - 1) // each, (steps - 1) % each)",
            ),
            "That is the step that was finished last; it would be learned from twice. Wanted is "
            "the next one.",
        ),
        WrongAnswer(
            _RESUME.format(each="images / batch_size", result="(steps // each, steps % each)"),
            "`/` counts a part of a batch as well. Only whole batches are made: `//`.",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, images // batch_size)", result="(steps / each, steps % each)"
            ),
            "`steps / each` is an epoch and a fraction. The epoch is a whole number: `//`.",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, round(images / batch_size))", result="(steps // each, steps % each)"
            ),
            "`round` sometimes counts the incomplete last batch. It is left out: `//` rounds down.",
        ),
        WrongAnswer(
            _RESUME.format(each="max(1, images // batch_size)", result="divmod(steps, batch_size)"),
            "You divide by the images of a batch. An epoch has images // batch_size steps: divide "
            "by that.",
        ),
        WrongAnswer(
            _RESUME.format(each="max(1, images // batch_size)", result="steps // each"),
            "This is the epoch alone. Return two numbers, (epoch, batch).",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, images // batch_size)",
                result="(steps // each, steps % each * batch_size)",
            ),
            "Your second number counts images. Wanted is the number of the batch.",
        ),
        WrongAnswer(
            _RESUME.format(
                each="max(1, images // batch_size)", result="(steps // each, steps - each)"
            ),
            "steps - each takes one epoch off. After several epochs the rest is steps % each.",
        ),
    ),
    cases=_resume_cases,
    praise="With the seed, this is all that order and augmentation need.",
)


# ---------------------------------------------------------------------------- kind_of


def _kind_cases(generator: torch.Generator) -> Iterator[Case]:
    yield [], [], []
    yield [0.8], [True], [False]
    yield [0.8], [True], [True]
    yield [0.8], [False], [False]
    yield [0.3], [True], [False]
    yield [0.05], [True], [False]
    yield [0.05], [False], [False]
    yield [0.7, 0.6], [True, True], [True, False]
    yield [0.8, 0.6], [False, True], [False, True]
    yield [0.9, 0.3], [False, True], [False, False]
    for _ in range(60):
        number = integer(generator, 1, 4)
        ious = (torch.rand(number, generator=generator) * 20).round() / 20
        same = torch.rand(number, generator=generator) < 0.6
        taken = torch.rand(number, generator=generator) < 0.4
        yield [round(iou, 2) for iou in ious.tolist()], same.tolist(), taken.tolist()


_KIND = """
    def kind_of(ious, same_class, taken):
        objects = list(zip(ious, same_class, taken))
        if {correct}:
            return "correct"
        {middle}
        if any(iou {reach} 0.1 for iou, same, gone in objects):
            return "badly placed"
        return "on background"
"""
_CORRECT = "any(iou >= 0.5 and same and not gone for iou, same, gone in objects)"
_MIDDLE = """if any(iou >= 0.5 and same for iou, same, gone in objects):
            return "duplicate"
        if any(iou >= 0.5 for iou, same, gone in objects):
            return "wrong class"
"""

kind_of = Exercise(
    notebook="nb05",
    key="kind_of",
    prompt=(
        "Write `kind_of(ious, same_class, taken)` for one detection. For each object of the image, "
        "three lists say the IoU with it, whether the class is the same, and whether a better "
        "detection has found it already. Return 'correct', 'duplicate', 'wrong class', "
        "'badly placed' (an IoU of at least 0.1) or 'on background'; 0.5 is a good IoU."
    ),
    stub='''
    def kind_of(ious, same_class, taken):
        """The kind of one detection."""
        objects = list(zip(ious, same_class, taken))
        correct = any(iou >= 0.5 and same and not gone
                      for iou, same, gone in objects)
        ...
        return None
    ''',
    solution_source='''
    def kind_of(ious, same_class, taken):
        """The kind of one detection."""
        objects = list(zip(ious, same_class, taken))
        if any(iou >= 0.5 and same and not gone
               for iou, same, gone in objects):
            return "correct"
        if any(iou >= 0.5 and same for iou, same, gone in objects):
            return "duplicate"
        if any(iou >= 0.5 for iou in ious):
            return "wrong class"
        if any(iou >= 0.1 for iou in ious):
            return "badly placed"
        return "on background"
    ''',
    hints=(
        "Ask in the order of the list: each question only arises if the ones before had a no.",
        "A duplicate lies well on an object of its class, but all such objects are taken.",
        "After a duplicate comes an object of another class that it lies well on, then any object "
        "that it touches by 0.1. Each of these is one `any(...)` over the objects.",
    ),
    wrong_answers=(
        WrongAnswer(
            _KIND.format(
                correct="False",
                reach=">=",
                middle="""if any(iou >= 0.5 and same and gone for iou, same, gone in objects):
            return "duplicate"
        if any(iou >= 0.5 and same for iou, same, gone in objects):
            return "correct"
        if any(iou >= 0.5 for iou, same, gone in objects):
            return "wrong class"
""",
            ),
            "You ask for a duplicate before you ask for a hit. If one object of the class is still "
            "free, the detection is correct, whatever else it lies on.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">=",
                middle="""if any(iou >= 0.5 and not same for iou, same, gone in objects):
            return "wrong class"
""",
            ),
            "The kind *duplicate* is missing: well on an object of its class that is taken.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">=",
                middle="""if any(iou >= 0.5 and same for iou, same, gone in objects):
            return "duplicate"
        if any(iou >= 0.5 and not gone for iou, same, gone in objects):
            return "wrong class"
""",
            ),
            "An object of another class need not be free: on a taken one it is a wrong class, too.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">=",
                middle="""if any(iou >= 0.5 for iou, same, gone in objects):
            return "wrong class"
        if any(iou >= 0.5 and same for iou, same, gone in objects):
            return "duplicate"
""",
            ),
            "You ask for the wrong class first, and every duplicate answers yes: its object has an "
            "IoU of at least 0.5, too.",
        ),
        WrongAnswer(
            _KIND.format(
                correct="any(iou >= 0.5 and same for iou, same, gone in objects)",
                reach=">=",
                middle=_MIDDLE,
            ),
            "An object can be found once. If a better detection has it already, this one is a "
            "duplicate.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">= 0.5 or iou <", middle=_MIDDLE),
            "A box that overlaps nothing lies on background; an IoU below 0.1 is no overlap.",
        ),
        WrongAnswer(
            _KIND.format(
                correct="objects and max(objects)[0] >= 0.5 and max(objects)[1] "
                "and not max(objects)[2]",
                reach=">=",
                middle=_MIDDLE,
            ),
            "You look at the best object only. If that one is taken or of another class, a second "
            "one may lie under the box as well.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT.replace(">=", ">"), reach=">=", middle=_MIDDLE.replace(">=", ">")
            ),
            "An IoU of exactly 0.5 is good enough: at least means >=, not >.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">", middle=_MIDDLE),
            "An IoU of exactly 0.1 is badly placed, not on background: >=, not >.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">=",
                middle=_MIDDLE.replace("iou >= 0.5 and same for", "iou >= 0.5 and gone for"),
            ),
            "A duplicate lies on an object *of its class* that is taken. On a taken object of "
            "another class the class is wrong.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">= 0.1 and same and iou >=",
                middle=_MIDDLE,
            ),
            "Badly placed asks for no class: a box that touches any object by 0.1 is not on "
            "background.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">=",
                middle=_MIDDLE.replace("any(iou >= 0.5 for", "any(iou >= 0.1 and not same for"),
            ),
            "Below an IoU of 0.5 the place is the mistake, whatever the class: wrong class needs "
            "an IoU of at least 0.5, too.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">=",
                middle="if any(iou >= 0.1 for iou, same, gone in objects):\n"
                '            return "badly placed"\n        ' + _MIDDLE,
            ),
            "You ask for badly placed too early: an IoU of 0.8 is at least 0.1, too. Ask for it "
            "after the questions with 0.5.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT.replace(" and same", ""), reach=">=", middle=_MIDDLE),
            "A box with the wrong name is not correct, however well it lies: ask for the class.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">=", middle=_MIDDLE).replace(
                '"on background"', '"missed"'
            ),
            "*Missed* is said of objects that nobody found. A detection on nothing is on "
            "background.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">=", middle=_MIDDLE).replace("any(", "all("),
            "One object is enough for each question: `any`, not `all`. (And `all` of no objects "
            "is true.)",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">=", middle=_MIDDLE).replace(
                '            return "badly placed"', '            return "on background"'
            ),
            "The kind *badly placed* is missing: an IoU from 0.1 to below 0.5.",
        ),
        WrongAnswer(
            """
            def kind_of(ious, same_class, taken):
                best = max(range(len(ious)), key=lambda k: ious[k])
                if ious[best] < 0.1:
                    return "on background"
                if ious[best] < 0.5:
                    return "badly placed"
                if not same_class[best]:
                    return "wrong class"
                return "duplicate" if taken[best] else "correct"
            """,
            "An image may have no objects: the largest of an empty list is an error. Begin with "
            "`any(...)`, which is false for no objects; it also looks at more than the best one.",
        ),
        WrongAnswer(
            """
            def kind_of(ious, same_class, taken):
                iou, same, gone = max(zip(ious, same_class, taken), default=(0, False, False))
                if iou >= 0.5 and same and not gone:
                    return "correct"
                if iou >= 0.5:
                    return "duplicate" if same else "wrong class"
                return "badly placed" if iou >= 0.1 else "on background"
            """,
            "You look at the object with the best IoU only. If that one is taken or of another "
            "class, a second one may lie under the box as well: `any(...)` asks all of them.",
        ),
        WrongAnswer(
            """
            def kind_of(ious, same_class, taken):
                objects = list(zip(ious, same_class, taken))
                if any(iou >= 0.5 and same and not gone for iou, same, gone in objects):
                    return "correct"
                iou, same, gone = max(objects, default=(0, False, False))
                if iou >= 0.5:
                    return "duplicate" if same else "wrong class"
                return "badly placed" if iou >= 0.1 else "on background"
            """,
            "After *correct* you look at the object with the best IoU only. A taken object of the "
            "right class beside it makes a duplicate: ask `any(...)` again.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">=",
                middle=_MIDDLE.replace("iou >= 0.5 and same for", "gone for"),
            ),
            "A duplicate lies *well* on an object of its class that is taken: IoU at least 0.5, "
            "and the same class.",
        ),
        WrongAnswer(
            _KIND.format(
                correct=_CORRECT,
                reach=">=",
                middle=_MIDDLE.replace("any(iou >= 0.5 for", "any(not same for"),
            ),
            "Another class alone is no mistake: most objects of an image are of another one. "
            "Wrong class needs an IoU of at least 0.5.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">=", middle=_MIDDLE).replace(
                "if any(iou >= 0.1 for iou, same, gone in objects):", "if True:"
            ),
            "The kind *on background* is missing: a box that touches no object by 0.1.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">=", middle=_MIDDLE).replace(
                '"on background"', '"background"'
            ),
            "The name is 'on background', as in metrics.ERROR_KINDS.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">=", middle=_MIDDLE)
            .replace("wrong class", "wrong_class")
            .replace("badly placed", "badly_placed")
            .replace("on background", "on_background"),
            "The names have spaces: 'wrong class', 'badly placed', 'on background', as in "
            "metrics.ERROR_KINDS.",
        ),
        WrongAnswer(
            _KIND.format(correct=_CORRECT, reach=">=", middle=_MIDDLE).replace(
                "if any(iou >= 0.1 for iou, same, gone in objects):", "if max(ious) >= 0.1:"
            ),
            "An image may have no objects, and the largest of an empty list is an error. "
            "`any(...)` of no objects is false.",
        ),
        WrongAnswer(
            """
            def kind_of(ious, same_class, taken):
                for iou, same, gone in zip(ious, same_class, taken):
                    if iou >= 0.5 and same and not gone:
                        return "correct"
                    if iou >= 0.5 and same:
                        return "duplicate"
                    if iou >= 0.5:
                        return "wrong class"
                    if iou >= 0.1:
                        return "badly placed"
                return "on background"
            """,
            "The first object decides in your loop. A later one may be better: ask each question "
            "of *all* objects before the next question.",
        ),
        WrongAnswer(
            """
            def kind_of(ious, same_class, taken):
                objects = zip(ious, same_class, taken)
                return [
                    "badly placed" if 0.1 <= iou < 0.5
                    else "on background" if iou < 0.1
                    else "wrong class" if not same
                    else "duplicate" if gone
                    else "correct"
                    for iou, same, gone in objects
                ]
            """,
            "You name a kind for every object. Wanted is one kind, that of the detection.",
        ),
    ),
    cases=_kind_cases,
    praise="Call it best score first, and you have `error_kinds`.",
)


# ---------------------------------------------------------------------------- moves


_NO_NMS = {
    "correct": "An object can be found once: the first box on it is correct, what is the second?",
    "wrong class": "They have the right name and the right place, on an object that is taken: what "
    "did the list of kinds call that?",
    "badly placed": "They lie on an object by more than half, beside a better one. What does the "
    "list say of an object that is taken?",
    "on background": "They do not lie on background: each shares an object with a better one.",
    "missed": "*Missed* counts objects without a box. Here there are more boxes than before.",
}


def _level_message(levels: tuple[int, int]) -> str:
    """What to say of two levels, at least one of which is wrong."""
    if levels == (3, 0):
        return "Levels go from fine to coarse: level 0 has the small cells and the small priors."
    house, cross = levels
    parts = []
    if house != 0:
        parts.append(
            f"The box of the house is not of level {house}. There are three houses; the smallest, "
            "of 11 px, lies below the cross's left arm."
        )
    if cross != 3:
        parts.append(
            f"The box of the cross is not of level {cross}. The cross is 85 px wide: choose its "
            "box, and read the column `level` of its row, which is marked."
        )
    return " ".join(parts)


moves = Exercise(
    notebook="nb05",
    key="moves",
    prompt=(
        "Write down `moves`, what the explorer showed you in the three tasks: (level, level) of "
        "the boxes around the smallest house and the cross; the kind of the new boxes without "
        "NMS; the kind of which a higher score threshold can make more. Kinds as in ERROR_KINDS. "
        "A tuple, such as ((1, 1), 'correct', 'correct'), made up."
    ),
    stub="moves = ...",
    solution_source="moves = ((0, 3), 'duplicate', 'missed')",
    hints=(
        "The explorer's list has a column `level`; the row of the chosen box is marked.",
        "The smallest house is 11 px wide, the cross 85: which level's priors overlap them by "
        "half? And the first box on an object is correct: what is the second?",
        "A higher threshold only takes boxes away. What becomes of an object that has lost its "
        "only box?",
    ),
    wrong_answers=(
        *(
            WrongAnswer(f"moves = ({levels}, 'duplicate', 'missed')", _level_message(levels))
            for levels in product(range(4), range(4))
            if levels != (0, 3)
        ),
        *(
            WrongAnswer(f"moves = ((0, 3), {kind!r}, 'missed')", message)
            for kind, message in _NO_NMS.items()
        ),
        *(
            WrongAnswer(
                f"moves = ((0, 3), 'duplicate', {kind!r})",
                f"{kind!r} is a kind of box, and a higher threshold only takes boxes away. Task 3: "
                "which of the six kinds is counted in objects?",
            )
            for kind in ("correct", "duplicate", "wrong class", "badly placed", "on background")
        ),
    ),
    look_at=(
        "the column `level` of the marked row, for the smallest of three houses and for the cross.",
        "what the list of kinds says of a second box on an object that is taken.",
        "which of the six kinds is counted in objects, not in boxes.",
    ),
    praise="A level finds what its priors resemble; thresholds trade false alarms for misses.",
)
