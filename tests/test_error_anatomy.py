"""Verdicts and gains: hand-made scenes for every type, properties, and `match_coco` as oracle."""

from utils.average_precision import FALSE_POSITIVE, TRUE_POSITIVE, match_coco
from utils.error_anatomy import (
    ERROR_TYPES,
    RIGHT,
    confusion_matrix,
    error_gains,
    judge_image,
    match_objects,
    mend_image,
    mended_score,
)
from utils.metrics import evaluate_detections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

CLASS_NAMES = ["circle", "square", "star"]
CIRCLE, SQUARE = 0, 1
OBJECT = [CIRCLE, 0, 0, 10, 10]
NO_OBJECTS = np.zeros((0, 5))


def judged(detections, objects):
    """Return verdicts, what they are about, and the rows of the missed objects, as lists."""
    judgement = judge_image(detections, objects)
    return (
        judgement.verdicts.tolist(),
        judgement.about.tolist(),
        np.flatnonzero(judgement.missed).tolist(),
    )


def gains_of(*images, class_names=("circle", "square")):
    """Return the gains above 0 of images, each a pair of detections and objects."""
    gains = error_gains(*zip(*images), class_names)
    assert tuple(gains) == ERROR_TYPES
    return {kind: gain for kind, gain in gains.items() if gain != 0}


# --- A scene for every verdict --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detection", "verdict", "about"),
    [
        ([CIRCLE, 0.9, 0, 0, 10, 10], RIGHT, 0),
        ([CIRCLE, 0.9, 0, 0, 10, 5], RIGHT, 0),  # IoU .5
        ([CIRCLE, 0.9, 0, 0, 10, 4.9], "localisation", 0),
        ([CIRCLE, 0.9, 0, 0, 10, 1], "localisation", 0),  # IoU .1
        ([CIRCLE, 0.9, 0, 0, 10, 0.9], "background", -1),
        ([CIRCLE, 0.9, 50, 50, 60, 60], "background", -1),
        ([SQUARE, 0.9, 0, 0, 10, 10], "class", 0),
        ([SQUARE, 0.9, 0, 0, 10, 5], "class", 0),  # IoU .5
        ([SQUARE, 0.9, 0, 0, 10, 4.9], "both", 0),
        ([SQUARE, 0.9, 0, 0, 10, 1], "background", -1),  # IoU .1, as in TIDE
    ],
)
def test_one_detection_of_one_object(detection, verdict, about):
    verdicts, abouts, missed = judged([detection], [OBJECT])
    assert (verdicts, abouts) == ([verdict], [about])
    # What a class or a localisation error is about is not missed: mending the error finds it.
    assert missed == ([0] if verdict in ("background", "both") else [])


def test_the_worse_of_two_hits_is_a_duplicate():
    worse, better = [CIRCLE, 0.8, 0, 0, 10, 10], [CIRCLE, 0.9, 0, 0, 10, 8]
    assert judged([better, worse], [OBJECT]) == ([RIGHT, "duplicate"], [0, 0], [])


def test_a_second_hit_takes_the_next_object_if_it_overlaps_that_too():
    objects = [OBJECT, [CIRCLE, 0, 2, 10, 12]]
    detections = [[CIRCLE, 0.9, 0, 0, 10, 10], [CIRCLE, 0.8, 0, 0.5, 10, 10.5]]
    assert judged(detections, objects) == ([RIGHT, RIGHT], [0, 1], [])


def test_an_overlap_with_its_own_class_comes_first():
    # Half on a circle, all of a square: TIDE calls the circle's box badly placed.
    objects = [OBJECT, [SQUARE, 0, 7, 10, 14]]
    assert judged([[CIRCLE, 0.9, 0, 7, 10, 14]], objects) == (["localisation"], [0], [1])
    # A circle found already, seen once more where a square is: a wrong class, no duplicate.
    objects = [OBJECT, [SQUARE, 0, 1, 10, 11]]
    detections = [[CIRCLE, 0.9, 0, 0, 10, 10], [CIRCLE, 0.8, 0, 1, 10, 11]]
    assert judged(detections, objects) == ([RIGHT, "class"], [0, 1], [])


def test_images_without_objects_or_detections():
    assert judged([[CIRCLE, 0.9, 0, 0, 1, 1]] * 2, NO_OBJECTS) == (["background"] * 2, [-1, -1], [])
    assert judged([], [OBJECT, OBJECT]) == ([], [], [0, 1])
    assert judged([], NO_OBJECTS) == ([], [], [])


# --- Gains by hand --------------------------------------------------------------------------------


def test_a_class_error_counts_twice():
    # Precision of the circle is 0; the square is the mistaken box, and is absent.
    image = [[SQUARE, 0.9, 0, 0, 10, 10]], [OBJECT]
    assert gains_of(image) == {"class": 1}
    # With a square elsewhere, the mistaken box stands before it and halves its precision.
    other = [[SQUARE, 0.8, 0, 0, 10, 10]], [[SQUARE, 0, 0, 10, 10]]
    assert gains_of(image, other) == {"class": pytest.approx(1 - (0 + 1 / 2) / 2)}


def test_a_badly_placed_box_gains_its_object():
    image = [[CIRCLE, 0.9, 0, 0, 10, 4]], [OBJECT]
    assert gains_of(image) == {"localisation": 1}
    # The object is found all the same: then the bad box goes, and with it a wrong first place.
    image = [[CIRCLE, 0.9, 0, 0, 10, 4], [CIRCLE, 0.8, 0, 0, 10, 9]], [OBJECT]
    assert gains_of(image) == {"localisation": pytest.approx(1 / 2)}


def test_wrong_boxes_below_all_right_ones_cost_nothing():
    right = [CIRCLE, 0.9, 0, 0, 10, 10]
    below = [[CIRCLE, 0.5, 0, 0, 10, 8], [CIRCLE, 0.4, 50, 50, 60, 60], [SQUARE, 0.3, 0, 0, 10, 10]]
    assert gains_of(([right, *below], [OBJECT])) == {}


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        ("background", [CIRCLE, 0.9, 50, 50, 60, 60]),
        ("both", [CIRCLE, 0.9, 20, 0, 30, 4]),
        ("duplicate", [CIRCLE, 0.9, 0, 0, 10, 9]),
    ],
)
def test_a_wrong_box_before_the_second_of_two_objects(kind, wrong):
    # Right, wrong, right: precision 1 up to recall 1/2, then 2/3.
    objects = [OBJECT, [CIRCLE, 40, 0, 50, 10], [SQUARE, 20, 0, 30, 10]]
    rows = [[CIRCLE, 0.95, *objects[0][1:]], wrong, [CIRCLE, 0.8, *objects[1][1:]]]
    squares = [[SQUARE, 0.9, *objects[2][1:]]]
    before = (51 + 50 * 2 / 3) / 101  # 51 recalls up to 1/2
    gains = gains_of((rows + squares, objects))
    assert gains == {kind: pytest.approx((1 - before) / 2)}  # one of two classes


def test_a_missed_object():
    objects = [OBJECT, [CIRCLE, 40, 0, 50, 10]]
    before = 51 / 101
    assert gains_of(([[CIRCLE, 0.9, 0, 0, 10, 10]], objects)) == {
        "missed": pytest.approx(1 - before)
    }
    assert gains_of(([], [OBJECT])) == {"missed": 1}


def test_of_two_bad_boxes_the_better_one_finds_the_object():
    detections = [[CIRCLE, 0.9, 0, 0, 10, 3], [CIRCLE, 0.8, 0, 0, 10, 4]]
    judgement = judge_image(detections, [OBJECT])
    mended, objects = mend_image(detections, [OBJECT], judgement, ["localisation"])
    assert mended.tolist() == [[CIRCLE, 0.9, 0, 0, 10, 10]]
    assert objects.tolist() == [OBJECT]


def test_mending_leaves_the_rows_alone():
    detections = np.array([[SQUARE, 0.9, 0, 0, 10, 10], [CIRCLE, 0.8, 0, 0, 10, 3]])
    objects = np.array([OBJECT], dtype=float)
    before = detections.copy(), objects.copy()
    judgement = judge_image(detections, objects)
    for kinds in [(), *[(kind,) for kind in ERROR_TYPES], ERROR_TYPES]:
        mend_image(detections, objects, judgement, kinds)
    np.testing.assert_array_equal(detections, before[0])
    np.testing.assert_array_equal(objects, before[1])


# --- Properties -----------------------------------------------------------------------------------


@st.composite
def rows_of_image(draw, max_rows):
    """Draw class ids (N,) and boxes (N, 4): few classes, many overlaps, no two boxes alike."""
    corner, side = st.integers(0, 12), st.integers(3, 9)
    row = st.tuples(st.sampled_from([0, 0, 1, 2]), corner, corner, side, side)
    rows = np.array(draw(st.lists(row, max_size=max_rows, unique_by=lambda row: row[1:])))
    rows = rows.reshape(-1, 5).astype(float)
    rows[:, 3:] += rows[:, 1:3]
    return rows[:, 0], rows[:, 1:]


@st.composite
def data_sets(draw):
    """Draw detections, best score first, and objects of one to four images."""
    images = []
    for _ in range(draw(st.integers(1, 4))):
        object_ids, object_boxes = draw(rows_of_image(max_rows=5))
        ids, boxes = draw(rows_of_image(max_rows=10))
        scores = draw(st.lists(st.floats(0.01, 1), min_size=10, max_size=10, unique=True))
        scores = sorted(scores, reverse=True)[: len(ids)]
        images.append(
            (np.column_stack([ids, scores, boxes]), np.column_stack([object_ids, object_boxes]))
        )
    return [list(column) for column in zip(*images)]


def judgements_of(detections, ground_truths):
    return [judge_image(*image) for image in zip(detections, ground_truths)]


@settings(max_examples=50)
@given(data_sets())
def test_every_detection_and_object_is_accounted_for_once(data):
    for found, objects, judgement in zip(*data, judgements_of(*data)):
        assert set(judgement.verdicts) <= {RIGHT, *ERROR_TYPES} - {"missed"}
        assert len(judgement.verdicts) == len(judgement.about) == len(found)
        right = judgement.verdicts == RIGHT
        assert sorted(judgement.about[right]) == np.flatnonzero(judgement.found).tolist()
        assert not (judgement.found & judgement.missed).any()
        assert len(judgement.missed) == len(objects)
        assert ((judgement.about >= 0) == (judgement.verdicts != "background")).all()


@settings(max_examples=50)
@given(data_sets())
def test_right_is_what_the_metric_counts_as_right(data):
    result = evaluate_detections(*data, CLASS_NAMES, mode="101-point")
    judgements = judgements_of(*data)
    for class_id, curve in enumerate(result.classes.values()):
        if curve.num_objects:
            right = sum(
                (judgement.verdicts[found[:, 0] == class_id] == RIGHT).sum()
                for found, judgement in zip(data[0], judgements)
            )
            recall = curve.recall[-1] if len(curve.recall) else 0
            assert right == round(recall * curve.num_objects)


@settings(max_examples=50)
@given(st.integers(0, 6), st.integers(0, 6), st.data())
def test_matches_are_those_of_coco(num_detections, num_objects, data):
    steps = st.lists(st.integers(0, 4), min_size=36, max_size=36)
    iou = np.array(data.draw(steps))[: num_detections * num_objects] / 4
    iou = iou.reshape(num_detections, num_objects)
    expected = match_coco(iou, np.zeros(num_objects, dtype=bool), 0.5)
    outcomes = np.where(match_objects(iou) >= 0, TRUE_POSITIVE, FALSE_POSITIVE)
    np.testing.assert_array_equal(outcomes, expected)


@settings(max_examples=50)
@given(data_sets())
def test_without_any_error_the_score_is_one(data):
    judgements = judgements_of(*data)
    assert mended_score(*data, judgements, CLASS_NAMES, ERROR_TYPES) == pytest.approx(1)
    for found, objects, judgement in zip(*data, judgements):
        mended, left = mend_image(found, objects, judgement, ERROR_TYPES)
        assert (judge_image(mended, left).verdicts == RIGHT).all()
        assert len(mended) == len(left)


@settings(max_examples=60)
@given(data_sets())
def test_no_kind_of_error_is_worth_having(data):
    gains = error_gains(*data, CLASS_NAMES)
    assert min(gains.values()) >= -1e-12
    score = evaluate_detections(*data, CLASS_NAMES, mode="101-point").mean
    if score is not None:
        assert score + max(gains.values()) <= 1 + 1e-12
        assert mended_score(*data, judgements_of(*data), CLASS_NAMES, ()) == score


@settings(max_examples=40)
@given(data_sets())
def test_mending_a_kind_leaves_none_of_it(data):
    for kind in set(ERROR_TYPES) - {"missed"}:
        for found, objects in zip(*data):
            judgement = judge_image(found, objects)
            mended, _ = mend_image(found, objects, judgement, [kind])
            removed = len(found) - len(mended)
            assert 0 <= removed <= (judgement.verdicts == kind).sum()
            left = judge_image(mended, objects)
            gained = (left.verdicts == RIGHT).sum() - (judgement.verdicts == RIGHT).sum()
            assert gained == (judgement.verdicts == kind).sum() - removed


# --- Confusion matrix -----------------------------------------------------------------------------


def test_confusion_matrix_by_hand():
    objects = [OBJECT, [SQUARE, 20, 0, 30, 10], [SQUARE, 40, 0, 50, 10]]
    detections = [
        [CIRCLE, 0.9, 0, 0, 10, 10],  # right
        [CIRCLE, 0.8, 20, 0, 30, 8],  # a square that it calls a circle
        [SQUARE, 0.7, 20, 0, 30, 10],  # too late: the square is taken
        [SQUARE, 0.2, 40, 0, 50, 10],  # below the threshold
    ]
    expected = [[1, 0, 0], [1, 0, 1], [0, 1, 0]]
    images = [detections, []], [objects, []]
    np.testing.assert_array_equal(confusion_matrix(*images, 2, 0.5), expected)
    expected = [[1, 0, 0], [1, 1, 0], [0, 1, 0]]
    np.testing.assert_array_equal(confusion_matrix(*images, 2, 0.2), expected)


@settings(max_examples=40)
@given(data_sets(), st.sampled_from([0.0, 0.3, 0.6]))
def test_confusion_matrix_counts_everything_once(data, threshold):
    counts = confusion_matrix(*data, len(CLASS_NAMES), threshold)
    objects, found = np.concatenate(data[1]), np.concatenate(data[0])
    found = found[found[:, 1] >= threshold]
    assert counts[-1, -1] == 0
    for class_id in range(len(CLASS_NAMES)):
        assert counts[class_id].sum() == (objects[:, 0] == class_id).sum()
        assert counts[:, class_id].sum() == (found[:, 0] == class_id).sum()
