"""Scales: anchors to sizes, and detections back to the anchors that they come from."""

from utils.anchors import multibox_prior
from utils.comparison import assert_same_detections
from utils.detection import Detector, anchor_rows, decode_detections, detect_dataset
from utils.error_anatomy import anchor_scales, detect_with_scales, trace_detections
from utils.ssd import RATIOS, SIZES, toy_ssd

import numpy as np
import pytest
from mxnet import init, nd
from toy_data import rectangles

SIDES = (16, 8, 4, 2, 1)  # of the feature maps of an image of 128 pixels
PER_SCALE = [4 * side**2 for side in SIDES]


def toy_anchors():
    scales = [multibox_prior(side, side, sizes, RATIOS) for side, sizes in zip(SIDES, SIZES)]
    return nd.concat(*scales, dim=1)[0]


def random_predictions(num_classes=2, seed=0):
    """Return anchors and predictions of one image, from a fixed random stream."""
    random = np.random.default_rng(seed)
    anchors = toy_anchors()
    cls_preds = nd.array(random.normal(0, 2, (len(anchors), num_classes + 1)))
    return anchors, cls_preds, nd.array(random.normal(0, 1, 4 * len(anchors)))


def test_anchors_belong_to_the_scale_that_made_them():
    expected = np.repeat(np.arange(5), PER_SCALE)
    np.testing.assert_array_equal(anchor_scales(toy_anchors(), SIZES), expected)


def test_rows_by_hand():
    anchors = nd.array([[0.2, 0.2, 0.6, 0.6], [0.8, 0.8, 1.2, 1.2]])
    cls_preds = nd.array(np.log([[0.5, 0.2, 0.3], [0.1, 0.8, 0.1]]))
    rows = anchor_rows(anchors, cls_preds, nd.array([1, 0, 0, 0, 0, 0, 0, 0]))
    expected = [[1, 0.3, 0.24, 0.2, 0.64, 0.6], [0, 0.8, 0.8, 0.8, 1, 1]]
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_detections_are_the_rows_of_their_anchors():
    anchors, cls_preds, box_preds = random_predictions()
    rows = anchor_rows(anchors, cls_preds, box_preds)
    detections = decode_detections(anchors, cls_preds, box_preds)
    traced = trace_detections(detections, rows)
    assert len(set(traced)) == len(detections) > 50
    np.testing.assert_allclose(rows[traced], detections, atol=1e-6)


def test_chosen_rows_lead_back_to_their_anchors():
    rows = anchor_rows(*random_predictions())
    chosen = np.array([1300, 7, 512, 1363])
    np.testing.assert_array_equal(trace_detections(rows[chosen], rows), chosen)
    assert trace_detections(np.zeros((0, 6)), rows).shape == (0,)


def test_a_detection_of_another_network_is_refused():
    rows = anchor_rows(*random_predictions())
    other = decode_detections(*random_predictions(seed=1))
    with pytest.raises(ValueError, match="no anchor's"):
        trace_detections(other, rows)
    with pytest.raises(ValueError, match="no anchor's"):
        trace_detections(np.array([[0, 2.0, 0, 0, 1, 1]]), rows)


def test_a_data_set_gets_the_detections_of_detect_dataset_with_scales():
    dataset = rectangles(3)
    detector = Detector(toy_ssd(1, initializer=init.Normal(0.05)), dataset.class_names, 64)
    detections, scales = detect_with_scales(detector, dataset, batch_size=2)
    for found, expected, of_image in zip(detections, detect_dataset(detector, dataset), scales):
        assert_same_detections(found, expected, atol=1e-5)
        assert of_image.shape == (len(found),) and set(of_image) <= set(range(5))
