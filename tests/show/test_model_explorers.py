"""The model explorers: what they reach, what they say, what they refuse."""

from __future__ import annotations

import statistics
import time
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

import detlearn
from detlearn.show import DetectionExplorer, FeatureMapExplorer, Figure
from detlearn.show.explorers.model.controls import WIDGET_VIEW
from detlearn.show.figure import PNG_SIGNATURE

IMAGE = torch.zeros(3, 8, 8)


class Pair(NamedTuple):
    fine: torch.Tensor
    coarse: torch.Tensor


class Odd(nn.Module):
    """Every kind of output, and modules that are never called or return nothing to draw."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pair = Split()
        self.words = Words()
        self.spare = nn.Conv2d(3, 2, 1)
        self.nothing = nn.ModuleList([nn.Identity()])

    def forward(self, images):
        maps = self.relu(self.conv(images))
        self.words(maps)
        fine, coarse = self.pair(maps)
        fine, _ = self.pair(fine)  # a second call
        return {"maps": [fine, coarse], "pooled": maps.mean(dim=(2, 3)), "name": "odd"}


class Split(nn.Module):
    def forward(self, maps):
        return Pair(maps, maps[..., ::2, ::2])


class Words(nn.Module):
    def forward(self, maps):
        return "no tensor"


def ways(explorer: FeatureMapExplorer) -> list[str]:
    return [way for _, way in explorer.tensor.options]


# ------------------------------------------------------------------------------ feature maps

REACHED = [
    ("", ["['maps'][0]", "['maps'][1]", "['pooled']"]),
    ("conv", [""]),
    ("pair", [".fine", ".coarse", "call 2 .fine", "call 2 .coarse"]),
]


@pytest.mark.parametrize(("module", "expected"), REACHED, ids=["dict of list", "tensor", "tuple"])
def test_every_tensor_of_every_output_is_reached(module, expected):
    explorer = FeatureMapExplorer(Odd(), IMAGE, module)
    assert ways(explorer) == expected
    for way in expected:
        explorer.tensor.value = way
        assert explorer.picture().startswith(PNG_SIGNATURE)
        assert f"shape {explorer.shape}" in repr(explorer)


NOTHING = [
    ("spare", "spare was not called for this image, or returned no tensor."),
    ("words", "words was not called for this image, or returned no tensor."),
    ("nothing", "nothing is a list of modules and is never called itself: choose one in it."),
]


@pytest.mark.parametrize(("module", "sentence"), NOTHING, ids=["uncalled", "words", "list"])
def test_a_module_without_tensors_is_a_sentence(module, sentence):
    explorer = FeatureMapExplorer(Odd(), IMAGE)
    explorer.module.value = module
    assert repr(explorer).endswith(sentence)
    assert sentence in explorer.facts()
    assert explorer.picture().startswith(PNG_SIGNATURE)
    assert (explorer.shape, explorer.strongest, explorer.field) == (None, None, None)
    explorer.module.value = "conv"
    assert explorer.shape == (1, 2, 8, 8)


def known_network() -> nn.Sequential:
    """Channel 2 is 5 everywhere, channel 0 is -3, channel 1 is the red of the image."""
    net = nn.Sequential(nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True))
    with torch.no_grad():
        net[0].weight.zero_()
        net[0].weight[1, 0] = 1
        net[0].bias.copy_(torch.tensor([-3.0, 0.0, 5.0]))
    return net


def test_channels_come_strongest_first_and_a_later_relu_changes_nothing():
    image = torch.zeros(3, 4, 4)
    image[0, 1, 2] = 1
    explorer = FeatureMapExplorer(known_network(), image, "0")
    assert explorer._order == [2, 0, 1]
    assert (explorer.strongest, explorer.chosen) == (2, 2)
    explorer.channel.value = 1
    explorer.row.value, explorer.column.value = 1, 2
    assert explorer.chosen == 0  # mean |-3|: the ReLU in place has not written over it
    assert "-3, -3, -3" in explorer.facts()
    assert repr(explorer) == (
        "Explorer of feature maps: 0 (Conv2d); shape (1, 3, 4, 4); channel 0 shown, 2 is the "
        "strongest; cell (1, 2) sees 1 x 1 px."
    )
    explorer.module.value = "1"
    assert "1 of 3 channels" in explorer.facts()  # channel 0 is zero everywhere


def test_what_is_written_over_later_is_computed_again():
    class Overwrites(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = known_network()[0]

        def forward(self, images):
            maps = self.conv(images)
            maps += 100
            return maps

    explorer = FeatureMapExplorer(Overwrites(), torch.zeros(3, 4, 4), "conv")
    assert "5, 5, 5" in explorer.facts()
    explorer.module.value = ""
    assert "105, 105, 105" in explorer.facts()


def test_the_model_is_left_as_it_was():
    model = Odd().train()
    model.conv.eval()
    modes = [module.training for module in model.modules()]
    FeatureMapExplorer(model, IMAGE)
    assert [module.training for module in model.modules()] == modes
    assert model.relu.inplace is True
    assert not any(module._forward_hooks for module in model.modules())


def test_refresh_follows_the_weights():
    net = known_network()
    explorer = FeatureMapExplorer(net, torch.zeros(3, 4, 4), "0")
    with torch.no_grad():
        net[0].bias.copy_(torch.tensor([9.0, 0.0, 5.0]))
    assert explorer.strongest == 2
    explorer.refresh()
    assert explorer.strongest == 0


def test_a_map_of_one_cell():
    net = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1))
    explorer = FeatureMapExplorer(net, IMAGE, "1")
    assert explorer.shape == (1, 2, 1, 1)
    assert "cell (0, 0) sees 8 x 8 px" in repr(explorer)
    assert explorer.row.disabled and explorer.column.disabled
    assert explorer.picture().startswith(PNG_SIGNATURE)


SHAPES = [(1, 0, 4, 4), (1, 2, 2, 2, 2), (1, 5), (1, 6, 3), ()]


@pytest.mark.parametrize("shape", SHAPES, ids=["empty", "five", "two", "three", "a number"])
def test_tensors_that_are_no_maps(shape):
    class Gives(nn.Module):
        def forward(self, images):
            return torch.ones(shape) * images.sum()

    explorer = FeatureMapExplorer(Gives(), IMAGE)
    assert f"shape {shape}" in repr(explorer)
    assert explorer.picture().startswith(PNG_SIGNATURE)
    assert explorer.facts()


def test_numbers_that_are_none_are_counted():
    class Broken(nn.Module):
        def forward(self, images):
            maps = torch.ones(1, 2, 2, 2)
            maps[0, 0, 0, 0] = float("nan")
            maps[0, 0, 1, 1] = float("inf")
            return maps

    explorer = FeatureMapExplorer(Broken(), IMAGE)
    explorer.channel.value = explorer._order.index(0)
    assert "2 of 4" in explorer.facts()
    assert explorer.picture().startswith(PNG_SIGNATURE)


def test_a_model_that_looks_at_values_has_maps_and_no_field():
    class Looks(nn.Module):
        def forward(self, images):
            return images[:, :, :4] if images.sum() > 0 else images

    explorer = FeatureMapExplorer(Looks(), IMAGE)
    assert explorer.shape == (1, 3, 8, 8)
    assert explorer.field is None
    assert "not known" in explorer.facts()


REFUSED = [
    ({"module": "stages.9"}, r"module: expected a name .* got 'stages.9'"),
    ({"module": "cnov"}, r"did you mean 'conv'\?"),
    ({"inputs": torch.zeros(3, 8, 8)}, r"inputs: expected shape \(1, 3, H, W\), got \(3, 8, 8\)"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED)
def test_feature_maps_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        FeatureMapExplorer(Odd(), IMAGE, **arguments)


def test_a_detector_sees_what_detect_sees():
    model = detlearn.create_model("ssd_tiny")
    image = torch.randint(0, 256, (3, 40, 60), dtype=torch.uint8)
    explorer = FeatureMapExplorer(model, image)
    assert explorer.module.value == "backbone"
    seen = []
    model.register_forward_pre_hook(lambda module, arguments: seen.extend(arguments))
    model.detect([image])
    assert torch.equal(explorer._inputs, seen[0])
    assert explorer._pass.shapes[""][".deltas"][0] == (1, model.config.priors.num_priors, 4)


# -------------------------------------------------------------------------------- detections


def sure_model(*, label: int = 3, where: tuple[int, ...] = (2048 + 4 * 17,)) -> nn.Module:
    """ssd_tiny whose head is sure about some priors, and moves none of them."""
    model = detlearn.create_model("ssd_tiny").eval()
    P, K = model.config.priors.num_priors, model.config.num_classes
    logits, deltas = torch.zeros(1, P, K), torch.zeros(1, P, 4)
    logits[..., 0] = 20
    for rank, prior in enumerate(where):
        logits[0, prior, 0] = 0
        logits[0, prior, label] = 20 - rank / 100
    answer = type(model(torch.zeros(1, 3, 128, 128)))(logits, deltas)
    model.forward = lambda images: answer
    return model


def test_no_box_is_a_sentence():
    explorer = DetectionExplorer(sure_model(where=()), torch.zeros(3, 128, 128))
    assert repr(explorer).endswith("at most 100; no box.")
    assert "No box scores over 0.50: lower the score." in explorer.facts()
    assert explorer.picture().startswith(PNG_SIGNATURE)
    assert explorer.by_level == (0, 0, 0, 0)


def test_which_prior_made_a_box():
    # the prior of level 1 (16 x 16 cells, 4 priors each) with number 4 * 17: row 1, column 1
    model = sure_model()
    target = {"boxes": torch.tensor([[8.0, 8.0, 24.0, 24.0]]), "labels": torch.tensor([3])}
    explorer = DetectionExplorer(model, torch.zeros(3, 128, 128), target)
    assert explorer.by_level == (0, 1, 0, 0)
    assert "box 0 (class 3) is from level 1, cell (1, 1), prior 0." in repr(explorer)
    box, prior = explorer.detections["boxes"][0], explorer._priors[0]
    assert torch.allclose(box, prior, atol=1e-4)  # deltas of zero
    assert explorer._overlap[0] == pytest.approx(1, abs=1e-4)
    assert explorer.facts().count("<tr") == 2
    assert ">1 (16 × 16)</td>" in explorer.facts()


@pytest.mark.parametrize(
    ("label", "found"), [(3, "1 of 1"), (4, "0 of 1")], ids=["its class", "another class"]
)
def test_an_object_is_found_by_a_box_of_its_class(label, found):
    model = sure_model()
    prior = DetectionExplorer(model, torch.zeros(3, 128, 128))._priors
    target = {"boxes": prior, "labels": torch.tensor([label])}
    assert f"{found} objects found" in repr(
        DetectionExplorer(model, torch.zeros(3, 128, 128), target)
    )


def test_the_thresholds_do_what_detect_does():
    torch.manual_seed(0)
    model = detlearn.create_model("ssd_tiny").eval()
    image = torch.randint(0, 256, (3, 96, 160), dtype=torch.uint8)
    explorer = DetectionExplorer(model, image)
    explorer.score.value, explorer.iou.value, explorer.most.value = 0.12, 0.6, 17
    expected = model.detect([image], 0.12, 0.6, 17)[0]
    assert len(expected["boxes"]) == 17
    for key, values in expected.items():
        assert torch.allclose(explorer.detections[key].float(), values.float(), atol=1e-3), key
    explorer.box.value = 16
    explorer.most.value = 5
    assert (explorer.box.value, explorer.box.max) == (4, 4)
    explorer.score.value = 0.99
    assert explorer.box.disabled and "no box" in repr(explorer)


def test_equal_detections_for_every_kind_of_detector():
    torch.manual_seed(0)
    for name in ("refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny"):
        model = detlearn.create_model(name)
        image = torch.randint(0, 256, (3, 64, 64), dtype=torch.uint8)
        explorer = DetectionExplorer(model, image, score_threshold=0.05)
        expected = model.detect([image], 0.05)[0]
        assert torch.equal(explorer.detections["priors"], expected["priors"]), name
        assert explorer.picture().startswith(PNG_SIGNATURE)
        assert model.training
        two_step = name == "refinedet_tiny"
        assert ("IoU anchor, box" in explorer.facts()) is (two_step and len(expected["boxes"]) > 0)


def test_hundreds_of_boxes_are_listed_around_the_chosen_one():
    model = sure_model(where=tuple(range(0, 400, 4)))
    explorer = DetectionExplorer(model, np.zeros((128, 128, 3), np.uint8))
    explorer.iou.value = 1.0
    count = len(explorer.detections["boxes"])
    assert count == 100
    assert "Boxes 0 to 29 of 100 are listed." in explorer.facts()
    explorer.box.value = 99
    assert "Boxes 70 to 99 of 100 are listed." in explorer.facts()


REFUSED_DETECTIONS = [
    ({"score_threshold": 1.5}, "score_threshold: expected 0.01 to 0.99, got 1.5"),
    ({"target": torch.zeros(1, 4)}, "target: expected a dict with 'boxes' and 'labels', got Te"),
    ({"target": {"boxes": torch.zeros(1, 5), "labels": []}}, r"target\['boxes'\]: expected shape"),
    ({"target": {"boxes": torch.zeros(2, 4), "labels": [1]}}, r"target\['labels'\]: .* \(2,\)"),
]


@pytest.mark.parametrize(("arguments", "message"), REFUSED_DETECTIONS)
def test_detections_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        DetectionExplorer(sure_model(where=()), torch.zeros(3, 128, 128), **arguments)


def test_detections_refuse_a_model_that_is_no_detector():
    with pytest.raises(ValueError, match="model: expected a Detector, got Odd"):
        DetectionExplorer(Odd(), IMAGE)


# -------------------------------------------------------------------- what notebooks are given


def explorers():
    return {
        "feature maps": FeatureMapExplorer(Odd(), IMAGE, "conv"),
        "detections": DetectionExplorer(sure_model(), torch.zeros(3, 128, 128)),
    }


@pytest.mark.parametrize("name", ["feature maps", "detections"])
def test_an_output_is_a_widget_a_still_and_its_facts(name):
    explorer = explorers()[name]
    data, metadata = explorer._repr_mimebundle_()
    assert set(data) == {WIDGET_VIEW, "image/png", "text/plain"}
    assert data[WIDGET_VIEW]["model_id"] == explorer.widget.model_id
    assert data["text/plain"] == f"Figure: {explorer!r}"
    assert metadata["image/png"]["alt"] == repr(explorer)
    assert isinstance(explorer.figure(), Figure)
    assert f'alt="{repr(explorer)[:20]}' in explorer._picture.value
    assert " at 0x" not in repr(explorer)
    assert len(explorer.picture()) < 120_000


@pytest.mark.parametrize("name", ["feature maps", "detections"])
def test_no_output_widget_and_every_control_has_a_name(name):
    explorer = explorers()[name]
    kinds = {type(child).__name__ for child in explorer._controls}
    assert kinds <= {"Dropdown", "IntSlider", "FloatSlider"}
    assert all(child.description for child in explorer._controls)
    before = explorer._picture.value
    explorer._controls[-1].value = explorer._controls[-1].min
    explorer._controls[0].value = explorer._controls[0].value
    assert "<img alt=" in before


def milliseconds(action, values) -> float:
    taken = []
    for value in values:
        start = time.process_time()
        action(value)
        taken.append(time.process_time() - start)
    return statistics.median(taken) * 1000


@pytest.mark.parametrize("name", ["ssd_tiny", pytest.param("ssd300_vgg16", marks=pytest.mark.slow)])
def test_a_move_takes_at_most_150_ms(name):
    model = detlearn.create_model(name)
    image = torch.randint(0, 256, (3, 300, 400), dtype=torch.uint8)
    maps = FeatureMapExplorer(model, image)
    assert milliseconds(lambda v: setattr(maps.channel, "value", v), range(1, 12)) <= 150
    found = DetectionExplorer(model, image, score_threshold=0.05)
    values = [0.02 + 0.01 * k for k in range(12)]
    assert milliseconds(lambda v: setattr(found.score, "value", v), values) <= 150
