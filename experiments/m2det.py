"""What M2Det's base feature and its attention are worth."""

from __future__ import annotations

from .plan import Experiment, Variant
from .recipes import TINY

__all__ = ["EXPERIMENTS"]

PARTS = Experiment(
    name="m2det_parts",
    question="Are the base feature for every TUM, and SFAM, worth it?",
    paper=(
        "COCO minival, 320 px, AP: 30.8 with 8 TUMs, 32.7 with the base feature for each, 33.2 "
        "with SFAM too (Zhao et al. 2019, Table 2)"
    ),
    variants=(
        Variant("m2det_tiny", "m2det_tiny"),
        Variant("base feature for the first TUM only", "m2det_tiny",
                change="base feature for the first TUM only", like="m2det_tiny"),
        Variant("SFAM shared by all scales", "m2det_tiny", change="shared gates",
                like="m2det_tiny"),
        Variant("no SFAM", "m2det_tiny", {"sfam": False}, like="m2det_tiny"),
    ),
    reference="m2det_tiny",
    recipe=TINY,
    scenes=6_000,
    epochs=4,
    tune_scenes=3_000,
    tune_epochs=2,
)  # fmt: skip

EXPERIMENTS = (PARTS,)
