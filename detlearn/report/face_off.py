"""The face-off: what is measured of a detector, and the table that was made of four.

`measure_standing` looks at one detector, `read_face_off` reads the table that the experiment
``face_off`` made (``data/results/face_off.json``), and `broken_rules` says why a run may not stand
in it.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..data import Shapes, data_path
from ..data.shapes import COMPLEX, SIMPLE, TEST_SEED, TUNE_SEED
from ..metrics import (
    ERROR_KINDS,
    best_score_threshold,
    detection_errors,
    detection_scores,
    error_kinds,
    explain_errors,
)
from ..training import detect_all
from .run import Run

__all__ = [
    "BINS", "HALF_HIDDEN", "TEST_SCENES", "TUNE_SCENES", "FaceOff", "Standing", "broken_rules",
    "measure_standing", "read_experiment", "read_face_off",
]  # fmt: skip

TUNE_SCENES, TEST_SCENES = 500, 1000
"""Scenes on which the score threshold is chosen, and scenes that all else is measured on."""

BINS = 10
"""Of scores between 0 and 1, for the reliability of the scores."""

HALF_HIDDEN = 0.9
"""An object of which less than this is to be seen counts as hidden; Shapes hides 30 % at most."""

COUNTED = 0.05  # detections below this score are left out of the reliability


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of the table: one network, trained once for each seed.

    Attributes:
        name: of the row.
        model: for `detlearn.create_model`.
        reference: the row that ``difference`` compares it with.
        seeds: of its runs.
        scores: score -> its value for each seed, in the order of the seeds.
        half: the same, of ``score`` on the tune set after half of the training.
        learning_rate: the tuned one.
        parameters: of the network.
        multiply_adds: for one scene.
        milliseconds: of CPU for one scene, the network alone: alone in its batch, and (face-off
            only) in one of 32.
        training_seconds: of CPU, median of the seeds.
        difference: to the reference: ``mean``, ``interval``, ``values``, ``verdict``; None for the
            reference itself and as long as there are too few seeds.
        dead: seeds with dead modules -> their share of dead channels.
        search: how the learning rate was found: ``tried`` (rate -> mAP on the tune set after a
            quarter of the training, one a tuning seed), ``sick`` (rates that killed modules) and
            ``given_up`` (rate -> ``half``, ``end`` and number of ``dead`` modules of its final
            runs).
        half_difference: as ``difference``, of the scores after half of the training.
        errors: error kind -> how many on the test scenes, for each seed (face-off only).
        reliability: bin by bin ``score`` (mean), ``right`` (share) and ``count``, all seeds
            together (face-off only).
        score: by which the row is compared: ``mAP``, or ``AP`` of poses.
    """

    name: str
    model: str
    reference: str
    seeds: tuple[int, ...]
    scores: Mapping[str, tuple[float, ...]]
    half: tuple[float, ...]
    learning_rate: float
    parameters: int
    multiply_adds: int
    milliseconds: tuple[float, ...]
    training_seconds: float
    difference: Mapping[str, Any] | None
    dead: Mapping[str, Mapping[str, float]]
    search: Mapping[str, Any] = field(default_factory=dict)
    half_difference: Mapping[str, Any] | None = None
    errors: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    reliability: Sequence[Mapping[str, float]] = ()
    score: str = "mAP"

    def mean(self, score: str | None = None) -> float:
        """Of a score over the seeds; of the row's own when omitted."""
        return statistics.mean(self.scores[score or self.score])

    @property
    def expected_calibration_error(self) -> float:
        """The mean distance of score and share of right detections, weighted by their number."""
        total = sum(one["count"] for one in self.reliability)
        gaps = sum(one["count"] * abs(one["score"] - one["right"]) for one in self.reliability)
        return gaps / total if total else float("nan")


@dataclass(frozen=True, slots=True)
class FaceOff:
    """The table, and by which rules it was made; the tables of other experiments look alike.

    Attributes:
        rows: name -> `Standing`; in the face-off the four as they are shipped come first.
        reference: the row that the others are compared with.
        delta: the smallest difference of the rows' score that is worth a name.
        complete: whether all runs are made.
        rules: ``images`` that a network has seen, ``seed`` of the scenes, ``shapes`` (version of
            the data set), ``test_scenes``.
        command: which makes the record.
        question: that the table answers.
        paper: what the paper found, with its place.
        cpu_hours: that it took.
        versions: of Python, PyTorch and the rest.
    """

    rows: Mapping[str, Standing]
    reference: str
    delta: float
    complete: bool
    rules: Mapping[str, Any]
    command: str
    cpu_hours: float
    versions: Mapping[str, str]
    question: str = ""
    paper: str = ""


def measure_standing(
    model: Any, *, tune_scenes: int = TUNE_SCENES, test_scenes: int = TEST_SCENES
) -> dict[str, Any]:
    """All that the face-off says about one trained detector of Shapes.

    The score threshold, from which on mistakes are counted, is chosen on scenes of another seed
    than those that are counted.

    Args:
        model: has ``detect`` and ``forward``; knows the classes of Shapes.
        tune_scenes: on which the threshold is chosen.
        test_scenes: on which all else is measured.

    Returns:
        ``scores`` (COCO's, ``mAP_simple`` and ``mAP_complex`` over the two groups of classes,
        ``found_free`` and ``found_hidden``: shares of the objects that a detection above the
        threshold finds at IoU 0.5), ``threshold``, ``errors`` (kind -> number), ``reliability``
        (see `Standing`), ``milliseconds`` (of CPU for a scene: one alone, one of 32).

    Raises:
        ValueError: the model has other classes than Shapes.
    """
    test = Shapes(test_scenes, seed=TEST_SEED)
    names = test.class_names
    if tuple(getattr(model, "class_names", None) or ()) != tuple(names):
        raise ValueError(
            f"model: expected the classes of Shapes, {', '.join(names[1:])}, got "
            f"{', '.join((getattr(model, 'class_names', None) or ('background', 'none'))[1:])}"
        )
    with torch.inference_mode():
        threshold = best_score_threshold(
            *detect_all(model, Shapes(tune_scenes, seed=TUNE_SEED), class_names=names)
        )
        detections, targets = detect_all(model, test, class_names=names)
    scores = dict(detection_scores(detections, targets, names))
    for group, members in (("simple", SIMPLE), ("complex", COMPLEX)):
        own = [scores[f"AP/{name}"] for name in members]
        scores[f"mAP_{group}"] = statistics.mean(own)
    strong = [_above(one, threshold) for one in detections]
    counts = detection_errors(strong, targets)
    scores |= _found_by_sight(strong, targets, test)
    return {
        "scores": {
            name: round(float(value), 4) for name, value in scores.items() if not math.isnan(value)
        },
        "threshold": round(float(threshold), 3),
        "errors": {kind: int(counts[kind]) for kind in ERROR_KINDS},
        "reliability": _reliability(detections, targets),
        "milliseconds": [_milliseconds(model, 1, 20), _milliseconds(model, 32, 3)],
    }


def _above(detection: Mapping[str, Any], threshold: float) -> dict[str, Any]:
    strong = detection["scores"] >= threshold
    return {key: detection[key][strong] for key in ("boxes", "scores", "labels")}


def _found_by_sight(
    detections: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]], scenes: Shapes
) -> dict[str, float]:
    """The share of the objects that is found: of those in full sight, of those that are not."""
    found: dict[str, list[bool]] = {"found_free": [], "found_hidden": []}
    for index, (detection, target) in enumerate(zip(detections, targets, strict=True)):
        hits = {
            error.gt_index for error in explain_errors(detection, target) if error.kind == "correct"
        }
        for number, thing in enumerate(scenes.scene(index).objects):
            free = thing.seen >= HALF_HIDDEN * thing.pixels
            found["found_free" if free else "found_hidden"].append(number in hits)
    return {name: statistics.mean(hits) if hits else float("nan") for name, hits in found.items()}


def _reliability(
    detections: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]
) -> list[dict[str, float]]:
    """By bins of the score: its mean, the share of right detections, their number."""
    scores: list[list[float]] = [[] for _ in range(BINS)]
    right: list[list[bool]] = [[] for _ in range(BINS)]
    for detection, target in zip(detections, targets, strict=True):
        counted = _above(detection, COUNTED)
        kinds = error_kinds(counted, target)
        for score, kind in zip(counted["scores"].tolist(), kinds, strict=True):
            place = min(int(score * BINS), BINS - 1)
            scores[place].append(score)
            right[place].append(kind == "correct")
    return [
        {
            "score": round(statistics.mean(own), 4) if own else 0.0,
            "right": round(statistics.mean(hits), 4) if hits else 0.0,
            "count": len(own),
        }
        for own, hits in zip(scores, right, strict=True)
    ]


def _milliseconds(model: Any, batch: int, repeats: int) -> float:
    """CPU time of the network for one scene, in a batch of so many: the median."""
    images = torch.zeros(batch, 3, model.config.image_size, model.config.image_size)
    spent = []
    with torch.inference_mode():
        model.eval()(images)
        for _ in range(repeats):
            start = time.process_time()
            model(images)
            spent.append((time.process_time() - start) / batch)
    return round(1000 * statistics.median(spent), 2)


# ------------------------------------------------------------------ the table
def read_face_off(path: str | os.PathLike[str] | None = None) -> FaceOff:
    """The table of the face-off.

    Args:
        path: the file; the repository's when omitted.

    Returns:
        A `FaceOff`.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no such file.

    >>> face_off = read_face_off()
    >>> face_off.reference, face_off.rules["images"]
    ('ssd_tiny', 24000)
    """
    return _read(data_path("results", "face_off.json") if path is None else Path(path))


def read_experiment(name: str) -> FaceOff:
    """The table of an experiment that answers a chapter's question, out of ``data/results``.

    Args:
        name: of the experiment, as ``python -m experiments --list`` says it.

    Returns:
        A table like that of the face-off.

    Raises:
        FileNotFoundError: there is no such table.
        ValueError: the file is something else.

    >>> read_experiment("hrnet_biases").rules["images"]
    6000
    """
    return _read(data_path("results", f"{name}.json"))


def _read(path: Path) -> FaceOff:
    content = json.loads(path.read_text(encoding="utf-8"))
    try:
        rows = {row["name"]: _standing(row) for row in content["rows"]}
        return FaceOff(
            rows, content["reference"], content["delta"], content["complete"], content["rules"],
            content["command"], content["cpu_hours"], content["versions"],
            content["question"], content.get("paper", ""),
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected the table of an experiment ({error!r})") from error


def _standing(row: Mapping[str, Any]) -> Standing:
    fields: dict[str, Any] = {key: row[key] for key in row if key != "experiment"}
    for name in ("seeds", "half", "milliseconds"):
        fields[name] = tuple(row[name])
    for name in ("scores", "errors"):
        fields[name] = {key: tuple(values) for key, values in row.get(name, {}).items()}
    return Standing(**fields)


def broken_rules(run: Run, rules: Mapping[str, Any]) -> list[str]:
    """Why a run may not stand in the table; its own ``run.json`` is asked, nobody is believed.

    Args:
        run: see `detlearn.report.read_run`.
        rules: see `FaceOff`.

    Returns:
        sentences; none if the run kept to all rules.
    """
    config, told = run.record.get("config"), []
    if not isinstance(config, dict):
        return [f"{run.folder / 'run.json'}: expected the settings of the run, there are none"]
    if run.data != "shapes":
        told.append(f"data: expected shapes, got {run.data}")
    if not run.finished:
        told.append("the run is not finished")
    words = str(run.record.get("command", "")).split()
    for option in ("--init", "--backbone"):
        if any(word == option or word.startswith(f"{option}=") for word in words):
            told.append(f"{option}: expected a network that began with random weights")
    images = run.record.get("images", {})
    seen = images.get("seen") if isinstance(images, dict) else None
    if not isinstance(seen, int):
        told.append("images: run.json does not say how many the network has seen")
    elif seen > rules["images"]:
        told.append(f"images seen: expected at most {rules['images']:,}, got {seen:,}")
    return told
