"""Shape comments, verified at run time: `# (B, P, 4)` can no longer be wrong.

Every statement of `detlearn` that ends with a shape comment is compiled with a call around its
value, so that each execution compares the comment with the tensor. Nothing is traced: the check
is part of the code under test, therefore it costs next to nothing, works beside coverage, a
debugger and xdist, and a violation is an `AssertionError` in the test that caused it, naming
file and line.

What is understood (docs of the course: STYLE, section 3):

* dimensions are capital letters (`B`, `H1`), integers, and sums and products of them
  (`A*K`, `4*(C+1)`); `...` at either end stands for any number of dimensions; `()` is a scalar;
* a letter is bound where it first occurs and keeps that value until the function returns; one
  first bound inside a loop keeps it for one pass of the loop;
* an expression whose letters are not bound yet is remembered and checked as soon as they are;
* several results: `# (N, 4), (N,)`; one shape for a list or tuple is checked on every element;
* the comment stands after an assignment, a `return`, a `for` header (the loop variable), an
  `append`, or after any part of a statement that ends on that line.

`install()` must run before `detlearn` is imported; `tests/conftest.py` does so.
"""

from __future__ import annotations

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

SCOPE, NEW_SCOPE = "__shape_scope__", "__new_shape_scope__"
DIMENSION = re.compile(r"\.\.\.|[A-Z0-9][A-Za-z0-9_+\-*/() ]*|\([A-Za-z0-9_+\-*/() ]*")
LETTER = re.compile(r"[A-Z][A-Za-z0-9_]*")


class ShapeError(AssertionError):
    """A tensor does not have the shape that the comment beside it states."""


# ------------------------------------------------------------------------------ the grammar


def split_outside_parentheses(text: str) -> list[str]:
    """Split at commas that no parenthesis encloses; a trailing comma adds nothing."""
    parts, depth, start = [], 0, 0
    for index, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[start:index].strip())
            start = index + 1
    rest = text[start:].strip()
    return [*parts, rest] if rest else parts


def parse_comment(comment: str) -> list[tuple[str, ...]] | None:
    """The shapes at the start of a comment, or None where it is prose.

    >>> parse_comment("# (B, A*K, H, W)")
    [('B', 'A*K', 'H', 'W')]
    >>> parse_comment("# (N, 4), (N,) boxes and their labels")
    [('N', '4'), ('N',)]
    >>> parse_comment("# (see Eq. 2)") is None
    True
    """
    rest, shapes = comment.lstrip("#").strip(), []
    while rest.startswith("("):
        end, depth = 0, 1
        while depth and end + 1 < len(rest):
            end += 1
            depth += (rest[end] == "(") - (rest[end] == ")")
        if depth:
            return None
        dimensions = tuple(split_outside_parentheses(rest[1:end]))
        if not all(DIMENSION.fullmatch(d) and _is_arithmetic(d) for d in dimensions):
            return None
        if "..." in dimensions[1:-1] or dimensions.count("...") > 1:
            return None
        shapes.append(dimensions)
        rest = rest[end + 1 :]
        if not re.match(r"\s*,\s*\(", rest):
            break
        rest = rest.lstrip(" ,")
    return shapes or None


def _is_arithmetic(dimension: str) -> bool:
    if dimension == "...":
        return True
    try:
        tree = ast.parse(dimension, mode="eval")
    except SyntaxError:
        return False
    allowed = (ast.Expression, ast.BinOp, ast.Name, ast.Constant, ast.Load, ast.operator)
    return all(isinstance(node, allowed) for node in ast.walk(tree))


# ------------------------------------------------------------------------------ the records


@dataclass
class Comment:
    """One shape comment of the package, and what became of it."""

    path: str
    line: int
    text: str
    shapes: list[tuple[str, ...]]
    attached: bool = False
    seen: int = 0

    def __str__(self) -> str:
        why = "" if self.attached else ", which belongs to no expression"
        return f"{self.path}:{self.line}: # {self.text}{why}"


@dataclass
class Registry:
    """All shape comments that were compiled into the running process."""

    comments: dict[tuple[str, int], Comment] = field(default_factory=dict)

    def add(self, comment: Comment) -> Comment:
        return self.comments.setdefault((comment.path, comment.line), comment)

    def counts(self) -> dict[str, int]:
        """`path:line` -> how often it was verified; travels from a worker to the controller."""
        return {f"{path}:{line}": c.seen for (path, line), c in self.comments.items()}

    def merge(self, counts: dict[str, int]) -> None:
        for place, seen in counts.items():
            path, line = place.rsplit(":", 1)
            comment = self.comments.get((path, int(line)))
            if comment is not None:
                comment.seen += seen

    def load(self, files: Iterable[Path]) -> None:
        """Also register the comments of files that nothing imported."""
        for path in files:
            instrument(path.read_text(encoding="utf-8"), str(path), self)

    def under(self, *places: str) -> list[Comment]:
        """The comments of these files or folders (absolute paths)."""
        found = []
        for comment in self.comments.values():
            path = Path(comment.path)
            if any(path == Path(p) or Path(p) in path.parents for p in places):
                found.append(comment)
        return found


# ------------------------------------------------------------------------------ the check


Mark = tuple[dict[str, int], list[tuple[str, int, Comment]]]


class Scope:
    """The letters of one call."""

    __slots__ = ("letters", "pending", "registry")

    def __init__(self, registry: Registry) -> None:
        self.letters: dict[str, int] = {}
        self.pending: list[tuple[str, int, Comment]] = []
        self.registry = registry

    def mark(self) -> Mark:
        """What is known on the way into a loop."""
        return dict(self.letters), list(self.pending)

    def reset(self, mark: Mark) -> None:
        """Forget what was learned since: the next pass of the loop, or its end."""
        self.letters, self.pending = dict(mark[0]), list(mark[1])

    def check(self, value: Any, path: str, line: int) -> Any:
        """Compare `value` with the comment in that line and hand it on."""
        comment = self.registry.comments[path, line]
        shapes = comment.shapes
        if len(shapes) > 1:
            if not isinstance(value, tuple | list) or len(value) != len(shapes):
                got = f"{len(value)} of them" if hasattr(value, "__len__") else "one value"
                raise ShapeError(f"{comment}: {len(shapes)} shapes for {got}")
            for item, shape in zip(value, shapes, strict=True):
                self.compare(item, shape, comment)
        elif hasattr(value, "shape"):
            self.compare(value, shapes[0], comment)
        elif isinstance(value, tuple | list):
            for item in value:  # fine to coarse: H, W and C may differ, what is bound may not
                mark = self.mark()
                self.compare(item, shapes[0], comment)
                self.reset(mark)
        return value

    def compare(self, value: Any, shape: tuple[str, ...], comment: Comment) -> None:
        if not hasattr(value, "shape"):
            return
        sizes = tuple(int(size) for size in value.shape)
        got = f"{comment}, got ({', '.join(map(str, sizes))})"
        if "..." in shape:
            front = shape[0] != "..."
            shape = tuple(dimension for dimension in shape if dimension != "...")
            if len(sizes) >= len(shape):
                sizes = sizes[: len(shape)] if front else sizes[len(sizes) - len(shape) :]
        if len(sizes) != len(shape):
            raise ShapeError(f"{got}: {len(sizes)} dimensions instead of {len(shape)}")
        comment.seen += 1
        for dimension, size in zip(shape, sizes, strict=True):
            if LETTER.fullmatch(dimension) and dimension not in self.letters:
                self.letters[dimension] = size
            else:
                self.pending.append((dimension, size, comment))
        waiting = []
        for dimension, size, origin in self.pending:
            if any(name not in self.letters for name in LETTER.findall(dimension)):
                waiting.append((dimension, size, origin))
                continue
            expected = eval(dimension, {"__builtins__": {}}, self.letters)
            if expected != size:
                bound = ", ".join(f"{k} = {v}" for k, v in self.letters.items())
                where = got if origin is comment else f"{origin}, got {size}"
                raise ShapeError(f"{where}: {dimension} is {expected} here ({bound})")
        self.pending = waiting


# ------------------------------------------------------------------------------ the rewriting


def shape_comments(source: str, path: str) -> dict[int, Comment]:
    """Trailing shape comments of a file, by line."""
    found: dict[int, Comment] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not token.line[: token.start[1]].strip():
            continue
        shapes = parse_comment(token.string)
        if shapes is not None:
            text = token.string.lstrip("#").strip()
            found[token.start[0]] = Comment(path, token.start[0], text, shapes)
    return found


def instrument(source: str, path: str, registry: Registry) -> ast.Module:
    """The syntax tree of `source`, with a check around every commented expression."""
    tree = ast.parse(source, filename=path)
    path = os.path.realpath(path)  # one spelling, whichever way the file was found
    found = shape_comments(source, path)
    for node in ast.walk(tree):  # `boxes: Tensor  # (N, 4)` declares a field and computes nothing
        if isinstance(node, ast.AnnAssign) and node.value is None:
            found.pop(node.end_lineno or 0, None)
    comments = {line: registry.add(comment) for line, comment in found.items()}
    if comments:
        _Rewriter(comments, path).visit(tree)
        ast.fix_missing_locations(tree)
    return tree


class _Rewriter(ast.NodeTransformer):
    def __init__(self, comments: dict[int, Comment], path: str) -> None:
        self.comments = comments
        self.path = path
        self.loops = 0

    def visit(self, node: ast.AST) -> Any:
        for name in ("body", "orelse", "finalbody"):
            statements = getattr(node, name, None)
            if isinstance(statements, list):
                setattr(node, name, [s for old in statements for s in self.statement(old)])
        for name in ("handlers", "cases"):
            for child in getattr(node, name, None) or ():
                self.visit(child)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            self.open_scope(node)
        return node

    def open_scope(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        if not any(line in self.comments for line in range(node.lineno, node.end_lineno + 1)):
            return
        first = node.body[0]
        after_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        at = 1 if after_docstring and len(node.body) > 1 else 0
        opening = ast.parse(f"{SCOPE} = {NEW_SCOPE}()").body[0]
        node.body.insert(at, _placed(opening, node.body[at]))

    def statement(self, node: ast.stmt) -> Iterator[ast.stmt]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield self.visit(node)
        elif isinstance(node, ast.For | ast.While | ast.AsyncFor):
            yield from self.loop(node)
        elif hasattr(node, "body") or isinstance(node, ast.Match):
            yield self.visit(node)
        else:
            yield from self.simple(node)

    def loop(self, node: ast.For | ast.While | ast.AsyncFor) -> Iterator[ast.stmt]:
        holds = any(line in self.comments for line in range(node.lineno, node.end_lineno + 1))
        if not holds:
            yield node
            return
        self.loops += 1
        mark = f"__shape_mark_{self.loops}__"
        header = node.iter if not isinstance(node, ast.While) else node.test
        comment = self.comments.get(header.end_lineno or 0)
        first = node.body[0]
        target = getattr(node, "target", None)
        self.visit(node)
        if comment is not None and target is not None and comment.line < first.lineno:
            comment.attached = True
            loaded = ast.parse(ast.unparse(target), mode="eval").body
            call = ast.Expr(self.call(loaded, comment))
            node.body.insert(0, _placed(call, first))
        reset = ast.parse(f"{SCOPE}.reset({mark})").body[0]
        node.body.insert(0, _placed(reset, first))
        yield _placed(ast.parse(f"{mark} = {SCOPE}.mark()").body[0], node)
        yield node
        yield _placed(ast.parse(f"{SCOPE}.reset({mark})").body[0], node)

    def simple(self, node: ast.stmt) -> Iterator[ast.stmt]:
        after: list[ast.stmt] = []
        last = node.end_lineno or node.lineno
        for line in range(node.lineno, last + 1):
            comment = self.comments.get(line)
            if comment is None:
                continue
            stored = _stored_into(node) if line == last else None
            if stored is not None:  # `x += y`, `x[i] = y`: look at x afterwards
                comment.attached = True
                after.append(_placed(ast.Expr(self.call(stored, comment)), node))
            elif self.wrap(node, line, comment):
                comment.attached = True
        yield node
        yield from after

    def call(self, value: ast.expr, comment: Comment) -> ast.Call:
        check = ast.parse(f"{SCOPE}.check(0, {self.path!r}, {comment.line})", mode="eval").body
        assert isinstance(check, ast.Call)
        check.args[0] = value
        return check

    def wrap(self, node: ast.stmt, line: int, comment: Comment) -> bool:
        """Put the check around the value, or around the outermost part that ends in `line`."""
        value = getattr(node, "value", None)
        if line == node.end_lineno and isinstance(value, ast.expr):
            self.put(node, "value", None, comment)
            return True
        best: tuple[ast.AST, str, int | None] | None = None
        column = -1
        queue: list[ast.AST] = [node]
        while queue:  # breadth first: the outermost comes first
            parent = queue.pop(0)
            for name, index, child in _children(parent):
                if _is_target(parent, name) or isinstance(child, _OTHER_SCOPES):
                    continue
                queue.append(child)
                if isinstance(child, ast.expr) and not isinstance(child, ast.Slice | ast.Starred):
                    if child.end_lineno == line and (child.end_col_offset or 0) > column:
                        best, column = (parent, name, index), child.end_col_offset or 0
        if best is not None:
            self.put(*best, comment)
        return best is not None

    def put(self, parent: ast.AST, name: str, index: int | None, comment: Comment) -> None:
        holder = getattr(parent, name)
        child = holder if index is None else holder[index]
        if isinstance(parent, ast.Expr) and _is_append(child):
            parent, name, index, holder, child = child, "args", 0, child.args, child.args[0]
        new = ast.copy_location(self.call(child, comment), child)
        for part in ast.walk(new.func):
            ast.copy_location(part, child)
        for argument in new.args[1:]:
            ast.copy_location(argument, child)
        if index is None:
            setattr(parent, name, new)
        else:
            holder[index] = new


_OTHER_SCOPES = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    for name, value in ast.iter_fields(node):
        if isinstance(value, ast.AST):
            yield name, None, value
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield name, index, item


def _is_target(parent: ast.AST, name: str) -> bool:
    """Whether this field of the parent is stored into, or is no value at run time."""
    return name in {"target", "targets", "annotation"} or isinstance(
        parent, ast.Assert | ast.Delete | ast.Import | ast.ImportFrom
    )


def _stored_into(node: ast.stmt) -> ast.expr | None:
    if isinstance(node, ast.AugAssign):
        target: ast.expr = node.target
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
        target = node.targets[0]
    else:
        return None
    while isinstance(target, ast.Subscript):
        target = target.value
    return ast.parse(ast.unparse(target), mode="eval").body


def _is_append(node: ast.expr) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "append"
        and len(node.args) == 1
    )


def _placed(node: Any, like: ast.AST) -> Any:
    """Give a new node, and all in it, the place of an old one: coverage sees no new line."""
    for part in ast.walk(node):
        if not hasattr(part, "lineno") and "lineno" in part._attributes:
            ast.copy_location(part, like)
        elif "lineno" in part._attributes:
            part.lineno = part.end_lineno = like.lineno  # type: ignore[attr-defined]
    return node


# ------------------------------------------------------------------------------ the import hook


class _Loader(importlib.machinery.SourceFileLoader):
    registry: Registry

    def get_code(self, fullname: str) -> CodeType:
        """Compile with the checks, past the bytecode cache."""
        path = self.get_filename(fullname)
        source = importlib.util.decode_source(self.get_data(path))
        tree = instrument(source, path, self.registry)
        return compile(tree, path, "exec", dont_inherit=True)

    def exec_module(self, module: ModuleType) -> None:
        prepare(module.__dict__, self.registry)
        super().exec_module(module)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, package: str, registry: Registry) -> None:
        self.package = package
        self.registry = registry

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.package and not fullname.startswith(self.package + "."):
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is importlib.machinery.SourceFileLoader:
            loader = _Loader(spec.loader.name, spec.loader.path)
            loader.registry = self.registry
            spec.loader = loader
        return spec


def prepare(namespace: dict[str, Any], registry: Registry) -> None:
    """Give a module what its instrumented code calls."""
    namespace[SCOPE] = Scope(registry)
    namespace[NEW_SCOPE] = lambda: Scope(registry)


def install(package: str = "detlearn", registry: Registry | None = None) -> Registry:
    """Check the shape comments of `package` from now on; call it before the first import."""
    for finder in sys.meta_path:
        if isinstance(finder, _Finder) and finder.package == package:
            return finder.registry
    if package in sys.modules:
        raise RuntimeError(f"{package} is imported already: shape comments cannot be checked")
    registry = registry or Registry()
    sys.meta_path.insert(0, _Finder(package, registry))
    return registry
