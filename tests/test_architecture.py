"""The page on the architecture says what is so: the files and names of its walks are there."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from tools import architecture

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
WALKS = re.split(r"^### ", PAGE.split("\n## Where is")[0], flags=re.M)[1:]
FOUND = re.findall(r"^\| [^|]+ \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.M)
STOPS = [re.findall(r"^\d+\. `([^`]+)`, `([^`]+)`", walk, re.M) for walk in WALKS]


def definitions(path: Path) -> set[str]:
    """What a module defines at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_three_walks_of_several_stops():
    assert [len(stops) >= 4 for stops in STOPS] == [True, True, True]
    assert sum(map(len, STOPS)) == len(re.findall(r"^\d+\. ", PAGE, re.M))


@pytest.mark.parametrize(("file", "name"), [*FOUND, *(stop for stops in STOPS for stop in stops)])
def test_a_stop_is_there(file, name):
    assert (ROOT / file).is_file()
    assert name in definitions(ROOT / file)


def test_the_table_is_read():
    rows = PAGE.split("\n## Where is")[1].split("\n## ")[0].count("\n|") - 2
    assert rows == len(FOUND) == len({file for file, _ in FOUND})


def test_no_file_is_named_twice():
    files = [file for stops in STOPS for file, _ in stops]
    assert sorted(files) == sorted(set(files))


def test_the_page_is_one_page():
    assert len(PAGE.splitlines()) <= 100


# ------------------------------------------------------------------ the picture


def test_every_room_is_drawn_and_described():
    rooms = [room for floor in architecture.floors() for room in floor]
    assert sorted(rooms) == sorted(architecture.ROOMS)
    texts = [element.text for element in ElementTree.fromstring(architecture.draw()).iter()]
    assert set(rooms) <= set(texts)


def test_arrows_are_the_imports_and_point_down():
    every = architecture.arrows()
    assert ("models", "boxes") in every
    assert not any(start == "boxes" for start, _ in every)
    place = {room: floor for floor, rooms in enumerate(architecture.floors()) for room in rooms}
    assert [arrow for arrow in every if place[arrow[0]] >= place[arrow[1]]] == []


@pytest.mark.parametrize(
    ("every", "needed"),
    [
        (set(), set()),
        ({("a", "b")}, {("a", "b")}),
        ({("a", "b"), ("b", "c"), ("a", "c")}, {("a", "b"), ("b", "c")}),
        ({("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")}, {("a", "b"), ("b", "c"), ("c", "d")}),
        ({("a", "c"), ("b", "c")}, {("a", "c"), ("b", "c")}),
    ],
    ids=["none", "one", "a way over one room", "a way over two rooms", "two into one"],
)
def test_arrows_that_follow_from_others_are_left_out(every, needed):
    assert architecture.needed_arrows(every) == needed


def test_as_many_arrows_are_drawn_as_are_needed():
    drawn = architecture.draw().count('marker-end="url(#tip)"')
    assert drawn == len(architecture.needed_arrows(architecture.arrows()))
