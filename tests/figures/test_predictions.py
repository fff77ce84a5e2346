"""Figures of predictions: every number stands where it belongs, and tags hide nothing."""

from utils.figures import (
    draw_activations,
    draw_answers,
    draw_channels,
    draw_class_ids,
    draw_fields,
    draw_gradients,
    draw_score_maps,
    draw_strips,
)

import numpy as np
from figure_texts import unreadable
from matplotlib.figure import Figure

PICTURE = np.full((12, 16, 3), 200, dtype=np.uint8)


def test_channels_stand_in_the_row_of_their_anchor_and_one_is_framed():
    ax = draw_channels(np.arange(6).reshape(2, 3), ["none", "a", "b"], (1, 2), "Channels")
    written = {tuple(np.floor(t.get_position()).astype(int)): t.get_text() for t in ax.texts}
    assert written[0, 0] == "0" and written[2, 0] == "2" and written[2, 1] == "5"
    assert ax.patches[-1].get_xy() == (2, 1) and not ax.patches[-1].get_fill()


def test_class_ids_are_joined_where_every_place_has_one():
    places = {"outside": [None, 0, 1], "inside": [0, 1, 2], "again": [None, 0, 1]}
    (ax,) = draw_class_ids(places, ["+ 1", "- 1"], ["background", "frill", "zest"]).axes
    arrows = [text.xy[0] for text in ax.texts if getattr(text, "arrow_patch", None)]
    assert sorted(arrows) == [1, 1, 2, 2]  # frill and zest, not background
    numbers = {text.get_position(): text.get_text() for text in ax.texts}
    assert numbers[0, -1] == "0" and numbers[2, -1] == "2" and numbers[2, -2] == "1"


def test_strips_colour_scores_by_cell():
    strips = {"right": [(0, 0, 0)] * 2 + [(0, 1, 0)] * 2, "wrong": [(0, 0, 0), (0, 1, 0)] * 2}
    (ax,) = draw_strips(strips, width=2).axes
    colors = [patch.get_facecolor() for patch in ax.patches]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    assert colors[4] == colors[6] != colors[5] == colors[7]


def test_score_maps_have_one_scale():
    figure = draw_score_maps([PICTURE] * 2, [np.zeros((12, 16)), np.ones((12, 16))], ["a", "b"])
    maps = [ax.images[0] for ax in figure.axes[1:4:2]]
    assert {image.get_clim() for image in maps} == {(-0.5, 2.5)} and unreadable(figure) == []


def test_activations_show_the_liveliest_channel_first_and_no_text_on_the_map():
    quiet, lively = np.zeros((2, 2)), np.array([[0, 0], [0, 5.0]])
    figure = draw_activations([np.stack([quiet, lively])], count=1)
    (ax,) = figure.axes
    assert ax.get_title() == "2 × 2\nchannel 1" and len(ax.texts) == 0
    assert ax.images[0].get_clim() == (0, 5)


def test_an_answer_of_zero_leaves_the_picture_uncovered():
    scores = np.zeros((2, 2, 4))
    scores[1, 0, 3] = 0.5
    figure = draw_answers([PICTURE], [[scores]])
    tint = figure.axes[1].images[1]
    np.testing.assert_allclose(tint.get_alpha() > 0, [[False, False], [True, False]])
    assert figure.axes[1].get_title() == "scale 0: 0.50" and unreadable(figure) == []


def test_fields_and_anchors_fill_their_panel():
    field, anchors = np.array([20.0, 20, 40, 40]), np.array([[10.0, 25, 50, 35]])
    (ax,) = Figure().subplots(1, 1, squeeze=False)[0]
    draw_fields([field], [anchors], 64, [ax])
    low, high = sorted(ax.get_xlim())
    assert low <= 10 and high >= 50 and high - low < 50
    assert ax.get_title() == "scale 0 at 64 px\nfield 20, anchor 40"
    assert ax.patches[-1].get_xy() == (20, 20)  # the field on top, in sight


def test_a_gradient_is_framed_by_its_span():
    (ax,) = draw_gradients([np.full((16, 16), 4.0)], [(3, 13)]).axes
    frame = ax.patches[0]
    assert frame.get_xy() == (3, 3) and frame.get_width() == frame.get_height() == 10
    assert ax.get_title() == "field of 10 pixels" and ax.images[0].get_array().max() == 2
