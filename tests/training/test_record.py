"""``run.json`` of a run that goes on: damaged, or begun with other data."""

import json
import warnings

import pytest

from detlearn.training.record import RunRecord

ASKED = {"command": "train", "data": "one", "config": {"epochs": 2}, "images": 8}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff", b'{"resumed": 3}'], ids=["empty", "a list", "no text", "a 3"]
)
def test_a_damaged_file_is_set_aside(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"run\.json: expected .* it is run\.damaged\.json now"):
        record = RunRecord(path, ASKED, resume=True)
    record.write([])
    assert (tmp_path / "run.damaged.json").read_bytes() == content
    assert json.loads(path.read_text())["command"] == "train"


def test_other_data_are_told_and_the_same_are_not(tmp_path):
    path = tmp_path / "run.json"
    RunRecord(path, ASKED, resume=False).write([])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RunRecord(path, ASKED, resume=True)
    with pytest.warns(UserWarning, match="began with the data one and goes on with two"):
        RunRecord(path, ASKED | {"data": "two"}, resume=True)
