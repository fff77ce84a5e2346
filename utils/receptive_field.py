"""Receptive fields: which pixels of an image a cell of a feature map can see.

A layer is a window `(kernel, stride, padding)` that slides over square maps. Images are square.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mxnet import autograd, nd
from mxnet.gluon import nn

SLIDING = (nn.Conv2D, nn.MaxPool2D, nn.AvgPool2D)
GLOBAL = (nn.GlobalMaxPool2D, nn.GlobalAvgPool2D)
PIXELWISE = (nn.BatchNorm, nn.Activation, nn.Dropout)  # each output cell sees its own cell only


@dataclass(frozen=True)
class ReceptiveField:
    """What the cells of a feature map see, along one axis of the image, in pixels.

    size: how many pixels one of them sees. jump: how far the fields of neighbours lie apart.
    start: the first pixel that the first one sees, below 0 where it sees padding.
    """

    size: int
    jump: int
    start: int

    def span(self, index: int) -> tuple[int, int]:
        """Return where the field of the map's cell `index` begins and ends, the end excluded.

        Nothing is clipped: the span reaches beyond the image by what is padding.
        """
        begin = self.start + index * self.jump
        return begin, begin + self.size


def receptive_field(windows: list) -> ReceptiveField:
    """Return the ReceptiveField after layers with these windows, first layer first.

    windows: triples (kernel, stride, padding), see Dumoulin and Visin, A guide to convolution
    arithmetic for deep learning, chapters 2 and 3. Without a window each pixel sees itself.
    """
    size, jump, start = 1, 1, 0
    for kernel, stride, padding in windows:
        size += (kernel - 1) * jump
        start -= padding * jump
        jump *= stride
    return ReceptiveField(size, jump, start)


def output_side(windows: list, side: int) -> int:
    """Return the side of the map that layers with these windows make of one of this side.

    Rounds down, as convolutions do and pooling by default.
    """
    for kernel, stride, padding in windows:
        side = (side + 2 * padding - kernel) // stride + 1
    return side


def windows_of(block: nn.Block, side: int) -> list:
    """Return the windows of all layers of a network, first layer first.

    block: layers in sequence, such as a stage of `ssd.ToySSD`; side: of the maps that go in, which
    is the kernel of global pooling. A dilated kernel counts with its holes.
    Raises TypeError for a layer of which it cannot say what it sees.
    """
    if isinstance(block, SLIDING):
        return [_window(block)]
    if isinstance(block, GLOBAL):
        return [(side, side, 0)]
    if isinstance(block, PIXELWISE):
        return []
    if not isinstance(block, (nn.Sequential, nn.HybridSequential)):
        raise TypeError(f"{type(block).__name__} is no layer whose receptive field is known")
    windows = []
    for layer in block:
        windows += windows_of(layer, output_side(windows, side))
    return windows


def _layers(block):
    """Yield a block and all blocks within it."""
    yield block
    for child in block._children.values():
        yield from _layers(child)


def _window(layer):
    """Return the window of a convolution or pooling layer with square kernels."""
    settings = layer._kwargs  # Gluon has no public name for them
    shape = {name: settings[name] for name in ("kernel", "stride", "pad")}
    dilation = settings.get("dilate", (1, 1))
    if any(len(set(values)) > 1 for values in [*shape.values(), dilation]):
        raise TypeError(f"{layer} treats rows and columns differently")
    if settings.get("pooling_convention", "valid") != "valid":
        raise TypeError(f"{layer} rounds up")
    kernel, stride, padding = (values[0] for values in shape.values())
    return dilation[0] * (kernel - 1) + 1, stride, padding


def freeze_statistics(block: nn.Block) -> None:
    """Have a network normalise by its running statistics in training too, and run imperatively.

    Otherwise every image of a batch acts on every other one through the batch's mean and variance.
    """
    block.hybridize(False)
    for layer in _layers(block):
        if isinstance(layer, nn.BatchNorm):
            layer._kwargs["use_global_stats"] = True


def input_gradient(function: Callable, images: nd.NDArray, row: int, column: int) -> np.ndarray:
    """Return how strongly each pixel of some images acts on one cell of a feature map.

    function: (N, C, H, W) to (N, K, h, w), such as a stage or a head on top of it, its statistics
    frozen by `freeze_statistics`. images: (N, C, H, W). row, column: of the cell.
    Returns an array (H, W): absolute gradients of the sum of its K channels, summed over images
    and colours. It is 0 wherever a pixel cannot be seen, and may be 0 elsewhere by chance.
    """
    images = images.copy()
    images.attach_grad()
    # In training mode: oneDNN's max pooling keeps what its gradient needs in no other.
    with autograd.record():
        seen = function(images)[:, :, row, column].sum()
    seen.backward()
    return np.abs(images.grad.asnumpy()).sum(axis=(0, 1))


def extent(mask: np.ndarray) -> tuple:
    """Return the rows and the columns that hold everything that is not 0 in a map (H, W).

    Returns ((first row, last row + 1), (first column, last column + 1)).
    Raises ValueError where all of it is 0.
    """
    spans = [np.flatnonzero(np.asarray(mask).any(axis=axis)) for axis in (1, 0)]
    if not len(spans[0]):
        raise ValueError("every value is 0, so there is nothing to enclose")
    return tuple((int(span[0]), int(span[-1]) + 1) for span in spans)
