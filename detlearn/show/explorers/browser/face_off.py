"""Face-off explorer: the answers of four detectors to the same scenes, beside the truth."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from detlearn.data import data_path
from detlearn.metrics import explain_errors
from detlearn.show.explorers.browser.frame import Explorer

if TYPE_CHECKING:
    from torch import Tensor

    from detlearn.models import Detector

__all__ = ["FaceOffExplorer"]

MOST_BYTES = 400_000  # some forty small pictures; the chapter has few other ones


def scene_answers(
    models: Sequence[Detector],
    thresholds: Sequence[float],
    image: Tensor,
    target: Mapping[str, Any],
) -> list[list[list[float]]]:
    """What each network answers to a scene, right or wrong.

    Args:
        models: detectors.
        thresholds: the score of each, from which on a detection counts.
        image: ``uint8 (3, H, W)``.
        target: its truth.

    Returns:
        For each network rows of x1, y1, x2, y2 (px), label, score, and the number of the object
        that it finds; -1 where it is wrong (see `detlearn.metrics.explain_errors`).
    """
    answers = []
    for model, threshold in zip(models, thresholds, strict=True):
        with torch.inference_mode():
            found = model.detect([image], score_threshold=threshold)[0]
        errors = explain_errors(found, target)
        rows = zip(
            found["boxes"].tolist(), found["labels"].tolist(), found["scores"].tolist(), errors,
            strict=True,
        )  # fmt: skip
        answers.append([
            [*(round(x, 1) for x in box), label, round(score, 2),
             error.gt_index if error.kind == "correct" else -1]
            for box, label, score, error in rows
        ])  # fmt: skip
    return answers


class FaceOffExplorer(Explorer):
    """Scenes of the shipped data, filtered by size, crowding and class, and four answers to each.

    The answers were computed beforehand (`scene_answers`) and lie in
    `data/results/face_off_scenes.json`; the browser filters, counts and draws.

    >>> FaceOffExplorer()
    Explorer of the face-off: 40 scenes, 4 networks.
    """

    module = "face_off.js"
    title = "Explorer of the face-off"
    height = 560
    most_bytes = MOST_BYTES

    def __init__(self) -> None:
        path = data_path("results", "face_off_scenes.json")
        self.content = json.loads(path.read_text("utf-8"))

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {name: self.content[name] for name in ("networks", "classes", "scenes")}

    def __repr__(self) -> str:
        scenes, networks = len(self.content["scenes"]), len(self.content["networks"])
        return f"Explorer of the face-off: {scenes} scenes, {networks} networks."
