"""The newest course, with the answers that a student has written: `make update`.

Git would refuse, or mix two notebooks line by line. Here the changed notebooks are copied to
`answers/` first; then the course is brought up to date; then each cell that the student has changed
or added is put back at its place. Nothing is thrown away: the copies stay.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from tools.course.build import write_notebook
from tools.course.clone import ROOT, BuildError, needed

__all__ = ["carry", "update"]


def update(root: Path = ROOT) -> list[str]:
    """Bring a clone up to date.

    Args:
        root: the clone.

    Returns:
        What was done, one sentence each.

    Raises:
        BuildError: other files than notebooks were changed, or git could not bring it up to date;
            then everything is as it was.
    """
    nbformat = needed("nbformat")
    changed = _git(root, "diff", "--name-only", "HEAD").splitlines()
    others = [
        name for name in changed if not name.startswith("notebooks/") or name[-6:] != ".ipynb"
    ]
    if others:
        raise BuildError(
            f"{others[0]} was changed by you: commit it, or put it back (git checkout -- "
            f"{others[0]}), then update again"
        )
    before = {name: nbformat.reads(_git(root, "show", f"HEAD:{name}"), 4) for name in changed}
    mine = {name: nbformat.read(root / name, 4) for name in changed if (root / name).exists()}
    copies = {name: _kept(root / name, root / "answers") for name in mine}
    if changed:
        _git(root, "checkout", "--", *changed)
    try:
        said = _git(root, "pull", "--ff-only").splitlines()
    except BuildError:
        for name, copy in copies.items():
            shutil.copy2(copy, root / name)
        raise
    report = said[-1:]
    for name, notebook in mine.items():
        where = copies[name].relative_to(root).as_posix()
        if not (root / name).exists():
            report.append(f"{name} is no longer part of the course; yours is {where}")
            continue
        newest = nbformat.read(root / name, 4)
        count, lost = carry(before[name], notebook, newest)
        if count:
            write_notebook(newest, root / name)
        report.append(f"{name}: {count} cells of yours are in it; a copy is {where}")
        report += [f"{name}: the course has changed {one!r}; yours is in {where}" for one in lost]
    return report


def carry(before: Any, mine: Any, newest: Any) -> tuple[int, list[str]]:
    """Put what a student has written into the newest notebook.

    Args:
        before: the notebook as the student got it.
        mine: as it is now.
        newest: as the course has it now; it is changed.

    Returns:
        How many cells were carried over; ids of those that the course has changed, too, or dropped.
    """
    base = {cell.id: cell for cell in before.cells}
    at = {cell.id: cell for cell in newest.cells}
    count, lost, above = 0, [], None
    for cell in mine.cells:
        if cell.id not in base:
            places = [k for k, one in enumerate(newest.cells) if above and one.id == above]
            newest.cells.insert(places[0] + 1 if places else len(newest.cells), cell)
            count += 1
        elif cell.source != base[cell.id].source:
            target = at.get(cell.id)
            if target is None or target.source not in (base[cell.id].source, cell.source):
                lost.append(cell.id)
            else:
                target.source = cell.source
                if cell.cell_type == target.cell_type == "code":
                    target.outputs = cell.outputs
                    target.execution_count = cell.execution_count
                count += 1
        above = cell.id if cell.id in at or cell.id not in base else above
    return count, lost


def _kept(path: Path, folder: Path) -> Path:
    """A copy of a notebook under a name that is free."""
    folder.mkdir(exist_ok=True)
    number = 1
    while (copy := folder / f"{path.stem}{f'-{number}' * (number > 1)}.ipynb").exists():
        number += 1
    shutil.copy2(path, copy)
    return copy


def _git(root: Path, *command: str) -> str:
    try:
        done = subprocess.run(
            ["git", *command], cwd=root, capture_output=True, text=True, encoding="utf-8"
        )
    except FileNotFoundError:
        raise BuildError("git is not installed: the course is updated by it") from None
    if done.returncode:
        raise BuildError(f"git {command[0]}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
