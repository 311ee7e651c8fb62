"""A proof prints one stable line, or says what differs and where."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from detlearn.teach.prove import prove

HOLDS = [
    ("nothing in it", torch.zeros(0, 4), torch.zeros(0, 4), 0.0, "(0 × 4, exactly)"),
    ("a number", 3, 3, 0.0, "(exactly)"),
    ("a real number", 0.5, 0.5000001, 1e-6, "(tolerance 1e-6)"),
    ("a matrix", torch.ones(2, 4), torch.ones(2, 4), 1e-6, "(2 × 4, tolerance 1e-6)"),
    ("an array", torch.ones(2), np.ones(2), 0.0, "(2, exactly)"),
    ("integers ignore the tolerance", torch.tensor([1]), torch.tensor([1]), 0.5, "(1, exactly)"),
    ("two precisions", torch.ones(2), torch.ones(2).double(), 0.0, "(2, exactly)"),
    ("numbers and truth values", torch.tensor([1, 0]), torch.tensor([True, False]), 0.0, "(2, exactly)"),
    ("bytes and integers", torch.tensor([200], dtype=torch.uint8), torch.tensor([200]), 0.0, "(1, exactly)"),
    ("integers and real numbers", torch.tensor([1]), torch.tensor([1.0]), 0.0, "(1, exactly)"),
    ("complex numbers", torch.tensor([1 + 2j]), torch.tensor([1 + 2j]), 0.0, "(1, exactly)"),
    ("a tolerance finer than single precision", torch.tensor([1.0]), torch.tensor([1.0]).double() + 1e-12, 1e-11, "(1, tolerance 1e-11)"),
    ("no dimension", torch.tensor(2.0), 2.0, 0.0, "(exactly)"),
    ("NaN and infinity", torch.tensor([math.nan, math.inf]), torch.tensor([math.nan, math.inf]), 0.0, "(2, exactly)"),
    ("a dictionary", {"boxes": torch.ones(2, 4), "labels": torch.ones(2).long()}, {"boxes": torch.ones(2, 4), "labels": torch.ones(2).long()}, 1e-4, "(2 results of 2 × 4, 2, tolerance 1e-4)"),
    ("a list of numbers", [1, 2], [1, 2], 0.0, "(2 results, exactly)"),
    ("a string", "a", "a", 0.0, "(exactly)"),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "reference", "tolerance", "line"), [
    pytest.param(*case[1:], id=case[0]) for case in HOLDS
])  # fmt: skip
def test_what_holds_is_printed(
    ours: Any, reference: Any, tolerance: float, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    prove("they are equal", ours, reference, tolerance=tolerance)
    assert capsys.readouterr().out == f"proved: they are equal {line}\n"


FAILS = [
    ("shape", torch.ones(2, 4), torch.ones(4, 2), "ours has shape (2, 4), the reference (4, 2)"),
    ("one number", torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 3.0]]), "1 of 2 numbers differ by more than 1e-6; at the worst place [0, 1] ours is 1, the reference 3"),
    ("as many numbers in another shape", torch.ones(2, 1), torch.ones(2), "ours has shape (2, 1), the reference (2,)"),
    ("a number and a row of one", torch.tensor(1.0), torch.tensor([1.0]), "ours has shape (), the reference (1,)"),
    ("large integers, alike in floating point", torch.tensor([2**53]), torch.tensor([2**53 + 1]), "1 of 1 numbers differ by more than 0;"),
    ("a byte that would wrap around", torch.tensor([0], dtype=torch.uint8), torch.tensor([256]), "ours is 0, the reference 256"),
    ("truth values", torch.tensor([True, False]), torch.tensor([True, True]), "at the worst place [1] ours is 0, the reference 1"),
    ("the imaginary part", torch.tensor([1 + 2j]), torch.tensor([1 + 3j]), "ours is 1+2j, the reference 1+3j"),
    ("single precision against double", torch.tensor([0.1]), torch.tensor([0.1]).double() + 1e-5, "1 of 1 numbers differ by more than 1e-6"),
    ("NaN at another place", torch.tensor([math.nan, 1.0, 2.0]), torch.tensor([1.0, math.nan, 2.0]), "2 of 3 numbers differ by more than 1e-6; at the worst place [0] ours is nan, the reference 1"),
    ("one infinity of two", torch.tensor([math.inf, 1.0]), torch.tensor([math.inf, 2.0]), "1 of 2 numbers differ by more than 1e-6; at the worst place [1] ours is 1, the reference 2"),
    ("NaN on one side", torch.tensor([math.nan]), torch.tensor([1.0]), "at the worst place [0] ours is nan"),
    ("infinite on one side", torch.tensor([math.inf]), torch.tensor([-math.inf]), "ours is inf, the reference -inf"),
    ("integers", torch.tensor([1]), torch.tensor([2]), "differ by more than 0;"),
    ("keys", {"a": 1}, {"b": 1}, "keys are ['a'], the reference has ['b']"),
    ("inside a dictionary", {"a": [1, 2]}, {"a": [1, 3]}, "at ['a'][1] differ"),
    ("length", [1], [1, 2], "1 results, the reference has 2"),
    ("no list", 3, [1], "int results, the reference has 1"),
    ("strings", "a", "b", "ours is 'a', the reference 'b'"),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "reference", "message"), [
    pytest.param(*case[1:], id=case[0]) for case in FAILS
])  # fmt: skip
def test_what_fails_is_named(
    ours: Any, reference: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AssertionError) as caught:
        prove("they are equal", ours, reference, tolerance=1e-6)
    assert str(caught.value).startswith("not proved: they are equal: ")
    assert message in str(caught.value)
    assert capsys.readouterr().out == ""


def test_a_proof_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        prove("all of them agree", [], [])


@pytest.mark.parametrize("tolerance", [-1.0, math.inf, math.nan, "1e-6"])
def test_a_tolerance_that_proves_anything_is_refused(tolerance: Any) -> None:
    with pytest.raises(ValueError, match="tolerance: expected a number >= 0"):
        prove("they are equal", 1.0, 2.0, tolerance=tolerance)


def test_an_empty_claim_is_refused() -> None:
    with pytest.raises(ValueError, match="claim"):
        prove(" ", 1, 1)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot compare a object"):
        prove("they are equal", object(), 1)
