"""Whether the pictures come faster than a CPU can learn from them: two loaders, two networks.

    python benchmarks/loading.py --at-least 2

Loading alone, as `detlearn.training` does it and with the augmentation of ``detlearn train``: drawn
scenes of Shapes, and a folder in PASCAL VOC's layout with JPEGs of 500 x 375 px, which the script
cuts out of the course's photographs.  Training alone: the same batches, lying in memory.  Each on
one thread; with workers, one thread in each of them.  With ``--at-least`` the command fails if
loading, without workers, is not so many times as fast as training.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from detlearn import create_model
from detlearn.data import (
    TRAIN_OBJECTS,
    VOC_CLASS_NAMES,
    Cached,
    Shapes,
    VocDetectionDataset,
    load_photo,
    photo_names,
    shapes_train_transform,
    train_transform,
)
from detlearn.training import TrainConfig, build_optimizer, train_step
from detlearn.training.batches import load_batches
from detlearn.training.cli import versions

CPU = torch.device("cpu")
WORKERS = (0, 2)
CONFIG = TrainConfig(batch_size=8, optimizer="sgd", learning_rate=1e-4)
WIDTH, HEIGHT = 500, 375  # what most pictures of VOC have

OBJECT = """<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{0}</xmin>\
<ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


def write_voc_tree(root: Path, pictures: int) -> None:
    """A folder in the layout of VOC 2012 with windows of photographs and three boxes in each."""
    base = root / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (base / folder).mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)

    def draw(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, (), generator=generator))

    loaded = [load_photo(name)[0] for name in photo_names()]
    photos = [Image.fromarray(photo.permute(1, 2, 0).numpy()) for photo in loaded]
    names = [f"{number:06}" for number in range(pictures)]
    for name, photo in zip(names, itertools.cycle(photos), strict=False):
        side = min(photo.width // 4, photo.height // 3) * draw(60, 100) // 100
        w, h = 4 * side, 3 * side
        left, top = draw(0, photo.width - w), draw(0, photo.height - h)
        window = photo.resize((WIDTH, HEIGHT), box=(left, top, left + w, top + h))
        window.save(base / "JPEGImages" / f"{name}.jpg", quality=90)
        objects = ""
        for _ in range(3):
            x, y = draw(1, 350), draw(1, 250)
            box = (x, y, x + draw(20, 150), y + draw(20, 125))
            objects += OBJECT.format(*box, name=VOC_CLASS_NAMES[draw(1, 20)])
        text = f"<annotation><filename>{name}.jpg</filename>{objects}</annotation>"
        (base / "Annotations" / f"{name}.xml").write_text(text, encoding="utf-8")
    listed = "\n".join(names) + "\n"
    (base / "ImageSets" / "Main" / "trainval.txt").write_text(listed, encoding="utf-8")


def loading_rate(dataset: Any, num_workers: int) -> float:
    """Images a second of an epoch, the start of the workers included."""
    start = time.perf_counter()
    batches = load_batches(dataset, CONFIG, epoch=0, start=0, num_workers=num_workers, device=CPU)
    images = sum(len(batch) for batch, _ in batches)
    return images / (time.perf_counter() - start)


def training_rate(name: str, dataset: Any, steps: int) -> float:
    """Images a second of `train_step`, after one that warms up."""
    torch.manual_seed(0)
    model = create_model(name, num_classes=len(dataset.class_names))
    model.train().to(memory_format=torch.channels_last)
    optimizer = build_optimizer(model, CONFIG)
    loaded = load_batches(dataset, CONFIG, epoch=0, start=0, num_workers=0, device=CPU)
    batches: list[tuple[Tensor, list[dict[str, Tensor]]]] = list(
        itertools.islice(loaded, 1 + steps)
    )
    train_step(model, *batches[0], optimizer, CONFIG.clip_norm)
    start = time.perf_counter()
    for images, targets in batches[1:]:
        train_step(model, images, targets, optimizer, CONFIG.clip_norm)
    return CONFIG.batch_size * len(batches[1:]) / (time.perf_counter() - start)


def main(argv: Sequence[str] | None = None) -> None:
    """Print both tables; exit 1 if loading is too slow."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=1600, help="of Shapes")
    parser.add_argument("--pictures", type=int, default=160, help="of the VOC tree")
    parser.add_argument("--steps", type=int, default=20, help="of training on Shapes; VOC: a tenth")
    parser.add_argument("--voc-model", default="ssdlite300_mobilenet_v2")
    parser.add_argument("--at-least", type=float, default=0.0, help="loading over training")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    slow = []
    with tempfile.TemporaryDirectory() as folder:
        write_voc_tree(Path(folder), args.pictures)
        size = create_model("ssd_tiny").config.image_size
        scenes = Shapes(args.scenes, size=size, objects=TRAIN_OBJECTS)
        config = create_model(args.voc_model).config
        voc_transform = train_transform(config.image_size, antialias=config.antialias)
        cases = [
            ("Shapes, drawn once", "ssd_tiny", args.steps,
             Cached(scenes, transform=shapes_train_transform(size))),
            (f"VOC tree of {WIDTH} x {HEIGHT} JPEGs", args.voc_model, max(1, args.steps // 10),
             VocDetectionDataset(folder, "2012", "trainval", voc_transform)),
        ]  # fmt: skip
        for words, model, steps, dataset in cases:
            learned = training_rate(model, dataset, steps)
            print(f"{words}: {model} trains on {learned:,.1f} images a second")
            for workers in WORKERS:
                loaded = loading_rate(dataset, workers)
                ratio = loaded / learned
                print(f"  loading alone, {workers} workers {loaded:9,.1f} images a second: "
                      f"{ratio:6.1f} times as many")  # fmt: skip
                if workers == 0 and ratio < args.at_least:
                    slow.append(words)
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    print(f"one thread each (OMP_NUM_THREADS {threads})")
    print(", ".join(f"{name} {value}" for name, value in versions().items()))
    if slow:
        sys.exit(f"loading is less than {args.at_least:g} times as fast as training: {slow}")


if __name__ == "__main__":
    main()
