"""Session explorer: a long training, cut into the sessions that a lent machine allows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from detlearn.show.canvas import BLUE, INK, MUTED, RULE, finish, house_style, inch_axes, new_figure
from detlearn.show.explorers.model.controls import ModelExplorer, facts_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["SessionExplorer"]

MINUTES = 60
ROW = 20  # sessions drawn beside each other


class SessionExplorer(ModelExplorer):
    """How many sessions a training takes: a bar for each, hatched for set-up, filled for training.

    `explorer.hours.value = 2; explorer` shows another state; the controls are `epochs`, `minutes`
    of an epoch, `hours` of a session and `setup`, the minutes that pass in each before it trains.

    Args:
        epochs: of the training, 1 to 300.
        minutes: of an epoch, 1 to 120.
        hours: of a session, 1 to 24.
        setup: minutes, 0 to 55.

    Raises:
        ValueError: a number that its slider does not reach.

    >>> SessionExplorer(epochs=65, minutes=24, hours=4, setup=20)
    65 epochs of 24 minutes are 26.0 hours; 220 of 240 minutes train: 7.1, so 8 sessions
    """

    def __init__(self, epochs: int, minutes: int, hours: int, setup: int = 20) -> None:
        given = {
            "epochs": (epochs, 1, 300), "minutes": (minutes, 1, 120), "hours": (hours, 1, 24),
            "setup": (setup, 0, 55),
        }  # fmt: skip
        for name, (value, least, most) in given.items():
            if not least <= value <= most:
                raise ValueError(f"{name}: expected {least} to {most}, got {value}")
        self.epochs = self.slider("epochs", *given["epochs"], 1)
        self.minutes = self.slider("minutes an epoch", *given["minutes"], 1)
        self.hours = self.slider("hours a session", *given["hours"], 1)
        self.setup = self.slider("set-up, minutes", *given["setup"], 1)
        self.assemble([self.epochs, self.minutes, self.hours, self.setup])

    @property
    def usable(self) -> int:
        """Minutes of a session that train."""
        return int(MINUTES * self.hours.value - self.setup.value)

    @property
    def total(self) -> int:
        """Minutes of the whole training."""
        return int(self.epochs.value * self.minutes.value)

    @property
    def sessions(self) -> int:
        """Sessions, the last of them perhaps shorter."""
        return math.ceil(self.total / self.usable)

    def picture(self) -> bytes:
        """A bar for each session, the hours upwards."""
        rows = math.ceil(self.sessions / ROW)
        drawn = min(rows, 4)
        with house_style():
            drawing = new_figure(7.4, 0.6 + 1.1 * drawn)
            for row in range(drawn):
                axes = inch_axes(drawing, (0.7, 0.35 + 1.1 * (drawn - 1 - row), 6.6, 0.8))
                first = row * ROW
                for k in range(first, min(first + ROW, self.sessions)):
                    trained = min(self.usable, self.total - k * self.usable) / MINUTES
                    waited = self.setup.value / MINUTES
                    axes.bar(k - first, waited, color=RULE, edgecolor=MUTED, hatch="///", width=0.8)
                    axes.bar(k - first, trained, bottom=waited, color=BLUE, width=0.8)
                axes.set_xlim(-0.6, ROW - 0.4)
                axes.set_ylim(0, self.hours.value)
                axes.set_xticks(range(ROW), [str(first + n + 1) for n in range(ROW)])
                axes.set_yticks([0, self.hours.value], ["0", f"{self.hours.value} h"])
                axes.tick_params(labelsize=9, colors=INK, length=0)
                axes.grid(visible=False)
            _key(drawing)
            return finish(drawing, repr(self)).png

    def facts(self) -> str:
        """The sum behind the bars."""
        note = "Hatched: set-up. Filled: training."
        if self.sessions > 4 * ROW:
            note += f" The first {4 * ROW} sessions are drawn."
        return facts_table(
            [
                ("training", f"{self.epochs.value} · {self.minutes.value} = {self.total:,} min"),
                ("a session trains", f"{self.usable} of {MINUTES * self.hours.value} minutes"),
                ("sessions", f"{self.total / self.usable:.1f}, so {self.sessions}"),
            ],
            note,
        )

    def __repr__(self) -> str:
        word = "session" if self.sessions == 1 else "sessions"
        return (
            f"{self.epochs.value} epochs of {self.minutes.value} minutes are "
            f"{self.total / MINUTES:.1f} hours; {self.usable} of {MINUTES * self.hours.value} "
            f"minutes train: {self.total / self.usable:.1f}, so {self.sessions} {word}"
        )


def _key(drawing: MatplotlibFigure) -> None:
    """What hatched and filled mean, above the bars."""
    from matplotlib.patches import Patch

    entries = [
        Patch(facecolor=RULE, edgecolor=MUTED, hatch="///", label="set-up"),
        Patch(facecolor=BLUE, label="training"),
    ]
    height = drawing.get_size_inches()[1]
    drawing.legend(
        handles=entries, loc="upper left", bbox_to_anchor=(0.09, 1 - 0.08 / height), ncols=2,
        frameon=False, fontsize=9.5, borderaxespad=0,
    )  # fmt: skip
