"""Shape-table explorer: every tensor of every module, as deep as one wants to look."""

from __future__ import annotations

import copy
import html
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import torch
from torch import nn

from detlearn.show.explorers.model.controls import WIDGET_VIEW
from detlearn.show.module_table import ModuleTable, module_table

__all__ = ["ShapeTableExplorer"]


class ShapeTableExplorer:
    """Choose a model, a part of it and a depth: one row for each tensor that a module returns.

    Everything runs on PyTorch's `meta` device, so the largest model takes a moment and nothing is
    changed. With "beside it", torchinfo's summary of the whole model stands next to the table,
    where torchinfo is installed. Without a kernel the table stands there as it was.

    `explorer.part.value = "backbone"; explorer` shows another state; the controls are `model`,
    `part`, `depth` and `beside`. All work with the keyboard.

    Args:
        models: a model, or several by name.
        size: side of the input, or (height, width), px; each model's own when omitted.
        part: name of the module shown first; "" for the whole model.
        depth: steps into it, 0 to 6.

    Raises:
        ValueError: no model, no such part, a depth or a size that is none.

    >>> import detlearn
    >>> explorer = ShapeTableExplorer(detlearn.create_model("ssd_tiny"), depth=0)
    >>> print(explorer)  # doctest: +ELLIPSIS
    ssd_tiny, input (1, 3, 128, 128)
    <BLANKLINE>
    module   kind  output   shape ...
    """

    def __init__(
        self,
        models: nn.Module | Mapping[str, nn.Module],
        size: int | tuple[int, int] | None = None,
        *,
        part: str = "",
        depth: int = 1,
    ) -> None:
        import ipywidgets

        self._models = {"": models} if isinstance(models, nn.Module) else dict(models)
        if not self._models:
            raise ValueError("models: expected at least one model, got none")
        for name, model in self._models.items():
            if not isinstance(model, nn.Module):
                raise ValueError(f"models[{name!r}]: expected a module, got {type(model).__name__}")
        if not 0 <= depth <= 6:
            raise ValueError(f"depth: expected 0 to 6, got {depth}")
        self._size = size
        self._known: dict[str, ModuleTable] = {}
        self._summaries: dict[tuple[str, int], str] = {}
        label, wide = {"description_width": "6em"}, ipywidgets.Layout(width="26em")
        first = next(iter(self._models))
        self._table(first).inside(part)  # refuses a part that is none
        self.model = ipywidgets.Dropdown(
            options=[(name or type(model).__name__, name) for name, model in self._models.items()],
            value=first, description="model", style=label, layout=wide,
        )  # fmt: skip
        self.part = ipywidgets.Dropdown(description="part", style=label, layout=wide)
        self.depth = ipywidgets.IntSlider(
            value=depth, min=0, max=6, description="depth", style=label, layout=wide
        )
        has_torchinfo = find_spec("torchinfo") is not None
        self.beside = ipywidgets.Checkbox(
            value=False, disabled=not has_torchinfo, indent=False,
            description="torchinfo beside it" + " (not installed)" * (not has_torchinfo),
        )  # fmt: skip
        self._shown = ipywidgets.HTML()
        self._busy = True
        self._offer_parts()
        self.part.value = part
        self._busy = False
        controls = [self.model, self.part, self.depth, self.beside]
        flow = ipywidgets.Layout(display="flex", flex_flow="row wrap", width="100%")
        self.widget = ipywidgets.VBox([ipywidgets.Box(controls, layout=flow), self._shown])
        for control in controls:
            control.observe(self._moved, names="value")
        self.draw()

    def _table(self, name: str) -> ModuleTable:
        if name not in self._known:
            self._known[name] = module_table(self._models[name], self._size)
        return self._known[name]

    @property
    def table(self) -> ModuleTable:
        """What is shown."""
        return self._table(self.model.value).inside(self.part.value, self.depth.value)

    def _offer_parts(self) -> None:
        modules = self._table(self.model.value).modules
        parents = {module.name.rpartition(".")[0] for module in modules if module.name} | {""}
        self.part.options = [
            (module.name or "(the whole model)", module.name)
            for module in modules
            if module.name in parents or module.depth == 1
        ]

    def _moved(self, change: Any) -> None:
        if self._busy:
            return
        if change["owner"] is self.model:
            self._busy = True
            try:
                self._offer_parts()
                self.part.value = ""
            finally:
                self._busy = False
        self.draw()

    def draw(self) -> None:
        """Show the present state."""
        parts = [f'<div style="max-height: 34em; overflow: auto">{self.table._repr_html_()}</div>']
        if self.beside.value:
            words = html.escape(self._summary(self.model.value))
            parts.append(
                '<pre style="max-height: 34em; overflow: auto; margin: 0; line-height: 1.25; '
                f'font-size: 11px">{words}</pre>'
            )
        self._shown.value = (
            '<div style="display: flex; flex-wrap: wrap; gap: 2em" tabindex="0" role="region" '
            f'aria-label="shapes of {html.escape(self.table.title, quote=True)}">'
            f"{''.join(parts)}</div>"
        )

    def _summary(self, name: str) -> str:
        """What torchinfo says of a copy without numbers."""
        depth = max(self.depth.value, 1)
        if (name, depth) not in self._summaries:
            import torchinfo

            model = self._models[name]
            empty: dict[int, Any] = {
                id(p): nn.Parameter(torch.empty_like(p, device="meta"), requires_grad=False)
                for p in model.parameters()
            }
            empty |= {id(b): torch.empty_like(b, device="meta") for b in model.buffers()}
            twin = copy.deepcopy(model, empty)
            dtype = next((p.dtype for p in model.parameters()), torch.float32)
            images = torch.empty(self._table(name).input_shape, device="meta", dtype=dtype)
            try:
                summary: Any = torchinfo.summary(
                    twin, input_data=[images], device="meta", verbose=0, depth=depth, col_width=18
                )
            except Exception as error:
                summary = f"torchinfo cannot read this model: {error}"
            self._summaries[name, depth] = str(summary)
        return self._summaries[name, depth]

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return {
            WIDGET_VIEW: view,
            "text/html": self.table._repr_html_(),
            "text/plain": repr(self),
        }
