"""``python -m detlearn face-off RUN``: one's own network in the table of the face-off."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..models import load_model
from ..report import broken_rules, measure_standing, read_face_off, read_run
from ..report.face_off import TEST_SCENES, TUNE_SCENES
from ..report.verdicts import dead_sentence, face_off_table

__all__ = ["add_command", "measured", "run_face_off"]

MARK = "* "  # before the name of a row that is outside of the rules


def measured(model: Any, **scenes: int) -> dict[str, float]:
    """What the table says about a network.

    Args:
        model: a trained detector of Shapes.
        scenes: ``tune_scenes`` and ``test_scenes``, see `detlearn.report.measure_standing`.

    Returns:
        its scores, ``multiply_adds``, ``parameters``, ``milliseconds``.

    Raises:
        ValueError: it knows other classes than those of Shapes.
    """
    found = measure_standing(model, **scenes)
    side = model.config.image_size
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        model.eval()(torch.zeros(1, 3, side, side))
    return found["scores"] | {
        "multiply_adds": counter.get_total_flops() // 2,
        "parameters": sum(p.numel() for p in model.parameters()),
        "milliseconds": found["milliseconds"][0],
    }


def run_face_off(args: argparse.Namespace) -> int:
    """``python -m detlearn face-off RUN``: scores your network by the rules of chapter 12."""
    table = read_face_off(args.table)
    if args.out and os.path.isdir(args.out):
        raise ValueError(f"{args.out}: expected a file to write, it is a folder")
    run = read_run(args.folder)
    told = broken_rules(run, table.rules)
    if args.weights and run.folder.resolve() not in Path(args.weights).resolve().parents:
        told.append(f"weights: expected a file of the run's folder, got {args.weights}")
    if told and not args.anyway:
        raise ValueError(
            f"{run.folder}: may not stand in the table: {'; '.join(told)} "
            "(--anyway shows it, marked as outside of the rules)"
        )
    weights = args.weights or run.weights
    if weights is None:
        raise ValueError(f"{run.folder}: expected weights, the run has none yet; or --weights FILE")
    name = (MARK if told else "") + (run.folder.resolve().name or str(run.folder))
    while name in table.rows:
        name += " (yours)"
    own = measured(load_model(weights), tune_scenes=args.scenes[0], test_scenes=args.scenes[1])
    print(face_off_table(table, {name: own}))
    for sentence in told:
        print(f"{MARK}outside of the rules: {sentence}")
    if args.scenes != (TUNE_SCENES, TEST_SCENES):
        print(f"measured on {args.scenes[1]} scenes only: no score to compare")
    print(f"{name} is one run: without more seeds there is no interval, and no verdict.")
    print(dead_sentence(table))
    if args.out:
        from ..show import draw_trade_off

        scores = {row.name: list(row.scores["mAP"]) for row in table.rows.values()}
        costs = {row.name: row.multiply_adds / 1e6 for row in table.rows.values()}
        draw_trade_off(
            scores | {name: [own["mAP"]]}, costs | {name: own["multiply_adds"] / 1e6},
            x="million multiply-adds",
        ).save(args.out)  # fmt: skip
        print(args.out)
    return 0


def _scenes(text: str) -> tuple[int, int]:
    tune, test = (int(part) for part in text.split(","))
    return tune, test


def add_command(commands: Any) -> None:
    """Add ``face-off`` to an argument parser's commands."""
    p = commands.add_parser("face-off", help="your network in the table of chapter 12",
                            description=run_face_off.__doc__)  # fmt: skip
    p.set_defaults(run=run_face_off)
    p.add_argument("folder", metavar="RUN", help="a folder that train wrote (its --out)")
    p.add_argument("--weights", help="other weights of this run than its best")
    p.add_argument("--anyway", action="store_true",
                   help="show a run that breaks a rule, marked with a star")  # fmt: skip
    p.add_argument("--out", metavar="FILE", help="a picture to write: mAP against multiply-adds")
    p.add_argument("--table", help=argparse.SUPPRESS)
    p.add_argument("--scenes", type=_scenes, default=(TUNE_SCENES, TEST_SCENES),
                   help=argparse.SUPPRESS)  # fmt: skip
