"""A pretend pass on PyTorch's `meta` device: every shape and every multiply-add, no numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from detlearn.models.modes import evaluating

__all__ = ["MultiplyAdds", "input_sides", "meta_state", "named_tensors", "pretend"]


def pretend(
    model: nn.Module, size: tuple[int, int], *arguments: Any, root: nn.Module | None = None
) -> Any:
    """What a model returns for one image, on `meta`: the largest takes a moment and no memory.

    Args:
        model: left as it was; run in eval mode.
        size: (height, width) of the image, px.
        arguments: what `root` is given after the image.
        root: a module around the model that is called in its stead.

    Returns:
        What the call returned, tensors without numbers.
    """
    called = model if root is None else root
    dtype = next((p.dtype for p in model.parameters()), torch.float32)
    images = torch.empty(1, 3, *size, device="meta", dtype=dtype)
    with evaluating(model), torch.no_grad():
        return torch.func.functional_call(called, meta_state(called), (images, *arguments))


class MultiplyAdds:
    """Counts the multiply-adds of every convolution and matrix product while it is entered.

    PyTorch counts (`torch.utils.flop_counter`); two of its operations are one multiply-add. It
    knows the module that is running by name, and a list of heads is never running itself, so
    what is inside a module is the sum over what has no modules inside.

    Args:
        root: the module that will be called.
    """

    def __init__(self, root: nn.Module) -> None:
        self._flops = FlopCounterMode(display=False)
        self._root = root

    def __enter__(self) -> MultiplyAdds:
        self._flops.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._flops.__exit__(*error)
        counts, top = self._flops.get_flop_counts(), type(self._root).__name__
        self.by_leaf: dict[nn.Module, int] = {}
        # a shared module stands under one of its names, so all of them are asked
        for name, module in self._root.named_modules(remove_duplicate=False):
            if not list(module.children()):
                flops = sum(counts.get(f"{top}.{name}" if name else top, {}).values())
                self.by_leaf[module] = self.by_leaf.get(module, 0) + flops // 2

    @property
    def total(self) -> int:
        """Of everything that was called."""
        return self._flops.get_total_flops() // 2

    def inside(self, module: nn.Module) -> int:
        """Of a module with everything in it."""
        return sum(self.by_leaf.get(each, 0) for each in module.modules())


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


def input_sides(model: nn.Module, size: int | tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of the input, px: the model's own `config.image_size` if none is given."""
    if size is None:
        size = getattr(getattr(model, "config", None), "image_size", None)
    if size is None:
        raise ValueError("size: expected a side or (height, width), the model names none")
    height, width = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    if height <= 0 or width <= 0:
        raise ValueError(f"size: expected positive sides, got {(height, width)}")
    return height, width
