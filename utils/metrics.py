"""How good is a detector: the accuracy and box error of anchors, and average precision.

`utils.average_precision` has the parts from scratch, for one class; here they meet data sets.
"""

from collections.abc import Sequence

from utils.average_precision import (
    FALSE_POSITIVE,
    IGNORED,
    MODES,
    average_precision,
    match_coco,
    match_voc,
    pairwise_iou,
    precision_recall,
)
from utils.evaluation_results import ClassResult, CocoResult, EvaluationResult

import numpy as np
from mxnet import nd

COCO_IOU_THRESHOLDS = np.linspace(0.5, 0.95, 10)  # not arange: its values lie a little higher
COCO_MAX_DETECTIONS = 100  # of a class in an image, as pycocotools counts them
# Sides of squares as large as the boxes, in fractions of an image of 256 pixels: COCO's limits, 32
# and 96 pixels (`Params.setDetParams` of pycocotools). Both limits belong to their range.
SIZE_RANGES = {
    "small": (0, 32 / 256),
    "medium": (32 / 256, 96 / 256),
    "large": (96 / 256, np.inf),
}


def as_numpy(array: nd.NDArray | np.ndarray | list) -> np.ndarray:
    """Return an NDArray, an array or a nested list as a float64 array."""
    return np.asarray(array.asnumpy() if hasattr(array, "asnumpy") else array, dtype=np.float64)


def class_accuracy(cls_preds: nd.NDArray, cls_targets: nd.NDArray) -> float:
    """Return the fraction of anchors whose highest class prediction is the target.

    Nearly all anchors are background, so that a detector which finds nothing scores close to 1:
    this tells that training moves, not how well objects are detected.
    cls_preds: (B, A, C + 1) scores, background first. cls_targets: (B, A), 0 for background;
    anchors with a target below 0 are left out.
    Returns a float in 0..1, NaN where no anchor counts.
    """
    cls_targets = as_numpy(cls_targets)
    counted = cls_targets >= 0
    correct = (as_numpy(cls_preds).argmax(axis=-1) == cls_targets)[counted]
    return float(correct.mean()) if correct.size else float("nan")


def box_mae(box_preds: nd.NDArray, box_targets: nd.NDArray, box_masks: nd.NDArray) -> float:
    """Return the mean absolute error of the offsets over all anchors.

    Background anchors add zeros, so that the number is small and can only be compared with others
    of the same anchors and data.
    box_preds, box_targets: (B, 4A) offsets. box_masks: (B, 4A), 1 for matched anchors, else 0.
    Returns a float, at least 0.
    """
    errors = (as_numpy(box_preds) - as_numpy(box_targets)) * as_numpy(box_masks)
    return float(np.abs(errors).mean())


def evaluate_detections(
    detections: Sequence,
    ground_truths: Sequence,
    class_names: Sequence[str],
    difficult: Sequence | None = None,
    iou_threshold: float = 0.5,
    mode: str = "area",
) -> EvaluationResult:
    """Return the average precision of detections at one IoU threshold, an EvaluationResult.

    detections: for each image, (D, 6) rows `[class_id, score, xmin, ymin, xmax, ymax]`.
    ground_truths: for each image, (G, 5) rows `[class_id, xmin, ymin, xmax, ymax]`, same unit.
    Rows of a class id below 0 are padding; D and G may be 0.
    difficult: for each image, (G,) bool: objects that neither count nor hurt; None where none are.
    mode: `area` and `11-point` match by VOC's rule, `101-point` by COCO's, of the best 100.
    Raises ValueError for another mode or threshold, and for wrong rows, naming the image.
    """
    overlaps = class_overlaps(detections, ground_truths, class_names, difficult)
    return _evaluation_result(overlaps, iou_threshold, mode)


def evaluate_coco(
    detections: Sequence,
    ground_truths: Sequence,
    class_names: Sequence[str],
    difficult: Sequence | None = None,
) -> CocoResult:
    """Return COCO's average precision over the IoU thresholds .50, .55 ... .95, a CocoResult.

    Takes what `evaluate_detections` does; its difficult objects are COCO's `ignore`.
    """
    overlaps = class_overlaps(detections, ground_truths, class_names, difficult)
    return CocoResult(
        {
            round(threshold, 2): _evaluation_result(overlaps, threshold, "101-point")
            for threshold in COCO_IOU_THRESHOLDS.tolist()
        }
    )


def evaluate_by_size(
    detections: Sequence,
    ground_truths: Sequence,
    class_names: Sequence[str],
    size_ranges: dict = SIZE_RANGES,
    iou_threshold: float = 0.5,
) -> dict[str, EvaluationResult]:
    """Return COCO's average precision on the objects of each range of sizes, by name.

    Objects out of the range are difficult: a detection that takes one neither counts nor hurts. Nor
    does one that takes none and is itself out of the range, for it may look for another object.
    detections, ground_truths: as for `evaluate_detections`. size_ranges: by name, the least and
    greatest side of a square of the box's area, in the unit of the boxes.
    Returns a dict of EvaluationResult. Same as the area ranges of pycocotools.
    """
    results = {}
    for name, side_range in size_ranges.items():
        overlaps = class_overlaps(detections, ground_truths, class_names, None, side_range)
        results[name] = _evaluation_result(overlaps, iou_threshold, "101-point")
    return results


def _evaluation_result(overlaps, iou_threshold, mode):
    if mode not in MODES:
        raise ValueError(f"mode is {mode!r}; choose one of {', '.join(MODES)}")
    if not 0 < iou_threshold <= 1:
        raise ValueError(f"iou_threshold is {iou_threshold}; it must lie above 0 and up to 1")
    classes = {name: _class_result(rows, iou_threshold, mode) for name, rows in overlaps.items()}
    return EvaluationResult(classes, mode, iou_threshold)


def _class_result(overlaps, iou_threshold, mode):
    scores, outcomes, _ = match_class(overlaps, iou_threshold, mode)
    num_objects = sum(int((~difficult).sum()) for _, _, difficult, _ in overlaps)
    if num_objects == 0:
        return ClassResult(0, len(scores), np.zeros(0), np.zeros(0), None)
    precision, recall = precision_recall(scores, outcomes, num_objects)
    ap = average_precision(precision, recall, mode)
    return ClassResult(num_objects, len(scores), precision, recall, ap)


def match_class(overlaps: list, iou_threshold: float, mode: str) -> list[np.ndarray]:
    """Match one class's detections in all images; a stray one that hits nothing is ignored.

    overlaps: a list from `class_overlaps`; iou_threshold, mode: as for `evaluate_detections`.
    Returns scores, outcomes and image numbers, (D,) each, image after image.
    """
    match, limit = (match_coco, COCO_MAX_DETECTIONS) if mode == "101-point" else (match_voc, None)
    columns = []
    for image, (scores, iou, difficult, stray) in enumerate(overlaps):
        outcomes = match(iou[:limit], difficult, iou_threshold)
        outcomes[(outcomes == FALSE_POSITIVE) & stray[:limit]] = IGNORED
        columns.append((scores[:limit], outcomes, np.full(len(outcomes), image)))
    return [np.concatenate(column) for column in zip(*columns)]


def class_overlaps(
    detections: Sequence,
    ground_truths: Sequence,
    class_names: Sequence[str],
    difficult: Sequence | None = None,
    side_range: tuple = (0, np.inf),
) -> dict[str, list]:
    """Return, by class name, what matching needs to know of each image.

    detections, ground_truths, difficult: as for `evaluate_detections`. side_range: as for
    `evaluate_by_size`; objects out of it are difficult, detections out of it stray.
    Returns a dict of lists of scores (D,) best first, IoU (D, G), difficult (G,) and stray (D,).
    Raises ValueError for wrong rows, naming the image.
    """
    if difficult is None:
        difficult = [np.zeros(len(objects), dtype=bool) for objects in ground_truths]
    lengths = len(detections), len(ground_truths), len(difficult)
    if len(set(lengths)) > 1 or lengths[0] == 0:
        raise ValueError(
            "detections, ground_truths and difficult need an entry for each image and at least "
            f"one image; they have {lengths}"
        )
    overlaps = {name: [] for name in class_names}
    for image, (found, objects, hard) in enumerate(zip(detections, ground_truths, difficult)):
        found = _rows(found, 6, f"detections of image {image}", class_names)
        objects = _rows(objects, 5, f"ground_truths of image {image}", class_names)
        hard = as_numpy(hard).astype(bool)
        if len(hard) != len(objects):
            raise ValueError(f"difficult of image {image}: {len(hard)}, not {len(objects)} flags")
        found = found[np.argsort(-found[:, 1], kind="stable")]
        for class_id, name in enumerate(class_names):
            of_class = found[found[:, 0] == class_id]
            mask = objects[:, 0] == class_id
            iou = pairwise_iou(of_class[:, 2:], objects[mask, 1:])
            hidden = hard[mask] | _out_of_range(objects[mask, 1:], side_range)
            stray = _out_of_range(of_class[:, 2:], side_range)
            overlaps[name].append((of_class[:, 1], iou, hidden, stray))
    return overlaps


def _out_of_range(boxes, side_range):
    """Return (N,) whether the side of a square of a box's area lies out of a closed range."""
    sides = np.sqrt(np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1))
    return (sides < side_range[0]) | (sides > side_range[1])


def _rows(rows, columns, what, class_names):
    """Return rows as (N, columns) float64; raise a ValueError where they are no such thing."""
    rows = as_numpy(rows)
    rows = rows.reshape(-1, columns) if rows.size == 0 else rows
    if rows.ndim != 2 or rows.shape[1] != columns:
        raise ValueError(f"{what}: rows of {columns} numbers expected, found shape {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError(f"{what}: not a number or infinite")
    unknown = set(rows[rows[:, 0] >= 0, 0]) - set(range(len(class_names)))
    if unknown:
        raise ValueError(
            f"{what}: class id {min(unknown):g}, but there are {len(class_names)} classes"
        )
    return rows
