"""The recipes that experiments begin with; each row finds its own learning rate."""

from __future__ import annotations

import dataclasses

from detlearn.training import RECIPES

__all__ = ["POSE", "TINY"]

TINY = dataclasses.replace(RECIPES["ssd_tiny"], amp="bf16")
"""In bfloat16, for all rows alike: two thirds of the time on a CPU that has the instructions, and
the same numbers, more slowly, on one that has not.  The ``precision`` tables compare it with
float32.  Scores are measured in float32."""

POSE = dataclasses.replace(RECIPES["pose_hrnet_tiny"], amp="bf16")
