"""What the records of a TFRecord file are made of: their messages, fields and class names.

Messages are those of protocol buffers, declared here, so that TensorFlow itself is not needed.
Fields are named as by TensorFlow's Object Detection API, whatever wrote them.
"""

from functools import lru_cache
from pathlib import Path
from typing import Any

from single_shot.labels.annotations import AnnotationError
from single_shot.labels.safe_files import read_names, read_text

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

MAX_MAP_BYTES = 4 * 2**20
IMAGE, BOX, CLASS = "image/encoded", "image/object/bbox/", "image/object/class/"
# Each makes an object a difficult one. TensorFlow Datasets put `is_` before all of them.
SET_ASIDE = tuple(f"image/object/{name}" for name in ("difficult", "is_crowd", "group_of"))
TFDS_SET_ASIDE = ("is_difficult", "is_crowd", "is_group_of")
TFDS_CORNERS = ("ymin", "xmin", "ymax", "xmax")
TFDS_CLASSES = ("label", "type")
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
def message_class(name: str) -> Any:
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


def usual_fields(found: dict) -> dict:
    """Return the fields of a record, name to values, as the Object Detection API names them.

    TensorFlow Datasets write the image file as `image`, and of a sequence such as `objects` the
    corners `objects/bbox`, four an object, and the class ids `objects/label` (TensorFlow Datasets,
    tfds.features.BBoxFeature). A record without such a sequence is returned as it is.
    """
    sequences = [name.removesuffix("bbox") for name in found if name.endswith("/bbox")]
    if IMAGE in found or len(sequences) != 1:
        return found
    values = {name: found.get(sequences[0] + name, ()) for name in ("bbox", *TFDS_SET_ASIDE)}
    usual = {name: found[name] for name in ("image/filename",) if name in found}
    usual |= {IMAGE: found.get("image", ())}
    usual |= {BOX + each: values["bbox"][at::4] for at, each in enumerate(TFDS_CORNERS)}
    usual |= {own: values[name] for own, name in zip(SET_ASIDE, TFDS_SET_ASIDE, strict=True)}
    classes = (found[sequences[0] + name] for name in TFDS_CLASSES if sequences[0] + name in found)
    return usual | {f"{CLASS}label": next(classes, ())}


def known_classes(path: Path) -> dict[int, str]:
    """Return class id to name, in the order of the ids, as a file beside the records tells them.

    It is the only .pbtxt there, or the one that is called like the records, or the file of lines
    that TensorFlow Datasets write, such as `objects-label.labels.txt`. Raises AnnotationError.
    """
    return _label_map(path) or _lines_of_names(path)


def _lines_of_names(path):
    files = [each for name in TFDS_CLASSES for each in path.parent.glob(f"*-{name}.labels.txt")]
    if len(files) != 1:
        return {}
    return dict(enumerate(read_names(files[0], MAX_MAP_BYTES)))


def _label_map(path):
    maps = sorted(path.parent.glob("*.pbtxt"))
    if len(maps) > 1:
        stem = path.name.partition(".")[0]
        maps = [each for each in maps if each.name.startswith(stem)]
    if len(maps) != 1:
        return {}
    text = read_text(maps[0], MAX_MAP_BYTES)
    try:
        content = message_class("LabelMap")()
        text_format.Parse(text, content, allow_unknown_field=True)
    except (text_format.ParseError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise AnnotationError(
            f"{maps[0]}: no label map that can be read ({reason}); name the classes (--classes)"
        ) from None
    return {item.id: item.name for item in sorted(content.item, key=lambda item: item.id)}
