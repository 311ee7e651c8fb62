"""Are two results equal, and if not, what is the difference in one sentence?"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["describe", "difference", "same", "whole"]


def same(a: Any, b: Any, tolerance: float) -> bool:
    """Equality of results: numbers and tensors up to `tolerance`, containers item by item."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(same(a[key], b[key], tolerance) for key in a)
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
    x, y = _as_tensor(a), _as_tensor(b)
    if x is None or y is None:
        return bool(type(a) is type(b) and a == b)
    if x.shape != y.shape or _kind(x) != _kind(y):
        return False
    if _kind(x) != "real":
        return torch.equal(x, y)
    return torch.allclose(x.double(), y.double(), rtol=0, atol=tolerance, equal_nan=True)


def whole(value: Any) -> Any:
    """Floats that are whole numbers as integers, also inside tuples and lists."""
    if isinstance(value, tuple | list):
        return type(value)(whole(item) for item in value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_tensor(value: Any) -> Tensor | None:
    """Tensors, arrays and numbers as a tensor on the CPU; None for all else."""
    if isinstance(value, Tensor):
        return value.detach().cpu()
    if isinstance(value, numbers.Number) or hasattr(value, "__array__"):
        try:
            return torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError):
            return None
    return None


def _kind(value: Tensor) -> str:
    if value.dtype == torch.bool:
        return "truth value"
    return "real" if value.is_floating_point() else "integer"


def difference(got: Any, wanted: Any) -> str:
    """One sentence on how a result differs from what it should be.

    >>> difference([torch.zeros(1, 4)], [torch.zeros(1, 4), torch.zeros(1, 2)])
    'expected 2 items, got 1.'
    >>> difference([torch.zeros(3, 4)], [torch.zeros(3, 2)])
    'item 0: expected shape (3, 2), got (3, 4).'
    """
    if isinstance(got, tuple | list) and _holds_tensors(wanted):
        if len(got) != len(wanted):
            return f"expected {len(wanted)} items, got {len(got)}."
        for k, (mine, right) in enumerate(zip(got, wanted, strict=True)):
            if not same(mine, right, 1e-5):
                return f"item {k}: {difference(mine, right)}"
    x, y = _as_tensor(got), _as_tensor(wanted)
    if x is None or y is None or (isinstance(wanted, Tensor) and not hasattr(got, "shape")):
        said = f"expected {describe(wanted)}, got {describe(got)}."
        listed = isinstance(wanted, Tensor) and isinstance(got, tuple | list)
        return f"{said} Return a tensor and not a {type(got).__name__}." if listed else said
    if x.shape != y.shape:
        return f"expected shape {tuple(y.shape)}, got {tuple(x.shape)}."
    if _kind(x) != _kind(y):
        return f"expected {_kind(y)}s, got {_kind(x)}s ({describe(got)})."
    if x.ndim == 0:
        return f"expected {_number(y.item())}, got {_number(x.item())}."
    index = tuple(((x.double() - y.double()).abs() != 0).nonzero()[0].tolist())
    if _kind(x) == "real":
        # the largest error tells more than the first rounding
        error = (x.double() - y.double()).abs().nan_to_num(math.inf)
        index = tuple(int(i) for i in torch.unravel_index(error.argmax(), error.shape))
    place = ", ".join(map(str, index))
    return (
        f"at [{place}] expected {_number(y[index].item())}, got {_number(x[index].item())} "
        f"(shape {tuple(y.shape)} is right)."
    )


def _number(value: float | int | bool) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def describe(value: Any) -> str:
    """A value as short as a sentence needs it."""
    if isinstance(value, Tensor) or hasattr(value, "__array__"):
        tensor = _as_tensor(value)
        if tensor is not None and tensor.numel() <= 8:
            rounded = _rounded(tensor.tolist())
            return f"tensor({rounded})" if tensor.ndim else f"{rounded}"
        return f"a tensor of shape {tuple(value.shape)}"
    if _holds_tensors(value):
        text = f"[{', '.join(describe(item) for item in value)}]"
        return text if len(text) <= 120 else f"a list of {len(value)} items"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k!r}: {describe(v)}" for k, v in value.items()) + "}"
    text = repr(_rounded(value)) if isinstance(value, float | list | tuple) else repr(value)
    return text if len(text) <= 120 else text[:117] + "..."


def _holds_tensors(value: Any) -> bool:
    """Whether it is a list, or a list of lists, of tensors: too long to be printed."""
    return isinstance(value, tuple | list) and any(
        isinstance(item, Tensor) or _holds_tensors(item) for item in value
    )


def _rounded(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return type(value)(_rounded(item) for item in value)
    return float(f"{value:.4g}") if isinstance(value, float) else value
