"""The loop: it learns, it resumes to the bit, it refuses nonsense."""

import dataclasses
import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from detlearn.models.layers import Predictions
from detlearn.training import (
    RECIPES,
    TrainConfig,
    build_optimizer,
    learning_rate_factor,
    load_checkpoint,
    pick_device,
    train,
)
from detlearn.training.batches import batch_indices, mix
from detlearn.training.checkpoint import save_checkpoint
from detlearn.training.precision import mixed_precision, resolve_amp

CONFIG = TrainConfig(epochs=3, batch_size=4, learning_rate=0.05, warmup_steps=2, amp="off", seed=5)
AUTO = dataclasses.replace(CONFIG, amp="auto")


class Noise(Dataset):
    """Pictures whose brightness is the answer, and an augmentation that is random."""

    def __init__(self, n: int = 18) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int):
        value = 10 * index + int(torch.randint(0, 5, ()))
        image = torch.full((3, 4, 4), value, dtype=torch.uint8)
        target = {
            "boxes": torch.tensor([[0.0, 0.0, 1.0 + index / 20, 1.0]]),
            "labels": torch.tensor([1]),
        }
        return image, target | {"image_id": index}


class Model(nn.Module):
    """The least that the loop needs, with dropout: it draws from the global generator."""

    class_names = ("background", "thing")

    def __init__(self, name: str = "ssd_tiny", poison: float | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(48, 8), nn.Dropout(0.3), nn.Linear(8, 4)
        )
        self.config = SimpleNamespace(name=name, num_classes=2)
        self.poison = poison

    def normalize(self, images):
        return images.float() / 255 - 0.5

    def forward(self, images):
        deltas = self.layers(images)[:, None]
        return Predictions(torch.zeros(len(images), 1, 2), deltas)

    def loss(self, predictions, targets):
        wanted = torch.stack([t["boxes"][0] for t in targets])
        error = (predictions.deltas[:, 0] - wanted).square().mean()
        return {"bbox_regression": error * (self.poison or 1.0), "classification": error * 0.5}


@pytest.fixture(autouse=True)
def _no_weights_file(monkeypatch):
    # The stand-in model has no preset to be saved under.
    monkeypatch.setattr("detlearn.training.run.save_model", lambda model, path, metadata: None)


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def run(out=None, **changes):
    model = Model()
    history = train(model, Noise(), CONFIG, out=out, progress=False, **changes)
    return model, history


def test_it_learns_and_keeps_a_history(tmp_path):
    _, history = run(tmp_path / "run")
    assert [row["epoch"] for row in history] == [1.0, 2.0, 3.0]
    assert history[-1]["bbox_regression"] < 0.5 * history[0]["bbox_regression"]
    assert set(history[0]) == {
        "epoch",
        "bbox_regression",
        "classification",
        "learning_rate",
        "seconds",
    }
    assert json.loads((tmp_path / "run" / "history.json").read_text()) == history


def test_the_history_is_json_for_everybody(tmp_path):
    run(tmp_path, evaluate=lambda model: {"mAP": 0.5, "mAP_large": math.nan})

    def refuse(word):
        raise AssertionError(word)

    text = (tmp_path / "history.json").read_text()
    assert json.loads(text, parse_constant=refuse)[-1]["mAP_large"] is None
    assert not list(tmp_path.rglob("*.tmp"))


def test_it_leaves_the_model_ready_to_detect():
    model, _ = run()
    assert not model.training


class Killed(BaseException):
    """As little catchable as kill -9."""


@pytest.mark.parametrize("die_at", [0, 1, 3, 4, 5, 7, 11])
def test_a_killed_run_ends_with_the_same_weights(tmp_path, die_at):
    unbroken, history = run()
    model, steps = Model(), iter(range(1000))

    def loss_that_dies(predictions, targets, original=model.loss):
        if next(steps) == die_at:
            raise Killed
        return original(predictions, targets)

    model.loss = loss_that_dies
    with pytest.raises(Killed):
        train(model, Noise(), CONFIG, out=tmp_path, progress=False, checkpoint_every=2)
    torch.manual_seed(99)  # another process would not know where the generators stood
    again = Model()
    torch.manual_seed(98)
    resumed = train(
        again, Noise(), CONFIG, out=tmp_path, resume=True, progress=False, checkpoint_every=3
    )
    assert torch.equal(weights(again), weights(unbroken))
    for ours, theirs in zip(resumed, history, strict=True):
        assert ours | {"seconds": 0} == theirs | {"seconds": 0}


def test_a_killed_run_in_half_precision_ends_with_the_same_weights(tmp_path):
    config = dataclasses.replace(CONFIG, amp="bf16")
    unbroken, full = Model(), Model()
    train(unbroken, Noise(), config, progress=False)
    train(full, Noise(), CONFIG, progress=False)
    assert not torch.equal(weights(unbroken), weights(full))
    again, steps = Model(), iter(range(1000))

    def loss_that_dies(predictions, targets, original=again.loss):
        if next(steps) == 5:
            raise Killed
        return original(predictions, targets)

    again.loss = loss_that_dies
    with pytest.raises(Killed):
        train(again, Noise(), config, out=tmp_path, progress=False, checkpoint_every=2)
    resumed = Model()
    train(resumed, Noise(), config, out=tmp_path, resume=True, progress=False)
    assert torch.equal(weights(resumed), weights(unbroken))


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    first, history = run(tmp_path)
    again, repeated = run(tmp_path, resume=True)
    assert torch.equal(weights(first), weights(again))
    assert repeated == history


def test_resume_without_a_run_starts_one(tmp_path):
    _, history = run(tmp_path / "new", resume=True)
    assert len(history) == 3


def test_the_number_of_workers_changes_nothing():
    alone, _ = run()
    helped, _ = run(num_workers=2)
    assert torch.equal(weights(alone), weights(helped))


def test_training_leaves_the_batches_to_the_seed():
    assert not torch.equal(
        weights(run()[0]),
        weights(
            (m := Model(), train(m, Noise(), dataclasses.replace(CONFIG, seed=6), progress=False))[
                0
            ]
        ),
    )


def test_a_run_is_not_overwritten(tmp_path):
    run(tmp_path)
    with pytest.raises(
        ValueError, match=r"holds a run already; resume it \(--resume\), or choose another"
    ):
        run(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"config": dataclasses.replace(CONFIG, learning_rate=0.1)},
            "learning_rate: 0.05 then, 0.1 now",
        ),
        ({"model": "other"}, "name: ssd_tiny then, other now"),
        ({"images": 19}, "images: 18 then, 19 now"),
    ],
)
def test_another_run_is_not_continued(tmp_path, change, message):
    run(tmp_path)
    with pytest.raises(ValueError, match=message):
        train(
            Model(change.get("model", "ssd_tiny")), Noise(change.get("images", 18)),
            change.get("config", CONFIG), out=tmp_path, resume=True, progress=False,
        )  # fmt: skip


@pytest.mark.parametrize("poison", [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_its_images(poison):
    with pytest.raises(FloatingPointError, match=r"epoch 1, batch 0: .*Images of the batch: \[\d+"):
        train(Model(poison=poison), Noise(), CONFIG, progress=False)


def test_an_empty_data_set_is_refused():
    with pytest.raises(ValueError, match="expected at least one image to train on"):
        train(Model(), Noise(0), CONFIG, progress=False)


def test_evaluation_is_called_every_few_epochs_and_last():
    modes = []

    def scorer(model):
        modes.append(model.training)
        return {"mAP": 0.5}

    _, history = run(evaluate=scorer, evaluate_every=2)
    assert ["mAP" in row for row in history] == [False, True, True]
    assert modes == [False, False]


def test_batches_are_a_permutation_of_whole_batches():
    batches = batch_indices(Noise(18), CONFIG, epoch=0)
    assert [len(b) for b in batches] == [4, 4, 4, 4]
    assert len({i for b in batches for i in b}) == 16
    assert batches == batch_indices(Noise(18), CONFIG, epoch=0)
    assert batches != batch_indices(Noise(18), CONFIG, epoch=1)
    assert [len(b) for b in batch_indices(Noise(3), CONFIG, epoch=0)] == [3]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        pytest.param(0, 0.01, id="warm-up starts at a hundredth"),
        pytest.param(50, 0.505, id="half-way up"),
        pytest.param(100, 1.0, id="the top"),
        pytest.param(550, 0.5, id="half-way down the cosine"),
        pytest.param(1000, 0.0, id="the end"),
        pytest.param(1001, 0.0, id="not below"),
    ],
)
def test_schedule(step, expected):
    config = TrainConfig(epochs=10, warmup_steps=100)
    assert learning_rate_factor(step, 100, config) == pytest.approx(expected, abs=1e-12)


def test_milestones_drop_after_their_epoch():
    # ERRATA 003/9: stepped at the wrong place, the drop comes one epoch early.
    config = RECIPES["ssd300_resnet50"]
    factors = [learning_rate_factor(1000 * epoch, 1000, config) for epoch in (42, 43, 53, 54)]
    assert factors == pytest.approx([1.0, 0.1, 0.1, 0.01])
    assert learning_rate_factor(10**9, 1, TrainConfig(schedule="constant")) == 1.0


def test_the_first_learning_rate_is_used(tmp_path):
    model = Model()
    start = weights(model).clone()
    train(model, Noise(4), dataclasses.replace(CONFIG, epochs=1), out=tmp_path, progress=False)
    assert not torch.equal(weights(model), start)
    assert load_checkpoint(tmp_path / "last.pt")["schedule"]["last_epoch"] == 1


def test_decay_spares_biases_unless_told():
    groups = build_optimizer(
        Model(), dataclasses.replace(CONFIG, decay_everything=True)
    ).param_groups
    assert [g["weight_decay"] for g in groups] == [5e-4, 5e-4]
    sgd = build_optimizer(Model(), dataclasses.replace(CONFIG, optimizer="sgd"))
    assert sgd.param_groups[0]["nesterov"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: expected an integer, at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size: expected an integer, at least 1, got 2.5"),
        ({"learning_rate": 0.0}, "learning_rate: expected a positive number"),
        ({"learning_rate": math.nan}, "learning_rate: expected a positive number, got nan"),
        ({"clip_norm": -1.0}, "clip_norm: expected a positive number"),
        ({"weight_decay": -1.0}, "weight_decay: expected a number, at least 0, got -1.0"),
        (
            {"optimizer": "lion"},
            "optimizer: expected one of 'sgd', 'adam', 'adamw', got 'lion'",
        ),
        ({"schedule": "poly"}, "schedule: expected one of"),
        ({"epochs": True}, "epochs: expected an integer, at least 1, got True"),
        ({"learning_rate": "fast"}, "learning_rate: expected a positive number, got 'fast'"),
        ({"learning_rate": math.inf}, "learning_rate: expected a positive number, got inf"),
        ({"warmup_steps": 1.5}, "warmup_steps: expected an integer, at least 0, got 1.5"),
        ({"seed": "x"}, "seed: expected an integer, at least 0, got 'x'"),
        ({"ema": 1.0}, "ema: expected 0 to below 1, got 1.0"),
        ({"momentum": math.nan}, "momentum: expected 0 to below 1, got nan"),
        ({"nesterov": "yes"}, "nesterov: expected True or False, got 'yes'"),
        ({"milestones": 5}, "milestones: expected a tuple of integers above 0, got 5"),
        ({"drop": 0.0}, "drop: expected factors above 0, at most 1, got 0.0"),
        ({"drop": (0.1,), "milestones": (1, 2)}, "drop: expected one factor, or 2"),
        ({"amp": "half"}, "amp: expected one of"),
    ],
)
def test_configs_are_checked(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(CONFIG, **change)


def test_devices():
    assert pick_device("cpu").type == "cpu"
    with pytest.raises(ValueError, match="device: 'gpu' cannot be used on this machine"):
        pick_device("gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="'cuda:7' cannot be used"):
            pick_device("cuda:7")


def test_mixed_precision_on_the_cpu():
    context, scaler = mixed_precision(torch.device("cpu"), "bf16")
    with context():
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.bfloat16
    assert not scaler.is_enabled()
    context, _ = mixed_precision(torch.device("cpu"), "off")
    with context():
        assert nn.Linear(2, 2)(torch.zeros(1, 2)).dtype == torch.float32


@pytest.mark.parametrize(("multiplies", "expected"), [(True, "bf16"), (False, "off")])
def test_half_precision_is_what_the_cpu_has(monkeypatch, multiplies, expected):
    monkeypatch.setattr("detlearn.training.precision.cpu_has_bf16", lambda: multiplies)
    assert resolve_amp(torch.device("cpu"), "auto") == expected
    assert resolve_amp(torch.device("cpu"), "off") == "off"
    assert resolve_amp(torch.device("mps"), "auto") == "off"


@pytest.mark.parametrize("multiplies", [True, False])
@pytest.mark.parametrize("told", [True, False])
def test_auto_goes_on_in_what_it_began_with(tmp_path, monkeypatch, capsys, multiplies, told):
    """On another CPU: to the bit, also from a checkpoint that does not know (float32 then)."""

    def on(cpu: bool, **how):
        monkeypatch.setattr("detlearn.training.precision.cpu_has_bf16", lambda: cpu)
        how = {"progress": False, "checkpoint_every": 2} | how
        train(model := Model(), Noise(), AUTO, **how)
        return weights(model)

    def die(history, model):
        raise ConnectionError

    multiplies = multiplies and told
    unbroken = on(multiplies)
    assert not torch.equal(unbroken, on(not multiplies))
    with pytest.raises(ConnectionError):
        on(multiplies, out=tmp_path, after_epoch=die)
    if not told:
        state = load_checkpoint(tmp_path / "last.pt")
        assert state.pop("precision") == {"device": "cpu", "amp": "off"}
        save_checkpoint(tmp_path / "last.pt", state)
    assert capsys.readouterr().out == ""
    again = on(not multiplies, out=tmp_path, resume=True, progress=True)
    assert torch.equal(again, unbroken)
    said = "the network computes in bfloat16; --amp off for float32"
    assert (said in capsys.readouterr().out) == multiplies


@pytest.mark.parametrize(("major", "expected"), [(7, "fp16"), (8, "bf16"), (9, "bf16")])
def test_half_precision_is_what_the_card_has(monkeypatch, major, expected):
    # A T4 (7.5) says that it supports bfloat16: it emulates it.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    properties = SimpleNamespace(major=major)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda device: True)
    assert resolve_amp(torch.device("cuda"), "auto") == expected


def test_seeds_do_not_collide():
    assert len({mix(a, b, c) for a in range(20) for b in range(20) for c in range(20)}) == 8000


# ---------------------------------------------------------------- accidents
class Root(Model):
    """A finite loss with a gradient that is none: the root of zero."""

    def loss(self, predictions, targets):
        nothing = (predictions.deltas * 0).sum()
        return {"bbox_regression": nothing.abs().sqrt() + 1, "classification": nothing}


def test_a_gradient_that_is_no_number_stops_before_it_reaches_a_weight(tmp_path):
    model = Root()
    before = weights(model).clone()
    with pytest.raises(FloatingPointError, match=r"the gradient is not a number .*Images of the"):
        train(model, Noise(), CONFIG, out=tmp_path, progress=False, checkpoint_every=1)
    assert torch.equal(weights(model), before)
    assert not (tmp_path / "last.pt").exists()


def test_resume_where_auto_means_float16(tmp_path, monkeypatch):
    # Begun on a card with bfloat16, which needs no scaler, continued on an older one.
    def die(history, model):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        train(Model(), Noise(), AUTO, out=tmp_path, progress=False, after_epoch=die)
    state = load_checkpoint(tmp_path / "last.pt")
    state["precision"] = {"device": "cuda", "amp": "bf16"}
    save_checkpoint(tmp_path / "last.pt", state)
    monkeypatch.setattr("detlearn.training.precision.resolve_amp", lambda device, amp: "fp16")
    history = train(Model(), Noise(), AUTO, out=tmp_path, progress=False, resume=True)
    assert len(history) == 3
    assert load_checkpoint(tmp_path / "last.pt")["precision"]["amp"] == "fp16"


def test_a_model_of_other_classes_is_another_run(tmp_path):
    class Other(Model):
        def __init__(self):
            super().__init__()
            self.layers[3] = nn.Linear(8, 8)
            self.config.num_classes = 5

    run(tmp_path)
    with pytest.raises(ValueError, match="num_classes: 2 then, 5 now"):
        train(Other(), Noise(), CONFIG, out=tmp_path, resume=True, progress=False)


def test_data_of_other_classes_are_another_run(tmp_path):
    class Other(Noise):
        class_names = ("background", "cat")

    run(tmp_path)
    with pytest.raises(ValueError, match="class_names: .*thing.* then, .*cat.* now"):
        train(Model(), Other(), CONFIG, out=tmp_path, resume=True, progress=False)


def test_something_else_in_the_place_of_a_checkpoint(tmp_path):
    from detlearn.training import save_checkpoint

    save_checkpoint(tmp_path / "last.pt", {"images": torch.zeros(1), "targets": []})
    with pytest.raises(ValueError, match="expected the checkpoint of a training"):
        run(tmp_path, resume=True)


def test_finished_weights_are_not_overwritten(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"the work of a week")
    with pytest.raises(ValueError, match="holds a run already"):
        run(tmp_path)


@pytest.mark.parametrize("which", ["evaluate_every", "checkpoint_every"])
def test_every_zero_epochs_means_nothing(which):
    with pytest.raises(ValueError, match=f"{which}: expected an integer, at least 1, got 0"):
        run(evaluate=lambda model: {}, **{which: 0})


def test_data_sets_that_draw_from_numpy_follow_the_seed(monkeypatch):
    import random

    import numpy as np

    class NumpyNoise(Noise):
        def __getitem__(self, index):
            image, target = super().__getitem__(index)
            return image + int(np.random.randint(0, 25)) + random.randrange(25), target  # noqa: NPY002

    ends = []
    for workers in (0, 2):
        np.random.seed(workers)  # noqa: NPY002
        random.seed(workers)
        model = Model()
        train(model, NumpyNoise(), CONFIG, num_workers=workers, progress=False)
        ends.append(weights(model))
    assert torch.equal(*ends)


def test_an_interrupt_in_the_last_callback_is_not_lost(tmp_path):
    import signal

    def draw(history, model):
        if len(history) == CONFIG.epochs:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, after_epoch=draw)
    assert len(load_checkpoint(tmp_path / "last.pt")["history"]) == 3


def test_logs_are_closed_after_an_interrupt(tmp_path, monkeypatch):
    import signal

    closed = []

    class Log:
        def step(self, *_):
            signal.raise_signal(signal.SIGINT)

        def epoch(self, *_):
            pass

        def close(self):
            closed.append(True)

    monkeypatch.setattr("detlearn.training.run.open_logs", lambda *_: [Log()])
    monkeypatch.setattr("detlearn.training.run.LOG_EVERY", 2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path)
    assert closed == [True]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("background", "cat"), "the model knows thing; the data set cat: expected the same"),
        (("background", "thing", "cat"), "expected 2 with background, as the model has, got 3"),
        (("thing",), "expected 2 with background, as the model has, got 1: thing"),
    ],
    ids=["other names", "more classes", "no background"],
)
def test_data_of_other_classes_are_refused_before_a_step(names, message):
    model, dataset = Model(), Noise()
    dataset.class_names = names
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(ValueError, match=message):
        train(model, dataset, CONFIG, progress=False, device="cpu")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
