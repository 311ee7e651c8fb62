"""How good is a detector?  Average precision by hand, and as VOC and COCO compute it; and for
key points OKS, PCK and COCO's AP.

Everything here answers one question in three steps:

1. `match_detections`: which detections found an object that nobody had found before?
2. `precision_recall`: going down the list by score, which share of the detections is right,
   and which share of the objects is found?
3. `average_precision`: the area under that curve, one number for one class.

`voc_evaluate` and `coco_map_by_hand` apply the three steps to every class of a data set.
`coco_evaluate` asks pycocotools, the reference; by hand and by reference the numbers agree.

``detections`` and ``targets`` are torchvision's: one dict per image, in the same order.  A
detection dict has ``boxes`` ``(D, 4)`` xyxy in pixels, ``scores`` ``(D,)`` and ``labels``
``(D,)``; a target has ``boxes`` ``(G, 4)`` and ``labels`` ``(G,)``, and may have ``iscrowd``,
``area``, ``difficult`` (``(G,)`` each) and an integer ``image_id``.  Images without detections,
without objects, or without both are legal.
"""

from .average_precision import (
    DetectionMatch,
    PrecisionRecall,
    average_precision,
    match_detections,
    precision_recall,
)
from .coco import COCO_AREAS, COCO_IOU_THRESHOLDS, coco_curves, coco_evaluate, coco_map_by_hand
from .coco_poses import coco_keypoint_evaluate
from .compare import interval_overlap, pareto_front, t_interval, t_quantile
from .error_counts import confusion_matrix, detection_errors, errors_by_size, leave_out_ignored
from .errors import ERROR_KINDS, DetectionError, error_kinds, explain_errors
from .poses import COCO_SIGMAS, PCK, oks, oks_nms, pck, pckh, soft_oks_nms
from .score_threshold import best_score_threshold
from .scores import (
    HEADLINES,
    SCORE_TEXTS,
    VOC_SCORES,
    detection_scores,
    is_score,
    score_label,
)
from .voc import voc_evaluate

__all__ = [
    "COCO_AREAS", "COCO_IOU_THRESHOLDS", "COCO_SIGMAS", "ERROR_KINDS", "HEADLINES", "SCORE_TEXTS",
    "VOC_SCORES", "DetectionError", "DetectionMatch", "PCK", "PrecisionRecall", "average_precision",
    "best_score_threshold", "coco_curves", "coco_evaluate", "coco_keypoint_evaluate",
    "coco_map_by_hand", "confusion_matrix", "detection_errors", "detection_scores", "error_kinds",
    "errors_by_size", "explain_errors", "interval_overlap", "is_score", "leave_out_ignored",
    "match_detections", "oks", "oks_nms", "pareto_front", "pck", "pckh", "precision_recall",
    "score_label", "soft_oks_nms", "t_interval", "t_quantile", "voc_evaluate",
]  # fmt: skip
