"""Checkpoint files: tensors only, nothing in them is ever executed."""

from __future__ import annotations

import _codecs
import argparse
import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

WEIGHTS = ("model", "state_dict", "model_state_dict")
"""Where training scripts keep the weights in a checkpoint; `AVERAGES` where nothing else is."""

AVERAGES = ("ema", "model_ema", "state_dict_ema", "ema_state_dict", "ema_model", "module")
PREFIXES = ("module.", "_orig_mod.", "model.")


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a safetensors file.

    Args:
        path: the file.

    Returns:
        Tensors by key, and the file's metadata.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it is none of its kind, or damaged.
    """
    import safetensors
    import safetensors.torch

    _check_file(path)
    try:
        with safetensors.safe_open(path, framework="pt", device="cpu") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}
            return tensors, file.metadata() or {}
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        with open(path, "rb") as file:
            is_zip = file.read(2) == b"PK"
        hint = "torch.save wrote it; the weights of a run are in its best.safetensors"
        hint = hint if is_zip else str(error)
        raise ValueError(f"{path}: no complete safetensors file ({hint})") from error


def read_checkpoint(path: Path) -> Any:
    """What a file of weights holds; nothing in it is executed.

    Args:
        path: ``.safetensors``, or what ``torch.save`` wrote.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it cannot be read.
    """
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    _check_file(path)
    try:
        # Tensors and plain data only: a checkpoint must not be able to run code.
        with torch.serialization.safe_globals(plain_types()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file can make the unpickler fail in any way
        first = str(error).strip().splitlines()
        raise ValueError(
            f"{path}: cannot be read as a checkpoint of tensors; it is damaged, no file of "
            f"torch.save, or holds Python objects, which are never executed here "
            f"({type(error).__name__}: {first[0][:200] if first else 'no message'})"
        ) from error


def _check_file(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not path.is_file():
        raise ValueError(f"{path}: expected a file, got a folder")


def open_state_dict(
    state_dict_or_path: Mapping[str, Any] | str | os.PathLike[str],
) -> tuple[dict[str, Any], str]:
    """The state dict given, or that inside a file, and what messages call it."""
    if isinstance(state_dict_or_path, Mapping):
        return unpack(state_dict_or_path, "state dict"), "state dict"
    if not isinstance(state_dict_or_path, str | os.PathLike):
        got = type(state_dict_or_path).__name__
        raise ValueError(f"state_dict_or_path: expected a state dict or a file, got {got}")
    path = Path(state_dict_or_path)
    return unpack(read_checkpoint(path), str(path)), str(path)


def plain_types() -> list[Any]:
    """What training scripts keep beside weights, and which can only hold data: numbers and arrays
    of numpy, under the names of its old and new releases, and argparse's settings.
    """
    parts = importlib.import_module(
        "numpy._core.multiarray"
    )  # where pickled numbers say that they come from
    kinds = {type(np.dtype(kind)) for kind in "?bBhHiIlLqQefdFDUS"}
    return [
        parts.scalar, (parts.scalar, "numpy.core.multiarray.scalar"), np.ndarray, np.dtype,
        parts._reconstruct, (parts._reconstruct, "numpy.core.multiarray._reconstruct"),
        _codecs.encode, argparse.Namespace, *kinds,
    ]  # fmt: skip


def unpack(checkpoint: Any, name: str) -> dict[str, Any]:
    """The state dict inside a checkpoint, without the prefixes of wrappers.

    Args:
        checkpoint: what a file held.
        name: what messages call it.

    Raises:
        ValueError: if there is none.
    """
    for key in WEIGHTS + AVERAGES:
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"{name}: expected a state dict, got {type(checkpoint).__name__}")
    if {"state", "param_groups"} <= checkpoint.keys():
        raise ValueError(
            f"{name}: the state of an optimiser, which holds no weights; expected the file that "
            "the model's state_dict() was saved to"
        )
    found = {str(key): value for key, value in checkpoint.items()}
    while (prefix := _prefix(found)) is not None:
        found = {
            key.removeprefix(prefix): value for key, value in found.items() if key != "n_averaged"
        }
    return found


def _prefix(tensors: Mapping[str, Any]) -> str | None:
    """What a wrapper (DataParallel, torch.compile, a moving average, Lightning) put before keys."""
    keys = [key for key in tensors if key != "n_averaged"]
    return next((one for one in PREFIXES if keys and all(k.startswith(one) for k in keys)), None)
