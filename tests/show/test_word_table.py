"""A table of words: as a terminal and as a notebook show it, and what is refused."""

from __future__ import annotations

import pytest

from detlearn.show import WordTable


def test_a_terminal_gets_a_paragraph_a_row():
    table = WordTable(
        ("claim", "ours", "verdict"), [("a > b", "+0.1", "holds"), ("c > d", "", "-")]
    )
    assert repr(table).splitlines() == [
        "a > b", "  ours     +0.1", "  verdict  holds", "c > d", "  ours", "  verdict  -",
    ]  # fmt: skip


def test_a_notebook_gets_a_table_with_heads_of_columns_and_rows():
    text = WordTable(("claim", "verdict"), [("a > b", "<holds> & so")])._repr_html_()
    assert text.count('scope="col"') == 2 and text.count('scope="row"') == 1
    assert "a &gt; b</th>" in text and "&lt;holds&gt; &amp; so</td>" in text
    assert "color" not in text  # the page's own, light or dark


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (("claim",), [("a",)], "header: expected at least two headings"),
        (("claim", "verdict"), [], "rows: expected at least one"),
        (("claim", "verdict"), [("a", "b"), ("a",)], r"rows\[1\]: expected 2 cells"),
    ],
    ids=["one heading", "no row", "a short row"],
)
def test_what_is_no_table_is_refused(header, rows, message):
    with pytest.raises(ValueError, match=message):
        WordTable(header, rows)
