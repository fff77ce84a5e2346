"""Detection data: records in memory, transforms that move the boxes too, and padded batches.

A sample is an image (H, W, 3) uint8 RGB and its labels (M, 5) float32, rows
`[class_id, xmin, ymin, xmax, ymax]` in fractions of the image; M may be 0. Transforms take a sample
and return one. They draw from the global random states, which `context.seed_everything` sets.
"""

import functools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike

from utils.average_precision import pairwise_iou
from utils.records import read_records

import cv2
import numpy as np
from gluoncv.data.transforms import bbox
from gluoncv.data.transforms.experimental.image import random_color_distort
from mxnet import gluon, nd

# Mean and standard deviation of ImageNet's RGB values in 0..255, as GluonCV's models use them.
MEAN = (123.675, 116.28, 103.53)
STD = (58.395, 57.12, 57.375)
# So much an object must overlap a crop, or there is none at all (Liu et al., SSD, section 2.2).
CROP_CONDITIONS = (None, 0.0, 0.1, 0.3, 0.5, 0.7, 0.9)
CROP_TRIALS = 50  # of the authors' released code


class DetectionDataset(gluon.data.SimpleDataset):
    """Samples that fit in memory, with the names of their classes."""

    def __init__(self, samples: Iterable, class_names: Sequence[str]) -> None:
        super().__init__(samples)
        self.class_names = tuple(class_names)

    @property
    def labels(self) -> list[np.ndarray]:
        """The labels of every image."""
        return [labels for _, labels in self]

    @property
    def difficult(self) -> list[np.ndarray]:
        """For every image, which of its objects are difficult: none."""
        return [np.zeros(len(labels), dtype=bool) for labels in self.labels]

    @property
    def max_objects(self) -> int:
        """The number of objects in the fullest image, at least 1: batches have one row or more."""
        return max(1, max(map(len, self.labels)))


def open_records(rec_path: PathLike | str, class_names: Sequence[str]) -> DetectionDataset:
    """Return the data set in a record file, every sample decoded and checked.

    Raises `records.RecordError`, which names the file, the record and the fix.
    """
    samples = [
        (image, labels) for _, image, labels in read_records(rec_path, num_classes=len(class_names))
    ]
    return DetectionDataset(samples, class_names)


def to_pixels(labels: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return rows `[xmin, ymin, xmax, ymax, class_id]` in pixels, as GluonCV wants them.

    labels: (M, 5) rows `[class_id, xmin, ymin, xmax, ymax]` in fractions.
    """
    return np.roll(labels, -1, axis=1) * (width, height, width, height, 1)


def to_fractions(boxes_px: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return rows `[class_id, xmin, ymin, xmax, ymax]` in fractions; undoes `to_pixels`."""
    return np.roll(boxes_px / (width, height, width, height, 1), 1, axis=1).astype(np.float32)


def random_crop(
    image: np.ndarray, labels: np.ndarray, over_objects: Callable = np.max
) -> tuple[np.ndarray, np.ndarray]:
    """Cut out a random part that an object overlaps by a random IoU, or leave all as it is.

    One object that fulfils the condition is enough, as in the authors' released code. At least one
    object stays, if there was one (Liu et al., SSD, section 2.2).
    over_objects: which of the objects' IoUs counts; `np.min` asks it of every object.
    """
    height, width = image.shape[:2]
    boxes_px = to_pixels(labels, width, height)[:, :4]
    least_iou = CROP_CONDITIONS[np.random.randint(len(CROP_CONDITIONS))]
    for _ in range(0 if least_iou is None else CROP_TRIALS):
        window_px = draw_window(width, height)
        if len(labels) and over_objects(pairwise_iou(window_px[None], boxes_px)) < least_iou:
            continue
        cropped = crop(image, labels, window_px)
        if len(cropped[1]) or not len(labels):
            return cropped
    return image, labels


def draw_window(width: int, height: int) -> np.ndarray:
    """Return a random part of an image, `(xmin, ymin, xmax, ymax)` in whole pixels.

    Its sides are 0.3 to 1 of the image's in the geometric mean, one at most twice the other.
    """
    scale = np.random.uniform(0.3, 1)
    ratio = np.random.uniform(max(0.5, scale**2), min(2, scale**-2)) ** 0.5
    size = max(1, int(width * scale * ratio)), max(1, int(height * scale / ratio))
    left, top = np.random.randint(width - size[0] + 1), np.random.randint(height - size[1] + 1)
    return np.array([left, top, left + size[0], top + size[1]])


def crop(
    image: np.ndarray, labels: np.ndarray, window_px: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a part out of an image; objects whose centre is not in it are dropped, others clipped.

    window_px: `(xmin, ymin, xmax, ymax)` in whole pixels.
    """
    height, width = image.shape[:2]
    boxes_px = to_pixels(labels, width, height)
    centers = (boxes_px[:, :2] + boxes_px[:, 2:4]) / 2
    inside = ((window_px[:2] < centers) & (centers < window_px[2:])).all(axis=1)
    left, top, right, bottom = window_px
    boxes_px = boxes_px[inside]
    boxes_px[:, :4] = boxes_px[:, :4].clip([left, top] * 2, [right, bottom] * 2) - [left, top] * 2
    return image[top:bottom, left:right], to_fractions(boxes_px, right - left, bottom - top)


def random_flip(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mirror left and right, every other time."""
    if np.random.random() < 0.5:
        return image, labels
    height, width = image.shape[:2]
    boxes_px = bbox.flip(to_pixels(labels, width, height), (width, height), flip_x=True)
    return image[:, ::-1], to_fractions(boxes_px, width, height)


def resize(image: np.ndarray, labels: np.ndarray | None, size: int) -> tuple:
    """Stretch the image to size x size pixels; boxes in fractions stay as they are."""
    image = np.ascontiguousarray(image)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA), labels


def color_jitter(
    image: np.ndarray, labels: np.ndarray, hue_degrees: float = 36
) -> tuple[np.ndarray, np.ndarray]:
    """Change brightness, contrast, saturation and hue, each in half of the calls.

    hue_degrees: the hue turns by at most as much, as in the SSD authors' code. GluonCV's own
    default, 18, counts half circles and so turns by any angle.
    """
    distorted = random_color_distort(nd.array(image), hue_delta=hue_degrees / 180).asnumpy()
    return distorted.clip(0, 255).astype(np.uint8), labels


def zoom_out(
    image: np.ndarray, labels: np.ndarray, max_ratio: float = 4.0
) -> tuple[np.ndarray, np.ndarray]:
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


def ssd_augment(image: np.ndarray, labels: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Distort the colours, zoom out, crop, flip and resize, as the SSD paper does (section 2.2)."""
    image, labels = random_crop(*zoom_out(*color_jitter(image, labels)))
    return resize(*random_flip(image, labels), size)


def augment(image: np.ndarray, labels: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Flip and resize: what the course's recipe does to each sample.

    In its few epochs every picture is still new, and cropping or changing colours only slows it.
    """
    return resize(*random_flip(image, labels), size)


def pad_labels(labels: np.ndarray, num_rows: int) -> np.ndarray:
    """Return labels (num_rows, 5), filled up with rows of -1."""
    padded = np.full((num_rows, 5), -1, dtype=np.float32)
    padded[: len(labels)] = labels
    return padded


class ShuffledBatches(gluon.data.Sampler):
    """Indices of samples in shuffled batches; of each batch, those that fall to one worker.

    The last samples are left out if they fill no batch. All workers draw the same order if they
    begin with the same seed, so that each sample falls to one of them, and all have equally many
    batches. What they draw afterwards differs.
    num_samples: to shuffle; batch_size: of all workers together; rank: of this worker, from 0 on;
    num_workers: how many there are.
    """

    def __init__(
        self, num_samples: int, batch_size: int, rank: int = 0, num_workers: int = 1
    ) -> None:
        order = gluon.data.RandomSampler(num_samples)
        self.batches = gluon.data.BatchSampler(order, batch_size, "discard")
        self.rank, self.num_workers = rank, num_workers

    def __iter__(self) -> Iterator[list[int]]:
        batches = list(self.batches)
        if self.num_workers > 1:  # MXNet's own numbers stay the same: weights come from them
            seed = np.random.randint(2**31) + self.rank
            np.random.seed(seed)
            random.seed(seed)
        return iter([batch[self.rank :: self.num_workers] for batch in batches])

    def __len__(self) -> int:
        return len(self.batches)


def loader(dataset: gluon.data.Dataset, transform: Callable, **batches) -> gluon.data.DataLoader:
    """Return batches of transformed samples.

    transform: (image, labels) to (image, labels), all images of one size.
    batches: which samples make one, as for a gluon DataLoader.
    Each batch is images (N, H, W, 3) uint8 and labels (N, M, 5), M the data set's `max_objects`.
    There are no worker processes: they hang too easily, and the cores are busy with the network.
    """

    num_rows = dataset.max_objects  # looks at every sample, so once and not for each batch

    def batchify(samples):
        images, labels = zip(*samples, strict=True)
        labels = [pad_labels(rows, num_rows) for rows in labels]
        return nd.array(np.stack(images), dtype=np.uint8), nd.array(np.stack(labels))

    return gluon.data.DataLoader(dataset.transform(transform), batchify_fn=batchify, **batches)


def training_loader(
    dataset: gluon.data.Dataset,
    batch_size: int,
    size: int,
    transform: Callable = augment,
    rank: int = 0,
    num_workers: int = 1,
) -> gluon.data.DataLoader:
    """Return shuffled batches; transform(image, labels, size=size) makes size x size pixels.

    The rest as for ShuffledBatches.
    """
    batches = ShuffledBatches(len(dataset), batch_size, rank, num_workers)
    return loader(dataset, functools.partial(transform, size=size), batch_sampler=batches)


def evaluation_loader(
    dataset: gluon.data.Dataset, batch_size: int, size: int
) -> gluon.data.DataLoader:
    """Return all samples in order, resized to size x size pixels and nothing else."""
    return loader(dataset, functools.partial(resize, size=size), batch_size=batch_size)


def normalize(images: nd.NDArray) -> nd.NDArray:
    """Return images as the network wants them.

    images: (N, H, W, 3) uint8 RGB. Returns (N, 3, H, W) float32 of about zero mean, unit variance.
    """
    mean = nd.array(MEAN, ctx=images.context)
    std = nd.array(STD, ctx=images.context)
    return ((images.astype("float32") - mean) / std).transpose((0, 3, 1, 2))
