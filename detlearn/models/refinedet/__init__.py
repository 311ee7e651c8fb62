"""RefineDet: two steps in one pass (Zhang et al. 2018, "Single-Shot Refinement Neural Network").

An SSD answers two questions at once: is there anything, and what exactly, and where exactly?
RefineDet asks them one after the other.  The anchor refinement module (ARM) says for every
prior whether it holds an object and moves it towards that object; the transfer connection
block (TCB) prepares the maps for the harder question; the object detection module (ODM)
starts from the moved priors and names and places what is there.

One word of three papers: *prior* here, *default box* in SSD, *anchor* in RefineDet.  A prior
that the ARM has moved is an *anchor* in this room, and nothing else is.
"""

from .blocks import (
    SMALLEST_ANCHOR,
    AnchorRefinementModule,
    ObjectDetectionModule,
    RefineDetPredictions,
    TransferConnectionBlock,
    add_batch_norm,
    refine_anchors,
)
from .config import (
    BACKBONES,
    REFINEDET320_VGG16,
    REFINEDET512_VGG16,
    REFINEDET_TINY,
    RefineDetConfig,
)
from .network import RefineDet, stack_targets

__all__ = [
    "AnchorRefinementModule", "BACKBONES", "ObjectDetectionModule", "REFINEDET320_VGG16",
    "REFINEDET512_VGG16", "REFINEDET_TINY", "RefineDet", "RefineDetConfig", "RefineDetPredictions",
    "SMALLEST_ANCHOR", "TransferConnectionBlock", "add_batch_norm", "refine_anchors",
    "stack_targets",
]  # fmt: skip
