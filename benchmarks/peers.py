"""The rows of `side_by_side.py`: the same work by us and by others, with the same inputs.

Of the published repositories that the course follows none can be installed.  What they do is
compared with torchvision's and timm's equivalent, or with the same algorithm written plainly in
NumPy (`plain_soft_nms`); a row's peer says which.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import coco_map
import numpy as np
import torch
from pairs import Case, largest_difference
from torch import Tensor

from detlearn import create_model, load_model, load_reference_weights
from detlearn.boxes import (
    SSD300_COCO_PRIORS,
    cxcywh_to_xyxy,
    make_batch_targets,
    make_priors,
    select_soft,
)
from detlearn.data import Shapes, data_path
from detlearn.metrics import coco_evaluate
from detlearn.models import Predictions
from detlearn.models.modes import predicting_in
from detlearn.training import TrainConfig, build_optimizer, train_step
from detlearn.training.precision import Precision, cpu_has_bf16

CPU = torch.device("cpu")
SIZE, MAPS = 300, (38, 19, 10, 5, 3, 1)


@dataclass(frozen=True)
class Row:
    """A row: what is compared, what the ratio shall be at most, and what must be installed.

    Where the memory that a network happens to lie in decides as much as its code, the row is made
    and measured in several rounds, each in a process of its own.
    """

    name: str
    target: float
    make: Callable[[], Case | str]
    needs: tuple[str, ...] = ()
    rounds: int = 1


def relative(ours: Any, theirs: Any) -> float:
    """The largest difference, by the largest number of theirs."""
    largest = max(float(part.abs().max()) for part in theirs)
    return largest_difference(list(ours), list(theirs)) / largest


# ---------------------------------------------------------------- torchvision
def torchvision_ssd() -> Any:
    """Its SSD300, with random weights."""
    torch.manual_seed(0)
    detection = importlib.import_module("torchvision.models.detection")
    return detection.ssd300_vgg16(weights=None, weights_backbone=None).eval()


def torchvision_anchors(network: Any, batch: int) -> list[Tensor]:
    """Its priors of each image, (8732, 4) xyxy px."""
    image_list = importlib.import_module("torchvision.models.detection.image_list").ImageList
    images = image_list(torch.zeros(batch, 3, SIZE, SIZE), [(SIZE, SIZE)] * batch)
    return network.anchor_generator(images, [torch.zeros(1, 1, side, side) for side in MAPS])


def random_targets(batch: int) -> list[dict[str, Tensor]]:
    """Eight boxes an image, px of the (300, 300) input."""
    g = torch.Generator().manual_seed(1)
    targets = []
    for _ in range(batch):
        corner = 180 * torch.rand(8, 2, generator=g)
        size = SIZE * (0.1 + 0.3 * torch.rand(8, 2, generator=g))
        labels = torch.randint(1, 91, (8,), generator=g)
        targets.append({"boxes": torch.cat([corner, corner + size], dim=1), "labels": labels})
    return targets


def ssd_forward() -> Case:
    """SSD300's network, one image."""
    theirs, ours = torchvision_ssd(), create_model("ssd300_vgg16").eval()
    load_reference_weights(ours, theirs.state_dict(), source="torchvision")
    images = 50 * torch.randn(1, 3, SIZE, SIZE)

    @torch.inference_mode()
    def by_them() -> tuple[Tensor, Tensor]:
        said = theirs.head(list(theirs.backbone(images).values()))
        return said["cls_logits"], said["bbox_regression"]

    ours_now = torch.inference_mode()(lambda: tuple(ours(images)))
    return Case(ours_now, by_them, "torchvision", relative, 1e-4, pairs=3)


def ssd_priors() -> Case:
    """All 8,732 priors of SSD300."""
    theirs = torchvision_ssd()

    def apart(ours: Tensor, them: list[Tensor]) -> float:
        return largest_difference(SIZE * cxcywh_to_xyxy(ours), them[0])

    return Case(
        lambda: make_priors(SSD300_COCO_PRIORS),
        lambda: torchvision_anchors(theirs, 1), "torchvision", apart, 1e-3,
    )  # fmt: skip


def ssd_matching() -> Case:
    """Priors to targets, eight images."""
    theirs, targets = torchvision_ssd(), random_targets(8)
    anchors, priors = torchvision_anchors(theirs, 8), make_priors(SSD300_COCO_PRIORS)
    overlap = importlib.import_module("torchvision.ops").box_iou
    fractions = [(target["boxes"] / SIZE, target["labels"]) for target in targets]

    def by_them() -> tuple[Tensor, Tensor]:
        labels, deltas = [], []
        for target, boxes in zip(targets, anchors, strict=True):
            index = theirs.proposal_matcher(overlap(target["boxes"], boxes))
            found = torch.where(index >= 0)[0]
            own = torch.zeros(len(boxes), dtype=torch.int64)
            own[found] = target["labels"][index[found]]
            moves = torch.zeros(len(boxes), 4)
            moves[found] = theirs.box_coder.encode_single(
                target["boxes"][index[found]], boxes[found]
            )
            labels.append(own)
            deltas.append(moves)
        return torch.stack(labels), torch.stack(deltas)

    def apart(ours: tuple[Tensor, Tensor], them: tuple[Tensor, Tensor]) -> float:
        # Of priors that an object fills equally, pixels and fractions may choose different ones.
        return float((ours[0] != them[0]).double().mean())

    return Case(
        lambda: tuple(make_batch_targets(fractions, priors)), by_them, "torchvision", apart, 1e-4,
    )  # fmt: skip


def ssd_loss() -> Case:
    """Matching, mining and loss of eight images, with the gradient."""
    theirs, model, targets = torchvision_ssd(), create_model("ssd300_vgg16"), random_targets(8)
    anchors = torchvision_anchors(theirs, 8)
    overlap = importlib.import_module("torchvision.ops").box_iou
    said = noise(8)

    def slope(losses: dict[str, Tensor]) -> dict[str, Tensor]:
        torch.autograd.grad(torch.stack(list(losses.values())).sum(), list(said))
        return {name: losses[name].detach() for name in sorted(losses)}

    def by_them() -> dict[str, Tensor]:
        pairs = zip(targets, anchors, strict=True)
        matched = [theirs.proposal_matcher(overlap(t["boxes"], boxes)) for t, boxes in pairs]
        outputs = {"cls_logits": said.logits, "bbox_regression": said.deltas}
        return slope(theirs.compute_loss(targets, outputs, anchors, matched))

    for part in said:
        part.requires_grad_()

    def apart(ours: dict[str, Tensor], them: dict[str, Tensor]) -> float:
        return relative(ours.values(), them.values())  # of ties see `ssd_matching`

    return Case(
        lambda: slope(model.loss(said, targets)), by_them, "torchvision", apart, 1e-2, pairs=3,
    )  # fmt: skip


def noise(batch: int) -> Predictions:
    """What an untrained network says: noise, and a little more background than anything else."""
    g = torch.Generator().manual_seed(0)
    logits = torch.randn(batch, 8732, 91, generator=g)
    logits[..., 0] += 3
    return Predictions(logits, 0.5 * torch.randn(batch, 8732, 4, generator=g))


def like_trained() -> Predictions:
    """What a trained network says of a picture: background, but for a dozen objects."""
    g = torch.Generator().manual_seed(0)
    logits = 0.5 * torch.randn(1, 8732, 91, generator=g)
    logits[..., 0] += 9
    for start in torch.randint(0, 8700, (12,), generator=g).tolist():
        label = 1 + start % 90
        logits[0, start : start + 8, label] += 9 + 2 * torch.rand(8, generator=g)
    return Predictions(logits, 0.5 * torch.randn(1, 8732, 4, generator=g))


def ssd_detection(predictions: Predictions) -> Case:
    """Predictions of one image to detections: softmax, decoding, NMS."""
    theirs, model = torchvision_ssd(), create_model("ssd300_vgg16")
    anchors = torchvision_anchors(theirs, 1)
    outputs = {"cls_logits": predictions.logits, "bbox_regression": predictions.deltas}
    size = [(SIZE, SIZE)]

    def apart(ours: list[dict[str, Tensor]], them: list[dict[str, Tensor]]) -> float:
        names = ("boxes", "scores", "labels")
        return largest_difference([ours[0][n] for n in names], [them[0][n] for n in names])

    return Case(
        torch.inference_mode()(lambda: model.postprocess(predictions, size)),
        torch.inference_mode()(lambda: theirs.postprocess_detections(outputs, anchors, size)),
        "torchvision", apart, 1e-2,
    )  # fmt: skip


# ---------------------------------------------------------------- timm
def hrnet_pair(width: int, channels_last: bool = False) -> tuple[Any, Any]:
    """Our trunk of HRNetV2p and timm's HRNet, of the same weights."""
    timm = importlib.import_module("timm")
    torch.manual_seed(0)
    theirs = timm.create_model(
        f"hrnet_w{width}", features_only=True, feature_location="", pretrained=False
    ).eval()
    model = create_model(f"hrnetv2p_w{width}")
    load_reference_weights(model, theirs.state_dict(), source="timm", trunk_only=True)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return model.trunk.eval().to(memory_format=layout), theirs.to(memory_format=layout)


def hrnet_forward(width: int, batch: int) -> Case:
    """The trunk, all four branches out."""
    ours, theirs = hrnet_pair(width)
    images = torch.randn(batch, 3, 256, 192)
    return Case(
        torch.inference_mode()(lambda: ours(images)),
        torch.inference_mode()(lambda: theirs(images)[-4:]), "timm", relative, 1e-5, pairs=5,
    )  # fmt: skip


# ---------------------------------------------------------------- plainly written
def plain_soft_nms(
    boxes: np.ndarray, scores: np.ndarray, threshold: float, least: float, most: int
) -> list[tuple[float, int, int]]:
    """Linear soft-NMS class by class, as the release does it (pixels counted inclusively).

    Args:
        boxes: (P, 4) xyxy, px.
        scores: (P, K); column 0 is passed over.
        threshold: of the IoU.
        least: a candidate's score is greater than this.
        most: how many leave each class.

    Returns:
        score, class and prior of what is kept.
    """
    kept = []
    for label in range(1, scores.shape[1]):
        alive = np.flatnonzero(scores[:, label] > least)
        own, here = scores[alive, label].copy(), boxes[alive]
        sides = here[:, 2:] - here[:, :2] + 1
        areas = sides[:, 0] * sides[:, 1]
        for _ in range(min(most, len(alive))):
            best = int(own.argmax())
            if own[best] < 0:
                break
            kept.append((float(own[best]), label, int(alive[best])))
            corner = np.maximum(here[best, :2], here[:, :2])
            both = np.minimum(here[best, 2:], here[:, 2:]) - corner + 1
            shared = both.clip(0).prod(axis=1)
            iou = shared / (areas[best] + areas - shared)
            decayed = np.where(iou > threshold, own * (1 - iou), own)
            own = np.where((shared > 0) & (decayed < 0.001), -1, decayed)
            own[best] = -1
    return sorted(kept, reverse=True)


def soft_nms() -> Case:
    """M2Det's soft-NMS of 28,000 candidates in 80 classes, 50 of each class kept."""
    g = torch.Generator().manual_seed(0)
    corner = 400 * torch.rand(2000, 2, generator=g)
    boxes = torch.cat([corner, corner + 10 + 100 * torch.rand(2000, 2, generator=g)], dim=1)
    drawn = torch.rand(2000, 81, generator=g)
    scores = torch.where(torch.rand(2000, 81, generator=g) < 0.175, 0.01 + 0.9 * drawn, 0.0)
    limits = {"score_threshold": 0.01, "iou_threshold": 0.3, "max_per_class": 50}

    def ours() -> Tensor:
        return select_soft(boxes, scores, plus_one=True, max_detections=200, **limits)["scores"]

    def plain() -> Tensor:
        kept = plain_soft_nms(boxes.numpy(), scores.numpy(), 0.3, 0.01, 50)
        return torch.tensor([score for score, *_ in kept[:200]])

    words = "plain NumPy, stops at 50 (the release's Cython is not installable)"
    return Case(ours, plain, words, largest_difference, 1e-5, pairs=3)


# ---------------------------------------------------------------- COCO
def coco(backend: str) -> Case:
    """mAP of 2,000 images of 100 detections; pycocotools takes so long that 200 do."""
    scenes = coco_map.make_scenes(2000 if backend == "hotcoco" else 200)
    return Case(
        lambda: coco_evaluate(*scenes, backend=backend),  # type: ignore[arg-type]
        lambda: coco_map.by_the_peer(*scenes), f"faster-coco-eval, ours by {backend}",
        largest_difference, 1e-12, pairs=2,
    )  # fmt: skip


def coco_torchmetrics() -> Case:
    """The same by torchmetrics, which hands over to faster-coco-eval."""
    scenes = coco_map.make_scenes(200)
    metric = importlib.import_module("torchmetrics.detection").MeanAveragePrecision

    def by_them() -> Tensor:
        judge = metric(backend="faster_coco_eval", max_detection_thresholds=[1, 10, 100])
        judge.update(scenes[0], scenes[1])
        return judge.compute()["map"]

    return Case(
        lambda: torch.tensor(coco_evaluate(*scenes)["mAP"]), by_them, "torchmetrics",
        largest_difference, 1e-4, pairs=2,
    )  # fmt: skip


# ---------------------------------------------------------------- ourselves
def detect_batches() -> Case:
    """`detect` of sixteen scenes at once, and one by one."""
    model = load_model(data_path("weights", "ssd_tiny.safetensors"))
    scenes = Shapes(16)
    images = torch.stack([scenes[i][0] for i in range(16)])

    def scores(found: list[dict[str, Tensor]]) -> list[Tensor]:
        return [one["scores"] for one in found]

    return Case(
        lambda: scores(model.detect(images, 0.3)),
        lambda: scores([model.detect(image[None], 0.3)[0] for image in images]),
        "itself, image by image", largest_difference, 1e-4,
    )  # fmt: skip


def half_forward(name: str, batch: int = 1) -> Case | str:
    """The network in bfloat16 and channels_last, beside float32 as PyTorch comes."""
    if not cpu_has_bf16():
        return "this CPU does not multiply bfloat16"
    torch.manual_seed(0)
    model = create_model(name).eval()
    images = torch.randn(batch, 3, model.config.image_size, model.config.image_size)

    @torch.inference_mode()
    def half() -> Any:
        with predicting_in(model, torch.bfloat16):
            return model(images)

    whole = torch.inference_mode()(lambda: model(images))
    return Case(half, whole, "itself in float32", None, pairs=3)


def half_training() -> Case | str:
    """A step of training of `ssd_tiny`, eight scenes."""
    if not cpu_has_bf16():
        return "this CPU does not multiply bfloat16"
    config, scenes = TrainConfig(optimizer="sgd", learning_rate=1e-6), Shapes(8)
    images = torch.stack([scenes[i][0] for i in range(8)])
    targets = [scenes[i][1] for i in range(8)]

    def step(amp: str) -> Callable[[], object]:
        torch.manual_seed(0)
        model = create_model("ssd_tiny").train().to(memory_format=torch.channels_last)
        optimizer, precision = build_optimizer(model, config), Precision(CPU, amp)
        return lambda: train_step(model, images, targets, optimizer, 10.0, precision.autocast)

    return Case(step("bf16"), step("off"), "itself in float32", None)


ROWS = (
    Row("SSD300-VGG, one image", 1.0, ssd_forward),
    Row("HRNet-W32, batch 8", 1.0, lambda: hrnet_forward(32, 8), ("timm",), 5),
    Row("HRNet-W18, batch 8", 1.0, lambda: hrnet_forward(18, 8), ("timm",), 5),
    Row("8,732 priors", 1.0, ssd_priors),
    Row("matching, batch 8", 0.95, ssd_matching),
    Row("MultiBox loss and gradient, batch 8", 0.95, ssd_loss),
    Row("detection of noise", 1.0, lambda: ssd_detection(noise(1))),
    Row("detection of a trained-like picture", 0.6, lambda: ssd_detection(like_trained())),
    Row("soft-NMS, 28,000 candidates", 1.2, soft_nms),
    Row("COCO mAP, 2,000 images", 1.1, lambda: coco("hotcoco"), ("faster-coco-eval", "hotcoco")),
    Row("COCO mAP, 200 images, without hotcoco", float("inf"), lambda: coco("pycocotools"),
        ("faster-coco-eval", "pycocotools")),
    Row("COCO mAP, 200 images", 1.1, coco_torchmetrics, ("torchmetrics", "faster-coco-eval")),
    Row("detect, sixteen scenes", 1.0, detect_batches),
    Row("SSD300-VGG in bfloat16", 0.55, lambda: half_forward("ssd300_vgg16")),
    Row("ssd_tiny in bfloat16, sixteen scenes", 0.68, lambda: half_forward("ssd_tiny", 16)),
    Row("ssd_tiny in bfloat16, one scene", 1.0, lambda: half_forward("ssd_tiny")),
    Row("m2det_tiny in bfloat16, one scene", float("inf"), lambda: half_forward("m2det_tiny")),
    Row("training ssd_tiny in bfloat16", 0.7, half_training),
)  # fmt: skip
"""The table; a target is what the ratio shall be at most, inf where there is none."""
