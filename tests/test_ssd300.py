"""SSD300 against the paper's table, and against GluonCV's network with the same weights."""

from dataclasses import replace

from utils.boxes import center_to_corner
from utils.comparison import assert_same_detections
from utils.detection import per_class_detection
from utils.losses import MinedCrossEntropyLoss
from utils.ssd300 import MINED_PRIOR, SSD, SSD300, SSD512, NormScale

import numpy as np
import pytest
from gluoncv.model_zoo import get_model
from mxnet import autograd, nd

MAPS = {SSD300: (38, 19, 10, 5, 3, 1), SSD512: (64, 32, 16, 8, 4, 2, 1)}
PRIORS = {SSD300: (4, 6, 6, 6, 4, 4), SSD512: (4, 6, 6, 6, 6, 4, 4)}

# The authors' released code, which GluonCV follows, has other scales and steps than the text.
RELEASED_300 = replace(
    SSD300,
    scales=tuple(size / 300 for size in (30, 60, 111, 162, 213, 264, 315)),
    steps=(8, 16, 32, 64, 100, 300),
)


def learnt(net):
    """Return the arrays that training changes, in the order of the layers."""
    parameters = net._collect_params_with_prefix()
    return [
        p for name, p in parameters.items() if "anchor" not in name and "init_scale" not in name
    ]


@pytest.fixture(scope="module")
def networks():
    """GluonCV's SSD300 with random weights, ours with the same, and an image."""
    theirs = get_model("ssd_300_vgg16_atrous_voc", pretrained=False, pretrained_base=False)
    theirs.initialize()
    image = nd.random.uniform(-2, 2, shape=(1, 3, 300, 300))
    theirs(image)
    for predictor in theirs.class_predictors:  # so that only some anchors look like objects
        weight, bias = predictor.predictor.weight, predictor.predictor.bias
        weight.set_data(0.1 * weight.data())
        bias.set_data(nd.tile(nd.array([6] + [0] * 20), bias.shape[0] // 21))
    for predictor in theirs.box_predictors:
        weight = predictor.predictor.weight
        weight.set_data(0.1 * weight.data())
    ours = SSD(20, RELEASED_300)
    ours.initialize()
    ours(image)
    for source, target in zip(learnt(theirs), learnt(ours), strict=True):
        target.set_data(source.data())
    first = ours.base.convolutions()[0].weight  # theirs is for pixels of 0 to 255, less the mean
    first.set_data(first.data() * nd.array([0.229, 0.224, 0.225]).reshape((1, 3, 1, 1)) * 255)
    return theirs, ours, image


def predictions_of(theirs, image):
    """Return class scores, offsets and anchors, as GluonCV gives them in training mode."""
    with autograd.train_mode():
        return theirs(image)


def test_predicts_the_same_as_gluoncv(networks):
    theirs, ours, image = networks
    cls_preds, box_preds, anchors_center_px = predictions_of(theirs, image)
    anchors, our_cls_preds, our_box_preds = ours(image)
    expected = center_to_corner(anchors_center_px) / 300
    np.testing.assert_allclose(anchors.asnumpy(), expected.asnumpy(), atol=1e-4)
    np.testing.assert_allclose(our_cls_preds.asnumpy(), cls_preds.asnumpy(), atol=1e-4)
    expected = box_preds.reshape((1, -1)).asnumpy()
    np.testing.assert_allclose(our_box_preds.asnumpy(), expected, atol=1e-4)


def test_detects_the_same_as_gluoncv(networks):
    theirs, ours, image = networks
    theirs.set_nms(nms_thresh=0.45, nms_topk=400, post_nms=100)
    ids, scores, boxes_px = (array[0].asnumpy() for array in theirs(image))
    valid = ids[:, 0] >= 0
    assert valid.sum() > 20
    found = per_class_detection(*ours(image))[0][: valid.sum()]
    # Theirs reaches beyond the image, ours is clipped to it.
    expected = np.concatenate([ids, scores, (boxes_px / 300).clip(0, 1)], axis=1)[valid]
    assert_same_detections(found, expected, cut_score=expected[-1, 1])


@pytest.mark.parametrize("layout", [SSD300, SSD512], ids=["300", "512"])
def test_maps_and_priors_are_those_of_the_paper(layout):
    net = SSD(2, layout, width=1 / 16)
    net.initialize()
    image = nd.zeros((2, 3, layout.image_size, layout.image_size))
    maps = net.feature_maps(image)
    assert [feature_map.shape[2:] for feature_map in maps] == [
        (side, side) for side in MAPS[layout]
    ]
    assert tuple(1 + len(ratios) for ratios in layout.ratios) == PRIORS[layout]
    num_anchors = sum(s * s * k for s, k in zip(MAPS[layout], PRIORS[layout], strict=True))
    assert num_anchors == {300: 8732, 512: 24564}[layout.image_size]
    anchors, cls_preds, box_preds = net(image)
    assert anchors.shape == (1, num_anchors, 4)
    assert cls_preds.shape == (2, num_anchors, 3)
    assert box_preds.shape == (2, 4 * num_anchors)


def test_scales_are_those_of_the_paper():
    firsts = [sizes[0] for sizes in SSD300.sizes]
    np.testing.assert_allclose(firsts, [0.1, 0.2, 0.375, 0.55, 0.725, 0.9])
    np.testing.assert_allclose(SSD300.sizes[1][1] ** 2, 0.2 * 0.375)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_layers_have_the_names_of_the_paper(batch_norm):
    net = SSD(1, width=1 / 16, batch_norm=batch_norm, prefix="ssd300_")
    names = [name for name in net.collect_params() if name.endswith("_weight")]
    vgg16 = [f"conv{b}_{n}" for b, m in enumerate((2, 2, 3, 3, 3), 1) for n in range(1, m + 1)]
    extras = [f"conv{block}_{n}" for block in (8, 9, 10, 11) for n in (1, 2)]
    expected = [f"ssd300_{name}_weight" for name in (*vgg16, "conv6", "conv7", *extras)]
    assert [name for name in names if "conv" in name.removeprefix("ssd300_")[:4]] == expected
    assert any("_bn_" in name for name in net.collect_params()) == batch_norm
    heads = [name for name in names if "_classes_" in name or "_boxes_" in name]
    assert len(heads) == 12 and sum("_classes_" in name for name in heads) == 6


def test_an_untrained_network_expects_the_background_of_the_mined_loss():
    net = SSD(3, width=1 / 16)
    net.initialize()
    probabilities = nd.softmax(net(nd.zeros((1, 3, 300, 300)))[1], axis=-1)[0, :, 0].asnumpy()
    ratio = MinedCrossEntropyLoss().negative_ratio
    assert ratio / (ratio + 1) == MINED_PRIOR
    np.testing.assert_allclose(probabilities, MINED_PRIOR, atol=1e-6)


def test_norm_scale_equals_the_operator():
    x = nd.random.normal(shape=(2, 8, 5, 4))
    block = NormScale(8)
    block.initialize()
    expected = 20 * nd.L2Normalization(x, mode="channel", eps=1e-5)
    np.testing.assert_allclose(block(x).asnumpy(), expected.asnumpy(), atol=1e-5)
    assert (block(nd.zeros((1, 8, 2, 2))) == 0).min().asscalar() == 1


def test_compiled_gives_the_same():
    net = SSD(3, width=1 / 16, batch_norm=True)
    net.initialize()
    image = nd.random.normal(shape=(2, 3, 300, 300))
    expected = [array.asnumpy() for array in net(image)]
    net.hybridize(static_alloc=True, static_shape=True)
    for found, array in zip(net(image), expected, strict=True):
        np.testing.assert_allclose(found.asnumpy(), array, atol=1e-4)
