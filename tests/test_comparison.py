"""Comparison of detections: blind to ties and rounding, and to nothing else."""

from utils.comparison import assert_same_detections, pair_detections

import numpy as np
import pytest

ROWS = np.array(
    [
        [0, 0.9, 0.1, 0.1, 0.5, 0.5],
        [1, 0.8, 0.2, 0.3, 0.6, 0.9],
        [0, 0.8, 0.5, 0.5, 0.9, 0.8],
        [1, 0.3, 0.0, 0.0, 0.0, 0.2],  # a box of no area, as clipping leaves them
    ]
)


def changed(row, column, value):
    """Return ROWS with one number changed."""
    rows = ROWS.copy()
    rows[row, column] = value
    return rows


DEFECTS = {
    "a moved box": changed(0, 2, 0.12),
    "a moved box of no area": changed(3, 5, 0.21),
    "a lost row": ROWS[:3],
    "a row too many": ROWS[[0, 1, 2, 2, 3]],
    "another class": changed(1, 0, 0),
    "a changed score": changed(3, 1, 0.301),
    "another order": ROWS[[1, 0, 2, 3]],
    "not a number": changed(2, 1, np.nan),
}


@pytest.mark.parametrize("spoiled", DEFECTS.values(), ids=DEFECTS)
def test_a_difference_is_seen_from_both_sides(spoiled):
    with pytest.raises(AssertionError):
        assert_same_detections(spoiled, ROWS)
    with pytest.raises(AssertionError):
        assert_same_detections(ROWS, spoiled)


def test_ties_and_rounding_are_forgiven():
    assert_same_detections(ROWS, ROWS)
    assert_same_detections(ROWS[[0, 2, 1, 3]], ROWS)  # equal scores
    assert_same_detections(ROWS + 5e-5 * (np.arange(6) > 0), ROWS)
    assert_same_detections(changed(0, 4, 0.5005), ROWS)  # an IoU of .999


def test_equal_rows_are_paired_one_to_one():
    assert pair_detections(ROWS[[1, 2, 1]], ROWS[[2, 1]]).tolist() in ([1, 0, -1], [-1, 0, 1])
    # The first row could take either, the second only one: both must find a partner.
    near = np.array([[0, 0.50000, 0, 0, 1, 1], [0, 0.49995, 0, 0, 1, 1]])
    far = np.array([[0, 0.49990, 0, 0, 1, 1], [0, 0.50008, 0, 0, 1, 1]])
    assert sorted(pair_detections(near, far)) == [0, 1]


def test_at_the_cut_rounding_decides_who_is_there():
    with pytest.raises(AssertionError, match="only expected"):
        assert_same_detections(ROWS[:3], ROWS)
    assert_same_detections(ROWS[:3], ROWS, cut_score=0.3)
    with pytest.raises(AssertionError, match="only expected"):
        assert_same_detections(ROWS[:3], ROWS, cut_score=0.2)
    with pytest.raises(AssertionError, match="only expected"):
        assert_same_detections(ROWS[:2], ROWS, cut_score=0.3)


def test_nothing_equals_nothing_alone():
    nothing = np.zeros((0, 6))
    assert_same_detections(nothing, nothing)
    with pytest.raises(AssertionError, match="only found"):
        assert_same_detections(ROWS, nothing)
