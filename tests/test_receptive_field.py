"""Receptive fields: by hand, against a search through all pixels, and against gradients."""

from utils.receptive_field import (
    ReceptiveField,
    extent,
    freeze_statistics,
    input_gradient,
    output_side,
    receptive_field,
    windows_of,
)
from utils.ssd import ToySSD, body, down_sample

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mxnet import autograd, nd
from mxnet.gluon import nn

CONVOLUTION, POOLING = (3, 1, 1), (2, 2, 0)
# VGG-16 up to conv4_3 (Simonyan and Zisserman, 2015, table 1, column D).
VGG_CONV4_3 = [*([CONVOLUTION] * 2 + [POOLING]) * 2, *[CONVOLUTION] * 3, POOLING] + [
    CONVOLUTION
] * 3
WINDOWS = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2)), min_size=1, max_size=4
)


def sequential(*layers):
    block = nn.HybridSequential()
    block.add(*layers)
    return block


# --- Computed -------------------------------------------------------------------------------------


def test_no_layer_sees_itself():
    assert receptive_field([]) == ReceptiveField(size=1, jump=1, start=0)


def test_down_sampling_block_by_hand():
    # 2 pooled pixels see 4 of the map between the convolutions and 6 of the map that goes in.
    assert receptive_field([CONVOLUTION, CONVOLUTION, POOLING]) == ReceptiveField(6, 2, -2)


def test_vgg_by_hand():
    # 5, 6, 14, 32 and 40 at the layers before; 92 and 8 as in published tables. A head adds 16.
    assert receptive_field(VGG_CONV4_3).size == 92
    assert receptive_field(VGG_CONV4_3).jump == 8
    assert receptive_field([*VGG_CONV4_3, CONVOLUTION]).size == 108


def test_span_moves_by_the_jump():
    field = ReceptiveField(size=6, jump=2, start=-2)
    assert (field.span(0), field.span(3)) == ((-2, 4), (4, 10))


def reached(windows, index):
    """Return the pixels that pixel `index` sees, by walking back through every window."""
    pixels = {index}
    for kernel, stride, padding in reversed(windows):
        pixels = {p * stride - padding + offset for p in pixels for offset in range(kernel)}
    return pixels


@given(WINDOWS, st.integers(0, 5))
def test_span_encloses_what_is_reached(windows, index):
    begin, end = receptive_field(windows).span(index)
    pixels = reached(windows, index)
    assert (min(pixels), max(pixels) + 1) == (begin, end)


# --- Read from a network --------------------------------------------------------------------------


def test_windows_of_a_block():
    assert windows_of(down_sample(10), 20) == [CONVOLUTION, CONVOLUTION, POOLING]


def test_kernel_of_global_pooling_is_the_map():
    pooled = sequential(nn.Conv2D(4, 3, strides=2), nn.Activation("relu"), nn.GlobalMaxPool2D())
    assert windows_of(pooled, 21) == [(3, 2, 0), (10, 10, 0)]
    assert windows_of(nn.GlobalAvgPool2D(), 7) == [(7, 7, 0)]


def test_dilated_kernel_counts_with_its_holes():
    assert windows_of(nn.Conv2D(4, 3, padding=2, dilation=2), 8) == [(5, 1, 2)]


@pytest.mark.parametrize(
    "layer, reason",
    [
        (nn.Dense(3), "Dense is no layer"),
        (nn.Conv2DTranspose(3, 2), "Conv2DTranspose is no layer"),
        (nn.Conv2D(3, (3, 5)), "rows and columns differently"),
        (nn.MaxPool2D(2, strides=(1, 2)), "rows and columns differently"),
        (nn.MaxPool2D(2, ceil_mode=True), "rounds up"),
    ],
)
def test_unknown_layers_are_refused(layer, reason):
    with pytest.raises(TypeError, match=reason):
        windows_of(sequential(layer), 8)


@pytest.mark.parametrize("side", [64, 72, 100, 129, 256])
def test_output_side_is_that_of_the_network(side):
    net = ToySSD(1)
    net.initialize()
    x, windows = nd.zeros((1, 3, side, side)), []
    for stage in net.stages:
        windows += windows_of(stage, x.shape[2])
        x = stage(x)
        assert x.shape[2:] == (output_side(windows, side),) * 2


# --- Measured by gradient -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def toy_ssd_frozen():
    net = ToySSD(1)
    net.initialize(mx.init.Xavier())
    net(nd.zeros((1, 3, 64, 64)))
    freeze_statistics(net)
    return net


def clipped(span, side):
    return max(span[0], 0), min(span[1], side)


@pytest.mark.parametrize("scale, size", [(0, 52), (1, 108), (2, 220), (3, 444)])
@pytest.mark.parametrize("corner", [False, True])
def test_gradient_fills_the_computed_field(toy_ssd_frozen, scale, size, corner):
    net, side = toy_ssd_frozen, 256

    def scores(x):
        for stage in net.stages[: scale + 1]:
            x = stage(x)
        return net.class_predictors[scale](x)

    windows = windows_of(net.stages[: scale + 1], side) + windows_of(net.class_predictors[scale], 0)
    field = receptive_field(windows)
    assert field.size == size
    row, column = (0, 0) if corner else (output_side(windows, side) // 2, 1)
    images = nd.random.normal(shape=(4, 3, side, side))
    measured = extent(input_gradient(scores, images, row, column))
    assert measured == (clipped(field.span(row), side), clipped(field.span(column), side))


def test_fields_are_centred_on_their_cells():
    side = 256
    for depth in (1, 2, 3, 4):
        stages = [body(), *[down_sample(128) for _ in range(depth - 1)]]
        windows = windows_of(sequential(*stages), side)
        field = receptive_field([*windows, CONVOLUTION])
        begin, end = field.span(3)
        assert (begin + end) / 2 == (3 + 0.5) * side / output_side(windows, side)


def test_unfrozen_statistics_reach_further(toy_ssd_frozen):
    net = ToySSD(1)
    net.initialize(mx.init.Xavier())
    images = nd.random.normal(shape=(1, 3, 64, 64))
    assert extent(input_gradient(net.stages[0], images, 4, 4)) == ((0, 64), (0, 64))
    freeze_statistics(net)
    # 4 * 8 - 14 and 36 pixels on: the body without a head.
    assert extent(input_gradient(net.stages[0], images, 4, 4)) == ((18, 54), (18, 54))


def test_freezing_leaves_the_statistics_and_the_outputs_alone():
    net = ToySSD(1)
    net.initialize(mx.init.Xavier())
    net.hybridize()
    images = nd.random.normal(loc=1, shape=(2, 3, 64, 64))
    expected = net(images)[1].asnumpy()
    freeze_statistics(net)
    with autograd.record():
        in_training = net(images)[1]
    np.testing.assert_allclose(in_training.asnumpy(), expected, atol=1e-5)
    np.testing.assert_allclose(net(images)[1].asnumpy(), expected, atol=1e-5)


def test_gradient_leaves_the_images_alone():
    convolution = nn.Conv2D(1, 3, padding=1)
    convolution.initialize()
    images = nd.ones((1, 2, 5, 5))
    assert input_gradient(convolution, images, 2, 2).shape == (5, 5)
    assert images.grad is None


def test_extent_by_hand():
    mask = np.zeros((4, 6))
    mask[1, 2] = mask[2, 4] = 1
    assert extent(mask) == ((1, 3), (2, 5))


def test_extent_of_nothing():
    with pytest.raises(ValueError, match="nothing to enclose"):
        extent(np.zeros((2, 2)))
