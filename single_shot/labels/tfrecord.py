"""TFRecord files of images and boxes, as Roboflow and TensorFlow's object detection write them.

A record is a `tf.train.Example`: lists of bytes, floats or whole numbers by name. The image file is
`image/encoded`; boxes are `image/object/bbox/xmin` and so on, in fractions; classes are names in
`image/object/class/text`, or numbers in `image/object/class/label` that a label map (.pbtxt)
explains (TensorFlow, Object Detection API, Preparing Inputs).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.box_forms import BadObject, BoxForm
from single_shot.labels.checks import AS_FOUND, Choices, RawImage, RawObject, assemble
from single_shot.labels.im2rec import find_names
from single_shot.labels.numbers_in_text import shown, to_side
from single_shot.labels.pictures import FilePart, RecordedImage
from single_shot.labels.safe_files import read_text
from single_shot.labels.tfrecord_file import read_payloads, shards_of

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import DecodeError

FORM = BoxForm(
    ("xmin", "ymin", "xmax", "ymax"),
    "corners",
    pixels=False,
    rule="divide pixel coordinates by the image's width and height",
)
NAME = re.compile(r"\.(tfrecords?|tfrec|record)(-\d{5}-of-\d{5})?$", re.IGNORECASE)
BOX, CLASS = "image/object/bbox/", "image/object/class/"
SET_ASIDE = ("difficult", "is_crowd", "group_of")  # each makes an object a difficult one
MAX_OBJECTS = 100_000
MAX_MAP_BYTES = 4 * 2**20
SHOWN_OF_NAME = 100
# Message, field, number, type, whether it is a list. A map is a list of entries.
FIELDS = (
    ("BytesList", "value", 1, "bytes", True),
    ("FloatList", "value", 1, "float", True),
    ("Int64List", "value", 1, "int64", True),
    ("Feature", "bytes_list", 1, "BytesList", False),
    ("Feature", "float_list", 2, "FloatList", False),
    ("Feature", "int64_list", 3, "Int64List", False),
    ("Entry", "key", 1, "bytes", False),
    ("Entry", "value", 2, "Feature", False),
    ("Features", "feature", 1, "Entry", True),
    ("Example", "features", 1, "Features", False),
    ("Item", "name", 1, "string", False),
    ("Item", "id", 2, "int32", False),
    ("LabelMap", "item", 1, "Item", True),
)


@lru_cache
def _message_class(name):
    """Return the class of a message of FIELDS; in a pool of their own, beside TensorFlow's."""
    file = descriptor_pb2.FileDescriptorProto(name="tfrecord.proto", package="tfrecord")
    names = dict.fromkeys(message for message, *_ in FIELDS)
    messages = {message: file.message_type.add(name=message) for message in names}
    for message, field, number, kind, is_list in FIELDS:
        added = messages[message].field.add(name=field, number=number)
        added.label = added.LABEL_REPEATED if is_list else added.LABEL_OPTIONAL
        if kind in messages:
            added.type, added.type_name = added.TYPE_MESSAGE, f".tfrecord.{kind}"
        else:
            added.type = getattr(added, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tfrecord.{name}"))


def read_tfrecord(
    path: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a TFRecord file, or in all parts of a set if it is one of them.

    images: not used, since records hold them; each is read when it is asked for. class_names: by
    default those of the label map beside the file, in the order of their ids, else all that occur.
    choices: see `checks.Choices`. Raises AnnotationError where the file cannot be read.
    """
    path = Path(path)
    findings: list[Finding] = []
    raw_images = []
    names = _label_map(path)
    for shard in shards_of(path):
        for number, start, payload in read_payloads(shard):
            try:
                raw_images.append(_raw_image(shard, number, start, payload, names))
            except BadObject as error:
                findings.append(Finding(error.kind, str(error), shard, number))
    if not raw_images and not findings:
        raise AnnotationError(f"{path}: holds no records; export it again")
    ids = {each.label for raw in raw_images for each in raw.objects if type(each.label) is int}
    if not class_names:
        class_names = list(names.values()) or (find_names(path, raw_images) if ids else None)
    said = _name_ids(raw_images, class_names, ids) if ids and not names else ()
    found = assemble(path, raw_images, FORM, class_names, findings, choices)
    return replace(found, conventions=(*said, *found.conventions))


def _name_ids(raw_images, class_names, ids):
    """Put names in place of class ids that no label map explains; return what to say of it."""
    first = 0 if 0 in ids else 1
    names = dict(enumerate(class_names, start=first))
    for raw in raw_images:
        raw.objects[:] = [
            replace(each, label=names.get(each.label, each.label)) for each in raw.objects
        ]
    return (f"class ids are taken to count from {first}, since there is no label map",)


def _raw_image(path, number, start, payload, names):
    """Return the RawImage of a record; raise BadObject where it holds none that can be used."""
    where = f"{path} record {number}"
    if payload is None:
        raise BadObject("bad row", f"{where}: spoiled, by its checksum; copy or export it again")
    try:
        example = _message_class("Example").FromString(payload)
    except DecodeError:
        raise BadObject("bad row", f"{where}: no tf.train.Example; export it again") from None
    lists = {bytes(entry.key): _values(entry.value) for entry in example.features.feature}
    found = {key.decode("ascii", "replace"): values for key, values in lists.items()}
    encoded = _first(found, "image/encoded")
    if not isinstance(encoded, bytes) or not encoded:
        fields = ", ".join(shown(key) for key in sorted(found)[:10]) or "none"
        raise BadObject(
            "bad row",
            f"{where}: no image/encoded (fields: {fields}); export it for object detection",
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
    return "/" + "".join(each if each.isprintable() else "\ufffd" for each in text)


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
    aside = [found.get(f"image/object/{field}", ()) for field in SET_ASIDE]
    return [
        RawObject(label, box, number, any(values[number : number + 1] == [1] for values in aside))
        for number, (label, box) in enumerate(zip(labels, zip(*boxes), strict=True))
    ]


def _text(name):
    return name.decode("utf-8", "replace") if isinstance(name, bytes) else shown(name)


def _label_map(path):
    """Return class id to name of the label map beside a file, in the order of the ids.

    It is the only .pbtxt there, or the one that is called like the file. Raises AnnotationError.
    """
    maps = sorted(path.parent.glob("*.pbtxt"))
    if len(maps) > 1:
        stem = path.name.partition(".")[0]
        maps = [each for each in maps if each.name.startswith(stem)]
    if len(maps) != 1:
        return {}
    text = read_text(maps[0], MAX_MAP_BYTES)
    try:
        content = _message_class("LabelMap")()
        text_format.Parse(text, content, allow_unknown_field=True)
    except (text_format.ParseError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AnnotationError(
            f"{maps[0]}: no label map that can be read ({reason}); name the classes (--classes)"
        ) from None
    return {item.id: item.name for item in sorted(content.item, key=lambda item: item.id)}
