"""Exercises of notebook 14, SSD on Colab, for real.

Keys: `sessions_needed`, `to_epochs`, `too_small`, `shared_rows`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = ["sessions_needed", "shared_rows", "to_epochs", "too_small"]


# ---------------------------------------------------------------------------- sessions_needed


def _session_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 65, 24, 4, 20  # 26 hours in sessions of 3 h 40
    yield 10, 60, 4, 0  # 10 hours: three sessions
    yield 12, 20, 4, 0  # exactly one
    yield 22, 10, 4, 20  # exactly one again, set-up included
    yield 47, 10, 4, 20  # two would do without any set-up
    yield 1, 1, 1, 30
    for _ in range(20):
        yield (
            integer(generator, 2, 240), integer(generator, 1, 90), integer(generator, 2, 12),
            integer(generator, 1, 45),
        )  # fmt: skip


_SESSIONS = """
    def sessions_needed(epochs, minutes, hours, setup):
        total = {total}
        usable = {usable}
        return {answer}
"""
_TOTAL, _USABLE, _UP = "epochs * minutes", "60 * hours - setup", "-(-total // usable)"

sessions_needed = Exercise(
    notebook="nb14",
    key="sessions_needed",
    prompt=(
        "Write `sessions_needed(epochs, minutes, hours, setup)`: so many sessions of `hours` hours "
        "a run of `epochs` epochs needs. An epoch takes `minutes` minutes; every session begins "
        "with `setup` minutes in which nothing is learned; a checkpoint may lie inside an epoch. "
        "It works when 65 epochs of 24 minutes in sessions of 4 hours, 20 minutes of set-up each, "
        "need 8."
    ),
    stub='''
    def sessions_needed(epochs, minutes, hours, setup):
        """Sessions of so many hours, an integer."""
        total = epochs * minutes
        ...
        return None
    ''',
    solution_source='''
    def sessions_needed(epochs, minutes, hours, setup):
        """Sessions of so many hours, an integer."""
        total = epochs * minutes
        usable = 60 * hours - setup  # minutes of training in a session
        return math.ceil(total / usable)
    ''',
    hints=(
        "How many minutes of a session are left for training?",
        "Those minutes divide the whole training; what does a last, half-used session count?",
        "math.ceil rounds up; `-(-a // b)` does it with integers alone.",
    ),
    wrong_answers=(
        WrongAnswer(
            _SESSIONS.format(total=_TOTAL, usable=_USABLE, answer="total // usable"),
            "You round down: the last, half-used session is missing, and with it the end of the "
            "training. Round up.",
        ),
        WrongAnswer(
            _SESSIONS.format(total=_TOTAL, usable=_USABLE, answer="round(total / usable)"),
            "`round` goes to the nearest whole number. A quarter of a session is a session, too: "
            "round up.",
        ),
        WrongAnswer(
            _SESSIONS.format(total=_TOTAL, usable=_USABLE, answer="total // usable + 1"),
            "Where the training ends exactly with a session, you count one too many. Round up "
            "instead of adding one.",
        ),
        WrongAnswer(
            _SESSIONS.format(total=_TOTAL, usable="60 * hours", answer=_UP),
            "You forget the set-up: in every session its minutes are lost for training.",
        ),
        WrongAnswer(
            _SESSIONS.format(total=_TOTAL + " + setup", usable="60 * hours", answer=_UP),
            "You count the set-up once. It is lost again in every session: take it from the "
            "session's minutes.",
        ),
        WrongAnswer(
            _SESSIONS.format(total=_TOTAL, usable="60 * hours + setup", answer=_UP),
            "The set-up makes a session shorter, not longer: subtract it.",
        ),
        WrongAnswer(
            _SESSIONS.format(total=_TOTAL, usable="max(hours - setup / 60, 1e-9)", answer=_UP),
            "Minutes are divided by hours. Bring both to minutes: a session has 60 * hours of "
            "them.",
        ),
        WrongAnswer(
            _SESSIONS.format(total=_TOTAL, usable=_USABLE, answer="total / usable"),
            "Your number has a fraction. Nobody rents a part of a session: round up to a whole "
            "number.",
        ),
        WrongAnswer(
            _SESSIONS.format(
                total=_TOTAL, usable=_USABLE, answer="-(-epochs // max(usable // minutes, 1))"
            ),
            "You count whole epochs in a session. A checkpoint may lie inside an epoch, so a "
            "session's last minutes count as well.",
        ),
    ),
    cases=_session_cases,
    praise="Count before you begin: a plan of eight evenings is another plan than one of two.",
)


# ---------------------------------------------------------------------------- to_epochs


def _epoch_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (80_000, 100_000, 120_000), 16_551, 32
    yield (100,), 64, 32
    yield (10, 20), 99, 10
    for _ in range(15):
        batch = integer(generator, 4, 64)
        images = batch * integer(generator, 3, 60) + integer(generator, 1, batch - 1)
        first = integer(generator, 50, 4000)
        yield (first, first + integer(generator, 50, 4000)), images, batch


_EPOCHS = """
    def to_epochs(iterations, images, batch_size):
        each = {each}
        return [{answer} for number in iterations]
"""

to_epochs = Exercise(
    notebook="nb14",
    key="to_epochs",
    prompt=(
        "Write `to_epochs(iterations, images, batch_size)`: a list with the epoch, rounded to the "
        "nearest, in which each number of iterations is reached. An epoch is as many iterations "
        "as there are *full* batches; the rest of the images is left out. It works when SSD's "
        "80,000, 100,000 and 120,000 iterations of 32 images on VOC 07+12 (16,551) give 155, 193 "
        "and 232."
    ),
    stub='''
    def to_epochs(iterations, images, batch_size):
        """The epoch, rounded, of each number of iterations."""
        ...
        return None
    ''',
    solution_source='''
    def to_epochs(iterations, images, batch_size):
        """The epoch, rounded, of each number of iterations."""
        each = images // batch_size  # iterations in an epoch
        return [round(number / each) for number in iterations]
    ''',
    hints=(
        "What is one iteration? How many of them see every picture once?",
        "An epoch has images // batch_size iterations: `//` leaves the incomplete batch out.",
        "Divide each number of iterations by that, and round.",
    ),
    wrong_answers=(
        WrongAnswer(
            _EPOCHS.format(each="images / batch_size", answer="round(number / each)"),
            "You count the incomplete batch as a part of an iteration. It is left out: divide "
            "with `//`.",
        ),
        WrongAnswer(
            _EPOCHS.format(each="-(-images // batch_size)", answer="round(number / each)"),
            "You count the incomplete batch as a whole one. Here it is left out: round the number "
            "of batches down.",
        ),
        WrongAnswer(
            _EPOCHS.format(each="images // batch_size", answer="number // each"),
            "You round the epoch down; asked is the nearest one.",
        ),
        WrongAnswer(
            _EPOCHS.format(each="images // batch_size", answer="-(-number // each)"),
            "You round the epoch up; asked is the nearest one.",
        ),
        WrongAnswer(
            _EPOCHS.format(each="images // batch_size", answer="number / each"),
            "Your epochs have fractions. A schedule wants whole epochs: round.",
        ),
        WrongAnswer(
            _EPOCHS.format(each="images", answer="round(number / each)"),
            "You divide by the pictures. One iteration sees a whole batch, so an epoch has "
            "images // batch_size iterations.",
        ),
        WrongAnswer(
            _EPOCHS.format(each="images // batch_size", answer="number * each"),
            "You multiply, which leads from epochs to iterations. The other way is a division.",
        ),
        WrongAnswer(
            "def to_epochs(iterations, images, batch_size):\n"
            "    return round(max(iterations) / (images // batch_size))",
            "You return one number; asked is a list with an epoch for every number of iterations.",
        ),
    ),
    cases=_epoch_cases,
    praise="Now any recipe in iterations can be compared with one in epochs.",
)


# ---------------------------------------------------------------------------- too_small


def _small_cases(generator: torch.Generator) -> Iterator[Case]:
    # A square of 16 px in a photograph of 640 x 480 is 7.5 x 10 px in an input of 300.
    yield torch.tensor([[0.0, 0.0, 16.0, 16.0], [0.0, 0.0, 320.0, 240.0]]), 640, 480, 300, 9.0
    yield torch.tensor([[10.0, 10.0, 20.0, 20.0]]), 300, 300, 300, 10.0  # not below
    yield torch.tensor([[10.0, 20.0, 14.0, 60.0], [0.0, 0.0, 9.0, 9.0]]), 200, 100, 100, 10.0
    for _ in range(15):
        width, height = integer(generator, 200, 900), integer(generator, 200, 900)
        number = integer(generator, 3, 12)
        corner = torch.rand(number, 2, generator=generator) * 100 + 40
        size = 2 + 90 * torch.rand(number, 2, generator=generator)
        yield torch.cat([corner, corner + size], dim=1), width, height, 300, 16.0


_SMALL = """
    def too_small(boxes, width, height, side, least):
        sides = boxes[:, 2:] - boxes[:, :2]
        scale = {scale}
        return {answer}
"""
_SCALE = "torch.tensor([side / width, side / height])"
_ROOT = "(sides * scale).prod(dim=1).sqrt()"
_SHARE = "({root} < least).float().mean().item()"

too_small = Exercise(
    notebook="nb14",
    key="too_small",
    prompt=(
        "Write `too_small(boxes, width, height, side, least)`: the share of boxes (N, 4), corners "
        "in px of a picture of width x height, whose size is below `least` px in the network's "
        "input. The picture is squeezed to side x side; the size of a box is the root of its area "
        "there. It works when a square of 16 px in 640 x 480 has the size 8.66 at 300."
    ),
    stub='''
    def too_small(boxes, width, height, side, least):
        """Share of boxes, 0 to 1, smaller than `least` in the input."""
        sides = boxes[:, 2:] - boxes[:, :2]
        ...
        return None
    ''',
    solution_source='''
    def too_small(boxes, width, height, side, least):
        """Share of boxes, 0 to 1, smaller than `least` in the input."""
        sides = boxes[:, 2:] - boxes[:, :2]
        scale = torch.tensor([side / width, side / height])
        size = (sides * scale).prod(dim=1).sqrt()  # px of the input
        return (size < least).float().mean().item()
    ''',
    hints=(
        "What happens to the width of a box when the picture gets side px wide? And to its height?",
        "Width times side / width of the picture, height times side / height of the picture.",
        "The root of the product is the size; a comparison and `.float().mean()` make the share.",
    ),
    wrong_answers=(
        WrongAnswer(
            _SMALL.format(scale="1", answer=_SHARE.format(root=_ROOT)),
            "You measure in the picture. The network sees it squeezed: scale the sides first.",
        ),
        WrongAnswer(
            _SMALL.format(scale="side / max(width, height)", answer=_SHARE.format(root=_ROOT)),
            "That is letterboxing, one factor for both sides. Here the picture is squeezed: each "
            "side has its own factor.",
        ),
        WrongAnswer(
            _SMALL.format(scale=_SCALE, answer=_SHARE.format(root=_ROOT.replace(".sqrt()", ""))),
            "You compare an area with a length. The size is the root of the area.",
        ),
        WrongAnswer(
            _SMALL.format(scale=_SCALE, answer=_SHARE.format(root="(sides * scale).amin(dim=1)")),
            "You take the shorter side. Asked is the root of the area, which is fair to long "
            "boxes.",
        ),
        WrongAnswer(
            _SMALL.format(scale=_SCALE, answer=_SHARE.format(root="(sides * scale).amax(dim=1)")),
            "You take the longer side. Asked is the root of the area.",
        ),
        WrongAnswer(
            _SMALL.format(
                scale="torch.tensor([side / width, side / height])",
                answer="1 - " + _SHARE.format(root=_ROOT),
            ),
            "You count those that are large enough; asked are the others.",
        ),
        WrongAnswer(
            _SMALL.format(scale=_SCALE, answer=f"({_ROOT} < least).sum().item() / 1.0"),
            "You count the boxes. A share is the count divided by their number.",
        ),
        WrongAnswer(
            _SMALL.format(scale=_SCALE, answer=f"({_ROOT} <= least).float().mean().item()"),
            "A box of exactly `least` px is not below it: use `<`.",
        ),
        WrongAnswer(
            _SMALL.format(
                scale="torch.tensor([width / side, height / side])",
                answer=_SHARE.format(root=_ROOT),
            ),
            "You enlarge where the network shrinks: the factor is side / width, not its inverse.",
        ),
    ),
    cases=_small_cases,
    praise="Measure it before you train: what is too small for the input is not learned.",
)


# ---------------------------------------------------------------------------- shared_rows


def _row_cases(generator: torch.Generator) -> Iterator[Case]:
    yield ("background", "cat", "dog"), ("background", "dog", "ship")
    yield ("background", "a"), ("background", "b")  # the background alone
    yield ("background", "c", "a", "b"), ("background", "b", "c")
    words = ("cat", "dog", "ship", "coin", "car", "tree", "cup", "bird")
    for _ in range(12):
        sides = []
        for _ in range(2):
            order = torch.randperm(len(words), generator=generator)[: integer(generator, 2, 6)]
            sides.append(("background", *(words[i] for i in order.tolist())))
        yield sides[0], sides[1]


_ROWS = """
    def shared_rows(old, new):
        rows = {first}
        for label, name in enumerate({loop}):
            if {condition}:
                rows.append({row})
        return rows
"""

shared_rows = Exercise(
    notebook="nb14",
    key="shared_rows",
    prompt=(
        "Write `shared_rows(old, new)`: which rows of a class head are kept in fine-tuning. Both "
        "arguments are names by label, the background first. Return a list of (new label, old "
        "label) for every class that both know, in the order of `new`. It works when "
        '("background", "cat", "dog") and ("background", "dog", "ship") give [(0, 0), (1, 2)].'
    ),
    stub='''
    def shared_rows(old, new):
        """(new label, old label) of each class that both know."""
        rows = []
        for label, name in enumerate(new):
            ...
        return None
    ''',
    solution_source='''
    def shared_rows(old, new):
        """(new label, old label) of each class that both know."""
        rows = []
        for label, name in enumerate(new):
            if name in old:
                rows.append((label, old.index(name)))
        return rows
    ''',
    hints=(
        "Two heads agree about a class when they call it by the same name, whatever its label.",
        "`name in old` asks whether the old head knows it; `old.index(name)` is its label there.",
    ),
    wrong_answers=(
        WrongAnswer(
            _ROWS.format(
                first="[]", loop="new", condition="label < len(old)", row="(label, label)"
            ),
            "You match by number. Label 1 is another class in another data set: match by name.",
        ),
        WrongAnswer(
            _ROWS.format(first="[]", loop="new", condition="name in old", row="(label, label)"),
            "You know which classes are shared, and then take the new label for both sides. The "
            "old head has its own: old.index(name).",
        ),
        WrongAnswer(
            _ROWS.format(
                first="[]", loop="new", condition="name in old", row="(old.index(name), label)"
            ),
            "Your pairs stand the other way round: the new label comes first.",
        ),
        WrongAnswer(
            _ROWS.format(
                first="[]",
                loop="new",
                condition="label and name in old",
                row="(label, old.index(name))",
            ),
            "You leave out the background. It is a class like the others, and both know it.",
        ),
        WrongAnswer(
            _ROWS.format(
                first="[]",
                loop="new",
                condition="name in old",
                row="(label, old.index(name) - 1)",
            ),
            "Your old labels are one too small: the background is label 0 of both lists.",
        ),
        WrongAnswer(
            _ROWS.format(
                first="[]", loop="old", condition="name in new", row="(new.index(name), label)"
            ),
            "Your pairs are right and stand in the order of `old`; asked is the order of `new`.",
        ),
        WrongAnswer(
            _ROWS.format(first="[]", loop="new", condition="name in old", row="name"),
            "You return names; asked are pairs of labels.",
        ),
        WrongAnswer(
            "def shared_rows(old, new):\n"
            "    return [(label, old.index(name) if name in old else -1)\n"
            "            for label, name in enumerate(new)]",
            "A class that the old head does not know has no pair at all: its row is made new.",
        ),
        WrongAnswer(
            "def shared_rows(old, new):\n"
            "    return {label: old.index(name) for label, name in enumerate(new)\n"
            "            if name in old}",
            "The pairs are right; return them as a list of tuples, not as a dictionary.",
        ),
    ),
    cases=_row_cases,
    praise="This is what `init=` does with every head, for each prior of a cell.",
)
