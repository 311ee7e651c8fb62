"""The course in a stand-in of Colab: an empty disk, a Drive that stays, a runtime that is taken away.

``make test-colab`` runs it: the first two cells of every notebook, and notebook 14 whole, killed twice.
It takes some minutes.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from patience import HANG

from detlearn.models.weights import read_tensors

ROOT = Path(__file__).resolve().parents[1]
STUB = ROOT / "tests" / "colab_stub"
NOTEBOOK = ROOT / "notebooks" / "14_ssd_on_colab.ipynb"


NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a runtime that has nothing of the course but a repository to clone.

    It gets what is committed, as Colab does.
    """
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    folder = tmp_path_factory.mktemp("colab")
    served = folder / "served"
    clone = ["git", "clone", "--quiet", str(ROOT), str(served)]
    subprocess.run(clone, check=True, capture_output=True)
    branch = ["git", "-C", str(served), "branch", "--force", "as-served", "HEAD"]
    subprocess.run(branch, check=True, capture_output=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("DETLEARN_", "KAGGLE_", "PYTHON"))
    }
    return kept | {
        "PYTHONPATH": str(STUB), "DETLEARN_REPO": served.as_uri(), "DETLEARN_REF": "as-served",
        "DETLEARN_HOME": str(folder / "detlearn-course"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_first_cells_of_every_notebook(
    notebook: Path, colab: dict[str, str], tmp_path: Path
) -> None:
    nbformat = pytest.importorskip("nbformat")
    cells = [one for one in nbformat.read(notebook, as_version=4).cells if one.cell_type == "code"]
    assert "setup" in cells[0].metadata["tags"] and cells[1].id == "imports"
    # Colab has no detlearn; here pip may have put one into reach, by a finder of its own.
    hide = (
        "import sys\n"
        "sys.meta_path = [one for one in sys.meta_path\n"
        "                 if 'editable' not in getattr(one, '__module__', '')]\n"
    )
    where = "import detlearn\nprint(detlearn.__file__)"
    script = "\n\n".join([hide, cells[0].source, cells[1].source, where])
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=colab, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = done.stdout.splitlines()
    assert said[0] == "detlearn ready"
    assert Path(said[-1]).is_relative_to(colab["DETLEARN_HOME"]), "imported from somewhere else"


def script_of(folder: Path) -> Path:
    """The notebook's code cells in one file, with Colab's disk in a folder of ours."""
    nbformat = pytest.importorskip("nbformat")
    cells = [cell for cell in nbformat.read(NOTEBOOK, as_version=4).cells
             if cell.cell_type == "code" and "setup" not in cell.metadata.get("tags", [])]  # fmt: skip
    text = "\n\n".join(cell.source for cell in cells).replace('"/content', f'"{folder}/content')
    assert text.count(f"{folder}/content/drive") >= 2
    file = folder / "cells.py"
    file.write_text(text, encoding="utf-8")
    return file


def start(script: Path) -> subprocess.Popen:
    """A runtime: a fresh process, as Colab gives one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DETLEARN_")}
    path = os.pathsep.join([str(STUB), str(ROOT)])
    return subprocess.Popen(
        [sys.executable, str(script)], cwd=script.parent, text=True,
        env=kept | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wait_for_checkpoints(file: Path, number: int, process: subprocess.Popen) -> None:
    """Return when the checkpoint has been written so many times by this process."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    written, until = 0, time.monotonic() + HANG
    while written < number:
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < until, "no checkpoint came"
        time.sleep(0.02)
        now = file.stat().st_mtime_ns if file.exists() else before
        written += now != before
        before = now


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_runtime_that_is_taken_away_twice_ends_with_the_same_weights(tmp_path: Path) -> None:
    script = script_of(tmp_path)
    drive, fast = tmp_path / "content/drive/MyDrive/detlearn", tmp_path / "content/fast"
    run = drive / "ssd_tiny-voc"
    for checkpoints in (2, 3):
        process = start(script)
        wait_for_checkpoints(run / "last.pt", checkpoints, process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=HANG)
        assert not (run / "model.safetensors").exists()
        shutil.rmtree(fast)  # the disk is gone with the runtime; the Drive is not
    process = start(script)
    said, _ = process.communicate(timeout=3 * HANG)
    assert process.returncode == 0, said[-3000:]
    assert "two lost sessions = none: every weight, to the bit" in said
    ours = read_tensors(run / "model.safetensors")[0]
    theirs = read_tensors(fast / "unbroken" / "model.safetensors")[0]
    assert ours.keys() == theirs.keys()
    assert all(ours[key].equal(theirs[key]) for key in ours)
    assert (run / "report.html").stat().st_size > 10_000
