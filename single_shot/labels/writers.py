"""Write boxes as files that labelling tools open: COCO, YOLO, VOC and Label Studio.

What is written here, the readers of this package read as the same boxes.
"""

import json
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from single_shot.files import write_whole
from single_shot.labels.voc_writer import annotation_xml, in_xml
from utils.files import InputError

import numpy as np

# Of the formats that have a file for each image: the folder of those files, and their ending.
FILE_OF_IMAGE = {"yolo": ("labels", ".txt"), "voc": ("Annotations", ".xml")}


@dataclass(frozen=True)
class Boxes:
    """The boxes of one image.

    name: its file in the folder of images; size_px: width, height as displayed; labels: (M, 5) rows
    `[class_id, xmin, ymin, xmax, ymax]` in fractions; scores: (M,) how sure a detector is.
    """

    name: str
    size_px: tuple[int, int]
    labels: np.ndarray
    scores: np.ndarray


def label_paths(format_name: str, names: Sequence[str]) -> list[Path]:
    """Return where a format has the labels of each image, below its folder; [] if in one file.

    names: of the images, as those of Boxes. Raises InputError where two would share a file.
    """
    if format_name not in FILE_OF_IMAGE:
        return []
    folder, suffix = FILE_OF_IMAGE[format_name]
    paths = [Path(folder, name).with_suffix(suffix) for name in names]
    first: dict[Path, str] = {}
    for path, name in zip(paths, names, strict=True):
        if first.setdefault(path, name) != name:
            raise InputError(
                f"{name}: its labels and those of {first[path]} would be one file, {path}; rename "
                "one of the two, or choose --format coco"
            )
    return paths


def write_coco(folder: Path, images: Sequence[Boxes], class_names: Sequence[str]) -> None:
    """Write labels.json with a `score` for each annotation."""
    content: dict = {"info": {"description": "suggested by a detector"}, "images": []}
    content |= {"annotations": [], "categories": []}
    content["categories"] = [{"id": k, "name": name} for k, name in enumerate(class_names, 1)]
    for image_id, image in enumerate(images, start=1):
        width, height = image.size_px
        entry = {"id": image_id, "file_name": image.name, "width": width, "height": height}
        content["images"].append(entry)
        for row, score in zip(image.labels.astype(float), image.scores):
            xmin, ymin, xmax, ymax = (row[1:] * np.tile(image.size_px, 2)).round(3).tolist()
            sides = round(xmax - xmin, 3), round(ymax - ymin, 3)
            content["annotations"].append(
                {"id": len(content["annotations"]) + 1, "image_id": image_id}
                | {"category_id": int(row[0]) + 1, "bbox": [xmin, ymin, *sides]}
                | {"area": round(sides[0] * sides[1], 3), "iscrowd": 0}
                | {"score": round(float(score), 4)}
            )
    write_whole(folder / "labels.json", json.dumps(content, indent=1) + "\n")


def write_yolo(folder: Path, images: Sequence[Boxes], class_names: Sequence[str]) -> None:
    """Write `labels/NAME.txt` for each image, and classes.txt; scores have no place there.

    A class has one line there, so that line breaks in its name become spaces.
    """
    paths = label_paths("yolo", [image.name for image in images])
    names = (" ".join(name.split()) for name in class_names)
    write_whole(folder / "classes.txt", "".join(f"{name}\n" for name in names))
    for image, path in zip(images, paths, strict=True):
        lines = []
        for class_id, xmin, ymin, xmax, ymax in image.labels.astype(float).tolist():
            box = (xmin + xmax) / 2, (ymin + ymax) / 2, xmax - xmin, ymax - ymin
            lines.append(" ".join([str(int(class_id)), *(f"{value:.6f}" for value in box)]))
        write_whole(folder / path, "".join(f"{line}\n" for line in lines))


def write_voc(folder: Path, images: Sequence[Boxes], class_names: Sequence[str]) -> None:
    """Write `Annotations/NAME.xml` for each image, in whole pixels; scores have no place there."""
    paths = label_paths("voc", [image.name for image in images])
    for image, path in zip(images, paths, strict=True):
        width, height = image.size_px
        canvas = np.broadcast_to(np.uint8(0), (height, width, 3))
        tree = annotation_xml(Path(image.name).stem, canvas, image.labels, class_names)
        for node in tree.iter("filename"):
            node.text = in_xml(Path(image.name).name)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        tree.write(folder / path, encoding="utf-8")


def write_label_studio(folder: Path, images: Sequence[Boxes], class_names: Sequence[str]) -> None:
    """Write tasks.json with the boxes as predictions, for Label Studio's local files."""
    tasks = []
    for image in images:
        results = [
            _region(row, score, image.size_px, class_names)
            for row, score in zip(image.labels.astype(float).tolist(), image.scores)
        ]
        mean = float(np.mean(image.scores)) if len(image.scores) else 0.0
        prediction = {"model_version": "single-shot", "score": round(mean, 4), "result": results}
        address = f"/data/local-files/?d={quote(os.fsencode(image.name))}"
        tasks.append({"data": {"image": address}, "predictions": [prediction]})
    write_whole(folder / "tasks.json", json.dumps(tasks, indent=1) + "\n")


def _region(row, score, size_px, class_names):
    """Return a box as a region of Label Studio's."""
    class_id, xmin, ymin, xmax, ymax = row
    value = {"x": 100 * xmin, "y": 100 * ymin}
    value |= {"width": 100 * (xmax - xmin), "height": 100 * (ymax - ymin)}
    name = class_names[int(class_id)]
    key = f"{name} {row}"
    return {
        "id": uuid.uuid5(uuid.NAMESPACE_OID, key).hex[:10],
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": size_px[0],
        "original_height": size_px[1],
        "score": round(float(score), 4),
        "value": value | {"rotation": 0, "rectanglelabels": [name]},
    }


WRITERS: dict[str, Callable[[Path, Sequence[Boxes], Sequence[str]], None]] = {
    "coco": write_coco,
    "yolo": write_yolo,
    "voc": write_voc,
    "label-studio": write_label_studio,
}
