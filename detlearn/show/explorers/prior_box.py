"""Prior-box explorer: every box of every layout, computed in the reader's browser."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from detlearn.boxes import PriorConfig
from detlearn.show.explorers.frame import framed

__all__ = ["PriorBoxExplorer"]

IMAGE_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}
MAX_IMAGE_BYTES = 24_000


class PriorBoxExplorer:
    """Sliders for layout, level, row and column; the boxes follow, with or without a kernel.

    The layout travels as its few numbers; the browser does the arithmetic of `PriorBox`
    (tested to be equal) and draws. Without `image` it draws a scene of its own. An image file is
    embedded byte for byte and never encoded anew, so that the saved output is the same on every
    machine and strict nbval can compare it.

    Args:
        config: one layout, or several by name (`PRIOR_LAYOUTS`).
        image: path or bytes of a small JPEG, PNG or WebP file, stretched over the square input.
        level: the level shown first; the third one, or the coarsest, when omitted.
        cell: (row, column) shown first; the middle when omitted.

    Raises:
        ValueError: no layout, an image that is too large or of no known type, or a level or cell
            that the first layout does not have.

    Invariant:
        Equal arguments give equal HTML, on every machine.

    >>> from detlearn.boxes import SSD300_VOC_PRIORS
    >>> PriorBoxExplorer({"ssd300_voc": SSD300_VOC_PRIORS})
    Explorer of prior boxes: ssd300_voc (6 levels, 8,732 priors).
    """

    def __init__(
        self,
        config: PriorConfig | Mapping[str, PriorConfig],
        image: str | os.PathLike[str] | bytes | None = None,
        *,
        level: int | None = None,
        cell: tuple[int, int] | None = None,
    ) -> None:
        layouts = {"layout": config} if isinstance(config, PriorConfig) else dict(config)
        if not layouts:
            raise ValueError("config: expected at least one layout, got none")
        for name, layout in layouts.items():
            if not isinstance(layout, PriorConfig):
                raise ValueError(f"config[{name!r}]: expected a PriorConfig, got {layout!r}")
        first = next(iter(layouts.values()))
        level = min(2, first.num_levels - 1) if level is None else level
        if not 0 <= level < first.num_levels:
            raise ValueError(f"level: expected 0 to {first.num_levels - 1}, got {level}")
        side = first.map_sizes[level]
        row, column = (side // 2, side // 2) if cell is None else cell
        if not (0 <= row < side and 0 <= column < side):
            raise ValueError(
                f"cell: expected (row, column) on a {side} x {side} map, got {(row, column)}"
            )
        self.layouts = layouts
        self.level, self.row, self.column = level, row, column
        self._image = "" if image is None else _data_uri(image)

    def to_html(self) -> str:
        """The whole explorer as one `<iframe srcdoc>`, at most 60 kB.

        Returns:
            HTML that needs no network, no kernel and no other file.
        """
        options: dict[str, Any] = {
            "layouts": {name: asdict(layout) for name, layout in self.layouts.items()},
            "image": self._image,
            "level": self.level,
            "row": self.row,
            "column": self.column,
        }
        return framed("prior_box.js", options, title="Explorer of prior boxes", height=640)

    def __repr__(self) -> str:
        facts = "; ".join(
            f"{name} ({layout.num_levels} level{'s' * (layout.num_levels > 1)}, "
            f"{layout.num_priors:,} priors)"
            for name, layout in self.layouts.items()
        )
        return f"Explorer of prior boxes: {facts}."

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": repr(self)}


def _data_uri(image: str | os.PathLike[str] | bytes) -> str:
    """A picture file as `data:` URI, its bytes untouched."""
    if isinstance(image, bytes):
        content, name = image, "image"
    elif isinstance(image, (str, os.PathLike)):
        content, name = Path(image).read_bytes(), Path(image).name
    else:
        raise ValueError(
            f"image: expected the path or the bytes of a small picture file, got "
            f"{type(image).__name__}"
        )
    kind = next((kind for start, kind in IMAGE_TYPES.items() if content.startswith(start)), None)
    if kind is None:
        raise ValueError(f"{name}: expected a JPEG, PNG or WebP file, got {content[:8]!r}")
    if len(content) > MAX_IMAGE_BYTES:
        raise ValueError(
            f"{name}: expected at most {MAX_IMAGE_BYTES:,} bytes (the notebook carries them), "
            f"got {len(content):,}; save it smaller, e.g. 256 x 256 px as JPEG"
        )
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
