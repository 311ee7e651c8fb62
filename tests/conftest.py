"""Switches the shape comments on, and says at the end how many of them were exercised."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
PACKAGE = TESTS.parent / "detlearn"
sys.path[:0] = [str(folder) for folder in (TESTS, TESTS.parent) if str(folder) not in sys.path]

import shapecheck  # noqa: E402

REGISTRY = shapecheck.install("detlearn")

# where a comment that no test reaches counts as a fault: code, and the tests that must reach it
MEASURED = {
    PACKAGE / "boxes": TESTS / "boxes",
    PACKAGE / "losses.py": TESTS / "test_losses.py",
    PACKAGE / "models": TESTS / "models",
}
LEAST_SHARE = 0.9


def runs_everything(config: pytest.Config) -> bool:
    """Whether this run covers all that MEASURED asks for, without -k, -m, --lf, --long or -x."""
    option = config.option
    if option.keyword or option.markexpr or option.collectonly:
        return False
    if getattr(option, "lf", False) or getattr(option, "long", False):
        return False
    asked = [Path(str(argument).split("::")[0]).resolve() for argument in config.args]
    whole = [path for path in asked if path.exists()]
    if any("::" in str(argument) for argument in config.args):
        return False
    return all(
        any(path == tests or path in tests.parents for path in whole)
        for tests in MEASURED.values()
        if tests.exists()
    )


def measured_comments() -> list[shapecheck.Comment]:
    files = [
        file
        for place in MEASURED
        if place.exists()
        for file in ([place] if place.is_file() else sorted(place.rglob("*.py")))
    ]
    REGISTRY.load(files)
    return REGISTRY.under(*map(str, MEASURED))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """An xdist worker has ended: add what it saw."""
    measured_comments()
    REGISTRY.merge(getattr(node, "workeroutput", {}).get("shape_comments", {}))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["shape_comments"] = REGISTRY.counts()
        return
    if exitstatus == pytest.ExitCode.OK and runs_everything(session.config):
        comments = measured_comments()
        seen = sum(comment.seen > 0 for comment in comments)
        if seen < LEAST_SHARE * len(comments):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if not runs_everything(config):
        return
    comments = measured_comments()
    unseen = sorted((c.path, c.line, str(c)) for c in comments if not c.seen)
    seen = len(comments) - len(unseen)
    terminalreporter.write_line(
        f"shape comments of boxes, losses and models: {seen} of {len(comments)} verified at run "
        f"time (at least {LEAST_SHARE:.0%} are asked for)"
    )
    for _, _, text in unseen:
        terminalreporter.write_line(
            "  never verified: " + text.removeprefix(f"{TESTS.parent}{os.sep}")
        )
