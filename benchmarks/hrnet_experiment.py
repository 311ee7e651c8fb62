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

import dataclasses
from pathlib import Path
from typing import Any

import torch
from experiment import Run, main, summarize

from detlearn import create_model
from detlearn.data import SHAPES_AUGMENTATION, Cached, KeypointCrops
from detlearn.training import RECIPES, TrainConfig, evaluate_pose, train
from detlearn.training.cli import open_dataset

MODEL = "pose_hrnet_tiny"
VARIANTS: dict[str, dict[str, Any]] = {
    "all exchanges": {},
    "none within a stage": {"fuse_within": False},
    "none across stages": {"fuse_across": False},
    "only the last": {"fuse_within": False, "fuse_across": False},
    "none": {"fuse_within": False, "fuse_across": False, "fuse_final": False},
}
SCORES = ("AP", "AP50", "AP75")
COUNTS = ("parameters", "exchanges")

scenes: Cached | None = None  # drawn once by each process


def prepare(length: int, threads: int) -> None:
    """What a process does before its first run: draw the scenes."""
    global scenes
    torch.set_num_threads(threads)
    scenes = Cached(open_dataset("shapes", "train", length=length, keypoints=True))


def run(variant: str, config: TrainConfig) -> Run:
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


def facts() -> dict[str, dict[str, Any]]:
    """What is the same in all runs of a variant."""
    return {name: {"overrides": overrides} for name, overrides in VARIANTS.items()}


def summary(runs: list[Run]) -> dict[str, dict[str, Any]]:
    """Mean and spread of each variant over its seeds."""
    return summarize(runs, facts(), SCORES, COUNTS)


if __name__ == "__main__":
    main(
        __doc__,
        facts(),
        prepare,
        run,
        dataclasses.replace(RECIPES[MODEL], amp="off"),
        scenes=1500,
        epochs=4,
        out=Path("data/results/hrnet.json"),
        scores=SCORES,
        settings={"model": MODEL, "scored on": "data/shapes_val"},
        counts=COUNTS,
    )
