"""The course's pictures, in one import: boxes, priors, charts, and the one diagram.

One house style for all of them: light background, large type, the Okabe-Ito palette, and never a
meaning told by colour alone (names, numbers, dashes and markers say it too). Every `draw_`
function returns a `Figure` with alternative text and leaves nothing behind.
"""

from detlearn.show.box_figures import draw_boxes, draw_scenes, save_detections
from detlearn.show.canvas import PALETTE, class_colour, image_array
from detlearn.show.chart_figures import draw_coverage, draw_size_chart
from detlearn.show.prior_figures import draw_levels, draw_priors
from detlearn.show.system_figure import draw_system

__all__ = [
    "PALETTE",
    "class_colour",
    "draw_boxes",
    "draw_coverage",
    "draw_levels",
    "draw_priors",
    "draw_scenes",
    "draw_size_chart",
    "draw_system",
    "image_array",
    "save_detections",
]
