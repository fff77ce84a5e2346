"""Drawings of several workers that train one network: who holds what, what travels, how fast."""

from collections.abc import Sequence

from utils.figures.architecture import draw_arrow, draw_block
from utils.figures.colors import PALETTE

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure


def draw_parallel_step(parts: Sequence[np.ndarray]) -> Figure:
    """Return a drawing of one step: a batch in parts, a copy of the network each, one sum.

    parts: for each worker, its (N, H, W, 3) uint8 RGB pictures.
    """
    figure = Figure(figsize=(11, 1.35 * len(parts)), layout="constrained")
    ax, middle = figure.subplots(), len(parts) - 1
    for number, (pictures, color) in enumerate(zip(parts, PALETTE)):
        y = 2 * (middle - number)
        for column, picture in enumerate(pictures):
            ax.imshow(picture, extent=(column, column + 0.95, y - 0.45, y + 0.5))
        right = len(pictures)
        draw_arrow(ax, (right + 0.05, y), (right + 0.7, y))
        draw_block(ax, right + 0.75, y - 0.5, 2.6, 1, f"worker {number}\nthe same weights", color)
        draw_arrow(ax, (right + 3.4, y), (right + 4, y))
        draw_block(ax, right + 4.05, y - 0.5, 1.8, 1, "its gradient", color)
        draw_arrow(ax, (right + 5.9, y), (right + 6.9, middle + 0.3 * (middle - number)))
        draw_block(ax, right + 9.4, y - 0.5, 2.6, 1, f"worker {number}\nthe same step", color)
        draw_arrow(ax, (right + 8.5, middle + 0.3 * (middle - number)), (right + 9.35, y))
    draw_block(ax, right + 6.95, middle - 0.5, 1.5, 1, "sum", "0.7")
    ax.set(xlim=(-0.1, right + 12.1), ylim=(-0.7, 2 * len(parts) - 1.2), aspect="equal")
    ax.set_axis_off()
    return figure


def draw_roles(num_workers: int, num_servers: int) -> Figure:
    """Return a drawing of a parameter server: scheduler, servers, workers and what they say."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    ax, width = figure.subplots(), 3 * num_workers
    places = (np.arange(num_servers) + 0.5) * width / num_servers
    for number, x in enumerate(places):
        draw_block(ax, x - 1.3, 3.2, 2.6, 0.8, f"server {number}\nadds up", PALETTE[2])
    for number in range(num_workers):
        x = 3 * number + 1.5
        draw_block(ax, x - 1.3, 0, 2.6, 0.8, f"worker {number}\ncomputes", PALETTE[0])
        for place in places:
            slope = (place - x) / 2.4
            draw_arrow(ax, (x - 0.15, 0.85), (x + 2.3 * slope - 0.15, 3.15))
            draw_arrow(ax, (x + 2.3 * slope + 0.15, 3.15), (x + 0.15, 0.85))
    ax.text(-0.3, 2, "gradients up,\nsums down", ha="right", va="center")
    draw_block(ax, width + 0.7, 1.6, 2.8, 0.8, "scheduler\nlets them meet", "0.7")
    ax.set(xlim=(-3, width + 3.7), ylim=(-0.2, 4.2))
    ax.set_axis_off()
    return figure


def draw_ring(num_workers: int) -> Figure:
    """Return a drawing of a ring: who sends which piece of the gradient to whom, first and next.

    The gradient is cut into as many pieces as there are workers. In turn t, worker k sends the sum
    so far of piece k - t to worker k + 1.
    """
    figure = Figure(figsize=(8, 3.6), layout="constrained")
    angles = np.pi / 2 - 2 * np.pi * np.arange(num_workers) / num_workers
    places = 1.5 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for turn, ax in enumerate(figure.subplots(1, 2)):
        for number, (x, y) in enumerate(places):
            draw_block(ax, x - 0.5, y - 0.25, 1, 0.5, f"worker {number}", PALETTE[0])
            towards = places[(number + 1) % num_workers] - places[number]
            start, end = places[number] + 0.32 * towards, places[number] + 0.7 * towards
            draw_arrow(ax, tuple(start), tuple(end))
            outside = 1.5 * (start + end) / 2
            piece = (number - turn) % num_workers
            ax.text(*outside, f"piece {piece}", ha="center", va="center")
        ax.set(xlim=(-2.2, 2.2), ylim=(-2, 1.9), aspect="equal", title=f"turn {turn + 1}")
        ax.set_axis_off()
    return figure


def plot_doublings(counts: Sequence[int], curves: dict[str, tuple], title: str) -> Axes:
    """Plot curves over numbers that double, with a legend beside them; return the axes.

    counts: such as 1, 2, 4. curves: by name, values for all counts and a format of matplotlib's;
    one that is dashed has the colour of the one before.
    """
    ax = Figure(figsize=(8, 3.6), layout="constrained").subplots()
    for name, (values, line_format) in curves.items():
        color = ax.lines[-1].get_color() if line_format.startswith("--") else None
        ax.plot(counts, values, line_format, color=color, label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks(counts, [str(count) for count in counts])
    ax.set_title(title)
    ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return ax
