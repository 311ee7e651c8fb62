"""What M2Det's levels, its base feature and its attention are worth."""

from __future__ import annotations

from .plan import Experiment, Variant
from .recipes import STEPS

__all__ = ["EXPERIMENTS"]

LEVELS = Experiment(
    name="m2det_levels",
    question="Are four thin levels better than one, and than one wide level of their size?",
    paper=(
        "COCO minival, 320 px, AP: 27.5 with one simplified TUM, 30.6 with eight TUMs (Zhao et al. "
        "2019, Table 2)"
    ),
    # The wide level reads as little of the base feature as the others do.
    variants=(
        Variant("m2det_tiny", "m2det_tiny"),
        Variant("1 level", "m2det_tiny", {"num_levels": 1}, like="m2det_tiny"),
        Variant("1 wide level, as many parameters", "m2det_tiny", {"num_levels": 1, "planes": 66},
                change="12 channels of the base", like="m2det_tiny", control="m2det_tiny"),
    ),
    reference="m2det_tiny",
    **STEPS,
)  # fmt: skip

DEEP = Experiment(
    name="m2det_deep",
    question="Are eight levels better than four?",
    paper=(
        "COCO minival, 320 px, AP: 31.8 with four TUMs of 256 channels, 33.2 with eight (Zhao et "
        "al. 2019, Table 3)"
    ),
    # A table of its own since its first two final runs: they take three times as long as others.
    variants=(
        Variant("m2det_tiny", "m2det_tiny"),
        Variant("8 levels", "m2det_tiny", {"num_levels": 8}, like="m2det_tiny"),
    ),
    reference="m2det_tiny",
    **STEPS,
)

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
    **STEPS,
)  # fmt: skip

EXPERIMENTS = (LEVELS, PARTS, DEEP)
