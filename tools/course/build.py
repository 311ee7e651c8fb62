"""A source is executed and becomes the notebook that is committed."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detlearn.files import write_atomically
from tools.course.clone import ROOT, BuildError, needed, product_of, tags_of
from tools.course.minutes import core_of, fill_minutes
from tools.course.source import METADATA, read_source

__all__ = ["build", "keep_outputs", "renew_setup", "tidy_outputs", "write_notebook"]

SECONDS_FOR_A_CELL = 600


def build(source: Path, root: Path = ROOT) -> Path:
    """Execute a source and write its notebook; nothing is written unless every cell ran.

    One thread, an empty IPython profile, the working directory `notebooks/`. What differs from
    run to run is left out: times, widget state, process numbers. A cell tagged
    `nbval-ignore-output` (it measures seconds, say) keeps the output that the product has, until
    its text changes; remove the product to measure again. Explorers are always made anew: other
    weights, or another page, change them without a change of their cell.

    Args:
        source: `notebooks/src/NN_name.py`.
        root: the clone.

    Returns:
        The path of the product; built twice, it has the same bytes.

    Raises:
        BuildError: with the notebook, the cell and the end of its traceback.
    """
    nbformat = needed("nbformat")
    nbclient = needed("nbclient")
    notebook = read_source(source, root)
    target = product_of(source)
    with tempfile.TemporaryDirectory() as profile:
        environment = {
            **os.environ,
            "DETLEARN_PROGRESS": "off",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "PYTHONHASHSEED": "0",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(root), os.getenv("PYTHONPATH")])),
            "IPYTHONDIR": profile,
        }
        for name in ("DETLEARN_HOME", "DETLEARN_REPO", "DETLEARN_REF", "MPLBACKEND"):
            environment.pop(name, None)
        client = nbclient.NotebookClient(
            notebook,
            timeout=SECONDS_FOR_A_CELL,
            kernel_name="python3",
            record_timing=False,
            extra_arguments=["--log-level=40"],  # no word about the transport on this machine
            skip_cells_with_tag="nbval-skip",
            resources={"metadata": {"path": str(target.parent)}},
        )
        try:
            client.execute(env=environment)
        except nbclient.exceptions.CellExecutionError as error:
            raise BuildError(_failure(notebook, source, error)) from None
        except nbclient.exceptions.CellTimeoutError:
            raise BuildError(
                f"{source.name}: a cell ran for more than {SECONDS_FOR_A_CELL} s"
            ) from None
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            cell.outputs = tidy_outputs(cell.outputs)
    _keep_uncompared(notebook, target)
    if "{minutes}" in notebook.cells[0].source:
        fill_minutes(notebook, notebook.cells)
        _write_minutes(source.name[:2], core_of(notebook.cells).minutes, root)
    write_notebook(notebook, target)
    return target


def keep_outputs(source: Path, root: Path = ROOT) -> Path:
    """Write prose, tags and slide types anew; nothing is executed, all outputs stay.

    Args:
        source: `notebooks/src/NN_name.py`, which has been built.
        root: the clone.

    Returns:
        The path of the product; the bytes are those of a build.

    Raises:
        BuildError: it has not been built, or a code cell is not the one that was executed.
    """
    nbformat = needed("nbformat")
    target = product_of(source)
    if not target.exists():
        raise BuildError(f"{target.name}: not built; run `python -m tools.course build`")
    executed = [c for c in nbformat.read(target, as_version=4).cells if c.cell_type == "code"]
    notebook = read_source(source, root)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    before, now = (
        {cell.id: (cell.source, "nbval-skip" in tags_of(cell)) for cell in cells}
        for cells in (executed, code)
    )
    if list(before.items()) != list(now.items()):
        changed = [name for name in {**before, **now} if before.get(name) != now.get(name)]
        said = f"code changed: {', '.join(changed)}" if changed else "code cells changed places"
        raise BuildError(f"{source.name}: {said}; it must be executed")
    for cell, old in zip(code, executed, strict=True):
        cell.outputs, cell.execution_count = old.outputs, old.execution_count
    if "{minutes}" in notebook.cells[0].source:
        fill_minutes(notebook, notebook.cells)
        _write_minutes(source.name[:2], core_of(notebook.cells).minutes, root)
    write_notebook(notebook, target)
    return target


def renew_setup(source: Path, root: Path = ROOT) -> Path:
    """Write the set-up cell of a product anew, and its metadata; nothing is executed.

    Args:
        source: `notebooks/src/NN_name.py`, which has been built.
        root: the clone.

    Raises:
        BuildError: it has not been built, or its second cell is no set-up cell.
    """
    nbformat = needed("nbformat")
    target = product_of(source)
    if not target.exists():
        raise BuildError(f"{target.name}: not built; run `python -m tools.course build`")
    notebook = nbformat.read(target, as_version=4)
    cell, fresh = notebook.cells[1], read_source(source, root).cells[1]
    if "setup" not in tags_of(cell):
        raise BuildError(f"{target.name}: its second cell is not tagged setup")
    cell.source, cell.metadata = fresh.source, fresh.metadata
    notebook.metadata = nbformat.from_dict(METADATA)
    write_notebook(notebook, target)
    return target


def _write_minutes(number: str, minutes: int, root: Path) -> None:
    """The minutes of a chapter in chapters.toml, from which README and site take them."""
    table = root / "notebooks" / "chapters.toml"
    if not table.exists():
        return
    text = table.read_text(encoding="utf-8")
    row = re.compile(rf'(number = "{number}"\n(?:(?!\[\[).*\n)*?minutes = )\d+')
    changed = row.sub(rf"\g<1>{minutes}", text)
    if changed != text:
        write_atomically(table, changed.encode("utf-8"))


def _keep_uncompared(notebook: Any, target: Path) -> None:
    """Let cells whose output may differ show what they showed before."""
    if not target.exists():
        return
    before = {cell.id: cell for cell in needed("nbformat").read(target, as_version=4).cells}
    for cell in notebook.cells:
        old = before.get(cell.id)
        tags = tags_of(cell)
        if "nbval-ignore-output" not in tags or "explorer" in tags:
            continue
        if old is not None and old.source == cell.source:
            cell.outputs = old.get("outputs", [])


def _failure(notebook: Any, source: Path, error: Any) -> str:
    failed = next(
        (c for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "error"), None
    )
    name = failed.id if failed is not None else "?"
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return f"{source.name}, cell {name!r}:\n" + "\n".join(text.splitlines()[-25:])


def tidy_outputs(outputs: Sequence[Any]) -> list[Any]:
    """Outputs without what differs from run to run.

    Pieces of one stream are joined (how a kernel cuts them depends on timing), progress bars are
    kept in their last state, views of widgets are dropped (their text stays), and an error keeps
    its name and message without the traceback.
    """
    nbformat = needed("nbformat")
    tidy: list[Any] = []
    for output in outputs:
        output = nbformat.from_dict(output)
        if output.output_type == "stream":
            if tidy and tidy[-1].output_type == "stream" and tidy[-1].name == output.name:
                tidy[-1].text += output.text
            else:
                tidy.append(output)
            continue
        if output.output_type == "error":
            output.traceback = [f"{output.ename}: {output.evalue}"]
        for mime in [m for m in output.get("data", {}) if "widget" in m]:
            del output.data[mime]
        if output.output_type == "error" or output.data:
            tidy.append(output)
    for output in tidy:
        if output.output_type == "stream":
            output.text = re.sub(r"[^\n]*\r(?=[^\n\r])", "", output.text)
    return tidy


def write_notebook(notebook: Any, path: Path) -> None:
    """Write atomically, the same bytes on every system."""
    nbformat = needed("nbformat")
    nbformat.validate(notebook)
    text = nbformat.writes(notebook, version=4).rstrip("\n") + "\n"
    write_atomically(path, text.encode("utf-8"))
