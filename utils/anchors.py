"""Anchor boxes: tiling an image with boxes of several sizes and shapes, and how well they fit.

Boxes are NDArrays as in `utils.boxes`; a shape is a pair (width, height), and the functions that
choose shapes for a data set work on NumPy arrays of them.
"""

import math

from utils.boxes import box_iou, center_to_corner
from utils.context import SEED

import mxnet as mx
import numpy as np
from mxnet import nd

# k-means finds a different optimum from every start; the best of ten varies by less than 0.004.
NUM_STARTS = 10


def anchor_shapes(sizes: tuple, ratios: tuple) -> list:
    """Return width and height of the anchors of one cell, for a square feature map.

    Every size is paired with the first ratio, then the first size with every other ratio:
    n + m - 1 anchors instead of n * m. The first ratio should be 1, since it shapes every size.
    sizes: n fractions of the image's height; ratios: m quotients width / height.
    Returns a list of n + m - 1 pairs (width, height).
    """
    pairs = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    return [(size * math.sqrt(ratio), size / math.sqrt(ratio)) for size, ratio in pairs]


def multibox_prior(
    height: int, width: int, sizes: tuple, ratios: tuple, ctx: mx.Context | None = None
) -> nd.NDArray:
    """Return the anchors of a feature map of height x width cells.

    Widths are scaled by height / width, so that an anchor of ratio 1 is square in the pixels of
    an image that has the shape of the map. Anchors may reach beyond the image.
    Returns (1, height * width * K, 4) corner form, ordered by row, column, then the K shapes of
    `anchor_shapes`. Same as `nd.contrib.MultiBoxPrior`.
    """
    shapes = nd.array(anchor_shapes(sizes, ratios), ctx=ctx)  # (K, 2)
    shapes = shapes * nd.array([height / width, 1], ctx=ctx)
    center_y = (nd.arange(height, ctx=ctx) + 0.5) / height
    center_x = (nd.arange(width, ctx=ctx) + 0.5) / width
    grid = (height, width, len(shapes))
    anchors_center = nd.stack(
        nd.broadcast_to(center_x.reshape((1, width, 1)), grid),
        nd.broadcast_to(center_y.reshape((height, 1, 1)), grid),
        nd.broadcast_to(shapes[:, 0].reshape((1, 1, -1)), grid),
        nd.broadcast_to(shapes[:, 1].reshape((1, 1, -1)), grid),
        axis=-1,
    )  # (height, width, K, 4)
    return center_to_corner(anchors_center).reshape((1, -1, 4))


def coverage(boxes: nd.NDArray, anchors: nd.NDArray) -> nd.NDArray:
    """Return, for every object, the IoU of the anchor that fits it best.

    boxes: (M, 4) objects; anchors: (A, 4) or (1, A, 4); corner form.
    Returns (M,) in 0..1. An object below the matching threshold gets one forced match at most.
    """
    return box_iou(boxes, anchors.reshape((-1, 4))).max(axis=1)


def shape_iou(shapes_a: np.ndarray, shapes_b: np.ndarray) -> np.ndarray:
    """Return the IoU of every pair of shapes laid on one centre, so that only shape counts.

    shapes_a: (N, 2), shapes_b: (K, 2) arrays of positive widths and heights, in the same unit.
    Returns (N, K) in 0..1.
    """
    intersection = np.minimum(shapes_a[:, np.newaxis], shapes_b).prod(axis=-1)  # (N, K)
    areas = shapes_a.prod(axis=-1)[:, np.newaxis] + shapes_b.prod(axis=-1)
    return intersection / (areas - intersection)


def refine_shapes(shapes: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """Return the centres of clusters that k-means reaches from a start.

    The distance is 1 - IoU (Redmon and Farhadi, YOLO9000, section 2); the centre of a cluster is
    the median of its widths and heights, which fits better than their mean where few shapes are
    much larger than the rest. Neither is the best centre for this distance, so the search ends
    where the mean IoU of shapes and nearest centres stops growing: never below that of the start.
    shapes: (M, 2), centers: (K, 2), as for `shape_iou`. Returns (K, 2).
    """
    best, best_fit = centers, -1.0
    while True:
        iou = shape_iou(shapes, centers)  # (M, K)
        fit = iou.max(axis=1).mean()
        if fit <= best_fit:
            return best
        best, best_fit = centers, fit
        clusters = [shapes[iou.argmax(axis=1) == k] for k in range(len(centers))]
        centers = np.stack(
            [np.median(rows, axis=0) if len(rows) else old for rows, old in zip(clusters, best)]
        )


def suggest_shapes(
    shapes: np.ndarray, num_shapes: int, seed: int = SEED, num_starts: int = NUM_STARTS
) -> np.ndarray:
    """Return the anchor shapes that fit those of a data set best, smallest area first.

    k-means from several random starts; the order of the shapes makes no difference.
    shapes: (M, 2) widths and heights of objects, M >= num_shapes. Returns (num_shapes, 2).
    Raises ValueError for a shape without area and for too few different shapes.
    """
    shapes = np.asarray(shapes, dtype=np.float64).reshape(-1, 2)
    shapes = shapes[np.lexsort(shapes.T)]  # in one order, so that sums are rounded alike
    if not (shapes > 0).all():
        raise ValueError("a shape has no area; `records.check_labels` finds the label")
    distinct = np.unique(shapes, axis=0)
    if len(distinct) < num_shapes:
        raise ValueError(f"{num_shapes} clusters need as many shapes; {len(distinct)} differ")
    random = np.random.RandomState(seed)
    starts = [random.permutation(distinct)[:num_shapes] for _ in range(num_starts)]
    found = [refine_shapes(shapes, start) for start in starts]
    best = max(found, key=lambda centers: shape_iou(shapes, centers).max(axis=1).mean())
    return best[np.argsort(best.prod(axis=1), kind="stable")]
