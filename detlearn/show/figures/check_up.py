"""Networks looked into: which channels of which module answer, and which are dead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from detlearn.show.canvas import (
    BLUE,
    MUTED,
    RULE,
    VERMILION,
    finish,
    house_style,
    inch_axes,
    new_figure,
)
from detlearn.show.figure import Figure
from detlearn.training import CheckUp

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

__all__ = ["draw_check_up"]

MOST = 3  # networks in a picture


def draw_check_up(networks: Mapping[str, CheckUp], *, alt: str) -> Figure:
    """The channels of each module of a network, in the order in which an image meets them.

    A bar is a module whose channels pass a ReLU.  From below, blue: the share of its channels that
    a picture makes active, a mean over the pictures.  From above, hatched: channels that none makes
    active.  What is white between them is active in some pictures only.  Gates are left out.

    Args:
        networks: name -> what `detlearn.training.check_up` found; up to three, one below the other.
        alt: what the picture shows (required).

    Returns:
        The figure.

    Raises:
        ValueError: no network, more than three, or one of whose channels nothing is known.

    >>> from detlearn.training.check_up import ModuleHealth
    >>> found = CheckUp({"stem": ModuleHealth(channels=8, never_active=0.5, active=0.25)}, images=4)
    >>> draw_check_up({"sick": found}, alt="One module, half of its channels dead.")
    Figure: One module, half of its channels dead.
    """
    if not 1 <= len(networks) <= MOST:
        raise ValueError(f"networks: expected 1 to {MOST}, got {len(networks)}")
    for name, found in networks.items():
        if not shares(found):
            raise ValueError(f"networks[{name!r}]: expected modules with channels, got none")
    width, left, each = 7.6, 0.62, 1.75
    height = each * len(networks) + 0.76
    with house_style():
        drawing = new_figure(width, height)
        for number, (name, found) in enumerate(networks.items()):
            bottom = height - 0.34 - each * (number + 1) + 0.12
            axes = inch_axes(drawing, (left, bottom, width - left - 0.12, each - 0.5))
            _bars(axes, shares(found))
            axes.set_title(title(name, found), fontsize=10.5, loc="left", pad=4)
        axes.set_xlabel("modules with a ReLU, from the image to the heads", color=MUTED, labelpad=4)
        _legend(drawing)
        return finish(drawing, alt)


def shares(found: CheckUp) -> list[tuple[str, float, float]]:
    """Name, active share and dead share of each module whose channels were looked at.

    >>> from detlearn.training.check_up import ModuleHealth
    >>> shares(CheckUp({"head": ModuleHealth(gradient=1.0)}))
    []
    """
    return [
        (name, row.active, row.never_active)
        for name, row in found.modules.items()
        if row.active is not None and row.never_active is not None
    ]


def title(name: str, found: CheckUp) -> str:
    """What stands above the bars.

    >>> title("mine", CheckUp())
    'mine: 0% of the channels never active, no dead module'
    """
    dead = len(found.dead)
    words = "no dead module" if dead == 0 else f"{dead} dead module{'s' if dead > 1 else ''}"
    return f"{name}: {found.never_active:.0%} of the channels never active, {words}"


def _legend(drawing: MatplotlibFigure) -> None:
    from matplotlib.patches import Patch

    drawing.legend(
        handles=[
            Patch(facecolor=BLUE, linewidth=0, label="active in the average picture"),
            Patch(facecolor="white", edgecolor=MUTED, label="only in some pictures"),
            Patch(facecolor=VERMILION, hatch="////", edgecolor="white", label="in no picture"),
        ],
        loc="upper left", ncols=3, frameon=False, fontsize=10,
    )  # fmt: skip


def _bars(axes: Axes, rows: list[tuple[str, float, float]]) -> None:
    places = range(len(rows))
    axes.bar(places, [active for _, active, _ in rows], width=0.86, color=BLUE, linewidth=0)
    axes.bar(
        places, [never for _, _, never in rows], bottom=[1 - never for _, _, never in rows],
        width=0.86, color=VERMILION, hatch="////", edgecolor="white", linewidth=0,
    )  # fmt: skip
    axes.set_xlim(-0.7, len(rows) - 0.3)
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.set_yticks([0, 0.5, 1], ["0%", "50%", "100%"])
    axes.grid(axis="y", color=RULE, lw=0.8)
    axes.set_axisbelow(True)
