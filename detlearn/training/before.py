"""What is said before the first step: the border's findings, and why a training will fail.

Process 0 looks at the data and prints; every process of a run refuses what it refuses.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..data.border import Finding, Survey, findings_between, findings_of, refuse, survey
from ..data.names import relabel
from .config import TrainConfig, learning_rate_factor
from .distributed import broadcast, process_rank

__all__ = [
    "cross_border", "initial_advice", "match_joints", "match_names", "size_warning",
    "training_warnings",
]  # fmt: skip

FEW_PICTURES = 50
SMALL = 8.0
"""px: the finest maps of the detectors here have a cell for every 8 px of the network's input."""
FAR = 4.0
"""A learning rate so many times the recipe's, or so small a part of it, deserves a sentence."""


def cross_border(
    train: Any, val: Any, exif_upright: bool = False
) -> tuple[Survey | None, Survey | None]:
    """Look at the data that are trained and scored on, and print what was found.

    Args:
        train: a data set of a reader, or None.
        val: likewise.
        exif_upright: whether boxes were drawn on upright pictures, where a camera's note turns
            them and nothing else tells.

    Returns:
        the surveys, in process 0; None where there are no files to look at.

    Raises:
        ValueError: training would be wrong or fail; all findings are printed before.
    """
    found: list[Finding] = []
    ours = theirs = None
    if process_rank() == 0:
        ours = None if train is None else survey(train, "train")
        theirs = None if val is None else survey(val, "val")
        for one in (ours, theirs):
            found += [] if one is None else findings_of(one, exif_upright)
        if ours is not None and theirs is not None:
            found += findings_between(ours, theirs)
        for finding in found:
            print(finding.text)
    refuse(broadcast(found))
    return ours, theirs


def match_names(dataset: Any, class_names: Any, who: tuple[str, str]) -> Any:
    """A data set in the labels of others, by name; what differs is printed.

    Args:
        dataset: with ``class_names``.
        class_names: names by label that count, background first; None where weights name none.
        who: what the sentences call those who have ``class_names``, and the data set.

    Returns:
        a data set whose labels are those of ``class_names``.

    Raises:
        ValueError: it has boxes of other classes.
    """
    if class_names is None:
        texts = [f"{who[0]} name no classes: their label n is taken for {who[1]}'s n-th class"]
    else:
        dataset, texts = relabel(dataset, class_names, who)
    if process_rank() == 0:
        for text in texts:
            print(text)
    return dataset


def match_joints(model: Any, dataset: Any, who: str) -> None:
    """Refuse data whose key points are not those that a network answers.

    Args:
        model: a `detlearn.models.PoseHRNet`.
        dataset: perhaps with ``num_joints`` and a ``skeleton``.
        who: what the sentence calls the data.

    Raises:
        ValueError: another number of joints, or other names, or the same in another order.
    """
    joints = model.config.num_joints
    theirs = getattr(dataset, "num_joints", joints)
    if theirs != joints:
        raise ValueError(
            f"{who}: expected key points of {joints} joints, as the weights answer, got {theirs}"
        )
    names = getattr(getattr(dataset, "skeleton", None), "names", ())
    ours = model.joint_names
    if ours and names and _folded(ours) != _folded(names):
        order = "the same in another order: " if sorted(ours) == sorted(names) else ""
        raise ValueError(
            f"{who}: expected the key points of the weights, {', '.join(ours):.150}, got {order}"
            f"{', '.join(names):.150}"
        )


def _folded(names: Sequence[str]) -> list[str]:
    return [name.strip().lower().replace(" ", "_") for name in names]


def size_warning(seen: Survey, size: int, letterbox: bool = False) -> str:
    """A sentence if the objects are too small for the network that will see them.

    Args:
        seen: the pictures that are trained on.
        size: side of the network's input, px.
        letterbox: whether pictures keep their proportions.

    Returns:
        the sentence; "" if all is well.
    """
    sides, boxes = seen.sizes[seen.listing.owner], seen.listing.boxes  # (G, 2), (G, 4)
    shrink = size / (sides.max(axis=1, keepdims=True) if letterbox else sides)
    use = seen.used & np.isfinite(sides).all(axis=1)
    shown = ((boxes[:, 2:] - boxes[:, :2]) * shrink)[use]  # (G, 2)
    if not len(shown):
        return ""
    wide, high = np.median(shown, axis=0).tolist()
    small = shown.prod(axis=1) < (SMALL / 2) ** 2
    if np.median(np.sqrt(shown.prod(axis=1))) >= SMALL:
        return ""
    return (
        f"the median object is {wide:.1f} px wide and {high:.1f} px high at the network's {size} "
        f"px ({int(small.sum())} of {len(shown)} cover less than 4 x 4 px), expected {SMALL:g} or "
        "more: cut the pictures into tiles, or take a network for larger ones"
    )


def training_warnings(
    pictures: int, steps_per_epoch: int, config: TrainConfig, recipe: TrainConfig | None
) -> list[str]:
    """Sentences about a training that will not get far.

    Args:
        pictures: so many are trained on.
        steps_per_epoch: batches in an epoch.
        config: how it will be trained.
        recipe: how the model is trained well; None where nobody says.

    >>> training_warnings(900, 30, TrainConfig(epochs=3, warmup_steps=200), None)[0][:50]
    '90 steps in all are fewer than the 200 of the warm'
    """
    texts, steps = [], config.epochs * steps_per_epoch
    if pictures < FEW_PICTURES:
        texts.append(
            f"{pictures} {'picture is' if pictures == 1 else 'pictures are'} few to learn from, "
            "expected hundreds: they will be known by heart, and new ones hardly"
        )
    if steps <= config.warmup_steps:
        most = config.learning_rate * learning_rate_factor(steps - 1, steps_per_epoch, config)
        texts.append(
            f"{steps} steps in all are fewer than the {config.warmup_steps} of the warm-up: the "
            f"learning rate will get to {most:.2g} of {config.learning_rate:g}, expected more "
            "--epochs or fewer --warmup-steps"
        )
    late = [epoch for epoch in config.milestones if epoch >= config.epochs]
    if config.schedule == "steps" and late:
        texts.append(
            f"the learning rate is to drop after epoch {', '.join(map(str, late))}, expected "
            f"--milestones below the {config.epochs} epochs that are trained"
        )
    if recipe is not None and recipe.optimizer == config.optimizer:
        share = config.batch_size / recipe.batch_size
        fits = recipe.learning_rate * (share if config.optimizer == "sgd" else math.sqrt(share))
        ratio = config.learning_rate / fits
        if not 1 / FAR <= ratio <= FAR:
            texts.append(
                f"the learning rate {config.learning_rate:g} is {ratio:.2g} times what the recipe "
                f"gives for batches of {config.batch_size}, expected about {fits:.2g} "
                f"(--learning-rate; the recipe has {recipe.learning_rate:g} for "
                f"{recipe.batch_size})"
            )
    return texts


def initial_advice(
    init: Any, config: TrainConfig, recipe: TrainConfig | None, goes_on: bool = False
) -> str:
    """A sentence on the learning rate of a run that begins with a trained detector.

    Args:
        init: what it begins with.
        config: how it will be trained.
        recipe: how the model is trained from the recipe's own beginning; None where nobody says.
        goes_on: whether a checkpoint is there, which counts more.

    >>> initial_advice("old.pt", TrainConfig(learning_rate=5e-3), TrainConfig(learning_rate=5e-3))
    "learning rate 0.005, the recipe's for another beginning; to keep more of what old.pt knows, \
try --learning-rate 0.0005"
    """
    if goes_on:
        return f"the run goes on from its checkpoint, {init} is not read"
    if recipe is None or config.learning_rate < recipe.learning_rate / 2:
        return f"learning rate {config.learning_rate:g} after the start from {init}"
    return (
        f"learning rate {config.learning_rate:g}, the recipe's for another beginning; to keep more "
        f"of what {init} knows, try --learning-rate {recipe.learning_rate / 10:g}"
    )
