"""A seeded split into training and held-out images in which every class is in both parts."""

from collections.abc import Sequence

from single_shot.labels.annotations import AnnotationError

import numpy as np


def stratified_split(labels: Sequence[np.ndarray], share: float, seed: int) -> list[list[int]]:
    """Return the indices of the training and of the held-out images, each in ascending order.

    labels: for each image, (M, 5) rows that begin with a class id. share: of the images that are
    held out, 0 < share < 1. Classes are served from the rarest on, as in Sechidis, Tsoumakas and
    Vlahavas, On the Stratification of Multi-Label Data, 2011; images without objects count as a
    class of their own. A class in two images or more is in both parts, where that is possible.
    Raises AnnotationError for a share that is none, or fewer than two images.
    """
    if not 0 < share < 1 or len(labels) < 2:
        raise AnnotationError(
            f"{len(labels)} images with a share of {share:g} cannot be split: there must be two "
            "images or more, and a share between 0 and 1 (--val-share)"
        )
    order = np.random.default_rng(seed).permutation(len(labels))
    classes = [set(rows[:, 0].astype(int).tolist()) or {-1} for rows in labels]
    members = {}
    for index in order:
        for class_id in classes[index]:
            members.setdefault(class_id, []).append(int(index))
    held_out, placed = set(), set()
    for class_id in sorted(members, key=lambda each: (len(members[each]), each)):
        images = members[class_id]
        free = [index for index in images if index not in placed]
        wanted = _count(len(images), share) - len(held_out.intersection(images))
        held_out.update(free[: max(0, wanted)])
        placed.update(free)
    held_out = held_out or {int(order[0])}
    if len(held_out) == len(labels):
        held_out.remove(int(order[0]))
    return [sorted(set(range(len(labels))) - held_out), sorted(held_out)]


def _count(size, share):
    """Return how many of the images of a class are held out: at least one of two, never all."""
    return min(max(round(size * share), 1), size - 1)
