"""A drawing of the whole detector: its parts, what they hand on, and which lesson explains each."""

from collections.abc import Sequence

from utils.figures.colors import ANCHOR_COLOR, OBJECT_COLOR, POSITIVE_COLOR, PREDICTION_COLOR

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

MAP_SIDES = (16, 8, 4, 2, 1)  # of ToySSD's feature maps on a picture of 128 x 128 pixels
MIDDLE = 2.6  # height of the line on which the maps stand


def draw_architecture(picture: np.ndarray) -> Figure:
    """Return a drawing of ToySSD: body, maps, heads, and what follows in training and in use.

    picture: (H, W, 3) uint8 RGB, shown as the input.
    """
    figure = Figure(figsize=(13, 4), layout="constrained")
    ax = figure.subplots()
    ax.imshow(picture, extent=(0, 1.8, MIDDLE - 0.9, MIDDLE + 0.9), aspect="equal")
    ax.text(0.9, MIDDLE - 1.05, "picture\n128 × 128", ha="center", va="top")
    draw_block(ax, 2.4, MIDDLE - 0.7, 1.3, 1.4, "body\n(04)", "0.85")
    draw_arrow(ax, (1.85, MIDDLE), (2.35, MIDDLE))
    left = 4.2
    for number, side in enumerate(MAP_SIDES):
        size = 1.3 * 0.75**number
        _grid(ax, left, MIDDLE, size, side)
        middle = left + size / 2
        draw_arrow(ax, (left - 0.45, MIDDLE), (left - 0.05, MIDDLE))
        draw_arrow(ax, (middle, MIDDLE + size / 2), (middle, 4.02))
        ax.text(middle, MIDDLE - size / 2 - 0.1, f"{side} × {side}", ha="center", va="top")
        left += size + 0.5
    width = left - 4.4
    draw_block(
        ax,
        4.1,
        4.05,
        width,
        0.55,
        "two heads on each map: class scores, offsets (03)",
        PREDICTION_COLOR,
    )
    draw_block(
        ax,
        4.1,
        0.75,
        width,
        0.55,
        "anchors in each cell of each map (02), 1364 in all",
        ANCHOR_COLOR,
    )
    right = left + 0.2
    draw_block(ax, right, 4.05, 3.1, 0.55, "training: losses (06)", "0.85")
    draw_block(ax, right, 2.25, 2.3, 0.7, "use: decode,\nsuppress (09)", POSITIVE_COLOR)
    draw_block(ax, right, 0.75, 3.1, 0.55, "training: match labels (05)", OBJECT_COLOR)
    draw_arrow(ax, (4.1 + width, 4.32), (right - 0.03, 4.32))
    draw_arrow(ax, (4.1 + width, 4.15), (right - 0.03, 2.8))
    draw_arrow(ax, (4.1 + width, 1.2), (right - 0.03, 2.4))
    draw_arrow(ax, (4.1 + width, 1.02), (right - 0.03, 1.02))
    draw_arrow(ax, (right + 2.7, 1.33), (right + 2.7, 4.02), "targets\n(05)")
    ax.set(xlim=(-0.1, right + 3.4), ylim=(0.5, 4.8), aspect="equal")
    ax.set_axis_off()
    return figure


def draw_trunk(names: Sequence[str], shapes: Sequence[tuple], heads: Sequence[str]) -> Figure:
    """Return a drawing of a network's maps in a row, with a box for each head below every map.

    names, shapes: of the picture and of each map, shapes as (C, H, W). heads: what each head says
    of a map. A block is as high as its map, and as wide as the root of its channels says.
    """
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    ax, floor = figure.subplots(), -1.75
    for x, name, (channels, side, _) in zip(range(0, 99, 2), names, shapes):
        high, wide = 2.6 * side / shapes[0][1], 0.08 * channels**0.5
        ax.bar(x, high, wide, -high / 2, color="0.85", edgecolor="0.4")
        ax.text(x, 1.4, f"{name}\n{channels} × {side} × {side}", ha="center", va="bottom")
        if x == 0:
            continue
        draw_arrow(ax, (x - 1.45, 0), (x - wide / 2 - 0.05, 0))
        draw_arrow(ax, (x, -high / 2), (x, floor + 0.1))
        for line, text in enumerate(heads):
            draw_block(ax, x - 0.8, floor - 0.5 * (line + 1), 1.6, 0.44, text, PREDICTION_COLOR)
    ax.set(xlim=(-1, 2 * len(names) - 1), ylim=(floor - 0.5 * len(heads) - 0.1, 2.1))
    ax.set_axis_off()
    return figure


def draw_block(
    ax: Axes, left: float, bottom: float, width: float, height: float, text: str, color: str
) -> None:
    """Draw a coloured box with a text in its middle."""
    ax.bar(left, height, width, bottom, align="edge", color=(color, 0.35), edgecolor=color, lw=1.5)
    ax.text(left + width / 2, bottom + height / 2, text, ha="center", va="center")


def _grid(ax, left, middle, size, side):
    ticks = np.linspace(0, size, side + 1)
    ax.hlines(middle - size / 2 + ticks, left, left + size, color="0.4", lw=0.8)
    ax.vlines(left + ticks, middle - size / 2, middle + size / 2, color="0.4", lw=0.8)


def draw_arrow(ax: Axes, start: tuple, end: tuple, text: str = "") -> None:
    """Draw an arrow from one point (x, y) to another, with a text beside its middle."""
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "0.3", "lw": 1.5})
    ax.text(start[0] + 0.08, (start[1] + end[1]) / 2, text, color="0.3", va="center")
