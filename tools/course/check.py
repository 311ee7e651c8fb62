"""Do the notebooks agree with their sources? Nothing is executed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.course.clone import ROOT, needed, notebook_folder, product_of, sources, tags_of
from tools.course.minutes import fill_minutes
from tools.course.source import read_source

__all__ = ["check", "check_one"]


def check(numbers: Sequence[str] = (), root: Path = ROOT) -> list[str]:
    """Whether products and sources agree, without executing anything.

    Returns:
        One sentence for each difference; empty means that all agree.
    """
    problems = [p for source in sources(numbers, root) for p in check_one(source, root)]
    if not numbers:
        expected = {product_of(source) for source in sources((), root)}
        for path in sorted(notebook_folder(root).glob("*.ipynb")):
            if path not in expected:
                problems.append(f"{path.name}: no source notebooks/src/{path.stem}.py")
    return problems


def check_one(source: Path, root: Path = ROOT) -> list[str]:
    """The differences of one product from its source."""
    nbformat = needed("nbformat")
    product = product_of(source)
    rebuild = f"; run `python -m tools.course build {source.name[:2]}`"
    if not product.exists():
        return [f"{product.name}: not built{rebuild}"]
    expected = read_source(source, root)
    found = nbformat.read(product, as_version=4)
    fill_minutes(expected, found.cells)
    problems = []
    if found.metadata != expected.metadata:
        problems.append(f"{product.name}: its metadata are not the builder's{rebuild}")
    names = [cell.id for cell in expected.cells]
    got = [cell.get("id", "?") for cell in found.cells]
    if names != got:
        missing = [name for name in names if name not in got]
        extra = [name for name in got if name not in names]
        said = [f"cells {', '.join(missing)} are missing"] if missing else []
        said += [f"cells {', '.join(extra)} are not in the source"] if extra else []
        problems.append(
            f"{product.name}: {'; '.join(said) or 'the cells are in another order'}{rebuild}"
        )
        return problems
    count = 0
    for cell, copy in zip(expected.cells, found.cells, strict=True):
        where = f"{product.name}, cell {cell.id!r}"
        if (cell.cell_type, cell.source) != (copy.cell_type, copy.source):
            problems.append(f"{where}: not the text of the source{rebuild}")
        elif cell.metadata != copy.metadata:
            problems.append(f"{where}: not the tags or slide type of the source{rebuild}")
        if cell.cell_type == "code" and "nbval-skip" not in tags_of(cell):
            count += 1
            if copy.get("execution_count") != count:
                problems.append(f"{where}: not executed in order{rebuild}")
    return problems
