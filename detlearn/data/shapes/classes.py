"""The eight classes of Shapes, and the key points of a person."""

from __future__ import annotations

SIMPLE = ("disc", "square", "triangle", "cross")
COMPLEX = ("face", "house", "tree", "person")
CLASS_NAMES = ("background", *SIMPLE, *COMPLEX)
PERSON = CLASS_NAMES.index("person")

KEYPOINT_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
# The order of the joints in a mirrored picture: a mirrored left hand is a right hand.
KEYPOINT_FLIP = (0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15)
SKELETON = (  # pairs of key points, counted from 1 as COCO does
    (16, 14), (14, 12), (17, 15), (15, 13), (12, 13), (6, 12), (7, 13), (6, 7), (6, 8), (7, 9),
    (8, 10), (9, 11), (2, 3), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7),
)  # fmt: skip
