"""The border of `detlearn.metrics`: what may come in.

Data is checked here once, and refused with the image named; behind the border are float64 and
int64 tensors on the CPU.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from detlearn.boxes import box_area, check_boxes


@dataclass(frozen=True, slots=True)
class Scene:
    """One image, checked: float64 and int64 tensors on the CPU."""

    image_id: int
    boxes: Tensor
    scores: Tensor
    labels: Tensor
    gt_boxes: Tensor
    gt_labels: Tensor
    gt_area: Tensor
    crowd: Tensor
    difficult: Tensor


def read_scenes(detections: Any, targets: Any, class_names: Sequence[str]) -> list[Scene]:
    """Check everything once; scenes by ascending image id, the order in which ties are broken."""
    check_class_names(class_names)
    check_lists(detections, targets)
    detections, targets = list(detections), list(targets)
    if len(detections) != len(targets):
        raise ValueError(
            f"detections: expected one dict per target, {len(targets)}, got {len(detections)} "
            "(of an image without detections: boxes of shape (0, 4))"
        )
    for name, dicts, keys in (
        ("detections", detections, ("boxes", "scores", "labels")),
        ("targets", targets, ("boxes", "labels")),
    ):
        for index, entry in enumerate(dicts):
            if not isinstance(entry, Mapping):
                raise ValueError(f"{name}[{index}]: expected a dict, got {type(entry).__name__}")
            missing = [key for key in keys if key not in entry]
            if missing:
                raise ValueError(
                    f"{name}[{index}]: key {missing[0]!r} is missing, it has {sorted(entry)}"
                )
    scenes = []
    for index, image_id in enumerate(read_image_ids(targets)):
        name = f"[{index}] (image_id {image_id})" if "image_id" in targets[index] else f"[{index}]"
        scenes.append(_scene(name, image_id, detections[index], targets[index], len(class_names)))
    return sorted(scenes, key=lambda scene: scene.image_id)


def _scene(
    name: str,
    image_id: int,
    detection: Mapping[str, Any],
    target: Mapping[str, Any],
    num_classes: int,
) -> Scene:
    check_detection(detection, f"detections{name}", num_classes)
    check_boxes(target["boxes"], target["labels"], num_classes=num_classes, name=f"targets{name}")
    gt_boxes = as_float64(target["boxes"])  # (G, 4)
    columns = {}
    for key, default in (("area", box_area(gt_boxes)), ("iscrowd", None), ("difficult", None)):
        values = as_numbers(target[key], f"targets{name}: {key}") if key in target else default
        values = torch.zeros(len(gt_boxes)) if values is None else values
        values = checked_length(values, f"targets{name}: {key}", len(gt_boxes), "boxes")
        columns[key] = as_float64(values)
    bad = ~(torch.isfinite(columns["area"]) & (columns["area"] >= 0))  # (G,)
    if bad.any():
        index = int(bad.nonzero()[0])
        got = float(columns["area"][index])
        raise ValueError(
            f"targets{name}: area {index} is {got}: expected a finite number, 0 or more"
        )
    return Scene(
        image_id=image_id,
        boxes=as_float64(detection["boxes"]),
        scores=as_float64(detection["scores"]),
        labels=as_float64(detection["labels"]).long(),
        gt_boxes=gt_boxes,
        gt_labels=as_float64(target["labels"]).long(),
        gt_area=columns["area"],
        crowd=columns["iscrowd"] != 0,
        difficult=columns["difficult"] != 0,
    )


def check_detection(detection: Mapping[str, Any], name: str, num_classes: int) -> None:
    """Like `check_boxes`, but boxes without area are legal: clipping makes them, they are wrong
    detections and not wrong data.
    """
    for key in ("boxes", "scores", "labels"):
        if not isinstance(detection[key], Tensor):
            raise ValueError(
                f"{name}: expected a tensor of {key}, got {type(detection[key]).__name__}"
            )
    boxes, scores, labels = (detection[key] for key in ("boxes", "scores", "labels"))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"{name}: expected boxes of shape (D, 4), got {tuple(boxes.shape)}")
    checked_length(scores, f"{name}: scores", len(boxes), "boxes")
    checked_length(labels, f"{name}: labels", len(boxes), "boxes")
    if labels.is_floating_point() or labels.dtype == torch.bool:
        raise ValueError(f"{name}: expected integer labels (int64), got {labels.dtype}")
    x1, y1, x2, y2 = boxes.unbind(-1)
    for key, bad, expected in (
        ("boxes", ~torch.isfinite(boxes).all(dim=1), "finite coordinates"),
        ("boxes", (x1 > x2) | (y1 > y2), "x1 <= x2 and y1 <= y2 (corners xyxy)"),
        ("scores", ~torch.isfinite(scores), "a finite number"),
        ("labels", (labels < 1) | (labels >= num_classes),
         f"1 to {num_classes - 1} (0 is the background, which nobody detects)"),
    ):  # fmt: skip
        if bad.any():
            index = int(bad.nonzero()[0])
            got = detection[key][index].tolist()
            raise ValueError(f"{name}: {key}[{index}] is {got}: expected {expected}")


def check_lists(detections: Any, targets: Any) -> None:
    """Refuse what is no list of dicts, one per image."""
    for name, given in (("detections", detections), ("targets", targets)):
        if given is None or isinstance(given, Mapping | Tensor | str):
            got = type(given).__name__
            raise ValueError(f"{name}: expected a list with one dict per image, got {got}")


def check_same_length(detections: Sequence[Any], targets: Sequence[Any]) -> None:
    """Refuse lists that do not speak of the same images."""
    check_lists(detections, targets)
    if len(detections) != len(targets):
        raise ValueError(
            f"detections: expected one dict per target, {len(targets)}, got {len(detections)}"
        )


def check_iou_threshold(iou_threshold: float) -> None:
    """Refuse a threshold that no IoU can have."""
    if not 0 <= iou_threshold <= 1:
        raise ValueError(f"iou_threshold: expected a number from 0 to 1, got {iou_threshold}")


def check_class_names(class_names: Sequence[str]) -> None:
    """Refuse names that do not begin with the background, which is label 0."""
    if not isinstance(class_names, list | tuple) or len(class_names) < 2:
        raise ValueError(
            "class_names: expected a list of at least two names, background first, "
            f"got {class_names!r}"
        )
    if class_names[0] not in ("background", "__background__"):
        raise ValueError(
            "class_names: expected 'background' as the first name (it is label 0), "
            f"got {class_names[0]!r}"
        )


def read_image_ids(targets: list[Mapping[str, Any]]) -> list[int]:
    """The ids the targets carry, exactly; without any, their places in the list."""
    have = [index for index, target in enumerate(targets) if "image_id" in target]
    if not have:
        return list(range(len(targets)))
    if len(have) < len(targets):
        lacking = next(index for index, target in enumerate(targets) if "image_id" not in target)
        raise ValueError(
            f"targets[{lacking}]: key 'image_id' is missing, but targets[{have[0]}] has one"
        )
    first: dict[int, int] = {}
    for index, target in enumerate(targets):
        given = target["image_id"]
        try:
            image_id = operator.index(given)  # an int, or an integer tensor of one element
        except TypeError:
            raise ValueError(
                f"targets[{index}]: expected an integer image_id (float32 rounds above 2^24), "
                f"got {given!r}"
            ) from None
        if image_id in first:
            raise ValueError(
                f"targets[{index}]: image_id {image_id} is that of targets[{first[image_id]}], too"
            )
        first[image_id] = index
    return list(first)


def names_of_labels(detections: Any, targets: Any) -> list[str]:
    """Class names where nobody gives any: the labels themselves, as text."""
    entries = [entry for entry in [*detections, *targets] if isinstance(entry, Mapping)]
    labels = [torch.as_tensor(entry["labels"]) for entry in entries if "labels" in entry]
    top = max((int(given.max()) for given in labels if given.numel()), default=1)
    return ["background", *(str(label) for label in range(1, max(top, 1) + 1))]


def checked_length(values: Tensor, name: str, length: int, other: str) -> Tensor:
    """The values as they are; refused unless there is one for each of ``other``."""
    if tuple(values.shape) != (length,):
        got = tuple(values.shape)
        raise ValueError(f"{name}: expected shape ({length},), one for each of {other}, got {got}")
    return values


def as_numbers(values: Any, name: str) -> Tensor:
    """A tensor of a list, an array or a tensor of numbers."""
    try:
        return torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError):
        raise ValueError(f"{name}: expected numbers, got {type(values).__name__}") from None


def as_float64(values: Tensor) -> Tensor:
    """float64 on the CPU, without gradient or tv_tensor wrapping."""
    return values.detach().cpu().as_subclass(Tensor).double()
