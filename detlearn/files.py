"""The one place that writes: whole files or none, and the sums that tell whether one is whole.

Nothing of ours is imported here, so that every room may write with it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["checksum", "replace_file", "write_atomically"]

CHUNK = 1 << 20  # bytes of a file that are in memory at a time


def write_atomically(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file so that it exists completely or not at all.

    Args:
        path: its folder is made if there is none.
        content: what the file shall hold.

    Raises:
        IsADirectoryError: there is a folder of that name.
        OSError: it cannot be written; what was there before is whole.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "run" / "note.txt", b"done")
    ...     print((Path(folder) / "run" / "note.txt").read_text())
    done
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a file, got a folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    # In the same folder, hence on the same disk: only there is replacing one step.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        replace_file(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def replace_file(source: Path, target: Path) -> None:
    """``os.replace``; on Windows a file that somebody is reading is asked for again, briefly.

    Args:
        source: the new file.
        target: where it goes, on the same disk.

    Raises:
        OSError: it cannot be moved there.
    """
    for pause in (0.1, 0.4, 1.5):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            time.sleep(pause)
    os.replace(source, target)


def checksum(
    content: bytes | Path, kind: str = "sha256", watch: Callable[[int], object] | None = None
) -> str:
    """The sum that tells a file from any other.

    Args:
        content: bytes, or the path of a file, which is read a part at a time.
        kind: ``"sha256"``, or ``"md5"`` where a publisher gives no other.  MD5 finds damage; it
            is not asked to withstand somebody who makes a file for it.
        watch: called with the length of every part that was read, bytes.

    Returns:
        hexadecimal digits.

    Raises:
        FileNotFoundError: no such file.

    >>> checksum(b"")[:16]
    'e3b0c44298fc1c14'
    """
    digest = hashlib.new(kind, usedforsecurity=False)
    if isinstance(content, bytes):
        digest.update(content)
        return digest.hexdigest()
    with open(content, "rb") as file:
        while part := file.read(CHUNK):
            digest.update(part)
            if watch is not None:
                watch(len(part))
    return digest.hexdigest()
