"""TCB explorer: what each map gains from the coarser one."""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from detlearn.boxes import box_iou
from detlearn.models.refinedet import RefineDet, RefineDetPredictions
from detlearn.show.explorers.browser.frame import Explorer, data_uri, fractions, rounded

__all__ = ["TransferExplorer"]

MAX_CELLS, MAX_OBJECTS = 1500, 8


class TransferExplorer(Explorer):
    """The maps of a RefineDet's TCBs with all their links, and with one link cut.

    A cut link hands zeros to the next finer block instead of the coarser block's output. The
    reader chooses a map, the link and what is shown (the mean of all channels, or the channel
    that the coarsest link changes most), and sees the map as it is, without the link, and the
    difference; and for every object the best score of its class, with and without.

    Args:
        model: a RefineDet with TCBs, in eval mode; at most 1,500 cells on all maps.
        image: ``(3, H, W)``, uint8 or floating point in [0, 1], of the network's size.
        boxes: ``(G, 4)`` xyxy, px of `image`, the objects; at most 8, ``G = 0`` is legal.
        labels: ``(G,)`` int64.
        class_names: names by label, background first; numbers when omitted.
        file: path or bytes of the same picture as a small JPEG, PNG or WebP file.

    Raises:
        ValueError: a model without TCBs or with too many cells, objects that are none or too
            many, labels of another number, an unsuitable file.

    >>> from detlearn import create_model
    >>> picture, none = torch.zeros(3, 128, 128), torch.zeros(0, 4)
    >>> TransferExplorer(create_model("refinedet_tiny").eval(), picture, none, torch.zeros(0))
    Explorer of transfer: 4 maps of 32, 16, 8, 4 cells a side; 3 links; 0 objects.
    """

    module = "transfer.js"
    title = "Explorer of transfer"
    height = 760

    def __init__(
        self,
        model: RefineDet,
        image: Tensor,
        boxes: Tensor,
        labels: Tensor,
        *,
        class_names: Sequence[str] = (),
        file: str | os.PathLike[str] | bytes | None = None,
    ) -> None:
        if not isinstance(model, RefineDet) or len(model.tcbs) < 2:
            raise ValueError(f"model: expected a RefineDet with TCBs, got {type(model).__name__}")
        self.sides = list(model.config.priors.map_sizes)
        cells = sum(side * side for side in self.sides)
        if cells > MAX_CELLS:
            raise ValueError(f"model: expected at most {MAX_CELLS:,} cells, got {cells:,}")
        S = model.config.image_size
        self.boxes = fractions(boxes / S, "boxes", MAX_OBJECTS)
        if labels.shape != (len(self.boxes),):
            raise ValueError(
                f"labels: expected shape ({len(self.boxes)},), one for each box, "
                f"got {tuple(labels.shape)}"
            )
        known = [int(label) for label in labels]
        self.names = [str(class_names[k]) if k < len(class_names) else str(k) for k in known]
        self._file = data_uri(file)
        links = range(len(self.sides))  # 0: none is cut
        with torch.inference_mode():
            pyramid = model.features(model.normalize(image[None]))
            arm = model.arm(pyramid)
            versions = [transfer_with_cut(model, pyramid, cut) for cut in links]
            self.found = [[0.0] * len(links) for _ in known]
            for cut, maps in enumerate(versions):
                odm = model.odm(maps)
                scores, answers = model.scores_and_boxes(
                    RefineDetPredictions(arm.logits, arm.deltas, odm.logits, odm.deltas)
                )
                overlaps = box_iou(boxes.as_subclass(Tensor).float() / S, answers[0])
                for g, label in enumerate(known):
                    own = scores[0, :, label] * (overlaps[g] >= 0.5)
                    self.found[g][cut] = rounded(own.max(), 3)
        self.channels, self._maps = self._as_bytes(versions)

    def _as_bytes(self, versions: list[list[Tensor]]) -> tuple[list[str], bytes]:
        """Two pictures of every map in every version, a byte a cell, in the order of the page."""
        packed, names = [], ["mean of all channels", "the channel that changes most"]
        for level in range(len(self.sides)):
            # a cut changes only what is finer than the link
            reached = [0, *range(level + 1, len(self.sides))]
            shift = (versions[reached[-1]][level] - versions[0][level]).abs().mean(dim=(0, 2, 3))
            most = int(shift.argmax())
            pictures = [
                torch.stack([versions[cut][level][0].mean(dim=0), versions[cut][level][0, most]])
                for cut in reached
            ]
            both = torch.stack(pictures)  # versions, channels, side, side
            top = both.amax(dim=(0, 2, 3), keepdim=True).clamp(min=1e-12)
            packed.append((255 * both / top).round().to(torch.uint8).flatten())
        return names, bytes(torch.cat(packed).tolist())

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "sides": self.sides,
            "channels": self.channels,
            "maps": base64.b64encode(self._maps).decode("ascii"),
            "boxes": self.boxes,
            "names": self.names,
            "found": self.found,
            "image": self._file,
        }

    def __repr__(self) -> str:
        sides = ", ".join(map(str, self.sides))
        count = len(self.boxes)
        return (
            f"Explorer of transfer: {len(self.sides)} maps of {sides} cells a side; "
            f"{len(self.sides) - 1} links; {count} object{'s' * (count != 1)}."
        )


def transfer_with_cut(model: RefineDet, pyramid: Sequence[Tensor], cut: int = 0) -> list[Tensor]:
    """`RefineDet.transfer`, with silence on one of its links.

    Args:
        model: a RefineDet with TCBs.
        pyramid: what ``model.features`` returned.
        cut: the link from map ``cut`` to map ``cut - 1`` carries zeros; 0 cuts none.

    Returns:
        L maps ``(B, C, H, W)``, fine to coarse.

    Raises:
        ValueError: there is no such link.

    **Invariant:** maps ``cut`` and coarser are those of ``model.transfer``.

    >>> from detlearn import create_model
    >>> model = create_model("refinedet_tiny").eval()
    >>> pyramid = model.features(torch.zeros(1, 3, 128, 128))
    >>> maps = transfer_with_cut(model, pyramid, cut=2)
    >>> [bool(torch.equal(a, b)) for a, b in zip(maps, model.transfer(pyramid))][2:]
    [True, True]
    """
    levels = len(model.tcbs)
    if not 0 <= cut < levels:
        raise ValueError(f"cut: expected 0 to {levels - 1}, got {cut}")
    maps: list[Tensor] = []
    coarser: Tensor | None = None
    for level in reversed(range(levels)):
        if coarser is not None and level == cut - 1:
            coarser = torch.zeros_like(coarser)
        coarser = model.tcbs[level](pyramid[level], coarser)
        maps.append(coarser)
    return maps[::-1]
