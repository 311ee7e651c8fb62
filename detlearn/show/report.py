"""``python -m detlearn report RUN``: a training run on one page, for a teacher or a colleague.

Here the run is read, its detector is measured on the validation images, and the page is written;
`detlearn.show.report_page` says what stands on it.  What is missing (an old run, one that is
still going on, a damaged file) is said on the page, and the rest is shown.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from detlearn.metrics import (
    COCO_SIGMAS,
    DetectionError,
    best_score_threshold,
    coco_curves,
    coco_evaluate,
    coco_keypoint_evaluate,
    confusion_matrix,
    detection_errors,
    errors_by_size,
    explain_errors,
    leave_out_ignored,
    oks,
    pck,
    voc_evaluate,
)

__all__ = [
    "Findings", "Picture", "PoseFindings", "Run", "add_commands", "measure", "measure_pose",
    "read_run", "worst_pictures", "write_report",
]  # fmt: skip

CURVES = (0.5, 0.75)  # IoU thresholds of the curves
MOST_PICTURES = 100
PCK_REFERENCE = 0.1  # of the longer side of a person's box


@dataclass(frozen=True, slots=True)
class Run:
    """What a folder of ``python -m detlearn train`` holds.

    Attributes:
        folder: the folder.
        history: a row for each epoch, numbers by name; ``"epoch"`` is always there.
        record: ``run.json``; empty if there is none.
        weights: ``best.safetensors``, else ``model.safetensors``, else None.
        notes: sentences about what is missing or odd.
    """

    folder: Path
    history: list[dict[str, float]]
    record: dict[str, Any]
    weights: Path | None
    notes: list[str]

    @property
    def data(self) -> str | None:
        """The ``--data`` that it was trained on; None if nothing says so."""
        if isinstance(self.record.get("data"), str):
            return str(self.record["data"])
        command = self.record.get("command")
        if not isinstance(command, str):
            return None
        words = command.split() if "\\" in command else _words(command)  # a path of Windows
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word == "--data":
                return following
            if word.startswith("--data="):
                return word.removeprefix("--data=")
        return "shapes"  # what train takes

    @property
    def finished(self) -> bool:
        """Whether the training came to its end; the weights are written there."""
        return bool(self.record.get("finished", (self.folder / "model.safetensors").is_file()))

    @property
    def model(self) -> str | None:
        """The name of the model; None if nothing says so."""
        if isinstance(self.record.get("model"), str):
            return str(self.record["model"])
        words = str(self.record.get("command", "")).split()
        return next((b for a, b in zip(words, words[1:], strict=False) if a == "train"), None)


def read_run(folder: str | os.PathLike[str]) -> Run:
    """Read what a training has written so far.

    Args:
        folder: the ``--out`` of ``python -m detlearn train``.

    Returns:
        A `Run`; a file that is missing or damaged is a sentence in its ``notes``.

    Raises:
        ValueError: there is no such folder, or it holds nothing of a run.

    >>> read_run("nowhere")
    Traceback (most recent call last):
        ...
    ValueError: nowhere: expected a folder that `python -m detlearn train` wrote, there is none
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: expected a folder that `python -m detlearn train` wrote, there is none"
        )
    files = ("best.safetensors", "model.safetensors", "history.json", "run.json", "last.pt")
    if not any((folder / name).is_file() for name in files):
        raise ValueError(
            f"{folder}: expected a folder that `python -m detlearn train` wrote, "
            f"it holds none of {', '.join(files)}"
        )
    notes: list[str] = []
    rows = _read_json(folder / "history.json", list, "there are no curves", notes)
    history = [
        {"epoch": float(number)} | {k: float(v) for k, v in row.items() if type(v) in (int, float)}
        for number, row in enumerate(rows, start=1)
        if isinstance(row, dict)
    ]
    record = _read_json(
        folder / "run.json", dict, "its command, settings and versions are unknown", notes
    )
    bad = [row for row in history if any(map(math.isinf, row.values())) or _lost(row)]
    if bad:
        epochs = ", ".join(f"{row['epoch']:g}" for row in bad[:5])
        notes.append(
            f"The loss is not a finite number in epoch {epochs}"
            f"{' and later' if len(bad) > 5 else ''}: the curves have gaps there."
        )
    weights = next((folder / name for name in files[:2] if (folder / name).is_file()), None)
    run = Run(folder, history, record, weights, notes)
    if not run.finished:
        notes.append("The run is not finished: what follows is the state so far.")
    if weights is None:
        notes.append("The folder holds no weights yet: there are curves, and nothing is measured.")
    return run


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # a quotation mark without its partner
        return command.split()


def _lost(row: dict[str, float]) -> bool:
    """Whether a loss is NaN; a score may be, of objects that are not there."""
    return any(math.isnan(v) for k, v in row.items() if not k.startswith(("mAP", "AP", "AR")))


def _read_json(path: Path, kind: type, consequence: str, notes: list[str]) -> Any:
    """A file's content; nothing of its kind, and a note, where it cannot be had."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, kind):
            return content
        reason = f"is no JSON {'list' if kind is list else 'object'}"
    except FileNotFoundError:
        reason = "is missing"
    except (OSError, ValueError) as error:
        reason = f"cannot be read ({error})"
    notes.append(f"{path.name} {reason}: {consequence}.")
    return kind()


# ---------------------------------------------------------------- detectors
@dataclass(frozen=True, slots=True)
class Findings:
    """A detector, measured.

    Attributes:
        class_names: by label, background first.
        scores: what `coco_evaluate` returns; for data with difficult objects VOC's mAP as well.
        curves: IoU threshold -> ``(K - 1, 101)``, see `coco_curves`.
        threshold: the score from which on detections count in what follows.
        chosen: whether it was chosen on these images, by `best_score_threshold`.
        detections: of each image those that count.
        targets: of each image the objects that count.
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
    from detlearn.training import detect_all

    names = tuple(dataset.class_names)
    if len(names) != model.config.num_classes:
        raise ValueError(
            f"the model has {model.config.num_classes} classes (background included), "
            f"the data set {len(names)}: {', '.join(names)}"
        )
    part, indices = _part(dataset, limit)
    with torch.inference_mode():
        detections, targets = detect_all(model, part, class_names=names, progress=progress)
    scores = coco_evaluate(detections, targets, names)
    if any("difficult" in target for target in targets):
        for key, method in (("VOC mAP, 11-point", "11-point"), ("VOC mAP, area", "area")):
            scores[key] = voc_evaluate(detections, targets, names, method=method)["mAP"]  # type: ignore[arg-type]
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
    return Findings(
        class_names=names,
        scores=scores,
        curves=dict(zip(CURVES, coco_curves(detections, targets, names, CURVES), strict=True)),
        threshold=threshold,
        chosen=score_threshold is None,
        detections=found,
        targets=truth,
        counts=detection_errors(found, truth),
        sizes=errors_by_size(found, truth),
        confusion=confusion_matrix(found, truth, len(names)),
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
    from detlearn.show.canvas import image_array

    weights, all_errors, all_missed = [], [], []
    for detection, target in zip(findings.detections, findings.targets, strict=True):
        errors = explain_errors(detection, target)
        right = {error.gt_index for error in errors if error.kind == "correct"}
        missed = [g for g in range(len(target["labels"])) if g not in right]
        wrong = zip(errors, detection["scores"].tolist(), strict=True)
        weights.append(len(missed) + sum(score for e, score in wrong if e.kind != "correct"))
        all_errors.append(errors)
        all_missed.append(missed)
    order = sorted(range(len(weights)), key=lambda i: -weights[i])
    pictures = []
    for i in [i for i in order if weights[i] > 0][:number]:
        index, target = findings.indices[i], findings.targets[i]
        name = target.get("name") or f"image {target.get('image_id', index)}"
        pixels = image_array(dataset[index][0])
        pictures.append(
            Picture(
                index, str(name), pixels, findings.detections[i], target, all_errors[i],
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
    """

    scores: dict[str, float]
    pck: Tensor
    oks: Tensor
    labelled: Tensor
    indices: list[int]
    total: int


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
    from tqdm.auto import tqdm

    part, indices = _part(dataset, limit)
    detections: list[dict[str, Any]] = []
    targets: list[dict[str, Any]] = []
    for index in tqdm(range(len(part)), disable=not progress, desc="estimate"):
        image, target = part[index]
        people = (target["keypoints"][..., 2] > 0).any(dim=1)  # (G,)
        kept = {"image_id": target["image_id"]}
        for key in ("boxes", "keypoints", "area", "iscrowd"):
            if key in target:
                kept[key] = target[key].as_subclass(Tensor)[people]
        found = model.estimate([image], [kept["boxes"]])[0]
        detections.append({key: value.cpu() for key, value in found.items()})
        targets.append(kept)
    scores = coco_keypoint_evaluate(detections, targets)
    points = torch.cat([found["keypoints"] for found in detections])  # (N, J, 3)
    truth = torch.cat([target["keypoints"] for target in targets])  # (N, J, 3)
    boxes = torch.cat([target["boxes"] for target in targets])  # (N, 4)
    sides = boxes[:, 2:] - boxes[:, :2]  # (N, 2)
    area = torch.cat([t.get("area", _areas(t["boxes"])) for t in targets])  # (N,)
    labelled = (truth[..., 2] > 0).sum(dim=0)  # (J,)
    similar = torch.zeros(truth.shape[:2], dtype=torch.float64)  # (N, J)
    for n in range(len(truth)):  # one person, one joint: the similarity before the mean
        for j in range(truth.shape[1]):
            one = (slice(n, n + 1), slice(j, j + 1))
            similar[n, j] = oks(
                points[one], truth[one], area[n : n + 1], truth[one][..., 2], COCO_SIGMAS[j : j + 1]
            )
    right = pck(points, truth, truth[..., 2], sides.amax(dim=1, keepdim=True), PCK_REFERENCE)
    return PoseFindings(
        scores, right.per_joint, similar.sum(dim=0) / labelled, labelled, indices, len(dataset)
    )


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2]).prod(dim=1)


# ---------------------------------------------------------------- the page
def write_report(
    folder: str | os.PathLike[str],
    *,
    data: str | None = None,
    out: str | os.PathLike[str] | None = None,
    images: int = 12,
    score_threshold: float | None = None,
    limit: int | None = None,
    device: str | None = None,
    progress: bool = False,
) -> Path:
    """Write the page about a run: one HTML file that holds everything itself.

    Args:
        folder: the ``--out`` of ``python -m detlearn train``.
        data: ``"shapes"`` or a folder, as for ``train``; None for what the run was trained on.
        out: the file; None for ``report.html`` in the folder.
        images: so many of the worst images are shown, at most.
        score_threshold: see `measure`.
        limit: measure on so many images at most, evenly spread; None for all.
        device: None for the best there is.
        progress: show a progress bar.

    Returns:
        The file.

    Raises:
        ValueError: no run, or an argument that is none; with ``data`` given also weights or data
            that cannot be read (without, the page says so and shows the rest).
        OSError: the file cannot be written.
    """
    from detlearn.files import write_atomically
    from detlearn.models import PoseHRNet, load_model
    from detlearn.show.report_page import report_page
    from detlearn.training import pick_device
    from detlearn.training.cli import open_dataset

    if not 0 <= images <= MOST_PICTURES:
        raise ValueError(f"images: expected 0 to {MOST_PICTURES}, got {images}")
    if limit is not None and limit < 1:
        raise ValueError(f"limit: expected at least 1, got {limit}")
    if score_threshold is not None and not 0 <= score_threshold <= 1:
        raise ValueError(f"score_threshold: expected 0 to 1, got {score_threshold}")
    run = read_run(folder)
    path = Path(out) if out is not None else run.folder / "report.html"
    if path.is_dir():  # before the work of minutes, not after it
        raise ValueError(f"{path}: expected a file to write, it is a folder")
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        raise ValueError(f"{path.parent}: expected a folder to write into, it is read-only")
    chosen = pick_device(device)
    source = data or run.data
    findings: Findings | PoseFindings | None = None
    pictures: list[Picture] = []
    if run.weights is not None and source is None:
        run.notes.append("Nothing says what the run was trained on, so nothing is measured: --data")
    elif run.weights is not None and source is not None:
        try:
            model = load_model(run.weights).to(chosen)
            if isinstance(model, PoseHRNet):
                dataset = open_dataset(source, "val", keypoints=True)
                findings = measure_pose(model, dataset, limit=limit, progress=progress)
            else:
                dataset = open_dataset(source, "val")
                findings = measure(
                    model, dataset, score_threshold=score_threshold, limit=limit, progress=progress
                )
                pictures = worst_pictures(findings, dataset, images)
        except (ValueError, OSError) as error:
            if data is not None:
                raise
            run.notes.append(f"Nothing is measured: {error}.")
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    page = report_page(run, findings, pictures, source=source, made=now)
    write_atomically(path, page.encode())
    return path


def run_report(args: argparse.Namespace) -> None:
    """``python -m detlearn report RUN``: curves, errors and worst images of a run on one page."""
    path = write_report(
        args.folder, data=args.data, out=args.out, images=args.images,
        score_threshold=args.score_threshold, limit=args.limit, device=args.device,
        progress=not args.quiet,
    )  # fmt: skip
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, open it in a browser")


def add_commands(commands: Any) -> None:
    """Add ``report`` to an argument parser's commands."""
    p = commands.add_parser("report", help="a run on one page", description=run_report.__doc__)
    p.set_defaults(run=run_report)
    p.add_argument("folder", metavar="RUN", help="a folder that train wrote (its --out)")
    p.add_argument("--data", help="'shapes', a COCO or a VOC folder; default: the run's")
    p.add_argument("--out", help="the file to write (default: RUN/report.html)")
    p.add_argument("--images", type=int, default=12, help="show so many of the worst (default: 12)")
    p.add_argument(
        "--score-threshold", type=float,
        help="count mistakes of detections from this score on (default: the best one, by F1)",
    )  # fmt: skip
    p.add_argument("--limit", type=int, help="measure on so many images at most; default: all")
    p.add_argument("--device", help="cpu, cuda, cuda:1, mps; default: the best there is")
    p.add_argument("--quiet", action="store_true", help="no progress bar")
