"""Collect runs that differ in their seed, ship the first, and write down what all of them reached.

    python -m detlearn train ssd_tiny --data shapes --out runs/seed0 --seed 0    (likewise 1 and 2)
    python benchmarks/seeds.py runs/seed0 runs/seed1 runs/seed2 --out data/weights

Writes `ssd_tiny.safetensors` (of the first run, not of the best; in half precision, which keeps it
under 2 MB) and `ssd_tiny.json`.  The scores are those of the weights in half precision: COCO's mAP
for a detector, OKS-AP in the true boxes for a pose network.
"""

import argparse
import json
import statistics
from pathlib import Path

from detlearn import load_model, save_model
from detlearn.files import write_atomically
from detlearn.models import Detector, PoseHRNet
from detlearn.training import evaluate, evaluate_pose
from detlearn.training.cli import open_dataset


def half_precision(model: Detector | PoseHRNet) -> Detector | PoseHRNet:
    """The same model, its weights rounded to 16 bits (and kept in 32)."""
    state = {
        name: value.half().to(value.dtype) if value.is_floating_point() else value
        for name, value in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model


def main() -> None:
    """Score every run again, and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, default=Path("data/weights"))
    args = parser.parse_args()
    runs, models, main_scores = [], [], ("mAP", "mAP50")
    for run in args.runs:
        model = half_precision(load_model(run / "model.safetensors"))
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
        if isinstance(model, PoseHRNet):
            main_scores = ("AP", "AP50")
            scores = evaluate_pose(model, open_dataset("shapes", "val", keypoints=True))
        else:
            scores = evaluate(model, open_dataset("shapes", "val"))
        scores = {name: round(value, 4) for name, value in scores.items() if value == value}
        runs.append({**record, "scores": scores})
        models.append(model)
        print(f"{run}: " + ", ".join(f"{name} {scores[name]:.3f}" for name in main_scores))
    summary = {}
    for name in main_scores:
        values = [run["scores"][name] for run in runs]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        summary[name] = {"mean": round(statistics.mean(values), 4), "sd": round(spread, 4)}
        print(
            f"{name}: {summary[name]['mean']:.3f} ± {summary[name]['sd']:.3f} ({len(values)} seeds)"
        )
    name = models[0].config.name
    save_model(models[0].half(), args.out / f"{name}.safetensors", {"record": f"{name}.json"})
    content = {"shipped": str(args.runs[0].name), "data": "data/shapes_val", "summary": summary}
    text = json.dumps({**content, "runs": runs}, indent=1) + "\n"
    write_atomically(args.out / f"{name}.json", text.encode())


if __name__ == "__main__":
    main()
