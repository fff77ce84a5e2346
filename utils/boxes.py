"""Bounding boxes: their two forms, their overlap, and offsets from an anchor to a box.

A box is `(xmin, ymin, xmax, ymax)` in fractions of the image; the centre form
`(x, y, width, height)` carries `_center` in its name. All functions take and return NDArrays of at
least one box, since MXNet 1.9 reads a dimension of 0 as one that it does not know.
"""

from mxnet import nd

# One variance for each of x, y, width, height. Dividing by them brings the offsets that the
# network learns to about unit size (Liu et al., SSD, the authors' released code).
VARIANCES = (0.1, 0.1, 0.2, 0.2)


def corner_to_center(boxes: nd.NDArray) -> nd.NDArray:
    """Turn `(xmin, ymin, xmax, ymax)` into `(x, y, width, height)`.

    boxes: (..., 4) corner form. Returns (..., 4) centre form.
    """
    top_left, bottom_right = nd.split(boxes, num_outputs=2, axis=-1)
    return nd.concat((top_left + bottom_right) / 2, bottom_right - top_left, dim=-1)


def center_to_corner(boxes_center: nd.NDArray) -> nd.NDArray:
    """Turn `(x, y, width, height)` into `(xmin, ymin, xmax, ymax)`.

    boxes_center: (..., 4) centre form. Returns (..., 4) corner form.
    """
    center, size = nd.split(boxes_center, num_outputs=2, axis=-1)
    return nd.concat(center - size / 2, center + size / 2, dim=-1)


def box_area(boxes: nd.NDArray) -> nd.NDArray:
    """Return the area of every box; a reversed box has none.

    boxes: (..., 4) corner form. Returns (...) areas, at least 0.
    """
    top_left, bottom_right = nd.split(boxes, num_outputs=2, axis=-1)
    return nd.prod(nd.relu(bottom_right - top_left), axis=-1)


def box_iou(boxes_a: nd.NDArray, boxes_b: nd.NDArray) -> nd.NDArray:
    """Return the intersection over union of every pair of boxes.

    boxes_a: (N, 4), boxes_b: (M, 4), both in corner form and the same unit.
    Returns (N, M) in 0..1; 0 where neither box has an area. Same as `nd.contrib.box_iou`.
    """
    boxes_a = boxes_a.expand_dims(axis=1)  # (N, 1, 4)
    boxes_b = boxes_b.expand_dims(axis=0)  # (1, M, 4)
    intersection = box_area(
        nd.concat(
            nd.broadcast_maximum(boxes_a[:, :, :2], boxes_b[:, :, :2]),
            nd.broadcast_minimum(boxes_a[:, :, 2:], boxes_b[:, :, 2:]),
            dim=-1,
        )
    )  # (N, M)
    union = box_area(boxes_a) + box_area(boxes_b) - intersection
    return nd.where(union > 0, intersection / union, nd.zeros_like(union))


def clip_boxes(boxes: nd.NDArray) -> nd.NDArray:
    """Cut off what lies outside the image.

    boxes: (..., 4) corner form in fractions. Returns (..., 4) in 0..1.
    """
    return boxes.clip(0, 1)


def encode_offsets(
    boxes: nd.NDArray, anchors: nd.NDArray, variances: tuple = VARIANCES
) -> nd.NDArray:
    """Return the offsets that lead from each anchor to its box.

    The centre shifts by a share of the anchor's size; width and height change by the log of a
    ratio; each is divided by its variance (Liu et al., SSD, section 2.2).
    boxes, anchors: (..., 4) corner form, same shape, positive width and height.
    Returns (..., 4) offsets. Same as the offsets of `MultiBoxTarget`.
    """
    box_xy, box_wh = nd.split(corner_to_center(boxes), num_outputs=2, axis=-1)
    anchor_xy, anchor_wh = nd.split(corner_to_center(anchors), num_outputs=2, axis=-1)
    offsets = nd.concat((box_xy - anchor_xy) / anchor_wh, nd.log(box_wh / anchor_wh), dim=-1)
    return offsets / nd.array(variances, ctx=offsets.context)


def decode_offsets(
    offsets: nd.NDArray, anchors: nd.NDArray, variances: tuple = VARIANCES
) -> nd.NDArray:
    """Return the boxes that the offsets lead to; undoes `encode_offsets`.

    offsets: (..., 4); anchors: (..., 4) corner form. Returns (..., 4) corner form, not clipped.
    Same as the boxes of `MultiBoxDetection`.
    """
    offsets = offsets * nd.array(variances, ctx=offsets.context)
    shift, log_ratio = nd.split(offsets, num_outputs=2, axis=-1)
    anchor_xy, anchor_wh = nd.split(corner_to_center(anchors), num_outputs=2, axis=-1)
    return center_to_corner(
        nd.concat(anchor_xy + shift * anchor_wh, anchor_wh * nd.exp(log_ratio), dim=-1)
    )
