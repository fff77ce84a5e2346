"""Are decimated fc6 and fc7 a better beginning than random numbers? A small experiment.

    python benchmarks/decimation.py [--seeds 0 1 2]

A narrow VGG16 learns to tell apart squares that are cut out of `multi`: the three mascots, and
ground without one. Its convolutions then begin a narrow SSD that learns from 50 pictures, and
conv6 and conv7 begin in one of the ways of `STARTS`. Each seed has a classifier of its own, which
all of its detectors share. Rows go to the ledger, as "transfer"; those that are there are not made
again. A process has one thread; its scores are what counts, not its time.
"""

import argparse
import functools
from dataclasses import replace

from data import open_preset
from data.ledger import read_ledger
from single_shot.weights import copy_weights
from single_shot.weights.vgg16 import SPATIAL_STEP, decimated
from utils.average_precision import pairwise_iou
from utils.context import best_context, seed_everything
from utils.data import crop, normalize, resize
from utils.losses import MinedCrossEntropyLoss
from utils.ssd300 import SSD, SSD300, VGG16

import numpy as np
from ledger import add_row, key_of, measure, transfer
from mxnet import autograd, gluon, init, nd
from mxnet.gluon import nn
from time_to_ap import in_own_process

WIDTH = 1 / 8  # times VGG16's channels
SQUARE = 112  # pixels; at a stride of 16 a map of 7 x 7, as large as VGG16's
NUM_STEPS, BATCH_SIZE, LEARNING_RATE = 240, 16, 1e-3  # of the classifier
IMAGE_SIZE = 144  # pixels: maps of 18, 9, 5, 3 and 1
LAYOUT = replace(
    SSD300,
    image_size=IMAGE_SIZE,
    scales=SSD300.scales[:6],
    ratios=SSD300.ratios[:5],
    extras=(SSD300.extras[0], *SSD300.extras[2:]),
)
RECIPE = transfer(50, IMAGE_SIZE, cls_loss=MinedCrossEntropyLoss)
RANDOM, DECIMATED, SHUFFLED, NOTHING = STARTS = (
    "narrow VGG, conv6 and conv7 random",
    "narrow VGG, conv6 and conv7 decimated",
    "narrow VGG, conv6 and conv7 shuffled",  # the decimated weights of each, in another order
    "narrow VGG, all random",
)


class Classifier(nn.HybridBlock):
    """VGG16's five blocks, pool5 as SSD has it, and three dense layers.

    (N, 3, 112, 112) normalised squares to (N, num_classes + 1) logits, 0 for none.
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        with self.name_scope():
            self.blocks = VGG16(WIDTH, batch_norm=True).blocks
            self.dense = nn.HybridSequential()
            for units in (int(WIDTH * 4096), int(WIDTH * 4096)):
                self.dense.add(nn.Dense(units, activation="relu"))
            self.dense.add(nn.Dense(num_classes + 1))

    def hybrid_forward(self, F, x):
        """x: (N, 3, 112, 112)."""
        return self.dense(self.pool5(F, x))

    def pool5(self, F, x):
        """Return the map (N, C, 7, 7) that fc6 looks at."""
        for block in self.blocks[:4]:
            x = F.Pooling(block(x), pool_type="max", kernel=(2, 2), stride=(2, 2))
        return F.Pooling(self.blocks[4](x), pool_type="max", kernel=(3, 3), pad=(1, 1))


def draw_square(image, labels):
    """Return a square cut out of an image and its class, 0 where it touches no object.

    Three draws in four are around an object, in another place and size each time.
    Returns (SQUARE, SQUARE, 3) uint8 and a number.
    """
    size = np.array(image.shape[1::-1])
    while True:
        around = len(labels) > 0 and np.random.random() < 0.75
        if around:
            class_id, *box = labels[np.random.randint(len(labels))]
            low, high = np.array(box[:2]) * size, np.array(box[2:]) * size
            side = min((high - low).max() * np.random.uniform(1, 1.6), size.min())
            middle = (low + high) / 2 + side * np.random.uniform(-0.2, 0.2, 2)
        else:
            class_id, side = -1, size.min() * np.random.uniform(0.25, 0.5)
            middle = np.random.uniform(0, size)
        left, top = (middle - side / 2).clip(0, size - side).astype(int)
        window = np.array([left, top, left + int(side), top + int(side)])
        touched = pairwise_iou(window[None] / np.tile(size, 2), labels[:, 1:]).any()
        if around or not touched:
            return resize(crop(image, labels, window)[0], None, SQUARE)[0], int(class_id) + 1


def squares(dataset, count):
    """Return normalised squares (count, 3, SQUARE, SQUARE) of random images, and their classes."""
    chosen = np.random.randint(len(dataset), size=count)
    images, classes = zip(*(draw_square(*dataset[index]) for index in chosen))
    return normalize(nd.array(np.stack(images), dtype=np.uint8)), nd.array(classes)


def classify(dataset, held_out):
    """Return a Classifier that has learnt from squares of a data set, and its held-out accuracy."""
    net, loss = Classifier(len(dataset.class_names)), gluon.loss.SoftmaxCrossEntropyLoss()
    net.initialize(init.Xavier(), ctx=best_context())
    net.hybridize(static_alloc=True, static_shape=True)
    trainer = gluon.Trainer(net.collect_params(), "adam")
    for step in range(NUM_STEPS):
        trainer.set_learning_rate(LEARNING_RATE * (1 - step / NUM_STEPS))
        images, classes = squares(dataset, BATCH_SIZE)
        with autograd.record():
            value = loss(net(images), classes)
        value.backward()
        trainer.step(BATCH_SIZE)
    tests = [squares(held_out, BATCH_SIZE) for _ in range(20)]
    hits = [(net(images).argmax(axis=1) == classes).mean().asscalar() for images, classes in tests]
    return net, float(np.mean(hits))


def detector(choice, dataset, classifier, start):
    """Return a narrow SSD that begins in one of the ways of `STARTS`; see `ledger.build`."""
    net = SSD(len(dataset.class_names), LAYOUT, WIDTH, batch_norm=True)
    net.initialize(ctx=best_context())
    # The classifier's map has SSD's stride of 16 already: what it saw 3 pixels apart stays so.
    net.base.conv6[0]._kwargs.update(dilate=(SPATIAL_STEP,) * 2, pad=(SPATIAL_STEP,) * 2)
    net.hybridize(static_alloc=True, static_shape=True)
    if start == NOTHING:
        return net
    copy_weights(classifier.blocks, net.base.blocks)
    if start == RANDOM:
        return net
    layers = net.base.conv6[0], net.base.conv7[0]
    dense = [(layer.weight.data(), layer.bias.data()) for layer in classifier.dense[:2]]
    for layer, (weight, bias) in zip(layers, decimated(*dense)):
        if start == SHUFFLED:
            mixed = np.random.permutation(weight.asnumpy().ravel())
            weight = nd.array(mixed.reshape(weight.shape))
        layer.weight.set_data(weight)
        layer.bias.set_data(bias)
    return net


def missing(seed):
    """Return the starts whose row the ledger lacks."""
    known = {key_of(row) for row in read_ledger()}
    return [start for start in STARTS if ("multi", "transfer", start, str(seed)) not in known]


def run_seed(seed):
    """Train a classifier and the detectors that the ledger lacks, and write each as it ends."""
    seed_everything(seed)
    classifier, accuracy = classify(open_preset("multi", "train"), open_preset("multi", "val"))
    print(f"seed {seed}: {accuracy:.1%} of held-out squares are named rightly", flush=True)
    for start in missing(seed):
        build = functools.partial(detector, classifier=classifier, start=start)
        row = measure("multi", ("transfer", start), seed, RECIPE, build)
        add_row(row)
        print(", ".join(row.values()), flush=True)


def main(arguments=None):
    """Make the rows that the ledger lacks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="default: 0 1 2")
    for seed in parser.parse_args(arguments).seeds:
        if missing(seed):
            in_own_process(1, run_seed, seed)


if __name__ == "__main__":
    main()
