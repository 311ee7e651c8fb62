"""What the programme costs, before it starts: variants, seeds, steps, core-hours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .plan import TUNE_SEEDS, Experiment, Variant

__all__ = ["Cost", "cost_of", "table"]

SECONDS = {
    "ssd_tiny": 0.080, "refinedet_tiny": 0.120, "m2det_tiny": 0.125, "ssd_hrnet_tiny": 0.136,
    "pose_hrnet_tiny": 0.135,
}  # fmt: skip
"""Of CPU for a training step in float32: 8 scenes, or 16 people."""

WIDER = 0.5
"""Rates that a tuning adds to its grid, on average."""

BFLOAT16 = 0.67
"""What bfloat16 leaves of the time, on a CPU that has the instructions."""


class Cost(NamedTuple):
    """Of one experiment."""

    tuning_runs: int
    final_runs: int
    steps: int
    hours: float  # in float32


def rates_of(experiment: Experiment, variant: Variant) -> float:
    """How many learning rates a row is expected to try."""
    if variant.rate is not None or variant.rates:
        return 0.0
    return WIDER + (3 if variant.like else len(experiment.grid))


def cost_of(experiment: Experiment) -> Cost:
    """What an experiment is expected to take, by the speeds that were measured."""
    # A scene has about one person in it.
    size = experiment.recipe.batch_size
    short = experiment.tune_scenes // size * experiment.tune_epochs
    full = experiment.scenes // size * experiment.epochs
    tuning = final = 0
    seconds = 0.0
    for variant in experiment.variants:
        tries = round(rates_of(experiment, variant) * len(TUNE_SEEDS))
        tuning, final = tuning + tries, final + len(experiment.seeds)
        steps = tries * short + len(experiment.seeds) * full
        seconds += steps * SECONDS[variant.model]
    return Cost(tuning, final, full, seconds / 3600)


def table(experiments: Iterable[Experiment]) -> str:
    """The budget as README.md shows it."""
    lines = [
        "| experiment | rows | tuning runs | final runs | steps each | core-hours | in bfloat16 |",
        "|:--|--:|--:|--:|--:|--:|--:|",
    ]
    total, faster = 0.0, 0.0
    for one in experiments:
        cost = cost_of(one)
        half = cost.hours * BFLOAT16
        total, faster = total + cost.hours, faster + half
        lines.append(
            f"| `{one.name}` | {len(one.variants)} | {cost.tuning_runs} | {cost.final_runs} | "
            f"{cost.steps:,} | {cost.hours:.1f} | {half:.1f} |"
        )
    lines.append(f"| all | | | | | {total:.1f} | {faster:.1f} |")
    return "\n".join(lines)
