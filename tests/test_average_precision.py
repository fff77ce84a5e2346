"""The parts of average precision, worked out by hand; `test_metrics` has the oracles."""

from utils.average_precision import (
    FALSE_POSITIVE,
    IGNORED,
    TRUE_POSITIVE,
    average_precision,
    interpolate_precision,
    match_coco,
    match_voc,
    pairwise_iou,
    precision_recall,
)

import numpy as np
import pytest


def test_pairwise_iou_by_hand():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 6], [5, 5, 15, 15.0]])
    # The first and third share 5 x 5 of 100 + 100 - 25; the second and third 5 x 1 of 60 + 100 - 5.
    expected = [[1, 0.6, 25 / 175], [0.6, 1, 5 / 155], [25 / 175, 5 / 155, 1]]
    np.testing.assert_allclose(pairwise_iou(boxes, boxes), expected)


def test_pairwise_iou_of_boxes_without_area_or_reversed_is_zero():
    boxes = np.array([[3, 3, 3, 3], [8, 8, 2, 2], [0, 0, 10, 10.0]])
    np.testing.assert_array_equal(pairwise_iou(boxes, boxes), np.diag([0, 0, 1]))
    assert pairwise_iou(np.zeros((0, 4)), boxes).shape == (0, 3)


def test_a_second_hit_is_wrong_for_voc_and_may_take_the_next_object_for_coco():
    iou = np.array([[1.0, 0.8], [0.95, 0.84]])  # both detections overlap the first object most
    no_difficult = np.zeros(2, dtype=bool)
    assert match_voc(iou, no_difficult, 0.5).tolist() == [TRUE_POSITIVE, FALSE_POSITIVE]
    assert match_coco(iou, no_difficult, 0.5).tolist() == [TRUE_POSITIVE, TRUE_POSITIVE]
    assert match_coco(iou, no_difficult, 0.85).tolist() == [TRUE_POSITIVE, FALSE_POSITIVE]


def test_difficult_objects_neither_count_nor_hurt():
    iou = np.array([[0.9], [0.8]])
    difficult = np.array([True])
    assert match_voc(iou, difficult, 0.5).tolist() == [IGNORED, IGNORED]
    assert match_coco(iou, difficult, 0.5).tolist() == [IGNORED, FALSE_POSITIVE]
    # COCO prefers an object that counts to a difficult one that the detection overlaps more.
    assert match_coco(np.array([[0.9, 0.6]]), np.array([True, False]), 0.5) == TRUE_POSITIVE
    assert match_voc(np.array([[0.9, 0.6]]), np.array([True, False]), 0.5) == IGNORED


def test_an_overlap_of_exactly_the_threshold_is_a_hit():
    for match in (match_voc, match_coco):
        assert match(np.array([[0.5]]), np.array([False]), 0.5) == TRUE_POSITIVE


def test_precision_and_recall_by_hand():
    # In order of score: right, ignored, wrong, right, the last two with equal scores.
    scores = np.array([0.2, 0.9, 0.2, 0.5])
    outcomes = np.array([FALSE_POSITIVE, TRUE_POSITIVE, TRUE_POSITIVE, IGNORED])
    precision, recall = precision_recall(scores, outcomes, num_objects=4)
    np.testing.assert_allclose(precision, [1, 1 / 2, 2 / 3])
    np.testing.assert_allclose(recall, [1 / 4, 1 / 4, 2 / 4])
    np.testing.assert_allclose(interpolate_precision(precision), [1, 2 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("area", 1 / 4 * 1 + 1 / 4 * 2 / 3),
        ("11-point", (3 * 1 + 3 * 2 / 3) / 11),  # recalls 0 .1 .2 and .3 .4 .5
        ("101-point", (26 * 1 + 25 * 2 / 3) / 101),
    ],
)
def test_average_precision_by_hand(mode, expected):
    precision, recall = np.array([1, 1 / 2, 2 / 3]), np.array([1 / 4, 1 / 4, 2 / 4])
    assert average_precision(precision, recall, mode) == pytest.approx(expected)
    assert average_precision(np.zeros(0), np.zeros(0), mode) == 0


def test_an_unknown_mode_is_named():
    with pytest.raises(ValueError, match="'voc'; choose one of 11-point, area, 101-point"):
        average_precision(np.ones(1), np.ones(1), "voc")
