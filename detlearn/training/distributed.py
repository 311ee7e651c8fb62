"""One run on several processes: PyTorch's ``torchrun`` starts them, this file connects them.

Every process has the whole model and learns from its share of each batch; the gradients are
averaged, so that all take the same step (PyTorch's `DistributedDataParallel`).  With the loss
divided as `detlearn.losses.count_positives` does and BatchNorm's statistics taken over all shares,
that step is the one that a single process would take with the whole batch.

Everything here means the obvious thing where there is only one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

__all__ = [
    "SyncedBatchNorm", "all_gather", "all_reduce_mean", "broadcast", "num_processes",
    "pick_device", "process_group", "process_rank", "replicate", "synchronise_batch_norm",
]  # fmt: skip


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
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise ValueError(
            f"device: {str(name)!r} cannot be used on this machine "
            f"({str(error).splitlines()[0]}); leave it out to get the best there is"
        ) from error
    return device


@contextmanager
def process_group(device: str | torch.device | None = None) -> Iterator[torch.device]:
    """Join the processes that ``torchrun`` started (`torch.distributed.init_process_group`).

    At the end of the block this process leaves the group.

    Args:
        device: see `pick_device`; ``"cuda"`` becomes this process's own GPU.

    Yields:
        the device of this process.

    Raises:
        ValueError: there are more processes on this machine than GPUs.

    >>> with process_group("cpu") as device:
    ...     device, num_processes(), process_rank()
    (device(type='cpu'), 1, 0)
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield pick_device(device)
        return
    if device in (None, "cuda") and torch.cuda.is_available():
        number = int(os.environ["LOCAL_RANK"])
        if number >= torch.cuda.device_count():
            raise ValueError(
                f"torchrun: expected at most as many processes as GPUs, "
                f"{torch.cuda.device_count()}, got a process number {number + 1}"
            )
        device = f"cuda:{number}"
    device = pick_device(device or "cpu")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"device: expected cpu or cuda for several processes, got {device.type}")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, timeout=timedelta(minutes=30))
    # No `finally`: after a failure the other processes are gone or stuck, and destroying the group
    # would wait for them.
    yield device
    distributed.destroy_process_group()


def num_processes() -> int:
    """How many processes share this run; 1 if it was not started by ``torchrun``."""
    connected = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if connected else 1


def process_rank() -> int:
    """Number of this process, from 0; process 0 writes the files and prints."""
    return distributed.get_rank() if num_processes() > 1 else 0


def all_reduce_mean(values: Sequence[float], device: torch.device) -> list[float]:
    """The mean of each value over the processes; every process gets it.

    >>> all_reduce_mean([1.0, 2.0], torch.device("cpu"))
    [1.0, 2.0]
    """
    if num_processes() == 1:
        return list(values)
    total = torch.tensor(values, dtype=torch.float32, device=device)
    distributed.all_reduce(total)
    return (total / num_processes()).tolist()


def all_gather(rows: list[Any]) -> list[Any]:
    """The rows of all processes, in the order of the data set; every process gets all of them.

    With two processes, process 0 has worked on rows 0, 2, 4, ... and process 1 on 1, 3, ...: one
    row of each is taken in turn.

    >>> all_gather([7, 8])
    [7, 8]
    """
    if num_processes() == 1:
        return rows
    shares: list[list[Any]] = [[] for _ in range(num_processes())]
    distributed.all_gather_object(shares, rows)
    longest = max(map(len, shares))
    return [share[i] for i in range(longest) for share in shares if i < len(share)]


def broadcast(value: Any) -> Any:
    """Process 0's value, in every process.

    >>> broadcast("newest checkpoint")
    'newest checkpoint'
    """
    if num_processes() == 1:
        return value
    message = [value]
    distributed.broadcast_object_list(message)
    return message[0]


class _Sum(torch.autograd.Function):
    """The sum over the processes; backwards, the sum of the gradients."""

    @staticmethod
    def forward(_: Any, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total


class SyncedBatchNorm(nn.BatchNorm2d):
    """BatchNorm over the shares of all processes, on any device.

    PyTorch's `nn.SyncBatchNorm` does the same, faster, but on GPUs only; `replicate` takes that
    one there.  Shares have the same size.
    """

    def forward(self, input: Tensor) -> Tensor:
        """``(B, C, H, W)``, normalised over all processes while training."""
        if not (self.training and num_processes() > 1):
            return super().forward(input)
        count, dtype = num_processes(), input.dtype
        # half precision cannot hold sums over a batch
        input = input.to(torch.promote_types(dtype, torch.float32))
        mean = _Sum.apply(input.mean(dim=(0, 2, 3))) / count  # (C,)
        centered = input - mean[:, None, None]  # (B, C, H, W)
        variance = _Sum.apply(centered.square().mean(dim=(0, 2, 3))) / count  # (C,)
        if self.running_mean is not None and self.running_var is not None:
            n = count * input.numel() / input.shape[1]
            momentum = 0.1 if self.momentum is None else self.momentum
            with torch.no_grad():
                self.running_mean.lerp_(mean, momentum)
                self.running_var.lerp_(variance * (n / max(n - 1, 1)), momentum)
                if self.num_batches_tracked is not None:
                    self.num_batches_tracked += 1
        scale = (variance + self.eps).rsqrt()  # (C,)
        if self.affine:
            scaled = centered * (scale * self.weight)[:, None, None]
            return (scaled + self.bias[:, None, None]).to(dtype)
        return (centered * scale[:, None, None]).to(dtype)


def synchronise_batch_norm(module: nn.Module) -> None:
    """Replace the BatchNorms inside a module; parameters, buffers and their names stay."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:
            synced = SyncedBatchNorm(child.num_features, child.eps, child.momentum, child.affine)
            synced.__dict__.update(child.__dict__)
            setattr(module, name, synced)
        else:
            synchronise_batch_norm(child)


def replicate(model: nn.Module, device: torch.device) -> nn.Module:
    """A model whose backward pass averages the gradients of all processes.

    Args:
        model: on its device, the same architecture in every process; process 0's weights win.
            Its BatchNorms are replaced by synchronised ones.
        device: of this process.

    Returns:
        for one process, the model itself.
    """
    if num_processes() == 1:
        return model
    if device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(model)
    else:
        synchronise_batch_norm(model)
    ids = [device] if device.type == "cuda" else None
    return DistributedDataParallel(model, device_ids=ids)
