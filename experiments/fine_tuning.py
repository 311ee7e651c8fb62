"""What does it save to begin with a trained detector?  Shapes by day, then by night.

A reader has two hundred pictures of something else, seen by another camera, with classes of other
names, and the course's detector of Shapes.  `scenes` draws such pictures, as many as one likes, so
that choices, scores and training do not meet; the photograph of coins in chapter 14 is too small
for that.
"""

from __future__ import annotations

import dataclasses

from .plan import Experiment, Variant
from .recipes import TINY

__all__ = ["EXPERIMENTS"]

NIGHT = {"num_classes": 4}

FINE_TUNING = Experiment(
    name="fine_tuning",
    question="What does it save to begin with a detector of other pictures?",
    paper="None: the commonest wish in public threads.",
    variants=(
        Variant("random weights", "ssd_tiny", NIGHT),
        Variant("a detector of Shapes", "ssd_tiny", NIGHT, init="ssd_tiny"),
    ),
    reference="random weights",
    recipe=dataclasses.replace(TINY, warmup_steps=50),
    scenes=200,
    epochs=32,
    tune_scenes=200,
    tune_epochs=8,
    domain="night",
    looks=8,
)

EXPERIMENTS = (FINE_TUNING,)
