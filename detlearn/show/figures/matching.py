"""Matching and the loss: who answers for which object, how targets spread, what is mined."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import cxcywh_to_xyxy
from detlearn.show.canvas import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    RULE,
    SKY,
    VERMILION,
    blank_axes,
    boxes_array,
    class_colour,
    draw_rectangle,
    finish,
    house_style,
    image_array,
    inch_axes,
    ink_on,
    new_figure,
    show_image,
)
from detlearn.show.diagram import line_key
from detlearn.show.figure import Figure

__all__ = ["draw_matches", "draw_mining", "draw_target_spread"]


def draw_matches(
    image: Any,
    boxes: Any,
    priors: Tensor,
    gt_index: Any,
    forced: Any = None,
    *,
    title: str | None = None,
    alt: str,
    width: float = 5.2,
) -> Figure:
    """Every prior that answers for an object, in the colour and with the number of its object.

    Args:
        image: (3, H, W) uint8 or float in [0, 1], array (H, W, 3) or Pillow image; drawn pale.
        boxes: (G, 4) xyxy, px of `image`: the objects, drawn dashed and numbered from 0.
        priors: (P, 4) cxcywh, fractions of the image.
        gt_index: (P,) index of the object each prior answers for, -1 for none.
        forced: (P,) bool, drawn thick and dotted; none when omitted.
        title: a line above the picture.
        alt: what the picture shows (required).
        width: width in inches at 100 px each; a tall image is made as high instead.

    Returns:
        The figure.

    Raises:
        ValueError: a shape is wrong, or a prior answers for an object that does not exist.

    >>> prior, box = torch.tensor([[0.5, 0.5, 0.5, 0.5]]), [[2, 2, 5, 6]]
    >>> draw_matches(torch.zeros(3, 8, 8), box, prior, [0], alt="One object and its prior.")
    Figure: One object and its prior.
    """
    pixels = image_array(image)
    objects = boxes_array(boxes, "boxes")
    owner = _one_a_prior(gt_index, len(priors), "gt_index").long()
    compelled = torch.zeros(len(priors), dtype=torch.bool)
    if forced is not None:
        compelled = _one_a_prior(forced, len(priors), "forced").bool()
    if len(owner) and not (-1 <= int(owner.min()) and int(owner.max()) < len(objects)):
        raise ValueError(
            f"gt_index: expected -1 to {len(objects) - 1} (boxes), got {int(owner.min())} to "
            f"{int(owner.max())}"
        )
    height_px, width_px = pixels.shape[:2]
    unit = torch.tensor([width_px, height_px, width_px, height_px])
    corners = (cxcywh_to_xyxy(priors.detach().cpu()) * unit).tolist()

    picture_width = min(width, width * width_px / height_px)
    picture_height = picture_width * height_px / width_px
    top, bottom = (0.34 if title else 0.04), 0.30
    with house_style():
        drawing = new_figure(picture_width + 0.08, picture_height + top + bottom)
        axes = blank_axes(drawing, (0.04, bottom, picture_width, picture_height))
        show_image(axes, pixels, fade=0.45)
        for box in objects:
            draw_rectangle(axes, box, INK, 2.0, (0, (4, 2)))
        for prior in (owner >= 0).nonzero()[:, 0].tolist():  # the forced ones come on top
            if not compelled[prior]:
                colour = class_colour(int(owner[prior]) + 1)
                draw_rectangle(axes, corners[prior], colour, 1.3)
        for prior in compelled.nonzero()[:, 0].tolist():
            colour = class_colour(int(owner[prior]) + 1)
            draw_rectangle(axes, corners[prior], colour, 2.6, (0, (1, 1)))
        for number, box in enumerate(objects):
            colour = class_colour(number + 1)
            axes.text(
                (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, str(number), fontsize=11,
                fontweight="bold", color=ink_on(colour), ha="center", va="center", zorder=7,
                bbox={"facecolor": colour, "edgecolor": "white", "linewidth": 1,
                      "boxstyle": "circle,pad=0.22"},
            )  # fmt: skip
        if title:
            axes.set_title(title, pad=6)
        entries: list[tuple[str, Any, str]] = [("object", (0, (4, 2)), INK)]
        entries.append(("prior, by its IoU", "solid", MUTED))
        if forced is not None:
            entries.append(("prior, forced", (0, (1, 1)), MUTED))
        line_key(drawing, entries)
        return finish(drawing, alt)


def _one_a_prior(values: Any, count: int, name: str) -> Tensor:
    tensor = torch.as_tensor(values).detach().cpu()
    if tensor.shape != (count,):
        raise ValueError(f"{name}: expected one a prior, ({count},), got {tuple(tensor.shape)}")
    return tensor


def draw_target_spread(
    plain: Tensor, divided: Tensor, *, title: str | None = None, alt: str
) -> Figure:
    """Histograms of the four deltas, before and after division by the scales.

    The shaded band is where smooth L1 is quadratic, an error below 1 in size; the standard
    deviation stands in each panel.

    Args:
        plain: (N, 4) deltas dx, dy, dw, dh, not divided.
        divided: (N, 4) the same, divided.
        title: a line above the panels.
        alt: what the picture shows (required).

    Returns:
        The figure: two rows of four panels, all on one scale.

    Raises:
        ValueError: not (N, 4), or a number that is not finite.

    >>> deltas = torch.linspace(-0.3, 0.3, 40).reshape(10, 4)
    >>> draw_target_spread(deltas, deltas / 0.1, alt="Narrow above, wide below.")
    Figure: Narrow above, wide below.
    """
    rows = [("plain", plain), ("divided", divided)]
    for name, deltas in rows:
        if deltas.ndim != 2 or deltas.shape[1] != 4:
            raise ValueError(f"{name}: expected deltas (N, 4), got {tuple(deltas.shape)}")
        if not bool(deltas.isfinite().all()):
            raise ValueError(f"{name}: expected finite deltas, got NaN or infinity")
    top, panel, left, gap = (0.72 if title else 0.38), 1.12, 0.86, 0.12
    wide = (7.6 - left - 4 * gap) / 4
    height = top + 2 * panel + gap + 0.62
    edges = np.linspace(-4, 4, 65)
    with house_style():
        drawing = new_figure(7.6, height)
        for row, (name, deltas) in enumerate(rows):
            for column, coordinate in enumerate(("dx", "dy", "dw", "dh")):
                place = (left + column * (wide + gap), 0.62 + (1 - row) * (panel + gap))
                axes = inch_axes(drawing, (*place, wide, panel))
                values = deltas[:, column].detach().cpu().double().numpy()
                axes.axvspan(-1, 1, color=SKY, alpha=0.28, lw=0)
                axes.hist(
                    values.clip(-4, 4), edges.tolist(), color=BLUE if row else ORANGE, zorder=2
                )
                spread = f"std {values.std():.2f}" if len(values) else "none"
                axes.text(0.97, 0.93, spread, transform=axes.transAxes, ha="right", va="top",
                          fontsize=10)  # fmt: skip
                axes.set_xlim(-4, 4)
                axes.set_yticks([])
                axes.spines["left"].set_visible(False)
                axes.set_xticks([-3, -1, 1, 3])
                axes.margins(y=0.28)
                if row == 0:
                    axes.set_title(coordinate, loc="center", pad=4)
                    axes.tick_params(axis="x", labelbottom=False)
                if column == 0:
                    axes.text(-0.08, 0.4, name, transform=axes.transAxes, ha="right", fontsize=11)
        drawing.text(
            0.5 + left / 15.2, 0.06 / height, "delta   (shaded: from −1 to 1)",
            ha="center", va="bottom", fontsize=10.5,
        )  # fmt: skip
        return finish(drawing, alt, title=title)


def draw_mining(
    class_loss: Tensor,
    target_labels: Tensor,
    mined: Tensor,
    *,
    shown: int = 120,
    title: str | None = None,
    alt: str,
) -> Figure:
    """The class losses of one image, sorted: positives, mined negatives, and the others.

    Args:
        class_loss: (P,) loss of each prior.
        target_labels: (P,) 0 for background, above 0 for an object.
        mined: (P,) bool, the negatives that are taught.
        shown: how many bars there is room for.
        title: a line above the chart.
        alt: what the picture shows (required).

    Returns:
        The figure: positives left, then the negatives, hardest first.

    Raises:
        ValueError: the three do not have one number a prior each.

    >>> loss, labels = torch.tensor([2.0, 1.0, 0.5]), torch.tensor([1, 0, 0])
    >>> draw_mining(loss, labels, torch.tensor([False, True, False]), alt="Three bars, one mined.")
    Figure: Three bars, one mined.
    """
    from matplotlib.patches import Patch

    if class_loss.ndim != 1:
        raise ValueError(f"class_loss: expected (P,), one image, got {tuple(class_loss.shape)}")
    labels = _one_a_prior(target_labels, len(class_loss), "target_labels")
    chosen = _one_a_prior(mined, len(class_loss), "mined").bool()
    loss = class_loss.detach().cpu().float()
    positives = loss[labels > 0].sort(descending=True).values.tolist()
    order = loss.masked_fill(labels != 0, -torch.inf).argsort(descending=True)
    order = order[: int((labels == 0).sum())]
    negatives = [(float(loss[i]), bool(chosen[i])) for i in order.tolist()]
    left_out = max(0, len(positives) + len(negatives) - shown)
    negatives = negatives[: max(0, shown - len(positives))]
    start = len(positives) + 1.5
    top = 0.74 if title else 0.42
    height = top + 2.4 + 0.55
    with house_style():
        drawing = new_figure(7.6, height)
        axes = inch_axes(drawing, (0.66, 0.55, 6.84, 2.4))
        axes.bar(range(len(positives)), positives, width=0.9, color=BLUE)
        for taken, colour, hatch in ((True, VERMILION, "////"), (False, "#C6CDD5", "")):
            places = [start + i for i, (_, mine) in enumerate(negatives) if mine is taken]
            heights = [value for value, mine in negatives if mine is taken]
            axes.bar(places, heights, width=0.9, color=colour, hatch=hatch, edgecolor="white", lw=0)
        axes.set_xlim(-1, max(start + len(negatives), shown * 0.2))
        axes.set_xticks([])
        axes.set_ylabel("class loss −log p", labelpad=3)
        axes.grid(axis="y", color=RULE, lw=0.8)
        axes.set_axisbelow(True)
        rest = f"   … and {left_out:,} more" if left_out else ""
        axes.set_xlabel(f"positives | negatives, hardest first{rest}")
        drawing.legend(
            handles=[
                Patch(facecolor=BLUE, label="positive"),
                Patch(facecolor=VERMILION, hatch="////", edgecolor="white", label="mined negative"),
                Patch(facecolor="#C6CDD5", label="ignored negative"),
            ],
            loc="upper left", bbox_to_anchor=(0.075, 1 - (top - 0.38) / height), ncols=3,
            frameon=False, fontsize=10, borderaxespad=0, handlelength=1.4,
        )  # fmt: skip
        return finish(drawing, alt, title=title)
