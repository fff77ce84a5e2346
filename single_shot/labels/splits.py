"""A seeded split into training and held-out images in which every class is in both parts."""

from collections.abc import Sequence

from single_shot.labels.annotations import AnnotationError

import numpy as np


def stratified_split(
    labels: Sequence[np.ndarray], share: float, seed: int, groups: Sequence[int] | None = None
) -> list[list[int]]:
    """Return the indices of the training and of the held-out images, each in ascending order.

    labels: for each image, (M, 5) rows that begin with a class id. share: of the images that are
    held out, 0 < share < 1. groups: a number for each image; those of one number are on one side.
    Classes are served from the rarest on, as in Sechidis, Tsoumakas and Vlahavas, On the
    Stratification of Multi-Label Data, 2011; images without objects count as a class of their own.
    A class in two groups or more is in both parts, where that is possible.
    Raises AnnotationError for a share that is none, or fewer than two groups.
    """
    groups = range(len(labels)) if groups is None else groups
    images: dict = {}  # group to its images
    for index, group in enumerate(groups):
        images.setdefault(group, []).append(index)
    if not 0 < share < 1 or len(images) < 2:
        apart = "" if len(images) == len(labels) else f" in {len(images)} groups of near copies"
        raise AnnotationError(
            f"{len(labels)} images{apart} with a share of {share:g} cannot be split: there must be "
            "two or more, and a share between 0 and 1 (--val-share); --group-by none puts near "
            "copies apart"
        )
    names = list(images)
    order = [names[at] for at in np.random.default_rng(seed).permutation(len(names))]
    members: dict = {}  # class to its groups, and how many of its images each has
    for group in order:
        for index in images[group]:
            for class_id in set(labels[index][:, 0].astype(int).tolist()) or {-1}:
                counts = members.setdefault(class_id, {})
                counts[group] = counts.get(group, 0) + 1
    held_out, placed = set(), set()
    for class_id in sorted(members, key=lambda each: (sum(members[each].values()), each)):
        counts = members[class_id]
        wanted = _count(counts, share) - sum(counts[group] for group in held_out & set(counts))
        for group in counts:
            # A group that would overshoot by more than it falls short now waits for a smaller one.
            if group not in placed and counts[group] <= 2 * wanted:
                held_out.add(group)
                wanted -= counts[group]
        free = counts.keys() - placed
        if not held_out & counts.keys() and len(free) == len(counts) > 1:
            held_out.add(min(free, key=lambda group: (counts[group], order.index(group))))
        placed.update(counts)
    held_out = held_out or {min(order, key=lambda group: len(images[group]))}
    if len(held_out) == len(images):
        held_out.remove(order[0])
    return [
        sorted(index for group in images for index in images[group] if (group in held_out) == side)
        for side in (False, True)
    ]


def _count(counts, share):
    """Return how many of a class's images are held out: at least one of two, never all."""
    size = sum(counts.values())
    return min(max(round(size * share), 1), size - 1)
