"""Boxes at the borders, drawn so large that a pixel is seen."""

from single_shot.labels.borders import SIDES, WINDOW_PX, draw_borders, nearest_boxes
from single_shot.labels.formats import read_source
from single_shot.labels.report import GROUND

import numpy as np
import pytest
from label_files import write_source
from matplotlib.patches import Rectangle

from tests.figure_texts import unreadable

INNER = [(0, 8, 8, 20, 20)]
AT_SIDES = [[(0, 0, 9, 9, 20)], [(0, 9, 1, 20, 20)], [(0, 9, 9, 40, 20)], [(0, 9, 9, 20, 30)]]


@pytest.fixture
def read(tmp_path):
    def items(images):
        (part,) = read_source(write_source(tmp_path, "csv", images), "csv")
        return part.items

    return items


def test_each_side_has_the_boxes_that_end_nearest_to_it(read):
    found = nearest_boxes(read([INNER] * 5 + [INNER + objects for objects in AT_SIDES]))
    assert [side for _, side, _ in found] == [side for side in SIDES for _ in range(2)]
    assert [item.image.name for item, _, _ in found][::2] == [f"{k}.jpg" for k in (5, 6, 7, 8)]
    for (_, _, box), objects in zip(found[::2], AT_SIDES, strict=True):
        np.testing.assert_allclose(box, objects[0][1:], atol=1e-4)
    assert len({item.image for item, _, _ in found}) == 8


def test_the_border_is_in_the_middle_of_the_window(read):
    figure = draw_borders(read(AT_SIDES[2:3] + [[]]))
    (ax,) = figure.axes
    assert ax.get_title() == "0.jpg\nleft: 9 px"  # the only image stands for the first side
    figure = draw_borders(read([INNER] * 4 + AT_SIDES[2:3]))
    ax = figure.axes[4]
    assert ax.get_title() == "4.jpg\nright: 0 px"
    window = ax.images[0].get_array()
    middle = WINDOW_PX // 2
    assert (window[:, middle:] == GROUND).all() and (window[middle, :middle] != GROUND).any()
    (frame,) = (patch for patch in ax.patches if isinstance(patch, Rectangle))
    assert frame.get_bbox().x1 == pytest.approx(middle, abs=0.01)
    assert unreadable(figure) == []


def test_without_boxes_nothing_is_drawn(read):
    assert draw_borders(read(AT_SIDES[:1])) is not None
    assert draw_borders([]) is None
