"""The detector of a run, measured on validation images: scores, curves, mistakes, worst images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..boxes import box_area
from ..data.skeleton import choose_sigmas
from ..metrics import (
    ERROR_KINDS,
    DetectionError,
    best_score_threshold,
    coco_curves,
    coco_keypoint_evaluate,
    detection_scores,
    explain_errors,
    leave_out_ignored,
    oks,
    pck,
)
from ..metrics.error_counts import count_by_size, count_confusions

__all__ = [
    "PCK_REFERENCE", "Findings", "Picture", "PoseFindings", "measure", "measure_pose",
    "worst_pictures",
]  # fmt: skip

CURVES = (0.5, 0.75)  # IoU thresholds of the curves
PCK_REFERENCE = 0.1  # of the longer side of a person's box


@dataclass(frozen=True, slots=True)
class Findings:
    """A detector, measured.

    Attributes:
        class_names: by label, background first.
        scores: what `detection_scores` returns.
        curves: IoU threshold -> ``(K - 1, 101)``, see `coco_curves`.
        threshold: the score from which on detections count in what follows.
        chosen: whether it was chosen on these images, by `best_score_threshold`.
        detections: of each image those that count.
        targets: of each image the objects that count.
        errors: of each image what `explain_errors` returns.
        counts: what `detection_errors` returns.
        sizes: what `errors_by_size` returns.
        confusion: ``(K, K)``, what `confusion_matrix` returns.
        indices: of each image its place in the data set.
        total: how many images the data set has.
    """

    class_names: Sequence[str]
    scores: dict[str, float]
    curves: dict[float, Tensor]
    threshold: float
    chosen: bool
    detections: list[dict[str, Any]]
    targets: list[dict[str, Any]]
    errors: list[list[DetectionError]]
    counts: dict[str, int]
    sizes: dict[str, dict[str, int]]
    confusion: Tensor
    indices: list[int]
    total: int


def measure(
    model: Any,
    dataset: Any,
    *,
    score_threshold: float | None = None,
    limit: int | None = None,
    progress: bool = False,
) -> Findings:
    """Let a detector look at a data set, and count its mistakes.

    Args:
        model: has ``detect``.
        dataset: items ``(uint8 (3, H, W), target)``; with ``class_names``.
        score_threshold: detections count from this score on, where mistakes are counted; None
            for `best_score_threshold`.
        limit: so many images at most, evenly spread; None for all.
        progress: show a progress bar.

    Returns:
        `Findings`.

    Raises:
        ValueError: the data set is empty, or has another number of classes than the model.
    """
    from ..training import detect_all

    names = tuple(dataset.class_names)
    if len(names) != model.config.num_classes:
        raise ValueError(
            f"the model has {model.config.num_classes} classes (background included), "
            f"the data set {len(names)}: {', '.join(names)}"
        )
    part, indices = _part(dataset, limit)
    with torch.inference_mode():
        detections, targets = detect_all(model, part, class_names=names, progress=progress)
    scores = detection_scores(detections, targets, names)
    threshold = score_threshold
    if threshold is None:
        threshold = best_score_threshold(detections, targets)
    found, truth = [], []
    for detection, target in zip(detections, targets, strict=True):
        strong = detection["scores"] >= threshold
        detection = {key: detection[key][strong] for key in ("boxes", "scores", "labels")}
        counted = leave_out_ignored(detection, target)
        found.append(counted[0])
        truth.append(counted[1])
    errors = [explain_errors(*image) for image in zip(found, truth, strict=True)]
    sizes = count_by_size(found, truth, errors)
    return Findings(
        class_names=names,
        scores=scores,
        curves=dict(zip(CURVES, coco_curves(detections, targets, names, CURVES), strict=True)),
        threshold=threshold,
        chosen=score_threshold is None,
        detections=found,
        targets=truth,
        errors=errors,
        counts={kind: sum(size[kind] for size in sizes.values()) for kind in ERROR_KINDS},
        sizes=sizes,
        confusion=count_confusions(found, truth, errors, len(names)),
        indices=indices,
        total=len(dataset),
    )


def _part(dataset: Any, limit: int | None) -> tuple[Any, list[int]]:
    """So many images of a data set, evenly spread, and their places."""
    total = len(dataset)
    if total == 0:
        raise ValueError("dataset: expected at least one image to measure on, got none")
    number = min(total, limit or total)
    indices = [i * total // number for i in range(number)]
    return torch.utils.data.Subset(dataset, indices), indices


@dataclass(frozen=True, slots=True)
class Picture:
    """An image on which a detector erred.

    Attributes:
        index: its place in the data set.
        name: what the data set calls it.
        pixels: ``(H, W, 3)`` uint8.
        detection: what counts of the detections.
        target: what counts of the objects.
        errors: of each detection its kind, and the object it is about.
        missed: objects without a correct detection.
    """

    index: int
    name: str
    pixels: np.ndarray
    detection: dict[str, Any]
    target: dict[str, Any]
    errors: list[DetectionError]
    missed: list[int]


def worst_pictures(findings: Findings, dataset: Any, number: int) -> list[Picture]:
    """The images with the gravest mistakes, the worst first.

    A missed object weighs 1, a detection that is not correct its score: a confident mistake
    weighs more than a hesitant one.

    Args:
        findings: of `measure`.
        dataset: the one that was measured on.
        number: of pictures, at most; images without a mistake are none of them.
    """
    weights, all_missed = [], []
    for detection, target, errors in zip(
        findings.detections, findings.targets, findings.errors, strict=True
    ):
        right = {error.gt_index for error in errors if error.kind == "correct"}
        missed = [g for g in range(len(target["labels"])) if g not in right]
        wrong = zip(errors, detection["scores"].tolist(), strict=True)
        weights.append(len(missed) + sum(score for e, score in wrong if e.kind != "correct"))
        all_missed.append(missed)
    order = sorted(range(len(weights)), key=lambda i: -weights[i])
    pictures = []
    for i in [i for i in order if weights[i] > 0][:number]:
        index, target = findings.indices[i], findings.targets[i]
        name = target.get("name") or f"image {target.get('image_id', index)}"
        pixels = dataset[index][0].permute(1, 2, 0).numpy()  # (H, W, 3)
        pictures.append(
            Picture(
                index, str(name), pixels, findings.detections[i], target, findings.errors[i],
                all_missed[i],
            )
        )  # fmt: skip
    return pictures


# ---------------------------------------------------------------- poses
@dataclass(frozen=True, slots=True)
class PoseFindings:
    """A pose network, measured in the true boxes.

    Attributes:
        scores: what `coco_keypoint_evaluate` returns.
        pck: ``(J,)`` share of the joints within `PCK_REFERENCE` of the box's longer side.
        oks: ``(J,)`` mean similarity of each joint; NaN for a joint that nobody shows.
        labelled: ``(J,)`` how often each joint is labelled.
        indices: of each image its place in the data set.
        total: how many images the data set has.
        names: of the joints; empty for COCO's.
    """

    scores: dict[str, float]
    pck: Tensor
    oks: Tensor
    labelled: Tensor
    indices: list[int]
    total: int
    names: tuple[str, ...] = ()


def measure_pose(
    model: Any, dataset: Any, *, limit: int | None = None, progress: bool = False
) -> PoseFindings:
    """Let a pose network find the joints of a data set's people.

    Args:
        model: has ``estimate``.
        dataset: items ``(uint8 (3, H, W), target)`` with ``keypoints (G, J, 3)``.
        limit: so many images at most, evenly spread; None for all.
        progress: show a progress bar.

    Returns:
        `PoseFindings`.

    Raises:
        ValueError: the data set is empty.
    """
    from ..training import estimate_all

    part, indices = _part(dataset, limit)
    detections, targets = estimate_all(model, part, progress=progress)
    sigmas, _ = choose_sigmas(dataset, detections[0]["keypoints"].shape[1])
    scores = coco_keypoint_evaluate(detections, targets, sigmas)
    points = torch.cat([found["keypoints"] for found in detections])  # (N, J, 3)
    truth = torch.cat([target["keypoints"] for target in targets])  # (N, J, 3)
    boxes = torch.cat([target["boxes"] for target in targets])  # (N, 4)
    sides = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    area = torch.cat([t.get("area", box_area(t["boxes"])) for t in targets])  # (N,)
    labelled = (truth[..., 2] > 0).sum(dim=0)  # (J,)
    similar = torch.zeros(truth.shape[:2], dtype=torch.float64)  # (N, J)
    for n in range(len(truth)):  # one person, one joint: the similarity before the mean
        for j in range(truth.shape[1]):
            one = (slice(n, n + 1), slice(j, j + 1))
            similar[n, j] = oks(
                points[one], truth[one], area[n : n + 1], truth[one][..., 2], sigmas[j : j + 1]
            )
    right = pck(points, truth, truth[..., 2], sides.amax(dim=1, keepdim=True), PCK_REFERENCE)
    skeleton = getattr(dataset, "skeleton", None)
    return PoseFindings(
        scores, right.per_joint, similar.sum(dim=0) / labelled, labelled, indices, len(dataset),
        () if skeleton is None else skeleton.names or joint_numbers(truth.shape[1]),
    )  # fmt: skip


def joint_numbers(joints: int) -> tuple[str, ...]:
    """What joints without names are called.

    >>> joint_numbers(2)
    ('joint 0', 'joint 1')
    """
    return tuple(f"joint {number}" for number in range(joints))
