"""How an exercise is declared, and how an answer is checked.

An exercise is text and a generator of cases: the stub that the notebook shows, a solution,
hints, and the wrong answers that students really give, each with what to tell them. Nobody
writes code that recognises a mistake: an answer that behaves, on every case, like one of the
listed wrong ones gets its message. What no list foresaw gets the first case that differs.
"""

from __future__ import annotations

import copy
import linecache
import math
import re
import textwrap
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from ..solved import note_solved
from .compare import describe, difference, same, whole

__all__ = ["Case", "Exercise", "Verdict", "WrongAnswer", "integer", "integers"]

Case = tuple[Any, ...]  # the arguments of one call


def integer(generator: torch.Generator, low: int, high: int) -> int:
    """A random integer for a case, both ends included."""
    return int(torch.randint(low, high + 1, (), generator=generator))


def integers(generator: torch.Generator, low: int, high: int, number: int) -> tuple[int, ...]:
    """Random integers for a case, both ends included."""
    return tuple(torch.randint(low, high + 1, (number,), generator=generator).tolist())


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """What a check says; its repr is the sentence, so that a notebook shows it.

    Args:
        state: "right", "wrong" or "not yet".
        message: the sentence.
    """

    state: str
    message: str

    def __bool__(self) -> bool:
        return self.state == "right"

    def __repr__(self) -> str:
        mark = {"right": "✓ ", "wrong": "✗ "}.get(self.state, "not yet: ")
        return mark + self.message


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """A typical mistake: source that makes it, and what its author should hear."""

    source: str
    message: str


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What an answer did with one case: returned a value, or raised."""

    value: Any = None
    error: BaseException | None = None


@dataclass(eq=False, repr=False)
class Exercise:
    """One exercise.

    Args:
        notebook: the module it lives in, `"nb02"`.
        key: its name in that module, and the name of the function or value it asks for.
        prompt: what to produce and how to know that it works, one or two sentences.
        stub: source shown to the student; defines `key`.
        solution: source of a right answer; defines `key`.
        hints: from a nudge to nearly the answer.
        wrong_answers: at least six; each must behave unlike the solution and the others.
        cases: draws the arguments to try, the ones checkable by hand first; None if the
            exercise asks for a value and not for a function.
        praise: said with the tick: what the student may now conclude.
        tolerance: largest absolute difference of real numbers that still counts as equal.
        look_at: for a value of several parts, what to look at for each; said when a part is wrong
            and is none of the listed mistakes.
        any_order: the numbers of the parts that are sets: (1, 0) there is (0, 1).

    >>> from detlearn.teach.exercises import nb02
    >>> nb02.prior_count.check(lambda map_sizes, aspect_ratios: ...)
    not yet: prior_count returns nothing; replace the dots and end with `return`.
    """

    notebook: str
    key: str
    prompt: str
    stub: str
    solution_source: str
    hints: tuple[str, ...]
    wrong_answers: tuple[WrongAnswer, ...]
    cases: Callable[[torch.Generator], Iterable[Case]] | None = None
    praise: str = ""
    tolerance: float = 1e-5
    look_at: tuple[str, ...] = ()
    any_order: tuple[int, ...] = ()
    _hints_given: int = field(default=0, init=False)
    _values: dict[str, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.stub = textwrap.dedent(self.stub).strip()
        self.solution_source = textwrap.dedent(self.solution_source).strip()

    def __repr__(self) -> str:
        return f"{self.notebook}.{self.key}: {self.prompt}"

    # ------------------------------------------------------------------ what a student calls

    def check(self, answer: Any, seed: int = 0) -> Verdict:
        """Compare an answer with the reference; never raises for what the student wrote.

        Args:
            answer: the function (without parentheses) or the value asked for.
            seed: of the random cases.

        Returns:
            A `Verdict`, true if the answer is right; the same for the same answer and seed. A
            right one is written down for `detlearn.teach.progress`.
        """
        if _is_empty(answer):
            return self._not_yet(f"{self.key} is still empty; replace the dots.")
        if self.cases is None:
            return self._check_value(answer)
        if not callable(answer):
            return Verdict(
                "wrong",
                f"check wants the function itself, check({self.key}), and got "
                f"{describe(answer)}. Leave out the parentheses of the call.",
            )
        cases = list(self.cases(torch.Generator().manual_seed(seed)))
        expected = self._outcomes(self.reference(), cases)
        given = []
        for case in cases:
            arguments = copy.deepcopy(case)
            outcome = _run(answer, arguments)
            if isinstance(outcome.error, NotImplementedError):
                return self._not_yet(f"{self.key} raises NotImplementedError; write its body.")
            if outcome.error is None and not same(arguments, case, 0.0):
                return Verdict(
                    "wrong",
                    f"{self.key} changes its arguments. Work on a copy (`x = x * 2` makes one, "
                    "`x *= 2` does not): the caller still needs them.",
                )
            given.append(outcome)
        if all(outcome.error is None and _is_empty(outcome.value) for outcome in given):
            return self._not_yet(
                f"{self.key} returns nothing; replace the dots and end with `return`."
            )
        fair = _as_reals(given, expected)
        if self._agree(fair, expected):
            return self._right()
        for wrong in self.wrong_answers:
            if self._behaves_like(self._define(wrong.source), cases, given):
                return Verdict("wrong", wrong.message)
        return self._first_difference(answer, cases, expected, fair)

    def hint(self, number: int | None = None) -> None:
        """Print the next hint, or hint `number` (from 1)."""
        if number is None:
            number = self._hints_given + 1
        if not 1 <= number:
            raise ValueError(f"number: expected 1 to {len(self.hints)}, got {number}")
        self._hints_given = number = min(number, len(self.hints))
        print(f"hint {number} of {len(self.hints)}: {self.hints[number - 1]}")
        if number == len(self.hints):
            print(f"({self.notebook}.{self.key}.solution() prints a solution)")

    def solution(self) -> None:
        """Print the source of a solution."""
        print(self.solution_source)

    # ------------------------------------------------------------------ what tests call

    def reference(self) -> Any:
        """The function, or value, that the solution defines."""
        return self._define(self.solution_source)

    def _define(self, source: str) -> Any:
        source = textwrap.dedent(source).strip() + "\n"
        name = f"<{self.notebook}.{self.key} {hash(source)}>"
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        namespace: dict[str, Any] = {"math": math, "torch": torch}
        exec(compile(source, name, "exec"), namespace)
        if self.key not in namespace:
            raise ValueError(f"{self.notebook}.{self.key}: its source does not define {self.key}")
        return namespace[self.key]

    # ------------------------------------------------------------------ inside

    def _right(self) -> Verdict:
        note_solved(f"{self.notebook}.{self.key}")
        return Verdict("right", f"{self.key} is right. {self.praise}".rstrip())

    def _not_yet(self, message: str) -> Verdict:
        return Verdict("not yet", message)

    def _outcomes(self, function: Callable[..., Any], cases: list[Case]) -> list[_Outcome]:
        return [_run(function, copy.deepcopy(case)) for case in cases]

    def _agree(self, first: list[_Outcome], second: list[_Outcome]) -> bool:
        for a, b in zip(first, second, strict=True):
            if type(a.error) is not type(b.error):
                return False
            if a.error is None and not same(a.value, b.value, self.tolerance):
                return False
        return True

    def _behaves_like(
        self, function: Callable[..., Any], cases: list[Case], given: list[_Outcome]
    ) -> bool:
        """Whether a listed mistake does the same with every case; most differ at the first."""
        for case, got in zip(cases, given, strict=True):
            other = _run(function, copy.deepcopy(case))
            if not self._agree([got], [other]) or _called_wrongly(got, other):
                return False
        return True

    def _value(self, source: str) -> Any:
        """The value that a source defines, computed once: some ask a trained network."""
        if source not in self._values:
            self._values[source] = self._define(source)
        return self._values[source]

    def _check_value(self, answer: Any) -> Verdict:
        reference = self._value(self.solution_source)
        answer = self._in_order(answer)
        if callable(answer) and not callable(reference):
            return Verdict("wrong", f"{self.key} is a function; the exercise asks for its value.")
        if self._is_value(answer, reference):
            return self._right()
        for wrong in self.wrong_answers:
            if self._is_value(answer, self._value(wrong.source)):
                return Verdict("wrong", wrong.message)
        if isinstance(answer, tuple | list) and isinstance(reference, tuple | list):
            if len(answer) != len(reference):
                return Verdict(
                    "wrong", f"{self.key} has {len(answer)} parts, expected {len(reference)}."
                )
            filled = [k for k, part in enumerate(answer) if part is not ...]
            if not filled:
                return self._not_yet(f"{self.key} is still empty; replace the dots.")
            if all(self._is_value(answer[k], reference[k]) for k in filled):
                right = _listed(filled)
                return self._not_yet(f"right so far, of {len(reference)} parts: {right}.")
            return Verdict("wrong", self._wrong_parts(answer, reference))
        return Verdict("wrong", f"{self.key} is {describe(answer)}, which is not the answer.")

    def _in_order(self, answer: Any) -> Any:
        """The answer, the parts in which order does not count sorted."""
        if not isinstance(answer, tuple | list):
            return answer
        parts = [*answer]
        for k in self.any_order:
            part = parts[k] if k < len(parts) else None
            if isinstance(part, tuple | list | set) and all(
                isinstance(item, int | float) for item in part
            ):
                parts[k] = tuple(sorted(part))
        return type(answer)(parts)

    def _wrong_parts(self, answer: Any, reference: Any) -> str:
        """Which parts of a value are wrong, and for each its own mistake, or what to look at."""
        pairs = list(zip(answer, reference, strict=True))
        numbers = [k for k, (a, b) in enumerate(pairs) if a is not ... and not self._is_value(a, b)]
        named = _listed(numbers)
        parts = f"part {named}" if len(numbers) == 1 else f"parts {named}"
        verb = "is" if len(numbers) == 1 else "are"
        said = [
            f"{self.key}: {parts} of {len(reference)} {verb} not right yet "
            f"(you have {describe(answer)})."
        ]
        for k in numbers:
            told = self._part_message(answer, reference, k)
            if told:
                said.append(f"Part {k + 1}: {told}")
        return " ".join(said)

    def _part_message(self, answer: Any, reference: Any, k: int) -> str:
        """The message of the listed mistake that is wrong in part k alone, and there like this."""
        only_k = [*reference]
        only_k[k] = answer[k]
        for wrong in self.wrong_answers:
            if self._is_value(only_k, list(self._value(wrong.source))):
                return wrong.message
        return self.look_at[k] if k < len(self.look_at) else ""

    def _is_value(self, answer: Any, wanted: Any) -> bool:
        """Equality of values read off a figure: 304.0, a formula's result, is 304."""
        return same(answer, wanted, self.tolerance) or same(
            whole(answer), whole(wanted), self.tolerance
        )

    def _first_difference(
        self,
        answer: Callable[..., Any],
        cases: list[Case],
        expected: list[_Outcome],
        given: list[_Outcome],
    ) -> Verdict:
        for case, wanted, got in zip(cases, expected, given, strict=True):
            if got.error is None and wanted.error is None:
                if same(got.value, wanted.value, self.tolerance):
                    continue
            call = f"{self.key}({', '.join(describe(argument) for argument in case)})"
            if got.error is not None:
                problem = f"{type(got.error).__name__}: {got.error}".strip().splitlines()[0]
                return Verdict("wrong", f"{call} stopped{_where(answer, got.error)}: {problem}")
            return Verdict("wrong", f"{call}: {difference(got.value, wanted.value)}")
        raise AssertionError("unreachable: the outcomes differ somewhere")


def _called_wrongly(given: _Outcome, other: _Outcome) -> bool:
    """Whether an answer takes other arguments, which the mistake that it resembles does not."""
    arguments = re.compile(r"positional argument|unexpected keyword|takes no arguments")
    return bool(arguments.search(str(given.error))) != bool(arguments.search(str(other.error)))


def _as_reals(given: list[_Outcome], expected: list[_Outcome]) -> list[_Outcome]:
    """`return 0` where 0.0 is expected says the same; the other way round 2.0 is no index."""
    return [
        _Outcome(float(got.value)) if (type(got.value), type(wanted.value)) == (int, float) else got
        for got, wanted in zip(given, expected, strict=True)
    ]


def _listed(numbers: list[int]) -> str:
    """Parts, counted from 1: "1", "1 and 3", "1, 2 and 4"."""
    *most, last = [str(number + 1) for number in numbers]
    return f"{', '.join(most)} and {last}" if most else last


def _is_empty(value: Any) -> bool:
    return value is None or value is ...


def _run(function: Callable[..., Any], arguments: Case) -> _Outcome:
    try:
        return _Outcome(function(*arguments))
    except Exception as error:  # whatever a student's code does becomes a sentence
        return _Outcome(error=error)


def _where(answer: Any, error: BaseException) -> str:
    """The deepest line of the student's own function that was running."""
    filename = getattr(getattr(answer, "__code__", None), "co_filename", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename == filename and frame.lineno]
    if not own:
        return ""
    text = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return f" in line {own[-1].lineno}" + (f", `{text}`" if text else "")
