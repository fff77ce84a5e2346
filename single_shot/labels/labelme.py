"""LabelMe's JSON, one file an image (Wada, labelme): rectangles, and other shapes by their bounds.

Points are pixel edges, counted from 0; the corners of a rectangle come in any order.
"""

import posixpath
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PureWindowsPath

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.csv_columns import FORM
from single_shot.labels.image_files import ImageFinder, image_root, is_there
from single_shot.labels.numbers_in_text import class_name, shown, to_side
from single_shot.labels.pictures import is_hidden
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject
from single_shot.labels.safe_files import read_json
from single_shot.labels.shapes import bounds, bounds_of_circle

MAX_FILE_BYTES = 64 * 2**20  # the image itself may be inside, as text
OUTLINES = ("polygon", "rotation", "oriented_rectangle", "mask")


def read_labelme(
    folder: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in the JSON files of a folder and of those in it, or in a single file.

    images: folder of the images, by default beside the files or where they say. class_names: by
    default all that occur. choices: see `raw.Choices`. Raises AnnotationError where there is no
    file.
    """
    folder = Path(folder)
    paths = sorted(path for path in folder.rglob("*.json") if not is_hidden(path, folder))
    paths = [folder] if folder.is_file() else paths
    raw_images, findings = [], []
    for path in choices.progress(paths, desc="reading labels", unit="file"):
        try:
            content = read_json(path, MAX_FILE_BYTES, "save it with LabelMe again")
            if isinstance(content, dict) and not {"shapes", "imagePath"} & set(content):
                continue  # of another program
            raw_images.append(_raw_image(content, path))
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
    if not raw_images:
        why = f": {findings[0]}" if findings else ""
        raise AnnotationError(f"{folder}: holds no file of LabelMe's{why}")
    source = folder.parent if folder.is_file() else folder
    raw_images = raw_images if images else [_led(raw, source) for raw in raw_images]
    raw_images = _with_roots(raw_images, images)
    return assemble(folder, raw_images, FORM, class_names, findings, choices)


def _led(raw, source):
    """Return the RawImage with its image in the source, where its name leads there by `..`."""
    name = PureWindowsPath(raw.name)  # which knows both separators
    from_source = raw.path.parent.relative_to(source).as_posix()
    led = posixpath.normpath(posixpath.join(from_source, name.as_posix()))
    if ".." not in name.parts or led.startswith("..") or not is_there(ImageFinder(), source, led):
        return raw
    return replace(raw, root=source, name=led)


def _with_roots(raw_images, images):
    """Return RawImages with the folder of their images as root, if they have none yet.

    It is looked for once for all files of a folder that lead to the same one: each search lists it.
    """
    groups = {}
    for raw in raw_images:
        if raw.root != raw.path.parent:
            continue
        leads_to = raw.path.parent, PureWindowsPath(raw.name).parent
        groups.setdefault(leads_to, []).append(raw)
    roots = {}
    for group in groups.values():
        root = image_root(group[0].path, images, [raw.name for raw in group])
        roots |= {raw.path: root for raw in group}
    return [replace(raw, root=roots.get(raw.path, raw.root)) for raw in raw_images]


def _raw_image(content, path):
    """Return the RawImage in the content of a file, beside it; raise AnnotationError."""
    shapes = content.get("shapes") if isinstance(content, dict) else None
    if not isinstance(shapes, list) or not all(isinstance(shape, dict) for shape in shapes):
        raise AnnotationError(f"{path}: shapes is no list of objects; save it with LabelMe again")
    name = content.get("imagePath")
    if not isinstance(name, str) or not name.strip():
        raise AnnotationError(f"{path}: imagePath is {shown(name)}; name the image's file")
    size_px = None
    if content.get("imageWidth") or content.get("imageHeight"):
        try:
            size_px = to_side(content.get("imageWidth")), to_side(content.get("imageHeight"))
        except ValueError as error:
            message = f"{path}: imageWidth or imageHeight is {error}; give the pixels"
            raise AnnotationError(message) from None
    objects = [_object(shape, number) for number, shape in enumerate(shapes)]
    return RawImage(name, path.parent, path, objects, size_px, str(path), "shape")


def _object(shape, number):
    """Return the RawObject of a shape."""
    label, points = shape.get("label"), shape.get("points")
    kind = shape.get("shape_type") or "polygon"
    label = class_name(label)
    try:
        if kind == "rectangle":
            return RawObject(label, bounds(points), number)
        if kind == "circle":
            values, doubt = bounds_of_circle(*points), ("circle", "its bounds are taken")
            return RawObject(label, values, number, doubt=doubt)
        if kind in OUTLINES:
            return RawObject(label, bounds(points), number, doubt=(kind, "its bounds are taken"))
    except (TypeError, ValueError) as error:
        return RawObject(label, (), number, fault=("bad row", f"{error}; draw it again"))
    fault = "bad row", f"shape_type is {shown(kind)}, which has no box; draw a rectangle"
    return RawObject(label, (), number, fault=fault)
