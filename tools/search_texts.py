"""The words of every page of the site in one file, so that search results show an excerpt.

Sphinx fetches each page that was found to cut an excerpt from it, which a browser refuses to do
with files of a disk.  This file is a script like the index itself; only the search page reads it.
"""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

from detlearn.files import write_atomically

__all__ = ["text_of", "write_texts"]

SKIPPED = ("script", "style", "svg", "iframe", "mjx-container", "button")
INLINE = ("a", "abbr", "b", "code", "em", "i", "mark", "small", "span", "strong", "sub", "sup")
EMPTY = (
    "img",
    "br",
    "hr",
    "input",
    "link",
    "meta",
    "source",
    "wbr",
    "area",
    "base",
    "col",
    "embed",
)


class _Article(HTMLParser):
    """Collects what a reader sees of the page's article."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._inside = 0  # elements that are open within the article
        self._skipping = 0  # of these, from one on that shows no words

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in INLINE:
            self.words.append(" ")
        if tag in EMPTY:
            return
        classes = (dict(attrs).get("class") or "").split()
        if self._inside or (tag == "article" and "bd-article" in classes):
            self._inside += 1
            if self._skipping or tag in SKIPPED or "headerlink" in classes:
                self._skipping += 1

    def handle_endtag(self, tag: str) -> None:
        if tag not in INLINE:
            self.words.append(" ")
        if self._inside and tag not in EMPTY:
            self._inside -= 1
            self._skipping -= bool(self._skipping)

    def handle_data(self, data: str) -> None:
        if self._inside and not self._skipping:
            self.words.append(data)


def text_of(html: str) -> str:
    """The words of a page's article, with single spaces.

    >>> text_of('<nav>menu</nav><article class="bd-article"><h1>Boxes<a class="headerlink">#</a>'
    ...         '</h1><script>x</script><p>Two  <b>corners</b>.<br>Four numbers.</p></article>end')
    'Boxes Two corners. Four numbers.'
    """
    article = _Article()
    article.feed(html)
    article.close()
    return re.sub(r"\s+", " ", "".join(article.words)).strip()


def write_texts(site: Path) -> Path:
    """Write ``_static/texts.js`` of a built site.

    Args:
        site: its folder.

    Returns:
        The file.
    """
    texts = {}
    for page in sorted(site.rglob("*.html")):
        name = page.relative_to(site).with_suffix("").as_posix()
        if not name.startswith(("_", "slides/")) and (text := text_of(page.read_text("utf-8"))):
            texts[name] = text
    path = site / "_static" / "texts.js"
    content = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/")
    write_atomically(path, f"window.PAGE_TEXTS = {content};\n".encode())
    return path
