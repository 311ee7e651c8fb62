"""How an explorer gets into a notebook: one ES module in one `<iframe srcdoc>`.

No widget manager, no content network, no kernel: the same string works in JupyterLab, in Colab,
in the exported slides and on the site, and strict nbval compares it, because it is the same on
every machine.
"""

from __future__ import annotations

import html
import json
from importlib.resources import files
from typing import Any

__all__ = ["framed", "module_source"]


def module_source(name: str) -> str:
    """Text of an explorer's ES module, which is shipped beside its Python file.

    Args:
        name: file name in `detlearn/show/explorers`.

    Returns:
        The source, with `\\n` at the end of every line on every system.

    >>> "export function mount" in module_source("prior_box.js")
    True
    """
    text = (files("detlearn.show.explorers") / name).read_text(encoding="utf-8")
    return text.replace("\r\n", "\n")


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
        ValueError: the module or the options would end the script element early.

    >>> framed("prior_box.js", {}, title="Boxes", height=500)[:24]
    '<iframe title="Boxes" he'
    """
    state = json.dumps(options, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    script = f'{module_source(name)}\nmount(document.getElementById("app"), {state});'
    if "</script" in script.lower():
        raise ValueError(f"{name}: expected no '</script' inside the module, got one")
    document = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
        '<main id="app"></main><noscript>This explorer needs JavaScript; the figure before it '
        f'shows the same facts.</noscript><script type="module">{script}</script></html>'
    )
    return (
        f'<iframe title="{html.escape(title)}" height="{height}" '
        'style="width: 100%; max-width: 1064px; border: 0; display: block" '
        f'srcdoc="{html.escape(document)}"></iframe>'
    )
