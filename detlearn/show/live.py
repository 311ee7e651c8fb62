"""A curve that is drawn while a run trains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from detlearn.show.figure import Figure
from detlearn.show.figures.training import draw_curves
from detlearn.training.history import SCORES, loss_names

__all__ = ["LiveCurve"]

MOST = 4  # curves in a panel


class LiveCurve:
    """Loss and score of a run, redrawn after every epoch; give it to `train` as ``after_epoch``.

    It replaces its own picture (`IPython.display.update_display`), so it needs no widget, and the
    notebook keeps the last one.  Outside a notebook nothing is shown.

    Attributes:
        figure: the picture so far, None before the first epoch.

    >>> curve = LiveCurve()
    >>> curve([{"epoch": 1.0, "box": 2.0, "learning_rate": 0.1, "seconds": 3.0, "mAP": 0.25}])
    >>> curve
    Live curve: 1 epoch; box 2, mAP 0.25
    >>> curve.figure
    Figure: Live curve: the parts of the loss and the score after every epoch of a training.
    """

    def __init__(self) -> None:
        self.figure: Figure | None = None
        self.history: list[Mapping[str, float]] = []
        self._handle: Any = None

    def __call__(self, history: Sequence[Mapping[str, float]], model: Any = None) -> None:
        """Draw what `train` reports.

        Args:
            history: a dict for each epoch, at least one: the parts of the loss stand before
                ``learning_rate``.
            model: not needed.
        """
        self.history = list(history)
        panels = {"loss": {name: [row[name] for row in history] for name in self._parts()}}
        if scores := self._scores():
            panels["score"] = {
                name: [row.get(name, math.nan) for row in history] for name in scores
            }
        # The text is compared by nbval: the same after every epoch, on every machine.
        alt = "Live curve: the parts of the loss and the score after every epoch of a training."
        self.figure = draw_curves(panels, x="epoch", alt=alt)
        self._show(self.figure)

    def _parts(self) -> list[str]:
        return loss_names(self.history[-1:])[:MOST]

    def _scores(self) -> list[str]:
        """Each overall score that came, and at an IoU of a half."""
        known = {name for row in self.history for name in row}
        return [name for score in SCORES for name in (score, f"{score}50") if name in known][:MOST]

    def _show(self, figure: Figure) -> None:
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if self._handle is not None:
            self._handle.update(figure)
        elif get_ipython() is not None:  # type: ignore[no-untyped-call]
            self._handle = display(figure, display_id=True)  # type: ignore[no-untyped-call]

    def __repr__(self) -> str:
        if not self.history:
            return "Live curve: no epoch yet"
        row, epochs = self.history[-1], len(self.history)
        names = [*self._parts(), *(name for name in self._scores() if name in row)]
        said = ", ".join(f"{name} {row[name]:.3g}" for name in names)
        return f"Live curve: {epochs} epoch{'s' * (epochs > 1)}; {said}"
