"""The drawing of the detector says what the detector is."""

from utils.figures import draw_architecture
from utils.figures.architecture import MAP_SIDES
from utils.ssd import toy_ssd

import numpy as np
from mxnet import nd


def test_the_drawing_has_the_maps_and_anchors_of_the_network():
    figure = draw_architecture(np.zeros((8, 8, 3), dtype=np.uint8))
    texts = [text.get_text() for text in figure.axes[0].texts]
    x, sides = nd.zeros((1, 3, 128, 128)), []
    net = toy_ssd(1)
    num_anchors = net(x)[0].shape[1]
    for stage in net.stages:
        x = stage(x)
        sides.append(x.shape[2])
    assert tuple(sides) == MAP_SIDES
    assert all(f"{side} × {side}" in texts for side in sides)
    assert any(f"{num_anchors} in all" in text for text in texts)
