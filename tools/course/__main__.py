"""`python -m tools.course open|update|build|setup|explorers|check|lint|student`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from tools.course import lab
from tools.course.build import build, keep_outputs, renew_setup
from tools.course.check import check
from tools.course.clone import ROOT, BuildError, product_of, sources
from tools.course.explorers import renew_explorers
from tools.course.lint import lint
from tools.course.student import write_student_copies
from tools.course.update import update


def build_all(numbers: Sequence[str], root: Path) -> list[str]:
    """Build these chapters; the messages of those that could not be built."""
    problems = []
    for source in sources(numbers, root):
        started = time.perf_counter()
        try:
            path = build(source, root)
        except BuildError as error:
            problems.append(str(error))
            continue
        seconds, size = time.perf_counter() - started, path.stat().st_size / 1000
        print(f"{path.relative_to(root).as_posix()}: {seconds:.1f} s, {size:.0f} kB", flush=True)
    return problems


def keep_all(numbers: Sequence[str], root: Path) -> list[str]:
    """Write prose and tags of these chapters anew; what could not be kept."""
    problems = []
    for source in sources(numbers, root):
        try:
            print(keep_outputs(source, root).relative_to(root).as_posix())
        except BuildError as error:
            problems.append(str(error))
    return problems


def renew_all(numbers: Sequence[str], root: Path) -> list[str]:
    """Write the set-up cells of these chapters anew; nothing is executed, nothing can go wrong."""
    for source in sources(numbers, root):
        print(renew_setup(source, root).relative_to(root).as_posix())
    return []


def renew_all_explorers(numbers: Sequence[str], root: Path) -> list[str]:
    """Give the explorers of these chapters the program of today; nothing is executed."""
    for source in sources(numbers, root):
        print(renew_explorers(source, root).relative_to(root).as_posix())
    return []


def lint_all(numbers: Sequence[str], root: Path) -> list[str]:
    """Lint these chapters; what is wrong with them."""
    problems: list[str] = []
    for source in sources(numbers, root):
        if not product_of(source).exists():
            problems.append(f"{product_of(source).name}: not built")
            continue
        report = lint(product_of(source))
        print(report.summary)
        problems += report.problems
    return problems


def main(arguments: Iterable[str] | None = None, root: Path = ROOT) -> int:
    """The command line; the exit status is 0, 1 after a problem, 2 after a wrong command."""
    parser = argparse.ArgumentParser(prog="python -m tools.course", description="The notebooks.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("open", help="open JupyterLab on the first notebook")
    commands.add_parser("update", help="the newest course, with your answers in it")
    on_chapters = {
        "build": build_all,
        "setup": renew_all,
        "explorers": renew_all_explorers,
        "check": check,
        "lint": lint_all,
    }
    for name, words in (
        ("build", "execute sources and write notebooks"),
        ("setup", "write set-up cells anew, without executing"),
        ("explorers", "write explorers anew after a change of their program, without executing"),
        ("check", "do notebooks and sources agree?"),
        ("lint", "form, taught definitions, sizes"),
    ):
        command = commands.add_parser(name, help=words)
        if name == "build":
            command.add_argument(
                "--keep-outputs",
                action="store_true",
                help="write prose and tags anew, execute nothing; refused where code changed",
            )
        command.add_argument("chapters", nargs="*", metavar="NN", help="02; all when omitted")
    student = commands.add_parser("student", help="copies for a class")
    student.add_argument("--out", required=True, help="folder for student/ and instructor/")
    args = parser.parse_args(None if arguments is None else list(arguments))
    problems: list[str] = []
    try:
        if args.command == "open":
            lab.main()
        elif args.command == "update":
            print(*update(root), sep="\n")
        elif args.command == "student":
            print(*write_student_copies(args.out, root), sep="\n")
        elif args.command == "build" and args.keep_outputs:
            problems = keep_all(args.chapters, root)
        else:
            problems = on_chapters[args.command](args.chapters, root)
    except ValueError as error:
        problems = [str(error)]
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
