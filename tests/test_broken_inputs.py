"""What people really hand in: broken, odd and hostile input at every public entry.

One table.  A row says what comes in, and what must come out of it: the right result, exactly, or
one clear sentence of our own with the culprit, what was expected, and what came.  Never a hang,
never a stack of a library's internals, never a wrong answer without a word.
"""

import dataclasses
import faulthandler
import json
import re
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import tv_tensors

from detlearn import boxes as B
from detlearn import create_model, load_model, load_reference_weights, metrics, save_model
from detlearn.__main__ import main
from detlearn.data import (
    CocoDetectionDataset,
    KeypointCrops,
    Shapes,
    VocDetectionDataset,
    check_target,
    collate,
    eval_transform,
    load_photo,
    make_target,
    read_image,
    train_transform,
)
from detlearn.models import POSE_HRNET_TINY, Predictions
from detlearn.models.zoo import ZOO
from detlearn.training import TrainConfig, evaluate, load_checkpoint, pick_device, save_checkpoint
from tests.patience import HANG

NAN, INF = float("nan"), float("inf")
SECONDS = 10  # of CPU


class Row(NamedTuple):
    """What comes in, what is called with a fresh folder, and what must come out."""

    caption: str
    call: Callable[[Path], Any]
    says: str = ""  # the sentence, as a regular expression; or else:
    gives: Any = None


TABLE: list[Row] = []


def refused(caption: str, call: Callable[[Path], Any], says: str) -> None:
    TABLE.append(Row(caption, call, says=says))


def answered(caption: str, call: Callable[[Path], Any], gives: Any) -> None:
    TABLE.append(Row(caption, call, gives=gives))


# -------------------------------------------------------------------------------------- pictures
def pixels(folder: Path, name: str, picture: Image.Image | bytes, **options: Any) -> Any:
    """What `read_image` makes of a picture on disk: rows of RGB triples."""
    path = folder / name
    if isinstance(picture, bytes):
        path.write_bytes(picture)
    else:
        picture.save(path, **options)
    return read_image(path).permute(1, 2, 0).tolist()


def png(width: int, height: int, depth: int, color: int, rows: bytes) -> bytes:
    """A PNG written by hand: what Pillow cannot write, it must be able to read."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def noise(kind: str, keep: float) -> bytes:
    """The first part of a file."""
    import io

    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, kind)
    return buffer.getvalue()[: int(len(buffer.getvalue()) * keep)]


def turned(orientation: int) -> tuple[Image.Image, dict[str, Any]]:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return Image.fromarray(UPRIGHT), {"exif": exif}


def see_through_palette() -> Image.Image:
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([255, 0, 0, 0, 0, 255])
    picture.putpixel((1, 0), 1)
    return picture


UPRIGHT = np.array([[0, 40, 80], [120, 160, 200]], dtype=np.uint8)
RGB = {"red": [255, 0, 0], "white": [255] * 3, "black": [0] * 3}

for caption, name, given, says in (
    ("JPEG, cut off in the middle", "a.jpg", noise("JPEG", 0.5), "cannot be read as a picture"),
    ("PNG, cut off in the middle", "a.png", noise("PNG", 0.5), "cannot be read as a picture"),
    ("PNG, cut off in its header", "a.png", noise("PNG", 0.002), "cannot be read as a picture"),
    ("TIFF, cut off in its directory", "a.tif", noise("TIFF", 1)[:10], "cannot be read as a pic"),
    ("GIF, cut off", "a.gif", noise("GIF", 0.3), "cannot be read as a picture"),
    ("a file of zero bytes", "a.jpg", b"", "cannot be read as a picture"),
    ("an error page under the name of a PNG", "a.png", b"<html>404</html>", "cannot be read as"),
    ("a PNG that promises 60,000 x 60,000 px", "a.png", png(60_000, 60_000, 8, 2, b""), "too large a picture"),
    ("a PNG without pixels", "a.png", png(0, 5, 8, 2, b""), "cannot be read as a picture"),
    ("a picture of numbers that are none", "a.tif", Image.fromarray(np.full((2, 2), NAN, np.float32)),
     "cannot be read as a picture .*not finite"),
):  # fmt: skip
    refused(caption, lambda t, n=name, g=given: pixels(t, n, g), rf"{re.escape(name)}: {says}")

refused("a folder for a picture", lambda t: read_image(t), "no such picture")
refused("a picture that is not there", lambda t: read_image(t / "a.png"), r"a\.png: no such pict")
refused("a name with a NUL in it", lambda t: read_image(t / "a\0.png"), "no such picture")

for caption, name, given, options, gives in (
    ("CMYK", "a.tif", Image.new("CMYK", (1, 1), (0, 255, 255, 0)), {}, [[RGB["red"]]]),
    ("gray", "a.png", Image.new("L", (1, 1), 128), {}, [[[128] * 3]]),
    ("gray of 16 bits", "a.png", Image.fromarray(np.array([[0, 32768, 65535]], np.uint16)), {},
     [[[0] * 3, [128] * 3, [255] * 3]]),
    ("RGB of 16 bits", "a.png", png(1, 1, 16, 2, b"\0" + struct.pack(">HHH", 65535, 32768, 0)), {},
     [[[255, 128, 0]]]),
    ("fractions as floats", "a.tif", Image.fromarray(np.array([[0, 0.5, 1]], np.float32)), {},
     [[[0] * 3, [128] * 3, [255] * 3]]),
    ("one bit", "a.png", Image.new("1", (1, 1), 1), {}, [[RGB["white"]]]),
    ("gray and alpha", "a.png", Image.new("LA", (1, 1), (0, 0)), {}, [[RGB["white"]]]),
    ("colour and alpha", "a.png", Image.new("RGBA", (1, 1), (0, 0, 0, 128)), {}, [[[127] * 3]]),
    ("palette with a transparent colour", "a.png", see_through_palette(), {"transparency": 0},
     [[RGB["white"], [0, 0, 255]]]),
    ("one pixel", "a.bmp", Image.new("RGB", (1, 1), (9, 8, 7)), {}, [[[9, 8, 7]]]),
    ("animation: its first frame", "a.gif", Image.new("RGB", (1, 1), (255, 0, 0)),
     {"save_all": True, "append_images": [Image.new("RGB", (1, 1))]}, [[RGB["red"]]]),
    ("a name in two scripts", "Ärger 犬.png", Image.new("RGB", (1, 1)), {}, [[RGB["black"]]]),
    ("a camera's notes that are rubbish", "a.jpg", Image.new("RGB", (1, 1)),
     {"exif": b"Exif\0\0MM\0*\0\0\xff\xff rubbish"}, [[RGB["black"]]]),
):  # fmt: skip
    answered(caption, lambda t, n=name, g=given, o=options: pixels(t, n, g, **o), gives)

for orientation, upright in enumerate(
    (
        UPRIGHT, UPRIGHT[:, ::-1], UPRIGHT[::-1, ::-1], UPRIGHT[::-1],
        UPRIGHT.T, np.rot90(UPRIGHT, -1), UPRIGHT[::-1, ::-1].T, np.rot90(UPRIGHT),
    ),
    start=1,
):  # fmt: skip
    answered(
        f"a camera held in way {orientation} of 8",
        lambda t, k=orientation: pixels(t, "a.png", turned(k)[0], **turned(k)[1]),
        np.repeat(upright[..., None], 3, axis=2).tolist(),
    )


# -------------------------------------------------------------------------------- into a detector
@cache
def tiny() -> Any:
    torch.manual_seed(0)
    return create_model("ssd_tiny").eval()


def detect(images: Any) -> Any:
    return [{key: tuple(value.shape) for key, value in one.items()} for one in tiny().detect(images, max_detections=2)]  # fmt: skip


TWO = {"boxes": (2, 4), "scores": (2,), "labels": (2,), "priors": (2,)}
answered("detect: one pixel", lambda t: detect([torch.zeros(3, 1, 1)]), [TWO])
answered("detect: a line of pixels", lambda t: detect([torch.zeros(3, 1, 999)]), [TWO])
answered("detect: no picture", lambda t: detect([]), [])
for caption, images, says in (
    ("no pixel", [torch.zeros(3, 0, 5)], r"images\[0\]: expected at least one pixel, got an image of shape \(3, 0, 5\)"),
    ("an array", [np.zeros((3, 5, 5))], r"images\[0\]: expected a tensor \(3, H, W\), got ndarray"),
    ("an array of no pixels", np.zeros((0, 0, 3)), "images: expected a list of tensors or a batch, got ndarray"),
    ("complex numbers", [torch.zeros(3, 4, 4, dtype=torch.complex64)], r"images\[0\]: expected uint8 or floating"),
    ("a tensor without memory", [torch.zeros(3, 4, 4, device="meta")], r"images\[0\]: expected pixels, got .*meta"),
    ("a path", "cat.jpg", "images: expected a list of tensors or a batch, got str"),
    ("NaN", [torch.full((3, 4, 4), NAN)], r"images\[0\]: expected numbers in \[0, 1\], got NaN"),
):  # fmt: skip
    refused(f"detect: {caption}", lambda t, i=images: detect(i), says)
refused(
    "detect: weights that are infinite",
    lambda t: _spoiled_model().detect([torch.zeros(3, 8, 8)]),
    "predictions: those of image 0 are not finite: the training diverged, or the weights are dam",
)


def _spoiled_model() -> Any:
    model = create_model("ssd_tiny")
    with torch.no_grad():
        next(model.head.parameters()).fill_(INF)
    return model


# ------------------------------------------------------------------------------ boxes and labels
GOOD = torch.tensor([[1.0, 2.0, 3.0, 4.0], [5.0, 5.0, 9.0, 9.0]])
ONES = torch.tensor([1, 1])


def teach(boxes: Any = GOOD, labels: Any = ONES, **changes: Any) -> Any:
    """The loss of a target, if it is not refused."""
    target = {"boxes": boxes, "labels": labels} | changes
    logits = torch.zeros(1, *tiny().priors.shape[:1], tiny().config.num_classes)
    predictions = Predictions(logits, torch.zeros(1, *tiny().priors.shape))
    return sorted(tiny().loss(predictions, changes.get("targets", [target])))


def row_of(*box: float) -> torch.Tensor:
    return torch.tensor([[1.0, 1.0, 4.0, 4.0], list(box)])


answered("loss: nothing in the picture", lambda t: teach(torch.zeros(0, 4), ONES[:0]), ["bbox_regression", "classification"])  # fmt: skip
answered("loss: an object of a hundredth of a pixel", lambda t: teach(row_of(1, 1, 1.01, 1.01)), ["bbox_regression", "classification"])  # fmt: skip
for caption, change, says in (
    ("NaN", {"boxes": row_of(0, 0, NAN, 1)}, "box 1 is .*: expected finite coordinates"),
    ("infinity", {"boxes": row_of(0, 0, INF, 1)}, "box 1 is .*: expected finite coordinates"),
    ("corners swapped", {"boxes": row_of(5, 5, 2, 9)}, "box 1 is .*: expected x1 < x2 and y1 < y2"),
    ("no area", {"boxes": row_of(5, 5, 5, 9)}, "box 1 is .*: expected x1 < x2 and y1 < y2"),
    ("outside of the picture", {"boxes": row_of(100, 5, 300, 9)}, "box 1 is .*: expected a box inside the image"),
    ("five numbers", {"boxes": torch.zeros(2, 5)}, r"expected boxes of shape \(G, 4\), got \(2, 5\)"),
    ("whole numbers", {"boxes": GOOD.long()}, "expected boxes of a floating dtype, got torch.int64"),
    ("words", {"boxes": [["a"] * 4] * 2}, "expected a tensor of boxes, got list"),
    ("boxes without memory", {"boxes": GOOD.to("meta")}, "expected boxes with numbers, got .*meta"),
    ("labels without memory", {"labels": ONES.to("meta")}, "expected labels with numbers, got .*meta"),
    ("a label too few", {"labels": ONES[:1]}, "2 boxes but 1 labels"),
    ("label 0", {"labels": torch.tensor([1, 0])}, r"labels\[1\] is 0: expected at least 1"),
    ("label 9 of 9", {"labels": torch.tensor([1, 9])}, r"labels\[1\] is 9: .*below num_classes = 9"),
    ("label -1", {"labels": torch.tensor([-1, 1])}, r"labels\[0\] is -1: expected at least 1"),
    ("labels as floats", {"labels": torch.ones(2)}, "expected integer labels"),
    ("labels as booleans", {"labels": ONES.bool()}, "expected integer labels"),
    ("labels as words", {"labels": ["cat", "dog"]}, r"expected labels of shape \(2,\), got list"),
):  # fmt: skip
    refused(f"loss: {caption}", lambda t, c=change: teach(**c), rf"targets\[0\]: {says}")
    refused(
        f"check_target: {caption}",
        lambda t, c=change: check_target({"boxes": GOOD, "labels": ONES} | c, (128, 128), 9, "cat.jpg"),
        rf"cat\.jpg: {says}",
    )  # fmt: skip
for caption, targets, says in (
    ("None", None, "targets: expected a list with one dict an image, got NoneType"),
    ("one dict", {"boxes": GOOD, "labels": ONES}, "targets: expected a list with one dict an image, got one dict"),
    ("two for one picture", [{}, {}], "targets: expected one for each of the 1 images, got 2"),
    ("a dict without labels", [{"boxes": GOOD}], r"targets\[0\]: expected a dict with 'boxes' and 'labels', got \['boxes'\]"),
    ("a text", ["cat"], r"targets\[0\]: expected a dict with 'boxes' and 'labels', got str"),
):  # fmt: skip
    refused(f"loss: targets are {caption}", lambda t, g=targets: teach(targets=g), says)
for name in ("ssd_tiny", "refinedet_tiny"):
    refused(
        f"loss of {name}: predictions are None",
        lambda t, n=name: create_model(n).loss(None, []),
        "predictions: expected .*logits.*deltas.*, got NoneType",
    )
refused(
    "check_target: no dict at all",
    lambda t: check_target([GOOD, ONES], (9, 9), 9, "cat.jpg"),
    r"cat\.jpg: expected the keys 'boxes' and 'labels', got list",
)
refused(
    "a batch of pictures of two sizes",
    lambda t: collate([(torch.zeros(3, 2, 2), {}), (torch.zeros(3, 2, 3), {})]),
    "expected images of one shape in a batch",
)

PRIORS = torch.tensor([[0.25, 0.25, 0.5, 0.5], [0.75, 0.75, 0.5, 0.5]])
for caption, call, says in (
    ("match: NaN", lambda t: B.match(GOOD * NAN, PRIORS), r"boxes: expected finite numbers, box 0 is \[nan"),
    ("match: whole numbers", lambda t: B.match(GOOD.long(), PRIORS), "boxes: expected float32 or float64, got torch.int64"),
    ("match: five numbers a box", lambda t: B.match(torch.zeros(1, 5), PRIORS), r"boxes: expected shape \(N, 4\), got \(1, 5\)"),
    ("match: no prior", lambda t: B.match(GOOD, PRIORS[:0]), "priors: expected at least one"),
    ("match: a threshold that is no number", lambda t: B.match(GOOD, PRIORS, NAN), "threshold: expected a number from 0 to 1, got nan"),
    ("make_targets: a label too few", lambda t: B.make_targets(GOOD, ONES[:1], PRIORS), r"labels: expected one for each of the 2 boxes, got \(1,\)"),
    ("encode: another number of boxes", lambda t: B.encode(torch.zeros(3, 4), PRIORS), r"priors: expected \(\.\.\., 4\) to go with \(3, 4\), got \(2, 4\)"),
    ("encode: five numbers a box", lambda t: B.encode(torch.zeros(2, 5), PRIORS), r"boxes: expected \(\.\.\., 4\), got \(2, 5\)"),
    ("decode: one number short", lambda t: B.decode(torch.zeros(2, 3), PRIORS), r"deltas: expected \(\.\.\., 4\), got \(2, 3\)"),
    ("formats: five numbers a box", lambda t: B.xyxy_to_cxcywh(torch.zeros(2, 5)), r"boxes: expected shape \(\.\.\., 4\), got \(2, 5\)"),
    ("clip: a width that is no number", lambda t: B.clip_boxes(GOOD, 9, NAN), "expected a height and width of 0 or more, got 9 and nan"),
    ("resize: from nothing", lambda t: B.resize_boxes(GOOD, (0, 0), (9, 9)), r"expected sizes above 0, got \(0, 0\) and \(9, 9\)"),
    ("coverage: no prior", lambda t: B.coverage(GOOD, PRIORS[:0]), "priors: expected at least one"),
    ("select_detections: a threshold that is no number", lambda t: B.select_detections(GOOD, torch.ones(2, 3), score_threshold=NAN, iou_threshold=0.5), "score_threshold: expected a number from 0 to 1, got nan"),
    ("iou: whole numbers", lambda t: B.box_iou(GOOD.long(), GOOD), "boxes1: expected float32 or float64, got torch.int64"),
    ("iou: halves, whose areas overflow", lambda t: B.box_iou(GOOD.half(), GOOD.half()), "boxes1: expected float32 or float64, got torch.float16"),
    ("iou: one box without its axis", lambda t: B.box_iou(GOOD[0], GOOD), r"boxes1: expected shape \(N, 4\), got \(4,\)"),
    ("nms: NaN", lambda t: B.nms(GOOD * NAN, torch.ones(2), 0.5), "boxes, scores: expected numbers, got NaN"),
    ("nms: boxes of 10^20 px", lambda t: B.nms(GOOD * 1e20, torch.ones(2), 0.5), "boxes: expected areas that are finite numbers, got inf"),
    ("nms: a score too few", lambda t: B.nms(GOOD, torch.ones(1), 0.5), r"expected boxes \(N, 4\) and scores \(N,\), got \(2, 4\) and \(1,\)"),
    ("nms: whole numbers", lambda t: B.nms(GOOD.long(), torch.ones(2), 0.5), "expected float32 or float64, got torch.int64"),
    ("nms: a threshold that is no number", lambda t: B.nms(GOOD, torch.ones(2), NAN), "iou_threshold: expected a number from 0 to 1, got nan"),
    ("soft_nms: scores as whole numbers", lambda t: B.soft_nms(GOOD, ONES), "scores: expected a floating dtype, got torch.int64"),
    ("soft_nms: a width of zero", lambda t: B.soft_nms(GOOD, torch.ones(2), "gaussian", sigma=0), "sigma: expected a number above 0, got 0"),
    ("select_detections: NaN", lambda t: B.select_detections(GOOD, torch.full((2, 3), NAN), score_threshold=0, iou_threshold=0.5), "boxes, scores: expected numbers, got NaN"),
    ("check_boxes: infinity", lambda t: B.check_boxes(GOOD * INF, name="a.xml"), r"a\.xml: box 0 is .*: expected finite"),
    ("priors: a list of no levels", lambda t: create_model("ssd_tiny", priors={"image_size": 128, "map_sizes": 5, "steps": 1, "min_sizes": 1, "max_sizes": 1, "aspect_ratios": 1}), "map_sizes: expected a tuple of numbers, got 5"),
):  # fmt: skip
    refused(caption, call, says)


# --------------------------------------------------------------------------------------- metrics
NAMES = ("background", "cat")


def found(**changes: Any) -> dict[str, Any]:
    return {"boxes": GOOD, "scores": torch.tensor([0.9, 0.8]), "labels": ONES} | changes


def truth(**changes: Any) -> dict[str, Any]:
    return {"boxes": GOOD, "labels": ONES} | changes


def score(detection: Any, target: Any) -> Any:
    """All three ways to score agree, or say the same."""
    results = []
    for evaluation in (metrics.voc_evaluate, metrics.coco_evaluate, metrics.coco_map_by_hand):
        results.append(round(evaluation([detection], [target], NAMES)["mAP"], 6))
    return results


answered("metrics: all is found", lambda t: score(found(), truth()), [1.0] * 3)
answered("metrics: boxes as whole numbers", lambda t: score(found(boxes=GOOD.long()), truth()), [1.0] * 3)  # fmt: skip
answered("metrics: an id that no float holds", lambda t: score(found(), truth(image_id=2**62 + 1)), [1.0] * 3)  # fmt: skip
for caption, detection, target, says in (
    ("NaN as a box", found(boxes=row_of(0, 0, NAN, 1)), truth(), r"detections\[0\]: boxes\[1\] is .*finite"),
    ("NaN as a score", found(scores=torch.tensor([0.9, NAN])), truth(), r"detections\[0\]: scores\[1\] is nan: expected a finite"),
    ("corners swapped", found(boxes=row_of(5, 5, 1, 9)), truth(), r"detections\[0\]: boxes\[1\] is .*expected x1 <= x2"),
    ("the background is detected", found(labels=torch.tensor([0, 1])), truth(), r"detections\[0\]: labels\[0\] is 0: expected 1 to 1"),
    ("labels as floats", found(labels=torch.ones(2)), truth(), r"detections\[0\]: expected integer labels"),
    ("a list of boxes", found(boxes=[[1, 2, 3, 4]]), truth(), r"detections\[0\]: expected a tensor of boxes, got list"),
    ("no scores", truth(), truth(), r"detections\[0\]: key 'scores' is missing"),
    ("a true box without area", found(), truth(boxes=row_of(5, 5, 5, 9)), r"targets\[0\]: box 1 is .*x1 < x2"),
    ("an image_id as a float", found(), truth(image_id=1.0), r"targets\[0\]: expected an integer image_id"),
    ("an area that is negative", found(), truth(area=torch.tensor([1.0, -1.0])), r"targets\[0\]: area 1 is -1.0"),
    ("an area too few", found(), truth(area=torch.ones(1)), r"targets\[0\]: area: expected shape \(2,\)"),
    ("an area of words", found(), truth(area=["a", "b"]), r"targets\[0\]: area: expected numbers, got list"),
    ("None for a dict", found(), None, r"targets\[0\]: expected a dict, got NoneType"),
):  # fmt: skip
    refused(f"metrics: {caption}", lambda t, d=detection, g=target: score(d, g), says)
refused("metrics: a dict for the list", lambda t: metrics.coco_evaluate(found(), [truth()], NAMES), "detections: expected a list with one dict per image, got")  # fmt: skip
refused("metrics: None for the list", lambda t: metrics.coco_evaluate(None, [truth()], NAMES), "detections: expected a list with one dict per image, got NoneType")  # fmt: skip
refused("metrics: kinds of errors of halves", lambda t: metrics.error_kinds(found(boxes=GOOD.half()), truth()), "expected float32 or float64, got torch.float16")  # fmt: skip
refused("metrics: NaN in a match", lambda t: metrics.match_detections(GOOD * NAN, torch.ones(2), GOOD), "boxes: expected numbers, got NaN")  # fmt: skip
refused("metrics: NaN on a curve", lambda t: metrics.precision_recall(torch.full((2,), NAN), ONES.bool(), 2), "scores: expected numbers, got NaN")  # fmt: skip
refused("metrics: an OKS of other joints", lambda t: metrics.oks(torch.zeros(1, 3, 2), torch.zeros(1, 17, 2), torch.ones(1)), "sigmas: expected one for each joint, got 17 for key points of 3 and 17 joints")  # fmt: skip
refused("metrics: class names are None", lambda t: metrics.coco_evaluate([], [], None), "class_names: expected a list of at least two names, background first, got None")  # fmt: skip
refused("metrics: a threshold that is no number", lambda t: metrics.voc_evaluate([found()], [truth()], NAMES, iou_threshold=NAN), "iou_threshold: expected a number from 0 to 1, got nan")  # fmt: skip
refused("metrics: kinds of errors without a target", lambda t: metrics.error_kinds(found(), None), "target: expected a dict with boxes, labels, got NoneType")  # fmt: skip
POSE = torch.zeros(2, 17, 3)
for caption, call, says in (
    ("None for the list", lambda: metrics.coco_keypoint_evaluate(None, []), "detections: expected a list with one dict per image, got NoneType"),
    ("no scores", lambda: metrics.coco_keypoint_evaluate([{"keypoints": POSE}], [{"keypoints": POSE, "boxes": GOOD}]), r"detections\[0\]: key 'scores' is missing"),
    ("NaN in the truth", lambda: metrics.coco_keypoint_evaluate([{"keypoints": POSE, "scores": torch.ones(2)}], [{"keypoints": POSE * NAN, "boxes": GOOD}]), r"targets\[0\]: expected finite key points"),
    ("a list of boxes", lambda: metrics.coco_keypoint_evaluate([{"keypoints": POSE, "scores": torch.ones(2)}], [{"keypoints": POSE, "boxes": [[1, 2, 3, 4]]}]), r"targets\[0\]: expected boxes \(2, 4\)"),
    ("an area too few", lambda: metrics.oks(POSE, POSE, torch.ones(1)), r"area: expected \(2,\), one for each true pose, got \(1,\)"),
    ("NaN in an OKS", lambda: metrics.oks(POSE * NAN, POSE, torch.ones(2)), "keypoints, gt_keypoints: expected numbers, got NaN"),
    ("a score too many", lambda: metrics.oks_nms(POSE, torch.ones(3), torch.ones(2)), r"scores: expected shape \(2,\), one for each of the poses, got \(3,\)"),
    ("a PCK of other joints", lambda: metrics.pck(POSE[:, :3], POSE, torch.ones(2, 17), torch.ones(2, 1)), r"keypoints: expected \(2, 17\), got \(2, 3, 3\)"),
    ("a PCK measured in nothing", lambda: metrics.pck(POSE, POSE, torch.ones(2, 17), torch.zeros(2, 1)), "reference: expected lengths above 0"),
    ("a PCKh of five joints", lambda: metrics.pckh(POSE[:, :5], POSE[:, :5], torch.ones(2, 5), GOOD), r"skip: expected joints from 0 to 4, got \(6, 7\)"),
    ("estimate: no list of boxes", lambda: create_model("pose_hrnet_tiny").estimate([torch.zeros(3, 9, 9)], None), "expected a list of images and one of boxes, got list and NoneType"),
    ("estimate: NaN", lambda: create_model("pose_hrnet_tiny").estimate([torch.zeros(3, 9, 9)], [GOOD * NAN]), r"boxes\[0\]: box 0 is \[nan"),
    ("loss: no list of targets", lambda: create_model("pose_hrnet_tiny").loss(torch.zeros(1, 17, 32, 24), None), "expected heat maps and a list of targets, got Tensor and NoneType"),
):  # fmt: skip
    refused(f"poses: {caption}", lambda t, c=call: c(), says)

# v2 leaves plain tensors where they are; ours may not.
PICTURE, PLAIN_TARGET = torch.zeros(3, 20, 40), {"boxes": row_of(4, 4, 8, 8), "labels": ONES}
TWICE = torch.tensor([[2.0, 4, 8, 16], [8, 16, 16, 32]]).tolist()
answered("transform: boxes as a plain tensor move along", lambda t: eval_transform(80)(PICTURE, PLAIN_TARGET)[1]["boxes"].tolist(), TWICE)  # fmt: skip
answered(
    "augmentation: boxes as a plain tensor move along",
    lambda t: train_transform(80, photometric=False, zoom_out=1, crop=False, flip=False, min_size=1)(PICTURE, PLAIN_TARGET)[1]["boxes"].tolist(),
    TWICE,
)  # fmt: skip
refused("transform: boxes of another format", lambda t: eval_transform(80)(PICTURE, {"boxes": tv_tensors.BoundingBoxes(GOOD, format="XYWH", canvas_size=(20, 40)), "labels": ONES}), "boxes: expected the format XYXY, got XYWH")  # fmt: skip
refused("transform: a picture that is None", lambda t: eval_transform(80)(None, PLAIN_TARGET), "expected an image tensor and a target with 'boxes', got NoneType and dict")  # fmt: skip
refused("make_target: three numbers a box", lambda t: make_target([(1, 2, 3)], [1], (9, 9), 7), r"image 7: expected boxes of four numbers, got \[\(1, 2, 3\)\]")  # fmt: skip
refused("load_photo: a list for a name", lambda t: load_photo(["coins"]), r"name: expected one of astronaut, .*, got \['coins'\]")  # fmt: skip
refused("evaluate: a data set without images", lambda t: evaluate(tiny(), Shapes(length=0)), "dataset: expected at least one image")  # fmt: skip


# ------------------------------------------------------------------------------------------ JSON
def coco(folder: Path, text: str | bytes | None = None, name: str = "a.json", **changes: Any) -> Any:  # fmt: skip
    """Every item of a small COCO tree; ``section__0__field=value`` changes an entry of its JSON."""
    content: dict[str, Any] = {
        "images": [{"id": 7, "file_name": "cat.png", "width": 20, "height": 10}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 0, "area": 12}
        ],
        "categories": [{"id": 3, "name": "cat"}],
    }  # fmt: skip
    options = changes.pop("options", {})
    for path, value in changes.items():
        section, *rest = path.split("__")
        if not rest:
            content[section] = value
        elif len(rest) == 1:
            content[section][int(rest[0])] = value
        else:
            content[section][int(rest[0])][rest[1]] = value
    Image.new("RGB", (20, 10)).save(folder / "cat.png")
    text = json.dumps(content) if text is None else text
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    dataset = CocoDetectionDataset(folder, folder / name, **options)
    items = [dataset[index] for index in range(len(dataset))]
    return [(t["image_id"], t["boxes"].tolist(), t["labels"].tolist()) for _, t in items]


def coco_bytes(folder: Path, before: bytes) -> Any:
    coco(folder)
    return coco(folder, before + (folder / "a.json").read_bytes())


def crowds(*corners: float) -> dict[str, Any]:
    return {"id": 2, "image_id": 7, "category_id": 3, "bbox": list(corners), "iscrowd": 1}


PLAIN = [(7, [[1, 2, 4, 6]], [1])]
for caption, change, gives in (
    ("as it should be", {}, PLAIN),
    ("an id that no float holds", {"images__0__id": 2**53 + 1, "annotations__0__image_id": 2**53 + 1}, [(2**53 + 1, *PLAIN[0][1:])]),
    ("an id of 30 digits", {"images__0__id": 10**29 + 1, "annotations__0__image_id": 10**29 + 1}, [(10**29 + 1, *PLAIN[0][1:])]),
    ("image 0 is an image", {"images__0__id": 0, "annotations__0__image_id": 0}, [(0, *PLAIN[0][1:])]),
    ("no annotation at all", {"annotations": []}, [(7, [], [])]),
    ("no image at all", {"annotations": [], "images": []}, []),
    ("an area of 0", {"annotations__0__area": 0}, PLAIN),
    ("the largest area that counts", {"annotations__0__area": 10**10}, PLAIN),
    ("a box over the edge is cut", {"annotations__0__bbox": [15, 5, 10, 10]}, [(7, [[15, 5, 20, 10]], [1])]),
    ("a name in another script", {"categories__0__name": "猫"}, PLAIN),
):  # fmt: skip
    answered(f"JSON: {caption}", lambda t, c=change: coco(t, **c), gives)
answered("JSON: a byte order mark, as Windows writes it", lambda t: coco_bytes(t, b"\xef\xbb\xbf"), PLAIN)  # fmt: skip

for caption, text, says in (
    ("nothing", "", "not a whole JSON file"),
    ("cut off", '{"images": [{"id"', "not a whole JSON file"),
    ("not JSON", "<annotation/>", "not a whole JSON file"),
    ("UTF-16", '{"images": []}'.encode("utf-16"), "not a whole JSON file"),
    ("a list", "[]", "expected an object with images, annotations, categories, got a list"),
    ("100,000 brackets", "[" * 100_000, "not a whole JSON file .*nested"),
    ("a number of 5,000 digits", '{"images": ' + "9" * 5000 + "}", "not a whole JSON file"),
):  # fmt: skip
    refused(f"JSON: {caption}", lambda t, c=text: coco(t, c), rf"a\.json: {says}")

WHERE = r"image 7, annotation 1: "
for caption, change, says in (
    ("no images", {"images": None}, "expected a list 'images', got NoneType"),
    ("annotations are an object", {"annotations": {}}, "expected a list 'annotations', got dict"),
    ("an annotation is null", {"annotations__0": None}, r"annotations\[0\] lacks id, image_id"),
    ("the same id twice", {"categories": [{"id": 3, "name": "a"}, {"id": 3, "name": "b"}]}, "two entries of categories have the same id"),
    ("an image that does not exist", {"annotations__0__image_id": 8}, r"annotations\[0\] \(id 1\) has image_id 8, which no entry of images has"),
    ("a category that does not exist", {"annotations__0__category_id": 4}, r"annotations\[0\] .* has category_id 4, which no entry of categories has"),
    ("an id as a text", {"images__0__id": "7"}, r"images\[0\]: expected an integer id, got '7'"),
    ("an id as a float", {"images__0__id": 7.0}, r"images\[0\]: expected an integer id, got 7\.0"),
    ("an id as a boolean", {"categories__0__id": True}, r"categories\[0\]: expected an integer id, got True"),
    ("an id as a list", {"annotations__0__id": [1]}, r"annotations\[0\]: expected an integer id, got \[1\]"),
    ("an image's id as a float", {"annotations__0__image_id": 7.0}, r"annotations\[0\]: expected an integer image_id, got 7\.0"),
    ("a class without a name", {"categories__0__name": None}, r"categories\[0\]: expected a text for name, got None"),
    ("a class of no letter", {"categories__0__name": ""}, r"categories\[0\] \(id 3\): expected the name of a class, got ''"),
    ("a class of blanks", {"categories__0__name": " \n"}, r"categories\[0\] \(id 3\): expected the name of a class, got ' \\n'"),
    ("a file without a name", {"images__0__file_name": 5}, r"images\[0\]: expected a text for file_name, got 5"),
    ("a box of texts", {"annotations__0__bbox": ["1", "2", "3", "4"]}, WHERE + r"expected bbox \[x, y, width, height\], got \['1'"),
    ("a box of booleans", {"annotations__0__bbox": [True] * 4}, WHERE + "expected bbox"),
    ("a box of three numbers", {"annotations__0__bbox": [1, 2, 3]}, WHERE + "expected bbox"),
    ("no box", {"annotations__0__bbox": None}, WHERE + "expected bbox .*, got None"),
    ("NaN in a box", {"annotations__0__bbox": [1, 2, NAN, 4]}, WHERE + "expected finite numbers"),
    ("a box of 400 digits", {"annotations__0__bbox": [1, 2, 10**400, 4]}, WHERE + "expected finite numbers"),
    ("a box without width", {"annotations__0__bbox": [1, 2, 0, 4]}, WHERE + "expected a width and height above 0"),
    ("a box outside", {"annotations__0__bbox": [30, 2, 3, 4]}, WHERE + r"bbox .* lies outside the image \(cat\.png, 20 x 10\)"),
    ("an area as a text", {"annotations__0__area": "big"}, WHERE + "expected area to be a finite number, got 'big'"),
    ("an area that is NaN", {"annotations__0__area": NAN}, WHERE + "expected area to be a finite number, got nan"),
    ("an area below 0", {"annotations__0__area": -900}, WHERE + "expected area to be a finite number, 0 or more, got -900"),
    ("an area that no score counts", {"annotations__0__area": 1e12}, WHERE + r"expected area to be 10,000,000,000 px² at most .*, got 1000000000000\.0"),
    ("iscrowd is null", {"annotations__0__iscrowd": None}, WHERE + "expected iscrowd to be 0 or 1, got None"),
    ("two key point numbers", {"annotations__0__keypoints": [1, 2], "options": {"keypoints": True}}, WHERE + r"expected keypoints to be three finite numbers a joint, got \[1, 2\]"),
    ("key points of texts", {"annotations__0__keypoints": ["x"] * 51, "options": {"keypoints": True}}, WHERE + r"expected keypoints to be three finite numbers a joint, got \['x'"),
    ("a picture of another size", {"images__0__width": 40}, r"image 7 \(cat\.png\): the picture has 20 x 10 px, expected 40 x 10"),
):  # fmt: skip
    refused(f"JSON: {caption}", lambda t, c=change: coco(t, **c), rf"a\.json: {says}")

for path in ("../../etc/passwd", "/etc/passwd", "C:\\Windows\\win.ini", "..\\..\\secret.png", "a/../../b.png", "C:cat.png", "", "."):  # fmt: skip
    refused(
        f"JSON: a picture outside of its folder, {path!r}",
        lambda t, p=path: coco(t, images__0__file_name=p),
        rf"a\.json: images\[0\]: expected a file inside the folder '.+', got {re.escape(repr(path))}",
    )
refused("JSON: a picture that is not there", lambda t: coco(t, images__0__file_name="b/dog.png"), r"dog\.png: no such picture")  # fmt: skip
refused("JSON: a folder for the file", lambda t: CocoDetectionDataset(t, t), "no such annotation f")
refused("JSON: on_bad is a word of its own", lambda t: coco(t, options={"on_bad": "hope"}), "on_bad: expected 'error' or 'skip', got 'hope'")  # fmt: skip
refused("poses: a data set without key points", lambda t: KeypointCrops(Shapes(length=1), POSE_HRNET_TINY), "dataset: item 0 has no 'keypoints'")  # fmt: skip


# ------------------------------------------------------------------------------------------- XML
OBJECT = "<object><name>dog</name><difficult>{hard}</difficult><bndbox><xmin>{x}</xmin><ymin>2</ymin><xmax>{x2}</xmax><ymax>5</ymax></bndbox></object>"


def voc(folder: Path, xml: str | bytes | None = None, listed: str | bytes = "a\n", labels: str | bytes | None = None, **values: Any) -> Any:  # fmt: skip
    """Every item of a small VOC tree."""
    base = folder / "VOCdevkit" / "VOC2012"
    for name in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (base / name).mkdir(parents=True)
    Image.new("RGB", (20, 10)).save(base / "JPEGImages" / "a.jpg")
    if xml is None:
        body = OBJECT.format(**{"hard": 0, "x": 3, "x2": 6} | values)
        xml = f"<annotation>{body}</annotation>"
    for path, text in (
        (base / "Annotations" / "a.xml", xml),
        (base / "ImageSets" / "Main" / "val.txt", listed),
        (folder / "labels.txt", labels),
    ):
        if text is not None:
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
    dataset = VocDetectionDataset(folder, "2012", "val")
    items = [dataset[index] for index in range(len(dataset))]
    names = dataset.class_names
    return [(t["boxes"].tolist(), [names[k] for k in t["labels"]]) for _, t in items]


DOG = [([[2, 1, 6, 5]], ["dog"])]
LAUGHS = '<!DOCTYPE x [<!ENTITY l0 "ha">' + "".join(
    f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 12)
) + "]><annotation>&l11;</annotation>"  # fmt: skip
for caption, given, gives in (
    ("as it should be", {}, DOG),
    ("a list with Windows' line ends, and an empty line", {"listed": "a\r\n\r\n"}, DOG),
    ("a list with a byte order mark", {"listed": b"\xef\xbb\xbfa\n"}, DOG),
    ("a list of one class, with its marks", {"listed": "a  1\n"}, DOG),
    ("a list of pictures, with endings and folders", {"listed": "JPEGImages/a.jpg\n"}, DOG),
    ("a byte order mark", {"xml": b"\xef\xbb\xbf<annotation/>"}, [([], [])]),
    ("an encoding of its own", {"xml": '<?xml version="1.0" encoding="ISO-8859-1"?><annotation><owner>J\xe9r\xf4me</owner></annotation>'.encode("latin-1")}, [([], [])]),
    ("100,000 elements in each other", {"xml": "<annotation>" + "<a>" * 100_000 + "</a>" * 100_000 + "</annotation>"}, [([], [])]),
    ("class names of two words, Windows' line ends", {"labels": "guide dog\r\ndog\r\n"}, DOG),
    ("class names with a byte order mark", {"labels": b"\xef\xbb\xbfdog\n"}, DOG),
):  # fmt: skip
    answered(f"XML: {caption}", lambda t, g=given: voc(t, **g), gives)
for caption, given, says in (
    ("nothing", {"xml": ""}, r"a\.xml: not a whole XML file"),
    ("not XML", {"xml": '{"images": []}'}, r"a\.xml: not a whole XML file"),
    ("cut off", {"xml": "<annotation><object><na"}, r"a\.xml: not a whole XML file"),
    ("a billion laughs", {"xml": LAUGHS}, r"a\.xml: declares XML entities, which no VOC annotation needs"),
    ("a billion laughs in UTF-16", {"xml": LAUGHS.encode("utf-16")}, r"a\.xml: declares XML entities, which no VOC annotation needs"),
    ("a file of the machine as an entity", {"xml": '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><annotation>&f;</annotation>'}, r"a\.xml: declares XML entities"),
    ("bytes of another encoding than it says", {"xml": b"<annotation><owner>J\xe9r\xf4me</owner></annotation>"}, r"a\.xml: not text in the encoding utf-8"),
    ("an unknown encoding", {"xml": b'<?xml version="1.0" encoding="klingon"?><annotation/>'}, r"a\.xml: not text in the encoding klingon"),
    ("an object without a box", {"xml": "<annotation><object><name>dog</name></object></annotation>"}, r"a\.xml: object 0: bndbox has a side that is no number"),
    ("a word for a number", {"x": "three"}, r"a\.xml: object 0: bndbox has a side that is no number"),
    ("NaN", {"x": "nan"}, r"a\.xml: object 0: bndbox has a side that is no number"),
    ("infinity", {"x2": "inf"}, r"a\.xml: object 0: bndbox has a side that is no number"),
    ("a number of 400 digits", {"x2": "9" * 400}, r"a\.xml: object 0: bndbox has a side that is no number"),
    ("corners swapped", {"x": 9}, r"a\.xml: object 0: expected xmin <= xmax"),
    ("a box outside", {"x": 50, "x2": 60}, r"a\.(jpg|xml)"),
    ("an unknown class", {"labels": "cat\n"}, r"a\.xml: object 0: class 'dog' is none of cat"),
    ("difficult as a word", {"hard": "very"}, r"a\.xml: object 0: expected difficult to be 0 or 1, got 'very'"),
    ("a class listed twice", {"labels": "dog\ncat\ndog\n"}, r"labels\.txt: 'dog' stands there twice"),
    ("a background in the list of classes", {"labels": "background\ndog\n"}, r"labels\.txt: 'background' .*label 0"),
    ("no class in the list", {"labels": "\n"}, r"labels\.txt: expected one class name a line"),
    ("classes in UTF-16", {"labels": "dog\n".encode("utf-16")}, r"labels\.txt: expected text in UTF-8"),
    ("a list in UTF-16", {"listed": "a\n".encode("utf-16")}, r"val\.txt: expected text in UTF-8"),
    ("a picture listed, no annotation", {"listed": "b\n"}, r"b\.xml: no such annotation"),
):  # fmt: skip
    refused(f"XML: {caption}", lambda t, g=given: voc(t, **g), says)
for path in ("../../etc/passwd", "/etc/passwd", "C:\\secret", "a/../../b"):
    refused(
        f"XML: a name outside of its folder, {path!r}",
        lambda t, p=path: voc(t, listed=p + "\n"),
        rf"val\.txt: expected a file inside the folder '\w+', got '{re.escape(repr(path)[1:-1])}\.jpg'",
    )
refused("XML: no such image set", lambda t: VocDetectionDataset(t, "2012", "dog"), r"dog\.txt: no such image set")  # fmt: skip
refused("XML: class names without the background", lambda t: (voc(t), VocDetectionDataset(t, "2012", "val", class_names=("dog",))), "class_names: expected 'background' as the first, got 'dog'")  # fmt: skip


# --------------------------------------------------------------------------------------- configs
for caption, call, says in (
    ("an unknown name", lambda t: create_model("yolo"), "'yolo': there is no such model"),
    ("a name that is none", lambda t: create_model(None), "None: there is no such model"),
    ("an unknown setting", lambda t: create_model("ssd_tiny", classes=3), "classes: ssd_tiny has no such setting; did you mean num_classes"),
    ("classes as a text", lambda t: create_model("ssd_tiny", num_classes="9"), "num_classes: expected an integer, at least 2 .*, got '9'"),
    ("one class", lambda t: create_model("ssd_tiny", num_classes=1), "num_classes: expected an integer, at least 2 .*, got 1"),
    ("another size without priors", lambda t: create_model("ssd_tiny", image_size=999), "image_size: expected that of the priors, 128, got 999"),
    ("a threshold that is NaN", lambda t: create_model("ssd_tiny", iou_threshold=NAN), "iou_threshold: expected a number from 0 to 1, got nan"),
    ("priors as a text", lambda t: create_model("ssd_tiny", priors="all"), "priors: expected a PriorConfig, got str"),
    ("widths as a number", lambda t: create_model("ssd_tiny", widths=5), "widths: expected .*, got 5"),
    ("widths as texts", lambda t: create_model("ssd_tiny", widths=("a", "b")), "widths: expected .*, got "),
    ("pretrained weights", lambda t: create_model("ssd_tiny", pretrained=True), "pretrained: create_model never downloads"),
    ("training for no epoch", lambda t: TrainConfig(epochs=0), "epochs: expected .*1.*, got 0"),
    ("a learning rate of NaN", lambda t: TrainConfig(learning_rate=NAN), "learning_rate: expected a positive number, got nan"),
    ("an unknown optimiser", lambda t: TrainConfig(optimizer="hope"), "optimizer: expected one of .*, got 'hope'"),
    ("a device that is not there", lambda t: pick_device("warp"), "device: 'warp' cannot be used on this machine"),
    ("a transform of no size", lambda t: train_transform(0), "size: expected a positive integer, got 0"),
):  # fmt: skip
    refused(f"config: {caption}", call, says)


# ---------------------------------------------------------------------------------- weights
def weights(folder: Path, tensors: dict[str, torch.Tensor] | None = None, **metadata: str) -> Path:
    """A safetensors file as somebody else could have written it."""
    import safetensors.torch

    path = folder / "w.safetensors"
    tensors = tiny().state_dict() if tensors is None else tensors
    safetensors.torch.save_file(tensors, path, metadata)
    return path


def content(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, ("raise SystemExit('executed')",)


def pickled(folder: Path, name: str) -> Path:
    torch.save({"model": tiny().state_dict(), "evil": Evil()}, folder / name)
    return folder / name


def sawn(folder: Path) -> Path:
    path = folder / "w.safetensors"
    save_model(tiny(), path)
    return content(path, path.read_bytes()[:5000])


SSD = {"model": "ssd_tiny", "overrides": "{}"}
for caption, make, says in (
    ("not there", lambda t: t / "w.safetensors", "there is no such file"),
    ("zero bytes", lambda t: content(t / "w.safetensors", b""), "no complete safetensors file"),
    ("a header of 2^63 bytes", lambda t: content(t / "w.safetensors", b"\xff" * 7 + b"\x7f{}"), "no complete safetensors file"),
    ("cut off", sawn, "no complete safetensors file"),
    ("pickled code", lambda t: pickled(t, "w.safetensors"), "no complete safetensors file"),
    ("a checkpoint of a run", lambda t: pickled(t, "w.safetensors"), ".*torch.save wrote it; the weights of a run are in its best"),
    ("of another program", lambda t: weights(t), "expected a file of save_model"),
    ("an unknown model", lambda t: weights(t, model="yolo", overrides="{}"), "'yolo': there is no such model"),
    ("overrides that are no JSON", lambda t: weights(t, model="ssd_tiny", overrides="{"), "overrides: expected a JSON object, got '{'"),
    ("overrides in 100,000 brackets", lambda t: weights(t, model="ssd_tiny", overrides="[" * 100_000), "overrides: expected a JSON object, got"),
    ("overrides with nonsense", lambda t: weights(t, model="ssd_tiny", overrides='{"priors": {"map_sizes": 5}}'), "priors: .*does not fit"),
    ("a million million classes", lambda t: weights(t, model="ssd_tiny", overrides='{"num_classes": 1000000000000}'), "the weights do not fit ssd_tiny"),
    ("other shapes", lambda t: weights(t, model="ssd_tiny", overrides='{"num_classes": 3}'), "the weights do not fit ssd_tiny"),
    ("a tensor too few", lambda t: weights(t, dict(list(tiny().state_dict().items())[1:]), **SSD), r"the weights do not fit ssd_tiny\n  1 missing: backbone"),
    ("a class name too few", lambda t: weights(t, class_names='["background"]', **SSD), "class_names: expected 9 names, the background's first, got 1"),
    ("class names as numbers", lambda t: weights(t, class_names="[1]", **SSD), r"class_names: expected a JSON list of names, got '\[1\]'"),
    ("class names in 100,000 brackets", lambda t: weights(t, class_names="[" * 100_000, **SSD), "class_names: expected a JSON list of names, got"),
):  # fmt: skip
    refused(f"weights: {caption}", lambda t, m=make: load_model(m(t)), rf"w\.safetensors: {says}")
refused("weights: a folder", lambda t: load_model(t), "expected a file, got a folder")
refused("weights: saved under the name of a folder", lambda t: save_model(tiny(), t), "expected a file, got a folder")  # fmt: skip
refused("weights: something else is saved", lambda t: save_model(torch.nn.Linear(1, 1), t / "a"), "model: expected one of create_model, got Linear")  # fmt: skip

for caption, given, source, says in (
    ("None", None, "torchvision", "state_dict_or_path: expected a state dict or a file, got NoneType"),
    ("a list", [], "torchvision", "state_dict_or_path: expected a state dict or a file, got list"),
    ("an empty dict", {}, "torchvision", "state dict: the weights do not fit ssd300_vgg16"),
    ("an unknown source", {}, "github", "source: expected one of .*, got 'github'"),
    ("a source as a list", {}, ["torchvision"], r"source: expected one of .*, got \['torchvision'\]"),
    ("a source of other models", {}, "VDIGPKU/M2Det", "source: VDIGPKU/M2Det has weights for .*, not for ssd300_vgg16"),
):  # fmt: skip
    refused(f"reference weights: {caption}", lambda t, g=given, s=source: load_reference_weights(ssd300(), g, s), says)  # fmt: skip
for caption, make, says in (
    ("pickled code", lambda t: pickled(t, "r.pth"), r"r\.pth: cannot be read as a checkpoint"),
    ("an error page", lambda t: content(t / "r.pth", b"<html>404</html>"), r"r\.pth: cannot be read as a checkpoint"),
    ("zero bytes", lambda t: content(t / "r.pth", b""), r"r\.pth: cannot be read as a checkpoint"),
    ("a folder", lambda t: t, "expected a file, got a folder"),
    ("not there", lambda t: t / "r.pth", r"r\.pth: there is no such file"),
):  # fmt: skip
    refused(f"reference weights: {caption}", lambda t, m=make: load_reference_weights(ssd300(), m(t), "torchvision"), says)  # fmt: skip


@cache
def ssd300() -> Any:
    with torch.device("meta"):  # nothing is loaded into it
        return create_model("ssd300_vgg16")


# ----------------------------------------------------------------------------------- checkpoints
def checkpoint(folder: Path, keep: float = 1.0) -> Path:
    path = save_checkpoint(folder / "last.pt", {"step": 3, "numbers": torch.zeros(9)}) or folder / "last.pt"  # type: ignore[func-returns-value]  # fmt: skip
    return content(path, path.read_bytes()[: int(len(path.read_bytes()) * keep)])


answered("checkpoint: as it should be", lambda t: load_checkpoint(checkpoint(t))["step"], 3)
for caption, make, says in (
    ("cut off", lambda t: checkpoint(t, 0.5), ""),
    ("zero bytes", lambda t: checkpoint(t, 0.0), ""),
    ("pickled code", lambda t: pickled(t, "last.pt"), ""),
    ("of another program", lambda t: (torch.save({"epoch": 3}, t / "last.pt"), t / "last.pt")[1], ""),
    ("not there", lambda t: t / "last.pt", "no checkpoint there"),
):  # fmt: skip
    refused(f"checkpoint: {caption}", lambda t, m=make: load_checkpoint(m(t)), rf"last\.pt: {says}")


# ----------------------------------------------------------------------------------- in a shell
def shell(*arguments: Any) -> Any:
    """A command, as `python -m detlearn` runs it; its one sentence is what it raises here."""
    import contextlib
    import io

    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        status = main([*map(str, arguments)])
    lines = errors.getvalue().splitlines()
    assert status == 2 and len(lines) == 1 and lines[0].startswith("detlearn: "), (status, lines)
    raise ValueError(lines[0].removeprefix("detlearn: "))


def shell_detect(folder: Path, *images: Path, file: Path | None = None) -> Any:
    if file is None:
        save_model(tiny(), file := folder / "good.safetensors")
    return shell("detect", "--weights", file, "--out", folder / "out", "--device", "cpu", *images)


def shell_train(folder: Path, *arguments: Any) -> Any:
    return shell("train", "ssd_tiny", "--out", folder / "out", "--device", "cpu", "--quiet", *arguments)  # fmt: skip


def with_val(folder: Path, make: Callable[[Path], Any]) -> Path:
    """A broken tree that a command is then pointed to."""
    with pytest.raises((ValueError, OSError)):
        make(folder)
    return folder


def cats(folder: Path) -> Path:
    """A COCO tree of two classes that are called alike."""
    coco(folder, name="annotations.json", categories=[{"id": k, "name": "cat"} for k in (3, 4)])
    return folder


for caption, call, says in (
    ("detect: weights that are not there", lambda t: shell_detect(t, t, file=t / "w.st"), r"w\.st: there is no such file"),
    ("detect: weights of another shape", lambda t: shell_detect(t, t, file=weights(t, model="ssd_tiny", overrides='{"num_classes": 3}')), r"w\.safetensors: the weights do not fit ssd_tiny; \d+ of wrong shape"),
    ("detect: weights with pickled code", lambda t: shell_detect(t, t, file=pickled(t, "w.pt")), r"w\.pt: no complete safetensors file"),
    ("detect: a text for a picture", lambda t: shell_detect(t, content(t / "a.png", b"text")), r"a\.png: cannot be read as a picture"),
    ("detect: a cut-off picture", lambda t: shell_detect(t, content(t / "a.jpg", noise("JPEG", 0.5))), r"a\.jpg: cannot be read as a picture"),
    ("detect: a picture that is not there", lambda t: shell_detect(t, t / "a.png"), r"a\.png: no such picture"),
    ("detect: a folder without pictures", lambda t: shell_detect(t, t), "no pictures in this folder"),
    ("evaluate: no such folder", lambda t: shell("evaluate", "--weights", sawn(t), "--data", t / "no"), r"w\.safetensors: no complete"),
    ("train: a folder without a layout", lambda t: shell_train(t, "--data", t), "none of the layouts known for 'train'"),
    ("train: a broken JSON", lambda t: shell_train(t, "--data", with_val(t, lambda f: coco(f, "{", name="annotations.json"))), r"annotations\.json: not a whole JSON file"),
    ("train: a JSON of 100,000 brackets", lambda t: shell_train(t, "--data", with_val(t, lambda f: coco(f, "[" * 100_000, name="annotations.json"))), r"annotations\.json: not a whole JSON file"),
    ("train: two classes of one name, nothing to score", lambda t: shell_train(t, "--no-eval", "--data", cats(t)), r".+: classes: expected a name of its own for each, got 'cat' twice"),
    ("train: no epoch", lambda t: shell_train(t, "--epochs", 0), "epochs: expected .*, got 0"),
    ("train: a device that is not there", lambda t: shell("train", "ssd_tiny", "--out", t, "--device", "warp"), "device: 'warp' cannot be used"),
    ("train: a network without a loss", lambda t: shell("train", "hrnetv2p_w18", "--out", t, "--device", "cpu"), "hrnetv2p_w18 is a pyramid without heads"),
):  # fmt: skip
    refused(f"shell: {caption}", call, says)


# ------------------------------------------------------------------------------------ the tests
@pytest.mark.parametrize("row", TABLE, ids=[row.caption for row in TABLE])
def test_the_right_result_or_one_clear_sentence(tmp_path, row):
    faulthandler.dump_traceback_later(HANG, exit=True, file=sys.__stderr__)
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = row.call(tmp_path)
    except (ValueError, OSError) as error:
        assert row.says, f"expected {row.gives}, got {error!r}"
        # A subclass would be somebody else's: JSONDecodeError, UnicodeDecodeError, ...
        assert type(error) in (ValueError, FileNotFoundError, IsADirectoryError), repr(error)
        assert re.search(row.says, str(error)), error
        assert not re.search(r"Traceback|File \"|object at 0x|Errno", str(error)), error
    else:
        assert not row.says, f"expected {row.says!r}, got {result}"
        assert result == row.gives
    finally:
        faulthandler.cancel_dump_traceback_later()
    assert time.process_time() - start < SECONDS


def test_the_table_is_long_and_says_what_each_row_is():
    captions = [row.caption for row in TABLE]
    assert len(TABLE) >= 60 and len(set(captions)) == len(captions)
    assert all(bool(row.says) != (row.gives is not None) for row in TABLE)


NONSENSE = (None, "x", -1, 0, 1.5, True, NAN, INF, b"x", {}, [], ["a"], [0], [None], [[1]])


@pytest.mark.parametrize("name", [name for name in ZOO if name.endswith("_tiny")])
def test_no_setting_of_a_model_takes_nonsense(name):
    """Whatever is not refused is a number, a switch, or nothing at all, where that means something."""
    config = ZOO[name].config
    for field in dataclasses.fields(config):
        for value in NONSENSE if field.name != "name" else ():
            try:
                with torch.device("meta"):
                    create_model(name, **{field.name: value})
            except ValueError as error:
                assert field.name in str(error) or "priors" in str(error), (field.name, value)
            else:
                kept = getattr(config, field.name)
                assert value in ([], None) or (type(kept) is not tuple and type(value) in (int, float, bool)), (field.name, value)  # fmt: skip
