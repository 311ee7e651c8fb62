"""Exercises of notebook 07, RefineDet II.

Keys: `odm_learns`, `final_boxes`, `keep_best`, `tcb_macs`, `worth`, `moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = ["final_boxes", "keep_best", "moves", "odm_learns", "tcb_macs", "worth"]


# ---------------------------------------------------------------------------- odm_learns


def _learns_cases(generator: torch.Generator) -> Iterator[Case]:
    # two objects, the second denied by the ARM: 0, and the three hardest that are not easy
    yield (
        torch.tensor([0.5, 9.0, 1.0, 2.0, 3.0, 8.0, 4.0]),
        torch.tensor([3, 2, 0, 0, 0, 0, 0]),
        torch.tensor([False, True, False, False, False, True, False]),
    )
    yield torch.rand(4, generator=generator), torch.zeros(4).long(), torch.zeros(4).bool()
    # fewer negatives than three for each positive
    yield torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1, 1, 0]), torch.zeros(3).bool()
    for _ in range(10):
        number = integer(generator, 12, 30)
        labels = torch.randint(-8, 4, (number,), generator=generator).clamp(min=0)
        easy = torch.rand(number, generator=generator) < 0.4
        yield torch.randperm(number, generator=generator) / 8 + 0.1, labels, easy


_LEARNS = """
    def odm_learns(class_loss, labels, easy):
        positive = {positive}
        negative = {negative}
        number = min({count}, int(negative.sum()))
        pool = class_loss.masked_fill(~negative, -math.inf)
        mined = torch.zeros_like(negative)
        mined[pool.topk(number).indices] = True
        return positive | mined
"""
_POSITIVE, _NEGATIVE = "(labels > 0) & ~easy", "(labels == 0) & ~easy"
_COUNT = "3 * int(positive.sum())"

odm_learns = Exercise(
    notebook="nb07",
    key="odm_learns",
    prompt=(
        "Write `odm_learns(class_loss, labels, easy)`: which priors of one image the ODM's class "
        "loss is taken from, bool (P,), with the paper's filter: the positives that are not "
        "easy, and three times as many of the negatives that are not easy, those with the "
        "largest class_loss. It works when, of labels [3, 2, 0, 0, 0, 0, 0] with losses "
        "[0.5, 9, 1, 2, 3, 8, 4], priors 1 and 5 easy, it chooses 0, 3, 4 and 6."
    ),
    stub='''
    def odm_learns(class_loss, labels, easy):
        """Bool (P,): positives and mined negatives, none of them easy."""
        positive = ...
        return None
    ''',
    solution_source='''
    def odm_learns(class_loss, labels, easy):
        """Bool (P,): positives and mined negatives, none of them easy."""
        positive = (labels > 0) & ~easy  # (P,)
        negative = (labels == 0) & ~easy  # (P,)
        number = min(3 * int(positive.sum()), int(negative.sum()))
        pool = class_loss.masked_fill(~negative, -math.inf)  # (P,)
        mined = torch.zeros_like(negative)  # (P,)
        mined[pool.topk(number).indices] = True
        return positive | mined  # (P,)
    ''',
    hints=(
        "The filter comes first: what is easy is neither positive nor negative.",
        "How many negatives? Three for each positive that is left, and not more than there are. "
        "Which? `topk` of the loss, with -inf where nobody may be mined.",
        "Two masks first, positive and negative, each without the easy ones; then mine among the "
        "negatives as in 03. The answer is a mask: True at positives and at what was mined.",
    ),
    wrong_answers=(
        WrongAnswer(
            _LEARNS.format(positive="labels > 0", negative="labels == 0", count=_COUNT),
            "You do not filter at all (`negative_filter=\"off\"`): easy priors are neither "
            "positive nor negative.",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative="labels == 0", count=_COUNT),
            "You filter the positives only, and mine from easy negatives: the filter is there "
            "to keep *those* out.",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative="(labels == 0) | easy", count=_COUNT),
            "A dropped prior falls into the pool of negatives, whatever its label: that is the "
            "*released* filter. Dropped means neither.",
        ),
        WrongAnswer(
            _LEARNS.format(
                positive=_POSITIVE, negative=_NEGATIVE, count="3 * int((labels > 0).sum())"
            ),
            "Three negatives for each positive that is *left*; you count the dropped ones, too.",
        ),
        WrongAnswer(
            _LEARNS.format(positive="labels > 0", negative=_NEGATIVE, count=_COUNT),
            "An object that the ARM denies is still among your positives. When it detects, the "
            "ODM will not see that prior: it learns nothing from it.",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative=_NEGATIVE, count=_COUNT).replace(
                "topk(number)", "topk(number, largest=False)"
            ).replace("-math.inf", "math.inf"),
            "You mine the *easiest* negatives; hard ones have the largest loss.",
        ),
        WrongAnswer(
            _LEARNS.format(positive="labels > 0", negative="labels == 0", count=_COUNT).replace(
                "return positive | mined", "return (positive | mined) & ~easy"
            ),
            "You mine before you filter: easy priors take places among the hardest and are then "
            "dropped, so fewer than three are left for each positive. Filter first.",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative="labels == 0", count=_COUNT).replace(
                "return positive | mined", "return positive | mined & ~easy"
            ),
            "You mine before you filter the negatives: easy ones take places among the hardest, "
            "and nobody comes in their stead. Leave them out of the pool.",
        ),
        WrongAnswer(
            "def odm_learns(class_loss, labels, easy):\n    return (labels > 0) & ~easy",
            "These are the positives. The mined negatives are missing: three for each of them.",
        ),
        WrongAnswer(
            "def odm_learns(class_loss, labels, easy):\n    return ~easy",
            "You take every negative that is not easy. Only three for each positive are mined, "
            "those with the largest loss.",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative=_NEGATIVE, count="int(positive.sum())"),
            "You mine one negative for each positive; it is three.",
        ),
        WrongAnswer(
            _LEARNS.format(
                positive=_POSITIVE, negative=_NEGATIVE, count="3 * max(1, int(positive.sum()))"
            ),
            "An image without positives mines nothing: three times 0 is 0. (The 1 belongs to the "
            "division by N, not to the count.)",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative=_NEGATIVE, count=_COUNT).replace(
                "return positive | mined", "return mined"
            ),
            "These are the mined negatives. The positives learn, too: positive | mined.",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative=_NEGATIVE, count=_COUNT).replace(
                "return positive | mined", "return (positive | mined).nonzero()[:, 0]"
            ),
            "These are the numbers of the priors. Return the mask itself, bool (P,).",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative=_NEGATIVE, count=_COUNT).replace(
                "class_loss.masked_fill(~negative, -math.inf)", "class_loss"
            ),
            "Positives and easy priors are in the pool: with large losses they take the places of "
            "negatives. Fill them with -inf before topk.",
        ),
        WrongAnswer(
            _LEARNS.format(positive=_POSITIVE, negative=_NEGATIVE, count=_COUNT).replace(
                "min(3 * int(positive.sum()), int(negative.sum()))", "3 * int(positive.sum())"
            ),
            "Where fewer negatives are left than three for each positive, you take others with "
            "them (or topk stops). Take at most as many as there are.",
        ),
    ),
    cases=_learns_cases,
    praise="The filter decides who may teach, mining who of them does.",
)  # fmt: skip


# ---------------------------------------------------------------------------- final_boxes


def _final_cases(generator: torch.Generator) -> Iterator[Case]:
    prior = torch.tensor([[0.4, 0.5, 0.4, 0.4]])  # 06's example, in fractions of 100 px
    yield (
        torch.tensor([[3.75, 0.0, 0.0, 0.0]]),
        torch.tensor([[1.25, 0.0, 5 * torch.tensor(1.25).log().item(), 0.0]]),
        prior,
    )
    yield torch.tensor([[0.0, 0.0, 5.0, 0.0]]), torch.tensor([[1.0, 1.0, 0.0, 0.0]]), prior
    for _ in range(10):
        number = integer(generator, 1, 6)
        first, second = torch.randn(2, number, 4, generator=generator)
        yield first, second, 0.1 + 0.8 * torch.rand(number, 4, generator=generator)


_FINAL = """
    def final_boxes(arm_deltas, odm_deltas, priors):
        def move(deltas, start):
            center = start[:, :2] + {center}
            size = start[:, 2:] * torch.exp({size})
            return torch.cat([center, size], dim=1)

        return {answer}
"""
_MOVE_CENTER, _MOVE_SIZE = "0.1 * deltas[:, :2] * start[:, 2:]", "0.2 * deltas[:, 2:]"
_TWICE = "move(odm_deltas, move(arm_deltas, priors))"

final_boxes = Exercise(
    notebook="nb07",
    key="final_boxes",
    prompt=(
        "Write `final_boxes(arm_deltas, odm_deltas, priors)`, all (P, 4): the boxes after both "
        "steps, as (cx, cy, w, h), with torch alone; scales 0.1 and 0.2. It works when 06's "
        "prior (0.4, 0.5, 0.4, 0.4) with (3.75, 0, 0, 0) and (1.25, 0, log(1.25)/0.2, 0) becomes "
        "(0.6, 0.5, 0.5, 0.4)."
    ),
    stub='''
    def final_boxes(arm_deltas, odm_deltas, priors):
        """Boxes (P, 4), cxcywh: prior, then anchor, then box."""
        anchors = ...
        return None
    ''',
    solution_source='''
    def final_boxes(arm_deltas, odm_deltas, priors):
        """Boxes (P, 4), cxcywh: prior, then anchor, then box."""
        boxes = priors
        for deltas in (arm_deltas, odm_deltas):
            center = boxes[:, :2] + 0.1 * deltas[:, :2] * boxes[:, 2:]  # (P, 2)
            size = boxes[:, 2:] * torch.exp(0.2 * deltas[:, 2:])  # (P, 2)
            boxes = torch.cat([center, size], dim=1)  # (P, 4)
        return boxes
    ''',
    hints=(
        "One move is chapter 03's decode without its last line: centre plus 0.1 · d · size, and "
        "size times exp(0.2 · d). Write it as a small function of deltas and start.",
        "Where does the second move start, and in whose sizes does it count?",
        "Call the small function twice. What the first call returns is the second one's start.",
    ),
    wrong_answers=(
        WrongAnswer(
            _FINAL.format(
                center=_MOVE_CENTER, size=_MOVE_SIZE, answer="move(odm_deltas, priors)"
            ),
            "The first step is lost: the ODM's deltas start from the *anchors*, not the priors.",
        ),
        WrongAnswer(
            _FINAL.format(
                center=_MOVE_CENTER, size=_MOVE_SIZE, answer="move(arm_deltas + odm_deltas, priors)"
            ),
            "You add the deltas. The second centre is measured in sizes of the anchor, which the "
            "first step may have made larger or smaller.",
        ),
        WrongAnswer(
            _FINAL.format(
                center=_MOVE_CENTER, size=_MOVE_SIZE,
                answer="move(arm_deltas, move(odm_deltas, priors))",
            ),
            "The order is wrong: the ARM moves first, then the ODM.",
        ),
        WrongAnswer(
            _FINAL.format(
                center="deltas[:, :2] * start[:, 2:]", size="deltas[:, 2:]", answer=_TWICE
            ),
            "The scales are missing: deltas were divided by 0.1 (centre) and 0.2 (size) when "
            "they were encoded.",
        ),
        WrongAnswer(
            _FINAL.format(center="0.1 * deltas[:, :2]", size=_MOVE_SIZE, answer=_TWICE),
            "A centre moves by deltas times the *size* of what it starts from.",
        ),
        WrongAnswer(
            _FINAL.format(
                center=_MOVE_CENTER, size=_MOVE_SIZE, answer="move(arm_deltas, priors)"
            ),
            "These are the anchors. The ODM moves them once more.",
        ),
        WrongAnswer(
            _FINAL.format(
                center="0.2 * deltas[:, :2] * start[:, 2:]", size="0.1 * deltas[:, 2:]",
                answer=_TWICE,
            ),
            "The scales are swapped: 0.1 belongs to the centre, 0.2 to the size.",
        ),
        WrongAnswer(
            _FINAL.format(center=_MOVE_CENTER, size=_MOVE_SIZE, answer=_TWICE).replace(
                "torch.exp(0.2 * deltas[:, 2:])", "(1 + 0.2 * deltas[:, 2:])"
            ),
            "Sizes are logarithms: multiply by exp(0.2 · d), not by 1 + 0.2 · d.",
        ),
        WrongAnswer(
            _FINAL.format(center=_MOVE_CENTER, size=_MOVE_SIZE, answer=_TWICE).replace(
                "start[:, 2:] * torch.exp(0.2 * deltas[:, 2:])",
                "start[:, 2:] + 0.2 * deltas[:, 2:]",
            ),
            "You add to the size. A size is multiplied by exp(0.2 · d).",
        ),
        WrongAnswer(
            _FINAL.format(center=_MOVE_CENTER, size=_MOVE_SIZE, answer=_TWICE).replace(
                "torch.exp(0.2", "torch.exp(-0.2"
            ),
            "Every size goes the wrong way: exp(0.2 · d), without the minus.",
        ),
        WrongAnswer(
            """
            def final_boxes(arm_deltas, odm_deltas, priors):
                def move(deltas, start):
                    center = start[:, :2] + 0.1 * deltas[:, :2] * start[:, 2:]
                    size = start[:, 2:] * torch.exp(0.2 * deltas[:, 2:])
                    return torch.cat([center, size], dim=1)

                moved = move(arm_deltas, priors)
                half = moved[:, 2:] / 2
                corners = torch.cat([moved[:, :2] - half, moved[:, :2] + half], dim=1)
                return move(odm_deltas, corners)
            """,
            "In between you make the anchors corners, as `decode` does, and move those. The second "
            "step starts from (cx, cy, w, h), too.",
        ),
        WrongAnswer(
            """
            def final_boxes(arm_deltas, odm_deltas, priors):
                boxes = priors
                for deltas in (arm_deltas, odm_deltas):
                    center = boxes[:, :2] + 0.1 * deltas[:, :2] * boxes[:, 2:]
                    size = boxes[:, 2:] * torch.exp(0.2 * deltas[:, 2:])
                    boxes = torch.cat([center, size], dim=1)
                half = boxes[:, 2:] / 2
                return torch.cat([boxes[:, :2] - half, boxes[:, :2] + half], dim=1)
            """,
            "The boxes are right, as corners. The answer is asked for as (cx, cy, w, h).",
        ),
    ),
    cases=_final_cases,
    praise="Two moves, one after the other; all of detection that is RefineDet's own is here.",
    tolerance=1e-4,
)  # fmt: skip


# ---------------------------------------------------------------------------- keep_best


def _keep_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([0.2, 0.9, 0.5, 0.7]), 2
    yield torch.tensor([0.3, 0.1]), 5  # more places than boxes
    for _ in range(8):
        number = integer(generator, 5, 12)
        scores = torch.randperm(number, generator=generator) / number
        yield scores, integer(generator, 1, number - 2)


keep_best = Exercise(
    notebook="nb07",
    key="keep_best",
    prompt=(
        "Write `keep_best(scores, k)`: bool (N,), True for the k highest of the scores (N,), for "
        "all of them if there are fewer; equal scores do not occur. It works when [0.2, 0.9, 0.5, "
        "0.7] with k = 2 gives [False, True, False, True]."
    ),
    stub='''
    def keep_best(scores, k):
        """Bool (N,): True for the k highest scores."""
        keep = torch.zeros(len(scores), dtype=torch.bool)
        ...
        return None
    ''',
    solution_source='''
    def keep_best(scores, k):
        """Bool (N,): True for the k highest scores."""
        keep = torch.zeros(len(scores), dtype=torch.bool)  # (N,)
        keep[scores.topk(min(k, len(scores))).indices] = True
        return keep
    ''',
    hints=(
        "torch.topk says where the highest are: `.indices`.",
        "A mask of zeros, and True at these places. What if k is larger than the number?",
        "topk refuses a k larger than the number of scores: give it the smaller of the two.",
    ),
    wrong_answers=(
        WrongAnswer(
            "def keep_best(scores, k):\n    return scores.argsort(descending=True) < k",
            "argsort lists *who* is on each place, not the place of each. Sort that list once "
            "more, or write True at its first k entries.",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n"
            "    return ~(scores.argsort(descending=True).argsort() < k)",
            "You throw out the best k and keep the rest: the published mask, had it had an effect.",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n    return scores.argsort().argsort() < k",
            "You keep the *lowest*: argsort sorts ascending unless told otherwise.",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n"
            "    keep = torch.zeros(len(scores), dtype=torch.bool)\n"
            "    keep[scores.topk(k).indices] = True\n"
            "    return keep",
            "With fewer scores than k, topk raises: ask for min(k, len(scores)). Few detections "
            "are the normal case.",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n"
            "    return torch.arange(len(scores)) < k",
            "You keep the *first* k, which are the best only if somebody has sorted them.",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n    return scores.topk(min(k, len(scores))).indices",
            "These are the places of the best. Return a mask: True at these places, (N,).",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n    return scores.topk(min(k, len(scores))).values",
            "These are the best scores. Return a mask: True where they stand, (N,).",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n"
            "    return scores.argsort(descending=True).argsort() <= k",
            "You keep k + 1: places are counted from 0, so the best k have places below k.",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n"
            "    return scores >= scores.sort(descending=True).values[k - 1]",
            "With fewer scores than k there is no k-th one. Few detections are the normal case.",
        ),
        WrongAnswer(
            "def keep_best(scores, k):\n"
            "    return scores > scores.sort(descending=True).values[min(k, len(scores)) - 1]",
            "The k-th score itself is lost: it is not larger than itself. Take >=.",
        ),
    ),
    cases=_keep_cases,
    praise="That is the cap that patient 2 asked for.",
)  # fmt: skip


# ---------------------------------------------------------------------------- tcb_macs


def _macs_cases(generator: torch.Generator) -> Iterator[Case]:
    yield 1, 1, 2, False  # 4 cells: 9 + 9 + 1 + 9 each
    yield 512, 256, 5, True
    yield 1024, 256, 10, False
    for _ in range(10):
        yield (
            integer(generator, 3, 40), integer(generator, 3, 40), 2 * integer(generator, 2, 9),
            bool(integer(generator, 0, 1)),
        )  # fmt: skip


_MACS = """
    def tcb_macs(in_channels, channels, side, coarsest):
        cell = {translate} + {smooth}
        if {has_upsample}:
            cell += {upsample}
        return cell * {cells}
"""
_TRANSLATE, _SMOOTH = "9 * in_channels * channels + 9 * channels**2", "9 * channels**2"
_UPSAMPLE = "channels**2"

tcb_macs = Exercise(
    notebook="nb07",
    key="tcb_macs",
    prompt=(
        "Write `tcb_macs(in_channels, channels, side, coarsest)`: the multiplications of one TCB "
        "on a map of side x side: two 3 x 3 convolutions, the transposed one (not in the "
        "coarsest; its 2 x 2 filter is applied once in each *coarse* cell), and one more 3 x 3. "
        "It works when the block of fc7, (1024, 256, 10, False), needs 360,448,000."
    ),
    stub='''
    def tcb_macs(in_channels, channels, side, coarsest):
        """Multiply-adds of one TCB."""
        cell = ...
        return None
    ''',
    solution_source='''
    def tcb_macs(in_channels, channels, side, coarsest):
        """Multiply-adds of one TCB."""
        cell = 9 * in_channels * channels + 2 * 9 * channels**2
        if not coarsest:
            cell += channels**2  # no overlap: one weight for each fine cell
        return cell * side**2
    ''',
    hints=(
        "Count for one cell of the output, then multiply by the cells. A 3 x 3 convolution needs "
        "9 · in · out multiplications for each.",
        "The transposed convolution paints without overlap: how many weights of its filter reach "
        "one fine cell?",
        "For (1, 1, 2, False) a cell needs 9 + 9 + 1 + 9 = 28, and there are 4 cells: 112.",
    ),
    wrong_answers=(
        WrongAnswer(
            _MACS.format(
                translate=_TRANSLATE, smooth=_SMOOTH, has_upsample="not coarsest",
                upsample="4 * channels**2", cells="side**2",
            ),
            "Its filter has four weights, but they do not overlap: one of them reaches each fine "
            "cell. Four would be right for each *coarse* cell.",
        ),
        WrongAnswer(
            _MACS.format(
                translate=_TRANSLATE, smooth=_SMOOTH, has_upsample="True", upsample=_UPSAMPLE,
                cells="side**2",
            ),
            "The coarsest block has no coarser one below it: no transposed convolution there.",
        ),
        WrongAnswer(
            _MACS.format(
                translate=_TRANSLATE, smooth="0", has_upsample="not coarsest", upsample=_UPSAMPLE,
                cells="side**2",
            ),
            "One 3 x 3 convolution from channels to channels is missing: two translate the map, "
            "and a third one smooths the sum.",
        ),
        WrongAnswer(
            _MACS.format(
                translate="18 * in_channels * channels", smooth=_SMOOTH,
                has_upsample="not coarsest", upsample=_UPSAMPLE, cells="side**2",
            ),
            "Only the first convolution sees `in_channels`; the second goes from channels to "
            "channels.",
        ),
        WrongAnswer(
            _MACS.format(
                translate=_TRANSLATE, smooth=_SMOOTH, has_upsample="not coarsest",
                upsample=_UPSAMPLE, cells="1",
            ),
            "That is the number of *weights*. Every cell multiplies by all of them anew: side².",
        ),
        WrongAnswer(
            _MACS.format(
                translate=_TRANSLATE, smooth=_SMOOTH, has_upsample="not coarsest",
                upsample=_UPSAMPLE, cells="side",
            ),
            "A map of this side has side² cells, not side.",
        ),
        WrongAnswer(
            _MACS.format(
                translate=_TRANSLATE, smooth=_SMOOTH, has_upsample="False",
                upsample=_UPSAMPLE, cells="side**2",
            ),
            "The transposed convolution is missing, in all blocks but the coarsest.",
        ),
        WrongAnswer(
            _MACS.format(
                translate=_TRANSLATE, smooth=_SMOOTH, has_upsample="coarsest",
                upsample=_UPSAMPLE, cells="side**2",
            ),
            "Turned round: the *coarsest* block has no transposed convolution, the others have.",
        ),
        WrongAnswer(
            _MACS.format(
                translate=_TRANSLATE, smooth=_SMOOTH, has_upsample="not coarsest",
                upsample="9 * channels**2", cells="side**2",
            ),
            "The transposed filter is 2 x 2, not 3 x 3, and one of its four weights reaches each "
            "fine cell.",
        ),
        WrongAnswer(
            _MACS.format(
                translate="3 * in_channels * channels + 3 * channels**2",
                smooth="3 * channels**2", has_upsample="not coarsest", upsample=_UPSAMPLE,
                cells="side**2",
            ),
            "A 3 x 3 filter has nine weights for each channel, not three.",
        ),
    ),
    cases=_macs_cases,
    praise="Four blocks of it are what coarse-to-fine help costs; the finest costs most.",
)  # fmt: skip


# ---------------------------------------------------------------------------- worth


def _worth_cases(generator: torch.Generator) -> Iterator[Case]:
    yield [0.62, 0.66, 0.64], [0.60, 0.62, 0.61]
    yield [0.60, 0.62], [0.64, 0.63]  # worse, and all agree
    yield [0.60, 0.70, 0.66], [0.62, 0.60, 0.60]  # one seed says otherwise
    yield [0.50, 0.70], [0.49, 0.69]  # pairs agree, whatever the spread
    yield [0.60, 0.62], [0.60, 0.60]  # a gain of 0 has no sign
    yield [0.60, 0.60], [0.60, 0.62]
    for _ in range(8):
        number = integer(generator, 2, 5)
        scores = 0.5 + 0.2 * torch.rand(2, number, generator=generator)
        yield scores[0].tolist(), scores[1].tolist()


_WORTH = """
    def worth(with_idea, without):
        gains = [{gain} for a, b in zip(with_idea, without)]
        return {mean}, {agree}
"""
_GAIN, _MEAN = "a - b", "sum(gains) / len(gains)"
_AGREE = "all(g > 0 for g in gains) or all(g < 0 for g in gains)"

worth = Exercise(
    notebook="nb07",
    key="worth",
    prompt=(
        "Write `worth(with_idea, without)`: two lists of scores, the same seed at the same place. "
        "Return the mean gain (with minus without) and whether the gains of *all* seeds have one "
        "sign. It works when [0.62, 0.66, 0.64] and [0.60, 0.62, 0.61] give (0.03, True)."
    ),
    stub='''
    def worth(with_idea, without):
        """Mean gain, and whether all seeds agree on its sign."""
        gains = ...
        return None
    ''',
    solution_source='''
    def worth(with_idea, without):
        """Mean gain, and whether all seeds agree on its sign."""
        gains = [a - b for a, b in zip(with_idea, without)]
        agree = all(g > 0 for g in gains) or all(g < 0 for g in gains)
        return sum(gains) / len(gains), agree
    ''',
    hints=(
        "One gain a seed: subtract in pairs, not mean from mean (the mean is the same, the signs "
        "are not).",
        "All may agree that the idea *hurts*, too.",
        "`all(...)` takes a comparison for each gain. You need it twice, for the two signs.",
    ),
    wrong_answers=(
        WrongAnswer(
            _WORTH.format(gain="b - a", mean=_MEAN, agree=_AGREE),
            "The sign is turned round: with minus without, so that a gain is positive.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean=_MEAN, agree="all(g > 0 for g in gains)"),
            "All seeds may agree that the idea makes it *worse*: both signs count.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean=_MEAN, agree="any(g > 0 for g in gains)"),
            "One seed in favour is no agreement: *all* of them must have the same sign.",
        ),
        WrongAnswer(
            _WORTH.format(
                gain=_GAIN, mean=_MEAN,
                agree="min(with_idea) > max(without) or max(with_idea) < min(without)",
            ),
            "You ask whether the two ranges are apart. Ranges overlap easily; compare "
            "in *pairs*, each seed with itself.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean="max(with_idea) - max(without)", agree=_AGREE),
            "You compare the best seeds. The best of three is luck; take the mean of the gains.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean="sum(gains)", agree=_AGREE),
            "That is the sum of the gains. Divide by their number for the mean.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean="sorted(gains)[len(gains) // 2]", agree=_AGREE),
            "You take the median. The mean gain is asked for: the sum divided by the number.",
        ),
        WrongAnswer(
            _WORTH.format(gain="abs(a - b)", mean=_MEAN, agree=_AGREE),
            "Without their signs all gains agree. Leave out abs.",
        ),
        WrongAnswer(
            _WORTH.format(
                gain=_GAIN, mean=_MEAN,
                agree="all(g >= 0 for g in gains) or all(g <= 0 for g in gains)",
            ),
            "A gain of 0 has no sign, so it agrees with nobody: > and <.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean=_MEAN, agree="len({g > 0 for g in gains}) == 1"),
            "With > 0 alone, a gain of 0 passes for a negative one. It has no sign: ask for all "
            "> 0 or all < 0.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean=_MEAN, agree="sum(gains) > 0"),
            "You ask for the sign of the *mean*. All seeds must agree, one by one.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean=_MEAN, agree=_AGREE).replace(
                "zip(with_idea, without)", "zip(sorted(with_idea), sorted(without))"
            ),
            "You sort the lists, and the seeds are no longer in pairs. Leave them in order.",
        ),
        WrongAnswer(
            _WORTH.format(gain=_GAIN, mean=_AGREE, agree=_MEAN),
            "The order is turned round: first the mean gain, then whether all agree.",
        ),
        WrongAnswer(
            _WORTH.format(gain="(a - b) / b", mean=_MEAN, agree=_AGREE),
            "You divide by the score. The gain is the plain difference, with minus without.",
        ),
    ),
    cases=_worth_cases,
    praise=(
        "Three pairs are still few: by chance alone their signs agree once in four times. Look "
        "at the size of the gains against their spread, too."
    ),
)  # fmt: skip


# ---------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb07",
    key="moves",
    prompt=(
        "Write down `moves`, what the explorers showed you in the four tasks: (widths, times), "
        "to two digits, with +5 on dx and on dw; the level of which the largest share survives; "
        "the maps that change when link 2 → 1 is cut, as a tuple; the map that no cut changes. A "
        "tuple, such as ((1.0, 1.0), 0, (1, 2), 0), made up."
    ),
    stub="moves = ...",
    solution_source="moves = ((0.5, 2.72), 3, (0, 1), 3)",
    hints=(
        "The sentence below the sliders ends with what your change does to the final box. Set "
        "one slider back to 0 before you move the other.",
        "Shares, not numbers: 12 of 48 is more than 100 of 1,024. The bars show shares.",
        "In the second explorer the line above the table names the maps that change.",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = ((5.0, 2.72), 3, (0, 1), 3)",
            "dx is divided by 0.1 when it is encoded: +5 is half a width of the prior.",
        ),
        WrongAnswer(
            "moves = ((0.5, 1.0), 3, (0, 1), 3)",
            "The final box does become wider: its size is the anchor's, times what the ODM says.",
        ),
        WrongAnswer(
            "moves = ((0.5, 2.72), 0, (0, 1), 3)",
            "Level 0 has most of the priors. Look for the largest *share*, the longest bar.",
        ),
        WrongAnswer(
            "moves = ((0.5, 2.72), 3, (2, 3), 3)",
            "Those are the maps that stay. Help flows from coarse to fine: what is finer than "
            "the cut changes.",
        ),
        WrongAnswer(
            "moves = ((0.5, 2.72), 3, (1,), 3)",
            "Map 1 hands on what it has missed: the finer map changes, too.",
        ),
        WrongAnswer(
            "moves = ((0.5, 2.72), 3, (0, 1), 0)",
            "The finest map hears of every cut. Which map listens to nobody?",
        ),
        WrongAnswer(
            "moves = ((0.5, 148.41), 3, (0, 1), 3)",
            "dw is divided by 0.2 when it is encoded: +5 is a factor of exp(0.2 · 5), not exp(5).",
        ),
        WrongAnswer(
            "moves = ((0.5, 148), 3, (0, 1), 3)",
            "148 is exp(5). dw is divided by 0.2 when it is encoded, so +5 is exp(0.2 · 5).",
        ),
        WrongAnswer(
            "moves = ((0.5, 5.0), 3, (0, 1), 3)",
            "+5 is what you added to the *logarithm*. Read the factor in the sentence below the "
            "sliders.",
        ),
        WrongAnswer(
            "moves = ((0.0, 2.72), 3, (0, 1), 3)",
            "The final box does move: the ODM starts from wherever the ARM has put the anchor.",
        ),
        WrongAnswer(
            "moves = ((2.72, 0.5), 3, (0, 1), 3)",
            "The pair is the wrong way round: first the widths of dx, then the factor of dw.",
        ),
        WrongAnswer(
            "moves = ((0.5, 2.72), 3, (0, 1, 2), 3)",
            "You cut the link *from* map 2: map 2 itself hears nothing of it.",
        ),
        WrongAnswer(
            "moves = ((0.5, 2.72), 3, (0,), 3)",
            "Map 1 is where the link ends; it changes first, and map 0 after it.",
        ),
        WrongAnswer(
            "moves = ((0.5, 2.72), 3, (0, 1, 2, 3), 3)",
            "Not all: help flows from coarse to fine, so what is coarser than the cut stays.",
        ),
    ),
    praise="The ODM starts from the ARM's anchor, and the fine maps listen to the coarse ones.",
    tolerance=0.025,  # 2.7 is as right as 2.72
    any_order=(2,),
    look_at=(
        "a pair; set all sliders back to 0, move one of the ARM's, and read what the sentence "
        "below them says of the final box.",
        "the bars of the levels; the longest one, whatever the numbers beside it.",
        "cut 2 → 1 and no other link, and read the line above the table.",
        "cut one link after the other: one map is named in none of the three sentences.",
    ),
)
