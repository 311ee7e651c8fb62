"""What the tests of the metrics have in common: small and random detections and targets."""

import pytest
import torch
from torch import Tensor

from detlearn.metrics import (
    coco_evaluate,
    coco_map_by_hand,
    voc_evaluate,
)

NAMES = ("background", "cat", "dog")
EVALUATORS = pytest.mark.parametrize("evaluate", [voc_evaluate, coco_evaluate, coco_map_by_hand])
HEADLINES = ["mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large", "AR100"]


def detection(*rows: tuple) -> dict[str, Tensor]:
    """Rows (x1, y1, x2, y2, score, label)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    return {"boxes": table[:, :4], "scores": table[:, 4], "labels": table[:, 5].long()}


def target(*rows: tuple, **more) -> dict:
    """Rows (x1, y1, x2, y2, label)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 5)
    return {"boxes": table[:, :4], "labels": table[:, 4].long(), **more}


def same(a: dict[str, float], b: dict[str, float], tolerance: float = 1e-6) -> None:
    assert list(a) == list(b)
    for key in a:
        assert a[key] == pytest.approx(b[key], abs=tolerance, nan_ok=True), key


NOTHING = detection()
CAT, DOG = (0, 0, 10, 10, 1), (20, 0, 30, 10, 2)
RIGHT = detection((0, 0, 10, 10, 0.9, 1))


def random_scenes(seed: int, images=6, k=4, most_boxes=30, most_objects=8, grid=1.0):
    """Detections around objects, on a grid: many duplicates, equal scores, IoUs at thresholds."""
    g = torch.Generator().manual_seed(seed)

    def whole(low: int, high: int, *shape: int) -> Tensor:
        return torch.randint(low, high, shape, generator=g)

    detections, targets = [], []
    for _ in range(images):
        G, D = int(whole(0, most_objects + 1)), int(whole(0, most_boxes + 1))
        corner, size = whole(0, 200, G, 2), whole(5, 130, G, 2)
        objects, labels = torch.cat([corner, corner + size], 1) / grid, whole(1, k, G)
        if G:
            source = whole(0, G, D)
            moved = objects[source] + whole(-8, 9, D, 4) / grid
            boxes = torch.cat(
                [moved[:, :2].minimum(moved[:, 2:]), moved[:, :2].maximum(moved[:, 2:])], 1
            )
            found = torch.where(torch.rand(D, generator=g) < 0.8, labels[source], whole(1, k, D))
        else:
            corner = 100 * torch.rand(D, 2, generator=g)
            boxes = torch.cat([corner, corner + 100 * torch.rand(D, 2, generator=g)], 1)
            found = whole(1, k, D)
        detections.append({"boxes": boxes, "scores": whole(0, 12, D) / 12, "labels": found})
        targets.append(
            {
                "boxes": objects,
                "labels": labels,
                "iscrowd": (torch.rand(G, generator=g) < 0.15).long(),
                "difficult": (torch.rand(G, generator=g) < 0.2).long(),
            }
        )
    return detections, targets


def scenes(seed: int, images: int = 12) -> tuple[list, list]:
    """Images with up to 8 objects of 3 classes and all sizes, and detections near them or not."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    found, truth = [], []
    for image in range(images):
        G, D = (int(n) for n in torch.randint(0, 9, (2,), generator=generator))
        corner = 200 * draw(G, 2)
        boxes = torch.cat([corner, corner + 5 + 150 * draw(G, 2) ** 3], dim=1)
        labels = torch.randint(1, 4, (G,), generator=generator)
        truth.append({"boxes": boxes, "labels": labels, "image_id": image})
        source = torch.randint(0, max(G, 1), (D if G else 0,), generator=generator)
        near = boxes[source] + 6 * draw(len(source), 4)
        near[:, 2:] = torch.maximum(near[:, 2:], near[:, :2])
        same_label = draw(len(source)) < 0.7
        said = torch.where(
            same_label, labels[source], torch.randint(1, 4, source.shape, generator=generator)
        )
        found.append({"boxes": near, "labels": said, "scores": draw(len(source))})
    return found, truth
