"""The table of overlaps of anchors and objects, as a heat map."""

from collections.abc import Sequence

from utils.figures.colors import POSITIVE_COLOR

import numpy as np
from matplotlib.axes import Axes


def draw_overlaps(
    ax: Axes, iou: np.ndarray, names: Sequence[str], title: str, chosen: Sequence[tuple] = ()
) -> Axes:
    """Show overlaps as numbers on blue; chosen pairs are framed, entries below 0 crossed out.

    iou: (A, M) of anchors and objects; names: M, of the objects; chosen: pairs (anchor, object).
    Returns the axes.
    """
    ax.imshow(iou, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for (anchor, obj), value in np.ndenumerate(iou):
        label = f"{value:.2f}" if value >= 0 else "×"
        text = ax.text(obj, anchor, label, ha="center", va="center")
        if (anchor, obj) in chosen:
            text.set_bbox({"fill": False, "edgecolor": POSITIVE_COLOR, "linewidth": 3})
    ax.set_xticks(range(len(names)), names)
    ax.set(yticks=range(len(iou)), ylabel="anchor", title=title)
    ax.grid(False)
    return ax
