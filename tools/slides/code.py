"""The code of a cell as an audience reads it: what computes, not what draws or imports.

The notebook keeps every line; a slide leaves out imports, the words and measures that a figure is
drawn with, its alternative text, and, where a cell only draws, all of it.
"""

from __future__ import annotations

import ast
import re

__all__ = ["LONG", "last_statement", "shown_code", "steps_of"]

LONG = 12  # lines that a slide shows at full size; more are stepped through
COLUMNS = 76
DRAWS = re.compile(r"show|figure|plt")  # what the name of a call that draws begins with


def shown_code(source: str, drew: bool = False) -> str:
    """What a slide shows of a cell.

    Args:
        source: of the cell.
        drew: whether a figure is among its outputs.

    Returns:
        Python, or the empty string where the cell only imports, or only draws.

    >>> shown_code("import torch\\nx = 1\\nshow.draw_boxes(x, width=6, alt='A box.')", drew=True)
    'x = 1\\nshow.draw_boxes(x)'
    >>> shown_code("show.draw_boxes(x, alt='A box.')", drew=True)
    ''
    """
    try:
        body = ast.parse(source).body
    except SyntaxError:  # a line magic
        return source
    lines = source.splitlines()
    pieces: list[tuple[ast.stmt, str]] = []
    dropped: set[str] = set()
    start = 0
    for node in body:
        whole = "\n".join(lines[start : node.end_lineno])
        text, start = whole.strip("\n"), int(node.end_lineno or 0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if drew and _draws(node):
            text, names = _plain_call(node, text)
            dropped |= names
        pieces.append((node, "\n" * whole.startswith("\n") + text))
    rest = "\n".join(lines[start:]).strip("\n")
    if drew:
        pieces = _without_measures(pieces, dropped)
        if all(_draws(node) for node, _ in pieces):
            return ""
    if sum(text.count("\n") + 1 for _, text in pieces) > LONG:  # a check is no news
        pieces = [(node, text) for node, text in pieces if not isinstance(node, ast.Assert)]
    shown = "\n".join([text for _, text in pieces] + [rest] * bool(rest))
    return re.sub(r"\n{3,}", "\n\n", shown.strip("\n"))


def _draws(node: ast.stmt) -> bool:
    """Whether a statement is a call that draws."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call):
        return False
    name = ast.unparse(node.value.func)
    return bool(DRAWS.match(name)) or any(one.arg == "alt" for one in node.value.keywords)


def _plain_call(node: ast.stmt, text: str) -> tuple[str, set[str]]:
    """A call that draws, with what is drawn and without how; the names that only say how."""
    call = node.value  # type: ignore[attr-defined]
    kept = {name.id for one in call.args for name in ast.walk(one) if isinstance(name, ast.Name)}
    names = {
        name.id
        for one in call.keywords
        for name in ast.walk(one.value)
        if isinstance(name, ast.Name)
    }
    comments = [line for line in text.splitlines() if line.startswith("#")]
    function, shown = ast.unparse(call.func), [ast.unparse(one) for one in call.args]
    while shown and len(f"{function}({', '.join(shown)}, …)") > COLUMNS:
        shown.pop()
    more = ["…"] if len(shown) < len(call.args) else []
    return "\n".join([*comments, f"{function}({', '.join(shown + more)})"]), names - kept


def _without_measures(
    pieces: list[tuple[ast.stmt, str]], dropped: set[str]
) -> list[tuple[ast.stmt, str]]:
    """Without the assignments of literals that only a dropped argument used."""
    kept: list[tuple[ast.stmt, str]] = []
    used: set[str] = set()
    for node, text in reversed(pieces):
        if isinstance(node, ast.Assign) and not any(
            isinstance(one, ast.Call) for one in ast.walk(node.value)
        ):
            targets = {
                one.id
                for target in node.targets
                for one in ast.walk(target)
                if isinstance(one, ast.Name)
            }
            if targets and targets <= dropped and not targets & used:
                continue
        if not _draws(node):
            used |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}
        else:
            used |= set(re.findall(r"\w+", text))
        kept.append((node, text))
    return kept[::-1]


def last_statement(source: str, most: int = 4) -> str:
    """The statement that printed last, for a slide on which what it printed stands alone.

    >>> last_statement("x = 1\\nfor i in range(3):\\n    print(i)")
    'for i in range(3):\\n    print(i)'
    """
    try:
        body = [one for one in ast.parse(source).body if not _draws(one)]
        node = ([one for one in body if not isinstance(one, ast.Assert)] or body)[-1]
    except (SyntaxError, IndexError):
        return ""
    lines = source.splitlines()[node.lineno - 1 : node.end_lineno]
    if len(lines) > most:
        lines = [lines[0], "    …"] if lines[0].endswith(":") else [*lines[: most - 1], "    …"]
    return "\n".join(lines)


def steps_of(source: str) -> list[tuple[int, int]]:
    """The lines that are pointed at one after another, from 1: none where all fits at once.

    A step is a run of lines without an empty one between them; one longer than `LONG` is cut where
    the indentation is smallest.

    >>> steps_of("x = 1\\n" * 5)
    []
    >>> steps_of("a\\n" * 8 + "\\n" + "b\\n" * 8)
    [(1, 8), (10, 17)]
    """
    lines = source.splitlines()
    if len(lines) <= LONG:
        return []
    runs: list[tuple[int, int]] = []
    start = None
    for number, line in enumerate([*lines, ""], start=1):
        if line.strip() and start is None:
            start = number
        if not line.strip() and start is not None:
            runs.append((start, number - 1))
            start = None
    cut: list[tuple[int, int]] = []
    for first, last in runs:
        if cut and last - first < 2 and last - cut[-1][0] < LONG:
            cut[-1] = cut[-1][0], last  # a line or two are no step of their own
        else:
            cut += _cut(lines, first, last)
    return cut if len(cut) > 1 else []


def _cut(lines: list[str], first: int, last: int) -> list[tuple[int, int]]:
    if last - first < LONG:
        return [(first, last)]
    inner = range(first + 3, last - 1)  # no step of a line or two
    middle = (first + last) / 2

    def price(number: int) -> tuple[int, float]:
        line = lines[number - 1]
        hangs = line.lstrip().startswith((")", "]", "}"))
        return len(line) - len(line.lstrip()) + 99 * hangs, abs(number - middle)

    best = min(inner, key=price)
    return [*_cut(lines, first, best - 1), *_cut(lines, best, last)]
