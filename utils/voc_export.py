"""Write an embedded data set in Pascal VOC's layout: `python -m utils.voc_export --help`.

What the lessons on SSD300 train on, so that they need no download.
"""

import argparse
import json
import os
import shutil
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from utils.make_data import DATA_ROOT, PRESETS, ensure
from utils.progress import progress
from utils.records import read_records

import mxnet as mx

# The sets that the two splits become.
SETS = {"train": "trainval", "val": "test"}


def annotation_xml(image_id, image, labels, class_names):
    """Return an image's objects as VOC's XML tree; the corners count pixels from 1.

    image: (H, W, 3); labels: (M, 5) rows `[class_id, xmin, ymin, xmax, ymax]` in fractions.
    """
    height, width, depth = image.shape
    root = Element("annotation")
    SubElement(root, "filename").text = f"{image_id}.jpg"
    size = SubElement(root, "size")
    for field, value in (("width", width), ("height", height), ("depth", depth)):
        SubElement(size, field).text = str(value)
    for class_id, xmin, ymin, xmax, ymax in labels:
        node = SubElement(root, "object")
        SubElement(node, "name").text = class_names[int(class_id)]
        SubElement(node, "difficult").text = "0"
        box = SubElement(node, "bndbox")
        edges = {"xmin": xmin * width + 1, "ymin": ymin * height + 1}
        edges |= {"xmax": xmax * width, "ymax": ymax * height}
        for corner, value in edges.items():
            SubElement(box, corner).text = str(round(value))
    indent(root)
    return ElementTree(root)


def export(preset, folder, data_root=DATA_ROOT):
    """Write both splits of an embedded data set into a folder, which must not exist yet.

    preset: `single` or `multi`. The sets are named as in SETS. Returns the folder.
    Raises FileExistsError where the folder exists; it appears only when all is written.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists; remove it or choose another folder")
    source = ensure(preset, data_root)
    class_names = json.loads((source / "manifest.json").read_text())["class_names"]
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    try:
        for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (temporary / part).mkdir(parents=True)
        for split, name in SETS.items():
            ids = _export_records(source / f"{split}.rec", class_names, temporary)
            (temporary / "ImageSets/Main" / f"{name}.txt").write_text("\n".join(ids) + "\n")
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _export_records(rec_path, class_names, folder):
    """Write every sample of a record file, its JPEG bytes as they are; return the image ids."""
    ids = []
    jpegs = mx.recordio.MXIndexedRecordIO(str(rec_path.with_suffix(".idx")), str(rec_path), "r")
    samples = read_records(rec_path, len(class_names))
    for key, image, labels in progress(samples, desc=rec_path.stem, unit="image"):
        image_id = f"{rec_path.stem}_{key:06d}"
        ids.append(image_id)
        tree = annotation_xml(image_id, image, labels, class_names)
        tree.write(folder / "Annotations" / f"{image_id}.xml")
        _, jpeg = mx.recordio.unpack(jpegs.read_idx(key))
        (folder / "JPEGImages" / f"{image_id}.jpg").write_bytes(jpeg)
    jpegs.close()
    return ids


def main(arguments=None):
    """Export one preset; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m utils.voc_export", description=__doc__)
    parser.add_argument("preset", choices=sorted(PRESETS))
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: data/voc_PRESET")
    options = parser.parse_args(arguments)
    folder = options.out or DATA_ROOT / f"voc_{options.preset}"
    try:
        print(export(options.preset, folder))
    except FileExistsError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
