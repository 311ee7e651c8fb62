"""Notebook 14 in a stand-in of Colab: a Drive that stays, a runtime that is taken away twice.

``make test-colab`` runs it; it trains for a minute or two.
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
