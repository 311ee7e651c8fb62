"""Exercises of notebook 01, Boxes, IoU, NMS, AP.

Keys: `voc_to_corners`, `iou`, `keep_best`, `find_hits`, `area_under`, `moves`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer, integer

__all__ = ["area_under", "find_hits", "iou", "keep_best", "moves", "voc_to_corners"]


def _corners(generator: torch.Generator, number: int, side: int) -> torch.Tensor:
    """Random boxes (N, 4) with whole corners from 0 to `side`, at least 1 wide and high."""
    first = torch.randint(0, side - 1, (number, 2), generator=generator)
    size = torch.randint(1, side // 2, (number, 2), generator=generator)
    return torch.cat([first, first + size], dim=1).float()


def _distinct_scores(generator: torch.Generator, number: int) -> torch.Tensor:
    """Random scores (N,) of which no two are equal."""
    return (torch.randperm(number, generator=generator) + 1).float() / (number + 1)


# ---------------------------------------------------------------------------- voc_to_corners


def _voc_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (torch.tensor([[1.0, 1.0, 1.0, 1.0]]),)  # the first pixel of the image
    yield (torch.tensor([[3.0, 2.0, 6.0, 4.0]]),)  # four columns, three rows
    yield (torch.zeros(0, 4),)
    for _ in range(20):
        lines = _corners(generator, integer(generator, 1, 6), 60)
        yield (lines + torch.tensor([1.0, 1.0, 0.0, 0.0]),)


voc_to_corners = Exercise(
    notebook="nb01",
    key="voc_to_corners",
    prompt=(
        "Write `voc_to_corners(boxes_voc)`: VOC's boxes (N, 4), xmin, ymin, xmax, ymax, are the "
        "numbers of the first and the last pixel, counted from 1. Return corners, that is the "
        "lines around these pixels, counted from 0. A box of one pixel must have area 1."
    ),
    stub='''
    def voc_to_corners(boxes_voc):
        """(N, 4) first and last pixel, counted from 1, to corners."""
        ...
    ''',
    solution_source='''
    def voc_to_corners(boxes_voc):
        """(N, 4) first and last pixel, counted from 1, to corners."""
        return boxes_voc - torch.tensor([1.0, 1.0, 0.0, 0.0])  # (N, 4)
    ''',
    hints=(
        "Draw the first row of pixels and number them from 1. Which line is left of pixel 1, and "
        "which is right of it?",
        "Left of pixel 1 is line 0, right of it is line 1: the first two numbers change, the last "
        "two do not.",
        "Subtract one tensor of four numbers: `boxes_voc - torch.tensor([...])`.",
    ),
    wrong_answers=(
        WrongAnswer(
            "def voc_to_corners(boxes_voc):\n    return boxes_voc * 1",
            "These are still VOC's numbers: its pixel 1 lies between the lines 0 and 1, so a box "
            "of one pixel has area 0 here.",
        ),
        WrongAnswer(
            "def voc_to_corners(boxes_voc):\n    return boxes_voc - 1",
            "Counted from 0, but these are still the first and the last *pixel*: every box is one "
            "pixel too narrow and too low. The line behind the last pixel is one further.",
        ),
        WrongAnswer(
            """
            def voc_to_corners(boxes_voc):
                return boxes_voc + torch.tensor([0.0, 0.0, 1.0, 1.0])
            """,
            "The sizes are right, but all boxes lie one pixel too far right and down: VOC counts "
            "from 1.",
        ),
        WrongAnswer(
            """
            def voc_to_corners(boxes_voc):
                return boxes_voc - torch.tensor([1.0, 0.0, 1.0, 0.0])
            """,
            "You treat x and y differently. The order is xmin, ymin, xmax, ymax: the first two "
            "numbers are one corner.",
        ),
        WrongAnswer(
            """
            def voc_to_corners(boxes_voc):
                return boxes_voc + torch.tensor([-1.0, -1.0, 1.0, 1.0])
            """,
            "Now every box is one pixel too wide and too high: the - 1 of the first corner already "
            "makes the width xmax - xmin + 1.",
        ),
        WrongAnswer(
            """
            def voc_to_corners(boxes_voc):
                return boxes_voc + torch.tensor([1.0, 1.0, 0.0, 0.0])
            """,
            "The first corner moved the wrong way. Pixel 1 begins at line 0: subtract 1.",
        ),
        WrongAnswer(
            """
            def voc_to_corners(boxes_voc):
                return boxes_voc + 1
            """,
            "You moved the whole box by a pixel, the wrong way, and its size is still too small. "
            "Left of pixel 1 is line 0, and right of it is line 1.",
        ),
        WrongAnswer(
            """
            def voc_to_corners(boxes_voc):
                return boxes_voc - 0.5
            """,
            "Half a pixel gives the pixels' centres. Corners are the lines around the pixels: the "
            "first moves by a whole pixel, the last by none.",
        ),
    ),
    cases=_voc_cases,
    praise="The width is now xmax - xmin + 1, without a + 1 anywhere else in your program.",
)


# ---------------------------------------------------------------------------- iou


def _iou_cases(generator: torch.Generator) -> Iterator[Case]:
    yield (0.0, 0.0, 3.0, 2.0), (1.0, 0.0, 4.0, 3.0)  # 4 of 11
    yield (0.0, 0.0, 2.0, 2.0), (0.0, 0.0, 2.0, 2.0)
    yield (0.0, 0.0, 2.0, 2.0), (5.0, 0.0, 8.0, 2.0)  # apart in x
    yield (0.0, 0.0, 2.0, 2.0), (5.0, 5.0, 8.0, 8.0)  # apart in both
    for _ in range(20):
        first, second = _corners(generator, 2, 12).tolist()
        yield tuple(first), tuple(second)


_IOU = """
    def iou(box1, box2):
        left, top = max(box1[0], box2[0]), max(box1[1], box2[1])
        right, bottom = min(box1[2], box2[2]), min(box1[3], box2[3])
        shared = {shared}
        area1 = (box1[2] - box1[0]) * (box1[3] - box1[1])
        area2 = (box2[2] - box2[0]) * (box2[3] - box2[1])
        return {result}
"""
_RIGHT_SHARED = "max(0.0, right - left) * max(0.0, bottom - top)"
_RIGHT_IOU = "shared / (area1 + area2 - shared)"

iou = Exercise(
    notebook="nb01",
    key="iou",
    prompt=(
        "Write `iou(box1, box2)`: intersection over union of two boxes (x1, y1, x2, y2), given as "
        "four numbers each; a number. Boxes that lie apart must give 0."
    ),
    stub='''
    def iou(box1, box2):
        """IoU of two boxes (x1, y1, x2, y2), a number."""
        left = max(box1[0], box2[0])
        ...
    ''',
    solution_source='''
    def iou(box1, box2):
        """IoU of two boxes (x1, y1, x2, y2), a number."""
        left, top = max(box1[0], box2[0]), max(box1[1], box2[1])
        right, bottom = min(box1[2], box2[2]), min(box1[3], box2[3])
        shared = max(0.0, right - left) * max(0.0, bottom - top)
        area1 = (box1[2] - box1[0]) * (box1[3] - box1[1])
        area2 = (box2[2] - box2[0]) * (box2[3] - box2[1])
        return shared / (area1 + area2 - shared)
    ''',
    hints=(
        "The shared rectangle begins at the larger of the two left edges, and ends at the smaller "
        "of the two right ones.",
        "If it ends before it begins, its width is 0: `max(0.0, right - left)`; the same for the "
        "height.",
        "The union is area1 + area2 - shared: the shared part is in both areas, count it once.",
    ),
    wrong_answers=(
        WrongAnswer(
            _IOU.format(shared=_RIGHT_SHARED, result="shared / (area1 + area2)"),
            "Your union counts the shared part twice: a box compared with itself gives 1/2. "
            "Subtract it once.",
        ),
        WrongAnswer(
            _IOU.format(shared="(right - left) * (bottom - top)", result=_RIGHT_IOU),
            "Boxes apart do not give 0: a negative width times a negative height is positive. "
            "Neither may be less than 0.",
        ),
        WrongAnswer(
            _IOU.format(shared="max(0.0, (right - left) * (bottom - top))", result=_RIGHT_IOU),
            "The product is kept from being negative, but minus times minus is plus: two boxes "
            "apart in x and in y share an area. Each side for itself must be at least 0.",
        ),
        WrongAnswer(
            _IOU.format(shared=_RIGHT_SHARED, result="shared / min(area1, area2)"),
            "You divide by the smaller box: a small box inside a large one gives 1. Divide by what "
            "both cover together.",
        ),
        WrongAnswer(
            _IOU.format(shared=_RIGHT_SHARED, result="shared / area1"),
            "You divide by the first box alone: a huge second box would get 1. Divide by what both "
            "cover together, area1 + area2 - shared.",
        ),
        WrongAnswer(
            _IOU.format(shared=_RIGHT_SHARED, result="shared / area2"),
            "You divide by the second box alone: a huge first box would get 1. Divide by what both "
            "cover together, area1 + area2 - shared.",
        ),
        WrongAnswer(
            _IOU.format(shared=_RIGHT_SHARED, result="shared"),
            "This is the area they share. Divide it by the area that at least one of them covers.",
        ),
        WrongAnswer(
            """
            def iou(box1, box2):
                left, top = max(box1[0], box2[0]), max(box1[1], box2[1])
                right, bottom = min(box1[2], box2[2]), min(box1[3], box2[3])
                shared = max(0.0, right - left + 1) * max(0.0, bottom - top + 1)
                area1 = (box1[2] - box1[0] + 1) * (box1[3] - box1[1] + 1)
                area2 = (box2[2] - box2[0] + 1) * (box2[3] - box2[1] + 1)
                return shared / (area1 + area2 - shared)
            """,
            "You add 1 to every width, as code does that counts pixels. Coordinates are lines "
            "here: the width is x2 - x1.",
        ),
        WrongAnswer(
            """
            def iou(box1, box2):
                left, top = max(box1[0], box2[0]), max(box1[1], box2[1])
                right, bottom = min(box1[2], box2[2]), min(box1[3], box2[3])
                shared = max(0.0, right - left) * max(0.0, bottom - top)
                width = max(box1[2], box2[2]) - min(box1[0], box2[0])
                height = max(box1[3], box2[3]) - min(box1[1], box2[1])
                return shared / (width * height)
            """,
            "You divide by the rectangle around both boxes, which also holds what neither covers. "
            "The union is area1 + area2 - shared.",
        ),
        WrongAnswer(
            """
            def iou(box1, box2):
                shared = 1.0
                for k in (0, 1):
                    left, right = min(box1[k], box2[k]), max(box1[k + 2], box2[k + 2])
                    shared *= max(0.0, right - left)
                area1 = (box1[2] - box1[0]) * (box1[3] - box1[1])
                area2 = (box2[2] - box2[0]) * (box2[3] - box2[1])
                return shared / (area1 + area2 - shared)
            """,
            "min and max are swapped: the shared rectangle begins at the *larger* left edge and "
            "ends at the *smaller* right edge.",
        ),
    ),
    cases=_iou_cases,
    praise="Equal to `box_iou`, for one pair.",
)


# ---------------------------------------------------------------------------- keep_best


def _keep_cases(generator: torch.Generator) -> Iterator[Case]:
    row = torch.tensor([[0.0, 0, 6, 6], [2, 0, 8, 6], [4, 0, 10, 6]])
    yield row[:1], torch.tensor([0.5]), 0.45
    yield row, torch.tensor([0.9, 0.8, 0.6]), 0.45  # the third is saved: the second is gone
    yield row, torch.tensor([0.6, 0.8, 0.9]), 0.45
    yield row[:2], torch.tensor([0.9, 0.8]), 0.5  # IoU exactly one half
    yield torch.zeros(0, 4), torch.zeros(0), 0.5
    for _ in range(20):
        number = integer(generator, 5, 20)
        scores = _distinct_scores(generator, number)
        yield _corners(generator, number, 14), scores, integer(generator, 1, 6) / 10


_KEEP = """
    from detlearn.boxes import box_iou

    def keep_best(boxes, scores, iou_threshold):
        order = scores.argsort(descending={descending}, stable=True)
        keep = []
        while len(order) > 0:
            best, rest = order[0], order[1:]
            keep.append(best)
            overlaps = box_iou(boxes[best][None], boxes[rest])[0]
            order = rest[{stays}]
        return torch.stack(keep) if keep else order
"""

keep_best = Exercise(
    notebook="nb01",
    key="keep_best",
    prompt=(
        "Write `keep_best(boxes, scores, iou_threshold)`: greedy NMS. Return the indices (int64 "
        "tensor) of the boxes kept, best score first; a box is dropped if its IoU with a *kept* "
        "box is larger than the threshold. No boxes in, no indices out. Use `box_iou`."
    ),
    stub='''
    from detlearn.boxes import box_iou

    def keep_best(boxes, scores, iou_threshold):
        """Indices (int64) that greedy NMS keeps, best score first."""
        order = scores.argsort(descending=True, stable=True)
        keep = []
        ...
        return None
    ''',
    solution_source='''
    from detlearn.boxes import box_iou

    def keep_best(boxes, scores, iou_threshold):
        """Indices (int64) that greedy NMS keeps, best score first."""
        table = box_iou(boxes, boxes)  # (N, N)
        keep = []
        for i in scores.argsort(descending=True, stable=True).tolist():
            if all(table[i, k] <= iou_threshold for k in keep):
                keep.append(i)
        return torch.tensor(keep, dtype=torch.int64)
    ''',
    hints=(
        "Go through the boxes from the best score to the worst; each is either kept or dropped.",
        "A box is kept if its IoU with every box *kept so far* is at most the threshold. Those "
        "dropped before are not asked.",
        "`table = box_iou(boxes, boxes)`, then `if all(table[i, k] <= iou_threshold for k in "
        "keep): keep.append(i)`. At the end `torch.tensor(keep, dtype=torch.int64)`, which is "
        "right for an empty list, too.",
    ),
    wrong_answers=(
        WrongAnswer(
            _KEEP.format(descending="True", stays="overlaps <= iou_threshold")
            .replace("if keep else order", "if keep else order).sort().values")
            .replace("return torch", "return (torch"),
            "The right boxes, in the order of the list. Wanted is the order of the scores, best "
            "first, as you kept them.",
        ),
        WrongAnswer(
            _KEEP.format(descending=False, stays="overlaps <= iou_threshold"),
            "You begin with the worst box, so the best ones are dropped: sort the scores in "
            "descending order.",
        ),
        WrongAnswer(
            _KEEP.format(descending=True, stays="overlaps < iou_threshold"),
            "A box whose IoU is exactly the threshold stays: dropped is what is *larger*. (One "
            "published SSD drops it, torchvision keeps it.)",
        ),
        WrongAnswer(
            _KEEP.format(descending=True, stays="overlaps > iou_threshold"),
            "The comparison is the wrong way round: you drop the strangers and keep the doubles.",
        ),
        WrongAnswer(
            """
            from detlearn.boxes import box_iou

            def keep_best(boxes, scores, iou_threshold):
                order = scores.argsort(descending=True, stable=True)
                table = box_iou(boxes[order], boxes[order]).triu(diagonal=1)
                return order[(table <= iou_threshold).all(dim=0)]
            """,
            "You let dropped boxes drop others. In a row A, B, C with B dropped by A, C stays, "
            "even if it overlaps B: only kept boxes count.",
        ),
        WrongAnswer(
            """
            from detlearn.boxes import box_iou

            def keep_best(boxes, scores, iou_threshold):
                order = scores.argsort(descending=True, stable=True)
                table = box_iou(boxes[order], boxes[order])
                keep = []
                for i in range(len(order)):
                    if all(table[i, k] <= iou_threshold for k in keep):
                        keep.append(i)
                return torch.tensor(keep, dtype=torch.int64)
            """,
            "These are places in the *sorted* list. Wanted are indices of the boxes as they came: "
            "`order[i]`.",
        ),
        WrongAnswer(
            """
            from detlearn.boxes import box_iou

            def keep_best(boxes, scores, iou_threshold):
                table = box_iou(boxes, boxes)
                keep = []
                for i in range(len(boxes)):
                    if all(table[i, k] <= iou_threshold for k in keep):
                        keep.append(i)
                return torch.tensor(keep, dtype=torch.int64)
            """,
            "You take the boxes in the order in which they come. The best score goes first: "
            "`scores.argsort(descending=True)`.",
        ),
    ),
    cases=_keep_cases,
    praise="Equal to torchvision.ops.nms, ties included.",
)


# ---------------------------------------------------------------------------- find_hits


def _hit_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([[0.75]]), torch.tensor([0.5]), 0.5
    yield torch.tensor([[0.75], [0.875]]), torch.tensor([0.9, 0.6]), 0.5  # a second box
    yield torch.tensor([[0.75], [0.875]]), torch.tensor([0.6, 0.9]), 0.5
    yield torch.tensor([[0.75, 0.625], [0.875, 0.5]]), torch.tensor([0.9, 0.6]), 0.5
    yield torch.tensor([[0.5]]), torch.tensor([0.5]), 0.5  # exactly the threshold
    yield torch.zeros(2, 0), torch.tensor([0.9, 0.6]), 0.5
    for _ in range(20):
        number, objects = integer(generator, 3, 9), integer(generator, 1, 5)
        # eighths, so that thresholds are met exactly; all of a row are different
        order = torch.rand(number, 8, generator=generator).argsort(dim=1)[:, :objects]
        scores = _distinct_scores(generator, number)
        yield (order + 1) / 8, scores, (0.25, 0.5, 0.75)[integer(generator, 0, 2)]


_HITS = """
    def find_hits(table, scores, threshold):
        hits = torch.zeros(len(scores), dtype=torch.bool)
        free = set(range(table.shape[1]))
        for d in {order}:
            near = [g for g in {among} if table[d, g] {reaches} threshold]
            if near:
                best = max(near, key=lambda g: table[d, g])
                {take}
                hits[d] = True
        return hits
"""
_BEST_FIRST = "scores.argsort(descending=True, stable=True).tolist()"

find_hits = Exercise(
    notebook="nb01",
    key="find_hits",
    prompt=(
        "Write `find_hits(table, scores, threshold)`: which detections of an image are hits, (D,) "
        "bool. `table` (D, G) is their IoU with the objects. Best score first, each looks at "
        "the objects that are still free and have an IoU >= threshold, and takes the one of the "
        "largest IoU (COCO's rule). There may be no object at all."
    ),
    stub='''
    def find_hits(table, scores, threshold):
        """Which detections are hits (D,) bool; table is their IoU (D, G)."""
        hits = torch.zeros(len(scores), dtype=torch.bool)
        for d in scores.argsort(descending=True, stable=True).tolist():
            ...
        return None
    ''',
    solution_source='''
    def find_hits(table, scores, threshold):
        """Which detections are hits (D,) bool; table is their IoU (D, G)."""
        hits = torch.zeros(len(scores), dtype=torch.bool)  # (D,)
        free = set(range(table.shape[1]))
        for d in scores.argsort(descending=True, stable=True).tolist():
            near = [g for g in free if table[d, g] >= threshold]
            if near:
                free.remove(max(near, key=lambda g: table[d, g]))
                hits[d] = True
        return hits
    ''',
    hints=(
        "Keep a set of the objects that are still free; begin with all of them.",
        "For each detection: which free objects reach the threshold? If there are any, take the "
        "one of the largest IoU out of the set, and mark the detection.",
        "`near = [g for g in free if table[d, g] >= threshold]`, then "
        "`free.remove(max(near, key=lambda g: table[d, g]))`.",
    ),
    wrong_answers=(
        WrongAnswer(
            "def find_hits(table, scores, threshold):\n    return (table >= threshold).any(dim=1)",
            "You count an object as often as somebody finds it. The first finder takes it; a "
            "second box of the same object is a mistake.",
        ),
        WrongAnswer(
            _HITS.format(
                order="range(len(scores))", among="free", reaches=">=", take="free.remove(best)"
            ),
            "You go through the detections in the order in which they come. Best score first: the "
            "surest one takes its object.",
        ),
        WrongAnswer(
            _HITS.format(order=_BEST_FIRST, among="free", reaches=">", take="free.remove(best)"),
            "An IoU of exactly the threshold is enough here, as in COCO: `>=`. (VOC's paper wants "
            "more than 0.5; its development kit has `>=`, too.)",
        ),
        WrongAnswer(
            """
            def find_hits(table, scores, threshold):
                hits = torch.zeros(len(scores), dtype=torch.bool)
                free = set(range(table.shape[1]))
                for d in scores.argsort(descending=True, stable=True).tolist():
                    if table.shape[1] == 0:
                        break
                    best = int(table[d].argmax())
                    if best in free and table[d, best] >= threshold:
                        free.remove(best)
                        hits[d] = True
                return hits
            """,
            "A detection whose best object is taken may still take another one that is free and "
            "reaches the threshold. (Yours is VOC's rule; asked for is COCO's.)",
        ),
        WrongAnswer(
            """
            def find_hits(table, scores, threshold):
                hits = torch.zeros(len(scores), dtype=torch.bool)
                free = set(range(table.shape[1]))
                for d in scores.argsort(descending=True, stable=True).tolist():
                    near = [g for g in free if table[d, g] >= threshold]
                    if near:
                        free.remove(min(near))
                        hits[d] = True
                return hits
            """,
            "You take the first free object that reaches the threshold; take the one with the "
            "largest IoU, or a better box may find its own object gone.",
        ),
        WrongAnswer(
            _HITS.format(
                order="scores.argsort(stable=True).tolist()",
                among="free",
                reaches=">=",
                take="free.remove(best)",
            ),
            "You begin with the least sure detection. Best score first: sort in descending order.",
        ),
        WrongAnswer(
            _HITS.format(
                order=_BEST_FIRST, among="free", reaches=">=", take="free.remove(best)"
            ).replace("max(near", "min(near"),
            "You take the free object of the *smallest* IoU. It should be the largest.",
        ),
        WrongAnswer(
            """
            def find_hits(table, scores, threshold):
                hits, free = [], set(range(table.shape[1]))
                for d in scores.argsort(descending=True, stable=True).tolist():
                    near = [g for g in free if table[d, g] >= threshold]
                    if near:
                        free.remove(max(near, key=lambda g: table[d, g]))
                    hits.append(bool(near))
                return torch.tensor(hits, dtype=torch.bool)
            """,
            "These are the hits in the order of the scores. Wanted is the order in which the "
            "detections came: `hits[d] = True`.",
        ),
    ),
    cases=_hit_cases,
    praise="This is the rule of pycocotools, apart from crowds.",
)


# ---------------------------------------------------------------------------- area_under


def _area_cases(generator: torch.Generator) -> Iterator[Case]:
    def curve(hits: torch.Tensor, objects: int) -> tuple[torch.Tensor, torch.Tensor]:
        found = hits.double().cumsum(dim=0)
        return found / torch.arange(1, len(hits) + 1), found / objects

    yield curve(torch.tensor([True, True]), 2)
    yield curve(torch.tensor([True, False, True, False, True, False]), 4)  # 0.5667
    yield curve(torch.tensor([False, True]), 4)
    yield curve(torch.zeros(0, dtype=torch.bool), 3)
    for _ in range(20):
        number = integer(generator, 3, 12)
        hits = torch.rand(number, generator=generator) < 0.6
        yield curve(hits, int(hits.sum()) + integer(generator, 1, 4))


_AREA = """
    def area_under(precision, recall):
        envelope = {envelope}
        gained = torch.diff(recall, prepend=recall.new_zeros(1))
        return float({area})
"""
_RIGHT_ENVELOPE = "precision.flip(0).cummax(dim=0).values.flip(0)"
_RIGHT_AREA = "(gained * envelope).sum()"

area_under = Exercise(
    notebook="nb01",
    key="area_under",
    prompt=(
        "Write `area_under(precision, recall)`: the area (a number) under the envelope of the "
        "curve, from recall 0 on. The envelope at a place is the best precision there or further "
        "right. Both tensors are (D,), best score first; without detections the area is 0.0."
    ),
    stub='''
    def area_under(precision, recall):
        """Area under the envelope of the curve, a number."""
        ...
    ''',
    solution_source='''
    def area_under(precision, recall):
        """Area under the envelope of the curve, a number."""
        area, before = 0.0, 0.0
        for d, here in enumerate(recall.tolist()):
            area += (here - before) * float(precision[d:].max())
            before = here
        return area
    ''',
    hints=(
        "A detection adds a strip: as wide as the recall that it gains, as high as the envelope "
        "at its place.",
        "The envelope at place d is `precision[d:].max()`. The first strip begins at recall 0.",
        "Loop over the places, remember the recall of the place before, and sum up "
        "`(here - before) * height`.",
    ),
    wrong_answers=(
        WrongAnswer(
            _AREA.format(envelope="precision", area=_RIGHT_AREA),
            "You take the saw itself. Take its envelope: the best precision at this place or "
            "further right.",
        ),
        WrongAnswer(
            """
            def area_under(precision, recall):
                total = 0.0
                for wanted in torch.linspace(0, 1, 101, dtype=recall.dtype):
                    reached = precision[recall >= wanted]
                    total += float(reached.max()) if len(reached) else 0.0
                return total / 101
            """,
            "This is the mean at 101 points, COCO's reading. Wanted is the area itself: each "
            "strip as wide as the recall that it gains.",
        ),
        WrongAnswer(
            _AREA.format(envelope="precision.cummax(dim=0).values", area=_RIGHT_AREA),
            "Your envelope looks back, to the best precision *so far*. It must look ahead: there "
            "or further right.",
        ),
        WrongAnswer(
            _AREA.format(
                envelope="precision",
                area="precision.mean() if len(precision) else 0.0",
            ),
            "This is the mean of the precisions, each detection counting the same. Weigh each by "
            "the recall that it gains; mistakes gain none.",
        ),
        WrongAnswer(
            """
            def area_under(precision, recall):
                if len(recall) == 0:
                    return 0.0
                envelope = precision.flip(0).cummax(dim=0).values.flip(0)
                return float(((recall[1:] - recall[:-1]) * envelope[1:]).sum())
            """,
            "The first strip is missing: it reaches from recall 0 to the recall of the first "
            "detection.",
        ),
        WrongAnswer(
            """
            def area_under(precision, recall):
                if len(recall) == 0:
                    return 0.0
                envelope = precision.flip(0).cummax(dim=0).values.flip(0)
                gained = torch.diff(recall, prepend=recall.new_zeros(1))
                return float((gained * envelope).sum() / recall[-1].clamp(min=1e-12))
            """,
            "You divide by the recall that was reached, so objects that were never found cost "
            "nothing. The mean goes over all recalls from 0 to 1.",
        ),
        WrongAnswer(
            """
            def area_under(precision, recall):
                if len(recall) == 0:
                    return 0.0
                envelope = precision.flip(0).cummax(dim=0).values.flip(0)
                return float(envelope.mean())
            """,
            "This is the mean height of the envelope over the *detections*. Weigh each height by "
            "the recall that its detection gains.",
        ),
        WrongAnswer(
            """
            def area_under(precision, recall):
                if len(recall) == 0:
                    return 0.0
                x = torch.cat([recall.new_zeros(1), recall])
                y = torch.cat([precision[:1], precision])
                return float(torch.trapezoid(y, x))
            """,
            "You join the points by slanted lines. The envelope is a staircase: each strip has the "
            "height of the envelope at its right end.",
        ),
        WrongAnswer(
            """
            def area_under(precision, recall):
                return float(torch.trapezoid(precision, recall))
            """,
            "The trapezoid rule joins the points by slanted lines, from the first of them on. The "
            "envelope is a staircase that begins at recall 0: sum up gained recall · height.",
        ),
        WrongAnswer(
            _AREA.format(envelope=_RIGHT_ENVELOPE, area="(recall * envelope).sum()"),
            "You weigh each height by the recall reached so far. A strip is only as wide as the "
            "recall that its detection *gains*.",
        ),
        WrongAnswer(
            """
            def area_under(precision, recall):
                gained = torch.diff(recall, prepend=recall.new_zeros(1))
                at_hits = precision[gained > 0]
                return float(at_hits.mean()) if len(at_hits) else 0.0
            """,
            "This is the mean precision at the hits, over the objects *found*. One that is never "
            "found counts, too, with height 0: weigh each height by the recall it gains.",
        ),
    ),
    cases=_area_cases,
    praise='Equal to `average_precision(precision, recall, "area")`, the number of VOC since 2010.',
)


# ---------------------------------------------------------------------------- moves


moves = Exercise(
    notebook="nb01",
    key="moves",
    prompt=(
        "Write down `moves`, the four numbers that the explorers of suppression and of AP showed "
        "you: how many boxes stay, what is left of box 1's score, the largest AP of the three "
        "readings, and the AP at a score of 0.22 or more, both with three digits. A tuple, such as "
        "(3, 0.45, 0.721, 0.613), made up."
    ),
    stub="moves = ...",
    solution_source="moves = (7, 0.2234, 0.5627, 0.4965)",
    hints=(
        "Both explorers start as the tasks want them: hard, 0.50; threshold 0.14, area.",
        "Linear: the score that is left is the old one times (1 - IoU).",
        "Look at all three readings and keep the largest. Then set the reading back to area, and "
        "watch whether one of the detections that go was a hit.",
    ),
    wrong_answers=(
        WrongAnswer(
            "moves = (5, 0.22, 0.563, 0.497)",
            "Five is how many boxes are dropped, not how many stay.",
        ),
        WrongAnswer(
            "moves = (7, 0.59, 0.563, 0.497)",
            "0.59 is what the overlap takes from box 1: 0.81 * 0.724. Left is 0.81 * (1 - 0.724).",
        ),
        WrongAnswer(
            "moves = (7, 0.23, 0.563, 0.497)",
            "0.23 comes of an IoU that was rounded to 0.72. It is 0.724: the list shows what is "
            "left, with two digits.",
        ),
        WrongAnswer(
            "moves = (7, 0.22, 0.563, 0.559)",
            "The last AP does change: among the boxes under 0.22 was one hit. A threshold can "
            "only lower AP.",
        ),
        WrongAnswer(
            "moves = (7, 0.22, 0.563, 0.51)",
            "0.51 is the reading at 11 points above 0.22. Task 4 asks for the area.",
        ),
        WrongAnswer(
            "moves = (7, 0.22, 0.559, 0.497)",
            "0.559 is the area, and 11 points give 0.558. The third reading is larger.",
        ),
        WrongAnswer(
            "moves = (7, 0.81, 0.563, 0.497)",
            "0.81 is the score before the first step. Choose linear, go one step, and read the "
            "score of box 1 in the list.",
        ),
        WrongAnswer(
            "moves = (12, 0.22, 0.563, 0.497)",
            "Twelve boxes come in. Count those that stay after all steps, at hard and 0.50.",
        ),
    ),
    look_at=(
        "in the explorer of suppression, choose hard and 0.50, play all steps, and count the boxes "
        "that are kept.",
        "choose linear and go one step; the list says what is left of box 1.",
        "in the explorer of AP, at a threshold of 0.14, look at all three readings.",
        "in the explorer of AP, choose area and lift the threshold to 0.22.",
    ),
    praise="And you predicted some of it before you moved anything.",
    tolerance=0.0036,  # 0.56 and 0.50 pass, the area's 0.559 does not
)
