"""What a slide shows of a cell, in which order, and for how long one speaks about it."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tools.slides.blocks import KEYS, blocks_of, turning
from tools.slides.cells import slides_of
from tools.slides.code import LONG, last_statement, shown_code, steps_of
from tools.slides.page import stacks

NUMBERS = count()
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def figure(alt="A dot.", png=PIXEL):
    return new_output("display_data", {"image/png": png, "text/plain": f"Figure: {alt}"})


def code(source, slide="-", outputs=(), tags=()):
    metadata = {"slideshow": {"slide_type": slide}, "tags": list(tags)}
    name = f"code-{next(NUMBERS)}"
    return new_code_cell(source, metadata=metadata, outputs=list(outputs), id=name)


def words(source, slide="-"):
    metadata = {"slideshow": {"slide_type": slide}}
    return new_markdown_cell(source, metadata=metadata, id=f"words-{next(NUMBERS)}")


def slides(*cells):
    title = words("# 07 · Boxes\n\n**One question: why?**\n\nAfterwards:\n\n- you can", "slide")
    return slides_of(new_notebook(cells=[title, *cells]), Path())


# ------------------------------------------------------------------ code


@pytest.mark.parametrize(
    ("source", "drew", "shown"),
    [
        ("", False, ""),
        ("import torch\nfrom a import (\n    b,\n)", False, ""),
        ("import torch\n\nx = 1", False, "x = 1"),
        ("%matplotlib inline", True, "%matplotlib inline"),
        ("x = 1\n\n\ndef f():\n    return x", False, "x = 1\n\ndef f():\n    return x"),
        ("# why\nx = 1  # (B,)", False, "# why\nx = 1  # (B,)"),
        ("show.draw(a,\n    alt='A long one.')", True, ""),
        ("show.draw(a, alt='A long one.')", False, "show.draw(a, alt='A long one.')"),
        ("x = 1\nshow.draw(\n    x, b,\n    width=3, alt='A.')", True, "x = 1\nshow.draw(x, b)"),
        ("x = f()\ndraw(x, alt='A.')", True, "x = f()\ndraw(x)"),
        ("names = ['a']\nx = f()\nshow.draw(x, names=names)", True, "x = f()\nshow.draw(x)"),
        ("n = g()\nx = f()\nshow.draw(x, names=n)", True, "n = g()\nx = f()\nshow.draw(x)"),
        ("n = 3\nx = f(n)\nshow.draw(x, n=n)", True, "n = 3\nx = f(n)\nshow.draw(x)"),
        ("x = 1\nassert x", False, "x = 1\nassert x"),
        ("x = 1\n" * LONG + "assert x", False, ("x = 1\n" * LONG).strip()),
    ],
    ids=[
        "nothing",
        "imports only",
        "imports first",
        "a magic",
        "two empty lines",
        "comments",
        "it only draws",
        "it drew nothing",
        "how it is drawn",
        "a call known by its alt",
        "a list for the drawing",
        "a computation for the drawing",
        "a number that is used twice",
        "a check",
        "a check in long code",
    ],
)
def test_a_slide_shows_what_computes(source, drew, shown):
    assert shown_code(source, drew) == shown


def test_a_call_too_long_for_a_line_ends_in_dots():
    long = ", ".join(f"argument_{i}" for i in range(12))
    (line,) = shown_code(f"x = 1\nshow.draw({long})", True).splitlines()[1:]
    assert line.startswith("show.draw(argument_0, argument_1")
    assert line.endswith(", …)")
    assert len(line) <= 76


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("", ""),
        ("x = ", ""),
        ("x = 1\nprint(x)", "print(x)"),
        ("print(x)\nshow.draw(x, alt='A.')", "print(x)"),
        ("show.draw(x, alt='A.')", ""),
        ("for i in a:\n" + "    f(i)\n" * 9, "for i in a:\n    …"),
        ("print(\n" + "    1,\n" * 9 + ")", "print(\n    1,\n    1,\n    …"),
    ],
    ids=[
        "nothing",
        "no Python",
        "a call",
        "a drawing last",
        "a drawing only",
        "a long loop",
        "a long call",
    ],
)
def test_an_output_alone_is_led_by_the_statement_that_gave_it(source, last):
    assert last_statement(source) == last


@pytest.mark.parametrize("lines", [1, LONG, LONG + 1, 25, 40])
def test_steps_cover_every_line_once_and_are_short(lines):
    source = "\n".join(["def f():", *["    x = 1"] * (lines - 1)])
    steps = steps_of(source)
    assert (steps == []) == (lines <= LONG)
    assert [n for first, last in steps for n in range(first, last + 1)] == (
        list(range(1, lines + 1)) if steps else []
    )
    assert all(last - first < LONG for first, last in steps)


def test_every_step_has_a_key_and_lines():
    block, text = blocks_of(code("x = 1\n" * 20, outputs=[new_output("stream", text="1")]), Path())
    assert block.steps == block.html.count('<i class="fragment step">') == 2
    assert block.html.count('data-step="1"') + block.html.count('data-step="2"') == 20
    assert "data-recall" in block.html
    assert text.kind == "text"


def test_hidden_code_leads_its_output_where_that_stands_alone():
    hidden = code("x = 1\nx", "slide", [new_output("stream", text="1")], ["hide-input"])
    made = slides(hidden)
    (block,) = made[-1].blocks
    assert (block.kind, "x" in block.recall, "x = 1" in block.recall) == ("text", True, False)
    assert 'data-recall="&lt;pre' in stacks(made, "07")


# ------------------------------------------------------------------ what waits for a key


def fragments(slide):
    return [block.fragment for block in slide.blocks]


def test_a_cell_that_waits_appears_at_once():
    made = slides(
        words("## Predict", "slide"),
        words("How many?"),
        code("x", "fragment", [new_output("stream", text="1"), figure()]),
        words("So many.", "fragment"),
    )
    assert fragments(made[-1]) == [0, 1, 1, 1, 2]


def test_a_diagnosis_comes_after_its_symptom_and_the_cure_after_both():
    made = slides(
        words("Patient 1.", "slide"),
        code("x = sick()"),
        words("<details><summary>Diagnosis</summary>\n\nA half.\n\n</details>\n\nMend it:"),
        code("x = cured()"),
    )
    shown = made[-1]
    assert fragments(shown) == [0, 0, 1, 1, 2]
    assert '<p class="summary">Diagnosis</p>' in shown.blocks[2].html
    assert "<details" not in stacks(made, "07")


def test_what_is_folded_first_is_open():
    made = slides(words("<details><summary>Answer</summary>\n\nSo.\n\n</details>", "slide"))
    assert fragments(made[-1]) == [0]


def test_keys_are_counted_in_order():
    made = slides(code("x = 1\n" * 20, "slide"), code("y = 1\n" * 20, "fragment"))
    text = stacks(made, "07")
    order = [int(part.split('"')[0]) for part in text.split('data-fragment-index="')[1:]]
    assert order == [1, 2, 3, 4, 5]  # two steps, the second cell, its two steps
    assert made[-1].presses == 5


# ------------------------------------------------------------------ the title, the core, the time


@pytest.mark.parametrize(
    ("cells", "alt"),
    [
        ([], None),
        ([code("x", "slide", [figure("First.")])], "First."),
        ([code("x", "skip", [figure("Skipped.")]), code("x", "-", [figure("Seen.")])], "Seen."),
        (
            [
                code("x", "slide", [figure("First.")]),
                code("x", "skip", [figure("Key.")], ["key-figure"]),
            ],
            "Key.",
        ),
    ],
    ids=["no figure", "the first", "the first that is shown", "the one with the tag"],
)
def test_the_title_shows_the_key_figure(cells, alt):
    key = slides(*cells)[0].key
    assert (key and key.html.partition('alt="')[2].partition('"')[0]) == alt


def test_what_stands_behind_a_star_is_for_reading():
    made = slides(words("## One", "slide"), words("## ★ More", "slide"), words("Deep.", "slide"))
    assert [slide.title for slide in made[2:]] == ["One"]


def test_minutes_add_up():
    made = slides(words("word " * 300, "slide"), code("x = 1", "slide", [figure()]))
    text = stacks(made, "07")
    said = [int(part.split('"')[0]) for part in text.split('data-timing="')[1:]]
    assert said == [slide.seconds for slide in made]
    assert 60 < made[2].weight < 180 <= made[2].seconds < 400
    assert made[3].seconds >= 40
    assert text.count('class="time"') == len(made)
    whole = f"of {round(sum(said) / 30) / 2:g} min"
    assert text.count(whole) == len(made)


def test_an_explorer_hands_on_keys():
    text = turning("<iframe srcdoc='&lt;script type=\"module\">1&lt;/script>'></iframe>")
    assert text.index("postMessage") < text.index('type="module"')
    assert not set(KEYS) & set("\"'<")
