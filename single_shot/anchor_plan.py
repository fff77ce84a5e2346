"""Anchors for a data set: sizes and ratios for a network's maps, chosen from its objects."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from utils import ssd, ssdlite
from utils.anchors import coverage, multibox_prior, suggest_shapes
from utils.networks import describe_ssdlite, describe_toy_ssd
from utils.records import RecordError

import numpy as np
from mxnet import nd

NUM_SIZES = 6
# Three strides wide, an anchor has an IoU of 0.53 with an object of its size in the worst place.
MINIMUM_STRIDES = 3
COVERED_IOU = 0.5  # from here on an object gets more than the one match that it is forced to have
LEAST_SIZE = 0.001  # of an anchor, a fraction of the image: no smaller one is told from it
RATIO_BOUNDS = 0.05, 20.0  # of anchors; one of a pole's own ratio is thinner than a map can place
MAX_OBJECTS = 1000  # that are measured; more change the shares by about a hundredth


@dataclass(frozen=True)
class Maps:
    """The maps of a network, on which anchors can be placed.

    sides: makes of the image's side those of the maps in pixels, the finest first; sizes, ratios:
    of the usual anchors; describe: makes of others the network's description.
    """

    sides: Callable[[int], list[int]]
    sizes: tuple
    ratios: tuple
    describe: Callable[[tuple, tuple], dict]


def toy_sides(image_size: int) -> list[int]:
    """Return the sides of ToySSD's maps: pooling rounds down, the last map is one pixel."""
    return [image_size // stride for stride in (8, 16, 32, 64)] + [1]


def lite_sides(image_size: int) -> list[int]:
    """Return the sides of SSDLite's maps: convolutions with a stride of 2 round up."""
    return [-(-image_size // stride) for stride in (8, 16, 32, 64, 128, 256)]


MAPS = {
    "toy_ssd": Maps(toy_sides, ssd.SIZES, ssd.RATIOS, describe_toy_ssd),
    "ssdlite": Maps(lite_sides, ssdlite.SIZES, ssdlite.RATIOS, describe_ssdlite),
}


@dataclass(frozen=True)
class AnchorPlan:
    """Anchors for a network and how well they fit objects.

    network: a name of MAPS; sizes: per map; ratios: of all maps; covered: share of objects with an
    IoU above COVERED_IOU; fit: mean IoU of objects with their best anchor.
    """

    network: str
    sizes: tuple
    ratios: tuple
    covered: float
    fit: float

    @property
    def description(self) -> dict:
        """The network's description, see `networks.build_network`."""
        return MAPS[self.network].describe(self.sizes, self.ratios)


def place_sizes(
    sizes: Sequence[float], sides: Sequence[int], usual_sizes: tuple
) -> tuple[tuple[float, ...], ...]:
    """Return the sizes of each map: each on the coarsest that is fine enough, or on the finest.

    sizes: fractions of the image; sides: of the maps, the finest first; usual_sizes: per map. A
    map that gets none keeps those that are larger, for objects larger than any of the data set.
    """
    maps = [
        max(np.flatnonzero(size * np.array(sides) >= MINIMUM_STRIDES), default=0) for size in sizes
    ]
    placed = [tuple(s for s, k in zip(sizes, maps) if k == number) for number in range(len(sides))]
    larger = [tuple(s for s in usual if s > max(sizes)) or usual for usual in usual_sizes]
    return tuple(own or usual for own, usual in zip(placed, larger, strict=True))


def measure_plan(
    boxes: np.ndarray, image_size: int, network: str, sizes: tuple, ratios: tuple
) -> AnchorPlan:
    """Return the AnchorPlan with these sizes and ratios; boxes: (M, 4) NumPy, M at least 1."""
    scales = zip(MAPS[network].sides(image_size), sizes, strict=True)
    anchors = nd.concat(*[multibox_prior(n, n, of_map, ratios)[0] for n, of_map in scales], dim=0)
    chunks = np.array_split(boxes, -(-len(boxes) // 200))  # all at once would take gigabytes
    best = np.concatenate([coverage(nd.array(chunk), anchors).asnumpy() for chunk in chunks])
    return AnchorPlan(
        network, sizes, ratios, float((best > COVERED_IOU).mean()), float(best.mean())
    )


def plan_anchors(
    labels: Sequence[np.ndarray], image_size: int, network: str = "toy_ssd"
) -> tuple[AnchorPlan, AnchorPlan]:
    """Return the AnchorPlan of the usual anchors and that of the ones which suit labels best.

    labels: for each image, (M, 5) rows in fractions; network: a name of MAPS. Where the usual
    anchors cover as much as the suggested ones, both are the same. Raises RecordError where there
    is no object.
    """
    boxes = np.concatenate([rows[:, 1:] for rows in labels])
    if not len(boxes):
        raise RecordError("no image holds an object: there is nothing to learn; label some first")
    boxes = boxes[np.linspace(0, len(boxes) - 1, min(len(boxes), MAX_OBJECTS)).astype(int)]
    shapes = boxes[:, 2:] - boxes[:, :2]
    sides = np.sqrt(shapes.astype(np.float64).prod(axis=1)).round(3).clip(LEAST_SIZE)
    squares = np.stack([sides, sides], axis=1)  # clusters of other shapes would share their sizes
    sizes = suggest_shapes(squares, min(NUM_SIZES, len(np.unique(sides))))[:, 0]
    maps = MAPS[network]
    placed = place_sizes(
        [round(size, 3) for size in sizes.tolist()], maps.sides(image_size), maps.sizes
    )
    quotients = (shapes[:, 0] / shapes[:, 1]).clip(*RATIO_BOUNDS)
    of_data = tuple(float(r) for r in np.quantile(quotients, (0.5, 0.95, 0.05)).round(2))
    candidates = [(maps.sizes, maps.ratios), (placed, maps.ratios), (placed, of_data)]
    plans = [measure_plan(boxes, image_size, network, *candidate) for candidate in candidates]
    return plans[0], max(plans, key=lambda plan: (round(plan.covered, 2), plan.fit))
