"""Records of experiments: one JSON file each, written after every run, never half a file.

A record holds what was asked, how, with which versions, every run, what the tuning tried, and the
verdicts.  Two processes may work for one record: they write in turn, under a lock.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock

from detlearn.files import write_atomically

from .plan import Experiment, next_runs, sick_rates, spec_of, tuned_rate, tuning

__all__ = ["ROOT", "RUN_KEYS", "add_run", "borrow", "make_record", "read_runs", "record_path"]

ROOT = Path(__file__).resolve().parents[1]

SCHEMA = 1
RUN_KEYS = (
    "variant", "role", "learning_rate", "seed", "score", "scores", "loss", "images", "steps",
    "scenes", "order", "parameters", "multiply_adds", "milliseconds", "check_up", "config",
    "versions", "cpu_seconds", "command",
)  # fmt: skip
"""What every run of a record says."""

Run = dict[str, Any]


def record_path(experiment: Experiment, folder: Path | None = None) -> Path:
    """Where the record of an experiment stands."""
    return (folder or ROOT / "experiments" / "records") / f"{experiment.name}.json"


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """What a record that is continued must have in common with the experiment as it is now."""
    recipe = dataclasses.asdict(experiment.recipe)
    for key in ("learning_rate", "seed", "epochs"):
        del recipe[key]
    settings = {
        "recipe": recipe,
        "scenes": experiment.scenes,
        "epochs": experiment.epochs,
        "tune_scenes": experiment.tune_scenes,
        "tune_epochs": experiment.tune_epochs,
        "delta": experiment.delta,
        "delta_reason": experiment.delta_reason,
        "score": experiment.score,
        "seeds": experiment.seeds,
        "reference": experiment.reference,
        # Records that are older than these fields have the usual value, and do not say so.
        **({"domain": experiment.domain} if experiment.domain != "shapes" else {}),
        **({"looks": experiment.looks} if experiment.looks != 2 else {}),
    }
    return dict(json.loads(json.dumps(settings)))


def read_runs(path: Path, experiment: Experiment) -> list[Run]:
    """The runs of a record; none if there is no file.

    Raises:
        ValueError: the record is damaged, or of an experiment with other settings, or a row of it
            is a variant that is now something else.
    """
    if not path.is_file():
        return []
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        settings, rows = record["settings"], record["variants"]
        runs = [*record["runs"], *record.get("set_aside", ())]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected the record of an experiment ({error!r})") from error
    now = settings_of(experiment)
    changed = [key for key in now if settings.get(key) != now[key]]
    if changed:
        told = "; ".join(f"{key}: {settings.get(key)} then, {now[key]} now" for key in changed)
        raise ValueError(f"{path}: holds runs with other settings ({told}); move it away")
    known = {row["name"]: row for row in variants_of(experiment)}
    for row in rows:
        if row["name"] in known and row != known[row["name"]]:
            raise ValueError(
                f"{path}: {row['name']!r} was {row} and is {known[row['name']]} now; give it "
                "another name"
            )
    for run in runs:
        missing = [key for key in RUN_KEYS if key not in run]
        if missing:
            raise ValueError(f"{path}: {spec_of(run).key} says no {', '.join(missing)}")
    return [run for run in runs if run["variant"] in known]


def variants_of(experiment: Experiment) -> list[dict[str, Any]]:
    """The rows of an experiment, as a record writes them."""
    return [
        {
            "name": one.name,
            "model": one.model,
            "overrides": {key: repr(value) for key, value in one.overrides.items()},
            "config": dict(one.config),
            "change": one.change,
            "augment": dict(one.augment),
            "rate": one.rate,
            "like": one.like,
            "control": one.control,
            **({"rates": list(one.rates)} if one.rates else {}),
            **({"init": one.init} if one.init else {}),
        }
        for one in experiment.variants
    ]


def add_run(path: Path, experiment: Experiment, run: Run) -> None:
    """Write a record anew with one more run; other processes may do the same at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        runs = read_runs(path, experiment)
        runs = [one for one in runs if spec_of(one) != spec_of(run)]
        record = make_record(experiment, [*runs, run])
        write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())


def borrow(
    experiment: Experiment, others: Sequence[Experiment], folder: Path | None = None
) -> list[str]:
    """Take over runs that another experiment has made for the same row.

    A run is decided by its row, its rate, its seed and the settings; where all are the same, and
    the other one asks for all measurements that this one wants, making it again gives the same
    numbers.

    Args:
        experiment: whose record gets the runs.
        others: experiments whose records are looked at.
        folder: of the records.

    Returns:
        What was taken over, as keys of runs.
    """
    path, taken = record_path(experiment, folder), []
    rows = {row["name"]: row for row in variants_of(experiment)}
    for other in others:
        source = record_path(other, folder)
        same = {**settings_of(other), "reference": ""} == {
            **settings_of(experiment),
            "reference": "",
        }
        if other is experiment or not same or other.standing < experiment.standing:
            continue
        shared = [row["name"] for row in variants_of(other) if rows.get(row["name"]) == row]
        there = {spec_of(run) for run in read_runs(path, experiment)}
        for run in read_runs(source, other) if shared else ():
            spec = spec_of(run)
            if spec.variant in shared and spec not in there:
                if not experiment.standing:
                    run = {key: value for key, value in run.items() if key != "standing"}
                add_run(path, experiment, {**run, "made_for": run.get("made_for", other.name)})
                taken.append(spec.key)
    return taken


def make_record(experiment: Experiment, runs: Sequence[Run]) -> dict[str, Any]:
    """A record out of its runs: nothing in it is typed by hand."""
    from .protocol import conclude  # which reads records

    names = [one.name for one in experiment.variants]
    runs = sorted(
        runs,
        key=lambda run: (
            run["role"] == "final", names.index(run["variant"]), run["learning_rate"], run["seed"],
        ),
    )  # fmt: skip
    found = {
        one.name: tuning_of(experiment, one.name, runs)
        for one in experiment.variants
        if one.rate is None
    }
    # A final run that was made before a better rate was known is kept, and compared with nothing.
    aside = [
        run
        for run in runs
        if run["role"] == "final"
        and run["variant"] in found
        and run["learning_rate"] != found[run["variant"]]["chosen"]
    ]
    complete = not next_runs(experiment, runs)  # knows which rates were given up, and why
    runs = [run for run in runs if run not in aside]
    return {
        "schema": SCHEMA,
        "experiment": experiment.name,
        "question": experiment.question,
        "paper": experiment.paper,
        "command": f"python -m experiments {experiment.name}",
        "complete": complete,
        "settings": settings_of(experiment),
        "variants": variants_of(experiment),
        "cpu_hours": round(
            sum(run["cpu_seconds"] for run in [*runs, *aside] if "made_for" not in run) / 3600, 2
        ),
        "tuning": found,
        **conclude(experiment, runs),
        "runs": runs,
        "set_aside": aside,
    }


def tuning_of(experiment: Experiment, variant: str, runs: Sequence[Run]) -> Mapping[str, Any]:
    """What was tried for a row, which rates killed modules, and which one was chosen.

    None is chosen while it is not known.
    """
    tried = {f"{rate:g}": scores for rate, scores in tuning(variant, runs).items()}
    try:
        chosen: float | None = tuned_rate(experiment, experiment.variant(variant), runs)
    except ValueError:
        chosen = None
    sick = [f"{rate:g}" for rate in sorted(sick_rates(variant, runs, experiment.sick_finals))]
    return {"tried": tried, "sick": sick, "chosen": chosen}
