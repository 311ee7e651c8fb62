"""The one image of a model explorer, as the model's network takes it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from detlearn.models import Detector
from detlearn.models.inputs import resize
from detlearn.show.canvas import image_array


def network_input(model: nn.Module, image: Any) -> Tensor:
    """An image as the model's network takes it.

    Args:
        model: see `FeatureMapExplorer`.
        image: see `FeatureMapExplorer`.

    Returns:
        ``(1, 3, H, W)`` floating point.

    Raises:
        ValueError: the image is none.

    >>> network_input(nn.Identity(), torch.zeros(3, 4, 5)).shape
    torch.Size([1, 3, 4, 5])
    """
    pixels = torch.tensor(image_array(image)).permute(2, 0, 1)[None]  # (1, 3, H, W)
    if isinstance(model, Detector):
        return model.prepare(pixels)
    size = getattr(getattr(model, "config", None), "image_size", None)
    images = pixels.float() / 255
    if size is not None:
        sides = (size, size) if isinstance(size, int) else tuple(size)
        images = resize(images, sides, antialias=True)
    normalize = getattr(model, "normalize", None)
    return normalize(images) if callable(normalize) else images
