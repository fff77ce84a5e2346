"""Figures of matching: who learns an object is green, and every anchor has its place."""

from types import SimpleNamespace

from utils.figures import (
    draw_anchor_dots,
    draw_matches,
    draw_matchings,
    draw_positives,
    draw_stages,
)
from utils.figures.colors import ANCHOR_COLOR, POSITIVE_COLOR
from utils.figures.tags import Tag

import numpy as np
import pytest
from figure_texts import unreadable
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

SCENE = SimpleNamespace(
    picture=np.full((16, 16, 3), 240, dtype=np.uint8),
    names=["small zest"],
    boxes=np.array([[0.2, 0.2, 0.6, 0.6]]),
    anchors=np.array([[0.2, 0.2, 0.5, 0.6], [0.7, 0.7, 0.9, 0.9]]),
)


def test_an_anchor_that_learns_an_object_is_green_and_solid():
    ax = draw_matches(Figure().subplots(), SCENE, [0, -1])
    _, matched, other = ax.patches
    assert to_hex(matched.get_edgecolor()).upper() == POSITIVE_COLOR
    assert to_hex(other.get_edgecolor()).upper() == ANCHOR_COLOR
    assert (matched.get_linestyle(), other.get_linestyle()) == ("-", "--")
    tags = [text.get_text() for text in ax.texts if isinstance(text, Tag)]
    assert tags == ["small zest", "0", "1"]


def test_matches_are_as_many_as_anchors():
    with pytest.raises(ValueError, match="shorter"):
        draw_matches(Figure().subplots(), SCENE, [0])


def test_a_panel_for_each_list_of_matches():
    figure = draw_matchings(SCENE, {"one": [0, -1], "none": [-1, -1]})
    assert [ax.get_title() for ax in figure.axes] == ["one", "none"] and unreadable(figure) == []
    assert [sum(p.get_linestyle() == "--" for p in ax.patches) for ax in figure.axes] == [1, 2]


def test_stages_show_table_and_scene_in_turn():
    iou = np.array([[0.75], [0]])
    figure = draw_stages(SCENE, {"1": (iou, [(0, 0)], [0, -1]), "2": (iou, [], [0, -1])})
    assert [ax.get_title() for ax in figure.axes] == ["1", "", "2", ""]
    assert figure.axes[0].get_xticklabels()[0].get_text() == "small"


def test_positives_are_counted_by_grid():
    counts = np.array([[0, 1]])
    figure = draw_positives(SCENE, [SCENE.anchors[:1]], counts, (4, 2))
    scene, bars = figure.axes
    assert scene.get_title() == "small zest: 1"
    assert [bar.get_height() for bar in bars.patches] == [0, 1]
    assert [label.get_text() for label in bars.get_xticklabels()] == ["4", "2"]


def test_dots_stand_in_their_cell_and_positive_ones_are_apart():
    positive = np.zeros(4 * (4 + 1), dtype=bool)
    positive[4 * 3 + 2] = True  # row 1, column 1 of the map of 2 x 2
    fine, coarse = draw_anchor_dots([SCENE.picture], [positive], (2, 1)).axes
    assert (fine.get_title(), coarse.get_title()) == ("2 × 2: 1 of 16", "1 × 1: 0 of 4")
    others, learning = (dots.get_offsets() for dots in fine.collections)
    assert len(others) == 15 and len(learning) == 1
    assert (learning[0] > 8).all() and (learning[0] < 16).all()
