"""Pictures of networks: described, small, the same twice; faults are named."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import detlearn
from detlearn.show import figures as draw
from detlearn.show import shape_table

ALT = "A picture that a test has drawn."
# channel by channel: 10 * channel + cell, two priors of two numbers on 1 x 3 cells
MAPS = (10 * torch.arange(4)[:, None] + torch.arange(3)).reshape(1, 4, 1, 3)


def table(name="ssd_tiny"):
    with torch.device("meta"):
        return shape_table(detlearn.create_model(name))


DRAWINGS = {
    "one tap": lambda: draw.draw_taps({"1": (1, 1, 1)}, alt=ALT),
    "four filters": lambda: draw.draw_taps(
        {"a\nb": (7, 1, 32), "c": (3, 3, 32), "d": (3, 6, 16), "e": (3, 1, 16)}, title="T", alt=ALT
    ),
    "maps": lambda: draw.draw_pyramid(table()),
    "seven maps, named": lambda: draw.draw_pyramid(
        table("ssd512_vgg16"), list("abcdefg"), backbone_levels=2, title="SSD512"
    ),
    "all of the backbone": lambda: draw.draw_pyramid(table(), backbone_levels=4),
    "rows": lambda: draw.draw_head_rows(MAPS, {"reshape": MAPS.reshape(1, 6, 2)}, alt=ALT),
    "no rows": lambda: draw.draw_head_rows(MAPS, {}, title="The map alone", alt=ALT),
    "parts of one": lambda: draw.draw_parts({"tiny": table()}),
    "parts of two": lambda: draw.draw_parts(
        {"ssdlite": table("ssdlite300_mobilenet_v2"), "tiny": table()}, title="Cost", alt=ALT
    ),
}


def test_facts_become_the_alternative_text():
    tiny = table()
    assert draw.draw_pyramid(tiny).alt == (
        "The maps of ssd_tiny, to scale: "
        + ", ".join(f"{e.height} × {e.width}" for e in tiny.levels).replace(",", " cells,", 1)
        + f"; {tiny.priors:,} priors altogether."
    )
    assert draw.draw_parts({"lite": table("ssdlite300_mobilenet_v2")}).alt == (
        "Parameters and multiply-adds by part. lite: 4.5 M parameters, 0.79 G MACs"
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw.draw_taps({}, alt=ALT), "filters: expected 1 to 4, got 0"),
        (lambda: draw.draw_taps({"a": (3, 0, 1)}, alt=ALT), r"filters\['a'\].*\(3, 0, 1\)"),
        (
            lambda: draw.draw_pyramid(shape_table(nn.Flatten(), size=8)),
            "table: expected 1 to 8 maps, got 0",
        ),
        (lambda: draw.draw_pyramid(table(), ["a"]), "one for each of 4 maps, got 1"),
        (lambda: draw.draw_head_rows(MAPS[0], {}, alt=ALT), r"maps: expected .*got \(4, 1, 3\)"),
        (
            lambda: draw.draw_head_rows(MAPS, {"wrong": MAPS.reshape(1, 6, 2) + 1}, alt=ALT),
            r"panels\['wrong'\]: expected \(1, P, K\) of the map's own numbers",
        ),
        (lambda: draw.draw_parts({}), "tables: expected 1 to 6 models, got 0"),
    ],
)  # fmt: skip
def test_faults_are_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
