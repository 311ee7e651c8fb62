"""How an explorer gets into a notebook: its ES modules in one `<iframe srcdoc>`.

No widget manager, no content network, no kernel: the same string works in JupyterLab, in Colab,
in the exported slides and on the site, and strict nbval compares it, because it is the same on
every machine.

Each explorer is one module; what it imports (`geometry.js`, the arithmetic, and `page.js`, the
controls) is written into the page before it.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from detlearn.boxes import check_boxes

__all__ = ["MAX_IMAGE_BYTES", "Explorer", "data_uri", "framed", "module_source"]

IMAGE_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}
MAX_IMAGE_BYTES = 10_000
"""A 128 px PNG."""
MAX_PAGE_BYTES = 60_000
"""What an explorer may add to its notebook."""

EXPLORERS = "detlearn.show.explorers.browser"

_PART = re.compile(r"\n(?=(?:export |async |function |const |let |//))")
_NAMED = re.compile(r"(?:export )?(?:async )?(?:function|const) (\w+)\b")
_STYLE = re.compile(r"(?<=const STYLE = `).*?(?=`;)", re.DOTALL)
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)


def module_source(name: str, folders: Sequence[str] = (EXPLORERS,)) -> str:
    """Text of an ES module and, before it, of the modules that it imports.

    Args:
        name: its file name.
        folders: packages in which it and what it imports may lie; that of the explorers.

    Returns:
        One module that imports nothing, with `\\n` at the end of every line on every system.

    >>> "export function mount" in module_source("prior_box.js")
    True
    """
    seen: dict[str, str] = {}

    def read(name: str) -> None:
        places = (files(folder) / name for folder in folders)
        text = next(place for place in places if place.is_file()).read_text(encoding="utf-8")
        seen[name] = text = text.replace("\r\n", "\n")
        for other in _IMPORT.findall(text):
            if other not in seen:
                read(other)
        seen[name] = _IMPORT.sub("", seen.pop(name))  # behind what it imports

    read(name)
    return "".join(seen.values())


def _used(source: str) -> str:
    """A module without what its `mount` never comes to: half of `geometry.js`, most often.

    What stands at the left margin starts a part: a function, a constant, a comment. A part that
    declares a name goes if no part that stays speaks it; a word inside a text counts as speaking,
    so rather too much stays than too little.

    >>> _used("const a = 1;\\nconst b = 2;\\n// a and b\\nexport function mount() {\\n  b;\\n}")
    'const b = 2;\\nexport function mount() {\\n  b;\\n}'
    """
    parts = [part for part in _PART.split(source) if not part.startswith("//")]
    names = [found[1] if (found := _NAMED.match(part)) else None for part in parts]
    words = [set(re.findall(r"\w+", part)) for part in parts]
    needed: set[str | None] = {None}
    fresh: set[str | None] = {"mount"}
    while fresh:
        needed |= fresh
        spoken = (words[k] for k, name in enumerate(names) if name in needed)
        fresh = set().union(*spoken) & set(names) - needed
    return "\n".join(part for part, name in zip(parts, names, strict=True) if name in needed)


def _tight_style(source: str) -> str:
    """A module whose style sheet has no spaces that only a person needs.

    >>> _tight_style("const STYLE = `b { color: red; }`;")
    'const STYLE = `b {color:red;}`;'
    """
    return _STYLE.sub(lambda sheet: re.sub(r"([;:{,]) ", r"\1", sheet[0]), source)


def framed(name: str, options: dict[str, Any], *, title: str, height: int) -> str:
    """One `<iframe>` that holds a whole explorer.

    Args:
        name: file name of the ES module; it exports `mount(element, options)`.
        options: what `mount` is given; must survive JSON.
        title: what a screen reader calls the frame.
        height: height in CSS px until the module has measured itself (and where a page forbids
            the frame to resize, for good).

    Returns:
        HTML, the same bytes for the same arguments.

    Raises:
        ValueError: the module would end the script element early.

    >>> framed("prior_box.js", {}, title="Boxes", height=500)[:24]
    '<iframe title="Boxes" he'
    """
    state = json.dumps(options, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    state = state.replace("<", "\\u003c")
    # Comments and indentation stay at home: the notebook carries every byte.
    lines = (line.strip() for line in _tight_style(_used(module_source(name))).split("\n"))
    source = "\n".join(line for line in lines if line and not line.startswith("//"))
    script = f'{source}\nmount(document.getElementById("app"), {state});'
    if "</script" in script.lower():
        raise ValueError(f"{name}: expected no '</script' inside the module, got one")
    document = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        '<main id="app"></main><noscript>This explorer needs JavaScript; the chapter can be read '
        f'without it.</noscript><script type="module">{script}</script></html>'
    )
    return (
        f'<iframe title="{html.escape(title)}" height="{height}" '
        'style="width: 100%; max-width: 1064px; border: 0; display: block" '
        f"srcdoc='{_quoted(document)}'></iframe>"
    )


def _quoted(document: str) -> str:
    """A document as the value of an attribute in single quotes: code has more of the double ones,
    and each would cost six bytes.
    """
    return document.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#39;")


class Explorer:
    """What all explorers have in common: a module, a title, what it is told, how it shows itself.

    A subclass names its `module`, its `title` and the `height` of its frame, maybe how many
    bytes it may add to its notebook (`most_bytes`), and describes itself by `options` (what the
    module's `mount` is given) and `__repr__` (facts, for nbval).
    """

    module: str
    title: str
    height: int
    most_bytes = MAX_PAGE_BYTES

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        raise NotImplementedError

    def to_html(self) -> str:
        """The whole explorer as one `<iframe srcdoc>`, at most `most_bytes` (60 kB).

        Returns:
            HTML that needs no network, no kernel and no other file.

        Raises:
            ValueError: image, layouts and objects together are too much for a notebook.
        """
        page = framed(self.module, self.options(), title=self.title, height=self.height)
        carried = len(json.dumps(page))
        if carried > self.most_bytes:
            raise ValueError(
                f"{type(self).__name__}: expected at most {self.most_bytes:,} bytes in the "
                f"notebook, got {carried:,}; give it a smaller image, fewer layouts or objects"
            )
        return page

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": repr(self)}


def data_uri(image: str | os.PathLike[str] | bytes | None) -> str:
    """A picture file as `data:` URI, its bytes untouched.

    A file is never encoded anew: the saved output is the same on every machine.

    Args:
        image: path or bytes of a small JPEG, PNG or WebP file, or None.

    Returns:
        The URI; an empty string for None.

    Raises:
        ValueError: no path and no bytes, an unknown type, or more than `MAX_IMAGE_BYTES`.

    >>> data_uri(b"\\xff\\xd8\\xff")
    'data:image/jpeg;base64,/9j/'
    """
    if image is None:
        return ""
    if isinstance(image, bytes):
        content, name = image, "image"
    elif isinstance(image, (str, os.PathLike)):
        content, name = Path(image).read_bytes(), Path(image).name
    else:
        raise ValueError(
            f"image: expected the path or the bytes of a small picture file, got "
            f"{type(image).__name__}"
        )
    kind = next((kind for start, kind in IMAGE_TYPES.items() if content.startswith(start)), None)
    if kind is None:
        raise ValueError(f"{name}: expected a JPEG, PNG or WebP file, got {content[:8]!r}")
    if len(content) > MAX_IMAGE_BYTES:
        raise ValueError(
            f"{name}: expected at most {MAX_IMAGE_BYTES:,} bytes (the notebook carries them), "
            f"got {len(content):,}; save it smaller, e.g. 128 x 128 px"
        )
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def fractions(boxes: Tensor, name: str, most: int) -> list[list[float]]:
    """Boxes as the browser gets them: lists of five digits after the point.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the image.
        name: what a message calls them.
        most: how many there may be.

    Returns:
        G lists of x1, y1, x2, y2.

    Raises:
        ValueError: whatever `check_boxes` refuses, boxes outside the image (pixels instead of
            fractions, most often), or too many.

    >>> fractions(torch.tensor([[0.0, 0.25, 1 / 3, 1.0]]), "boxes", 8)
    [[0.0, 0.25, 0.33333, 1.0]]
    """
    check_boxes(boxes, size=(1, 1), name=f"{name} (fractions of the image)")
    if len(boxes) > most:
        raise ValueError(f"{name}: expected at most {most:,} boxes, got {len(boxes):,}")
    return rounded(boxes)


def rounded(values: Tensor, digits: int = 5) -> Any:
    """A tensor as (nested) lists of short numbers, the same on every machine.

    Args:
        values: any shape.
        digits: after the point.

    Returns:
        Nested lists of floats.

    >>> rounded(torch.tensor([0.123456, 1.0]))
    [0.12346, 1.0]
    """
    scale = 10**digits
    exact = (values.detach().cpu().to(torch.float64) * scale).round() / scale
    return exact.tolist()
