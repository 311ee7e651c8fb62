"""RefineDet: its blocks by hand, its figures, the two-step loss, and what detection makes of it."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from detlearn import create_model, load_model, load_reference_weights, save_model
from detlearn.boxes import (
    PriorConfig,
    box_iou,
    clip_boxes,
    cxcywh_to_xyxy,
    decode,
    make_targets,
    nms,
)
from detlearn.models import (
    REFINEDET320_VGG16,
    REFINEDET_TINY,
    SSD_TINY,
    RefineDet,
    RefineDetPredictions,
)
from detlearn.models.backbones import VGG16
from detlearn.models.refinedet import (
    AnchorRefinementModule,
    ObjectDetectionModule,
    TransferConnectionBlock,
    refine_anchors,
)
from detlearn.training import TrainConfig, train
from tests import golden_scheme as scheme

# 32 px, one square for each cell: priors 0 to 15 of 8 px on a 4 x 4 map, and 16 to 19 of
# 16 px on a 2 x 2 map.  Prior 16 is the upper left quarter of the image, prior 17 the upper right.
MINI = dataclasses.replace(
    REFINEDET_TINY,
    image_size=32,
    num_classes=3,
    priors=PriorConfig(32, (4, 2), (8, 16), (8, 16), (), ((), ())),
    widths=(4, 4, 6, 8),
    tcb_channels=5,
    match_threshold=0.5,
)
P = 20
NOTHING = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
QUARTER = {"boxes": torch.tensor([[0.0, 0, 16, 16]]), "labels": torch.tensor([1])}
SURE_BACKGROUND = torch.tensor([9.0, 0.0])  # objectness 0.0001


def mini(**changes):
    torch.manual_seed(0)
    return RefineDet(dataclasses.replace(MINI, **changes))


def zeros(batch=1, numbers=3):
    return RefineDetPredictions(
        *(torch.zeros(batch, P, last) for last in (2, 4, numbers, 4)),
    )


def randoms(batch, seed=0):
    g = torch.Generator().manual_seed(seed)
    return RefineDetPredictions(
        *(torch.randn(batch, P, last, generator=g) for last in (2, 4, 3, 4))
    )


# ----------------------------------------------------------------- the figures


@pytest.mark.parametrize(
    ("name", "classes", "parameters", "sides", "priors"),
    [
        ("refinedet320_vgg16", 21, 34_440_884, (40, 20, 10, 5), 6_375),
        ("refinedet512_vgg16", 21, 34_440_884, (64, 32, 16, 8), 16_320),
        ("refinedet320_vgg16", 81, 36_100_484, (40, 20, 10, 5), 6_375),
        ("refinedet512_vgg16", 81, 36_100_484, (64, 32, 16, 8), 16_320),
        # one class of objects: 19 fewer for 3 priors, of 256 channels and 3 x 3 taps, on 4 levels
        ("refinedet320_vgg16", 2, 34_440_884 - 4 * 19 * 3 * (256 * 9 + 1), (40, 20, 10, 5), 6_375),
    ],
)
def test_published_sizes(name, classes, parameters, sides, priors):
    with torch.device("meta"):
        model = create_model(name, num_classes=classes)
        pyramid = model.features(torch.empty(2, 3, 8 * sides[0], 8 * sides[0]))
        transferred = model.transfer(pyramid)
        predictions = model(torch.empty(2, 3, 8 * sides[0], 8 * sides[0]))
    assert sum(p.numel() for p in model.parameters()) == parameters
    channels = (512, 512, 1024, 512)
    assert [tuple(maps.shape) for maps in pyramid] == [
        (2, c, side, side) for c, side in zip(channels, sides, strict=True)
    ]
    assert [tuple(maps.shape) for maps in transferred] == [(2, 256, s, s) for s in sides]
    assert [tuple(part.shape[1:]) for part in predictions] == [
        (priors, numbers) for numbers in (2, 4, classes, 4)
    ]
    assert model.priors.shape == (priors, 4)


def test_tiny_is_ssd_tiny_asked_twice():
    ssd, refinedet = create_model("ssd_tiny"), create_model("refinedet_tiny")
    assert torch.equal(ssd.priors, refinedet.priors)
    assert ssd.backbone.state_dict().keys() == refinedet.backbone.state_dict().keys()
    refinedet.backbone.load_state_dict(ssd.backbone.state_dict())
    sizes = [sum(p.numel() for p in model.parameters()) for model in (ssd, refinedet)]
    assert 1 < sizes[1] / sizes[0] < 2  # the TCBs' 64 channels are what costs
    assert [type(layer) for layer in refinedet.tcbs[0].smooth] == [nn.Conv2d, nn.BatchNorm2d]


def test_batch_norm_follows_every_convolution_of_a_tcb():
    def pairs(**changes):
        layers = [m for m in mini(**changes).tcbs.modules() if not list(m.children())]
        return [
            (one, after)
            for one, after in itertools.pairwise([*layers, None])
            if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)
        ]

    normed, published = pairs(), pairs(tcb_batch_norm=False)
    assert len(normed) == len(published) == 2 * 3 + 1  # the coarser block has nothing to double
    assert all(isinstance(after, nn.BatchNorm2d) for _, after in normed)
    assert not any(isinstance(after, nn.BatchNorm2d) for _, after in published)


@pytest.fixture(scope="module")
def golden():
    return scheme.load_golden("refinedet320_voc21")


@pytest.fixture(scope="module")
def published(golden):
    """The network with the reference's weights, and what its parts said about its input."""
    model = create_model("refinedet320_vgg16").eval()
    arrays = scheme.fill_state_dict(golden["manifest"], "B")
    state = {key: torch.from_numpy(array) for key, array in arrays.items()}
    load_reference_weights(model, state, source="luuuyi/RefineDet.PyTorch")
    said = {}

    def keep(name, what):
        def hook(module, inputs, output):
            said[name] = [maps.clone() for maps in (output if what == "output" else inputs[0])]

        return hook

    hooks = [
        model.backbone.register_forward_hook(keep("backbone", "output")),
        model.arm.register_forward_hook(keep("source", "input")),
        model.odm.register_forward_hook(keep("tcb_source", "input")),
    ]
    images = torch.from_numpy(scheme.image(320, 320, batch=1, seed=7))
    with torch.no_grad():
        predictions = model(images)
    for hook in hooks:
        hook.remove()
    return model, said, predictions


def compare_all(said, predictions, figures, slack):
    found = {f"{k}.{i}": maps for k in ("source", "tcb_source") for i, maps in enumerate(said[k])}
    found |= {"conv4_3_relu": said["backbone"][0], "conv5_3_relu": said["backbone"][1]}
    names = ("arm_conf", "arm_loc", "odm_conf", "odm_loc")
    found |= dict(zip(names, predictions, strict=True))
    assert set(found) == set(figures), "a figure is not looked at"
    for name, maps in found.items():
        scheme.compare(maps.numpy(), figures[name], atol_std=slack)


def test_equals_the_published_network(published, golden):
    _, said, predictions = published
    compare_all(said, predictions, golden["variants"]["B"], 1e-4)


class Recorded(nn.Module):
    """Says again what a backbone has said."""

    def __init__(self, maps):
        super().__init__()
        self.maps = maps

    def forward(self, images):
        return list(self.maps)


def test_equals_the_published_network_with_other_scales(published, golden, monkeypatch):
    """Variant A differs in the weights of L2Norm alone: the VGG need not run again."""
    model, said, _ = published
    monkeypatch.setitem(model._modules, "backbone", Recorded(said["backbone"]))
    before = [norm.scale.data for norm in model.l2norms]
    seen = {"backbone": said["backbone"]}
    try:
        for norm, name in zip(model.l2norms, ("conv4_3", "conv5_3"), strict=True):
            array = scheme.tensor_for(f"{name}_L2Norm.weight", (512,), "A")
            norm.scale.data = torch.from_numpy(array).float()
        with torch.no_grad():
            predictions = model(torch.zeros(1, 3, 320, 320))
            seen["source"] = model.features(torch.zeros(1, 3, 320, 320))
            seen["tcb_source"] = model.transfer(seen["source"])
    finally:
        for norm, scale in zip(model.l2norms, before, strict=True):
            norm.scale.data = scale
    compare_all(seen, predictions, golden["variants"]["A"], 1e-3)


def test_golden_counts(golden, published):
    model, _, _ = published
    assert sum(p.numel() for p in model.parameters()) == golden["counts"]["trainable_params"]
    assert len(model.state_dict()) == golden["counts"]["num_state_dict_keys"]


# -------------------------------------------------------------- the other VGG


def test_only_the_maps_of_the_two_vggs_differ():
    """The same names and shapes: weights of one load into the other without a word."""
    of_ssd = VGG16(taps=("conv4_3", "conv5_3", "fc7"))
    with torch.device("meta"):
        of_refinedet = create_model("refinedet320_vgg16").backbone
    shapes = [{k: v.shape for k, v in vgg.state_dict().items()} for vgg in (of_ssd, of_refinedet)]
    assert shapes[0] == shapes[1]
    of_refinedet.load_state_dict(of_ssd.state_dict(), assign=True)
    with torch.no_grad():
        images = torch.rand(1, 3, 64, 64)
        first, second = of_ssd(images), of_refinedet(images)
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert [tuple(maps.shape[-2:]) for maps in (first[2], second[2])] == [(4, 4), (2, 2)]


def test_fc6_reaches_as_far_in_pixels_in_both():
    """Taps 6 cells of 16 px apart, or 3 cells of 32 px: 96 px."""
    with torch.device("meta"):
        vggs = [create_model(name).backbone for name in ("ssd300_vgg16", "refinedet320_vgg16")]
    reach = []
    for vgg in vggs:
        strides = [m.stride for m in vgg.layers.modules() if isinstance(m, nn.MaxPool2d)]
        reach.append(vgg.layers.fc6.dilation[0] * math.prod(strides))
    assert reach == [96, 96]


def test_l2norms_start_at_ten_and_eight():
    with torch.device("meta"):
        model = create_model("refinedet512_vgg16")
    assert len(model.l2norms) == 2
    model = mini(l2norm_scales=(10.0, 8.0)).eval()
    with torch.no_grad():
        pyramid = model.features(torch.rand(1, 3, 32, 32))
    assert len(pyramid) == 2
    for maps, scale in zip(pyramid, (10, 8), strict=True):
        lengths = maps.norm(dim=1)
        assert ((lengths - scale).abs() < 1e-3).logical_or(lengths == 0).all()
        assert lengths.any()
    assert REFINEDET320_VGG16.l2norm_scales == (10.0, 8.0)


# ----------------------------------------------------------------- the blocks


def test_arm_and_odm_are_ssd_heads():
    arm = AnchorRefinementModule([2, 3], [1, 2])
    odm = ObjectDetectionModule([2, 3], [1, 2], num_classes=7)
    maps = [torch.zeros(2, 2, 4, 4), torch.zeros(2, 3, 2, 2)]
    assert [tuple(part.shape) for part in arm(maps)] == [(2, 24, 2), (2, 24, 4)]
    assert [tuple(part.shape) for part in odm(maps)] == [(2, 24, 7), (2, 24, 4)]


def identity_block(coarsest=False, smooth=1.0):
    """A TCB of one channel whose filters look at the middle only, and double by repeating."""
    block = TransferConnectionBlock(1, 1, coarsest)
    with torch.no_grad():
        for conv, middle in (
            (block.translate[0], 1.0),
            (block.translate[2], 1.0),
            (block.smooth, smooth),
        ):
            conv.weight.zero_()
            conv.weight[..., 1, 1] = middle
        if block.upsample is not None:
            block.upsample.weight.fill_(1.0)
    return block


@pytest.mark.parametrize(
    ("coarser", "smooth", "expected"),
    [
        pytest.param(None, 1.0, [[1, 0], [3, 4]], id="the coarsest: ReLU after the first filter"),
        pytest.param(10.0, 1.0, [[11, 10], [13, 14]], id="the coarser cell is added to all four"),
        pytest.param(-2.0, 1.0, [[0, 0], [1, 2]], id="ReLU after the sum"),
        pytest.param(-2.0, -1.0, [[0, 0], [0, 0]], id="ReLU at the end"),
        pytest.param(None, -1.0, [[0, 0], [0, 0]], id="ReLU at the end of the coarsest"),
    ],
)
def test_tcb_by_hand(coarser, smooth, expected):
    block = identity_block(coarser is None, smooth)
    maps = torch.tensor([[[[1.0, -2.0], [3.0, 4.0]]]])
    given = None if coarser is None else torch.full((1, 1, 1, 1), coarser)
    copies = [maps.clone(), None if given is None else given.clone()]
    with torch.no_grad():
        assert block(maps, given)[0, 0].tolist() == expected
    assert torch.equal(maps, copies[0]) and (given is None or torch.equal(given, copies[1]))


def test_tcb_takes_the_filters_of_upstreams_order():
    """The sum comes before the smoothing filter, not after it."""
    block = identity_block()
    with torch.no_grad():
        block.smooth.bias.fill_(5.0)
        assert block(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 1, 1), -9.0)).unique() == 5.0


def test_tcb_starts_with_zero_biases_and_xavier():
    block = TransferConnectionBlock(24, 32)
    for layer in (block.translate[0], block.translate[2], block.upsample, block.smooth):
        assert not layer.bias.any()
        fan_in, fan_out = nn.init._calculate_fan_in_and_fan_out(layer.weight)
        bound = math.sqrt(6 / (fan_in + fan_out))
        assert 0.95 * bound < layer.weight.abs().max() <= bound


@pytest.mark.parametrize(
    ("coarsest", "given", "message"),
    [
        (True, torch.zeros(1, 1, 1, 1), "coarser: expected nothing for this block"),
        (False, None, "coarser: expected the coarser block's output for this block"),
    ],
)
def test_tcb_refuses(coarsest, given, message):
    with pytest.raises(ValueError, match=message):
        TransferConnectionBlock(1, 1, coarsest)(torch.zeros(1, 1, 2, 2), given)


def test_knowledge_flows_from_coarse_to_fine():
    model = mini()
    for fine, coarse in ((True, True), (False, True)):
        pyramid = [torch.rand(1, 6, 4, 4), torch.rand(1, 8, 2, 2)]
        for maps in pyramid:
            maps.requires_grad_()
        model.transfer(pyramid)[0 if fine else 1].sum().backward()
        assert [maps.grad is not None and maps.grad.any().item() for maps in pyramid] == [
            fine,
            coarse,
        ]


def test_without_tcb_the_odm_looks_at_the_arms_maps():
    model = mini(tcb_channels=None)
    assert [head.in_channels for head in model.odm.logits] == [6, 8]
    assert [head.in_channels for head in mini().odm.logits] == [5, 5]
    pyramid = model.features(torch.rand(2, 3, 32, 32))
    assert all(a is b for a, b in zip(model.transfer(pyramid), pyramid, strict=True))
    assert model(torch.rand(2, 3, 32, 32)).odm_logits.shape == (2, P, 3)


@pytest.mark.parametrize(
    ("deltas", "anchor"),
    [
        ([0, 0, 0, 0], [0.5, 0.5, 0.2, 0.4]),
        ([5, 0, 0, 0], [0.6, 0.5, 0.2, 0.4]),
        ([0, -5, 0, 0], [0.5, 0.3, 0.2, 0.4]),
        ([0, 0, 5 * math.log(2), 0], [0.5, 0.5, 0.4, 0.4]),
        ([0, 0, 0, -5 * math.log(2)], [0.5, 0.5, 0.2, 0.2]),
        ([0, 0, -500, -500], [0.5, 0.5, 1e-6, 1e-6]),
    ],
    ids=["stays", "half its width right", "half its height up", "wider", "lower", "never nothing"],
)
def test_anchors_by_hand(deltas, anchor):
    prior = torch.tensor([[0.5, 0.5, 0.2, 0.4]])
    found = refine_anchors(torch.tensor([[deltas]], dtype=torch.float32), prior)
    torch.testing.assert_close(found, torch.tensor([[anchor]]), rtol=1e-6, atol=1e-7)


def test_anchors_are_the_priors_without_two_steps():
    deltas = torch.randn(3, P, 4)
    model = mini(two_step=False)
    assert torch.equal(model.anchors(deltas), model.priors.expand(3, P, 4))
    assert torch.equal(mini().anchors(deltas), refine_anchors(deltas, model.priors))


def test_every_config_trains_its_every_parameter():
    for changes in ({}, {"tcb_channels": None}, {"two_step": False}, {"negative_filter": "off"}):
        model = mini(**changes)
        predictions = model(torch.rand(2, 3, 32, 32))
        sum(part.sum() for part in predictions).backward()
        assert [key for key, p in model.named_parameters() if p.grad is None] == []


def test_forward_leaves_its_input_alone():
    model = mini().eval()
    images = torch.rand(2, 3, 32, 32)
    before = images.clone()
    with torch.no_grad():
        first, second = model(images), model(images)
        alone = [model(images[i : i + 1]) for i in range(2)]
    assert torch.equal(images, before)
    for number, part in enumerate(first):
        assert torch.equal(part, second[number])
        together = torch.cat([one[number] for one in alone])
        torch.testing.assert_close(part, together, rtol=1e-4, atol=1e-5)


# ------------------------------------------------------------------- the loss


@pytest.mark.parametrize("negative_filter", ["paper", "released", "off"])
def test_loss_without_objects_is_zero_and_differentiable(negative_filter):
    model = mini(negative_filter=negative_filter)
    losses = model.loss(model(torch.rand(2, 3, 32, 32)), [NOTHING, NOTHING])
    assert {key: value.item() for key, value in losses.items()} == {
        "arm_bbox_regression": 0.0,
        "arm_classification": 0.0,
        "odm_bbox_regression": 0.0,
        "odm_classification": 0.0,
    }
    sum(losses.values()).backward()
    assert all(not p.grad.any() for p in model.parameters())


def test_loss_by_hand():
    """One object that is prior 16: each module has one positive and three mined negatives."""
    losses = mini().loss(zeros(), [QUARTER])
    assert {key: value.item() for key, value in losses.items()} == {
        "arm_bbox_regression": 0.0,
        "arm_classification": pytest.approx(4 * math.log(2)),
        "odm_bbox_regression": 0.0,
        "odm_classification": pytest.approx(4 * math.log(3)),
    }


@pytest.mark.parametrize(
    ("two_step", "taught"), [(True, 17), (False, 16)], ids=["two steps", "one step"]
)
def test_the_odm_is_matched_with_the_anchors(two_step, taught):
    """The ARM moves prior 16 off the object, and prior 17 onto it."""
    model = mini(two_step=two_step)
    predictions = zeros()
    predictions.arm_deltas[0, 16, 0], predictions.arm_deltas[0, 17, 0] = 10.0, -10.0
    predictions.odm_deltas[0, 16, 1], predictions.odm_deltas[0, 17, 1] = 3.0, 5.0
    losses = model.loss(predictions, [QUARTER])
    # The ARM should have left prior 16 where it was: smooth L1 of 10.
    assert losses["arm_bbox_regression"].item() == pytest.approx(9.5)
    # The ODM should have left what matches where it is: smooth L1 of 3, or of 5.
    assert losses["odm_bbox_regression"].item() == pytest.approx({16: 2.5, 17: 4.5}[taught])


def test_odm_offsets_are_relative_to_the_anchor():
    """The anchor is half as wide as prior 16: the object is twice as wide as the anchor."""
    predictions = zeros()
    predictions.arm_deltas[0, 16, 2] = -5 * math.log(2)
    losses = mini().loss(predictions, [QUARTER])
    wanted = math.log(2) / 0.2  # 3.47; the ARM's offset is as large, and as wrong
    assert losses["odm_bbox_regression"].item() == pytest.approx(wanted - 0.5, rel=1e-5)
    assert losses["arm_bbox_regression"].item() == pytest.approx(wanted - 0.5, rel=1e-5)


def both_match(easy):
    """Priors 16 and 17 match the object, 17 because the ARM moved it there; some are easy."""
    predictions = zeros()
    predictions.arm_deltas[0, 17, 0] = -10.0
    predictions.arm_logits[0, easy] = SURE_BACKGROUND
    predictions.odm_logits[0, 17, 1] = -4.0  # not at all class 1
    return predictions


WRONG = math.log(2 + math.exp(-4)) + 4  # cross entropy of prior 17 with class 1
RIGHT = math.log(2 + math.exp(-4))  # with background


@pytest.mark.parametrize(
    ("easy", "negative_filter", "expected"),
    [
        pytest.param([], "paper", (7 * math.log(3) + WRONG) / 2, id="nothing is easy"),
        pytest.param([], "released", (7 * math.log(3) + WRONG) / 2, id="nothing is easy, released"),
        pytest.param([17], "off", (7 * math.log(3) + WRONG) / 2, id="off"),
        pytest.param([17], "paper", 4 * math.log(3), id="paper: 17 is neither taught nor mined"),
        pytest.param(
            [17], "released", 3 * math.log(3) + WRONG,
            id="released: 17 is no positive, but mined, with its object as target",
        ),
        pytest.param([*range(16), 17], "paper", 3 * math.log(3), id="paper: two negatives left"),
        pytest.param(
            [*range(15), 17], "released", 3 * math.log(3) + WRONG,
            id="released: easy background is mined",
        ),
        pytest.param([16, 17], "paper", 0.0, id="paper: no positive left"),
        pytest.param([16, 17], "released", 0.0, id="released: no positive left"),
        pytest.param([*range(20)], "paper", 0.0, id="everything is easy"),
    ],
)  # fmt: skip
def test_negative_filter_by_hand(easy, negative_filter, expected):
    model = mini(negative_filter=negative_filter)
    losses = model.loss(both_match(easy), [QUARTER])
    assert losses["odm_classification"].item() == pytest.approx(expected, rel=1e-5)
    assert all(value.isfinite() for value in losses.values())


def test_filtered_priors_do_not_count_as_positives():
    predictions = both_match([17])
    predictions.odm_deltas[0, 16, 0] = 2.0
    for negative_filter, positives in (("off", 2), ("paper", 1), ("released", 1)):
        losses = mini(negative_filter=negative_filter).loss(predictions, [QUARTER])
        assert losses["odm_bbox_regression"].item() == pytest.approx(1.5 / positives)
        # The ARM is taught about prior 16 alone, whatever the filter says.
        assert losses["arm_bbox_regression"].item() == 0


@pytest.mark.parametrize("objectness", [0.001, 0.0099, 0.0101, 0.5, 0.999])
def test_an_objectness_up_to_the_threshold_is_easy(objectness):
    predictions = zeros()
    predictions.arm_logits[0, :, 1] = math.log(objectness / (1 - objectness))
    losses = mini().loss(predictions, [QUARTER])
    assert (losses["odm_classification"].item() == 0) == (objectness < 0.01)
    lenient = mini(objectness_threshold=0.0).loss(predictions, [QUARTER])
    assert lenient["odm_classification"].item() == pytest.approx(4 * math.log(3))


def test_no_gradient_reaches_the_arm_through_the_odm():
    predictions = RefineDetPredictions(*(part.requires_grad_() for part in randoms(2)))
    losses = mini().loss(predictions, [QUARTER, QUARTER])
    odm = losses["odm_bbox_regression"] + losses["odm_classification"]
    odm.backward(retain_graph=True)
    assert predictions.arm_deltas.grad is None and predictions.arm_logits.grad is None
    assert predictions.odm_deltas.grad.any() and predictions.odm_logits.grad.any()
    (losses["arm_bbox_regression"] + losses["arm_classification"]).backward()
    assert predictions.arm_deltas.grad.any() and predictions.arm_logits.grad.any()


def test_anchors_without_area_are_no_catastrophe():
    predictions = zeros()
    predictions.arm_deltas[..., 2:] = -1000.0
    losses = mini().loss(predictions, [QUARTER])
    assert all(value.isfinite() for value in losses.values())


def test_every_image_has_its_own_anchors():
    model, predictions = mini(), randoms(3)
    empty_between = [QUARTER, NOTHING, {**QUARTER, "labels": torch.tensor([2])}]
    losses = model.loss(predictions, empty_between)
    shares = []
    for image, target in enumerate(empty_between):
        one = RefineDetPredictions(*(part[image : image + 1] for part in predictions))
        boxes, labels = target["boxes"] / 32, target["labels"]
        anchors = model.anchors(one.arm_deltas)[0]
        arm = make_targets(boxes, labels, model.priors)
        odm = make_targets(boxes, labels, anchors)
        objectness = one.arm_logits[0].softmax(-1)[:, 1]
        positives = [
            int((arm.labels > 0).sum()),
            int(((odm.labels > 0) & (objectness > 0.01)).sum()),
        ]
        shares.append((positives, model.loss(one, [target])))
    for module, name in enumerate(("arm", "odm")):
        total = sum(positives[module] for positives, _ in shares)
        assert total > 0
        for part in ("bbox_regression", "classification"):
            weighted = sum(p[module] * one[f"{name}_{part}"].item() for p, one in shares)
            assert losses[f"{name}_{part}"].item() == pytest.approx(weighted / total, rel=1e-5)


def test_loss_takes_half_precision_and_leaves_everything_alone():
    model, predictions = mini(), randoms(1)
    half = RefineDetPredictions(*(part.bfloat16() for part in predictions))
    copies = [part.clone() for part in half]
    losses = model.loss(half, [QUARTER])
    assert all(value.dtype == torch.float32 and value.isfinite() for value in losses.values())
    assert all(torch.equal(a, b) for a, b in zip(half, copies, strict=True))
    assert losses == model.loss(RefineDetPredictions(*(part.float() for part in half)), [QUARTER])


@pytest.mark.parametrize("part", range(4), ids=RefineDetPredictions._fields)
def test_loss_hands_a_nan_on(part):
    predictions = randoms(1)
    predictions[part][0, 16] = math.nan
    assert sum(mini().loss(predictions, [QUARTER]).values()).isnan()


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "expected one for each of the 1 images, got 0"),
        ([{**QUARTER, "labels": torch.tensor([3])}], r"targets\[0\].*below num_classes"),
        ([{**QUARTER, "labels": torch.tensor([0])}], r"targets\[0\]: labels\[0\] is 0"),
    ],
    ids=["no targets", "label 3 of 3 classes", "label 0"],
)
def test_loss_refuses(targets, message):
    with pytest.raises(ValueError, match=message):
        mini().loss(zeros(), targets)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        (zeros(numbers=4), r"expected odm_logits \(B, 20, 3\) with B = 1, got \(1, 20, 4\)"),
        (zeros()[2:], "expected the 4 tensors arm_logits, arm_deltas, odm_logits, odm_deltas"),
        (
            zeros()._replace(arm_logits=torch.zeros(1, P, 3)),
            r"expected arm_logits \(B, 20, 2\) .*got \(1, 20, 3\)",
        ),
        (
            zeros()._replace(odm_deltas=torch.zeros(2, P, 4)),
            r"expected odm_deltas \(B, 20, 4\) with B = 1, got \(2, 20, 4\)",
        ),
    ],
    ids=["classes", "an SSD's", "ARM with three classes", "batch"],
)
def test_foreign_predictions_are_refused(predictions, message):
    model = mini()
    with pytest.raises(ValueError, match=message):
        model.loss(predictions, [NOTHING])
    with pytest.raises(ValueError, match=message):
        model.postprocess(predictions, [(32, 32)])


def golden_scene(recipe):
    """A recipe like 'scheme.gt_boxes(532,3,0,20,0.15,0.6)' as a target in px of the input."""
    numbers = recipe[recipe.index("(") + 1 : recipe.rindex(")")].split(",")
    boxes, labels = scheme.gt_boxes(*(float(n) if "." in n else int(n) for n in numbers))
    # Upstream's labels are 0-based, and matching adds 1.
    return {"boxes": 320 * torch.from_numpy(boxes), "labels": torch.from_numpy(labels) + 1}


@pytest.mark.parametrize(
    ("number", "seed", "arm_spread", "odm_spread"), [(0, 521, 3.0, 1.0), (1, 531, 5.0, 2.0)]
)
def test_golden_losses(number, seed, arm_spread, odm_spread, published, monkeypatch):
    model = published[0]
    case = scheme.load_golden("refinedet_boxes")["multibox_loss"][number]
    targets = [golden_scene(recipe) for recipe in case["targets"]]
    rng, shape = np.random.default_rng(seed), (len(targets), 6375)
    arm_deltas, arm_logits, odm_deltas, odm_logits = (
        torch.from_numpy((spread * rng.standard_normal((*shape, last))).astype(np.float32))
        for spread, last in ((0.5, 4), (arm_spread, 2), (1.0, 4), (odm_spread, 21))
    )
    predictions = RefineDetPredictions(arm_logits, arm_deltas, odm_logits, odm_deltas)
    assert model.config.negative_filter == "released"  # the preset is the published code
    released = model.loss(predictions, targets)
    corrected = dataclasses.replace(model.config, negative_filter="paper")
    monkeypatch.setattr(model, "config", corrected)
    paper = model.loss(predictions, targets)
    for name, expected in (
        ("arm_bbox_regression", case["arm_loss_l"]),
        ("arm_classification", case["arm_loss_c"]),
        ("odm_bbox_regression", case["odm_loss_l"]),
        ("odm_classification", case["odm_loss_c"]),
    ):
        assert released[name].item() == pytest.approx(expected, rel=1e-5)
    expected = case["odm_corrected"]
    assert paper["odm_bbox_regression"].item() == pytest.approx(expected["loss_l"], rel=1e-5)
    assert paper["odm_classification"].item() == pytest.approx(expected["loss_c"], rel=1e-5)
    assert paper["arm_classification"] == released["arm_classification"]


def test_golden_refined_matching(published):
    model = published[0]
    (case,) = (one for one in scheme.load_golden("refinedet_boxes")["match"] if "arm_loc" in one)
    arm = 0.5 * np.random.default_rng(514).standard_normal((1, 6375, 4))
    anchors = model.anchors(torch.from_numpy(arm.astype(np.float32)))
    target = golden_scene(case["gt"])
    targets = make_targets(
        target["boxes"] / 320, target["labels"], anchors[0], eps=model.config.encode_eps
    )
    positive = targets.labels.nonzero()[:, 0]
    assert positive.tolist() == case["positive_idx"]
    assert targets.labels[positive].tolist() == case["positive_label"]
    scheme.compare(targets.deltas[positive].numpy(), case["loc_t_positive"], 2e-4, 2e-4)


# -------------------------------------------------------------- the detection


def test_golden_detections(published):
    model = published[0]
    case = scheme.load_golden("refinedet_boxes")["detect"][0]
    odm_deltas, odm_logits = scheme.det_logits(541, 1, 6375, 21, 300, [3, 7, 12, 15], 4800)
    rng = np.random.default_rng(542)
    arm_deltas = (0.3 * rng.standard_normal((1, 6375, 4))).astype(np.float32)
    arm_logits = (3 * rng.standard_normal((1, 6375, 2))).astype(np.float32)
    parts = (arm_logits, arm_deltas, odm_logits, odm_deltas)
    predictions = RefineDetPredictions(*map(torch.from_numpy, parts))
    config = case["params"]
    assert (config["conf_thresh"], config["nms_thresh"], config["top_k"]) == (
        model.config.score_threshold,
        model.config.iou_threshold,
        model.config.max_candidates,
    )
    assert config["keep_top_k"] == model.config.max_detections
    assert config["objectness_thre"] == model.config.objectness_threshold
    (found,) = model.postprocess(predictions, [(1, 1)], clip=False)
    assert len(found["scores"]) == case["total"]
    assert set(found["labels"].tolist()) == {int(label) for label in case["per_class"]}
    for label, expected in case["per_class"].items():
        mine = found["labels"] == int(label)
        rows = torch.cat([found["scores"][mine, None], found["boxes"][mine]], dim=1)
        np.testing.assert_allclose(rows, expected, atol=2e-5)


def sure(prior, label, objectness=0.5, batch=1):
    """Everything is background but one prior."""
    predictions = zeros(batch)
    predictions.odm_logits[..., 0] = 20.0
    predictions.odm_logits[:, prior, label] = 40.0
    predictions.arm_logits[..., 1] = math.log(objectness / (1 - objectness))
    return predictions


def test_nothing_found():
    (found,) = mini().postprocess(sure(16, 0), [(32, 32)], score_threshold=0.5)
    assert found["boxes"].shape == (0, 4) and found["labels"].dtype == torch.int64


def test_two_decodings_by_hand():
    """Prior 17: (24, 8), 16 px.  The ARM: 8 px to the left, half as wide.  The ODM: half of *that*
    width to the right, twice as wide, half as high."""
    predictions = sure(17, 2)
    predictions.arm_deltas[0, 17] = torch.tensor([-5.0, 0, -5 * math.log(2), 0])
    predictions.odm_deltas[0, 17] = torch.tensor([5.0, 0, 5 * math.log(2), -5 * math.log(2)])
    (found,) = mini().postprocess(predictions, [(32, 64)], score_threshold=0.5)
    # (16, 8), 8 x 16; then (20, 8), 16 x 8; then twice as wide, because the picture is.
    torch.testing.assert_close(found["boxes"], torch.tensor([[24.0, 4.0, 56.0, 12.0]]))
    assert found["labels"].tolist() == [2] and found["priors"].tolist() == [17]
    (one_step,) = mini(two_step=False).postprocess(predictions, [(32, 32)], score_threshold=0.5)
    # from (24, 8), 16 x 16: (32, 8), 32 x 8, clipped
    torch.testing.assert_close(one_step["boxes"], torch.tensor([[16.0, 4.0, 32.0, 12.0]]))


@pytest.mark.parametrize(
    ("objectness", "negative_filter", "found"),
    [
        (0.0099, "paper", 0),
        (0.0101, "paper", 1),
        (0.0099, "released", 0),
        (0.0101, "released", 1),
        (0.0099, "off", 1),
        (1e-6, "off", 1),
    ],
)
def test_easy_negatives_are_not_detected(objectness, negative_filter, found):
    model = mini(negative_filter=negative_filter)
    (answer,) = model.postprocess(sure(16, 1, objectness), [(32, 32)], score_threshold=0.5)
    assert len(answer["scores"]) == found
    scores, boxes = model.scores_and_boxes(sure(16, 1, objectness))
    assert scores.any().item() == bool(found) and boxes.shape == (1, P, 4)


def test_caps_apply():
    """Published code takes the first step towards keep_top_k and never the second."""
    predictions = zeros()
    predictions.odm_logits[0, :16, 1] = torch.linspace(4, 5, 16)  # 16 boxes that do not touch
    predictions.odm_logits[0, 16:, 2] = torch.linspace(4, 5, 4)
    counts = []
    for changes in (
        {},
        {"max_candidates": 5},
        {"max_detections": 7},
        {"max_candidates": 3, "max_detections": 5},
    ):
        (found,) = mini(**changes).postprocess(predictions, [(32, 32)], score_threshold=0.5)
        counts.append([int((found["labels"] == label).sum()) for label in (1, 2)])
        assert (found["scores"].diff() <= 0).all()
    # 4.33 of the fourth box of class 2 is the score of the sixth of class 1, and so on
    assert counts[0] == [16, 4] and counts[1] == [5, 4]
    assert sum(counts[2]) == 7 and min(counts[2]) >= 1
    assert sum(counts[3]) == 5 and max(counts[3]) <= 3
    (three,) = mini().postprocess(predictions, [(32, 32)], max_detections=3)
    assert three["scores"].tolist() == pytest.approx(
        torch.cat([predictions.odm_logits[0, :16], predictions.odm_logits[0, 16:]])
        .softmax(-1)[:, 1:].flatten().sort(descending=True).values[:3].tolist()
    )  # fmt: skip


def test_a_batch_is_worth_its_images():
    model, predictions = mini(score_threshold=0.0), randoms(3)
    together = model.postprocess(predictions, [(32, 32)] * 3)
    for image, found in enumerate(together):
        one = RefineDetPredictions(*(part[image : image + 1] for part in predictions))
        (alone,) = model.postprocess(one, [(32, 32)])
        assert len(found["scores"]) > 0 and (found["scores"].diff() <= 0).all()
        assert all(torch.equal(found[key], alone[key]) for key in found)


def test_detection_is_the_plain_algorithm():
    """Filter, softmax, decode twice, NMS for each class: once more, without the base class."""
    model, predictions = mini(), randoms(1, seed=3)
    predictions.arm_logits.mul_(4)
    objectness = predictions.arm_logits[0].softmax(-1)[:, 1]
    assert 0 < (objectness <= 0.01).sum() < P
    anchors = refine_anchors(predictions.arm_deltas, model.priors)
    boxes = 32 * clip_boxes(decode(predictions.odm_deltas, anchors)[0], 1.0, 1.0)
    scores = predictions.odm_logits[0].softmax(-1)
    expected = []
    for label in (1, 2):
        chosen = ((objectness > 0.01) & (scores[:, label] > 0.01)).nonzero()[:, 0]
        keep = chosen[nms(boxes[chosen], scores[chosen, label], 0.45)]
        expected += [(scores[i, label].item(), label, i.item()) for i in keep]
    (found,) = model.postprocess(predictions, [(32, 32)])
    rows = zip(*(found[key].tolist() for key in ("scores", "labels", "priors")), strict=True)
    assert list(rows) == sorted(expected, reverse=True)
    torch.testing.assert_close(found["boxes"], boxes[found["priors"]])


@pytest.mark.parametrize("part", range(4), ids=RefineDetPredictions._fields)
def test_detection_names_the_image_that_is_not_finite(part):
    predictions = randoms(2)
    predictions[part][1, 3] = math.nan
    with pytest.raises(ValueError, match="those of image 1 are not finite"):
        mini().postprocess(predictions, [(32, 32)] * 2)


def test_detection_takes_half_precision():
    predictions = sure(16, 1)
    half = RefineDetPredictions(*(part.bfloat16() for part in predictions))
    (found,) = mini().postprocess(half, [(32, 32)], score_threshold=0.5)
    assert found["boxes"].dtype == torch.float32
    torch.testing.assert_close(found["boxes"], QUARTER["boxes"])


@pytest.mark.parametrize(
    "changes", [{}, {"tcb_channels": None}, {"two_step": False}, {"negative_filter": "off"}]
)
def test_detect_answers_like_every_detector(changes):
    model = mini(score_threshold=0.0, **changes)
    assert model.detect([]) == []
    images = [torch.randint(0, 256, (3, 20 + i, 40), dtype=torch.uint8) for i in range(3)]
    for found in model.detect(images):
        assert set(found) == {"boxes", "scores", "labels", "priors"}
        assert 0 < len(found["scores"]) <= model.config.max_detections
        assert (found["scores"].diff() <= 0).all()
        assert (found["boxes"] >= 0).all() and (found["boxes"][:, 2] <= 40).all()


# -------------------------------------------------------- configs and the whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 1}, "num_classes: expected an integer, at least 2 .*got 1"),
        ({"backbone": "vgg19"}, "backbone: expected one of 'vgg16', 'tiny', got 'vgg19'"),
        ({"backbone": "vgg16"}, "widths: expected for the backbone 'tiny' only"),
        ({"widths": ()}, "widths: expected for the backbone 'tiny' only"),
        ({"two_step": "no"}, "two_step: expected True or False, got 'no'"),
        ({"negative_filter": None}, "negative_filter: expected one of 'paper', 'released', 'off'"),
        ({"objectness_threshold": 1.5}, "objectness_threshold: .*from 0 to 1, got 1.5"),
        ({"match_threshold": -1}, "match_threshold: .*got -1"),
        ({"negative_ratio": -1.0}, "negative_ratio: .*got -1.0"),
        ({"encode_eps": -1e-5}, "encode_eps: .*got -1e-05"),
        ({"tcb_channels": 0}, "tcb_channels: expected an integer, at least 1, got 0"),
        ({"l2norm_scales": (10.0, -8.0)}, r"l2norm_scales: expected up to 2 positive numbers"),
        ({"l2norm_scales": (1.0, 1.0, 1.0)}, "l2norm_scales: expected up to 2"),
        ({"l2norm_scales": 10.0}, "l2norm_scales: .*got 10.0"),
        (
            {"priors": PriorConfig(32, (8, 2), (4, 16), (8, 16), (), ((), ()))},
            "a TCB doubles a map, expected level 0 to have 4 x 4 cells, got 8 x 8",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MINI, **changes)


def test_odd_pyramids_need_no_tcb():
    priors = PriorConfig(32, (8, 2), (4, 16), (8, 16), (), ((), ()))
    model = mini(priors=priors, tcb_channels=None)
    assert model(torch.zeros(1, 3, 32, 32)).odm_logits.shape == (1, 68, 3)


def test_levels_of_network_and_priors_must_agree():
    three = PriorConfig(320, (40, 20, 10), (8, 16, 32), (32, 64, 128), (), ((2,),) * 3)
    with pytest.raises(ValueError, match="make 4 levels, the priors have 3"), torch.device("meta"):
        RefineDet(dataclasses.replace(REFINEDET320_VGG16, priors=three))


def test_maps_of_network_and_priors_must_agree():
    wrong = PriorConfig(320, (48, 24, 12, 6), (8, 16, 32, 64), (32, 64, 128, 256), (), ((2,),) * 4)
    with torch.device("meta"):
        model = RefineDet(dataclasses.replace(REFINEDET320_VGG16, priors=wrong))
        with pytest.raises(ValueError, match="level 0 is laid out for a map of 48 x 48.* 40 x 40"):
            model(torch.zeros(1, 3, 320, 320))


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"num_classes": 4, "tcb_channels": None},
        {"two_step": False, "negative_filter": "off", "l2norm_scales": (10.0, 8.0)},
    ],
)
def test_save_and_load(tmp_path, overrides):
    model = create_model("refinedet_tiny", **overrides)
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value)


def test_presets_say_what_they_are():
    assert REFINEDET_TINY.negative_filter == "paper"
    assert REFINEDET_TINY.priors is SSD_TINY.priors
    with torch.device("meta"):
        tiny = create_model("refinedet_tiny")
        large = create_model("refinedet512_vgg16")
    assert tiny.config.two_step and tiny.config.tcb_channels
    white = torch.full((3, 1, 1), 255, dtype=torch.uint8)
    model = mini(image_mean=large.config.image_mean, image_std=large.config.image_std)
    got = model.normalize(white).flatten()
    torch.testing.assert_close(got, torch.tensor([132.0, 138.0, 151.0]), atol=0.01, rtol=0)


def test_the_training_loop_takes_it(tmp_path):
    image = torch.randint(0, 256, (3, 32, 32), dtype=torch.uint8)
    dataset = [(image, QUARTER), (image, NOTHING), (image, QUARTER), (image, QUARTER)]
    model = create_model("refinedet_tiny", **{
        field: getattr(MINI, field) for field in ("image_size", "priors", "num_classes", "widths")
    })  # fmt: skip
    config = TrainConfig(epochs=1, batch_size=2, warmup_steps=0)
    history = train(model, dataset, config, out=tmp_path, device="cpu", progress=False)
    parts = {f"{m}_{p}" for m in ("arm", "odm") for p in ("bbox_regression", "classification")}
    assert parts <= history[0].keys() and all(history[0][name] > 0 for name in parts)
    assert load_model(tmp_path / "model.safetensors").config == model.config


def test_one_image_is_learned_by_heart():
    # All parts at once: what the loss asks for is what detect gives back.
    torch.manual_seed(0)
    model = create_model("refinedet_tiny")
    image = torch.full((1, 3, 128, 128), 60, dtype=torch.uint8)
    image[..., 40:80, 20:70] = 220
    target = {"boxes": torch.tensor([[20.0, 40, 70, 80]]), "labels": torch.tensor([5])}
    flipped = {"boxes": torch.tensor([[58.0, 40, 108, 80]]), "labels": torch.tensor([5])}
    images = model.normalize(torch.cat([image, image.flip(-1)]))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    for _ in range(40):
        losses = model.loss(model(images), [target, flipped])
        optimizer.zero_grad()
        sum(losses.values()).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 10.0)
        optimizer.step()
    # Batch statistics of two images stand in for the running ones, which 40 steps leave behind.
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
            module.reset_running_stats()
    with torch.no_grad():
        predictions = model(images)
    found = model.eval().detect(image, score_threshold=0.5)[0]
    assert found["labels"].tolist() == [5]
    # The second step ends nearer than the first.
    overlap = box_iou(found["boxes"], target["boxes"]).item()
    assert overlap > 0.7
    anchor = 128 * cxcywh_to_xyxy(model.anchors(predictions.arm_deltas)[0, found["priors"]])
    assert 0.4 < box_iou(anchor, target["boxes"]).item() < 1
