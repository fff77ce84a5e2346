"""The drawing of the detector says what the detector is."""

from utils.figures import draw_architecture, draw_trunk
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


def test_the_trunk_has_a_box_for_each_head_below_every_map():
    shapes, heads = [(3, 64, 64), (16, 16, 16), (32, 1, 1)], ["scores", "offsets"]
    (ax,) = draw_trunk(["picture", "first", "last"], shapes, heads).axes
    sizes = np.array([[patch.get_height(), patch.get_width()] for patch in ax.patches])
    blocks = [0, 1, 4]  # a picture, then a map and its two heads, twice
    np.testing.assert_allclose(sizes[blocks, 0] / sizes[4, 0], [64, 16, 1])
    np.testing.assert_allclose(sizes[blocks, 1] ** 2 / sizes[0, 1] ** 2, [1, 16 / 3, 32 / 3])
    below = [patch for index, patch in enumerate(ax.patches) if index not in blocks]
    middles = [patch.get_x() + patch.get_width() / 2 for patch in below]
    np.testing.assert_allclose(middles, [2, 2, 4, 4])
    tops = np.array([patch.get_y() + patch.get_height() for patch in below])
    assert tops.max() < min(patch.get_y() for patch in ax.patches[:1])
    texts = [text.get_text() for text in ax.texts if text.get_text()]
    assert texts == ["picture\n3 × 64 × 64", "first\n16 × 16 × 16", *heads] + [
        "last\n32 × 1 × 1",
        *heads,
    ]
