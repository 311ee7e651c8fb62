"""What an experiment is, and which of its runs comes next.

An `Experiment` is a table of variants.  Each variant first finds its own learning rate: every rate
of a grid, with each of the tuning seeds, at a quarter of the budget, scored on the tune set.  Where
the best rate stands at the edge of the grid, the grid grows.  A rate that kills modules is not
chosen, whatever it scores: in four times as many steps it kills more.  Nor is one that kills them
in two final runs only; the row then begins anew with its next best rate.  The first final run
follows at once; the others come seed by seed, so that an experiment that is interrupted still
compares like with like.

Everything here is a pure function of the experiment and of the runs that there are: a programme
that was killed asks again and goes on.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from detlearn.training import TrainConfig

__all__ = [
    "GRID", "SEEDS", "TUNE_SEEDS", "Experiment", "Spec", "Variant", "best_rate", "next_runs",
    "rates_to_try", "sick_rates", "tuned_rate", "tuning",
]  # fmt: skip

GRID = (1e-3, 2e-3, 3e-3, 5e-3, 1e-2)
"""Learning rates that every variant tries."""

LADDER = tuple(
    float(f"{digit}e{power}") for power in range(-6, 1) for digit in (1, 2, 3, 5)
)  # fmt: skip
"""Where a grid goes on when its best value stands at its edge."""

TUNE_SEEDS = (101, 102)
"""Seeds of the tuning runs: no final run has one of them."""

SEEDS = (0, 1, 2, 3, 4)
"""Seeds of the final runs, the same for every variant."""

FAR = 0.05
"""A rate that stays this far behind the best with its first tuning seed gets no second one."""

Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of a table.

    Attributes:
        name: what the row is called.
        model: for `detlearn.create_model`.
        overrides: for `detlearn.create_model`.
        config: fields of the recipe that are this row's own (``amp``, say).
        change: one of `experiments.changes.CHANGES`, for what is no field of a config.
        augment: settings of `scenes.train_set`'s transform that are this row's own.
        rate: the learning rate, if it is part of the question; None to tune it.
        rates: what another table's tuning found for this row, the best first: the first of them
            that is healthy here is taken, and nothing is tuned anew.
        like: a row whose tuned rate this one tries first: it then tries that rate and its two
            neighbours only, because it differs from that row in one detail.
        control: for a row that is there to be compared with another of equal size, which one.
        init: which of the shipped networks it begins with; empty for random weights.
    """

    name: str
    model: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    change: str = ""
    augment: Mapping[str, Any] = field(default_factory=dict)
    rate: float | None = None
    rates: tuple[float, ...] = ()
    like: str | None = None
    control: str | None = None
    init: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """A question, its variants, and what it may cost.

    Attributes:
        name: of its record.
        question: what the table answers.
        paper: what the paper says, with its table or section.
        variants: the rows.
        reference: the row that all others are compared with, seed by seed.
        recipe: of all rows; learning rate and seed are replaced.
        scenes: drawn scenes of a final run.
        epochs: passes over them.
        tune_scenes: the same for a tuning run.
        tune_epochs: the same for a tuning run.
        score: what is compared.
        delta: the smallest difference of the score that is worth a name.
        delta_reason: why, if it is not 0.01.
        grid: the learning rates to begin with.
        seeds: of the final runs.
        sick_finals: how many final runs with dead modules take a rate away.
        standing: whether its final runs also say all that the face-off's table shows.
        domain: which scenes: ``"shapes"``, or ``"night"``, see `scenes`.
        looks: how often a final run is scored on the tune set, an even number; with more than two
            the record also has the curve.
    """

    name: str
    question: str
    paper: str = ""
    variants: tuple[Variant, ...]
    reference: str
    recipe: TrainConfig
    scenes: int
    epochs: int
    tune_scenes: int = 0
    tune_epochs: int = 0
    score: str = "mAP"
    delta: float = 0.01
    delta_reason: str = ""
    grid: tuple[float, ...] = GRID
    seeds: tuple[int, ...] = SEEDS
    sick_finals: int = 2
    standing: bool = False
    domain: str = "shapes"
    looks: int = 2

    def __post_init__(self) -> None:
        names = [one.name for one in self.variants]
        if len(set(names)) != len(names):
            raise ValueError(f"variants: expected different names, got {names}")
        if self.reference not in names:
            raise ValueError(f"reference: expected one of {names}, got {self.reference!r}")
        if set(self.seeds) & set(TUNE_SEEDS):
            raise ValueError(
                f"seeds: expected none of the tuning seeds {TUNE_SEEDS}, got {self.seeds}"
            )
        if self.delta != 0.01 and not self.delta_reason:
            raise ValueError(f"delta_reason: expected why delta is {self.delta} and not 0.01")
        for one in self.variants:
            ways = [name for name in ("rate", "rates", "like") if getattr(one, name)]
            if len(ways) > 1:
                raise ValueError(
                    f"{one.name}: expected one way to its learning rate, got {' and '.join(ways)}"
                )
        if self.looks % 2 or self.epochs % self.looks:
            raise ValueError(
                f"looks: expected an even number that divides {self.epochs} epochs, "
                f"got {self.looks}"
            )

    def variant(self, name: str) -> Variant:
        """The row of a name."""
        return next(one for one in self.variants if one.name == name)


@dataclass(frozen=True, slots=True)
class Spec:
    """One run: all that decides its result."""

    variant: str
    role: Literal["tune", "final"]
    rate: float
    seed: int

    @property
    def key(self) -> str:
        """A name for files and messages."""
        return f"{self.variant} {self.role} {self.rate:g} seed {self.seed}"


def spec_of(run: Run) -> Spec:
    """The spec that a run of a record has answered."""
    return Spec(run["variant"], run["role"], run["learning_rate"], run["seed"])


def tuning(variant: str, runs: Sequence[Run]) -> dict[float, list[float]]:
    """What was tried for a row, and what it gave: learning rate -> scores on the tune set."""
    tried: dict[float, list[float]] = {}
    for run in sorted(runs, key=lambda run: (run["learning_rate"], run["seed"])):
        if run["variant"] == variant and run["role"] == "tune":
            tried.setdefault(run["learning_rate"], []).append(run["scores"]["tune"][run["score"]])
    return tried


def sick_rates(variant: str, runs: Sequence[Run], finals: int = 2) -> set[float]:
    """Rates at which a tuning run of a row, or two of its final runs, ended with dead modules.

    Args:
        variant: the row.
        runs: what there is.
        finals: how many sick final runs take a rate away; 1 where a network is to be shipped.

    What counts as dead says `detlearn.training.check_up`.  No score has a part in it, so final runs
    may be looked at for this without choosing by the test set.
    """
    dead = Counter(
        (run["learning_rate"], run["role"])
        for run in runs
        if run["variant"] == variant and run["check_up"]["dead"]
    )
    return {rate for (rate, role), count in dead.items() if role == "tune" or count >= finals}


def lost(rate: float, tried: Mapping[float, Sequence[float]], sick: Collection[float] = ()) -> bool:
    """Whether a second seed could not make a rate the chosen one.

    It is sick, or so far behind another that is not.  Seeds of a tuning run differ by about 0.01,
    and `FAR` is five times that.

    >>> lost(1e-2, {1e-3: [0.61], 1e-2: [0.55]}), lost(1e-2, {1e-3: [0.61], 1e-2: [0.57]})
    (True, False)
    >>> lost(1e-3, {1e-3: [0.3], 1e-2: [0.5]}, sick={1e-2}), lost(1e-2, {1e-2: [0.5]}, sick={1e-2})
    (False, True)
    """
    means = {
        one: statistics.mean(scores) for one, scores in tried.items() if scores and one not in sick
    }
    return rate in sick or (rate in means and means[rate] < max(means.values()) - FAR)


def rates_to_try(
    tried: Mapping[float, Sequence[float]],
    grid: Sequence[float],
    seeds: int,
    sick: Collection[float] = (),
) -> list[float]:
    """The learning rates of a tuning, as far as one knows by now.

    Args:
        tried: rate -> its scores so far.
        grid: the rates to begin with.
        seeds: how many scores a rate needs.
        sick: rates that killed modules: never the best.

    Returns:
        the rates, ascending; one more than were tried if the best stands at the edge.

    >>> rates_to_try({1e-3: [0.1, 0.1], 2e-3: [0.2, 0.2]}, (1e-3, 2e-3), seeds=2)
    [0.001, 0.002, 0.003]
    >>> rates_to_try({1e-3: [0.1, 0.1], 2e-3: [0.2, 0.2], 3e-3: [0.1, 0]}, (1e-3, 2e-3), seeds=2)
    [0.001, 0.002, 0.003]
    """
    rates = sorted({*grid, *tried})
    if any(len(tried.get(rate, ())) < seeds for rate in rates if not lost(rate, tried, sick)):
        return rates
    best = _best(rates, tried, sick)
    if best == rates[-1]:
        rates.append(next(step for step in LADDER if step > best * 1.01))
    elif best is None or best == rates[0]:
        rates.insert(0, next(step for step in reversed(LADDER) if step < rates[0] * 0.99))
    return rates


def _best(
    rates: Sequence[float], tried: Mapping[float, Sequence[float]], sick: Collection[float]
) -> float | None:
    """The rate of the best mean score; None if all are sick."""
    healthy = [rate for rate in rates if rate not in sick]
    return max(healthy, key=lambda rate: statistics.mean(tried[rate]), default=None)


def best_rate(
    tried: Mapping[float, Sequence[float]],
    grid: Sequence[float],
    seeds: int = len(TUNE_SEEDS),
    sick: Collection[float] = (),
) -> float:
    """The tuned learning rate: the best mean score on the tune set among the healthy ones.

    Raises:
        ValueError: a rate has too few scores, or the best stands at the edge of what was tried,
            so that a better one may lie beyond.

    >>> tried = {1e-3: [0.1, 0.1], 2e-3: [0.2, 0.2], 3e-3: [0.3, 0.3], 5e-3: [0.1, 0.1]}
    >>> best_rate(tried, (1e-3, 2e-3)), best_rate(tried, (1e-3, 2e-3), sick={3e-3})
    (0.003, 0.002)
    """
    rates = rates_to_try(tried, grid, seeds, sick)
    missing = [
        rate for rate in rates if len(tried.get(rate, ())) < seeds and not lost(rate, tried, sick)
    ]
    best = None if missing else _best(rates, tried, sick)
    if best is None:
        edge = " (the best so far is the last one tried)" if set(grid) <= set(tried) else ""
        raise ValueError(
            f"learning rate: expected {seeds} scores for each of "
            f"{', '.join(f'{rate:g}' for rate in rates)}; "
            f"too few for {', '.join(f'{rate:g}' for rate in missing)}{edge}"
        )
    return best


def grid_of(experiment: Experiment, variant: Variant, runs: Sequence[Run]) -> tuple[float, ...]:
    """The rates that a row begins with.

    Raises:
        ValueError: they follow from another row, which is not tuned yet.
    """
    if variant.like is None:
        return experiment.grid
    other = experiment.variant(variant.like)
    best = tuned_rate(experiment, other, runs)
    below = next(step for step in reversed(LADDER) if step < best * 0.99)
    above = next(step for step in LADDER if step > best * 1.01)
    return (below, best, above)


def tuned_rate(experiment: Experiment, variant: Variant, runs: Sequence[Run]) -> float:
    """The learning rate of a row's final runs.

    Raises:
        ValueError: it is not known yet.
    """
    if variant.rate is not None:
        return variant.rate
    sick = sick_rates(variant.name, runs, experiment.sick_finals)
    if variant.rates:
        healthy = [rate for rate in variant.rates if rate not in sick]
        if not healthy:
            raise ValueError(
                f"rates of {variant.name}: expected one that kills no module, "
                f"{', '.join(f'{rate:g}' for rate in variant.rates)} all do; add a smaller one"
            )
        return healthy[0]
    grid = grid_of(experiment, variant, runs)
    return best_rate(tuning(variant.name, runs), grid, sick=sick)


def next_runs(experiment: Experiment, runs: Sequence[Run]) -> list[Spec]:
    """Runs that can be made now, in the order of their worth; empty when all is done.

    Args:
        experiment: what is asked.
        runs: what there is.
    """
    done = {spec_of(run) for run in runs}
    wanted: list[Spec] = []
    finals: list[Spec] = []
    for variant in experiment.variants:
        if variant.rate is None and not variant.rates:
            try:
                grid = grid_of(experiment, variant, runs)
            except ValueError:  # the other row comes first
                continue
            tried = tuning(variant.name, runs)
            sick = sick_rates(variant.name, runs, experiment.sick_finals)
            rates = rates_to_try(tried, grid, len(TUNE_SEEDS), sick)
            wanted += [
                Spec(variant.name, "tune", rate, seed)
                for seed in TUNE_SEEDS
                for rate in rates
                if seed == TUNE_SEEDS[0] or not lost(rate, tried, sick)
            ]
        try:
            rate = tuned_rate(experiment, variant, runs)
        except ValueError:
            continue
        finals += [Spec(variant.name, "final", rate, seed) for seed in experiment.seeds]
        # The first seed at once: its weights are the ones that may be shipped.
        wanted.append(Spec(variant.name, "final", rate, experiment.seeds[0]))
    wanted += sorted(finals, key=lambda spec: experiment.seeds.index(spec.seed))
    return list(dict.fromkeys(spec for spec in wanted if spec not in done))
