"""Anchors: worked out by hand, against MXNet's operator, and how well they cover objects."""

from utils.anchors import anchor_shapes, coverage, multibox_prior
from utils.boxes import corner_to_center

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mxnet import nd

SIZES = st.lists(st.floats(0.05, 1.5), min_size=1, max_size=4)
RATIOS = st.lists(st.floats(0.2, 5), min_size=1, max_size=4)
SIDES = st.integers(1, 9)


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
