"""The recipes that experiments begin with; each row finds its own learning rate."""

from __future__ import annotations

import dataclasses

from detlearn.training import RECIPES

__all__ = ["FAST", "FAST_POSE", "POSE", "TINY"]

TINY = dataclasses.replace(RECIPES["ssd_tiny"], amp="off")
"""Of the shipped weights: float32, which is what a reader's CPU does."""

POSE = dataclasses.replace(RECIPES["pose_hrnet_tiny"], amp="off")

FAST = TINY
"""Of all other tables.  bfloat16 takes its place once the ``precision`` tables allow it."""

FAST_POSE = POSE
