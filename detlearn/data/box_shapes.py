"""How large and how long the boxes of a data set are where a detector sees them: in its input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..boxes import PriorConfig, layout_coverage
from ..models.inputs import place

__all__ = ["CoverageRow", "coverage_by_shape", "input_boxes", "text_histogram"]

SIDES = (0.0, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.01)  # of the input's side
RATIOS = (0.0, 1 / 5, 1 / 3, 1 / 1.5, 1.5, 3.0, 5.0, float("inf"))


def input_boxes(dataset: Any, *, letterbox: bool = False, most: int | None = None) -> Tensor:
    """Boxes of a data set as fractions of the network's square input.

    Stretched to a square, a picture of 640 x 480 px makes a square box narrower: 3 : 4.  Sizes
    and ratios hold in the input, so they are measured there.

    Args:
        dataset: ``(image, target)`` items without a transform (`open_dataset`).
        letterbox: whether the input keeps the picture's proportions (`DetectorConfig.letterbox`).
        most: read at most so many images, spread evenly over all; None for all.

    Returns:
        ``(G, 4)`` xyxy, fractions of the input, float64, image after image; groups of objects that
        COCO marks as a crowd are left out.

    Raises:
        ValueError: none of the images has an object.

    >>> from detlearn.data import open_dataset
    >>> input_boxes(open_dataset("shapes", "val"), most=20).amax() <= 1
    tensor(True)
    """
    number = len(dataset)
    step = max(1.0, number / most) if most else 1.0
    found: list[Tensor] = []
    for index in (int(k * step) for k in range(int(number / step))):
        image, target = dataset[index]
        size = (image.shape[-2], image.shape[-1])
        boxes = torch.as_tensor(target["boxes"]).as_subclass(Tensor).to(torch.float64)  # (G, 4)
        if "iscrowd" in target:
            boxes = boxes[target["iscrowd"] == 0]
        side = 4096  # letterboxing rounds to whole pixels: of a large square, that is little
        placed = place(size, side, letterbox).to_input(boxes, size) / side
        found.append(placed.clamp(0, 1))
    boxes = torch.cat(found) if found else torch.empty(0, 4)
    boxes = boxes[(boxes[:, 2:] > boxes[:, :2]).all(dim=1)]
    if len(boxes) == 0:
        raise ValueError(f"expected objects to measure, got none in {number} images")
    return boxes


class CoverageRow(NamedTuple):
    """Some objects of a data set, and how many of them have a prior."""

    name: str
    objects: int
    covered: float
    """share of them, 0 to 1; NaN if there are none"""


def coverage_by_shape(
    boxes: Tensor, config: PriorConfig, threshold: float = 0.5
) -> list[CoverageRow]:
    """What a layout covers: of all objects, by size, and by ratio.

    Args:
        boxes: ``(G, 4)`` xyxy, fractions of the input.
        config: the layout.
        threshold: IoU from which on an object counts as covered.

    Returns:
        A row for all objects, one for each range of sizes (root of the area, px of the input),
        one for each range of ratios (width : height); ranges without an object are left out.

    >>> from detlearn.boxes import SSD_TINY_PRIORS
    >>> boxes = torch.tensor([[0.0, 0.0, 0.25, 0.25], [0.0, 0.0, 0.8, 0.1]])
    >>> for row in coverage_by_shape(boxes, SSD_TINY_PRIORS):
    ...     print(f"{row.name:24} {row.objects} {row.covered:.2f}")
    all objects              2 0.50
    size 32 to 64 px         2 0.50
    ratio 1 : 1.5 to 1.5 : 1 1 1.00
    ratio above 5 : 1        1 0.00
    """
    covered = layout_coverage(boxes, config) >= threshold  # (G,)
    sides = boxes[:, 2:] - boxes[:, :2]  # (G, 2)
    size, ratio = sides.prod(dim=1).sqrt(), sides[:, 0] / sides[:, 1]
    groups = [("all objects", torch.ones_like(covered))]
    for low, high in zip(SIDES, SIDES[1:], strict=False):
        ends = [f"{round(config.image_size * end)}" for end in (low, min(high, 1))]
        groups.append((f"size {' to '.join(ends)} px", (size >= low) & (size < high)))
    for low, high in zip(RATIOS, RATIOS[1:], strict=False):
        groups.append((f"ratio {_between(low, high)}", (ratio >= low) & (ratio < high)))
    return [
        CoverageRow(name, int(chosen.sum()), float(covered[chosen].double().mean()))
        for name, chosen in groups
        if chosen.any() or name == "all objects"
    ]


def _between(low: float, high: float) -> str:
    def said(ratio: float) -> str:
        return f"{ratio:g} : 1" if ratio >= 1 else f"1 : {1 / ratio:g}"

    if low == 0:
        return f"below {said(high)}"
    return f"above {said(low)}" if high == float("inf") else f"{said(low)} to {said(high)}"


def text_histogram(values: Tensor, edges: Sequence[float], width: int = 40) -> str:
    """A histogram in text, a line for each range.

    Args:
        values: ``(N,)``.
        edges: ascending; values outside are counted in the first or last range.
        width: of the longest bar, characters.

    >>> print(text_histogram(torch.tensor([1.0, 1.5, 3.0]), (1, 2, 4), width=4))
           1 to 2            2  ####
           2 to 4            1  ##
    """
    inner = torch.tensor(edges[1:-1], dtype=values.dtype)
    counts = torch.bucketize(values.contiguous(), inner, right=True).bincount(
        minlength=len(edges) - 1
    )
    most = max(1, int(counts.max()))
    return "\n".join(
        f"{low:8.3g} to {high:<8.3g}{count:6}  {'#' * round(width * count / most)}"
        for low, high, count in zip(edges, edges[1:], counts.tolist(), strict=False)
    )
