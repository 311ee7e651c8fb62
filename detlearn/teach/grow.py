"""A class that grows in the order in which it is explained, method by method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

__all__ = ["method_of"]

Function = TypeVar("Function", bound=Callable[..., object])


def method_of(owner: type) -> Callable[[Function], Function]:
    """Make the function below it a method of a class from an earlier cell.

    Cells stay short, and every method is followed by its evidence. In the package the class
    stands in one piece; a test compares them. (`super()` without arguments does not work in
    such a method.)

    Args:
        owner: the class that gets the method.

    Raises:
        ValueError: `owner` is not a class.

    >>> class Box:
    ...     side = 3
    >>> @method_of(Box)
    ... def area(self):
    ...     return self.side**2
    >>> Box().area()
    9
    """
    if not isinstance(owner, type):
        raise ValueError(f"owner: expected a class, got {type(owner).__name__}")

    def attach(function: Function) -> Function:
        setattr(owner, function.__name__, function)
        return function

    return attach
