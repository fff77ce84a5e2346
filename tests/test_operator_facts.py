"""What the lessons and `utils` rely on in MXNet 1.9.1's operators, much of it written nowhere."""

import os
import subprocess
import sys

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd

ANCHORS = [[0, 0, 0.5, 0.5], [0.5, 0, 1, 0.5], [0, 0.5, 0.5, 1], [0.5, 0.5, 1, 1]]
PADDING = [-1] * 5
DEFAULT_VARIANCES = (0.1, 0.1, 0.2, 0.2)


def prior(height, width, **options):
    return nd.contrib.MultiBoxPrior(nd.zeros((2, 3, height, width)), **options).asnumpy()


def target(rows, anchors=ANCHORS, scores=None, **options):
    """Return box targets, masks and class targets of one image, as arrays."""
    scores = nd.zeros((1, 4, len(anchors))) if scores is None else nd.array(scores)
    outputs = nd.contrib.MultiBoxTarget(nd.array([anchors]), nd.array([rows]), scores, **options)
    return [output[0].asnumpy() for output in outputs]


def detection(probabilities, anchors=ANCHORS, offsets=None, **options):
    """Return the rows of one image; probabilities: (A, C), background first."""
    probabilities = nd.array(np.transpose([probabilities], (0, 2, 1)))
    offsets = nd.zeros((1, 4 * len(anchors))) if offsets is None else nd.array([offsets])
    anchors = nd.array([anchors])
    return nd.contrib.MultiBoxDetection(probabilities, offsets, anchors, **options)[0].asnumpy()


# --- MultiBoxPrior --------------------------------------------------------------------------------


def test_prior_pairs_sizes_with_the_first_ratio_and_the_first_size_with_the_rest():
    anchors = prior(1, 1, sizes=(0.2, 0.4), ratios=(1, 4))
    assert anchors.shape == (1, 3, 4)  # 2 + 2 - 1, and one set for the batch of two
    sides = anchors[0, :, 2:] - anchors[0, :, :2]
    np.testing.assert_allclose(sides, [[0.2, 0.2], [0.4, 0.4], [0.4, 0.1]], rtol=1e-6)


def test_prior_shapes_every_size_by_the_first_ratio():
    anchors = prior(1, 1, sizes=(0.2, 0.4), ratios=(4,))[0]
    sides = anchors[:, 2:] - anchors[:, :2]
    np.testing.assert_allclose(sides, [[0.4, 0.1], [0.8, 0.2]], rtol=1e-6)


def test_prior_goes_by_row_then_column():
    anchors = prior(2, 2, sizes=(0.5,), ratios=(1,))[0]
    np.testing.assert_allclose(anchors, ANCHORS)


def test_prior_size_is_a_fraction_of_the_height():
    anchors = prior(2, 4, sizes=(0.5,), ratios=(1,))[0]
    np.testing.assert_allclose(anchors[:, 2:] - anchors[:, :2], [[0.25, 0.5]] * 8, rtol=1e-6)


def test_prior_does_not_clip():
    assert prior(1, 1, sizes=(1.5,), ratios=(1,)).tolist() == [[[-0.25, -0.25, 1.25, 1.25]]]
    assert prior(1, 1, sizes=(1.5,), ratios=(1,), clip=True).tolist() == [[[0, 0, 1, 1]]]


# --- MultiBoxTarget -------------------------------------------------------------------------------


def test_target_defaults():
    anchors = [[0, 0, 1, 1], [0, 0, 1, 0.625], [0, 0, 1, 0.5], [0.1, 0.1, 0.4, 0.4]]
    rows = [[0, 0.1, 0.1, 0.9, 0.8], PADDING]
    spelled_out = target(
        rows,
        anchors,
        overlap_threshold=0.5,
        ignore_label=-1,
        negative_mining_ratio=-1,
        negative_mining_thresh=0.5,
        variances=DEFAULT_VARIANCES,
    )
    for default, explicit in zip(target(rows, anchors), spelled_out):
        np.testing.assert_array_equal(default, explicit)


def test_target_is_class_id_plus_one_and_background_zero():
    assert target([[2, *ANCHORS[1]], [0, *ANCHORS[3]]])[2].tolist() == [0, 3, 0, 1]


def test_target_wants_more_than_half_an_overlap():
    rows = [[0, 0, 0, 1, 1]]
    exactly_half, more = [0, 0, 1, 0.5], [0, 0, 1, 0.53125]
    anchors = [[0, 0, 1, 1], exactly_half, more]  # the first is the object's best
    assert target(rows, anchors)[2].tolist() == [1, 0, 1]


def test_target_forces_the_best_anchor_of_every_object():
    assert target([[0, 0.1, 0.1, 0.15, 0.15]])[2].tolist() == [1, 0, 0, 0]  # IoU .01
    assert target([[0, 0.1, 0.1, 0.1001, 0.1001]])[2].tolist() == [0, 0, 0, 0]  # IoU 4e-8
    # Both objects like the first anchor best. One to one, the better pair first: the object that
    # covers it wholly has it, the other one has to take the second anchor.
    rows = [[0, 0, 0, 0.75, 0.5], [1, 0, 0, 0.5, 0.5]]
    assert target(rows)[2].tolist() == [2, 1, 0, 0]


def test_target_offsets_are_shares_and_logarithms_over_variances():
    anchors, rows = [[0.2, 0.2, 0.6, 0.4]], [[0, 0.1, 0.1, 0.9, 0.7]]
    expected = [2.5, 5, np.log(2) / 0.2, np.log(3) / 0.2]
    np.testing.assert_allclose(target(rows, anchors)[0], expected, rtol=1e-5)


def test_target_wants_classes_before_anchors_and_notices_only_where_the_numbers_differ():
    rows = [[0, *ANCHORS[0]]]
    with pytest.raises(mx.MXNetError):
        target(rows, scores=np.zeros((1, 4, 3)))  # (A, C + 1) of four anchors, two classes
    target(rows, scores=np.zeros((1, 4, 4)))  # three classes and the wrong order look the same


def test_target_stops_reading_at_the_first_padding_row():
    rows = [[0, *ANCHORS[0]], PADDING, [1, *ANCHORS[3]]]
    assert target(rows)[2].tolist() == [1, 0, 0, 0]


def test_target_ignores_every_anchor_of_an_image_without_objects():
    box_targets, box_masks, cls_targets = target([PADDING, PADDING])
    assert cls_targets.tolist() == [-1] * 4
    assert not box_targets.any() and not box_masks.any()


def test_target_ignores_the_minimum_of_negatives():
    options = {"negative_mining_ratio": 1, "negative_mining_thresh": 0.5}
    rows = [[0, *ANCHORS[0]]]
    assert target(rows, **options)[2].tolist().count(0) == 1  # one negative for one positive
    with_minimum = target(rows, **options, minimum_negative_samples=3)[2].tolist()
    assert with_minimum == target(rows, **options)[2].tolist()


def test_target_raises_when_mining_finds_too_few_anchors():
    # Both anchors lie above the mining threshold of .3 and below .5, but for the forced one.
    anchors, rows = [[0, 0, 1, 0.5], [0, 0.55, 1, 1]], [[0, 0, 0, 1, 1]]
    with pytest.raises(mx.MXNetError):
        target(rows, anchors, negative_mining_ratio=3, negative_mining_thresh=0.3)


@pytest.mark.parametrize(
    "box", [(60, 60, 200, 200), (0.2, 0.2, 0.2, 0.4)], ids=["in pixels", "without area"]
)
def test_target_takes_wrong_boxes_in_silence(box):
    assert target([[0, *box]])[2].tolist() == [0] * 4


def test_target_ignores_further_columns():
    rows = [[0, *ANCHORS[0]], PADDING]
    for narrow, wide in zip(target(rows), target([[*row, 7, 8] for row in rows])):
        np.testing.assert_array_equal(narrow, wide)


def test_target_has_no_gradient_of_its_scores():
    scores = nd.ones((1, 4, 4))
    scores.attach_grad()
    with autograd.record():
        outputs = nd.contrib.MultiBoxTarget(
            nd.array([ANCHORS]), nd.array([[[0, *ANCHORS[0]]]]), scores * 2
        )
        total = sum(output.sum() for output in outputs)
    total.backward()
    assert not scores.grad.asnumpy().any()
    with autograd.record(), autograd.pause():  # as `utils.targets` does it
        assert not autograd.is_recording()


def test_softmax_loss_takes_the_label_of_ignored_anchors_for_class_0():
    logits = nd.array([[0.0, 3.0]])
    loss = gluon.loss.SoftmaxCrossEntropyLoss()
    ignored, background = loss(logits, nd.array([-1])), loss(logits, nd.array([0]))
    assert ignored.asscalar() == background.asscalar() > 3


# --- MultiBoxDetection ----------------------------------------------------------------------------


def test_detection_reports_the_best_object_where_background_wins():
    rows = detection([[0.9, 0.02, 0.08]], ANCHORS[:1])
    np.testing.assert_allclose(rows, [[1, 0.08, *ANCHORS[0]]], rtol=1e-6)


def test_detection_defaults():
    anchors = [[0, 0, 1, 1], [0, 0, 1, 0.5], [0, 0, 1, 0.45], [0, 0, 0.125, 0.125]]
    probabilities = [[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.991, 0.009]]
    defaults = detection(probabilities, anchors)
    spelled_out = {"threshold": 0.01, "nms_threshold": 0.5, "clip": True, "nms_topk": -1}
    explicit = detection(probabilities, anchors, **spelled_out, variances=DEFAULT_VARIANCES)
    np.testing.assert_array_equal(defaults, explicit)
    # IoU of exactly .5 with the first goes, .45 stays (but .9 with the second, which is gone); the
    # score of .009 is below the threshold.
    assert (defaults[:, 0] >= 0).sum() == 2
    assert defaults[defaults[:, 0] >= 0, 1].tolist() == pytest.approx([0.9, 0.7])


def test_detection_clips():
    anchor = [[-0.5, 0.25, 0.5, 1.25]]
    assert detection([[0.5, 0.5]], anchor)[0, 2:].tolist() == [0, 0.25, 0.5, 1]
    assert detection([[0.5, 0.5]], anchor, clip=False)[0, 2:].tolist() == anchor[0]


def test_detection_keeps_score_and_box_of_what_it_suppresses():
    rows = detection([[0.1, 0.9], [0.4, 0.6]], [ANCHORS[0]] * 2)
    np.testing.assert_allclose(rows, [[0, 0.9, *ANCHORS[0]], [-1, 0.6, *ANCHORS[0]]], rtol=1e-6)


def test_detection_suppresses_within_a_class():
    probabilities = [[0.1, 0.9, 0], [0.4, 0, 0.6]]
    assert detection(probabilities, [ANCHORS[0]] * 2)[:, 0].tolist() == [0, 1]
    forced = detection(probabilities, [ANCHORS[0]] * 2, force_suppress=True)
    assert forced[:, 0].tolist() == [0, -1]


@pytest.mark.parametrize("nms_threshold, ids", [(0.5, [0, -1]), (0.5001, [0, 0])])
def test_detection_suppresses_from_the_threshold_on(nms_threshold, ids):
    anchors = [[0, 0, 1, 1], [0, 0, 1, 0.5]]
    rows = detection([[0.1, 0.9], [0.2, 0.8]], anchors, nms_threshold=nms_threshold)
    assert rows[:, 0].tolist() == ids


@pytest.mark.parametrize("nms_threshold", [0, -1])
def test_detection_neither_suppresses_nor_sorts_at_a_threshold_of_0(nms_threshold):
    rows = detection([[0.4, 0.6], [0.1, 0.9]], [ANCHORS[0]] * 2, nms_threshold=nms_threshold)
    assert rows[:, :2].ravel().tolist() == pytest.approx([0, 0.6, 0, 0.9])


def test_detection_has_one_background():
    probabilities = [[0.1, 0.9, 0], [0.4, 0, 0.6]]
    for background_id in (0, 1, 2):
        rows = detection(probabilities, ANCHORS[:2], background_id=background_id)
        np.testing.assert_array_equal(rows, detection(probabilities, ANCHORS[:2]))


def test_detection_keeps_the_order_of_equal_scores():
    anchors = [[0.02 * i, 0, 0.02 * i + 0.01, 0.5] for i in range(40)]  # none overlap
    rows = detection([[0.5, 0.5]] * 40, anchors)
    np.testing.assert_allclose(rows[:, 2:], anchors, atol=1e-6)


# --- Other operators ------------------------------------------------------------------------------


def test_the_three_operators_refuse_half_precision():
    half = {"dtype": "float16"}
    anchors, rows = nd.array([ANCHORS], **half), nd.array([[[0, *ANCHORS[0]]]], **half)
    scores, offsets = nd.ones((1, 4, 4), **half), nd.zeros((1, 16), **half)
    for call in (
        lambda: nd.contrib.MultiBoxPrior(nd.zeros((1, 3, 2, 2), **half), sizes=(0.5,), ratios=(1,)),
        lambda: nd.contrib.MultiBoxTarget(anchors, rows, scores)[0],
        lambda: nd.contrib.MultiBoxDetection(scores, offsets, anchors),
    ):
        with pytest.raises(mx.MXNetError):
            call().asnumpy()


@pytest.mark.parametrize("sigma", [1, 2])
def test_smooth_l1_takes_sigma_and_bends_at_one_over_its_square(sigma):
    bend = 1 / sigma**2
    below, above = nd.smooth_l1(nd.array([bend / 2, bend * 2]), scalar=sigma).asnumpy()
    assert below == pytest.approx((sigma * bend / 2) ** 2 / 2)
    assert above == pytest.approx(bend * 2 - bend / 2)


def test_logarithm_of_softmax_is_infinite_where_log_softmax_is_not():
    logits = nd.array([[200, -200]])
    assert np.isinf(nd.log(nd.softmax(logits)).asnumpy()).any()
    np.testing.assert_allclose(nd.log_softmax(logits).asnumpy(), [[0, -400]], atol=1e-5)


def test_fused_layer_has_wrong_gradients_outside_training():
    """Which is why gradients of a network in prediction mode must not be used.

    What they are is what the memory held before, so that now and then they are right.
    """
    wrong = []
    for size in range(4, 12):
        x = nd.random.normal(loc=1, shape=(2, 3, size, size))
        gradients = []
        for layer in (gluon.nn.BatchNormReLU(in_channels=3), gluon.nn.BatchNorm(in_channels=3)):
            layer.initialize()
            x.attach_grad()
            with autograd.record(train_mode=False):
                y = nd.relu(layer(x))
            y.backward(train_mode=False)
            gradients.append(x.grad.asnumpy())
        fused, right = gradients
        np.testing.assert_allclose(right, (x.asnumpy() > 0) / np.sqrt(1 + 1e-5), rtol=1e-5)
        wrong.append(not np.allclose(fused, right, atol=1e-2))
    assert any(wrong)


def test_mxnet_starts_half_as_many_threads_as_there_are_processors():
    """Unless the variable says otherwise, as `utils.compat` has it do."""
    program = (
        "import ctypes, os, utils.compat as compat, numpy\n"
        "compat.restore_numpy_names(numpy)\n"
        "if not {wanted}: del os.environ['OMP_NUM_THREADS']\n"
        "import mxnet\n"
        "library = ctypes.CDLL(mxnet.libinfo.find_lib_path()[0])\n"
        "print(library.omp_get_num_procs(), library.omp_get_max_threads())"
    )
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    for wanted in (0, 3):
        command = [sys.executable, "-W", "ignore", "-c", program.format(wanted=wanted)]
        if wanted:
            environment["OMP_NUM_THREADS"] = str(wanted)
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True
        )
        processors, threads = map(int, result.stdout.split())
        assert threads == (wanted or max(1, processors // 2))
