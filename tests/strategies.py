"""Random boxes, labels and shapes, drawn by Hypothesis, for several test files.

Boxes on a grid have corners that are multiples of a power of two, so that float32 holds their
areas and overlaps without rounding: two implementations then see the same ties, and the same IoU of
exactly a threshold. Other boxes have any corners, and a test must leave such cases out.
"""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

GRID = 16
SMALLEST_SIDE = 0.02  # of the boxes off the grid


def corners_to_boxes(corners, side):
    """Turn (n, 2, 2) pairs of x and pairs of y into (n, 4) boxes with sides of at least `side`."""
    return np.concatenate([corners.min(axis=1), corners.max(axis=1) + side], axis=1)


def grid_boxes(count):
    """Draw (count, 4) float32 boxes in 0..1 whose corners lie on the grid."""
    corners = arrays(np.int64, (count, 2, 2), elements=st.integers(0, GRID - 1), fill=st.nothing())
    return corners.map(lambda xy: (corners_to_boxes(xy, 1) / GRID).astype(np.float32))


def free_boxes(count):
    """Draw (count, 4) float32 boxes that may reach a little beyond 0..1."""
    fractions = st.floats(-0.125, 1.125, width=32)
    corners = arrays(np.float32, (count, 2, 2), elements=fractions, fill=st.nothing())
    return corners.map(lambda xy: corners_to_boxes(xy, np.float32(SMALLEST_SIDE)))


@st.composite
def labels(draw, boxes=grid_boxes, num_images=2, num_rows=5, num_classes=3):
    """Draw labels (num_images, num_rows, 5): up to num_rows objects an image, then rows of -1."""
    padded = np.full((num_images, num_rows, 5), -1, dtype=np.float32)
    for image in padded:
        count = draw(st.integers(0, num_rows))
        if count:
            image[:count, 0] = draw(
                arrays(np.int64, count, elements=st.integers(0, num_classes - 1))
            )
            image[:count, 1:] = draw(boxes(count))
    return padded


def values(shape, limit=3.0):
    """Draw a float32 array of the shape, within -limit..limit: logits or offsets."""
    elements = st.floats(-limit, limit, width=32, allow_subnormal=False)
    return arrays(np.float32, shape, elements=elements, fill=st.nothing())
