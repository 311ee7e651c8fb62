"""The names of scores: each stands in one table, with what it means."""

import torch

from detlearn.metrics import (
    HEADLINES,
    SCORE_TEXTS,
    VOC_SCORES,
    coco_evaluate,
    coco_keypoint_evaluate,
    detection_scores,
    is_score,
    score_label,
    voc_evaluate,
)
from tests.metrics.cases import CAT, NAMES, NOTHING, RIGHT, random_scenes, target


def test_every_score_of_a_data_set_has_a_text_and_nothing_else_has():
    detector = [name for name in coco_evaluate([], [], NAMES) if not name.startswith("AP/")]
    assert list(SCORE_TEXTS) == [*detector, *VOC_SCORES, *coco_keypoint_evaluate([], [])]
    assert all(name in SCORE_TEXTS for name in HEADLINES)


def test_scores_are_told_from_losses():
    scores = [*SCORE_TEXTS, *coco_evaluate([], [], NAMES)]
    assert all(is_score(name) for name in scores)
    columns = ("epoch", "classification", "box", "arm_box", "heatmap", "learning_rate", "seconds")
    assert not any(is_score(name) for name in columns)


def test_labels_of_tables():
    assert score_label("mAP_voc12") == "VOC mAP, area"
    assert all(score_label(name) == name for name in SCORE_TEXTS if name not in VOC_SCORES)


def test_voc_scores_come_where_difficult_objects_are_known():
    detections, targets = random_scenes(5)
    names = ("background", "a", "b", "c")
    scores = detection_scores(detections, targets, names)
    assert scores["mAP_voc07"] == voc_evaluate(detections, targets, names)["mAP"]
    assert scores["mAP_voc12"] == voc_evaluate(detections, targets, names, method="area")["mAP"]
    assert {name: scores[name] for name in scores if name not in VOC_SCORES} == coco_evaluate(
        detections, targets, names
    )
    # one image that knows them is enough, wherever it stands
    hard = target(CAT, difficult=torch.tensor([True]))
    assert "mAP_voc07" in detection_scores([NOTHING, RIGHT], [target(CAT), hard], NAMES)
    assert "mAP_voc07" not in detection_scores([RIGHT], [target(CAT)], NAMES)
