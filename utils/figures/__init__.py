"""All that only draws: boxes on images, images side by side, curves and scores.

Nothing here goes through pyplot's state: a function draws on the axes that it is given, or on a
figure of its own, and returns it. `show` displays a figure with its alt text.
"""

from utils.figures.architecture import draw_architecture, draw_trunk
from utils.figures.colors import (
    ANCHOR_COLOR,
    OBJECT_COLOR,
    PALETTE,
    POSITIVE_COLOR,
    PREDICTION_COLOR,
    class_colors,
)
from utils.figures.curves import plot_history, plot_precision_recall
from utils.figures.drawing import (
    detection_panels,
    draw_boxes,
    image_grid,
    panels,
    show,
    show_detections,
    show_image,
    show_labels,
    to_png,
    use_style,
)
from utils.figures.matching import (
    draw_anchor_dots,
    draw_matches,
    draw_matchings,
    draw_positives,
    draw_stages,
)
from utils.figures.overlaps import draw_overlaps
from utils.figures.predictions import (
    draw_activations,
    draw_answers,
    draw_channels,
    draw_class_ids,
    draw_fields,
    draw_gradients,
    draw_score_maps,
    draw_strips,
)
from utils.figures.scores import (
    plot_bootstrap,
    plot_checks,
    plot_choices,
    plot_confusion,
    plot_gains,
    plot_growing_curve,
    plot_modes,
    plot_scales,
    plot_scores,
)
from utils.figures.ssd300 import draw_cells, draw_pyramid
from utils.figures.workers import (
    draw_parallel_step,
    draw_ring,
    draw_roles,
    plot_doublings,
)

from matplotlib.figure import Figure

__all__ = [
    "ANCHOR_COLOR",
    "OBJECT_COLOR",
    "PALETTE",
    "POSITIVE_COLOR",
    "PREDICTION_COLOR",
    "Figure",
    "class_colors",
    "detection_panels",
    "draw_activations",
    "draw_anchor_dots",
    "draw_answers",
    "draw_architecture",
    "draw_boxes",
    "draw_cells",
    "draw_channels",
    "draw_class_ids",
    "draw_fields",
    "draw_gradients",
    "draw_matches",
    "draw_matchings",
    "draw_overlaps",
    "draw_parallel_step",
    "draw_positives",
    "draw_pyramid",
    "draw_ring",
    "draw_roles",
    "draw_score_maps",
    "draw_stages",
    "draw_strips",
    "draw_trunk",
    "image_grid",
    "panels",
    "plot_bootstrap",
    "plot_checks",
    "plot_choices",
    "plot_confusion",
    "plot_doublings",
    "plot_gains",
    "plot_growing_curve",
    "plot_history",
    "plot_modes",
    "plot_precision_recall",
    "plot_scales",
    "plot_scores",
    "show",
    "show_detections",
    "show_image",
    "show_labels",
    "to_png",
    "use_style",
]
