"""The way in and the way out: what detect takes, refuses, and gives back."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import tv_tensors

from detlearn import create_model
from detlearn.models import Predictions
from detlearn.models.detector import IMAGES_PER_PASS


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    model = create_model("ssd_tiny", score_threshold=0.0)
    # Wide random heads: scores that differ, boxes that move.
    with torch.no_grad():
        for head in (*model.head.logits, *model.head.deltas):
            head.weight.mul_(3)
            head.bias.normal_()
    return model.eval()


def picture(height=96, width=160, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)


def assert_same(first, second):
    assert len(first) == len(second)
    for a, b in zip(first, second, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            torch.testing.assert_close(a[key], b[key], rtol=1e-4, atol=1e-4)


# -------------------------------------------------------------------- detect


@pytest.mark.parametrize(
    "images", [[], (), torch.zeros(0, 3, 8, 8), torch.zeros(0, 3, 8, 8, dtype=torch.uint8)]
)
def test_no_images_no_answers(model, images):
    assert model.detect(images) == []


@pytest.mark.parametrize(
    ("height", "width"),
    [(1, 1), (1, 300), (300, 1), (128, 128), (97, 203), (500, 40)],
    ids=["one pixel", "one row", "one column", "the network's", "odd", "tall"],
)
def test_any_size(model, height, width):
    (found,) = model.detect([picture(height, width)])
    boxes, scores, labels, priors = (found[k] for k in ("boxes", "scores", "labels", "priors"))
    D = len(scores)
    assert 0 < D <= model.config.max_detections
    assert boxes.shape == (D, 4) and labels.shape == priors.shape == (D,)
    assert boxes.dtype == scores.dtype == torch.float32
    assert labels.dtype == priors.dtype == torch.int64
    assert (
        (boxes >= 0).all() and (boxes[:, 0::2] <= width).all() and (boxes[:, 1::2] <= height).all()
    )
    assert (boxes[:, 2:] >= boxes[:, :2]).all()
    assert (scores.diff() <= 0).all() and (scores > 0).all() and (scores <= 1).all()
    assert labels.min() >= 1 and labels.max() < model.config.num_classes
    assert priors.min() >= 0 and priors.max() < model.config.priors.num_priors


def test_bytes_and_fractions_are_the_same_picture(model):
    image = picture()
    assert_same(model.detect([image]), model.detect([image / 255]))
    assert_same(model.detect([image]), model.detect([(image / 255).double()]))


def test_list_and_batch_are_the_same_pictures(model):
    batch = torch.stack([picture(seed=1), picture(seed=2)])
    assert_same(model.detect(batch), model.detect(list(batch)))
    assert_same(model.detect(batch), model.detect(tuple(batch)))


def test_a_long_list_is_worth_its_images_one_by_one(model):
    images = [picture(20 + i, 60 - i, seed=i) for i in range(IMAGES_PER_PASS + 2)]
    alone = [model.detect([image])[0] for image in images]
    together = model.detect(images)
    assert [len(found["scores"]) for found in together] == [len(f["scores"]) for f in alone]
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one["scores"], other["scores"], rtol=1e-4, atol=1e-5)
    batch = torch.stack([picture(seed=i) for i in range(IMAGES_PER_PASS + 2)])
    assert len(model.detect(batch)) == IMAGES_PER_PASS + 2


def test_tv_tensor_images_are_welcome(model):
    image = tv_tensors.Image(picture())
    found = model.detect([image])
    assert_same(found, model.detect([picture()]))
    assert type(found[0]["boxes"]) is torch.Tensor


def test_detect_leaves_the_images_alone(model):
    image = picture(128, 128) / 255
    before = image.clone()
    model.detect([image])
    model.detect(image[None])
    assert torch.equal(image, before)


def test_detect_leaves_the_mode_as_found():
    model = create_model("ssd_tiny").train()
    frozen = model.backbone.stages[0].eval()
    modes = [module.training for module in model.modules()]
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    means = [norm.running_mean.clone() for norm in norms]
    model.detect([picture()])
    assert [module.training for module in model.modules()] == modes and not frozen.training
    assert all(torch.equal(n.running_mean, mean) for n, mean in zip(norms, means, strict=True))


def test_detect_leaves_the_mode_as_found_even_when_it_fails(monkeypatch):
    model = create_model("ssd_tiny").train()

    def fail(images):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model, "features", fail)
    with pytest.raises(RuntimeError):
        model.detect([picture()])
    assert all(module.training for module in model.modules())


def test_answers_are_ordinary_tensors(model):
    (found,) = model.detect([picture()])
    assert not any(value.is_inference() or value.requires_grad for value in found.values())
    found["boxes"] += 1  # drawing code does such things


def test_detect_does_not_depend_on_train_mode(model):
    expected = model.detect([picture()])
    model.train()
    assert_same(model.detect([picture()]), expected)
    model.eval()


def test_thresholds_of_a_call_win_over_the_config(model):
    (all_of_them,) = model.detect([picture()])
    middle = all_of_them["scores"][len(all_of_them["scores"]) // 2].item()
    (some,) = model.detect([picture()], score_threshold=middle)
    assert 0 < len(some["scores"]) < len(all_of_them["scores"])
    assert (some["scores"] > middle).all()
    (three,) = model.detect([picture()], max_detections=3)
    torch.testing.assert_close(three["scores"], all_of_them["scores"][:3])
    (disjoint,) = model.detect([picture()], iou_threshold=0.0, max_detections=1000)
    (crowded,) = model.detect([picture()], iou_threshold=1.0, max_detections=1000)
    assert len(disjoint["scores"]) < len(crowded["scores"]) == 1000
    assert model.config.max_detections == 100


@pytest.mark.parametrize(
    ("thresholds", "message"),
    [
        ({"score_threshold": 1.1}, "score_threshold: expected a number from 0 to 1, got 1.1"),
        ({"iou_threshold": -0.5}, "iou_threshold: expected a number from 0 to 1, got -0.5"),
        ({"max_detections": 0}, "max_detections: expected an integer, at least 1, got 0"),
    ],
)
def test_detect_refuses_thresholds(model, thresholds, message):
    with pytest.raises(ValueError, match=message):
        model.detect([picture()], **thresholds)
    with pytest.raises(ValueError, match=message):
        model.detect([], **thresholds)


def spoiled(value):
    image = picture() / 255
    image[1, 5, 7] = value
    return image


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([picture(), spoiled(float("nan"))], r"images\[1\]: expected numbers in \[0, 1\], got NaN"),
        ([spoiled(float("inf"))], r"images\[0\]: expected floating point in \[0, 1\].* inf"),
        ([spoiled(-0.5)], r"got -0.5 to"),
        ([picture().float()], r"got 0 to 255; 0 to 255 belongs in uint8"),
        ([picture()[0]], r"RGB of shape \(3, H, W\), got \(96, 160\).*grayscale"),
        ([picture()[:1]], r"got \(1, 96, 160\).*grayscale: image.expand\(3, -1, -1\)"),
        ([picture().permute(1, 2, 0)], r"got \(96, 160, 3\).*channels come last"),
        ([torch.zeros(4, 9, 9)], r"got \(4, 9, 9\).*RGBA"),
        ([torch.zeros(2, 9, 9)], r"got \(2, 9, 9\)$"),
        ([picture()[None]], r"images\[0\]: expected RGB of shape \(3, H, W\), got \(1, 3, 96"),
        ([torch.zeros(3, 0, 9)], "expected at least one pixel"),
        ([torch.zeros(3, 9, 9, dtype=torch.int64)], "expected uint8 or floating.* torch.int64"),
        ([torch.zeros(3, 9, 9, dtype=torch.bool)], "expected uint8 or floating.* torch.bool"),
        ([np.zeros((3, 9, 9))], "got ndarray; torchvision.transforms.v2.functional.to_image"),
        (picture(), r"got one image of shape \(3, 96, 160\); detect\(\[image\]\) takes it"),
        (torch.zeros(2, 1, 9, 9), r"images: expected RGB of shape \(B, 3, H, W\).*grayscale"),
        ("chelsea.png", "images: expected a list of tensors or a batch, got str"),
        (None, "images: expected a list of tensors or a batch, got NoneType"),
    ],
    ids=[
        "NaN", "inf", "normalised already", "0 to 255 as float", "two dimensions", "one channel",
        "channels last", "RGBA", "two channels", "batch of one in a list", "no pixels", "int64",
        "bool", "array", "one image", "batch of one channel", "a path", "None",
    ],
)  # fmt: skip
def test_detect_refuses(model, images, message):
    with pytest.raises(ValueError, match=message):
        model.detect(images)


def test_rounding_beyond_one_is_forgiven(model):
    model.detect([spoiled(1.0005)])


# ----------------------------------------------------------------- normalize


def test_normalize_is_mean_and_spread():
    model = create_model("ssd_tiny", image_mean=(0.0, 0.5, 1.0), image_std=(1.0, 0.5, 0.25))
    image = torch.tensor([0, 255, 51], dtype=torch.uint8).reshape(3, 1, 1)
    expected = torch.tensor([0.0, 1.0, -3.2])
    torch.testing.assert_close(model.normalize(image).flatten(), expected)
    torch.testing.assert_close(model.normalize(image / 255).flatten(), expected)
    assert model.normalize(image.expand(2, 3, 4, 5)).shape == (2, 3, 4, 5)


def test_caffes_normalisation_keeps_0_to_255():
    with torch.device("meta"):
        config = create_model("ssd300_vgg16").config
    tiny = create_model("ssd_tiny", image_mean=config.image_mean, image_std=config.image_std)
    white = torch.full((3, 1, 1), 255, dtype=torch.uint8)
    got = tiny.normalize(white).flatten()
    torch.testing.assert_close(got, torch.tensor([132.0, 138.0, 151.0]), atol=0.01, rtol=0)


def test_normalize_refuses():
    model = create_model("ssd_tiny")
    with pytest.raises(ValueError, match=r"images: expected RGB of shape \(..., 3, H, W\)"):
        model.normalize(torch.zeros(1, 8, 8))


# --------------------------------------------------------------- postprocess


def one_sure_prior(model, index, label, deltas=(0.0, 0.0, 0.0, 0.0), batch=1):
    P, K = model.config.priors.num_priors, model.config.num_classes
    logits = torch.zeros(batch, P, K)
    logits[..., 0] = 20
    logits[:, index, label] = 40
    offsets = torch.zeros(batch, P, 4)
    offsets[:, index] = torch.tensor(deltas)
    return Predictions(logits, offsets)


def test_a_sure_prior_becomes_a_box_in_pixels(model):
    # The last prior of SSD_TINY: centre (112, 112) of 128, 72 / sqrt(2) wide, 72 * sqrt(2) high.
    index = model.config.priors.num_priors - 1
    predictions = one_sure_prior(model, index, label=6)
    (found,) = model.postprocess(predictions, [(64, 256)], score_threshold=0.5, clip=False)
    w, h = 72 / 2**0.5, 72 * 2**0.5
    expected = [2 * (112 - w / 2), (112 - h / 2) / 2, 2 * (112 + w / 2), (112 + h / 2) / 2]
    torch.testing.assert_close(found["boxes"], torch.tensor([expected]))
    assert found["labels"].tolist() == [6] and found["priors"].tolist() == [index]
    assert found["scores"].item() == pytest.approx(1)
    (clipped,) = model.postprocess(predictions, [(64, 256)], score_threshold=0.5)
    expected[2:] = [256, 64]
    torch.testing.assert_close(clipped["boxes"], torch.tensor([expected]))


def test_deltas_move_by_a_tenth_and_grow_by_a_fifth(model):
    index = model.config.priors.num_priors - 4  # the square of side 72 at (112, 112)
    predictions = one_sure_prior(model, index, 1, deltas=(-5.0, 0.0, 0.0, 5 * float(np.log(0.5))))
    (found,) = model.postprocess(predictions, [(128, 128)], score_threshold=0.5)
    torch.testing.assert_close(found["boxes"], torch.tensor([[40.0, 94.0, 112.0, 128.0]]))


def test_each_image_has_its_own_size(model):
    predictions = one_sure_prior(model, 0, 1, batch=2)
    small, large = model.postprocess(predictions, [(128, 128), (256, 512)], score_threshold=0.5)
    torch.testing.assert_close(large["boxes"], small["boxes"] * torch.tensor([4.0, 2, 4, 2]))


def test_clipping_comes_before_suppression():
    # Two squares of 72 px whose centres are 16 px apart, both pushed half out of the image:
    # inside it they are the same box, outside they are not.
    model = create_model("ssd_tiny")
    P = model.config.priors.num_priors
    predictions = one_sure_prior(model, P - 4, 1, deltas=(0.0, 40.0, 0.0, 0.0))
    predictions.logits[0, P - 3] = predictions.logits[0, P - 4]
    predictions.deltas[0, P - 4] = torch.tensor([0.0, 0.0, 5 * float(np.log(2.0)), 0.0])
    predictions.deltas[0, P - 3] = torch.tensor([0.0, 0.0, 5 * float(np.log(8.0)), 0.0])
    kept = [
        len(model.postprocess(predictions, [(128, 128)], clip=clip)[0]["scores"])
        for clip in (True, False)
    ]
    assert kept == [1, 2]


def test_postprocess_takes_half_precision(model):
    predictions = one_sure_prior(model, 3, 2)
    half = Predictions(*(part.to(torch.bfloat16) for part in predictions))
    (found,) = model.postprocess(half, [(100, 100)], score_threshold=0.5)
    (expected,) = model.postprocess(predictions, [(100, 100)], score_threshold=0.5)
    assert found["boxes"].dtype == torch.float32
    assert torch.equal(found["boxes"], expected["boxes"])


def test_nothing_above_the_threshold(model):
    (found,) = model.postprocess(one_sure_prior(model, 0, 0), [(100, 100)], score_threshold=0.5)
    assert found["boxes"].shape == (0, 4) and found["labels"].dtype == torch.int64


def test_postprocess_refuses(model):
    predictions = one_sure_prior(model, 0, 1, batch=2)
    with pytest.raises(ValueError, match="image_sizes: expected one for each of the 2 images"):
        model.postprocess(predictions, [(8, 8)])
    with pytest.raises(ValueError, match=r"predictions: expected logits \(B, 3392, 9\)"):
        model.postprocess(Predictions(predictions.deltas, predictions.deltas), [(8, 8)] * 2)
    predictions.deltas[1, 77, 0] = float("nan")
    with pytest.raises(ValueError, match="those of image 1 are not finite"):
        model.postprocess(predictions, [(8, 8)] * 2)


def test_box_scales_of_the_config_are_used():
    model = create_model("ssd_tiny", box_scales=(0.5, 1.0))
    index = model.config.priors.num_priors - 4  # the square of side 72 at (112, 112)
    predictions = one_sure_prior(model, index, 1, deltas=(-1.0, 0.0, 0.0, float(np.log(0.5))))
    (found,) = model.postprocess(predictions, [(128, 128)], score_threshold=0.5)
    torch.testing.assert_close(found["boxes"], torch.tensor([[40.0, 94.0, 112.0, 128.0]]))


def test_max_candidates_of_the_config_are_used():
    # Ten priors far apart, all of one class: as many answers as candidates.
    for max_candidates, answers in ((3, 3), (None, 10)):
        model = create_model("ssd_tiny", max_candidates=max_candidates)
        indices = torch.arange(10) * 4 * 3
        predictions = one_sure_prior(model, indices, 1)
        (found,) = model.postprocess(predictions, [(128, 128)], score_threshold=0.5)
        assert len(found["scores"]) == answers


# ---------------------------------------------------------------- switches that BlazeFace brought


def test_linear_sizes_teach_what_they_read():
    """Deltas that are the targets have no loss, and are read as the objects themselves."""
    from detlearn.boxes import encode_linear, match

    model = create_model("ssd_tiny", linear_sizes=True)
    objects = torch.tensor([[20.0, 30.0, 60.0, 90.0]])
    owner = match(objects / 128, model.priors, model.config.match_threshold).gt_index
    deltas = encode_linear(objects / 128, model.priors, model.config.box_scales)[None]
    logits = torch.zeros(1, len(model.priors), 9)
    logits[0, owner >= 0, 5] = 20.0
    predictions = Predictions(logits, deltas)
    losses = model.loss(predictions, [{"boxes": objects, "labels": torch.tensor([5])}])
    assert losses["bbox_regression"].item() == pytest.approx(0, abs=1e-5)
    found = model.postprocess(predictions, [(128, 128)], score_threshold=0.5)[0]
    torch.testing.assert_close(found["boxes"], objects, atol=1e-3, rtol=0)


def test_weighted_nms_of_an_ssd_averages_what_nms_drops():
    logits, deltas = torch.zeros(1, 3392, 9), torch.zeros(1, 3392, 4)
    model = create_model("ssd_tiny", weighted_nms=True)
    first = int((model.priors[:, 2:] > 0.3).all(dim=1).nonzero()[0])
    logits[0, first, 2], logits[0, first + 1, 2] = 6.0, 4.0
    deltas[0, first + 1] = torch.cat(
        [
            (model.priors[first, :2] - model.priors[first + 1, :2])
            / model.priors[first + 1, 2:]
            / 0.1,
            (model.priors[first, 2:] * 0.9 / model.priors[first + 1, 2:]).log() / 0.2,
        ]
    )  # the same centre, nine tenths of the size
    found = model.postprocess(
        Predictions(logits, deltas), [(128, 128)], score_threshold=0.5, clip=False
    )[0]
    scores = logits[0, first : first + 2].softmax(dim=-1)[:, 2]
    shrunk = (scores[0] + 0.9 * scores[1]) / scores.sum()
    wide = (found["boxes"][0, 2:] - found["boxes"][0, :2]) / 128
    torch.testing.assert_close(wide, model.priors[first, 2:] * shrunk, atol=1e-4, rtol=0)
    assert found["scores"].tolist() == [pytest.approx(float(scores[0]))]


def test_letterboxed_boxes_come_back_to_the_picture():
    """A wide picture: the square's upper quarter is black, its lower quarter too."""
    model = create_model("ssd_tiny", letterbox=True)
    seen = model.prepare([torch.ones(3, 50, 100)])
    black = (-model.image_mean / model.image_std)[:, 0, 0]
    assert seen[0, :, 10, 60].tolist() == pytest.approx(black.tolist())
    assert seen[0, :, 64, 60].tolist() == pytest.approx([1.0, 1.0, 1.0], abs=1e-5)
    boxes = model.in_picture(torch.tensor([[0.25, 0.25, 0.75, 0.5]]), (50, 100))
    torch.testing.assert_close(boxes, torch.tensor([[0.25, 0.0, 0.75, 0.5]]))


@pytest.mark.parametrize(
    ("name", "switch"),
    [
        ("m2det_tiny", "letterbox"),
        ("m2det_tiny", "linear_sizes"),
        ("m2det_tiny", "weighted_nms"),
        ("refinedet_tiny", "linear_sizes"),
    ],
)
def test_a_switch_that_a_model_would_pass_over_is_refused(name, switch):
    with pytest.raises(ValueError, match=f"{switch}: expected False"):
        create_model(name, **{switch: True})
