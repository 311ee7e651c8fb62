"""The root conftest.py: its defaults, and its two repairs of nbval, on a notebook that needs them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbval")

ROOT = Path(__file__).resolve().parents[1]
GOOD = [
    ("import ipywidgets as w\n(w.__name__);", []),  # a trailing semicolon prints nothing
    ("out = w.Output()\nwith out:\n    print('captured')", []),
    ("print('after the widget')", [("stdout", "after the widget\n")]),
    ("import time; print(f'{time.time():.3f} s')", [("stdout", "1.000 s\n")]),  # sanitized
    (
        "import os; print(os.environ['OMP_NUM_THREADS'], os.getcwd().endswith('deep'))",
        [("stdout", "1 True\n")],
    ),
]
BAD = [
    ("import ipywidgets as w\nprint(2)", [("stdout", "1\n")]),  # another number
    ("1 + 1", []),  # a value that was not saved
    ("out = w.Output()\nwith out:\n    1 / 0", []),  # captured, and an error all the same
    ("print('fine')", [("stdout", "fine\n")]),
]


def write(path: Path, cells: list) -> None:
    notebook = nbformat.v4.new_notebook()
    for count, (source, streams) in enumerate(cells, start=1):
        outputs = [nbformat.v4.new_output("stream", name=n, text=text) for n, text in streams]
        cell = nbformat.v4.new_code_cell(source, execution_count=count, outputs=outputs)
        notebook.cells.append(cell)
    nbformat.write(notebook, path)


def test_notebooks_are_compared_as_jupyterlab_saves_them(tmp_path, monkeypatch):
    for name in ("conftest.py", "sanitize.cfg"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    folder = tmp_path / "deep"
    folder.mkdir()
    write(folder / "good.ipynb", GOOD)
    write(folder / "bad.ipynb", BAD)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    # from another folder and without options: conftest.py knows the sanitizer and the kernel
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-v", "--color=no", "-p", "no:cacheprovider"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    line = re.compile(r"(\w+)\.ipynb::Cell (\d) (PASSED|FAILED)")
    verdicts = {(name, int(cell)): verdict for name, cell, verdict in line.findall(result.stdout)}
    good = {("good", cell): "PASSED" for cell in range(len(GOOD))}
    bad = {("bad", cell): "PASSED" if cell == 3 else "FAILED" for cell in range(len(BAD))}
    assert verdicts == good | bad, result.stdout
