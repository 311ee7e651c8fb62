"""What each of PyTorch's operations becomes in the page: one rule an operation.

A rule reads a node's arguments, refuses what the engine cannot do, and writes steps down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.fx import Node

from detlearn.show.page.graph import (
    Reader,
    Value,
    arguments,
    operation,
    shape_of,
    spatial_pads,
)

__all__ = ["RULES"]


def _argument(node: Node, place: int, name: str, default: Any) -> Any:
    return (
        arguments(node)[place] if len(arguments(node)) > place else node.kwargs.get(name, default)
    )


def _two(numbers: Any) -> list[int]:
    """One number or two as two."""
    listed = [numbers] if isinstance(numbers, int) else list(numbers)
    return listed * 2 if len(listed) == 1 else listed


def _conv(reader: Reader, node: Node) -> None:
    source = arguments(node)[0]
    pads = reader.paddings.get(source, [0, 0, 0, 0])
    inputs = reader.as_map(arguments(source)[0] if source in reader.paddings else source)
    stride = _two(_argument(node, 3, "stride", 1))
    high, wide = _two(_argument(node, 4, "padding", 0))
    dilation, groups = _two(_argument(node, 5, "dilation", 1)), _argument(node, 6, "groups", 1)
    channels = inputs.shape[1]
    if groups not in (1, channels):
        raise ValueError(
            f"{node.name}: the page knows convolutions of 1 group or of one a channel, "
            f"got {groups} groups of {channels} channels"
        )
    depthwise = groups == channels and channels > 1
    out = shape_of(node)[1]
    weight = reader.weight(arguments(node)[1], None)
    filters = reader.program.tensors[weight or ""]  # by output, input of a group, row, column
    if depthwise:
        filters = filters.reshape(channels, out // channels, *filters.shape[2:]).permute(2, 3, 0, 1)
    else:
        filters = filters.permute(2, 3, 1, 0)
    reader.keep(weight or "", filters)
    _finish_conv(
        reader, node, inputs, "depthwise" if depthwise else "conv",
        weight=weight, bias=reader.weight(_argument(node, 2, "bias", None)),
        stride=stride, dilation=dilation,
        pads=spatial_pads([pads[0] + wide, pads[1] + wide, pads[2] + high, pads[3] + high]),
    )  # fmt: skip


def _conv_transpose(reader: Reader, node: Node) -> None:
    dilation, groups = _two(_argument(node, 7, "dilation", 1)), _argument(node, 6, "groups", 1)
    padding = _two(_argument(node, 4, "padding", 0))
    if groups != 1 or dilation != [1, 1] or padding[0] != padding[1]:
        raise ValueError(
            f"{node.name}: the page knows transposed convolutions of one group, one padding and "
            f"no dilation, got groups {groups}, padding {padding}, dilation {dilation}"
        )
    _, out, high, wide = shape_of(node)
    _finish_conv(
        reader, node, reader.as_map(arguments(node)[0]), "conv_transpose",
        weight=reader.weight(arguments(node)[1], (2, 3, 1, 0)),
        bias=reader.weight(_argument(node, 2, "bias", None)),
        stride=_two(_argument(node, 3, "stride", 1)), pad=padding[0], shape=[1, high, wide, out],
    )  # fmt: skip


def _finish_conv(reader: Reader, node: Node, inputs: Value, op: str, **more: Any) -> None:
    """A convolution takes BatchNorm and ReLU along that follow it."""
    last = node
    norm = reader.take(last, "batch_norm")
    if norm is not None:
        more["norm"], last = _norm_of(reader, norm), norm
    relu = reader.take(last, "relu", "hardtanh", "relu6")
    if relu is not None:
        more["act"], last = _activation(relu), relu
    reader.step(node, op, [inputs], True, **more)
    for one in (norm, relu):
        if one is not None:
            reader.values[one] = reader.values[node]


def _norm_of(reader: Reader, node: Node) -> dict[str, Any]:
    """BatchNorm's numbers; in eval mode it is one factor and one addend a channel."""
    names = [reader.weight(one) for one in arguments(node)[1:5]]
    return {
        **dict(zip(("weight", "bias", "mean", "var"), names, strict=True)),
        "eps": arguments(node)[7],
    }


def _activation(node: Node) -> str:
    if operation(node).removesuffix("_") != "hardtanh":
        return operation(node).removesuffix("_")
    limits = (_argument(node, 1, "min_val", -1), _argument(node, 2, "max_val", 1))
    if limits != (0, 6):
        raise ValueError(f"{node.name}: the page clamps from 0 to 6, got {limits}")
    return "relu6"


def _batch_norm(reader: Reader, node: Node) -> None:
    reader.step(
        node, "norm", [reader.as_map(arguments(node)[0])], True, norm=_norm_of(reader, node)
    )


def _pad(reader: Reader, node: Node) -> None:
    pads = list(arguments(node)[1]) + [0] * (
        8 - len(arguments(node)[1])
    )  # left, right, top, bottom, channels
    mode, filler = _argument(node, 2, "mode", "constant"), _argument(node, 3, "value", None)
    if mode != "constant" or filler or min(pads) < 0:
        raise ValueError(f"{node.name}: the page pads with zeros, got {mode!r}, {filler}, {pads}")
    if not any(pads):
        reader.values[node] = reader.value(arguments(node)[0])
    elif not any(pads[4:]) and all(
        operation(user) == "conv2d" and user.args[0] is node for user in node.users
    ):
        reader.paddings[node] = pads[:4]
    else:
        around = [pads[6:8], *spatial_pads(pads), pads[4:6]]
        reader.step(node, "pad", [reader.as_map(arguments(node)[0])], True, pads=around)


def _unary(reader: Reader, node: Node) -> None:
    value = reader.value(arguments(node)[0])
    name = operation(node).removesuffix("_")
    op = _activation(node) if name in ("relu", "hardtanh", "relu6") else name
    reader.step(node, op, [value], value.is_map)


def _binary(reader: Reader, node: Node) -> None:
    if _argument(node, 2, "alpha", 1) != 1:
        raise ValueError(f"{node.name}: the page adds without a factor, got alpha")
    op = operation(node).removesuffix("_")
    sides = arguments(node)[:2]
    nodes = [side for side in sides if isinstance(side, Node)]
    is_map = any(reader.value(one).is_map for one in nodes)
    values = [reader.as_map(one) if is_map else reader.value(one) for one in nodes]
    if len(nodes) == 2:
        reader.step(node, op, values, is_map)
    elif isinstance(sides[0], Node):
        reader.step(node, op, values, is_map, number=float(sides[1]))
    else:
        raise ValueError(f"{node.name}: the page knows a tensor {op} a number, not the reverse")


def _cat(reader: Reader, node: Node) -> None:
    axis = _argument(node, 1, "dim", 0) % len(shape_of(node))
    is_map = all(reader.value(one).is_map for one in arguments(node)[0])
    values = [reader.value(one) if is_map else reader.plain(one) for one in arguments(node)[0]]
    reader.step(node, "cat", values, is_map, axis=[0, 3, 1, 2][axis] if is_map else axis)


def _permute(reader: Reader, node: Node) -> None:
    axes, value = (
        [axis % len(shape_of(node)) for axis in arguments(node)[1]],
        reader.value(arguments(node)[0]),
    )
    if value.is_map and axes == [0, 2, 3, 1]:  # it lies so already: every head ends like this
        reader.values[node] = Value(value.number, False, shape_of(node))
    else:
        reader.step(node, "transpose", [reader.plain(arguments(node)[0])], False, axes=axes)


def _reshape(reader: Reader, node: Node) -> None:
    shape = shape_of(node)
    reader.step(node, "reshape", [reader.plain(arguments(node)[0])], False, shape=list(shape))


def _slice(reader: Reader, node: Node) -> None:
    axis, start, step = (
        _argument(node, *one) for one in ((1, "dim", 0), (2, "start", 0), (4, "step", 1))
    )
    if step != 1:
        raise ValueError(f"{node.name}: the page takes every row of a slice, got step {step}")
    value, size = reader.plain(arguments(node)[0]), list(shape_of(node))
    begin = [0] * len(size)
    axis %= len(size)
    begin[axis] = min(
        (start or 0) % value.shape[axis] if (start or 0) < 0 else start or 0, value.shape[axis]
    )
    reader.step(node, "slice", [value], False, begin=begin, size=size)


def _pool(reader: Reader, node: Node) -> None:
    kernel = _two(arguments(node)[1])
    stride = _two(_argument(node, 2, "stride", None) or kernel)
    padding = _two(_argument(node, 3, "padding", 0))
    (high, wide), op = shape_of(node)[2:], operation(node)
    value = reader.as_map(arguments(node)[0])
    exact = [
        (side + 2 * pad - size) // by + 1
        for side, pad, size, by in zip(value.shape[2:], padding, kernel, stride, strict=True)
    ]
    if exact != [high, wide]:
        raise ValueError(f"{node.name}: the page pools without ceil_mode, which changes the map")
    if padding[0] != padding[1] or (op == "avg_pool2d" and padding != [0, 0]):
        raise ValueError(f"{node.name}: the page does not know {op} with padding {padding}")
    reader.step(node, op, [value], True, kernel=kernel, stride=stride, pad=padding[0])


def _global_pool(reader: Reader, node: Node) -> None:
    if shape_of(node)[2:] != (1, 1):
        raise ValueError(f"{node.name}: the page averages whole maps, got {shape_of(node)}")
    reader.step(node, "global_pool", [reader.as_map(arguments(node)[0])], True)


def _upsample(reader: Reader, node: Node) -> None:
    op = operation(node)
    if op == "upsample_bilinear2d" and _argument(node, 2, "align_corners", False):
        raise ValueError(f"{node.name}: the page does not align corners")
    size = list(shape_of(node)[2:])
    reader.step(node, op, [reader.as_map(arguments(node)[0])], True, size=size)


def _length(reader: Reader, node: Node) -> None:
    """The length of each cell's vector: first half of `torch.nn.functional.normalize`."""
    axes = [axis % 4 for axis in _argument(node, 2, "dim", [])]
    if _argument(node, 1, "ord", 2) != 2 or axes != [1] or not _argument(node, 3, "keepdim", False):
        raise ValueError(f"{node.name}: the page knows the length over channels only")
    reader.step(node, "length", [reader.as_map(arguments(node)[0])], True)


def _clamp_min(reader: Reader, node: Node) -> None:
    value = reader.value(arguments(node)[0])
    reader.step(node, "clamp_min", [value], value.is_map, number=float(arguments(node)[1]))


def _alias(reader: Reader, node: Node) -> None:
    reader.values[node] = reader.value(arguments(node)[0])


RULES: dict[str, Callable[[Reader, Node], None]] = {
    "conv2d": _conv, "conv_transpose2d": _conv_transpose, "batch_norm": _batch_norm,
    "relu": _unary, "relu6": _unary, "hardtanh": _unary, "sigmoid": _unary, "zeros_like": _unary,
    "add": _binary, "sub": _binary, "mul": _binary, "div": _binary, "cat": _cat,
    "permute": _permute, "reshape": _reshape, "view": _reshape, "flatten": _reshape,
    "unsqueeze": _reshape, "unflatten": _reshape, "slice": _slice, "pad": _pad,
    "max_pool2d": _pool, "avg_pool2d": _pool, "adaptive_avg_pool2d": _global_pool,
    "upsample_nearest2d": _upsample, "upsample_bilinear2d": _upsample,
    "linalg_vector_norm": _length, "clamp_min": _clamp_min,
    # What changes nothing in eval mode, or only how a tensor is stored; expand_as, because the
    # engine broadcasts by itself.
    "expand_as": _alias, "dropout": _alias, "contiguous": _alias, "clone": _alias,
    "detach": _alias, "alias": _alias, "to": _alias,
}  # fmt: skip
