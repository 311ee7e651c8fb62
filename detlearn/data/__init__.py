"""Data: the embedded data set Shapes, COCO, VOC and CSV folders, photographs, augmentation.

Every data set gives ``(image, target)``: a uint8 image ``(3, H, W)`` and torchvision's dict with
``boxes`` (xyxy, px of that image), ``labels`` (from 1) and ``image_id``.
"""

from .box_shapes import CoverageRow, coverage_by_shape, input_boxes, text_histogram
from .coco import CocoDetectionDataset
from .coins import write_coin_windows
from .csv_boxes import CsvDetectionDataset
from .files import check_files, data_path
from .folders import open_dataset
from .images import read_image
from .keypoints import (
    COCO_AUGMENTATION,
    MPII_AUGMENTATION,
    SHAPES_AUGMENTATION,
    KeypointAugmentation,
    KeypointCrops,
)
from .photos import load_photo, photo_names
from .portraits import Portrait, load_portraits, runtime_picture
from .shapes import TRAIN_OBJECTS, Shapes
from .stand_in import draw_stand_in
from .targets import Cached, Joined, check_target, collate, make_target
from .transforms import eval_transform, shapes_train_transform, train_transform
from .views import view_photo
from .voc import VOC_CLASS_NAMES, VocDetectionDataset, voc_image_sets
from .yolo import YoloDetectionDataset

__all__ = [
    "COCO_AUGMENTATION", "MPII_AUGMENTATION", "SHAPES_AUGMENTATION", "TRAIN_OBJECTS",
    "VOC_CLASS_NAMES", "Cached", "CocoDetectionDataset", "CoverageRow", "CsvDetectionDataset",
    "Joined", "KeypointAugmentation", "KeypointCrops", "Portrait", "Shapes", "VocDetectionDataset",
    "YoloDetectionDataset", "check_files", "check_target", "collate", "coverage_by_shape",
    "data_path", "draw_stand_in", "eval_transform", "input_boxes", "load_photo", "load_portraits",
    "make_target", "open_dataset", "photo_names", "read_image", "runtime_picture",
    "shapes_train_transform", "text_histogram", "train_transform", "view_photo", "voc_image_sets",
    "write_coin_windows",
]  # fmt: skip
