"""CreateML's JSON: a list of images with boxes given by centre and size in pixels.

(Apple, Create ML, Building an Object Detector Data Source.)
"""

from collections.abc import Sequence
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.image_files import image_root
from single_shot.labels.numbers_in_text import class_name, shown
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject
from single_shot.labels.safe_files import read_json

FIELDS = ("x", "y", "width", "height")
FORM = BoxForm(
    tuple(f"coordinates/{field}" for field in FIELDS),
    "centre",
    pixels=True,
    rule="coordinates are the centre and the size, in pixels",
)
MAX_JSON_BYTES = 256 * 2**20
IMAGE_FIELDS = ("image", "imagefilename", "filename")


def read_createml(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a file of CreateML's.

    images: folder of the images, by default found beside the file. class_names: by default all that
    occur. choices: see `raw.Choices`. Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    fix = "write a list of objects with image and annotations"
    entries = read_json(path, MAX_JSON_BYTES, fix)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise AnnotationError(f"{path}: no list of objects; {fix}")
    found, findings = [], []
    for position, entry in enumerate(entries):
        try:
            found.append((position, *_entry(entry, position, path, fix)))
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path, position))
    root = image_root(path, images, (name for _, name, _ in found))
    raw_images = [
        RawImage(name, root, path, objects, None, f"{path}, image {position}", "annotation")
        for position, name, objects in found
    ]
    return assemble(path, raw_images, FORM, class_names, findings, choices)


def _entry(entry, position, path, fix):
    """Return the image's name and the RawObjects of an entry; raise AnnotationError."""
    name = next((entry[field] for field in IMAGE_FIELDS if field in entry), None)
    annotations = entry.get("annotations", entry.get("annotation"))
    if not isinstance(name, str) or not isinstance(annotations, list):
        raise AnnotationError(f"{path}, image {position}: no image or no annotations; {fix}")
    return name, [_object(each, number) for number, each in enumerate(annotations)]


def _object(entry, number):
    """Return the RawObject of an annotation."""
    entry = entry if isinstance(entry, dict) else {}
    box = entry.get("coordinates")
    if not isinstance(box, dict):
        fault = "bad row", f"coordinates is {shown(box)}; write x, y, width and height"
        return RawObject("", (), number, fault=fault)
    label = class_name(entry.get("label"))
    return RawObject(label, tuple(box.get(field) for field in FIELDS), number)
