"""Label Studio's JSON and JSON-MIN: rectangles in per cent, others by their bounds.

A box is x, y, width and height in per cent of the image, turned clockwise about its left upper
corner by `rotation` (Label Studio documentation, Export annotations, Units of image annotations).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BadObject, BoxForm
from single_shot.labels.label_studio_images import (
    addresses_of,
    file_name,
    image_key,
    root_and_names,
)
from single_shot.labels.numbers_in_text import class_name, shown, to_number, to_side
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject
from single_shot.labels.safe_files import read_json
from single_shot.labels.shapes import bounds, bounds_of_ellipse, bounds_of_turned

FORM = BoxForm(
    ("x", "y", "width", "height"), "extent", pixels=False, rule="values are per cent of the image"
)
MAX_JSON_BYTES = 512 * 2**20
SHAPES = {"x", "points", "rle"}  # each is in the value of a region of one kind or another
FIX = "export it from Label Studio as JSON again"


def read_label_studio(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a file of Label Studio's.

    images: folder of the images, by default found beside the file. class_names: by default all that
    occur. choices: see `raw.Choices`. Tasks that nobody has labelled are left out, and counted.
    Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    tasks = read_json(path, MAX_JSON_BYTES, FIX)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise AnnotationError(f"{path}: no list of tasks; {FIX}")
    found, findings, said = [], [], _ignored(tasks)
    for position, task in enumerate(tasks):
        try:
            if lists := _regions_of(task, f"{path}, task {position}"):
                found.append((position, *_task(task, lists, f"{path}, task {position}")))
        except BadObject as error:
            findings.append(Finding(error.kind, str(error), path, position))
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path, position))
    root, moved = root_and_names(path, images, [name for _, name, _, _ in found])
    if moved:
        long, short = next(iter(moved.items()))
        said.append(
            f"{len(moved)} images were found without the signs that Label Studio puts before the "
            f"names of uploads, such as {shown(short)} for {shown(long)}"
        )
    raw_images = [
        RawImage(
            *(moved.get(name, name), root, path, objects, size_px),
            *(f"{path}, task {position}", "region"),
        )
        for position, name, size_px, objects in found
    ]
    read = assemble(path, raw_images, FORM, class_names, findings, choices)
    return replace(read, conventions=(*read.conventions, *said))


def _ignored(tasks):
    """Return what to say of tasks that nobody has labelled, and of predictions."""
    unlabelled = sum("data" in task and _submitted(task) == [] for task in tasks)
    predicted = sum(bool(task.get("predictions")) for task in tasks)
    said = [
        f"{unlabelled} tasks that nobody has annotated, or that were skipped, are left out; submit "
        "those of background without a region"
    ]
    more = [f"predictions of {predicted} tasks are not read: only what was submitted counts"]
    return (said if unlabelled else []) + (more if predicted else [])


def _submitted(task):
    """Return the annotations of a task that count, None where they are no list.

    Skipped ones do not count, nor others beside those that are marked as ground truth.
    """
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        return None
    used = [each for each in annotations if isinstance(each, dict)]
    used = [each for each in used if not each.get("was_cancelled") and not each.get("skipped")]
    return [each for each in used if each.get("ground_truth")] or used


def _regions_of(task, where):
    """Return the regions of each annotation of a task that counts; there may be none.

    A region is a pair: what holds its shape and its class, and the whole. Raises AnnotationError.
    """
    if "data" not in task:  # JSON-MIN
        lists = [each for each in task.values() if isinstance(each, list)]
        return [[(each, each) for some in lists for each in some if isinstance(each, dict)]]
    annotations = _submitted(task)
    if annotations is None:
        raise AnnotationError(f"{where}: annotations is no list; {FIX}")
    results = [each.get("result") for each in annotations]
    drawn = [_regions(each if isinstance(each, list) else []) for each in results]
    return [[(each["value"], each) for each in regions] for regions in drawn]


def _task(task, lists, where):
    """Return the image's name, its size if it is stated, and the RawObjects of a task.

    lists: of each annotation, from `_regions_of`. Raises AnnotationError.
    """
    drawn_on = {each.get("to_name") for regions in lists for _, each in regions}
    drawn_on = {each for each in drawn_on if isinstance(each, str)}
    addresses = addresses_of(task.get("data", task))
    key = image_key(addresses, drawn_on)
    try:
        upload = task.get("file_upload") if key == image_key(addresses, ()) else None
        name = upload or (file_name(addresses[key]) if key else None)
    except ValueError as error:
        message = f"{where}: its image is {shown(addresses[key])} ({error}); {FIX}"
        raise AnnotationError(message) from None
    if not isinstance(name, str):
        raise AnnotationError(f"{where}: names no image; {FIX}")
    others = [*drawn_on - {key}] if len(drawn_on) > 1 else []
    objects, *more = [
        [_object(*each, number, others) for number, each in enumerate(regions)] for regions in lists
    ]
    kinds = [{(each.label, each.values, each.fault) for each in some} for some in (objects, *more)]
    if any(each != kinds[0] for each in kinds):
        message = f"its {len(kinds)} annotations have different objects; leave one, or mark it as "
        raise BadObject("duplicate image", f"{where}: {message}ground truth")
    return name, _size([each for _, each in lists[0]]), objects


def _regions(results):
    """Return the results that are a region: not those that say something of the whole image.

    Nor those that only describe, by a text or a choice, a region that another result labels.
    """
    drawn = [each for each in results if isinstance(each, dict)]
    drawn = [each for each in drawn if isinstance(each.get("value"), dict)]
    drawn = [each for each in drawn if _labels(each["value"]) or SHAPES & set(each["value"])]
    named = {each["id"] for each in drawn if _labels(each["value"]) and _has_id(each)}
    return [e for e in drawn if _labels(e["value"]) or not _has_id(e) or e["id"] not in named]


def _has_id(result):
    return isinstance(result.get("id"), str)


def _labels(value):
    """Return the labels of a region, an empty list without any."""
    lists = (each for key, each in value.items() if key.endswith("labels"))
    return next((each for each in lists if isinstance(each, list)), [])


def _size(regions):
    """Return the width and height that the first region states, None where it states none."""
    for region in regions[:1]:
        try:
            return to_side(region.get("original_width")), to_side(region.get("original_height"))
        except ValueError:
            return None
    return None


def _object(value, region, number, others):
    """Return the RawObject of a region.

    value: what holds its shape and its class; others: `to_name` of the images that are not read.
    """
    labels = _labels(value)
    label = class_name(labels[0]) if labels else None
    fault = None
    if len(labels) > 1:
        fault = "several classes", f"it has {len(labels)} classes; leave one"
    if region.get("to_name") in others:
        fault = "bad row", f"it is drawn on {shown(region['to_name'])}; make each image a task"
    if fault:
        return RawObject(label, (), number, fault=fault)
    try:
        values, kind = _extent(value, region)
    except ValueError as error:
        return RawObject(label, (), number, fault=("bad row", f"{error}; draw a rectangle"))
    values = tuple(each / 100 for each in values)
    doubt = (kind, "its bounds are taken") if kind else None
    return RawObject(label, values, number, doubt=doubt)


def _extent(value, region):
    """Return x, y, width, height in per cent, and what it is where they are only its bounds.

    Raises ValueError.
    """
    if isinstance(value.get("points"), list):
        return _between(bounds(value["points"])), "polygon"
    if "rle" in value:
        raise ValueError("a mask of the brush, which is not read")
    degrees = to_number(value.get("rotation") or 0)
    across = along = 1.0
    if degrees % 360:  # in pixels, not in per cent
        sides = to_side(region.get("original_width")), to_side(region.get("original_height"))
        across, along = (side / 100 for side in sides)
    if "radiusX" in value:
        x, y, rx, ry = (to_number(value.get(key)) for key in ("x", "y", "radiusX", "radiusY"))
        kind, center = "ellipse", (x * across, y * along)
        edges = bounds_of_ellipse(center, (rx * across, ry * along), degrees)
    elif "x" in value and "height" not in value:
        raise ValueError("a point, which has no box")
    else:
        x, y, width, height = (to_number(value.get(field)) for field in FORM.fields)
        if not degrees % 360:
            return (x, y, width, height), None
        box = x * across, y * along, (x + width) * across, (y + height) * along
        kind, edges = "turned box", bounds_of_turned(box, degrees, box[:2])
    left, top, right, bottom = edges
    return _between((left / across, top / along, right / across, bottom / along)), kind


def _between(edges):
    """Return x, y, width, height of a box of which the edges are given."""
    left, top, right, bottom = edges
    return left, top, right - left, bottom - top
