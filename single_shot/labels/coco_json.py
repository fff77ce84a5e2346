"""COCO's JSON, read and checked.

A box is [x, y, width, height] in pixels; x and y are edges, counted from 0, and need not be whole
(cocodataset.org, Data format, section 1, Object Detection). Category ids need not be contiguous:
classes are taken in their order.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.coco_objects import object_of
from single_shot.labels.image_files import image_root
from single_shot.labels.numbers_in_text import class_name, shown, to_size, to_whole
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject, size_from_image
from single_shot.labels.safe_files import read_json

FORM = BoxForm(
    ("x", "y", "width", "height"),
    "extent",
    pixels=True,
    rule="bbox is [x, y, width, height], with x and y counted from the left and upper edge",
)
TOP = "none"  # the `supercategory` of Roboflow's root
NAME_FIELDS = {"image": "file_name", "category": "name"}
MAX_JSON_BYTES = 512 * 2**20  # the annotations of COCO's training set have 448 MiB


def read_coco(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a file of COCO's format.

    images: folder of the images, by default found beside the file. class_names: by default the
    categories', in the order of their ids, without a root category. choices: see `raw.Choices`.
    Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    content = _load(path)
    findings = _mend_ids(content, path) if choices.repair else []
    names = _categories(content, path, findings)
    entries = _by_id(content["images"], path, "image", findings)
    objects = _objects_by_image(content, entries, names, path, findings)
    entries = _unmistaken(entries, objects, path, findings)
    root = image_root(path, images, (entry.get("file_name") for entry in entries.values()))
    raw_images = []
    for key, entry in entries.items():
        try:
            raw = _raw_image(entry, objects.get(key, []), path, root, choices.repair)
            raw_images.append(raw)
            findings += size_from_image(raw, "width" in entry or "height" in entry)
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
    class_names = class_names or list(names.values())
    return assemble(path, raw_images, FORM, class_names, findings, choices)


def _load(path):
    """Return a file's JSON object with its three lists of objects; raise AnnotationError."""
    fix = "save it as COCO's object detection format"
    content = read_json(path, MAX_JSON_BYTES, fix)
    for field in ("images", "annotations", "categories"):
        entries = content.get(field) if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
            raise AnnotationError(f"{path}: {field} is no list of objects; {fix}")
    return content


def _mend_ids(content, path):
    """Make whole numbers of ids that are texts or have a point; return a Finding of each list."""
    findings = []
    for field in ("images", "annotations", "categories"):
        mended = [_mend_entry(entry) for entry in content[field]]
        if any(mended):
            message = f"{path}: {sum(mended)} ids in {field} are made whole numbers"
            findings.append(Finding("repaired", message, path))
    return findings


def _mend_entry(entry):
    """Make whole numbers of an entry's ids; return how many were none."""
    mended = 0
    for name in ("id", "image_id", "category_id"):
        value = entry.get(name)
        whole = _whole(value) if isinstance(value, (str, float)) else None
        if whole is not None:  # else it is a finding of its own
            entry[name] = whole
            mended += 1
    return mended


def _categories(content, path, findings):
    """Return category id to name without blanks around it, in the order of the ids.

    Bad entries become Findings.

    Roboflow writes a root above all categories, often with the name of one of them: a category
    without objects that has another's name, is the `supercategory` of another, or has the id 0
    beside one with the id 1 and alone is below "none", or no category is below anything.
    """
    known = _by_id(content["categories"], path, "category", findings)
    used = {entry.get("category_id") for entry in content["annotations"] if _has_category(entry)}
    pairs = [(_text(entry, "name"), _text(entry, "supercategory")) for entry in known.values()]
    times = Counter(name for name, _ in pairs)
    parents = {parent for name, parent in pairs if parent != name}
    below_top = sum(parent == TOP for _, parent in pairs)
    is_flat = not any(parent for _, parent in pairs)
    names = {}
    for key in sorted(known):
        name = class_name(known[key].get("name"))
        may_be_root = key not in used and used and isinstance(name, str)
        alone = below_top == 1 and _text(known[key], "supercategory") == TOP
        above = key == 0 and 1 in used and (alone or is_flat)
        if may_be_root and (times[name] > 1 or name in parents or above):
            message = f"{path}, category {key}: {shown(name)} is a root without objects, left out"
            findings.append(Finding("root category", message, path, None))
            continue
        if not name or name in names.values():
            raise AnnotationError(
                f"{path}, category {key}: name is {shown(known[key].get('name'))}, empty or there "
                "twice; give each category one name"
            )
        names[key] = name
    return names


def _has_category(entry):
    return type(entry.get("category_id")) is int


def _text(entry, field):
    return class_name(entry.get(field))


def _by_id(entries, path, noun, findings):
    """Return the entries by their id; an entry whose id is bad or there twice is a Finding.

    Entries of one id with several names are all left out: nothing tells whose the objects are.
    """
    found, unclear, field = {}, set(), NAME_FIELDS[noun]
    for position, entry in enumerate(entries):
        key = entry.get("id")
        whole = type(key) is int  # a list or dict could not even be looked for
        if whole and key in found and entry.get(field) != found[key].get(field):
            unclear.add(key)
        if whole and key not in found:
            found[key] = entry
            continue
        what = f"there twice; give each {noun} its own"
        what = what if whole else "not a whole number; mend it, or have --repair do so"
        message = f"{path}, {noun} {position} of the list: id is {shown(key)}, {what}"
        kind = "duplicate image" if noun == "image" and whole else "bad row"
        findings.append(Finding(kind, message, path, position))
    return {key: entry for key, entry in found.items() if key not in unclear}


def _objects_by_image(content, images, names, path, findings):
    """Return image id to RawObjects; an annotation of no image is a Finding.

    One that names an image by a text is a fault there, so that the image is no background. That an
    image's own id is bad is told of the image, not of its annotations again.
    """
    objects, refused = {}, {_whole(each.get("id")) for each in content["images"]} - {None, *images}
    for position, entry in enumerate(content["annotations"]):
        number = entry["id"] if type(entry.get("id")) is int else position
        image_id = entry.get("image_id")
        if type(image_id) is not int or image_id not in images:
            if (meant := _whole(image_id)) in refused:
                continue
            if meant in images:
                what = f"image_id is {shown(image_id)}, not a whole number; mend it, or have "
                fault = "orphan annotation", what + "--repair do so"
                objects.setdefault(meant, []).append(RawObject("", (), number, fault=fault))
                continue
            message = (
                f"{path}, annotation {number}: image_id is {shown(image_id)}, of no image; mend or "
                "remove it"
            )
            findings.append(Finding("orphan annotation", message, path, number))
            continue
        objects.setdefault(image_id, []).append(object_of(entry, number, names, images[image_id]))
    return objects


def _unmistaken(entries, objects, path, findings):
    """Return the images without those that may be what an annotation of no image is about."""
    left = {key: entry for key, entry in entries.items() if key in objects}
    is_clear = all(finding.kind != "orphan annotation" for finding in findings)
    if is_clear or len(left) == len(entries):
        return entries
    message = (
        f"{path}: {len(entries) - len(left)} images without annotations are left out, since the "
        "annotations of no image may be theirs"
    )
    findings.append(Finding("no object left", message, path))
    return left


def _whole(value):
    """Return the whole number that an id or its text is, None where it is none."""
    try:
        return to_whole(value)
    except ValueError:
        return None


def _raw_image(entry, objects, path, root, repair):
    """Return the RawImage of an entry of `images`; raise AnnotationError."""
    name, where = entry.get("file_name"), f"{path}, image {entry['id']}"
    if not isinstance(name, str):
        raise AnnotationError(f"{where}: file_name is {shown(name)}; name the image's file")
    size_px = None
    if "width" in entry or "height" in entry:
        try:
            size_px = to_size(entry.get("width"), entry.get("height"), repair)
        except ValueError as error:
            raise AnnotationError(f"{where}: {error}") from None
    return RawImage(name, root, path, objects, size_px, str(path), "annotation")
