"""The heat map of overlaps: each number in its place, chosen pairs framed, others crossed out."""

from utils.figures import draw_overlaps

import numpy as np
from matplotlib.figure import Figure


def test_every_overlap_is_in_its_place_and_the_chosen_one_framed():
    iou = np.array([[0.5, -1], [0.25, 0.125], [-1, 0]])
    ax = Figure().subplots()
    assert draw_overlaps(ax, iou, ["frill", "zest"], "IoU", [(1, 0)]) is ax
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written[0, 0] == "0.50" and written[1, 0] == "×"  # x is the object, y the anchor
    assert written[0, 1] == "0.25" and written[1, 1] == "0.12"
    assert written[0, 2] == "×" and written[1, 2] == "0.00"
    framed = [text.get_position() for text in ax.texts if text.get_bbox_patch() is not None]
    assert framed == [(0, 1)]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["frill", "zest"]
    assert ax.get_title() == "IoU" and ax.get_ylim()[0] > ax.get_ylim()[1]
