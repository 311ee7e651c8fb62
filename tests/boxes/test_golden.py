"""Priors, matching, coding and suppression against the published implementations' figures.

The JSON files hold numbers only (see tests/golden_scheme.py for how inputs are made).
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from detlearn import boxes as B
from tests import golden_scheme as scheme

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
SSD, REFINEDET, M2DET = (
    json.loads((GOLDEN / f"{name}_boxes.json").read_text(encoding="utf-8"))
    for name in ("ssd", "refinedet", "m2det")
)


def gt(recipe: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The scene of a recipe like 'scheme.gt_boxes(701,1,1,81,0.15,0.6)'."""
    call, _, appended = recipe.partition(";")
    arguments = call[call.index("(") + 1 : call.rindex(")")].split(",")
    boxes, labels = scheme.gt_boxes(*(float(a) if "." in a else int(a) for a in arguments))
    if appended:
        assert "box 0 is appended again" in appended, appended
        boxes = np.concatenate([boxes, boxes[:1]])
        labels = np.concatenate([labels, labels[:1] % 80 + 1])
    return torch.from_numpy(boxes), torch.from_numpy(labels)


def prior_major(config: B.PriorConfig) -> torch.Tensor:
    """Our prior (level, row, column, prior) at each of uvipen's (level, prior, row, column)."""
    index, start = [], 0
    for side, a in zip(config.map_sizes, config.priors_per_cell, strict=True):
        n = side * side * a
        index.append(start + torch.arange(n).view(side * side, a).T.reshape(-1))
        start += n
    return torch.cat(index)


@pytest.mark.parametrize(
    ("case", "config", "order"),
    [
        (SSD["default_boxes"]["ssd"], B.SSD300_UVIPEN_PRIORS, "prior major"),
        (REFINEDET["priors"]["refinedet320"], B.REFINEDET320_PRIORS, "ours"),
        (REFINEDET["priors"]["ssd300_voc"], B.SSD300_VOC_PRIORS, "ours"),
        (M2DET["priors"]["m2det512"], B.M2DET512_PRIORS, "ours"),
    ],
    ids=["uvipen ssd300", "refinedet320", "ssd300 voc", "m2det512"],
)
def test_priors(case, config, order):
    priors = B.make_priors(config)
    if order != "ours":
        priors = priors[prior_major(config)]
    assert len(priors) == case["count"] == config.num_priors
    np.testing.assert_allclose(priors.double().sum(0), case["sum"], rtol=1e-6)
    np.testing.assert_allclose(priors.double().mean(0), case["mean"], rtol=1e-6)
    rows = np.random.default_rng(11).integers(0, len(priors), 64)
    np.testing.assert_allclose(priors[rows], case["rows"], atol=1e-7)


@pytest.mark.parametrize("case", SSD["encode"], ids=lambda c: c["gt"])
def test_uvipen_matching(case):
    boxes, labels = gt(case["gt"])
    order = prior_major(B.SSD300_UVIPEN_PRIORS)
    targets = B.make_targets(boxes, labels, B.make_priors(B.SSD300_UVIPEN_PRIORS), inclusive=False)
    found = targets.labels[order]
    positive = found.nonzero()[:, 0]
    assert positive.tolist() == case["positive_idx"]
    assert found[positive].tolist() == case["positive_label"]


MATCHES = [(c, "refinedet") for c in REFINEDET["match"]] + [(c, "m2det") for c in M2DET["match"]]


@pytest.mark.parametrize(
    ("case", "system"), MATCHES, ids=lambda c: c["gt"] if isinstance(c, dict) else c
)
def test_matching_and_deltas(case, system):
    boxes, labels = gt(case["gt"])
    eps = 0.0
    if system == "refinedet":
        eps = 1e-5
        labels = torch.ones_like(labels) if case["kind"].startswith("ARM") else labels + 1
    config = {"refinedet320": B.REFINEDET320_PRIORS, "ssd300_voc": B.SSD300_VOC_PRIORS}.get(
        case.get("priors", ""), B.M2DET512_PRIORS
    )
    priors = B.make_priors(config)
    anchors = priors
    if "arm_loc" in case:  # two steps: the anchors are the priors that the ARM has refined
        arm = 0.5 * np.random.default_rng(514).standard_normal((1, len(priors), 4))
        anchors = B.xyxy_to_cxcywh(B.decode(torch.from_numpy(arm[0].astype(np.float32)), priors))
    targets = B.make_targets(boxes, labels, anchors, eps=eps)
    positive = targets.labels.nonzero()[:, 0]
    assert len(positive) == case["num_positive"]
    assert positive.tolist() == case["positive_idx"]
    assert targets.labels[positive].tolist() == case["positive_label"]
    # float32 rounding of a - b over a small prior: 2e-4 of a spread of 1.
    scheme.compare(
        targets.deltas[positive].numpy(), case["loc_t_positive"], rtol=2e-4, atol_std=2e-4
    )


def test_refinedet_encode_decode():
    case = REFINEDET["encode_decode"]
    priors = torch.from_numpy(
        np.random.default_rng(501).uniform(0.1, 0.9, (20, 4)).astype(np.float32)
    )
    boxes, _ = gt("scheme.gt_boxes(501,20,0,20,0.15,0.6)")
    deltas = B.encode(boxes, priors, eps=1e-5)
    np.testing.assert_allclose(deltas, case["encode"], atol=2e-5, rtol=2e-5)
    np.testing.assert_allclose(B.decode(deltas, priors), case["decode_of_encode"], atol=2e-6)


@pytest.mark.parametrize("case", SSD["scale_back"], ids=lambda c: c["input"])
def test_uvipen_scale_back(case):
    deltas = np.random.default_rng(711).standard_normal((2, 4, 8732)).astype(np.float32)
    order = prior_major(B.SSD300_UVIPEN_PRIORS)
    priors = B.make_priors(B.SSD300_UVIPEN_PRIORS)[order]
    given = torch.from_numpy(deltas).transpose(1, 2).clone()
    boxes = B.decode(given, priors)
    scheme.compare(boxes.numpy(), case["boxes_ltrb"])
    assert torch.equal(given, torch.from_numpy(deltas).transpose(1, 2)), "decode wrote to its input"


@pytest.mark.parametrize("case", SSD["decode"], ids=lambda c: c["predictions"])
def test_uvipen_detections(case):
    loc, logits = scheme.det_logits(741, 2, 8732, 81, 250, [1, 5, 44, 80], 7500)
    priors = B.make_priors(B.SSD300_UVIPEN_PRIORS)[prior_major(B.SSD300_UVIPEN_PRIORS)]
    for image, expected in enumerate(case["images"]):
        found = B.select_detections(
            B.decode(torch.from_numpy(loc[image]), priors),
            torch.from_numpy(logits[image]).softmax(-1),
            score_threshold=0.05, iou_threshold=case["nms_threshold"],
            max_candidates=case["max_output"], max_detections=case["max_output"],
        )  # fmt: skip
        rows = torch.cat([found["labels"][:, None], found["scores"][:, None], found["boxes"]], 1)
        np.testing.assert_allclose(rows.flip(0), expected, atol=2e-5)


def soft_nms_boxes() -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(401)
    xy, wh, scores = (
        rng.uniform(0, 200, (30, 2)),
        rng.uniform(40, 120, (30, 2)),
        rng.uniform(0.05, 1, 30),
    )
    boxes = np.concatenate([xy, xy + wh], 1).astype(np.float32)
    return torch.from_numpy(boxes), torch.from_numpy(scores.astype(np.float32))


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("linear_Nt03", {"method": "linear", "iou_threshold": 0.3}),
        ("linear_Nt045", {"method": "linear", "iou_threshold": 0.45}),
        ("gaussian_sigma05", {"method": "gaussian", "sigma": 0.5}),
        ("linear_Nt03_thr02", {"method": "linear", "iou_threshold": 0.3, "score_threshold": 0.2}),
    ],
)
def test_soft_nms(name, settings):
    boxes, scores = soft_nms_boxes()
    keep, decayed = B.soft_nms(boxes, scores, plus_one=True, **settings)
    rows = torch.cat([boxes[keep], decayed[:, None]], 1)
    np.testing.assert_allclose(rows, M2DET["soft_nms_unit"]["results"][name], rtol=2e-5, atol=1e-5)


def test_hard_nms():
    boxes, scores = soft_nms_boxes()
    whole_pixels = boxes + torch.tensor([0, 0, 1, 1])
    keep = B.nms(whole_pixels, scores, 0.45)
    assert keep.tolist() == M2DET["soft_nms_unit"]["hard_nms_045_keep"]
    rows = torch.cat([boxes[keep], scores[keep, None]], 1)
    np.testing.assert_allclose(rows, M2DET["soft_nms_unit"]["results"]["hard_Nt045"], rtol=1e-5)
