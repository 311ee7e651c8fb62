"""A run as its folder tells it: what `python -m detlearn train` has written there so far.

What is missing (an old run, one that is still going on, a damaged file) becomes a sentence for the
page, and the rest is read.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..training.history import loss_names

__all__ = ["Run", "read_run"]


@dataclass(frozen=True, slots=True)
class Run:
    """What a folder of ``python -m detlearn train`` holds.

    Attributes:
        folder: the folder.
        history: a row for each epoch, numbers by name; ``"epoch"`` is always there.
        record: ``run.json``; empty if there is none.
        weights: ``best.safetensors``, else ``model.safetensors``, else None.
        notes: sentences about what is missing or odd.
    """

    folder: Path
    history: list[dict[str, float]]
    record: dict[str, Any]
    weights: Path | None
    notes: list[str]

    @property
    def data(self) -> str | None:
        """The ``--data`` that it was trained on; None if nothing says so."""
        if isinstance(self.record.get("data"), str):
            return str(self.record["data"])
        command = self.record.get("command")
        if not isinstance(command, str):
            return None
        words = command.split() if "\\" in command else _words(command)  # a path of Windows
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word == "--data":
                return following
            if word.startswith("--data="):
                return word.removeprefix("--data=")
        return "shapes"  # what train takes

    @property
    def finished(self) -> bool:
        """Whether the training came to its end; the weights are written there."""
        return bool(self.record.get("finished", (self.folder / "model.safetensors").is_file()))

    @property
    def model(self) -> str | None:
        """The name of the model; None if nothing says so."""
        if isinstance(self.record.get("model"), str):
            return str(self.record["model"])
        words = str(self.record.get("command", "")).split()
        return next((b for a, b in zip(words, words[1:], strict=False) if a == "train"), None)


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read what a training has written so far.

    Args:
        folder: the ``--out`` of ``python -m detlearn train``.

    Returns:
        A `Run`; a file that is missing or damaged is a sentence in its ``notes``.

    Raises:
        ValueError: there is no such folder, or it holds nothing of a run.

    >>> read_run("nowhere")
    Traceback (most recent call last):
        ...
    ValueError: nowhere: expected a folder that `python -m detlearn train` wrote, there is none
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: expected a folder that `python -m detlearn train` wrote, there is none"
        )
    files = ("best.safetensors", "model.safetensors", "history.json", "run.json", "last.pt")
    if not any((folder / name).is_file() for name in files):
        raise ValueError(
            f"{folder}: expected a folder that `python -m detlearn train` wrote, "
            f"it holds none of {', '.join(files)}"
        )
    notes: list[str] = []
    weights = next((folder / name for name in files[:2] if (folder / name).is_file()), None)
    begun = (folder / "run.json").is_file() and not (folder / "history.json").exists()
    begun = begun and weights is None  # weights are written when an epoch is over
    if begun:
        notes.append("No epoch is finished yet: there are no curves, and nothing is measured.")
    rows = [] if begun else _read_json(
        folder / "history.json", list, "there are no curves", notes
    )  # fmt: skip
    history = [
        {"epoch": float(number)} | {k: float(v) for k, v in row.items() if type(v) in (int, float)}
        for number, row in enumerate(rows, start=1)
        if isinstance(row, dict)
    ]
    record = _read_json(
        folder / "run.json", dict, "its command, settings and versions are unknown", notes
    )
    bad = [row for row in history if any(map(math.isinf, row.values())) or _lost(row)]
    if bad:
        epochs = ", ".join(f"{row['epoch']:g}" for row in bad[:5])
        notes.append(
            f"The loss is not a finite number in epoch {epochs}"
            f"{' and later' if len(bad) > 5 else ''}: the curves have gaps there."
        )
    run = Run(folder, history, record, weights, notes)
    if not run.finished and not begun:
        notes.append("The run is not finished: what follows is the state so far.")
    if weights is None and not begun:
        curves = "there are curves, and " if history else ""
        notes.append(f"The folder holds no weights yet: {curves}nothing is measured.")
    return run


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quotation mark without its partner
        return command.split()


def _lost(row: dict[str, float]) -> bool:
    """Whether a loss is NaN; a score may be, of objects that are not there."""
    return any(math.isnan(row[name]) for name in loss_names([row]))


def _read_json(path: Path, kind: type, consequence: str, notes: list[str]) -> Any:
    """A file's content; nothing of its kind, and a note, where it cannot be had."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, kind):
            return content
        reason = f"is no JSON {'list' if kind is list else 'object'}"
    except FileNotFoundError:
        reason = "is missing"
    except (OSError, ValueError) as error:
        reason = f"cannot be read ({error})"
    notes.append(f"{path.name} {reason}: {consequence}.")
    return kind()
