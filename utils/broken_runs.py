"""Eight defects that let a detector train without an error, each in one part of the run.

A `Parts` holds what a run is made of; the sound ones are the defaults, and each of `DEFECTS`
replaces one. Nothing in a defect breaks a shape or raises an error: all have cost somebody days.
"""

import functools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from utils.boxes import VARIANCES
from utils.data import augment, evaluation_loader, normalize, random_flip, resize
from utils.detection import multibox_detection
from utils.losses import SmoothL1Loss, sum_per_positive
from utils.training import TrainingConfig, TrainingRun

import numpy as np
from mxnet import autograd, gluon
from mxnet.gluon.loss import Loss


def as_labelled(image: np.ndarray, labels: np.ndarray) -> tuple:
    """Return a sample as it is."""
    return image, labels


def ids_from_one(image: np.ndarray, labels: np.ndarray) -> tuple:
    """Return the sample with class ids that count from 1."""
    return image, labels + np.array([1, 0, 0, 0, 0], dtype=np.float32)


def boxes_in_pixels(image: np.ndarray, labels: np.ndarray) -> tuple:
    """Return the sample with boxes in pixels in place of fractions."""
    height, width = image.shape[:2]
    return image, labels * np.array([1, width, height, width, height], dtype=np.float32)


def padding_in_the_middle(image: np.ndarray, labels: np.ndarray) -> tuple:
    """Return the sample with its second object, if any, overwritten and not removed."""
    labels = labels.copy()
    labels[1:2] = -1
    return image, labels


def flip_image_alone(image: np.ndarray, labels: np.ndarray, size: int) -> tuple:
    """Mirror every other image and leave its boxes where they were."""
    flipped, _ = random_flip(image, labels)
    return resize(flipped, labels, size)


class UnmaskedLoss(SmoothL1Loss):
    """The box loss of all anchors, those of the background included."""

    def hybrid_forward(self, F, box_preds, box_targets, box_masks):
        """box_preds, box_targets, box_masks: (N, 4 * A). Returns (N,)."""
        losses = F.smooth_l1(box_preds - box_targets, scalar=self.sigma)
        return sum_per_positive(F, losses, box_masks.sum() / 4)


@dataclass(frozen=True)
class Parts:
    """What a run is made of.

    transform: see `data.training_loader`; read: makes of what it returns, (image, labels), the
    sample that is learnt from; box_loss: makes the loss of the boxes; rate: multiplies the learning
    rate; variances: those of decoding; mode: how the network runs when it detects.
    """

    transform: Callable = augment
    read: Callable = as_labelled
    box_loss: Callable = SmoothL1Loss
    rate: float = 1.0
    variances: tuple = VARIANCES
    mode: Callable = autograd.predict_mode


def sample_with_parts(parts: Parts, image: np.ndarray, labels: np.ndarray, size: int) -> tuple:
    """Return a sample as the loop gets it, (image, labels) of size x size pixels."""
    return parts.read(*parts.transform(image, labels, size))


def run_with_parts(
    parts: Parts,
    net: gluon.Block,
    dataset: gluon.data.Dataset,
    config: TrainingConfig,
    cls_loss: Loss | None = None,
) -> TrainingRun:
    """Return a run that is made of these parts; the arguments are those of `TrainingRun`."""
    return TrainingRun(
        net,
        dataset,
        replace(config, learning_rate=config.learning_rate * parts.rate),
        cls_loss,
        box_loss=parts.box_loss(),
        transform=functools.partial(sample_with_parts, parts),
    )


def detect_with_parts(
    parts: Parts, net: gluon.Block, dataset: gluon.data.Dataset, size: int
) -> list[np.ndarray]:
    """Return the detections of every sample, as `detection.detect_dataset` does.

    size: of the images in pixels.
    """
    ctx = next(iter(net.collect_params().values())).list_ctx()[0]
    detections = []
    for images, _ in evaluation_loader(dataset, 8, size):
        with parts.mode():
            anchors, cls_preds, box_preds = net(normalize(images.as_in_context(ctx)))
        detections += multibox_detection(anchors, cls_preds, box_preds, variances=parts.variances)
    return detections


DEFECTS = {
    "class ids from 1": Parts(read=ids_from_one),
    "boxes in pixels": Parts(read=boxes_in_pixels),
    "padding in the middle": Parts(read=padding_in_the_middle),
    "boxes not mirrored": Parts(transform=flip_image_alone),
    "box loss without mask": Parts(box_loss=UnmaskedLoss),
    "learning rate times 100": Parts(rate=100.0),
    "decoding without variances": Parts(variances=(1.0, 1.0, 1.0, 1.0)),
    "batch norm still training": Parts(mode=autograd.train_mode),
}


def blind_parts(number: int) -> Parts:
    """Return the parts of one of three blind runs, 1 to 3: one of the defects, and which is hidden.

    To print them is to read the answer.
    """
    return DEFECTS[random.Random(7).sample(sorted(DEFECTS), 3)[number - 1]]
