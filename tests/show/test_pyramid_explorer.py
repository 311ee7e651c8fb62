"""The explorer of a small network's maps: fields, ranks, cells, and what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from detlearn import load_model
from detlearn.data import CocoDetectionDataset, data_path
from detlearn.show import FeatureMapExplorer, PyramidExplorer
from detlearn.show.receptive_field import receptive_field
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node

needs_node = pytest.mark.skipif(NODE is None, reason="the explorers' arithmetic runs in Node.js")
MODULES = ("backbone", "head.logits")


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return load_model(data_path("weights", "ssd_tiny.safetensors"))


@pytest.fixture(scope="module")
def image() -> Tensor:
    folder = data_path("shapes_val")
    return CocoDetectionDataset(folder / "images", folder / "annotations.json")[24][0]


@pytest.fixture(scope="module")
def explorer(model, image) -> PyramidExplorer:
    return PyramidExplorer(model, image, MODULES)


def test_a_container_brings_its_children(explorer):
    assert explorer.names == [f"backbone [{k}]" for k in range(4)] + [
        f"head.logits.{k}" for k in range(4)
    ]
    assert [tuple(explorer.maps(name).shape) for name in explorer.names[:5]] == [
        (32, 32, 32),
        (64, 16, 16),
        (96, 8, 8),
        (96, 4, 4),
        (18, 32, 32),
    ]


def test_maps_ranks_and_fields_are_those_of_the_other_form(model, image, explorer):
    """`FeatureMapExplorer` with a kernel; its fields are tested against gradients."""
    other = FeatureMapExplorer(model, image, "backbone")
    for name in explorer.names:
        module, _, way = name.partition(" ")
        other.module.value = module
        if way:
            other.tensor.value = way
        assert torch.equal(explorer.maps(name), other._maps)
        assert explorer.order(name) == other._order
        H, W = other._maps.shape[1:]
        told = next(one for one in explorer.options()["levels"] if one["name"] == name)
        for row, column in ((0, 0), (H // 2, W - 1), (H - 1, W // 2)):
            other.row.value, other.column.value = row, column
            assert explorer.field(name, (row, column)) == other.field
            (x1, x2), (y1, y2) = told["columns"][column], told["rows"][row]
            assert (x1, y1, x2, y2) == other.field.box
        assert tuple(told["field"]) == receptive_field(model, module, 128, way).size


def test_an_oblong_picture_has_its_own_rows_and_columns():
    network = nn.Sequential(nn.Conv2d(3, 4, 5, stride=2, padding=2), nn.MaxPool2d(2))
    explorer = PyramidExplorer(network, torch.zeros(3, 128, 96), ("1",))
    (told,) = explorer.options()["levels"]
    assert (len(told["rows"]), len(told["columns"])) == tuple(told["shape"][1:])
    assert told["rows"][-1][1] == 128 and told["columns"][-1][1] == 96
    assert explorer.options()["input"] == explorer.options()["size"] == [128, 96]


@needs_node
def test_the_browser_reads_every_channel_by_rank(explorer):
    told = explorer.options()
    theirs = in_node(
        "mapsOf(cases[0], cases[1]).map((level) => level.map((map) => Array.from(map)))",
        cases=[told["maps"], told["levels"]], module="pyramid.js", browser=BROWSER,
    )  # fmt: skip
    for name, level, ranks in zip(explorer.names, told["levels"], theirs, strict=True):
        maps, order = explorer.maps(name), explorer.order(name)
        assert level["order"] == order and len(ranks) == len(level["spans"]) == len(maps)
        for channel, span, own in zip(order, level["spans"], ranks, strict=True):
            values = maps[channel].flatten()
            low, high = values.min(), values.max()
            assert span == pytest.approx([float(low), float(high)], rel=0.051, abs=1e-9)
            expected = (values - low) / (high - low).clamp(min=1e-12) * 7
            torch.testing.assert_close(torch.tensor(own).float(), expected, rtol=0, atol=0.51)


@needs_node
def test_another_map_shows_the_same_place():
    """The middle of 32 cells is that of 4, the last stays the last, and there is always one."""
    found = in_node("[sameplace(16, 32, 4), sameplace(31, 32, 4), sameplace(0, 4, 32), "
                    "sameplace(3, 4, 32), sameplace(5, 8, 1)]",
                    module="pyramid.js", browser=BROWSER)  # fmt: skip
    assert found == [2, 3, 4, 28, 0]


def test_the_facts_are_shapes_and_fields(explorer):
    assert repr(explorer).startswith(
        "Explorer of maps: backbone [0]: 32 x 32 x 32, field 31 px; backbone [1]: 64 x 16 x 16, "
        "field 71 px;"
    )


FAULTS = {
    "no such module": (
        ("backbones",),
        "expected names from model.named_modules.., got 'backbones'",
    ),
    "no maps": (("head.flatten", "head"), "got 'head.flatten' among them"),
    "predictions": (("head",), "modules: expected maps of 1 to 180,000 cells in head, got 0"),
    "nothing": ((), "got 0"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name, model, image):
    modules, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        PyramidExplorer(model, image, modules)


def test_too_many_cells_are_refused(monkeypatch, model, image):
    monkeypatch.setattr("detlearn.show.explorers.browser.pyramid.MAX_CELLS", 80_000)
    with pytest.raises(ValueError, match="1 to 80,000 cells in backbone, head.logits, got 87,360"):
        PyramidExplorer(model, image, MODULES)
