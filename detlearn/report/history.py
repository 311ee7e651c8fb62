"""The training, epoch by epoch: curves, and the numbers behind them.

`templates/training.html.j2` shows them; the first screen shows one of the curves, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ..metrics import HEADLINES, is_score
from ..training.history import loss_names
from .charts import draw_line_chart, line_class

__all__ = ["Chart", "chart_with_key", "loss_chart", "points_of", "score_chart", "training_section"]

COLUMNS = [f"{main}{threshold}" for main in HEADLINES for threshold in ("", "50", "75")]

Row = Mapping[str, float]
Points = list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its title and its key.

    Attributes:
        title: what stands above it.
        key: of each line its look, its name, and a value as text.
        svg: the drawing.
    """

    title: str
    key: list[tuple[str, str, str]]
    svg: Markup


def chart_with_key(
    curves: Mapping[str, Points], title: str, values: Sequence[str], **drawing: Any
) -> Chart:
    """A chart whose key names a value for each line; ``drawing`` as `draw_line_chart` takes it."""
    pairs = enumerate(zip(curves, values, strict=True))
    key = [(line_class(i), name, value) for i, (name, value) in pairs]
    return Chart(title, key, draw_line_chart(curves, **drawing))


def points_of(history: Sequence[Row], name: str) -> Points:
    """(epoch, value) wherever it was noted; nothing if no value is finite."""
    points = [(row["epoch"], row[name]) for row in history if name in row]
    return points if any(math.isfinite(value) for _, value in points) else []


def loss_chart(history: Sequence[Row], title: str) -> Chart | None:
    """The parts of the loss and their sum; None without any."""
    names = loss_names(history)
    curves = {name.replace("_", " "): points_of(history, name) for name in names}
    curves = {name: points for name, points in curves.items() if points}
    if len(curves) > 1:
        total = [(row["epoch"], sum(row.get(n, math.nan) for n in names)) for row in history]
        curves = {"sum": total} | curves
    return _epoch_chart(curves, title, digits="#.3g")


def score_chart(history: Sequence[Row], main: str, title: str) -> Chart | None:
    """Main score and its values at 0.50 and 0.75; None without any.

    Args:
        history: rows.
        main: ``"mAP"``, or ``"AP"`` of poses.
        title: what stands above the chart.
    """
    curves = {name: points_of(history, name) for name in (main, f"{main}50", f"{main}75")}
    curves = {name: points for name, points in curves.items() if points}
    return _epoch_chart(curves, title, y_range=(0.0, 1.0))


def training_section(history: Sequence[Row]) -> dict[str, Any]:
    """What `templates/training.html.j2` needs."""
    charts = [loss_chart(history, "Loss, mean of each epoch")]
    charts += [score_chart(history, main, "Scores on the validation images") for main in HEADLINES]
    for name, title in (
        ("learning_rate", "Learning rate at the end of each epoch"),
        ("seconds", "Seconds for each epoch"),
    ):
        points = points_of(history, name)
        curves = {name.replace("_", " "): points} if points else {}
        charts.append(_epoch_chart(curves, title, digits=".4g"))
    noted = [name for name in COLUMNS if any(name in row for row in history)]
    names = [*loss_names(history), "learning_rate", *noted, "seconds"]
    return {
        "charts": [chart for chart in charts if chart],
        "columns": [("epoch", False), *((name.replace("_", " "), True) for name in names)],
        "rows": [[f"{row['epoch']:g}", *(_cell(row, name) for name in names)] for row in history],
    }


def _epoch_chart(
    curves: Mapping[str, Points],
    title: str,
    y_range: tuple[float, float] | None = None,
    digits: str = ".3f",
) -> Chart | None:
    """Curves over the epochs, with each curve's last value in the key; None without curves."""
    if not curves:
        return None
    epochs = [x for points in curves.values() for x, _ in points]
    low, high = min(epochs), max(epochs)
    ends = [
        next((v for _, v in reversed(p) if math.isfinite(v)), math.nan) for p in curves.values()
    ]
    shown = [f"{value:{digits}}" for value in ends]
    alt = f"{title}, epochs {low:g} to {high:g}; at last " + ", ".join(
        f"{name} {value}" for name, value in zip(curves, shown, strict=True)
    )
    span = (low, high) if low < high else (low - 0.5, high + 0.5)
    return chart_with_key(
        curves, title, shown, alt=alt, x="epoch", x_range=span, y_range=y_range, whole=True
    )


def _cell(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        return "–"
    return f"{value:.3f}" if is_score(name) and math.isfinite(value) else f"{value:.4g}"
