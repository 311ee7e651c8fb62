"""Checkpoints that survive a cut connection: written whole or not at all, resumed to the bit.

A checkpoint is a file of ``torch.save``, hence a zip archive, whose comment is the SHA-256 of what
stands before it: ``torch.load`` itself does not notice a flipped bit.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import random
import re
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..files import checksum, replace_file, write_atomically

__all__ = [
    "RunFolder", "get_rng_state", "load_checkpoint", "save_checkpoint", "set_rng_state", "storable",
]  # fmt: skip

FORMAT = "detlearn checkpoint 2"
SUM = b"sha256 "  # begins the archive's comment
COMMENT = len(SUM) + 64
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)


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
    """Write a training state atomically, with its checksum.

    Args:
        path: file to write.
        state: tensors and plain containers.

    Raises:
        OSError: the file cannot be written (the disk is full, say); what was there before is whole.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_checkpoint(Path(folder) / "last.pt", {"step": 3})
    ...     load_checkpoint(Path(folder) / "last.pt")["step"]
    3
    """
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    content = buffer.getvalue()
    # A zip archive ends with the length of its comment, 0 so far, in two bytes.
    comment = SUM + checksum(content).encode()
    write(Path(path), content[:-2] + len(comment).to_bytes(2, "little") + comment)


def load_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a training state; nothing in the file is executed.

    Args:
        path: file that `save_checkpoint` wrote.

    Returns:
        the state, tensors on the CPU.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is truncated or changed, holds code, or is something else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no checkpoint there")
    content = path.read_bytes()
    body, comment = content[:-COMMENT], content[-COMMENT:]
    digest = checksum(body[:-2] + b"\0\0").encode()
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises half a dozen kinds, for one reason each
        if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
            raise  # the file may well be whole
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ValueError(f"{path}: not a whole, safe checkpoint file ({reason})") from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise ValueError(f"{path}: expected a '{FORMAT}' file, got something else")
    if comment != SUM + digest:
        raise ValueError(f"{path}: not a whole, safe checkpoint file (its checksum differs)")
    return state


def storable(value: Any) -> Any:
    """A value as a checkpoint may hold it, and as it comes back.

    Args:
        value: of a target or a config.

    Returns:
        tensors as plain ones on the CPU, NumPy's numbers as Python's, tuples as lists; what
        ``torch.load(weights_only=True)`` would refuse as a text.

    >>> storable((1, np.float64(0.5), Path("scene.png")))
    [1, 0.5, 'scene.png']
    """
    if isinstance(value, Tensor):
        return value.detach().cpu().as_subclass(Tensor)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple):
        return [storable(entry) for entry in value]
    return value if isinstance(value, int | float | str | bool | None) else str(value)


def write(path: Path, content: bytes) -> None:
    """`write_atomically`, and a failure says what it means for the run."""
    try:
        write_atomically(path, content)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            error.errno, f"{path} cannot be written ({reason}); what was saved before is whole"
        ) from error


def _lock(folder: Path) -> Any:
    """The folder's lock, held by this process; None on a drive that knows no locks."""
    from filelock import FileLock, Timeout

    file = str(folder / ".lock")
    try:
        # A file that marks a lock, which newer versions fall back to, outlives a killed process.
        lock = FileLock(file, timeout=0, fallback_to_soft=False)  # type: ignore[call-arg]
    except TypeError:
        lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
        return lock
    except Timeout as error:
        raise ValueError(
            f"{folder}: another process is training into this folder; choose another one"
        ) from error
    except (NotImplementedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
    warnings.warn(
        f"{folder}: this drive knows no locks; see to it that only one run writes here",
        stacklevel=3,
    )
    return None


class RunFolder:
    """The folder of a run: one run at a time writes into it, and it always holds a whole state.

    ``last.pt`` is the newest checkpoint and ``previous.pt`` the one before.  A new one is first
    written as ``new.pt``; whenever the process dies, at least one of the three is whole.

    Args:
        path: the folder; made if there is none.  None keeps nothing.

    Raises:
        ValueError: another process is at work in it.
        OSError: it cannot be written to.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, RunFolder(folder) as run:
    ...     run.save({"step": 1})
    ...     run.save({"step": 2})
    ...     (run.path / "last.pt").write_bytes(b"a cosmic ray")
    ...     with warnings.catch_warnings():
    ...         warnings.simplefilter("ignore")
    ...         run.newest()["step"]
    12
    1
    """

    def __init__(self, path: str | Path | None) -> None:
        self.path = None if path is None else Path(path)
        self.lock: Any = None
        self.saved_at, self.cost = time.monotonic(), 0.0

    def __enter__(self) -> RunFolder:
        if self.path is None:
            return self
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            probe = self.path / ".detlearn-probe"
            write_atomically(probe, b"")
            probe.unlink(missing_ok=True)
        except OSError as error:
            reason = error.strerror or str(error)
            raise OSError(
                error.errno, f"{self.path} is no folder that can be written to ({reason})"
            ) from error
        self.lock = _lock(self.path)
        for left_behind in self.path.glob(".*.tmp"):  # by a process that was killed in a write
            if re.fullmatch(r"\..+\.[0-9a-f]{8}\.tmp", left_behind.name):
                with contextlib.suppress(OSError):
                    left_behind.unlink()
        return self

    def __exit__(self, *_: object) -> None:
        if self.lock is not None:
            self.lock.release()

    def _checkpoints(self) -> list[Path]:
        """The checkpoints that are there, newest first."""
        names = ("new.pt", "last.pt", "previous.pt")
        return [self.path / n for n in names if (self.path / n).is_file()] if self.path else []

    @property
    def in_use(self) -> bool:
        """Whether it holds a run, or the weights of one."""
        finished = self.path is not None and (self.path / "model.safetensors").exists()
        return finished or bool(self._checkpoints())

    def newest(self) -> dict[str, Any] | None:
        """The newest whole state, None if there is none; a damaged file is set aside.

        Raises:
            ValueError: there are checkpoints, and all are damaged.
        """
        checkpoints = self._checkpoints()
        for path in checkpoints:
            try:
                return load_checkpoint(path)
            except ValueError as error:
                if path == checkpoints[-1]:
                    raise
                warnings.warn(
                    f"{error}; going back to the checkpoint before, this one is kept as "
                    f"{path.stem}.damaged",
                    stacklevel=2,
                )
                replace_file(path, path.with_suffix(".damaged"))
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Write a state; the one before stays as ``previous.pt``."""
        if self.path is None:
            return
        started = time.monotonic()
        new, last, previous = (self.path / f"{name}.pt" for name in ("new", "last", "previous"))
        save_checkpoint(new, state)
        if last.exists():
            with contextlib.suppress(OSError):  # two others are whole by now
                # Google Drive puts what is replaced into its bin, where its bytes still count.
                if previous.exists():
                    os.truncate(previous, 0)
            replace_file(last, previous)
        replace_file(new, last)
        self.saved_at = time.monotonic()
        self.cost = self.saved_at - started

    def too_early(self) -> bool:
        """Whether another checkpoint now would be more than a twentieth of the time.

        On a slow drive (Google's, from Colab) a gigabyte takes a minute. Up to five seconds count
        as nothing: so long may a busy machine take over a small file.
        """
        return self.cost > 5 and time.monotonic() - self.saved_at < 20 * self.cost

    def write(self, name: str, content: bytes) -> None:
        """Write another file of the run, whole or not at all."""
        if self.path is not None:
            write(self.path / name, content)
