"""What `ssd_tiny` learns on two CPU cores in a minute and a half, from nothing.

    python benchmarks/ninety_seconds.py

Draws 3,200 full scenes, trains on them twice, and scores the shipped validation split.  The time
counts training only: drawing the scenes (some 15 s on one core) comes before it.
"""

import argparse
import dataclasses

import torch

from detlearn import create_model
from detlearn.data import Cached, Shapes, shapes_train_transform
from detlearn.training import RECIPES, evaluate, train
from detlearn.training.cli import open_dataset, versions


def main() -> None:
    """Train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=3200)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = dataclasses.replace(RECIPES["ssd_tiny"], epochs=args.epochs, seed=args.seed)
    scenes = Cached(Shapes(args.scenes, objects=(9, 16)), transform=shapes_train_transform(128))
    torch.manual_seed(args.seed)
    model = create_model("ssd_tiny")
    history = train(model, scenes, config, device="cpu", progress=False)
    scores = evaluate(model, open_dataset("shapes", "val"), class_names=Shapes.class_names)
    seconds = sum(row["seconds"] for row in history)
    print(f"seed {args.seed}: {args.epochs} x {args.scenes} scenes in {seconds:.0f} s: "
          f"mAP50 {scores['mAP50']:.3f}, mAP {scores['mAP']:.3f}")  # fmt: skip
    print(", ".join(f"{name} {value}" for name, value in versions().items()))


if __name__ == "__main__":
    main()
