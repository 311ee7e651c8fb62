"""Notebooks become decks: `make slides`, or

    python -m tools.make_slides [--out build/slides] [--no-pdf] [02 ...]

Each notebook becomes one HTML file that holds everything (reveal.js, fonts, mathematics, figures,
explorers): it works from a stick, without a network, and asks no other file. Chromium prints a PDF
of each. `index.html` lists them.

The slide types of the cells make the slides; `slides/deck.js` finds, when the deck opens, the
layout and the type size with which each slide fits into 1200 x 750, and continues on a second
slide what would become too small. What this file does needs no browser.
"""

from __future__ import annotations

import argparse
import base64
import html
import re
import sys
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.course.clone import REF, ROOT, colab_link, repository_url
from tools.vendor import file_of

THEME = ROOT / "slides"
OUT = ROOT / "build" / "slides"
MAX_BYTES = 5_000_000
LONG = 88  # characters of a line, at the size that most slides have
LABELS = {
    "explorer": "Explorer",
    "clinic": "Bug clinic",
    "exercise": "Exercise",
    "prove": "Prove it",
    "ledger": "Paper ↔ code",
}


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


@dataclass
class Slide:
    """One slide, before the browser lays it out.

    Attributes:
        name: id of its first cell; the address of the slide.
        starts: whether it is a new column (slide), not a slide below (subslide).
        title: HTML of its heading; empty for a slide that goes on.
        section: words of the last heading, for a slide without its own.
        label: what kind of slide it is, in words; may be empty.
        kind: title or content.
        blocks: what it shows.
        notes: HTML of what only the speaker sees.
    """

    name: str
    starts: bool
    title: str = ""
    section: str = ""
    label: str = ""
    kind: str = "content"
    blocks: list[Block] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


# --------------------------------------------------------------------------- cells -> slides


def slide_type(cell: Any) -> str:
    """The slide type of a cell; a cell without one continues the slide above."""
    return str(cell.metadata.get("slideshow", {}).get("slide_type") or "-")


def tags(cell: Any) -> list[str]:
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def slides_of(notebook: Any, folder: Path) -> list[Slide]:
    """The slides of a notebook, in order.

    Args:
        notebook: an `nbformat.NotebookNode` with outputs.
        folder: where its relative links start.

    Raises:
        ValueError: a notebook without a cell to show.
    """
    slides: list[Slide] = []
    section = before = ""
    for cell in notebook.cells:
        kind = slide_type(cell)
        if kind == "skip" or not cell.source.strip():
            continue
        if kind == "notes":
            if slides:
                slides[-1].notes.append(notes_html(cell.source, folder))
            continue
        if kind in ("slide", "subslide") or not slides:
            slides.append(Slide(cell.id, starts=kind == "slide" or not slides, section=section))
        slide = slides[-1]
        slide.label = slide.label or next((LABELS[t] for t in tags(cell) if t in LABELS), "")
        blocks = blocks_of(cell, folder)
        if not slide.blocks and not slide.title and blocks and blocks[0].kind == "prose":
            slide.title, blocks[0].html = split_heading(blocks[0].html)
            if slide.title:
                before, section = section, plain(slide.title)
                slide.section = section
        if slide.label == LABELS["explorer"]:
            section = before  # its heading is its own: what follows goes on with the chapter
        for block in blocks:
            block.fragment = kind == "fragment"
        slide.blocks += [block for block in blocks if block.html.strip()]
    if not slides:
        raise ValueError("expected a notebook with slides, got one whose cells are all skipped")
    return _with_title(slides)


def _with_title(slides: list[Slide]) -> list[Slide]:
    """The first slide in two: title and question; then what the reader will be able to do."""
    first = slides[0]
    if not first.title or not first.blocks or first.blocks[0].kind != "prose":
        return slides
    paragraphs = re.split(r"(?<=</p>)\s*", first.blocks[0].html, maxsplit=2)
    lead = [p for p in paragraphs[:-1] if "colab.research.google.com" not in p]
    rest = paragraphs[-1] if len(paragraphs) > 1 else ""
    if len(paragraphs) == 1:
        lead, rest = paragraphs, ""
    title = Slide(
        first.name, True, first.title, kind="title", blocks=[Block("prose", "\n".join(lead))]
    )
    title.notes = first.notes
    goals = Slide(f"{first.name}-goals", False, "What you take home", first.section)
    goals.blocks = [Block("prose", rest)] * bool(rest) + first.blocks[1:]
    return [title, *([goals] if goals.blocks else []), *slides[1:]]


def split_heading(text: str) -> tuple[str, str]:
    """The heading at the start of some HTML, without its tag, and the rest.

    >>> split_heading("<h2>One cell</h2><p>A picture.</p>")
    ('One cell', '<p>A picture.</p>')
    >>> split_heading("<p>No heading.</p>")
    ('', '<p>No heading.</p>')
    """
    found = re.match(r"\s*<h[1-6][^>]*>(.*?)</h[1-6]>\s*", text, re.DOTALL)
    return (found[1], text[found.end() :]) if found else ("", text)


def plain(text: str) -> str:
    """The words of some HTML.

    >>> plain("8,732 by <em>three</em> roads &amp; more")
    '8,732 by three roads & more'
    """
    return html.unescape(re.sub(r"<[^>]+>", "", text)).strip()


# --------------------------------------------------------------------------- cells -> HTML


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
            return Block("figure", picture(mime, str(data[mime]), alt))
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


def picture(mime: str, data: str, alt: str) -> str:
    """A figure that is part of the page."""
    if mime == "image/svg+xml":
        data = base64.b64encode(data.encode()).decode()
    data = re.sub(r"\s", "", data)
    return f'<img src="data:{mime};base64,{data}" alt="{html.escape(alt)}">'


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


# --------------------------------------------------------------------------- slides -> a page


def slide_html(slide: Slide, number: str) -> str:
    """One slide as a `<section>` of reveal.js."""
    label = f'<span class="label">{slide.label}</span>' if slide.label else ""
    if slide.kind == "title":
        head = _title_html(slide.title, number)
    elif slide.title:
        head = f'<header class="head"><h2>{slide.title}</h2>{label}</header>'
    else:
        # The heading is read, not shown large: the slide goes on with what the last one began.
        section = html.escape(slide.section)
        head = f'<header class="head on"><h2>{section}</h2>{label}</header>'
    blocks = "\n".join(
        f'<div class="block {block.kind}{" fragment" if block.fragment else ""}">{block.html}</div>'
        for block in slide.blocks
    )
    notes = "\n".join(slide.notes)
    aside = f'<aside class="notes">{notes}</aside>' if notes else ""
    kinds = f"{slide.kind} {slide.label.split(' ')[0].lower()}".strip()
    return (
        f'<section id="{slide.name}" class="{kinds}"><div class="page">{head}'
        f'<div class="body">{blocks}</div></div>{aside}</section>'
    )


def _title_html(title: str, number: str) -> str:
    words = re.sub(rf"^{number}\s*·\s*", "", title)
    return f'<header class="head"><p class="number">{number}</p><h1>{words}</h1></header>'


def stacks(slides: Sequence[Slide], number: str) -> str:
    """All slides; those between two starts form a column."""
    parts: list[str] = []
    for slide in slides:
        if slide.starts:
            parts += ["</section>"] * bool(parts) + ["<section>"]
        parts.append(slide_html(slide, number))
    return "\n".join([*parts, "</section>"])


def has_mathematics(text: str) -> bool:
    r"""Whether a page needs MathJax.

    >>> has_mathematics("<p>Eq. 4, $s_k = 1$</p>"), has_mathematics("<pre>$ make</pre>")
    (True, False)
    """
    prose = re.sub(r"<pre.*?</pre>|<code.*?</code>|<iframe.*?</iframe>", "", text, flags=re.DOTALL)
    return bool(re.search(r"\$[^$]+\$|\\\(|\\\[|\\begin\{", prose))


def fonts() -> str:
    """The faces of the theme, as part of a style sheet.

    A page that asks for the file beside it gets none in a browser that trusts no file.
    """
    greek = "U+0370-03FF"
    faces = [
        ("Inter", "@fontsource-variable/inter", "latin.woff2", ""),
        ("Inter", "@fontsource-variable/inter", "greek.woff2", greek),
        ("JetBrains Mono", "@fontsource-variable/jetbrains-mono", "latin.woff2", ""),
    ]
    rules = []
    for family, package, name, letters in faces:
        data = base64.b64encode(file_of(package, name).read_bytes()).decode()
        limits = f" unicode-range: {letters};" if letters else ""
        rules.append(
            f'@font-face {{ font-family: "{family}"; font-weight: 100 900;{limits} '
            f"src: url(data:font/woff2;base64,{data}) format('woff2'); }}"
        )
    return "\n".join(rules)


def script(path: Path) -> str:
    """A script as part of the page.

    Raises:
        ValueError: it would end its element early.
    """
    text = path.read_text(encoding="utf-8").rstrip()
    text = re.sub(r"//# sourceMappingURL=\S*$", "", text)
    if "</script" in text.lower():
        raise ValueError(f"{path.name}: expected no '</script' inside the script, got one")
    return f"<script>{text}</script>"


def page(notebook: Any, name: str, folder: Path) -> str:
    """The whole deck of a notebook.

    Args:
        notebook: an `nbformat.NotebookNode` with outputs.
        name: `02_prior_box`.
        folder: where its relative links start.
    """
    number = name[:2]
    slides = slides_of(notebook, folder)
    title = plain(slides[0].title) or name
    content = stacks(slides, number)
    style = (THEME / "deck.css").read_text(encoding="utf-8")
    reveal_css = file_of("reveal.js", "reveal.css").read_text(encoding="utf-8")
    scripts = [script(file_of("reveal.js", "reveal.js")), script(file_of("reveal.js", "notes.js"))]
    if has_mathematics(content):
        scripts += [
            script(THEME / "mathjax.js"),
            script(file_of("mathjax", "tex-svg.js")).replace(
                "<script>", '<script id="MathJax-script">'
            ),
        ]
    scripts.append(script(THEME / "deck.js"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{html.escape(title)} · slides</title>
<style>{reveal_css}</style>
<style>{fonts()}
{style}</style>
</head>
<body data-deck="{html.escape(title)}" data-colab="{html.escape(colab_link(name))}">
<div class="reveal"><div class="slides">
{content}
</div></div>
{chr(10).join(scripts)}
</body>
</html>
"""


def index(rows: Iterable[tuple[str, str, bool]]) -> str:
    """The page that lists the decks.

    Args:
        rows: name, title and whether there is a PDF, for each deck.
    """
    style = (THEME / "index.css").read_text(encoding="utf-8")
    items = []
    for name, title, printed in rows:
        number, _, words = title.partition(" · ")
        pdf = f'<a class="pdf" href="{quote(name)}.pdf">PDF</a>' if printed else ""
        items.append(
            f'<li><a class="deck" href="{quote(name)}.html"><span class="number">'
            f"{html.escape(number)}</span>{html.escape(words or name)}</a>{pdf}</li>"
        )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>detlearn · slides</title>
<style>{fonts()}
{style}</style>
</head>
<body>
<main>
<h1>Slides</h1>
<p>One deck for each notebook. <kbd>S</kbd> opens the speaker's notes, <kbd>O</kbd> shows all
slides, <kbd>F</kbd> fills the screen. Nothing is loaded from the network.</p>
<ol>
{chr(10).join(items)}
</ol>
</main>
</body>
</html>
"""


# --------------------------------------------------------------------------- the command


def notebooks(numbers: Sequence[str] = (), root: Path = ROOT) -> list[Path]:
    """The built notebooks, all or those with these numbers.

    Raises:
        ValueError: a number that no notebook has.
    """
    found = sorted((root / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    for number in numbers:
        if number.zfill(2) not in {path.name[:2] for path in found}:
            known = ", ".join(path.name[:2] for path in found) or "none yet"
            raise ValueError(f"no notebook of chapter {number}; there are {known}")
    wanted = {number.zfill(2) for number in numbers}
    return [path for path in found if not wanted or path.name[:2] in wanted]


def chapter_titles(root: Path = ROOT) -> dict[str, str]:
    """Number -> title, from notebooks/chapters.toml."""
    text = (root / "notebooks" / "chapters.toml").read_text(encoding="utf-8")
    return {row["number"]: row["title"] for row in tomllib.loads(text)["chapter"]}


def write_deck(path: Path, out: Path) -> Path:
    """Write the deck of one notebook.

    Raises:
        ValueError: it is larger than a file may be.
    """
    import nbformat

    text = page(nbformat.read(path, as_version=4), path.stem, path.parent).encode()
    if len(text) > MAX_BYTES:
        raise ValueError(f"{path.stem}.html: expected at most 5 MB, got {len(text) / 1e6:.1f}")
    deck = out / f"{path.stem}.html"
    deck.write_bytes(text)
    return deck


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 1 after a problem."""
    parser = argparse.ArgumentParser(description="Decks of the notebooks.")
    parser.add_argument("numbers", nargs="*", help="chapters, 02 or 2; none means all")
    parser.add_argument("--out", type=Path, default=OUT, help="folder to write to")
    parser.add_argument("--no-pdf", action="store_true", help="write no PDF")
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        chosen = notebooks(options.numbers)
        options.out.mkdir(parents=True, exist_ok=True)
        decks = [write_deck(path, options.out) for path in chosen]
        if not options.no_pdf:
            from tools.chromium import print_pdfs

            print_pdfs(decks)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"slides: {error}", file=sys.stderr)
        return 1
    titles = chapter_titles()
    rows = []
    for deck in sorted(options.out.glob("[0-9][0-9]_*.html")):
        number = deck.name[:2]
        rows.append((deck.stem, f"{number} · {titles[number]}", deck.with_suffix(".pdf").exists()))
    (options.out / "index.html").write_text(index(rows), encoding="utf-8")
    for deck in decks:
        pdf = deck.with_suffix(".pdf")
        sizes = f"{deck.stat().st_size / 1e6:.1f} MB"
        sizes += f", PDF {pdf.stat().st_size / 1e6:.1f} MB" if pdf.exists() else ""
        print(f"{deck.name}: {sizes}")
    print(f"{options.out / 'index.html'}: {time.perf_counter() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
