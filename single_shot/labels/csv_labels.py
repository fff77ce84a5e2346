"""Boxes in CSV, read and checked, in two layouts.

One object a row under a header that names the columns, as D2L's banana set has it (Zhang et al.,
Dive into Deep Learning, section 14.6): `img_name,label,xmin,ymin,xmax,ymax`. Or one image a row,
without a header: the image, then groups of `xmin,ymin,xmax,ymax,class`, keras-yolo3's order.
Corners are pixel edges, counted from 0: a box over the whole image ends at its width and height.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.checks import RawImage, RawObject, assemble
from single_shot.labels.safe_files import image_root, read_text

CORNERS = ("xmin", "ymin", "xmax", "ymax")
FORM = BoxForm(CORNERS, "corners", pixels=True, rule="corners are pixel edges, counted from 0")
# What the columns are called, after lower case.
IMAGE_COLUMNS = ("img_name", "image", "filename", "file_name", "image_name", "image_path", "path")
CLASS_COLUMNS = ("label", "class", "class_name", "name", "category")
MAX_CSV_BYTES = 256 * 2**20
GROUP = 5


def read_csv(
    path: Path, images: Path | None = None, class_names: Sequence[str] | None = None
) -> Annotations:
    """Return the Annotations in a CSV file.

    images: folder of the images, by default found beside the file. class_names: by default all that
    occur; where they are given, a class that is a whole number counts from 0 in them. An image with
    empty fields has no objects. Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    rows = _rows(path)
    header = [cell.strip().lower() for cell in rows[0][1]]
    columns = _columns(header, path)
    findings = []
    if columns:
        groups = _by_image(rows[1:], columns, path, findings)
    else:
        groups = [
            (line, cells[0], _groups_of_five(line, cells, path, findings)) for line, cells in rows
        ]
    class_names = class_names or _numbered(groups)
    root = image_root(path, images, (name for _, name, _ in groups))
    raw_images = []
    for line, name, objects in groups:
        objects = [_with_class_id(each, class_names) for each in objects]
        where = f"{path}, line {line}" if not columns else str(path)
        noun = "line" if columns else "object"
        raw_images.append(RawImage(name, root, path, objects, None, where, noun))
    return assemble(path, raw_images, FORM, class_names, findings)


def _rows(path):
    """Return line number and cells of every row that is not empty; raise AnnotationError."""
    reader = csv.reader(io.StringIO(read_text(path, MAX_CSV_BYTES)), strict=True)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise AnnotationError(
            f"{path}, line {reader.line_num}: no CSV ({error}); quote and separate by commas"
        ) from None
    if not rows:
        raise AnnotationError(f"{path}: holds no row; write one an object under a header")
    return rows


def _columns(header, path):
    """Return the positions of image, class and corners, or None where there is no header."""
    found = [
        next((header.index(name) for name in names if name in header), None)
        for names in (IMAGE_COLUMNS, CLASS_COLUMNS, *[(corner,) for corner in CORNERS])
    ]
    if None not in found:
        return found
    if len(header) % GROUP == 1 and not set(header) & set(CORNERS):
        return None
    raise AnnotationError(
        f"{path}: the first line is neither a header with img_name, label, {', '.join(CORNERS)} "
        "nor an image with groups of five (xmin, ymin, xmax, ymax, class); add the header"
    )


def _by_image(rows, columns, path, findings):
    """Return (line, image name, RawObjects) of every image, in the order of first mention."""
    groups = {}
    for line, cells in rows:
        if len(cells) <= max(columns):
            message = f"{path}, line {line}: {len(cells)} cells, fewer than the header has; mend it"
            findings.append(Finding("bad row", message, path, line))
            continue
        name, label, *values = (cells[column] for column in columns)
        _, _, objects = groups.setdefault(name, (line, name, []))
        if label or any(values):
            objects.append(RawObject(label, tuple(values), line))
    return list(groups.values())


def _groups_of_five(line, cells, path, findings):
    """Return the RawObjects of a row that describes one image."""
    if len(cells) % GROUP != 1:
        message = (
            f"{path}, line {line}: {len(cells)} cells; write the image, then groups of five "
            "(xmin, ymin, xmax, ymax, class)"
        )
        findings.append(Finding("bad row", message, path, line))
        return []
    starts = range(1, len(cells), GROUP)
    return [
        RawObject(cells[start + 4], tuple(cells[start : start + 4]), number)
        for number, start in enumerate(starts)
    ]


def _numbered(groups):
    """Return the class names in the order of their numbers, if all are numbers, else None."""
    names = {each.label for _, _, objects in groups for each in objects if each.label}
    if names and all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (len(name), name))
    return None


def _with_class_id(raw, class_names):
    """Return a RawObject with a class id where its class is a number and no name."""
    numbered = raw.label.isascii() and raw.label.isdigit() and len(raw.label) < 10
    if class_names and raw.label not in class_names and numbered:
        return RawObject(int(raw.label), raw.values, raw.number)
    return raw
