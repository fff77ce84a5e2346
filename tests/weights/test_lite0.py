"""What ImageNet taught EfficientNet-Lite0, in our network."""

from single_shot.weights import lite0
from utils.checkpoint import CheckpointError
from utils.data import normalize
from utils.detection import preprocess

import numpy as np
import pytest
import skimage.data
from gluoncv.data import ImageNet1kAttr
from mxnet import nd
from mxnet.gluon import nn


@pytest.fixture(scope="module")
def arrays():
    return lite0.read_torch_file(lite0.weights_file())


def square(image):
    """Return the middle of an image, as wide as it is high."""
    side = min(image.shape[:2])
    top, left = ((n - side) // 2 for n in image.shape[:2])
    return image[top : top + side, left : left + side]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("chelsea", {"Egyptian cat": 0.40, "tiger cat": 0.32, "tabby": 0.16}),
        ("coffee", {"espresso": 0.94}),
    ],
)
def test_it_knows_what_is_in_a_photograph(name, expected):
    image = square(getattr(skimage.data, name)())
    logits = lite0.imagenet_classifier()(preprocess(image, 224))
    probabilities = nd.softmax(logits)[0].asnumpy()
    best = probabilities.argsort()[::-1][: len(expected)]
    found = {ImageNet1kAttr().classes[index]: probabilities[index] for index in best}
    assert list(found) == list(expected)
    assert found == pytest.approx(expected, abs=0.02)


def test_every_number_of_the_file_but_counters_is_used(arrays):
    used = [name for pair in lite0.layer_names() for name in pair] + ["_fc"]
    left = {name for name in arrays if name.rpartition(".")[0] not in used}
    assert left == set() and len(used) == 2 * 49 + 1


def test_a_folded_convolution_is_one_with_its_normalisation(arrays):
    convolution, norm = nn.Conv2D(96, 1, use_bias=False), nn.BatchNorm(epsilon=lite0.EPSILON)
    for layer in (convolution, norm):
        layer.initialize()
    x = nd.random.normal(shape=(2, 16, 5, 7))
    norm(convolution(x))
    convolution.weight.set_data(nd.array(arrays["_blocks.1._expand_conv.weight"]))
    for part, parameter in zip(
        lite0.NORM_PARTS, (norm.gamma, norm.beta, norm.running_mean, norm.running_var)
    ):
        parameter.set_data(nd.array(arrays[f"_blocks.1._bn0.{part}"]))
    weight, bias = lite0.folded(arrays, "_blocks.1._expand_conv", "_blocks.1._bn0")
    found = nd.Convolution(x, nd.array(weight), nd.array(bias), kernel=(1, 1), num_filter=96)
    np.testing.assert_allclose(found.asnumpy(), norm(convolution(x)).asnumpy(), atol=1e-4)


def test_images_are_rescaled_to_what_it_learnt_from():
    net = lite0.imagenet_classifier()
    image = nd.array([[[[0, 100, 255]]]], dtype=np.uint8)
    found = net.base[0][0](normalize(image))[0, :, 0, 0].asnumpy()
    np.testing.assert_allclose(found, (np.array([0, 100, 255]) - 127) / 128, atol=1e-5)


def test_a_layer_that_is_absent_or_of_another_shape_is_named(arrays):
    with pytest.raises(CheckpointError, match="EfficientNet-Lite0: '_conv_head.weight'"):
        lite0.classifier_of({n: a for n, a in arrays.items() if n != "_conv_head.weight"})
    wrong = arrays | {"_fc.weight": np.zeros((10, 1280), dtype=np.float32)}
    with pytest.raises(CheckpointError, match=r"is \(1000, 1280\), the file has \(10, 1280\)"):
        lite0.classifier_of(wrong)


def test_another_file_and_an_absent_package_are_refused(tmp_path, monkeypatch):
    package = tmp_path / "lite0_for_test"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('code of the package was run')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(lite0, "PACKAGE", package.name)
    with pytest.raises(CheckpointError, match=f"{lite0.FILE}: its SHA-256 is absent"):
        lite0.weights_file()
    (package / "models" / lite0.FILE).write_bytes(b"other weights")
    with pytest.raises(CheckpointError, match="install it again"):
        lite0.weights_file()
    monkeypatch.setattr(lite0, "PACKAGE", "no_such_package")
    with pytest.raises(CheckpointError, match="no-such-package is not installed: run make setup"):
        lite0.weights_file()
