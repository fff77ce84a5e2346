"""Whether two lists of detections are the same but for rounding.

Two ways to compute the same detections round differently, and so do two processors: scores that
are almost equal change places. Row by row comparison calls that an error; this one does not.
"""

from utils.average_precision import pairwise_iou

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

MIN_IOU = 0.99


def pair_detections(
    found: np.ndarray, expected: np.ndarray, atol: float = 1e-4, min_iou: float = MIN_IOU
) -> np.ndarray:
    """Return for each row of `found` the row of `expected` that it is paired with, or -1.

    found, expected: detections (D, 6), rows `[class_id, score, xmin, ymin, xmax, ymax]`.
    Two rows can be a pair if they have the same class, scores within atol, and boxes that overlap
    by min_iou or have all edges within atol. As many rows as possible are paired, one to one.
    """
    same_class = found[:, None, 0] == expected[:, 0]
    same_score = abs(found[:, None, 1] - expected[:, 1]) <= atol
    same_edges = (abs(found[:, None, 2:] - expected[:, 2:]) <= atol).all(axis=-1)
    same_box = same_edges | (pairwise_iou(found[:, 2:], expected[:, 2:]) >= min_iou)
    possible = csr_array((same_class & same_score & same_box).astype(np.int8))
    return maximum_bipartite_matching(possible, perm_type="column")


def assert_same_detections(
    found: np.ndarray,
    expected: np.ndarray,
    atol: float = 1e-4,
    min_iou: float = MIN_IOU,
    cut_score: float | None = None,
) -> None:
    """Raise AssertionError unless two lists of detections are the same but for rounding and ties.

    Both are best score first, where scores within atol count as equal. Takes the same as
    `pair_detections`. cut_score: where both lists end because of a score threshold or a greatest
    number of rows, the lowest score that can occur; which of the rows within atol of it made the
    list is a matter of rounding, so they need no partner.
    """
    for name, rows in (("found", found), ("expected", expected)):
        rises = np.flatnonzero(np.diff(rows[:, 1]) > atol)
        assert not len(rises), f"{name}: row {rises[0] + 1} has a better score than the one before"
    partners = pair_detections(found, expected, atol, min_iou)
    alone = {
        "found": np.delete(found, np.flatnonzero(partners >= 0), axis=0),
        "expected": np.delete(expected, partners[partners >= 0], axis=0),
    }
    if cut_score is not None:
        alone = {name: rows[rows[:, 1] > cut_score + atol] for name, rows in alone.items()}
    lines = [f"only {name}: {row.tolist()}" for name, rows in alone.items() for row in rows]
    assert not lines, "\n".join(["detections differ", *lines])
