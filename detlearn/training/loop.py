"""The training loop: two pages, because it is teaching material.

What makes it safe to interrupt stands in `detlearn.training.run`, what makes it repeatable in
`detlearn.training.batches`, and the first half of a step in `detlearn.training.precision`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..models import Detector
from ..models.checks import check_integer
from .batches import batch_indices, load_batches
from .before import cross_border
from .config import TrainConfig, build_optimizer, build_schedule
from .distributed import pick_device
from .history import History
from .logs import LogKind
from .nonfinite import check_finite
from .precision import Precision, compute_losses
from .run import Progress, Weights, open_run
from .wrappers import ModelWrapper, moving_average

__all__ = ["train", "train_step"]


def train(
    model: Detector,
    dataset: Any,
    config: TrainConfig,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    init: Weights | None = None,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    evaluate_every: int = 5,
    checkpoint_every: int = 200,
    device: str | torch.device | None = None,
    num_workers: int = 0,
    compile: bool = False,
    check: bool = True,
    loggers: Sequence[LogKind] = (),
    at_start: Callable[[History], None] | None = None,
    after_epoch: Callable[[History, nn.Module], None] | None = None,
    progress: bool | Progress = True,
) -> History:
    """Train a detector; its weights change in place.

    Started by ``torchrun`` inside `detlearn.training.process_group`, every process calls this with
    the same arguments; process 0 writes.  Ctrl-C ends it after a step, with a checkpoint.  A
    module that dies (see `detlearn.training.check_up`) is warned of.

    Args:
        model: has ``normalize``, ``forward``, ``loss``, ``config`` (an `detlearn.SSD`, say).
        dataset: items ``(uint8 (3, S, S), {"boxes", "labels"})`` of the network's size.
        config: how.
        out: folder for ``last.pt`` and ``previous.pt`` (checkpoints), ``history.json``,
            ``best.safetensors`` (weights of the epoch that scored best), ``model.safetensors``
            (when done), ``nonfinite/`` (a batch whose loss was no number); None keeps nothing.
        resume: continue from the newest whole checkpoint in ``out`` if there is one;
            ``config.epochs`` may then be larger than before.
        init: what a new run begins with, see `detlearn.load_initial_weights`; what was taken is
            printed, and listed in ``out/initial.txt``.
        evaluate: called with the model (in eval mode) after every ``evaluate_every`` epochs and
            the last; its numbers enter the history.
        evaluate_every: see above.
        checkpoint_every: steps between two checkpoints (fewer where writing is slow); one is
            written after every epoch, too.
        device: see `detlearn.training.pick_device`.
        num_workers: processes that load data; the result does not depend on it.
        compile: use ``torch.compile``; where that fails, a warning and the ordinary way.
        check: look at data that are read from files first, as the shell command does
            (`detlearn.data.border`): what is odd is printed, what is wrong refused.
        loggers: ``"csv"``, ``"tensorboard"``: further files in ``out``.
        at_start: called once with the history so far, when nothing more can be refused.
        after_epoch: called with the history and the model (in eval mode) after every epoch.
        progress: show a progress bar; ``"bar"`` also says what an epoch will take, once a few
            steps are timed, and ``"lines"`` says that and a line a minute instead of a bar.

    Returns:
        one dict an epoch: ``epoch``, the mean of each part of the loss, ``learning_rate``,
        ``seconds``, and what ``evaluate`` said.

    Raises:
        ValueError: a checkpoint of another model or another config; a folder that holds a run
            although ``resume`` is off, or in which another process trains; an empty data set, one
            that ``check`` refuses, or one of other classes than the model's.
        FloatingPointError: the loss is NaN or infinite; the images of the batch are named, and
            ``out/nonfinite`` holds all that `detlearn.training.replay` needs to make it again.
        KeyboardInterrupt: after Ctrl-C.
        OSError: the folder cannot be written to; what was saved before is whole.
    """
    check_integer("evaluate_every", evaluate_every)
    device = pick_device(device)
    if check:
        cross_border(dataset, None)
    model.to(device).to(memory_format=torch.channels_last)  # convolutions are fastest so, anywhere
    average = moving_average(model, config.ema)
    network: Any = ModelWrapper(model, device, compile)
    optimizer = build_optimizer(model, config)
    schedule = build_schedule(optimizer, len(batch_indices(dataset, config, epoch=0)), config)
    precision = Precision(device, config.amp)
    scaler = precision.scaler()
    parts: Any = {"model": model, "optimizer": optimizer, "schedule": schedule, "scaler": scaler}
    parts |= {"precision": precision} | ({} if average is None else {"average": average})
    torch.manual_seed(config.seed)

    with open_run(
        parts, dataset, config, device, out=out, resume=resume, checkpoint_every=checkpoint_every,
        loggers=loggers, progress=progress, at_start=at_start, told=after_epoch, init=init,
    ) as run:  # fmt: skip
        for epoch in range(run.epoch, config.epochs):
            model.train()
            batches = load_batches(dataset, config, epoch, run.batch, num_workers, device)
            for images, targets in run.progress_bar(batches):
                with run.keep_if_nonfinite(images, targets):
                    how = (optimizer, config.clip_norm, precision.autocast, scaler)
                    losses = train_step(network, images, targets, *how)
                schedule.step()  # after the optimiser, or the first learning rate is never used
                if average is not None:
                    average.update_parameters(model)
                run.after_step(losses, images)
            row = run.close_epoch()
            scored: Any = (model if average is None else average.module).eval()
            if evaluate and ((epoch + 1) % evaluate_every == 0 or epoch + 1 == config.epochs):
                with run.scoring():
                    row.update(evaluate(scored))
            run.after_epoch(row, scored)
        if average is not None:
            model.load_state_dict(average.module.state_dict())
        run.finish(model.eval().to(memory_format=torch.contiguous_format))
    return run.history


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
    losses = compute_losses(model, images, targets, autocast)
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
