"""What the "predict, then move" tasks ask for is what the explorers' examples give."""

import torch

import detlearn
from detlearn import boxes, load_model, metrics
from detlearn.data import CocoDetectionDataset, data_path
from detlearn.losses import hard_negative_mask
from detlearn.show import (
    AttentionExplorer,
    AveragePrecisionExplorer,
    DetectionExplorer,
    HardNegativesExplorer,
    LevelScaleExplorer,
    MatchingExplorer,
    NMSExplorer,
    PyramidExplorer,
    RefinementExplorer,
    ShapeTableExplorer,
    TUMWalker,
)
from detlearn.show.explorers.browser.transfer import transfer_with_cut
from detlearn.teach.exercises import (
    Exercise,
    WrongAnswer,
    nb00,
    nb01,
    nb02,
    nb03,
    nb04,
    nb05,
    nb07,
    nb08,
    nb09,
)


def test_notebook_00() -> None:
    folder = data_path("shapes_val")
    image, target = CocoDetectionDataset(folder / "images", folder / "annotations.json")[109]
    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    explorer = DetectionExplorer(model, image, target)

    corners, chosen = explorer.detections["boxes"], explorer.detections["priors"]
    area = boxes.box_area(corners)
    layout = boxes.PriorBox(model.config.priors)
    large, small = (layout.locate(int(chosen[i])).level for i in (area.argmax(), area.argmin()))
    at_first = len(corners)

    explorer.iou.value = 1.0
    stack = len(explorer.detections["boxes"])
    explorer.iou.value = 0.45
    assert len(explorer.detections["boxes"]) == at_first
    explorer.score.value = 0.9
    assert nb00.moves.check((stack, large, small, explorer.found))
    assert at_first < stack < explorer.most.max  # the tasks have something to show
    assert small < large
    assert 0 < explorer.found < len(target["boxes"])


def test_notebook_01() -> None:
    example = NMSExplorer()
    found, scores = torch.as_tensor(example.boxes), torch.as_tensor(example.scores)
    stay = len(boxes.nms(found, scores, 0.5))
    left = float(scores[1] * (1 - boxes.box_iou(found[:1], found[1:2])))

    curve = AveragePrecisionExplorer()
    sure, hits = torch.as_tensor(curve.scores), torch.as_tensor(curve.hits)

    def ap(least: float, method: str) -> float:
        chosen = sure >= least
        precision, recall = metrics.precision_recall(sure[chosen], hits[chosen], curve.num_gt)
        return float(metrics.average_precision(precision, recall, method))

    largest = max(ap(0.0, method) for method in ("area", "11-point", "101-point"))
    assert nb01.moves.check((stay, left, largest, ap(0.22, "area")))
    assert nb01.moves.check((stay, round(left, 2), largest, ap(0.22, "area")))  # as the list shows


def test_notebook_02() -> None:
    ssd300 = boxes.SSD300_VOC_PRIORS
    x, y = (300 * boxes.PriorBox(ssd300).centers(2)[-1]).round().int().tolist()
    sizes = boxes.PriorBox(ssd300).sizes(5)
    place = boxes.PriorBox(ssd300).locate(5776)
    answer = ((x, y), int((sizes > 1).any(dim=1).sum()), (place.level, place.row, place.column))
    assert nb02.moves.check(answer)


def test_notebook_03() -> None:
    priors = boxes.make_priors(boxes.SSD300_VOC_PRIORS)
    objects = torch.as_tensor(MatchingExplorer(boxes.SSD300_VOC_PRIORS).boxes)
    positives = int((boxes.match(objects, priors, force=False).gt_index >= 0).sum())
    lower = boxes.match(objects, priors, threshold=0.4, force=False).gt_index

    example = HardNegativesExplorer()
    loss = torch.as_tensor(example.class_loss)[None]
    labels = torch.as_tensor(example.target_labels)[None]

    def mined(ratio: float) -> int:
        return int(hard_negative_mask(loss, labels, ratio).sum())

    ranked_too = min(10 * int((labels > 0).sum()), labels.numel())
    of_third = int((lower == 2).sum())
    answer = (positives, of_third, mined(3.25) - mined(3.0), (mined(10.0), ranked_too))
    assert nb03.moves.check(answer)


def test_notebook_04() -> None:
    folder = data_path("shapes_val")
    image, target = CocoDetectionDataset(folder / "images", folder / "annotations.json")[24]
    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    explorer = PyramidExplorer(model, image, ("backbone", "head.logits"))
    fields = [explorer.field(f"backbone [{level}]").size[1] for level in range(4)]
    first = next(level for level, px in enumerate(fields) if px > 128)
    wider = tuple(
        explorer.field(f"head.logits.{level}").size[1] - fields[level] for level in (0, 3)
    )

    # channel 5 of level 1 is bright on the face, and so is that of prior 3
    face = model.class_names.index("face")
    same = 3 * model.config.num_classes + face
    maps = explorer.maps("head.logits.1")
    x1, y1, x2, y2 = target["boxes"][target["labels"] == face][0].tolist()
    for channel in (face, same):
        row, column = divmod(int(maps[channel].argmax()), 16)
        assert x1 < 8 * (column + 0.5) < x2 and y1 < 8 * (row + 0.5) < y2

    networks = ("ssd300_vgg16", "ssd300_resnet50", "ssdlite300_mobilenet_v2")
    with torch.device("meta"):
        shapes = ShapeTableExplorer({name: detlearn.create_model(name) for name in networks})
    heavy = []
    for name in networks:
        parts = {module.name: module.parameters for module in shapes.tables[name].modules}
        heavy += [name] * (parts["head"] > parts["backbone"])
    inside = shapes.tables["ssd300_vgg16"].inside("backbone.layers", 1)
    layers = {module.name.rpartition(".")[2]: module for module in inside.modules}
    times = round(layers["conv4_3"].macs / layers["conv1_2"].macs)
    assert nb04.moves.check((first, wider, same, *heavy, times))


def test_notebook_05() -> None:
    folder = data_path("shapes_val")
    image, target = CocoDetectionDataset(folder / "images", folder / "annotations.json")[25]
    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    explorer = DetectionExplorer(model, image, target)
    names = [model.class_names[label] for label in target["labels"].tolist()]
    area = boxes.box_area(target["boxes"])
    small, cross = int(area.argmin()), names.index("cross")
    assert names[small] == "house" and names.count("house") > 1 and names.count("cross") == 1

    # any trained network answers as this one: the objects have teachers on one level only
    config = model.config
    overlaps = boxes.box_iou(
        target["boxes"] / config.image_size, boxes.cxcywh_to_xyxy(model.priors)
    )
    layout = boxes.PriorBox(config.priors)
    levels = []
    for wanted in (small, cross):
        teachers = (overlaps[wanted] >= config.match_threshold).nonzero()[:, 0].tolist()
        of_level = {layout.locate(index).level for index in teachers}
        found = int(explorer._hits[:, wanted].argmax())
        assert of_level == {explorer._places[found].level}
        levels += of_level

    def kinds() -> dict[str, int]:
        return metrics.detection_errors([explorer.detections], [target])

    before = kinds()
    explorer.iou.value = 1.0
    more = {kind: number - before[kind] for kind, number in kinds().items()}
    surplus = max(more, key=lambda kind: more[kind])
    assert more[surplus] >= 0.9 * sum(more.values()) > 10
    explorer.iou.value = 0.45
    explorer.score.value = 0.99
    grown = [kind for kind, number in kinds().items() if number > before[kind]]
    assert nb05.moves.check((tuple(levels), surplus, *grown))


def test_notebook_07() -> None:
    folder = data_path("shapes_val")
    image, target = CocoDetectionDataset(folder / "images", folder / "annotations.json")[109]
    model = load_model(data_path("weights", "refinedet_tiny.safetensors"))
    with torch.inference_mode():
        said = model(model.normalize(image[None]))
        pyramid = model.features(model.normalize(image[None]))
    explorer = RefinementExplorer(model.config.priors, said, target["boxes"] / 128)

    # what the page adds to the ARM's answer reaches the final box, whatever the ODM says
    index = explorer._picks[0][0]
    prior, arm, odm = model.priors[index], said.arm_deltas[0, index], said.odm_deltas[0, index]

    def final(change: tuple[float, ...]) -> torch.Tensor:
        anchor = boxes.decode((arm + torch.tensor(change))[None], prior[None])
        return boxes.xyxy_to_cxcywh(boxes.decode(odm[None], boxes.xyxy_to_cxcywh(anchor)))[0]

    usual = final((0.0, 0.0, 0.0, 0.0))
    widths = float((final((5.0, 0.0, 0.0, 0.0)) - usual)[0] / prior[2])
    times = float(final((0.0, 0.0, 5.0, 0.0))[2] / usual[2])

    survives = said.arm_logits.softmax(dim=-1)[0, :, 1] > explorer.threshold
    levels = survives.split(list(model.config.priors.priors_per_level))
    shares = torch.stack([kept.float().mean() for kept in levels])
    best, second = shares.topk(2).values.tolist()
    assert best > second + 0.05  # to be seen in the bars

    with torch.inference_mode():
        maps = model.transfer(pyramid)
        cuts = [transfer_with_cut(model, pyramid, cut) for cut in (1, 2, 3)]
    changed = [
        tuple(level for level in range(4) if not torch.equal(maps[level], cut[level]))
        for cut in cuts
    ]
    (never,) = set(range(4)).difference(*changed)
    answer = ((round(widths, 2), round(times, 2)), int(shares.argmax()), changed[1], never)
    assert nb07.moves.check(answer)
    assert nb07.moves.check((*answer[:2], answer[2][::-1], answer[3]))
    assert nb07.moves.check(((0.5, 2.7), *answer[1:]))  # two digits, as asked
    assert not nb07.moves.check(((0.5, 2.8), *answer[1:]))


def test_notebook_08() -> None:
    walker = TUMWalker(detlearn.create_model("m2det_tiny"), torch.zeros(3, 128, 128))
    sides = [step.maps.shape[-1] for step in walker.steps]
    larger = next(
        index
        for index, step in enumerate(walker.steps)
        if step.column == 2 and sides[index] > min(sides)  # the top has the smallest side
    )
    walker.level.value = 1
    prices = [step.parameters for step in walker.steps]
    dearest = tuple(index for index, price in enumerate(prices) if price == max(prices))
    assert nb08.moves.check((larger, walker.steps[0].maps.shape[1], dearest))


def test_notebook_09() -> None:
    """Nothing that is asked depends on the weights."""
    model = detlearn.create_model("m2det_tiny")
    picture = torch.zeros(3, 128, 128)
    said = repr(LevelScaleExplorer(model, picture, level=2, scale=3))
    first, last = said.split("channels ")[1].split(" of ")[0].split(" to ")
    width = int(said.split("a cell is ")[1].split(" px")[0])
    attention = AttentionExplorer(model, [picture])
    weights = attention.weights.shape[2]
    owner = next(
        level for level in range(4) if 50 in range(level * weights // 4, (level + 1) * weights // 4)
    )
    assert nb09.moves.check(((int(first), int(last)), width, weights, owner))


def test_what_a_formula_gives_is_a_value_too() -> None:
    """(9 + 0.5) * 32 is 304.0."""
    assert nb02.moves.check(((304.0, 304.0), 2, (1, 0, 0)))
    assert not nb02.moves.check(((304.5, 304.0), 2, (1, 0, 0)))


def test_a_wrong_part_is_named() -> None:
    verdict = nb02.moves.check(((304, 304), 3, (1, 0, 0)))
    assert "part 2 of 3" in verdict.message
    assert "3 parts" not in verdict.message


def test_each_of_several_wrong_parts_gets_its_own_message() -> None:
    """Columns 4 boxes and row 38 are two of the listed mistakes; 7 boxes are none: look here."""
    message = nb02.moves.check(((304, 304), 4, (0, 38, 0))).message
    assert "parts 2 and 3 of 3 are not right yet" in message
    assert "Part 2: Two of the four are squares" in message
    assert "Part 3: There is no row 38" in message
    message = nb02.moves.check(((304, 304), 7, (0, 38, 0))).message
    assert "Part 2: on level 5, tick and untick" in message
    assert "Two of the four" not in message and "Part 3: There is no row 38" in message


def test_a_set_may_be_named_in_any_order_and_nothing_else_may() -> None:
    wrong = tuple(WrongAnswer(f"x = ((0, 1), {k})", "") for k in (3, 4, 5))
    exercise = Exercise(
        "nb02", "x", "x", "x = ...", "x = ((0, 1), (2, 3))", ("even",), wrong, any_order=(0,)
    )
    for maps in ((0, 1), (1, 0), [1, 0], {1, 0}, (1.0, 0)):
        assert exercise.check((maps, (2, 3)))
    for answer in (((1, 0), (3, 2)), ((1, 1), (2, 3)), (("1", 0), (2, 3)), ((1,), (2, 3)), ()):
        assert not exercise.check(answer)


def test_a_part_that_is_no_listed_mistake_says_what_to_look_at() -> None:
    wrong = (WrongAnswer("x = (1, 9)", "nine is odd"),)
    exercise = Exercise(
        "nb02", "x", "x", "x = ...", "x = (1, 2)", ("even",), wrong, look_at=("the row", "the end")
    )
    assert "Part 1: the row Part 2: nine is odd" in exercise.check((5, 9)).message
    assert "Part 2: the end" in exercise.check([1, 4]).message
    assert "Part 1" not in exercise.check([1, 4]).message


def test_the_chapters_own_edge_case_is_checked_with_every_seed() -> None:
    def off_by_one(index, map_sizes, priors_per_cell):
        for level, (side, number) in enumerate(zip(map_sizes, priors_per_cell, strict=True)):
            if index <= side * side * number:
                cell, prior = divmod(index, number)
                return level, *divmod(cell, side), prior
            index -= side * side * number

    for seed in range(20):
        assert "0 to 5,775" in nb02.find_prior.check(off_by_one, seed=seed).message
