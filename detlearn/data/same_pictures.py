"""Whether two files hold the same picture, without decoding it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from ..files import checksum

__all__ = ["also_in", "identity"]


def also_in(paths: Sequence[Path], others: Sequence[Path]) -> list[int]:
    """Places of the pictures that are among others, too, as the same file or as a copy of it.

    Args:
        paths: the pictures.
        others: those they are looked for in.

    Returns:
        places in ``paths``, ascending.

    >>> also_in([Path("a.png"), Path("b.png")], [Path("c/../b.png")])
    [1]
    """
    known = {identity(path) for path in others}
    by_length = defaultdict(list)  # a copy is as long
    for path in others:
        by_length[_length(path)].append(path)
    contents: dict[int | str, set[str]] = {}  # of each length, once it is asked for

    def is_copy(path: Path) -> bool:
        length = _length(path)
        if length not in by_length:
            return False
        if length not in contents:
            contents[length] = {_digest(other) for other in by_length[length]}
        return _digest(path) in contents[length]

    return [n for n, path in enumerate(paths) if identity(path) in known or is_copy(path)]


def identity(path: Path) -> str:
    """A file's name, the same whatever way leads to it.

    Args:
        path: the file; it need not be there.
    """
    return f"{_folder(path.parent)}/{path.name}"


@lru_cache(maxsize=4096)
def _folder(path: Path) -> str:
    try:
        return str(path.resolve())
    except (OSError, ValueError):
        return str(path)


def _length(path: Path) -> int | str:
    """A file's bytes; its name, which no other has, where it is not there."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return identity(path)


def _digest(path: Path) -> str:
    """What the first and last 64 KiB of a file are."""
    try:
        with path.open("rb") as file:
            start = file.read(2**16)
            file.seek(max(0, path.stat().st_size - 2**16))
            return checksum(start + file.read())
    except (OSError, ValueError):
        return str(path)
