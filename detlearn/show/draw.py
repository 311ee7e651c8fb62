"""The course's pictures, in one import: boxes, priors, charts, and the one diagram.

One house style for all of them: light background, large type, the Okabe-Ito palette, and never a
meaning told by colour alone (names, numbers, dashes and markers say it too). Every `draw_`
function returns a `Figure` with alternative text and leaves nothing behind.
"""

from detlearn.show.box_figures import draw_boxes, draw_scenes, save_detections
from detlearn.show.canvas import PALETTE, class_colour, image_array
from detlearn.show.chart_figures import draw_coverage, draw_size_chart
from detlearn.show.experiment_figures import draw_seeds
from detlearn.show.hrnet_figures import (
    draw_branch_costs,
    draw_fuse_matrix,
    draw_hrnet,
    draw_listeners,
)
from detlearn.show.m2det_figures import (
    draw_attention,
    draw_level_grid,
    draw_level_losses,
    draw_mlfpn,
    draw_small_maps,
    draw_tum,
)
from detlearn.show.matching_figures import draw_matches, draw_mining, draw_target_spread
from detlearn.show.metric_figures import (
    draw_overlaps,
    draw_precision_recall,
    draw_suppression,
)
from detlearn.show.network_figures import draw_head_rows, draw_parts, draw_pyramid, draw_taps
from detlearn.show.pose_figures import draw_decoding, draw_heatmaps, draw_poses
from detlearn.show.prior_figures import draw_levels, draw_priors
from detlearn.show.refinedet_figures import (
    draw_addition,
    draw_filter,
    draw_iou_shift,
    draw_refinedet,
    draw_steps,
    draw_transfer,
)
from detlearn.show.system_figure import draw_system
from detlearn.show.training_figures import draw_curves, draw_error_kinds

__all__ = [
    "PALETTE",
    "class_colour",
    "draw_addition",
    "draw_attention",
    "draw_boxes",
    "draw_branch_costs",
    "draw_coverage",
    "draw_curves",
    "draw_decoding",
    "draw_error_kinds",
    "draw_filter",
    "draw_fuse_matrix",
    "draw_head_rows",
    "draw_heatmaps",
    "draw_hrnet",
    "draw_iou_shift",
    "draw_level_grid",
    "draw_level_losses",
    "draw_levels",
    "draw_listeners",
    "draw_matches",
    "draw_mining",
    "draw_mlfpn",
    "draw_overlaps",
    "draw_parts",
    "draw_poses",
    "draw_precision_recall",
    "draw_priors",
    "draw_pyramid",
    "draw_refinedet",
    "draw_scenes",
    "draw_seeds",
    "draw_size_chart",
    "draw_small_maps",
    "draw_steps",
    "draw_suppression",
    "draw_system",
    "draw_taps",
    "draw_target_spread",
    "draw_transfer",
    "draw_tum",
    "image_array",
    "save_detections",
]
