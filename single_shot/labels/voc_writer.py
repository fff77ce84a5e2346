"""Write an embedded data set in Pascal VOC's layout.

What the lessons on SSD300 train on, so that they need no download.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from data.embedded import DATA_ROOT, ensure
from single_shot.files import appearing_folder
from utils.hooks import progress
from utils.records import read_records

import mxnet as mx
import numpy as np

# The sets that the two splits become.
SETS = {"train": "trainval", "val": "test"}
NOT_IN_XML = re.compile(
    "[^\\t\\n\\r -\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]"
)  # XML 1.0, 2.2
EMBEDDED = DATA_ROOT / "voc_multi"  # where the lessons have theirs


def annotation_xml(
    image_id: str, image: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> ElementTree:
    """Return an image's objects as VOC's XML tree; the corners count pixels from 1.

    image: (H, W, 3); labels: (M, 5) rows `[class_id, xmin, ymin, xmax, ymax]` in fractions. Signs
    that XML has no place for are escaped in names, such as `\\x1b`.
    """
    height, width, depth = image.shape
    root = Element("annotation")
    SubElement(root, "filename").text = in_xml(f"{image_id}.jpg")
    size = SubElement(root, "size")
    for field, value in (("width", width), ("height", height), ("depth", depth)):
        SubElement(size, field).text = str(value)
    for class_id, xmin, ymin, xmax, ymax in labels:
        node = SubElement(root, "object")
        SubElement(node, "name").text = in_xml(class_names[int(class_id)])
        SubElement(node, "difficult").text = "0"
        box = SubElement(node, "bndbox")
        edges = {"xmin": xmin * width + 1, "ymin": ymin * height + 1}
        edges |= {"xmax": xmax * width, "ymax": ymax * height}
        for corner, value in edges.items():
            SubElement(box, corner).text = str(round(value))
    indent(root)
    return ElementTree(root)


def in_xml(text: str) -> str:
    """Return a text with what XML 1.0 has no place for escaped."""
    return NOT_IN_XML.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def export(preset: str, folder: Path, data_root: Path = DATA_ROOT) -> Path:
    """Write both splits of an embedded data set into a folder, which must not exist yet.

    preset: `single` or `multi`. The sets are named as in SETS. Returns the folder.
    Raises FileExistsError where the folder exists; it appears only when all is written.
    """
    folder = Path(folder)
    if folder.exists():
        raise FileExistsError(f"{folder} exists; remove it or choose another folder")
    source = ensure(preset, data_root)
    class_names = json.loads((source / "manifest.json").read_text())["class_names"]
    with appearing_folder(folder) as temporary:
        for part in ("JPEGImages", "Annotations", "ImageSets/Main"):
            (temporary / part).mkdir(parents=True)
        for split, name in SETS.items():
            ids = _export_records(source / f"{split}.rec", class_names, temporary)
            (temporary / "ImageSets/Main" / f"{name}.txt").write_text("\n".join(ids) + "\n")
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
