"""Errors of one image: their kind, and the object that each is about."""

import pytest

from detlearn.metrics import (
    error_kinds,
    explain_errors,
)
from tests.metrics.cases import CAT, DOG, detection, random_scenes, target


@pytest.mark.parametrize(
    ("found", "truth", "kinds"),
    [
        pytest.param((), (), [], id="nothing, nothing"),
        pytest.param((), (CAT,), [], id="nothing found"),
        pytest.param(((0, 0, 10, 10, 0.9, 1),), (), ["on background"], id="no objects"),
        pytest.param(((0, 0, 10, 10, 0.9, 1),), (CAT,), ["correct"], id="the cat"),
        pytest.param(((0, 0, 10, 5, 0.9, 1),), (CAT,), ["correct"], id="IoU 0.5 is enough"),
        pytest.param(((0, 0, 10, 4, 0.9, 1),), (CAT,), ["badly placed"], id="IoU 0.4 is not"),
        pytest.param(((0, 0, 10, 1, 0.9, 1),), (CAT,), ["badly placed"], id="IoU 0.1 overlaps"),
        pytest.param(((0, 0, 9, 1, 0.9, 1),), (CAT,), ["on background"], id="IoU 0.09 does not"),
        pytest.param(((0, 0, 10, 10, 0.9, 2),), (CAT,), ["wrong class"], id="the dog is a cat"),
        pytest.param(((0, 0, 10, 4, 0.9, 2),), (CAT,), ["badly placed"], id="both wrong"),
        pytest.param(
            ((0, 0, 10, 10, 0.6, 1), (0, 0, 10, 8, 0.9, 1), (0, 0, 10, 10, 0.7, 2)),
            (CAT,),
            ["duplicate", "correct", "wrong class"],
            id="the better score takes it, not the better box",
        ),
        pytest.param(
            ((0, 0, 10, 10, 0.9, 1), (0, 0, 10, 10, 0.8, 1)),
            (CAT, (0, 0, 10, 9, 1)),
            ["correct", "correct"],
            id="two cats under two boxes",
        ),
        pytest.param(
            ((20, 0, 30, 10, 0.5, 2), (0, 0, 10, 10, 0.5, 1)), (CAT, DOG), ["correct"] * 2,
            id="a cat and a dog",
        ),
    ],
)  # fmt: skip
def test_kinds_of_errors(found, truth, kinds):
    assert error_kinds(detection(*found), target(*truth)) == kinds


def test_errors_name_their_object():
    found = detection(
        (0, 0, 10, 10, 0.9, 1),  # the cat
        (0, 0, 10, 9, 0.8, 1),  # the cat once more
        (20, 0, 30, 9, 0.7, 1),  # says cat, is the dog
        (20, 0, 30, 3, 0.6, 2),  # a slice of the dog
        (70, 70, 80, 80, 0.5, 2),  # nothing
    )
    assert explain_errors(found, target(CAT, DOG)) == [
        ("correct", 0), ("duplicate", 0), ("wrong class", 1), ("badly placed", 1), ("on background", -1),
    ]  # fmt: skip


def test_two_cats_under_two_boxes_are_two_objects():
    found = detection((0, 0, 10, 10, 0.8, 1), (0, 0, 10, 10, 0.9, 1))
    assert [e.gt_index for e in explain_errors(found, target(CAT, (0, 0, 10, 9, 1)))] == [1, 0]


@pytest.mark.parametrize("seed", range(6))
def test_explanations_have_the_kinds(seed):
    for found, truth in zip(*random_scenes(seed, most_boxes=40), strict=True):
        for threshold, background in ((0.5, 0.1), (0.75, 0.75), (0.3, 0.05)):
            errors = explain_errors(found, truth, threshold, background)
            assert [e.kind for e in errors] == error_kinds(found, truth, threshold, background)
            right = [e.gt_index for e in errors if e.kind == "correct"]
            assert len(right) == len(set(right))
