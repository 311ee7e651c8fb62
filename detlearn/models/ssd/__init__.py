"""SSD: one pass, many scales (Liu et al. 2016, "SSD: Single Shot MultiBox Detector").

A backbone gives the finer maps, extra layers the coarser ones, and a head on each map says
for every prior what it holds and how far it is off.  The detectors of this room differ in
numbers only, and the numbers stand in their `SSDConfig`.
"""

from .config import (
    BACKBONES,
    HRNETV2P512_PRIORS,
    SSD300_RESNET50,
    SSD300_VGG16,
    SSD512_VGG16,
    SSD_HRNET_TINY,
    SSD_HRNETV2P_W18,
    SSD_TINY,
    SSDLITE300_MOBILENET_V2,
    ExtraLayer,
    SSDConfig,
    tiny_backbone,
)
from .network import SSD, build_extras, loss_of_priors

__all__ = [
    "BACKBONES", "HRNETV2P512_PRIORS", "SSD", "SSD300_RESNET50", "SSD300_VGG16", "SSD512_VGG16",
    "SSDLITE300_MOBILENET_V2", "SSD_HRNETV2P_W18", "SSD_HRNET_TINY", "SSD_TINY", "ExtraLayer",
    "SSDConfig", "build_extras", "loss_of_priors", "tiny_backbone",
]  # fmt: skip
