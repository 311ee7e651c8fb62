"""Published checkpoints: every key in its place, every number in its order."""

import collections
import os
import pickle
import re

import pytest
import safetensors.torch
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models.mobilenetv2 import InvertedResidual

from detlearn import create_model, load_reference_weights
from detlearn.boxes import box_iou, cxcywh_to_xyxy
from detlearn.models import weights as reference
from detlearn.models.backbones import VGG16, MobileNetV2, ResNet50, ResNetFamily
from tests import golden_scheme as scheme

UVIPEN, TORCHVISION = "uvipen/SSD-pytorch", "torchvision"


def create_on_meta(name, **overrides):
    with torch.device("meta"):
        for backbone in (VGG16, ResNet50, ResNetFamily, MobileNetV2):
            if name == backbone.__name__:
                return backbone(**overrides)
        if name == "HRNet":
            return create_model("pose_hrnet_w32").trunk
        return create_model(name, **overrides)


# --------------------------------------------------------------- torchvision


@pytest.fixture(scope="module")
def torchvision_run():
    """torchvision's SSD300 and ours with the same random weights, and what each said."""
    torch.manual_seed(0)
    with torch.device("meta"):  # its 120 million unused weights take ten seconds to draw
        theirs = torchvision.models.detection.ssd300_vgg16(
            weights=None, weights_backbone=None, num_classes=11
        )
    theirs = theirs.to_empty(device="cpu").eval()
    for name, parameter in theirs.named_parameters():
        if name == "backbone.scale_weight":
            nn.init.uniform_(parameter, 10, 30)
        elif name.endswith("bias"):
            nn.init.normal_(parameter, std=0.3)
        elif name.startswith("backbone"):
            nn.init.kaiming_normal_(parameter)
        else:  # heads wide enough that classes and boxes differ from cell to cell
            nn.init.normal_(parameter, std=0.01)
    with torch.no_grad():
        theirs.backbone.features[0].weight.div_(50)  # the input has 0 to 255, not 0 to 1
    ours = create_model("ssd300_vgg16", num_classes=11).eval()
    load_reference_weights(ours, theirs.state_dict(), source=TORCHVISION)

    generator = torch.Generator().manual_seed(1)
    images = [torch.rand(3, h, w, generator=generator) for h, w in ((240, 400), (333, 297))]
    said = []
    hooks = [
        model.head.register_forward_hook(lambda module, inputs, output: said.append(output))
        for model in (theirs, ours)
    ]
    with torch.no_grad():
        expected = theirs([image.clone() for image in images])
    found = ours.detect(images)
    for hook in hooks:
        hook.remove()
    return theirs, ours, images, said, expected, found


def test_torchvision_same_logits_and_deltas(torchvision_run):
    *_, (expected, got), _, _ = torchvision_run
    assert 0.3 < expected["cls_logits"].std() < 3 and expected["bbox_regression"].std() > 0.3
    torch.testing.assert_close(got.logits, expected["cls_logits"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(got.deltas, expected["bbox_regression"], rtol=1e-4, atol=1e-4)


def test_torchvision_same_detections(torchvision_run):
    *_, expected, found = torchvision_run
    for want, got in zip(expected, found, strict=True):
        assert len(want["scores"]) == 200 and len(want["labels"].unique()) > 3
        assert torch.equal(got["labels"], want["labels"])
        torch.testing.assert_close(got["scores"], want["scores"], rtol=0, atol=1e-4)
        torch.testing.assert_close(got["boxes"], want["boxes"], rtol=1e-6, atol=1e-4)


def test_torchvision_same_loss(torchvision_run):
    theirs, ours, _, (head, predictions), _, _ = torchvision_run
    targets = [
        {
            "boxes": torch.tensor([[20.0, 30, 200, 150], [5, 5, 60, 50]]),
            "labels": torch.tensor([3, 7]),
        },
        {"boxes": torch.tensor([[100.0, 120, 250, 290]]), "labels": torch.tensor([1])},
    ]
    anchors = 300 * cxcywh_to_xyxy(ours.priors)
    matched = [theirs.proposal_matcher(box_iou(one["boxes"], anchors)) for one in targets]
    with torch.inference_mode():
        expected = theirs.compute_loss(targets, head, [anchors, anchors], matched)
        got = ours.loss(predictions, targets)
    assert got.keys() == expected.keys()
    for key in got:
        torch.testing.assert_close(got[key], expected[key], rtol=1e-4, atol=1e-4)


# -------------------------------------------------------------------- SSDLite


def ssdlite_manifest(classes=81):
    """Keys and shapes of uvipen's SSDLite, as its modules would list them."""
    shapes = {}

    def add(prefix, module):
        shapes.update({f"{prefix}{key}": v.shape for key, v in module.state_dict().items()})

    with torch.device("meta"):
        add("feature_extractor.feature_extractor.", torchvision.models.mobilenet_v2().features)
        sizes = (1280, 512, 256, 256, 64)
        for i, ratio in enumerate((0.2, 0.25, 0.5, 0.25)):
            block = InvertedResidual(sizes[i], sizes[i + 1], stride=2, expand_ratio=ratio)
            add(f"additional_blocks.{i}.", block)
        for head, numbers in (("loc", 4), ("conf", classes)):
            for i, channels in enumerate((576, 1280, 512, 256, 256, 64)):
                add(f"{head}.{i}.0.", nn.Conv2d(channels, channels, 3, groups=channels))
                add(f"{head}.{i}.1.", nn.BatchNorm2d(channels))
                add(f"{head}.{i}.3.", nn.Conv2d(channels, 6 * numbers, 1))
            add(f"{head}.6.", nn.Conv2d(64, 6 * numbers, 1))
    return list(shapes.items())


@pytest.fixture(scope="module")
def ssdlite_state():
    arrays = scheme.fill_state_dict(ssdlite_manifest(classes=5), "B")
    return {key: torch.from_numpy(array) for key, array in arrays.items()}


def test_ssdlite_manifest_has_upstreams_size():
    learned = [
        shape.numel()
        for key, shape in ssdlite_manifest()
        if not key.endswith(("running_mean", "running_var", "num_batches_tracked"))
    ]
    assert sum(learned) == 4_484_914


def test_ssdlite_heads_are_coordinate_major_upstream(ssdlite_state):
    model = create_model("ssdlite300_mobilenet_v2", num_classes=5).eval()
    load_reference_weights(model, ssdlite_state, source=UVIPEN)
    with torch.no_grad():
        images = torch.from_numpy(scheme.image(300, 300))
        pyramid, predictions = model.features(images), model(images)
    start = 0
    for level, maps in enumerate(pyramid):
        H = maps.shape[-1]
        rows = slice(start, start + 6 * H * H)
        start = rows.stop
        for head, numbers, ours in (
            ("loc", 4, predictions.deltas),
            ("conf", 5, predictions.logits),
        ):

            def weight(name, prefix=f"{head}.{level}"):
                return ssdlite_state[f"{prefix}.{name}"]

            x = F.conv2d(
                maps, weight("0.weight"), weight("0.bias"), padding=1, groups=maps.shape[1]
            )
            x = F.batch_norm(
                x,
                weight("1.running_mean"),
                weight("1.running_var"),
                weight("1.weight"),
                weight("1.bias"),
            )
            x = F.conv2d(F.relu6(x), weight("3.weight"), weight("3.bias"))
            # Upstream reads (N, numbers, prior, row, column); the priors are (row, column, prior).
            upstream = x.view(1, numbers, 6, H, H).permute(0, 3, 4, 2, 1).reshape(1, -1, numbers)
            torch.testing.assert_close(ours[:, rows], upstream, rtol=1e-4, atol=1e-4)
    assert start == 3_000


def test_ssdlite_without_its_dead_head_loads_too(ssdlite_state):
    alive = {key: value for key, value in ssdlite_state.items() if ".6." not in key[:7]}
    assert len(ssdlite_state) - len(alive) == 4
    load_reference_weights(create_model("ssdlite300_mobilenet_v2", num_classes=5), alive, UVIPEN)


def test_prior_first_says_where_each_number_goes():
    A, K = 6, 4
    upstream = torch.arange(K * A * 10).reshape(K * A, 5, 1, 2)
    ours = reference.prior_first(upstream, K)
    assert ours.shape == upstream.shape
    for a in range(A):
        for k in range(K):
            assert torch.equal(ours[a * K + k], upstream[k * A + a])


# -------------------------------------------------------- VGG-16 on its own

PORTS = "amdegroot/ssd.pytorch"


@pytest.fixture(scope="module")
def reducedfc():
    """vgg16_reducedfc.pth: the VGG of the ports, one Sequential, with its keys and shapes."""
    layers, channels = [], 3
    for width in (64, 64, "M", 128, 128, "M", 256, 256, 256, "C", *(512, 512, 512, "M") * 2):
        if isinstance(width, str):
            layers.append(nn.MaxPool2d(2, 2, ceil_mode=width == "C"))
        else:
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
    layers[-1] = nn.MaxPool2d(3, 1, 1)
    layers += [nn.Conv2d(512, 1024, 3, padding=6, dilation=6), nn.ReLU()]
    return nn.Sequential(*layers, nn.Conv2d(1024, 1024, 1), nn.ReLU())


def test_reducedfc_gives_the_same_maps(reducedfc):
    state = reducedfc.state_dict()
    assert list(state)[::2][-3:] == ["28.weight", "31.weight", "33.weight"]
    vgg = VGG16()
    assert load_reference_weights(vgg, state, source=PORTS) is vgg
    images = torch.randn(1, 3, 75, 75)
    with torch.no_grad():
        conv4_3, fc7 = vgg(images)
        assert torch.equal(conv4_3, reducedfc[:23](images)) and conv4_3.std() > 0
        assert torch.equal(fc7, reducedfc(images)) and fc7.std() > 0


def test_reducedfc_file_fills_a_detectors_backbone(tmp_path, reducedfc):
    path = tmp_path / "vgg16_reducedfc.pth"
    torch.save(reducedfc.state_dict(), path)
    model = create_model("ssd300_vgg16")
    heads = {key: value.clone() for key, value in model.head.state_dict().items()}
    load_reference_weights(model.backbone, path, source=PORTS)
    assert torch.equal(model.backbone.layers.fc7.bias, reducedfc[33].bias)
    assert all(torch.equal(heads[key], value) for key, value in model.head.state_dict().items())


def test_reducedfc_with_other_keys_is_refused_whole(reducedfc):
    state = dict(reducedfc.state_dict())
    del state["0.weight"], state["31.bias"]
    state["35.weight"] = torch.zeros(1)
    state["33.weight"] = torch.zeros(4096, 1024, 1, 1)
    with pytest.raises(ValueError) as caught:
        load_reference_weights(create_on_meta("VGG16"), state, source=PORTS)
    assert str(caught.value).splitlines() == [
        "state dict: the weights do not fit VGG16",
        "  2 missing: 0.weight, 31.bias",
        "  1 unexpected: 35.weight",
        "  1 of wrong shape or type: 33.weight is (4096, 1024, 1, 1), expected (1024, 1024, 1, 1)",
    ]


def test_reducedfc_is_not_for_the_whole_detector():
    model = create_on_meta("ssd300_vgg16")
    with pytest.raises(ValueError, match=r"not for ssd300_vgg16: load_backbone\(model"):
        load_reference_weights(model, {}, source=PORTS)


# ---------------------------------------------------------------- the table


@pytest.mark.parametrize(
    ("source", "name"),
    [(source, name) for source in reference.SOURCES for name in reference.SOURCES[source]],
)
def test_every_key_of_ours_has_one_place_there(source, name):
    layout = reference.SOURCES[source][name]
    theirs = []
    used = set()
    for key in create_on_meta(name).state_dict():
        matching = [rule for rule in layout.rules if re.fullmatch(rule.ours, key)]
        assert len(matching) == 1, key
        used.add(matching[0])
        theirs += reference.translate_key(key, layout)[0]
    assert len(set(theirs)) == len(theirs)
    assert used == set(layout.rules)


def test_shared_tensors_take_the_last_key(monkeypatch):
    model = create_model("ssd_tiny")
    layout = reference.Source(
        (
            reference.Rule(r"head\.deltas\.0\.bias", ("shared.0", "shared.1", "shared.2")),
            reference.Rule(r"(.+)", r"\1"),
        ),
        dead=("base\\.fc\\..+",),
    )
    monkeypatch.setitem(reference.SOURCES, "someone/else", {"ssd_tiny": layout})
    state = create_model("ssd_tiny").state_dict()
    bias = state.pop("head.deltas.0.bias")
    state |= {f"shared.{i}": torch.full_like(bias, i) for i in range(3)}
    state["base.fc.weight"] = torch.zeros(1)
    load_reference_weights(model, state, source="someone/else")
    assert (model.head.deltas[0].bias == 2).all()
    del state["shared.1"]
    with pytest.raises(ValueError, match="1 missing: shared.1"):
        load_reference_weights(model, state, source="someone/else")


# ------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("ssd_tiny", "github", "source: expected one of uvipen/SSD-pytorch, .*got 'github'"),
        ("ssd300_vgg16", UVIPEN, "not for ssd300_vgg16; for ssd300_vgg16 there is torchvision"),
        ("m2det_tiny", TORCHVISION, "torchvision has weights for ssd300_vgg16, .*, not for m2det"),
        ("ssd300_resnet50", TORCHVISION, "torchvision has weights for the backbone alone, not for"),
        ("ssd_tiny", TORCHVISION, "for ssd_tiny there is no source"),
    ],
)
def test_source_must_fit(name, source, message):
    with pytest.raises(ValueError, match=message):
        load_reference_weights(create_on_meta(name), {}, source=source)


def test_source_wants_a_model_of_ours():
    with pytest.raises(ValueError, match="not for Linear"):
        load_reference_weights(nn.Linear(1, 1), {}, source=TORCHVISION)


def test_all_differences_are_named_at_once_and_nothing_is_loaded(ssdlite_state):
    model = create_model("ssdlite300_mobilenet_v2", num_classes=5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = dict(ssdlite_state)
    del state["loc.0.3.bias"], state["conf.5.1.running_mean"]
    state["loc.7.weight"] = torch.zeros(1)
    state["optimizer"] = {"lr": 0.1}
    state["conf.0.3.bias"] = torch.zeros(486)
    state["conf.1.3.bias"] = "nothing"
    state["conf.2.3.bias"] = torch.zeros(30, dtype=torch.int64)
    with pytest.raises(ValueError) as caught:
        load_reference_weights(model, state, source=UVIPEN)
    assert str(caught.value).splitlines() == [
        "state dict: the weights do not fit ssdlite300_mobilenet_v2",
        "  2 missing: conf.5.1.running_mean, loc.0.3.bias",
        "  2 unexpected: loc.7.weight, optimizer",
        "  3 of wrong shape or type: conf.0.3.bias is (486,), expected (30,), "
        "conf.1.3.bias is no tensor but str, "
        "conf.2.3.bias is torch.int64, expected torch.float32",
    ]
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_wrong_number_of_classes_is_a_matter_of_shapes(ssdlite_state):
    with pytest.raises(ValueError, match=r"conf.0.3.weight is \(30, 576, 1, 1\), expected \(486"):
        load_reference_weights(create_on_meta("ssdlite300_mobilenet_v2"), ssdlite_state, UVIPEN)


# ---------------------------------------------------------------------- files


@pytest.fixture(scope="module")
def lite():
    return create_model("ssdlite300_mobilenet_v2", num_classes=5)


def probe(model):
    return model.head.deltas[2].pointwise.bias


def assert_loaded(model, state):
    assert torch.equal(probe(model), reference.prior_first(state["loc.2.3.bias"], 4))
    nn.init.zeros_(probe(model))  # the next test starts afresh


@pytest.mark.parametrize("wrap", ["model", "state_dict", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_checkpoints_are_unwrapped(lite, ssdlite_state, wrap, prefix):
    state = {prefix + key: value for key, value in ssdlite_state.items()}
    load_reference_weights(lite, {"epoch": 54, wrap: state}, source=UVIPEN)
    assert_loaded(lite, ssdlite_state)


def test_checkpoint_as_upstream_writes_it(tmp_path, lite, ssdlite_state):
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9)
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [43, 54], 0.1)
    path = tmp_path / "SSDLite.pth"
    torch.save(
        {
            "epoch": 54,
            "model_state_dict": collections.OrderedDict(ssdlite_state),
            "optimizer": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(),
        },
        path,
    )
    assert load_reference_weights(lite, path, source=UVIPEN) is lite
    assert_loaded(lite, ssdlite_state)


def test_safetensors_files(tmp_path, lite, ssdlite_state):
    path = tmp_path / "lite.safetensors"
    safetensors.torch.save_file(ssdlite_state, path)
    load_reference_weights(lite, str(path), source=UVIPEN)
    assert_loaded(lite, ssdlite_state)


def test_half_precision_checkpoints_are_widened(lite, ssdlite_state):
    half = {k: v.half() if v.is_floating_point() else v for k, v in ssdlite_state.items()}
    load_reference_weights(lite, half, source=UVIPEN)
    assert probe(lite).dtype == torch.float32


def test_the_checkpoint_stays_the_callers(lite, ssdlite_state):
    before = {key: value.clone() for key, value in ssdlite_state.items()}
    load_reference_weights(lite, ssdlite_state, source=UVIPEN)
    with torch.no_grad():
        for parameter in lite.parameters():
            parameter.add_(1)
    assert all(torch.equal(before[key], ssdlite_state[key]) for key in before)


class Payload:
    """What a malicious checkpoint does: run something when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_pickled_code_is_not_executed(tmp_path, lite):
    trap = tmp_path / "executed"
    for name, write in (("zip.pth", torch.save), ("plain.pth", dump)):
        path = tmp_path / name
        write({"model": Payload(trap)}, path)
        with pytest.raises(ValueError, match=f"{name}: cannot be read.*never executed"):
            load_reference_weights(lite, path, source=UVIPEN)
    assert not trap.exists()


def dump(value, path):
    path.write_bytes(pickle.dumps(value, protocol=2))


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04", b"<!DOCTYPE html><html>404</html>", bytes(range(256)) * 8],
    ids=["empty", "beginning of a zip", "web page", "noise"],
)
def test_foreign_files(tmp_path, suffix, content):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"weights{suffix}: "):
        load_reference_weights(create_on_meta("ssd300_vgg16"), path, source=TORCHVISION)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_truncated_files(tmp_path, suffix):
    path = tmp_path / f"weights{suffix}"
    tensors = {"a": torch.zeros(1000)}
    (torch.save if suffix == ".pth" else safetensors.torch.save_file)(tensors, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(ValueError, match=f"weights{suffix}: "):
        load_reference_weights(create_on_meta("ssd300_vgg16"), path, source=TORCHVISION)


@pytest.mark.parametrize("content", [torch.zeros(3), [torch.zeros(3)], 7, None])
def test_files_without_a_state_dict(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(ValueError, match="weights.pth: expected a state dict, got"):
        load_reference_weights(create_on_meta("ssd300_vgg16"), path, source=TORCHVISION)


def test_files_that_are_not_there(tmp_path):
    model = create_on_meta("ssd300_vgg16")
    for name in ("no.pth", "no.safetensors"):
        with pytest.raises(FileNotFoundError, match=f"{name}: there is no such file"):
            load_reference_weights(model, tmp_path / name, source=TORCHVISION)
    with pytest.raises(ValueError, match="expected a file, got a folder"):
        load_reference_weights(model, tmp_path, source=TORCHVISION)


def test_a_source_with_a_hole_is_noticed(monkeypatch):
    layout = reference.Source((reference.Rule(r"head\.(.+)", r"\1"),))
    monkeypatch.setitem(reference.SOURCES, "someone/else", {"ssd_tiny": layout})
    with pytest.raises(ValueError, match="backbone.*: no rule of the source covers this key"):
        load_reference_weights(create_on_meta("ssd_tiny"), {}, source="someone/else")
