"""What the "predict, then move" tasks ask for is what the explorers' examples give."""

import torch

from detlearn import boxes, metrics
from detlearn.losses import hard_negative_mask
from detlearn.show import (
    AveragePrecisionExplorer,
    HardNegativesExplorer,
    MatchingExplorer,
    NMSExplorer,
)
from detlearn.teach.exercises import nb01, nb02, nb03


def test_notebook_01() -> None:
    example = NMSExplorer()
    found, scores = torch.as_tensor(example.boxes), torch.as_tensor(example.scores)
    stay = len(boxes.nms(found, scores, 0.5))
    left = float(scores[1] * (1 - boxes.box_iou(found[:1], found[1:2])))

    curve = AveragePrecisionExplorer()
    sure, hits = torch.as_tensor(curve.scores), torch.as_tensor(curve.hits)

    def ap(least: float, method: str) -> float:
        chosen = sure >= least
        precision, recall = metrics.precision_recall(sure[chosen], hits[chosen], curve.num_gt)
        return float(metrics.average_precision(precision, recall, method))

    largest = max(ap(0.0, method) for method in ("area", "11-point", "101-point"))
    assert nb01.moves.check((stay, left, largest, ap(0.22, "area")))


def test_notebook_02() -> None:
    ssd300 = boxes.SSD300_VOC_PRIORS
    x, y = (300 * boxes.PriorBox(ssd300).centers(2)[-1]).round().int().tolist()
    sizes = boxes.PriorBox(ssd300).sizes(5)
    place = boxes.PriorBox(ssd300).locate(5776)
    answer = ((x, y), int((sizes > 1).any(dim=1).sum()), (place.level, place.row, place.column))
    assert nb02.moves.check(answer)


def test_notebook_03() -> None:
    priors = boxes.make_priors(boxes.SSD300_VOC_PRIORS)
    objects = torch.as_tensor(MatchingExplorer(boxes.SSD300_VOC_PRIORS).boxes)
    positives = int((boxes.match(objects, priors, force=False).gt_index >= 0).sum())

    example = HardNegativesExplorer()
    loss = torch.as_tensor(example.class_loss)[None]
    labels = torch.as_tensor(example.target_labels)[None]

    def mined(ratio: float) -> int:
        return int(hard_negative_mask(loss, labels, ratio).sum())

    ranked_too = min(10 * int((labels > 0).sum()), labels.numel())
    answer = ((positives, 3 * positives), 0, mined(3.25) - mined(3.0), (mined(10.0), ranked_too))
    assert nb03.moves.check(answer)
