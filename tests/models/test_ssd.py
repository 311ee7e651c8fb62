"""SSD: the five configurations, their figures, and the loss."""

import dataclasses

import numpy as np
import pytest
import torch
from torchvision import tv_tensors

from detlearn import create_model, list_models, load_reference_weights
from detlearn.boxes import SSD300_VOC_PRIORS, SSD_TINY_PRIORS, box_iou, encode, xyxy_to_cxcywh
from detlearn.models import SSD, SSD300_VGG16, SSD_TINY, Predictions
from tests import golden_scheme as scheme


def prior_major(config):
    """Our prior (level, row, column, prior) at each of uvipen's (level, prior, row, column)."""
    index, start = [], 0
    for side, a in zip(config.map_sizes, config.priors_per_cell, strict=True):
        n = side * side * a
        index.append(start + torch.arange(n).view(side * side, a).T.reshape(-1))
        start += n
    return torch.cat(index)


@pytest.mark.parametrize(
    ("name", "parameters", "channels", "sides", "priors", "classes"),
    [
        ("ssd300_vgg16", 35_641_826, (512, 1024, 512, 256, 256, 256),
         (38, 19, 10, 5, 3, 1), 8_732, 91),
        ("ssd512_vgg16", 27_188_676, (512, 1024, 512, 256, 256, 256, 256),
         (64, 32, 16, 8, 4, 2, 1), 24_564, 21),
        ("ssd300_resnet50", 22_894_902, (1024, 512, 512, 256, 256, 256),
         (38, 19, 10, 5, 3, 1), 8_732, 81),
        # upstream's 4,484,914 without the 33,150 of its dead seventh head
        ("ssdlite300_mobilenet_v2", 4_484_914 - 33_150, (576, 1280, 512, 256, 256, 64),
         (19, 10, 5, 3, 2, 1), 3_000, 81),
    ],
)  # fmt: skip
def test_published_sizes(name, parameters, channels, sides, priors, classes):
    with torch.device("meta"):
        model = create_model(name)
    assert sum(p.numel() for p in model.parameters()) == parameters
    side = model.config.image_size
    images = torch.empty(2, 3, side, side, device="meta")
    shapes = [tuple(maps.shape) for maps in model.features(images)]
    assert shapes == [(2, c, s, s) for c, s in zip(channels, sides, strict=True)]
    logits, deltas = model(images)
    assert logits.shape == (2, priors, classes) and deltas.shape == (2, priors, 4)
    assert model.priors.shape == (priors, 4)


def test_tiny_is_tiny():
    model = create_model("ssd_tiny")
    assert 400_000 < sum(p.numel() for p in model.parameters()) < 700_000
    assert model.config.num_classes == 9 and len(model.config.priors.map_sizes) == 4


@pytest.fixture(scope="module")
def golden():
    return scheme.load_golden("ssd_resnet50_300")


@pytest.fixture(scope="module")
def resnet():
    return create_model("ssd300_resnet50").eval()


@pytest.mark.parametrize(("variant", "slack"), [("B", 1e-4), ("A", 1e-3)])
def test_resnet50_equals_the_published_network(resnet, golden, variant, slack):
    arrays = scheme.fill_state_dict(golden["manifest"], variant)
    state = {key: torch.from_numpy(array) for key, array in arrays.items()}
    load_reference_weights(resnet, state, source="uvipen/SSD-pytorch")
    images = torch.from_numpy(scheme.image(300, 300, batch=1, seed=7))
    with torch.no_grad():
        pyramid = resnet.features(images)
        predictions = resnet.head(pyramid)
    figures = golden["variants"][variant]
    for level, maps in enumerate(pyramid):
        scheme.compare(maps.numpy(), figures[f"feature.{level}"], atol_std=slack)
    order = prior_major(resnet.config.priors)
    for rows, figure in ((predictions.deltas, "locs"), (predictions.logits, "confs")):
        upstream = rows[:, order].transpose(1, 2).numpy()  # (N, 4 or K, P)
        scheme.compare(upstream, figures[figure], atol_std=slack)


def test_golden_covers_every_figure(golden):
    names = {f"feature.{level}" for level in range(6)} | {"locs", "confs"}
    assert set(golden["variants"]["A"]) == set(golden["variants"]["B"]) == names


@pytest.mark.parametrize("name", ["ssd300_resnet50", "ssdlite300_mobilenet_v2", "ssd_tiny"])
def test_forward_leaves_its_input_alone(name):
    model = create_model(name, num_classes=3).eval()
    side = model.config.image_size
    images = torch.rand(1, 3, side, side)
    before = images.clone()
    with torch.no_grad():
        first, second = model(images), model(images)
    assert torch.equal(images, before)
    assert torch.equal(first.logits, second.logits) and torch.equal(first.deltas, second.deltas)
    assert first.logits.isfinite().all()


DETECTORS = [name for name in list_models() if not name.startswith(("pose_", "hrnetv2p_"))]


@pytest.mark.parametrize("name", DETECTORS)
def test_every_parameter_is_taught(name):
    with torch.device("meta"):  # shapes alone: who gets a gradient, not which
        model = create_model(name, num_classes=3)
        side = model.config.image_size
        predictions = model(torch.zeros(2, 3, side, side))
        sum(part.sum() for part in predictions).backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


def test_new_layers_start_with_zero_biases():
    model = create_model("ssd300_resnet50")
    heads = [*model.head.logits, *model.head.deltas]
    assert all((head.bias == 0).all() for head in heads)


def test_vgg_variants_rescale_only_the_finest_map():
    with torch.device("meta"):
        model = create_model("ssd300_vgg16")
    assert model.l2norm.scale.shape == (512,)
    model = create_model("ssd_tiny", l2norm_scale=20.0).eval()
    with torch.no_grad():
        pyramid = model.features(torch.rand(1, 3, 128, 128))
    lengths = pyramid[0].norm(dim=1)
    assert ((lengths - 20).abs() < 1e-3).logical_or(lengths == 0).all()
    assert (pyramid[1].norm(dim=1) - 20).abs().min() > 1e-3


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 1}, "num_classes: expected an integer, at least 2 .*got 1"),
        ({"num_classes": 9.0}, "num_classes: .*got 9.0"),
        ({"num_classes": True}, "num_classes: .*got True"),
        ({"image_size": 300}, "image_size: expected that of the priors, 128, got 300"),
        ({"priors": "ssd_tiny"}, "priors: expected a PriorConfig, got str"),
        ({"backbone": "vgg19"}, "backbone: expected one of 'vgg16'.*got 'vgg19'"),
        ({"backbone": "resnet50"}, "widths: expected for the backbone 'tiny' only"),
        ({"widths": ()}, "widths: expected for the backbone 'tiny' only"),
        ({"head": "linear"}, "head: expected one of 'conv', 'separable', got 'linear'"),
        ({"extra_block": "bn"}, "extra_block: expected one of"),
        ({"normalizer": "sum"}, "normalizer: expected one of 'batch', 'image', got 'sum'"),
        ({"antialias": "no"}, "antialias: expected True or False, got 'no'"),
        ({"match_inclusive": None}, "match_inclusive: expected True or False"),
        ({"match_threshold": 1.5}, "match_threshold: expected a number from 0 to 1, got 1.5"),
        ({"score_threshold": -0.1}, "score_threshold: .*got -0.1"),
        ({"iou_threshold": "half"}, "iou_threshold: .*got 'half'"),
        ({"iou_threshold": float("nan")}, "iou_threshold: .*got nan"),
        ({"negative_ratio": -1.0}, "negative_ratio: .*got -1.0"),
        ({"l2norm_scale": "on"}, "l2norm_scale: .*got 'on'"),
        ({"max_detections": 0}, "max_detections: expected an integer, at least 1, got 0"),
        ({"max_candidates": 0}, "max_candidates: .*got 0"),
        ({"image_mean": (0.5,)}, "image_mean: expected 3 numbers, got \\(0.5,\\)"),
        ({"image_std": (1.0, 1.0, 0.0)}, "image_std: expected 3 positive numbers"),
        ({"box_scales": (0.1, 0.2, 0.2)}, "box_scales: expected 2 positive numbers"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SSD_TINY, **changes)


def test_max_candidates_may_be_none():
    assert dataclasses.replace(SSD_TINY, max_candidates=None).max_candidates is None


def test_levels_of_network_and_priors_must_agree():
    five = dataclasses.replace(
        SSD300_VOC_PRIORS,
        **{
            field: getattr(SSD300_VOC_PRIORS, field)[:5]
            for field in ("map_sizes", "steps", "min_sizes", "max_sizes", "aspect_ratios")
        },
    )
    with pytest.raises(ValueError, match="make 6 levels, the priors have 5"), torch.device("meta"):
        SSD(dataclasses.replace(SSD300_VGG16, priors=five))


def test_maps_of_network_and_priors_must_agree():
    wrong = dataclasses.replace(SSD300_VOC_PRIORS, map_sizes=(38, 19, 9, 5, 3, 1))
    with torch.device("meta"):
        model = SSD(dataclasses.replace(SSD300_VGG16, priors=wrong))
        with pytest.raises(ValueError, match="level 2 is laid out for a map of 9 x 9.* 10 x 10"):
            model(torch.zeros(1, 3, 300, 300))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((1, 3, 128, 128)), r"expected a tensor \(B, 3, 128, 128\), got ndarray"),
        (torch.zeros(3, 128, 128), r"expected shape \(B, 3, 128, 128\), got \(3, 128, 128\)"),
        (torch.zeros(1, 1, 128, 128), r"got \(1, 1, 128, 128\)"),
        (torch.zeros(1, 3, 128, 64), r"got \(1, 3, 128, 64\); model.detect takes images of any"),
        (torch.zeros(1, 3, 128, 128, dtype=torch.uint8), "uint8; model.normalize"),
    ],
    ids=["array", "no batch", "grayscale", "wrong size", "not normalised"],
)
def test_forward_refuses(images, message):
    model = create_model("ssd_tiny")
    with pytest.raises(ValueError, match=message):
        model(images)


# ---------------------------------------------------------------------- loss

NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
SQUARE = {"boxes": torch.tensor([[40.0, 40, 80, 80]]), "labels": torch.tensor([2])}


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return create_model("ssd_tiny")


def random_predictions(model, batch, seed=0):
    torch.manual_seed(seed)
    P, K = model.config.priors.num_priors, model.config.num_classes
    return Predictions(torch.randn(batch, P, K), torch.randn(batch, P, 4))


def test_loss_of_empty_images_is_zero_and_has_gradients(tiny):
    predictions = tiny(torch.zeros(2, 3, 128, 128))
    losses = tiny.loss(predictions, [NOTHING, NOTHING])
    assert set(losses) == {"bbox_regression", "classification"}
    total = sum(losses.values())
    assert total.item() == 0 and total.isfinite()
    total.backward()


def test_loss_of_perfect_predictions_is_zero(tiny):
    labels = torch.zeros(tiny.config.priors.num_priors, dtype=torch.int64)
    priors_xyxy = torch.cat(
        [tiny.priors[:, :2] - tiny.priors[:, 2:] / 2, tiny.priors[:, :2] + tiny.priors[:, 2:] / 2],
        dim=1,
    )
    box = SQUARE["boxes"] / 128
    labels[box_iou(box, priors_xyxy)[0] >= tiny.config.match_threshold] = 2
    assert labels.any()
    logits = 50.0 * torch.nn.functional.one_hot(labels, 9)[None]
    deltas = encode(box.expand(len(labels), 4), tiny.priors)[None]
    losses = tiny.loss(Predictions(logits, deltas), [SQUARE])
    assert losses["bbox_regression"].item() == pytest.approx(0, abs=1e-6)
    assert losses["classification"].item() == pytest.approx(0, abs=1e-6)


def test_loss_reads_boxes_as_pixels_of_the_input(tiny):
    # A box equal to a prior, in pixels: that prior's perfect offset is zero.
    index = 3000
    cx, cy, w, h = (128 * tiny.priors[index]).tolist()
    target = {
        "boxes": torch.tensor([[cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]]),
        "labels": torch.tensor([4]),
    }
    ((boxes, _),) = tiny.check_targets([target], 1)
    torch.testing.assert_close(xyxy_to_cxcywh(boxes)[0], tiny.priors[index])


@pytest.mark.parametrize("normalizer", ["batch", "image"])
def test_loss_divides_as_the_config_says(normalizer):
    model = create_model("ssd_tiny", normalizer=normalizer)
    predictions = random_predictions(model, 2)
    large = {"boxes": torch.tensor([[10.0, 10, 110, 110]]), "labels": torch.tensor([1])}
    both = sum(model.loss(predictions, [SQUARE, large]).values())
    alone = [
        sum(model.loss(Predictions(*(part[i : i + 1] for part in predictions)), [target]).values())
        for i, target in enumerate((SQUARE, large))
    ]
    positives = [int((model_targets(model, target) > 0).sum()) for target in (SQUARE, large)]
    assert positives[0] != positives[1]
    if normalizer == "image":
        expected = sum(alone) / 2
    else:
        expected = sum(n * loss for n, loss in zip(positives, alone, strict=True)) / sum(positives)
    torch.testing.assert_close(both, expected)


def model_targets(model, target):
    from detlearn.boxes import make_targets

    return make_targets(
        target["boxes"] / 128,
        target["labels"],
        model.priors,
        inclusive=model.config.match_inclusive,
    ).labels


def test_loss_matches_as_the_config_says():
    # Exactly half a prior: positive if equality counts, forced or not otherwise.
    priors = dataclasses.replace(
        SSD_TINY_PRIORS, min_sizes=(8, 16, 32, 64), max_sizes=(8, 16, 32, 64)
    )
    results = {}
    for inclusive in (True, False):
        model = create_model(
            "ssd_tiny", priors=priors, match_inclusive=inclusive, match_threshold=0.5
        )
        predictions = random_predictions(model, 1)
        # Centre of a cell of the second level (stride 8), and the upper half of its square.
        half = {"boxes": torch.tensor([[60.0, 60, 76, 68]]), "labels": torch.tensor([1])}
        results[inclusive] = model.loss(predictions, [half])["bbox_regression"].item()
    assert results[True] != results[False]


def test_loss_takes_half_precision(tiny):
    predictions = random_predictions(tiny, 1)
    half = Predictions(*(part.bfloat16() for part in predictions))
    losses = tiny.loss(half, [SQUARE])
    assert all(value.dtype == torch.float32 and value.isfinite() for value in losses.values())


def test_loss_does_not_change_its_targets(tiny):
    target = {key: value.clone() for key, value in SQUARE.items()}
    tiny.loss(random_predictions(tiny, 1), [target])
    assert all(torch.equal(target[key], SQUARE[key]) for key in SQUARE)


def bounding_boxes(format="XYXY", canvas_size=(128, 128)):
    return tv_tensors.BoundingBoxes([[40.0, 40, 80, 80]], format=format, canvas_size=canvas_size)


def test_loss_takes_tv_tensors(tiny):
    predictions = random_predictions(tiny, 1)
    plain = tiny.loss(predictions, [SQUARE])
    wrapped = tiny.loss(predictions, [SQUARE | {"boxes": bounding_boxes(), "area": torch.ones(1)}])
    assert plain == wrapped and type(wrapped["classification"]) is torch.Tensor


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "expected one for each of the 2 images, got 0"),
        ([NOTHING], "expected one for each of the 2 images, got 1"),
        (NOTHING, "targets: expected a list with one dict an image, got one dict"),
        ([NOTHING, None], r"targets\[1\]: expected a dict.*got NoneType"),
        ([NOTHING, {"boxes": torch.zeros(0, 4)}], r"targets\[1\].*'labels', got \['boxes'\]"),
        ([NOTHING, {**SQUARE, "labels": torch.tensor([0])}], r"targets\[1\]: labels\[0\] is 0"),
        ([NOTHING, {**SQUARE, "labels": torch.tensor([9])}], r"targets\[1\].*below num_classes"),
        ([NOTHING, {**SQUARE, "boxes": torch.tensor([[40.0, 40, 20, 80]])}], r"x1 < x2"),
        ([NOTHING, {**SQUARE, "boxes": torch.tensor([[40.0, 40, 180, 80]])}], "inside the image"),
        ([NOTHING, {**SQUARE, "boxes": torch.tensor([[40.0, 40, float("nan"), 80]])}], "finite"),
        ([NOTHING, {**SQUARE, "boxes": bounding_boxes("XYWH")}], "format XYXY, got XYWH"),
        ([NOTHING, {**SQUARE, "boxes": bounding_boxes(canvas_size=(480, 640))}], "480 x 640"),
    ],
    ids=[
        "no targets", "too few", "one dict", "None", "no labels", "label 0", "label 9",
        "corners swapped", "outside", "NaN", "XYWH", "not resized",
    ],
)  # fmt: skip
def test_loss_refuses(tiny, targets, message):
    with pytest.raises(ValueError, match=message):
        tiny.loss(random_predictions(tiny, 2), targets)


def test_loss_refuses_foreign_predictions(tiny):
    with pytest.raises(ValueError, match=r"expected logits \(B, 3392, 9\).*got \(1, 7, 9\)"):
        tiny.loss(Predictions(torch.zeros(1, 7, 9), torch.zeros(1, 7, 4)), [NOTHING])


def test_one_image_is_learned_by_heart():
    # All parts at once: what the loss asks for is what detect gives back.
    torch.manual_seed(0)
    model = create_model("ssd_tiny")
    image = torch.full((1, 3, 128, 128), 60, dtype=torch.uint8)
    image[..., 40:80, 20:70] = 220
    target = {"boxes": torch.tensor([[20.0, 40, 70, 80]]), "labels": torch.tensor([5])}
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    images = model.normalize(torch.cat([image, image.flip(-1)]))
    flipped = {"boxes": torch.tensor([[58.0, 40, 108, 80]]), "labels": torch.tensor([5])}
    for _ in range(40):
        losses = model.loss(model(images), [target, flipped])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    # Batch statistics of two images stand in for the running ones, which 40 steps leave behind.
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        model(images)
    found = model.detect(image, score_threshold=0.5)[0]
    assert found["labels"].tolist() == [5]
    assert box_iou(found["boxes"], target["boxes"]).item() > 0.7
