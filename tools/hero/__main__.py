"""`python -m tools.hero`: write the README's picture."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from detlearn.files import write_atomically
from tools.hero.content import choose_scene, ground_truth, model_answers
from tools.hero.drawing import draw_hero

SEED = 7  # neither training nor validation is drawn with it
SIZE = 512  # px of the scene; the model sees its own size


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the picture; `--help` names the options."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.hero", description="Make the README's picture."
    )
    parser.add_argument("--out", type=Path, default=Path("docs") / "hero.png")
    parser.add_argument("--weights", type=Path, help="safetensors; the shipped ones when omitted")
    parser.add_argument("--scene", type=int, help="index of the scene; chosen when omitted")
    options = parser.parse_args(arguments)

    from detlearn.data import Shapes, data_path

    index = options.scene
    if index is None:
        index = choose_scene(Shapes(length=400, seed=SEED))
    dataset = Shapes(length=index + 1, size=SIZE, seed=SEED)
    image, target = dataset[index]
    where = f"Scene {index} of the embedded data set Shapes, seed {SEED}"
    weights = options.weights
    if weights is None:
        try:
            weights = data_path("weights", "ssd_tiny.safetensors")
        except (FileNotFoundError, ValueError):
            weights = None
    if weights is not None and Path(weights).exists():
        from detlearn import load_model

        model = load_model(weights)
        content = model_answers(
            model, image, dataset.class_names, f"{where}, seen by {Path(weights).name}"
        )
    else:
        content = ground_truth(image, target, dataset.class_names, where)
    png = draw_hero(content)
    write_atomically(options.out, png)
    print(f"{options.out}: {len(png) / 1000:.0f} kB. {content.caption}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
