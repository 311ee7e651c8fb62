"""Scores and what they mean: those of a detector with its curves, those of poses joint by joint.

`templates/scores.html.j2` and `templates/joints.html.j2` show them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..metrics import SCORE_TEXTS, score_label
from .charts import draw_line_chart
from .history import Points, chart_with_key
from .measure import PCK_REFERENCE, Findings, PoseFindings
from .words import number_text

__all__ = ["joint_name", "joints_section", "scores_section"]

MOST_TILES = 12  # curves of classes that stand open


def scores_section(findings: Findings) -> dict[str, Any]:
    """What `templates/scores.html.j2` needs."""
    rows = [
        [score_label(key), number_text(findings.scores[key]), text]
        for key, text in SCORE_TEXTS.items()
        if key in findings.scores
    ]
    ap = {t: float(curve.nanmean()) for t, curve in findings.curves.items()}
    if any(math.isnan(value) for value in ap.values()):
        return {"scores": rows, "chart": None}
    order = sorted(
        (float(curve.mean()), label)
        for label, curve in enumerate(findings.curves[0.5], start=1)
        if not curve.isnan().any()
    )
    tiles = [_tile(findings, label) for _, label in order]
    means = {
        f"IoU {t:.2f}": _curve(curve.nanmean(dim=0).tolist())
        for t, curve in findings.curves.items()
    }
    shown = [f"AP {value:.3f}" for value in ap.values()]
    chart = chart_with_key(
        means, "Precision, mean of the classes", shown,
        alt="Precision over recall, mean of the classes: "
        + ", ".join(f"{name} {value}" for name, value in zip(means, shown, strict=True)),
        x="recall", x_range=(0.0, 1.0), y_range=(0.0, 1.0), fill=True,
    )  # fmt: skip
    return {
        "scores": rows,
        "chart": chart,
        "tiles": tiles[:MOST_TILES],
        "more_tiles": tiles[MOST_TILES:],
    }


def _tile(findings: Findings, label: int) -> dict[str, Any]:
    """The curves of one class."""
    name = findings.class_names[label]
    curves = {t: curve[label - 1] for t, curve in findings.curves.items()}
    ap = ", ".join(f"AP{100 * t:.0f} {float(curve.mean()):.3f}" for t, curve in curves.items())
    svg = draw_line_chart(
        {f"IoU {t:.2f}": _curve(curve.tolist()) for t, curve in curves.items()},
        alt=f"Precision over recall of {name}: {ap}", x="recall", x_range=(0.0, 1.0),
        y_range=(0.0, 1.0), size=(220, 150), fill=True,
    )  # fmt: skip
    return {"name": name, "ap": ap, "svg": svg}


def _curve(precision: Sequence[float]) -> Points:
    """Points at recall 0, 0.01, …; down to 0 where the recall is never reached, and no further."""
    reached = sum(value > 0 for value in precision)
    points = [(i / 100, value) for i, value in enumerate(precision[:reached])]
    return [*points, (max(reached - 1, 0) / 100, 0.0)]


def joint_name(number: int, names: Sequence[str] = ()) -> str:
    """A joint's name in words.

    Args:
        number: which.
        names: of all joints; empty for COCO's.

    >>> joint_name(5)
    'left shoulder'
    """
    from ..data.shapes import KEYPOINT_NAMES

    return (names or KEYPOINT_NAMES)[number].replace("_", " ")


def joints_section(findings: PoseFindings) -> dict[str, Any]:
    """What `templates/joints.html.j2` needs."""
    return {
        "reference": PCK_REFERENCE,
        "joints": [
            [joint_name(j, findings.names), f"{int(findings.labelled[j]):,}",
             number_text(float(findings.pck[j])), number_text(float(findings.oks[j]))]
            for j in range(len(findings.pck))
        ],
        "scores": [
            [key, number_text(value), SCORE_TEXTS[key]]
            for key, value in findings.scores.items()
        ],
    }  # fmt: skip
