"""Shapes: the embedded data set, a picture book that draws itself.

A scene is paper, scraps (clutter), and paper-cut objects of eight classes. Every object is drawn
in three steps, a file each:

1. a *draw function* (`objects`, one per class) returns a `Drawing`: coloured polygons, painted in
   order;
2. `cut_out` (`cutouts`) turns, scales and rasterises it (three times too large, then averaged: that
   is the anti-aliasing) into a `Cutout`, and knows its tight box;
3. `draw_scene` (`scene`) looks for a place where no object would be hidden by more than 30 %, and
   pastes it.

All choices of a scene come from one stream of uniform numbers (`dice`), seeded by (seed, image_id)
and nothing else: the same pair gives the same scene in any order, in any worker and on any machine.
"""

from .classes import CLASS_NAMES, COMPLEX, KEYPOINT_FLIP, KEYPOINT_NAMES, SIMPLE, SKELETON
from .dataset import (
    SHAPES_VERSION,
    TEST_SEED,
    TRAIN_OBJECTS,
    TRAIN_SEED,
    TUNE_SEED,
    VAL_SEED,
    Shapes,
)
from .dice import Dice
from .scene import LARGEST, MIN_VISIBLE, SMALLEST, SMALLEST_PX, Placed, Scene, draw_scene

__all__ = [
    "CLASS_NAMES", "COMPLEX", "KEYPOINT_FLIP", "KEYPOINT_NAMES", "LARGEST", "MIN_VISIBLE", "SIMPLE",
    "SKELETON", "SMALLEST", "SMALLEST_PX", "SHAPES_VERSION", "TEST_SEED", "TRAIN_OBJECTS",
    "TRAIN_SEED", "TUNE_SEED", "VAL_SEED", "Dice", "Placed", "Scene", "Shapes", "draw_scene",
]  # fmt: skip
