"""Shape-table explorer: every tensor of every module, as deep as one wants to look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from detlearn.show.explorers.browser.frame import Explorer
from detlearn.show.module_table import ModuleTable, module_table

__all__ = ["ShapeTableExplorer"]

DEEPEST = 6


class ShapeTableExplorer(Explorer):
    """Choose a model, a part of it and a depth: one row for each tensor that a module returns.

    Bars show how the part's parameters and multiply-adds are shared by what it consists of.
    Everything is counted here, on PyTorch's `meta` device, so the largest model takes a moment and
    nothing is changed; all rows travel to the browser, which picks those of the part. torchinfo's
    summary is not among them: one for each depth is too much for a notebook, and a page should not
    depend on what is installed (`torchinfo.summary` prints it).

    Args:
        models: a model, or several by name.
        size: side of the input, or (height, width), px; each model's own when omitted.
        part: name of the module shown first; "" for the whole model.
        depth: steps into it, 0 to 6.

    Raises:
        ValueError: no model, no such part, a depth or a size that is none.

    Attributes:
        tables: the whole table of every model, by name.

    >>> import detlearn
    >>> ShapeTableExplorer(detlearn.create_model("ssd_tiny"), depth=0)
    Explorer of shapes: SSD: ssd_tiny, input (1, 3, 128, 128), 69 modules; all of it at first, \
0 steps deep: 1 module.
    """

    module = "shape_tables.js"
    title = "Explorer of shapes"
    height = 680

    def __init__(
        self,
        models: nn.Module | Mapping[str, nn.Module],
        size: int | tuple[int, int] | None = None,
        *,
        part: str = "",
        depth: int = 1,
    ) -> None:
        named = {"": models} if isinstance(models, nn.Module) else dict(models)
        if not named:
            raise ValueError("models: expected at least one model, got none")
        for name, model in named.items():
            if not isinstance(model, nn.Module):
                raise ValueError(f"models[{name!r}]: expected a module, got {type(model).__name__}")
        if not 0 <= depth <= DEEPEST:
            raise ValueError(f"depth: expected 0 to {DEEPEST}, got {depth}")
        self.tables: dict[str, ModuleTable] = {
            name or type(model).__name__: module_table(model, size) for name, model in named.items()
        }
        self.part, self.depth = part, int(depth)
        self._first = next(iter(self.tables.values())).inside(part, self.depth)

    @property
    def table(self) -> ModuleTable:
        """What is shown first."""
        return self._first

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "models": [packed(name, table) for name, table in self.tables.items()],
            "part": self.part,
            "depth": self.depth,
            "deepest": DEEPEST,
        }

    def __repr__(self) -> str:
        told = "; ".join(
            f"{f'{name}: ' * (name != table.name)}{table.title}, {_modules(len(table.modules))}"
            for name, table in self.tables.items()
        )
        steps = f"{self.depth} step{'s' * (self.depth != 1)} deep"
        return (
            f"Explorer of shapes: {told}; {self.part or 'all of it'} at first, {steps}: "
            f"{_modules(len(self._first.modules))}."
        )


def packed(name: str, table: ModuleTable) -> dict[str, Any]:
    """A table in few bytes: the browser finds a module's full name by its depth and its order.

    Args:
        name: what the reader chooses it by.
        table: of a whole model, whose modules stand behind the one that they belong to.

    Returns:
        "name", "title", "kinds" (the classes), and "rows": depth, last part of the name, number of
        its class, ways and shapes of what it returns, parameters, multiply-adds.
    """
    kinds = list(dict.fromkeys(module.kind for module in table.modules))
    return {
        "name": name,
        "title": table.title,
        "kinds": kinds,
        "rows": [
            [
                module.depth,
                module.name.rpartition(".")[2],
                kinds.index(module.kind),
                [[way, *shape] for way, shape in module.outputs],
                module.parameters,
                module.macs,
            ]
            for module in table.modules
        ],
    }


def _modules(count: int) -> str:
    return f"{count:,} module{'s' * (count != 1)}"
