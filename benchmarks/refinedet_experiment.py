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

import dataclasses
from pathlib import Path
from typing import Any

import torch
from experiment import Run, main, summarize

from detlearn import create_model
from detlearn.data import TRAIN_OBJECTS, Cached, Shapes, shapes_train_transform
from detlearn.training import RECIPES, TrainConfig, evaluate, train
from detlearn.training.cli import open_dataset

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


def run(variant: str, config: TrainConfig) -> Run:
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


def facts() -> dict[str, dict[str, Any]]:
    """What is the same in all runs of a variant."""
    return {name: {"model": model, "overrides": o} for name, (model, o) in VARIANTS.items()}


def summary(runs: list[Run]) -> dict[str, dict[str, Any]]:
    """Mean and spread of each variant over its seeds."""
    return summarize(runs, facts(), SCORES)


if __name__ == "__main__":
    main(
        __doc__,
        facts(),
        prepare,
        run,
        dataclasses.replace(RECIPES["ssd_tiny"], amp="off"),  # for all: what differs is the model
        scenes=6000,
        epochs=3,
        out=Path("data/results/refinedet.json"),
        scores=SCORES,
        settings={"scored on": "data/shapes_val"},
    )
