"""Time and memory of COCO train2017's annotations, and what a loader's worker copies of them.

    python benchmarks/annotations.py [--images 118287] [--boxes 860001] [--folder DIR]

The JSON is made here, with outlines as the real one has them; its pictures are links to a small
one.  "Private memory" is what a worker has for itself (Linux's ``Private_Dirty``): its growth over
an epoch is what it copied of the parent's objects by looking at them.
"""

import argparse
import json
import os
import random
import resource
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader

from detlearn.data import CocoDetectionDataset

SIZE = (64, 48)  # width, height, px
LINKS = 30_000  # to one file; file systems have a limit


def write_tree(folder: Path, images: int, boxes: int) -> Path:
    """A COCO folder of so many pictures and boxes; the same numbers for the same arguments."""
    (folder / "images").mkdir(parents=True)
    for number in range(images):
        original = folder / f"{number // LINKS}.png"
        if number % LINKS == 0:
            Image.new("RGB", SIZE).save(original)
        os.link(original, folder / "images" / f"{number:012}.png")
    g = random.Random(0)
    file = folder / "annotations.json"
    with open(file, "w", encoding="utf-8") as handle:
        handle.write('{"images": [')
        for number in range(images):
            entry = {"id": 5 * number, "file_name": f"{number:012}.png", "width": 64, "height": 48,
                     "license": 1, "coco_url": f"images.example/{number:012}.png"}  # fmt: skip
            handle.write((", " if number else "") + json.dumps(entry))
        handle.write('], "annotations": [')
        for number in range(boxes):
            x, y = round(g.uniform(0, 40), 2), round(g.uniform(0, 30), 2)
            entry = {"id": number, "image_id": 5 * g.randrange(images), "iscrowd": 0,
                     "category_id": g.randint(1, 80), "bbox": [x, y, 20.5, 15.25], "area": 200.125,
                     "segmentation": [[x + k / 8 for k in range(40)]]}  # fmt: skip
            handle.write((", " if number else "") + json.dumps(entry))
        categories = [{"id": k, "name": f"class {k}"} for k in range(1, 81)]
        handle.write(f'], "categories": {json.dumps(categories)}}}')
    return file


def private_mib(process: int) -> float:
    """Memory that a process shares with nobody, MiB."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    return sum(
        int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_Dirty")
    ) / 1024  # fmt: skip


def worker_growth(dataset: CocoDetectionDataset, workers: int) -> list[float]:
    """How much each worker's private memory grows from its first batch to its last, MiB."""
    loader = DataLoader(
        dataset, 64, num_workers=workers, collate_fn=len, persistent_workers=True,
        multiprocessing_context="fork",
    )  # fmt: skip
    batches, before = iter(loader), []
    for number, _ in enumerate(batches):
        if number == 2 * workers:
            before = [private_mib(one.pid) for one in batches._workers]
    return [private_mib(one.pid) - old for one, old in zip(batches._workers, before, strict=True)]


def main(arguments: list[str] | None = None) -> dict[str, float]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=118_287)
    parser.add_argument("--boxes", type=int, default=860_001)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", help="for the files; by default a temporary one")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        file = write_tree(Path(folder, "tree"), args.images, args.boxes)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        start = time.process_time()
        dataset = CocoDetectionDataset(file.parent / "images", file)
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{args.images} images, {args.boxes} boxes, {file.stat().st_size / 1e6:.0f} MB of JSON"
        )
        print(
            f"opened in {seconds:.1f} s of CPU; the process had {peak:.0f} MiB at most, "
            f"{before:.0f} before"
        )
        growth = worker_growth(dataset, args.workers)
        print(f"a worker's private memory grows by {max(growth):.1f} MiB an epoch")
    return {"seconds": seconds, "peak_mib": peak, "growth_mib": max(growth)}


if __name__ == "__main__":
    main()
