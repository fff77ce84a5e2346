"""Figures of transfer learning: what they draw, read back from their axes."""

from utils.figures.transfer import draw_guesses, draw_maps, plot_growing_sets, plot_losses

import numpy as np


def test_the_three_best_guesses_stand_beside_their_picture():
    pictures = [np.full((8, 8, 3), value, np.uint8) for value in (10, 20)]
    probabilities = [np.array([0.1, 0.6, 0.0, 0.3]), np.array([0.5, 0.2, 0.3, 0.0])]
    left, bars, _, others = draw_guesses(pictures, probabilities, "abcd").axes
    assert (left.images[0].get_array() == 10).all()
    assert [bar.get_width() for bar in bars.patches] == [0.6, 0.3, 0.1]
    assert [text.get_text() for text in others.get_yticklabels()] == ["a", "c", "b"]


def test_the_channels_that_vary_most_are_drawn():
    ramp = np.arange(4.0).reshape(2, 2)
    maps = {"early": np.stack([ramp * size for size in (1, 5, 0, 4, 2, 3)]), "late": ramp[None] * 7}
    axes = draw_maps(maps).axes
    assert [ax.get_title()[-1] for ax in axes[:4]] == ["1", "3", "5", "4"]
    assert (axes[0].images[0].get_array() == 5 * ramp).all()
    assert axes[4].get_title() == "late, channel 0" and not axes[5].images


def test_losses_are_lines_by_epoch():
    (ax,) = plot_losses({"one": [3, 2, 1], "two": [4, 4, 4]}, "a title").axes
    assert [line.get_xdata().tolist() for line in ax.lines] == [[1, 2, 3]] * 2
    assert [list(line.get_ydata()) for line in ax.lines] == [[3, 2, 1], [4, 4, 4]]
    assert ax.get_title() == "a title" and ax.get_yscale() == "log" and ax.get_legend()


def test_bars_span_the_runs_around_their_mean():
    runs = {"one": {10: [0.1, 0.2, 0.6], 50: [0.5, 0.5, 0.5]}, "two": {10: [0.4, 0.8]}}
    (ax,) = plot_growing_sets(runs, "a title").axes
    first, second = ax.containers
    np.testing.assert_allclose(first.lines[0].get_ydata(), [0.3, 0.5])
    bars = first.lines[2][0].get_segments()
    np.testing.assert_allclose(bars[0], [[10, 0.1], [10, 0.6]])
    np.testing.assert_allclose(second.lines[2][0].get_segments()[0], [[10, 0.4], [10, 0.8]])
    assert [text.get_text() for text in ax.get_xticklabels()] == ["10", "50"]
