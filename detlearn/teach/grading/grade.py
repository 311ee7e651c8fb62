"""From a folder of submitted notebooks to what everybody has solved."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ..exercises import Exercise, all_exercises, exercises_of
from .fence import missing_parts
from .pool import Program, ProgramEnded, Server
from .submission import Submission, needed_for, read_submission

__all__ = ["Grade", "find_submissions", "grade_all", "grade_submission"]

RIGHT, WRONG, NOT_YET, MISSING, NOT_RUN = "right", "wrong", "not yet", "missing", "did not run"
SKIPPED = {"__MACOSX", ".ipynb_checkpoints"}
COPIED = re.compile(r"\.\s*(reference\s*\(|solution_source\b)")


@dataclass(frozen=True, slots=True)
class Grade:
    """What became of one exercise of one submission.

    Attributes:
        student: the submission's path below the folder, without its ending.
        chapter: two digits, empty where it is not known.
        exercise: its name, empty for a submission that could not be read.
        state: ``"right"``, ``"wrong"``, ``"not yet"`` (still a stub), ``"missing"`` (nothing has
            its name) or ``"did not run"``.
        message: what the student is told.
    """

    student: str
    chapter: str
    exercise: str
    state: str
    message: str


def find_submissions(folder: Path) -> list[Path]:
    """The notebooks below a folder, in order of their paths.

    Args:
        folder: one notebook a student, or a folder each, as learning platforms export them.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: there is no notebook in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of submissions, got none")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".ipynb", ".py")
        and path.is_file()
        and not path.is_symlink()
        and not SKIPPED & set(path.relative_to(folder).parts)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]
    if not found:
        raise ValueError(f"{folder}: expected notebooks (*.ipynb), got none")
    return found


def chapter_of(submission: Submission) -> str:
    """Which chapter a notebook belongs to: by its name, by ``nbNN`` in its text, by its answers."""
    known = {exercise.notebook for exercise in all_exercises()}
    named = re.search(r"(?<!\d)(\d\d)[_ -]", submission.path.name)
    if named and f"nb{named[1]}" in known:
        return named[1]
    uses = Counter(
        name for one in submission.statements for name in (*one.uses, *one.defines) if name in known
    )
    if uses:
        return uses.most_common(1)[0][0][2:]
    defined = {name for one in submission.statements for name in one.defines}
    owners = Counter(one.notebook for one in all_exercises() if one.key in defined)
    return owners.most_common(1)[0][0][2:] if owners else ""


def grade_submission(
    path: Path, student: str, server: Server, *, seed: int = 0, seconds: float = 60.0
) -> list[Grade]:
    """Grade one notebook.

    Args:
        path: of the notebook.
        student: what it is called in the table.
        server: starts its program.
        seed: of the random cases of the checks.
        seconds: for each try to answer an exercise.

    Returns:
        a grade for each exercise of its chapter.
    """
    submission = read_submission(path)
    chapter = chapter_of(submission)
    if not chapter:
        said = "; ".join(submission.problems[:2]) or "it answers no exercise of the course"
        return [Grade(student, "", "", NOT_RUN, f"{path.name}: {said}")]
    return [
        Grade(student, chapter, one.key, *_grade(submission, one, server, seed, seconds))
        for one in exercises_of(f"nb{chapter}")
    ]


def _grade(
    submission: Submission, exercise: Exercise, server: Server, seed: int, seconds: float
) -> tuple[str, str]:
    definitions = submission.definitions(exercise.key)
    if not definitions:
        broken = next((p for p in submission.problems if "no Python" in p), "")
        return MISSING, f"nothing is called {exercise.key}" + (f"; {broken}" if broken else "")
    # As the notebook stands; then each definition by itself, the last one first (a stub may stand
    # below an answer); then the whole notebook, for answers that are put together elsewhere.
    tries: list[Callable[[], list[str]]] = [lambda: needed_for(submission, exercise.key)]
    if len(definitions) > 1:
        tries += [
            lambda one=one: needed_for(submission, exercise.key, one)  # type: ignore[misc]
            for one in reversed(definitions)
        ]
    tries.append(lambda: [one.source for one in submission.statements])
    outcomes = []
    for attempt in tries:
        sources = attempt()
        state, message = _try(sources, exercise, server, seed, seconds)
        if state == RIGHT:
            copied = any(COPIED.search(source) for source in sources)
            return state, message + (" (Its code calls the course's own answer.)" if copied else "")
        outcomes.append((state, message))
        if state == WRONG and len(outcomes) >= len(definitions):
            break
    order = (WRONG, NOT_YET, NOT_RUN, MISSING)
    return min(outcomes, key=lambda outcome: order.index(outcome[0]))


def _try(
    sources: Sequence[str], exercise: Exercise, server: Server, seed: int, seconds: float
) -> tuple[str, str]:
    with server.program(seconds) as program:
        try:
            problems = program.run(sources)
            answer = program.get(exercise.key)
            if answer is None and problems:
                return NOT_RUN, problems[0]
            return _verdict(exercise, answer, program, seed)
        except ProgramEnded as ended:
            return NOT_RUN, str(ended)


def _verdict(exercise: Exercise, answer: object, program: Program, seed: int) -> tuple[str, str]:
    verdict = exercise.check(answer, seed=seed)
    return verdict.state, verdict.message


def grade_all(
    folder: Path,
    *,
    seed: int = 0,
    seconds: float = 60.0,
    workers: int = 2,
    fenced: bool = True,
    told: Callable[[int, int], object] | None = None,
) -> list[Grade]:
    """Grade every notebook below a folder.

    Args:
        folder: see `find_submissions`.
        seed: of the random cases of the checks; another one than the students saw.
        seconds: for each try to answer an exercise.
        workers: programs at a time.
        fenced: run them behind a fence (see `detlearn.teach.grading.fence`).
        told: called with (how many are done, of how many).

    Raises:
        OSError: there is no such folder.
        ValueError: it holds no notebook, or this machine has no fence.
    """
    paths = find_submissions(folder)
    if fenced and (missing := missing_parts()):
        raise ValueError(
            f"this machine lacks {' and '.join(missing)}; run it on Linux, or in a container that "
            "holds nothing of value with --no-fence"
        )
    local, done, lock = threading.local(), 0, threading.Lock()
    servers: list[Server] = []

    def one(path: Path) -> list[Grade]:
        nonlocal done
        if not hasattr(local, "server"):
            local.server = Server(fenced)
            servers.append(local.server)
        student = path.relative_to(folder).with_suffix("").as_posix()
        grades = grade_submission(path, student, local.server, seed=seed, seconds=seconds)
        with lock:
            done += 1
            if told is not None:
                told(done, len(paths))
        return grades

    try:
        with ThreadPoolExecutor(max(1, min(workers, len(paths)))) as pool:
            found: Iterable[list[Grade]] = pool.map(one, paths)
            return [grade for grades in found for grade in grades]
    finally:
        for server in servers:
            server.close()
