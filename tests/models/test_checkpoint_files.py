"""Checkpoints as training scripts leave them: loaded, or one short sentence that names the cause."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from detlearn import create_model, load_model
from detlearn.models.weights import load_strictly, open_state_dict, read_tensors

Tensors = dict[str, torch.Tensor]


def weights() -> Tensors:
    """Of a small network, none of them 0 or 1."""
    torch.manual_seed(3)
    model = create_model("ssd_tiny", num_classes=4)
    return {key: value + 0.25 if value.is_floating_point() else value for key, value in model.state_dict().items()}  # fmt: skip


def before(prefix: str) -> Callable[[Tensors], Any]:
    return lambda w: {prefix + key: value for key, value in w.items()}


LOADED: dict[str, Callable[[Tensors], Any]] = {
    "plain": lambda w: w,
    "DataParallel": before("module."),
    "torch.compile": before("_orig_mod."),
    "torch.compile in DistributedDataParallel": before("module._orig_mod."),
    "DistributedDataParallel in torch.compile": before("_orig_mod.module."),
    "Lightning": lambda w: {"state_dict": before("model.")(w), "epoch": 3, "hparams_name": "kwargs"},
    "a moving average of torch": lambda w: {"n_averaged": torch.tensor(7), **before("module.")(w)},
    "under model, beside its optimiser": lambda w: {"model": w, "optimizer": {"state": {}, "param_groups": []}},
    "only the moving average": lambda w: {"ema": w, "epoch": 3},
    "timm's moving average": lambda w: {"state_dict_ema": before("module.")(w)},
    "the weights before their average": lambda w: {"model": w, "model_ema": {k: v * 0 for k, v in w.items()}},
    "numpy's numbers beside it": lambda w: {"model": w, "best": np.float64(0.5), "epoch": np.int64(3), "loss": np.float32(2)},
    "numpy's arrays beside it": lambda w: {"model": w, "history": np.arange(4.0), "seen": np.bool_(True)},
    "argparse's settings beside it": lambda w: {"model": w, "args": argparse.Namespace(lr=0.1, out="x")},
}  # fmt: skip


@pytest.mark.parametrize("caption", list(LOADED))
def test_what_scripts_wrap_around_weights_is_taken_off(tmp_path, caption):
    ours = weights()
    torch.save(LOADED[caption](ours), tmp_path / "a.pth")
    found, name = open_state_dict(tmp_path / "a.pth")
    model = create_model("ssd_tiny", num_classes=4)
    load_strictly(model, found, name)
    assert all(torch.equal(value, ours[key]) for key, value in model.state_dict().items())


class Evil:
    """What a file may not run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("evil"),))


REFUSED: dict[str, tuple[Callable[[Tensors], Any], str]] = {
    "an optimiser": (lambda w: torch.optim.SGD([torch.zeros(2, requires_grad=True)], 0.1).state_dict(), "the state of an optimiser, which holds no weights"),
    "an optimiser under model": (lambda w: {"model": {"state": {}, "param_groups": []}}, "the state of an optimiser"),
    "other classes": (lambda w: create_model("ssd_tiny", num_classes=9).state_dict(), r"only its heads differ: trained for another number of classes"),
    "another network": (lambda w: create_model("m2det_tiny").state_dict(), "the weights do not fit ssd_tiny"),
    "nothing of it": (lambda w: {f"layer{n}.weight": torch.zeros(1) for n in range(5000)}, "none of its keys is there: another network, or another source"),
    "thousands of long keys": (lambda w: {**w, **{f"{'x' * 300}{n}": torch.zeros(1) for n in range(5000)}}, "5000 unexpected: xxx"),
    "a part of it": (lambda w: dict(list(w.items())[5:]), "5 missing: "),
    "a number": (lambda w: 5, "expected a state dict, got int"),
    "a program": (lambda w: Evil(), "holds Python objects, which are never executed here"),
    "a network as a whole": (lambda w: torch.nn.Linear(2, 2), "holds Python objects"),
}  # fmt: skip


@pytest.mark.parametrize("caption", list(REFUSED))
def test_what_cannot_be_loaded_is_said_shortly(tmp_path, monkeypatch, caption):
    monkeypatch.chdir(tmp_path)
    write, says = REFUSED[caption]
    torch.save(write(weights()), "a.pth")
    model = create_model("ssd_tiny", num_classes=4)
    with pytest.raises(ValueError, match=says) as caught:
        load_strictly(model, *open_state_dict("a.pth"))
    assert len(str(caught.value)) <= 500 and "a.pth" in str(caught.value)
    assert not Path("evil").exists()


def test_a_long_folder_does_not_make_the_sentence_long(tmp_path):
    file = tmp_path / ("d" * 120) / ("e" * 120) / "a.pth"
    file.parent.mkdir(parents=True)
    torch.save({f"{'x' * 300}{n}": torch.zeros(1) for n in range(500)}, file)
    with pytest.raises(ValueError, match="eee/a.pth: the weights do not fit") as caught:
        load_strictly(create_model("ssd_tiny"), *open_state_dict(file))
    assert len(str(caught.value)) <= 500


def test_our_readers_name_the_file_that_was_meant(tmp_path):
    torch.save({"model": weights()}, tmp_path / "last.pt")
    for read in (read_tensors, load_model):
        with pytest.raises(ValueError, match="best.safetensors") as caught:
            read(tmp_path / "last.pt")
        assert len(str(caught.value)) <= 500
