"""Pictures of poses: people with their joints, heat maps, what a decoder makes of a place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from detlearn.show.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
    RULE,
    VERMILION,
    finish,
    house_style,
    image_array,
    new_figure,
)
from detlearn.show.figure import Figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_decoding", "draw_heatmaps", "draw_poses"]

WIDTH = 7.4
MAX_PANELS = 6
# Pairs of COCO's joints, counted from 0: legs, trunk, arms, face.
LIMBS = (
    (15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
    (7, 9), (8, 10), (1, 2), (0, 1), (0, 2), (1, 3), (2, 4),
)  # fmt: skip
LEFT = frozenset((1, 3, 5, 7, 9, 11, 13, 15))
LOOKS = ((VERMILION, "o-", 3.6), (BLUE, "s--", 2.2), (GREEN, "D:", 1.4))  # the last on top


def draw_poses(
    panels: Mapping[str, tuple[Any, Tensor]],
    *,
    boxes: Mapping[str, Tensor] | None = None,
    pixel_center: float = 0.5,
    title: str | None = None,
    alt: str,
) -> Figure:
    """Pictures side by side, with the joints of their people.

    Args:
        panels: name below the picture -> image (``(3, H, W)``, as `image_array` takes it) and
            key points ``(N, 17, 2)`` or ``(N, 17, 3)`` x, y in its px, and visibility: joints
            of visibility 0 are left out. One to six panels; no person is legal.
        boxes: name -> ``(N, 4)`` xyxy, px, drawn dashed.
        pixel_center: coordinate of the first pixel's middle.
        title: a line above the pictures.
        alt: what the picture shows.

    Returns:
        The figure: joints of the person's left side are filled, those of the right side open.

    Raises:
        ValueError: no panel or more than six, or key points of another shape.

    >>> empty = torch.zeros(3, 8, 8), torch.zeros(0, 17, 3)
    >>> draw_poses({"nobody": empty}, alt="A black picture without a person.").alt
    'A black picture without a person.'
    """
    if not 1 <= len(panels) <= MAX_PANELS:
        raise ValueError(f"panels: expected 1 to {MAX_PANELS}, got {len(panels)}")
    for name, (_, points) in panels.items():
        if points.ndim != 3 or points.shape[1] != 17 or points.shape[2] not in (2, 3):
            raise ValueError(
                f"panels[{name!r}]: expected key points (N, 17, 2 or 3), got {tuple(points.shape)}"
            )
    pictures = [image_array(image) for image, _ in panels.values()]
    aspects = [picture.shape[0] / picture.shape[1] for picture in pictures]
    gap, top = 0.12, 0.34 if title else 0.06
    tall = min((WIDTH - 0.1 - gap * (len(panels) - 1)) / sum(1 / a for a in aspects), 3.1)
    height, left = tall + top + 0.36, 0.05
    with house_style():
        drawing = new_figure(WIDTH, height)
        for picture, aspect, (name, (_, points)) in zip(
            pictures, aspects, panels.items(), strict=True
        ):
            wide = tall / aspect
            axes = drawing.add_axes((left / WIDTH, 0.32 / height, wide / WIDTH, tall / height))
            H, W = picture.shape[:2]
            first = pixel_center - 0.5
            extent = (first, first + W, first + H, first)
            axes.imshow(picture, extent=extent, interpolation="nearest")
            axes.set_axis_off()
            for box in (boxes or {}).get(name, torch.zeros(0, 4)).tolist():
                _box(axes, box)
            for person in points.detach().cpu().as_subclass(Tensor):
                _person(axes, person, min(3 if tall > 1.5 else 2, _dot(person, tall / H)))
            axes.set_xlim(*extent[:2])
            axes.set_ylim(*extent[2:])
            drawing.text(
                (left + wide / 2) / WIDTH, 0.26 / height, name, ha="center", va="top", fontsize=10
            )
            left += wide + gap
        return finish(drawing, alt, title=title)


def _box(axes: Axes, box: Sequence[float]) -> None:
    from matplotlib.patches import Rectangle

    x1, y1, x2, y2 = box
    for colour, width, dash in (("white", 3.0, "-"), (INK, 1.5, (0, (4, 2)))):
        axes.add_patch(
            Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=width,
                      linestyle=dash)
        )  # fmt: skip


def _dot(person: Tensor, inches: float) -> float:
    """Points of a dot that leave a small person to be seen: a twentieth of her longer side."""
    seen = person[person[:, 2] > 0] if person.shape[1] == 3 else person
    if not len(seen):
        return 1.0
    longer = (seen[:, :2].amax(dim=0) - seen[:, :2].amin(dim=0)).max()
    return max(0.8, float(longer) * inches * 72 / 20)


def _person(axes: Axes, person: Tensor, size: float) -> None:
    shown = person[:, 2] > 0 if person.shape[1] == 3 else torch.ones(17, dtype=torch.bool)
    x, y = person[:, 0].tolist(), person[:, 1].tolist()
    thin = min(1.0, size / 2)  # of a small person the limbs as well as the dots
    for a, b in LIMBS:
        if shown[a] and shown[b]:
            for colour, width in (("white", 2.6), (VERMILION, 1.3)):
                axes.plot([x[a], x[b]], [y[a], y[b]], color=colour, lw=width * thin, zorder=2)
    for joint in range(17):
        if shown[joint]:
            axes.plot(
                x[joint], y[joint], "o", markersize=size + 1, zorder=3, markeredgecolor=INK,
                markerfacecolor=INK if joint in LEFT else "white", markeredgewidth=0.8 * thin,
            )  # fmt: skip


def draw_heatmaps(
    panels: Mapping[str, Tensor],
    *,
    truth: Mapping[str, Sequence[float]] | None = None,
    points: Mapping[str, Sequence[float]] | None = None,
    title: str | None = None,
    alt: str,
) -> Figure:
    """Heat maps side by side, all in one range of colours.

    Args:
        panels: name below the map -> ``(H, W)``; one to six.
        truth: name -> (x, y) in heat-map px, where pixel 0 has its middle at 0; a white cross.
        points: name -> (x, y), what was decoded; a red ring.
        title: a line above the maps.
        alt: what the picture shows.

    Returns:
        The figure.

    Raises:
        ValueError: no panel or more than six, or a map of another shape.

    >>> draw_heatmaps({"a": torch.eye(4)}, alt="A diagonal of bright cells.").alt
    'A diagonal of bright cells.'
    """
    if not 1 <= len(panels) <= MAX_PANELS:
        raise ValueError(f"panels: expected 1 to {MAX_PANELS}, got {len(panels)}")
    maps = {name: values.detach().cpu().double().numpy() for name, values in panels.items()}
    for name, values in maps.items():
        if values.ndim != 2 or values.size == 0:
            raise ValueError(f"panels[{name!r}]: expected (H, W), got {values.shape}")
    gap, top = 0.14, 0.34 if title else 0.06
    aspects = [values.shape[0] / values.shape[1] for values in maps.values()]
    tall = min((WIDTH - 0.1 - gap * (len(maps) - 1)) / sum(1 / a for a in aspects), 2.6)
    lines = max(name.count("\n") for name in maps) + 1
    low = 0.14 + 0.19 * lines
    height, left = tall + top + low, 0.05
    most = max(float(values.max()) for values in maps.values())
    with house_style():
        drawing = new_figure(WIDTH, height)
        for (name, values), aspect in zip(maps.items(), aspects, strict=True):
            wide = tall / aspect
            axes = drawing.add_axes((left / WIDTH, low / height, wide / WIDTH, tall / height))
            axes.imshow(values, cmap="viridis", vmin=0, vmax=max(most, 1e-12), aspect="auto")
            axes.set_axis_off()
            if name in (truth or {}):
                x, y = (truth or {})[name]
                axes.plot(x, y, "+", color=INK, markersize=13, markeredgewidth=4)
                axes.plot(x, y, "+", color="white", markersize=12, markeredgewidth=2)
            if name in (points or {}):
                x, y = (points or {})[name]
                for colour, width in (("white", 4.0), (VERMILION, 2.0)):
                    axes.plot(x, y, "o", color=colour, markersize=9, markerfacecolor="none",
                              markeredgewidth=width)  # fmt: skip
            drawing.text(
                (left + wide / 2) / WIDTH, (low - 0.06) / height, name, ha="center", va="top",
                fontsize=10, linespacing=1.15,
            )  # fmt: skip
            left += wide + gap
        return finish(drawing, alt, title=title)


def draw_decoding(
    places: Sequence[float] | Tensor,
    panels: Mapping[str, Mapping[str, Sequence[float] | Tensor]],
    *,
    x: str = "true place, heat-map px",
    y: str = "error, heat-map px",
    alt: str,
) -> Figure:
    """How far off each way of decoding is, while the true place moves across the pixels.

    Args:
        places: N true places.
        panels: title -> (way -> N errors, with sign); one to three of each.
        x: what the places are.
        y: what the errors are.
        alt: what the picture shows.

    Returns:
        The figure: a line for each way; dotted verticals are the middles of pixels.

    Raises:
        ValueError: no panel, too many lines, or lines of another length.

    >>> draw_decoding([0.0, 1.0], {"t": {"a": [0, 0.5]}}, alt="One line that rises by a half.").alt
    'One line that rises by a half.'
    """
    where = np.asarray(torch.as_tensor(places, dtype=torch.float64))
    if not 1 <= len(panels) <= 3:
        raise ValueError(f"panels: expected 1 to 3, got {len(panels)}")
    lines: dict[str, dict[str, np.ndarray]] = {}
    for title, ways in panels.items():
        if not 1 <= len(ways) <= len(LOOKS):
            raise ValueError(f"panels[{title!r}]: expected 1 to {len(LOOKS)}, got {len(ways)}")
        lines[title] = {}
        for way, errors in ways.items():
            values = np.asarray(torch.as_tensor(errors, dtype=torch.float64))
            if values.shape != where.shape:
                raise ValueError(
                    f"panels[{title!r}][{way!r}]: expected {where.shape}, got {values.shape}"
                )
            lines[title][way] = values
    most = max(0.05, *(float(np.abs(v).max()) for ways in lines.values() for v in ways.values()))
    height, left, gap = 2.75, 0.86, 0.3
    wide = (WIDTH - left - 0.1 - gap * (len(lines) - 1)) / len(lines)
    with house_style():
        drawing = new_figure(WIDTH, height)
        for k, (title, curves) in enumerate(lines.items()):
            axes = drawing.add_axes(
                ((left + k * (wide + gap)) / WIDTH, 0.52 / height, wide / WIDTH, 1.9 / height)
            )
            axes.axhline(0, color=MUTED, lw=0.8)
            for pixel in range(int(np.ceil(where.min())), int(where.max()) + 1):
                axes.axvline(pixel, color=RULE, lw=1.0, linestyle=":", zorder=0)
            step = max(1, len(where) // 12)
            for (way, curve), (colour, look, thick) in zip(curves.items(), LOOKS, strict=False):
                axes.plot(where, curve, look, color=colour, lw=thick, markersize=4.5,
                          markevery=step, label=way)  # fmt: skip
            axes.set_ylim(-1.15 * most, 1.6 * most)
            axes.set_title(title, fontsize=11)
            if k:
                axes.tick_params(axis="y", labelleft=False)
            else:
                axes.set_ylabel(y)
            axes.set_xlabel(x)
            axes.legend(frameon=False, fontsize=9, loc="upper right", ncols=len(curves),
                        handlelength=1.6, columnspacing=0.9, borderaxespad=0.0)  # fmt: skip
        return finish(drawing, alt)
