"""Tables of words and numbers, as text for a terminal and as HTML for a notebook."""

from __future__ import annotations

import html
from collections.abc import Sequence

Tables = Sequence[tuple[list[str], list[list[str]]]]


def as_text(title: str, tables: Tables, left: int = 1) -> str:
    """Tables for a terminal; the first `left` columns of a row are words."""
    blocks = [title]
    for header, rows in tables:
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
        lines = [_text_row(header, widths, left), "  ".join("-" * width for width in widths)]
        lines += [_text_row(row, widths, left) for row in rows]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def as_html(title: str, tables: Tables) -> str:
    """Tables for a notebook; a row that begins with "sum" is the sum."""
    rule = "border-top: 1px solid #8c959f"
    pieces = [f"<p><strong>{html.escape(title)}</strong></p>"]
    for header, rows in tables:
        pieces.append('<table style="font-variant-numeric: tabular-nums"><thead><tr>')
        for i, name in enumerate(header):
            pieces.append(f'<th scope="col" style="{_align(header, i)}">{name}</th>')
        pieces.append("</tr></thead><tbody>")
        for row in rows:
            is_sum = row[0] == "sum"
            pieces.append(f'<tr style="{rule}; font-weight: 600">' if is_sum else "<tr>")
            for i, value in enumerate(row):
                pieces.append(f'<td style="{_align(header, i)}">{html.escape(value)}</td>')
            pieces.append("</tr>")
        pieces.append("</tbody></table>")
    return "".join(pieces)


def mega(count: int) -> str:
    """A count in millions."""
    return f"{count / 1e6:,.1f} M"


def _align(header: Sequence[str], column: int) -> str:
    if header[0] == "module":  # four columns of words, which need air between them
        return (
            f"text-align: {'left' if column < 4 else 'right'}; padding: 1px 0.7em; line-height: 1.3"
        )
    left = column == 0 or header[column].startswith("map")
    return f"text-align: {'left' if left else 'right'}"


def _text_row(values: Sequence[str], widths: Sequence[int], left: int = 1) -> str:
    cells = [
        value.ljust(width) if i < left or value.startswith(("map", "(")) else value.rjust(width)
        for i, (value, width) in enumerate(zip(values, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()
