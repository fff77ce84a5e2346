"""For tests: a data set of one bright rectangle on noise, and the values of a parameter."""

from utils.data import DetectionDataset

import numpy as np
from mxnet import nd


def rectangles(count, size=64, seed=0):
    """Return a DetectionDataset of `count` images of size x size pixels, one object in each."""
    random = np.random.default_rng(seed)
    samples = []
    for _ in range(count):
        image = random.integers(0, 90, (size, size, 3), dtype=np.uint8)
        width, height = random.integers(size // 4, size // 2, 2)
        left, top = random.integers(0, size - width), random.integers(0, size - height)
        image[top : top + height, left : left + width] = (230, 60, 160)
        box = np.array((left, top, left + width, top + height)) / size
        samples.append((image, np.array([[0, *box]], dtype=np.float32)))
    return DetectionDataset(samples, ["rectangle"])


def values_of(parameter):
    """Return the values of a parameter once all work on it is done, as a NumPy array.

    A forward pass outside of training has oneDNN lay out the weights anew in the background, and
    `asnumpy` alone may read them halfway through (6 times in 1000 on a busy machine).
    """
    nd.waitall()
    return parameter.data().asnumpy()
