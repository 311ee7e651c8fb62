"""One run of an experiment: train a network, score it, look into it, and say what it was."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch.utils.flop_counter import FlopCounterMode

from detlearn import create_model
from detlearn.data import data_path
from detlearn.data.shapes import SHAPES_VERSION
from detlearn.files import write_atomically
from detlearn.models import PoseHRNet
from detlearn.report import measure_standing
from detlearn.training import TrainConfig, check_up, evaluate, evaluate_pose, train
from detlearn.training.batches import batch_indices
from detlearn.training.record import versions

from . import scenes
from .changes import change
from .plan import Experiment, Spec

__all__ = ["execute", "make_config", "order_of", "run_folder", "size_of"]

LOOKED_AT = 100  # scenes of a check-up


def make_config(experiment: Experiment, spec: Spec) -> TrainConfig:
    """The recipe of a run."""
    variant = experiment.variant(spec.variant)
    epochs = experiment.epochs if spec.role == "final" else experiment.tune_epochs
    return dataclasses.replace(
        experiment.recipe,
        **{"epochs": epochs, **variant.config, "learning_rate": spec.rate, "seed": spec.seed},
    )


def execute(
    experiment: Experiment, spec: Spec, folder: Path, quick: bool = False
) -> dict[str, Any]:
    """Make one run; one that was interrupted goes on from its last checkpoint.

    Args:
        experiment: what it belongs to.
        spec: which run.
        folder: for its checkpoints; the weights of a final run stay there.
        quick: few scenes, to see that everything works: no result.

    Returns:
        a row of the record, see README.md.
    """
    variant = experiment.variant(spec.variant)
    config = make_config(experiment, spec)
    length = experiment.scenes if spec.role == "final" else experiment.tune_scenes
    if quick:
        length, config = 64, dataclasses.replace(config, epochs=2, warmup_steps=4)
    torch.manual_seed(config.seed)
    model = change(create_model(variant.model, **variant.overrides), variant.change)
    pose = model.config if isinstance(model, PoseHRNet) else None
    domain = experiment.domain
    dataset = scenes.train_set(length, pose, variant.augment, domain)
    if domain != "shapes":
        model.class_names = dataset.class_names
    half = max(config.epochs // 2, 1)
    looks = 2 if quick else experiment.looks
    clock = Clock(folder / "cpu.json")
    history = train(
        model, dataset, config, out=folder, resume=True, device="cpu", progress=False,
        evaluate=lambda network: scored(network, "tune", quick, domain),
        evaluate_every=config.epochs // looks if spec.role == "final" else config.epochs,
        init=data_path("weights", f"{variant.init}.safetensors") if variant.init else None,
        checkpoint_every=250, after_epoch=lambda history, network: clock.write(),
    )  # fmt: skip
    scores = {"tune": scores_of(history[-1])}
    if spec.role == "final":
        scores = {
            "half": scores_of(history[half - 1]),
            **scores,
            "test": scored(model, "test", quick, domain),
        }
    steps = len(batch_indices(dataset, config, 0)) * config.epochs
    result = {
        "variant": spec.variant,
        "role": spec.role,
        "learning_rate": spec.rate,
        "seed": spec.seed,
        "score": experiment.score,
        "scores": scores,
        "loss": [
            {k: round(v, 5) for k, v in row.items() if not k.startswith(NO_LOSS)} for row in history
        ],
        "images": steps * config.batch_size,
        "steps": steps,
        "scenes": length,
        "order": order_of(dataset, length, config),
        **size_of(model),
        "check_up": looked_into(model, pose, domain),
        "config": json.loads(json.dumps(dataclasses.asdict(config))),
        "versions": {**versions(), "shapes": SHAPES_VERSION},
        "cpu_seconds": round(clock.seconds, 1),
    }
    if spec.role == "final" and looks > 2:
        result["curve"] = [
            {"epoch": row["epoch"], **scores_of(row)} for row in history if scores_of(row)
        ]
    if spec.role == "final" and experiment.standing:
        result["standing"] = standing(model, quick)
    return result


def standing(model: Any, quick: bool = False) -> dict[str, Any]:
    """What the face-off's table shows of a run; few scenes if it is only to be seen working."""
    few = {"tune_scenes": 16, "test_scenes": 16} if quick else {}
    model.class_names = scenes.view("test").class_names
    return measure_standing(model, **few)


def measure_later(experiment: Experiment, spec: Spec, folder: Path) -> dict[str, Any]:
    """`standing` of a final run that was made before the table wanted it, from its weights."""
    variant = experiment.variant(spec.variant)
    model = change(create_model(variant.model, **variant.overrides), variant.change)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return standing(model)


def run_folder(folder: Path, experiment: Experiment, spec: Spec) -> Path:
    """Where a run keeps its checkpoints and weights."""
    return folder / experiment.name / spec.key.replace(" ", "_").replace(",", "").replace("'", "")


def tidy(folder: Path, role: str) -> None:
    """Remove what a run leaves when its row stands in the record; a final run's weights stay."""
    if role == "tune":
        shutil.rmtree(folder, ignore_errors=True)
    for name in ("last.pt", "previous.pt", "history.json", "cpu.json", "best.safetensors"):
        (folder / name).unlink(missing_ok=True)


SCORES = ("mAP", "AP", "AR")
NO_LOSS = (*SCORES, "epoch", "learning_rate", "seconds")


def scores_of(row: Mapping[str, float]) -> dict[str, float]:
    """The scores among what the history says of an epoch."""
    return {name: value for name, value in row.items() if name.startswith(SCORES)}


class Clock:
    """CPU time of a run, over all sittings."""

    def __init__(self, path: Path) -> None:
        self.path, self.start = path, time.process_time()
        self.before = 0.0
        if path.is_file():
            self.before = float(json.loads(path.read_text(encoding="utf-8")))

    @property
    def seconds(self) -> float:
        """So far."""
        return self.before + time.process_time() - self.start

    def write(self) -> None:
        """Keep it for the next sitting."""
        write_atomically(self.path, json.dumps(self.seconds).encode())


def scored(model: Any, which: str, quick: bool, domain: str = "shapes") -> dict[str, float]:
    """Scores on a set; one that is not a number (no object of that size) is left out."""
    pose = isinstance(model, PoseHRNet)
    dataset = scenes.view(which, keypoints=pose, scenes=16 if quick else None, domain=domain)
    with torch.inference_mode():
        found: Mapping[str, float] = (
            evaluate_pose(model, dataset) if pose else evaluate(model, dataset)
        )
    return {name: round(value, 4) for name, value in found.items() if not math.isnan(value)}


def order_of(dataset: Any, length: int, config: TrainConfig) -> str:
    """A fingerprint of which scenes a run sees in which batch: equal for runs to be paired."""
    digest = hashlib.sha256(f"{scenes.SEEDS['train']} {length} {SHAPES_VERSION}".encode())
    for epoch in range(config.epochs):
        digest.update(repr(batch_indices(dataset, config, epoch)).encode())
    return digest.hexdigest()[:16]


def size_of(model: Any) -> dict[str, float]:
    """Parameters, multiply-adds of an image, and milliseconds of CPU for it, alone in a batch."""
    model = model.eval()
    pose = isinstance(model, PoseHRNet)
    sides = model.config.crop_size if pose else (model.config.image_size,) * 2
    image = torch.zeros(1, 3, *sides)
    with torch.inference_mode():
        with FlopCounterMode(display=False) as counter:
            model(image)
        spent = []
        for _ in range(20):
            start = time.process_time()
            model(image)
            spent.append(time.process_time() - start)
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "multiply_adds": counter.get_total_flops() // 2,
        "milliseconds": round(1000 * sorted(spent)[len(spent) // 2], 2),
    }


def looked_into(model: Any, pose: Any, domain: str = "shapes") -> dict[str, Any]:
    """The check-up of a trained network, in short."""
    result = check_up(model, *scenes.some_items(LOOKED_AT, pose, domain))
    return {
        "never_active": round(result.never_active, 4),
        "dead": {name: round(share, 3) for name, share in result.dead.items()},
        "troubles": result.troubles,
    }
