"""The session explorer counts as the exercise of chapter 14 does, in Python and in the browser."""

import itertools

import pytest

from detlearn.show import SessionExplorer
from detlearn.teach.exercises import nb14
from tests.show.test_explorers_geometry import BROWSER, NODE, in_node

needs_node = pytest.mark.skipif(NODE is None, reason="the explorers' arithmetic runs in Node.js")
PLANS = [
    {"epochs": epochs, "minutes": minutes, "hours": hours, "setup": setup}
    for epochs, minutes, hours, setup in itertools.product(
        (1, 2, 22, 65, 300), (1, 3, 10, 15, 21, 24, 45, 120), (1, 2, 4, 24), (0, 20, 40, 55)
    )
]


def test_its_sessions_are_those_of_the_exercise():
    count = nb14.sessions_needed.reference()
    for given in PLANS:
        explorer = SessionExplorer(**given)
        assert explorer.sessions == count(*given.values()), given
        word = "session" + "s" * (explorer.sessions > 1)
        assert repr(explorer).endswith(f"so {explorer.sessions:,} {word}.")


@needs_node
def test_the_browser_counts_and_speaks_as_python_does():
    theirs = in_node(
        "cases.map((one) => ({ ...plan(one), words: inWords(one) }))",
        cases=PLANS, module="sessions.js", browser=BROWSER,
    )  # fmt: skip
    for given, answer in zip(PLANS, theirs, strict=True):
        explorer = SessionExplorer(**given)
        assert [answer[key] for key in ("total", "usable", "sessions")] == [
            explorer.total, explorer.usable, explorer.sessions,
        ]  # fmt: skip
        before = (explorer.sessions - 1) * explorer.usable
        assert 0 < answer["last"] <= explorer.usable
        assert before + answer["last"] == explorer.total
        assert repr(explorer) == f"Explorer of sessions: {answer['words']}"


@needs_node
def test_four_rows_hold_all_bars_that_are_drawn():
    rows = in_node(
        "cases.map((n) => Math.ceil(Math.min(n, MOST_DRAWN) / barsInARow(n)))",
        cases=[1, 10, 11, 20, 21, 79, 80, 7200], module="sessions.js", browser=BROWSER,
    )  # fmt: skip
    assert rows == [1, 1, 1, 1, 2, 4, 4, 4]


def test_halves_are_rounded_upwards():
    """15 minutes are 0.25 hours: Python's format would say 0.2, JavaScript's 0.3."""
    assert "15 epochs of 1 minute are 0.3 hours" in repr(SessionExplorer(15, 1, 1, 0))
    assert "1 epoch of 21 minutes is 0.4 hours" in repr(SessionExplorer(1, 21, 1, 0))


@pytest.mark.parametrize(
    ("name", "value"),
    [("epochs", 0), ("minutes", 121), ("hours", 25), ("hours", 2.5), ("setup", 60)],
)
def test_refuses_what_no_slider_reaches(name, value):
    given = {"epochs": 65, "minutes": 24, "hours": 4, "setup": 20} | {name: value}
    with pytest.raises(ValueError, match=rf"^{name}: expected .*, got {value}$"):
        SessionExplorer(**given)
