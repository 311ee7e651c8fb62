"""What one cell puts on its slide, as HTML."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.course.clone import REF, repository_url, tags_of
from tools.slides.code import last_statement, shown_code, steps_of

__all__ = [
    "Block",
    "blocks_of",
    "figure_alt",
    "link",
    "markdown",
    "notes_html",
    "output_block",
    "turning",
    "unfolded",
]

LONG = 88  # characters of a line, at the size that most slides have


@dataclass
class Block:
    """One thing on a slide.

    Attributes:
        kind: prose, code, text, table, figure, explorer or error.
        html: what it is.
        fragment: 0, or the number of the key press on which it appears.
        later: whether what follows it on its slide waits for a key, too.
        steps: how many key presses point at parts of it.
        seconds: how long one speaks about it.
        recall: code that leads it where it stands alone, as HTML; hidden otherwise.
        stays: a figure that was shown before, and stays in sight.
    """

    kind: str
    html: str
    fragment: int = 0
    later: bool = False
    steps: int = 0
    seconds: float = 0.0
    recall: str = ""
    stays: bool = False


def blocks_of(cell: Any, folder: Path) -> list[Block]:
    """What one cell puts on its slide."""
    if cell.cell_type == "markdown":
        return [
            Block("prose", part, later=part.startswith(FOLD), seconds=_seconds_of(part))
            for part in unfolded(markdown(cell.source, folder))
        ]
    if cell.cell_type != "code":
        return []
    outputs = [output_block(output) for output in cell.outputs]
    if any(block.kind == "explorer" for block in outputs):
        return outputs  # an audience needs the slide for what the one line of code shows
    source = shown_code(cell.source, any(block.kind == "figure" for block in outputs))
    if not source or {"hide-input", "output-only"} & set(tags_of(cell)):
        for block in outputs:
            said = last_statement(cell.source)
            block.recall = code_html(said) if said else ""
        return outputs
    return [code_block(source), *outputs]


FOLD = '<div class="fold">'


def unfolded(text: str) -> list[str]:
    """Prose, cut at what it folds away: a slide opens that on a key.

    >>> unfolded("<p>Why?</p><details><summary>Answer</summary><p>So.</p></details>")[1]
    '<div class="fold"><p class="summary">Answer</p><p>So.</p></div>'
    """
    parts = []
    for part in re.split(r"(<details\b.*?</details>)", text, flags=re.DOTALL):
        part = re.sub(
            r"<details[^>]*>\s*<summary[^>]*>(.*?)</summary>\s*",
            rf'{FOLD}<p class="summary">\1</p>',
            part,
            flags=re.DOTALL,
        )
        parts.append(part.replace("</details>", "</div>"))
    return [part for part in parts if part.strip()]


WORDS_A_SECOND, SECONDS_A_LINE = 2.2, 4  # spoken, and explained
SECONDS = {"figure": 40, "explorer": 120, "table": 25, "text": 8, "error": 8}


def _seconds_of(text: str) -> float:
    """How long one speaks about prose: not every word of it is read aloud."""
    words = re.findall(r"\w[\w'’-]*", re.sub(r"<[^>]+>", " ", text))
    return len(words) / WORDS_A_SECOND * 0.7


def code_block(source: str) -> Block:
    """Code with its steps, and, for the slide that goes on without it, its last statement."""
    steps = steps_of(source)
    lines = len([line for line in source.splitlines() if line.strip()])
    said = html.escape(code_html(last_statement(source)))
    text = code_html(source, steps).replace("<pre", f'<pre data-recall="{said}"', 1)
    return Block("code", text, steps=len(steps), seconds=SECONDS_A_LINE * lines)


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
    text = re.sub(r"<code>([^<\s]{25,})</code>", _may_break, text)
    return re.sub(r"(<table>.*?</table>)", r'<div class="table">\1</div>', text, flags=re.DOTALL)


def _may_break(found: re.Match[str]) -> str:
    """A long name may go on below, after a dot, a comma, a bracket or a dash, never inside a word.

    >>> _may_break(re.match("<code>(.*)</code>", "<code>detlearn.boxes.coverage(a)</code>"))
    '<code>detlearn.<wbr>boxes.<wbr>coverage(<wbr>a)</code>'
    """
    name = re.sub(r"([.,(/=_])(?=.)", r"\1<wbr>", found[1])
    return f"<code>{name}</code>"


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


def code_html(source: str, steps: list[tuple[int, int]] | None = None) -> str:
    """Code with its words coloured; a shape such as `# (B, P, 4)` is told from other comments.

    Args:
        source: Python.
        steps: lines that are pointed at one after another, from 1.

    >>> 'class="c1 shape"' in code_html("x = f(x)  # (B, 4)")
    True
    """
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    text = str(highlight(source, PythonLexer(), HtmlFormatter(nowrap=True))).rstrip("\n")
    text = re.sub(r'<span class="c1">(# \([\w, *+/|-]+\))</span>', _shape, text)
    lines = text.split("\n")
    for number, (first, last) in enumerate(steps or [], start=1):
        for at in range(first - 1, last):
            lines[at] = f'<span class="of" data-step="{number}">{lines[at]}</span>'
    keys = "".join('<i class="fragment step"></i>' for _ in steps or [])
    return f"<pre><code>{chr(10).join(lines)}</code>{keys}</pre>"


def _shape(found: re.Match[str]) -> str:
    return f'<span class="c1 shape">{found[1]}</span>'


def output_block(output: Any) -> Block:
    """One output of a cell, in the richest form that a page can show."""
    block = _output_block(output)
    block.seconds = SECONDS.get(block.kind, 0)
    return block


def _output_block(output: Any) -> Block:
    if output.output_type == "stream":
        return Block("text", printed(output.text, "stderr" if output.name == "stderr" else ""))
    if output.output_type == "error":
        return Block("error", pre(f"{output.ename}: {output.evalue}"))
    data, metadata = output.get("data", {}), output.get("metadata", {})
    if "text/html" in data:
        text = str(data["text/html"])
        if "<iframe" in text:
            return Block("explorer", f'<div class="frame">{turning(text)}</div>')
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


# Runs in the frame of an explorer: keys that turn slides reach the deck, wherever the last click
# went. No quotation marks, "<" or "&": it stands in an attribute.
KEYS = """{
const turns = [`PageDown`, `PageUp`, `Escape`, `Home`, `End`], letters = [`n`, `p`, `o`, `s`, `f`];
addEventListener(`keydown`, (event) => {
  const { key, target } = event, root = document.documentElement;
  const writes = target.matches(`input, select, textarea`);
  const types = writes ? ![`range`, `checkbox`, `radio`].includes(target.type) : false;
  const arrow = key.startsWith(`Arrow`), held = event.altKey || event.ctrlKey || event.metaKey;
  const idle = target === document.body || target === root;
  const letter = letters.includes(key.toLowerCase()) ? !types : false;
  const named = turns.includes(key) ? !types || !key.match(/Home|End/) : false;
  const turn = named || (arrow ? held || idle : letter);
  if (!turn || event.defaultPrevented) return;
  event.preventDefault();
  event.stopPropagation();
  parent.postMessage({ turn: key }, `*`);
}, true);
}"""


def turning(text: str) -> str:
    """An explorer that hands the keys which turn slides to the deck.

    >>> turning("srcdoc='&lt;script>1&lt;/script>'").count("postMessage")
    1
    """
    assert not set(KEYS) & set("\"'<"), "the script stands in an attribute"
    keys = KEYS.replace("&", "&amp;")
    return text.replace("&lt;script", f"&lt;script&gt;{keys}&lt;/script&gt;&lt;script", 1)


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
