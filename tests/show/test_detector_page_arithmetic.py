"""What the page computes around the network, in node, against `Detector.prepare` and `postprocess`."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest
import torch

import detlearn
from detlearn.models.inputs import fit
from detlearn.show.page.detector_page import module_text, page_config
from detlearn.show.page.program import read_program

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(
    NODE is None, reason="node runs the page's JavaScript arithmetic, and it is not installed"
)
SIZE = (100, 200)  # height, width of the picture


def in_node(expression: str, module: str, cases: Any) -> Any:
    script = (
        f"{module_text(module)}\nconst cases = {json.dumps(cases)};"
        f"\nprocess.stdout.write(JSON.stringify({expression}));"
    )
    done = subprocess.run(
        [str(NODE), "--input-type=module"], input=script, capture_output=True, text=True,
        encoding="utf-8", timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def random_case(name: str, threshold: float, **overrides: Any) -> tuple[dict[str, Any], Any]:
    """Random predictions of a model: what the page is given, and what the package answers."""
    torch.manual_seed(1)
    model = detlearn.create_model(name, **overrides).eval()
    side = model.config.image_size
    program = read_program(model, torch.zeros(1, 3, side, side))
    config = page_config(model, program)
    parts = [torch.randn(shape) * (2 if shape[-1] > 4 else 1) for shape in program.shapes]
    if name == "blazeface":
        parts[0] = parts[0] * 2 - torch.tensor([0.0, 6.0])
    with torch.no_grad():
        kind = type(model(torch.zeros(1, 3, side, side)))
    expected = model.postprocess(kind(*parts), [SIZE], score_threshold=threshold)[0]
    outputs = dict(zip(config["outputs"], (part.flatten().tolist() for part in parts), strict=True))
    return {"config": config, "outputs": outputs, "threshold": threshold}, expected


CASES = {
    "SSD": ("ssd_tiny", 0.4, {}),
    "SSD, few candidates": ("ssd_tiny", 0.05, {"max_candidates": 20, "max_detections": 50}),
    "RefineDet, filter": ("refinedet_tiny", 0.4, {"objectness_threshold": 0.6}),
    "RefineDet, one step": ("refinedet_tiny", 0.4, {"two_step": False, "negative_filter": "off"}),
    "M2Det, hard": ("m2det_tiny", 0.4, {}),
    "M2Det, released": ("m2det_tiny", 0.4, {"suppression": "released"}),
    "M2Det, corrected": ("m2det_tiny", 0.5, {"suppression": "corrected", "max_per_class": 5}),
    "BlazeFace": ("blazeface", 0.5, {}),
}

ANSWER = """cases.map(({ config, outputs, threshold }) => {
  const priors = makePriors(config.layout);
  const numbers = Object.fromEntries(
    Object.entries(outputs).map(([name, values]) => [name, Float32Array.from(values)]));
  const answers = readAnswers(config, priors, numbers);
  const candidates = candidatesOf(config, answers, 200, 100, threshold);
  return selectFrom(config, answers, candidates, 200, 100, config.iou_threshold)
    .map(({ box, score, label, prior, points, from }) =>
      ({ box, score, label, prior, points, from: from.length }));
})"""


def test_the_answer_is_that_of_the_package():
    made = [random_case(name, threshold, **more) for name, threshold, more in CASES.values()]
    got = in_node(ANSWER, "answers.js", [case for case, _ in made])
    whole = torch.tensor([SIZE[1], SIZE[0]], dtype=torch.float32)
    for name, found, (_, expected) in zip(CASES, got, made, strict=True):
        assert len(expected["labels"]) >= 3, name
        assert [one["label"] for one in found] == expected["labels"].tolist(), name
        assert [one["prior"] for one in found] == expected["priors"].tolist(), name
        scores = torch.tensor([one["score"] for one in found])
        assert (scores - expected["scores"]).abs().max() < 1e-5, name
        boxes = torch.tensor([one["box"] for one in found])
        assert (boxes - expected["boxes"] / whole.repeat(2)).abs().max() < 1e-5, name
        assert all(one["from"] >= 1 for one in found)
        if "keypoints" in expected:
            points = torch.tensor([one["points"] for one in found]).reshape(len(found), -1, 2)
            assert (points - expected["keypoints"][..., :2] / whole).abs().max() < 1e-5


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("letterbox", [True, False])
def test_a_picture_is_prepared_as_by_the_package(antialias, letterbox):
    generator = torch.Generator().manual_seed(2)
    mean, std, side = (0.5, 0.4, 0.3), (0.5, 0.25, 0.2), 16
    settings = {"side": side, "mean": mean, "std": std, "antialias": antialias,
                "letterbox": letterbox, "bgr": False}  # fmt: skip
    sizes = [(16, 16), (40, 23), (9, 30), (5, 5), (33, 16), (8, 21)]
    images = [torch.randint(0, 256, (3, *size), generator=generator) for size in sizes]
    cases = []
    for image in images:
        rgba = torch.cat([image, torch.full_like(image[:1], 255)]).permute(1, 2, 0)
        height, width = image.shape[1:]
        cases.append({"data": rgba.flatten().tolist(), "width": width, "height": height})
    expression = f"cases.map((one) => Array.from(prepareInput(one, {json.dumps(settings)})))"
    shift, spread = (torch.tensor(one)[:, None, None] for one in (mean, std))
    for image, got in zip(images, in_node(expression, "prepare.js", cases), strict=True):
        expected = fit(
            (image[None] / 255 - shift) / spread, side, antialias, letterbox, -shift / spread
        )
        numbers = torch.tensor(got).reshape(side, side, 3).permute(2, 0, 1)
        assert (numbers - expected[0]).abs().max() < 1e-4, image.shape


def test_channels_are_turned_for_networks_that_read_bgr():
    settings = {"side": 1, "mean": [0, 0, 0], "std": [1, 1, 1], "antialias": True,
                "letterbox": False, "bgr": True}  # fmt: skip
    expression = f"cases.map((one) => Array.from(prepareInput(one, {json.dumps(settings)})))"
    got = in_node(expression, "prepare.js", [{"data": [255, 0, 51, 255], "width": 1, "height": 1}])
    assert got[0] == pytest.approx([0.2, 0, 1])


def test_halves_are_read_as_pytorch_writes_them():
    numbers = torch.tensor([0.0, 1.0, -2.5, 65504.0, 6e-8, 1e-5, -0.1])
    bits = numbers.half().view(torch.int16).tolist()
    got = in_node("cases.map((bits) => fromHalf(bits & 0xffff))", "engine.js", bits)
    assert got == numbers.half().tolist()


def test_shapes_turn_and_their_truth_follows():
    shape = {"parts": [["#000", [-0.5, -0.25, 0.5, -0.25, 0.5, 0.25, -0.5, 0.25]]],
             "cx": 0.5, "cy": 0.4, "size": 0.4, "turn": 0.0}  # fmt: skip
    shapes = [shape, {**shape, "turn": torch.pi / 2}, {**shape, "cx": 0.9}]
    flat, turned, cut = in_node("cases.map(truthOf)", "scene.js", shapes)
    assert flat == pytest.approx([0.3, 0.3, 0.7, 0.5])
    assert turned == pytest.approx([0.4, 0.2, 0.6, 0.6])
    assert cut == pytest.approx([0.7, 0.3, 1.0, 0.5])  # the truth ends where the picture does
    assert in_node("shapeAt(cases, 0.5, 0.45, 0)", "scene.js", shapes) == 1
    assert in_node("shapeAt(cases, 0.05, 0.05, 0)", "scene.js", shapes) == -1
