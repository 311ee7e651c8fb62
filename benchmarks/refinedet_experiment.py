"""What the three ideas of RefineDet are worth on Shapes: two steps, the filter, the TCB.

    python benchmarks/refinedet_experiment.py

Trains `ssd_tiny`, `refinedet_tiny`, and `refinedet_tiny` without one of its ideas at a time, each
with three seeds, all on the same scenes with the same recipe, and scores them on the shipped
validation split.  Every finished run is written to `data/results/refinedet.json` at once: after an
interruption the same command goes on with the next run.

Runs are independent and the networks small, so two processes of one thread each are faster than
one process of two threads.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import shlex
import statistics
import sys
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from detlearn import create_model
from detlearn.data import TRAIN_OBJECTS, Cached, Shapes, shapes_train_transform
from detlearn.data.shapes import SHAPES_VERSION
from detlearn.models.zoo import write_atomically
from detlearn.training import RECIPES, TrainConfig, evaluate, train
from detlearn.training.cli import open_dataset, versions

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "ssd_tiny": ("ssd_tiny", {}),
    "refinedet_tiny": ("refinedet_tiny", {}),
    "no negative filter": ("refinedet_tiny", {"negative_filter": "off"}),
    "no two-step regression": ("refinedet_tiny", {"two_step": False}),
    "no TCB": ("refinedet_tiny", {"tcb_channels": None}),
}
SCORES = ("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large")

scenes: Cached | None = None  # drawn once by each process


def prepare(length: int, threads: int) -> None:
    """What a process does before its first run: draw the scenes."""
    global scenes
    torch.set_num_threads(threads)
    scenes = Cached(Shapes(length, objects=TRAIN_OBJECTS), transform=shapes_train_transform(128))


def run(variant: str, config: TrainConfig) -> dict[str, Any]:
    """Train one variant with one seed, and score it."""
    name, overrides = VARIANTS[variant]
    torch.manual_seed(config.seed)
    model = create_model(name, **overrides)
    history = train(model, scenes, config, device="cpu", progress=False)
    scores = evaluate(model, open_dataset("shapes", "val"), class_names=Shapes.class_names)
    losses = {
        key: value for key, value in history[-1].items() if key.endswith(("ion", "regression"))
    }
    return {
        "variant": variant,
        "seed": config.seed,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "losses": {key: round(value, 4) for key, value in losses.items()},
        # A score that is not a number (no object of that size) is left out.
        "scores": {key: round(value, 4) for key, value in scores.items() if value == value},
    }


def summarize(runs: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and spread of each variant over its seeds, in the order of `VARIANTS`."""
    runs = list(runs)
    summary: dict[str, dict[str, Any]] = {}
    for variant, (name, overrides) in VARIANTS.items():
        own = [one for one in runs if one["variant"] == variant]
        if not own:
            continue
        row: dict[str, Any] = {
            "model": name,
            "overrides": overrides,
            "parameters": own[0]["parameters"],
            "seeds": [one["seed"] for one in own],
            "seconds": round(statistics.mean(one["seconds"] for one in own), 1),
        }
        for key in SCORES:
            values = [one["scores"][key] for one in own if key in one["scores"]]
            if values:
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                row[key] = {
                    "mean": round(statistics.mean(values), 4),
                    "sd": round(spread, 4),
                    "values": values,
                }
        summary[variant] = row
    return summary


def read_runs(path: Path, same: dict[str, Any]) -> list[dict[str, Any]]:
    """Finished runs of an earlier call; none if there is no file.

    Raises:
        SystemExit: the file is of another experiment.
    """
    if not path.exists():
        return []
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        differing = [key for key, value in same.items() if record.get(key) != value]
        runs = record["runs"]
    except (ValueError, KeyError, AttributeError) as error:
        raise SystemExit(f"{path}: expected a record of this experiment ({error!r})") from error
    if differing:
        raise SystemExit(
            f"{path}: holds runs with other {' and '.join(differing)}; "
            "delete it, or choose another --out"
        )
    return list(runs)


def main() -> None:
    """Run what is missing, and write down what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=6000, help="drawn scenes to train on")
    parser.add_argument("--epochs", type=int, default=3, help="passes over them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each run")
    parser.add_argument("--out", type=Path, default=Path("data/results/refinedet.json"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    # ssd_tiny's recipe for all: what differs is the model.
    recipe = dataclasses.replace(RECIPES["ssd_tiny"], epochs=args.epochs)
    settings = dataclasses.asdict(recipe) | {
        "scenes": args.scenes,
        "shapes_version": SHAPES_VERSION,
        "scored on": "data/shapes_val",
    }
    del settings["seed"]
    settings = json.loads(json.dumps(settings))  # tuples become lists, as in the file
    same = {"settings": settings, "versions": versions()}
    runs = read_runs(args.out, same)
    done = {(one["variant"], one["seed"]) for one in runs}
    # Seed by seed, so that an interrupted experiment still compares like with like.
    missing = [(v, s) for s in args.seeds for v in args.variants if (v, s) not in done]
    print(f"{len(done)} runs are there, {len(missing)} to go")

    with ProcessPoolExecutor(
        max(1, min(args.jobs, len(missing))),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=prepare,
        initargs=(args.scenes, args.threads),
    ) as pool:
        tasks = [pool.submit(run, v, dataclasses.replace(recipe, seed=s)) for v, s in missing]
        try:
            for task in as_completed(tasks):
                one = task.result()
                runs.append(one)
                runs.sort(key=lambda r: (list(VARIANTS).index(r["variant"]), r["seed"]))
                record = {
                    "command": shlex.join(["python", *sys.argv]),
                    **same,
                    "summary": summarize(runs),
                    "runs": runs,
                }
                write_atomically(args.out, (json.dumps(record, indent=1) + "\n").encode())
                print(f"{one['variant']}, seed {one['seed']}: mAP {one['scores']['mAP']:.3f} "
                      f"in {one['seconds']:.0f} s", flush=True)  # fmt: skip
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    for variant, row in summarize(runs).items():
        scores = "  ".join(
            f"{key} {row[key]['mean']:.3f} ± {row[key]['sd']:.3f}"
            for key in ("mAP", "mAP50")
            if key in row
        )
        print(f"{variant:24}{row['parameters']:>9,} parameters  {scores}  {row['seconds']:.0f} s")


if __name__ == "__main__":
    main()
