"""A run that begins with a trained detector, and a run that becomes longer."""

import json
from dataclasses import replace

import pytest
import torch

from detlearn import create_model, save_model
from detlearn.__main__ import main
from detlearn.data import Cached, Shapes, shapes_train_transform
from detlearn.models.weights import read_tensors
from detlearn.training import TrainConfig, learning_rate_factor, load_checkpoint, loop, train

BRIEF = TrainConfig(epochs=1, batch_size=2, warmup_steps=2, learning_rate=1e-3)


@pytest.fixture(scope="module")
def scenes():
    return Cached(Shapes(length=6), shapes_train_transform(128))


def run(scenes, out, config=BRIEF, seed=0, **how):
    torch.manual_seed(seed)
    model = create_model("ssd_tiny")
    model.class_names = scenes.class_names
    history = train(model, scenes, config, out=out, device="cpu", progress=False, **how)
    return model, history


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_run_begins_with_another_ones_weights(scenes, tmp_path, capsys, ema):
    """With nothing learned at a rate of nearly 0 it ends as it began."""
    config = TrainConfig(epochs=1, batch_size=2, learning_rate=1e-12, ema=ema, weight_decay=0)
    old, _ = run(scenes, tmp_path / "old", BRIEF, seed=1)
    for init in (tmp_path / "old", tmp_path / "old" / "last.pt", old.state_dict()):
        out = tmp_path / f"new{len(list(tmp_path.iterdir()))}"
        new, _ = run(scenes, out, config, seed=2, init=init)
        for key, value in dict(new.named_parameters()).items():
            assert torch.allclose(value, old.get_parameter(key), atol=1e-6), key
        said = capsys.readouterr().out
        assert "88 tensors: " in said
        listed = (out / "initial.txt").read_text()
        assert all(key in listed for key in new.state_dict()) and "88 tensors: " in listed


def test_the_average_begins_there_too(scenes, tmp_path):
    """It must not remember the random weights that were there before."""
    config = TrainConfig(epochs=1, batch_size=2, learning_rate=1e-12, ema=0.99, weight_decay=0)
    old, _ = run(scenes, tmp_path / "old", BRIEF, seed=1)
    run(scenes, tmp_path / "new", config, seed=2, init=tmp_path / "old")
    average = load_checkpoint(tmp_path / "new" / "last.pt")["average"]
    for key, value in dict(old.named_parameters()).items():
        assert torch.allclose(average[f"module.{key}"], value, atol=1e-6), key


def test_a_run_that_goes_on_does_not_begin_again(scenes, tmp_path):
    run(scenes, tmp_path / "old", BRIEF, seed=1)
    once, _ = run(scenes, tmp_path / "new", init=tmp_path / "old")
    again, _ = run(scenes, tmp_path / "new", init=tmp_path / "gone", resume=True)
    assert all(
        torch.equal(a, b) for a, b in zip(once.parameters(), again.parameters(), strict=True)
    )


@pytest.mark.parametrize("schedule", ["cosine", "flat", "constant"])
def test_a_run_may_become_longer(scenes, tmp_path, schedule):
    """The steps that are added have the learning rates of the longer plan, from the first on."""
    short = replace(BRIEF, epochs=2, schedule=schedule)
    long = replace(short, epochs=4)
    run(scenes, tmp_path, short)
    seen = []

    original = loop.train_step

    def step(network, images, targets, optimizer, *rest):
        seen.append(optimizer.param_groups[0]["lr"])
        return original(network, images, targets, optimizer, *rest)

    loop.train_step = step
    try:
        _, history = run(scenes, tmp_path, long, resume=True)
    finally:
        loop.train_step = original
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    planned = [1e-3 * learning_rate_factor(step, 3, long) for step in range(6, 12)]
    assert seen == pytest.approx(planned)
    with pytest.raises(ValueError, match="epochs: 4 then, 3 now"):
        run(scenes, tmp_path, replace(short, epochs=3), resume=True)
    with pytest.raises(ValueError, match="learning_rate: 0.001 then, 0.002 now"):
        run(scenes, tmp_path, replace(long, epochs=5, learning_rate=2e-3), resume=True)


def test_the_shell_begins_with_a_file_and_becomes_longer(tmp_path, capsys):
    command = ["train", "ssd_tiny", "--scenes", "4", "--batch-size", "2", "--no-eval", "--quiet",
               "--device", "cpu", "--out", str(tmp_path / "new"), "--init", "OLD",
               "--epochs", "1"]  # fmt: skip
    assert main([*command, "--backbone", "x.pth"]) == 2
    assert "--init: expected it alone" in capsys.readouterr().err
    assert main(command) == 2
    assert "OLD: there is no such file" in capsys.readouterr().err
    old = str(tmp_path / "old.safetensors")
    model = create_model("ssd_tiny", num_classes=3)
    model.class_names = ("background", "house", "ship")
    save_model(model, old)
    command[command.index("OLD")] = old
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "classes that keep their rows: background, house" in said
    assert "try --learning-rate " in said
    assert main([*command[:-1], "2", "--resume"]) == 0
    said = capsys.readouterr().out
    assert f"the run goes on from its checkpoint, {old} is not read" in said
    record = json.loads((tmp_path / "new" / "run.json").read_text())
    assert record["finished"] and record["config"]["epochs"] == 2
    assert record["scores"]["epoch"] == 2
    assert "head.logits.0.weight" in (tmp_path / "new" / "initial.txt").read_text()
    assert read_tensors(tmp_path / "new" / "model.safetensors")[1]["model"] == "ssd_tiny"
