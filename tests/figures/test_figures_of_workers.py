"""The drawings of several workers say who holds what, and what goes where."""

from utils.figures import draw_parallel_step, draw_ring, draw_roles, plot_doublings

import numpy as np
import pytest


def texts(ax):
    """Return the texts of axes that are not empty."""
    return [text.get_text() for text in ax.texts if text.get_text()]


def test_a_step_has_a_row_for_each_worker_and_one_sum():
    parts = [np.zeros((4, 8, 8, 3), dtype=np.uint8)] * 3
    (ax,) = draw_parallel_step(parts).axes
    rows = [image.get_extent()[2] for image in ax.images]
    assert len(rows) == 12 and len(set(rows)) == 3
    assert texts(ax).count("sum") == 1 and texts(ax).count("its gradient") == 3


@pytest.mark.parametrize(("num_workers", "num_servers"), [(2, 1), (4, 2)])
def test_every_worker_has_an_arrow_to_every_server_and_one_back(num_workers, num_servers):
    (ax,) = draw_roles(num_workers, num_servers).axes
    said = "\n".join(texts(ax))
    counts = [said.count(role) for role in ("worker", "server", "scheduler")]
    assert counts == [num_workers, num_servers, 1]
    arrows = [text for text in ax.texts if getattr(text, "arrow_patch", None)]
    upwards = [arrow for arrow in arrows if arrow.xy[1] > arrow.xyann[1]]
    assert len(arrows) == 2 * len(upwards) == 2 * num_workers * num_servers


def test_the_ring_passes_on_what_came_in_the_turn_before():
    first, second = draw_ring(4).axes
    pieces = [[t for t in texts(ax) if t.startswith("piece")] for ax in (first, second)]
    assert pieces == [
        [f"piece {number}" for number in order] for order in ([0, 1, 2, 3], [3, 0, 1, 2])
    ]
    boxes = [patch.get_center() for patch in first.patches]
    arrows = [text for text in first.texts if getattr(text, "arrow_patch", None)]
    for number, arrow in enumerate(arrows):
        near_end = [np.hypot(*np.subtract(arrow.xy, box)) for box in boxes]
        assert np.argmin(near_end) == (number + 1) % 4


def test_a_dashed_curve_has_the_color_of_the_one_before():
    curves = {"a": ([1, 2], "-"), "b": ([2, 4], "-"), "c": ([3, 6], "--")}
    ax = plot_doublings([1, 2], curves, "title")
    one, two, three = (line.get_color() for line in ax.lines)
    assert one != two == three
    assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "2"]
