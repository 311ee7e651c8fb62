"""Four detectors, one data set, one table; and the file that chapter 12 reads.

``python -m experiments face_off face_off_equal face_off_layouts`` makes the runs, and
``python -m experiments --publish`` writes ``data/results/face_off.json`` out of the records.
"""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detlearn.data.shapes import SHAPES_VERSION, TRAIN_SEED
from detlearn.files import write_atomically
from detlearn.models.zoo import create_model
from detlearn.report.face_off import BINS, TEST_SCENES

from .plan import Experiment, Variant
from .recipes import STEPS
from .refinedet import PAPER_LIKE

__all__ = ["EQUAL", "FACE_OFF", "LAYOUTS", "publish", "publish_others", "table_of"]

FOUR = ("ssd_tiny", "refinedet_tiny", "m2det_tiny", "ssd_hrnet_tiny")

FACE_OFF = Experiment(
    name="face_off",
    question="Which of the four detectors is best on Shapes, each trained by its own recipe?",
    paper=(
        "COCO test-dev, AP, VGG-16, 512 px, one scale: SSD 28.8 (Liu et al. 2016, Table 6), "
        "RefineDet 33.0 (Zhang et al. 2018, arXiv, Table 2), M2Det 37.6 (Zhao et al. 2019, Table 1)"
    ),
    variants=tuple(Variant(name, name) for name in FOUR),
    reference="ssd_tiny",
    standing=True,
    **STEPS,
)

NARROW_HRNET = dataclasses.replace(
    create_model("ssd_hrnet_tiny").config.hrnet,
    widths=(14, 22, 29, 44), stem_width=14, stage1_width=14, pyramid_width=29,
)  # fmt: skip

EQUAL = Experiment(
    name="face_off_equal",
    question="Does the ranking hold when all four cost the same multiply-adds?",
    paper=FACE_OFF.paper,
    variants=(
        Variant("ssd_tiny", "ssd_tiny"),
        Variant("refinedet_tiny, narrow", "refinedet_tiny",
                {"widths": (11, 22, 42, 64, 64), "tcb_channels": 32}),
        Variant("m2det_tiny, narrow", "m2det_tiny",
                {"widths": (14, 20, 36), "base_channels": (24, 24), "planes": 19}),
        Variant("ssd_hrnet_tiny, narrow", "ssd_hrnet_tiny", {"hrnet": NARROW_HRNET}),
    ),
    reference="ssd_tiny",
    standing=True,
    **STEPS,
)  # fmt: skip

LAYOUTS = Experiment(
    name="face_off_layouts",
    question="Does the ranking of SSD and RefineDet hold with priors like those of RefineDet?",
    paper="RefineDet: one scale of four strides, three ratios (Zhang et al. 2018, section 4)",
    variants=(
        Variant("ssd_tiny, RefineDet's priors", "ssd_tiny", {"priors": PAPER_LIKE}),
        Variant("refinedet_tiny, RefineDet's priors", "refinedet_tiny", {"priors": PAPER_LIKE}),
    ),
    reference="ssd_tiny, RefineDet's priors",
    standing=True,
    **STEPS,
)


# ------------------------------------------------------------------ what chapter 12 reads
def table_of(records: Sequence[Mapping[str, Any]], standing: bool = True) -> dict[str, Any]:
    """The face-off, or another experiment, as `detlearn.report` reads it.

    Args:
        records: of `FACE_OFF`, and those of `EQUAL` and `LAYOUTS` that there are; or of one
            other experiment.
        standing: whether all that the face-off shows of a run is wanted, or only its scores.

    Returns:
        what is written to a file of ``data/results``; nothing in it is typed by hand.
    """
    first = records[0]
    settings = first["settings"]
    rows: list[dict[str, Any]] = []
    for record in records:
        done = {row["name"] for row in rows}
        for variant in record["variants"]:
            runs = [
                run for run in record["runs"]
                if run["variant"] == variant["name"] and run["role"] == "final"
                and ("standing" in run or not standing)
            ]  # fmt: skip
            if runs and variant["name"] not in done:
                rows.append(
                    _row(variant, runs, record, standing) | {"search": _search(variant, record)}
                )
    shown = list(dict.fromkeys(row["experiment"] for row in rows))
    own = [
        run
        for record in records
        if record["experiment"] in shown
        for run in [*record["runs"], *record["set_aside"]]
        if "made_for" not in run  # counted where it was made
    ]
    return {
        "experiment": first["experiment"],
        "question": first["question"],
        "paper": first["paper"],
        "command": " ".join(["python -m experiments", *shown]),
        "reference": settings["reference"],
        "delta": settings["delta"],
        "complete": all(record["complete"] for record in records if record["experiment"] in shown),
        "rules": {
            "images": settings["scenes"] * settings["epochs"],
            "scenes": settings["scenes"],
            "seed": TRAIN_SEED,
            "shapes": SHAPES_VERSION,
            "test_scenes": TEST_SCENES,
        },
        "cpu_hours": round(sum(run["cpu_seconds"] for run in own) / 3600, 1),
        "versions": first["runs"][0]["versions"],
        "rows": rows,
    }


def _row(
    variant: Mapping[str, Any],
    runs: Sequence[Mapping[str, Any]],
    record: Mapping[str, Any],
    standing: bool,
) -> dict[str, Any]:
    """A row: its runs side by side, in the order of their seeds."""
    runs = sorted(runs, key=lambda run: run["seed"])
    first, score = runs[0], record["settings"]["score"]
    told = record["table"].get(variant["name"], {})
    row = {
        "name": variant["name"],
        "model": variant["model"],
        "experiment": record["experiment"],
        "reference": record["settings"]["reference"],
        "seeds": [run["seed"] for run in runs],
        "score": score,
        "half": [run["scores"]["half"][score] for run in runs],
        "learning_rate": first["learning_rate"],
        "parameters": first["parameters"],
        "multiply_adds": first["multiply_adds"],
        "training_seconds": round(statistics.median(run["cpu_seconds"] for run in runs)),
        "difference": told.get("difference"),
        "half_difference": told.get("at half the budget"),
        "dead": {
            str(run["seed"]): run["check_up"]["dead"] for run in runs if run["check_up"]["dead"]
        },
    }
    if not standing:
        row |= {
            "scores": _by_score([run["scores"]["test"] for run in runs]),
            "milliseconds": [statistics.median(run["milliseconds"] for run in runs)],
        }
    else:
        seen = [run["standing"] for run in runs]
        row |= {
            "scores": _by_score([one["scores"] for one in seen]),
            "errors": {kind: [one["errors"][kind] for one in seen] for kind in seen[0]["errors"]},
            "reliability": _pooled([one["reliability"] for one in seen]),
            "milliseconds": [
                statistics.median(one["milliseconds"][place] for one in seen) for place in (0, 1)
            ],
        }
    return row


def _by_score(seeds: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Score -> its value for each seed; without those of which there is no object."""
    names = [name for name, value in seeds[0].items() if not math.isnan(value)]
    return {name: [one[name] for one in seeds] for name in names}


def _search(variant: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    """How a row came to its learning rate, and final runs of others that were given up."""
    found = record["tuning"].get(variant["name"], {"tried": {}, "sick": []})
    score = record["settings"]["score"]
    aside = [run for run in record["set_aside"] if run["variant"] == variant["name"]]
    return {
        "tried": found["tried"],
        "given_up": {
            f"{rate:g}": {
                "half": [run["scores"]["half"][score] for run in own],
                "end": [run["scores"]["test"][score] for run in own],
                "dead": [len(run["check_up"]["dead"]) for run in own],
            }
            for rate in sorted({run["learning_rate"] for run in aside})
            for own in [[run for run in aside if run["learning_rate"] == rate]]
        },
        "sick": found["sick"],
    }


def _pooled(seeds: Sequence[Sequence[Mapping[str, float]]]) -> list[dict[str, float]]:
    """The bins of several seeds as those of one long list of detections."""
    pooled = []
    for place in range(BINS):
        bins = [one[place] for one in seeds]
        count = sum(one["count"] for one in bins)
        pooled.append({
            name: round(sum(one[name] * one["count"] for one in bins) / max(count, 1), 4)
            for name in ("score", "right")
        } | {"count": count})  # fmt: skip
    return pooled


def publish(folder: Path, path: Path) -> bool:
    """Write `table_of` the records in a folder; whether there was one to write.

    The two side tables join when all of their runs are made: half of one would be no comparison.

    Args:
        folder: of the records.
        path: of the file.
    """
    files = [folder / f"{one.name}.json" for one in (FACE_OFF, EQUAL, LAYOUTS)]
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files if file.is_file()]
    if not records or records[0]["experiment"] != FACE_OFF.name:
        return False
    first, *sides = records
    records = [first, *(record for record in sides if record["complete"])]
    write_atomically(path, (json.dumps(table_of(records), indent=1) + "\n").encode())
    return True


def publish_others(experiments: Sequence[Experiment], records: Path, results: Path) -> list[str]:
    """Write the table of every experiment whose record is complete, for the chapter that asks.

    Args:
        experiments: to publish.
        records: the folder of the records.
        results: the folder to write to, one file each.

    Returns:
        The names of those that were written.
    """
    written = []
    for experiment in experiments:
        file = records / f"{experiment.name}.json"
        if not file.is_file():
            continue
        record = json.loads(file.read_text(encoding="utf-8"))
        if record["complete"]:
            content = json.dumps(table_of([record], standing=False), indent=1) + "\n"
            write_atomically(results / file.name, content.encode())
            written.append(experiment.name)
    return written
