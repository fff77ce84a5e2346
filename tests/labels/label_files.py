"""The same few labelled images in every annotation format, written for tests."""

import csv
import io
import json
from functools import lru_cache

from single_shot.labels.formats import READERS
from single_shot.labels.voc import read_folder
from single_shot.labels.voc_writer import annotation_xml
from single_shot.labels.yolo import read_yolo
from utils.records import encode_jpeg, pack_sample

import mxnet as mx
import numpy as np

NAMES = ("cat", "dog", "rød panda")
SIZE_PX = (40, 30)
FORMATS = ("voc", "coco", "csv", "yolo", "lst", "rec")


@lru_cache
def jpeg(number):
    """Return a small JPEG, another one for each number."""
    width, height = SIZE_PX
    image = np.full((height, width, 3), 60, dtype=np.uint8)
    image[:, :, number % 3] = np.linspace(0, 255, width) * (1 + number % 7) / 7
    image[number % height, :] = 255
    return encode_jpeg(image)


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


WRITERS = {"voc": _voc, "coco": _coco, "csv": _csv, "yolo": _yolo, "lst": _lst}


def write_source(folder, name, images, names=NAMES):
    """Write images and their annotations in a format into a folder; return what a reader opens."""
    folder.mkdir(parents=True, exist_ok=True)
    if name == "rec":
        (folder / "classes.txt").write_text("\n".join(names), encoding="utf-8")
        return write_rec(folder / "labels.rec", images)
    write_images(folder / "images", len(images))
    for path, content in texts_of(name, images, names).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return source_of(folder, name)


def source_of(folder, name):
    """Return what the reader of a format is given for a folder that `write_source` has filled."""
    return folder if name in ("voc", "yolo") else folder / f"labels.{SUFFIXES[name]}"


SUFFIXES = {"coco": "json", "csv": "csv", "lst": "lst", "rec": "rec"}


def write_rec(path, images):
    """Write a record file and its index; return its path."""
    writer = mx.recordio.MXIndexedRecordIO(str(path.with_suffix(".idx")), str(path), "w")
    for number, objects in enumerate(images):
        writer.write_idx(number, pack_sample(jpeg(number), fractions(objects), number))
    writer.close()
    return path


def read(name, source, **options):
    """Return the Annotations that the reader of a format finds."""
    reader = {"voc": read_folder, "yolo": read_yolo, **READERS}[name]
    return reader(source, **options)
