"""What a training begins with: ImageNet's base, or a detector of other classes."""

from single_shot import weights
from utils.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from utils.files import InputError
from utils.networks import TOY_SSD, build_network, describe_ssdlite
from utils.ssdlite import RATIOS, SIZES

import numpy as np
import pytest
from mxnet import nd

from tests.toy_data import values_of


def saved(tmp_path, class_names, description=TOY_SSD):
    """Write a detector with random weights; return its path and the network."""
    net = build_network(description, len(class_names))
    net(nd.zeros((1, 3, 64, 64)))
    metadata = {"class_names": list(class_names), "image_size": 64, "network": description}
    path = tmp_path / "detector.params"
    save_checkpoint(path, net, metadata)
    return path, net


def outputs(net, num_classes):
    """Return the weights of the first class predictor, (anchors, classes + 1, ...)."""
    weight = values_of(net.class_predictors[0].weight)
    return weight.reshape(-1, num_classes + 1, *weight.shape[1:])


def test_classes_of_the_same_name_keep_their_outputs(tmp_path):
    path, old = saved(tmp_path, ("cat", "dog", "owl"))
    net = build_network(TOY_SSD, num_classes=2)
    checkpoint = weights.load_start(path, "toy_ssd")
    said = weights.begin_with_detector(net, checkpoint, ("owl", "eel"), 64)
    assert said.endswith("class outputs kept: owl; begun anew: eel")
    before, after = outputs(old, 3), outputs(net, 2)
    np.testing.assert_array_equal(after[:, 0], before[:, 0])  # background
    np.testing.assert_array_equal(after[:, 1], before[:, 3])
    assert np.isin(after[:, 2], before).mean() < 0.01  # two random numbers may be equal
    for name, parameter in net._collect_params_with_prefix().items():
        if not name.startswith("class_predictors"):
            found = load_checkpoint(path).parameters[name].asnumpy()
            np.testing.assert_array_equal(values_of(parameter), found)


def test_the_same_classes_take_everything(tmp_path):
    path, old = saved(tmp_path, ("cat", "dog"))
    net = build_network(TOY_SSD, num_classes=2)
    said = weights.begin_with_detector(net, weights.load_start(path, "toy_ssd"), ("cat", "dog"), 64)
    assert said == f"all weights of {path} go over"
    np.testing.assert_array_equal(outputs(net, 2), outputs(old, 2))


def test_another_network_and_other_layers_are_refused(tmp_path):
    path, _ = saved(tmp_path, ("cat", "dog"))
    with pytest.raises(InputError, match="its network is toy_ssd, the recipe's ssdlite"):
        weights.load_start(path, "ssdlite")
    wider = build_network({**TOY_SSD, "sizes": ((0.1, 0.2, 0.3), *SIZES[1:5])}, num_classes=1)
    with pytest.raises(CheckpointError, match="detector.params"):
        weights.begin_with_detector(wider, load_checkpoint(path), ("cat",), 64)


def test_the_base_begins_with_imagenet_and_the_heads_do_not():
    net = build_network(describe_ssdlite(SIZES, RATIOS), num_classes=2)
    assert "ImageNet taught EfficientNet-Lite0" in weights.begin_with_imagenet(net)
    expected = weights.imagenet_classifier().base._collect_params_with_prefix()
    found = net.base._collect_params_with_prefix()
    assert len(found) == len(expected) == 98
    for name, parameter in found.items():
        np.testing.assert_array_equal(values_of(parameter), values_of(expected[name]))


def test_toy_ssd_never_saw_imagenet():
    with pytest.raises(InputError, match="choose --recipe ssdlite"):
        weights.begin_with_imagenet(build_network(TOY_SSD, num_classes=1))
