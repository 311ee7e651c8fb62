"""The explorers' Python side: the frame, what nbval compares, what is refused.

Their arithmetic is tested in test_explorers_geometry.py, their pages in tests/browser.
"""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from detlearn import create_model, load_model
from detlearn.boxes import PRIOR_LAYOUTS, SSD300_VOC_PRIORS, SSD_TINY_PRIORS, PriorConfig
from detlearn.data import data_path
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
from detlearn.show.explorers.browser import frame
from detlearn.show.explorers.browser.frame import framed, module_source

JPEG = b"\xff\xd8\xff\xe0" + bytes(500)
BOX = torch.tensor([[0.1, 0.1, 0.4, 0.5]])
NAN = float("nan")
HITS = torch.tensor([True, False])

EXPLORERS = {
    "prior boxes": lambda: PriorBoxExplorer(PRIOR_LAYOUTS),
    "prior boxes, an object": lambda: PriorBoxExplorer(SSD_TINY_PRIORS, JPEG, box=BOX[0]),
    "matching": lambda: MatchingExplorer(PRIOR_LAYOUTS),
    "matching, no object": lambda: MatchingExplorer(SSD_TINY_PRIORS, torch.zeros(0, 4)),
    "matching, a data set": lambda: MatchingExplorer(
        SSD300_VOC_PRIORS, BOX, objects=BOX.repeat(1000, 1), image=JPEG
    ),
    "hard negatives": HardNegativesExplorer,
    "nms": NMSExplorer,
    "nms, no box": lambda: NMSExplorer(torch.zeros(0, 4), torch.zeros(0)),
    "average precision": AveragePrecisionExplorer,
    "faces": FaceExplorer,
    "face-off": FaceOffExplorer,
    "fuse matrix": FuseMatrixExplorer,
    "fuse matrix, two branches": lambda: FuseMatrixExplorer((8, 16), (8, 8)),
    "heat map": HeatMapExplorer,
    "heat map, rounded": lambda: HeatMapExplorer((8, 64), (0, 7), sigma=0.5, rounded=True),
    "refinement": lambda: RefinementExplorer(SSD_TINY_PRIORS, random_answers(), BOX, image=JPEG),
    "refinement, no object": lambda: RefinementExplorer(
        SSD_TINY_PRIORS, random_answers(), torch.zeros(0, 4), picks=0
    ),
    "sessions": lambda: SessionExplorer(65, 24, 4),
    "shapes": lambda: ShapeTableExplorer(
        {name: seeded(name) for name in ("ssd_tiny", "m2det_tiny")}, part="backbone"
    ),
    "transfer": lambda: TransferExplorer(
        seeded("refinedet_tiny"), torch.full((3, 128, 128), 0.5), 128 * BOX, torch.tensor([3])
    ),
    "thresholds": lambda: ThresholdExplorer(
        load_model(data_path("weights", "ssd_tiny.safetensors")),
        torch.full((3, 128, 128), 0.5),
        {"boxes": 128 * BOX, "labels": torch.tensor([3])},
        file=JPEG,
    ),
    "the U": lambda: UShapeExplorer(
        seeded("m2det_tiny"), torch.rand(3, 128, 128, generator=torch.Generator().manual_seed(0))
    ),
    "levels and scales": lambda: LevelScaleExplorer(
        seeded("m2det_tiny"), torch.full((3, 96, 128), 0.5), {"boxes": 96 * BOX}, file=JPEG
    ),
    "pyramid": lambda: PyramidExplorer(
        seeded("ssd_tiny"), torch.full((3, 96, 128), 0.5), ("backbone", "head.logits"), file=JPEG
    ),
    "branches": lambda: BranchExplorer(
        seeded("ssd_hrnet_tiny"), torch.full((3, 128, 128), 0.5), file=JPEG
    ),
    "attention": lambda: AttentionExplorer(
        seeded("m2det_tiny"), [torch.zeros(3, 96, 128), torch.ones(3, 128, 128)], files=[JPEG, None]
    ),
}


def random_answers() -> RefineDetPredictions:
    """What an untrained RefineDet could say about one picture."""
    generator = torch.Generator().manual_seed(0)
    P = SSD_TINY_PRIORS.num_priors
    return RefineDetPredictions(
        *(3 * torch.randn(1, P, n, generator=generator) for n in (2, 4, 9, 4))
    )


def seeded(name: str) -> nn.Module:
    """The same random model every time."""
    torch.manual_seed(0)
    return create_model(name).eval()


def document_of(page: str) -> str:
    """The page inside the frame, as the browser reads it."""
    return html.unescape(re.search(r"srcdoc='([^']*)'></iframe>$", page).group(1))


def options_of(page: str) -> dict:
    return json.loads(document_of(page).rsplit('getElementById("app"), ', 1)[1].split(");</scr")[0])


@pytest.mark.parametrize("name", EXPLORERS)
def test_the_page_is_one_frame_that_needs_nothing_else(name):
    explorer = EXPLORERS[name]()
    page = explorer.to_html()
    assert page.startswith(f'<iframe title="{explorer.title}" height="')
    assert page.count("<iframe") == 1
    assert page.count("<") == 2  # the lint of notebooks looks for pictures without a title
    document = document_of(page)
    assert document.count("<script") == document.count("</script>") == 1
    assert not re.search(r"https?:|//cdn|^import\b|\bimport\s*\(|\bfetch\(", document, re.MULTILINE)
    assert options_of(page) == json.loads(json.dumps(explorer.options()))


@pytest.mark.parametrize("name", EXPLORERS)
def test_what_nbval_compares_is_the_same_every_time(name):
    first, second = EXPLORERS[name](), EXPLORERS[name]()
    assert first._repr_mimebundle_() == second._repr_mimebundle_()
    assert first._repr_mimebundle_() == {"text/html": first.to_html(), "text/plain": repr(first)}
    assert first._repr_html_() == first.to_html()
    assert re.fullmatch(r"Explorer of [a-z]+[^<>]*\.", repr(first))


LARGE = {"branches": 140_000, "pyramid": 100_000}  # many channels; everything else: 60 kB


@pytest.mark.parametrize("name", [name for name in EXPLORERS if name != "face-off"])
def test_a_notebook_grows_by_at_most_60_kb(name):
    assert len(json.dumps(EXPLORERS[name]().to_html())) <= LARGE.get(name, 60_000)


def test_a_notebook_grows_by_at_most_60_kb_with_much_data():
    image = b"\xff\xd8\xff" + bytes(frame.MAX_IMAGE_BYTES - 3)
    six = {name: PRIOR_LAYOUTS[name] for name in list(PRIOR_LAYOUTS)[:6]}
    objects = torch.rand(1600, 4) * 0.1 + torch.tensor([0.0, 0.0, 0.5, 0.5])
    forty = torch.tensor([[0.123456, 0.234567, 0.345678, 0.456789]]).repeat(40, 1)
    for explorer in (
        PriorBoxExplorer(six, image[:1000]),  # it also reads boxes of one's own, 5 kB of program
        MatchingExplorer(six, objects=objects),
        NMSExplorer(forty, torch.rand(40), image=image),
        HardNegativesExplorer(torch.rand(64), torch.arange(64)),
        AveragePrecisionExplorer(torch.rand(200), torch.rand(200) < 0.5, 200),
    ):
        assert len(json.dumps(explorer.to_html())) <= 60_000
    with pytest.raises(ValueError, match="MatchingExplorer: expected at most 60,000 bytes in the"):
        MatchingExplorer(six, objects=objects, image=image).to_html()


FACTS = {
    "prior boxes": (
        lambda: PriorBoxExplorer(SSD300_VOC_PRIORS),
        "Explorer of prior boxes: layout (6 levels, 8,732 priors).",
    ),
    "one level is no levels": (
        lambda: PriorBoxExplorer({"toy": PriorConfig(8, (2,), (4,), (2,), (), ((),))}),
        "Explorer of prior boxes: toy (1 level, 4 priors).",
    ),
    "an object": (
        lambda: PriorBoxExplorer(SSD300_VOC_PRIORS, box=BOX[0]),
        "Explorer of prior boxes: layout (6 levels, 8,732 priors). An object to drag.",
    ),
    "matching": (
        lambda: MatchingExplorer(SSD300_VOC_PRIORS, objects=BOX.repeat(1200, 1)),
        "Explorer of matching: 3 objects; layout (6 levels, 8,732 priors); "
        "a data set of 1,200 objects.",
    ),
    "hard negatives": (
        HardNegativesExplorer,
        "Explorer of hard negatives: 16 priors, 2 positive, ratio 3 : 1.",
    ),
    "nms": (
        NMSExplorer,
        "Explorer of non-maximum suppression: 12 boxes, scores 0.94 to 0.12.",
    ),
    "nms, no box": (
        EXPLORERS["nms, no box"],
        "Explorer of non-maximum suppression: 0 boxes.",
    ),
    "average precision": (
        AveragePrecisionExplorer,
        "Explorer of average precision: 12 detections, 6 right, 8 objects.",
    ),
    "sessions": (
        EXPLORERS["sessions"],
        "Explorer of sessions: 65 epochs of 24 minutes are 26.0 hours; 220 of 240 minutes train: "
        "7.1, so 8 sessions.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FACTS)
def test_repr_states_facts(name):
    make, facts = FACTS[name]
    assert repr(make()) == facts


def test_the_image_travels_byte_for_byte(tmp_path):
    picture = tmp_path / "scene.jpg"
    picture.write_bytes(JPEG)
    for make in (
        lambda image: PriorBoxExplorer(SSD_TINY_PRIORS, image),
        lambda image: MatchingExplorer(SSD_TINY_PRIORS, image=image),
        lambda image: NMSExplorer(image=image),
    ):
        assert make(picture).to_html() == make(JPEG).to_html()
        assert make(JPEG).options()["image"].startswith("data:image/jpeg;base64,/9j/4A")
        assert make(None).options()["image"] == ""


def test_where_it_starts():
    explorer = PriorBoxExplorer(SSD300_VOC_PRIORS)
    assert (explorer.level, explorer.row, explorer.column) == (2, 5, 5)
    explorer = PriorBoxExplorer(SSD300_VOC_PRIORS, level=4, cell=(0, 2))
    assert (explorer.level, explorer.row, explorer.column) == (4, 0, 2)


def test_what_the_browser_is_told():
    loss, labels = torch.tensor([0.123456, 2.0]), torch.tensor([0, -7])
    assert HardNegativesExplorer(loss, labels, ratio=1.2).options() == {
        "loss": [0.12346, 2.0], "labels": [0, -1], "ratio": 1.25, "prior": 0,
    }  # fmt: skip
    assert AveragePrecisionExplorer(torch.tensor([0.25, 0.5]), HITS, 3).options() == {
        "scores": [0.25, 0.5], "hits": [True, False], "num_gt": 3,
    }  # fmt: skip
    told = NMSExplorer(BOX, torch.tensor([0.5]), iou_threshold=0.4).options()
    assert told["boxes"] == [[0.1, 0.1, 0.4, 0.5]]
    assert (told["scores"], told["iou_threshold"]) == ([0.5], 0.4)
    assert PriorBoxExplorer(SSD_TINY_PRIORS, box=BOX[0]).options()["box"] == [0.1, 0.1, 0.4, 0.5]


FAULTS = {
    "no layout": (lambda: PriorBoxExplorer({}), "config: expected at least one layout"),
    "no PriorConfig": (lambda: MatchingExplorer({"a": 3}), r"config\['a'\]: expected a PriorCon"),
    "a reserved name": (
        lambda: PriorBoxExplorer({"your own": SSD_TINY_PRIORS}), "another name than 'your own'"),
    "a tensor as image": (
        lambda: PriorBoxExplorer(SSD_TINY_PRIORS, torch.zeros(3, 8, 8)),
        "image: expected the path or the bytes of a small picture file, got Tensor"),
    "an unknown type": (
        lambda: NMSExplorer(image=b"GIF89a"),
        "image: expected a JPEG, PNG or WebP file, got b'GIF89a'"),
    "a large image": (
        lambda: MatchingExplorer(SSD_TINY_PRIORS, image=JPEG + bytes(40_000)),
        "image: expected at most 10,000 bytes"),
    "no such level": (
        lambda: PriorBoxExplorer(SSD300_VOC_PRIORS, level=6), "level: expected 0 to 5, got 6"),
    "no such cell": (
        lambda: PriorBoxExplorer(SSD300_VOC_PRIORS, level=4, cell=(3, 0)),
        r"cell: expected \(row, column\) on a 3 x 3 map, got \(3, 0\)"),
    "two objects": (
        lambda: PriorBoxExplorer(SSD_TINY_PRIORS, box=BOX), r"box: expected shape \(4,\), got"),
    "pixels": (
        lambda: MatchingExplorer(SSD_TINY_PRIORS, 128 * BOX),
        r"boxes \(fractions of the image\): box 0 is .* expected a box inside the image"),
    "seven objects": (
        lambda: MatchingExplorer(SSD_TINY_PRIORS, BOX.repeat(7, 1)),
        "boxes: expected at most 6 boxes, got 7"),
    "a large data set": (
        lambda: MatchingExplorer(SSD_TINY_PRIORS, objects=BOX.repeat(2000, 1)),
        "objects: expected at most 1,600 boxes, got 2,000"),
    "corners swapped in a data set": (
        lambda: MatchingExplorer(SSD_TINY_PRIORS, objects=BOX.flip(1)),
        "objects .* expected x1 < x2"),
    "no threshold": (
        lambda: MatchingExplorer(SSD_TINY_PRIORS, threshold=NAN), "threshold: expected 0.05 to"),
    "a large ratio": (
        lambda: MatchingExplorer(SSD_TINY_PRIORS, ratio=11), "ratio: expected 0 to 10, got 11"),
    "losses alone": (
        lambda: HardNegativesExplorer(torch.rand(3)), "class_loss and target_labels together"),
    "a batch of losses": (
        lambda: HardNegativesExplorer(torch.rand(2, 3), torch.zeros(2, 3, dtype=torch.int64)),
        r"class_loss \(P,\) and target_labels \(P,\) of one image, got \(2, 3\)"),
    "no priors": (
        lambda: HardNegativesExplorer(torch.rand(0), torch.zeros(0, dtype=torch.int64)),
        "class_loss: expected 1 to 64 priors to show, got 0"),
    "8,732 priors": (
        lambda: HardNegativesExplorer(torch.rand(8732), torch.zeros(8732, dtype=torch.int64)),
        "class_loss: expected 1 to 64 priors to show, got 8732"),
    "a mask as labels": (
        lambda: HardNegativesExplorer(torch.rand(2), HITS), "target_labels: expected integers"),
    "a loss that is no number": (
        lambda: HardNegativesExplorer(torch.tensor([1, NAN]), torch.tensor([0, 1])),
        r"class_loss\[1\]: expected a number, 0 or more, got nan"),
    "a negative ratio": (
        lambda: HardNegativesExplorer(ratio=-1), "ratio: expected 0 to 10, got -1"),
    "no such prior": (lambda: HardNegativesExplorer(prior=16), "prior: expected 0 to 15, got 16"),
    "boxes alone": (lambda: NMSExplorer(BOX), "boxes and scores together"),
    "scores of others": (
        lambda: NMSExplorer(BOX, torch.rand(2)), r"scores: expected shape \(1,\), one for each"),
    "logits": (
        lambda: NMSExplorer(BOX, torch.tensor([2.5])), r"scores\[0\]: expected 0 to 1, got 2.5"),
    "41 boxes": (
        lambda: NMSExplorer(BOX.repeat(41, 1), torch.rand(41)), "boxes: expected at most 40"),
    "no IoU": (lambda: NMSExplorer(iou_threshold=1.5), "iou_threshold: expected 0 to 0.95"),
    "hits alone": (
        lambda: AveragePrecisionExplorer(hits=HITS), "scores, hits and num_gt together"),
    "lengths": (
        lambda: AveragePrecisionExplorer(torch.rand(3), HITS, 2),
        r"scores \(D,\) and hits \(D,\), got \(3,\) and \(2,\)"),
    "no detections": (
        lambda: AveragePrecisionExplorer(torch.rand(0), HITS[:0], 2),
        "scores: expected 1 to 200 detections to show, got 0"),
    "hits as numbers": (
        lambda: AveragePrecisionExplorer(torch.rand(2), HITS.float(), 2),
        "hits: expected torch.bool, got torch.float32"),
    "a score that is no number": (
        lambda: AveragePrecisionExplorer(torch.tensor([0.5, NAN]), HITS, 2),
        r"scores\[1\]: expected a number, got nan"),
    "more hits than objects": (
        lambda: AveragePrecisionExplorer(torch.rand(2), ~HITS | HITS, 1),
        "num_gt: expected at least 1 and at least the number of hits, 2, got 1"),
    "no objects": (
        lambda: AveragePrecisionExplorer(torch.rand(2), ~HITS & HITS, 0), "at least 1 and"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    make, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_names_cannot_break_out_of_the_script():
    page = PriorBoxExplorer({"</script><b>\"'&": SSD_TINY_PRIORS}).to_html()
    assert document_of(page).count("</script>") == 1
    assert list(options_of(page)["layouts"]) == ["</script><b>\"'&"]


def test_every_module_is_shipped():
    names = {path.name for path in Path(frame.__file__).parent.glob("*.js")}
    shown = {EXPLORERS[name]().module for name in EXPLORERS}
    assert names == shown | {"geometry.js", "legend.js", "own_boxes.js", "page.js", "shades.js"}
    for name in shown:
        assert module_source(name).count("export function mount(") == 1


def test_a_module_brings_what_it_imports_once_and_first():
    source = module_source("matching.js")
    assert source.count("export function boxIou(") == source.count("export function slider(") == 1
    assert source.index("function boxIou(") < source.index("function slider(")
    assert source.index("function slider(") < source.index("function mount(")
    assert not re.search(r"^import\b", source, re.MULTILINE)


def test_comments_and_indentation_stay_at_home():
    page = framed("nms.js", {}, title="NMS", height=400)
    script = document_of(page).split('<script type="module">')[1]
    assert not re.search(r"^(\s|//)", script, re.MULTILINE)
