"""HRNet: the fine map is never given up (Sun et al. 2019, "Deep High-Resolution Representation
Learning for Human Pose Estimation"; for detection, Sun et al. 2019, "High-Resolution
Representations for Labeling Pixels and Regions").

Other backbones halve the map again and again and climb back later.  HRNet keeps the map of
stride 4 to the end, opens one coarser branch beside it in every stage, and lets all branches
talk to each other in *exchange units*: a matrix of paths whose cell ``i <- j`` brings the map of
branch j to the size and the channels of branch i.

Branches are counted from 0, the finest.  To a branch of larger number it goes *down* (fewer
cells, more channels), to one of smaller number *up*.
"""

from .blocks import (
    BasicBlock,
    Bottleneck,
    FuseLayer,
    HighResolutionModule,
    Transition,
    conv_norm,
    exchange,
    path_down,
    path_up,
)
from .pose_network import (
    PEOPLE_PER_PASS,
    POSE_HRNET_TINY,
    POSE_HRNET_W32,
    POSE_HRNET_W48,
    PoseHRNet,
    PoseHRNetConfig,
)
from .pyramid import (
    HRFPN,
    HRNETV2P_TINY,
    HRNETV2P_W18,
    HRNETV2P_W32,
    HRNETV2P_W40,
    HRNetV2p,
    HRNetV2pConfig,
)
from .trunk import HRNet, HRNetConfig

__all__ = [
    "BasicBlock", "Bottleneck", "FuseLayer", "HRFPN", "HRNETV2P_TINY", "HRNETV2P_W18",
    "HRNETV2P_W32", "HRNETV2P_W40", "HRNet", "HRNetConfig", "HRNetV2p", "HRNetV2pConfig",
    "HighResolutionModule", "PEOPLE_PER_PASS", "POSE_HRNET_TINY", "POSE_HRNET_W32",
    "POSE_HRNET_W48", "PoseHRNet", "PoseHRNetConfig", "Transition", "conv_norm", "exchange",
    "path_down", "path_up",
]  # fmt: skip
