"""What the levels of M2Det are for, on Shapes.

    python benchmarks/m2det_experiment.py

Trains `m2det_tiny` with its own four levels and with eight, each with three seeds, all on the same
scenes with the same recipe, and asks the paper's question: do complex objects (face, house, tree,
person) need deeper levels than simple ones (disc, square, triangle, cross) of the same size?  (How
many levels pay is asked by `python -m experiments m2det_levels` and `m2det_deep`, with a learning
rate for each row.)  Twice, on the shipped validation split:

* ablation: one level after the other is silenced before the heads, and AP of each group of classes
  is measured anew, for small and for medium objects apart.  A channel is silenced in two ways: set
  to zero, and set to its mean over the split, which takes away what it says about *this* scene and
  leaves the heads the values that they are used to;
* attention: SFAM's mean weight of every level and scale, on scenes with a single object, for simple
  and for complex objects apart.

Every finished run is written to `data/results/m2det.json` at once: after an interruption the same
command goes on with the next run.
"""

from __future__ import annotations

import dataclasses
import statistics
from pathlib import Path
from typing import Any

import torch
from experiment import Run, main
from torch import Tensor

from detlearn import create_model
from detlearn.data import TRAIN_OBJECTS, Cached, Shapes, shapes_train_transform
from detlearn.data.shapes import VAL_SEED
from detlearn.metrics import coco_evaluate
from detlearn.models import M2Det
from detlearn.training import RECIPES, TrainConfig, evaluate, train
from detlearn.training.cli import open_dataset

VARIANTS: dict[str, dict[str, Any]] = {"4 levels": {}, "8 levels": {"num_levels": 8}}
GROUPS = {"simple": (1, 2, 3, 4), "complex": (5, 6, 7, 8)}
SIZES = ("small", "medium")
SILENCERS = ("mean", "zero")
LONELY = 400  # scenes with one object
SCORES = ("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large")

scenes: Cached | None = None  # drawn once by each process


def prepare(length: int, threads: int) -> None:
    """What a process does before its first run: draw the scenes."""
    global scenes
    torch.set_num_threads(threads)
    scenes = Cached(Shapes(length, objects=TRAIN_OBJECTS), transform=shapes_train_transform(128))


def run(variant: str, config: TrainConfig) -> Run:
    """Train one variant with one seed, score it, and look into it."""
    torch.manual_seed(config.seed)
    model = create_model("m2det_tiny", **VARIANTS[variant])
    assert isinstance(model, M2Det)
    history = train(model, scenes, config, device="cpu", progress=False)
    scores = evaluate(model, open_dataset("shapes", "val"), class_names=Shapes.class_names)
    result = {
        "variant": variant,
        "seed": config.seed,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(sum(row["seconds"] for row in history), 1),
        # A score that is not a number (no object of that size) is left out.
        "scores": {key: round(value, 4) for key, value in scores.items() if value == value},
    }
    model.eval()
    with torch.inference_mode():
        result["ablation"] = ablation(model)
        result["attention"] = attention(model)
    return result


# ------------------------------------------------------------- what a level is needed for


def ablation(model: M2Det) -> dict[str, Any]:
    """AP of each group and size with all levels, and with one of them silenced.

    Returns:
        ``"whole"`` group -> size -> AP, and for each way to silence a list by level of the same.
    """
    dataset = open_dataset("shapes", "val")
    items = [dataset[index] for index in range(len(dataset))]
    targets = [target for _, target in items]
    batches = [
        model.features(model.prepare([image for image, _ in part]))
        for part in (items[k : k + 50] for k in range(0, len(items), 50))
    ]
    pyramid = [torch.cat(maps) for maps in zip(*batches, strict=True)]  # of the whole split
    means = [maps.mean(dim=(0, 2, 3), keepdim=True) for maps in pyramid]

    def scored(changed: list[Tensor]) -> dict[str, dict[str, float]]:
        predictions = model.head(changed)
        sizes = [tuple(image.shape[-2:]) for image, _ in items]
        found = model.postprocess(predictions, sizes, score_threshold=0.01, max_detections=100)
        return by_group(found, targets)

    result: dict[str, Any] = {"whole": scored(pyramid)}
    each = model.config.planes
    for silencer in SILENCERS:
        result[silencer] = []
        for level in range(model.config.num_levels):
            changed = [maps.clone() for maps in pyramid]
            own = slice(level * each, (level + 1) * each)
            for maps, mean in zip(changed, means, strict=True):
                maps[:, own] = mean[:, own] if silencer == "mean" else 0.0
            result[silencer].append(scored(changed))
    return result


def by_group(found: list[Any], targets: list[Any]) -> dict[str, dict[str, float]]:
    """Mean AP of the classes of each group, small and medium objects apart."""
    table: dict[str, dict[str, float]] = {}
    for group, labels in GROUPS.items():
        scores = coco_evaluate(
            [only(one, labels, ("boxes", "scores", "labels")) for one in found],
            [
                {**only(one, labels, ("boxes", "labels")), "image_id": one["image_id"]}
                for one in targets
            ],
            Shapes.class_names,
        )
        table[group] = {size: round(scores[f"mAP_{size}"], 4) for size in SIZES}
    return table


def only(one: dict[str, Any], labels: tuple[int, ...], keys: tuple[str, ...]) -> dict[str, Any]:
    """The rows of some classes."""
    mine = torch.isin(one["labels"], torch.tensor(labels))
    return {key: one[key].as_subclass(Tensor)[mine] for key in keys}


def attention(model: M2Det) -> dict[str, list[list[float]]]:
    """SFAM's mean weight of every level and scale, on scenes with one object.

    Returns:
        group -> ``[level][scale]``.
    """
    dataset = Shapes(LONELY, seed=VAL_SEED, start=100_000, objects=(1, 1))
    items = [item for item in (dataset[k] for k in range(LONELY)) if len(item[1]["labels"]) == 1]
    mlfpn, levels = model.mlfpn, model.config.num_levels
    weights = []
    for k in range(0, len(items), 50):
        images = torch.stack([image for image, _ in items[k : k + 50]])
        features = model.backbone(model.prepare(images))
        pyramids = mlfpn.levels(mlfpn.ffm1(*features))
        gathered = [torch.cat(maps, dim=1) for maps in zip(*pyramids, strict=True)]
        by_scale = torch.stack(mlfpn.sfam.attention(gathered), dim=1)  # (B, scales, C)
        weights.append(by_scale.unflatten(2, (levels, -1)).mean(dim=3))  # (B, scales, L)
    every = torch.cat(weights)
    labels = torch.cat([target["labels"] for _, target in items])
    table = {}
    for group, members in GROUPS.items():
        mean = every[torch.isin(labels, torch.tensor(members))].mean(dim=0).T  # (L, scales)
        table[group] = [[round(value, 4) for value in row] for row in mean.tolist()]
    return table


# ------------------------------------------------------------- what follows


def needed_depth(ablation: dict[str, Any], silencer: str, group: str, size: str) -> float:
    """Where, on average, the levels lie that a group needs: 0 the first, 1 the last.

    Each level counts by the share of the group's AP that goes when it is silenced (a level
    without which AP is higher counts nothing).
    """
    whole = max(ablation["whole"][group][size], 1e-9)
    losses = [max(0.0, 1 - row[group][size] / whole) for row in ablation[silencer]]
    last = len(losses) - 1
    return sum(level / last * loss for level, loss in enumerate(losses)) / max(sum(losses), 1e-9)


def conclude(runs: list[Run]) -> dict[str, Any]:
    """Needed depth of complex objects minus that of simple ones, seed by seed."""
    claim: dict[str, Any] = {}
    for variant in VARIANTS:
        own = [one for one in runs if one["variant"] == variant]
        if not own:
            continue
        claim[variant] = {}
        for silencer in SILENCERS:
            for size in SIZES:
                values = [
                    round(
                        needed_depth(one["ablation"], silencer, "complex", size)
                        - needed_depth(one["ablation"], silencer, "simple", size),
                        4,
                    )
                    for one in own
                ]
                claim[variant][f"{silencer}, {size}"] = {
                    "mean": round(statistics.mean(values), 4),
                    "values": values,
                }
    return {"deeper for complex": claim}


if __name__ == "__main__":
    main(
        __doc__,
        {name: {"overrides": overrides} for name, overrides in VARIANTS.items()},
        prepare,
        run,
        # The rate of the record; m2det_tiny's own recipe has a smaller one by now.
        dataclasses.replace(RECIPES["m2det_tiny"], learning_rate=1e-2, amp="off"),
        scenes=4000,
        epochs=3,
        out=Path("data/results/m2det.json"),
        scores=SCORES,
        settings={"model": "m2det_tiny", "scored on": "data/shapes_val"},
        conclude=conclude,
    )
