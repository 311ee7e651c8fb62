"""Average precision: by hand, as VOC, as COCO; by hand equals pycocotools."""

import ast
import contextlib
import inspect
import io
import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from detlearn import metrics
from detlearn.metrics import (
    COCO_AREAS,
    average_precision,
    best_score_threshold,
    coco_curves,
    coco_evaluate,
    coco_map_by_hand,
    confusion_matrix,
    detection_errors,
    error_kinds,
    errors_by_size,
    explain_errors,
    leave_out_ignored,
    match_detections,
    precision_recall,
    voc_evaluate,
)
from tests import golden_scheme as scheme

NAMES = ("background", "cat", "dog")
EVALUATORS = pytest.mark.parametrize("evaluate", [voc_evaluate, coco_evaluate, coco_map_by_hand])
HEADLINES = ["mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large", "AR100"]


def detection(*rows: tuple) -> dict[str, Tensor]:
    """Rows (x1, y1, x2, y2, score, label)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    return {"boxes": table[:, :4], "scores": table[:, 4], "labels": table[:, 5].long()}


def target(*rows: tuple, **more) -> dict:
    """Rows (x1, y1, x2, y2, label)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return {"boxes": table[:, :4], "labels": table[:, 4].long(), **more}


def same(a: dict[str, float], b: dict[str, float], tolerance: float = 1e-6) -> None:
    assert list(a) == list(b)
    for key in a:
        assert a[key] == pytest.approx(b[key], abs=tolerance, nan_ok=True), key


# ---------------------------------------------------------------- nothing there
NOTHING, CAT = detection(), (0, 0, 10, 10, 1)


@EVALUATORS
@pytest.mark.parametrize(
    ("detections", "targets", "mean", "cat"),
    [
        pytest.param([], [], math.nan, math.nan, id="no images"),
        pytest.param([NOTHING], [target()], math.nan, math.nan, id="an empty image, rightly"),
        pytest.param([NOTHING], [target(CAT)], 0.0, 0.0, id="no detections"),
        pytest.param(
            [detection((0, 0, 10, 10, 0.9, 1))], [target()], math.nan, math.nan, id="no objects"
        ),
        pytest.param(
            [detection((0, 0, 10, 10, 0.9, 2))], [target(CAT)], 0.0, 0.0, id="the other class"
        ),
        pytest.param(
            [NOTHING, detection((0, 0, 10, 10, 0.9, 1))],
            [target(), target(CAT)],
            1.0,
            1.0,
            id="an empty image beside a right one",
        ),
        pytest.param(
            [detection((0, 0, 10, 10, 0.8, 1)), detection((0, 0, 10, 10, 0.9, 1))],
            [target(CAT), target()],
            0.5,
            0.5,
            id="a better scored mistake on an empty image counts",
        ),
    ],
)
def test_empty_cases(evaluate, detections, targets, mean, cat):
    result = evaluate(detections, targets, NAMES)
    assert result["mAP"] == pytest.approx(mean, nan_ok=True)
    assert result["AP/cat"] == pytest.approx(cat, nan_ok=True)
    assert math.isnan(result["AP/dog"])


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


# ---------------------------------------------------------------- VOC
def random_scenes(seed: int, images=6, k=4, most_boxes=30, most_objects=8, grid=1.0):
    """Detections around objects, on a grid: many duplicates, equal scores, IoUs at thresholds."""
    g = torch.Generator().manual_seed(seed)

    def whole(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=g)

    detections, targets = [], []
    for _ in range(images):
        G, D = int(whole(0, most_objects + 1)), int(whole(0, most_boxes + 1))
        corner, size = whole(0, 200, G, 2), whole(5, 130, G, 2)
        objects, labels = torch.cat([corner, corner + size], 1) / grid, whole(1, k, G)
        if G:
            source = whole(0, G, D)
            moved = objects[source] + whole(-8, 9, D, 4) / grid
            boxes = torch.cat(
                [moved[:, :2].minimum(moved[:, 2:]), moved[:, :2].maximum(moved[:, 2:])], 1
            )
            found = torch.where(torch.rand(D, generator=g) < 0.8, labels[source], whole(1, k, D))
        else:
            corner = 100 * torch.rand(D, 2, generator=g)
            boxes = torch.cat([corner, corner + 100 * torch.rand(D, 2, generator=g)], 1)
            found = whole(1, k, D)
        detections.append({"boxes": boxes, "scores": whole(0, 12, D) / 12, "labels": found})
        targets.append(
            {
                "boxes": objects,
                "labels": labels,
                "iscrowd": (torch.rand(G, generator=g) < 0.15).long(),
                "difficult": (torch.rand(G, generator=g) < 0.2).long(),
            }
        )
    return detections, targets


def voc_by_the_book(detections, targets, label, method) -> float:
    """One list over all images, sorted once, in numpy: VOC's procedure as the devkit tells it."""
    rows, npos, taken = [], 0, set()
    for image, (d, t) in enumerate(zip(detections, targets, strict=True)):
        npos += int(((t["labels"] == label) & (t["difficult"] == 0)).sum())
        rows += [
            (-score, image, i)
            for i, (score, own) in enumerate(
                zip(d["scores"].tolist(), d["labels"].tolist(), strict=True)
            )
            if own == label
        ]
    tp, fp = [], []
    for _, image, i in sorted(rows):
        x = detections[image]["boxes"][i].double().numpy()
        best, index = -1.0, None
        for j, own in enumerate(targets[image]["labels"].tolist()):
            if own != label:
                continue
            y = targets[image]["boxes"][j].double().numpy()
            side = np.clip(np.minimum(x[2:], y[2:]) - np.maximum(x[:2], y[:2]), 0, None)
            both = side[0] * side[1]
            iou = both / ((x[2] - x[0]) * (x[3] - x[1]) + (y[2] - y[0]) * (y[3] - y[1]) - both)
            if iou > best:
                best, index = iou, j
        if best > 0.5 and targets[image]["difficult"][index]:
            continue
        right = best > 0.5 and (image, index) not in taken
        if right:
            taken.add((image, index))
        tp.append(right)
        fp.append(not right)
    if npos == 0:
        return math.nan
    recall = np.cumsum(tp) / npos
    precision = np.cumsum(tp) / np.maximum(np.cumsum(tp) + np.cumsum(fp), 1)
    if method == "11-point":
        best = [precision[recall >= t].max(initial=0) for t in np.arange(0.0, 1.1, 0.1)]
        return float(np.mean(best))
    steps = np.diff(recall, prepend=0.0)
    return float(sum(s * precision[i:].max() for i, s in enumerate(steps)))


@pytest.mark.parametrize("method", ["11-point", "area"])
def test_voc_equals_the_book(method):
    for seed in range(25):
        detections, targets = random_scenes(seed, most_objects=[3, 8][seed % 2])
        for t in targets:
            del t["iscrowd"]  # VOC knows none
        result = voc_evaluate(detections, targets, ("background", "a", "b", "c"), method=method)
        book = [voc_by_the_book(detections, targets, label, method) for label in (1, 2, 3)]
        assert [result["AP/a"], result["AP/b"], result["AP/c"]] == pytest.approx(book, nan_ok=True)
        assert result["mAP"] == pytest.approx(float(np.nanmean(book)))


def test_voc_difficult():
    two = target(CAT, (20, 0, 30, 10, 1), difficult=torch.tensor([0, 1]))
    right = (0, 0, 10, 10, 0.5, 1)
    easy_only = voc_evaluate([detection(right)], [two], NAMES)
    assert easy_only["mAP"] == 1.0  # the difficult one need not be found
    both = detection(right, (20, 0, 30, 10, 0.9, 1), (20, 0, 30, 10, 0.8, 1))
    assert voc_evaluate([both], [two], NAMES)["mAP"] == 1.0  # nor is finding it, twice, wrong
    two["iscrowd"] = two.pop("difficult")
    assert voc_evaluate([both], [two], NAMES)["mAP"] == 1.0  # a crowd is treated alike


def test_voc_options():
    half = [detection((0, 0, 10, 6, 0.9, 1))]
    assert voc_evaluate(half, [target(CAT)], NAMES)["mAP"] == 1.0
    assert voc_evaluate(half, [target(CAT)], NAMES, iou_threshold=0.7)["mAP"] == 0.0
    with pytest.raises(ValueError, match="method: expected '11-point' or 'area', got '101-point'"):
        voc_evaluate(half, [target(CAT)], NAMES, method="101-point")


# ---------------------------------------------------------------- COCO
@pytest.mark.parametrize("seed", range(60))
def test_by_hand_equals_pycocotools(seed):
    k = [2, 4, 9][seed % 3]
    detections, targets = random_scenes(
        seed,
        k=k,
        most_boxes=[0, 6, 30, 250][seed % 4],
        most_objects=[0, 3, 8][seed // 4 % 3],
        grid=[1.0, 1.7][seed % 2],
    )
    names = ["background", *(f"class {i}" for i in range(1, k))]
    same(coco_map_by_hand(detections, targets, names), coco_evaluate(detections, targets, names))


def test_the_random_cases_mean_something():
    """They have crowds, ties, every size, more than 100 detections of a class, and middling AP."""
    detections, targets = random_scenes(23, k=2, most_boxes=250)
    assert any(t["iscrowd"].any() for t in targets)
    assert max(len(d["labels"]) for d in detections) > 100
    assert all(len(d["scores"].unique()) < 13 for d in detections)
    result = coco_evaluate(detections, targets, ("background", "x"))
    assert all(0.02 < result[key] < 0.98 for key in HEADLINES)


def test_coco_keys_are_what_pycocotools_prints():
    """An independent call of the reference, with its own summary."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    detections, targets = random_scenes(5, most_boxes=60)
    rows, found = [], []
    for image, (d, t) in enumerate(zip(detections, targets, strict=True)):
        for box, label, crowd in zip(t["boxes"], t["labels"], t["iscrowd"], strict=True):
            x1, y1, x2, y2 = box.tolist()
            rows.append({"id": len(rows) + 1, "image_id": image, "bbox": [x1, y1, x2 - x1, y2 - y1],
                         "category_id": int(label), "iscrowd": int(crowd),
                         "area": (x2 - x1) * (y2 - y1)})  # fmt: skip
        for box, label, score in zip(d["boxes"], d["labels"], d["scores"], strict=True):
            x1, y1, x2, y2 = box.tolist()
            found.append({"image_id": image, "bbox": [x1, y1, x2 - x1, y2 - y1],
                          "category_id": int(label), "score": float(score)})  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "info": {},
            "images": [{"id": i} for i in range(len(targets))],
            "categories": [{"id": label} for label in (1, 2, 3)],
            "annotations": rows,
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    result = coco_evaluate(detections, targets, ("background", "a", "b", "c"))
    expected = [evaluation.stats[i] for i in (0, 1, 2, 3, 4, 5, 8)]
    assert [result[key] for key in HEADLINES] == pytest.approx(expected, abs=1e-12)
    assert np.mean([result[f"AP/{name}"] for name in "abc"]) == pytest.approx(result["mAP"])


def test_iou_thresholds_by_hand():
    """IoU 0.75 is a hit at 0.50, 0.55, 0.60, 0.65, 0.70 and 0.75: six of ten."""
    found, wanted = [detection((0, 0, 12, 10, 0.9, 1))], [target((0, 0, 16, 10, 1))]
    for evaluate in (coco_evaluate, coco_map_by_hand):
        result = evaluate(found, wanted, NAMES)
        assert [result[key] for key in ("mAP", "mAP50", "mAP75")] == pytest.approx([0.6, 1, 1])
        assert result["AR100"] == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("side", "area", "sizes"),
    [
        pytest.param(31, None, {"small"}, id="below 32"),
        pytest.param(32, None, {"small", "medium"}, id="both ranges own their border"),
        pytest.param(96, None, {"medium", "large"}, id="likewise"),
        pytest.param(97, None, {"large"}, id="above 96"),
        pytest.param(97, 1000.0, {"small"}, id="the given area counts, not that of the box"),
    ],
)
def test_areas(side, area, sizes):
    wanted = target((0, 0, side, side, 1))
    if area is not None:
        wanted["area"] = torch.tensor([area])
    found = [detection((0, 0, side, side, 0.9, 1))]
    for evaluate in (coco_evaluate, coco_map_by_hand):
        result = evaluate(found, [wanted], NAMES)
        assert {
            s for s in COCO_AREAS if s != "all" and result[f"mAP_{s}"] == pytest.approx(1)
        } == sizes


@pytest.mark.parametrize("evaluate", [coco_evaluate, coco_map_by_hand])
def test_hundred_per_image_and_class(evaluate):
    wrong = [(50, 50, 60, 60, 0.9, 1)] * 99
    right = (0, 0, 10, 10, 0.5, 1)
    others = [(50, 50, 60, 60, 0.9, 2)] * 50  # another class takes no place away
    counted = evaluate([detection(*wrong, right, *others)], [target(CAT)], NAMES)
    assert counted["AR100"] == 1.0
    left_out = evaluate([detection(*wrong, wrong[0], right)], [target(CAT)], NAMES)
    assert left_out["AR100"] == 0.0


def test_image_ids_are_exact_and_break_ties():
    """2^24 and 2^24 + 1 are one number in float32.  Of equal scores the lower id goes first."""
    big = 2**24
    hit, miss = detection((0, 0, 10, 10, 0.5, 1)), detection((50, 50, 60, 60, 0.5, 1))
    for ids, ap in (((big, big + 1), 0.504950495), ((big + 1, big), 0.252475247)):
        targets = [target(CAT, image_id=i) for i in ids]
        for evaluate in (coco_evaluate, coco_map_by_hand):
            assert evaluate([hit, miss], targets, NAMES)["mAP"] == pytest.approx(ap)
        targets = [target(CAT, image_id=torch.tensor([i])) for i in ids]
        assert coco_evaluate([hit, miss], targets, NAMES)["mAP"] == pytest.approx(ap)


def test_names_used_twice_and_names_left_out():
    names = ("__background__", "cat", "N/A", "N/A")
    result = coco_evaluate([detection((0, 0, 10, 10, 0.9, 1))], [target(CAT)], names)
    assert list(result)[len(HEADLINES) :] == ["AP/cat", "AP/N/A#2", "AP/N/A#3"]
    by_label = coco_map_by_hand([detection((0, 0, 10, 10, 0.9, 3))], [target(CAT)])
    assert list(by_label)[len(HEADLINES) :] == ["AP/1", "AP/2", "AP/3"]
    assert math.isnan(coco_map_by_hand([], [])["mAP"])


def test_coco_is_silent_but_its_errors_are_not(capfd, monkeypatch):
    from pycocotools import cocoeval

    coco_evaluate([NOTHING], [target(CAT)], NAMES)
    coco_evaluate([detection((0, 0, 10, 10, 0.9, 1))], [target(CAT)], NAMES)
    assert capfd.readouterr() == ("", "")

    def fail(self: object) -> None:
        raise RuntimeError("from inside")

    monkeypatch.setattr(cocoeval.COCOeval, "accumulate", fail)
    with pytest.raises(RuntimeError, match="from inside"):
        coco_evaluate([NOTHING], [target(CAT)], NAMES)
    print("still here")
    assert capfd.readouterr().out == "still here\n"


def test_pycocotools_is_loaded_when_needed_only():
    module = ast.parse(inspect.getsource(metrics))
    imports = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert not [node for node in imports if "pycocotools" in ast.unparse(node)]


# ---------------------------------------------------------------- the border
@EVALUATORS
def test_inputs_may_be_tv_tensors_with_gradients_and_stay_as_they_are(evaluate):
    box = torch.tensor([[0.0, 0, 10, 10]])
    wanted = target(CAT, image_id=7, area=[100.0], iscrowd=[0])
    wanted["boxes"] = tv_tensors.BoundingBoxes(box, format="XYXY", canvas_size=(20, 20))
    found = detection((0, 0, 10, 10, 0.9, 1))
    found["boxes"], found["scores"] = box.clone().requires_grad_(), found["scores"].half()
    keys = sorted(found), sorted(wanted)
    first = evaluate([found], [wanted], NAMES)
    assert first["mAP"] == pytest.approx(1.0)
    same(first, evaluate((found,), (wanted,), list(NAMES)), tolerance=0)
    assert (sorted(found), sorted(wanted)) == keys
    assert torch.equal(found["boxes"], box) and torch.equal(wanted["boxes"], box)
    assert json.loads(json.dumps(first)).keys() == first.keys()


@EVALUATORS
def test_a_degenerate_detection_is_a_mistake_not_an_error(evaluate):
    line, right = (10, 0, 10, 10, 0.9, 1), (0, 0, 10, 10, 0.8, 1)
    assert evaluate([detection(line, right)], [target(CAT)], NAMES)["mAP"] == pytest.approx(0.5)


RIGHT = detection((0, 0, 10, 10, 0.9, 1))


@EVALUATORS
@pytest.mark.parametrize(
    ("detections", "targets", "message"),
    [
        ([], [target()], r"detections: expected one dict per target, 1, got 0 .*\(0, 4\)"),
        ([RIGHT, RIGHT], [target()], "expected one dict per target, 1, got 2"),
        (RIGHT, [target()], "detections: expected a list with one dict per image, got dict"),
        ([RIGHT], target(), "targets: expected a list with one dict per image, got dict"),
        ([RIGHT["boxes"]], [target()], r"detections\[0\]: expected a dict, got Tensor"),
        ([{"boxes": RIGHT["boxes"], "labels": RIGHT["labels"]}], [target()],
         r"detections\[0\]: key 'scores' is missing, it has \['boxes', 'labels'\]"),
        ([RIGHT], [{"boxes": torch.zeros(0, 4)}], r"targets\[0\]: key 'labels' is missing"),
        ([NOTHING, {**RIGHT, "labels": torch.tensor([0])}], [target(image_id=3), target(image_id=17)],
         r"detections\[1\] \(image_id 17\): labels\[0\] is 0: expected 1 to 2 \(0 is the background"),
        ([{**RIGHT, "labels": torch.tensor([3])}], [target()], r"labels\[0\] is 3: expected 1 to 2"),
        ([{**RIGHT, "labels": torch.tensor([1.0])}], [target()], "expected integer labels .*float32"),
        ([{**RIGHT, "labels": torch.tensor([1, 1])}], [target()], r"labels: expected shape \(1,\)"),
        ([{**RIGHT, "scores": torch.tensor([math.nan])}], [target()],
         r"scores\[0\] is nan: expected a finite number"),
        ([{**RIGHT, "scores": torch.tensor([math.inf])}], [target()], r"scores\[0\] is inf"),
        ([{**RIGHT, "scores": torch.tensor([[0.5]])}], [target()], r"scores: expected shape \(1,\)"),
        ([{**RIGHT, "scores": [0.5]}], [target()], "expected a tensor of scores, got list"),
        ([{**RIGHT, "boxes": torch.zeros(4)}], [target()], r"expected boxes of shape \(D, 4\), got \(4,\)"),
        ([{**RIGHT, "boxes": torch.tensor([[0.0, 0, math.nan, 1]])}], [target()],
         r"boxes\[0\] is \[0.0, 0.0, nan, 1.0\]: expected finite coordinates"),
        ([{**RIGHT, "boxes": torch.tensor([[5.0, 0, 4.5, 1]])}], [target()],
         r"boxes\[0\] is \[5.0, 0.0, 4.5, 1.0\]: expected x1 <= x2"),
        ([NOTHING], [target((0, 0, 10, 10, 0))], r"targets\[0\].*label 0 is 0"),
        ([NOTHING], [target((0, 0, 10, 10, 3))], r"targets\[0\].*below num_classes = 3"),
        ([NOTHING], [target((10, 0, 10, 10, 1), image_id=5)],
         r"targets\[0\] \(image_id 5\): box 0 is .* expected x1 < x2"),
        ([NOTHING], [target(CAT, iscrowd=[0, 0])], r"targets\[0\]: iscrowd: expected shape \(1,\)"),
        ([NOTHING], [target(CAT, difficult=torch.zeros(0))], r"difficult: expected shape \(1,\)"),
        ([NOTHING], [target(CAT, area=torch.tensor([-1.0]))], r"area 0 is -1.0: expected a finite"),
        ([NOTHING], [target(CAT, area=torch.tensor([math.nan]))], "area 0 is nan"),
        ([NOTHING], [target(image_id=3.0)], r"targets\[0\]: expected an integer image_id .*got 3.0"),
        ([NOTHING], [target(image_id="000005")], r"expected an integer image_id .*got '000005'"),
        ([NOTHING] * 2, [target(image_id=3), target(image_id=3)],
         r"targets\[1\]: image_id 3 is that of targets\[0\], too"),
        ([NOTHING] * 2, [target(image_id=3), target()],
         r"targets\[1\]: key 'image_id' is missing, but targets\[0\] has one"),
    ],
)  # fmt: skip
def test_wrong_data_is_refused_in_a_sentence(evaluate, detections, targets, message):
    with pytest.raises(ValueError, match=message):
        evaluate(detections, targets, NAMES)


@pytest.mark.parametrize("detections", [[RIGHT["boxes"]], RIGHT, [{"labels": [1]}]])
def test_names_from_labels_do_not_stumble_over_wrong_data(detections):
    with pytest.raises(ValueError, match=r"^detections"):
        coco_map_by_hand(detections, [target()])


@EVALUATORS
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("cat", "class_names: expected a list of at least two names"),
        (("background",), "at least two names"),
        (("cat", "dog"), r"expected 'background' as the first name \(it is label 0\), got 'cat'"),
    ],
)
def test_class_names_begin_with_the_background(evaluate, names, message):
    with pytest.raises(ValueError, match=message):
        evaluate([NOTHING], [target()], names)


# ---------------------------------------------------------------- errors by kind
DOG = (20, 0, 30, 10, 2)


@pytest.mark.parametrize(
    ("found", "truth", "kinds"),
    [
        pytest.param((), (), [], id="nothing, nothing"),
        pytest.param((), (CAT,), [], id="nothing found"),
        pytest.param(((0, 0, 10, 10, 0.9, 1),), (), ["on background"], id="no objects"),
        pytest.param(((0, 0, 10, 10, 0.9, 1),), (CAT,), ["correct"], id="the cat"),
        pytest.param(((0, 0, 10, 5, 0.9, 1),), (CAT,), ["correct"], id="IoU 0.5 is enough"),
        pytest.param(((0, 0, 10, 4, 0.9, 1),), (CAT,), ["badly placed"], id="IoU 0.4 is not"),
        pytest.param(((0, 0, 10, 1, 0.9, 1),), (CAT,), ["badly placed"], id="IoU 0.1 overlaps"),
        pytest.param(((0, 0, 9, 1, 0.9, 1),), (CAT,), ["on background"], id="IoU 0.09 does not"),
        pytest.param(((0, 0, 10, 10, 0.9, 2),), (CAT,), ["wrong class"], id="the dog is a cat"),
        pytest.param(((0, 0, 10, 4, 0.9, 2),), (CAT,), ["badly placed"], id="both wrong"),
        pytest.param(
            ((0, 0, 10, 10, 0.6, 1), (0, 0, 10, 8, 0.9, 1), (0, 0, 10, 10, 0.7, 2)),
            (CAT,),
            ["duplicate", "correct", "wrong class"],
            id="the better score takes it, not the better box",
        ),
        pytest.param(
            ((0, 0, 10, 10, 0.9, 1), (0, 0, 10, 10, 0.8, 1)),
            (CAT, (0, 0, 10, 9, 1)),
            ["correct", "correct"],
            id="two cats under two boxes",
        ),
        pytest.param(
            ((20, 0, 30, 10, 0.5, 2), (0, 0, 10, 10, 0.5, 1)), (CAT, DOG), ["correct"] * 2,
            id="a cat and a dog",
        ),
    ],
)  # fmt: skip
def test_kinds_of_errors(found, truth, kinds):
    assert error_kinds(detection(*found), target(*truth)) == kinds


def test_errors_are_counted_over_images():
    counts = detection_errors(
        [detection((0, 0, 10, 10, 0.9, 1), (0, 0, 10, 10, 0.8, 1)), NOTHING, NOTHING],
        [target(CAT, DOG), target(CAT), target()],
    )
    assert counts == {
        "correct": 1, "duplicate": 1, "wrong class": 0, "badly placed": 0, "on background": 0,
        "missed": 2,
    }  # fmt: skip
    assert detection_errors([], []) == dict.fromkeys(metrics.ERROR_KINDS, 0)


def test_correct_detections_are_the_hits():
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        corner = 20 * torch.rand(9, 2, generator=generator)
        boxes = torch.cat([corner, corner + 4 + 8 * torch.rand(9, 2, generator=generator)], dim=1)
        boxes = torch.cat([boxes, boxes + torch.rand(9, 4, generator=generator)])  # (18, 4)
        labels = torch.randint(1, 3, (18,), generator=generator)
        truth = {"boxes": boxes[:9], "labels": labels[:9]}
        found = {"boxes": boxes[6:], "labels": labels[6:]}
        found["scores"] = torch.rand(12, generator=generator)
        hits = 0
        for label in (1, 2):
            mine, theirs = found["labels"] == label, truth["labels"] == label
            hits += int(match_detections(
                found["boxes"][mine], found["scores"][mine], truth["boxes"][theirs]
            ).hits.sum())  # fmt: skip
        counts = detection_errors([found], [truth])
        assert counts["correct"] == hits
        assert counts["correct"] + counts["missed"] == 9
        assert sum(counts.values()) - counts["missed"] == 12


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iou_threshold": 0.05}, "expected 0 < background <= iou_threshold <= 1, got background"),
        ({"background": 0.0}, "got background 0.0 and iou_threshold 0.5"),
        ({"iou_threshold": 1.5}, "iou_threshold 1.5"),
        ({"detections": []}, "detections: expected one dict per target, 1, got 0"),
        ({"targets": [target((0, 0, 10, 10, 0), image_id=7)]}, r"image_id 7.*label 0 is 0"),
        ({"detections": [{**RIGHT, "labels": torch.tensor([0])}]}, r"labels\[0\] is 0: expected 1"),
    ],
)
def test_errors_of_wrong_data(change, message):
    arguments = {"detections": [RIGHT], "targets": [target(CAT)]} | change
    with pytest.raises(ValueError, match=message):
        detection_errors(**arguments)


# ---------------------------------------------------------------- which object, which size
def scenes(seed: int, images: int = 12) -> tuple[list, list]:
    """Images with up to 8 objects of 3 classes and all sizes, and detections near them or not."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    found, truth = [], []
    for image in range(images):
        G, D = (int(n) for n in torch.randint(0, 9, (2,), generator=generator))
        corner = 200 * draw(G, 2)
        boxes = torch.cat([corner, corner + 5 + 150 * draw(G, 2) ** 3], dim=1)
        labels = torch.randint(1, 4, (G,), generator=generator)
        truth.append({"boxes": boxes, "labels": labels, "image_id": image})
        source = torch.randint(0, max(G, 1), (D if G else 0,), generator=generator)
        near = boxes[source] + 6 * draw(len(source), 4)
        near[:, 2:] = torch.maximum(near[:, 2:], near[:, :2])
        same_label = draw(len(source)) < 0.7
        said = torch.where(
            same_label, labels[source], torch.randint(1, 4, source.shape, generator=generator)
        )
        found.append({"boxes": near, "labels": said, "scores": draw(len(source))})
    return found, truth


def test_curves_average_to_cocos_numbers():
    found, truth = scenes(1)
    names = ("background", "a", "b", "c", "d")
    scores = coco_evaluate(found, truth, names)
    every = coco_curves(found, truth, names)
    assert every.shape == (10, 4, 101)
    assert every[:, 3].isnan().all()  # there is no d
    assert (every[:, :3].diff(dim=-1) <= 0).all()
    assert float(every.nanmean()) == pytest.approx(scores["mAP"], abs=1e-6)
    assert float(every[0].nanmean()) == pytest.approx(scores["mAP50"], abs=1e-6)
    assert torch.equal(coco_curves(found, truth, names, (0.75,))[0, :3], every[5, :3])


def test_the_best_threshold_by_hand():
    # hits 0.9, 0.7; F1 after each: 2/3, 2/4, 4/5, 4/6
    found = detection(
        (0, 0, 10, 10, 0.9, 1),
        (50, 0, 60, 10, 0.8, 1),
        (20, 0, 30, 10, 0.7, 2),
        (50, 50, 60, 60, 0.6, 1),
    )
    truth = target(CAT, DOG)
    assert best_score_threshold([found], [truth]) == pytest.approx(0.7)
    found["scores"][3] = 0.7  # now both count or none: 4/6 = 2/3, and the first reaches it
    assert best_score_threshold([found], [truth]) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("found", "truth"), [((), ()), ((), (CAT,)), (((0, 0, 9, 9, 0.3, 1),), ())]
)
def test_the_best_threshold_of_nothing(found, truth):
    assert best_score_threshold([detection(*found)], [target(*truth)]) == 0.5


def test_a_crowd_moves_no_threshold():
    found = detection((0, 0, 10, 10, 0.9, 1), (50, 50, 60, 60, 0.95, 1))
    truth = target(CAT, (50, 50, 90, 90, 1), iscrowd=torch.tensor([0, 1]))
    assert best_score_threshold([found], [truth]) == pytest.approx(0.9)


def test_errors_name_their_object():
    found = detection(
        (0, 0, 10, 10, 0.9, 1),  # the cat
        (0, 0, 10, 9, 0.8, 1),  # the cat once more
        (20, 0, 30, 9, 0.7, 1),  # says cat, is the dog
        (20, 0, 30, 3, 0.6, 2),  # a slice of the dog
        (70, 70, 80, 80, 0.5, 2),  # nothing
    )
    assert explain_errors(found, target(CAT, DOG)) == [
        ("correct", 0), ("duplicate", 0), ("wrong class", 1), ("badly placed", 1), ("on background", -1),
    ]  # fmt: skip


def test_two_cats_under_two_boxes_are_two_objects():
    found = detection((0, 0, 10, 10, 0.8, 1), (0, 0, 10, 10, 0.9, 1))
    assert [e.gt_index for e in explain_errors(found, target(CAT, (0, 0, 10, 9, 1)))] == [1, 0]


def test_sizes_by_hand():
    small, medium, large = (0, 0, 32, 32, 1), (100, 0, 133, 32, 1), (0, 200, 97, 296, 1)
    found = detection(
        (0, 0, 32, 32, 0.9, 1),  # small, found: an area of 32² is small still
        (100, 0, 133, 32, 0.9, 2),  # medium, misnamed
        (300, 300, 400, 400, 0.9, 1),  # on background, large itself
    )
    sizes = errors_by_size([found], [target(small, medium, large)])
    assert {
        size: {kind: n for kind, n in counts.items() if n} for size, counts in sizes.items()
    } == {
        "small": {"correct": 1},
        "medium": {"wrong class": 1, "missed": 1},
        "large": {"on background": 1, "missed": 1},
    }
    # a small box on a medium object is a mistake about a medium one
    sizes = errors_by_size([detection((100, 0, 110, 20, 0.9, 1))], [target(medium)])
    assert sizes["medium"]["badly placed"] == 1
    # the outline's area decides, not the box's
    sizes = errors_by_size([NOTHING], [target(large, area=torch.tensor([900.0]))])
    assert sizes["small"]["missed"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_sizes_add_up_and_the_matrix_too(seed):
    found, truth = scenes(seed)
    counts = detection_errors(found, truth)
    sizes = errors_by_size(found, truth)
    assert {kind: sum(size[kind] for size in sizes.values()) for kind in counts} == counts
    matrix = confusion_matrix(found, truth, 4)
    labels, said = (torch.cat([entry["labels"] for entry in entries]) for entries in (truth, found))
    assert matrix[1:].sum(dim=1).tolist() == torch.bincount(labels, minlength=4)[1:].tolist()
    assert matrix[:, 1:].sum(dim=0).tolist() == torch.bincount(said, minlength=4)[1:].tolist()
    assert int(matrix.diagonal().sum()) == counts["correct"]
    assert int(matrix[0, 0]) == 0


@pytest.mark.parametrize(
    ("found", "truth", "cells"),
    [
        pytest.param((), (), {}, id="nothing, nothing"),
        pytest.param((), (CAT, DOG), {(1, 0): 1, (2, 0): 1}, id="nothing found"),
        pytest.param(((0, 0, 10, 10, 0.9, 2),), (), {(0, 2): 1}, id="no objects"),
        pytest.param(((0, 0, 10, 10, 0.9, 2),), (CAT,), {(1, 2): 1}, id="a cat taken for a dog"),
        pytest.param(
            ((0, 0, 10, 10, 0.9, 2), (0, 0, 10, 10, 0.3, 1)), (CAT,), {(1, 1): 1, (0, 2): 1},
            id="who names it right goes first",
        ),
        pytest.param(
            ((0, 0, 10, 10, 0.9, 2), (0, 0, 10, 10, 0.3, 2)), (CAT,), {(1, 2): 1, (0, 2): 1},
            id="confused once, not twice",
        ),
        pytest.param(
            ((0, 0, 10, 4, 0.9, 1),), (CAT,), {(1, 0): 1, (0, 1): 1}, id="badly placed: missed, and nothing",
        ),
    ],
)  # fmt: skip
def test_confusions_by_hand(found, truth, cells):
    matrix = confusion_matrix([detection(*found)], [target(*truth)], 3)
    assert {(int(t), int(f)): int(matrix[t, f]) for t, f in matrix.nonzero()} == cells


def test_a_label_too_many_is_named():
    with pytest.raises(
        ValueError, match=r"targets\[0\]: expected labels below num_classes, 2, got 2"
    ):
        confusion_matrix([NOTHING], [target(DOG)], 2)
    with pytest.raises(ValueError, match="expected one dict per target, 1, got 0"):
        errors_by_size([], [target(CAT)])


def test_what_does_not_count_is_left_out():
    found = detection(
        (0, 0, 10, 10, 0.9, 1),
        (52, 52, 60, 60, 0.8, 1),
        (54, 54, 60, 60, 0.7, 1),
        (20, 0, 30, 10, 0.6, 2),
    )
    truth = target(
        CAT, (50, 50, 90, 90, 1), DOG, iscrowd=torch.tensor([0, 1, 0]), difficult=torch.tensor([False, False, True]),
        image_id=7, name="a",
    )  # fmt: skip
    kept, counted = leave_out_ignored(found, truth)
    assert kept["scores"].tolist() == pytest.approx([0.9])
    assert counted["labels"].tolist() == [1] and counted["iscrowd"].tolist() == [0]
    assert (counted["image_id"], counted["name"]) == (7, "a")
    same_found, same_truth = leave_out_ignored(found, target(CAT))
    assert len(same_found["boxes"]) == 4 and len(same_truth["boxes"]) == 1
