"""OKS, its two suppressions, and PCK."""

import math

import numpy as np
import pytest
import torch

from detlearn.metrics import (
    COCO_SIGMAS,
    oks,
    oks_nms,
    pck,
    pckh,
    soft_oks_nms,
)
from tests import golden_scheme as scheme


@pytest.fixture(scope="module")
def golden_poses():
    (figures,) = scheme.load_golden("pose_functions")["oks"]
    generator = np.random.default_rng(961)
    base = generator.uniform(0, 200, (3, 17, 2))
    keypoints, scores, areas = [], [], []
    for i in range(8):
        keypoints.append(base[i % 3] + generator.normal(0, 4 + 3 * i, (17, 2)))
        generator.uniform(0, 1, (17, 1))  # the joints' scores, which do not count here
        scores.append(generator.uniform(0, 1))
        areas.append(generator.uniform(5000, 20000))
    return figures, torch.tensor(np.stack(keypoints)), torch.tensor(scores), torch.tensor(areas)


def test_golden_oks(golden_poses):
    figures, keypoints, _, areas = golden_poses
    mean = (areas[0] + areas[1:]) / 2
    found = oks(keypoints[:1], keypoints[1:], mean)[0]
    assert found.tolist() == pytest.approx(figures["oks_of_first_vs_rest"], rel=1e-6)


def test_golden_suppressions(golden_poses):
    figures, *poses = golden_poses
    for threshold, kept in figures["oks_nms"].items():
        assert oks_nms(*poses, float(threshold)).tolist() == kept
    for threshold, kept in figures["soft_oks_nms"].items():
        assert soft_oks_nms(*poses, float(threshold)).tolist() == kept


@pytest.mark.parametrize("suppress", [oks_nms, soft_oks_nms])
def test_no_poses_nothing_to_suppress(suppress):
    kept = suppress(torch.zeros(0, 17, 2), torch.zeros(0), torch.zeros(0))
    assert kept.shape == (0,) and kept.dtype == torch.int64


def test_soft_suppression_keeps_so_many():
    keypoints = 100 * torch.arange(5.0)[:, None, None].expand(5, 17, 2)
    scores = torch.tensor([0.1, 0.5, 0.3, 0.4, 0.2])
    found = soft_oks_nms(keypoints, scores, torch.ones(5), max_detections=3)
    assert found.tolist() == [1, 3, 2]


@pytest.mark.parametrize("visible", [None, torch.ones(1, 17)], ids=["all", "told"])
def test_oks_of_the_truth_is_one(visible):
    truth = 100 * torch.rand(1, 17, 3)
    assert oks(truth, truth, torch.tensor([900.0]), visible).item() == 1


def test_oks_counts_labelled_joints_only():
    truth, found = torch.zeros(1, 17, 2), torch.zeros(1, 17, 2)
    found[0, 3] = 1e4
    visible = torch.ones(1, 17)
    assert oks(found, truth, torch.ones(1), visible).item() == pytest.approx(16 / 17)
    visible[0, 3] = 0
    assert oks(found, truth, torch.ones(1), visible).item() == 1
    assert oks(found, truth, torch.ones(1), torch.zeros(1, 17)).item() == 0


def test_two_sigma_of_a_persons_size():
    truth = torch.zeros(1, 17, 2)
    for joint, sigma in enumerate(COCO_SIGMAS):
        found = truth.clone()
        found[0, joint, 0] = 2 * sigma * 30
        value = oks(found, truth, torch.tensor([900.0])).item()
        assert value == pytest.approx((16 + math.exp(-0.5)) / 17)


def test_oks_needs_a_sigma_a_joint():
    with pytest.raises(ValueError, match="sigmas: expected one for each joint, got 17 for .* 16"):
        oks(torch.zeros(1, 16, 2), torch.zeros(1, 16, 2), torch.ones(1))


# ------------------------------------------------------------------- PCK


def test_pck_by_hand():
    truth = torch.zeros(2, 3, 2)
    found = truth.clone()
    found[0, 0, 0], found[1, 0, 0] = 5.0, 5.1  # exactly half a reference is near enough
    found[0, 1, 1] = 100
    visible = torch.tensor([[1, 0, 1], [1, 0, 0]])
    result = pck(found, truth, visible, torch.full((2, 1), 10.0))
    assert result.per_joint[0] == 0.5 and result.per_joint[1].isnan() and result.per_joint[2] == 1
    assert result.mean == 0.75 and result.overall == pytest.approx(2 / 3)


def test_pck_of_nobody():
    result = pck(torch.zeros(0, 3, 2), torch.zeros(0, 3, 2), torch.zeros(0, 3), torch.zeros(0, 1))
    assert result.per_joint.isnan().all() and math.isnan(result.mean)


def test_pckh_leaves_pelvis_and_thorax_out():
    truth = torch.zeros(1, 16, 2)
    found = truth.clone()
    found[0, 6:8] = 1000
    head = torch.tensor([[0.0, 0, 30, 40]])
    result = pckh(found, truth, torch.ones(1, 16), head)
    assert result.overall == 1 and result.per_joint[6:8].isnan().all()
    assert pckh(found, truth, torch.ones(1, 16), head, skip=()).overall == 14 / 16


@pytest.mark.parametrize(("x", "right"), [(3.0, 1.0), (3.1, 0.0)])
def test_pckh_at_a_tenth_is_a_tenth(x, right):
    # 0.6 of the diagonal of 50 px is 30 px, a tenth of it 3 px (upstream reports 0.11: 3.3 px).
    found = torch.zeros(1, 16, 2)
    found[..., 0] = x
    head = torch.tensor([[0.0, 0, 30, 40]])
    assert pckh(found, torch.zeros(1, 16, 2), torch.ones(1, 16), head, 0.1).overall == right


# ------------------------------------------------------------------- COCO
