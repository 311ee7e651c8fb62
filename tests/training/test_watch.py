"""What a run tells and keeps: logs, samples, the best weights, the batch that broke it."""

import csv
import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from detlearn import create_model, load_model
from detlearn.__main__ import main
from detlearn.data import TRAIN_OBJECTS, Cached, Shapes, shapes_train_transform
from detlearn.training import TrainConfig, load_checkpoint, replay, train
from detlearn.training.history import is_best
from detlearn.training.logs import open_logs
from detlearn.training.nonfinite import save_batch
from detlearn.training.signals import Interruptible
from detlearn.training.wrappers import ModelWrapper
from tests.patience import HANG, wait_for_file

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(epochs=3, batch_size=4, learning_rate=3e-3, warmup_steps=0)


@pytest.fixture(scope="module")
def scenes():
    return Cached(Shapes(length=12, objects=TRAIN_OBJECTS), shapes_train_transform(128))


def tiny() -> nn.Module:
    torch.manual_seed(0)
    return create_model("ssd_tiny")


def run(scenes, out=None, config=CONFIG, **how):
    model = tiny()
    history = train(model, scenes, config, out=out, device="cpu", progress=False, **how)
    return model.state_dict(), history


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# ---------------------------------------------------------------- best weights, moving average
def test_the_best_epoch_is_kept(scenes, tmp_path):
    scores = iter([0.2, 0.5, 0.4])
    seen = []

    def evaluate(model):
        seen.append({k: v.clone() for k, v in model.state_dict().items()})
        return {"mAP": next(scores)}

    last, _ = run(scenes, tmp_path, evaluate=evaluate, evaluate_every=1)
    best = load_model(tmp_path / "best.safetensors").state_dict()
    assert same(best, seen[1]) and not same(best, seen[2])
    assert same(load_model(tmp_path / "model.safetensors").state_dict(), last)


@pytest.mark.parametrize(
    ("history", "best"),
    [
        pytest.param([{"mAP": 0.3}], True, id="the first"),
        pytest.param([{"mAP": 0.3}, {"mAP": 0.2}], False, id="a worse one"),
        pytest.param([{"mAP": 0.3}, {}, {"mAP": 0.3}], True, id="a draw: the later"),
        pytest.param([{"AP": 0.3}, {"AP": 0.4}], True, id="a pose network's"),
        pytest.param([{"mAP": 0.3}, {}], False, id="not scored"),
        pytest.param([{"mAP": math.nan}], False, id="nothing to find"),
        pytest.param([{"mAP": math.nan}, {"mAP": 0.1}], True, id="better than nothing"),
    ],
)
def test_which_epoch_is_best(history, best):
    assert is_best(history) is best


def test_a_moving_average_is_what_is_scored_and_saved(scenes, tmp_path):
    config = dataclasses.replace(CONFIG, ema=0.5)
    scored = []
    averaged, _ = run(
        scenes, tmp_path, config, evaluate=lambda m: scored.append(m.state_dict()) or {"mAP": 0.1}
    )
    plain, _ = run(scenes)
    assert not same(averaged, plain)
    assert all(torch.equal(scored[-1][k], averaged[k]) for k in averaged)
    state = load_checkpoint(tmp_path / "last.pt")
    assert same(state["model"], plain), "training itself goes on from the weights"


def test_the_average_is_the_average(scenes):
    # One step an epoch: average after 3 steps = w1 / 4 + w2 / 4 + w3 / 2.
    config = dataclasses.replace(CONFIG, batch_size=12, ema=0.5)
    weights = []
    for epochs in (1, 2, 3):
        one = dataclasses.replace(config, epochs=epochs, schedule="constant", ema=0.0)
        weights.append(run(scenes, config=one)[0])
    averaged, _ = run(scenes, config=dataclasses.replace(config, schedule="constant"))
    for name, value in averaged.items():
        if value.is_floating_point():
            w1, w2, w3 = (w[name] for w in weights)
            torch.testing.assert_close(value, w1 / 4 + w2 / 4 + w3 / 2, msg=name)


def test_a_killed_average_continues_to_the_bit(scenes, tmp_path):
    config = dataclasses.replace(CONFIG, ema=0.9)
    unbroken, _ = run(scenes, config=config)

    def die(history, model):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        run(scenes, tmp_path, config, after_epoch=die)
    resumed, _ = run(scenes, tmp_path, config, resume=True)
    assert same(resumed, unbroken)


# ---------------------------------------------------------------- logs
def rows(file: Path) -> list[dict[str, str]]:
    with open(file, encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_csv_logs_have_no_row_twice_after_an_accident(scenes, tmp_path, monkeypatch):
    monkeypatch.setattr("detlearn.training.run.LOG_EVERY", 1)
    _, history = run(scenes, tmp_path / "whole", loggers=("csv",))

    class Dying(Cached):
        def __init__(self, cached, lives):
            self.__dict__ |= cached.__dict__ | {"lives": lives}

        def __getitem__(self, index):
            self.lives -= 1
            if self.lives < 0:
                raise ConnectionError
            return super().__getitem__(index)

    with pytest.raises(ConnectionError):  # in the fifth step; the checkpoint is after the third
        run(Dying(scenes, 16), tmp_path / "cut", loggers=("csv",))
    assert [row["step"] for row in rows(tmp_path / "cut" / "steps.csv")] == ["1", "2", "3", "4"]
    run(scenes, tmp_path / "cut", loggers=("csv",), resume=True)
    for name in ("steps.csv", "history.csv"):
        whole, cut = (rows(tmp_path / which / name) for which in ("whole", "cut"))
        for row in (*whole, *cut):
            row.pop("seconds", None)
        assert whole == cut
    assert len(rows(tmp_path / "cut" / "steps.csv")) == 9
    table = rows(tmp_path / "whole" / "history.csv")
    assert [float(row["classification"]) for row in table] == [r["classification"] for r in history]


@pytest.mark.parametrize("half", ["3,0.", "1", ""])
def test_a_half_written_row_is_cut_off(tmp_path, half):
    (tmp_path / "steps.csv").write_text(f"step,loss\n1,0.5\n2,0.4\n{half}")
    open_logs(("csv",), tmp_path, 2)
    assert (tmp_path / "steps.csv").read_text() == "step,loss\n1,0.5\n2,0.4\n"


def test_a_table_that_is_open_elsewhere_does_not_end_the_run(scenes, tmp_path, monkeypatch):
    real = os.replace

    def replace(source, target):
        if Path(target).name == "history.csv":
            raise PermissionError(13, "in use")
        return real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr("detlearn.files.time.sleep", lambda seconds: None)
    with pytest.warns(UserWarning, match=r"history\.csv cannot be written"):
        run(scenes, tmp_path, loggers=("csv",))


def test_tensorboard_gets_every_curve(scenes, tmp_path, monkeypatch):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr("detlearn.training.run.LOG_EVERY", 1)
    _, history = run(scenes, tmp_path, loggers=("tensorboard",), evaluate=lambda m: {"mAP": 0.25})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert {"train/classification", "train/learning_rate", "epoch/mAP"} <= set(
        events.Tags()["scalars"]
    )
    assert [event.step for event in events.Scalars("train/classification")] == list(range(1, 10))
    assert events.Scalars("epoch/mAP")[-1].value == 0.25


def test_logs_ask_for_what_they_need(scenes, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="expected some of .*'csv'.*got 'wandb'"):
        run(scenes, tmp_path / "a", loggers=("wandb",))
    with pytest.raises(ValueError, match="expected a folder to write into"):
        run(scenes, loggers=("csv",))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ValueError, match="'tensorboard' needs the package tensorboard"):
        run(scenes, tmp_path / "b", loggers=("tensorboard",))


def test_after_every_epoch_somebody_may_look(scenes):
    seen = []
    run(scenes, after_epoch=lambda history, model: seen.append((len(history), model.training)))
    assert seen == [(1, False), (2, False), (3, False)]


def test_the_shell_draws_samples_and_tells_its_state(tmp_path, capsys):
    arguments = ["train", "ssd_tiny", "--scenes", "8", "--epochs", "2", "--batch-size", "4", "--ema", "0.5",
                 "--evaluate-every", "2", "--device", "cpu", "--logger", "csv", "--samples", "3",
                 "--schedule", "steps", "--milestones", "1", "2", "--drop", "0.5", "--nesterov", "no",
                 "--optimizer", "sgd", "--recipe", "refinedet_tiny"]  # fmt: skip
    assert main([*arguments, "--out", str(tmp_path)]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch ")]
    assert [line.partition(":")[0] for line in told] == ["epoch 1/2", "epoch 2/2"]
    assert "classification " in told[0] and "mAP50 " in told[1] and "AP/" not in told[1]
    names = sorted(path.name for path in tmp_path.glob("samples/*"))
    assert names == ["epoch-001.png", "epoch-002.png"]
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["finished"] and record["model"] == "ssd_tiny" and record["data"] == "shapes"
    assert record["config"]["milestones"] == [1, 2] and record["config"]["nesterov"] is False
    # the recipe's, and not that of the network itself
    assert record["config"]["learning_rate"] == 5e-3 and record["processes"] == 1
    assert (tmp_path / "steps.csv").exists() is False  # fewer than 50 steps
    assert len(rows(tmp_path / "history.csv")) == 2
    capsys.readouterr()
    assert main([*arguments[:-1], "ssd_huge", "--out", str(tmp_path / "b")]) == 2
    assert "--recipe: expected one of" in capsys.readouterr().err


# ---------------------------------------------------------------- no number
class Named(Cached):
    """Scenes with names, as files have."""

    def __init__(self, cached):
        self.__dict__ |= cached.__dict__

    def __getitem__(self, index):
        image, target = super().__getitem__(index)
        return image, target | {"name": f"scene {index}"}


def test_a_batch_without_a_number_is_kept_and_replayed(scenes, tmp_path, capsys):
    model = tiny()
    loss = model.loss

    def poisoned_loss(predictions, targets):
        bad = any(target["name"] == "scene 5" for target in targets)
        return {k: v * (math.nan if bad else 1.0) for k, v in loss(predictions, targets).items()}

    model.loss = poisoned_loss
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch \d: .*scene 5.*python -m detlearn replay") as stopped:  # fmt: skip
        train(model, Named(scenes), CONFIG, out=tmp_path, device="cpu", progress=False)
    found = replay(tmp_path / "nonfinite", "cpu")
    assert found["message"] in str(stopped.value)
    # The loss of the model itself is sound.
    assert all(math.isfinite(v) for v in found["batch"].values())
    assert "scene 5" in [row["image"] for row in found["images"]] and len(found["images"]) == 4
    assert main(["replay", str(tmp_path / "nonfinite"), "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "scene 5" in shown and "not finite alone" not in shown


def test_a_poisoned_weight_is_reproduced(scenes, tmp_path, capsys):
    model = tiny()
    with torch.no_grad():
        next(model.parameters())[0] = math.inf
    with pytest.raises(FloatingPointError, match="the loss is not a number"):
        train(model, scenes, CONFIG, out=tmp_path, device="cpu", progress=False)
    found = replay(tmp_path / "nonfinite", "cpu")
    assert not any(math.isfinite(v) for v in found["batch"].values())
    assert len(found["images"]) == 4
    assert main(["replay", str(tmp_path / "nonfinite"), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.count("not finite alone") == 4


def test_a_batch_that_cannot_be_kept_still_stops_with_its_names(scenes, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("detlearn.training.nonfinite.save_batch", full)
    model = tiny()
    with torch.no_grad():
        next(model.parameters())[0] = math.inf
    with pytest.raises(
        FloatingPointError, match=r"Images of the batch: .* could not be kept \(.*No space"
    ):
        train(model, scenes, CONFIG, out=tmp_path, device="cpu", progress=False)


@pytest.mark.parametrize("name", [Path("a.jpg"), np.int64(3), np.float32(0.5), ["a"]])
def test_a_kept_batch_holds_nothing_that_cannot_be_read(tmp_path, name):
    target = {
        "boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64), "name": name
    }  # fmt: skip
    images = torch.zeros(1, 3, 128, 128, dtype=torch.uint8)
    save_batch(tmp_path, tiny(), images, [target], "off", "stopped")
    assert str(replay(tmp_path, "cpu")["images"][0]["image"]) == str(name)


def test_nothing_to_replay(tmp_path, capsys):
    assert main(["replay", str(tmp_path)]) == 2
    assert "batch.pt: no checkpoint there" in capsys.readouterr().err


# ---------------------------------------------------------------- compiler
def test_without_a_compiler_it_goes_on(scenes, monkeypatch):
    def broken(model):
        def fail(images):
            raise RuntimeError("no C++ compiler")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    with pytest.warns(
        UserWarning, match=r"torch.compile failed, going on without it \(no C\+\+ compiler\)"
    ):
        compiled, _ = run(scenes, compile=True)
    assert same(compiled, run(scenes)[0])


def test_compiled_forward_is_used(monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda model: lambda images: model(images) + 1)
    network = ModelWrapper(nn.Identity(), torch.device("cpu"), compile=True)
    assert network(torch.zeros(1)) == 1 and network.training


@pytest.mark.long
def test_the_real_compiler_trains_to_the_same_loss(scenes):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        _, compiled = run(scenes, compile=True)
    failed = [str(w.message) for w in said if "torch.compile failed" in str(w.message)]
    if failed:
        pytest.skip(failed[0])  # no compiler here; that it goes on without one is tested above
    _, eager = run(scenes)
    for ours, theirs in zip(compiled, eager, strict=True):
        assert ours["classification"] == pytest.approx(theirs["classification"], rel=1e-2)


# ---------------------------------------------------------------- signals
def test_an_interrupt_ends_after_the_step_with_a_checkpoint(scenes, tmp_path):
    class Interrupting(Cached):
        def __init__(self, cached):
            self.__dict__ |= cached.__dict__ | {"asked": 0}

        def __getitem__(self, index):
            self.asked += 1
            if self.asked == 18:  # in the fifth batch
                signal.raise_signal(signal.SIGINT)
            return super().__getitem__(index)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(Interrupting(scenes), tmp_path, checkpoint_every=1000)
    assert signal.getsignal(signal.SIGINT) is before
    position = load_checkpoint(tmp_path / "last.pt")["position"]
    assert (position["epoch"], position["batch"]) == (1, 2)
    assert same(run(scenes, tmp_path, resume=True)[0], run(scenes)[0])


def test_an_interrupt_while_scoring_ends_at_once(scenes, tmp_path):
    def evaluate(model):
        signal.raise_signal(signal.SIGTERM)
        raise AssertionError("not reached")

    with pytest.raises(KeyboardInterrupt):
        run(scenes, tmp_path, evaluate=evaluate, evaluate_every=2)
    position = load_checkpoint(tmp_path / "last.pt")["position"]
    assert (position["epoch"], position["batch"]) == (1, 3), "no training is lost"
    assert same(run(scenes, tmp_path, resume=True)[0], run(scenes)[0])


def test_a_second_interrupt_ends_at_once():
    with Interruptible() as interruptible:
        signal.raise_signal(signal.SIGINT)
        assert interruptible.requested == "SIGINT"
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with Interruptible() as interruptible:
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), interruptible.at_once():
            raise AssertionError("not reached")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one process")
def test_ctrl_c_in_a_shell(tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "detlearn", "train", "ssd_tiny", "--scenes", "2000", "--quiet",
               "--device", "cpu", "--no-eval", "--checkpoint-every", "5", "--out", str(tmp_path)]  # fmt: skip
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)  # fmt: skip
    wait_for_file(tmp_path / "last.pt", process)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=HANG)
    assert process.returncode == 130, output
    assert re.search(
        r"detlearn: stopped by SIGINT in epoch 1, after batch \d+ of 250; a run continues with --resume",
        output,
    )
    assert "Traceback" not in output
    assert load_checkpoint(tmp_path / "last.pt")["position"]["batch"] >= 5


# A worker says that it is at the twentieth image, and waits there until it may go on.
WAITING = """
import pathlib, sys, time, warnings
import torch
from detlearn import create_model
from detlearn.data import Cached, Shapes
from detlearn.training import TrainConfig, train

class Waiting(Cached):
    asked = 0

    def __getitem__(self, index):
        self.asked += 1
        if self.asked == 20:
            folder = pathlib.Path(sys.argv[1])
            (folder / "waiting").touch()
            while not (folder / "go on").exists():
                time.sleep(0.02)
        return super().__getitem__(index % 4)

    def __len__(self):
        return 400

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.multiprocessing.set_start_method(sys.argv[2])
    try:
        train(create_model("ssd_tiny"), Waiting(Shapes(length=4)), TrainConfig(epochs=1, batch_size=2),
              out=sys.argv[1], num_workers=1, progress=False, device="cpu", checkpoint_every=1)
    except KeyboardInterrupt:
        print("stopped in good order")
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to one group")
@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_ctrl_c_in_a_terminal_reaches_the_workers_too(tmp_path, how):
    script, run_folder = tmp_path / "waiting.py", tmp_path / "run"
    script.write_text(WAITING)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, str(script), str(run_folder), how], env=environment, text=True,
        start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    wait_for_file(run_folder / "waiting", process)  # a worker is at its next batch
    os.killpg(process.pid, signal.SIGINT)
    (run_folder / "go on").touch()
    output, _ = process.communicate(timeout=HANG)
    assert output == "stopped in good order\n"
    assert 1 <= load_checkpoint(run_folder / "last.pt")["position"]["batch"] <= 10


def test_progress_names_the_parts(scenes, capsys, monkeypatch):
    from tqdm.auto import tqdm

    monkeypatch.setattr("tqdm.auto.tqdm", partial(tqdm, mininterval=0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(tiny(), scenes, dataclasses.replace(CONFIG, epochs=1), device="cpu", progress=True)
    shown = capsys.readouterr().err
    assert "epoch 1/1" in shown and "classification=" in shown and "images/s=" in shown
