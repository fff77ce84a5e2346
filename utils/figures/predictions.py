"""Figures of what the heads of a detector say: their channels, class ids, order and score maps."""

from collections.abc import Sequence

from utils.figures.colors import ANCHOR_COLOR, PALETTE, PREDICTION_COLOR
from utils.figures.drawing import show_image

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

FIELD_COLOR = PALETTE[0]


def draw_channels(channels: np.ndarray, columns: Sequence[str], framed: tuple, title: str) -> Axes:
    """Return axes with a head's channels: a row for each anchor, a column for each of its numbers.

    channels: (K, C) numbers of channels; columns: C names, the first is drawn grey; framed: the
    pair (anchor, column) of the channel that gets a frame.
    """
    ax = Figure(figsize=(9, 2.9), layout="constrained").subplots()
    for (anchor, column), channel in np.ndenumerate(channels):
        color = PALETTE[0] if column else "0.7"
        ax.add_patch(Rectangle((column, anchor), 0.94, 0.94, color=color, alpha=0.45))
        ax.text(column + 0.47, anchor + 0.5, channel, ha="center", va="center")
    frame = Rectangle(framed[::-1], 0.94, 0.94, fill=False, edgecolor=PREDICTION_COLOR, linewidth=3)
    ax.add_patch(frame)
    ax.set_xticks(np.arange(len(columns)) + 0.47, columns)
    ax.set_yticks(np.arange(len(channels)) + 0.5, [f"anchor {a}" for a in range(len(channels))])
    ax.set(xlim=(0, len(columns)), ylim=(len(channels), 0), title=title)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.grid(False)
    return ax


def draw_class_ids(ids: dict[str, Sequence], steps: Sequence[str], names: Sequence[str]) -> Figure:
    """Return a drawing of how each class is numbered from place to place.

    ids: by place, a number for each name or None where it has none; steps: what happens between
    two places; names: of the classes. The path of the last class is drawn in vermillion.
    """
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    ax = figure.subplots()
    for line, (place, numbers) in enumerate(ids.items()):
        ax.text(-0.6, -line, place, ha="right", va="center", weight="bold")
        for c, number in enumerate(numbers):
            if number is None:
                continue
            color = PREDICTION_COLOR if c == len(names) - 1 else "0.5"
            ring = {"facecolor": "white", "edgecolor": color, "boxstyle": "circle"}
            ax.text(c, -line, number, ha="center", va="center", bbox=ring)
            if line and None not in [of_place[c] for of_place in ids.values()]:
                arrow = {"arrowstyle": "-|>", "color": color, "linewidth": 1.5}
                ax.annotate("", (c, 0.25 - line), (c, 0.75 - line), arrowprops=arrow)
    for line, step in enumerate(steps):
        ax.text(-0.6, -line - 0.5, step, ha="right", va="center", color="0.35")
    for c, name in enumerate(names):
        ax.text(c, 0.55, name, ha="center")
    ax.set(xlim=(-2.3, len(names) - 0.5), ylim=(0.6 - len(ids), 0.9))
    ax.set_title("Class ids: one more inside than outside")
    ax.set_axis_off()
    return figure


def draw_strips(strips: dict[str, Sequence[tuple]], width: int) -> Figure:
    """Return a drawing of flattened scores, a strip for each order, a line below each pair.

    strips: by name, the row, column and anchor that each score comes from; width: columns of the
    map, whose cells have a colour each.
    """
    figure = Figure(figsize=(11, 2.6), layout="constrained")
    ax = figure.subplots()
    for line, (name, strip) in enumerate(strips.items()):
        ends = np.arange(0, len(strip), 2)
        ax.text(-0.3, 0.4 - 1.6 * line, name, ha="right", va="center")
        ax.hlines([-0.12 - 1.6 * line] * len(ends), ends, ends + 1.8, color="0.2")
        for place, (row, column, anchor) in enumerate(strip):
            color = PALETTE[width * row + column]
            ax.add_patch(Rectangle((place, -1.6 * line), 0.95, 0.8, color=color, alpha=0.5))
            ax.text(place + 0.23, 0.18 - 1.6 * line, f"{row},{column}\na{anchor}", fontsize=8)
    ax.set(xlim=(-4, len(strip)), ylim=(-2, 1))
    ax.set_title("Row, column and anchor of each number after flattening")
    ax.set_axis_off()
    return figure


def draw_score_maps(
    pictures: Sequence[np.ndarray], maps: Sequence[np.ndarray], titles: Sequence[str]
) -> Figure:
    """Return a figure with a row for each picture: itself, and its map of scores beside it.

    pictures: list of (H, W, 3) uint8 RGB of one shape; maps: list of (H, W) scores.
    """
    aspect = pictures[0].shape[1] / pictures[0].shape[0]
    figure = Figure(figsize=(5.6 * aspect + 1.2, 3 * len(pictures)), layout="constrained")
    axes = figure.subplots(len(pictures), 2, squeeze=False)
    for (left, right), picture, scores, title in zip(axes, pictures, maps, titles, strict=True):
        show_image(picture, left, title)
        drawn = right.imshow(scores, vmin=-0.5, vmax=2.5)
        right.set_axis_off()
    figure.colorbar(drawn, ax=axes[:, 1], label="score of class 1")
    return figure


def draw_activations(activations: Sequence[np.ndarray], count: int = 3) -> Figure:
    """Return a figure of the channels of each map that vary most, each from 0 to its own maximum.

    activations: list of (C, H, W), not negative; count: channels for each map, one below the other.
    """
    figure = Figure(figsize=(11, 1.8 * count), layout="constrained")
    for axes, map_ in zip(
        figure.subplots(count, len(activations), squeeze=False).T, activations, strict=True
    ):
        liveliest = np.argsort(-map_.std(axis=(1, 2)))
        for row, (ax, channel) in enumerate(zip(axes, liveliest, strict=False)):
            ax.imshow(map_[channel], cmap="magma", vmin=0, extent=(0, 512, 384, 0))
            ax.set_axis_off()
            size = f"{map_.shape[1]} × {map_.shape[2]}\n" if row == 0 else ""
            ax.set_title(f"{size}channel {channel}", fontsize=10)  # above: it hides nothing
    return figure


def draw_answers(pictures: Sequence[np.ndarray], answers: Sequence[Sequence[np.ndarray]]) -> Figure:
    """Return a figure of which cells of which scale answer, a row for each picture.

    pictures: list of (H, W, 3) uint8 RGB. answers: for each, the scores (S, S, K) of the anchors
    of each scale's cells, 0 to 1. The best score of a cell tints it; where it is 0, the picture
    shows, which is grey and pale there.
    """
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    rows = figure.subplots(len(pictures), len(answers[0]) + 1, squeeze=False)
    for axes, picture, maps in zip(rows, pictures, answers, strict=True):
        show_image(picture, axes[0], "picture")
        grey = picture.mean(axis=2, keepdims=True).repeat(3, axis=2) / 2 + 120
        for scale, (ax, scores) in enumerate(zip(axes[1:], maps, strict=True)):
            best = scores.max(axis=2)
            show_image(grey.astype(np.uint8), ax, f"scale {scale}: {best.max():.2f}")
            extent = ax.images[0].get_extent()
            shown = ax.imshow(best, "Oranges", vmin=0, vmax=1, alpha=best**0.5, extent=extent)
    figure.colorbar(shown, ax=figure.axes, label="best score of a cell")
    return figure


def draw_gradients(gradients: Sequence[np.ndarray], spans: Sequence[tuple[int, int]]) -> Figure:
    """Return a figure of how strongly pixels act on a cell, its field framed, a panel for each.

    gradients: list of (S, S), 0 or more, drawn by their roots; spans: begin and end of each field,
    in pixels, across and down alike.
    """
    figure = Figure(figsize=(3.5 * len(gradients), 3.6), layout="constrained")
    axes = figure.subplots(1, len(gradients), squeeze=False)[0]
    for ax, gradient, span in zip(axes, gradients, spans, strict=True):
        side, (begin, end) = len(gradient), span
        ax.imshow(np.sqrt(gradient), cmap="magma", vmin=0, extent=(0, side, side, 0))
        frame = Rectangle((begin, begin), end - begin, end - begin, fill=False, linewidth=2)
        frame.set_edgecolor(PALETTE[5])  # bright on black
        ax.add_patch(frame)
        ax.set(title=f"field of {end - begin} pixels", xlabel="pixels", ylabel="pixels")
        ax.grid(False)
    return figure


def draw_fields(
    fields_px: Sequence[np.ndarray], anchors_px: Sequence[np.ndarray], side: int, axes: np.ndarray
) -> None:
    """Draw the receptive field of one cell of each scale and its anchors, each scale on its axes.

    fields_px: for each scale, (4,) `(xmin, ymin, xmax, ymax)` in pixels of a square picture;
    anchors_px: for each, (K, 4); side: of the picture, which is grey. Axes show what is drawn as
    large as they can; their titles give the sides in pixels.
    """
    for scale, (ax, field, boxes) in enumerate(zip(axes, fields_px, anchors_px, strict=True)):
        show_image(np.full((side, side, 3), 225, dtype=np.uint8), ax)
        within = Rectangle(field[:2], *(field[2:] - field[:2]), color=FIELD_COLOR, alpha=0.2)
        ax.add_patch(within)
        for box, color in (*((box, ANCHOR_COLOR) for box in boxes), (field, FIELD_COLOR)):
            style = {"fill": False, "edgecolor": color, "linewidth": 2}
            ax.add_patch(Rectangle(box[:2], *(box[2:] - box[:2]), **style))
        drawn = np.vstack([field, boxes])
        low, high = drawn[:, :2].min(), drawn[:, 2:].max()
        reach = 0.55 * (high - low)
        middle = (low + high) / 2
        ax.set(xlim=(middle - reach, middle + reach), ylim=(middle + reach, middle - reach))
        longest = (boxes[:, 2:] - boxes[:, :2]).max()
        title = f"scale {scale} at {side} px\nfield {field[2] - field[0]:.0f}, anchor {longest:.0f}"
        ax.set_title(title)
