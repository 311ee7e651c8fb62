"""Every shape of a model in one table: maps, priors, parameters and multiplications."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from detlearn.show.meta_pass import MultiplyAdds, input_sides, named_tensors, pretend
from detlearn.show.text_tables import as_html, as_text, mega

__all__ = ["LevelShape", "PartSize", "ShapeTable", "shape_table"]


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
        macs: multiply-adds of convolutions and matrix products for one image.
    """

    name: str
    parameters: int
    macs: int


@dataclass(frozen=True, slots=True)
class ShapeTable:
    """Shapes and sizes of a model; printed as text, shown as a table in notebooks.

    Attributes:
        name: of the model.
        input_shape: (1, 3, H, W).
        levels: one entry a map, fine to coarse.
        parts: one entry a part, in the order of the model.
        word: what a map of the pyramid is called; M2Det, which has several maps of each
            resolution, calls it a scale.
    """

    name: str
    input_shape: tuple[int, int, int, int]
    levels: tuple[LevelShape, ...]
    parts: tuple[PartSize, ...]
    word: str = "level"

    @property
    def title(self) -> str:
        """The model's name and its input."""
        return f"{self.name}, input {self.input_shape}"

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
        header = [self.word, "map (C, H, W)"]
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
                row += [f"{level.head_parameters:,}", mega(level.head_macs)]
            rows.append(row)
        if has_priors or has_heads:
            total = ["sum", ""]
            total += ["", "", f"{self.priors:,}"] if has_priors else []
            if has_heads:
                total.append(f"{sum(level.head_parameters for level in self.levels):,}")
                total.append(mega(sum(level.head_macs for level in self.levels)))
            rows.append(total)
        tables = [(header, rows)] if self.levels else []
        parts = [[part.name, f"{part.parameters:,}", mega(part.macs)] for part in self.parts]
        parts.append(["sum", f"{self.parameters:,}", mega(self.macs)])
        return [*tables, (["part", "parameters", "MACs"], parts)]

    def __repr__(self) -> str:
        return as_text(self.title, self._tables())

    def _repr_html_(self) -> str:
        return as_html(self.title, self._tables())


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
    sides = input_sides(model, size)
    probe = _Probe(model)
    macs = MultiplyAdds(probe)
    with macs:
        outputs = pretend(model, sides, False, root=probe)
    maps = pretend(model, sides, True, root=probe)
    pyramid = [each for _, each in named_tensors(maps if maps is not None else outputs)]
    return ShapeTable(
        name=getattr(getattr(model, "config", None), "name", None) or type(model).__name__,
        input_shape=(1, 3, *sides),
        levels=tuple(_levels(model, pyramid, macs)),
        parts=tuple(_part_sizes(model, macs)),
        word="scale" if hasattr(getattr(model, "config", None), "num_scales") else "level",
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


def _part_sizes(model: nn.Module, macs: MultiplyAdds) -> Iterable[PartSize]:
    """What each part has for itself: shared modules and parameters count for the first."""
    modules: set[nn.Module] = set()
    parameters: set[Tensor] = set()
    counted = 0
    for name, part in _parts(model):
        own = [p for p in part.parameters() if p not in parameters]
        parameters.update(own)
        inner = [module for module in part.modules() if module not in modules]
        modules.update(inner)
        size = PartSize(
            name, sum(p.numel() for p in own), sum(macs.by_leaf.get(each, 0) for each in inner)
        )
        counted += size.macs
        if size.parameters or size.macs:
            yield size
    rest = sum(p.numel() for p in model.parameters() if p not in parameters)
    if rest or macs.total > counted:
        yield PartSize("other", rest, macs.total - counted)


def _levels(model: nn.Module, maps: Sequence[Tensor], macs: MultiplyAdds) -> Iterable[LevelShape]:
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
