"""What trains each model well."""

from __future__ import annotations

from .config import TrainConfig

__all__ = ["RECIPES"]

# Small batches: many steps count for more than smooth ones when time is short.
_TINY = TrainConfig(epochs=6, batch_size=8, learning_rate=1e-2, warmup_steps=200, schedule="flat")

RECIPES: dict[str, TrainConfig] = {
    "ssd_tiny": _TINY,
    "refinedet_tiny": _TINY,
    "m2det_tiny": _TINY,
    "ssd_hrnet_tiny": _TINY,
    "pose_hrnet_tiny": TrainConfig(epochs=4, batch_size=16, learning_rate=3e-3, warmup_steps=200),
    # uvipen/SSD-pytorch (FACTS: 65 epochs, drops really after 43 and 54, decay on everything).
    "ssd300_resnet50": TrainConfig(
        epochs=65, batch_size=32, optimizer="sgd", learning_rate=2.6e-3, weight_decay=5e-4,
        decay_everything=True, warmup_steps=300, schedule="steps", milestones=(43, 54),
    ),
    # Zhao et al. 2019, recalled in VDIGPKU/M2Det's thread 35; 5 epochs of COCO to warm up.  What
    # the repository itself does is `detlearn.models.m2det.released_learning_rate`.
    "m2det512_vgg16": TrainConfig(
        epochs=150, batch_size=32, optimizer="sgd", learning_rate=2e-3, weight_decay=5e-4,
        decay_everything=True, warmup_steps=18_500, schedule="steps", milestones=(90, 120),
    ),
}  # fmt: skip
"""What trains a model well; `TrainConfig`'s defaults for every other."""
