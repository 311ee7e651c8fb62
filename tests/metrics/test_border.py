"""What may come in: images without anything, wrong data refused in a sentence."""

import json
import math

import pytest
import torch
from torchvision import tv_tensors

from detlearn.metrics import (
    coco_map_by_hand,
)
from tests.metrics.cases import CAT, EVALUATORS, NAMES, NOTHING, RIGHT, detection, same, target


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
        ([NOTHING], [target((0, 0, 10, 10, 0))], r"targets\[0\].*labels\[0\] is 0"),
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
