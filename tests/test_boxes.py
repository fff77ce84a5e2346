"""Boxes: worked out by hand, against MXNet's operator and GluonCV, and by their properties."""

from utils.boxes import (
    VARIANCES,
    box_area,
    box_iou,
    center_to_corner,
    clip_boxes,
    corner_to_center,
    decode_offsets,
    encode_offsets,
)

import numpy as np
import pytest
from gluoncv.nn.bbox import BBoxArea, BBoxCenterToCorner, BBoxCornerToCenter
from gluoncv.nn.coder import NormalizedBoxCenterDecoder, NormalizedBoxCenterEncoder
from gluoncv.utils.bbox import bbox_iou
from hypothesis import given, settings
from hypothesis import strategies as st
from mxnet import nd
from mxnet.base import MXNetError
from strategies import free_boxes, grid_boxes, values

COUNTS = st.integers(1, 6)
BOXES = COUNTS.flatmap(free_boxes)
# For pairs, boxes on the grid: equal, touching and enclosing ones are common among them.
GRID_BOXES = COUNTS.flatmap(grid_boxes)
TWO_BOXES = COUNTS.flatmap(lambda count: st.tuples(free_boxes(count), free_boxes(count)))


def assert_close(actual, expected, atol=1e-5):
    np.testing.assert_allclose(actual.asnumpy(), expected, rtol=0, atol=atol)


# --- The two forms, areas, clipping ---------------------------------------------------------------


def test_forms_by_hand():
    corner = nd.array([[0.1, 0.2, 0.5, 0.4], [0, 0, 1, 1]])
    center = nd.array([[0.3, 0.3, 0.4, 0.2], [0.5, 0.5, 1, 1]])
    assert_close(corner_to_center(corner), center.asnumpy(), 1e-7)
    assert_close(center_to_corner(center), corner.asnumpy(), 1e-7)


@given(BOXES)
def test_forms_undo_each_other_and_equal_those_of_gluoncv(boxes):
    center = corner_to_center(nd.array(boxes))
    assert_close(center_to_corner(center), boxes, 1e-6)
    assert_close(center, BBoxCornerToCenter()(nd.array(boxes)).asnumpy(), 1e-6)
    assert_close(center_to_corner(center), BBoxCenterToCorner()(center).asnumpy(), 1e-6)


def test_leading_axes_are_kept():
    boxes = nd.array(np.random.default_rng(0).random((2, 3, 4)))
    for function, shape in [
        (corner_to_center, (2, 3, 4)),
        (center_to_corner, (2, 3, 4)),
        (clip_boxes, (2, 3, 4)),
        (box_area, (2, 3)),
    ]:
        result = function(boxes)
        assert result.shape == shape
        for image in range(2):
            assert_close(result[image], function(boxes[image]).asnumpy(), 0)


def test_area_by_hand():
    boxes = nd.array(
        [[0, 0, 1, 1], [0.25, 0.5, 0.75, 0.75], [0.5, 0, 0.5, 1], [0.8, 0.1, 0.2, 0.9]]
    )
    # all; a half by a quarter; a line; left and right exchanged
    assert_close(box_area(boxes), [1, 0.125, 0, 0], 0)


@given(BOXES)
def test_area_equals_that_of_gluoncv(boxes):
    assert_close(box_area(nd.array(boxes)), BBoxArea()(nd.array(boxes)).asnumpy()[:, 0])


def test_a_box_reversed_on_both_sides_has_no_area():
    assert box_area(nd.array([[0.9, 0.9, 0.1, 0.1]])).asscalar() == 0


def test_clipping_by_hand():
    boxes = nd.array([[-0.5, 0.25, 0.5, 1.5], [0, 0.25, 0.5, 1], [1.25, 1.25, 2, 2]])
    assert_close(clip_boxes(boxes), [[0, 0.25, 0.5, 1], [0, 0.25, 0.5, 1], [1, 1, 1, 1]], 0)


# --- Intersection over union ----------------------------------------------------------------------


def test_iou_by_hand():
    boxes_a = nd.array([[0, 0, 0.5, 0.5], [0.25, 0.25, 0.75, 0.75]])
    boxes_b = nd.array([[0, 0, 0.5, 0.5], [0, 0, 1, 1], [0.5, 0, 1, 0.5]])
    # Of the second box and the first: 1/16 shared, 1/4 + 1/4 - 1/16 = 7/16 covered.
    expected = [[1, 1 / 4, 0], [1 / 7, 1 / 4, 1 / 7]]
    assert_close(box_iou(boxes_a, boxes_b), expected, 1e-7)


def test_iou_of_boxes_without_area_is_zero():
    point, line = [0.5, 0.5, 0.5, 0.5], [0.2, 0.2, 0.2, 0.8]
    boxes = nd.array([point, line, [0, 0, 1, 1]])
    assert_close(box_iou(boxes, boxes), np.diag([0, 0, 1]), 0)


@given(GRID_BOXES, GRID_BOXES)
def test_iou_of_grid_boxes_equals_the_operator_and_gluoncv(boxes_a, boxes_b):
    iou = box_iou(nd.array(boxes_a), nd.array(boxes_b))
    assert_close(iou, nd.contrib.box_iou(nd.array(boxes_a), nd.array(boxes_b)).asnumpy(), 1e-6)
    assert_close(iou, bbox_iou(boxes_a, boxes_b), 1e-6)


@given(BOXES, BOXES)
def test_iou_of_any_boxes_equals_the_operator_and_gluoncv(boxes_a, boxes_b):
    iou = box_iou(nd.array(boxes_a), nd.array(boxes_b))
    assert_close(iou, nd.contrib.box_iou(nd.array(boxes_a), nd.array(boxes_b)).asnumpy())
    assert_close(iou, bbox_iou(boxes_a.astype(np.float64), boxes_b.astype(np.float64)))


@settings(max_examples=30)
@given(GRID_BOXES, GRID_BOXES)
def test_iou_is_symmetric_bounded_and_pairwise(boxes_a, boxes_b):
    a, b = nd.array(boxes_a), nd.array(boxes_b)
    iou = box_iou(a, b)
    assert iou.shape == (len(boxes_a), len(boxes_b))
    assert_close(iou, box_iou(b, a).asnumpy().T, 0)
    assert iou.min().asscalar() >= 0 and iou.max().asscalar() <= 1
    assert_close(nd.diag(box_iou(a, a)), np.ones(len(boxes_a)), 0)
    for row, box in enumerate(a):
        for column, other in enumerate(b):
            one = box_iou(box.expand_dims(0), other.expand_dims(0))
            assert_close(one, iou[row : row + 1, column : column + 1].asnumpy(), 0)


@given(GRID_BOXES, st.sampled_from([2, 64, 1024]))
def test_iou_does_not_depend_on_the_unit(boxes, pixels):
    in_pixels = nd.array(boxes) * pixels
    assert_close(
        box_iou(in_pixels, in_pixels), box_iou(nd.array(boxes), nd.array(boxes)).asnumpy(), 0
    )


# --- Offsets --------------------------------------------------------------------------------------


def test_offsets_by_hand():
    anchors = nd.array([[0.2, 0.2, 0.6, 0.4]])  # centre (.4, .3), size .4 x .2
    boxes = nd.array([[0.1, 0.1, 0.9, 0.7]])  # centre (.5, .4), size .8 x .6
    # Shifts of .1/.4 and .1/.2, ratios 2 and 3, over the variances .1, .1, .2, .2.
    expected = [[2.5, 5, np.log(2) / 0.2, np.log(3) / 0.2]]
    assert_close(encode_offsets(boxes, anchors), expected)
    assert_close(decode_offsets(nd.array(expected), anchors), boxes.asnumpy(), 1e-6)


def test_variances_are_those_of_ssd_and_can_be_left_out():
    assert VARIANCES == (0.1, 0.1, 0.2, 0.2)
    anchors, boxes = nd.array([[0, 0, 0.5, 0.5]]), nd.array([[0.25, 0, 1, 0.5]])
    plain = encode_offsets(boxes, anchors, variances=(1, 1, 1, 1))
    assert_close(plain, [[0.75, 0, np.log(1.5), 0]], 1e-6)
    assert_close(decode_offsets(plain, anchors, variances=(1, 1, 1, 1)), boxes.asnumpy(), 1e-6)


@given(TWO_BOXES)
def test_decoding_undoes_encoding(pair):
    boxes, anchors = map(nd.array, pair)
    assert_close(decode_offsets(encode_offsets(boxes, anchors), anchors), boxes.asnumpy())


@given(BOXES)
def test_no_offsets_lead_to_the_anchor_itself(anchors):
    anchors = nd.array(anchors)
    assert_close(encode_offsets(anchors, anchors), np.zeros(anchors.shape), 0)
    assert_close(decode_offsets(nd.zeros_like(anchors), anchors), anchors.asnumpy(), 1e-6)


@given(TWO_BOXES)
def test_offsets_equal_those_of_gluoncv(pair):
    boxes, anchors = (nd.array(array[np.newaxis]) for array in pair)
    matches = nd.arange(boxes.shape[1]).expand_dims(0)  # anchor i learns box i
    encoder = NormalizedBoxCenterEncoder(stds=VARIANCES)
    expected, _ = encoder(nd.ones_like(matches), matches, anchors, boxes)
    scale = max(1, abs(expected).max().asscalar())  # of a tiny anchor's offsets, up to hundreds
    assert_close(encode_offsets(boxes, anchors) / scale, expected.asnumpy() / scale)


@given(COUNTS.flatmap(lambda count: st.tuples(values((count, 4)), free_boxes(count))))
def test_decoding_equals_that_of_gluoncv(pair):
    offsets, anchors = map(nd.array, pair)
    decoder = NormalizedBoxCenterDecoder(stds=VARIANCES, convert_anchor=True)
    expected = decoder(offsets.expand_dims(0), anchors.expand_dims(0))[0]
    assert_close(decode_offsets(offsets, anchors), expected.asnumpy())


def test_offsets_do_not_depend_on_the_unit():
    random = np.random.default_rng(0)
    boxes, anchors = (nd.array(xy + [0, 0, 0.1, 0.1]) for xy in random.random((2, 9, 1)))
    in_pixels = encode_offsets(boxes * 256, anchors * 256)
    assert_close(in_pixels, encode_offsets(boxes, anchors).asnumpy(), 1e-4)


# --- No boxes -------------------------------------------------------------------------------------


def test_mxnet_has_no_arrays_without_rows():
    """A dimension of 0 stands for one not yet known, so that every array holds a box at least."""
    no_boxes, box = nd.array(np.zeros((0, 4))), nd.array([[0, 0, 1, 1]])
    for function in (corner_to_center, center_to_corner, box_area, clip_boxes):
        with pytest.raises(MXNetError):
            function(no_boxes)
    for first, second in ((no_boxes, box), (box, no_boxes)):
        with pytest.raises(MXNetError):
            box_iou(first, second)
