"""The backbones are torchvision's networks, tapped at the right places."""

import pytest
import torch
import torchvision
from torch import nn

from detlearn.models.backbones import VGG16, MobileNetV2, ResNet50, TinyBackbone


def on_meta(build, *arguments, **keywords):
    with torch.device("meta"):
        return build(*arguments, **keywords)


def shapes(model, side):
    return [tuple(maps.shape[1:]) for maps in model(torch.empty(1, 3, side, side, device="meta"))]


@pytest.mark.parametrize(
    ("build", "side", "expected"),
    [
        pytest.param(VGG16, 300, [(512, 38, 38), (1024, 19, 19)], id="VGG-16, SSD300"),
        pytest.param(VGG16, 512, [(512, 64, 64), (1024, 32, 32)], id="VGG-16, SSD512"),
        pytest.param(ResNet50, 300, [(1024, 38, 38)], id="ResNet-50"),
        pytest.param(MobileNetV2, 300, [(576, 19, 19), (1280, 10, 10)], id="MobileNetV2"),
    ],
)
def test_shapes(build, side, expected):
    model = on_meta(build)
    assert shapes(model, side) == expected
    assert model.out_channels == tuple(channels for channels, *_ in expected)


def test_vgg_as_refinedet_wants_it():
    taps = ("conv4_3", "conv5_3", "fc7")
    model = on_meta(VGG16, pool5=(2, 2, 0), fc6_dilation=3, taps=taps)
    assert shapes(model, 320) == [(512, 40, 40), (512, 20, 20), (1024, 10, 10)]
    assert model.out_channels == (512, 512, 1024)
    assert model.layers.fc6.dilation == (3, 3)


@pytest.mark.parametrize(
    ("taps", "message"),
    [
        ((), "at least one"),
        (("conv4_4",), "conv4_3.*got \\['conv4_4'\\]"),
        (("fc7", "conv4_3"), "fine to coarse"),
    ],
    ids=["none", "no such layer", "coarse to fine"],
)
def test_vgg_refuses_taps(taps, message):
    with pytest.raises(ValueError, match=message):
        on_meta(VGG16, taps=taps)


def test_vgg_is_torchvisions_up_to_conv4_3():
    # 64 px halve evenly, so torchvision's rounding of pool3 makes no difference.
    ours = VGG16()
    with torch.device("meta"):
        theirs = torchvision.models.vgg16(weights=None).features
    theirs = theirs.to_empty(device="cpu")
    convolutions = [layer for layer in theirs if isinstance(layer, nn.Conv2d)]
    names = [name for name in dict(ours.layers.named_children()) if name.startswith("conv")]
    assert len(names) == len(convolutions) == 13
    for name, layer in zip(names, convolutions, strict=True):
        layer.load_state_dict(ours.layers.get_submodule(name).state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        expected = images
        for layer in list(theirs)[:23]:  # the tenth convolution and its ReLU
            expected = layer(expected)
        got = ours(images)[0]
    assert torch.equal(got, expected) and (got >= 0).all()


def test_vgg_starts_as_torchvisions_does():
    torch.manual_seed(0)
    weight = VGG16().layers.conv4_1.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    assert (VGG16().layers.conv1_1.bias == 0).all()


def test_resnet_keeps_the_stride_of_layer2():
    model = on_meta(ResNet50)
    strides = {m.stride for m in model.layer3.modules() if isinstance(m, nn.Conv2d)}
    assert strides == {(1, 1)}
    assert not hasattr(model, "layer4") and not hasattr(model, "fc")


def test_mobilenet_cut_in_two_is_still_mobilenet():
    model = MobileNetV2().eval()
    images = torch.randn(1, 3, 64, 64)
    caught = []
    # The network's own forward, with a hook on the expansion inside features.14.
    hook = (
        model.features[14]
        .conv[0]
        .register_forward_hook(lambda module, inputs, output: caught.append(output.clone()))
    )
    with torch.no_grad():
        last = model.features(images)
        hook.remove()
        expansion, end = model(images)
    assert torch.equal(expansion, caught[0]) and torch.equal(end, last)
    assert expansion.max() <= 6  # after ReLU6


def test_mobilenets_first_map_teaches_the_backbone():
    model = MobileNetV2()
    model(torch.randn(2, 3, 64, 64))[0].sum().backward()
    assert model.features[0][0].weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("side", "maps", "expected"),
    [
        pytest.param(128, (32, 16, 8, 4), [(2, 32), (3, 16), (4, 8), (5, 4)], id="the preset's"),
        pytest.param(128, (16, 8), [(3, 16), (4, 8)], id="fewer levels"),
        pytest.param(100, (25, 13, 7, 4), [(2, 25), (3, 13), (4, 7), (5, 4)], id="odd sides"),
    ],
)
def test_tiny_taps_the_stages_that_the_layout_names(side, maps, expected):
    model = on_meta(TinyBackbone, side, maps, (1, 2, 3, 4, 5))
    assert [(c, h) for c, h, _ in shapes(model, side)] == expected


def test_tiny_says_which_maps_it_has():
    with pytest.raises(ValueError, match=r"maps of side \[64, 32\], got levels of \[16\]"):
        TinyBackbone(128, (16,), (8, 8))


@pytest.mark.parametrize("build", [MobileNetV2, lambda: TinyBackbone(64, (16, 8), (4, 4, 4))])
def test_no_backbone_changes_its_input_or_its_maps(build):
    model = build().eval()
    images = torch.randn(1, 3, 64, 64)
    before = images.clone()
    with torch.no_grad():
        first = [maps.clone() for maps in model(images)]
        second = model(images)
    assert torch.equal(images, before)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
