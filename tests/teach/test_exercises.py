"""Every exercise of the course: its stub fails, its solution passes, its mistakes are named."""

from __future__ import annotations

import importlib
import math
from typing import Any

import pytest
import shapecheck
import torch

from detlearn.boxes import PRIOR_LAYOUTS, PriorBox, coverage, make_priors
from detlearn.teach.exercises import (
    Exercise,
    WrongAnswer,
    all_exercises,
    exercises_of,
    nb00,
    nb02,
    nb08,
)

EXERCISES = all_exercises()
EVERY = pytest.mark.parametrize("exercise", EXERCISES, ids=lambda e: f"{e.notebook}.{e.key}")
EVERY_WRONG = pytest.mark.parametrize(
    ("exercise", "wrong"),
    [
        pytest.param(exercise, wrong, id=f"{exercise.notebook}.{exercise.key}-{number}")
        for exercise in EXERCISES
        for number, wrong in enumerate(exercise.wrong_answers)
    ],
)


def test_the_two_pattern_chapters_have_their_exercises() -> None:
    assert len(exercises_of("nb00")) >= 2
    assert len(exercises_of("nb02")) >= 4


def test_an_unknown_notebook_is_named() -> None:
    with pytest.raises(ValueError, match=r"notebook: expected one of nb00, .*, got 'nb99'"):
        exercises_of("nb99")


@EVERY
def test_key_module_and_docstring_agree(exercise: Exercise) -> None:
    module = importlib.import_module(f"detlearn.teach.exercises.{exercise.notebook}")
    assert getattr(module, exercise.key) is exercise
    assert f"`{exercise.key}`" in (module.__doc__ or "")


@EVERY
def test_stub_is_not_yet_right(exercise: Exercise) -> None:
    verdict = exercise.check(exercise._define(exercise.stub))
    assert not verdict
    assert repr(verdict).startswith("not yet: ")


@EVERY
@pytest.mark.parametrize("seed", [0, 1])
def test_solution_passes(exercise: Exercise, seed: int) -> None:
    verdict = exercise.check(exercise.reference(), seed)
    assert verdict, verdict
    assert repr(verdict).startswith("✓ ")


@EVERY
def test_shape_comments_of_the_solution_are_right(exercise: Exercise) -> None:
    registry = shapecheck.Registry()
    namespace: dict[str, Any] = {"math": math, "torch": torch}
    shapecheck.prepare(namespace, registry)
    tree = shapecheck.instrument(exercise.solution_source, "solution.py", registry)
    exec(compile(tree, "solution.py", "exec"), namespace)
    verdict = exercise.check(namespace[exercise.key])
    assert verdict, verdict
    assert all(comment.seen for comment in registry.comments.values())


@EVERY_WRONG
@pytest.mark.parametrize("seed", [0, 1])
def test_wrong_answer_gets_its_own_message(
    exercise: Exercise, wrong: WrongAnswer, seed: int
) -> None:
    verdict = exercise.check(exercise._define(wrong.source), seed)
    assert not verdict
    assert repr(verdict) == "✗ " + wrong.message


@EVERY
def test_form(exercise: Exercise) -> None:
    messages = [wrong.message for wrong in exercise.wrong_answers]
    assert len(set(messages)) == len(messages) >= 6
    assert len(exercise.hints) >= 2
    assert exercise.key in exercise.prompt
    for source in (exercise.stub, exercise.solution_source):
        lines = source.splitlines()
        assert len(lines) <= 25
        assert max(map(len, lines)) <= 76


@EVERY
def test_empty_answers_are_not_yet_right(exercise: Exercise) -> None:
    for empty in (None, ...):
        assert repr(exercise.check(empty)).startswith("not yet: ")


@EVERY
def test_a_body_that_raises_not_implemented_is_not_yet_right(exercise: Exercise) -> None:
    if exercise.cases is None:  # asks for a value: a function is the wrong kind of answer
        assert "asks for its value" in repr(exercise.check(lambda: None))
        return

    def todo(*_: Any) -> None:
        raise NotImplementedError

    assert repr(exercise.check(todo)).startswith("not yet: ")


def test_a_call_instead_of_the_function() -> None:
    assert repr(nb02.prior_count.check(8732)) == (
        "✗ check wants the function itself, check(prior_count), and got 8732. "
        "Leave out the parentheses of the call."
    )


def test_an_exception_becomes_a_sentence_with_the_students_line() -> None:
    source = "def prior_count(a, b):\n    total = 1\n    return total / (len(a) - len(a))"
    answer = nb02.prior_count._define(source)
    assert repr(nb02.prior_count.check(answer)) == (
        "✗ prior_count((1,), ((),)) stopped in line 3, `return total / (len(a) - len(a))`: "
        "ZeroDivisionError: division by zero"
    )


def test_an_exception_in_a_library_names_the_students_line() -> None:
    source = "def share_covered(boxes, priors, threshold):\n    return boxes @ priors"
    verdict = nb02.share_covered.check(nb02.share_covered._define(source))
    assert "stopped in line 2, `return boxes @ priors`: RuntimeError" in repr(verdict)
    assert "\n" not in repr(verdict)


def test_wrong_number_of_arguments() -> None:
    verdict = nb02.prior_count.check(lambda: 3)
    assert "TypeError" in repr(verdict)


def test_changing_the_arguments_is_refused() -> None:
    def to_fractions(boxes: torch.Tensor, height: int, width: int) -> torch.Tensor:
        boxes /= 2
        return boxes

    assert "changes its arguments" in repr(nb00.to_fractions.check(to_fractions))


UNFORESEEN = [
    ("shape", lambda h, s, i: torch.zeros(3), "cell_centers(1, 300, 300): expected shape (1, 2), got (3,)."),
    ("kind", lambda h, s, i: torch.zeros(h * h, 2, dtype=torch.int64), "cell_centers(1, 300, 300): expected reals, got integers (tensor([[0, 0]]))."),
    ("value", lambda h, s, i: torch.zeros(h * h, 2), "cell_centers(1, 300, 300): at [0, 0] expected 0.5, got 0 (shape (1, 2) is right)."),
    ("type", lambda h, s, i: "text", "cell_centers(1, 300, 300): expected tensor([[0.5, 0.5]]), got 'text'."),
    ("list", lambda h, s, i: [[0.5, 0.5]], "cell_centers(1, 300, 300): expected tensor([[0.5, 0.5]]), got [[0.5, 0.5]]. Return a tensor and not a list."),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "message"), [
    pytest.param(*case[1:], id=case[0]) for case in UNFORESEEN
])  # fmt: skip
def test_an_unforeseen_answer_is_shown_the_first_case_that_differs(
    answer: Any, message: str
) -> None:
    assert repr(nb02.cell_centers.check(answer)) == "✗ " + message


def test_lists_of_maps_are_not_printed() -> None:
    """A result of 3 levels with 2 scales; the sentence says where it differs, not all numbers."""
    verdict = nb08.gather.check(lambda levels: [maps[0] for maps in levels])
    assert "expected 2 items, got 3." in verdict.message
    verdict = nb08.gather.check(lambda levels: [maps[:, :1] for maps in levels[0]])
    assert "item 0: expected shape" in verdict.message
    for said in (verdict.message, nb08.gather.check(lambda levels: levels).message):
        assert "tensor([[" not in said
        assert len(said) < 300


def test_a_right_answer_in_another_precision_is_right() -> None:
    answer = nb02.cell_centers.reference()
    assert nb02.cell_centers.check(lambda *case: answer(*case).double())
    assert nb02.cell_centers.check(lambda *case: answer(*case).numpy())


def test_a_count_is_an_integer() -> None:
    count = nb02.prior_count.reference()
    assert repr(nb02.prior_count.check(lambda *case: count(*case) / 1)) == (
        "✗ prior_count((1,), ((),)): expected integers, got reals (2.0)."
    )


def test_a_tensor_without_dimensions_is_a_number() -> None:
    count = nb00.count_detections.reference()
    assert nb00.count_detections.check(lambda *case: torch.tensor(count(*case)))


def test_nothing_returned_for_some_cases_is_wrong_and_not_unfinished() -> None:
    def prior_count(map_sizes: Any, aspect_ratios: Any) -> int | None:
        return 2 if len(map_sizes) == 1 else None

    assert repr(nb02.prior_count.check(prior_count)) == (
        "✗ prior_count((2, 1), ((2,), ())): expected 18, got None."
    )


def test_hints_progress_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    exercise = Exercise("nb02", "x", "x", "x = ...", "x = 3", ("first", "second"), ())
    for _ in range(3):
        exercise.hint()
    exercise.hint(1)
    assert capsys.readouterr().out.splitlines() == [
        "hint 1 of 2: first",
        "hint 2 of 2: second",
        "(nb02.x.solution() prints a solution)",
        "hint 2 of 2: second",
        "(nb02.x.solution() prints a solution)",
        "hint 1 of 2: first",
    ]
    with pytest.raises(ValueError, match="expected 1 to 2, got 0"):
        exercise.hint(0)


def test_solution_prints_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    nb02.prior_count.solution()
    assert capsys.readouterr().out == nb02.prior_count.solution_source + "\n"


def test_an_exercise_may_ask_for_a_value() -> None:
    wrong = WrongAnswer("x = 4", "four is even")
    exercise = Exercise("nb02", "x", "x", "x = ...", "x = 3", ("odd",), (wrong,))
    assert repr(exercise.check(...)) == "not yet: x is still empty; replace the dots."
    assert repr(exercise.check(3)) == "✓ x is right."
    assert repr(exercise.check(4)) == "✗ four is even"
    assert repr(exercise.check(5)) == "✗ x is 5, which is not the answer."
    assert "is a function" in repr(exercise.check(lambda: 3))


def test_a_source_that_does_not_define_its_key_is_refused() -> None:
    exercise = Exercise("nb02", "x", "x", "x = ...", "y = 3", ("odd",), ())
    with pytest.raises(ValueError, match="does not define x"):
        exercise.check(3)


# ------------------------------------------------------- the solutions and the package agree


@pytest.mark.parametrize("name", sorted(PRIOR_LAYOUTS))
def test_solutions_of_nb02_agree_with_the_package(name: str) -> None:
    config = PRIOR_LAYOUTS[name]
    box = PriorBox(config)
    if config.max_sizes:
        count = nb02.prior_count.reference()(config.map_sizes, config.aspect_ratios)
        assert count == config.num_priors
    for level in range(config.num_levels):
        if config.max_sizes:
            sizes = nb02.cell_sizes.reference()(
                config.min_sizes[level],
                config.max_sizes[level],
                config.aspect_ratios[level],
                config.image_size,
            )
            torch.testing.assert_close(sizes, box.sizes(level).float(), atol=1e-6, rtol=0)
        centers = nb02.cell_centers.reference()(
            config.map_sizes[level], config.steps[level], config.image_size
        )
        torch.testing.assert_close(centers, box.centers(level).float(), atol=1e-6, rtol=0)
    for index in (0, config.num_priors // 2, config.num_priors - 1):
        found = nb02.find_prior.reference()(index, config.map_sizes, config.priors_per_cell)
        assert found == tuple(box.locate(index))


def test_share_covered_agrees_with_coverage() -> None:
    boxes = torch.tensor([[0.1, 0.1, 0.3, 0.4], [0.5, 0.5, 0.52, 0.98], [0.0, 0.0, 1.0, 1.0]])
    priors = make_priors(PRIOR_LAYOUTS["ssd300_voc"])
    share = nb02.share_covered.reference()(boxes, priors, 0.5)
    assert share == float((coverage(boxes, priors) >= 0.5).float().mean())


def test_some_parts_of_a_value_can_be_checked_before_the_others() -> None:
    """Dots stand for a task that is still to come: neither right nor wrong."""
    value = Exercise(
        notebook="nb00", key="pair", prompt="", stub="pair = ...", hints=(),
        solution_source="pair = (1, 2, 3)", wrong_answers=(), look_at=("one", "two", "three"),
    )  # fmt: skip
    verdict = value.check((1, 2, ...))
    assert not verdict
    assert "not yet: right so far, of 3 parts: 1 and 2." in repr(verdict)
    wrong = repr(value.check((1, 5, ...)))
    assert "Part 2: two" in wrong
    assert "Part 3" not in wrong
    assert "not yet: pair is still empty" in repr(value.check((..., ..., ...)))
    assert value.check((1, 2, 3))
