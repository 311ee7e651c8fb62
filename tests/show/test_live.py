"""The curve that is drawn while a run trains."""

import math

import pytest
from IPython.core.interactiveshell import InteractiveShell

from detlearn import create_model, training
from detlearn.data import Shapes
from detlearn.show import LiveCurve

ROW = {"epoch": 1.0, "box": 2.0, "class": 4.0, "learning_rate": 0.1, "seconds": 1.0}


def test_nothing_yet():
    curve = LiveCurve()
    assert repr(curve) == "Live curve: no epoch yet" and curve.figure is None


def test_only_what_was_scored_is_drawn(monkeypatch):
    seen = []

    def draw(panels, **settings):
        seen.append(panels)

    monkeypatch.setattr("detlearn.show.live.draw_curves", draw)
    curve = LiveCurve()
    curve([ROW, {**ROW, "mAP": 0.5, "mAP50": 0.75}, ROW])
    assert list(seen[0]) == ["loss", "score"]
    assert seen[0]["loss"] == {"box": [2.0] * 3, "class": [4.0] * 3}
    first, second, third = seen[0]["score"]["mAP"]
    assert second == 0.5 and math.isnan(first) and math.isnan(third)
    assert repr(curve) == "Live curve: 3 epochs; box 2, class 4"


@pytest.mark.parametrize("scores", [{}, {"AP": 0.1, "AP50": 0.2}, {"mAP": math.nan}])
def test_one_epoch_of_any_network_is_drawn(scores):
    curve = LiveCurve()
    curve([{**ROW, **scores}])
    assert curve.figure is not None and curve.figure.png[:4] == b"\x89PNG"
    assert "learning_rate" not in repr(curve) and "seconds" not in repr(curve)


def test_a_notebook_gets_one_picture_which_is_replaced(monkeypatch):
    shell = InteractiveShell.instance()
    sent = []
    monkeypatch.setattr(
        shell.display_pub, "publish",
        lambda data, metadata=None, transient=None, update=False, **rest: sent.append(
            (data["text/plain"], "image/png" in data, transient["display_id"], update)),
    )  # fmt: skip
    try:
        curve = LiveCurve()
        config = training.TrainConfig(epochs=2, batch_size=2)
        training.train(create_model("ssd_tiny"), Shapes(length=2), config, device="cpu",
                       progress=False, after_epoch=curve)  # fmt: skip
    finally:
        InteractiveShell.clear_instance()
    first, second = sent
    assert not first[3] and second[3] and first[:3] == second[:3] and first[1]
    assert repr(curve).startswith("Live curve: 2 epochs; bbox_regression ")
