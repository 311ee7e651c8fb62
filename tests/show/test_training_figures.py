"""Curves of a training and bars of its errors: small PNGs that say what they show."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from detlearn.show import Figure
from detlearn.show import figures as draw
from detlearn.show.canvas import BLUE

ALT = "A picture that a test has drawn."
KINDS = {"correct": 6, "duplicate": 0, "missed": 3}

DRAWINGS = {
    "a single value": lambda: draw.draw_curves({"loss": {"boxes": [2.0]}}, alt=ALT),
    "two panels": lambda: draw.draw_curves(
        {"loss": {"boxes": [3.0, 2, 1], "classes": [9, 5, 4]}, "rate": {"rate": range(500)}},
        x="epoch", alt=ALT,
    ),
    "logarithmic": lambda: draw.draw_curves(
        {"loss": {"sum": np.geomspace(10, 0.01, 60)}}, log=True, alt=ALT
    ),
    "no detection at all": lambda: draw.draw_error_kinds(
        {"before": dict.fromkeys(KINDS, 0)}, alt=ALT
    ),
    "three thresholds": lambda: draw.draw_error_kinds(dict.fromkeys("abc", KINDS), alt=ALT),
}  # fmt: skip


def blue(figure: Figure) -> np.ndarray:
    """Where the pixels have the house's blue."""
    pixels = np.asarray(Image.open(io.BytesIO(figure.png)).convert("RGB")).astype(int)
    wanted = [int(BLUE[i : i + 2], 16) for i in (1, 3, 5)]
    return np.abs(pixels - wanted).sum(-1) < 20


def test_a_bar_is_as_long_as_its_number():
    bars = blue(draw.draw_error_kinds({"a": {"correct": 6, "duplicate": 0, "missed": 3}}, alt=ALT))
    lengths = bars[40:].sum(axis=1)  # below the key
    assert lengths[: len(lengths) // 3].max() == pytest.approx(
        2 * lengths[2 * len(lengths) // 3 :].max(), abs=3
    )
    assert lengths[len(lengths) * 2 // 5 : len(lengths) * 3 // 5].max() == 0


def test_a_falling_curve_falls():
    line = blue(draw.draw_curves({"loss": {"sum": list(range(100, 0, -1))}}, alt=ALT))
    rows = [line[:, column].nonzero()[0] for column in (200, 600)]
    assert rows[0].mean() < rows[1].mean() - 50  # rows count downwards


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: draw.draw_curves({}, alt=ALT), "panels: expected at least one, got none"),
        (lambda: draw.draw_curves({"loss": {}}, alt=ALT), r"panels\['loss'\]: expected 1 to 4"),
        (lambda: draw.draw_curves({"loss": {"a": []}}, alt=ALT), r"\['a'\]: expected one or more"),
        (lambda: draw.draw_curves({"loss": {"a": [1, 0]}}, log=True, alt=ALT), "values above 0"),
        (lambda: draw.draw_error_kinds({}, alt=ALT), "counts: expected 1 to 3 names, got 0"),
        (lambda: draw.draw_error_kinds({"a": {}}, alt=ALT), r"counts\['a'\]: expected the kinds"),
        (
            lambda: draw.draw_error_kinds({"a": {"x": 1}, "b": {"y": 1}}, alt=ALT),
            r"counts\['b'\]: expected the kinds \['x'\], got \['y'\]",
        ),
        (lambda: draw.draw_error_kinds({"a": {"x": -1}}, alt=ALT), "no negative number"),
    ],
)
def test_wrong_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_nothing_is_marked_where_nothing_was_measured(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "detlearn.show.figures.training.finish", lambda drawing, alt: drawn.append(drawing)
    )
    draw.draw_curves({"score": {"mAP": [np.nan, 0.2, np.nan, 0.4]}}, x="epoch", alt="Two points.")
    (line,) = drawn[0].axes[0].lines
    assert line.get_xdata().tolist() == [2, 4] and line.get_ydata().tolist() == [0.2, 0.4]
