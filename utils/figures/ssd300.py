"""Drawings of SSD300: weights as cells with numbers, and the maps from which it predicts."""

from collections.abc import Sequence

from utils.figures.architecture import draw_arrow
from utils.figures.colors import ANCHOR_COLOR, PALETTE

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle


def draw_cells(
    ax: Axes, values: np.ndarray, colors: Sequence, left: float = 0, top: float = 0
) -> None:
    """Draw an array as a table of numbers, y downwards.

    values: (H, W). colors: (H, W), a matplotlib colour for each cell. left, top: of the table.
    """
    for (row, column), value in np.ndenumerate(values):
        x, y = left + column, top + row
        ax.add_patch(Rectangle((x, y), 1, 1, fc=colors[row][column], ec="black"))
        ax.text(x + 0.5, y + 0.5, value, ha="center", va="center")


def draw_pyramid(shapes: dict[str, tuple], heads: Sequence[str], title: str) -> Figure:
    """Return a drawing of a picture and the maps made of it, with what is predicted from each.

    shapes: by name, (C, H, W), the picture first. heads: a text for each map, below it. A block is
    as high as the logarithm of its side says, and as wide as that of its channels.
    """
    ax = Figure(figsize=(11, 3.9), layout="constrained").subplots()
    for x, (name, shape) in enumerate(shapes.items()):
        high, wide = 0.3 + np.log2(shape[1]) / 4, 0.1 + np.log2(shape[0]) / 20
        ax.add_patch(Rectangle((x - wide / 2, -high / 2), wide, high, color=PALETTE[5], alpha=0.6))
        ax.text(x, 1.35, f"{name}\n" + " × ".join(map(str, shape)), ha="center", va="bottom")
        if x == 0:
            continue
        draw_arrow(ax, (x - 0.69, 0), (x - wide / 2, 0))
        draw_arrow(ax, (x, -high / 2), (x, -1.7))
        frame = {"fc": "#FFF3DC", "ec": ANCHOR_COLOR}
        ax.text(x, -1.75, heads[x - 1], ha="center", va="top", bbox=frame)
    ax.set(xlim=(-0.5, len(shapes) - 0.5), ylim=(-2.6, 2.2), title=title)
    ax.set_axis_off()
    return ax.figure
