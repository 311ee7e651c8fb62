"""Branches explorer: the resolutions of an HRNet side by side, before and after an exchange."""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor, nn

from detlearn.models.hrnet import HRNet
from detlearn.models.modes import evaluating
from detlearn.show.canvas import image_array
from detlearn.show.explorers.browser.frame import Explorer, data_uri
from detlearn.show.explorers.browser.shades import pack_maps
from detlearn.show.explorers.model.inputs import network_input

__all__ = ["BranchExplorer"]

MAX_CELLS = 180_000
"""What travels of all maps together: 90 kB."""
MOMENTS = ("before", "after")


class BranchExplorer(Explorer):
    """All resolutions of an HRNet at one moment, one channel of each, beside the image.

    The model runs once, in eval mode. `module` chooses one of its modules, `moment` the maps
    before or after that module's exchange, `rank` a channel of each branch, the one with the
    largest mean first. Cells keep their size: a coarse map shows its few large cells. Every map
    has the whole range of colours to itself.

    The maps travel to the browser in 8 shades, so the explorer needs no kernel; as many ranks as
    fit into 180,000 cells. `branches` has all channels and their numbers.

    Args:
        model: holds an `HRNet`; it is left in the mode it was found in.
        image: ``(3, H, W)`` uint8 or float in [0, 1], array ``(H, W, 3)`` or Pillow image; it is
            brought to the network as `FeatureMapExplorer` does.
        file: path or bytes of the same picture, a small JPEG, PNG or WebP file.
        module: that is shown at first; the last one when omitted.
        moment: "before" or "after" its exchange.
        rank: of the channels that are shown at first.

    Raises:
        ValueError: there is no HRNet in the model; one rank of its maps has more than 180,000
            cells; no such module, moment or rank; an unsuitable file.

    >>> import detlearn
    >>> explorer = BranchExplorer(
    ...     detlearn.create_model("ssd_hrnet_tiny"), torch.zeros(3, 128, 128)
    ... )
    >>> repr(explorer).split("; ")[1]
    '4 branches of 32 x 32, 16 x 16, 8 x 8, 4 x 4 cells'
    """

    module = "branches.js"
    title = "Explorer of branches"
    height = 680
    most_bytes = 140_000

    def __init__(
        self,
        model: nn.Module,
        image: Any,
        *,
        file: str | os.PathLike[str] | bytes | None = None,
        module: str | None = None,
        moment: str = "after",
        rank: int = 0,
    ) -> None:
        trunk = next((part for part in model.modules() if isinstance(part, HRNet)), None)
        if trunk is None:
            raise ValueError(f"model: expected one with an HRNet, got {type(model).__name__}")
        self._size = image_array(image).shape[:2]
        self._file = data_uri(file)
        self._maps = _moments(model, trunk, network_input(model, image))
        self.modules = list(dict.fromkeys(name for name, _ in self._maps))
        """Names of the modules, in the order of the network."""
        self.at, self.moment, self.rank = module or self.modules[-1], moment, rank
        if (self.at, moment) not in self._maps:
            raise ValueError(
                f"module, moment: expected one of {', '.join(self.modules)}, and before or after, "
                f"got {self.at!r} and {moment!r}"
            )
        cells = sum(maps[0].numel() for branches in self._maps.values() for maps in branches)
        most = min(len(maps) for branches in self._maps.values() for maps in branches)
        self.ranks = min(most, MAX_CELLS // cells)
        """How many channels of each branch can be shown."""
        if self.ranks == 0:
            raise ValueError(
                f"model: expected at most {MAX_CELLS:,} cells on one channel of all maps, "
                f"got {cells:,}"
            )
        if not 0 <= rank < self.ranks:
            raise ValueError(f"rank: expected 0 to {self.ranks - 1}, got {rank}")

    # ------------------------------------------------------------- the numbers

    def branches(self, module: str, moment: str) -> list[Tensor]:
        """The maps of a module, ``(C, H, W)`` each, fine to coarse.

        Args:
            module: one of `modules`.
            moment: "before" or "after" its exchange.
        """
        return self._maps[module, moment]

    def channels(self, module: str, moment: str) -> list[list[int]]:
        """All channels of each branch, the one with the largest mean first."""
        return [
            maps.flatten(1).mean(dim=1).argsort(descending=True, stable=True).tolist()
            for maps in self.branches(module, moment)
        ]

    # ------------------------------------------------------------- what is shown

    def _facts(self, maps: Tensor, channels: list[int]) -> dict[str, Any]:
        """What the page says of a branch: its size, and of each rank the channel and its peak."""
        shown = channels[: self.ranks]
        return {
            "shape": list(maps.shape),
            "channels": shown,
            "peaks": [float(f"{float(maps[channel].max()):.3g}") for channel in shown],
        }

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        kept, facts = [], []
        for name in self.modules:
            for moment in MOMENTS:
                branches, channels = self.branches(name, moment), self.channels(name, moment)
                pairs = list(zip(branches, channels, strict=True))
                facts.append([self._facts(maps, order) for maps, order in pairs])
                kept += [maps[k] for maps, order in pairs for k in order[: self.ranks]]
        return {
            "modules": self.modules,
            "facts": facts,
            "maps": pack_maps(kept),
            "size": [int(side) for side in self._size],
            "module": self.modules.index(self.at),
            "moment": MOMENTS.index(self.moment),
            "rank": self.rank,
            "image": self._file,
        }

    def __repr__(self) -> str:
        maps = self.branches(self.at, self.moment)
        chosen = [order[self.rank] for order in self.channels(self.at, self.moment)]
        sides = ", ".join(f"{part.shape[1]} x {part.shape[2]}" for part in maps)
        many = len(maps) != 1
        return (
            f"Explorer of branches: {self.at}, {self.moment} its exchange; "
            f"{len(maps)} branch{'es' * many} of {sides} cells; "
            f"channel{'s' * many} {', '.join(map(str, chosen))}, rank {self.rank} of {self.ranks}."
        )


def _moments(model: nn.Module, trunk: HRNet, given: Tensor) -> dict[tuple[str, str], list[Tensor]]:
    """Maps before and after the exchange of every module, without the batch."""
    found: dict[tuple[str, str], list[Tensor]] = {}
    handles = []

    def keep(name: str, branch: int) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if branch < 0:
                found[name, "after"] = [maps[0].float().cpu().clone() for maps in output]
            else:
                found.setdefault((name, "before"), []).append(output[0].float().cpu().clone())

        return hook

    parameter = next(model.parameters())
    try:
        for s, stage in enumerate(trunk.stages, start=2):
            for n, module in enumerate(stage.children(), start=1):
                name = f"stage {s}, module {n}"
                handles.append(module.register_forward_hook(keep(name, -1)))
                for k, branch in enumerate(module.get_submodule("branches").children()):
                    handles.append(branch.register_forward_hook(keep(name, k)))
        with evaluating(model), torch.no_grad():
            model(given.to(parameter.device))
    finally:
        for handle in handles:
            handle.remove()
    return found
