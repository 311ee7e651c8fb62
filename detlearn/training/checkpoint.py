"""Checkpoints that survive a cut connection: written whole or not at all, resumed to the bit."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..models.zoo import write_atomically

__all__ = ["get_rng_state", "load_checkpoint", "save_checkpoint", "set_rng_state"]

FORMAT = "detlearn checkpoint 1"


def get_rng_state() -> dict[str, Any]:
    """State of every random number generator that training may use.

    Returns:
        plain containers and tensors, fit for ``torch.load(weights_only=True)``.

    >>> state = get_rng_state()
    >>> first = torch.rand(3)
    >>> set_rng_state(state)
    >>> torch.equal(first, torch.rand(3))
    True
    """
    name, keys, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002
    version, internal, next_gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": [str(name), torch.from_numpy(np.asarray(keys).astype(np.int64)), int(position),
                  int(has_gauss), float(gauss)],
        "python": [version, list(internal), next_gauss],
    }  # fmt: skip


def set_rng_state(state: dict[str, Any]) -> None:
    """Put every random number generator back to where `get_rng_state` found it.

    Args:
        state: what `get_rng_state` returned.  CUDA states are set where the number of GPUs is
            the same, and left out otherwise.
    """
    torch.set_rng_state(state["torch"])
    if len(state["cuda"]) == torch.cuda.device_count() and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    keys = keys.numpy().astype(np.uint32)
    np.random.set_state((name, keys, position, has_gauss, gauss))  # noqa: NPY002
    version, internal, next_gauss = state["python"]
    random.setstate((version, tuple(internal), next_gauss))


def save_checkpoint(path: str | Path, state: dict[str, Any]) -> None:
    """Write a training state atomically.

    Args:
        path: file to write.
        state: tensors and plain containers.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(Path(folder) / "last.pt", {"step": 3})
    ...     load_checkpoint(Path(folder) / "last.pt")["step"]
    3
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_atomically(Path(path), buffer.getvalue())


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a training state; nothing in the file is executed.

    Args:
        path: file that `save_checkpoint` wrote.

    Returns:
        the state, tensors on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is truncated, holds code, or is something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no checkpoint there")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds, for one reason each
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(f"{path}: not a whole, safe checkpoint file ({reason})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path}: expected a '{FORMAT}' file, got something else")
    return state
