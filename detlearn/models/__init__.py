"""Networks: the blocks of the papers, each once, and the models made of them."""

from .detector import Detector, DetectorConfig
from .layers import Predictions
from .reference_weights import load_reference_weights
from .ssd import (
    SSD,
    SSD300_RESNET50,
    SSD300_VGG16,
    SSD512_VGG16,
    SSD_TINY,
    SSDLITE300_MOBILENET_V2,
    SSDConfig,
)
from .zoo import create_model, list_models, load_model, save_model

__all__ = [
    "SSD",
    "SSD300_RESNET50",
    "SSD300_VGG16",
    "SSD512_VGG16",
    "SSDLITE300_MOBILENET_V2",
    "SSD_TINY",
    "Detector",
    "DetectorConfig",
    "Predictions",
    "SSDConfig",
    "create_model",
    "list_models",
    "load_model",
    "load_reference_weights",
    "save_model",
]
