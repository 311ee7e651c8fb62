"""One way to read a picture, for every loader and command."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torchvision import tv_tensors

__all__ = ["read_image"]


def read_image(path: str | Path) -> tv_tensors.Image:
    """A picture from disk as people see it: upright, in RGB.

    A rotation that the camera noted (EXIF) is applied; transparent pixels are put on white;
    palette, grey, CMYK and 16-bit pictures are converted.

    Args:
        path: a file that Pillow can read; of an animation, its first frame.

    Returns:
        ``(3, H, W)`` uint8.

    Raises:
        FileNotFoundError: no such file.
        ValueError: empty, truncated, no picture, or so large that it would fill the memory.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                opened.load()
                upright = ImageOps.exif_transpose(opened)
                pixels = np.array(_to_rgb(upright))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"{path}: too large a picture to load ({error})") from error
    except Exception as error:  # Pillow's readers raise half a dozen kinds
        raise ValueError(f"{path}: cannot be read as a picture ({error})") from error
    return tv_tensors.Image(torch.from_numpy(pixels).permute(2, 0, 1).contiguous())


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits: Pillow's own conversion clips at 255
        values = np.asarray(image, dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError("a pixel is not finite")
        brightest = values.max(initial=0)
        top = 65535.0 if brightest > 255 else 255.0
        if image.mode == "F" and brightest <= 1:  # fractions
            top = 1.0
        return Image.fromarray(
            (values.clip(0, top) * (255 / top)).round().astype(np.uint8)
        ).convert("RGB")
    if "A" in image.getbands() or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")
