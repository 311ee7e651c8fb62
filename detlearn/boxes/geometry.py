"""Boxes as tensors: formats, areas, intersection over union, clipping, checking.

One format inside the package: ``boxes`` are **xyxy** ``(x1, y1, x2, y2)`` with
``x1 < x2`` and ``y1 < y2``.  Whatever is stored otherwise says so in its name
(``boxes_cxcywh``, ``boxes_xywh``).  Units (pixels or fractions of the image) are
the caller's; no function here mixes them.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "box_area", "box_iou", "check_boxes", "check_corners", "check_fractions", "clip_boxes",
    "cxcywh_to_xyxy",
    "resize_boxes", "xywh_to_xyxy", "xyxy_to_cxcywh", "xyxy_to_xywh",
]  # fmt: skip

_NARROW = (torch.bool, torch.uint8, torch.int8, torch.int16)


def xyxy_to_cxcywh(boxes: Tensor) -> Tensor:
    """Corners to centre and size.

    Args:
        boxes: ``(..., 4)`` xyxy, any unit.

    Returns:
        ``(..., 4)`` cxcywh, same unit and dtype.

    Raises:
        ValueError: another shape, or whole numbers of less than 32 bits.

    **Invariant:** ``cxcywh_to_xyxy(xyxy_to_cxcywh(b)) == b`` up to rounding.

    >>> xyxy_to_cxcywh(torch.tensor([2.0, 4.0, 6.0, 10.0]))
    tensor([4., 7., 4., 6.])
    """
    _check_four(boxes)
    _check_room(boxes)
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], dim=-1)


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """Centre and size to corners.

    Args:
        boxes_cxcywh: ``(..., 4)`` centre x, centre y, width, height, any unit.

    Returns:
        ``(..., 4)`` xyxy, same unit and dtype.

    Raises:
        ValueError: another shape, or whole numbers of less than 32 bits.

    >>> cxcywh_to_xyxy(torch.tensor([4.0, 7.0, 4.0, 6.0]))
    tensor([ 2.,  4.,  6., 10.])
    """
    _check_four(boxes_cxcywh)
    _check_room(boxes_cxcywh)
    cx, cy, w, h = boxes_cxcywh.unbind(-1)
    return torch.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], dim=-1)


def xyxy_to_xywh(boxes: Tensor) -> Tensor:
    """Corners to upper-left corner and size, the format of COCO's JSON files.

    Args:
        boxes: ``(..., 4)`` xyxy, any unit.

    Returns:
        ``(..., 4)`` xywh, same unit and dtype.

    Raises:
        ValueError: another shape, or whole numbers of less than 32 bits.

    >>> xyxy_to_xywh(torch.tensor([2.0, 4.0, 6.0, 10.0]))
    tensor([2., 4., 4., 6.])
    """
    _check_four(boxes)
    _check_room(boxes)
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([x1, y1, x2 - x1, y2 - y1], dim=-1)


def xywh_to_xyxy(boxes_xywh: Tensor) -> Tensor:
    """Upper-left corner and size to corners.

    Args:
        boxes_xywh: ``(..., 4)`` x1, y1, width, height, any unit.

    Returns:
        ``(..., 4)`` xyxy, same unit and dtype.

    Raises:
        ValueError: another shape, or whole numbers of less than 32 bits.

    >>> xywh_to_xyxy(torch.tensor([2.0, 4.0, 4.0, 6.0]))
    tensor([ 2.,  4.,  6., 10.])
    """
    _check_four(boxes_xywh)
    _check_room(boxes_xywh)
    x, y, w, h = boxes_xywh.unbind(-1)
    return torch.stack([x, y, x + w, y + h], dim=-1)


def box_area(boxes: Tensor) -> Tensor:
    """Area of each box.

    Args:
        boxes: ``(..., 4)`` xyxy with ``x1 <= x2`` and ``y1 <= y2``.

    Returns:
        ``(...)`` areas in squared units.

    Raises:
        ValueError: another shape, or whole numbers of less than 32 bits.

    >>> box_area(torch.tensor([[0.0, 0.0, 2.0, 3.0], [1.0, 1.0, 1.0, 1.0]]))
    tensor([6., 0.])
    """
    _check_four(boxes)
    _check_room(boxes)
    x1, y1, x2, y2 = boxes.unbind(-1)
    return (x2 - x1) * (y2 - y1)


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of every box with every other (Jaccard overlap).

    Two boxes without area have IoU 0, not NaN.

    Args:
        boxes1: ``(N, 4)`` xyxy.
        boxes2: ``(M, 4)`` xyxy, same unit.

    Returns:
        ``(N, M)`` with ``0 <= iou <= 1``.

    Raises:
        ValueError: other shapes; integers; halves, in which areas overflow.

    **Invariant:** symmetric; ``box_iou(b, b)`` has ones on its diagonal.

    >>> a = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    >>> b = torch.tensor([[1.0, 0.0, 3.0, 2.0], [5.0, 5.0, 6.0, 6.0]])
    >>> box_iou(a, b)  # 2 of 6 squares are common; nothing is
    tensor([[0.3333, 0.0000]])
    """
    check_corners(boxes1, "boxes1")
    check_corners(boxes2, "boxes2")
    left, top, right, bottom = boxes1[:, None].unbind(-1)
    other_left, other_top, other_right, other_bottom = boxes2[None].unbind(-1)
    width = torch.minimum(right, other_right) - torch.maximum(left, other_left)  # (N, M)
    height = torch.minimum(bottom, other_bottom) - torch.maximum(top, other_top)  # (N, M)
    # Apart on an axis, the difference is negative; two negatives must not make an area.
    intersection = width.clamp(min=0) * height.clamp(min=0)  # (N, M)
    union = box_area(boxes1)[:, None] + box_area(boxes2)[None, :] - intersection  # (N, M)
    # A union of zero means two boxes without area: 0 / tiny = 0.
    return intersection / union.clamp(min=torch.finfo(union.dtype).tiny)


def clip_boxes(boxes: Tensor, height: float, width: float) -> Tensor:
    """Cut boxes at the border of the image.

    Args:
        boxes: ``(..., 4)`` xyxy.
        height: height of the image in the unit of the boxes (1.0 for fractions).
        width: width of the image, likewise.

    Returns:
        ``(..., 4)`` xyxy, a new tensor with ``0 <= x <= width`` and ``0 <= y <= height``.

    >>> clip_boxes(torch.tensor([-1.0, 2.0, 9.0, 5.0]), height=4, width=8)
    tensor([0., 2., 8., 4.])
    """
    _check_four(boxes)
    if not (height >= 0 and width >= 0):
        raise ValueError(f"expected a height and width of 0 or more, got {height} and {width}")
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack(
        [x1.clamp(0, width), y1.clamp(0, height), x2.clamp(0, width), y2.clamp(0, height)],
        dim=-1,
    )


def resize_boxes(
    boxes: Tensor, old_size: tuple[float, float], new_size: tuple[float, float]
) -> Tensor:
    """Boxes of a picture after the picture has been resized.

    Args:
        boxes: ``(..., 4)`` xyxy in the unit of ``old_size``.
        old_size: ``(height, width)`` before; ``(1, 1)`` for fractions.
        new_size: ``(height, width)`` after.

    Returns:
        ``(..., 4)`` xyxy in the unit of ``new_size``, floating point whatever came.

    >>> resize_boxes(torch.tensor([0.25, 0.5, 0.5, 1.0]), (1, 1), (100, 200))
    tensor([ 50.,  50., 100., 100.])
    """
    _check_four(boxes)
    if not min(*old_size, *new_size) > 0:
        raise ValueError(f"expected sizes above 0, got {old_size} and {new_size}")
    (old_h, old_w), (new_h, new_w) = old_size, new_size
    x_scale, y_scale = new_w / old_w, new_h / old_h
    if not boxes.is_floating_point():  # as whole numbers, the scales would be zeros
        boxes = boxes.to(torch.get_default_dtype())
    return boxes * boxes.new_tensor([x_scale, y_scale, x_scale, y_scale])


def check_boxes(
    boxes: Tensor,
    labels: Tensor | None = None,
    *,
    size: tuple[float, float] | None = None,
    num_classes: int | None = None,
    name: str = "boxes",
) -> None:
    """Refuse boxes (and labels) that would poison training; say which, and why.

    The four causes of a NaN loss that readers of SSD code report are caught here:
    corners in the wrong order, boxes without area, coordinates that are not
    numbers, and objects that carry the background's label 0.

    Args:
        boxes: expected ``(G, 4)`` xyxy, floating point; ``G = 0`` is legal.
        labels: expected ``(G,)`` integers, ``1 <= label < num_classes``.
        size: ``(height, width)`` of the image in the unit of the boxes.  Boxes may
            leave it by a thousandth of the side (rounding), no more.
        num_classes: number of classes, background included.
        name: what the message calls the culprit, e.g. ``"targets[3]"``.

    Raises:
        ValueError: with the culprit, what was expected, and what came.

    >>> check_boxes(torch.tensor([[4.0, 0.0, 2.0, 3.0]]), name="cat.jpg")
    Traceback (most recent call last):
        ...
    ValueError: cat.jpg: box 0 is [4.0, 0.0, 2.0, 3.0]: expected x1 < x2 and y1 < y2 (corners xyxy)
    """
    if not isinstance(boxes, Tensor):
        raise ValueError(f"{name}: expected a tensor of boxes, got {type(boxes).__name__}")
    if boxes.ndim != 2 or boxes.shape[-1] != 4:
        raise ValueError(f"{name}: expected boxes of shape (G, 4), got {tuple(boxes.shape)}")
    if not boxes.is_floating_point():
        raise ValueError(f"{name}: expected boxes of a floating dtype, got {boxes.dtype}")
    if boxes.is_meta:
        raise ValueError(f"{name}: expected boxes with numbers, got a tensor on the device meta")
    x1, y1, x2, y2 = boxes.unbind(-1)
    _refuse_first(~torch.isfinite(boxes).all(-1), boxes, name, "finite coordinates")
    _refuse_first((x1 >= x2) | (y1 >= y2), boxes, name, "x1 < x2 and y1 < y2 (corners xyxy)")
    if size is not None:
        height, width = size
        slack = 1e-3 * max(height, width)
        outside = (x1 < -slack) | (y1 < -slack) | (x2 > width + slack) | (y2 > height + slack)
        _refuse_first(
            outside, boxes, name, f"a box inside the image of height {height}, width {width}"
        )
    if labels is not None:
        _check_labels(labels, len(boxes), num_classes, name)


def _check_four(boxes: Tensor) -> None:
    if boxes.shape[-1:] != (4,):
        raise ValueError(f"boxes: expected shape (..., 4), got {tuple(boxes.shape)}")


def _check_room(boxes: Tensor) -> None:
    """Refuse whole numbers of so few bits that sums and areas of px wrap around."""
    if boxes.dtype in _NARROW:
        raise ValueError(f"boxes: expected a floating dtype, int32 or int64, got {boxes.dtype}")


def check_corners(boxes: Tensor, name: str) -> None:
    """Refuse what is no list of boxes by its shape or dtype; the numbers are not looked at.

    Args:
        boxes: what should be ``(N, 4)``, float32 or float64.
        name: what the message calls it.

    Raises:
        ValueError: with the shape or the dtype that came.

    >>> check_corners(torch.zeros(0, 4), "boxes")
    """
    if boxes.ndim != 2 or boxes.shape[-1] != 4:
        raise ValueError(f"{name}: expected shape (N, 4), got {tuple(boxes.shape)}")
    if boxes.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"{name}: expected float32 or float64, got {boxes.dtype}")


def check_fractions(boxes: Tensor) -> None:
    """Refuse boxes in px where fractions of the image are expected.

    A box may reach over the border, but not as far as the image is wide.

    Args:
        boxes: ``(G, 4)`` xyxy.

    Raises:
        ValueError: a coordinate of 2 or more.

    >>> check_fractions(torch.tensor([[0.0, 0.1, 1.05, 0.9]]))
    """
    most = float(boxes.max()) if boxes.numel() else 0.0
    if most >= 2:
        raise ValueError(
            f"boxes: expected fractions of the image, got a coordinate of {most:g}: divide px by "
            "the image's width and height"
        )


def _refuse_first(bad: Tensor, boxes: Tensor, name: str, expected: str) -> None:
    if bad.any():
        index = int(bad.nonzero()[0])
        raise ValueError(f"{name}: box {index} is {boxes[index].tolist()}: expected {expected}")


def _check_labels(labels: Tensor, num_boxes: int, num_classes: int | None, name: str) -> None:
    if not isinstance(labels, Tensor) or labels.ndim != 1:
        got = tuple(labels.shape) if isinstance(labels, Tensor) else type(labels).__name__
        raise ValueError(f"{name}: expected labels of shape ({num_boxes},), got {got}")
    if len(labels) != num_boxes:
        raise ValueError(f"{name}: {num_boxes} boxes but {len(labels)} labels")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise ValueError(f"{name}: expected integer labels (int64), got {labels.dtype}")
    if labels.is_meta:
        raise ValueError(f"{name}: expected labels with numbers, got a tensor on the device meta")
    top = "" if num_classes is None else f" and below num_classes = {num_classes}"
    bad = labels < 1 if num_classes is None else (labels < 1) | (labels >= num_classes)
    if bad.any():
        index = int(bad.nonzero()[0])
        raise ValueError(
            f"{name}: labels[{index}] is {int(labels[index])}: expected at least 1 "
            f"(0 is the background, never an object){top}"
        )
