"""The explorers of a built notebook get the program of today; nothing is executed."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

from detlearn import show
from detlearn.show.explorers.browser.frame import Explorer, framed
from tools.course.build import write_notebook
from tools.course.clone import ROOT, BuildError, needed, product_of

__all__ = ["fresh_frame", "renew_explorers"]

_FRAME = re.compile(r"""^<iframe title="([^"]*)" .* srcdoc='([^']*)'></iframe>$""", re.DOTALL)
_CALL = re.compile(r'mount\(document\.getElementById\("app"\), (\{.*\})\);</script>')


def fresh_frame(page: str) -> str:
    """What an explorer that was told the same would write today.

    Args:
        page: the frame that `Explorer.to_html` once wrote.

    Returns:
        A frame with the same title and the same options.

    Raises:
        ValueError: it is no frame of an explorer of this course.

    >>> page = show.HardNegativesExplorer().to_html()
    >>> fresh_frame(page) == page
    True
    """
    frame = _FRAME.match(page)
    title = html.unescape(frame[1]) if frame else page[:40]
    known = (one for one in vars(show).values() if isinstance(one, type))
    kind = next((k for k in known if issubclass(k, Explorer) and k.title == title), None)
    call = _CALL.search(html.unescape(frame[2])) if frame else None
    if kind is None or call is None:
        raise ValueError(f"page: expected the frame of an explorer, got {title!r}")
    return framed(kind.module, json.loads(call[1]), title=title, height=kind.height)


def renew_explorers(source: Path, root: Path = ROOT) -> Path:
    """Write the explorers of a product anew, after their program or their colours changed.

    What they are told stays as it was when the notebook was built: where that changes too, build
    it. Strict nbval says whether it did.

    Args:
        source: `notebooks/src/NN_name.py`, which has been built.
        root: the clone.

    Returns:
        The path of the product.

    Raises:
        BuildError: it has not been built.
    """
    target = product_of(source)
    if not target.exists():
        raise BuildError(f"{target.name}: not built; run `python -m tools.course build`")
    notebook = needed("nbformat").read(target, as_version=4)
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            page = output.get("data", {}).get("text/html", "")
            if _FRAME.match(page):
                output.data["text/html"] = fresh_frame(page)
    write_notebook(notebook, target)
    return target
