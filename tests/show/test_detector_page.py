"""A detector as one HTML file: its steps, its weights, what is refused. The browser's own tests
compare what it answers with PyTorch (tests/browser/test_detector_page.py)."""

from __future__ import annotations

import json
import re

import pytest
import torch
from torch import nn

import detlearn
from detlearn.__main__ import main
from detlearn.show import DetectorPage
from detlearn.show.page.detector_page import packed, page_config
from detlearn.show.page.pictures import scene_for
from detlearn.show.page.program import known_operations, read_program

PICTURE = torch.zeros(1, 3, 8, 8)


class Answers(nn.Module):
    """A network whose forward is the given function of a convolution's map."""

    def __init__(self, after, **conv):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, **conv)
        self.bn = nn.BatchNorm2d(4)
        self.after = after

    def forward(self, images):
        return (self.after(self, self.conv(images)),)


def steps_of(after, **conv):
    return [step["op"] for step in read_program(Answers(after, **conv), PICTURE).steps]


def test_norm_and_relu_go_into_the_convolution():
    def block(net, maps):
        return torch.relu(net.bn(maps)).permute(0, 2, 3, 1).reshape(1, -1, 2)

    program = read_program(Answers(block), PICTURE)
    assert [step["op"] for step in program.steps] == ["conv", "reshape"]
    conv = program.steps[0]
    assert conv["act"] == "relu" and conv["norm"]["mean"] == "bn.running_mean"
    assert program.tensors["conv.weight"].shape == (3, 3, 3, 4)
    assert program.shapes == [(1, 128, 2)]


def test_what_two_read_is_not_taken_along():
    assert steps_of(lambda net, maps: maps + torch.relu(maps)) == [
        "conv",
        "relu",
        "add",
        "transpose",
    ]


def test_what_changes_in_place_is_read_changed():
    def twice(net, maps):
        return maps.relu_() + maps  # both sides are the changed one

    program = read_program(Answers(twice), PICTURE)
    first, second = program.steps[:2]
    assert first["op"] == "conv" and second["op"] in ("relu", "add")
    add = next(step for step in program.steps if step["op"] == "add")
    assert add["in"][0] == add["in"][1]


def test_padding_goes_into_a_convolution_and_stays_elsewhere():
    assert "pad" in steps_of(lambda net, maps: nn.functional.pad(maps, (0, 0, 0, 0, 0, 2)) * 1)
    model = detlearn.create_model("blazeface")
    steps = read_program(model, torch.zeros(1, 3, 128, 128)).steps
    assert steps[0]["op"] == "conv" and steps[0]["pads"] == [[1, 2], [1, 2]]
    assert not [s for s in steps if s["op"] == "pad" and any(map(any, s["pads"][1:3]))]


@pytest.mark.parametrize(
    ("after", "conv", "message"),
    [
        (lambda net, maps: torch.erf(maps), {}, r"does not know the operation aten\.erf"),
        (lambda net, maps: nn.functional.max_pool2d(maps, 3, 2, ceil_mode=True), {}, "ceil_mode"),
        (lambda net, maps: nn.functional.interpolate(maps, (4, 4), mode="bilinear", align_corners=True), {}, "corners"),
        (lambda net, maps: nn.functional.conv2d(maps[:, :3], net.conv.weight * 2), {}, "expected a weight"),
        (lambda net, maps: nn.functional.pad(maps, (1, 1, 1, 1), value=2.0) * 1, {}, "pads with zeros"),
        (lambda net, maps: nn.functional.adaptive_avg_pool2d(maps, 2), {}, "averages whole maps"),
        (lambda net, maps: (maps[:, :2].relu_(), maps + 1)[1], {}, "is a view of another one"),
    ],
)  # fmt: skip
def test_what_the_page_does_not_know_is_named(after, conv, message):
    with pytest.raises(ValueError, match=message):
        steps_of(after, **conv)


def test_groups_that_are_neither_one_nor_all_are_refused():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, groups=2))
    with pytest.raises(ValueError, match="got 2 groups of 4 channels"):
        read_program(net, PICTURE)


def test_the_known_operations_have_an_engine():
    from importlib.resources import files

    engine = (files("detlearn.show.page") / "engine.js").read_text(encoding="utf-8")
    table = engine[engine.index("const OPERATIONS") :]
    known = set(re.findall(r"^  (\w+)[:(]", table, re.M))
    for name in ("ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny", "blazeface"):
        steps = read_program(detlearn.create_model(name), torch.zeros(1, 3, 128, 128)).steps
        assert {step["op"] for step in steps} <= known
    assert "conv2d" in known_operations()


def test_filters_are_halves_and_the_rest_is_not():
    tensors = {"bias": torch.tensor([1.0, 2.0, 3.0]), "filter": torch.full((1, 1, 1, 3), 0.1)}
    table, blob = packed(tensors)
    assert table == {"bias": ["f32", 0, [3]], "filter": ["f16", 12, [1, 1, 1, 3]]}
    assert len(blob) == 12 + 6
    with pytest.raises(ValueError, match="filter: expected weights up to 65,504"):
        packed({"filter": torch.full((1, 1, 1, 1), 1e6)})


def test_weights_that_are_no_numbers_are_refused():
    model = detlearn.create_model("ssd_tiny")
    with torch.no_grad():
        model.head.logits[0].bias[0] = float("nan")
    with pytest.raises(ValueError, match=r"head\.logits\.0\.bias: expected finite weights"):
        DetectorPage(model)


def test_only_detectors_have_a_page():
    with pytest.raises(ValueError, match="expected a detector with priors, got PoseHRNet"):
        DetectorPage(detlearn.create_model("pose_hrnet_tiny"))


def test_a_network_that_a_student_changed():
    model = detlearn.create_model("ssd_tiny", widths=(8, 16, 24, 32, 40), num_classes=3)
    page = DetectorPage(model, title="Mine & yours")
    html = page.to_html()
    assert "<h1>Mine &amp; yours</h1>" in html and html == page.to_html()
    options = json.loads(re.search(r'id="options">(.*?)</script>', html)[1])
    assert options["config"]["class_names"] == ["background", "class 1", "class 2"]
    assert options["scene"] is None  # it has learned no class of Shapes
    assert {kind for kind, _, shape in options["tensors"].values() if len(shape) == 4} == {"f16"}


def test_the_norm_of_ssd300_is_known():
    model = detlearn.create_model("ssd_tiny", l2norm_scale=20.0)
    steps = [step["op"] for step in read_program(model, torch.zeros(1, 3, 128, 128)).steps]
    assert {"length", "clamp_min", "div", "mul", "weight"} <= set(steps)


def test_what_refinedet_and_m2det_do_differently_is_told():
    model = detlearn.create_model("refinedet_tiny")
    config = page_config(model, read_program(model, torch.zeros(1, 3, 128, 128)))
    assert config["outputs"] == ["arm_logits", "arm_deltas", "odm_logits", "odm_deltas"]
    assert config["negative_filter"] == model.config.negative_filter
    model = detlearn.create_model("m2det_tiny")
    config = page_config(model, read_program(model, torch.zeros(1, 3, 128, 128)))
    assert (config["suppression"], config["max_per_class"]) == ("hard", 50)


def test_the_scene_has_the_labels_of_the_model():
    scene = scene_for(["background", "person", "cat", "disc"])
    assert {shape["label"] for shape in scene["shapes"]} == {1, 3}
    for shape in scene["shapes"]:
        points = [value for _, part in shape["parts"] for value in part]
        assert max(map(abs, points)) == pytest.approx(0.5, abs=1e-3)  # the longer side is 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["ssd_tiny", "blazeface", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny"]
)
def test_the_command_writes_a_page_of_each_shipped_detector(name, tmp_path, capsys):
    path = tmp_path / "detector.html"
    assert main(["page", name, "--out", str(path)]) == 0
    assert f"page of {name}" in capsys.readouterr().out
    assert path.stat().st_size < 6_000_000
    html = path.read_text(encoding="utf-8")
    assert not re.search(r'(?:src|href)="(?!data:)', html)


def test_what_is_no_detector_is_told_by_the_command(capsys, tmp_path):
    assert main(["page", "pose_hrnet_tiny", "--out", str(tmp_path / "a.html")]) == 2
    assert "pose_hrnet_tiny finds no boxes" in capsys.readouterr().err
    assert main(["page", "nothing", "--out", str(tmp_path / "a.html")]) == 2
    assert "there is no such file" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
