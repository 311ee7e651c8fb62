"""The recipes that experiments begin with; each row finds its own learning rate."""

from __future__ import annotations

import dataclasses
from typing import Any

from detlearn.training import RECIPES

__all__ = ["POSE", "STEPS", "TINY"]

TINY = dataclasses.replace(RECIPES["ssd_tiny"], amp="bf16")
"""In bfloat16, for all rows alike: two thirds of the time on a CPU that has the instructions, and
the same numbers, more slowly, on one that has not.  The ``precision`` tables compare it with
float32.  Scores are measured in float32."""

POSE = dataclasses.replace(RECIPES["pose_hrnet_tiny"], amp="bf16")

STEPS: dict[str, Any] = {
    "recipe": TINY, "scenes": 12_000, "epochs": 2, "tune_scenes": 6_000, "tune_epochs": 1,
}  # fmt: skip
"""24,000 images seen: 3,000 steps of 8, in which a network is tuned by runs of 750.  One budget for
all tables of detectors, so that a row that stands in several is trained once."""
