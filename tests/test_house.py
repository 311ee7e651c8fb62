"""The house rules that no linter knows: short files, short functions, no private name borrowed.

An exception is named below with its reason.  One that is no longer needed is a failure, too: the
lists can only get shorter.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 400  # of a file
MOST_IN_A_FUNCTION = 60  # lines of code; the docstring is not counted

EXERCISES = "all tasks, hints and checks of one chapter, one after the other"

LONG_FILES = {
    "detlearn/teach/exercises/nb01.py": EXERCISES,
    "detlearn/teach/exercises/nb02.py": EXERCISES,
    "detlearn/teach/exercises/nb03.py": EXERCISES,
    "detlearn/teach/exercises/nb04.py": EXERCISES,
    "detlearn/teach/exercises/nb05.py": EXERCISES,
    "detlearn/teach/exercises/nb06.py": EXERCISES,
    "detlearn/teach/exercises/nb07.py": EXERCISES,
    "detlearn/teach/exercises/nb08.py": EXERCISES,
    "detlearn/teach/exercises/nb09.py": EXERCISES,
    "detlearn/teach/exercises/nb10.py": EXERCISES,
    "detlearn/teach/exercises/nb11.py": EXERCISES,
    "detlearn/teach/exercises/nb12.py": EXERCISES,
    "detlearn/teach/exercises/nb13.py": EXERCISES,
    "detlearn/teach/exercises/nb14.py": EXERCISES,
}
LONG_FUNCTIONS: dict[str, str] = {}
BORROWED: dict[str, str] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def modules(*folders: str) -> dict[str, ast.Module]:
    """Path below the root -> syntax tree, of every Python file in these folders."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in paths
    }


def code_lines(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    total = (function.end_lineno or 0) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        total -= (first.end_lineno or 0) - first.lineno + 1
    return total


def functions(node: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """(qualified name, function) of every function, also of those in classes and functions."""
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{getattr(child, 'name', '')}"
        if isinstance(child, Function):
            yield name, child
        scope = isinstance(child, Function | ast.ClassDef)
        yield from functions(child, f"{name}." if scope else prefix)


def private(name: str) -> bool:
    """`_x`, but not `__x__`, nor `_` alone, nor what every NamedTuple offers."""
    documented = ("_", "_asdict", "_fields", "_make", "_replace")
    return name.startswith("_") and not name.endswith("__") and name not in documented


def ours(node: ast.ImportFrom | ast.Import) -> bool:
    """Whether an import takes something from this repository."""
    if isinstance(node, ast.ImportFrom):
        names = [node.module or ""] if not node.level else ["detlearn"]
    else:
        names = [alias.name for alias in node.names]
    return any(name.split(".")[0] in ("detlearn", "tools", "experiments") for name in names)


def borrowed(tree: ast.AST) -> Iterator[str]:
    """Private names of another file: imported, or reached through something imported."""
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) and ours(n)]
    taken = {alias.asname or alias.name.split(".")[0] for n in imports for alias in n.names}
    for node in imports:
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if private(alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr):
            start = node.value
            while isinstance(start, ast.Attribute):
                start = start.value
            if isinstance(start, ast.Name) and start.id in taken:
                yield node.attr


def compare(found: dict[str, object], excused: dict[str, str], rule: str) -> None:
    new = {key: value for key, value in found.items() if key not in excused}
    assert new == {}, rule
    assert sorted(set(excused) - set(found)) == [], "no exception is needed any more: delete it"


def test_no_file_is_longer_than_anybody_reads_at_a_sitting():
    lengths = {
        path: (ROOT / path).read_text(encoding="utf-8").count("\n")
        for path in modules("detlearn", "tools", "experiments")
    }
    found = {path: lines for path, lines in lengths.items() if lines > MOST_LINES}
    compare(found, LONG_FILES, f"a file has at most {MOST_LINES} lines")


def test_no_function_is_longer_than_a_screen():
    found = {
        f"{path}:{name}": code_lines(function)
        for path, tree in modules("detlearn", "tools", "experiments").items()
        for name, function in functions(tree)
        if code_lines(function) > MOST_IN_A_FUNCTION
    }
    compare(found, LONG_FUNCTIONS, f"a function has at most {MOST_IN_A_FUNCTION} lines of code")


def test_no_private_name_is_borrowed():
    trees = modules("detlearn", "tools", "experiments", "benchmarks", "notebooks/src")
    found = {f"{path}:{name}": name for path, tree in trees.items() for name in borrowed(tree)}
    compare(found, BORROWED, "what another file uses has a public name")


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("from detlearn.models.m2det import _float32, BasicConv", ["_float32"]),
        ("from .loop import _step as step", ["_step"]),
        ("from detlearn.models import m2det\nm2det._float32()", ["_float32"]),
        ("import detlearn\ndetlearn.models.ssd._build(3)", ["_build"]),
        ("from detlearn.models import SSD\nSSD._heads", ["_heads"]),
        ("from detlearn._version import __version__\nself._own = __version__", []),
        ("import torch\ntorch._dynamo.reset()\nfrom torch import _C", []),
        ("from detlearn import models as _models\n_models.SSD.__name__", []),
    ],
)
def test_what_counts_as_borrowed(source, names):
    assert list(borrowed(ast.parse(source))) == names


def test_what_counts_as_long():
    source = 'class A:\n    def f(self):\n        """One.\n\n        Two."""\n        a = 1\n        def g():\n            return a\n'
    found = {name: code_lines(function) for name, function in functions(ast.parse(source))}
    assert found == {"A.f": 4, "A.f.g": 2}
