"""Is a network healthy?  A score does not tell: a detector can lose half of its channels and go on.

A channel after a ReLU is *dead* when it is 0 on every cell of every picture.  No gradient passes
through it, so it stays so; what it cost in memory and time is wasted.  Nobody notices, because the
other channels take over, and the loss still falls.  Three more things go wrong as quietly: gates
that have shut, BatchNorm's running statistics that are not those of the data, and modules that no
gradient reaches.  `check_up` looks for all four.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..models.m2det import SFAM
from ..models.modes import evaluating

__all__ = ["CheckUp", "ModuleHealth", "check_up", "look_at_channels"]

DEAD = 0.5
"""A module is dead when at least this share of its channels is never active."""

SHUT = 1e-3
"""A gate is shut when its mean weight is below this."""

STALE = 0.5
"""BatchNorm is stale when its running mean is this many standard deviations off, on average."""

NO_GRADIENT = 1e-12
"""Gradients below this do not move anything."""

ACTIVATIONS = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Sigmoid, nn.Identity)


@dataclass(slots=True)
class ModuleHealth:
    """What was found in one module; None where the question makes no sense.

    Attributes:
        channels: that it gives out, after a ReLU.
        never_active: share of them that is 0 everywhere, in every picture.
        active: share of channels that is above 0 somewhere, in a mean picture.
        gates: whether its channels are gates, weights from 0 to 1.
        shut: share of the gates that is shut.
        stale: distance of BatchNorm's running mean from that of the pictures, in standard
            deviations, a mean over the channels; the worst BatchNorm of the module.
        gradient: norm of the gradient of its parameters.
    """

    channels: int | None = None
    never_active: float | None = None
    active: float | None = None
    shut: float | None = None
    stale: float | None = None
    gradient: float | None = None

    @property
    def troubles(self) -> list[str]:
        """What is wrong, in words: nothing, mostly."""
        found = []
        if self.never_active is not None and self.never_active >= DEAD:
            found.append("dead")
        if self.shut is not None and self.shut >= DEAD:
            found.append("shut")
        if self.stale is not None and self.stale >= STALE:
            found.append("stale")
        if self.gradient is not None and self.gradient < NO_GRADIENT:
            found.append("no gradient")
        return found


@dataclass(slots=True)
class CheckUp:
    """The result of a `check_up`: what was found in each module, in the order of the network.

    Attributes:
        modules: by the module's name; a module that gives out a list has a row for each map,
            ``name[0]``, the finest first.
        images: how many pictures were looked at.
    """

    modules: dict[str, ModuleHealth] = field(default_factory=dict)
    images: int = 0

    @property
    def dead(self) -> dict[str, float]:
        """Modules at least half of whose channels are never active, and which share that is."""
        return {
            name: float(row.never_active or 0.0)
            for name, row in self.modules.items()
            if "dead" in row.troubles
        }

    @property
    def troubles(self) -> dict[str, list[str]]:
        """Modules with something wrong, and what."""
        return {name: row.troubles for name, row in self.modules.items() if row.troubles}

    @property
    def never_active(self) -> float:
        """Share of all channels that is never active."""
        rows = [row for row in self.modules.values() if row.channels and row.shut is None]
        channels = sum(row.channels or 0 for row in rows)
        return sum((row.channels or 0) * (row.never_active or 0.0) for row in rows) / max(
            channels, 1
        )

    def table(self, rows: int | None = None) -> str:
        """The modules as a table, the worst first.

        Args:
            rows: how many; None for all.
        """
        ranked = sorted(self.modules.items(), key=lambda item: _badness(item[1]), reverse=True)
        ranked = ranked[:rows]
        width = max([len("module"), *(len(name) for name, _ in ranked)])
        lines = [
            f"{'module':{width}}  channels  never active  active  shut  BatchNorm off  gradient"
        ]
        for name, row in ranked:
            cells = [
                f"{row.channels:>8}" if row.channels is not None else f"{'-':>8}",
                _percent(row.never_active, 12),
                _percent(row.active, 6),
                _percent(row.shut, 4),
                f"{row.stale:>13.2f}" if row.stale is not None else f"{'-':>13}",
                f"{row.gradient:>8.1e}" if row.gradient is not None else f"{'-':>8}",
                ", ".join(row.troubles),
            ]
            lines.append("  ".join([f"{name:{width}}", *cells]).rstrip())
        return "\n".join(lines)

    def __str__(self) -> str:
        sick = len(self.troubles)
        head = (
            f"{len(self.modules)} modules on {self.images} images: "
            f"{self.never_active:.1%} of the channels are never active, "
            + (f"{sick} modules need a look" if sick else "all modules are healthy")
        )
        return f"{head}\n{self.table(max(8, sick))}"


def check_up(
    model: Any,
    images: Tensor,
    targets: Sequence[Mapping[str, Tensor]] | None = None,
    *,
    batch_size: int = 32,
) -> CheckUp:
    """Look for dead channels, shut gates, stale BatchNorm statistics and missing gradients.

    The network's weights, its statistics, its mode and its gradients stay as they were.

    Args:
        model: a detector or a pose network of this package: it has ``normalize`` and ``forward``,
            and ``loss`` if targets are given.
        images: ``(N, 3, H, W)`` uint8 or float 0 to 1, of the network's own size; a hundred are
            enough to believe that a silent channel is dead.
        targets: N of them, for the gradients; None leaves these out.
        batch_size: pictures that go through the network at a time.

    Returns:
        a `CheckUp`; ``print`` shows it as a table.

    Raises:
        ValueError: no picture, or another number of targets.

    **Invariant:** a network whose ReLUs never see a negative number has no dead channel.

    >>> from detlearn import create_model
    >>> torch.manual_seed(0)
    <torch._C.Generator object at ...>
    >>> model, images = create_model("ssd_tiny").eval(), torch.rand(4, 3, 128, 128)
    >>> check_up(model, images).dead
    {}
    >>> norm = model.backbone.stages[4][1].bn
    >>> _ = norm.bias.data.fill_(-50.0)  # far below 0, wherever one looks
    >>> check_up(model, images).dead
    {'backbone.stages.4.1': 1.0}
    """
    if len(images) == 0:
        raise ValueError("images: expected at least one, got none")
    if targets is not None and len(targets) != len(images):
        raise ValueError(
            f"targets: expected one for each of {len(images)} images, got {len(targets)}"
        )
    result = CheckUp(images=len(images))
    device = next(model.parameters()).device
    batches = [part.to(device) for part in images.split(batch_size)]
    with evaluating(model):
        look_at_channels(model, batches, result)
        statistics = _stale_statistics(model, batches)
        gradients = {} if targets is None else _gradients(model, images.to(device), targets)
    # A BatchNorm and a weight belong to the smallest module that has a row of its own.
    homes = {name.partition("[")[0] for name in result.modules}
    for name, off in statistics.items():
        row = result.modules.setdefault(_home(name, homes), ModuleHealth())
        row.stale = max(off, row.stale or 0.0)
    squares: dict[str, float] = {}
    for name, norm in gradients.items():
        home = _home(name.rpartition(".")[0], homes)
        squares[home] = squares.get(home, 0.0) + norm**2
    for home, square in squares.items():
        result.modules.setdefault(home, ModuleHealth()).gradient = square**0.5
    return result


# ---------------------------------------------------------------- channels and gates
@dataclass(slots=True)
class _Answers:
    """What the channels of one module said, over all pictures."""

    active: Tensor  # (C,), the number of pictures with an answer above 0
    rectified: bool = True  # nothing below 0 was ever seen


def look_at_channels(model: Any, batches: Sequence[Tensor], result: CheckUp) -> None:
    """Which channels answer to which picture, module by module, by hooks on all of them.

    Args:
        model: in eval mode.
        batches: ``(B, 3, H, W)`` each.
        result: what was found is added to it.
    """
    answers: dict[str, _Answers] = {}
    gates: dict[str, list[Tensor]] = {}
    seen: list[tuple[str, bool, Tensor, Tensor, bool]] = []

    def hook(name: str, module: nn.Module) -> Any:
        def look(_: nn.Module, given: tuple[Any, ...], out: Any) -> None:
            several = isinstance(out, list | tuple)
            for number, maps in enumerate(out if several else [out]):
                if isinstance(maps, Tensor) and maps.ndim == 4:
                    own = f"{name}[{number}]" if several else name
                    active = (maps.amax(dim=(2, 3)) > 0).sum(dim=0)  # (C,)
                    plain = isinstance(module, ACTIVATIONS)
                    seen.append((own, plain, maps, active, not bool((maps < 0).any())))
            if isinstance(module, SFAM):
                for scale, weights in enumerate(module.attention(given[0])):
                    gates.setdefault(f"{name}[{scale}]", []).append(weights)

        return look

    handles = [
        module.register_forward_hook(hook(name, module))
        for name, module in model.named_modules()
        if name and _may_rectify(module)
    ]
    try:
        with torch.no_grad():
            for batch in batches:
                model(model.normalize(batch))
                for name, _, _, active, rectified in _own_maps(seen):
                    row = answers.setdefault(name, _Answers(torch.zeros_like(active)))
                    row.active += active
                    row.rectified &= rectified
                seen.clear()
    finally:
        for handle in handles:
            handle.remove()
    for name, row in answers.items():
        if row.rectified and name not in gates:
            result.modules[name] = ModuleHealth(
                channels=len(row.active),
                never_active=float((row.active == 0).double().mean()),
                active=float(row.active.double().mean()) / result.images,
            )
    for name, weights in gates.items():
        mean = torch.cat(weights).mean(dim=0)  # (C,)
        result.modules[name] = ModuleHealth(
            channels=len(mean), shut=float((mean < SHUT).double().mean())
        )


def _may_rectify(module: nn.Module) -> bool:
    """ReLUs, and blocks that learn: not a lone convolution, whose numbers have both signs."""
    if isinstance(module, ACTIVATIONS):
        return True
    return any(True for _ in module.children()) and any(True for _ in module.parameters())


def _own_maps(seen: Sequence[tuple[str, bool, Tensor, Tensor, bool]]) -> Iterator[Any]:
    """Each map once, under the name of the smallest block that gives it out.

    A ReLU's map is also that of the block that it ends, and of all blocks that hand it on; their
    tensors share one address, which is theirs alone while `seen` keeps them.  So does the map that
    a block adds to and rectifies in place: what counts is what it has become.
    """
    first: dict[int, tuple[str, bool, Tensor, Tensor, bool]] = {}
    for one in seen:
        _, plain, maps, _, rectified = one
        kept = first.get(maps.data_ptr())
        if kept is None or (kept[1] and not plain) or (rectified and not kept[4]):
            first[maps.data_ptr()] = one  # a block has the better name
    yield from first.values()


# ---------------------------------------------------------------- statistics and gradients
def _stale_statistics(model: Any, batches: Sequence[Tensor]) -> dict[str, float]:
    """How far each BatchNorm's running mean is from that of the pictures, in deviations."""
    twin = copy.deepcopy(model)
    norms: dict[str, Any] = {
        name: module
        for name, module in twin.named_modules()
        if isinstance(module, nn.BatchNorm2d) and module.track_running_stats
    }
    before = {
        name: (norm.running_mean.clone(), norm.running_var.clone()) for name, norm in norms.items()
    }
    for norm in norms.values():
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
        norm.train()
    with torch.no_grad():
        for batch in batches:
            twin(twin.normalize(batch))
    result = {}
    for name, norm in norms.items():
        mean, variance = before[name]
        widest = torch.maximum(variance, norm.running_var) + norm.eps
        result[name] = float(((norm.running_mean - mean).abs() / widest.sqrt()).mean())
    return result


def _gradients(
    model: Any, images: Tensor, targets: Sequence[Mapping[str, Tensor]]
) -> dict[str, float]:
    """Norm of the loss's gradient by parameter, on all pictures at once, as in training."""
    twin = copy.deepcopy(model).train()
    twin.zero_grad(set_to_none=True)
    losses = twin.loss(twin(twin.normalize(images)), targets)
    torch.stack(list(losses.values())).sum().backward()
    return {
        name: 0.0 if p.grad is None else float(p.grad.norm())
        for name, p in twin.named_parameters()
        if p.requires_grad
    }


# ---------------------------------------------------------------- the table
def _home(name: str, homes: set[str]) -> str:
    """The smallest module with a row that contains this one; its own parent if none does."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if (home := ".".join(parts[:length])) in homes:
            return home
    return name


def _badness(row: ModuleHealth) -> tuple[float, ...]:
    return (
        float(len(row.troubles)),
        max(row.never_active or 0.0, row.shut or 0.0),
        row.stale or 0.0,
    )


def _percent(share: float | None, width: int) -> str:
    return f"{'-':>{width}}" if share is None else f"{share:>{width}.0%}"
