"""One pass of a model over one image, with every tensor that every module returned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from detlearn.models.modes import evaluating
from detlearn.show.meta_pass import named_tensors

KEEP_BYTES = 2**30
"""What is remembered of one pass; what is beyond it is computed again when asked for."""


class KeptPass:
    """Runs a model once, in eval mode, and keeps what its modules return.

    Args:
        model: it is left in the modes it was found in.
        inputs: ``(1, 3, H, W)``, what the network is given.

    Attributes:
        modules: by name, as `model.named_modules` lists them.
        shapes: module -> way to a tensor -> its shape, the number of the call, and the path to it
            in what that call returned.
    """

    def __init__(self, model: nn.Module, inputs: Tensor) -> None:
        self.model = model
        self.inputs = inputs
        self.modules = dict(model.named_modules())
        self.shapes: dict[str, dict[str, tuple[tuple[int, ...], int, str]]] = {}
        self._kept: dict[tuple[str, str], Tensor] = {}
        versions: dict[tuple[str, str], int] = {}
        sizes: dict[int, int] = {}

        def keep(name: str, call: int, output: Any) -> None:
            for path, tensor in named_tensors(output):
                way = way_to(call, path)
                self.shapes.setdefault(name, {})[way] = (tuple(tensor.shape), call, path)
                sizes.setdefault(tensor.data_ptr(), tensor.numel() * tensor.element_size())
                if sum(sizes.values()) <= KEEP_BYTES:
                    self._kept[name, way] = tensor
                    versions[name, way] = tensor._version

        self._run(list(self.modules), keep)
        # written over after the module returned it (`x += ...`): run again when asked for
        for key, version in versions.items():
            if self._kept[key]._version != version:
                del self._kept[key]

    def tensor(self, name: str, way: str) -> Tensor:
        """What module `name` returned, at one of the ways in `shapes[name]`."""
        if (name, way) not in self._kept:

            def keep(name: str, call: int, output: Any) -> None:
                for path, tensor in named_tensors(output):
                    if way_to(call, path) == way:
                        self._kept[name, way] = tensor.clone()

            self._run([name], keep)
        return self._kept[name, way]

    def _run(self, names: Sequence[str], keep: Callable[[str, int, Any], None]) -> None:
        calls: dict[str, int] = {}
        handles = []

        def hook_of(name: str) -> Any:
            def hook(module: nn.Module, inputs: Any, output: Any) -> None:
                calls[name] = calls.get(name, 0) + 1
                keep(name, calls[name] - 1, output)

            return hook

        parameter = next(self.model.parameters(), None)
        given = self.inputs if parameter is None else self.inputs.to(parameter.device)
        try:
            for name in names:
                handles.append(self.modules[name].register_forward_hook(hook_of(name)))
            with evaluating(self.model), _out_of_place(self.model), torch.no_grad():
                self.model(given)
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def _out_of_place(model: nn.Module) -> Iterator[None]:
    """No module writes over its input: that is what the module before it returned."""
    changed = [module for module in model.modules() if getattr(module, "inplace", None) is True]
    try:
        for module in changed:
            module.inplace = False  # type: ignore[assignment]
        yield
    finally:
        for module in changed:
            module.inplace = True  # type: ignore[assignment]


def way_to(call: int, path: str) -> str:
    """How the reader names a tensor: the first call goes without saying."""
    return path if call == 0 else f"call {call + 1} {path}".strip()
