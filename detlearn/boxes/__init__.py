"""Box geometry: pure tensors, no networks, no files.

The vocabulary of the whole course: ``boxes`` are xyxy, ``priors`` are ``(P, 4)`` cxcywh in
fractions of the image, ``deltas`` are what the network says, label 0 is the background.
"""

from .candidates import all_finite
from .coding import (
    MAX_LOG_SCALE,
    decode,
    decode_linear,
    encode,
    encode_linear,
    linear_from_log,
)
from .geometry import (
    box_area,
    box_iou,
    check_boxes,
    clip_boxes,
    cxcywh_to_xyxy,
    resize_boxes,
    xywh_to_xyxy,
    xyxy_to_cxcywh,
    xyxy_to_xywh,
)
from .layout_json import layout_from_json, layout_to_json
from .matching import Match, Targets, coverage, make_batch_targets, make_targets, match
from .nms import (
    nms,
    select_detections,
    select_weighted,
    soft_nms,
    weighted_nms,
)
from .priors import (
    M2DET320_PRIORS,
    M2DET512_PRIORS,
    M2DET704_PRIORS,
    M2DET800_PRIORS,
    PRIOR_LAYOUTS,
    REFINEDET320_PRIORS,
    REFINEDET512_PRIORS,
    SSD300_COCO_PRIORS,
    SSD300_UVIPEN_PRIORS,
    SSD300_VOC_PRIORS,
    SSD512_VOC_PRIORS,
    SSD_TINY_PRIORS,
    SSDLITE300_UVIPEN_PRIORS,
    PriorBox,
    PriorConfig,
    PriorIndex,
    make_priors,
    ssd_sizes,
)
from .propose import cluster_1d, layout_coverage, level_coverage, propose_layout
from .soft import select_soft

__all__ = [
    "M2DET320_PRIORS", "M2DET512_PRIORS", "M2DET704_PRIORS", "M2DET800_PRIORS", "MAX_LOG_SCALE",
    "PRIOR_LAYOUTS", "REFINEDET320_PRIORS", "REFINEDET512_PRIORS", "SSD300_COCO_PRIORS",
    "SSD300_UVIPEN_PRIORS", "SSD300_VOC_PRIORS", "SSD512_VOC_PRIORS", "SSDLITE300_UVIPEN_PRIORS",
    "SSD_TINY_PRIORS", "Match", "PriorBox", "PriorConfig", "PriorIndex", "Targets", "all_finite",
    "box_area", "box_iou", "check_boxes", "clip_boxes", "cluster_1d", "coverage", "cxcywh_to_xyxy",
    "decode", "decode_linear", "encode", "encode_linear", "layout_coverage", "layout_from_json",
    "layout_to_json", "level_coverage", "linear_from_log", "make_batch_targets", "make_priors",
    "make_targets", "match", "nms", "propose_layout", "resize_boxes", "select_detections",
    "select_soft", "select_weighted", "soft_nms", "ssd_sizes", "weighted_nms", "xywh_to_xyxy",
    "xyxy_to_cxcywh", "xyxy_to_xywh",
]  # fmt: skip
