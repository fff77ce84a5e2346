"""SSDLite: its maps, its padding, and stages that training leaves alone."""

from dataclasses import replace

from utils import ssdlite
from utils.ssd import toy_ssd
from utils.ssdlite import SSDLite
from utils.training import TrainingConfig, TrainingRun

import numpy as np
import pytest
from mxnet import nd

from tests.toy_data import rectangles, values_of

CONFIG = TrainingConfig(image_sizes=(64,), batch_size=4, learning_rate=1e-3)


@pytest.mark.parametrize("size, sides", [(256, (32, 16, 8, 4, 2, 1)), (320, (40, 20, 10, 5, 3, 2))])
def test_maps_and_predictions_have_their_shapes(size, sides):
    net = ssdlite.ssdlite(num_classes=3)
    anchors, cls_preds, box_preds = net(nd.zeros((2, 3, size, size)))
    count = 4 * sum(side**2 for side in sides)
    assert anchors.shape == (1, count, 4)
    assert cls_preds.shape == (2, count, 4) and box_preds.shape == (2, 4 * count)


def test_an_image_must_divide_evenly():
    with pytest.raises(ValueError, match="100 x 64 pixels; .* multiples of 32"):
        ssdlite.ssdlite(num_classes=1)(nd.zeros((1, 3, 64, 100)))


@pytest.mark.parametrize("kernel", [3, 5])
def test_a_stride_of_two_pads_as_tensorflow_does(kernel):
    """On even sides it pads one side by kernel // 2 - 1 and the other by kernel // 2."""
    layer = ssdlite.convolution(2, 2, kernel, stride=2, groups=2)
    layer.initialize()
    small = nd.random.normal(shape=(2, 1, kernel, kernel))
    grown = np.pad(small.asnumpy(), ((0, 0), (0, 0), (1, 0), (1, 0)))
    layer.weight.set_data(nd.array(grown))
    x = nd.random.normal(shape=(1, 2, 8, 12))
    least, most = kernel // 2 - 1, kernel // 2
    padded = nd.pad(x, mode="constant", pad_width=(0, 0, 0, 0, least, most, least, most))
    options = {"kernel": (kernel, kernel), "stride": (2, 2), "num_filter": 2, "num_group": 2}
    expected = nd.Convolution(padded, small, no_bias=True, **options)
    np.testing.assert_allclose(layer(x).asnumpy(), expected.asnumpy(), atol=1e-5)
    assert expected.shape == (1, 2, 4, 6)


def test_the_bound_is_kept_before_the_first_map_only():
    def bounds(stages):
        return [any(isinstance(b, ssdlite.ReLU6) for b in blocks(stage)) for stage in stages]

    def blocks(block):
        return [block, *(found for child in block._children.values() for found in blocks(child))]

    assert bounds(SSDLite(1).base) == [True] * 3 + [False] * 5
    assert bounds(ssdlite.Lite0().base) == [True] * 8
    assert ssdlite.ReLU6()(nd.array([-1, 3, 7])).asnumpy().tolist() == [0, 3, 6]


def weights_of(stages):
    return [[values_of(p) for p in stage.collect_params().values()] for stage in stages]


def changed(before, after):
    """Return for every stage whether all of its learnt weights have changed, or none."""
    result = []
    for old, new in zip(before, after, strict=True):
        moved = {not np.array_equal(a, b) for a, b in zip(old, new) if a.size > 3}
        assert len(moved) == 1
        result.append(moved.pop())
    return result


def after_steps(net, config, size=64):
    """Return which stages of a base change in two steps, and by how much."""
    run = TrainingRun(net, rectangles(4, size), config)
    images = nd.array(np.stack([image for image, _ in run.dataset]), dtype=np.uint8)
    labels = nd.array(np.stack([labels for _, labels in run.dataset]))
    net(nd.zeros((1, 3, size, size)))
    before = weights_of(net.base_stages)
    for _ in range(2):
        run.step(images, labels, config.learning_rate)
    after = weights_of(net.base_stages)
    largest = max(np.abs(a - b).max() for old, new in zip(before, after) for a, b in zip(old, new))
    return changed(before, after), largest


@pytest.mark.parametrize("frozen", [0, 3, 8])
def test_frozen_stages_stay_as_they_are(frozen):
    net = ssdlite.ssdlite(num_classes=1)
    moved, _ = after_steps(net, replace(CONFIG, frozen_stages=frozen))
    assert moved == [False] * frozen + [True] * (8 - frozen)


def test_frozen_stages_keep_their_running_statistics_too():
    moved, _ = after_steps(toy_ssd(num_classes=1), replace(CONFIG, frozen_stages=2))
    assert moved == [False, False, True]


def test_the_base_learns_at_its_own_rate():
    whole, tenth = (
        after_steps(ssdlite.ssdlite(1), replace(CONFIG, base_rate=rate))[1] for rate in (1.0, 0.1)
    )
    # Adam's first steps are as long as the rate.
    assert whole == pytest.approx(2e-3, rel=0.1) and tenth == pytest.approx(2e-4, rel=0.1)
