"""What a checkpoint says of its network is enough to build it again."""

import json

from utils.checkpoint import CheckpointError, save_checkpoint
from utils.detection import detect, load_detector, multibox_detection, per_class_detection
from utils.networks import TOY_SSD, build_network, describe_ssd

import numpy as np
import pytest
from mxnet import nd

DESCRIPTIONS = {"toy_ssd": TOY_SSD, "ssd300": describe_ssd("ssd300", 1 / 16, batch_norm=True)}
SIZES = {"toy_ssd": 128, "ssd300": 300}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_stored_network_predicts_what_it_did(tmp_path, name):
    size, description = SIZES[name], DESCRIPTIONS[name]
    net = build_network(json.loads(json.dumps(description)), num_classes=2)
    images = nd.random.normal(shape=(1, 3, size, size))
    expected = [array.asnumpy() for array in net(images)]
    metadata = {"class_names": ["a", "b"], "image_size": size, "network": description}
    save_checkpoint(tmp_path / "net.params", net, metadata)
    detector = load_detector(tmp_path / "net.params")
    for found, array in zip(detector.net(images), expected, strict=True):
        np.testing.assert_allclose(found.asnumpy(), array, atol=1e-4)
    assert detector.decode is (multibox_detection if name == "toy_ssd" else per_class_detection)
    assert detect(np.zeros((40, 60, 3), dtype=np.uint8), detector).shape[1] == 6


def test_an_unknown_network_is_named(tmp_path):
    net = build_network(TOY_SSD, num_classes=1)
    net(nd.zeros((1, 3, 64, 64)))
    metadata = {"class_names": ["a"], "image_size": 64, "network": {"name": "yolo"}}
    save_checkpoint(tmp_path / "net.params", net, metadata)
    with pytest.raises(CheckpointError, match="the network is 'yolo'; this version knows toy_ssd"):
        load_detector(tmp_path / "net.params")
