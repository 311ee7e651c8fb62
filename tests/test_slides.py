"""Cells become slides, notebooks become pages: what needs no browser."""

from __future__ import annotations

import base64
import hashlib
import io
import subprocess
import tarfile
from dataclasses import replace
from itertools import count
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools import chromium, docs_env, site, vendor
from tools.course.clone import built_notebooks, colab_link
from tools.slides import __main__ as command
from tools.slides.blocks import blocks_of, link, markdown, output_block
from tools.slides.cells import key_figure, slides_of
from tools.slides.page import index, slide_html, stacks
from tools.slides.page import page as deck_page

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
NUMBERS = count()
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def cell(source, slide="-", tags=(), outputs=(), name=None):
    metadata = {"slideshow": {"slide_type": slide}, "tags": list(tags)}
    name = name or f"cell-{next(NUMBERS)}"
    if outputs or source.startswith("x"):
        return new_code_cell(source, metadata=metadata, outputs=list(outputs), id=name)
    return new_markdown_cell(source, metadata=metadata, id=name)


TITLE = cell(
    "# 07 · Boxes\n\n[Open in Colab]"
    "(https://colab.research.google.com/x)\n\n**One question: why?**\n\nAfterwards:\n\n- you can",
    "slide",
    name="title",
)


def slides(*cells):
    return slides_of(new_notebook(cells=[TITLE, *cells]), ROOT)


# ------------------------------------------------------------------ cells -> slides


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="expected a notebook with slides"):
        slides_of(new_notebook(cells=[cell("hidden", "skip")]), ROOT)


def test_title_and_goals_are_two_slides_and_the_door_to_colab_is_none():
    title, goals = slides()
    assert (title.kind, title.title, title.starts) == ("title", "07 · Boxes", True)
    assert "<strong>One question: why?</strong>" in title.blocks[0].html
    assert (goals.name, goals.starts) == ("title-goals", False)
    assert "you can" in goals.blocks[0].html
    assert "colab" not in stacks([title, goals], "07").lower()


@pytest.mark.parametrize(
    ("types", "starts"),
    [
        ([], []),
        (["slide"], [True]),
        (["slide", "subslide"], [True, False]),
        (["slide", "-", "fragment"], [True]),
        (["slide", "skip", "-"], [True]),
        (["subslide", "slide"], [False, True]),
    ],
    ids=["no more cells", "one", "one below", "continued", "skipped", "a new column"],
)
def test_slide_types_make_slides(types, starts):
    made = slides(*[cell(f"words {i}", kind, name=f"c{i}") for i, kind in enumerate(types)])
    assert [slide.starts for slide in made[2:]] == starts


def test_a_fragment_appears_later_and_a_skipped_cell_never():
    made = slides(cell("one", "slide"), cell("two", "fragment"), cell("three", "skip"))
    assert [block.fragment for block in made[-1].blocks] == [False, True]
    assert "three" not in stacks(made, "07")


def test_a_slide_without_a_heading_shows_the_last_one_small():
    made = slides(cell("## One *cell*\n\nWords.", "slide"), cell("More.", "subslide"))
    assert made[-1].section == "One cell"


def test_an_explorers_heading_ends_with_its_slide():
    made = slides(
        cell("## One cell\n\nA picture.", "slide"),
        cell("### Predict, then move\n\n1. How many?", "subslide"),
        cell("x", "-", ["explorer"]),
        cell("The rule.", "subslide"),
    )
    assert [one.section for one in made[2:]] == ["One cell", "Predict, then move", "One cell"]
    assert '<header class="head on"><h2>One cell</h2>' in slide_html(made[-1], "07")


def test_a_lead_is_shown_and_the_rest_is_said():
    made = slides(cell("## One cell\n\nA picture.\n\nAnd *why* so.", "slide", tags=["lead"]))
    assert made[-1].title == "One cell"
    assert [block.html.strip() for block in made[-1].blocks] == ["<p>A picture.</p>"]
    assert "<em>why</em>" in made[-1].notes[0]


def test_words_to_the_speaker_are_not_shown():
    made = slides(cell("## One cell\n\nA picture.\n\n<!-- speaker: Wait. -->", "slide"))
    assert "Wait." in made[-1].notes[0]
    assert "Wait" not in "".join(block.html for block in made[-1].blocks)


def test_a_figure_stays_in_sight():
    output = new_output("display_data", {"image/png": PIXEL, "text/plain": "Figure: A dot."})
    shown = cell("x = 1", "slide", outputs=[output], name="dot")
    made = slides(shown, cell("Words.", "subslide", tags=["beside:dot"]))
    assert [(block.kind, block.stays) for block in made[-1].blocks] == [
        ("prose", False),
        ("figure", True),
    ]
    assert 'class="block figure stays"' in slide_html(made[-1], "07")
    with pytest.raises(ValueError, match="expected a figure of the cell 'ghost'"):
        slides(cell("Words.", "subslide", tags=["beside:ghost"]))


def test_a_lecture_lasts_as_long_as_it_may_and_a_stub_does_not():
    words = "word " * 900
    assert sum(
        s.seconds for s in slides(*[cell(words, "slide") for _ in range(8)])
    ) == pytest.approx(2700, abs=9)
    assert sum(s.seconds for s in slides(cell("Few.", "slide"))) < 120
    assert sum(s.seconds for s in slides(*[cell(words, "slide") for _ in range(40)])) > 3000


def test_what_every_chapter_has_comes_with_words_for_the_speaker():
    fold = "Symptom.\n\n<details><summary>Diagnosis</summary>\n\nSo.\n\n</details>"
    title, _, clinic, end = slides(
        cell(fold, "slide", tags=["clinic"]), cell("## Summary\n\n- all", "slide")
    )
    assert "question" in title.notes[0]
    assert "symptom" in clinic.notes[0]
    assert "Ask for one sentence" in end.notes[0]


def test_notes_are_for_the_speaker_only():
    made = slides(cell("Shown.", "slide"), cell("> *For the speaker.* Draw.", "notes"))
    assert made[-1].notes == ["<p>Draw.</p>"]
    assert '<aside class="notes"><p>Draw.</p></aside>' in slide_html(made[-1], "07")


def test_tags_become_labels():
    made = slides(cell("Symptom.", "slide", tags=["clinic"]))
    assert made[-1].label == "Bug clinic"


def test_columns_are_closed():
    text = stacks(slides(cell("a", "slide"), cell("b", "subslide")), "07")
    assert text.count("<section") == text.count("</section>") == 2 + 4


# ------------------------------------------------------------------ outputs


@pytest.mark.parametrize(
    ("output", "kind", "holds"),
    [
        (new_output("stream", name="stdout", text=""), "text", ""),
        (new_output("stream", name="stdout", text="a < b\n"), "text", "a &lt; b"),
        (new_output("stream", name="stderr", text="hm"), "text", 'class="stderr"'),
        (
            new_output("error", ename="ValueError", evalue="no", traceback=[]),
            "error",
            "ValueError: no",
        ),
        (new_output("display_data", {"text/plain": "7"}), "text", "7"),
        (new_output("display_data", {"text/plain": "7, " * 40}), "text", 'class="long"'),
        (new_output("stream", name="stdout", text=("-" * 90 + "\n") * 4), "text", 'class=""'),
        (new_output("display_data", {"text/html": "<table></table>"}), "table", "<table>"),
        (new_output("display_data", {"text/html": "<iframe></iframe>"}), "explorer", "<iframe>"),
        (
            new_output("display_data", {"image/png": PIXEL, "text/plain": "Figure: A dot."}),
            "figure",
            'alt="A dot."',
        ),
        (
            new_output(
                "display_data", {"image/png": PIXEL}, metadata={"image/png": {"alt": "A <dot>"}}
            ),
            "figure",
            'alt="A &lt;dot&gt;"',
        ),
    ],
    ids=[
        "nothing",
        "print",
        "stderr",
        "error",
        "value",
        "a line too long",
        "a wide table",
        "table",
        "explorer",
        "figure",
        "alt text",
    ],
)
def test_outputs_in_their_richest_form(output, kind, holds):
    block = output_block(output)
    assert block.kind == kind
    assert holds in block.html


def test_code_of_an_explorer_stays_in_the_notebook():
    output = new_output("display_data", {"text/html": "<iframe></iframe>"})
    assert [b.kind for b in blocks_of(cell("x", outputs=[output]), ROOT)] == ["explorer"]


def test_details_hold_what_they_hide():
    text = markdown("<details><summary>Answers</summary>\n\n1. one\n\n</details>", ROOT)
    assert text.index("<details>") < text.index("<li>one") < text.index("</details>")


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("#here", "#here"),
        ("02_prior_box.ipynb", "02_prior_box.html"),
        ("../README.md", "/blob/main/README.md"),
        ("src/02_prior_box.py", "/blob/main/notebooks/src/02_prior_box.py"),
    ],
    ids=["this deck", "another deck", "the repository", "a folder"],
)
def test_links(target, leads_to):
    assert link(target).endswith(leads_to)


# ------------------------------------------------------------------ whole decks


def notebook_file(folder, name, *cells):
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=[TITLE.copy(), *cells]), path)
    return path


def test_two_processes_write_what_one_writes_in_the_order_of_the_chapters(tmp_path):
    paths = [notebook_file(tmp_path, f"0{n}_x", cell(f"## Slide {n}", "slide")) for n in range(3)]
    written = {}
    for jobs in (1, 2):
        (tmp_path / str(jobs)).mkdir()
        decks = command.write_chapters(paths, tmp_path / str(jobs), pdf=False, jobs=jobs)
        assert [deck.name for deck in decks] == ["00_x.html", "01_x.html", "02_x.html"]
        written[jobs] = [deck.read_bytes() for deck in decks]
    assert len(set(written[1])) == 3
    assert written[1] == written[2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_first_chapter_that_fails_is_named(tmp_path, jobs):
    path = notebook_file(tmp_path, "00_x", cell("## Slide", "slide"))
    missing = [tmp_path / "01_missing.ipynb", tmp_path / "02_missing.ipynb"]
    with pytest.raises(FileNotFoundError, match="01_missing"):
        command.write_chapters([path, *missing], tmp_path, pdf=False, jobs=jobs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_decks_ask_for_nothing(path):
    text = deck_page(nbformat.read(path, as_version=4), path.stem, path.parent)
    assert len(text.encode()) < command.MAX_BYTES
    markup = text.replace("&lt;", "<").split("<body", 1)[1]
    for asks in ('src="http', "src='http", '<link rel="stylesheet"', "@import"):
        assert asks not in markup


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_deck_is_a_lecture(path):
    """As written; a browser may continue a slide on a second one (tests/browser counts those)."""
    deck = slides_of(nbformat.read(path, as_version=4), path.parent)
    assert 20 <= len(deck) <= 35
    assert 43 * 60 <= sum(slide.seconds for slide in deck) <= 47 * 60
    assert key_figure(nbformat.read(path, as_version=4)) is not None
    assert [slide.name for slide in deck if slide.starts and not slide.notes] == []


def test_index_lists_decks_and_pdfs():
    text = index([("00_a", "00 · A & B", True), ("01_b", "01 · C", False)])
    assert 'href="00_a.html"' in text
    assert "A &amp; B" in text
    assert text.count(".pdf") == 1 + text.count("a.pdf {") + text.count(".pdf {")


def test_unknown_chapters_are_named():
    with pytest.raises(ValueError, match="no notebook of chapter 77; there are 00"):
        built_notebooks(["77"])
    assert [path.name[:2] for path in built_notebooks(["2"])] == ["02"]


# ------------------------------------------------------------------ pages of the site


def page(*cells):
    return site.for_the_site(new_notebook(cells=[TITLE.copy(), *cells]), "02_prior_box")


def test_pages_have_one_row_of_doors():
    first = page().cells[0].source
    assert first.startswith('# 07 · Boxes\n\n<p class="doors"><a href="https://colab.research')
    assert first.lower().count("colab.research") == 1  # the row of doors has the notebook's own
    assert "One question" in first
    assert "slides/" not in first
    doors = site.doors("02_x", ["02_x.html", "02_x.pdf", "03_y.html"])
    assert doors.count("<a ") == 3
    assert "../slides/02_x.pdf" in doors


def test_pages_keep_alt_texts_and_lose_notes():
    figure = new_output("display_data", {"image/png": PIXEL, "text/plain": "Figure: A dot."})
    made = page(cell("x", outputs=[figure]), cell("> psst", "notes"), cell("x = 1", tags=["setup"]))
    assert [c.cell_type for c in made.cells] == ["markdown", "code", "code"]
    assert made.cells[1].metadata["mystnb"] == {"image": {"alt": "A dot."}}
    assert "hide-cell" in made.cells[2].metadata["tags"]


def test_a_still_of_an_explorer_says_so_and_where_it_moves():
    still = new_output("display_data", {"image/png": PIXEL, "text/plain": "Figure: A still."})
    alive = new_output("display_data", {"text/html": "<iframe title='x' srcdoc='y'></iframe>"})
    made = page(*(cell("x", outputs=[one], tags=["explorer"]) for one in (still, alive)))
    assert len(made.cells[2].outputs) == 1
    words = made.cells[1].outputs[1].data["text/html"]
    assert "A still of this explorer" in words
    assert f'<a href="{colab_link("02_prior_box")}">' in words


def test_a_file_on_the_reader_s_disk_is_named_and_not_framed():
    frame = '<iframe title="x" src="runs/05/detector.html"></iframe>'
    shown = {"text/html": frame, "text/plain": "runs/05/detector.html: page of ssd_tiny."}
    made = page(cell("x", outputs=[new_output("display_data", shown)]))
    assert made.cells[1].outputs[0].data == {"text/plain": shown["text/plain"]}


def test_chapters_without_a_notebook_are_not_listed():
    rows = [
        {"number": "00", "title": "A & B", "minutes": 45, "builds": "this"},
        {"number": "01", "title": "C"},
    ]
    text = site.chapter_list(rows, ["00_a"], ["00_a.pdf"])
    assert text.count("<li>") == 1
    assert "A &amp; B" in text
    assert "45 min" in text
    assert "slides/00_a.pdf" in text
    assert "slides/00_a.html" not in text


def test_a_chapter_has_the_thumbnail_of_its_key_figure():
    figure = new_output("display_data", {"image/png": PIXEL, "text/plain": "Figure: A dot."})
    assert site.thumbnail(new_notebook(cells=[TITLE.copy()])) == b""
    made = new_notebook(cells=[TITLE.copy(), cell("x", "slide", outputs=[figure])])
    assert site.thumbnail(made) == base64.b64decode(PIXEL)
    rows = [{"number": "00", "title": "A", "minutes": 45}, {"number": "01", "title": "B"}]
    text = site.chapter_list(rows, ["00_a", "01_b"], [], ["00_a"])
    assert text.count("_static/thumbs/00_a.png") == text.count("<img") == 1


def test_every_room_has_a_page():
    rooms = {p.stem if p.suffix else p.name for p in (ROOT / "detlearn").iterdir()}
    rooms = {room for room in rooms if not room.startswith(("_", ".")) and room != "py"}
    assert set(site.ROOMS) == rooms


# ------------------------------------------------------------------ third-party files


def test_vendored_files_are_those_of_the_table():
    assert vendor.problems() == []
    for package in vendor.PACKAGES:
        assert "LICENSE" in package.kept


def test_a_changed_or_a_strange_file_is_named(tmp_path):
    assert len(vendor.problems(tmp_path)) == sum(len(p.kept) for p in vendor.PACKAGES)
    package = vendor.PACKAGES[0]
    (tmp_path / package.folder).mkdir()
    (tmp_path / package.folder / "LICENSE").write_text("mine")
    (tmp_path / "extra.js").write_text("1")
    found = "\n".join(vendor.problems(tmp_path))
    assert f"{package.folder}/LICENSE is not the file of {package.name}" in found
    assert "extra.js is in no package of the table" in found


def test_an_archive_is_compared_before_it_is_opened():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("package/a.js")
        info.size = 2
        tar.addfile(info, io.BytesIO(b"1;"))
    archive = buffer.getvalue()
    digest = hashlib.sha512(archive).digest()
    package = vendor.Package(
        "a",
        "1",
        "MIT",
        base64.b64encode(digest).decode(),
        {"a.js": ("b.js", hashlib.sha256(b"1;").hexdigest())},
    )
    assert vendor.kept_of(package, archive) == {"b.js": b"1;"}
    with pytest.raises(ValueError, match="expected sha512-"):
        vendor.kept_of(replace(package, integrity="x"), archive)
    with pytest.raises(ValueError, match=r"a\.js has another checksum"):
        vendor.kept_of(replace(package, files={"a.js": ("b.js", "0")}), archive)


def test_unknown_vendored_files_are_refused():
    with pytest.raises(ValueError, match="no vendored file"):
        vendor.file_of("reveal.js", "nothing.js")


# ------------------------------------------------------------------ environment and browser


@pytest.mark.parametrize(
    ("lines", "lacks"),
    [
        ([], []),
        (["# words", ""], []),
        (["nbformat>=5  # words"], []),
        (["nbformat>=9999"], ["nbformat>=9999"]),
        (["no-such-package-at-all"], ["no-such-package-at-all"]),
    ],
    ids=["nothing", "comments", "there", "too old", "not there"],
)
def test_what_the_environment_lacks(lines, lacks):
    assert docs_env.missing(lines) == lacks


def test_a_browser_is_named_or_found(tmp_path):
    assert chromium.on_path({"PATH": str(tmp_path)}) is None
    mine = tmp_path / "chrome"
    mine.write_text("#!/bin/sh\n")
    mine.chmod(0o755)
    assert chromium.on_path({"PATH": "", "DETLEARN_CHROMIUM": str(mine)}) == str(mine)
    with pytest.raises(ValueError, match="expected the path of a browser, got 'nowhere'"):
        chromium.on_path({"DETLEARN_CHROMIUM": "nowhere"})


def test_a_page_without_mathematics_carries_no_mathjax():
    notebook = new_notebook(cells=[TITLE.copy()])
    assert 'id="MathJax-script"' not in deck_page(notebook, "07_x", ROOT)
    notebook.cells.append(cell("Eq. 4: $s_k$", "slide"))
    assert 'id="MathJax-script"' in deck_page(notebook, "07_x", ROOT)


def test_a_browser_is_installed_where_there_is_none(monkeypatch):
    """Debian's first, then Playwright's; where neither can be had, the advice."""
    asked: list[list[str]] = []
    refused = {"apt-get"}

    def pretend(command, check):
        asked.append(command)
        return subprocess.CompletedProcess(command, int(bool(refused & set(command))))

    monkeypatch.setattr(chromium.subprocess, "run", pretend)
    monkeypatch.setattr(chromium, "on_path", lambda: "/usr/bin/chromium")
    chromium.install()
    assert asked == []
    monkeypatch.setattr(chromium, "on_path", lambda: None)
    monkeypatch.setattr(chromium.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 1000, raising=False)
    chromium.install()
    assert [command[:3] for command in asked] == [
        ["sudo", "-n", "apt-get"],
        [chromium.sys.executable, "-m", "playwright"],
    ]
    refused.add("playwright")
    with pytest.raises(RuntimeError, match="no Chromium was found"):
        chromium.install()
    monkeypatch.setattr(chromium.shutil, "which", lambda name: None)
    assert len(chromium.ways_to_install()) == 1
