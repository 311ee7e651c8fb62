"""Load the next items while the network works on the last ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["load_ahead"]

Key = TypeVar("Key")
Item = TypeVar("Item")


def load_ahead(
    load: Callable[[Key], Item], keys: Iterable[Key], *, threads: int = 1, ahead: int = 16
) -> Iterator[Item]:
    """``load(key)`` of every key, in order, by threads that run ahead of whoever asks.

    Args:
        load: makes an item; with more than one thread it must bear to be called by several.
        keys: of the items.
        threads: that load.
        ahead: items that wait at most, a bound on memory.

    Yields:
        the items.  An error comes where its item would have.

    >>> list(load_ahead(str.upper, "abc"))
    ['A', 'B', 'C']
    """
    waiting: deque[Future[Item]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for key in keys:
                waiting.append(pool.submit(load, key))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:  # the one who asked has stopped
                future.cancel()
