"""The same few labelled images in every annotation format, written for tests."""

import csv
import io
import json
import struct
from functools import lru_cache
from xml.etree.ElementTree import Element, SubElement, tostring

from single_shot.labels.formats import FILE_READERS, FOLDER_READERS
from single_shot.labels.voc_writer import annotation_xml
from single_shot.labels.yolo import read_yolo
from utils.records import encode_jpeg, pack_sample

import mxnet as mx
import numpy as np

NAMES = ("cat", "dog", "rød panda")
SIZE_PX = (40, 30)
FORMATS = ("voc", "coco", "csv", "yolo", "lst", "rec", "cvat", "createml", "label-studio", "via")
FORMATS += ("labelme", "supervisely", "tfrecord")


@lru_cache
def jpeg(number):
    """Return a small JPEG, another one for each number, and not a near copy either."""
    width, height = SIZE_PX
    blocks = np.random.default_rng(number).integers(90, 170, (6, 8, 3), dtype=np.uint8)
    return encode_jpeg(blocks.repeat(height // 6, axis=0).repeat(width // 8, axis=1))


def write_images(folder, count):
    """Write images 0.jpg, 1.jpg, ... into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    return folder


def fractions(objects):
    """Return the labels (M, 5) of objects `(class_id, xmin, ymin, xmax, ymax)` in pixel edges."""
    rows = np.array(objects, dtype=float).reshape(-1, 5)
    return (rows / (1, *SIZE_PX, *SIZE_PX)).astype(np.float32)


def texts_of(name, images, names=NAMES):
    """Return the files of a format as a dict of relative path to bytes.

    images: for image 0.jpg, 1.jpg, ..., objects `(class_id, xmin, ymin, xmax, ymax)` in whole pixel
    edges. The first file is the annotation file, or that of the first image.
    """
    return {key: text.encode() for key, text in WRITERS[name](images, names).items()}


def _voc(images, names):
    width, height = SIZE_PX
    files = {}
    for number, objects in enumerate(images):
        tree = annotation_xml(str(number), np.zeros((height, width, 3)), fractions(objects), names)
        buffer = io.BytesIO()
        tree.write(buffer, encoding="utf-8")
        files[f"Annotations/{number}.xml"] = buffer.getvalue().decode()
    return files


def _coco(images, names):
    width, height = SIZE_PX
    annotations = [
        {"image_id": 5 + number, "category_id": 10 * (1 + class_id), "iscrowd": 0}
        | {"bbox": [xmin, ymin, xmax - xmin, ymax - ymin]}
        for number, objects in enumerate(images)
        for class_id, xmin, ymin, xmax, ymax in objects
    ]
    content = {
        "images": [
            {"id": 5 + number, "file_name": f"{number}.jpg", "width": width, "height": height}
            for number in range(len(images))
        ],
        "annotations": [{"id": 100 + k} | each for k, each in enumerate(annotations)],
        "categories": [{"id": 10 * (1 + k), "name": name} for k, name in enumerate(names)],
    }
    return {"labels.json": json.dumps(content, ensure_ascii=False)}


def _csv(images, names):
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("img_name", "label", "xmin", "ymin", "xmax", "ymax"))
    for number, objects in enumerate(images):
        for class_id, *corners in objects:
            writer.writerow((f"{number}.jpg", names[class_id], *corners))
        if not objects:
            writer.writerow((f"{number}.jpg", "", "", "", "", ""))
    return {"labels.csv": buffer.getvalue()}


def _yolo(images, names):
    files = {}
    for number, objects in enumerate(images):
        lines = []
        for class_id, xmin, ymin, xmax, ymax in fractions(objects).astype(float).tolist():
            box = (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
            lines.append(" ".join([str(int(class_id)), *(f"{value:.6f}" for value in box)]))
        files[f"labels/{number}.txt"] = "".join(f"{line}\n" for line in lines)
    return files | {"classes.txt": "".join(f"{name}\n" for name in names)}


def _lst(images, names):
    lines = []
    for number, objects in enumerate(images):
        rows = fractions(objects) if objects else -np.ones((1, 5))
        vector = "\t".join(f"{value:.6f}" for value in rows.ravel())
        lines.append(f"{number}\t2\t5\t{vector}\t{number}.jpg\n")
    return {"labels.lst": "".join(lines), "classes.txt": "".join(f"{name}\n" for name in names)}


def _cvat(images, names):
    width, height = SIZE_PX
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    for number, objects in enumerate(images):
        sides = {"width": str(width), "height": str(height)}
        node = SubElement(root, "image", id=str(number), name=f"{number}.jpg", **sides)
        for class_id, *corners in objects:
            edges = dict(zip(("xtl", "ytl", "xbr", "ybr"), map(str, corners), strict=True))
            SubElement(node, "box", label=names[class_id], occluded="0", **edges)
    return {"labels.xml": tostring(root, encoding="utf-8").decode()}


def _createml(images, names):
    content = [
        {
            "image": f"{number}.jpg",
            "annotations": [
                {
                    "label": names[class_id],
                    "coordinates": {
                        "x": (xmin + xmax) / 2,
                        "y": (ymin + ymax) / 2,
                        "width": xmax - xmin,
                        "height": ymax - ymin,
                    },
                }
                for class_id, xmin, ymin, xmax, ymax in objects
            ],
        }
        for number, objects in enumerate(images)
    ]
    return {"labels.json": json.dumps(content, ensure_ascii=False)}


def _label_studio(images, names):
    width, height = SIZE_PX
    content = []
    for number, objects in enumerate(images):
        results = []
        for class_id, xmin, ymin, xmax, ymax in objects:
            value = {"x": 100 * xmin / width, "y": 100 * ymin / height, "rotation": 0}
            value |= {"width": 100 * (xmax - xmin) / width, "height": 100 * (ymax - ymin) / height}
            value["rectanglelabels"] = [names[class_id]]
            sides = {"original_width": width, "original_height": height}
            results.append({"type": "rectanglelabels", "value": value, **sides})
        task = {"id": number, "data": {"image": f"/data/upload/1/{number}.jpg"}}
        content.append(task | {"annotations": [{"result": results, "was_cancelled": False}]})
    return {"labels.json": json.dumps(content, ensure_ascii=False)}


def _via(images, names):
    content = {}
    for number, objects in enumerate(images):
        regions = [
            {
                "shape_attributes": {"name": "rect", "x": xmin, "y": ymin}
                | {"width": xmax - xmin, "height": ymax - ymin},
                "region_attributes": {"label": names[class_id]},
            }
            for class_id, xmin, ymin, xmax, ymax in objects
        ]
        content[f"{number}.jpg123"] = {"filename": f"{number}.jpg", "size": 123, "regions": regions}
    return {"labels.json": json.dumps(content, ensure_ascii=False)}


def _labelme(images, names):
    width, height = SIZE_PX
    files = {}
    for number, objects in enumerate(images):
        shapes = [
            {"label": names[class_id], "points": [[xmax, ymin], [xmin, ymax]]}
            | {"shape_type": "rectangle", "flags": {}, "group_id": None}
            for class_id, xmin, ymin, xmax, ymax in objects
        ]
        content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imageData": None}
        content |= {"imagePath": f"{number}.jpg", "imageHeight": height, "imageWidth": width}
        files[f"{number}.json"] = json.dumps(content, ensure_ascii=False)
    return files


def _supervisely(images, names):
    width, height = SIZE_PX
    files = {}
    for number, objects in enumerate(images):
        figures = [
            {"classTitle": names[class_id], "geometryType": "rectangle"}
            | {"points": {"exterior": [[xmin, ymin], [xmax, ymax]], "interior": []}}
            for class_id, xmin, ymin, xmax, ymax in objects
        ]
        content = {"description": "", "tags": [], "size": {"height": height, "width": width}}
        content["objects"] = figures
        files[f"ann/{number}.jpg.json"] = json.dumps(content, ensure_ascii=False)
    return files | {"meta.json": json.dumps({"classes": [{"title": name} for name in names]})}


WRITERS = {
    **{"voc": _voc, "coco": _coco, "csv": _csv, "yolo": _yolo, "lst": _lst, "cvat": _cvat},
    **{"createml": _createml, "label-studio": _label_studio, "via": _via},
    **{"labelme": _labelme, "supervisely": _supervisely},
}
IMAGE_FOLDERS = {"supervisely": "img"}  # images elsewhere


def write_source(folder, name, images, names=NAMES):
    """Write images and their annotations in a format into a folder; return what a reader opens."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "rec":
        (folder / "classes.txt").write_text("\n".join(names), encoding="utf-8")
        return write_rec(folder / "labels.rec", images)
    if name == "tfrecord":
        return write_tfrecord(folder / "labels.tfrecord", images, names)
    write_images(folder / IMAGE_FOLDERS.get(name, "images"), len(images))
    for path, content in texts_of(name, images, names).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return source_of(folder, name)


def source_of(folder, name):
    """Return what the reader of a format is given for a folder that `write_source` has filled."""
    return folder / f"labels.{SUFFIXES[name]}" if name in SUFFIXES else folder


SUFFIXES = {"coco": "json", "csv": "csv", "lst": "lst", "rec": "rec", "cvat": "xml"}
SUFFIXES["tfrecord"] = "tfrecord"
SUFFIXES |= dict.fromkeys(("createml", "label-studio", "via"), "json")


def write_rec(path, images):
    """Write a record file and its index; return its path."""
    writer = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "w")
    for number, objects in enumerate(images):
        writer.write_idx(number, pack_sample(jpeg(number), fractions(objects), number))
    writer.close()
    return path


def write_tfrecord(path, images, names=NAMES):
    """Write a TFRecord file, whose label map lies beside it; return its path."""
    items = [f'item {{\n  name: "{name}",\n  id: {k}\n}}' for k, name in enumerate(names, start=1)]
    path.with_name("label_map.pbtxt").write_text("\n".join(items), encoding="utf-8")
    examples = (example(n, objects, names) for n, objects in enumerate(images))
    path.write_bytes(b"".join(map(framed, examples)))
    return path


def example(number, objects, names=NAMES):
    """Return an image with its objects as a tf.train.Example, written bit by bit."""
    rows = fractions(objects)
    width, height = SIZE_PX
    features = {"image/encoded": [jpeg(number)], "image/filename": [f"{number}.jpg".encode()]}
    features |= {"image/width": [width], "image/height": [height]}
    for column, field in enumerate(("xmin", "ymin", "xmax", "ymax"), start=1):
        features[f"image/object/bbox/{field}"] = rows[:, column].tolist()
    ids = rows[:, 0].astype(int)
    features["image/object/class/text"] = [names[k].encode() for k in ids]
    features["image/object/class/label"] = (ids + 1).tolist()
    return example_of(features)


def example_of(features):
    """Return lists of bytes, floats or whole numbers by name as a tf.train.Example."""
    entries = (_field(1, key.encode()) + _field(2, _list(v)) for key, v in features.items())
    return _field(1, b"".join(_field(1, entry) for entry in entries))


def _list(values):
    """Return a tf.train.Feature of values of one kind; without any it has no kind."""
    if not values:
        return b""
    if isinstance(values[0], bytes):
        return _field(1, b"".join(_field(1, value) for value in values))
    if isinstance(values[0], float):
        return _field(2, _field(1, struct.pack(f"<{len(values)}f", *values)))
    return _field(3, _field(1, b"".join(_varint(value) for value in values)))


def _field(number, content):
    """Return a field of bytes in the wire format of protocol buffers."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value):
    low, value = value & 127, value >> 7
    return bytes([low | 128]) + _varint(value) if value else bytes([low])


def framed(payload):
    """Return a payload as a record of a TFRecord file."""
    length = struct.pack("<Q", len(payload))
    return length + _checksum(length) + payload + _checksum(payload)


def _checksum(content):
    """Return the masked CRC-32C, bit by bit as RFC 3720 defines it."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x82F63B78 * (crc & 1)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF)


def read(name, source, **options):
    """Return the Annotations that the reader of a format finds."""
    reader = {"yolo": read_yolo, **FILE_READERS, **FOLDER_READERS}[name]
    return reader(source, **options)
