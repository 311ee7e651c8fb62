"""Exercises of notebook 00, Start here.

Keys: `count_detections`, `moves`, `to_fractions`.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from .framework import Case, Exercise, WrongAnswer

__all__ = ["count_detections", "moves", "to_fractions"]


def _detection_cases(generator: torch.Generator) -> Iterator[Case]:
    def detection(scores: list[float], labels: list[int]) -> dict[str, torch.Tensor]:
        return {
            "boxes": torch.tensor([[0.0, 0.0, 8.0, 8.0]]).expand(len(scores), 4).clone(),
            "scores": torch.tensor(scores),
            "labels": torch.tensor(labels, dtype=torch.int64),
        }

    yield detection([], []), 1, 0.5
    yield detection([0.75, 0.5, 0.25], [1, 1, 1]), 1, 0.5
    yield detection([0.75, 0.5, 0.25], [1, 2, 1]), 1, 0.125
    for _ in range(20):
        number = int(torch.randint(1, 30, (), generator=generator))
        scores = torch.rand(number, generator=generator).sort(descending=True).values
        labels = torch.randint(1, 4, (number,), generator=generator)
        label = int(torch.randint(1, 4, (), generator=generator))
        threshold = float(torch.rand((), generator=generator))
        yield detection(scores.tolist(), labels.tolist()), label, threshold


count_detections = Exercise(
    notebook="nb00",
    key="count_detections",
    prompt=(
        "Write `count_detections(detection, label, threshold)`: how many boxes of class `label` "
        "have a score of at least `threshold`? `detection` is one dictionary of those that "
        "`model.detect` returns."
    ),
    stub='''
    def count_detections(detection, label, threshold):
        """How many boxes of class label have a score of at least threshold?"""
        scores = detection["scores"]
        labels = detection["labels"]
        ...
    ''',
    solution_source='''
    def count_detections(detection, label, threshold):
        """How many boxes of class label have a score of at least threshold?"""
        scores = detection["scores"]
        labels = detection["labels"]
        wanted = (labels == label) & (scores >= threshold)
        return int(wanted.sum())
    ''',
    hints=(
        "`labels == label` is a tensor of truth values, one for each box. So is a comparison "
        "of the scores with the threshold.",
        "`a & b` is true where both are; put each comparison in parentheses.",
        "The sum of truth values is the number of true ones; `int(...)` makes it a number.",
    ),
    wrong_answers=(
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                return int((detection["scores"] >= threshold).sum())
            """,
            "You count the boxes of every class. Compare detection['labels'] with label, too.",
        ),
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                return int((detection["labels"] == label).sum())
            """,
            "You count the boxes of the class whatever their score: the threshold has no effect.",
        ),
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                wanted = (detection["labels"] == label) & (detection["scores"] > threshold)
                return int(wanted.sum())
            """,
            "A score that equals the threshold is at least the threshold: use >=, not >.",
        ),
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                wanted = (detection["labels"] == label) & (detection["scores"] >= threshold)
                return len(wanted)
            """,
            "len() of a mask counts all its entries, the false ones as well. The sum of a mask "
            "counts the true ones.",
        ),
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                return (detection["labels"] == label) & (detection["scores"] >= threshold)
            """,
            "This is the mask, one truth value for each box; the exercise asks for a number. "
            "Sum it.",
        ),
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                wanted = (detection["labels"] == label) | (detection["scores"] >= threshold)
                return int(wanted.sum())
            """,
            "`|` counts boxes that meet one of the two conditions. Both must hold: `&`.",
        ),
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                wanted = (detection["labels"] == label) and (detection["scores"] >= threshold)
                return int(wanted.sum())
            """,
            "`and` wants one truth value on each side, and here each side has one for every box. "
            "Between tensors write `&`, each comparison in parentheses.",
        ),
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                scores = detection["scores"][detection["labels"] == label]
                return float(scores[scores >= threshold].sum())
            """,
            "You have the right boxes, but you add up their scores. Count them: sum the mask, or "
            "take len().",
        ),
        WrongAnswer(
            """
            def count_detections(detection, label, threshold):
                wanted = (detection["labels"] == label + 1) & (detection["scores"] >= threshold)
                return int(wanted.sum())
            """,
            "You count another class, one further. Label 0 is the background already, so `label` "
            "can be compared as it is.",
        ),
    ),
    cases=_detection_cases,
    praise="The same three keys come out of every detector of the course.",
)


# What the explorer is asked is looked up in the weights that are there, whenever it is checked.
_LOOKED_UP = """
    from detlearn import boxes, load_model
    from detlearn.data import CocoDetectionDataset, data_path

    folder = data_path("shapes_val")
    scenes = CocoDetectionDataset(
        folder / "images", folder / "annotations.json"
    )
    image, target = scenes[109]
    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    (stack,) = model.detect([image], 0.5, iou_threshold=1.0)
    (found,) = model.detect([image], 0.5)
    (sure,) = model.detect([image], 0.9)

    area = boxes.box_area(found["boxes"])  # (D,)
    levels = [
        boxes.PriorBox(model.config.priors)
        .locate(int(found["priors"][which])).level
        for which in (area.argmax(), area.argmin())
    ]
    hits = boxes.box_iou(sure["boxes"], target["boxes"]) >= 0.5
    hits = hits & (sure["labels"][:, None] == target["labels"])
    objects = int(hits.any(dim=0).sum())
    moves = {moves}
"""
_ALL_THREE = '(len(stack["boxes"]), *levels, objects)'

moves = Exercise(
    notebook="nb00",
    key="moves",
    prompt=(
        "Write down `moves`, the four whole numbers that the explorer of detections showed you: "
        "boxes when nothing is suppressed, level of the largest box, level of the smallest, "
        "objects found at a score over 0.90. A tuple, such as (30, 3, 1, 6), made up."
    ),
    stub="moves = ...",
    solution_source=_LOOKED_UP.format(moves=_ALL_THREE),
    hints=(
        "The words below the sliders count boxes and objects; the table below them has the "
        "level and the size in pixels of every box.",
        "One slider at a time: 'IoU at most' up to 1.00 and back to 0.45, then 'score over' from "
        "0.50 up to 0.90.",
        "Level 0 is the finest map, with the smallest priors. A prior is moved and stretched, "
        "but not much: a box is about as large as the prior that it came from.",
    ),
    wrong_answers=(
        WrongAnswer(
            _LOOKED_UP.format(moves='(len(found["boxes"]), *levels, objects)'),
            "The first number is what stays while suppression is at work. Push 'IoU at most' up "
            "to 1.00 and read the headline again.",
        ),
        WrongAnswer(
            _LOOKED_UP.format(
                moves='(len(stack["boxes"]), levels[1], levels[0], objects)',
            ),
            "The two levels are swapped: first that of the largest box, then that of the smallest.",
        ),
        WrongAnswer(
            _LOOKED_UP.format(moves='(len(stack["boxes"]), levels[0] + 1, levels[1] + 1, objects)'),
            "Your levels are one too large. They count from 0, the finest map.",
        ),
        WrongAnswer(
            _LOOKED_UP.format(
                moves='(len(stack["boxes"]), *levels, len(target["boxes"]))',
            ),
            "The last number counts all the objects of the scene. How many are found once 'score "
            "over' stands at 0.90?",
        ),
        WrongAnswer(
            _LOOKED_UP.format(
                moves='(len(stack["boxes"]), *levels, len(target["boxes"]) - objects)',
            ),
            "The last number counts the objects that are lost. How many are still found?",
        ),
        WrongAnswer(
            _LOOKED_UP.format(
                moves='(len(stack["boxes"]), 3 - levels[0], 3 - levels[1], objects)',
            ),
            "You count the levels from the coarsest map. Level 0 is the finest, 32 x 32 cells.",
        ),
    ),
    look_at=(
        "with 'IoU at most' at 1.00 and 'score over' at 0.50, the headline counts the boxes.",
        "step through 'Look at box' and compare the sizes in the table; the largest box belongs to "
        "the large disc at the right edge.",
        "the smallest box in the table belongs to a cross; read the level in its row.",
        "with 'IoU at most' back at 0.45 and 'score over' at 0.90, the headline says how many of "
        "the objects are found.",
    ),
    praise=(
        "Small boxes come from fine maps and large ones from coarse maps; what you see of them, "
        "two thresholds decide."
    ),
)


def _box_cases(generator: torch.Generator) -> Iterator[Case]:
    yield torch.tensor([[50.0, 20.0, 150.0, 60.0]]), 100, 200
    yield torch.zeros(0, 4), 100, 200
    for _ in range(20):
        height, width = torch.randint(50, 500, (2,), generator=generator).tolist()
        corners = torch.rand(5, 2, 2, generator=generator).sort(dim=1).values.flatten(1)
        yield corners * torch.tensor([width, height, width, height]), height, width


to_fractions = Exercise(
    notebook="nb00",
    key="to_fractions",
    prompt=(
        "Write `to_fractions(boxes, height, width)`: boxes (N, 4) given as corners "
        "(x1, y1, x2, y2) in pixels become (cx, cy, w, h) in fractions of the image, the way "
        "priors are written. It must work for no boxes at all."
    ),
    stub='''
    def to_fractions(boxes, height, width):
        """Corners in pixels to centre and size in fractions of the image."""
        x1, y1, x2, y2 = boxes.unbind(-1)
        ...
    ''',
    solution_source='''
    def to_fractions(boxes, height, width):
        """Corners in pixels to centre and size in fractions of the image."""
        x1, y1, x2, y2 = boxes.unbind(-1)
        cx, cy = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
        w, h = (x2 - x1) / width, (y2 - y1) / height
        return torch.stack([cx, cy, w, h], dim=-1)
    ''',
    hints=(
        "The centre is the mean of two corners, the width their difference.",
        "A fraction of the image: what is measured along x is divided by the width, what is "
        "measured along y by the height.",
        "`torch.stack([cx, cy, w, h], dim=-1)` puts four tensors (N,) into one (N, 4).",
    ),
    wrong_answers=(
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                return torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], dim=-1)
            """,
            "Centre and size are right, but still in pixels: divide x and w by the width, y and "
            "h by the height.",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                return boxes / torch.tensor([width, height, width, height])
            """,
            "These are fractions, but still corners (x1, y1, x2, y2). Now form centre and size.",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy = (x1 + x2) / 2 / height, (y1 + y2) / 2 / width
                w, h = (x2 - x1) / height, (y2 - y1) / width
                return torch.stack([cx, cy, w, h], dim=-1)
            """,
            "Height and width are swapped: x runs along the width, y along the height. On a "
            "square image nobody would notice.",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                w, h = (x2 - x1) / width, (y2 - y1) / height
                return torch.stack([x1 / width, y1 / height, w, h], dim=-1)
            """,
            "The first two numbers are the upper left corner (that is COCO's xywh), not the "
            "centre. The centre is half a width and half a height further.",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
                w, h = (x2 - x1) / width, (y2 - y1) / height
                return torch.stack([cx, cy, w, h])
            """,
            "torch.stack without dim=-1 gives (4, N): one row for each coordinate. Wanted is one "
            "row for each box, (N, 4).",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy = (x1 + x2) / width, (y1 + y2) / height
                w, h = (x2 - x1) / width, (y2 - y1) / height
                return torch.stack([cx, cy, w, h], dim=-1)
            """,
            "Your centres are twice too large: the centre is the mean of two corners, half of "
            "their sum.",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                w, h = (x2 - x1) / width, (y2 - y1) / height
                return torch.stack([w / 2, h / 2, w, h], dim=-1)
            """,
            "Half of the width is where the centre lies inside the box. In the image it lies half "
            "a width beyond x1: add the corner.",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
                return torch.stack([cx, cy, x2 / width, y2 / height], dim=-1)
            """,
            "The last two numbers are the lower right corner. Wanted are width and height, the "
            "differences of the corners.",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
                w, h = (x2 - x1) / width, (y2 - y1) / height
                return torch.cat([cx, cy, w, h], dim=-1)
            """,
            "torch.cat writes the four tensors one behind the other, (4 N,). torch.stack with "
            "dim=-1 sets them side by side, (N, 4).",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
                w, h = (x2 - x1) / width, (y2 - y1) / height
                return [cx, cy, w, h]
            """,
            "This is a list of four tensors, one for each coordinate. `torch.stack(..., dim=-1)` "
            "makes one tensor (N, 4) of them.",
        ),
        WrongAnswer(
            """
            def to_fractions(boxes, height, width):
                x1, y1, x2, y2 = boxes.unbind(-1)
                cx, cy = (x1 + x2) / 2 / width, (y1 + y2) / 2 / height
                return torch.tensor([cx, cy, (x2 - x1) / width, (y2 - y1) / height])
            """,
            "`torch.tensor([...])` wants plain numbers, and these are four tensors (N,). "
            "`torch.stack([...], dim=-1)` joins tensors, to (N, 4).",
        ),
    ),
    cases=_box_cases,
    praise="Priors and boxes can now be compared, whatever the size of the image.",
)
