"""A network as a list of steps that a page can run: read from PyTorch's exported graph.

`torch.export` writes down which operations a network calls, whatever class it is.  Here each of
them becomes a step for `engine.js`, or is refused by its name.  Maps are stored channels last,
because the engine's convolutions want them so; everything else keeps PyTorch's order of axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.fx import Node

__all__ = ["Program", "Reader", "Value", "arguments", "operation", "shape_of", "spatial_pads"]


VIEWS = {
    "alias",
    "expand_as",
    "flatten",
    "permute",
    "reshape",
    "slice",
    "unflatten",
    "unsqueeze",
    "view",
}
"""Operations whose result shares its numbers with what they were given."""


@dataclass
class Program:
    """What the page runs.

    Attributes:
        steps: in order; each has ``op``, ``in`` (numbers of values), ``out`` (a number) and what
            the operation needs.  Value 0 is the picture ``(1, S, S, 3)``.
        tensors: the weights by name, axes in the engine's order.
        outputs: numbers of the values that the network returns, in order.
        shapes: shape of each output as PyTorch has it.
    """

    steps: list[dict[str, Any]] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    outputs: list[int] = field(default_factory=list)
    shapes: list[tuple[int, ...]] = field(default_factory=list)


class Value(NamedTuple):
    """A tensor of the page: its number, whether channels stand last, its shape in PyTorch."""

    number: int
    is_map: bool
    shape: tuple[int, ...]


class Reader:
    """Walks through the graph once; `values` says what stands for each node so far."""

    def __init__(self, exported: Any) -> None:
        self.program = Program()
        self.weights = dict(exported.state_dict)
        self.weights.update(exported.constants)
        signature = exported.graph_signature
        names = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        self.names: dict[Node, str] = {}
        self.values: dict[Node, Value] = {}
        self.paddings: dict[Node, list[int]] = {}  # of pads that a convolution will do itself
        self.done: set[Node] = set()  # what a step before has taken along
        self.count = 1
        for node in exported.graph.nodes:
            if node.op == "placeholder" and node.name in names:
                self.names[node] = names[node.name]
            elif node.op == "placeholder":
                self.values[node] = Value(0, True, shape_of(node))

    def finish(self, node: Node) -> None:
        for one in arguments(node)[0]:
            value = self.plain(one)
            self.program.outputs.append(value.number)
            self.program.shapes.append(value.shape)

    def check_in_place(self, node: Node) -> None:
        """Steps write new tensors.  The graph says who reads the changed one, unless the change
        went through a view: whoever reads the viewed tensor later would see the old numbers.
        """
        source = arguments(node)[0]
        if source.op == "call_function" and operation(source) in VIEWS:
            raise ValueError(
                f"{node.name}: the page changes no tensor in place, and {source.name} is a view of "
                "another one"
            )

    # ------------------------------------------------------------------ values

    def step(self, node: Node, op: str, inputs: Sequence[Value], is_map: bool, **more: Any) -> None:
        """Write one step down; its result stands for the node."""
        self.values[node] = self._emit(op, inputs, is_map, shape_of(node), **more)

    def _emit(
        self,
        op: str,
        inputs: Sequence[Value],
        is_map: bool,
        torch_shape: tuple[int, ...],
        **more: Any,
    ) -> Value:
        number = self.count
        self.count += 1
        step = {"op": op, "in": [value.number for value in inputs], "out": number, **more}
        self.program.steps.append(step)
        return Value(number, is_map, torch_shape)

    def value(self, node: Node) -> Value:
        """What stands for a node; a weight becomes a value where it is first used as one."""
        if node in self.paddings:  # somebody else than a convolution wants it after all
            pads = self.paddings.pop(node)
            self.step(
                node,
                "pad",
                [self.value(arguments(node)[0])],
                True,
                pads=[[0, 0], *spatial_pads(pads), [0, 0]],
            )
        if node not in self.values:
            name = self.names[node]
            self.keep(name, self.weights[name].detach().float())
            shape = tuple(self.weights[name].shape)
            self.values[node] = self._emit("weight", [], False, shape, tensor=name)
        return self.values[node]

    def as_map(self, node: Node) -> Value:
        """A value with channels last, four axes."""
        value = self.value(node)
        if value.is_map:
            return value
        shape = (1,) * (4 - len(value.shape)) + value.shape
        if shape != value.shape:
            value = self._emit("reshape", [value], False, shape, shape=shape)
        return self._emit("transpose", [value], True, shape, axes=[0, 2, 3, 1])

    def plain(self, node: Node) -> Value:
        """A value in PyTorch's order of axes."""
        value = self.value(node)
        if not value.is_map:
            return value
        return self._emit("transpose", [value], False, value.shape, axes=[0, 3, 1, 2])

    def keep(self, name: str, tensor: Tensor) -> None:
        """Put a weight into the program."""
        if not bool(torch.isfinite(tensor).all()):
            raise ValueError(f"{name}: expected finite weights, got NaN or infinity")
        self.program.tensors[name] = tensor.contiguous()

    def weight(self, node: Node | None, axes: tuple[int, ...] | None = None) -> str | None:
        """Name of a weight that a step needs, with its axes moved."""
        if node is None:
            return None
        if node not in self.names:
            raise ValueError(f"{node.name}: expected a weight, got a tensor that is computed")
        name = self.names[node]
        tensor = self.weights[name].detach().float()
        self.keep(name, tensor if axes is None else tensor.permute(axes))
        return name

    def only_user(self, node: Node) -> Node | None:
        users = list(node.users)
        return users[0] if len(users) == 1 else None

    def take(self, node: Node, *names: str) -> Node | None:
        """The next node, if it is the only one that reads this one, and one of these."""
        after = self.only_user(node)
        if (
            after is None
            or operation(after).removesuffix("_") not in names
            or arguments(after)[0] is not node
        ):
            return None
        self.done.add(after)
        return after


def operation(node: Node) -> str:
    """``conv2d`` of ``aten.conv2d.default``."""
    return str(node.target).split(".")[1] if "." in str(node.target) else str(node.target)


def arguments(node: Node) -> tuple[Any, ...]:
    """What a node was called with; the type that torch declares for them has twenty members."""
    return node.args


def shape_of(node: Node) -> tuple[int, ...]:
    """Shape of a node's tensor, as plain numbers."""
    return tuple(int(side) for side in node.meta["val"].shape)


def spatial_pads(pads: Sequence[int]) -> list[list[int]]:
    """From PyTorch's (left, right, top, bottom) to the engine's [top, bottom], [left, right]."""
    return [[pads[2], pads[3]], [pads[0], pads[1]]]
