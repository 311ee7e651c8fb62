"""Scenes to score, and how faster-coco-eval scores them: `side_by_side.py` compares it with us."""

import numpy as np
import torch
from torch import Tensor

from detlearn.boxes import xyxy_to_xywh
from detlearn.metrics import COCO_AREAS

CLASSES = 80


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
