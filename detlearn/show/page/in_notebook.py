"""A detector's page below a cell: a frame that shows the file and adds nothing to the notebook."""

from __future__ import annotations

import html
import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["PageFrame"]

# The name of the frame tells the page that nobody frames others beside it (see app.js).
FRAME = '<iframe name="alone" title="{title}" style="{style}" {source}></iframe>'
STYLE = (
    "width: 100%; max-width: 1064px; height: 760px; border: 1px solid #8886; border-radius: 8px; "
    "background: Canvas"
)


class PageFrame:
    """A page that was written to a file, as a notebook shows it.

    A page is 1 to 3 MB, and a notebook would carry every byte in its output.  JupyterLab serves the
    files that lie beside a notebook, so the frame names the file.  Colab serves none: there the
    page itself stands in the frame, and in the notebook that Colab saves.

    Args:
        path: of the HTML file; a frame is shown if it lies below the working directory, which is
            the notebook's folder.
        title: what a screen reader calls the frame.
        facts: of the detector, one sentence.

    >>> PageFrame("runs/detector.html", title="SSD", facts="page of ssd_tiny.")
    runs/detector.html: page of ssd_tiny. Open the file in a browser; it needs no network.
    """

    def __init__(self, path: str | os.PathLike[str], *, title: str, facts: str) -> None:
        self.path = Path(path)
        self.title = title
        self.facts = facts

    def to_html(self) -> str:
        """The frame, and below it where the file is.

        Returns:
            HTML of a few hundred bytes; on Colab, of the size of the page.
        """
        name = html.escape(self.path.as_posix())
        frame = self._frame()
        words = (
            f"The page is the file <code>{name}</code>: it opens in any browser, without Python "
            "and without a network."
        )
        if frame:
            words += (
                " Is the frame empty? Run the cell. Where that does not help, and for the camera, "
                "download the file and open it from the disk."
            )
        return f"{frame}<p>{words}</p>"

    def _frame(self) -> str:
        title = html.escape(self.title)
        if "google.colab" in sys.modules:
            document = html.escape(self.path.read_text(encoding="utf-8"))
            source = f'allow="camera" srcdoc="{document}"'
            return FRAME.format(title=title, style=STYLE, source=source)
        here = Path.cwd().resolve()
        if not self.path.resolve().is_relative_to(here):
            return ""
        beside = self.path.resolve().relative_to(here).as_posix()
        return FRAME.format(title=title, style=STYLE, source=f'src="{html.escape(beside)}"')

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": repr(self)}

    def __repr__(self) -> str:
        return (
            f"{self.path.as_posix()}: {self.facts} Open the file in a browser; it needs no network."
        )
