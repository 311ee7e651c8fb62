"""The MultiBox loss: by hand, by another road, and against the published implementations."""

import math

import pytest
import torch
from torch import Tensor

from detlearn import boxes as B
from detlearn.losses import hard_negative_mask, multibox_loss, two_step_loss
from tests import golden_scheme as scheme

LOG2 = math.log(2)
BOTH = pytest.mark.parametrize("normalizer", ["batch", "image"])


def random_batch(seed: int, b=3, p=40, k=5, share=0.1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, deltas, labels (a share of them positive, a few ignored), target deltas."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.randint(1, k, (b, p), generator=g)
    chance = torch.rand(b, p, generator=g)
    labels[chance > share] = 0
    labels[chance > 0.95] = -1
    shape = (b, p, 4)
    logits = 2 * torch.randn(b, p, k, generator=g)
    return logits, torch.randn(shape, generator=g), labels, torch.randn(shape, generator=g)


def by_loops(logits, deltas, labels, target_deltas, ratio, normalizer) -> tuple[float, float]:
    """The definition, one prior at a time, in Python numbers."""
    boxes, classes, positives = [], [], []
    for image in range(len(logits)):
        box, cls, negatives, count = 0.0, 0.0, [], 0
        for prior, label in enumerate(labels[image].tolist()):
            if label == -1:
                continue
            row = logits[image, prior].double().tolist()
            loss = math.log(sum(math.exp(x - row[label]) for x in row))
            if label == 0:
                negatives.append(loss)
                continue
            count, cls = count + 1, cls + loss
            difference = (deltas[image, prior] - target_deltas[image, prior]).double().abs()
            box += sum(x * x / 2 if x < 1 else x - 0.5 for x in difference.tolist())
        cls += sum(sorted(negatives, reverse=True)[: int(ratio * count)])
        boxes.append(box)
        classes.append(cls)
        positives.append(count)
    if normalizer == "batch":
        n = max(1, sum(positives))
        return sum(boxes) / n, sum(classes) / n
    n = [max(1, count) for count in positives]
    mean = [sum(x / y for x, y in zip(part, n, strict=True)) / len(n) for part in (boxes, classes)]
    return mean[0], mean[1]


# ---------------------------------------------------------------- nothing to find
@BOTH
def test_no_positives_is_zero_and_differentiable(normalizer):
    logits = torch.randn(2, 6, 3, requires_grad=True)
    deltas = torch.randn(2, 6, 4, requires_grad=True)
    nothing = torch.zeros(2, 6, dtype=torch.int64)
    losses = multibox_loss(logits, deltas, nothing, torch.zeros(2, 6, 4), normalizer=normalizer)
    assert {key: value.item() for key, value in losses.items()} == {
        "bbox_regression": 0.0,
        "classification": 0.0,
    }
    sum(losses.values()).backward()
    assert torch.equal(logits.grad, torch.zeros(2, 6, 3))
    assert torch.equal(deltas.grad, torch.zeros(2, 6, 4))


# ---------------------------------------------------------------- mining
@pytest.mark.parametrize(
    ("labels", "ratio", "mined"),
    [
        pytest.param([0, 0, 0, 0, 0, 0], 3, [], id="no positive: nothing is mined"),
        pytest.param([1, 0, 0, 0, 0, 0], 3, [1, 2, 3], id="one positive: the three hardest"),
        pytest.param([0, 0, 1, 0, 0, 0], 3, [0, 1, 3], id="the positive itself is passed over"),
        pytest.param([1, 2, 3, 0, 0, 0], 3, [3, 4, 5], id="nine wanted, three there"),
        pytest.param([1, 2, 3, 4, 0, 0], 1, [4, 5], id="fewer negatives than positives"),
        pytest.param([1, 2, 3, 4, 5, 6], 3, [], id="no negatives"),
        pytest.param([1, -1, 0, 0, 0, 0], 3, [2, 3, 4], id="an ignored one is not mined"),
        pytest.param([1, -1, -1, -1, 0, 0], 3, [4, 5], id="ignored ones do not fill up"),
        pytest.param([-1, -1, 0, 0, 0, 0], 3, [], id="ignored ones are no positives"),
        pytest.param([1, 0, 0, 0, 0, 0], 0, [], id="ratio 0"),
        pytest.param([1, 0, 0, 0, 0, 0], 2.5, [1, 2], id="rounded down"),
        pytest.param([1, 0, 0, 0, 0, 0], math.inf, [1, 2, 3, 4, 5], id="inf: all of them"),
        pytest.param([0, 0, 0, 0, 0, 0], math.inf, [], id="inf of nothing is nothing"),
    ],
)
def test_mined_negatives(labels, ratio, mined):
    class_loss = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4]])
    mask = hard_negative_mask(class_loss, torch.tensor([labels]), ratio)
    assert mask.dtype == torch.bool
    assert mask[0].nonzero().flatten().tolist() == mined


@pytest.mark.parametrize("positive", range(8))
def test_sure_negatives_are_mined_before_positives(positive):
    """A loss of exactly 0, as float32 gives it to a sure background, must not tie with them."""
    labels = torch.zeros(1, 8, dtype=torch.int64)
    labels[0, positive] = 1
    mask = hard_negative_mask(torch.zeros(1, 8), labels, ratio=6)
    assert mask.sum() == 6
    assert not mask[0, positive]


def test_every_image_mines_for_itself():
    loss = torch.tensor([[9.0, 9.0, 9.0, 9.0, 9.0], [0.1, 0.2, 0.3, 0.4, 0.5]])
    labels = torch.tensor([[0, 0, 0, 0, 0], [1, 0, 0, 0, 0]])
    expected = [[False] * 5, [False, False, True, True, True]]
    assert hard_negative_mask(loss, labels).tolist() == expected


@pytest.mark.parametrize("seed", range(20))
def test_topk_equals_the_double_sort(seed):
    _, _, labels, _ = random_batch(seed, b=4, p=60, share=[0.0, 0.05, 0.2, 0.5][seed % 4])
    loss = torch.rand(labels.shape, generator=torch.Generator().manual_seed(seed))
    rank = loss.masked_fill(labels != 0, -1).argsort(dim=1, descending=True).argsort(dim=1)
    wanted = (3 * (labels > 0).sum(1)).minimum((labels == 0).sum(1))
    assert torch.equal(hard_negative_mask(loss, labels), rank < wanted[:, None])


def test_positives_are_never_counted_twice():
    """uvipen's loss mines positives when three times their number exceeds the negatives."""
    labels = torch.tensor([[1, 1, 1, 1, 0]])
    losses = multibox_loss(torch.zeros(1, 5, 2), torch.zeros(1, 5, 4), labels, torch.zeros(1, 5, 4))
    assert losses["classification"] == pytest.approx(5 * LOG2 / 4)  # theirs: 9 log 2 / 4


# ---------------------------------------------------------------- the loss, by hand
@pytest.mark.parametrize(
    ("error", "loss"),
    [
        pytest.param([0.0, 0.0, 0.0, 0.0], 0.0, id="right"),
        pytest.param([0.5, 0.0, 0.0, 0.0], 0.125, id="quadratic below 1"),
        pytest.param([0.0, 0.0, 0.0, -3.0], 2.5, id="linear above 1, either sign"),
        pytest.param([1.0, 1.0, 1.0, 1.0], 2.0, id="the four are summed, not averaged"),
    ],
)
def test_box_loss_by_hand(error, loss):
    deltas = torch.full((1, 3, 4), 7.0)  # of the background: no matter
    deltas[0, 1] = torch.tensor(error)
    labels = torch.tensor([[0, 2, 0]])
    losses = multibox_loss(torch.zeros(1, 3, 4), deltas, labels, torch.zeros(1, 3, 4))
    assert losses["bbox_regression"] == pytest.approx(loss)


def test_normalizers_by_hand():
    """One image with one positive and one with two; every class loss is log 2."""
    labels = torch.tensor([[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    logits, deltas = torch.zeros(3, 6, 2), torch.zeros(3, 6, 4)
    target = torch.zeros(3, 6, 4)
    target[0, 0, 0] = 1.5  # smooth L1: 1
    batch = multibox_loss(logits, deltas, labels, target)
    assert batch["bbox_regression"] == pytest.approx(1 / 3)
    assert batch["classification"] == pytest.approx((4 + 6) * LOG2 / 3)
    image = multibox_loss(logits, deltas, labels, target, normalizer="image")
    assert image["bbox_regression"] == pytest.approx((1 / 1 + 0 / 2 + 0) / 3)
    assert image["classification"] == pytest.approx((4 / 1 + 6 / 2 + 0) * LOG2 / 3)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.6], ids=lambda s: f"{s:.0%} positive")
@BOTH
def test_equals_the_definition(normalizer, share):
    for seed, ratio in enumerate([3.0, 3.0, 1.0, 0.0, 2.5]):
        batch = random_batch(seed, share=share)
        losses = multibox_loss(*batch, negative_ratio=ratio, normalizer=normalizer)
        box, classification = by_loops(*batch, ratio, normalizer)
        assert losses["bbox_regression"] == pytest.approx(box, rel=1e-5)
        assert losses["classification"] == pytest.approx(classification, rel=1e-5)


# ---------------------------------------------------------------- properties
def test_ignored_priors_have_no_influence():
    logits, deltas, labels, target = random_batch(0)
    before = multibox_loss(logits, deltas, labels, target)
    ignored = labels == -1
    assert ignored.any()
    logits[ignored] = torch.tensor([-50.0, 50.0, 0.0, 0.0, 0.0])  # the hardest of all
    deltas[ignored], target[ignored] = 1e6, math.nan
    logits.requires_grad_()
    after = multibox_loss(logits, deltas, labels, target)
    assert after == before
    after["classification"].backward()
    assert not logits.grad[ignored].any()


def test_background_offsets_are_not_read():
    """An encoder may leave -inf or NaN where nothing matched."""
    logits, deltas, labels, target = random_batch(1)
    before = multibox_loss(logits, deltas, labels, target)
    target[labels == 0] = torch.tensor([math.inf, -math.inf, math.nan, 0.0])
    deltas.requires_grad_()
    after = multibox_loss(logits, deltas, labels, target)
    assert after == before
    after["bbox_regression"].backward()
    assert deltas.grad.isfinite().all()
    assert torch.equal(deltas.grad.abs().sum(-1) > 0, labels > 0)


def test_gradient_reaches_positives_and_mined_negatives_only():
    logits, deltas, labels, target = random_batch(2)
    logits.requires_grad_()
    multibox_loss(logits, deltas, labels, target)["classification"].backward()
    taught = logits.grad.abs().sum(-1) > 0
    class_loss = logits.detach().logsumexp(-1) - logits.detach()[..., 0]
    assert torch.equal(taught, (labels > 0) | hard_negative_mask(class_loss, labels))
    assert taught.sum() == 4 * (labels > 0).sum()


def test_gradient_is_the_derivative():
    logits, deltas, labels, target = (
        x.double() if x.is_floating_point() else x for x in random_batch(3, b=2, p=8, share=0.3)
    )

    def loss(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack(list(multibox_loss(x, y, labels, target).values()))

    assert torch.autograd.gradcheck(loss, (logits.requires_grad_(), deltas.requires_grad_()))


def test_a_row_far_below_the_others_survives():
    """Published code subtracts the maximum of the whole batch: exp(-1000) is 0, its log -inf."""
    logits = torch.zeros(1, 5, 2)
    logits[0, 1:] = -1000.0
    labels = torch.tensor([[1, 0, 0, 0, 0]])
    losses = multibox_loss(logits, torch.zeros(1, 5, 4), labels, torch.zeros(1, 5, 4))
    assert losses["classification"] == pytest.approx(4 * LOG2)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    logits, deltas, labels, target = random_batch(4, b=2, p=3000, share=0.5)
    logits, deltas = (50 * logits).to(dtype), (50 * deltas).to(dtype)  # the sum is beyond 65504
    losses = multibox_loss(logits, deltas, labels, target)
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert losses == multibox_loss(logits.float(), deltas.float(), labels, target)


def test_float64_is_kept():
    batch = [x.double() if x.is_floating_point() else x for x in random_batch(5)]
    assert {loss.dtype for loss in multibox_loss(*batch).values()} == {torch.float64}


@BOTH
@pytest.mark.parametrize("where", ["positive", "mined or not", "image without objects"])
def test_nan_is_handed_on(where, normalizer):
    logits, deltas, labels, target = random_batch(6)
    labels[2] = 0
    value = {"positive": labels > 0, "mined or not": labels == 0, "image without objects": None}[
        where
    ]
    index = (2, 0) if value is None else tuple(value.nonzero()[0].tolist())
    logits[index] = math.nan
    assert multibox_loss(logits, deltas, labels, target, normalizer=normalizer)[
        "classification"
    ].isnan()


def test_order_of_priors_and_shift_of_logits_do_not_matter():
    logits, deltas, labels, target = random_batch(7)
    before = multibox_loss(logits, deltas, labels, target)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    after = multibox_loss(
        logits[:, order] + 3.0, deltas[:, order], labels[:, order], target[:, order]
    )
    for key, value in before.items():
        assert after[key] == pytest.approx(float(value), rel=1e-5)


def test_inputs_are_left_alone_and_a_second_call_agrees():
    batch = random_batch(8)
    copies = [x.clone() for x in batch]
    assert multibox_loss(*batch) == multibox_loss(*batch)
    assert all(torch.equal(x, y) for x, y in zip(batch, copies, strict=True))


def test_other_integer_labels_and_strided_logits():
    logits, deltas, labels, target = random_batch(9)
    strided = logits.transpose(1, 2).contiguous().transpose(1, 2)
    assert multibox_loss(strided, deltas, labels.int(), target) == multibox_loss(
        logits, deltas, labels, target
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": torch.zeros(5, 3)}, r"logits: expected \(B, P, K\).*got \(5, 3\)"),
        ({"logits": torch.zeros(2, 5, 1)}, r"logits: .*K >= 2"),
        ({"logits": torch.zeros(0, 5, 3)}, r"logits: .*got \(0, 5, 3\)"),
        ({"deltas": torch.zeros(2, 4, 5)}, r"deltas: expected \(2, 5, 4\).*got \(2, 4, 5\)"),
        ({"target_labels": torch.zeros(2, 4).long()}, r"target_labels: expected \(2, 5\)"),
        ({"target_deltas": torch.zeros(2, 5)}, r"target_deltas: expected \(2, 5, 4\)"),
        ({"target_labels": torch.zeros(2, 5)}, r"target_labels: expected integers.*float32"),
        ({"target_labels": torch.zeros(2, 5).bool()}, r"target_labels: expected integers.*bool"),
        (
            {"target_labels": torch.tensor([[0, 0, 0, 0, 0], [0, 0, 3, 0, 0]])},
            r"expected 0 \(background\) to 2.*got 3 \(image 1, prior 2\)",
        ),
        ({"target_labels": torch.full((2, 5), -2)}, r"got -2 \(image 0, prior 0\)"),
        ({"negative_ratio": -1.0}, "negative_ratio: expected 0 or more, got -1.0"),
        ({"negative_ratio": math.nan}, "negative_ratio: .* got nan"),
        ({"normalizer": "mean"}, "normalizer: expected 'batch' or 'image', got 'mean'"),
    ],
)
def test_wrong_input_is_refused_in_a_sentence(change, message):
    right = {
        "logits": torch.zeros(2, 5, 3),
        "deltas": torch.zeros(2, 5, 4),
        "target_labels": torch.zeros(2, 5, dtype=torch.int64),
        "target_deltas": torch.zeros(2, 5, 4),
    }
    multibox_loss(**right)
    with pytest.raises(ValueError, match=message):
        multibox_loss(**{**right, **change})


# ---------------------------------------------------------------- two steps
def two_step_batch(**changes) -> dict:
    """Prior 0 is class 2 of 3 for both modules; nothing is said about anything."""
    targets = B.Targets(torch.tensor([[2, 0, 0, 0, 0, 0]]), torch.zeros(1, 6, 4))
    return {
        "arm_logits": torch.zeros(1, 6, 2),
        "arm_deltas": torch.zeros(1, 6, 4),
        "odm_logits": torch.zeros(1, 6, 3),
        "odm_deltas": torch.zeros(1, 6, 4),
        "arm_targets": targets,
        "odm_targets": targets,
    } | changes


def easy(*priors) -> Tensor:
    """ARM logits that are sure of background for some priors."""
    logits = torch.zeros(1, 6, 2)
    logits[0, list(priors), 0] = 20.0
    return logits


FILTERS = pytest.mark.parametrize("negative_filter", ["paper", "released", "off"])


@FILTERS
@pytest.mark.parametrize("sure", [False, True], ids=["unsure", "sure of background"])
def test_two_steps_without_objects(negative_filter, sure):
    nothing = B.Targets(torch.zeros(1, 6, dtype=torch.int64), torch.zeros(1, 6, 4))
    batch = two_step_batch(arm_targets=nothing, odm_targets=nothing)
    batch["arm_logits"] = easy(*range(6)) if sure else batch["arm_logits"]
    losses = two_step_loss(**batch, negative_filter=negative_filter)
    assert {key: value.item() for key, value in losses.items()} == {
        "arm_bbox_regression": 0.0,
        "arm_classification": 0.0,
        "odm_bbox_regression": 0.0,
        "odm_classification": 0.0,
    }


@FILTERS
def test_two_steps_are_two_multibox_losses(negative_filter):
    losses = two_step_loss(**two_step_batch(), negative_filter=negative_filter)
    # The ARM knows two classes only, whatever the object is: log 2; the ODM three.
    assert losses["arm_classification"] == pytest.approx(4 * LOG2)
    assert losses["odm_classification"] == pytest.approx(4 * math.log(3))


@pytest.mark.parametrize(
    ("arm_logits", "negative_filter", "odm"),
    [
        pytest.param(easy(3, 4), "paper", 4, id="three of five negatives are enough"),
        pytest.param(easy(2, 3, 4), "paper", 3, id="paper: two negatives are left"),
        pytest.param(easy(2, 3, 4), "released", 4, id="released: easy ones are mined"),
        pytest.param(easy(2, 3, 4), "off", 4, id="off"),
        pytest.param(easy(0), "paper", 0, id="paper: the only positive is easy"),
        pytest.param(easy(0), "released", 0, id="released: without positives nothing is mined"),
        pytest.param(easy(0), "off", 4, id="off: the positive stays"),
    ],
)
def test_easy_negatives(arm_logits, negative_filter, odm):
    losses = two_step_loss(**two_step_batch(arm_logits=arm_logits), negative_filter=negative_filter)
    assert losses["odm_classification"] == pytest.approx(odm * math.log(3), rel=1e-5)
    assert losses["arm_bbox_regression"] == 0


@pytest.mark.parametrize(("objectness_threshold", "odm"), [(0.0, 4), (0.49, 4), (0.5, 0), (1.0, 0)])
def test_an_objectness_equal_to_the_threshold_is_easy(objectness_threshold, odm):
    losses = two_step_loss(**two_step_batch(), objectness_threshold=objectness_threshold)
    assert losses["odm_classification"] == pytest.approx(odm * math.log(3), rel=1e-5)


def test_both_modules_mine_as_many_negatives():
    losses = two_step_loss(**two_step_batch(), negative_ratio=1.0)
    assert losses["arm_classification"] == pytest.approx(2 * LOG2)
    assert losses["odm_classification"] == pytest.approx(2 * math.log(3))
    released = two_step_loss(**two_step_batch(), negative_ratio=1.0, negative_filter="released")
    assert released == losses


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"arm_logits": torch.zeros(1, 6, 3)},
            r"arm_logits: expected \(B, P, 2\).*got \(1, 6, 3\)",
        ),
        ({"negative_filter": "on"}, "negative_filter: expected 'paper', 'released' or 'off', got"),
        ({"objectness_threshold": math.nan}, "objectness_threshold: expected 0 to 1, got nan"),
        ({"objectness_threshold": -0.1}, "objectness_threshold: expected 0 to 1, got -0.1"),
        ({"odm_deltas": torch.zeros(1, 5, 4)}, r"deltas: expected \(1, 6, 4\).*got \(1, 5, 4\)"),
    ],
    ids=["three classes", "filter", "NaN", "negative", "shape"],
)
def test_two_steps_refuse(changes, message):
    with pytest.raises(ValueError, match=message):
        two_step_loss(**two_step_batch(**changes))


# ---------------------------------------------------------------- the published implementations
def scene(recipe: str, add: int = 0) -> tuple[Tensor, Tensor]:
    """Boxes and labels of a recipe like '... scheme.gt_boxes(722,2,1,81,0.15,0.6)'."""
    numbers = recipe[recipe.rindex("(") + 1 : recipe.rindex(")")].split(",")
    boxes, labels = scheme.gt_boxes(*(float(n) if "." in n else int(n) for n in numbers))
    return torch.from_numpy(boxes), torch.from_numpy(labels) + add


def stack(targets: list[B.Targets]) -> tuple[Tensor, Tensor]:
    return torch.stack([t.labels for t in targets]), torch.stack([t.deltas for t in targets])


def draws(seed: int, *recipes: tuple[float, tuple[int, ...]]) -> list[Tensor]:
    rng = scheme.np.random.default_rng(seed)
    return [
        torch.from_numpy((s * rng.standard_normal(shape)).astype("float32")) for s, shape in recipes
    ]


@pytest.mark.parametrize(("number", "seed", "spread"), [(0, 721, 1.0), (1, 731, 2.0)])
def test_golden_uvipen_normalizer_image(number, seed, spread):
    case = scheme.load_golden("ssd_boxes")["loss"][number]
    config = B.SSD300_UVIPEN_PRIORS
    priors, order, start = B.make_priors(config), [], 0
    for side, a in zip(config.map_sizes, config.priors_per_cell, strict=True):
        # theirs: level, prior, cell; ours: level, cell, prior
        order.append(start + torch.arange(side * side * a).view(side * side, a).T.flatten())
        start += side * side * a
    nothing = (torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    scenes = [scene(recipe) if recipe else nothing for recipe in case["targets"]]
    labels, target = stack([B.make_targets(*s, priors, inclusive=False) for s in scenes])
    labels, target = labels[:, torch.cat(order)], target[:, torch.cat(order)]
    b = len(scenes)
    deltas, logits = draws(seed, (1.0, (b, 4, 8732)), (spread, (b, 81, 8732)))
    batch = (logits.transpose(1, 2), deltas.transpose(1, 2), labels, target)
    assert (labels > 0).sum(1).tolist() == case["num_positive"]
    losses = multibox_loss(*batch, normalizer="image")
    assert float(sum(losses.values())) == pytest.approx(case["loss"], rel=1e-5)
    for i, expected in enumerate(case["per_image_loss"]):
        one = multibox_loss(*(x[i : i + 1] for x in batch), normalizer="image")
        assert float(sum(one.values())) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("number", "seed", "spread"), [(0, 201, 1.0), (1, 211, 3.0)])
def test_golden_m2det_normalizer_batch(number, seed, spread):
    case = scheme.load_golden("m2det_boxes")["multibox_loss"][number]
    priors = B.make_priors(B.M2DET512_PRIORS)
    labels, target = stack([B.make_targets(*scene(r), priors) for r in case["targets"]])
    b, p = labels.shape
    deltas, logits = draws(seed, (1.0, (b, p, 4)), (spread, (b, p, 81)))
    assert (labels > 0).sum(1).tolist() == case["num_positive"]
    losses = multibox_loss(logits, deltas, labels, target)
    assert losses["bbox_regression"] == pytest.approx(case["loss_l"], rel=1e-5)
    assert losses["classification"] == pytest.approx(case["loss_c"], rel=1e-5)


@pytest.mark.parametrize(
    ("number", "seed", "arm_spread", "odm_spread"), [(0, 521, 3.0, 1.0), (1, 531, 5.0, 2.0)]
)
def test_golden_refinedet_with_ignored_anchors(number, seed, arm_spread, odm_spread):
    """Both losses of RefineDet; label -1 is what its negative-anchor filter needs."""
    case = scheme.load_golden("refinedet_boxes")["multibox_loss"][number]
    priors = B.make_priors(B.REFINEDET320_PRIORS)
    scenes = [scene(recipe, add=1) for recipe in case["targets"]]
    b, p = len(scenes), len(priors)
    arm_deltas, arm_logits, odm_deltas, odm_logits = draws(
        seed, (0.5, (b, p, 4)), (arm_spread, (b, p, 2)), (1.0, (b, p, 4)), (odm_spread, (b, p, 21))
    )
    labels, target = stack([B.make_targets(*s, priors, eps=1e-5) for s in scenes])
    arm = multibox_loss(arm_logits, arm_deltas, (labels > 0).long(), target)
    assert arm["bbox_regression"] == pytest.approx(case["arm_loss_l"], rel=1e-5)
    assert arm["classification"] == pytest.approx(case["arm_loss_c"], rel=1e-5)

    anchors = [B.xyxy_to_cxcywh(B.decode(d, priors)) for d in arm_deltas]
    matched = zip(scenes, anchors, strict=True)
    labels, target = stack([B.make_targets(*s, anchor, eps=1e-5) for s, anchor in matched])
    assert (labels > 0).sum() == case["odm_num_matched"]
    labels = torch.where(arm_logits.softmax(-1)[..., 1] > 0.01, labels, -1)
    assert (labels > 0).sum() == case["odm_num_positive_after_arm_filter"]
    odm = multibox_loss(odm_logits, odm_deltas, labels, target)
    expected = case["odm_corrected"]
    assert odm["bbox_regression"] == pytest.approx(expected["loss_l"], rel=1e-5)
    assert odm["classification"] == pytest.approx(expected["loss_c"], rel=1e-5)

    arm_targets = stack([B.make_targets(*s, priors, eps=1e-5) for s in scenes])
    matched = zip(scenes, anchors, strict=True)
    odm_targets = stack([B.make_targets(*s, anchor, eps=1e-5) for s, anchor in matched])
    both = [
        two_step_loss(
            arm_logits, arm_deltas, odm_logits, odm_deltas,
            B.Targets(*arm_targets), B.Targets(*odm_targets), negative_filter=negative_filter,
        )
        for negative_filter in ("paper", "released")
    ]  # fmt: skip
    names = ("bbox_regression", "classification")
    for name, theirs in zip(names, ("loss_l", "loss_c"), strict=True):
        assert both[0][f"arm_{name}"] == both[1][f"arm_{name}"] == arm[name]
        assert both[0][f"odm_{name}"] == odm[name]
        assert both[1][f"odm_{name}"] == pytest.approx(case[f"odm_{theirs}"], rel=1e-5)
