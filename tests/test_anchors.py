"""Anchors: worked out by hand, against MXNet's operator, and how well they cover objects."""

import itertools

from utils.anchors import (
    anchor_shapes,
    coverage,
    multibox_prior,
    refine_shapes,
    shape_iou,
    suggest_shapes,
)
from utils.boxes import box_iou, center_to_corner, corner_to_center

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mxnet import nd

SIZES = st.lists(st.floats(0.05, 1.5), min_size=1, max_size=4)
RATIOS = st.lists(st.floats(0.2, 5), min_size=1, max_size=4)
SIDES = st.integers(1, 9)
SIDE_LENGTHS = st.integers(1, 32).map(lambda parts: parts / 32)  # of an image, not degenerate


def shape_arrays(min_count, max_count):
    """Draw (M, 2) widths and heights, often equal ones."""
    counts = st.integers(min_count, max_count)
    return counts.flatmap(lambda count: arrays(np.float64, (count, 2), elements=SIDE_LENGTHS))


def mean_fit(shapes, centers):
    """Return the mean over shapes of the IoU with the best centre, one by one."""
    return np.mean([max(float(shape_iou(s[None], c[None])[0, 0]) for c in centers) for s in shapes])


def test_shapes_by_hand():
    # Both sizes with ratio 1, then the first size with ratio 4: twice as wide, half as high.
    shapes = anchor_shapes((0.2, 0.4), (1, 4))
    np.testing.assert_allclose(shapes, [(0.2, 0.2), (0.4, 0.4), (0.4, 0.1)])


def test_first_ratio_shapes_every_size():
    np.testing.assert_allclose(anchor_shapes((0.2, 0.4), (4,)), [(0.4, 0.1), (0.8, 0.2)])


def test_anchor_of_a_single_pixel_by_hand():
    anchors = multibox_prior(1, 1, sizes=(0.5,), ratios=(1, 4))
    expected = [[[0.25, 0.25, 0.75, 0.75], [0, 0.375, 1, 0.625]]]
    np.testing.assert_allclose(anchors.asnumpy(), expected, atol=1e-7)


def test_order_is_row_column_shape():
    anchors = multibox_prior(2, 2, sizes=(0.5, 0.25), ratios=(1,))
    center = corner_to_center(anchors)[0].asnumpy()
    by_hand = [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)]  # (x, y), two shapes each
    np.testing.assert_allclose(center[:, :2], np.repeat(by_hand, 2, axis=0))
    np.testing.assert_allclose(center[:, 2:], np.tile([[0.5, 0.5], [0.25, 0.25]], (4, 1)))


def test_anchors_are_square_in_pixels_on_a_wide_map():
    height_px, width_px = 100, 200
    anchors = multibox_prior(2, 4, sizes=(0.5,), ratios=(1,))
    sides_px = corner_to_center(anchors)[0, :, 2:].asnumpy() * (width_px, height_px)
    np.testing.assert_allclose(sides_px, 50)  # the size is a fraction of the height


def test_anchors_may_reach_beyond_the_image():
    anchors = multibox_prior(1, 1, sizes=(1.5,), ratios=(1,))
    np.testing.assert_allclose(anchors.asnumpy(), [[[-0.25, -0.25, 1.25, 1.25]]])


@given(SIDES, SIDES, SIZES, RATIOS)
def test_anchors_equal_the_operator(height, width, sizes, ratios):
    anchors = multibox_prior(height, width, sizes, ratios)
    feature_map = nd.zeros((2, 3, height, width))
    expected = nd.contrib.MultiBoxPrior(feature_map, sizes=sizes, ratios=ratios)
    assert anchors.shape == (1, height * width * (len(sizes) + len(ratios) - 1), 4)
    np.testing.assert_allclose(anchors.asnumpy(), expected.asnumpy(), rtol=0, atol=1e-5)


def test_coverage_by_hand():
    anchors = nd.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1]])
    boxes = nd.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1], [0.5, 0, 0.75, 0.25]])
    # Found exactly; four times as large as either; touching one, off the other.
    np.testing.assert_allclose(coverage(boxes, anchors).asnumpy(), [1, 0.25, 0])
    np.testing.assert_allclose(coverage(boxes, anchors.expand_dims(0)).asnumpy(), [1, 0.25, 0])


def test_more_anchors_never_cover_less():
    random = np.random.default_rng(0)
    corners = random.random((50, 2)) * 0.8
    boxes = nd.array(
        np.concatenate([corners, corners + random.uniform(0.05, 0.2, (50, 2))], axis=1)
    )
    few = coverage(boxes, multibox_prior(4, 4, (0.2,), (1,)))
    more = coverage(boxes, multibox_prior(4, 4, (0.2, 0.1), (1, 2, 0.5)))
    assert (more >= few).asnumpy().all()
    assert more.mean().asscalar() > few.mean().asscalar()


# --- Shapes suggested for a data set --------------------------------------------------------------


def test_shape_iou_by_hand():
    shapes = np.array([[0.5, 0.5], [0.5, 0.25], [0.25, 0.5]])
    # Half of the square; the same turned; a cross of two halves: 1/16 over 2/8 - 1/16.
    np.testing.assert_allclose(
        shape_iou(shapes, shapes), [[1, 0.5, 0.5], [0.5, 1, 1 / 3], [0.5, 1 / 3, 1]]
    )


@given(shape_arrays(1, 6), shape_arrays(1, 6))
def test_shape_iou_equals_that_of_boxes_on_one_centre(shapes_a, shapes_b):
    boxes_a, boxes_b = (
        center_to_corner(nd.array(np.insert(shapes, [0, 0], 0.5, axis=1)))
        for shapes in (shapes_a, shapes_b)
    )
    iou = shape_iou(shapes_a, shapes_b)
    np.testing.assert_allclose(iou, box_iou(boxes_a, boxes_b).asnumpy(), rtol=0, atol=1e-5)


def test_clusters_made_by_hand_are_found():
    random = np.random.default_rng(0)
    truth = np.array([[0.1, 0.1], [0.1, 0.4], [0.5, 0.2]])
    shapes = np.concatenate([shape + random.uniform(-0.01, 0.01, (40, 2)) for shape in truth])
    medians = np.median(shapes.reshape(3, 40, 2), axis=1)
    np.testing.assert_allclose(suggest_shapes(shapes, 3), medians)
    np.testing.assert_allclose(medians, truth, atol=0.005)


def test_one_cluster_is_the_median_and_as_many_as_shapes_are_the_shapes():
    shapes = np.array([[0.2, 0.3], [0.1, 0.1], [0.4, 0.5]])
    np.testing.assert_allclose(suggest_shapes(shapes, 1), [[0.2, 0.3]])
    np.testing.assert_allclose(suggest_shapes(shapes, 3), shapes[[1, 0, 2]])


@given(shape_arrays(3, 12), st.integers(1, 3), st.integers(0, 99))
def test_refining_never_fits_worse_than_the_start(shapes, num_shapes, seed):
    start = np.random.default_rng(seed).choice(shapes, num_shapes, replace=False)
    refined = refine_shapes(shapes, start)
    assert refined.shape == start.shape
    assert mean_fit(shapes, refined) >= mean_fit(shapes, start) - 1e-12
    # It is a fixed point: refining once more changes nothing.
    np.testing.assert_array_equal(refine_shapes(shapes, refined), refined)


def test_a_centre_without_shapes_stays():
    shapes = np.array([[0.2, 0.2], [0.3, 0.3]])
    start = np.array([[0.2, 0.3], [0.9, 0.9]])
    np.testing.assert_allclose(refine_shapes(shapes, start), [[0.25, 0.25], [0.9, 0.9]])


def best_fit_by_brute_force(shapes, num_shapes):
    """Return the best mean IoU of all that k-means can see: starts, and medians of partitions."""
    starts = itertools.combinations(shapes, num_shapes)
    labels = map(np.array, itertools.product(range(num_shapes), repeat=len(shapes)))
    partitions = (row for row in labels if len(set(row)) == num_shapes)
    medians = (
        [np.median(shapes[row == k], axis=0) for k in range(num_shapes)] for row in partitions
    )
    candidates = itertools.chain(starts, medians)
    return max(shape_iou(shapes, np.stack(c)).max(axis=1).mean() for c in candidates)


@pytest.mark.parametrize("num_shapes", (1, 2, 3))
@pytest.mark.parametrize("seed", range(5))
def test_few_shapes_are_clustered_as_well_as_by_brute_force(seed, num_shapes):
    shapes = np.random.default_rng(seed).uniform(0.05, 0.8, (7, 2))
    fit = mean_fit(shapes, suggest_shapes(shapes, num_shapes, num_starts=50))
    best = best_fit_by_brute_force(shapes, num_shapes)
    assert 0.995 * best <= fit <= best + 1e-9  # a partition that no start leads to may fit better


@given(shape_arrays(4, 12), st.randoms(use_true_random=False))
def test_the_order_of_the_shapes_makes_no_difference(shapes, random):
    num_shapes = min(3, len(np.unique(shapes, axis=0)))
    expected = suggest_shapes(shapes, num_shapes)
    order = random.sample(range(len(shapes)), len(shapes))
    np.testing.assert_array_equal(suggest_shapes(shapes[order], num_shapes), expected)


def test_suggestions_do_not_depend_on_the_global_random_state_and_come_by_area():
    shapes = np.random.default_rng(0).uniform(0.05, 0.8, (60, 2))
    first = suggest_shapes(shapes, 5)
    np.random.seed(1)
    np.testing.assert_array_equal(suggest_shapes(shapes, 5), first)
    assert (np.diff(first.prod(axis=1)) > 0).all()


def test_more_starts_and_more_clusters_never_fit_worse():
    shapes = np.random.default_rng(1).uniform(0.05, 0.8, (60, 2))
    one, ten = (
        [mean_fit(shapes, suggest_shapes(shapes, 5, seed, n)) for seed in range(5)] for n in (1, 10)
    )
    assert np.less_equal(one, ten).all() and sum(one) < sum(ten)
    fits = [mean_fit(shapes, suggest_shapes(shapes, n)) for n in (1, 2, 4, 8, 16)]
    assert fits == sorted(fits)


def test_too_few_different_shapes_and_shapes_without_area_are_refused():
    with pytest.raises(ValueError, match="3 clusters need as many shapes; 2 differ"):
        suggest_shapes([[0.1, 0.2], [0.1, 0.2], [0.3, 0.2]], 3)
    with pytest.raises(ValueError, match="no area"):
        suggest_shapes([[0.1, 0.2], [0.1, 0]], 1)
