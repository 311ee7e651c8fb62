"""A backbone that knows ImageNet: every published file, and the pixels that it learned from."""

import dataclasses
import math

import pytest
import torch
import torchvision
from torch import nn

from detlearn import create_model, load_backbone
from detlearn.models import weights as reference
from detlearn.models.hrnet import HRNet

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]  # torchvision's, for RGB in [0, 1]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
# a pose network and a pyramid whose trunk is HRNet, only smaller
SMALL = {"widths": (8, 16, 24, 32), "modules": (1, 1, 1), "num_blocks": 1, "stage1_blocks": 1}


def trained(network):
    """Random weights that pass an image on, and running statistics as after a training."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.weight, 0.5, 1)
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return network.eval()


def flat(state):
    """The same keys and shapes at the price of a number each."""
    return {key: torch.zeros((), dtype=value.dtype).expand(value.shape)
            for key, value in state.items()}  # fmt: skip


def copy_of(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def photo(side):
    return torch.randint(256, (1, 3, side, side), generator=torch.Generator().manual_seed(1)).byte()


def as_torchvision(image):
    return (image / 255 - MEAN) / STD


@pytest.fixture(scope="module")
def resnet():
    return trained(torchvision.models.resnet50(weights=None))


@pytest.fixture(scope="module")
def vgg_file():
    """torchvision's classifying VGG-16; its fully connected layers take no memory."""
    with torch.device("meta"):
        theirs = torchvision.models.vgg16(weights=None)
    state = flat(theirs.state_dict())
    features = trained(theirs.features.to_empty(device="cpu"))
    state |= {f"features.{key}": value for key, value in features.state_dict().items()}
    state["classifier.3.bias"] = torch.arange(4096.0)
    return features, state


# -------------------------------------------------------- the same features


@torch.no_grad()
def test_resnet_of_ssd_says_what_torchvisions_says(resnet):
    model = create_model("ssd300_resnet50", num_classes=3).eval()
    before = copy_of(model)
    report = load_backbone(model, resnet.state_dict())
    image, ours = photo(96), model.backbone
    expected, got = as_torchvision(image), model.normalize(image)
    for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2"):
        expected, got = getattr(resnet, name)(expected), getattr(ours, name)(got)
    assert expected.std() > 0.1
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    layer3 = ours.layer3.state_dict()  # with another stride, hence other maps
    assert all(torch.equal(layer3[k], v) for k, v in resnet.layer3.state_dict().items())
    assert {key.split(".")[0] for key in report.unused} == {"layer4", "fc"}
    assert not any(key.startswith("backbone.") for key in report.untouched)
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in report.untouched)
    assert report.notes == ("layout: torchvision",)  # it has always seen such pixels


@torch.no_grad()
def test_mobilenet_says_what_torchvisions_says():
    theirs = trained(torchvision.models.mobilenet_v2(weights=None))
    model = create_model("ssdlite300_mobilenet_v2", num_classes=3).eval()
    report = load_backbone(model, theirs.state_dict(), source="torchvision")
    image = photo(96)
    fine, coarse = model.backbone(model.normalize(image))
    maps = theirs.features[:14](as_torchvision(image))
    torch.testing.assert_close(fine, theirs.features[14].conv[0](maps), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(coarse, theirs.features[14:](maps), rtol=1e-4, atol=1e-4)
    assert fine.std() > 0.1 and coarse.std() > 0.1
    assert report.unused == ("classifier.1.weight", "classifier.1.bias")


@torch.no_grad()
def test_vgg_says_what_torchvisions_says_on_the_same_picture(vgg_file):
    theirs, state = vgg_file
    model = create_model("ssd300_vgg16", num_classes=3).eval()
    report = load_backbone(model, state)
    image = photo(192)
    expected, got = as_torchvision(image), model.normalize(image)
    assert got.abs().max() > 100  # SSD's pixels: 0 to 255 minus the mean
    for number, layer in enumerate(model.backbone.layers.children()):
        if number < 23:
            expected, got = theirs[number](expected), layer(got)
    # conv4_3 sees 92 px; cells that see the padding are left out
    torch.testing.assert_close(
        got[..., 6:-6, 6:-6], expected[..., 6:-6, 6:-6], rtol=1e-3, atol=1e-3
    )
    assert expected.std() > 0.1
    assert torch.equal(model.backbone.layers.fc7.bias, torch.arange(0.0, 4096, 4))
    assert report.unused == ("classifier.6.weight", "classifier.6.bias")
    text = str(report)
    assert text.startswith("30 tensors loaded\n")
    assert "first layer refitted from pixels of mean (0.485, 0.456, 0.406)" in text


@torch.no_grad()
def test_a_model_that_normalises_like_the_file_is_not_refitted(vgg_file):
    _, state = vgg_file
    model = create_model("ssd300_vgg16", num_classes=3, image_mean=(0.485, 0.456, 0.406),
                         image_std=(0.229, 0.224, 0.225))  # fmt: skip
    assert load_backbone(model, state).notes == ("layout: torchvision",)
    assert torch.equal(model.backbone.layers.conv1_1.weight, state["features.0.weight"])


@pytest.mark.parametrize("name", ["refinedet320_vgg16", "m2det512_vgg16"])
def test_reducedfc_goes_in_as_it_is(name):
    small = {"num_levels": 1} if name.startswith("m2det") else {}
    model = create_model(name, num_classes=3, **small)
    layout = reference.SOURCES["amdegroot/ssd.pytorch"]["VGG16"]
    state = {reference.translate_key(key, layout)[0][0]: torch.full_like(value, math.pi)
             for key, value in model.backbone.state_dict().items()}  # fmt: skip
    report = load_backbone(model, state)
    assert all(
        (value == torch.tensor(math.pi)).all() for value in model.backbone.state_dict().values()
    )
    assert report.unused == () and report.notes == ("layout: amdegroot/ssd.pytorch",)


@torch.no_grad()
def test_a_resnet_of_m2det_is_refitted_to_bgr():
    theirs = trained(torchvision.models.resnet18(weights=None))
    model = create_model("m2det512_resnet50", backbone="resnet18", num_classes=3, num_levels=1)
    load_backbone(model.eval(), theirs.state_dict())
    image, layers = photo(64), model.backbone.layers
    pixels = model.normalize(image)
    assert model.config.channel_order == "bgr" and pixels.abs().max() > 100
    got = layers.bn1(layers.conv1(pixels))
    expected = theirs.bn1(theirs.conv1(as_torchvision(image)))
    torch.testing.assert_close(
        got[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], rtol=1e-4, atol=1e-4
    )
    # The weights keep their size: a step of the same length turns them as much as before.
    ratio = layers.conv1.weight.norm() / theirs.conv1.weight.norm()
    assert ratio.item() == pytest.approx(1, abs=0.05)
    layers.train()
    got = layers.bn1(layers.conv1(pixels))
    expected = theirs.bn1.train()(theirs.conv1(as_torchvision(image)))
    torch.testing.assert_close(got, expected, rtol=0, atol=0.05)  # the border counts too


@pytest.mark.parametrize("name", ["pose_hrnet_w32", "hrnetv2p_w18"])
def test_hrnets_classifier_begins_all_its_networks(name):
    model = create_model(name, **SMALL)
    layout = reference.SOURCES["timm"]["HRNet"]
    whole = HRNet(create_model("hrnetv2p_w18", **SMALL).config)
    state = {reference.translate_key(key, layout)[0][0]: torch.rand(value.shape).to(value.dtype)
             for key, value in whole.state_dict().items()}  # fmt: skip
    state |= {"classifier.bias": torch.zeros(1000), "incre_modules.0.0.bn1.bias": torch.zeros(3)}
    report = load_backbone(model, state)
    assert torch.equal(model.trunk.stem[0].conv.weight, state["conv1.weight"])
    assert "classifier.bias" in report.unused
    assert all(key.startswith(("head", "neck")) for key in report.untouched)
    said = "layout: leoxiaobin/deep-high-resolution-net.pytorch or timm"
    assert report.notes == (said,)
    rest = {key for key in report.unused if key.startswith("stage4")}
    assert {key.split(".")[3] for key in rest} == ({"1", "2", "3"} if name[0] == "p" else set())


def test_ssd_on_hrnet_takes_the_trunk_too():
    hrnet = dataclasses.replace(create_model("ssd_hrnet_tiny").config.hrnet, **SMALL)
    priors = create_model("ssd_hrnet_tiny").config.priors
    model = create_model("ssd_hrnetv2p_w18", hrnet=hrnet, image_size=128, priors=priors)
    layout = reference.SOURCES["HRNet/HRNet-Object-Detection"]["HRNet"]
    state = {reference.translate_key(key, layout)[0][0]: torch.ones_like(value)
             for key, value in model.backbone.trunk.state_dict().items()}  # fmt: skip
    report = load_backbone(model, state | {"neck.fpn_conv.0.bias": torch.zeros(1)})
    assert all(key.startswith("backbone.trunk.") for key in report.loaded)
    assert all((value == 1).all() for value in model.backbone.trunk.state_dict().values())
    assert report.unused == ("neck.fpn_conv.0.bias",)
    assert report.notes == ("layout: HRNet/HRNet-Object-Detection",)


def test_files_from_before_batches_were_counted(resnet):
    state = {k: v for k, v in resnet.state_dict().items() if "num_batches" not in k}
    model = create_model("ssd300_resnet50", num_classes=3)
    report = load_backbone(model, {"state_dict": state})
    assert model.backbone.bn1.num_batches_tracked == 0
    assert not any("num_batches" in key for key in report.unused)
    assert torch.equal(model.backbone.bn1.running_var, resnet.bn1.running_var)


# ------------------------------------------------------------------- refusals


def refused(model, state, source=None):
    """The message; the model is as it was."""
    before = copy_of(model)
    with pytest.raises(ValueError) as caught:
        load_backbone(model, state, source)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
    return str(caught.value)


@pytest.mark.parametrize("name", ["ssd_tiny", "refinedet_tiny", "m2det_tiny", "pose_hrnet_tiny",
                                  "ssd_hrnet_tiny"])  # fmt: skip
def test_the_tiny_models_have_none(name):
    message = refused(create_model(name), {})
    assert message.startswith(f"{name}: there is no published backbone for it")


def test_a_backbone_that_nobody_published():
    with torch.device("meta"):
        model = create_model("m2det512_vgg16", backbone="vgg19")
    with pytest.raises(ValueError, match="m2det512_vgg16: no published weights are known .* VGG19"):
        load_backbone(model, {})
    with pytest.raises(ValueError, match="no published weights are known for its backbone, Linear"):
        load_backbone(nn.Linear(1, 1), {})


def test_everything_that_is_wrong_is_named_at_once(tmp_path, resnet):
    state = dict(resnet.state_dict())
    del state["conv1.weight"], state["layer2.0.bn1.bias"]
    state["layer5.0.weight"] = torch.zeros(1)
    state["bn1.weight"] = torch.zeros(32)
    path = tmp_path / "resnet.pth"
    torch.save(state, path)
    assert refused(create_model("ssd300_resnet50", num_classes=3), path).splitlines() == [
        f"{path}: the weights do not fit ResNet50",
        "  2 missing: conv1.weight, layer2.0.bn1.bias",
        "  1 unexpected: layer5.0.weight",
        "  1 of wrong shape or type: bn1.weight is (32,), expected (64,)",
    ]


def test_a_deeper_resnet_is_not_cut_short():
    with torch.device("meta"):
        deeper = torchvision.models.resnet101(weights=None)
    model = create_model("ssd300_resnet50", num_classes=3)
    message = refused(model, flat(deeper.state_dict()))
    assert "unexpected: layer3.6.conv1.weight" in message and "layer4" not in message


def test_a_file_of_another_network(tmp_path):
    path = tmp_path / "mobilenet.pth"
    torch.save({f"features.{i}.0.weight": torch.zeros(1) for i in range(4)}, path)
    model = create_model("ssd300_resnet50", num_classes=3)
    assert refused(model, path) == (
        f"{path}: expected weights of ResNet50 in the layout of torchvision, got the keys "
        "features.0.0.weight, features.1.0.weight, features.2.0.weight, ..."
    )
    message = refused(model, path, source="timm")
    assert message == (
        "source: for ResNet50, the backbone of ssd300_resnet50, expected one of torchvision, "
        "got 'timm'"
    )
    assert "features.0.0.weight" in refused(model, path, source="torchvision")  # unexpected


def test_a_vgg_without_numbers_in_its_classifier(tmp_path, vgg_file):
    _, state = vgg_file
    model = create_model("ssd300_vgg16", num_classes=3)
    hollow = state | {"classifier.0.weight": torch.tensor(math.nan).expand(4096, 25088)}
    message = refused(model, hollow)
    assert message == "state dict: not all numbers are finite in classifier.0.weight"
    hollow["classifier.6.weight"] = hollow.pop("classifier.0.weight")  # not used, not asked
    message = refused(model, hollow)
    assert message.splitlines() == [
        "state dict: these are no weights of torchvision's classifying vgg16",
        "  1 missing: classifier.0.weight",
    ]
    path = tmp_path / "vgg.pth"
    torch.save({"features.0.weight": torch.zeros(1)}, path)
    assert refused(model, path).startswith(f"{path}: these are no weights of torchvision's")
