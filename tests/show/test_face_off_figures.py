"""Intervals, accuracy against cost, reliability, groups: what is drawn, and what is refused."""

from __future__ import annotations

import pytest

from detlearn.metrics import t_interval
from detlearn.show import canvas, draw_by_group, draw_intervals, draw_reliability, draw_trade_off

NAN = float("nan")
ROWS = {"b": (0.02, 0.01, 0.03), "c, narrow": (-0.005, -0.04, 0.03)}
SCORES = {"a": [0.6, 0.62, 0.61], "b": [0.7, 0.72, 0.71], "c": [0.5, 0.52]}
COSTS = {"a": 10.0, "b": 20.0, "c": 15.0}
BINS = [
    {"score": 0.0, "right": 0.0, "count": 0},
    {"score": 0.25, "right": 0.5, "count": 3},
    {"score": 0.9, "right": 0.8, "count": 1},
]
GROUPS = {"small": {"a": [0.4, 0.5], "b": [0.3, 0.3]}, "large": {"a": [0.8, 0.7], "b": [0.9, 0.9]}}
DRAWINGS = {
    "intervals": lambda: draw_intervals(ROWS, delta=0.01, reference="a"),
    "an interval of no width": lambda: draw_intervals({"b": (0, 0, 0)}, delta=0.01, reference="a"),
    "a trade-off": lambda: draw_trade_off(SCORES, COSTS, x="M multiply-adds"),
    "one seed each, in one place": lambda: draw_trade_off(
        {"a": [0.5], "b": [0.5]}, {"a": 3, "b": 3}, x="ms"
    ),
    "reliability": lambda: draw_reliability({"a": BINS, "b": BINS[1:2]}),
    "groups": lambda: draw_by_group(GROUPS),
    "a group of one seed": lambda: draw_by_group(
        {"all": {"a": [0.5]}}, y="AP", alt="One group, one mark."
    ),
}


@pytest.fixture
def drawn(monkeypatch):
    """The matplotlib figure of the last drawing."""
    kept = []
    make = canvas.png_bytes
    monkeypatch.setattr(
        canvas, "png_bytes", lambda drawing, *how: kept.append(drawing) or make(drawing, *how)
    )
    return lambda figure: kept[-1]


def uprights(axes):
    """Ends of every upright line that is not longer than the picture."""
    return [
        tuple(round(float(y), 4) for y in line.get_ydata())
        for line in axes.lines
        if len(line.get_xdata()) == 2 and line.get_xdata()[0] == line.get_xdata()[1]
    ]


def test_an_interval_stands_where_its_numbers_say(drawn):
    (axes,) = drawn(DRAWINGS["intervals"]()).axes
    bars = [
        tuple(map(float, line.get_xdata())) for line in axes.lines
        if len(line.get_xdata()) == 2 and line.get_ydata()[0] == line.get_ydata()[1]
    ]  # fmt: skip
    assert bars == [(0.01, 0.03), (-0.04, 0.03)]
    assert [t.get_text() for t in axes.texts] == [
        "+0.020 (+0.010 to +0.030)", "-0.005 (-0.040 to +0.030)"]  # fmt: skip
    band = axes.patches[0]
    assert (band.get_x(), band.get_width()) == pytest.approx((-0.01, 0.02))
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ROWS)


def test_the_front_is_a_stair_through_those_that_nobody_beats(drawn):
    (axes,) = drawn(DRAWINGS["a trade-off"]()).axes
    stair = axes.lines[0]
    assert list(stair.get_xdata())[:2] == [10, 20]
    assert list(stair.get_ydata())[:2] == pytest.approx([0.61, 0.71])
    assert uprights(axes) == [
        tuple(round(end, 4) for end in t_interval(values)[1:]) for values in SCORES.values()
    ]
    marks = {line.get_marker() for line in axes.lines if line.get_marker() in "os"}
    assert marks == {"o", "s"}
    assert "On the front: a, b." in DRAWINGS["a trade-off"]().alt


def test_no_two_names_stand_on_each_other(drawn):
    (axes,) = drawn(DRAWINGS["one seed each, in one place"]()).axes
    places = [note.xyann[1] for note in axes.texts]
    assert abs(places[0] - places[1]) > 8


def test_a_bin_without_detections_is_not_drawn(drawn):
    first, second = drawn(DRAWINGS["reliability"]()).axes
    assert [tuple(map(float, xy)) for xy in first.collections[0].get_offsets()] == [
        (0.25, 0.5), (0.9, 0.8)]  # fmt: skip
    assert len(second.collections[0].get_offsets()) == 1
    assert "off by 0.212" in first.get_title(loc="left")  # (3 · 0.25 + 0.1) / 4


def test_every_network_has_its_mark_in_every_group(drawn):
    (axes,) = drawn(DRAWINGS["groups"]()).axes
    marks = [
        (line.get_marker(), round(float(line.get_ydata()[0]), 3))
        for line in axes.lines if line.get_marker() in ("o", "s")
    ]  # fmt: skip
    assert marks == [("o", 0.45), ("s", 0.3), ("o", 0.75), ("s", 0.9)]
    assert DRAWINGS["groups"]().alt == (
        "mAP by group: small: a 0.450, b 0.300; large: a 0.750, b 0.900."
    )


FAULTS = {
    "no row": (lambda: draw_intervals({}, delta=1, reference="a"), "at least one row"),
    "a mean outside": (
        lambda: draw_intervals({"b": (1, 2, 3)}, delta=1, reference="a"),
        r"differences\['b'\]: expected a mean inside of its interval"),
    "NaN": (
        lambda: draw_intervals({"b": (NAN, 0, 1)}, delta=1, reference="a"), "a mean inside"),
    "no delta": (lambda: draw_intervals(ROWS, delta=0, reference="a"), "delta: expected a positive"),
    "another name": (lambda: draw_trade_off({"a": [1]}, {"b": 1}, x="ms"), r"costs: expected"),
    "no score": (lambda: draw_trade_off({"a": []}, {"a": 1}, x="ms"), r"scores\['a'\]: expected"),
    "an endless cost": (
        lambda: draw_trade_off({"a": [1]}, {"a": float("inf")}, x="ms"), "a finite cost"),
    "five networks": (lambda: draw_reliability(dict.fromkeys("abcde", BINS)), "1 to 4 networks"),
    "no detection": (lambda: draw_reliability({"a": BINS[:1]}), "expected a detection, got none"),
    "a share of 2": (
        lambda: draw_reliability({"a": [{"score": 0.5, "right": 2, "count": 1}]}), "from 0 to 1"),
    "no group": (lambda: draw_by_group({}), "at least one group"),
    "other networks": (
        lambda: draw_by_group({"x": {"a": [1]}, "y": {"b": [1]}}), r"values\['y'\]: expected"),
    "a group's NaN": (lambda: draw_by_group({"x": {"a": [NAN]}}), "expected finite scores"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named(name):
    make, message = FAULTS[name]
    with pytest.raises(ValueError, match=message):
        make()
