"""Face explorer: move, turn, scale and blur a photograph, and read what BlazeFace answered."""

from __future__ import annotations

import base64
import json
from itertools import product
from typing import TYPE_CHECKING, Any

import torch

from detlearn.data import data_path, load_portraits
from detlearn.show.explorers.browser.frame import Explorer

if TYPE_CHECKING:
    from detlearn.models.blazeface import BlazeFace

__all__ = ["FaceExplorer"]

AXES: dict[str, tuple[float, ...]] = {
    "size": (12, 16, 24, 32, 48, 64, 96, 128),
    "angle": (0, 30, 60, 90, 120, 150, 180),
    "blur": (0, 1.5, 3),
    "right": (-24, 0, 24),
    "down": (-24, 0, 24),
}
"""What can be changed: side of the face, turn (degrees), sigma, shift; px of the input."""
BYTES = 6  # of one answer: score, prior (2), centre x and y (half px), side (px)


def face_answers(model: BlazeFace) -> bytes:
    """What the explorer knows: the surest answer to the astronaut in every place of the grid.

    Args:
        model: a `BlazeFace` with its weights.

    Returns:
        Six bytes an answer, in the order of the axes: score (of 255), prior (high byte first),
        centre x and y (halves of a px), side (px).
    """
    face, answers = load_portraits()["astronaut"], bytearray()
    for size, angle, blur in product(*(AXES[name] for name in ("size", "angle", "blur"))):
        views = [
            face.view(size, angle=angle, blur=blur, shift=shift)
            for shift in product(AXES["right"], AXES["down"])
        ]
        with torch.inference_mode():
            scores, boxes = model.scores_and_boxes(model(model.prepare(views)))
        for score, box in zip(scores[..., 1], 128 * boxes, strict=True):
            prior = int(score.argmax())
            x1, y1, x2, y2 = box[prior].tolist()
            numbers = (255 * float(score[prior]), x1 + x2, y1 + y2, x2 - x1)
            sure, x, y, side = (min(255, max(0, round(number))) for number in numbers)
            answers += bytes((sure, prior >> 8, prior & 255, x, y, side))
    return bytes(answers)


class FaceExplorer(Explorer):
    """The astronaut's face in many places, and score, box and prior of the surest answer.

    All answers were computed beforehand (`face_answers`) and lie in
    `data/results/face_grid.json`; the browser draws the picture and looks them up.

    >>> FaceExplorer()
    Explorer of a face: 1,512 answers; 8 sizes, 7 turns, 3 blurs, 9 places.
    """

    module = "faces.js"
    title = "Explorer of a face"
    height = 640

    def __init__(self) -> None:
        self.grid = json.loads(data_path("results", "face_grid.json").read_text("utf-8"))

    def options(self) -> dict[str, Any]:
        """What the browser is told, as JSON."""
        return {
            "axes": {name: list(values) for name, values in AXES.items()},
            "answers": self.grid["answers"],
            "photo": self.grid["photo"],
            "face": self.grid["face"],
        }

    def __repr__(self) -> str:
        number = len(base64.b64decode(self.grid["answers"])) // BYTES
        places = len(AXES["right"]) * len(AXES["down"])
        return (
            f"Explorer of a face: {number:,} answers; {len(AXES['size'])} sizes, "
            f"{len(AXES['angle'])} turns, {len(AXES['blur'])} blurs, {places} places."
        )
