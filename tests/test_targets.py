"""Targets: worked out by hand, and against MXNet's operator on random anchors and objects."""

from utils.anchors import multibox_prior
from utils.boxes import box_iou, corner_to_center, decode_offsets
from utils.ssd300 import SSD, SSD300
from utils.targets import (
    LEAST_LABEL_ROWS,
    MATCH_THRESHOLD,
    assign_image_targets,
    assign_targets,
    bipartite_match,
    match_anchors,
    multibox_target,
    threshold_match,
)

import numpy as np
import pytest
from gluoncv.model_zoo.ssd.target import SSDTargetGenerator
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mxnet import autograd, nd
from mxnet.base import MXNetError
from strategies import free_boxes, grid_boxes, labels

NUM_ANCHORS = st.integers(1, 20)
# Thresholds that overlaps on the grid often hit exactly, and others.
THRESHOLDS = st.sampled_from([0.5, 0.25, 0.75, 0.3, 0.7])
ASSIGNMENTS = [assign_targets, multibox_target]


# Anchors by objects: two objects want anchor 0, the last one has a poor anchor only.
OVERLAPS = nd.array([[0.6, 0.7, 0], [0.5, 0, 0.1], [0, 0.6, 0], [0, 0, 0.2], [0, 0, 0]])


def test_each_object_gets_one_anchor_the_best_pair_first():
    assert bipartite_match(OVERLAPS).asnumpy().tolist() == [1, 0, -1, 2, -1]
    assert bipartite_match(OVERLAPS * 1e-6).asnumpy().tolist() == [-1] * 5


def test_anchors_above_the_threshold_take_what_they_overlap_most():
    assert threshold_match(OVERLAPS).asnumpy().tolist() == [1, -1, 1, -1, -1]
    assert threshold_match(OVERLAPS, 0.1).asnumpy().tolist() == [1, 0, 1, 2, -1]


def operator_targets(anchors, labels, threshold):
    """Return what MXNet's operator says, with object-free images as background."""
    scores = nd.zeros((labels.shape[0], 4, anchors.shape[1]))
    box_targets, box_masks, cls_targets = nd.contrib.MultiBoxTarget(
        anchors, labels, scores, overlap_threshold=threshold
    )
    return box_targets, box_masks, nd.relu(cls_targets)


def assert_same_targets(actual, expected):
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        one, other = one.asnumpy(), other.asnumpy()
        # Offsets of a tiny anchor reach hundreds, of which float32 keeps seven digits.
        scale = np.maximum(1, np.abs(other))
        np.testing.assert_allclose(one / scale, other / scale, rtol=0, atol=1e-5)


# --- By hand --------------------------------------------------------------------------------------


def test_every_object_takes_its_best_anchor_the_best_pair_first():
    anchors = nd.array([[0, 0, 0.5, 1], [0, 0, 0.5, 0.5], [0.75, 0.75, 1, 1]])
    boxes = nd.array([[0, 0, 0.5, 0.75], [0, 0, 0.5, 0.875]])
    # IoU: 3/4, 2/3, 0 with the first box and 7/8, 4/7, 0 with the second. Both like the first
    # anchor best. The second box gets it, and the first has to take the second anchor.
    assert match_anchors(anchors, boxes).asnumpy().tolist() == [1, 0, -1]


def test_match_is_forced_below_the_threshold_but_not_without_overlap():
    anchors = nd.array([[0, 0, 1, 1], [0.5, 0, 1, 1]])
    assert match_anchors(anchors, nd.array([[0, 0, 0.1, 0.1]])).asnumpy().tolist() == [0, -1]
    assert match_anchors(anchors[1:], nd.array([[0, 0, 0.5, 1]])).asnumpy().tolist() == [-1]


def test_overlap_of_exactly_the_threshold_is_background():
    # The first anchor is the best one and taken; the second overlaps by a half, the third by more.
    anchors = nd.array([[0, 0, 1, 1], [0, 0, 1, 0.5], [0, 0, 1, 0.625]])
    box = nd.array([[0, 0, 1, 1]])
    assert match_anchors(anchors, box).asnumpy().tolist() == [0, -1, 0]
    assert match_anchors(anchors, box, threshold=0.49).asnumpy().tolist() == [0, 0, 0]


@pytest.mark.parametrize("assign", ASSIGNMENTS)
def test_targets_by_hand(assign):
    anchors = nd.array([[[0, 0, 0.5, 0.5], [0.2, 0.2, 0.6, 0.4], [0.5, 0.5, 1, 1]]])
    rows = [[2, 0.1, 0.1, 0.9, 0.7], [0, 0, 0, 0.5, 0.5], [-1] * 5]
    box_targets, box_masks, cls_targets = assign(anchors, nd.array([rows]))
    # The first anchor is the second object. The other object (centre .5, .4, size .8 x .6) fits
    # the third anchor best: IoU .08 / (.48 + .25 - .08), against 1/6 with the second anchor.
    assert cls_targets.asnumpy().tolist() == [[1, 3, 0]]
    np.testing.assert_array_equal(box_masks.asnumpy(), [[1] * 4 + [1] * 4 + [0] * 4])
    expected = [[0] * 4 + [2.5, 5, np.log(2) / 0.2, np.log(3) / 0.2] + [0] * 4]
    np.testing.assert_allclose(box_targets.asnumpy(), expected, atol=1e-5)


@pytest.mark.parametrize("assign", ASSIGNMENTS)
def test_image_without_objects_is_all_background(assign):
    anchors = multibox_prior(2, 2, (0.5,), (1,))
    with_object = [[0, 0.1, 0.1, 0.4, 0.4], [-1] * 5]
    without = [[-1] * 5] * 2
    for rows, num_positives in ([without], [0]), ([with_object, without, with_object], [1, 0, 1]):
        box_targets, box_masks, cls_targets = assign(anchors, nd.array(rows))
        assert cls_targets.min().asscalar() == 0  # none is ignored
        assert (cls_targets > 0).sum(axis=1).asnumpy().tolist() == num_positives
        assert (box_masks.sum(axis=1) / 4).asnumpy().tolist() == num_positives
        assert np.isfinite(box_targets.asnumpy()).all()


@pytest.mark.parametrize("assign", ASSIGNMENTS)
@pytest.mark.parametrize("box", [(0.2, 0.2, 0.2, 0.5), (0.3, 0.3, 0.3, 0.3), (0.6, 0.6, 0.2, 0.2)])
def test_object_without_area_gives_background_and_no_nan(assign, box):
    anchors = multibox_prior(2, 2, (0.5,), (1,))
    for targets in assign(anchors, nd.array([[[0, *box]]])):
        np.testing.assert_array_equal(targets.asnumpy(), 0)


@pytest.mark.parametrize("assign", ASSIGNMENTS)
def test_targets_can_be_assigned_while_recording_and_have_no_gradient(assign):
    anchors = multibox_prior(2, 2, (0.5,), (1,))
    anchors.attach_grad()
    with autograd.record():
        targets = assign(anchors * 1, nd.array([[[0, 0.1, 0.1, 0.4, 0.4]]]))
    for target in targets:
        with pytest.raises(MXNetError, match="not in a computational graph"):
            target.backward()


def test_offsets_lead_back_to_the_objects():
    anchors = multibox_prior(4, 4, (0.2, 0.4), (1, 2, 0.5))
    objects = [[0, 0.1, 0.2, 0.35, 0.5], [1, 0.5, 0.4, 0.9, 0.95]]
    box_targets, _, cls_targets = assign_targets(anchors, nd.array([objects]))
    boxes = decode_offsets(box_targets.reshape((-1, 4)), anchors[0]).asnumpy()
    for class_id, *box in objects:
        positives = boxes[cls_targets[0].asnumpy() == class_id + 1]
        assert len(positives) > 0
        np.testing.assert_allclose(positives, [box] * len(positives), atol=1e-6)


# --- Against the operator -------------------------------------------------------------------------


@settings(max_examples=60)
@given(NUM_ANCHORS.flatmap(grid_boxes), labels(), THRESHOLDS)
def test_targets_equal_the_operator_also_in_ties(anchors, labels, threshold):
    """With up to five objects and one anchor at least, objects can outnumber the anchors."""
    anchors, labels = nd.array(anchors).expand_dims(0), nd.array(labels)
    expected = operator_targets(anchors, labels, threshold)
    assert_same_targets(assign_targets(anchors, labels, threshold), expected)
    assert_same_targets(multibox_target(anchors, labels, threshold), expected)


@settings(max_examples=60)
@given(NUM_ANCHORS.flatmap(free_boxes), labels(boxes=free_boxes))
def test_targets_of_any_boxes_equal_the_operator(anchors, labels):
    """Overlaps so close to a decision that rounding makes it are left out."""
    for rows in labels:
        objects = rows[rows[:, 0] >= 0, 1:]
        if len(objects):
            iou = np.sort(box_iou(nd.array(anchors), nd.array(objects)).asnumpy(), axis=None)
            overlaps = iou[iou > 0]
            assume((np.diff(overlaps) > 1e-5).all())
            assume((overlaps > 1e-5).all())
            assume((np.abs(overlaps - MATCH_THRESHOLD) > 1e-5).all())
    anchors, labels = nd.array(anchors).expand_dims(0), nd.array(labels)
    expected = operator_targets(anchors, labels, MATCH_THRESHOLD)
    assert_same_targets(assign_targets(anchors, labels), expected)
    assert_same_targets(multibox_target(anchors, labels), expected)


def test_targets_of_the_anchors_of_a_map_equal_the_operator():
    random = np.random.default_rng(0)
    anchors = multibox_prior(8, 6, (0.2, 0.272), (1, 2, 0.5))
    corners = random.random((4, 3, 2)) * 0.6
    boxes = np.concatenate([corners, corners + random.uniform(0.1, 0.4, (4, 3, 2))], axis=-1)
    labels = nd.array(np.concatenate([random.integers(0, 3, (4, 3, 1)), boxes], axis=-1))
    expected = operator_targets(anchors, labels, MATCH_THRESHOLD)
    assert (expected[2] > 0).sum().asscalar() >= 12
    assert_same_targets(assign_targets(anchors, labels), expected)


@settings(max_examples=20)
@given(NUM_ANCHORS.flatmap(grid_boxes), labels(num_images=3))
def test_batch_equals_one_by_one(anchors, labels):
    anchors, labels = nd.array(anchors).expand_dims(0), nd.array(labels)
    batch = assign_targets(anchors, labels)
    for index in range(3):
        one = assign_image_targets(anchors[0], labels[index])
        assert_same_targets(
            [targets[index] for targets in batch],
            [one[0].reshape((-1,)), one[1].reshape((-1,)), one[2]],
        )


@settings(max_examples=20)
@given(NUM_ANCHORS.flatmap(grid_boxes), labels(num_rows=2))
def test_more_padding_changes_nothing(anchors, labels):
    anchors = nd.array(anchors).expand_dims(0)
    padded = np.concatenate([labels, np.full((2, 3, 5), -1, dtype=np.float32)], axis=1)
    for assign in ASSIGNMENTS:
        assert_same_targets(assign(anchors, nd.array(padded)), assign(anchors, nd.array(labels)))


@pytest.mark.parametrize("num_rows", [1, 2, 3, 4])
def test_the_operator_never_has_fewer_rows_than_its_device_wants(num_rows, monkeypatch):
    """The CPU stands in for a device that wants three; the targets must stay the same."""
    random, anchors = np.random.default_rng(0), multibox_prior(4, 4, (0.3, 0.5), (1, 2, 0.5))
    corners = random.random((4, num_rows, 2)) * 0.5
    boxes = np.concatenate([corners, corners + random.uniform(0.2, 0.5, corners.shape)], axis=-1)
    labels = nd.array(np.concatenate([random.integers(0, 3, (4, num_rows, 1)), boxes], axis=-1))
    labels[1] = -1  # an image without objects
    operator, shapes = nd.contrib.MultiBoxTarget, []

    def watched(anchors, labels, scores, **options):
        shapes.append(labels.shape)
        return operator(anchors, labels, scores, **options)

    monkeypatch.setattr(nd.contrib, "MultiBoxTarget", watched)
    expected = multibox_target(anchors, labels)
    monkeypatch.setitem(LEAST_LABEL_ROWS, "cpu", LEAST_LABEL_ROWS["gpu"])
    padded = multibox_target(anchors, labels)
    assert shapes == [(4, num_rows, 5), (4, max(num_rows, 3), 5)]
    assert (expected[2] > 0).sum().asscalar() >= 3
    for one, other in zip(padded, expected, strict=True):
        np.testing.assert_array_equal(one.asnumpy(), other.asnumpy())


@pytest.mark.parametrize("assign", ASSIGNMENTS)
def test_offsets_are_over_the_variances_that_are_given(assign):
    anchors, labels = nd.array([[[0.2, 0.2, 0.6, 0.4]]]), nd.array([[[0, 0.1, 0.1, 0.9, 0.7]]])
    # Shifts of .1/.4 and .1/.2, ratios 2 and 3.
    box_targets, _, _ = assign(anchors, labels, variances=(1, 0.5, 0.25, 2))
    expected = [[0.25, 1, np.log(2) / 0.25, np.log(3) / 2]]
    np.testing.assert_allclose(box_targets.asnumpy(), expected, atol=1e-5)


# --- Against GluonCV ------------------------------------------------------------------------------


def gluoncv_targets(anchors, labels):
    """Return what GluonCV's target generator for SSD says, without mining."""
    generate = SSDTargetGenerator(negative_mining_ratio=0)
    boxes, ids = labels[:, :, 1:], labels[:, :, :1]
    cls_targets, box_targets, box_masks = generate(corner_to_center(anchors), None, boxes, ids)
    return box_targets.flatten(), box_masks.flatten(), cls_targets


def has_rival(values, number, margin=1e-6):
    """Tell whether another value comes within a margin of a number."""
    return (abs(values - number) < margin).sum() > 1


@settings(max_examples=60)
@given(free_boxes(12), free_boxes(3))
def test_targets_equal_those_of_gluoncv(anchors, boxes):
    """Ties apart: there GluonCV gives an object all of its best anchors, the operator the first."""
    iou = box_iou(nd.array(anchors), nd.array(boxes)).asnumpy()
    assume((iou.max(axis=0) > 1e-3).all() and (abs(iou - MATCH_THRESHOLD) > 1e-6).all())
    assume(not any(has_rival(column, column.max()) for column in iou.T))
    assume(not any(has_rival(row, row.max()) for row in iou if row.max() > 0))
    ids = np.arange(len(boxes), dtype=np.float32)[:, np.newaxis]
    anchors = nd.array(anchors).expand_dims(0)
    labels = nd.array(np.concatenate([ids, boxes], axis=1)).expand_dims(0)
    assert_same_targets(multibox_target(anchors, labels), gluoncv_targets(anchors, labels))


def test_targets_of_all_anchors_of_ssd300_equal_those_of_gluoncv():
    net = SSD(2, SSD300, width=1 / 16)
    net.initialize()
    anchors = net(nd.zeros((1, 3, 300, 300)))[0]
    rows = [[[0, 0.103, 0.211, 0.417, 0.629], [1, 0.52, 0.31, 0.97, 0.88]]]
    labels = nd.array(rows + [[[1, 0.013, 0.024, 0.137, 0.198], [0, 0.61, 0.07, 0.94, 0.39]]])
    targets = multibox_target(anchors, labels)
    assert_same_targets(targets, gluoncv_targets(anchors, labels))
    assert (targets[2] > 0).sum().asscalar() > 20
