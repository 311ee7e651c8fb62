"""Heat-map explorer: paint a joint, decode it three ways, read the error."""

from __future__ import annotations

import math
from typing import Any

from detlearn.show.explorers.browser.frame import Explorer

__all__ = ["HeatMapExplorer"]

LEAST, MOST = 8, 64


class HeatMapExplorer(Explorer):
    """A joint that can lie between pixels, its bump, and what arg-max, quarter shift, DARK find.

    The joint is dragged, or moved by arrow keys or sliders, in steps of a twentieth of a pixel.
    Sigma sets the width of the bump, a box puts the bump on a whole pixel as the published HRNet
    does, noise makes it ragged. Beside the picture stand the three answers and their errors, in
    pixels of the heat map and of the crop; below it the row of the map with the best pixel.

    The arithmetic is that of `detlearn.models.pose.make_heatmaps` and `decode_heatmaps`, and is
    tested against them.

    Args:
        size: (height, width) of the map, 8 to 64 each.
        joint: (x, y) of the joint at first, heat-map px; pixel 0 has its middle at 0.
        sigma: of the bump at first, one of 0.5, 0.75, ..., 3.
        rounded: whether the bump stands on a whole pixel at first.
        stride: crop px of one heat-map px.

    Raises:
        ValueError: a size, a joint, a sigma or a stride outside of that.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> HeatMapExplorer((16, 20), (9.3, 8))
    Explorer of heat maps: 16 x 20 px, joint at (9.30, 8.00), sigma 2 px, not rounded.
    """

    module = "heat_map.js"
    title = "Explorer of heat maps"
    height = 900

    def __init__(
        self,
        size: tuple[int, int] = (16, 20),
        joint: tuple[float, float] = (9.3, 8.0),
        *,
        sigma: float = 2.0,
        rounded: bool = False,
        stride: int = 4,
    ) -> None:
        if len(size) != 2 or not all(LEAST <= side <= MOST for side in size):
            raise ValueError(
                f"size: expected (height, width) of {LEAST} to {MOST}, got {tuple(size)}"
            )
        if len(joint) != 2 or not all(
            0 <= place <= side - 1 for place, side in zip(joint, reversed(size), strict=True)
        ):
            raise ValueError(
                f"joint: expected x, y from 0 to {size[1] - 1}, {size[0] - 1}, got {tuple(joint)}"
            )
        if not (0.5 <= sigma <= 3 and math.isclose(4 * sigma % 1, 0)):
            raise ValueError(f"sigma: expected one of 0.5, 0.75, ..., 3, got {sigma}")
        if stride < 1:
            raise ValueError(f"stride: expected at least 1, got {stride}")
        self.size, self.joint = tuple(map(int, size)), tuple(map(float, joint))
        self.sigma, self.rounded, self.stride = float(sigma), bool(rounded), int(stride)

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "size": list(self.size),
            "joint": list(self.joint),
            "sigma": self.sigma,
            "rounded": self.rounded,
            "stride": self.stride,
        }

    def __repr__(self) -> str:
        x, y = self.joint
        return (
            f"Explorer of heat maps: {self.size[0]} x {self.size[1]} px, joint at ({x:.2f}, "
            f"{y:.2f}), sigma {self.sigma:g} px, {'' if self.rounded else 'not '}rounded."
        )
