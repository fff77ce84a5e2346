"""Losses: by hand, against double precision and GluonCV, their gradients and properties."""

from utils.losses import FocalLoss, MinedCrossEntropyLoss, SmoothL1Loss

import numpy as np
import pytest
from gluoncv import loss as gluoncv_loss
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mxnet import autograd, nd
from strategies import values

IMAGES, ANCHORS, CLASSES = 2, 6, 3
LOGITS = values((IMAGES, ANCHORS, CLASSES + 1), limit=8)
CLASS_LOSSES = [FocalLoss(), FocalLoss(gamma=0.5), FocalLoss(gamma=0), MinedCrossEntropyLoss()]

# The logarithm in oneDNN's log_softmax is 1e-6 off.
RTOL = 1e-5


def class_targets(lowest=-1):
    """Draw targets (IMAGES, ANCHORS): lowest .. CLASSES."""
    return arrays(np.float32, (IMAGES, ANCHORS), elements=st.integers(lowest, CLASSES))


def target_log_probability(cls_preds, cls_targets):
    """Return log p of the target class in double precision, (IMAGES, ANCHORS)."""
    logits = cls_preds.astype(np.float64)
    log_p = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    index = np.maximum(cls_targets, 0).astype(int)[..., np.newaxis]
    return np.take_along_axis(log_p, index, axis=-1)[..., 0]


def focal_reference(cls_preds, cls_targets, alpha, gamma):
    log_p = target_log_probability(cls_preds, cls_targets)
    weight = np.select([cls_targets > 0, cls_targets == 0], [alpha, 1 - alpha], 0)
    losses = -weight * (-np.expm1(log_p)) ** gamma * log_p
    return losses.sum(axis=1) / max(1, (cls_targets > 0).sum())


def gradient(loss, *arrays):
    """Return the loss of every image and the gradient of the first array."""
    arrays = [nd.array(array) for array in arrays]
    arrays[0].attach_grad()
    with autograd.record():
        value = loss(*arrays)
    value.backward()
    return value.asnumpy(), arrays[0].grad.asnumpy()


def numeric_gradient(loss, cls_preds, *rest, step=1e-2):
    """Return the slope of the summed loss along every entry, by central differences."""
    slopes = np.zeros_like(cls_preds)
    for index in np.ndindex(cls_preds.shape):
        ends = []
        for sign in (1, -1):
            moved = cls_preds.copy()
            moved[index] += sign * step
            ends.append(loss(*map(nd.array, (moved, *rest))).sum().asscalar())
        slopes[index] = (ends[0] - ends[1]) / (2 * step)
    return slopes


# --- Focal loss -----------------------------------------------------------------------------------


def test_focal_loss_by_hand():
    # Both classes alike in three anchors: an object, background, one that does not count.
    cls_preds, cls_targets = nd.zeros((1, 3, 2)), nd.array([[1, 0, -1]])
    value = FocalLoss(alpha=0.25, gamma=2)(cls_preds, cls_targets).asscalar()
    assert value == pytest.approx((0.25 + 0.75) * 0.5**2 * np.log(2), rel=RTOL)


def test_losses_of_a_batch_share_its_number_of_positives():
    cls_preds = nd.zeros((2, 2, 2))
    cls_targets = nd.array([[1, 1], [1, 0]])  # three in all
    value = FocalLoss(alpha=0.5, gamma=0)(cls_preds, cls_targets).asnumpy()
    np.testing.assert_allclose(value, [np.log(2) / 3] * 2, rtol=RTOL)


@settings(max_examples=60)
@given(
    LOGITS, class_targets(), st.sampled_from([0.25, 0.5, 0.9]), st.sampled_from([0, 0.5, 1, 2, 5])
)
def test_focal_loss_equals_double_precision(cls_preds, cls_targets, alpha, gamma):
    value = FocalLoss(alpha, gamma)(nd.array(cls_preds), nd.array(cls_targets)).asnumpy()
    expected = focal_reference(cls_preds, cls_targets, alpha, gamma)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=30)
@given(LOGITS, class_targets(lowest=0))
def test_focal_loss_of_two_classes_equals_gluoncv(cls_preds, cls_targets):
    """GluonCV scores each class with a sigmoid, which for one class is a softmax over two.

    Its log(1 - sigmoid) loses digits at large logits, so that only small ones compare.
    """
    cls_preds, cls_targets = cls_preds[..., :2] / 4, np.minimum(cls_targets, 1)
    score = nd.array(cls_preds[..., 1:] - cls_preds[..., :1])
    other = gluoncv_loss.FocalLoss(sparse_label=False, size_average=False, alpha=0.25, gamma=2)
    expected = other(score, nd.array(cls_targets[..., np.newaxis])) / max(1, cls_targets.sum())
    value = FocalLoss(alpha=0.25, gamma=2)(nd.array(cls_preds), nd.array(cls_targets))
    np.testing.assert_allclose(value.asnumpy(), expected.asnumpy(), rtol=1e-4, atol=1e-5)


@settings(max_examples=30)
@given(LOGITS, class_targets())
def test_focal_loss_is_weighted_cross_entropy_at_gamma_0_and_falls_with_gamma(preds, targets):
    log_p = target_log_probability(preds, targets)
    weight = np.select([targets > 0, targets == 0], [0.3, 0.7], 0)
    expected = -(weight * log_p).sum(axis=1) / max(1, (targets > 0).sum())
    preds, targets = nd.array(preds), nd.array(targets)
    values = [FocalLoss(0.3, gamma)(preds, targets).asnumpy() for gamma in (0, 1, 2, 4)]
    np.testing.assert_allclose(values[0], expected, rtol=1e-5, atol=1e-5)
    for less_focused, more_focused in zip(values, values[1:]):
        assert (more_focused <= less_focused + 1e-6).all() and (more_focused >= 0).all()


# --- Mined cross-entropy --------------------------------------------------------------------------


def test_mining_keeps_the_hardest_negatives():
    hard, easy, object_ = [0, 4], [4, 0], [0, 4]
    cls_preds = nd.array([[easy, hard, object_, easy, hard, hard]])
    cls_targets = nd.array([[0, 0, 1, 0, -1, 0]])
    costs = {"hard": np.log1p(np.exp(4)), "easy": np.log1p(np.exp(-4))}
    for ratio, expected in [
        (0, costs["easy"]),  # the object itself, seen well
        (1, costs["easy"] + costs["hard"]),
        (3, 2 * costs["easy"] + 2 * costs["hard"]),
        (99, 3 * costs["easy"] + 2 * costs["hard"]),
    ]:
        value = MinedCrossEntropyLoss(ratio)(cls_preds, cls_targets).asscalar()
        assert value == pytest.approx(expected, abs=1e-5)


def test_mining_counts_in_each_image():
    cls_preds = nd.zeros((2, 4, 2))
    cls_targets = nd.array([[1, 0, 0, 0], [0, 0, 0, 0]])  # no object in the second: no negative
    value = MinedCrossEntropyLoss(2)(cls_preds, cls_targets).asnumpy()
    np.testing.assert_allclose(value, [3 * np.log(2), 0], rtol=RTOL)


@settings(max_examples=60)
@given(LOGITS, class_targets(lowest=0), st.sampled_from([0, 1, 2, 3]))
def test_class_and_box_loss_equal_those_of_gluoncv(cls_preds, cls_targets, ratio):
    random = np.random.default_rng(0)
    box_preds, box_targets = nd.array(random.normal(size=(2, IMAGES, 4 * ANCHORS)) * 2)
    cls_preds, cls_targets = nd.array(cls_preds), nd.array(cls_targets)
    box_masks = (cls_targets > 0).repeat(repeats=4, axis=1)
    as_boxes = (IMAGES, ANCHORS, 4)
    _, (expected_cls,), (expected_box,) = gluoncv_loss.SSDMultiBoxLoss(ratio)(
        cls_preds, box_preds.reshape(as_boxes), cls_targets, box_targets.reshape(as_boxes)
    )
    cls_loss = MinedCrossEntropyLoss(ratio)(cls_preds, cls_targets).asnumpy()
    box_loss = SmoothL1Loss()(box_preds, box_targets, box_masks).asnumpy()
    np.testing.assert_allclose(
        cls_loss, np.broadcast_to(expected_cls.asnumpy(), IMAGES), rtol=1e-5, atol=1e-5
    )
    np.testing.assert_allclose(
        box_loss, np.broadcast_to(expected_box.asnumpy(), IMAGES), rtol=1e-5, atol=1e-5
    )


# --- Smooth L1 ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sigma", [1, 2, 0.5])
def test_smooth_l1_by_hand(sigma):
    errors = np.array([[0.1, -0.2, 5, -7]])
    bend = 1 / sigma**2
    sizes = np.abs(errors)
    expected = np.where(sizes < bend, 0.5 * errors**2 / bend, sizes - 0.5 * bend).sum()
    value = SmoothL1Loss(sigma)(nd.array(errors), nd.zeros((1, 4)), nd.ones((1, 4))).asscalar()
    assert value == pytest.approx(expected, rel=1e-6)


def test_smooth_l1_counts_positives_only():
    box_preds, box_targets = nd.ones((2, 8)) * 3, nd.zeros((2, 8))
    box_masks = nd.array([[1] * 4 + [0] * 4, [1] * 8])
    value, slope = gradient(SmoothL1Loss(), box_preds, box_targets, box_masks)
    np.testing.assert_allclose(value, [4 * 2.5 / 3, 8 * 2.5 / 3], rtol=1e-6)
    np.testing.assert_allclose(slope, box_masks.asnumpy() / 3, rtol=1e-6)


# --- What holds for every loss --------------------------------------------------------------------


@pytest.mark.parametrize("loss", CLASS_LOSSES, ids=repr)
@pytest.mark.parametrize("saturation", [1, 20, 200])
def test_values_and_gradients_are_finite_at_saturation(loss, saturation):
    cls_preds = np.tile([[[1, -1], [-1, 1]]], (2, 3, 1)) * saturation
    cls_targets = np.array([[1, 0, 0, 1, -1, -1], [0, 1, 1, 0, 0, 0]])
    for part in gradient(loss, cls_preds, cls_targets):
        assert np.isfinite(part).all()
    value, slope = gradient(loss, cls_preds, cls_targets)
    wrong = np.abs(slope[0, 0]).max()
    assert value[0] > 0 and wrong > 0  # what is surely wrong still learns


@pytest.mark.parametrize("loss", CLASS_LOSSES, ids=repr)
def test_ignored_anchors_have_neither_loss_nor_gradient(loss):
    cls_preds = np.random.default_rng(0).normal(size=(1, 6, 3))
    cls_targets = np.array([[1, -1, 0, -1, 2, 0]])
    counted = cls_targets[0] >= 0
    value, slope = gradient(loss, cls_preds, cls_targets)
    alone, slope_alone = gradient(loss, cls_preds[:, counted], cls_targets[:, counted])
    np.testing.assert_allclose(value, alone, rtol=1e-6)
    np.testing.assert_allclose(slope[:, counted], slope_alone, rtol=1e-5, atol=1e-7)
    assert (slope[:, ~counted] == 0).all()
    assert (np.abs(slope[:, counted]).sum(axis=-1) > 0).all()


def test_batch_without_positives_is_legal():
    cls_preds, cls_targets = np.zeros((2, 3, 2)), np.zeros((2, 3))
    value, slope = gradient(FocalLoss(alpha=0.5, gamma=0), cls_preds, cls_targets)
    np.testing.assert_allclose(value, [3 * 0.5 * np.log(2)] * 2, rtol=RTOL)  # over 1, not 0
    assert np.abs(slope).max() > 0
    for part in gradient(MinedCrossEntropyLoss(), cls_preds, cls_targets):
        assert (part == 0).all()  # no object, no negative beside it
    for part in gradient(SmoothL1Loss(), np.ones((2, 12)), np.zeros((2, 12)), np.zeros((2, 12))):
        assert (part == 0).all()


@pytest.mark.parametrize("loss", CLASS_LOSSES, ids=repr)
def test_gradient_is_the_slope_of_the_class_loss(loss):
    random = np.random.default_rng(0)
    cls_preds = random.normal(size=(2, 5, 3)).astype(np.float32)
    cls_targets = np.array([[1, 0, -1, 2, 0], [0, 0, 0, 0, 1]])
    _, slope = gradient(loss, cls_preds, cls_targets)
    expected = numeric_gradient(loss, cls_preds, cls_targets)
    np.testing.assert_allclose(slope, expected, rtol=0.02, atol=1e-3)


def test_gradient_is_the_slope_of_the_box_loss():
    errors = np.array([[0.1, -0.5, 3, -4, 9, 9, 9, 9]], dtype=np.float32)
    rest = np.zeros((1, 8)), np.array([[1] * 4 + [0] * 4])
    _, slope = gradient(SmoothL1Loss(), errors, *rest)
    expected = numeric_gradient(SmoothL1Loss(), errors, *rest)
    np.testing.assert_allclose(slope, expected, rtol=0.02, atol=1e-3)


@pytest.mark.parametrize("make", [FocalLoss, MinedCrossEntropyLoss], ids=lambda loss: loss.__name__)
def test_hybridized_class_loss_is_the_same(make):
    random = np.random.default_rng(0)
    arrays = random.normal(size=(2, 40, 4)), random.integers(-1, 4, (2, 40))
    hybrid = make()
    hybrid.hybridize(static_alloc=True, static_shape=True)
    for one, other in zip(gradient(make(), *arrays), gradient(hybrid, *arrays)):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


def test_hybridized_box_loss_is_the_same():
    random = np.random.default_rng(0)
    arrays = *random.normal(size=(2, 2, 40)), np.repeat(random.integers(0, 2, (2, 10)), 4, axis=1)
    hybrid = SmoothL1Loss()
    hybrid.hybridize(static_alloc=True, static_shape=True)
    for one, other in zip(gradient(SmoothL1Loss(), *arrays), gradient(hybrid, *arrays)):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


def test_the_default_focal_loss_is_that_of_the_recipe():
    random = np.random.default_rng(0)
    cls_preds, cls_targets = random.normal(size=(2, 6, 3)), random.integers(0, 3, (2, 6))
    value = FocalLoss()(nd.array(cls_preds), nd.array(cls_targets)).asnumpy()
    expected = focal_reference(cls_preds, cls_targets, alpha=0.5, gamma=2)
    np.testing.assert_allclose(value, expected, rtol=1e-4)
