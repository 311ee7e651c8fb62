"""The shape table against hand counts, and against the sizes of the published networks."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import detlearn
from detlearn.show import shape_table
from detlearn.show.meta_pass import input_sides


class Toy(nn.Module):
    """Small enough to count by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
        self.up = nn.ConvTranspose2d(4, 2, 2, stride=2)
        self.mix = nn.Conv2d(2, 2, 3, padding=1, groups=2)
        self.classify = nn.Linear(2, 5)

    def forward(self, images):
        maps = self.mix(self.up(self.stem(images)))
        return self.classify(maps.mean(dim=(2, 3)))


def test_parameters_and_multiply_adds_by_hand():
    table = shape_table(Toy(), size=(6, 8))
    sizes = {part.name: (part.parameters, part.macs) for part in table.parts}
    assert sizes == {
        "stem": (4 * 3 * 9 + 8, 6 * 8 * 4 * 3 * 9),
        "up": (4 * 2 * 4 + 2, 6 * 8 * 4 * 2 * 4),
        "mix": (2 * 1 * 9 + 2, 12 * 16 * 2 * 9),
        "classify": (2 * 5 + 5, 2 * 5),
    }
    assert table.levels == ()
    assert table.priors == 0
    assert repr(table).splitlines()[0] == "Toy, input (1, 3, 6, 8)"


# multiply-adds as counted in the published code; parameters less the 33,150 of a dead head
PUBLISHED = [
    ("ssd300_resnet50", 22_894_902, 20.15e9, 8_732),
    ("ssdlite300_mobilenet_v2", 4_484_914 - 33_150, 0.79e9, 3_000),
    ("ssd512_vgg16", None, None, 24_564),
]


@pytest.mark.parametrize(("name", "parameters", "macs", "priors"), PUBLISHED)
def test_sizes_of_the_published_networks(name, parameters, macs, priors):
    model = detlearn.create_model(name)
    table = shape_table(model)
    assert table.priors == priors == len(model.priors)
    assert table.parameters == sum(p.numel() for p in model.parameters())
    if parameters is not None:
        assert table.parameters == parameters
        assert table.macs == pytest.approx(macs, rel=0.005)
    assert sum(level.head_macs for level in table.levels) == sum(
        part.macs for part in table.parts if part.name.startswith("head.")
    )


def by_formula(module, inputs, output):
    """Multiply-adds of one call: for each number that comes out, those that it is a sum of."""
    if isinstance(module, nn.ConvTranspose2d):
        return (
            inputs[0].numel() * module.out_channels // module.groups * math.prod(module.kernel_size)
        )
    if isinstance(module, nn.Conv2d):
        return output.numel() * module.in_channels // module.groups * math.prod(module.kernel_size)
    return output.numel() * module.in_features


@pytest.mark.parametrize(
    "name",
    ["ssd_tiny", "ssdlite300_mobilenet_v2", "refinedet_tiny", "m2det_tiny", "pose_hrnet_tiny"],
)
def test_pytorchs_counter_and_the_formulas_agree(name):
    model = detlearn.create_model(name).eval()
    size = input_sides(model, None if hasattr(model.config, "image_size") else 128)
    count: dict[str, int] = {}

    def hook_of(part):
        def hook(module, inputs, output):
            count[part] = count.get(part, 0) + by_formula(module, inputs, output)

        return hook

    for part, module in model.named_modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            module.register_forward_hook(hook_of(part))
    with torch.no_grad():
        model(torch.zeros(1, 3, *size))
    counted = dict(count)  # the hooks are still there, and the table's own pass calls them too
    table = shape_table(model, size)
    assert table.macs == sum(counted.values()) > 1e6
    for part in table.parts:
        inside = sum(n for name, n in counted.items() if f"{name}.".startswith(f"{part.name}."))
        assert part.macs == inside, part.name


def test_levels_are_the_maps_that_the_network_makes():
    model = detlearn.create_model("ssd_tiny").eval()
    maps = model.features(torch.zeros(1, 3, 128, 128))
    table = shape_table(model)
    assert [(v.channels, v.height, v.width) for v in table.levels] == [
        tuple(each.shape[1:]) for each in maps
    ]
    assert [level.step for level in table.levels] == [4, 8, 16, 32]
    assert [level.priors for level in table.levels] == [2048, 1024, 256, 64]


def test_a_map_of_an_m2det_is_a_scale():
    """There a level is a depth: the whole chapter is about the difference."""
    with torch.device("meta"):
        words = {
            name: repr(shape_table(detlearn.create_model(name)))
            for name in ("ssd_tiny", "m2det_tiny")
        }
    assert "scale  map (C, H, W)" in words["m2det_tiny"] and "level" not in words["m2det_tiny"]
    assert "level  map (C, H, W)" in words["ssd_tiny"] and "scale" not in words["ssd_tiny"]


def test_the_model_is_left_as_it_was():
    model = detlearn.create_model("ssd_tiny").train()
    model.backbone.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    shape_table(model)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
    assert all(p.device.type == "cpu" for p in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())


def test_the_model_is_left_as_it_was_when_it_refuses_the_size():
    model = detlearn.create_model("ssd_tiny").train()
    with pytest.raises(ValueError, match="128"):
        shape_table(model, size=64)
    assert model.training
    assert model.priors.device.type == "cpu"
    assert not any(module._forward_hooks for module in model.modules())


def test_shared_modules_and_loose_parameters_are_counted_once():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(3, 3, 1, bias=False)
            self.second = self.first
            self.third = nn.Sequential(self.first)
            self.scale = nn.Parameter(torch.ones(3))

        def forward(self, images):
            return self.third(self.second(self.first(images))) * self.scale[:, None, None]

    table = shape_table(Shared(), 2)
    assert table.parameters == 9 + 3
    assert table.macs == 3 * (2 * 2 * 9)
    assert {part.name for part in table.parts} == {"first", "other"}


def test_text_and_html_are_the_same_every_time():
    tables = [shape_table(detlearn.create_model("ssd_tiny")) for _ in range(2)]
    assert repr(tables[0]) == repr(tables[1])
    assert tables[0]._repr_html_() == tables[1]._repr_html_()
    assert max(map(len, repr(tables[0]).splitlines())) <= 78
    assert not any(line != line.rstrip() for line in repr(tables[0]).splitlines())
    for number in ("3,392", "2,048", f"{tables[0].parameters:,}"):
        assert number in repr(tables[0])
        assert number in tables[0]._repr_html_()


@pytest.mark.parametrize(
    ("size", "message"),
    [(None, "size: expected a side"), (0, "size: expected positive"), ((4, -1), "positive")],
)
def test_a_size_that_is_none(size, message):
    with pytest.raises(ValueError, match=message):
        shape_table(nn.Conv2d(3, 1, 1), size)
