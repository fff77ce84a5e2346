"""The upright box around what people draw instead of one: polygons, circles, turned boxes.

All in the unit of the file, corners as `(xmin, ymin, xmax, ymax)`. Each raises ValueError for what
is no such shape, in words that say so.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

from single_shot.labels.numbers_in_text import shown, to_number


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
    box: Sequence[float], degrees: float, pivot: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Return the bounds of corners `(xmin, ymin, xmax, ymax)` turned clockwise about a pivot."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(x - pivot[0], y - pivot[1]) for x in box[::2] for y in box[1::2]]
    return bounds(
        [(pivot[0] + cos * x - sin * y, pivot[1] + sin * x + cos * y) for x, y in corners]
    )
