"""Items that threads load ahead: in order, few at a time, errors in their place."""

import threading

import pytest

from detlearn.data.ahead import load_ahead


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_everything_in_order(count, threads):
    loaded = load_ahead(lambda k: 2 * k, range(count), threads=threads, ahead=3)
    assert list(loaded) == list(range(0, 2 * count, 2))


def test_no_more_than_asked_for_wait():
    asked = []
    loaded = load_ahead(asked.append, range(100), ahead=4)
    next(loaded)
    assert len(asked) <= 5  # the one that was taken, and four that wait
    loaded.close()
    assert len(asked) <= 5


def test_it_runs_ahead():
    """The second item is begun although nobody has asked for it."""
    second = threading.Event()
    loaded = load_ahead(lambda k: second.set() if k == 1 else None, range(3), ahead=2)
    next(loaded)
    assert second.wait(60)
    loaded.close()


def test_an_error_comes_where_its_item_would_have():
    loaded = load_ahead(lambda k: 6 // (k - 1), range(3))
    assert next(loaded) == -6
    with pytest.raises(ZeroDivisionError):
        next(loaded)
