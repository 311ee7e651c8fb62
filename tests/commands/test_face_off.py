"""face-off from the shell: one's own row, the rules, the picture."""

from __future__ import annotations

import json
import shutil

import pytest

from detlearn.__main__ import main
from detlearn.data import data_path
from tests.report.face_off_cases import write_fake

GOOD = {
    "command": "python -m detlearn train ssd_tiny --out runs/mine", "model": "ssd_tiny",
    "data": "shapes", "config": {"epochs": 1}, "images": {"different": 9, "seen": 24_000},
    "finished": True,
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A folder of a run, and the arguments that score it on few scenes."""

    def make(weights="ssd_tiny", **changes):
        folder = tmp_path / "mine"
        folder.mkdir()
        shutil.copy(data_path("weights", f"{weights}.safetensors"), folder / "best.safetensors")
        (folder / "run.json").write_text(json.dumps(GOOD | changes), encoding="utf-8")
        table = write_fake(tmp_path / "table.json")
        return ["face-off", str(folder), "--table", str(table), "--scenes", "4,6"]

    return make


def test_a_run_gets_its_row_and_its_picture(run, capsys, tmp_path):
    picture = tmp_path / "own.png"
    assert main([*run(), "--out", str(picture)]) == 0
    told = capsys.readouterr().out
    (row,) = [line for line in told.splitlines() if line.startswith("mine  ")]
    assert "one run" in row and float(row.split()[1]) > 0.5
    assert "mine is one run" in told and "6 scenes only" in told
    assert "outside of the rules" not in told
    assert picture.read_bytes().startswith(b"\x89PNG")


BROKEN = {
    "other data": ({"data": "datasets/voc"}, "data: expected shapes, got datasets/voc"),
    "unfinished": ({"finished": False}, "the run is not finished"),
    "trained before": (
        {"command": "python -m detlearn train ssd_tiny --init a.pt"}, "--init: expected a network"),
    "more images": (
        {"images": {"seen": 48_000}}, "images seen: expected at most 24,000, got 48,000"),
    "nobody counted": ({"images": None}, "does not say how many the network has seen"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named_and_nothing_is_measured(run, capsys, name):
    changes, message = BROKEN[name]
    assert main(run(**changes)) == 2
    told = capsys.readouterr()
    assert message in told.err and "--anyway" in told.err and told.out == ""


def test_anyway_marks_the_row(run, capsys):
    assert main([*run(images={"seen": 30_000}), "--anyway"]) == 0
    told = capsys.readouterr().out
    assert "\n* mine " in told
    assert "* outside of the rules: images seen: expected at most 24,000, got 30,000" in told


def test_weights_of_somebody_else_are_refused(run, capsys):
    other = data_path("weights", "ssd_tiny.safetensors")
    assert main([*run(), "--weights", str(other)]) == 2
    assert "weights: expected a file of the run's folder" in capsys.readouterr().err


def test_a_network_of_other_classes_is_refused(run, capsys):
    assert main(run("blazeface")) == 2
    assert "model: expected the classes of Shapes" in capsys.readouterr().err
