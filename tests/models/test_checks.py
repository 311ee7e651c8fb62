"""What configs and pictures are refused for; the messages of the models are tested with them."""

from __future__ import annotations

import math

import pytest
import torch

from detlearn.models import checks

ACCEPTED = [
    ("no widths at all", lambda: checks.check_integers("widths", ())),
    ("as many integers as asked for", lambda: checks.check_integers("sides", (4, 1), 2)),
    ("the bounds themselves", lambda: checks.check_number("threshold", 0, 0, 1)),
    ("any number", lambda: checks.check_number("pixel_center", -7.5)),
    ("a negative mean", lambda: checks.check_numbers("mean", (-1, 0.5), 2, positive=False)),
    ("a flag", lambda: checks.check_flag("antialias", False)),
    ("no images", lambda: checks.check_images([])),
    ("an empty batch", lambda: checks.check_images(torch.zeros(0, 3, 4, 4))),
]

REFUSED = [
    ("True is no integer", lambda: checks.check_integer("n", True), "n: expected an integer, at least 1, got True"),
    ("a half", lambda: checks.check_integer("n", 2.0), "n: expected an integer, at least 1, got 2.0"),
    ("a list for a tuple", lambda: checks.check_integers("w", [1]), r"w: expected a tuple of integers above 0, got \[1\]"),
    ("one too few", lambda: checks.check_integers("w", (1,), 2), r"w: expected a tuple of 2 integers above 0, got \(1,\)"),
    ("NaN", lambda: checks.check_number("t", math.nan, 0), "t: expected a number, at least 0, got nan"),
    ("infinity", lambda: checks.check_number("t", math.inf, 0), "t: expected a number, at least 0, got inf"),
    ("below", lambda: checks.check_number("t", -0.1, 0, 1), "t: expected a number from 0 to 1, got -0.1"),
    ("above", lambda: checks.check_number("t", 1.1, 0, 1), "t: expected a number from 0 to 1, got 1.1"),
    ("a text", lambda: checks.check_number("t", "1"), "t: expected a number, got '1'"),
    ("zero is not positive", lambda: checks.check_positive("s", 0), "s: expected a positive number, got 0"),
    ("two of three", lambda: checks.check_numbers("m", (1, 2), 3, positive=False), r"m: expected 3 numbers, got \(1, 2\)"),
    ("a zero among divisors", lambda: checks.check_numbers("m", (1, 0), 2, positive=True), r"m: expected 2 positive numbers, got \(1, 0\)"),
    ("no such choice", lambda: checks.check_choice("kind", None, ("a", "b")), "kind: expected one of 'a', 'b', got None"),
    ("None is no flag", lambda: checks.check_flag("pad", None), "pad: expected True or False, got None"),
    ("a single picture", lambda: checks.check_images(torch.zeros(3, 4, 4)), r"detect\(\[image\]\) takes it"),
    ("a path", lambda: checks.check_images("a.png"), "images: expected a list of tensors or a batch, got str"),
    ("the second of two", lambda: checks.check_images([torch.zeros(3, 4, 4), 5]), r"images\[1\]: expected a tensor \(3, H, W\), got int"),
]  # fmt: skip


@pytest.mark.parametrize("check", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_legal_values_pass(check):
    assert check() is None


@pytest.mark.parametrize(
    ("check", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_other_values_are_named(check, message):
    with pytest.raises(ValueError, match=message):
        check()
