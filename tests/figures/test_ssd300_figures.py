"""Weights in cells and the maps of a network are drawn as they are."""

from utils.figures import Figure, draw_cells, draw_pyramid

import numpy as np


def test_every_number_stands_in_the_middle_of_a_cell_of_its_own_colour():
    ax = Figure().subplots()
    draw_cells(ax, np.array([[7, 8], [9, 10]]), [["red", "red"], ["red", "blue"]], left=3, top=1)
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places == {"7": (3.5, 1.5), "8": (4.5, 1.5), "9": (3.5, 2.5), "10": (4.5, 2.5)}
    assert [patch.get_xy() for patch in ax.patches] == [(3, 1), (4, 1), (3, 2), (4, 2)]
    assert [patch.get_facecolor()[2] for patch in ax.patches] == [0, 0, 0, 1]


def test_every_map_has_its_head_below_it_and_the_picture_has_none():
    shapes = {"picture": (3, 300, 300), "first": (512, 38, 38), "last": (256, 1, 1)}
    ax = draw_pyramid(shapes, ["84 scores", "16 offsets"], "Maps").axes[0]
    assert ax.get_title() == "Maps"
    middles = [patch.get_x() + patch.get_width() / 2 for patch in ax.patches]
    np.testing.assert_allclose(middles, [0, 1, 2], atol=1e-9)
    heights = [patch.get_height() for patch in ax.patches]
    np.testing.assert_allclose(heights, [0.3 + np.log2(side) / 4 for side in (300, 38, 1)])
    below = {text.get_text(): text.get_position()[0] for text in ax.texts if text.get_bbox_patch()}
    assert below == {"84 scores": 1, "16 offsets": 2}
    assert "first\n512 × 38 × 38" in [text.get_text() for text in ax.texts]
