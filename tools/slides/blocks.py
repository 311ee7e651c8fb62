"""What one cell puts on its slide, as HTML."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.course.clone import REF, repository_url

__all__ = ["Block", "blocks_of", "figure_alt", "markdown", "notes_html", "output_block"]

LONG = 88  # characters of a line, at the size that most slides have


@dataclass
class Block:
    """One thing on a slide.

    Attributes:
        kind: prose, code, text, table, figure, explorer or error.
        html: what it is.
        fragment: whether it appears on a key.
    """

    kind: str
    html: str
    fragment: bool = False


def blocks_of(cell: Any, folder: Path) -> list[Block]:
    """What one cell puts on its slide."""
    if cell.cell_type == "markdown":
        return [Block("prose", markdown(cell.source, folder))]
    if cell.cell_type != "code":
        return []
    outputs = [output_block(output) for output in cell.outputs]
    if any(block.kind == "explorer" for block in outputs):
        return outputs  # an audience needs the slide for what the one line of code shows
    return [Block("code", code_html(cell.source)), *outputs]


def markdown(source: str, folder: Path) -> str:
    """Markdown with mathematics as HTML; links lead to decks, or to the repository."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    renderer = IPythonRenderer(
        escape=False,
        # where it looks for pictures it closes every element, <details> before its content
        embed_images=bool(re.search(r"!\[|<img", source)),
        exclude_anchor_links=True,
        path=str(folder),
    )
    text = str(MarkdownWithMath(renderer=renderer).render(source))
    text = re.sub(r'(<a href=")([^"]+)"', lambda m: f'{m[1]}{link(m[2])}"', text)
    return re.sub(r"(<table>.*?</table>)", r'<div class="table">\1</div>', text, flags=re.DOTALL)


def link(target: str) -> str:
    """Where a link of a notebook leads from a deck.

    >>> link("03_matching_multibox_loss.ipynb#encode")
    '03_matching_multibox_loss.html'
    >>> link("https://example.org/paper.pdf"), link("#order")
    ('https://example.org/paper.pdf', '#order')
    """
    if re.match(r"[a-z]+:|#", target):
        return target
    place = target.partition("#")[0]
    if re.fullmatch(r"(\./)?\d\d_\w+\.ipynb", place):
        return place.removeprefix("./").replace(".ipynb", ".html")
    parts = [part for part in ["notebooks", *place.split("/")] if part not in ("", ".")]
    while ".." in parts[1:]:
        at = parts.index("..", 1)
        del parts[at - 1 : at + 1]
    return f"{repository_url()}/blob/{REF}/{'/'.join(parts)}"


def notes_html(source: str, folder: Path) -> str:
    """Speaker notes without the quotation mark and the address that the notebook gives them.

    >>> notes_html("> *For the speaker.* Draw a grid.", Path())
    '<p>Draw a grid.</p>'
    """
    lines = [re.sub(r"^> ?", "", line) for line in source.splitlines()]
    text = re.sub(r"^\*For the speaker\.?\*\s*", "", "\n".join(lines).strip())
    return markdown(text, folder).strip()


def code_html(source: str) -> str:
    """Code with its words coloured; a shape such as `# (B, P, 4)` is told from other comments.

    >>> 'class="c1 shape"' in code_html("x = f(x)  # (B, 4)")
    True
    """
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    text = str(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))).rstrip("\n")
    text = re.sub(r'<span class="c1">(# \([\w, *+/|-]+\))</span>', _shape, text)
    return f"<pre><code>{text}</code></pre>"


def _shape(found: re.Match[str]) -> str:
    return f'<span class="c1 shape">{found[1]}</span>'


def output_block(output: Any) -> Block:
    """One output of a cell, in the richest form that a page can show."""
    if output.output_type == "stream":
        return Block("text", printed(output.text, "stderr" if output.name == "stderr" else ""))
    if output.output_type == "error":
        return Block("error", pre(f"{output.ename}: {output.evalue}"))
    data, metadata = output.get("data", {}), output.get("metadata", {})
    if "text/html" in data:
        text = str(data["text/html"])
        if "<iframe" in text:
            return Block("explorer", f'<div class="frame">{always_light(text)}</div>')
        return Block("table", f'<div class="table">{text}</div>')
    for mime in ("image/svg+xml", "image/png", "image/jpeg"):
        if mime in data:
            alt = metadata.get(mime, {}).get("alt") or figure_alt(str(data.get("text/plain", "")))
            width = metadata.get(mime, {}).get("width")
            return Block("figure", picture(mime, str(data[mime]), alt, width))
    if "text/latex" in data:
        return Block("prose", html.escape(str(data["text/latex"]), quote=False))
    return Block("text", printed(str(data.get("text/plain", ""))))


def printed(text: str, style: str = "") -> str:
    """What a cell printed; a line too long for a slide goes on below, instead of making all small.

    Only where few lines are that long: a wide table is a table as long as its columns stand.

    >>> printed("short"), printed("long " * 20)[:18]
    ('<pre class="">short</pre>', '<pre class="long">')
    """
    lines = [line for line in text.splitlines() if line.strip()]
    long = sum(len(line) > LONG for line in lines)
    return pre(text, f"{style} long".strip() if 0 < long <= max(2, len(lines) // 4) else style)


def always_light(text: str) -> str:
    """An explorer that keeps the colours of the slide, whatever the system prefers.

    >>> always_light("@media (prefers-color-scheme: dark) {}")
    '@media not all {}'
    """
    return text.replace("(prefers-color-scheme: dark)", "not all")


def picture(mime: str, data: str, alt: str, width: int | None = None) -> str:
    """A figure that is part of the page.

    Args:
        mime: of the data.
        data: text of an SVG, or base64.
        alt: what it shows.
        width: of the figure in px of a page; a sharp one has more pixels than that.
    """
    if mime == "image/svg+xml":
        data = base64.b64encode(data.encode()).decode()
    data = re.sub(r"\s", "", data)
    own = f' data-width="{width}"' if width else ""
    return f'<img src="data:{mime};base64,{data}" alt="{html.escape(alt)}"{own}>'


def figure_alt(text: str) -> str:
    """What a figure's text form says of it.

    >>> figure_alt("Figure: Two boxes overlap.")
    'Two boxes overlap.'
    """
    return text.removeprefix("Figure:").strip()


def pre(text: str, kind: str = "") -> str:
    """Printed text as it was printed, without colours of a terminal."""
    clean = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", text).rstrip("\n")
    return f'<pre class="{kind}">{html.escape(clean, quote=False)}</pre>' if clean else ""
