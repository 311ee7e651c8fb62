"""Files are whole or not there; nothing in them is executed."""

import os
import pickle
import random

import numpy as np
import pytest
import torch

from detlearn.training import checkpoint as C


def test_generators_go_back_to_where_they_were(tmp_path):
    C.save_checkpoint(tmp_path / "last.pt", {"rng": C.get_rng_state()})

    def draw():
        return (
            torch.rand(3).tolist(),
            np.random.rand(3).tolist(),  # noqa: NPY002
            random.random(),
            random.gauss(0, 1),
        )

    first = draw()
    C.set_rng_state(C.load_checkpoint(tmp_path / "last.pt")["rng"])
    assert draw() == first


class Evil:
    def __reduce__(self):
        return os.system, ("touch HACKED",)


def corrupt(tmp_path, kind):
    path = tmp_path / "last.pt"
    C.save_checkpoint(path, {"step": 1, "weights": torch.zeros(1000)})
    if kind == "truncated":
        path.write_bytes(path.read_bytes()[:700])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "code":
        path.write_bytes(pickle.dumps(Evil()))
    elif kind == "text":
        path.write_text("hello")
    elif kind == "foreign":
        torch.save({"state_dict": {}}, path)
    return path


@pytest.mark.parametrize("kind", ["truncated", "empty", "code", "text", "foreign"])
def test_bad_files_get_a_sentence(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ValueError, match=r"last\.pt: (not a whole, safe checkpoint file|expected a)"
    ):
        C.load_checkpoint(corrupt(tmp_path, kind))
    assert not (tmp_path / "HACKED").exists()


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"last\.pt: no checkpoint there"):
        C.load_checkpoint(tmp_path / "last.pt")
