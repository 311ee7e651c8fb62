"""The shell commands ``train`` and ``evaluate``: what the notebooks do, without a notebook."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .. import create_model, list_models, load_backbone, load_model
from ..data import (
    COCO_AUGMENTATION,
    SHAPES_AUGMENTATION,
    TRAIN_OBJECTS,
    Cached,
    KeypointCrops,
    Shapes,
    open_dataset,
    shapes_train_transform,
    train_transform,
)
from ..data.folders import SHAPES_SCENES
from ..data.keypoints import NOT_MIRRORED
from ..data.names import check_unique
from ..data.options import add_exif_option
from ..data.shapes import KEYPOINT_NAMES
from ..data.skeleton import Skeleton, choose_sigmas, flip_order, parse_pairs
from ..data.targets import BoxesSkipped
from ..files import write_atomically
from ..models import PoseHRNet
from ..models.modes import predicting_in
from .batches import batch_indices
from .before import (
    cross_border,
    initial_advice,
    match_joints,
    match_names,
    size_warning,
    training_warnings,
)
from .checkpoint import RunFolder
from .config import TrainConfig
from .distributed import broadcast, num_processes, pick_device, process_group, process_rank
from .evaluate import evaluate, evaluate_pose
from .history import History, loss_names
from .logs import LOGS, json_bytes
from .loop import train
from .nonfinite import describe, replay
from .precision import AMP, AMP_HELP, told_dtype
from .priors_cli import add_priors_command, read_layout
from .recipes import RECIPES
from .record import RunRecord, versions

__all__ = ["add_commands", "open_dataset", "versions"]

SUMMARY = ("mAP", "mAP50", "AP", "AP50")  # what a finished training says of itself
DATA_HELP = "'shapes' (default), a COCO, VOC or CSV folder"
DEVICE_HELP = "cpu, cuda, cuda:1, mps; default: the best there is"

Prepared = tuple[Any, Any, Any, Callable[[Any], dict[str, float]] | None]


def open_both(args: argparse.Namespace, keypoints: bool = False) -> tuple[Any, Any]:
    """What is trained and what is scored on; None for the latter where nothing is to be scored."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BoxesSkipped)  # the border counts them among its findings
        train = open_dataset(args.data, "train", length=args.scenes, keypoints=keypoints)
        return train, None if args.no_eval else open_dataset(args.data, "val", keypoints=keypoints)


def prepare_detector(args: argparse.Namespace, seed: int) -> Prepared:
    """The detector that a command asks for, its data to train on and to score, and how."""
    if args.model.startswith("hrnetv2p"):
        raise ValueError(
            f"{args.model} is a pyramid without heads, there is no loss to train it by; "
            "ssd_hrnetv2p_w18 is the detector on it"
        )
    plain, validation = open_both(args)
    names = plain.class_names
    check_unique(names, f"{args.data}: classes")
    seen, _ = cross_border(plain, validation, args.exif_upright)
    if validation is not None:
        validation = match_names(validation, names, ("train", "val"))
    torch.manual_seed(seed)
    priors = {"priors": read_layout(args.priors)} if args.priors else {}
    model = create_model(args.model, num_classes=len(names), **priors)
    model.class_names = names
    size = model.config.image_size
    fitting = {"antialias": model.config.antialias, "letterbox": model.config.letterbox}
    if args.data == "shapes":
        # Scenes are drawn once; flips and crops make every epoch new.
        dataset = Cached(
            Shapes(length=args.scenes, size=size, objects=TRAIN_OBJECTS),
            transform=shapes_train_transform(size, **fitting),
        )
    else:
        dataset = plain
        for part in getattr(plain, "datasets", [plain]):
            part.transform = train_transform(size, **fitting)
    if seen is not None and (text := size_warning(seen, size, model.config.letterbox)):
        print(text)
    scorer = None if validation is None else (lambda m: evaluate(m, validation))
    return model, dataset, validation, scorer


def prepare_pose(args: argparse.Namespace, seed: int) -> Prepared:
    """The same for a pose network: its items are people."""
    if args.priors:
        raise ValueError(f"--priors: {args.model} finds key points and has no priors")
    scenes, validation = open_both(args, keypoints=True)
    cross_border(scenes, validation, args.exif_upright)
    settings = {}
    if (skeleton := getattr(scenes, "skeleton", None)) is not None:
        settings = pose_settings(scenes, getattr(args, "flip_pairs", None))
        for text in skeleton_differences(skeleton, validation):
            raise ValueError(text)
    torch.manual_seed(seed)
    model = create_model(args.model, **settings)
    model.joint_names = joint_names(scenes)
    joints = model.config.num_joints
    said = "" if validation is None else choose_sigmas(validation, joints)[1]
    if said and process_rank() == 0:
        print(said)
    if args.data == "shapes":
        people = KeypointCrops(Cached(scenes), model.config, SHAPES_AUGMENTATION)
    else:
        how = COCO_AUGMENTATION
        if model.config.flip_order is None:
            how = dataclasses.replace(how, flip=0.0)
            if process_rank() == 0:
                print(NOT_MIRRORED)
        people = KeypointCrops(scenes, model.config, how)
    scorer = None if validation is None else (lambda m: evaluate_pose(m, validation))
    return model, people, validation, scorer


def pose_settings(scenes: Any, pairs: str | None) -> dict[str, Any]:
    """Joints and mirror of a network for a file's key points."""
    joints, skeleton = scenes.num_joints, scenes.skeleton
    if not joints:
        raise ValueError(f"{scenes.file}: expected key points, got none")
    order = skeleton.order
    if pairs is not None:
        order = flip_order(parse_pairs(pairs), skeleton.names, joints)
    return {"num_joints": joints, "flip_order": order}


def joint_names(scenes: Any) -> tuple[str, ...] | None:
    """What the joints of a data set are called; None where nobody says."""
    skeleton = getattr(scenes, "skeleton", None)
    return KEYPOINT_NAMES if skeleton is None else skeleton.names or None


def skeleton_differences(ours: Skeleton, validation: Any) -> list[str]:
    """What the key points of training and validation do not share."""
    theirs = getattr(validation, "skeleton", ours)
    if theirs.names == ours.names:
        return []
    return [
        f"val: expected the key points of train, {', '.join(ours.names) or 'without names'}, got "
        f"{', '.join(theirs.names) or 'none with names'}"
    ]


def begin_with_backbone(args: argparse.Namespace, model: Any) -> None:
    """Give a new run the backbone of ``--backbone``; one that goes on has better weights."""
    goes_on = args.resume and broadcast(RunFolder(args.out).in_use)
    text = f"the run goes on from its checkpoint, {args.backbone} is not read"
    if not goes_on:
        text = f"{args.backbone}: {load_backbone(model, args.backbone)}"
    if process_rank() == 0:
        print(text)


def run_train(args: argparse.Namespace) -> None:
    """``[torchrun --nproc-per-node N] -m detlearn train MODEL --data DATA --out RUN``."""
    if args.recipe is not None and args.recipe not in RECIPES:
        raise ValueError(f"--recipe: expected one of {', '.join(RECIPES)}, got {args.recipe!r}")
    if args.init and args.backbone:
        raise ValueError(
            "--init: expected it alone, a trained detector brings its --backbone along"
        )
    config = RECIPES.get(args.recipe or args.model, TrainConfig())
    changes: dict[str, Any] = {
        field.name: tuple(value) if isinstance(value, list) else value
        for field in dataclasses.fields(config)
        if (value := getattr(args, field.name, None)) is not None
    }
    if len(changes.get("drop", ())) == 1:  # one for all milestones
        changes["drop"] = changes["drop"][0]
    config = dataclasses.replace(config, **changes)
    with process_group(args.device) as device:  # before the work of minutes, not after it
        prepare = prepare_pose if args.model.startswith("pose_") else prepare_detector
        model, dataset, validation, score = prepare(args, config.seed)
        if args.backbone is not None:
            begin_with_backbone(args, model)
        # A network that is taught through heat maps draws no boxes.
        draw = None if validation is None or prepare is prepare_pose else args.draw
        _train(args, config, device, model, dataset, score, draw and partial(draw, validation))


def _train(
    args: argparse.Namespace, config: TrainConfig, device: torch.device, model: Any, dataset: Any,
    score: Callable | None, draw: Callable | None,
) -> None:  # fmt: skip
    first, out = process_rank() == 0, Path(args.out)
    if first:
        _announce(args, config, device, model, dataset)
    asked = {
        "command": args.command_line, "model": args.model, "data": args.data,
        "config": dataclasses.asdict(config),
        "images": {"different": len(dataset), "seen": images_seen(dataset, config)},
    }  # fmt: skip
    record = RunRecord(out / "run.json", asked, resume=first and args.resume)

    def after_epoch(history: History, model: Any) -> None:
        record.write(history)
        if not args.quiet:
            print(f"epoch {len(history)}/{config.epochs}: {_epoch_line(history[-1])}")
        if draw is not None and args.samples:
            picture = out / "samples" / f"epoch-{len(history):03d}.png"
            try:
                draw(model, range(args.samples), picture)
            except OSError as error:  # no reason to end a training
                warnings.warn(f"{picture}: not written ({error})", stacklevel=1)

    history = train(
        model, dataset, config, out=out, resume=args.resume, init=args.init, evaluate=score,
        evaluate_every=args.evaluate_every, checkpoint_every=args.checkpoint_every, check=False,
        device=device, num_workers=args.num_workers, compile=args.compile, loggers=args.logger,
        at_start=record.write, after_epoch=after_epoch,
        progress=False if args.quiet else "bar" if sys.stderr.isatty() else "lines",
    )  # fmt: skip
    if first:
        record.write(history, finished=True)
        last, seconds = history[-1], record.content["seconds"]
        scores = "".join(f", {k} {last[k]:.3f}" for k in SUMMARY if k in last)
        print(f"trained in {seconds:.0f} s{scores}; weights: {out / 'model.safetensors'}")


def images_seen(dataset: Any, config: TrainConfig) -> int:
    """How many images a whole run shows to its network, repetitions counted."""
    return config.epochs * sum(len(batch) for batch in batch_indices(dataset, config, 0))


def _announce(
    args: argparse.Namespace, config: TrainConfig, device: torch.device, model: Any, dataset: Any
) -> None:
    """What a training is about to do."""
    processes = f" x {num_processes()} processes" if num_processes() > 1 else ""
    print(f"{args.model}: {sum(p.numel() for p in model.parameters()):,} parameters, "
          f"{len(dataset)} images, {config.epochs} epochs, {device}{processes}")  # fmt: skip
    if model.class_names:
        names = ", ".join(model.class_names[1:13])
        more = ", ..." if len(model.class_names) > 13 else ""
        print(f"{len(model.class_names) - 1} classes: {names}{more}")
    if args.resume and not RunFolder(args.out).in_use:
        print(f"{Path(args.out)}: there is no run to go on with; a new one begins")
    steps, recipe = len(batch_indices(dataset, config, 0)), RECIPES.get(args.recipe or args.model)
    if args.init is not None:
        recipe = None  # its learning rate is that of another beginning
        print(initial_advice(args.init, config, RECIPES.get(args.recipe or args.model),
                             goes_on=args.resume and RunFolder(args.out).in_use))  # fmt: skip
    for text in training_warnings(len(dataset), steps, config, recipe):
        print(text)


def _epoch_line(row: dict[str, float]) -> str:
    """An epoch in a line: parts of the loss, scores, seconds."""
    names = [*loss_names([row]), *(name for name in SUMMARY if name in row)]
    values = [f"{name} {row[name]:.3f}" for name in names]
    return ", ".join([*values, f"{row['seconds']:.0f} s"])


def run_replay(args: argparse.Namespace) -> None:
    """``python -m detlearn replay RUN/nonfinite``: the loss that stopped a run, image by image."""
    print(describe(replay(args.folder, args.device)))


def run_evaluate(args: argparse.Namespace) -> None:
    """``python -m detlearn evaluate --weights FILE --data DATA``."""
    device = pick_device(args.device)
    model = load_model(args.weights).to(device)
    computing = partial(predicting_in, model, told_dtype(device, args.amp))
    if isinstance(model, PoseHRNet):
        dataset = open_dataset(args.data, "val", keypoints=True)
        cross_border(None, dataset, args.exif_upright)
        match_joints(model, dataset, args.data)
        if said := choose_sigmas(dataset, model.config.num_joints)[1]:
            print(said)
        with computing():
            scores = evaluate_pose(model, dataset, progress=not args.quiet)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BoxesSkipped)
            dataset = open_dataset(args.data, "val")
        cross_border(None, dataset, args.exif_upright)
        dataset = match_names(dataset, model.class_names, (f"the weights {args.weights}", "val"))
        with computing():
            scores = evaluate(model, dataset, progress=not args.quiet)
    for name, value in scores.items():
        print(f"{name:<24}{value:8.4f}")
    if args.json:
        record = {"command": args.command_line, "versions": versions(), "scores": scores}
        write_atomically(Path(args.json), json_bytes(record))


def add_commands(commands: Any, draw: Callable | None = None) -> None:
    """Add ``train``, ``evaluate`` and ``replay`` to an argument parser's commands.

    Args:
        commands: of `argparse`.
        draw: called with data set, model, indices and a path to write sample detections to.
    """
    _add_train(commands, draw)
    add_priors_command(commands, DATA_HELP)
    p = commands.add_parser(
        "replay", help="a loss that was not a number, again", description=run_replay.__doc__
    )
    p.set_defaults(run=run_replay)
    p.add_argument("folder", metavar="RUN/nonfinite", help="what a stopped training kept")
    p.add_argument("--device", help=DEVICE_HELP)

    p = commands.add_parser("evaluate", help="score weights", description=run_evaluate.__doc__)
    p.set_defaults(run=run_evaluate)
    p.add_argument("--weights", required=True, help="a .safetensors file of this package")
    p.add_argument("--data", default="shapes", help=DATA_HELP)
    add_exif_option(p)
    p.add_argument("--amp", choices=AMP, default="auto", help=AMP_HELP)
    p.add_argument("--json", help="also write the scores, command and versions to this file")
    p.add_argument("--device", help=DEVICE_HELP)
    p.add_argument("--quiet", action="store_true", help="no progress bars")


def _add_train(commands: Any, draw: Callable | None) -> None:
    p = commands.add_parser("train", help="train a detector", description=run_train.__doc__)
    p.set_defaults(run=run_train, draw=draw)
    p.add_argument("model", choices=list_models(), metavar="MODEL", help=", ".join(list_models()))
    p.add_argument("--data", default="shapes", help=DATA_HELP)
    add_exif_option(p)
    p.add_argument("--out", required=True, help="folder for checkpoints, weights and history")
    p.add_argument("--resume", action="store_true", help="continue the run in --out")
    p.add_argument("--backbone", metavar="FILE", help="weights learned on ImageNet to begin with; "
                   "the command recipes says which")  # fmt: skip
    p.add_argument("--init", metavar="FILE", help="a trained detector to begin with, or the folder "
                   "of its run; its classes may be others")  # fmt: skip
    p.add_argument("--priors", metavar="FILE", help="a layout of your own, written by the command "
                   "priors")  # fmt: skip
    p.add_argument("--recipe", help="another than the model's own; the command recipes shows it")
    p.add_argument("--flip-pairs", metavar="0-1,2-3", help="joints that change places in a mirror "
                   "(none: all stay); default: what the file says")  # fmt: skip
    _add_recipe_fields(p)
    p.add_argument("--scenes", type=int, default=SHAPES_SCENES, help="scenes of Shapes to train on")
    p.add_argument(
        "--evaluate-every", type=int, default=5,
        help="epochs between two scores (default: 5; the last is always scored)",
    )  # fmt: skip
    p.add_argument("--no-eval", action="store_true", help="do not score while training")
    p.add_argument(
        "--checkpoint-every", type=int, default=200, help="steps between two checkpoints"
    )
    p.add_argument("--num-workers", type=int, default=0, help="processes that load data")
    p.add_argument("--compile", action="store_true", help="use torch.compile if it can be used")
    p.add_argument("--logger", action="append", choices=LOGS, default=[],
                   help="further files in --out; may be given twice")  # fmt: skip
    p.add_argument("--samples", type=int, default=8,
                   help="images drawn with detections after every epoch")  # fmt: skip
    p.add_argument("--device", help=DEVICE_HELP)
    p.add_argument("--quiet", action="store_true", help="no progress bars")


def _add_recipe_fields(parser: argparse.ArgumentParser) -> None:
    """An option for every field of `TrainConfig`."""
    recipe = parser.add_argument_group(
        "recipe", "what to change in it; detlearn.training.TrainConfig says what each means"
    )
    for field in dataclasses.fields(TrainConfig):
        kind, many = str(field.type), "tuple" in str(field.type)
        take: Any = {"int": int, "tuple[int, ...]": int, "bool": _yes_or_no}.get(kind)
        take = take or (float if "float" in kind else str)
        name = f"--{field.name.replace('_', '-')}"
        recipe.add_argument(name, type=take, nargs="+" if many else None, metavar=_metavar(kind))


def _metavar(kind: str) -> str:
    if "Literal" in kind:
        return "NAME"
    return "yes|no" if kind == "bool" else "N" if "int" in kind else "X"


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise argparse.ArgumentTypeError(f"expected yes or no, got {text!r}")
    return text == "yes"
