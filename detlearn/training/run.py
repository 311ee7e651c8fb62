"""What stands around the training loop: the run's folder, where it stands, its logs, its signals.

The loop (`detlearn.training.train`) calls `TrainingRun.after_step` and `TrainingRun.after_epoch`;
everything that makes a run survive an accident happens there.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ..models import Detector, load_initial_weights, save_model
from ..models.checks import check_integer
from . import distributed
from .batches import batch_indices
from .checkpoint import RunFolder, get_rng_state, set_rng_state, storable
from .config import TrainConfig, learning_rate_factor
from .death_watch import DeathWatch
from .history import History, is_best
from .logs import LogKind, json_bytes, open_logs
from .nonfinite import keep_nonfinite_batch
from .pace import Pace
from .precision import DTYPES, tell
from .signals import Interruptible

__all__ = ["Progress", "TrainingRun", "Weights", "open_run"]

LOG_EVERY = 50  # steps
Progress = Literal["bar", "lines"]
"""A terminal's bar, or a line a minute; both tell first what an epoch will take."""

Weights = Mapping[str, Any] | str | Path
"""A state dict, or the file or the folder that holds it."""


@dataclasses.dataclass
class TrainingRun:
    """Where a run stands, and what it writes down; see `open_run`.

    Attributes:
        parts: what a checkpoint holds the ``state_dict`` of, by name.
        fixed: what the run has in common with the one that it continues, see `fixed_facts`.
        config: how it trains.
        device: of this process.
        out: the run's folder, None for none.
        steps_per_epoch: batches in an epoch.
        checkpoint_every: steps between two checkpoints.
        show: whether progress is shown here.
        folder: what is written into; of several processes, only process 0 has one.
        interruptible: notes SIGINT and SIGTERM.
        logs: further files, see `detlearn.training.logs`.
        epoch: finished epochs.
        batch: finished batches of the epoch that runs.
        seconds: what that epoch has taken so far, without scoring.
        sums: the parts of the loss, added up over its batches.
        history: the finished epochs.
        watch: warns of modules that die.
        started: when ``seconds`` was last brought up to date.
        bar: the epoch's progress bar.
        pace: what tells the time in lines, None for nothing.
        told: called in process 0 after every epoch.
    """

    parts: dict[str, Any]
    fixed: dict[str, Any]
    config: TrainConfig
    device: torch.device
    out: str | Path | None
    steps_per_epoch: int
    checkpoint_every: int
    show: bool
    folder: RunFolder
    interruptible: Interruptible
    logs: list[Any] = dataclasses.field(default_factory=list)
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    sums: dict[str, float] = dataclasses.field(default_factory=dict)
    history: History = dataclasses.field(default_factory=list)
    watch: DeathWatch = dataclasses.field(default_factory=DeathWatch)
    started: float = 0.0
    bar: Any = None
    pace: Pace | None = None
    told: Callable[[History, nn.Module], None] | None = None

    # ------------------------------------------------------------ checkpoints
    def load(self, state: dict[str, Any], path: Path) -> None:
        """Continue from a checkpoint's state; refuses that of another run.

        Args:
            state: what `save` wrote.
            path: its file, for messages.
        """
        check_same_run(state, self.fixed, self.config, path)
        if (before := state["config"]["epochs"]) < self.config.epochs:
            self._plan_longer(state, before)
        if self.config.amp == "auto":  # checkpoints that say nothing: CPUs trained in float32
            state.setdefault("precision", {"device": "cpu", "amp": "off"})
        for name, part in self.parts.items():
            if state.get(name):  # a scaler that was not needed then has no state
                part.load_state_dict(state[name])
        position = state["position"]
        self.epoch, self.batch = position["epoch"], position["batch"]
        self.seconds = position["seconds"]
        self.sums, self.history = state["sums"], state["history"]
        set_rng_state(state["rng"])
        if self.show and self.epoch < self.config.epochs:
            print(f"{path.parent} goes on in epoch {self.epoch + 1}, after batch "
                  f"{self.batch} of {self.steps_per_epoch}")  # fmt: skip

    def _plan_longer(self, state: dict[str, Any], before: int) -> None:
        """Let a checkpoint's schedule go on as that of a run of more epochs."""
        schedule = state["schedule"]
        factor = learning_rate_factor(schedule["last_epoch"], self.steps_per_epoch, self.config)
        rates = [base * factor for base in schedule["base_lrs"]]
        if self.show:
            print(f"{self.config.epochs} epochs instead of {before}: the learning rate goes on at "
                  f"{rates[0]:.3g} instead of {schedule['_last_lr'][0]:.3g}")  # fmt: skip
        state["schedule"] = schedule | {"_last_lr": rates}
        groups = [
            group | {"lr": rate}
            for group, rate in zip(state["optimizer"]["param_groups"], rates, strict=True)
        ]
        state["optimizer"] = state["optimizer"] | {"param_groups": groups}

    def begin_with(self, init: Weights) -> None:
        """Begin with the weights of a trained detector, and say what was taken of them."""
        name = "a state dict" if isinstance(init, Mapping) else init
        report = load_initial_weights(self.parts["model"], init, self.fixed["class_names"])
        self.folder.write("initial.txt", f"{name}\n{report}\n\n{report.table()}".encode())
        if distributed.process_rank() == 0:
            print(f"begins with {name}: {report}")

    def save(self) -> None:
        """Write a checkpoint, if there is a folder."""
        if self.folder.path is None:
            return
        position = {"epoch": self.epoch, "batch": self.batch, "seconds": self.seconds}
        self.folder.save({name: part.state_dict() for name, part in self.parts.items()} | {
            "position": position, "sums": self.sums, "history": self.history,
            "rng": get_rng_state(), "config": dataclasses.asdict(self.config), **self.fixed,
        })  # fmt: skip

    # ------------------------------------------------------------ steps
    def keep_if_nonfinite(
        self, images: Tensor, targets: list[dict[str, Any]]
    ) -> AbstractContextManager[None]:
        """Around a training step, see `detlearn.training.nonfinite.keep_nonfinite_batch`."""
        where = f"epoch {self.epoch + 1}, batch {self.batch}"
        return keep_nonfinite_batch(
            self.out, self.parts["model"], images, targets, self.parts["precision"].amp, where
        )

    def progress_bar(self, batches: Iterable[Any]) -> Any:
        """The batches of an epoch, which begins now, behind a progress bar."""
        from tqdm.auto import tqdm

        self.started = time.perf_counter()
        self.bar = tqdm(
            batches, f"epoch {self.epoch + 1}/{self.config.epochs}", self.steps_per_epoch,
            leave=False, initial=self.batch, dynamic_ncols=True, disable=not self.show,
        )  # fmt: skip
        return self.bar

    def after_step(self, losses: dict[str, float], images: Tensor) -> None:
        """Note a step; write a checkpoint when one is due or a signal has come.

        Args:
            losses: the parts of this process's loss.
            images: what it was made of.

        Raises:
            KeyboardInterrupt: one of the processes got a signal; all have a checkpoint.
        """
        signal = float(bool(self.interruptible.requested))
        *values, signal = distributed.all_reduce_mean([*losses.values(), signal], self.device)
        losses = dict(zip(losses, values, strict=True))
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.batch += 1
        self.watch.saw(images)
        self._tell(losses)
        if self.pace is not None:
            self.pace.step(self.epoch + 1, self.batch, losses)
        due = self.batch % self.checkpoint_every == 0 and not self.folder.too_early()
        if signal or (due and self.batch < self.steps_per_epoch):
            self._count_time()
            self.save()
        if signal:
            raise KeyboardInterrupt(
                f"{self.interruptible.requested} in epoch {self.epoch + 1}, after batch "
                f"{self.batch} of {self.steps_per_epoch}"
            )

    def _tell(self, losses: dict[str, float]) -> None:
        """Progress bar and logs."""
        rate = self.bar.format_dict["rate"] or 0.0
        shown = {name: f"{value:.3f}" for name, value in losses.items()}
        shown["images/s"] = f"{rate * self.config.batch_size:.0f}"
        self.bar.set_postfix(shown, refresh=False)  # the bar draws itself when it is time
        schedule = self.parts["schedule"]
        if schedule.last_epoch % LOG_EVERY == 0:  # PyTorch's name; it counts our steps
            row = losses | {"learning_rate": schedule.get_last_lr()[0]}
            for log in self.logs:
                log.step(schedule.last_epoch, row)

    def _count_time(self) -> None:
        now = time.perf_counter()
        self.seconds, self.started = self.seconds + now - self.started, now

    # ------------------------------------------------------------ epochs
    def close_epoch(self) -> dict[str, float]:
        """The history's row of the epoch whose last step is done, without scores."""
        self._count_time()
        means = {name: total / self.steps_per_epoch for name, total in self.sums.items()}
        rate = float(self.parts["schedule"].get_last_lr()[0])
        row = {"epoch": self.epoch + 1.0} | means
        return row | {"learning_rate": rate, "seconds": self.seconds}

    @contextmanager
    def scoring(self) -> Iterator[None]:
        """Around scoring, which takes minutes: an accident in it costs no training."""
        self.save()
        with self.interruptible.at_once():
            yield

    def after_epoch(self, row: dict[str, float], model: Detector) -> None:
        """Write an epoch down; its checkpoint is written last.

        What an accident before the checkpoint leaves behind is made again.

        Args:
            row: of the history.
            model: what was scored.
        """
        self.history.append(row)
        self.folder.write("history.json", json_bytes(self.history))
        if self.folder.path is not None and is_best(self.history):
            save_model(model, self.folder.path / "best.safetensors", metadata(self.config, row))
        for log in self.logs:
            log.epoch(self.history)
        self.epoch, self.batch, self.seconds, self.sums = self.epoch + 1, 0, 0.0, {}
        self.save()
        if distributed.process_rank() == 0:
            self.watch.look(model, self.epoch)
            if self.told is not None:
                self.told(self.history, model)

    def finish(self, model: Detector) -> None:
        """Write the weights of a run that is done.

        Raises:
            KeyboardInterrupt: a signal came after the last step, while something was drawn.
        """
        if self.folder.path is not None:
            save_model(model, self.folder.path / "model.safetensors", metadata(self.config))
        if self.interruptible.requested:
            raise KeyboardInterrupt(self.interruptible.requested)


@contextmanager
def open_run(
    parts: dict[str, Any], dataset: Any, config: TrainConfig, device: torch.device, *,
    out: str | Path | None, resume: bool, checkpoint_every: int, loggers: Sequence[LogKind],
    progress: bool | Progress, at_start: Callable[[History], None] | None = None,
    told: Callable[[History, nn.Module], None] | None = None, init: Weights | None = None,
) -> Iterator[TrainingRun]:  # fmt: skip
    """Begin a run, or continue the one in its folder.

    Args:
        parts: see `TrainingRun`; of a run that goes on, they are loaded.
        dataset: what it learns from.
        config: how to train.
        device: of this process.
        out: the run's folder, None for none.
        resume: continue from the newest whole checkpoint if there is one.
        checkpoint_every: steps between two checkpoints.
        loggers: see `detlearn.training.logs`.
        progress: see `detlearn.training.train`.
        at_start: called in process 0 with the history so far, when nothing more can be refused.
        told: called in process 0 with history and model after every epoch.
        init: weights of a trained detector that a new run begins with.

    Raises:
        ValueError: a checkpoint of another run; a folder that holds a run although ``resume`` is
            off, or in which another process trains.
    """
    check_integer("checkpoint_every", checkpoint_every)
    fixed = fixed_facts(parts["model"], dataset)
    steps_per_epoch = len(batch_indices(dataset, config, epoch=0))
    writer = distributed.process_rank() == 0
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
        run = TrainingRun(
            parts, fixed, config, device, out, steps_per_epoch, checkpoint_every,
            progress in (True, "bar") and writer, folder, interruptible,
        )  # fmt: skip
        state = distributed.broadcast(folder.newest())
        if state is not None:
            run.load(state, Path(out or "") / "last.pt")
        else:
            check_names(getattr(dataset, "class_names", None), parts["model"])
            if init is not None:
                run.begin_with(init)
        if writer:
            run.logs = open_logs(loggers, folder.path, parts["schedule"].last_epoch)
        for log in run.logs:
            closing.callback(log.close)
        if writer and progress in ("bar", "lines"):
            say = (lambda line: run.bar.write(line)) if progress == "bar" else None
            run.pace = Pace(config.epochs, steps_per_epoch, lines=progress == "lines", say=say)
        if writer and progress:
            tell(DTYPES[parts["precision"].amp])
        run.told = told
        if writer and at_start is not None:
            at_start(run.history)
        yield run


def metadata(config: TrainConfig, row: dict[str, float] | None = None) -> dict[str, str]:
    """What a file of weights says of its training."""
    texts = {"train": json.dumps(dataclasses.asdict(config))}
    return texts if row is None else texts | {"scores": json.dumps(row)}


def fixed_facts(model: Detector, dataset: Any) -> dict[str, Any]:
    """What a run that goes on must have in common with the one that wrote the checkpoint."""
    names = getattr(dataset, "class_names", None) or model.class_names
    return {
        "name": model.config.name, "images": len(dataset),
        "num_classes": getattr(model.config, "num_classes", None),
        "class_names": None if names is None else list(names),
    }  # fmt: skip


def check_names(names: Sequence[str] | None, model: Detector) -> None:
    """Refuse a data set of other classes than the model's: the weights would bear wrong names."""
    number = getattr(model.config, "num_classes", None)
    if names is None or number is None:
        return
    if len(names) != number:
        raise ValueError(
            f"class_names of the data set: expected {number} with background, as the model has, "
            f"got {len(names)}: {', '.join(names)}"
        )
    ours = model.class_names
    if ours is not None and tuple(ours) != tuple(names):
        raise ValueError(
            f"the model knows {', '.join(ours[1:])}; the data set {', '.join(names[1:])}: expected "
            "the same classes in the same order; init=WEIGHTS begins with a detector of others"
        )


def check_same_run(
    state: dict[str, Any], fixed: dict[str, Any], config: TrainConfig, path: Path
) -> None:
    """Refuse to continue a run as something else."""
    if not {"config", "position", *fixed} <= state.keys():
        raise ValueError(f"{path}: expected the checkpoint of a training, got something else")
    now = dataclasses.asdict(config) | fixed
    then = state["config"] | {key: state[key] for key in fixed}
    if None in (now["class_names"], then["class_names"]):  # a data set that does not say
        now["class_names"] = then["class_names"]
    changed = [
        f"{key}: {then.get(key)} then, {value} now"
        for key, value in now.items()
        if not (key == "epochs" and value > then[key])  # a run may become longer
        and storable(then.get(key)) != storable(value)  # a tuple may have become a list
    ]
    if changed:
        raise ValueError(
            f"{path}: the run was started differently ({'; '.join(changed)}); give it what it had, "
            "or begin another one in another folder"
        )
