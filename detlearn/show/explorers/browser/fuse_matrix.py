"""Fuse-matrix explorer: who hears whom in HRNet, through which steps, at which price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detlearn.show.explorers.browser.frame import Explorer

__all__ = ["FuseMatrixExplorer"]


class FuseMatrixExplorer(Explorer):
    """The fuse matrix of an HRNet module, its maps before and after, every cell with a switch.

    Above stand the givers' maps, below them the matrix (row: receiver i, column: giver j), at its
    right the outputs, sum and ReLU of a row. The chosen cell shows its way step by step, with the
    shapes, parameters and multiply-adds that it has in a network of the given widths. Single
    exchanges can be switched off or weighed; a click on a giver's map lights one pixel of it,
    and the outputs show who hears that.

    The maps have one channel, 16, 8, 4 and 2 cells a side: a step up repeats cells, a step down
    is a 3x3 convolution of stride 2 with the filter 1 2 1, 2 4 2, 1 2 1 by 16 (tested to be what
    `detlearn.models.hrnet.FuseLayer` makes with these weights).

    Args:
        widths: channels of the branches, fine to coarse; two to four.
        size: (height, width) of branch 0, cells; it can be halved for every further branch.
        receiver: i of the cell shown first.
        giver: j of the cell shown first.

    Raises:
        ValueError: another number of branches, a width below 1, a size that cannot be halved, or
            a cell that the matrix does not have.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> FuseMatrixExplorer((32, 64))
    Explorer of the fuse matrix: 2 branches of 32, 64 channels, 64 x 48 cells.
    """

    module = "fuse_matrix.js"
    title = "Explorer of the fuse matrix"
    height = 980

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 256),
        size: tuple[int, int] = (64, 48),
        *,
        receiver: int = 0,
        giver: int = 1,
    ) -> None:
        if not 2 <= len(widths) <= 4 or min(widths) < 1:
            raise ValueError(f"widths: expected 2 to 4, each at least 1, got {tuple(widths)}")
        coarsest = 2 ** (len(widths) - 1)
        if len(size) != 2 or any(side < 1 or side % coarsest for side in size):
            raise ValueError(
                f"size: expected (height, width), multiples of {coarsest}, got {tuple(size)}"
            )
        for name, branch in (("receiver", receiver), ("giver", giver)):
            if not 0 <= branch < len(widths):
                raise ValueError(f"{name}: expected 0 to {len(widths) - 1}, got {branch}")
        self.widths, self.size = tuple(map(int, widths)), tuple(map(int, size))
        self.receiver, self.giver = receiver, giver

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "widths": list(self.widths),
            "size": list(self.size),
            "receiver": self.receiver,
            "giver": self.giver,
        }

    def __repr__(self) -> str:
        channels = ", ".join(map(str, self.widths))
        return (
            f"Explorer of the fuse matrix: {len(self.widths)} branches of {channels} channels, "
            f"{self.size[0]} x {self.size[1]} cells."
        )
