"""Charts as SVG: points where they belong, gaps where numbers are missing."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from detlearn.report.charts import draw_line_chart, line_class, nice_ticks

ALT = "A chart that a test has drawn."


def paths(svg: str, name: str) -> list[list[tuple[float, float]]]:
    """The points of every path of a class; the SVG is XML, too."""
    found = [
        one.get("d") for one in ElementTree.fromstring(svg).iter("path") if one.get("class") == name
    ]
    return [[tuple(map(float, p)) for p in re.findall(r"([\d.]+) ([\d.]+)", d)] for d in found]


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 1, 2, [0, 0.5, 1]),
        (1, 300, 6, [50, 100, 150, 200, 250, 300]),
        (0, 0.0104, 5, [0, 0.005, 0.01]),
        (-3, 2, 5, [-3, -2, -1, 0, 1, 2]),
        (0.5, 1.5, 6, [0.6, 0.8, 1.0, 1.2, 1.4]),
    ],
)
def test_ticks_are_round(low, high, most, ticks):
    assert nice_ticks(low, high, most) == pytest.approx(ticks)


def test_points_lie_where_they_belong():
    svg = draw_line_chart(
        {"a": [(0, 0), (0.5, 1), (1, 0.5)]}, alt=ALT, x="x", x_range=(0, 1), y_range=(0, 1)
    )
    ((first, top, last),) = paths(svg, "line1")
    assert top[0] == pytest.approx((first[0] + last[0]) / 2, abs=0.1)
    assert last[1] == pytest.approx((first[1] + top[1]) / 2, abs=0.1)
    assert top[1] < first[1]  # up is up


def test_a_gap_is_a_gap():
    points = [(1, 3.0), (2, math.nan), (3, 2.0), (4, math.inf), (5, 1.0), (6, 0.5)]
    svg = draw_line_chart({"a": points}, alt=ALT, x="epoch", whole=True)
    assert [len(run) for run in paths(svg, "line1")] == [1, 1, 2]
    assert svg.count("<circle") == 4 and "nan" not in svg and "inf" not in svg


@pytest.mark.parametrize(
    "points",
    [
        [],
        [(1, math.nan)],
        [(1, 0.0)],
        [(1, 5.0)],
        [(1, 0.0), (2, 0.0)],
        [(1, -2.0), (2, -1.0)],
        [(1, 1e-9)],
    ],
    ids=["none", "NaN", "a zero", "one", "zeros", "negative", "tiny"],
)
def test_little_is_drawn_all_the_same(points):
    svg = draw_line_chart({"a": points}, alt=ALT, x="epoch", whole=True)
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == ALT and root.get("role") == "img"
    drawn = [p for run in paths(svg, "line1") for p in run]
    assert len(drawn) == sum(math.isfinite(y) for _, y in points)
    assert all(0 <= x <= 360 and 0 <= y <= 216 for x, y in drawn)


def test_epochs_have_whole_ticks():
    svg = draw_line_chart({"a": [(1, 1.0), (2, 2.0)]}, alt=ALT, x="epoch", whole=True)
    below = [
        one.text
        for one in ElementTree.fromstring(svg).iter("text")
        if one.get("text-anchor") == "middle"
    ]
    assert below == ["1", "2", "epoch"]


def test_words_are_escaped():
    svg = draw_line_chart({"a": []}, alt='<"&>' + ALT, x="<b>")
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == '<"&>' + ALT
    assert "<b>" in [one.text for one in root.iter("text")]


def test_seven_lines_take_six_looks():
    svg = draw_line_chart({str(k): [(0, k), (1, k)] for k in range(7)}, alt=ALT, x="x")
    assert len(paths(svg, "line1")) == 2 and len(paths(svg, "line6")) == 1
    assert line_class(6) == line_class(0)
