"""What the drawing modules share: palette, type, paper, and the way to a small PNG.

matplotlib is used without pyplot: no window, no global list of figures, no changed rcParams.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure
    from PIL.Image import Image as PillowImage

# Okabe and Ito 2008, ordered so that neighbours differ in lightness as well as in hue.
BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
VERMILION, SKY, YELLOW, BLACK = "#D55E00", "#56B4E9", "#F0E442", "#1B1F24"
PALETTE = (VERMILION, SKY, GREEN, YELLOW, PURPLE, BLUE, ORANGE, BLACK)
INK, MUTED, RULE, PAPER = "#1B1F24", "#57606A", "#D0D7DE", "#FFFFFF"


HOUSE_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}
DPI = 100
SHARP, SHARP_BYTES = 2, 60_000
"""Two pixels of the file for one of the page, where that keeps a notebook below 1 MB."""
PAGE_WIDTH = 7.4
"""Inches: as wide as a notebook's text."""


@contextmanager
def house_style() -> Iterator[None]:
    """The reader's rcParams are put back on leaving, whatever happens inside."""
    import matplotlib.style

    with matplotlib.style.context(["default", HOUSE_STYLE]):
        yield


def new_figure(width: float, height: float) -> MatplotlibFigure:
    """A figure of `width` by `height` inches that no global list knows of."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as MatplotlibFigure

    drawing = MatplotlibFigure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(drawing)
    return drawing


def pillow_rgb(drawing: MatplotlibFigure) -> PillowImage:
    """The figure's pixels."""
    from PIL import Image

    canvas: Any = drawing.canvas
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


@contextmanager
def paper(width: float, height: float) -> Iterator[tuple[MatplotlibFigure, Axes]]:
    """An empty figure in the house's style, and axes over all of it that count in inches."""
    with house_style():
        drawing = new_figure(width, height)
        axes = blank_axes(drawing, (0, 0, width, height))
        axes.set_xlim(0, width)
        axes.set_ylim(0, height)
        yield drawing, axes


def finish(
    drawing: MatplotlibFigure, alt: str, *, title: str | None = None, grey_image: bool = False
) -> Figure:
    """Write the title, render, reduce to a palette (a third of the bytes), describe."""
    if title:
        y = 1 - 0.1 / drawing.get_size_inches()[1]
        drawing.text(0.012, y, title, fontsize=12.5, fontweight="bold", va="top")
    palette = _grey_palette() if grey_image else None
    sharp = png_bytes(drawing, palette, SHARP)
    if len(sharp) <= SHARP_BYTES:
        return Figure(sharp, alt, width=round(drawing.get_figwidth() * DPI))
    return Figure(png_bytes(drawing, palette), alt)


def png_bytes(
    drawing: MatplotlibFigure, palette: PillowImage | None = None, scale: int = 1
) -> bytes:
    """The figure as PNG of at most 256 colours: those of `palette`, or counted from the pixels.

    Args:
        drawing: the figure; its resolution is the same afterwards.
        palette: an image of mode P.
        scale: pixels of the file for each pixel of the page.
    """
    from PIL import Image

    dpi = drawing.get_dpi()
    drawing.set_dpi(dpi * scale)
    try:
        reduced = pillow_rgb(drawing).quantize(255, palette=palette, dither=Image.Dither.NONE)
    finally:
        drawing.set_dpi(dpi)
    buffer = io.BytesIO()
    reduced.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _grey_palette() -> PillowImage:
    """26 greys and the house colours with their mixes towards white.

    Chosen, not counted from the pixels: the thin lines of the priors would lose their colours
    to the many greys of a photograph.
    """
    from PIL import Image

    colours = [(grey, grey, grey) for grey in (*range(0, 250, 10), 255)]
    for name in (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, YELLOW):
        red, green, blue = (int(name[i : i + 2], 16) for i in (1, 3, 5))
        for mix in (0.0, 0.3, 0.6, 0.8):
            colours.append(
                (
                    round(red + (255 - red) * mix),
                    round(green + (255 - green) * mix),
                    round(blue + (255 - blue) * mix),
                )
            )
    palette = Image.new("P", (1, 1))
    palette.putpalette([channel for colour in colours for channel in colour])
    return palette


def inch_axes(drawing: MatplotlibFigure, rectangle: tuple[float, float, float, float]) -> Axes:
    """Axes at (left, bottom, width, height) in inches."""
    width, height = drawing.get_size_inches()
    left, bottom, w, h = rectangle
    return drawing.add_axes((left / width, bottom / height, w / width, h / height))


def blank_axes(drawing: MatplotlibFigure, rectangle: tuple[float, float, float, float]) -> Axes:
    """As `inch_axes`, without ticks or frame."""
    axes = inch_axes(drawing, rectangle)
    axes.set_axis_off()
    return axes


def halo(width: float) -> list[Any]:
    """A white under-stroke: a coloured line stays visible on any photograph."""
    from matplotlib import patheffects

    return [patheffects.Stroke(linewidth=width + 2.4, foreground="white"), patheffects.Normal()]


def ink_on(colour: str) -> str:
    """Black or white, whichever reads better on `colour`."""
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return "#FFFFFF" if luminance < 0.22 else "#000000"


def class_colour(label: int) -> str:
    """The colour of a class, the same in every picture of the course.

    Args:
        label: class label; 0 is background and drawn in black.

    Returns:
        A colour as `#RRGGBB`; eight of them take turns, so a name goes with every box.

    >>> class_colour(1), class_colour(9)
    ('#D55E00', '#D55E00')
    """
    return BLACK if label == 0 else PALETTE[(int(label) - 1) % len(PALETTE)]


def image_array(image: Any) -> np.ndarray:
    """Any image of the course as an array that can be drawn.

    Args:
        image: tensor (3, H, W) or (1, H, W), uint8 or float in [0, 1]; array (H, W, 3) or
            (H, W); or a Pillow image.

    Returns:
        uint8 array (H, W, 3).

    Raises:
        ValueError: another shape or dtype, or floats outside [0, 1] (a normalised network
            input: draw the image from before `model.normalize`).

    >>> image_array(np.zeros((4, 5), np.uint8)).shape
    (4, 5, 3)
    """
    if hasattr(image, "convert"):
        return np.asarray(image.convert("RGB"))
    if isinstance(image, Tensor):
        pixels = image.detach().cpu()
        if pixels.ndim == 3 and pixels.shape[0] in (1, 3):
            array = pixels.permute(1, 2, 0).numpy()
        else:
            raise ValueError(
                f"image: expected a tensor (3, H, W) or (1, H, W), got {tuple(image.shape)}"
            )
    else:
        array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or 0 in array.shape:
        raise ValueError(f"image: expected an array (H, W, 3), got {array.shape}")
    if array.dtype != np.uint8:
        if not np.issubdtype(array.dtype, np.floating):
            raise ValueError(f"image: expected uint8 or float in [0, 1], got {array.dtype}")
        low, high = float(array.min()), float(array.max())
        if not (-1e-3 <= low <= high <= 1 + 1e-3):
            raise ValueError(
                f"image: expected floats in [0, 1], got {low:.3g} to {high:.3g}; "
                "draw the image from before model.normalize"
            )
        array = (array * 255).round().clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def boxes_array(boxes: Any, name: str) -> np.ndarray:
    """`boxes` as float64 (N, 4); an empty list is no boxes."""
    array = np.asarray(boxes.detach().cpu() if isinstance(boxes, Tensor) else boxes, dtype=float)
    if array.size == 0:
        return np.zeros((0, 4))
    if array.ndim != 2 or array.shape[1] != 4:
        raise ValueError(f"{name}: expected boxes (N, 4), xyxy in px, got {array.shape}")
    return array


def show_image(axes: Axes, pixels: np.ndarray, fade: float = 0.0) -> None:
    """Image in px coordinates, (0, 0) the corner of the first pixel.

    `fade` whitens it and takes its colours out: then colour belongs to the priors alone.
    """
    height, width = pixels.shape[:2]
    if fade:
        grey = pixels @ np.array([0.299, 0.587, 0.114])
        pixels = np.repeat((grey * (1 - fade) + 255 * fade).astype(np.uint8)[..., None], 3, -1)
    axes.imshow(
        pixels, extent=(0, width, height, 0), interpolation="bicubic", aspect="auto", zorder=0
    )
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)


def draw_rectangle(
    axes: Axes, box: Sequence[float], colour: str, width: float, dashes: Any = "solid"
) -> None:
    """An xyxy box as a coloured outline with a white under-stroke."""
    from matplotlib.patches import Rectangle

    x1, y1, x2, y2 = box
    axes.add_patch(
        Rectangle(
            (x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=width,
            linestyle=dashes, path_effects=halo(width), joinstyle="miter", zorder=3,
        )
    )  # fmt: skip


def px(value: float) -> str:
    """A length in px: one decimal where it has one."""
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"
