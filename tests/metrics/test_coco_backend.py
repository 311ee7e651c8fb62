"""The references behind COCO's numbers: hotcoco gives those of pycocotools, to the last bit."""

import importlib
import json
import math
import sys

import pytest
import torch
from torch import Tensor

from detlearn.metrics import coco_evaluate, coco_keypoint_evaluate
from detlearn.metrics.coco_backend import coco_backend
from tests.metrics.cases import (
    CAT,
    DOG,
    HEADLINES,
    NAMES,
    NOTHING,
    detection,
    random_scenes,
    target,
)

BACKENDS = ("hotcoco", "pycocotools")
HIT = detection((0, 0, 10, 10, 0.9, 1))


@pytest.fixture
def hotcoco():
    return pytest.importorskip("hotcoco", reason="hotcoco is optional: requirements-dev.txt has it")


@pytest.fixture(params=BACKENDS)
def backend(request) -> str:
    pytest.importorskip(request.param, reason="hotcoco is optional: requirements-dev.txt has it")
    return request.param


def both(evaluate, *arguments) -> dict[str, float]:
    """The scores, after a look that the two references give the same bits."""
    results = [evaluate(*arguments, backend=backend) for backend in BACKENDS]
    texts = [json.dumps(result) for result in results]  # 17 digits: every bit; NaN equals itself
    assert texts[0] == texts[1]
    return results[0]


# ---------------------------------------------------------------- boxes
@pytest.mark.parametrize("seed", range(24))
def test_boxes_to_the_last_bit(seed, hotcoco):
    k = [2, 4, 9][seed % 3]
    detections, targets = random_scenes(
        seed, k=k, most_boxes=[0, 6, 30, 250][seed % 4], grid=[1.0, 1.7][seed % 2]
    )
    names = ("background", *(f"class {i}" for i in range(1, k + 1)))  # of the last one nothing
    scores = both(coco_evaluate, detections, targets, names)
    assert math.isnan(scores[f"AP/class {k}"])


def test_the_compared_boxes_have_every_size_and_crowds(hotcoco):
    detections, targets = random_scenes(23, k=2, most_boxes=250)
    assert any(t["iscrowd"].any() for t in targets)
    scores = both(coco_evaluate, detections, targets, ("background", "x"))
    assert all(0.02 < scores[key] < 0.98 for key in HEADLINES)


@pytest.mark.parametrize(
    ("detections", "targets", "mean"),
    [
        pytest.param([], [], math.nan, id="no images"),
        pytest.param([NOTHING], [target()], math.nan, id="an empty image"),
        pytest.param([NOTHING] * 2, [target(CAT), target()], 0.0, id="no detections"),
        pytest.param([HIT] * 2, [target(), target()], math.nan, id="no objects"),
        pytest.param([HIT, NOTHING], [target(), target(CAT)], 0.0, id="on the other image"),
        pytest.param([HIT], [target(CAT, iscrowd=[1])], math.nan, id="only a crowd"),
        pytest.param([HIT], [target(CAT, DOG, iscrowd=[1, 0])], 0.0, id="a crowd and a dog"),
        pytest.param([HIT], [target(CAT, area=[0.0])], 1.0, id="an outline without area"),
        pytest.param([HIT], [target(CAT, area=[32.0**2])], 1.0, id="between two ranges"),
        pytest.param([HIT], [target(CAT, area=[2e10])], math.nan, id="beyond every range"),
        pytest.param([HIT], [target(CAT, image_id=2**70)], 1.0, id="an id beyond 64 bits"),
        pytest.param([HIT], [target(CAT, image_id=-3)], 1.0, id="an id below 0"),
        pytest.param([detection((5, 0, 5, 10, 0.9, 1))], [target(CAT)], 0.0, id="a line"),
        pytest.param([detection((0, 0, 10, 10, 0.0, 1))], [target(CAT)], 1.0, id="a score of 0"),
        pytest.param([detection((0, 0, 10, 10, -1.0, 1))], [target(CAT)], 1.0, id="a logit"),
    ],
)
def test_boxes_at_the_edge(detections, targets, mean, hotcoco):
    scores = both(coco_evaluate, detections, targets, NAMES)
    assert scores["mAP"] == pytest.approx(mean, nan_ok=True)


# ---------------------------------------------------------------- poses
def people(seed: int, images: int = 8) -> tuple[list, list]:
    """Persons of every size, some unlabelled or a crowd; poses near them, with equal scores."""
    g = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g)

    found, truth = [], []
    for image in range(images):
        G, D = (int(n) for n in torch.randint(0, 6, (2,), generator=g))
        size = 10 + 200 * draw(G, 1, 1) ** 2
        joints = 300 * draw(G, 1, 2) + size * draw(G, 17, 2)  # (G, J, 2)
        labelled = (draw(G, 17, 1) < draw(G, 1, 1)).float() * 2
        corners = torch.cat([joints.amin(dim=1), joints.amax(dim=1)], dim=1)  # (G, 4)
        truth.append({
            "keypoints": torch.cat([joints, labelled], dim=2), "boxes": corners,
            "iscrowd": (draw(G) < 0.15).long(), "image_id": 100 - image,
        })  # fmt: skip
        source = torch.randint(0, max(G, 1), (4 * D if G else 0,), generator=g)
        spread = size[source] * draw(len(source), 1, 1) / 4
        near = joints[source] + spread * (draw(len(source), 17, 2) - 0.5)
        found.append({"keypoints": near, "scores": (8 * draw(len(source))).round() / 8})
    return found, truth


@pytest.mark.parametrize("seed", range(16))
def test_poses_to_the_last_bit(seed, hotcoco):
    both(coco_keypoint_evaluate, *people(seed))


def test_the_compared_poses_mean_something(hotcoco):
    found, truth = people(3, images=40)
    assert any(t["iscrowd"].any() for t in truth)
    assert any((t["keypoints"][..., 2] == 0).all(dim=1).any() for t in truth)
    assert max(len(f["scores"]) for f in found) == 20
    scores = both(coco_keypoint_evaluate, found, truth)
    assert all(0.02 < value < 0.98 for value in scores.values())


@pytest.mark.parametrize("case", ["no images", "nobody", "no poses", "no persons", "other joints"])
def test_poses_at_the_edge(case, hotcoco):
    found, truth = people(1, images=1)
    nobody = {"keypoints": torch.zeros(0, 17, 3), "boxes": torch.zeros(0, 4)}
    silence = {"keypoints": torch.zeros(0, 17, 2), "scores": torch.zeros(0)}
    joints = torch.tensor([[[10.0, 10, 2], [50, 80, 2]]])
    two = {"keypoints": joints, "boxes": torch.tensor([[0.0, 0, 60, 90]])}
    arguments = {
        "no images": ([], []),
        "nobody": ([silence], [nobody]),
        "no poses": ([silence], truth),
        "no persons": (found, [nobody]),
        "other joints": ([{"keypoints": joints, "scores": torch.ones(1)}], [two], (0.1, 0.1)),
    }[case]
    expected = {"no poses": 0.0, "other joints": 1.0}.get(case, math.nan)
    scores = both(coco_keypoint_evaluate, *arguments)
    assert scores["AP"] == pytest.approx(expected, nan_ok=True)


# ---------------------------------------------------------------- which one runs
def test_the_faster_one_runs_where_it_is_installed(hotcoco):
    assert coco_backend() == (hotcoco.COCO, hotcoco.COCOeval)


def test_pycocotools_runs_where_there_is_no_other(monkeypatch):
    from pycocotools.coco import COCO

    monkeypatch.setitem(sys.modules, "hotcoco", None)  # importing it fails
    assert coco_backend()[0] is COCO
    assert coco_evaluate([HIT], [target(CAT)], NAMES)["mAP"] == pytest.approx(1)
    with pytest.raises(ImportError, match="hotcoco"):
        coco_evaluate([HIT], [target(CAT)], NAMES, backend="hotcoco")


def test_an_unknown_reference_is_named():
    with pytest.raises(
        ValueError, match="backend: expected one of hotcoco, pycocotools, or None, got 'coco'"
    ):
        coco_evaluate([HIT], [target(CAT)], NAMES, backend="coco")


def test_coco_is_silent_but_its_errors_are_not(backend, capfd, monkeypatch):
    coco_evaluate([NOTHING], [target(CAT)], NAMES, backend=backend)
    coco_evaluate([HIT], [target(CAT)], NAMES, backend=backend)
    assert capfd.readouterr() == ("", "")

    def fail(*arguments: object, **options: object) -> None:
        raise RuntimeError("from inside")

    module = {"hotcoco": "hotcoco", "pycocotools": "pycocotools.cocoeval"}[backend]
    monkeypatch.setattr(importlib.import_module(module), "COCOeval", fail)
    with pytest.raises(RuntimeError, match="from inside"):
        coco_evaluate([NOTHING], [target(CAT)], NAMES, backend=backend)
    print("still here")
    assert capfd.readouterr().out == "still here\n"
