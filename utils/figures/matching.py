"""Figures of which anchors learn what: matches on a scene, positive anchors by grid and by map."""

from collections.abc import Sequence
from types import SimpleNamespace

from utils.figures.colors import ANCHOR_COLOR, OBJECT_COLOR, POSITIVE_COLOR
from utils.figures.drawing import draw_boxes, panels, show_image
from utils.figures.overlaps import draw_overlaps

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def draw_matches(
    ax: Axes, scene: SimpleNamespace, matches: Sequence[float], texts: Sequence[str] | None = None
) -> Axes:
    """Draw objects in blue, anchors that learn one in solid green, the others in dashed orange.

    scene: a `picture` (H, W, 3), `boxes` (M, 4) of objects with `names`, and `anchors` (A, 4), all
    in fractions. matches: the object of each anchor, below 0 for none; texts: A tags, by default
    the numbers of the anchors.
    """
    show_image(scene.picture, ax)
    draw_boxes(ax, scene.boxes, scene.names, OBJECT_COLOR)
    for number, (anchor, match) in enumerate(zip(scene.anchors, matches, strict=True)):
        text = str(number) if texts is None else texts[number]
        draw_boxes(ax, anchor, [text], POSITIVE_COLOR if match >= 0 else ANCHOR_COLOR)
        ax.patches[-1].set_linestyle("-" if match >= 0 else "--")
    return ax


def draw_matchings(
    scene: SimpleNamespace, matchings: dict[str, Sequence[float]], width: float = 9
) -> Figure:
    """Return a figure of a scene with one panel for each list of matches, by title.

    scene, matchings: as for `draw_matches`; width: of the figure, in inches.
    """
    axes = panels([scene.picture] * len(matchings), [*matchings], width=width)
    for ax, matches in zip(axes, matchings.values(), strict=True):
        draw_matches(ax, scene, matches)
    return axes[0].figure


def draw_stages(scene: SimpleNamespace, stages: dict[str, tuple]) -> Figure:
    """Return a figure of a matching, step by step: the table, and the scene beside it.

    scene: as for `draw_matches`. stages: by title, the table of overlaps (A, M), the pairs
    (anchor, object) that were chosen in it, and the matches so far.
    """
    count = -(-len(stages) // 2)
    figure = Figure(figsize=(11, 3 * count), layout="constrained")
    axes = figure.subplots(count, 4, width_ratios=[1, 1.2] * 2, squeeze=False).reshape(-1, 2)
    names = [name.split()[0] for name in scene.names]
    for (table, ax), (title, (iou, chosen, matches)) in zip(axes, stages.items(), strict=False):
        draw_overlaps(table, iou, names, title, chosen)
        draw_matches(ax, scene, matches)
    return figure


def draw_positives(
    scene: SimpleNamespace, positives: Sequence[np.ndarray], counts: np.ndarray, sides: Sequence
) -> Figure:
    """Return a figure of each object's positive anchors, and of how many are on which grid.

    scene: as for `draw_matches`. positives: for each object, (K, 4) anchors; counts: (M, G) for
    each object and grid; sides: the cells on a side of each grid.
    """
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    *axes, last = figure.subplots(1, len(scene.names) + 1)
    greys = np.linspace(0.3, 0.8, len(scene.names))
    for obj, (ax, name) in enumerate(zip(axes, scene.names, strict=True)):
        show_image(scene.picture, ax, f"{name}: {len(positives[obj])}")
        draw_boxes(ax, positives[obj], colors=POSITIVE_COLOR)
        draw_boxes(ax, scene.boxes[obj], colors=OBJECT_COLOR)
        places = np.arange(len(sides)) + 0.3 * (obj - (len(axes) - 1) / 2)
        last.bar(places, counts[obj], 0.28, color=str(greys[obj]), label=name)
    last.set(title="By grid", xlabel="cells on a side", ylabel="positive anchors", box_aspect=1)
    last.set_xticks(range(len(sides)), sides)
    last.legend()
    return figure


def draw_anchor_dots(
    pictures: Sequence[np.ndarray], positives: Sequence[np.ndarray], sides: Sequence[int]
) -> Figure:
    """Return a figure with a dot for every anchor, a row for each picture and a panel for each map.

    pictures: list of (H, W, 3) uint8 RGB, drawn pale. positives: for each, (A,) whether an anchor
    learns an object, in the order of the anchors; sides: of the maps, with four anchors a cell,
    whose dots stand in a square around its centre. Positive anchors are green and larger.
    """
    ends = np.cumsum([4 * side**2 for side in sides])
    figure = Figure(figsize=(12, 2.7 * len(pictures)), layout="constrained")
    rows = figure.subplots(len(pictures), len(sides), squeeze=False)
    for axes, picture, positive in zip(rows, pictures, positives, strict=True):
        for ax, side, of_map in zip(axes, sides, np.split(positive, ends[:-1]), strict=True):
            show_image(picture // 2 + 127, ax, f"{side} × {side}: {of_map.sum()} of {len(of_map)}")
            row, column, shape = np.unravel_index(np.arange(len(of_map)), (side, side, 4))
            height, width = picture.shape[:2]
            x = width * (column + 0.25 + 0.5 * (shape % 2)) / side
            y = height * (row + 0.25 + 0.5 * (shape // 2)) / side
            ax.scatter(x[~of_map], y[~of_map], s=3, color="0.25")
            ax.scatter(x[of_map], y[of_map], s=40, color=POSITIVE_COLOR, edgecolor="white")
    return figure
