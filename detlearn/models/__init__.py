"""Networks: the blocks of the papers, each once, and the models made of them."""

from .backbones import vgg16_reduced_from_torchvision
from .detector import Detector, DetectorConfig
from .hrnet import (
    HRNETV2P_W18,
    HRNETV2P_W32,
    HRNETV2P_W40,
    POSE_HRNET_TINY,
    POSE_HRNET_W32,
    POSE_HRNET_W48,
    HRNetConfig,
    HRNetV2p,
    HRNetV2pConfig,
    PoseHRNet,
    PoseHRNetConfig,
)
from .layers import Predictions
from .m2det import (
    M2DET320_RESNET101,
    M2DET320_VGG16,
    M2DET512_RESNET50,
    M2DET512_RESNET101,
    M2DET512_VGG16,
    M2DET704_VGG16,
    M2DET800_VGG16,
    M2DET_TINY,
    M2Det,
    M2DetConfig,
)
from .refinedet import (
    REFINEDET320_VGG16,
    REFINEDET512_VGG16,
    REFINEDET_TINY,
    RefineDet,
    RefineDetConfig,
    RefineDetPredictions,
)
from .ssd import (
    SSD,
    SSD300_RESNET50,
    SSD300_VGG16,
    SSD512_VGG16,
    SSD_HRNET_TINY,
    SSD_HRNETV2P_W18,
    SSD_TINY,
    SSDLITE300_MOBILENET_V2,
    SSDConfig,
)
from .weights import (
    InitialReport,
    TrunkReport,
    load_backbone,
    load_initial_weights,
    load_model,
    load_reference_weights,
    save_model,
)
from .zoo import create_model, list_models

__all__ = [
    "M2DET320_RESNET101", "M2DET320_VGG16", "M2DET512_RESNET50", "M2DET512_RESNET101",
    "M2DET512_VGG16", "M2DET704_VGG16", "M2DET800_VGG16", "M2DET_TINY", "HRNETV2P_W18",
    "HRNETV2P_W32", "HRNETV2P_W40", "POSE_HRNET_TINY", "POSE_HRNET_W32", "POSE_HRNET_W48",
    "REFINEDET320_VGG16", "REFINEDET512_VGG16", "REFINEDET_TINY", "SSD", "SSD300_RESNET50",
    "SSD300_VGG16", "SSD512_VGG16", "SSDLITE300_MOBILENET_V2", "SSD_HRNETV2P_W18", "SSD_HRNET_TINY",
    "SSD_TINY", "Detector", "DetectorConfig", "M2Det", "M2DetConfig", "HRNetConfig", "HRNetV2p",
    "HRNetV2pConfig", "PoseHRNet", "PoseHRNetConfig", "Predictions", "RefineDet", "RefineDetConfig",
    "RefineDetPredictions", "SSDConfig", "InitialReport", "TrunkReport", "create_model",
    "list_models", "load_backbone", "load_initial_weights", "load_model", "load_reference_weights",
    "save_model", "vgg16_reduced_from_torchvision",
]  # fmt: skip
