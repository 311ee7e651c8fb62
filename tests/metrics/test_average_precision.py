"""Average precision of one class, by hand: matching, the curve, the area below it."""

import math

import pytest
import torch

from detlearn.metrics import (
    average_precision,
    coco_evaluate,
    coco_map_by_hand,
    match_detections,
    precision_recall,
    voc_evaluate,
)
from tests import golden_scheme as scheme
from tests.metrics.cases import HEADLINES, NAMES


# ---------------------------------------------------------------- one example, in full
def test_three_detections_written_out():
    """Two cats. Best detection right, second beside, third right."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [40, 40, 50, 50], [20, 0, 30, 10]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    cats = torch.tensor([[0.0, 0, 10, 10], [20, 0, 30, 10]])

    found = match_detections(boxes, scores, cats)
    assert found.hits.tolist() == [True, False, True]
    assert found.gt_index.tolist() == [0, -1, 1]
    assert not found.ignored.any()

    curve = precision_recall(scores, found.hits, num_gt=2)
    assert curve.precision.tolist() == [1 / 1, 1 / 2, 2 / 3]
    assert curve.recall.tolist() == [1 / 2, 1 / 2, 2 / 2]

    # The envelope is 1 up to recall 0.5 and 2/3 from there to 1.
    area = 0.5 * 1 + 0.5 * 2 / 3
    eleven = (6 * 1 + 5 * 2 / 3) / 11  # 0, .1, .2, .3, .4, .5 and .6 … 1
    hundred = (51 * 1 + 50 * 2 / 3) / 101
    assert average_precision(*curve, method="area") == pytest.approx(area)
    assert average_precision(*curve, method="11-point") == pytest.approx(eleven)
    assert average_precision(*curve, method="101-point") == pytest.approx(hundred)

    given = [{"boxes": boxes, "scores": scores, "labels": torch.ones(3, dtype=torch.int64)}]
    wanted = [{"boxes": cats, "labels": torch.ones(2, dtype=torch.int64)}]
    assert voc_evaluate(given, wanted, NAMES)["mAP"] == pytest.approx(eleven)
    assert voc_evaluate(given, wanted, NAMES, method="area")["mAP"] == pytest.approx(area)
    for evaluate in (coco_evaluate, coco_map_by_hand):
        result = evaluate(given, wanted, NAMES)
        assert result["mAP"] == result["mAP50"] == result["AP/cat"] == pytest.approx(hundred)
        assert result["mAP_small"] == pytest.approx(hundred)
        assert result["AR100"] == 1.0
        assert list(result) == [*HEADLINES, "AP/cat", "AP/dog"]


# ---------------------------------------------------------------- 1. matching
A = [0.0, 0, 10, 10]
HALF = [0.0, 0, 10, 5]  # IoU with A: 50 / 100
B = [2.0, 0, 12, 10]  # IoU with A: 80 / 120


@pytest.mark.parametrize(
    ("boxes", "objects", "options", "coco", "voc"),
    [
        pytest.param([], [], {}, "", "", id="nothing at all"),
        pytest.param([], [A], {}, "", "", id="no detection"),
        pytest.param([A], [], {}, "-", "-", id="no object"),
        pytest.param([A, A], [A], {}, "+-", "+-", id="found twice: the second is wrong"),
        pytest.param([HALF], [A], {}, "+", "-", id="IoU exactly 0.5: COCO takes it"),
        pytest.param([A, A], [A, B], {}, "++", "+-", id="VOC looks at the best object only"),
        pytest.param([A, A], [A], {"ignore": [True]}, "o-", "oo", id="ignored object"),
        pytest.param([A, A, A], [A], {"crowd": [True]}, "ooo", "ooo", id="crowd takes all"),
        pytest.param([HALF], [A], {"crowd": [True], "iou_threshold": 0.9}, "o", "o",
                     id="inside a crowd: its own area counts"),
        pytest.param([A], [A, B], {"ignore": [True, False]}, "+", "o",
                     id="COCO: an object that counts goes first, though it fits less"),
        pytest.param([A, A], [A, A], {"crowd": [False, True]}, "+o", "+-",
                     id="the rest goes to the crowd"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rule", ["coco", "voc"])
def test_matching_rules(boxes, objects, options, coco, voc, rule):
    """+ hit, - wrong, o ignored; scores fall from left to right."""
    options = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()}
    boxes = torch.tensor(boxes).reshape(-1, 4)
    scores = torch.linspace(0.9, 0.1, len(boxes))
    found = match_detections(
        boxes, scores, torch.tensor(objects).reshape(-1, 4), rule=rule, **options
    )
    got = "".join(
        "+" if h else "o" if i else "-" for h, i in zip(found.hits, found.ignored, strict=True)
    )
    assert got == (coco if rule == "coco" else voc)
    assert found.hits.dtype == found.ignored.dtype == torch.bool
    assert torch.equal(found.gt_index >= 0, found.hits | found.ignored)


def test_best_score_goes_first_and_ties_go_to_the_earlier_detection():
    boxes, objects = torch.tensor([A, A, A]), torch.tensor([A])
    assert match_detections(boxes, torch.tensor([0.1, 0.3, 0.2]), objects).gt_index.tolist() == [
        -1,
        0,
        -1,
    ]
    assert match_detections(boxes, torch.tensor([0.1, 0.3, 0.3]), objects).gt_index.tolist() == [
        -1,
        0,
        -1,
    ]


def test_ties_of_iou():
    boxes, scores, twins = torch.tensor([A]), torch.tensor([0.5]), torch.tensor([A, A])
    assert match_detections(boxes, scores, twins, rule="coco").gt_index.tolist() == [1]
    assert match_detections(boxes, scores, twins, rule="voc").gt_index.tolist() == [0]


def test_boxes_without_area_match_nothing():
    line = torch.tensor([[5.0, 0.0, 5.0, 10.0]])
    for crowd in (None, torch.tensor([True])):
        found = match_detections(line, torch.tensor([0.9]), torch.tensor([A]), 0.01, crowd=crowd)
        assert found.gt_index.tolist() == [-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rule": "pascal"}, "rule: expected 'coco' or 'voc', got 'pascal'"),
        (
            {"scores": torch.zeros(2)},
            r"scores: expected shape \(1,\), one for each of boxes, got \(2,\)",
        ),
        ({"crowd": torch.zeros(2)}, r"crowd: expected shape \(1,\), one for each of gt_boxes"),
        ({"ignore": torch.zeros(3)}, r"ignore: expected shape \(1,\).*got \(3,\)"),
    ],
)
def test_match_refuses(change, message):
    right = {"boxes": torch.tensor([A]), "scores": torch.zeros(1), "gt_boxes": torch.tensor([A])}
    with pytest.raises(ValueError, match=message):
        match_detections(**{**right, **change})


# ---------------------------------------------------------------- 2. precision and recall
def test_precision_recall_sorts_and_leaves_out():
    scores = torch.tensor([0.1, 0.9, 0.5, 0.7])
    hits = torch.tensor([True, True, False, False])
    ignored = torch.tensor([False, False, False, True])
    curve = precision_recall(scores, hits, 4, ignored)
    assert curve.precision.tolist() == [1, 1 / 2, 2 / 3]
    assert curve.recall.tolist() == [0.25, 0.25, 0.5]
    assert curve.precision.dtype == curve.recall.dtype == torch.float64


def test_equal_scores_keep_their_order():
    curve = precision_recall(torch.full((20,), 0.5), torch.arange(20) >= 10, 10)
    assert curve.recall[9] == 0
    assert curve.precision[-1] == 0.5


def test_precision_recall_of_nothing():
    none = torch.zeros(0)
    assert [len(part) for part in precision_recall(none, none.bool(), 3)] == [0, 0]
    assert average_precision(*precision_recall(none, none.bool(), 3)) == 0.0
    curve = precision_recall(torch.tensor([0.5]), torch.tensor([False]), 0)
    assert curve.recall.isnan().all()
    for method in ("area", "11-point", "101-point"):
        assert math.isnan(average_precision(*curve, method=method))


def test_precision_recall_refuses():
    with pytest.raises(ValueError, match="num_gt: expected at least the number of hits, 2, got 1"):
        precision_recall(torch.zeros(2), torch.ones(2).bool(), 1)
    with pytest.raises(ValueError, match=r"hits: expected shape \(2,\)"):
        precision_recall(torch.zeros(2), torch.ones(3).bool(), 3)
    with pytest.raises(ValueError, match=r"ignored: expected shape \(2,\)"):
        precision_recall(torch.zeros(2), torch.ones(2).bool(), 3, torch.zeros(1).bool())


# ---------------------------------------------------------------- 3. average precision
@pytest.mark.parametrize(
    ("hits", "num_gt", "eleven", "area"),
    [
        pytest.param([0, 0, 0], 2, 0, 0, id="all wrong"),
        pytest.param([1], 1, 1, 1, id="perfect"),
        pytest.param([1, 0, 0, 0], 1, 1, 1, id="mistakes after the last object cost nothing"),
        pytest.param([0, 1], 1, 1 / 2, 1 / 2, id="a mistake before it halves"),
        pytest.param([1, 0, 0], 4, 3 / 11, 1 / 4, id="recall beyond 1/4 is never reached"),
        pytest.param([0, 1, 1, 1], 4, 8 / 11 * 3 / 4, 3 / 4 * 3 / 4, id="the envelope looks right"),
        pytest.param([1] * 3, 10, 3 / 11, 3 / 10, id="3 of 10 do not reach 0.30000000000000004"),
    ],
)
def test_average_precision_by_hand(hits, num_gt, eleven, area):
    scores = torch.linspace(0.9, 0.1, len(hits))
    curve = precision_recall(scores, torch.tensor(hits).bool(), num_gt)
    assert average_precision(*curve, method="11-point") == pytest.approx(eleven)
    assert average_precision(*curve, method="area") == pytest.approx(area)


@pytest.mark.parametrize("number", [0, 1])
def test_golden_voc_ap(number):
    case = scheme.load_golden("refinedet_boxes")["voc_ap"][number]
    hits = torch.tensor(case["tp"]).bool()
    num_gt = int(case["input"].rpartition("npos=")[2])
    curve = precision_recall(torch.linspace(1, 0, len(hits)), hits, num_gt)
    assert average_precision(*curve, method="11-point") == pytest.approx(
        case["ap_11point"], abs=1e-9
    )
    assert average_precision(*curve, method="area") == pytest.approx(case["ap_area"], abs=1e-9)


def test_average_precision_refuses():
    x = torch.tensor([0.5, 0.4])
    with pytest.raises(ValueError, match="method: expected .* got '10-point'"):
        average_precision(x, x, "10-point")
    with pytest.raises(ValueError, match="recall: expected values that never fall"):
        average_precision(x, x)
    with pytest.raises(ValueError, match=r"recall: expected shape \(2,\)"):
        average_precision(x, x[:1])
