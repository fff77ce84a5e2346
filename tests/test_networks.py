"""What a checkpoint says of its network is enough to build it again."""

import json

from utils import ssdlite
from utils.checkpoint import CheckpointError, save_checkpoint
from utils.detection import detect, load_detector, multibox_detection, per_class_detection
from utils.networks import TOY_SSD, build_network, describe_ssd, describe_ssdlite, describe_toy_ssd
from utils.ssd import SIZES

import numpy as np
import pytest
from mxnet import nd

DESCRIPTIONS = {
    "toy_ssd": TOY_SSD,
    "with its own anchors": describe_toy_ssd(((0.1, 0.15, 0.2), *SIZES[1:]), (1, 1.5)),
    "ssdlite": describe_ssdlite(((0.1, 0.15, 0.2), *ssdlite.SIZES[1:]), (1, 1.5)),
    "ssd300": describe_ssd("ssd300", 1 / 16, batch_norm=True),
}


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_stored_network_predicts_what_it_did(tmp_path, name):
    description = DESCRIPTIONS[name]
    size = 300 if name == "ssd300" else 128
    net = build_network(json.loads(json.dumps(description)), num_classes=2)
    images = nd.random.normal(shape=(1, 3, size, size))
    expected = [array.asnumpy() for array in net(images)]
    metadata = {"class_names": ["a", "b"], "image_size": size, "network": description}
    save_checkpoint(tmp_path / "net.params", net, metadata)
    detector = load_detector(tmp_path / "net.params")
    for found, array in zip(detector.net(images), expected, strict=True):
        # Rounding grows with the numbers: SSDLite's are large while it has learnt nothing.
        np.testing.assert_allclose(found.asnumpy(), array, atol=1e-4 * max(1, abs(array).max()))
    assert detector.net.description == description
    assert detector.decode is (multibox_detection if name == "toy_ssd" else per_class_detection)
    assert detect(np.zeros((40, 60, 3), dtype=np.uint8), detector).shape[1] == 6


def test_an_unknown_network_is_named(tmp_path):
    net = build_network(TOY_SSD, num_classes=1)
    net(nd.zeros((1, 3, 64, 64)))
    metadata = {"class_names": ["a"], "image_size": 64, "network": {"name": "yolo"}}
    save_checkpoint(tmp_path / "net.params", net, metadata)
    with pytest.raises(CheckpointError, match="the network is 'yolo'; this version knows toy_ssd"):
        load_detector(tmp_path / "net.params")


def test_anchors_of_a_description_are_those_of_the_network():
    net = build_network(describe_toy_ssd(((0.1, 0.15, 0.2), *SIZES[1:]), (1, 1.5)), num_classes=1)
    anchors = net(nd.zeros((1, 3, 128, 128)))[0]
    # 16 x 16 pixels with three sizes and one more ratio, then two sizes on 64 + 16 + 4 + 1 pixels.
    assert anchors.shape == (1, 256 * 4 + 85 * 3, 4)
    widths = (anchors[0, :4, 2] - anchors[0, :4, 0]).asnumpy()
    np.testing.assert_allclose(widths, [0.1, 0.15, 0.2, 0.1 * 1.5**0.5], rtol=1e-5)
