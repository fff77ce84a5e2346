"""Detection data: records in memory, transforms that move the boxes too, and padded batches.

A sample is an image (H, W, 3) uint8 RGB and its labels (M, 5) float32, rows
`[class_id, xmin, ymin, xmax, ymax]` in fractions of the image; M may be 0. Transforms take a sample
and return one. They draw from the global random states, which `context.seed_everything` sets.
"""

import functools
import json

from utils.make_data import ensure
from utils.records import read_records

import cv2
import numpy as np
from gluoncv.data.transforms import bbox
from gluoncv.data.transforms.experimental.bbox import random_crop_with_constraints
from gluoncv.data.transforms.experimental.image import random_color_distort
from mxnet import gluon, nd

# Mean and standard deviation of ImageNet's RGB values in 0..255, as GluonCV's models use them.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
# GluonCV tries 50 crops for each of six IoU constraints. Most objects fit few of the constraints,
# and 10 tries find those as well, in a quarter of the time.
CROP_TRIALS = 10


class DetectionDataset(gluon.data.SimpleDataset):
    """Samples that fit in memory, with the names of their classes."""

    def __init__(self, samples, class_names):
        super().__init__(samples)
        self.class_names = tuple(class_names)

    @property
    def labels(self):
        """The labels of every image."""
        return [labels for _, labels in self]

    @property
    def difficult(self):
        """For every image, which of its objects are difficult: none."""
        return [np.zeros(len(labels), dtype=bool) for labels in self.labels]

    @property
    def max_objects(self):
        """The number of objects in the fullest image, at least 1: batches have one row or more."""
        return max(1, max(map(len, self.labels)))


def open_records(rec_path, class_names):
    """Return the data set in a record file, every sample decoded and checked.

    Raises `records.RecordError`, which names the file, the record and the fix.
    """
    samples = [
        (image, labels) for _, image, labels in read_records(rec_path, num_classes=len(class_names))
    ]
    return DetectionDataset(samples, class_names)


def open_preset(preset, split):
    """Return a split, `train` or `val`, of an embedded data set, which is built where it is absent.

    preset: `single` or `multi`, see `make_data`.
    """
    folder = ensure(preset)
    manifest = json.loads((folder / "manifest.json").read_text())
    return open_records(folder / f"{split}.rec", manifest["class_names"])


def to_pixels(labels, width, height):
    """Return rows `[xmin, ymin, xmax, ymax, class_id]` in pixels, as GluonCV wants them.

    labels: (M, 5) rows `[class_id, xmin, ymin, xmax, ymax]` in fractions.
    """
    return np.roll(labels, -1, axis=1) * (width, height, width, height, 1)


def to_fractions(boxes_px, width, height):
    """Return rows `[class_id, xmin, ymin, xmax, ymax]` in fractions; undoes `to_pixels`."""
    return np.roll(boxes_px / (width, height, width, height, 1), 1, axis=1).astype(np.float32)


def random_crop(image, labels):
    """Cut out a random part that overlaps every object by at least a random IoU.

    Objects whose centre is cut off are dropped; at least one stays (Liu et al., SSD, section 2.2).
    """
    height, width = image.shape[:2]
    boxes_px, (left, top, crop_width, crop_height) = random_crop_with_constraints(
        to_pixels(labels, width, height), (width, height), max_trial=CROP_TRIALS
    )
    crop = image[top : top + crop_height, left : left + crop_width]
    return crop, to_fractions(boxes_px, crop_width, crop_height)


def random_flip(image, labels):
    """Mirror left and right, every other time."""
    if np.random.random() < 0.5:
        return image, labels
    height, width = image.shape[:2]
    boxes_px = bbox.flip(to_pixels(labels, width, height), (width, height), flip_x=True)
    return image[:, ::-1], to_fractions(boxes_px, width, height)


def resize(image, labels, size):
    """Stretch the image to size x size pixels; boxes in fractions stay as they are."""
    image = np.ascontiguousarray(image)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), labels


def color_jitter(image, labels, hue_degrees=36):
    """Change brightness, contrast, saturation and hue, each in half of the calls.

    hue_degrees: the hue turns by at most as much, as in the SSD authors' code. GluonCV's own
    default, 18, counts half circles and so turns by any angle.
    """
    distorted = random_color_distort(nd.array(image), hue_delta=hue_degrees / 180).asnumpy()
    return distorted.clip(0, 255).astype(np.uint8), labels


def zoom_out(image, labels, max_ratio=4.0):
    """Lay the image, every other time, somewhere on a canvas of the mean colour.

    Makes small objects out of large ones (Liu et al., SSD, section 3.6).
    max_ratio: the canvas is 1 to max_ratio times as wide and as high.
    """
    if np.random.random() < 0.5:
        return image, labels
    height, width = image.shape[:2]
    ratio = np.random.uniform(1, max_ratio)
    canvas_height, canvas_width = int(height * ratio), int(width * ratio)
    top = np.random.randint(0, canvas_height - height + 1)
    left = np.random.randint(0, canvas_width - width + 1)
    canvas = np.empty((canvas_height, canvas_width, 3), dtype=np.uint8)
    canvas[:] = np.round(MEAN)
    canvas[top : top + height, left : left + width] = image
    boxes_px = to_pixels(labels, width, height) + (left, top, left, top, 0)
    return canvas, to_fractions(boxes_px, canvas_width, canvas_height)


def ssd_augment(image, labels, size):
    """Distort the colours, zoom out, crop, flip and resize, as the SSD paper does (section 2.2)."""
    image, labels = random_crop(*zoom_out(*color_jitter(image, labels)))
    return resize(*random_flip(image, labels), size)


def augment(image, labels, size):
    """Flip and resize: what the course's recipe does to each sample.

    In its few epochs every picture is still new, and cropping or changing colours only slows it.
    """
    return resize(*random_flip(image, labels), size)


def pad_labels(labels, num_rows):
    """Return labels (num_rows, 5), filled up with rows of -1."""
    padded = np.full((num_rows, 5), -1, dtype=np.float32)
    padded[: len(labels)] = labels
    return padded


def loader(dataset, transform, batch_size, training):
    """Return batches of transformed samples.

    transform: (image, labels) to (image, labels), all images of one size.
    training: True shuffles and leaves out the last samples if they fill no batch.
    Each batch is images (N, H, W, 3) uint8 and labels (N, M, 5), M the data set's `max_objects`.
    There are no worker processes: they hang too easily, and the cores are busy with the network.
    """

    num_rows = dataset.max_objects  # looks at every sample, so once and not for each batch

    def batchify(samples):
        images, labels = zip(*samples, strict=True)
        labels = [pad_labels(rows, num_rows) for rows in labels]
        return nd.array(np.stack(images), dtype=np.uint8), nd.array(np.stack(labels))

    return gluon.data.DataLoader(
        dataset.transform(transform),
        batch_size,
        shuffle=training,
        last_batch="discard" if training else "keep",
        batchify_fn=batchify,
    )


def training_loader(dataset, batch_size, size, transform=augment):
    """Return shuffled batches; transform(image, labels, size=size) makes size x size pixels."""
    return loader(dataset, functools.partial(transform, size=size), batch_size, training=True)


def evaluation_loader(dataset, batch_size, size):
    """Return all samples in order, resized to size x size pixels and nothing else."""
    return loader(dataset, functools.partial(resize, size=size), batch_size, training=False)


def normalize(images):
    """Return images as the network wants them.

    images: (N, H, W, 3) uint8 RGB. Returns (N, 3, H, W) float32 of about zero mean, unit variance.
    """
    mean = nd.array(MEAN, ctx=images.context)
    std = nd.array(STD, ctx=images.context)
    return ((images.astype("float32") - mean) / std).transpose((0, 3, 1, 2))
