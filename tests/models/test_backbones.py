"""The backbones are torchvision's networks, tapped at the right places."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from detlearn.models import vgg16_reduced_from_torchvision
from detlearn.models.backbones import (
    VGG16,
    MobileNetV2,
    ResNet50,
    TinyBackbone,
    decimate_fc6,
    decimate_fc7,
    named_vgg16_layers,
)


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


# ------------------------------------------------- VGG-16, from fully connected to convolution


@pytest.fixture(scope="module")
def classifier():
    """torchvision's keys and shapes; every number is its own place within its tensor."""
    expected = on_meta(torchvision.models.vgg16, weights=None).state_dict()
    return {
        key: torch.arange(tensor.numel(), dtype=torch.int32).reshape(tensor.shape)
        for key, tensor in expected.items()
    }


def test_layers_have_caffes_names():
    names = list(on_meta(named_vgg16_layers))
    assert len(names) == 31 and names[-3:] == ["conv5_3", "relu5_3", "pool5"]
    # torchvision's number is the place in this list: conv4_3 is features.21
    assert names[21] == "conv4_3"


def test_reduced_weights_are_those_picked_by_hand(classifier):
    reduced = vgg16_reduced_from_torchvision(classifier)
    fc6, fc7 = reduced["layers.fc6.weight"], reduced["layers.fc7.weight"]
    assert fc6.shape == (1024, 512, 3, 3) and fc7.shape == (1024, 1024, 1, 1)
    for unit, channel, row, column in ((0, 0, 0, 0), (5, 7, 1, 2), (1023, 511, 2, 2)):
        place = 25088 * (4 * unit) + 49 * channel + 7 * (3 * row) + 3 * column
        assert fc6[unit, channel, row, column] == place
    for unit, source in ((0, 0), (3, 9), (1023, 1023)):
        assert fc7[unit, source, 0, 0] == 4096 * (4 * unit) + 4 * source
    for layer in ("fc6", "fc7"):
        assert reduced[f"layers.{layer}.bias"].tolist() == list(range(0, 4096, 4))


def test_reduced_weights_leave_the_convolutions_alone(classifier):
    reduced = vgg16_reduced_from_torchvision(classifier)
    convolutions = [key for key in classifier if key.startswith("features")]
    ours = [key for key in reduced if ".conv" in key]
    assert len(ours) == len(convolutions) == 26
    for key, theirs in zip(ours, convolutions, strict=True):
        assert torch.equal(reduced[key], classifier[theirs]), key
    assert reduced.keys() == on_meta(VGG16).state_dict().keys()
    assert ours[:2] == ["layers.conv1_1.weight", "layers.conv1_1.bias"]


def test_fc6_with_few_taps_is_a_dilated_convolution():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4096, 25088, generator=generator)
    maps = torch.randn(1, 512, 7, 7, generator=generator)
    kept = torch.zeros(7, 7)
    kept[::3, ::3] = 1  # the other taps do not count
    with torch.no_grad():
        # float64: both sum 4,608 products, in another order
        expected = F.linear((maps * kept).flatten(1).double(), weight[::4].double())
        got = F.conv2d(maps.double(), decimate_fc6(weight).double(), dilation=3)
    torch.testing.assert_close(got.flatten(1), expected)


def test_fc7_mixes_the_units_that_fc6_kept():
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(4096, 4096, generator=generator, dtype=torch.float64)
    units = torch.zeros(1, 4096, dtype=torch.float64)
    units[:, ::4] = torch.randn(1, 1024, generator=generator, dtype=torch.float64)
    got = F.conv2d(units[:, ::4, None, None], decimate_fc7(weight))
    torch.testing.assert_close(got.flatten(1), F.linear(units, weight)[:, ::4])


@pytest.mark.parametrize(("stride", "dilation"), [(2, 3), (1, 6)], ids=["RefineDet", "SSD"])
def test_dilation_goes_with_the_stride_of_pool5(stride, dilation):
    # Seven taps 32 px apart, or every third of them: the same places of conv5_3.
    maps = torch.randn(1, 4, 26, 26)
    filters = torch.randn(8, 4, 3, 3)
    got = F.conv2d(maps[:, :, ::stride, ::stride], filters, dilation=dilation)
    dense = F.conv2d(maps, filters, dilation=6)
    torch.testing.assert_close(got, dense[:, :, ::stride, ::stride])


def test_reduced_weights_are_copies_of_the_same_type(classifier):
    state = {key: value.to(torch.float16) for key, value in classifier.items()}
    reduced = vgg16_reduced_from_torchvision(state)
    owned = {tensor.untyped_storage().data_ptr() for tensor in state.values()}
    for value in reduced.values():
        assert value.dtype == torch.float16 and value.is_contiguous()
        assert value.untyped_storage().data_ptr() not in owned
        assert value.untyped_storage().nbytes() == value.numel() * 2


def test_reduced_weights_need_no_fc8(classifier):
    body = {key: value for key, value in classifier.items() if "classifier.6" not in key}
    body["classifier.6.weight"] = torch.zeros(10, 4096)  # fine-tuned for ten classes
    assert len(vgg16_reduced_from_torchvision(body)) == 30


def test_foreign_classifiers_are_refused_with_every_key(classifier):
    state = dict(classifier)
    del state["features.0.bias"], state["classifier.3.weight"]
    state["features.1.running_mean"] = torch.zeros(64)
    state["features.34.weight"] = torch.zeros(1)
    state["classifier.0.weight"] = torch.zeros(4096, 512)
    state["features.2.bias"] = "nothing"
    with pytest.raises(ValueError) as caught:
        vgg16_reduced_from_torchvision(state)
    assert str(caught.value).splitlines() == [
        "state dict: these are no weights of torchvision's classifying vgg16",
        "  2 missing: features.0.bias, classifier.3.weight",
        "  2 unexpected: features.1.running_mean, features.34.weight",
        "  2 of wrong shape: features.2.bias is str, expected (64,), "
        "classifier.0.weight is (4096, 512), expected (4096, 25088)",
    ]


def test_an_empty_classifier_is_refused():
    with pytest.raises(ValueError, match=r"30 missing: features.0.weight"):
        vgg16_reduced_from_torchvision({})


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
