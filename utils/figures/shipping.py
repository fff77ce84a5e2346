"""Figures of a detector on its way out: what it holds, costs and rounds."""

from collections.abc import Sequence

from utils.figures.colors import PALETTE

import numpy as np
from matplotlib.figure import Figure


def plot_bars(values: dict[str, float], title: str, xlabel: str, form: str = "%.2f") -> Figure:
    """Draw a bar for each value, with the value behind it in the given form."""
    ax = Figure(figsize=(7, 0.7 + 0.38 * len(values)), layout="constrained").subplots()
    bars = ax.barh(list(values), list(values.values()), color=PALETTE[0])
    ax.bar_label(bars, fmt=form, padding=3)
    ax.set(title=title, xlabel=xlabel)
    ax.margins(x=0.12)
    ax.invert_yaxis()
    return ax.figure


def draw_sampling(places: dict[str, np.ndarray], length: int) -> Figure:
    """Draw between which pixels of a row of so many each rule of resizing looks.

    places: by rule, in pixels from the left edge of the row.
    """
    ax = Figure(figsize=(8, 1 + 0.4 * len(places)), layout="constrained").subplots()
    for pixel in range(length):
        ax.axvspan(pixel, pixel + 1, color="0.93" if pixel % 2 else "0.8", linewidth=0)
    for row, each in enumerate(places.values()):
        ax.plot(each, np.full(len(each), row), "o", color=PALETTE[row])
    ax.set(xlim=(-0.3, length + 0.3), ylim=(len(places) - 0.5, -0.5))
    ax.set_yticks(range(len(places)), list(places))
    ax.set(title=f"A row of {length} pixels, resized", xlabel="pixels from the left edge")
    return ax.figure


def plot_activations(maps: dict[str, np.ndarray], steps: int = 255) -> Figure:
    """Draw how often the positive values of each map occur, in steps of its greatest one."""
    figure = Figure(figsize=(8, 2.6), layout="constrained")
    for ax, (name, values) in zip(figure.subplots(1, len(maps), sharey=True), maps.items()):
        positive = values[values > 0]
        share = np.full(len(positive), 1 / len(positive))
        ax.hist(positive / values.max() * steps, bins=51, weights=share, color=PALETTE[0])
        ax.set(title=name, xlabel=f"steps of {values.max() / steps:.3f}", yscale="log")
    figure.axes[0].set_ylabel("share of positive values")
    return figure


def plot_stages(seconds: dict[str, Sequence[float]], stages: Sequence[str]) -> Figure:
    """Draw how many milliseconds each stage of a detection takes, by engine, behind each other."""
    ax = Figure(figsize=(8, 1.4 + 0.4 * len(seconds)), layout="constrained").subplots()
    begin = np.zeros(len(seconds))
    for number, stage in enumerate(stages):
        width = 1000 * np.array([each[number] for each in seconds.values()])
        ax.barh(list(seconds), width, left=begin, label=stage, color=PALETTE[number])
        begin += width
    ax.set(title="From the bytes of a file to objects", xlabel="milliseconds")
    ax.invert_yaxis()
    ax.legend(ncols=len(stages), loc="upper center", bbox_to_anchor=(0.5, -0.35))
    return ax.figure
