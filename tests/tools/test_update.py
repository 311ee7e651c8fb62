"""A student's answers survive an update, and a notebook that was only read stays as it was."""

from __future__ import annotations

import copy
import subprocess
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tools.course import lab, saving
from tools.course.clone import BuildError
from tools.course.source import METADATA
from tools.course.update import carry, update

NAME = "notebooks/00_small.ipynb"


def book(**cells):
    made = [new_code_cell(source, id=name.replace("_", "-")) for name, source in cells.items()]
    return new_notebook(cells=[new_markdown_cell("# 00", id="title"), *made])


def sources(notebook):
    return {cell.id: cell.source for cell in notebook.cells[1:]}


def test_a_changed_cell_is_carried_with_what_it_showed():
    before, mine, newest = (
        book(one="...", two="2"),
        book(one="1", two="2"),
        book(one="...", two="3"),
    )
    mine.cells[1].execution_count = 7
    assert carry(before, mine, newest) == (1, [])
    assert sources(newest) == {"one": "1", "two": "3"}
    assert newest.cells[1].execution_count == 7


@pytest.mark.parametrize(
    ("mine", "newest", "count", "lost", "result"),
    [
        ({"one": "."}, {"one": "."}, 0, [], {"one": "."}),
        ({"one": "."}, {"one": "new"}, 0, [], {"one": "new"}),
        ({"one": "1"}, {"one": "new"}, 0, ["one"], {"one": "new"}),
        ({"one": "1"}, {"one": "1"}, 1, [], {"one": "1"}),
        ({"one": "1"}, {"two": "2"}, 0, ["one"], {"two": "2"}),
        ({"one": ".", "own": "x"}, {"one": ".", "two": "2"}, 1, [],
         {"one": ".", "own": "x", "two": "2"}),
        ({"own": "x", "one": "."}, {"one": "."}, 1, [], {"own": "x", "one": "."}),
        ({}, {"one": "."}, 0, [], {"one": "."}),
    ],
    ids=["nothing", "the course", "both", "both, alike", "a cell that is gone", "a cell of mine",
         "a cell of mine, first", "a cell that I removed"],
)  # fmt: skip
def test_both_have_changed_it(mine, newest, count, lost, result):
    changed = book(**newest)
    assert carry(book(one="."), book(**mine), changed) == (count, lost)
    assert list(sources(changed).items()) == list(result.items())


def git(folder: Path, *command: str) -> str:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *who, *command], cwd=folder, check=True, capture_output=True)
    return done.stdout.decode()


@pytest.fixture
def course(tmp_path: Path) -> tuple[Path, Path]:
    """The published course, and a student's clone of it."""
    published = tmp_path / "published"
    (published / "notebooks").mkdir(parents=True)
    (published / "README.md").write_text("Read me.\n", encoding="utf-8")
    (published / ".gitignore").write_text("/answers/\n", encoding="utf-8")
    nbformat.write(book(one="...", two="2"), published / NAME)
    git(published, "init", "-q", "-b", "main")
    git(published, "add", ".")
    git(published, "commit", "-q", "-m", "one")
    git(tmp_path, "clone", "-q", str(published), "student")
    return published, tmp_path / "student"


def publish(published: Path) -> None:
    nbformat.write(book(one="...", two="3"), published / NAME)
    git(published, "commit", "-q", "-a", "-m", "two")


def test_answers_stay_and_the_course_is_new(course):
    published, student = course
    nbformat.write(book(one="mine", two="2"), student / NAME)
    publish(published)
    said = update(student)
    assert sources(nbformat.read(student / NAME, 4)) == {"one": "mine", "two": "3"}
    assert said[-1] == f"{NAME}: 1 cells of yours are in it; a copy is answers/00_small.ipynb"
    assert sources(nbformat.read(student / "answers/00_small.ipynb", 4))["two"] == "2"
    publish_again = update(student)  # nothing new, and still the same answers
    assert publish_again[-1].endswith("a copy is answers/00_small-2.ipynb")
    assert sources(nbformat.read(student / NAME, 4)) == {"one": "mine", "two": "3"}


def test_without_changes_it_is_a_pull(course):
    published, student = course
    publish(published)
    update(student)
    assert sources(nbformat.read(student / NAME, 4)) == {"one": "...", "two": "3"}
    assert not (student / "answers").exists()


def test_other_changed_files_are_named_and_nothing_happens(course):
    _, student = course
    (student / "README.md").write_text("Mine.\n", encoding="utf-8")
    with pytest.raises(BuildError, match=r"README\.md was changed by you"):
        update(student)
    assert (student / "README.md").read_text(encoding="utf-8") == "Mine.\n"


def test_without_a_network_everything_is_as_it_was(course):
    published, student = course
    nbformat.write(book(one="mine", two="2"), student / NAME)
    published.rename(published.with_name("away"))
    with pytest.raises(BuildError, match="git pull"):
        update(student)
    assert sources(nbformat.read(student / NAME, 4)) == {"one": "mine", "two": "2"}


def test_a_notebook_that_was_only_read_is_saved_as_it_was():
    content = {"metadata": copy.deepcopy(METADATA), "cells": []}
    content["metadata"]["kernelspec"]["display_name"] = "Python 3 (ipykernel)"
    content["metadata"]["language_info"] = {"name": "python", "version": "3.11.9"}
    saving.keep_metadata(model={"type": "notebook", "content": content}, path="", more=None)
    assert content["metadata"] == METADATA
    assert content["metadata"]["language_info"] is not METADATA["language_info"]


@pytest.mark.parametrize(
    "model",
    [
        {"type": "file", "content": "text"},
        {"type": "notebook", "content": None},
        {"type": "notebook", "content": {"metadata": {"kernelspec": {"name": "julia"}}}},
        {"type": "notebook", "content": {}},
    ],
    ids=["a file", "no content", "another kernel", "no metadata"],
)
def test_other_files_are_saved_as_they_are(model):
    before = copy.deepcopy(model)
    saving.keep_metadata(model=model)
    assert model == before


def test_jupyterlab_is_told_and_finds_the_function():
    assert f"--ContentsManager.pre_save_hook={saving.HOOK}" in lab.arguments()
    module, _, name = saving.HOOK.rpartition(".")
    assert getattr(__import__(module, fromlist=[name]), name) is saving.keep_metadata


def test_a_second_course_names_the_first(monkeypatch, tmp_path):
    from jupyter_server import serverapp

    servers = [
        {"url": "http://localhost:8888/", "token": "abc", "root_dir": str(lab.ROOT)},
        {"url": "http://localhost:8889/", "token": "def", "root_dir": str(tmp_path)},
    ]
    monkeypatch.setattr(serverapp, "list_running_servers", lambda: iter(servers))
    assert lab.open_already() == ["http://localhost:8888/lab?token=abc"]


@pytest.mark.parametrize("can", [True, False])
def test_kernels_talk_in_cipher_where_they_can(monkeypatch, can):
    monkeypatch.setattr(lab, "can_encrypt", lambda: can)
    flags = [one for one in lab.arguments() if "encryption" in one]
    assert flags == (["--KernelManager.transport_encryption=auto"] if can else [])


def test_old_releases_cannot(monkeypatch):
    from jupyter_client.manager import KernelManager

    monkeypatch.setattr(KernelManager, "class_traits", classmethod(lambda cls: {}))
    assert not lab.can_encrypt()
