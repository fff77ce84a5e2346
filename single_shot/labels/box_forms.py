"""The ways in which formats write a box, and the way to fractions of the image.

What must not be learnt is a BadObject: nothing is clamped but the rounding of printed decimals.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import gt

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.numbers_in_text import to_number

import numpy as np

# Formats print a few decimals, so that a box at the border may end just beyond it. Up to a tenth of
# a pixel is set on the border, and a note says how often.
ROUNDING_PX = 0.1
REPAIRED_PX, REPAIRED_SHARE = 1.0, 0.01  # beyond the border, of the image's side
FLOAT_NOISE = 1e-9  # beyond the border by less, as 0.3 + 0.7 may be, nothing was printed wrongly


@dataclass(frozen=True)
class BoxForm:
    """How a format writes a box.

    fields: its four names. layout: "corners", "extent" (corner, width, height) or "centre" (centre,
    width, height). pixels: else fractions. first: the number of the first pixel. ends_inside: the
    last corner names the box's last pixel, not the edge behind it. rule: reminds of all this in
    messages.
    """

    fields: tuple
    layout: str
    pixels: bool
    rule: str
    first: int = 0
    ends_inside: bool = False

    @property
    def has_origin(self) -> bool:
        """Whether it matters from which number on pixels are counted."""
        return self.pixels and self.layout == "corners"

    def to_edges(
        self, values: Sequence[float], size_px: tuple[int, int]
    ) -> tuple[float, float, float, float]:
        """Return xmin, ymin, xmax, ymax in fractions of an image of size_px."""
        a, b, c, d = values
        if self.layout == "corners":
            end = self.first - self.ends_inside
            edges = (a - self.first, b - self.first, c - end, d - end)
        elif self.layout == "extent":
            edges = (a, b, a + c, b + d)
        else:
            edges = (a - c / 2, b - d / 2, a + c / 2, b + d / 2)
        width, height = size_px if self.pixels else (1, 1)
        xmin, ymin, xmax, ymax = edges
        return xmin / width, ymin / height, xmax / width, ymax / height


class BadObject(AnnotationError):
    """An object that must not be learnt, with the kind of Finding and the box, if there is one."""

    def __init__(self, kind: str, message: str, box: Sequence[float] | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.box = box


def to_row(
    class_id: int,
    values: Sequence,
    form: BoxForm,
    size_px: tuple[int, int],
    where: str,
    repair: bool = False,
) -> tuple[tuple, bool, list[str]]:
    """Return the row `(class_id, xmin, ymin, xmax, ymax)` of an object in fractions of its image.

    values: four, as the file gives them; form: BoxForm; size_px: width, height; where: opens each
    message. repair: put swapped corners in order, and end boxes on the border that reach beyond it
    by up to REPAIRED_PX or REPAIRED_SHARE.
    Returns also whether the box was set on the border, by at most ROUNDING_PX, and what was
    repaired. Raises BadObject.
    """
    pairs = zip(form.fields, values, strict=True)
    values = [_to_number(field, value, form, where) for field, value in pairs]
    repairs = []
    if repair and (ordered := _in_order(values, form)) != values:
        values = ordered
        repairs.append("corners were swapped")
    edges = form.to_edges(values, size_px)
    _check_sides(values, edges, form, where)
    beyond = [max(-edge, edge - 1) for edge in edges]  # the border, at each edge
    slack = [ROUNDING_PX / side for side in (*size_px, *size_px)]
    if repair and any(map(gt, beyond, slack)):
        slack = [max(REPAIRED_PX / side, REPAIRED_SHARE) for side in (*size_px, *size_px)]
        repairs.append("the box ended beyond the border")
    if any(map(gt, beyond, slack)):
        raise _leaves(values, edges, form, size_px, where)
    clipped = [min(max(edge, 0.0), 1.0) for edge in edges]
    row = np.array([class_id, *clipped], dtype=np.float32).tolist()
    if row[1] >= row[3] or row[2] >= row[4]:
        raise BadObject("zero area", f"{where}: zero-area box after rounding; remove it", row[1:])
    return tuple(row), max(beyond) > FLOAT_NOISE and not repairs, repairs


def _to_number(field, value, form, where):
    try:
        return to_number(value)
    except ValueError as error:
        unit = "in pixels" if form.pixels else "as a fraction of the image"
        raise BadObject(
            "not a finite number", f"{where}: {field} is {error}; write it {unit}"
        ) from None


def _in_order(values, form):
    """Return the values of a box whose first corner is its left and upper one."""
    a, b, c, d = values
    if form.layout == "corners":
        return [min(a, c), min(b, d), max(a, c), max(b, d)]
    if form.layout == "extent":
        return [min(a, a + c), min(b, b + d), abs(c), abs(d)]
    return values


def _check_sides(values, edges, form, where):
    """Raise BadObject for a box of zero or negative width or height."""
    names = [field.rpartition("/")[2] for field in form.fields]
    # A box one pixel wide may be meant; of one pixel in both directions it is a slip of the hand.
    is_click = form.layout == "corners" and values[:2] == values[2:]
    for low, high in ((0, 2), (1, 3)):
        side = values[high] - values[low] if form.layout == "corners" else values[high]
        is_side = side > 0 or (form.ends_inside and side == 0)  # one pixel ends where it begins
        if is_side and edges[high] > edges[low] and not is_click:
            continue
        kind = "zero area" if side == 0 else "reversed"
        low_name, high_name = names[low], names[high]
        if form.layout == "corners":
            says = f"{low_name} {values[low]:g} is not below {high_name} {values[high]:g}"
        else:
            says = f"{high_name} is {side:g}, not above 0"
        raise BadObject(
            kind,
            f"{where}: {kind.replace(' ', '-')} box, {says}; draw the box again or remove the "
            "object",
            edges,
        )


def _leaves(values, edges, form, size_px, where):
    """Return the BadObject of a box that reaches beyond its image."""
    axis = int(not (edges[0] < 0 or edges[2] > 1))
    names = [field.rpartition("/")[2] for field in form.fields[axis::2]]
    low, high = values[axis::2]
    joint = "to" if form.layout == "corners" else "with"
    limit = size_px[axis] if form.pixels else 1
    outside = max(edges[:2]) >= 1 or min(edges[2:]) <= 0
    return BadObject(
        "outside image" if outside else "out of range",
        f"{where}: {names[0]} {low:g} {joint} {names[1]} {high:g} leaves the image, "
        f"{form.first} to {limit:g}; {form.rule}",
        edges,
    )
