"""A network as a list of steps that a page can run: read from PyTorch's exported graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.fx import Node

from detlearn.models.modes import evaluating
from detlearn.show.page.graph import Program, Reader, operation
from detlearn.show.page.operations import RULES

__all__ = ["known_operations", "read_program"]


def read_program(model: nn.Module, example: Tensor) -> Program:
    """Translate a network's exported graph.

    Args:
        model: any network whose `forward` takes one tensor and returns tensors.
        example: ``(1, 3, S, S)``, of the size that the page will use.

    Returns:
        The steps and the weights.

    Raises:
        ValueError: naming an operation, or a way of using one, that the page does not know.

    >>> import detlearn
    >>> program = read_program(detlearn.create_model("ssd_tiny"), torch.zeros(1, 3, 128, 128))
    >>> program.shapes
    [(1, 3392, 9), (1, 3392, 4)]
    """
    with evaluating(model), torch.no_grad():
        exported = torch.export.export(model, (example,))
    reader = Reader(exported)
    for node in exported.graph.nodes:
        if node.op == "call_function":
            if node not in reader.done:
                _read(reader, node)
        elif node.op == "output":
            reader.finish(node)
    return reader.program


def _read(reader: Reader, node: Node) -> None:
    name = operation(node)
    if name.startswith("_assert"):  # a check of the exporter's, without a result
        return
    rule = RULES.get(name.removesuffix("_"))
    if rule is None:
        raise ValueError(
            f"{node.name}: the page does not know the operation aten.{name}; "
            f"it knows {', '.join(known_operations())}"
        )
    if name.endswith("_"):
        reader.check_in_place(node)
    rule(reader, node)


def known_operations() -> list[str]:
    """Names of PyTorch's operations that the page can run, in alphabetical order.

    >>> "conv2d" in known_operations()
    True
    """
    return sorted(RULES)
