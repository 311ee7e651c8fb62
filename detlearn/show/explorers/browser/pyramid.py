"""Explorer of a small network's maps, level by level, with the receptive field of every cell."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from detlearn.show.canvas import image_array
from detlearn.show.explorers.browser.frame import Explorer, data_uri
from detlearn.show.explorers.browser.shades import pack_maps
from detlearn.show.explorers.model.inputs import network_input
from detlearn.show.explorers.model.kept_pass import KeptPass
from detlearn.show.receptive_field import ReceptiveField, SpatialTrace

__all__ = ["PyramidExplorer"]

MAX_CELLS = 180_000
"""What travels of all channels together: 90 kB."""


class PyramidExplorer(Explorer):
    """Choose a map of a small network, a channel, a cell: what is made of the image there.

    Left, the image with the chosen channel over it, the chosen cell, and the pixels that the
    cell sees (its receptive field, dashed). Right, the channels, those with the largest mean
    absolute value first. Each channel has the whole range of colours to itself, so brightness
    compares cells, not channels. All channels travel to the browser in 8 shades, so the explorer
    needs no kernel; `FeatureMapExplorer` shows any module of any model, with one.

    Args:
        model: takes images ``(1, 3, H, W)``; it is left in the mode it was found in.
        image: as for `FeatureMapExplorer`.
        modules: names of the modules whose maps are shown; of a container its children's.
        file: path or bytes of the same picture, a small JPEG, PNG or WebP file; without it the
            map lies on an empty field.

    Raises:
        ValueError: there is no such module, or it makes no maps of the image; the maps have more
            than 180,000 cells together; an unsuitable file.

    **Invariant:** outside the field that is drawn, no pixel changes the cell.

    >>> import torch, detlearn
    >>> PyramidExplorer(detlearn.create_model("ssd_tiny"), torch.zeros(3, 128, 128))
    Explorer of maps: backbone [0]: 32 x 32 x 32, field 31 px; backbone [1]: 64 x 16 x 16, \
field 71 px; backbone [2]: 96 x 8 x 8, field 119 px; backbone [3]: 96 x 4 x 4, field 215 px.
    """

    module = "pyramid.js"
    title = "Explorer of maps"
    height = 680
    most_bytes = 140_000

    def __init__(
        self,
        model: nn.Module,
        image: Any,
        modules: Sequence[str] = ("backbone",),
        *,
        file: str | os.PathLike[str] | bytes | None = None,
    ) -> None:
        inputs = network_input(model, image)
        self._file, self._size = data_uri(file), image_array(image).shape[:2]
        self._sides = (int(inputs.shape[-2]), int(inputs.shape[-1]))
        kept, trace = KeptPass(model, inputs), SpatialTrace(model, self._sides)
        self._maps: dict[str, Tensor] = {}
        self._places: dict[str, tuple[str, str, int]] = {}
        for name in _with_tensors(kept, modules):
            for way, (shape, call, path) in kept.shapes[name].items():
                if len(shape) != 4 or trace.field(name, path, call=call) is None:
                    continue
                words = f"{name} {way}".strip()
                self._maps[words] = kept.tensor(name, way)[0].float().cpu()
                self._places[words] = name, path, call
        self._trace = trace
        cells = sum(maps.numel() for maps in self._maps.values())
        if not 0 < cells <= MAX_CELLS:
            raise ValueError(
                f"modules: expected maps of 1 to {MAX_CELLS:,} cells in {', '.join(modules)}, "
                f"got {cells:,}"
            )

    # ------------------------------------------------------------- the numbers

    @property
    def names(self) -> list[str]:
        """The maps, as `maps`, `order` and `field` call them."""
        return list(self._maps)

    def maps(self, name: str) -> Tensor:
        """All channels of a map, ``(C, H, W)``."""
        return self._maps[name]

    def order(self, name: str) -> list[int]:
        """The channels of a map, the one with the largest mean absolute value first."""
        strength = self._maps[name].abs().flatten(1).mean(dim=1)
        return strength.argsort(descending=True, stable=True).tolist()

    def field(self, name: str, cell: tuple[int, int] | None = None) -> ReceptiveField:
        """What a cell sees.

        Args:
            name: of the map.
            cell: (row, column); the middle when omitted.
        """
        module, path, call = self._places[name]
        found = self._trace.field(module, path, cell, call)
        assert found is not None  # __init__ has left the others out
        return found

    # ------------------------------------------------------------- what is shown

    def _told(self, name: str) -> dict[str, Any]:
        """What the page says of a map; what a cell sees of rows and columns are separate things."""
        maps, middle, order = self._maps[name], self.field(name), self.order(name)
        _, H, W = maps.shape
        boxes = [
            self.field(name, (min(i, H - 1), min(i, W - 1))).box for i in range(max(H, W))
        ]  # xyxy
        spans = [(maps[channel].min(), maps[channel].max()) for channel in order]
        return {
            "name": name,
            "shape": list(maps.shape),
            "order": order,
            "spans": [[float(f"{float(value):.2g}") for value in span] for span in spans],
            "rows": [[y1, y2] for _, y1, _, y2 in boxes[:H]],
            "columns": [[x1, x2] for x1, _, x2, _ in boxes[:W]],
            "field": list(middle.size),
            "stride": list(middle.stride),
            "exact": middle.exact,
        }

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "levels": [self._told(name) for name in self.names],
            "maps": pack_maps(
                self._maps[name][channel] for name in self.names for channel in self.order(name)
            ),
            "input": list(self._sides),
            "size": [int(side) for side in self._size],
            "image": self._file,
        }

    def __repr__(self) -> str:
        words = []
        for name, maps in self._maps.items():
            shape, (height, width) = " x ".join(map(str, maps.shape)), self.field(name).size
            field = f"{width} px" if height == width else f"{width} x {height} px"
            words.append(f"{name}: {shape}, field {field}")
        return f"Explorer of maps: {'; '.join(words)}."


def _with_tensors(kept: KeptPass, modules: Sequence[str]) -> list[str]:
    """The modules that return tensors: those that are named, or a container's children."""
    found = []
    for name in modules:
        if name not in kept.modules:
            raise ValueError(
                f"modules: expected names from model.named_modules(), got {name!r} among them"
            )
        children = [f"{name}.{child}" for child, _ in kept.modules[name].named_children()]
        found += [
            one for one in ([name] if name in kept.shapes else children) if one in kept.shapes
        ]
    return found
