"""Which pixels a cell of a feature map sees, by arithmetic, for any graph of layers.

The network runs once on PyTorch's `meta` device, and every operation writes down which cells of
its input a cell of its output reads. A question is then answered backwards, as autograd would:
an interval of rows and columns goes from the map to the image, through each layer's kernel,
stride, padding and dilation, and where paths meet their hull goes on. Nothing depends on weights
or on pixels, so a dead ReLU hides nothing, and the largest network takes a moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from detlearn.models.modes import evaluating
from detlearn.show.meta_pass import meta_state, named_tensors

__all__ = ["ReceptiveField", "SpatialTrace", "receptive_field"]

Interval = tuple[int, int]
Rule = Callable[[int, Interval], Interval]
"""(axis, cells of the output, both ends included) -> cells of the input; axis 0 is the rows."""


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """What one cell of a map sees.

    Attributes:
        size: (height, width), px, of the field if the image went on behind its edges; it may be
            larger than the image.
        stride: (y, x), px between the centres of neighbouring fields; 0 where every cell sees
            the same.
        box: (x1, y1, x2, y2), px of the network's input: the part of the field inside the image.
        exact: false if an operation on the way is not known here, and was taken to read its
            whole input: then the field is at most this large.
    """

    size: tuple[int, int]
    stride: tuple[float, float]
    box: tuple[int, int, int, int]
    exact: bool


@dataclass(slots=True, eq=False)
class _Node:
    """A tensor on the way: its sides, and what its cells read."""

    number: int
    size: tuple[int, int]
    parents: list[tuple[_Node, Rule]] = field(default_factory=list)
    exact: bool = True


class SpatialTrace:
    """Where every map of every module of a model gets its cells from.

    Args:
        model: takes images ``(1, 3, H, W)``.
        size: (height, width) of the input, px.

    Raises:
        Exception: whatever the model raises on `meta`, where no tensor has values.

    >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2))
    >>> SpatialTrace(net, (8, 8)).field("1", "", (1, 1))
    ReceptiveField(size=(4, 4), stride=(2.0, 2.0), box=(1, 1, 5, 5), exact=True)
    """

    def __init__(self, model: nn.Module, size: tuple[int, int]) -> None:
        recorder = _Recorder()
        found: dict[tuple[str, int, str], _Node] = {}
        calls: dict[str, int] = {}
        handles = []

        def hook_of(name: str) -> Callable[[nn.Module, Any, Any], None]:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                call = calls[name] = calls.get(name, -1) + 1
                for path, tensor in named_tensors(output):
                    node = recorder.nodes.get(id(tensor))
                    if node is not None:
                        found[name, call, path] = node

            return hook

        dtype = next((p.dtype for p in model.parameters()), torch.float32)
        images = torch.empty(1, 3, *size, device="meta", dtype=dtype)
        recorder.begin(images)
        try:
            for name, module in model.named_modules():
                handles.append(module.register_forward_hook(hook_of(name)))
            with evaluating(model), torch.no_grad(), recorder:
                torch.func.functional_call(model, meta_state(model), (images,))
        finally:
            for handle in handles:
                handle.remove()
        self.order = recorder.order
        self._found = found

    def field(
        self, module: str, path: str = "", cell: tuple[int, int] | None = None, call: int = 0
    ) -> ReceptiveField | None:
        """The receptive field of a cell.

        Args:
            module: name of the module.
            path: which tensor of its output, as `named_tensors` calls it.
            cell: (row, column); the middle when omitted.
            call: which call of a module that runs more than once.

        Returns:
            The field; None if that tensor was not made, or not from the image.
        """
        node = self._found.get((module, call, path))
        if node is None:
            return None
        row, column = (node.size[0] // 2, node.size[1] // 2) if cell is None else cell
        at = ((row, row), (column, column))
        free, exact = self._walk(node, at, clip=False)
        seen, _ = self._walk(node, at, clip=True)
        first, _ = self._walk(node, ((0, 0), (0, 0)), clip=False)
        height, width = node.size
        beyond, _ = self._walk(node, ((height, height), (width, width)), clip=False)
        strides = [
            (sum(far) - sum(near)) / 2 / sides
            for far, near, sides in zip(beyond, first, node.size, strict=True)
        ]
        (top, bottom), (left, right) = seen
        return ReceptiveField(
            size=(free[0][1] - free[0][0] + 1, free[1][1] - free[1][0] + 1),
            stride=(strides[0], strides[1]),
            box=(left, top, right + 1, bottom + 1),
            exact=exact,
        )

    def _walk(
        self, node: _Node, cells: tuple[Interval, Interval], clip: bool
    ) -> tuple[tuple[Interval, Interval], bool]:
        """Rows and columns of the image behind `cells`, and whether the rules were all known."""
        wanted = {node.number: cells}
        exact = True
        for each in reversed(self.order[: node.number + 1]):
            if each.number == 0:
                break
            here = wanted.pop(each.number, None)
            if here is None:
                continue
            exact &= each.exact
            for parent, rule in each.parents:
                asked = []
                for axis in (0, 1):
                    low, high = rule(axis, here[axis])
                    if clip:
                        low, high = max(low, 0), min(high, parent.size[axis] - 1)
                    asked.append((low, high))
                if any(low > high for low, high in asked):
                    continue  # padding only
                old = wanted.get(parent.number)
                if old is not None:
                    asked = [
                        (min(a[0], b[0]), max(a[1], b[1])) for a, b in zip(old, asked, strict=True)
                    ]
                wanted[parent.number] = (asked[0], asked[1])
        return wanted.get(0, ((0, -1), (0, -1))), exact


def receptive_field(
    model: nn.Module, module: str, size: int | tuple[int, int], path: str = ""
) -> ReceptiveField:
    """What the middle cell of a map sees of the image.

    Args:
        model: takes images ``(1, 3, H, W)``.
        module: name of one of its modules, as in `model.named_modules`.
        size: side of the input, or (height, width), px.
        path: which tensor of the module's output, for instance "[0]"; "" for the only one.

    Returns:
        The field, by arithmetic from kernels, strides, paddings and dilations.

    Raises:
        ValueError: no such module, or it makes no such tensor from the image.

    **Invariant:** outside `box`, no pixel changes the cell.

    >>> convs = nn.Sequential(*[nn.Conv2d(3, 3, 3, stride=2, padding=1) for _ in range(3)])
    >>> receptive_field(convs, "2", 64).size  # 3, 7, 15
    (15, 15)
    """
    if module not in dict(model.named_modules()):
        raise ValueError(f"module: expected a name from model.named_modules(), got {module!r}")
    sides = (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))
    found = SpatialTrace(model, sides).field(module, path)
    if found is None:
        raise ValueError(f"path: {module!r} makes no tensor {path!r} from the image")
    return found


# --------------------------------------------------------------------------- the rules


class _Recorder(TorchDispatchMode):
    """Writes down, for every operation, what its output's cells read."""

    def __init__(self) -> None:
        super().__init__()
        self.nodes: dict[int, _Node] = {}
        self.order: list[_Node] = []
        self.alive: list[Tensor] = []  # an id is good as long as its tensor lives

    def begin(self, images: Tensor) -> None:
        self._add(images, [], True)

    def _add(self, tensor: Tensor, parents: list[tuple[_Node, Rule]], exact: bool) -> None:
        node = _Node(len(self.order), _sides(tensor), parents, exact)
        self.order.append(node)
        self.nodes[id(tensor)] = node
        self.alive.append(tensor)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [tensor for _, tensor in named_tensors([*args, kwargs])]
        # before the call: an operation in place gives its input's tensor another node
        parents = [(self.nodes[id(each)], each) for each in given if id(each) in self.nodes]
        sides = [_sides(each) for _, each in parents]
        output = func(*args, **kwargs)
        if parents:
            values = {a.name: a.default_value for a in func._schema.arguments}
            values.update(zip(values, args, strict=False), **kwargs)
            for _, tensor in named_tensors(output):
                links: list[tuple[_Node, Rule]] = []
                exact = True
                for (parent, source), size in zip(parents, sides, strict=True):
                    rule, known = _rule(func, values, source, size, tensor)
                    links.append((parent, rule))
                    exact &= known
                self._add(tensor, links, exact)
        return output


def _sides(tensor: Tensor) -> tuple[int, int]:
    shape = tuple(tensor.shape)
    return (shape[-2], shape[-1]) if len(shape) >= 2 else (1, shape[0] if shape else 1)


# keep a cell's place, whatever they do to its channels
SAME_PLACE = {
    "native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training",
    "_batch_norm_no_update", "cudnn_batch_norm", "miopen_batch_norm", "clone", "detach", "alias",
    "_to_copy", "copy", "expand", "native_dropout", "lift_fresh",
}  # fmt: skip
# keep it if the dimensions that they name are not the last two
ALONG_DIMENSION = {
    "cat", "stack", "sum", "mean", "amax", "amin", "max", "min", "linalg_vector_norm", "norm",
    "_softmax", "_log_softmax", "softmax", "split", "split_with_sizes", "select", "slice",
    "unbind", "cumsum", "argmax", "var", "var_mean",
}  # fmt: skip
# every number depends on every cell
EVERYWHERE = {"addmm", "mm", "bmm", "native_group_norm", "native_layer_norm"}


def _rule(
    func: Any, values: dict[str, Any], source: Tensor, size: tuple[int, int], output: Tensor
) -> tuple[Rule, bool]:
    """How cells of `output` read cells of `source`, and whether that is known."""
    name = func._schema.name.split("::")[1].rstrip("_")
    out = _sides(output)
    placeless = size == (1, 1) or source.ndim < 3  # nothing left to lose
    same: Rule = lambda axis, cells: cells if size[axis] == out[axis] else (0, 0)  # noqa: E731
    whole: Rule = lambda axis, cells: (0, size[axis] - 1)  # noqa: E731
    fits = output.ndim >= 3 and all(a in (1, b) for a, b in zip(size, out, strict=True))

    if name == "convolution" and source is values["input"] and source.ndim == 4:
        kernel = tuple(values["weight"].shape[-2:])
        window = _window(kernel, values["stride"], values["padding"], values["dilation"])
        back = _transposed(kernel, values["stride"], values["padding"], values["dilation"])
        return (back if values["transposed"] else window), True
    if name in ("max_pool2d_with_indices", "max_pool2d", "avg_pool2d"):
        stride = values["stride"] or values["kernel_size"]
        dilation = values.get("dilation", 1)
        return _window(values["kernel_size"], stride, values["padding"], dilation), True
    if name in ("_adaptive_avg_pool2d", "adaptive_max_pool2d"):
        return _adaptive(size, out), True
    if name in ("upsample_nearest2d", "_upsample_nearest_exact2d"):
        return _nearest(size, out, name == "_upsample_nearest_exact2d"), True
    if name == "upsample_bilinear2d":
        return _bilinear(size, out, bool(values["align_corners"])), True
    if name == "constant_pad_nd":
        left, top = values["pad"][0], values["pad"][2] if len(values["pad"]) > 2 else 0
        before = (top, left)
        return (lambda axis, cells: (cells[0] - before[axis], cells[1] - before[axis])), True
    if name == "slice" and values["dim"] % source.ndim >= source.ndim - 2 and source.ndim >= 3:
        cut, step = values["dim"] % source.ndim - (source.ndim - 2), values["step"]
        start = min(max((values["start"] or 0), -size[cut]) % max(size[cut], 1), size[cut])
        return (
            lambda axis, cells: (
                (start + step * cells[0], start + step * cells[1]) if axis == cut else cells
            )
        ), True
    if fits and (torch.Tag.pointwise in func.tags or name in SAME_PLACE):
        return same, True
    if name in ALONG_DIMENSION:
        given = values.get("dim", values.get("self_dim"))
        dims = [given] if isinstance(given, int) else list(given or range(source.ndim))
        inside = [dim % max(source.ndim, 1) >= source.ndim - 2 for dim in dims]
        if not any(inside) and fits:
            return same, True
        return whole, name in ("mean", "sum", "amax", "amin") and all(inside)
    if name in ("permute", "transpose"):
        if name == "permute":
            ends = [dim % source.ndim for dim in values["dims"]][-2:]
        else:
            swapped = {values["dim0"] % source.ndim, values["dim1"] % source.ndim}
            ends = [] if swapped & {source.ndim - 1, source.ndim - 2} else [-2, -1]
        kept = [dim % source.ndim for dim in ends] == [source.ndim - 2, source.ndim - 1]
        return (same, True) if kept and fits else (whole, placeless)
    if name in ("view", "_unsafe_view", "unsqueeze", "squeeze", "reshape"):
        return (same, True) if out == size and output.ndim >= 3 else (whole, placeless)
    return whole, placeless or name in EVERYWHERE


def _pair(value: Any) -> tuple[int, int]:
    both = [int(each) for each in value] if isinstance(value, (list, tuple)) else [int(value)]
    return (both[0], both[-1])


def _window(kernel: Any, stride: Any, padding: Any, dilation: Any) -> Rule:
    kernel, stride, padding, dilation = map(_pair, (kernel, stride, padding, dilation))

    def rule(axis: int, cells: Interval) -> Interval:
        start = stride[axis] * cells[0] - padding[axis]
        end = stride[axis] * cells[1] - padding[axis] + dilation[axis] * (kernel[axis] - 1)
        return start, end

    return rule


def _transposed(kernel: Any, stride: Any, padding: Any, dilation: Any) -> Rule:
    kernel, stride, padding, dilation = map(_pair, (kernel, stride, padding, dilation))

    def rule(axis: int, cells: Interval) -> Interval:
        s, reach = stride[axis], dilation[axis] * (kernel[axis] - 1)
        first = cells[0] + padding[axis] - reach
        return -(-first // s), (cells[1] + padding[axis]) // s

    return rule


def _adaptive(size: tuple[int, int], out: tuple[int, int]) -> Rule:
    def rule(axis: int, cells: Interval) -> Interval:
        n, m = size[axis], out[axis]
        return cells[0] * n // m, -(-(cells[1] + 1) * n // m) - 1

    return rule


def _nearest(size: tuple[int, int], out: tuple[int, int], exact: bool) -> Rule:
    def rule(axis: int, cells: Interval) -> Interval:
        n, m, half = size[axis], out[axis], int(exact)
        low, high = ((2 * cell + half) * n // (2 * m) for cell in cells)
        return low, high

    return rule


def _bilinear(size: tuple[int, int], out: tuple[int, int], corners: bool) -> Rule:
    def rule(axis: int, cells: Interval) -> Interval:
        n, m = size[axis], out[axis]
        if corners:
            places = [cell * (n - 1) for cell in cells]
            unit = max(m - 1, 1)
        else:
            places = [(2 * cell + 1) * n - m for cell in cells]
            unit = 2 * m
        return places[0] // unit, -(-places[1] // unit)

    return rule
