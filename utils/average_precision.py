"""Average precision from scratch: matches of detections with objects, their curve, its sum.

All of it is NumPy in float64 and knows one class only; `utils.metrics` loops over the classes.
"""

import numpy as np

TRUE_POSITIVE, FALSE_POSITIVE, IGNORED = 1, 0, -1

# How each way to sum up a curve is named in print, so that no score goes without its definition.
MODES = {"11-point": "VOC07 11-point", "area": "VOC area", "101-point": "COCO 101-point"}


def pairwise_iou(boxes: np.ndarray, other_boxes: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every pair of boxes.

    Boxes without area overlap nothing, where `gluoncv.utils.bbox_iou` divides zero by zero.

    boxes: (N, 4), other_boxes: (M, 4) arrays of `(xmin, ymin, xmax, ymax)` in the same unit.
    Returns (N, M) float64 in 0..1.
    """
    top_left = np.maximum(boxes[:, None, :2], other_boxes[None, :, :2])
    bottom_right = np.minimum(boxes[:, None, 2:], other_boxes[None, :, 2:])
    intersection = np.maximum(bottom_right - top_left, 0).prod(axis=2)  # (N, M)
    area = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1)
    other_area = np.maximum(other_boxes[:, 2:] - other_boxes[:, :2], 0).prod(axis=1)
    union = area[:, None] + other_area[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros(union.shape), where=union > 0)


def match_voc(iou: np.ndarray, difficult: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Match the detections of one class in one image by PASCAL VOC's rule.

    A detection looks at the object it overlaps most, and at no other: the first to hit an object is
    right, every later one is a false positive. Hits on difficult objects neither count nor hurt.

    iou: (D, G) overlaps of detections, best score first, with objects. difficult: (G,) bool.
    iou_threshold: the least overlap of a hit.
    Returns (D,) TRUE_POSITIVE, FALSE_POSITIVE or IGNORED (Everingham et al., The PASCAL Visual
    Object Classes Challenge, 2010, section 4.2; `VOCevaldet.m` of its development kit).
    """
    outcomes = np.full(len(iou), FALSE_POSITIVE)
    found = np.zeros(len(difficult), dtype=bool)
    for detection in np.flatnonzero((iou >= iou_threshold).any(axis=1)):
        best = iou[detection].argmax()
        if difficult[best]:
            outcomes[detection] = IGNORED
        elif not found[best]:
            outcomes[detection] = TRUE_POSITIVE
            found[best] = True
    return outcomes


def match_coco(iou: np.ndarray, difficult: np.ndarray, iou_threshold: float) -> np.ndarray:
    """Match the detections of one class in one image by COCO's rule.

    A detection takes the object it overlaps most among those still free. Difficult objects come
    after all others and make the detection that takes them neither count nor hurt.

    Takes and returns what `match_voc` does (`COCOeval.evaluateImg` of pycocotools, with difficult
    objects as `ignore`, not as crowds).
    """
    outcomes = np.full(len(iou), FALSE_POSITIVE)
    free = np.ones(len(difficult), dtype=bool)
    for detection in np.flatnonzero((iou >= iou_threshold).any(axis=1)):
        hits = free & (iou[detection] >= iou_threshold)
        if (hits & ~difficult).any():
            hits &= ~difficult
        if hits.any():
            candidates = np.flatnonzero(hits)[::-1]  # last first: pycocotools breaks ties so
            best = candidates[iou[detection, candidates].argmax()]
            outcomes[detection] = IGNORED if difficult[best] else TRUE_POSITIVE
            free[best] = False
    return outcomes


def precision_recall(
    scores: np.ndarray, outcomes: np.ndarray, num_objects: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall as detections are admitted one by one, best score first.

    scores: (D,) of the detections of all images; equal ones keep their order.
    outcomes: (D,) TRUE_POSITIVE, FALSE_POSITIVE or IGNORED. num_objects: how many objects are to
    be found, the difficult ones left out; at least 1.
    Returns precision (P,) and recall (P,), a point for each detection that is not ignored.
    """
    outcomes = outcomes[np.argsort(-scores, kind="stable")]
    outcomes = outcomes[outcomes != IGNORED]
    true_positives = np.cumsum(outcomes == TRUE_POSITIVE)
    precision = true_positives / np.arange(1, len(outcomes) + 1)
    return precision, true_positives / num_objects


def interpolate_precision(precision: np.ndarray) -> np.ndarray:
    """Return, for every point of the curve, the best precision at its recall or beyond."""
    return np.maximum.accumulate(precision[::-1])[::-1]


def average_precision(precision: np.ndarray, recall: np.ndarray, mode: str) -> float:
    """Sum up a curve of precision and recall in one number in [0, 1].

    precision, recall: (P,) from `precision_recall`.
    mode: `area` takes the area below the interpolated curve (VOC from 2010 on); `11-point` (VOC07)
    and `101-point` (COCO) average its precision at evenly spaced recalls, 0 at those never reached.
    Returns a float. Raises ValueError for another mode. (Everingham et al., 2010, section 4.2; VOC
    2012 development kit, section 3.4.1; `COCOeval.accumulate` of pycocotools.)
    """
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; choose one of {', '.join(MODES)}")
    interpolated = interpolate_precision(precision)
    if mode == "area":
        return float(np.sum(np.diff(recall, prepend=0) * interpolated))
    levels = np.linspace(0, 1, 11 if mode == "11-point" else 101)
    reached = np.searchsorted(recall, levels)  # first point at each level; P where there is none
    return float(np.append(interpolated, 0)[reached].mean())
