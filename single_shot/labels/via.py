"""VGG Image Annotator's JSON and CSV (Dutta and Zisserman, VIA): boxes, other shapes by bounds.

Coordinates are pixel edges, counted from 0. The class of a region is its only attribute, or that
which is called as in CLASS_ATTRIBUTES; in a file without attributes, the only class.
"""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from single_shot.labels.annotations import AnnotationError, Annotations
from single_shot.labels.assembling import assemble
from single_shot.labels.csv_columns import EXTENT
from single_shot.labels.image_files import image_root
from single_shot.labels.numbers_in_text import shown, to_number
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject
from single_shot.labels.safe_files import read_json, read_text
from single_shot.labels.shapes import bounds, bounds_of_ellipse

MAX_BYTES = 256 * 2**20
CLASS_ATTRIBUTES = ("class", "label", "name", "type", "category", "object")
VIA_3 = {"project", "file", "view", "metadata"}  # in its projects
FIX = "export the annotations from VIA again"
CSV_COLUMNS = ("filename", "region_shape_attributes", "region_attributes")


def read_via(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a file of VIA's: a project, or exported as JSON or CSV.

    images: folder of the images, by default found beside the file. class_names: by default all that
    occur. choices: see `raw.Choices`. Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    regions = _regions_in_csv(path) if path.suffix.lower() == ".csv" else _regions_in_json(path)
    only, said = _only_class(regions, class_names)
    root = image_root(path, images, (name for name, _ in regions.values()))
    raw_images = [
        RawImage(
            name,
            root,
            path,
            [
                _object(shape, attributes, number, only)
                for number, (shape, attributes) in enumerate(found)
            ],
            None,
            f"{path}, {shown(key)}",
            "region",
        )
        for key, (name, found) in regions.items()
    ]
    read = assemble(path, raw_images, EXTENT, class_names, (), choices)
    return replace(read, conventions=(*read.conventions, *said))


def _only_class(regions, class_names):
    """Return the class of all regions of a file that has no attributes, or None, and what to say.

    One such region among others is rather one that was forgotten.
    """
    attributes = [each for _, found in regions.values() for _, each in found]
    if not attributes or any(attributes) or len(class_names or ()) != 1:
        return None, []
    said = f"{len(attributes)} regions have no attributes: all are {class_names[0]}, the only class"
    return class_names[0], [said]


def _regions_in_json(path) -> dict[str, tuple[str, list[tuple[Any, Any]]]]:
    """Return image key to name and pairs of shape and attributes; raise AnnotationError.

    VIA's key is the name and the size of the file: two pictures of one name have two.
    """
    content = read_json(path, MAX_BYTES, FIX)
    if isinstance(content, dict) and set(content) >= VIA_3:
        raise AnnotationError(
            f"{path}: a project of VIA 3, which is not read; draw it with VIA 2, or convert it to "
            "another format"
        )
    content = content.get("_via_img_metadata", content) if isinstance(content, dict) else None
    if not isinstance(content, dict) or not all(isinstance(v, dict) for v in content.values()):
        raise AnnotationError(f"{path}: no object an image; {FIX}")
    found = {}
    for key, entry in content.items():
        name, regions = entry.get("filename"), entry.get("regions", [])
        regions = list(regions.values()) if isinstance(regions, dict) else regions
        if not isinstance(name, str) or not isinstance(regions, list):
            raise AnnotationError(f"{path}, {shown(key)}: no filename or no regions; {FIX}")
        regions = [each if isinstance(each, dict) else {} for each in regions]
        pairs = [(each.get("shape_attributes"), each.get("region_attributes")) for each in regions]
        found[key] = name, pairs
    return found


def _regions_in_csv(path) -> dict[str, tuple[str, list[tuple[Any, Any]]]]:
    """Return the same of a CSV file; raise AnnotationError."""
    reader = csv.DictReader(io.StringIO(read_text(path, MAX_BYTES)), strict=True)
    found = {}
    try:
        for row in reader:
            name = row.get("filename") or row.get("#filename")
            shape, attributes = (json.loads(row.get(name) or "{}") for name in CSV_COLUMNS[1:])
            if not name:
                raise ValueError("no filename")
            key = f"{name}{row.get('file_size') or ''}"
            found.setdefault(key, (name, []))[1].extend([(shape, attributes)] if shape else [])
    except (csv.Error, ValueError, RecursionError) as error:
        raise AnnotationError(f"{path}, line {reader.line_num}: {error}; {FIX}") from None
    return found


def _object(shape, attributes, number, only):
    """Return the RawObject of a region; only: the class of all, where none has attributes."""
    shape = shape if isinstance(shape, dict) else {}
    label, kind = only or _class_of(attributes), shape.get("name")
    if label is None:
        fault = "unknown class", f"attributes are {_texts(attributes)}; give one that is the class"
        return RawObject("", (), number, fault=fault)
    if kind == "rect":
        return RawObject(label, tuple(shape.get(f) for f in ("x", "y", "width", "height")), number)
    try:
        xmin, ymin, xmax, ymax = _bounds(kind, shape)
    except (TypeError, ValueError) as error:
        return RawObject(label, (), number, fault=("bad row", f"{error}; draw a rectangle"))
    values = xmin, ymin, xmax - xmin, ymax - ymin
    return RawObject(label, values, number, doubt=(kind, "its bounds are taken"))


def _bounds(kind, shape):
    """Return the bounds of a shape that is no rectangle; raise TypeError or ValueError."""
    if kind in ("polygon", "polyline"):
        return bounds([*zip(shape.get("all_points_x"), shape.get("all_points_y"))])
    if kind in ("circle", "ellipse"):
        x, y = to_number(shape.get("cx")), to_number(shape.get("cy"))
        along = to_number(shape.get("r", shape.get("rx")))
        across = to_number(shape.get("r", shape.get("ry")))
        radians = to_number(shape.get("theta") or 0)
        return bounds_of_ellipse((x, y), (along, across), math.degrees(radians))
    raise ValueError(f"its shape is {shown(kind)}, which has no box")


def _class_of(attributes):
    """Return the class that a region's attributes name, None where they do not."""
    if not isinstance(attributes, dict):
        return None
    known = [name for name in attributes if name.lower() in CLASS_ATTRIBUTES]
    named = known[:1] or (list(attributes) if len(attributes) == 1 else [])
    value = attributes[named[0]] if named else None
    if isinstance(value, dict) and len(value) == 1:  # boxes to tick
        return next(iter(value))
    return value.strip() if isinstance(value, str) else None


def _texts(attributes):
    return ", ".join(map(shown, attributes)) if isinstance(attributes, dict) else shown(attributes)
