"""Curves: how a training went, and precision against recall."""

from collections.abc import Sequence

from utils.average_precision import interpolate_precision
from utils.evaluation_results import EvaluationResult
from utils.figures.colors import class_colors

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

LOSSES = {"cls_loss": "class loss", "box_loss": "box loss"}
SCORES = {"ap50": "AP50", "ap75": "AP75"}
AXES = {"epoch": "epoch", "seconds": "training time (s)"}


def plot_history(history: Sequence[dict], x: str = "epoch") -> Figure:
    """Return a figure of a training's losses and, where there are any, its held-out scores.

    history: list of dicts, one an epoch, with `epoch`, `seconds` (of that epoch), `cls_loss`,
    `box_loss` and perhaps `ap50`, `ap75`. x: `epoch`, or `seconds` for the training time so far.
    """
    panels = [
        keys
        for keys in (LOSSES, SCORES)
        if any(line.get(key) is not None for line in history for key in keys)
    ]
    if not panels:
        raise ValueError("the history holds neither losses nor scores: train an epoch first")
    if x == "seconds":
        total = np.cumsum([line["seconds"] for line in history])
        history = [{**line, "seconds": value} for line, value in zip(history, total)]
    figure = Figure(figsize=(5 * len(panels), 3.5), layout="constrained")
    axes = figure.subplots(1, len(panels), sharex=True, squeeze=False)[0]
    for ax, keys in zip(axes, panels):
        for key, name in keys.items():
            known = [line for line in history if line.get(key) is not None]
            ax.plot([line[x] for line in known], [line[key] for line in known], "o-", label=name)
        ax.legend()
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.set_xlabel(AXES[x])
        if keys is LOSSES:
            ax.set(title="Loss on training images", ylabel="loss (log scale)", yscale="log")
            ax.yaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), major_formatter="{x:g}")
            ax.yaxis.set_minor_formatter(NullFormatter())
        else:
            ax.set(title="Held-out images", ylabel="average precision (0 to 1)", ylim=(0, 1.03))
    return figure


def plot_precision_recall(result: EvaluationResult) -> Axes:
    """Return axes with precision against recall for every class that has objects.

    result: an EvaluationResult. A thin line is the precision as measured, a thick one the best
    precision at that recall or beyond, of which average precision is the mean.
    """
    ax = Figure(figsize=(5.5, 4.2), layout="constrained").subplots()
    colors = class_colors(range(len(result.classes)))  # the same as those of the class's boxes
    for color, (name, curve) in zip(colors, result.classes.items()):
        if curve.average_precision is None:
            continue
        best = interpolate_precision(curve.precision)
        label = f"{name}, AP {curve.average_precision:.3f}"
        ax.plot(curve.recall, curve.precision, color=color, linewidth=1, alpha=0.6)
        # From recall 0 on, each best precision holds back to the point before; beyond, it is 0.
        recall = np.concatenate([0 * best[:1], curve.recall, curve.recall[-1:]])
        best = np.concatenate([best[:1], best, 0 * best[:1]])
        ax.step(recall, best, where="pre", color=color, linewidth=2.5, label=label)
    ax.legend(loc="lower left")
    ax.set(title=f"Precision and recall, {result.title}", xlim=(0, 1.02), ylim=(0, 1.03))
    ax.set(
        xlabel="recall: share of objects that are found",
        ylabel="precision: share of detections that are right",
    )
    return ax
