"""Ctrl-C, and what a cluster sends before it takes the machine: end in good order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Interruptible", "start_worker"]


def start_worker(_: int) -> None:
    """For the processes that load data: Ctrl-C is the loop's business; SIGTERM ends them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class Interruptible:
    """While it is open, SIGINT and SIGTERM are noted; the loop ends after its step.

    A second signal ends the program at once.  Outside the main thread (there Python knows no
    signals) nothing is caught.

    Attributes:
        requested: name of the signal that came, or ``""``.

    >>> with Interruptible() as interruptible:
    ...     signal.raise_signal(signal.SIGINT)
    ...     interruptible.requested
    'SIGINT'
    """

    def __init__(self) -> None:
        self.requested = ""
        self.before: dict[int, Any] = {}
        self.patient = True

    def __enter__(self) -> Interruptible:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            # None: it was not Python's, and cannot be put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, _: Any) -> None:
        again, self.requested = bool(self.requested), signal.Signals(number).name
        if again or not self.patient:
            raise KeyboardInterrupt(self.requested)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside it nothing would be lost: a signal ends the program there and then."""
        if self.requested:
            raise KeyboardInterrupt(self.requested)
        self.patient = False
        try:
            yield
        finally:
            self.patient = True
