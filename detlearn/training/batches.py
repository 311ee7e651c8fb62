"""The batches of an epoch: which images they hold, and what their augmentation draws.

Everything random about an epoch follows from ``(seed, epoch, index)`` and not from what ran
before.  So a killed run continues to the bit-identical result, with any number of workers.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from ..data import collate
from . import distributed
from .config import TrainConfig
from .signals import start_worker

__all__ = ["batch_indices", "load_batches", "mix", "to_device"]


def batch_indices(dataset: Any, config: TrainConfig, epoch: int) -> list[list[int]]:
    """Which images make up each batch of an epoch; follows from the seed and the epoch alone.

    A last batch that would be smaller than the others is left out (BatchNorm dislikes it),
    unless it is the only one.

    Args:
        dataset: has a length.
        config: batch size and seed.
        epoch: 0 for the first.

    Raises:
        ValueError: there are no images, or the processes cannot share a batch equally.

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


def load_batches(
    dataset: Dataset, config: TrainConfig, epoch: int, start: int, num_workers: int,
    device: torch.device,
) -> Iterator[tuple[Tensor, list[dict[str, Any]]]]:  # fmt: skip
    """Batches of an epoch from number ``start`` on; of several processes, each has its share.

    Args:
        dataset: items ``(uint8 (3, S, S), target)``.
        config: batch size and seed.
        epoch: 0 for the first.
        start: the first batch; those before it are not loaded.
        num_workers: processes that load data.
        device: where the tensors shall be.

    Yields:
        images ``(B, 3, S, S)`` and their B targets.
    """
    share = slice(distributed.process_rank(), None, distributed.num_processes())
    loader = DataLoader(
        SeededDataset(dataset, config.seed, epoch),
        batch_sampler=[batch[share] for batch in batch_indices(dataset, config, epoch)[start:]],
        num_workers=num_workers,
        collate_fn=collate_or_tell,
        pin_memory=device.type == "cuda",
        worker_init_fn=start_worker,
        generator=torch.Generator(),  # or it would draw from the global generator
    )
    batches = iter(loader)
    try:
        for batch in batches:
            if isinstance(batch, Failure):
                raise batch.error
            images, targets = batch
            yield to_device(images, targets, device)
    finally:
        del batches  # its workers end here, not when an error's traceback is forgotten


def to_device(
    images: Tensor, targets: list[dict[str, Any]], device: torch.device
) -> tuple[Tensor, list[dict[str, Any]]]:
    """A batch on a device; what is no tensor (a file's name, say) stays as it is."""
    moved = [
        {k: v.to(device, non_blocking=True) if isinstance(v, Tensor) else v
         for k, v in target.items()}
        for target in targets
    ]  # fmt: skip
    return images.to(device, non_blocking=True), moved


class SeededDataset(Dataset):
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
                try:
                    items.append(self.dataset[index])
                except (ValueError, OSError) as error:  # a sentence about somebody's data
                    if get_worker_info() is None:
                        raise
                    return [Failure(error)]
        return items


class Failure:
    """What a worker could not read: a value, because the loader would wrap an exception into a
    traceback of the worker's.

    Args:
        error: a `ValueError` or `OSError`.
    """

    def __init__(self, error: ValueError | OSError) -> None:
        kind = FileNotFoundError if isinstance(error, FileNotFoundError) else ValueError
        # Others' exceptions may not survive the way to another process.
        self.error = kind(str(error))


def collate_or_tell(items: list[Any]) -> Any:
    """A batch, or the `Failure` to make one."""
    failed = [item for item in items if isinstance(item, Failure)]
    return failed[0] if failed else collate(items)


@contextmanager
def generators_restored() -> Iterator[None]:
    """Put the global generators of torch, numpy and Python back to where they were."""
    states = np.random.get_state(), random.getstate()  # noqa: NPY002
    with torch.random.fork_rng(devices=[]):
        yield
    np.random.set_state(states[0])  # noqa: NPY002
    random.setstate(states[1])


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
