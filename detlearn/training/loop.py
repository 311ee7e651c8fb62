"""The training loop: two pages, because it is teaching material.

Everything random about an epoch follows from ``(seed, epoch, index)`` and not from what ran
before: a killed run continues to the bit-identical result, with any number of workers.
"""

from __future__ import annotations

import dataclasses
import json
import math
import random
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset

from ..data import collate
from ..models import Detector
from ..models.zoo import save_model
from . import distributed
from .checkpoint import RunFolder, get_rng_state, set_rng_state
from .config import TrainConfig, build_optimizer, learning_rate_factor
from .logs import LogKind, json_bytes, open_logs
from .nonfinite import name_of, save_batch
from .signals import Interruptible, start_worker

__all__ = ["SCORES", "History", "train", "train_step"]

History = list[dict[str, float]]

SCORES = ("mAP", "AP")
"""What tells the best epoch: the first of these that ``evaluate`` says."""

LOG_EVERY = 50  # steps


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
    compile: bool = False,
    loggers: Sequence[LogKind] = (),
    after_epoch: Callable[[History, nn.Module], None] | None = None,
    progress: bool = True,
) -> History:
    """Train a detector; its weights change in place.

    Started by ``torchrun`` inside `detlearn.training.join`, every process calls this with the same
    arguments; process 0 writes.  Ctrl-C ends it after a step, with a checkpoint.

    Args:
        model: has ``normalize``, ``forward``, ``loss``, ``config`` (an `detlearn.SSD`, say).
        dataset: items ``(uint8 (3, S, S), {"boxes", "labels"})`` of the network's size.
        config: how.
        out: folder for ``last.pt`` and ``previous.pt`` (checkpoints), ``history.json``,
            ``best.safetensors`` (weights of the epoch that scored best), ``model.safetensors``
            (when done), ``nonfinite/`` (a batch whose loss was no number); None keeps nothing.
        resume: continue from the newest whole checkpoint in ``out`` if there is one.
        evaluate: called with the model (in eval mode) after every ``evaluate_every`` epochs and
            the last; its numbers enter the history.
        evaluate_every: see above.
        checkpoint_every: steps between two checkpoints (fewer where writing is slow); one is
            written after every epoch, too.
        device: see `detlearn.training.pick_device`.
        num_workers: processes that load data; the result does not depend on it.
        compile: use ``torch.compile``; where that fails, a warning and the ordinary way.
        loggers: ``"csv"``, ``"tensorboard"``: further files in ``out``.
        after_epoch: called with the history and the model (in eval mode) after every epoch.
        progress: show a progress bar.

    Returns:
        one dict an epoch: ``epoch``, the mean of each part of the loss, ``learning_rate``,
        ``seconds``, and what ``evaluate`` said.

    Raises:
        ValueError: a checkpoint of another model or another config; a folder that holds a run
            although ``resume`` is off, or in which another process trains; an empty data set.
        FloatingPointError: the loss is NaN or infinite; the images of the batch are named, and
            ``out/nonfinite`` holds all that `detlearn.training.replay` needs to make it again.
        KeyboardInterrupt: after Ctrl-C.
        OSError: the folder cannot be written to; what was saved before is whole.
    """
    from tqdm.auto import tqdm

    for name, every in (("evaluate_every", evaluate_every), ("checkpoint_every", checkpoint_every)):
        if every < 1:
            raise ValueError(f"{name}: expected at least 1, got {every}")
    device = distributed.pick_device(device)
    writer = distributed.process_rank() == 0
    steps_per_epoch = len(batch_indices(dataset, config, epoch=0))
    # Channels last is how convolutions are fastest, on CPUs and GPUs alike.
    model.to(device).to(memory_format=torch.channels_last)
    average = average_of(model, config.ema)
    network: Any = Network(model, device, compile)
    optimizer = build_optimizer(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_factor(step, steps_per_epoch, config)
    )
    autocast, scaler = mixed_precision(device, config.amp)
    parts: dict[str, Any] = {
        "model": model, "optimizer": optimizer, "schedule": schedule, "scaler": scaler,
    }  # fmt: skip
    if average is not None:
        parts["average"] = average
    torch.manual_seed(config.seed)
    position: dict[str, Any] = {"epoch": 0, "batch": 0, "seconds": 0.0}
    sums: dict[str, float] = {}
    history: History = []

    with (
        RunFolder(out if writer else None) as folder,
        Interruptible() as interruptible,
        ExitStack() as closing,
    ):
        if folder.in_use and not resume:
            raise ValueError(
                f"{folder.path}: holds a run already; resume it (--resume), or choose another "
                "folder"
            )
        state = distributed.tell(folder.newest())
        if state is not None:
            check_same_run(state, model, dataset, config, Path(out or "") / "last.pt")
            for name, part in parts.items():
                if state[name]:  # a scaler that was not needed then has no state
                    part.load_state_dict(state[name])
            position, sums, history = state["position"], state["sums"], state["history"]
            set_rng_state(state["rng"])
            if progress and writer and position["epoch"] < config.epochs:
                print(f"{out} goes on in epoch {position['epoch'] + 1}, after batch "
                      f"{position['batch']} of {steps_per_epoch}")  # fmt: skip
        logs = open_logs(loggers, folder.path, schedule.last_epoch) if writer else []
        for one in logs:
            closing.callback(one.close)

        def save() -> None:
            if folder.path is None:
                return
            folder.save({name: part.state_dict() for name, part in parts.items()} | {
                "position": position, "sums": sums, "history": history, "rng": get_rng_state(),
                "config": dataclasses.asdict(config), **identity(model, dataset),
            })  # fmt: skip

        while position["epoch"] < config.epochs:
            epoch, start = position["epoch"], time.perf_counter()
            model.train()
            batches = load_batches(dataset, config, epoch, position["batch"], num_workers, device)
            bar = tqdm(batches, f"epoch {epoch + 1}/{config.epochs}", steps_per_epoch, leave=False,
                       initial=position["batch"], dynamic_ncols=True,
                       disable=not (progress and writer))  # fmt: skip
            for images, targets in bar:
                try:
                    losses = train_step(
                        network, images, targets, optimizer, config.clip_norm, autocast, scaler
                    )
                except FloatingPointError as error:
                    message = f"epoch {epoch + 1}, batch {position['batch']}: {error}"
                    raise stop_at_batch(out, model, images, targets, config, message) from None
                schedule.step()  # after the optimiser, or the first learning rate is never used
                if average is not None:
                    average.update_parameters(model)

                # Of all processes: their losses, and whether one of them shall stop.
                signal = float(bool(interruptible.requested))
                *values, signal = distributed.mean([*losses.values(), signal], device)
                losses = dict(zip(losses, values, strict=True))
                for name, value in losses.items():
                    sums[name] = sums.get(name, 0.0) + value
                position["batch"] += 1
                rate = bar.format_dict["rate"] or 0.0
                shown = {k: f"{v:.3f}" for k, v in losses.items()}
                shown["images/s"] = f"{rate * config.batch_size:.0f}"
                bar.set_postfix(shown, refresh=False)  # the bar draws itself when it is time
                if schedule.last_epoch % LOG_EVERY == 0:
                    for one in logs:
                        one.step(schedule.last_epoch, losses | {
                            "learning_rate": schedule.get_last_lr()[0]
                        })  # fmt: skip
                due = position["batch"] % checkpoint_every == 0 and not folder.too_early()
                if signal or (due and position["batch"] < steps_per_epoch):
                    position["seconds"] += time.perf_counter() - start
                    start = time.perf_counter()
                    save()
                if signal:
                    raise KeyboardInterrupt(
                        f"{interruptible.requested} in epoch {epoch + 1}, after batch "
                        f"{position['batch']} of {steps_per_epoch}"
                    )

            row = {"epoch": float(epoch + 1)} | {k: v / steps_per_epoch for k, v in sums.items()}
            row["learning_rate"] = float(schedule.get_last_lr()[0])
            position["seconds"] += time.perf_counter() - start
            row["seconds"] = position["seconds"]
            scored: Any = (model if average is None else average.module).eval()
            if evaluate and ((epoch + 1) % evaluate_every == 0 or epoch + 1 == config.epochs):
                save()  # scoring takes minutes: an accident in it costs no training
                with interruptible.at_once():
                    row.update(evaluate(scored))
            # The checkpoint comes last: what an accident before it leaves is made again.
            history.append(row)
            folder.write("history.json", json_bytes(history))
            if folder.path is not None and is_best(history):
                save_model(scored, folder.path / "best.safetensors", settings(config, row))
            for one in logs:
                one.epoch(history)
            position, sums = {"epoch": epoch + 1, "batch": 0, "seconds": 0.0}, {}
            save()
            if after_epoch is not None and writer:
                after_epoch(history, scored)
        if average is not None:
            model.load_state_dict(average.module.state_dict())
        model.eval().to(memory_format=torch.contiguous_format)
        if folder.path is not None:
            save_model(model, folder.path / "model.safetensors", settings(config))
        if interruptible.requested:  # after the last step, while something was drawn
            raise KeyboardInterrupt(interruptible.requested)
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
        FloatingPointError: the loss or its gradient is NaN or infinite; the weights are as before.

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
    norm = nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
    if not scaler.is_enabled():  # which passes over such a step, and tries a smaller enlargement
        check_finite(norm, losses, targets, "gradient")
    scaler.step(optimizer)
    scaler.update()
    return {name: float(part.detach()) for name, part in losses.items()}


class Network:
    """A model whose forward goes through other hands: several processes, or the compiler.

    Everything else is the model's own.
    """

    def __init__(self, model: Detector, device: torch.device, compile: bool) -> None:
        self.model = model
        self.eager: Callable = distributed.replicate(model, device)
        self.compiled = torch.compile(self.eager) if compile else None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def __call__(self, images: Tensor) -> Any:
        """The model's predictions."""
        if self.compiled is not None:
            try:
                return self.compiled(images)
            except Exception as error:  # a missing C++ compiler, an operation it does not know, ...
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
                warnings.warn(f"torch.compile failed, going on without it ({reason})", stacklevel=2)
                self.compiled = None
        return self.eager(images)


def average_of(model: nn.Module, decay: float) -> AveragedModel | None:
    """A moving average of a model's weights and running means, or None for a decay of 0."""
    if decay == 0:
        return None
    return AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)


def is_best(history: History) -> bool:
    """Whether the last epoch has the highest score so far; later wins a draw.

    >>> is_best([{"mAP": 0.3}, {}, {"mAP": 0.4}]), is_best([{"mAP": 0.3}, {}])
    (True, False)
    """
    name = next((name for name in SCORES if name in history[-1]), None)
    if name is None or math.isnan(history[-1][name]):
        return False
    return all(
        history[-1][name] >= row[name] for row in history if not math.isnan(row.get(name, math.nan))
    )


def settings(config: TrainConfig, row: dict[str, float] | None = None) -> dict[str, str]:
    """What a file of weights says of its training."""
    texts = {"train": json.dumps(dataclasses.asdict(config))}
    return texts if row is None else texts | {"scores": json.dumps(row)}


def stop_at_batch(
    out: str | Path | None, model: Detector, images: Tensor, targets: list[dict[str, Any]],
    config: TrainConfig, message: str,
) -> FloatingPointError:  # fmt: skip
    """The error to stop with; the batch is kept in the run's folder."""
    if out is not None:
        folder = Path(out) / "nonfinite"
        try:
            save_batch(
                folder, model, images, targets, resolve_amp(images.device, config.amp), message
            )
            message += f" The batch is kept: python -m detlearn replay {folder}"
        except (OSError, ValueError) as error:
            message += f" The batch could not be kept ({error})."
    return FloatingPointError(message)


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
    processes = distributed.num_processes()
    if min(n, size) % processes:
        raise ValueError(
            f"batch_size: expected a multiple of the {processes} processes, got {min(n, size)}"
        )
    generator = torch.Generator().manual_seed(mix(config.seed, epoch))
    order = torch.randperm(n, generator=generator).tolist()
    batches = [order[i : i + size] for i in range(0, n, size)]
    return batches[:-1] if len(batches) > 1 and len(batches[-1]) < size else batches


@contextmanager
def generators_restored() -> Iterator[None]:
    """Put the global generators of torch, numpy and Python back to where they were."""
    theirs = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        yield
    np.random.set_state(theirs[0])  # noqa: NPY002
    random.setstate(theirs[1])


class _Seeded(Dataset):
    """A data set whose augmentation draws from ``(seed, epoch, index)``."""

    def __init__(self, dataset: Any, seed: int, epoch: int) -> None:
        self.dataset, self.seed, self.epoch = dataset, seed, epoch

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """A batch; the loader asks for this if it is there."""
        items = []
        with generators_restored():
            for index in indices:
                seed = mix(self.seed, self.epoch, index)
                torch.manual_seed(seed)
                np.random.seed(seed % 2**32)  # noqa: NPY002
                random.seed(seed)
                items.append(self.dataset[index])
        return items


def load_batches(
    dataset: Dataset, config: TrainConfig, epoch: int, start: int, num_workers: int,
    device: torch.device,
) -> Iterator[tuple[Tensor, list[dict[str, Tensor]]]]:  # fmt: skip
    """Batches of an epoch from number ``start`` on; of several processes, each has its share."""
    share = slice(distributed.process_rank(), None, distributed.num_processes())
    loader = DataLoader(
        _Seeded(dataset, config.seed, epoch),
        batch_sampler=[batch[share] for batch in batch_indices(dataset, config, epoch)[start:]],
        num_workers=num_workers,
        collate_fn=collate,
        pin_memory=device.type == "cuda",
        worker_init_fn=start_worker,
        generator=torch.Generator(),  # or it would draw from the global generator
    )
    for images, targets in loader:
        moved = [
            {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v
             for k, v in target.items()}
            for target in targets
        ]  # fmt: skip
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
    amp = resolve_amp(device, amp)
    scaler = torch.amp.GradScaler(device.type, enabled=amp == "fp16")
    if amp == "off":
        return nullcontext, scaler
    dtype = torch.bfloat16 if amp == "bf16" else torch.float16
    return lambda: torch.autocast(device.type, dtype=dtype), scaler


def resolve_amp(device: torch.device, amp: str) -> str:
    """What ``"auto"`` means on a device.

    >>> resolve_amp(torch.device("cpu"), "auto")
    'off'
    """
    if amp != "auto":
        return amp
    if device.type != "cuda":
        return "off"
    # Colab's T4 can be made to compute bfloat16, at a crawl.
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def check_finite(
    value: Tensor, losses: dict[str, Tensor], targets: list[dict[str, Any]], what: str = "loss"
) -> None:
    """Stop at the first NaN, and say which images were in the batch."""
    if not torch.isfinite(value):
        parts = ", ".join(f"{name} {float(value.detach())}" for name, value in losses.items())
        images = [name_of(target) for target in targets]
        raise FloatingPointError(
            f"the {what} is not a number ({parts}). "
            f"Images of the batch: {images}. Usual causes: boxes without area, a learning rate "
            "that is too high, half precision without a scaler."
        )


def identity(model: Detector, dataset: Any) -> dict[str, Any]:
    """What a resumed run must have in common with the one that wrote the checkpoint."""
    names = getattr(dataset, "class_names", None) or model.class_names
    return {
        "name": model.config.name, "images": len(dataset),
        "num_classes": getattr(model.config, "num_classes", None),
        "class_names": None if names is None else list(names),
    }  # fmt: skip


def check_same_run(
    state: dict[str, Any], model: Detector, dataset: Any, config: TrainConfig, path: Path
) -> None:
    """Refuse to continue a run as something else."""
    ours = identity(model, dataset)
    if not {"config", "position", *ours} <= state.keys():
        raise ValueError(f"{path}: expected the checkpoint of a training, got something else")
    now = dataclasses.asdict(config) | ours
    then = state["config"] | {key: state[key] for key in ours}
    if None in (now["class_names"], then["class_names"]):  # a data set that does not say
        now["class_names"] = then["class_names"]
    changed = [
        f"{key}: {then.get(key)} then, {value} now"
        for key, value in now.items()
        if _plain(then.get(key)) != _plain(value)
    ]
    if changed:
        raise ValueError(
            f"{path}: the run was started differently ({'; '.join(changed)}); give it what it had, "
            "or begin another one in another folder"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
