"""Anchors for a data set: sizes and ratios for the maps of ToySSD, chosen from its objects."""

from collections.abc import Sequence
from dataclasses import dataclass

from utils.anchors import coverage, multibox_prior, suggest_shapes
from utils.networks import describe_toy_ssd
from utils.records import RecordError
from utils.ssd import RATIOS, SIZES

import numpy as np
from mxnet import nd

NUM_SIZES = 6
# Three strides wide, an anchor has an IoU of 0.53 with an object of its size in the worst place.
MINIMUM_STRIDES = 3
COVERED_IOU = 0.5  # from here on an object gets more than the one match that it is forced to have
LEAST_SIZE = 0.001  # of an anchor, a fraction of the image: no smaller one is told from it
MAX_OBJECTS = 1000  # that are measured; more change the shares by about a hundredth


@dataclass(frozen=True)
class AnchorPlan:
    """Anchors for ToySSD and how well they fit objects.

    sizes: per map; ratios: of all maps; covered: share of objects with an IoU above COVERED_IOU;
    fit: mean IoU of objects with their best anchor.
    """

    sizes: tuple
    ratios: tuple
    covered: float
    fit: float

    @property
    def description(self) -> dict:
        """The network's description, see `networks.build_network`."""
        return describe_toy_ssd(self.sizes, self.ratios)


def map_sides(image_size: int) -> list[int]:
    """Return the sides of ToySSD's maps for images of image_size pixels, the finest first."""
    return [image_size // 2 ** (3 + number) for number in range(len(SIZES) - 1)] + [1]


def place_sizes(sizes: Sequence[float], sides: Sequence[int]) -> tuple[tuple[float, ...], ...]:
    """Return the sizes of each map: each on the coarsest that is fine enough, or on the finest.

    sizes: fractions of the image; sides: of the maps, the finest first. A map that gets none keeps
    those of `ssd.SIZES` that are larger, for objects larger than any of the data set.
    """
    maps = [
        max(np.flatnonzero(size * np.array(sides) >= MINIMUM_STRIDES), default=0) for size in sizes
    ]
    placed = [tuple(s for s, k in zip(sizes, maps) if k == number) for number in range(len(sides))]
    larger = [tuple(s for s in usual if s > max(sizes)) or usual for usual in SIZES]
    return tuple(own or usual for own, usual in zip(placed, larger, strict=True))


def measure_plan(boxes: np.ndarray, image_size: int, sizes: tuple, ratios: tuple) -> AnchorPlan:
    """Return the AnchorPlan with these sizes and ratios; boxes: (M, 4) NumPy, M at least 1."""
    scales = zip(map_sides(image_size), sizes, strict=True)
    anchors = nd.concat(*[multibox_prior(n, n, of_map, ratios)[0] for n, of_map in scales], dim=0)
    chunks = np.array_split(boxes, -(-len(boxes) // 200))  # all at once would take gigabytes
    best = np.concatenate([coverage(nd.array(chunk), anchors).asnumpy() for chunk in chunks])
    return AnchorPlan(sizes, ratios, float((best > COVERED_IOU).mean()), float(best.mean()))


def plan_anchors(labels: Sequence[np.ndarray], image_size: int) -> tuple[AnchorPlan, AnchorPlan]:
    """Return the AnchorPlan of the usual anchors and that of the ones which suit labels best.

    labels: for each image, (M, 5) rows in fractions. Where the usual anchors cover as much as the
    suggested ones, both are the same. Raises RecordError where there is no object.
    """
    boxes = np.concatenate([rows[:, 1:] for rows in labels])
    if not len(boxes):
        raise RecordError("no image holds an object: there is nothing to learn; label some first")
    boxes = boxes[np.linspace(0, len(boxes) - 1, min(len(boxes), MAX_OBJECTS)).astype(int)]
    shapes = boxes[:, 2:] - boxes[:, :2]
    sides = np.sqrt(shapes.astype(np.float64).prod(axis=1)).round(3).clip(LEAST_SIZE)
    squares = np.stack([sides, sides], axis=1)  # clusters of other shapes would share their sizes
    sizes = suggest_shapes(squares, min(NUM_SIZES, len(np.unique(sides))))[:, 0]
    placed = place_sizes([round(size, 3) for size in sizes.tolist()], map_sides(image_size))
    quotients = shapes[:, 0] / shapes[:, 1]
    of_data = tuple(float(r) for r in np.quantile(quotients, (0.5, 0.95, 0.05)).round(2))
    candidates = [(SIZES, RATIOS), (placed, RATIOS), (placed, of_data)]
    plans = [measure_plan(boxes, image_size, *candidate) for candidate in candidates]
    return plans[0], max(plans, key=lambda plan: (round(plan.covered, 2), plan.fit))
