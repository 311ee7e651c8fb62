"""Copies of the notebooks for a class: without solutions, and with all of them."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from tools.course.build import write_notebook
from tools.course.clone import ROOT, needed, notebook_folder, tags_of, without_words

__all__ = ["write_student_copies"]

CHECK = re.compile(r"\bnb\d\d\.\w+\.check\(\w+(?=\))")


def write_student_copies(
    out: str | os.PathLike[str], root: Path = ROOT, *, seed: int | None = None
) -> list[Path]:
    """Write each notebook twice: for students without solutions, for instructors with them.

    `OUT/student/NN_name.ipynb`: cells tagged `solution` are gone, and so are the speaker's notes,
    for they hold answers; cells tagged `exercise` have no outputs. `OUT/instructor/NN_name.ipynb`:
    every exercise is followed by a solution, taken from `detlearn.teach.exercises` where the
    notebook has none of its own.

    Args:
        out: folder to write to; made if missing.
        root: the clone.
        seed: of the random cases of the checks, for a class with numbers of its own; None, as in
            the course.

    Returns:
        The files written, or found to be there already.

    Raises:
        ValueError: a file is there with another content, which may be somebody's work.
    """
    nbformat = needed("nbformat")
    out = Path(out)
    products = sorted(notebook_folder(root).glob("[0-9][0-9]_*.ipynb"))
    if not products:
        raise ValueError(f"no notebook to copy in {notebook_folder(root)}")
    copies: list[tuple[Path, Any]] = []
    for path in products:
        notebook = nbformat.read(path, as_version=4)
        copies.append((out / "student" / path.name, _without_solutions(notebook, seed)))
        notebook = nbformat.read(path, as_version=4)
        copies.append((out / "instructor" / path.name, _with_solutions(notebook, seed)))
    changed = [
        path
        for path, notebook in copies
        if path.exists() and nbformat.read(path, as_version=4) != notebook
    ]
    if changed:
        raise ValueError(
            f"{changed[0]} exists and differs: it may hold somebody's answers. "
            "Choose another folder, or remove it."
        )
    for path, notebook in copies:
        write_notebook(notebook, path)
    return [path for path, _ in copies]


def _seeded(cell: Any, seed: int | None) -> None:
    """Let the checks of a cell draw other cases."""
    if seed is not None and cell.cell_type == "code":
        cell.source = CHECK.sub(rf"\g<0>, seed={seed}", cell.source)


def _without_solutions(notebook: Any, seed: int | None) -> Any:
    notebook.cells = [
        cell
        for cell in notebook.cells
        if "solution" not in tags_of(cell)
        and cell.metadata.get("slideshow", {}).get("slide_type") != "notes"
    ]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = without_words(cell.source)
        if cell.cell_type == "code" and "exercise" in tags_of(cell):
            cell.outputs, cell.execution_count = [], None
            _seeded(cell, seed)
    return notebook


def _with_solutions(notebook: Any, seed: int | None) -> Any:
    from detlearn.teach.exercises import exercises_of

    nbformat = needed("nbformat")
    cells: list[Any] = []
    for cell, following in zip(notebook.cells, [*notebook.cells[1:], None], strict=True):
        cells.append(cell)
        if "solution" in tags_of(cell):
            _seeded(cell, seed)
        if cell.cell_type != "code" or "exercise" not in tags_of(cell):
            continue
        if following is not None and "solution" in tags_of(following):
            _seeded(cell, seed)
            continue
        for module, key in re.findall(r"\b(nb\d\d)\.(\w+)\.check\(", cell.source):
            exercise = next(e for e in exercises_of(module) if e.key == key)
            source = f"# A solution\n{exercise.solution_source}\n\n\n{module}.{key}.check({key})"
            metadata = {"slideshow": {"slide_type": "skip"}, "tags": ["solution"]}
            name = f"solution-{key.replace('_', '-')}"[:64]
            cells.append(nbformat.v4.new_code_cell(source, id=name, metadata=metadata))
            _seeded(cells[-1], seed)
        _seeded(cell, seed)
    notebook.cells = cells
    return notebook
