"""A detector's page in a real browser, without a network: the same numbers as PyTorch, and the hands."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import detlearn
from detlearn.boxes import box_iou
from detlearn.data import data_path, read_image
from detlearn.show import DetectorPage
from tools.chromium import ARGUMENTS, on_path
from tools.vendor import file_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]

NETWORKS = ["ssd_tiny", "blazeface", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny"]
SCENES = sorted(data_path("shapes_val", "images").glob("*.png"))
FEW = 12
"""Scenes of the short form; the long one takes all."""

# Looks at a picture and says for all priors what it saw: scores, then boxes, as base64 of float32.
LOOK = """async (uri) => {
  const image = new Image();
  image.src = uri;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.width, image.height];
  const g = canvas.getContext("2d");
  g.drawImage(image, 0, 0);
  const { detector } = globalThis.detectorPage;
  const view = detector.look(g.getImageData(0, 0, canvas.width, canvas.height));
  const P = detector.priors.length / 4;
  const boxes = Array.from({ length: P }, (_, i) => view.answers.box(i)).flat();
  const bytes = new Uint8Array(new Float32Array([...view.answers.scores, ...boxes]).buffer);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  const { found } = detector.choose(view, THRESHOLD, IOU);
  return { numbers: btoa(text), times: view.times,
    found: found.map(({ box, score, label, prior }) => ({ box, score, label, prior })) };
}"""


class Visitor:
    """Someone who opened a page from the disk; the machine has no network."""

    def __init__(self, browser: Any, path: Any, width: int = 1280, scheme: str = "light") -> None:
        self.faults: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            has_touch=True,
            offline=True,
            permissions=["camera"],
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(300_000)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("request", lambda request: self._request(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_function("globalThis.detectorPage")

    def _request(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "blob:")):
            self.faults.append(f"asked for {url}")

    def found(self) -> list[dict[str, Any]]:
        return self.page.evaluate(
            "globalThis.detectorPage.answer().found"
            ".map(({ box, score, label, prior }) => ({ box, score, label, prior }))"
        )

    def at(self, x: float, y: float) -> tuple[float, float]:
        area = self.page.locator("#view").bounding_box()
        return area["x"] + x * area["width"], area["y"] + y * area["height"]

    def leave(self) -> None:
        self.context.close()
        assert self.faults == []


def rounded_model(name: str) -> Any:
    """The shipped detector with its filters rounded to float16, as the page has them."""
    model = detlearn.load_model(data_path("weights", f"{name}.safetensors"))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.copy_(parameter.half().float())
    return model


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    return {
        name: DetectorPage(
            detlearn.load_model(data_path("weights", f"{name}.safetensors"))
        ).save(folder / f"{name}.html")
        for name in NETWORKS
    }  # fmt: skip


def data_uri(path: Any) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def compare(visitor: Visitor, name: str, paths: list[Any], tolerance: tuple[float, float]) -> None:
    model = rounded_model(name)
    config, times = model.config, []
    P, K = config.priors.num_priors, config.num_classes
    threshold = max(0.3, config.score_threshold)
    look = LOOK.replace("THRESHOLD", str(threshold)).replace("IOU", str(config.iou_threshold))
    for path in paths:
        image = read_image(path)
        with torch.inference_mode():
            scores, boxes = model.scores_and_boxes(model(model.prepare([image])))
        expected = model.detect([image], score_threshold=threshold)[0]
        got = visitor.page.evaluate(look, data_uri(path))
        numbers = np.frombuffer(base64.b64decode(got["numbers"]), np.float32)
        times.append(sum(got["times"].values()))
        off_scores = np.abs(numbers[: P * K] - scores.flatten().numpy()).max()
        off_boxes = np.abs(numbers[P * K :] - boxes.flatten().numpy()).max()
        assert off_scores <= tolerance[1], f"{name}, {path.name}: scores differ by {off_scores}"
        assert off_boxes <= tolerance[0], f"{name}, {path.name}: boxes differ by {off_boxes}"
        same_detections(
            got["found"], expected, image.shape[-2:], threshold, config.iou_threshold, tolerance
        )
    times.sort()
    middle = times[len(times) // 2]
    print(f"\n{name}: {len(paths)} pictures, {middle:.1f} ms a frame, {1000 / middle:.0f} frames/s")


def same_detections(found, expected, size, threshold, iou_threshold, tolerance) -> None:
    """The same answer, but for what a last digit decides: a score on the threshold, or which of two
    overlapping boxes with equal scores is the better one."""
    whole = torch.tensor([size[1], size[0]] * 2)
    wanted = {
        (int(label), int(prior)): (float(score), box.tolist())
        for label, prior, score, box in zip(
            expected["labels"], expected["priors"], expected["scores"],
            expected["boxes"] / whole, strict=True,
        )
    }  # fmt: skip
    got = {(one["label"], one["prior"]): (one["score"], one["box"]) for one in found}
    for one, other in ((wanted, got), (got, wanted)):
        for key in one.keys() - other.keys():
            score, box = one[key]
            twins = [
                twin for (label, _), (score_of_twin, twin) in other.items()
                if label == key[0] and abs(score_of_twin - score) <= tolerance[1]
            ]  # fmt: skip
            overlaps = box_iou(torch.tensor([box]), torch.tensor(twins).reshape(-1, 4))
            swapped = bool((overlaps > iou_threshold).any())
            assert swapped or abs(score - threshold) <= tolerance[1], (key, one[key], other)
    for key in wanted.keys() & got.keys():
        assert got[key][0] == pytest.approx(wanted[key][0], abs=tolerance[1])
        assert got[key][1] == pytest.approx(wanted[key][1], abs=tolerance[0])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_page_says_what_pytorch_says(running, pages, name):
    visitor = Visitor(running, pages[name])
    compare(visitor, name, SCENES[:: len(SCENES) // FEW], (1e-3, 2e-3))
    visitor.leave()


@pytest.mark.long
@pytest.mark.parametrize("name", NETWORKS)
def test_on_every_shipped_scene(running, pages, name):
    visitor = Visitor(running, pages[name])
    compare(visitor, name, SCENES, (1e-3, 2e-3))
    visitor.leave()


@pytest.mark.parametrize("name", ["ssd_tiny", "blazeface"])
def test_pictures_of_other_sizes_are_resized_alike(running, pages, name, tmp_path):
    paths = []
    for index, size in enumerate([(300, 200), (64, 100), (128, 127)]):
        path = tmp_path / f"{index}.png"
        Image.open(SCENES[index]).convert("RGB").resize(size).save(path)
        paths.append(path)
    visitor = Visitor(running, pages[name])
    compare(visitor, name, paths, (1e-3, 2e-3))
    visitor.leave()


def test_a_student_s_own_network(running, tmp_path):
    """Other widths, other classes, no BatchNorm statistics of ours: the graph says it all."""
    torch.manual_seed(0)
    model = detlearn.create_model("ssd_tiny", widths=(8, 16, 24, 32, 40), num_classes=4)
    visitor = Visitor(running, DetectorPage(model).save(tmp_path / "own.html"))
    assert "No picture yet" in visitor.page.inner_text("#facts")
    visitor.page.set_input_files("#file", str(SCENES[0]))
    visitor.page.wait_for_function("globalThis.detectorPage.answer()")
    visitor.leave()


def test_shapes_are_moved_by_pointer_and_keys(running, pages):
    visitor = Visitor(running, pages["ssd_tiny"])
    page = visitor.page
    shapes = (
        "globalThis.detectorPage.state.shapes.map(({ cx, cy, size, turn }) => [cx, cy, size, turn])"
    )
    before = page.evaluate(shapes)
    cx, cy = before[0][:2]
    page.mouse.move(*visitor.at(cx, cy))
    page.mouse.down()
    page.mouse.move(*visitor.at(cx + 0.1, cy - 0.05), steps=3)
    page.mouse.up()
    after = page.evaluate(shapes)
    assert after[0][:2] == pytest.approx([cx + 0.1, cy - 0.05], abs=0.01)
    assert after[1:] == before[1:]
    page.focus("#view")
    for key in ("ArrowLeft", "+", "t"):
        page.keyboard.press(key)
    moved = page.evaluate(shapes)[0]
    assert moved == pytest.approx(
        [after[0][0] - 0.01, after[0][1], after[0][2] * 1.1, np.pi / 12], abs=1e-6
    )
    page.keyboard.press("Delete")
    assert len(page.evaluate(shapes)) == len(before) - 1
    label = page.get_attribute("#view", "aria-label")
    assert f"A scene of {len(before) - 1} shapes" in label and "found" in label
    visitor.leave()


def test_a_shape_is_drawn_by_hand(running, pages):
    visitor = Visitor(running, pages["ssd_tiny"])
    page = visitor.page
    count = "globalThis.detectorPage.state.shapes.length"
    before = page.evaluate(count)
    page.click("#draw")
    page.mouse.move(*visitor.at(0.1, 0.3))
    page.mouse.down()
    for x, y in ((0.3, 0.3), (0.3, 0.45), (0.1, 0.45)):
        page.mouse.move(*visitor.at(x, y), steps=2)
    page.mouse.up()
    assert page.evaluate(count) == before + 1
    visitor.leave()


def test_the_sliders_change_the_answer_and_the_words(running, pages):
    visitor = Visitor(running, pages["ssd_tiny"])
    page = visitor.page
    before = page.inner_text("#facts")
    page.evaluate("document.getElementById('score').value = 2")
    page.dispatch_event("#score", "input")
    assert page.inner_text("#facts") != before
    assert "of 3,392 priors score above 0.02" in page.inner_text("#facts")
    many = len(visitor.found())
    page.evaluate("document.getElementById('iou').value = 5")
    page.dispatch_event("#iou", "input")
    assert len(visitor.found()) < many
    boxes = visitor.found()
    for label in {one["label"] for one in boxes}:
        own = torch.tensor([one["box"] for one in boxes if one["label"] == label])
        assert (box_iou(own, own) - torch.eye(len(own))).max() <= 0.05 + 1e-6
    words = page.inner_text("#origin")
    assert f"Prior {boxes[0]['prior']:,}: map " in words
    page.focus("#view")
    page.keyboard.press("b")
    assert f"Prior {boxes[1]['prior']:,}: map " in page.inner_text("#origin")
    visitor.leave()


def test_the_drawn_scene_is_mostly_found(running, pages):
    """What the page draws looks to the network like what it has learned."""
    visitor = Visitor(running, pages["ssd_tiny"])
    state = "globalThis.detectorPage.state.shapes.map((shape) => shape.label)"
    labels = visitor.page.evaluate(state)
    found = {one["label"] for one in visitor.found()}
    assert len(found & set(labels)) >= len(labels) - 1
    visitor.leave()


def test_a_dropped_file_and_one_that_is_no_picture(running, pages, tmp_path):
    visitor = Visitor(running, pages["ssd_tiny"])
    page = visitor.page
    drop = """([name, type, text]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name, { type }));
      document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true }));
    }"""
    page.evaluate(drop, ["notes.txt", "text/plain", base64.b64encode(b"hello").decode()])
    page.wait_for_selector("#error:not([hidden])")
    assert "notes.txt: expected a picture" in page.inner_text("#error")
    content = base64.b64encode(SCENES[0].read_bytes()).decode()
    page.evaluate(drop, ["scene.png", "image/png", content])
    page.wait_for_selector("#error", state="hidden")
    assert "the picture scene.png" in page.get_attribute("#view", "aria-label")
    expected = rounded_model("ssd_tiny").detect([read_image(SCENES[0])], score_threshold=0.3)[0]
    assert len(visitor.found()) == len(expected["labels"])
    visitor.leave()


@pytest.fixture
def with_camera(running):
    """Chromium with a camera that shows a test picture."""
    kind = running.browser_type
    fake = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    one = kind.launch(executable_path=on_path() or kind.executable_path, args=[*ARGUMENTS, *fake])
    yield one
    one.close()


def test_the_camera(with_camera, pages):
    visitor = Visitor(with_camera, pages["blazeface"])
    page = visitor.page
    assert [found["label"] for found in visitor.found()] == [1]  # the astronaut's face
    page.check("#source-camera")
    said = "document.querySelector('#view').getAttribute('aria-label')"
    page.wait_for_function(f"{said}.startsWith(`the camera's picture`)")
    page.wait_for_function("document.querySelector('#times td:last-child').textContent !== '–'")
    print("\ncamera:", json.dumps(page.inner_text("#times tbody")))
    page.check("#source-picture")
    assert page.evaluate("document.querySelector('video').srcObject") is None
    visitor.leave()


def test_a_camera_that_is_refused_is_said(running, pages):
    visitor = Visitor(running, pages["blazeface"])
    visitor.page.check("#source-camera")
    visitor.page.wait_for_selector("#error:not([hidden])")
    assert "The camera could not be opened" in visitor.page.inner_text("#error")
    visitor.leave()


def test_frames_beside_each_other_share_a_scene(running, pages):
    folder = pages["ssd_tiny"].parent
    frames = "".join(f'<iframe src="{name}_tiny.html"></iframe>' for name in ("ssd", "m2det"))
    template = (ROOT / "tools" / "gallery.html").read_text(encoding="utf-8")
    (folder / "index.html").write_text(template.replace("FRAMES", frames), encoding="utf-8")
    context = running.new_context(offline=True)
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.goto((folder / "index.html").as_uri())
    first, second = page.frames[1:]
    for frame in (first, second):
        frame.wait_for_function("globalThis.detectorPage")
    first.focus("#view")
    page.keyboard.press("Delete")
    count = "globalThis.detectorPage.state.shapes.length"
    left = first.evaluate(count)
    second.wait_for_function(f"{count} === {left}")
    assert left == 4
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_the_page_fits(running, pages, width, scheme):
    visitor = Visitor(running, pages["ssd_tiny"], width, scheme)
    page = visitor.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("#view").bounding_box()["width"] >= min(width - 40, 340)
    page.evaluate(file_of("axe-core", "axe.min.js").read_text(encoding="utf-8"))
    faults = page.evaluate(
        "axe.run().then((r) => r.violations.map((v) => [v.id, v.nodes[0].html]))"
    )
    assert faults == []
    visitor.leave()
