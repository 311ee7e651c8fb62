"""The shell command ``priors``: what covers how many objects of your data, and a better layout."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import create_model
from ..boxes import PriorConfig, layout_from_json, layout_to_json, propose_layout
from ..data import coverage_by_shape, input_boxes, open_dataset, text_histogram
from ..data.options import add_exif_option
from ..data.targets import BoxesSkipped
from ..files import write_atomically
from .before import cross_border

__all__ = ["add_priors_command", "read_layout", "run_priors"]

PIXELS = (0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1)  # of the input's side
RATIOS = (0.1, 0.2, 1 / 3, 0.5, 1 / 1.4, 1.4, 2, 3, 5, 10)


def read_layout(file: str) -> PriorConfig:
    """The layout that ``python -m detlearn priors`` has written.

    Args:
        file: path of the JSON.

    Raises:
        ValueError: naming the file, and what is wrong in it.
    """
    try:
        text = Path(file).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: expected a layout of `priors`, got no text ({error})") from error
    return layout_from_json(text, file)


def run_priors(args: argparse.Namespace) -> None:
    """``python -m detlearn priors FOLDER``: histograms, coverage, and a layout that suits."""
    if not 0 < args.target <= 1:
        raise ValueError(f"--target: expected a share above 0, at most 1, got {args.target}")
    if args.images < 1:
        raise ValueError(f"--images: expected a positive number, got {args.images}")
    with torch.device("meta"):  # only its numbers are asked for
        config = create_model(args.model).config
    if not hasattr(config, "priors"):
        raise ValueError(f"--model: {args.model} has no priors")

    def boxes_of(split: str) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BoxesSkipped)  # the border counts them
            dataset = open_dataset(args.data, split, length=args.images)
        if split == "train":
            cross_border(dataset, None, args.exif_upright)
        else:
            cross_border(None, dataset, args.exif_upright)
        return input_boxes(dataset, letterbox=config.letterbox, most=args.images)

    boxes = boxes_of("train")
    try:
        unseen = boxes_of("val")
    except (ValueError, OSError) as error:
        print(f"measured on the boxes that it is made for; there are no others ({error})")
        unseen = boxes
    sides = config.image_size * (boxes[:, 2:] - boxes[:, :2])  # (G, 2) px
    edges = [config.image_size * part for part in PIXELS]
    print(f"{len(boxes):,} objects in the {config.image_size} px input of {args.model}")
    for name, values in (("width, px", sides[:, 0]), ("height, px", sides[:, 1])):
        print(f"\n{name}\n{text_histogram(values, edges)}")
    print(f"\nwidth : height\n{text_histogram(sides[:, 0] / sides[:, 1], RATIOS)}")

    mine = propose_layout(boxes, config.priors, target=args.target)
    where = "val" if unseen is not boxes else "train"
    print(f"\ncovered at IoU 0.5, of the {len(unseen):,} objects of {where}:\n")
    _print_coverage(unseen, {args.model: config.priors, "proposed": mine})
    for name in ("min_sizes", "max_sizes", "aspect_ratios"):
        print(f"{name:14}{getattr(mine, name)}")
    write_atomically(Path(args.out), (layout_to_json(mine) + "\n").encode())
    print(f"\nwritten: {args.out}; train with it:\n"
          f"python -m detlearn train {args.model} --data {args.data} --priors {args.out} "
          "--out runs/mine")  # fmt: skip


def _print_coverage(boxes: Tensor, layouts: dict[str, PriorConfig]) -> None:
    """A table: a row for all objects, for each size and each ratio; a column for each layout."""
    columns = [coverage_by_shape(boxes, layout) for layout in layouts.values()]
    print(f"{'':26}{'objects':>8}" + "".join(f"{name:>18}" for name in layouts))
    for rows in zip(*columns, strict=True):
        shares = "".join(f"{100 * row.covered:16.1f} %" for row in rows)
        print(f"{rows[0].name:26}{rows[0].objects:8}{shares}")
    counts = "".join(f"{layout.num_priors:18,}" for layout in layouts.values())
    print(f"{'priors':34}{counts}\n")


def add_priors_command(commands: Any, data_help: str) -> None:
    """Add ``priors`` to an argument parser's commands.

    Args:
        commands: of `argparse`.
        data_help: what is said of the folder.
    """
    p = commands.add_parser(
        "priors", help="a prior layout for your own boxes", description=run_priors.__doc__
    )
    p.set_defaults(run=run_priors)
    p.add_argument("data", metavar="FOLDER", help=data_help)
    add_exif_option(p)
    p.add_argument("--model", default="ssd_tiny", help="whose maps to use (default: ssd_tiny)")
    p.add_argument("--out", default="priors.json", help="file to write (default: priors.json)")
    p.add_argument("--images", type=int, default=2000,
                   help="read at most so many of a part (default: 2000)")  # fmt: skip
    p.add_argument("--target", type=float, default=0.98,
                   help="share of objects that is enough (default: 0.98)")  # fmt: skip
