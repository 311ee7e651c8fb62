"""The arithmetic of the explorers: JavaScript in node, against the package on random cases.

Both sides get the same float64 numbers and must agree to 1e-5; indices must be equal.
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from typing import Any

import pytest
import torch
from torch import Tensor

from detlearn import boxes, create_model, losses, metrics
from detlearn.boxes import (
    PRIOR_LAYOUTS,
    SSD300_VOC_PRIORS,
    SSD_TINY_PRIORS,
    PriorBox,
    PriorConfig,
    box_iou,
    decode,
    make_priors,
)
from detlearn.models import RefineDetPredictions, refinedet
from detlearn.show import RefinementExplorer, TransferExplorer
from detlearn.show.explorers.browser.frame import module_source
from detlearn.show.explorers.browser.matching import MatchingExplorer
from detlearn.show.explorers.browser.refinement import THETAS
from detlearn.show.explorers.browser.transfer import transfer_with_cut

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(
    NODE is None, reason="node runs the explorers' JavaScript arithmetic, and it is not installed"
)

# every layout as it is, and three of them with the other two clamps
LAYOUTS = dict(PRIOR_LAYOUTS) | {
    f"{name}, clamp {clamp}": dataclasses.replace(PRIOR_LAYOUTS[name], clamp=clamp)
    for name in ("ssd300_voc", "refinedet320", "m2det320")
    for clamp in ("sizes", "none")
}
ONE = {"one": PriorConfig(8, (2,), (4,), (2,), (), ((4,),), clamp="none")}
SMALL = PriorConfig(64, (8, 4, 2), (8, 16, 32), (9, 20, 40), (20, 40, 60), ((2,), (2, 3), ()))


def in_node(
    expression: str, layouts: dict[str, PriorConfig] | None = None, cases: Any = None, *,
    module: str = "geometry.js", browser: str = "",
) -> Any:  # fmt: skip
    """The value of a JavaScript expression over `layouts` and `cases`, computed by a module."""
    named = {name: dataclasses.asdict(layout) for name, layout in (layouts or {}).items()}
    script = (
        f"{browser}\n{module_source(module)}\nconst layouts = {json.dumps(named)};"
        f"\nconst cases = {json.dumps(cases)};"
        f"\nprocess.stdout.write(JSON.stringify({expression}));"
    )
    done = subprocess.run(
        [str(NODE), "--input-type=module"], input=script, capture_output=True, text=True,
        encoding="utf-8", timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def random_boxes(count: int, generator: torch.Generator) -> Tensor:
    """(N, 4) xyxy float64, sides of 2 to 70 % of the image."""
    center = torch.rand(count, 2, generator=generator, dtype=torch.float64)
    size = 0.02 + 0.68 * torch.rand(count, 2, generator=generator, dtype=torch.float64) ** 2
    return boxes.clip_boxes(torch.cat([center - size / 2, center + size / 2], dim=1), 1, 1)


def exact_priors(config: PriorConfig) -> Tensor:
    """(P, 4) float64: the tensor of the package before it becomes float32."""
    return torch.cat([PriorBox(config).level(k) for k in range(config.num_levels)])


def same(theirs: Any, ours: Tensor) -> None:
    torch.testing.assert_close(
        torch.tensor(theirs, dtype=torch.float64).reshape(ours.shape), ours.double(),
        rtol=0, atol=1e-5,
    )  # fmt: skip


# ---- priors


@pytest.fixture(scope="module")
def browser_priors():
    """name -> the priors of all levels, all from one start of node."""
    return in_node(
        "Object.fromEntries(Object.entries(layouts).map(([name, l]) => [name, "
        "Array.from(makePriors(l), (v) => Number(v.toFixed(8)))]))",
        LAYOUTS,
    )


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_browser_computes_the_same_priors(name, browser_priors):
    assert len(browser_priors[name]) == 4 * LAYOUTS[name].num_priors
    same(browser_priors[name], boxes.make_priors(LAYOUTS[name]))


def test_the_browser_on_a_layout_that_can_be_checked_by_hand():
    """A 2 x 2 map of an 8 px image, one square of 2 px and a box of twice its width."""
    assert in_node("Array.from(levelPriors(layouts.one, 0).slice(0, 16))", ONE) == [
        *(0.25, 0.25, 0.25, 0.25),
        *(0.25, 0.25, 0.5, 0.125),
        *(0.25, 0.25, 0.125, 0.5),
        *(0.75, 0.25, 0.25, 0.25),
    ]
    assert in_node("cellPriors(layouts.one, 0, 1, 0)[1]", ONE) == [0.25, 0.75, 0.5, 0.125]
    assert in_node("clampPrior([-1, 2, 0.5, 3], 'all')") == [0, 1, 0.5, 1]
    assert in_node("clampPrior([-1, 2, 0.5, 3], 'sizes')") == [-1, 2, 0.5, 1]


def test_the_browser_numbers_the_priors_as_the_tensor_does():
    picks = [(0, 0, 0), (1, 18, 3), (2, 4, 5), (5, 0, 0)]
    layouts = {"one": SSD300_VOC_PRIORS}
    first = in_node("cases.map(([k, r, c]) => firstIndex(layouts.one, k, r, c))", layouts, picks)
    indices = [*first, 5775, 5776, 8731]
    found = in_node("cases.map((i) => locate(layouts.one, i))", layouts, indices)
    for index, place in zip(indices, found, strict=True):
        assert PriorBox(SSD300_VOC_PRIORS).locate(index)._asdict() == place


# ---- boxes


def test_iou_on_random_and_on_awkward_pairs():
    generator = torch.Generator().manual_seed(1)
    one, two = random_boxes(60, generator), random_boxes(50, generator)
    awkward = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.0, 0, 1, 1], [0.5, 0, 1, 1]]).double()
    one, two = torch.cat([one, awkward]), torch.cat([two, awkward])
    cases = [one.tolist(), two.tolist()]
    theirs = in_node("cases[0].map((a) => cases[1].map((b) => boxIou(a, b)))", cases=cases)
    same(theirs, boxes.box_iou(one, two))


def test_iou_with_all_priors_of_ssd300():
    generator = torch.Generator().manual_seed(2)
    found = random_boxes(5, generator)
    theirs = in_node(
        "cases.map((b) => Array.from(iouWithPriors(b, makePriors(layouts.ssd))))",
        {"ssd": SSD300_VOC_PRIORS}, found.tolist(),
    )  # fmt: skip
    corners = boxes.cxcywh_to_xyxy(exact_priors(SSD300_VOC_PRIORS))
    same(theirs, boxes.box_iou(found, corners))


def test_encode_and_decode_on_random_pairs():
    generator = torch.Generator().manual_seed(3)
    found, priors = random_boxes(100, generator), boxes.xyxy_to_cxcywh(random_boxes(100, generator))
    deltas = 6 * torch.randn(100, 4, generator=generator, dtype=torch.float64)
    deltas[0, 2] = 40.0  # beyond the bound of the growth
    cases = [found.tolist(), priors.tolist(), deltas.tolist()]
    theirs = in_node(
        "[cases[0].map((b, i) => encode(b, cases[1][i])), "
        "cases[2].map((d, i) => decode(d, cases[1][i]))]",
        cases=cases,
    )
    same(theirs[0], boxes.encode(found, priors))
    same(theirs[1], boxes.decode(deltas, priors))


def test_centre_and_corners():
    box = torch.tensor([0.25, 0.5, 0.75, 0.625])
    same(in_node("toCenter([0.25, 0.5, 0.75, 0.625])"), boxes.xyxy_to_cxcywh(box))
    same(in_node("toCorners(toCenter([0.25, 0.5, 0.75, 0.625]))"), box)


# ---- matching and mining

MATCHES = {
    "no object": (0, 0.5, True, True),
    "one object": (1, 0.5, True, True),
    "three objects": (3, 0.5, True, True),
    "six, a low threshold": (6, 0.2, True, True),
    "six, above the threshold": (6, 0.3, False, True),
    "four, nobody forced": (4, 0.6, True, False),
    "four, forced alone": (4, 0.99, True, True),
}


@pytest.mark.parametrize("name", MATCHES)
@pytest.mark.parametrize("layout", [SMALL, SSD300_VOC_PRIORS], ids=["small", "ssd300"])
def test_matching_on_random_objects(layout, name):
    count, threshold, inclusive, force = MATCHES[name]
    found = random_boxes(count, torch.Generator().manual_seed(10 + count))
    options = json.dumps({"inclusive": inclusive, "force": force})
    theirs = in_node(
        f"(() => {{ const m = match(cases, makePriors(layouts.one), {threshold}, {options}); "
        "return [m.gtIndex, m.iou, m.forced].map((a) => Array.from(a)); })()",
        {"one": layout}, found.tolist(),
    )  # fmt: skip
    ours = boxes.match(found, exact_priors(layout), threshold, inclusive, force)
    assert theirs[0] == ours.gt_index.tolist()
    same(theirs[1], ours.iou)
    assert theirs[2] == ours.forced.int().tolist()


def test_of_two_objects_with_one_best_prior_the_later_wins():
    found = [[0.1, 0.1, 0.2, 0.2], [0.12, 0.12, 0.22, 0.22]]
    theirs = in_node("Array.from(match(cases, makePriors(layouts.one), 0.9).gtIndex)", ONE, found)
    ours = boxes.match(torch.tensor(found).double(), exact_priors(ONE["one"]), 0.9).gt_index
    assert theirs == ours.tolist() == [1, *[-1] * 11]


@pytest.mark.parametrize("name", [n for n in LAYOUTS if n not in ("m2det704", "m2det800")])
def test_coverage_looks_at_the_nearest_cell_only_and_is_right(name):
    found = random_boxes(40, torch.Generator().manual_seed(20))
    theirs = in_node("coverage(cases, layouts.one)", {"one": LAYOUTS[name]}, found.tolist())
    same(theirs, boxes.coverage(found, exact_priors(LAYOUTS[name])))


@pytest.mark.parametrize("ratio", [0, 0.5, 3, 1e9])
def test_mining_on_random_losses(ratio):
    generator = torch.Generator().manual_seed(30)
    loss = torch.rand(12, 40, generator=generator, dtype=torch.float64)
    labels = torch.randint(-1, 3, (12, 40), generator=generator)
    labels *= torch.rand(12, 40, generator=generator) < torch.linspace(0, 1, 12)[:, None]
    theirs = in_node(
        f"cases[0].map((loss, b) => hardNegativeMask(loss, cases[1][b], {ratio}))",
        cases=[loss.tolist(), labels.tolist()],
    )
    assert theirs == losses.hard_negative_mask(loss, labels, ratio).tolist()


def test_sorting_twice_is_the_beginning_of_sorting_once():
    values = torch.rand(30, generator=torch.Generator().manual_seed(31)).tolist()
    order, rank = in_node(
        "(() => { const order = argsort(cases, true); return [order, argsort(order)]; })()",
        cases=values,
    )
    assert order == torch.tensor(values).argsort(descending=True).tolist()
    assert rank == torch.tensor(order).argsort().tolist()
    assert sorted(order[:7]) == [i for i, r in enumerate(rank) if r < 7]


def test_positives_that_are_ranked_too_are_mined_when_negatives_run_out():
    plan = in_node("miningPlan([5, 1, 2, 4], [1, 1, 0, 0], 3, true)")
    assert plan == {"candidates": [0, 0, 2, 4], "mined": 4}
    assert in_node("miningPlan([5, 1, 2, 4], [1, 1, 0, 0], 3)")["mined"] == 2


# ---- suppression

SUPPRESSIONS = {
    "hard": {"method": "hard", "iouThreshold": 0.45},
    "hard, everything": {"method": "hard", "iouThreshold": 0},
    "linear": {"method": "linear", "iouThreshold": 0.3, "scoreThreshold": 0.05},
    "linear, keeps all": {"method": "linear", "iouThreshold": 0.3, "scoreThreshold": 0},
    "gaussian": {"method": "gaussian", "sigma": 0.5, "scoreThreshold": 0.05},
    "gaussian, narrow": {"method": "gaussian", "sigma": 0.1, "scoreThreshold": 0.2},
}


@pytest.mark.parametrize("name", SUPPRESSIONS)
@pytest.mark.parametrize("count", [0, 1, 30])
def test_suppression_on_random_boxes(name, count):
    options = SUPPRESSIONS[name]
    generator = torch.Generator().manual_seed(40)
    found = random_boxes(count, generator)
    scores = torch.rand(count, generator=generator, dtype=torch.float64)
    theirs = in_node(
        f"suppress(cases[0], cases[1], {json.dumps(options)})",
        cases=[found.tolist(), scores.tolist()],
    )
    if options["method"] == "hard":
        keep = boxes.nms(found, scores, options["iouThreshold"])
        decayed = scores[keep]
    else:
        keep, decayed = boxes.soft_nms(
            found, scores, options["method"], options.get("iouThreshold", 0.3),
            options.get("sigma", 0.5), options["scoreThreshold"],
        )  # fmt: skip
    assert theirs["keep"] == keep.tolist()
    same(theirs["scores"], decayed)
    assert [step["best"] for step in theirs["steps"]] == keep.tolist()


def test_every_step_says_who_suppressed_whom():
    found, scores = [[0, 0, 4, 4], [0, 0, 4, 3], [5, 5, 9, 9]], [0.9, 0.8, 0.1]
    first, second = in_node("suppress(cases[0], cases[1]).steps", cases=[found, scores])
    assert first["best"] == 0
    assert [(e["i"], e["iou"], e["dropped"]) for e in first["effects"]] == [
        (1, 0.75, True),
        (2, 0, False),
    ]
    assert (second["best"], second["effects"]) == (2, [])


# ---- average precision


@pytest.mark.parametrize("count", [0, 1, 7, 40])
def test_average_precision_on_random_detections(count):
    generator = torch.Generator().manual_seed(50 + count)
    scores = torch.rand(count, generator=generator, dtype=torch.float64)
    hits = torch.rand(count, generator=generator) < 0.6
    num_gt = int(hits.sum()) + 3
    theirs = in_node(
        "(() => { const { precision, recall } = precisionRecall(...cases); return [precision, "
        "recall, ['11-point', 'area', '101-point'].map((m) => averagePrecision(precision, recall, "
        "m))]; })()",
        cases=[scores.tolist(), hits.tolist(), num_gt],
    )
    precision, recall = metrics.precision_recall(scores, hits, num_gt)
    same(theirs[0], precision)
    same(theirs[1], recall)
    ours = [
        metrics.average_precision(precision, recall, m) for m in ("11-point", "area", "101-point")
    ]
    assert theirs[2] == pytest.approx(ours, abs=1e-5)


def test_three_of_ten_objects_do_not_reach_the_fourth_point():
    """0.30000000000000004, as in the published code."""
    theirs = in_node("averagePrecision([1, 1, 1], [0.1, 0.2, 3 / 10], '11-point')")
    recall = torch.tensor([0.1, 0.2, 3 / 10], dtype=torch.float64)
    ours = metrics.average_precision(torch.ones(3), recall, "11-point")
    assert theirs == pytest.approx(3 / 11)
    assert ours == pytest.approx(3 / 11)


# ---- what the modules add

PLACES = {
    "nothing said": ({}, None, {}, "", None),
    "the site, light": ({"theme": "light"}, None, {}, "", False),
    "the site, dark": ({"theme": "dark"}, None, {}, "", True),
    "Colab, light": ({}, "light", {}, "", False),
    "Colab, dark": ({}, "dark", {}, "", True),
    "JupyterLab, light": ({}, None, {"jpThemeLight": "true"}, "", False),
    "JupyterLab, dark": ({}, None, {"jpThemeLight": "false"}, "", True),
    "VS Code, light": ({}, None, {}, "notebook vscode-light", False),
    "VS Code, dark": ({}, None, {}, "notebook vscode-dark", True),
    "a theme of another name": ({}, "sepia", {}, "", None),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_explorer_reads_whether_its_page_is_dark(place):
    dataset, theme, body, classes, expected = PLACES[place]
    found = in_node(
        "shownDark({ dataset: cases[0], getAttribute: () => cases[1] }, "
        "{ dataset: cases[2], className: cases[3] })",
        cases=[dataset, theme, body, classes], module="page.js",
    )  # fmt: skip
    assert found is expected


BROWSER = "globalThis.window = { matchMedia: () => ({ matches: false }) };"


def test_objects_survive_their_journey():
    found = random_boxes(50, torch.Generator().manual_seed(60))
    packed = MatchingExplorer(SSD300_VOC_PRIORS, objects=found).options()["objects"]
    theirs = in_node("unpack(cases)", cases=packed, module="matching.js", browser=BROWSER)
    torch.testing.assert_close(torch.tensor(theirs, dtype=torch.float64), found, rtol=0, atol=2e-5)


def test_scaled_layout_and_stand_in_loss():
    layout = in_node(
        "scaled(layouts.one, 1.5)", {"one": SMALL}, module="matching.js", browser=BROWSER
    )
    assert layout["min_sizes"] == [13.5, 30, 60]
    assert layout["max_sizes"] == [30, 60, 90]
    loss = in_node("Array.from(standInLoss([0, 0.2, 0.4]))", module="matching.js", browser=BROWSER)
    assert loss[0] < loss[1] < loss[2]


def test_a_dragged_object_stays_in_the_image():
    expression = (
        "[moveBox([0.1, 0.2, 0.3, 0.4], -0.5, 0.9), sizeBox([0.1, 0.2, 0.3, 0.4], 3, 0, 2)]"
    )
    moved, sized = in_node(expression, module="page.js", browser=BROWSER)
    assert moved == pytest.approx([0, 0.8, 0.2, 1])
    assert sized == pytest.approx([0.1, 0.2, 0.12, 1])


def test_objects_sampled_for_coverage_lie_in_the_image():
    found = in_node("sampleObjects(0.95)", module="prior_box.js", browser=BROWSER)
    assert len(found) == 3 * 49
    boxes.check_boxes(torch.tensor(found), size=(1, 1))


@pytest.mark.parametrize(
    "name",
    [
        "prior_box.js",
        "matching.js",
        "hard_negatives.js",
        "nms.js",
        "average_precision.js",
        "fuse_matrix.js",
        "heat_map.js",
    ],
)
def test_a_module_and_what_it_imports_are_one_valid_module(name):
    assert in_node("typeof mount", module=name, browser=BROWSER) == "function"


# ---- two steps, the filter, the links of the TCBs


OBJECT = torch.tensor([[0.1, 0.1, 0.4, 0.5]])


def random_refinedet() -> Any:
    """The same random model every time."""
    torch.manual_seed(0)
    return create_model("refinedet_tiny").eval()


def random_answers() -> RefineDetPredictions:
    """What an untrained RefineDet could say about one picture."""
    generator = torch.Generator().manual_seed(0)
    return RefineDetPredictions(
        *(
            3 * torch.randn(1, SSD_TINY_PRIORS.num_priors, n, generator=generator)
            for n in (2, 4, 9, 4)
        )
    )


def test_the_browser_moves_boxes_as_the_package_does():
    """Prior, anchor, box, and IoU, to 1e-5; an anchor may become small, but never nothing."""
    generator = torch.Generator().manual_seed(2)
    priors = make_priors(SSD_TINY_PRIORS)[::40].double()
    deltas = 2 * torch.randn(2, len(priors), 4, generator=generator, dtype=torch.float64)
    deltas[0, 0] = -400.0
    arm, odm = deltas
    anchors = refinedet.refine_anchors(arm, priors)
    cases = [priors.tolist(), arm.tolist(), odm.tolist()]
    both = in_node(
        "cases[0].map((p, i) => twoSteps(p, cases[1][i], cases[2][i]).slice(1))",
        cases=cases, module="refinement.js", browser=BROWSER,
    )  # fmt: skip
    ours = torch.stack([decode(arm, priors), decode(odm, anchors)], dim=1)
    same(both, ours)
    alone = in_node(
        "cases[0].map((p, i) => twoSteps(p, cases[1][i], cases[2][i], false)[2])",
        cases=cases, module="refinement.js", browser=BROWSER,
    )  # fmt: skip
    same(alone, decode(odm, priors))
    objects = torch.tensor([[0.1, 0.1, 0.4, 0.5], [0.3, 0.2, 0.9, 0.9]]).double()
    near = in_node(
        "cases[0].map((b) => nearest(b, cases[1]))",
        cases=[ours[1:, 1].tolist(), objects.tolist()], module="refinement.js", browser=BROWSER,
    )  # fmt: skip
    best = box_iou(ours[1:, 1], objects).max(dim=1)
    same([iou for _, iou in near], best.values)
    assert [i for i, iou in near if iou] == best.indices[best.values > 0].tolist()


@pytest.mark.parametrize("theta", THETAS)
def test_the_browser_counts_the_survivors(theta):
    said = random_answers()
    explorer = RefinementExplorer(SSD_TINY_PRIORS, said, OBJECT)
    theirs = in_node(
        f"survivors(unpackGaps(cases), layouts.one, {theta})",
        {"one": SSD_TINY_PRIORS}, explorer.options()["gaps"], module="refinement.js", browser=BROWSER,
    )  # fmt: skip
    objectness = (explorer._gaps.double() / 1024).sigmoid()
    levels = (objectness > theta).split(list(SSD_TINY_PRIORS.priors_per_level))
    assert theirs == [int(level.sum()) for level in levels]
    if theta in (0, 1):
        assert sum(theirs) == (SSD_TINY_PRIORS.num_priors if theta == 0 else 0)


def test_the_browser_reads_what_python_packs():
    said = random_answers()
    explorer = RefinementExplorer(SSD_TINY_PRIORS, said, OBJECT, picks=3)
    told = explorer.options()
    picks = in_node(
        "unpackPicks(cases)", cases=told["picks"], module="refinement.js", browser=BROWSER
    )
    assert [pick["index"] for pick in picks] == [pick[0] for pick in explorer._picks]
    for pick in picks:
        rows = torch.cat([said.arm_deltas[0, pick["index"]], said.odm_deltas[0, pick["index"]]])
        given = torch.tensor(pick["arm"] + pick["odm"])
        torch.testing.assert_close(given, rows, rtol=0, atol=0.0006)
    thetas = in_node("THETAS", module="refinement.js", browser=BROWSER)
    assert tuple(thetas) == THETAS


def test_the_browser_reads_the_maps_that_python_packs():
    """Map 0 in four versions, map 3 in one; two channels each."""
    model = random_refinedet()
    explorer = TransferExplorer(
        model, torch.full((3, 128, 128), 0.4), 128 * OBJECT, torch.tensor([3])
    )
    told = explorer.options()
    theirs = in_node(
        "unpackMaps(cases[0], cases[1], cases[2]).map((versions) => Object.fromEntries("
        "Object.entries(versions).map(([cut, maps]) => [cut, maps.map((m) => Array.from(m))])))",
        cases=[told["maps"], told["sides"], told["channels"]], module="transfer.js", browser=BROWSER,
    )  # fmt: skip
    assert [sorted(map(int, versions)) for versions in theirs] == [
        [0, 1, 2, 3],
        [0, 2, 3],
        [0, 3],
        [0],
    ]
    with torch.inference_mode():
        pyramid = model.features(model.normalize(torch.full((3, 128, 128), 0.4)[None]))
        for level, versions in enumerate(theirs):
            means = {
                int(cut): transfer_with_cut(model, pyramid, int(cut))[level][0].mean(dim=0)
                for cut in versions
            }
            top = max(float(mean.max()) for mean in means.values())
            for cut, mean in means.items():
                given = torch.tensor(versions[str(cut)][0]) / 255
                torch.testing.assert_close(given, mean.flatten() / top, rtol=0, atol=0.003)


def test_gain_inside_and_outside_by_hand():
    """A 2 x 2 map; the object covers the upper left cell."""
    box = [[0.0, 0.0, 0.5, 0.5]]
    assert in_node(
        "gain([9, 4, 4, 4], [5, 4, 1, 4], 2, cases)",
        cases=box,
        module="transfer.js",
        browser=BROWSER,
    ) == [4, 1]
    assert in_node(
        "gain([9, 4, 4, 4], [5, 4, 2, 4], 2, [])", module="transfer.js", browser=BROWSER
    ) == [0, 1.5]


COCO_FILE = {
    "images": [{"id": 7, "width": 200, "height": 100}],
    "annotations": [
        {"image_id": 7, "bbox": [20, 20, 40, 40]},
        {"image_id": 7, "bbox": [180, 0, 40, 10]},
        {"image_id": 7, "bbox": [0, 0, 200, 100], "iscrowd": 1},
        {"image_id": 7, "bbox": [0, 0, 0, 10]},
    ],
}
CSV_FILE = "image,width,height,xmin,ymin,xmax,ymax,class\na,200,100,20,20,60,60,b\n" + (
    "a,200,100,180,0,220,10,b\nb,9,9,,,,,\na,200,100,0,0,0,10,b\n"
)


@pytest.mark.parametrize("text", [json.dumps(COCO_FILE), CSV_FILE, CSV_FILE.replace(",", ";")])
def test_the_browser_reads_a_readers_boxes(text):
    """As fractions, clipped; crowds, empty rows and boxes without area are left out."""
    found = in_node("readBoxes(cases)", cases=text, module="own_boxes.js", browser=BROWSER)
    same(found["boxes"], torch.tensor([[0.1, 0.2, 0.3, 0.6], [0.9, 0.0, 1.0, 0.1]]).double())
    assert (found["total"], found["dropped"]) == (2, 1)


def test_a_file_that_holds_no_boxes_says_so():
    said = in_node(
        "cases.map((text) => { try { readBoxes(text); } catch (error) { return error.message; } })",
        cases=["{}", "a,b\n1,2\n", "x1,y1,x2,y2,width,height\n"], module="own_boxes.js", browser=BROWSER,
    )  # fmt: skip
    assert said == [
        "expected COCO's images and annotations", "expected a column x1, got a,b", "no boxes in it",
    ]  # fmt: skip


def test_every_box_joins_the_nearest_side():
    boxes = [[0, 0, 0.1, 0.1], [0, 0, 0.5, 0.4], [0, 0, 0.9, 0.9]]
    groups = in_node(
        "groupsOf(cases, [0.1, 0.4, 0.8])", cases=boxes, module="own_boxes.js", browser=BROWSER
    )
    assert [len(group) for group in groups] == [1, 1, 1]
