"""Where the feature maps come from: classifiers without their last layers.

The layers of VGG-16, ResNet-50 and MobileNetV2 are torchvision's own modules; here they
are only named, cut and tapped.  A tap is found by its role (the ReLU after the third
convolution of block 4; the end of stage layer3), never by a counted index, so nothing
breaks, silently or otherwise, when a layer is added in front.

Every backbone maps ``(B, 3, S, S)`` to a list of maps, fine to coarse, and lists their
channels in ``out_channels``.  Weights are random: nothing is ever downloaded here.
"""

from .mobilenet import MobileNetV2
from .resnet import SE_RESNETS, ResNet50, ResNetFamily, list_resnets
from .tiny import TinyBackbone, check_widths
from .vgg import (
    VGG16,
    VGG19,
    decimate_fc6,
    decimate_fc7,
    named_vgg16_layers,
    vgg16_reduced_from_torchvision,
)

__all__ = [
    "MobileNetV2", "ResNet50", "ResNetFamily", "SE_RESNETS", "TinyBackbone", "VGG16", "VGG19",
    "check_widths", "decimate_fc6", "decimate_fc7", "list_resnets", "named_vgg16_layers",
    "vgg16_reduced_from_torchvision",
]  # fmt: skip
