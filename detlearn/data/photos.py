"""Real photographs, which scikit-image carries in its package, with boxes made by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from .files import data_path
from .images import read_image
from .targets import Target, check_target, make_target

__all__ = ["load_photo", "photo_names"]


def _catalogue() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(data_path("photos", "photos.json").read_text("utf-8"))
    return content


def photo_names() -> tuple[str, ...]:
    """Names that `load_photo` takes.

    >>> photo_names()
    ('astronaut', 'chelsea', 'coffee', 'coins', 'motorcycle', 'rocket')
    """
    return tuple(sorted(_catalogue()["photos"]))


def load_photo(name: str) -> tuple[Any, Target]:
    """A photograph and its boxes; nothing is downloaded.

    Args:
        name: one of `photo_names`.

    Returns:
        uint8 ``(3, H, W)``, target with ``boxes`` xyxy px, ``labels``, ``image_id``,
        ``class_names`` (names by label, background first), ``author`` and ``licence``.

    Raises:
        ValueError: no such name; the message lists them.
        FileNotFoundError: this scikit-image does not carry the file.

    >>> image, target = load_photo("chelsea")
    >>> [target["class_names"][label] for label in target["labels"]]
    ['cat', 'eye', 'eye']
    """
    import skimage

    catalogue = _catalogue()
    if name not in photo_names():
        raise ValueError(f"name: expected one of {', '.join(photo_names())}, got {name!r}")
    entry = catalogue["photos"][name]
    path = Path(skimage.__file__).parent / "data" / entry["file"]
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: this version of scikit-image does not carry the photograph"
        )
    image = read_image(path)
    size = (image.shape[-2], image.shape[-1])
    names = tuple(catalogue["class_names"])
    labels = [names.index(one["class"]) for one in entry["objects"]]
    boxes = [one["box"] for one in entry["objects"]]
    target = make_target(
        boxes, labels, size, photo_names().index(name),
        iscrowd=torch.zeros(len(boxes), dtype=torch.int64),
        area=torch.tensor([float((b[2] - b[0]) * (b[3] - b[1])) for b in boxes]),
    )  # fmt: skip
    target |= {"class_names": names, "author": entry["author"], "licence": entry["licence"]}
    check_target(target, size, len(names), f"photograph {name}")
    return image, target
