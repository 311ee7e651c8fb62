"""Every tensor that every module of a model returns, in one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from detlearn.show.meta_pass import MultiplyAdds, input_sides, named_tensors, pretend
from detlearn.show.text_tables import Tables, as_html, as_text, mega

__all__ = ["ModuleShape", "ModuleTable", "module_table"]


@dataclass(frozen=True, slots=True)
class ModuleShape:
    """One module and every tensor that it returns.

    Attributes:
        name: as in `model.named_modules`; "" for the model.
        kind: its class.
        outputs: pairs of way and shape, see `named_tensors`; empty if it was never called or
            returns no tensor. A second call is "call 2".
        parameters: with everything in it, shared ones counted once.
        macs: multiply-adds with everything in it, for one image.
    """

    name: str
    kind: str
    outputs: tuple[tuple[str, tuple[int, ...]], ...]
    parameters: int
    macs: int

    @property
    def depth(self) -> int:
        """0 for the model, 1 for its children."""
        return 0 if not self.name else self.name.count(".") + 1


@dataclass(frozen=True, slots=True)
class ModuleTable:
    """Every module of a model, one row a tensor; printed as text, shown as a table in notebooks.

    Attributes:
        name: of the model.
        input_shape: (1, 3, H, W).
        modules: in the order of `model.named_modules`.
    """

    name: str
    input_shape: tuple[int, int, int, int]
    modules: tuple[ModuleShape, ...]

    @property
    def title(self) -> str:
        """The model's name and its input."""
        return f"{self.name}, input {self.input_shape}"

    def inside(self, part: str = "", depth: int | None = None) -> ModuleTable:
        """A part of the table.

        Args:
            part: name of a module: only it and what is in it.
            depth: so many steps into it at most.

        Returns:
            The smaller table.

        Raises:
            ValueError: no module has that name.
        """
        top = next((module for module in self.modules if module.name == part), None)
        if top is None:
            raise ValueError(f"part: expected a name from model.named_modules(), got {part!r}")
        return ModuleTable(
            self.name,
            self.input_shape,
            tuple(
                module
                for module in self.modules
                if (not part or module.name == part or module.name.startswith(part + "."))
                and (depth is None or module.depth - top.depth <= depth)
            ),
        )

    def _tables(self) -> Tables:
        rows = []
        for module in self.modules:
            for k, (way, shape) in enumerate(module.outputs or (("none", ()),)):
                row = [module.name or "(model)", module.kind, way, str(shape) if shape else ""]
                row += [f"{module.parameters:,}", mega(module.macs)]
                rows.append(row if k == 0 else ["", "", *row[2:4], "", ""])
        return [(["module", "kind", "output", "shape", "parameters", "MACs"], rows)]

    def __repr__(self) -> str:
        return as_text(self.title, self._tables(), left=4)

    def _repr_html_(self) -> str:
        return as_html(self.title, self._tables())


def module_table(model: nn.Module, size: int | tuple[int, int] | None = None) -> ModuleTable:
    """Every tensor that every module returns, on `meta`: no numbers, no memory, no waiting.

    Args:
        model: see `shape_table`.
        size: see `shape_table`.

    Returns:
        The table; `table.inside("backbone", depth=1)` is a part of it.

    Raises:
        ValueError: no size given, and none known; or a size that the model refuses.

    **Invariant:** the model's own row has the numbers of `shape_table`.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten())
    >>> [module.outputs for module in module_table(net, 8).modules]
    [(('', (1, 256)),), (('', (1, 4, 8, 8)),), (('', (1, 256)),)]
    """
    sides = input_sides(model, size)
    names = dict(model.named_modules())
    found: dict[str, list[tuple[str, tuple[int, ...]]]] = {name: [] for name in names}
    calls: dict[str, int] = {}
    handles = []

    def hook_of(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            calls[name] = calls.get(name, 0) + 1
            again = f"call {calls[name]} " if calls[name] > 1 else ""
            for way, tensor in named_tensors(output):
                found[name].append(((again + way).strip(), tuple(tensor.shape)))

        return hook

    macs = MultiplyAdds(model)
    try:
        for name, module in names.items():
            handles.append(module.register_forward_hook(hook_of(name)))
        with macs:
            pretend(model, sides)
    finally:
        for handle in handles:
            handle.remove()
    name = getattr(getattr(model, "config", None), "name", None) or type(model).__name__
    return ModuleTable(
        name=name,
        input_shape=(1, 3, *sides),
        modules=tuple(
            ModuleShape(
                name=name,
                kind=type(module).__name__,
                outputs=tuple(found[name]),
                parameters=sum(p.numel() for p in module.parameters()),
                macs=macs.inside(module),
            )
            for name, module in names.items()
        ),
    )
