"""Several pictures in one figure: heights, titles, boxes."""

from utils.figures.drawing import detection_panels, panels

import numpy as np

WIDE, SQUARE = (np.zeros((60, width, 3), dtype=np.uint8) for width in (120, 60))


def test_images_of_one_row_have_one_height():
    axes = panels([WIDE, SQUARE], ["wide", "square"])
    axes[0].figure.draw_without_rendering()
    extents = [ax.images[0].get_window_extent() for ax in axes]
    assert abs(extents[0].height / extents[1].height - 1) < 0.03
    assert abs(extents[0].width / extents[1].width - 2) < 0.06
    assert [ax.get_title() for ax in axes] == ["wide", "square"]


def test_rows_are_filled_in_order_and_the_rest_is_removed():
    axes = panels([SQUARE] * 3, columns=2, width=4)
    assert len(axes) == len(axes[0].figure.axes) == 3
    assert tuple(axes[0].figure.get_size_inches()) == (4, 4)
    cells = [
        (ax.get_subplotspec().rowspan.start, ax.get_subplotspec().colspan.start) for ax in axes
    ]
    assert cells == [(0, 0), (0, 1), (1, 0)]


def test_more_columns_than_images_are_as_many_as_there_are():
    axes = panels([SQUARE] * 2, columns=6, width=4)
    assert len(axes) == len(axes[0].figure.axes) == 2
    assert tuple(axes[0].figure.get_size_inches()) == (4, 2)


def test_each_picture_shows_its_own_detections():
    detections_px = [np.array([[0, 0.9, 30, 15, 60, 45]]), np.zeros((0, 6))]
    figure = detection_panels([WIDE, SQUARE], detections_px, ["frill"])
    first, second = figure.axes
    assert [text.get_text() for text in first.texts] == ["frill 0.90"]
    np.testing.assert_allclose(first.patches[0].get_bbox().extents, [30, 15, 60, 45])
    assert len(second.patches) == 0 and len(second.images) == 1
