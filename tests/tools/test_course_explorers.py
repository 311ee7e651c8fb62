"""Explorers in built notebooks: written anew without a kernel, and never older than their program."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from detlearn.show import HardNegativesExplorer, NMSExplorer
from tools.course.clone import BuildError, built_notebooks
from tools.course.explorers import fresh_frame, renew_explorers


def frames(path: Path) -> list[str]:
    outputs = (
        output
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
    )
    pages = (output.get("data", {}).get("text/html", "") for output in outputs)
    return [page for page in pages if page.startswith("<iframe") and " srcdoc=" in page]


def test_the_notebooks_hold_the_explorers_of_today() -> None:
    """After a change of an explorer: `python -m tools.course explorers`."""
    held = {path.name: frames(path) for path in built_notebooks()}
    assert sum(map(len, held.values())) >= 13
    stale = [name for name, pages in held.items() if pages != [fresh_frame(p) for p in pages]]
    assert stale == []


def test_only_the_program_is_renewed(tmp_path: Path) -> None:
    source = tmp_path / "notebooks/src/00_small.py"
    product = tmp_path / "notebooks/00_small.ipynb"
    source.parent.mkdir(parents=True)
    with pytest.raises(BuildError, match="00_small.ipynb: not built"):
        renew_explorers(source, tmp_path)
    page = NMSExplorer(score_threshold=0.3).to_html()
    shown = nbformat.v4.new_output("display_data", {"text/html": page.replace("Next step", "Next")})
    other = nbformat.v4.new_output("display_data", {"text/html": "<b>Next</b>"})
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("x", outputs=[shown, other])]
    )
    nbformat.write(notebook, product)
    assert renew_explorers(source, tmp_path) == product
    cell = nbformat.read(product, as_version=4).cells[0]
    assert cell.outputs[0].data["text/html"] == page
    assert cell.outputs[1].data["text/html"] == "<b>Next</b>"


@pytest.mark.parametrize("page", ["<b>no frame</b>", "<iframe title=\"Explorer of x\" srcdoc=''>"])
def test_what_is_no_explorer_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="page: expected the frame of an explorer, got"):
        fresh_frame(page)


def test_an_explorer_of_another_title_is_refused() -> None:
    page = HardNegativesExplorer().to_html().replace("Explorer of hard negatives", "Explorer of y")
    with pytest.raises(ValueError, match="got 'Explorer of y'"):
        fresh_frame(page)
