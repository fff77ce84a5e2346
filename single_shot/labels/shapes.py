"""The upright box around what people draw instead of one: polygons, circles, turned boxes.

All in the unit of the file, corners as `(xmin, ymin, xmax, ymax)`. Each raises ValueError for what
is no such shape, in words that say so.
"""

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from single_shot.labels.numbers_in_text import shown, to_number, to_whole

BITS_OF_SIGN = 5  # of a number in a packed mask, in each of its characters
MOST_SIGNS = 12  # of one number


def bounds(points: Any) -> tuple[float, float, float, float]:
    """Return the bounds of a list of pairs (x, y)."""
    try:
        xs, ys = zip(*[(to_number(x), to_number(y)) for x, y in points])
    except (TypeError, ValueError):
        raise ValueError(f"points are {shown(points)}, not pairs of numbers") from None
    return min(xs), min(ys), max(xs), max(ys)


def bounds_of_flat(numbers: Sequence) -> tuple[float, float, float, float]:
    """Return the bounds of a list x, y, x, y, ..., as polygons in COCO and YOLO are written."""
    if len(numbers) < 4 or len(numbers) % 2:
        raise ValueError(f"{len(numbers)} numbers, no pairs x, y")
    return bounds([*zip(numbers[::2], numbers[1::2])])


def bounds_of_circle(center: Iterable, on_edge: Iterable) -> tuple[float, float, float, float]:
    """Return the bounds of a circle given by its centre and a point on its edge."""
    (x, y), (a, b) = ([to_number(value) for value in point] for point in (center, on_edge))
    radius = math.hypot(a - x, b - y)
    return x - radius, y - radius, x + radius, y + radius


def bounds_of_ellipse(
    center: Sequence[float], radii: Sequence[float], degrees: float
) -> tuple[float, float, float, float]:
    """Return the bounds of an ellipse turned about its centre; radii: along and across."""
    (x, y), (along, across) = center, radii
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half_width = math.hypot(along * cos, across * sin)
    half_height = math.hypot(along * sin, across * cos)
    return x - half_width, y - half_height, x + half_width, y + half_height


def bounds_of_turned(
    box: Sequence[float], degrees: float, pivot: tuple[float, float] | None = None
) -> tuple[float, float, float, float]:
    """Return the bounds of corners `(xmin, ymin, xmax, ymax)` turned clockwise about a pivot.

    pivot: by default the centre.
    """
    pivot = pivot or ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x - pivot[0], y - pivot[1]) for x in box[::2] for y in box[1::2]]
    return bounds(
        [(pivot[0] + cos * x - sin * y, pivot[1] + sin * x + cos * y) for x, y in corners]
    )


def turn_of(attribute: object) -> float:
    """Return the degrees that CVAT writes as an attribute `rotation` of a box, 0 where it has none.

    One that is no number is a person's own.
    """
    try:
        return to_number(attribute or 0) % 360
    except ValueError:
        return 0.0


def bounds_of_runs(counts: Any, size: Sequence) -> tuple[float, float, float, float]:
    """Return the bounds of a mask in COCO's run lengths, which go down column by column.

    counts: numbers, of pixels outside and inside in turn, or the text into which pycocotools packs
    them. size: height and width. (cocoapi, common/maskApi.h, "Run-length encoding".)
    """
    height, width = map(to_whole, size)
    runs = _unpacked(counts) if isinstance(counts, str) else [to_whole(each) for each in counts]
    ends = [*accumulate(runs)]
    if not runs or min(*runs, height - 1, width - 1) < 0 or ends[-1] != height * width:
        raise ValueError(f"its runs are not those of a mask of {width} x {height} pixels")
    inside = [(end - run, end - 1) for run, end in zip(runs[1::2], ends[1::2]) if run]
    if not inside:
        raise ValueError("its mask is empty")
    columns = [pixel // height for run in inside for pixel in run]
    in_one = all(first == last for first, last in zip(columns[::2], columns[1::2]))
    rows = [pixel % height for run in inside for pixel in run] if in_one else [0, height - 1]
    return min(columns), min(rows), max(columns) + 1, max(rows) + 1


def _unpacked(text):
    """Return the run lengths in a text of pycocotools'; raise ValueError where it is none."""
    runs, number, place = [], 0, 0
    for sign in text:
        value = ord(sign) - 48
        if not 0 <= value < 64 or place == MOST_SIGNS:
            raise ValueError("its runs are no text of pycocotools'")
        number |= (value & 31) << BITS_OF_SIGN * place
        place += 1
        if value & 32:
            continue
        number -= (value & 16) << BITS_OF_SIGN * (place - 1) + 1  # below 0
        runs.append(number + (runs[-2] if len(runs) > 2 else 0))
        number, place = 0, 0
    return runs
