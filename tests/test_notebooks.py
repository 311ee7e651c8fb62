"""The notebooks of the course: products equal their sources, their form is right, they teach what
the package holds. Their outputs are compared by nbval (`make test`), not here."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from detlearn.teach.exercises import exercises_of
from tools.course.check import check
from tools.course.clone import product_of, sources
from tools.course.lint import lint
from tools.course.minutes import core_of

pytest.importorskip("jupytext")
nbformat = pytest.importorskip("nbformat")
ROOT = Path(__file__).resolve().parents[1]
SOURCES = sources()
EVERY = pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
CHAPTERS = {
    row["number"]: row
    for row in tomllib.loads((ROOT / "notebooks/chapters.toml").read_text("utf-8"))["chapter"]
}


def text_of(source: Path) -> str:
    return source.read_text(encoding="utf-8")


def test_products_equal_their_sources() -> None:
    assert check() == []


@EVERY
def test_form_and_definitions(source: Path) -> None:
    assert product_of(source).exists(), "not built: make notebooks"
    assert lint(product_of(source)).problems == []


@EVERY
def test_title_and_minutes_are_those_of_the_table(source: Path) -> None:
    row = CHAPTERS[source.name[:2]]
    title = re.search(r"^# # (.*)$", text_of(source), re.MULTILINE)
    assert title is not None
    assert title[1].startswith(source.name[:2])
    assert row["title"] in title[1]
    minutes = row.get("minutes")
    assert minutes is not None, "chapters.toml: give the chapter its minutes"
    said = json.loads(product_of(source).read_text("utf-8"))["cells"][0]["source"]
    assert re.search(rf"\b{minutes}\s*min", "".join(said))


@EVERY
def test_counted_minutes_keep_to_the_limits(source: Path) -> None:
    if "{minutes}" not in text_of(source):
        pytest.skip("its minutes are still typed by hand")
    core = core_of(nbformat.read(product_of(source), as_version=4).cells)
    assert core.cells <= 70
    assert core.words <= 2300
    assert core.lines <= 350
    assert CHAPTERS[source.name[:2]]["minutes"] == core.minutes <= 100


@EVERY
def test_every_exercise_of_the_chapter_is_in_its_notebook(source: Path) -> None:
    """And what the notebook checks exists."""
    module = f"nb{source.name[:2]}"
    asked = re.findall(rf"\b{module}\.(\w+)\.check\(", text_of(source))
    try:
        written = [exercise.key for exercise in exercises_of(module)]
    except ValueError:
        written = []
    assert sorted(set(asked)) == sorted(written)


@EVERY
def test_a_notebook_shows_the_stub_of_each_exercise(source: Path) -> None:
    text = text_of(source)
    for exercise in exercises_of(f"nb{source.name[:2]}") if "exercises import" in text else []:
        first = exercise.stub.splitlines()[0]
        definition = next(
            (line for line in exercise.stub.splitlines() if line.startswith("def ")), first
        )
        assert definition in text, f"{exercise.key}: the cell does not start from its stub"
