"""The curves of a run, read back from TensorBoard's event files or from the tables beside them."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch

from detlearn import create_model
from detlearn.data import TRAIN_OBJECTS, Cached, Shapes, shapes_train_transform
from detlearn.training import TrainConfig, read_curves, train
from detlearn.training.logs import open_logs

CONFIG = TrainConfig(epochs=3, batch_size=4, learning_rate=3e-3, warmup_steps=0)


def test_they_are_the_same_from_event_files_and_from_tables(tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    monkeypatch.setattr("detlearn.training.run.LOG_EVERY", 1)
    scores = iter([0.25, math.nan, 0.5])
    torch.manual_seed(0)
    history = train(
        create_model("ssd_tiny"),
        Cached(Shapes(length=12, objects=TRAIN_OBJECTS), shapes_train_transform(128)),
        CONFIG, out=tmp_path, device="cpu", progress=False, loggers=("csv", "tensorboard"),
        evaluate=lambda model: {"mAP": next(scores)}, evaluate_every=1,
    )  # fmt: skip
    logged = read_curves(tmp_path)
    shutil.rmtree(tmp_path / "tensorboard")
    tables = read_curves(tmp_path)
    assert logged.keys() == tables.keys() and len(logged["train/learning_rate"]) == 9
    for name, curve in logged.items():
        assert list(curve) == list(tables[name]), name
        assert list(curve.values()) == pytest.approx(list(tables[name].values()), rel=1e-6)
    assert logged["epoch/mAP"] == {1: 0.25, 3: 0.5}  # what is no number is missing
    assert tables["epoch/classification"][3] == history[2]["classification"]


def test_what_a_lost_session_logged_last_is_dropped_without_a_word(tmp_path, capsys, caplog):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    for finished, steps, loss in ((0, (1, 2, 3, 4), 1.0), (2, (3,), 0.5)):
        (log,) = open_logs(("tensorboard",), tmp_path, finished)
        for step in steps:
            log.step(step, {"loss": loss})
        log.close()
    assert read_curves(tmp_path) == {"train/loss": {1: 1.0, 2: 1.0, 3: 0.5}}
    assert caplog.records == [] and capsys.readouterr() == ("", "")


def test_without_the_package_the_tables_are_read(tmp_path: Path, monkeypatch):
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "steps.csv").write_text("step,loss\n50,0.5\n100,nan\n")
    rows = [{"epoch": 1.0, "loss": 0.6, "mAP": None}, {"epoch": 2.0, "loss": 0.4, "mAP": 0.5}]
    (tmp_path / "history.json").write_text(json.dumps(rows))
    monkeypatch.setattr("detlearn.training.logs.find_spec", lambda name: None)
    assert read_curves(str(tmp_path)) == {
        "train/loss": {50: 0.5},
        "epoch/loss": {1: 0.6, 2: 0.4},
        "epoch/mAP": {2: 0.5},
    }


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected the folder of a run"):
        read_curves(tmp_path)
