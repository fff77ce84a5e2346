"""The lines of YOLO's text files, and what those that are longer than a box stand for.

Behind its class a line has a box, a box and a score, a box and keypoints, the four corners of a
turned box, or the corners of a polygon (Ultralytics, Detection, Pose Estimation, Oriented Bounding
Boxes and Instance Segmentation). No line tells which it is; those of a whole set together do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from single_shot.labels.numbers_in_text import shown, to_number, to_whole
from single_shot.labels.raw import RawObject
from single_shot.labels.safe_files import read_text
from single_shot.labels.shapes import bounds_of_flat

MAX_LABEL_BYTES = 4 * 2**20
BOX, SCORED, FOUR_CORNERS = 5, 6, 9  # fields of a line
VISIBILITIES = (0, 1, 2)  # of a keypoint: unlabelled, hidden, seen
SLACK = 0.01  # of the image, for printed decimals

Line = tuple[int, list[str]]


@dataclass(frozen=True)
class LineForm:
    """What the longer lines of a set are.

    keypoints: each is a box, and what follows belongs to keypoints. doubt: else what they draw, and
    how the box comes from it. angles: the sixth number of a line is the angle of its box, and no
    score. said: what to tell of it.
    """

    keypoints: bool = False
    doubt: tuple[str, str] = ("polygon", "its bounds are taken")
    angles: bool = False
    said: tuple = ()


def read_lines(path: Path) -> list[Line]:
    """Return number and fields of the lines of a label file; raise AnnotationError."""
    lines = enumerate(read_text(path, MAX_LABEL_BYTES).split("\n"), start=1)
    return [(number, fields) for number, line in lines if (fields := line.split())]


def form_of(lines: Iterable[Line], has_keypoints: bool) -> LineForm:
    """Return what the longer ones of a set's lines are.

    has_keypoints: a file of the set says that its boxes have some.
    """
    if has_keypoints:
        return LineForm(keypoints=True, said=("keypoints behind the boxes are not read",))
    lengths, rows, angles = set(), [], False
    for _, fields in lines:
        lengths.add(len(fields))
        numbers = _numbers(fields) if len(fields) > BOX else None
        rows += [numbers] if numbers and len(fields) > SCORED else []
        if numbers and len(fields) == SCORED:
            angles |= not 0 <= numbers[-1] <= 1
    may_be_pose = len(lengths) == 1 and bool(rows) and all(map(_is_pose, rows))
    if may_be_pose and all(map(_has_visibilities, rows)):
        said = f"lines are boxes with {len(rows[0][4:]) // 3} keypoints, which are not read"
        return LineForm(keypoints=True, said=(said,))
    kind, done = LineForm.doubt
    if {length for length in lengths if length > SCORED} == {FOUR_CORNERS}:
        kind = "turned box"
    elif may_be_pose:
        done += "; if it is a box with keypoints, write kpt_shape into data.yaml"
    return LineForm(doubt=(kind, done), angles=angles)


def _numbers(fields: Sequence[str]) -> list[float] | None:
    """Return the numbers behind the class, None where one is none."""
    try:
        return [to_number(value) for value in fields[1:]]
    except ValueError:  # told where the line is read
        return None


def _is_pose(row):
    """Whether numbers may be a box in the image and points, in pairs or in triples, inside it."""
    (x, y, width, height), points = row[:4], row[4:]
    reach_x, reach_y = width / 2 + SLACK, height / 2 + SLACK
    in_image = reach_x <= min(x, 1 - x) + 2 * SLACK and reach_y <= min(y, 1 - y) + 2 * SLACK
    if not in_image or row[:2] == row[-2:]:  # a polygon that ends where it begins
        return False
    pairs = zip(points[::2], points[1::2])
    inside = all(abs(a - x) <= reach_x and abs(b - y) <= reach_y for a, b in pairs)
    return _has_visibilities(row) or (len(points) % 2 == 0 and inside)


def _has_visibilities(row):
    return len(row) % 3 == 1 and all(value in VISIBILITIES for value in row[6::3])


def to_object(number: int, fields: Sequence[str], form: LineForm) -> RawObject:
    """Return the RawObject of a line, by its number and fields."""
    try:
        class_id = to_whole(fields[0])
    except ValueError as error:
        fault = "unknown class", f"class is {error}; write its number, from 0"
        return RawObject(None, (), number, fault=fault)
    values = fields[1:BOX] if form.keypoints else fields[1:]
    if len(values) == BOX - 1:
        return RawObject(class_id, tuple(values), number)
    if len(fields) == SCORED and form.angles:
        fault = "turned box", f"a box with the angle {shown(values[-1])}; export its four corners"
        return RawObject(class_id, (), number, fault=fault)
    if len(fields) == SCORED:
        doubt = "score", "the sixth number of the line is left out"
        return RawObject(class_id, tuple(values[:-1]), number, doubt=doubt)
    try:
        xmin, ymin, xmax, ymax = bounds_of_flat(values)
    except ValueError:
        message = f"{len(fields)} fields; a box has five: class x_center y_center width height"
        return RawObject(class_id, (), number, fault=("bad row", message))
    box = (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
    return RawObject(class_id, box, number, doubt=form.doubt)
