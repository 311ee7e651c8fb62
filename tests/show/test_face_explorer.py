"""The face explorer: its table is what the network says, its arithmetic that of the package."""

from __future__ import annotations

import base64
import json

import pytest
import torch

from detlearn import load_model
from detlearn.boxes import box_iou
from detlearn.data import data_path, load_portraits
from detlearn.models.blazeface import BLAZEFACE
from detlearn.show import FaceExplorer
from detlearn.show.explorers.browser.faces import AXES, BYTES
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node, same

needs_node = pytest.mark.skipif(NODE is None, reason="node runs the explorer's arithmetic")


def compute(expression, cases=None):
    return in_node(expression, cases=cases, module="faces.js", browser=BROWSER)


@pytest.fixture(scope="module")
def explorer():
    return FaceExplorer()


PLACES = [
    pytest.param((4, 0, 0, 1, 1), id="as at first"),
    pytest.param((0, 3, 2, 2, 0), id="small, turned, blurred, moved"),
    pytest.param((7, 6, 1, 0, 2), id="large, upside down"),
]


@pytest.mark.parametrize("place", PLACES)
def test_the_table_is_what_the_network_says(explorer, place):
    size, angle, blur, right, down = (
        values[at] for values, at in zip(AXES.values(), place, strict=True)
    )
    view = load_portraits()["astronaut"].view(size, angle=angle, blur=blur, shift=(right, down))
    model = load_model(data_path("weights", "blazeface.safetensors")).eval()
    with torch.inference_mode():
        scores, boxes = model.scores_and_boxes(model(model.prepare([view])))
    rank = 0
    for at, values in zip(place, AXES.values(), strict=True):
        rank = rank * len(values) + at
    answers = base64.b64decode(explorer.options()["answers"])
    sure, high, low, x, y, side = answers[BYTES * rank : BYTES * (rank + 1)]
    best = scores[0, :, 1].max()
    assert sure / 255 == pytest.approx(float(best), abs=0.01)
    prior = 256 * high + low  # or one that is as sure
    assert float(scores[0, prior, 1]) == pytest.approx(float(best), abs=0.01)
    x1, y1, x2, y2 = (128 * boxes[0, prior]).tolist()
    told = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1]).clamp(min=0)
    assert (told - torch.tensor([x / 2, y / 2, side])).abs().max() < 1.5


def test_there_is_an_answer_for_every_place(explorer):
    number = 1
    for values in AXES.values():
        number *= len(values)
    assert len(base64.b64decode(explorer.options()["answers"])) == BYTES * number


@needs_node
def test_the_browser_reads_the_table(explorer):
    answers = base64.b64decode(explorer.options()["answers"])
    axes = json.dumps({name: list(values) for name, values in AXES.items()})
    place = dict(zip(AXES, (4, 0, 0, 1, 1), strict=True))
    rank = compute(f"rank({axes}, {json.dumps(place)})")
    assert rank == ((4 * 7 * 3) * 3 + 1) * 3 + 1
    told = compute(f"readAnswer(cases, {rank})", list(answers))
    sure, high, low, x, y, side = answers[BYTES * rank : BYTES * (rank + 1)]
    assert told["prior"] == 256 * high + low and told["score"] == pytest.approx(sure / 255)
    assert told["box"] == [x / 2 - side / 2, y / 2 - side / 2, x / 2 + side / 2, y / 2 + side / 2]


@needs_node
def test_the_browser_knows_where_a_prior_stands():
    from detlearn.boxes import make_priors

    priors = make_priors(BLAZEFACE.priors)
    cells = compute("cases.map(cellOf)", list(range(896)))
    centers = torch.tensor([[(c["column"] + 0.5), (c["row"] + 0.5)] for c in cells])
    sides = torch.tensor([float(c["side"]) for c in cells])
    torch.testing.assert_close(centers * sides[:, None] / 128, priors[:, :2])
    assert {c["slot"] for c in cells[:512]} == {0, 1}
    assert {c["slot"] for c in cells[512:]} == set(range(6))


@needs_node
def test_the_browser_overlaps_boxes_as_the_package_does():
    corners = 100 * torch.rand(40, 2, 2, dtype=torch.float64)
    pairs = torch.cat([corners, corners + 30], dim=-1)  # (N, 2, 4)
    theirs = compute("cases.map(([a, b]) => overlap(a, b))", pairs.tolist())
    same(theirs, torch.stack([box_iou(a[None], b[None])[0, 0] for a, b in pairs]))


@needs_node
def test_the_browser_blurs_as_the_package_does():
    from torchvision.transforms.v2 import functional as transforms

    pixels = 255 * torch.rand(4, 16, 16, dtype=torch.float64)
    theirs = compute("cases.map((p) => Array.from(blurred(p, 16, 1.5)))",
                     [pixels.permute(1, 2, 0).flatten().tolist()])  # fmt: skip
    ours = transforms.gaussian_blur(pixels, 11, 1.5).permute(1, 2, 0)
    inner = torch.tensor(theirs[0]).view(16, 16, 4)[5:-5, 5:-5]  # edges: repeated, mirrored
    assert (inner - ours[5:-5, 5:-5]).abs().max() < 0.01


@needs_node
def test_the_page_is_one_valid_module():
    assert compute("typeof mount") == "function"


def test_a_page_is_small_and_the_same_twice(explorer):
    page = explorer.to_html()
    assert len(json.dumps(page)) <= 60_000 and page == FaceExplorer().to_html()
    assert repr(explorer).startswith("Explorer of a face: 1,512 answers")
