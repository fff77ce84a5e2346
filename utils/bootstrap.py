"""How sure is a score: average precision on images drawn again from the held-out ones.

After Efron, Bootstrap Methods: Another Look at the Jackknife, 1979.
"""

from collections.abc import Sequence

from utils.average_precision import TRUE_POSITIVE, average_precision
from utils.context import SEED
from utils.metrics import class_overlaps, match_class

import numpy as np


def bootstrap_average_precision(
    detections: Sequence[np.ndarray],
    ground_truths: Sequence[np.ndarray],
    class_names: Sequence[str],
    num_draws: int = 1000,
    mode: str = "101-point",
    seed: int = SEED,
    groups: Sequence | None = None,
) -> np.ndarray:
    """Return the AP50 of data sets of the same size, drawn with replacement from the images.

    Detections are matched and sorted once: a draw is no more than a weight for each image, the
    number of times that it came up; its copies rank side by side. Equal seeds draw equal images, so
    that two detectors can be compared draw by draw.
    detections, ground_truths, mode: as for `metrics.evaluate_detections`. groups: for each image,
    what it shares with others, such as a scene; groups are then drawn whole.
    Returns (num_draws,) means over the classes that a draw has; NaN for a draw without objects.
    """
    overlaps = class_overlaps(detections, ground_truths, class_names)
    groups = range(len(ground_truths)) if groups is None else groups
    names, group_of = np.unique(np.asarray(groups), return_inverse=True)
    even = np.full(len(names), 1 / len(names))
    drawn = np.random.default_rng(seed).multinomial(len(names), even, size=num_draws)
    draws = drawn[:, group_of]  # (num_draws, images)
    by_class = np.array([weighted_scores(images, draws, mode) for images in overlaps.values()])
    present = ~np.isnan(by_class)
    total, count = np.where(present, by_class, 0).sum(axis=0), present.sum(axis=0)
    return np.divide(total, count, out=np.full(num_draws, np.nan), where=count > 0)


def weighted_scores(
    overlaps: list, draws: np.ndarray, mode: str, iou_threshold: float = 0.5
) -> np.ndarray:
    """Return the average precision of one class when image i is in the data set draws[i] times.

    overlaps: a list from `metrics.class_overlaps`; draws: (num_draws, images) whole numbers.
    Returns (num_draws,) average precisions, NaN where a draw has no object of the class.
    """
    scores, outcomes, images = match_class(overlaps, iou_threshold, mode)
    order = np.argsort(-scores, kind="stable")
    hits, images = outcomes[order] == TRUE_POSITIVE, images[order]
    objects = draws @ np.array([iou.shape[1] for _, iou, _, _ in overlaps])
    results = np.full(len(draws), np.nan)
    for draw in np.flatnonzero(objects):
        weights = draws[draw, images]
        drawn = weights > 0
        true_positives = np.cumsum((weights * hits)[drawn])
        precision = true_positives / np.cumsum(weights[drawn])
        results[draw] = average_precision(precision, true_positives / objects[draw], mode)
    return results


def interval(samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Return the two values between which the middle `confidence` of samples lies, a tuple."""
    margin = 100 * (1 - confidence) / 2
    return tuple(np.nanpercentile(samples, [margin, 100 - margin]).tolist())
