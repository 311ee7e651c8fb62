"""``python -m detlearn report RUN``: a training run on one HTML page.

In reading order: `run` (what a folder holds), `measure` (what its detector does), `errors`,
`pictures`, `scores` and `history` (the sections' numbers), `charts`, `page` (what stands where),
and ``templates/`` (how it is said).
"""

from .check import add_commands as add_check
from .cli import add_commands, write_report
from .measure import Findings, Picture, PoseFindings, measure_pose, worst_pictures
from .run import Run, read_run

__all__ = [
    "Findings",
    "Picture",
    "PoseFindings",
    "Run",
    "add_check",
    "add_commands",
    "measure_pose",
    "read_run",
    "worst_pictures",
    "write_report",
]
