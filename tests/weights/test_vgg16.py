"""The conversion of VGG16's dense layers, on random weights."""

import hashlib

from single_shot.weights import vgg16
from single_shot.weights.vgg16 import convolutions_of_vgg16, load_imagenet_weights
from utils.checkpoint import CheckpointError
from utils.ssd300 import VGG16, VGG16_BLOCKS, decimate, dense_to_convolution

import numpy as np
import pytest
from mxnet import nd

from tests.toy_data import values_of

FULL_BLOCKS = VGG16_BLOCKS


def test_the_convolution_equals_the_dense_layer_on_its_map():
    weight, bias = nd.random.normal(shape=(40, 8 * 7 * 7)), nd.random.normal(shape=(40,))
    pool5 = nd.random.normal(shape=(2, 8, 7, 7))
    dense = nd.FullyConnected(pool5, weight, bias, num_hidden=40)
    kernel = dense_to_convolution(weight, 7)
    convolution = nd.Convolution(pool5, kernel, bias, kernel=(7, 7), num_filter=40)
    assert convolution.shape == (2, 40, 1, 1)
    np.testing.assert_allclose(convolution.reshape((2, 40)).asnumpy(), dense.asnumpy(), atol=1e-4)


def test_decimate_keeps_the_first_of_every_step():
    weight = nd.arange(4 * 7 * 7).reshape((4, 1, 7, 7))
    kept = decimate(weight, (2, 1, 3, 3)).asnumpy()
    assert kept.shape == (2, 1, 3, 3)
    np.testing.assert_array_equal(kept[1, 0, :, 0], 2 * 49 + 7 * np.array([0, 3, 6]))


def test_a_decimated_kernel_with_dilation_sees_what_the_dense_layer_saw():
    """Where all other weights are 0, decimating loses nothing: dilation puts the rest in place."""
    kernel = np.zeros((1, 2, 7, 7), dtype=np.float32)
    kernel[:, :, ::3, ::3] = np.random.normal(size=(1, 2, 3, 3))
    pool5 = nd.random.normal(shape=(1, 2, 7, 7))
    whole = nd.Convolution(pool5, nd.array(kernel), no_bias=True, kernel=(7, 7), num_filter=1)
    part = decimate(nd.array(kernel), (1, 1, 3, 3))
    options = {"kernel": (3, 3), "dilate": (3, 3), "num_filter": 1, "no_bias": True}
    dilated = nd.Convolution(pool5, part, **options)
    np.testing.assert_allclose(dilated.asnumpy(), whole.asnumpy(), atol=1e-5)


def vgg16_parameters(blocks, channels):
    """Return random parameters named as in MXNet's model zoo; channels: of the dense layers."""
    parameters, number, inputs = {}, 0, 3
    for num_layers, outputs in blocks:
        for _ in range(num_layers):
            parameters[f"features.{number}.weight"] = nd.random.normal(
                shape=(outputs, inputs, 3, 3)
            )
            parameters[f"features.{number}.bias"] = nd.random.normal(shape=(outputs,))
            number, inputs = number + 2, outputs
        number += 1
    for features in (inputs * 49, channels):
        parameters[f"features.{number}.weight"] = nd.random.normal(shape=(channels, features))
        parameters[f"features.{number}.bias"] = nd.random.normal(shape=(channels,))
        number += 2
    parameters["output.weight"] = nd.zeros((10, channels))
    parameters["output.bias"] = nd.zeros((10,))
    return parameters


@pytest.fixture
def narrow(monkeypatch):
    """VGG16 with a sixteenth of its convolutions' channels, so that the file is small."""
    blocks = tuple((num_layers, channels // 16) for num_layers, channels in FULL_BLOCKS)
    monkeypatch.setattr(vgg16, "VGG16_BLOCKS", blocks)
    return vgg16_parameters(blocks, 4096)


def test_layers_come_in_order_with_conv6_and_conv7_decimated(narrow):
    pairs = convolutions_of_vgg16(narrow)
    assert len(pairs) == 15
    np.testing.assert_array_equal(pairs[2][0].asnumpy(), narrow["features.5.weight"].asnumpy())
    assert pairs[13][0].shape == (1024, 32, 3, 3) and pairs[13][1].shape == (1024,)
    assert pairs[14][0].shape == (1024, 1024, 1, 1)
    fc7 = narrow["features.33.weight"].asnumpy()
    np.testing.assert_array_equal(pairs[14][0].asnumpy()[:, :, 0, 0], fc7[::4, ::4])


def test_another_network_is_refused(narrow):
    del narrow["features.33.weight"], narrow["features.33.bias"]
    with pytest.raises(CheckpointError, match="not VGG16"):
        convolutions_of_vgg16(narrow)


def test_a_file_is_loaded_only_with_its_checksum(narrow, tmp_path, monkeypatch):
    monkeypatch.setattr("utils.ssd300.VGG16_BLOCKS", vgg16.VGG16_BLOCKS)
    path = tmp_path / "vgg16.params"
    nd.save(str(path), narrow)
    base = VGG16()
    base.initialize()
    with pytest.raises(CheckpointError, match="its SHA-1 is"):
        load_imagenet_weights(base, path)
    sha1 = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    load_imagenet_weights(base, path, sha1)
    base(nd.zeros((1, 3, 64, 64)))
    conv5_3 = values_of(base.convolutions()[12].weight)
    np.testing.assert_array_equal(conv5_3, narrow["features.28.weight"].asnumpy())


def test_an_absent_file_says_where_to_get_it(tmp_path):
    with pytest.raises(CheckpointError, match="pretrained=True"):
        load_imagenet_weights(VGG16(), tmp_path / "none.params")
