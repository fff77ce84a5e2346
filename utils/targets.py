"""Training targets: which anchor learns which object, and the offsets that lead to it.

`assign_targets` builds them from scratch; `multibox_target` has MXNet's operator do it.
"""

from utils.boxes import VARIANCES, box_iou, encode_offsets

import numpy as np
from mxnet import autograd, nd

# An anchor learns an object when their IoU is above this (Liu et al., SSD, section 2.2).
MATCH_THRESHOLD = 0.5
# The operator does not force a match on an anchor that barely touches its object.
FORCED_MATCH_THRESHOLD = 1e-6
BACKGROUND = 0
# The operator's CUDA code refuses fewer rows of labels an image; on the CPU any number will do.
LEAST_LABEL_ROWS = {"gpu": 3}


def bipartite_match(iou: nd.NDArray) -> nd.NDArray:
    """Return for every anchor the object that must have it, so that no object goes without.

    The best-fitting pair comes first; then its anchor is taken and its object served (the bipartite
    matching of Liu et al., SSD, section 2.2; of Erhan et al., MultiBox).
    iou: (A, M) of anchors and objects. Returns (A,) columns of iou, -1 for anchors left over.
    """
    left, matches = iou.asnumpy(), np.full(iou.shape[0], -1)
    while left.max() > FORCED_MATCH_THRESHOLD:
        anchor, obj = np.unravel_index(left.argmax(), left.shape)
        matches[anchor] = obj
        left[anchor, :] = 0
        left[:, obj] = 0
    return nd.array(matches, ctx=iou.context)


def threshold_match(iou: nd.NDArray, threshold: float = MATCH_THRESHOLD) -> nd.NDArray:
    """Return for every anchor the object that it overlaps most, if by more than the threshold.

    iou: (A, M) of anchors and objects. Returns (A,) columns of iou, -1 where it is no more.
    """
    best = iou.max(axis=1)
    return nd.where(best > threshold, iou.argmax(axis=1), -nd.ones_like(best))


def match_anchors(
    anchors: nd.NDArray, boxes: nd.NDArray, threshold: float = MATCH_THRESHOLD
) -> nd.NDArray:
    """Return the object that each anchor learns: the one that must have it, else the one above.

    anchors: (A, 4), boxes: (M, 4), corner form, M at least 1.
    Returns (A,) row numbers of boxes, -1 for background.
    """
    iou = box_iou(anchors, boxes)  # (A, M)
    forced = bipartite_match(iou)
    return nd.where(forced >= 0, forced, threshold_match(iou, threshold))


def assign_image_targets(
    anchors: nd.NDArray,
    labels: nd.NDArray,
    threshold: float = MATCH_THRESHOLD,
    variances: tuple = VARIANCES,
) -> tuple:
    """Return the targets of one image.

    anchors: (A, 4) corner form; labels: (M, 5) rows `[class_id, xmin, ymin, xmax, ymax]`, padding
    rows -1. Returns box_targets (A, 4), box_masks (A, 4), cls_targets (A,); see `assign_targets`.
    """
    num_objects = int((labels[:, 0] >= 0).sum().asscalar())
    if num_objects == 0:
        zeros = nd.zeros_like(anchors)
        return zeros, zeros, zeros[:, 0]
    objects = labels[:num_objects]
    matches = match_anchors(anchors, objects[:, 1:], threshold)
    is_positive = matches >= 0
    matched = objects.take(nd.relu(matches))  # (A, 5); rows of background anchors are masked
    box_masks = is_positive.expand_dims(axis=1).tile((1, 4))
    offsets = encode_offsets(matched[:, 1:], anchors, variances)  # NaN for a box without an area
    box_targets = nd.where(box_masks, offsets, nd.zeros_like(offsets))
    return box_targets, box_masks, (matched[:, 0] + 1) * is_positive


def assign_targets(
    anchors: nd.NDArray,
    labels: nd.NDArray,
    threshold: float = MATCH_THRESHOLD,
    variances: tuple = VARIANCES,
) -> tuple:
    """Return the targets of a batch of images, computed from scratch.

    anchors: (1, A, 4) corner form; labels: (N, M, 5) rows `[class_id, xmin, ymin, xmax, ymax]`,
    padded at the end with rows of -1.
    Returns box_targets (N, 4 * A) offsets, box_masks (N, 4 * A) 1 where an offset counts,
    cls_targets (N, A) class_id + 1, or 0 for background. Same as `nd.contrib.MultiBoxTarget`.
    """
    with autograd.pause():  # targets are data: no gradient flows through them
        images = [assign_image_targets(anchors[0], image, threshold, variances) for image in labels]
        box_targets, box_masks, cls_targets = (
            nd.stack(*column) for column in zip(*images, strict=True)
        )
        return box_targets.flatten(), box_masks.flatten(), cls_targets


def multibox_target(
    anchors: nd.NDArray,
    labels: nd.NDArray,
    threshold: float = MATCH_THRESHOLD,
    variances: tuple = VARIANCES,
) -> tuple:
    """Return the targets of a batch of images, computed by MXNet's operator.

    Takes and returns the same as `assign_targets`. The operator marks every anchor of an image
    without objects as ignored on the CPU and as background on the GPU; background is right. On the
    GPU, labels of fewer than three rows are padded, which changes no target.
    """
    with autograd.pause():  # targets are data: no gradient flows through them
        missing = LEAST_LABEL_ROWS.get(labels.context.device_type, 0) - labels.shape[1]
        if missing > 0:
            padding = nd.full((len(labels), missing, 5), -1, ctx=labels.context)
            labels = nd.concat(labels, padding, dim=1)
        scores = nd.zeros((labels.shape[0], 2, anchors.shape[1]), ctx=anchors.context)
        box_targets, box_masks, cls_targets = nd.contrib.MultiBoxTarget(
            anchors, labels, scores, overlap_threshold=threshold, variances=variances
        )
        return box_targets, box_masks, nd.relu(cls_targets)
