"""Label Studio's JSON and JSON-MIN: rectangles in per cent, others by their bounds.

A box is x, y, width and height in per cent of the image, turned clockwise about its left upper
corner by `rotation` (Label Studio documentation, Export annotations, Units of image annotations).
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.image_files import image_root
from single_shot.labels.numbers_in_text import class_name, shown, to_number, to_side
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject
from single_shot.labels.safe_files import read_json
from single_shot.labels.shapes import bounds, bounds_of_turned

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
    occur. choices: see `raw.Choices`. Of several annotators of an image the first counts.
    Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    tasks = read_json(path, MAX_JSON_BYTES, FIX)
    if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
        raise AnnotationError(f"{path}: no list of tasks; {FIX}")
    found, findings = [], []
    for position, task in enumerate(tasks):
        try:
            found.append((position, *_task(task, position, path)))
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path, position))
    root = image_root(path, images, (name for _, name, _, _ in found))
    raw_images = [
        RawImage(name, root, path, objects, size_px, f"{path}, task {position}", "region")
        for position, name, size_px, objects in found
    ]
    return assemble(path, raw_images, FORM, class_names, findings, choices)


def _task(task, position, path):
    """Return the image's name, its size if it is stated, and the RawObjects of a task.

    Raises AnnotationError.
    """
    data = task.get("data", task)
    address = _address(data) if isinstance(data, dict) else None
    try:
        name = task.get("file_upload") or (_file_name(address) if address else None)
    except ValueError as error:
        message = f"{path}, task {position}: its image is {shown(address)} ({error}); {FIX}"
        raise AnnotationError(message) from None
    if not isinstance(name, str):
        raise AnnotationError(f"{path}, task {position}: names no image; {FIX}")
    if "data" not in task:  # JSON-MIN
        lists = [each for each in task.values() if isinstance(each, list)]
        regions = [region for each in lists for region in each if isinstance(region, dict)]
        objects = [_object(region, region, number) for number, region in enumerate(regions)]
        return name, _size(regions), objects
    annotations = task.get("annotations", task.get("completions"))
    if not isinstance(annotations, list):
        raise AnnotationError(f"{path}, task {position}: annotations is no list; {FIX}")
    used = [a for a in annotations if isinstance(a, dict) and not a.get("was_cancelled")]
    results = used[0].get("result") if used else []
    regions = _regions(results if isinstance(results, list) else [])
    objects = [_object(each["value"], each, number) for number, each in enumerate(regions)]
    return name, _size(regions), objects


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


def _address(data):
    """Return the address of the image among a task's data: the value called so, or the first.

    An address `data:...` is the image itself, as text.
    """
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    texts = {key: text for key, text in texts.items() if not text.startswith("data:")}
    return texts.get("image") or texts.get("img") or next(iter(texts.values()), None)


def _file_name(address):
    """Return the file that an address means, with its folders; raise ValueError for no address."""
    if "://" in address or address.startswith("/data/"):
        parts = urlsplit(address)
        local = parse_qs(parts.query).get("d")  # /data/local-files/?d=folder/a.jpg
        address = local[0] if local else unquote(parts.path)
    if address.startswith("/data/upload/"):  # a folder of the server's own
        return address.rpartition("/")[2]
    return address.lstrip("/")


def _object(value, region, number):
    """Return the RawObject of a region; value: what holds its shape and its class."""
    labels = _labels(value)
    label = class_name(labels[0]) if labels else None
    if len(labels) > 1:
        fault = "several classes", f"it has {len(labels)} classes; leave one"
        return RawObject(label, (), number, fault=fault)
    try:
        if isinstance(value.get("points"), list):
            xmin, ymin, xmax, ymax = bounds(value["points"])
            values, kind = (xmin, ymin, xmax - xmin, ymax - ymin), "polygon"
        else:
            values, kind = _rectangle(value, region)
    except ValueError as error:
        return RawObject(label, (), number, fault=("bad row", f"{error}; draw a rectangle"))
    values = tuple(each / 100 for each in values)
    doubt = (kind, "its bounds are taken") if kind else None
    return RawObject(label, values, number, doubt=doubt)


def _rectangle(value, region):
    """Return x, y, width, height in per cent, and "turned box" where they are bounds of one."""
    x, y, width, height = (to_number(value.get(field)) for field in FORM.fields)
    degrees = to_number(value.get("rotation") or 0)
    if degrees % 360 == 0:
        return (x, y, width, height), None
    sides = to_side(region.get("original_width")), to_side(region.get("original_height"))
    across, along = (side / 100 for side in sides)  # turned in pixels, not in per cent
    box = x * across, y * along, (x + width) * across, (y + height) * along
    left, top, right, bottom = bounds_of_turned(box, degrees, box[:2])
    edges = left / across, top / along, (right - left) / across, (bottom - top) / along
    return edges, "turned box"
