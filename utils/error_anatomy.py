"""Why a detector errs: a verdict on every detection, what mending each kind of error gains, and
which scale of the network is behind a detection.

After Bolya et al., TIDE: A General Toolbox for Identifying Object Detection Errors, ECCV 2020.
Detections are rows `[class_id, score, xmin, ymin, xmax, ymax]`, objects `[class_id, xmin, ymin,
xmax, ymax]`, both without padding. There are no difficult objects here.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from utils.average_precision import pairwise_iou
from utils.boxes import corner_to_center
from utils.data import evaluation_loader, normalize
from utils.detection import Detector, anchor_rows, multibox_detection
from utils.metrics import as_numpy, evaluate_detections

import numpy as np
from mxnet import gluon, nd

RIGHT = "right"
ERROR_TYPES = ("class", "localisation", "both", "duplicate", "background", "missed")
MATCH_IOU = 0.5
TOLERANCE = 1e-4  # between a detection and its anchor's row: two ways to compute the same
BACKGROUND_IOU = 0.1  # up to here, a box and an object have nothing to do with each other


@dataclass(frozen=True)
class Judgement:
    """What is right and wrong in an image with D detections of G objects.

    verdicts: (D,) RIGHT or one of ERROR_TYPES. about: (D,) row of the object that the verdict is
    about, -1 for background. found: (G,) objects that a detection got right. missed: (G,) objects
    that none got right and that no class or localisation error is about.
    """

    verdicts: np.ndarray
    about: np.ndarray
    found: np.ndarray
    missed: np.ndarray


def match_objects(iou: np.ndarray, iou_threshold: float = MATCH_IOU) -> np.ndarray:
    """Return the object that each detection takes by COCO's rule, -1 where it takes none.

    iou: (D, G) overlaps of detections, best score first, with objects; 0 where classes differ.
    Returns (D,) row numbers of objects, none of them twice. Same as `match_coco`.
    """
    matches = np.full(len(iou), -1)
    free = np.ones(iou.shape[1], dtype=bool)
    for detection in np.flatnonzero((iou >= iou_threshold).any(axis=1)):
        candidates = np.flatnonzero(free & (iou[detection] >= iou_threshold))[::-1]
        if len(candidates):  # the last of equals comes first, as in `match_coco`
            matches[detection] = candidates[iou[detection, candidates].argmax()]
            free[matches[detection]] = False
    return matches


def judge_image(
    detections: np.ndarray,
    objects: np.ndarray,
    iou_threshold: float = MATCH_IOU,
    background_iou: float = BACKGROUND_IOU,
) -> Judgement:
    """Return the Judgement of one image (Bolya et al., section 2.2; the order is that of TIDE).

    detections: (D, 6), best score first; objects: (G, 5); boxes in the same unit.
    """
    detections, objects = as_rows(detections, objects)
    iou = pairwise_iou(detections[:, 2:], objects[:, 1:])
    same_class = detections[:, :1] == objects[:, 0]  # (D, G)
    matches = match_objects(iou * same_class, iou_threshold)
    nearest, same = best_overlap(iou * same_class)
    stranger, other = best_overlap(iou * ~same_class)
    # The first condition that holds decides.
    conditions = {
        RIGHT: matches >= 0,
        "localisation": (same >= background_iou) & (same < iou_threshold),
        "class": other >= iou_threshold,
        "duplicate": same >= iou_threshold,  # yet not right: a better detection took the object
        "background": np.maximum(same, other) <= background_iou,
    }
    verdicts = np.select(list(conditions.values()), list(conditions), "both")
    about = np.select(
        [verdicts == RIGHT, np.isin(verdicts, ["class", "both"]), verdicts == "background"],
        [matches, stranger, -1],
        nearest,
    )
    rows = np.arange(len(objects))
    found = np.isin(rows, matches)
    in_reach = np.isin(rows, about[np.isin(verdicts, ["class", "localisation"])])
    return Judgement(verdicts, about, found, ~found & ~in_reach)


def as_rows(detections: np.ndarray, objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return detections (D, 6) and objects (G, 5) as float64, the numbers that metrics see."""
    return as_numpy(detections).reshape(-1, 6), as_numpy(objects).reshape(-1, 5)


def best_overlap(iou: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each row of iou (D, G), the column of the greatest value, and that value.

    Where there is no column, they are -1 and 0.
    """
    if iou.shape[1] == 0:
        return np.full(len(iou), -1), np.zeros(len(iou))
    return iou.argmax(axis=1), iou.max(axis=1)


def mend_image(
    detections: np.ndarray, objects: np.ndarray, judgement: Judgement, kinds: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of an image as they would be without errors of some kinds.

    A class error gets the class of its object, a localisation error the box, unless the object
    is found already or a better detection gets there first; then the row goes. So do the other
    wrong detections; missed objects are taken off the objects (Bolya et al., section 2.3).
    kinds: of ERROR_TYPES; the rest as for `judge_image`, which returns the judgement.
    """
    detections, objects = (rows.copy() for rows in as_rows(detections, objects))
    keep = ~np.isin(judgement.verdicts, kinds)
    taken = judgement.found.copy()
    for row in np.flatnonzero(~keep & np.isin(judgement.verdicts, ["class", "localisation"])):
        target = judgement.about[row]
        keep[row], taken[target] = not taken[target], True
        if judgement.verdicts[row] == "class":
            detections[row, 0] = objects[target, 0]
        else:
            detections[row, 2:] = objects[target, 1:]
    return detections[keep], objects[~judgement.missed] if "missed" in kinds else objects


def error_gains(
    detections: Sequence[np.ndarray],
    ground_truths: Sequence[np.ndarray],
    class_names: Sequence[str],
) -> dict[str, float]:
    """Return how much AP50 (COCO 101-point) rises when errors of one kind are mended, by kind.

    Each kind is mended by itself, all others stay, so that gains do not add up to 1 - AP50.
    detections: for each image, (D, 6), best score first; ground_truths: for each image, (G, 5).
    Returns a dict of floats, at least 0: a mended detection only moves up or out of the way.
    """
    judgements = [judge_image(*image) for image in zip(detections, ground_truths, strict=True)]
    parts = (detections, ground_truths, judgements, class_names)
    before = mended_score(*parts, kinds=())
    return {kind: mended_score(*parts, kinds=(kind,)) - before for kind in ERROR_TYPES}


def mended_score(
    detections: Sequence[np.ndarray],
    ground_truths: Sequence[np.ndarray],
    judgements: Sequence[Judgement],
    class_names: Sequence[str],
    kinds: Sequence[str],
) -> float:
    """Return the mean AP50 (COCO 101-point) once the errors of some kinds are mended.

    judgements: for each image, from `judge_image`; kinds: of ERROR_TYPES, none of them for the
    score as it is; the rest as for `error_gains`. 1 where no object is left that could be missed.
    """
    images = zip(detections, ground_truths, judgements, strict=True)
    found, objects = zip(*[mend_image(*image, kinds) for image in images])
    result = evaluate_detections(found, objects, class_names, mode="101-point")
    return 1.0 if result.mean is None else result.mean


def confusion_matrix(
    detections: Sequence[np.ndarray],
    ground_truths: Sequence[np.ndarray],
    num_classes: int,
    score_threshold: float,
) -> np.ndarray:
    """Return how often objects of one class were detected as another, whatever their class.

    A detection takes the object that it overlaps most among those still free, from MATCH_IOU on.
    detections, ground_truths: as for `error_gains`. score_threshold: of detections that count.
    Returns (num_classes + 1, num_classes + 1) counts: a row for each true class and one for
    detections of nothing, a column for each detected class and one for objects not found.
    """
    counts = np.zeros((num_classes + 1, num_classes + 1), dtype=int)
    for found, objects in map(as_rows, detections, ground_truths):
        found = found[found[:, 1] >= score_threshold]
        matches = match_objects(pairwise_iou(found[:, 2:], objects[:, 1:]))
        true_ids = np.append(objects[:, 0], num_classes)[matches].astype(int)  # -1: the last
        np.add.at(counts, (true_ids, found[:, 0].astype(int)), 1)
        not_found = np.delete(objects[:, 0], matches[matches >= 0]).astype(int)
        np.add.at(counts[:, num_classes], not_found, 1)
    return counts


def anchor_scales(anchors: nd.NDArray, sizes: tuple) -> np.ndarray:
    """Return the scale of every anchor, 0 for the finest feature map.

    A ratio changes the shape of an anchor and not its area, so that the root of the area is one of
    the sizes of its scale; no size may occur in two scales, and images are square.
    anchors: (A, 4) corner form; sizes: for each scale, such as `ssd.SIZES`.
    Returns (A,) whole numbers, a NumPy array.
    """
    sides = np.sqrt(corner_to_center(anchors)[:, 2:].asnumpy().prod(axis=1))
    flat = [(size, scale) for scale, of_scale in enumerate(sizes) for size in of_scale]
    known, scales = (np.array(column) for column in zip(*flat))
    return scales[np.abs(sides[:, None] - known).argmin(axis=1)]


def trace_detections(detections: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the anchor from which each detection of an image comes.

    Suppression chooses among anchors and changes none, so that every detection is some anchor's
    row; of equal rows the first is taken.
    detections: (D, 6), of the network that said rows, (A, 6) from `detection.anchor_rows`.
    Returns (D,) row numbers of anchors. Raises ValueError where one has no such row.
    """
    lowest = detections[:, 1].min(initial=1) - TOLERANCE
    anchors = np.flatnonzero(rows[:, 1] >= lowest)  # the others are many and cannot be meant
    distances = np.abs(detections[:, None] - rows[anchors]).max(axis=2)
    if (distances.min(axis=1, initial=np.inf) > TOLERANCE).any():
        raise ValueError("a detection is no anchor's: it comes from other predictions")
    return anchors[distances.argmin(axis=1)] if len(detections) else np.zeros(0, dtype=int)


def detect_with_scales(
    detector: Detector, dataset: gluon.data.Dataset, batch_size: int = 40
) -> tuple[list, list]:
    """Return the detections of every sample of a data set and the scale of each.

    detector: a `detection.Detector` of a ToySSD.
    Returns two lists: what `detection.detect_dataset` returns, and (D,) scales for each image.
    """
    detections, scales = [], []
    for images, _ in evaluation_loader(dataset, batch_size, detector.image_size):
        anchors, cls_preds, box_preds = detector.net(normalize(images.as_in_context(detector.ctx)))
        scale_of = anchor_scales(anchors[0], detector.net.sizes)
        for found, scores, offsets in zip(
            multibox_detection(anchors, cls_preds, box_preds), cls_preds, box_preds
        ):
            rows = anchor_rows(anchors[0], scores, offsets)
            detections.append(found)
            scales.append(scale_of[trace_detections(found, rows)])
    return detections, scales
