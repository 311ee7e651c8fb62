"""What the README's picture shows: a scene, and who answers for the boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import SSD_TINY_PRIORS, PriorBox, PriorConfig, make_priors, match
from detlearn.models.modes import evaluating
from detlearn.show.canvas import image_array

__all__ = ["HeroContent", "choose_scene", "ground_truth", "model_answers"]


@dataclass(frozen=True, slots=True)
class HeroContent:
    """What the picture shows.

    Attributes:
        image: uint8 (H, W, 3).
        boxes: (D, 4) xyxy, px of the image.
        labels: (D,) class labels.
        scores: (D,) scores, or None for ground truth.
        priors: (D,) the prior that gave each box.
        cell_values: for each level (H, W) in [0, 1], how sure the cell is of an object.
        config: the layout of the priors.
        class_names: names by label.
        caption: what is shown, honestly, in one line.
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: list[int]
    scores: list[float] | None
    priors: list[int]
    cell_values: list[np.ndarray]
    config: PriorConfig
    class_names: tuple[str, ...]
    caption: str


def choose_scene(dataset: Any, config: PriorConfig = SSD_TINY_PRIORS) -> int:
    """The scene that shows most: objects on many levels that hide each other little.

    Args:
        dataset: scenes as (image, target).
        config: the layout whose levels are meant.

    Returns:
        Index of the scene, the first of equals.

    Raises:
        ValueError: no scene in the data set.
    """
    if not len(dataset):
        raise ValueError("dataset: expected at least one scene, got none")
    priors = make_priors(config)
    best, highest = 0, -float("inf")
    for index in range(len(dataset)):
        image, target = dataset[index]
        boxes = _fractions(target["boxes"], image)
        if not 4 <= len(boxes) <= 6:
            continue
        winners = _best_priors(boxes, priors)
        levels = len({PriorBox(config).locate(winner).level for winner in winners})
        classes = len(set(target["labels"].tolist()))
        value = 4.0 * levels + classes + 0.5 * len(boxes) - 7.0 * _hidden_share(boxes)
        if value > highest:
            best, highest = index, value
    return best


def _hidden_share(boxes: Tensor) -> float:
    """Of all pairs of boxes the largest share of the smaller one that the other covers."""
    low = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=-1).fill_diagonal_(0)
    area = (boxes[:, 2:] - boxes[:, :2]).prod(dim=-1)
    return float((shared / torch.minimum(area[:, None], area[None])).max())


def _fractions(boxes: Tensor, image: Any) -> Tensor:
    height, width = image.shape[-2:]
    plain = torch.as_tensor(boxes).as_subclass(Tensor).float()
    return plain / torch.tensor([width, height, width, height])


def _best_priors(boxes: Tensor, priors: Tensor) -> list[int]:
    """For each box the prior that fits it best and is its own."""
    found = match(boxes, priors)
    winners = []
    for index in range(len(boxes)):
        own = torch.where(found.gt_index == index, found.iou, torch.full_like(found.iou, -1.0))
        winners.append(int(own.argmax()))
    return winners


def ground_truth(image: Any, target: Any, class_names: Sequence[str], where: str) -> HeroContent:
    """The picture's content without a trained model: the true boxes, the matched priors.

    Args:
        image: uint8 (3, H, W).
        target: "boxes" (G, 4) xyxy px and "labels" (G,).
        class_names: names by label.
        where: which scene this is, for the caption.

    Returns:
        The content; cells are bright where a prior matches an object.
    """
    config = SSD_TINY_PRIORS
    priors = make_priors(config)
    boxes = _fractions(target["boxes"], image)
    found = match(boxes, priors)
    values = torch.where(found.gt_index >= 0, found.iou, torch.zeros_like(found.iou))
    return HeroContent(
        image=image_array(torch.as_tensor(image).as_subclass(Tensor)),
        boxes=np.asarray(target["boxes"], dtype=float),
        labels=target["labels"].tolist(),
        scores=None,
        priors=_best_priors(boxes, priors),
        cell_values=_by_cell(values, config),
        config=config,
        class_names=tuple(class_names),
        caption=(
            f"{where}. Shown is the ground truth, not a detector's answer: bright cells hold a "
            "prior that matches an object."
        ),
    )


def model_answers(
    model: Any, image: Any, class_names: Sequence[str], where: str, score_threshold: float = 0.5
) -> HeroContent:
    """The picture's content with a trained detector: its own detections and certainties.

    Args:
        model: a detector with `detect`, `prepare` and `config`.
        image: uint8 (3, H, W).
        class_names: names by label.
        where: which scene and which weights, for the caption.
        score_threshold: detections below it are left out.

    Returns:
        The content; cells are as bright as their surest prior, 1 - p(background).
    """
    config = model.config.priors
    tensor = torch.as_tensor(image).as_subclass(Tensor)
    found = model.detect([tensor], score_threshold=score_threshold)[0]
    with evaluating(model), torch.no_grad():
        logits = model(model.prepare([tensor])).logits
    certain = 1 - logits.softmax(dim=-1)[0, :, 0]
    return HeroContent(
        image=image_array(tensor),
        boxes=found["boxes"].numpy().astype(float),
        labels=found["labels"].tolist(),
        scores=found["scores"].tolist(),
        priors=found["priors"].tolist(),
        cell_values=_by_cell(certain, config),
        config=config,
        class_names=tuple(class_names),
        caption=(
            f"{where}. Bright cells: sure of an object. Threads lead from the prior that won to "
            f"its detection (scores above {score_threshold:g})."
        ),
    )


def _by_cell(values: Tensor, config: PriorConfig) -> list[np.ndarray]:
    """The largest value of each cell, level by level (H, W)."""
    levels = []
    for part, side, count in zip(
        values.split(list(config.priors_per_level)),
        config.map_sizes,
        config.priors_per_cell,
        strict=True,
    ):
        levels.append(part.reshape(side, side, count).amax(-1).numpy())
    return levels
