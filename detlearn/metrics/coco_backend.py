"""The one place that runs COCO's reference: pycocotools, or hotcoco where it is installed.

hotcoco (written in Rust, MIT licence) has pycocotools' interface and gives its numbers to the last
bit, a dozen times faster.  pycocotools is what the course requires, since Colab has it already.
"""

from __future__ import annotations

import importlib
import io
import math
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

__all__ = ["CocoArrays", "CocoBackend", "coco_backend", "run_coco_eval"]

CocoBackend = Literal["hotcoco", "pycocotools"]

# Where each has the classes COCO and COCOeval; the faster one first.
_MODULES: Mapping[str, tuple[str, str]] = {
    "hotcoco": ("hotcoco", "hotcoco"),
    "pycocotools": ("pycocotools.coco", "pycocotools.cocoeval"),
}


class CocoArrays(NamedTuple):
    """What a reference has counted; NaN where there is no object.

    Attributes:
        precision: ``(T, 101, K - 1, A)`` float64, by threshold, recall, class and range of areas.
        recall: ``(T, K - 1, A)`` float64, the highest recall that is reached.
    """

    precision: Tensor
    recall: Tensor


def coco_backend(name: str | None = None) -> tuple[type, type]:
    """The classes ``COCO`` and ``COCOeval`` of a reference.

    Args:
        name: ``"hotcoco"``, ``"pycocotools"``, or None for the faster one that is installed.

    Raises:
        ValueError: an unknown name.
        ImportError: the one that was asked for is not installed.
    """
    if name is not None and name not in _MODULES:
        raise ValueError(f"backend: expected one of {', '.join(_MODULES)}, or None, got {name!r}")
    if name is None:
        try:
            return coco_backend("hotcoco")
        except ImportError:
            return coco_backend("pycocotools")
    coco, cocoeval = (importlib.import_module(module) for module in _MODULES[name])
    return coco.COCO, cocoeval.COCOeval


def run_coco_eval(
    image_ids: Sequence[int],
    class_names: Sequence[str],
    objects: Sequence[Mapping[str, Any]],
    detections: Sequence[Mapping[str, Any]] | np.ndarray,
    *,
    iou_type: Literal["bbox", "keypoints"],
    backend: CocoBackend | None = None,
    **parameters: Any,
) -> CocoArrays:
    """Let the reference compare detections with objects.

    Args:
        image_ids: of all images, those without objects and detections included.
        class_names: background first.
        objects: rows as COCO's annotations have them, without an id.
        detections: rows as COCO's results have them; or ``(N, 7)`` float64, image id, x, y, width,
            height, score and label.
        iou_type: what is compared.
        backend: see `coco_backend`.
        parameters: attributes of the reference's ``params`` that differ from its own.

    Returns:
        `CocoArrays`.
    """
    COCO, COCOeval = coco_backend(backend)
    annotations = [{**row, "id": index} for index, row in enumerate(objects, start=1)]  # 0: no id
    dataset = {
        "info": {},
        "images": [{"id": image_id} for image_id in image_ids],
        "categories": [{"id": k, "name": name} for k, name in enumerate(class_names) if k > 0],
        "annotations": annotations,
    }
    with redirect_stdout(io.StringIO()):  # it talks; its errors still come through
        truth, result = COCO(), COCO()
        truth.dataset = dataset
        truth.createIndex()
        if len(detections):
            result = truth.loadRes(detections)
        else:  # loadRes looks at the first detection
            result.dataset = {**dataset, "annotations": []}
            result.createIndex()
        evaluation = COCOeval(truth, result, iouType=iou_type)
        for name, value in parameters.items():
            setattr(evaluation.params, name, value)
        evaluation.evaluate()
        evaluation.accumulate()
    counted = (torch.from_numpy(evaluation.eval[key]) for key in ("precision", "recall"))
    # The last axis are numbers of detections, of which the largest counts. -1: no such object.
    return CocoArrays(*(v[..., -1].masked_fill(v[..., -1] < 0, math.nan) for v in counted))
