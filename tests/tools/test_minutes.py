"""Minutes are counted from the core of a notebook."""

import nbformat

from tools.course.minutes import core_of, fill_minutes

NEW = nbformat.v4


def cells(star: bool):
    words = NEW.new_markdown_cell("# Title **{minutes} minutes**\n" + "word " * 1498)
    notes = NEW.new_markdown_cell("spoken " * 900, metadata={"slideshow": {"slide_type": "notes"}})
    code = NEW.new_code_cell("\n\n".join(["x = 1"] * 100))
    task = NEW.new_code_cell("x = ...", metadata={"tags": ["exercise"]})
    more = NEW.new_markdown_cell(("## ★ More" if star else "## More") + " word" * 1500)
    return [words, notes, code, task, task, more]


def test_words_lines_and_exercises_make_minutes():
    core = core_of(cells(star=True))
    assert (core.cells, core.words, core.lines, core.exercises) == (5, 1501, 102, 2)
    assert core.minutes == 35  # 10.0 + 10.2 + 16, rounded to five


def test_without_a_star_everything_is_core():
    assert core_of(cells(star=False)).words == 1501 + 1501


def test_the_title_gets_the_number():
    notebook = NEW.new_notebook(cells=cells(star=True))
    fill_minutes(notebook, notebook.cells)
    assert "**35 minutes**" in notebook.cells[0].source
