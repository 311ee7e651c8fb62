"""What goes wrong, in numbers: mistakes by kind, by size, by pairs of classes, class by class.

`templates/errors.html.j2` says them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..metrics import COCO_AREAS
from .measure import Findings
from .words import number_text, percent

__all__ = ["KIND_TEXTS", "class_ap", "errors_section", "frequent_confusions"]

MOST_CLASSES = 20  # in the confusion matrix
MOST_BESIDE = 10  # classes of a matrix that leaves room for a table beside it
MOST_ROWS = 12  # classes that stand open
MOST_PAIRS = 8  # of classes that are listed below the matrix

KIND_TEXTS = {
    "missed": "objects without a correct detection",
    "badly placed": "overlaps an object, but too little (IoU below 0.5)",
    "wrong class": "lies well on an object, and names it wrongly",
    "duplicate": "a second box on an object that is found already",
    "on background": "there is no object below it",
}


def class_ap(findings: Findings) -> dict[int, float]:
    """AP of each class, by label; NaN for a class without objects."""
    values = [value for key, value in findings.scores.items() if key.startswith("AP/")]
    return dict(enumerate(values, start=1))


def frequent_confusions(findings: Findings) -> list[tuple[int, int, int]]:
    """(how often, truth, found) of every pair of classes that occurs, most frequent first."""
    matrix = findings.confusion.clone()
    matrix.fill_diagonal_(0)
    matrix[0], matrix[:, 0] = 0, 0
    found = [(int(matrix[t, f]), int(t), int(f)) for t, f in matrix.nonzero()]
    return sorted(found, key=lambda entry: (-entry[0], entry[1:]))


def errors_section(findings: Findings) -> dict[str, Any]:
    """What `templates/errors.html.j2` needs."""
    rows = _classes(findings)
    return {
        "threshold": findings.threshold,
        "chosen": findings.chosen,
        "kinds": _kinds(findings.counts),
        "sizes": _sizes(findings),
        "beside": len(findings.class_names) <= MOST_BESIDE,
        "confusion": _confusion(findings),
        "classes": rows[:MOST_ROWS],
        "more_classes": rows[MOST_ROWS:],
    }


def _kinds(counts: dict[str, int]) -> list[dict[str, Any]]:
    """Correct detections, then mistakes by kind, the most frequent kind first."""
    texts = {"correct": "the right class on the right place"} | KIND_TEXTS
    most = max(max(counts.values()), 1)
    return [
        {"name": kind, "text": texts[kind], "number": counts[kind], "share": counts[kind] / most}
        for kind in ["correct", *sorted(KIND_TEXTS, key=lambda kind: -counts[kind])]
    ]


def _sizes(findings: Findings) -> list[dict[str, Any]]:
    """Mistakes on small, medium and large objects, and for a hundred objects of each size."""
    low, high = (f"{math.sqrt(COCO_AREAS[size][1]):.0f}² px" for size in ("small", "medium"))
    bounds = {"small": f"up to {low}", "medium": f"up to {high}", "large": f"above {high}"}
    objects = {size: n["correct"] + n["missed"] for size, n in findings.sizes.items()}
    rates = {
        (size, kind): 100 * numbers[kind] / objects[size] if objects[size] else 0.0
        for size, numbers in findings.sizes.items()
        for kind in KIND_TEXTS
    }
    most = max(*rates.values(), 1e-9)
    return [
        {
            "name": size,
            "bound": bounds[size],
            "objects": objects[size],
            "map": findings.scores[f"mAP_{size}"],
            "found": numbers["correct"],
            "mistakes": {
                kind: {
                    "number": numbers[kind],
                    "per_hundred": rates[size, kind],
                    "share": rates[size, kind] / most,
                }
                for kind in KIND_TEXTS
            },
        }
        for size, numbers in findings.sizes.items()
    ]


def _confusion(findings: Findings) -> dict[str, Any]:
    """The confusion matrix, of the most confused classes where there are many."""
    matrix, names = findings.confusion, findings.class_names
    pairs = frequent_confusions(findings)
    labels = _most_confused(findings, pairs)
    rows = []
    for truth in [*labels, 0]:
        total = int(matrix[truth].sum())
        cells = [_cell(int(matrix[truth, said]), total, truth, said) for said in [*labels, 0]]
        rows.append({"name": names[truth] if truth else "nothing there", "cells": cells})
    return {
        "all": len(names) - 1,
        "shown": len(labels),
        "dense": len(labels) > 12,
        "columns": [*(names[label] for label in labels), "missed"],
        "rows": rows,
        "pairs": [(number, names[t], names[f]) for number, t, f in pairs[:MOST_PAIRS]],
    }


def _most_confused(findings: Findings, pairs: Sequence[tuple[int, int, int]]) -> list[int]:
    """Labels, ascending: all of them, or those that are confused most, then missed most."""
    labels = list(range(1, len(findings.class_names)))
    if len(labels) <= MOST_CLASSES:
        return labels
    involved = dict.fromkeys(labels, 0)
    for number, truth, said in pairs:
        involved[truth] += number
        involved[said] += number
    missed = {label: int(findings.confusion[label, 0]) for label in labels}
    return sorted(sorted(labels, key=lambda k: (-involved[k], -missed[k], k))[:MOST_CLASSES])


def _cell(number: int, total: int, truth: int, said: int) -> dict[str, Any]:
    """A cell of the matrix: how it looks, its number, its shade in percent."""
    looks = ["right"] * (truth == said) + ["none"] * (not number)
    void = not truth and not said
    return {
        "look": "void" if void else " ".join(looks),
        "number": 0 if void else number,
        "shade": 6 + 44 * number / total if total else 0.0,
    }


def _classes(findings: Findings) -> list[list[str]]:
    """A row for each class, the hardest first; classes without objects last."""
    ap, matrix = class_ap(findings), findings.confusion
    rows = []
    for label in sorted(ap, key=lambda k: (math.isnan(ap[k]), ap[k])):
        objects, boxes = int(matrix[label].sum()), int(matrix[:, label].sum())
        right = int(matrix[label, label])
        rows.append([
            findings.class_names[label], f"{objects:,}", number_text(ap[label]),
            number_text(float(findings.curves[0.5][label - 1].mean())),
            number_text(float(findings.curves[0.75][label - 1].mean())),
            percent(right, objects), percent(right, boxes),
        ])  # fmt: skip
    return rows
