"""The prior-box explorer: the browser's arithmetic, the frame around it, what nbval compares."""

from __future__ import annotations

import dataclasses
import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from detlearn.boxes import (
    PRIOR_LAYOUTS,
    SSD300_VOC_PRIORS,
    SSD_TINY_PRIORS,
    PriorBox,
    PriorConfig,
    cxcywh_to_xyxy,
    make_priors,
)
from detlearn.show import PriorBoxExplorer
from detlearn.show.explorers import prior_box
from detlearn.show.explorers.frame import framed, module_source

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(
    NODE is None, reason="node runs the explorer's JavaScript arithmetic, and it is not installed"
)
JPEG = b"\xff\xd8\xff\xe0" + bytes(500)


def in_node(expression: str, layouts: dict[str, PriorConfig]):
    """The value of a JavaScript expression over `layouts`, computed by the explorer's module."""
    script = (
        module_source("prior_box.js")
        + f"\nconst layouts = {json.dumps({k: dataclasses.asdict(v) for k, v in layouts.items()})};"
        + f"\nprocess.stdout.write(JSON.stringify({expression}));"
    )
    done = subprocess.run(
        [str(NODE), "--input-type=module"], input=script, capture_output=True, text=True,
        encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


# every layout as it is, and three of them with the other two clamps
LAYOUTS = dict(PRIOR_LAYOUTS) | {
    f"{name}, clamp {clamp}": dataclasses.replace(PRIOR_LAYOUTS[name], clamp=clamp)
    for name in ("ssd300_voc", "refinedet320", "m2det320")
    for clamp in ("sizes", "none")
}


@pytest.fixture(scope="module")
def browser_priors():
    """name -> level -> priors, all from one start of node."""
    return in_node(
        "Object.fromEntries(Object.entries(layouts).map(([name, l]) => [name, l.map_sizes.map("
        "(_, k) => levelPriors(l, k).map((prior) => prior.map((v) => Number(v.toFixed(8)))))]))",
        LAYOUTS,
    )


@needs_node
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_browser_computes_the_same_priors(name, browser_priors):
    levels = browser_priors[name]
    assert [len(level) for level in levels] == list(LAYOUTS[name].priors_per_level)
    theirs = torch.tensor([prior for level in levels for prior in level])
    torch.testing.assert_close(theirs, make_priors(LAYOUTS[name]), rtol=0, atol=1e-5)


@needs_node
def test_the_browser_on_a_layout_that_can_be_checked_by_hand():
    """A 2 x 2 map of an 8 px image, one square of 2 px and a box of twice its width."""
    config = PriorConfig(8, (2,), (4,), (2,), (), ((4,),), clamp="none")
    assert in_node("levelPriors(layouts.one, 0).slice(0, 4)", {"one": config}) == [
        [0.25, 0.25, 0.25, 0.25],
        [0.25, 0.25, 0.5, 0.125],
        [0.25, 0.25, 0.125, 0.5],
        [0.75, 0.25, 0.25, 0.25],
    ]
    assert in_node("clampPrior([-1, 2, 0.5, 3], 'all')", {"one": config}) == [0, 1, 0.5, 1]
    assert in_node("clampPrior([-1, 2, 0.5, 3], 'sizes')", {"one": config}) == [-1, 2, 0.5, 1]


@needs_node
def test_the_browser_numbers_the_priors_as_the_tensor_does():
    picks = [(0, 0, 0), (1, 18, 3), (2, 4, 5), (5, 0, 0)]
    expression = f"{json.dumps(picks)}.map(([k, r, c]) => firstIndex(layouts.one, k, r, c))"
    for (level, row, column), index in zip(
        picks, in_node(expression, {"one": SSD300_VOC_PRIORS}), strict=True
    ):
        assert PriorBox(SSD300_VOC_PRIORS).locate(index) == (level, row, column, 0)


@needs_node
def test_the_browser_turns_priors_into_corners():
    prior = [0.5, 0.25, 0.5, 0.25]
    ours = cxcywh_to_xyxy(torch.tensor(prior)).tolist()
    assert in_node(f"toCorners({prior})", {"one": SSD_TINY_PRIORS}) == pytest.approx(ours)


def test_the_page_is_one_frame_that_needs_nothing_else():
    page = PriorBoxExplorer(PRIOR_LAYOUTS).to_html()
    assert page.startswith('<iframe title="Explorer of prior boxes"')
    assert page.count("<iframe") == 1
    assert page.endswith("</iframe>")
    document = html.unescape(re.search(r'srcdoc="(.*)"></iframe>', page, re.S).group(1))
    assert document.count("<script") == document.count("</script>") == 1
    assert not re.search(r"https?:|//cdn|\bimport\s*[({'\"]|\bfetch\(", document)
    for name in PRIOR_LAYOUTS:
        assert f'"{name}"' in document


def test_sizes_without_and_with_the_largest_image(tmp_path):
    assert len(PriorBoxExplorer(PRIOR_LAYOUTS).to_html()) <= 30_000
    picture = tmp_path / "scene.jpg"
    picture.write_bytes(b"\xff\xd8\xff" + bytes(prior_box.MAX_IMAGE_BYTES - 3))
    assert len(PriorBoxExplorer(PRIOR_LAYOUTS, picture).to_html()) <= 64_000


def test_what_nbval_compares_is_the_same_every_time():
    first, second = (PriorBoxExplorer(SSD300_VOC_PRIORS, JPEG) for _ in range(2))
    assert first._repr_mimebundle_() == second._repr_mimebundle_()
    assert first._repr_mimebundle_() == {"text/html": first.to_html(), "text/plain": repr(first)}
    assert repr(first) == "Explorer of prior boxes: layout (6 levels, 8,732 priors)."


def test_one_level_is_no_levels():
    config = PriorConfig(8, (2,), (4,), (2,), (), ((),))
    assert repr(PriorBoxExplorer({"toy": config})) == (
        "Explorer of prior boxes: toy (1 level, 4 priors)."
    )


def test_the_image_travels_byte_for_byte(tmp_path):
    picture = tmp_path / "scene.jpg"
    picture.write_bytes(JPEG)
    assert PriorBoxExplorer(SSD_TINY_PRIORS, picture).to_html() == (
        PriorBoxExplorer(SSD_TINY_PRIORS, JPEG).to_html()
    )
    assert "data:image/jpeg;base64,/9j/4A" in PriorBoxExplorer(SSD_TINY_PRIORS, JPEG).to_html()


def test_where_it_starts():
    explorer = PriorBoxExplorer(SSD300_VOC_PRIORS)
    assert (explorer.level, explorer.row, explorer.column) == (2, 5, 5)
    explorer = PriorBoxExplorer(SSD300_VOC_PRIORS, level=4, cell=(0, 2))
    assert (explorer.level, explorer.row, explorer.column) == (4, 0, 2)


FAULTS = {
    "no layout": (lambda: PriorBoxExplorer({}), "config: expected at least one layout"),
    "no PriorConfig": (lambda: PriorBoxExplorer({"a": 3}), r"config\['a'\]: expected a PriorCon"),
    "a tensor as image": (
        lambda: PriorBoxExplorer(SSD_TINY_PRIORS, torch.zeros(3, 8, 8)),
        "image: expected the path or the bytes of a small picture file, got Tensor",
    ),
    "an unknown type": (
        lambda: PriorBoxExplorer(SSD_TINY_PRIORS, b"GIF89a"),
        "image: expected a JPEG, PNG or WebP file, got b'GIF89a'",
    ),
    "a large image": (
        lambda: PriorBoxExplorer(SSD_TINY_PRIORS, JPEG + bytes(40_000)),
        "image: expected at most 24,000 bytes",
    ),
    "no such level": (
        lambda: PriorBoxExplorer(SSD_TINY_PRIORS, level=4),
        "level: expected 0 to 3, got 4",
    ),
    "no such cell": (
        lambda: PriorBoxExplorer(SSD_TINY_PRIORS, level=3, cell=(4, 0)),
        r"cell: expected \(row, column\) on a 4 x 4 map, got \(4, 0\)",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    make, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_names_cannot_break_out_of_the_script():
    page = PriorBoxExplorer({'</script><b>"': SSD_TINY_PRIORS}).to_html()
    document = html.unescape(re.search(r'srcdoc="(.*)"></iframe>', page, re.S).group(1))
    assert document.count("</script>") == 1


def test_every_explorer_is_shipped_with_its_module():
    folder = Path(prior_box.__file__).parent
    for module in folder.glob("*.js"):
        assert "export function mount(" in module.read_text(encoding="utf-8")
        assert framed(module.name, {}, title="Explorer", height=400) == framed(
            module.name, {}, title="Explorer", height=400
        )


# ---- in a browser: skipped where there is none


def test_sliders_keys_and_pointer_change_the_picture(tmp_path):
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="Playwright drives the explorer, and it is not installed"
    )
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on the PATH to show the explorer in")
    file = tmp_path / "explorer.html"
    file.write_text(
        "<!doctype html><meta charset='utf-8'>" + PriorBoxExplorer(PRIOR_LAYOUTS).to_html(),
        encoding="utf-8",
    )
    faults: list[str] = []
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = browser.new_page(viewport={"width": 360, "height": 900})
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(file.as_uri())
        frame = page.frames[1]
        frame.wait_for_selector("tbody tr")
        assert frame.evaluate("document.documentElement.scrollWidth") <= 360

        def picture() -> str:
            return frame.evaluate("document.querySelector('canvas').toDataURL()")

        seen = [picture()]

        def changed(words: str) -> None:
            assert picture() != seen[-1]
            seen.append(picture())
            assert words in frame.inner_text("#facts")

        for control, words in (("level", "Level 3:"), ("row", "row 3,"), ("column", "column 3:")):
            frame.focus(f"#{control}")
            page.keyboard.press("ArrowRight")
            changed(words)
        frame.focus("canvas")
        page.keyboard.press("ArrowUp")
        changed("row 2,")
        page.keyboard.press("PageUp")
        changed("Level 4: 3 × 3 cells")
        frame.click("#all")
        changed("36 of 8,732")
        area = frame.locator("canvas").bounding_box()
        page.mouse.click(area["x"] + area["width"] * 0.2, area["y"] + area["height"] * 0.2)
        changed("row 0, column 0: centre (50, 50)")
        frame.select_option("#layout", "refinedet320")
        changed("of 6,375")
        assert frame.locator("tbody tr").count() == 3
        browser.close()
    assert faults == []
