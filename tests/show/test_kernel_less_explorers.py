"""Explorers of a model's answer that need no kernel: what the browser is told and does with it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from detlearn import create_model, load_model
from detlearn.boxes import box_iou
from detlearn.data import CocoDetectionDataset, data_path
from detlearn.show import ThresholdExplorer, UShapeExplorer
from detlearn.show.explorers.browser.u_shape import sources
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.tum_walk import walk_all_tums
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node

needs_node = pytest.mark.skipif(NODE is None, reason="the explorers' arithmetic runs in Node.js")
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
BLACK = torch.zeros(3, 128, 128)


@pytest.fixture(scope="module")
def scene() -> tuple[Tensor, dict[str, Tensor]]:
    folder = data_path("shapes_val")
    return CocoDetectionDataset(folder / "images", folder / "annotations.json")[109]


@pytest.fixture(scope="module")
def model() -> torch.nn.Module:
    return load_model(data_path("weights", "ssd_tiny.safetensors"))


THRESHOLDS = [(s, i, m) for s in (0.013, 0.1, 0.333, 0.5, 0.9) for i in (0.0, 0.45, 1.0)
              for m in (1, 5, 100)]  # fmt: skip


@needs_node
def test_the_browser_keeps_what_detect_answers(model, scene):
    image, target = scene
    told = ThresholdExplorer(model, image, target).options()
    theirs = in_node(
        "cases[1].map(([score, iou, most]) => { const kept = select(unpackCandidates(cases[0]), "
        "[128, 128], { score, iou, most }); return { kept, found: foundObjects(kept, cases[2], "
        "cases[3]) }; })",
        cases=[told["candidates"], THRESHOLDS, told["boxes"], told["labels"]],
        module="thresholds.js", browser=BROWSER,
    )  # fmt: skip
    for (score, iou, most), answer in zip(THRESHOLDS, theirs, strict=True):
        (ours,) = model.detect([image], score, iou, most)
        kept = answer["kept"]
        assert [one["prior"] for one in kept] == ours["priors"].tolist(), (score, iou, most)
        assert [one["label"] for one in kept] == ours["labels"].tolist()
        boxes = torch.tensor([one["box"] for one in kept]).reshape(-1, 4) * 128
        torch.testing.assert_close(boxes, ours["boxes"], rtol=0, atol=0.01)
        assert 0 <= answer["found"] <= len(target["boxes"])
    assert theirs[THRESHOLDS.index((0.5, 0.45, 100))]["found"] == 7


@needs_node
def test_the_browser_names_the_object_that_a_box_overlaps_most(model, scene):
    """A box of no object has none; the truth's own boxes are 1."""
    image, target = scene
    told = ThresholdExplorer(model, image, target).options()
    found = in_node(
        "[...unpackCandidates(cases[0]).map((one) => one.box), ...cases[1], [0, 0, 0.01, 0.01]]"
        ".map((box) => ({ ...nearest(box, cases[1]), ...{ none: nearest(box, []).object } }))",
        cases=[told["candidates"], told["boxes"]], module="thresholds.js", browser=BROWSER,
    )  # fmt: skip
    (ours,) = model.detect([image], 0.01, 1.0, 1000)
    G = len(target["boxes"])
    best = box_iou(torch.cat([ours["boxes"], target["boxes"]]), target["boxes"]).max(dim=1)
    assert len(found) == len(best.values) + 1 > G
    for answer, iou, object_ in zip(found[:-1], best.values, best.indices, strict=True):
        assert answer["iou"] == pytest.approx(float(iou), abs=2e-3)
        assert answer["object"] == (int(object_) if iou > 0 else -1)
    assert found[-1] == {"object": -1, "iou": 0, "none": -1}
    assert [answer["object"] for answer in found[-1 - G : -1]] == list(range(G))


@needs_node
def test_plates_do_not_cover_each_other_where_there_is_room():
    """The third has no free place and keeps its first."""
    plates = [[40, [0, 10]], [40, [10, 10], [10, 40]], [40, [5, 12]]]
    found = in_node("placed(cases)", cases=plates, module="thresholds.js", browser=BROWSER)
    assert found == [[0, 10], [10, 40], [5, 12]]


@needs_node
def test_the_browser_reads_the_maps_of_every_step(scene):
    m2det = load_model(data_path("weights", "m2det_tiny.safetensors"))
    told = UShapeExplorer(m2det, scene[0]).options()
    theirs = in_node(
        "mapsOf(cases[0], cases[1]).map((walk) => walk.map((map) => Array.from(map)))",
        cases=[told["maps"], told["shapes"]], module="u_shape.js", browser=BROWSER,
    )  # fmt: skip
    walks = walk_all_tums(m2det, network_input(m2det, scene[0]))
    assert len(theirs) == len(walks) == 4
    for walk, maps in zip(walks, theirs, strict=True):
        for step, shades in zip(walk, maps, strict=True):
            mean = step.maps[0].mean(dim=0).flatten()
            expected = (mean - mean.min()) / (mean.max() - mean.min()) * 7
            torch.testing.assert_close(torch.tensor(shades).float(), expected, rtol=0, atol=0.51)


@pytest.mark.parametrize("kind", ["released", "paper"])
def test_what_a_step_reads(kind):
    """By the sizes: a map below is half as large, one beside as large, and one above twice."""
    m2det = create_model("m2det_tiny", tum=kind)
    (walk, *_) = walk_all_tums(m2det, network_input(m2det, BLACK))
    reads = {one.name: [walk[k].name for k in sources(walk, one)] for one in walk}
    assert reads["read"] == [] and reads["down 4"] == ["down 3"]
    if kind == "released":
        assert reads["top"] == ["down 4"] and reads["side 2"] == ["down 2"]
        assert reads["add 3"] == ["top", "side 3"] and reads["add 0"] == ["add 1", "side 0"]
        assert reads["smooth 0"] == ["add 0"]
    else:
        assert reads["add 3"] == ["down 4", "down 3"] and reads["add 0"] == ["add 1", "read"]


FAULTS = {
    "no detector": (
        lambda: ThresholdExplorer(create_model("pose_hrnet_tiny"), BLACK, NOTHING),
        "model: expected a detector without weighted NMS"),
    "weighted NMS": (
        lambda: ThresholdExplorer(create_model("blazeface"), BLACK, NOTHING),
        "model: expected a detector without weighted NMS"),
    "a score of 1": (
        lambda: ThresholdExplorer(create_model("ssd_tiny"), BLACK, NOTHING, score_threshold=1.0),
        "score_threshold: expected 0.01 to 0.99, got 1.0"),
    "an untrained model": (
        lambda: ThresholdExplorer(create_model("ssd_tiny"), BLACK, NOTHING),
        "at most 1,000 candidates"),
    "labels of others": (
        lambda: ThresholdExplorer(
            create_model("ssd_tiny"), BLACK, {**NOTHING, "labels": torch.tensor([1])}),
        r"target\['labels'\]: expected 0, one a box, got 1"),
    "an SSD": (lambda: UShapeExplorer(create_model("ssd_tiny"), BLACK), "expected an M2Det, got SSD"),
    "no such step": (
        lambda: UShapeExplorer(create_model("m2det_tiny"), BLACK, step=18),
        "step: expected 0 to 17, got 18"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    make, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        make()
