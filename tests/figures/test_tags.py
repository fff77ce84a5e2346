"""Tags find a free corner: they hide neither each other nor, where there is room, their object."""

from utils.figures.drawing import draw_boxes, show_detections, show_image, to_png

import numpy as np
import pytest

BLACK = np.zeros((60, 100, 3), dtype=np.uint8)


def drawn_tags(ax):
    """Draw the figure; return the filled rectangle of each tag, and the picture's, in pixels."""
    to_png(ax.figure)
    rectangles = [tag.get_bbox_patch().get_window_extent() for tag in ax.texts]
    return rectangles, ax.images[0].get_window_extent()


def frames(ax):
    return [frame.get_window_extent() for frame in ax.patches]


def any_two_overlap(rectangles):
    pairs = ((a, b) for i, a in enumerate(rectangles) for b in rectangles[:i])
    return any(a.overlaps(b) for a, b in pairs)


def test_tags_of_neighbouring_boxes_do_not_overlap():
    rows_px = [[0, 0.8, 20, 15, 70, 45], [1, 0.9, 22, 17, 73, 46]]  # of an IoU above 0.8
    ax = show_detections(BLACK, rows_px, ("frill", "zest"))
    assert not any_two_overlap(drawn_tags(ax)[0])


@pytest.mark.parametrize("seed", range(20))
def test_three_tags_find_a_free_corner_each(seed):
    corners = np.random.default_rng(seed).uniform(0.2, 0.4, (3, 2))
    boxes = np.column_stack([corners, corners + 0.4])
    ax = draw_boxes(show_image(BLACK), boxes, ["frill 0.80", "sprig 0.55", "zest 0.91"])
    tags, picture = drawn_tags(ax)
    assert not any_two_overlap(tags)
    assert all(picture.padded(3).contains(*tag.min) for tag in tags)
    assert all(picture.padded(3).contains(*tag.max) for tag in tags)


def test_a_tag_hides_nothing_of_its_object_where_there_is_room_around_it():
    for box in ([0.3, 0.3, 0.6, 0.6], [0, 0, 0.3, 0.3], [0.7, 0.6, 1, 1], [0.4, 0, 1, 0.5]):
        ax = draw_boxes(show_image(BLACK), [box], ["frill"])
        (tag,), _ = drawn_tags(ax)
        (frame,) = frames(ax)
        assert tag.y0 > frame.y1 - 2 or tag.y1 < frame.y0 + 2


def test_a_tag_stands_at_the_upper_left_where_it_can():
    ax = draw_boxes(show_image(BLACK), [[x, 0.5, x + 0.2, 0.7] for x in (0.1, 0.4, 0.7)], "123")
    tags, _ = drawn_tags(ax)
    for tag, frame in zip(tags, frames(ax)):
        assert tag.x0 == pytest.approx(frame.x0, abs=4)
        assert tag.y0 == pytest.approx(frame.y1, abs=4)


def test_a_reversed_box_has_its_tag_where_the_good_one_has_it():
    good, reversed_ = [0.3, 0.3, 0.6, 0.8], [0.6, 0.8, 0.3, 0.3]
    tags = [
        drawn_tags(draw_boxes(show_image(BLACK), [b], ["cat"]))[0][0] for b in (good, reversed_)
    ]
    assert tags[0].bounds == tags[1].bounds


def test_where_no_corner_is_free_tags_stay_in_the_picture():
    ax = draw_boxes(show_image(BLACK), [[0, 0, 1, 1]] * 6, ["frill"] * 6)
    tags, picture = drawn_tags(ax)
    assert any_two_overlap(tags)
    assert all(picture.padded(3).contains(*tag.min) for tag in tags)
    assert all(picture.padded(3).contains(*tag.max) for tag in tags)


def test_a_second_drawing_moves_no_tag():
    rows_px = [[0, 0.8, 20, 15, 70, 45], [1, 0.9, 22, 17, 73, 46], [0, 0.9, 0, 0, 60, 40]]
    ax = show_detections(BLACK, rows_px, ("frill", "zest"))
    first, second = ([tag.bounds for tag in drawn_tags(ax)[0]] for _ in range(2))
    assert first == second
