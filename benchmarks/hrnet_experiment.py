"""What HRNet's exchanges are worth on Shapes: within stages, across stages, at the end, all.

    python benchmarks/hrnet_experiment.py

Trains `pose_hrnet_tiny`, and the same network with fewer and fewer of its exchanges, each with
three seeds, on the same people with the same recipe, and scores them (OKS-AP, flip test) on the
shipped validation split.  Every finished run is written to `data/results/hrnet.json` at once:
after an interruption the same command goes on with the next run.

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
from refinedet_experiment import read_runs

from detlearn import create_model
from detlearn.data import SHAPES_AUGMENTATION, Cached, KeypointCrops
from detlearn.data.shapes import SHAPES_VERSION
from detlearn.models.zoo import write_atomically
from detlearn.training import RECIPES, TrainConfig, evaluate_pose, train
from detlearn.training.cli import open_dataset, versions

MODEL = "pose_hrnet_tiny"
VARIANTS: dict[str, dict[str, Any]] = {
    "all exchanges": {},
    "none within a stage": {"fuse_within": False},
    "none across stages": {"fuse_across": False},
    "only the last": {"fuse_within": False, "fuse_across": False},
    "none": {"fuse_within": False, "fuse_across": False, "fuse_final": False},
}
SCORES = ("AP", "AP50", "AP75")

scenes: Cached | None = None  # drawn once by each process


def prepare(length: int, threads: int) -> None:
    """What a process does before its first run: draw the scenes."""
    global scenes
    torch.set_num_threads(threads)
    scenes = Cached(open_dataset("shapes", "train", length=length, keypoints=True))


def run(variant: str, config: TrainConfig) -> dict[str, Any]:
    """Train one variant with one seed, and score it."""
    torch.manual_seed(config.seed)
    model = create_model(MODEL, **VARIANTS[variant])
    people = KeypointCrops(scenes, model.config, SHAPES_AUGMENTATION)
    history = train(model, people, config, device="cpu", progress=False)
    scores = evaluate_pose(model, open_dataset("shapes", "val", keypoints=True))
    exchanges = [module.fuse for stage in model.trunk.stages for module in stage]
    return {
        "variant": variant,
        "seed": config.seed,
        "parameters": sum(p.numel() for p in model.parameters()),
        "exchanges": sum(len(rows) > 0 for rows in exchanges),
        "seconds": round(sum(row["seconds"] for row in history), 1),
        "loss": round(history[-1]["heatmaps"], 6),
        # A score that is not a number (nobody of that size) is left out.
        "scores": {key: round(value, 4) for key, value in scores.items() if value == value},
    }


def summarize(runs: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean and spread of each variant over its seeds, in the order of `VARIANTS`."""
    runs = list(runs)
    summary: dict[str, dict[str, Any]] = {}
    for variant, overrides in VARIANTS.items():
        own = [one for one in runs if one["variant"] == variant]
        if not own:
            continue
        row: dict[str, Any] = {
            "overrides": overrides,
            "parameters": own[0]["parameters"],
            "exchanges": own[0]["exchanges"],
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


def main() -> None:
    """Run what is missing, and write down what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=3000, help="drawn scenes to train on")
    parser.add_argument("--epochs", type=int, default=4, help="passes over them")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    parser.add_argument("--threads", type=int, default=1, help="threads of each run")
    parser.add_argument("--out", type=Path, default=Path("data/results/hrnet.json"))
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    recipe = dataclasses.replace(RECIPES[MODEL], epochs=args.epochs)
    settings = dataclasses.asdict(recipe) | {
        "model": MODEL,
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
                print(f"{one['variant']}, seed {one['seed']}: AP {one['scores']['AP']:.3f} "
                      f"in {one['seconds']:.0f} s", flush=True)  # fmt: skip
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise

    for variant, row in summarize(runs).items():
        scores = "  ".join(
            f"{key} {row[key]['mean']:.3f} ± {row[key]['sd']:.3f}" for key in SCORES if key in row
        )
        print(f"{variant:20}{row['exchanges']} exchanges  {row['parameters']:>9,} parameters  "
              f"{scores}  {row['seconds']:.0f} s")  # fmt: skip


if __name__ == "__main__":
    main()
