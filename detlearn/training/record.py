"""``run.json``: what a run was asked for, on what it ran, and how it ended."""

from __future__ import annotations

import json
import platform
import warnings
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
import torchvision

from .. import __version__
from ..files import write_atomically
from .distributed import num_processes
from .history import History
from .logs import json_bytes

__all__ = ["RunRecord", "versions"]


def versions() -> dict[str, str]:
    """What a result depends on besides its command.

    >>> sorted(versions())
    ['detlearn', 'machine', 'python', 'torch', 'torchvision']
    """
    return {
        "detlearn": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
    }


class RunRecord:
    """A run's ``run.json``, which is written before the first epoch and after every one.

    A run that goes on keeps how it began, and adds how it was resumed.

    Args:
        path: the file.
        asked: ``command``, ``model``, ``data``, ``config``, ``images``.
        resume: whether the run may go on from what lies in its folder.
    """

    def __init__(self, path: Path, asked: dict[str, Any], resume: bool) -> None:
        self.path = path
        self.content: dict[str, Any] = asked | {
            "versions": versions(), "processes": num_processes(), "finished": False,
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        }  # fmt: skip
        before = _before(path) if resume else None
        if before is not None:
            began, now = before.get("data"), asked.get("data")
            if None not in (began, now) and began != now:
                warnings.warn(
                    f"{path}: the run began with the data {began} and goes on with {now}; that "
                    "both hold the same boxes is not checked",
                    stacklevel=2,
                )
            again = {k: self.content[k] for k in ("command", "versions", "processes", "started")}
            resumed = [*before.get("resumed", []), again]
            self.content = before | {"finished": False, "resumed": resumed}
            if isinstance(before.get("config"), dict):  # a run may become longer
                longer = {"epochs": asked["config"]["epochs"]}
                self.content["config"] = before["config"] | longer
                self.content["images"] = asked.get("images")

    def write(self, history: History, finished: bool = False) -> None:
        """Write the file.

        Args:
            history: the finished epochs, maybe none.
            finished: whether it was the last.
        """
        seconds = sum(row["seconds"] for row in history)
        self.content.update(seconds=round(seconds, 1), finished=finished)
        if history:
            self.content["scores"] = history[-1]
        write_atomically(self.path, json_bytes(self.content))


def _before(path: Path) -> dict[str, Any] | None:
    """What a run wrote when it began; a damaged file is set aside, for the checkpoint has all."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        content = None
    if isinstance(content, dict) and isinstance(content.get("resumed", []), list):
        return content
    aside = path.with_name("run.damaged.json")
    path.replace(aside)
    warnings.warn(
        f"{path}: expected what this run was asked for, got something else; it is {aside.name} "
        "now, and a new one is written",
        stacklevel=2,
    )
    return None
