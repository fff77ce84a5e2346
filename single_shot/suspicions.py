"""How likely each label of an image is wrong, from what a detector that never saw it says."""

from collections.abc import Sequence
from dataclasses import dataclass

from utils.average_precision import pairwise_iou
from utils.error_anatomy import MATCH_IOU

import numpy as np

TOUCH_IOU = 0.1  # a detection that overlaps no label by so much is about none of them
TIGHT_IOU = 0.7  # from here on two people's boxes do not differ more
LEAST_SCORE = 0.2


@dataclass(frozen=True)
class Suspicion:
    """A label that may be wrong, or an object that may have none.

    kind: "wrong class", "loose box", "no such object" or "missing label"; score: 0 to 1; number: of
    the label in its image, None for a missing one; class_id, box: what the detector says instead,
    None where it sees nothing.
    """

    kind: str
    score: float
    number: int | None
    class_id: int | None
    box: tuple | None


def suspicions_of(labels: np.ndarray, detections: np.ndarray) -> list[Suspicion]:
    """Return what is suspicious in one image, an entry at most for each label and detection.

    labels: (M, 5) rows in fractions; detections: (D, 6), of a detector that never saw the image.
    """
    found = []
    iou = pairwise_iou(detections[:, 2:], labels[:, 1:])  # (D, M)
    same_class = detections[:, :1] == labels[:, 0]
    about = about_labels(iou, detections[:, 1])
    for row in range(len(labels)):
        own = iou[:, row] * (about == row)
        found.append(_suspicion_of(row, own, same_class[:, row], detections))
    for row in detections[about < 0]:
        box = tuple(row[2:].tolist())
        found.append(Suspicion("missing label", float(row[1]), None, int(row[0]), box))
    return found


def about_labels(iou: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return which label each detection is about, -1 for none; iou: (D, M); scores: (D,).

    It is the label that it overlaps most. A detection that only touches it, where another one that
    is half as certain fits it, is about something else that stands beside it.
    """
    if not iou.size:
        return np.full(len(iou), -1)
    best = iou.argmax(axis=1)
    overlap = iou.max(axis=1)
    fitting = (scores[:, np.newaxis] * (iou >= MATCH_IOU)).max(axis=0)[best]  # (D,) scores
    stands_beside = (overlap < MATCH_IOU) & (fitting >= scores / 2)
    return np.where((overlap < TOUCH_IOU) | stands_beside, -1, best)


def _suspicion_of(number, iou, same_class, detections):
    """Return the Suspicion of one label; iou, same_class: (D,) of it and the detections."""
    scores = detections[:, 1]
    on_it = iou >= MATCH_IOU
    agrees = (scores * (on_it & same_class)).max(initial=0)
    other = scores * (on_it & ~same_class)
    near = scores * (same_class & (iou >= TOUCH_IOU))
    looseness = near * ((TIGHT_IOU - iou) / TIGHT_IOU).clip(0, 1)
    seen = max(near.max(initial=0), other.max(initial=0))
    candidates = [(1 - seen, "no such object", None)]
    if len(detections):
        candidates.append((other.max() * (1 - agrees), "wrong class", other.argmax()))
        best = near.argmax()  # the most certain one speaks
        candidates.append((looseness[best], "loose box", best))
    score, kind, row = max(candidates, key=lambda each: each[0])
    if row is None:
        return Suspicion(kind, float(score), number, None, None)
    box = tuple(detections[row, 2:].tolist())
    return Suspicion(kind, float(score), number, int(detections[row, 0]), box)


def rank(labels: Sequence[np.ndarray], detections: Sequence[np.ndarray]) -> list:
    """Return pairs of image number and Suspicion of all images, the most suspicious first.

    The scores of two kinds cannot be compared, so the kinds take turns. What scores less than
    LEAST_SCORE is left out.
    """
    by_kind: dict[str, list] = {}
    for at, (objects, rows) in enumerate(zip(labels, detections, strict=True)):
        for each in suspicions_of(objects, rows):
            if each.score >= LEAST_SCORE:
                by_kind.setdefault(each.kind, []).append((at, each))
    turns = []
    for pairs in by_kind.values():
        pairs.sort(key=lambda pair: -pair[1].score)
        turns += [(turn, -pair[1].score, pair) for turn, pair in enumerate(pairs)]
    return [pair for *_, pair in sorted(turns, key=lambda each: each[:2])]
