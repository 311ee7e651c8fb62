"""What a chapter teaches is what the package holds: both texts are compared."""

from __future__ import annotations

import ast
import difflib
import importlib.util
import re
from pathlib import Path

__all__ = ["compare_definitions"]


def compare_definitions(source: str, target: str) -> str:
    """Compare a definition in a cell with the package's.

    Docstrings, comments and annotations are left aside, and so are guards (`if ...: raise ...`, a
    call of `check_...` for its exception alone), which a first lesson may omit. Shape comments
    are compared: wherever a statement of the cell has one, the package says the same.

    Args:
        source: text of the cell.
        target: `module:name`; a method, `module:Class.method`, stands in the cell as a function
            below `@method_of(Class)` or inside the class.

    Returns:
        The differences as lines of a diff; an empty string if there are none.

    Raises:
        ValueError: the module, or the definition in either, does not exist.
    """
    module, _, path = target.partition(":")
    spec = importlib.util.find_spec(module) if module.split(".")[0] == "detlearn" else None
    if spec is None or spec.origin is None or not path:
        raise ValueError(f"{target}: expected detlearn.MODULE:NAME")
    found = _find(module, path)
    if found is None:
        raise ValueError(f"{target}: {module} defines no {path}")
    package, theirs = found
    ours = ast.parse(source)
    lesson = _definition(ours, path) or _definition(ours, path.split(".")[-1])
    if lesson is None:
        raise ValueError(f"{target}: the cell does not define {path}")
    remarks = _shape_remarks(lesson, source), _shape_remarks(package, theirs)
    first, second = (_plain(node) for node in (lesson, package))
    if ast.dump(first) != ast.dump(second):
        diff = difflib.unified_diff(
            ast.unparse(second).splitlines(),
            ast.unparse(first).splitlines(),
            "package",
            "notebook",
            lineterm="",
            n=1,
        )
        return "\n".join(list(diff)[:20])
    return "\n".join(
        f"the notebook says {ours} where the package says {remarks[1][statement]}"
        for statement, ours in remarks[0].items()
        if remarks[1].get(statement, ours) != ours
    )


def _find(module: str, path: str) -> tuple[ast.stmt, str] | None:
    """A definition and the text of its file: the module's own, or one that it hands on."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return None
    text = Path(spec.origin).read_text(encoding="utf-8")
    tree = ast.parse(text)
    own = _definition(tree, path)
    if own is not None:
        return own, text
    package = module if spec.submodule_search_locations else module.rpartition(".")[0]
    for node in tree.body:
        names = [alias.name for alias in node.names] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom) and node.level and path.split(".")[0] in names:
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            return _find(source, path)
    return None


def _definition(tree: ast.Module | ast.ClassDef, path: str) -> ast.stmt | None:
    name, _, rest = path.partition(".")
    for node in tree.body:
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if getattr(node, "name", None) == name or name in names:
            if not rest:
                return node
            return _definition(node, rest) if isinstance(node, ast.ClassDef) else None
    return None


def _plain(node: ast.stmt) -> ast.stmt:
    """A copy without docstrings, annotations, guards and `@method_of`."""
    copy = ast.parse(ast.unparse(node)).body[0]
    for part in ast.walk(copy):
        body = getattr(part, "body", None)
        if not isinstance(body, list):
            continue
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            if ast.get_docstring(part, clean=False) is not None:
                body = body[1:]
            part.decorator_list = [d for d in part.decorator_list if not _is_method_of(d)]
        if isinstance(part, ast.FunctionDef):
            part.returns = None
            every = (*part.args.posonlyargs, *part.args.args, *part.args.kwonlyargs)
            for argument in (*every, part.args.vararg, part.args.kwarg):
                if argument is not None:
                    argument.annotation = None
        body = [statement for statement in body if not _is_guard(statement)]
        part.body = [  # type: ignore[attr-defined]
            _without_annotation(statement, isinstance(part, ast.ClassDef)) for statement in body
        ] or [ast.Pass()]
    return ast.parse(ast.unparse(ast.fix_missing_locations(copy))).body[0]


def _is_method_of(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "method_of"


def _is_guard(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call):
        return ast.unparse(statement.value.func).startswith(("check_", "_check_"))
    return (
        isinstance(statement, ast.If)
        and not statement.orelse
        and len(statement.body) == 1
        and isinstance(statement.body[0], ast.Raise)
    )


def _without_annotation(statement: ast.stmt, is_field: bool) -> ast.stmt:
    if not isinstance(statement, ast.AnnAssign):
        return statement
    if is_field:  # of a dataclass: the annotation makes the field, its text does not matter
        statement.annotation = ast.Constant(...)
        return statement
    if statement.value is None:
        return ast.copy_location(ast.Pass(), statement)
    return ast.copy_location(ast.Assign([statement.target], statement.value), statement)


def _shape_remarks(node: ast.stmt, source: str) -> dict[str, str]:
    """Statement -> the shape comment at its end."""
    lines = source.splitlines()
    remarks = {}
    for part in ast.walk(node):
        if isinstance(part, ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Return):
            rest = lines[(part.end_lineno or 1) - 1].partition("#")[2].strip()
            shape = re.match(r"\([A-Z0-9][^)]*\)", rest)
            if shape:
                remarks[ast.unparse(_without_annotation(part, False))] = shape[0]
    return remarks
