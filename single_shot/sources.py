"""Where labelled pictures come from: a prepared folder, an embedded data set, folders of VOC."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from data import embedded, open_preset
from single_shot.labels.voc import VocDataset, find_classes
from single_shot.prepared_folder import open_prepared
from single_shot.workers import tell
from utils.files import InputError

import numpy as np
from mxnet import gluon

NUM_CALIBRATION_IMAGES = 64  # on which eight bits are scaled

VOC_HELP = "a folder of VOC's layout and a set in it, instead of SOURCE; may be given several times"


def add_source(parser: ArgumentParser) -> None:
    """Add the arguments that name labelled pictures to a parser."""
    add = parser.add_argument
    source_help = "a folder that `single-shot prepare` made, or an embedded data set: "
    add("source", nargs="?", metavar="SOURCE", help=source_help + ", ".join(embedded.PRESETS))
    add("--voc", action="append", default=[], metavar="FOLDER:SET", help=VOC_HELP)
    add("--drop-bad", action="store_true", help="leave bad objects of VOC out instead of stopping")


def name_of(options: Namespace) -> str:
    """Return what the source is called, for the name of a folder of results.

    Raises InputError unless there is one source, and for options of VOC's with another.
    """
    if bool(options.source) == bool(options.voc):
        raise InputError("name one source of labelled pictures: SOURCE, or --voc FOLDER:SET")
    for name in ("drop_bad", "voc_val", "classes") if options.source else ():
        if getattr(options, name, None):
            raise InputError(f"--{name.replace('_', '-')} is for --voc; leave it out with SOURCE")
    return Path(options.source or parts_of(options.voc)[0][0]).resolve().name


def open_split(
    source: str | Path, split: str, class_names: Sequence[str] | None = None
) -> gluon.data.Dataset:
    """Return a split, `train` or `val`, of a prepared folder or an embedded data set.

    class_names: those that it must have, of a detector.
    Raises InputError where it has others, or cannot be used.
    """
    is_preset = source in embedded.PRESETS and not Path(source).exists()
    dataset = (open_preset if is_preset else open_prepared)(source, split)
    if class_names and tuple(dataset.class_names) != tuple(class_names):
        raise InputError(
            f"{source}: its classes are {', '.join(dataset.class_names)}, the detector's are "
            f"{', '.join(class_names)}; choose the data that it was trained on"
        )
    return dataset


def calibration_images(source: str | Path, class_names: Sequence[str]) -> list[np.ndarray]:
    """Return training images, (H, W, 3) uint8 each, from all over what `open_split` takes."""
    dataset = open_split(source, "train", class_names)
    step = max(1, len(dataset) // NUM_CALIBRATION_IMAGES)
    return [dataset[index][0] for index in range(0, len(dataset), step)][:NUM_CALIBRATION_IMAGES]


def open_voc(
    texts: Sequence[str], class_names: Sequence[str] | None = None, drop_bad: bool = False
) -> VocDataset:
    """Return the VocDataset of texts `FOLDER:SET`; tell what is left out of it.

    class_names: default: those of the annotations.
    Raises InputError where it cannot be used, with the file and the object.
    """
    parts = parts_of(texts)
    dataset = VocDataset(parts, class_names or find_classes(parts, drop_bad), drop_bad)
    for finding in dataset.left_out:
        tell(f"left out: {finding}")
    return dataset


def parts_of(texts: Sequence[str]) -> list:
    """Return pairs of folder and set from texts `FOLDER:SET`.

    Raises InputError for a text without a colon.
    """
    pairs = [text.rpartition(":") for text in texts]
    for text, (folder, _, name) in zip(texts, pairs, strict=True):
        if not folder or not name:
            raise InputError(f"{text!r} is not FOLDER:SET; write for example VOC2007:trainval")
    return [(Path(folder), name) for folder, _, name in pairs]
