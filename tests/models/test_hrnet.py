"""HRNet: block by block, the published figures, and the three networks made of it."""

import dataclasses
import functools
import importlib

import pytest
import torch
from torch import nn

from detlearn import create_model, list_models, load_model, load_reference_weights, save_model
from detlearn.models import POSE_HRNET_TINY, SSD_HRNET_TINY
from detlearn.models.hrnet import (
    HRFPN,
    HRNETV2P_TINY,
    BasicBlock,
    Bottleneck,
    FuseLayer,
    HighResolutionModule,
    HRNet,
    HRNetConfig,
    HRNetV2p,
    PoseHRNet,
    Transition,
)
from tests import golden_scheme as scheme

UPSTREAM = "leoxiaobin/deep-high-resolution-net.pytorch"
DETECTION = "HRNet/HRNet-Object-Detection"
WIDTHS = (4, 8, 16)
SMALL = HRNetConfig(
    widths=(4, 8, 16, 32), modules=(1, 2, 2), num_blocks=1, stem_width=8, stage1_width=4,
    stage1_blocks=1,
)  # fmt: skip


def maps_of(widths, side=8, batch=1):
    return [torch.randn(batch, width, side // 2**i, side // 2**i) for i, width in enumerate(widths)]


def layers_of(path, kind):
    return [layer for layer in path.modules() if isinstance(layer, kind)]


# ------------------------------------------------------------------- blocks


@pytest.mark.parametrize("build", [lambda: BasicBlock(8), lambda: Bottleneck(8, 2)])
def test_blocks_add_what_they_were_given(build):
    block = build().eval()
    for layer in layers_of(block, nn.BatchNorm2d):
        nn.init.zeros_(layer.weight)  # the branch says nothing
    maps = torch.randn(1, 8, 4, 4)
    with torch.no_grad():
        assert torch.equal(block(maps), maps.relu())


def test_bottleneck_widens_its_shortcut_only_where_it_must():
    assert isinstance(Bottleneck(64, 16).shortcut, nn.Identity)
    assert layers_of(Bottleneck(32, 16).shortcut, nn.Conv2d)[0].kernel_size == (1, 1)


def test_same_branch_is_handed_on():
    maps = torch.randn(1, 8, 4, 4)
    assert FuseLayer(1, 1, WIDTHS)(maps) is maps


@pytest.mark.parametrize(("receiver", "giver"), [(0, 1), (0, 2), (1, 2)])
def test_up_is_one_convolution_and_repeated_cells(receiver, giver):
    cell = FuseLayer(receiver, giver, WIDTHS).eval()
    (conv,) = layers_of(cell, nn.Conv2d)
    assert conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.bias is None
    assert not layers_of(cell, nn.ReLU)
    with torch.no_grad():
        out = cell(torch.randn(1, WIDTHS[giver], 2, 2))
    times = 2 ** (giver - receiver)
    assert out.shape == (1, WIDTHS[receiver], 2 * times, 2 * times)
    # nearest: the corner's block is one number
    assert (out[..., :times, :times] == out[..., :1, :1]).all()
    assert not torch.equal(out[..., 0, 0], out[..., 0, -1])


@pytest.mark.parametrize(("receiver", "giver"), [(1, 0), (2, 0), (2, 1)])
def test_down_is_a_chain_that_halves(receiver, giver):
    cell = FuseLayer(receiver, giver, WIDTHS)
    convolutions = layers_of(cell, nn.Conv2d)
    steps = receiver - giver
    assert len(convolutions) == steps
    assert all(conv.stride == (2, 2) and conv.kernel_size == (3, 3) for conv in convolutions)
    # channels change at the last, which has no ReLU
    assert [conv.out_channels for conv in convolutions[:-1]] == [WIDTHS[giver]] * (steps - 1)
    assert convolutions[-1].out_channels == WIDTHS[receiver]
    assert len(layers_of(cell, nn.ReLU)) == steps - 1
    assert [layer for layer in cell.modules() if not list(layer.children())][-1].__class__ is (
        nn.BatchNorm2d
    )
    assert cell(torch.randn(2, WIDTHS[giver], 8, 8)).shape[-1] == 8 // 2**steps


def test_module_is_the_sum_over_its_row():
    torch.manual_seed(0)
    module = HighResolutionModule(WIDTHS, num_blocks=1).eval()
    features = maps_of(WIDTHS)
    with torch.no_grad():
        found = module(features)
        branches = [branch(maps) for branch, maps in zip(module.branches, features, strict=True)]
        for i, maps in enumerate(found):
            total = sum(module.fuse[i][j](branches[j]) for j in range(3))
            torch.testing.assert_close(maps, total.relu())


def test_every_cell_counts_once():
    # Lite-HRNet issue 64: branch 0 entered its own sum twice.
    module = HighResolutionModule((4, 8), num_blocks=1, num_outputs=1).eval()
    ones = [torch.ones(1, 4, 4, 4), torch.ones(1, 8, 2, 2)]
    module.branches = nn.ModuleList(nn.Identity() for _ in range(2))
    module.fuse[0][1] = nn.Identity()
    with torch.no_grad():
        assert (module([ones[0], torch.zeros(1, 4, 4, 4)])[0] == 1).all()


def test_module_leaves_its_input_alone():
    module = HighResolutionModule(WIDTHS, num_blocks=1)
    features = maps_of(WIDTHS, batch=2)
    given, before = list(features), [maps.clone() for maps in features]
    module(features)
    assert all(a is b for a, b in zip(features, given, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(features, before, strict=True))


def test_module_without_exchange_has_strangers_for_branches():
    module = HighResolutionModule(WIDTHS, num_blocks=1, fuse=False).eval()
    features = maps_of(WIDTHS)
    with torch.no_grad():
        before = module(features)
        after = module([features[0], features[1] + 1, features[2]])
    assert torch.equal(before[0], after[0]) and torch.equal(before[2], after[2])
    assert not torch.equal(before[1], after[1])
    assert not [key for key in module.state_dict() if key.startswith("fuse")]


def test_module_with_one_output_has_one_row():
    module = HighResolutionModule(WIDTHS, num_blocks=1, num_outputs=1)
    assert len(module.fuse) == 1 and len(module(maps_of(WIDTHS, batch=2))) == 1


def test_transition_opens_a_branch_below_the_last():
    transition = Transition((4, 8), (4, 8, 16)).eval()
    features = maps_of((4, 8))
    with torch.no_grad():
        found = transition(features)
        changed = transition([features[0] + 1, features[1]])
    assert found[0] is features[0] and found[1] is features[1]
    assert found[2].shape == (1, 16, 2, 2) and (found[2] >= 0).all()
    assert torch.equal(found[2], changed[2])  # it comes from the last alone
    assert len(features) == 2


def test_first_transition_convolves_both():
    transition = Transition((256,), (32, 64))
    shapes = [(conv.in_channels, conv.out_channels, conv.stride[0])
              for conv in layers_of(transition, nn.Conv2d)]  # fmt: skip
    assert shapes == [(256, 32, 1), (256, 64, 2)]


def test_transition_refuses_two_new_branches():
    with pytest.raises(ValueError, match="expected one branch more than 1, got"):
        Transition((4,), (4, 8, 16))


# ------------------------------------------------------------------- the trunk


def test_branches_of_the_trunk():
    with torch.no_grad():
        features = HRNet(SMALL).eval()(torch.randn(1, 3, 64, 96))
    assert [tuple(maps.shape) for maps in features] == [
        (1, 4, 16, 24), (1, 8, 8, 12), (1, 16, 4, 6), (1, 32, 2, 3)
    ]  # fmt: skip


def fusions(config):
    return sum(bool(module.fuse) for stage in HRNet(config).stages for module in stage)


@pytest.mark.parametrize(
    ("switches", "left"),
    [
        ({}, 8),
        ({"fuse_within": False}, 3),
        ({"fuse_across": False}, 6),
        ({"fuse_within": False, "fuse_across": False}, 1),
        ({"fuse_within": False, "fuse_across": False, "fuse_final": False}, 0),
    ],
    ids=["published", "across stages", "within stages", "final only", "none"],
)
def test_switches_leave_so_many_exchange_units(switches, left):
    config = dataclasses.replace(SMALL, modules=(1, 4, 3), **switches)
    with torch.device("meta"):
        assert fusions(config) == left


def test_without_fusion_the_finest_branch_hears_nobody():
    switches = {"fuse_within": False, "fuse_across": False, "fuse_final": False}
    model = HRNet(dataclasses.replace(SMALL, **switches), num_outputs=1)
    model(torch.randn(2, 3, 32, 32))[0].sum().backward()
    taught = {key.split(".branches.")[1][0] for key, p in model.named_parameters()
              if "branches" in key and p.grad is not None}  # fmt: skip
    assert taught == {"0"}


@pytest.mark.parametrize("size", [(250, 190), (32, 40), (1, 1)])
def test_odd_sides_get_a_sentence(size):
    model = HRNet(SMALL)
    with pytest.raises(ValueError, match="multiples of 32, got .*pad=True"):
        model(torch.zeros(1, 3, *size))


def test_the_sentence_names_a_size_that_would_do():
    with pytest.raises(ValueError, match="got 250 x 190; 256 x 192 would do, or pad=True"):
        HRNet(SMALL)(torch.zeros(1, 3, 250, 190))


def test_padding_is_zeros_right_and_below():
    torch.manual_seed(0)
    plain, padding = HRNet(SMALL).eval(), HRNet(dataclasses.replace(SMALL, pad=True)).eval()
    padding.load_state_dict(plain.state_dict())
    images = torch.randn(1, 3, 50, 70)
    wide = torch.zeros(1, 3, 64, 96)
    wide[..., :50, :70] = images
    with torch.no_grad():
        found, expected = padding(images), plain(wide)
    sides = [(13, 18), (7, 9), (4, 5), (2, 3)]
    for maps, whole, (height, width) in zip(found, expected, sides, strict=True):
        assert torch.equal(maps, whole[..., :height, :width]) and maps.shape[-1] == width
        assert maps.shape[-2] == height


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (32, 64)}, "widths: expected one more than modules, 4, got"),
        ({"widths": ()}, r"widths: expected one more than modules, 4, got \(\)"),
        ({"widths": (32,), "modules": ()}, "modules: expected those of at least one stage"),
        ({"modules": (1, 0, 3)}, "modules: expected a tuple of integers above 0"),
        ({"num_blocks": 0}, "num_blocks: expected an integer, at least 1, got 0"),
        ({"fuse_within": "no"}, "fuse_within: expected True or False, got 'no'"),
        ({"crop_size": (100, 96)}, r"crop_size: .*multiples of 32, got \(100, 96\)"),
        ({"crop_size": 128}, "crop_size: .*got 128"),
        ({"num_joints": 0}, "num_joints: expected an integer, at least 1, got 0"),
        ({"sigma": 0.0}, "sigma: expected a positive number"),
        ({"decoding": "udp"}, "decoding: .*got 'udp'"),
        ({"flip_order": (1, 0)}, "flip_order: expected each of the 17 joints once"),
        ({"hard_joints": 18}, "hard_joints: expected 1 to 17, got 18"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_configs_refuse(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(POSE_HRNET_TINY, **changes)


# ------------------------------------------------------------------- published sizes


@functools.cache  # on "meta" a model has no numbers, so none can change
def on_meta(name, **overrides):
    with torch.device("meta"):
        return create_model(name, **overrides)


def size_of(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("name", "overrides", "parameters"),
    [
        ("pose_hrnet_w32", {}, 28_536_113),
        ("pose_hrnet_w48", {}, 63_595_745),
        ("pose_hrnet_w32", {"num_joints": 16, "crop_size": (256, 256)}, 28_536_080),
    ],
)
def test_pose_networks_have_the_published_size(name, overrides, parameters):
    model = on_meta(name, **overrides)
    assert size_of(model) == parameters
    assert len(layers_of(model, nn.BatchNorm2d)) == 292
    height, width = model.config.crop_size
    maps = model(torch.zeros(2, 3, height, width, device="meta"))
    assert maps.shape == (2, model.config.num_joints, *model.config.heatmap_size)
    assert maps.shape[-2:] == (height // 4, width // 4)


@pytest.mark.parametrize(
    ("name", "trunk", "neck"),
    [
        ("hrnetv2p_w18", 9_562_260, 3_019_776),
        ("hrnetv2p_w32", 29_305_536, 3_073_536),
        ("hrnetv2p_w40", 45_521_216, 3_104_256),
    ],
)
def test_pyramids_have_the_published_size(name, trunk, neck):
    model = on_meta(name)
    assert (size_of(model.trunk), size_of(model.neck)) == (trunk, neck)
    pyramid = model(torch.zeros(1, 3, 128, 192, device="meta"))
    assert [tuple(maps.shape) for maps in pyramid] == [
        (1, 256, 32 // 2**k, 48 // 2**k) for k in range(5)
    ]


def test_all_names_are_there():
    names = {"pose_hrnet_w32", "pose_hrnet_w48", "pose_hrnet_tiny", "hrnetv2p_w18", "hrnetv2p_w32",
             "hrnetv2p_w40", "ssd_hrnetv2p_w18", "ssd_hrnet_tiny"}  # fmt: skip
    assert names <= set(list_models())


def test_tiny_networks_are_tiny():
    # as large as ssd_tiny, whose weights fit into two megabytes
    for name in ("pose_hrnet_tiny", "ssd_hrnet_tiny"):
        assert 300_000 < size_of(on_meta(name)) < 560_000


# ------------------------------------------------------------------- published figures


@pytest.fixture(scope="module")
def golden():
    return scheme.load_golden("hrnet_pose_w32_256x192")


@pytest.fixture(scope="module")
def w32():
    with torch.device("meta"):
        model = create_model("pose_hrnet_w32")
    assert isinstance(model, PoseHRNet)
    return model.to_empty(device="cpu").eval()


@pytest.fixture(scope="module", params=["A", "B"])
def run(request, golden, w32):
    """The network with the figures' weights, and what each of its parts said."""
    arrays = scheme.fill_state_dict(golden["manifest"], request.param)
    state = {key: torch.from_numpy(array) for key, array in arrays.items()}
    load_reference_weights(w32, state, source=UPSTREAM)
    said, hooks = {}, []

    def listen(module, name):
        hooks.append(module.register_forward_hook(lambda m, i, output: said.update({name: output})))

    listen(w32.trunk.stem, "stem")
    listen(w32.trunk.stage1, "layer1")
    for number, (transition, stage) in enumerate(
        zip(w32.trunk.transitions, w32.trunk.stages, strict=True), start=2
    ):
        listen(transition, f"stage{number}_in")
        listen(stage[0], f"stage{number}_module1_out")
        listen(stage, f"stage{number}_out")
    images = torch.from_numpy(scheme.image(256, 192, batch=1, seed=7))
    with torch.no_grad():
        said["heatmaps"] = w32(images)
    for hook in hooks:
        hook.remove()
    return request.param, w32, images, said


def test_every_stage_equals_the_published_network(golden, run):
    variant, _, _, said = run
    figures = golden["variants"][variant]
    assert len(figures) == 25
    for name, figure in figures.items():
        part, _, branch = name.partition(".")
        maps = said[part]
        maps = maps[int(branch or 0)] if isinstance(maps, list) else maps
        scheme.compare(maps.numpy(), figure, atol_std=1e-4 if variant == "B" else 1e-3)
    assert len(said["stage4_out"]) == 1


def test_flip_test_equals_the_published_one(run):
    variant, model, images, _ = run
    if variant == "A":
        pytest.skip("the figures of the flip test are of variant B")
    (figures,) = scheme.load_golden("pose_functions")["flip_test"]
    with torch.no_grad():
        plain, shifted = (model.heatmaps(images, shift=shift) for shift in (False, True))
    scheme.compare(plain.numpy(), figures["average_no_shift"])
    scheme.compare(shifted.numpy(), figures["average_shifted"])
    flat = shifted.flatten(2).max(dim=-1)
    torch.testing.assert_close(
        flat.values, torch.tensor(figures["maxvals_shifted"]), rtol=1e-4, atol=1e-3
    )
    sure = flat.values > 0
    places = torch.stack([flat.indices % 48, flat.indices // 48], dim=-1) * sure[..., None]
    assert places.tolist() == figures["max_preds_shifted"]


# ------------------------------------------------------------------- checkpoints


def their_keys(model, source):
    """A random state of one of our models under the keys of a source."""
    from detlearn.models import weights as reference

    layout = reference.SOURCES[source][model.config.name]
    return {reference.translate_key(key, layout)[0][0]: torch.randn(tensor.shape) if tensor.ndim else tensor
            for key, tensor in model.state_dict().items()}  # fmt: skip


def test_detection_checkpoint_without_its_heads():
    model = create_model("hrnetv2p_w18")
    state = their_keys(model, DETECTION)
    assert "backbone.stage2.0.fuse_layers.1.0.0.0.weight" in state
    assert "backbone.transition3.3.0.1.running_mean" in state
    assert {"neck.reduction_conv.0.bias", "neck.fpn_conv.4.weight"} <= state.keys()
    heads = {"rpn_head.rpn_conv.weight": torch.zeros(1), "bbox_head.fc_cls.bias": torch.zeros(1)}
    assert load_reference_weights(model, state | heads, source=DETECTION) is model
    assert torch.equal(model.neck.levels[4].weight, state["neck.fpn_conv.4.weight"])
    cell = model.trunk.stages[2][1].fuse[3][0]
    for step in range(3):
        theirs = state[f"backbone.stage4.1.fuse_layers.3.0.{step}.0.weight"]
        assert torch.equal(cell[step].conv.weight, theirs)


def classifier_of(trunk):
    """A trunk with all four branches and the ImageNet classifier's other layers, their keys."""
    from detlearn.models import weights as reference

    layout = reference.SOURCES["timm"]["HRNet"]
    torch.manual_seed(1)
    state = {reference.translate_key(key, layout)[0][0]: torch.randn(tensor.shape) if tensor.ndim else tensor
             for key, tensor in trunk.state_dict().items()}  # fmt: skip
    others = ("incre_modules.0.0.conv1.weight", "downsamp_modules.0.0.bias", "final_layer.0.bias",
              "classifier.weight", "classifier.bias")  # fmt: skip
    return state | {key: torch.randn(3) for key in others}


def test_a_classifiers_trunk_begins_a_pose_network():
    model = create_model("pose_hrnet_tiny")
    checkpoint = classifier_of(HRNet(POSE_HRNET_TINY))
    head = model.head.weight.clone()
    report = load_reference_weights(model, checkpoint, source="timm", trunk_only=True)
    own = model.state_dict()
    assert set(report.loaded) | set(report.untouched) == set(own)
    assert report.untouched == ("head.weight", "head.bias") and torch.equal(model.head.weight, head)
    assert torch.equal(own["trunk.stem.0.conv.weight"], checkpoint["conv1.weight"])
    last = len(model.trunk.stages[2]) - 1
    # three rows of the last matrix, which the pose network does not have, and the classifier
    rows = [key for key in report.unused if key.startswith(f"stage4.{last}.fuse_layers.")]
    assert rows and {key.split(".")[3] for key in rows} == {"1", "2", "3"}
    assert set(report.unused) - set(rows) == {
        "incre_modules.0.0.conv1.weight", "downsamp_modules.0.0.bias", "final_layer.0.bias",
        "classifier.weight", "classifier.bias",
    }  # fmt: skip
    text = str(report)
    assert f"{len(report.loaded)} tensors loaded" in text
    assert "head.weight" in text and "classifier.weight" in text and "stage4.1" in text


def test_the_same_trunk_begins_detectors():
    for name in ("hrnetv2p_w18", "ssd_hrnetv2p_w18"):
        model = on_meta(name)
        trunk = model.trunk if name == "hrnetv2p_w18" else model.backbone.trunk
        state = {key: torch.zeros(tensor.shape, device="meta", dtype=tensor.dtype)
                 for key, tensor in classifier_of(trunk).items()}  # fmt: skip
        report = load_reference_weights(model, state, source="timm", trunk_only=True)
        assert len(report.loaded) == len(trunk.state_dict())
        assert all("trunk" not in key for key in report.untouched)


def test_an_incomplete_trunk_is_refused():
    model = create_model("pose_hrnet_tiny")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    checkpoint = classifier_of(HRNet(POSE_HRNET_TINY))
    del checkpoint["stage2.0.fuse_layers.0.1.0.weight"]
    checkpoint["conv1.weight"] = torch.zeros(64, 3, 7, 7)
    with pytest.raises(ValueError, match="1 missing: stage2.0.fuse_layers.0.1.0.weight") as caught:
        load_reference_weights(model, checkpoint, source="timm", trunk_only=True)
    assert "conv1.weight is (64, 3, 7, 7)" in str(caught.value)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_trunk_alone_is_not_loaded_as_the_whole():
    with pytest.raises(ValueError, match="trunk alone, not for pose_hrnet_tiny; trunk_only=True"):
        load_reference_weights(on_meta("pose_hrnet_tiny"), {}, source="timm")
    with pytest.raises(ValueError, match="expected a model with HRNet in it, got ssd_tiny"):
        load_reference_weights(on_meta("ssd_tiny"), {}, source="timm", trunk_only=True)
    with pytest.raises(
        ValueError, match="torchvision has weights for ssd300_vgg16.* not for HRNet"
    ):
        load_reference_weights(
            on_meta("pose_hrnet_tiny"), {}, source="torchvision", trunk_only=True
        )


@pytest.mark.parametrize("width", [18, 32])
def test_timms_trunk_is_ours(width):
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        pytest.skip("timm is not installed; pip install timm to compare with its HRNet")
    torch.manual_seed(0)
    theirs = timm.create_model(
        f"hrnet_w{width}", features_only=True, feature_location="", pretrained=False
    ).eval()
    for layer in layers_of(theirs, nn.BatchNorm2d):
        nn.init.uniform_(layer.weight, 0.25, 0.75)
        nn.init.uniform_(layer.running_var, 0.5, 1.5)
    ours = create_model(f"hrnetv2p_w{width}").eval()
    report = load_reference_weights(ours, theirs.state_dict(), source="timm", trunk_only=True)
    assert report.unused == () and len(report.loaded) == len(ours.trunk.state_dict())
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        _, *expected = theirs(images)  # the first is the stem's
        found = ours.trunk(images)
    for maps, want in zip(found, expected, strict=True):
        torch.testing.assert_close(maps, want, rtol=1e-4, atol=1e-4)


# ------------------------------------------------------------------- the pose network


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    return create_model("pose_hrnet_tiny").eval()


def test_every_parameter_of_the_tiny_networks_is_taught():
    model = on_meta("pose_hrnet_tiny")
    model(torch.zeros(2, 3, 128, 96, device="meta")).sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []
    pyramid = HRNetV2p(HRNETV2P_TINY)
    sum(maps.sum() for maps in pyramid(torch.randn(2, 3, 64, 64))).backward()
    assert [key for key, p in pyramid.named_parameters() if p.grad is None] == []


def test_the_head_starts_small(tiny):
    # The targets are nearly everywhere 0: so shall the first answer be.
    assert tiny.head.weight.std() < 0.002 and (tiny.head.bias == 0).all()


@pytest.mark.parametrize(
    ("crops", "message"),
    [
        (torch.zeros(3, 128, 96), r"got torch.float32 of shape \(3, 128, 96\)"),
        (torch.zeros(1, 3, 128, 96, dtype=torch.uint8), "got torch.uint8 .*model.estimate takes"),
        (torch.zeros(1, 3, 120, 96), "multiples of 32, got 120 x 96; 128 x 96 would do"),
    ],
)
def test_forward_refuses(tiny, crops, message):
    with pytest.raises(ValueError, match=message):
        tiny(crops)


def test_loss_reads_the_target(tiny):
    maps = torch.zeros(2, 17, 32, 24)
    target = {"heatmaps": torch.zeros(17, 32, 24), "weights": torch.zeros(17)}
    hit = {"heatmaps": torch.ones(17, 32, 24), "weights": torch.ones(17)}
    assert tiny.loss(maps, [target, target])["heatmaps"] == 0
    assert tiny.loss(maps, [target, hit])["heatmaps"] == pytest.approx(0.25)  # half of a half
    one = {"heatmaps": torch.ones(17, 32, 24), "weights": torch.eye(17)[0]}
    hard = create_model("pose_hrnet_tiny", hard_joints=1)
    assert hard.loss(maps[:1], [one])["heatmaps"] == pytest.approx(0.5)
    assert tiny.loss(maps[:1], [one])["heatmaps"] == pytest.approx(0.5 / 17)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ([], "expected one for each of the 1 crops, got 0"),
        ([{"boxes": 0}], r"targets\[0\]: expected 'heatmaps' and 'weights', got \['boxes'\]"),
        ([{"heatmaps": torch.zeros(17, 64, 48), "weights": torch.zeros(17)}],
         r"targets\[0\]: expected heatmaps \(17, 32, 24\), got \(17, 64, 48\)"),
    ],
)  # fmt: skip
def test_loss_refuses(tiny, targets, message):
    with pytest.raises(ValueError, match=message):
        tiny.loss(torch.zeros(1, 17, 32, 24), targets)


def brightness(crops):
    """Stands in for a trained network: the heat map is the crop's brightness, every fourth px."""
    return crops[:, :1, 2::4, 2::4].expand(-1, 17, -1, -1)


@pytest.mark.parametrize("decoding", ["argmax", "quarter", "dark"])
@pytest.mark.parametrize("flip", [False, True])
def test_estimate_leads_back_to_the_picture(decoding, flip):
    model = create_model("pose_hrnet_tiny", sigma=1.5)
    model.forward = brightness
    rows, columns = torch.meshgrid(torch.arange(90.0), torch.arange(120.0), indexing="ij")
    images, boxes = [], []
    for x, y in ((70.0, 40.0), (33.0, 52.0)):  # a soft dot in a grey picture
        dot = (-((columns + 0.5 - x) ** 2 + (rows + 0.5 - y) ** 2) / 60).exp()
        images.append((40 + 200 * dot).to(torch.uint8).expand(3, -1, -1))
        boxes.append(
            torch.tensor([[x - 25.0, y - 34, x + 15, y + 26], [x - 12, y - 20, x + 30, y + 35]])
        )
    found = model.estimate(images, boxes, flip=flip, decoding=decoding, shift=True)
    for one, (x, y) in zip(found, ((70.0, 40.0), (33.0, 52.0)), strict=True):
        assert one["keypoints"].shape == (2, 17, 3) and one["keypoints_scores"].shape == (2, 17)
        distance = (one["keypoints"][:, 0, :2] - torch.tensor([x, y])).norm(dim=-1)
        # A heat-map pixel is 2.3 px of the picture at most; the stand-in's grid is 1.5 px off,
        # since its pixel i looks at 4 i + 2.5.
        assert (distance < (3.5 if decoding == "argmax" else 2.5)).all(), distance


def test_estimate_takes_no_people_and_keeps_the_mode(tiny):
    image = torch.zeros(3, 40, 50, dtype=torch.uint8)
    assert tiny.estimate([], []) == []
    tiny.train()
    found = tiny.estimate([image, image], [torch.zeros(0, 4), torch.tensor([[1.0, 1, 20, 30]])])
    assert tiny.training
    tiny.eval()
    assert found[0]["keypoints"].shape == (0, 17, 3) and found[0]["scores"].shape == (0,)
    assert found[1]["keypoints"].shape == (1, 17, 3) and not found[1]["scores"].is_inference()


def test_a_persons_score_is_the_boxs_times_its_sure_joints(tiny):
    model = create_model("pose_hrnet_tiny")
    heights = torch.linspace(0.1, 0.9, 17)

    def forward(crops):
        maps = torch.zeros(len(crops), 17, 32, 24)
        maps[..., 10, 10] = heights
        return maps

    model.forward = forward
    image, box = torch.zeros(3, 40, 50), torch.tensor([[1.0, 1, 20, 30]])
    found = model.estimate([image], [box], [torch.tensor([0.5])], flip=False)[0]
    expected = 0.5 * heights[heights > 0.2].mean()
    torch.testing.assert_close(found["scores"], expected[None])
    torch.testing.assert_close(found["keypoints_scores"][0], heights)


@pytest.mark.parametrize(
    ("images", "boxes", "message"),
    [
        ([torch.zeros(3, 8, 8)], [], "boxes: expected one tensor .* for each of the 1 images"),
        ([torch.zeros(8, 8)], [torch.zeros(0, 4)], r"images\[0\]: expected RGB .*grayscale"),
        ([torch.zeros(3, 8, 8)], [torch.zeros(4)], r"boxes\[0\]: expected a tensor \(N, 4\)"),
        ([torch.zeros(3, 8, 8)], [torch.tensor([[5.0, 1, 2, 3]])], r"boxes\[0\]: box 0 is .*x1 < x2"),
    ],
)  # fmt: skip
def test_estimate_refuses(tiny, images, boxes, message):
    with pytest.raises(ValueError, match=message):
        tiny.estimate(images, boxes)


def test_joints_of_another_order_need_one():
    model = create_model("pose_hrnet_tiny", num_joints=5)
    image, box = torch.zeros(3, 40, 50), torch.tensor([[1.0, 1, 20, 30]])
    assert model.estimate([image], [box], flip=False)[0]["keypoints"].shape == (1, 5, 3)
    with pytest.raises(
        ValueError, match="flip_order: these 5 joints are neither COCO's nor MPII's"
    ):
        model.estimate([image], [box])
    model = create_model("pose_hrnet_tiny", num_joints=5, flip_order=(0, 2, 1, 4, 3))
    assert model.estimate([image], [box])[0]["keypoints"].shape == (1, 5, 3)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("pose_hrnet_tiny", {"num_joints": 3, "flip_order": (0, 2, 1), "fuse_within": False}),
        ("ssd_hrnet_tiny", {"hrnet": dataclasses.replace(HRNETV2P_TINY, fuse_across=False)}),
    ],
)
def test_saved_and_loaded(tmp_path, name, overrides):
    model = create_model(name, **overrides)
    save_model(model, tmp_path / "model.safetensors", {"note": "none"})
    again = load_model(tmp_path / "model.safetensors")
    assert again.config == model.config and type(again) is type(model) and not again.training
    state = again.state_dict()
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())


def test_pose_networks_know_no_classes(tmp_path):
    with pytest.raises(ValueError, match="pose_hrnet_tiny knows no classes"):
        save_model(create_model("pose_hrnet_tiny"), tmp_path / "a", {"class_names": '["a"]'})


# ------------------------------------------------------------------- the pyramid as a detector


def test_neck_levels_are_means_of_one_fine_map():
    neck = HRFPN((2, 4), 3, num_levels=3)
    for level in neck.levels:  # the last convolutions hand their input on
        nn.init.dirac_(level.weight)
    features = maps_of((2, 4))
    with torch.no_grad():
        fine, middle, coarse = neck(features)
    torch.testing.assert_close(middle, nn.functional.avg_pool2d(fine, 2))
    torch.testing.assert_close(coarse, nn.functional.avg_pool2d(fine, 4))


def test_ssd_on_hrnet():
    model = create_model("ssd_hrnet_tiny").eval()
    assert model.config.priors == create_model("ssd_tiny").config.priors
    with torch.no_grad():
        logits, deltas = model(torch.randn(1, 3, 128, 128))
    P = model.config.priors.num_priors
    assert logits.shape == (1, P, 9) and deltas.shape == (1, P, 4)
    target = {"boxes": torch.tensor([[40.0, 40, 80, 80]]), "labels": torch.tensor([2])}
    losses = model.train().loss(model(torch.randn(2, 3, 128, 128)), [target, target])
    sum(losses.values()).backward()
    assert model.backbone.trunk.stem[0].conv.weight.grad.abs().sum() > 0


def test_ssd_hrnetv2p_w18_has_a_prior_for_every_prediction():
    model = on_meta("ssd_hrnetv2p_w18")
    logits, deltas = model(torch.zeros(1, 3, 512, 512, device="meta"))
    assert logits.shape == (1, 54_528, 81) and deltas.shape == (1, 54_528, 4)
    assert size_of(model.backbone) == 9_562_260 + 3_019_776


def test_only_hrnet_has_an_hrnet():
    with pytest.raises(ValueError, match="hrnet: expected an HRNetV2pConfig for the backbone 'hrn"):
        dataclasses.replace(SSD_HRNET_TINY, hrnet=None)
    with pytest.raises(ValueError, match="for 'resnet50'"):
        create_model("ssd300_resnet50", hrnet=HRNETV2P_TINY)
