"""What HRNet's exchanges and its fine branch are worth."""

from __future__ import annotations

from typing import Any

from .plan import Experiment, Variant
from .recipes import POSE, TINY

__all__ = ["EXPERIMENTS"]

ACROSS: dict[str, Any] = {"fuse_within": False}
FINAL: dict[str, Any] = {"fuse_within": False, "fuse_across": False}

PEOPLE: dict[str, Any] = {
    "recipe": POSE, "scenes": 6_000, "epochs": 4, "tune_scenes": 3_000, "tune_epochs": 2,
    "score": "AP",
}  # fmt: skip

EXCHANGE = Experiment(
    name="hrnet_exchange",
    question="Is it worth exchanging again and again?",
    paper=(
        "COCO val2017, W32 without ImageNet, AP: 70.8 with the final exchange only, 71.9 with "
        "those across stages too, 73.4 with those within stages too (Sun et al. 2019, Table 6)"
    ),
    variants=(
        Variant("pose_hrnet_tiny", "pose_hrnet_tiny"),
        Variant("across stages", "pose_hrnet_tiny", ACROSS, like="pose_hrnet_tiny"),
        Variant("the final one only", "pose_hrnet_tiny", FINAL, like="pose_hrnet_tiny"),
        Variant("across stages, as many parameters", "pose_hrnet_tiny",
                ACROSS | {"widths": (18, 27, 36, 54)}, like="pose_hrnet_tiny",
                control="pose_hrnet_tiny"),
        Variant("the final one only, as many parameters", "pose_hrnet_tiny",
                FINAL | {"widths": (19, 28, 38, 57)}, like="pose_hrnet_tiny",
                control="pose_hrnet_tiny"),
    ),
    reference="pose_hrnet_tiny",
    **PEOPLE,
)  # fmt: skip

RESOLUTION = Experiment(
    name="hrnet_resolution",
    question="What is lost if the joints are read from a coarser branch?",
    paper=(
        "COCO val2017, W32, AP: 74.4 from the map of stride 4, 68.9 from stride 8, 55.0 from "
        "stride 16, below 10 from stride 32 (Sun et al. 2019, Fig. 5)"
    ),
    # One network for each branch, where the paper reads one network at all of them.
    variants=(
        Variant("pose_hrnet_tiny", "pose_hrnet_tiny"),
        *(
            Variant(f"stride {stride}", "pose_hrnet_tiny",
                    change=f"heat maps from branch {branch}", like="pose_hrnet_tiny")
            for branch, stride in ((2, 8), (3, 16), (4, 32))
        ),
    ),
    reference="pose_hrnet_tiny",
    **PEOPLE,
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

EXPERIMENTS = (EXCHANGE, RESOLUTION, BIASES)
