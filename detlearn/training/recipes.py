"""What trains each model well: the published recipes, in epochs, and our own for the tiny models.

``python -m detlearn recipes`` lists them; with a model's name it shows all of one, where it comes
from and what it gave its authors.  The full-size models start from a backbone trained on ImageNet,
a file for ``train --backbone``; from random weights the same recipe may end lower.

Three things are ours in every recipe: the gradient's norm is clipped at 10, mixed precision is used
where it is safe, and a last batch that is not full is left out, which makes an epoch of PASCAL VOC
517 steps of 32 images and one of COCO 3,696.  `TrainConfig.batch_size` counts the images of a step
on all GPUs together, as the published learning rates do.
"""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from .config import TrainConfig

__all__ = [
    "BACKBONE_FILES", "COCO_IMAGES", "RECIPES", "RECIPE_SOURCES", "VOC_IMAGES", "add_commands",
]  # fmt: skip

VOC_IMAGES = 16_551
"""VOC 2007 and 2012, trainval: what "07+12" means."""

COCO_IMAGES = 118_287
"""COCO's train2017, which are the images of 2014's trainval35k."""

# Small batches: many steps count for more than smooth ones when time is short.
_TINY = TrainConfig(epochs=6, batch_size=8, learning_rate=1e-2, warmup_steps=200, schedule="flat")

_UVIPEN = TrainConfig(
    epochs=65, batch_size=32, optimizer="sgd", learning_rate=2.6e-3, weight_decay=5e-4,
    decay_everything=True, warmup_steps=300, schedule="steps", milestones=(43, 54),
)  # fmt: skip

# 80,000, 100,000 and 120,000 iterations of 32 images are 154.7, 193.4 and 232.1 epochs of 517.
_VOC = TrainConfig(
    epochs=232, batch_size=32, optimizer="sgd", nesterov=False, learning_rate=1e-3,
    weight_decay=5e-4, decay_everything=True, warmup_steps=0, schedule="steps",
    milestones=(155, 193),
)  # fmt: skip

_WARM = 5 * (COCO_IMAGES // 32)  # five epochs of COCO

_M2DET = TrainConfig(
    epochs=150, batch_size=32, optimizer="sgd", nesterov=False, learning_rate=2e-3,
    weight_decay=5e-4, decay_everything=True, warmup_steps=_WARM, schedule="steps",
    milestones=(90, 120),
)  # fmt: skip

# `detlearn.models.m2det.released_learning_rate`, from 1e-6 on.
_M2DET_RELEASED = dataclasses.replace(
    _M2DET, epochs=160, learning_rate=4e-3, warmup_factor=1e-6 / 4e-3,
    milestones=(90, 110, 130, 150), drop=(0.5, 0.2, 0.1, 0.1),
)  # fmt: skip

_POSE = TrainConfig(
    epochs=210, batch_size=128, optimizer="adam", learning_rate=1e-3, weight_decay=0.0,
    warmup_steps=0, schedule="steps", milestones=(170, 200),
)  # fmt: skip

_SSD_HRNET = TrainConfig(
    epochs=12, batch_size=32, optimizer="sgd", nesterov=False, learning_rate=2.6e-3,
    weight_decay=1e-4, decay_everything=True, warmup_steps=500, warmup_factor=1 / 3,
    schedule="steps", milestones=(8, 11),
)  # fmt: skip

RECIPES: dict[str, TrainConfig] = {
    "ssd300_vgg16": _VOC,
    "ssd512_vgg16": _VOC,
    "ssd300_resnet50": _UVIPEN,
    "ssdlite300_mobilenet_v2": _UVIPEN,
    "ssd_tiny": _TINY,
    "refinedet320_vgg16": _VOC,
    "refinedet512_vgg16": _VOC,
    "refinedet_tiny": dataclasses.replace(_TINY, learning_rate=5e-3),
    "m2det320_vgg16": _M2DET,
    "m2det512_vgg16": _M2DET,
    "m2det704_vgg16": _M2DET,
    "m2det800_vgg16": _M2DET,
    "m2det320_resnet101": _M2DET,
    "m2det512_resnet101": _M2DET,
    "m2det512_resnet50": _M2DET,
    "m2det512_vgg16:released": _M2DET_RELEASED,
    "m2det_tiny": dataclasses.replace(_TINY, learning_rate=3e-3),
    "pose_hrnet_w32": _POSE,
    "pose_hrnet_w48": _POSE,
    "pose_hrnet_tiny": TrainConfig(epochs=4, batch_size=16, learning_rate=3e-3, warmup_steps=200),
    "ssd_hrnetv2p_w18": _SSD_HRNET,
    "ssd_hrnet_tiny": dataclasses.replace(_TINY, learning_rate=2e-3),
}
"""Recipes by the model's name; ``MODEL:released`` is another one for the same model."""

_FOR_SHAPES = (
    "Ours, for some minutes of CPU on scenes of Shapes; `data/weights/{}.json` is the record of "
    "the shipped weights."
)
_SSD_SOURCE = (
    "Liu et al. 2016, arXiv 1512.02325v5, for PASCAL VOC 07+12, without a warm-up: section 3.1 has "
    "1e-3 for 40,000 iterations of 32 images, 1e-4 and 1e-5 for 10,000 each; section 3.6 doubles "
    "that for the augmentation that makes objects small, as the released ssd_pascal.py does "
    "(80,000, 20,000, 20,000), and so does this recipe; 16,551 images make that 232 epochs with "
    "drops after 155 and 193. Published: {} mAP on VOC07 test (Table 6)."
)
_UVIPEN_SOURCE = (
    "uvipen/SSD-pytorch, for COCO 2017: SGD with Nesterov momentum, 2.6e-3 x GPUs x batch / 32, "
    "decay on everything, a tenth after 43 and 54 of 65 epochs (its scheduler really drops at 42 "
    "and 53). The warm-up of 300 steps is ours. Published: {}."
)
_REFINEDET_SOURCE = (
    "luuuyi/RefineDet.PyTorch, for PASCAL VOC 07+12: 1e-3, a tenth after 80,000 and 100,000 of "
    "120,000 iterations of 32 images; 16,551 images make that 232 epochs with drops after 155 and "
    "193. Published (README): {}."
)
_M2DET_SOURCE = (
    "Zhao et al. 2019, Implementation details, for COCO's trainval35k: 2e-3, a tenth after 90 and "
    "120 of 150 epochs, 32 images a step; five epochs of warm-up are 18,480 steps. {}"
)
_POSE_SOURCE = (
    "leoxiaobin/deep-high-resolution-net.pytorch, for the people of COCO 2017: Adam, no weight "
    "decay in effect, a tenth after 170 and 200 of 210 epochs, 32 people on each of four GPUs. "
    "Published: {} AP on val2017 (Sun et al. 2019, Table 1), 256 x 192, on the boxes of their "
    "detector, mirrored image too."
)
_M2DET_UNPUBLISHED = "No result was published for this model."

RECIPE_SOURCES: dict[str, str] = {
    "ssd300_vgg16": _SSD_SOURCE.format("77.2"),
    "ssd512_vgg16": _SSD_SOURCE.format("79.8"),
    "ssd300_resnet50": _UVIPEN_SOURCE.format("25.06 AP on val2017, after 54 epochs (README)"),
    "ssdlite300_mobilenet_v2": _UVIPEN_SOURCE.format("no result that we know"),
    "ssd_tiny": _FOR_SHAPES.format("ssd_tiny"),
    "refinedet320_vgg16": _REFINEDET_SOURCE.format(
        "79.81 mAP on VOC07 test; the paper has 80.0, its code trained by the port's author 79.52"
    ),
    "refinedet512_vgg16": _REFINEDET_SOURCE.format(
        "80.50 mAP on VOC07 test; the paper has 81.8, its code trained by the port's author 81.85"
    ),
    "refinedet_tiny": _FOR_SHAPES.format("refinedet_tiny"),
    "m2det320_vgg16": _M2DET_SOURCE.format("Published: 33.5 AP on test-dev (Table 1)."),
    "m2det512_vgg16": _M2DET_SOURCE.format("Published: 37.6 AP on test-dev (Table 1)."),
    "m2det704_vgg16": _M2DET_SOURCE.format(_M2DET_UNPUBLISHED),
    "m2det800_vgg16": _M2DET_SOURCE.format("Published: 41.0 AP on test-dev (Table 1)."),
    "m2det320_resnet101": _M2DET_SOURCE.format("Published: 34.3 AP on test-dev (Table 1)."),
    "m2det512_resnet101": _M2DET_SOURCE.format("Published: 38.8 AP on test-dev (Table 1)."),
    "m2det512_resnet50": _M2DET_SOURCE.format(_M2DET_UNPUBLISHED),
    "m2det512_vgg16:released": (
        "VDIGPKU/M2Det as released, for COCO's trainval35k: from 1e-6 to 4e-3 in five epochs, then "
        "2e-3 after 90, 4e-4 after 110, 4e-5 after 130 and 4e-6 after 150 of 160; 16 images on "
        "each GPU, and four GPUs in the README's command. Published there: 37.8 AP on minival, "
        "without SFAM."
    ),
    "m2det_tiny": _FOR_SHAPES.format("m2det_tiny"),
    "pose_hrnet_w32": _POSE_SOURCE.format("74.4"),
    "pose_hrnet_w48": _POSE_SOURCE.format("75.1"),
    "pose_hrnet_tiny": _FOR_SHAPES.format("pose_hrnet_tiny"),
    "ssd_hrnetv2p_w18": (
        "Nobody's: no SSD on HRNetV2p was published, and we have not trained it. Epochs, drops, "
        "decay and warm-up are those of HRNet's Faster R-CNN on COCO (README: 36.1 AP after 12 "
        "epochs), batch and learning rate those of uvipen's SSD, whose loss this is."
    ),
    "ssd_hrnet_tiny": _FOR_SHAPES.format("ssd_hrnet_tiny")
    + " At ssd_tiny's learning rate of 1e-2 most of two branches die.",
}
"""Where each recipe comes from, what was converted, and what it gave."""


_TORCHVISION = "https://download.pytorch.org/models/"
_TIMM = "https://huggingface.co/timm/{}/resolve/main/model.safetensors"

BACKBONE_FILES: dict[str, tuple[tuple[str, int], ...]] = {
    "vgg16": (
        ("https://s3.amazonaws.com/amdegroot-models/vgg16_reducedfc.pth", 78),
        (_TORCHVISION + "vgg16-397923af.pth", 528),
    ),
    "resnet50": ((_TORCHVISION + "resnet50-0676ba61.pth", 98),),
    "resnet101": ((_TORCHVISION + "resnet101-63fe2227.pth", 171),),
    "mobilenet_v2": ((_TORCHVISION + "mobilenet_v2-b0353104.pth", 14),),
    "pose_hrnet_w32": ((_TIMM.format("hrnet_w32.ms_in1k"), 165),),
    "pose_hrnet_w48": ((_TIMM.format("hrnet_w48.ms_in1k"), 310),),
    "hrnetv2p_w18": ((_TIMM.format("hrnet_w18.ms_aug_in1k"), 86),),
}
"""Files for ``train --backbone`` and their size in MB, by the end of the model's name."""


def backbone_hint(model: str) -> str:
    """What to begin a recipe with.

    >>> backbone_hint("ssd_tiny")
    'It begins with random weights.'
    """
    files = next((files for end, files in BACKBONE_FILES.items() if model.endswith(end)), ())
    if not files:
        return "It begins with random weights."
    return (
        "It begins with a backbone that knows ImageNet; nothing is downloaded for you:\n"
        + "\n".join(
            f"  --backbone {url.rpartition('/')[2]:26}{mb:4} MB  {url}" for url, mb in files
        )
    )


def run_recipes(args: argparse.Namespace) -> None:
    """``python -m detlearn recipes [NAME]``: how each model is trained, and who says so."""
    if args.name is None:
        for name, config in RECIPES.items():
            print(
                f"{name:24}{config.epochs:4} epochs of batches of {config.batch_size:3}, "
                f"{config.optimizer} {config.learning_rate:g}, {config.schedule}"
            )
        print("`python -m detlearn recipes NAME` shows all of one, and where it comes from")
        return
    if args.name not in RECIPES:
        raise ValueError(f"{args.name}: no recipe of that name; known: {', '.join(RECIPES)}")
    for key, value in dataclasses.asdict(RECIPES[args.name]).items():
        print(f"{key:18}{value}")
    print(RECIPE_SOURCES[args.name])
    print(backbone_hint(args.name.partition(":")[0]))


def add_commands(commands: Any) -> None:
    """Add ``recipes`` to an argument parser's commands."""
    p = commands.add_parser(
        "recipes", help="how each model is trained", description=run_recipes.__doc__
    )
    p.set_defaults(run=run_recipes)
    p.add_argument("name", nargs="?", metavar="NAME", help="a model, to see all of its recipe")
