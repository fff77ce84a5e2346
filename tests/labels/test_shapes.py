"""Bounds of masks in run lengths: those that pycocotools finds."""

from single_shot.labels.shapes import bounds_of_runs

import numpy as np
import pytest
from pycocotools import mask as masks


def runs_of(mask):
    """Return the run lengths of a mask, column by column, from outside on."""
    pixels = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(np.concatenate([[0], pixels])))
    return np.diff([0, *changes, pixels.size]).tolist()


def test_bounds_of_masks_are_those_of_their_pixels():
    generator = np.random.default_rng(0)
    for height, width in generator.integers(1, 40, (60, 2)):
        mask = (generator.random((height, width)) > 0.9).astype(np.uint8)
        mask[generator.integers(height), generator.integers(width)] = 1
        rows, columns = np.nonzero(mask)
        expected = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        packed = masks.encode(np.asfortranarray(mask))
        assert bounds_of_runs(packed["counts"].decode(), packed["size"]) == expected
        assert bounds_of_runs(runs_of(mask), [height.item(), width.item()]) == expected


@pytest.mark.parametrize("counts", ["", "~", "o" * 40, [], [13], [12], [3, -1, 10], [1, "x"], None])
def test_what_is_no_mask_has_no_bounds(counts):
    with pytest.raises((TypeError, ValueError)):
        bounds_of_runs(counts, [3, 4])
