"""Checkpoint files: tensors only, nothing in them is ever executed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


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


def _read_checkpoint(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return read_tensors(path)[0]
    _check_file(path)
    try:
        # Tensors and plain containers only: a checkpoint must not be able to run code.
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
        return _unpack(state_dict_or_path, "state dict"), "state dict"
    if not isinstance(state_dict_or_path, str | os.PathLike):
        got = type(state_dict_or_path).__name__
        raise ValueError(f"state_dict_or_path: expected a state dict or a file, got {got}")
    path = Path(state_dict_or_path)
    return _unpack(_read_checkpoint(path), str(path)), str(path)


def _unpack(checkpoint: Any, name: str) -> dict[str, Any]:
    """The state dict inside a checkpoint, without the prefix of a parallel model."""
    for key in ("model", "state_dict", "model_state_dict"):
        if isinstance(checkpoint, Mapping) and isinstance(checkpoint.get(key), Mapping):
            checkpoint = checkpoint[key]
    if not isinstance(checkpoint, Mapping):
        raise ValueError(f"{name}: expected a state dict, got {type(checkpoint).__name__}")
    if checkpoint and all(str(key).startswith("module.") for key in checkpoint):
        return {str(key).removeprefix("module."): value for key, value in checkpoint.items()}
    return dict(checkpoint)
