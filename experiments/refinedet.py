"""What RefineDet's three ideas are worth, apart and together."""

from __future__ import annotations

from typing import Any

from detlearn.boxes import PriorConfig

from .plan import Experiment, Variant
from .recipes import TINY

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


def corners(like: str, extra: dict[str, Any]) -> tuple[Variant, ...]:
    """All eight combinations of the three ideas; the first has all of them."""
    rows = []
    for tcb in (True, False):
        for second in (True, False):
            for sieve in (True, False):
                words = [("TCB", tcb), ("second step", second), ("filter", sieve)]
                name = " + ".join(word for word, there in words if there) or "none of the three"
                overrides = dict(extra)
                overrides |= {} if tcb else NO_TCB
                overrides |= {} if second else ONE_STEP
                overrides |= {} if sieve else NO_FILTER
                first = tcb and second and sieve
                rows.append(
                    Variant(name, "refinedet_tiny", overrides, like=None if first else like)
                )
    return tuple(rows)


ALL = "TCB + second step + filter"

FACTORIAL = Experiment(
    name="refinedet_factorial",
    question="What are the TCB, the second step and the negative filter worth, apart and together?",
    paper=PAPER,
    variants=(
        *corners(ALL, {}),
        Variant("SSD on the TCBs' maps, no ARM", "refinedet_tiny", ONE_STEP | NO_FILTER,
                change="without the ARM", like=ALL, control="TCB"),
        Variant("ssd_tiny", "ssd_tiny"),
        Variant("ssd_tiny, as wide as RefineDet", "ssd_tiny",
                {"widths": (20, 41, 82, 123, 128)}, like="ssd_tiny", control=ALL),
    ),
    reference=ALL,
    recipe=TINY,
    scenes=6_000,
    epochs=4,
    tune_scenes=3_000,
    tune_epochs=2,
)  # fmt: skip

THRESHOLD = Experiment(
    name="refinedet_threshold",
    question="From which IoU on should a refined anchor answer for an object?",
    paper="0.5 for both modules, no figures for others (Zhang et al. 2018, §4)",
    variants=(
        Variant("0.4, as the priors", "refinedet_tiny"),
        Variant("0.5", "refinedet_tiny", change="ODM matched at 0.5", like="0.4, as the priors"),
        Variant("0.6", "refinedet_tiny", change="ODM matched at 0.6", like="0.4, as the priors"),
    ),
    reference="0.4, as the priors",
    recipe=TINY,
    scenes=6_000,
    epochs=4,
    tune_scenes=3_000,
    tune_epochs=2,
)

LAYOUT = Experiment(
    name="refinedet_layout",
    question="Does the second step help where the priors leave something to refine?",
    paper=PAPER,
    variants=(
        Variant("two steps", "refinedet_tiny", {"priors": PAPER_LIKE}),
        Variant("one step", "refinedet_tiny", {"priors": PAPER_LIKE, **ONE_STEP}, like="two steps"),
        Variant("no filter", "refinedet_tiny", {"priors": PAPER_LIKE, **NO_FILTER},
                like="two steps"),
        Variant("ssd_tiny", "ssd_tiny", {"priors": PAPER_LIKE}),
    ),
    reference="two steps",
    recipe=TINY,
    scenes=6_000,
    epochs=4,
    tune_scenes=3_000,
    tune_epochs=2,
)  # fmt: skip

EXPERIMENTS = (FACTORIAL, THRESHOLD, LAYOUT)
