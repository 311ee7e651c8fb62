"""What HRNet's exchanges are worth, the smaller networks also widened to equal size."""

from __future__ import annotations

from typing import Any

from .plan import Experiment, Variant
from .recipes import POSE, TINY

__all__ = ["EXPERIMENTS"]

ACROSS: dict[str, Any] = {"fuse_within": False}
FINAL: dict[str, Any] = {"fuse_within": False, "fuse_across": False}

EXCHANGE = Experiment(
    name="hrnet_exchange",
    question="Is it worth exchanging again and again?",
    paper=(
        "COCO val2017, W32 without ImageNet, AP: 70.8 with the final exchange only, 71.9 with "
        "those across stages too, 73.4 with those within stages too (Sun et al. 2019, Table 6)"
    ),
    variants=(
        Variant("all exchanges", "pose_hrnet_tiny"),
        Variant("across stages", "pose_hrnet_tiny", ACROSS, like="all exchanges"),
        Variant("the final one only", "pose_hrnet_tiny", FINAL, like="all exchanges"),
        Variant("across stages, as many parameters", "pose_hrnet_tiny",
                ACROSS | {"widths": (18, 27, 36, 54)}, like="all exchanges",
                control="all exchanges"),
        Variant("the final one only, as many parameters", "pose_hrnet_tiny",
                FINAL | {"widths": (19, 28, 38, 57)}, like="all exchanges",
                control="all exchanges"),
    ),
    reference="all exchanges",
    recipe=POSE,
    scenes=6_000,
    epochs=4,
    tune_scenes=3_000,
    tune_epochs=2,
    score="AP",
)  # fmt: skip

BIASES = Experiment(
    name="hrnet_biases",
    question="Do fewer modules die at a high rate if each fuse sum has one bias to learn?",
    paper="None: a suspicion of ours, see README.md.",
    variants=(
        Variant("every giver's bias", "ssd_hrnet_tiny", rate=1e-2),
        Variant("one bias a sum", "ssd_hrnet_tiny", change="one bias a sum", rate=1e-2),
    ),
    reference="every giver's bias",
    recipe=TINY,
    scenes=3_000,
    epochs=2,
    delta=0.02,
    delta_reason="short runs: two passes over 3,000 scenes, where seeds differ by 0.01",
)

EXPERIMENTS = (EXCHANGE, BIASES)
