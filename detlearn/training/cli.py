"""The shell commands ``train`` and ``evaluate``: what the notebooks do, without a notebook."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torchvision

from .. import __version__, create_model, list_models, load_model
from ..data import (
    COCO_AUGMENTATION,
    SHAPES_AUGMENTATION,
    TRAIN_OBJECTS,
    Cached,
    CocoDetectionDataset,
    KeypointCrops,
    Shapes,
    VocDetectionDataset,
    data_path,
    shapes_train_transform,
    train_transform,
)
from ..models import PoseHRNet
from ..models.zoo import write_atomically
from .evaluate import evaluate, evaluate_pose
from .loop import RECIPES, TrainConfig, pick_device, train

__all__ = ["add_commands", "open_dataset", "versions"]

SHAPES_SCENES = 12_000
SUMMARY = ("mAP", "mAP50", "AP", "AP50")  # what a finished training says of itself
COCO_LAYOUTS = [
    ("annotations.json", "images", "both"),
    ("annotations/instances_train2017.json", "train2017", "train"),
    ("annotations/instances_val2017.json", "val2017", "val"),
]
KEYPOINT_LAYOUTS = [
    ("annotations.json", "images", "both"),
    ("annotations/person_keypoints_train2017.json", "train2017", "train"),
    ("annotations/person_keypoints_val2017.json", "val2017", "val"),
]


def open_dataset(
    source: str,
    split: str,
    transform: Callable | None = None,
    length: int = 0,
    keypoints: bool = False,
) -> Any:
    """A data set by the name or folder that a shell command got.

    Args:
        source: ``"shapes"``, or a folder in one of the layouts ``annotations.json`` + ``images/``,
            COCO 2017, or VOC (``VOCdevkit/VOC2012``, ``VOCdevkit/VOC2007``).
        split: ``"train"`` or ``"val"``.
        transform: called with image and target.
        length: scenes of Shapes to train on.
        keypoints: targets have ``keypoints`` too (Shapes and COCO).

    Returns:
        a data set with ``class_names``.

    Raises:
        ValueError: the folder has none of the layouts; the message lists what was looked for.

    >>> open_dataset("shapes", "train", length=10).class_names[1]
    'disc'
    """
    if source == "shapes":
        if split == "train":
            return Shapes(
                length=length or SHAPES_SCENES,
                transform=transform,
                keypoints=keypoints,
                objects=TRAIN_OBJECTS,
            )
        folder = data_path("shapes_val")
        return CocoDetectionDataset(
            folder / "images", folder / "annotations.json", transform, keypoints=keypoints
        )
    root = Path(source)
    if not root.is_dir():
        raise ValueError(f"--data: expected 'shapes' or a folder, got {source!r}")
    for file, images, which in KEYPOINT_LAYOUTS if keypoints else COCO_LAYOUTS:
        if which in (split, "both") and (root / file).is_file():
            return CocoDetectionDataset(root / images, root / file, transform, keypoints=keypoints)
    if keypoints:
        raise ValueError(
            f"--data: {root} has none of the layouts with key points known for '{split}': "
            "annotations.json + images/, annotations/person_keypoints_{train,val}2017.json"
        )
    image_set = "trainval" if split == "train" else "val"
    for year in ("2012", "2007"):
        sets = root / "VOCdevkit" / f"VOC{year}" / "ImageSets" / "Main"
        names = [image_set, "train"] if split == "train" else [image_set, "test"]
        for name in names:
            if (sets / f"{name}.txt").is_file():
                return VocDetectionDataset(root, year, name, transform=transform)
    raise ValueError(
        f"--data: {root} has none of the layouts known for '{split}': annotations.json + images/, "
        "annotations/instances_{train,val}2017.json, VOCdevkit/VOC{2012,2007}/ImageSets/Main"
    )


def versions() -> dict[str, str]:
    """What a result depends on besides its command.

    >>> sorted(versions())
    ['detlearn', 'machine', 'python', 'torch', 'torchvision']
    """
    return {
        "detlearn": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "torchvision": torchvision.__version__,
        "machine": f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} threads",
    }


Prepared = tuple[Any, Any, Callable[[Any], dict[str, float]] | None]


def prepare_detector(args: argparse.Namespace, seed: int) -> Prepared:
    """The detector that a command asks for, what it is trained on, and what scores it."""
    if args.model.startswith("hrnetv2p"):
        raise ValueError(
            f"{args.model} is a pyramid without heads, there is no loss to train it by; "
            "ssd_hrnetv2p_w18 is the detector on it"
        )
    plain = open_dataset(args.data, "train", length=args.scenes)
    names = plain.class_names
    torch.manual_seed(seed)
    model = create_model(args.model, num_classes=len(names))
    model.class_names = names
    size = model.config.image_size
    if args.data == "shapes":
        # Scenes are drawn once; flips and crops make every epoch new.
        dataset = Cached(
            Shapes(length=args.scenes, size=size, objects=TRAIN_OBJECTS),
            transform=shapes_train_transform(size),
        )
    else:
        dataset = open_dataset(args.data, "train", train_transform(size))
    validation = None if args.no_eval else open_dataset(args.data, "val")
    scorer = None if validation is None else (lambda m: evaluate(m, validation, class_names=names))
    return model, dataset, scorer


def prepare_pose(args: argparse.Namespace, seed: int) -> Prepared:
    """The same for a pose network: its items are people."""
    scenes = open_dataset(args.data, "train", length=args.scenes, keypoints=True)
    torch.manual_seed(seed)
    model = create_model(args.model)
    if args.data == "shapes":
        people = KeypointCrops(Cached(scenes), model.config, SHAPES_AUGMENTATION)
    else:
        people = KeypointCrops(scenes, model.config, COCO_AUGMENTATION)
    validation = None if args.no_eval else open_dataset(args.data, "val", keypoints=True)
    scorer = None if validation is None else (lambda m: evaluate_pose(m, validation))
    return model, people, scorer


def run_train(args: argparse.Namespace) -> None:
    """``python -m detlearn train MODEL --data DATA --out RUN``."""
    config = RECIPES.get(args.model, TrainConfig())
    changes = {
        field.name: getattr(args, field.name)
        for field in dataclasses.fields(config)
        if getattr(args, field.name, None) is not None
    }
    config = dataclasses.replace(config, **changes)
    device = pick_device(args.device)  # before the work of minutes, not after it
    prepare = prepare_pose if args.model.startswith("pose_") else prepare_detector
    model, dataset, scorer = prepare(args, config.seed)
    print(f"{args.model}: {sum(p.numel() for p in model.parameters()):,} parameters, "
          f"{len(dataset)} images, {config.epochs} epochs, {device}")  # fmt: skip
    history = train(
        model, dataset, config, out=args.out, resume=args.resume, evaluate=scorer,
        evaluate_every=args.evaluate_every, checkpoint_every=args.checkpoint_every,
        device=device, num_workers=args.num_workers, progress=not args.quiet,
    )  # fmt: skip
    last = history[-1]
    seconds = sum(row["seconds"] for row in history)
    record = {"command": args.command_line, "config": dataclasses.asdict(config),
              "versions": versions(), "seconds": round(seconds, 1), "scores": last}  # fmt: skip
    write_atomically(Path(args.out) / "run.json", (json.dumps(record, indent=1) + "\n").encode())
    scores = "".join(f", {k} {last[k]:.3f}" for k in SUMMARY if k in last)
    print(f"trained in {seconds:.0f} s{scores}; weights: {Path(args.out) / 'model.safetensors'}")


def run_evaluate(args: argparse.Namespace) -> None:
    """``python -m detlearn evaluate --weights FILE --data DATA``."""
    model = load_model(args.weights).to(pick_device(args.device))
    if isinstance(model, PoseHRNet):
        dataset = open_dataset(args.data, "val", keypoints=True)
        scores = evaluate_pose(model, dataset, progress=not args.quiet)
    else:
        dataset = open_dataset(args.data, "val")
        scores = evaluate(model, dataset, progress=not args.quiet)
    for name, value in scores.items():
        print(f"{name:<24}{value:8.4f}")
    if args.json:
        record = {"command": args.command_line, "versions": versions(), "scores": scores}
        write_atomically(Path(args.json), (json.dumps(record, indent=1) + "\n").encode())


def add_commands(commands: Any) -> None:
    """Add ``train`` and ``evaluate`` to an argument parser's commands."""
    p = commands.add_parser("train", help="train a detector", description=run_train.__doc__)
    p.set_defaults(run=run_train)
    p.add_argument("model", choices=list_models(), metavar="MODEL", help=", ".join(list_models()))
    p.add_argument("--data", default="shapes", help="'shapes' (default), a COCO or a VOC folder")
    p.add_argument("--out", required=True, help="folder for checkpoints, weights and history")
    p.add_argument("--resume", action="store_true", help="continue the run in --out")
    for field in dataclasses.fields(TrainConfig):
        kind = {"int": int, "float": float}.get(str(field.type), str)
        if field.name not in ("milestones", "decay_everything"):
            p.add_argument(f"--{field.name.replace('_', '-')}", type=kind,
                           help=f"default {field.default}, or the model's recipe")  # fmt: skip
    p.add_argument("--scenes", type=int, default=SHAPES_SCENES, help="scenes of Shapes to train on")
    p.add_argument("--evaluate-every", type=int, default=5, help="epochs between two scores")
    p.add_argument("--no-eval", action="store_true", help="do not score while training")
    p.add_argument(
        "--checkpoint-every", type=int, default=200, help="steps between two checkpoints"
    )
    p.add_argument("--num-workers", type=int, default=0, help="processes that load data")
    _common(p)

    p = commands.add_parser("evaluate", help="score weights", description=run_evaluate.__doc__)
    p.set_defaults(run=run_evaluate)
    p.add_argument("--weights", required=True, help="a .safetensors file of this package")
    p.add_argument("--data", default="shapes", help="'shapes' (default), a COCO or a VOC folder")
    p.add_argument("--json", help="also write the scores, command and versions to this file")
    _common(p)


def _common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", help="cpu, cuda, cuda:1, mps; default: the best there is")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
