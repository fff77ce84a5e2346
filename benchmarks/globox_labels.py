"""Write made-up labels with the libraries globox and tfrecord, in an environment of their own.

    build/globox/bin/python benchmarks/globox_labels.py FOLDER COUNT

FOLDER gets COUNT folders, each with small images, truth.json and a folder for each format.
"""

import json
import random
import struct
import sys
import zlib
from pathlib import Path

from globox import Annotation, AnnotationSet, BoundingBox
from tfrecord.writer import TFRecordWriter

NAMES = ("cat", "red panda", "zebra")


def png(width, height):
    """Return a grey PNG; this environment has no library of images."""

    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    rows = (b"\0" + bytes([random.randrange(256)]) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(rows))]
        + [chunk(b"IEND", b"")]
    )


def make_box(width, height):
    """Return a random box in an image, in whole pixels."""
    left, top = random.randrange(width - 3), random.randrange(height - 3)
    right, bottom = random.randint(left + 2, width), random.randint(top + 2, height)
    return BoundingBox(label=random.choice(NAMES), xmin=left, ymin=top, xmax=right, ymax=bottom)


def write_set(folder):
    """Write the images, the truth and all formats of one made-up set."""
    images = folder / "images"
    images.mkdir(parents=True)
    annotations = []
    for number in range(random.randint(1, 4)):
        size, name = (random.randint(90, 400), random.randint(90, 400)), f"{number}.png"
        (images / name).write_bytes(png(*size))
        boxes = [make_box(*size) for _ in range(random.randrange(5))]
        annotations.append(Annotation(name, size, boxes))
    found = AnnotationSet(annotations)
    numbers = {name: number for number, name in enumerate(NAMES)}
    found.save_coco(folder / "coco.json", auto_ids=True)
    found.save_cvat(folder / "cvat.xml")
    found.save_openimage(folder / "openimages.csv")
    found.save_via_json(folder / "via.json", image_folder=images)
    for name in ("pascal_voc", "labelme", "yolo_v5"):
        (folder / name).mkdir()
    found.save_pascal_voc(folder / "pascal_voc")
    found.save_labelme(folder / "labelme")
    found.save_yolo_v5(folder / "yolo_v5", label_to_id=numbers)
    (folder / "yolo_v5" / "classes.txt").write_text("\n".join(NAMES))
    write_tfrecord(folder / "labels.tfrecord", images, annotations)
    truth = {
        each.image_id: {
            "size": each.image_size,
            "boxes": [[numbers[box.label], *box.ltrb] for box in each.boxes],
        }
        for each in annotations
    }
    (folder / "truth.json").write_text(json.dumps(truth))


def write_tfrecord(path, images, annotations):
    """Write images and boxes as TensorFlow's object detection names them."""
    writer = TFRecordWriter(str(path))
    for each in annotations:
        content = (images / each.image_id).read_bytes()
        record = {"image/encoded": (content, "byte")}
        record["image/filename"] = (each.image_id.encode(), "byte")
        sides = dict(zip(("width", "height"), each.image_size, strict=True))
        record |= {f"image/{name}": (side, "int") for name, side in sides.items()}
        for field in ("xmin", "ymin", "xmax", "ymax"):
            side = sides["width" if field[0] == "x" else "height"]
            values = [getattr(box, field) / side for box in each.boxes]
            record[f"image/object/bbox/{field}"] = (values, "float")
        labels = [box.label.encode() for box in each.boxes]
        record["image/object/class/text"] = (labels, "byte")
        writer.write(record)
    writer.close()


def main():
    """Write the sets."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    for number in range(count):
        random.seed(number)
        write_set(folder / f"{number:04d}")


if __name__ == "__main__":
    main()
