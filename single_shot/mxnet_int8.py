"""A detector whose convolutions MXNet computes in eight bits, without another file or program.

Weights get a scale for each output channel, activations one for each map, from the least and the
greatest value that calibration images bring about. A processor without instructions for eight bits
(VNNI) computes the same, with less to gain.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from single_shot.export_checks import LEAST_ALIKE, assert_much_alike
from utils.detection import Detector, detect, preprocess
from utils.files import InputError
from utils.ssd import on_onednn

import mxnet as mx
import numpy as np
from mxnet import gluon, nd
from mxnet.contrib.quantization import quantize_net_v2

NUM_COMPARED_IMAGES = 16


def in_eight_bits(detector: Detector, images: Sequence[np.ndarray]) -> Detector:
    """Return the twin of a detector that computes its convolutions in eight bits.

    detector: not compiled for inference; it can neither be trained nor exported afterwards.
    images: (H, W, 3) uint8 each, some dozens like those that it will see; on the first of them
    both must find nearly the same.
    Raises InputError where MXNet has no operators for it: on a GPU, or built without oneDNN; and
    export_checks.NotTheSame.
    """
    if not on_onednn(detector.net):
        raise InputError(
            "MXNet computes in eight bits on the CPU alone, and with oneDNN, which this build "
            "lacks; leave out --engine, or use a file of `single-shot export --int8`"
        )
    inputs = nd.concat(*(preprocess(image, detector.image_size) for image in images), dim=0)
    detector.net.apply(lambda block: setattr(block, "may_fuse", False))  # no such operator either
    with_labels = gluon.data.ArrayDataset(inputs, nd.zeros(len(images)))  # which it leaves out
    loader = gluon.data.DataLoader(with_labels, batch_size=1)
    os.environ.setdefault("MXNET_SUBGRAPH_VERBOSE", "0")  # or it tells what backend it uses
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot decide type")
        net = quantize_net_v2(
            detector.net,
            quantized_dtype="auto",
            quantize_mode="smart",
            calib_data=loader,
            calib_mode="naive",
            ctx=mx.cpu(),
        )
    net.hybridize(static_alloc=True, static_shape=True)
    twin = replace(detector, net=net)
    pairs = (
        (detect(image, twin, LEAST_ALIKE), detect(image, detector, LEAST_ALIKE)) for image in images
    )
    assert_much_alike(
        islice(pairs, NUM_COMPARED_IMAGES),
        "calibrate on a set that looks like what the detector will see, or leave out --engine",
    )
    return twin
