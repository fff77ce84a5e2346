"""TFRecord files of images and boxes, as Roboflow and TensorFlow's object detection write them.

A record is a `tf.train.Example`: lists of bytes, floats or whole numbers by name. The image file is
`image/encoded`; boxes are `image/object/bbox/xmin` and so on, in fractions; classes are names in
`image/object/class/text`, or numbers in `image/object/class/label` that a label map (.pbtxt)
explains (TensorFlow, Object Detection API, Preparing Inputs). Those of TensorFlow Datasets are
named otherwise: see `tfrecord_fields.usual_fields`.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BadObject, BoxForm
from single_shot.labels.im2rec import find_names
from single_shot.labels.numbers_in_text import printable, shown, to_side
from single_shot.labels.pictures import FilePart, RecordedImage
from single_shot.labels.raw import AS_FOUND, Choices, RawImage, RawObject
from single_shot.labels.tfrecord_fields import (
    BOX,
    CLASS,
    IMAGE,
    SET_ASIDE,
    known_classes,
    message_class,
    usual_fields,
)
from single_shot.labels.tfrecord_file import read_payloads, shards_of

from google.protobuf.message import DecodeError

FORM = BoxForm(
    ("xmin", "ymin", "xmax", "ymax"),
    "corners",
    pixels=False,
    rule="divide pixel coordinates by the image's width and height",
)
NAME = re.compile(r"\.(tfrecords?|tfrec|record)(-\d{5}-of-\d{5})?$", re.IGNORECASE)
MAX_OBJECTS = 100_000
SHOWN_OF_NAME = 100


def read_tfrecord(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a TFRecord file, or in all parts of a set if it is one of them.

    images: not used, since records hold them; each is read when it is asked for. class_names: by
    default those of the label map beside the file, in the order of their ids, else all that occur.
    choices: see `raw.Choices`. Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    findings: list[Finding] = []
    raw_images = []
    names = known_classes(path)
    for shard in shards_of(path):
        records = choices.progress(read_payloads(shard), desc=shard.name, unit="record")
        for number, start, payload in records:
            try:
                raw_images.append(_raw_image(shard, number, start, payload, names))
            except BadObject as error:
                findings.append(Finding(error.kind, str(error), shard, number))
    if not raw_images and not findings:
        raise AnnotationError(f"{path}: holds no records; export it again")
    ids = {each.label for raw in raw_images for each in raw.objects if type(each.label) is int}
    if not class_names:
        class_names = list(names.values()) or (find_names(path, raw_images) if ids else None)
    return assemble(path, raw_images, FORM, class_names, findings, choices, not names)


def _raw_image(path, number, start, payload, names):
    """Return the RawImage of a record; raise BadObject where it holds none that can be used."""
    where = f"{path} record {number}"
    if payload is None:
        raise BadObject("bad row", f"{where}: spoiled, by its checksum; copy or export it again")
    try:
        example = message_class("Example").FromString(payload)
    except DecodeError:
        raise BadObject("bad row", f"{where}: no tf.train.Example; export it again") from None
    lists = {bytes(entry.key): _values(entry.value) for entry in example.features.feature}
    fields = {key.decode("ascii", "replace"): values for key, values in lists.items()}
    found = usual_fields(fields)
    encoded = _first(found, IMAGE)
    if not isinstance(encoded, bytes) or not encoded:
        told = ", ".join(shown(key) for key in sorted(fields)[:10]) or "none"
        raise BadObject(
            "bad row",
            f"{where}: no image/encoded (fields: {told}); export it for object detection",
        )
    part = FilePart(path, start + payload.index(encoded), len(encoded))
    image = RecordedImage(f"{where}{_file_name(found)}", part)
    try:
        size_px = _size_px(found)
    except ValueError as error:
        raise BadObject("bad row", f"{where}: image/width or image/height is {error}") from None
    return RawImage(image, path.parent, path, _objects(found, names, where), size_px, where)


def _values(feature):
    """Return the values of a feature, of whatever kind."""
    kinds = (feature.bytes_list, feature.float_list, feature.int64_list)
    return next((kind.value for kind in kinds if kind.value), ())


def _first(found: dict, name: str) -> Any:
    return next(iter(found.get(name, ())), None)


def _file_name(found):
    """Return the last part of an image's file name after a slash, such as copies are told by."""
    name = _first(found, "image/filename")
    if not isinstance(name, bytes):
        return ""
    text = re.split(r"[/\\]", name.decode("utf-8", "replace"))[-1][:SHOWN_OF_NAME]
    return f"/{printable(text)}"


def _size_px(found):
    """Return (width, height) as a record states it, None where it does not."""
    width, height = (_first(found, f"image/{side}") for side in ("width", "height"))
    return None if width is None and height is None else (to_side(width), to_side(height))


def _objects(found, names, where):
    """Return the RawObjects of a record; names: class id to name, may be empty."""
    boxes = [found.get(BOX + field, ()) for field in FORM.fields]
    texts, ids = (found.get(CLASS + field, ()) for field in ("text", "label"))
    counts = {len(values) for values in (*boxes, texts or ids)}
    if len(counts) > 1 or max(counts) > MAX_OBJECTS:
        fields = zip((*FORM.fields, "class"), (*boxes, texts or ids), strict=True)
        told = ", ".join(f"{len(values)} {field}" for field, values in fields)
        raise BadObject(
            "bad row",
            f"{where}: {told}; write a value an object, at most {MAX_OBJECTS:,}",
        )
    labels = [names.get(label, label) for label in ids] if not texts else map(_text, texts)
    aside = [found.get(field, ()) for field in SET_ASIDE]
    return [
        RawObject(label, box, number, any(values[number : number + 1] == [1] for values in aside))
        for number, (label, box) in enumerate(zip(labels, zip(*boxes), strict=True))
    ]


def _text(name):
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else shown(name)
