"""Which scale of the network a detection comes from: that of the one anchor behind it."""

from utils.boxes import corner_to_center
from utils.data import evaluation_loader, normalize
from utils.detection import Detector, anchor_rows, multibox_detection

import numpy as np
from mxnet import gluon, nd

TOLERANCE = 1e-4  # between a detection and its anchor's row: two ways to compute the same


def anchor_scales(anchors: nd.NDArray, sizes: tuple) -> np.ndarray:
    """Return the scale of every anchor, 0 for the finest feature map.

    A ratio changes the shape of an anchor and not its area, so that the root of the area is one of
    the sizes of its scale; no size may occur in two scales, and images are square.
    anchors: (A, 4) corner form; sizes: for each scale, such as `ssd.SIZES`.
    Returns (A,) whole numbers, a NumPy array.
    """
    sides = np.sqrt(corner_to_center(anchors)[:, 2:].asnumpy().prod(axis=1))
    flat = [(size, scale) for scale, of_scale in enumerate(sizes) for size in of_scale]
    known, scales = (np.array(column) for column in zip(*flat))
    return scales[np.abs(sides[:, None] - known).argmin(axis=1)]


def trace_detections(detections: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the anchor from which each detection of an image comes.

    Suppression chooses among anchors and changes none, so that every detection is some anchor's
    row; of equal rows the first is taken.
    detections: (D, 6), of the network that said rows, (A, 6) from `detection.anchor_rows`.
    Returns (D,) row numbers of anchors. Raises ValueError where one has no such row.
    """
    lowest = detections[:, 1].min(initial=1) - TOLERANCE
    anchors = np.flatnonzero(rows[:, 1] >= lowest)  # the others are many and cannot be meant
    distances = np.abs(detections[:, None] - rows[anchors]).max(axis=2)
    if (distances.min(axis=1, initial=np.inf) > TOLERANCE).any():
        raise ValueError("a detection is no anchor's: it comes from other predictions")
    return anchors[distances.argmin(axis=1)] if len(detections) else np.zeros(0, dtype=int)


def detect_with_scales(
    detector: Detector, dataset: gluon.data.Dataset, batch_size: int = 40
) -> tuple[list, list]:
    """Return the detections of every sample of a data set and the scale of each.

    detector: a `detection.Detector` of a ToySSD.
    Returns two lists: what `detection.detect_dataset` returns, and (D,) scales for each image.
    """
    detections, scales = [], []
    for images, _ in evaluation_loader(dataset, batch_size, detector.image_size):
        anchors, cls_preds, box_preds = detector.net(normalize(images.as_in_context(detector.ctx)))
        scale_of = anchor_scales(anchors[0], detector.net.sizes)
        for found, scores, offsets in zip(
            multibox_detection(anchors, cls_preds, box_preds), cls_preds, box_preds
        ):
            rows = anchor_rows(anchors[0], scores, offsets)
            detections.append(found)
            scales.append(scale_of[trace_detections(found, rows)])
    return detections, scales
