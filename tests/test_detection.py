"""Detection: worked out by hand, and against MXNet's operator on random predictions."""

from types import SimpleNamespace

from utils import detection
from utils.anchors import multibox_prior
from utils.boxes import box_iou, clip_boxes, decode_offsets
from utils.comparison import assert_same_detections
from utils.data import DetectionDataset, normalize
from utils.detection import (
    EVALUATION_BATCH,
    NMS_THRESHOLD,
    Detector,
    decode_detections,
    detect,
    detect_dataset,
    multibox_detection,
    non_maximum_suppression,
    preprocess,
)
from utils.ssd import toy_ssd

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from mxnet import gluon, nd
from strategies import free_boxes, grid_boxes, values

NUM_ANCHORS = st.integers(1, 20)
NUM_CLASSES = 3
# With offsets of 0 and anchors on the grid, overlaps often hit these exactly; .4 never.
NMS_THRESHOLDS = st.sampled_from([0.5, 0.25, 0.75, 0.4])


def both(anchors, cls_preds, box_preds, **thresholds):
    """Return the detections of one image from scratch and by the operator."""
    anchors, cls_preds, box_preds = map(nd.array, (anchors, cls_preds, box_preds))
    batch = [array.expand_dims(0) for array in (anchors, cls_preds, box_preds)]
    return (
        decode_detections(anchors, cls_preds, box_preds, **thresholds),
        multibox_detection(*batch, **thresholds)[0],
    )


def logits_of(probabilities):
    return np.log(np.maximum(np.array(probabilities, dtype=np.float32), 1e-30))


# --- Non-maximum suppression ----------------------------------------------------------------------


def test_suppressed_box_suppresses_nothing():
    # Each overlaps the next by 1/3: the second goes, so the third stays.
    boxes = nd.array([[0, 0, 0.5, 1], [0.25, 0, 0.75, 1], [0.5, 0, 1, 1]])
    assert non_maximum_suppression(boxes, 0.3) == [0, 2]
    assert non_maximum_suppression(boxes, 0.4) == [0, 1, 2]


def test_overlap_of_exactly_the_threshold_is_suppressed():
    boxes = nd.array([[0, 0, 1, 1], [0, 0, 1, 0.5]])
    assert non_maximum_suppression(boxes, 0.5) == [0]
    assert non_maximum_suppression(boxes, 0.51) == [0, 1]


def test_single_box_stays():
    assert non_maximum_suppression(nd.array([[0.1, 0.1, 0.2, 0.2]])) == [0]


@settings(max_examples=40)
@given(NUM_ANCHORS.flatmap(grid_boxes), NMS_THRESHOLDS)
def test_survivors_do_not_overlap_and_cover_the_rest(boxes, threshold):
    keep = non_maximum_suppression(nd.array(boxes), threshold)
    iou = box_iou(nd.array(boxes), nd.array(boxes)).asnumpy()
    assert keep == sorted(keep) and keep[0] == 0
    assert (iou[np.ix_(keep, keep)] - np.eye(len(keep)) < threshold).all()
    for row in set(range(len(boxes))) - set(keep):
        assert any(iou[row, better] >= threshold for better in keep if better < row)
    assert non_maximum_suppression(nd.array(boxes[keep]), threshold) == list(range(len(keep)))


# --- Decoding by hand -----------------------------------------------------------------------------


def test_detections_by_hand():
    anchors = [[0, 0, 0.5, 0.5], [0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0, 0, 0.5, 0.5]]
    # Background first. Two see class 0 at the same place; the third sees class 1; the fourth is
    # sure of background, but what it reports is its best class, 1, and no class 1 is near it.
    probabilities = [[0.1, 0.7, 0.2], [0.1, 0.8, 0.1], [0.3, 0.1, 0.6], [0.96, 0.01, 0.03]]
    box_preds = np.zeros(16)
    box_preds[8:12] = [1, 0, np.log(2) / 0.2, 0]  # a tenth to the right, twice as wide: clipped
    expected = [
        [0, 0.8, 0, 0, 0.5, 0.5],
        [1, 0.6, 0.3, 0.5, 1, 1],
        [1, 0.03, 0, 0, 0.5, 0.5],
    ]
    for rows in both(anchors, logits_of(probabilities), box_preds):
        np.testing.assert_allclose(rows, expected, atol=1e-6)
    for rows in both(anchors, logits_of(probabilities), box_preds, score_threshold=0.7):
        np.testing.assert_allclose(rows, expected[:1], atol=1e-6)


def test_score_of_exactly_the_threshold_counts():
    anchors, offsets = [[0, 0, 0.5, 0.5]], np.zeros(4)
    for rows in both(anchors, [[0.0, 0.0]], offsets, score_threshold=0.5):
        assert len(rows) == 1
    for rows in both(anchors, [[0.0, 0.0]], offsets, score_threshold=0.5001):
        assert rows.shape == (0, 6)


def test_image_in_which_nothing_is_seen():
    for rows in both([[0, 0, 0.5, 0.5]] * 2, [[20.0, 0.0]] * 2, np.zeros(8)):
        assert rows.shape == (0, 6)


def test_of_equal_scores_the_first_anchor_comes_first():
    anchors = np.array([[0.01 * i, 0, 0.5 + 0.01 * i, 0.5] for i in range(40)])
    for rows in both(anchors, [[0.0, 30.0]] * 40, np.zeros(160)):
        assert (rows[:, 1] == 1).all()  # saturated, as those of a well-trained network are
        np.testing.assert_allclose(rows[0, 2:], anchors[0], atol=1e-6)


def test_candidates_and_detections_are_limited(monkeypatch):
    anchors = multibox_prior(30, 20, (0.01,), (1,))[0].asnumpy()  # 600 that do not overlap
    logits = np.stack([np.zeros(600), np.random.default_rng(0).permutation(600) / 100], axis=1)
    arguments = anchors, logits, np.zeros(2400)
    assert detection.NMS_CANDIDATES == 400 and detection.MAX_DETECTIONS == 200
    for rows in both(*arguments):
        assert len(rows) == 200 and rows[0, 1] == rows[:, 1].max()
    monkeypatch.setattr(detection, "MAX_DETECTIONS", 600)
    from_scratch, by_operator = both(*arguments)
    assert len(by_operator) == 400
    assert_same_detections(from_scratch, by_operator, atol=1e-5)


# --- Against the operator -------------------------------------------------------------------------


@st.composite
def predictions_on_the_grid(draw):
    """Draw anchors on the grid and no offsets, so that every decision is exact, ties included."""
    anchors = draw(NUM_ANCHORS.flatmap(grid_boxes))
    shape = (len(anchors), NUM_CLASSES + 1)
    logits = draw(values(shape).map(np.round))
    return anchors, logits, np.zeros(4 * len(anchors), dtype=np.float32)


@settings(max_examples=60)
@given(predictions_on_the_grid(), st.sampled_from([0.01, 0.25, 0.5]), NMS_THRESHOLDS)
def test_detections_equal_the_operator_also_in_ties(predictions, score_threshold, nms_threshold):
    thresholds = {"score_threshold": score_threshold, "nms_threshold": nms_threshold}
    assert_same_detections(*both(*predictions, **thresholds), atol=1e-5)


@st.composite
def any_predictions(draw):
    anchors = draw(NUM_ANCHORS.flatmap(free_boxes))
    return anchors, draw(values((len(anchors), NUM_CLASSES + 1))), draw(values(4 * len(anchors), 2))


@settings(max_examples=60)
@given(any_predictions())
def test_detections_of_any_predictions_equal_the_operator(predictions):
    """Overlaps and scores so close to a threshold that rounding decides are left out."""
    anchors, logits, offsets = map(nd.array, predictions)
    boxes = clip_boxes(decode_offsets(offsets.reshape((-1, 4)), anchors))
    overlaps = box_iou(boxes, boxes).asnumpy()
    assume((np.abs(overlaps - NMS_THRESHOLD) > 1e-4).all())
    scores = nd.softmax(logits, axis=-1).asnumpy()
    assume((np.abs(scores - detection.SCORE_THRESHOLD) > 1e-5).all())
    assert_same_detections(*both(*predictions), atol=1e-5)


def test_batch_equals_one_by_one():
    random = np.random.default_rng(0)
    anchors = multibox_prior(4, 4, (0.2, 0.4), (1, 2, 0.5))
    cls_preds = nd.array(random.normal(size=(3, anchors.shape[1], 4)))
    box_preds = nd.array(random.normal(size=(3, 4 * anchors.shape[1])))
    batch = multibox_detection(anchors, cls_preds, box_preds)
    assert len(batch) == 3
    for index, rows in enumerate(batch):
        assert len(rows) > 0 and (np.diff(rows[:, 1]) <= 0).all()
        one = slice(index, index + 1)
        (alone,) = multibox_detection(anchors, cls_preds[one], box_preds[one])
        assert_same_detections(rows, alone, atol=1e-5)
        from_scratch = decode_detections(anchors[0], cls_preds[index], box_preds[index])
        assert_same_detections(from_scratch, rows, atol=1e-5)


# --- From image to objects ------------------------------------------------------------------------


def test_preprocessing_resizes_normalises_and_puts_channels_first():
    image = np.full((20, 50, 3), (10, 120, 250), dtype=np.uint8)
    x = preprocess(image, 64)
    assert x.shape == (1, 3, 64, 64) and x.dtype == np.float32
    expected = normalize(nd.array(image[np.newaxis, :1, :1], dtype=np.uint8))
    np.testing.assert_allclose(x.asnumpy(), np.broadcast_to(expected.asnumpy(), x.shape))


class TwoAnchorNet(gluon.Block):
    """Sees class 1 in one anchor and, less surely, class 0 in the other; keeps its input."""

    def __init__(self):
        super().__init__()
        self.logits = self.params.get("logits", shape=(1, 2, 3))
        self.initialize()
        self.logits.set_data(nd.array([logits_of([[0.4, 0.6, 0], [0.1, 0, 0.9]])]))

    def forward(self, x):
        self.input_shape = x.shape
        anchors = nd.array([[[0, 0, 0.5, 0.5], [0.5, 0.25, 1.25, 1]]])
        return anchors, self.logits.data(), nd.zeros((1, 8))


def test_detect_returns_pixels_of_the_original_image():
    detector = Detector(TwoAnchorNet(), ("cat", "dog"), image_size=32)
    rows = detect(np.zeros((100, 200, 3), dtype=np.uint8), detector)  # height 100, width 200
    assert detector.net.input_shape == (1, 3, 32, 32)
    expected = [[1, 0.9, 100, 25, 200, 100], [0, 0.6, 0, 0, 100, 50]]
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


@pytest.mark.parametrize("score_threshold, count", [(0.5, 2), (0.7, 1), (0.95, 0)])
def test_detect_leaves_out_what_is_less_sure(score_threshold, count):
    detector = Detector(TwoAnchorNet(), ("cat", "dog"), image_size=32)
    image = np.zeros((32, 32, 3), dtype=np.uint8)
    assert len(detect(image, detector, score_threshold)) == count


def test_detections_of_a_data_set_are_kept_from_the_score_of_the_protocol_on():
    detector = Detector(TwoAnchorNet(), ("cat", "dog"), image_size=32)
    logits = logits_of([[0.7, 0.3, 0], [0.98, 0, 0.02]])
    detector.net.logits.set_data(nd.array([logits]))
    image = np.zeros((100, 200, 3), dtype=np.uint8)
    (rows,) = detect_dataset(detector, DetectionDataset([(image, np.zeros((0, 5)))], "ab"))
    expected = [[0, 0.3, 0, 0, 0.5, 0.5], [1, 0.02, 0.5, 0.25, 1, 1]]  # fractions of the image
    np.testing.assert_allclose(rows, expected, atol=1e-6)


def test_a_data_set_is_decoded_in_batches_whose_memory_is_known():
    """`single_shot.memory` counts on these batches, whose decoding it measured."""
    net, sizes = toy_ssd(1), []
    net.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    samples = [(np.zeros((64, 64, 3), np.uint8), np.zeros((0, 5)))] * 17
    detect_dataset(Detector(net, ("cat",), 64), DetectionDataset(samples, ("cat",)))
    assert sizes == [8, 8, 1] and EVALUATION_BATCH == 8


def test_difficult_objects_neither_count_nor_hurt(monkeypatch):
    rows = np.array([[0, 0.9, 0.1, 0.1, 0.4, 0.4], [0, 0.8, 0.6, 0.6, 0.9, 0.9]])
    boxes = [np.array([[0, 0.1, 0.1, 0.4, 0.4], [0, 0.1, 0.6, 0.4, 0.9], [0, 0.6, 0.6, 0.9, 0.9]])]
    monkeypatch.setattr(detection, "detect_dataset", lambda *_: [rows])
    data = SimpleNamespace(labels=boxes, class_names=("cat",), difficult=[np.zeros(3, bool)])
    assert detection.evaluate_detector(None, data).ap50 == pytest.approx(67 / 101)
    data.difficult = [np.array([False, True, False])]  # the one that is missed
    assert detection.evaluate_detector(None, data).ap50 == 1


def test_many_classes_take_the_memory_of_one_image(monkeypatch):
    """What is decoded at once must not grow with the number of images."""
    sizes, box_nms = [], nd.contrib.box_nms

    def measured(rows, **options):
        sizes.append(rows.size)
        return box_nms(rows, **options)

    monkeypatch.setattr(nd.contrib, "box_nms", measured)
    anchors = multibox_prior(4, 4, (0.2, 0.4), (1, 2))
    num_anchors = anchors.shape[1]
    logits = nd.random.normal(shape=(7, num_anchors, 81))
    rows = detection.per_class_detection(anchors, logits, nd.zeros((7, 4 * num_anchors)))
    assert len(rows) == 7 and max(sizes) == 80 * num_anchors * 5
