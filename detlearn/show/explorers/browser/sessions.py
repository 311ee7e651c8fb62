"""Session explorer: a long training, cut into the sessions that a lent machine allows."""

from __future__ import annotations

import math
from typing import Any

from detlearn.show.explorers.browser.frame import Explorer

__all__ = ["SessionExplorer"]

MINUTES = 60
RANGES = {"epochs": (1, 300), "minutes": (1, 120), "hours": (1, 24), "setup": (0, 55)}
"""What the sliders reach: the set-up never fills the shortest session."""


class SessionExplorer(Explorer):
    """How many sessions a training takes: a bar for each, hatched for set-up, filled for training.

    Sliders move the epochs, the minutes of an epoch, the hours of a session and the minutes that
    pass in each session before it trains.  The browser repeats the arithmetic of this class.

    Args:
        epochs: of the training, 1 to 300.
        minutes: of an epoch, 1 to 120.
        hours: of a session, 1 to 24.
        setup: minutes, 0 to 55.

    Raises:
        ValueError: a number that its slider does not reach.

    >>> SessionExplorer(epochs=65, minutes=24, hours=4, setup=20)
    Explorer of sessions: 65 epochs of 24 minutes are 26.0 hours; 220 of 240 minutes train: 7.1, \
so 8 sessions.
    """

    module = "sessions.js"
    title = "Explorer of sessions"
    height = 520

    def __init__(self, epochs: int, minutes: int, hours: int, setup: int = 20) -> None:
        given = {"epochs": epochs, "minutes": minutes, "hours": hours, "setup": setup}
        for name, value in given.items():
            least, most = RANGES[name]
            if not least <= value <= most or int(value) != value:
                raise ValueError(
                    f"{name}: expected a whole number from {least} to {most}, got {value}"
                )
        self.epochs, self.minutes = int(epochs), int(minutes)
        self.hours, self.setup = int(hours), int(setup)

    @property
    def usable(self) -> int:
        """Minutes of a session that train."""
        return MINUTES * self.hours - self.setup

    @property
    def total(self) -> int:
        """Minutes of the whole training."""
        return self.epochs * self.minutes

    @property
    def sessions(self) -> int:
        """Sessions, the last of them perhaps shorter."""
        return math.ceil(self.total / self.usable)

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "epochs": self.epochs,
            "minutes": self.minutes,
            "hours": self.hours,
            "setup": self.setup,
            "ranges": {name: list(ends) for name, ends in RANGES.items()},
        }

    def __repr__(self) -> str:
        verb = "is" if self.epochs == 1 else "are"
        return (
            f"Explorer of sessions: {_count(self.epochs, 'epoch')} of "
            f"{_count(self.minutes, 'minute')} {verb} {_tenths(self.total, MINUTES)} hours; "
            f"{self.usable:,} of {MINUTES * self.hours:,} minutes train: "
            f"{_tenths(self.total, self.usable)}, so {_count(self.sessions, 'session')}."
        )


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"


def _tenths(part: int, whole: int) -> str:
    """A quotient with one digit, halves upwards: formats of Python and JavaScript differ there.

    >>> _tenths(15, 60)
    '0.3'
    """
    tenths = (20 * part + whole) // (2 * whole)
    return f"{tenths // 10:,}.{tenths % 10}"
