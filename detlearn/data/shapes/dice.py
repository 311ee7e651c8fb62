"""All the choices of a scene, from one stream of uniform numbers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """All the choices of one scene, drawn from uniform numbers in [0, 1) and nothing else."""

    def __init__(self, seed: int, image_id: int) -> None:
        # Of Python's generator, seeding by a text and `random` never change between versions.
        self.random = random.Random(f"{seed}/{image_id}").random

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.random()

    def log_uniform(self, low: float, high: float) -> float:
        return low * float((high / low) ** self.random())

    def integer(self, low: int, high: int) -> int:
        """An integer, low <= n < high."""
        return low + int(self.random() * (high - low))

    def chance(self, probability: float) -> bool:
        return self.random() < probability

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options))]
