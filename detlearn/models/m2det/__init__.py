"""M2Det: levels as well as scales (Zhao et al. 2019, "M2Det: A Single-Shot Object Detector based
on Multi-Level Feature Pyramid Network").

Every pyramid so far has one map for each size of object, and the maps for small objects come
from early layers, which see simple things only.  M2Det asks for depth and size separately: a
*scale* is the resolution of a map, a *level* says how many U-shaped modules it went through.
Each U-shaped module (TUM) makes a map at every scale; the maps of one scale, from all levels,
are laid on top of each other; and an attention (SFAM) says which of them matter.

From bottom to top: ``blocks.py`` has `BasicConv`, `FFMv1` and `FFMv2` (fuse), `TUM` (encode,
decode, smooth) and `SFAM` (weigh); ``mlfpn.py`` joins them; ``network.py`` has `M2Det` (backbone,
MLFPN, heads), ``config.py`` its numbers, ``suppression.py`` its way out, ``schedule.py`` its
learning rate.
"""

from .blocks import (
    SFAM,
    TUM,
    BasicConv,
    Decoder,
    Encoder,
    FFMv1,
    FFMv2,
    PaperDecoder,
    Smoothing,
    tum_sides,
)
from .config import (
    M2DET320_RESNET101,
    M2DET320_VGG16,
    M2DET512_RESNET50,
    M2DET512_RESNET101,
    M2DET512_VGG16,
    M2DET704_VGG16,
    M2DET800_VGG16,
    M2DET_TINY,
    PUBLISHED_PRIORS,
    M2DetConfig,
    fit_priors,
)
from .mlfpn import MLFPN
from .network import M2Det, build_backbone
from .schedule import released_learning_rate
from .suppression import select_by_class, select_in_pixels

__all__ = [
    "BasicConv", "Decoder", "Encoder", "FFMv1", "FFMv2", "M2DET320_RESNET101", "M2DET320_VGG16",
    "M2DET512_RESNET101", "M2DET512_RESNET50", "M2DET512_VGG16", "M2DET704_VGG16", "M2DET800_VGG16",
    "M2DET_TINY", "M2Det", "M2DetConfig", "MLFPN", "PUBLISHED_PRIORS", "PaperDecoder", "SFAM",
    "Smoothing", "TUM", "build_backbone", "fit_priors", "released_learning_rate", "select_by_class",
    "select_in_pixels", "tum_sides",
]  # fmt: skip
