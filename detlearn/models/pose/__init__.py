"""From a person's box to heat maps, and from heat maps back to the picture (Sun et al. 2019, §3).

Top-down pose estimation looks at one person at a time::

    box -> centre, scale -> crop -> network -> heat maps -> peaks -> picture
                              |                    |
                 key points -> make_heatmaps -> loss

Everything here is a function of tensors, in ``crops.py`` between picture and crop, in
``heatmaps.py`` between crop and heat map; the network is in ``hrnet/pose_network.py``, another one,
to compare it with, in ``mediapipe_pose.py``.

A *coordinate* needs a convention: where is the middle of the first pixel?  At 0 (COCO's key
points, OpenCV, the published HRNet) or at 0.5 (boxes, and the embedded data set Shapes).  The
functions that look at pixels ask for it as ``pixel_center``.
"""

from .crops import (
    PIXEL_STD,
    CenterScale,
    affine_matrix,
    apply_affine,
    box_to_center_scale,
    crop_image,
)
from .heatmaps import (
    COCO_FLIP_ORDER,
    MPII_FLIP_ORDER,
    Decoding,
    HeatmapTargets,
    Peaks,
    argmax_heatmaps,
    blur,
    decode_heatmaps,
    flip_heatmaps,
    flip_keypoints,
    heatmaps_to_image,
    make_heatmaps,
    neighbours,
    newton_step,
)
from .mediapipe_pose import MEDIAPIPE_POINTS, MediaPipePose, load_mediapipe_pose

__all__ = [
    "COCO_FLIP_ORDER", "CenterScale", "Decoding", "HeatmapTargets", "MEDIAPIPE_POINTS",
    "MPII_FLIP_ORDER", "MediaPipePose", "PIXEL_STD", "Peaks", "affine_matrix", "apply_affine",
    "argmax_heatmaps", "blur", "box_to_center_scale", "crop_image", "decode_heatmaps",
    "flip_heatmaps", "flip_keypoints", "heatmaps_to_image", "load_mediapipe_pose", "make_heatmaps",
    "neighbours", "newton_step",
]  # fmt: skip
