"""COCO's average precision of poses."""

import math

import pytest
import torch

from detlearn.metrics import (
    coco_keypoint_evaluate,
    oks,
)


def person(x, y, size, visible=2.0):
    keypoints = torch.tensor([[x, y, 0.0]]) + torch.tensor(
        [[size * math.cos(k), size * math.sin(k), visible] for k in range(17)]
    )
    return keypoints


def entry(*people, **more):
    keypoints = torch.stack(people) if people else torch.zeros(0, 17, 3)
    boxes = torch.cat([keypoints[..., :2].amin(dim=1), keypoints[..., :2].amax(dim=1)], dim=1)
    return {"keypoints": keypoints, "boxes": boxes, **more}


def found(*people, scores):
    return {"keypoints": torch.stack(people)[..., :2], "scores": torch.tensor(scores)}


NOBODY = {"keypoints": torch.zeros(0, 17, 2), "scores": torch.zeros(0)}


def test_no_images_and_no_people():
    for detections, targets in (([], []), ([NOBODY], [entry()])):
        assert all(math.isnan(v) for v in coco_keypoint_evaluate(detections, targets).values())


def test_the_truth_scores_one_and_silence_zero():
    one, two = person(60, 60, 20), person(300, 200, 120)
    targets = [entry(one, two)]
    result = coco_keypoint_evaluate([found(one, two, scores=[0.9, 0.8])], targets)
    assert result["AP"] == pytest.approx(1) and result["AR"] == 1
    assert result["AP_medium"] == pytest.approx(1) and result["AP_large"] == pytest.approx(1)
    assert coco_keypoint_evaluate([NOBODY], targets)["AP"] == 0


def test_ap_counts_the_thresholds_that_the_oks_reaches():
    one = person(100, 100, 40)
    area = 5000.0
    off = one.clone()
    off[:8, 0] += 1000  # 9 of 17 joints are right: OKS 0.529
    targets = [entry(one, area=torch.tensor([area]))]
    value = oks(off[None], one[None], torch.tensor([area])).item()
    assert value == pytest.approx(9 / 17, abs=1e-6)
    result = coco_keypoint_evaluate([found(off, scores=[0.9])], targets)
    assert result["AP"] == pytest.approx(0.1) and result["AP50"] == pytest.approx(1)
    assert result["AP75"] == 0


def test_people_without_labelled_joints_do_no_harm():
    one, hidden = person(60, 60, 20), person(300, 200, 60, visible=0.0)
    both = [entry(one, hidden)]
    result = coco_keypoint_evaluate([found(one, hidden, scores=[0.8, 0.9])], both)
    assert result["AP"] == pytest.approx(1) and result["AR"] == 1


def test_other_joints_need_other_sigmas():
    joints = torch.tensor([[[10.0, 10, 2], [50, 80, 2]]])
    target = {"keypoints": joints, "boxes": torch.tensor([[0.0, 0, 60, 90]]), "image_id": 5}
    detection = {"keypoints": joints, "scores": torch.tensor([0.3])}
    assert coco_keypoint_evaluate([detection], [target], (0.1, 0.1))["AP"] == pytest.approx(1)
    with pytest.raises(ValueError, match=r"detections\[0\]: expected keypoints \(N, 17, 2\), got"):
        coco_keypoint_evaluate([detection], [target])


def test_of_equal_scores_that_of_the_lower_id_goes_first():
    one = person(100, 100, 40)
    pair = [found(one, scores=[0.5]), found(one + 500, scores=[0.5])]  # right, wrong
    for ids, ap in (((2**70, 2**70 + 1), 0.504950495), ((2**70 + 1, 2**70), 0.252475247)):
        targets = [entry(one, image_id=image_id) for image_id in ids]
        assert coco_keypoint_evaluate(pair, targets)["AP"] == pytest.approx(ap)


@pytest.mark.parametrize(
    ("detection", "target", "message"),
    [
        (NOBODY, None, "expected one dict per target, 0, got 1"),
        ({"keypoints": torch.zeros(1, 17, 2), "scores": torch.zeros(2)}, entry(),
         r"detections\[0\]: scores: expected shape \(1,\)"),
        ({"keypoints": torch.full((1, 17, 2), math.nan), "scores": torch.zeros(1)}, entry(),
         r"detections\[0\]: expected finite"),
        (NOBODY, {"keypoints": torch.zeros(1, 17, 3)}, r"targets\[0\]: expected boxes \(1, 4\)"),
        (NOBODY, {"keypoints": torch.zeros(1, 17, 2)}, r"targets\[0\]: expected keypoints \(N, 17"),
    ],
    ids=["lengths", "scores", "NaN", "no boxes", "no visibility"],
)  # fmt: skip
def test_what_cannot_be_scored_is_named(detection, target, message):
    with pytest.raises(ValueError, match=message):
        coco_keypoint_evaluate([detection], [] if target is None else [target])
