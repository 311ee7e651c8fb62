"""``python -m detlearn report RUN``: a training run on one HTML page.

In reading order: `run` (what a folder holds), `measure` (what its detector does), `errors`,
`pictures`, `scores` and `history` (the sections' numbers), `charts`, `page` (what stands where),
and ``templates/`` (how it is said).  `face_off` measures a detector for chapter 12's table, and
`verdicts` words it.
"""

from .check import add_commands as add_check
from .cli import add_commands, write_report
from .face_off import (
    FaceOff,
    Standing,
    broken_rules,
    measure_standing,
    read_experiment,
    read_face_off,
)
from .measure import Findings, Picture, PoseFindings, measure_pose, worst_pictures
from .run import Run, read_run

__all__ = [
    "FaceOff", "Findings", "Picture", "PoseFindings", "Run", "Standing", "add_check",
    "add_commands", "broken_rules", "measure_pose", "measure_standing", "read_experiment",
    "read_face_off", "read_run", "worst_pictures", "write_report",
]  # fmt: skip
