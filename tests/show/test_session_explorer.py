"""The session explorer counts as the exercise of chapter 14 does, and draws what it says."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from detlearn.show import SessionExplorer
from detlearn.teach.exercises import nb14


def test_its_sessions_are_those_of_the_exercise():
    count = nb14.sessions_needed.reference()
    explorer = SessionExplorer(1, 1, 1, 0)
    for epochs, minutes, hours, setup in itertools.product(
        (1, 22, 65, 300), (1, 10, 24), (1, 4), (0, 20)
    ):
        given = {"epochs": epochs, "minutes": minutes, "hours": hours, "setup": setup}
        for name, value in given.items():
            getattr(explorer, name).value = value
        assert explorer.sessions == count(epochs, minutes, hours, setup), given
        assert repr(explorer).endswith(
            f"so {explorer.sessions} session" + "s" * (explorer.sessions > 1)
        )


def test_more_sessions_are_more_blue():
    def blue(explorer):
        pixels = np.asarray(Image.open(io.BytesIO(explorer.picture())).convert("RGB"))
        return int((abs(pixels.astype(int) - (0, 0x72, 0xB2)).sum(-1) < 30).sum())

    explorer = SessionExplorer(epochs=65, minutes=24, hours=4, setup=20)
    eight = blue(explorer)
    explorer.epochs.value = 32
    assert 0.4 * eight < blue(explorer) < 0.6 * eight


def test_many_sessions_are_drawn_in_rows_and_no_more_than_four():
    explorer = SessionExplorer(epochs=300, minutes=120, hours=1, setup=55)
    assert explorer.sessions == 7200
    assert "The first 80 sessions are drawn." in explorer.facts()
    assert len(explorer.picture()) < 60_000


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("minutes", 121), ("hours", 25), ("setup", 60)]
)
def test_refuses_what_no_slider_reaches(name, value):
    given = {"epochs": 65, "minutes": 24, "hours": 4, "setup": 20} | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected"):
        SessionExplorer(**given)
