"""Figures of scores: what they draw, read back from their axes."""

from utils.error_anatomy import ERROR_TYPES
from utils.figures.colors import POSITIVE_COLOR, PREDICTION_COLOR
from utils.figures.scores import (
    plot_bootstrap,
    plot_checks,
    plot_choices,
    plot_confusion,
    plot_gains,
    plot_growing_curve,
    plot_modes,
    plot_scales,
    plot_scores,
)

import numpy as np
import pytest

PRECISION = np.array([1, 1 / 2, 2 / 3, 2 / 4, 3 / 5, 3 / 6])
RECALL = np.array([1, 1, 2, 2, 3, 3]) / 4


def labelled(figure):
    """Return the axes, all of which must have a title and, some of them, names of both axes."""
    for name in ("xlabel", "ylabel"):
        sup = figure.get_supxlabel() if name == "xlabel" else figure.get_supylabel()
        assert sup or any(getattr(ax, f"get_{name}")() for ax in figure.axes)
    assert all(ax.get_title() for ax in figure.axes)
    return figure.axes


def test_growing_curve_has_a_point_more_in_every_panel():
    right = np.array([1, 0, 1, 0, 1, 0], dtype=bool)
    axes = labelled(plot_growing_curve(PRECISION, RECALL, np.linspace(0.9, 0.4, 6), right))
    assert [len(ax.lines[0].get_xdata()) for ax in axes] == [1, 2, 3, 4, 5, 6]
    assert [ax.get_title() for ax in axes[:2]] == ["0.9 right", "0.8 wrong"]
    marks = [ax.lines[1].get_marker() for ax in axes]
    assert marks == ["o", "X"] * 3
    assert axes[3].lines[1].get_xydata().tolist() == [[2 / 4, 2 / 4]]


def test_modes_show_their_value_and_their_posts():
    axes = labelled(plot_modes(PRECISION, RECALL))
    titles = [ax.get_title() for ax in axes]
    assert titles == ["VOC area: 0.567", "VOC07 11-point: 0.564", "COCO 101-point: 0.571"]
    for ax, mean in zip(axes[1:], (0.5636, 0.5710)):
        assert ax.lines[1].get_ydata().mean() == pytest.approx(mean, abs=1e-4)
    x, y = axes[0].lines[0].get_data()
    assert np.sum(np.diff(x) * y[1:]) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)


def test_lines_have_names_and_styles_of_their_own():
    lines = {"one": ([0, 1], [1, 0.5]), "two": ([0, 1], [0.9, 0.1])}
    assert len(plot_scores(dict.fromkeys("abcd", lines["one"]), "", "", "").axes[0].lines) == 4
    (ax,) = labelled(plot_scores(lines, "Title", "x", "y"))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]
    assert len({line.get_linestyle() for line in ax.lines}) == 2
    assert ax.lines[1].get_ydata().tolist() == [0.9, 0.1]


def test_gains_are_bars_in_order():
    gains = {kind: 0.01 * number for number, kind in enumerate(ERROR_TYPES)}
    axes = labelled(plot_gains({"all": gains, "shown": gains}))
    assert [bar.get_width() for bar in axes[1].patches] == list(gains.values())
    assert [label.get_text() for label in axes[0].get_yticklabels()] == list(ERROR_TYPES)
    bottom, top = axes[0].get_ylim()
    assert bottom > top  # the first is on top


def test_confusion_writes_every_count():
    counts = np.array([[5, 1], [9999, 0]])
    (ax,) = labelled(plot_confusion({"from 0.5": counts}, ["frill"]))
    assert [text.get_text() for text in ax.texts] == ["5", "1", "9999", "0"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["frill", "nothing"]


def test_scales_count_what_they_found():
    sizes = ((0.2, 0.3), (0.4, 0.5), (0.6, 0.7))
    (ax,) = labelled(plot_scales(np.array([0.1, 0.2, 0.4]), np.array([0, 0, 1]), sizes))
    labels = [label.get_text() for label in ax.get_yticklabels()]
    assert labels == ["0: 2 found", "1: 1 found", "2: 0 found"]
    np.testing.assert_array_equal(np.round(ax.lines[0].get_ydata()), [0, 0, 1])


def test_bootstrap_names_the_interval():
    samples = {"single": np.linspace(0, 1, 101), "multi": np.full(101, 0.5)}
    axes = labelled(plot_bootstrap(samples))
    assert axes[0].get_title() == "single: 95 % within 0.025 to 0.975"
    assert axes[1].get_title() == "multi: 95 % within 0.500 to 0.500"
    assert axes[0].get_ylabel() == "draws, 101 in all"


def test_choices_are_coloured_by_where_all_their_runs_lie():
    choices = {"base": (0.4, 0.5), "up": (0.6, 0.7), "down": (0.1, 0.39), "both": (0.3, 0.6)}
    (ax,) = labelled(plot_choices(choices, "choices", "AP"))
    assert [label.get_text() for label in ax.get_yticklabels()] == list(choices)
    colors = [line.get_color() for line in ax.lines[::2]]
    assert colors == ["0.4", POSITIVE_COLOR, PREDICTION_COLOR, "0.4"]
    assert [line.get_xdata()[0] for line in ax.lines[1::2]] == pytest.approx(
        [0.45, 0.65, 0.245, 0.45]
    )


def test_checks_that_catch_are_filled_and_those_not_tried_are_left_out():
    caught = {"one": {"drawing": True, "score": False}, "two": {"drawing": None, "score": True}}
    figure = plot_checks(caught, "checks")
    (ax,) = figure.axes
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "two"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["drawing", "score"]
    dots = [(*line.get_xydata()[0], line.get_markerfacecolor()) for line in ax.lines]
    assert dots == [(0, 0, POSITIVE_COLOR), (1, 0, "none"), (1, 1, POSITIVE_COLOR)]
