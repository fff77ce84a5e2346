"""Curves: what they plot, in which units."""

from utils.figures.curves import plot_history, plot_precision_recall
from utils.metrics import evaluate_detections

import matplotlib.pyplot as plt
import numpy as np
import pytest

HISTORY = [
    {"epoch": 1, "seconds": 10.0, "cls_loss": 4.0, "box_loss": 2.0},
    {"epoch": 2, "seconds": 10.0, "cls_loss": 2.0, "box_loss": 1.0, "ap50": 0.5, "ap75": 0.1},
    {"epoch": 3, "seconds": 30.0, "cls_loss": 1.0, "box_loss": 0.5, "ap50": 0.9, "ap75": 0.7},
]


def lines_of(ax):
    """Return the points of the lines in the legend, by name."""
    return {line.get_label(): line.get_xydata().tolist() for line in ax.lines}


def test_history_shows_losses_and_held_out_scores():
    losses, scores = plot_history(HISTORY).axes
    assert lines_of(losses) == {
        "class loss": [[1, 4], [2, 2], [3, 1]],
        "box loss": [[1, 2], [2, 1], [3, 0.5]],
    }
    assert lines_of(scores) == {"AP50": [[2, 0.5], [3, 0.9]], "AP75": [[2, 0.1], [3, 0.7]]}
    assert losses.get_xlabel() == "epoch"
    assert losses.get_yscale() == "log"
    assert scores.get_ylim()[0] == 0


def test_history_over_time_adds_up_the_epochs():
    losses, scores = plot_history(HISTORY, x="seconds").axes
    assert losses.get_xlabel() == scores.get_xlabel() == "training time (s)"
    assert [x for x, _ in lines_of(losses)["class loss"]] == [10, 20, 50]
    assert [x for x, _ in lines_of(scores)["AP50"]] == [20, 50]


def test_history_without_scores_has_one_panel():
    assert len(plot_history(HISTORY[:1]).axes) == 1


def test_an_empty_history_is_an_error():
    with pytest.raises(ValueError, match="train an epoch first"):
        plot_history([])


def test_precision_recall_draws_the_curve_that_is_averaged():
    # Right, wrong, right: of three objects, recall 1/3, 1/3, 2/3 at precision 1, 1/2, 2/3.
    objects = [[[0, 0, 0, 1, 1], [0, 2, 2, 3, 3], [0, 4, 4, 5, 5]]]
    found = [[[0, 0.9, 0, 0, 1, 1], [0, 0.8, 7, 7, 8, 8], [0, 0.7, 2, 2, 3, 3]]]
    result = evaluate_detections(found, objects, ["circle", "star"])
    ax = plot_precision_recall(result)
    measured, interpolated = ax.lines  # none for the absent class
    np.testing.assert_allclose(measured.get_ydata(), [1, 1 / 2, 2 / 3])
    assert interpolated.get_label() == "circle, AP 0.556"
    recall, best = interpolated.get_xdata(), interpolated.get_ydata()
    np.testing.assert_allclose(recall, [0, 1 / 3, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(best, [1, 1, 2 / 3, 2 / 3, 0])
    assert interpolated.get_drawstyle() == "steps-pre"
    assert np.sum(np.diff(recall) * best[1:]) == pytest.approx(result.mean)  # the area below
    assert ax.get_title() == "Precision and recall, AP50 (VOC area)"
    assert "recall" in ax.get_xlabel() and "precision" in ax.get_ylabel()


def test_precision_recall_of_a_detector_that_finds_nothing():
    result = evaluate_detections([[]], [[[0, 0, 0, 1, 1]]], ["circle"])
    ax = plot_precision_recall(result)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["circle, AP 0.000"]


def test_pyplot_has_no_figures_left():
    plt.close("all")
    plot_history(HISTORY)
    assert plt.get_fignums() == []
