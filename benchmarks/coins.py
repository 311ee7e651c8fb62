"""Chapter 05's coins with other seeds: learn the left half of a photograph, find the right half's.

    python benchmarks/coins.py --seeds 8

Windows, network and settings are those of the notebook's section on your own data.  The score is
that of the last epoch; the coins counted are those found with a score over 0.5, with an IoU of 0.5
or more with a box drawn by hand.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import torch
from torchvision.transforms.v2.functional import to_pil_image

from detlearn import create_model
from detlearn.data import CsvDetectionDataset, load_photo, train_transform
from detlearn.metrics import match_detections
from detlearn.training import TrainConfig, evaluate, train
from detlearn.training.cli import versions

HEIGHT, WIDTH = 152, 192  # px of a window


def write_windows(folder: Path, table: str, left: int, tops: range | tuple[int, ...]) -> None:
    """Pictures of a column of windows, and a table of the coins whose centre they hold."""
    image, target = load_photo("coins")
    x, y = (target["boxes"][:, :2] + target["boxes"][:, 2:]).unbind(1)
    rows = ["image,x1,y1,x2,y2,label"]
    for top in tops:
        name = f"{left}-{top}.png"
        to_pil_image(image[:, top : top + HEIGHT, left : left + WIDTH]).save(
            folder / "images" / name
        )
        inside = (x / 2 > left) & (x / 2 < left + WIDTH) & (y / 2 > top) & (y / 2 < top + HEIGHT)
        boxes = target["boxes"][inside] - torch.tensor([left, top, left, top])
        boxes = torch.minimum(boxes.clamp(min=0), torch.tensor([WIDTH, HEIGHT, WIDTH, HEIGHT]))
        rows += [",".join(map(str, [name, *box, "coin"])) for box in boxes.int().tolist()]
    (folder / table).write_text("\n".join(rows), encoding="utf-8")


def main() -> None:
    """Train with each seed, print a line for each, and the spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=8)
    args = parser.parse_args()
    torch.set_num_threads(1)
    scores = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        write_windows(folder, "train.csv", 0, range(0, 152, 10))
        write_windows(folder, "val.csv", 192, (0, 151))
        table = CsvDetectionDataset(
            folder / "images", folder / "train.csv", train_transform(128, zoom_out=1.5)
        )
        held_out = CsvDetectionDataset(
            folder / "images", folder / "val.csv", class_names=table.class_names
        )
        for seed in range(args.seeds):
            torch.manual_seed(seed)
            model = create_model("ssd_tiny", num_classes=2)
            config = TrainConfig(epochs=30, batch_size=4, learning_rate=5e-3, warmup_steps=20,
                                 schedule="flat", ema=0.9, amp="off", seed=seed)  # fmt: skip
            train(model, table, config, device="cpu", progress=False)
            scores.append(evaluate(model, held_out))
            coins = hits = 0
            for image, target in (held_out[index] for index in range(len(held_out))):
                found = model.detect([image], score_threshold=0.5)[0]
                match = match_detections(found["boxes"], found["scores"], target["boxes"])
                coins, hits = coins + len(target["boxes"]), hits + int(match.hits.sum())
            print(f"seed {seed}: mAP50 {scores[-1]['mAP50']:.3f}, mAP {scores[-1]['mAP']:.3f}, "
                  f"{hits} of {coins} coins", flush=True)  # fmt: skip
    for key in ("mAP50", "mAP"):
        values = [one[key] for one in scores]
        print(f"{key}: {statistics.mean(values):.3f} ({min(values):.3f} to {max(values):.3f})")
    print(", ".join(f"{key} {value}" for key, value in versions().items()))


if __name__ == "__main__":
    main()
