"""What a base knows, and what a start from it is worth."""

from collections.abc import Sequence

from utils.figures.colors import PALETTE

import numpy as np
from matplotlib.figure import Figure

MARKERS = "osD^"


def draw_guesses(
    pictures: Sequence[np.ndarray], probabilities: Sequence[np.ndarray], names: Sequence[str]
) -> Figure:
    """Return a figure of pictures, each with the three best guesses of a classifier beside it.

    pictures: (H, W, 3) uint8 RGB. probabilities: for each, those of the classes; names: of these.
    """
    figure = Figure(figsize=(9, 2.4), layout="constrained")
    axes = figure.subplots(1, 2 * len(pictures))
    for left, right, picture, values in zip(axes[::2], axes[1::2], pictures, probabilities):
        best = np.argsort(values)[::-1][:3]
        left.imshow(picture)
        left.axis("off")
        right.barh([names[index] for index in best], values[best], color=PALETTE[0])
        right.set(xlim=(0, 1), xlabel="probability")
        right.invert_yaxis()
    return figure


def draw_maps(maps: dict[str, np.ndarray]) -> Figure:
    """Return a figure of the four channels that vary most, a row for each of some maps.

    maps: arrays (C, H, W) by name.
    """
    figure = Figure(figsize=(9, 2.2 * len(maps)), layout="constrained")
    for row, (name, values) in zip(figure.subplots(len(maps), 4, squeeze=False), maps.items()):
        spread = values.reshape(len(values), -1).std(axis=1)
        for ax, channel in zip(row, spread.argsort()[::-1]):
            ax.imshow(values[channel], cmap="gray")
            ax.set_title(f"{name}, channel {channel}", fontsize="small")
            ax.axis("off")
    return figure


def plot_losses(losses: dict[str, Sequence[float]], title: str) -> Figure:
    """Return a figure of class losses by epoch, a line for each name."""
    figure = Figure(figsize=(7, 3), layout="constrained")
    ax = figure.subplots()
    for (name, values), color, marker in zip(losses.items(), PALETTE, MARKERS):
        ax.plot(range(1, len(values) + 1), values, marker=marker, color=color, label=name)
    ax.set(title=title, xlabel="epoch", ylabel="class loss (log scale)", yscale="log")
    ax.set_yticks((0.5, 1, 2, 5), (0.5, 1, 2, 5))
    ax.yaxis.set_minor_formatter("")
    ax.legend()
    return figure


def plot_growing_sets(runs: dict[str, dict[int, Sequence[float]]], title: str) -> Figure:
    """Return a figure of scores over the number of pictures that were learnt from.

    runs: for each name, what every run reached, by the number; the line passes through the means,
    and a bar spans the runs.
    """
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    ax = figure.subplots()
    numbers = sorted({number for scores in runs.values() for number in scores})
    for (name, scores), color, marker in zip(runs.items(), PALETTE, MARKERS):
        means = np.array([np.mean(scores[number]) for number in scores])
        low, high = (np.array([edge(scores[n]) for n in scores]) for edge in (np.min, np.max))
        spans = np.array([means - low, high - means])
        ax.errorbar([*scores], means, spans, marker=marker, color=color, capsize=4, label=name)
    ax.set(title=title, xlabel="pictures to learn from", ylabel="held-out AP50", ylim=(0, 1))
    ax.set_xscale("log")
    ax.set_xticks(numbers, [str(number) for number in numbers])
    ax.minorticks_off()
    ax.legend()
    return figure
