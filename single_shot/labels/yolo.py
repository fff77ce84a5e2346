"""YOLO's text files, read and checked, in the layouts of Ultralytics, Darknet, LabelImg and others.

A text file has a line `class x_center y_center width height` for each object of an image, in
fractions of it, classes counted from 0. It lies beside the image or, for `images/a.jpg`, at
`labels/a.txt` (Ultralytics, Object Detection Datasets Overview). An image without a file is one
without objects, and is noted. Names of classes are in classes.txt, obj.names or a YAML file, which
may also say where the images of each set are.
"""

import functools
import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from single_shot.labels.annotations import AnnotationError, Annotations, Finding
from single_shot.labels.assembling import assemble
from single_shot.labels.box_forms import BoxForm
from single_shot.labels.pictures import pictures_in
from single_shot.labels.raw import AS_FOUND, Choices, RawImage
from single_shot.labels.yolo_files import find_names, read_yaml
from single_shot.labels.yolo_lines import form_of, read_lines, to_object
from single_shot.labels.yolo_sets import child, find_sets, folders_of_images, pictures_of_set
from single_shot.labels.yolo_texts import (
    find_orphans,
    find_shared,
    pair,
    places_beside,
    spelt_otherwise,
    without_text,
)

FORM = BoxForm(
    ("x_center", "y_center", "width", "height"),
    "centre",
    pixels=False,
    rule="a line is class, centre and size, divided by the image's width and height",
)


def read_yolo(
    folder: Path,
    images: Path | None = None,
    class_names: Sequence[str] | None = None,
    split: str | None = None,
    choices: Choices = AS_FOUND,
) -> Annotations:
    """Return the Annotations in a folder of one of YOLO's layouts, or of its YAML file.

    images: folder of the images, by default found. split: a set, such as `train`, that the YAML
    file names or that has folders of its own, `labels/train` or `train/labels`. class_names: by
    default those of the file that has them. choices: see `raw.Choices`. Raises AnnotationError
    where folders, names or classes are missing.
    """
    folder = Path(folder)
    folder = folder if folder.is_dir() else folder.parent
    pairs = _pairs(folder, images, split)
    class_names = class_names or find_names(folder, {path.parent for _, path in pairs})
    orphans, shared = find_orphans(pairs), find_shared(pairs)
    findings, found, claimed = [*orphans, *shared], [], {each.path for each in shared}
    said = spelt_otherwise(pairs)
    pairs = [(picture, path) for picture, path in pairs if path not in claimed]
    for picture, path in choices.progress(pairs, desc="reading labels", unit="file"):
        has_text = os.path.lexists(path)
        if not has_text:
            findings.append(without_text(picture, path, orphans))
        try:
            if has_text or not orphans:
                found.append((picture, path, read_lines(path) if has_text else []))
        except AnnotationError as error:
            findings.append(Finding("unreadable annotation", str(error), path))
    every_line = chain.from_iterable(lines for _, _, lines in found)
    form = form_of(every_line, "kpt_shape" in read_yaml(folder)[1])
    raw_images = []
    for picture, path, lines in found:
        objects = [to_object(*line, form) for line in lines]
        raw_images.append(
            RawImage(picture.name, picture.parent, path, objects, None, str(path), "line")
        )
    read = assemble(folder, raw_images, FORM, class_names, findings, choices)
    return replace(read, conventions=(*said, *form.said, *read.conventions))


def names_of_sets(folder: Path, images: Path | None, sets: Sequence[str | None]) -> list[str]:
    """Return the class names of the sets of a folder; raise AnnotationError where they differ.

    folder, images: as for `read_yolo`, a YAML file too. sets: names of the sets, None for all.
    """
    folder = folder if folder.is_dir() else folder.parent
    pairs = chain.from_iterable(_pairs(folder, images, split) for split in sets)
    return find_names(folder, {path.parent for _, path in pairs})


def _pairs(folder, images, split):
    """Return pairs of an image and its text file, which need not exist; raise AnnotationError."""
    if images:
        return _pairs_apart(folder, Path(images), split)
    places_of = functools.partial(places_beside, folder)
    return pair(pictures_of_set(folder, split), places_of) if split else _all_pairs(folder)


def _pairs_apart(folder, images, split):
    """Return the pairs of images that lie apart from the texts; raise AnnotationError.

    A set that has no folder there has the images whose text files are its own.
    """
    beside = [child(folder, "labels")]
    if split:
        beside = [beside[0] / split, child(folder / split, "labels"), folder / split]
    texts = next((path for path in beside if path.is_dir()), folder)
    is_whole = not split or (images / split).is_dir()
    images = images / split if split and is_whole else images
    pictures = pictures_in(images, "**/*")
    if not pictures:
        raise AnnotationError(f"{images}: no such folder, or no image in it (--images)")
    pairs = pair(pictures, lambda parent: [texts / parent.relative_to(images), texts])
    with_text = [each for each in pairs if os.path.lexists(each[1])]
    if not with_text:
        raise AnnotationError(
            f"{images}: no image in it has a text file in {texts}; name the folder that goes with "
            "them (--images)"
        )
    return pairs if is_whole else with_text


def _all_pairs(folder):
    """Return the pairs of a folder without sets; raise AnnotationError where it has none."""
    for places in folders_of_images(folder):
        pictures = [picture for place in places for picture in pictures_in(place, "**/*")]
        pairs = pair(pictures, functools.partial(places_beside, folder))
        if any(path.is_file() for _, path in pairs):
            return pairs
    sets = find_sets(folder)
    hint = f"; name two of its sets (--sets): {', '.join(sets)}" if len(sets) > 1 else ""
    raise AnnotationError(
        f"{folder}: no images with text files, as images and labels, obj_train_data, or side by "
        f"side{hint}"
    )
