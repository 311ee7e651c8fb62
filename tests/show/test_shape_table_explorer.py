"""The explorer of shapes: its rows travel whole, and the browser picks those of a part as Python."""

from __future__ import annotations

import pytest
import torch

from detlearn import create_model
from detlearn.show import ShapeTableExplorer
from detlearn.show.text_tables import mega
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node
from tests.show.test_model_explorers import Odd

needs_node = pytest.mark.skipif(NODE is None, reason="the explorers' arithmetic runs in Node.js")


@pytest.fixture(scope="module", params=["networks", "odd"])
def explorer(request) -> ShapeTableExplorer:
    if request.param == "odd":
        return ShapeTableExplorer(Odd(), 8)
    with torch.device("meta"):
        names = ("ssdlite300_mobilenet_v2", "ssd_tiny", "m2det_tiny")
        return ShapeTableExplorer({name: create_model(name) for name in names})


def ask(explorer: ShapeTableExplorer, expression: str) -> list:
    """What the browser makes of all models."""
    return in_node(
        f"cases.models.map((one) => unpackModules(one)).map((modules, m) => {expression})",
        cases=explorer.options(), module="shape_tables.js", browser=BROWSER,
    )  # fmt: skip


@needs_node
def test_every_row_arrives(explorer):
    theirs = ask(explorer, "modules")
    for table, modules in zip(explorer.tables.values(), theirs, strict=True):
        assert len(modules) == len(table.modules) > 3
        for ours, one in zip(table.modules, modules, strict=True):
            assert (one["name"], one["kind"], one["depth"]) == (ours.name, ours.kind, ours.depth)
            assert (one["parameters"], one["macs"]) == (ours.parameters, ours.macs)
            assert [(way, tuple(sides)) for way, *sides in one["outputs"]] == list(ours.outputs)


@needs_node
def test_part_and_depth_are_filtered_as_in_python(explorer):
    theirs = ask(
        explorer,
        "modules.map((top) => [0, 1, 2, 6].map((depth) => "
        "inside(modules, top.name, depth).map((one) => one.name)))",
    )
    for table, tops in zip(explorer.tables.values(), theirs, strict=True):
        for top, depths in zip(table.modules, tops, strict=True):
            for depth, names in zip((0, 1, 2, 6), depths, strict=True):
                expected = [module.name for module in table.inside(top.name, depth).modules]
                assert names == expected, (top.name, depth)


@needs_node
def test_the_browser_writes_the_table_of_python(explorer):
    """Every word and number of the text, in its order."""
    theirs = ask(explorer, "modules.flatMap(cellsOf)")
    for table, rows in zip(explorer.tables.values(), theirs, strict=True):
        (_, _, head, rule, *lines) = repr(table).split("\n")
        assert head.split() == ["module", "kind", "output", "shape", "parameters", "MACs"]
        assert [" ".join(row).split() for row in rows] == [line.split() for line in lines]
        assert any(row[0] == "" for row in rows)  # a module with several tensors


@needs_node
def test_millions_are_rounded_as_in_python():
    counts = [0, 1, 49_999, 50_000, 250_000, 350_000, 750_000, 1_250_000, 29_898_432_000, 10**12]
    theirs = in_node("cases.map(mega)", cases=counts, module="shape_tables.js", browser=BROWSER)
    assert theirs == [mega(count) for count in counts]


@needs_node
def test_what_can_be_chosen_has_something_in_it_or_is_of_the_first_level(explorer):
    theirs = ask(explorer, "parts(modules).map((one) => one.name)")
    for table, names in zip(explorer.tables.values(), theirs, strict=True):
        assert names == [
            module.name
            for module in table.modules
            if module.depth <= 1 or len(table.inside(module.name).modules) > 1
        ]


@needs_node
def test_bars_share_all_that_a_part_consists_of(explorer):
    theirs = ask(explorer, "parts(modules).map((one) => [one.name, shares(modules, one.name)])")
    together = []
    for table, tops in zip(explorer.tables.values(), theirs, strict=True):
        for name, bars in tops:
            assert 1 <= len(bars) <= 9
            below = [m for m in table.inside(name, 1).modules if m.name != name]
            costly = [m for m in below if m.parameters or m.macs]
            if not costly:
                assert [bar["name"] for bar in bars] == [name]
                continue
            for key in ("parameters", "macs"):
                assert sum(bar[key] for bar in bars) == sum(getattr(m, key) for m in costly)
            named = [bar["name"] for bar in bars if bar["name"] is not None]
            assert named == [m.name for m in costly if m.name in named]
            rest = [m for m in costly if m.name not in named]
            assert [bar["count"] for bar in bars if bar["name"] is None] == [len(rest)] * bool(rest)
            together += rest
    assert bool(together) == (len(theirs) > 1)  # MobileNet's backbone has 19 blocks


def test_it_says_what_it_shows_first():
    explorer = ShapeTableExplorer({"tiny": create_model("ssd_tiny")}, part="backbone", depth=2)
    names = [module.name for module in explorer.table.modules]
    assert names[:3] == ["backbone", "backbone.stages", "backbone.stages.0"]
    assert repr(explorer) == (
        "Explorer of shapes: tiny: ssd_tiny, input (1, 3, 128, 128), 69 modules; backbone at first, "
        f"2 steps deep: {len(names)} modules."
    )
    assert "call 2 .fine" in repr(ShapeTableExplorer(Odd(), 8, part="pair").table)


def test_nothing_is_changed():
    model = create_model("ssd_tiny").train()
    before = [parameter.clone() for parameter in model.parameters()]
    ShapeTableExplorer(model)
    assert model.training
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))


REFUSED = [
    (dict, {}, "models: expected at least one model, got none"),
    (lambda: {"one": 3}, {}, r"models\['one'\]: expected a module, got int"),
    (Odd, {"size": 8, "part": "convs"}, "part: expected a name .* got 'convs'"),
    (Odd, {"size": 8, "depth": 9}, "depth: expected 0 to 6, got 9"),
    (Odd, {}, "size: expected a side"),
]


@pytest.mark.parametrize(("models", "arguments", "message"), REFUSED)
def test_refuses(models, arguments, message):
    with pytest.raises(ValueError, match=message):
        ShapeTableExplorer(models(), **arguments)
