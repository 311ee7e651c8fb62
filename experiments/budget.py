"""What the programme costs, before it starts: variants, seeds, steps, core-hours."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .plan import TUNE_SEEDS, Experiment, Variant
from .records import settings_of, variants_of

__all__ = ["Cost", "cost_of", "own_rows", "table"]

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


def cost_of(experiment: Experiment, variants: Iterable[Variant] | None = None) -> Cost:
    """What an experiment, or some rows of it, is expected to take, by the speeds measured."""
    # A scene has about one person in it.
    size = experiment.recipe.batch_size
    short = experiment.tune_scenes // size * experiment.tune_epochs
    full = experiment.scenes // size * experiment.epochs
    tuning = final = 0
    seconds = 0.0
    for variant in experiment.variants if variants is None else variants:
        tries = round(rates_of(experiment, variant) * len(TUNE_SEEDS))
        tuning, final = tuning + tries, final + len(experiment.seeds)
        steps = tries * short + len(experiment.seeds) * full
        seconds += steps * SECONDS[variant.model]
    return Cost(tuning, final, full, seconds / 3600)


def own_rows(experiments: Iterable[Experiment]) -> dict[str, list[Variant]]:
    """The rows that each experiment trains itself: those that no earlier one has."""
    own: dict[str, list[Variant]] = {}
    there: list[tuple[Any, Any]] = []
    for one in experiments:
        settings = settings_of(one) | {"reference": ""}
        own[one.name] = []
        for variant, row in zip(one.variants, variants_of(one), strict=True):
            if (settings, row) not in there:
                there.append((settings, row))
                own[one.name].append(variant)
    return own


def table(experiments: Iterable[Experiment]) -> str:
    """The budget as README.md shows it."""
    lines = [
        "| experiment | rows | trained here | tuning runs | final runs | steps each | core-hours | "
        "in bfloat16 |",
        "|:--|--:|--:|--:|--:|--:|--:|--:|",
    ]
    experiments = list(experiments)
    total, faster, own = 0.0, 0.0, own_rows(experiments)
    for one in experiments:
        cost = cost_of(one, own[one.name])
        half = cost.hours * BFLOAT16
        total, faster = total + cost.hours, faster + half
        lines.append(
            f"| `{one.name}` | {len(one.variants)} | {len(own[one.name])} | {cost.tuning_runs} | "
            f"{cost.final_runs} | {cost.steps:,} | {cost.hours:.1f} | {half:.1f} |"
        )
    lines.append(f"| all | | | | | | {total:.1f} | {faster:.1f} |")
    return "\n".join(lines)
