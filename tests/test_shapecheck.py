"""The checker of shape comments checks; and every comment of the package can be checked."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tokenize
from pathlib import Path
from typing import Any

import pytest
import shapecheck
import torch
from shapecheck import Registry, ShapeError, parse_comment

ROOT = Path(__file__).resolve().parents[1]


def compiled(source: str) -> tuple[dict[str, Any], Registry]:
    registry = Registry()
    tree = shapecheck.instrument(textwrap.dedent(source), "lesson.py", registry)
    namespace: dict[str, Any] = {"torch": torch}
    shapecheck.prepare(namespace, registry)
    exec(compile(tree, "lesson.py", "exec"), namespace)
    return namespace, registry


@pytest.mark.parametrize(
    ("comment", "shapes"),
    [
        pytest.param("#", None, id="an empty comment"),
        pytest.param("# ()", [()], id="a scalar"),
        pytest.param("# (B, P, 4)", [("B", "P", "4")], id="letters and a number"),
        pytest.param("# (N,)", [("N",)], id="one dimension"),
        pytest.param("# (B, A*(K+4), H1, W)", [("B", "A*(K+4)", "H1", "W")], id="arithmetic"),
        pytest.param("# (..., 4)", [("...", "4")], id="any leading dimensions"),
        pytest.param("# (K, ...)", [("K", "...")], id="any trailing dimensions"),
        pytest.param("# (N, 4), (N,)", [("N", "4"), ("N",)], id="two results"),
        pytest.param("# (G, P) IoU of every pair", [("G", "P")], id="a word after the shape"),
        pytest.param("# (see Eq. 2)", None, id="prose in parentheses"),
        pytest.param("# (cx, cy, w, h)", None, id="names of coordinates"),
        pytest.param("# half of (B, P)", None, id="a shape in the middle of prose"),
        pytest.param("# (B, ..., 4)", None, id="dots in the middle"),
        pytest.param("# (B, (P, 4)", None, id="unbalanced"),
    ],
)
def test_grammar(comment: str, shapes: list[tuple[str, ...]] | None) -> None:
    assert parse_comment(comment) == shapes


RIGHT = [
    ("an assignment", "def f(x):\n    y = x.T  # (W, H)\n    return y", (2, 3), 1),
    ("a return", "def f(x):\n    return x.T  # (W, H)", (2, 3), 1),
    ("product of known letters", "def f(x):\n    x = x + 0  # (A, K)\n    return x.ravel()  # (A*K,)", (2, 3), 2),
    ("product before its letters", "def f(x):\n    y = x.ravel()  # (A*K,)\n    return x  # (A, K)", (2, 3), 2),
    ("two results", "def f(x):\n    a, b = x, x[0]  # (N, 4), (4,)\n    return a", (2, 4), 2),
    ("a list of maps of several sizes", "def f(x):\n    return [x, x[:1]]  # (H, W)", (2, 3), 2),
    ("letters of a loop are free in the next pass", "def f(x):\n    for k in (1, 2):\n        y = x[:k]  # (H, W)\n    return x", (2, 3), 2),
    ("a loop variable", "def f(x):\n    for row in x:  # (W,)\n        pass", (2, 3), 2),
    ("in place", "def f(x):\n    x += 1  # (H, W)\n    x[0] = 2  # (H, W)", (2, 3), 2),
    ("append", "def f(x):\n    out = []\n    out.append(x.T)  # (W, H)\n    return out", (2, 3), 1),
    ("one link of a chain", "def f(x):\n    return (\n        x.T  # (W, H)\n        .ravel()\n    )  # (W*H,)", (2, 3), 2),
    ("a value of a dictionary", "def f(x):\n    return {\n        'boxes': x,  # (N, 4)\n    }", (2, 4), 1),
    ("a class body and its method", "class M:\n    def f(self, x):\n        self.y = x  # (N, 4)\n        return self.y\ndef f(x):\n    return M().f(x)", (2, 4), 1),
    ("None has no shape", "def f(x):\n    y = None  # (N, 4)\n    return y", (2, 4), 0),
    ("a field is a declaration", "class M:\n    x: int  # (N, 4)\ndef f(x):\n    return x", (2, 4), 0),
]  # fmt: skip


@pytest.mark.parametrize(("source", "size", "verified"), [
    pytest.param(*case[1:], id=case[0]) for case in RIGHT
])  # fmt: skip
def test_right_comments_pass_and_are_counted(
    source: str, size: tuple[int, ...], verified: int
) -> None:
    namespace, registry = compiled(source)
    namespace["f"](torch.zeros(size))
    assert sum(comment.seen for comment in registry.comments.values()) == verified
    assert all(comment.attached for comment in registry.comments.values())


WRONG = [
    ("rank", "def f(x):\n    return x  # (N,)", "2 dimensions instead of 1"),
    ("number", "def f(x):\n    return x  # (N, 4)", "4 is 4 here"),
    ("letter used twice", "def f(x):\n    return x  # (N, N)", "N is 2 here"),
    ("letter of another statement", "def f(x):\n    y = x  # (H, W)\n    return x.T  # (H, W)", "H is 2 here"),
    ("product", "def f(x):\n    y = x  # (H, W)\n    return x.ravel()  # (H*H,)", "H*H is 4 here"),
    ("product before its letters", "def f(x):\n    y = x.ravel()  # (A*A,)\n    return x  # (A, K)", "A*A is 4 here"),
    ("bound before the loop", "def f(x):\n    y = x  # (H, W)\n    for k in (1, 2):\n        y = x[:k]  # (H, W)", "H is 2 here"),
    ("one of two results", "def f(x):\n    a, b = x, x  # (N, 3), (N,)", "2 dimensions instead of 1"),
    ("three results for two shapes", "def f(x):\n    return x, x, x  # (N, 3), (N, 3)", "2 shapes for 3 of them"),
    ("an element of a list", "def f(x):\n    return [x, x[0]]  # (H, W)", "1 dimensions instead of 2"),
    ("trailing dimension", "def f(x):\n    return x  # (..., 4)", "4 is 4 here"),
    ("leading dimension", "def f(x):\n    return x  # (3, ...)", "3 is 3 here"),
    ("in place", "def f(x):\n    x += 1  # (H,)", "2 dimensions instead of 1"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "message"), [
    pytest.param(*case[1:], id=case[0]) for case in WRONG
])  # fmt: skip
def test_wrong_comments_fail_with_file_line_and_shape(source: str, message: str) -> None:
    namespace, _ = compiled(source)
    with pytest.raises(ShapeError, match=rf"lesson\.py:\d+: # \(.*{re.escape(message)}"):
        namespace["f"](torch.zeros(2, 3))


def test_every_call_has_its_own_letters() -> None:
    namespace, _ = compiled("def f(x):\n    return x  # (N, 4)")
    namespace["f"](torch.zeros(2, 4))
    namespace["f"](torch.zeros(0, 4))


def test_line_numbers_stay_what_they_are() -> None:
    namespace, _ = compiled("def f(x):\n    y = x  # (N, 4)\n\n    return y / None")
    with pytest.raises(TypeError) as caught:
        namespace["f"](torch.zeros(1, 4))
    assert caught.traceback[-1].lineno + 1 == 4


def test_every_module_of_the_package_is_compiled_with_checks() -> None:
    import detlearn.boxes.priors as priors

    assert shapecheck.SCOPE in vars(priors)


def package_files() -> list[Path]:
    return sorted((ROOT / "detlearn").rglob("*.py"))


def test_every_shape_comment_belongs_to_an_expression() -> None:
    registry = Registry()
    registry.load(package_files())
    assert registry.comments, "no shape comment found in the package at all"
    lost = [str(comment) for comment in registry.comments.values() if not comment.attached]
    assert lost == []


def test_no_comment_looks_like_a_shape_without_being_one() -> None:
    looks_like = re.compile(r"#\s*\((?:[A-Z]\w*|\d+|\.\.\.),")
    strays = []
    for path in package_files():
        source = path.read_text(encoding="utf-8")
        known = shapecheck.shape_comments(source, str(path))
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            trailing = bool(token.line[: token.start[1]].strip())
            if token.type == tokenize.COMMENT and trailing and looks_like.match(token.string):
                if token.start[0] not in known:
                    strays.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}")
    assert strays == [], "capital letters, integers, + - * and parentheses only"


PLUGIN_TEST = """
import shapecheck, sys
registry = shapecheck.install("lesson")
sys.path.insert(0, {folder!r})
import lesson
lesson.f({argument})
print(sum(comment.seen for comment in registry.comments.values()))
"""


@pytest.mark.parametrize(("argument", "code"), [("2, 4", 0), ("2, 5", 1)])
def test_the_hook_instruments_an_import(tmp_path: Path, argument: str, code: int) -> None:
    (tmp_path / "lesson.py").write_text(
        "class Sized:\n    def __init__(self, *shape): self.shape = shape\n"
        "def f(*shape):\n    return Sized(*shape)  # (N, 4)\n"
    )
    script = PLUGIN_TEST.format(folder=str(tmp_path), argument=argument)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT / "tests"
    )
    assert done.returncode == code, done.stderr
    assert ("1" in done.stdout) if code == 0 else ("lesson.py:4" in done.stderr)
    assert not (tmp_path / "__pycache__").exists()


# ------------------------------------------------------------- the report of tests/conftest.py

BOXES = """
class Sized:  # torch would take its seconds in each of these runs
    def __init__(self, *shape):
        self.shape = shape


def area(number):
    return Sized(number)  # (N,)


def half(number):
    return Sized(number, 2)  # (N, 2)
"""
REACHED = "from detlearn.boxes import area, half\n\n\ndef test_area():\n    area(3)\n"
BOTH = REACHED + "\n\ndef test_half():\n    half(3)\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with two shape comments, both in detlearn/boxes."""
    for name in ("conftest.py", "shapecheck.py"):
        (tmp_path / "tests" / "boxes").mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "tests" / name, tmp_path / "tests")
    (tmp_path / "detlearn").mkdir()
    (tmp_path / "detlearn" / "__init__.py").touch()
    (tmp_path / "detlearn" / "boxes").mkdir()
    (tmp_path / "detlearn" / "boxes" / "__init__.py").write_text(BOXES, encoding="utf-8")
    return tmp_path


def run_project(project: Path, tests: str, *arguments: str) -> tuple[int, str]:
    (project / "tests" / "boxes" / "test_boxes.py").write_text(tests, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=project,
        env={**os.environ, "PYTHONPATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "xdist"])
def test_a_run_of_everything_fails_when_comments_are_never_reached(
    project: Path, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    code, out = run_project(project, REACHED, "tests", *workers)
    assert code == 1
    assert "shape comments of boxes, losses and models: 1 of 2 verified" in out
    place = Path("detlearn", "boxes", "__init__.py")
    assert f"never verified: {place}:12: # (N, 2)" in out
    assert "1 passed" in out
    code, out = run_project(project, BOTH, "tests", *workers)
    assert code == 0
    assert "2 of 2 verified" in out
    assert "never verified" not in out


def test_a_run_of_a_part_asks_for_nothing(project: Path) -> None:
    for arguments in (["tests/boxes/test_boxes.py"], ["tests", "-k", "area"]):
        code, out = run_project(project, REACHED, *arguments)
        assert code == 0
        assert "shape comments" not in out
