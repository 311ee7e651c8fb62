"""Branches explorer: the resolutions of an HRNet side by side, before and after an exchange."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from detlearn.models.hrnet import HRNet
from detlearn.models.modes import evaluating
from detlearn.show.canvas import INK, MUTED, image_array
from detlearn.show.explorers.model.controls import ModelExplorer, facts_table
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.pixels import colours_of, encode_png, font

__all__ = ["BranchExplorer"]

PANEL, GAP, TOP = 232, 10, 46


class BranchExplorer(ModelExplorer):
    """All resolutions of an HRNet at one moment, one channel of each, beside the image.

    The model runs once, in eval mode. `module` chooses one of its modules, `moment` the maps
    before or after that module's exchange, `rank` a channel of each branch, the one with the
    largest mean first. Cells keep their size: a coarse map shows its few large cells. Every map
    has the whole range of colours to itself.

    `explorer.moment.value = "before"; explorer` shows another state. All controls work with the
    keyboard.

    Args:
        model: holds an `HRNet`; it is left in the mode it was found in.
        image: ``(3, H, W)`` uint8 or float in [0, 1], array ``(H, W, 3)`` or Pillow image; it is
            brought to the network as `FeatureMapExplorer` does.

    Raises:
        ValueError: there is no HRNet in the model.

    >>> import detlearn
    >>> explorer = BranchExplorer(
    ...     detlearn.create_model("ssd_hrnet_tiny"), torch.zeros(3, 128, 128)
    ... )
    >>> repr(explorer).split("; ")[1]
    '4 branches of 32 x 32, 16 x 16, 8 x 8, 4 x 4 cells'
    """

    def __init__(self, model: nn.Module, image: Any) -> None:
        trunk = next((part for part in model.modules() if isinstance(part, HRNet)), None)
        if trunk is None:
            raise ValueError(f"model: expected one with an HRNet, got {type(model).__name__}")
        self._image = image_array(image)
        self._maps = _moments(model, trunk, network_input(model, image))
        names = list(dict.fromkeys(name for name, _ in self._maps))
        self.module = self.choice("module", [(name, name) for name in names], names[-1])
        self.moment = self.choice(
            "its exchange", [("before", "before"), ("after", "after")], "after"
        )
        most = min(maps.shape[0] for branches in self._maps.values() for maps in branches)
        self.rank = self.slider("channel, by rank", 0, 0, most - 1, 1)
        self.assemble([self.module, self.moment, self.rank])

    @property
    def branches(self) -> list[Tensor]:
        """The chosen maps, ``(C, H, W)`` each, fine to coarse."""
        return self._maps[self.module.value, self.moment.value]

    @property
    def chosen(self) -> list[int]:
        """The channel shown of each branch."""
        return [
            int(maps.flatten(1).mean(dim=1).argsort(descending=True, stable=True)[self.rank.value])
            for maps in self.branches
        ]

    def picture(self) -> bytes:
        """The image, then the branches in two columns."""
        from PIL import Image, ImageDraw

        h, w = self._image.shape[:2]
        scale = PANEL / max(h, w)
        wide, tall = max(round(w * scale), 8), max(round(h * scale), 8)
        maps = self.branches
        cells = [("image", Image.fromarray(self._image), f"{h} × {w} px")]
        for k, (channel, values) in enumerate(zip(self.chosen, maps, strict=True)):
            array = values[channel].numpy()
            colours = colours_of(np.asarray(array), float(array.min()), float(array.max()))
            words = f"{array.shape[0]} × {array.shape[1]}, channel {channel} of {len(values)}"
            cells.append((f"branch {k}", Image.fromarray(colours), words))
        columns = 3
        rows = -(-len(cells) // columns)
        step = max(wide, 150) + GAP
        sheet = Image.new("RGB", (columns * step - GAP, rows * (tall + TOP)), "white")
        pen = ImageDraw.Draw(sheet)
        for place, (name, small, words) in enumerate(cells):
            y, x = place // columns * (tall + TOP), place % columns * step
            pen.text((x, y + 2), name, fill=INK, font=font(15, bold=True))
            pen.text((x, y + 22), words, fill=MUTED, font=font(13))
            sheet.paste(small.resize((wide, tall), Image.Resampling.NEAREST), (x, y + 42))
        return encode_png(sheet)

    def facts(self) -> str:
        """Which maps are shown, as HTML."""
        rows = [
            (f"branch {k}", f"{maps.shape[1]} × {maps.shape[2]} cells, channel {channel}")
            for k, (channel, maps) in enumerate(zip(self.chosen, self.branches, strict=True))
        ]
        return facts_table(rows, f"{self.module.value}, {self.moment.value} its exchange.")

    def __repr__(self) -> str:
        maps = self.branches
        sides = ", ".join(f"{part.shape[1]} x {part.shape[2]}" for part in maps)
        many = len(maps) != 1
        return (
            f"Explorer of branches: {self.module.value}, {self.moment.value} its exchange; "
            f"{len(maps)} branch{'es' * many} of {sides} cells; "
            f"channel{'s' * many} {', '.join(map(str, self.chosen))}."
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
