"""Weights to begin a training with: random ones, those of ImageNet, those of a detector."""

from collections.abc import Sequence
from pathlib import Path

from single_shot.weights.lite0 import imagenet_classifier
from single_shot.weights.vgg16 import load_imagenet_weights
from utils.checkpoint import Checkpoint, load_checkpoint, wrong_content
from utils.files import InputError
from utils.networks import described
from utils.ssd300 import SSD
from utils.ssdlite import SSDLite

from mxnet import nd
from mxnet.gluon import nn

SCRATCH, IMAGENET = "scratch", "imagenet"


def load_start(path: Path, network: str) -> Checkpoint:
    """Return the checkpoint of a detector to begin with; network: the name of the recipe's.

    Raises InputError where it is of another network.
    """
    checkpoint = load_checkpoint(path)
    found = described(checkpoint)["name"]
    if found != network:
        raise InputError(
            f"{path}: its network is {found}, the recipe's {network}; choose another --recipe, or "
            "begin with --from scratch"
        )
    return checkpoint


def begin_with_imagenet(net: nn.HybridBlock) -> str:
    """Give the base of a detector what ImageNet taught it; return what was done, in words.

    Raises InputError for a network whose base never saw ImageNet, or where its file is not there.
    """
    if isinstance(net, SSDLite):
        copy_weights(imagenet_classifier().base, net.base)
        return "the base begins with what ImageNet taught EfficientNet-Lite0"
    if isinstance(net, SSD):
        load_imagenet_weights(net.base)
        return "the base begins with what ImageNet taught VGG16"
    raise InputError("there are no weights of ImageNet for ToySSD; choose --recipe ssdlite")


def copy_weights(source: nn.HybridBlock, target: nn.HybridBlock) -> None:
    """Give one block the weights of another with the same layers."""
    found = source._collect_params_with_prefix()
    for name, parameter in target._collect_params_with_prefix().items():
        parameter.set_data(found[name].data())


def begin_with_detector(
    net: nn.HybridBlock, checkpoint: Checkpoint, class_names: Sequence[str], image_size: int
) -> str:
    """Give a network the weights of a detector with the same layers; return it in words.

    The outputs of classes that the detector knows by name go over, those of others stay random.
    class_names: of the network; image_size: of its images, in pixels.
    """
    known = tuple(checkpoint.metadata["class_names"])
    if known == tuple(class_names):
        checkpoint.load_into(net)
        return f"all weights of {checkpoint.path} go over"
    ctx = next(iter(net.collect_params().values())).list_ctx()[0]
    net(nd.zeros((1, 3, image_size, image_size), ctx=ctx))  # now the weights have their shapes
    with wrong_content(checkpoint.path):
        for name, parameter in net._collect_params_with_prefix().items():
            value = checkpoint.parameters[name].as_in_context(ctx)
            if name.startswith("class_predictors"):
                value = carried_over(value, parameter.data(ctx), known, class_names)
            parameter.set_data(value)
    kept = [name for name in class_names if name in known]
    new = [name for name in class_names if name not in known]
    return (
        f"the weights of {checkpoint.path} go over; class outputs kept: {', '.join(kept) or 'none'}"
        f"; begun anew: {', '.join(new) or 'none'}"
    )


def carried_over(
    old: nd.NDArray, new: nd.NDArray, known: Sequence[str], class_names: Sequence[str]
) -> nd.NDArray:
    """Return weight or bias of a class predictor with the outputs of classes that are known.

    old: (anchors * (known classes + 1), ...); new: (anchors * (classes + 1), ...), its random
    values stay where a class is new. Background goes over.
    """
    old = old.reshape((-1, len(known) + 1, *old.shape[1:])).asnumpy()
    values = new.reshape((-1, len(class_names) + 1, *new.shape[1:])).asnumpy()
    values[:, 0] = old[:, 0]
    for number, name in enumerate(class_names, start=1):
        if name in known:
            values[:, number] = old[:, 1 + known.index(name)]
    return nd.array(values.reshape(new.shape), ctx=new.context)
