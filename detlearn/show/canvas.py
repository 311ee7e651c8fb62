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
INK, MUTED, RULE = "#1B1F24", "#57606A", "#D0D7DE"
PAPER = "#F4F6F8"
"""Of every figure: a pale card, on a white page and on a dark one."""


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
SHARP, SHARP_BYTES = 2, 80_000
"""Two pixels of the file for one of the page, where that keeps a notebook below 1 MB."""
PAGE_WIDTH = 7.4
"""Inches: as wide as a notebook's text."""
MARGIN = 5
"""Paper around a drawing, px of the page: its words may come to its edge."""
CORNER = 9
"""Radius of a card's corners, px of the page; outside of them a figure is transparent."""
ALPHAS = (0, 51, 102, 153, 204)
"""What the pixels on a corner's edge are drawn with."""


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
    drawing: MatplotlibFigure,
    alt: str,
    *,
    title: str | None = None,
    grey_image: bool = False,
    sharp_bytes: int | None = None,
) -> Figure:
    """Write the title, render, reduce to a palette (a third of the bytes), describe.

    A figure of more than `sharp_bytes` (`SHARP_BYTES`) at two pixels for one is drawn with one.
    """
    if title:
        y = 1 - 0.1 / drawing.get_size_inches()[1]
        drawing.text(0.012, y, title, fontsize=12.5, fontweight="bold", va="top")
    palette = _grey_palette() if grey_image else None
    sharp = png_bytes(drawing, palette, SHARP)
    if len(sharp) <= (SHARP_BYTES if sharp_bytes is None else sharp_bytes):
        return Figure(sharp, alt, width=round(drawing.get_figwidth() * DPI) + 2 * MARGIN)
    return Figure(png_bytes(drawing, palette), alt)


def png_bytes(
    drawing: MatplotlibFigure,
    palette: PillowImage | None = None,
    scale: int = 1,
    *,
    card: bool = True,
) -> bytes:
    """The figure as PNG of at most 256 colours: those of `palette`, or counted from the pixels.

    Args:
        drawing: the figure; its resolution is the same afterwards.
        palette: an image of mode P whose last `len(ALPHAS)` colours are free.
        scale: pixels of the file for each pixel of the page.
        card: with a margin and round corners, see-through outside of them.

    Returns:
        The bytes of the file.
    """
    from PIL import Image, ImageOps

    dpi = drawing.get_dpi()
    drawing.set_dpi(dpi * scale)
    try:
        pixels = pillow_rgb(drawing)
    finally:
        drawing.set_dpi(dpi)
    if card:
        pixels = ImageOps.expand(pixels, MARGIN * scale, _rgb(PAPER))
    reduced = pixels.quantize(256 - len(ALPHAS), palette=palette, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    if card:
        reduced = _card(reduced, CORNER * scale)
    reduced.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _card(picture: PillowImage, radius: int) -> PillowImage:
    """A picture of mode P with round corners; its last colours become the corners' edge."""
    from PIL import Image

    first = 256 - len(ALPHAS)
    colours = (picture.getpalette() or [])[: 3 * first]
    indices = np.array(picture)
    corner = first + _corner(min(radius, *(side // 2 for side in picture.size)))
    size = len(corner)
    for rows, flip_rows in ((slice(None, size), 1), (slice(-size, None), -1)):
        for columns, flip_columns in ((slice(None, size), 1), (slice(-size, None), -1)):
            own, edge = indices[rows, columns], corner[::flip_rows, ::flip_columns]
            own[edge < 256] = edge[edge < 256]
    card = Image.fromarray(indices)
    card.putpalette(colours + [0] * (3 * first - len(colours)) + [*_rgb(PAPER)] * len(ALPHAS))
    card.info["transparency"] = bytes([255] * first + list(ALPHAS))
    return card


def _rgb(colour: str) -> tuple[int, int, int]:
    """`#RRGGBB` as numbers."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def _corner(radius: int) -> np.ndarray:
    """For every pixel of the upper left corner the place in `ALPHAS`, beyond it where opaque."""
    fine = 4
    along = (np.arange(radius * fine) + 0.5) / fine
    inside = (radius - along[:, None]) ** 2 + (radius - along[None]) ** 2 <= radius**2
    share = inside.reshape(radius, fine, radius, fine).mean(axis=(1, 3))
    return np.floor(share * len(ALPHAS)).astype(np.uint16)  # (radius, radius)


def _grey_palette() -> PillowImage:
    """26 greys, the paper, and the house colours with their mixes towards white.

    Chosen, not counted from the pixels: the thin lines of the priors would lose their colours
    to the many greys of a photograph.
    """
    from PIL import Image

    colours = [(grey, grey, grey) for grey in (*range(0, 250, 10), 255)]
    colours.append(_rgb(PAPER))
    for name in (BLUE, ORANGE, GREEN, PURPLE, VERMILION, SKY, YELLOW):
        red, green, blue = _rgb(name)
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
    red, green, blue = (channel / 255 for channel in _rgb(colour))
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
