"""COCO's numbers: by hand equals the reference; which one runs, `test_coco_backend` holds."""

import ast
import contextlib
import io
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from detlearn import metrics
from detlearn.metrics import (
    COCO_AREAS,
    coco_curves,
    coco_evaluate,
    coco_map_by_hand,
)
from tests.metrics.cases import (
    CAT,
    HEADLINES,
    NAMES,
    detection,
    random_scenes,
    same,
    scenes,
    target,
)


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


def test_pycocotools_is_loaded_when_needed_only():
    files = list(Path(metrics.__file__).parent.glob("*.py"))
    assert len(files) > 5
    for file in files:
        module = ast.parse(file.read_text(encoding="utf-8"))
        imports = [node for node in module.body if isinstance(node, ast.Import | ast.ImportFrom)]
        assert not [node for node in imports if "pycocotools" in ast.unparse(node)], file


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
