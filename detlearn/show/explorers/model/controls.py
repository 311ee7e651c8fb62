"""What the model explorers share: controls above a picture, facts below, a still for everyone else.

They use core ipywidgets only, which Colab, JupyterLab and VS Code bring: a `VBox` of controls and
of `HTML`, whose value the controls' `observe` callback sets. No `Output`, no `interact`.

An output holds three forms of an explorer: the view of its widget, which lives as long as its
kernel and is not saved; a PNG of its present state, which readers on GitHub and of the saved
notebook see; and its facts as text, which strict nbval compares.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import Any

from detlearn.show.figure import Figure

__all__ = ["WIDGET_VIEW", "ModelExplorer", "facts_table"]

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
LABEL = {"description_width": "9.5em"}
WIDTH = "31em"


class ModelExplorer:
    """A model in the loop: controls, a picture that follows them, and what it shows in words.

    A subclass makes its controls with `slider` and `choice`, gives them to `assemble`, and
    answers three questions about its present state: `picture`, `facts` and `__repr__`.

    Attributes:
        widget: the `VBox`, for those who want to place it themselves.
    """

    widget: Any

    # ------------------------------------------------------------- what a subclass says

    def picture(self) -> bytes:
        """The present state as PNG."""
        raise NotImplementedError

    def facts(self) -> str:
        """The present state as HTML below the picture."""
        raise NotImplementedError

    def follow(self, control: Any) -> None:
        """Bring the other controls into line after `control` moved; nothing by default."""

    # ------------------------------------------------------------- what it gets

    def slider(self, name: str, value: float, least: float, most: float, step: float) -> Any:
        """A slider that follows while it is dragged; whole numbers if `step` is one."""
        import ipywidgets

        kind = ipywidgets.IntSlider if isinstance(step, int) else ipywidgets.FloatSlider
        return kind(
            value=value, min=least, max=most, step=step, description=name, style=LABEL,
            layout=ipywidgets.Layout(width=WIDTH), continuous_update=True,
        )  # fmt: skip

    def choice(self, name: str, options: Iterable[tuple[str, Any]], value: Any) -> Any:
        """One of several, by word."""
        import ipywidgets

        return ipywidgets.Dropdown(
            options=list(options), value=value, description=name, style=LABEL,
            layout=ipywidgets.Layout(width=WIDTH),
        )  # fmt: skip

    def assemble(self, controls: Sequence[Any]) -> None:
        """Put controls, picture and facts under each other, and draw."""
        import ipywidgets

        self._busy = True
        self._picture = ipywidgets.HTML()
        self._facts = ipywidgets.HTML()
        self._controls = list(controls)
        flow = ipywidgets.Layout(display="flex", flex_flow="row wrap", width="100%")
        self.widget = ipywidgets.VBox(
            [ipywidgets.Box(self._controls, layout=flow), self._picture, self._facts]
        )
        for control in controls:
            control.observe(self._moved, names="value")
        self._busy = False
        self.draw()

    def _moved(self, change: Any) -> None:
        if self._busy:  # one control has moved another: one picture for both
            return
        self._busy = True
        try:
            self.follow(change["owner"])
        finally:
            self._busy = False
        self.draw()

    def draw(self) -> None:
        """Show the present state."""
        source = base64.b64encode(self.picture()).decode("ascii")
        words = html.escape(repr(self), quote=True)
        self._picture.value = (
            f'<img alt="{words}" src="data:image/png;base64,{source}" '
            'style="max-width: 100%; height: auto; display: block">'
        )
        self._facts.value = self.facts()

    # ------------------------------------------------------------- how it shows itself

    def figure(self) -> Figure:
        """The present state as a figure, for a slide or a report.

        Returns:
            The picture with its facts as alternative text.
        """
        return Figure(self.picture(), repr(self))

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
        still, metadata = self.figure()._repr_mimebundle_()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {WIDGET_VIEW: view, **still}, metadata


def facts_table(rows: Iterable[tuple[str, str]], note: str = "") -> str:
    """Names and values as a small table.

    Args:
        rows: pairs of words, plain text.
        note: a sentence below, plain text.

    Returns:
        HTML.

    >>> facts_table([("shape", "(1, 2)")]).count("<tr>")
    1
    """
    cell = "padding: 1px 1.2em 1px 0; text-align: left; vertical-align: top"
    lines = "".join(
        f'<tr><th scope="row" style="{cell}; font-weight: 600">{html.escape(name)}</th>'
        f'<td style="{cell}">{html.escape(value)}</td></tr>'
        for name, value in rows
    )
    below = f"<p>{html.escape(note)}</p>" if note else ""
    return (
        '<div style="line-height: 1.4"><table style="font-variant-numeric: tabular-nums">'
        f"{lines}</table>{below}</div>"
    )
