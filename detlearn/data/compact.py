"""Lists of many small things as a few arrays.

A worker process of a loader shares its parent's memory until one of them writes to it, and Python
writes into every object that it looks at (the count of its references).  A million lists and
dictionaries are therefore copied into each worker, epoch by epoch; the arrays here are not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

__all__ = ["ById", "Paths", "Ragged", "Texts", "integers"]


def integers(values: Sequence[int]) -> np.ndarray:
    """Integers of any size as an array: int64 where they fit, else of Python's own.

    Args:
        values: N of them.

    Returns:
        ``(N,)``.

    >>> integers([2**53 + 1]).dtype, integers([10**29]).dtype
    (dtype('int64'), dtype('O'))
    """
    try:
        return np.array(values, dtype=np.int64)
    except OverflowError:
        return np.array(values, dtype=object)


class Texts(Sequence[str]):
    """A list of texts in one piece of memory.

    Args:
        texts: the texts.

    >>> list(Texts(["a", "größe", ""])), Texts(["a", "b"])[-1]
    (['a', 'größe', ''], 'b')
    """

    def __init__(self, texts: Iterable[str]) -> None:
        parts = [text.encode("utf-8", "surrogatepass") for text in texts]
        self.ends = np.cumsum([0, *map(len, parts)], dtype=np.int64)  # (N + 1,)
        self.content = b"".join(parts)

    def __len__(self) -> int:
        return len(self.ends) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        start, end = int(self.ends[place]), int(self.ends[place + 1])
        return self.content[start:end].decode("utf-8", "surrogatepass")


class Paths(Sequence[Path]):
    """A list of files in one piece of memory.

    Args:
        paths: the files.

    >>> Paths([Path("images/a.png"), Path("images/b.png")])[1].name
    'b.png'
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        self.texts = Texts(map(str, paths))

    def __len__(self) -> int:
        return len(self.texts)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        if isinstance(index, slice):
            return [Path(text) for text in self.texts[index]]
        return Path(self.texts[index])


class Ragged(Sequence[Any]):
    """N lists of rows, of different lengths, in one array.

    Args:
        rows: all rows, list by list; an array of R, structured or not.
        counts: how many rows each list has; N numbers whose sum is R.

    Raises:
        ValueError: the counts do not add up to the rows.

    >>> lists = Ragged(np.array([5, 6, 7]), [2, 0, 1])
    >>> [part.tolist() for part in lists]
    [[5, 6], [], [7]]
    """

    def __init__(self, rows: np.ndarray, counts: Sequence[int] | np.ndarray) -> None:
        self.rows = rows
        self.ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)  # (N + 1,)
        if self.ends[-1] != len(rows):
            raise ValueError(f"counts: expected a sum of {len(rows)}, got {self.ends[-1]}")

    @classmethod
    def of(cls, lists: Iterable[Sequence[tuple[Any, ...]]], kind: np.dtype) -> Ragged:
        """Lists of tuples, as rows of a structured kind."""
        found = list(lists)
        rows = [row for rows in found for row in rows]
        return cls(np.array(rows, dtype=kind), [len(rows) for rows in found])

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: Any) -> Any:
        place = range(len(self))[index]
        return self.rows[self.ends[place] : self.ends[place + 1]]


class ById(Mapping[int, Any]):
    """What a function makes of a place, under the id that stands there.

    Args:
        places: the place of each id.
        make: called with a place.

    >>> dict(ById({7: 0, 9: 1}, lambda place: "ab"[place]))
    {7: 'a', 9: 'b'}
    """

    def __init__(self, places: Mapping[int, int], make: Callable[[int], Any]) -> None:
        self.places, self.make = places, make

    def __getitem__(self, key: int) -> Any:
        return self.make(self.places[key])

    def __iter__(self) -> Iterator[int]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)
