"""What goes between the grader and a student's program: numbers, texts, tensors, and nothing that
runs. A pickle would: whoever unpickles a stranger's bytes runs the stranger's code.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["MAX_BYTES", "Opaque", "decode", "encode", "from_line", "to_line"]

MAX_BYTES = 20_000_000
"""Of one message; an answer of the course has a few hundred kilobytes."""
DEPTH = 12
DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
        torch.bfloat16, torch.float32, torch.float64,
    )
}  # fmt: skip


class Opaque:
    """A value that the wire does not carry; equal to nothing.

    Args:
        kind: name of its class.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        return f"an object of the class {self.kind}"


def encode(value: Any, depth: int = DEPTH) -> Any:
    """A value as JSON can say it; what the wire does not carry becomes `Opaque`.

    >>> encode((1, [True, None], {"a": 0.5}))
    {'tuple': [1, {'list': [True, None]}, {'dict': [['a', 0.5]]}]}
    """
    if value is ... or depth == 0:
        return {"ellipsis": 0} if value is ... else {"opaque": type(value).__name__}
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, Mapping):
        return {"dict": [[encode(k, depth - 1), encode(v, depth - 1)] for k, v in value.items()]}
    if isinstance(value, tuple | list):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [encode(item, depth - 1) for item in value]}
    tensor = value if isinstance(value, Tensor) else None
    if tensor is None and type(value).__module__ == "numpy" and hasattr(value, "__array__"):
        try:
            tensor = torch.as_tensor(value)
        except (TypeError, ValueError):
            tensor = None
    if tensor is None or tensor.is_sparse or str(tensor.dtype)[6:] not in DTYPES:
        return {"opaque": type(value).__name__[:80]}
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
    data = base64.b64encode(flat.numpy().tobytes()).decode()
    return {"tensor": [str(tensor.dtype)[6:], list(tensor.shape), data]}


def decode(said: Any, depth: int = DEPTH + 1) -> Any:
    """The value that `encode` was given.

    Raises:
        ValueError: nothing that `encode` says.

    >>> decode(encode((1, [True, None], {"a": 0.5})))
    (1, [True, None], {'a': 0.5})
    """
    if depth == 0:
        raise ValueError("a value inside too many others")
    if said is None or isinstance(said, bool | int | float | str):
        return said
    if not isinstance(said, dict) or len(said) != 1:
        raise ValueError("expected one kind of value")
    ((kind, inside),) = said.items()
    if kind == "ellipsis":
        return ...
    if kind == "opaque":
        return Opaque(str(inside)[:80])
    if kind in ("tuple", "list") and isinstance(inside, list):
        items = [decode(item, depth - 1) for item in inside]
        return tuple(items) if kind == "tuple" else items
    if kind == "dict" and isinstance(inside, list):
        try:
            return {decode(k, depth - 1): decode(v, depth - 1) for k, v in inside}
        except TypeError as error:
            raise ValueError(f"a dict that cannot be one ({error})") from None
    if kind == "tensor" and isinstance(inside, list) and len(inside) == 3:
        return _tensor(*inside)
    raise ValueError("no kind of value that is known")


def _tensor(dtype: Any, shape: Any, data: Any) -> Tensor:
    if dtype not in DTYPES or not isinstance(data, str):
        raise ValueError("no tensor")
    if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("a tensor without a shape")
    raw = bytearray(base64.b64decode(data, validate=True))
    if not raw:
        return torch.empty(shape, dtype=DTYPES[dtype])
    try:
        return torch.frombuffer(raw, dtype=DTYPES[dtype]).reshape(shape)
    except RuntimeError as error:
        raise ValueError(f"a tensor of another size ({error})") from None


def to_line(message: Mapping[str, Any]) -> bytes:
    """A message as one line.

    Raises:
        ValueError: it is longer than `MAX_BYTES`.
    """
    line = json.dumps(message).encode() + b"\n"
    if len(line) > MAX_BYTES:
        raise ValueError(f"a message of {len(line):,} bytes, at most {MAX_BYTES:,}")
    return line


def from_line(line: bytes) -> dict[str, Any]:
    """The message of a line.

    Raises:
        ValueError: the line is no JSON object.
    """
    try:
        message = json.loads(line)
    except (RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"no message ({type(error).__name__})") from None
    if not isinstance(message, dict):
        raise ValueError("no message")
    return message
