"""Do we read what other libraries write? Labels in eight formats, compared to a pixel.

    make oracle

globox writes each made-up set in every format that it has, and tfrecord writes TFRecord; we read
each, and every box must lie where it was, to a hundredth of a pixel. The VOC of globox counts edges
from 0, so that one is read by `--origin 0`; what the evidence of so small a set says is counted
apart, and may be a pixel off.
"""

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

from single_shot.labels.formats import read_source
from single_shot.labels.raw import AS_FOUND, Choices

import numpy as np
from report import table

NAMES = ("cat", "red panda", "zebra")
# Name: format, file or folder, choices, tolerance in pixels.
WRITTEN = {
    "COCO": ("coco", "coco.json", AS_FOUND, 0.01),
    "CVAT": ("cvat", "cvat.xml", AS_FOUND, 0.01),
    "Open Images": ("csv", "openimages.csv", AS_FOUND, 0.01),
    "VIA": ("via", "via.json", AS_FOUND, 0.01),
    "LabelMe": ("labelme", "labelme", AS_FOUND, 0.01),
    "YOLO": ("yolo", "yolo_v5", AS_FOUND, 0.01),
    "TFRecord": ("tfrecord", "labels.tfrecord", AS_FOUND, 0.01),
    "VOC, --origin 0": ("voc", "pascal_voc", Choices(origin=0), 0.01),
    "VOC by evidence": ("voc", "pascal_voc", AS_FOUND, 1.01),
}
WRITER = Path(__file__).with_name("globox_labels.py")


def compare(folder, name):
    """Return in how many boxes, images and faults the reading of a set differs from the truth."""
    format_name, place, choices, tolerance = WRITTEN[name]
    truth = json.loads((folder / "truth.json").read_text())
    if not any(image["boxes"] for image in truth.values()):
        return Counter()  # some formats write nothing at all
    (found,) = read_source(folder / place, format_name, folder / "images", NAMES, (), choices)
    read = {str(item.image).rpartition("/")[2]: item for item in found.items}
    counts = Counter(faults=len([each for each in found.faults if each.kind != "duplicate object"]))
    for image, expected in truth.items():
        boxes = np.unique(np.array(expected["boxes"]).reshape(-1, 5), axis=0)
        counts["boxes"] += len(boxes)
        if image not in read:
            counts["other"] += len(boxes)  # an image without boxes need not be named
            continue
        labels = read[image].labels * np.tile(expected["size"], 3)[[0, 0, 1, 0, 1]]
        labels[:, 0] = read[image].labels[:, 0]
        same = len(labels) == len(boxes)
        labels = labels[np.lexsort(labels.T[::-1])] if same else labels
        if not same or np.abs(_nearest(labels, boxes) - boxes).max(initial=0) > tolerance:
            counts["other"] += len(boxes)
    return counts


def _nearest(labels, boxes):
    """Return the labels in the order of the boxes that they are nearest to."""
    if not len(boxes):
        return labels
    distance = np.abs(labels[None] - boxes[:, None]).max(axis=2)
    return labels[distance.argmin(axis=1)]


def main(arguments=None):
    """Write, read, compare; return the exit status, 1 where anything differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    python_help = "Python of an environment that has globox and tfrecord"
    parser.add_argument("--python", required=True, help=python_help)
    parser.add_argument("--sets", type=int, default=500, help="made-up sets (default: 500)")
    options = parser.parse_args(arguments)
    rows, differs = [], False
    with tempfile.TemporaryDirectory() as temporary:
        command = [options.python, str(WRITER), temporary, str(options.sets)]
        subprocess.run(command, check=True)
        folders = sorted(Path(temporary).iterdir())
        for name in WRITTEN:
            counts = sum((compare(folder, name) for folder in folders), Counter())
            if WRITTEN[name][-1] < 1:  # evidence may fail in sets of so few boxes
                differs |= bool(counts["other"] or counts["faults"])
            rows.append([name, *(str(counts[key]) for key in ("boxes", "other", "faults"))])
    print(table(["format", "boxes", "read otherwise", "faults"], rows))
    return int(differs)


if __name__ == "__main__":
    raise SystemExit(main())
