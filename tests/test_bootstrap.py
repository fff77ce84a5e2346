"""Bootstrap: draws as weights against images that are really there several times."""

from utils.average_precision import MODES
from utils.bootstrap import bootstrap_average_precision, interval
from utils.metrics import evaluate_detections

import numpy as np
import pytest

CLASS_NAMES = ["circle", "square", "star"]


def random_data(num_images=12, num_classes=2, seed=0):
    """Return detections around the objects of random images, the last of them empty."""
    random = np.random.default_rng(seed)
    detections, ground_truths = [], []
    for _ in range(num_images):
        corners = random.uniform(0, 30, (3, 2))
        boxes = np.concatenate([corners, corners + random.uniform(5, 15, (3, 2))], axis=1)
        ids = random.integers(0, num_classes, 3)
        ground_truths.append(np.column_stack([ids, boxes]))
        found = np.concatenate([boxes, boxes + random.normal(0, 3, (3, 4))])
        scores = random.uniform(0, 1, 6)
        detections.append(np.column_stack([np.tile(ids, 2), scores, found])[random.permutation(6)])
    ground_truths[-1], detections[-1] = np.zeros((0, 5)), np.zeros((0, 6))
    return detections, ground_truths


@pytest.mark.parametrize("mode", MODES)
def test_equals_a_data_set_with_images_that_come_again(mode):
    detections, ground_truths = random_data()
    found = bootstrap_average_precision(detections, ground_truths, CLASS_NAMES, 20, mode, seed=3)
    even = np.full(len(detections), 1 / len(detections))
    draws = np.random.default_rng(3).multinomial(len(detections), even, size=20)
    for weights, score in zip(draws, found):
        images = np.repeat(np.arange(len(detections)), weights)
        again = [detections[image] for image in images], [ground_truths[image] for image in images]
        expected = evaluate_detections(*again, CLASS_NAMES, mode=mode).mean
        assert score == pytest.approx(expected, abs=1e-12)
    assert len(set(found)) > 10


def test_groups_are_drawn_whole():
    """Two groups: a draw holds both as they are, or one of them twice."""
    detections, ground_truths = random_data()
    groups = ["a", "b"] * 6
    found = bootstrap_average_precision(detections, ground_truths, CLASS_NAMES, 30, groups=groups)
    expected = set()
    for images in (range(12), [*range(0, 12, 2)] * 2, [*range(1, 12, 2)] * 2):
        again = [detections[image] for image in images], [ground_truths[image] for image in images]
        expected.add(round(evaluate_detections(*again, CLASS_NAMES, mode="101-point").mean, 9))
    assert set(np.round(found, 9)) == expected and len(expected) == 3


def test_equal_seeds_draw_equal_images():
    data = random_data()
    first, same, other = (
        bootstrap_average_precision(*data, CLASS_NAMES, 9, seed=s) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_a_perfect_detector_leaves_no_doubt():
    _, ground_truths = random_data()
    detections = [np.insert(rows, 1, 0.5, axis=1) for rows in ground_truths]
    scores = bootstrap_average_precision(detections, ground_truths, CLASS_NAMES, 30)
    np.testing.assert_allclose(scores, 1)
    assert interval(scores) == pytest.approx((1, 1))


def test_more_images_make_a_narrower_interval():
    widths = []
    for num_images in (10, 160):
        samples = bootstrap_average_precision(*random_data(num_images), CLASS_NAMES, 300)
        low, high = interval(samples)
        widths.append(high - low)
    assert widths[1] < widths[0] / 2  # the root of 16 is 4


def test_a_draw_without_objects_has_no_score():
    # One image has an object, the other none; a draw of the latter alone scores nothing.
    data = [[[0, 0.9, 0, 0, 1, 1]], []], [[[0, 0, 0, 1, 1]], []]
    scores = bootstrap_average_precision(*data, CLASS_NAMES, 40)
    assert set(scores[~np.isnan(scores)]) == {1.0} and 0 < np.isnan(scores).sum() < 30
    assert interval(scores) == (1, 1)


def test_interval_by_hand():
    assert interval(np.arange(101)) == pytest.approx((2.5, 97.5))
    assert interval(np.arange(101), confidence=0.5) == pytest.approx((25, 75))
