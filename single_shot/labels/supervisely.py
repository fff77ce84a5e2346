"""Supervisely's JSON, one file an image: rectangles, and other figures by their bounds.

`DATASET/ann/a.jpg.json` describes `DATASET/img/a.jpg` (Supervisely documentation, Annotation JSON
format); the points of a rectangle are its left upper and its right lower corner.
"""

from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.csv_columns import FORM
from single_shot.labels.numbers_in_text import class_name, shown, to_size
from single_shot.labels.pictures import is_hidden
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject, size_from_image
from single_shot.labels.safe_files import read_json
from single_shot.labels.shapes import bounds

MAX_FILE_BYTES = 64 * 2**20
OUTLINES = ("polygon", "line")
FIX = "export it from Supervisely again"


def read_supervisely(
    folder: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations of a project, or of a data set in it.

    images: folder of the images, by default `img` beside each `ann`. class_names: by default all
    that occur. choices: see `raw.Choices`. Raises AnnotationError where there is no file.
    """
    folder = Path(folder)
    paths = sorted(folder.rglob("*.json"))
    paths = [p for p in paths if p.parent.name == "ann" and not is_hidden(p, folder)]
    if not paths:
        raise AnnotationError(f"{folder}: holds no ann/*.json; is it the folder of the project?")
    raw_images, findings = [], []
    for path in choices.progress(paths, desc="reading labels", unit="file"):
        try:
            raw = _read_file(path, images, choices.repair)
            raw_images.append(raw)
            findings += size_from_image(raw)
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
    return assemble(folder, raw_images, FORM, class_names, findings, choices)


def _read_file(path, images, repair):
    """Return the RawImage in a file; raise AnnotationError."""
    content = read_json(path, MAX_FILE_BYTES, FIX)
    size = content.get("size") if isinstance(content, dict) else None
    objects = content.get("objects") if isinstance(content, dict) else None
    if not isinstance(size, dict) or not isinstance(objects, list):
        raise AnnotationError(f"{path}: size or objects are absent; {FIX}")
    try:
        size_px = to_size(size.get("width"), size.get("height"), repair)
    except ValueError as error:
        raise AnnotationError(f"{path}: size: {error}") from None
    root = Path(images) if images else path.parent.parent / "img"
    found = [_object(each, number) for number, each in enumerate(objects)]
    return RawImage(path.stem, root, path, found, size_px, str(path))


def _object(entry, number):
    """Return the RawObject of a figure."""
    entry = entry if isinstance(entry, dict) else {}
    label, kind, points = (entry.get(key) for key in ("classTitle", "geometryType", "points"))
    label = class_name(label)
    exterior = points.get("exterior") if isinstance(points, dict) else None
    try:
        if kind == "rectangle":
            return RawObject(label, bounds(exterior), number)
        if kind in OUTLINES:
            return RawObject(label, bounds(exterior), number, doubt=(kind, "its bounds are taken"))
    except ValueError as error:
        return RawObject(label, (), number, fault=("bad row", f"{error}; draw it again"))
    what = f"geometryType is {shown(kind)}, which is not read"
    fault = "bad row", f"{what}; draw a rectangle, or convert the class to rectangles"
    return RawObject(label, (), number, fault=fault)
