"""How long a training will take on this machine, and where it is, in lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

__all__ = ["Pace"]

WARM_UP = 2  # batches that are not timed: memory and kernels are prepared in them
TIMED, AT_LEAST = 5, 2.0  # the first estimate needs so many batches and so many seconds
LINE_EVERY = 60.0  # seconds


class Pace:
    """Tells the time of an epoch once a few steps are timed, then where the training is.

    Args:
        epochs: of the whole training.
        steps: batches in an epoch.
        lines: a line a minute; without, only the estimate.
        say: takes a line.
        clock: seconds, increasing.

    >>> moments = iter(range(0, 100, 2))
    >>> pace = Pace(10, 300, clock=lambda: next(moments))
    >>> for batch in range(1, 9):
    ...     pace.step(1, batch, {"loss": 3.0})
    about 10 minutes an epoch on this machine, about 1.7 hours for 10 epochs (5 batches were timed)
    """

    def __init__(
        self,
        epochs: int,
        steps: int,
        *,
        lines: bool = True,
        say: Callable[[str], object] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.epochs, self.steps, self.lines, self.clock = epochs, steps, lines, clock
        self.say = say or (lambda line: print(line, flush=True))
        self.count = 0
        self.estimated = False
        self.start = self.told = clock()

    def step(self, epoch: int, batch: int, losses: Mapping[str, float]) -> None:
        """Note that a step is done; say what is due.

        Args:
            epoch: that runs, from 1.
            batch: finished batches of it.
            losses: of the step.
        """
        now = self.clock()
        self.count += 1
        if self.count == WARM_UP:
            self.start = now
        timed = self.count - WARM_UP
        if not self.estimated and timed >= TIMED and now - self.start >= AT_LEAST:
            self.estimated = True
            seconds = (now - self.start) / timed
            whole = seconds * (self.steps * (self.epochs - epoch + 1) - batch)
            left = "" if self.epochs == 1 else f", {in_words(whole)} for {self._left(epoch)}"
            self.say(f"{in_words(seconds * self.steps)} an epoch on this machine{left} "
                     f"({timed} batches were timed)")  # fmt: skip
        if self.lines and now - self.told >= LINE_EVERY:
            self.told = now
            parts = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
            self.say(f"epoch {epoch}/{self.epochs}, batch {batch} of {self.steps}: {parts}")

    def _left(self, epoch: int) -> str:
        return f"{self.epochs} epochs" if epoch == 1 else f"the {self.epochs - epoch + 1} left"


def in_words(seconds: float) -> str:
    """A time as somebody says it who does not know it exactly.

    >>> in_words(8.2), in_words(780), in_words(9000), in_words(400_000)
    ('about 8 seconds', 'about 13 minutes', 'about 2.5 hours', 'about 4.6 days')
    """
    if seconds < 90:
        return f"about {seconds:.0f} seconds"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} minutes"
    if seconds < 172_800:
        return f"about {seconds / 3600:.1f} hours"
    return f"about {seconds / 86_400:.1f} days"
