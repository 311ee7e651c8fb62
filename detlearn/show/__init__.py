"""Everything that shows: figures with alternative text, shape tables, explorers.

Nothing here is taught, so nothing here is in a notebook: code there teaches, it does not draw.
matplotlib is imported when something is drawn, not before.
"""

from detlearn.show.draw import (
    draw_boxes,
    draw_coverage,
    draw_levels,
    draw_priors,
    draw_scenes,
    draw_size_chart,
    draw_system,
    save_detections,
)
from detlearn.show.explorers import PriorBoxExplorer
from detlearn.show.figure import Figure, figure
from detlearn.show.shape_table import ShapeTable, shape_table

__all__ = [
    "Figure",
    "PriorBoxExplorer",
    "ShapeTable",
    "draw_boxes",
    "draw_coverage",
    "draw_levels",
    "draw_priors",
    "draw_scenes",
    "draw_size_chart",
    "draw_system",
    "figure",
    "save_detections",
    "shape_table",
]
