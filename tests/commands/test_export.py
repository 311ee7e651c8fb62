"""export from the shell, and the documented example that runs what it wrote."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from detlearn.__main__ import main
from detlearn.data import load_photo

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_documented_example_finds_the_astronaut(tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="exporting needs what requirements-dev.txt names")
    text = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    command = re.search(r"^python -m detlearn (export .*)$", text, re.M)[1].split()
    (code,) = re.findall(r"```python\n(import numpy.*?)```", text, re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 11
    image = load_photo("astronaut")
    image = image[0] if isinstance(image, tuple) else image
    assert image.shape[-1] == image.shape[-2]  # as the example says
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    # A process of its own: what the checks of shape comments look at, torch.export takes for fixed.
    for words in (["-m", "detlearn", *command], ["-c", code]):
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    score, x1, y1, x2, y2 = map(float, re.findall(r"\d\.\d+", done.stdout))
    assert score == pytest.approx(0.92, abs=0.03)
    assert x1 < 0.43 < x2 and y1 < 0.24 < y2  # her nose, of the picture's sides


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pose_hrnet_tiny", "--out", "a.onnx"], "pose_hrnet_tiny finds no boxes"),
        (["nowhere", "--out", "a.onnx"], "nowhere: there is no such file, and no such weights"),
    ],
)
def test_mistakes_get_one_sentence(capsys, arguments, message):
    assert main(["export", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_missing_packages_are_named(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", "ssd_tiny", "--out", "a.onnx"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "pip install onnx onnxscript" in line
