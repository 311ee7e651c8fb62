"""A method can be added in a later cell."""

import pytest

from detlearn.teach.grow import method_of


class Box:
    side = 3


def test_a_function_becomes_a_method() -> None:
    box = Box()

    @method_of(Box)
    def area(self: Box) -> int:
        return self.side**2

    assert box.area() == 9  # type: ignore[attr-defined]
    assert area(box) == 9


def test_an_instance_is_no_class() -> None:
    with pytest.raises(ValueError, match="owner: expected a class, got Box"):
        method_of(Box())  # type: ignore[arg-type]
