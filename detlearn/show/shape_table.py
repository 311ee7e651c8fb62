"""Every shape of a model in one table: maps, priors, parameters and multiplications."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

__all__ = [
    "LevelShape",
    "ModuleShape",
    "ModuleTable",
    "PartSize",
    "ShapeTable",
    "meta_state",
    "module_table",
    "named_tensors",
    "shape_table",
]


@dataclass(frozen=True, slots=True)
class LevelShape:
    """One map of the pyramid and what its heads cost.

    Attributes:
        channels: C of the map.
        height: H of the map, cells.
        width: W of the map, cells.
        step: px of the input from one centre of a prior to the next; None without priors.
        priors_per_cell: A; 0 without priors.
        head_parameters: of the heads that read this map; 0 where the model does not list its
            heads level by level.
        head_macs: multiply-adds of those heads for one image.
    """

    channels: int
    height: int
    width: int
    step: float | None
    priors_per_cell: int
    head_parameters: int
    head_macs: int

    @property
    def priors(self) -> int:
        """H · W · A."""
        return self.height * self.width * self.priors_per_cell


@dataclass(frozen=True, slots=True)
class PartSize:
    """One part of a model.

    Attributes:
        name: attribute of the model, `head.logits` for a list of heads inside `head`.
        parameters: numbers that training may change, shared ones counted once.
        macs: multiply-adds of convolutions and linear layers for one image.
    """

    name: str
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class ShapeTable:
    """Shapes and sizes of a model; printed as text, shown as a table in notebooks.

    Attributes:
        title: the model's name and its input.
        levels: one entry a map, fine to coarse.
        parts: one entry a part, in the order of the model.
    """

    title: str
    levels: tuple[LevelShape, ...]
    parts: tuple[PartSize, ...]

    @property
    def parameters(self) -> int:
        """Of the whole model."""
        return sum(part.parameters for part in self.parts)

    @property
    def macs(self) -> int:
        """Multiply-adds of the whole model for one image."""
        return sum(part.macs for part in self.parts)

    @property
    def priors(self) -> int:
        """P, over all levels."""
        return sum(level.priors for level in self.levels)

    def _tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """Two tables as header and rows of text; the last row is the sum."""
        has_priors = self.priors > 0
        has_heads = any(level.head_parameters for level in self.levels)
        header = ["level", "map (C, H, W)"]
        header += ["step", "priors/cell", "priors"] if has_priors else []
        header += ["head params", "head MACs"] if has_heads else []
        rows = []
        for k, level in enumerate(self.levels):
            row = [str(k), f"({level.channels}, {level.height}, {level.width})"]
            if has_priors:
                row += [
                    "" if level.step is None else f"{level.step:g}",
                    str(level.priors_per_cell),
                    f"{level.priors:,}",
                ]
            if has_heads:
                row += [f"{level.head_parameters:,}", _mega(level.head_macs)]
            rows.append(row)
        if has_priors or has_heads:
            total = ["sum", ""]
            total += ["", "", f"{self.priors:,}"] if has_priors else []
            if has_heads:
                total.append(f"{sum(level.head_parameters for level in self.levels):,}")
                total.append(_mega(sum(level.head_macs for level in self.levels)))
            rows.append(total)
        tables = [(header, rows)] if self.levels else []
        parts = [[part.name, f"{part.parameters:,}", _mega(part.macs)] for part in self.parts]
        parts.append(["sum", f"{self.parameters:,}", _mega(self.macs)])
        return [*tables, (["part", "parameters", "MACs"], parts)]

    def __repr__(self) -> str:
        return _as_text(self.title, self._tables())

    def _repr_html_(self) -> str:
        return _as_html(self.title, self._tables())


Tables = Sequence[tuple[list[str], list[list[str]]]]


def _as_text(title: str, tables: Tables, left: int = 1) -> str:
    blocks = [title]
    for header, rows in tables:
        widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
        lines = [_text_row(header, widths, left), "  ".join("-" * width for width in widths)]
        lines += [_text_row(row, widths, left) for row in rows]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def _as_html(title: str, tables: Tables) -> str:
    rule = "border-top: 1px solid #8c959f"
    pieces = [f"<p><strong>{html.escape(title)}</strong></p>"]
    for header, rows in tables:
        pieces.append('<table style="font-variant-numeric: tabular-nums"><thead><tr>')
        for i, name in enumerate(header):
            pieces.append(f'<th scope="col" style="{_align(header, i)}">{name}</th>')
        pieces.append("</tr></thead><tbody>")
        for row in rows:
            is_sum = row[0] == "sum"
            pieces.append(f'<tr style="{rule}; font-weight: 600">' if is_sum else "<tr>")
            for i, value in enumerate(row):
                pieces.append(f'<td style="{_align(header, i)}">{html.escape(value)}</td>')
            pieces.append("</tr>")
        pieces.append("</tbody></table>")
    return "".join(pieces)


def _mega(count: int) -> str:
    return f"{count / 1e6:,.1f} M"


def _align(header: Sequence[str], column: int) -> str:
    if header[0] == "module":  # four columns of words, which need air between them
        return (
            f"text-align: {'left' if column < 4 else 'right'}; padding: 1px 0.7em; line-height: 1.3"
        )
    left = column == 0 or header[column].startswith("map")
    return f"text-align: {'left' if left else 'right'}"


def _text_row(values: Sequence[str], widths: Sequence[int], left: int = 1) -> str:
    cells = [
        value.ljust(width) if i < left or value.startswith(("map", "(")) else value.rjust(width)
        for i, (value, width) in enumerate(zip(values, widths, strict=True))
    ]
    return "  ".join(cells).rstrip()


def shape_table(model: nn.Module, size: int | tuple[int, int] | None = None) -> ShapeTable:
    """Send a pretend image through the model and write down every shape on the way.

    The pretend image and weights live on PyTorch's `meta` device, which knows shapes but holds
    no numbers: the largest network takes a moment and no memory. The model is left as it was.

    Args:
        model: a model of this course, or any module that takes images (1, 3, H, W) and returns
            tensors or sequences of them. `model.features(images)`, where it exists, gives the
            maps, and `model.config.priors` the priors.
        size: side of the input, or (height, width), px; the model's own `config.image_size` when
            omitted. A detector whose priors fit one size only refuses another.

    Returns:
        The table: `repr` for the terminal, HTML in notebooks, numbers as attributes.

    Raises:
        ValueError: no size given, and none known; or a size that the model refuses.

    **Invariant:** `table.parameters` is the number of the model's parameters, and
    `table.priors` is P.

    >>> import detlearn
    >>> table = shape_table(detlearn.create_model("ssd_tiny"))
    >>> [(level.channels, level.height, level.priors) for level in table.levels][-1][1:]
    (4, 64)
    >>> table.priors
    3392
    """
    config = getattr(model, "config", None)
    height, width = _input_sides(model, size)
    parts = _parts(model)
    owner: dict[nn.Module, str] = {}
    for name, part in parts:
        for module in part.modules():
            owner.setdefault(module, name)
    macs = _Counter(owner, model)
    probe = _Probe(model)
    meta = meta_state(probe)
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    images = torch.empty(1, 3, height, width, device="meta", dtype=dtype)
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        with torch.no_grad():
            with macs:
                outputs = torch.func.functional_call(probe, meta, (images, False))
            maps = torch.func.functional_call(probe, meta, (images, True))
    finally:
        for module, mode in modes:
            module.training = mode

    pyramid = [each for _, each in named_tensors(maps if maps is not None else outputs)]
    levels = _levels(model, pyramid, macs)
    name = getattr(config, "name", None) or type(model).__name__
    return ShapeTable(
        title=f"{name}, input (1, 3, {height}, {width})",
        levels=tuple(levels),
        parts=tuple(_part_sizes(model, parts, macs)),
    )


class _Probe(nn.Module):
    """Lets `functional_call` reach `features` as well as `forward`."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, features_only: bool) -> Any:
        if not features_only:
            return self.model(images)
        features = getattr(self.model, "features", None)
        # a child module called `features` (torchvision's classifiers) is no pyramid
        return features(images) if callable(features) and not _is_module(features) else None


def _is_module(value: object) -> bool:
    return isinstance(value, nn.Module)


class _Counter:
    """Adds up the multiply-adds of convolutions and linear layers, by part and by module."""

    def __init__(self, owner: dict[nn.Module, str], model: nn.Module) -> None:
        self.owner = owner
        self.model = model
        self.by_part: dict[str, int] = {}
        self.by_module: dict[nn.Module, int] = {}
        self.handles: list[torch.utils.hooks.RemovableHandle] = []

    def __enter__(self) -> _Counter:
        for module in self.model.modules():
            if isinstance(module, (nn.modules.conv._ConvNd, nn.Linear)):
                self.handles.append(module.register_forward_hook(self._count))
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _count(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.modules.conv._ConvTransposeNd):
            each = module.out_channels // module.groups * _product(module.kernel_size)
            count = inputs[0].numel() * each
        elif isinstance(module, nn.modules.conv._ConvNd):
            each = module.in_channels // module.groups * _product(module.kernel_size)
            count = output.numel() * each
        else:
            count = output.numel() * inputs[0].shape[-1]
        part = self.owner.get(module, "other")
        self.by_part[part] = self.by_part.get(part, 0) + count
        self.by_module[module] = self.by_module.get(module, 0) + count

    def inside(self, module: nn.Module) -> int:
        """Multiply-adds of a module with everything in it."""
        return sum(self.by_module.get(each, 0) for each in module.modules())


def _product(values: Iterable[int]) -> int:
    result = 1
    for value in values:
        result *= value
    return result


def meta_state(module: nn.Module) -> dict[str, Tensor]:
    """A module's parameters and buffers without their numbers, for `torch.func.functional_call`.

    Args:
        module: any module; it is left as it is.

    Returns:
        Tensors on PyTorch's `meta` device, by name.

    >>> meta_state(nn.Linear(2, 1))["bias"].shape
    torch.Size([1])
    """
    tensors = (*module.named_parameters(), *module.named_buffers())
    return {name: torch.empty_like(tensor, device="meta") for name, tensor in tensors}


def named_tensors(value: Any, path: str = "") -> list[tuple[str, Tensor]]:
    """Every tensor of a list, tuple, NamedTuple, dict or dataclass, and the way to it.

    Args:
        value: what a module returned.
        path: what stands before each way.

    Returns:
        Pairs in order; the way is what one would write behind a variable: `""` for a tensor
        itself, `"[0]"`, `".logits"`, `"['boxes']"`, `"[1].deltas"`.

    >>> [path for path, _ in named_tensors([torch.ones(1), {"a": torch.ones(1)}, 7])]
    ['[0]', "[1]['a']"]
    """
    if isinstance(value, Tensor):
        return [(path, value)]
    steps: Iterable[tuple[str, Any]] = ()
    if isinstance(value, Mapping):
        steps = ((f"[{key!r}]", each) for key, each in value.items())
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        steps = ((f".{name}", getattr(value, name)) for name in value._fields)
    elif isinstance(value, (list, tuple)):
        steps = ((f"[{index}]", each) for index, each in enumerate(value))
    elif is_dataclass(value) and not isinstance(value, type):
        steps = ((f".{each.name}", getattr(value, each.name)) for each in fields(value))
    return [found for step, each in steps for found in named_tensors(each, path + step)]


def _parts(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """The children of a model; one that holds lists of heads only is split into its lists."""
    parts: list[tuple[str, nn.Module]] = []
    for name, child in model.named_children():
        inner = list(child.named_children())
        if len(inner) > 1 and all(isinstance(each, nn.ModuleList) for _, each in inner):
            parts += [(f"{name}.{inner_name}", each) for inner_name, each in inner]
        else:
            parts.append((name, child))
    return parts


def _part_sizes(
    model: nn.Module, parts: Sequence[tuple[str, nn.Module]], macs: _Counter
) -> Iterable[PartSize]:
    seen: set[Tensor] = set()
    for name, part in parts:
        own = [p for p in part.parameters() if p not in seen]
        seen.update(own)
        size = PartSize(name, sum(p.numel() for p in own), macs.by_part.get(name, 0))
        if size.parameters or size.macs:
            yield size
    rest = sum(p.numel() for p in model.parameters() if p not in seen)
    if rest or macs.by_part.get("other"):
        yield PartSize("other", rest, macs.by_part.get("other", 0))


def _levels(model: nn.Module, maps: Sequence[Tensor], macs: _Counter) -> Iterable[LevelShape]:
    priors = getattr(getattr(model, "config", None), "priors", None)
    if priors is not None and priors.num_levels != len(maps):
        priors = None
    heads = [
        part
        for name, part in _parts(model)
        if "." in name and isinstance(part, nn.ModuleList) and len(part) == len(maps)
    ]
    for k, each in enumerate(maps):
        if each.ndim != 4:
            continue
        _, channels, height, width = each.shape
        yield LevelShape(
            channels=channels,
            height=height,
            width=width,
            step=None if priors is None else priors.steps[k],
            priors_per_cell=0 if priors is None else priors.priors_per_cell[k],
            head_parameters=sum(p.numel() for head in heads for p in head[k].parameters()),
            head_macs=sum(macs.inside(head[k]) for head in heads),
        )


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
        title: the model's name and its input.
        modules: in the order of `model.named_modules`.
    """

    title: str
    modules: tuple[ModuleShape, ...]

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
            self.title,
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
                row += [f"{module.parameters:,}", _mega(module.macs)]
                rows.append(row if k == 0 else ["", "", *row[2:4], "", ""])
        return [(["module", "kind", "output", "shape", "parameters", "MACs"], rows)]

    def __repr__(self) -> str:
        return _as_text(self.title, self._tables(), left=4)

    def _repr_html_(self) -> str:
        return _as_html(self.title, self._tables())


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
    height, width = _input_sides(model, size)
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

    macs = _Counter({}, model)
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    images = torch.empty(1, 3, height, width, device="meta", dtype=dtype)
    modes = [(module, module.training) for module in model.modules()]
    try:
        for name, module in names.items():
            handles.append(module.register_forward_hook(hook_of(name)))
        model.eval()
        with torch.no_grad(), macs:
            torch.func.functional_call(model, meta_state(model), (images,))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    name = getattr(getattr(model, "config", None), "name", None) or type(model).__name__
    return ModuleTable(
        title=f"{name}, input (1, 3, {height}, {width})",
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


def _input_sides(model: nn.Module, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of the input, px."""
    if size is None:
        size = getattr(getattr(model, "config", None), "image_size", None)
    if size is None:
        raise ValueError("size: expected a side or (height, width), the model names none")
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    if height <= 0 or width <= 0:
        raise ValueError(f"size: expected positive sides, got {(height, width)}")
    return height, width
