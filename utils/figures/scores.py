"""Figures of the evaluation lesson: how a score comes about, and what it is made of."""

import itertools
from collections.abc import Sequence

from utils.average_precision import MODES, average_precision, interpolate_precision
from utils.bootstrap import interval
from utils.figures.colors import ANCHOR_COLOR, PALETTE, POSITIVE_COLOR, PREDICTION_COLOR

import numpy as np
from matplotlib.figure import Figure

LINE_STYLES = ("o-", "s--", "^:")  # told apart without colour


def plot_growing_curve(
    precision: np.ndarray, recall: np.ndarray, scores: np.ndarray, right: np.ndarray
) -> Figure:
    """Return a figure that admits one detection more in every panel.

    precision, recall: (D,) from `precision_recall`; scores, right: (D,) best score first, bool.
    """
    figure = Figure(figsize=(1.8 * len(scores), 2.6), layout="constrained")
    axes = figure.subplots(1, len(scores), sharex=True, sharey=True, squeeze=False)[0]
    for last, ax in enumerate(axes):
        ax.plot(recall[: last + 1], precision[: last + 1], "o-", color=PALETTE[0], linewidth=1)
        mark, color = ("o", POSITIVE_COLOR) if right[last] else ("X", PREDICTION_COLOR)
        ax.plot(recall[last], precision[last], mark, color=color, markersize=10, clip_on=False)
        word = "right" if right[last] else "wrong"
        ax.set(title=f"{scores[last]:.2g} {word}", xlim=(0, 1), ylim=(0, 1.08), xticks=(0, 0.5, 1))
    axes[0].set_ylabel("precision")
    figure.supxlabel("recall: share of objects that are found", fontsize=11)
    return figure


def plot_modes(precision: np.ndarray, recall: np.ndarray) -> Figure:
    """Return a figure of what each way to sum up a curve sees of it, with its value.

    precision, recall: (D,) from `precision_recall`, at least one detection.
    """
    stairs = interpolate_precision(precision)
    edges = np.concatenate([[0], recall, recall[-1:], [1]])
    heights = np.concatenate([stairs[:1], stairs, [0, 0]])
    figure = Figure(figsize=(11, 3), layout="constrained")
    for ax, mode in zip(figure.subplots(1, 3, sharey=True), ("area", "11-point", "101-point")):
        ax.step(edges, heights, where="pre", color=PALETTE[0])
        if mode == "area":
            ax.fill_between(edges, heights, step="pre", color=PALETTE[0], alpha=0.3)
        else:
            levels = np.linspace(0, 1, 11 if mode == "11-point" else 101)
            posts = np.append(stairs, 0)[np.searchsorted(recall, levels)]
            ax.vlines(levels, 0, posts, color=PREDICTION_COLOR, linewidth=1)
            ax.plot(levels, posts, "o", color=PREDICTION_COLOR, markersize=50 / (len(levels) + 4))
        value = average_precision(precision, recall, mode)
        ax.set(title=f"{MODES[mode]}: {value:.3f}", xlabel="recall", ylim=(0, 1.08))
    figure.axes[0].set_ylabel("interpolated precision")
    return figure


def plot_scores(lines: dict, title: str, xlabel: str, ylabel: str) -> Figure:
    """Return a figure of scores; lines: dict of pairs (x, y) by name."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    ax = figure.subplots()
    for (name, (x, y)), style in zip(lines.items(), itertools.cycle(LINE_STYLES)):
        ax.plot(x, y, style, label=name)
    ax.legend()
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel, ylim=(0, 1.03))
    return figure


def plot_gains(gains: dict[str, dict[str, float]]) -> Figure:
    """Return a figure of bars; gains: by title, a dict from `error_anatomy.error_gains`."""
    figure = Figure(figsize=(4.5 * len(gains), 3), layout="constrained")
    axes = figure.subplots(1, len(gains), sharex=True, sharey=True, squeeze=False)[0]
    for ax, (title, by_kind) in zip(axes, gains.items()):
        bars = ax.barh(list(by_kind), list(by_kind.values()), color=PALETTE[0])
        ax.bar_label(bars, fmt="%.3f", padding=3)
        ax.set(title=title, xlabel="gain in AP50 (COCO 101-point)")
        ax.margins(x=0.25)
    axes[0].invert_yaxis()  # shared: the first kind on top
    axes[0].set_ylabel("kind of error that is mended")
    return figure


def plot_confusion(matrices: dict[str, np.ndarray], class_names: Sequence[str]) -> Figure:
    """Return a figure of counts; matrices: by title, from `error_anatomy.confusion_matrix`."""
    figure = Figure(figsize=(4.5 * len(matrices), 3.8), layout="constrained")
    axes = figure.subplots(1, len(matrices), squeeze=False)[0]
    for ax, (title, counts) in zip(axes, matrices.items()):
        shades = np.log1p(counts)  # a few and many thousand, both visible
        ax.imshow(shades, cmap="Blues", vmax=2 * shades.max())  # never so dark that text drowns
        for (row, column), count in np.ndenumerate(counts):
            ax.text(column, row, count, ha="center", va="center")
        ax.set_xticks(range(len(counts)), [*class_names, "not found"])
        ax.set_yticks(range(len(counts)), [*class_names, "nothing"])
        ax.set(title=title, xlabel="detected class", ylabel="true class")
        ax.grid(False)
    return figure


def plot_scales(sides: np.ndarray, found_by: np.ndarray, sizes: Sequence) -> Figure:
    """Return a figure of which scale found objects of which size.

    sides: (D,) in fractions of the image; found_by: (D,) scales; sizes: such as `ssd.SIZES`.
    """
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    ax = figure.subplots()
    spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(sides))
    ax.plot(sides, found_by + spread, "o", color=POSITIVE_COLOR, markersize=3, label="found object")
    for scale, of_scale in enumerate(sizes):
        label = "sizes of anchors" if scale == 0 else None
        ax.plot(of_scale, [scale] * 2, color=ANCHOR_COLOR, linewidth=9, alpha=0.8, label=label)
    counts = np.bincount(found_by, minlength=len(sizes))
    ax.set_yticks(range(len(sizes)), [f"{n}: {count} found" for n, count in enumerate(counts)])
    ax.invert_yaxis()
    ax.legend(loc="upper right")
    ax.set(title="What each feature map finds", xlim=(0, 1))
    ax.set(xlabel="side of a square as large as the box, in fractions of the picture")
    ax.set_ylabel("feature map, 0 the finest")
    return figure


def plot_bootstrap(samples: dict[str, np.ndarray]) -> Figure:
    """Return a figure of histograms; samples: by name, from `bootstrap_average_precision`."""
    figure = Figure(figsize=(4.5 * len(samples), 3), layout="constrained")
    axes = figure.subplots(1, len(samples), sharey=True, squeeze=False)[0]
    for ax, (name, scores) in zip(axes, samples.items()):
        low, high = interval(scores)
        ax.hist(scores, bins=25, color=PALETTE[5], edgecolor="white")
        ax.axvspan(low, high, color=ANCHOR_COLOR, alpha=0.25)
        ax.set(title=f"{name}: 95 % within {low:.3f} to {high:.3f}", xlabel="AP50")
    axes[0].set_ylabel(f"draws, {len(scores)} in all")
    return figure


def plot_choices(
    choices: dict[str, Sequence[float]],
    title: str,
    xlabel: str,
    ylabel: str = "changed, all else as it is",
) -> Figure:
    """Return a figure of what each choice reached, a row each and a point for every run.

    choices: scores by name; the first is the reference, whose runs span the grey band. Choices all
    of whose runs are above it are green, all below it vermillion.
    """
    reference = next(iter(choices.values()))
    low, high = min(reference), max(reference)
    figure = Figure(figsize=(7.5, max(2.6, 0.6 + 0.23 * len(choices))), layout="constrained")
    ax = figure.subplots()
    ax.axvspan(low, high, color="0.85")
    for row, scores in enumerate(choices.values()):
        color = "0.4"
        if min(scores) > high:
            color = POSITIVE_COLOR
        elif max(scores) < low:
            color = PREDICTION_COLOR
        ax.plot(scores, [row] * len(scores), "o", color=color, markersize=4, alpha=0.8)
        ax.plot(np.mean(scores), row, "|", color=color, markersize=13)
    ax.set_yticks(range(len(choices)), choices)
    ax.set_ylim(len(choices) - 0.5, -0.5)
    ax.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return figure


def plot_checks(caught: dict[str, dict[str, bool]], title: str) -> Figure:
    """Return a figure of which check catches which defect, a filled dot where it does.

    caught: by defect, then by check, None where it was not tried; every defect has the same checks
    in the same order.
    """
    checks = list(next(iter(caught.values())))
    figure = Figure(figsize=(8, 0.9 + 0.3 * len(caught)), layout="constrained")
    ax = figure.subplots()
    for row, verdicts in enumerate(caught.values()):
        for column, found in enumerate(verdicts.values()):
            if found is None:
                continue
            fill = POSITIVE_COLOR if found else "none"
            edge = POSITIVE_COLOR if found else "0.6"
            ax.plot(column, row, "o", markersize=11, markerfacecolor=fill, markeredgecolor=edge)
    ax.set_xticks(range(len(checks)), checks)
    ax.set_yticks(range(len(caught)), caught)
    ax.set(title=title, xlim=(-0.5, len(checks) - 0.5), ylim=(len(caught) - 0.5, -0.5))
    ax.xaxis.tick_top()
    return figure
