"""What must hold for every box, score and scene: hypothesis looks for the one for which it does not.

Coordinates are drawn as whole numbers over a power of two where equality is asked for, so that no
rounding excuses anything, and freely where it is not; sides run from a thousandth of a pixel to a
million pixels.
"""

import math

import pytest
import torch
import torchvision
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from detlearn import boxes as B
from detlearn import metrics

FEW = settings(deadline=None, derandomize=True, max_examples=40)
EVERY = settings(deadline=None, derandomize=True, max_examples=100)
FLOATS = st.sampled_from([torch.float32, torch.float64])
ALL_FLOATS = st.sampled_from([torch.float16, torch.bfloat16, torch.float32, torch.float64])
RELATIVE = {torch.float16: 2e-3, torch.bfloat16: 1.6e-2, torch.float32: 1e-6, torch.float64: 1e-14}


@st.composite
def boxes_of(draw, least=0, most=8, side=64, dtype=torch.float32, area=True):
    """(N, 4) xyxy on a grid of eighths of a pixel; with ``area=False`` some have none."""
    rows = []
    shortest = 1 if area else 0
    for _ in range(draw(st.integers(least, most))):
        x, y = draw(st.integers(0, 8 * side - 1)), draw(st.integers(0, 8 * side - 1))
        w = draw(st.integers(shortest, 8 * side - x))
        h = draw(st.integers(shortest, 8 * side - y))
        rows.append([x / 8, y / 8, (x + w) / 8, (y + h) / 8])
    return torch.tensor(rows, dtype=dtype).reshape(-1, 4)


@st.composite
def wild_boxes(draw, least=1, most=6, dtype=torch.float32):
    """(N, 4) xyxy of any size: a thousandth of a pixel, a million, flat as a line."""
    rows = []
    length = st.one_of(st.just(0.0), st.floats(1 / 1024, 1e6, width=32))
    for _ in range(draw(st.integers(least, most))):
        x, y = (draw(st.floats(-1e6, 1e6, width=32)) for _ in range(2))
        rows.append([x, y, x + draw(length), y + draw(length)])
    return torch.tensor(rows, dtype=dtype).reshape(-1, 4)


@st.composite
def scores_for(draw, boxes, distinct=False):
    n = len(boxes)
    ranks = draw(st.permutations(range(n)) if distinct else st.lists(st.integers(0, 4), min_size=n, max_size=n))  # fmt: skip
    return torch.tensor([(rank + 1) / (n + 5) for rank in ranks], dtype=torch.float32)


def with_area(boxes):
    return boxes[((boxes[:, 2:] - boxes[:, :2]) > 0).all(dim=1)]


# -------------------------------------------------------------------------------------- geometry
@EVERY
@given(st.data(), ALL_FLOATS)
def test_formats_there_and_back(data, dtype):
    boxes = data.draw(wild_boxes(least=0, dtype=dtype))
    assume(bool(boxes.isfinite().all()))  # a million is beyond float16
    for there, back in (
        (B.xyxy_to_cxcywh, B.cxcywh_to_xyxy),
        (B.xyxy_to_xywh, B.xywh_to_xyxy),
    ):
        with_size = there(boxes)
        assert with_size.dtype == dtype and with_size.shape == boxes.shape
        assume(bool(with_size.isfinite().all()))
        slack = 4 * RELATIVE[dtype] * float(boxes.abs().max()) if len(boxes) else 0.0
        torch.testing.assert_close(back(with_size), boxes, rtol=0, atol=slack)


@EVERY
@given(boxes_of(dtype=torch.float64))
def test_formats_there_and_back_exactly_where_numbers_are(boxes):
    assert torch.equal(B.cxcywh_to_xyxy(B.xyxy_to_cxcywh(boxes)), boxes)
    assert torch.equal(B.xywh_to_xyxy(B.xyxy_to_xywh(boxes)), boxes)
    for name, convert in (("cxcywh", B.xyxy_to_cxcywh), ("xywh", B.xyxy_to_xywh)):
        assert torch.equal(convert(boxes), torchvision.ops.box_convert(boxes, "xyxy", name))


@EVERY
@given(st.data(), FLOATS)
def test_iou_of_any_boxes(data, dtype):
    a = data.draw(wild_boxes(least=0, dtype=dtype))
    b = data.draw(wild_boxes(least=0, dtype=dtype))
    iou = B.box_iou(a, b)
    assert iou.shape == (len(a), len(b)) and iou.dtype == dtype
    assert torch.equal(iou, B.box_iou(b, a).T)
    assert ((iou >= 0) & (iou <= 1 + 4 * RELATIVE[dtype])).all()
    own = B.box_iou(a, a).diagonal()
    assert torch.equal(own, (B.box_area(a) > 0).to(dtype))  # 1 with itself; 0 without an area
    flat = (B.box_area(a) == 0)[:, None] | (B.box_area(b) == 0)[None]
    assert not iou[flat].any()


@EVERY
@given(boxes_of(least=1), boxes_of(least=1), st.integers(-64, 64), st.sampled_from([0.25, 2, 1024]))
def test_iou_does_not_depend_on_place_and_scale(a, b, shift, scale):
    assert torch.equal(B.box_iou((a + shift) * scale, (b + shift) * scale), B.box_iou(a, b))
    torch.testing.assert_close(B.box_iou(a, b), torchvision.ops.box_iou(a, b))


@EVERY
@given(boxes_of(side=100), st.integers(1, 90), st.integers(1, 90))
def test_clipping_is_idempotent_and_stays_inside(boxes, height, width):
    clipped = B.clip_boxes(boxes, height, width)
    assert torch.equal(B.clip_boxes(clipped, height, width), clipped)
    assert (clipped >= 0).all() and (B.box_area(clipped) <= B.box_area(boxes)).all()
    assert (clipped <= torch.tensor([width, height, width, height])).all()
    inside = (boxes <= torch.tensor([width, height, width, height])).all(dim=1)
    assert torch.equal(clipped[inside], boxes[inside])


@EVERY
@given(wild_boxes(least=0), st.sampled_from([None, (1e7, 1e7)]))
def test_check_boxes_takes_boxes_with_area_and_nothing_else(boxes, size):
    boxes = boxes + 2e6 if size else boxes
    good = ((boxes[:, 2:] - boxes[:, :2]) > 0).all()
    if good:
        B.check_boxes(boxes, torch.ones(len(boxes), dtype=torch.int64), size=size, num_classes=2)
    else:
        with pytest.raises(ValueError, match="expected x1 < x2 and y1 < y2"):
            B.check_boxes(boxes)


def test_shapes_without_numbers():
    """On the device meta there are shapes only: whatever looks at no number works."""
    boxes = torch.empty(5, 4, device="meta")
    for function in (B.xyxy_to_cxcywh, B.cxcywh_to_xyxy, B.xyxy_to_xywh, B.xywh_to_xyxy):
        assert function(boxes).shape == (5, 4) and function(boxes).is_meta
    assert B.box_iou(boxes, boxes[:2]).shape == (5, 2)
    assert B.decode(B.encode(boxes, boxes), boxes).shape == (5, 4)


# ---------------------------------------------------------------------------------------- coding
@EVERY
@given(st.data(), FLOATS)
def test_decode_undoes_encode(data, dtype):
    """For every box and every prior of a two-hundredth of the picture or more, in fractions."""
    boxes = data.draw(boxes_of(least=1, side=32, dtype=dtype)) / 32
    corners = data.draw(boxes_of(least=len(boxes), most=len(boxes), side=32, dtype=dtype)) / 32
    priors = B.xyxy_to_cxcywh(corners)
    deltas = B.encode(boxes, priors)
    assert deltas.isfinite().all()
    back = B.decode(deltas, priors, max_log=math.inf)
    torch.testing.assert_close(back, boxes, rtol=0, atol=2e-4 if dtype == torch.float32 else 1e-12)
    assert not B.encode(B.cxcywh_to_xyxy(priors), priors).abs().gt(1e-3).any()


@EVERY
@given(st.data(), FLOATS)
def test_decode_gives_finite_boxes_with_area(data, dtype):
    """Whatever a network says, short of infinity."""
    number = st.floats(-1e4, 1e4, width=32)
    deltas = data.draw(st.lists(st.tuples(*[number] * 4), min_size=1, max_size=5))
    deltas = torch.tensor(deltas, dtype=dtype)
    boxes = B.decode(deltas, torch.tensor([0.5, 0.5, 0.2, 0.4], dtype=dtype))
    assert boxes.isfinite().all()
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    assert ((boxes[:, 2:] - boxes[:, :2]) <= torch.tensor([0.2, 0.4]) * 62.6).all()


# -------------------------------------------------------------------------------------- matching
@FEW
@given(st.data(), FLOATS, st.sampled_from([0.0, 0.35, 0.5, 1.0]), st.booleans())
def test_matching(data, dtype, threshold, inclusive):
    boxes = data.draw(boxes_of(side=16, dtype=dtype)) / 16
    corners = data.draw(boxes_of(least=1, most=12, side=16, dtype=dtype)) / 16
    priors = B.xyxy_to_cxcywh(corners)
    found = B.match(boxes, priors, threshold, inclusive)
    G, P = len(boxes), len(priors)
    assert found.gt_index.shape == found.iou.shape == found.forced.shape == (P,)
    assert ((found.gt_index >= -1) & (found.gt_index < G)).all()
    if G == 0:
        assert (found.gt_index == -1).all() and not found.forced.any() and not found.iou.any()
        return
    overlaps = B.box_iou(boxes, corners)
    assert torch.equal(found.iou, overlaps.amax(dim=0))
    for prior, (index, forced) in enumerate(zip(found.gt_index, found.forced, strict=True)):
        wanted_by = [g for g in range(G) if int(overlaps[g].argmax()) == prior]
        assert bool(forced) == bool(wanted_by)
        if forced:  # a contested prior goes to the later object
            assert int(index) == wanted_by[-1]
        elif index >= 0:
            iou = overlaps[index, prior]
            assert iou == overlaps[:, prior].max() and (
                iou >= threshold if inclusive else iou > threshold
            )
        else:
            best = overlaps[:, prior].max()
            assert best < threshold if inclusive else best <= threshold
    # Every object is taught, unless a later one took its only prior.
    lost = set(range(G)) - set(found.gt_index.tolist())
    best = overlaps.argmax(dim=1)
    assert all(any(best[later] == best[g] for later in range(g + 1, G)) for g in lost)


@FEW
@given(st.data())
def test_targets_come_from_the_objects(data):
    boxes = data.draw(boxes_of(side=16)) / 16
    labels = torch.tensor(data.draw(st.lists(st.integers(1, 80), min_size=len(boxes), max_size=len(boxes))), dtype=torch.int64)  # fmt: skip
    corners = data.draw(boxes_of(least=1, most=12, side=16)) / 16
    priors = B.xyxy_to_cxcywh(corners)
    targets, found = B.make_targets(boxes, labels, priors), B.match(boxes, priors)
    positive = found.gt_index >= 0
    assert torch.equal(targets.labels > 0, positive) and targets.labels.dtype == torch.int64
    assert torch.equal(targets.labels[positive], labels[found.gt_index[positive]])
    assert not targets.deltas[~positive].any() and targets.deltas.isfinite().all()
    back = B.decode(targets.deltas[positive], priors[positive], max_log=math.inf)
    torch.testing.assert_close(back, boxes[found.gt_index[positive]], rtol=0, atol=2e-4)


@FEW
@given(boxes_of(side=16), boxes_of(least=1, side=16), st.integers(1, 5))
def test_coverage_is_the_best_overlap_in_any_pieces(boxes, corners, chunk):
    found = B.coverage(boxes / 16, B.xyxy_to_cxcywh(corners / 16), chunk)
    assert found.shape == (len(boxes),)
    if len(boxes):
        torch.testing.assert_close(found, B.box_iou(boxes, corners).amax(dim=1))


# ----------------------------------------------------------------------------------- suppression
@EVERY
@given(st.data(), FLOATS, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.booleans())
def test_nms_is_torchvisions_and_keeps_its_word(data, dtype, threshold, distinct):
    boxes = data.draw(boxes_of(most=12, side=16, dtype=dtype))
    scores = data.draw(scores_for(boxes, distinct)).to(dtype)
    keep = B.nms(boxes, scores, threshold)
    theirs = torchvision.ops.nms(boxes, scores, threshold)
    if distinct:  # torchvision promises no order of equal scores
        assert torch.equal(keep, theirs)
    overlaps = B.box_iou(boxes, boxes)
    kept = set(keep.tolist())
    assert len(kept) == len(keep) and scores[keep].diff().le(0).all()
    for first in kept:
        assert all(other == first or overlaps[first, other] <= threshold for other in kept)
    for gone in set(range(len(boxes))) - kept:  # somebody better is the reason
        assert any(overlaps[k, gone] > threshold and scores[k] >= scores[gone] for k in kept)
    assert torch.equal(B.nms(boxes[keep], scores[keep], threshold), torch.arange(len(keep)))


@EVERY
@given(st.data(), ALL_FLOATS, st.sampled_from([0.3, 0.5]))
def test_classes_never_meet(data, dtype, threshold):
    """Ours in each class = torchvision's batched NMS; boxes in halves and far outside, too."""
    boxes = data.draw(boxes_of(most=10, side=16))
    boxes = (boxes + data.draw(st.sampled_from([0.0, -40.0, 200.0]))).to(dtype)
    table = data.draw(st.lists(st.permutations(range(4)), min_size=len(boxes), max_size=len(boxes)))
    # Row by row distinct, and between the rows: no ties anywhere.
    scores = torch.tensor(table, dtype=torch.float64).reshape(-1, 4) / 4
    scores = ((scores + torch.arange(len(boxes))[:, None] / 64) / 2).to(torch.float32)
    assume(len(boxes) == 0 or len(scores[:, 1:].unique()) == scores[:, 1:].numel())
    found = B.select_detections(boxes, scores, score_threshold=0.1, iou_threshold=threshold)
    rows, columns = (scores[:, 1:] > 0.1).nonzero().unbind(1)
    flat = scores[rows, columns + 1]
    keep = torchvision.ops.batched_nms(boxes[rows].double(), flat.double(), columns, threshold)
    assert torch.equal(found["priors"], rows[keep]) and torch.equal(found["scores"], flat[keep])
    assert torch.equal(found["labels"], columns[keep] + 1)
    assert torch.equal(found["boxes"], boxes[rows[keep]]) and found["boxes"].dtype == dtype


@FEW
@given(st.data(), FLOATS, st.sampled_from(["linear", "gaussian"]))
def test_soft_nms(data, dtype, method):
    boxes = data.draw(boxes_of(most=10, side=16, dtype=dtype))
    scores = data.draw(scores_for(boxes)).to(dtype)
    before = scores.clone()
    keep, decayed = B.soft_nms(boxes, scores, method, score_threshold=0.0)
    assert torch.equal(scores, before) and decayed.dtype == dtype
    assert sorted(keep.tolist()) == list(range(len(boxes)))  # a threshold of 0 drops nobody
    assert (decayed <= scores[keep]).all() and (decayed >= 0).all()
    assert decayed.diff().le(0).all()
    # Every score is what it was, times the weight that each box selected before it asks for.
    overlaps = B.box_iou(boxes[keep], boxes[keep]).tril(-1)
    linear = torch.where(overlaps > 0.3, 1 - overlaps, torch.ones_like(overlaps))
    weights = linear if method == "linear" else torch.exp(-(overlaps**2) / 0.5)
    torch.testing.assert_close(decayed, scores[keep] * weights.prod(dim=1))
    lonely = (B.box_iou(boxes, boxes) > 0).sum(dim=1) <= 1
    assert torch.equal(decayed[lonely[keep]], scores[keep][lonely[keep]])
    if len(boxes):
        assert decayed[0] == scores.max()
    some, higher = B.soft_nms(boxes, scores, method, score_threshold=0.3)
    assert set(some.tolist()) <= set(keep.tolist()) and len(some) <= len(keep)
    assert higher.diff().le(0).all()


@FEW
@given(st.data())
def test_soft_nms_at_its_hardest_is_nms(data):
    """A gaussian so narrow that whatever overlaps at all goes: NMS with threshold 0."""
    boxes = data.draw(boxes_of(most=10, side=16))
    scores = data.draw(scores_for(boxes, distinct=True))
    keep, _ = B.soft_nms(boxes, scores, "gaussian", sigma=1e-12)
    assert torch.equal(keep, B.nms(boxes, scores, 0.0))


# --------------------------------------------------------------------------------------- metrics
NAMES = ("background", "cat", "dog")


@st.composite
def scenes(draw, images=3):
    """Detections near objects and elsewhere, scores with ties, two classes, crowds."""
    detections, targets = [], []
    for index in range(draw(st.integers(1, images))):
        truth = draw(boxes_of(most=4, side=150))
        wrong = draw(boxes_of(most=3, side=150))
        near = truth + torch.tensor([0.0, 0.0, 1.0, 1.0]) * draw(st.integers(0, 6))
        boxes = torch.cat([near, truth if draw(st.booleans()) else truth[:0], wrong])
        kinds = st.integers(1, 2)
        labels = [draw(kinds) for _ in range(len(truth))]
        guesses = [draw(st.sampled_from([label, label, 3 - label])) for label in labels]
        guesses += [draw(kinds) for _ in range(len(boxes) - len(truth))]
        detections.append({
            "boxes": boxes, "scores": draw(scores_for(boxes)),
            "labels": torch.tensor(guesses, dtype=torch.int64),
        })  # fmt: skip
        targets.append({
            "boxes": truth, "labels": torch.tensor(labels, dtype=torch.int64), "image_id": 3 * index,
            "iscrowd": torch.tensor([draw(st.sampled_from([0, 0, 0, 1])) for _ in labels], dtype=torch.int64),
        })  # fmt: skip
    return detections, targets


def same(first, second, tolerance=1e-6):
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert value == pytest.approx(second[key], abs=tolerance, nan_ok=True), key


@FEW
@given(scenes())
def test_by_hand_is_pycocotools_and_within_bounds(scene):
    by_hand = metrics.coco_map_by_hand(*scene, NAMES)
    same(by_hand, metrics.coco_evaluate(*scene, NAMES))
    results = [*by_hand.values()]
    for method in ("11-point", "area"):
        results += metrics.voc_evaluate(*scene, NAMES, method=method).values()
    assert all(math.isnan(value) or -1e-12 <= value <= 1 + 1e-9 for value in results)


@FEW
@given(scenes())
def test_who_finds_everything_and_nothing_else_is_perfect(scene):
    targets = [target | {"iscrowd": torch.zeros_like(target["labels"])} for target in scene[1]]
    # Two objects of one class in one place cannot be told apart by either.
    perfect = [
        {"boxes": t["boxes"], "labels": t["labels"], "scores": torch.ones(len(t["labels"]))}
        for t in targets
    ]
    for result in (
        metrics.coco_map_by_hand(perfect, targets, NAMES),
        metrics.voc_evaluate(perfect, _apart(targets), NAMES) if _apart(targets) else {},
    ):
        assert all(math.isnan(value) or value == pytest.approx(1) for value in result.values())
    nothing = [{key: value[:0] for key, value in one.items()} for one in perfect]
    for value in metrics.coco_map_by_hand(nothing, targets, NAMES).values():
        assert math.isnan(value) or value == 0


def _apart(targets):
    """The targets, unless VOC's rule (look at the best object only) could confuse two of them."""
    for target in targets:
        overlaps = B.box_iou(target["boxes"], target["boxes"]).fill_diagonal_(0)
        if (overlaps == 1).any():
            return None
    return targets


@FEW
@given(scenes(), st.randoms(use_true_random=False))
def test_the_order_of_detections_matters_among_equals_only(scene, random):
    detections, targets = scene
    spread = [  # no two equal scores
        one | {"scores": one["scores"] + torch.arange(len(one["scores"])) * 1e-4 + 1e-5 * index}
        for index, one in enumerate(detections)
    ]
    shuffled = []
    for one in spread:
        order = list(range(len(one["scores"])))
        random.shuffle(order)
        shuffled.append({key: value[order] for key, value in one.items()})
    images = list(range(len(targets)))
    random.shuffle(images)
    again = [shuffled[i] for i in images], [targets[i] for i in images]
    for evaluation in (metrics.coco_map_by_hand, metrics.voc_evaluate):
        same(evaluation(spread, targets, NAMES), evaluation(*again, NAMES), 1e-12)


@FEW
@given(scenes(), boxes_of(least=1, most=3, side=150))
def test_mistakes_below_every_other_change_nothing_and_above_never_help(scene, wrong):
    detections, targets = scene
    shift = torch.tensor([1000.0, 1000.0, 1000.0, 1000.0])  # there is nothing out there
    label = torch.ones(len(wrong), dtype=torch.int64)

    def with_mistakes(score):
        return [
            {"boxes": torch.cat([one["boxes"], wrong + shift]), "labels": torch.cat([one["labels"], label]),
             "scores": torch.cat([one["scores"], torch.full((len(wrong),), score)])}
            for one in detections
        ]  # fmt: skip

    for evaluation in (metrics.coco_map_by_hand, metrics.voc_evaluate):
        plain = evaluation(detections, targets, NAMES)
        same(plain, evaluation(with_mistakes(1e-6), targets, NAMES))
        for key, value in evaluation(with_mistakes(2.0), targets, NAMES).items():
            assert math.isnan(value) or value <= plain[key] + 1e-12


@EVERY
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20), st.integers(0, 4))
@example([], 0)
def test_precision_recall_and_their_area(rows, missed):
    scores = torch.tensor([score / 5 for score, _ in rows])
    hits = torch.tensor([hit for _, hit in rows], dtype=torch.bool)
    objects = int(hits.sum()) + missed
    precision, recall = metrics.precision_recall(scores, hits, objects)
    if objects == 0:
        assert recall.isnan().all() and not precision.any()
        return
    ranks = torch.arange(1, len(rows) + 1)
    torch.testing.assert_close(precision * ranks, recall * objects)
    assert recall.diff().ge(0).all() and ((recall >= 0) & (recall <= 1)).all()
    areas = {m: metrics.average_precision(precision, recall, m) for m in ("11-point", "area", "101-point")}  # fmt: skip
    assert all(0 <= area <= 1 + 1e-12 for area in areas.values())
    # No reading of the curve is above its best point, nor above the best recall's share of it.
    top = float(precision.max()) if len(precision) else 0.0
    reached = float(recall[-1]) if len(recall) else 0.0
    assert areas["area"] <= top * reached + 1e-12
    assert abs(areas["101-point"] - areas["area"]) <= 1 / 101 * (len(rows) + 1) + 1e-9


@EVERY
@given(st.data(), st.sampled_from(["coco", "voc"]), st.sampled_from([0.3, 0.5, 0.75]))
def test_no_object_is_found_twice(data, rule, threshold):
    boxes, truth = data.draw(boxes_of(side=16)), data.draw(boxes_of(side=16))
    scores = data.draw(scores_for(boxes))
    ignore = torch.tensor([data.draw(st.booleans()) for _ in truth], dtype=torch.bool)
    found = metrics.match_detections(boxes, scores, truth, threshold, ignore=ignore, rule=rule)
    taken = found.gt_index[found.hits].tolist()
    assert len(set(taken)) == len(taken)
    assert not (found.hits & found.ignored).any()
    assert torch.equal(found.gt_index >= 0, found.hits | found.ignored)
    assert not ignore[taken].any()
    matched = (found.gt_index >= 0).nonzero()[:, 0]
    overlaps = B.box_iou(boxes.double(), truth.double())
    assert (overlaps[matched, found.gt_index[matched]] >= threshold).all()
    if rule == "coco":  # a better score is never worse off
        alone = metrics.match_detections(boxes, scores, truth, threshold, rule=rule)
        best = scores.argmax() if len(scores) else None
        if best is not None:
            assert bool(alone.hits[best]) == bool((overlaps[best] >= threshold).any())


@FEW
@given(scenes())
def test_kinds_of_errors_account_for_everything(scene):
    detections, targets = scene
    for one, target in zip(detections, targets, strict=True):  # nothing is found twice
        assert metrics.detection_errors([one], [target])["missed"] >= 0
    counts = metrics.detection_errors(detections, targets)
    assert counts["correct"] + counts["missed"] == sum(len(t["labels"]) for t in targets)
    assert sum(counts.values()) - counts["missed"] == sum(len(d["labels"]) for d in detections)


@FEW
@given(st.data(), st.sampled_from([1.0, 1e4, 1e12]))
def test_oks_is_a_similarity(data, area):
    number = st.floats(-1e4, 1e4, width=32)
    poses = torch.tensor(data.draw(st.lists(st.lists(st.tuples(number, number), min_size=17, max_size=17), min_size=1, max_size=3)))  # fmt: skip
    areas = torch.full((len(poses),), area)
    similarity = metrics.oks(poses, poses, areas)
    assert (
        torch.equal(similarity, similarity.T)
        and ((similarity >= 0) & (similarity <= 1 + 1e-12)).all()
    )
    torch.testing.assert_close(similarity.diagonal(), torch.ones(len(poses), dtype=torch.float64))
    order = torch.linspace(1, 0.1, len(poses))
    keep = metrics.oks_nms(poses, order, areas, threshold=0.5).tolist()
    assert keep[0] == 0 and all(similarity[a, b] <= 0.5 for a in keep for b in keep if a != b)
