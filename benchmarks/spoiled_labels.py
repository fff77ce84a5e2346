"""How many labels that were spoiled on purpose `single-shot audit` finds.

    python benchmarks/spoiled_labels.py [--epochs 8]

Takes the training images of `multi`, spoils one label in twenty in four ways (no label, another
class, a loose box, a box around nothing), prepares them as anyone's own, audits, and tells how many
of the spoiled labels the ranking names rightly in as many entries as a tenth of all labels, and how
many are in an image that one of these entries points at.
"""

import argparse
import csv
import json
import tempfile
from pathlib import Path

from data import DATA_ROOT
from data.embedded import ensure
from single_shot.command import main as single_shot
from utils.average_precision import pairwise_iou
from utils.records import read_payloads, unpack_rows

import numpy as np
from report import machine, table

SHARE = 0.05
WAYS = ("missing label", "wrong class", "loose box", "no such object")
HEADER = ("image", "label", "xmin", "ymin", "xmax", "ymax")


def spoil(labels, way, row, num_classes, rng):
    """Return the labels (M, 5) of an image with one of them, or one more, spoiled in a way."""
    labels = labels.copy()
    if way == "missing label":
        return np.delete(labels, row, axis=0)
    if way == "wrong class":
        labels[row, 0] = (labels[row, 0] + rng.integers(1, num_classes)) % num_classes
        return labels
    sides = labels[row, 3:] - labels[row, 1:3]
    if way == "loose box":
        shift = np.tile(rng.choice([-1, 1], 2) * rng.uniform(0.25, 0.4, 2) * sides, 2)
        labels[row, 1:] = (labels[row, 1:] + shift).clip(0, 1)
        return labels
    for _ in range(200):  # a box of the same size that touches no object
        corner = rng.uniform(0, 1 - sides)
        box = np.concatenate([corner, corner + sides])
        if pairwise_iou(box[None], labels[:, 1:]).max() < 0.05:
            return np.vstack([labels, [labels[row, 0], *box]])
    return None


def write_set(folder, share, seed):
    """Write the images and a CSV file with spoiled labels; return image name to how it was spoiled.

    An image has one spoiled label at most.
    """
    source, rng = ensure("multi", DATA_ROOT), np.random.default_rng(seed)
    names = json.loads((source / "manifest.json").read_text())["class_names"]
    (folder / "images").mkdir(parents=True)
    samples = []
    for key, payload in read_payloads(source / "train.rec"):
        rows, jpeg = unpack_rows(payload, "multi")
        (folder / "images" / f"{key:04d}.jpg").write_bytes(bytes(jpeg))
        samples.append((f"{key:04d}.jpg", rows[rows[:, 0] >= 0][:, :5]))
    owned = [index for index, (_, labels) in enumerate(samples) if len(labels)]
    count, spoiled = round(share * sum(len(labels) for _, labels in samples)), {}
    for index in rng.permutation(owned):
        if len(spoiled) == count:
            break
        name, labels = samples[index]
        way = WAYS[len(spoiled) % len(WAYS)]
        changed = spoil(labels, way, rng.integers(len(labels)), len(names), rng)
        if changed is not None:
            samples[index], spoiled[name] = (name, changed), way
    with open(folder / "labels.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for name, labels in samples:
            for class_id, *box in labels.tolist():
                corners = (np.array(box) * 256).round(2)
                writer.writerow((name, names[int(class_id)], *corners))
            if not len(labels):
                writer.writerow((name, *[""] * 5))
    return spoiled


def main(arguments=None):
    """Spoil, audit, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--epochs", default="8", help="of each of the three detectors")
    add("--seed", type=int, default=0, help="of what is spoiled")
    add("--out", type=Path, help="folder to keep; default: a temporary one")
    options = parser.parse_args(arguments)
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.out or Path(temporary)
        spoiled = write_set(folder / "set", SHARE, options.seed)
        single_shot(["prepare", str(folder / "set"), "--out", str(folder / "prepared")])
        words = ["--recipe", "lesson", "--epochs", options.epochs]
        single_shot(["audit", str(folder / "prepared"), "--out", str(folder / "audit"), *words])
        found = json.loads((folder / "audit" / "audit.json").read_text())
    names = [Path(each["image"]).name for each in found]
    lines = (folder / "set" / "labels.csv").read_text().splitlines()
    num_labels = sum(not line.endswith(",,,,,") for line in lines[1:])
    first = {(n, each["kind"]) for n, each in zip(names[: num_labels // 10], found)}
    rows = []
    for way in (*WAYS, "all"):
        of_way = [name for name in spoiled if way in (spoiled[name], "all")]
        named = sum((name, spoiled[name]) in first for name in of_way)
        pointed_at = sum(any(name == image for image, _ in first) for name in of_way)
        rows.append([way, *map(str, (len(of_way), named, pointed_at))])
    header = ["spoiled as", "labels", "named rightly in the first tenth", "image pointed at"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
