"""The worst images: where boxes and numbers lie on them, and what each mistake is.

`templates/worst.html.j2` draws and says it.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..boxes import box_iou
from .errors import KIND_TEXTS
from .measure import Findings, Picture

__all__ = ["data_uri", "pictures_section"]

PICTURE_BYTES = 3_600_000  # of all pictures together; base64 makes 4.8 MB of them
MOST_HEIGHT = 420  # of a picture on the page, px
MOST_LISTED = 8  # mistakes listed below a picture
BADGE = 22  # how wide a number on a picture is, px


def pictures_section(findings: Findings, pictures: Sequence[Picture]) -> dict[str, Any]:
    """What `templates/worst.html.j2` needs."""
    budget = PICTURE_BYTES // max(len(pictures), 1)
    return {
        "perfect": not any(findings.counts[kind] for kind in KIND_TEXTS),
        "shots": [_shot(findings, picture, budget) for picture in pictures],
    }


def _shot(findings: Findings, picture: Picture, budget: int) -> dict[str, Any]:
    """A picture with its boxes, the numbers on it, and the list below it."""
    height, width = picture.pixels.shape[:2]
    mistakes = _mistakes(findings, picture)
    return {
        "name": picture.name,
        "source": data_uri(picture.pixels, budget),
        "width": width,
        "height": height,
        "max_width": MOST_HEIGHT * width / height,
        "boxes": list(_boxes(picture, mistakes)),
        "badges": _badges(mistakes[:MOST_LISTED], width, height),
        "objects": len(picture.target["labels"]),
        "found": len(picture.target["labels"]) - len(picture.missed),
        "mistakes": len(mistakes),
        "listed": mistakes[:MOST_LISTED],
    }


def _boxes(
    picture: Picture, mistakes: Sequence[dict[str, Any]]
) -> Iterator[tuple[str, list[float]]]:
    """(look, box) of every stroke: objects that are found, correct detections, mistakes."""
    for g, box in enumerate(picture.target["boxes"].tolist()):
        if g not in picture.missed:
            yield "truth", box
    right = zip(picture.detection["boxes"].tolist(), picture.errors, strict=True)
    drawn = [("hit", box) for box, error in right if error.kind == "correct"]
    for look, box in drawn + [(mistake["look"], mistake["box"]) for mistake in mistakes]:
        yield "under", box
        yield look, box


def _badges(mistakes: Sequence[dict[str, Any]], width: int, height: int) -> list[dict[str, Any]]:
    """Where the numbers stand, in percent of the picture: beside one another, not over."""
    shown = min(300.0, MOST_HEIGHT * width / height)  # px
    wide, high = 100 * BADGE / shown, 100 * BADGE * width / (shown * height)
    places: list[tuple[float, float]] = []
    badges = []
    for mistake in mistakes:
        x1, y1, x2, y2 = mistake["box"]
        lost = mistake["look"] == "lost"
        across, down = 100 * (x2 if lost else x1) / width, 100 * (y2 if lost else y1) / height
        while any(abs(across - a) < wide and abs(down - b) < high for a, b in places):
            across += wide if across + wide < 100 else -across
        places.append((across, down))
        badges.append({"lost": lost, "across": across, "down": down})
    return badges


def _mistakes(findings: Findings, picture: Picture) -> list[dict[str, Any]]:
    """Every mistake on a picture: detections by score, then misses."""
    names, found, target = findings.class_names, picture.detection, picture.target
    truth = target["labels"].tolist()
    overlap = box_iou(found["boxes"], target["boxes"]).tolist()  # (D, G)
    mistakes: list[dict[str, Any]] = []
    for d in found["scores"].argsort(descending=True, stable=True).tolist():
        kind, g = picture.errors[d]
        if kind != "correct":
            mistakes.append({
                "look": "wrong",
                "kind": kind,
                "box": found["boxes"][d].tolist(),
                "name": names[int(found["labels"][d])],
                "score": float(found["scores"][d]),
                "truth": names[truth[g]] if g >= 0 else "",
                "iou": overlap[d][g] if g >= 0 else math.nan,
            })  # fmt: skip
    for g in picture.missed:
        x1, y1, x2, y2 = box = target["boxes"][g].tolist()
        mistakes.append({
            "look": "lost", "kind": "missed", "box": box, "name": names[truth[g]],
            "size": (x2 - x1, y2 - y1),
        })  # fmt: skip
    return mistakes


def data_uri(pixels: np.ndarray, budget: int) -> str:
    """The picture as data: PNG if it is small, else JPEG, smaller until it fits the budget.

    Args:
        pixels: ``(H, W, 3)`` uint8.
        budget: bytes, before base64.
    """
    from PIL import Image

    picture = Image.fromarray(pixels)
    content = io.BytesIO()
    if max(picture.size) <= 256:
        picture.save(content, "PNG", optimize=True)
    kind = "png"
    for side in (640, 480, 360, 270, 200):
        if 0 < content.tell() <= budget:
            break
        content, kind = io.BytesIO(), "jpeg"
        smaller = picture.copy()
        smaller.thumbnail((side, side))
        smaller.save(content, "JPEG", quality=82, optimize=True)
    return f"data:image/{kind};base64,{base64.b64encode(content.getvalue()).decode('ascii')}"
