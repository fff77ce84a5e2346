"""Label pictures with a detector, for a person to mend in a labelling tool.

    single-shot suggest run/detector.params new_photos --format coco --out suggested

DIR gets the boxes in a format that labelling tools import. A person looks at every picture and
mends, adds and removes; `single-shot prepare` reads what the tool exports. Too many boxes are
sooner mended than too few: the threshold is lower than that of `detect`.
"""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from single_shot.answer import Answer
from single_shot.arguments import share
from single_shot.detect import sources_of
from single_shot.files import appearing_folder
from single_shot.labels.pictures import SUFFIXES, read_picture
from single_shot.labels.writers import WRITERS, Boxes, label_paths
from utils.context import best_context
from utils.detection import detect, load_detector
from utils.files import InputError
from utils.hooks import progress
from utils.records import RecordError

import numpy as np
from tqdm import tqdm

THRESHOLD = 0.3


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of this part to a parser."""
    add = parser.add_argument
    add("checkpoint", type=Path, help="such as data/pretrained/toy_ssd_multi.params")
    add("source", type=Path, help="an image, or a folder of images")
    add("--out", type=Path, required=True, metavar="DIR", help="folder to make")
    add("--format", choices=WRITERS, default="coco", help="of the boxes")
    add("--threshold", type=share, default=THRESHOLD, help="least score")


def run(options: Namespace) -> Answer:
    """Detect in every image and write the boxes; return the Answer, which failed if an image did.

    Raises InputError where the folder is there already, or two images would share a file of labels.
    """
    if options.out.exists():
        raise InputError(f"{options.out}: exists; remove it or choose another folder (--out)")
    root = options.source if options.source.is_dir() else options.source.parent
    paths = [p for p in sources_of(options.source, options.out) if p.suffix.lower() in SUFFIXES]
    if not paths:
        raise InputError(f"{options.source}: no image, and none below it ({', '.join(SUFFIXES)})")
    names = [str(path.relative_to(root)) for path in paths]
    label_paths(options.format, names)  # which may refuse them
    detector = load_detector(options.checkpoint, best_context())
    found, num_failed = [], 0
    for name, path in progress([*zip(names, paths, strict=True)], unit="image"):
        try:
            image = read_picture(path)
        except RecordError as error:
            tqdm.write(str(error), file=sys.stderr)
            num_failed += 1
            continue
        rows = detect(image, detector, options.threshold)
        size_px = image.shape[1], image.shape[0]
        boxes = (rows[:, 2:] / np.tile(size_px, 2)).clip(0, 1)
        labels = np.column_stack([rows[:, 0], boxes])
        found.append(Boxes(name, size_px, labels, rows[:, 1]))
    with appearing_folder(options.out) as temporary:
        WRITERS[options.format](temporary, found, detector.class_names)
    count = sum(len(each.labels) for each in found)
    content = {"format": options.format, "num_images": len(found), "num_boxes": count}
    text = f"{count} boxes in {len(found)} images: {options.out} ({options.format})"
    return Answer(text, content, status=1 if num_failed else 0)


def after_stop(options: Namespace) -> str:
    """Return what Ctrl-C left."""
    return f"{options.out} is not made"
