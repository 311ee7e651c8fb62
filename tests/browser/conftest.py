"""Decks and pages in a browser: only where asked for, by `make test-browser` or by name."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent


def pytest_collection_modifyitems(config, items):
    asked = [Path(str(argument).split("::")[0]).resolve() for argument in config.args]
    if any(HERE == path or HERE in path.parents for path in asked):
        return
    skip = pytest.mark.skip(reason="minutes in a browser: make test-browser")
    for item in items:
        if HERE in Path(item.fspath).parents:
            item.add_marker(skip)


@pytest.fixture(scope="session")
def running():
    from tools.chromium import browser

    pytest.importorskip("playwright", reason="Playwright drives the browser; make test-browser")
    with browser() as one:
        yield one


@pytest.fixture(scope="session")
def decks():
    found = sorted((ROOT / "build/slides").glob("[0-9][0-9]_*.html"))
    assert found, "no decks: make slides"
    return found


@pytest.fixture(scope="session")
def site():
    folder = ROOT / "build/site"
    assert (folder / "index.html").is_file(), "no site: make site"
    return folder
