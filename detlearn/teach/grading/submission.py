"""What a submitted notebook says, statement by statement.

An exercise is found by what it defines, not by its cell: students retype, split, move and delete
cells. Only the statements that an answer needs are run, so that a notebook which trains for a
minute is graded in a second, and one that fails in another place is graded all the same.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Statement", "Submission", "needed_for", "read_submission"]

MAX_BYTES = 50_000_000
MAX_LINES = 200  # of one broken statement


@dataclass(frozen=True)
class Statement:
    """One statement at the top level of a notebook.

    Attributes:
        source: its text.
        cell: number of its cell, from 1.
        defines: names that it binds.
        uses: names that it reads, also inside of functions.
        touches: names whose values it may change: `moves.append(3)`, `sizes[0] = 1`.
        imports: whether it is an import.
    """

    source: str
    cell: int
    defines: frozenset[str]
    uses: frozenset[str]
    touches: frozenset[str]
    imports: bool


@dataclass
class Submission:
    """A notebook that somebody handed in.

    Attributes:
        path: of the file.
        statements: in the order of the notebook.
        problems: what could not be read, one sentence each.
    """

    path: Path
    statements: list[Statement] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def definitions(self, name: str) -> list[Statement]:
        """The statements that bind a name."""
        return [one for one in self.statements if name in one.defines]


def read_submission(path: Path) -> Submission:
    """Read a notebook; never raises for what is in it.

    Args:
        path: an ``.ipynb``, or the ``.py`` of one.
    """
    found = Submission(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            found.problems.append(f"the file has more than {MAX_BYTES // 1_000_000} MB")
            return found
        text = path.read_bytes().decode("utf-8-sig")
        sources = [text] if path.suffix == ".py" else _sources(json.loads(text))
    except OSError as error:
        found.problems.append(f"cannot be read: {error.strerror or error}")
        return found
    except (ValueError, RecursionError):
        found.problems.append("is no notebook: its text is no JSON")
        return found
    if not sources:
        found.problems.append("holds no code")
    for number, source in enumerate(sources, start=1):
        statements, problem = _statements(source, number)
        found.statements += statements
        if problem:
            found.problems.append(problem)
    return found


def needed_for(submission: Submission, name: str, definition: Statement | None = None) -> list[str]:
    """The statements that a name needs, in the order of the notebook.

    Args:
        submission: a notebook.
        name: of a function or a value.
        definition: of several definitions the one to take; None, all of them in their order.

    Returns:
        Their sources: the definition, what it names, what that names, and every import.
    """
    others = set() if definition is None else {id(one) for one in submission.definitions(name)}
    if definition is not None:
        others.discard(id(definition))
    usable = [one for one in submission.statements if id(one) not in others]
    wanted = {name}
    taken = {id(one) for one in usable if one.imports}
    while True:
        more = [
            one for one in usable if id(one) not in taken and (one.defines | one.touches) & wanted
        ]
        if not more:
            break
        taken |= {id(one) for one in more}
        wanted |= {used for one in more for used in one.uses}
    return [one.source for one in usable if id(one) in taken]


def _sources(notebook: object) -> list[str]:
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    found = []
    for cell in cells if isinstance(cells, list) else ():
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            source = cell.get("source", "")
            if isinstance(source, list):
                source = "".join(part for part in source if isinstance(part, str))
            found.append(source if isinstance(source, str) else "")
    return found


def _statements(source: str, number: int) -> tuple[list[Statement], str]:
    """The statements of a cell, and a sentence if it is no Python."""
    source = source.replace("\0", "")
    if source.lstrip().startswith("%%"):
        return [], ""
    lines = source.splitlines()
    plain = "\n".join("pass" if re.match(r"\s*[%!?]", line) else line for line in lines)
    plain = re.sub(r"^(\s*[\w.]+)\?{1,2}$", r"\1", plain, flags=re.MULTILINE)
    try:
        return list(_parsed(plain, number)), ""
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        problem = f"cell {number} is no Python: {str(error).splitlines()[0][:100]}"
    rescued: list[Statement] = []
    for chunk in _chunks(textwrap.dedent(plain)):
        rescued += _longest(chunk.splitlines()[:MAX_LINES], number)
    return rescued, problem


def _longest(lines: list[str], number: int) -> list[Statement]:
    """The statements of as many lines from the first on as are Python."""
    for end in range(len(lines), 0, -1):
        try:
            return list(_parsed("\n".join(lines[:end]), number))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return []


def _chunks(source: str) -> Iterable[str]:
    """A text cut before every line that begins at its left edge."""
    chunk: list[str] = []
    for line in source.splitlines():
        edge = line[:1] not in ("", " ", "\t", ")", "]", "}", "#")
        continues = re.match(r"(else|elif|except|finally)\b", line)
        if edge and not continues and chunk and not chunk[-1].startswith("@"):
            yield "\n".join(chunk)
            chunk = []
        chunk.append(line)
    yield "\n".join(chunk)


def _parsed(source: str, number: int) -> Iterable[Statement]:
    for node in ast.parse(source).body:
        text = ast.unparse(node)
        defines, uses = _names(node)
        imports = isinstance(node, ast.Import | ast.ImportFrom)
        touched = frozenset(_touched(node))
        yield Statement(text, number, frozenset(defines), frozenset(uses), touched, imports)


def _touched(statement: ast.stmt) -> Iterable[str]:
    """Names whose values a statement may change without binding them anew."""
    for node in ast.walk(statement):
        changed: list[ast.AST] = []
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            changed = [node.value.func]
        elif isinstance(node, ast.Assign | ast.Delete):
            changed = list(node.targets)
        elif isinstance(node, ast.AugAssign):
            changed = [node.target]
        for target in changed:
            if isinstance(target, ast.Attribute | ast.Subscript):
                if isinstance(target.value, ast.Name):
                    yield target.value.id


def _names(statement: ast.stmt) -> tuple[set[str], set[str]]:
    defines: set[str] = set()
    uses: set[str] = set()
    inside: Sequence[type] = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)

    def visit(node: ast.AST, top: bool) -> None:
        if isinstance(node, ast.Name):
            stored = isinstance(node.ctx, ast.Store)
            if stored and top:
                defines.add(node.id)
            if not stored:
                uses.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and top:
            defines.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [(alias.asname or alias.name).split(".")[0] for alias in node.names]
            if top:
                defines.update(names)
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            uses.add(node.target.id)
        deeper = top and not isinstance(node, tuple(inside))
        for child in ast.iter_child_nodes(node):
            visit(child, deeper)

    visit(statement, True)
    return defines, uses
