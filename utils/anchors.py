"""Anchor boxes: tiling an image with boxes of several sizes and shapes, and how well they fit."""

import math

from utils.boxes import box_iou, center_to_corner

from mxnet import nd


def anchor_shapes(sizes, ratios):
    """Return width and height of the anchors of one pixel, for a square feature map.

    Every size is paired with the first ratio, then the first size with every other ratio:
    n + m - 1 anchors instead of n * m. The first ratio should be 1, since it shapes every size.
    sizes: n fractions of the image's height; ratios: m quotients width / height.
    Returns a list of n + m - 1 pairs (width, height).
    """
    pairs = [(size, ratios[0]) for size in sizes] + [(sizes[0], ratio) for ratio in ratios[1:]]
    return [(size * math.sqrt(ratio), size / math.sqrt(ratio)) for size, ratio in pairs]


def multibox_prior(height, width, sizes, ratios, ctx=None):
    """Return the anchors of a feature map of height x width pixels.

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


def coverage(boxes, anchors):
    """Return, for every object, the IoU of the anchor that fits it best.

    boxes: (M, 4) objects; anchors: (A, 4) or (1, A, 4); corner form.
    Returns (M,) in 0..1. An object below the matching threshold gets one forced match at most.
    """
    return box_iou(boxes, anchors.reshape((-1, 4))).max(axis=1)
