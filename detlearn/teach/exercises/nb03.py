"""Exercises of notebook 03, Matching and the MultiBox loss.

Keys: `encode_boxes`, `match_priors`, `mine_negatives`, `loss_at_start`, `normalise`, `moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = [
    "encode_boxes", "loss_at_start", "match_priors", "mine_negatives", "moves", "normalise",
]  # fmt: skip


# ---------------------------------------------------------------------------- encode_boxes


def _encode_cases(generator: torch.Generator) -> Iterator[Case]:
    prior = torch.tensor([[50.0, 50.0, 20.0, 40.0]])
    yield torch.tensor([[40.0, 30.0, 60.0, 70.0]]), prior
    yield torch.tensor([[32.0, 44.0, 72.0, 64.0]]), prior
    for _ in range(20):
        number = integer(generator, 1, 6)
        sizes = 0.1 + 0.4 * torch.rand(number, 4, generator=generator)
        corner = torch.rand(number, 2, generator=generator) * 0.5
        centre = torch.rand(number, 2, generator=generator)
        boxes = torch.cat([corner, corner + sizes[:, :2]], dim=1)
        yield boxes, torch.cat([centre, sizes[:, 2:]], dim=1)


_ENCODE = """
    def encode_boxes(boxes, priors):
        x1, y1, x2, y2 = boxes.unbind(-1)
        cx, cy, w, h = priors.unbind(-1)
        dx, dy = {way}
        dw, dh = {size}
        return torch.stack([dx, dy, dw, dh], dim=-1)
"""
_WAY = "((x1 + x2) / 2 - cx) / w / 0.1, ((y1 + y2) / 2 - cy) / h / 0.1"
_SIZE = "((x2 - x1) / w).log() / 0.2, ((y2 - y1) / h).log() / 0.2"

encode_boxes = Exercise(
    notebook="nb03",
    key="encode_boxes",
    prompt=(
        "Write `encode_boxes(boxes, priors)`: the deltas (N, 4), dx, dy, dw, dh, that lead from "
        "each prior (cxcywh) to its box (corners), divided by the scales 0.1 (centre) and 0.2 "
        "(size). A box equal to its prior must give four zeros."
    ),
    stub='''
    def encode_boxes(boxes, priors):
        """Deltas (N, 4) that lead from each prior to its box."""
        x1, y1, x2, y2 = boxes.unbind(-1)
        cx, cy, w, h = priors.unbind(-1)
        ...
        return None
    ''',
    solution_source='''
    def encode_boxes(boxes, priors):
        """Deltas (N, 4) that lead from each prior to its box."""
        x1, y1, x2, y2 = boxes.unbind(-1)
        cx, cy, w, h = priors.unbind(-1)
        dx = ((x1 + x2) / 2 - cx) / w / 0.1
        dy = ((y1 + y2) / 2 - cy) / h / 0.1
        dw = torch.log((x2 - x1) / w) / 0.2
        dh = torch.log((y2 - y1) / h) / 0.2
        return torch.stack([dx, dy, dw, dh], dim=-1)
    ''',
    hints=(
        "First the box's own centre, (x1 + x2) / 2, and its width, x2 - x1.",
        "The way between the centres is counted in widths (heights) of the prior; the sizes are "
        "compared by the logarithm of their ratio.",
        "Then divide: the way by 0.1, the logarithm by 0.2. `torch.stack([dx, dy, dw, dh], "
        "dim=-1)` puts the four side by side.",
    ),
    wrong_answers=(
        WrongAnswer(
            """
            def encode_boxes(boxes, priors):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy, w, h = priors.unbind(-1)
                return torch.stack([
                    (cx - (x1 + x2) / 2) / w / 0.1, (cy - (y1 + y2) / 2) / h / 0.1,
                    (w / (x2 - x1)).log() / 0.2, (h / (y2 - y1)).log() / 0.2], dim=-1)
            """,
            "All signs are turned around: the deltas lead from the prior to the box, so it is box "
            "minus prior, and the log of box / prior.",
        ),
        WrongAnswer(
            """
            def encode_boxes(boxes, priors):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy, w, h = priors.unbind(-1)
                return torch.stack([
                    ((x1 + x2) / 2 - cx) / w / 0.1, ((y1 + y2) / 2 - cy) / h / 0.1,
                    ((x2 - x1) / w).log10() / 0.2, ((y2 - y1) / h).log10() / 0.2], dim=-1)
            """,
            "The logarithm to the base 10 is another unit. Take the natural one, torch.log: "
            "decode undoes it with exp.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way=_WAY, size="((x2 - x1) / w).log2() / 0.2, ((y2 - y1) / h).log2() / 0.2"
            ),
            "The logarithm to the base 2 is another unit. Take the natural one, torch.log, which "
            "exp undoes in decode.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way=_WAY, size="((y2 - y1) / h).log() / 0.2, ((x2 - x1) / w).log() / 0.2"
            ),
            "Width and height of the last two are swapped: the order is dx, dy, dw, dh. No loss "
            "would show it, every tall object would.",
        ),
        WrongAnswer(
            _ENCODE.format(way=_WAY, size="(x2 - x1) / w / 0.2, (y2 - y1) / h / 0.2"),
            "The logarithm is missing: a box as large as its prior has ratio 1, and must give 0.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="((x1 + x2) / 2 - cx) / (x2 - x1) / 0.1, "
                "((y1 + y2) / 2 - cy) / (y2 - y1) / 0.1",
                size=_SIZE,
            ),
            "You divide the way by the box's size. It must be the prior's: when decoding, the "
            "size of the box is not known.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="((x1 + x2) / 2 - cx) / 0.1, ((y1 + y2) / 2 - cy) / 0.1", size=_SIZE
            ),
            "The way between the centres is in units of the image: divide it by the prior's width "
            "and height, so that it means the same for small and large priors.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="((x1 + x2) / 2 - cx) / w, ((y1 + y2) / 2 - cy) / h",
                size="((x2 - x1) / w).log(), ((y2 - y1) / h).log()",
            ),
            "These are the plain offsets. Divide the first two by 0.1 and the last two by 0.2.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="((x1 + x2) / 2 - cx) / w / 0.1**0.5, ((y1 + y2) / 2 - cy) / h / 0.1**0.5",
                size="((x2 - x1) / w).log() / 0.2**0.5, ((y2 - y1) / h).log() / 0.2**0.5",
            ),
            "You divide by the roots of 0.1 and 0.2, as if they were variances. They are called "
            "so, and are not: divide by 0.1 and 0.2 themselves.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="((x1 + x2) / 2 - cx) / w * 0.1, ((y1 + y2) / 2 - cy) / h * 0.1",
                size="((x2 - x1) / w).log() * 0.2, ((y2 - y1) / h).log() * 0.2",
            ),
            "You multiply by the scales; encoding divides by them, decoding multiplies.",
        ),
        WrongAnswer(
            _ENCODE.format(way=_WAY, size="((x2 - x1) - w) / w / 0.2, ((y2 - y1) - h) / h / 0.2"),
            "You take the difference of the sizes in units of the prior. Twice as large gives 1 "
            "and half as large -0.5; they must be equally far from 0. Take the logarithm of the "
            "ratio instead.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="((x1 + x2) / 2 - cx) / w / 0.2, ((y1 + y2) / 2 - cy) / h / 0.2",
                size="((x2 - x1) / w).log() / 0.1, ((y2 - y1) / h).log() / 0.1",
            ),
            "The two scales are swapped: 0.1 belongs to the centre, 0.2 to the size.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way=_WAY, size="((x2 - x1) / w).log() / 0.1, ((y2 - y1) / h).log() / 0.1"
            ),
            "The centre is right. The size is divided by 0.2, not by 0.1.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="(x1 - (cx - w / 2)) / w / 0.1, (y1 - (cy - h / 2)) / h / 0.1", size=_SIZE
            ),
            "You measure the way between the upper left corners. Wanted is the way between the "
            "centres: (x1 + x2) / 2 is the box's.",
        ),
        WrongAnswer(
            _ENCODE.format(way="(x1 - cx) / w / 0.1, (y1 - cy) / h / 0.1", size=_SIZE),
            "You go from the prior's centre to the box's *corner*. The box has its centre at "
            "(x1 + x2) / 2.",
        ),
        WrongAnswer(
            _ENCODE.format(way="(x1 + x2 - cx) / w / 0.1, (y1 + y2 - cy) / h / 0.1", size=_SIZE),
            "The centre of the box is (x1 + x2) / 2: divide by 2 before you subtract cx.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="(cx - (x1 + x2) / 2) / w / 0.1, (cy - (y1 + y2) / 2) / h / 0.1", size=_SIZE
            ),
            "The signs of dx and dy are wrong: the way leads from the prior to the box, so the "
            "prior is subtracted.",
        ),
        WrongAnswer(
            _ENCODE.format(
                way=_WAY, size="(w / (x2 - x1)).log() / 0.2, (h / (y2 - y1)).log() / 0.2"
            ),
            "The signs of dw and dh are wrong: a box larger than its prior gives a positive "
            "number, log(box / prior).",
        ),
        WrongAnswer(
            _ENCODE.format(
                way="((x1 + x2) / 2 - cx) / h / 0.1, ((y1 + y2) / 2 - cy) / w / 0.1", size=_SIZE
            ),
            "dx is divided by the prior's width and dy by its height; yours are crossed.",
        ),
        WrongAnswer(
            _ENCODE.format(way=_WAY, size=_SIZE).replace(
                "torch.stack([dx, dy, dw, dh], dim=-1)", "torch.stack([dx, dy, dw, dh])"
            ),
            "The numbers are right, but your result is (4, N): a row for each delta. "
            "torch.stack(..., dim=-1) makes a row for each box.",
        ),
        WrongAnswer(
            _ENCODE.format(way=_WAY, size=_SIZE).replace("[dx, dy, dw, dh]", "[dx, dw, dy, dh]"),
            "The four numbers are right and in the wrong order: dx, dy, dw, dh.",
        ),
    ),
    cases=_encode_cases,
    praise="Equal to `encode(boxes, priors)`: the numbers every SSD is asked for.",
    tolerance=1e-3,
)


# ---------------------------------------------------------------------------- match_priors


def _match_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([[0.8, 0.0, 0.1]]), 0.5
    yield torch.tensor([[0.8, 0.0, 0.1], [0.0, 0.1, 0.3]]), 0.5
    yield torch.tensor([[0.5, 0.6, 0.2], [0.0, 0.1, 0.3]]), 0.5
    yield torch.tensor([[0.8, 0.0, 0.1], [0.0, 0.0, 0.9], [0.0, 0.0, 0.04]]), 0.5
    # object 1 forces a prior that rule 1 gave to object 0, which overlaps it more
    yield torch.tensor([[0.8, 0.9, 0.0], [0.6, 0.1, 0.0]]), 0.5
    yield torch.tensor([[0.6, 0.0, 0.1], [0.8, 0.1, 0.0], [0.7, 0.2, 0.1]]), 0.5  # all want one
    # object 1 forces a prior that likes object 0 better, and that nobody has
    yield torch.tensor([[0.9, 0.4], [0.1, 0.3]]), 0.5
    for number in range(20):
        objects, priors = integer(generator, 1, 5), integer(generator, 6, 20)
        table = torch.rand(objects, priors, generator=generator)
        if objects > 1 and number % 2:
            # Two objects want one prior: the first overlaps it more, the last comes later.
            table[0, 2], table[-1, 2] = 1.5, 1.2
        yield table, 0.7


_MATCH = """
    def match_priors(overlaps, threshold):
        iou, best_object = overlaps.max(dim=0)
        owner = best_object.masked_fill(iou {below} threshold, {nothing})
        best_prior = overlaps.argmax(dim=1)
        for g in range(len(overlaps)):
            owner[best_prior[g]] = g
        return owner
"""

match_priors = Exercise(
    notebook="nb03",
    key="match_priors",
    prompt=(
        "Write `match_priors(overlaps, threshold)`: from the IoU table (G, P), G at least 1, the "
        "index (P,) of the object that each prior answers for, -1 for none. Rule 1: its best "
        "object, if IoU >= threshold. Rule 2, after it: the best prior of each object is forced "
        "to take it; if several objects want it, the last one gets it. A loop over objects is fine."
    ),
    stub='''
    def match_priors(overlaps, threshold):
        """The object of each prior (P,), from the IoU table (G, P)."""
        iou, best_object = overlaps.max(dim=0)
        ...
        return None
    ''',
    solution_source='''
    def match_priors(overlaps, threshold):
        """The object of each prior (P,), from the IoU table (G, P)."""
        iou, best_object = overlaps.max(dim=0)
        owner = best_object.masked_fill(iou < threshold, -1)  # (P,)
        best_prior = overlaps.argmax(dim=1)  # (G,)
        for g in range(len(overlaps)):
            owner[best_prior[g]] = g
        return owner
    ''',
    hints=(
        "Rule 1 needs one line: `best_object`, with -1 wherever `iou` is below the threshold.",
        "Rule 2: `overlaps.argmax(dim=1)` is the best prior of each object. Write the objects "
        "there one after the other, after rule 1.",
        "`masked_fill` writes -1 where a condition holds. After it, a loop over the objects writes "
        "the number of each at its best prior; the last write stays.",
    ),
    wrong_answers=(
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                return best_object.masked_fill(iou < threshold, -1)
            """,
            "Rule 2 is missing: an object whose best IoU is below the threshold has no prior at "
            "all, and is never learned.",
        ),
        WrongAnswer(
            _MATCH.format(below="<", nothing="-1").replace("return owner", "return owner + 1"),
            "You count the objects from 1, and give 0 to a prior without one. Wanted are indices: "
            "0 is the first object, -1 is none.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                owner = best_object.clone()
                best_prior = overlaps.argmax(dim=1)
                for g in range(len(overlaps)):
                    owner[best_prior[g]] = g
                return owner.masked_fill(iou < threshold, -1)
            """,
            "You force first and apply the threshold afterwards: it takes away what forcing gave.",
        ),
        WrongAnswer(
            _MATCH.format(below="<", nothing="0"),
            "Nothing is -1, not 0: 0 is the first object. (Label 0 is the background, but these "
            "are indices, not labels.)",
        ),
        WrongAnswer(
            _MATCH.format(below="<=", nothing="-1"),
            "An IoU equal to the threshold is enough: a prior takes its best object if "
            "iou >= threshold, and yours wants more.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                owner = best_object.masked_fill(iou < threshold, -1)
                best_prior = overlaps.argmax(dim=1)
                for g in reversed(range(len(overlaps))):
                    owner[best_prior[g]] = g
                return owner
            """,
            "A contested prior must go to the last of its objects; yours goes to the first.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                owner = best_object.masked_fill(iou < threshold, -1)
                for prior in overlaps.argmax(dim=1).tolist():
                    owner[prior] = best_object[prior]
                return owner
            """,
            "You give the forced prior the object that *it* likes best. It must take the object "
            "that chose it, even if it overlaps another one more.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                owner = torch.full_like(best_object, -1)
                best_prior = overlaps.argmax(dim=1)
                for g in range(len(overlaps)):
                    owner[best_prior[g]] = g
                return owner
            """,
            "Rule 1 is missing: you give each object its best prior and no other. Every prior "
            "with iou >= threshold takes its best object, too.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                owner = best_object.masked_fill(iou < threshold, -1)
                best_prior = overlaps.argmax(dim=1)
                for g in range(len(overlaps)):
                    if owner[best_prior[g]] < 0:
                        owner[best_prior[g]] = g
                return owner
            """,
            "You force a prior only if it is still free. Rule 2 takes it away from another object "
            "as well.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                owner = best_object.masked_fill(iou < threshold, -1)
                best_iou, best_prior = overlaps.max(dim=1)
                for g in best_iou.argsort():
                    owner[best_prior[g]] = g
                return owner
            """,
            "Your contested priors go to the object with the larger IoU. That would be sensible, "
            "and it is not what published code does: the later object in the list gets them.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                owner = best_object.masked_fill(iou < threshold, -1)
                left = overlaps.clone()
                for _ in range(min(overlaps.shape)):
                    g, p = divmod(int(left.argmax()), left.shape[1])
                    owner[p] = g
                    left[g], left[:, p] = -1, -1
                return owner
            """,
            "You deal the priors out one to one, the largest IoU first, so that no object is left "
            "without. SSD does not: each object forces its own best prior, and a contested one "
            "goes to the later object.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_object = overlaps.max(dim=0)
                return best_object
            """,
            "Every prior has an object now. Most priors are background: -1 where the best IoU is "
            "below the threshold. Rule 2 comes after that.",
        ),
        WrongAnswer(
            """
            def match_priors(overlaps, threshold):
                iou, best_prior = overlaps.max(dim=1)
                return best_prior.masked_fill(iou < threshold, -1)
            """,
            "You return a number for each object, the prior that it likes best. Wanted is a number "
            "for each prior, (P,): rule 1 takes the maximum along dim 0.",
        ),
    ),
    cases=_match_cases,
    praise="Equal to `match`, contested priors included.",
)


# ---------------------------------------------------------------------------- mine_negatives


def _mine_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([0.9, 0.1, 0.4, 0.2, 0.3]), torch.tensor([7, 0, 0, 0, 0]), 2
    yield torch.tensor([0.9, 0.1, 0.4]), torch.tensor([0, 0, 0]), 3
    yield torch.tensor([0.5, 0.6, 0.7, 0.8, 0.9]), torch.tensor([1, 1, 1, 1, 0]), 3
    yield torch.tensor([0.9, 0.0, 0.4]), torch.tensor([2, 0, 0]), 3  # a negative that costs nothing
    yield torch.tensor([0.5, 0.9, 0.2, 0.4]), torch.tensor([2, -1, 0, 0]), 1  # -1 takes no part
    for number in range(20):
        priors = integer(generator, 8, 40)
        order = torch.randperm(priors, generator=generator)
        loss = (order + 1).float() / priors  # no ties
        share = (0.1, 0.2, 0.6)[number % 3]
        labels = (torch.rand(priors, generator=generator) < share).long() * 4
        yield loss, labels, integer(generator, 1, 3)


_MINE = """
    def mine_negatives(class_loss, labels, ratio):
        negative = labels == 0
        count = {count}
        candidates = class_loss.masked_fill(~negative, {outside})
        hardest = candidates.argsort(descending={descending})[:count]
        mask = torch.zeros_like(negative)
        mask[hardest] = True
        return mask
"""
_COUNT = "min(ratio * int((labels > 0).sum()), int(negative.sum()))"

mine_negatives = Exercise(
    notebook="nb03",
    key="mine_negatives",
    prompt=(
        "Write `mine_negatives(class_loss, labels, ratio)`: for one image, the mask (P,), bool, of "
        "the negatives (label 0) with the largest loss: `ratio` of them for every positive, or all "
        "if there are fewer. A positive is never mined. A prior with label -1 takes no part: it is "
        "neither negative nor positive."
    ),
    stub='''
    def mine_negatives(class_loss, labels, ratio):
        """The hardest negatives of one image, a mask (P,)."""
        negative = labels == 0
        ...
        return None
    ''',
    solution_source='''
    def mine_negatives(class_loss, labels, ratio):
        """The hardest negatives of one image, a mask (P,)."""
        negative = labels == 0
        wanted = ratio * int((labels > 0).sum())
        count = min(wanted, int(negative.sum()))
        candidates = class_loss.masked_fill(~negative, -torch.inf)
        mask = torch.zeros_like(negative)  # (P,)
        mask[candidates.topk(count).indices] = True
        return mask
    ''',
    hints=(
        "How many? ratio times the positives, but not more than there are negatives.",
        "Give the positives a loss of -inf, so that they cannot be among the hardest; `topk` then "
        "names the places.",
        "`topk(count).indices` are the places. Write True there, in a mask that is False "
        "everywhere: `torch.zeros_like(negative)`.",
    ),
    wrong_answers=(
        WrongAnswer(
            """
            def mine_negatives(class_loss, labels, ratio):
                count = ratio * int((labels > 0).sum())
                mask = torch.zeros_like(labels, dtype=torch.bool)
                mask[class_loss.argsort(descending=True)[:count]] = True
                return mask
            """,
            "You rank all priors, so positives are mined, too. Rank the negatives only: give the "
            "positives a loss of -inf.",
        ),
        WrongAnswer(
            _MINE.format(count=_COUNT, outside="-torch.inf", descending="True").replace(
                "negative = labels == 0", "negative = labels <= 0"
            ),
            "You mine a prior with label -1. It takes no part in the loss; negatives have label 0.",
        ),
        WrongAnswer(
            _MINE.format(
                count="min(ratio * int((labels != 0).sum()), int(negative.sum()))",
                outside="-torch.inf",
                descending="True",
            ),
            "You count a prior with label -1 as a positive. It takes no part: positives have a "
            "label above 0.",
        ),
        WrongAnswer(
            _MINE.format(count=_COUNT, outside="torch.inf", descending="False"),
            "These are the easiest negatives. Hard ones have the largest loss.",
        ),
        WrongAnswer(
            _MINE.format(count=_COUNT, outside="torch.inf", descending="True"),
            "Positives are mined: their loss must not take part in the ranking. -inf keeps it out.",
        ),
        WrongAnswer(
            _MINE.format(
                count="ratio * int((labels > 0).sum())", outside="-torch.inf", descending="True"
            ),
            "When three times the positives exceed the negatives you run on into the positives: "
            "take no more than there are negatives.",
        ),
        WrongAnswer(
            """
            def mine_negatives(class_loss, labels, ratio):
                negative = labels == 0
                count = min(ratio * int((labels > 0).sum()), int(negative.sum()))
                candidates = class_loss.masked_fill(~negative, -torch.inf)
                return candidates.argsort(descending=True) < count
            """,
            "One argsort is `order`, who is on which place. You compare it as if it were `rank`, "
            "the place of each: sort once more, or write True at the first entries of `order`.",
        ),
        WrongAnswer(
            _MINE.format(count=_COUNT, outside="0.0", descending="True"),
            "A loss of 0 does not keep a positive out of the ranking: a negative that costs "
            "nothing ties with it. Give the positives -inf.",
        ),
        WrongAnswer(
            """
            def mine_negatives(class_loss, labels, ratio):
                return labels == 0
            """,
            "These are all negatives. Only the hardest are taught, `ratio` for every positive.",
        ),
        WrongAnswer(
            _MINE.format(
                count="min(ratio * max(1, int((labels > 0).sum())), int(negative.sum()))",
                outside="-torch.inf",
                descending="True",
            ),
            "An image without positives mines nothing: three times zero is zero.",
        ),
        WrongAnswer(
            _MINE.format(
                count="min(ratio * int(labels.sum()), int(negative.sum()))",
                outside="-torch.inf",
                descending="True",
            ),
            "labels.sum() adds up the *numbers* of the classes. Count the positives: "
            "(labels > 0).sum().",
        ),
        WrongAnswer(
            _MINE.format(
                count="min(int((labels > 0).sum()), int(negative.sum()))",
                outside="-torch.inf",
                descending="True",
            ),
            "You take one negative for each positive; wanted are `ratio` of them.",
        ),
        WrongAnswer(
            _MINE.format(
                count="min(ratio, int(negative.sum()))", outside="-torch.inf", descending="True"
            ),
            "You take `ratio` negatives in all, however many positives there are. Multiply by "
            "their number.",
        ),
        WrongAnswer(
            _MINE.format(count=_COUNT, outside="-torch.inf", descending="True").replace(
                "return mask", "return mask | (labels > 0)"
            ),
            "Your mask holds the positives as well. They are taught too, but not *mined*: the loss "
            "joins the two masks later.",
        ),
        WrongAnswer(
            _MINE.format(count=_COUNT, outside="-torch.inf", descending="True").replace(
                "return mask", "return hardest"
            ),
            "You return the places of the hardest. Wanted is a mask (P,): True at these places.",
        ),
        WrongAnswer(
            _MINE.format(count=_COUNT, outside="-torch.inf", descending="True").replace(
                "return mask", "return mask.long()"
            ),
            "The right priors, as 0 and 1. A mask holds truth values: torch.zeros_like(negative) "
            "makes one, since `negative` is bool.",
        ),
        WrongAnswer(
            """
            def mine_negatives(class_loss, labels, ratio):
                negative = labels == 0
                count = min(ratio * int((labels > 0).sum()), int(negative.sum()))
                hardest = class_loss[negative].argsort(descending=True)[:count]
                mask = torch.zeros_like(negative)
                mask[hardest] = True
                return mask
            """,
            "`class_loss[negative]` is a shorter list, and its places are not those of the priors. "
            "Keep all P places, and give the positives -inf instead.",
        ),
    ),
    cases=_mine_cases,
    praise="Equal to `hard_negative_mask` for one image: no positive is ever mined.",
)


# ---------------------------------------------------------------------------- loss_at_start


def _start_cases(generator: torch.Generator) -> Iterator[Case]:
    yield [1], 8732, 9
    yield [0], 100, 9
    yield [4], 5, 2
    yield [1, 3, 0], 1000, 21
    for _ in range(20):
        priors = integer(generator, 10, 60)
        images = integer(generator, 1, 4)
        positives = [integer(generator, 0, priors) for _ in range(images)]
        yield positives, priors, integer(generator, 2, 81)


_START = """
    def loss_at_start(positives, num_priors, num_classes):
        chosen = 0
        for number in positives:
            chosen += {chosen}
        return chosen * math.log({classes}) / {n}
"""
_CHOSEN = "number + min(3 * number, num_priors - number)"
_N = "max(1, sum(positives))"

loss_at_start = Exercise(
    notebook="nb03",
    key="loss_at_start",
    prompt=(
        "Write `loss_at_start(positives, num_priors, num_classes)`: the class part of the MultiBox "
        'loss (normaliser "batch") of a network whose logits are all equal. `positives` lists the '
        "positive priors of each image, every image has `num_priors` priors, num_classes includes "
        "the background. An image mines three negatives for every positive, or all it has if they "
        "are fewer; divide by N, the positives of the whole batch, at least 1. A batch without "
        "positives gives 0."
    ),
    stub='''
    def loss_at_start(positives, num_priors, num_classes):
        """Class loss of a batch; positives: a list, one number an image."""
        chosen = 0
        for number in positives:
            ...
        return None
    ''',
    solution_source='''
    def loss_at_start(positives, num_priors, num_classes):
        """Class loss of a batch; positives: a list, one number an image."""
        chosen = 0
        for number in positives:
            negatives = num_priors - number
            chosen += number + min(3 * number, negatives)
        return chosen * math.log(num_classes) / max(1, sum(positives))
    ''',
    hints=(
        "With equal logits every class has probability 1 / K: what does one prior cost?",
        "Count the priors that take part, image by image: the positives, and three negatives for "
        "each, as far as there are any.",
        "Multiply the count by the price of one prior, and divide once, by the positives of all "
        "images together. What if there are none?",
    ),
    wrong_answers=(
        WrongAnswer(
            _START.format(chosen="4 * number", classes="num_classes", n=_N),
            "An image may have fewer negatives than three times its positives: "
            "min(3 * number, num_priors - number).",
        ),
        WrongAnswer(
            _START.format(
                chosen="min(3 * number, num_priors - number)", classes="num_classes", n=_N
            ),
            "You count the mined negatives only; the positives pay for their class as well.",
        ),
        WrongAnswer(
            _START.format(chosen=_CHOSEN, classes="num_classes", n="max(1, chosen)"),
            "Your answer is log K. Either you count the positives alone, or you divide by all that "
            "take part. Three negatives pay for each positive as well, and N counts the positives "
            "only, which gives about 4 log K.",
        ),
        WrongAnswer(
            _START.format(chosen=_CHOSEN, classes="num_classes - 1", n=_N),
            "The background is a class, too: log K, not log(K - 1).",
        ),
        WrongAnswer(
            _START.format(chosen=_CHOSEN, classes="num_classes", n="sum(positives)"),
            "Without any positives this divides by zero: N is at least 1.",
        ),
        WrongAnswer(
            _START.format(chosen="num_priors", classes="num_classes", n=_N),
            "You let all priors of an image take part. Of the negatives, only three to each "
            "positive are taught.",
        ),
        WrongAnswer(
            """
            def loss_at_start(positives, num_priors, num_classes):
                chosen = 0
                for number in positives:
                    chosen += number + min(3 * number, num_priors - number)
                return chosen / max(1, sum(positives))
            """,
            "This is how many priors take part for each positive. Each of them pays log K: "
            "multiply by math.log(num_classes).",
        ),
        WrongAnswer(
            """
            def loss_at_start(positives, num_priors, num_classes):
                each = [
                    (n + min(3 * n, num_priors - n)) * math.log(num_classes) / max(1, n)
                    for n in positives
                ]
                return sum(each) / len(each)
            """,
            "You divide image by image and take the mean. That is the other rule, uvipen's; here "
            "you divide once, by the positives of the whole batch.",
        ),
        WrongAnswer(
            """
            def loss_at_start(positives, num_priors, num_classes):
                number = sum(positives)
                chosen = number + min(3 * number, len(positives) * num_priors - number)
                return chosen * math.log(num_classes) / max(1, number)
            """,
            "You mine over the whole batch at once. Each image mines its own negatives, so the "
            "limit num_priors - number holds for each image.",
        ),
        WrongAnswer(
            _START.format(
                chosen="number + min(3 * number, num_priors)", classes="num_classes", n=_N
            ),
            "Of num_priors priors, `number` are positive already: at most num_priors - number are "
            "left to mine.",
        ),
        WrongAnswer(
            _START.format(chosen=_CHOSEN, classes="num_classes", n=_N).replace(
                "math.log(", "math.log2("
            ),
            "Cross entropy in PyTorch uses the natural logarithm, math.log.",
        ),
        WrongAnswer(
            _START.format(chosen=_CHOSEN, classes="num_classes", n="len(positives)"),
            "You divide by the number of images. N is the number of positives.",
        ),
    ),
    cases=_start_cases,
    praise="8.79 for Shapes: measure it before you train, every time.",
    tolerance=1e-4,
)


# ---------------------------------------------------------------------------- normalise


def _normalise_cases(generator: torch.Generator) -> Iterator[Case]:
    for how in ("batch", "image"):
        yield torch.tensor([10.0, 9.0]), torch.tensor([1, 9]), how
        yield torch.tensor([0.0, 0.0]), torch.tensor([0, 0]), how
        yield torch.tensor([4.0, 0.0]), torch.tensor([2, 0]), how
    for number in range(20):
        images = integer(generator, 2, 6)
        positives = torch.randint(0, 5, (images,), generator=generator)
        sums = torch.rand(images, generator=generator) * 10 * (positives > 0)
        yield sums, positives, ("batch", "image")[number % 2]


_NORMALISE = """
    def normalise(sums, positives, how):
        if how == "image":
            return {image}
        return {batch}
"""
_IMAGE = "(sums / positives.clamp(min=1)).mean()"
_BATCH = "sums.sum() / positives.sum().clamp(min=1)"

normalise = Exercise(
    notebook="nb03",
    key="normalise",
    prompt=(
        "Write `normalise(sums, positives, how)`: `sums` (B,) are the losses summed image by "
        'image, `positives` (B,) their numbers of positive priors. For how = "batch" divide the '
        'sum of all by the positives of all; for "image" each by its own, then take the mean over '
        "all images. What you divide by is at least 1: the batch's total, or each image's number."
    ),
    stub='''
    def normalise(sums, positives, how):
        """Losses (B,) and positives (B,) to one number."""
        ...
    ''',
    solution_source='''
    def normalise(sums, positives, how):
        """Losses (B,) and positives (B,) to one number."""
        if how == "image":
            return (sums / positives.clamp(min=1)).mean()
        return sums.sum() / positives.sum().clamp(min=1)
    ''',
    hints=(
        "Write the two formulas on paper first: (a + b) / (m + n), and (a / m + b / n) / 2.",
        "`clamp(min=1)` keeps 0 / 0 away: of the total for the batch, of each number for images.",
        'For "image" the division comes first and the mean last; for "batch" two sums come first.',
    ),
    wrong_answers=(
        WrongAnswer(
            _NORMALISE.format(image=_BATCH, batch=_BATCH),
            'Both answers are "batch": for "image" divide before you sum.',
        ),
        WrongAnswer(
            _NORMALISE.format(image=_IMAGE, batch=_IMAGE),
            'Both answers are "image": for "batch" sum before you divide.',
        ),
        WrongAnswer(
            _NORMALISE.format(
                image="(sums / positives).mean()", batch="sums.sum() / positives.sum()"
            ),
            "Zero positives make 0 / 0, NaN: count them as at least 1.",
        ),
        WrongAnswer(
            _NORMALISE.format(image=_IMAGE, batch="sums.sum() / positives.clamp(min=1).sum()"),
            'For "batch" only the total counts as at least 1: an image without positives must '
            "add nothing to N when others have some.",
        ),
        WrongAnswer(
            _NORMALISE.format(
                image="(sums / positives.clamp(min=1)).sum() / (positives > 0).sum().clamp(min=1)",
                batch=_BATCH,
            ),
            'For "image" the mean runs over all images, those without positives included.',
        ),
        WrongAnswer(
            _NORMALISE.format(image="(sums / positives.clamp(min=1)).sum()", batch=_BATCH),
            'For "image" take the mean over the images at the end, not the sum.',
        ),
        WrongAnswer(
            _NORMALISE.format(image=_BATCH, batch=_IMAGE),
            'The two rules are exchanged: "batch" divides once, by the total; "image" divides each '
            "image by its own number.",
        ),
        WrongAnswer(
            _NORMALISE.format(
                image="(sums[positives > 0] / positives[positives > 0]).mean()", batch=_BATCH
            ),
            'For "image" you leave out the images without positives, and have nothing left where '
            "all are without. They count as 0 in the mean.",
        ),
        WrongAnswer(
            _NORMALISE.format(image=_IMAGE, batch="sums.mean()"),
            'For "batch" you divide by the number of images. Divide by the positives of all.',
        ),
    ),
    cases=_normalise_cases,
    praise="torchvision's N and uvipen's; learning rates do not carry over from one to the other.",
)


# ---------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb03",
    key="moves",
    prompt=(
        "Write down `moves`, what the explorers showed you in the four tasks: positives without "
        "rule 2; priors of object 3 at threshold 0.4; how many more are mined at 3.25; (mined, "
        "mined with the positives ranked, too) at ratio 10. A tuple, such as (30, 2, 5, (8, 9)), "
        "made up."
    ),
    stub="moves = ...",
    solution_source="moves = (20, 8, 0, (14, 16))",
    hints=(
        "The words above the table count the positives, in all and object by object.",
        "Mined are floor(ratio * positives) negatives, and never more than there are: count the "
        "negatives among the sixteen.",
        "Published code ranks all sixteen priors, and takes the first ratio * positives of them.",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = (21, 8, 0, (14, 16))",
            "21 is the number with rule 2. Untick *force the best prior*: one object had a single "
            "prior, and that one was forced.",
        ),
        WrongAnswer(
            "moves = (60, 8, 0, (14, 16))",
            "60 negatives are mined, three to each positive. The task asks for the positives.",
        ),
        WrongAnswer(
            "moves = (20, 0, 0, (14, 16))",
            "At 0.5 object 3 has no prior without rule 2. Lower the threshold to 0.4 and read "
            "again.",
        ),
        WrongAnswer(
            "moves = (20, 1, 0, (14, 16))",
            "One prior is what rule 2 gives object 3 at 0.5. Lower the threshold to 0.4.",
        ),
        WrongAnswer(
            "moves = (20, 76, 0, (14, 16))",
            "76 are the positives of all three objects. Read the number of object 3 alone.",
        ),
        WrongAnswer(
            "moves = (20, 8, 1, (14, 16))",
            "Two positives times 3.25 are 6.5, and half a negative cannot be mined: the number is "
            "rounded down.",
        ),
        WrongAnswer(
            "moves = (20, 8, 6, (14, 16))",
            "Six are mined at 3.25. The task asks how many more that is than at 3.",
        ),
        WrongAnswer(
            "moves = (20, 8, 0, (20, 20))",
            "Ratio 10 asks for 20, but there are only 16 priors, 14 of them negatives.",
        ),
        WrongAnswer(
            "moves = (20, 8, 0, (14, 14))",
            "Tick the box that ranks the positives, too: then they can be mined as well, and all "
            "sixteen are.",
        ),
        WrongAnswer(
            "moves = (20, 8, 0, (16, 14))",
            "The two are in the other order: first as it should be, then with positives ranked.",
        ),
    ),
    look_at=(
        "untick *force the best prior* and read how many priors are positive.",
        "leave it unticked, move the threshold to 0.40, and read the number after “3:”.",
        "set the ratio to 3, count the mined, set it to 3.25, count again.",
        "set the ratio to 10 and count the mined, without and with the tick at the positives.",
    ),
    praise="Three to one is a bound, not a promise.",
)
