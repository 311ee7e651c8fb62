"""Slides become a page of reveal.js that asks no other file."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.course.clone import ROOT, colab_link
from tools.slides.blocks import Block
from tools.slides.cells import Slide, plain, slides_of
from tools.vendor import file_of

__all__ = ["fonts", "index", "page", "slide_html", "stacks"]

THEME = ROOT / "slides"


def slide_html(slide: Slide, number: str, before: int = 0, whole: int = 0) -> str:
    """One slide as a `<section>` of reveal.js.

    Args:
        slide: what it shows.
        number: of the chapter, `02`.
        before: seconds that the slides before it take.
        whole: seconds that all of them take; 0 says nothing of time.
    """
    label = f'<span class="label">{slide.label}</span>' if slide.label else ""
    if slide.kind == "title":
        head = _title_html(slide.title, number)
    elif slide.title:
        head = f'<header class="head"><h2>{slide.title}</h2>{label}</header>'
    else:
        # The heading is read, not shown large: the slide goes on with what the last one began.
        section = html.escape(slide.section)
        head = f'<header class="head on"><h2>{section}</h2>{label}</header>'
    blocks = "\n".join(_block_html(block) for block in slide.blocks)
    notes = "\n".join(slide.notes)
    if whole:
        notes += (
            f'<p class="time">about {_minutes(slide.seconds)} min; '
            f"{_minutes(before)} of {_minutes(whole)} min have gone</p>"
        )
    aside = f'<aside class="notes">{notes}</aside>' if notes else ""
    kinds = f"{slide.kind} {slide.label.split(' ')[0].lower()}".strip()
    key = f'<div class="key">{slide.key.html}</div>' if slide.key else ""
    return (
        f'<section id="{slide.name}" class="{kinds}" data-timing="{slide.seconds}">'
        f'<div class="page">{head}<div class="body">{blocks}</div>{key}</div>{aside}</section>'
    )


def _block_html(block: Block) -> str:
    waits = f' data-fragment-index="{block.fragment}"' if block.fragment else ""
    kinds = f"block {block.kind}{' fragment' if waits else ''}{' stays' if block.stays else ''}"
    waits += f' data-recall="{html.escape(block.recall)}"' if block.recall else ""
    return f'<div class="{kinds}"{waits}>{block.html}</div>'


def _minutes(seconds: float) -> str:
    """Halves of a minute, which is as well as anybody can tell.

    >>> _minutes(100), _minutes(2400)
    ('1.5', '40')
    """
    return f"{round(seconds / 30) / 2:g}"


def _title_html(title: str, number: str) -> str:
    words = re.sub(rf"^{number}\s*·\s*", "", title)
    return f'<header class="head"><p class="number">{number}</p><h1>{words}</h1></header>'


def stacks(slides: Sequence[Slide], number: str) -> str:
    """All slides; those between two starts form a column."""
    parts: list[str] = []
    whole, before = sum(slide.seconds for slide in slides), 0
    for slide in slides:
        if slide.starts:
            parts += ["</section>"] * bool(parts) + ["<section>"]
        parts.append(slide_html(slide, number, before, whole))
        before += slide.seconds
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
<html lang="en" data-theme="light">
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
