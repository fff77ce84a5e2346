"""ImageNet weights for the base of SSD300, from the file of MXNet's model zoo."""

import hashlib
from os import PathLike
from pathlib import Path

from utils.checkpoint import CheckpointError
from utils.ssd300 import VGG16, VGG16_BLOCKS, decimate, dense_to_convolution

from mxnet import nd

# MXNet's model zoo publishes no other checksum of its `vgg16`; together with the SHA-1, the shapes
# of all layers are checked.
MODEL_ZOO_SHA1 = "e660d4569ccb679ec68f1fd3cce07a387252a90a"
MODEL_ZOO_FILE = Path("~/.mxnet/models") / f"vgg16-{MODEL_ZOO_SHA1[:8]}.params"
# fc6 looks at 7 x 7 pixels of pool5. Every third one is kept, so conv6 is 3 x 3.
SPATIAL_STEP = 3
# Of 4096 channels, every fourth one is kept.
CHANNEL_STEP = 4


def convolutions_of_vgg16(parameters: dict[str, nd.NDArray]) -> list[tuple[nd.NDArray, nd.NDArray]]:
    """Return weight and bias of conv1_1 to conv5_3, conv6 and conv7 from those of VGG16.

    parameters: {name: array} of MXNet's model zoo: `features.K.weight` and `.bias` with K the
    number of the layer, `features.31` and `features.33` dense. Returns a list of 15 pairs.
    Raises CheckpointError for a layer that is absent or of another shape.
    """
    expected = [(channels,) for num_layers, channels in VGG16_BLOCKS for _ in range(num_layers)]
    names = sorted(
        {name.rpartition(".")[0] for name in parameters if name.startswith("features.")},
        key=lambda name: int(name.rpartition(".")[2]),
    )
    pairs = [(parameters[f"{name}.weight"], parameters[f"{name}.bias"]) for name in names]
    shapes = [bias.shape for _, bias in pairs]
    if shapes != [*expected, (4096,), (4096,)]:
        raise CheckpointError(f"the layers have {shapes} outputs, which is not VGG16")
    return [*pairs[:-2], *decimated(*pairs[-2:])]


def decimated(
    fc6: tuple[nd.NDArray, nd.NDArray], fc7: tuple[nd.NDArray, nd.NDArray]
) -> list[tuple[nd.NDArray, nd.NDArray]]:
    """Return weight and bias of conv6 and conv7 from those of fc6 and fc7 (Liu et al., section 3).

    fc6: weight (O, C * 49), which looks at 7 x 7 pixels, and bias (O,); fc7: (P, O) and (P,).
    """
    (weight6, bias6), (weight7, bias7) = fc6, fc7
    conv6 = decimate(
        dense_to_convolution(weight6, 7), (CHANNEL_STEP, 1, SPATIAL_STEP, SPATIAL_STEP)
    )
    conv7 = decimate(dense_to_convolution(weight7, 1), (CHANNEL_STEP, CHANNEL_STEP, 1, 1))
    return [
        (conv6, decimate(bias6, (CHANNEL_STEP,))),
        (conv7, decimate(bias7, (CHANNEL_STEP,))),
    ]


def load_imagenet_weights(
    base: VGG16, path: PathLike | str = MODEL_ZOO_FILE, sha1: str = MODEL_ZOO_SHA1
) -> None:
    """Give a full-width `ssd300.VGG16` the weights of MXNet's `vgg16`, trained on ImageNet.

    path: the model zoo's file; sha1: its checksum.
    Raises CheckpointError where the file is absent, spoiled or not of VGG16.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise CheckpointError(
            f"{path} is not there: fetch it with mxnet.gluon.model_zoo.vision.vgg16("
            "pretrained=True) on a machine with network access, or train from scratch"
        )
    found = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    if found != sha1:
        raise CheckpointError(f"{path}: its SHA-1 is {found}, not {sha1}; fetch it again")
    pairs = convolutions_of_vgg16(nd.load(str(path)))
    layers = base.convolutions()
    for layer, (weight, bias) in zip(layers, pairs, strict=True):
        layer.weight.set_data(weight)
        layer.bias.set_data(bias)
