"""What RefineDet's three ideas are worth, apart and together."""

from __future__ import annotations

from typing import Any

from detlearn.boxes import PriorConfig

from .plan import Experiment, Variant
from .recipes import STEPS

__all__ = ["EXPERIMENTS"]

ONE_STEP: dict[str, Any] = {"two_step": False}
NO_FILTER: dict[str, Any] = {"negative_filter": "off"}
NO_TCB: dict[str, Any] = {"tcb_channels": None, "tcb_batch_norm": False}

PAPER = (
    "VOC07 test, mAP at 0.5, one idea after the other taken away: 80.0, 79.5 without the filter, "
    "77.3 without the second step too, 76.2 without the TCB too (Zhang et al. 2018, arXiv, Table 3)"
)

PAPER_LIKE = PriorConfig(
    image_size=128,
    map_sizes=(32, 16, 8, 4),
    steps=(4, 8, 16, 32),
    min_sizes=(16, 32, 64, 128),  # one scale of four strides, three ratios
    max_sizes=(),
    aspect_ratios=((2.0,), (2.0,), (2.0,), (2.0,)),
)
"""Laid out as the paper's: a fifth of the objects of Shapes has no prior of IoU 0.5, so there is
something to refine."""


PARTS = Experiment(
    name="refinedet_parts",
    question="What are RefineDet's three ideas worth: the TCB, the second step and the filter?",
    paper=PAPER,
    # One idea away at a time, and the two of the paper's own chain: with the TCB alone, and an SSD.
    variants=(
        Variant("refinedet_tiny", "refinedet_tiny"),
        Variant("no filter", "refinedet_tiny", NO_FILTER, like="refinedet_tiny"),
        Variant("no second step", "refinedet_tiny", ONE_STEP, like="refinedet_tiny"),
        Variant("no TCB", "refinedet_tiny", NO_TCB, like="refinedet_tiny"),
        Variant("the TCB alone", "refinedet_tiny", ONE_STEP | NO_FILTER, like="refinedet_tiny"),
        Variant("ssd_tiny", "ssd_tiny"),
        Variant("ssd_tiny, as many parameters", "ssd_tiny", {"widths": (20, 41, 82, 123, 128)},
                like="ssd_tiny", control="refinedet_tiny"),
    ),
    reference="refinedet_tiny",
    **STEPS,
)  # fmt: skip

THRESHOLD = Experiment(
    name="refinedet_threshold",
    question="From which IoU on should a refined anchor answer for an object?",
    paper="0.5 for both modules, no figures for others (Zhang et al. 2018, §4)",
    variants=(
        Variant("refinedet_tiny", "refinedet_tiny"),
        Variant("0.5", "refinedet_tiny", change="ODM matched at 0.5", like="refinedet_tiny"),
        Variant("0.6", "refinedet_tiny", change="ODM matched at 0.6", like="refinedet_tiny"),
    ),
    reference="refinedet_tiny",
    **STEPS,
)

LAYOUT = Experiment(
    name="refinedet_layout",
    question="Does the second step help where the priors leave something to refine?",
    paper=PAPER,
    variants=(
        Variant("refinedet_tiny, RefineDet's priors", "refinedet_tiny", {"priors": PAPER_LIKE}),
        Variant("no second step, RefineDet's priors", "refinedet_tiny",
                {"priors": PAPER_LIKE, **ONE_STEP}, like="refinedet_tiny, RefineDet's priors"),
        Variant("ssd_tiny, RefineDet's priors", "ssd_tiny", {"priors": PAPER_LIKE}),
    ),
    reference="refinedet_tiny, RefineDet's priors",
    **STEPS,
)  # fmt: skip

EXPERIMENTS = (PARTS, LAYOUT, THRESHOLD)
