"""Ship what the record of the weights holds: ``python -m experiments --ship``.

Writes ``data/weights/NAME.safetensors`` (of the first seed, not of the best; in half precision,
which keeps it under 2 MB) and ``data/weights/NAME.json`` for each network whose first run is in the
record and whose weights still lie in the folder of the runs.  The scores in the JSON file are those
of the weights in half precision on the 300 scenes of ``data/shapes_val``.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from detlearn import create_model, save_model
from detlearn.data import open_dataset
from detlearn.files import write_atomically
from detlearn.models import PoseHRNet
from detlearn.training import evaluate, evaluate_pose

from . import scenes
from .plan import Experiment, Run, spec_of
from .runs import run_folder

__all__ = ["content_of", "ship"]


def ship(experiment: Experiment, record: Mapping[str, Any], runs: Path, weights: Path) -> list[str]:
    """Write the weights and the record of every network that is ready.

    Args:
        experiment: the one that trained them.
        record: its record.
        runs: the folder of its runs, where the weights lie.
        weights: where to write.

    Returns:
        the names of the networks that were written.

    Raises:
        ValueError: a run that would be shipped has dead modules.
    """
    written = []
    for variant in experiment.variants:
        finals = sorted(
            (run for run in record["runs"]
             if run["role"] == "final" and run["variant"] == variant.name),
            key=lambda run: run["seed"],
        )  # fmt: skip
        models = {}
        for run in finals:
            path = run_folder(runs, experiment, spec_of(run)) / "model.safetensors"
            if path.is_file():
                model = create_model(variant.model, **variant.overrides)
                if not isinstance(model, PoseHRNet):
                    model.class_names = scenes.view("test").class_names
                state = load_file(path)
                model.load_state_dict(  # rounded, as they are shipped; priors are not
                    {key: one.half() if one.is_floating_point() else one
                     for key, one in state.items()}
                )  # fmt: skip
                models[run["seed"]] = model
        first = experiment.seeds[0]
        if first not in models:
            continue
        shipped = next(run for run in finals if run["seed"] == first)
        if dead := shipped["check_up"]["dead"]:
            raise ValueError(f"{variant.name}, seed {first}: expected no dead module, got {dead}")
        scored = {seed: shown(model) for seed, model in models.items()}
        rows = [run for run in finals if run["seed"] in scored]
        aside = [run for run in record["set_aside"] if run["variant"] == variant.name]
        name = variant.model
        content = {"model": name, **content_of(record["command"], rows, aside, scored)}
        save_model(
            models[first].half(), weights / f"{name}.safetensors", {"record": f"{name}.json"}
        )
        text = json.dumps(content, indent=1) + "\n"
        write_atomically(weights / f"{name}.json", text.encode())
        written.append(name)
    return written


def shown(model: Any) -> Mapping[str, float]:
    """Scores on the 300 scenes that are shipped: those of boxes, or of poses in true boxes."""
    if isinstance(model, PoseHRNet):
        return evaluate_pose(model, open_dataset("shapes", "val", keypoints=True))
    return evaluate(model, open_dataset("shapes", "val"))


def content_of(
    command: str,
    runs: Sequence[Run],
    aside: Sequence[Run],
    scored: Mapping[int, Mapping[str, float]],
) -> dict[str, Any]:
    """The JSON file beside a network's weights.

    Args:
        command: that made the runs.
        runs: final runs of one network, the shipped one first.
        aside: runs whose learning rate left dead modules behind.
        scored: seed -> scores on the shipped scenes.
    """
    summary = {}
    first = next(iter(scored.values()))
    for name in [name for name in ("mAP", "mAP50", "AP", "AP50") if name in first]:
        values = [scored[run["seed"]][name] for run in runs]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        summary[name] = {"mean": round(statistics.mean(values), 4), "sd": round(spread, 4)}
    return {
        "shipped": f"seed {runs[0]['seed']}",
        "data": "data/shapes_val",
        "summary": summary,
        "runs": [
            {
                "command": command,
                "config": run["config"],
                "versions": run["versions"],
                "seconds": run["cpu_seconds"],
                "scores": {
                    name: round(value, 4)
                    for name, value in scored[run["seed"]].items()
                    if value == value
                },
                "test": run["scores"]["test"],
                "dead": run["check_up"]["dead"],
            }
            for run in runs
        ],
        "set_aside": [
            {
                "learning_rate": run["learning_rate"],
                "seed": run["seed"],
                "test": run["scores"]["test"],
                "dead": run["check_up"]["dead"],
            }
            for run in aside
        ],
    }
