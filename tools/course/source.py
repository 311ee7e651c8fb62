"""A source, text, becomes a notebook without outputs."""

from __future__ import annotations

import ast
import re
import unicodedata
from pathlib import Path
from typing import Any

from tools.course.clone import ROOT, BuildError, colab_door, needed, setup_cell
from tools.course.minutes import STAR

__all__ = ["FOLDED", "METADATA", "ONE_LINE", "SLIDE_TYPES", "read_source"]

SLIDE_TYPES = ("slide", "subslide", "fragment", "notes", "skip", "-")
FOLDED = "jp-MarkdownHeadingCollapsed"  # JupyterLab keeps such a section closed
ONE_LINE: dict[str, Any] = {"cellView": "form", "jupyter": {"source_hidden": True}}
"""The set-up cell shows its first line only, in Colab (a form) and in JupyterLab."""
METADATA: dict[str, Any] = {
    "accelerator": "GPU",
    "colab": {"provenance": []},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read_source(path: Path, root: Path = ROOT) -> Any:
    """A source as a notebook without outputs: ids, metadata, door to Colab and setup cell in place.

    Args:
        path: `notebooks/src/NN_name.py`.
        root: the clone.

    Returns:
        An `nbformat.NotebookNode`; equal sources give equal notebooks.

    Raises:
        BuildError: no title, no setup cell, two cells of one id, unknown metadata.
    """
    jupytext = needed("jupytext")
    nbformat = needed("nbformat")
    read = jupytext.read(path, fmt="py:percent")
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    notebook.nbformat_minor = 5
    names: dict[str, int] = {}
    for number, cell in enumerate(read.cells):
        metadata = {k: v for k, v in cell.metadata.items() if k != "lines_to_next_cell"}
        where = f"{path.name}, cell {number + 1}"
        explicit = metadata.pop("id", None)
        source = _filled(cell, number, path, root)
        default = "setup" if number == 1 else _speaking_name(cell.cell_type, source)
        identifier = str(explicit or default)
        names[identifier] = names.get(identifier, 0) + 1
        if names[identifier] > 1:
            if explicit:
                raise BuildError(f"{where}: another cell has the id {identifier!r}")
            identifier = f"{identifier}-{names[identifier]}"
        if not re.fullmatch(r"[a-zA-Z0-9-_]{1,64}", identifier):
            raise BuildError(f"{where}: {identifier!r} is no id; letters, digits, - and _ only")
        make = {
            "markdown": nbformat.v4.new_markdown_cell,
            "code": nbformat.v4.new_code_cell,
        }.get(cell.cell_type)
        if make is None:
            raise BuildError(f"{where}: a {cell.cell_type} cell; expected markdown or code")
        clean = _cell_metadata(metadata, f"{where} ({identifier})")
        if number == 1:
            clean |= ONE_LINE
        if cell.cell_type == "markdown" and source.startswith(f"## {STAR}"):
            clean[FOLDED] = True
        notebook.cells.append(make(source, id=identifier, metadata=clean))
    return notebook


def _filled(cell: Any, number: int, path: Path, root: Path) -> str:
    """The text of a cell; the first gets its door to Colab, the second is the setup cell."""
    if number == 0:
        if cell.cell_type != "markdown" or not cell.source.startswith("# "):
            raise BuildError(f"{path.name}: the first cell is the title, Markdown with `# ...`")
        title, _, rest = cell.source.partition("\n")
        return f"{title}\n\n{colab_door(path.stem, root)}\n\n{rest.strip()}".strip()
    is_setup = "setup" in cell.metadata.get("tags", [])
    if is_setup != (number == 1):
        raise BuildError(
            f"{path.name}, cell {number + 1}: the second cell, and no other, is tagged setup"
        )
    if not is_setup:
        return str(cell.source)
    code = [line for line in cell.source.splitlines() if line and not line.startswith("#")]
    if cell.cell_type != "code" or code:
        raise BuildError(
            f"{path.name}, cell 2: an empty code cell; its text comes from src/_setup.py"
        )
    return setup_cell(root)


def _cell_metadata(metadata: dict[str, Any], where: str) -> dict[str, Any]:
    """Tags and slide type, in the form that Jupyter knows."""
    slide = metadata.pop("slide", None) or metadata.pop("slideshow", {}).get("slide_type")
    tags = metadata.pop("tags", [])
    if metadata:
        raise BuildError(f"{where}: unknown metadata {', '.join(metadata)}; id, slide, tags only")
    if slide is not None and slide not in SLIDE_TYPES:
        raise BuildError(f"{where}: slide {slide!r}, expected one of {', '.join(SLIDE_TYPES)}")
    clean: dict[str, Any] = {}
    if slide is not None:
        clean["slideshow"] = {"slide_type": slide}
    if tags:
        clean["tags"] = list(tags)
    return clean


def _speaking_name(cell_type: str, source: str) -> str:
    """An id from what the cell holds, so that it survives cells that come before it."""
    if cell_type == "code":
        try:
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    return _slug(f"define {node.name}")
        except SyntaxError:  # a line magic
            pass
    lines = [line for line in source.splitlines() if re.search(r"\w", line)]
    headings = [line for line in lines if line.startswith("#")] if cell_type == "markdown" else []
    return _slug((headings or lines or [cell_type])[0]) or cell_type


def _slug(text: str) -> str:
    """At most 48 characters, whole words, of [a-z0-9-]."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain.lower())
    slug = ""
    for word in words:
        if len(slug) + len(word) > 47:
            break
        slug = f"{slug}-{word}" if slug else word
    return slug or "".join(words)[:48]
