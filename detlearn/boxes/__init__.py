"""Box geometry: pure tensors, no networks, no files.

The vocabulary of the whole course: ``boxes`` are xyxy, ``priors`` are ``(P, 4)`` cxcywh in
fractions of the image, ``deltas`` are what the network says, label 0 is the background.
"""

from .coding import MAX_LOG_SCALE, decode, decode_linear, encode, encode_linear
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
from .matching import Match, Targets, coverage, make_targets, match
from .nms import nms, select_detections, soft_nms, weighted_nms
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

__all__ = [
    "M2DET320_PRIORS",
    "M2DET512_PRIORS",
    "M2DET704_PRIORS",
    "M2DET800_PRIORS",
    "MAX_LOG_SCALE",
    "PRIOR_LAYOUTS",
    "REFINEDET320_PRIORS",
    "REFINEDET512_PRIORS",
    "SSD300_COCO_PRIORS",
    "SSD300_UVIPEN_PRIORS",
    "SSD300_VOC_PRIORS",
    "SSD512_VOC_PRIORS",
    "SSDLITE300_UVIPEN_PRIORS",
    "SSD_TINY_PRIORS",
    "Match",
    "PriorBox",
    "PriorConfig",
    "PriorIndex",
    "Targets",
    "box_area",
    "box_iou",
    "check_boxes",
    "clip_boxes",
    "coverage",
    "cxcywh_to_xyxy",
    "decode",
    "decode_linear",
    "encode",
    "encode_linear",
    "make_priors",
    "make_targets",
    "match",
    "nms",
    "resize_boxes",
    "select_detections",
    "soft_nms",
    "ssd_sizes",
    "weighted_nms",
    "xywh_to_xyxy",
    "xyxy_to_cxcywh",
    "xyxy_to_xywh",
]
