"""COCO's JSON, read and checked.

A box is [x, y, width, height] in pixels; x and y are edges, counted from 0, and need not be whole
(cocodataset.org, Data format, section 1, Object Detection). Category ids need not be contiguous:
classes are taken in their order. A crowd (`iscrowd`) becomes a difficult object.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.checks import RawImage, RawObject, assemble
from single_shot.labels.numbers_in_text import shown, to_side
from single_shot.labels.safe_files import image_root, read_text

FORM = BoxForm(
    ("x", "y", "width", "height"),
    "extent",
    pixels=True,
    rule="bbox is [x, y, width, height], with x and y counted from the left and upper edge",
)
MAX_JSON_BYTES = 512 * 2**20  # the annotations of COCO's training set have 448 MiB


def read_coco(
    path: Path, images: Path | None = None, class_names: Sequence[str] | None = None
) -> Annotations:
    """Return the Annotations in a file of COCO's format.

    images: folder of the images, by default found beside the file. class_names: by default the
    categories', in the order of their ids. Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    content = _load(path)
    names, findings = _categories(content["categories"], path)
    entries = _by_id(content["images"], path, "image", findings)
    objects = _objects_by_image(content["annotations"], entries, names, path, findings)
    root = image_root(path, images, (entry.get("file_name") for entry in entries.values()))
    raw_images = []
    for key, entry in entries.items():
        try:
            raw_images.append(_raw_image(entry, objects.get(key, []), path, root))
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
    return assemble(path, raw_images, FORM, class_names or list(names.values()), findings)


def _load(path):
    """Return a file's JSON object with its three lists of objects; raise AnnotationError."""
    fix = "save it as COCO's object detection format"
    try:
        content = json.loads(read_text(path, MAX_JSON_BYTES))
    except (ValueError, RecursionError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise AnnotationError(f"{path}: no JSON that can be read ({error}); {fix}") from None
    for field in ("images", "annotations", "categories"):
        entries = content.get(field) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise AnnotationError(f"{path}: {field} is no list of objects; {fix}")
    return content


def _categories(entries, path):
    """Return category id to name, in the order of the ids, and the Findings of bad ones."""
    findings = []
    known = _by_id(entries, path, "category", findings)
    names = {}
    for key in sorted(known):
        name = known[key].get("name")
        if not isinstance(name, str) or not name.strip() or name in names.values():
            raise AnnotationError(
                f"{path}, category {key}: name is {shown(name)}, empty or there twice; give each "
                "category one name"
            )
        names[key] = name
    return names, findings


def _by_id(entries, path, noun, findings):
    """Return the entries by their id; an entry whose id is bad or there twice is a Finding."""
    found = {}
    for position, entry in enumerate(entries):
        key = entry.get("id")
        whole = type(key) is int  # a list or dict could not even be looked for
        if whole and key not in found:
            found[key] = entry
            continue
        what = "there twice" if whole else "not a whole number"
        message = f"{path}, {noun} {position} of the list: id is {shown(key)}, {what}; mend it"
        kind = "duplicate image" if noun == "image" and whole else "bad row"
        findings.append(Finding(kind, message, path, position))
    return found


def _objects_by_image(entries, images, names, path, findings):
    """Return image id to RawObjects; an annotation of no image is a Finding."""
    objects = {}
    for position, entry in enumerate(entries):
        number = entry["id"] if type(entry.get("id")) is int else position
        image_id, box = entry.get("image_id"), entry.get("bbox")
        where = f"{path}, annotation {number}"
        if type(image_id) is not int or image_id not in images:
            message = f"{where}: image_id is {shown(image_id)}, of no image; mend or remove it"
            findings.append(Finding("orphan annotation", message, path, number))
        elif not isinstance(box, list) or len(box) != 4:
            message = f"{where}: bbox is {shown(box)}; write [x, y, width, height]"
            findings.append(Finding("bad row", message, path, number))
        else:
            category = entry.get("category_id")
            label = names.get(category) if type(category) is int else None
            crowd = entry.get("iscrowd") in (1, True)
            raw = RawObject(label or f"category {shown(category)}", tuple(box), number, crowd)
            objects.setdefault(image_id, []).append(raw)
    return objects


def _raw_image(entry, objects, path, root):
    """Return the RawImage of an entry of `images`; raise AnnotationError."""
    name, where = entry.get("file_name"), f"{path}, image {entry['id']}"
    if not isinstance(name, str):
        raise AnnotationError(f"{where}: file_name is {shown(name)}; name the image's file")
    size_px = None
    if "width" in entry or "height" in entry:
        try:
            size_px = to_side(entry.get("width")), to_side(entry.get("height"))
        except ValueError as error:
            raise AnnotationError(f"{where}: width or height is {error}; give the pixels") from None
    return RawImage(name, root, path, objects, size_px, str(path), "annotation")
