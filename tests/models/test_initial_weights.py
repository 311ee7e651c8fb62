"""A detector that begins with another one's weights: every row of every head is accounted for."""

import dataclasses

import pytest
import torch
import torchvision

from detlearn import create_model, load_initial_weights, save_model
from detlearn.boxes import make_priors
from detlearn.models.weights import SOURCES, translate_key

OLD = ("background", "cat", "dog", "ship")
NEW = ("background", "ship", "coin", "cat", "car", "dog")  # other order, other number


def numbered(model, seed):
    """Random numbers in every tensor, so that none is equal to another by chance."""
    generator = torch.Generator().manual_seed(seed)
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(0.1 * torch.randn(value.shape, generator=generator))
        if key.endswith("running_var"):
            value.abs_()
    return model


def build(name, names, seed, **how):
    model = numbered(create_model(name, num_classes=len(names), **how), seed)
    model.class_names = names
    return model


def copy_of(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


@torch.no_grad()
@pytest.mark.parametrize("name", ["ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny",
                                  "ssdlite300_mobilenet_v2"])  # fmt: skip
def test_shared_classes_say_what_they_said(tmp_path, name):
    old, model = build(name, OLD, 0).eval(), build(name, NEW, 1).eval()
    fresh = copy_of(model)
    save_model(old, tmp_path / "old.safetensors")
    report = load_initial_weights(model, tmp_path / "old.safetensors")
    assert report.classes == ("background", "ship", "cat", "dog") and not report.unused
    # The same picture: logits of shared classes, found by name, and boxes are the same.
    image = torch.rand(1, 3, model.config.image_size, model.config.image_size)
    before, now = old(old.normalize(image)), model(model.normalize(image))
    theirs, ours = getattr(before, "odm_logits", before[0]), getattr(now, "odm_logits", now[0])
    for label, there in ((0, 0), (1, 3), (3, 1), (5, 2)):
        assert torch.allclose(ours[..., label], theirs[..., there], rtol=1e-4, atol=1e-5)
    assert torch.allclose(now[-1], before[-1], rtol=1e-4, atol=1e-5)
    # The others are as they were made, and every tensor is in the table once.
    kinds = dict(report.tensors)
    assert list(kinds) == list(model.state_dict())
    heads = {key for key, kind in kinds.items() if kind == "in part: rows of 4 classes"}
    assert {key for key, kind in kinds.items() if kind == "taken"} == set(kinds) - heads
    for key in heads:
        own, was = (one[key].unflatten(0, (-1, len(NEW))) for one in (model.state_dict(), fresh))
        assert torch.equal(own[:, [2, 4]], was[:, [2, 4]])
    assert all(line in report.table() for line in ("taken", "in part: rows of 4 classes"))
    assert str(report).startswith(f"{len(kinds)} tensors: ")


@torch.no_grad()
def test_torchvisions_ssd_knows_its_classes():
    """VOC's words find COCO's, and torchvision's labels with no class in between are passed by."""
    theirs = torchvision.models.detection.ssd300_vgg16(weights=None, weights_backbone=None)
    numbered(theirs, 0)
    names = ("background", "aeroplane", "bicycle", "person", "tvmonitor", "unicorn")
    model = build("ssd300_vgg16", names, 1)
    fresh = copy_of(model)
    report = load_initial_weights(model, theirs.state_dict())
    assert report.classes == names[:-1]
    categories = torchvision.models.detection.SSD300_VGG16_Weights.COCO_V1.meta["categories"]
    head = theirs.head.classification_head.module_list
    for level, prior in ((0, 3), (1, 5), (5, 0)):
        ours = model.head.logits[level].weight.unflatten(0, (-1, len(names)))[prior]
        given = head[level].weight.unflatten(0, (-1, 91))[prior]
        words = ("__background__", "airplane", "bicycle", "person", "tv")
        for label, word in enumerate(words):
            assert torch.equal(ours[label], given[categories.index(word)]), word
        was = fresh[f"head.logits.{level}.weight"].unflatten(0, (-1, len(names)))[prior]
        assert torch.equal(ours[5], was[5])
    assert torch.equal(
        model.head.deltas[0].weight, theirs.head.regression_head.module_list[0].weight
    )


@torch.no_grad()
def test_a_layout_with_the_class_first_is_reordered():
    """uvipen keeps channel class * A + prior, and its number of classes is not ours."""
    model = create_model("ssd300_resnet50", num_classes=3)
    layout = SOURCES["uvipen/SSD-pytorch"][model.config.name]

    theirs, a = {}, model.config.priors.priors_per_cell
    for key, value in model.state_dict().items():
        shape = list(value.shape)
        if ".logits." in key:
            shape[0] = a[int(key.split(".")[2])] * 81
        theirs[translate_key(key, layout)[0][-1]] = torch.randn(shape) if value.ndim else value
    given = theirs[translate_key("head.logits.2.weight", layout)[0][-1]].clone()
    given = given.unflatten(0, (81, a[2]))  # class first
    report = load_initial_weights(model, theirs)
    ours = model.head.logits[2].weight.unflatten(0, (a[2], 3))
    assert torch.equal(ours[:, 0], given[0])  # the background alone: nobody names the others
    assert report.notes == (
        "the file does not name its classes: the background alone keeps its rows",
    )


def test_rows_stay_in_order_where_nobody_names_them(tmp_path):
    old, model = numbered(create_model("ssd_tiny"), 0), numbered(create_model("ssd_tiny"), 1)
    report = load_initial_weights(model, old.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(old.parameters(), model.parameters(), strict=True))
    assert report.notes == ("the file does not name its classes: rows are taken in their order",)
    save_model(build("ssd_tiny", OLD, 0), tmp_path / "old.safetensors")
    model = create_model("ssd_tiny", num_classes=6)
    report = load_initial_weights(model, tmp_path / "old.safetensors")
    assert "the model does not name its classes" in str(report) and report.classes == ()


def test_a_head_of_other_priors_stays_as_it_is():
    old = build("ssd_tiny", OLD, 0)
    priors = old.config.priors
    ratios = tuple((*one, 5.0) for one in priors.aspect_ratios)
    wide = dataclasses.replace(priors, aspect_ratios=ratios)
    model = build("ssd_tiny", OLD, 1, priors=wide)
    assert len(make_priors(wide)) > len(make_priors(priors))
    fresh = copy_of(model)
    report = load_initial_weights(model, old.state_dict())
    now = model.state_dict()
    for key, what in report.tensors:
        if key.startswith("head."):
            assert what.startswith("left: ") and torch.equal(now[key], fresh[key])
        else:
            assert what == "taken" and torch.equal(now[key], old.state_dict()[key])


def test_equal_sizes_of_other_priors_are_no_match():
    """A*K is 24 for 4 priors of 6 classes and for 6 of 4: the number alone would mix them."""
    small = create_model("ssd_tiny", num_classes=6)
    assert small.config.priors.priors_per_cell == (2, 4, 4, 4)
    ratios = tuple((*one, 5.0) for one in small.config.priors.aspect_ratios)
    wide = dataclasses.replace(small.config.priors, aspect_ratios=ratios)
    model = create_model("ssd_tiny", num_classes=4, priors=wide)
    report = load_initial_weights(model, small.state_dict())
    assert all(what.startswith("left: a head of other priors") for key, what in report.tensors
               if key.startswith("head.logits"))  # fmt: skip


def test_a_wrong_file_changes_nothing(tmp_path):
    model = numbered(create_model("ssd_tiny"), 0)
    before = copy_of(model)
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "resnet.pth")
    sick = create_model("ssd_tiny").state_dict()
    sick["head.deltas.0.bias"][3] = float("nan")
    save_model(create_model("m2det_tiny"), tmp_path / "m2det.safetensors")
    (tmp_path / "empty").mkdir()
    for what, sentence in (
        (
            tmp_path / "resnet.pth",
            "expected weights of ssd_tiny in the layout of ours, got the key",
        ),
        (sick, "not all numbers are finite in head.deltas.0.bias"),
        (tmp_path / "m2det.safetensors", "the layers of ssd_tiny, got m2det_tiny: "),
        (tmp_path / "empty", "expected the folder of a run, with best.safetensors, model"),
        (3, "expected a state dict or a file, got int"),
    ):
        with pytest.raises(ValueError, match=sentence):
            load_initial_weights(model, what)
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        load_initial_weights(model, tmp_path / "gone.pth")
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())
