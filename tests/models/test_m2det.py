"""M2Det: the blocks by hand, the published network by its figures, detection and training."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from detlearn import create_model, load_model, load_reference_weights, save_model
from detlearn.boxes import (
    M2DET320_PRIORS,
    M2DET512_PRIORS,
    M2DET704_PRIORS,
    M2DET800_PRIORS,
    clip_boxes,
    make_priors,
)
from detlearn.models import M2DET512_VGG16, M2DET_TINY, M2Det, Predictions
from detlearn.models import m2det as m2
from detlearn.models import weights as reference
from detlearn.models.backbones import SE_RESNETS, VGG19, ResNetFamily, list_resnets
from detlearn.training import RECIPES
from tests import golden_scheme as scheme

UPSTREAM = "VDIGPKU/M2Det"


def on_meta(name, **overrides):
    with torch.device("meta"):
        return create_model(name, **overrides).eval()


def count(module):
    return sum(p.numel() for p in module.parameters())


def sides(maps):
    return [each.shape[-1] for each in maps]


def empty_meta(*shape):
    return torch.empty(shape, device="meta")


# ------------------------------------------------------------ blocks, by hand


def plain(conv):
    """A BasicConv that hands on its first input channel: the middle tap is 1, BatchNorm is off."""
    nn.init.zeros_(conv.conv.weight)
    middle = conv.conv.kernel_size[0] // 2
    conv.conv.weight.data[:, 0, middle, middle] = 1
    conv.bn.eps = 0.0
    return conv.eval()


def test_basic_conv_is_convolution_norm_relu():
    block = m2.BasicConv(1, 1, 1).eval()
    nn.init.constant_(block.conv.weight, 2.0)
    block.bn.running_mean.fill_(1.0)
    block.bn.eps = 0.0
    assert block(torch.tensor([[[[3.0, 0.0]]]])).tolist() == [[[[5.0, 0.0]]]]  # 2x - 1, not below 0
    assert (
        block.conv.bias is None
        and block.bn.momentum == 0.01
        and m2.BasicConv(1, 1, 1).bn.eps == 1e-5
    )


def test_ffm1_enlarges_the_deep_map_by_repeating_its_cells():
    ffm = m2.FFMv1((1, 1), (1, 1))
    plain(ffm.reduce), plain(ffm.up_reduce)
    shallow = torch.arange(16.0).reshape(1, 1, 4, 4)
    deep = torch.tensor([[[[10.0, 20], [30, 40]]]])
    base = ffm(shallow, deep)
    assert torch.equal(base[:, :1], shallow)
    assert base[0, 1].tolist() == [
        [10, 10, 20, 20],
        [10, 10, 20, 20],
        [30, 30, 40, 40],
        [30, 30, 40, 40],
    ]


def test_ffm1_takes_maps_whose_sides_are_odd():
    ffm = m2.FFMv1((2, 3), (4, 5)).eval()
    assert ffm(torch.zeros(1, 2, 37, 37), torch.zeros(1, 3, 18, 18)).shape == (1, 9, 37, 37)


def test_ffm2_puts_the_thinned_base_first():
    ffm = m2.FFMv2(2, 1)
    plain(ffm.leach)
    base, previous = torch.full((1, 2, 1, 1), 3.0), torch.full((1, 2, 1, 1), 7.0)
    assert ffm(base).flatten().tolist() == [3]
    assert ffm(base, previous).flatten().tolist() == [3, 7, 7]


@pytest.mark.parametrize(
    ("side", "scales", "expected"),
    [
        pytest.param(5, 2, (5, 3), id="two scales: halve only"),
        pytest.param(8, 3, (8, 4, 2), id="three"),
        pytest.param(33, 6, (33, 17, 9, 5, 3, 1), id="the smallest map for six"),
        pytest.param(32, 6, (32, 16, 8, 4, 2, 0), id="one cell less is too small"),
        pytest.param(40, 6, M2DET320_PRIORS.map_sizes, id="320"),
        pytest.param(64, 6, M2DET512_PRIORS.map_sizes, id="512"),
        pytest.param(88, 6, M2DET704_PRIORS.map_sizes, id="704"),
        pytest.param(100, 6, M2DET800_PRIORS.map_sizes, id="800"),
        pytest.param(64, 9, (64, 32, 16, 8, 4, 2, 1, 1, -1), id="nine are too many"),
    ],
)
def test_tum_sides(side, scales, expected):
    assert m2.tum_sides(side, scales) == expected


@pytest.mark.parametrize(("side", "scales"), [(5, 2), (8, 3), (11, 4), (32, 5), (33, 6)])
@pytest.mark.parametrize("kind", ["released", "paper"])
def test_tum_makes_these_sides(side, scales, kind):
    tum = m2.TUM(4, planes=4, num_scales=scales, kind=kind).eval()
    maps = tum(torch.zeros(1, 4, side, side))
    assert sides(maps) == list(m2.tum_sides(side, scales))
    assert {each.shape[1] for each in maps} == {4 if kind == "released" else 2}


def test_decoder_enlarges_and_adds():
    up = m2.Decoder(1, 1, num_scales=3)
    for layer in (*up.lateral, up.top):
        plain(layer)
    maps = [
        torch.full((1, 1, 4, 4), 1.0),
        torch.full((1, 1, 2, 2), 20.0),
        torch.full((1, 1, 1, 1), 300.0),
    ]
    assert [each.unique().tolist() for each in up(maps)] == [[321], [320], [300]]


def test_decoder_of_the_paper_adds_what_the_encoder_gave():
    up = m2.PaperDecoder(1, num_scales=2)
    plain(up.refine[0])
    nn.init.constant_(up.refine[0].bn.weight, 10.0)  # only the way up is convolved
    fine, coarse = torch.full((1, 1, 2, 2), -1.0), torch.full((1, 1, 1, 1), 3.0)
    assert [each.unique().tolist() for each in up([fine, coarse])] == [[29], [3]]


@pytest.mark.parametrize(
    ("kind", "smooth", "smoothed"),
    [("released", False, []), ("released", True, [0, 1]), ("paper", True, [0, 1, 2])],
)
def test_smoothing_leaves_the_coarsest_alone_as_released(kind, smooth, smoothed):
    tum = m2.TUM(4, planes=4, num_scales=3, kind=kind, smooth=smooth).eval()
    for layer in tum.smoothing.layers:
        nn.init.zeros_(layer.conv.weight)
    maps = tum(torch.rand(1, 4, 8, 8))
    assert [k for k, each in enumerate(maps) if (each == 0).all()] == smoothed


def test_no_block_changes_what_it_is_given():
    tum = m2.TUM(4, planes=4, num_scales=3).eval()
    maps = torch.rand(1, 4, 8, 8)
    before = maps.clone()
    down = tum.encoder(maps)
    kept = [each.clone() for each in down]
    tum.decoder(down)
    assert torch.equal(maps, before) and down[0] is maps
    assert all(torch.equal(a, b) for a, b in zip(down, kept, strict=True))


def test_sfam_by_hand():
    sfam = m2.SFAM(2, num_scales=1, compress_ratio=2)
    nn.init.constant_(sfam.fc1[0].weight, 1.0), nn.init.constant_(sfam.fc1[0].bias, -4.0)
    sfam.fc2[0].weight.data[:] = torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1)
    nn.init.zeros_(sfam.fc2[0].bias)
    maps = torch.tensor([[[[0.0, 2.0]], [[6.0, 6.0]]]])  # averages 1 and 6: 1 + 6 - 4 = 3
    (weights,) = sfam.attention([maps])
    torch.testing.assert_close(weights, torch.tensor([[3.0, -3.0]]).sigmoid())
    torch.testing.assert_close(sfam([maps])[0], maps * weights[:, :, None, None])
    low = torch.zeros(1, 2, 1, 1)  # 0 - 4 is below 0: ReLU, and half of everything stays
    assert sfam.attention([low])[0].tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("shared", [True, False])
def test_sfam_shares_its_layers_or_not(shared):
    sfam = m2.SFAM(8, num_scales=3, compress_ratio=4, shared=shared)
    pairs = 1 if shared else 3
    assert len(sfam.fc1) == len(sfam.fc2) == pairs
    assert count(sfam) == pairs * (8 * 2 + 2 + 2 * 8 + 8)
    with torch.no_grad():
        for number in range(pairs):
            sfam.fc2[number].weight.zero_()
            sfam.fc2[number].bias.fill_(float(number))
        weights = sfam.attention([torch.rand(1, 8, s, s) for s in (4, 2, 1)])
    used = [0, 0, 0] if shared else [0, 1, 2]
    for each, number in zip(weights, used, strict=True):
        assert each.unique().item() == pytest.approx(1 / (1 + np.exp(-number)))


def test_levels_lie_on_top_of_each_other_shallow_first():
    mlfpn = m2.MLFPN((3, 5), (2, 2), planes=4, num_levels=3, num_scales=3, sfam=False).eval()
    features = [torch.rand(2, 3, 8, 8), torch.rand(2, 5, 4, 4)]
    with torch.no_grad():
        pyramid = mlfpn(features)
        levels = mlfpn.levels(mlfpn.ffm1(*features))
    assert len(levels) == 3 and sides(levels[0]) == sides(pyramid) == [8, 4, 2]
    for scale in range(3):
        for level in range(3):
            assert torch.equal(pyramid[scale][:, 4 * level : 4 * level + 4], levels[level][scale])


def test_each_tum_reads_the_largest_map_of_the_one_before():
    mlfpn = m2.MLFPN((3, 5), (2, 2), planes=4, num_levels=3, num_scales=3).eval()
    base = torch.rand(1, 4, 8, 8)
    with torch.no_grad():
        levels = mlfpn.levels(base)
        for before, level, tum in zip(levels, levels[1:], mlfpn.tums[1:], strict=False):
            again = tum(torch.cat([mlfpn.ffm2[0].leach(base), before[0]], dim=1))
            assert all(torch.equal(a, b) for a, b in zip(level, again, strict=True))


@pytest.mark.parametrize(
    ("tum", "shared", "widths", "reads", "gives"),
    [
        ("released", True, [4], [4, 12, 12], 24),
        ("released", False, [4, 4, 4], [4, 12, 12], 24),
        ("paper", True, [8, 4], [8, 8, 8], 12),
        ("paper", False, [8, 4, 4], [8, 8, 8], 12),
    ],
)
def test_who_reads_how_many_channels(tum, shared, widths, reads, gives):
    mlfpn = m2.MLFPN(
        (3, 5), (2, 2), planes=8, num_levels=3, num_scales=3, tum=tum, shared_weights=shared
    ).eval()
    assert [ffm.leach.conv.out_channels for ffm in mlfpn.ffm2] == widths
    assert [each.encoder.layers[0].conv.in_channels for each in mlfpn.tums] == reads
    assert mlfpn.out_channels == gives
    pyramid = mlfpn([torch.zeros(1, 3, 8, 8), torch.zeros(1, 5, 4, 4)])
    assert [each.shape[1] for each in pyramid] == [gives] * 3


# ----------------------------------------------------- the network, on paper


@pytest.mark.parametrize(
    ("name", "overrides", "parameters", "channels", "priors"),
    [
        ("m2det512_vgg16", {}, 133_159_604, 2048, 32_760),
        ("m2det512_vgg16", {"sfam": False}, 132_633_140, 2048, 32_760),
        ("m2det512_vgg16", {"shared_weights": False}, 136_481_844, 2048, 32_760),
        # published with 2,049,000 more, in a classifier that nobody calls
        ("m2det320_resnet101", {}, 157_749_148 - 2_049_000, 2048, 12_810),
        ("m2det512_resnet50", {}, 138_757_020 - 2_049_000, 2048, 32_760),
        ("m2det800_vgg16", {"tum": "paper", "shared_weights": False}, 100_887_476, 1024, 80_208),
    ],
)
def test_published_sizes(name, overrides, parameters, channels, priors):
    model = on_meta(name, **overrides)
    assert count(model) == parameters
    side = model.config.image_size
    pyramid = model.features(empty_meta(2, 3, side, side))
    assert sides(pyramid) == list(model.config.priors.map_sizes)
    assert {maps.shape[1] for maps in pyramid} == {channels}
    logits, deltas = model.head(pyramid)
    assert logits.shape == (2, priors, 81) and deltas.shape == (2, priors, 4)
    assert model.priors.shape == (priors, 4)


def test_parts_have_the_sizes_that_are_published():
    model = on_meta("m2det512_vgg16")
    millions = {
        "backbone": count(model.backbone),
        "first TUM": count(model.mlfpn.tums[0]),
        "other TUMs": count(model.mlfpn.tums[7]),
        "reduce": count(model.mlfpn.ffm1.reduce),
        "up_reduce": count(model.mlfpn.ffm1.up_reduce),
        "SFAM": count(model.mlfpn.sfam),
        "boxes": count(model.head.deltas),
        "classes": count(model.head.logits),
    }
    assert {name: round(number / 1e6, 2) for name, number in millions.items()} == {
        "backbone": 20.48, "first TUM": 5.71, "other TUMs": 6.89, "reduce": 1.18,
        "up_reduce": 0.53, "SFAM": 0.53, "boxes": 2.65, "classes": 53.75,
    }  # fmt: skip
    assert count(model.mlfpn.ffm2) == 768 * 128 + 2 * 128


def test_paper_weighs_1024_channels_with_64_in_between():
    sfam = on_meta("m2det320_vgg16", tum="paper").mlfpn.sfam
    assert tuple(sfam.fc1[0].weight.shape[:2]) == (64, 1024)
    assert tuple(sfam.fc2[0].weight.shape[:2]) == (1024, 64)


def test_tiny_is_tiny():
    model = create_model("m2det_tiny")
    assert 400_000 < count(model) < 560_000
    stored = sum(4 * each.numel() for each in model.state_dict().values())
    assert stored < 2_000_000, "bytes of its weights"


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"num_levels": 1},
        {"num_levels": 8, "sfam": False},
        {"planes": 7, "compress_ratio": 100},
        {"num_scales": 2},
        {"num_scales": 3, "smooth": False},
        {"tum": "paper", "num_levels": 2},
        {"tum": "paper", "shared_weights": True},
        {"image_size": 160},
        {"image_size": 100, "num_scales": 4, "num_classes": 3},
        {
            "backbone": "resnet18",
            "widths": (),
            "image_size": 264,
            "priors": m2.fit_priors(M2DET320_PRIORS, 264, 5),
        },
    ],
    ids=lambda overrides: " ".join(f"{key}={value}"[:20] for key, value in overrides.items()),
)
def test_tiny_of_every_kind(overrides, tmp_path):
    torch.manual_seed(0)
    model = create_model("m2det_tiny", **overrides)
    config = model.config
    images = torch.rand(2, 3, config.image_size, config.image_size)
    predictions = model(images)
    assert predictions.logits.shape == (2, config.priors.num_priors, config.num_classes)
    (predictions.logits.sum() + predictions.deltas.sum()).backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []
    save_model(model, tmp_path / "tiny.safetensors")
    again = load_model(tmp_path / "tiny.safetensors")
    assert again.config == config
    model.eval()
    with torch.no_grad():
        alone = model(images[1:])  # any batch size, and the same answer in each
        both = model(images)
        assert torch.equal(again(images).logits, both.logits)
    spread = both.logits.std().item()
    torch.testing.assert_close(alone.logits[0], both.logits[1], rtol=1e-3, atol=1e-3 * spread)


def test_forward_leaves_its_input_alone():
    model = create_model("m2det_tiny").eval()
    images = torch.rand(1, 3, 128, 128)
    before = images.clone()
    with torch.no_grad():
        first, second = model(images), model(images)
    assert torch.equal(images, before) and torch.equal(first.logits, second.logits)


def test_only_the_finest_map_is_normalised():
    model = create_model("m2det_tiny").eval()
    model.norm.running_mean.fill_(3.0)
    with torch.no_grad():
        images = torch.rand(1, 3, 128, 128)
        pyramid, plain_pyramid = model.features(images), model.mlfpn(model.backbone(images))
    torch.testing.assert_close(pyramid[0], (plain_pyramid[0] - 3) / (1 + 1e-5) ** 0.5)
    assert all(torch.equal(a, b) for a, b in zip(pyramid[1:], plain_pyramid[1:], strict=True))


# ------------------------------------------------------------------ backbones


def test_backbones_are_torchvisions_by_name():
    assert {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"} < set(list_resnets())
    assert {"resnext50_32x4d", "resnext101_32x8d"} < set(list_resnets())


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("resnet18", (128, 512)),
        ("resnet34", (128, 512)),
        ("resnet50", (512, 2048)),
        ("resnext50_32x4d", (512, 2048)),
    ],
)
def test_resnets_end_at_stride_8_and_16(name, channels):
    with torch.device("meta"):
        backbone = ResNetFamily(name).eval()
        features = backbone(torch.zeros(1, 3, 320, 320))
    assert backbone.out_channels == channels == tuple(maps.shape[1] for maps in features)
    assert sides(features) == [40, 20]
    strides = {m.stride for m in backbone.layers.layer3.modules() if isinstance(m, nn.Conv2d)}
    assert strides == {(1, 1)}
    assert "fc" not in dict(backbone.layers.named_children())


def test_resnet_may_be_tapped_elsewhere():
    model = on_meta("m2det320_resnet101", taps=("layer3", "layer4"))
    assert model.backbone.out_channels == (1024, 2048)
    assert sides(model.backbone(empty_meta(1, 3, 320, 320))) == [40, 20]


def test_vgg19_has_sixteen_convolutions():
    with torch.device("meta"):
        backbone = VGG19().eval()
    names = [
        name for name, layer in backbone.layers.named_children() if isinstance(layer, nn.Conv2d)
    ]
    assert len(names) == 16 + 2 and "conv3_4" in names and "conv5_4" in names
    model = on_meta("m2det512_vgg16", backbone="vgg19")
    assert sides(model.features(empty_meta(1, 3, 512, 512))) == [64, 32, 16, 8, 4, 2]


@pytest.mark.parametrize("name", sorted(SE_RESNETS))
def test_se_networks_come_from_timm(name):
    pytest.importorskip("timm")
    with torch.device("meta"):
        backbone = ResNetFamily(name).eval()
        features = backbone(torch.zeros(1, 3, 320, 320))
    assert [tuple(maps.shape[1:]) for maps in features] == [(512, 40, 40), (2048, 20, 20)]


def test_se_networks_without_timm(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "se_resnet50" not in list_resnets()
    with pytest.raises(ValueError, match="resnet18.*got 'se_resnet50'; .*pip install timm"):
        ResNetFamily("se_resnet50")
    with pytest.raises(ValueError, match="backbone: expected one of 'vgg16', .*got 'se_resnet50'"):
        create_model("m2det512_vgg16", backbone="se_resnet50")


@pytest.mark.parametrize("taps", [(), ("layer5",), ("layer4", "layer2")])
def test_resnet_refuses_taps(taps):
    with pytest.raises(ValueError, match="expected some of layer1, .*fine to coarse"):
        ResNetFamily("resnet18", taps)


# ------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"backbone": "resnet"},
            "backbone: expected one of 'vgg16', 'vgg19', 'tiny', 'resnet18'.*got",
        ),
        ({"backbone": "vgg16"}, "widths: expected for the backbone 'tiny' only, got .16"),
        ({"widths": ()}, "widths: expected for the backbone 'tiny' only"),
        ({"num_levels": 0}, "num_levels: expected an integer, at least 1, got 0"),
        ({"num_scales": 1}, "num_scales: expected an integer, at least 2, got 1"),
        ({"planes": 1.5}, "planes: expected an integer, at least 2, got 1.5"),
        ({"compress_ratio": 0}, "compress_ratio: .*got 0"),
        ({"max_per_class": 0}, "max_per_class: .*got 0"),
        ({"tum": "both"}, "tum: expected one of 'released', 'paper', got 'both'"),
        ({"tum": "paper", "smooth": False}, "tum: .*got smooth=False and planes=24"),
        ({"tum": "paper", "planes": 15}, "tum: .*even planes, got smooth=True and planes=15"),
        ({"sfam": "on"}, "sfam: expected True or False, got 'on'"),
        ({"smooth": None}, "smooth: expected True or False"),
        ({"shared_weights": 2}, "shared_weights: expected True or False"),
        ({"init": "xavier"}, "init: expected one of 'released', 'stated'"),
        ({"channel_order": "gbr"}, "channel_order: expected one of 'rgb', 'bgr'"),
        ({"suppression": "soft"}, "suppression: expected one of 'released', 'corrected', 'hard'"),
        ({"match_threshold": 2}, "match_threshold: expected a number from 0 to 1, got 2"),
        ({"negative_ratio": -1}, "negative_ratio: .*got -1"),
        ({"base_channels": (3,)}, "base_channels: expected a tuple of 2 integers"),
        ({"taps": ("fc7",)}, "taps: expected two layers"),
        ({"priors": 3}, "priors: expected a PriorConfig, got int"),
        ({"image_size": 32}, "image_size: the maps would have 8, 4, 2, 1 cells.* at least 68 px"),
        (
            {"priors": dataclasses.replace(M2DET_TINY.priors, map_sizes=(32, 16, 8, 4, 1))},
            r"priors: a TUM makes maps of \(32, 16, 8, 4, 2\) cells .*has \(32, 16, 8, 4, 1\)",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_config_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(M2DET_TINY, **changes)


def test_a_size_that_the_backbone_rounds_otherwise():
    model = on_meta("m2det320_vgg16", image_size=297)  # 297, 148, 74, 37; halved upwards it is 38
    with pytest.raises(
        ValueError, match="297 px .* makes 37 x 37 cells, .*38 x 38; a multiple of 8"
    ):
        model(empty_meta(1, 3, 297, 297))


def test_one_image_is_too_few_to_train_on_one_cell():
    model = on_meta("m2det320_vgg16")
    assert model(empty_meta(1, 3, 320, 320)).deltas.shape == (1, 12_810, 4)
    with pytest.raises(ValueError, match="at least two in training mode, got one"):
        model.train()(empty_meta(1, 3, 320, 320))


# -------------------------------------------------------------------- priors


@pytest.mark.parametrize(
    ("size", "layout"),
    [(320, M2DET320_PRIORS), (704, M2DET704_PRIORS), (800, M2DET800_PRIORS)],
)
def test_published_sizes_bring_their_tables(size, layout):
    assert dataclasses.replace(M2DET512_VGG16, image_size=size).priors == layout


def test_priors_of_other_sizes_keep_their_share_of_the_image():
    layout = m2.fit_priors(M2DET512_PRIORS, 1024, 6)
    assert layout.map_sizes == (128, 64, 32, 16, 8, 6)
    assert layout.steps[:2] == (8, 16) and layout.steps[5] == 1024 / 6
    assert layout.min_sizes == pytest.approx([2 * size for size in M2DET512_PRIORS.min_sizes])
    assert layout.max_sizes == pytest.approx([2 * size for size in M2DET512_PRIORS.max_sizes])


def test_priors_of_fewer_scales_span_the_same_sizes():
    layout = m2.fit_priors(M2DET512_PRIORS, 512, 3)
    assert layout.map_sizes == (64, 32, 30) and layout.priors_per_cell == (6, 6, 6)
    low, high = M2DET512_PRIORS.min_sizes[1], M2DET512_PRIORS.max_sizes[-1]
    assert layout.min_sizes == pytest.approx(
        [M2DET512_PRIORS.min_sizes[0], low, (low + high) / 2], abs=0.01
    )
    assert layout.max_sizes[-1] == high


# ---------------------------------------------- the published network, in figures


def fill(model, state):
    """A model that was built without numbers, with the published weights."""
    return load_reference_weights(model.to_empty(device="cpu"), state, source=UPSTREAM).eval()


def record(modules):
    seen = {}
    for name, module in modules.items():
        module.register_forward_hook(
            lambda module, inputs, output, name=name: seen.update({name: (inputs[0], output)})
        )
    return seen


@pytest.fixture(scope="module")
def golden():
    return scheme.load_golden("m2det_vgg16_512_sfam")


@pytest.fixture(scope="module")
def published_state(golden):
    arrays = scheme.fill_state_dict(golden["manifest"], "B")
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


@pytest.fixture(scope="module")
def published(published_state):
    """The one full forward of this file, with everything on its way."""
    model = fill(on_meta("m2det512_vgg16"), published_state)
    mlfpn = model.mlfpn
    seen = record(
        {
            "backbone": model.backbone,
            "reduce": mlfpn.ffm1.reduce,
            "up_reduce": mlfpn.ffm1.up_reduce,
            "base_feature": mlfpn.ffm1,
            "leach": mlfpn.ffm2[0].leach,
            "tum1": mlfpn.tums[0],
            "tum8": mlfpn.tums[7],
            "sfam": mlfpn.sfam,
            "norm": model.norm,
        }
    )
    with torch.no_grad():
        pyramid = model.features(torch.from_numpy(scheme.image(512, 512, batch=1, seed=7)))
        predictions = model.head(pyramid)
    conv4_3, fc7 = seen["backbone"][1]
    maps = {"backbone.conv4_3_relu": conv4_3, "backbone.fc7_relu": fc7}
    maps |= {name: seen[name][1] for name in ("reduce", "up_reduce", "base_feature", "leach")}
    for name in ("tum1", "tum8"):  # the figures run from coarse to fine
        maps |= {f"{name}.{k}": each for k, each in enumerate(reversed(seen[name][1]))}
    maps |= {f"pre_sfam.{k}": each for k, each in enumerate(seen["sfam"][0])}
    maps |= {f"sfam.{k}": each for k, each in enumerate(seen["sfam"][1])}
    maps["norm_in"] = seen["norm"][0]
    maps |= {f"head_in.{k}": each for k, each in enumerate(pyramid)}
    return maps | outputs(predictions)


def outputs(predictions):
    logits, deltas = predictions
    return {"loc": deltas, "conf": logits, "conf_softmax": logits.softmax(dim=-1)}


def assert_figures(maps, figures):
    for name, figure in figures.items():
        try:
            scheme.compare(maps[name].numpy(), figure)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


@pytest.mark.slow
def test_equals_the_published_network(published, golden):
    figures = golden["variants"]["B"]
    assert figures.keys() == published.keys() and len(figures) == 40
    assert_figures(published, figures)


@pytest.mark.slow
def test_equals_the_released_configuration(published, published_state):
    """Without SFAM the heads read what the SFAM would have read."""
    golden = scheme.load_golden("m2det_vgg16_512_nosfam_release_config")
    keys = [key for key, _ in golden["manifest"]]
    assert set(published_state) - set(keys) == {k for k in published_state if "sfam_module" in k}
    model = fill(on_meta("m2det512_vgg16", sfam=False), {key: published_state[key] for key in keys})
    gathered = [published[f"pre_sfam.{k}"] for k in range(6)]
    with torch.no_grad():
        finest, *coarser = model.mlfpn.sfam(gathered)
        pyramid = [model.norm(finest), *coarser]
        maps = outputs(model.head(pyramid))
    maps |= {f"head_in.{k}": each for k, each in enumerate(pyramid)}
    maps["norm_in"] = finest
    figures = golden["variants"]["B"]
    new = figures.keys() & maps.keys()
    assert new == {"loc", "conf", "conf_softmax", "norm_in", *(f"head_in.{k}" for k in range(6))}
    assert_figures(maps, {name: figures[name] for name in new})
    # Up to there both networks are one: the same weights, the same figures.
    with_sfam = scheme.load_golden("m2det_vgg16_512_sfam")["variants"]["B"]
    assert all(figures[name] == with_sfam[name] for name in figures.keys() - new)


@pytest.mark.slow
def test_equals_the_network_that_shares_nothing(published, published_state, golden):
    model = fill(on_meta("m2det512_vgg16", shared_weights=False), published_state)
    mlfpn = model.mlfpn
    seen = record(
        {"leach.0": mlfpn.ffm2[0].leach, "leach.7": mlfpn.ffm2[7].leach, "tum8": mlfpn.tums[7],
         "sfam": mlfpn.sfam}
    )  # fmt: skip
    with torch.no_grad():
        finest, *coarser = mlfpn(
            [published["backbone.conv4_3_relu"], published["backbone.fc7_relu"]]
        )
        predictions = model.head([model.norm(finest), *coarser])
    maps = {name: seen[name][1] for name in ("leach.0", "leach.7")}
    maps |= {f"tum8.{k}": each for k, each in enumerate(reversed(seen["tum8"][1]))}
    maps |= {f"pre_sfam.{k}": each for k, each in enumerate(seen["sfam"][0])}
    maps |= {f"sfam.{k}": each for k, each in enumerate(seen["sfam"][1])}
    figures = golden["variants"]["B_unshared"]
    assert figures.keys() == maps.keys() | {"loc", "conf"}
    assert_figures(maps | outputs(predictions), figures)


def manifest_state(golden):
    return {key: empty_meta(*shape) for key, shape in golden["manifest"]}


def test_every_published_key_has_a_place(golden):
    layout = reference.SOURCES[UPSTREAM]["m2det512_vgg16"]
    places = [
        reference.translate_key(ours, layout)[0] for ours in on_meta("m2det512_vgg16").state_dict()
    ]
    theirs = [key for names in places for key in names]
    assert len(theirs) == len(set(theirs)) == golden["counts"]["num_state_dict_keys"] == 911
    assert set(theirs) == {key for key, _ in golden["manifest"]}
    # One tensor under several keys, in the order in which upstream would load them.
    repeated = {names for names in places if len(names) > 1}
    assert repeated == {tuple(group) for group in golden["shared_key_groups"]}


def test_smaller_networks_have_smaller_sources():
    """Four levels, three scales: upstream's own rule for the keys, not the list of one file."""
    config = {"num_levels": 4, "num_scales": 3, "planes": 64, "num_classes": 5, "smooth": False}
    model = on_meta("m2det512_vgg16", **config)
    layout = reference.find_source(model, UPSTREAM)
    theirs = {
        key for ours in model.state_dict() for key in reference.translate_key(ours, layout)[0]
    }
    weights = {key for key in theirs if key.endswith("weight") and ".bn." not in key}
    assert {key for key in weights if key.startswith("unet")} == {
        f"unet{level}.{layer}.conv.weight"
        for level in (1, 2, 3, 4)
        for layer in ("layers.0", "layers.1", "toplayer.0", "latlayer.0", "latlayer.1")
    }
    assert {key for key in weights if "leach" in key} == {
        f"leach.{k}.conv.weight" for k in range(4)
    }
    assert {key for key in weights if "fc1" in key} == {
        f"sfam_module.fc1.{k}.weight" for k in range(3)
    }


def test_resnets_of_the_source_lose_their_classifier():
    model = on_meta("m2det320_resnet101", num_levels=1)
    layout = reference.find_source(model, UPSTREAM)
    state = {
        key: value
        for ours, value in model.state_dict().items()
        for key in reference.translate_key(ours, layout)[0]
    }
    assert "base.layer3.22.conv2.weight" in state and "base.conv1.weight" in state
    state |= {"base.fc.weight": empty_meta(1000, 2048), "base.fc.bias": empty_meta(1000)}
    load_reference_weights(model, state, source=UPSTREAM)
    with pytest.raises(ValueError, match="1 unexpected: base.avg"):
        load_reference_weights(model, state | {"base.avg": empty_meta(1)}, source=UPSTREAM)


def test_a_checkpoint_with_sfam_does_not_fit_a_network_without(golden):
    """Upstream loads with strict=False and leaves random what it does not find."""
    model = on_meta("m2det512_vgg16", sfam=False)
    with pytest.raises(ValueError, match="24 unexpected: sfam_module.fc1.0.weight"):
        load_reference_weights(model, manifest_state(golden), source=UPSTREAM)


def test_the_papers_tum_has_no_published_weights():
    with pytest.raises(ValueError, match="weights for tum='released' only"):
        load_reference_weights(on_meta("m2det512_vgg16", tum="paper"), {}, source=UPSTREAM)


# ------------------------------------------------------- training and detection


BOXES = scheme.load_golden("m2det_boxes")


@pytest.fixture(scope="module")
def shell():
    """M2Det-512 without numbers, but with its priors: enough for everything but a forward."""
    model = on_meta("m2det512_vgg16", sfam=False)
    model.priors = make_priors(M2DET512_PRIORS)
    return model


def gt(recipe):
    """The targets of a recipe like 'scheme.gt_boxes(202,1,1,81,0.15,0.6)', in pixels of 512."""
    numbers = recipe[recipe.index("(") + 1 : recipe.index(")")].split(",")
    boxes, labels = scheme.gt_boxes(*(float(n) if "." in n else int(n) for n in numbers))
    return {"boxes": 512 * torch.from_numpy(boxes), "labels": torch.from_numpy(labels)}


def draws(seed, *spreads_and_shapes):
    rng = np.random.default_rng(seed)
    return [
        torch.from_numpy((spread * rng.standard_normal(shape)).astype(np.float32))
        for spread, shape in spreads_and_shapes
    ]


def test_golden_loss(shell):
    case = BOXES["multibox_loss"][1]
    deltas, logits = draws(211, (1.0, (1, 32760, 4)), (3.0, (1, 32760, 81)))
    losses = shell.loss(Predictions(logits, deltas), [gt(recipe) for recipe in case["targets"]])
    assert losses["bbox_regression"] == pytest.approx(case["loss_l"], rel=1e-5)
    assert losses["classification"] == pytest.approx(case["loss_c"], rel=1e-5)


@pytest.fixture(scope="module")
def detect_predictions():
    first = scheme.det_logits(301, 1, 32760, 81, 300, [3, 8, 17, 31, 44, 52, 67, 80], 24000)
    second = scheme.det_logits(302, 1, 32760, 81, 400, [4, 9], 30720)
    pairs = zip(first, second, strict=True)
    deltas, logits = (torch.from_numpy(np.concatenate(pair)) for pair in pairs)
    return Predictions(logits, deltas)


def rows_by_class(found):
    rows = torch.cat([found["boxes"], found["scores"][:, None]], dim=1)
    return {
        str(label): rows[found["labels"] == label].numpy()
        for label in found["labels"].unique().tolist()
    }


@pytest.mark.parametrize(
    ("suppression", "figure"), [("released", "soft_nms_as_released"), ("hard", "hard_nms")]
)
def test_golden_detections(shell, detect_predictions, monkeypatch, suppression, figure):
    monkeypatch.setattr(shell, "config", dataclasses.replace(shell.config, suppression=suppression))
    # Both cases as one batch; upstream fails with more than one image.
    detections = shell.postprocess(detect_predictions, [(480, 640)] * 2, clip=False)
    for found, case in zip(detections, BOXES["detect"], strict=True):
        expected = case[figure]["per_class"]
        got = rows_by_class(found)
        assert got.keys() == {label for label, rows in expected.items() if rows}
        for label, rows in got.items():
            np.testing.assert_allclose(rows, expected[label], rtol=2e-5, atol=2e-3)
        assert found["scores"].diff().max() <= 0


def test_golden_decoding(shell, detect_predictions):
    _, boxes = shell.scores_and_boxes(detect_predictions)
    for one, case in zip(boxes, BOXES["detect"], strict=True):
        scheme.compare(one.numpy(), case["decoded_boxes"])


def test_clipping_comes_after_the_suppression(shell, detect_predictions):
    first = Predictions(*(part[:1] for part in detect_predictions))
    (plain_boxes,) = shell.postprocess(first, [(480, 640)], clip=False)
    (clipped,) = shell.postprocess(first, [(480, 640)])
    assert torch.equal(plain_boxes["scores"], clipped["scores"])
    assert torch.equal(clip_boxes(plain_boxes["boxes"], 480, 640), clipped["boxes"])
    assert plain_boxes["boxes"].min() < 0 <= clipped["boxes"].min()


@pytest.mark.parametrize(
    ("suppression", "expected"),
    [
        ("released", [0.9, 0.48]),  # 0.8 * (1 - 0.4): the threshold is 0.3 whatever the config says
        ("corrected", [0.9, 0.8]),  # 0.4 is below 0.45
        ("hard", [0.9, 0.8]),
    ],
)
def test_soft_nms_argument(suppression, expected):
    boxes = torch.tensor([[0.0, 0, 99, 99], [0, 0, 99, 39]])  # 40 of 100 rows
    scores = torch.tensor([[0.0, 0.9], [0.0, 0.8]])
    found = m2.select_by_class(
        boxes, scores, suppression=suppression, score_threshold=0.1, iou_threshold=0.45
    )
    assert found["scores"].tolist() == pytest.approx(expected)
    assert found["priors"].tolist() == [0, 1] and found["labels"].tolist() == [1, 1]


@pytest.mark.parametrize("suppression", ["released", "corrected", "hard"])
def test_nothing_to_select(suppression):
    settings = {"suppression": suppression, "score_threshold": 0.5, "iou_threshold": 0.5}
    for P in (0, 3):
        found = m2.select_by_class(torch.zeros(P, 4), torch.zeros(P, 3), **settings)
        assert found["boxes"].shape == (0, 4) and len(found["scores"]) == 0
        assert found["labels"].dtype == found["priors"].dtype == torch.int64


@pytest.mark.parametrize("suppression", ["released", "corrected", "hard"])
def test_limits(suppression):
    """Ten boxes far apart, of two classes."""
    corner = 100.0 * torch.arange(10)[:, None]
    boxes = torch.cat([corner, corner, corner + 10, corner + 10], dim=1)
    scores = torch.zeros(10, 3)
    scores[:5, 1] = torch.tensor([0.5, 0.9, 0.7, 0.6, 0.8])
    scores[5:, 2] = torch.tensor([0.55, 0.95, 0.75, 0.65, 0.85])
    settings = {"suppression": suppression, "score_threshold": 0.5, "iou_threshold": 0.5}
    found = m2.select_by_class(boxes, scores, **settings)
    assert found["priors"].tolist() == [6, 1, 9, 4, 7, 2, 8, 3, 5]  # 0.5 is not above 0.5
    for limit in ("max_candidates", "max_per_class"):
        found = m2.select_by_class(boxes, scores, **settings, **{limit: 2})
        assert found["priors"].tolist() == [6, 1, 9, 4], limit
    found = m2.select_by_class(boxes, scores, **settings, max_detections=3)
    assert found["labels"].tolist() == [2, 1, 2]


def test_postprocess_refuses(shell):
    logits, deltas = torch.zeros(1, 32760, 81), torch.zeros(1, 32760, 4)
    with pytest.raises(
        ValueError, match="image_sizes: expected one for each of the 1 images, got 2"
    ):
        shell.postprocess(Predictions(logits, deltas), [(9, 9)] * 2)
    deltas[0, 5, 0] = torch.nan
    with pytest.raises(ValueError, match="those of image 0 are not finite"):
        shell.postprocess(Predictions(logits, deltas), [(9, 9)])


def test_published_input_is_bgr_minus_the_mean():
    model = on_meta("m2det512_vgg16", sfam=False)
    model.image_mean, model.image_std = (
        torch.tensor(values)[:, None, None]
        for values in (model.config.image_mean, model.config.image_std)
    )
    pixel = torch.tensor([200, 100, 50], dtype=torch.uint8).reshape(3, 1, 1)  # red, green, blue
    expected = torch.tensor([50.0 - 104, 100 - 117, 200 - 123])
    torch.testing.assert_close(model.normalize(pixel).flatten(), expected, rtol=0, atol=1e-3)
    tiny = create_model("m2det_tiny")
    assert tiny.normalize(pixel).flatten()[0] == pytest.approx(2 * 200 / 255 - 1)


# ------------------------------------------------------------------ multi-scale


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(0)
    model = create_model("m2det_tiny", score_threshold=0.12, max_detections=30).eval()
    with torch.no_grad():  # wide random heads: scores that differ, boxes that move
        for head in (*model.head.logits, *model.head.deltas):
            head.weight.mul_(2)
    return model


@pytest.fixture(scope="module")
def picture():
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, 5, 6, generator=generator)
    return F.interpolate(coarse, (90, 110), mode="bilinear")[0]


def assert_same(first, second):
    assert len(first["scores"]) == len(second["scores"]) > 3
    for key in ("scores", "labels", "boxes"):
        torch.testing.assert_close(first[key], second[key], rtol=1e-3, atol=1e-3)


def test_one_size_without_mirror_is_plain_detection(tiny, picture):
    (one,) = tiny.detect([picture])
    (multi,) = tiny.detect_multiscale([picture], sizes=[128], flip=False)
    assert_same(one, multi)
    assert "priors" not in multi


def test_the_mirror_image_has_the_mirrored_boxes(tiny, picture):
    (found,) = tiny.detect_multiscale([picture], sizes=[128])
    (mirrored,) = tiny.detect_multiscale([picture.flip(-1)], sizes=[128])
    x1, y1, x2, y2 = mirrored["boxes"].unbind(-1)
    back = torch.stack([110 - x2, y1, 110 - x1, y2], dim=-1)  # (D, 4)
    # Nearly equal scores may change places: look for the twin of each detection.
    rows = [torch.cat([one["labels"][:, None], boxes, 100 * one["scores"][:, None]], dim=1)
            for one, boxes in ((found, found["boxes"]), (mirrored, back))]  # fmt: skip
    apart = torch.cdist(*rows, p=float("inf"))  # (D, D)
    assert len(found["scores"]) == len(mirrored["scores"]) > 3
    assert apart[:-1].min(dim=1).values.max() < 0.1  # the last may have a twin beyond the cut


def test_several_sizes_see_more(tiny, picture):
    (both,) = tiny.detect_multiscale([picture, picture], sizes=[96, 128, 160], max_detections=50)[
        1:
    ]
    (one,) = tiny.detect_multiscale([picture], sizes=[128], max_detections=50)
    assert both["scores"][0] >= one["scores"][0]
    assert both["boxes"].min() >= 0 and both["boxes"][:, 2].max() <= 110
    default = tiny.detect_multiscale(picture[None], max_detections=50)  # three quarters, once, five
    assert_same(default[0], both)
    assert tiny.detect_multiscale([]) == []


def test_at_size_shares_weights_and_keeps_pixels(tiny):
    tiny.class_names = ("background", *"abcdefgh")
    twin = tiny.at_size(192)
    ours, theirs = tiny.state_dict(), twin.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(ours[key].data_ptr() == theirs[key].data_ptr() for key in ours)
    assert twin.class_names == tiny.class_names and not twin.training
    tiny.class_names = None
    assert 192 * twin.priors[0, 2] == pytest.approx(128 * tiny.priors[0, 2])
    assert 192 * twin.priors[:, 2:].max() == pytest.approx(128 * tiny.priors[:, 2:].max())
    same = tiny.at_size(128)
    torch.testing.assert_close(same.priors[:, 2:], tiny.priors[:, 2:])
    images = torch.rand(1, 3, 192, 192)
    with torch.no_grad():
        assert twin(images).deltas.shape == (1, *twin.priors.shape)


def test_multiscale_leaves_the_mode_alone(tiny, picture):
    tiny.train()
    before = {key: value.clone() for key, value in tiny.state_dict().items()}
    tiny.detect_multiscale([picture], sizes=[96])
    assert tiny.training
    assert all(torch.equal(before[key], value) for key, value in tiny.state_dict().items())
    tiny.eval()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([torch.zeros(3, 9, 9)], []), "sizes: expected at least one"),
        (([torch.zeros(3, 9, 9)], [40]), "image_size: .*at least 68 px for 5 scales.*got 40"),
        ((torch.zeros(3, 9, 9),), "expected a list of images or a batch"),
        (([torch.zeros(9, 9, 3)],), r"images\[0\]: expected RGB"),
    ],
    ids=["no size", "too small", "one image", "channels last"],
)
def test_multiscale_refuses(tiny, arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny.detect_multiscale(*arguments)


# ------------------------------------------------------------------- training


def test_released_initialisation_forgets_the_heads():
    torch.manual_seed(0)
    released, stated = (create_model("m2det_tiny", init=init) for init in ("released", "stated"))
    channels = released.mlfpn.out_channels
    for model, boxes_std in (
        (released, (1 / (3 * 9 * channels)) ** 0.5),
        (stated, (2 / (4 * 4 * 9)) ** 0.5),
    ):
        tum = model.mlfpn.tums[0].encoder.layers[1].conv.weight
        assert tum.std().item() == pytest.approx((2 / (24 * 9)) ** 0.5, rel=0.05)
        assert model.head.deltas[1].weight.std().item() == pytest.approx(boxes_std, rel=0.05)
        assert all((head.bias == 0).all() for head in (*model.head.logits, *model.head.deltas))
        assert (model.mlfpn.sfam.fc1[0].bias != 0).any()


def test_released_learning_rates():
    case = BOXES["lr_schedule"]["m2det512"]
    for epoch, iteration, rate in case["rows"]:
        assert iteration // case["epoch_size"] == epoch - 1
        got = m2.released_learning_rate(iteration, case["epoch_size"])
        assert got == pytest.approx(rate, rel=1e-6)
    assert m2.released_learning_rate(10**9, 100) == 4e-6  # upstream: NameError


def test_recipe_of_the_paper():
    recipe = RECIPES["m2det512_vgg16"]
    assert (recipe.learning_rate, recipe.milestones, recipe.epochs) == (2e-3, (90, 120), 150)


def test_loss_without_objects_is_zero_and_teaches_nothing():
    model = create_model("m2det_tiny")
    empty = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    losses = model.loss(model(torch.rand(2, 3, 128, 128)), [empty, empty])
    assert [value.item() for value in losses.values()] == [0, 0]


def test_tiny_learns():
    torch.manual_seed(0)
    model = create_model("m2det_tiny", num_levels=2)
    images = torch.full((4, 3, 128, 128), -1.0)
    targets = []
    for index, image in enumerate(images):  # one bright square in each, of two sizes
        side, corner = (20, 30)[index % 2], 20 + 15 * index
        image[:, corner : corner + side, corner : corner + side] = 1.0
        box = torch.tensor([[corner, corner, corner + side, corner + side]], dtype=torch.float32)
        targets.append({"boxes": box, "labels": torch.tensor([index % 2 + 1])})
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    history = []
    for _ in range(25):
        loss = sum(model.loss(model(images), targets).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append(loss.item())
    assert history[-1] < 0.5 * history[0]


def test_a_model_of_this_file_is_an_m2det():
    assert isinstance(create_model("m2det_tiny"), M2Det)
