"""Score a detector on a data set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..data.ahead import load_ahead
from ..data.skeleton import choose_sigmas
from ..metrics import coco_keypoint_evaluate, detection_scores
from ..models import Detector, PoseHRNet
from . import distributed

__all__ = ["detect_all", "estimate_all", "evaluate", "evaluate_pose"]


def detect_all(
    model: Detector,
    dataset: Any,
    *,
    batch_size: int = 32,
    score_threshold: float = 0.01,
    max_detections: int = 100,
    class_names: Sequence[str] | None = None,
    progress: bool = False,
) -> tuple[list[dict[str, Tensor]], list[dict[str, Any]]]:
    """Detections and targets of every image of a data set, in its order.

    In a run on several processes each works on its share, and all get everything.

    Args:
        model: has ``detect``.
        dataset: items ``(uint8 (3, H, W), target)``, images of any size.
        batch_size: images that go through the network at a time.
        score_threshold: lower than for looking at pictures, since AP wants the whole curve.
        max_detections: COCO counts the best 100.
        class_names: of the data set, background first, unless it knows them itself.  Where the
            model numbers the same classes otherwise, its labels are translated.
        progress: show a progress bar.

    Returns:
        detections (torchvision's dicts, boxes in pixels of each image), targets.

    Raises:
        ValueError: model and data set know other classes.
    """
    from tqdm.auto import tqdm

    names = data_names(dataset, class_names)
    translate = _translation(getattr(model, "class_names", None), names)

    rows: list[tuple[dict[str, Tensor], dict[str, Any]]] = []
    shares = _shares(dataset, batch_size)
    loaded = load_ahead(lambda indices: [dataset[i] for i in indices], shares, ahead=1)
    for items in tqdm(loaded, total=len(shares), disable=not progress, desc="detect"):
        images = [image for image, _ in items]
        found = model.detect(images, score_threshold=score_threshold, max_detections=max_detections)
        detections = [{k: v.cpu() for k, v in one.items()} for one in found]
        if translate is not None:
            detections = [one | {"labels": translate[one["labels"]]} for one in detections]
        rows += zip(detections, [target for _, target in items], strict=True)
    rows = distributed.all_gather(rows)
    return [detection for detection, _ in rows], [target for _, target in rows]


def data_names(dataset: Any, class_names: Sequence[str] | None) -> Sequence[str] | None:
    """What a data set's labels mean: what it says itself, else what somebody says for it.

    Args:
        dataset: perhaps with ``class_names``.
        class_names: names by label, background first.

    Raises:
        ValueError: the data set knows better; an argument does not change what its labels mean.
    """
    own = getattr(dataset, "class_names", None)
    if None not in (own, class_names) and tuple(own or ()) != tuple(class_names or ()):
        raise ValueError(
            f"class_names: expected those of the data set, {', '.join(own or ())}, got "
            f"{', '.join(class_names or ())}"
        )
    return own if class_names is None else class_names


def _translation(ours: Sequence[str] | None, theirs: Sequence[str] | None) -> Tensor | None:
    """The data set's label of each label of the model; None if they are the same."""
    if ours is None or theirs is None or tuple(ours) == tuple(theirs):
        return None
    if sorted(ours) != sorted(theirs):
        raise ValueError(
            f"the model knows {', '.join(ours[1:])}; the data set {', '.join(theirs[1:])}: "
            "expected the same classes"
        )
    return torch.tensor([list(theirs).index(name) for name in ours])


def _shares(dataset: Any, batch_size: int) -> list[list[int]]:
    """This process's images, in batches: of P processes, each takes every P-th image."""
    own = range(distributed.process_rank(), len(dataset), distributed.num_processes())
    return [list(own[i : i + batch_size]) for i in range(0, len(own), batch_size)]


def evaluate(
    model: Detector,
    dataset: Any,
    *,
    class_names: Sequence[str] | None = None,
    batch_size: int = 32,
    progress: bool = False,
) -> dict[str, float]:
    """COCO's scores of a detector on a data set.

    Args:
        model: has ``detect``; its mode is left as it was.
        dataset: see `detect_all`; with ``class_names`` unless they are given.
        class_names: names by label, background first.
        batch_size: images that go through the network at a time.
        progress: show a progress bar.

    Returns:
        what `detlearn.metrics.coco_evaluate` returns: ``mAP``, ``mAP50``, …; for VOC's data,
        whose targets have ``difficult``, also ``mAP_voc07`` and ``mAP_voc12``, the mean average
        precision that papers report for VOC 2007 (11 points) and for later years (area).

    Raises:
        ValueError: the data set is empty, or knows other classes than the model.
    """
    names = tuple(data_names(dataset, class_names) or ())
    if len(dataset) == 0:
        raise ValueError("dataset: expected at least one image to evaluate on, got none")
    num_classes = model.config.num_classes
    if len(names) != num_classes:
        raise ValueError(
            f"the model has {num_classes} classes (background included), "
            f"the data set {len(names)}: {', '.join(names)}"
        )
    with torch.inference_mode():
        detections, targets = detect_all(
            model, dataset, batch_size=batch_size, class_names=names, progress=progress
        )
    return detection_scores(detections, targets, names)


def estimate_all(
    model: PoseHRNet,
    dataset: Any,
    *,
    flip: bool = True,
    batch_size: int = 32,
    progress: bool = False,
) -> tuple[list[dict[str, Tensor]], list[dict[str, Any]]]:
    """Poses in the true boxes of a data set's people, and the true poses, image by image.

    In a run on several processes each works on its share, and all get everything.

    Args:
        model: has ``estimate``; its mode is left as it was.
        dataset: items ``(uint8 (3, H, W), target)`` with ``keypoints (G, J, 3)``; people without
            a labelled joint are passed over.
        flip: average with the mirrored crops.
        batch_size: images whose people go through the network together.
        progress: show a progress bar.

    Returns:
        estimates (``keypoints`` and ``scores``), targets (``image_id``, and of the people that
        were not passed over ``boxes``, ``keypoints``, perhaps ``area`` and ``iscrowd``).

    Raises:
        ValueError: the data set is empty, or has no key points.
    """
    from tqdm.auto import tqdm

    if len(dataset) == 0:
        raise ValueError("dataset: expected at least one image to evaluate on, got none")
    rows: list[tuple[dict[str, Tensor], dict[str, Any]]] = []
    for indices in tqdm(_shares(dataset, batch_size), disable=not progress, desc="estimate"):
        images, boxes, targets = [], [], []
        for index in indices:
            image, target = dataset[index]
            if "keypoints" not in target:
                raise ValueError(f"dataset: item {index} has no 'keypoints': {sorted(target)}")
            people = (target["keypoints"][..., 2] > 0).any(dim=1)  # (G,)
            kept = {"image_id": target["image_id"]}
            for key in ("boxes", "keypoints", "area", "iscrowd"):
                if key in target:
                    kept[key] = target[key].as_subclass(Tensor)[people]
            images.append(image)
            boxes.append(kept["boxes"])
            targets.append(kept)
        found = model.estimate(images, boxes, flip=flip)
        estimates = [{k: v.cpu() for k, v in one.items()} for one in found]
        rows += zip(estimates, targets, strict=True)
    rows = distributed.all_gather(rows)
    return [estimate for estimate, _ in rows], [target for _, target in rows]


def evaluate_pose(
    model: PoseHRNet,
    dataset: Any,
    *,
    flip: bool = True,
    batch_size: int = 32,
    sigmas: Sequence[float] | None = None,
    progress: bool = False,
) -> dict[str, float]:
    """COCO's scores of a pose network in the true boxes of a data set's people.

    Takes and refuses what `estimate_all` does.  ``sigmas`` are those of `detlearn.metrics.oks`;
    None for the file's, COCO's for COCO's joints, and one for all where neither is known
    (`detlearn.data.skeleton.choose_sigmas`).

    Returns:
        what `detlearn.metrics.coco_keypoint_evaluate` returns: ``AP``, ``AP50``, ...
    """
    estimates, targets = estimate_all(
        model, dataset, flip=flip, batch_size=batch_size, progress=progress
    )
    if sigmas is None:
        sigmas, _ = choose_sigmas(dataset, estimates[0]["keypoints"].shape[1])
    return coco_keypoint_evaluate(estimates, targets, sigmas)
