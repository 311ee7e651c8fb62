"""A picture with its description: what every figure-producing cell of the course ends with."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detlearn.files import write_atomically

if TYPE_CHECKING:
    import numpy
    from matplotlib.figure import Figure as MatplotlibFigure
    from PIL.Image import Image as PillowImage
    from torch import Tensor

    Drawable = MatplotlibFigure | PillowImage | Tensor | numpy.ndarray | bytes

__all__ = ["Figure", "figure"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Figure:
    """A PNG and its alternative text, shown by Jupyter, Colab, GitHub and the slides.

    A notebook stores two forms of it: `image/png`, which readers see and nbval never compares
    (its bytes differ from one machine to the next), and `text/plain`, `Figure: <alt>`, which
    nbval does compare and a screen reader speaks. Write the alternative text so that it stays
    true on another machine: what is drawn, and what the reader should notice.

    Args:
        png: the bytes of a PNG file.
        alt: what the picture shows, one or two sentences, at least 15 characters.
        width: width in CSS pixels at which to show it; its own width when omitted.

    Raises:
        ValueError: not a PNG, or no useful alternative text.

    Invariant:
        `Figure(png, alt).png == png`

    >>> from PIL import Image
    >>> figure(Image.new("RGB", (8, 6)), alt="A black rectangle, 8 by 6 pixels.")
    Figure: A black rectangle, 8 by 6 pixels.
    """

    __slots__ = ("alt", "png", "width")

    def __init__(self, png: bytes, alt: str, width: int | None = None) -> None:
        if not png.startswith(PNG_SIGNATURE):
            raise ValueError(f"png: expected the bytes of a PNG file, got {png[:8]!r}")
        alt = " ".join(alt.split())
        if len(alt) < 15:
            raise ValueError(f"alt: expected a description of at least 15 characters, got {alt!r}")
        self.png = png
        self.alt = alt
        self.width = width

    def __repr__(self) -> str:
        return f"Figure: {self.alt}"

    def _repr_mimebundle_(
        self, include: Any = None, exclude: Any = None
    ) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        """What Jupyter stores; `alt` in the metadata is what nbconvert writes into `<img alt>`."""
        data = {
            "image/png": base64.b64encode(self.png).decode("ascii"),
            "text/plain": repr(self),
        }
        metadata: dict[str, Any] = {"alt": self.alt}
        if self.width is not None:
            metadata["width"] = self.width
        return data, {"image/png": metadata}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the PNG to `path` and return the path."""
        write_atomically(Path(path), self.png)
        return Path(path)


def figure(drawing: Drawable, alt: str, *, dpi: int = 100, width: int | None = None) -> Figure:
    """Turn a drawing into a `Figure`; the last line of every cell that draws.

    Args:
        drawing: a matplotlib figure (it is closed, so that Jupyter does not show it twice), a
            Pillow image, a uint8 image tensor (3, H, W) or array (H, W, 3), or PNG bytes.
        alt: what the picture shows, one or two sentences.
        dpi: resolution of a matplotlib figure; 100 and about 4 x 3 inches keep notebooks small.
        width: width in CSS pixels at which to show it.

    Returns:
        The picture; as last expression of a cell, Jupyter shows it.

    Raises:
        ValueError: something else was given, or `alt` says nothing.

    >>> import torch
    >>> figure(torch.zeros(3, 6, 8, dtype=torch.uint8), alt="Nothing but black pixels.").png[1:4]
    b'PNG'
    """
    return Figure(_png_bytes(drawing, dpi), alt, width)


def _png_bytes(drawing: Any, dpi: int) -> bytes:
    buffer = io.BytesIO()
    if isinstance(drawing, bytes):
        return drawing
    if hasattr(drawing, "savefig"):
        import matplotlib.pyplot as plt

        # without the Software entry two matplotlib versions can write the same bytes
        drawing.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
        plt.close(drawing)
        return buffer.getvalue()
    if hasattr(drawing, "shape"):
        drawing = _pillow_image(drawing)
    if not hasattr(drawing, "save"):
        raise ValueError(
            "drawing: expected a matplotlib figure, a Pillow image, a uint8 image tensor "
            f"(3, H, W) or PNG bytes, got {type(drawing).__name__}"
        )
    drawing.save(buffer, format="PNG")
    return buffer.getvalue()


def _pillow_image(pixels: Any) -> PillowImage:
    import numpy as np
    from PIL import Image

    is_tensor = hasattr(pixels, "detach")
    channels = 0 if is_tensor else 2
    if len(pixels.shape) != 3 or pixels.shape[channels] != 3 or "uint8" not in str(pixels.dtype):
        form = "(3, H, W)" if is_tensor else "(H, W, 3)"
        raise ValueError(
            f"drawing: expected uint8 {form}, got {pixels.dtype} {tuple(pixels.shape)}"
        )
    array = np.asarray(pixels.detach().cpu().permute(1, 2, 0)) if is_tensor else pixels
    return Image.fromarray(np.ascontiguousarray(array))
