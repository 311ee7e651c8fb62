"""How to train: the settings, the learning rate of every step, the optimiser."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from ..models.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_integers,
    check_number,
    check_positive,
    is_number,
)

__all__ = [
    "TrainConfig", "build_optimizer", "build_schedule", "learning_rate_factor",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train; every field changes the result, so a resumed run must have the same.

    Attributes:
        epochs: passes over the data set.
        batch_size: images a step, of all processes together: a recipe means the same on one GPU
            and on four.
        optimizer: ``"sgd"``, as SSD, RefineDet and M2Det are trained, ``"adam"``, as HRNet's pose
            network, or ``"adamw"``.
        learning_rate: highest learning rate.
        momentum: of ``"sgd"``.
        nesterov: look ahead along the momentum (uvipen/SSD-pytorch); the papers do not.
        weight_decay: on weights, not on biases and normalisation (the ``*_tiny`` recipes);
            the published recipes put it on everything, see ``decay_everything``.
        decay_everything: see above.
        warmup_steps: steps in which the learning rate grows linearly.
        warmup_factor: the fraction of the highest learning rate that it grows from.
        schedule: ``"cosine"`` down to zero, ``"constant"``, ``"flat"``: constant, then a straight
            line to zero over the last 40 %, or ``"steps"``: multiplied by ``drop`` after each of
            ``milestones``.
        milestones: epochs for ``"steps"``.
        drop: one factor for all milestones, or one for each.
        clip_norm: upper bound of the gradient's norm; ``inf`` for none.
        ema: decay of a moving average of the weights, which is then what is scored and saved;
            0 for none, 0.999 for instance.
        amp: what the network computes in.  ``"auto"`` is what is fast: on CUDA bfloat16 (float16
            on older cards), on CPUs that multiply bfloat16 in hardware (AVX-512 BF16, AMX)
            bfloat16, and float32 elsewhere; a run that goes on on another CPU keeps what it began
            with.  ``"off"`` is float32, which gives every CPU nearly the same numbers; ``"bf16"``
            and ``"fp16"`` are what they say.
        seed: of the weights' order, the shuffling and the augmentation.

    >>> TrainConfig(epochs=2).learning_rate
    0.001
    """

    epochs: int = 20
    batch_size: int = 32
    optimizer: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    decay_everything: bool = False
    warmup_steps: int = 100
    warmup_factor: float = 0.01
    schedule: Literal["cosine", "flat", "steps", "constant"] = "cosine"
    milestones: tuple[int, ...] = ()
    drop: float | tuple[float, ...] = 0.1
    clip_norm: float = 10.0
    ema: float = 0.0
    amp: Literal["auto", "off", "bf16", "fp16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            check_integer(name, getattr(self, name))
        for name in ("warmup_steps", "seed"):
            check_integer(name, getattr(self, name), least=0)
        if self.seed >= 2**63:
            raise ValueError(f"seed: expected a number below 2**63, got {self.seed}")
        check_positive("learning_rate", self.learning_rate)
        if self.clip_norm != math.inf:
            check_positive("clip_norm", self.clip_norm)
        check_number("weight_decay", self.weight_decay, 0)
        for name in ("momentum", "ema", "warmup_factor"):
            if not (is_number(value := getattr(self, name)) and 0 <= value < 1):
                raise ValueError(f"{name}: expected 0 to below 1, got {value!r}")
        for name in ("nesterov", "decay_everything"):
            check_flag(name, getattr(self, name))
        check_integers("milestones", self.milestones)
        drops = self.drop if isinstance(self.drop, tuple) else (self.drop,)
        if not all(is_number(factor) and 0 < factor <= 1 for factor in drops):
            raise ValueError(f"drop: expected factors above 0, at most 1, got {self.drop!r}")
        if isinstance(self.drop, tuple) and len(self.drop) != len(self.milestones):
            raise ValueError(
                f"drop: expected one factor, or {len(self.milestones)}, one for each of "
                f"milestones, got {self.drop}"
            )
        check_choice("optimizer", self.optimizer, ("sgd", "adam", "adamw"))
        check_choice("schedule", self.schedule, ("cosine", "flat", "steps", "constant"))
        check_choice("amp", self.amp, ("auto", "off", "bf16", "fp16"))


def learning_rate_factor(step: int, steps_per_epoch: int, config: TrainConfig) -> float:
    """Learning rate of a step as a fraction of the highest one.

    Args:
        step: number of finished steps, 0 for the first step.
        steps_per_epoch: batches in an epoch.
        config: schedule, warm-up and epochs.

    Returns:
        factor, 0 to 1.

    >>> config = TrainConfig(epochs=10, warmup_steps=0, schedule="steps", milestones=(4, 8))
    >>> [round(learning_rate_factor(10 * epoch, 10, config), 3) for epoch in (3, 4, 8)]
    [1.0, 0.1, 0.01]
    """
    if step < config.warmup_steps:
        start = config.warmup_factor
        return start + (1 - start) * step / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "steps":
        passed = sum(step // steps_per_epoch >= milestone for milestone in config.milestones)
        if isinstance(config.drop, tuple):
            return math.prod(config.drop[:passed])
        return config.drop**passed
    last = max(config.epochs * steps_per_epoch, config.warmup_steps + 1)
    progress = (step - config.warmup_steps) / (last - config.warmup_steps)
    if config.schedule == "flat":
        return max(0.0, min(1.0, (1 - progress) / 0.4))
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def build_schedule(
    optimizer: torch.optim.Optimizer, steps_per_epoch: int, config: TrainConfig
) -> torch.optim.lr_scheduler.LambdaLR:
    """The scheduler that gives each step `learning_rate_factor` times the highest learning rate.

    Args:
        optimizer: with the highest learning rate.
        steps_per_epoch: batches in an epoch.
        config: schedule, warm-up and epochs.
    """
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, steps_per_epoch, config)
    )


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Optimiser over a model's parameters; decay on weights only unless the recipe says so.

    Args:
        model: any module.
        config: optimiser, learning rate, decay.

    >>> groups = build_optimizer(nn.Linear(2, 3), TrainConfig()).param_groups
    >>> [(group["weight_decay"], len(group["params"])) for group in groups]
    [(0.0005, 1), (0.0, 1)]
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    plain = 0.0 if not config.decay_everything else config.weight_decay
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": plain},
    ]
    if config.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, nesterov=config.nesterov
        )
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.learning_rate, fused=True)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)
