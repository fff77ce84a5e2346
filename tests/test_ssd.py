"""ToySSD: its shapes, which output belongs to which anchor, and the fused layer."""

import json

from utils.anchors import multibox_prior
from utils.boxes import corner_to_center
from utils.ssd import (
    BACKGROUND_PRIOR,
    RATIOS,
    SIZES,
    BatchNormReLU,
    ToySSD,
    body,
    box_predictor,
    class_predictor,
    compile_for_inference,
    concat_predictions,
    down_sample,
    flatten_prediction,
    toy_ssd,
)

import mxnet as mx
import numpy as np
import pytest
from mxnet import autograd, gluon, nd

FUSED = "_contrib_BatchNormWithReLU"


def initialised(block):
    block.initialize()
    return block


# --- Parts ----------------------------------------------------------------------------------------


def test_shapes_of_the_parts():
    x = nd.zeros((2, 3, 64, 96))
    assert initialised(class_predictor(5, 10))(x).shape == (2, 5 * 11, 64, 96)
    assert initialised(box_predictor(5))(x).shape == (2, 5 * 4, 64, 96)
    assert initialised(down_sample(10))(x).shape == (2, 10, 32, 48)
    assert initialised(body())(x).shape == (2, 64, 8, 12)
    assert flatten_prediction(x).shape == (2, 64 * 96 * 3)
    joined = concat_predictions(nd, [x, nd.zeros((2, 5, 4, 4))])
    assert joined.shape == (2, 64 * 96 * 3 + 5 * 4 * 4)


def test_flattening_follows_the_order_of_the_anchors():
    height, width, sizes, ratios = 3, 5, (0.2, 0.3), (1, 2)
    # Channels x, y of each of the three anchors of a pixel: the centre of that pixel.
    x = np.tile((np.arange(width) + 0.5) / width, (height, 1))
    y = np.tile((np.arange(height)[:, np.newaxis] + 0.5) / height, (1, width))
    prediction = nd.array(np.stack([x, y] * 3)[np.newaxis])  # (1, 6, height, width)
    centers = flatten_prediction(prediction).reshape((-1, 2)).asnumpy()
    anchors_center = corner_to_center(multibox_prior(height, width, sizes, ratios))[0]
    np.testing.assert_allclose(centers, anchors_center[:, :2].asnumpy(), atol=1e-6)


# --- The whole network ----------------------------------------------------------------------------


@pytest.mark.parametrize("num_classes", [1, 3, 20])
@pytest.mark.parametrize(
    "size, num_anchors",
    [((256, 256), 5444), ((128, 128), 1364), ((64, 64), 344), ((64, 128), 684), ((72, 100), 0)],
)
def test_shapes_of_the_outputs(size, num_anchors, num_classes):
    height, width = size
    if not num_anchors:  # sides that do not halve evenly: 9 x 12, 4 x 6, 2 x 3, 1 x 1 and 1 pixels
        num_anchors = 4 * (9 * 12 + 4 * 6 + 2 * 3 + 1 + 1)
    net = initialised(ToySSD(num_classes))
    anchors, cls_preds, box_preds = net(nd.zeros((2, 3, height, width)))
    assert anchors.shape == (1, num_anchors, 4)
    assert cls_preds.shape == (2, num_anchors, num_classes + 1)
    assert box_preds.shape == (2, 4 * num_anchors)


@pytest.mark.parametrize("size", [(64, 64), (64, 128)])
def test_anchors_are_those_of_five_maps(size):
    height, width = size
    anchors, _, _ = initialised(ToySSD(1))(nd.zeros((1, 3, height, width)))
    maps = [(height // 2**k, width // 2**k) for k in (3, 4, 5, 6)] + [(1, 1)]
    expected = [multibox_prior(*map_, sizes, RATIOS) for map_, sizes in zip(maps, SIZES)]
    np.testing.assert_allclose(anchors.asnumpy(), nd.concat(*expected, dim=1).asnumpy(), atol=1e-6)


def test_sizes_grow_evenly_and_overlap():
    first, second = np.array(SIZES).T
    np.testing.assert_allclose(np.diff(first), 0.17)
    following = np.append(first[1:], first[-1] + 0.17)
    np.testing.assert_allclose(second, np.sqrt(first * following), atol=6e-4)


def test_each_channel_is_one_class_or_offset_of_one_anchor():
    num_classes, num_shapes = 3, 4
    net = initialised(ToySSD(num_classes))
    x = nd.random.normal(shape=(1, 3, 64, 64))
    net(x)
    for predictors in (net.class_predictors, net.box_predictors):
        for convolution in predictors:
            channels = convolution.bias.shape[0]
            convolution.weight.set_data(nd.zeros_like(convolution.weight.data()))
            convolution.bias.set_data(nd.arange(channels))
    anchors, cls_preds, box_preds = net(x)
    shape_of_anchor = np.arange(anchors.shape[1])[:, np.newaxis] % num_shapes
    expected = shape_of_anchor * (num_classes + 1) + np.arange(num_classes + 1)
    np.testing.assert_array_equal(cls_preds[0].asnumpy(), expected)
    offsets = box_preds.reshape((-1, 4)).asnumpy()
    np.testing.assert_array_equal(offsets, shape_of_anchor * 4 + np.arange(4))


@pytest.mark.parametrize("spot", [(10, 100), (50, 20), (33, 65)])  # row, column
def test_an_anchor_looks_at_its_own_part_of_the_image(spot):
    """Every convolution passes its first channel on, so that pooling keeps the bright spot."""
    net = initialised(ToySSD(1))
    height, width = 64, 128
    image = np.zeros((1, 3, height, width))
    image[0, 0, spot[0], spot[1]] = 1
    net(nd.array(image))
    for name, parameter in net.collect_params(".*conv.*weight").items():
        center_tap = np.zeros(parameter.shape)
        channel = 1 if parameter.shape[0] == 8 else 0  # of the class predictors: score of class 1
        center_tap[channel, 0, 1, 1] = 1
        assert parameter.shape[2:] == (3, 3), name
        parameter.set_data(nd.array(center_tap))
    anchors, cls_preds, _ = net(nd.array(image))
    scores = cls_preds[0, ::4, 1].asnumpy()  # the first of each pixel's four anchors
    centers = corner_to_center(anchors)[0, ::4, :2].asnumpy()
    start = 0
    for rows, columns in [(8, 16), (4, 8), (2, 4), (1, 2), (1, 1)]:
        scale = slice(start, start + rows * columns)
        brightest = centers[scale][scores[scale].argmax()]
        assert abs(brightest[0] - spot[1] / width) <= 0.5 / columns
        assert abs(brightest[1] - spot[0] / height) <= 0.5 / rows
        assert (scores[scale] > 0.5).sum() == 1
        start = scale.stop
    assert start == len(scores)


def test_hybridized_equals_imperative():
    net = initialised(ToySSD(3))
    x = nd.random.normal(shape=(2, 3, 64, 64))
    expected = net(x)
    net.hybridize(static_alloc=True, static_shape=True)
    for one, other in zip(net(x), expected):
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), atol=1e-5)


def test_compiled_network_takes_images_of_another_size(monkeypatch):
    net = toy_ssd(1)
    net(nd.zeros((2, 3, 64, 64)))
    monkeypatch.delattr(ToySSD, "hybrid_forward")  # the compiled graph does without it
    for size, num_anchors in [(64, 344), (128, 1364), (64, 344)]:
        assert net(nd.zeros((2, 3, size, size)))[0].shape == (1, num_anchors, 4)


def test_toy_ssd_takes_an_initializer():
    net = toy_ssd(1, initializer=mx.init.Constant(0))
    net(nd.ones((1, 3, 64, 64)))
    for parameter in net.collect_params(".*conv.*weight").values():
        assert abs(parameter.data()).sum().asscalar() == 0


@pytest.mark.parametrize("size", [(63, 256), (256, 63), (32, 32)])
def test_too_small_an_image_is_refused(size):
    height, width = size
    for net in (initialised(ToySSD(1)), toy_ssd(1)):
        with pytest.raises(ValueError, match=f"{width} x {height} pixels.*resize them to 64"):
            net(nd.zeros((1, 3, height, width)))


@pytest.mark.parametrize("num_classes", [1, 3])
def test_an_untrained_network_sees_background(num_classes):
    net = toy_ssd(num_classes)
    probabilities = nd.softmax(net(nd.zeros((1, 3, 64, 64)))[1], axis=-1)[0]
    others = [(1 - BACKGROUND_PRIOR) / num_classes] * num_classes
    expected = np.tile([BACKGROUND_PRIOR, *others], (344, 1))
    np.testing.assert_allclose(probabilities.asnumpy(), expected, atol=1e-4)


# --- Batch normalisation and ReLU in one ----------------------------------------------------------


@pytest.fixture
def on_gpu(monkeypatch):
    """Have every parameter say that it lies on a GPU."""
    monkeypatch.setattr(gluon.Parameter, "list_ctx", lambda self: [mx.gpu(0)])


def operators(block):
    """Return the names of the operators in a block's graph."""
    outputs = block(mx.sym.var("data"))
    graph = mx.sym.Group(list(outputs)) if isinstance(outputs, (list, tuple)) else outputs
    return [node["op"] for node in json.loads(graph.tojson())["nodes"]]


def test_cpu_fuses():
    names = operators(initialised(ToySSD(1)))
    assert names.count(FUSED) == 12 and "Activation" not in names and "BatchNorm" not in names


def test_gpu_holds_no_fused_operator(on_gpu):
    names = operators(initialised(ToySSD(1)))
    assert FUSED not in names
    assert names.count("BatchNorm") == 12 and names.count("Activation") == 12


def test_build_without_onednn_holds_no_fused_operator(monkeypatch):
    monkeypatch.setattr(mx.runtime.Features, "is_enabled", lambda self, name: False)
    assert FUSED not in operators(initialised(ToySSD(1)))


def run(block, x, training):
    """Return the output, the running statistics and, in training, the gradients of one pass."""
    x = x.copy()
    x.attach_grad()
    with autograd.record(train_mode=training):
        y = block(x)
    statistics = [block.running_mean.data(), block.running_var.data()]
    if not training:  # where the fused operator has no right gradients, and nobody asks for them
        return [y, *statistics]
    y.backward(nd.arange(y.size).reshape(y.shape) / y.size)
    return [y, *statistics, x.grad, block.gamma.grad(), block.beta.grad()]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("hybridize", [True, False])
def test_fused_equals_unfused(monkeypatch, training, hybridize):
    x = nd.random.normal(loc=1, scale=2, shape=(4, 16, 8, 8))
    parameters = [nd.random.uniform(0.5, 2, shape=(16,)) for _ in range(4)]
    results = []
    for device in (mx.cpu(), mx.gpu(0)):
        block = initialised(BatchNormReLU(in_channels=16))
        for parameter, value in zip(block.collect_params().values(), parameters):
            parameter.set_data(value)
        monkeypatch.setattr(block.gamma, "list_ctx", lambda device=device: [device])
        if hybridize:
            block.hybridize()
        results.append(run(block, x, training))
        assert block.fuse_relu == (device == mx.cpu())
    for fused, unfused in zip(*results):
        np.testing.assert_allclose(fused.asnumpy(), unfused.asnumpy(), rtol=1e-5, atol=1e-5)
    assert (results[0][0] == 0).sum().asscalar() > 0  # ReLU had something to cut
    moved = not np.allclose(results[0][1].asnumpy(), parameters[2].asnumpy())
    assert moved == training


def test_parameters_fit_fused_and_unfused_networks(monkeypatch, tmp_path):
    x = nd.random.normal(shape=(1, 3, 64, 64))
    fused, unfused = toy_ssd(2), toy_ssd(2)
    expected = fused(x)
    fused.save_parameters(str(tmp_path / "net.params"))
    monkeypatch.setattr(mx.runtime.Features, "is_enabled", lambda self, name: False)
    unfused.load_parameters(str(tmp_path / "net.params"))
    for one, other in zip(unfused(x), expected):
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_compiled_for_inference_equals_plain(batch_size):
    x = nd.random.normal(shape=(batch_size, 3, 64, 96))
    net = toy_ssd(2)
    for _ in range(3):  # so that the running statistics are not those of the start
        with autograd.record():
            net(nd.random.normal(loc=1, shape=(4, 3, 64, 64)))[1].backward()
    expected = net(x)
    compile_for_inference(net, image_size=64)
    for one, other in zip(net(x), expected):
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), rtol=1e-4, atol=1e-5)


def test_compiling_for_inference_joins_layers():
    net = toy_ssd(1)
    compile_for_inference(net, image_size=64)
    names = {node["op"] for node in json.loads(net._cached_graph[1].tojson())["nodes"]}
    assert "_sg_mkldnn_conv" in names and not names & {FUSED, "BatchNorm", "Activation"}


def test_compiling_for_inference_leaves_other_devices_alone(on_gpu):
    net = toy_ssd(1)
    compile_for_inference(net, image_size=64)
    assert all(layer.may_fuse for layer in net.stages[1] if isinstance(layer, BatchNormReLU))


def test_the_first_anchors_of_a_pixel_are_squares_of_both_sizes():
    """A square object is the commonest, so that the first ratio, which shapes each size, is 1."""
    anchors, _, _ = initialised(ToySSD(1))(nd.zeros((1, 3, 64, 64)))
    sides = corner_to_center(anchors)[0, :2, 2:].asnumpy()
    np.testing.assert_allclose(sides, np.tile(np.array(SIZES[:1]).T, 2), atol=1e-6)
