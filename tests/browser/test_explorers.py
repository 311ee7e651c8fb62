"""The explorers in a real browser: keys, pointer, touch, words, narrow screens, speed."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import pytest
import torch

from detlearn import create_model, load_model
from detlearn.boxes import PRIOR_LAYOUTS, SSD300_VOC_PRIORS, SSD_TINY_PRIORS
from detlearn.data import CocoDetectionDataset, data_path
from detlearn.models import RefineDetPredictions
from detlearn.show import (
    AttentionExplorer,
    AveragePrecisionExplorer,
    BranchExplorer,
    FaceExplorer,
    FaceOffExplorer,
    FuseMatrixExplorer,
    HardNegativesExplorer,
    HeatMapExplorer,
    LevelScaleExplorer,
    MatchingExplorer,
    NMSExplorer,
    PriorBoxExplorer,
    PyramidExplorer,
    RefinementExplorer,
    SessionExplorer,
    ShapeTableExplorer,
    ThresholdExplorer,
    TransferExplorer,
    UShapeExplorer,
)

pytestmark = pytest.mark.slow

OBJECTS = torch.tensor([[0.1, 0.1, 0.12, 0.12], [0.2, 0.2, 0.5, 0.6], [0.3, 0.1, 0.9, 0.8]])
EXPLORERS = {
    "prior boxes": lambda: PriorBoxExplorer(PRIOR_LAYOUTS),
    "matching": lambda: MatchingExplorer(PRIOR_LAYOUTS, objects=OBJECTS),
    "hard negatives": HardNegativesExplorer,
    "nms": NMSExplorer,
    "average precision": AveragePrecisionExplorer,
    "faces": FaceExplorer,
    "face-off": FaceOffExplorer,
    "fuse matrix": FuseMatrixExplorer,
    "heat map": HeatMapExplorer,
    "refinement": lambda: RefinementExplorer(SSD_TINY_PRIORS, random_answers(), OBJECTS),
    "sessions": lambda: SessionExplorer(65, 24, 4),
    "shapes": lambda: three_ssds(),
    "transfer": lambda: TransferExplorer(
        random_refinedet(), torch.full((3, 128, 128), 0.4), 128 * OBJECTS, torch.tensor([1, 2, 3])
    ),
    "thresholds": lambda: trained_thresholds(),
    "TUMs": lambda: UShapeExplorer(create_model("m2det_tiny"), torch.rand(3, 128, 128), step=4),
    "levels and scales": lambda: LevelScaleExplorer(
        trained("m2det_tiny"), *scene(25), file=file(25)
    ),
    "pyramid": lambda: PyramidExplorer(
        trained("ssd_tiny"), scene(24)[0], ("backbone", "head.logits"), file=file(24)
    ),
    "branches": lambda: BranchExplorer(trained("ssd_hrnet_tiny"), scene(9)[0], file=file(9)),
    "attention": lambda: AttentionExplorer(
        trained("m2det_tiny"),
        [scene(k)[0] for k in (25, 109)],
        files=[file(25), file(109)],
        scale=4,
    ),
}


def trained(name: str) -> Any:
    """A detector with the course's weights."""
    return load_model(data_path("weights", f"{name}.safetensors"))


def file(index: int) -> Path:
    """A picture of the validation set."""
    return data_path("shapes_val") / "images" / f"{index:06d}.png"


def scene(index: int) -> Any:
    """The same as image and target."""
    folder = data_path("shapes_val")
    return CocoDetectionDataset(folder / "images", folder / "annotations.json")[index]


def trained_thresholds() -> ThresholdExplorer:
    """A trained detector's answer to a scene of the validation set."""
    return ThresholdExplorer(trained("ssd_tiny"), *scene(109), file=file(109))


def three_ssds() -> ShapeTableExplorer:
    """The networks of chapter 04."""
    with torch.device("meta"):
        return ShapeTableExplorer({
            name: create_model(name)
            for name in ("ssd300_vgg16", "ssd300_resnet50", "ssdlite300_mobilenet_v2")
        })  # fmt: skip


def random_answers() -> RefineDetPredictions:
    """What an untrained RefineDet could say about one picture."""
    generator = torch.Generator().manual_seed(0)
    P = SSD_TINY_PRIORS.num_priors
    return RefineDetPredictions(
        *(3 * torch.randn(1, P, n, generator=generator) for n in (2, 4, 9, 4))
    )


def random_refinedet() -> Any:
    """The same random model every time."""
    torch.manual_seed(0)
    return create_model("refinedet_tiny").eval()


class Reader:
    """Someone who looks at one explorer."""

    def __init__(self, browser: Any, folder: Any, explorer: Any, width: int, scheme: str) -> None:
        file = folder / "explorer.html"
        file.write_text(
            "<!doctype html><html lang='en'><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width'><title>One explorer</title>"
            "<style>body { margin: 0 }</style>" + explorer.to_html(),
            encoding="utf-8",
        )
        self.faults: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, has_touch=True
        )
        self.page = self.context.new_page()
        self.page.set_default_timeout(60_000)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda message: self.faults.append(message.text))
        self.page.on("request", lambda request: self._request(request.url))
        self.page.goto(file.as_uri())
        self.frame = self.page.frames[1]
        self.frame.wait_for_selector("#facts")
        self.frame.wait_for_function("document.querySelector('canvas').width !== 300")
        self.seen = self.picture()

    def _request(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "about:")):
            self.faults.append(f"asked for {url}")

    def picture(self) -> str:
        return self.frame.evaluate("document.querySelector('canvas[tabindex]').toDataURL()")

    def facts(self) -> str:
        return self.frame.inner_text("#facts")

    def changed(self, words: str = "") -> None:
        """The picture has changed since the last time, and the words say so."""
        now = self.picture()
        assert now != self.seen
        self.seen = now
        assert words in self.facts()

    def press(self, control: str, *keys: str) -> None:
        self.frame.focus(control)
        for key in keys:
            self.page.keyboard.press(key)

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Place on the picture, in fractions of it, as a place of the page, scrolled to."""
        canvas = self.frame.locator("canvas[tabindex]")
        canvas.scroll_into_view_if_needed()
        area = canvas.bounding_box()
        return area["x"] + x * area["width"], area["y"] + y * area["height"]

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*self.point(*start))
        self.page.mouse.down()
        self.page.mouse.move(*self.point(*end), steps=3)
        self.page.mouse.up()

    def leave(self) -> None:
        self.context.close()
        assert self.faults == []


@pytest.fixture
def read(running, tmp_path):
    readers: list[Reader] = []

    def start(explorer: Any, width: int = 1000, scheme: str = "light") -> Reader:
        readers.append(Reader(running, tmp_path, explorer, width, scheme))
        return readers[-1]

    yield start
    for reader in readers:
        reader.leave()


def test_prior_boxes_of_a_cell(read):
    reader = read(PriorBoxExplorer(PRIOR_LAYOUTS), width=360)
    for control, words in (("level", "Level 3:"), ("row", "row 3,"), ("column", "column 3:")):
        reader.press(f"#{control}", "ArrowRight")
        reader.changed(words)
    reader.press("#picture", "ArrowUp")
    reader.changed("row 2,")
    reader.press("#picture", "PageUp")
    reader.changed("Level 4: 3 × 3 cells")
    reader.frame.click("#all")
    reader.changed("36 of 8,732")
    reader.frame.click("#clamp")
    reader.page.mouse.click(*reader.point(0.2, 0.2))
    reader.changed("row 0, column 0: centre (50, 50)")
    reader.page.touchscreen.tap(*reader.point(0.5, 0.5))
    reader.changed("row 1, column 1: centre (150, 150)")
    reader.frame.select_option("#layout", "refinedet320")
    reader.changed("of 6,375")
    assert reader.frame.locator("#list tbody tr").count() == 3


def test_prior_boxes_of_a_layout_of_ones_own(read):
    reader = read(PriorBoxExplorer({"ssd": SSD300_VOC_PRIORS}, level=4))
    reader.frame.select_option("#layout", "your own")
    assert "Level 4: 3 × 3 cells × 4 priors = 36 of 8,732." in reader.facts()
    reader.press("#own-step", "Home")  # from 100 px to 4
    reader.changed("Level 4: 75 × 75 cells × 4 priors = 22,500 of 31,196.")
    reader.press("#own-ratio-1", "PageUp")
    reader.changed("75 × 75 cells × 6 priors")
    reader.press("#own-min", "Home")
    reader.changed("Level 4")
    assert "4 × 4" in reader.frame.inner_text("#list")
    before = reader.frame.inner_text("#coverage")
    reader.press("#level", "Home")
    reader.press("#own-min", "End")
    reader.changed("Level 0")
    assert reader.frame.inner_text("#coverage") != before
    reader.frame.select_option("#layout", "ssd")
    reader.changed("of 8,732")


def test_prior_boxes_and_an_object(read):
    reader = read(PriorBoxExplorer({"ssd": SSD300_VOC_PRIORS}))
    reader.frame.click("#mode-object")
    reader.changed(
        "14 priors of 8,732 reach IoU 0.50 (level 1: 4, level 2: 10). Best: 0.726, level 2"
    )
    assert "deltas\t1.019\t−0.701\t0.684\t−0.644" in reader.frame.inner_text("#coded")
    assert "decoded\t216\t165\t90\t138" in reader.frame.inner_text("#coded")
    reader.press("#rank", "ArrowRight")
    reader.changed()
    assert "prior 0 of level 2, row 5, column 6" in reader.frame.inner_text("#coded caption")
    reader.press("#threshold", "End")
    reader.changed("0 priors of 8,732 reach IoU 0.95. Best: 0.726")
    assert "so it is forced" in reader.facts()
    reader.press("#picture", "ArrowRight", "Shift+ArrowDown")
    reader.changed("Best:")
    before = reader.frame.inner_text("#coded")
    reader.drag((0.66, 0.55), (0.4, 0.4))
    reader.changed("Best:")
    assert reader.frame.inner_text("#coded") != before
    reader.press("#w", "Home")
    reader.press("#h", "Home")
    reader.changed("level 0")
    reader.frame.locator("#tiles").click(position={"x": 80, "y": 112})
    assert "3: 5 × 5" in reader.frame.inner_text("output[for=level]")


def test_matching(read):
    reader = read(MatchingExplorer({"ssd": SSD300_VOC_PRIORS}, objects=OBJECTS))
    assert reader.facts().startswith(
        "3 objects: 21 of 8,732 priors positive at IoU ≥ 0.50, 1 of them only because forced; "
        "63 mined; 8,648 left out. Positive for object 1: 14, 2: 6, 3: 1 (forced)."
    )
    assert "Recall of 3 objects of the data set: 66.7 %" in reader.frame.inner_text("#recall")
    reader.frame.click("#force")
    reader.changed("2: 6, 3: 0.")
    reader.press("#threshold", "ArrowLeft")
    reader.changed("IoU ≥ 0.45")
    reader.press("#ratio", "Home")
    reader.changed("0 mined")
    reader.press("#picture", "PageDown", "ArrowRight")
    reader.changed()
    assert reader.frame.locator("#object").input_value() == "1"
    reader.drag((0.2, 0.9), (0.5, 0.2))
    reader.changed()
    assert reader.frame.locator("#object").input_value() == "2"
    reader.press("#factor", "Home")
    reader.changed()
    for _ in range(3):
        reader.frame.click("#add")
    reader.changed("6 objects")
    assert reader.frame.locator("#add").is_disabled()
    for _ in range(6):
        reader.frame.click("#remove")
    reader.changed("No objects: no positives")


def test_hard_negatives(read):
    reader = read(HardNegativesExplorer(), width=360)
    assert "2 positives × 3 = 6: n = 6 mined of 14 negatives." in reader.facts()
    assert "the same priors, yes" in reader.frame.inner_text("#words")
    reader.press("#ratio", "ArrowRight")
    assert "2 positives × 3.25 = 6.5: n = 6" in reader.facts()
    reader.press("#bars", "ArrowUp", "ArrowUp", "ArrowUp")
    reader.changed("n = 8")
    reader.press("#bars", "ArrowRight", " ")
    reader.changed("3 positives × 4 = 12: n = 12 mined of 13")
    reader.press("#ratio", "End")
    reader.changed("but there are only 13: n = 13")
    reader.frame.click("#rank")
    reader.changed("3 positives counted among them")
    reader.page.mouse.click(*reader.point(0.5, 0.3))
    reader.changed()
    assert "prior 8 holds" in reader.frame.inner_text("#words")


def test_nms(read):
    reader = read(NMSExplorer())
    assert "12 of 12 boxes have a score above 0.10" in reader.facts()
    reader.frame.click("#next")
    reader.changed(
        "Step 1: box 0 has the best score that waits, 0.94, and stays. It suppresses 1, 2"
    )
    reader.press("#picture", "ArrowRight", "ArrowRight")
    reader.changed("Step 3: box 7")
    reader.press("#picture", "End")
    reader.changed("Kept: 7, out: 5, waiting: 0. Done.")
    assert "out by 0, IoU 0.72" in reader.frame.inner_text("#list")
    reader.frame.click("#method-linear")
    reader.changed("Done.")
    assert "faded" not in reader.frame.inner_text("#list tr:nth-child(2)")
    reader.frame.click("#method-gaussian")
    reader.changed()
    reader.press("#sigma", "Home")
    reader.changed("Done.")
    reader.press("#score", "End")
    reader.changed("No box has a score above 0.95: nothing to do.")
    reader.press("#score", "Home")
    reader.page.mouse.click(*reader.point(0.86, 0.14))
    reader.changed()


def test_average_precision(read):
    reader = read(AveragePrecisionExplorer())
    assert "Precision 6/12 = 0.500, recall 6/8 = 0.750." in reader.facts()
    assert "area\t0.5590\t0.5590" in reader.frame.inner_text("#results")
    reader.press("#score", "ArrowLeft")
    reader.changed("Score ≥ 0.22: 11 of 12 detections, 5 right, 6 wrong.")
    assert "area\t0.4965\t0.5590" in reader.frame.inner_text("#results")
    reader.press("#plot", "ArrowLeft", " ")
    reader.changed("10 of 12 detections, 6 right")
    reader.frame.click("#interpolation-11-point")
    reader.changed()
    reader.frame.click("#interpolation-101-point")
    reader.changed()
    reader.press("#objects", "Home")
    reader.changed("recall 6/7 = 0.857")  # not fewer than all that are right
    reader.frame.click("#strip", position={"x": 20, "y": 15})
    reader.changed("1 of 12 detections, 1 right")
    reader.press("#score", "Home")
    reader.changed("No detection admitted")


def test_fuse_matrix(read):
    reader = read(FuseMatrixExplorer(receiver=2, giver=0), width=360)
    assert reader.facts() == (
        "Branch 2 hears branch 0: down, the side halved 2 times, 32 → 128 channels, 46,400 of the "
        "matrix's 784,512 parameters."
    )
    assert "3×3, stride 2, BN\t128 × 16 × 12\t37,120\t7.1 M" in reader.frame.inner_text("#steps")
    reader.press("#picture", "ArrowUp", "ArrowUp", "ArrowRight", "ArrowRight", "ArrowRight")
    reader.changed(
        "Branch 0 hears branch 3: up, the side doubled 3 times, 256 → 32 channels, 8,256"
    )
    reader.frame.select_option("#light", "3")
    reader.changed()
    assert "0\t16 × 16\t64 of 256\t1" in reader.frame.inner_text("#outputs")
    reader.press("#picture", " ")
    reader.changed("It is off. 1 cell of 16 off.")
    assert "0\t16 × 16\t0 of 256\t0" in reader.frame.inner_text("#outputs")
    reader.frame.click("#all")
    reader.changed("8,256 of the matrix's")
    reader.press("#weight", "Home")  # a giver may say no
    reader.changed()
    assert "0\t16 × 16\t0 of 256\t0" in reader.frame.inner_text("#outputs")
    reader.frame.select_option("#light", "0")
    reader.changed()
    heard = reader.frame.inner_text("#outputs")
    assert "1\t8 × 8\t4 of 64" in heard and "2\t4 × 4\t4 of 16" in heard
    for control in ("row", "column"):
        reader.press(f"#{control}", "ArrowRight")
    reader.changed()
    heard = reader.frame.inner_text("#outputs")
    assert "1\t8 × 8\t1 of 64" in heard and "2\t4 × 4\t1 of 16" in heard
    reader.frame.click("#own")
    reader.changed("12 cells of 16 off.")
    reader.frame.click("#only")
    reader.changed("15 cells of 16 off.")
    reader.page.mouse.click(*reader.point(0.16, 0.16))  # the map of giver 0
    reader.changed("hears itself")
    reader.page.mouse.click(*reader.point(0.33, 0.9))  # 3 <- 1
    reader.changed("Branch 3 hears branch 1")
    reader.page.touchscreen.tap(*reader.point(0.33, 0.9))
    reader.changed("Branch 3 hears branch 1")
    assert "It is off" not in reader.facts()
    reader.frame.click("#branches-2")
    reader.changed("Branch 1 hears itself")
    assert reader.frame.locator("#outputs tbody tr").count() == 2


def test_refinement_in_the_browser(read):
    reader = read(EXPLORERS["refinement"]())
    assert "θ = 0.01: " in reader.facts() and "survives" in reader.facts()
    reader.press("#theta", "Home")
    reader.changed("θ = 0: 3,392 of 3,392 priors survive.")
    reader.press("#theta", "End")
    reader.changed("θ = 1: 0 of 3,392 priors survive.")
    assert "is dropped" in reader.facts()
    reader.press("#picture", "PageDown", "ArrowRight")
    reader.changed("θ = 0.9")
    assert "2 of 160" in reader.frame.inner_text("output[for=prior]")
    reader.press("#dx", *["ArrowRight"] * 10)
    reader.changed("moves the final box by 0.50 of the prior's width")
    reader.press("#dx", *["ArrowLeft"] * 10)
    reader.press("#dw", *["ArrowRight"] * 10)
    reader.changed("makes it 2.72 times as wide")
    reader.frame.click("#first")
    reader.changed("makes it 1.00 times as wide")
    assert "anchor (= prior)" in reader.frame.inner_text("#list")
    reader.page.mouse.click(*reader.point(0.5, 0.5))
    reader.changed()


def test_transfer_in_the_browser(read):
    reader = read(EXPLORERS["transfer"]())
    assert "1 of 4 maps change (0)" in reader.facts()
    reader.press("#picture", "3")
    reader.changed("3 of 4 maps change (0, 1, 2)")
    reader.press("#level", "End")
    reader.changed("Map 3 stays as it is")
    reader.press("#picture", "ArrowLeft")
    reader.changed("Map 2 changes by")
    reader.frame.select_option("#channel", "1")
    reader.changed()


def test_sessions(read):
    reader = read(EXPLORERS["sessions"](), width=390)
    assert reader.facts() == (
        "65 epochs of 24 minutes are 26.0 hours; 220 of 240 minutes train: 7.1, so 8 sessions."
    )
    reader.press("#picture", "ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowUp", "ArrowUp", "ArrowUp")
    reader.changed("80 of 120 minutes train: 19.5, so 20 sessions.")
    assert "20 · 40 = 800" in reader.frame.inner_text("#list")
    reader.press("#picture", "+", "+", "-", "ArrowRight", "ArrowDown")
    reader.changed("66 epochs of 24 minutes are 26.4 hours; 145 of 180 minutes train")
    for control, words in (
        ("#epochs", "300 epochs of 24 minutes"), ("#minutes", "300 epochs of 120 minutes"),
        ("#setup", "125 of 180 minutes train"), ("#hours", "1,385 of 1,440 minutes train"),
    ):  # fmt: skip
        reader.press(control, "End")
        reader.changed(words)
    reader.press("#hours", "Home")
    reader.changed("so 7,200 sessions. The first 80 are drawn.")
    for control in ("#epochs", "#minutes", "#setup"):
        reader.press(control, "Home")
        reader.changed()
    assert reader.facts() == "1 epoch of 1 minute is 0.0 hours; 60 of 60 minutes train: 0.0, " + (
        "so 1 session."
    )
    assert "a session trains\t60 − 0 = 60" in reader.frame.inner_text("#list")


def test_shapes_of_three_networks(read):
    reader = read(EXPLORERS["shapes"]())
    assert reader.facts() == (
        "ssd300_vgg16, input (1, 3, 300, 300): 83 modules. It has 35,641,826 parameters and "
        "34,858.2 M multiply-adds."
    )
    rows = reader.frame.locator("#list tbody tr")
    assert rows.count() == 8  # three of the five modules return two tensors
    assert rows.nth(2).inner_text().split("\t") == [
        "backbone", "VGG16", "[0]", "(1, 512, 38, 38)", "20,483,904", "29,898.4 M"
    ]  # fmt: skip
    reader.press("#picture", "ArrowRight", "ArrowRight")
    reader.changed("backbone.layers (Sequential) has 20,483,904 parameters, 57 % of the model's")
    assert "relu4_3\tReLU\t\t(1, 512, 38, 38)" in reader.frame.inner_text("#list")
    reader.press("#picture", "ArrowLeft", "ArrowLeft", "ArrowDown", "ArrowDown")
    reader.changed()
    assert rows.nth(6).get_attribute("class") is None
    assert reader.frame.inner_text("#list .picked").startswith("l2norm")
    reader.press("#depth", "End")
    assert rows.count() > 83
    reader.press("#picture", "-", "-", "-", "-", "-", "-")
    assert rows.count() == 2
    reader.press("#picture", "+")
    assert rows.count() == 8
    rows.nth(6).click()  # the head
    reader.changed("head (MultiBoxHead) has 12,697,890 parameters, 36 %")
    reader.press("#picture", "m")
    reader.changed("ssd300_resnet50, input (1, 3, 300, 300): 184 modules.")
    reader.frame.select_option("#model", "2")
    reader.changed("ssdlite300_mobilenet_v2, input (1, 3, 300, 300): 324 modules.")
    reader.frame.select_option("#part", "head")
    reader.changed("head (MultiBoxHead) has 1,575,156 parameters, 35 %")
    reader.page.mouse.click(*reader.point(0.3, 0.25))  # the second bar, and then into it
    reader.changed()
    reader.page.mouse.click(*reader.point(0.3, 0.25))
    reader.changed("head.deltas (ModuleList)")


def test_faces(read):
    reader = read(FaceExplorer())
    assert "Found. Score 0.89" in reader.facts()
    reader.press("#picture", "ArrowRight")
    reader.changed("Found.")
    reader.press("#picture", "b", "b", "-", "-")
    reader.changed("Missed: the threshold is 0.5.")
    reader.press("#size", "End")
    reader.changed()
    reader.press("#angle", "End")
    reader.changed()


def test_face_off(read):
    tall = "document.querySelector('#app').offsetHeight"
    assert read(FaceOffExplorer(), width=1280).frame.evaluate(tall) <= 700  # of a screen of 720
    reader = read(FaceOffExplorer(), width=390)
    assert reader.facts().startswith("Scene 0:")
    root = "document.documentElement"
    assert reader.frame.evaluate(f"{root}.scrollWidth <= {root}.clientWidth"), "no scrolling aside"
    reader.press("#picture", "ArrowRight")
    reader.changed("Scene 7:")
    reader.press("#scene", "End")
    reader.changed("Scene 273:")
    before = reader.frame.inner_text("#list")
    reader.frame.select_option("#crowd", "5 or more")
    reader.changed()
    crowded = reader.frame.inner_text("#list")
    assert crowded != before
    reader.press("#picture", "c")  # the same scene may stay first; fewer are counted
    assert reader.frame.input_value("#class") == "1"
    assert reader.frame.inner_text("#list") != crowded
    for size in ("under 16 px", "over 24 px"):
        reader.frame.select_option("#size", size)
    reader.frame.select_option("#crowd", "any")
    assert "object" in reader.facts()


def test_heat_map(read):
    reader = read(HeatMapExplorer(joint=(10.4, 8)))
    assert "Error of arg-max 0.40, quarter shift 0.15, DARK 0.00 px" in reader.facts()
    reader.frame.click("#rounded")
    reader.changed("its bump at (10, 8), 2.00 px wide. Error of arg-max 0.40, quarter shift 0.40")
    reader.frame.click("#rounded")
    reader.changed("its bump as well")
    reader.press("#picture", "ArrowRight", "Shift+ArrowUp", "PageUp")
    reader.changed("The joint is at (10.45, 7.00), its bump as well, 2.25 px wide.")
    reader.press("#x", "Home")
    reader.changed("The joint is at (0.00, 7.00)")
    assert "arg-max\t0.00\t7.00\t0.00\t0.0 px" in reader.frame.inner_text("#list")
    reader.page.mouse.click(*reader.point(0.5, 0.5))
    reader.changed("The joint is at (9.5")
    reader.drag((0.5, 0.5), (0.7, 0.3))
    reader.changed("The joint is at (13.")
    reader.press("#noise", "End")
    reader.changed()
    reader.frame.click("#seed")
    reader.changed()
    reader.page.touchscreen.tap(*reader.point(0.2, 0.2))
    reader.changed("The joint is at (3.")


@pytest.mark.parametrize("name", EXPLORERS)
def test_narrow_dark_and_labelled(name, read):
    reader = read(EXPLORERS[name](), width=360, scheme="dark")
    frame = reader.frame
    assert frame.evaluate("document.documentElement.scrollWidth") <= 360
    unnamed = frame.evaluate(
        "[...document.querySelectorAll('input, select, button, canvas')].filter((n) => "
        "n.offsetParent && !(n.labels?.[0]?.textContent || n.textContent || "
        "n.getAttribute('aria-label'))).map((n) => n.outerHTML)"
    )
    assert unnamed == []
    assert frame.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
    tall = reader.page.evaluate("document.querySelector('iframe').getBoundingClientRect().height")
    assert frame.evaluate("document.querySelector('#app').getBoundingClientRect().height") <= tall


def test_thresholds_of_an_answer(read):
    reader = read(trained_thresholds())
    assert "7 boxes kept" in reader.facts() and "7 of 7 objects found" in reader.facts()
    reader.press("#iou", "End")
    reader.changed("62 boxes kept")
    reader.press("#iou", "Home")
    reader.press("#picture", "ArrowRight")
    reader.changed("boxes kept")
    chosen = reader.frame.inner_text("#chosen")
    assert chosen.startswith("Box 1 (") and "IoU of prior and box: 0." in chosen
    of_object = chosen.split("of box and object: ")[1][:4]
    assert reader.frame.inner_text("#list .picked").split()[-1] == of_object
    reader.press("#most", "Home")
    reader.changed("1 box kept")
    assert reader.frame.inner_text("#chosen").startswith("Box 0 (")
    reader.press("#most", "End")
    reader.press("#score", "End")
    reader.changed()
    kept = reader.frame.locator("#list tbody tr").count()
    assert kept < 7 and f"{kept} box" in reader.facts()  # over 0.99
    reader.press("#score", "Home")
    reader.changed()
    box = reader.frame.inner_text("output[for=box]")
    reader.page.mouse.click(*reader.point(0.9, 0.95))
    reader.changed()
    assert reader.frame.inner_text("output[for=box]") != box


def test_the_walk_through_a_tum(read):
    reader = read(EXPLORERS["TUMs"]())
    assert "Step 4, down 4" in reader.facts()
    reader.press("#picture", "ArrowRight")
    reader.changed("Step 5, top")
    reader.press("#picture", "ArrowUp")
    reader.changed()
    assert reader.frame.inner_text("output[for=level]") == "TUM 1"
    reader.press("#step", "Home")
    reader.changed("Step 0, read")
    assert "36 × 32 × 32" in reader.frame.inner_text("#list")
    reader.press("#step", "End")
    reader.changed("Step 17, smooth")
    reader.page.mouse.click(*reader.point(0.12, 0.15))
    reader.changed("Step 0, read")


def test_levels_and_scales(read):
    reader = read(EXPLORERS["levels and scales"]())
    assert reader.facts().startswith("Level 0, scale 0: 24 × 32 × 32, channels 0 to 23 of 96")
    reader.press("#picture", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowDown", "ArrowDown")
    reader.changed("Level 2, scale 3: 24 × 4 × 4, channels 48 to 71 of 96; a cell is 32 px wide.")
    assert "times" in reader.frame.inner_text("#list")
    before = reader.frame.inner_text("#list")
    reader.press("#picture", "c")
    reader.changed()
    assert reader.frame.is_checked("#way-strongest")
    assert reader.frame.inner_text("#list") != before
    reader.frame.click("#way-mean")
    reader.changed()
    assert reader.frame.inner_text("#list") == before
    under = "document.querySelector('#scene').toDataURL()"
    seen = reader.frame.evaluate(under)
    reader.press("#opacity", "Home")
    assert reader.frame.evaluate(under) != seen
    reader.press("#level", "End")
    reader.changed("Level 3")
    reader.press("#scale", "End")
    reader.changed("Level 3, scale 4: 24 × 2 × 2")
    reader.page.mouse.click(*reader.point(0.2, 0.15))
    reader.changed("Level 0, scale 0:")
    reader.page.touchscreen.tap(*reader.point(0.4, 0.34))
    reader.changed("Level 1, scale 1:")


def test_attention(read):
    reader = read(EXPLORERS["attention"]())
    assert reader.facts().startswith("96 weights for scale 4 (maps of 2 × 2 cells)")
    reader.press("#picture", "End")
    reader.changed("Weight 95 is of level 3:")
    reader.press("#picture", "ArrowLeft", "ArrowUp")
    reader.changed("96 weights for scale 3 (maps of 4 × 4 cells)")
    assert "Weight 94" in reader.facts()
    shown = reader.frame.evaluate("document.querySelector('#shown').toDataURL()")
    reader.press("#picture", "PageDown")
    reader.changed()
    assert reader.frame.inner_text("output[for=scene]") == "scene 1"
    assert reader.frame.evaluate("document.querySelector('#shown').toDataURL()") != shown
    reader.press("#scene", "Home")
    reader.changed()
    reader.press("#scale", "Home")
    reader.changed("scale 0 (maps of 32 × 32 cells)")
    reader.press("#channel", "Home", "ArrowRight")
    reader.changed("Weight 1 is of level 0:")
    reader.frame.click("#list tbody tr:nth-child(3)")
    reader.changed("Weight 48 is of level 2:")
    reader.page.mouse.click(*reader.point(0.5, 0.5))
    reader.changed("is of level 1:")


def test_maps_of_a_pyramid(read):
    reader = read(EXPLORERS["pyramid"]())
    assert "sees 31 × 31 px of its field of 31 × 31." in reader.facts()
    reader.press("#picture", "ArrowRight", "ArrowUp")
    reader.changed("Cell (15, 17)")
    reader.press("#picture", "n", "n", "n")
    reader.changed("backbone [3], channel")
    assert "of its field of 215 × 215" in reader.facts()
    assert "Cell (1, 2) sees" in reader.facts()  # the same place of 4 x 4 cells
    before = reader.facts()
    reader.press("#picture", "PageDown")
    reader.changed()
    assert reader.facts() != before
    reader.frame.select_option("#level", "5")
    reader.changed("head.logits.1, channel")
    reader.press("#rank", "End")
    reader.changed("head.logits.1, channel")
    assert reader.frame.inner_text("output[for=rank]") == "rank 35"
    reader.frame.click("#tiles", position={"x": 20, "y": 20})
    reader.changed()
    assert reader.frame.inner_text("output[for=rank]") == "rank 24"
    reader.press("#row", "Home")
    reader.changed("Cell (0, ")
    reader.press("#column", "End")
    reader.changed("Cell (0, 15)")
    reader.press("#opacity", "Home")
    reader.changed()
    reader.page.mouse.click(*reader.point(0.1, 0.97))
    reader.changed("Cell (15, 1)")


def test_branches(read):
    reader = read(EXPLORERS["branches"]())
    assert reader.facts().startswith("stage 4, module 2, after its exchange: 4 branches.")
    reader.press("#picture", " ")
    reader.changed("stage 4, module 2, before its exchange")
    assert reader.frame.is_checked("#moment-before")
    reader.press("#picture", "ArrowDown", "ArrowLeft")
    reader.changed("stage 4, module 1, before its exchange")
    assert "Rank 1 of the 13 ranks that are shown." in reader.facts()
    under = "document.querySelector('#scene').toDataURL()"
    seen = reader.frame.evaluate(under)
    reader.press("#branch", "End")
    reader.changed()
    assert "3" in reader.frame.inner_text("#list .picked") and reader.frame.evaluate(under) != seen
    seen = reader.frame.evaluate(under)
    reader.press("#opacity", "End")
    assert reader.frame.evaluate(under) != seen
    reader.frame.select_option("#module", "0")
    reader.changed("stage 2, module 1, before its exchange: 2 branches.")
    assert reader.frame.locator("#list tbody tr").count() == 2
    assert reader.frame.inner_text("output[for=branch]") == "branch 1"
    reader.frame.click("#moment-after")
    reader.changed("after its exchange")
    reader.press("#rank", "End")
    reader.changed("Rank 12")
    reader.page.mouse.click(*reader.point(0.2, 0.3))
    reader.changed()
    assert reader.frame.inner_text("output[for=branch]") == "branch 0"
    reader.frame.click("#list tbody tr:nth-child(2)")
    reader.changed()


# Ways, layouts and switches one by one, and in each way all sliders at both ends: how tall it is.
STATES = """async () => {
  const heights = {}, app = document.querySelector("#app");
  const seen = (what) => { heights[what] = Math.ceil(app.getBoundingClientRect().height); };
  const say = (node, name, what) => { node.dispatchEvent(new Event(name)); seen(what); };
  const all = (what) => [...document.querySelectorAll(what)].filter((node) => node.offsetParent);
  const slide = (way) => {
    for (const range of all("input[type=range]")) {
      for (const end of [range.min, range.max]) {
        range.value = end;
        say(range, "input", `${way}, ${range.id} ${end}`);
      }
    }
  };
  for (const place of all("details")) place.open = true;
  seen("first");
  slide("first");
  const ways = all("input[type=radio]");
  for (const way of ways.length ? ways : [app]) {
    way.checked = true;
    way.dispatchEvent(new Event("change"));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
    seen(way.id);
    slide(way.id);
    for (const list of all("select")) {
      for (const { value } of list.options) {
        list.value = value;
        say(list, "change", `${way.id}, ${list.id} ${value}`);
      }
    }
    for (const box of all("input[type=checkbox]")) {
      box.checked = !box.checked;
      say(box, "change", `${way.id}, ${box.id} ${box.checked}`);
    }
  }
  return heights;
}"""


@pytest.mark.parametrize("width", [1280, 790])  # a page, and JupyterLab beside its list of files
@pytest.mark.parametrize("name", EXPLORERS)
def test_no_explorer_is_taller_than_a_screen_of_720_px(name, width, read):
    heights = read(EXPLORERS[name](), width=width).frame.evaluate(STATES)
    tall = {state: height for state, height in heights.items() if height > 700}
    assert heights and not tall


@pytest.mark.parametrize("name", EXPLORERS)
def test_every_explorer_has_a_legend_in_words_and_drawings(name, read):
    frame = read(EXPLORERS[name]()).frame
    entries = frame.locator(".legend li:visible")
    assert entries.count() >= 3
    for entry in entries.all():
        assert entry.inner_text().strip() and entry.locator("svg :is(path, rect)").count()


STILL = [
    "thresholds", "TUMs", "levels and scales", "attention", "branches", "pyramid", "sessions",
    "shapes",
]  # fmt: skip


@pytest.mark.parametrize("name", STILL)
def test_the_page_does_not_jump_and_fits_a_screen(name, read):
    """Whatever a control says, the frame is as tall as before, and less than 700 px."""
    reader = read(EXPLORERS[name](), width=1064)
    tall = "document.querySelector('iframe').getBoundingClientRect().height"
    reader.page.wait_for_timeout(300)
    heights = {round(reader.page.evaluate(tall))}
    for control in reader.frame.evaluate(
        "[...document.querySelectorAll('input')].map((n) => n.id)"
    ):
        for key in ("End", "Home"):
            reader.press(f"#{control}", key)
            reader.page.wait_for_timeout(100)
            heights.add(round(reader.page.evaluate(tall)))
    assert len(heights) == 1 and max(heights) < 700, heights


# what a reader moves -> the explorer, what is done first, the slider
FRAMES = {
    "all boxes of the finest level, cell by cell": (
        lambda: PriorBoxExplorer(SSD300_VOC_PRIORS, level=0),
        "document.querySelector('#all').checked || document.querySelector('#all').click()", "row"),
    "an object and its IoU with 8,732 priors": (
        lambda: PriorBoxExplorer(SSD300_VOC_PRIORS, box=OBJECTS[1]), "0", "cx"),
    "three objects matched with 8,732 priors": (
        lambda: MatchingExplorer(SSD300_VOC_PRIORS, objects=OBJECTS.repeat(400, 1)), "0", "cx"),
    "the sizes of a layout of one's own": (
        lambda: PriorBoxExplorer(SSD300_VOC_PRIORS, level=2),
        "(() => { const c = document.querySelector('#layout'); c.value = 'your own'; "
        "c.dispatchEvent(new Event('change')); })()", "own-min"),
}  # fmt: skip


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_takes_at_most_16_ms(name, read):
    """Of the page's own thread: what other processes do at the same time is not counted."""
    make, prepare, slider = FRAMES[name]
    reader = read(make())
    reader.frame.evaluate(prepare)
    session = reader.context.new_cdp_session(reader.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def busy() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(entry["value"] for entry in metrics if entry["name"] == "TaskDuration")

    def move() -> list[float]:
        return reader.frame.evaluate(
            """(id) => {
              const input = document.getElementById(id), times = [];
              for (let i = 0; i < 40; i++) {
                const start = performance.now();
                input.value = Number(input.min) + 5 + (i % 25);
                input.dispatchEvent(new Event("input"));
                times.push(performance.now() - start);
              }
              return times;
            }""",
            slider,
        )

    move()  # the browser compiles what it has seen a few times
    before = busy()
    elapsed = move()
    each = 1000 * (busy() - before) / len(elapsed)
    print(f"{name}: {each:.1f} ms a frame, by the clock {statistics.median(elapsed):.1f} ms")
    assert each <= 16


def test_a_readers_own_boxes_stay_in_the_page(read):
    """Long boxes from a CSV: the coverage is theirs, and no request is made (`Reader.leave`)."""
    reader = read(PriorBoxExplorer({"ssd300_voc": PRIOR_LAYOUTS["ssd300_voc"]}))
    before = reader.frame.inner_text("#coverage")
    assert "sample objects" in before
    rows = "".join(f"300,300,{5 * k},{40 + k},{5 * k + 160},{60 + k}\n" for k in range(20))
    content = ("width,height,x1,y1,x2,y2\n" + rows).encode()
    reader.frame.set_input_files(
        "#own-file", {"name": "mine.csv", "mimeType": "text/csv", "buffer": content}
    )
    reader.frame.wait_for_function(
        "document.querySelector('#coverage').textContent.includes('20 boxes of your own')"
    )
    assert "mine.csv: 20 of 20 boxes measured, 0 bad" in reader.frame.inner_text("#own-words")
    assert "Coverage: 0 %" in reader.frame.inner_text("#coverage"), "8 : 1 is too long for SSD"
    reader.frame.click("#own-back")
    assert reader.frame.inner_text("#coverage") == before
