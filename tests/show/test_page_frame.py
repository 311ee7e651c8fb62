"""A detector's page below a cell: what the notebook carries, and what it does not."""

from __future__ import annotations

import html
import re
import sys
from types import ModuleType

import pytest

import detlearn
from detlearn.show import DetectorPage


@pytest.fixture
def page():
    return DetectorPage(detlearn.create_model("blazeface"), title="Faces & co")


def test_the_frame_names_the_file_and_holds_no_copy(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frame = page.preview("runs/1/my faces.html")
    assert (tmp_path / "runs/1/my faces.html").read_text("utf-8") == page.to_html()
    shown = frame._repr_mimebundle_()
    assert 'src="runs/1/my faces.html"' in shown["text/html"]
    assert 'title="Faces &amp; co"' in shown["text/html"] and len(shown["text/html"]) < 1000
    assert shown["text/plain"].startswith("runs/1/my faces.html: page of blazeface: 128 x 128 px")


def test_an_absolute_path_below_the_notebook_is_framed_by_its_relative_one(
    page, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert 'src="a/b.html"' in page.preview(tmp_path / "a" / "b.html").to_html()


def test_what_lies_elsewhere_is_named_and_not_framed(page, tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    shown = page.preview(tmp_path / "faces.html").to_html()
    assert "<iframe" not in shown and "faces.html</code>" in shown


def test_colab_is_given_the_page_itself(page, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.chdir(tmp_path)
    shown = page.preview("faces.html").to_html()
    held = re.search(r'allow="camera" srcdoc="([^"]*)"></iframe><p>', shown)[1]
    assert html.unescape(held) == page.to_html()
