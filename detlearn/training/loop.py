"""The training loop: about a page, because it is teaching material.

Everything random about an epoch follows from ``(seed, epoch, index)`` and not from what ran
before: a killed run continues to the bit-identical result, with any number of workers.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ..data import collate
from ..models import Detector
from ..models.zoo import save_model, write_atomically
from .checkpoint import (
    get_rng_state,
    load_checkpoint,
    save_checkpoint,
    set_rng_state,
)

__all__ = [
    "RECIPES", "History", "TrainConfig", "build_optimizer", "learning_rate_factor", "pick_device",
    "train", "train_step",
]  # fmt: skip

History = list[dict[str, float]]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """How to train; every field changes the result, so a resumed run must have the same.

    Attributes:
        epochs: passes over the data set.
        batch_size: images a step.
        optimizer: ``"sgd"`` with Nesterov momentum 0.9, as SSD is trained, or ``"adamw"``.
        learning_rate: highest learning rate.
        weight_decay: on weights, not on biases and normalisation (the ``*_tiny`` recipes);
            the published recipes put it on everything, see ``decay_everything``.
        decay_everything: see above.
        warmup_steps: steps in which the learning rate grows linearly from a hundredth.
        schedule: ``"cosine"`` down to zero, ``"constant"``, ``"flat"``: constant, then a straight
            line to zero over the last 40 %, or ``"steps"``: a tenth after each of ``milestones``.
        milestones: epochs for ``"steps"``.
        clip_norm: upper bound of the gradient's norm; ``inf`` for none.
        amp: ``"auto"`` uses bfloat16 (float16 on older ones) on CUDA, and float32 elsewhere.
        seed: of the weights' order, the shuffling and the augmentation.

    >>> TrainConfig(epochs=2).learning_rate
    0.001
    """

    epochs: int = 20
    batch_size: int = 32
    optimizer: Literal["sgd", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 5e-4
    decay_everything: bool = False
    warmup_steps: int = 100
    schedule: Literal["cosine", "flat", "steps", "constant"] = "cosine"
    milestones: tuple[int, ...] = ()
    clip_norm: float = 10.0
    amp: Literal["auto", "off", "bf16", "fp16"] = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if not (isinstance(getattr(self, name), int) and getattr(self, name) >= 1):
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)!r}")
        for name in ("learning_rate", "clip_norm"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected a positive number, got {getattr(self, name)}")
        for name in ("weight_decay", "warmup_steps"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        choices = {
            "optimizer": ("sgd", "adamw"),
            "schedule": ("cosine", "flat", "steps", "constant"),
            "amp": ("auto", "off", "bf16", "fp16"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name}: expected one of {allowed}, got {getattr(self, name)!r}")


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
        return 0.01 + 0.99 * step / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    if config.schedule == "steps":
        return 0.1 ** sum(step // steps_per_epoch >= milestone for milestone in config.milestones)
    last = max(config.epochs * steps_per_epoch, config.warmup_steps + 1)
    progress = (step - config.warmup_steps) / (last - config.warmup_steps)
    if config.schedule == "flat":
        return max(0.0, min(1.0, (1 - progress) / 0.4))
    return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))


def pick_device(name: str | torch.device | None = None) -> torch.device:
    """The device asked for, or the best there is: CUDA, then Apple's MPS, then the CPU.

    Args:
        name: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or None.

    Raises:
        ValueError: the device does not exist here.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ValueError(
            f"device: {str(name)!r} cannot be used on this machine "
            f"({str(error).splitlines()[0]}); leave it out to get the best there is"
        ) from error
    return device


def train(
    model: Detector,
    dataset: Any,
    config: TrainConfig,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    evaluate_every: int = 5,
    checkpoint_every: int = 200,
    device: str | torch.device | None = None,
    num_workers: int = 0,
    progress: bool = True,
) -> History:
    """Train a detector; its weights change in place.

    Args:
        model: has ``normalize``, ``forward``, ``loss``, ``config`` (an `detlearn.SSD`, say).
        dataset: items ``(uint8 (3, S, S), {"boxes", "labels"})`` of the network's size.
        config: how.
        out: folder for ``last.pt`` (checkpoint), ``model.safetensors`` (when done) and
            ``history.json``; None keeps nothing.
        resume: continue from ``out/last.pt`` if it is there.
        evaluate: called with the model (in eval mode) after every ``evaluate_every`` epochs and
            the last; its numbers enter the history.
        evaluate_every: see above.
        checkpoint_every: steps between two checkpoints; one is written after every epoch, too.
        device: see `pick_device`.
        num_workers: processes that load data; the result does not depend on it.
        progress: show a progress bar.

    Returns:
        one dict an epoch: ``epoch``, the mean of each part of the loss, ``learning_rate``,
        ``seconds``, and what ``evaluate`` said.

    Raises:
        ValueError: a checkpoint of another model or another config; a folder that holds a run
            although ``resume`` is off; an empty data set.
        FloatingPointError: the loss is NaN or infinite; the images of the batch are named.
    """
    from tqdm.auto import tqdm

    out = None if out is None else Path(out)
    device = pick_device(device)
    # Channels last is how convolutions are fastest, on CPUs and GPUs alike.
    model.to(device).to(memory_format=torch.channels_last)
    optimizer = build_optimizer(model, config)
    steps_per_epoch = len(batch_indices(dataset, config, epoch=0))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, steps_per_epoch, config)
    )
    autocast, scaler = mixed_precision(device, config.amp)
    torch.manual_seed(config.seed)
    position: dict[str, Any] = {"epoch": 0, "batch": 0, "seconds": 0.0}
    sums: dict[str, float] = {}
    history: History = []

    def save() -> None:
        if out is not None:
            save_checkpoint(out / "last.pt", {
                "model": model.state_dict(), "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(), "scaler": scaler.state_dict(),
                "position": position, "sums": sums, "history": history, "rng": get_rng_state(),
                "config": dataclasses.asdict(config), "name": model.config.name,
                "images": len(dataset),
            })  # fmt: skip

    if out is not None and (out / "last.pt").exists():
        if not resume:
            raise ValueError(f"{out}: holds a run already; resume it, or choose another folder")
        state = load_checkpoint(out / "last.pt")
        check_same_run(state, model, dataset, config, out / "last.pt")
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        scaler.load_state_dict(state["scaler"])
        position, sums, history = state["position"], state["sums"], state["history"]
        set_rng_state(state["rng"])

    while position["epoch"] < config.epochs:
        epoch, start = position["epoch"], time.perf_counter()
        model.train()
        batches = load_batches(dataset, config, epoch, position["batch"], num_workers, device)
        bar = tqdm(batches, total=steps_per_epoch, initial=position["batch"], disable=not progress,
                   desc=f"epoch {epoch + 1}/{config.epochs}", leave=False)  # fmt: skip
        for images, targets in bar:
            try:
                losses = train_step(
                    model, images, targets, optimizer, config.clip_norm, autocast, scaler
                )
            except FloatingPointError as error:
                where = f"epoch {epoch + 1}, batch {position['batch']}"
                raise FloatingPointError(f"{where}: {error}") from None
            schedule.step()  # after the optimiser, or the first learning rate is never used

            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
            position["batch"] += 1
            bar.set_postfix(loss=f"{sum(losses.values()):.3f}")
            if position["batch"] % checkpoint_every == 0 and position["batch"] < steps_per_epoch:
                position["seconds"] += time.perf_counter() - start
                start = time.perf_counter()
                save()
        row = {"epoch": float(epoch + 1)} | {k: v / steps_per_epoch for k, v in sums.items()}
        row["learning_rate"] = float(schedule.get_last_lr()[0])
        row["seconds"] = position["seconds"] + time.perf_counter() - start
        if evaluate and ((epoch + 1) % evaluate_every == 0 or epoch + 1 == config.epochs):
            row.update(evaluate(model.eval()))
        history.append(row)
        position, sums = {"epoch": epoch + 1, "batch": 0, "seconds": 0.0}, {}
        save()
        if out is not None:
            text = json.dumps(history, indent=1) + "\n"
            write_atomically(out / "history.json", text.encode())
    model.eval().to(memory_format=torch.contiguous_format)
    if out is not None:
        save_model(
            model, out / "model.safetensors", {"train": json.dumps(dataclasses.asdict(config))}
        )
    return history


def train_step(
    model: Detector,
    images: Tensor,
    targets: list[dict[str, Tensor]],
    optimizer: torch.optim.Optimizer,
    clip_norm: float = math.inf,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    scaler: torch.amp.GradScaler | None = None,
) -> dict[str, float]:
    """One step: predict, compare, find the slope, move.

    Args:
        model: the detector, in train mode.
        images: ``(B, 3, S, S)`` uint8, or floats in 0 to 1.
        targets: B of them, boxes in px of the (S, S) image.
        optimizer: over the model's parameters.
        clip_norm: upper bound of the gradient's norm.
        autocast: makes the context of mixed precision, see `mixed_precision`.
        scaler: enlarges a loss that float16 would round to zero; None for none.

    Returns:
        the parts of the loss before the step.

    Raises:
        FloatingPointError: the loss is NaN or infinite; the weights are as before.

    >>> from detlearn import create_model
    >>> model = create_model("ssd_tiny").train()
    >>> nothing = {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)}
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> train_step(model, torch.zeros(1, 3, 128, 128), [nothing], optimizer)
    {'bbox_regression': 0.0, 'classification': 0.0}
    """
    scaler = scaler or torch.amp.GradScaler(enabled=False)
    images = model.normalize(images)  # (B, 3, H, W)
    images = images.contiguous(memory_format=torch.channels_last)  # (B, 3, H, W)
    with autocast():
        predictions = model(images)
    # The loss in float32: half precision cannot hold sums over thousands of priors.
    if isinstance(predictions, Tensor):  # heat maps
        predictions = predictions.float()
    else:
        predictions = type(predictions)(*(part.float() for part in predictions))
    losses = model.loss(predictions, targets)
    loss = torch.stack(list(losses.values())).sum()
    check_finite(loss, losses, targets)

    optimizer.zero_grad(set_to_none=True)
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    scaler.step(optimizer)
    scaler.update()
    return {name: float(part.detach()) for name, part in losses.items()}


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
        return torch.optim.SGD(groups, lr=config.learning_rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.99), fused=True)


def batch_indices(dataset: Any, config: TrainConfig, epoch: int) -> list[list[int]]:
    """Which images make up each batch of an epoch; follows from the seed and the epoch alone.

    A last batch that would be smaller than the others is left out (BatchNorm dislikes it),
    unless it is the only one.

    Args:
        dataset: has a length.
        config: batch size and seed.
        epoch: 0 for the first.

    >>> len(batch_indices(range(70), TrainConfig(batch_size=32), epoch=0))
    2
    """
    n, size = len(dataset), config.batch_size
    if n == 0:
        raise ValueError("dataset: expected at least one image to train on, got none")
    generator = torch.Generator().manual_seed(mix(config.seed, epoch))
    order = torch.randperm(n, generator=generator).tolist()
    batches = [order[i : i + size] for i in range(0, n, size)]
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) < size else batches


class _Seeded(Dataset):
    """A data set whose augmentation draws from ``(seed, epoch, index)``."""

    def __init__(self, dataset: Any, seed: int, epoch: int) -> None:
        self.dataset, self.seed, self.epoch = dataset, seed, epoch

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """A batch; the loader asks for this if it is there."""
        items = []
        with torch.random.fork_rng(devices=[]):
            for index in indices:
                torch.manual_seed(mix(self.seed, self.epoch, index))
                items.append(self.dataset[index])
        return items


def load_batches(
    dataset: Dataset, config: TrainConfig, epoch: int, start: int, num_workers: int,
    device: torch.device,
) -> Iterator[tuple[Tensor, list[dict[str, Tensor]]]]:  # fmt: skip
    """Batches of an epoch from number ``start`` on."""
    loader = DataLoader(
        _Seeded(dataset, config.seed, epoch),
        batch_sampler=batch_indices(dataset, config, epoch)[start:],
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        generator=torch.Generator(),  # or it would draw from the global generator
    )
    for images, targets in loader:
        moved = [
            {k: v.to(device) if isinstance(v, Tensor) else v for k, v in target.items()}
            for target in targets
        ]
        yield images.to(device, non_blocking=True), moved


def mix(*numbers: int) -> int:
    """One seed out of several numbers, different for every combination.

    >>> mix(0, 1) != mix(1, 0)
    True
    """
    state = 0
    for number in numbers:  # splitmix64's finaliser
        state = (state + number + 0x9E3779B97F4A7C15) % 2**64
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) % 2**64
        state ^= state >> 31
    return state % 2**63


def mixed_precision(
    device: torch.device, amp: str
) -> tuple[Callable[[], AbstractContextManager[Any]], torch.amp.GradScaler]:
    """The context to run the network in, and the scaler that float16's gradients need."""
    if amp == "auto":
        amp = "off"
        if device.type == "cuda":
            amp = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    scaler = torch.amp.GradScaler(device.type, enabled=amp == "fp16")
    if amp == "off":
        return nullcontext, scaler
    dtype = torch.bfloat16 if amp == "bf16" else torch.float16
    return lambda: torch.autocast(device.type, dtype=dtype), scaler


def check_finite(loss: Tensor, losses: dict[str, Tensor], targets: list[dict[str, Any]]) -> None:
    """Stop at the first NaN, and say which images were in the batch."""
    if not torch.isfinite(loss):
        parts = ", ".join(f"{name} {float(value.detach())}" for name, value in losses.items())
        images = [target.get("image_id", "?") for target in targets]
        raise FloatingPointError(
            f"the loss is not a number ({parts}). "
            f"Images of the batch: {images}. Usual causes: boxes without area, a learning rate "
            "that is too high, half precision without a scaler."
        )


def check_same_run(
    state: dict[str, Any], model: Detector, dataset: Any, config: TrainConfig, path: Path
) -> None:
    """Refuse to continue a run as something else."""
    now = dataclasses.asdict(config) | {"model": model.config.name, "images": len(dataset)}
    then = state["config"] | {"model": state["name"], "images": state["images"]}
    changed = [
        f"{key}: {then.get(key)} then, {value} now"
        for key, value in now.items()
        if _plain(then.get(key)) != _plain(value)
    ]
    if changed:
        raise ValueError(f"{path}: the run was started differently ({'; '.join(changed)})")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
