"""What a run writes down while it runs, besides ``history.json``: for pandas, for TensorBoard."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from .checkpoint import write

__all__ = ["LOGS", "LogKind", "json_bytes", "open_logs", "read_curves"]

LogKind = Literal["csv", "tensorboard"]
LOGS: tuple[LogKind, ...] = ("csv", "tensorboard")


def json_bytes(content: Any) -> bytes:
    """A JSON file's content; what is no number (a score where there is nothing to find) is null.

    >>> json_bytes({"mAP_large": float("nan")})
    b'{\\n "mAP_large": null\\n}\\n'
    """

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [plain(entry) for entry in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return (json.dumps(plain(content), indent=1, allow_nan=False) + "\n").encode()


class CsvLog:
    """``steps.csv``, a row for every few steps, and ``history.csv``, a row for every epoch.

    Args:
        folder: of the run.
        step: finished steps; rows after it, of a process that died, are cut off.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.folder, self.file = folder, folder / "steps.csv"
        if self.file.exists():
            whole, _, _ = self.file.read_text(encoding="utf-8").rpartition("\n")
            header, *rows = whole.splitlines() or [""]
            kept = [row for row in rows if row.split(",")[0].isdigit() and _step(row) <= step]
            write(self.file, "".join(f"{row}\n" for row in [header, *kept]).encode())

    def step(self, number: int, values: Mapping[str, float]) -> None:
        """Add a row."""
        row = {"step": number, **values}
        beginning = not self.file.exists() or self.file.stat().st_size == 0
        with open(self.file, "a", encoding="utf-8", newline="") as file:
            file.write(_csv([row], list(row), header=beginning))

    def epoch(self, history: Sequence[Mapping[str, float]]) -> None:
        """Write the table of all epochs."""
        columns = list(dict.fromkeys(name for row in history for name in row))
        try:
            write(self.folder / "history.csv", _csv(history, columns).encode())
        except OSError as error:  # open in a spreadsheet, say: the next epoch writes it anew
            warnings.warn(str(error), stacklevel=2)

    def close(self) -> None:
        """Nothing is open."""


class TensorBoardLog:
    """Curves for ``tensorboard --logdir RUN``."""

    def __init__(self, folder: Path, step: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ValueError(
                "logger: 'tensorboard' needs the package tensorboard (pip install tensorboard); "
                "'csv' needs nothing"
            ) from error
        self.writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        self.last = step

    def step(self, number: int, values: Mapping[str, float]) -> None:
        """Add a point to every curve of the training."""
        self.last = number
        for name, value in values.items():
            self.writer.add_scalar(f"train/{name}", value, number)

    def epoch(self, history: Sequence[Mapping[str, float]]) -> None:
        """Add a point to every curve of an epoch's scores."""
        for name, value in history[-1].items():
            if name != "epoch":
                self.writer.add_scalar(f"epoch/{name}", value, int(history[-1]["epoch"]))
        self.writer.flush()

    def close(self) -> None:
        """Write what is still in memory."""
        self.writer.close()


def open_logs(kinds: Sequence[LogKind], folder: Path | None, step: int) -> list[Any]:
    """The logs asked for.

    Args:
        kinds: of `LOGS`.
        folder: of the run.
        step: finished steps, of a run that goes on.

    Raises:
        ValueError: an unknown kind, no folder to write into, or TensorBoard is not installed.

    >>> open_logs((), None, 0)
    []
    """
    makers = {"csv": CsvLog, "tensorboard": TensorBoardLog}
    unknown = [kind for kind in kinds if kind not in makers]
    if unknown:
        raise ValueError(f"logger: expected some of {LOGS}, got {unknown[0]!r}")
    if kinds and folder is None:
        raise ValueError("loggers: expected a folder to write into (out=...), got none")
    return [makers[kind](folder, step) for kind in dict.fromkeys(kinds) if folder is not None]


def read_curves(folder: str | Path) -> dict[str, dict[int, float]]:
    """The curves that TensorBoard draws of a run, as numbers: for a page that cannot show it.

    They are read from the event files, if the run wrote some and the package tensorboard is
    installed; else from ``steps.csv`` and ``history.json``, which hold the same numbers. What a
    lost session had logged behind its last checkpoint is dropped, as TensorBoard drops it.

    Args:
        folder: of the run, the ``out`` of `train`.

    Returns:
        ``train/NAME``: step -> value, ``epoch/NAME``: epoch -> value, the smallest first. What
        was not measured, or is no number, is missing.

    Raises:
        ValueError: no run has written anything there.

    >>> read_curves("nowhere")
    Traceback (most recent call last):
    ...
    ValueError: nowhere: expected the folder of a run, found neither tensorboard/ nor history.json
    """
    place = Path(folder)
    events = place / "tensorboard"
    if events.is_dir() and find_spec("tensorboard"):
        points = _logged_events(events)
    elif (place / "history.json").exists():
        points = _logged_tables(place)
    else:
        raise ValueError(
            f"{folder}: expected the folder of a run, found neither tensorboard/ nor history.json"
        )
    curves: dict[str, dict[int, float]] = {}
    for name, number, value in points:
        if math.isfinite(value):
            curves.setdefault(name, {})[number] = value  # logged twice: the later one
    return {name: dict(sorted(values.items())) for name, values in curves.items()}


def _logged_events(folder: Path) -> Iterator[tuple[str, int, float]]:
    """Name, number and value of every point in TensorBoard's event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})  # all, not a sample
    logger = logging.getLogger("tensorboard")
    level = logger.level
    logger.setLevel(logging.ERROR)  # it warns of every lost session, whose steps it drops
    try:
        events.Reload()
    finally:
        logger.setLevel(level)
    for name in events.Tags()["scalars"]:
        for event in events.Scalars(name):
            yield name, event.step, event.value


def _logged_tables(folder: Path) -> Iterator[tuple[str, int, float]]:
    """The same from the files that need no package."""
    if (folder / "steps.csv").exists():
        with open(folder / "steps.csv", encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                number = int(row.pop("step"))
                yield from ((f"train/{name}", number, float(row[name])) for name in row)
    for row in json.loads((folder / "history.json").read_text(encoding="utf-8")):
        number = int(row.pop("epoch"))
        yield from (
            (f"epoch/{name}", number, value) for name, value in row.items() if value is not None
        )


def _step(row: str) -> int:
    return int(row.split(",")[0])


def _csv(rows: Sequence[Mapping[str, float]], columns: Sequence[str], header: bool = True) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, columns, lineterminator="\n")
    if header:
        table.writeheader()
    table.writerows(rows)
    return text.getvalue()
