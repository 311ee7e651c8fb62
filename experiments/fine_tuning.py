"""What does it save to begin with a trained detector?  Shapes by day, then by night.

A reader has two hundred pictures of something else, seen by another camera, with classes of other
names, and the course's detector of Shapes.  `scenes` draws such pictures, as many as one likes, so
that choices, scores and training do not meet; the photograph of coins in chapter 14 is too small
for that.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detlearn.files import write_atomically

from .plan import Experiment, Variant
from .recipes import TINY

__all__ = ["EXPERIMENTS", "publish", "table_of"]

NIGHT = {"num_classes": 4}

FINE_TUNING = Experiment(
    name="fine_tuning",
    question="What does it save to begin with a detector of other pictures?",
    paper="None: the commonest wish in public threads.",
    variants=(
        Variant("random weights", "ssd_tiny", NIGHT),
        Variant("a detector of Shapes", "ssd_tiny", NIGHT, init="ssd_tiny"),
    ),
    reference="random weights",
    recipe=dataclasses.replace(TINY, warmup_steps=50),
    scenes=200,
    epochs=32,
    tune_scenes=200,
    tune_epochs=8,
    domain="night",
    looks=8,
)

EXPERIMENTS = (FINE_TUNING,)


def table_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """What chapter 14 shows of the record.

    Args:
        record: of `FINE_TUNING`, complete.

    Returns:
        ``"rows"``: row -> learning rate, scores of the tuning by rate, seeds, scores of the final
        runs, and their curves on the tune set; ``"difference"`` of the second row to the first;
        and what all rows have in common.

    Raises:
        ValueError: runs are missing.
    """
    if not record["complete"]:
        raise ValueError("fine_tuning: expected a complete record, runs are missing")
    rows = {}
    for variant in record["variants"]:
        name = variant["name"]
        finals = [run for run in record["runs"] if (run["variant"], run["role"]) == (name, "final")]
        finals.sort(key=lambda run: run["seed"])
        rows[name] = {
            "learning_rate": finals[0]["learning_rate"],
            "tried": {
                rate: round(statistics.mean(scores), 4)
                for rate, scores in record["tuning"].get(name, {"tried": {}})["tried"].items()
            },
            "seeds": [run["seed"] for run in finals],
            "mAP": [run["scores"]["test"]["mAP"] for run in finals],
            "curves": [[point["mAP"] for point in run["curve"]] for run in finals],
            "difference": record["table"][name].get("difference"),
        }
    curve, steps = finals[0]["curve"], finals[0]["steps"]
    return {
        "question": record["question"],
        "command": record["command"],
        "cpu_hours": record["cpu_hours"],
        "scenes": record["settings"]["scenes"],
        "tuning_steps": steps * record["settings"]["tune_epochs"] // record["settings"]["epochs"],
        "steps": [round(steps * point["epoch"] / curve[-1]["epoch"]) for point in curve],
        "delta": record["settings"]["delta"],
        "rows": rows,
    }


def publish(folder: Path, path: Path) -> bool:
    """Write `table_of` the record in a folder; whether there was one to write."""
    file = folder / f"{FINE_TUNING.name}.json"
    if not file.is_file():
        return False
    record = json.loads(file.read_text(encoding="utf-8"))
    if record["complete"]:
        write_atomically(path, (json.dumps(table_of(record), indent=1) + "\n").encode())
    return bool(record["complete"])
