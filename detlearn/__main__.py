"""``python -m detlearn COMMAND``, which is one of

data, recipes, train, priors, replay, evaluate, report, check, detect, export, page, face-off,
student, grade, models.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import re
import select
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def run_student(args: argparse.Namespace) -> None:
    """``python -m detlearn student``: notebooks without solutions and notes, and with them."""
    clone = Path(__file__).resolve().parents[1]
    if not (clone / "tools" / "course").is_dir():
        raise ValueError(
            f"{clone} is no clone of the course: an installed package has no notebooks to copy"
        )
    sys.path.insert(0, str(clone))
    for path in importlib.import_module("tools.course.student").write_student_copies(
        args.out, seed=args.seed
    ):
        print(path)


def draw_samples(dataset: Any, model: Any, indices: Sequence[int], path: Path) -> None:
    """What a training draws after an epoch: the same few images, with what is found in them."""
    from .show import draw_scenes

    images = [dataset[index][0] for index in indices if index < len(dataset)]
    if images:
        found = model.detect(images, score_threshold=0.3)
        sheet = draw_scenes(
            list(zip(images, found, strict=True)), model.class_names,
            alt="Validation images, each with the objects found in it and their scores.",
        )  # fmt: skip
        sheet.save(path)


def run_models(args: argparse.Namespace) -> None:
    """``python -m detlearn models``: every model that can be created."""
    from . import list_models

    print("\n".join(list_models()))


def build_parser() -> argparse.ArgumentParser:
    """The parser of every shell command; each says what it does with ``--help``."""
    from . import __version__
    from .commands import detect, export, face_off, page
    from .data import download
    from .report import add_check
    from .report import add_commands as add_report
    from .teach.grading import add_command as add_grade
    from .training import recipes
    from .training.cli import add_commands

    parser = argparse.ArgumentParser(
        prog="detlearn", description="Single-shot detection, from a shell."
    )
    parser.add_argument("--version", action="version", version=f"detlearn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    download.add_commands(commands)
    recipes.add_commands(commands)
    add_commands(commands, draw_samples)
    add_report(commands)
    detect.add_command(commands)
    add_check(commands)
    export.add_command(commands)
    page.add_command(commands)
    face_off.add_command(commands)
    add_grade(commands)

    p = commands.add_parser("student", help="copies for a class", description=run_student.__doc__)
    p.set_defaults(run=run_student)
    p.add_argument("--out", default="class", help="folder to write student/ and instructor/ into "
                   "(default: class)")  # fmt: skip
    p.add_argument("--seed", type=int, help="of the checks' random cases, for a class with numbers "
                   "of its own (default: the course's)")  # fmt: skip

    p = commands.add_parser("models", help="list the models", description=run_models.__doc__)
    p.set_defaults(run=run_models)

    for command in commands.choices.values():
        command.description = (command.description or "").replace("``", "")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a shell command.

    Args:
        argv: arguments without the program's name; None takes the process's.

    Returns:
        exit status: 0; 1 if some of what was asked for could not be read; 2 after a message about
        what was asked for; 3 if another process of the run has ended; 130 after Ctrl-C; 141 if
        nobody reads what it prints any more (``| head``), without a word.
    """
    for stream in (sys.stdout, sys.stderr):  # a name that the code page lacks is written as \u...
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = build_parser().parse_args(arguments)
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    start = ["python"] if processes == 1 else ["torchrun", "--nproc-per-node", str(processes)]
    args.command_line = shlex.join([*start, "-m", "detlearn", *arguments])
    usual, warnings.formatwarning = warnings.formatwarning, _format_warning
    try:
        status = args.run(args) or 0
        print(end="", flush=True)  # a pipe that broke says so here, and not at exit
        return status
    except (ValueError, OSError, FloatingPointError) as error:
        if isinstance(error, BrokenPipeError) and _reader_has_gone():
            return 141
        # What a download says by hand to do keeps its lines.
        joined = "; ".join(line.strip() for line in str(error).splitlines())
        print(f"detlearn: {error if isinstance(error, OSError) else joined}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as error:
        where = f" by {error}" if str(error) else ""
        print(f"\ndetlearn: stopped{where}; a run continues with --resume", file=sys.stderr)
        return 130
    except RuntimeError as error:
        # Of several processes one has died; the others notice when they next wait for it.
        waited = re.search(r"gloo|nccl|connection (closed|reset)|timed out", str(error), re.I)
        if "WORLD_SIZE" not in os.environ or not waited:
            raise
        reason = str(error).splitlines()[0]
        print(f"detlearn: another process of this run has ended ({reason}); the run continues with "
              "the same command and --resume", file=sys.stderr)  # fmt: skip
        return 3
    finally:
        warnings.formatwarning = usual


def _reader_has_gone() -> bool:
    """Whether the pipe that broke is the one behind stdout; what is left then goes nowhere."""
    try:
        stdout = sys.stdout.fileno()
        poll = select.poll()
    except (AttributeError, OSError, ValueError):  # Windows; a stdout that is no file
        return False
    poll.register(stdout, select.POLLOUT)
    gone = any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    if gone:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stdout)
        os.close(nowhere)
    return gone


def _format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int,
    line: str | None = None,
) -> str:  # fmt: skip
    """A warning as a sentence, without the line of code that gave it."""
    return f"detlearn: note: {message}\n"


if __name__ == "__main__":
    sys.exit(main())
