"""Waiting for an event in another process, however loaded the machine is.

A test that waits says what for: a file, the end of a process. The bound only catches a hang; no
run that is alive takes so long, and none fails because another program had the processor.
"""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

HANG = 900.0  # seconds


def wait_until(happened: Callable[[], object], what: str) -> None:
    """Return when ``happened()`` is true; a `TimeoutError` after `HANG` seconds."""
    deadline = time.monotonic() + HANG
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {HANG:.0f} s")
        time.sleep(0.02)


def wait_for_file(path: Path, process: subprocess.Popen) -> None:
    """Return when a process has written a file; an error, with its output, if it ends without."""
    wait_until(lambda: path.exists() or process.poll() is not None, str(path))
    if not path.exists():
        output, _ = process.communicate(timeout=HANG)
        raise AssertionError(f"{path} was not written; exit {process.returncode}:\n{output}")
