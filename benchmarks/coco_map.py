"""COCO's mean average precision of 2,000 images with 100 detections each, beside faster-coco-eval.

    python benchmarks/coco_map.py [--images 2000] [--pairs 5]

Both are given the same tensors, and their scores are compared before any clock starts.  A pair of
runs is A B B A, ours and theirs in turn, so that a slow minute of the machine hits both; a ratio is
the CPU time of ours by that of theirs, one thread each.  Our two references (hotcoco where it is
installed, pycocotools) stand in rows of their own; pycocotools takes so long that it runs one pair.
"""

import argparse
import importlib.metadata
import math
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # hotcoco's threads; read when it is loaded

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import xyxy_to_xywh
from detlearn.metrics import COCO_AREAS, coco_evaluate

CLASSES = 80
PEER = "faster-coco-eval"


def make_scenes(images: int, per_image: int = 100) -> tuple[list, list, list[str]]:
    """Detections near objects and of the right class more often than not, as of a weak detector."""
    g = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=g)

    detections, targets = [], []
    for image in range(images):
        G = int(torch.randint(1, 15, (1,), generator=g))
        corner = 500 * draw(G, 2)
        boxes = torch.cat([corner, corner + 10 + 200 * draw(G, 2) ** 2], dim=1)  # (G, 4)
        labels = torch.randint(1, CLASSES + 1, (G,), generator=g)
        source = torch.randint(0, G, (per_image,), generator=g)
        sizes = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)[source]  # (D, 4)
        near = boxes[source] + sizes * (draw(per_image, 1) * (draw(per_image, 4) - 0.5))
        near[:, 2:] = torch.maximum(near[:, 2:], near[:, :2] + 1)
        others = torch.randint(1, CLASSES + 1, (per_image,), generator=g)
        said = torch.where(draw(per_image) < 0.7, labels[source], others)
        detections.append({"boxes": near, "scores": draw(per_image), "labels": said})
        crowd = (draw(G) < 0.03).long()
        targets.append({"boxes": boxes, "labels": labels, "iscrowd": crowd, "image_id": image})
    return detections, targets, ["background", *(f"class {k}" for k in range(1, CLASSES + 1))]


def by_the_peer(detections: list, targets: list, class_names: list[str]) -> dict[str, float]:
    """What `coco_evaluate` gives, by faster-coco-eval; its input is made in the fastest way."""
    from faster_coco_eval import COCO, COCOeval_faster

    annotations = []
    for target in targets:
        boxes = xyxy_to_xywh(target["boxes"].double())  # (G, 4)
        columns = (boxes.tolist(), target["labels"].tolist(), boxes[:, 2:].prod(dim=1).tolist(),
                   target["iscrowd"].tolist())  # fmt: skip
        annotations += [
            {"id": len(annotations) + i, "image_id": target["image_id"], "bbox": box,
             "category_id": label, "area": area, "iscrowd": crowd}
            for i, (box, label, area, crowd) in enumerate(zip(*columns, strict=True), start=1)
        ]  # fmt: skip
    truth = COCO({
        "images": [{"id": target["image_id"]} for target in targets],
        "categories": [{"id": k, "name": name} for k, name in enumerate(class_names) if k],
        "annotations": annotations,
    })  # fmt: skip
    counts = [len(detection["boxes"]) for detection in detections]
    ids = np.repeat([target["image_id"] for target in targets], counts)
    boxes = xyxy_to_xywh(torch.cat([d["boxes"] for d in detections]).double()).numpy()
    scores, labels = (
        torch.cat([d[key] for d in detections]).double().numpy() for key in ("scores", "labels")
    )
    result = truth.loadRes(np.column_stack([ids, boxes, scores, labels]))
    evaluation = COCOeval_faster(truth, result, iouType="bbox")
    evaluation.params.maxDets = [100]
    evaluation.params.areaRng = [list(bounds) for bounds in COCO_AREAS.values()]
    evaluation.params.areaRngLbl = list(COCO_AREAS)
    evaluation.evaluate()
    evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0]  # (T, 101, K - 1, A)
    precision = np.where(precision < 0, np.nan, precision)
    recall = evaluation.eval["recall"][:, :, 0, 0]
    sizes = [float(np.nanmean(precision[..., a])) for a in range(4)]
    per_class = torch.from_numpy(precision[..., 0]).nanmean(dim=(0, 1)).tolist()  # absent: NaN
    return {
        "mAP": sizes[0],
        "mAP50": float(np.nanmean(precision[0, ..., 0])),
        "mAP75": float(np.nanmean(precision[5, ..., 0])),
        "mAP_small": sizes[1],
        "mAP_medium": sizes[2],
        "mAP_large": sizes[3],
        "AR100": float(np.nanmean(np.where(recall < 0, np.nan, recall))),
        **{f"AP/{name}": ap for name, ap in zip(class_names[1:], per_class, strict=True)},
    }


def largest_difference(ours: dict[str, float], theirs: dict[str, float]) -> float:
    """Of all scores; infinite where one is NaN and the other is not.

    Raises:
        ValueError: they are not the same scores.
    """
    if list(ours) != list(theirs):
        raise ValueError(f"expected the same scores, got {list(ours)} and {list(theirs)}")
    apart = 0.0
    for key, value in ours.items():
        if math.isnan(value) != math.isnan(theirs[key]):
            return math.inf
        if not math.isnan(value):
            apart = max(apart, abs(value - theirs[key]))
    return apart


def cpu_seconds(run: Callable[[], object]) -> float:
    """CPU time of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def ratios(
    ours: Callable[[], object], theirs: Callable[[], object], pairs: int
) -> tuple[list[float], float, float]:
    """CPU time of ours by theirs, A B B A for each pair; and the medians of both, in seconds."""
    found, seconds = [], ([], [])
    for _ in range(pairs):
        a, b, c, d = (cpu_seconds(run) for run in (ours, theirs, theirs, ours))
        found.append((a + d) / (b + c))
        seconds[0].extend((a, d))
        seconds[1].extend((b, c))
    return found, statistics.median(seconds[0]), statistics.median(seconds[1])


def version(package: str) -> str | None:
    """Of an installed package; None where it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--pairs", type=int, default=5, help="runs A B B A")
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    if version(PEER) is None:
        print(f"{PEER} is not installed (pip install {PEER}): nothing to stand beside")
        return
    scenes = make_scenes(args.images)
    expected = by_the_peer(*scenes)
    print(f"{args.images} images of 100 detections; CPU time, ours / {PEER} {version(PEER)}")
    for backend in ("hotcoco", "pycocotools"):
        if version(backend) is None:
            print(f"{backend} is not installed (pip install {backend}): no row of it")
            continue

        def ours(backend: str = backend) -> dict[str, float]:
            return coco_evaluate(*scenes, backend=backend)  # type: ignore[arg-type]

        apart = largest_difference(ours(), expected)
        if apart > 1e-12:
            raise SystemExit(f"{backend}: a score differs by {apart}: no time is compared")
        pairs = args.pairs if backend == "hotcoco" else 1
        found, mine, theirs = ratios(ours, lambda: by_the_peer(*scenes), pairs)
        print(
            f"{backend:12} {version(backend):8} ratio {statistics.median(found):.2f} "
            f"({min(found):.2f} to {max(found):.2f}), {mine:.2f} s / {theirs:.2f} s, "
            f"scores equal to {apart:.0e}"
        )


if __name__ == "__main__":
    main()
